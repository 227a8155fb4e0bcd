// SPDX-License-Identifier: GPL-2.0
/*
 * Completion events: a process arms its context by the doorbell, and the device
 * says when there is a completion; here the process's eventfd is signalled.
 *
 * Locks.  dmirage_ctx.eventfd changes under dmirage_dev.ctx_lock, and whoever
 * signals it holds that lock from reading the pointer until it has signalled.
 * So when it has been replaced nobody uses the old one any more, and it can be
 * put.  eventfd_signal() neither sleeps nor calls back into the driver.
 */

#include <linux/eventfd.h>
#include <linux/interrupt.h>

#include "compat.h"
#include "context.h"

/**
 * dmirage_cq_event - tell a context's process to look for completions
 * @ctx: the context
 *
 * Context: does not sleep; dmirage_dev.ctx_lock is held.
 */
static void dmirage_cq_event(struct dmirage_ctx *ctx)
{
	lockdep_assert_held(&ctx->dd->ctx_lock);

	if (ctx->eventfd)
		dmirage_eventfd_signal(ctx->eventfd);
}

/**
 * dmirage_event_end - tell a context's process that there will be no more
 * @ctx: the context, DEAD
 */
void dmirage_event_end(struct dmirage_ctx *ctx)
{
	spin_lock_irq(&ctx->dd->ctx_lock);
	dmirage_cq_event(ctx);
	spin_unlock_irq(&ctx->dd->ctx_lock);
}

/**
 * dmirage_event_all - tell everybody that the device is broken
 * @dd: the device, marked so
 *
 * When it goes, each context's end tells.
 *
 * Context: any; a flush that fails may be one under a page-table lock.
 */
void dmirage_event_all(struct dmirage_dev *dd)
{
	unsigned long flags;
	unsigned int asid;

	spin_lock_irqsave(&dd->ctx_lock, flags);
	for (asid = 0; asid < dd->contexts; asid++)
		if (dd->ctx[asid])
			dmirage_cq_event(dd->ctx[asid]);
	spin_unlock_irqrestore(&dd->ctx_lock, flags);
}

/**
 * dmirage_event_drain - hand out the events that there are
 * @dd: the device
 *
 * A bit is cleared before the process is told, and the clearing has arrived
 * when the register has been read again.  An event that comes after it sets the
 * bit and interrupts anew; one that came before is among those told of.
 *
 * Context: may sleep.  Interrupt thread, or suspend with that disabled.
 */
void dmirage_event_drain(struct dmirage_dev *dd)
{
	u64 events = dmirage_readq(dd, DMIRAGE_REG_CQ_EVENTS), later;
	unsigned int asid;

	for (; events; events = later) {
		/* unplugged without notice: reads return all ones */
		if (events == ~0ull &&
		    dmirage_readl(dd, DMIRAGE_REG_ID) != DMIRAGE_ID)
			return;
		dmirage_writeq(dd, DMIRAGE_REG_CQ_EVENTS, events);
		later = dmirage_readq(dd, DMIRAGE_REG_CQ_EVENTS);

		spin_lock_irq(&dd->ctx_lock);
		for (asid = 0; asid < dd->contexts; asid++)
			if (dd->ctx[asid] && events & BIT_ULL(asid))
				dmirage_cq_event(dd->ctx[asid]);
		spin_unlock_irq(&dd->ctx_lock);
	}
}

irqreturn_t dmirage_event_irq(int irq, void *data)
{
	dmirage_event_drain(data);
	return IRQ_HANDLED;
}

static struct eventfd_ctx *dmirage_event_swap(struct dmirage_ctx *ctx,
					      struct eventfd_ctx *eventfd)
{
	struct dmirage_dev *dd = ctx->dd;

	spin_lock_irq(&dd->ctx_lock);
	swap(ctx->eventfd, eventfd);
	/*
	 * Who marks something dead, broken or gone takes the lock after that
	 * and signals what is here; if that was before us, we see the mark.
	 */
	if (READ_ONCE(ctx->state) == DMIRAGE_DEAD || READ_ONCE(dd->broken) ||
	    READ_ONCE(dd->gone))
		dmirage_cq_event(ctx);
	spin_unlock_irq(&dd->ctx_lock);
	return eventfd;
}

/**
 * dmirage_event_set - DMIRAGE_IOC_EVENTFD
 * @ctx: a context that was set up
 * @arg: what is wanted
 *
 * Return: see struct dmirage_eventfd.
 */
int dmirage_event_set(struct dmirage_ctx *ctx,
		      const struct dmirage_eventfd *arg)
{
	struct eventfd_ctx *eventfd = NULL;

	if (arg->reserved0)
		return -EINVAL;
	if (!(ctx->dd->caps & DMIRAGE_CAP_CQ_EVENT))
		return -EOPNOTSUPP;
	if (arg->fd != -1) {
		eventfd = eventfd_ctx_fdget(arg->fd);
		if (IS_ERR(eventfd))
			return PTR_ERR(eventfd);
	}
	eventfd = dmirage_event_swap(ctx, eventfd);
	if (eventfd)
		eventfd_ctx_put(eventfd);
	return 0;
}

/**
 * dmirage_event_close - let go of a context's eventfd
 * @ctx: a context that nobody can signal any more
 */
void dmirage_event_close(struct dmirage_ctx *ctx)
{
	if (ctx->eventfd)
		eventfd_ctx_put(ctx->eventfd);
	ctx->eventfd = NULL;
}
