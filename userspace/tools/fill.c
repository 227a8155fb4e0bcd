// SPDX-License-Identifier: GPL-2.0
/*
 * dmirage fill: fill a file, or memory, with a pattern by the device.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

struct args {
	struct common common;
	const char *file;
	const char *pattern_text;
	__u64 pattern;
	__u64 size;
	bool anon, sized;
};

static const struct argp_option options[] = {
	{ "anon", 'a', "SIZE", 0, "Anonymous memory of that size, and no file",
	  0 },
	{ "size", 's', "SIZE", 0, "Make FILE, or make it so long", 0 },
	{ 0 }
};

static const char doc[] =
	"Fill a file, or memory, with a pattern of 8 bytes by the device.\v"
	"PATTERN is a number of 64 bits, as 0x1122334455667788; the lowest byte comes "
	"first. Sizes are bytes, or have K, M or G behind. What was written is read "
	"again and compared.\n"
	"\n"
	"Exit status: 0 filled and right; 1 not, or the oracle saw a stale access; "
	"2 to 4 as `dmirage --help' says.";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		common_init(state, &args->common);
		return 0;
	case 'a':
	case 's':
		if (!parse_size(arg, &args->size) || args->size > INT64_MAX)
			argp_error(state, "bad size '%s'", arg);
		args->anon |= key == 'a';
		args->sized |= key == 's';
		return 0;
	case ARGP_KEY_ARG:
		/* The last one is the pattern, and there may be a file before. */
		if (state->arg_num > 1)
			argp_error(state, "too many arguments");
		args->file = args->pattern_text;
		args->pattern_text = arg;
		return 0;
	case ARGP_KEY_END:
		if (args->anon && args->sized)
			argp_error(state, "--size is for a file, --anon has its own");
		if (args->anon ? args->file != NULL : !args->file)
			argp_error(state, "either FILE or --anon is needed");
		if (!args->pattern_text)
			argp_error(state, "a pattern is needed");
		if (!parse_number(args->pattern_text, &args->pattern))
			argp_error(state, "bad pattern '%s' (a number, as 0x1122334455667788)",
				   args->pattern_text);
		if (args->common.huge && !args->anon)
			argp_error(state, "--huge is for --anon");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* Is it in memory what it should be; and in the file, if there is one? */
static int check(const struct area *a, __u64 pattern)
{
	__u8 block[4096], want[sizeof(block)];
	const __u8 *have;
	__u64 at, n;

	for (at = 0; at < sizeof(want); at += 8)
		memcpy(want + at, &pattern, 8);
	for (at = 0; at < a->len; at += n) {
		n = a->len - at < sizeof(want) ? a->len - at : sizeof(want);
		have = a->addr + at;
		if (a->fd >= 0) {
			if (pread(a->fd, block, n, (off_t)at) != (ssize_t)n)
				return 0;
			have = block;
		}
		if (memcmp(have, want, n))
			return 0;
	}
	return 1;
}

static int fill(struct work *w, const struct args *args, const struct area *a)
{
	struct dmirage_sqe sqe;
	int ret;

	ret = work_area(w, &args->common, a);
	if (ret)
		return ret;
	work_begin(w);
	dmirage_prep_fill(&sqe, 0, a->addr, args->pattern, a->len);
	ret = work_job(w, &sqe);
	if (!ret)
		ret = work_end(w);
	if (ret)
		return ret;
	return work_report(w, &args->common, "filled", a->len,
			   check(a, args->pattern));
}

int cmd_fill(int argc, char **argv)
{
	const struct argp argp = {
		.options = options, .parser = parse, .doc = doc,
		.args_doc = "FILE PATTERN\n--anon=SIZE PATTERN",
		.children = common_children,
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
	else if (args.sized)
		ret = area_create(&a, args.file, args.size);
	else
		ret = area_file(&a, args.file, true);
	if (!ret)
		ret = fill(&w, &args, &a);
	dmirage_close(w.d);
	area_free(&a);
	return ret;
}
