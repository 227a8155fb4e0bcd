/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between the supported versions of QEMU, so that the other
 * files need not know.  Included after qemu/osdep.h.
 */
#ifndef DMIRAGE_COMPAT_H
#define DMIRAGE_COMPAT_H

#if __has_include("hw/pci/pci_device.h")        /* since 8.0 */
#include "hw/pci/pci_device.h"
#else
#include "hw/pci/pci.h"
#endif
#include "hw/pci/msix.h"
#if __has_include("system/dma.h")               /* since 10.0 */
#include "system/dma.h"
#include "system/runstate.h"
#else
#include "sysemu/dma.h"
#include "sysemu/runstate.h"
#endif
#if __has_include("system/address-spaces.h")    /* since 10.1 */
#include "system/address-spaces.h"
#else
#include "exec/address-spaces.h"
#endif
#include "qemu/main-loop.h"
#include "qemu/thread.h"
#include "qemu/timer.h"

/* 10.0 asks what the access is for. */
#if QEMU_VERSION_MAJOR < 10
#define dmirage_is_direct(mr, write)    memory_access_is_direct(mr, write)
#else
#define dmirage_is_direct(mr, write) \
    memory_access_is_direct(mr, write, MEMTXATTRS_UNSPECIFIED)
#endif

/* 9.0 renamed the iothread lock to the big QEMU lock. */
#if QEMU_VERSION_MAJOR < 9
#define qemu_cond_timedwait_bql(c, ms)  qemu_cond_timedwait_iothread(c, ms)
#define bql_lock()                      qemu_mutex_lock_iothread()
#define bql_unlock()                    qemu_mutex_unlock_iothread()
#endif

/* 9.2 gave the old kind of reset a setter of its own. */
#if QEMU_VERSION_MAJOR < 9 || \
    (QEMU_VERSION_MAJOR == 9 && QEMU_VERSION_MINOR < 2)
#define device_class_set_legacy_reset(dc, fn)   ((dc)->reset = (fn))
#endif

/*
 * 8.1 refuses an access to a device's registers while another one is in its
 * callback, to keep a device from reaching itself by DMA.  It cannot tell that
 * from a second vCPU's access to a device that waits with the BQL dropped.
 * This one does no DMA but to RAM (dma.c), so its registers go without.  Some
 * stable versions before 8.1 have the same; the macro came with it.
 */
static inline void dmirage_allow_reentrancy(MemoryRegion *mr)
{
#ifdef qemu_bh_new_guarded
    mr->disable_reentrancy_guard = true;
#endif
}

/* 10.0 made properties const and took away their end mark. */
#if QEMU_VERSION_MAJOR < 10
#define DMIRAGE_CONST_PROP
#define DMIRAGE_PROPERTIES(...) { __VA_ARGS__, DEFINE_PROP_END_OF_LIST() }
#else
#define DMIRAGE_CONST_PROP      const
#define DMIRAGE_PROPERTIES(...) { __VA_ARGS__ }
#endif

/* 10.1 made what a class is made of const. */
#if QEMU_VERSION_MAJOR < 10 || \
    (QEMU_VERSION_MAJOR == 10 && QEMU_VERSION_MINOR < 1)
#define DMIRAGE_CONST_CLASS
#else
#define DMIRAGE_CONST_CLASS     const
#endif

#endif
