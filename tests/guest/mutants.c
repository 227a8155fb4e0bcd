// SPDX-License-Identifier: GPL-2.0
/*
 * Old bugs of the kernel's notifications, put back: each of them is found, in mirror
 * mode.  See docs/mutants.md; those of flushes are in mutants_shared.c, and arming
 * itself is in mutants_control.c.
 */
#include <stdlib.h>

#include "play.h"

#define LIMIT_S	40

static void one_play(int n)
{
	play(&plays_mirror[n]);
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

	for (i = 0; i < plays_mirror_count; i++)
		tests[i] = (struct ktap_test){ plays_mirror[i].name, one_play, (int)i, LIMIT_S };
	return ktap_main(argc, argv, tests, plays_mirror_count, prepare);
}
