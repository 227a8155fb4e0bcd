// SPDX-License-Identifier: GPL-2.0
/* /dev/dmirageN; see uapi/dmirage.h */

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "context.h"

/* Is the caller whom the context is for, and is there a device? */
static int dmirage_check_caller(struct dmirage_ctx *ctx)
{
	/* the context has a reference, so that this is not a newer mm */
	if (current->mm != ctx->owner &&
	    !dmirage_fm(ctx, DMIRAGE_FM_ANY_CALLER))
		return -EPERM;
	return READ_ONCE(ctx->dd->gone) ? -ENODEV : 0;
}

static int dmirage_open(struct inode *inode, struct file *file)
{
	/* miscdevice put this there, and its lock keeps the device from going */
	struct dmirage_dev *dd = container_of(file->private_data,
					      struct dmirage_dev, misc);
	struct dmirage_ctx *ctx;

	kref_get(&dd->ref);
	ctx = dmirage_ctx_create(dd, file->f_mapping);
	if (IS_ERR(ctx)) {
		dmirage_dev_put(dd);
		return PTR_ERR(ctx);
	}
	file->private_data = ctx;
	return stream_open(inode, file);
}

static int dmirage_release(struct inode *inode, struct file *file)
{
	dmirage_ctx_close(file->private_data);
	return 0;
}

static int dmirage_ioc_info(struct dmirage_ctx *ctx, void __user *arg)
{
	struct dmirage_dev *dd = ctx->dd;
	struct dmirage_info info = {
		.abi_version = DMIRAGE_ABI_VERSION,
		.hw_version = dd->hw_version,
		.caps = dd->caps,
		.contexts = dd->contexts,
		.ring_entries = 1u << dd->ring_order,
		.va_bits = dd->va_bits,
		.len_max = 1ull << dd->len_order,
		.chunk = dd->chunk,
		.iotlb_entries = dd->iotlb_entries,
		.iotlb_ways = dd->iotlb_ways,
		.asid = DMIRAGE_NO_ASID,
	};

	strscpy(info.pci_name, pci_name(dd->pdev), sizeof(info.pci_name));

	mutex_lock(&ctx->life);
	if (ctx->has_asid)
		info.asid = ctx->asid;
	mutex_unlock(&ctx->life);

	mutex_lock(&dd->lock);
	info.contexts_used = bitmap_weight(dd->asids, DMIRAGE_CONTEXTS);
	mutex_unlock(&dd->lock);

	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static int dmirage_ioc_setup(struct dmirage_ctx *ctx, void __user *arg)
{
	struct dmirage_setup setup;
	int ret;

	if (copy_from_user(&setup, arg, sizeof(setup)))
		return -EFAULT;
	ret = dmirage_ctx_setup(ctx, &setup);
	if (ret)
		return ret;
	/* set up all the same: a caller that gives a bad address has to close */
	return copy_to_user(arg, &setup, sizeof(setup)) ? -EFAULT : 0;
}

static int dmirage_ioc_counters(struct dmirage_ctx *ctx, void __user *arg)
{
	u64 stats[DMIRAGE_STAT_MAX], hw[DMIRAGE_CNT_MAX];
	struct dmirage_counters c;

	if (copy_from_user(&c, arg, sizeof(c)))
		return -EFAULT;
	if (c.reserved0)
		return -EINVAL;

	switch (c.scope) {
	case DMIRAGE_SCOPE_CONTEXT:
		dmirage_ctx_counters(ctx, stats, hw);
		break;
	case DMIRAGE_SCOPE_DEVICE:
		dmirage_dev_counters(ctx->dd, stats, hw);
		break;
	default:
		return -EINVAL;
	}

	c = (struct dmirage_counters) {
		.scope = c.scope,
		.faults = stats[DMIRAGE_STAT_FAULTS],
		.fault_retries = stats[DMIRAGE_STAT_FAULT_RETRIES],
		.fault_errors = stats[DMIRAGE_STAT_FAULT_ERRORS],
		.mapped_4k = stats[DMIRAGE_STAT_MAPPED_4K],
		.mapped_2m = stats[DMIRAGE_STAT_MAPPED_2M],
		.unmapped_4k = stats[DMIRAGE_STAT_UNMAPPED_4K],
		.unmapped_2m = stats[DMIRAGE_STAT_UNMAPPED_2M],
		.invalidations = stats[DMIRAGE_STAT_INVALIDATIONS],
		.flushes = stats[DMIRAGE_STAT_FLUSHES],
		.flushes_elided = stats[DMIRAGE_STAT_FLUSHES_ELIDED],
		.inval_refused = stats[DMIRAGE_STAT_INVAL_REFUSED],
		.records_lost = stats[DMIRAGE_STAT_RECORDS_LOST],
		.ops = hw[DMIRAGE_CNT_OPS],
		.ops_failed = hw[DMIRAGE_CNT_OPS_FAILED],
		.bytes_read = hw[DMIRAGE_CNT_BYTES_READ],
		.bytes_written = hw[DMIRAGE_CNT_BYTES_WRITTEN],
		.accesses = hw[DMIRAGE_CNT_ACCESSES],
		.iotlb_hits = hw[DMIRAGE_CNT_IOTLB_HITS],
		.iotlb_misses = hw[DMIRAGE_CNT_IOTLB_MISSES],
		.drained = hw[DMIRAGE_CNT_DRAINED],
		.checks = hw[DMIRAGE_CNT_ORACLE_CHECKS],
		.suspects = hw[DMIRAGE_CNT_ORACLE_SUSPECTS],
		.violations = hw[DMIRAGE_CNT_ORACLE_VIOLATIONS],
		.mapped_1g = stats[DMIRAGE_STAT_MAPPED_1G],
		.unmapped_1g = stats[DMIRAGE_STAT_UNMAPPED_1G],
		.prefetches = stats[DMIRAGE_STAT_PREFETCHES],
		.prefetch_errors = stats[DMIRAGE_STAT_PREFETCH_ERRORS],
		.prefetched = stats[DMIRAGE_STAT_PREFETCHED],
		.intervals = stats[DMIRAGE_STAT_INTERVALS],
		.pinned = stats[DMIRAGE_STAT_PINNED],
	};
	return copy_to_user(arg, &c, sizeof(c)) ? -EFAULT : 0;
}

/*
 * Was it set up?  Then its mode and its address space are for good.  The state
 * leaves NEW for good, too, once DMIRAGE_IOC_SETUP has returned.
 */
static bool dmirage_is_set_up(struct dmirage_ctx *ctx)
{
	bool yes;

	mutex_lock(&ctx->life);
	yes = ctx->state != DMIRAGE_NEW;
	mutex_unlock(&ctx->life);
	return yes;
}

static int dmirage_ioc_region_add(struct dmirage_ctx *ctx, void __user *arg)
{
	struct dmirage_region r;
	struct dmirage_mr *mr;
	int ret;

	if (copy_from_user(&r, arg, sizeof(r)))
		return -EFAULT;
	if (!r.len || !PAGE_ALIGNED(r.addr | r.len) ||
	    r.addr + r.len < r.addr || (r.flags & ~DMIRAGE_REGION_WRITE) ||
	    memchr_inv(r.reserved, 0, sizeof(r.reserved)) ||
	    !dmirage_is_set_up(ctx) || !ctx->by_region ||
	    r.addr + r.len > ctx->mm->task_size)
		return -EINVAL;

	mr = kzalloc(sizeof(*mr), GFP_KERNEL_ACCOUNT);
	if (!mr)
		return -ENOMEM;
	mr->node.start = r.addr;
	mr->node.last = r.addr + r.len - 1;
	mr->write = r.flags & DMIRAGE_REGION_WRITE;

	ret = mutex_lock_killable(&ctx->resolve_lock);
	if (ret)
		goto free_mr;
	if (READ_ONCE(ctx->state) != DMIRAGE_LIVE)
		ret = -ESRCH;
	else
		ret = dmirage_region_add(ctx, mr);
	/* once the lock is free, anybody may remove it */
	r.id = mr->id;
	mutex_unlock(&ctx->resolve_lock);
	if (ret)
		goto free_mr;

	if (!copy_to_user(arg, &r, sizeof(r)))
		return 0;
	mutex_lock(&ctx->resolve_lock);
	dmirage_region_remove(ctx, r.id);
	mutex_unlock(&ctx->resolve_lock);
	return -EFAULT;

free_mr:
	kfree(mr);
	return ret;
}

static int dmirage_ioc_region_remove(struct dmirage_ctx *ctx, void __user *arg)
{
	struct dmirage_region_remove r;
	int ret;

	if (copy_from_user(&r, arg, sizeof(r)))
		return -EFAULT;
	if (r.reserved0 || !dmirage_is_set_up(ctx) || !ctx->by_region)
		return -EINVAL;
	ret = mutex_lock_killable(&ctx->resolve_lock);
	if (ret)
		return ret;
	ret = dmirage_region_remove(ctx, r.id);
	mutex_unlock(&ctx->resolve_lock);
	return ret;
}

static int dmirage_ioc_prefetch(struct dmirage_ctx *ctx, void __user *arg)
{
	struct dmirage_prefetch p;
	int ret;

	if (copy_from_user(&p, arg, sizeof(p)))
		return -EFAULT;
	if (!dmirage_is_set_up(ctx))
		return -EINVAL;
	ret = dmirage_prefetch(ctx, &p);
	return copy_to_user(arg, &p, sizeof(p)) ? -EFAULT : ret;
}

static int dmirage_ioc_audit(struct dmirage_ctx *ctx, void __user *arg)
{
	struct dmirage_audit_result result;
	struct dmirage_audit_range a;
	int ret;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (!a.len || a.reserved0 ||
	    memchr_inv(a.reserved, 0, sizeof(a.reserved)) ||
	    !dmirage_is_set_up(ctx))
		return -EINVAL;
	ret = dmirage_audit_run(ctx, a.addr, a.len, &result);
	if (ret)
		return ret;
	a.translations = result.translations;
	a.pages = result.pages;
	a.violations = result.violations;
	return copy_to_user(arg, &a, sizeof(a)) ? -EFAULT : 0;
}

static int dmirage_ioc_eventfd(struct dmirage_ctx *ctx, void __user *arg)
{
	struct dmirage_eventfd eventfd;

	if (copy_from_user(&eventfd, arg, sizeof(eventfd)))
		return -EFAULT;
	if (!dmirage_is_set_up(ctx))
		return -EINVAL;
	return dmirage_event_set(ctx, &eventfd);
}

static long dmirage_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	struct dmirage_ctx *ctx = file->private_data;
	void __user *uarg = (void __user *)arg;
	int ret;

	ret = dmirage_check_caller(ctx);
	if (ret)
		return ret;

	switch (cmd) {
	case DMIRAGE_IOC_INFO:
		return dmirage_ioc_info(ctx, uarg);
	case DMIRAGE_IOC_SETUP:
		return dmirage_ioc_setup(ctx, uarg);
	case DMIRAGE_IOC_COUNTERS:
		return dmirage_ioc_counters(ctx, uarg);
	case DMIRAGE_IOC_REGION_ADD:
		return dmirage_ioc_region_add(ctx, uarg);
	case DMIRAGE_IOC_REGION_REMOVE:
		return dmirage_ioc_region_remove(ctx, uarg);
	case DMIRAGE_IOC_PREFETCH:
		return dmirage_ioc_prefetch(ctx, uarg);
	case DMIRAGE_IOC_AUDIT:
		return dmirage_ioc_audit(ctx, uarg);
	case DMIRAGE_IOC_EVENTFD:
		return dmirage_ioc_eventfd(ctx, uarg);
	default:
		return -ENOTTY;
	}
}

static ssize_t dmirage_read(struct file *file, char __user *buf, size_t count,
			    loff_t *pos)
{
	struct dmirage_ctx *ctx = file->private_data;

	if (current->mm != ctx->owner)
		return -EPERM;
	return dmirage_violation_read(ctx, buf, count,
				      file->f_flags & O_NONBLOCK);
}

/* Any process may poll: it learns no more than that there is something. */
static __poll_t dmirage_poll(struct file *file, poll_table *wait)
{
	struct dmirage_ctx *ctx = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &ctx->dd->wait, wait);
	if (!kfifo_is_empty(&ctx->records))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(ctx->dd->gone))
		mask |= EPOLLHUP | EPOLLERR;
	/* the other process's address space, with DMIRAGE_SETUP_ATTACH */
	if (READ_ONCE(ctx->state) == DMIRAGE_DEAD)
		mask |= EPOLLHUP;
	if (READ_ONCE(ctx->dd->broken))
		mask |= EPOLLERR;
	return mask;
}

/*
 * Pages get into a process's page table one by one as they are touched, and
 * not all at once in mmap(): only then is the mapping known to those who take
 * the doorbell back (dmirage_ctx.map_lock).
 *
 * A mapping holds the file, wherever mremap() takes it, and a forked child has
 * none: so the context is there, and is not freed before the page table is
 * without its pages.
 */
static vm_fault_t dmirage_ring_fault(struct vm_fault *vmf)
{
	struct dmirage_ctx *ctx = vmf->vma->vm_file->private_data;
	unsigned long offset = vmf->pgoff << PAGE_SHIFT;
	struct dmirage_ring *ring;

	ring = &ctx->sq;
	if (offset >= DMIRAGE_OFFSET_CQ) {
		ring = &ctx->cq;
		offset -= DMIRAGE_OFFSET_CQ;
	}

	/* it stays as it was when it could be mapped: dmirage_ctx.map_lock */
	if (offset >= ring->bytes)
		return VM_FAULT_SIGBUS;
	vmf->page = virt_to_page(ring->mem + offset);
	get_page(vmf->page);
	return 0;
}

/*
 * What is written to a doorbell that has gone is to go nowhere, and to hurt
 * nobody.  It is cached as memory is, whatever the mapping says.
 */
static vm_fault_t dmirage_db_stub(struct dmirage_ctx *ctx, struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;

	if (!ctx->db_stub)
		ctx->db_stub = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!ctx->db_stub)
		return VM_FAULT_OOM;
	return vmf_insert_pfn_prot(vma, vmf->address, page_to_pfn(ctx->db_stub),
				   vm_get_page_prot(vma->vm_flags));
}

static vm_fault_t dmirage_db_fault(struct vm_fault *vmf)
{
	struct dmirage_ctx *ctx = vmf->vma->vm_file->private_data;
	vm_fault_t ret;

	mutex_lock(&ctx->map_lock);
	if (ctx->db_pfn)
		ret = vmf_insert_pfn(vmf->vma, vmf->address, ctx->db_pfn);
	else
		ret = dmirage_db_stub(ctx, vmf);
	mutex_unlock(&ctx->map_lock);
	return ret;
}

static const struct vm_operations_struct dmirage_ring_vm_ops = {
	.fault = dmirage_ring_fault,
};

static const struct vm_operations_struct dmirage_db_vm_ops = {
	.fault = dmirage_db_fault,
};

static int dmirage_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct dmirage_ctx *ctx = file->private_data;
	unsigned long bytes = vma->vm_end - vma->vm_start;
	int ret;

	ret = dmirage_check_caller(ctx);
	if (ret)
		return ret;
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;

	mutex_lock(&ctx->map_lock);
	/* before that, set-up may still fail and take the rings away */
	if (!ctx->db_pfn)
		ret = -EINVAL;
	switch (vma->vm_pgoff) {
	case DMIRAGE_OFFSET_SQ >> PAGE_SHIFT:
		if (bytes != ctx->sq.bytes)
			ret = -EINVAL;
		vma->vm_ops = &dmirage_ring_vm_ops;
		break;
	case DMIRAGE_OFFSET_CQ >> PAGE_SHIFT:
		if (bytes != ctx->cq.bytes)
			ret = -EINVAL;
		else if (vma->vm_flags & VM_WRITE)
			ret = -EACCES;
		/* and mprotect() cannot change that */
		dmirage_vm_flags_clear(vma, VM_MAYWRITE);
		vma->vm_ops = &dmirage_ring_vm_ops;
		break;
	case DMIRAGE_OFFSET_DB >> PAGE_SHIFT:
		if (bytes != DMIRAGE_PAGE)
			ret = -EINVAL;
		vma->vm_ops = &dmirage_db_vm_ops;
		vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
		dmirage_vm_flags_set(vma, VM_PFNMAP);
		break;
	default:
		ret = -EINVAL;
	}
	mutex_unlock(&ctx->map_lock);
	if (ret)
		return ret;

	/*
	 * A child must not ring its parent's doorbell or write to its rings.
	 * VM_IO, since the rings are no target for DMA either, and since it
	 * keeps madvise(MADV_DOFORK) from undoing VM_DONTCOPY.
	 */
	dmirage_vm_flags_set(vma, VM_IO | VM_DONTCOPY | VM_DONTEXPAND);
	dmirage_vm_flags_set(vma, VM_DONTDUMP);
	return 0;
}

static const struct file_operations dmirage_fops = {
	.owner = THIS_MODULE,
	.open = dmirage_open,
	.release = dmirage_release,
	.unlocked_ioctl = dmirage_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read = dmirage_read,
	.poll = dmirage_poll,
	.mmap = dmirage_mmap,
};

int dmirage_chardev_add(struct dmirage_dev *dd)
{
	dd->misc = (struct miscdevice) {
		.minor = MISC_DYNAMIC_MINOR,
		.name = dd->name,
		.fops = &dmirage_fops,
		.parent = dd->dev,
		.mode = 0600,
	};
	return misc_register(&dd->misc);
}

/* No open() is running, and none will, when this returns. */
void dmirage_chardev_remove(struct dmirage_dev *dd)
{
	misc_deregister(&dd->misc);
}
