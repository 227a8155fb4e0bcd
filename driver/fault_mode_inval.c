// SPDX-License-Identifier: GPL-2.0
/* Fault modes of invalidations; see fault_mode.h */

#include <linux/mm.h>
#include <linux/mmu_notifier.h>

#include "context.h"

/* Does it only take rights away?  Frames stay, as far as it is concerned. */
static bool dmirage_fm_protects(const struct mmu_notifier_range *range)
{
	return range->event == MMU_NOTIFY_PROTECTION_VMA ||
	       range->event == MMU_NOTIFY_PROTECTION_PAGE ||
	       range->event == MMU_NOTIFY_SOFT_DIRTY;
}

/**
 * dmirage_fm_trim - what of a range an MMU notifier does not overlook
 * @ctx:   the context; locked, LIVE, in a fault mode
 * @range: what the kernel names
 * @start: first address that the notifier has to take out; maybe made higher
 * @last:  last address, inclusive; maybe made lower, even below @start
 *
 * What is overlooked is marked stale: its pages may be anybody's soon.
 *
 * Context: MMU notifiers that may not sleep, among others.
 */
void dmirage_fm_trim(struct dmirage_ctx *ctx,
		     const struct mmu_notifier_range *range,
		     unsigned long *start, unsigned long *last)
{
	unsigned long clip;

	lockdep_assert_held(&ctx->lock);

	switch (ctx->fault_mode) {
	case DMIRAGE_FM_INVAL_FIRST_PAGE:
		clip = range->start | ~PAGE_MASK;
		if (clip >= *last)
			return;
		dmirage_pt_mark_stale(ctx, max(*start, clip + 1), *last);
		*last = clip;
		return;
	case DMIRAGE_FM_WRITE_KEPT:
		if (!dmirage_fm_protects(range))
			return;
		fallthrough;
	case DMIRAGE_FM_INVAL_IGNORED:
		dmirage_pt_mark_stale(ctx, *start, *last);
		*start = 1;
		*last = 0;
		return;
	default:
		return;
	}
}

/**
 * dmirage_fm_flush_first - flush-before-clear: the flush that is too early
 * @ctx:   the context; locked, LIVE
 * @range: what the kernel names
 * @first: first address
 * @last:  last address, inclusive
 *
 * Until the entries are cleared the device may look them up again.
 *
 * Context: MMU notifiers that may not sleep, among others.
 */
void dmirage_fm_flush_first(struct dmirage_ctx *ctx,
			    const struct mmu_notifier_range *range,
			    unsigned long first, unsigned long last)
{
	bool may_sleep = mmu_notifier_range_blockable(range);

	dmirage_flush_range(ctx, first, last, may_sleep);
	if (may_sleep)
		dmirage_gate_pass(&ctx->gate, DMIRAGE_GATE_INVAL_CLEARED,
				  range->start, range->end - 1);
}

/**
 * dmirage_fm_flush - the flush of what an MMU notifier has taken out
 * @ctx:       the context; locked, LIVE, in a fault mode
 * @first:     first address
 * @last:      last address, inclusive
 * @may_sleep: the caller may
 *
 * no-wait and no-drain are in inval.c, where the waiting is.
 *
 * Return: whether one was sent.
 */
bool dmirage_fm_flush(struct dmirage_ctx *ctx, unsigned long first,
		      unsigned long last, bool may_sleep)
{
	switch (ctx->fault_mode) {
	case DMIRAGE_FM_NO_FLUSH:
		return false;
	case DMIRAGE_FM_FLUSH_BEFORE_CLEAR:
		/* has been sent */
		return true;
	case DMIRAGE_FM_MASK_FLUSH:
		dmirage_fm_mask_flush(ctx, first, last, may_sleep);
		return true;
	default:
		dmirage_flush_range(ctx, first, last, may_sleep);
		return true;
	}
}

/**
 * dmirage_fm_made_stale - may a new entry lead where it should not?
 * @mode:  that was in force when it was made
 * @raced: the process's page table may have changed since it was read
 *
 * Such an entry is marked stale at once: the driver leaves its page alone.
 * Without sequence numbers nobody knows about any.
 */
bool dmirage_fm_made_stale(enum dmirage_fault_mode mode, bool raced)
{
	switch (mode) {
	case DMIRAGE_FM_NO_SET_SEQ:
	case DMIRAGE_FM_HUGE_PAST_REGION:
	case DMIRAGE_FM_HEAD_FRAME:
	case DMIRAGE_FM_VMA_FLAGS_ONLY:
	case DMIRAGE_FM_READ_GRANTS_WRITE:
		return true;
	default:
		return raced;
	}
}
