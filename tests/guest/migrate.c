// SPDX-License-Identifier: GPL-2.0
/*
 * Migration: pages move between nodes under a working device.
 *
 * Seed: "mm/rmap: update to new mmu_notifier semantic" (369ea8242c0f): for a
 * migrating huge page, only its first page was notified.  With the driver's
 * fault mode of the same name this must be caught, without it all be clean.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common.h"

/* Where in a page the CPU writes and the device reads, and the other way. */
#define CPU_SLOT	0x100
#define DEVICE_SLOT	0x808

/* The 4 KiB pages looked at, as far as the memory has them. */
static const unsigned int pages[] = { 1, 5, 255, 511, 0 };

/* What a test moves. */
enum {
	ONE_4K,
	RANGE_4K,
	THP,
	HUGETLB,
};

static const struct {
	enum probe_kind kind;
	size_t len;
} what[] = {
	[ONE_4K] = { PROBE_KIND_4K, PROBE_4K },
	[RANGE_4K] = { PROBE_KIND_4K, 512 * PROBE_4K },
	[THP] = { PROBE_KIND_THP, PROBE_2M },
	[HUGETLB] = { PROBE_KIND_HUGETLB, PROBE_2M },
};

static u8 *page_of(const struct probe_mem *mem, unsigned int i)
{
	size_t off = pages[i] * PROBE_4K;

	return off < mem->len ? mem->addr + off : NULL;
}

static u64 value_of(bool device, unsigned int round, unsigned int page)
{
	return (device ? 0xde00000000000000ull : 0xc000000000000000ull) |
	       (u64)round << 32 | page;
}

/* Both write and then read what the other one wrote; all must be right. */
static void exchange(struct dmirage *d, const struct probe_mem *mem,
		     unsigned int round)
{
	unsigned int i;
	u8 *p;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		p = page_of(mem, i);
		if (!p)
			continue;
		cpu_write(p + CPU_SLOT, value_of(false, round, pages[i]));
		dev_write(d, p + DEVICE_SLOT, value_of(true, round, pages[i]));
	}
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		p = page_of(mem, i);
		if (!p)
			continue;
		EXPECT_EQ(dev_read(d, p + CPU_SLOT),
			  value_of(false, round, pages[i]));
		EXPECT_EQ(cpu_read(p + DEVICE_SLOT),
			  value_of(true, round, pages[i]));
	}
}

static void clean(int arg)
{
	struct probe_mem mem = get_mem(what[arg].kind, what[arg].len);
	struct dmirage *d = open_context();
	struct dmirage_counters before, after;
	unsigned int round = 0;
	int node;

	exchange(d, &mem, round++);
	for (node = 1; node >= 0; node--) {
		before = get_counters(d);
		move_mem(&mem, node);
		after = get_counters(d);
		EXPECT_GE(after.flushes, before.flushes + 1);
		EXPECT_EQ(after.mapped_4k, after.unmapped_4k);
		EXPECT_EQ(after.mapped_2m, after.unmapped_2m);
		exchange(d, &mem, round++);
	}
	if (what[arg].kind == PROBE_KIND_4K)
		EXPECT_EQ(after.mapped_2m, 0);
	else
		EXPECT_GE(after.mapped_2m, 2);
	expect_clean(d);
}

/* ---- The fault mode --------------------------------------------------- */


static void frames(const struct probe_mem *mem, u64 *frame)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		if (page_of(mem, i))
			frame[i] = frame_of(page_of(mem, i));
	}
}

static void expect_record(const struct dmirage_violation *v, unsigned int n,
			  u64 addr, bool write, u64 old, u64 new, bool there)
{
	const u8 opcode = write ? DMIRAGE_OP_WRITE_IMM : DMIRAGE_OP_READ_IMM;
	unsigned int i, found = 0;

	for (i = 0; i < n; i++) {
		if (v[i].addr != addr || v[i].access_write != write)
			continue;
		found++;
		EXPECT_EQ(v[i].kind, DMIRAGE_VIOL_FRAME);
		EXPECT_EQ(v[i].held_frame, old);
		EXPECT_EQ(v[i].cpu_frame, new);
		EXPECT_EQ(v[i].opcode, opcode);
		EXPECT_EQ(v[i].len, 8);
		EXPECT_EQ(v[i].cpu_present, 1);
		EXPECT_EQ(v[i].cpu_write, 1);
		EXPECT_EQ(v[i].cpu_order, 21);
	}
	if (found != there)
		ktap_fail(__FILE__, __LINE__, "%u records of the %s at 0x%llx",
			  found, write ? "write" : "read", addr);
}

static void caught(int arg)
{
	struct probe_mem mem = get_mem(what[arg].kind, what[arg].len);
	enum { N = ARRAY_SIZE(pages) };
	struct dmirage *d = open_context();
	struct dmirage_violation v[4 * N];
	u64 old[N], new[N], read[N];
	unsigned int i, n = 0;
	bool stale;
	int got;
	u8 *p;

	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", FAULT_MODE_FIRST_PAGE));
	exchange(d, &mem, 1);
	frames(&mem, old);
	ASSERT_PROBE(probe_mem_move(&mem, 1));
	/*
	 * Stale writes go to freed frames: at once, and few.  Page 0 comes
	 * last: the device may fault the whole huge page in again there.
	 */
	for (i = 0; i < N; i++) {
		p = page_of(&mem, i);
		cpu_write(p + CPU_SLOT, value_of(false, 2, pages[i]));
		read[i] = dev_read(d, p + CPU_SLOT);
		dev_write(d, p + DEVICE_SLOT, value_of(true, 2, pages[i]));
	}
	ASSERT_PROBE(probe_mem_verify(&mem, 1));
	frames(&mem, new);
	for (i = 0; i < N; i++) {
		ASSERT_NE(new[i], old[i]);
		stale = pages[i] != 0;
		p = page_of(&mem, i);
		EXPECT_EQ(read[i], value_of(false, stale ? 1 : 2, pages[i]));
		EXPECT_EQ(cpu_read(p + DEVICE_SLOT),
			  value_of(true, stale ? 1 : 2, pages[i]));
	}

	EXPECT_EQ(get_counters(d).violations, 2 * (N - 1));
	do {
		got = dmirage_read_violations(d, v + n, ARRAY_SIZE(v) - n,
					      n < 2 * (N - 1) ? 1000 : 0);
		ASSERT(got >= 0);
		n += (unsigned int)got;
	} while (got && n < ARRAY_SIZE(v));
	EXPECT_EQ(n, 2 * (N - 1));
	for (i = 0; i < N; i++) {
		p = page_of(&mem, i);
		expect_record(v, n, (uintptr_t)p + CPU_SLOT, false, old[i],
			      new[i], pages[i] != 0);
		expect_record(v, n, (uintptr_t)p + DEVICE_SLOT, true, old[i],
			      new[i], pages[i] != 0);
	}
}

/* The first page of a 4 KiB page is all of it: the same fault does nothing. */
static void fault_mode_4k(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();

	(void)arg;
	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", FAULT_MODE_FIRST_PAGE));
	exchange(d, &mem, 1);
	move_mem(&mem, 1);
	exchange(d, &mem, 2);
	expect_clean(d);
}

/* The mode is the context's own: another one of the same process is clean. */
static void fault_mode_other(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_THP, PROBE_2M);
	struct dmirage *bad = open_context(), *good = open_context();

	(void)arg;
	ASSERT_PROBE(probe_ctx_write(bad, "fault_mode", FAULT_MODE_FIRST_PAGE));
	exchange(good, &mem, 1);
	EXPECT_EQ(dev_read(bad, mem.addr + PROBE_4K + CPU_SLOT),
		  value_of(false, 1, 1));
	move_mem(&mem, 1);
	exchange(good, &mem, 2);
	expect_clean(good);
	EXPECT_EQ(dev_read(bad, mem.addr + PROBE_4K + CPU_SLOT),
		  value_of(false, 1, 1));
	EXPECT_EQ(get_counters(bad).violations, 1);
}

/* ---- Everybody at once ------------------------------------------------ */

#define SLOTS		256
#define BATCH		32

/**
 * struct storm - CPU and device write to slots of their own while pages move
 * @mem:  the memory
 * @slot: offsets; even ones are the CPU's, odd ones the device's
 * @last: value last written to each slot
 */
struct storm {
	struct probe_mem mem;
	struct dmirage *d;
	u64 seed;
	atomic_bool stop;
	u32 slot[SLOTS];
	u64 last[SLOTS];
	u64 cpu_writes, dev_writes;
};

static void *cpu_storm(void *arg)
{
	struct storm *s = arg;
	struct ktap_random r = { s->seed + 1 };
	unsigned int i;

	while (!atomic_load(&s->stop)) {
		i = 2 * (unsigned int)ktap_below(&r, SLOTS / 2);
		/* Nobody but us writes here: what we wrote must be there. */
		if (cpu_read(s->mem.addr + s->slot[i]) != s->last[i]) {
			ktap_fail(__FILE__, __LINE__, "CPU slot 0x%x lost its value",
				  s->slot[i]);
			break;
		}
		s->last[i] = ktap_random(&r) | 1;
		cpu_write(s->mem.addr + s->slot[i], s->last[i]);
		/* The other processors have work to do as well. */
		if (++s->cpu_writes % 512 == 0)
			sleep_ms(1);
	}
	return NULL;
}

static void *device_storm(void *arg)
{
	struct storm *s = arg;
	struct ktap_random r = { s->seed + 2 };
	struct dmirage_sqe sqe[2 * BATCH];
	u64 expect[BATCH];
	struct dmirage_cqe cqe;
	unsigned int i, k;

	while (!atomic_load(&s->stop)) {
		/* Write a slot, and read it in the operation after that. */
		for (k = 0; k < BATCH; k++) {
			i = 2 * (unsigned int)ktap_below(&r, SLOTS / 2) + 1;
			s->last[i] = expect[k] = ktap_random(&r) | 1;
			dmirage_prep_write_imm(&sqe[2 * k], 0,
					       s->mem.addr + s->slot[i],
					       expect[k], 8);
			dmirage_prep_read_imm(&sqe[2 * k + 1], 1,
					      s->mem.addr + s->slot[i], 8);
		}
		ASSERT_EQ(dmirage_submit(s->d, sqe, 2 * BATCH), 2 * BATCH);
		for (k = 0; k < 2 * BATCH; k++) {
			ASSERT_OK(dmirage_wait(s->d, &cqe, OP_TIMEOUT_MS));
			EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
			if (k % 2)
				EXPECT_EQ(cqe.result, expect[k / 2]);
		}
		s->dev_writes += BATCH;
	}
	return NULL;
}

#define STORM_MOVES	40
#define STORM_MOVES_MIN	2	/* however long they take */
#define STORM_MS	1200

static void storm(int arg)
{
	static struct storm s;
	unsigned int i, moves = 0;
	pthread_t cpu, device;
	struct ktap_random r;
	size_t stride;
	u64 end;

	s.mem = get_mem(what[arg].kind, 2 * what[arg].len);
	s.d = open_context();
	s.seed = ktap_seed();
	r.state = s.seed;
	/* Slots anywhere, one in each stretch of the memory. */
	stride = s.mem.len / SLOTS;
	for (i = 0; i < SLOTS; i++)
		s.slot[i] = (u32)(i * stride + 8 * ktap_below(&r, stride / 8));

	ASSERT(!pthread_create(&cpu, NULL, cpu_storm, &s));
	ASSERT(!pthread_create(&device, NULL, device_storm, &s));
	end = now_ms() + STORM_MS;
	while (moves < STORM_MOVES &&
	       (moves < STORM_MOVES_MIN || now_ms() < end)) {
		moves++;
		/* Frames are compared in move_mem(): each move is a real one. */
		move_mem(&s.mem, moves % 2);
	}
	atomic_store(&s.stop, true);
	pthread_join(cpu, NULL);
	pthread_join(device, NULL);

	for (i = 0; i < SLOTS; i++) {
		EXPECT_EQ(cpu_read(s.mem.addr + s.slot[i]), s.last[i]);
		EXPECT_EQ(dev_read(s.d, s.mem.addr + s.slot[i]), s.last[i]);
	}
	ktap_note("%u moves, %llu writes by the CPU, %llu by the device, %llu faults, %llu retries, %llu flushes",
		  moves, s.cpu_writes, s.dev_writes, get_counters(s.d).faults,
		  get_counters(s.d).fault_retries, get_counters(s.d).flushes);
	EXPECT_GE(moves, STORM_MOVES_MIN);
	EXPECT_GE(s.cpu_writes, 100);
	EXPECT_GE(s.dev_writes, BATCH);
	EXPECT_GE(get_counters(s.d).flushes, 2);
	expect_clean(s.d);
}

static const struct ktap_test tests[] = {
	{ "clean-4k", clean, ONE_4K, 0 },
	{ "clean-4k-range", clean, RANGE_4K, 0 },
	{ "clean-thp", clean, THP, 0 },
	{ "clean-hugetlb", clean, HUGETLB, 0 },
	{ "fault-mode-4k", fault_mode_4k, 0, 0 },
	{ "fault-mode-thp", caught, THP, 0 },
	{ "fault-mode-hugetlb", caught, HUGETLB, 0 },
	{ "fault-mode-other-context", fault_mode_other, 0, 0 },
	{ "storm-4k", storm, RANGE_4K, 15 },
	{ "storm-thp", storm, THP, 15 },
	{ "storm-hugetlb", storm, HUGETLB, 15 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
