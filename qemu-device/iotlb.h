/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device's IOTLB: a set-associative cache of translations.
 *
 * Holds translations of several page sizes and of several contexts (ASIDs)
 * side by side.  An entry is found by its ASID, its page size and its page
 * number; sizes that have no entry cost no look-up.  Replacement within a set
 * is by a policy chosen at birth.
 *
 * In front of it, its user may keep the translation that it used last
 * (DmirageLast): a copy, good for as long as nothing has been dropped or
 * replaced in the table.  So what it holds is in the table, too.
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
 * DmirageXlate: a translation, in the IOTLB or latched by a chunk
 * @va: virtual address of its first byte, aligned to its size
 * @pa: DMA address of its first byte, aligned to its size
 * @fill_ns: device clock when it was read from the page table
 * @asid: context
 * @order: log2 of its size in bytes: 12, 21 or 30
 * @write: the device may write through it
 * @prefetched: was not asked for
 */
typedef struct DmirageXlate {
    uint64_t va;
    uint64_t pa;
    int64_t fill_ns;
    uint16_t asid;
    uint8_t order;
    bool write;
    bool prefetched;
} DmirageXlate;

static inline uint64_t dmirage_xlate_last(const DmirageXlate *x)
{
    return x->va + ((1ull << x->order) - 1);
}

/* Which entry of a full set has to go. */
typedef enum DmirageReplacement {
    DMIRAGE_REPLACE_LRU,        /* the one not used for longest */
    DMIRAGE_REPLACE_FIFO,       /* the one inserted first */
    DMIRAGE_REPLACE_RANDOM,     /* any; the same sequence in each run */
} DmirageReplacement;

typedef struct DmirageIotlb DmirageIotlb;

/*
 * @entries and @ways: powers of two, ways <= entries <= 65,536; anything else
 * gives NULL, as does lack of memory.
 */
DmirageIotlb *dmirage_iotlb_new(unsigned entries, unsigned ways,
                                DmirageReplacement replacement);
void dmirage_iotlb_free(DmirageIotlb *tlb);

/* The translation of @va, or NULL.  Valid until the next insert or drop. */
const DmirageXlate *dmirage_iotlb_lookup(DmirageIotlb *tlb, uint16_t asid,
                                         uint64_t va);

/* Replaces an entry of the same page, else one chosen by the policy. */
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

/* How many translations it holds now, and how many it can. */
unsigned dmirage_iotlb_held(const DmirageIotlb *tlb);
unsigned dmirage_iotlb_entries(const DmirageIotlb *tlb);

/* Place @i, below dmirage_iotlb_entries(); NULL if it is empty. */
const DmirageXlate *dmirage_iotlb_at(const DmirageIotlb *tlb, unsigned i);

/*
 * A number that changes with each call that drops, whether or not it found
 * something, and with each insert that replaces another translation.
 */
const uint64_t *dmirage_iotlb_generation(const DmirageIotlb *tlb);

/**
 * DmirageLast: the translation used last
 * @generation: of the table when @x was in it; ~0: there is none
 */
typedef struct DmirageLast {
    uint64_t generation;
    DmirageXlate x;
} DmirageLast;

#define DMIRAGE_LAST_NONE   UINT64_MAX

static inline const DmirageXlate *dmirage_last_lookup(const DmirageLast *l,
                                                      uint64_t generation,
                                                      uint16_t asid,
                                                      uint64_t va)
{
    bool hit = l->generation == generation && l->x.asid == asid &&
               va - l->x.va <= (1ull << l->x.order) - 1;

    return hit ? &l->x : 0;
}

#endif
