/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What kernels have that the headers of older systems lack; in the order of the kernels
 * that brought it.  What is of a single subject is with that: see userfault.h.
 */
#ifndef DMIRAGE_TEST_NEWER_H
#define DMIRAGE_TEST_NEWER_H

#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef MADV_HWPOISON /* 2.6.32 */
#define MADV_HWPOISON 100
#endif
#ifndef MADV_SOFT_OFFLINE /* 2.6.33 */
#define MADV_SOFT_OFFLINE 101
#endif
#ifndef MAP_HUGE_2MB /* 3.8 */
#define MAP_HUGE_2MB (21 << 26)
#endif
#ifndef MAP_HUGE_1GB
#define MAP_HUGE_1GB (30 << 26)
#endif
#ifndef MFD_HUGETLB /* 4.14 */
#define MFD_HUGETLB 4u
#endif
#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21u << 26)
#endif
#ifndef MFD_HUGE_1GB
#define MFD_HUGE_1GB (30u << 26)
#endif
#ifndef MADV_COLD /* 5.4 */
#define MADV_COLD 20
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef CLONE_NEWTIME /* 5.6 */
#define CLONE_NEWTIME 0x80
#endif
#ifndef MREMAP_DONTUNMAP /* 5.7 */
#define MREMAP_DONTUNMAP 4
#endif
#ifndef SYS_process_madvise /* 5.10 */
#define SYS_process_madvise 440
#endif
#ifndef MADV_POPULATE_WRITE /* 5.14 */
#define MADV_POPULATE_WRITE 23
#endif
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef SYS_process_mrelease /* 5.15 */
#define SYS_process_mrelease 448
#endif
#ifndef MADV_DONTNEED_LOCKED /* 5.18 */
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_COLLAPSE /* 6.1 */
#define MADV_COLLAPSE 25
#endif
#ifndef SYS_mseal /* 6.10 */
#define SYS_mseal 462
#endif

#endif /* DMIRAGE_TEST_NEWER_H */
