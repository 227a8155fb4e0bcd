// SPDX-License-Identifier: GPL-2.0
/* Points where a test can stop the driver; see gate.h */

#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "gate.h"

static const char *const dmirage_gate_names[DMIRAGE_GATE_POINTS] = {
	[DMIRAGE_GATE_NONE] = "none",
	[DMIRAGE_GATE_FAULT_BEGIN] = "fault-begin",
	[DMIRAGE_GATE_FAULT_SNAPSHOT] = "fault-snapshot",
	[DMIRAGE_GATE_FAULT_LOCK] = "fault-lock",
	[DMIRAGE_GATE_FAULT_COMMIT] = "fault-commit",
	[DMIRAGE_GATE_INVAL_BEGIN] = "inval-begin",
	[DMIRAGE_GATE_INVAL_CLEARED] = "inval-cleared",
};

void dmirage_gate_init(struct dmirage_gate *gate)
{
	spin_lock_init(&gate->lock);
	init_waitqueue_head(&gate->wait);
}

static void dmirage_gate_open(struct dmirage_gate *gate)
{
	lockdep_assert_held(&gate->lock);

	WRITE_ONCE(gate->armed, DMIRAGE_GATE_NONE);
	gate->waiting = DMIRAGE_GATE_NONE;
	WRITE_ONCE(gate->done, gate->turn);
	wake_up_all(&gate->wait);
}

/* Armed before who waits goes on: he does not look under the lock. */
static void dmirage_gate_next(struct dmirage_gate *gate)
{
	lockdep_assert_held(&gate->lock);

	WRITE_ONCE(gate->armed, gate->waiting);
	gate->waiting = DMIRAGE_GATE_NONE;
	/* after @armed: whoever sees this comes to the gate next */
	smp_store_release(&gate->done, gate->turn);
	wake_up_all(&gate->wait);
}

/**
 * dmirage_gate_set - what was written to debugfs
 * @gate: the context's gate
 * @text: a point, which is armed, maybe with an address after it; or "release";
 *        or "again": release whoever waits, and stop the next comer at the same
 *        point, and nobody gets by between
 *
 * Return: 0; -EINVAL for an unknown name, or what is no address, or "again" if
 * nobody waits; -EBUSY if somebody waits already.
 */
int dmirage_gate_set(struct dmirage_gate *gate, char *text)
{
	char *name = strsep(&text, " ");
	unsigned long addr = 0;
	int point, ret = 0;

	if (!strcmp(name, "release") && !text) {
		spin_lock(&gate->lock);
		dmirage_gate_open(gate);
		spin_unlock(&gate->lock);
		return 0;
	}

	if (!strcmp(name, "again") && !text) {
		spin_lock(&gate->lock);
		if (gate->waiting)
			dmirage_gate_next(gate);
		else
			ret = -EINVAL;
		spin_unlock(&gate->lock);
		return ret;
	}

	point = match_string(dmirage_gate_names, DMIRAGE_GATE_POINTS, name);
	if (point <= DMIRAGE_GATE_NONE)
		return -EINVAL;
	if (text && kstrtoul(skip_spaces(text), 0, &addr))
		return -EINVAL;

	spin_lock(&gate->lock);
	if (gate->waiting || gate->closed) {
		ret = -EBUSY;
	} else {
		gate->anybody = !text;
		gate->addr = addr;
		WRITE_ONCE(gate->armed, point);
	}
	spin_unlock(&gate->lock);
	return ret;
}

void dmirage_gate_show(struct dmirage_gate *gate, struct seq_file *m)
{
	spin_lock(&gate->lock);
	seq_printf(m, "armed %s\nwaiting %s\nexpired %lu\n",
		   dmirage_gate_names[gate->armed],
		   dmirage_gate_names[gate->waiting], gate->expired);
	spin_unlock(&gate->lock);
}

/* Let go whoever waits, and let nobody wait from now on. */
void dmirage_gate_close(struct dmirage_gate *gate)
{
	spin_lock(&gate->lock);
	gate->closed = true;
	dmirage_gate_open(gate);
	spin_unlock(&gate->lock);
}

void __dmirage_gate_pass(struct dmirage_gate *gate,
			 enum dmirage_gate_point point, unsigned long first,
			 unsigned long last)
{
	unsigned long turn;

	spin_lock(&gate->lock);
	if (gate->armed != point || gate->closed ||
	    (!gate->anybody && (gate->addr < first || gate->addr > last))) {
		spin_unlock(&gate->lock);
		return;
	}
	WRITE_ONCE(gate->armed, DMIRAGE_GATE_NONE);
	gate->waiting = point;
	turn = ++gate->turn;
	spin_unlock(&gate->lock);

	if (wait_event_timeout(gate->wait, (long)(READ_ONCE(gate->done) - turn) >= 0,
			       msecs_to_jiffies(DMIRAGE_GATE_LIMIT_MS)))
		return;

	/* arming is refused while somebody waits, so @turn is still ours */
	spin_lock(&gate->lock);
	if ((long)(gate->done - turn) < 0) {
		gate->waiting = DMIRAGE_GATE_NONE;
		WRITE_ONCE(gate->done, turn);
		gate->expired++;
	}
	spin_unlock(&gate->lock);
}
