/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Soak: all that user space can do that lets a translation go, or changes a page
 * table under one, as operations on areas of memory that a device uses meanwhile.
 */
#ifndef DMIRAGE_TEST_SOAK_OPS_H
#define DMIRAGE_TEST_SOAK_OPS_H

#include <stdatomic.h>

#include "common.h"

#define SOAK_LEN	PROBE_2M

enum soak_kind {
	SOAK_4K,
	SOAK_THP,
	SOAK_HUGETLB,
	SOAK_SHMEM,	/* shared by the workers */
	SOAK_SHMEM_THP,
	SOAK_KINDS
};

extern const char *const soak_kind_names[SOAK_KINDS];

/**
 * struct soak_area - memory of a kind, at one of two places
 * @kind:  what it is when it is fresh
 * @slot:  the places, reserved; what is not in use has no access
 * @addr:  the one in use; read by others at any time
 * @fd:    of shared memory, or -1
 * @other: it is not what it was when it was fresh (split, of another kind)
 */
struct soak_area {
	enum soak_kind kind;
	u8 *slot[2];
	_Atomic(u8 *) addr;
	int fd;
	bool other;
};

/**
 * struct soak_worker - a process
 * @number: counted from 0
 * @random: for all choices of its operations
 * @d:      its context, for what comes before an operation
 * @area:   its memory
 * @mode:   DMIRAGE_MODE_*, of all its contexts
 * @fault_mode: of all its contexts, or NULL
 * @child:  counters of contexts that are attached to children, so far
 */
struct soak_worker {
	unsigned int number;
	struct ktap_random random;
	struct dmirage *d;
	struct soak_area area[SOAK_KINDS];
	unsigned int mode;
	const char *fault_mode;
	struct soak_counts {
		u64 stores;
		u64 suspects;
		u64 by_watch;
		u64 by_access;
		u64 refused;
		u64 callbacks;
	} child;
};

#define SOAK_OF(kind)	(1u << (kind))
#define SOAK_ANY	(SOAK_OF(SOAK_KINDS) - 1)

/**
 * struct soak_op - an operation
 * @name:     as in the table
 * @kinds:    of areas it can be done to, SOAK_OF()
 * @weight:   how often, as against others
 * @since:    the kernel that has it, 601 for 6.1; it must work there
 * @notifies: it takes translations away, so there is a callback of a notifier
 * @maybe:    whether it comes to anything is the kernel's choice
 * @act:      do it; leaves the area readable and writable
 *
 * @act returns a negative errno if nothing, or not all of it, was done.
 */
struct soak_op {
	const char *name;
	unsigned int kinds;
	unsigned int weight;
	unsigned int since;
	bool notifies;
	bool maybe;
	int (*act)(struct soak_worker *w, struct soak_area *a);
};

extern const struct soak_op soak_ops[];
extern const unsigned int soak_ops_count;

/* Of the machine, before the first process; settings_back() after the last. */
void soak_settings(void);

/* Two places for each area, and files for what is shared; before processes. */
void soak_areas_make(struct soak_area area[SOAK_KINDS]);

/* New memory in its place, all there.  Return: 0, or a negative errno. */
int soak_area_fresh(struct soak_area *a);

/* Is it what a fresh one is? */
bool soak_area_is_right(const struct soak_area *a);

/* A context as the worker's. */
struct dmirage *soak_open(struct soak_worker *w, pid_t attach);

struct soak_counts soak_counts(struct dmirage *d);
struct soak_counts soak_sum(struct soak_counts a, struct soak_counts b);

/* Writes out what has been found so far, at most so many records. */
void soak_tell(struct dmirage *d, unsigned int max);

/* For all threads: a page that is not to be had does not end the process. */
void soak_catch(void);

/* The CPU does the same as soak_touch(); false: not all of it is there. */
bool soak_cpu(u8 *addr, size_t len, bool write);

/* The device reads or writes all of it, and changes nothing; the status. */
unsigned int soak_touch(struct dmirage *d, u8 *addr, size_t len, bool write);

#endif /* DMIRAGE_TEST_SOAK_OPS_H */
