// SPDX-License-Identifier: GPL-2.0
/*
 * What the device found, with what the kernel knows of it: frame, process, VMA,
 * names of functions.
 */

#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>

#include "chain.h"
#include "compat.h"
#include "context.h"
#include "record.h"

/* How often a lock is tried that somebody may hold who waits for the device */
#define DMIRAGE_VMA_TRIES	20

/*
 * The frame behind a DMA address, to be compared with the process's.  A stale
 * mapping may be gone from an IOMMU by now; then the address must do.
 */
static u64 dmirage_dma_frame(struct dmirage_dev *dd, u64 dma)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dd->dev);
	phys_addr_t phys = domain ? iommu_iova_to_phys(domain, dma) : dma;

	return (phys ?: dma) & PAGE_MASK;
}

static void dmirage_vma_describe(struct vm_area_struct *vma,
				 struct dmirage_found *found)
{
	const struct mm_struct *mm = vma->vm_mm;
	const char *name = "";

	found->vma_start = vma->vm_start;
	found->vma_end = vma->vm_end;
	found->vma = DMIRAGE_VMA_KNOWN |
		     (vma->vm_flags & VM_READ ? DMIRAGE_VMA_READ : 0) |
		     (vma->vm_flags & VM_WRITE ? DMIRAGE_VMA_WRITE : 0) |
		     (vma->vm_flags & VM_EXEC ? DMIRAGE_VMA_EXEC : 0) |
		     (vma->vm_flags & VM_SHARED ? DMIRAGE_VMA_SHARED : 0) |
		     (is_vm_hugetlb_page(vma) ? DMIRAGE_VMA_HUGETLB : 0);
	if (vma->vm_file) {
		/* the last names of its path */
		snprintf(found->vma_name, sizeof(found->vma_name), "%pD4",
			 vma->vm_file);
		return;
	}
	if (vma->vm_start <= mm->brk && vma->vm_end >= mm->start_brk)
		name = "[heap]";
	else if (vma->vm_start <= mm->start_stack &&
		 vma->vm_end >= mm->start_stack)
		name = "[stack]";
	strscpy(found->vma_name, name, sizeof(found->vma_name));
}

/*
 * The VMA as it is now, which a process that changes it may hold back.  That
 * one may be waiting for the device, and the device for its queue to be
 * emptied by us: so it is tried, for a while, and the record does without.
 */
static void dmirage_vma_find(struct mm_struct *mm, unsigned long va,
			     struct dmirage_found *found)
{
	struct vm_area_struct *vma;
	unsigned int tries;
	bool locked = false;

	if (!mmget_not_zero(mm))
		return;
	for (tries = 0; tries < DMIRAGE_VMA_TRIES; tries++) {
		locked = mmap_read_trylock(mm);
		if (locked)
			break;
		usleep_range(500, 1000);
	}
	if (locked) {
		vma = vma_lookup(mm, va);
		if (vma)
			dmirage_vma_describe(vma, found);
		else
			found->vma = DMIRAGE_VMA_KNOWN;
		mmap_read_unlock(mm);
	}
	dmirage_mmput(mm);
}

/**
 * dmirage_record_find - what is to be kept of a violation
 * @dd:    the device
 * @ctx:   whose it is, or NULL: nobody's any more
 * @vqe:   what the device says
 * @found: what comes of it
 *
 * Context: sleeps; takes mmap_lock if it is free.
 */
void dmirage_record_find(struct dmirage_dev *dd, struct dmirage_ctx *ctx,
			 const struct dmirage_vqe *vqe,
			 struct dmirage_found *found)
{
	*found = (struct dmirage_found) {
		.vqe = *vqe,
		.time_ns = ktime_get_ns(),
		.held_frame = dmirage_dma_frame(dd,
						le64_to_cpu(vqe->held_addr)),
	};
	if (!ctx)
		return;
	found->pid = ctx->pid;
	strscpy(found->comm, ctx->comm, sizeof(found->comm));
	dmirage_vma_find(ctx->mm, le64_to_cpu(vqe->addr), found);
}

/**
 * dmirage_record_fill - a violation as a reader gets it
 * @dd:    the device
 * @found: what was kept
 * @rec:   where to
 */
void dmirage_record_fill(struct dmirage_dev *dd,
			 const struct dmirage_found *found,
			 struct dmirage_violation *rec)
{
	const struct dmirage_vqe *vqe = &found->vqe;
	unsigned long pc = le64_to_cpu(vqe->pc);
	u64 time = le64_to_cpu(vqe->time);

	*rec = (struct dmirage_violation) {
		.time_ns = found->time_ns,
		.kind = vqe->kind,
		.opcode = vqe->opcode,
		.access_write = !!(vqe->access & DMIRAGE_VQE_ACCESS_WRITE),
		.held_order = vqe->held_order,
		.held_write = !!(vqe->held_flags & DMIRAGE_VQE_HELD_WRITE),
		.cpu_present = !!(vqe->cpu_flags & DMIRAGE_VQE_CPU_PRESENT),
		.cpu_write = !!(vqe->cpu_flags & DMIRAGE_VQE_CPU_WRITE),
		.cpu_order = le32_to_cpu(vqe->cpu_order),
		.asid = le16_to_cpu(vqe->asid),
		.pages = le32_to_cpu(vqe->pages),
		.cookie = le64_to_cpu(vqe->cookie),
		.addr = le64_to_cpu(vqe->addr),
		.len = le64_to_cpu(vqe->len),
		.held_frame = found->held_frame,
		.cpu_frame = le64_to_cpu(vqe->cpu_addr) & PAGE_MASK,
		.cpu_entry = le64_to_cpu(vqe->cpu_entry),
		.held_age_ns = time - le64_to_cpu(vqe->fill_time),
		.lost_before = found->lost_before,
		.strength = vqe->strength,
		.holder = vqe->holder,
		.mode = vqe->mode,
		.why = vqe->why,
		.cpu = le16_to_cpu(vqe->cpu),
		.level = vqe->level,
		.pid = found->pid,
		.vma = found->vma,
		.vma_start = found->vma_start,
		.vma_end = found->vma_end,
	};
	if (vqe->inv_time && vqe->inv_len) {
		rec->inv_age_ns = time - le64_to_cpu(vqe->inv_time);
		rec->inv_start = le64_to_cpu(vqe->inv_start);
		rec->inv_len = le64_to_cpu(vqe->inv_len);
	}
	if (vqe->strength == DMIRAGE_BY_WATCH) {
		rec->entry_before = le64_to_cpu(vqe->before);
		rec->entry_after = le64_to_cpu(vqe->after);
		rec->store_age_ns = time - le64_to_cpu(vqe->store_time);
		rec->chain_id = le32_to_cpu(vqe->chain);
	}
	memcpy(rec->comm, found->comm, sizeof(rec->comm));
	memcpy(rec->vma_name, found->vma_name, sizeof(rec->vma_name));
	/* names alone: an address would tell where the kernel is */
	if (pc)
		snprintf(rec->function, sizeof(rec->function), "%pS",
			 (void *)pc);
	dmirage_chain_print(dd, rec->chain_id, pc, rec->chain,
			    sizeof(rec->chain));
}
