/* SPDX-License-Identifier: GPL-2.0 */
/* What the demo's parts share: what a person sees, and the kernel's own bugs. */
#ifndef DMIRAGE_DEMO_H
#define DMIRAGE_DEMO_H

#include <stdbool.h>

#include "libdmirage.h"

/* ---- Output ------------------------------------------------------------- */

/* Escape sequences, or nothing. */
struct demo_color {
	const char *bold, *red, *green, *plain;
};

extern struct demo_color demo_color;

/* @when: auto, always, never.  Return: 0; -1 it is none of these. */
int demo_set_colors(const char *when);

/* A line of a scenario, indented. */
void demo_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A report, indented. */
void demo_report(const struct dmirage_violation *v);

/* ---- Bugs that Linux has had ----------------------------------------------- */

/*
 * How many there are to be put back.  0: this kernel, or this machine, does not do for
 * that, and why has been said.
 */
unsigned int demo_kernel_count(const char *path);

const char *demo_kernel_title(unsigned int i);

/* Put it back, and catch it.  Return: all is as expected. */
bool demo_kernel_run(unsigned int i, const char *path);

/* What became of those that were run. */
void demo_kernel_table(void);

/* The kernel is as it comes again. */
void demo_kernel_end(void);

#endif /* DMIRAGE_DEMO_H */
