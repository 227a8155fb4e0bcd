/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine: one thread that carries out the operations of all contexts,
 * an access at a time, in turn.
 *
 * A step for a context has three parts:
 *   1. with the lock: fetch an operation if none is under way, translate the
 *      next piece on each side, latch the translations;
 *   2. without it: let the oracle check both sides, move the data;
 *   3. with it: free the latched slots (which may answer a WAIT), count,
 *      report what the oracle found, complete the operation if it is done.
 * A fault or a hold point ends a step after part 1; the context comes back
 * when the driver has answered or the hold is over.  @life tells part 3 that
 * the context has ended meanwhile, and perhaps begun anew.
 */
#include "dmirage.h"

#include "qemu/memalign.h"
#include "trace.h"

typedef enum Translated {
    TRANSLATED,
    NOT_YET,            /* a fault was raised */
    FAILED,             /* the operation has been completed with an error */
} Translated;

void dmirage_op_end(DmirageState *s, DmirageContext *c,
                    enum dmirage_status status, uint16_t detail, uint64_t addr)
{
    DmirageOp *op = &c->op;
    bool value = op->opcode == DMIRAGE_OP_READ_IMM && status == DMIRAGE_ST_OK;
    struct dmirage_cqe cqe = {
        .cookie = cpu_to_le64(op->cookie),
        .result = cpu_to_le64(value ? op->result : op->done),
        .addr = cpu_to_le64(addr),
        .status = cpu_to_le16(status),
        .detail = cpu_to_le16(detail),
    };

    trace_dmirage_op_end(c->asid, op->opcode, op->cookie, status, detail,
                         op->done);
    c->has_op = false;
    c->count[DMIRAGE_CNT_OPS]++;
    c->count[DMIRAGE_CNT_OPS_FAILED] += status != DMIRAGE_ST_OK;
    dmirage_ctx_complete(s, c, &cqe);
}

static bool fetch(DmirageState *s, DmirageContext *c)
{
    struct dmirage_sqe sqe;
    enum dmirage_status status;
    uint64_t bad_addr;

    if (!dmirage_ctx_fetch(s, c, &sqe)) {
        return false;
    }
    status = dmirage_op_decode(&c->op, &sqe, &bad_addr);
    trace_dmirage_op(c->asid, c->op.opcode, c->op.cookie, c->op.src,
                     c->op.dst, c->op.len);
    c->has_op = true;
    c->fault_streak = 0;
    if (status != DMIRAGE_ST_OK || c->op.len == 0) {
        dmirage_op_end(s, c, status, 0, bad_addr);
        return false;
    }
    return true;
}

/* The translation of @va for this kind of access; @want bytes are to follow. */
static Translated translate(DmirageState *s, DmirageContext *c, bool write,
                            uint64_t va, uint64_t want, DmirageXlate *x)
{
    const DmirageXlate *cached = dmirage_iotlb_lookup(s->iotlb, c->asid, va);
    DmirageWalkResult r;
    DmirageWalk w;

    if (cached && (cached->write || !write)) {
        c->count[DMIRAGE_CNT_IOTLB_HITS]++;
        *x = *cached;
        return TRANSLATED;
    }
    c->count[DMIRAGE_CNT_IOTLB_MISSES]++;
    r = dmirage_walk_mirror(dmirage_dma_read64, s, c->pt_root,
                            DMIRAGE_CTL_PT_LEVELS_GET(c->ctl), va, &w);
    switch (r) {
    case DMIRAGE_WALK_OK:
        if (write && !w.write) {
            break;
        }
        *x = (DmirageXlate) {
            .va = va >> w.order << w.order,
            .pa = w.addr,
            .fill_ns = dmirage_now(),
            .asid = c->asid,
            .order = w.order,
            .write = w.write,
        };
        dmirage_iotlb_insert(s->iotlb, x);
        return TRANSLATED;
    case DMIRAGE_WALK_ABSENT:
        break;
    default:
        c->error |= DMIRAGE_CTX_ERR_TABLE;
        s->error |= DMIRAGE_ERR_CONTEXT;
        dmirage_op_end(s, c, DMIRAGE_ST_TABLE_ERROR, w.level, va);
        return FAILED;
    }
    if (c->fault_streak >= DMIRAGE_FAULT_LIMIT) {
        dmirage_op_end(s, c, DMIRAGE_ST_FAULT_LIMIT, 0, va);
        return FAILED;
    }
    dmirage_fault_raise(s, c, write, va, want);
    return NOT_YET;
}

/* Part 1.  True: c->access is ready to be carried out. */
static bool prepare(DmirageState *s, DmirageContext *c)
{
    DmirageOp *op = &c->op;
    DmirageAccess *a = &c->access;

    if (!c->has_op && !fetch(s, c)) {
        return false;
    }

    uint64_t len = dmirage_op_piece(op);

    a->used[SIDE_SRC] = dmirage_op_reads(op);
    a->used[SIDE_DST] = dmirage_op_writes(op);
    a->va[SIDE_SRC] = op->src + op->done;
    a->va[SIDE_DST] = op->dst + op->done;
    for (unsigned side = 0; side < SIDES; side++) {
        if (!a->used[side]) {
            continue;
        }
        if (translate(s, c, side == SIDE_DST, a->va[side],
                      op->len - op->done, &a->x[side]) != TRANSLATED) {
            return false;
        }
        len = MIN(len, dmirage_xlate_last(&a->x[side]) - a->va[side] + 1);
    }
    a->len = len;
    a->valid = true;
    for (unsigned side = 0; side < SIDES; side++) {
        if (a->used[side]) {
            dmirage_inflight_latch(s->inflight, c->asid * SIDES + side,
                                   &a->x[side]);
        }
    }
    return !dmirage_hold_reached(s, c, DMIRAGE_HOLD_TRANSLATED);
}

static int64_t oracle_now(void *opaque)
{
    return g_get_monotonic_time() * 1000;
}

/* What the oracle's callbacks need to know: whose check it is. */
typedef struct Check {
    DmirageState *s;
    DmirageContext *c;
    uint64_t life;
} Check;

static bool oracle_read(void *opaque, uint64_t addr, uint64_t *value)
{
    return dmirage_phys_read64(((Check *)opaque)->s, addr, value);
}

static bool oracle_same_frame(void *opaque, uint64_t dma, uint64_t phys)
{
    return dmirage_same_frame(((Check *)opaque)->s, dma, phys);
}

static bool oracle_pause(void *opaque)
{
    Check *k = opaque;
    bool go_on;

    g_usleep(20);
    qemu_mutex_lock(&k->s->lock);
    go_on = k->c->life == k->life && k->s->running && !k->s->stopping;
    qemu_mutex_unlock(&k->s->lock);
    return go_on;
}

static DmirageOracle oracle_of(Check *k)
{
    return (DmirageOracle) {
        .read = oracle_read,
        .same_frame = oracle_same_frame,
        .now_ns = oracle_now,
        .pause = oracle_pause,
        .opaque = k,
        .root = k->c->cpu_root,
        .levels = DMIRAGE_CTL_CPU_LEVELS_GET(k->c->ctl),
        .suspect_ns = k->s->suspect_ms * 1000000ll,
    };
}

/* Part 2a.  False: the access is not to be carried out now. */
static bool check(const DmirageOracle *o, const DmirageAccess *a,
                  DmirageFinding finding[SIDES])
{
    for (unsigned side = 0; side < SIDES; side++) {
        if (a->used[side]) {
            dmirage_oracle_check(o, &a->x[side], a->va[side], a->len,
                                 &finding[side]);
            if (finding[side].undecided) {
                return false;
            }
        }
    }
    return true;
}

static uint64_t dma_addr(const DmirageAccess *a, unsigned side)
{
    return a->x[side].pa + (a->va[side] - a->x[side].va);
}

/* Part 2b.  False: there is no memory behind *@bad_side. */
static bool move(DmirageState *s, DmirageOp *op, const DmirageAccess *a,
                 unsigned *bad_side)
{
    if (a->used[SIDE_SRC]) {
        *bad_side = SIDE_SRC;
        if (!dmirage_dma_read(s, dma_addr(a, SIDE_SRC), s->buffer, a->len)) {
            return false;
        }
    } else {
        dmirage_op_pattern(op, s->buffer, a->len);
    }
    if (a->used[SIDE_DST]) {
        *bad_side = SIDE_DST;
        return dmirage_dma_write(s, dma_addr(a, SIDE_DST), s->buffer, a->len);
    }
    dmirage_op_take(op, s->buffer, a->len);
    return true;
}

typedef enum Moved {
    MOVED,
    NOT_MOVED,          /* not carried out: to be prepared again */
    NO_MEMORY,
} Moved;

/* Counts and reports what the oracle found in @a. */
static void report(DmirageState *s, DmirageContext *c, const DmirageAccess *a,
                   const DmirageFinding finding[SIDES])
{
    for (unsigned side = 0; side < SIDES; side++) {
        const DmirageFinding *f = &finding[side];

        if (!a->used[side]) {
            continue;
        }
        c->count[DMIRAGE_CNT_ACCESSES]++;
        c->count[DMIRAGE_CNT_ORACLE_CHECKS] += f->checks;
        c->count[DMIRAGE_CNT_ORACLE_SUSPECTS] += f->suspects;
        if (f->kind != DMIRAGE_VIOL_NONE) {
            dmirage_violation_report(s, c, &a->x[side], side == SIDE_DST,
                                     a->va[side] + a->len, f);
        }
    }
}

/* Part 3: the access is over.  It was begun in the context's @life. */
static void finish(DmirageState *s, DmirageContext *c, uint64_t life,
                   const DmirageOp *op, Moved moved, unsigned bad_side,
                   const DmirageFinding finding[SIDES])
{
    DmirageAccess *a = &c->access;

    c->busy = false;
    a->valid = false;
    for (unsigned side = 0; side < SIDES; side++) {
        if (a->used[side]) {
            dmirage_inv_release(s, c, side);
        }
    }
    if (c->life != life || moved == NOT_MOVED) {
        return;
    }
    report(s, c, a, finding);
    if (moved == NO_MEMORY) {
        dmirage_op_end(s, c, DMIRAGE_ST_DMA_ERROR, 0, a->va[bad_side]);
        return;
    }
    c->op = *op;
    c->op.done += a->len;
    c->fault_streak = 0;
    c->count[DMIRAGE_CNT_BYTES_READ] += a->used[SIDE_SRC] ? a->len : 0;
    c->count[DMIRAGE_CNT_BYTES_WRITTEN] += a->used[SIDE_DST] ? a->len : 0;
    if (c->op.done == c->op.len) {
        dmirage_op_end(s, c, DMIRAGE_ST_OK, 0, 0);
    }
}

/* One step for @c, which is runnable.  @lock held; dropped meanwhile. */
static void step(DmirageState *s, DmirageContext *c)
{
    DmirageFinding finding[SIDES] = { 0 };
    unsigned bad_side = SIDE_SRC;
    Moved moved = NOT_MOVED;

    if (c->resumed) {
        c->resumed = false;
    } else if (!prepare(s, c)) {
        return;
    }
    c->busy = true;

    /* What is used without the lock: c->access stays as it is while busy. */
    Check k = { .s = s, .c = c, .life = c->life };
    DmirageOracle o = oracle_of(&k);
    bool ask = s->oracle && (c->ctl & DMIRAGE_CTL_ORACLE);
    DmirageOp op = c->op;

    qemu_mutex_unlock(&s->lock);
    if (!ask || check(&o, &c->access, finding)) {
        moved = move(s, &op, &c->access, &bad_side) ? MOVED : NO_MEMORY;
    }
    qemu_mutex_lock(&s->lock);

    finish(s, c, k.life, &op, moved, bad_side, finding);
}

static DmirageContext *next_runnable(DmirageState *s)
{
    for (unsigned i = 0; i < DMIRAGE_CONTEXTS; i++) {
        unsigned n = (s->next_ctx + i) % DMIRAGE_CONTEXTS;

        if (dmirage_ctx_runnable(&s->ctx[n])) {
            s->next_ctx = n + 1;
            return &s->ctx[n];
        }
    }
    return NULL;
}

static void *engine(void *opaque)
{
    DmirageState *s = opaque;

    rcu_register_thread();
    qemu_mutex_lock(&s->lock);
    while (!s->stopping) {
        int64_t ms = dmirage_hold_expire(s);
        DmirageContext *c = s->running ? next_runnable(s) : NULL;

        if (c) {
            step(s, c);
            continue;
        }
        qemu_cond_broadcast(&s->idle);
        if (ms < 0) {
            qemu_cond_wait(&s->work, &s->lock);
        } else {
            qemu_cond_timedwait(&s->work, &s->lock, ms);
        }
    }
    qemu_cond_broadcast(&s->idle);
    qemu_mutex_unlock(&s->lock);
    rcu_unregister_thread();
    return NULL;
}

void dmirage_engine_start(DmirageState *s)
{
    s->buffer = qemu_memalign(DMIRAGE_PAGE, DMIRAGE_CHUNK);
    qemu_mutex_init(&s->lock);
    qemu_cond_init(&s->work);
    qemu_cond_init(&s->idle);
    s->stopping = false;
    qemu_thread_create(&s->thread, "dmirage-engine", engine, s,
                       QEMU_THREAD_JOINABLE);
}

void dmirage_engine_kick(DmirageState *s)
{
    qemu_cond_signal(&s->work);
}

static bool any_busy(DmirageState *s)
{
    bool busy = false;

    qemu_mutex_lock(&s->lock);
    for (unsigned i = 0; i < DMIRAGE_CONTEXTS; i++) {
        busy |= s->ctx[i].busy;
    }
    qemu_mutex_unlock(&s->lock);
    return busy;
}

/*
 * Returns when no access is under way.  The caller has seen to it that none
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
    dmirage_engine_kick(s);
    qemu_mutex_unlock(&s->lock);
    dmirage_engine_quiesce(s);
    qemu_thread_join(&s->thread);
    qemu_cond_destroy(&s->idle);
    qemu_cond_destroy(&s->work);
    qemu_mutex_destroy(&s->lock);
    qemu_vfree(s->buffer);
}
