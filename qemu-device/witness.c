/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The oracle's view of a context: its page table, memory, and the clock. */
#include "dmirage.h"

static int64_t now(void *opaque)
{
    return g_get_monotonic_time() * 1000;
}

/*
 * Waits a little, without @lock, in an RCU read section of the caller's.
 * False: what is looked at is being stopped.
 */
static bool pause_a_little(void *opaque)
{
    DmirageWitness *w = opaque;
    bool go_on;

    if (w->patient) {
        /* Nothing of what RCU protects is used across a pause. */
        rcu_read_unlock();
        g_usleep(20);
        rcu_read_lock();
    }
    qemu_mutex_lock(&w->s->lock);
    go_on = w->c->life == w->life && w->s->running && !w->s->stopping;
    qemu_mutex_unlock(&w->s->lock);
    return go_on;
}

/*
 * @lock held.  What is copied stays as it is for as long as @c is busy or
 * auditing.
 */
void dmirage_witness_init(DmirageWitness *w, DmirageState *s,
                          DmirageContext *c, bool patient, bool settled)
{
    *w = (DmirageWitness) {
        .s = s,
        .c = c,
        .life = c->life,
        .patient = patient,
        .oracle = {
            .read = dmirage_ram_read64,
            .same_frame = dmirage_ram_same_frame,
            .now_ns = now,
            .pause = pause_a_little,
            .opaque = w,
            .root = c->cpu_root,
            .levels = DMIRAGE_CTL_CPU_LEVELS_GET(c->ctl),
            .mode = dmirage_ctx_mode(c),
            .settled = settled,
            .suspect_ns = patient ? s->suspect_ms * 1000000ll : 0,
        },
    };
}
