/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a virtual address to a translation: the one used last, the IOTLB, the
 * walk cache, the page table; and what is kept of it on the way back.
 *
 * All of it is one step as far as commands are concerned, since the lock is
 * held throughout: what was read from the table before the driver took it out
 * is in the IOTLB or latched when the driver's command comes.
 */
#include "dmirage.h"

#include "trace.h"

/* X86 dirty bit, Intel SDM volume 3, table 4-20 */
#define X86_DIRTY   (1ull << 6)

/* A walk of the mirror table, from the lowest table that is known. */
static DmirageWalkResult walk_mirror(DmirageState *s, DmirageContext *c,
                                     uint64_t va, DmirageWalk *w)
{
    unsigned levels = DMIRAGE_CTL_PT_LEVELS_GET(c->ctl);
    uint64_t table;
    unsigned level = dmirage_walkcache_lookup(s->walkcache, c->asid, va,
                                              &table);
    DmirageWalkResult r;

    if (level) {
        c->count[DMIRAGE_CNT_WALK_CACHE_HITS]++;
    } else {
        level = levels;
        table = c->pt_root;
    }
    r = dmirage_walk_mirror(dmirage_dma_read64, s, table, level, levels, va,
                            w);
    for (unsigned l = w->level; l < level; l++) {
        if (w->table[l]) {
            dmirage_walkcache_insert(s->walkcache, c->asid, va, l,
                                     w->table[l]);
        }
    }
    return r;
}

static DmirageWalkResult walk(DmirageState *s, DmirageContext *c, bool write,
                              uint64_t va, DmirageWalk *w)
{
    DmirageWalkResult r;

    if (dmirage_ctx_mode(c) != DMIRAGE_MODE_SHARED) {
        return walk_mirror(s, c, va, w);
    }
    r = dmirage_walk_x86_access(dmirage_dma_read64, dmirage_dma_cas64, s,
                                c->cpu_root,
                                DMIRAGE_CTL_CPU_LEVELS_GET(c->ctl), va, write,
                                w);
    if (r == DMIRAGE_WALK_OK && !w->user) {
        return DMIRAGE_WALK_ABSENT;
    }
    /* The first write has to come by here, so that it sets D. */
    w->write = w->write && (w->entry & X86_DIRTY);
    return r;
}

static DmirageXlate made_of(DmirageState *s, DmirageContext *c, uint64_t va,
                            const DmirageWalk *w)
{
    unsigned order = s->fracture ? DMIRAGE_ORDER_4K : w->order;
    uint64_t offset = va & ((1ull << w->order) - 1);

    return (DmirageXlate) {
        .va = va >> order << order,
        .pa = (w->addr + offset) >> order << order,
        .fill_ns = c->now_ns,
        .asid = c->asid,
        .order = order,
        .write = w->write,
    };
}

/* Fetches the translations of the pages after @va, as far as they are there. */
static void prefetch(DmirageState *s, DmirageContext *c, uint64_t va,
                     const DmirageWalk *w)
{
    uint64_t table = w->table[1];
    uint64_t first = va & ~(uint64_t)(DMIRAGE_PAGE - 1);

    for (unsigned i = 1; i <= s->prefetch; i++) {
        uint64_t next = first + i * (uint64_t)DMIRAGE_PAGE;
        DmirageWalk there = *w;
        DmirageXlate x;

        if ((next ^ first) >> (w->order == DMIRAGE_ORDER_4K ? 21 : w->order)) {
            return;
        }
        if (dmirage_iotlb_lookup(s->iotlb, c->asid, next)) {
            continue;
        }
        if (w->order == DMIRAGE_ORDER_4K &&
            dmirage_walk_mirror(dmirage_dma_read64, s, table, 1,
                                DMIRAGE_CTL_PT_LEVELS_GET(c->ctl), next,
                                &there) != DMIRAGE_WALK_OK) {
            continue;
        }
        x = made_of(s, c, next, &there);
        x.prefetched = true;
        dmirage_iotlb_insert(s->iotlb, &x);
        dmirage_watch_add(s, c, next, &there, c->now_ns, false);
        c->count[DMIRAGE_CNT_PREFETCHED]++;
    }
}

static const DmirageXlate *cached(DmirageState *s, DmirageContext *c,
                                  unsigned side, uint64_t va)
{
    bool write = side == SIDE_DST;
    DmirageLast *last = &c->last[side];
    const DmirageXlate *x = dmirage_last_lookup(last, *s->iotlb_generation,
                                                c->asid, va);

    if (x && (x->write || !write)) {
        c->count[DMIRAGE_CNT_LAST_HITS]++;
        return x;
    }
    x = dmirage_iotlb_lookup(s->iotlb, c->asid, va);
    if (!x) {
        x = dmirage_mutant_lookup(s, va);
    }
    if (!x || (write && !x->write)) {
        return NULL;
    }
    last->x = *x;
    last->x.asid = c->asid;     /* which only a mutant's is not */
    last->generation = *s->iotlb_generation;
    return &last->x;
}

/*
 * The translation of @va for reading (SIDE_SRC) or writing (SIDE_DST).  On
 * DMIRAGE_HOLD_HERE nothing has been done; the caller stops, or comes back
 * later.
 */
DmirageTranslated dmirage_translate(DmirageState *s, DmirageContext *c,
                                    unsigned side, uint64_t va,
                                    DmirageXlate *x, unsigned *level)
{
    bool write = side == SIDE_DST;
    const DmirageXlate *hit = cached(s, c, side, va);
    DmirageWalkResult r;
    DmirageWalk w;

    if (hit) {
        c->count[DMIRAGE_CNT_IOTLB_HITS]++;
        *x = *hit;
        return DMIRAGE_TRANSLATED;
    }
    if (dmirage_hold_armed(c, DMIRAGE_HOLD_WALK)) {
        return DMIRAGE_HOLD_HERE;
    }
    c->count[DMIRAGE_CNT_IOTLB_MISSES]++;
    r = walk(s, c, write, va, &w);
    trace_dmirage_walk(c->asid, va, r, w.level, w.entry);
    if (r == DMIRAGE_WALK_ABSENT) {
        return DMIRAGE_NOT_THERE;
    }
    if (r == DMIRAGE_WALK_OK && write && !w.write) {
        return DMIRAGE_READ_ONLY;
    }
    if (r != DMIRAGE_WALK_OK) {
        *level = w.level;
        return DMIRAGE_BAD_TABLE;
    }
    *x = made_of(s, c, va, &w);
    dmirage_iotlb_insert(s->iotlb, x);
    dmirage_watch_add(s, c, va, &w, c->now_ns, true);
    /* What is fetched ahead must not push out what was asked for. */
    if (s->prefetch && dmirage_ctx_mode(c) != DMIRAGE_MODE_SHARED &&
        (s->fracture || x->order == DMIRAGE_ORDER_4K)) {
        prefetch(s, c, va, &w);
    }
    return DMIRAGE_TRANSLATED;
}
