// SPDX-License-Identifier: GPL-2.0
/*
 * Old bugs of the kernel, put back: for one process and no other, as long as it is
 * asked for, and out of the kernel without a trace.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "play.h"
#include "watched.h"

#define LIMIT_S	30

/* ---- A move of one page -------------------------------------------------------------- */

static void make_page(struct place *at)
{
	at->mem = get_mem(PROBE_KIND_4K, PROBE_2M);
	place_add(at, at->mem.addr);
	at->stale = at->mem.addr;
	at->len = PROBE_4K;
}

static void act_move(struct place *at)
{
	ASSERT_PROBE(probe_move(at->mem.addr, PROBE_4K, PROBE_4K, 1));
}

static void act_protect(struct place *at)
{
	ASSERT_SYS(mprotect(at->mem.addr, PROBE_4K, PROT_READ));
}

#define MUTANT	.name = "unmap-late", .make = make_page

static const struct play moving = { MUTANT, .act = act_move };
static const struct play protecting = { MUTANT, .act = act_protect };

/* ---- The list ----------------------------------------------------------------------------- */

static void list(int arg)
{
	static struct mutant_row rows[64];
	unsigned int i, k, n, armable = 0;

	(void)arg;
	mutant_need();
	n = mutant_list(rows, ARRAY_SIZE(rows));
	EXPECT_GE(n, 10);
	for (i = 0; i < n; i++) {
		const struct mutant_row *r = &rows[i];

		EXPECT_EQ(strlen(r->commit), 12);
		EXPECT_EQ(strspn(r->commit, "0123456789abcdef"), 12);
		EXPECT_GE(strlen(r->title), 10);
		for (k = 0; r->name[k]; k++)
			EXPECT(islower(r->name[k]) || r->name[k] == '-');
		for (k = 0; k < i; k++)
			EXPECT(strcmp(rows[k].name, r->name) != 0);
		if (r->why_not[0]) {
			ktap_note("%s: %s", r->name, r->why_not);
			continue;
		}
		armable++;
		EXPECT(r->function[0]);
		/* Each of these can be armed, and taken out again. */
		mutant_arm(getpid(), r->name);
		EXPECT(mutant_state_is("armed", r->name));
		mutant_disarm();
		EXPECT(mutant_state_is("armed", "none"));
	}
	EXPECT_GE(armable, 10);
}

/* ---- Refused ------------------------------------------------------------------------------- */

static void refused_pid(int arg)
{
	static const char *const bad[] = { "-1", "x", "1 2", "0x", "99999999999999999999" };
	char text[24];
	unsigned int i;
	pid_t pid;

	(void)arg;
	mutant_need();
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(probe_mutant_put("pid", bad[i]), -EINVAL);
		EXPECT(mutant_state_is("pid", "0"));
	}
	/* kthreadd */
	EXPECT_EQ(probe_mutant_put("pid", "2"), -EINVAL);
	EXPECT(mutant_state_is("last", "2 has no memory of its own"));
	pid = fork();
	ASSERT_SYS(pid);
	if (!pid)
		_exit(0);
	ASSERT_EQ(wait_child(pid), 0);
	snprintf(text, sizeof(text), "%d", pid);
	EXPECT_EQ(probe_mutant_put("pid", text), -ESRCH);
	EXPECT(mutant_state_is("pid", "0"));
	EXPECT_EQ(probe_mutant_put("arm", moving.name), -ESRCH);
	EXPECT(mutant_state_is("last", "no process is chosen"));
}

static void refused_name(int arg)
{
	static const char *const bad[] = { "no-such", "unmap", "unmap-late x", "UNMAP-LATE",
					   "a-name-that-is-longer-than-any-that-there-could-be" };
	static struct mutant_row rows[64];
	unsigned int i, n, other = 0;
	char text[16], why[200];

	(void)arg;
	mutant_need();
	snprintf(text, sizeof(text), "%d", getpid());
	ASSERT_PROBE(probe_mutant_put("pid", text));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(probe_mutant_put("arm", bad[i]),
			  strlen(bad[i]) < 40 ? -ENOENT : -EINVAL);
		EXPECT(mutant_state_is("armed", "none"));
	}
	EXPECT(mutant_state_is("last", "there is no mutant of that name"));
	/* of another kernel */
	n = mutant_list(rows, ARRAY_SIZE(rows));
	for (i = 0; i < n; i++) {
		if (!rows[i].why_not[0])
			continue;
		other++;
		EXPECT_EQ(probe_mutant_put("arm", rows[i].name), -EOPNOTSUPP);
		snprintf(why, sizeof(why), "%s: %s", rows[i].name, rows[i].why_not);
		EXPECT(mutant_state_is("last", why));
	}
	EXPECT_GE(other, 1);
	/* two at a time, or another process meanwhile */
	ASSERT_PROBE(probe_mutant_put("arm", moving.name));
	EXPECT_EQ(probe_mutant_put("arm", moving.name), -EBUSY);
	EXPECT_EQ(probe_mutant_put("pid", text), -EBUSY);
	EXPECT_EQ(probe_mutant_put("pid", "0"), -EBUSY);
	EXPECT(mutant_state_is("armed", moving.name));
	EXPECT(mutant_state_is("pid", text));
	mutant_disarm();
}

/* ---- Whom it is about ------------------------------------------------------------------------ */

/* Another process does the same, and what it does is notified. */
static void others(int arg)
{
	int go[2];
	char c;
	pid_t pid;

	(void)arg;
	mutant_row(moving.name);
	ASSERT_SYS(pipe2(go, O_CLOEXEC));
	pid = fork();
	ASSERT_SYS(pid);
	if (!pid) {
		close(go[1]);
		_exit(read(go[0], &c, 1) != 0);
	}
	mutant_arm(pid, moving.name);
	play_clean(&moving);
	EXPECT_EQ(mutant_hits(), 0);
	mutant_disarm();
	close(go[1]);
	EXPECT_EQ(wait_child(pid), 0);
}

/* It is armed for this process, which does something else. */
static void other_callers(int arg)
{
	(void)arg;
	mutant_row(protecting.name);
	mutant_arm(getpid(), protecting.name);
	play_clean(&protecting);
	EXPECT_EQ(mutant_hits(), 0);
	mutant_disarm();
}

enum end {
	END_EXIT,
	END_KILLED,
	END_EXEC,
};

/* The process ends, or becomes another one: nothing is armed any more. */
static void ends(int how)
{
	char want[64], *argv[] = { "sleep", "60", NULL }, c;
	u64 limit = now_ms() + 3000;
	int go[2], ready[2];
	pid_t pid;

	mutant_row(moving.name);
	ASSERT_SYS(pipe2(go, O_CLOEXEC));
	ASSERT_SYS(pipe2(ready, O_CLOEXEC));
	pid = fork();
	ASSERT_SYS(pid);
	if (!pid) {
		struct dmirage *d;

		close(go[1]);
		/* notifiers are called, too */
		if (dmirage_open(NULL, NULL, &d) || write(ready[1], "r", 1) != 1)
			_exit(2);
		if (read(go[0], &c, 1))
			_exit(3);
		if (how == END_EXEC)
			execv("/bin/sleep", argv);
		_exit(0);
	}
	ASSERT_EQ(read(ready[0], &c, 1), 1);
	mutant_arm(pid, moving.name);
	if (how == END_KILLED)
		kill(pid, SIGKILL);
	close(go[1]);
	while (!mutant_state_is("armed", "none") && now_ms() < limit)
		sleep_ms(5);
	snprintf(want, sizeof(want), "process %d has ended", pid);
	EXPECT(mutant_state_is("armed", "none"));
	EXPECT(mutant_state_is("pid", "0"));
	EXPECT(mutant_state_is("last", want));
	if (how == END_EXEC)
		kill(pid, SIGKILL);
	EXPECT_EQ(wait_child(pid), how == END_EXIT ? 0 : 256 + SIGKILL);
	play_clean(&moving);
}

/* ---- Unloading ----------------------------------------------------------------------------------- */

/* Armed, and then there is no module any more; and nothing is wrong. */
static void unload(int arg)
{
	unsigned int i;

	(void)arg;
	mutant_row(moving.name);
	for (i = 0; i < 5; i++) {
		mutant_arm(getpid(), moving.name);
		ASSERT_PROBE(probe_mutants_unload());
		play_clean(&moving);
		EXPECT(!probe_mutants_loaded());
		ASSERT_PROBE(probe_mutants_load());
		EXPECT(mutant_state_is("armed", "none"));
	}
}

#define LATE_MS	1000

static atomic_bool moved;

static void *move_main(void *arg)
{
	act_move(arg);
	atomic_store(&moved, true);
	return NULL;
}

/* A notification is late: who unloads the module waits for it. */
static void unload_late(int arg)
{
	u64 began, limit = now_ms() + 3000;
	struct dmirage *d = open_context();
	struct place at = { 0 };
	pthread_t thread;

	(void)arg;
	mutant_row(moving.name);
	make_page(&at);
	dev_read(d, at.mem.addr);
	mutant_wait_late(LATE_MS);
	mutant_arm(getpid(), moving.name);
	began = now_ms();
	ASSERT(!pthread_create(&thread, NULL, move_main, &at));
	while (!mutant_hits() && now_ms() < limit)
		sleep_ms(1);
	EXPECT_EQ(mutant_hits(), 1);
	EXPECT(!atomic_load(&moved));
	ASSERT_PROBE(probe_mutants_unload());
	EXPECT_GE(now_ms() - began, LATE_MS);
	pthread_join(thread, NULL);
	cpu_write(at.mem.addr, 5);
	EXPECT_EQ(dev_read(d, at.mem.addr), 5);
	expect_clean(d);
	dmirage_close(d);
}

#define STORM_MS	3000

static atomic_bool enough;

/* One page, from node to node. */
static void *storm_main(void *arg)
{
	struct place *at = arg;
	int node = 1;

	for (; !atomic_load(&enough); node = !node) {
		if (probe_move(at->mem.addr, PROBE_4K, PROBE_4K, node))
			return (void *)1;
	}
	return NULL;
}

/*
 * At any moment: hooks come and go, and the module, while they are called all the time.
 * All by one processor: QEMU 7.2 may keep what it has translated of code that another one
 * was changing meanwhile, and then ftrace's breakpoint is hit when it is long gone.
 */
static void storm(int arg)
{
	struct dmirage *d = open_context();
	u64 end = now_ms() + STORM_MS;
	struct place at = { 0 };
	unsigned int times = 0;
	u64 hits = 0;
	pthread_t thread;
	void *failed;

	(void)arg;
	mutant_row(moving.name);
	stay_on(0);
	make_page(&at);
	dev_read(d, at.mem.addr);
	ASSERT(!pthread_create(&thread, NULL, storm_main, &at));
	for (; now_ms() < end; times++) {
		mutant_arm(getpid(), moving.name);
		sleep_ms(times % 4);
		hits += mutant_hits();
		if (times % 3) {
			mutant_disarm();
			continue;
		}
		ASSERT_PROBE(probe_mutants_unload());
		ASSERT_PROBE(probe_mutants_load());
	}
	atomic_store(&enough, true);
	pthread_join(thread, &failed);
	EXPECT(!failed);
	EXPECT_GE(hits, 1);
	ktap_note("armed %u times, applied %llu times", times, (unsigned long long)hits);
	cpu_write(at.mem.addr, 5);
	EXPECT_EQ(dev_read(d, at.mem.addr), 5);
	dmirage_close(d);
}

static const struct ktap_test tests[] = {
	{ "list", list, 0, LIMIT_S },
	{ "refused-pid", refused_pid, 0, 0 },
	{ "refused-name", refused_name, 0, 0 },
	{ "others", others, 0, 0 },
	{ "other-callers", other_callers, 0, 0 },
	{ "ends-exit", ends, END_EXIT, 0 },
	{ "ends-killed", ends, END_KILLED, 0 },
	{ "ends-exec", ends, END_EXEC, 0 },
	{ "unload", unload, 0, LIMIT_S },
	{ "unload-late", unload_late, 0, 0 },
	{ "storm", storm, 0, LIMIT_S },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests), plays_prepare);
}
