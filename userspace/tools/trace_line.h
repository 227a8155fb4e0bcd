/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A line of the kernel's trace that tells of a violation: the tracepoint
 * dmirage:dmirage_violation, as driver/trace.h writes it.
 */
#ifndef DMIRAGE_TRACE_LINE_H
#define DMIRAGE_TRACE_LINE_H

#include <linux/types.h>
#include <dmirage_hw.h>
#include <dmirage.h>

/**
 * struct trace_line - what it says
 * @time: seconds, by the trace's clock
 * @dev:  the device's PCI address
 * @v:    the record, but for @lost_before
 */
struct trace_line {
	double time;
	char dev[32];
	struct dmirage_violation v;
};

enum trace_line_kind {
	TRACE_LINE_OTHER, /* no violation */
	TRACE_LINE_GOOD,
	TRACE_LINE_BAD, /* a violation; what of it is not understood */
};

/**
 * trace_line_parse() - read a line
 * @text: it, with or without its newline
 * @line: what it says; complete if it is GOOD, else of no meaning
 *
 * It takes each name in any order and passes over those that it does not know,
 * but none may be missing: half a record would mislead.
 */
enum trace_line_kind trace_line_parse(const char *text,
				      struct trace_line *line);

/* What these of a record are called in such a line; "-" if there is none. */
const char *trace_kind_str(const struct dmirage_violation *v);
const char *trace_by_str(const struct dmirage_violation *v);
const char *trace_holder_str(const struct dmirage_violation *v);
const char *trace_access_str(const struct dmirage_violation *v);
const char *trace_op_str(const struct dmirage_violation *v);
const char *trace_why_str(const struct dmirage_violation *v);

#endif /* DMIRAGE_TRACE_LINE_H */
