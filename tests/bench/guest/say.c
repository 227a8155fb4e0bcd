// SPDX-License-Identifier: GPL-2.0
/* Measurements, and telling the host of them.  See say.h. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "say.h"

/* 1 GiB takes a second or three */
#define LIMIT_NS 40000000000ull

void values_add(struct values *v, double value)
{
	ASSERT(v->n < MAX_VALUES);
	v->value[v->n++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double values_median(const struct values *v)
{
	struct values sorted = *v;

	ASSERT(v->n);
	qsort(sorted.value, v->n, sizeof(double), compare);
	return (sorted.value[(v->n - 1) / 2] + sorted.value[v->n / 2]) / 2;
}

struct values values_ratio(const struct values *a, const struct values *b)
{
	struct values r = { 0 };
	unsigned int i;

	ASSERT_EQ(a->n, b->n);
	for (i = 0; i < a->n; i++)
		values_add(&r, a->value[i] / b->value[i]);
	return r;
}

struct values values_minus(const struct values *a, const struct values *b)
{
	struct values r = { 0 };
	unsigned int i;

	ASSERT_EQ(a->n, b->n);
	for (i = 0; i < a->n; i++)
		values_add(&r, a->value[i] - b->value[i]);
	return r;
}

static void say_values(const struct values *v)
{
	unsigned int i;

	for (i = 0; i < v->n; i++)
		printf(" %.6g", v->value[i]);
	printf("\n");
	fflush(stdout);
}

void say_figure(const char *name, const char *unit, const char *goal,
		const struct values *v)
{
	printf("figure|%s|%s|%s|", name, unit, goal);
	say_values(v);
}

void say_control(const char *name, const struct values *v)
{
	printf("control|%s|", name);
	say_values(v);
}

void say_note(const char *text, const char *unit, const struct values *v)
{
	printf("note|%s|%s|", text, unit);
	say_values(v);
}

u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000ull + (u64)ts.tv_nsec;
}

u64 run_ns(struct dmirage *d, const struct dmirage_sqe *sqe)
{
	struct dmirage_cqe cqe;
	u64 begin = now_ns(), end;

	ASSERT_EQ(dmirage_submit(d, sqe, 1), 1);
	while (!dmirage_poll(d, &cqe, 1)) {
		ASSERT(now_ns() - begin < LIMIT_NS);
		sched_yield();
	}
	end = now_ns();
	ASSERT_EQ(cqe.status, DMIRAGE_ST_OK);
	return end - begin;
}

void make_cold(const struct probe_mem *mem)
{
	ASSERT_SYS(mprotect(mem->addr, mem->len, PROT_READ));
	ASSERT_SYS(mprotect(mem->addr, mem->len, PROT_READ | PROT_WRITE));
}
