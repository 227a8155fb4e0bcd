/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The oracle: is a translation that the device holds still true?
 *
 * It compares a translation with the process's page table, which it walks by
 * itself; it never asks the driver.
 *
 * Mirror mode.  At every instant, for every translation held and every 4 KiB
 * page in it: the process's page table maps the page, present, to the same
 * frame; and if the translation permits writes, so does the page table.  It
 * holds at every instant since the kernel calls invalidate_range_start before
 * it changes an entry, and the driver does not return from it before the
 * device has let go.
 *
 * One transient is allowed: inside one page-table-lock section the kernel may
 * clear an entry and write it back with the same frame and rights, and tells
 * nobody (MADV_COLD in Linux 6.1: madvise_cold_or_pageout_pte_range).  So a
 * page found absent is *suspect*: it is looked at again until it is there or
 * @suspect_ns have passed.  Another frame, or lost write permission, is a
 * violation at once.
 *
 * Shared mode.  The kernel changes the entry first and flushes then
 * (arch_invalidate_secondary_tlbs), so a translation may outlive the entry, or
 * its write permission; it is stale when another frame is present.  Only when
 * the caller knows that no change is under way (@settled) do absence, for
 * @suspect_ns, and lost permission count; and another frame with the same
 * content, neither of them writable: until 6.5 the flush may come after that
 * (__split_huge_zero_page_pmd()).
 *
 * Pinned mode.  The frame is the driver's by right, whatever the page table
 * says.  What is told is that the process no longer sees it: another frame, or
 * none for @suspect_ns.  Permission does not matter.
 *
 * Plain C; no state of its own.  The caller keeps the translation latched
 * while it is checked, so that no flush can complete in between.
 */
#ifndef DMIRAGE_ORACLE_H
#define DMIRAGE_ORACLE_H

#include "dmirage_hw.h"
#include "iotlb.h"
#include "walk.h"

/* Values of DMIRAGE_CTL_MODE_*, shifted down. */
typedef enum DmirageMode {
    DMIRAGE_MODE_MIRROR = DMIRAGE_CTL_MODE_MIRROR >> 4,
    DMIRAGE_MODE_PINNED = DMIRAGE_CTL_MODE_PINNED >> 4,
    DMIRAGE_MODE_SHARED = DMIRAGE_CTL_MODE_SHARED >> 4,
} DmirageMode;

/* What it is made not to see, to test those who rely on it. */
typedef enum DmirageBlind {
    DMIRAGE_SEES_ALL,
    DMIRAGE_BLIND_FRAME,        /* any frame is the right one */
    DMIRAGE_BLIND_WRITE,        /* write permission does not matter */
    DMIRAGE_BLIND_LARGE,        /* of a large translation: its first 4 KiB */
} DmirageBlind;

/**
 * DmirageOracle: how the oracle sees the world
 * @read: reads the process's page table; physical addresses
 * @same_frame: does a DMA address lead to this physical address?
 * @same_content: do the pages there have the same in them?  Shared mode only
 * @now_ns: any monotonic clock
 * @pause: waits a little between two looks at a suspect; false: stop looking,
 *     the machine or the context is being stopped
 * @opaque: for all of these
 * @root: physical address of the process's highest page table
 * @levels: 4 or 5
 * @mode: whose invariant
 * @settled: shared mode: the kernel is not in the middle of a change
 * @suspect_ns: how long a suspect may stay absent
 * @blind: what it does not see; for tests only
 */
typedef struct DmirageOracle {
    DmirageRead64 *read;
    bool (*same_frame)(void *opaque, uint64_t dma, uint64_t phys);
    bool (*same_content)(void *opaque, uint64_t dma, uint64_t phys);
    int64_t (*now_ns)(void *opaque);
    bool (*pause)(void *opaque);
    void *opaque;
    uint64_t root;
    unsigned levels;
    DmirageMode mode;
    bool settled;
    int64_t suspect_ns;
    DmirageBlind blind;
} DmirageOracle;

/**
 * DmirageFinding: what a check found
 * @kind: of the first page that differs; DMIRAGE_VIOL_NONE if none does, and
 *     then nothing is said by what comes next:
 * @va: first byte accessed in that page
 * @held_addr: DMA address of the device's frame for that page
 * @cpu_addr: physical address of the process's frame, 0 if absent
 * @cpu: where the walk of that page ended
 * @cpu_present: the walk found it
 * @pages: pages that differ; an absent page after the first that differs is
 *     counted as it was found, without a second look
 * @checks: pages compared
 * @suspects: pages that were found absent at first, where that counts
 * @undecided: @pause ended the check early; the access must not be carried out
 */
typedef struct DmirageFinding {
    enum dmirage_violation_kind kind;
    uint64_t va;
    uint64_t held_addr;
    uint64_t cpu_addr;
    DmirageWalk cpu;
    bool cpu_present;
    unsigned pages;
    unsigned checks;
    unsigned suspects;
    bool undecided;
} DmirageFinding;

/*
 * Checks the pages of @x that the bytes @va..@va+@len-1 touch; they lie
 * within @x, @len > 0.  Pages that one large entry of the CPU's maps share one
 * walk: a single read of that entry is true of all of them at one instant.
 */
void dmirage_oracle_check(const DmirageOracle *o, const DmirageXlate *x,
                          uint64_t va, uint64_t len, DmirageFinding *f);

#endif
