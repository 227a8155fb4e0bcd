// SPDX-License-Identifier: GPL-2.0
/*
 * What a minor fault costs: the device's, the CPU's.  A page that nobody has
 * touched is written to for the first time; the kernel finds one and clears it.
 */
#include <sys/mman.h>

#include "say.h"

#define ROUNDS 21
#define PAGES  61 /* in a round, each way: the median counts */

static u64 write_ns(struct dmirage *d, void *addr)
{
	struct dmirage_sqe sqe;

	dmirage_prep_write_imm(&sqe, 1, addr, 5, 8);
	return run_ns(d, &sqe);
}

static u64 store_ns(void *addr)
{
	u64 begin = now_ns();

	cpu_write(addr, 5);
	return now_ns() - begin;
}

/* Medians of a round, in us. */
static void measure(struct dmirage *d, struct values *cpu, struct values *cold,
		    struct values *touched, struct values *hot)
{
	struct values c = { 0 }, f = { 0 }, t = { 0 }, h = { 0 };
	struct probe_mem mem;
	uint8_t *at;
	int i;

	ASSERT_PROBE(probe_mem_map(&mem, PROBE_KIND_4K, 3 * PAGES * PROBE_4K));
	/* Tables for all of it, and the driver's: no part of a minor fault. */
	for (i = 0; i < 3 * PAGES; i++)
		cpu_write(mem.addr + i * PROBE_4K, 1);
	for (i = 0; i < 3 * PAGES; i++)
		write_ns(d, mem.addr + i * PROBE_4K);
	ASSERT_SYS(madvise(mem.addr, mem.len, MADV_DONTNEED));

	for (i = 0; i < PAGES; i++) {
		at = mem.addr + 3 * i * PROBE_4K;
		values_add(&c, (double)store_ns(at) / 1000);
		values_add(&f, (double)write_ns(d, at + PROBE_4K) / 1000);
		values_add(&h, (double)write_ns(d, at + PROBE_4K) / 1000);
		cpu_write(at + 2 * PROBE_4K, 1);
		values_add(&t, (double)write_ns(d, at + 2 * PROBE_4K) / 1000);
	}
	values_add(cpu, values_median(&c));
	values_add(cold, values_median(&f));
	values_add(touched, values_median(&t));
	values_add(hot, values_median(&h));
	probe_mem_put(&mem);
}

void bench_fault(int arg)
{
	struct values cpu = { 0 }, cold = { 0 }, touched = { 0 }, hot = { 0 };
	struct values fault, ratio;
	struct dmirage *d = open_context();
	u64 faults;
	int i;

	(void)arg;
	measure(d, &cpu, &cold, &touched, &hot);
	cpu.n = cold.n = touched.n = hot.n = 0;
	faults = get_counters(d).faults;
	for (i = 0; i < ROUNDS; i++)
		measure(d, &cpu, &cold, &touched, &hot);
	/* Each was one: of 3 pages before, and of 2 that were measured. */
	ASSERT_GE(get_counters(d).faults - faults, ROUNDS * 2 * PAGES);
	expect_clean(d);

	say_control("CPU fault", &cpu);
	fault = values_minus(&cold, &hot);
	ratio = values_ratio(&fault, &cpu);
	say_figure("fault_vs_cpu", "ratio", "<= 4", &ratio);
	say_note("CPU, minor fault", "us", &cpu);
	say_note("device, minor fault", "us", &fault);
	fault = values_minus(&touched, &hot);
	say_note("device, fault on a page there", "us", &fault);
	say_note("device, 8 bytes, no fault", "us", &hot);
}
