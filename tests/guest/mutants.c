// SPDX-License-Identifier: GPL-2.0
/*
 * Old bugs of the kernel's notifications, put back: each of them is found, in mirror
 * mode.  See docs/mutants.md; those of flushes are in mutants_shared.c, and arming
 * itself is in mutants_control.c.
 */
#include "play.h"

int main(int argc, char **argv)
{
	return plays_main(argc, argv, plays_mirror, plays_mirror_count);
}
