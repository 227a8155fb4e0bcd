// SPDX-License-Identifier: GPL-2.0
/*
 * dmirage observe: run a program, or look at one that runs, while the device keeps using
 * its memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "observe.h"
#include "probe.h"
#include "tool.h"

#define NS_PER_S	1000000000ull

/* As a shell says that a program cannot be run */
#define EXIT_NOT_RUN	126
#define EXIT_NOT_FOUND	127

#define EXIT_VIOLATIONS	99

#define DEFAULT_RATE	20000

/* Without any of the events that are waited for: maps may have changed. */
#define TICK_MS		10

struct args {
	struct policy policy;
	const char *json;
	char **argv;
	__u64 pid;
	double timeout;
	int error_status;
};

enum {
	OPT_TOUCH = 256,
	OPT_RANGE,
	OPT_RATE,
	OPT_PID,
	OPT_JSON,
	OPT_ERROR,
	OPT_FAULT_MODE,
};

static const struct argp_option options[] = {
	{ "device", 'd', "FILE", 0, "Device file (default: the first one)", 0 },
	{ "mode", 'm', "MODE", 0, "mirror (default) or shared", 0 },
	{ "pid", OPT_PID, "N", 0, "Observe this process and its children, and run nothing", 0 },
	{ "touch", OPT_TOUCH, "HOW", 0,
	  "read (default), write (changes no data, but breaks COW and makes pages dirty), or both",
	  0 },
	{ "range", OPT_RANGE, "ADDRESS+SIZE", 0, "Touch only what is there", 0 },
	{ "rate", OPT_RATE, "PAGES", 0, "Touch so many pages a second at most (default: 20000)",
	  0 },
	{ "timeout", 't', "SECONDS", 0, "End after that time; the program goes on", 0 },
	{ "json", OPT_JSON, "FILE", 0, "Write the summary there, too, as one JSON object", 0 },
	{ "error-exitcode", OPT_ERROR, "N", 0,
	  "Exit status if there were violations (default: 99); 0: the program's own", 0 },
	{ "fault-mode", OPT_FAULT_MODE, "NAME", 0,
	  "Put this bug into the driver, for all that is observed: to see it found", 0 },
	{ 0 }
};

static const char doc[] =
	"Run a program as it is, while the device touches its memory all the time, and the "
	"oracle judges each store of the kernel to its page table.\v"
	"Children are followed through fork and exec. Memory that the program has not touched "
	"is not touched by the device. A summary goes to the standard error at the end, which "
	"is when the last of the processes has ended, or at a signal after the program has.\n"
	"\n"
	"Exit status: that of the program, or 128 and the signal that ended it; 99 if there "
	"were violations; 126 or 127 if it cannot be run; 2 to 4 as `dmirage --help' says.";

__u64 observe_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (__u64)ts.tv_sec * NS_PER_S + (__u64)ts.tv_nsec;
}

/* ---- Options ------------------------------------------------------------- */

static void parse_range(struct policy *p, const char *arg, struct argp_state *state)
{
	const char *plus = strchr(arg, '+');
	char addr[32];
	__u64 len;

	if (!plus || (size_t)(plus - arg) >= sizeof(addr))
		argp_error(state, "bad range '%s' (as 0x7f0000000000+2M)", arg);
	else {
		memcpy(addr, arg, (size_t)(plus - arg));
		addr[plus - arg] = '\0';
		if (!parse_number(addr, &p->start) || !parse_size(plus + 1, &len) || !len ||
		    (p->start | len) % PAGE_BYTES || p->start + len < p->start)
			argp_error(state, "bad range '%s' (as 0x7f0000000000+2M, whole pages)",
				   arg);
		p->end = p->start + len;
	}
}

static void parse_touch(struct policy *p, const char *arg, struct argp_state *state)
{
	bool both = !strcmp(arg, "both");

	p->read = both || !strcmp(arg, "read");
	p->write = both || !strcmp(arg, "write");
	if (!p->read && !p->write)
		argp_error(state, "bad way to touch '%s' (read, write or both)", arg);
}

static void parse_mode(struct policy *p, const char *arg, struct argp_state *state)
{
	if (!strcmp(arg, dmirage_mode_str(DMIRAGE_MODE_MIRROR)))
		p->mode = DMIRAGE_MODE_MIRROR;
	else if (!strcmp(arg, dmirage_mode_str(DMIRAGE_MODE_SHARED)))
		p->mode = DMIRAGE_MODE_SHARED;
	else
		argp_error(state, "bad mode '%s' (mirror or shared)", arg);
}

static __u64 number(const char *what, const char *arg, __u64 min, __u64 max,
		    struct argp_state *state)
{
	__u64 value = 0;

	if (!parse_number(arg, &value) || value < min || value > max)
		argp_error(state, "bad %s '%s' (%llu to %llu)", what, arg, min, max);
	return value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;
	char *end;

	switch (key) {
	case 'd':
		args->policy.device = arg;
		return 0;
	case 'm':
		parse_mode(&args->policy, arg, state);
		return 0;
	case 't':
		args->timeout = strtod(arg, &end);
		if (end == arg || *end || !(args->timeout > 0) || args->timeout > 86400)
			argp_error(state, "bad time '%s' (up to 86400 seconds)", arg);
		return 0;
	case OPT_TOUCH:
		parse_touch(&args->policy, arg, state);
		return 0;
	case OPT_RANGE:
		parse_range(&args->policy, arg, state);
		return 0;
	case OPT_RATE:
		args->policy.rate = number("rate", arg, 1, 1000000000, state);
		return 0;
	case OPT_PID:
		args->pid = number("process", arg, 1, 1 << 22, state);
		return 0;
	case OPT_JSON:
		args->json = arg;
		return 0;
	case OPT_ERROR:
		args->error_status = (int)number("exit status", arg, 0, 255, state);
		return 0;
	case OPT_FAULT_MODE:
		args->policy.fault_mode = arg;
		return 0;
	case ARGP_KEY_ARGS:
		args->argv = state->argv + state->next;
		return 0;
	case ARGP_KEY_END:
		if (args->pid && args->argv)
			argp_error(state, "--pid goes without a program");
		if (!args->pid && !args->argv)
			argp_error(state, "a program is missing, or --pid");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* ---- The program --------------------------------------------------------- */

/**
 * struct program - what is run
 * @pid:    it; 0: none, or it has ended and was waited for
 * @status: its exit status, or 128 and the signal; -1 as long as it runs
 * @error:  a pipe: the errno with which it cannot be run
 */
struct program {
	pid_t pid;
	int status;
	int error;
};

/* Its signals are as they were when the command was started. */
static int program_start(struct program *p, char **argv, const sigset_t *mask)
{
	int fds[2], err;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	p->pid = fork();
	if (!p->pid) {
		sigprocmask(SIG_SETMASK, mask, NULL);
		execvp(argv[0], argv);
		err = errno;
		(void)!write(fds[1], &err, sizeof(err));
		_exit(EXIT_NOT_FOUND);
	}
	err = p->pid < 0 ? -errno : 0;
	close(fds[1]);
	if (err)
		close(fds[0]);
	else
		p->error = fds[0];
	return err;
}

/* Until it runs: 0, or the errno with which it does not. */
static int program_await(struct program *p)
{
	int err = 0;

	while (read(p->error, &err, sizeof(err)) < 0 && errno == EINTR)
		;
	close(p->error);
	if (err)
		waitpid(p->pid, NULL, 0);
	return err;
}

static void program_wait(struct program *p)
{
	int status;

	if (!p->pid || waitpid(p->pid, &status, WNOHANG) != p->pid)
		return;
	p->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	p->pid = 0;
}

/* ---- Observing ----------------------------------------------------------- */

/**
 * struct watchman - all there is
 * @tokens: pages that may be touched now
 * @turn:   the view that comes first when there are any
 * @stop:   a signal said so
 */
struct watchman {
	const struct args *args;
	struct tally tally;
	struct herd herd;
	struct program program;
	int signals;
	double tokens;
	size_t turn;
	__u64 began, last;
	bool stop;
};

static const int forwarded[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

/*
 * The program gets what is sent to us.  What a terminal sends it gets itself.  When it has
 * ended, or there is none, it is us who are meant.
 */
static void take_signals(struct watchman *w)
{
	struct signalfd_siginfo info;

	while (read(w->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		if (!w->program.pid)
			w->stop = true;
		else if (info.ssi_code != SI_KERNEL)
			kill(w->program.pid, (int)info.ssi_signo);
	}
	program_wait(&w->program);
}

/* Until something happens, or for so long. */
static void sleep_until(struct watchman *w, int ms)
{
	struct herd *h = &w->herd;
	struct pollfd fds[2 + h->n + 2 * h->n_views];
	nfds_t n = 0;
	size_t i;

	fds[n++] = (struct pollfd){ .fd = w->signals, .events = POLLIN };
	fds[n++] = (struct pollfd){ .fd = h->events, .events = POLLIN };
	for (i = 0; i < h->n; i++)
		fds[n++] = (struct pollfd){ .fd = h->list[i].pidfd, .events = POLLIN };
	for (i = 0; i < h->n_views; i++) {
		fds[n++] = (struct pollfd){ .fd = dmirage_fd(h->views[i]->d), .events = POLLIN };
		if (dmirage_in_flight(h->views[i]->d)) {
			dmirage_arm(h->views[i]->d);
			fds[n++] = (struct pollfd){
				.fd = h->views[i]->event, .events = POLLIN,
			};
		}
	}
	poll(fds, n, ms);
}

/* The pages that may be touched by now; what was not used is not kept for long. */
static void earn(struct watchman *w)
{
	const double rate = (double)w->args->policy.rate;
	__u64 now = observe_now();

	w->tokens += rate * (double)(now - w->last) / 1e9;
	if (w->tokens > rate / 20)
		w->tokens = rate / 20 > 1 ? rate / 20 : 1;
	w->last = now;
}

/*
 * A block of each view, as long as there are tokens.  A block may take more than come in a
 * tick: who is behind the one that took the last ones is the first to get new ones.
 */
static void touch_all(struct watchman *w)
{
	struct herd *h = &w->herd;
	size_t i, at, first = w->turn;
	unsigned int n;

	earn(w);
	for (i = 0; i < h->n_views; i++) {
		at = (first + i) % h->n_views;
		n = touch(h->views[at], &w->args->policy, w->tokens > 0);
		if (n)
			w->turn = at + 1;
		w->tokens -= n;
		view_violations(h->views[at], &w->tally);
	}
}

static void observe(struct watchman *w)
{
	const __u64 limit = (__u64)(w->args->timeout * 1e9);

	while (!w->stop && (w->herd.n || w->program.pid)) {
		if (limit && observe_now() - w->began >= limit)
			break;
		herd_look(&w->herd);
		touch_all(w);
		sleep_until(w, TICK_MS);
		take_signals(w);
	}
}

/* ---- From beginning to end ----------------------------------------------- */

/* Is the device there, and what it should be able to do? Return: the exit status. */
static int check_device(struct policy *p, struct tally *t)
{
	const struct dmirage_open_opts opts = { .mode = p->mode };
	struct dmirage_info info;
	struct dmirage *d;
	int ret;

	ret = tool_open(p->device, &opts, &d);
	if (ret)
		return ret;
	if (dmirage_get_info(d, &info)) {
		complain("the device has gone");
		ret = EXIT_NODEV;
	} else if (p->fault_mode && probe_ctx_write(d, "fault_mode", p->fault_mode)) {
		complain("there is no fault mode '%s', or no debugfs: %s", p->fault_mode,
			 probe_why());
		ret = EXIT_USAGE;
	} else {
		p->watch = info.caps & DMIRAGE_CAP_ORACLE_WATCH;
		memcpy(t->dev, info.pci_name, sizeof(t->dev));
	}
	dmirage_close(d);
	return ret;
}

static int begin_pid(struct watchman *w)
{
	pid_t pid = (pid_t)w->args->pid;
	int err = herd_add(&w->herd, pid, 0, false);

	if (err) {
		complain("cannot attach to process %d: %s", (int)pid, strerror(-err));
		return EXIT_ENV;
	}
	herd_add_children(&w->herd, pid);
	return 0;
}

static int begin_program(struct watchman *w, const sigset_t *mask)
{
	char **argv = w->args->argv;
	int err = program_start(&w->program, argv, mask);

	if (!err) {
		(void)herd_add(&w->herd, w->program.pid, 0, true);
		err = program_await(&w->program);
	}
	if (err) {
		complain("cannot run %s: %s", argv[0], strerror(err < 0 ? -err : err));
		return err == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_RUN;
	}
	herd_go(&w->herd, w->program.pid);
	return 0;
}

static int finish(struct watchman *w, FILE *json)
{
	struct outcome o = { .status = w->program.status, .ns = observe_now() - w->began };
	char name[32];
	int ret = 0;

	snprintf(name, sizeof(name), "process %llu", w->args->pid);
	o.name = w->args->argv ? w->args->argv[0] : name;
	summary_print(stderr, &w->args->policy, &w->tally, &o);
	if (json) {
		summary_json(json, &w->args->policy, &w->tally, &o);
		if (fflush(json) || ferror(json)) {
			complain("cannot write to %s: %s", w->args->json, strerror(errno));
			ret = EXIT_ENV;
		}
	}
	if (w->args->error_status && w->tally.violations + w->tally.lost)
		return w->args->error_status;
	if (ret || o.status < 0)
		return ret;
	return o.status;
}

static int run(struct watchman *w, FILE *json)
{
	sigset_t set, mask;
	size_t i;
	int ret;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		sigaddset(&set, forwarded[i]);
	sigprocmask(SIG_BLOCK, &set, &mask);
	w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	w->began = observe_now();
	w->last = w->began;
	ret = w->args->pid ? begin_pid(w) : begin_program(w, &mask);
	if (!ret)
		observe(w);
	herd_end(&w->herd);
	if (!ret)
		ret = finish(w, json);
	causes_free(&w->tally.causes);
	return ret;
}

int cmd_observe(int argc, char **argv)
{
	const struct argp argp = {
		.options = options, .parser = parse, .args_doc = "PROGRAM [ARGUMENT...]",
		.doc = doc,
	};
	struct args args = {
		.policy = { .read = true, .end = ~0ull, .rate = DEFAULT_RATE },
		.error_status = EXIT_VIOLATIONS,
	};
	struct watchman w = { .args = &args, .program.status = -1 };
	FILE *json = NULL;
	int ret;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &args);
	ret = check_device(&args.policy, &w.tally);
	if (ret)
		return ret;
	w.herd.policy = &args.policy;
	w.herd.tally = &w.tally;
	w.herd.self = getpid();
	w.herd.events = follow_open();
	if (w.herd.events < 0) {
		complain("cannot follow processes: %s (are you root? the kernel needs CONFIG_PROC_EVENTS)",
			 strerror(-w.herd.events));
		return EXIT_ENV;
	}
	if (args.json) {
		json = fopen(args.json, "we");
		if (!json) {
			complain("cannot write to %s: %s", args.json, strerror(errno));
			return EXIT_ENV;
		}
	}
	ret = run(&w, json);
	if (json)
		fclose(json);
	return ret;
}
