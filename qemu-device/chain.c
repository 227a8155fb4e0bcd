/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Call chains: how a vCPU got to a store that made a translation stale.
 *
 * The device cannot tell from outside of the kernel; the kernel can, if it is
 * asked at that very place.  So the vCPU gets an NMI, which no lock keeps off,
 * and takes it a few instructions after the store: the store is judged when the
 * vCPU leaves the translated block, and an NMI is taken before the next one.
 * The driver's handler reads NMI_TICKET, has the kernel unwind its stack, and
 * answers by NMI_CHAIN.
 *
 * But QEMU takes one thing at a time, and if something of the APIC comes first
 * the NMI may wait for long.  So it is said where the vCPU was when asked
 * (NMI_PC), and an NMI that interrupts another instruction is late: what the
 * kernel does there has nothing to do with the store.
 *
 * A violation that is certain before the answer waits for it, here, for
 * CHAIN_WAIT_MS.  It does not wait longer than its context lives: the next
 * owner of the ASID is not to get it.
 *
 * Locks: all with the device's lock; asking with the BQL, too.
 */
#include "dmirage.h"

#include "hw/core/cpu.h"
#include "store.h"
#include "trace.h"

/* A vCPU's thread may not get to run for some time, on a busy host. */
#define CHAIN_WAIT_MS       1000

/* Records that wait at most; others are reported without a chain. */
#define CHAIN_WAITING_MAX   4096

/**
 * Waiting: a record that waits for an answer
 * @ticket: to this ticket
 * @of: ticket of the store that is reported
 * @when: what the two answers must say for it to be reported
 * @until_ms: by the host's clock
 */
typedef struct Waiting {
    struct dmirage_vqe e;
    uint32_t ticket;
    uint32_t of;
    DmirageChainWhen when;
    int64_t until_ms;
} Waiting;

/* What was answered for @ticket, or that there is no answer. */
static DmirageAnswer answer_to(DmirageState *s, uint32_t ticket)
{
    DmirageAnswer a;

    if (!dmirage_tickets_answered(s->tickets, ticket, &a)) {
        a = (DmirageAnswer) { .chain = DMIRAGE_CHAIN_NO_ANSWER };
    }
    return a;
}

/* It says what the processor was doing at the store. */
static bool is_known(DmirageAnswer a)
{
    return a.chain != DMIRAGE_CHAIN_NOT_ASKED &&
           a.chain != DMIRAGE_CHAIN_NO_ANSWER && a.chain != DMIRAGE_CHAIN_LATE;
}

static bool is_it_one(const Waiting *w, DmirageAnswer of, DmirageAnswer now)
{
    switch (w->when) {
    case DMIRAGE_WHEN_OTHER_ENTRY:
        return is_known(of) && is_known(now) && of.entry != now.entry;
    case DMIRAGE_WHEN_SAME_TASK:
        return is_known(of) && is_known(now) && of.task == now.task;
    default:
        return true;
    }
}

/* Now or never: all answers there are have come. */
static void settle(DmirageState *s, Waiting *w)
{
    DmirageAnswer of = answer_to(s, w->of), now = answer_to(s, w->ticket);

    if (!is_it_one(w, of, now)) {
        return;
    }
    if (w->when != DMIRAGE_WHEN_CERTAIN) {
        dmirage_violation_certain(s, &w->e);
    }
    w->e.chain = cpu_to_le32(of.chain);
    dmirage_violation_push(s, &w->e);
}

/* The ticket of a store that @cpu, in whose thread this is, has just made. */
uint32_t dmirage_chain_ask(DmirageState *s, CPUState *cpu)
{
    uint32_t ticket = 0;

    if (s->nmi & DMIRAGE_NMI_ENABLE) {
        ticket = dmirage_tickets_ask(s->tickets, cpu->cpu_index,
                                     dmirage_ramwatch_pc(cpu));
    }
    if (ticket) {
        trace_dmirage_nmi(cpu->cpu_index, ticket);
        dmirage_ramwatch_nmi(cpu);
    }
    return ticket;
}

/* NMI_TICKET and NMI_PC, read by the vCPU in whose thread this is. */
uint32_t dmirage_chain_wanted(DmirageState *s, uint64_t *pc)
{
    *pc = 0;
    if (!s->tickets || !current_cpu) {
        return 0;
    }
    return dmirage_tickets_awaited(s->tickets, current_cpu->cpu_index, pc);
}

/* Those that wait for @ticket; 0: all of @asid. */
static void end_wait(DmirageState *s, uint32_t ticket, int asid)
{
    GList *next;

    for (GList *l = s->waiting.head; l; l = next) {
        Waiting *w = l->data;

        next = l->next;
        if (ticket ? w->ticket == ticket : le16_to_cpu(w->e.asid) == asid) {
            settle(s, w);
            g_free(w);
            g_queue_delete_link(&s->waiting, l);
        }
    }
}

/* NMI_CHAIN is written by that vCPU.  False: that was not asked for. */
bool dmirage_chain_answer(DmirageState *s, uint64_t value)
{
    const DmirageAnswer a = {
        .task = value >> 16,
        .chain = value >> 32,
        .entry = value >> 48,
    };
    uint32_t ticket;

    if (!s->tickets || !current_cpu || a.chain == DMIRAGE_CHAIN_NOT_ASKED ||
        a.chain == DMIRAGE_CHAIN_NO_ANSWER) {
        return false;
    }
    ticket = dmirage_tickets_answer(s->tickets, current_cpu->cpu_index, value,
                                    a);
    if (!ticket) {
        return false;
    }
    trace_dmirage_chain(ticket, a.chain, a.task, a.entry);
    end_wait(s, ticket, -1);
    return true;
}

/*
 * Passes @e on, with the call chain of the store with @ticket, if @when is true
 * of that one and the one with @later (the same, if it is certain); not if that
 * needs answers and they do not come.
 */
void dmirage_chain_report(DmirageState *s, const struct dmirage_vqe *e,
                          uint32_t ticket, uint32_t later,
                          DmirageChainWhen when)
{
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    Waiting *w = g_new(Waiting, 1);
    DmirageAnswer a;

    *w = (Waiting) { *e, later, ticket, when, now + CHAIN_WAIT_MS };
    if (dmirage_tickets_answered(s->tickets, w->ticket, &a) ||
        s->waiting.length >= CHAIN_WAITING_MAX) {
        settle(s, w);
        g_free(w);
        return;
    }
    g_queue_push_tail(&s->waiting, w);
    if (!timer_pending(s->chain_timer)) {
        timer_mod(s->chain_timer, w->until_ms);
    }
}

/* Context @asid ends: what waits does so no longer. */
void dmirage_chain_end(DmirageState *s, uint16_t asid)
{
    end_wait(s, 0, asid);
}

/* The oldest is the first in the queue. */
static void time_is_up(void *opaque)
{
    DmirageState *s = opaque;
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    Waiting *w;

    qemu_mutex_lock(&s->lock);
    while ((w = g_queue_peek_head(&s->waiting)) && w->until_ms <= now) {
        settle(s, w);
        g_free(g_queue_pop_head(&s->waiting));
    }
    if (w) {
        timer_mod(s->chain_timer, w->until_ms);
    }
    qemu_mutex_unlock(&s->lock);
}

/* The register NMI.  What was pending before it was off is not any more. */
void dmirage_chain_enable(DmirageState *s, uint32_t value)
{
    if (!(s->nmi & DMIRAGE_NMI_ENABLE)) {
        dmirage_tickets_reset(s->tickets);
    }
    s->nmi = value;
}

/* There is nobody to report to.  An NMI that is on its way stays ours. */
void dmirage_chain_reset(DmirageState *s)
{
    s->nmi = 0;
    g_queue_clear_full(&s->waiting, g_free);
}

/* ---- Life, with the BQL held --------------------------------------------- */

void dmirage_chain_start(DmirageState *s)
{
    s->tickets = dmirage_tickets_new();
    g_queue_init(&s->waiting);
    s->chain_timer = timer_new_ms(QEMU_CLOCK_REALTIME, time_is_up, s);
}

void dmirage_chain_stop(DmirageState *s)
{
    timer_free(s->chain_timer);
    qemu_mutex_lock(&s->lock);
    dmirage_chain_reset(s);
    dmirage_tickets_free(s->tickets);
    s->tickets = NULL;
    qemu_mutex_unlock(&s->lock);
}
