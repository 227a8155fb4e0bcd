/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk cache.  See walkcache.h. */
#include "walkcache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LEVEL_BITS  3
#define ASID_BITS   16
#define BLOCK_SHIFT (LEVEL_BITS + ASID_BITS)
#define LEVELS      4       /* the root, at level 5, needs no cache */

/* The arrays hold @held entries, the oldest first, without gaps. */
struct DmirageWalkCache {
    unsigned entries;
    unsigned held;
    unsigned of_level[LEVELS + 1];
    uint64_t tag[DMIRAGE_WALKCACHE_MAX];
    uint64_t table[DMIRAGE_WALKCACHE_MAX];
};

/* log2 of what one table of @level maps. */
static unsigned block_order(unsigned level)
{
    return 12 + 9 * level;
}

/* Block number, ASID, level: all bits of an address fit. */
static uint64_t make_tag(uint16_t asid, uint64_t va, unsigned level)
{
    return va >> block_order(level) << BLOCK_SHIFT |
           (uint64_t)asid << LEVEL_BITS | level;
}

static unsigned find(const DmirageWalkCache *wc, uint64_t tag)
{
    /* The newest first: it is the likeliest one. */
    for (unsigned i = wc->held; i-- > 0;) {
        if (wc->tag[i] == tag) {
            return i;
        }
    }
    return wc->held;
}

DmirageWalkCache *dmirage_walkcache_new(unsigned entries)
{
    DmirageWalkCache *wc;

    if (entries > DMIRAGE_WALKCACHE_MAX) {
        return NULL;
    }
    wc = calloc(1, sizeof(*wc));
    if (wc) {
        wc->entries = entries;
    }
    return wc;
}

void dmirage_walkcache_free(DmirageWalkCache *wc)
{
    free(wc);
}

unsigned dmirage_walkcache_lookup(const DmirageWalkCache *wc, uint16_t asid,
                                  uint64_t va, uint64_t *table)
{
    for (unsigned level = 1; level <= LEVELS; level++) {
        if (!wc->of_level[level]) {
            continue;
        }
        unsigned i = find(wc, make_tag(asid, va, level));

        if (i < wc->held) {
            *table = wc->table[i];
            return level;
        }
    }
    return 0;
}

static void take_out(DmirageWalkCache *wc, unsigned i)
{
    wc->of_level[wc->tag[i] & ((1u << LEVEL_BITS) - 1)]--;
    wc->held--;
    memmove(&wc->tag[i], &wc->tag[i + 1], (wc->held - i) * sizeof(wc->tag[0]));
    memmove(&wc->table[i], &wc->table[i + 1],
            (wc->held - i) * sizeof(wc->table[0]));
}

void dmirage_walkcache_insert(DmirageWalkCache *wc, uint16_t asid, uint64_t va,
                              unsigned level, uint64_t table)
{
    uint64_t tag = make_tag(asid, va, level);
    unsigned i = find(wc, tag);

    assert(level >= 1 && level <= LEVELS);
    if (!wc->entries) {
        return;
    }
    if (i < wc->held) {
        take_out(wc, i);
    } else if (wc->held == wc->entries) {
        take_out(wc, 0);
    }
    wc->tag[wc->held] = tag;
    wc->table[wc->held] = table;
    wc->of_level[level]++;
    wc->held++;
}

unsigned dmirage_walkcache_drop_range(DmirageWalkCache *wc, uint16_t asid,
                                      uint64_t first, uint64_t last)
{
    unsigned kept = 0;
    unsigned dropped;

    for (unsigned i = 0; i < wc->held; i++) {
        uint64_t tag = wc->tag[i];
        unsigned level = tag & ((1u << LEVEL_BITS) - 1);
        unsigned order = block_order(level);
        uint64_t block = tag >> BLOCK_SHIFT;

        if ((uint16_t)(tag >> LEVEL_BITS) == asid &&
            block >= first >> order && block <= last >> order) {
            wc->of_level[level]--;
            continue;
        }
        wc->tag[kept] = tag;
        wc->table[kept] = wc->table[i];
        kept++;
    }
    dropped = wc->held - kept;
    wc->held = kept;
    return dropped;
}

unsigned dmirage_walkcache_drop_all(DmirageWalkCache *wc)
{
    unsigned dropped = wc->held;

    wc->held = 0;
    memset(wc->of_level, 0, sizeof(wc->of_level));
    return dropped;
}

unsigned dmirage_walkcache_held(const DmirageWalkCache *wc)
{
    return wc->held;
}
