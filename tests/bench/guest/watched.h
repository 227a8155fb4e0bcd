/* SPDX-License-Identifier: GPL-2.0 */
/* The same memory through two contexts, one of them watched; one uses it at a time. */
#ifndef DMIRAGE_BENCH_WATCHED_H
#define DMIRAGE_BENCH_WATCHED_H

#include "common.h"

struct watched {
	struct dmirage *plain;
	struct dmirage *watched;
};

/* Skips the test if the device cannot watch. */
void need_watch(void);

struct watched watched_open(void);

/* The kernel takes the accessed bit of each page of the process, and tells nobody. */
void clear_accessed(void);

/* All was clean; and the one was watched, whatever it used, the other was not. */
void watched_expect_clean(const struct watched *w);

#endif /* DMIRAGE_BENCH_WATCHED_H */
