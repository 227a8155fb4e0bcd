/* SPDX-License-Identifier: GPL-2.0 */
/* userfaultfd and PAGEMAP_SCAN, with what the headers of older systems lack. */
#ifndef DMIRAGE_MATRIX_TRACK_H
#define DMIRAGE_MATRIX_TRACK_H

#include "common.h"

#define TRACK_WP_SHARED (1u << 12) /* UFFD_FEATURE_WP_HUGETLBFS_SHMEM, since 5.19 */
#define TRACK_WP_ASYNC	(1u << 15) /* UFFD_FEATURE_WP_ASYNC, since 6.7 */
#define TRACK_MOVE	(1u << 16) /* UFFD_FEATURE_MOVE, since 6.8 */

/* Skips the test if the kernel does not have these features. */
int track_open(u64 features);

/* UFFDIO_REGISTER_MODE_*; skips the test if memory of this kind cannot be. */
void track_register(int fd, void *addr, size_t len, u64 mode);
void track_unregister(int fd, void *addr, size_t len);

/* From writes, or no longer. */
void track_protect(int fd, void *addr, size_t len, bool protect);

/* Is the entry protected so (/proc/self/pagemap)? */
bool track_is_protected(const void *addr);

/* Return: 0, or a negative errno. */
int track_move(int fd, void *to, void *from, size_t len);

/* Protect all that was written to.  Return: how many ranges, or a negative errno. */
int track_scan(void *addr, size_t len);

#endif /* DMIRAGE_MATRIX_TRACK_H */
