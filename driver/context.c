// SPDX-License-Identifier: GPL-2.0
/* The life of a context; see context.h */

#include <linux/debugfs.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/iopoll.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "compat.h"
#include "context.h"

/*
 * Tell lockdep that MMU notifiers take the lock in reclaim, so that an
 * allocation under it is reported when it is made, and not only when reclaim
 * happens to hit a mirrored page.
 */
static void dmirage_prime_lockdep(struct dmirage_ctx *ctx)
{
	if (!IS_ENABLED(CONFIG_LOCKDEP))
		return;
	fs_reclaim_acquire(GFP_KERNEL);
	might_lock(&ctx->lock);
	fs_reclaim_release(GFP_KERNEL);
}

/**
 * dmirage_ctx_create - make a context for the calling process
 * @dd:      device; the caller has a reference that stays with the context
 * @mapping: address space of the inode that is being opened
 *
 * Return: the context, on the device's list; -EPERM the caller has no address
 * space; -ENODEV; -ENOMEM.
 */
struct dmirage_ctx *dmirage_ctx_create(struct dmirage_dev *dd,
				       struct address_space *mapping)
{
	struct dmirage_ctx *ctx;
	int ret;

	if (!current->mm || (current->flags & PF_KTHREAD))
		return ERR_PTR(-EPERM);

	ctx = kzalloc(sizeof(*ctx), GFP_KERNEL_ACCOUNT);
	if (!ctx)
		return ERR_PTR(-ENOMEM);

	kref_init(&ctx->ref);
	ctx->dd = dd;
	ctx->mapping = mapping;
	mutex_init(&ctx->dir_lock);
	mutex_init(&ctx->life);
	mutex_init(&ctx->map_lock);
	mutex_init(&ctx->lock);
	dmirage_prime_lockdep(ctx);
	xa_init(&ctx->fm_pages);
	xa_init(&ctx->pt.tables);
	xa_init(&ctx->pt.spans);
	xa_init(&ctx->pt.blocks);
	mutex_init(&ctx->resolve_lock);
	xa_init(&ctx->intervals);
	ctx->regions = RB_ROOT_CACHED;
	xa_init_flags(&ctx->region_ids, XA_FLAGS_ALLOC1);
	INIT_DELAYED_WORK(&ctx->reap_work, dmirage_interval_reap_work);
	spin_lock_init(&ctx->prefetch_lock);
	INIT_LIST_HEAD(&ctx->prefetches);
	INIT_WORK(&ctx->prefetch_work, dmirage_prefetch_work);
	spin_lock_init(&ctx->sync_lock);
	spin_lock_init(&ctx->fault_lock);
	INIT_WORK(&ctx->fault_work, dmirage_fault_work);
	dmirage_gate_init(&ctx->gate);
	spin_lock_init(&ctx->rec_lock);
	mutex_init(&ctx->read_lock);
	ctx->saved.hold_limit = DMIRAGE_HOLD_LIMIT_DEFAULT;

	/* kfifo_alloc() would want it in one physical piece */
	ctx->record_mem = kvmalloc_array(DMIRAGE_RECORDS,
					 sizeof(*ctx->record_mem),
					 GFP_KERNEL_ACCOUNT);
	if (!ctx->record_mem) {
		ret = -ENOMEM;
		goto free_ctx;
	}
	ret = kfifo_init(&ctx->records, ctx->record_mem,
			 DMIRAGE_RECORDS * sizeof(*ctx->record_mem));
	if (ret)
		goto free_records;

	ctx->owner = current->mm;
	mmgrab(ctx->owner);
	ctx->mm = ctx->owner;
	mmgrab(ctx->mm);

	mutex_lock(&dd->lock);
	if (dd->gone)
		ret = -ENODEV;
	else
		list_add_tail(&ctx->node, &dd->files);
	mutex_unlock(&dd->lock);
	if (ret)
		goto drop_mm;

	return ctx;

drop_mm:
	mmdrop(ctx->mm);
	mmdrop(ctx->owner);
free_records:
	kvfree(ctx->record_mem);
free_ctx:
	kfree(ctx);
	return ERR_PTR(ret);
}

/* ---- Rings ------------------------------------------------------------ */

/* The device has let go of it; a process may still have its pages mapped. */
static void dmirage_ring_unmap(struct dmirage_dev *dd,
			       struct dmirage_ring *ring)
{
	if (ring->dma)
		dma_unmap_single(dd->dev, ring->dma, ring->bytes,
				 DMA_BIDIRECTIONAL);
	ring->dma = 0;
}

/* No process has them mapped, and none will. */
static void dmirage_ring_free(struct dmirage_ring *ring)
{
	if (ring->mem)
		free_pages_exact(ring->mem, ring->bytes);
	ring->mem = NULL;
}

/*
 * Plain pages rather than coherent memory: that belongs to the device, and
 * would have to be taken from the process when the device goes.  The price is
 * that streaming DMA must be coherent here; mirroring needs that anyway.
 *
 * What has been made when it fails is undone by the caller.
 */
static int dmirage_ring_alloc(struct dmirage_dev *dd, struct dmirage_ring *ring,
			      u32 entries, size_t entry_size)
{
	ring->entries = entries;
	ring->bytes = PAGE_ALIGN(entries * entry_size);
	ring->mem = alloc_pages_exact(ring->bytes,
				      GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!ring->mem)
		return -ENOMEM;

	ring->dma = dma_map_single(dd->dev, ring->mem, ring->bytes,
				   DMA_BIDIRECTIONAL);
	if (dma_mapping_error(dd->dev, ring->dma)) {
		ring->dma = 0;
		return -ENOMEM;
	}
	if (dma_need_sync(dd->dev, ring->dma)) {
		dev_err_ratelimited(dd->dev,
				    "DMA goes through bounce buffers: cannot mirror\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

static void dmirage_ctx_free(struct kref *ref)
{
	struct dmirage_ctx *ctx = container_of(ref, struct dmirage_ctx, ref);

	dmirage_ring_free(&ctx->sq);
	dmirage_ring_free(&ctx->cq);
	if (ctx->db_stub)
		__free_page(ctx->db_stub);
	kvfree(ctx->record_mem);
	dmirage_dev_put(ctx->dd);
	kfree(ctx);
}

/* Drop a reference. */
void dmirage_ctx_put(struct dmirage_ctx *ctx)
{
	kref_put(&ctx->ref, dmirage_ctx_free);
}

/* ---- ASIDs ------------------------------------------------------------ */

static int dmirage_asid_get(struct dmirage_ctx *ctx)
{
	struct dmirage_dev *dd = ctx->dd;
	int ret = 0;

	mutex_lock(&dd->lock);
	ctx->asid = find_first_zero_bit(dd->asids, dd->contexts);
	if (dd->gone)
		ret = -ENODEV;
	else if (READ_ONCE(dd->broken))
		ret = -EIO;
	else if (ctx->asid >= dd->contexts)
		ret = -ENOSPC;
	else
		set_bit(ctx->asid, dd->asids);
	mutex_unlock(&dd->lock);
	return ret;
}

/* Let interrupts find the context (or, with NULL, no longer). */
static void dmirage_asid_show(struct dmirage_dev *dd, u32 asid,
			      struct dmirage_ctx *ctx)
{
	spin_lock_irq(&dd->ctx_lock);
	dd->ctx[asid] = ctx;
	spin_unlock_irq(&dd->ctx_lock);
}

static void dmirage_hw_counters(struct dmirage_ctx *ctx, u64 *hw)
{
	unsigned int base = dmirage_ctx_reg(ctx, DMIRAGE_CTX_COUNTERS), i;

	for (i = 0; i < DMIRAGE_CNT_MAX; i++)
		hw[i] = ctx->hw_before[i] +
			dmirage_readq(ctx->dd, base + i * sizeof(u64));
}

/* Nobody uses the ASID's registers from now on. */
static void dmirage_asid_put(struct dmirage_ctx *ctx)
{
	struct dmirage_dev *dd = ctx->dd;
	unsigned int i;

	dmirage_hw_counters(ctx, ctx->hw_final);

	mutex_lock(&dd->lock);
	for (i = 0; i < DMIRAGE_STAT_MAX; i++)
		if (!dmirage_stat_is_now(i))
			dd->totals[i] += atomic64_read(&ctx->stats[i]);
	for (i = 0; i < DMIRAGE_CNT_MAX; i++)
		dd->hw_totals[i] += ctx->hw_final[i];
	dd->owner[ctx->asid] = NULL;
	clear_bit(ctx->asid, dd->asids);
	mutex_unlock(&dd->lock);
}

/* ---- Counters --------------------------------------------------------- */

/**
 * dmirage_ctx_counters - counters of a context
 * @ctx:   the context, in any state
 * @stats: DMIRAGE_STAT_MAX of the driver
 * @hw:    DMIRAGE_CNT_MAX of the device
 */
void dmirage_ctx_counters(struct dmirage_ctx *ctx, u64 *stats, u64 *hw)
{
	unsigned int i;

	for (i = 0; i < DMIRAGE_STAT_MAX; i++)
		stats[i] = atomic64_read(&ctx->stats[i]);

	mutex_lock(&ctx->life);
	if (ctx->has_asid)
		dmirage_hw_counters(ctx, hw);
	else
		memcpy(hw, ctx->hw_final, sizeof(ctx->hw_final));
	mutex_unlock(&ctx->life);
}

/**
 * dmirage_dev_counters - counters of all contexts there have been
 * @dd:    the device
 * @stats: DMIRAGE_STAT_MAX of the driver
 * @hw:    DMIRAGE_CNT_MAX of the device
 */
void dmirage_dev_counters(struct dmirage_dev *dd, u64 *stats, u64 *hw)
{
	u64 one[DMIRAGE_CNT_MAX];
	unsigned int asid, i;

	mutex_lock(&dd->lock);
	memcpy(stats, dd->totals, sizeof(dd->totals));
	memcpy(hw, dd->hw_totals, sizeof(dd->hw_totals));
	for (asid = 0; asid < dd->contexts; asid++) {
		struct dmirage_ctx *ctx = dd->owner[asid];

		if (!ctx)
			continue;
		for (i = 0; i < DMIRAGE_STAT_MAX; i++)
			stats[i] += atomic64_read(&ctx->stats[i]);
		dmirage_hw_counters(ctx, one);
		for (i = 0; i < DMIRAGE_CNT_MAX; i++)
			hw[i] += one[i];
	}
	mutex_unlock(&dd->lock);
}

/* ---- Begin and end ---------------------------------------------------- */

/* Begins with ctx->saved. */
static int dmirage_ctx_enable(struct dmirage_ctx *ctx)
{
	const struct dmirage_saved *saved = &ctx->saved;
	struct dmirage_dev *dd = ctx->dd;
	unsigned int ctl = dmirage_ctx_reg(ctx, DMIRAGE_CTX_CTL);
	u32 val = DMIRAGE_CTL_ENABLE | ctx->mode << 4 |
		  DMIRAGE_CTL_PT_LEVELS(ctx->pt.levels) |
		  DMIRAGE_CTL_CPU_LEVELS(ctx->pt.levels);

	if (dd->caps & DMIRAGE_CAP_ORACLE_ACCESS)
		val |= DMIRAGE_CTL_ORACLE;
	if (ctx->watched)
		val |= DMIRAGE_CTL_WATCH;

	/* left by the ASID's last owner; the next WAIT writes 1 */
	ctx->wait_value = 0;
	WRITE_ONCE(*dmirage_status_word(ctx), 0);

	dmirage_writeq(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_PT_ROOT),
		       ctx->pt.root);
	/*
	 * With page-table isolation, this is the kernel's copy: it has all of
	 * user space in it.  It is freed by the last mmdrop().
	 */
	dmirage_writeq(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_CPU_ROOT),
		       __pa(ctx->mm->pgd));
	dmirage_writeq(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_SQ_BASE),
		       ctx->sq.dma);
	dmirage_writeq(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_CQ_BASE),
		       ctx->cq.dma);
	dmirage_writel(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_RINGS),
		       ilog2(ctx->sq.entries) | ilog2(ctx->cq.entries) << 8);
	/* the registers are as the ASID's last owner left them */
	dmirage_writel(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_SQ_HEAD),
		       saved->sq_head);
	dmirage_writel(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_SQ_TAIL),
		       saved->sq_tail);
	dmirage_writel(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_CQ_HEAD),
		       saved->cq_head);
	dmirage_writel(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_CQ_TAIL),
		       saved->cq_tail);
	/* waking up, callbacks use it already */
	spin_lock(&ctx->sync_lock);
	dmirage_writeq(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_SYNC_ADDR), 0);
	spin_unlock(&ctx->sync_lock);
	dmirage_writel(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_HOLD_LIMIT),
		       saved->hold_limit);
	dmirage_writel(dd, ctl, val);

	if (dmirage_readl(dd, ctl) == val)
		return 0;
	dev_err(dd->dev, "asid %u: not enabled, error %#x\n", ctx->asid,
		dmirage_readl(dd, DMIRAGE_REG_ERROR));
	dmirage_writel(dd, ctl, 0);
	return -EIO;
}

/* Clear ENABLE and await the end of what is under way.  Return: -ETIMEDOUT. */
static int dmirage_ctx_disable(struct dmirage_ctx *ctx)
{
	struct dmirage_dev *dd = ctx->dd;
	unsigned int reg = dmirage_ctx_reg(ctx, DMIRAGE_CTX_STATUS);
	u32 status;

	dmirage_writel(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_CTL), 0);
	return readl_poll_timeout(dd->regs + reg, status,
				  !(status & DMIRAGE_CTX_BUSY), 20,
				  DMIRAGE_TIMEOUT_MS * USEC_PER_MSEC);
}

/**
 * dmirage_ctx_sleep - switch a context off that is to be switched on again
 * @ctx: the context; LIVE, locked, and with nothing to do
 *
 * Afterwards the device holds nothing of it, and has nothing under way.
 *
 * Context: may sleep.  User space is frozen.
 * Return: 0; -ETIMEDOUT the device does not stop.
 */
int dmirage_ctx_sleep(struct dmirage_ctx *ctx)
{
	struct dmirage_saved *saved = &ctx->saved;
	struct dmirage_dev *dd = ctx->dd;
	u64 hw[DMIRAGE_CNT_MAX];
	int ret;

	lockdep_assert_held(&ctx->lock);

	/* an event that nobody was told of yet would be lost with its bit */
	saved->armed = dmirage_readl(dd, dmirage_ctx_reg(ctx,
							 DMIRAGE_CTX_STATUS)) &
		       DMIRAGE_CTX_ARMED;
	dmirage_event_drain(dd);
	saved->hold = dmirage_readl(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_HOLD));
	saved->hold_limit =
		dmirage_readl(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_HOLD_LIMIT));
	ret = dmirage_ctx_disable(ctx);
	if (ret)
		return ret;
	saved->sq_head =
		dmirage_readl(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_SQ_HEAD));
	saved->sq_tail =
		dmirage_readl(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_SQ_TAIL));
	saved->cq_head =
		dmirage_readl(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_CQ_HEAD));
	saved->cq_tail =
		dmirage_readl(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_CQ_TAIL));
	dmirage_hw_counters(ctx, hw);
	memcpy(ctx->hw_before, hw, sizeof(hw));
	dmirage_shared_off(ctx);
	ctx->asleep = true;
	return 0;
}

/**
 * dmirage_ctx_wake - switch it on again
 * @ctx: the context; LIVE, locked, asleep
 *
 * Context: may sleep.
 * Return: 0; -EIO the device does not take it.
 */
int dmirage_ctx_wake(struct dmirage_ctx *ctx)
{
	unsigned int doorbells = DMIRAGE_DB_BASE + ctx->asid * DMIRAGE_PAGE;
	const struct dmirage_saved *saved = &ctx->saved;
	struct dmirage_dev *dd = ctx->dd;
	int ret;

	lockdep_assert_held(&ctx->lock);

	/* before the device can hold anything again */
	if (ctx->mode == DMIRAGE_MODE_SHARED)
		dmirage_shared_on(ctx);
	ret = dmirage_ctx_enable(ctx);
	if (ret)
		return ret;
	dmirage_writel(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_HOLD), saved->hold);
	if (saved->armed)
		dmirage_writel(dd, doorbells + DMIRAGE_DB_CQ_ARM,
			       saved->cq_tail);
	ctx->asleep = false;
	return 0;
}

/**
 * dmirage_ctx_stop - the device lets go of everything, for good
 * @ctx: the context; locked
 *
 * Afterwards the state is DEAD and there is no entry.  Does nothing the second
 * time.
 *
 * Context: may sleep.  MMU notifier for the end of the address space, or the
 *          end of the context; in both cases the notifiers (or pins) are still
 *          there, so the pages behind the entries are, too.
 */
void dmirage_ctx_stop(struct dmirage_ctx *ctx)
{
	struct dmirage_gather gather = DMIRAGE_GATHER_INIT;
	struct dmirage_dev *dd = ctx->dd;
	enum dmirage_state was = ctx->state;

	lockdep_assert_held(&ctx->lock);

	WRITE_ONCE(ctx->state, DMIRAGE_DEAD);
	if (was != DMIRAGE_LIVE)
		return;

	dmirage_pt_clear(ctx, 0, ULONG_MAX, false, &gather);
	if (!READ_ONCE(dd->broken) && !ctx->asleep) {
		if (dmirage_ctx_disable(ctx)) {
			dev_err(dd->dev, "asid %u does not stop; resetting the device\n",
				ctx->asid);
			dmirage_dev_break(dd);
		}
		/*
		 * Switching off drops all translations.  This makes sure, and
		 * that no earlier command for this ASID is still in the queue.
		 */
		dmirage_flush_asid(ctx);
	}
	dmirage_shared_off(ctx);
	dmirage_pt_release(ctx, &gather);
	dmirage_event_end(ctx);
	wake_up_all(&dd->wait);
}

/*
 * The end of a context, steps as in context.h.  Called more than once, by
 * release() and by removal.
 */
static void dmirage_ctx_shutdown(struct dmirage_ctx *ctx)
{
	struct dmirage_dev *dd = ctx->dd;
	struct dentry *dir;

	/*
	 * Taking the directory away waits for its handlers, which take the
	 * life lock; set-up, which makes it, is refused from now on.
	 */
	mutex_lock(&ctx->dir_lock);
	mutex_lock(&ctx->life);
	ctx->ended = true;
	dir = ctx->dir;
	ctx->dir = NULL;
	mutex_unlock(&ctx->life);
	debugfs_remove_recursive(dir);
	mutex_unlock(&ctx->dir_lock);

	dmirage_gate_close(&ctx->gate);

	mutex_lock(&ctx->life);
	mutex_lock(&ctx->lock);
	dmirage_ctx_stop(ctx);
	mutex_unlock(&ctx->lock);

	if (ctx->has_asid) {
		dmirage_fault_drain(dd);
		dmirage_violation_drain(dd);
		dmirage_asid_show(dd, ctx->asid, NULL);
		cancel_work_sync(&ctx->fault_work);
		dmirage_prefetch_cancel(ctx);
		cancel_delayed_work_sync(&ctx->reap_work);

		dmirage_fm_put_pages(ctx);
		dmirage_asid_put(ctx);
		ctx->has_asid = false;
		mutex_lock(&ctx->resolve_lock);
		dmirage_pinned_remove_all(ctx);
		dmirage_pt_free(ctx);
		mutex_unlock(&ctx->resolve_lock);
		mutex_lock(&ctx->map_lock);
		ctx->db_pfn = 0;
		mutex_unlock(&ctx->map_lock);
		dmirage_ring_unmap(dd, &ctx->sq);
		dmirage_ring_unmap(dd, &ctx->cq);
	}
	mutex_unlock(&ctx->life);
}

/* Is it what struct dmirage_setup permits? */
static int dmirage_setup_check(const struct dmirage_dev *dd,
			       const struct dmirage_setup *setup)
{
	static const u64 caps[] = {
		[DMIRAGE_MODE_MIRROR] = DMIRAGE_CAP_MIRROR,
		[DMIRAGE_MODE_PINNED] = DMIRAGE_CAP_PINNED,
		[DMIRAGE_MODE_SHARED] = DMIRAGE_CAP_SHARED,
	};
	bool attach = setup->flags & DMIRAGE_SETUP_ATTACH;
	u32 max = 1u << dd->ring_order;

	if (!is_power_of_2(setup->sq_entries) ||
	    setup->sq_entries < 1u << DMIRAGE_RING_ORDER_MIN ||
	    setup->sq_entries > max ||
	    !is_power_of_2(setup->cq_entries) ||
	    setup->cq_entries < 1u << DMIRAGE_RING_ORDER_MIN ||
	    setup->cq_entries > max ||
	    setup->mode >= ARRAY_SIZE(caps) ||
	    (setup->flags & ~(DMIRAGE_SETUP_REGIONS | DMIRAGE_SETUP_ATTACH |
			      DMIRAGE_SETUP_WATCH | DMIRAGE_SETUP_PRESENT)) ||
	    ((setup->flags & DMIRAGE_SETUP_REGIONS) &&
	     setup->mode != DMIRAGE_MODE_MIRROR) ||
	    (!attach && (setup->pidfd || setup->mem_fd)) || setup->reserved0 ||
	    memchr_inv(setup->reserved, 0, sizeof(setup->reserved)))
		return -EINVAL;
	if (!(dd->caps & caps[setup->mode]))
		return -EOPNOTSUPP;
	if ((setup->flags & DMIRAGE_SETUP_WATCH) &&
	    (!(dd->caps & DMIRAGE_CAP_ORACLE_WATCH) ||
	     setup->mode == DMIRAGE_MODE_PINNED))
		return -EOPNOTSUPP;
	/* to pin is to fault in */
	if ((setup->flags & DMIRAGE_SETUP_PRESENT) &&
	    setup->mode == DMIRAGE_MODE_PINNED)
		return -EOPNOTSUPP;
	/* a pin counts against the limit of who asks for it, in his memory */
	if (attach && setup->mode == DMIRAGE_MODE_PINNED)
		return -EOPNOTSUPP;
	return 0;
}

/*
 * Whose address space, and how.  Nobody else looks at these before the context
 * is LIVE, and they stay when set-up fails later: the next one sets them again.
 */
static int dmirage_ctx_bind(struct dmirage_ctx *ctx,
			    const struct dmirage_setup *setup)
{
	struct mm_struct *mm = ctx->owner;

	if (setup->flags & DMIRAGE_SETUP_ATTACH) {
		mm = dmirage_attach(ctx, setup->pidfd, setup->mem_fd);
		if (IS_ERR(mm))
			return PTR_ERR(mm);
	} else {
		mmgrab(mm);
		dmirage_attach_who(ctx, current);
	}
	mmdrop(ctx->mm);
	ctx->mm = mm;
	ctx->mode = setup->mode;
	ctx->watched = setup->flags & DMIRAGE_SETUP_WATCH;
	ctx->present = setup->flags & DMIRAGE_SETUP_PRESENT;
	ctx->by_region = setup->mode == DMIRAGE_MODE_PINNED ||
			 (setup->flags & DMIRAGE_SETUP_REGIONS);
	return 0;
}

/* What the device works with: an ASID, rings, tables.  Undone by the caller. */
static int dmirage_ctx_supply(struct dmirage_ctx *ctx,
			      const struct dmirage_setup *setup)
{
	struct dmirage_dev *dd = ctx->dd;
	int ret;

	ret = dmirage_ring_alloc(dd, &ctx->sq, setup->sq_entries,
				 sizeof(struct dmirage_sqe));
	if (ret)
		return ret;
	ret = dmirage_ring_alloc(dd, &ctx->cq, setup->cq_entries,
				 sizeof(struct dmirage_cqe));
	if (ret)
		return ret;
	ret = dmirage_pt_init(ctx);
	if (ret)
		return ret;
	return ctx->mode == DMIRAGE_MODE_MIRROR ? 0 : dmirage_notifier_add(ctx);
}

/**
 * dmirage_ctx_setup - DMIRAGE_IOC_SETUP
 * @ctx:   the context
 * @setup: what is wanted, and what has come of it
 *
 * Return: see struct dmirage_setup.
 */
int dmirage_ctx_setup(struct dmirage_ctx *ctx, struct dmirage_setup *setup)
{
	struct dmirage_dev *dd = ctx->dd;
	int ret;

	ret = dmirage_setup_check(dd, setup);
	if (ret)
		return ret;

	mutex_lock(&ctx->life);
	if (ctx->ended) {
		ret = -ENODEV;
		goto unlock;
	}
	if (ctx->state != DMIRAGE_NEW) {
		ret = -EBUSY;
		goto unlock;
	}

	ret = dmirage_ctx_bind(ctx, setup);
	if (ret)
		goto unlock;
	ret = dmirage_asid_get(ctx);
	if (ret)
		goto unlock;
	ret = dmirage_ctx_supply(ctx, setup);
	if (ret)
		goto undo;
	ret = dmirage_ctx_enable(ctx);
	if (ret)
		goto undo;

	/*
	 * No fault comes before there is a doorbell to ring.  The notifier may
	 * have been called for the end of another process's address space.
	 */
	mutex_lock(&ctx->lock);
	if (ctx->state == DMIRAGE_NEW) {
		WRITE_ONCE(ctx->state, DMIRAGE_LIVE);
		if (ctx->mode == DMIRAGE_MODE_SHARED)
			dmirage_shared_on(ctx);
	} else {
		ret = -ESRCH;
	}
	mutex_unlock(&ctx->lock);
	if (ret) {
		dmirage_writel(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_CTL), 0);
		goto undo;
	}
	ctx->has_asid = true;
	dmirage_asid_show(dd, ctx->asid, ctx);
	mutex_lock(&dd->lock);
	dd->owner[ctx->asid] = ctx;
	mutex_unlock(&dd->lock);
	mutex_lock(&ctx->map_lock);
	ctx->db_pfn = PHYS_PFN(dd->regs_phys + DMIRAGE_DB_BASE) + ctx->asid;
	mutex_unlock(&ctx->map_lock);
	dmirage_debugfs_add_ctx(ctx);

	setup->asid = ctx->asid;
	setup->sq_offset = DMIRAGE_OFFSET_SQ;
	setup->sq_bytes = ctx->sq.bytes;
	setup->cq_offset = DMIRAGE_OFFSET_CQ;
	setup->cq_bytes = ctx->cq.bytes;
	setup->db_offset = DMIRAGE_OFFSET_DB;
	setup->db_bytes = DMIRAGE_PAGE;
	goto unlock;

undo:
	/* unregistering counts as an end */
	dmirage_notifier_remove(ctx);
	WRITE_ONCE(ctx->state, DMIRAGE_NEW);
	dmirage_pt_free(ctx);
	dmirage_ring_unmap(dd, &ctx->cq);
	dmirage_ring_unmap(dd, &ctx->sq);
	dmirage_ring_free(&ctx->cq);
	dmirage_ring_free(&ctx->sq);
	mutex_lock(&dd->lock);
	clear_bit(ctx->asid, dd->asids);
	mutex_unlock(&dd->lock);
unlock:
	mutex_unlock(&ctx->life);
	return ret;
}

/**
 * dmirage_ctx_close - the file is being closed
 * @ctx: the context; gone afterwards
 */
void dmirage_ctx_close(struct dmirage_ctx *ctx)
{
	struct dmirage_dev *dd = ctx->dd;

	mutex_lock(&ctx->life);
	ctx->mapping = NULL;
	mutex_unlock(&ctx->life);

	dmirage_ctx_shutdown(ctx);
	dmirage_interval_remove_all(ctx);
	dmirage_region_remove_all(ctx);
	dmirage_notifier_remove(ctx);
	mmdrop(ctx->mm);
	mmdrop(ctx->owner);
	dmirage_event_close(ctx);

	mutex_lock(&dd->lock);
	list_del(&ctx->node);
	mutex_unlock(&dd->lock);
	dmirage_ctx_put(ctx);
}

/**
 * dmirage_ctx_end_all - the device is being removed
 * @dd: the device, gone: no context begins any more
 *
 * Afterwards no context uses the device, no process has a doorbell mapped, and
 * none will.  Files stay open; what is left of their contexts is memory.
 */
void dmirage_ctx_end_all(struct dmirage_dev *dd)
{
	struct dmirage_ctx *ctx;

	for (;;) {
		mutex_lock(&dd->lock);
		ctx = list_first_entry_or_null(&dd->files, struct dmirage_ctx,
					       node);
		if (ctx) {
			list_move(&ctx->node, &dd->ended);
			kref_get(&ctx->ref);
		}
		mutex_unlock(&dd->lock);
		if (!ctx)
			return;

		dmirage_ctx_shutdown(ctx);
		mutex_lock(&ctx->life);
		if (ctx->mapping)
			unmap_mapping_range(ctx->mapping, DMIRAGE_OFFSET_DB,
					    DMIRAGE_PAGE, 1);
		mutex_unlock(&ctx->life);
		dmirage_ctx_put(ctx);
	}
}
