/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A context: its life, its doorbells and its rings.
 *
 * The rings and the doorbell page belong to an unprivileged process, so
 * nothing in them is trusted: the device keeps its own indices and checks
 * what it is told against them.
 */
#include "dmirage.h"

#include "qemu/log.h"
#include "trace.h"

/* A chunk that no engine is at, since it was held, is not carried out. */
static void drop_chunk(DmirageState *s, DmirageContext *c)
{
    c->held = false;
    c->resumed = false;
    if (c->chunk.valid && !c->busy) {
        c->chunk.valid = false;
        c->chunks++;
        dmirage_inval_release(s, c);
    }
}

/* Nothing of the context is left, but for a chunk that an engine is at. */
static void end(DmirageState *s, DmirageContext *c)
{
    c->life++;
    c->enabled = false;
    s->enabled &= ~(1ull << c->asid);
    c->halted = false;
    c->armed = false;
    s->cq_events &= ~(1ull << c->asid);
    c->has_op = false;
    dmirage_fault_forget(c, true);
    drop_chunk(s, c);
    dmirage_inval_asid(s, c);
    dmirage_hold_end(s, c);
    dmirage_chain_end(s, c->asid);
}

static bool valid_root(uint64_t addr)
{
    return !(addr & ~DMIRAGE_PTE_ADDR);
}

static bool valid_levels(unsigned levels)
{
    return levels == 4 || levels == 5;
}

static bool valid_order(unsigned order)
{
    return order >= DMIRAGE_RING_ORDER_MIN && order <= DMIRAGE_RING_ORDER_MAX;
}

static bool start(DmirageState *s, DmirageContext *c, uint32_t ctl)
{
    unsigned sq_order = c->rings & 0xff;
    unsigned cq_order = (c->rings >> 8) & 0xff;

    bool shared = (ctl & DMIRAGE_CTL_MODE_MASK) == DMIRAGE_CTL_MODE_SHARED;

    if (c->busy || c->auditing ||
        (ctl & DMIRAGE_CTL_MODE_MASK) > DMIRAGE_CTL_MODE_SHARED) {
        return false;
    }
    if (!shared && (!valid_levels(DMIRAGE_CTL_PT_LEVELS_GET(ctl)) ||
                    !valid_root(c->pt_root))) {
        return false;
    }
    if (!valid_root(c->sq.base) || !valid_order(sq_order) ||
        !valid_root(c->cq.base) || !valid_order(cq_order)) {
        return false;
    }
    if (!dmirage_queue_sane(&c->sq, sq_order) ||
        !dmirage_queue_sane(&c->cq, cq_order)) {
        return false;
    }
    if ((shared || (ctl & DMIRAGE_CTL_ORACLE)) &&
        (!valid_levels(DMIRAGE_CTL_CPU_LEVELS_GET(ctl)) ||
         !valid_root(c->cpu_root))) {
        return false;
    }
    if ((ctl & DMIRAGE_CTL_WATCH) && !s->watchset) {
        return false;
    }
    /* Not known before the buses have their numbers. */
    s->iommu = pci_device_iommu_address_space(&s->parent_obj) !=
               &address_space_memory;
    dmirage_queue_resume(&c->sq, sq_order);
    dmirage_queue_resume(&c->cq, cq_order);
    memset(c->count, 0, sizeof(c->count));
    dmirage_invlog_clear(&c->invlog);
    c->error = 0;
    c->enabled = true;
    s->enabled |= 1ull << c->asid;
    c->last[SIDE_SRC].generation = DMIRAGE_LAST_NONE;
    c->last[SIDE_DST].generation = DMIRAGE_LAST_NONE;
    /* There may be descriptors from the life before. */
    dmirage_engine_kick(s);
    return true;
}

void dmirage_ctx_reset(DmirageState *s, DmirageContext *c)
{
    end(s, c);
    c->ctl = 0;
    c->rings = 0;
    c->error = 0;
    c->hold_limit = DMIRAGE_HOLD_LIMIT_DEFAULT;
    c->pt_root = 0;
    c->cpu_root = 0;
    c->sync_addr = 0;
    memset(c->count, 0, sizeof(c->count));
    c->sq = (DmirageQueue) { 0 };
    c->cq = (DmirageQueue) { 0 };
}

void dmirage_ctx_set_ctl(DmirageState *s, DmirageContext *c, uint32_t value)
{
    bool enable = value & DMIRAGE_CTL_ENABLE;
    bool ok = !(value & ~DMIRAGE_CTL_VALID);

    trace_dmirage_ctx_ctl(c->asid, value);
    if (c->enabled && enable) {
        ok = ok && value == c->ctl;     /* nothing changes while enabled */
    } else if (c->enabled) {
        end(s, c);
    } else if (enable) {
        ok = ok && start(s, c, value);
    }
    if (ok) {
        c->ctl = value;
    } else {
        qemu_log_mask(LOG_GUEST_ERROR,
                      "dmirage: context %u: CTL 0x%x refused\n", c->asid,
                      value);
        s->error |= DMIRAGE_ERR_CONFIG;
    }
    if (!c->enabled) {
        c->ctl &= ~DMIRAGE_CTL_ENABLE;
    }
}

uint32_t dmirage_ctx_status(const DmirageContext *c)
{
    bool cq_full = c->enabled && !dmirage_queue_has_room(&c->cq);

    return (c->busy || c->auditing ? DMIRAGE_CTX_BUSY : 0) |
           (dmirage_fault_waiting(c) ? DMIRAGE_CTX_FAULT : 0) |
           (c->held ? DMIRAGE_CTX_HELD : 0) |
           (cq_full ? DMIRAGE_CTX_CQ_FULL : 0) |
           (c->flush_held ? DMIRAGE_CTX_FLUSH_HELD : 0) |
           (c->has_op ? DMIRAGE_CTX_ACTIVE : 0) |
           (c->armed ? DMIRAGE_CTX_ARMED : 0);
}

/* The engine has something to do for the context, and may. */
bool dmirage_ctx_runnable(const DmirageContext *c)
{
    bool more = c->sq.head != c->sq.tail;

    if (!c->enabled || c->halted || c->busy || c->held ||
        dmirage_fault_waiting(c)) {
        return false;
    }
    if (c->has_op) {
        /* A chain goes on with a descriptor that may not be there yet. */
        return more || !c->op.chained ||
               (!c->op.skipping && dmirage_op_piece(&c->op));
    }
    /* An operation begins only when there is room for its completion. */
    return more && dmirage_queue_has_room(&c->cq);
}

static void halt(DmirageState *s, DmirageContext *c)
{
    qemu_log_mask(LOG_GUEST_ERROR,
                  "dmirage: context %u: no memory behind a ring\n", c->asid);
    c->error |= DMIRAGE_CTX_ERR_RING;
    s->error |= DMIRAGE_ERR_CONTEXT;
    c->halted = true;
    drop_chunk(s, c);
}

bool dmirage_ctx_fetch(DmirageState *s, DmirageContext *c,
                       struct dmirage_sqe *sqe)
{
    if (!dmirage_queue_pop(s, &c->sq, sqe, sizeof(*sqe))) {
        halt(s, c);
        return false;
    }
    return true;
}

/* What software asked to be told of has happened. */
static void event(DmirageState *s, DmirageContext *c)
{
    c->armed = false;
    s->cq_events |= 1ull << c->asid;
    trace_dmirage_cq_event(c->asid, c->cq.tail);
    dmirage_irq(s, DMIRAGE_VEC_COMPLETE);
}

/* There is room. */
void dmirage_ctx_complete(DmirageState *s, DmirageContext *c,
                          struct dmirage_cqe *cqe)
{
    if (!dmirage_queue_push(s, &c->cq, cqe, sizeof(*cqe))) {
        halt(s, c);
    } else if (c->armed) {
        event(s, c);
    }
}

/* Under the lock, as completions are: either is before the other. */
static void arm(DmirageState *s, DmirageContext *c, uint32_t seen)
{
    c->armed = true;
    if (seen != c->cq.tail) {
        event(s, c);
    }
}

static void bad_doorbell(DmirageState *s, DmirageContext *c, uint64_t offset,
                         uint32_t value)
{
    struct dmirage_cqe cqe = {
        .result = cpu_to_le64(value),
        .status = cpu_to_le16(DMIRAGE_ST_DOORBELL),
        .detail = cpu_to_le16(offset),
    };
    uint32_t room = (1u << c->cq.order) - (c->cq.tail - c->cq.head);

    qemu_log_mask(LOG_GUEST_ERROR,
                  "dmirage: context %u: doorbell 0x%" PRIx64 " = %u refused\n",
                  c->asid, offset, value);
    c->error |= DMIRAGE_CTX_ERR_DOORBELL;
    s->error |= DMIRAGE_ERR_CONTEXT;
    /* One place is promised to the operation under way. */
    if (room > (c->has_op ? 1 : 0)) {
        dmirage_ctx_complete(s, c, &cqe);
    }
}

void dmirage_ctx_doorbell(DmirageState *s, DmirageContext *c, uint64_t offset,
                          uint32_t value)
{
    trace_dmirage_doorbell(c->asid, offset, value);
    if (!c->enabled || c->halted) {
        return;
    }
    if (offset == DMIRAGE_DB_SQ_TAIL &&
        value - c->sq.head <= 1u << c->sq.order) {
        c->sq.tail = value;
    } else if (offset == DMIRAGE_DB_CQ_HEAD &&
               value - c->cq.head <= c->cq.tail - c->cq.head) {
        c->cq.head = value;
    } else if (offset == DMIRAGE_DB_CQ_ARM &&
               c->cq.tail - value <= 1u << c->cq.order) {
        arm(s, c, value);
    } else {
        bad_doorbell(s, c, offset, value);
        return;
    }
    dmirage_engine_kick(s);
}
