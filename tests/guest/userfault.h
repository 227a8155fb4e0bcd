/* SPDX-License-Identifier: GPL-2.0 */
/*
 * userfaultfd and PAGEMAP_SCAN, with what the headers of older systems lack.
 *
 * These return 0 or more, or a negative errno, and end no test, so that a worker in a
 * process of its own can call them; but for get_userfault().
 */
#ifndef DMIRAGE_TEST_USERFAULT_H
#define DMIRAGE_TEST_USERFAULT_H

#include <linux/userfaultfd.h>

#include "common.h"

#ifndef UFFDIO_REGISTER_MODE_MINOR /* since 5.13 */
#define UFFDIO_REGISTER_MODE_MINOR   (1u << 2)
#define UFFD_FEATURE_MINOR_HUGETLBFS (1u << 9)
#endif
#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM /* since 5.19 */
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1u << 12)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC /* since 6.7 */
#define UFFD_FEATURE_WP_ASYNC (1u << 15)
#endif
#ifndef UFFD_FEATURE_MOVE /* since 6.8 */
#define UFFD_FEATURE_MOVE (1u << 16)
#endif

/* A descriptor, UFFD_FEATURE_*; -EINVAL: the kernel does not have all of these. */
int userfault_open(u64 features);

/* For faults of UFFDIO_REGISTER_MODE_*, from now on; and no more. */
int userfault_register(int fd, const void *addr, size_t len, u64 mode);
int userfault_unregister(int fd, const void *addr, size_t len);

/* From writes, or no longer. */
int userfault_protect(int fd, const void *addr, size_t len, bool protect);

/* Pages to another address, with their frames. */
int userfault_move(int fd, void *to, const void *from, size_t len);

/* Protect all that was written to.  Return: how many ranges that is, at most 8. */
int pagemap_scan(const void *addr, size_t len);

/* Open and registered; skips the test if the kernel does not do that, or not there. */
int get_userfault(u64 features, const void *addr, size_t len, u64 mode);

#endif /* DMIRAGE_TEST_USERFAULT_H */
