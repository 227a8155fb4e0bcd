// SPDX-License-Identifier: GPL-2.0
/*
 * How fast the device copies, compared with memcpy: by the same thread, with
 * the same chunks, on the same memory (CALIBRATE in dmirage_hw.h); and what the
 * oracle costs.
 */
#include "bench.h"
#include "report.h"

#include <sched.h>

#include "device.h"

#define ROUNDS	15
#define BYTES	(64ull << 20)
#define COPIES	4		/* in a run */
#define SRC	0x100000000000ull
#define DST	0x200000000000ull

/* The same memory through two contexts, one of them checked. */
struct area {
	struct context plain;
	struct context checked;
	uint64_t src;
	uint64_t dst;
};

/* Pages lie where CALIBRATE goes, too: the i-th of n at i * STRIDE modulo n. */
#define STRIDE	40503

static void map_page(struct context *c, uint64_t va, uint64_t pa, unsigned int order)
{
	mirror_map(c, va, pa, order, DMIRAGE_PTE_WRITE);
	if (c->ctl & DMIRAGE_CTL_ORACLE)
		cpu_map(c, va, pa, order, X86_RW);
}

static void map_area(struct context *c, const struct area *a, unsigned int order)
{
	uint64_t n = BYTES >> order;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t frame = (i * STRIDE % n) << order;

		map_page(c, SRC + (i << order), a->src + frame, order);
		map_page(c, DST + (i << order), a->dst + frame, order);
	}
}

static struct area area_make(struct device *d, unsigned int asid, unsigned int order)
{
	struct area a = {
		.plain = context_make(d, asid),
		.checked = context_make(d, asid + 1),
		.src = ram_alloc(d, BYTES),
		.dst = ram_alloc(d, BYTES),
	};

	a.checked.ctl |= DMIRAGE_CTL_ORACLE | DMIRAGE_CTL_CPU_LEVELS(5);
	map_area(&a.plain, &a, order);
	map_area(&a.checked, &a, order);
	context_enable(&a.plain);
	context_enable(&a.checked);
	/* Host memory behind all of it, before anything is measured. */
	memset(ram(d, a.src), 0x5a, BYTES);
	memset(ram(d, a.dst), 0xa5, BYTES);
	return a;
}

/* Bytes per ns of COPIES times @sqe. */
static double run_rate(struct context *c, struct dmirage_sqe sqe)
{
	int64_t begin;

	for (unsigned int i = 0; i < COPIES; i++)
		put_sqe(c, sqe);
	begin = now_ns();
	ring(c);
	for (unsigned int i = 0; i < COPIES; i++) {
		struct dmirage_cqe cqe;

		while (!cqe_ready(c))
			sched_yield();
		cqe = cqe_take(c);
		g_assert_cmpuint(cqe.status, ==, DMIRAGE_ST_OK);
		g_assert_cmpuint(cqe.result, ==, BYTES);
	}
	return (double)COPIES * BYTES / (now_ns() - begin);
}

/* The copy's own order, in pieces of a page, or of a chunk if that is less. */
static struct dmirage_sqe calibrate(const struct area *a, uint64_t chunk)
{
	return (struct dmirage_sqe){
		.opcode = DMIRAGE_OP_CALIBRATE, .src = a->src, .dst = a->dst, .len = BYTES,
		.imm = chunk, .compare = chunk == PAGE_4K ? STRIDE : 0,
	};
}

/* What one page size gives, in turn with its control. */
struct rates {
	struct series control;
	struct series plain;
	struct series checked;
};

static void measure(struct area *a, uint64_t chunk, struct rates *r)
{
	series_add(&r->control, run_rate(&a->plain, calibrate(a, chunk)));
	series_add(&r->plain, run_rate(&a->plain, op_copy(DST, SRC, BYTES)));
	series_add(&r->checked, run_rate(&a->checked, op_copy(DST, SRC, BYTES)));
}

/* What was measured is a copy, and one that the oracle did look at. */
static void verify(struct device *d, struct area *a)
{
	g_assert_cmpint(memcmp(ram(d, a->src), ram(d, a->dst), BYTES), ==, 0);
	g_assert_cmpuint(counter(&a->checked, DMIRAGE_CNT_ORACLE_CHECKS), >=,
			 2 * ROUNDS * COPIES * BYTES / PAGE_4K);
	g_assert_cmpuint(counter(&a->checked, DMIRAGE_CNT_ORACLE_VIOLATIONS), ==, 0);
	g_assert_false(violation_ready(d));
}

void bench_goodput(void)
{
	struct device *d = device_open("x-calibrate=on");
	struct area large = area_make(d, 0, ORDER_2M), small = area_make(d, 2, ORDER_4K);
	struct rates rl = { 0 }, rs = { 0 }, warm = { 0 };
	struct series s;

	measure(&large, DMIRAGE_CHUNK, &warm);
	measure(&small, PAGE_4K, &warm);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		measure(&large, DMIRAGE_CHUNK, &rl);
		measure(&small, PAGE_4K, &rs);
	}
	verify(d, &large);
	verify(d, &small);
	device_close(d);

	report_control("memcpy of 64 KiB", &rl.control);
	report_control("memcpy of 4 KiB", &rs.control);
	s = series_ratio(&rl.plain, &rl.control);
	report_add("goodput_2m_vs_memcpy", "ratio", &s, AT_LEAST, 0.9);
	s = series_ratio(&rs.plain, &rs.control);
	report_add("goodput_4k_vs_memcpy", "ratio", &s, AT_LEAST, 0.6);
	s = series_ratio(&rl.checked, &rl.plain);
	report_add("oracle_on_vs_off", "ratio", &s, AT_LEAST, 0.8);
	s = series_ratio(&rs.checked, &rs.plain);
	report_add("oracle_on_vs_off_4k", "ratio", &s, AT_LEAST, 0.8);
	report_note("memcpy, 64 KiB at a time", "GB/s", &rl.control);
	report_note("device, 2 MiB pages", "GB/s", &rl.plain);
	report_note("device, 2 MiB pages, oracle", "GB/s", &rl.checked);
	report_note("memcpy, 4 KiB at a time", "GB/s", &rs.control);
	report_note("device, 4 KiB pages", "GB/s", &rs.plain);
	report_note("device, 4 KiB pages, oracle", "GB/s", &rs.checked);
}
