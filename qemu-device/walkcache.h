/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The walk cache: where the lower tables of a radix page table are, so that a
 * walk need not begin at the root.
 *
 * An entry says: the table of level L that maps the aligned block around a
 * virtual address is at this DMA address.  The block is 2 MiB at level 1,
 * 1 GiB at level 2, 512 GiB at level 3, 256 TiB at level 4.  An invalidation
 * drops an entry if it overlaps its block in a single byte: the table may have
 * been replaced or freed.
 *
 * Fully associative and small, oldest out first.  Plain C without locks: the
 * caller serialises (device: DmirageState.lock).
 */
#ifndef DMIRAGE_WALKCACHE_H
#define DMIRAGE_WALKCACHE_H

#include <stdbool.h>
#include <stdint.h>

#define DMIRAGE_WALKCACHE_MAX   256

typedef struct DmirageWalkCache DmirageWalkCache;

/* @entries: 0..DMIRAGE_WALKCACHE_MAX; 0: a cache that never holds anything. */
DmirageWalkCache *dmirage_walkcache_new(unsigned entries);
void dmirage_walkcache_free(DmirageWalkCache *wc);

/*
 * The lowest table known for @va.  Returns its level, 1 to 4, and its address
 * in *@table; 0 if none is known.
 */
unsigned dmirage_walkcache_lookup(const DmirageWalkCache *wc, uint16_t asid,
                                  uint64_t va, uint64_t *table);

/* Replaces what is known of the same block and level.  @level: 1..4. */
void dmirage_walkcache_insert(DmirageWalkCache *wc, uint16_t asid, uint64_t va,
                              unsigned level, uint64_t table);

/* As for the IOTLB; each returns how many entries were dropped. */
unsigned dmirage_walkcache_drop_range(DmirageWalkCache *wc, uint16_t asid,
                                      uint64_t first, uint64_t last);
unsigned dmirage_walkcache_drop_all(DmirageWalkCache *wc);

unsigned dmirage_walkcache_held(const DmirageWalkCache *wc);

#endif
