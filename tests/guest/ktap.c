// SPDX-License-Identifier: GPL-2.0
/*
 * Runs tests in child processes and prints KTAP.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

/* How long a killed test may take to go away. */
#define KILL_LIMIT_MS	10000

/* A failing loop must not flood the log. */
#define MAX_FAILURES	20

/* Shared between the program and the child that runs the test. */
struct shared {
	char skip[200];
};

static struct shared *shared;

static atomic_int failures;

void (*ktap_first_failure)(void);

static void line(const char *prefix, const char *fmt, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, args);
	/* One write per line, whichever thread it comes from. */
	flockfile(stdout);
	printf("# %s%s\n", prefix, text);
	fflush(stdout);
	funlockfile(stdout);
}

void ktap_note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line("", fmt, args);
	va_end(args);
}

void ktap_fail(const char *file, int where, const char *fmt, ...)
{
	const char *base = strrchr(file, '/');
	char prefix[100];
	va_list args;
	int n;

	n = atomic_fetch_add(&failures, 1);
	if (n == MAX_FAILURES)
		ktap_note("more failures are not shown");
	if (n >= MAX_FAILURES)
		return;
	snprintf(prefix, sizeof(prefix), "%s:%d: ", base ? base + 1 : file,
		 where);
	va_start(args, fmt);
	line(prefix, fmt, args);
	va_end(args);
	if (!n && ktap_first_failure)
		ktap_first_failure();
}

void ktap_end(void)
{
	fflush(stdout);
	_exit(atomic_load(&failures) ? KTAP_FAIL : KTAP_PASS);
}

void ktap_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(shared->skip, sizeof(shared->skip), fmt, args);
	va_end(args);
	fflush(stdout);
	_exit(atomic_load(&failures) ? KTAP_FAIL : KTAP_SKIP);
}

unsigned int ktap_scale(void)
{
	const char *env = getenv("DMIRAGE_SCALE");
	unsigned long scale = env ? strtoul(env, NULL, 10) : 1;

	return scale >= 1 && scale <= 100 ? (unsigned int)scale : 1;
}

u64 ktap_seed(void)
{
	const char *env = getenv("DMIRAGE_SEED");
	u64 seed = 0;

	if (env)
		seed = strtoull(env, NULL, 0);
	else if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		seed = (u64)time(NULL);
	ktap_note("DMIRAGE_SEED=0x%llx", seed);
	return seed;
}

/* splitmix64 */
u64 ktap_random(struct ktap_random *r)
{
	u64 z = r->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

u64 ktap_below(struct ktap_random *r, u64 n)
{
	return ktap_random(r) % n;
}

static void run_child(const struct ktap_test *test)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	test->run(test->arg);
	ktap_end();
}

/* Wait for the end of a child; false if it has not come in time. */
static bool wait_end(int pidfd, pid_t pid, unsigned int ms, int *status)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
	int ready;

	do {
		ready = poll(&pfd, 1, (int)ms);
	} while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		return false;
	waitpid(pid, status, 0);
	return true;
}

static void share(void)
{
	if (shared)
		return;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("mmap");
		exit(KTAP_FAIL);
	}
}

enum ktap_verdict ktap_run(const struct ktap_test *test, const char **why)
{
	unsigned int limit = (test->limit ? test->limit : KTAP_LIMIT_S) *
			     ktap_scale();
	enum ktap_verdict ret = KTAP_FAIL;
	int pidfd, status = 0;
	pid_t pid;

	share();
	shared->skip[0] = '\0';
	*why = shared->skip;
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		ktap_note("fork: %s", strerror(errno));
		return KTAP_FAIL;
	}
	if (!pid)
		run_child(test);
	setpgid(pid, pid);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (wait_end(pidfd, pid, limit * 1000, &status)) {
		if (WIFSIGNALED(status))
			ktap_note("%s: ended by signal %d (%s)", test->name,
				  WTERMSIG(status), strsignal(WTERMSIG(status)));
		else if (WEXITSTATUS(status) == KTAP_PASS ||
			 WEXITSTATUS(status) == KTAP_SKIP)
			ret = (enum ktap_verdict)WEXITSTATUS(status);
		else if (WEXITSTATUS(status) != KTAP_FAIL)
			ktap_note("%s: ended with status %d", test->name,
				  WEXITSTATUS(status));
		/* What it started and left behind. */
		kill(-pid, SIGKILL);
	} else {
		ktap_note("%s: killed at its time limit of %u s", test->name,
			  limit);
		kill(-pid, SIGKILL);
		if (!wait_end(pidfd, pid, KILL_LIMIT_MS, &status)) {
			ktap_note("%s: cannot be killed", test->name);
			/* What follows would only hang as well. */
			printf("Bail out! %s cannot be killed\n", test->name);
			fflush(stdout);
			_exit(KTAP_FAIL);
		}
	}
	close(pidfd);
	return ret;
}

bool ktap_parse(char *text, struct ktap_result *r)
{
	static const char skip[] = "# SKIP ";
	const char *why;

	if (sscanf(text, "ok %*u %127s", r->name) == 1)
		r->verdict = KTAP_PASS;
	else if (sscanf(text, "not ok %*u %127s", r->name) == 1)
		r->verdict = KTAP_FAIL;
	else
		return false;
	text[strcspn(text, "\n")] = '\0';
	why = strstr(text, skip);
	if (why)
		r->verdict = KTAP_SKIP;
	r->why = why ? why + sizeof(skip) - 1 : "";
	return true;
}

static bool wanted(const struct ktap_test *test, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (argv[i][0] == '=' ? !strcmp(test->name, argv[i] + 1) :
					!!strstr(test->name, argv[i]))
			return true;
	}
	return argc < 2;
}

int ktap_main(int argc, char **argv, const struct ktap_test *tests, size_t n,
	      void (*before)(void))
{
	size_t i, number = 0, total = 0, failed = 0, skipped = 0;
	const char *why;

	for (i = 0; i < n; i++)
		total += wanted(&tests[i], argc, argv);
	printf("KTAP version 1\n1..%zu\n", total);
	fflush(stdout);
	if (before)
		before();

	for (i = 0; i < n; i++) {
		if (!wanted(&tests[i], argc, argv))
			continue;
		number++;
		switch (ktap_run(&tests[i], &why)) {
		case KTAP_PASS:
			printf("ok %zu %s\n", number, tests[i].name);
			break;
		case KTAP_SKIP:
			printf("ok %zu %s # SKIP %s\n", number, tests[i].name,
			       why);
			skipped++;
			break;
		default:
			printf("not ok %zu %s\n", number, tests[i].name);
			failed++;
		}
		fflush(stdout);
	}
	if (failed)
		return KTAP_FAIL;
	return number && skipped == number ? KTAP_SKIP : KTAP_PASS;
}
