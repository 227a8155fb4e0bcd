// SPDX-License-Identifier: GPL-2.0
/*
 * Every order of an access, a fault and an invalidation, made by stopping one
 * of them: hold points in the device (debugfs `hold'), gates in the driver
 * (debugfs `gate').  Each test sees that somebody is really stopped before it
 * goes on.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "schedule.h"

/* ---- Held accesses ------------------------------------------------------- */

/* A held write is released by the test, and by nothing else before. */
static void hold_release(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();

	(void)arg;
	ASSERT(file_says(d, "hold", "", "none"));
	dev_write(d, mem.addr, 1);
	arm_hold(d, "translated");
	submit_write(d, mem.addr, 2);
	wait_held(d);
	expect_no_completion(d);
	EXPECT_EQ(cpu_read(mem.addr), 1);
	release_hold(d);
	EXPECT_EQ(complete(d).status, DMIRAGE_ST_OK);
	EXPECT_EQ(cpu_read(mem.addr), 2);
	ASSERT(file_says(d, "hold", "", "none"));
	expect_clean(d);
}

/* Held for too long: it goes on by itself. */
static void hold_limit(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	u64 begin;

	(void)arg;
	dev_write(d, mem.addr, 1);
	arm_hold(d, "translated");
	begin = now_ms();
	submit_write(d, mem.addr, 2);
	EXPECT_EQ(complete(d).status, DMIRAGE_ST_OK);
	EXPECT_GE(now_ms() - begin, DMIRAGE_HOLD_LIMIT_DEFAULT - 100);
	EXPECT_EQ(cpu_read(mem.addr), 2);
	expect_clean(d);
}

/* While one context is held, the others go on. */
static void hold_others(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *held = open_context(), *other = open_context();

	(void)arg;
	arm_hold(held, "translated");
	submit_write(held, mem.addr, 1);
	wait_held(held);
	dev_write(other, mem.addr + 8, 2);
	EXPECT_EQ(cpu_read(mem.addr + 8), 2);
	EXPECT(file_says(held, "hold", "", "held"));
	EXPECT_EQ(cpu_read(mem.addr), 0);
	/* And the end of a context with a held access does not hang. */
	dmirage_close(held);
	dev_write(other, mem.addr + 8, 3);
	EXPECT_EQ(cpu_read(mem.addr), 0);
	expect_clean(other);
}

/*
 * A write that has latched its translation, and a change of the mapping, which
 * makes the write go on and has to wait until it is over.
 */
static void held_write(struct dmirage *d, const struct probe_mem *mem, u8 *p,
		       u64 value, enum change what)
{
	struct changer c;

	changer_make(&c, mem, what);
	arm_hold(d, "translated");
	submit_write(d, p, value);
	wait_held(d);
	changer_start(&c);
	changer_end(&c);
	EXPECT_EQ(complete(d).status, DMIRAGE_ST_OK);
}

/*
 * The same, but the write stays where it is: as long as it does, the change
 * must not be over.  A driver that sends a flush and does not await it is seen
 * here, whoever is faster.
 */
static void kept_write(struct dmirage *d, const struct probe_mem *mem, u8 *p,
		       u64 value, enum change what)
{
	u64 drained = get_counters(d).drained;
	struct changer c;

	changer_make(&c, mem, what);
	arm_hold_long(d, "translated-keep");
	submit_write(d, p, value);
	wait_held(d);
	changer_start(&c);
	/* The flush has come, and waits. */
	while (get_counters(d).drained == drained)
		usleep(1000);
	usleep(QUIET_MS * 1000);
	EXPECT(!atomic_load(&c.done));
	EXPECT(file_says(d, "hold", "", "held"));
	release_hold(d);
	changer_end(&c);
	EXPECT_EQ(complete(d).status, DMIRAGE_ST_OK);
}

/*
 * A migration that did not wait would copy the page without the value, or the
 * write would find that its frame is not the process's any more.
 */
static void hold_move(int kind)
{
	struct probe_mem mem = get_mem(kind, probe_kind_size(kind));
	u8 *p = mem.addr + mem.len - 64;
	struct dmirage *d = open_context();
	unsigned int i;
	u64 before;

	dev_write(d, p, 1);
	for (i = 0; i < 4; i++) {
		before = frame_of(p);
		(i < 2 ? kept_write : held_write)(d, &mem, p, 2 + i,
						  i % 2 ? MOVE_BACK : MOVE);
		EXPECT_NE(frame_of(p), before);
		ASSERT_PROBE(probe_mem_verify(&mem, !(i % 2)));
		EXPECT_EQ(cpu_read(p), 2 + i);
		EXPECT_EQ(dev_read(d, p), 2 + i);
	}
	EXPECT_GE(get_counters(d).drained, 4);
	expect_clean(d);
}

static void hold_change(int what)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	u8 *p = mem.addr + 64;

	dev_write(d, p, 1);
	kept_write(d, &mem, p, 2, what);
	EXPECT_GE(get_counters(d).drained, 1);
	if (what == READ_ONLY) {
		EXPECT_EQ(cpu_read(p), 2);
		expect_write_fault(d, p, EPERM);
	} else if (what == DROP) {
		EXPECT_EQ(cpu_read(p), 0);
		EXPECT_EQ(dev_read(d, p), 0);
	} else {
		expect_read_fault(d, p, EFAULT);
	}
	expect_clean(d);
}

/* A copy that has latched both sides; both pages are moved. */
static void hold_copy(int arg)
{
	struct probe_mem src = get_mem(PROBE_KIND_THP, PROBE_2M);
	struct probe_mem dst = get_mem(PROBE_KIND_THP, PROBE_2M);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe;

	(void)arg;
	memset(src.addr, 0x5a, PROBE_2M);
	dmirage_prep_copy(&sqe, 1, dst.addr, src.addr, 4096);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	dmirage_prep_copy(&sqe, 2, dst.addr, src.addr, PROBE_2M);
	arm_hold(d, "translated");
	submit(d, &sqe);
	wait_held(d);
	/* The one from under the access, the other one while it goes on. */
	move_mem(&src, 1);
	move_mem(&dst, 1);
	EXPECT_EQ(complete(d).status, DMIRAGE_ST_OK);
	EXPECT(!memcmp(src.addr, dst.addr, PROBE_2M));
	EXPECT_GE(get_counters(d).drained, 1);
	expect_clean(d);
}

/* ---- A fault, and a change in the middle of it --------------------------- */

static const char *const fault_points[] = {
	"fault-begin",
	"fault-snapshot",
	"fault-commit",
	"fault-lock",
};

/*
 * The page's state has been read (or is about to be, or has been acted upon)
 * when it changes.  What the driver has read must not become an entry.
 */
static void gated_fault(enum change what, bool write, const char *point)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 2 * PROBE_4K);
	struct probe_mem page = mem;
	struct dmirage *d = open_context();
	struct dmirage_counters before, after;
	struct dmirage_cqe cqe;
	u8 *p = mem.addr;

	/* The second page makes the driver listen; the first is changed. */
	page.len = PROBE_4K;
	dev_write(d, mem.addr + PROBE_4K, 1);
	before = get_counters(d);
	cpu_write(p, 10);
	arm_gate(d, point);
	if (write)
		submit_write(d, p + 8, 20);
	else
		submit_read(d, p);
	wait_gate(d, point);
	expect_no_completion(d);

	if (what == MOVE)
		move_mem(&page, 1);
	else
		ASSERT_SYS(change(&page, what));
	if (what == MOVE || what == DROP)
		cpu_write(p, 11);
	release_gate(d);
	cqe = complete(d);
	after = get_counters(d);

	switch (what) {
	case MOVE:
	case MOVE_BACK:
	case DROP:
		EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
		if (write)
			EXPECT_EQ(cpu_read(p + 8), 20);
		else
			EXPECT_EQ(cqe.result, 11);
		cpu_write(p, 12);
		EXPECT_EQ(dev_read(d, p), 12);
		break;
	case READ_ONLY:
		EXPECT_EQ(cqe.status, write ? DMIRAGE_ST_FAULT : DMIRAGE_ST_OK);
		if (write)
			EXPECT_EQ(cqe.detail, EPERM);
		else
			EXPECT_EQ(cqe.result, 10);
		expect_write_fault(d, p, EPERM);
		EXPECT_EQ(dev_read(d, p), 10);
		break;
	case UNMAP:
	case NO_ACCESS:
		EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
		EXPECT_EQ(cqe.detail, EFAULT);
		expect_read_fault(d, p, EFAULT);
		break;
	}
	if (!strcmp(point, "fault-commit"))
		/* The entry was made, and taken out again. */
		EXPECT_GE(after.faults, before.faults + 2);
	else if (cqe.status == DMIRAGE_ST_OK || strcmp(point, "fault-begin") != 0)
		/* What was read before the change was thrown away. */
		EXPECT_GE(after.fault_retries, before.fault_retries + 1);
	EXPECT_EQ(dev_read(d, mem.addr + PROBE_4K), 1);
	expect_not_expired(d);
	expect_clean(d);
}

/* arg: change, write, point */
#define GATED(what, write, point) ((what) << 8 | (write) << 4 | (point))

static void gated(int arg)
{
	gated_fault(arg >> 8, arg >> 4 & 1, fault_points[arg & 15]);
}

/*
 * A write fault found a page that is the process's own; then fork() makes the
 * child share it.  A writable entry would let the device write to the child's.
 */
static void gated_fork(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 2 * PROBE_4K);
	struct dmirage *d = open_context();
	int go[2], status;
	pid_t pid;
	char c;

	(void)arg;
	dev_write(d, mem.addr + PROBE_4K, 1);
	cpu_write(mem.addr, 1);
	ASSERT_SYS(pipe(go));
	arm_gate(d, "fault-snapshot");
	submit_write(d, mem.addr, 2);
	wait_gate(d, "fault-snapshot");
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid) {
		close(go[1]);
		status = read(go[0], &c, 1) == 1 && cpu_read(mem.addr) == 1;
		_exit(!status);
	}
	release_gate(d);
	EXPECT_EQ(complete(d).status, DMIRAGE_ST_OK);
	EXPECT_EQ(cpu_read(mem.addr), 2);
	EXPECT_EQ(dev_read(d, mem.addr), 2);
	EXPECT_GE(get_counters(d).fault_retries, 1);
	ASSERT_EQ(write(go[1], "g", 1), 1);
	ASSERT_SYS(waitpid(pid, &status, 0));
	EXPECT_EQ(status, 0);
	expect_not_expired(d);
	expect_clean(d);
}

/* A read fault found the page that is shared with a child; the CPU writes. */
static void gated_cow(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 2 * PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_cqe cqe;
	int go[2], status;
	u64 before;
	pid_t pid;
	char c;

	(void)arg;
	dev_write(d, mem.addr + PROBE_4K, 1);
	cpu_write(mem.addr, 1);
	ASSERT_SYS(pipe(go));
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid) {
		close(go[1]);
		status = read(go[0], &c, 1) == 1 && cpu_read(mem.addr) == 1;
		_exit(!status);
	}
	before = frame_of(mem.addr);
	arm_gate(d, "fault-snapshot");
	submit_read(d, mem.addr);
	wait_gate(d, "fault-snapshot");
	cpu_write(mem.addr, 2);
	ASSERT_NE(frame_of(mem.addr), before);
	release_gate(d);
	cqe = complete(d);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, 2);
	EXPECT_GE(get_counters(d).fault_retries, 1);
	ASSERT_EQ(write(go[1], "g", 1), 1);
	ASSERT_SYS(waitpid(pid, &status, 0));
	EXPECT_EQ(status, 0);
	expect_not_expired(d);
	expect_clean(d);
}

/* A context that ends while its fault is at a gate. */
static void gated_close(int point)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	u64 begin;

	arm_gate(d, fault_points[point]);
	submit_write(d, mem.addr, 1);
	wait_gate(d, fault_points[point]);
	begin = now_ms();
	dmirage_close(d);
	EXPECT(now_ms() - begin < 1000);
	/* The device is fine. */
	d = open_context();
	dev_write(d, mem.addr, 2);
	EXPECT_EQ(cpu_read(mem.addr), 2);
	expect_clean(d);
}

/* ---- An invalidation, and an access in the middle of it ------------------ */

/*
 * The driver has taken the entry out and not yet flushed.  Where the device
 * still has a translation it may use it: the process has the page still.  Where
 * it has none it faults, and that has to wait for the end of the invalidation.
 */
static void cleared(int what)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 2 * PROBE_4K);
	struct probe_mem page = mem;
	struct dmirage *d = open_context();
	struct changer c;
	struct dmirage_cqe cqe;
	u8 *other = mem.addr + PROBE_4K;

	page.len = PROBE_4K;
	dev_write(d, mem.addr, 1);
	cpu_write(other, 2);
	changer_make(&c, &page, what);
	arm_gate(d, "inval-cleared");
	changer_start(&c);
	wait_gate(d, "inval-cleared");
	EXPECT(!atomic_load(&c.done));

	submit_read(d, other);
	expect_no_completion(d);
	EXPECT(!atomic_load(&c.done));
	release_gate(d);
	changer_end(&c);
	cqe = complete(d);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, 2);

	if (what == MOVE) {
		EXPECT_EQ(dev_read(d, mem.addr), 1);
		cpu_write(mem.addr, 3);
		EXPECT_EQ(dev_read(d, mem.addr), 3);
	} else if (what == READ_ONLY) {
		expect_write_fault(d, mem.addr, EPERM);
		EXPECT_EQ(dev_read(d, mem.addr), 1);
	} else {
		expect_read_fault(d, mem.addr, EFAULT);
	}
	expect_not_expired(d);
	expect_clean(d);
}

/* The device writes through its own copy of an entry that is being taken out. */
static void cleared_hit(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	struct changer c;
	struct dmirage_cqe cqe;

	(void)arg;
	dev_write(d, mem.addr, 1);
	changer_make(&c, &mem, MOVE);
	arm_gate(d, "inval-cleared");
	changer_start(&c);
	wait_gate(d, "inval-cleared");
	submit_write(d, mem.addr, 2);
	cqe = complete(d);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT(!atomic_load(&c.done));
	release_gate(d);
	changer_end(&c);
	EXPECT_EQ(cpu_read(mem.addr), 2);
	EXPECT_EQ(dev_read(d, mem.addr), 2);
	ASSERT_PROBE(probe_mem_verify(&mem, 1));
	expect_not_expired(d);
	expect_clean(d);
}

/*
 * The notifier has been called and has done nothing yet: a fault may still get
 * an entry, and the notifier must find it.
 */
static void begun(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 2 * PROBE_4K);
	struct probe_mem page = mem;
	struct dmirage *d = open_context();
	struct dmirage_counters before;
	struct changer c;

	(void)arg;
	page.len = PROBE_4K;
	dev_write(d, mem.addr + PROBE_4K, 1);
	changer_make(&c, &page, MOVE);
	before = get_counters(d);
	arm_gate(d, "inval-begin");
	changer_start(&c);
	wait_gate(d, "inval-begin");
	dev_write(d, mem.addr, 2);
	EXPECT_EQ(get_counters(d).faults, before.faults + 1);
	EXPECT(!atomic_load(&c.done));
	release_gate(d);
	changer_end(&c);
	ASSERT_PROBE(probe_mem_verify(&page, 1));
	EXPECT_GE(get_counters(d).flushes, before.flushes + 1);
	EXPECT_EQ(cpu_read(mem.addr), 2);
	cpu_write(mem.addr, 3);
	EXPECT_EQ(dev_read(d, mem.addr), 3);
	expect_not_expired(d);
	expect_clean(d);
}

/* A gate refuses what it does not know, and what is waited at. */
static void gate_input(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();

	(void)arg;
	EXPECT_EQ((u64)probe_ctx_write(d, "gate", "no-such-gate"),
		  (u64)-EINVAL);
	/* Nobody waits. */
	EXPECT_EQ((u64)probe_ctx_write(d, "gate", "again"), (u64)-EINVAL);
	EXPECT_EQ((u64)probe_ctx_write(d, "hold", "no-such-point"),
		  (u64)-EINVAL);
	EXPECT_EQ((u64)probe_ctx_write(d, "fault_mode", "no-such-mode"),
		  (u64)-EINVAL);
	EXPECT_OK(probe_ctx_write(d, "fault_mode", FAULT_MODE_FIRST_PAGE));
	EXPECT_OK(probe_ctx_write(d, "fault_mode", "none"));
	arm_gate(d, "fault-begin");
	submit_write(d, mem.addr, 1);
	wait_gate(d, "fault-begin");
	EXPECT_EQ((u64)probe_ctx_write(d, "gate", "fault-commit"),
		  (u64)-EBUSY);
	release_gate(d);
	EXPECT_EQ(complete(d).status, DMIRAGE_ST_OK);
	expect_clean(d);
}

static const struct ktap_test tests[] = {
	{ "gate-input", gate_input, 0, 0 },
	{ "hold-release", hold_release, 0, 0 },
	{ "hold-limit", hold_limit, 0, 0 },
	{ "hold-others-go-on", hold_others, 0, 0 },
	{ "hold-write-move-4k", hold_move, PROBE_KIND_4K, 0 },
	{ "hold-write-move-thp", hold_move, PROBE_KIND_THP, 0 },
	{ "hold-write-move-hugetlb", hold_move, PROBE_KIND_HUGETLB, 0 },
	{ "hold-write-munmap", hold_change, UNMAP, 0 },
	{ "hold-write-dontneed", hold_change, DROP, 0 },
	{ "hold-write-mprotect", hold_change, READ_ONLY, 0 },
	{ "hold-copy-move-both", hold_copy, 0, 0 },
	{ "fault-begin-move", gated, GATED(MOVE, 1, 0), 0 },
	{ "fault-begin-munmap", gated, GATED(UNMAP, 0, 0), 0 },
	{ "fault-snapshot-move", gated, GATED(MOVE, 0, 1), 0 },
	{ "fault-snapshot-move-write", gated, GATED(MOVE, 1, 1), 0 },
	{ "fault-snapshot-munmap", gated, GATED(UNMAP, 1, 1), 0 },
	{ "fault-snapshot-dontneed", gated, GATED(DROP, 0, 1), 0 },
	{ "fault-snapshot-mprotect-read", gated, GATED(READ_ONLY, 0, 1), 0 },
	{ "fault-snapshot-mprotect-write", gated, GATED(READ_ONLY, 1, 1), 0 },
	{ "fault-snapshot-mprotect-none", gated, GATED(NO_ACCESS, 0, 1), 0 },
	{ "fault-snapshot-fork", gated_fork, 0, 0 },
	{ "fault-snapshot-cow", gated_cow, 0, 0 },
	{ "fault-lock-move", gated, GATED(MOVE, 1, 3), 0 },
	{ "fault-lock-munmap", gated, GATED(UNMAP, 0, 3), 0 },
	{ "fault-commit-move", gated, GATED(MOVE, 1, 2), 0 },
	{ "fault-commit-munmap", gated, GATED(UNMAP, 0, 2), 0 },
	{ "fault-begin-close", gated_close, 0, 0 },
	{ "fault-snapshot-close", gated_close, 1, 0 },
	{ "fault-commit-close", gated_close, 2, 0 },
	{ "fault-lock-close", gated_close, 3, 0 },
	{ "inval-begin-fault", begun, 0, 0 },
	{ "inval-cleared-move", cleared, MOVE, 0 },
	{ "inval-cleared-munmap", cleared, UNMAP, 0 },
	{ "inval-cleared-mprotect", cleared, READ_ONLY, 0 },
	{ "inval-cleared-hit", cleared_hit, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
