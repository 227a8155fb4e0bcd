// SPDX-License-Identifier: GPL-2.0
/*
 * Prefetch: making translations before the device faults.
 *
 * It is a row of faults that nobody has to answer.  resolve_lock is taken for
 * 2 MiB at a time (or 1 GiB, if that is one entry), so real faults get between.
 */

#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "context.h"

/**
 * struct dmirage_prefetch_job - an asynchronous prefetch
 * @node:  in dmirage_ctx.prefetches
 * @addr:  first byte
 * @len:   bytes
 * @write: for writing
 */
struct dmirage_prefetch_job {
	struct list_head node;
	u64 addr;
	u64 len;
	bool write;
};

/*
 * @user: on behalf of the calling process, which may lose patience
 * @done: bytes from @addr on that are translated
 */
static int dmirage_prefetch_range(struct dmirage_ctx *ctx, u64 addr, u64 len,
				  bool write, bool user, u64 *done)
{
	u64 va = addr, last = addr + len - 1;
	unsigned long next;
	int ret = 0;

	*done = 0;
	for (;;) {
		if (user && signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		mutex_lock(&ctx->resolve_lock);
		ret = dmirage_mirror_fault(ctx, va, last - va + 1, write,
					   &next);
		mutex_unlock(&ctx->resolve_lock);
		if (ret)
			break;
		/* there is always something above user space, so no overflow */
		*done = min_t(u64, next - addr, len);
		if (*done == len)
			break;
		va = next;
		cond_resched();
	}

	dmirage_count(ctx, DMIRAGE_STAT_PREFETCHES, 1);
	dmirage_count(ctx, DMIRAGE_STAT_PREFETCHED, *done);
	if (ret)
		dmirage_count(ctx, DMIRAGE_STAT_PREFETCH_ERRORS, 1);
	return ret;
}

static struct dmirage_prefetch_job *
dmirage_prefetch_next(struct dmirage_ctx *ctx)
{
	struct dmirage_prefetch_job *job;

	spin_lock(&ctx->prefetch_lock);
	job = list_first_entry_or_null(&ctx->prefetches,
				       struct dmirage_prefetch_job, node);
	spin_unlock(&ctx->prefetch_lock);
	return job;
}

/* One after the other; each stays in the list, and counts, until it is done. */
void dmirage_prefetch_work(struct work_struct *w)
{
	struct dmirage_ctx *ctx =
		container_of(w, struct dmirage_ctx, prefetch_work);
	struct dmirage_prefetch_job *job;
	u64 done;

	while ((job = dmirage_prefetch_next(ctx))) {
		dmirage_prefetch_range(ctx, job->addr, job->len, job->write,
				       false, &done);
		spin_lock(&ctx->prefetch_lock);
		list_del(&job->node);
		ctx->prefetching--;
		spin_unlock(&ctx->prefetch_lock);
		kfree(job);
	}
}

static int dmirage_prefetch_queue(struct dmirage_ctx *ctx, u64 addr, u64 len,
				  bool write)
{
	struct dmirage_prefetch_job *job;
	int ret = 0;

	job = kzalloc(sizeof(*job), GFP_KERNEL_ACCOUNT);
	if (!job)
		return -ENOMEM;
	job->addr = addr;
	job->len = len;
	job->write = write;

	/*
	 * LIVE under the lock of the context: its end, which cancels the work,
	 * is yet to come.
	 */
	mutex_lock(&ctx->lock);
	spin_lock(&ctx->prefetch_lock);
	if (ctx->state != DMIRAGE_LIVE) {
		ret = -ESRCH;
	} else if (ctx->prefetching == DMIRAGE_PREFETCH_MAX) {
		ret = -EAGAIN;
	} else {
		ctx->prefetching++;
		list_add_tail(&job->node, &ctx->prefetches);
		queue_work(ctx->dd->fault_wq, &ctx->prefetch_work);
	}
	spin_unlock(&ctx->prefetch_lock);
	mutex_unlock(&ctx->lock);
	if (ret)
		kfree(job);
	return ret;
}

/**
 * dmirage_prefetch - DMIRAGE_IOC_PREFETCH
 * @ctx: a context that was set up
 * @p:   what is wanted; @done is filled in
 *
 * Return: see struct dmirage_prefetch.
 */
int dmirage_prefetch(struct dmirage_ctx *ctx, struct dmirage_prefetch *p)
{
	const u32 known = DMIRAGE_PREFETCH_WRITE | DMIRAGE_PREFETCH_ASYNC;
	bool write = p->flags & DMIRAGE_PREFETCH_WRITE;

	p->done = 0;
	if (!p->len || p->addr + p->len - 1 < p->addr || (p->flags & ~known) ||
	    p->reserved0 || memchr_inv(p->reserved, 0, sizeof(p->reserved)))
		return -EINVAL;
	if (ctx->mode != DMIRAGE_MODE_MIRROR)
		return -EOPNOTSUPP;
	if (p->flags & DMIRAGE_PREFETCH_ASYNC)
		return dmirage_prefetch_queue(ctx, p->addr, p->len, write);
	return dmirage_prefetch_range(ctx, p->addr, p->len, write, true,
				      &p->done);
}

/**
 * dmirage_prefetch_cancel - forget what has been asked for
 * @ctx: a context that is DEAD
 */
void dmirage_prefetch_cancel(struct dmirage_ctx *ctx)
{
	struct dmirage_prefetch_job *job, *tmp;

	cancel_work_sync(&ctx->prefetch_work);
	list_for_each_entry_safe(job, tmp, &ctx->prefetches, node)
		kfree(job);
	INIT_LIST_HEAD(&ctx->prefetches);
	ctx->prefetching = 0;
}
