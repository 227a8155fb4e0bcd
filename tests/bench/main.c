// SPDX-License-Identifier: GPL-2.0
/*
 * bench FILE [TOLD…]: reads what guests have told, a file for each part, runs the
 * benchmarks of the device alone, prints the table, writes FILE.
 */
#include <stdio.h>

#include "bench.h"
#include "report.h"
#include "told.h"

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE.json [TOLD…]\n", argv[0]);
		return 2;
	}
	for (int i = 2; i < argc; i++)
		told_read(argv[i]);
	report_part("device");
	bench_caches();
	bench_goodput();
	return report_publish(argv[1]) ? 0 : 1;
}
