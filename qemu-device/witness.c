/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The oracle's view of a context: its page table, memory, and the clock.
 *
 * The oracle itself is asked without patience: what is absent at a second look
 * it calls a violation.  Time is given to suspects here, to all of a chunk
 * together: a flush waits for the chunk, and is not to wait for one page after
 * the other.
 */
#include "dmirage.h"

static int64_t now(void *opaque)
{
    return g_get_monotonic_time() * 1000;
}

/* Takes @lock.  False: what is looked at is being stopped. */
static bool may_go_on(void *opaque)
{
    DmirageWitness *w = opaque;
    bool go_on;

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
                          DmirageContext *c, bool settled)
{
    *w = (DmirageWitness) {
        .s = s,
        .c = c,
        .life = c->life,
        .oracle = {
            .read = dmirage_ram_read64,
            .same_frame = dmirage_ram_same_frame,
            .same_content = dmirage_ram_same_content,
            .now_ns = now,
            .pause = may_go_on,
            .opaque = w,
            .root = c->cpu_root,
            .levels = DMIRAGE_CTL_CPU_LEVELS_GET(c->ctl),
            .mode = dmirage_ctx_mode(c),
            .settled = settled,
            .blind = dmirage_mutant_blinds(s),
        },
    };
}

/* Nothing was there, so there may be again. */
static bool is_suspect(const DmirageFinding *f)
{
    return f->kind != DMIRAGE_VIOL_NONE && !f->cpu_present;
}

/* False: undecided, for the context is being stopped. */
static bool look(DmirageWitness *w, const DmiragePiece *p, DmirageFinding *f)
{
    dmirage_oracle_check(&w->oracle, &p->x, p->va, p->len, f);
    return !f->undecided;
}

/* Another look at a suspect; what was counted at the first one stays. */
static bool look_again(DmirageWitness *w, const DmiragePiece *p,
                       DmirageFinding *f)
{
    unsigned suspects = f->suspects;

    if (!look(w, p, f)) {
        return false;
    }
    f->suspects = suspects;
    return true;
}

/*
 * Looks at all accesses of @k, which is latched.  Within an RCU read section,
 * which is left for a while when there are suspects.  False: the chunk is not
 * to be carried out now.
 */
bool dmirage_witness_check(DmirageWitness *w, const DmirageChunk *k,
                           DmirageFindings *f)
{
    int64_t deadline = now(NULL) + w->s->suspect_ms * 1000000ll;
    bool suspects = false, last = false;

    for (unsigned side = 0; side < SIDES; side++) {
        for (unsigned i = 0; i < k->pieces[side]; i++) {
            if (!look(w, &k->piece[side][i], &f->of[side][i])) {
                return false;
            }
            suspects |= is_suspect(&f->of[side][i]);
        }
    }
    /* The last look is one after the deadline, however slow we are. */
    for (; suspects && !last; last = now(NULL) >= deadline) {
        rcu_read_unlock();
        g_usleep(20);
        rcu_read_lock();
        suspects = false;
        for (unsigned side = 0; side < SIDES; side++) {
            for (unsigned i = 0; i < k->pieces[side]; i++) {
                if (is_suspect(&f->of[side][i]) &&
                    !look_again(w, &k->piece[side][i], &f->of[side][i])) {
                    return false;
                }
                suspects |= is_suspect(&f->of[side][i]);
            }
        }
    }
    return true;
}
