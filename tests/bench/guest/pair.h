/* SPDX-License-Identifier: GPL-2.0 */
/* The same memory through two contexts, one of them watched; one uses it at a time. */
#ifndef DMIRAGE_BENCH_PAIR_H
#define DMIRAGE_BENCH_PAIR_H

#include "watched.h"

struct pair {
	struct dmirage *plain;
	struct dmirage *watched;
};

/* Skips the test if the device cannot watch. */
struct pair pair_open(void);

/* All was clean; and the one was watched, whatever it used, the other was not. */
void pair_expect_clean(const struct pair *w);

#endif /* DMIRAGE_BENCH_PAIR_H */
