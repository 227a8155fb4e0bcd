/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page faults: a context that needs a translation it does not have asks the
 * driver for one, and waits for the answer.  Other contexts go on.
 *
 * A context has at most one fault open.  If the queue has no room the fault
 * stays with its context and goes out when there is some: none is lost.
 */
#include "dmirage.h"

#include "qemu/log.h"
#include "trace.h"

static void send_fault(DmirageState *s, DmirageContext *c)
{
    struct dmirage_fqe e = {
        .asid = cpu_to_le16(c->asid),
        .flags = cpu_to_le16(c->fault.write ? DMIRAGE_FAULT_WRITE : 0),
        .tag = cpu_to_le32(c->fault.tag),
        .addr = cpu_to_le64(c->fault.va),
        .len = cpu_to_le64(c->fault.len),
    };

    if (dmirage_queue_push(s, &s->fq, &e, sizeof(e))) {
        c->fault.queued = true;
        dmirage_irq(s, DMIRAGE_VEC_FAULT);
    } else {
        dmirage_queue_failed(s, &s->fq);
    }
}

void dmirage_fault_raise(DmirageState *s, DmirageContext *c, bool write,
                         uint64_t va, uint64_t len)
{
    c->fault.open = true;
    c->fault.queued = false;
    c->fault.write = write;
    c->fault.tag++;
    c->fault.va = va;
    c->fault.len = len;
    c->fault_streak++;
    c->count[DMIRAGE_CNT_FAULTS]++;
    trace_dmirage_fault(c->asid, c->fault.tag, va, len, write);

    if (dmirage_queue_has_room(&s->fq)) {
        send_fault(s, c);
    } else {
        s->fq.missed++;
    }
}

/* The driver made room, or enabled the queue. */
void dmirage_fault_flush(DmirageState *s)
{
    for (unsigned i = 0; i < DMIRAGE_CONTEXTS; i++) {
        DmirageContext *c = &s->ctx[i];

        if (!dmirage_queue_has_room(&s->fq)) {
            return;
        }
        if (c->fault.open && !c->fault.queued) {
            send_fault(s, c);
        }
    }
}

void dmirage_fault_response(DmirageState *s, uint64_t value)
{
    uint32_t tag = value >> 32;
    uint16_t code = value >> 16;
    uint16_t asid = value;
    DmirageContext *c;

    if (asid >= DMIRAGE_CONTEXTS || code > DMIRAGE_RESP_ERRNO_MAX) {
        qemu_log_mask(LOG_GUEST_ERROR,
                      "dmirage: fault response 0x%016" PRIx64 "\n", value);
        s->error |= DMIRAGE_ERR_COMMAND;
        return;
    }
    c = &s->ctx[asid];
    trace_dmirage_fault_response(asid, tag, code);
    /* Late is not wrong: the context may have ended meanwhile. */
    if (!c->fault.open || c->fault.tag != tag) {
        return;
    }
    c->fault.open = false;
    if (code != DMIRAGE_RESP_RETRY) {
        dmirage_op_end(s, c, DMIRAGE_ST_FAULT, code, c->fault.va);
    }
    dmirage_engine_kick(s);
}
