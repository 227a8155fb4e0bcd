/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels that the driver builds for.  Nothing else
 * in the driver asks for a kernel version.
 */
#ifndef DMIRAGE_COMPAT_H
#define DMIRAGE_COMPAT_H

#include <linux/eventfd.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/version.h>

#ifndef CONFIG_X86_64
#error "dmirage reads the page tables of x86-64 only"
#endif
#ifndef CONFIG_HMM_MIRROR
#error "dmirage needs a kernel with CONFIG_HMM_MIRROR"
#endif

/* 5.14: exclusive access for a device; an event more, after the others */
#if KERNEL_VERSION(5, 14, 0) > LINUX_VERSION_CODE
#define MMU_NOTIFY_EXCLUSIVE	(MMU_NOTIFY_MIGRATE + 1)
#endif

/* 5.14: secret memory; before, no file system has this magic */
#ifndef SECRETMEM_MAGIC
#define SECRETMEM_MAGIC	0x5345434d
#endif

#if KERNEL_VERSION(5, 14, 0) > LINUX_VERSION_CODE
/* Context: mmap_lock is held. */
static inline struct vm_area_struct *vma_lookup(struct mm_struct *mm,
						unsigned long addr)
{
	struct vm_area_struct *vma = find_vma(mm, addr);

	return vma && addr >= vma->vm_start ? vma : NULL;
}
#endif

/*
 * Give back a user of an address space, from the fault work or a prefetch;
 * resolve_lock may be held.
 *
 * It may be the last one.  exit_mmap() would call our notifiers, which is fine,
 * but here it would take its time before the fault is answered: it is left to
 * another work.
 *
 * That is exported since 6.0.  Before, the end is done here, and the fault, of
 * a process that has exited, is answered late.  Nothing in it waits for the
 * fault work, which would be for itself: the notifier for the end stops the
 * context and waits for the device alone, which needs no answer to a fault for
 * that; and what the process had mapped is closed by a work of its own
 * (fput(): this is a kernel thread), so release(), which does wait for the
 * fault work, is not called from here.  In the modes that take resolve_lock for
 * the end nobody is here.
 */
static inline void dmirage_mmput(struct mm_struct *mm)
{
#if KERNEL_VERSION(6, 0, 0) <= LINUX_VERSION_CODE
	mmput_async(mm);
#else
	mmput(mm);
#endif
}

/* 6.6: shadow stacks are written by the CPU alone */
#ifndef VM_SHADOW_STACK
#define VM_SHADOW_STACK	VM_NONE
#endif

/* 6.6: what was called invalidate_range got its name and its proper callers */
#if KERNEL_VERSION(6, 6, 0) <= LINUX_VERSION_CODE
#define dmirage_secondary_tlb	arch_invalidate_secondary_tlbs
#else
#define dmirage_secondary_tlb	invalidate_range
#endif

/* 6.3: vm_flags became read-only */
static inline void dmirage_vm_flags_set(struct vm_area_struct *vma,
					unsigned long flags)
{
#if KERNEL_VERSION(6, 3, 0) <= LINUX_VERSION_CODE
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

static inline void dmirage_vm_flags_clear(struct vm_area_struct *vma,
					  unsigned long flags)
{
#if KERNEL_VERSION(6, 3, 0) <= LINUX_VERSION_CODE
	vm_flags_clear(vma, flags);
#else
	vma->vm_flags &= ~flags;
#endif
}

/* 6.8: the number to add went, it is always 1 */
static inline void dmirage_eventfd_signal(struct eventfd_ctx *eventfd)
{
#if KERNEL_VERSION(6, 8, 0) <= LINUX_VERSION_CODE
	eventfd_signal(eventfd);
#else
	eventfd_signal(eventfd, 1);
#endif
}

#endif /* DMIRAGE_COMPAT_H */
