// SPDX-License-Identifier: GPL-2.0
/*
 * Shared mode: the device walks the process's own page table, as an IOMMU does
 * for shared virtual addressing; and the end of the address space, for the modes
 * without interval notifiers.
 *
 * There is no table to keep true, only translations to drop, and the kernel says
 * when: it calls the secondary-TLB callback, which was invalidate_range until
 * 6.5 and is arch_invalidate_secondary_tlbs since 6.6 (1af5a8109904), after
 * it has changed an entry and before it frees or reuses what the entry led to.
 * It may do so under page-table locks, so nothing here sleeps: the device is told
 * by two registers, and the second write ends when it has let go
 * (DMIRAGE_CTX_SYNC_LEN).
 *
 * Callback against the device filling its IOTLB: an entry is changed before the
 * callback, and the device walks and fills in one step as far as commands are
 * concerned.  A fill before the command is dropped by it, a fill after it finds
 * the changed entry.
 *
 * Callback against callback: the two registers belong together, so sync_lock is
 * held over both writes.
 *
 * Callback against the end: see dmirage_shared_off().
 */

#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/mm.h>

#include "compat.h"
#include "context.h"
#include "trace.h"

/*
 * @end is exclusive; x86 flushes all by [0, ULONG_MAX).
 *
 * Context: maybe atomic.
 */
static void dmirage_shared_flush(struct mmu_notifier *mn, struct mm_struct *mm,
				 unsigned long start, unsigned long end)
{
	struct dmirage_ctx *ctx = container_of(mn, struct dmirage_ctx, notifier);
	struct dmirage_dev *dd = ctx->dd;
	ktime_t begin = ktime_get();
	bool sent = false;

	dmirage_count(ctx, DMIRAGE_STAT_INVALIDATIONS, 1);
	if (dmirage_fm(ctx, DMIRAGE_FM_INVAL_IGNORED))
		return;
	if (start >= end) {
		dmirage_count(ctx, DMIRAGE_STAT_FLUSHES_ELIDED, 1);
		return;
	}

	/* a flush of everything names no address */
	if (dmirage_fm(ctx, DMIRAGE_FM_SYNC_ADDRESS_ONLY) && start)
		end = min(end, start + PAGE_SIZE);

	spin_lock(&ctx->sync_lock);
	if (ctx->sync_on && !READ_ONCE(dd->broken)) {
		dmirage_writeq(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_SYNC_ADDR),
			       start);
		dmirage_writeq(dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_SYNC_LEN),
			       end - start);
		/* a posted write is over when a read has come back */
		dmirage_readl(dd, DMIRAGE_REG_ID);
		sent = true;
	}
	spin_unlock(&ctx->sync_lock);

	if (!sent) {
		dmirage_count(ctx, DMIRAGE_STAT_FLUSHES_ELIDED, 1);
		return;
	}
	dmirage_count(ctx, DMIRAGE_STAT_FLUSHES, 1);
	trace_dmirage_flush(ctx->asid, start, end - start,
			    ktime_to_ns(ktime_sub(ktime_get(), begin)));
}

/*
 * The address space ends (exit_mmap(), before its page tables go), or the
 * notifier is being unregistered, and then the context has ended already.
 */
static void dmirage_notifier_release(struct mmu_notifier *mn,
				     struct mm_struct *mm)
{
	struct dmirage_ctx *ctx = container_of(mn, struct dmirage_ctx, notifier);

	mutex_lock(&ctx->lock);
	dmirage_ctx_stop(ctx);
	mutex_unlock(&ctx->lock);

	/*
	 * No fault is being resolved in this mode by who might be the last user
	 * of the address space, and so be here with resolve_lock.
	 */
	if (ctx->mode == DMIRAGE_MODE_PINNED) {
		mutex_lock(&ctx->resolve_lock);
		dmirage_pinned_remove_all(ctx);
		mutex_unlock(&ctx->resolve_lock);
	}
}

static const struct mmu_notifier_ops dmirage_shared_ops = {
	.release = dmirage_notifier_release,
	.dmirage_secondary_tlb = dmirage_shared_flush,
};

static const struct mmu_notifier_ops dmirage_pinned_ops = {
	.release = dmirage_notifier_release,
};

/**
 * dmirage_notifier_add - be told of secondary TLB flushes and of the end
 * @ctx: a context that is being set up, in shared or pinned mode
 *
 * Return: 0; -ESRCH the address space has ended; -EOPNOTSUPP shared mode, and
 * what the device takes for physical addresses would be translated; -ENOMEM;
 * -EINTR.
 */
int dmirage_notifier_add(struct dmirage_ctx *ctx)
{
	bool shared = ctx->mode == DMIRAGE_MODE_SHARED;
	struct iommu_domain *domain;
	int ret;

	domain = iommu_get_domain_for_dev(ctx->dd->dev);
	if (shared && domain && domain->type != IOMMU_DOMAIN_IDENTITY) {
		dev_err_ratelimited(ctx->dd->dev,
				    "an IOMMU translates: no shared mode (boot with iommu=pt)\n");
		return -EOPNOTSUPP;
	}

	if (!mmget_not_zero(ctx->mm))
		return -ESRCH;
	ctx->notifier.ops = shared ? &dmirage_shared_ops : &dmirage_pinned_ops;
	/* and not mmu_notifier_register(): a killed process need not wait for it */
	ret = mmap_write_lock_killable(ctx->mm);
	if (!ret) {
		ret = __mmu_notifier_register(&ctx->notifier, ctx->mm);
		mmap_write_unlock(ctx->mm);
	}
	ctx->notified = !ret;
	mmput(ctx->mm);
	return ret;
}

/**
 * dmirage_notifier_remove - the opposite
 * @ctx: a context that has ended, or was not set up
 *
 * Context: sleeps until running callbacks are over.
 */
void dmirage_notifier_remove(struct dmirage_ctx *ctx)
{
	if (ctx->notified)
		mmu_notifier_unregister(&ctx->notifier, ctx->mm);
	ctx->notified = false;
}

/* The context is enabled, and no doorbell has been given out yet. */
void dmirage_shared_on(struct dmirage_ctx *ctx)
{
	spin_lock(&ctx->sync_lock);
	ctx->sync_on = true;
	spin_unlock(&ctx->sync_lock);
}

/*
 * The device holds nothing any more, and will not: the context is disabled and
 * no access is under way.  Only now may callbacks stop telling it; one that
 * came before this did, to no effect.  From here on the registers may go.
 */
void dmirage_shared_off(struct dmirage_ctx *ctx)
{
	spin_lock(&ctx->sync_lock);
	ctx->sync_on = false;
	spin_unlock(&ctx->sync_lock);
}

/**
 * dmirage_shared_fault - have the process's page table map an address
 * @ctx:   the context
 * @fault: about an address that the device found no (writable) entry for
 *
 * What may be had, and the errors, are as in mirror mode.  What the process's
 * page table permits already, the device does without asking; so if it may only
 * have what is present, what it found is the answer.
 *
 * Context: fault work.  Sleeps, allocates, takes mmap_lock.
 * Return: as dmirage_mirror_fault().
 */
int dmirage_shared_fault(struct dmirage_ctx *ctx,
			 const struct dmirage_fault *fault)
{
	bool write = fault->write;
	unsigned int flags = FAULT_FLAG_REMOTE | (write ? FAULT_FLAG_WRITE : 0);
	struct mm_struct *mm = ctx->mm;
	unsigned long va = fault->addr;
	struct vm_area_struct *vma;
	int ret;

	if (READ_ONCE(ctx->state) != DMIRAGE_LIVE)
		return -ESRCH;
	if (va >= mm->task_size)
		return -EFAULT;
	if (!mmget_not_zero(mm))
		return -ESRCH;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, va);
	ret = dmirage_check_vma(vma, write);
	if (!ret && ((vma->vm_flags & (VM_IO | VM_PFNMAP)) ||
		     !(vma->vm_flags & VM_READ)))
		ret = -EFAULT;
	else if (!ret && write && !(vma->vm_flags & VM_WRITE))
		ret = -EPERM;
	else if (!ret && ctx->present && !fault->present)
		ret = -ENOENT;
	/* without @unlocked it does not let go of mmap_lock */
	if (!ret)
		ret = fixup_user_fault(mm, va, flags, NULL);
	mmap_read_unlock(mm);

	dmirage_mmput(mm);
	switch (ret) {
	case 0:
	case -ENOENT:
	case -ENOMEM:
	case -EPERM:
		return ret;
	default:
		/* poisoned, for one: nothing that the device could do better with */
		return -EFAULT;
	}
}
