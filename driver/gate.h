/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Gates: points in the driver where a test can make the next comer wait, so
 * that a race becomes a schedule.  They are armed through debugfs by root, one
 * per context at a time, and for one comer: the first there, or the first that
 * is about a given address.  (A process invalidates more than one thinks: its
 * threads' stacks, its allocator's memory.)  Whoever waits goes on when the
 * gate is released, when the context ends, or after DMIRAGE_GATE_LIMIT_MS.
 *
 * Unarmed, a gate costs one load.
 */
#ifndef DMIRAGE_GATE_H
#define DMIRAGE_GATE_H

#include <linux/compiler.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#define DMIRAGE_GATE_LIMIT_MS	5000

/**
 * enum dmirage_gate_point - where a test can stop the driver
 * @DMIRAGE_GATE_NONE:           nowhere
 * @DMIRAGE_GATE_FAULT_BEGIN:    fault: sequence number read, page table not yet
 * @DMIRAGE_GATE_FAULT_SNAPSHOT: fault: page table read, context not yet locked
 * @DMIRAGE_GATE_FAULT_LOCK:     fault: the same, and tables are made
 * @DMIRAGE_GATE_FAULT_COMMIT:   fault: entry written and context unlocked, the
 *                               device not yet answered
 * @DMIRAGE_GATE_INVAL_BEGIN:    MMU notifier: context not yet locked
 * @DMIRAGE_GATE_INVAL_CLEARED:  MMU notifier: entries taken out, flush not yet
 *                               sent; the context is locked.  (In the fault mode
 *                               flush-before-clear the other way round.)
 * @DMIRAGE_GATE_POINTS:         number of values
 *
 * No gate stops an MMU notifier that may not sleep.
 */
enum dmirage_gate_point {
	DMIRAGE_GATE_NONE,
	DMIRAGE_GATE_FAULT_BEGIN,
	DMIRAGE_GATE_FAULT_SNAPSHOT,
	DMIRAGE_GATE_FAULT_LOCK,
	DMIRAGE_GATE_FAULT_COMMIT,
	DMIRAGE_GATE_INVAL_BEGIN,
	DMIRAGE_GATE_INVAL_CLEARED,
	DMIRAGE_GATE_POINTS
};

/**
 * struct dmirage_gate - the gate of a context
 * @lock:    guards the rest; innermost
 * @armed:   the point that stops the next comer; also read without @lock, by
 *           comers who then look again under it
 * @anybody: whatever the address
 * @addr:    else, an address that the comer must be about
 * @waiting: the point where somebody waits
 * @turn:    how many have begun to wait; the last of them is @waiting's
 * @done:    how many of these have been let go
 * @closed:  the context ends: nobody waits any more
 * @expired: how often somebody went on by himself
 * @wait:    where he waits
 */
struct dmirage_gate {
	spinlock_t lock;	/* see above */
	enum dmirage_gate_point armed;
	bool anybody;
	unsigned long addr;
	enum dmirage_gate_point waiting;
	unsigned long turn;
	unsigned long done;
	bool closed;
	unsigned long expired;
	wait_queue_head_t wait;
};

void dmirage_gate_init(struct dmirage_gate *gate);
int dmirage_gate_set(struct dmirage_gate *gate, char *text);
void dmirage_gate_show(struct dmirage_gate *gate, struct seq_file *m);
void dmirage_gate_close(struct dmirage_gate *gate);
void __dmirage_gate_pass(struct dmirage_gate *gate,
			 enum dmirage_gate_point point, unsigned long first,
			 unsigned long last);

/**
 * dmirage_gate_pass - wait here if a test wants it
 * @gate:  the context's gate
 * @point: where the caller is
 * @first: the addresses that it is about
 * @last:  last of them, inclusive
 *
 * Context: may sleep.
 */
static inline void dmirage_gate_pass(struct dmirage_gate *gate,
				     enum dmirage_gate_point point,
				     unsigned long first, unsigned long last)
{
	if (unlikely(READ_ONCE(gate->armed) == point))
		__dmirage_gate_pass(gate, point, first, last);
}

#endif /* DMIRAGE_GATE_H */
