// SPDX-License-Identifier: GPL-2.0
/*
 * dmirage stat: the counters of a device, once or again and again.
 */
#define _GNU_SOURCE
#include <argp.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tool.h"

struct args {
	const char *device;
	double interval;
	bool json;
};

static const struct argp_option options[] = {
	{ "device", 'd', "FILE", 0, "Device file (default: the first one)", 0 },
	{ "interval", 'i', "SECONDS", 0,
	  "Again and again, with the growth since the time before", 0 },
	{ "json", 'j', NULL, 0, "One JSON object per line", 0 },
	{ 0 }
};

static const char doc[] =
	"Show the counters of a device: all contexts since the driver was loaded.";

#define ROW(field, text) { #field, text, offsetof(struct dmirage_counters, field) }
#define HEADING(text) { NULL, text, 0 }

static const struct {
	const char *name;
	const char *text;
	size_t offset;
} rows[] = {
	HEADING("Device"),
	ROW(ops, "operations completed"),
	ROW(ops_failed, "of these, with an error"),
	ROW(bytes_read, "bytes read by DMA"),
	ROW(bytes_written, "bytes written by DMA"),
	ROW(accesses, "accesses (one translation each)"),
	ROW(iotlb_hits, "translations found in the IOTLB"),
	ROW(iotlb_misses, "looked up in the mirror table"),
	ROW(drained, "accesses that a flush had to await"),
	HEADING("Driver"),
	ROW(faults, "device faults"),
	ROW(fault_retries, "snapshots thrown away (invalidated)"),
	ROW(fault_errors, "faults that could not be resolved"),
	ROW(mapped_4k, "4 KiB entries mapped"),
	ROW(mapped_2m, "2 MiB entries mapped"),
	ROW(unmapped_4k, "4 KiB entries unmapped"),
	ROW(unmapped_2m, "2 MiB entries unmapped"),
	ROW(mapped_1g, "1 GiB entries mapped"),
	ROW(unmapped_1g, "1 GiB entries unmapped"),
	ROW(invalidations, "invalidations by the kernel"),
	ROW(flushes, "of these, flushed the device"),
	ROW(flushes_elided, "of these, nothing was mapped"),
	ROW(inval_refused, "of these, refused (might not sleep)"),
	ROW(prefetches, "prefetches done, or ended by an error"),
	ROW(prefetch_errors, "of these, ended by an error"),
	ROW(prefetched, "bytes that these made translations for"),
	ROW(intervals, "MMU notifiers there are now"),
	ROW(pinned, "4 KiB pages pinned now"),
	HEADING("Oracle"),
	ROW(checks, "pages compared"),
	ROW(suspects, "found absent, looked at again"),
	ROW(violations, "stale accesses"),
	ROW(records_lost, "records dropped unread"),
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;
	char *end;

	switch (key) {
	case 'd':
		args->device = arg;
		return 0;
	case 'i':
		args->interval = strtod(arg, &end);
		if (end == arg || *end || !(args->interval >= 0.01) ||
		    args->interval > 86400)
			argp_error(state, "bad interval '%s' (0.01..86400 seconds)",
				   arg);
		return 0;
	case 'j':
		args->json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "too many arguments");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static __u64 value(const struct dmirage_counters *c, size_t row)
{
	__u64 v;

	memcpy(&v, (const char *)c + rows[row].offset, sizeof(v));
	return v;
}

static void print_json(const struct dmirage_counters *c)
{
	const char *sep = "{";
	size_t i;

	for (i = 0; i < N_ROWS; i++) {
		if (!rows[i].name)
			continue;
		printf("%s\"%s\":%llu", sep, rows[i].name, value(c, i));
		sep = ",";
	}
	puts("}");
	fflush(stdout);
}

static void print_table(const struct dmirage_counters *c,
			const struct dmirage_counters *before)
{
	size_t i;

	for (i = 0; i < N_ROWS; i++) {
		if (!rows[i].name) {
			printf("%s%s\n", i ? "\n" : "", rows[i].text);
			continue;
		}
		printf("  %-16s %14llu", rows[i].name, value(c, i));
		if (before)
			printf(" %+12lld",
			       (long long)(value(c, i) - value(before, i)));
		printf("   %s\n", rows[i].text);
	}
	fflush(stdout);
}

int cmd_stat(int argc, char **argv)
{
	const struct argp argp = {
		.options = options, .parser = parse, .doc = doc,
	};
	struct dmirage_counters c, before;
	struct args args = { 0 };
	struct timespec nap;
	bool again = false;
	struct dmirage *d;
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	err = tool_look(args.device, &d);
	if (err)
		return err;
	nap.tv_sec = (time_t)args.interval;
	nap.tv_nsec = (long)((args.interval - (double)nap.tv_sec) * 1e9);
	for (;;) {
		err = dmirage_get_counters(d, DMIRAGE_SCOPE_DEVICE, &c);
		if (err)
			break;
		if (again && !args.json)
			puts("");
		if (args.json)
			print_json(&c);
		else
			print_table(&c, again ? &before : NULL);
		if (args.interval == 0)
			break;
		before = c;
		again = true;
		nanosleep(&nap, NULL);
	}
	dmirage_close(d);
	if (err) {
		complain("cannot read the counters: %s", strerror(-err));
		return EXIT_ENV;
	}
	return EXIT_OK;
}
