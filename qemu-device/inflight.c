/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Accesses under way.  See inflight.h. */
#include "inflight.h"

#include <assert.h>
#include <stdlib.h>

typedef struct Slot {
    uint64_t first;
    uint64_t last;
    uint64_t hit;       /* number of the first command that hit it, or 0 */
    uint16_t asid;
    bool used;
} Slot;

struct DmirageInflight {
    unsigned slots;
    Slot slot[];
};

DmirageInflight *dmirage_inflight_new(unsigned slots)
{
    DmirageInflight *t = calloc(1, sizeof(*t) + slots * sizeof(t->slot[0]));

    if (t) {
        t->slots = slots;
    }
    return t;
}

void dmirage_inflight_free(DmirageInflight *t)
{
    free(t);
}

void dmirage_inflight_latch(DmirageInflight *t, unsigned slot,
                            const DmirageXlate *x)
{
    assert(slot < t->slots && !t->slot[slot].used);
    /*
     * The whole translation, not only the bytes accessed: a command that
     * drops any part of it drops all of it.
     */
    t->slot[slot] = (Slot) {
        .first = x->va,
        .last = dmirage_xlate_last(x),
        .asid = x->asid,
        .used = true,
    };
}

bool dmirage_inflight_release(DmirageInflight *t, unsigned slot)
{
    assert(slot < t->slots && t->slot[slot].used);
    t->slot[slot].used = false;
    return t->slot[slot].hit;
}

bool dmirage_inflight_is_hit(const DmirageInflight *t, unsigned slot)
{
    return t->slot[slot].used && t->slot[slot].hit;
}

unsigned dmirage_inflight_hit(DmirageInflight *t, uint64_t seq, uint16_t asid,
                              uint64_t first, uint64_t last)
{
    unsigned hits = 0;

    for (unsigned i = 0; i < t->slots; i++) {
        Slot *s = &t->slot[i];

        if (s->used && !s->hit && s->asid == asid &&
            s->first <= last && s->last >= first) {
            s->hit = seq;
            hits++;
        }
    }
    return hits;
}

bool dmirage_inflight_done(const DmirageInflight *t, uint64_t seq)
{
    for (unsigned i = 0; i < t->slots; i++) {
        const Slot *s = &t->slot[i];

        if (s->used && s->hit && s->hit <= seq) {
            return false;
        }
    }
    return true;
}
