// SPDX-License-Identifier: GPL-2.0
/*
 * dmirage copy: copy a file by the device.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool.h"

#define BLOCK	65536u

struct args {
	struct common common;
	const char *src, *dst;
	bool anon;
};

static const struct argp_option options[] = {
	{ "anon", 'a', NULL, 0,
	  "Through anonymous memory: read SRC into it, have the device copy it to other memory, and write that to DST",
	  0 },
	{ 0 }
};

static const char doc[] =
	"Copy a file by the device.\v"
	"Both files are mapped, and the device copies from one mapping to the other; "
	"then both are read and compared. DST is made if it is not there, and what it "
	"had is lost. --huge means --anon.\n"
	"\n"
	"Exit status: 0 copied and the same; 1 not, or the oracle saw a stale access; "
	"2 to 4 as `dmirage --help' says.";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		common_init(state, &args->common);
		return 0;
	case 'a':
		args->anon = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0)
			args->src = arg;
		else if (state->arg_num == 1)
			args->dst = arg;
		else
			argp_error(state, "too many arguments");
		return 0;
	case ARGP_KEY_END:
		if (!args->dst)
			argp_error(state, "two files are needed: SRC and DST");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* Would making DST destroy SRC? */
static bool same_file(const struct area *src, const char *dst)
{
	struct stat a, b;

	return !fstat(src->fd, &a) && !stat(dst, &b) && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* All of it, or complain. */
static int transfer(const struct area *file, __u8 *buf, __u64 len, bool write)
{
	__u64 at = 0;
	ssize_t n;

	while (at < len) {
		if (write)
			n = pwrite(file->fd, buf + at, len - at, (off_t)at);
		else
			n = pread(file->fd, buf + at, len - at, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			complain("cannot %s %s: %s", write ? "write" : "read",
				 file->name,
				 n ? strerror(errno) : "it became shorter");
			return EXIT_ENV;
		}
		at += (__u64)n;
	}
	return 0;
}

/* By read(), which knows nothing of what the device did.  1, 0, or -1 */
static int compare(const struct area *src, const struct area *dst)
{
	static __u8 a[BLOCK], b[BLOCK];
	ssize_t n, m;
	off_t at = 0;

	do {
		n = pread(src->fd, a, BLOCK, at);
		m = pread(dst->fd, b, BLOCK, at);
		if (n < 0 || m < 0) {
			complain("cannot read %s: %s",
				 n < 0 ? src->name : dst->name,
				 strerror(errno));
			return -1;
		}
		if (n != m || memcmp(a, b, (size_t)n))
			return 0;
		at += n;
	} while (n);
	return 1;
}

static int copy(struct work *w, const struct args *args,
		const struct area *from, const struct area *to)
{
	struct dmirage_sqe sqe;
	int ret;

	ret = work_area(w, &args->common, from);
	if (!ret)
		ret = work_area(w, &args->common, to);
	if (ret)
		return ret;
	work_begin(w);
	dmirage_prep_copy(&sqe, 0, to->addr, from->addr, from->len);
	ret = work_job(w, &sqe);
	return ret ? ret : work_end(w);
}

static int copy_through(struct work *w, const struct args *args,
			const struct area *src, const struct area *dst)
{
	struct area from, to;
	int ret;

	ret = area_anon(&from, src->len, args->common.huge);
	if (ret)
		return ret;
	ret = area_anon(&to, src->len, args->common.huge);
	if (!ret)
		ret = transfer(src, from.addr, src->len, false);
	if (!ret)
		ret = copy(w, args, &from, &to);
	if (!ret)
		ret = transfer(dst, to.addr, dst->len, true);
	area_free(&to);
	area_free(&from);
	return ret;
}

static int copy_files(struct work *w, const struct args *args,
		      const struct area *src)
{
	struct area dst;
	int ret, same;

	ret = area_create(&dst, args->dst, src->len);
	if (!ret && (args->anon || args->common.huge))
		ret = copy_through(w, args, src, &dst);
	else if (!ret)
		ret = copy(w, args, src, &dst);
	if (!ret) {
		same = compare(src, &dst);
		ret = same < 0 ? EXIT_ENV :
				 work_report(w, &args->common, "copied",
					     src->len, same);
	}
	area_free(&dst);
	return ret;
}

int cmd_copy(int argc, char **argv)
{
	const struct argp argp = {
		.options = options, .parser = parse, .doc = doc,
		.args_doc = "SRC DST", .children = common_children,
	};
	struct args args = { 0 };
	struct area src;
	struct work w;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	ret = work_open(&w, &args.common);
	if (ret)
		return ret;
	ret = area_file(&src, args.src, false);
	if (!ret && same_file(&src, args.dst)) {
		complain("%s and %s are the same file", args.src, args.dst);
		ret = EXIT_USAGE;
	}
	if (!ret)
		ret = copy_files(&w, &args, &src);
	/* First the device, then what it works on. */
	dmirage_close(w.d);
	area_free(&src);
	return ret;
}
