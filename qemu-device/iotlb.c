/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device's IOTLB.  See iotlb.h.
 *
 * A look-up is what each access begins with, so what it has to compare is
 * packed: one 64-bit tag per entry, apart from the translations themselves,
 * the tags of a set side by side.  Four tags are compared without a branch in
 * between, as which of them it is cannot be predicted.
 */
#include "iotlb.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A tag: page number, ASID, size; 0 is an empty place. */
#define TAG_SIZE_BITS   2
#define TAG_ASID_BITS   16
#define TAG_PAGE_SHIFT  (TAG_SIZE_BITS + TAG_ASID_BITS)
#define TAG_LOW_MASK    ((1ull << TAG_PAGE_SHIFT) - 1)
/* Addresses from here on have no tag; DMIRAGE_VA_BITS is less. */
#define TAG_VA_BITS     (64 - TAG_PAGE_SHIFT + DMIRAGE_ORDER_4K)
#define TAG_VA_LAST     ((1ull << TAG_VA_BITS) - 1)

#define GROUP           4       /* tags compared at a time */

#define MAX_ENTRIES     65536
#define LINE            64      /* of the host's caches */

static const uint8_t orders[] = {
    DMIRAGE_ORDER_4K,
    DMIRAGE_ORDER_2M,
    DMIRAGE_ORDER_1G,
};

#define ORDERS (sizeof(orders) / sizeof(orders[0]))

struct DmirageIotlb {
    uint64_t *tag;          /* sets * ways, as the two below */
    DmirageXlate *x;
    uint64_t *used;         /* when, in ticks: LRU: used; FIFO: inserted */
    uint64_t set_mask;
    unsigned ways;
    unsigned ways_shift;
    unsigned held[ORDERS];  /* entries of each size, to skip sizes not held */
    DmirageReplacement replacement;
    uint64_t tick;
    uint64_t random;
    uint64_t generation;
    unsigned entries;
};

static unsigned order_index(uint8_t order)
{
    switch (order) {
    case DMIRAGE_ORDER_4K:
        return 0;
    case DMIRAGE_ORDER_2M:
        return 1;
    default:
        return 2;
    }
}

static uint64_t make_tag(uint16_t asid, uint64_t page, unsigned o)
{
    return page << TAG_PAGE_SHIFT | (uint64_t)asid << TAG_SIZE_BITS | (o + 1);
}

/* Number of the first place of the set that a page belongs to. */
static size_t set_of(const DmirageIotlb *tlb, uint16_t asid, uint64_t page,
                     unsigned o)
{
    /*
     * Neighbouring pages go to neighbouring sets; contexts and sizes start
     * at different ones, so that equal layouts do not fight for one set.
     */
    uint64_t set = page + asid * 0x9e37u + o * 0x85ebu;

    return (set & tlb->set_mask) << tlb->ways_shift;
}

/*
 * @tag == @want, as a number.  The empty asm hides from the compiler that it
 * can only be 0 or 1: it would make a branch of what is done with it.
 */
static inline unsigned equal(uint64_t tag, uint64_t want)
{
    unsigned is = tag == want;

    __asm__(""
            : "+r"(is));
    return is;
}

/* Which of the GROUP tags at @tag is @want; any if it is none of them. */
static inline unsigned find_in_group(const uint64_t *tag, uint64_t want)
{
    return equal(tag[1], want) + 2 * equal(tag[2], want) +
           3 * equal(tag[3], want);
}

static unsigned find_further(const uint64_t *tag, unsigned ways, uint64_t want)
{
    for (unsigned i = GROUP; i < ways; i += GROUP) {
        unsigned way = i + find_in_group(&tag[i], want);

        if (tag[way] == want) {
            return way;
        }
    }
    return ways;
}

/*
 * Which of the set's @ways tags at @tag is @want, which is there once at most;
 * @ways: none of them.
 */
static inline unsigned find(const uint64_t *tag, unsigned ways, uint64_t want)
{
    if (ways < GROUP) {
        if (tag[0] == want) {
            return 0;
        }
        return ways == 2 && tag[1] == want ? 1 : ways;
    }

    unsigned way = find_in_group(tag, want);

    return tag[way] == want ? way : find_further(tag, ways, want);
}

static unsigned find_empty(const uint64_t *tag, unsigned ways)
{
    unsigned i = 0;

    while (i < ways && tag[i]) {
        i++;
    }
    return i;
}

static void empty(DmirageIotlb *tlb, size_t at)
{
    tlb->held[(tlb->tag[at] & ((1u << TAG_SIZE_BITS) - 1)) - 1]--;
    tlb->tag[at] = 0;
}

static bool power_of_two(unsigned n)
{
    return n && !(n & (n - 1));
}

/* Zeroed; nothing in it straddles two lines of the host's cache needlessly. */
static void *new_array(size_t bytes)
{
    size_t rounded = (bytes + LINE - 1) / LINE * LINE;
    void *array = aligned_alloc(LINE, rounded);

    return array ? memset(array, 0, rounded) : NULL;
}

DmirageIotlb *dmirage_iotlb_new(unsigned entries, unsigned ways,
                                DmirageReplacement replacement)
{
    DmirageIotlb *tlb;

    if (!power_of_two(entries) || !power_of_two(ways) || ways > entries ||
        entries > MAX_ENTRIES) {
        return NULL;
    }
    tlb = calloc(1, sizeof(*tlb));
    if (!tlb) {
        return NULL;
    }
    tlb->entries = entries;
    tlb->set_mask = entries / ways - 1;
    tlb->ways = ways;
    tlb->ways_shift = __builtin_ctz(ways);
    tlb->replacement = replacement;
    tlb->random = 0x9e3779b97f4a7c15ull;
    tlb->tag = new_array(entries * sizeof(*tlb->tag));
    tlb->x = new_array(entries * sizeof(*tlb->x));
    tlb->used = new_array(entries * sizeof(*tlb->used));
    if (!tlb->tag || !tlb->x || !tlb->used) {
        dmirage_iotlb_free(tlb);
        return NULL;
    }
    return tlb;
}

void dmirage_iotlb_free(DmirageIotlb *tlb)
{
    if (tlb) {
        free(tlb->tag);
        free(tlb->x);
        free(tlb->used);
        free(tlb);
    }
}

/* Inlined for each size, so that all that depends on it is a constant. */
static inline __attribute__((always_inline)) const DmirageXlate *
lookup_size(DmirageIotlb *tlb, uint16_t asid, uint64_t va, unsigned o)
{
    uint64_t page = va >> orders[o];
    size_t set = set_of(tlb, asid, page, o);
    unsigned way = find(&tlb->tag[set], tlb->ways, make_tag(asid, page, o));

    if (way == tlb->ways) {
        return NULL;
    }
    if (tlb->replacement == DMIRAGE_REPLACE_LRU) {
        tlb->used[set + way] = ++tlb->tick;
    }
    return &tlb->x[set + way];
}

const DmirageXlate *dmirage_iotlb_lookup(DmirageIotlb *tlb, uint16_t asid,
                                         uint64_t va)
{
    const DmirageXlate *x = NULL;

    if (va > TAG_VA_LAST) {
        return NULL;
    }
    if (tlb->held[0]) {
        x = lookup_size(tlb, asid, va, 0);
    }
    if (!x && tlb->held[1]) {
        x = lookup_size(tlb, asid, va, 1);
    }
    if (!x && tlb->held[2]) {
        x = lookup_size(tlb, asid, va, 2);
    }
    return x;
}

/* Which way of the full set at @set has to go. */
static unsigned choose_victim(DmirageIotlb *tlb, size_t set)
{
    unsigned victim = 0;

    if (tlb->replacement == DMIRAGE_REPLACE_RANDOM) {
        /* Marsaglia's xorshift64 (13, 7, 17); its high bits are the best. */
        tlb->random ^= tlb->random << 13;
        tlb->random ^= tlb->random >> 7;
        tlb->random ^= tlb->random << 17;
        return (tlb->random >> 32) & (tlb->ways - 1);
    }
    for (unsigned i = 1; i < tlb->ways; i++) {
        if (tlb->used[set + i] < tlb->used[set + victim]) {
            victim = i;
        }
    }
    return victim;
}

void dmirage_iotlb_insert(DmirageIotlb *tlb, const DmirageXlate *x)
{
    unsigned o = order_index(x->order);
    uint64_t page = x->va >> x->order;
    size_t set = set_of(tlb, x->asid, page, o);
    uint64_t tag = make_tag(x->asid, page, o);
    unsigned way = find(&tlb->tag[set], tlb->ways, tag);

    assert(x->va <= TAG_VA_LAST);
    if (way == tlb->ways) {
        way = find_empty(&tlb->tag[set], tlb->ways);
    }
    if (way == tlb->ways) {
        way = choose_victim(tlb, set);
    }
    if (tlb->tag[set + way]) {
        empty(tlb, set + way);
        /* Even if it was of the same page: a copy of it is out of date. */
        tlb->generation++;
    }
    tlb->tag[set + way] = tag;
    tlb->x[set + way] = *x;
    tlb->used[set + way] = ++tlb->tick;
    tlb->held[o]++;
}

/*
 * Drops all overlapping entries of the @sizes (bit n: that of tag size n), of
 * one ASID, by looking at every place.
 */
static unsigned drop_scan(DmirageIotlb *tlb, unsigned sizes, uint16_t asid,
                          uint64_t first, uint64_t last)
{
    unsigned dropped = 0;

    for (size_t i = 0; i < tlb->entries; i++) {
        uint64_t tag = tlb->tag[i];
        unsigned size = tag & ((1u << TAG_SIZE_BITS) - 1);

        /* An empty place has size 0, which is never asked for. */
        if (!(sizes >> size & 1) ||
            (tag & TAG_LOW_MASK) >> TAG_SIZE_BITS != asid) {
            continue;
        }

        uint64_t page = tag >> TAG_PAGE_SHIFT;
        uint8_t order = orders[size - 1];

        if (page >= first >> order && page <= last >> order) {
            empty(tlb, i);
            dropped++;
        }
    }
    return dropped;
}

/* Drops a page by looking where it would be. */
static unsigned drop_page(DmirageIotlb *tlb, uint16_t asid, uint64_t page,
                          unsigned o)
{
    size_t set = set_of(tlb, asid, page, o);
    unsigned way = find(&tlb->tag[set], tlb->ways, make_tag(asid, page, o));

    if (way == tlb->ways) {
        return 0;
    }
    empty(tlb, set + way);
    return 1;
}

unsigned dmirage_iotlb_drop_range(DmirageIotlb *tlb, uint16_t asid,
                                  uint64_t first, uint64_t last)
{
    unsigned dropped = 0;
    unsigned scan = 0;

    tlb->generation++;
    if (first > TAG_VA_LAST) {
        return 0;
    }
    if (last > TAG_VA_LAST) {
        last = TAG_VA_LAST;
    }
    for (unsigned o = 0; o < ORDERS; o++) {
        uint64_t page = first >> orders[o];
        uint64_t last_page = last >> orders[o];

        if (!tlb->held[o]) {
            continue;
        }
        if (last_page - page > tlb->set_mask) {
            scan |= 1u << (o + 1);
            continue;
        }
        for (; page <= last_page; page++) {
            dropped += drop_page(tlb, asid, page, o);
        }
    }
    return scan ? dropped + drop_scan(tlb, scan, asid, first, last) : dropped;
}

unsigned dmirage_iotlb_drop_asid(DmirageIotlb *tlb, uint16_t asid)
{
    return dmirage_iotlb_drop_range(tlb, asid, 0, UINT64_MAX);
}

unsigned dmirage_iotlb_drop_all(DmirageIotlb *tlb)
{
    unsigned dropped = dmirage_iotlb_held(tlb);

    tlb->generation++;
    for (unsigned i = 0; i < tlb->entries; i++) {
        tlb->tag[i] = 0;
    }
    for (unsigned o = 0; o < ORDERS; o++) {
        tlb->held[o] = 0;
    }
    return dropped;
}

unsigned dmirage_iotlb_held(const DmirageIotlb *tlb)
{
    unsigned held = 0;

    for (unsigned o = 0; o < ORDERS; o++) {
        held += tlb->held[o];
    }
    return held;
}

unsigned dmirage_iotlb_entries(const DmirageIotlb *tlb)
{
    return tlb->entries;
}

const DmirageXlate *dmirage_iotlb_at(const DmirageIotlb *tlb, unsigned i)
{
    return tlb->tag[i] ? &tlb->x[i] : NULL;
}

const uint64_t *dmirage_iotlb_generation(const DmirageIotlb *tlb)
{
    return &tlb->generation;
}
