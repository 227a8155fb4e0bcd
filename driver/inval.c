// SPDX-License-Identifier: GPL-2.0
/*
 * The invalidation queue: telling the device to forget, and waiting until it
 * has; and asking it what it remembers.
 *
 * Concepts
 *
 *   A *flush* is two commands: drop translations, and WAIT, which writes a
 *   number to the context's status word once no access is under way that uses
 *   what was dropped.  It is over when that number is read.
 *
 *   A *query* (DUMP, AUDIT) is a command that changes nothing, and is answered
 *   in memory, too.  People ask, through debugfs.
 *
 * Invariants
 *
 *   - A context has one flush under way at most, since its lock is held from
 *     before posting until it is over.  So it needs one status word.  Of
 *     queries there is one at a time (dmirage_dev.query_lock).  So all together
 *     cannot fill the queue.
 *   - A flush ends in one of two ways: the device has let go, or the device
 *     has been reset and taken off the bus and so has let go of everything.
 *     There is no error for a caller to forget to look at.
 */

#include <linux/build_bug.h>
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/log2.h>

#include "context.h"
#include "trace.h"

/* twice what can be under way, for a HEAD that is read late */
static_assert((1 << DMIRAGE_IQ_ORDER) >= 2 * (2 * DMIRAGE_CONTEXTS + 1));

/* How long a flush is polled for before the poller begins to sleep. */
#define DMIRAGE_SPIN_NS		(50 * NSEC_PER_USEC)

/*
 * Wait a little.  Return: false if the device has had enough time, or is not
 * there at all.
 */
static bool dmirage_poll_delay(struct dmirage_dev *dd, ktime_t begin,
			       bool may_sleep)
{
	s64 ns = ktime_to_ns(ktime_sub(ktime_get(), begin));

	if (ns > DMIRAGE_TIMEOUT_MS * (s64)NSEC_PER_MSEC)
		return false;
	if (ns < DMIRAGE_SPIN_NS || !may_sleep)
		cpu_relax();
	else
		usleep_range(20, 50);
	/* unplugged without notice: reads return all ones, or in QEMU 0 */
	return ns < NSEC_PER_MSEC ||
	       dmirage_readl(dd, DMIRAGE_REG_ID) == DMIRAGE_ID;
}

/* Room for @n commands?  A stale HEAD errs on the safe side. */
static bool dmirage_iq_room(struct dmirage_dev *dd, unsigned int n)
{
	struct dmirage_queue *iq = &dd->iq;

	lockdep_assert_held(&dd->iq_lock);
	return iq->next - dmirage_readl(dd, iq->reg + DMIRAGE_Q_HEAD) + n <=
	       iq->mask + 1;
}

static bool dmirage_iq_post(struct dmirage_dev *dd,
			    const struct dmirage_cmd *cmds, unsigned int n,
			    ktime_t begin, bool may_sleep)
{
	struct dmirage_queue *iq = &dd->iq;
	struct dmirage_cmd *ring = iq->mem;
	unsigned int i;

	spin_lock(&dd->iq_lock);
	while (!dmirage_iq_room(dd, n)) {
		/* cannot be, unless the device has stopped consuming */
		spin_unlock(&dd->iq_lock);
		if (READ_ONCE(dd->broken) ||
		    !dmirage_poll_delay(dd, begin, may_sleep))
			return false;
		spin_lock(&dd->iq_lock);
	}
	for (i = 0; i < n; i++)
		ring[iq->next++ & iq->mask] = cmds[i];
	/* writel() orders the commands, and cleared entries, before itself */
	dmirage_writel(dd, iq->reg + DMIRAGE_Q_TAIL, iq->next);
	spin_unlock(&dd->iq_lock);
	return true;
}

/*
 * Fault mode no-drain: wait until the device has taken all commands, which says
 * nothing of accesses under way.  Return: false: it has had enough time.
 */
static bool dmirage_iq_empty(struct dmirage_dev *dd, ktime_t begin,
			     bool may_sleep)
{
	bool empty;

	for (;;) {
		spin_lock(&dd->iq_lock);
		empty = dmirage_iq_room(dd, dd->iq.mask + 1);
		spin_unlock(&dd->iq_lock);
		if (empty || READ_ONCE(dd->broken))
			return true;
		if (!dmirage_poll_delay(dd, begin, may_sleep))
			return false;
	}
}

static void dmirage_flush(struct dmirage_ctx *ctx, struct dmirage_cmd *inv,
			  bool may_sleep)
{
	struct dmirage_dev *dd = ctx->dd;
	__le32 *status = dmirage_status_word(ctx);
	__le32 value = cpu_to_le32(++ctx->wait_value);
	ktime_t begin = ktime_get();
	struct dmirage_cmd cmds[2] = {
		*inv,
		{
			.opcode = DMIRAGE_CMD_WAIT,
			.value = value,
			.status_addr = cpu_to_le64(dd->status_dma +
				ctx->asid * DMIRAGE_STATUS_STRIDE),
		},
	};

	lockdep_assert_held(&ctx->lock);

	/* asleep: the device holds nothing of it, see pm.c */
	if (READ_ONCE(dd->broken) || ctx->asleep)
		return;
	/* the end of a context is done right, for whoever has the ASID next */
	if (dmirage_fm(ctx, DMIRAGE_FM_NO_DRAIN) &&
	    ctx->state == DMIRAGE_LIVE) {
		if (!dmirage_iq_post(dd, cmds, 1, begin, may_sleep) ||
		    !dmirage_iq_empty(dd, begin, may_sleep))
			goto broken;
		return;
	}
	if (!dmirage_iq_post(dd, cmds, ARRAY_SIZE(cmds), begin, may_sleep))
		goto broken;
	if (dmirage_fm(ctx, DMIRAGE_FM_NO_WAIT) && ctx->state == DMIRAGE_LIVE)
		return;

	while (READ_ONCE(*status) != value) {
		if (READ_ONCE(dd->broken))
			return;
		if (!dmirage_poll_delay(dd, begin, may_sleep))
			goto broken;
	}
	/*
	 * What the device wrote before it let go is in memory before the
	 * kernel copies the page: the device writes the status word after it.
	 */
	dma_rmb();
	trace_dmirage_flush(ctx->asid, le64_to_cpu(inv->addr),
			    le64_to_cpu(inv->len),
			    ktime_to_ns(ktime_sub(ktime_get(), begin)));
	return;

broken:
	dev_err(dd->dev,
		"no answer to a flush: asid %u va %#llx len %#llx; resetting the device\n",
		ctx->asid, le64_to_cpu(inv->addr), le64_to_cpu(inv->len));
	dmirage_dev_break(dd);
}

/**
 * dmirage_flush_range - make the device forget a range, and wait until it has
 * @ctx:       the context; locked
 * @first:     first address
 * @last:      last address, inclusive
 * @may_sleep: the caller may
 *
 * The entries have been cleared before, so what the device forgets it cannot
 * look up again.
 *
 * Context: MMU notifiers that may not sleep, among others.
 */
void dmirage_flush_range(struct dmirage_ctx *ctx, unsigned long first,
			 unsigned long last, bool may_sleep)
{
	struct dmirage_cmd inv = {
		.opcode = DMIRAGE_CMD_INV_RANGE,
		.asid = cpu_to_le16(ctx->asid),
		.addr = cpu_to_le64(first),
		.len = cpu_to_le64((u64)last - first + 1),
	};

	dmirage_flush(ctx, &inv, may_sleep);
}

/**
 * dmirage_flush_asid - the same for all that the device has of a context
 * @ctx: the context; locked
 */
void dmirage_flush_asid(struct dmirage_ctx *ctx)
{
	struct dmirage_cmd inv = {
		.opcode = DMIRAGE_CMD_INV_ASID,
		.asid = cpu_to_le16(ctx->asid),
	};

	dmirage_flush(ctx, &inv, true);
}

/**
 * dmirage_query - post a command that asks something, and wait for the answer
 * @dd:     the device; its query_lock is held
 * @cmd:    DUMP or AUDIT
 * @word:   what the device writes last
 * @before: what is there until it does
 *
 * Return: 0; -ENODEV the device is gone; -EIO it is broken, or does not take
 * the command; -ETIMEDOUT: the answer may yet come, to wherever it was asked
 * for.
 */
int dmirage_query(struct dmirage_dev *dd, const struct dmirage_cmd *cmd,
		  const __le32 *word, __le32 before)
{
	ktime_t begin = ktime_get();

	lockdep_assert_held(&dd->query_lock);

	/* removal waits for the lock after it has set this */
	if (READ_ONCE(dd->gone))
		return -ENODEV;
	if (READ_ONCE(dd->broken) || !dmirage_iq_post(dd, cmd, 1, begin, true))
		return -EIO;
	while (READ_ONCE(*word) == before) {
		if (READ_ONCE(dd->broken))
			return -EIO;
		if (!dmirage_poll_delay(dd, begin, true))
			return -ETIMEDOUT;
	}
	/* the rest of the answer was written before the word */
	dma_rmb();
	return 0;
}
