// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to use memory for the first time, that the CPU has used before:
 * 4 MiB of huge pages, one page of 4 KiB.
 *
 * A byte of each page is read, so that what is measured is not the moving of
 * data.  What it takes when all is hot is taken away: moving 4 MiB takes longer
 * than moving 4 KiB, and that has nothing to do with faults.
 */
#include "say.h"

#define ROUNDS 21
#define TIMES  31 /* in a round; the median counts */
#define LARGE  (2 * PROBE_2M)
#define SMALL  PROBE_4K

static double touch_us(struct dmirage *d, const struct probe_mem *mem)
{
	struct dmirage_sqe sqe;

	dmirage_prep_touch_read(&sqe, 1, mem->addr, mem->len);
	return (double)run_ns(d, &sqe) / 1000;
}

struct times {
	struct values cold;
	struct values hot;
};

static void measure(struct dmirage *d, const struct probe_mem *large,
		    const struct probe_mem *small, struct times *of_large,
		    struct times *of_small)
{
	struct times l = { 0 }, s = { 0 };
	int i;

	for (i = 0; i < TIMES; i++) {
		make_cold(large);
		make_cold(small);
		values_add(&l.cold, touch_us(d, large));
		values_add(&s.cold, touch_us(d, small));
		values_add(&l.hot, touch_us(d, large));
		values_add(&s.hot, touch_us(d, small));
	}
	values_add(&of_large->cold, values_median(&l.cold));
	values_add(&of_large->hot, values_median(&l.hot));
	values_add(&of_small->cold, values_median(&s.cold));
	values_add(&of_small->hot, values_median(&s.hot));
}

void bench_cold(int arg)
{
	struct probe_mem large = get_mem(PROBE_KIND_THP, LARGE);
	struct probe_mem small = get_mem(PROBE_KIND_4K, SMALL);
	struct times l = { 0 }, s = { 0 };
	struct values cost_l, cost_s, ratio, copy = { 0 };
	struct dmirage *d = open_context();
	u64 faults;
	int i;

	(void)arg;
	measure(d, &large, &small, &l, &s);
	l = s = (struct times){ 0 };
	faults = get_counters(d).faults;
	for (i = 0; i < ROUNDS; i++) {
		struct dmirage_sqe sqe;

		measure(d, &large, &small, &l, &s);
		dmirage_prep_crc32c(&sqe, 1, large.addr, large.len);
		values_add(&copy, (double)run_ns(d, &sqe) / 1000);
	}
	ASSERT_GE(get_counters(d).faults - faults, 2 * ROUNDS * TIMES);
	ASSERT_PROBE(probe_mem_verify(&large, -1));
	expect_clean(d);

	say_control("cold 4 KiB", &s.cold);
	cost_l = values_minus(&l.cold, &l.hot);
	cost_s = values_minus(&s.cold, &s.hot);
	ratio = values_ratio(&cost_l, &cost_s);
	say_figure("cold_4m_vs_4k", "ratio", "<= 1.5", &ratio);
	say_note("touch 4 MiB, cold", "us", &l.cold);
	say_note("touch 4 MiB, hot", "us", &l.hot);
	say_note("touch 4 KiB, cold", "us", &s.cold);
	say_note("touch 4 KiB, hot", "us", &s.hot);
	say_note("checksum of 4 MiB, hot", "us", &copy);
}

/* The faults that a read of 1 GiB takes, from beginning to end. */
void bench_ahead(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_THP, 1ul << 30);
	struct dmirage *d = open_context();
	struct values faults = { 0 };
	struct dmirage_sqe sqe;

	(void)arg;
	dmirage_prep_crc32c(&sqe, 1, mem.addr, mem.len);
	run_ns(d, &sqe);
	values_add(&faults, (double)get_counters(d).faults);
	expect_clean(d);
	say_figure("faults_per_gib", "faults", "<= 32", &faults);
}
