// SPDX-License-Identifier: GPL-2.0
/*
 * Mapping ahead: an operation that goes on for long will fault again behind
 * each entry, and says in its fault how far it will go.  What the process has
 * there in large pages already is entered at once.
 *
 * It costs a look into the page table for each 2 MiB, a small part of what the
 * device takes to move them, and saves a fault, which is an interrupt and two
 * changes of threads.
 *
 * Nothing depends on it.  It faults no page in, waits for no page, tries nothing
 * twice, takes no entry out, and stops at the first thing that is not simple.
 * The next fault begins there and does it properly, or fails: an error behind
 * the first page is no business of the fault's.
 *
 * An entry is made in the same way, and by the same argument, as by a fault
 * (dmirage_ctx.lock): number, page table, lock, number again, for each entry by
 * itself.  Both locks are let go after each, so a notifier waits for one entry,
 * as it does for a fault, and so do prefetches and changes of regions; each
 * entry looks its interval up anew.
 */

#include <linux/hmm.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/mm.h>

#include "compat.h"
#include "context.h"

/*
 * How many entries are made ahead of one fault, the answer to which has to wait
 * for them, as has the end of the context.
 */
#define DMIRAGE_AHEAD_MAX	32

/* What the process has at @va.  Return: PAGE_SHIFT: nothing to be had now. */
static unsigned int dmirage_ahead_look(struct dmirage_ctx *ctx,
				       struct dmirage_interval *interval,
				       unsigned long seq, unsigned long va,
				       bool write, unsigned long *pfn)
{
	unsigned long need = HMM_PFN_VALID | (write ? HMM_PFN_WRITE : 0);
	unsigned long found = 0;
	struct hmm_range range = {
		.notifier = &interval->notifier,
		.notifier_seq = seq,
		.start = va,
		.end = va + PAGE_SIZE,
		.hmm_pfns = &found,
		/* no HMM_PFN_REQ_*: what is not there is not got */
	};
	unsigned int shift = PAGE_SHIFT;
	struct vm_area_struct *vma;

	mmap_read_lock(ctx->mm);
	vma = vma_lookup(ctx->mm, va);
	if (!dmirage_check_vma(vma, write) && !hmm_range_fault(&range) &&
	    (found & need) == need) {
		*pfn = page_to_pfn(hmm_pfn_to_page(found));
		shift = dmirage_choose_shift(ctx, interval, vma, va,
					     hmm_pfn_to_map_order(found),
					     DMIRAGE_SPAN_SHIFT);
	}
	mmap_read_unlock(ctx->mm);
	return shift;
}

/*
 * ctx->lock is held and nothing has changed since the look.  An entry that is
 * there may get the permission to write.  One that would have to make room
 * stays: it is for another size, or for another page (a fault mode's).
 *
 * Return: there is a translation now.
 */
static bool dmirage_ahead_commit(struct dmirage_ctx *ctx,
				 const struct dmirage_slot *slot,
				 unsigned long pfn, bool write)
{
	struct dmirage_shadow *shadow;
	unsigned int shift;

	lockdep_assert_held(&ctx->lock);

	shadow = dmirage_pt_find(ctx, slot, slot->va, &shift);
	if (!shadow) {
		if (dmirage_pt_room(slot) < slot->shift ||
		    dmirage_pt_map(ctx, slot, pfn, write))
			return false;
		dmirage_count(ctx, DMIRAGE_STAT_MAPPED_AHEAD, 1);
		return true;
	}
	if (shift != slot->shift || dmirage_shadow_pfn(shadow) != pfn ||
	    (shadow->phys & DMIRAGE_SH_STALE))
		return false;
	return !dmirage_pt_map(ctx, slot, pfn, write);
}

/* Return: the address behind the entry over @va; 0: there is none. */
static unsigned long dmirage_ahead_one(struct dmirage_ctx *ctx,
				       unsigned long va, bool write)
{
	struct dmirage_interval *interval;
	struct dmirage_slot slot = { .va = va };
	unsigned long seq, pfn = 0;
	bool done = false;

	if (READ_ONCE(ctx->state) != DMIRAGE_LIVE || va >= ctx->mm->task_size)
		return 0;
	if (!mmget_not_zero(ctx->mm))
		return 0;
	interval = dmirage_interval_find(ctx, va, write);
	if (IS_ERR(interval))
		goto put_mm;

	seq = mmu_interval_read_begin(&interval->notifier);
	dmirage_gate_pass(&ctx->gate, DMIRAGE_GATE_FAULT_BEGIN, va,
			  va + PAGE_SIZE - 1);
	slot.shift = dmirage_ahead_look(ctx, interval, seq, va, write, &pfn);
	dmirage_gate_pass(&ctx->gate, DMIRAGE_GATE_FAULT_SNAPSHOT, va,
			  va + PAGE_SIZE - 1);
	if (slot.shift == PAGE_SHIFT)
		goto put_mm;

	slot.va = ALIGN_DOWN(va, BIT(slot.shift));
	pfn -= (va - slot.va) >> PAGE_SHIFT;
	/* in a fault mode a 2 MiB entry may have to be split later */
	if (dmirage_pt_prepare(ctx, &slot,
			       READ_ONCE(ctx->fault_mode) != DMIRAGE_FM_NONE))
		goto put_mm;

	mutex_lock(&ctx->lock);
	/* what a fault mode gets wrong is for the fault itself to do */
	done = ctx->state == DMIRAGE_LIVE &&
	       !dmirage_fm_made_stale(ctx->fault_mode, false) &&
	       !mmu_interval_read_retry(&interval->notifier, seq) &&
	       dmirage_ahead_commit(ctx, &slot, pfn, write);
	mutex_unlock(&ctx->lock);

put_mm:
	dmirage_mmput(ctx->mm);
	return done ? slot.va + BIT(slot.shift) : 0;
}

/**
 * dmirage_map_ahead - make entries behind one that a fault has made
 * @ctx:   the context, in mirror mode
 * @next:  first address behind what the fault has made
 * @last:  last address that the operation will want
 * @write: for writing
 *
 * Context: sleeps, allocates, takes resolve_lock and mmap_lock.
 */
void dmirage_map_ahead(struct dmirage_ctx *ctx, unsigned long next,
		       unsigned long last, bool write)
{
	unsigned int n;

	for (n = 0; n < DMIRAGE_AHEAD_MAX && next && next <= last; n++) {
		/* a fault that stopped within its 2 MiB did so for a reason */
		if (!IS_ALIGNED(next, DMIRAGE_BLOCK_SIZE))
			break;
		mutex_lock(&ctx->resolve_lock);
		next = dmirage_ahead_one(ctx, next, write);
		mutex_unlock(&ctx->resolve_lock);
	}
}
