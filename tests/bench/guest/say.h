/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the guest tells the host of a measurement: lines that tests/bench/told.c
 * reads.  Each has all values, so that one place decides what they are worth.
 */
#ifndef DMIRAGE_BENCH_SAY_H
#define DMIRAGE_BENCH_SAY_H

#include "common.h"

#define MAX_VALUES	64

/**
 * struct values - measurements of one thing, in the order they were made
 * @n:     how many
 * @value: they
 */
struct values {
	unsigned int n;
	double value[MAX_VALUES];
};

void values_add(struct values *v, double value);
double values_median(const struct values *v);

/* Value by value. */
struct values values_ratio(const struct values *a, const struct values *b);
struct values values_minus(const struct values *a, const struct values *b);

/* A figure; @goal is "<= 4", ">= 0.9", "== 1", or "none". */
void say_figure(const char *name, const char *unit, const char *goal,
		const struct values *v);

/* What others are measured against, and must not have drifted. */
void say_control(const char *name, const struct values *v);

/* Beside the figures. */
void say_note(const char *text, const char *unit, const struct values *v);

u64 now_ns(void);

/*
 * Carry it out, with one processor: the driver's work gets it at once, since the
 * wait gives it up again and again.  Return: ns from before to after.
 */
u64 run_ns(struct dmirage *d, const struct dmirage_sqe *sqe);

/* The device has nothing of it, and the process has all of it. */
void make_cold(const struct probe_mem *mem);

/* The parts; they are tests, for they end if what they do does not work. */
void bench_hot(int kind);
void bench_fault(int arg);
void bench_cold(int arg);
void bench_ahead(int arg);
void bench_flushes(int arg);
void bench_migration(int arg);
void bench_watch_migration(int kind);
void bench_watch_store(int arg);
void bench_watch_many(int arg);
void bench_watch_idle(int arg);
void bench_redis(int arg);

/* The script that bench_redis() runs; not in every guest. */
#define REDIS_LOAD "/usr/bin/redis-load"

#endif /* DMIRAGE_BENCH_SAY_H */
