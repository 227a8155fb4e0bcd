// SPDX-License-Identifier: GPL-2.0
/*
 * Call chains.  See chain.h.
 *
 * All in an NMI, which may have come anywhere in the kernel: in the middle of
 * this driver, in another interrupt, with any lock held.  So nothing is locked,
 * nothing is allocated, and the device is touched by accesses that belong to no
 * sequence: NMI_TICKET and NMI_CHAIN are for the processor that uses them.
 *
 * The table is a hash with open addressing that only grows.  A place is taken by
 * compare-and-exchange, filled, and then shown.  Another processor that comes
 * upon one that is being filled does not wait: it goes on to the next place, and
 * may put the same chain there once more.
 */

#include <linux/jhash.h>
#include <linux/kallsyms.h>
#include <linux/mm.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <linux/stacktrace.h>
#include <linux/string.h>

#include <asm/nmi.h>

#include "chain.h"
#include "device.h"

/* struct dmirage_chain.state */
#define DMIRAGE_CHAIN_FREE  0
#define DMIRAGE_CHAIN_BUSY  1
#define DMIRAGE_CHAIN_READY 2

/* answers in one NMI; the device awaits no more than that at once */
#define DMIRAGE_NMI_TICKETS 64

/* devices that may send NMIs: changed under the lock, read by RCU */
static LIST_HEAD(dmirage_nmi_devs);
static DEFINE_MUTEX(dmirage_nmi_lock);

/* The number of what is in @pc, or DMIRAGE_CHAIN_NOT_SAVED. */
static u32 dmirage_chain_id(struct dmirage_dev *dd, const unsigned long *pc,
			    u32 n)
{
	u32 hash = jhash(pc, n * sizeof(*pc), 0), i;

	for (i = 0; i < DMIRAGE_CHAINS; i++) {
		u32 at = (hash + i) % DMIRAGE_CHAINS;
		struct dmirage_chain *c = &dd->chains[at];
		/* pairs with atomic_set_release() below */
		int state = atomic_read_acquire(&c->state);

		if (state == DMIRAGE_CHAIN_FREE) {
			state = atomic_cmpxchg(&c->state, DMIRAGE_CHAIN_FREE,
					       DMIRAGE_CHAIN_BUSY);
			if (state == DMIRAGE_CHAIN_FREE) {
				c->hash = hash;
				c->n = n;
				memcpy(c->pc, pc, n * sizeof(*pc));
				atomic_set_release(&c->state,
						   DMIRAGE_CHAIN_READY);
				return at + 1;
			}
		}
		if (state == DMIRAGE_CHAIN_READY && c->hash == hash &&
		    c->n == n && !memcmp(c->pc, pc, n * sizeof(*pc)))
			return at + 1;
	}
	return DMIRAGE_CHAIN_NOT_SAVED;
}

/* What was interrupted, and who called that. */
static u32 dmirage_chain_save(struct dmirage_dev *dd,
			      const struct pt_regs *regs)
{
	unsigned long pc[DMIRAGE_CHAIN_DEPTH + 16];
	u32 n = stack_trace_save(pc, ARRAY_SIZE(pc), 0), skip;

	/* the kernel's and our way here */
	for (skip = 0; skip < n && pc[skip] != regs->ip; skip++)
		;
	if (skip == n) {
		pc[0] = regs->ip;
		skip = 0;
		n = 1;
	}
	return dmirage_chain_id(dd, pc + skip,
				min_t(u32, n - skip, DMIRAGE_CHAIN_DEPTH));
}

/*
 * A number for what this processor is in the middle of: a system call, or an
 * exception.  A task that begins another one has other registers from user mode,
 * and one that was taken off the processor has a count more of that.  Kernel
 * threads have no such registers, and are one entry until they are taken off.
 */
static u16 dmirage_chain_entry(void)
{
	u64 what[] = {
		(unsigned long)current,
		current->nvcsw + current->nivcsw,
		0,
		0,
		0,
		0,
		0,
	};
	const struct pt_regs *regs = task_pt_regs(current);
	u32 hash;

	if (current->mm) {
		what[2] = regs->ip;
		what[3] = regs->sp;
		what[4] = regs->orig_ax;
		what[5] = regs->di;
		what[6] = regs->si;
	}
	hash = jhash(what, sizeof(what), 0);
	return hash ^ hash >> 16;
}

/* Return: was the device the one that sent it? */
static bool dmirage_nmi_answer(struct dmirage_dev *dd,
			       const struct pt_regs *regs)
{
	u32 ticket = dmirage_readl(dd, DMIRAGE_REG_NMI_TICKET), id, i;
	u16 entry, task = task_pid_nr(current);
	u32 saved = 0;

	/* all ones: it has been unplugged */
	if (!ticket || ticket == U32_MAX)
		return false;
	entry = dmirage_chain_entry();
	for (i = 0; ticket && ticket != U32_MAX && i < DMIRAGE_NMI_TICKETS; i++) {
		if (dmirage_readq(dd, DMIRAGE_REG_NMI_PC) == regs->ip) {
			if (!saved)
				saved = dmirage_chain_save(dd, regs);
			id = saved;
			if (id <= DMIRAGE_CHAINS)
				atomic_inc(&dd->chains[id - 1].stores);
		} else {
			id = DMIRAGE_CHAIN_LATE;
			atomic_inc(&dd->chains_late);
		}
		dmirage_writeq(dd, DMIRAGE_REG_NMI_CHAIN,
			       (u16)ticket | (u64)task << 16 |
				       (u64)id << 32 | (u64)entry << 48);
		ticket = dmirage_readl(dd, DMIRAGE_REG_NMI_TICKET);
	}
	return true;
}

/* NMIs of others pass: what is counted here is only what a device sent. */
static int dmirage_nmi(unsigned int type, struct pt_regs *regs)
{
	struct dmirage_dev *dd;
	int handled = NMI_DONE;

	rcu_read_lock();
	list_for_each_entry_rcu(dd, &dmirage_nmi_devs, nmi_node)
		handled += dmirage_nmi_answer(dd, regs);
	rcu_read_unlock();
	return handled;
}

/**
 * dmirage_chain_restart - have the device send NMIs, again after a reset
 * @dd: the device
 */
void dmirage_chain_restart(struct dmirage_dev *dd)
{
	if (dd->chains)
		dmirage_writel(dd, DMIRAGE_REG_NMI,
			       READ_ONCE(dd->chains_off) ? 0 :
							   DMIRAGE_NMI_ENABLE);
}

/**
 * dmirage_chain_switch - have it send NMIs, or none
 * @dd: the device
 * @on: which
 *
 * Return: false: it cannot.
 */
bool dmirage_chain_switch(struct dmirage_dev *dd, bool on)
{
	if (!dd->chains)
		return false;
	WRITE_ONCE(dd->chains_off, !on);
	dmirage_chain_restart(dd);
	return true;
}

/* How many stores came by this chain.  Return: 0 also if there is none. */
u32 dmirage_chain_stores(struct dmirage_dev *dd, u32 id)
{
	return dd->chains && id && id <= DMIRAGE_CHAINS ?
		       atomic_read(&dd->chains[id - 1].stores) :
		       0;
}

/**
 * dmirage_chain_start - the beginning
 * @dd: the device; identified and reset
 *
 * Without it records lack their call chains and say so.
 */
void dmirage_chain_start(struct dmirage_dev *dd)
{
	int ret = 0;

	if (!(dd->caps & DMIRAGE_CAP_ORACLE_WATCH))
		return;
	dd->chains = kvcalloc(DMIRAGE_CHAINS, sizeof(*dd->chains), GFP_KERNEL);
	if (!dd->chains) {
		dev_warn(dd->dev, "no memory for call chains\n");
		return;
	}
	mutex_lock(&dmirage_nmi_lock);
	if (list_empty(&dmirage_nmi_devs))
		ret = register_nmi_handler(NMI_LOCAL, dmirage_nmi, 0,
					   KBUILD_MODNAME);
	if (!ret)
		list_add_tail_rcu(&dd->nmi_node, &dmirage_nmi_devs);
	mutex_unlock(&dmirage_nmi_lock);
	if (ret) {
		dev_warn(dd->dev, "no NMI handler, no call chains: %d\n", ret);
		dmirage_chain_free(dd);
		return;
	}
	dmirage_chain_restart(dd);
}

/**
 * dmirage_chain_stop - the end; records may still be read
 * @dd: the device, if it is still there; it has been reset: it sends no NMI
 */
void dmirage_chain_stop(struct dmirage_dev *dd)
{
	if (!dd->chains)
		return;
	/*
	 * One that was sent before the reset is taken by its processor before
	 * that does anything else; and now each has done something.
	 */
	synchronize_rcu();
	mutex_lock(&dmirage_nmi_lock);
	list_del_rcu(&dd->nmi_node);
	if (list_empty(&dmirage_nmi_devs))
		unregister_nmi_handler(NMI_LOCAL, KBUILD_MODNAME);
	mutex_unlock(&dmirage_nmi_lock);
	/* no handler is at the device's registers any more */
	synchronize_rcu();
}

/* Nobody has a record any more. */
void dmirage_chain_free(struct dmirage_dev *dd)
{
	kvfree(dd->chains);
	dd->chains = NULL;
}

static bool dmirage_same_function(unsigned long a, unsigned long b)
{
	char name_a[64], name_b[64];

	snprintf(name_a, sizeof(name_a), "%ps", (void *)a);
	snprintf(name_b, sizeof(name_b), "%ps", (void *)b);
	return !strcmp(name_a, name_b);
}

/**
 * dmirage_chain_print - a call chain in words
 * @dd:   the device
 * @id:   number of the chain, or DMIRAGE_CHAIN_*: then it comes out empty
 * @pc:   the instruction that stored, or 0
 * @buf:  where to: functions with offset and size, innermost first, a line each
 * @size: bytes there; of what does not fit, whole lines are missing
 *
 * The NMI comes a few instructions after the store.  Its function may have
 * returned by then, so the chain begins with @pc, and what was interrupted stays
 * out if it is of the same function.
 */
void dmirage_chain_print(struct dmirage_dev *dd, u32 id, unsigned long pc,
			 char *buf, size_t size)
{
	const struct dmirage_chain *c;
	size_t len = 0, more;
	u32 i = 0;

	buf[0] = '\0';
	if (!dd->chains || !id || id > DMIRAGE_CHAINS)
		return;
	c = &dd->chains[id - 1];
	if (atomic_read_acquire(&c->state) != DMIRAGE_CHAIN_READY)
		return;
	if (pc) {
		len = scnprintf(buf, size, "%pS\n", (void *)pc);
		if (dmirage_same_function(pc, c->pc[0]))
			i = 1;
	}
	for (; i < c->n; i++) {
		/* a return address may be that of the next function */
		more = snprintf(buf + len, size - len, i ? "%pB\n" : "%pS\n",
				(void *)c->pc[i]);
		if (more >= size - len) {
			buf[len] = '\0';
			break;
		}
		len += more;
	}
}
