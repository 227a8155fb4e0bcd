// SPDX-License-Identifier: GPL-2.0
/* bench FILE: runs all benchmarks, prints the table, writes FILE. */
#include <stdio.h>

#include "bench.h"
#include "report.h"

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s FILE.json\n", argv[0]);
		return 2;
	}
	bench_caches();
	bench_goodput();
	return report_publish(argv[1]) ? 0 : 1;
}
