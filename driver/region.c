// SPDX-License-Identifier: GPL-2.0
/*
 * Regions: ranges that a process lets the device use; see mirror.h for mirror
 * mode and pinned.c for pinned mode.
 *
 * dmirage_ctx.regions and .region_ids belong to who holds resolve_lock.
 */

#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "context.h"

/**
 * dmirage_region_find - a region that permits an access
 * @ctx:   the context; the caller holds resolve_lock
 * @va:    the address
 * @write: for writing
 *
 * Return: of several, the longest, which leaves room for the largest entry; an
 * ERR_PTR: -EFAULT in no region, -EPERM in none that may be written.
 */
struct dmirage_mr *dmirage_region_find(struct dmirage_ctx *ctx,
				       unsigned long va, bool write)
{
	struct dmirage_mr *mr, *best = ERR_PTR(-EFAULT);
	struct interval_tree_node *node;
	unsigned long len;

	lockdep_assert_held(&ctx->resolve_lock);

	for (node = interval_tree_iter_first(&ctx->regions, va, va); node;
	     node = interval_tree_iter_next(node, va, va)) {
		mr = container_of(node, struct dmirage_mr, node);
		if (write && !mr->write) {
			if (IS_ERR(best))
				best = ERR_PTR(-EPERM);
			continue;
		}
		len = node->last - node->start;
		if (IS_ERR(best) || len > best->node.last - best->node.start)
			best = mr;
	}
	return best;
}

static int dmirage_region_begin(struct dmirage_ctx *ctx,
				struct dmirage_mr *mr)
{
	unsigned long len = mr->node.last - mr->node.start + 1;
	int ret;

	if (ctx->mode == DMIRAGE_MODE_PINNED)
		return dmirage_pinned_add(ctx, mr);

	if (!mmget_not_zero(ctx->mm))
		return -ESRCH;
	ret = dmirage_interval_add(ctx, &mr->interval, mr->node.start,
				   len);
	mmput(ctx->mm);
	return ret;
}

static void dmirage_region_deafen(struct dmirage_ctx *ctx,
				  struct dmirage_mr *mr)
{
	if (dmirage_fm(ctx, DMIRAGE_FM_FREE_FIRST)) {
		/* kfree() would be here; a callback may be running */
		mutex_lock(&ctx->lock);
		mr->interval.freed = true;
		mutex_unlock(&ctx->lock);
		dmirage_count(ctx, DMIRAGE_STAT_MODE_HITS, 1);
	}
	dmirage_interval_remove(&mr->interval);
}

/* The device lets go of it; its notifier, or its pages, go. */
static void dmirage_region_end(struct dmirage_ctx *ctx,
			       struct dmirage_mr *mr)
{
	dmirage_pt_drop(ctx, mr->node.start, mr->node.last);
	if (ctx->mode == DMIRAGE_MODE_PINNED)
		dmirage_pinned_remove(ctx, mr);
	else
		dmirage_region_deafen(ctx, mr);
}

/**
 * dmirage_region_add - DMIRAGE_IOC_REGION_ADD
 * @ctx:    a LIVE context that works by region
 * @mr: zeroed but for @node's range, which is page-aligned and in user
 *          space, and @write; on success it is the context's
 *
 * Context: under resolve_lock.
 * Return: see struct dmirage_region in the uapi.
 */
int dmirage_region_add(struct dmirage_ctx *ctx, struct dmirage_mr *mr)
{
	int ret;

	lockdep_assert_held(&ctx->resolve_lock);

	if (ctx->region_count == DMIRAGE_REGIONS_MAX)
		return -ENOSPC;
	if (ctx->mode == DMIRAGE_MODE_PINNED &&
	    interval_tree_iter_first(&ctx->regions, mr->node.start,
				     mr->node.last))
		return -EEXIST;

	ret = xa_alloc(&ctx->region_ids, &mr->id, mr, xa_limit_31b,
		       GFP_KERNEL_ACCOUNT);
	if (ret)
		return ret == -EBUSY ? -ENOSPC : ret;
	ret = dmirage_region_begin(ctx, mr);
	if (ret) {
		xa_erase(&ctx->region_ids, mr->id);
		return ret;
	}
	interval_tree_insert(&mr->node, &ctx->regions);
	ctx->region_count++;
	return 0;
}

/**
 * dmirage_region_remove - DMIRAGE_IOC_REGION_REMOVE
 * @ctx: the context
 * @id:  of the region
 *
 * Context: under resolve_lock, so that no fault is using the region.
 * Return: 0 or -ENOENT.
 */
int dmirage_region_remove(struct dmirage_ctx *ctx, u32 id)
{
	struct dmirage_mr *mr = xa_erase(&ctx->region_ids, id);

	lockdep_assert_held(&ctx->resolve_lock);

	if (!mr)
		return -ENOENT;
	interval_tree_remove(&mr->node, &ctx->regions);
	ctx->region_count--;
	dmirage_region_end(ctx, mr);
	kfree(mr);
	return 0;
}

/**
 * dmirage_region_remove_all - remove what is left
 * @ctx: a context that has ended
 */
void dmirage_region_remove_all(struct dmirage_ctx *ctx)
{
	struct dmirage_mr *mr;
	unsigned long id;

	mutex_lock(&ctx->resolve_lock);
	xa_for_each(&ctx->region_ids, id, mr)
		dmirage_region_remove(ctx, id);
	mutex_unlock(&ctx->resolve_lock);
	xa_destroy(&ctx->region_ids);
}
