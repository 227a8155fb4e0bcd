// SPDX-License-Identifier: GPL-2.0
/*
 * Fault modes: notifiers that sleep when they may not, and refuse when they may
 * not.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fault_mode.h"
#include "newer.h"
#include "scene.h"

/* ---- sleep-anyway ---------------------------------------------------------- */

/*
 * A process with a thread in a notifier, which holds the context's lock, and
 * holds up the end of the process.
 */
static void victim(const char *mode, int told)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	u32 asid = get_info(d).asid;
	struct changer c;

	dev_write(d, mem.addr, 1);
	changer_make(&c, &mem, DROP);
	set_mode(d, mode);
	arm_gate(d, "inval-cleared");
	changer_start(&c);
	wait_gate(d, "inval-cleared");
	ASSERT_EQ(write(told, &asid, sizeof(asid)), sizeof(asid));
	pause();
	ktap_end();
}

struct reaper {
	int pidfd;
	int ret;
	int err;
	atomic_bool done;
};

static void *reaper_main(void *arg)
{
	struct reaper *r = arg;

	r->ret = (int)syscall(SYS_process_mrelease, r->pidfd, 0);
	r->err = errno;
	atomic_store(&r->done, true);
	return NULL;
}

static void sleep_anyway_with(const char *mode)
{
	struct reaper r = { 0 };
	pthread_t thread;
	int told[2], status;
	pid_t pid;
	u32 asid;
	u64 end;

	half_begins(mode);
	ASSERT_SYS(pipe(told));
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid)
		victim(mode, told[1]);
	close(told[1]);
	ASSERT_EQ(read(told[0], &asid, sizeof(asid)), sizeof(asid));
	r.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	ASSERT_SYS(r.pidfd);
	ASSERT_SYS(kill(pid, SIGKILL));

	ASSERT(!pthread_create(&thread, NULL, reaper_main, &r));
	end = now_ms() + 2000;
	while (!ctx_counter(asid, mode ? "fault_mode_hits" : "inval_refused") &&
	       now_ms() < end)
		sleep_ms(1);
	if (mode) {
		/* It has to wait for whoever has the lock. */
		sleep_ms(QUIET_MS);
		EXPECT(!atomic_load(&r.done));
		EXPECT_GE(ctx_counter(asid, "fault_mode_hits"), 1);
		EXPECT_EQ(ctx_counter(asid, "inval_refused"), 0);
		ctx_write(asid, "gate", "release");
		pthread_join(thread, NULL);
		/* Too late for it to be of use, or in time. */
		EXPECT(!r.ret || r.err == EAGAIN || r.err == ESRCH);
	} else {
		/* It comes back, and nothing has moved. */
		while (!atomic_load(&r.done) && now_ms() < end)
			sleep_ms(1);
		if (!EXPECT(atomic_load(&r.done)))
			ctx_write(asid, "gate", "release");
		pthread_join(thread, NULL);
		EXPECT_EQ(r.ret, -1);
		EXPECT_EQ(r.err, EAGAIN);
		EXPECT_GE(ctx_counter(asid, "inval_refused"), 1);
		EXPECT_EQ(ctx_counter(asid, "fault_mode_hits"), 0);
		ctx_write(asid, "gate", "release");
	}
	ASSERT_SYS(waitpid(pid, &status, 0));
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	close(r.pidfd);
	close(told[0]);
}

static void sleep_anyway(int arg)
{
	(void)arg;
	if (syscall(SYS_process_mrelease, -1, 0) == -1 && errno == ENOSYS)
		SKIP("no process_mrelease()");
	sleep_anyway_with(NULL);
	sleep_anyway_with("sleep-anyway");
}

/* ---- refuse-blockable -------------------------------------------------------- */

static void refuse_with(const char *mode)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 2 * PROBE_4K);
	struct dmirage *d = open_context();
	u64 flushes;

	dev_write(d, mem.addr, 1);
	dev_write(d, mem.addr + PROBE_4K, 1);
	flushes = get_counters(d).flushes;
	if (mode)
		tell_runner("expect warning: at mm/mmu_notifier.c:");
	set_mode(d, mode);
	/* The kernel has no way to fail, and goes on. */
	ASSERT_SYS(mprotect(mem.addr, PROBE_4K, PROT_READ));
	if (mode)
		set_mode(d, "none");
	EXPECT_EQ(mode_hits(d), mode ? 1 : 0);
	EXPECT_EQ(counter(d, "left_stale"), mode ? 1 : 0);
	EXPECT_EQ(get_counters(d).flushes, flushes + !mode);
	if (mode)
		expect_stale_write(d, mem.addr);
	else
		expect_write_fault(d, mem.addr, EPERM);
	/* Whatever it did not refuse is as it should be. */
	ASSERT_SYS(mprotect(mem.addr + PROBE_4K, PROBE_4K, PROT_READ));
	expect_write_fault(d, mem.addr + PROBE_4K, EPERM);
	expect_violations(d, mode ? 1 : 0);
	dmirage_close(d);
}

static void refuse(int arg)
{
	(void)arg;
	refuse_with(NULL);
	refuse_with("refuse-blockable");
}

static const struct ktap_test tests[] = {
	{ "sleep-anyway", sleep_anyway, 0, 0 },
	{ "refuse-blockable", refuse, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
