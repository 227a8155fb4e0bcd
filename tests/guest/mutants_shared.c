// SPDX-License-Identifier: GPL-2.0
/*
 * Old bugs of the kernel's flushes of secondary TLBs, put back: each of them is found, in
 * shared mode.  See docs/mutants.md.
 */
#include <stdlib.h>

#include "play.h"

#define LIMIT_S	40

static void one_play(int n)
{
	play(&plays_shared[n]);
}

static void prepare(void)
{
	reserve_huge_pages();
	play_alone();
	if (!mutant_loaded())
		atexit(mutant_tidy);
}

int main(int argc, char **argv)
{
	static struct ktap_test tests[32];
	unsigned int i;

	for (i = 0; i < plays_shared_count; i++)
		tests[i] = (struct ktap_test){ plays_shared[i].name, one_play, (int)i, LIMIT_S };
	return ktap_main(argc, argv, tests, plays_shared_count, prepare);
}
