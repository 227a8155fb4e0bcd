/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chunks under way.  See inflight.h. */
#include "inflight.h"

#include <assert.h>
#include <stdlib.h>

/* The chunk of a context; there is none if it has latched nothing. */
typedef struct Chunk {
    uint64_t hit;       /* number of the first command that hit it, or 0 */
    unsigned latched;
    DmirageXlate x[DMIRAGE_LATCHES_MAX];
} Chunk;

struct DmirageInflight {
    unsigned contexts;
    unsigned hits;      /* chunks that are hit; mostly none is */
    Chunk chunk[];
};

DmirageInflight *dmirage_inflight_new(unsigned contexts)
{
    DmirageInflight *t =
        calloc(1, sizeof(*t) + contexts * sizeof(t->chunk[0]));

    if (t) {
        t->contexts = contexts;
    }
    return t;
}

void dmirage_inflight_free(DmirageInflight *t)
{
    free(t);
}

void dmirage_inflight_latch(DmirageInflight *t, const DmirageXlate *x)
{
    assert(x->asid < t->contexts);

    Chunk *c = &t->chunk[x->asid];

    assert(c->latched < DMIRAGE_LATCHES_MAX);
    c->x[c->latched++] = *x;
}

bool dmirage_inflight_release(DmirageInflight *t, uint16_t asid)
{
    Chunk *c = &t->chunk[asid];
    bool hit = c->hit;

    assert(asid < t->contexts);
    c->latched = 0;
    c->hit = 0;
    t->hits -= hit;
    return hit;
}

bool dmirage_inflight_is_hit(const DmirageInflight *t, uint16_t asid)
{
    assert(asid < t->contexts);
    return t->chunk[asid].hit;
}

const DmirageXlate *dmirage_inflight_at(const DmirageInflight *t,
                                        uint16_t asid, unsigned i)
{
    const Chunk *c = &t->chunk[asid];

    assert(asid < t->contexts);
    return i < c->latched ? &c->x[i] : NULL;
}

bool dmirage_inflight_hit(DmirageInflight *t, uint64_t seq, uint16_t asid,
                          uint64_t first, uint64_t last)
{
    Chunk *c = &t->chunk[asid];

    assert(asid < t->contexts);
    if (c->hit) {
        return false;
    }
    for (unsigned i = 0; i < c->latched; i++) {
        /*
         * The whole translation, not only the bytes accessed: a command that
         * drops any part of it drops all of it.
         */
        if (c->x[i].va <= last && dmirage_xlate_last(&c->x[i]) >= first) {
            c->hit = seq;
            t->hits++;
            return true;
        }
    }
    return false;
}

bool dmirage_inflight_done(const DmirageInflight *t, uint64_t seq)
{
    if (!t->hits) {
        return true;
    }
    for (unsigned i = 0; i < t->contexts; i++) {
        if (t->chunk[i].hit && t->chunk[i].hit <= seq) {
            return false;
        }
    }
    return true;
}
