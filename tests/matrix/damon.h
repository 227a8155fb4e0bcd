/* SPDX-License-Identifier: GPL-2.0 */
/* DAMON, which counts accesses by clearing accessed bits and looking again. */
#ifndef DMIRAGE_MATRIX_DAMON_H
#define DMIRAGE_MATRIX_DAMON_H

#include "ktap.h"

/*
 * Begins to watch, once each millisecond; skips the test if the kernel has no DAMON.
 * One at a time.
 *
 * @ops: "fvaddr", addresses of this process, or "paddr", frames
 */
void damon_start(const char *ops, u64 start, u64 end);
void damon_stop(void);

#endif /* DMIRAGE_MATRIX_DAMON_H */
