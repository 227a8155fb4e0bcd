/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A hugetlb file that two processes map so that they share the page tables for it, one
 * for each GiB.
 */
#ifndef DMIRAGE_TEST_SHARED_PMD_H
#define DMIRAGE_TEST_SHARED_PMD_H

#include "common.h"

#define GIB	(1ul << 30)

/**
 * struct shared_pmd - the mapping
 * @addr:  aligned to 1 GiB
 * @len:   bytes
 * @fd:    of the file
 * @other: the process that shares it, until shared_pmd_put()
 */
struct shared_pmd {
	u8 *addr;
	size_t len;
	int fd;
	pid_t other;
};

/* @pages: numbers of the 2 MiB pages that there are, @n of them. */
struct shared_pmd shared_pmd_get(size_t gib, const unsigned int *pages, unsigned int n);
void shared_pmd_put(struct shared_pmd *s);

/* To another node, also if others have it. */
void shared_pmd_move(void *page);

#endif /* DMIRAGE_TEST_SHARED_PMD_H */
