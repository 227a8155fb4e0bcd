/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the oracle found goes to the driver, to QEMU's trace and log, and, as
 * the property on-violation says, to whoever wants to look at the machine in
 * the act.
 */
#include "dmirage.h"

#include "qemu/error-report.h"
#include "qemu/log.h"
#include "trace.h"

static const char *const kinds[] = {
    [DMIRAGE_VIOL_NONE] = "none",
    [DMIRAGE_VIOL_FRAME] = "another frame",
    [DMIRAGE_VIOL_ABSENT] = "no longer mapped",
    [DMIRAGE_VIOL_WRITE] = "no longer writable",
    [DMIRAGE_VIOL_DIVERGED] = "pinned frame no longer seen",
};
QEMU_BUILD_BUG_ON(ARRAY_SIZE(kinds) != DMIRAGE_VIOL_MAX);

static struct dmirage_vqe record(DmirageContext *c, const DmirageXlate *x,
                                 const DmirageFinding *f)
{
    DmirageInv inv = dmirage_invlog_find(&c->invlog, f->va,
                                         MAX(x->order, DMIRAGE_ORDER_2M));
    /* Of all addresses there are: one less, so that it is not 0. */
    uint64_t inv_len = MAX(inv.last - inv.first + 1, inv.last - inv.first);

    return (struct dmirage_vqe) {
        .kind = f->kind,
        .held_order = x->order,
        .asid = cpu_to_le16(c->asid),
        .held_flags = x->write ? DMIRAGE_VQE_HELD_WRITE : 0,
        .cpu_flags = (f->cpu_present ? DMIRAGE_VQE_CPU_PRESENT : 0) |
                     (f->cpu_present && f->cpu.write ? DMIRAGE_VQE_CPU_WRITE
                                                     : 0),
        .addr = cpu_to_le64(f->va),
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
        .mode = dmirage_ctx_mode(c),
    };
}

/* Stops the machine, or QEMU, if that is wanted. */
static void act(DmirageState *s, const struct dmirage_vqe *e)
{
    g_autofree char *text = g_strdup_printf(
        "violation (%s): asid %u va 0x%" PRIx64 " held 0x%" PRIx64
        " cpu 0x%" PRIx64 " pages %u",
        kinds[e->kind], le16_to_cpu(e->asid), le64_to_cpu(e->addr),
        le64_to_cpu(e->held_addr), le64_to_cpu(e->cpu_addr),
        le32_to_cpu(e->pages));

    switch (s->on_violation) {
    case DMIRAGE_ON_VIOLATION_LOG:
        qemu_log_mask(LOG_GUEST_ERROR, "dmirage: %s\n", text);
        break;
    case DMIRAGE_ON_VIOLATION_STOP:
        warn_report("dmirage: %s; stopping the machine", text);
        qemu_system_vmstop_request_prepare();
        qemu_system_vmstop_request(RUN_STATE_PAUSED);
        break;
    case DMIRAGE_ON_VIOLATION_ABORT:
        error_report("dmirage: %s", text);
        abort();
    }
}

/* What is to be seen at once. */
static void show(DmirageState *s, const struct dmirage_vqe *e)
{
    trace_dmirage_violation(le16_to_cpu(e->asid), e->kind, e->strength,
                            le64_to_cpu(e->cookie), le64_to_cpu(e->addr),
                            le64_to_cpu(e->held_addr),
                            le64_to_cpu(e->cpu_addr), le32_to_cpu(e->pages));
    act(s, e);
}

/* To the driver. */
void dmirage_violation_push(DmirageState *s, struct dmirage_vqe *e)
{
    if (!dmirage_queue_has_room(&s->vq)) {
        s->vq.missed++;
    } else if (dmirage_queue_push(s, &s->vq, e, sizeof(*e))) {
        dmirage_irq(s, DMIRAGE_VEC_VIOLATION);
    } else {
        dmirage_queue_failed(s, &s->vq);
    }
}

static void report(DmirageState *s, struct dmirage_vqe *e)
{
    show(s, e);
    dmirage_violation_push(s, e);
}

void dmirage_violation_access(DmirageState *s, DmirageContext *c,
                              const DmiragePiece *p, bool write,
                              const DmirageFinding *f)
{
    struct dmirage_vqe e = record(c, &p->x, f);

    e.opcode = c->op.opcode;
    e.access = write ? DMIRAGE_VQE_ACCESS_WRITE : 0;
    e.cookie = cpu_to_le64(c->op.cookie);
    e.len = cpu_to_le64(p->va + p->len - f->va);
    e.strength = DMIRAGE_BY_ACCESS;
    e.holder = DMIRAGE_HELD_LATCHED;
    c->count[DMIRAGE_CNT_ORACLE_VIOLATIONS]++;
    report(s, &e);
}

/* By watch: it is one; the driver gets it later. */
void dmirage_violation_certain(DmirageState *s, const struct dmirage_vqe *e)
{
    s->ctx[le16_to_cpu(e->asid)].count[DMIRAGE_CNT_WATCH_VIOLATIONS]++;
    show(s, e);
}

/*
 * @by: the store by which it became stale.  @later: another one, if what made
 * the two is yet to say whether it did (@when); else the same.
 */
void dmirage_violation_watch(DmirageState *s, DmirageContext *c,
                             const DmirageXlate *x, const DmirageFinding *f,
                             enum dmirage_watch_why why,
                             const DmirageWatchStore *by,
                             const DmirageWatchStore *later,
                             DmirageChainWhen when)
{
    struct dmirage_vqe e = record(c, x, f);

    e.len = cpu_to_le64(dmirage_xlate_last(x) + 1 - f->va);
    e.strength = DMIRAGE_BY_WATCH;
    e.holder = dmirage_iotlb_lookup(s->iotlb, x->asid, f->va)
                   ? DMIRAGE_HELD_IOTLB
                   : DMIRAGE_HELD_TABLE;
    e.why = why;
    e.cpu = cpu_to_le16(by->cpu);
    e.level = by->level;
    e.pc = cpu_to_le64(by->pc);
    e.before = cpu_to_le64(by->before);
    e.after = cpu_to_le64(by->after);
    e.store_time = cpu_to_le64(by->time_ns);
    if (when == DMIRAGE_WHEN_CERTAIN) {
        dmirage_violation_certain(s, &e);
    }
    dmirage_chain_report(s, &e, by->ticket, later->ticket, when);
}

void dmirage_violation_audit(DmirageState *s, DmirageContext *c,
                             const DmirageXlate *x,
                             enum dmirage_holder holder,
                             const DmirageFinding *f)
{
    struct dmirage_vqe e = record(c, x, f);

    e.len = cpu_to_le64(dmirage_xlate_last(x) + 1 - f->va);
    e.strength = DMIRAGE_BY_AUDIT;
    e.holder = holder;
    c->count[DMIRAGE_CNT_AUDIT_VIOLATIONS]++;
    report(s, &e);
}
