// SPDX-License-Identifier: GPL-2.0
/*
 * What the oracle found: from the violation queue to the context's readers.
 */

#include <linux/interrupt.h>
#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "context.h"
#include "trace.h"

/*
 * The frame behind a DMA address, to be compared with the process's.  A stale
 * mapping may be gone from an IOMMU by now; then the address must do.
 */
static u64 dmirage_dma_frame(struct dmirage_dev *dd, u64 dma)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dd->dev);
	phys_addr_t phys = domain ? iommu_iova_to_phys(domain, dma) : dma;

	return (phys ?: dma) & PAGE_MASK;
}

static void dmirage_record_fill(struct dmirage_dev *dd,
				struct dmirage_violation *rec,
				const struct dmirage_vqe *vqe)
{
	u64 time = le64_to_cpu(vqe->time);

	*rec = (struct dmirage_violation) {
		.time_ns = ktime_get_ns(),
		.kind = vqe->kind,
		.opcode = vqe->opcode,
		.access_write = !!(vqe->access & DMIRAGE_VQE_ACCESS_WRITE),
		.held_order = vqe->held_order,
		.held_write = !!(vqe->held_flags & DMIRAGE_VQE_HELD_WRITE),
		.cpu_present = !!(vqe->cpu_flags & DMIRAGE_VQE_CPU_PRESENT),
		.cpu_write = !!(vqe->cpu_flags & DMIRAGE_VQE_CPU_WRITE),
		.cpu_order = le32_to_cpu(vqe->cpu_order),
		.asid = le16_to_cpu(vqe->asid),
		.pages = le32_to_cpu(vqe->pages),
		.cookie = le64_to_cpu(vqe->cookie),
		.addr = le64_to_cpu(vqe->addr),
		.len = le64_to_cpu(vqe->len),
		.held_frame = dmirage_dma_frame(dd,
						le64_to_cpu(vqe->held_addr)),
		.cpu_frame = le64_to_cpu(vqe->cpu_addr) & PAGE_MASK,
		.cpu_entry = le64_to_cpu(vqe->cpu_entry),
		.held_age_ns = time - le64_to_cpu(vqe->fill_time),
		.strength = vqe->strength,
		.holder = vqe->holder,
		.mode = vqe->mode,
		.why = vqe->why,
		.cpu = le16_to_cpu(vqe->cpu),
	};
	/* the name alone: an address would tell where the kernel is */
	if (vqe->pc)
		snprintf(rec->function, sizeof(rec->function), "%pS",
			 (void *)(unsigned long)le64_to_cpu(vqe->pc));
	if (vqe->inv_time && vqe->inv_len) {
		rec->inv_age_ns = time - le64_to_cpu(vqe->inv_time);
		rec->inv_start = le64_to_cpu(vqe->inv_start);
		rec->inv_len = le64_to_cpu(vqe->inv_len);
	}
}

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

static void dmirage_record_hand_over(struct dmirage_dev *dd,
				     const struct dmirage_vqe *vqe)
{
	struct dmirage_violation rec;
	struct dmirage_ctx *ctx;

	dmirage_record_fill(dd, &rec, vqe);
	dmirage_record_log(dd, &rec);
	trace_dmirage_violation(&rec);

	spin_lock_irq(&dd->ctx_lock);
	ctx = rec.asid < DMIRAGE_CONTEXTS ? dd->ctx[rec.asid] : NULL;
	if (ctx) {
		spin_lock(&ctx->rec_lock);
		rec.lost_before = ctx->lost;
		if (kfifo_put(&ctx->records, rec)) {
			ctx->lost = 0;
		} else {
			ctx->lost++;
			dmirage_count(ctx, DMIRAGE_STAT_RECORDS_LOST, 1);
		}
		spin_unlock(&ctx->rec_lock);
	}
	spin_unlock_irq(&dd->ctx_lock);
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

/* Copy out what there is.  Return: bytes; -EFAULT; -ERESTARTSYS. */
static ssize_t dmirage_records_copy(struct dmirage_ctx *ctx, char __user *buf,
				    size_t count)
{
	struct dmirage_violation rec;
	ssize_t done = 0;
	bool found;

	if (mutex_lock_interruptible(&ctx->read_lock))
		return -ERESTARTSYS;
	while (count - done >= sizeof(rec)) {
		spin_lock_irq(&ctx->rec_lock);
		found = kfifo_peek(&ctx->records, &rec);
		spin_unlock_irq(&ctx->rec_lock);
		if (!found)
			break;
		if (copy_to_user(buf + done, &rec, sizeof(rec))) {
			if (!done)
				done = -EFAULT;
			break;
		}
		/* still the first: others than us only add at the end */
		spin_lock_irq(&ctx->rec_lock);
		kfifo_skip(&ctx->records);
		spin_unlock_irq(&ctx->rec_lock);
		done += sizeof(rec);
	}
	mutex_unlock(&ctx->read_lock);
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
 * room for one; -EAGAIN none, and not to wait; -ERESTARTSYS; -EFAULT; -ENODEV
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
