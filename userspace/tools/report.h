/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the commands print about violations.
 */
#ifndef DMIRAGE_REPORT_H
#define DMIRAGE_REPORT_H

#include <stdio.h>

#include "causes.h"
#include "trace_line.h"

/* On what they were found, kernel and device: the head of a mail. */
void report_head(FILE *f, const char *dev);

/* One violation, in full. */
void report_violation(FILE *f, const struct dmirage_violation *v);

/* The first violation of a cause in full, and how often it has happened. */
void report_cause(FILE *f, const struct cause *cause);

/* A line for each cause. */
void report_table(FILE *f, const struct causes *c);

/* One violation as a JSON object, on a line. */
void report_violation_json(FILE *f, const struct trace_line *line);

#endif /* DMIRAGE_REPORT_H */
