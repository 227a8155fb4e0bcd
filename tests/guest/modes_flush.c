// SPDX-License-Identifier: GPL-2.0
/*
 * Fault modes of the flush: too early, not at all, not awaited, and awaited in
 * the wrong way; each without the mode and with it.  Stale accesses are reads
 * only, or of frames that are a file's.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "modes.h"
#include "scene.h"

/* ---- Told too early, or not at all ---------------------------------------- */

/*
 * The notifier stops between its two steps, and the device reads.  In the right
 * order that needs nothing new.  In the wrong one the entry is still there after
 * the flush, and gets into the IOTLB again.
 */
static void flush_before_clear(int arg)
{
	struct tlb_line line;
	struct dmirage *d;
	struct scene s;
	u64 got;
	int bad;

	(void)arg;
	for (bad = 0; bad < 2; bad++) {
		d = open_in_mode(bad ? "flush-before-clear" : NULL);
		scene_notifier(d, &s, bad);
		cpu_write(s.p, 2);
		got = dev_read(d, s.p);
		EXPECT_EQ(get_counters(d).mapped_4k,
			  get_counters(d).unmapped_4k + !bad);
		ASSERT(in_iotlb(d, s.p, &line));
		EXPECT_EQ(line.pa, bad ? s.old : s.new);
		if (bad) {
			EXPECT_NE(got, 2);
			expect_frame_record(d, s.p, false, s.old, s.new);
		} else {
			EXPECT_EQ(got, 2);
			expect_clean(d);
		}
		expect_not_expired(d);
		dmirage_close(d);
		probe_mem_put(&s.mem);
	}
}

/* A page of a file is unmapped: it stays, and so does its content. */
static void no_flush(int arg)
{
	struct dmirage_counters before, after;
	int fd = file_with(0), bad;
	struct dmirage_audit_range audit;
	struct dmirage_violation v;
	struct dmirage *d;
	u64 old;
	u8 *p;

	(void)arg;
	for (bad = 0; bad < 2; bad++) {
		p = map_file_page(fd);
		d = open_in_mode(bad ? "no-flush" : NULL);
		dev_write(d, p, 1);
		old = frame_of(p);
		ASSERT(in_iotlb(d, p, NULL));
		before = get_counters(d);
		ASSERT_SYS(munmap(p, PROBE_4K));
		after = get_counters(d);
		EXPECT_EQ(after.unmapped_4k, before.unmapped_4k + 1);
		EXPECT_EQ(after.flushes, before.flushes + !bad);
		EXPECT_EQ(in_iotlb(d, p, NULL), bad);
		if (!bad) {
			expect_read_fault(d, p, EFAULT);
			expect_clean(d);
			dmirage_close(d);
			continue;
		}
		EXPECT_EQ(dev_read(d, p), 1);
		expect_absent_record(d, p, false, old);
		/* And it is in the IOTLB alone. */
		ASSERT_OK(dmirage_audit(d, p, PROBE_4K, &audit));
		EXPECT_EQ(audit.translations, 1);
		EXPECT_EQ(audit.violations, 1);
		ASSERT_EQ(dmirage_read_violations(d, &v, 1, 1000), 1);
		EXPECT_EQ(v.strength, DMIRAGE_BY_AUDIT);
		EXPECT_EQ(v.holder, DMIRAGE_HELD_IOTLB);
		EXPECT_EQ(v.held_frame, old);
		dmirage_close(d);
	}
	close(fd);
}

/* ---- Not awaited ---------------------------------------------------------- */

/* The device withholds its answer, and the change goes on. */
static void no_wait_answer(int arg)
{
	struct probe_mem mem;
	struct changer c;
	struct dmirage *d;
	int bad;

	(void)arg;
	for (bad = 0; bad < 2; bad++) {
		mem = get_mem(PROBE_KIND_4K, PROBE_4K);
		d = open_in_mode(bad ? "no-wait" : NULL);
		dev_write(d, mem.addr, 1);
		changer_make(&c, &mem, MOVE);
		arm_hold_long(d, "flush");
		changer_start(&c);
		wait_flush_held(d);
		usleep(QUIET_MS * 1000);
		if (!bad) {
			EXPECT(!atomic_load(&c.done));
			release_hold(d);
		}
		changer_end(&c);
		EXPECT_EQ(file_says(d, "hold", "", "flush-held"), bad);
		ASSERT_PROBE(probe_mem_verify(&mem, 1));
		if (bad)
			release_hold(d);
		/* Nothing was under way, so nothing went wrong. */
		cpu_write(mem.addr, 2);
		EXPECT_EQ(dev_read(d, mem.addr), 2);
		expect_clean(d);
		dmirage_close(d);
		probe_mem_put(&mem);
	}
}

/*
 * A read has latched its translation, and does not go on.  The page moves from
 * under it, and what the CPU writes then the device does not see.
 */
static void under_way(const char *mode)
{
	struct dmirage *d;
	struct scene s;
	int bad;

	for (bad = 0; bad < 2; bad++) {
		d = open_in_mode(bad ? mode : NULL);
		scene_access(d, &s, !bad);
		if (!bad) {
			EXPECT_EQ(s.cqe.result, 1);
			expect_clean(d);
		} else {
			EXPECT_NE(s.cqe.result, 2);
			expect_frame_record(d, s.p, false, s.old, s.new);
			/* The IOTLB was emptied all the same. */
			EXPECT_EQ(dev_read(d, s.p), 2);
			EXPECT_EQ(get_counters(d).violations, 1);
		}
		dmirage_close(d);
		probe_mem_put(&s.mem);
	}
}

static void no_wait_access(int arg)
{
	(void)arg;
	under_way("no-wait");
}

static void no_drain(int arg)
{
	(void)arg;
	under_way("no-drain");
}

/* The bug is where an access is under way, and nowhere else. */
static void no_drain_quiet(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_in_mode("no-drain");
	u64 i;

	(void)arg;
	for (i = 1; i < 5; i++) {
		cpu_write(mem.addr, i);
		EXPECT_EQ(dev_read(d, mem.addr), i);
		move_mem(&mem, i % 2);
		EXPECT(!in_iotlb(d, mem.addr, NULL));
	}
	EXPECT_GE(get_counters(d).flushes, 4);
	expect_clean(d);
}

static const struct ktap_test tests[] = {
	{ "flush-before-clear", flush_before_clear, 0, 0 },
	{ "no-flush", no_flush, 0, 0 },
	{ "no-wait-answer", no_wait_answer, 0, 0 },
	{ "no-wait-access", no_wait_access, 0, 0 },
	{ "no-drain", no_drain, 0, 0 },
	{ "no-drain-quiet", no_drain_quiet, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
