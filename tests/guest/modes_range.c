// SPDX-License-Identifier: GPL-2.0
/*
 * Fault modes: bugs in what the driver makes of the range of an invalidation.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "fault_mode.h"
#include "scene.h"

/*
 * The range of clear_refs ends at ULONG_MAX, which is no page's first byte.  An
 * end that is rounded up is 0, and then there is nothing to be done.
 */
static void end_overflow_with(const char *mode)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	u64 flushes;

	set_mode(d, mode);
	dev_write(d, mem.addr, 1);
	flushes = get_counters(d).flushes;
	clear_soft_dirty();
	EXPECT_EQ(mode_hits(d), mode ? 1 : 0);
	EXPECT_EQ(counter(d, "left_stale"), mode ? 1 : 0);
	EXPECT_EQ(get_counters(d).flushes, flushes + !mode);
	if (mode) {
		expect_stale_write(d, mem.addr);
	} else {
		dev_write(d, mem.addr, 2);
		EXPECT_EQ(cpu_read(mem.addr), 2);
		EXPECT_EQ(get_counters(d).faults, 2);
	}
	expect_violations(d, mode ? 1 : 0);
	dmirage_close(d);
}

static void end_overflow(int arg)
{
	(void)arg;
	end_overflow_with(NULL);
	end_overflow_with("end-overflow");
}

/*
 * The same range, 2^52 pages: page by page it takes for ever.  Nothing is stale,
 * since the driver does the rest at once when it has had enough.
 */
#define SOON_MS	400 /* sooner than the mode gives up, which is after 500 ms */

static void unclamped_with(const char *mode)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 2 * PROBE_4K);
	struct dmirage *d = open_context();
	u64 flushes, began;

	set_mode(d, mode);
	dev_write(d, mem.addr, 1);
	/* Ranges of a few pages are no matter. */
	ASSERT_SYS(madvise(mem.addr + PROBE_4K, PROBE_4K, MADV_DONTNEED));
	EXPECT_EQ(mode_hits(d), 0);
	flushes = get_counters(d).flushes;
	began = now_ms();
	clear_soft_dirty();
	if (!mode)
		EXPECT(now_ms() - began < SOON_MS * ktap_scale());
	EXPECT_EQ(mode_hits(d), mode ? 1 : 0);
	EXPECT_EQ(get_counters(d).flushes, flushes + 1);
	dev_write(d, mem.addr, 2);
	EXPECT_EQ(cpu_read(mem.addr), 2);
	EXPECT_EQ(get_counters(d).faults, 2);
	expect_violations(d, 0);
	dmirage_close(d);
}

static void unclamped(int arg)
{
	(void)arg;
	unclamped_with(NULL);
	unclamped_with("unclamped-loop");
}

/* One file in place of another; both stay, so what is read is of one of them. */
static void defer_unmap_with(const char *mode)
{
	int old_fd = file_with(0x01d), new_fd = file_with(0x4e3);
	struct dmirage *d = open_context();
	struct dmirage_violation v;
	u64 old_frame;
	u8 *p;

	p = map_file_page(old_fd);
	set_mode(d, mode);
	EXPECT_EQ(dev_read(d, p), 0x01d);
	old_frame = frame_of(p);
	ASSERT(mmap(p, PROBE_4K, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		    new_fd, 0) == p);
	ASSERT_EQ(cpu_read(p), 0x4e3);
	ASSERT_NE(frame_of(p), old_frame);
	EXPECT_EQ(counter(d, "left_stale"), mode ? 1 : 0);
	if (mode) {
		EXPECT_GE(mode_hits(d), 1);
		EXPECT_EQ(dev_read(d, p), 0x01d);
		v = expect_stale(d, DMIRAGE_VIOL_FRAME, p);
		EXPECT_EQ(v.held_frame, old_frame);
		EXPECT_EQ(v.cpu_frame, frame_of(p));
	} else {
		EXPECT_EQ(dev_read(d, p), 0x4e3);
	}
	expect_violations(d, mode ? 1 : 0);
	dmirage_close(d);
	munmap(p, PROBE_4K);
	close(old_fd);
	close(new_fd);
}

static void defer_unmap(int arg)
{
	(void)arg;
	defer_unmap_with(NULL);
	defer_unmap_with("defer-unmap");
}

/*
 * Three pages from an odd one on.  A mask says four from the last multiple of
 * four, of which the first of the three is one and the others are not.
 */
static void mask_flush_with(const char *mode)
{
	struct dmirage *d = open_context();
	struct dmirage_violation v;
	struct scene s;
	u8 *p;
	int i;

	set_mode(d, mode);
	scene_odd_range(d, &s);
	EXPECT_EQ(get_counters(d).flushes, s.before.flushes + 1);
	EXPECT_EQ(get_counters(d).unmapped_4k, SCENE_ODD_PAGES);
	EXPECT_EQ(mode_hits(d), mode ? 1 : 0);
	for (i = 0; i < SCENE_ODD_PAGES; i++)
		EXPECT_EQ(in_iotlb(d, s.p + i * PROBE_4K, NULL), mode && i);

	expect_write_fault(d, s.p, EPERM);
	for (i = 1; i < SCENE_ODD_PAGES; i++) {
		p = s.p + i * PROBE_4K;
		if (!mode) {
			expect_write_fault(d, p, EPERM);
			continue;
		}
		dev_write(d, p, 2);
		v = expect_stale(d, DMIRAGE_VIOL_WRITE, p);
		EXPECT_EQ(v.held_frame, v.cpu_frame);
		EXPECT_EQ(v.cpu_write, 0);
		EXPECT_EQ(v.inv_start, (uintptr_t)s.mem.addr);
		EXPECT_EQ(v.inv_len, 4 * PROBE_4K);
	}
	expect_violations(d, mode ? 2 : 0);
	dmirage_close(d);
}

static void mask_flush(int arg)
{
	(void)arg;
	mask_flush_with(NULL);
	mask_flush_with("mask-flush");
}

/*
 * Two regions that overlap, and a change of both: each has a notifier, and the
 * second is not called in vain.
 */
static void one_region_with(const char *mode)
{
	struct dmirage *d = open_mode(DMIRAGE_MODE_MIRROR,
				      DMIRAGE_OPEN_REGIONS);
	struct scene s;

	set_mode(d, mode);
	scene_two_regions(d, &s);
	EXPECT_EQ(mode_hits(d), mode ? 1 : 0);
	EXPECT_EQ(counter(d, "left_stale"), mode ? 1 : 0);

	expect_write_fault(d, s.p + 1 * PROBE_4K, EPERM);
	expect_write_fault(d, s.p + 3 * PROBE_4K, EPERM);
	if (mode)
		expect_stale_write(d, s.p + 5 * PROBE_4K);
	else
		expect_write_fault(d, s.p + 5 * PROBE_4K, EPERM);
	expect_violations(d, mode ? 1 : 0);
	dmirage_close(d);
}

static void one_region(int arg)
{
	(void)arg;
	one_region_with(NULL);
	one_region_with("one-region");
}

static const struct ktap_test tests[] = {
	{ "end-overflow", end_overflow, 0, 0 },
	{ "unclamped-loop", unclamped, 0, 0 },
	{ "defer-unmap", defer_unmap, 0, 0 },
	{ "mask-flush", mask_flush, 0, 0 },
	{ "one-region", one_region, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
