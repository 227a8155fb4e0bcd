/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bugs that Linux has had in telling devices that a page table changes, put back into
 * the running kernel for one process.
 *
 * Concepts
 *
 *   A *mutant* is a row of the table (table.c): one such bug, and what it takes to have
 *   it again.  It is *armed* for a *target*, the address space of one process; the
 *   notifications of all others are not touched.  One is armed at a time.
 *
 *   A *notification* is a pair of calls around a change of a page table,
 *   __mmu_notifier_invalidate_range_start() and _end(), with a range that belongs to the
 *   kernel's *caller*.  A *flush* is the call for devices that walk the process's own page
 *   table (the secondary TLBs): __mmu_notifier_invalidate_range() until 6.5, and then
 *   also at the end of a notification; __mmu_notifier_arch_invalidate_secondary_tlbs()
 *   since 6.6.
 *
 *   A mutant *applies* to what its caller does, if event and length are right, too.  It
 *   is a *hit* then: notifiers are called with a copy of the range that is wrong, or the
 *   flush is left out.  The caller's own range never changes, since it goes by that
 *   itself.  Who the caller is, the return address says.
 *
 * Locks: control_lock (control.c) is for who arms and disarms.  Hooks take none.
 */
#ifndef DMIRAGE_MUTANT_H
#define DMIRAGE_MUTANT_H

#include <linux/mmu_notifier.h>
#include <linux/types.h>
#include <linux/version.h>

/* What a mutant does to a notification, or to a flush. */
enum mutant_how {
	MUTANT_KILL,		/* nobody is told */
	MUTANT_CLIP,		/* told of the first bytes only */
	MUTANT_CLIP_LAST,	/* of the last PUD_SIZE, told of the first bytes only */
	MUTANT_SHIFT,		/* told of what comes behind it, as long */
	MUTANT_LATE,		/* told when it is over */
	MUTANT_NO_FLUSH,	/* not flushed */
	MUTANT_CLIP_FLUSH,	/* flushed of the first bytes only */
};

/* The kernel's functions that hooks stand for, and call. */
typedef int mutant_start_fn(struct mmu_notifier_range *range);
typedef void mutant_flush_fn(struct mm_struct *mm, unsigned long start, unsigned long end);

/* The kernels whose callers are known. */
enum mutant_kernel {
	MUTANT_6_1,
	MUTANT_6_12,
	MUTANT_KERNELS
};

/* MUTANT_END_FLUSHES: so does the end of a notification */
#if KERNEL_VERSION(6, 1, 0) <= LINUX_VERSION_CODE && KERNEL_VERSION(6, 2, 0) > LINUX_VERSION_CODE
#define MUTANT_KERNEL		MUTANT_6_1
#define MUTANT_END_FLUSHES	1
#elif KERNEL_VERSION(6, 12, 0) <= LINUX_VERSION_CODE && \
	KERNEL_VERSION(6, 13, 0) > LINUX_VERSION_CODE
#define MUTANT_KERNEL		MUTANT_6_12
#define MUTANT_END_FLUSHES	0
#else
#error "the callers of this kernel are not known: tests/mutants/table.c has those of 6.1 and 6.12"
#endif

#if MUTANT_END_FLUSHES
typedef void mutant_end_fn(struct mmu_notifier_range *range, bool only_end);
#else
typedef void mutant_end_fn(struct mmu_notifier_range *range);
#endif

#define MUTANT_EVENT(e)	BIT(MMU_NOTIFY_##e)
#define MUTANT_ANYBODY	"*"

/**
 * struct mutant - a bug
 * @name:    of the mutant
 * @commit:  upstream, that the bug has to do with: in nearly all rows its fix
 * @title:   of that
 * @wrong:   what went wrong in the world
 * @how:     what is done
 * @events:  MUTANT_EVENT(), of notifications; 0: any
 * @min_len: length of a range from which on
 * @bytes:   that are left, where some are
 * @on:      for each kernel:
 *           callers: its functions, with blanks between; MUTANT_ANYBODY; NULL: none
 *           report: the function that a report by watch has in its call chain
 * @why_not: on a kernel without callers
 *
 * Callers are functions that the compiler has not made part of others, so they differ
 * between kernels.  That of a flush need not be the next one: it is looked for among
 * MUTANT_DEPTH.
 */
struct mutant {
	const char *name;
	const char *commit;
	const char *title;
	const char *wrong;
	enum mutant_how how;
	unsigned int events;
	unsigned long min_len;
	unsigned long bytes;
	struct {
		const char *callers;
		const char *report;
	} on[MUTANT_KERNELS];
	const char *why_not;
};

#define MUTANT_DEPTH	12
#define MUTANT_SYMBOL_MAX	64	/* letters of a function's name, in the table */

extern const struct mutant mutants[];
extern const unsigned int mutants_count;

/* ---- Functions of the kernel (symbol.c) --------------------------------------- */

int symbol_init(void);

/* Address of a function that is not exported; 0: there is none of that name. */
unsigned long symbol_address(const char *name);

/* Is the function around this return address among these names? */
bool symbol_is_one_of(unsigned long ret, const char *names);

/* The first of these names that there is no function of, or NULL. */
const char *symbol_missing(const char *names, char *buf, size_t size);

/* ---- Ranges (range.c) ---------------------------------------------------------- */

/* Does the mutant apply to this notification? */
bool mutant_applies(const struct mutant *m, const struct mmu_notifier_range *range,
		    unsigned long ret);

/* Does it apply to a flush?  Asks for the call chain. */
bool mutant_applies_to_flush(const struct mutant *m);

bool mutant_is_of_flush(const struct mutant *m);

/* What notifiers are told instead of @range. */
void mutant_change(const struct mutant *m, struct mmu_notifier_range *range);

/* A range that no process has anything in. */
void range_of_nobody(struct mmu_notifier_range *range);

/* ---- Hooks (hook.c) -------------------------------------------------------------- */

/* Are the functions there that hooks stand for?  Says which one is not. */
int hook_init(void);

/**
 * hook_arm() - put a mutant in
 * @mm:   the target; the caller has a reference to the struct until hook_disarm()
 * @gone: called when the target has no user any more, from atomic context
 *
 * Return: 0, or what register_ftrace_function() fails with; then nothing is armed.
 */
int hook_arm(const struct mutant *m, struct mm_struct *mm, void (*gone)(void));

/*
 * Take it out.  When this returns no hook runs, and none will.  May wait for a
 * notification that is to be late.
 */
void hook_disarm(void);

/* How often the mutant that is armed, or was last, has been applied. */
unsigned long hook_hits(void);

/* Notifications that have begun, and will be late. */
unsigned int hook_late(void);

/* For how long a notification that is late waits, in ms.  Others may look meanwhile. */
extern u32 hook_late_ms;
#define HOOK_LATE_MAX_MS	5000

#endif /* DMIRAGE_MUTANT_H */
