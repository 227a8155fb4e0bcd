/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fault modes: driver bugs to be put in, one at a time, per context, by root
 * (debugfs, ctx<asid>/fault_mode), as negative controls: a test that watches for
 * a bug of this kind has to find it.
 *
 * A mode has a line here and one with its name and what the driver then does
 * wrong in fault_mode.c.  Where the driver does it, dmirage_fm() asks.  A mode
 * must not let the kernel come to harm: it may make the *device* use what it
 * should not, never the driver.
 */
#ifndef DMIRAGE_FAULT_MODE_H
#define DMIRAGE_FAULT_MODE_H

#include <linux/types.h>

enum dmirage_fault_mode {
	DMIRAGE_FM_NONE,
	/* invalidations (fault_mode_inval.c) */
	DMIRAGE_FM_INVAL_FIRST_PAGE,
	DMIRAGE_FM_INVAL_IGNORED,
	DMIRAGE_FM_WRITE_KEPT,
	DMIRAGE_FM_FLUSH_BEFORE_CLEAR,
	DMIRAGE_FM_NO_FLUSH,
	DMIRAGE_FM_NO_WAIT,
	DMIRAGE_FM_NO_DRAIN,
	DMIRAGE_FM_NO_SET_SEQ,
	DMIRAGE_FM_SYNC_ADDRESS_ONLY,
	DMIRAGE_FM_NOT_DIRTY,
	/* the making of entries (mirror.c) */
	DMIRAGE_FM_NO_READ_RETRY,
	DMIRAGE_FM_RETRY_UNLOCKED,
	DMIRAGE_FM_HUGE_PAST_REGION,
	DMIRAGE_FM_HEAD_FRAME,
	DMIRAGE_FM_VMA_FLAGS_ONLY,
	DMIRAGE_FM_READ_GRANTS_WRITE,

	/* the life of a context, of its locks and of its notifiers */
	DMIRAGE_FM_ANY_CALLER,
	DMIRAGE_FM_IGNORE_RELEASE,
	DMIRAGE_FM_FAULT_LOCK,
	DMIRAGE_FM_SLEEP_ANYWAY,
	DMIRAGE_FM_REFUSE,
	DMIRAGE_FM_NO_LIMIT,
	DMIRAGE_FM_KEEP_PAGE,
	DMIRAGE_FM_FREE_FIRST,

	/* ranges and what they are taken for */
	DMIRAGE_FM_KEEP_WALK,
	DMIRAGE_FM_END_OVERFLOW,
	DMIRAGE_FM_UNCLAMPED,
	DMIRAGE_FM_DEFER_UNMAP,
	DMIRAGE_FM_MASK_FLUSH,
	DMIRAGE_FM_ONE_REGION,

	DMIRAGE_FM_MAX
};

/**
 * struct dmirage_fault_mode_info - a mode as people see it
 * @name: what is read from and written to debugfs
 * @text: what the driver does wrong, in one line
 */
struct dmirage_fault_mode_info {
	const char *name;
	const char *text;
};

extern const struct dmirage_fault_mode_info dmirage_fault_modes[DMIRAGE_FM_MAX];

struct dmirage_ctx;
struct dmirage_gather;
struct dmirage_interval;
struct mmu_notifier_range;

/* fault_mode_life.c */
void dmirage_fm_fault_lock(struct dmirage_ctx *ctx);
void dmirage_fm_keep_page(struct dmirage_ctx *ctx, unsigned long pfn);
void dmirage_fm_put_pages(struct dmirage_ctx *ctx);

/* fault_mode_range.c */
bool dmirage_fm_leave(struct dmirage_ctx *ctx,
		      const struct mmu_notifier_range *range,
		      unsigned long cur_seq, unsigned long start,
		      unsigned long last);
void dmirage_fm_unclamped(struct dmirage_ctx *ctx,
			  const struct mmu_notifier_range *range,
			  struct dmirage_gather *gather);
void dmirage_fm_mask_flush(struct dmirage_ctx *ctx, unsigned long first,
			   unsigned long last, bool may_sleep);

/* Is this mode in force?  For places that may be asked without ctx->lock. */
#define dmirage_fm(ctx, mode) unlikely(READ_ONCE((ctx)->fault_mode) == (mode))

/* fault_mode_inval.c */
void dmirage_fm_trim(struct dmirage_ctx *ctx,
		     const struct mmu_notifier_range *range,
		     unsigned long *start, unsigned long *last);
void dmirage_fm_flush_first(struct dmirage_ctx *ctx,
			    const struct mmu_notifier_range *range,
			    unsigned long first, unsigned long last);
bool dmirage_fm_flush(struct dmirage_ctx *ctx, unsigned long first,
		      unsigned long last, bool may_sleep);
bool dmirage_fm_made_stale(enum dmirage_fault_mode mode, bool raced);

#endif /* DMIRAGE_FAULT_MODE_H */
