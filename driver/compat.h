/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels that the driver builds for.  Nothing else
 * in the driver asks for a kernel version.
 */
#ifndef DMIRAGE_COMPAT_H
#define DMIRAGE_COMPAT_H

#include <linux/mm.h>
#include <linux/version.h>

#ifndef CONFIG_X86_64
#error "dmirage reads the page tables of x86-64 only"
#endif
#ifndef CONFIG_HMM_MIRROR
#error "dmirage needs a kernel with CONFIG_HMM_MIRROR"
#endif

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

#endif /* DMIRAGE_COMPAT_H */
