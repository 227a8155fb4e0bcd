// SPDX-License-Identifier: GPL-2.0
/*
 * Mirroring a process: MMU interval notifiers, and the making of entries.
 *
 * The argument why this is right is with dmirage_ctx.lock in context.h and, in
 * prose, in docs/coherence.md.
 */

#include <linux/fs.h>
#include <linux/hmm.h>
#include <linux/jiffies.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "compat.h"
#include "context.h"
#include "trace.h"

#define DMIRAGE_INTERVAL_SHIFT	30
#define DMIRAGE_INTERVAL_SIZE	BIT(DMIRAGE_INTERVAL_SHIFT)

/*
 * How long a fault competes with invalidations of the same interval before it
 * fails with -EBUSY.  A try takes microseconds, and so does an invalidation:
 * one that loses for as long as this is up against a loop.
 */
#define DMIRAGE_FAULT_TRIES	64
#define DMIRAGE_FAULT_LIMIT_MS	2000

/**
 * struct dmirage_interval - an MMU notifier for a part of the address space
 * @notifier: of DMIRAGE_INTERVAL_SIZE bytes
 * @ctx:      whose
 */
struct dmirage_interval {
	struct mmu_interval_notifier notifier;
	struct dmirage_ctx *ctx;
};

/**
 * struct dmirage_want - what a fault wants, and what was found
 * @va:     page of the fault
 * @pages:  4 KiB pages wanted from there on, within the block
 * @write:  for writing
 * @no_huge: a 2 MiB entry has been tried, and could not be made
 * @seq:    sequence number before the process's page table was read
 * @huge:   the process maps the whole block by one entry
 */
struct dmirage_want {
	unsigned long va;
	unsigned long pages;
	bool write;
	bool no_huge;
	unsigned long seq;
	bool huge;
};

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
	bool may_sleep = mmu_notifier_range_blockable(range);
	unsigned long start, last;

	dmirage_count(ctx, DMIRAGE_STAT_INVALIDATIONS, 1);

	if (may_sleep) {
		dmirage_gate_pass(&ctx->gate, DMIRAGE_GATE_INVAL_BEGIN,
				  range->start, range->end - 1);
		mutex_lock(&ctx->lock);
	} else if (!mutex_trylock(&ctx->lock)) {
		dmirage_count(ctx, DMIRAGE_STAT_INVAL_REFUSED, 1);
		return false;
	}
	mmu_interval_set_seq(notifier, cur_seq);

	if (range->event == MMU_NOTIFY_RELEASE) {
		/* exit_mmap(): always blockable, once for all addresses */
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

	if (ctx->fault_mode == DMIRAGE_FM_INVAL_FIRST_PAGE) {
		unsigned long clip = range->start | ~PAGE_MASK;

		if (clip < last) {
			dmirage_pt_mark_stale(ctx, max(start, clip + 1), last);
			last = clip;
		}
	}

	if (start <= last)
		dmirage_pt_clear(ctx, start, last,
				 ctx->fault_mode == DMIRAGE_FM_INVAL_FIRST_PAGE,
				 &gather);
	trace_dmirage_invalidate(ctx->asid, range->start, range->end,
				 range->event, may_sleep, gather.small,
				 gather.huge);

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
	dmirage_flush_range(ctx, gather.first, gather.last, may_sleep);
	dmirage_count(ctx, DMIRAGE_STAT_FLUSHES, 1);
	dmirage_pt_release(ctx, &gather);

unlock:
	mutex_unlock(&ctx->lock);
	return true;
}

static const struct mmu_interval_notifier_ops dmirage_interval_ops = {
	.invalidate = dmirage_invalidate,
};

/* The interval over @va.  Context: fault work, with a user of the mm. */
static struct dmirage_interval *dmirage_interval_get(struct dmirage_ctx *ctx,
						     unsigned long va)
{
	unsigned long index = va >> DMIRAGE_INTERVAL_SHIFT;
	struct dmirage_interval *interval;
	int ret;

	interval = xa_load(&ctx->intervals, index);
	if (interval)
		return interval;

	interval = kzalloc(sizeof(*interval), GFP_KERNEL_ACCOUNT);
	if (!interval)
		return ERR_PTR(-ENOMEM);
	interval->ctx = ctx;

	ret = xa_reserve(&ctx->intervals, index, GFP_KERNEL);
	if (ret)
		goto free_interval;

	/* takes mmap_lock for the first notifier of the mm */
	ret = mmu_interval_notifier_insert(&interval->notifier, ctx->mm,
					   index << DMIRAGE_INTERVAL_SHIFT,
					   DMIRAGE_INTERVAL_SIZE,
					   &dmirage_interval_ops);
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

/**
 * dmirage_mirror_remove - remove the notifiers
 * @ctx: a context that has ended
 *
 * Context: the fault work is cancelled.  Sleeps until running notifiers are
 *          over, so it must not be called under a lock that they take.
 */
void dmirage_mirror_remove(struct dmirage_ctx *ctx)
{
	struct dmirage_interval *interval;
	unsigned long index;

	xa_for_each(&ctx->intervals, index, interval) {
		mmu_interval_notifier_remove(&interval->notifier);
		kfree(interval);
	}
	xa_destroy(&ctx->intervals);
}

/*
 * What hmm_range_fault() would let through but a device must not have.  The
 * rest is its business: -EFAULT for VM_IO, VM_PFNMAP and mappings that are not
 * readable, -EPERM for a write to a mapping that is not writable.
 */
static int dmirage_check_vma(struct vm_area_struct *vma, bool write)
{
	if (!vma)
		return -EFAULT;
	/* memory that even the kernel gave up access to; GUP refuses it too */
	if (vma->vm_file &&
	    file_inode(vma->vm_file)->i_sb->s_magic == SECRETMEM_MAGIC)
		return -EFAULT;
	if (write && (vma->vm_flags & VM_SHADOW_STACK))
		return -EFAULT;
	return 0;
}

/*
 * Read the process's page table into ctx->pfns, faulting pages in.
 *
 * The page of the fault comes first and alone, for three reasons.  Its error is
 * the fault's error, and that of a page behind it is not.  If a huge page is
 * there, the others need not be asked for.  And hmm_range_fault() faults in all
 * that follows the first page that is missing, asked for or not, so what it is
 * given must be what the device will use.
 *
 * Return: 0; -EBUSY: the page table is changing, try again; or why the page
 * cannot be had.
 */
static int dmirage_snapshot(struct dmirage_ctx *ctx,
			    struct dmirage_interval *interval,
			    struct dmirage_want *want)
{
	unsigned long block = ALIGN_DOWN(want->va, DMIRAGE_BLOCK_SIZE);
	struct hmm_range range = {
		.notifier = &interval->notifier,
		.notifier_seq = want->seq,
		.start = want->va,
		.end = want->va + PAGE_SIZE,
		.hmm_pfns = ctx->pfns,
		.default_flags = HMM_PFN_REQ_FAULT,
	};
	struct mm_struct *mm = ctx->mm;
	struct vm_area_struct *vma;
	unsigned int order;
	int ret;

	if (want->write)
		range.default_flags |= HMM_PFN_REQ_WRITE;
	memset(ctx->pfns, 0, want->pages * sizeof(ctx->pfns[0]));

	mmap_read_lock(mm);
	vma = vma_lookup(mm, want->va);
	ret = dmirage_check_vma(vma, want->write);
	if (!ret)
		ret = hmm_range_fault(&range);
	if (ret)
		goto unlock;

	order = hmm_pfn_to_map_order(ctx->pfns[0]);
	want->huge = order >= DMIRAGE_BLOCK_SHIFT - PAGE_SHIFT &&
		     vma->vm_start <= block &&
		     vma->vm_end >= block + DMIRAGE_BLOCK_SIZE &&
		     (ctx->dd->caps & DMIRAGE_CAP_PAGE_2M) && !want->no_huge;
	if (want->huge)
		goto unlock;

	range.start = range.end;
	range.end = min(want->va + want->pages * PAGE_SIZE, vma->vm_end);
	range.hmm_pfns++;
	if (range.start < range.end && hmm_range_fault(&range) == -EBUSY)
		ret = -EBUSY;

unlock:
	mmap_read_unlock(mm);
	return ret;
}

/*
 * Is an entry in the way of the one to be made at want->va?  Never, but for a
 * fault mode: what is in the table is what the process has (see
 * dmirage_ctx.lock), so it could only be the same.
 */
static bool dmirage_in_the_way(const struct dmirage_block *block,
			       const struct dmirage_want *want,
			       unsigned long pfn)
{
	unsigned int i = want->va >> PAGE_SHIFT & (DMIRAGE_BLOCK_PAGES - 1);
	const struct dmirage_shadow *shadow;

	if (want->huge) {
		shadow = &block->huge;
		pfn -= i;
	} else {
		if (dmirage_shadow_valid(&block->huge))
			return true;
		shadow = &block->small[i];
	}
	return dmirage_shadow_valid(shadow) &&
	       (dmirage_shadow_pfn(shadow) != pfn ||
		(shadow->phys & DMIRAGE_SH_STALE));
}

/*
 * Write entries for what the snapshot found.  ctx->lock is held and the
 * sequence number is still the same, so it is what the process has.
 *
 * The permission to write is given to write faults only, and only if the
 * process's entry has it; never to a read fault, even if the process could
 * write: it would be marked dirty for nothing.
 */
static int dmirage_commit(struct dmirage_ctx *ctx, struct dmirage_block *block,
			  struct dmirage_want *want)
{
	unsigned int i = want->va >> PAGE_SHIFT & (DMIRAGE_BLOCK_PAGES - 1);
	unsigned long n, pages = want->pages, va = want->va;
	unsigned long need = HMM_PFN_VALID;
	unsigned long pfn;
	int ret;

	lockdep_assert_held(&ctx->lock);

	if (want->write)
		need |= HMM_PFN_WRITE;
	if (WARN_ON_ONCE((ctx->pfns[0] & need) != need))
		return -EFAULT;
	pfn = page_to_pfn(hmm_pfn_to_page(ctx->pfns[0]));

	if (want->huge && block->live) {
		/* the block is in use by the page: stay with that */
		want->huge = false;
		pages = 1;
	}

	if (dmirage_in_the_way(block, want, pfn)) {
		struct dmirage_gather gather = DMIRAGE_GATHER_INIT;

		WARN_ON_ONCE(!ctx->faulty);
		dmirage_pt_clear(ctx, va, va + PAGE_SIZE - 1, false, &gather);
		dmirage_flush_range(ctx, gather.first, gather.last, true);
		dmirage_pt_release(ctx, &gather);
	}

	if (want->huge) {
		ret = dmirage_pt_map_huge(ctx, block, va - i * PAGE_SIZE,
					  pfn - i, want->write);
		if (!ret)
			return 0;
		/* tables for small entries have to be made: once more */
		want->no_huge = true;
		return -EAGAIN;
	}

	for (n = 0; n < pages; n++, va += PAGE_SIZE) {
		const struct dmirage_shadow *shadow = &block->small[i + n];

		if ((ctx->pfns[n] & need) != need)
			continue;
		pfn = page_to_pfn(hmm_pfn_to_page(ctx->pfns[n]));
		/* not asked for now: a fault mode's stale entry stays */
		if (n && dmirage_shadow_valid(shadow) &&
		    (dmirage_shadow_pfn(shadow) != pfn ||
		     (shadow->phys & DMIRAGE_SH_STALE))) {
			WARN_ON_ONCE(!ctx->faulty);
			continue;
		}
		ret = dmirage_pt_map_small(ctx, block, va, pfn, want->write);
		if (ret)
			return n ? 0 : ret;
	}
	return 0;
}

/* One try.  Return: -EAGAIN: the page table changed meanwhile. */
static int dmirage_mirror_try(struct dmirage_ctx *ctx,
			      struct dmirage_interval *interval,
			      struct dmirage_want *want)
{
	struct dmirage_block *block;
	bool small;
	int ret;

	want->seq = mmu_interval_read_begin(&interval->notifier);
	dmirage_gate_pass(&ctx->gate, DMIRAGE_GATE_FAULT_BEGIN, want->va,
			  want->va + PAGE_SIZE - 1);

	ret = dmirage_snapshot(ctx, interval, want);
	dmirage_gate_pass(&ctx->gate, DMIRAGE_GATE_FAULT_SNAPSHOT, want->va,
			  want->va + PAGE_SIZE - 1);
	if (ret == -EBUSY)
		return -EAGAIN;
	if (ret) {
		/* an error has to be of the present, like an entry */
		if (mmu_interval_check_retry(&interval->notifier, want->seq))
			return -EAGAIN;
		return ret;
	}

	/* in a fault mode a 2 MiB entry may have to be split later */
	small = !want->huge || READ_ONCE(ctx->fault_mode) != DMIRAGE_FM_NONE;
	block = dmirage_pt_prepare(ctx, want->va, small);
	if (IS_ERR(block))
		return PTR_ERR(block);

	mutex_lock(&ctx->lock);
	if (ctx->state != DMIRAGE_LIVE)
		ret = -ESRCH;
	else if (mmu_interval_read_retry(&interval->notifier, want->seq))
		ret = -EAGAIN;
	else
		ret = dmirage_commit(ctx, block, want);
	mutex_unlock(&ctx->lock);
	return ret;
}

/**
 * dmirage_mirror_fault - make an entry for the device
 * @ctx:   the context
 * @va:    address that the device has no (writable) entry for
 * @len:   how many bytes it will want from there on
 * @write: for writing
 *
 * Entries are made for @va and, as far as they can be had without ado, for the
 * rest of @len in the same 2 MiB.
 *
 * Context: fault work.  Sleeps, allocates, takes mmap_lock.
 * Return: 0, or what the operation is to fail with:
 * -EFAULT:     nothing is mapped there, or what cannot be mirrored (kernel
 *              address, no read permission, VM_IO, VM_PFNMAP, secret memory,
 *              past the end of a file, waiting for a userfaultfd)
 * -EPERM:      a write to a mapping that is read-only
 * -ESRCH:      the address space has ended
 * -EBUSY:      the mapping does not stop changing
 * -ENOMEM:     no memory for tables
 * -EIO:        the DMA API cannot map the page
 * -EOPNOTSUPP: it would go through a bounce buffer
 */
int dmirage_mirror_fault(struct dmirage_ctx *ctx, unsigned long va, u64 len,
			 bool write)
{
	unsigned long limit = jiffies + msecs_to_jiffies(DMIRAGE_FAULT_LIMIT_MS);
	unsigned long block_end = ALIGN_DOWN(va, DMIRAGE_BLOCK_SIZE) +
				  DMIRAGE_BLOCK_SIZE;
	struct dmirage_want want = { .va = va & PAGE_MASK, .write = write };
	struct dmirage_interval *interval;
	unsigned int tries = 0;
	int ret;

	/* once more under the lock, but then the pages have been faulted in */
	if (READ_ONCE(ctx->state) != DMIRAGE_LIVE)
		return -ESRCH;
	if (va >= ctx->mm->task_size)
		return -EFAULT;
	len = clamp_t(u64, len, 1, block_end - va);
	want.pages = PAGE_ALIGN(va + len - want.va) >> PAGE_SHIFT;

	if (!mmget_not_zero(ctx->mm))
		return -ESRCH;

	interval = dmirage_interval_get(ctx, va);
	if (IS_ERR(interval)) {
		ret = PTR_ERR(interval);
		goto put_mm;
	}

	for (;;) {
		ret = dmirage_mirror_try(ctx, interval, &want);
		if (ret != -EAGAIN)
			break;
		dmirage_count(ctx, DMIRAGE_STAT_FAULT_RETRIES, 1);
		if (++tries >= DMIRAGE_FAULT_TRIES &&
		    time_after(jiffies, limit)) {
			ret = -EBUSY;
			break;
		}
	}

put_mm:
	/*
	 * It may be the last user.  exit_mmap() would call our notifiers, which
	 * is fine, but here it would take its time before the fault is answered.
	 */
	mmput_async(ctx->mm);
	trace_dmirage_fault(ctx->asid, va, len, write, tries, ret);
	return ret;
}
