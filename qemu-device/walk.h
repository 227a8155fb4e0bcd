/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walkers of page tables: the device's own mirror table (format in
 * dmirage_hw.h) and the x86-64 CPU's (Intel SDM volume 3, 4.5).
 *
 * Both are radix trees of 4 KiB tables with 512 entries of 64 bits.  A walk
 * reads one entry per level, through a callback, and depends on nothing else.
 * It ends after as many reads as there are levels, whatever the table
 * contains.
 *
 * Plain C without state.  The caller sees to it that what was read is still
 * true when it is used (device: walk and IOTLB fill in one lock section).
 */
#ifndef DMIRAGE_WALK_H
#define DMIRAGE_WALK_H

#include <stdbool.h>
#include <stdint.h>

#define DMIRAGE_LEVELS_MAX  5

#define DMIRAGE_X86_PRESENT (1ull << 0)     /* of an entry of the CPU's */

/* Reads 8 aligned bytes in one piece.  Returns false if nothing is there. */
typedef bool DmirageRead64(void *opaque, uint64_t addr, uint64_t *value);

/*
 * Replaces *@expected by @desired in the 8 aligned bytes at @addr, atomically
 * with respect to all CPUs.  Puts what was found there into *@expected if it
 * was something else.  Returns false if nothing is there.
 */
typedef bool DmirageCas64(void *opaque, uint64_t addr, uint64_t *expected,
                          uint64_t desired);

typedef enum DmirageWalkResult {
    DMIRAGE_WALK_OK,
    DMIRAGE_WALK_ABSENT,        /* an entry is not valid, or va out of reach */
    DMIRAGE_WALK_MALFORMED,     /* an entry has a reserved bit set */
    DMIRAGE_WALK_NO_MEMORY,     /* a table is not in memory */
} DmirageWalkResult;

/**
 * DmirageWalk: where a walk ended
 * @addr: on OK: address of the leaf's first byte, aligned to its size
 * @entry: the last entry read (or written, for A and D)
 * @entry_addr: where that entry is
 * @table: by level, the tables that the walk went through; 0 if it did not
 * @order: on OK: log2 of the leaf's size: 12, 21 or 30
 * @level: level of the last entry read, 1 is the lowest
 * @write: on OK: writable, at every level that has a say
 * @user: on OK, x86 only: user mode may, at every level
 */
typedef struct DmirageWalk {
    uint64_t addr;
    uint64_t entry;
    uint64_t entry_addr;
    uint64_t table[DMIRAGE_LEVELS_MAX + 1];
    uint8_t order;
    uint8_t level;
    bool write;
    bool user;
} DmirageWalk;

/*
 * @table is a table of @level, 1 to 5, that maps @va: the root, or one known
 * from a walk cache.  Addresses beyond the reach of the 4 or 5 @levels of the
 * whole tree are absent.
 */
DmirageWalkResult dmirage_walk_mirror(DmirageRead64 *read, void *opaque,
                                      uint64_t table, unsigned level,
                                      unsigned levels, uint64_t va,
                                      DmirageWalk *w);

/*
 * The lower (user) half of the x86-64 table with 4 or 5 @levels at @root.
 * PAT, NX, protection-key and software bits are ignored; PS at level 4 or 5
 * counts as MALFORMED.
 */
DmirageWalkResult dmirage_walk_x86(DmirageRead64 *read, void *opaque,
                                   uint64_t root, unsigned levels,
                                   uint64_t va, DmirageWalk *w);

/*
 * The same for a device that shares the table with the CPU: as the CPU's own
 * walk for an access in user mode does, it sets A in each entry on the way
 * and, for a @write, D in the leaf; never one without the entry being
 * present, and never after it has changed.  An access that the entries do not
 * permit (no user mode, or @write without the right) gives OK with @user or
 * @write false, and sets neither A nor D in the entry that forbids it.
 * ABSENT if entries change under its hands DMIRAGE_WALK_RETRIES times on end.
 */
DmirageWalkResult dmirage_walk_x86_access(DmirageRead64 *read,
                                          DmirageCas64 *cas, void *opaque,
                                          uint64_t root, unsigned levels,
                                          uint64_t va, bool write,
                                          DmirageWalk *w);

#define DMIRAGE_WALK_RETRIES    16

#endif
