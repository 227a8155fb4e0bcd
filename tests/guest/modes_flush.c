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

/* ---- Told too early, or not at all ---------------------------------------- */

/*
 * The notifier stops between its two steps, and the device reads.  In the right
 * order that needs nothing new.  In the wrong one the entry is still there after
 * the flush, and gets into the IOTLB again.
 */
static void flush_before_clear(int arg)
{
	u64 old, new, got, misses;
	struct tlb_line line;
	struct probe_mem mem;
	struct changer c;
	struct dmirage *d;
	int bad;
	u8 *p;

	(void)arg;
	for (bad = 0; bad < 2; bad++) {
		mem = get_mem(PROBE_KIND_4K, PROBE_4K);
		p = mem.addr;
		d = open_in_mode(bad ? "flush-before-clear" : NULL);
		cpu_write(p, 1);
		ASSERT_EQ(dev_read(d, p), 1);
		old = frame_of(p);
		changer_make(&c, &mem, MOVE);
		misses = get_counters(d).iotlb_misses;
		arm_gate_at(d, "inval-cleared", p);
		changer_start(&c);
		wait_gate(d, "inval-cleared");
		submit_read(d, p);
		EXPECT_EQ(complete(d).result, 1);
		EXPECT_EQ(get_counters(d).iotlb_misses, misses + bad);
		EXPECT(!atomic_load(&c.done));
		release_gate(d);
		changer_end(&c);

		cpu_write(p, 2);
		got = dev_read(d, p);
		new = frame_of(p);
		EXPECT_EQ(get_counters(d).mapped_4k,
			  get_counters(d).unmapped_4k + !bad);
		ASSERT(in_iotlb(d, p, &line));
		EXPECT_EQ(line.pa, bad ? old : new);
		if (bad) {
			EXPECT_NE(got, 2);
			expect_frame_record(d, p, false, old, new);
		} else {
			EXPECT_EQ(got, 2);
			expect_clean(d);
		}
		expect_not_expired(d);
		dmirage_close(d);
		probe_mem_put(&mem);
	}
}

/* A page of a file is unmapped: it stays, and so does its content. */
static void no_flush(int arg)
{
	int fd = memfd_create("dmirage-test", MFD_CLOEXEC), bad;
	struct dmirage_counters before, after;
	struct dmirage_audit_range audit;
	struct dmirage_violation v;
	struct dmirage *d;
	u64 old;
	u8 *p;

	(void)arg;
	ASSERT(fd >= 0);
	ASSERT_SYS(ftruncate(fd, PROBE_4K));
	for (bad = 0; bad < 2; bad++) {
		p = mmap(NULL, PROBE_4K, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 0);
		ASSERT(p != MAP_FAILED);
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
	u64 old, new, drained;
	struct dmirage_cqe cqe;
	struct probe_mem mem;
	struct changer c;
	struct dmirage *d;
	int bad;
	u8 *p;

	for (bad = 0; bad < 2; bad++) {
		mem = get_mem(PROBE_KIND_4K, PROBE_4K);
		p = mem.addr;
		d = open_in_mode(bad ? mode : NULL);
		cpu_write(p, 1);
		ASSERT_EQ(dev_read(d, p), 1);
		old = frame_of(p);
		drained = get_counters(d).drained;
		changer_make(&c, &mem, MOVE);
		arm_hold_long(d, "translated-keep");
		submit_read(d, p);
		wait_held(d);
		changer_start(&c);
		if (!bad) {
			while (get_counters(d).drained == drained)
				usleep(1000);
			usleep(QUIET_MS * 1000);
			EXPECT(!atomic_load(&c.done));
			release_hold(d);
			changer_end(&c);
			cqe = complete(d);
			EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
			EXPECT_EQ(cqe.result, 1);
			EXPECT_NE(frame_of(p), old);
			expect_clean(d);
		} else {
			changer_end(&c);
			EXPECT(file_says(d, "hold", "", "held"));
			cpu_write(p, 2);
			new = frame_of(p);
			release_hold(d);
			cqe = complete(d);
			EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
			EXPECT_NE(cqe.result, 2);
			expect_frame_record(d, p, false, old, new);
			/* The IOTLB was emptied all the same. */
			EXPECT_EQ(dev_read(d, p), 2);
			EXPECT_EQ(get_counters(d).violations, 1);
		}
		dmirage_close(d);
		probe_mem_put(&mem);
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
