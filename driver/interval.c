// SPDX-License-Identifier: GPL-2.0
/*
 * MMU interval notifiers: what they do, and how long they are there; see
 * mirror.h.
 *
 * The argument why this is right is with dmirage_ctx.lock in context.h and, in
 * prose, in docs/coherence.md.
 */

#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/slab.h>

#include "compat.h"
#include "context.h"
#include "trace.h"

/*
 * How long a notifier stays when there is nothing left that it could take out.
 * What is unmapped is often mapped again, and to register costs more than to
 * be called in vain.
 */
#define DMIRAGE_REAP_MS		100

/*
 * How long a notifier that may not sleep tries to get the lock.  Who has it needs
 * some microseconds, unless he awaits something; and the kernel need not come
 * again when it was refused: process_mrelease() does not.
 */
#define DMIRAGE_TRY_NS		NSEC_PER_MSEC

static bool dmirage_lock_soon(struct dmirage_ctx *ctx)
{
	ktime_t begin = ktime_get();

	while (!mutex_trylock(&ctx->lock)) {
		if (ktime_to_ns(ktime_sub(ktime_get(), begin)) > DMIRAGE_TRY_NS)
			return false;
		cpu_relax();
	}
	return true;
}

/*
 * Called when the process's page table is about to change (range_start), for
 * each interval that the range touches.  When it has returned, the device holds
 * nothing for the range and uses nothing of it.  See mn_itree_invalidate() and
 * mn_itree_release() in mm/mmu_notifier.c.
 *
 * If the notifier may not sleep (oom_kill.c), polling the device is still
 * allowed: the device needs nothing that sleeps, least of all memory, to finish
 * a chunk of DMA and a WAIT, and the poll has a limit.
 */
static bool dmirage_invalidate(struct mmu_interval_notifier *notifier,
			       const struct mmu_notifier_range *range,
			       unsigned long cur_seq)
{
	struct dmirage_interval *interval =
		container_of(notifier, struct dmirage_interval, notifier);
	struct dmirage_ctx *ctx = interval->ctx;
	struct dmirage_gather gather = DMIRAGE_GATHER_INIT;
	bool may_sleep = mmu_notifier_range_blockable(range), flushed = true;
	unsigned long start, last, span;
	bool done = true;

	dmirage_count(ctx, DMIRAGE_STAT_INVALIDATIONS, 1);

	if (may_sleep) {
		dmirage_gate_pass(&ctx->gate, DMIRAGE_GATE_INVAL_BEGIN,
				  range->start, range->end - 1);
		if (dmirage_fm(ctx, DMIRAGE_FM_FAULT_LOCK))
			dmirage_fm_fault_lock(ctx);
		mutex_lock(&ctx->lock);
	} else if (dmirage_fm(ctx, DMIRAGE_FM_SLEEP_ANYWAY)) {
		dmirage_count(ctx, DMIRAGE_STAT_MODE_HITS, 1);
		mutex_lock(&ctx->lock);
	} else if (!dmirage_lock_soon(ctx)) {
		dmirage_count(ctx, DMIRAGE_STAT_INVAL_REFUSED, 1);
		return false;
	}
	if (!dmirage_fm(ctx, DMIRAGE_FM_NO_SET_SEQ))
		mmu_interval_set_seq(notifier, cur_seq);

	/* fault mode: what follows would be a use after free */
	if (unlikely(interval->freed))
		dmirage_count(ctx, DMIRAGE_STAT_MODE_HITS, 1);

	if (range->event == MMU_NOTIFY_RELEASE) {
		/* exit_mmap(): always blockable, once for all addresses */
		if (dmirage_fm(ctx, DMIRAGE_FM_IGNORE_RELEASE))
			dmirage_count(ctx, DMIRAGE_STAT_MODE_HITS, 1);
		else
			dmirage_ctx_stop(ctx);
		goto unlock;
	}
	if (ctx->state != DMIRAGE_LIVE) {
		/* ended: no entries, and the tables may be gone */
		dmirage_count(ctx, DMIRAGE_STAT_FLUSHES_ELIDED, 1);
		goto unlock;
	}

	/*
	 * The end may be unaligned and as high as ULONG_MAX (clear_refs);
	 * inclusive ends do not overflow.
	 */
	start = max(range->start, notifier->interval_tree.start) & PAGE_MASK;
	last = min(range->end - 1, notifier->interval_tree.last) | ~PAGE_MASK;

	if (unlikely(ctx->fault_mode != DMIRAGE_FM_NONE)) {
		if (dmirage_fm_leave(ctx, range, cur_seq, start, last)) {
			done = ctx->fault_mode != DMIRAGE_FM_REFUSE;
			goto unlock;
		}
		dmirage_fm_trim(ctx, range, &start, &last);
	}
	if (dmirage_fm(ctx, DMIRAGE_FM_UNCLAMPED))
		dmirage_fm_unclamped(ctx, range, &gather);

	if (start <= last) {
		if (dmirage_fm(ctx, DMIRAGE_FM_FLUSH_BEFORE_CLEAR))
			dmirage_fm_flush_first(ctx, range, start, last);
		dmirage_pt_clear(ctx, start, last,
				 dmirage_fm(ctx, DMIRAGE_FM_INVAL_FIRST_PAGE),
				 &gather);
	}
	trace_dmirage_invalidate(ctx->asid, range->start, range->end,
				 range->event, may_sleep, &gather);

	if (dmirage_gather_empty(&gather)) {
		/*
		 * Nothing of this was in the table, so nothing of it is in the
		 * IOTLB, and no access uses it: entries leave the table only
		 * with a flush that is awaited before the lock is let go.
		 */
		dmirage_count(ctx, DMIRAGE_STAT_FLUSHES_ELIDED, 1);
		goto unlock;
	}

	if (may_sleep)
		dmirage_gate_pass(&ctx->gate, DMIRAGE_GATE_INVAL_CLEARED,
				  range->start, range->end - 1);
	if (unlikely(ctx->fault_mode != DMIRAGE_FM_NONE))
		flushed = dmirage_fm_flush(ctx, gather.first, gather.last,
					   may_sleep);
	else
		dmirage_flush_range(ctx, gather.first, gather.last, may_sleep);
	dmirage_count(ctx,
		      flushed ? DMIRAGE_STAT_FLUSHES :
				DMIRAGE_STAT_FLUSHES_ELIDED,
		      1);
	dmirage_pt_release(ctx, &gather);

	/* the context is LIVE, so its end is yet to cancel this */
	span = notifier->interval_tree.start >> DMIRAGE_SPAN_SHIFT;
	if (!ctx->by_region && dmirage_pt_span_empty(ctx, span))
		queue_delayed_work(ctx->dd->fault_wq, &ctx->reap_work,
				   msecs_to_jiffies(DMIRAGE_REAP_MS));

unlock:
	mutex_unlock(&ctx->lock);
	return done;
}

static const struct mmu_interval_notifier_ops dmirage_interval_ops = {
	.invalidate = dmirage_invalidate,
};

/**
 * dmirage_interval_add - register a notifier
 * @ctx:      the context
 * @interval: zeroed
 * @addr:     first address
 * @len:      bytes
 *
 * The first one of a context may be the first of its address space, and then the
 * kernel needs mmap_lock for writing (mmu_notifier_register()).  It is taken here,
 * since a wait for it can be long, if the process populates much memory, and is
 * nothing that a killed caller should wait for, or the kernel call a hung task.
 *
 * Context: under resolve_lock.  The caller has a user of ctx->mm, and no lock
 *          below mmap_lock.
 * Return: 0, -ENOMEM, -EINTR, -EOVERFLOW: the range wraps around.
 */
int dmirage_interval_add(struct dmirage_ctx *ctx,
			 struct dmirage_interval *interval,
			 unsigned long addr, unsigned long len)
{
	struct mmu_interval_notifier *mn = &interval->notifier;
	int ret;

	lockdep_assert_held(&ctx->resolve_lock);

	interval->ctx = ctx;
	if (ctx->subscribed) {
		ret = mmu_interval_notifier_insert(mn, ctx->mm, addr, len,
						   &dmirage_interval_ops);
	} else {
		if (mmap_write_lock_killable(ctx->mm))
			return -EINTR;
		ret = mmu_interval_notifier_insert_locked(mn, ctx->mm, addr, len,
							  &dmirage_interval_ops);
		mmap_write_unlock(ctx->mm);
	}
	if (ret)
		return ret;
	ctx->subscribed = true;
	dmirage_count(ctx, DMIRAGE_STAT_INTERVALS, 1);
	return 0;
}

/**
 * dmirage_interval_remove - the opposite
 * @interval: the device has nothing that was made through it
 *
 * Context: sleeps until running callbacks, and the changes to the page table
 *          that they announced, are over; so not under a lock that these take.
 *          A change in progress may wait for the context's lock, for memory, for
 *          mmap_lock; never for resolve_lock.
 */
void dmirage_interval_remove(struct dmirage_interval *interval)
{
	mmu_interval_notifier_remove(&interval->notifier);
	dmirage_uncount(interval->ctx, DMIRAGE_STAT_INTERVALS, 1);
}

/**
 * dmirage_interval_get - the interval over an address, made if there is none
 * @ctx: a context that mirrors the whole address space
 * @va:  the address
 *
 * Context: under resolve_lock, with a user of the mm.
 * Return: the interval, which stays while resolve_lock is held, or an ERR_PTR.
 */
struct dmirage_interval *dmirage_interval_get(struct dmirage_ctx *ctx,
					      unsigned long va)
{
	unsigned long index = va >> DMIRAGE_SPAN_SHIFT;
	struct dmirage_interval *interval;
	int ret;

	lockdep_assert_held(&ctx->resolve_lock);

	interval = xa_load(&ctx->intervals, index);
	if (interval)
		return interval;

	interval = kzalloc(sizeof(*interval), GFP_KERNEL_ACCOUNT);
	if (!interval)
		return ERR_PTR(-ENOMEM);
	ret = xa_reserve(&ctx->intervals, index, GFP_KERNEL);
	if (ret)
		goto free_interval;
	ret = dmirage_interval_add(ctx, interval, index << DMIRAGE_SPAN_SHIFT,
				   DMIRAGE_SPAN_SIZE);
	if (ret)
		goto release_slot;

	/* cannot fail: the slot is there */
	xa_store(&ctx->intervals, index, interval, GFP_KERNEL);
	return interval;

release_slot:
	xa_release(&ctx->intervals, index);
free_interval:
	kfree(interval);
	return ERR_PTR(ret);
}

/*
 * Drop the intervals through which nothing is mapped any more.
 *
 * Against faults: they need resolve_lock to make entries, and find an interval
 * or make one while they hold it.  Against notifiers: these only ever take
 * entries out, so what is empty stays so.  Against the end: it cancels this
 * work, and leaves the rest to dmirage_interval_remove_all().
 */
void dmirage_interval_reap_work(struct work_struct *work)
{
	struct dmirage_ctx *ctx = container_of(to_delayed_work(work),
					       struct dmirage_ctx, reap_work);
	struct dmirage_interval *interval;
	unsigned long index;
	bool empty;

	mutex_lock(&ctx->resolve_lock);
	xa_for_each(&ctx->intervals, index, interval) {
		mutex_lock(&ctx->lock);
		empty = ctx->state == DMIRAGE_LIVE &&
			dmirage_pt_span_empty(ctx, index);
		mutex_unlock(&ctx->lock);
		if (!empty)
			continue;
		xa_erase(&ctx->intervals, index);
		dmirage_interval_remove(interval);
		kfree(interval);
	}
	mutex_unlock(&ctx->resolve_lock);
}

/**
 * dmirage_interval_remove_all - remove all that were made on demand
 * @ctx: a context that has ended
 */
void dmirage_interval_remove_all(struct dmirage_ctx *ctx)
{
	struct dmirage_interval *interval;
	unsigned long index;

	xa_for_each(&ctx->intervals, index, interval) {
		dmirage_interval_remove(interval);
		kfree(interval);
	}
	xa_destroy(&ctx->intervals);
}
