// SPDX-License-Identifier: GPL-2.0
/*
 * Page faults of the device.
 *
 * The interrupt handler empties the fault queue and hands each fault to its
 * context, whose work resolves it: a fault that takes long, for a page that has
 * to be read from disk, holds up its own context only.
 */

#include <linux/interrupt.h>

#include "context.h"
#include "trace.h"

/* fq_lock, and so with interrupts disabled */
static void dmirage_fault_hand_over(struct dmirage_dev *dd,
				    const struct dmirage_fqe *fqe)
{
	unsigned int asid = le16_to_cpu(fqe->asid);
	u16 flags = le16_to_cpu(fqe->flags);
	struct dmirage_ctx *ctx;

	spin_lock(&dd->ctx_lock);
	ctx = asid < DMIRAGE_CONTEXTS ? dd->ctx[asid] : NULL;
	if (ctx) {
		spin_lock(&ctx->fault_lock);
		if (ctx->fault_in - ctx->fault_out == DMIRAGE_FAULTS_MAX)
			ctx->fault_out++;
		ctx->faults[ctx->fault_in++ % DMIRAGE_FAULTS_MAX] =
			(struct dmirage_fault) {
			.write = flags & DMIRAGE_FAULT_WRITE,
			.present = flags & DMIRAGE_FAULT_PRESENT,
			.tag = le32_to_cpu(fqe->tag),
			.addr = le64_to_cpu(fqe->addr),
			.len = le64_to_cpu(fqe->len),
		};
		spin_unlock(&ctx->fault_lock);
		queue_work(dd->fault_wq, &ctx->fault_work);
	}
	spin_unlock(&dd->ctx_lock);

	if (!ctx)
		dev_warn_ratelimited(dd->dev, "fault of unknown asid %u\n",
				     asid);
}

/**
 * dmirage_fault_drain - empty the fault queue
 * @dd: the device
 *
 * When this returns, all that was in the queue before has been handed over.
 *
 * Context: any.
 */
void dmirage_fault_drain(struct dmirage_dev *dd)
{
	struct dmirage_queue *fq = &dd->fq;
	struct dmirage_fqe *ring = fq->mem;
	struct dmirage_fqe fqe;
	unsigned long flags;
	bool found;

	spin_lock_irqsave(&dd->fq_lock, flags);
	do {
		found = false;
		for (;;) {
			struct dmirage_fqe *e = &ring[fq->next & fq->mask];

			if (le32_to_cpu(READ_ONCE(e->seq)) != fq->next + 1)
				break;
			/* the device wrote seq last */
			dma_rmb();
			fqe = *e;
			fq->next++;
			found = true;
			dmirage_fault_hand_over(dd, &fqe);
		}
		/*
		 * Entries that came before this was written may not have raised
		 * an interrupt, so look again.
		 */
		if (found)
			dmirage_writel(dd, fq->reg + DMIRAGE_Q_HEAD, fq->next);
	} while (found);
	spin_unlock_irqrestore(&dd->fq_lock, flags);
}

irqreturn_t dmirage_fault_irq(int irq, void *data)
{
	dmirage_fault_drain(data);
	return IRQ_HANDLED;
}

static bool dmirage_fault_take(struct dmirage_ctx *ctx,
			       struct dmirage_fault *fault)
{
	bool found;

	spin_lock_irq(&ctx->fault_lock);
	found = ctx->fault_out != ctx->fault_in;
	if (found)
		*fault = ctx->faults[ctx->fault_out++ % DMIRAGE_FAULTS_MAX];
	spin_unlock_irq(&ctx->fault_lock);
	return found;
}

static int dmirage_fault_by_mode(struct dmirage_ctx *ctx,
				 const struct dmirage_fault *fault)
{
	unsigned long next;
	int ret;

	switch (ctx->mode) {
	case DMIRAGE_MODE_MIRROR:
		mutex_lock(&ctx->resolve_lock);
		ret = dmirage_mirror_fault(ctx, fault->addr, fault->len,
					   fault->write, &next);
		mutex_unlock(&ctx->resolve_lock);
		if (!ret && fault->len)
			dmirage_map_ahead(ctx, next,
					  fault->addr + fault->len - 1,
					  fault->write);
		return ret;
	case DMIRAGE_MODE_PINNED:
		return dmirage_pinned_fault(ctx, fault->addr, fault->write);
	default:
		return dmirage_shared_fault(ctx, fault);
	}
}

static void dmirage_fault_resolve(struct dmirage_ctx *ctx,
				  const struct dmirage_fault *fault)
{
	u64 code = DMIRAGE_RESP_RETRY;
	int ret;

	dmirage_count(ctx, DMIRAGE_STAT_FAULTS, 1);
	ret = dmirage_fault_by_mode(ctx, fault);
	trace_dmirage_fault(ctx->asid, fault->addr, fault->len, fault->write,
			    ret);
	if (ret) {
		dmirage_count(ctx, DMIRAGE_STAT_FAULT_ERRORS, 1);
		code = -ret;
	}
	dmirage_gate_pass(&ctx->gate, DMIRAGE_GATE_FAULT_COMMIT, fault->addr,
			  fault->addr);

	/*
	 * writeq() orders the entries before the answer.  If the context has
	 * ended meanwhile the device ignores it; the ASID cannot have a new
	 * owner, since the end waits for this work.
	 */
	dmirage_writeq(ctx->dd, DMIRAGE_REG_FAULT_RESP,
		       (u64)fault->tag << 32 | code << 16 | ctx->asid);
}

/* Resolve the context's open faults and answer them. */
void dmirage_fault_work(struct work_struct *work)
{
	struct dmirage_ctx *ctx =
		container_of(work, struct dmirage_ctx, fault_work);
	struct dmirage_fault fault;

	while (dmirage_fault_take(ctx, &fault))
		dmirage_fault_resolve(ctx, &fault);
}
