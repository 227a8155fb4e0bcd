/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walkers of page tables: the device's own mirror table (format in
 * dmirage_hw.h) and the x86-64 CPU's (Intel SDM volume 3, 4.5).
 *
 * Both are radix trees of 4 KiB tables with 512 entries of 64 bits.  A walk
 * reads one entry per level, through a callback, and depends on nothing else.
 * It ends after @levels reads at the latest, whatever the table contains.
 *
 * Plain C without state.  The caller sees to it that what was read is still
 * true when it is used (device: walk and IOTLB fill in one lock section).
 */
#ifndef DMIRAGE_WALK_H
#define DMIRAGE_WALK_H

#include <stdbool.h>
#include <stdint.h>

/* Reads 8 aligned bytes in one piece.  Returns false if nothing is there. */
typedef bool DmirageRead64(void *opaque, uint64_t addr, uint64_t *value);

typedef enum DmirageWalkResult {
    DMIRAGE_WALK_OK,
    DMIRAGE_WALK_ABSENT,        /* an entry is not valid, or va out of reach */
    DMIRAGE_WALK_MALFORMED,     /* an entry has a reserved bit set */
    DMIRAGE_WALK_NO_MEMORY,     /* a table is not in memory */
} DmirageWalkResult;

/**
 * DmirageWalk: where a walk ended
 * @addr: on OK: address of the leaf's first byte, aligned to its size
 * @entry: the last entry read
 * @order: on OK: log2 of the leaf's size: 12, 21 or 30
 * @level: level of the last entry read, 1 is the lowest
 * @write: on OK: writable, at every level that has a say
 */
typedef struct DmirageWalk {
    uint64_t addr;
    uint64_t entry;
    uint8_t order;
    uint8_t level;
    bool write;
} DmirageWalk;

/* @levels: 4 or 5.  @root: address of the highest table. */
DmirageWalkResult dmirage_walk_mirror(DmirageRead64 *read, void *opaque,
                                      uint64_t root, unsigned levels,
                                      uint64_t va, DmirageWalk *w);

/*
 * The lower (user) half of the x86-64 table.  PAT, NX, protection-key and
 * software bits are ignored; a reserved bit set counts as MALFORMED.
 */
DmirageWalkResult dmirage_walk_x86(DmirageRead64 *read, void *opaque,
                                   uint64_t root, unsigned levels,
                                   uint64_t va, DmirageWalk *w);

#endif
