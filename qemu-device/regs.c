/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers: BAR 0, as laid out in dmirage_hw.h.
 *
 * A 32-bit register is accessed with 4 bytes, a 64-bit one with 8 bytes or,
 * but for those where writing does something (FAULT_RESP, CQ_EVENTS,
 * NMI_CHAIN, SYNC_LEN), in halves of 4.  Whatever else software tries reads as
 * 0, writes nothing, and sets DMIRAGE_ERR_REGISTER.
 */
#include "dmirage.h"

#include "qemu/log.h"
#include "trace.h"

/* A register: where its value is, and how it may be written. */
typedef enum Access {
    RO,                 /* writes are mistakes */
    RW,                 /* plain storage: @value is written back */
    ACT,                /* writing does something */
} Access;

typedef struct Reg {
    unsigned size;      /* 4 or 8; 0: there is no such register */
    Access access;
    uint64_t value;     /* as read */
    void *store;        /* RW: uint32_t or uint64_t */
    bool locked;        /* RW, but not at this moment */
} Reg;

static Reg ro32(uint32_t value)
{
    return (Reg) { .size = 4, .access = RO, .value = value };
}

static Reg ro64(uint64_t value)
{
    return (Reg) { .size = 8, .access = RO, .value = value };
}

static Reg rw32(uint32_t *store, bool locked)
{
    return (Reg) { 4, RW, *store, store, locked };
}

static Reg rw64(uint64_t *store, bool locked)
{
    return (Reg) { 8, RW, *store, store, locked };
}

static Reg act(unsigned size, uint64_t value)
{
    return (Reg) { .size = size, .access = ACT, .value = value };
}

static bool any_busy(DmirageState *s)
{
    for (unsigned i = 0; i < DMIRAGE_CONTEXTS; i++) {
        if (s->ctx[i].busy || s->ctx[i].auditing) {
            return true;
        }
    }
    return false;
}

static uint64_t caps(DmirageState *s)
{
    uint64_t oracle = DMIRAGE_CAP_ORACLE_ACCESS | DMIRAGE_CAP_ORACLE_AUDIT;

    return DMIRAGE_CAP_PAGE_4K | DMIRAGE_CAP_PAGE_2M | DMIRAGE_CAP_PAGE_1G |
           DMIRAGE_CAP_MIRROR | DMIRAGE_CAP_PINNED | DMIRAGE_CAP_SHARED |
           DMIRAGE_CAP_HOLD | DMIRAGE_CAP_SYNC | DMIRAGE_CAP_CQ_EVENT |
           (s->fracture ? DMIRAGE_CAP_FRACTURE : 0) |
           (s->oracle ? oracle : 0) |
           (s->watchset ? DMIRAGE_CAP_ORACLE_WATCH : 0) |
           (s->calibrate ? DMIRAGE_CAP_CALIBRATE : 0);
}

static DmirageQueue *queue_at(DmirageState *s, uint64_t offset)
{
    switch (offset & ~0x1full) {
    case DMIRAGE_REG_FQ:
        return &s->fq;
    case DMIRAGE_REG_VQ:
        return &s->vq;
    case DMIRAGE_REG_IQ:
        return &s->iq;
    default:
        return NULL;
    }
}

static Reg queue_reg(DmirageState *s, DmirageQueue *q, uint64_t offset)
{
    bool device_consumes = q == &s->iq;

    switch (offset) {
    case DMIRAGE_Q_BASE:
        return rw64(&q->base, q->enabled);
    case DMIRAGE_Q_CONFIG:
        return act(4, (q->enabled ? DMIRAGE_Q_ENABLE : 0) | q->order);
    case DMIRAGE_Q_HEAD:
        return device_consumes ? ro32(q->head) : act(4, q->head);
    case DMIRAGE_Q_TAIL:
        return device_consumes ? act(4, q->tail) : ro32(q->tail);
    case DMIRAGE_Q_MISSED:
        return ro32(q->missed);
    default:
        return (Reg) { 0 };
    }
}

static Reg global_reg(DmirageState *s, uint64_t offset)
{
    DmirageQueue *q = queue_at(s, offset);
    uint64_t pc;

    if (q) {
        return queue_reg(s, q, offset & 0x1f);
    }
    switch (offset) {
    case DMIRAGE_REG_ID:
        return ro32(DMIRAGE_ID);
    case DMIRAGE_REG_VERSION:
        return ro32(DMIRAGE_VERSION);
    case DMIRAGE_REG_CAPS:
        return ro64(caps(s));
    case DMIRAGE_REG_CONTEXTS:
        return ro32(DMIRAGE_CONTEXTS);
    case DMIRAGE_REG_RING_ORDER:
        return ro32(DMIRAGE_RING_ORDER_MAX);
    case DMIRAGE_REG_VA_BITS:
        return ro32(DMIRAGE_VA_BITS);
    case DMIRAGE_REG_LEN_ORDER:
        return ro32(DMIRAGE_LEN_ORDER);
    case DMIRAGE_REG_CHUNK:
        return ro32(DMIRAGE_CHUNK);
    case DMIRAGE_REG_IOTLB_ENTRIES:
        return ro32(s->iotlb_entries);
    case DMIRAGE_REG_IOTLB_WAYS:
        return ro32(s->iotlb_ways);
    case DMIRAGE_REG_RESET:
        return act(4, 0);
    case DMIRAGE_REG_ERROR:
        return act(4, s->error);
    case DMIRAGE_REG_STATUS:
        return ro32(any_busy(s) ? DMIRAGE_STATUS_BUSY : 0);
    case DMIRAGE_REG_WALK_CACHE:
        return ro32(s->walk_cache);
    case DMIRAGE_REG_PREFETCH:
        return ro32(s->prefetch);
    case DMIRAGE_REG_ENGINES:
        return ro32(s->engines);
    case DMIRAGE_REG_FAULT_RESP:
        return act(8, 0);
    case DMIRAGE_REG_CQ_EVENTS:
        return act(8, s->cq_events);
    case DMIRAGE_REG_NMI:
        return act(4, s->nmi);
    case DMIRAGE_REG_NMI_TICKET:
        return ro32(dmirage_chain_wanted(s, &pc));
    case DMIRAGE_REG_NMI_PC:
        dmirage_chain_wanted(s, &pc);
        return ro64(pc);
    case DMIRAGE_REG_NMI_CHAIN:
        return act(8, 0);
    default:
        return (Reg) { 0 };
    }
}

static Reg ctx_reg(DmirageContext *c, uint64_t offset)
{
    switch (offset) {
    case DMIRAGE_CTX_CTL:
        return act(4, c->ctl);
    case DMIRAGE_CTX_STATUS:
        return ro32(dmirage_ctx_status(c));
    case DMIRAGE_CTX_PT_ROOT:
        return rw64(&c->pt_root, c->enabled);
    case DMIRAGE_CTX_CPU_ROOT:
        return rw64(&c->cpu_root, c->enabled);
    case DMIRAGE_CTX_SQ_BASE:
        return rw64(&c->sq.base, c->enabled);
    case DMIRAGE_CTX_CQ_BASE:
        return rw64(&c->cq.base, c->enabled);
    case DMIRAGE_CTX_RINGS:
        return rw32(&c->rings, c->enabled);
    case DMIRAGE_CTX_ERROR:
        return act(4, c->error);
    case DMIRAGE_CTX_HOLD:
        return act(4, c->hold);
    case DMIRAGE_CTX_HOLD_LIMIT:
        return act(4, c->hold_limit);
    case DMIRAGE_CTX_SYNC_ADDR:
        return rw64(&c->sync_addr, false);
    case DMIRAGE_CTX_SYNC_LEN:
        return act(8, 0);
    case DMIRAGE_CTX_SQ_HEAD:
        return rw32(&c->sq.head, c->enabled);
    case DMIRAGE_CTX_SQ_TAIL:
        return rw32(&c->sq.tail, c->enabled);
    case DMIRAGE_CTX_CQ_HEAD:
        return rw32(&c->cq.head, c->enabled);
    case DMIRAGE_CTX_CQ_TAIL:
        return rw32(&c->cq.tail, c->enabled);
    default:
        break;
    }
    if (offset >= DMIRAGE_CTX_COUNTERS &&
        offset < DMIRAGE_CTX_COUNTERS + 8 * DMIRAGE_CNT_MAX &&
        !(offset & 7)) {
        return ro64(c->count[(offset - DMIRAGE_CTX_COUNTERS) / 8]);
    }
    return (Reg) { 0 };
}

static DmirageContext *ctx_at(DmirageState *s, hwaddr addr, hwaddr base)
{
    if (addr < base ||
        addr >= base + DMIRAGE_CONTEXTS * (hwaddr)DMIRAGE_PAGE) {
        return NULL;
    }
    return &s->ctx[(addr - base) / DMIRAGE_PAGE];
}

static Reg reg_at(DmirageState *s, hwaddr addr)
{
    uint64_t offset = addr % DMIRAGE_PAGE;
    DmirageContext *c = ctx_at(s, addr, DMIRAGE_CTX_BASE);

    if (c) {
        return ctx_reg(c, offset);
    }
    if (ctx_at(s, addr, DMIRAGE_DB_BASE)) {
        if (offset == DMIRAGE_DB_SQ_TAIL || offset == DMIRAGE_DB_CQ_HEAD ||
            offset == DMIRAGE_DB_CQ_ARM) {
            return act(4, 0);
        }
        return (Reg) { 0 };
    }
    return addr < DMIRAGE_PAGE ? global_reg(s, addr) : (Reg) { 0 };
}

/*
 * The register that an access of @size bytes at @addr means, and in *@shift
 * which half of it.  size 0 if there is none.
 */
static Reg find(DmirageState *s, hwaddr addr, unsigned size, unsigned *shift)
{
    Reg r = reg_at(s, addr);

    *shift = 0;
    if (r.size == size) {
        return r;
    }
    if (size == 4 && !r.size && addr % 8 == 4) {
        r = reg_at(s, addr - 4);
        *shift = 32;
    }
    if (size != 4 || r.size != 8 || r.access == ACT) {
        return (Reg) { 0 };
    }
    return r;
}

static void no_register(DmirageState *s, hwaddr addr, unsigned size,
                        const char *what)
{
    qemu_log_mask(LOG_GUEST_ERROR,
                  "dmirage: %s of %u bytes at 0x%" HWADDR_PRIx ": %s\n", what,
                  size, addr, "no such register");
    s->error |= DMIRAGE_ERR_REGISTER;
}

static uint64_t regs_read(void *opaque, hwaddr addr, unsigned size)
{
    DmirageState *s = opaque;
    uint64_t value = 0;
    unsigned shift;

    qemu_mutex_lock(&s->lock);
    Reg r = find(s, addr, size, &shift);

    if (r.size) {
        value = r.value >> shift;
        if (size == 4) {
            value = (uint32_t)value;
        }
    } else {
        no_register(s, addr, size, "read");
    }
    qemu_mutex_unlock(&s->lock);
    trace_dmirage_reg_read(addr, size, value);
    return value;
}

static void refuse(DmirageState *s, hwaddr addr, uint64_t value)
{
    qemu_log_mask(LOG_GUEST_ERROR,
                  "dmirage: value 0x%" PRIx64 " refused at 0x%" HWADDR_PRIx
                  "\n",
                  value, addr);
    s->error |= DMIRAGE_ERR_CONFIG;
}

static void store(const Reg *r, unsigned size, unsigned shift, uint64_t value)
{
    if (r->size == 4) {
        *(uint32_t *)r->store = value;
    } else if (size == 8) {
        *(uint64_t *)r->store = value;
    } else {
        *(uint64_t *)r->store = deposit64(r->value, shift, 32, value);
    }
}

static void reset(DmirageState *s)
{
    trace_dmirage_reset();
    dmirage_chain_reset(s);
    s->fq = (DmirageQueue) { 0 };
    s->vq = (DmirageQueue) { 0 };
    s->iq = (DmirageQueue) { 0 };
    s->waits = 0;
    s->audits = 0;
    s->resets++;
    for (unsigned i = 0; i < DMIRAGE_CONTEXTS; i++) {
        dmirage_ctx_reset(s, &s->ctx[i]);
    }
    s->error = 0;
    s->cq_events = 0;
}

void dmirage_regs_reset(DmirageState *s)
{
    qemu_mutex_lock(&s->lock);
    reset(s);
    qemu_mutex_unlock(&s->lock);
}

static void queue_write(DmirageState *s, DmirageQueue *q, hwaddr addr,
                        uint32_t value)
{
    switch (addr & 0x1f) {
    case DMIRAGE_Q_CONFIG:
        if (q->base & (DMIRAGE_PAGE - 1) ||
            !dmirage_queue_config(q, value)) {
            refuse(s, addr, value);
        } else if (q == &s->fq) {
            dmirage_fault_flush(s);
        }
        break;
    case DMIRAGE_Q_HEAD:
        if (value - q->head > q->tail - q->head) {
            s->error |= DMIRAGE_ERR_QUEUE;
            break;
        }
        q->head = value;
        if (q == &s->fq) {
            dmirage_fault_flush(s);
        }
        break;
    case DMIRAGE_Q_TAIL:
        if (!q->enabled || value - q->head > 1u << q->order) {
            s->error |= DMIRAGE_ERR_QUEUE;
            break;
        }
        q->tail = value;
        dmirage_invq_process(s);
        break;
    }
}

static void global_write(DmirageState *s, hwaddr addr, uint64_t value)
{
    DmirageQueue *q = queue_at(s, addr);

    if (addr == DMIRAGE_REG_FAULT_RESP) {
        dmirage_fault_response(s, value);
    } else if (addr == DMIRAGE_REG_CQ_EVENTS) {
        s->cq_events &= ~value;
    } else if (addr == DMIRAGE_REG_NMI) {
        if (value & ~DMIRAGE_NMI_ENABLE || !s->watchset) {
            refuse(s, addr, value);
        } else {
            dmirage_chain_enable(s, value);
        }
    } else if (addr == DMIRAGE_REG_NMI_CHAIN) {
        if (!dmirage_chain_answer(s, value)) {
            refuse(s, addr, value);
        }
    } else if (q) {
        queue_write(s, q, addr, value);
    } else if (addr == DMIRAGE_REG_ERROR) {
        s->error &= ~value;
    } else if (value == DMIRAGE_RESET_KEY) {
        reset(s);
    } else {
        refuse(s, addr, value);
    }
}

static void ctx_write(DmirageState *s, DmirageContext *c, hwaddr addr,
                      uint64_t value)
{
    switch (addr % DMIRAGE_PAGE) {
    case DMIRAGE_CTX_CTL:
        dmirage_ctx_set_ctl(s, c, value);
        break;
    case DMIRAGE_CTX_ERROR:
        c->error &= ~value;
        break;
    case DMIRAGE_CTX_HOLD:
        if (value & ~(DMIRAGE_HOLD_POINTS | DMIRAGE_HOLD_KEEP |
                      DMIRAGE_HOLD_RELEASE)) {
            refuse(s, addr, value);
        } else {
            dmirage_hold_write(s, c, value);
        }
        break;
    case DMIRAGE_CTX_HOLD_LIMIT:
        if (!value || value > DMIRAGE_HOLD_LIMIT_MAX) {
            refuse(s, addr, value);
        } else {
            c->hold_limit = value;
        }
        break;
    case DMIRAGE_CTX_SYNC_LEN:
        if (!value) {
            refuse(s, addr, value);
        } else {
            dmirage_inval_sync(s, c, value);
        }
        break;
    }
}

static void regs_write(void *opaque, hwaddr addr, uint64_t value,
                       unsigned size)
{
    DmirageState *s = opaque;
    DmirageContext *c = ctx_at(s, addr, DMIRAGE_CTX_BASE);
    DmirageContext *doorbell = ctx_at(s, addr, DMIRAGE_DB_BASE);
    unsigned shift;

    trace_dmirage_reg_write(addr, size, value);
    qemu_mutex_lock(&s->lock);
    Reg r = find(s, addr, size, &shift);

    if (!r.size || r.access == RO) {
        no_register(s, addr, size, "write");
    } else if (r.access == RW) {
        if (r.locked) {
            refuse(s, addr, value);
        } else {
            store(&r, size, shift, value);
        }
    } else if (c) {
        ctx_write(s, c, addr, value);
    } else if (doorbell) {
        dmirage_ctx_doorbell(s, doorbell, addr % DMIRAGE_PAGE, value);
    } else {
        global_write(s, addr, value);
    }
    if (!s->engines) {
        dmirage_engine_run(s);
    }
    qemu_mutex_unlock(&s->lock);
}

/* Every size comes here, so that what is wrong is said and not guessed. */
const MemoryRegionOps dmirage_regs_ops = {
    .read = regs_read,
    .write = regs_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 1,
        .max_access_size = 8,
        .unaligned = true,
    },
    .impl = {
        .min_access_size = 1,
        .max_access_size = 8,
        .unaligned = true,
    },
};
