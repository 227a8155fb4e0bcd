/* SPDX-License-Identifier: GPL-2.0 */
/* Pinned mode, and shared mode: the device walks the CPU's page table. */
#include "device.h"

#include <string.h>

#define VA	0x00005ba1ed000000ull	/* within 47 bits, 2 MiB aligned */

#define MARKS	(X86_ACCESSED | X86_DIRTY)
#define X86_NX	(1ull << 63)
#define X86_PAT	(1ull << 7)	/* level 1 */
#define X86_PAT_LARGE	(1ull << 12)

/* --- pinned ------------------------------------------------------------------------- */

/* Its own table, as in mirror mode; the process's says what is seen. */
static void test_pinned(void)
{
	struct device *d = device_open("suspect-ms=30");
	struct context c = context_open_mode(d, 1, DMIRAGE_CTL_MODE_PINNED | DMIRAGE_CTL_ORACLE);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K), fresh = ram_alloc(d, PAGE_4K);
	struct dmirage_vqe v;
	gint64 began;

	run_ok(&c, op_write(VA, 8, 1));
	/* Permission does not matter. */
	cpu_map(&c, VA, pa, ORDER_4K, X86_RO);
	run_ok(&c, op_write(VA, 8, 2));
	g_assert_false(violation_ready(d));
	/* Another frame, at once. */
	cpu_map(&c, VA, fresh, ORDER_4K, X86_RW);
	run_ok(&c, op_write(VA, 8, 3));
	v = violation_take(d);
	g_assert_cmpuint(v.kind, ==, DMIRAGE_VIOL_DIVERGED);
	g_assert_cmpuint(v.mode, ==, 1);
	g_assert_cmphex(v.cpu_addr, ==, fresh);
	g_assert_cmphex(v.held_addr, ==, pa);
	g_assert_cmphex(v.cpu_flags, ==, DMIRAGE_VQE_CPU_PRESENT | DMIRAGE_VQE_CPU_WRITE);
	/* None, for long. */
	cpu_map(&c, VA, 0, ORDER_4K, 0);
	began = g_get_monotonic_time();
	run_ok(&c, op_write(VA, 8, 4));
	g_assert_cmpint(g_get_monotonic_time() - began, >=, 30000);
	v = violation_take(d);
	g_assert_cmpuint(v.kind, ==, DMIRAGE_VIOL_DIVERGED);
	g_assert_cmphex(v.cpu_addr, ==, 0);
	/* What is pinned is what is used. */
	g_assert_cmpuint(ram64(d, pa), ==, 4);
	g_assert_cmpuint(ram64(d, fresh), ==, 0);
	device_close(d);
}

/* --- shared: walks ---------------------------------------------------------------------- */

static struct context open_shared(struct device *d, unsigned int asid, unsigned int levels)
{
	struct context c = context_make(d, asid);

	/* What is not used may be anything. */
	c.pt_root = ~0ull;
	c.ctl = DMIRAGE_CTL_ENABLE | DMIRAGE_CTL_MODE_SHARED | DMIRAGE_CTL_CPU_LEVELS(levels);
	context_enable(&c);
	return c;
}

static unsigned int levels_of(struct context *c)
{
	return DMIRAGE_CTL_CPU_LEVELS_GET(c->ctl);
}

/* Clears A and D all the way, and tells the device. */
static void clear_marks(struct context *c, uint64_t va, unsigned int leaf)
{
	for (unsigned int level = leaf; level <= levels_of(c); level++) {
		uint64_t entry = cpu_entry(c, va, level);

		ram_set64(c->d, entry, ram64(c->d, entry) & ~MARKS);
	}
	inv_asid(c->d, c->asid);
	wait_done(c->d);
}

/* A on all levels from @from up and on no other, D in the leaf only if @dirty. */
static void expect_marks(struct context *c, uint64_t va, unsigned int leaf, unsigned int from,
			 bool dirty)
{
	for (unsigned int level = leaf; level <= levels_of(c); level++) {
		uint64_t want = (level >= from ? X86_ACCESSED : 0) |
				(level == leaf && dirty ? X86_DIRTY : 0);
		uint64_t is = ram64(c->d, cpu_entry(c, va, level)) & MARKS;

		if (is != want)
			g_error("level %u has A and D 0x%" PRIx64 ", not 0x%" PRIx64, level, is,
				want);
	}
}

static void test_marks(void)
{
	struct device *d = device_open(NULL);

	for (unsigned int levels = 4; levels <= 5; levels++)
		for (unsigned int leaf = 1; leaf <= 3; leaf++) {
			struct context c = open_shared(d, 10 * leaf + levels, levels);
			unsigned int order = 12 + 9 * (leaf - 1);
			uint64_t pa = 0x140000000, va = (VA >> order << order), at = va + 0x18;

			cpu_map(&c, va, pa, order, X86_RW);
			ram_set64(d, pa + 0x18, 0x5ead);
			g_assert_cmphex(run_ok(&c, op_read(at, 8)), ==, 0x5ead);
			expect_marks(&c, va, leaf, leaf, false);
			/* The first write has to set D, though the translation is known. */
			g_assert_cmpuint(counter(&c, DMIRAGE_CNT_IOTLB_MISSES), ==, 1);
			run_ok(&c, op_write(at, 8, 0x5afe));
			g_assert_cmphex(ram64(d, pa + 0x18), ==, 0x5afe);
			expect_marks(&c, va, leaf, leaf, true);
			g_assert_cmpuint(counter(&c, DMIRAGE_CNT_IOTLB_MISSES), ==, 2);
			/* The second does not. */
			run_ok(&c, op_write(at, 8, 0x5afe));
			g_assert_cmpuint(counter(&c, DMIRAGE_CNT_IOTLB_MISSES), ==, 2);
			/* A write at once. */
			clear_marks(&c, va, leaf);
			run_ok(&c, op_write(at, 8, 1));
			expect_marks(&c, va, leaf, leaf, true);
			/* Read, with D there already: a write needs no look. */
			inv_asid(d, c.asid);
			run_ok(&c, op_read(at, 8));
			run_ok(&c, op_write(at, 8, 1));
			g_assert_cmpuint(counter(&c, DMIRAGE_CNT_IOTLB_MISSES), ==, 4);
			g_assert_cmphex(dump_find(d, c.asid, va)->order, ==, order);
			context_disable(&c);
		}
	device_close(d);
}

/* Faults, of a kind and with a status; returns what it said. */
static void expect_fault(struct context *c, struct dmirage_sqe sqe, unsigned int flags)
{
	struct device *d = c->d;
	uint64_t va = flags & DMIRAGE_FAULT_WRITE ? sqe.dst : sqe.src;
	struct dmirage_fqe e;

	submit(c, sqe);
	e = fault_take(d);
	g_assert_cmphex(e.addr, ==, va);
	g_assert_cmphex(e.flags, ==, flags);
	fault_answer(d, &e, 14);
	expect_cqe(c, DMIRAGE_ST_FAULT, 14, va, 0);
}

/* U/S and R/W at every level, and P: what forbids leaves no marks from there on. */
static void test_rights(void)
{
	struct device *d = device_open(NULL);

	for (unsigned int levels = 4; levels <= 5; levels++)
		for (unsigned int leaf = 1; leaf <= 3; leaf++) {
			struct context c = open_shared(d, 10 * leaf + levels, levels);
			unsigned int order = 12 + 9 * (leaf - 1);
			uint64_t va = (VA >> order << order);

			cpu_map(&c, va, 0x140000000, order, X86_RW);
			for (unsigned int level = leaf; level <= levels; level++) {
				uint64_t entry = cpu_entry(&c, va, level);
				uint64_t good = ram64(d, entry) & ~MARKS;

				clear_marks(&c, va, leaf);
				ram_set64(d, entry, good & ~X86_USER);
				expect_fault(&c, op_read(va, 8), 0);
				expect_marks(&c, va, leaf, level + 1, false);
				clear_marks(&c, va, leaf);
				expect_fault(&c, op_write(va, 8, 1), DMIRAGE_FAULT_WRITE);
				expect_marks(&c, va, leaf, level + 1, false);
				clear_marks(&c, va, leaf);
				ram_set64(d, entry, good & ~X86_WRITE);
				expect_fault(&c, op_write(va, 8, 1),
					     DMIRAGE_FAULT_WRITE | DMIRAGE_FAULT_PRESENT);
				expect_marks(&c, va, leaf, level + 1, false);
				/* But it may be read. */
				run_ok(&c, op_read(va, 8));
				expect_marks(&c, va, leaf, leaf, false);
				g_assert_cmphex(dump_find(d, c.asid, va)->flags, ==, 0);
				clear_marks(&c, va, leaf);
				ram_set64(d, entry, good & ~X86_PRESENT);
				expect_fault(&c, op_read(va, 8), 0);
				expect_marks(&c, va, leaf, level + 1, false);
				ram_set64(d, entry, good);
				clear_marks(&c, va, leaf);
			}
			run_ok(&c, op_write(va, 8, 1));
			expect_error(d, 0);
			context_disable(&c);
		}
	device_close(d);
}

/* What says nothing to the device: NX, protection keys, PAT, global, caching, software's. */
static void test_ignored(void)
{
	const uint64_t ignored = X86_NX | 0xfull << 59 | 0x7full << 52 | 0xe00 | 1 << 8 | 3 << 3;
	struct device *d = device_open(NULL);
	struct context c = open_shared(d, 1, 5);

	for (unsigned int leaf = 1; leaf <= 2; leaf++) {
		unsigned int order = leaf == 1 ? ORDER_4K : ORDER_2M;
		uint64_t va = VA + leaf * PAGE_2M, pa = ram_alloc(d, PAGE_2M);
		uint64_t pat = leaf == 1 ? X86_PAT : X86_PAT_LARGE;

		cpu_map(&c, va, pa, order, X86_RW | ignored | pat);
		for (unsigned int level = leaf + 1; level <= 5; level++) {
			uint64_t entry = cpu_entry(&c, va, level);

			ram_set64(d, entry, ram64(d, entry) | (ignored & ~(1ull << 8)));
		}
		run_ok(&c, op_write(va + 8, 8, 0x900d));
		g_assert_cmphex(ram64(d, pa + 8), ==, 0x900d);
		/* All of it is there still. */
		g_assert_cmphex(ram64(d, cpu_entry(&c, va, leaf)), ==,
				(pa | (leaf == 1 ? 0 : X86_LARGE) | X86_RW | ignored | pat | MARKS));
	}
	device_close(d);
}

/* The kernel's half, and what the levels do not reach. */
static void test_reach(void)
{
	struct device *d = device_open(NULL);

	for (unsigned int levels = 4; levels <= 5; levels++) {
		struct context c = open_shared(d, levels, levels);
		uint64_t half = 1ull << (12 + 9 * levels - 1);

		cpu_map(&c, half - PAGE_4K, 0x140000000, ORDER_4K, X86_RW);
		cpu_map(&c, half, 0x140001000, ORDER_4K, X86_RW);
		run_ok(&c, op_write(half - 8, 8, 1));
		expect_fault(&c, op_read(half, 8), 0);
		expect_fault(&c, op_write(2 * half - 8, 8, 1), DMIRAGE_FAULT_WRITE);
	}
	device_close(d);
}

static void test_malformed(void)
{
	struct device *d = device_open(NULL);
	struct context c = open_shared(d, 2, 5);

	map_new(&c, VA, PAGE_4K, ORDER_4K);
	for (unsigned int level = 2; level <= 5; level++) {
		uint64_t entry = cpu_entry(&c, VA, level), good = ram64(d, entry);

		if (level > 3) {
			ram_set64(d, entry, good | X86_LARGE);
			run_error(&c, op_read(VA, 8), DMIRAGE_ST_TABLE_ERROR, level, VA, 0);
		}
		ram_set64(d, entry, ADDR_NOTHING | X86_RW);
		run_error(&c, op_read(VA, 8), DMIRAGE_ST_TABLE_ERROR, level - 1, VA, 0);
		ram_set64(d, entry, ADDR_MMIO | X86_RW);
		run_error(&c, op_write(VA, 8, 1), DMIRAGE_ST_TABLE_ERROR, level - 1, VA, 0);
		ram_set64(d, entry, good);
		inv_asid(d, 2);
	}
	run_ok(&c, op_read(VA, 8));
	expect_error(d, DMIRAGE_ERR_CONTEXT);
	device_close(d);
}

/* --- shared: beside the CPU ------------------------------------------------------------------ */

struct walker {
	GThread *thread;
	bool stop;
	uint64_t *entry;
	uint64_t count;
};

/*
 * Counts in the bits that are software's, as a kernel changes an entry: atomically. Without
 * a pause the device might lose each time, until it gives up (DMIRAGE_FAULT_LIMIT).
 */
static void *change_entry(void *opaque)
{
	struct walker *w = opaque;

	for (; !__atomic_load_n(&w->stop, __ATOMIC_RELAXED); w->count++) {
		__atomic_fetch_add(w->entry, 1ull << 52, __ATOMIC_RELAXED);
		for (unsigned int i = 0; i < 16; i++)
			__builtin_ia32_pause();
	}
	return NULL;
}

/* A and D are set, and nothing that changes meanwhile is lost or comes back. */
static void test_races(void)
{
	struct device *d = device_open(NULL);
	struct context c = open_shared(d, 3, 5);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K), *entry = ram(d, cpu_entry(&c, VA, 1));
	struct walker w = { .entry = entry };

	w.thread = g_thread_new("kernel", change_entry, &w);
	for (unsigned int i = 0; i < 2000; i++) {
		struct dmirage_fqe e;

		__atomic_fetch_and(entry, ~MARKS, __ATOMIC_RELAXED);
		inv_asid(d, 3);
		submit(&c, i % 2 ? op_write(VA, 8, i) : op_read(VA, 8));
		/* An entry that changes under each of several looks is a fault. */
		wait_for(cqe_ready(&c) || fault_ready(d));
		while (!cqe_ready(&c)) {
			if (fault_ready(d)) {
				e = fault_take(d);
				fault_answer(d, &e, DMIRAGE_RESP_RETRY);
			}
		}
		expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, i % 2 ? 8 : (i ? i - 1 : 0));
		g_assert_cmphex(__atomic_load_n(entry, __ATOMIC_RELAXED) & MARKS, ==,
				i % 2 ? MARKS : X86_ACCESSED);
	}
	__atomic_store_n(&w.stop, true, __ATOMIC_RELAXED);
	g_thread_join(w.thread);
	g_assert_cmphex(*entry, ==, (pa | X86_RW | MARKS) + (w.count << 52));
	device_close(d);
}

/* Kept until a command comes, as in the other modes. */
static void test_invalidation(void)
{
	struct device *d = device_open(NULL);
	struct context c = open_shared(d, 4, 5);
	uint64_t old = map_new(&c, VA, PAGE_4K, ORDER_4K), fresh;

	run_ok(&c, op_write(VA, 8, 1));
	fresh = map_new(&c, VA, PAGE_4K, ORDER_4K);
	run_ok(&c, op_write(VA, 8, 2));
	g_assert_cmpuint(ram64(d, old), ==, 2);
	inv_range(d, 4, VA, 1);
	wait_done(d);
	run_ok(&c, op_write(VA, 8, 3));
	g_assert_cmpuint(ram64(d, old), ==, 2);
	g_assert_cmpuint(ram64(d, fresh), ==, 3);
	/* An access that was in the middle is awaited. */
	hold(&c, DMIRAGE_HOLD_TRANSLATED);
	submit(&c, op_write(VA, 8, 4));
	hold_await(&c);
	cpu_map(&c, VA, 0, ORDER_4K, 0);
	inv_range(d, 4, VA, 1);
	wait_done(d);
	g_assert_cmpuint(ram64(d, fresh), ==, 4);
	g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
	expect_fault(&c, op_read(VA, 8), 0);
	device_close(d);
}

/* A and D of each page, by operations that touch each page. */
static void test_touch(void)
{
	enum { PAGES = 100 };
	struct device *d = device_open("prefetch=8");
	struct context c = open_shared(d, 5, 4);

	for (unsigned int write = 0; write < 2; write++) {
		uint64_t va = VA + write * PAGE_2M;

		map_new(&c, va, PAGE_2M, ORDER_4K);
		run_ok(&c, write ? op_touch_write(va + 100, (PAGES - 1) * PAGE_4K) :
				   op_touch_read(va + 100, (PAGES - 1) * PAGE_4K));
		for (unsigned int i = 0; i < 512; i++) {
			uint64_t marks = write ? MARKS : X86_ACCESSED;

			/* Nor does it mark what it was not asked for. */
			g_assert_cmphex(ram64(d, cpu_entry(&c, va + i * PAGE_4K, 1)) & MARKS, ==,
					i < PAGES ? marks : 0);
		}
	}
	device_close(d);
}

/* --- shared: the oracle ------------------------------------------------------------------------ */

/* The kernel changes first and flushes then: only another frame is a violation. */
static void test_shared_oracle(void)
{
	struct device *d = device_open("suspect-ms=10000");
	struct context c = context_open_mode(d, 6, DMIRAGE_CTL_MODE_SHARED | DMIRAGE_CTL_ORACLE);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K);
	struct dmirage_vqe v;

	run_ok(&c, op_write(VA, 8, 1));
	cpu_map(&c, VA, pa, ORDER_4K, X86_RO);
	run_ok(&c, op_write(VA, 8, 2));
	cpu_map(&c, VA, 0, ORDER_4K, 0);
	run_ok(&c, op_write(VA, 8, 3));
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ORACLE_CHECKS), ==, 3);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ORACLE_SUSPECTS), ==, 0);
	g_assert_false(violation_ready(d));
	cpu_map(&c, VA, ram_alloc(d, PAGE_4K), ORDER_4K, X86_RW);
	run_ok(&c, op_read(VA, 8));
	v = violation_take(d);
	g_assert_cmpuint(v.kind, ==, DMIRAGE_VIOL_FRAME);
	g_assert_cmpuint(v.mode, ==, 2);
	g_assert_cmphex(v.held_addr, ==, pa);
	device_close(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/modes/pinned", test_pinned);
	g_test_add_func("/modes/shared-marks", test_marks);
	g_test_add_func("/modes/shared-rights", test_rights);
	g_test_add_func("/modes/shared-ignored", test_ignored);
	g_test_add_func("/modes/shared-reach", test_reach);
	g_test_add_func("/modes/shared-malformed", test_malformed);
	g_test_add_func("/modes/shared-races", test_races);
	g_test_add_func("/modes/shared-invalidation", test_invalidation);
	g_test_add_func("/modes/shared-touch", test_touch);
	g_test_add_func("/modes/shared-oracle", test_shared_oracle);
	return g_test_run();
}
