// SPDX-License-Identifier: GPL-2.0
/*
 * dmirage violations: those of all contexts of all devices, from the driver's
 * tracepoint.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "causes.h"
#include "report.h"
#include "tool.h"
#include "trace_line.h"

struct args {
	__u64 count;
	double timeout;
	bool all, follow, json;
};

static const struct argp_option options[] = {
	{ "follow", 'f', NULL, 0, "Wait for them, and show each new one at once", 0 },
	{ "count", 'n', "N", 0, "With --follow: end after so many", 0 },
	{ "timeout", 't', "SECONDS", 0, "With --follow: end after that time",
	  0 },
	{ "all", 'a', NULL, 0, "Each in full, not once for each cause", 0 },
	{ "json", 'j', NULL, 0, "One JSON object per violation, on a line", 0 },
	{ 0 }
};

static const char doc[] =
	"Show violations of all contexts: stale accesses, and what audits and watches "
	"found. Those of one cause, alike but for the address, are shown once and "
	"counted.\v"
	"They come from the tracepoint dmirage:dmirage_violation, which only root can "
	"read. Without --follow it is those that the kernel's trace buffer has, if "
	"the tracepoint was on (`echo 1 >/sys/kernel/tracing/events/dmirage/enable'). "
	"With --follow the first of each cause is shown when it comes, and a table of "
	"all causes at the end.\n"
	"\n"
	"Exit status: 0 there was none; 1 there were some; 2 to 4 as `dmirage --help' "
	"says.";

static volatile sig_atomic_t interrupted;

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;
	char *end;

	switch (key) {
	case 'a':
		args->all = true;
		return 0;
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

/**
 * struct shown - what has been shown so far
 * @args:    how to show it
 * @dev:     whose
 * @causes:  of all but --all and --json
 * @n:       violations
 * @bad:     lines that are none, and should be
 * @no_room: violations that are not in @causes
 */
struct shown {
	const struct args *args;
	char dev[32];
	struct causes causes;
	__u64 n;
	__u64 bad;
	__u64 no_room;
};

/* Before the first violation, and where they begin to be another device's. */
static void show_head(struct shown *s, const char *dev)
{
	if (!strcmp(s->dev, dev))
		return;
	snprintf(s->dev, sizeof(s->dev), "%s", dev);
	report_head(stdout, dev);
}

static void show_one(struct shown *s, const struct trace_line *l)
{
	const struct cause *cause;

	if (s->args->json) {
		report_violation_json(stdout, l);
		return;
	}
	if (s->args->all) {
		show_head(s, l->dev);
		report_violation(stdout, &l->v);
		putchar('\n');
		return;
	}
	cause = causes_add(&s->causes, l->dev, &l->v);
	if (!cause) {
		s->no_room++;
	} else if (s->args->follow && cause->count == 1) {
		show_head(s, l->dev);
		report_violation(stdout, &l->v);
		putchar('\n');
	}
}

static void show(struct shown *s, const char *text)
{
	unsigned long long lost, kept, written;
	const char *at = strstr(text, "[LOST ");
	struct trace_line l;

	if (at && sscanf(at, "[LOST %llu EVENTS]", &lost) == 1)
		complain("%llu violations were lost: they came too fast", lost);
	/* At the head of what there was; the trace has other events, too. */
	at = strstr(text, "entries-in-buffer/entries-written: ");
	if (at && sscanf(at, "%*[^:]: %llu/%llu", &kept, &written) == 2 && written > kept)
		complain("the trace has lost its %llu oldest entries: more fit in with a larger buffer_size_kb",
			 written - kept);
	switch (trace_line_parse(text, &l)) {
	case TRACE_LINE_OTHER:
		break;
	case TRACE_LINE_BAD:
		s->bad++;
		break;
	case TRACE_LINE_GOOD:
		s->n++;
		show_one(s, &l);
		fflush(stdout);
		break;
	}
}

/* What is said at the end; return the exit status. */
static int show_end(struct shown *s)
{
	size_t i;

	if (s->args->follow && s->causes.n) {
		report_table(stdout, &s->causes);
	} else {
		for (i = 0; i < s->causes.n; i++) {
			show_head(s, s->causes.list[i].dev);
			report_cause(stdout, &s->causes.list[i]);
		}
	}
	if (s->bad)
		complain("%llu violations are left out: the trace says them in a way that is not understood (is the driver of the same version?)",
			 s->bad);
	if (s->no_room)
		complain("%llu violations are left out: no memory", s->no_room);
	causes_free(&s->causes);
	return s->n || s->bad ? EXIT_BAD : EXIT_OK;
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
	struct shown s = { .args = args };
	char path[96], *line = NULL;
	size_t room = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/trace", root);
	f = fopen(path, "re");
	if (!f) {
		complain("cannot open %s: %s", path, strerror(errno));
		return EXIT_ENV;
	}
	while (getline(&line, &room, f) > 0)
		show(&s, line);
	free(line);
	fclose(f);
	return show_end(&s);
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
	char text[16384];
	size_t len;
};

static bool enough(const struct shown *s)
{
	return s->args->count && s->n >= s->args->count;
}

/* Show the whole lines, keep the rest. */
static void show_lines(struct shown *s, struct pipe_text *p)
{
	char *line = p->text, *end;

	p->text[p->len] = '\0';
	while (!enough(s) && (end = strchr(line, '\n'))) {
		*end = '\0';
		show(s, line);
		line = end + 1;
	}
	p->len -= (size_t)(line - p->text);
	if (p->len == sizeof(p->text) - 1)	/* no line is that long */
		p->len = 0;
	memmove(p->text, line, p->len);
}

static int follow_pipe(const struct args *args, int fd, const sigset_t *old)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	double end = seconds() + args->timeout, left;
	struct shown s = { .args = args };
	static struct pipe_text p;
	struct timespec ts;
	ssize_t got;

	while (!interrupted && !enough(&s)) {
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
			show_end(&s);
			return EXIT_ENV;
		}
		if (got > 0)
			p.len += (size_t)got;
		show_lines(&s, &p);
	}
	return show_end(&s);
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
