// SPDX-License-Identifier: GPL-2.0
/*
 * Many pages of page tables watched at once: how soon they are, and what that costs
 * who has nothing to do with them.
 *
 * Pages of 4 KiB, 2 MiB apart: each has a page table to itself.
 */
#include "say.h"
#include "pair.h"
#include "work.h"

#define ROUNDS 21
#define TABLES 1500u
#define ADDED  1000u /* of these, in the time that counts */

/* The device uses each page from @first to @last - 1, each by a fault.  Return: ns. */
static u64 hold_ns(struct dmirage *d, const struct probe_mem *mem,
		   unsigned int first, unsigned int last)
{
	u64 faults = get_counters(d).faults, ns = 0;
	struct dmirage_sqe sqe;
	unsigned int i;

	for (i = first; i < last; i++) {
		dmirage_prep_read_imm(&sqe, 1, mem->addr + i * PROBE_2M, 8);
		ns += run_ns(d, &sqe);
	}
	ASSERT_EQ(get_counters(d).faults - faults, last - first);
	return ns;
}

/**
 * struct times - with all of it held by the device
 * @add:    ms for ADDED pages
 * @work:   ms of work, by another process
 * @beside: ms of work, by this one
 */
struct times {
	struct values add;
	struct values work;
	struct values beside;
};

static void measure(struct dmirage *d, const struct probe_mem *mem,
		    const struct worker *worker, struct times *t)
{
	values_add(&t->add, (double)hold_ns(d, mem, 0, ADDED) / 1e6);
	hold_ns(d, mem, ADDED, TABLES);
	values_add(&t->work, (double)worker_ns(worker) / 1e6);
	values_add(&t->beside, (double)work_ns(false) / 1e6);
	make_cold(mem);
}

void bench_watch_many(int arg)
{
	struct times plain = { 0 }, watched = { 0 };
	struct values ratio, rate = { 0 };
	struct worker worker = worker_start();
	struct pair w = pair_open();
	struct probe_mem mem;
	unsigned int i;

	(void)arg;
	ASSERT_PROBE(probe_mem_map(&mem, PROBE_KIND_4K, TABLES * PROBE_2M));
	for (i = 0; i < TABLES; i++)
		cpu_write(mem.addr + i * PROBE_2M, i);
	measure(w.plain, &mem, &worker, &plain);
	measure(w.watched, &mem, &worker, &watched);
	plain = watched = (struct times){ 0 };
	for (i = 0; i < ROUNDS; i++) {
		measure(w.plain, &mem, &worker, &plain);
		measure(w.watched, &mem, &worker, &watched);
		values_add(&rate, ADDED / watched.add.value[i] * 1000);
	}
	pair_expect_clean(&w);

	say_control("work, 1,500 pages held", &plain.work);
	ratio = values_ratio(&plain.work, &watched.work);
	say_figure("watch_1500_slowdown", "ratio", ">= 0.9", &ratio);
	ratio = values_ratio(&plain.beside, &watched.beside);
	say_figure("watch_1500_slowdown_own", "ratio", ">= 0.9", &ratio);
	say_figure("watches_added_per_s", "1/s", ">= 1000", &rate);
	say_note("1,000 pages faulted in", "ms", &plain.add);
	say_note("1,000 pages faulted in, watched", "ms", &watched.add);
	say_note("work, 1,500 pages held", "ms", &plain.work);
	say_note("work, 1,500 pages watched", "ms", &watched.work);
	say_note("own work, 1,500 pages held", "ms", &plain.beside);
	say_note("own work, 1,500 pages watched", "ms", &watched.beside);
}
