// SPDX-License-Identifier: GPL-2.0
/*
 * How many commands the device gets: one for each callback of the MMU notifier
 * that finds something mapped, and none for the others.
 */
#include <stdio.h>

#include "operations.h"

static void note(const struct operation *op, const struct operation_cost *c)
{
	ktap_note("%s: %llu callbacks, %llu found something; %llu flushes, then %llu faults",
		  op->name, c->callbacks, c->events, c->flushes, c->refaults);
}

/* As many as needed. */
static void mapped(int i)
{
	struct operation_cost c = operation_measure(&operations[i], true);

	note(&operations[i], &c);
	EXPECT_GE(c.callbacks, operations[i].least);
	if (operations[i].least)
		EXPECT_GE(c.events, 1);
	EXPECT_EQ(c.flushes, c.events);
}

/* None: the device has never used it. */
static void unmapped(int i)
{
	struct operation_cost c = operation_measure(&operations[i], false);

	note(&operations[i], &c);
	EXPECT_EQ(c.events, 0);
	EXPECT_EQ(c.flushes, 0);
}

#define MAX_TESTS	64

int main(int argc, char **argv)
{
	static struct ktap_test tests[MAX_TESTS];
	static char names[MAX_TESTS][48];
	unsigned int i, n = 0;

	for (i = 0; i < operations_count && n + 2 <= MAX_TESTS; i++) {
		snprintf(names[n], sizeof(names[n]), "mapped-%s",
			 operations[i].name);
		tests[n] = (struct ktap_test){ names[n], mapped, (int)i, 0 };
		n++;
		if (operations[i].whole)
			continue;
		snprintf(names[n], sizeof(names[n]), "unmapped-%s",
			 operations[i].name);
		tests[n] = (struct ktap_test){ names[n], unmapped, (int)i, 0 };
		n++;
	}
	return ktap_main(argc, argv, tests, n, reserve_huge_pages);
}
