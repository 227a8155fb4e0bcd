// SPDX-License-Identifier: GPL-2.0
/* Fault modes: what is done with locks and references; see fault_mode.h */

#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mutex.h>

#include "context.h"

/* How long what would be a deadlock goes on. */
#define DMIRAGE_FM_LOCK_MS	1000

/**
 * dmirage_fm_fault_lock - wait for the lock that faults are resolved under
 * @ctx: the context
 *
 * A fault holds it while it waits for mmap_lock, which the caller may hold; and
 * a fault may call the notifier itself, by copying a page.  So whoever waits
 * here may wait for himself.  What would not end is counted.
 *
 * Context: MMU notifiers that may sleep.
 */
void dmirage_fm_fault_lock(struct dmirage_ctx *ctx)
{
	unsigned long limit = jiffies + msecs_to_jiffies(DMIRAGE_FM_LOCK_MS);

	while (!mutex_trylock(&ctx->resolve_lock)) {
		if (time_after(jiffies, limit)) {
			dmirage_count(ctx, DMIRAGE_STAT_MODE_HITS, 1);
			return;
		}
		usleep_range(500, 1000);
	}
	mutex_unlock(&ctx->resolve_lock);
}

/**
 * dmirage_fm_keep_page - take a reference that stays
 * @ctx: the context; locked
 * @pfn: of a page that the process maps, so it is there
 */
void dmirage_fm_keep_page(struct dmirage_ctx *ctx, unsigned long pfn)
{
	struct page *page = pfn_to_page(pfn);

	/* under the lock: no reclaim */
	get_page(page);
	if (xa_err(xa_store(&ctx->fm_pages, ctx->fm_kept, page,
			    GFP_NOWAIT | __GFP_NOWARN))) {
		put_page(page);
		return;
	}
	ctx->fm_kept++;
	dmirage_count(ctx, DMIRAGE_STAT_MODE_HITS, 1);
}

/**
 * dmirage_fm_put_pages - and give all of them back
 * @ctx: a context that has ended, and makes no more entries
 */
void dmirage_fm_put_pages(struct dmirage_ctx *ctx)
{
	struct page *page;
	unsigned long i;

	xa_for_each(&ctx->fm_pages, i, page)
		put_page(page);
	xa_destroy(&ctx->fm_pages);
}
