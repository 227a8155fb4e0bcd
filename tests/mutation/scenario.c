// SPDX-License-Identifier: GPL-2.0
/* A scenario: a test of a guest program, and what it came to.  See mutation.h. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"
#include "mutation.h"

#define PROGRAMS  "/tests"
#define LIMIT_MS  60000
/* How long the device may take to have another mutant. */
#define SWITCH_MS 10000

/* ---- What the oracle has said so far ------------------------------------------- */

/* What each strength is called among the device's counters; data has none. */
static const char *const counters[STRENGTHS] = {
	[BY_ACCESS] = "violations",
	[BY_AUDIT] = "audit_violations",
	[BY_WATCH] = "watch_violations",
};

static void read_counters(u64 n[STRENGTHS])
{
	char line[128], name[64];
	unsigned int i;
	glob_t found;
	u64 value;
	FILE *f;

	memset(n, 0, STRENGTHS * sizeof(n[0]));
	ASSERT(!glob("/sys/kernel/debug/dmirage/*/counters", 0, NULL, &found));
	f = fopen(found.gl_pathv[0], "re");
	ASSERT(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %llu", name, &value) != 2)
			continue;
		for (i = 0; i < STRENGTHS; i++) {
			if (counters[i] && !strcmp(counters[i], name))
				n[i] = value;
		}
	}
	fclose(f);
	globfree(&found);
}

/* ---- What the test says -------------------------------------------------------------- */

/* "# file.c:12: what was expected", and it is not about what the oracle recorded. */
static bool is_of_data(const char *line)
{
	const char *about = strstr(line, ".c:");

	if (strstr(line, "killed at its time limit") || strstr(line, "ended by signal"))
		return true;
	return about && !strstr(about, "violation") && !strstr(about, "v.") &&
	       !strstr(about, "oracle");
}

static void take_line(struct outcome *o, const char *test, char *line)
{
	size_t len = strlen(o->text);
	struct ktap_result r;

	line[strcspn(line, "\n")] = '\0';
	if (line[0] == '#') {
		snprintf(o->text + len, sizeof(o->text) - len, "%s\n", line + 2);
		if (sscanf(line, "# noticed after %llu", &o->noticed) == 1 ||
		    sscanf(line, "# named: %63s", o->named) == 1)
			return;
		if (!strcmp(line, "# false alarm"))
			o->alarm = true;
		else if (is_of_data(line))
			o->by |= 1u << BY_DATA;
		return;
	}
	if (!ktap_parse(line, &r) || strcmp(r.name, test))
		return;
	o->passed = r.verdict == KTAP_PASS;
	o->skipped = r.verdict == KTAP_SKIP;
	snprintf(o->why, sizeof(o->why), "%s", r.why);
}

/* ---- Running ------------------------------------------------------------------------------ */

static void become(const char *scenario, const char *fault_mode, bool alone, int to)
{
	char path[96], exactly[96], *test;

	snprintf(path, sizeof(path), PROGRAMS "/%s", scenario);
	test = strchr(path, ':');
	if (!test || dup2(to, STDOUT_FILENO) < 0)
		_exit(126);
	snprintf(exactly, sizeof(exactly), "=%s", test + 1);
	*test = '\0';
	if (fault_mode) {
		setenv("DMIRAGE_FAULT_MODE", fault_mode, 1);
		setenv("DMIRAGE_NOTICED", "1", 1);
	}
	if (alone)
		setenv("DMIRAGE_MUTANT_ALONE", "1", 1);
	setpgid(0, 0);
	execl(path, path, exactly, NULL);
	printf("# %s: %s\n", path, strerror(errno));
	fflush(stdout);
	_exit(127);
}

/* All it says, until it ends or its time is up. */
static void follow(int fd, const char *test, struct outcome *o)
{
	u64 end = now_ms() + LIMIT_MS * ktap_scale();
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char piece[1024], line[2048];
	size_t len = 0;
	ssize_t got, i;

	while (now_ms() < end && poll(&pfd, 1, (int)(end - now_ms())) > 0) {
		got = read(fd, piece, sizeof(piece));
		if (got <= 0)
			break;
		for (i = 0; i < got; i++) {
			if (len < sizeof(line) - 1)
				line[len++] = piece[i];
			if (piece[i] != '\n')
				continue;
			line[len] = '\0';
			len = 0;
			take_line(o, test, line);
		}
	}
}

/* A test under way. */
struct running {
	const char *scenario;
	pid_t pid;
	int fd;
};

static struct running start(const char *scenario, const char *fault_mode, bool alone)
{
	struct running r = { .scenario = scenario };
	int said[2];

	ASSERT_SYS(pipe2(said, O_CLOEXEC));
	fflush(stdout);
	r.pid = fork();
	ASSERT_SYS(r.pid);
	if (!r.pid)
		become(scenario, fault_mode, alone, said[1]);
	close(said[1]);
	r.fd = said[0];
	return r;
}

static void end(struct running *r, struct outcome *o)
{
	memset(o, 0, sizeof(*o));
	follow(r->fd, strchr(r->scenario, ':') + 1, o);
	kill(-r->pid, SIGKILL);
	ASSERT_SYS(waitpid(r->pid, NULL, 0));
	close(r->fd);
}

/* What the oracle has said since @before. */
static unsigned int said_since(const u64 before[STRENGTHS])
{
	u64 after[STRENGTHS];
	unsigned int i, by = 0;

	/* Contexts end a little after their processes. */
	contexts_in_use(0);
	read_counters(after);
	for (i = 0; i < STRENGTHS; i++) {
		if (after[i] != before[i])
			by |= 1u << i;
	}
	return by;
}

void scenario_run(const char *scenario, const char *fault_mode, bool alone, struct outcome *o)
{
	u64 before[STRENGTHS];
	struct running r;

	read_counters(before);
	r = start(scenario, fault_mode, alone);
	end(&r, o);
	o->by |= said_since(before);
}

void scenario_run_several(const char *scenario, const char *fault_mode, unsigned int n,
			  struct outcome *o)
{
	struct running r[SIDE_BY_SIDE];
	u64 before[STRENGTHS];
	unsigned int i, by;

	ASSERT(n <= SIDE_BY_SIDE);
	read_counters(before);
	for (i = 0; i < n; i++)
		r[i] = start(scenario, fault_mode, false);
	for (i = 0; i < n; i++)
		end(&r[i], &o[i]);
	by = said_since(before);
	for (i = 0; i < n; i++)
		o[i].by |= by;
}

/* ---- The device ------------------------------------------------------------------------------ */

/* That it is done is seen by an entry of the IOTLB, which is then gone. */
bool device_put(int out, const char *name)
{
	static u64 word __attribute__((aligned(4096)));
	u64 end = now_ms() + SWITCH_MS * ktap_scale();
	struct dmirage *d = open_context();
	bool done = false;

	cpu_write(&word, 1);
	dev_read(d, &word);
	ASSERT(in_iotlb(d, &word, NULL));
	dprintf(out, "monitor: qom-set /machine/peripheral/dmirage x-mutant %s\n", name);
	while (!done && now_ms() < end) {
		sleep_ms(1);
		done = !in_iotlb(d, &word, NULL);
	}
	dmirage_close(d);
	return done;
}
