// SPDX-License-Identifier: GPL-2.0
/* Fault modes: what an MMU notifier makes of its range; see fault_mode.h */

#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched.h>

#include "context.h"

/* How long a loop that would not end goes on. */
#define DMIRAGE_FM_LOOP_MS	500

/**
 * dmirage_fm_leave - does the mode in force leave everything as it is?
 * @ctx:     the context; locked
 * @range:   what the notifier was called for
 * @cur_seq: likewise
 * @start:   first address of that within the interval
 * @last:    last one, inclusive
 *
 * If so, what there is in the range is marked stale.
 *
 * Return: true: the notifier is to return.
 */
bool dmirage_fm_leave(struct dmirage_ctx *ctx,
		      const struct mmu_notifier_range *range,
		      unsigned long cur_seq, unsigned long start,
		      unsigned long last)
{
	bool leave;

	lockdep_assert_held(&ctx->lock);

	switch (ctx->fault_mode) {
	case DMIRAGE_FM_REFUSE:
		/* each refusal is a warning: only where it matters */
		leave = mmu_notifier_range_blockable(range) &&
			dmirage_pt_mark_stale(ctx, start, last);
		break;
	case DMIRAGE_FM_END_OVERFLOW:
		/* "nothing to do if the end is not above the start" */
		leave = PAGE_ALIGN(range->end) <= range->start;
		break;
	case DMIRAGE_FM_DEFER_UNMAP:
		leave = range->event == MMU_NOTIFY_UNMAP;
		break;
	case DMIRAGE_FM_ONE_REGION:
		/* "this change has been dealt with" */
		leave = ctx->fm_seq == cur_seq;
		ctx->fm_seq = cur_seq;
		break;
	default:
		return false;
	}
	if (leave) {
		dmirage_pt_mark_stale(ctx, start, last);
		dmirage_count(ctx, DMIRAGE_STAT_MODE_HITS, 1);
	}
	return leave;
}

/**
 * dmirage_fm_unclamped - take out page by page, wherever the interval ends
 * @ctx:    the context; locked
 * @range:  what the notifier was called for; up to all addresses there are
 * @gather: what has been taken out is added to it
 *
 * It is cut when it takes too long, which is counted; the caller does the rest.
 */
void dmirage_fm_unclamped(struct dmirage_ctx *ctx,
			  const struct mmu_notifier_range *range,
			  struct dmirage_gather *gather)
{
	unsigned long limit = jiffies + msecs_to_jiffies(DMIRAGE_FM_LOOP_MS);
	unsigned long va = range->start & PAGE_MASK;
	unsigned long n = (range->end - 1 - va) >> PAGE_SHIFT;

	for (;; va += PAGE_SIZE) {
		dmirage_pt_clear(ctx, va, va + PAGE_SIZE - 1, false, gather);
		if (!n--)
			return;
		if (time_after(jiffies, limit)) {
			dmirage_count(ctx, DMIRAGE_STAT_MODE_HITS, 1);
			return;
		}
		if (mmu_notifier_range_blockable(range))
			cond_resched();
	}
}

/**
 * dmirage_fm_mask_flush - flush what a device can be told by a mask
 * @ctx:       the context; locked
 * @first:     first address
 * @last:      last address, inclusive
 * @may_sleep: the caller may
 *
 * As many pages as there are, rounded up to a power of two, from an address that
 * is rounded down to that: if @first was not aligned, the last pages are missing.
 */
void dmirage_fm_mask_flush(struct dmirage_ctx *ctx, unsigned long first,
			   unsigned long last, bool may_sleep)
{
	unsigned long size = roundup_pow_of_two(last - first + 1);
	unsigned long base = first & ~(size - 1);

	if (base + size - 1 < last)
		dmirage_count(ctx, DMIRAGE_STAT_MODE_HITS, 1);
	dmirage_flush_range(ctx, base, base + size - 1, may_sleep);
}
