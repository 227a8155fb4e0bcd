/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a process does to memory that the device mirrors, and what it costs:
 * callbacks of the MMU notifier, commands that the device got, faults
 * afterwards.  For the tests, and for the benchmark's table.
 *
 * Concepts
 *
 *   An *event* is a callback that took something out of the mirror table.  The
 *   driver counts callbacks; the *flushes* are counted by the device, so that a
 *   driver that sends more, or fewer, does not count itself right.
 */
#ifndef DMIRAGE_TEST_OPERATIONS_H
#define DMIRAGE_TEST_OPERATIONS_H

#include "common.h"

struct operated;

/**
 * struct operation - one system call, or a store
 * @name:    of it, without blanks
 * @kind:    of the memory, 2 MiB of it
 * @prepare: what comes before it, or NULL; the device then reads all of it again
 * @act:     it
 * @least:   so many callbacks must come, on any kernel
 * @whole:   it is about the whole process, so about memory that is mapped
 */
struct operation {
	const char *name;
	enum probe_kind kind;
	void (*prepare)(struct operated *o);
	void (*act)(struct operated *o);
	unsigned int least;
	bool whole;
};

/**
 * struct operated - what an operation is done to, and what it has changed
 * @mem:   the memory
 * @now:   where it is after it
 * @hole:  bytes that are gone, from @hole_at on
 * @hole_at: offset
 * @child: a process that shares the pages, or 0
 */
struct operated {
	struct probe_mem mem;
	uint8_t *now;
	size_t hole_at;
	size_t hole;
	pid_t child;
};

/**
 * struct operation_cost - what it took
 * @callbacks: of the MMU notifier
 * @events:    of these, found something mapped
 * @flushes:   range commands that the device got
 * @refaults:  faults of the device, to read all again that is still there
 */
struct operation_cost {
	u64 callbacks;
	u64 events;
	u64 flushes;
	u64 refaults;
};

extern const struct operation operations[];
extern const unsigned int operations_count;

/**
 * operation_measure() - do it, once
 * @mapped: the device has used the memory; else only the 2 MiB before it, so
 *          that there is a notifier
 *
 * Ends the test if it does not work, and skips it if the kernel does not have
 * it.
 */
struct operation_cost operation_measure(const struct operation *op,
					bool mapped);

#endif /* DMIRAGE_TEST_OPERATIONS_H */
