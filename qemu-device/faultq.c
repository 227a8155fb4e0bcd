/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page faults: a context that needs a translation it does not have asks the
 * driver for one, and waits for the answer.  Other contexts go on.
 *
 * The two sides of a chunk may fault at the same time.  A fault in a page that
 * has one open already, of the same kind or a write, is not sent again: the
 * answer to the open one is the answer to both.  An operation that fails may
 * leave a fault open that nobody waits for; a later one in that page finds it.
 *
 * If the queue has no room the fault stays with its context and goes out when
 * there is some: none is lost.
 */
#include "dmirage.h"

#include "qemu/log.h"
#include "trace.h"

#define PAGE_OF(va) ((va) & ~(uint64_t)(DMIRAGE_PAGE - 1))

static void send_fault(DmirageState *s, DmirageContext *c, DmirageFault *f)
{
    struct dmirage_fqe e = {
        .asid = cpu_to_le16(c->asid),
        .flags = cpu_to_le16((f->write ? DMIRAGE_FAULT_WRITE : 0) |
                             (f->present ? DMIRAGE_FAULT_PRESENT : 0)),
        .tag = cpu_to_le32(f->tag),
        .addr = cpu_to_le64(f->va),
        .len = cpu_to_le64(f->len),
    };

    if (dmirage_queue_push(s, &s->fq, &e, sizeof(e))) {
        f->queued = true;
        dmirage_irq(s, DMIRAGE_VEC_FAULT);
    } else {
        dmirage_queue_failed(s, &s->fq);
    }
}

/* The context has to wait for an answer, or for a place for its fault. */
bool dmirage_fault_waiting(const DmirageContext *c)
{
    for (unsigned i = 0; i < DMIRAGE_FAULTS_MAX; i++) {
        if (c->fault[i].open && c->fault[i].wanted) {
            return true;
        }
    }
    return c->fault_full;
}

/*
 * A place for a new fault.  If there is none, all are of operations that have
 * failed; the context then waits for the answer to one of these.
 */
static DmirageFault *find_place(DmirageContext *c)
{
    for (unsigned i = 0; i < DMIRAGE_FAULTS_MAX; i++) {
        if (!c->fault[i].open) {
            return &c->fault[i];
        }
    }
    return NULL;
}

static DmirageFault *find_open(DmirageContext *c, bool write, uint64_t va)
{
    for (unsigned i = 0; i < DMIRAGE_FAULTS_MAX; i++) {
        DmirageFault *f = &c->fault[i];

        if (f->open && PAGE_OF(f->va) == PAGE_OF(va) &&
            (f->write || !write)) {
            return f;
        }
    }
    return NULL;
}

void dmirage_fault_raise(DmirageState *s, DmirageContext *c, bool write,
                         bool present, uint64_t va, uint64_t len)
{
    DmirageFault *f = find_open(c, write, va);

    if (f) {
        f->wanted = true;
        c->count[DMIRAGE_CNT_FAULTS_COALESCED]++;
        trace_dmirage_fault_coalesced(c->asid, f->tag, va, write);
        return;
    }
    f = find_place(c);
    if (!f) {
        c->fault_full = true;
        return;
    }
    *f = (DmirageFault) {
        .open = true,
        .wanted = true,
        .write = write,
        .present = present,
        .tag = ++c->fault_tag,
        .va = va,
        .len = len,
    };
    c->count[DMIRAGE_CNT_FAULTS]++;
    trace_dmirage_fault(c->asid, f->tag, va, len, write);

    if (dmirage_queue_has_room(&s->fq)) {
        send_fault(s, c, f);
    } else {
        c->count[DMIRAGE_CNT_FAULTS_DELAYED]++;
        s->fq.missed++;
    }
}

/* Nobody waits for them any more; @close: nor will an answer be listened to. */
void dmirage_fault_forget(DmirageContext *c, bool close)
{
    for (unsigned i = 0; i < DMIRAGE_FAULTS_MAX; i++) {
        DmirageFault *f = &c->fault[i];

        f->wanted = false;
        /* One that was never sent gets no answer. */
        f->open = f->open && f->queued && !close;
    }
    c->fault_full = false;
}

/* The driver made room, or enabled the queue. */
void dmirage_fault_flush(DmirageState *s)
{
    for (uint64_t left = s->enabled; left; left &= left - 1) {
        DmirageContext *c = &s->ctx[ctz64(left)];

        for (unsigned i = 0; i < DMIRAGE_FAULTS_MAX; i++) {
            DmirageFault *f = &c->fault[i];

            if (!dmirage_queue_has_room(&s->fq)) {
                return;
            }
            if (f->open && !f->queued) {
                send_fault(s, c, f);
            }
        }
    }
}

void dmirage_fault_response(DmirageState *s, uint64_t value)
{
    uint32_t tag = value >> 32;
    uint16_t code = value >> 16;
    uint16_t asid = value;
    DmirageFault *f = NULL;
    DmirageContext *c;

    if (asid >= DMIRAGE_CONTEXTS || code > DMIRAGE_RESP_ERRNO_MAX) {
        qemu_log_mask(LOG_GUEST_ERROR,
                      "dmirage: fault response 0x%016" PRIx64 "\n", value);
        s->error |= DMIRAGE_ERR_COMMAND;
        return;
    }
    c = &s->ctx[asid];
    trace_dmirage_fault_response(asid, tag, code);
    for (unsigned i = 0; i < DMIRAGE_FAULTS_MAX; i++) {
        if (c->fault[i].open && c->fault[i].tag == tag) {
            f = &c->fault[i];
        }
    }
    /* Late is not wrong: the context may have ended meanwhile. */
    if (!f) {
        return;
    }
    f->open = false;
    c->fault_full = false;
    if (code != DMIRAGE_RESP_RETRY) {
        c->count[DMIRAGE_CNT_FAULTS_FAILED]++;
        if (f->wanted && c->has_op) {
            dmirage_op_end(s, c, DMIRAGE_ST_FAULT, code, f->va);
        }
    }
    dmirage_engine_kick(s);
}
