// SPDX-License-Identifier: GPL-2.0
/*
 * dmirage audit: compare all that the device holds with the page tables of the
 * processes, without any DMA.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

#define DEBUGFS	"/sys/kernel/debug"

#define CONTEXTS	DMIRAGE_CONTEXTS

struct args {
	const char *device;
	__u64 context;
	__u64 addr, len;
	__u64 size;
	bool one, range, own, json;
};

static const struct argp_option options[] = {
	{ "device", 'd', "FILE", 0, "Device file (default: the first one)", 0 },
	{ "context", 'c', "N", 0, "Only this one (default: all)", 0 },
	{ "range", 'r', "ADDRESS:SIZE", 0,
	  "Only this part of the address space (default: all)", 0 },
	{ "own", 'o', "SIZE", 0,
	  "Of a context of one's own, which has just touched so much memory; needs no root",
	  0 },
	{ "json", 'j', NULL, 0, "One JSON object per context", 0 },
	{ 0 }
};

static const char doc[] =
	"Compare all translations that the device holds with the page tables of the processes.\v"
	"No access to memory is needed for that, and nothing is stopped. The contexts "
	"of others are reached by debugfs, as root; what is found goes to the owner "
	"of the context, too, and to `dmirage violations'. Sizes are bytes, or have "
	"K, M or G behind.\n"
	"\n"
	"Exit status: 0 nothing is stale; 1 something is, or an audit did not get to "
	"its end; 2 to 4 as `dmirage --help' says.";

static void parse_range(struct args *args, char *text, struct argp_state *state)
{
	char *colon = strchr(text, ':');

	if (colon)
		*colon = '\0';
	if (!colon || !parse_number(text, &args->addr) ||
	    !parse_size(colon + 1, &args->len) || !args->len) {
		if (colon)
			*colon = ':';
		argp_error(state, "bad range '%s' (as 0x7f0000000000:2M)", text);
	}
	args->range = true;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;

	switch (key) {
	case 'd':
		args->device = arg;
		return 0;
	case 'c':
		if (!parse_number(arg, &args->context) ||
		    args->context >= CONTEXTS)
			argp_error(state, "bad context '%s' (0..%u)", arg,
				   CONTEXTS - 1);
		args->one = true;
		return 0;
	case 'r':
		parse_range(args, arg, state);
		return 0;
	case 'o':
		if (!parse_size(arg, &args->size) || !args->size ||
		    args->size > INT64_MAX)
			argp_error(state, "bad size '%s'", arg);
		args->own = true;
		return 0;
	case 'j':
		args->json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "too many arguments");
		return 0;
	case ARGP_KEY_END:
		if (args->own && (args->one || args->range))
			argp_error(state, "--own goes without --context and --range");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* ---- Output ------------------------------------------------------------ */

static void print_heading(const struct args *args)
{
	if (!args->json)
		printf("context  translations       pages  stale\n");
}

static void print_result(const struct args *args, unsigned int asid,
			 const struct dmirage_audit_range *r)
{
	printf(args->json ?
		       "{\"context\":%u,\"translations\":%u,\"pages\":%u,\"stale\":%u}\n" :
		       "%7u  %12u  %10u  %5u\n",
	       asid, r->translations, r->pages, r->violations);
}

static void print_cut(const struct args *args, unsigned int asid)
{
	printf(args->json ? "{\"context\":%u,\"cut\":true}\n" :
			    "%7u  cut short: the context ended, or is too large\n",
	       asid);
}

/* ---- Of one's own ------------------------------------------------------ */

static int audit_own(const struct args *args)
{
	const struct common common = { .device = args->device };
	struct dmirage_audit_range r = { 0 };
	struct dmirage_info info;
	struct dmirage_sqe sqe;
	struct area a;
	struct work w;
	int ret, err;

	ret = work_open(&w, &common);
	if (ret)
		return ret;
	ret = area_anon(&a, args->size, false);
	if (!ret) {
		dmirage_prep_touch_write(&sqe, 0, a.addr, a.len);
		ret = work_job(&w, &sqe);
	}
	if (!ret) {
		err = dmirage_get_info(w.d, &info);
		if (!err)
			err = dmirage_audit(w.d, a.addr, a.len, &r);
		if (err) {
			complain("cannot audit: %s", strerror(-err));
			ret = EXIT_ENV;
		}
	}
	if (!ret) {
		print_heading(args);
		print_result(args, info.asid, &r);
		ret = r.violations ? EXIT_BAD : EXIT_OK;
	}
	dmirage_close(w.d);
	area_free(&a);
	return ret;
}

/* ---- Of others --------------------------------------------------------- */

/* debugfs' folder of the device. */
static int find_folder(const struct args *args, char *path, size_t size)
{
	struct dmirage_info info;
	struct dmirage *d;
	int ret, err;

	ret = tool_look(args->device, &d);
	if (ret)
		return ret;
	err = dmirage_get_info(d, &info);
	dmirage_close(d);
	if (err) {
		complain("the driver does not answer: %s", strerror(-err));
		return EXIT_ENV;
	}
	snprintf(path, size, DEBUGFS "/dmirage/%.31s", info.pci_name);
	if (!access(path, R_OK | X_OK))
		return 0;
	if (errno == EACCES)
		complain("cannot look into %s: %s (are you root? --own needs none)",
			 path, strerror(errno));
	else
		complain("cannot look into %s: %s (is debugfs mounted? mount -t debugfs debugfs %s)",
			 path, strerror(errno), DEBUGFS);
	return EXIT_ENV;
}

/* Write the order, and read the answer. */
static int ask(const char *path, const char *order, char *answer, size_t size)
{
	ssize_t n;
	int fd, err = 0;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, order, strlen(order)) < 0)
		err = -errno;
	n = err ? 0 : pread(fd, answer, size - 1, 0);
	if (n < 0)
		err = -errno;
	close(fd);
	answer[n > 0 ? n : 0] = '\0';
	return err;
}

static int audit_context(const struct args *args, const char *folder,
			 unsigned int asid)
{
	struct dmirage_audit_range r = { 0 };
	char path[128], order[64] = "all", answer[128];
	int err;

	snprintf(path, sizeof(path), "%s/ctx%u/audit", folder, asid);
	if (args->range)
		snprintf(order, sizeof(order), "0x%llx 0x%llx", args->addr,
			 args->len);
	err = ask(path, order, answer, sizeof(answer));
	/* Without --context it is no matter that one has just ended. */
	if ((err == -ENOENT || err == -ENODEV) && !args->one)
		return EXIT_OK;
	if (err == -ECANCELED) {
		print_cut(args, asid);
		return EXIT_BAD;
	}
	if (err == -ENOENT) {
		complain("there is no context %u (%s)", asid, path);
		return EXIT_USAGE;
	}
	if (err) {
		complain("cannot audit context %u: %s", asid, strerror(-err));
		return EXIT_ENV;
	}
	if (sscanf(answer, "translations %u pages %u violations %u",
		   &r.translations, &r.pages, &r.violations) != 3) {
		print_cut(args, asid);
		return EXIT_BAD;
	}
	print_result(args, asid, &r);
	return r.violations ? EXIT_BAD : EXIT_OK;
}

/* Which contexts there are now, in order; -1 if that cannot be seen. */
static int find_contexts(const char *folder, bool *there)
{
	unsigned int asid;
	struct dirent *e;
	DIR *dir;
	int n = 0;

	dir = opendir(folder);
	if (!dir)
		return -1;
	while ((e = readdir(dir))) {
		if (sscanf(e->d_name, "ctx%u", &asid) != 1 || asid >= CONTEXTS)
			continue;
		there[asid] = true;
		n++;
	}
	closedir(dir);
	return n;
}

int cmd_audit(int argc, char **argv)
{
	const struct argp argp = {
		.options = options, .parser = parse, .doc = doc,
	};
	bool there[CONTEXTS] = { false };
	struct args args = { 0 };
	int ret, worst = EXIT_OK;
	char folder[80];
	unsigned int i;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (args.own)
		return audit_own(&args);
	ret = find_folder(&args, folder, sizeof(folder));
	if (ret)
		return ret;
	if (args.one) {
		there[args.context] = true;
	} else if (find_contexts(folder, there) < 0) {
		complain("cannot look into %s: %s", folder, strerror(errno));
		return EXIT_ENV;
	}
	print_heading(&args);
	for (i = 0; i < CONTEXTS; i++) {
		ret = there[i] ? audit_context(&args, folder, i) : EXIT_OK;
		if (ret > worst)
			worst = ret;
	}
	return worst;
}
