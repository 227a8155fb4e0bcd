/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device's IOTLB.  See iotlb.h. */
#include "iotlb.h"

#include <stdlib.h>

typedef struct Way {
    DmirageXlate x;
    uint64_t used;      /* tick of the last use; 0: the way is empty */
} Way;

static const uint8_t orders[] = {
    DMIRAGE_ORDER_4K,
    DMIRAGE_ORDER_2M,
    DMIRAGE_ORDER_1G,
};

#define ORDERS (sizeof(orders) / sizeof(orders[0]))

struct DmirageIotlb {
    unsigned sets;
    unsigned ways;
    uint64_t tick;
    unsigned held[ORDERS];  /* entries of each size, to skip sizes not held */
    Way *way;               /* sets * ways */
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

static Way *set_of(DmirageIotlb *tlb, uint16_t asid, uint64_t va,
                   uint8_t order)
{
    /*
     * Neighbouring pages go to neighbouring sets; contexts and sizes start
     * at different ones, so that equal layouts do not fight for one set.
     */
    uint64_t set = (va >> order) + asid * 0x9e37u + order * 0x85ebu;

    return &tlb->way[(set & (tlb->sets - 1)) * tlb->ways];
}

static bool holds(const Way *w, uint16_t asid, uint64_t va, uint8_t order)
{
    return w->used && w->x.order == order && w->x.asid == asid &&
           w->x.va == (va >> order) << order;
}

static void empty(DmirageIotlb *tlb, Way *w)
{
    w->used = 0;
    tlb->held[order_index(w->x.order)]--;
}

static bool power_of_two(unsigned n)
{
    return n && !(n & (n - 1));
}

DmirageIotlb *dmirage_iotlb_new(unsigned entries, unsigned ways)
{
    DmirageIotlb *tlb;

    if (!power_of_two(entries) || !power_of_two(ways) || ways > entries) {
        return NULL;
    }
    tlb = calloc(1, sizeof(*tlb));
    if (!tlb) {
        return NULL;
    }
    tlb->sets = entries / ways;
    tlb->ways = ways;
    tlb->way = calloc(entries, sizeof(*tlb->way));
    if (!tlb->way) {
        free(tlb);
        return NULL;
    }
    return tlb;
}

void dmirage_iotlb_free(DmirageIotlb *tlb)
{
    if (tlb) {
        free(tlb->way);
        free(tlb);
    }
}

const DmirageXlate *dmirage_iotlb_lookup(DmirageIotlb *tlb, uint16_t asid,
                                         uint64_t va)
{
    for (unsigned o = 0; o < ORDERS; o++) {
        if (!tlb->held[o]) {
            continue;
        }
        Way *w = set_of(tlb, asid, va, orders[o]);

        for (unsigned i = 0; i < tlb->ways; i++) {
            if (holds(&w[i], asid, va, orders[o])) {
                w[i].used = ++tlb->tick;
                return &w[i].x;
            }
        }
    }
    return NULL;
}

void dmirage_iotlb_insert(DmirageIotlb *tlb, const DmirageXlate *x)
{
    Way *w = set_of(tlb, x->asid, x->va, x->order);
    Way *victim = w;

    for (unsigned i = 0; i < tlb->ways; i++) {
        if (holds(&w[i], x->asid, x->va, x->order)) {
            victim = &w[i];
            break;
        }
        if (w[i].used < victim->used) {
            victim = &w[i];
        }
    }
    if (victim->used) {
        empty(tlb, victim);
    }
    victim->x = *x;
    victim->used = ++tlb->tick;
    tlb->held[order_index(x->order)]++;
}

/* Drops all overlapping entries of one size, by looking at every way. */
static unsigned drop_scan(DmirageIotlb *tlb, unsigned o, bool any_asid,
                          uint16_t asid, uint64_t first, uint64_t last)
{
    unsigned dropped = 0;

    for (unsigned i = 0; i < tlb->sets * tlb->ways; i++) {
        Way *w = &tlb->way[i];

        if (w->used && w->x.order == orders[o] &&
            (any_asid || w->x.asid == asid) &&
            w->x.va <= last && dmirage_xlate_last(&w->x) >= first) {
            empty(tlb, w);
            dropped++;
        }
    }
    return dropped;
}

/* Drops the page of @order at @va, by looking where it would be. */
static unsigned drop_page(DmirageIotlb *tlb, uint16_t asid, uint64_t va,
                          uint8_t order)
{
    Way *w = set_of(tlb, asid, va, order);

    for (unsigned i = 0; i < tlb->ways; i++) {
        if (holds(&w[i], asid, va, order)) {
            empty(tlb, &w[i]);
            return 1;
        }
    }
    return 0;
}

unsigned dmirage_iotlb_drop_range(DmirageIotlb *tlb, uint16_t asid,
                                  uint64_t first, uint64_t last)
{
    unsigned dropped = 0;

    for (unsigned o = 0; o < ORDERS; o++) {
        uint64_t page = first >> orders[o];
        uint64_t last_page = last >> orders[o];

        if (!tlb->held[o]) {
            continue;
        }
        if (last_page - page >= tlb->sets) {
            dropped += drop_scan(tlb, o, false, asid, first, last);
            continue;
        }
        for (; page <= last_page && tlb->held[o]; page++) {
            dropped += drop_page(tlb, asid, page << orders[o], orders[o]);
        }
    }
    return dropped;
}

unsigned dmirage_iotlb_drop_asid(DmirageIotlb *tlb, uint16_t asid)
{
    return dmirage_iotlb_drop_range(tlb, asid, 0, UINT64_MAX);
}

unsigned dmirage_iotlb_drop_all(DmirageIotlb *tlb)
{
    unsigned dropped = 0;

    for (unsigned o = 0; o < ORDERS; o++) {
        dropped += drop_scan(tlb, o, true, 0, 0, UINT64_MAX);
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
