// SPDX-License-Identifier: GPL-2.0
/*
 * Mapping ahead: how many faults a long operation takes, where the driver stops,
 * and what becomes of an entry that is being made for nobody yet.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>

#include "schedule.h"

#define AHEAD	32	/* entries behind that of the fault: driver/ahead.c */
#define GIB	(1ul << 30)

static struct dmirage_sqe touch(const struct probe_mem *mem, size_t off,
				size_t len, int write)
{
	struct dmirage_sqe sqe;

	if (write)
		dmirage_prep_touch_write(&sqe, 1, mem->addr + off, len);
	else
		dmirage_prep_touch_read(&sqe, 1, mem->addr + off, len);
	return sqe;
}

/* 1 GiB of huge pages: 512 of them, and a fault for each 33. */
static void gib(int write)
{
	struct probe_mem mem = get_mem(PROBE_KIND_THP, GIB);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe = touch(&mem, 0, GIB, write);
	struct dmirage_counters c;

	expect_op(d, &sqe, DMIRAGE_ST_OK);
	c = get_counters(d);
	ktap_note("%llu faults per GiB", c.faults);
	/* one more if it lies across two intervals */
	EXPECT_GE(GIB / PROBE_2M / AHEAD, c.faults);
	EXPECT_EQ(c.mapped_2m, GIB / PROBE_2M);
	EXPECT_EQ(c.mapped_4k, 0);
	EXPECT_EQ(counter(d, "mapped_ahead"), c.mapped_2m - c.faults);

	/* Once more: all is there. */
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	EXPECT_EQ(get_counters(d).faults, c.faults);
	expect_clean(d);
}

/* Not further than the operation goes. */
static void length(int kind)
{
	struct probe_mem mem = get_mem(kind, 4 * PROBE_2M);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe = touch(&mem, PROBE_2M / 2, PROBE_2M, 0);

	expect_op(d, &sqe, DMIRAGE_ST_OK);
	EXPECT_EQ(get_counters(d).faults, 1);
	EXPECT_EQ(get_counters(d).mapped_2m, 2);
	sqe = touch(&mem, 0, 2 * PROBE_2M, 0);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	EXPECT_EQ(get_counters(d).faults, 1);
	EXPECT_EQ(dev_read(d, mem.addr + 2 * PROBE_2M), 0);
	EXPECT_EQ(get_counters(d).faults, 2);
	EXPECT_EQ(get_counters(d).mapped_2m, 3);
	expect_clean(d);
}

/* What a read has entered ahead gets the permission to write ahead, too. */
static void upgrade(int kind)
{
	struct probe_mem mem = get_mem(kind, 4 * PROBE_2M);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe = touch(&mem, 0, mem.len, 0);

	expect_op(d, &sqe, DMIRAGE_ST_OK);
	sqe = touch(&mem, 0, mem.len, 1);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	EXPECT_EQ(get_counters(d).faults, 2);
	EXPECT_EQ(get_counters(d).mapped_2m, 4);
	EXPECT_EQ(counter(d, "mapped_ahead"), 3);
	expect_clean(d);
}

/* Nothing is faulted in, and what cannot be had is no error of the fault. */
static void hole(int kind)
{
	struct probe_mem mem = get_mem(kind, 4 * PROBE_2M);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe = touch(&mem, 0, mem.len, 0);
	struct probe_page page;
	struct dmirage_cqe cqe;

	ASSERT_SYS(madvise(mem.addr + 2 * PROBE_2M, PROBE_2M, MADV_DONTNEED));
	/* Held after its first chunk: what is there is what the fault made. */
	arm_hold(d, "middle");
	submit(d, &sqe);
	wait_held(d);
	EXPECT_EQ(get_counters(d).faults, 1);
	EXPECT_EQ(get_counters(d).mapped_2m, 2);
	ASSERT_PROBE(probe_page(mem.addr + 2 * PROBE_2M, &page));
	EXPECT(!page.present);
	release_hold(d);
	EXPECT_EQ(complete(d).status, DMIRAGE_ST_OK);

	ASSERT_SYS(munmap(mem.addr + 2 * PROBE_2M, PROBE_2M));
	cqe = run_op(d, &sqe);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
	EXPECT_EQ(cqe.detail, EFAULT);
	EXPECT_EQ(cqe.addr, (uintptr_t)mem.addr + 2 * PROBE_2M);
	EXPECT_EQ(cqe.result, 2 * PROBE_2M);
	expect_clean(d);
}

/* Nor is anything made writable: that takes a fault of its own. */
static void read_only(int kind)
{
	struct probe_mem mem = get_mem(kind, 4 * PROBE_2M);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe = touch(&mem, 0, mem.len, 1);
	struct dmirage_cqe cqe;

	ASSERT_SYS(mprotect(mem.addr + 2 * PROBE_2M, PROBE_2M, PROT_READ));
	cqe = run_op(d, &sqe);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
	EXPECT_EQ(cqe.detail, EPERM);
	EXPECT_EQ(cqe.addr, (uintptr_t)mem.addr + 2 * PROBE_2M);
	EXPECT_EQ(get_counters(d).mapped_2m, 2);
	EXPECT_EQ(counter(d, "mapped_ahead"), 1);
	expect_clean(d);
}

/* Only where the process has allowed it. */
static void region(int kind)
{
	const struct dmirage_open_opts opts = { .flags = DMIRAGE_OPEN_REGIONS };
	struct probe_mem mem = get_mem(kind, 4 * PROBE_2M);
	struct dmirage_sqe sqe = touch(&mem, 0, mem.len, 0);
	struct dmirage_cqe cqe;
	struct dmirage *d;
	uint32_t id;

	ASSERT_OK(dmirage_open(NULL, &opts, &d));
	/* The last huge page is in it in part: it gets 4 KiB entries. */
	ASSERT_OK(dmirage_region_add(d, mem.addr, 2 * PROBE_2M + PROBE_4K, 0,
				     &id));
	cqe = run_op(d, &sqe);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
	EXPECT_EQ(cqe.addr, (uintptr_t)mem.addr + 2 * PROBE_2M + PROBE_4K);
	EXPECT_EQ(get_counters(d).mapped_2m, 2);
	EXPECT_EQ(get_counters(d).mapped_4k, 1);
	EXPECT_EQ(counter(d, "mapped_ahead"), 1);
	expect_clean(d);
}

/*
 * The second page changes after the driver has looked at it for an entry ahead.
 * An entry made of that would be stale at once.
 */
static void race(int what)
{
	struct probe_mem mem = get_mem(PROBE_KIND_THP, 2 * PROBE_2M);
	struct probe_mem second = mem;
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe;
	struct dmirage_cqe cqe;
	char gate[64];

	second.addr += PROBE_2M;
	second.len = PROBE_2M;
	cpu_write(second.addr, 5);
	snprintf(gate, sizeof(gate), "fault-snapshot %p", (void *)second.addr);
	ASSERT_PROBE(probe_ctx_write(d, "gate", gate));
	dmirage_prep_crc32c(&sqe, 1, mem.addr, mem.len);
	submit(d, &sqe);
	wait_gate(d, "fault-snapshot");
	EXPECT_EQ(counter(d, "mapped_2m"), 1);
	EXPECT_EQ(change(&second, what), 0);
	if (what == MOVE)
		cpu_write(second.addr, 6);
	release_gate(d);
	cqe = complete(d);
	if (what == UNMAP || what == NO_ACCESS) {
		EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
		EXPECT_EQ(cqe.addr, (uintptr_t)second.addr);
	} else {
		EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
		EXPECT_EQ(get_counters(d).faults, 2);
		EXPECT_EQ(counter(d, "mapped_ahead"), 0);
		EXPECT_EQ(dev_read(d, second.addr), cpu_read(second.addr));
	}
	expect_not_expired(d);
	expect_clean(d);
}

/* The second page changes as soon as its entry is there, before the answer. */
static void before_answer(int what)
{
	struct probe_mem mem = get_mem(PROBE_KIND_THP, 2 * PROBE_2M);
	struct probe_mem second = mem;
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe = touch(&mem, 0, mem.len, 0);

	second.addr += PROBE_2M;
	second.len = PROBE_2M;
	arm_gate(d, "fault-commit");
	submit(d, &sqe);
	wait_gate(d, "fault-commit");
	EXPECT_EQ(counter(d, "mapped_2m"), 2);
	EXPECT_EQ(change(&second, what), 0);
	EXPECT_EQ(counter(d, "unmapped_2m"), 1);
	release_gate(d);
	EXPECT_EQ(complete(d).status, DMIRAGE_ST_OK);
	EXPECT_EQ(get_counters(d).faults, 2);
	expect_not_expired(d);
	expect_clean(d);
}

/* The context ends while the driver maps ahead. */
static void ends(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_THP, 4 * PROBE_2M);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe = touch(&mem, 0, mem.len, 1);
	char gate[64];

	(void)arg;
	snprintf(gate, sizeof(gate), "fault-snapshot %p",
		 (void *)(mem.addr + PROBE_2M));
	ASSERT_PROBE(probe_ctx_write(d, "gate", gate));
	submit(d, &sqe);
	wait_gate(d, "fault-snapshot");
	dmirage_close(d);
	d = open_context();
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	EXPECT_EQ(get_counters(d).faults, 1);
	EXPECT_EQ(get_counters(d).mapped_2m, 4);
	expect_clean(d);
}

/*
 * What a fault mode has left behind stays: it is what the mode is for.  An
 * operation that is to see it must not lose it to a fault before it.
 */
static void fault_mode(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_THP, 2 * PROBE_2M);
	struct probe_mem second = mem;
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe = touch(&mem, 0, mem.len, 0);

	(void)arg;
	second.addr += PROBE_2M;
	second.len = PROBE_2M;
	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", FAULT_MODE_FIRST_PAGE));
	EXPECT_EQ(dev_read(d, second.addr), 0);
	move_mem(&second, 1);
	EXPECT_EQ(counter(d, "left_stale"), 1);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	/* The first page of the second was flushed, the others were not. */
	EXPECT_EQ(get_counters(d).violations, 511);
}

static const struct ktap_test tests[] = {
	{ "gib-read", gib, 0, 30 },
	{ "gib-write", gib, 1, 30 },
	{ "length-thp", length, PROBE_KIND_THP, 0 },
	{ "length-hugetlb", length, PROBE_KIND_HUGETLB, 0 },
	{ "upgrade-thp", upgrade, PROBE_KIND_THP, 0 },
	{ "upgrade-hugetlb", upgrade, PROBE_KIND_HUGETLB, 0 },
	{ "hole", hole, PROBE_KIND_THP, 0 },
	{ "read-only-thp", read_only, PROBE_KIND_THP, 0 },
	{ "read-only-hugetlb", read_only, PROBE_KIND_HUGETLB, 0 },
	{ "region", region, PROBE_KIND_THP, 0 },
	{ "race-move", race, MOVE, 0 },
	{ "race-unmap", race, UNMAP, 0 },
	{ "race-drop", race, DROP, 0 },
	{ "race-no-access", race, NO_ACCESS, 0 },
	{ "before-answer-move", before_answer, MOVE, 0 },
	{ "before-answer-drop", before_answer, DROP, 0 },
	{ "ends", ends, 0, 0 },
	{ "fault-mode", fault_mode, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
