/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of the benchmark; each adds its figures to the report. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

void bench_caches(void);
void bench_goodput(void);

#endif
