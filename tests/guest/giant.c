// SPDX-License-Identifier: GPL-2.0
/*
 * Entries of 1 GiB, in each mode; and entries of one size where there were those
 * of another one.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/mempolicy.h>

#include "newer.h"
#include "schedule.h"

#define GIANT (1ul << 30)

/* Who needs longer to clear 1 GiB had better not copy it, too. */
#define SLOW_MS 12000

#define PLACES 5
static const size_t places[PLACES] = { 0, 5 * PROBE_4K + 64, 77 * PROBE_2M,
				       GIANT / 2 - 8, GIANT - 8 };

/* ---- Pages of 1 GiB ------------------------------------------------------- */

#define POOL "/sys/devices/system/node/node%d/hugepages/hugepages-1048576kB/%s"

/* Shared by the tests, since it takes a while to clear it. */
static u8 *giant;
static const char *why = "not tried";
/* How long that took. */
static u64 clear_ms;
static int pool_before[2];

static int pool(int node, const char *name, int set)
{
	char path[128];
	int value = -1;
	FILE *f;

	snprintf(path, sizeof(path), POOL, node, name);
	f = fopen(path, set < 0 ? "re" : "we");
	if (!f)
		return -1;
	if (set >= 0)
		fprintf(f, "%d", set);
	else if (fscanf(f, "%d", &value) != 1)
		value = -1;
	fclose(f);
	return set < 0 ? value : 0;
}

static void pool_restore(void)
{
	int node;

	for (node = 0; node < 2; node++) {
		if (pool_before[node] >= 0)
			pool(node, "nr_hugepages", pool_before[node]);
	}
}

static void tidy(const char *path)
{
	FILE *f = fopen(path, "we");

	if (f) {
		fputs("1", f);
		fclose(f);
	}
}

/* One page for each node, if they have that much in a row. */
static void get_giant(void)
{
	unsigned long mask = 1;
	int node;

	reserve_huge_pages();
	for (node = 0; node < 2; node++)
		pool_before[node] = pool(node, "nr_hugepages", -1);
	if (pool_before[0] < 0) {
		why = "no 1 GiB pages on this machine";
		return;
	}
	atexit(pool_restore);
	tidy("/proc/sys/vm/drop_caches");
	tidy("/proc/sys/vm/compact_memory");
	for (node = 0; node < 2; node++)
		pool(node, "nr_hugepages", 1);
	if (pool(0, "free_hugepages", -1) < 1) {
		why = "node 0 has no 1 GiB in a row";
		return;
	}
	giant = mmap(NULL, GIANT, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_1GB,
		     -1, 0);
	if (giant == MAP_FAILED ||
	    syscall(SYS_mbind, giant, GIANT, MPOL_PREFERRED, &mask, 64, 0)) {
		why = strerror(errno);
		giant = NULL;
		return;
	}
	clear_ms = now_ms();
	*(volatile u8 *)giant = 1;
	clear_ms = now_ms() - clear_ms;
}

/* Ends the test if there is none, and asserts that it is one. */
static void need_giant(struct dmirage *d)
{
	unsigned int i;

	if (!(get_info(d).caps & DMIRAGE_CAP_PAGE_1G))
		SKIP("the device has no 1 GiB pages");
	if (!giant)
		SKIP("%s", why);
	for (i = 0; i < PLACES; i++)
		cpu_write(giant + places[i], 100 + i);
	ASSERT_EQ(frame_of(giant) % GIANT, 0);
	ASSERT_EQ(frame_of(giant + GIANT - 1),
		  frame_of(giant) + GIANT - PROBE_4K);
}

static void both_write(struct dmirage *d, u64 value)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++) {
		cpu_write(giant + places[i], value + i);
		EXPECT_EQ(dev_read(d, giant + places[i]), value + i);
		dev_write(d, giant + places[i], value + 50 + i);
		EXPECT_EQ(cpu_read(giant + places[i]), value + 50 + i);
	}
}

static void expect_size_at(int line, struct dmirage *d, const u8 *addr,
			   size_t size)
{
	struct tlb_line tlb;

	if (!in_iotlb(d, addr, &tlb) || tlb.size != size)
		ktap_fail(__FILE__, line, "the IOTLB has no %zu bytes there",
			  size);
}

#define expect_size(d, addr, size) expect_size_at(__LINE__, d, addr, size)

/* One entry, one fault, and one flush by which all of it goes. */
static void whole(int arg)
{
	struct dmirage *d = open_context();
	struct dmirage_counters c;

	(void)arg;
	need_giant(d);
	dev_write(d, giant + places[2], 5);
	EXPECT_EQ(cpu_read(giant + places[2]), 5);
	both_write(d, 200);
	c = get_counters(d);
	EXPECT_EQ(c.faults, 1);
	EXPECT_EQ(c.mapped_1g, 1);
	EXPECT_EQ(c.mapped_2m + c.mapped_4k, 0);
	expect_size(d, giant + places[2], GIANT);
	ASSERT_SYS(munmap(giant, GIANT));
	EXPECT_EQ(get_counters(d).flushes, c.flushes + 1);
	EXPECT_EQ(get_counters(d).unmapped_1g, 1);
	expect_read_fault(d, giant, EFAULT);
	expect_write_fault(d, giant + GIANT - 8, EFAULT);
	expect_clean(d);
}

/* A read does not permit writing; and what it made is upgraded. */
static void protect(int arg)
{
	struct dmirage *d = open_context();
	unsigned int i;

	(void)arg;
	need_giant(d);
	EXPECT_EQ(dev_read(d, giant + places[1]), 101);
	EXPECT_EQ(get_counters(d).mapped_1g, 1);
	dev_write(d, giant + places[1], 1);
	EXPECT_EQ(get_counters(d).faults, 2);
	EXPECT_EQ(get_counters(d).mapped_1g, 1);
	ASSERT_SYS(mprotect(giant, GIANT, PROT_READ));
	EXPECT_EQ(get_counters(d).unmapped_1g, 1);
	for (i = 0; i < PLACES; i++) {
		expect_write_fault(d, giant + places[i], EPERM);
		EXPECT_EQ(dev_read(d, giant + places[i]),
			  i == 1 ? 1 : 100 + i);
	}
	expect_write_fault(d, giant, EPERM);
	EXPECT_EQ(get_counters(d).mapped_1g, 2);
	ASSERT_SYS(mprotect(giant, GIANT, PROT_READ | PROT_WRITE));
	both_write(d, 300);
	expect_clean(d);
}

/* To the other node.  It takes seconds to copy, so it is once, for two modes. */
static void move(int arg)
{
	struct dmirage *d = open_context();
	struct dmirage *s = open_mode(DMIRAGE_MODE_SHARED, 0);
	struct probe_page page;
	int to = 1, status;
	unsigned int i;
	u64 frame;

	(void)arg;
	need_giant(d);
	if (pool(to, "free_hugepages", -1) < 1)
		SKIP("node 1 has no 1 GiB in a row");
	if (clear_ms > SLOW_MS * ktap_scale())
		SKIP("it took %llu ms to clear 1 GiB", clear_ms);
	frame = frame_of(giant);
	for (i = 0; i < PLACES; i++) {
		dev_write(d, giant + places[i], 400 + i);
		EXPECT_EQ(dev_read(s, giant + places[i]), 400 + i);
	}
	/* The page is shared with the program that runs the tests. */
	ASSERT(!syscall(SYS_move_pages, 0, 1ul, &(void *){ giant }, &to,
			&status, MPOL_MF_MOVE_ALL));
	/* Before 6.1 follow_huge_pud() gives nobody a reference. */
	if (status == -ENOENT)
		SKIP("this kernel does not move pages of 1 GiB");
	ASSERT_PROBE(probe_page(giant, &page));
	ASSERT_EQ(page.node, to);
	ASSERT_NE(page.frame, frame);
	for (i = 0; i < PLACES; i++)
		EXPECT_EQ(dev_read(s, giant + places[i]), 400 + i);
	both_write(d, 500);
	both_write(s, 600);
	EXPECT_GE(get_counters(d).flushes, 1);
	EXPECT_GE(get_counters(s).flushes, 1);
	EXPECT_EQ(get_counters(d).mapped_1g, 2);
	expect_clean(d);
	expect_clean(s);
}

static void shared(int arg)
{
	struct dmirage *d = open_mode(DMIRAGE_MODE_SHARED, 0);

	(void)arg;
	need_giant(d);
	both_write(d, 200);
	expect_size(d, giant + places[2], GIANT);
	EXPECT_EQ(get_counters(d).mapped_1g, 0);
	ASSERT_SYS(munmap(giant, GIANT));
	expect_read_fault(d, giant + places[2], EFAULT);
	expect_clean(d);
}

static void pinned(int arg)
{
	struct dmirage *d = open_mode(DMIRAGE_MODE_PINNED, 0);
	uint32_t id;

	(void)arg;
	need_giant(d);
	ASSERT_OK(dmirage_region_add(d, giant, GIANT, DMIRAGE_REGION_WRITE,
				     &id));
	EXPECT_EQ(get_counters(d).pinned, GIANT / PROBE_4K);
	EXPECT_EQ(get_counters(d).mapped_1g, 1);
	EXPECT_EQ(get_counters(d).mapped_2m + get_counters(d).mapped_4k, 0);
	both_write(d, 200);
	expect_size(d, giant + places[2], GIANT);
	EXPECT_EQ(get_counters(d).faults, 0);
	ASSERT_OK(dmirage_region_remove(d, id));
	EXPECT_EQ(get_counters(d).pinned, 0);
	EXPECT_EQ(get_counters(d).unmapped_1g, 1);
	expect_read_fault(d, giant, EFAULT);
	/* Without its last page: by smaller ones, and no further. */
	ASSERT_OK(dmirage_region_add(d, giant, GIANT - PROBE_4K,
				     DMIRAGE_REGION_WRITE, &id));
	EXPECT_EQ(get_counters(d).mapped_1g, 1);
	EXPECT_EQ(get_counters(d).mapped_2m, 511);
	EXPECT_EQ(get_counters(d).mapped_4k, 511);
	dev_write(d, giant + GIANT - PROBE_4K - 8, 1);
	expect_write_fault(d, giant + GIANT - PROBE_4K, EFAULT);
	expect_clean(d);
}

static void prefetch(int arg)
{
	struct dmirage *d = open_context();
	uint64_t done = 0;

	(void)arg;
	need_giant(d);
	ASSERT_OK(dmirage_prefetch(d, giant + 12345, GIANT - 12345,
				   DMIRAGE_PREFETCH_WRITE, &done));
	EXPECT_EQ(done, GIANT - 12345);
	EXPECT_EQ(get_counters(d).mapped_1g, 1);
	EXPECT_EQ(get_counters(d).mapped_2m + get_counters(d).mapped_4k, 0);
	both_write(d, 200);
	EXPECT_EQ(get_counters(d).faults, 0);
	expect_clean(d);
}

/*
 * Regions of a part and of all of it, in turn: a large entry where a table was,
 * which the device may remember, and a table where a large entry was.
 */
static void regions(int arg)
{
	struct dmirage *d = open_mode(DMIRAGE_MODE_MIRROR, DMIRAGE_OPEN_REGIONS);
	uint32_t all, part, some;
	unsigned int round;

	(void)arg;
	need_giant(d);
	for (round = 0; round < 3; round++) {
		u64 faults = get_counters(d).faults;
		u64 made = get_counters(d).mapped_1g;

		/* 3 MiB: an entry of 2 MiB, and small ones. */
		ASSERT_OK(dmirage_region_add(d, giant, 3 * PROBE_2M / 2,
					     DMIRAGE_REGION_WRITE, &part));
		dev_write(d, giant + 8, 1);
		dev_write(d, giant + PROBE_2M, 2);
		EXPECT_EQ(get_counters(d).faults, faults + 2);
		EXPECT_EQ(get_counters(d).mapped_1g, made);
		expect_size(d, giant, PROBE_2M);
		expect_size(d, giant + PROBE_2M, PROBE_4K);
		expect_write_fault(d, giant + 3 * PROBE_2M / 2, EFAULT);
		faults = get_counters(d).faults;
		/* Of all of it there is room for small ones, as yet. */
		ASSERT_OK(dmirage_region_add(d, giant, GIANT,
					     DMIRAGE_REGION_WRITE, &all));
		dev_write(d, giant + 8 * PROBE_2M, 3);
		expect_size(d, giant + 8 * PROBE_2M, PROBE_2M);
		EXPECT_EQ(get_counters(d).mapped_1g, made);
		ASSERT_OK(dmirage_region_remove(d, part));
		/* The one that is left was made through the other region. */
		ASSERT_OK(dmirage_region_add(d, giant + 8 * PROBE_2M, PROBE_4K,
					     0, &some));
		ASSERT_OK(dmirage_region_remove(d, some));
		both_write(d, 200);
		EXPECT_EQ(get_counters(d).mapped_1g, made + 1);
		expect_size(d, giant + places[2], GIANT);
		EXPECT_EQ(get_counters(d).faults, faults + 3);
		/* A part of it goes, and all of the entry with it. */
		ASSERT_OK(dmirage_region_add(d, giant + GIANT / 2, PROBE_4K, 0,
					     &some));
		ASSERT_OK(dmirage_region_remove(d, some));
		EXPECT_EQ(get_counters(d).unmapped_1g, made + 1);
		EXPECT(!in_iotlb(d, giant + places[2], NULL));
		both_write(d, 300);
		ASSERT_OK(dmirage_region_remove(d, all));
		EXPECT_EQ(get_counters(d).mapped_1g, made + 2);
		EXPECT_EQ(get_counters(d).unmapped_1g, made + 2);
		expect_read_fault(d, giant, EFAULT);
	}
	expect_clean(d);
}

/* ---- 2 MiB and 4 KiB ------------------------------------------------------- */

/* Small pages become a huge one and again small ones, under the device. */
static void collapse(int arg)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_2M);
	struct dmirage_counters before;
	struct dmirage_sqe sqe;
	unsigned int round;

	(void)arg;
	dmirage_prep_touch_write(&sqe, 1, mem.addr, mem.len);
	for (round = 0; round < 4; round++) {
		expect_op(d, &sqe, DMIRAGE_ST_OK);
		expect_size(d, mem.addr + 511 * PROBE_4K, PROBE_4K);
		cpu_write(mem.addr + 8, round);
		before = get_counters(d);
		/* From here on khugepaged may be faster. */
		ASSERT_SYS(madvise(mem.addr, mem.len, MADV_HUGEPAGE));
		if (madvise(mem.addr, mem.len, MADV_COLLAPSE)) {
			if (errno == EINVAL)
				SKIP("no MADV_COLLAPSE in this kernel");
			ASSERT_SYS(-1);
		}
		ASSERT_EQ(probe_smaps_kb(mem.addr, "AnonHugePages"), 2048);
		EXPECT_GE(get_counters(d).flushes, before.flushes + 1);
		EXPECT_EQ(get_counters(d).unmapped_4k,
			  get_counters(d).mapped_4k);
		EXPECT_EQ(dev_read(d, mem.addr + 8), round);
		dev_write(d, mem.addr + PROBE_2M - 8, 70 + round);
		EXPECT_EQ(cpu_read(mem.addr + PROBE_2M - 8), 70 + round);
		EXPECT_EQ(get_counters(d).mapped_2m, before.mapped_2m + 1);
		expect_size(d, mem.addr, PROBE_2M);
		expect_op(d, &sqe, DMIRAGE_ST_OK);
		/* One to read it, one to write to it. */
		EXPECT_EQ(get_counters(d).faults, before.faults + 2);

		/* And back: 4 KiB of it become another page. */
		ASSERT_SYS(madvise(mem.addr, mem.len, MADV_NOHUGEPAGE));
		ASSERT_SYS(madvise(mem.addr + 9 * PROBE_4K, PROBE_4K,
				   MADV_DONTNEED));
		EXPECT_EQ(get_counters(d).unmapped_2m,
			  get_counters(d).mapped_2m);
		cpu_write(mem.addr + 9 * PROBE_4K, 8);
		EXPECT_EQ(dev_read(d, mem.addr + 9 * PROBE_4K), 8);
		EXPECT_EQ(dev_read(d, mem.addr + 8), round);
	}
	expect_clean(d);
}

static const struct ktap_test tests[] = {
	{ "whole", whole, 0, 0 },
	{ "mprotect", protect, 0, 0 },
	{ "move", move, 0, 40 },
	{ "shared", shared, 0, 0 },
	{ "pinned", pinned, 0, 0 },
	{ "prefetch", prefetch, 0, 0 },
	{ "regions", regions, 0, 0 },
	{ "collapse", collapse, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests), get_giant);
}
