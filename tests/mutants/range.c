// SPDX-License-Identifier: GPL-2.0
/* What a mutant makes of a range: see mutant.h. */

#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/stacktrace.h>
#include <linux/string.h>

#include "mutant.h"

bool mutant_is_of_flush(const struct mutant *m)
{
	return m->how == MUTANT_NO_FLUSH || m->how == MUTANT_CLIP_FLUSH;
}

static bool is_anybody(const char *callers)
{
	return !strcmp(callers, MUTANT_ANYBODY);
}

bool mutant_applies(const struct mutant *m, const struct mmu_notifier_range *range,
		    unsigned long ret)
{
	const char *callers = m->on[MUTANT_KERNEL].callers;

	if (m->events && !(m->events & BIT(range->event)))
		return false;
	if (range->end - range->start < m->min_len)
		return false;
	/* who may not block may be refused: then there is no end to be late at */
	if (m->how == MUTANT_LATE && !mmu_notifier_range_blockable(range))
		return false;
	return is_anybody(callers) || symbol_is_one_of(ret, callers);
}

bool mutant_applies_to_flush(const struct mutant *m)
{
	const char *callers = m->on[MUTANT_KERNEL].callers;
	unsigned long chain[MUTANT_DEPTH];
	unsigned int i, n;

	if (is_anybody(callers))
		return true;
	n = stack_trace_save(chain, ARRAY_SIZE(chain), 0);
	for (i = 0; i < n; i++) {
		if (symbol_is_one_of(chain[i], callers))
			return true;
	}
	return false;
}

/*
 * Not an empty range, and not one from 0 on: notifiers need not expect these.  And the
 * call is made, so that the kernel's count of notifications under way stays right.
 */
void range_of_nobody(struct mmu_notifier_range *range)
{
	range->start = ULONG_MAX & PAGE_MASK;
	range->end = range->start + 1;
}

void mutant_change(const struct mutant *m, struct mmu_notifier_range *range)
{
	unsigned long len = range->end - range->start;

	switch (m->how) {
	case MUTANT_KILL:
	case MUTANT_LATE:
		range_of_nobody(range);
		break;
	case MUTANT_CLIP:
	case MUTANT_CLIP_FLUSH:
		range->end = range->start + min(len, m->bytes);
		break;
	case MUTANT_CLIP_LAST:
		range->end = min(range->end, ALIGN_DOWN(range->end - 1, PUD_SIZE) + m->bytes);
		break;
	case MUTANT_SHIFT:
		range->start += len;
		range->end += len;
		break;
	case MUTANT_NO_FLUSH:
		break;
	}
}
