// SPDX-License-Identifier: GPL-2.0
/*
 * Pinned mode: what RDMA does without on-demand paging.  A region's pages are
 * pinned when it is added, and the mirror table leads to them until it is
 * removed, whatever the process's page table says meanwhile.
 *
 * A pin keeps the frame allocated and in its place: migration, compaction and
 * reclaim leave it alone.  It does not keep the process from mapping another
 * one there (munmap, MADV_DONTNEED, copy on write after fork), which the oracle
 * reports as divergence.
 *
 * Pages are counted in mm->pinned_vm against RLIMIT_MEMLOCK, as ib_umem_get()
 * in drivers/infiniband/core/umem.c does.
 */

#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "context.h"

/* Pages pinned at a time, between looks at signals. */
#define DMIRAGE_PIN_BATCH 512

static int dmirage_pinned_account(struct dmirage_ctx *ctx, unsigned long n)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	u64 total;

	/* what cannot be is not tried, which would evict all else first */
	if (n > totalram_pages())
		return -ENOMEM;
	total = atomic64_add_return(n, &ctx->mm->pinned_vm);
	if (total > limit && !capable(CAP_IPC_LOCK)) {
		atomic64_sub(n, &ctx->mm->pinned_vm);
		return -ENOMEM;
	}
	dmirage_count(ctx, DMIRAGE_STAT_PINNED, n);
	return 0;
}

static void dmirage_pinned_unaccount(struct dmirage_ctx *ctx, unsigned long n)
{
	atomic64_sub(n, &ctx->mm->pinned_vm);
	dmirage_uncount(ctx, DMIRAGE_STAT_PINNED, n);
}

/*
 * Pin all of the region; mr->npages says how many have been, so far.  The end of
 * the context waits for resolve_lock, so it must not take longer than it has to.
 */
static int dmirage_pinned_get(struct dmirage_ctx *ctx, struct dmirage_mr *mr,
			      unsigned long n)
{
	unsigned int flags = FOLL_LONGTERM | (mr->write ? FOLL_WRITE : 0);
	int ret;

	while (mr->npages < n) {
		unsigned long addr = mr->node.start +
				     (mr->npages << PAGE_SHIFT);

		if (signal_pending(current))
			return -EINTR;
		if (READ_ONCE(ctx->state) != DMIRAGE_LIVE)
			return -ESRCH;
		ret = pin_user_pages_fast(addr,
					  min_t(unsigned long, n - mr->npages,
						DMIRAGE_PIN_BATCH),
					  flags, mr->pages + mr->npages);
		if (ret <= 0)
			return ret ? ret : -EFAULT;
		mr->npages += ret;
		cond_resched();
	}
	return 0;
}

/*
 * How large an entry can be made for the pages from index @i on: pages in a row,
 * and aligned as the addresses are.
 */
static unsigned int dmirage_pinned_shift(struct dmirage_ctx *ctx,
					 const struct dmirage_mr *mr,
					 unsigned long i)
{
	static const struct {
		unsigned int shift;
		u64 cap;
	} sizes[] = {
		{ DMIRAGE_SPAN_SHIFT, DMIRAGE_CAP_PAGE_1G },
		{ DMIRAGE_BLOCK_SHIFT, DMIRAGE_CAP_PAGE_2M },
	};
	unsigned long va = mr->node.start + (i << PAGE_SHIFT);
	unsigned long pfn = page_to_pfn(mr->pages[i]);
	unsigned int s;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		unsigned long n = BIT(sizes[s].shift - PAGE_SHIFT), k = 0;

		if (!(ctx->dd->caps & sizes[s].cap) ||
		    !IS_ALIGNED(va, BIT(sizes[s].shift)) ||
		    !IS_ALIGNED(pfn, n) || mr->npages - i < n)
			continue;
		while (k < n && page_to_pfn(mr->pages[i + k]) == pfn + k)
			k++;
		if (k == n)
			return sizes[s].shift;
	}
	return PAGE_SHIFT;
}

/* One entry, as large as @shift.  Return: how large it was, or why not. */
static int dmirage_pinned_map(struct dmirage_ctx *ctx,
			      const struct dmirage_mr *mr,
			      unsigned long i, unsigned int shift)
{
	unsigned long pfn = page_to_pfn(mr->pages[i]);
	struct dmirage_slot slot = {
		.va = mr->node.start + (i << PAGE_SHIFT),
		.shift = shift,
	};
	unsigned int room;
	int ret;

	for (;;) {
		ret = dmirage_pt_prepare(ctx, &slot, false);
		if (ret)
			return ret;

		mutex_lock(&ctx->lock);
		room = dmirage_pt_room(&slot);
		if (ctx->state != DMIRAGE_LIVE)
			ret = -ESRCH;
		else if (room == slot.shift)
			ret = dmirage_pt_map(ctx, &slot, pfn, mr->write);
		mutex_unlock(&ctx->lock);

		if (ret == -ERANGE && slot.shift > PAGE_SHIFT)
			room = slot.shift - 9;
		else if (ret || room == slot.shift)
			return ret ? ret : (int)room;
		/* with smaller ones */
		slot.shift = room;
	}
}

/**
 * dmirage_pinned_add - pin a region and make its entries
 * @ctx:    the context, of the calling process
 * @mr: overlaps no other
 *
 * Context: under resolve_lock.
 * Return: see struct dmirage_region in the uapi.
 */
int dmirage_pinned_add(struct dmirage_ctx *ctx, struct dmirage_mr *mr)
{
	unsigned long n = (mr->node.last - mr->node.start + 1) >>
			  PAGE_SHIFT;
	unsigned long i;
	int ret;

	ret = dmirage_pinned_account(ctx, n);
	if (ret)
		return ret;
	mr->pages = kvmalloc_array(n, sizeof(*mr->pages),
				   GFP_KERNEL_ACCOUNT);
	if (!mr->pages) {
		dmirage_pinned_unaccount(ctx, n);
		return -ENOMEM;
	}
	ret = dmirage_pinned_get(ctx, mr, n);
	if (ret) {
		/* give back what was not pinned; the rest goes below */
		dmirage_pinned_unaccount(ctx, n - mr->npages);
		goto undo;
	}

	for (i = 0; i < n; i += BIT(ret - PAGE_SHIFT)) {
		ret = dmirage_pinned_map(ctx, mr, i,
					 dmirage_pinned_shift(ctx, mr, i));
		if (ret < 0)
			goto undo;
		cond_resched();
	}
	return 0;

undo:
	dmirage_pt_drop(ctx, mr->node.start, mr->node.last);
	dmirage_pinned_remove(ctx, mr);
	return ret;
}

/**
 * dmirage_pinned_fault - the device has found no (writable) entry
 * @ctx:   the context
 * @va:    where
 * @write: for writing
 *
 * All that there will be is there before an operation can be about it; but a
 * region may have been added since the device looked.
 *
 * Return: 0; -EFAULT in no region; -EPERM in one that is for reading; -ESRCH.
 */
int dmirage_pinned_fault(struct dmirage_ctx *ctx, unsigned long va, bool write)
{
	struct dmirage_mr *mr;
	int ret;

	mutex_lock(&ctx->resolve_lock);
	mr = dmirage_region_find(ctx, va, write);
	ret = PTR_ERR_OR_ZERO(mr);
	if (READ_ONCE(ctx->state) != DMIRAGE_LIVE)
		ret = -ESRCH;
	mutex_unlock(&ctx->resolve_lock);
	return ret;
}

/**
 * dmirage_pinned_remove - let a region's pages go
 * @ctx:    the context
 * @mr: the device has let go of it
 *
 * Context: not under ctx->lock: takes page locks.  Nothing is done the second
 *          time.
 */
void dmirage_pinned_remove(struct dmirage_ctx *ctx,
			   struct dmirage_mr *mr)
{
	unpin_user_pages_dirty_lock(mr->pages, mr->npages,
				    mr->write);
	dmirage_pinned_unaccount(ctx, mr->npages);
	mr->npages = 0;
	kvfree(mr->pages);
	mr->pages = NULL;
}

/**
 * dmirage_pinned_remove_all - the same for all regions, which stay
 * @ctx: a context that has ended
 *
 * Context: under resolve_lock.
 */
void dmirage_pinned_remove_all(struct dmirage_ctx *ctx)
{
	struct dmirage_mr *mr;
	unsigned long id;

	lockdep_assert_held(&ctx->resolve_lock);

	xa_for_each(&ctx->region_ids, id, mr)
		dmirage_pinned_remove(ctx, mr);
}
