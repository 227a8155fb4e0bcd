// SPDX-License-Identifier: GPL-2.0
/*
 * dmirage violations: those of all contexts of all devices, from the driver's
 * tracepoint.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

#define EVENT	"dmirage_violation: "

struct args {
	__u64 count;
	double timeout;
	bool follow, json;
};

static const struct argp_option options[] = {
	{ "follow", 'f', NULL, 0, "Wait for them, and show each as it comes",
	  0 },
	{ "count", 'n', "N", 0, "With --follow: end after so many", 0 },
	{ "timeout", 't', "SECONDS", 0, "With --follow: end after that time",
	  0 },
	{ "json", 'j', NULL, 0, "One JSON object per line", 0 },
	{ 0 }
};

static const char doc[] =
	"Show violations of all contexts: stale accesses, and what audits found.\v"
	"They come from the tracepoint dmirage:dmirage_violation, which only root can "
	"read. Without --follow it is those that the kernel's trace buffer has, if "
	"the tracepoint was on (`echo 1 >/sys/kernel/tracing/events/dmirage/enable'). "
	"A trace has the main part of a record; the rest goes to the process that the "
	"context belongs to.\n"
	"\n"
	"Exit status: 0 there was none; 1 there were some; 2 to 4 as `dmirage --help' "
	"says.";

static volatile sig_atomic_t interrupted;

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;
	char *end;

	switch (key) {
	case 'f':
		args->follow = true;
		return 0;
	case 'n':
		if (!parse_number(arg, &args->count) || !args->count)
			argp_error(state, "bad number '%s'", arg);
		return 0;
	case 't':
		args->timeout = strtod(arg, &end);
		if (end == arg || *end || !(args->timeout > 0) ||
		    args->timeout > 86400)
			argp_error(state, "bad time '%s' (up to 86400 seconds)",
				   arg);
		return 0;
	case 'j':
		args->json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "too many arguments");
		return 0;
	case ARGP_KEY_END:
		if (!args->follow && (args->count || args->timeout > 0))
			argp_error(state, "--count and --timeout are for --follow");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* ---- A line of the trace ----------------------------------------------- */

/**
 * struct line - what a line says of a violation
 * @time: seconds since the boot
 * @kind, @by, @holder, @access: in the tracepoint's words
 */
struct line {
	double time;
	unsigned int asid, order, pages;
	char kind[16], by[16], holder[16], access[16];
	unsigned long long va, len, held, cpu, cookie;
};

/* The time is the last number before the event's name. */
static double time_before(const char *line, const char *event)
{
	const char *at = event;

	while (at > line && (isspace((unsigned char)at[-1]) || at[-1] == ':'))
		at--;
	while (at > line && (isdigit((unsigned char)at[-1]) || at[-1] == '.'))
		at--;
	return strtod(at, NULL);
}

static bool parse_line(const char *text, struct line *l)
{
	const char *event = strstr(text, EVENT);

	if (!event)
		return false;
	l->time = time_before(text, event);
	return sscanf(event + strlen(EVENT),
		      "asid %u kind %15s by %15s held in %15s %15s va %llx len %llx held %llx order %u cpu %llx pages %u cookie %llx",
		      &l->asid, l->kind, l->by, l->holder, l->access, &l->va,
		      &l->len, &l->held, &l->order, &l->cpu, &l->pages,
		      &l->cookie) == 12;
}

static void print_json(const struct line *l)
{
	printf("{\"time\":%.6f,\"context\":%u,\"kind\":\"%s\",\"by\":\"%s\",\"holder\":\"%s\",\"access\":\"%s\",\"addr\":%llu,\"len\":%llu,\"held_frame\":%llu,\"held_order\":%u,\"cpu_frame\":%llu,\"pages\":%u,\"cookie\":%llu}\n",
	       l->time, l->asid, l->kind, l->by, l->holder, l->access, l->va,
	       l->len, l->held, l->order, l->cpu, l->pages, l->cookie);
}

/* The tracepoint's word for a kind, as a report has it. */
static const char *kind_str(const char *word)
{
	static const char *const words[DMIRAGE_VIOL_MAX] = {
		[DMIRAGE_VIOL_FRAME] = "frame",
		[DMIRAGE_VIOL_ABSENT] = "absent",
		[DMIRAGE_VIOL_WRITE] = "write",
		[DMIRAGE_VIOL_DIVERGED] = "diverged",
	};
	unsigned int i;

	for (i = 1; i < DMIRAGE_VIOL_MAX; i++) {
		if (!strcmp(word, words[i]))
			return dmirage_violation_str(i);
	}
	return word;
}

static void print_text(const struct line *l)
{
	bool audit = !strcmp(l->by, "audit");
	char size[32];

	printf("%.6f %s", l->time, kind_str(l->kind));
	if (audit)
		printf(" held in %s, found by an audit", l->holder);
	printf(": %s %s at 0x%016llx by context %u",
	       audit			   ? "translation of" :
	       !strcmp(l->access, "write") ? "write of" :
					     "read of",
	       format_size(l->len, size, sizeof(size)), l->va, l->asid);
	if (!audit)
		printf(", cookie 0x%llx", l->cookie);
	printf("\n  device frame 0x%012llx (%s translation), ", l->held,
	       l->order < 64 ?
		       format_size(1ull << l->order, size, sizeof(size)) :
		       "?");
	if (l->cpu)
		printf("process's frame 0x%012llx", l->cpu);
	else
		printf("the process has nothing there");
	if (l->pages > 1)
		printf("; %u pages differ", l->pages);
	putchar('\n');
}

/* Return: was it a violation? */
static bool show(const struct args *args, const char *text)
{
	unsigned long long lost;
	const char *at = strstr(text, "[LOST ");
	struct line l;

	if (at && sscanf(at, "[LOST %llu EVENTS]", &lost) == 1)
		complain("%llu violations were lost: they came too fast", lost);
	if (!parse_line(text, &l))
		return false;
	if (args->json)
		print_json(&l);
	else
		print_text(&l);
	fflush(stdout);
	return true;
}

/* ---- tracefs ----------------------------------------------------------- */

static const char *const roots[] = {
	"/sys/kernel/tracing",
	"/sys/kernel/debug/tracing",
};

/* Where tracefs is, if it has our tracepoint; or the exit status. */
static int find_tracefs(const char **root)
{
	char path[96];
	size_t i;
	int err = ENOENT;

	for (i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		snprintf(path, sizeof(path),
			 "%s/events/dmirage/dmirage_violation", roots[i]);
		if (!access(path, R_OK | X_OK)) {
			*root = roots[i];
			return 0;
		}
		if (errno != ENOENT)
			err = errno;
	}
	if (err == EACCES) {
		complain("cannot look into %s: %s (are you root?)", roots[0],
			 strerror(err));
		return EXIT_ENV;
	}
	snprintf(path, sizeof(path), "%s/events", roots[0]);
	if (access(path, F_OK)) {
		complain("there is no tracefs on %s (mount -t tracefs tracefs %s)",
			 roots[0], roots[0]);
		return EXIT_ENV;
	}
	complain("there is no tracepoint dmirage:dmirage_violation: is the driver loaded?");
	return EXIT_NODEV;
}

static int write_file(const char *folder, const char *name, const char *text)
{
	char path[160];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* ---- What has been ----------------------------------------------------- */

static int show_past(const struct args *args, const char *root)
{
	char path[96], line[512];
	__u64 n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/trace", root);
	f = fopen(path, "re");
	if (!f) {
		complain("cannot open %s: %s", path, strerror(errno));
		return EXIT_ENV;
	}
	while (fgets(line, sizeof(line), f))
		n += show(args, line);
	fclose(f);
	return n ? EXIT_BAD : EXIT_OK;
}

/* ---- What comes -------------------------------------------------------- */

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/**
 * struct pipe_text - what trace_pipe said, and is not yet a whole line
 * @text: of it
 * @len:  bytes
 */
struct pipe_text {
	char text[8192];
	size_t len;
};

/* Show the whole lines, keep the rest; return how many violations. */
static __u64 show_lines(const struct args *args, struct pipe_text *p,
			__u64 limit)
{
	char *line = p->text, *end;
	__u64 n = 0;

	p->text[p->len] = '\0';
	while ((!limit || n < limit) && (end = strchr(line, '\n'))) {
		*end = '\0';
		n += show(args, line);
		line = end + 1;
	}
	p->len -= (size_t)(line - p->text);
	if (p->len == sizeof(p->text) - 1)	/* no line is that long */
		p->len = 0;
	memmove(p->text, line, p->len);
	return n;
}

static int follow_pipe(const struct args *args, int fd, const sigset_t *old)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	double end = seconds() + args->timeout, left;
	struct pipe_text p = { .len = 0 };
	struct timespec ts;
	__u64 n = 0;
	ssize_t got;

	while (!interrupted && (!args->count || n < args->count)) {
		left = end - seconds();
		if (args->timeout > 0 && left <= 0)
			break;
		ts.tv_sec = (time_t)(left > 0 ? left : 0);
		ts.tv_nsec = left > 0 ? (long)((left - (double)ts.tv_sec) * 1e9) : 0;
		/* Signals come here, and nowhere else. */
		if (ppoll(&pfd, 1, args->timeout > 0 ? &ts : NULL, old) < 0)
			continue;
		got = read(fd, p.text + p.len, sizeof(p.text) - 1 - p.len);
		if (got < 0 && errno != EAGAIN && errno != EINTR) {
			complain("cannot read the trace: %s", strerror(errno));
			return EXIT_ENV;
		}
		if (got > 0)
			p.len += (size_t)got;
		n += show_lines(args, &p, args->count ? args->count - n : 0);
	}
	return n ? EXIT_BAD : EXIT_OK;
}

static int follow_instance(const struct args *args, const char *folder,
			   const sigset_t *old)
{
	static const char on[] = "events/dmirage/dmirage_violation/enable";
	char path[128];
	int fd, err, ret;

	snprintf(path, sizeof(path), "%s/trace_pipe", folder);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		complain("cannot open %s: %s", path, strerror(errno));
		return EXIT_ENV;
	}
	err = write_file(folder, on, "1");
	if (err) {
		complain("cannot write to %s/%s: %s", folder, on,
			 strerror(-err));
		ret = EXIT_ENV;
	} else {
		/* So that a script knows from when on it misses none. */
		fputs("dmirage: following violations\n", stderr);
		ret = follow_pipe(args, fd, old);
	}
	write_file(folder, on, "0");
	close(fd);
	return ret;
}

/* In a trace instance of our own: no other tracing is disturbed. */
static int follow(const struct args *args, const char *root)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t block, old;
	char folder[96];
	int ret;

	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGHUP);
	sigprocmask(SIG_BLOCK, &block, &old);
	sigdelset(&old, SIGINT);
	sigdelset(&old, SIGTERM);
	sigdelset(&old, SIGHUP);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);

	snprintf(folder, sizeof(folder), "%s/instances/dmirage-%d", root,
		 (int)getpid());
	if (mkdir(folder, 0700)) {
		complain("cannot make the trace instance %s: %s", folder,
			 strerror(errno));
		return EXIT_ENV;
	}
	ret = follow_instance(args, folder, &old);
	if (rmdir(folder))
		complain("cannot remove the trace instance %s: %s", folder,
			 strerror(errno));
	return ret;
}

int cmd_violations(int argc, char **argv)
{
	const struct argp argp = {
		.options = options, .parser = parse, .doc = doc,
	};
	struct args args = { 0 };
	const char *root;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	ret = find_tracefs(&root);
	if (ret)
		return ret;
	return args.follow ? follow(&args, root) : show_past(&args, root);
}
