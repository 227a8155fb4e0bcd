/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine: threads that carry out the operations of all contexts, a chunk
 * at a time, in turn.  Without threads (property engines=0) whoever rings a
 * doorbell, or lets a context go on by another register, does it.
 *
 * A step for a context has three parts:
 *   1. with the lock: fetch an operation if none is under way, translate the
 *      next chunk on each side, latch the translations;
 *   2. without it: let the oracle check both sides, move the data;
 *   3. with it: release the latches (which may answer a WAIT), count, report
 *      what the oracle found, complete the operation if it is done.
 * Between two steps, without the lock, interrupts are sent (irq.c).
 * A fault or a hold point ends a step; the context comes back when the driver
 * has answered or the hold is over.  @busy keeps a second engine away from the
 * context.  @life tells part 3 that the context has ended meanwhile, and
 * perhaps begun anew.
 */
#include "dmirage.h"

#include "trace.h"

/* How long a register write goes on with operations, at engines=0. */
#define INLINE_US   100000

static void complete(DmirageState *s, DmirageContext *c,
                     struct dmirage_cqe *cqe)
{
    c->has_op = false;
    c->count[DMIRAGE_CNT_OPS]++;
    c->count[DMIRAGE_CNT_OPS_FAILED] +=
        le16_to_cpu(cqe->status) != DMIRAGE_ST_OK;
    dmirage_ctx_complete(s, c, cqe);
}

/*
 * The operation of @c is over.  If its chain is not, the rest has to be taken
 * from the ring before its completion is written.
 */
void dmirage_op_end(DmirageState *s, DmirageContext *c,
                    enum dmirage_status status, uint16_t detail, uint64_t addr)
{
    DmirageOp *op = &c->op;
    uint64_t done = op->total + op->done;
    bool value = status == DMIRAGE_ST_OK && dmirage_op_has_value(op);

    c->end = (struct dmirage_cqe) {
        .cookie = cpu_to_le64(op->cookie),
        .result = cpu_to_le64(value ? op->value : done),
        .addr = cpu_to_le64(addr),
        .status = cpu_to_le16(status),
        .detail = cpu_to_le16(detail),
    };
    trace_dmirage_op_end(c->asid, op->opcode, op->cookie, status, detail,
                         done);
    dmirage_fault_forget(c, false);
    if (op->chained) {
        op->skipping = true;
    } else {
        complete(s, c, &c->end);
    }
}

/*
 * Takes a descriptor: the first of an operation, the next of its chain, or one
 * to be skipped.  False: there is nothing to do for it.
 */
static bool fetch(DmirageState *s, DmirageContext *c)
{
    struct dmirage_sqe sqe;
    enum dmirage_status status;
    uint64_t bad_addr;

    if (!dmirage_ctx_fetch(s, c, &sqe)) {
        return false;
    }
    if (c->has_op && c->op.skipping) {
        c->op.chained = sqe.flags & DMIRAGE_SQE_CHAIN;
        if (!c->op.chained) {
            complete(s, c, &c->end);
        }
        return false;
    }
    if (c->has_op) {
        status = dmirage_op_next(&c->op, &sqe, &bad_addr);
    } else {
        status = dmirage_op_decode(&c->op, &sqe, s->calibrate, &bad_addr);
        c->has_op = true;
    }
    c->fault_streak = 0;
    trace_dmirage_op(c->asid, c->op.opcode, c->op.cookie, c->op.src,
                     c->op.dst, c->op.len);
    if (status != DMIRAGE_ST_OK) {
        dmirage_op_end(s, c, status, 0, bad_addr);
        return false;
    }
    return true;
}

/*
 * Translates up to *@len bytes on @side into the chunk, and makes *@len what
 * is there in a row.  What the first byte has to wait for, the context waits
 * for; what a later one has to wait for only ends the chunk.
 */
static DmirageTranslated translate_side(DmirageState *s, DmirageContext *c,
                                        unsigned side, uint64_t *len,
                                        unsigned *level)
{
    DmirageChunk *k = &c->chunk;
    uint64_t va = (side == SIDE_SRC ? c->op.src : c->op.dst) + c->op.done;
    uint64_t done = 0;

    while (done < *len) {
        DmiragePiece *p = &k->piece[side][k->pieces[side]];
        DmirageTranslated t = dmirage_translate(s, c, side, va + done, &p->x,
                                                level);

        if (t != DMIRAGE_TRANSLATED) {
            *len = done;
            return done ? DMIRAGE_TRANSLATED : t;
        }
        p->va = va + done;
        p->len = MIN(*len - done, dmirage_xlate_last(&p->x) - p->va + 1);
        done += p->len;
        k->pieces[side]++;
    }
    return DMIRAGE_TRANSLATED;
}

/* Cuts a side down to @len bytes. */
static void cut(DmirageChunk *k, unsigned side, uint64_t len)
{
    uint64_t done = 0;
    unsigned i = 0;

    for (; i < k->pieces[side] && done < len; i++) {
        DmiragePiece *p = &k->piece[side][i];

        p->len = MIN(p->len, len - done);
        done += p->len;
    }
    k->pieces[side] = i;
}

/* Deals with what kept a side's first byte from being translated. */
static void not_translated(DmirageState *s, DmirageContext *c, unsigned side,
                           DmirageTranslated t, unsigned level)
{
    uint64_t va = (side == SIDE_SRC ? c->op.src : c->op.dst) + c->op.done;

    switch (t) {
    case DMIRAGE_HOLD_HERE:
        dmirage_hold_reached(s, c, DMIRAGE_HOLD_WALK);
        break;
    case DMIRAGE_BAD_TABLE:
        c->error |= DMIRAGE_CTX_ERR_TABLE;
        s->error |= DMIRAGE_ERR_CONTEXT;
        dmirage_op_end(s, c, DMIRAGE_ST_TABLE_ERROR, level, va);
        break;
    default:
        if (c->fault_streak >= DMIRAGE_FAULT_LIMIT) {
            dmirage_op_end(s, c, DMIRAGE_ST_FAULT_LIMIT, 0, va);
            break;
        }
        dmirage_fault_raise(s, c, side == SIDE_DST, t == DMIRAGE_READ_ONLY, va,
                            c->op.len - c->op.done);
        break;
    }
}

/* True: both sides are translated, in c->chunk. */
static bool translate(DmirageState *s, DmirageContext *c, uint64_t len)
{
    DmirageChunk *k = &c->chunk;
    const bool used[SIDES] = {
        [SIDE_SRC] = dmirage_op_reads(&c->op),
        [SIDE_DST] = dmirage_op_writes(&c->op),
    };
    DmirageTranslated result[SIDES] = { DMIRAGE_TRANSLATED,
                                        DMIRAGE_TRANSLATED };
    unsigned level[SIDES] = { 0 };
    bool ok = true;

    c->now_ns = dmirage_now();
    k->pieces[SIDE_SRC] = 0;
    k->pieces[SIDE_DST] = 0;
    /* The side that writes first: its fault may be the other one's, too. */
    for (int side = SIDE_DST; side >= SIDE_SRC; side--) {
        uint64_t there = len;

        if (!used[side]) {
            continue;
        }
        result[side] = translate_side(s, c, side, &there, &level[side]);
        ok = ok && result[side] == DMIRAGE_TRANSLATED;
        len = there ? there : len;
    }
    for (int side = SIDE_DST; side >= SIDE_SRC && !ok; side--) {
        if (result[side] == DMIRAGE_TRANSLATED) {
            continue;
        }
        not_translated(s, c, side, result[side], level[side]);
        if (c->held || !c->has_op || c->op.skipping ||
            c->fault_streak >= DMIRAGE_FAULT_LIMIT) {
            return false;       /* one is enough */
        }
    }
    if (!ok) {
        c->fault_streak++;
        return false;
    }
    cut(k, SIDE_SRC, len);
    cut(k, SIDE_DST, len);
    k->len = len;
    return true;
}

static void latch(DmirageState *s, DmirageContext *c)
{
    DmirageChunk *k = &c->chunk;

    k->valid = true;
    for (unsigned side = 0; side < SIDES; side++) {
        for (unsigned i = 0; i < k->pieces[side]; i++) {
            dmirage_inflight_latch(s->inflight, &k->piece[side][i].x);
        }
    }
}

/* Part 1.  True: c->chunk is ready to be carried out. */
static bool prepare(DmirageState *s, DmirageContext *c)
{
    DmirageOp *op = &c->op;
    uint64_t len;

    if (c->has_op && !op->skipping && !dmirage_op_piece(op) && !op->chained) {
        dmirage_op_end(s, c, DMIRAGE_ST_OK, 0, 0);
        return false;
    }
    if (!c->has_op || op->skipping || !dmirage_op_piece(op)) {
        if (!fetch(s, c)) {
            return false;
        }
    }
    len = dmirage_op_piece(op);
    if (!len) {
        /* NOP: comes here again for its end. */
        dmirage_hold_reached(s, c, DMIRAGE_HOLD_COMPLETE);
        return false;
    }
    if (op->opcode == DMIRAGE_OP_CALIBRATE) {
        c->chunk.pieces[SIDE_SRC] = 0;
        c->chunk.pieces[SIDE_DST] = 0;
        c->chunk.len = 0;
    } else if (!translate(s, c, len)) {
        return false;
    }
    latch(s, c);
    return !dmirage_hold_reached(s, c, DMIRAGE_HOLD_TRANSLATED);
}

typedef enum Moved {
    MOVED,
    NOT_MOVED,          /* not carried out: to be prepared again */
    NO_MEMORY,
} Moved;

/*
 * Counts the accesses of the chunk, and reports what the oracle found, if it
 * was asked.
 */
static void report(DmirageState *s, DmirageContext *c,
                   const DmirageFindings *f)
{
    const DmirageChunk *k = &c->chunk;

    for (unsigned side = 0; side < SIDES; side++) {
        c->count[DMIRAGE_CNT_ACCESSES] += k->pieces[side];
        for (unsigned i = 0; f && i < k->pieces[side]; i++) {
            const DmirageFinding *found = &f->of[side][i];

            c->count[DMIRAGE_CNT_ORACLE_CHECKS] += found->checks;
            c->count[DMIRAGE_CNT_ORACLE_SUSPECTS] += found->suspects;
            if (found->kind != DMIRAGE_VIOL_NONE &&
                !dmirage_watch_decides(s, c, &k->piece[side][i].x, found)) {
                dmirage_violation_access(s, c, &k->piece[side][i],
                                         side == SIDE_DST, found);
            }
        }
    }
}

/* The next thing that the operation of @c comes to. */
static void go_on(DmirageState *s, DmirageContext *c)
{
    if (dmirage_op_piece(&c->op) || c->op.chained) {
        dmirage_hold_reached(s, c, DMIRAGE_HOLD_MIDDLE);
    } else if (!dmirage_hold_reached(s, c, DMIRAGE_HOLD_COMPLETE)) {
        dmirage_op_end(s, c, DMIRAGE_ST_OK, 0, 0);
    }
}

/* Part 3: the chunk is over.  It was begun in the context's @life. */
static void finish(DmirageState *s, DmirageContext *c, uint64_t life,
                   const DmirageOp *op, Moved moved, uint64_t bad_va,
                   const DmirageFindings *f)
{
    DmirageChunk *k = &c->chunk;
    uint64_t len = op->opcode == DMIRAGE_OP_CALIBRATE ? op->len : k->len;

    c->busy = false;
    k->valid = false;
    c->chunks++;
    if (c->life != life || moved == NOT_MOVED) {
        dmirage_inval_release(s, c);
        return;
    }
    /* The record first: what a WAIT answers is that all of it is over. */
    report(s, c, f);
    dmirage_inval_release(s, c);
    if (c->life != life) {
        return;
    }
    if (moved == NO_MEMORY) {
        dmirage_op_end(s, c, DMIRAGE_ST_DMA_ERROR, 0, bad_va);
        return;
    }
    c->op = *op;
    c->op.done += len;
    c->fault_streak = 0;
    c->count[DMIRAGE_CNT_BYTES_READ] += k->pieces[SIDE_SRC] ? len : 0;
    c->count[DMIRAGE_CNT_BYTES_WRITTEN] += k->pieces[SIDE_DST] ? len : 0;
    go_on(s, c);
}

/*
 * One step for @c, which is runnable.  @lock held; dropped meanwhile.  All of
 * it is one RCU read section: each of the many accesses to memory in it needs
 * one, and to enter one within another costs next to nothing.
 */
static void step(DmirageState *s, DmirageContext *c)
{
    Moved moved = NOT_MOVED;
    uint64_t bad_va = 0;
    uint64_t life = c->life;
    DmirageWitness w;
    DmirageOp op;
    DmirageFindings f;
    bool asked;

    RCU_READ_LOCK_GUARD();
    if (c->resumed) {
        c->resumed = false;
    } else if (!prepare(s, c)) {
        return;
    }
    c->busy = true;
    asked = s->oracle && (c->ctl & DMIRAGE_CTL_ORACLE);
    op = c->op;
    dmirage_witness_init(&w, s, c, false);
    qemu_mutex_unlock(&s->lock);

    /* c->chunk stays as it is while busy. */
    if (op.opcode == DMIRAGE_OP_CALIBRATE) {
        moved = dmirage_move_calibrate(s, &op, &bad_va) ? MOVED : NO_MEMORY;
    } else if (!asked || dmirage_witness_check(&w, &c->chunk, &f)) {
        moved = dmirage_move(s, &op, &c->chunk, &bad_va) ? MOVED : NO_MEMORY;
    }

    qemu_mutex_lock(&s->lock);
    finish(s, c, life, &op, moved, bad_va, asked ? &f : NULL);
}

static DmirageContext *next_runnable(DmirageState *s)
{
    /* The contexts from next_ctx on, and then those before it. */
    uint64_t from = s->enabled & (~0ull << s->next_ctx);

    for (int turn = 0; turn < 2; turn++) {
        uint64_t left = turn ? s->enabled & ~from : from;

        for (; left; left &= left - 1) {
            unsigned n = ctz64(left);

            if (dmirage_ctx_runnable(&s->ctx[n])) {
                s->next_ctx = (n + 1) % DMIRAGE_CONTEXTS;
                return &s->ctx[n];
            }
        }
    }
    return NULL;
}

/*
 * Without engine threads: does what there is to do, in the caller's thread.
 * What takes long is left to the thread that minds the hold points, so that no
 * guest can keep a vCPU, and the BQL, for itself.  @lock held; dropped
 * meanwhile.
 */
void dmirage_engine_run(DmirageState *s)
{
    int64_t end = g_get_monotonic_time() + INLINE_US;
    DmirageContext *c;

    while (s->running && !s->stopping && (c = next_runnable(s))) {
        step(s, c);
        if (g_get_monotonic_time() > end) {
            s->overtime = true;
            qemu_cond_broadcast(&s->work);
            return;
        }
    }
}

/*
 * Looks for work for a while, awake, if no other thread does.  It pays if what
 * an engine waits for is near, the answer to a fault or the next doorbell: to
 * be woken takes longer than that.  So a thread looks if its last wait was over
 * within the time that it would look (as KVM does before it lets a vCPU halt,
 * halt_poll_ns).  Who kicks has the lock: to sleep until it is free would take
 * longer, too.  @lock held; dropped meanwhile.  False: there was no kick.
 */
static bool look(DmirageState *s)
{
    int64_t end = g_get_monotonic_time() + s->poll_us;
    uint32_t kicks = s->kicks;
    bool locked = false;

    s->looking = true;
    qemu_mutex_unlock(&s->lock);
    while (!locked && g_get_monotonic_time() < end) {
        g_thread_yield();
        locked = qatomic_read(&s->kicks) != kicks &&
                 !qemu_mutex_trylock(&s->lock);
    }
    if (!locked) {
        qemu_mutex_lock(&s->lock);
    }
    s->looking = false;
    return s->kicks != kicks;
}

/* Asleep, @ms at most unless that is less than 0. */
static void wait_for_work(DmirageState *s, int64_t ms)
{
    s->overtime = false;
    qemu_cond_broadcast(&s->idle);
    if (ms < 0) {
        qemu_cond_wait(&s->work, &s->lock);
    } else {
        qemu_cond_timedwait(&s->work, &s->lock, ms);
    }
}

static void *engine(void *opaque)
{
    DmirageState *s = opaque;
    int64_t idle_since = 0;         /* host us; 0: it is not idle */
    bool near = false;              /* the last wait was short */
    bool looked = false;            /* in vain, this time */

    rcu_register_thread();
    dmirage_irq_thread();
    qemu_mutex_lock(&s->lock);
    while (!s->stopping) {
        bool released;
        int64_t ms = dmirage_hold_expire(s, &released);
        DmirageContext *c = NULL;

        s->overtime |= released;
        if (s->running && (s->engines || s->overtime)) {
            c = next_runnable(s);
        }
        if (c) {
            if (idle_since) {
                near = g_get_monotonic_time() - idle_since < s->poll_us;
                idle_since = 0;
                looked = false;
            }
            step(s, c);
        }
        if ((s->running && dmirage_irq_send(s)) || c) {
            continue;
        }
        if (!idle_since) {
            idle_since = g_get_monotonic_time();
        }
        if (near && !looked && s->engines && !s->looking) {
            looked = !look(s);      /* much may have changed: from the top */
        } else {
            wait_for_work(s, ms);
        }
    }
    qemu_cond_broadcast(&s->idle);
    qemu_mutex_unlock(&s->lock);
    rcu_unregister_thread();
    return NULL;
}

void dmirage_engine_start(DmirageState *s)
{
    qemu_cond_init(&s->work);
    qemu_cond_init(&s->drained);
    qemu_cond_init(&s->idle);
    s->stopping = false;
    /* Without engines a thread is needed all the same, for hold points. */
    s->threads = MAX(s->engines, 1);
    for (unsigned i = 0; i < s->threads; i++) {
        g_autofree char *name = g_strdup_printf("dmirage-eng%u", i);

        qemu_thread_create(&s->engine[i], name, engine, s,
                           QEMU_THREAD_JOINABLE);
    }
    dmirage_audit_start(s);
}

void dmirage_engine_kick(DmirageState *s)
{
    qatomic_set(&s->kicks, s->kicks + 1);
    if (s->engines) {
        qemu_cond_broadcast(&s->work);
    }
}

static bool any_busy(DmirageState *s)
{
    bool busy = s->syncing;

    qemu_mutex_lock(&s->lock);
    busy |= s->sending;
    for (unsigned i = 0; i < DMIRAGE_CONTEXTS; i++) {
        busy |= s->ctx[i].busy || s->ctx[i].auditing;
    }
    qemu_mutex_unlock(&s->lock);
    return busy;
}

/*
 * Returns when no chunk is under way.  The caller has seen to it that none
 * begins.  The BQL is dropped while waiting: an IOMMU may want it to report
 * what it thinks of the access.
 */
void dmirage_engine_quiesce(DmirageState *s)
{
    while (any_busy(s)) {
        qemu_cond_timedwait_bql(&s->idle, 1);
    }
}

void dmirage_engine_stop(DmirageState *s)
{
    qemu_mutex_lock(&s->lock);
    s->stopping = true;
    qemu_cond_broadcast(&s->work);
    qemu_cond_broadcast(&s->drained);
    qemu_mutex_unlock(&s->lock);
    dmirage_engine_quiesce(s);
    dmirage_audit_stop(s);
    for (unsigned i = 0; i < s->threads; i++) {
        qemu_thread_join(&s->engine[i]);
    }
    qemu_cond_destroy(&s->idle);
    qemu_cond_destroy(&s->drained);
    qemu_cond_destroy(&s->work);
}
