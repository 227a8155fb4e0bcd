// SPDX-License-Identifier: GPL-2.0
/*
 * Several faults of a context at a time: both sides of an operation, the same
 * page for both, and what a failed operation leaves open.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>

#include "schedule.h"

static struct dmirage_sqe copy_sqe(void *dst, const void *src)
{
	struct dmirage_sqe sqe;

	dmirage_prep_copy(&sqe, 1, dst, src, 8);
	return sqe;
}

/* Until the device has raised @n faults. */
static void wait_faults(struct dmirage *d, u64 n)
{
	u64 end = now_ms() + 2000;

	while (counter(d, "hw_faults") < n && now_ms() < end)
		sleep_ms(1);
	ASSERT_EQ(counter(d, "hw_faults"), n);
}

/* Neither page has a translation: the device does not ask one by one. */
static void both_sides(int kind)
{
	size_t size = probe_kind_size(kind);
	struct probe_mem src = get_mem(kind, size), dst = get_mem(kind, size);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe = copy_sqe(dst.addr, src.addr);

	cpu_write(src.addr, 5);
	arm_gate(d, "fault-begin");
	submit(d, &sqe);
	wait_gate(d, "fault-begin");
	/* The first is being looked at, and the second has been raised. */
	wait_faults(d, 2);
	expect_no_completion(d);
	release_gate(d);
	EXPECT_EQ(complete(d).status, DMIRAGE_ST_OK);
	EXPECT_EQ(cpu_read(dst.addr), 5);
	EXPECT_EQ(get_counters(d).faults, 2);
	EXPECT_EQ(counter(d, "hw_faults"), 2);
	EXPECT_EQ(counter(d, "hw_faults_coalesced"), 0);
	EXPECT_EQ(counter(d, "hw_faults_failed"), 0);
	expect_not_expired(d);
	expect_clean(d);
}

/* Both are moved while both faults are open. */
static void both_move(int point)
{
	static const char *const points[] = { "fault-begin", "fault-snapshot",
					      "fault-commit" };
	struct probe_mem src = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct probe_mem dst = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct probe_mem warm = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe = copy_sqe(dst.addr + 8, src.addr);

	/* The driver listens from the start. */
	dev_write(d, warm.addr, 1);
	cpu_write(src.addr, 5);
	cpu_write(dst.addr, 6);
	arm_gate(d, points[point]);
	submit(d, &sqe);
	wait_gate(d, points[point]);
	wait_faults(d, 3);
	move_mem(&src, 1);
	move_mem(&dst, 1);
	cpu_write(src.addr, 7);
	release_gate(d);
	EXPECT_EQ(complete(d).status, DMIRAGE_ST_OK);
	EXPECT_EQ(cpu_read(dst.addr), 6);
	EXPECT_EQ(cpu_read(dst.addr + 8), 7);
	expect_not_expired(d);
	expect_clean(d);
}

/* Source and destination are in one page: the write's answer serves both. */
static void same_page(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe = copy_sqe(mem.addr + 64, mem.addr);

	(void)arg;
	cpu_write(mem.addr, 5);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	EXPECT_EQ(cpu_read(mem.addr + 64), 5);
	EXPECT_EQ(counter(d, "hw_faults"), 1);
	EXPECT_EQ(counter(d, "hw_faults_coalesced"), 1);
	EXPECT_EQ(get_counters(d).faults, 1);
	/* It was the write that was sent. */
	dev_write(d, mem.addr + 128, 9);
	EXPECT_EQ(get_counters(d).faults, 1);
	expect_clean(d);
}

/*
 * The destination cannot be had, and the operation has failed, when the source
 * still has a fault open.  Who wants that page next waits for its answer.
 */
static void left_open(int moved)
{
	struct probe_mem src = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct probe_mem warm = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe = copy_sqe(NULL, src.addr);
	struct dmirage_cqe cqe;
	char gate[64];

	dev_write(d, warm.addr, 1);
	cpu_write(src.addr, 5);
	snprintf(gate, sizeof(gate), "fault-snapshot %p", (void *)src.addr);
	ASSERT_PROBE(probe_ctx_write(d, "gate", gate));
	submit(d, &sqe);
	cqe = complete(d);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
	EXPECT_EQ(cqe.detail, EFAULT);
	EXPECT_EQ(cqe.addr, 0);
	EXPECT_EQ(counter(d, "hw_faults_failed"), 1);
	wait_gate(d, "fault-snapshot");

	/* The context is free for others. */
	EXPECT_EQ(dev_read(d, warm.addr), 1);
	submit_read(d, src.addr);
	expect_no_completion(d);
	EXPECT_EQ(counter(d, "hw_faults_coalesced"), 1);
	EXPECT_EQ(counter(d, "hw_faults"), 3);
	if (moved) {
		move_mem(&src, 1);
		cpu_write(src.addr, 6);
	}
	release_gate(d);
	EXPECT_EQ(complete(d).result, moved ? 6 : 5);
	EXPECT_EQ(counter(d, "hw_faults"), 3);
	expect_not_expired(d);
	expect_clean(d);
}

/*
 * Each second operation fails for its destination and leaves its source open,
 * which cannot be had either.  The answer to that comes when the next operation
 * is under way, and must not be taken for its own.
 */
static void left_again(int arg)
{
	enum { PAIRS = 20 };
	struct probe_mem src = get_mem(PROBE_KIND_4K, PAIRS * PROBE_4K);
	struct probe_mem dst = get_mem(PROBE_KIND_4K, PAIRS * PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe[2 * PAIRS];
	struct dmirage_cqe cqe;
	unsigned int i;

	(void)arg;
	for (i = 0; i < PAIRS; i++) {
		cpu_write(src.addr + i * PROBE_4K, 100 + i);
		sqe[2 * i] = copy_sqe(NULL, (void *)(2 * PROBE_4K));
		sqe[2 * i + 1] = copy_sqe(dst.addr + i * PROBE_4K,
					  src.addr + i * PROBE_4K);
	}
	ASSERT_EQ(dmirage_submit(d, sqe, 2 * PAIRS), 2 * PAIRS);
	for (i = 0; i < PAIRS; i++) {
		cqe = complete(d);
		EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
		EXPECT_EQ(cqe.addr, 0);
		cqe = complete(d);
		EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
		EXPECT_EQ(cpu_read(dst.addr + i * PROBE_4K), 100 + i);
	}
	EXPECT_GE(counter(d, "hw_faults_failed"), PAIRS + 1);
	expect_clean(d);
}

/* Both cannot be had: one completion, one error. */
static void both_bad(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 2 * PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe = copy_sqe(mem.addr, mem.addr + PROBE_4K);
	struct dmirage_cqe cqe;

	(void)arg;
	ASSERT_SYS(mprotect(mem.addr, PROBE_4K, PROT_READ));
	ASSERT_SYS(munmap(mem.addr + PROBE_4K, PROBE_4K));
	cqe = run_op(d, &sqe);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
	if (cqe.addr == (uintptr_t)mem.addr)
		EXPECT_EQ(cqe.detail, EPERM);
	else
		EXPECT_EQ(cqe.detail, EFAULT);
	EXPECT_EQ(get_counters(d).ops, 1);
	EXPECT_EQ(dev_read(d, mem.addr), 0);
	EXPECT_EQ(get_counters(d).ops, 2);
	expect_clean(d);
}

/* The context ends with both open, at each place where the driver may be. */
static void both_close(int point)
{
	static const char *const points[] = { "fault-begin", "fault-commit" };
	struct probe_mem src = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct probe_mem dst = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe = copy_sqe(dst.addr, src.addr);
	u64 begin;

	arm_gate(d, points[point]);
	submit(d, &sqe);
	wait_gate(d, points[point]);
	wait_faults(d, 2);
	begin = now_ms();
	dmirage_close(d);
	EXPECT(now_ms() - begin < 1000);
	/* The next owner of the ASID finds nothing of it. */
	d = open_context();
	cpu_write(src.addr, 5);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	EXPECT_EQ(cpu_read(dst.addr), 5);
	EXPECT_EQ(counter(d, "hw_faults"), 2);
	expect_clean(d);
}

static const struct ktap_test tests[] = {
	{ "both-sides-4k", both_sides, PROBE_KIND_4K, 0 },
	{ "both-sides-thp", both_sides, PROBE_KIND_THP, 0 },
	{ "both-sides-hugetlb", both_sides, PROBE_KIND_HUGETLB, 0 },
	{ "both-begin-move", both_move, 0, 0 },
	{ "both-snapshot-move", both_move, 1, 0 },
	{ "both-commit-move", both_move, 2, 0 },
	{ "both-bad", both_bad, 0, 0 },
	{ "both-begin-close", both_close, 0, 0 },
	{ "both-commit-close", both_close, 1, 0 },
	{ "same-page", same_page, 0, 0 },
	{ "left-open", left_open, 0, 0 },
	{ "left-open-move", left_open, 1, 0 },
	{ "left-open-again", left_again, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
