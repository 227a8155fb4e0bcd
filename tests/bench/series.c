// SPDX-License-Identifier: GPL-2.0
/* Series of measurements.  See series.h. */
#include "series.h"

#include <glib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

void series_add(struct series *s, double value)
{
	g_assert_cmpuint(s->n, <, SERIES_MAX);
	s->value[s->n++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double series_percentile(const struct series *s, double percent)
{
	struct series sorted = *s;
	double at = percent / 100 * (s->n - 1);
	unsigned int low = at;

	g_assert_cmpuint(s->n, >, 0);
	qsort(sorted.value, s->n, sizeof(double), compare);
	if (low + 1 >= s->n)
		return sorted.value[s->n - 1];
	return sorted.value[low] + (at - low) * (sorted.value[low + 1] - sorted.value[low]);
}

double series_median(const struct series *s)
{
	return series_percentile(s, 50);
}

struct series series_ratio(const struct series *a, const struct series *b)
{
	struct series r = { 0 };

	g_assert_cmpuint(a->n, ==, b->n);
	for (unsigned int i = 0; i < a->n; i++)
		series_add(&r, a->value[i] / b->value[i]);
	return r;
}

double series_drift(const struct series *s)
{
	struct series first = { .n = s->n / 2 }, second = { .n = s->n / 2 };

	memcpy(first.value, s->value, first.n * sizeof(double));
	memcpy(second.value, &s->value[s->n - second.n], second.n * sizeof(double));
	return fabs(series_median(&second) / series_median(&first) - 1);
}
