// SPDX-License-Identifier: GPL-2.0
/*
 * Mirroring a process: the making of entries.
 *
 * The argument why this is right is with dmirage_ctx.lock in context.h and, in
 * prose, in docs/coherence.md.
 */

#include <linux/fs.h>
#include <linux/hmm.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/mm.h>

#include "compat.h"
#include "context.h"

/*
 * How long a fault competes with invalidations of the same interval before it
 * fails with -EBUSY.  A try takes microseconds, and so does an invalidation:
 * one that loses for as long as this is up against a loop.
 */
#define DMIRAGE_FAULT_TRIES	64
#define DMIRAGE_FAULT_LIMIT_MS	2000

/**
 * struct dmirage_want - what a fault wants, and what was found
 * @va:     page of the fault
 * @pages:  4 KiB pages wanted from there on, within the block
 * @write:  for writing
 * @mode:   fault mode that was in force when the try began
 * @seq:    sequence number before the process's page table was read
 * @limit:  log2 of the largest entry that has not been tried in vain
 * @shift:  log2 of the largest entry that the process's page table permits
 * @next:   first address behind the entries that there are now
 */
struct dmirage_want {
	unsigned long va;
	unsigned long pages;
	bool write;
	enum dmirage_fault_mode mode;
	unsigned long seq;
	unsigned int limit;
	unsigned int shift;
	unsigned long next;
};

/*
 * What hmm_range_fault() would let through but a device must not have.  The
 * rest is its business: -EFAULT for VM_IO, VM_PFNMAP and mappings that are not
 * readable, -EPERM for a write to a mapping that is not writable.
 */
int dmirage_check_vma(struct vm_area_struct *vma, bool write)
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

/**
 * dmirage_choose_shift - how large an entry may be
 * @ctx:      the context
 * @interval: that it is to be made through
 * @vma:      around @va
 * @va:       an address that the entry is to translate
 * @order:    log2 of the 4 KiB pages that the process's own entry maps
 * @limit:    log2 of the largest one to be considered
 *
 * Return: log2 of the largest entry that the process's page table, the VMA, the
 * interval and the device permit: one entry of theirs, and wholly inside.
 */
unsigned int dmirage_choose_shift(const struct dmirage_ctx *ctx,
				  const struct dmirage_interval *interval,
				  const struct vm_area_struct *vma,
				  unsigned long va, unsigned int order,
				  unsigned int limit)
{
	static const struct {
		unsigned int shift;
		u64 cap;
	} sizes[] = {
		{ DMIRAGE_SPAN_SHIFT, DMIRAGE_CAP_PAGE_1G },
		{ DMIRAGE_BLOCK_SHIFT, DMIRAGE_CAP_PAGE_2M },
	};
	unsigned long first = max(vma->vm_start,
				  interval->notifier.interval_tree.start);
	unsigned long last = min(vma->vm_end - 1,
				 interval->notifier.interval_tree.last);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned long base = ALIGN_DOWN(va, BIT(sizes[i].shift));

		if (sizes[i].shift <= limit &&
		    sizes[i].shift - PAGE_SHIFT <= order &&
		    (ctx->dd->caps & sizes[i].cap) && base >= first &&
		    base + BIT(sizes[i].shift) - 1 <= last)
			return sizes[i].shift;
	}
	return PAGE_SHIFT;
}

/*
 * The first page of a context that nothing is faulted in for: has it been found,
 * or at least been found read-only?  Then it is made writable, as a write by the
 * process would.
 */
static int dmirage_snapshot_present(struct hmm_range *range, bool write)
{
	unsigned long found = range->hmm_pfns[0];
	int ret;

	if (found & HMM_PFN_ERROR)
		return -EFAULT;
	if (!(found & HMM_PFN_VALID))
		return -ENOENT;
	if (!write || (found & HMM_PFN_WRITE))
		return 0;
	range->default_flags = HMM_PFN_REQ_FAULT | HMM_PFN_REQ_WRITE;
	ret = hmm_range_fault(range);
	range->default_flags = 0;
	return ret;
}

/*
 * Read the process's page table into ctx->pfns, faulting pages in if that is
 * permitted.
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
	struct hmm_range range = {
		.notifier = &interval->notifier,
		.notifier_seq = want->seq,
		.start = want->va,
		.end = want->va + PAGE_SIZE,
		.hmm_pfns = ctx->pfns,
		.default_flags = HMM_PFN_REQ_FAULT,
	};
	bool write = want->write && want->mode != DMIRAGE_FM_VMA_FLAGS_ONLY;
	struct mm_struct *mm = ctx->mm;
	struct vm_area_struct *vma;
	int ret;

	if (write)
		range.default_flags |= HMM_PFN_REQ_WRITE;
	if (ctx->present)
		range.default_flags = 0;
	memset(ctx->pfns, 0, want->pages * sizeof(ctx->pfns[0]));

	mmap_read_lock(mm);
	vma = vma_lookup(mm, want->va);
	ret = dmirage_check_vma(vma, want->write);
	if (want->mode == DMIRAGE_FM_VMA_FLAGS_ONLY && !ret && want->write &&
	    !(vma->vm_flags & VM_WRITE))
		ret = -EPERM;
	if (!ret)
		ret = hmm_range_fault(&range);
	if (!ret && ctx->present)
		ret = dmirage_snapshot_present(&range, write);
	if (ret)
		goto unlock;

	want->shift = dmirage_choose_shift(ctx, interval, vma, want->va,
					   hmm_pfn_to_map_order(ctx->pfns[0]),
					   want->limit);
	/* fault mode: and whatever the region may be */
	if (want->mode == DMIRAGE_FM_HUGE_PAST_REGION &&
	    want->limit >= DMIRAGE_BLOCK_SHIFT &&
	    hmm_pfn_to_map_order(ctx->pfns[0]) + PAGE_SHIFT >=
		    DMIRAGE_BLOCK_SHIFT)
		want->shift = DMIRAGE_BLOCK_SHIFT;
	if (want->shift > PAGE_SHIFT)
		goto unlock;

	range.start = range.end;
	range.end = min3(want->va + want->pages * PAGE_SIZE, vma->vm_end,
			 interval->notifier.interval_tree.last + 1);
	range.hmm_pfns++;
	if (range.start < range.end && hmm_range_fault(&range) == -EBUSY)
		ret = -EBUSY;

unlock:
	mmap_read_unlock(mm);
	return ret;
}

/*
 * There is an entry for want->va already.  What is in the table is what the
 * process has (see dmirage_ctx.lock), so it is right, and what it may lack is
 * the permission to write.  There are three ways on:
 *
 * - It is of the size that is wanted now: it is made, or upgraded, in place.
 * - It is smaller, since the process's page table had small entries when it was
 *   made and got a large one without a notifier (MADV_COLLAPSE has one; a fault
 *   that fills a hole in a page table need not): stay with that size.
 * - It is larger: a region for reading holds more than one for writing does.  It
 *   goes.
 *
 * A fault mode may have left one for another page: it goes, too.
 *
 * Return: the entry's size; 0 if there is none, or none any more.
 */
static unsigned int dmirage_settle(struct dmirage_ctx *ctx,
				   const struct dmirage_slot *slot,
				   const struct dmirage_want *want,
				   unsigned long pfn)
{
	struct dmirage_gather gather = DMIRAGE_GATHER_INIT;
	unsigned int shift;
	struct dmirage_shadow *shadow;
	unsigned long has;

	shadow = dmirage_pt_find(ctx, slot, want->va, &shift);
	if (!shadow)
		return 0;
	has = dmirage_shadow_pfn(shadow) +
	      ((want->va & (BIT(shift) - 1)) >> PAGE_SHIFT);
	if (has == pfn && !(shadow->phys & DMIRAGE_SH_STALE) &&
	    (shift <= want->shift || !want->write ||
	     (shadow->phys & DMIRAGE_SH_WRITE)))
		return shift;

	WARN_ON_ONCE(!ctx->faulty && !ctx->by_region);
	dmirage_pt_clear(ctx, want->va, want->va + PAGE_SIZE - 1, false,
			 &gather);
	dmirage_flush_range(ctx, gather.first, gather.last, true);
	dmirage_pt_release(ctx, &gather);
	return 0;
}

/*
 * Write entries for what the snapshot found.  ctx->lock is held and the
 * sequence number is still the same, so it is what the process has.
 *
 * The permission to write is given to write faults only, and only if the
 * process's entry has it; never to a read fault, even if the process could
 * write: it would be marked dirty for nothing.
 */
static int dmirage_commit(struct dmirage_ctx *ctx, struct dmirage_slot *slot,
			  struct dmirage_want *want)
{
	unsigned long n, pfn, pages = want->pages;
	unsigned long need = HMM_PFN_VALID;
	bool write = want->write;
	unsigned int has, shift;
	int ret;

	lockdep_assert_held(&ctx->lock);

	if (want->write && want->mode != DMIRAGE_FM_VMA_FLAGS_ONLY)
		need |= HMM_PFN_WRITE;
	if (unlikely(want->mode == DMIRAGE_FM_READ_GRANTS_WRITE))
		write = true;
	if (WARN_ON_ONCE((ctx->pfns[0] & need) != need))
		return -EFAULT;
	pfn = page_to_pfn(hmm_pfn_to_page(ctx->pfns[0]));

	has = dmirage_settle(ctx, slot, want, pfn);
	if (has > slot->shift) {
		/* a larger one, with all the rights that are wanted */
		want->next = ALIGN_DOWN(want->va, BIT(has)) + BIT(has);
		return 0;
	}
	shift = min(slot->shift, dmirage_pt_room(slot));
	if (shift < slot->shift) {
		pages = 1;
		/* there are smaller ones around; where they are is not known */
		if (slot->shift == DMIRAGE_SPAN_SHIFT || !slot->block->pte) {
			want->limit = shift;
			return -EAGAIN;
		}
		slot->shift = shift;
	}

	if (shift > PAGE_SHIFT) {
		slot->va = ALIGN_DOWN(want->va, BIT(shift));
		pfn -= (want->va - slot->va) >> PAGE_SHIFT;
		ret = dmirage_pt_map(ctx, slot, pfn, write);
		want->next = slot->va + BIT(shift);
		if (!ret)
			return 0;
		/* tables for smaller ones have to be made: once more */
		want->limit = shift - 9;
		return -EAGAIN;
	}

	want->next = want->va;
	for (n = 0; n < pages; n++) {
		struct dmirage_shadow *shadow;

		slot->va = want->va + n * PAGE_SIZE;
		if ((ctx->pfns[n] & need) != need)
			continue;
		pfn = page_to_pfn(hmm_pfn_to_page(ctx->pfns[n]));
		if (unlikely(want->mode == DMIRAGE_FM_HEAD_FRAME))
			pfn = page_to_pfn(compound_head(pfn_to_page(pfn)));
		shadow = dmirage_pt_shadow(slot);
		/* not asked for now: a fault mode's stale entry stays */
		if (n && dmirage_shadow_valid(shadow) &&
		    (dmirage_shadow_pfn(shadow) != pfn ||
		     (shadow->phys & DMIRAGE_SH_STALE))) {
			WARN_ON_ONCE(!ctx->faulty);
			continue;
		}
		ret = dmirage_pt_map(ctx, slot, pfn, write);
		if (ret)
			return n ? 0 : ret;
		if (want->next == slot->va)
			want->next += PAGE_SIZE;
	}
	return 0;
}

/* One try.  Return: -EAGAIN: the page table changed meanwhile. */
static int dmirage_mirror_try(struct dmirage_ctx *ctx,
			      struct dmirage_interval *interval,
			      struct dmirage_want *want)
{
	struct dmirage_slot slot = { .va = want->va };
	bool raced;
	int ret;

	want->mode = READ_ONCE(ctx->fault_mode);
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
	slot.shift = want->shift;
	ret = dmirage_pt_prepare(ctx, &slot, want->mode != DMIRAGE_FM_NONE);
	if (ret)
		return ret;

	/* fault mode: the right question, too early */
	if (want->mode == DMIRAGE_FM_RETRY_UNLOCKED &&
	    mmu_interval_read_retry(&interval->notifier, want->seq))
		return -EAGAIN;
	dmirage_gate_pass(&ctx->gate, DMIRAGE_GATE_FAULT_LOCK, want->va,
			  want->va + PAGE_SIZE - 1);

	mutex_lock(&ctx->lock);
	raced = mmu_interval_read_retry(&interval->notifier, want->seq);
	if (ctx->state != DMIRAGE_LIVE)
		ret = -ESRCH;
	else if (raced && want->mode != DMIRAGE_FM_NO_READ_RETRY &&
		 want->mode != DMIRAGE_FM_RETRY_UNLOCKED)
		ret = -EAGAIN;
	else
		ret = dmirage_commit(ctx, &slot, want);
	if (unlikely(want->mode != DMIRAGE_FM_NONE) &&
	    dmirage_fm_made_stale(want->mode, raced))
		dmirage_pt_mark_stale(ctx, want->va,
				      want->va + want->pages * PAGE_SIZE - 1);
	mutex_unlock(&ctx->lock);
	return ret;
}

/**
 * dmirage_interval_find - the notifier that an entry is to be made through
 * @ctx:   the context, in mirror mode; the caller holds resolve_lock
 * @va:    an address that the entry is to translate
 * @write: for writing
 *
 * Context: with a user of the mm.
 * Return: the interval, which stays while resolve_lock is held, or an ERR_PTR:
 * -EFAULT, -EPERM it is in no region, or in none that may be written; -ENOMEM.
 */
struct dmirage_interval *dmirage_interval_find(struct dmirage_ctx *ctx,
					       unsigned long va, bool write)
{
	struct dmirage_mr *mr;

	if (!ctx->by_region)
		return dmirage_interval_get(ctx, va);
	mr = dmirage_region_find(ctx, va, write);
	return IS_ERR(mr) ? ERR_CAST(mr) : &mr->interval;
}

/**
 * dmirage_mirror_fault - make an entry for the device
 * @ctx:   the context
 * @va:    address that the device has no (writable) entry for
 * @len:   how many bytes it will want from there on
 * @write: for writing
 * @next:  on success, the address behind the entries that there are from @va on
 *
 * Entries are made for @va and, as far as they can be had without ado, for the
 * rest of @len in the same 2 MiB.  What lies behind is for dmirage_map_ahead().
 *
 * Context: under resolve_lock.  Sleeps, allocates, takes mmap_lock.
 * Return: 0, or what the operation is to fail with:
 * -EFAULT:     it is in no region, nothing is mapped there, or what cannot be
 *              mirrored (kernel
 *              address, no read permission, VM_IO, VM_PFNMAP, secret memory,
 *              past the end of a file, waiting for a userfaultfd)
 * -ENOENT:     the page is not there, and none may be faulted in
 * -EPERM:      a write to a mapping, or region, that is read-only
 * -ESRCH:      the address space has ended
 * -EBUSY:      the mapping does not stop changing
 * -ENOMEM:     no memory for tables
 * -EIO:        the DMA API cannot map the page
 * -EOPNOTSUPP: it would go through a bounce buffer
 */
int dmirage_mirror_fault(struct dmirage_ctx *ctx, unsigned long va, u64 len,
			 bool write, unsigned long *next)
{
	unsigned long limit = jiffies + msecs_to_jiffies(DMIRAGE_FAULT_LIMIT_MS);
	unsigned long block_end = ALIGN_DOWN(va, DMIRAGE_BLOCK_SIZE) +
				  DMIRAGE_BLOCK_SIZE;
	struct dmirage_want want = {
		.va = va & PAGE_MASK,
		.write = write,
		.limit = DMIRAGE_SPAN_SHIFT,
	};
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

	interval = dmirage_interval_find(ctx, va, write);
	ret = PTR_ERR_OR_ZERO(interval);
	if (ret)
		goto put_mm;

	for (;;) {
		ret = dmirage_mirror_try(ctx, interval, &want);
		if (ret != -EAGAIN)
			break;
		dmirage_count(ctx, DMIRAGE_STAT_FAULT_RETRIES, 1);
		if (++tries >= DMIRAGE_FAULT_TRIES &&
		    time_after(jiffies, limit)) {
			ret = -EBUSY;
			if (!dmirage_fm(ctx, DMIRAGE_FM_NO_LIMIT))
				break;
			dmirage_count(ctx, DMIRAGE_STAT_MODE_HITS, 1);
		}
	}

put_mm:
	dmirage_mmput(ctx->mm);
	*next = want.next;
	return ret;
}
