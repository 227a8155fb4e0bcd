/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A series of measurements, and what is said of them: the median, and the
 * quartiles as spread.  A benchmark measures two things in turn, so that what
 * the machine does besides falls on both; its value is their ratio, pair by
 * pair.
 */
#ifndef TESTS_BENCH_SERIES_H
#define TESTS_BENCH_SERIES_H

#include <stdbool.h>
#include <stdint.h>

#define SERIES_MAX 64

struct series {
	unsigned int n;
	double value[SERIES_MAX];
};

/* Nanoseconds, monotonic. */
int64_t now_ns(void);

void series_add(struct series *s, double value);
double series_median(const struct series *s);
/* @percent of the values are not above it. */
double series_percentile(const struct series *s, double percent);
/* @a / @b, value by value; they have equally many. */
struct series series_ratio(const struct series *a, const struct series *b);
/* How far the median of its second half is from that of its first, as a part. */
double series_drift(const struct series *s);

#endif
