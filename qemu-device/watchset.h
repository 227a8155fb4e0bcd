/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watch set: the translations that the device may still use, and what
 * pages of the process's page table each of them depends on.
 *
 * A translation is *held* from when the device read it from a page table until
 * an invalidation covers it: the IOTLB has some of those that are held, never
 * one that is not.  It depends on one *table* of each level at most, a 4 KiB
 * page of 512 entries, and there on the entries whose addresses intersect its
 * own.  An entry of level l covers 1 << (12 + 9 * (l - 1)) bytes; the table's
 * first one begins at the translation's first address rounded down to what 512
 * of them cover.  So that is a single entry, but all 512 where a translation
 * is larger than what an entry covers: small tables beneath a large page.
 *
 * A table is *watched* while a held translation depends on it, and what is
 * written to it is brought here, where it *hits* those that depend on what was
 * written.  Who is hit is judged elsewhere, and may be *suspect* until then.
 * A page may be a table of several contexts, addresses or levels at once, even
 * of several levels of one translation.
 *
 * Invariants: no two translations held have the same ASID, address and size.
 * A table is watched if and only if a translation depends on it, and there are
 * max_tables of them at most, also while tables are exchanged for others.  A
 * table that is in use before and after a call stays watched during it.
 *
 * Plain C without locks: the caller serialises (device: DmirageState.lock).
 * Callbacks do not call back into the set, except as said with them.
 */
#ifndef DMIRAGE_WATCHSET_H
#define DMIRAGE_WATCHSET_H

#include <stdbool.h>
#include <stdint.h>

#include "iotlb.h"

#define DMIRAGE_WATCH_LEVELS    5

/**
 * DmirageWatchStore: a store to a table, as its judge noted it
 * @since_us: host clock
 * @time_ns: device clock
 * @pc: instruction that stored
 * @cpu: virtual CPU that stored
 * @level: of the table
 * @ticket: by which its call chain is asked for
 * @outside: how often the CPU has been seen in user mode, or idle, since
 * @answered: another frame came after it, and who put it there has been asked
 * @va: first address of the translation that it concerns
 * @before, @after: the entry stored to
 */
typedef struct DmirageWatchStore {
    int64_t since_us;
    int64_t time_ns;
    uint64_t pc;
    unsigned cpu;
    unsigned level;
    uint32_t ticket;
    unsigned outside;
    bool answered;
    uint64_t va;
    uint64_t before;
    uint64_t after;
} DmirageWatchStore;

/**
 * DmirageWatched: a translation that is held
 * @x: the translation
 * @table: [level - 1]: physical address of what it depends on; 0: none
 * @suspect: as by dmirage_watchset_set_suspect()
 * @first: the user's: the store that made it suspect; zeroes when it is added
 *
 * Only @first is the user's to write.
 */
typedef struct DmirageWatched {
    DmirageXlate x;
    uint64_t table[DMIRAGE_WATCH_LEVELS];
    bool suspect;
    DmirageWatchStore first;
} DmirageWatched;

typedef struct DmirageWatchset DmirageWatchset;

/**
 * DmirageWatchOps: what the set asks for
 * @watch: @table has its first dependent
 * @unwatch: @table has lost its last one
 * @settled: a translation of @asid was suspect, and is not any more, or is gone
 */
typedef struct DmirageWatchOps {
    void (*watch)(void *opaque, uint64_t table);
    void (*unwatch)(void *opaque, uint64_t table);
    void (*settled)(void *opaque, uint16_t asid);
} DmirageWatchOps;

typedef void DmirageWatchedFn(void *opaque, DmirageWatched *w);

/* @first..@last: the part of its addresses that is concerned. */
typedef void DmirageWatchHitFn(void *opaque, DmirageWatched *w, uint64_t first,
                               uint64_t last);

/* @ops is not copied.  NULL: no memory. */
DmirageWatchset *dmirage_watchset_new(unsigned max_tables,
                                      const DmirageWatchOps *ops,
                                      void *opaque);

/* Unwatches everything. */
void dmirage_watchset_free(DmirageWatchset *ws);

/*
 * Holds a copy of @x, which depends on @table.  Replaces what is held of the
 * same ASID, address and size, which keeps its place in memory, but is no
 * longer suspect.
 *
 * Refuses if more than max_tables tables would have to be watched, or if there
 * is no memory: then returns NULL, and nothing of that page and size is held,
 * also not what was before.
 */
DmirageWatched *dmirage_watchset_add(DmirageWatchset *ws,
                                     const DmirageXlate *x,
                                     const uint64_t table[]);

/* What is held of this ASID, address and size; NULL: nothing. */
DmirageWatched *dmirage_watchset_find(const DmirageWatchset *ws, uint16_t asid,
                                      uint64_t va, unsigned order);

/*
 * @w depends on other tables now; nothing else of it changes.  Refuses as
 * above: then returns false, and @w is gone.
 */
bool dmirage_watchset_move(DmirageWatchset *ws, DmirageWatched *w,
                           const uint64_t table[]);

/* @w is gone. */
void dmirage_watchset_remove(DmirageWatchset *ws, DmirageWatched *w);

/*
 * Drops what overlaps the bytes @first..@last (both included) of @asid, and
 * returns how many translations that were.  @dropped, unless it is NULL, is
 * called for each of them just before it is gone.  The cost grows with the
 * range's 2 MiB blocks, or what is held of @asid, if that is less; and in each
 * block with the range's pages, or what is held of the block.
 */
unsigned dmirage_watchset_drop_range(DmirageWatchset *ws, uint16_t asid,
                                     uint64_t first, uint64_t last,
                                     DmirageWatchedFn *dropped, void *opaque);
unsigned dmirage_watchset_drop_asid(DmirageWatchset *ws, uint16_t asid,
                                    DmirageWatchedFn *dropped, void *opaque);

/*
 * @size bytes (1..8, of one page) were written at physical address @addr.
 * Calls @hit for all translations that depend on the first entry written, then
 * for those that depend on the second one, if there is one: for each of them
 * once per entry, with the part that the entry covers.  (Of a translation on
 * which the entry bears at several levels: from the first to the last byte.)
 *
 * @hit may move and remove the translation that it is called for, and make it
 * suspect or not.
 */
void dmirage_watchset_store(DmirageWatchset *ws, uint64_t addr, unsigned size,
                            DmirageWatchHitFn *hit, void *opaque);

/* The page of physical address @addr is a table that is watched. */
bool dmirage_watchset_is_watched(const DmirageWatchset *ws, uint64_t addr);

void dmirage_watchset_set_suspect(DmirageWatchset *ws, DmirageWatched *w,
                                  bool suspect);

/*
 * Calls @fn for all that are suspect; costs nothing if none is.  @fn may move
 * and remove the translation that it is called for, and clear its suspicion.
 */
void dmirage_watchset_suspects(DmirageWatchset *ws, DmirageWatchedFn *fn,
                               void *opaque);

/* How many translations it holds and tables it watches now. */
unsigned dmirage_watchset_held(const DmirageWatchset *ws);
unsigned dmirage_watchset_tables(const DmirageWatchset *ws);

/* How many translations it refused in its life. */
uint64_t dmirage_watchset_refused(const DmirageWatchset *ws);

#endif
