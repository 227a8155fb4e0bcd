// SPDX-License-Identifier: GPL-2.0
/*
 * What the oracle found: from the violation queue to the context's readers.
 */

#include <linux/interrupt.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "context.h"
#include "record.h"
#include "trace.h"

/* What was stale: an access, or what an audit found. */
static const char *dmirage_record_what(const struct dmirage_violation *rec)
{
	if (rec->strength == DMIRAGE_BY_WATCH)
		return "translation made stale";
	if (rec->strength != DMIRAGE_BY_AUDIT)
		return rec->access_write ? "stale DMA write" : "stale DMA read";
	switch (rec->holder) {
	case DMIRAGE_HELD_LATCHED:
		return "audit: stale translation latched";
	case DMIRAGE_HELD_IOTLB:
		return "audit: stale translation in the IOTLB";
	case DMIRAGE_HELD_TABLE:
		return "audit: stale translation in the mirror table";
	default:
		return "audit: stale translation";
	}
}

static void dmirage_record_log(struct dmirage_dev *dd,
			       const struct dmirage_violation *rec)
{
	const char *what = dmirage_record_what(rec);
	const char *by = rec->function[0] ? " by " : "";

	switch (rec->kind) {
	case DMIRAGE_VIOL_FRAME:
	case DMIRAGE_VIOL_ABSENT:
	case DMIRAGE_VIOL_DIVERGED:
		if (!rec->cpu_present) {
			dev_notice_ratelimited(dd->dev,
					       "%s: asid %u va %#llx held %#llx cpu not mapped%s%s\n",
					       what, rec->asid, rec->addr,
					       rec->held_frame, by,
					       rec->function);
			break;
		}
		dev_notice_ratelimited(dd->dev,
				       "%s: asid %u va %#llx held %#llx cpu %#llx%s%s\n",
				       what, rec->asid, rec->addr,
				       rec->held_frame, rec->cpu_frame, by,
				       rec->function);
		break;
	case DMIRAGE_VIOL_WRITE:
		dev_notice_ratelimited(dd->dev,
				       "%s: asid %u va %#llx held %#llx writable, cpu read-only%s%s\n",
				       what, rec->asid, rec->addr,
				       rec->held_frame, by, rec->function);
		break;
	default:
		dev_notice_ratelimited(dd->dev,
				       "violation of unknown kind %u: asid %u va %#llx\n",
				       rec->kind, rec->asid, rec->addr);
		break;
	}
}

/* Whose record it is; to be put back. */
static struct dmirage_ctx *dmirage_record_owner(struct dmirage_dev *dd, u32 asid)
{
	struct dmirage_ctx *ctx;

	spin_lock_irq(&dd->ctx_lock);
	ctx = asid < DMIRAGE_CONTEXTS ? dd->ctx[asid] : NULL;
	if (ctx) {
		kref_get(&ctx->ref);
		mmgrab(ctx->mm);
	}
	spin_unlock_irq(&dd->ctx_lock);
	return ctx;
}

static void dmirage_record_keep(struct dmirage_ctx *ctx,
				struct dmirage_found *found)
{
	spin_lock_irq(&ctx->rec_lock);
	found->lost_before = ctx->lost;
	if (kfifo_put(&ctx->records, *found)) {
		ctx->lost = 0;
	} else {
		ctx->lost++;
		dmirage_count(ctx, DMIRAGE_STAT_RECORDS_LOST, 1);
	}
	spin_unlock_irq(&ctx->rec_lock);
}

/*
 * It is the owner's also if that one ends meanwhile: the end empties the queue
 * first and waits for us to be done (vq_lock), or does not find the entry any
 * more since we have it.
 */
static void dmirage_record_hand_over(struct dmirage_dev *dd,
				     const struct dmirage_vqe *vqe)
{
	struct dmirage_ctx *ctx = dmirage_record_owner(dd,
						       le16_to_cpu(vqe->asid));
	struct dmirage_found found;
	struct mm_struct *mm;

	dmirage_record_find(dd, ctx, vqe, &found);
	dmirage_record_fill(dd, &found, dd->vq_rec);
	dmirage_record_log(dd, dd->vq_rec);
	trace_dmirage_violation(dev_name(dd->dev), dd->vq_rec);
	if (!ctx)
		return;
	dmirage_record_keep(ctx, &found);
	mm = ctx->mm;
	dmirage_ctx_put(ctx);
	mmdrop(mm);
}

/**
 * dmirage_violation_drain - empty the violation queue
 * @dd: the device
 *
 * When this returns, all that was in the queue before is with its owner.
 */
void dmirage_violation_drain(struct dmirage_dev *dd)
{
	struct dmirage_queue *vq = &dd->vq;
	struct dmirage_vqe *ring = vq->mem;
	struct dmirage_vqe vqe;
	bool found;

	mutex_lock(&dd->vq_lock);
	do {
		found = false;
		for (;;) {
			struct dmirage_vqe *e = &ring[vq->next & vq->mask];

			if (le32_to_cpu(READ_ONCE(e->seq)) != vq->next + 1)
				break;
			/* the device wrote seq last */
			dma_rmb();
			vqe = *e;
			/* make room at once: the device drops what has none */
			dmirage_writel(dd, vq->reg + DMIRAGE_Q_HEAD,
				       ++vq->next);
			found = true;
			dmirage_record_hand_over(dd, &vqe);
		}
		if (found)
			wake_up_all(&dd->wait);
	} while (found);
	mutex_unlock(&dd->vq_lock);
}

irqreturn_t dmirage_violation_irq(int irq, void *data)
{
	dmirage_violation_drain(data);
	return IRQ_HANDLED;
}

/* Is there a record, or the news that there will be none? */
static bool dmirage_news(struct dmirage_ctx *ctx)
{
	return !kfifo_is_empty(&ctx->records) || READ_ONCE(ctx->dd->gone) ||
	       READ_ONCE(ctx->dd->broken);
}

/* Copy out what there is.  Return: bytes; -EFAULT; -ENOMEM; -ERESTARTSYS. */
static ssize_t dmirage_records_copy(struct dmirage_ctx *ctx, char __user *buf,
				    size_t count)
{
	struct dmirage_violation *rec;
	struct dmirage_found found;
	ssize_t done = 0;
	bool some;

	rec = kmalloc(sizeof(*rec), GFP_KERNEL);
	if (!rec)
		return -ENOMEM;
	if (mutex_lock_interruptible(&ctx->read_lock)) {
		kfree(rec);
		return -ERESTARTSYS;
	}
	while (count - done >= sizeof(*rec)) {
		spin_lock_irq(&ctx->rec_lock);
		some = kfifo_peek(&ctx->records, &found);
		spin_unlock_irq(&ctx->rec_lock);
		if (!some)
			break;
		dmirage_record_fill(ctx->dd, &found, rec);
		if (copy_to_user(buf + done, rec, sizeof(*rec))) {
			if (!done)
				done = -EFAULT;
			break;
		}
		/* still the first: others than us only add at the end */
		spin_lock_irq(&ctx->rec_lock);
		kfifo_skip(&ctx->records);
		spin_unlock_irq(&ctx->rec_lock);
		done += sizeof(*rec);
	}
	mutex_unlock(&ctx->read_lock);
	kfree(rec);
	return done;
}

/**
 * dmirage_violation_read - read() of the character device
 * @ctx:      the context
 * @buf:      where to
 * @count:    bytes there
 * @nonblock: do not wait
 *
 * A record leaves the queue once it has been copied, so none is lost to a bad
 * address.
 *
 * Return: bytes read, as many whole records as there are and fit; -EINVAL no
 * room for one; -EAGAIN none, and not to wait; -ERESTARTSYS; -EFAULT; -ENOMEM; -ENODEV
 * none, and the device is gone; -EIO none, and the device is broken.
 */
ssize_t dmirage_violation_read(struct dmirage_ctx *ctx, char __user *buf,
			       size_t count, bool nonblock)
{
	struct dmirage_dev *dd = ctx->dd;
	ssize_t ret;

	if (count < sizeof(struct dmirage_violation))
		return -EINVAL;

	for (;;) {
		ret = dmirage_records_copy(ctx, buf, count);
		if (ret)
			return ret;
		if (READ_ONCE(dd->gone))
			return -ENODEV;
		if (READ_ONCE(dd->broken))
			return -EIO;
		if (nonblock)
			return -EAGAIN;
		/* another reader may be faster: once more, then */
		ret = wait_event_interruptible(dd->wait, dmirage_news(ctx));
		if (ret)
			return ret;
	}
}
