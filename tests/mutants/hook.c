// SPDX-License-Identifier: GPL-2.0
/*
 * Hooks: functions of ours that stand for functions of the kernel, as livepatch has
 * them.  ftrace calls hook_enter() where the kernel's function begins, and that goes on
 * in ours, if the call is about the target.  Ours runs in the place of the kernel's, with
 * its arguments, its caller and its right to sleep; and calls the kernel's, when
 * hook_enter() lets it be.
 *
 * Hooks are there only while a mutant is armed.  They end in this order, so that no
 * code of the module is left when it goes:
 *
 *  1. `armed' is gone, and an RCU grace period over: no range is made late any more.
 *  2. No range is late any more (`late_ranges').
 *  3. ftrace has let go of the functions: nobody comes in.
 *  4. Nobody is in (`inside').
 *  5. An RCU-tasks grace period is over: who has counted himself in or out, and was
 *     preempted between that and the code that it is about, has gone on.
 */

#define pr_fmt(fmt) "dmirage-mutants: " fmt

#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/wait.h>

#include "mutant.h"

#ifndef CONFIG_DYNAMIC_FTRACE_WITH_REGS
#error "hooks need a kernel with CONFIG_DYNAMIC_FTRACE_WITH_REGS"
#endif

u32 hook_late_ms;

static const struct mutant *armed;
static struct mm_struct *target;
static void (*target_gone)(void);
static atomic_long_t hits;

/* Calls of hooks that have not returned. */
static atomic_t inside;
static DECLARE_WAIT_QUEUE_HEAD(changed);

/*
 * Ranges that were made late at their start, by their address: it is on the stack of who
 * will end them, so no two at a time are the same.  If all places are taken, a range is
 * left as it is.
 */
static const struct mmu_notifier_range *late_ranges[16];

enum hook_at {
	HOOK_START,
	HOOK_END,
	HOOK_FLUSH,
	HOOK_EXIT,
	HOOKS
};

/**
 * struct hook - a hook
 * @symbol: of the kernel's function
 * @addr:   of that
 * @ours:   what stands for it; NULL: it is only looked at
 * @on:     ftrace knows of it
 * @ops:    for ftrace
 */
struct hook {
	const char *symbol;
	unsigned long addr;
	unsigned long ours;
	bool on;
	struct ftrace_ops ops;
};

static struct hook hooks[HOOKS];

static void hook_leave(void)
{
	if (atomic_dec_and_test(&inside))
		wake_up_all(&changed);
}

/* ---- Late ranges --------------------------------------------------------------------- */

static bool make_late(const struct mmu_notifier_range *range)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(late_ranges); i++) {
		if (!cmpxchg(&late_ranges[i], NULL, range))
			return true;
	}
	return false;
}

static bool is_late(const struct mmu_notifier_range *range)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(late_ranges); i++) {
		if (READ_ONCE(late_ranges[i]) == range)
			return true;
	}
	return false;
}

static void late_no_more(const struct mmu_notifier_range *range)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(late_ranges); i++) {
		if (cmpxchg(&late_ranges[i], range, NULL) == range)
			wake_up_all(&changed);
	}
}

unsigned int hook_late(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(late_ranges); i++)
		n += !!READ_ONCE(late_ranges[i]);
	return n;
}

/* ---- What stands for the kernel's functions --------------------------------------------- */

static int kernels_start(struct mmu_notifier_range *range)
{
	mutant_start_fn *start = (void *)hooks[HOOK_START].addr;

	return start(range);
}

/* Until 6.5 the end also flushes, but if it is @only_end. */
static void kernels_end(struct mmu_notifier_range *range, bool only_end)
{
	mutant_end_fn *end = (void *)hooks[HOOK_END].addr;

#if MUTANT_END_FLUSHES
	end(range, only_end);
#else
	end(range);
#endif
}

static noinline int our_start(struct mmu_notifier_range *range)
{
	unsigned long ret = (unsigned long)__builtin_return_address(0);
	struct mmu_notifier_range copy = *range;
	const struct mutant *m;
	bool late = false;
	int err;

	rcu_read_lock();
	m = READ_ONCE(armed);
	if (m && !mutant_is_of_flush(m) && mutant_applies(m, range, ret)) {
		late = m->how == MUTANT_LATE && make_late(range);
		if (late || m->how != MUTANT_LATE)
			mutant_change(m, &copy);
		if (m->how != MUTANT_LATE)
			atomic_long_inc(&hits);
	}
	rcu_read_unlock();

	err = kernels_start(&copy);
	if (err && late)
		late_no_more(range);
	hook_leave();
	return err;
}

/* It is over.  Who looks now finds that nobody has been told. */
static void end_late(struct mmu_notifier_range *range, bool only_end)
{
	struct mmu_notifier_range nobody = *range;

	atomic_long_inc(&hits);
	if (hook_late_ms)
		msleep(min(hook_late_ms, HOOK_LATE_MAX_MS));
	/* blockable, so it does not fail */
	kernels_start(range);
	kernels_end(range, only_end);
	range_of_nobody(&nobody);
	kernels_end(&nobody, true);
	late_no_more(range);
}

#if MUTANT_END_FLUSHES
static void end_flush(struct mmu_notifier_range *range, bool only_end, unsigned long ret)
{
	struct mmu_notifier_range copy = *range;
	const struct mutant *m;

	rcu_read_lock();
	m = READ_ONCE(armed);
	if (!only_end && m && mutant_is_of_flush(m) && mutant_applies(m, range, ret)) {
		only_end = m->how == MUTANT_NO_FLUSH;
		mutant_change(m, &copy);
		atomic_long_inc(&hits);
	}
	rcu_read_unlock();
	kernels_end(&copy, only_end);
}

static noinline void our_end(struct mmu_notifier_range *range, bool only_end)
{
	if (is_late(range))
		end_late(range, only_end);
	else
		end_flush(range, only_end, (unsigned long)__builtin_return_address(0));
	hook_leave();
}
#else
static noinline void our_end(struct mmu_notifier_range *range)
{
	if (is_late(range))
		end_late(range, false);
	else
		kernels_end(range, false);
	hook_leave();
}
#endif

/* Context: maybe atomic. */
static noinline void our_flush(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	mutant_flush_fn *flush = (void *)hooks[HOOK_FLUSH].addr;
	struct mmu_notifier_range range = { .mm = mm, .start = start, .end = end };
	const struct mutant *m;
	bool drop = false;

	rcu_read_lock();
	m = READ_ONCE(armed);
	if (m && mutant_applies_to_flush(m)) {
		drop = m->how == MUTANT_NO_FLUSH;
		mutant_change(m, &range);
		atomic_long_inc(&hits);
	}
	rcu_read_unlock();
	if (!drop)
		flush(mm, range.start, range.end);
	hook_leave();
}

/* ---- ftrace ----------------------------------------------------------------------------- */

static struct hook hooks[HOOKS] = {
	[HOOK_START] = {
		.symbol = "__mmu_notifier_invalidate_range_start",
		.ours = (unsigned long)our_start,
	},
	[HOOK_END] = {
		.symbol = "__mmu_notifier_invalidate_range_end",
		.ours = (unsigned long)our_end,
	},
	[HOOK_FLUSH] = {
#if MUTANT_END_FLUSHES
		.symbol = "__mmu_notifier_invalidate_range",
#else
		.symbol = "__mmu_notifier_arch_invalidate_secondary_tlbs",
#endif
		.ours = (unsigned long)our_flush,
	},
	[HOOK_EXIT] = {
		.symbol = "exit_mmap",
	},
};

/* The address space that a call is about. */
static struct mm_struct *notrace hook_mm(const struct hook *hook, const struct pt_regs *regs)
{
	if (hook == &hooks[HOOK_START] || hook == &hooks[HOOK_END])
		return ((const struct mmu_notifier_range *)regs->di)->mm;
	return (struct mm_struct *)regs->di;
}

static void notrace hook_enter(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			       struct ftrace_regs *fregs)
{
	struct hook *hook = ops->private;
	struct pt_regs *regs = ftrace_get_regs(fregs);

	if (!regs || hook_mm(hook, regs) != READ_ONCE(target))
		return;
	if (!hook->ours) {
		target_gone();
		return;
	}
	/* ours calls the kernel's */
	if (within_module(parent_ip, THIS_MODULE))
		return;
	atomic_inc(&inside);
	regs->ip = hook->ours;
}

static int hook_on(struct hook *hook)
{
	int ret;

	memset(&hook->ops, 0, sizeof(hook->ops));
	hook->ops.func = hook_enter;
	hook->ops.private = hook;
	hook->ops.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_RECURSION;
	if (hook->ours)
		hook->ops.flags |= FTRACE_OPS_FL_IPMODIFY;
	ret = ftrace_set_filter_ip(&hook->ops, hook->addr, 0, 0);
	if (!ret)
		ret = register_ftrace_function(&hook->ops);
	if (ret) {
		ftrace_free_filter(&hook->ops);
		pr_err("no hook for %s: %d\n", hook->symbol, ret);
		return ret;
	}
	hook->on = true;
	return 0;
}

static void hooks_off(void)
{
	unsigned int i;

	for (i = 0; i < HOOKS; i++) {
		if (!hooks[i].on)
			continue;
		unregister_ftrace_function(&hooks[i].ops);
		ftrace_free_filter(&hooks[i].ops);
		hooks[i].on = false;
	}
}

static bool hook_needed(unsigned int i, const struct mutant *m)
{
	switch (i) {
	case HOOK_START:
		return !mutant_is_of_flush(m);
	case HOOK_END:
		return m->how == MUTANT_LATE ||
		       (mutant_is_of_flush(m) && MUTANT_END_FLUSHES);
	case HOOK_FLUSH:
		return mutant_is_of_flush(m);
	default:
		return true;
	}
}

int hook_init(void)
{
	unsigned int i;

	for (i = 0; i < HOOKS; i++) {
		hooks[i].addr = symbol_address(hooks[i].symbol);
		if (!hooks[i].addr) {
			pr_err("this kernel has no function %s\n", hooks[i].symbol);
			return -ENOENT;
		}
	}
	return 0;
}

int hook_arm(const struct mutant *m, struct mm_struct *mm, void (*gone)(void))
{
	unsigned int i;
	int ret = 0;

	target_gone = gone;
	atomic_long_set(&hits, 0);
	WRITE_ONCE(target, mm);
	for (i = 0; i < HOOKS && !ret; i++) {
		if (hook_needed(i, m))
			ret = hook_on(&hooks[i]);
	}
	if (ret) {
		hook_disarm();
		return ret;
	}
	/* all hooks are there: what begins late ends late */
	WRITE_ONCE(armed, m);
	return 0;
}

void hook_disarm(void)
{
	WRITE_ONCE(armed, NULL);
	synchronize_rcu();
	wait_event(changed, !hook_late());
	hooks_off();
	WRITE_ONCE(target, NULL);
	wait_event(changed, !atomic_read(&inside));
	synchronize_rcu_tasks();
}

unsigned long hook_hits(void)
{
	return atomic_long_read(&hits);
}
