/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Watched contexts: memory that one holds, changes of that, and what is seen of
 * them.
 *
 * Concepts
 *
 *   A change is *seen* if there is a record of it by watch.  It is *unseen* if
 *   there is none, by no kind of look, and there will be none: the device has had
 *   as long as it takes to be sure.
 */
#ifndef DMIRAGE_TEST_WATCHED_H
#define DMIRAGE_TEST_WATCHED_H

#include "common.h"

#define WATCHED_AT	 (5 * PROBE_4K)	/* the page that is changed, if it is one */
#define WATCHED_LIMIT_MS 4000		/* more than the device takes to be sure */

/* Skips the test if the device cannot watch. */
void need_watch(void);

/* A watched context, in a fault mode if there is a name.  Skips likewise. */
struct dmirage *open_watched(unsigned int ctx_mode, const char *mode);

/* 2 MiB, and the device has a translation of all of it, writable. */
struct probe_mem watched_mem(struct dmirage *d, enum probe_kind kind);

/* ---- Changes ------------------------------------------------------------ */

void watched_move(struct probe_mem *mem);
void watched_unmap(struct probe_mem *mem);
void watched_protect(struct probe_mem *mem);

/* The accessed bit of each page of the process goes; nobody is told of that. */
void clear_accessed(void);

/* Of the page at WATCHED_AT. */
void watched_drop(struct probe_mem *mem);
/* The process gets another frame there. */
void watched_replace(struct probe_mem *mem);

/* The child lives until watched_child_ends(). */
void watched_fork(struct probe_mem *mem);
void watched_child_ends(void);

/* ---- What is seen -------------------------------------------------------- */

void expect_unseen(struct dmirage *d);

/*
 * The next record.  It is by watch, of the bytes @addr..@addr + @len, and the device
 * has done nothing since.
 *
 * @kind: enum dmirage_violation_kind
 * @why:  enum dmirage_watch_why
 */
struct dmirage_violation expect_seen(struct dmirage *d, const void *addr,
				     size_t len, unsigned int kind,
				     unsigned int why);

/* Is a function, "name+0x1/0x2", among these names? */
bool is_one_of(const char *function, const char *names);

/* ---- Where -------------------------------------------------------------- */

/* The calling thread runs on this processor alone. */
void stay_on(unsigned int cpu);

/* ---- The kernel ---------------------------------------------------------- */

/*
 * One whose names of functions are known.  In others the compiler may have put these
 * functions into others.
 */
bool known_kernel(void);

#endif /* DMIRAGE_TEST_WATCHED_H */
