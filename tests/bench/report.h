/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the benchmark found: a table for people, and a JSON list of objects with
 * "name", "value", "unit", "goal" and "ok" for programs.  "low" and "high" are
 * the quartiles of the "runs" values whose median "value" is.
 */
#ifndef TESTS_BENCH_REPORT_H
#define TESTS_BENCH_REPORT_H

#include "series.h"

enum goal {
	GOAL_NONE,
	AT_MOST,
	AT_LEAST,
	EXACTLY, /* each value, not the median */
};

void report_add(const char *name, const char *unit, const struct series *s,
		enum goal kind, double goal);
/* A figure beside the others: GB/s of a control and the like. */
void report_note(const char *text, const char *unit, const struct series *s);
/* What comes now was measured in that part. */
void report_part(const char *name);
/* The thing that the others of its part are measured against. */
void report_control(const char *name, const struct series *s);

/* What a system call costs who mirrors: see tests/guest/operations.h. */
struct operation {
	unsigned long callbacks;
	unsigned long events;
	unsigned long flushes;
	unsigned long refaults;
};

void report_operation(const char *name, const struct operation *o);

/*
 * Prints the table, and writes the file, unless a control drifted by more than
 * a tenth: then what its part measured is not worth publishing, and it has been
 * said which one that is.  Returns whether it was published.
 */
bool report_publish(const char *path);

#endif
