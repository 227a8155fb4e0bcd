// SPDX-License-Identifier: GPL-2.0
/*
 * dmirage prefetch: make translations in advance, and show that the device
 * then does not fault.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <time.h>

#include "tool.h"

#define ASYNC_LIMIT_MS	10000

struct args {
	struct common common;
	const char *file;
	__u64 size;
	bool anon, write, async;
};

static const struct argp_option options[] = {
	{ "anon", 'a', "SIZE", 0, "Anonymous memory of that size, and no file",
	  0 },
	{ "write", 'w', NULL, 0, "For writing (default: for reading)", 0 },
	{ "async", 'A', NULL, 0,
	  "Ask for it, and look at the counters until it is done", 0 },
	{ 0 }
};

static const char doc[] =
	"Have translations of a file, or of memory, made before the device needs them.\v"
	"Then the device touches each page, and the faults that it takes are counted: "
	"there should be none. Mirror mode only. With --write FILE is written to, "
	"but not changed. Sizes are bytes, or have K, M or G behind.\n"
	"\n"
	"Exit status: 0 done; 1 the device had to fault, or the oracle saw a stale "
	"access; 2 to 4 as `dmirage --help' says.";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		common_init(state, &args->common);
		return 0;
	case 'a':
		if (!parse_size(arg, &args->size) || !args->size ||
		    args->size > INT64_MAX)
			argp_error(state, "bad size '%s'", arg);
		args->anon = true;
		return 0;
	case 'w':
		args->write = true;
		return 0;
	case 'A':
		args->async = true;
		return 0;
	case ARGP_KEY_ARG:
		if (args->file)
			argp_error(state, "too many arguments");
		args->file = arg;
		return 0;
	case ARGP_KEY_END:
		if (args->anon ? args->file != NULL : !args->file)
			argp_error(state, "either FILE or --anon is needed");
		if (args->common.mode != DMIRAGE_MODE_MIRROR)
			argp_error(state, "only mirror mode has a prefetch");
		if (args->common.huge && !args->anon)
			argp_error(state, "--huge is for --anon");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static int complain_prefetch(const struct area *a, int err, __u64 done)
{
	complain("cannot prefetch %s: %s, after %llu bytes", a->name,
		 strerror(-err), done);
	return EXIT_ENV;
}

/* How an asynchronous one went is in the counters. */
static int await(struct work *w, const struct area *a)
{
	const struct timespec nap = { .tv_nsec = 1000000 };
	unsigned int ms;
	int ret;

	for (ms = 0; ms < ASYNC_LIMIT_MS; ms++) {
		ret = work_end(w);
		if (ret)
			return ret;
		if (w->counters.prefetch_errors) {
			complain("cannot prefetch %s: there was an error after %llu bytes",
				 a->name, w->counters.prefetched);
			return EXIT_ENV;
		}
		if (w->counters.prefetches)
			return 0;
		nanosleep(&nap, NULL);
	}
	complain("the prefetch is not done after %u s", ASYNC_LIMIT_MS / 1000);
	return EXIT_ENV;
}

static int prefetch(struct work *w, const struct args *args,
		    const struct area *a)
{
	unsigned int flags = 0;
	uint64_t done;
	int err;

	if (args->write)
		flags |= DMIRAGE_PREFETCH_WRITE;
	if (args->async)
		flags |= DMIRAGE_PREFETCH_ASYNC;
	work_begin(w);
	err = dmirage_prefetch(w->d, a->addr, a->len, flags, &done);
	if (err)
		return complain_prefetch(a, err, done);
	return args->async ? await(w, a) : work_end(w);
}

static void report(const struct work *w, const struct args *args,
		   const struct area *a, const struct dmirage_counters *after)
{
	const struct dmirage_counters *n = &w->counters;
	char size[32], all[32];

	if (args->common.json) {
		printf("{\"prefetched\":%llu,\"bytes\":%llu,\"ns\":%llu,\"mapped_4k\":%llu,\"mapped_2m\":%llu,\"mapped_1g\":%llu,\"faults_before\":%llu,\"faults_touching\":%llu,\"checks\":%llu,\"violations\":%llu}\n",
		       n->prefetched, a->len, w->ns, n->mapped_4k,
		       n->mapped_2m, n->mapped_1g, n->faults,
		       after->faults - n->faults, after->checks,
		       after->violations);
		return;
	}
	printf("prefetched %s of %s in %.3f ms\n",
	       format_size(n->prefetched, size, sizeof(size)),
	       format_size(a->len, all, sizeof(all)), (double)w->ns / 1e6);
	printf("  entries made: %llu of 4 KiB, %llu of 2 MiB, %llu of 1 GiB\n",
	       n->mapped_4k, n->mapped_2m, n->mapped_1g);
	printf("  then the device touched each page: %llu faults\n",
	       after->faults - n->faults);
	printf("  the oracle compared %llu pages: %llu stale accesses\n",
	       after->checks, after->violations);
}

static int prefetch_and_touch(struct work *w, const struct args *args,
			      const struct area *a)
{
	struct dmirage_counters after;
	struct dmirage_sqe sqe;
	int ret;

	ret = work_area(w, &args->common, a);
	if (!ret)
		ret = prefetch(w, args, a);
	if (ret)
		return ret;
	if (args->write)
		dmirage_prep_touch_write(&sqe, 0, a->addr, a->len);
	else
		dmirage_prep_touch_read(&sqe, 0, a->addr, a->len);
	ret = work_job(w, &sqe);
	if (ret)
		return ret;
	ret = dmirage_get_counters(w->d, DMIRAGE_SCOPE_CONTEXT, &after);
	if (ret) {
		complain("cannot read the counters: %s", strerror(-ret));
		return EXIT_ENV;
	}
	report(w, args, a, &after);
	return after.faults > w->counters.faults || after.violations ?
		       EXIT_BAD :
		       EXIT_OK;
}

int cmd_prefetch(int argc, char **argv)
{
	const struct argp argp = {
		.options = options, .parser = parse, .doc = doc,
		.args_doc = "FILE\n--anon=SIZE", .children = common_children,
	};
	struct args args = { 0 };
	struct area a;
	struct work w;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	ret = work_open(&w, &args.common);
	if (ret)
		return ret;
	if (args.anon)
		ret = area_anon(&a, args.size, args.common.huge);
	else
		ret = area_file(&a, args.file, args.write);
	if (!ret && !a.len) {
		complain("%s is empty: there is nothing to prefetch", a.name);
		ret = EXIT_USAGE;
	}
	if (!ret)
		ret = prefetch_and_touch(&w, &args, &a);
	dmirage_close(w.d);
	area_free(&a);
	return ret;
}
