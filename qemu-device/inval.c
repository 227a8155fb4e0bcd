/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Invalidation: translations are dropped, and a WAIT is answered when nobody
 * uses them any more.  Commands come from the queue (invq.c), from SYNC_LEN,
 * and from the end of a context.
 *
 * A WAIT that cannot be answered yet is kept, and answered by the chunk that
 * it waits for when that ends (inflight.h).
 */
#include "dmirage.h"

#include "qemu/log.h"
#include "trace.h"

bool dmirage_status_write(DmirageState *s, uint64_t addr, const void *value,
                          size_t size, bool irq)
{
    if (!dmirage_dma_write(s, addr, value, size)) {
        qemu_log_mask(LOG_GUEST_ERROR,
                      "dmirage: cannot write a command's status to 0x%" PRIx64
                      "\n",
                      addr);
        s->error |= DMIRAGE_ERR_QUEUE;
        return false;
    }
    if (irq) {
        dmirage_irq(s, DMIRAGE_VEC_WAIT);
    }
    return true;
}

static bool is_done(DmirageState *s, const DmirageWait *w)
{
    return s->mutant == DMIRAGE_MUTANT_ACK_EARLY ||
           (dmirage_inflight_done(s->inflight, w->seq) &&
            !(w->held_by && w->held_by->flush_held));
}

static void answer(DmirageState *s, const DmirageWait *w)
{
    uint32_t value = cpu_to_le32(w->value);

    trace_dmirage_wait_done(w->seq, w->status_addr);
    dmirage_status_write(s, w->status_addr, &value, sizeof(value), w->irq);
}

/* Answers the waits that are done now. */
void dmirage_inval_answer(DmirageState *s)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < s->waits; i++) {
        if (is_done(s, &s->wait[i])) {
            answer(s, &s->wait[i]);
        } else {
            s->wait[kept++] = s->wait[i];
        }
    }
    s->waits = kept;
}

/* The chunk of @c is over. */
void dmirage_inval_release(DmirageState *s, DmirageContext *c)
{
    if (dmirage_inflight_release(s->inflight, c->asid)) {
        dmirage_inval_answer(s);
        qemu_cond_broadcast(&s->drained);
        /* There may be room for a WAIT that had none. */
        dmirage_invq_process(s);
    }
}

/*
 * Drops @first..@last of @c, what is cached, and as far as it is latched; but
 * not what a mutant spares.
 */
static void drop(DmirageState *s, DmirageContext *c, uint64_t first,
                 uint64_t last, const DmirageXlate *spared, unsigned spares)
{
    unsigned dropped;
    bool hit;

    s->cmd_seq++;
    c->drops++;
    c->flushed = true;
    dropped = dmirage_iotlb_drop_range(s->iotlb, c->asid, first, last);
    for (unsigned i = 0; i < spares; i++) {
        dmirage_iotlb_insert(s->iotlb, &spared[i]);
    }
    if (!spares) {
        dmirage_watch_drop(s, c, first, last);
    }
    hit = dmirage_inflight_hit(s->inflight, s->cmd_seq, c->asid, first, last);
    c->count[DMIRAGE_CNT_IOTLB_DROPPED] += dropped - spares;
    c->count[DMIRAGE_CNT_DRAINED] += hit;
    trace_dmirage_invalidate(c->asid, s->cmd_seq, first, last,
                             dropped - spares, hit);
}

void dmirage_inval_range(DmirageState *s, DmirageContext *c, uint64_t first,
                         uint64_t last)
{
    g_autofree DmirageXlate *spared = NULL;
    unsigned spares = dmirage_mutant_spares(s, c->asid, first, last, &spared);
    DmirageInv inv = {
        .time_ns = dmirage_now(),
        .first = first,
        .last = last,
    };

    c->count[DMIRAGE_CNT_INVALIDATIONS]++;
    if (dmirage_mutant_loses_flush(s)) {
        return;
    }
    dmirage_invlog_add(&c->invlog, &inv);
    if (s->mutant != DMIRAGE_MUTANT_KEEP_WALK_CACHE) {
        dmirage_walkcache_drop_range(s->walkcache, c->asid, first, last);
    }
    drop(s, c, first, last, spared, spares);
}

void dmirage_inval_asid(DmirageState *s, DmirageContext *c)
{
    dmirage_walkcache_drop_range(s->walkcache, c->asid, 0, UINT64_MAX);
    drop(s, c, 0, UINT64_MAX, NULL, 0);
}

/* Lets those chunks go on that somebody now needs to finish. */
static void release_held(DmirageState *s)
{
    for (uint64_t left = s->enabled; left; left &= left - 1) {
        DmirageContext *c = &s->ctx[ctz64(left)];

        if (c->held && !c->keep &&
            dmirage_inflight_is_hit(s->inflight, c->asid)) {
            dmirage_hold_release(s, c);
        }
    }
}

void dmirage_inval_wait(DmirageState *s, uint64_t status_addr, uint32_t value,
                        bool irq)
{
    DmirageWait w = {
        .seq = s->cmd_seq,
        .status_addr = status_addr,
        .value = value,
        .irq = irq,
    };

    for (uint64_t left = s->enabled; left && !w.held_by; left &= left - 1) {
        DmirageContext *c = &s->ctx[ctz64(left)];

        if (dmirage_hold_flush(s, c)) {
            w.held_by = c;
        }
    }
    if (is_done(s, &w)) {
        answer(s, &w);
        return;
    }
    trace_dmirage_wait(w.seq, status_addr);
    s->wait[s->waits++] = w;
    release_held(s);
}

/* How long a vCPU keeps the BQL while it waits. */
#define SYNC_PATIENCE_US    2000

static bool is_synced(DmirageState *s, DmirageContext *c, uint64_t seq,
                      bool held, uint64_t life)
{
    return s->stopping || s->mutant == DMIRAGE_MUTANT_ACK_EARLY ||
           (dmirage_inflight_done(s->inflight, seq) &&
            !(held && c->flush_held && c->life == life));
}

/*
 * SYNC_LEN.  Comes with the BQL held, and returns when nobody uses any more
 * what was dropped.  Hold points have a limit, chunks an end, so it returns.
 */
void dmirage_inval_sync(DmirageState *s, DmirageContext *c, uint64_t len)
{
    uint64_t last = c->sync_addr + MIN(len - 1, UINT64_MAX - c->sync_addr);
    int64_t began = g_get_monotonic_time();
    uint64_t life = c->life;
    uint64_t seq;
    bool held, released;

    dmirage_inval_range(s, c, c->sync_addr, last);
    seq = s->cmd_seq;
    held = dmirage_hold_flush(s, c);
    release_held(s);
    s->syncing++;
    while (!is_synced(s, c, seq, held, life)) {
        if (g_get_monotonic_time() - began < SYNC_PATIENCE_US) {
            qemu_cond_timedwait(&s->drained, &s->lock, 1);
        } else {
            qemu_mutex_unlock(&s->lock);
            qemu_cond_timedwait_bql(&s->idle, 1);
            qemu_mutex_lock(&s->lock);
        }
        dmirage_hold_expire(s, &released);
        if (!s->engines) {
            dmirage_engine_run(s);      /* there may be nobody else to do it */
        }
    }
    s->syncing--;
    trace_dmirage_sync(c->asid, seq, g_get_monotonic_time() - began);
}
