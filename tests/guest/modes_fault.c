// SPDX-License-Identifier: GPL-2.0
/*
 * Fault modes of the making of entries: from a page table that has changed, for
 * more than may be had, and for the wrong page; each without the mode and with
 * it.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "modes.h"
#include "scene.h"

/* ---- A page table that has changed ---------------------------------------- */

/*
 * A fault has read the page table and stops at @gate, the page moves, and the
 * fault goes on.  @caught: whether it notices.
 */
static void race(const char *mode, const char *gate, bool caught)
{
	struct dmirage *d = open_in_mode(mode);
	struct scene s;

	scene_fault(d, &s, gate);
	if (caught) {
		EXPECT_EQ(s.cqe.result, 2);
		EXPECT_EQ(get_counters(d).fault_retries,
			  s.before.fault_retries + 1);
		expect_clean(d);
	} else {
		EXPECT_NE(s.cqe.result, 2);
		EXPECT_EQ(get_counters(d).fault_retries,
			  s.before.fault_retries);
		expect_frame_record(d, s.p, false, s.old, s.new);
		/* And it stays so. */
		EXPECT_NE(dev_read(d, s.p), 2);
		EXPECT_EQ(get_counters(d).violations, 2);
	}
	expect_not_expired(d);
	dmirage_close(d);
	probe_mem_put(&s.mem);
}

static void no_read_retry(int arg)
{
	(void)arg;
	race(NULL, "fault-snapshot", true);
	race("no-read-retry", "fault-snapshot", false);
}

/* It looks, but too early: what comes after that is missed. */
static void retry_unlocked(int arg)
{
	(void)arg;
	race(NULL, "fault-lock", true);
	race("retry-unlocked", "fault-snapshot", true);
	race("retry-unlocked", "fault-lock", false);
}

/* It looks at the right time, at a number that nobody has written. */
static void no_set_seq(int arg)
{
	(void)arg;
	race(NULL, "fault-snapshot", true);
	race("no-set-seq", "fault-snapshot", false);
}

/* ---- More than may be had -------------------------------------------------- */

static struct dmirage *open_by_region(const char *mode)
{
	struct dmirage *d = open_mode(DMIRAGE_MODE_MIRROR,
				      DMIRAGE_OPEN_REGIONS);

	put_mode(d, mode);
	return d;
}

/* A region is the second half of a huge page. */
static void huge_past_region(int kind)
{
	struct probe_mem mem;
	u8 *inside, *outside;
	struct dmirage *d;
	u32 id;
	int bad;

	for (bad = 0; bad < 2; bad++) {
		mem = get_mem(kind, PROBE_2M);
		outside = mem.addr + 3 * PROBE_4K;
		inside = mem.addr + PROBE_2M / 2 + 3 * PROBE_4K;
		cpu_write(outside, 1);
		cpu_write(inside, 2);
		d = open_by_region(bad ? "huge-past-region" : NULL);
		ASSERT_OK(dmirage_region_add(d, mem.addr + PROBE_2M / 2,
					     PROBE_2M / 2,
					     DMIRAGE_REGION_WRITE, &id));
		expect_read_fault(d, outside, EFAULT);
		EXPECT_EQ(dev_read(d, inside), 2);
		EXPECT_EQ(get_counters(d).mapped_2m, bad);
		if (bad) {
			/* The process has it, so only the region is broken. */
			EXPECT_EQ(dev_read(d, outside), 1);
			EXPECT_EQ(get_counters(d).faults, 2);
		} else {
			expect_read_fault(d, outside, EFAULT);
			EXPECT_EQ(get_counters(d).faults, 3);
		}
		expect_clean(d);
		ASSERT_OK(dmirage_region_remove(d, id));
		expect_read_fault(d, inside, EFAULT);
		expect_read_fault(d, outside, EFAULT);
		dmirage_close(d);
		probe_mem_put(&mem);
	}
}

/* ---- The wrong page -------------------------------------------------------- */

/*
 * A region is a part of a huge page, so entries are small.  For the page in the
 * middle of it the device gets the first one.
 */
static void head_frame(int kind)
{
	struct dmirage *d;
	struct scene s;
	u32 id;
	int bad;

	for (bad = 0; bad < 2; bad++) {
		d = open_by_region(bad ? "head-frame" : NULL);
		EXPECT_EQ(scene_half_region(d, &s, kind, &id), bad ? 1 : 2);
		EXPECT_EQ(get_counters(d).mapped_2m, 0);
		if (bad)
			expect_frame_record(d, s.p, false, s.old, s.new);
		else
			expect_clean(d);
		/* The head is at the head. */
		EXPECT_EQ(dev_read(d, s.mem.addr), 1);
		EXPECT_EQ(get_counters(d).violations, bad);
		dmirage_close(d);
		probe_mem_put(&s.mem);
	}
}

static const struct ktap_test tests[] = {
	{ "no-read-retry", no_read_retry, 0, 0 },
	{ "retry-unlocked", retry_unlocked, 0, 0 },
	{ "no-set-seq", no_set_seq, 0, 0 },
	{ "huge-past-region-thp", huge_past_region, PROBE_KIND_THP, 0 },
	{ "huge-past-region-hugetlb", huge_past_region, PROBE_KIND_HUGETLB, 0 },
	{ "head-frame-thp", head_frame, PROBE_KIND_THP, 0 },
	{ "head-frame-hugetlb", head_frame, PROBE_KIND_HUGETLB, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
