// SPDX-License-Identifier: GPL-2.0
/*
 * Old bugs of the kernel's flushes of secondary TLBs, put back: each of them is found, in
 * shared mode.  See docs/mutants.md.
 */
#include "play.h"

int main(int argc, char **argv)
{
	return plays_main(argc, argv, plays_shared, plays_shared_count);
}
