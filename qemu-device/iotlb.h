/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device's IOTLB: a set-associative cache of translations.
 *
 * Holds translations of several page sizes and of several contexts (ASIDs)
 * side by side.  An entry is found by its ASID, its page size and its page
 * number; sizes that have no entry cost no look-up.  Replacement within a set
 * is least recently used.
 *
 * Invariants: no two entries of a set have the same ASID, size and page.
 * Invalidation drops an entry if it overlaps the range in a single byte.
 *
 * Plain C without locks: the caller serialises (device: DmirageState.lock).
 */
#ifndef DMIRAGE_IOTLB_H
#define DMIRAGE_IOTLB_H

#include <stdbool.h>
#include <stdint.h>

#define DMIRAGE_ORDER_4K    12
#define DMIRAGE_ORDER_2M    21
#define DMIRAGE_ORDER_1G    30

/**
 * DmirageXlate: a translation, in the IOTLB or latched by an access
 * @va: virtual address of its first byte, aligned to its size
 * @pa: DMA address of its first byte, aligned to its size
 * @fill_ns: device clock when it was read from the mirror table
 * @asid: context
 * @order: log2 of its size in bytes: 12, 21 or 30
 * @write: the device may write through it
 */
typedef struct DmirageXlate {
    uint64_t va;
    uint64_t pa;
    int64_t fill_ns;
    uint16_t asid;
    uint8_t order;
    bool write;
} DmirageXlate;

static inline uint64_t dmirage_xlate_last(const DmirageXlate *x)
{
    return x->va + ((1ull << x->order) - 1);
}

typedef struct DmirageIotlb DmirageIotlb;

/*
 * @entries and @ways: powers of two, ways <= entries; anything else gives
 * NULL, as does lack of memory.
 */
DmirageIotlb *dmirage_iotlb_new(unsigned entries, unsigned ways);
void dmirage_iotlb_free(DmirageIotlb *tlb);

/* The translation of @va, or NULL.  Valid until the next insert or drop. */
const DmirageXlate *dmirage_iotlb_lookup(DmirageIotlb *tlb, uint16_t asid,
                                         uint64_t va);

/* Replaces an entry of the same page, else the set's least recently used. */
void dmirage_iotlb_insert(DmirageIotlb *tlb, const DmirageXlate *x);

/*
 * Drops what overlaps the bytes @first..@last (both included) of @asid, and
 * returns how many entries that were.  The cost grows with the smaller of the
 * range's pages and the table's sets, not with how full the table is.
 */
unsigned dmirage_iotlb_drop_range(DmirageIotlb *tlb, uint16_t asid,
                                  uint64_t first, uint64_t last);
unsigned dmirage_iotlb_drop_asid(DmirageIotlb *tlb, uint16_t asid);
unsigned dmirage_iotlb_drop_all(DmirageIotlb *tlb);

/* How many translations it holds now. */
unsigned dmirage_iotlb_held(const DmirageIotlb *tlb);

#endif
