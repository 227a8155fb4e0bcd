// SPDX-License-Identifier: GPL-2.0
/*
 * Suspend and resume.
 *
 * Concepts
 *
 *   The device forgets everything when the machine sleeps.  What it knows is in
 *   memory, but for the registers: so contexts are stopped between two
 *   operations, and begin again with the indices that they had.
 *
 *   User space is frozen when suspend comes: nobody rings a doorbell, calls us
 *   or goes away.  Kernel threads are not, nor is the fault work.
 *
 *   A context that is *asleep* is switched off in the device, which holds
 *   nothing of it then.  Its mirror table stays.  MMU notifiers may still come
 *   (reclaim does not ask whether the machine is about to sleep); they take
 *   entries out as ever, and there is nobody to be told (dmirage_flush()).  So
 *   the table is true when the device begins to walk it again.  In shared mode
 *   there is no table, and nobody to be told either (dmirage_shared_off()).
 *   Pinned pages stay pinned.
 *
 * A context that cannot be stopped without losing an operation keeps the machine
 * awake: suspend fails with -EBUSY and says what has to be done, and nothing has
 * been changed.
 */

#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/pci.h>

#include "chain.h"
#include "context.h"

/* How long operations that are under way may take to end */
#define DMIRAGE_IDLE_MS		5000

/* What nobody can change while user space is frozen */
static const char dmirage_pm_full[] =
	"has no room for completions: fetch some";

/* The vectors that have handlers */
static const unsigned int dmirage_pm_vectors[] = {
	DMIRAGE_VEC_FAULT,
	DMIRAGE_VEC_VIOLATION,
	DMIRAGE_VEC_COMPLETE,
};

/* Calls @fn for each context that has an ASID, until it fails. */
static int dmirage_pm_each(struct dmirage_dev *dd,
			   int (*fn)(struct dmirage_ctx *ctx))
{
	struct dmirage_ctx *ctx;
	unsigned int asid;
	int ret = 0;

	for (asid = 0; asid < dd->contexts && !ret; asid++) {
		mutex_lock(&dd->lock);
		ctx = dd->owner[asid];
		if (ctx)
			kref_get(&ctx->ref);
		mutex_unlock(&dd->lock);
		if (!ctx)
			continue;
		ret = fn(ctx);
		dmirage_ctx_put(ctx);
	}
	return ret;
}

static u32 dmirage_pm_read(struct dmirage_ctx *ctx, unsigned int reg)
{
	return dmirage_readl(ctx->dd, dmirage_ctx_reg(ctx, reg));
}

/*
 * Is there anything that would be lost?  Return: NULL, or what.  No doorbell is
 * rung, so if there is no descriptor left, and after that no operation under
 * way, it stays so.
 */
static const char *dmirage_pm_busy(struct dmirage_ctx *ctx)
{
	u32 left, status;

	if (READ_ONCE(ctx->state) != DMIRAGE_LIVE ||
	    dmirage_pm_read(ctx, DMIRAGE_CTX_ERROR) & DMIRAGE_CTX_ERR_RING)
		return NULL;
	left = dmirage_pm_read(ctx, DMIRAGE_CTX_SQ_TAIL) -
	       dmirage_pm_read(ctx, DMIRAGE_CTX_SQ_HEAD);
	status = dmirage_pm_read(ctx, DMIRAGE_CTX_STATUS);
	if (status & (DMIRAGE_CTX_HELD | DMIRAGE_CTX_FLUSH_HELD))
		return "is held for a test: release it";
	if (left && status & DMIRAGE_CTX_CQ_FULL &&
	    !(status & DMIRAGE_CTX_ACTIVE))
		return dmirage_pm_full;
	if (!left && status & DMIRAGE_CTX_ACTIVE &&
	    !(status & (DMIRAGE_CTX_BUSY | DMIRAGE_CTX_FAULT)))
		return "has an open chain: submit the rest of it";
	/* the interrupt may be still to come */
	dmirage_fault_drain(ctx->dd);
	if (left || status & (DMIRAGE_CTX_ACTIVE | DMIRAGE_CTX_BUSY) ||
	    work_busy(&ctx->fault_work))
		return "is at work: wait for its completions";
	return NULL;
}

static int dmirage_pm_wait_idle(struct dmirage_ctx *ctx)
{
	unsigned long limit = jiffies + msecs_to_jiffies(DMIRAGE_IDLE_MS);
	const char *why;

	while ((why = dmirage_pm_busy(ctx))) {
		if (why == dmirage_pm_full || time_after(jiffies, limit)) {
			dev_err(ctx->dd->dev,
				"cannot suspend: asid %u %s\n", ctx->asid, why);
			return -EBUSY;
		}
		usleep_range(500, 1000);
	}
	return 0;
}

static int dmirage_pm_stop(struct dmirage_ctx *ctx)
{
	int ret = 0;

	mutex_lock(&ctx->lock);
	if (ctx->state == DMIRAGE_LIVE && !ctx->asleep)
		ret = dmirage_ctx_sleep(ctx);
	mutex_unlock(&ctx->lock);
	return ret;
}

static int dmirage_pm_start(struct dmirage_ctx *ctx)
{
	int ret = 0;

	mutex_lock(&ctx->lock);
	if (ctx->state == DMIRAGE_LIVE && ctx->asleep)
		ret = dmirage_ctx_wake(ctx);
	mutex_unlock(&ctx->lock);
	return ret;
}

static void dmirage_pm_irqs(struct dmirage_dev *dd, bool enable)
{
	unsigned int i;
	int irq;

	for (i = 0; i < ARRAY_SIZE(dmirage_pm_vectors); i++) {
		irq = pci_irq_vector(dd->pdev, dmirage_pm_vectors[i]);
		if (enable)
			enable_irq(irq);
		else
			disable_irq(irq);
	}
}

/* Everything as it was, in a device that may have forgotten all of it. */
static int dmirage_pm_restart(struct dmirage_dev *dd)
{
	int ret;

	if (dmirage_readl(dd, DMIRAGE_REG_ID) != DMIRAGE_ID)
		return -ENODEV;
	ret = dmirage_dev_reset(dd);
	if (ret)
		return ret;
	pci_set_master(dd->pdev);
	/* one that was given up before will not be answered */
	mutex_lock(&dd->query_lock);
	dd->audit_open = false;
	mutex_unlock(&dd->query_lock);
	ret = dmirage_queues_restart(dd);
	if (ret)
		return ret;
	dmirage_chain_restart(dd);
	return dmirage_pm_each(dd, dmirage_pm_start);
}

static int __maybe_unused dmirage_suspend(struct device *dev)
{
	struct dmirage_dev *dd = dev_get_drvdata(dev);
	int ret;

	if (READ_ONCE(dd->broken))
		return 0;
	ret = dmirage_pm_each(dd, dmirage_pm_wait_idle);
	if (ret)
		return ret;

	dmirage_pm_irqs(dd, false);
	ret = dmirage_pm_each(dd, dmirage_pm_stop);
	if (!ret)
		ret = dmirage_dev_reset(dd);
	if (!ret)
		return 0;
	/* it does not do what it must: off the bus with it, for good */
	dev_err(dev, "does not stop: %d\n", ret);
	dmirage_dev_break(dd);
	dmirage_pm_irqs(dd, true);
	return ret;
}

static int __maybe_unused dmirage_resume(struct device *dev)
{
	struct dmirage_dev *dd = dev_get_drvdata(dev);
	int ret;

	if (READ_ONCE(dd->broken))
		return 0;
	ret = dmirage_pm_restart(dd);
	if (ret) {
		dev_err(dev, "does not come back after suspend: %d\n", ret);
		dmirage_dev_break(dd);
	}
	dmirage_pm_irqs(dd, true);
	return ret;
}

/* Hibernation is the same: each image is of a device that is stopped. */
const struct dev_pm_ops dmirage_pm_ops = {
	SET_SYSTEM_SLEEP_PM_OPS(dmirage_suspend, dmirage_resume)
};
