/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the oracle found goes to the driver and to QEMU's trace. */
#include "dmirage.h"

#include "trace.h"

/* @x was used up to, and without, the byte @end. */
void dmirage_violation_report(DmirageState *s, DmirageContext *c,
                              const DmirageXlate *x, bool write, uint64_t end,
                              const DmirageFinding *f)
{
    DmirageInv inv = dmirage_invlog_find(&c->invlog, f->va,
                                         MAX(x->order, DMIRAGE_ORDER_2M));
    /* Of all addresses there are: one less, so that it is not 0. */
    uint64_t inv_len = MAX(inv.last - inv.first + 1, inv.last - inv.first);
    struct dmirage_vqe e = {
        .kind = f->kind,
        .opcode = c->op.opcode,
        .access = write ? DMIRAGE_VQE_ACCESS_WRITE : 0,
        .held_order = x->order,
        .asid = cpu_to_le16(c->asid),
        .held_flags = x->write ? DMIRAGE_VQE_HELD_WRITE : 0,
        .cpu_flags = (f->cpu_present ? DMIRAGE_VQE_CPU_PRESENT : 0) |
                     (f->cpu_present && f->cpu.write ? DMIRAGE_VQE_CPU_WRITE
                                                     : 0),
        .cookie = cpu_to_le64(c->op.cookie),
        .addr = cpu_to_le64(f->va),
        .len = cpu_to_le64(end - f->va),
        .pages = cpu_to_le32(f->pages),
        .cpu_order = cpu_to_le32(f->cpu_present ? f->cpu.order : 0),
        .held_addr = cpu_to_le64(f->held_addr),
        .cpu_addr = cpu_to_le64(f->cpu_addr),
        .cpu_entry = cpu_to_le64(f->cpu.entry),
        .time = cpu_to_le64(dmirage_now()),
        .fill_time = cpu_to_le64(x->fill_ns),
        .inv_time = cpu_to_le64(inv.time_ns),
        .inv_start = cpu_to_le64(inv.first),
        .inv_len = cpu_to_le64(inv.time_ns ? inv_len : 0),
    };

    c->count[DMIRAGE_CNT_ORACLE_VIOLATIONS]++;
    trace_dmirage_violation(c->asid, f->kind, write, f->va, f->held_addr,
                            f->cpu_addr, f->pages);
    if (!dmirage_queue_has_room(&s->vq)) {
        s->vq.missed++;
    } else if (dmirage_queue_push(s, &s->vq, &e, sizeof(e))) {
        dmirage_irq(s, DMIRAGE_VEC_VIOLATION);
    } else {
        dmirage_queue_failed(s, &s->vq);
    }
}
