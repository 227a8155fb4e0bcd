/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts.  Sending one needs the BQL, which the threads of the engine go
 * without, and which may not be waited for with the device's lock held: a
 * vCPU that writes a register takes them in the other order.
 *
 * So an interrupt is asked for, and sent a little later: by the engine's
 * thread itself, when it is between two steps, or, if another thread asked,
 * from the main loop.  The main loop would do for both, but it has to be woken
 * first, which takes longer than all else on the way of a page fault to the
 * guest.
 */
#include "dmirage.h"

#include "trace.h"

/* This thread calls dmirage_irq_send(). */
static __thread bool sends;

static void send_pending(DmirageState *s)
{
    uint32_t pending = qatomic_xchg(&s->irq_pending, 0);

    for (unsigned v = 0; v < DMIRAGE_VECTORS; v++) {
        if (pending & (1u << v)) {
            trace_dmirage_irq(v);
            msix_notify(PCI_DEVICE(s), v);
        }
    }
}

static void bottom_half(void *opaque)
{
    send_pending(opaque);
}

void dmirage_irq_init(DmirageState *s)
{
    s->irq_bh = qemu_bh_new(bottom_half, s);
}

void dmirage_irq_exit(DmirageState *s)
{
    qemu_bh_delete(s->irq_bh);
}

void dmirage_irq(DmirageState *s, unsigned vector)
{
    qatomic_or(&s->irq_pending, 1u << vector);
    if (!sends) {
        qemu_bh_schedule(s->irq_bh);
    }
}

void dmirage_irq_thread(void)
{
    sends = true;
}

/*
 * Sends what was asked for.  @lock held; dropped meanwhile.  @sending keeps
 * dmirage_engine_quiesce() waiting, which gives up the BQL for it: who waits
 * for an engine's thread with the BQL held comes after that.
 *
 * False: there was nothing.
 */
bool dmirage_irq_send(DmirageState *s)
{
    if (!qatomic_read(&s->irq_pending)) {
        return false;
    }
    s->sending++;
    qemu_mutex_unlock(&s->lock);
    bql_lock();
    send_pending(s);
    bql_unlock();
    qemu_mutex_lock(&s->lock);
    s->sending--;
    qemu_cond_broadcast(&s->idle);
    return true;
}
