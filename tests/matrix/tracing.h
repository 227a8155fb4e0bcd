/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's calls into its MMU notifiers, by kprobes that write to a ring buffer of
 * their own: an instance in tracefs, which nothing else writes to.
 *
 * Concepts
 *
 *   The functions that are probed are out of line, and are called only if the address
 *   space has a subscriber.  Who called is the return address, which is on top of the
 *   stack at the functions' first instruction.
 *
 *   The buffer is read as it is, in pages: nothing is formatted, and a call that finds
 *   nothing costs a read for each processor.  Pages say if records before them were
 *   overwritten; these count as *lost*.
 *
 * One thread; and no two processes at a time.
 */
#ifndef DMIRAGE_MATRIX_TRACING_H
#define DMIRAGE_MATRIX_TRACING_H

#include "ktap.h"

enum traced {
	TRACED_START,		/* an invalidation begins */
	TRACED_SECONDARY,	/* secondary TLBs are to be flushed */
	TRACED_RELEASE,		/* the address space ends */
	TRACED_CHANGE_PTE,	/* an entry is replaced by another */
	TRACED_FLUSH_YOUNG,	/* three ways to ask if pages were used */
	TRACED_CLEAR_YOUNG,
	TRACED_TEST_YOUNG,
	TRACED_KINDS
};

/**
 * struct traced_call - one of them
 * @kind:   what was called
 * @event:  of an invalidation, enum mmu_notifier_event; else 0
 * @caller: return address
 * @start:  the range; all there is for TRACED_RELEASE
 * @end:    exclusive; @start if the function takes an address only
 */
struct traced_call {
	enum traced kind;
	unsigned int event;
	u64 caller;
	u64 start;
	u64 end;
};

/**
 * tracing_start() - set it up, after symbols_load(); removes what an earlier one left
 * @why: gets a sentence if it fails
 *
 * Return: 0; -ENOSYS the kernel does not have the function for invalidations; -EBUSY
 * another process has the instance open; what tracefs says.
 */
int tracing_start(char *why, size_t size);

/* Nothing is recorded until it is called again with false. */
void tracing_pause(bool pause);

/* All as it was. */
void tracing_stop(void);

/**
 * tracing_read() - what has been called since the last time
 * @lost: increased by how many are lost
 *
 * Calls of each processor are in order.
 *
 * Return: 0; -EPROTO a page is not what it should be; what read() fails with.
 */
int tracing_read(void (*call)(void *arg, const struct traced_call *call), void *arg, u64 *lost);

#endif /* DMIRAGE_MATRIX_TRACING_H */
