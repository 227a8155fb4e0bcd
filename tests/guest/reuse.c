// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "reuse.h"

#define REUSE_PAGES  32
#define REUSE_ROUNDS 16
#define REUSE_MS     1500
#define FOREIGN	     0xf04e1960f04e1960ull
#define OWN	     0x0e000e000e000e00ull

/**
 * struct hammer - a context that never leaves some addresses alone
 * @x:      they are mapped at times
 * @done:   accesses that went well
 * @faults: that found nothing
 * @foreign: that read what was never there
 */
struct hammer {
	struct dmirage *d;
	u8 *x;
	atomic_bool stop;
	_Atomic u64 done;
	u64 faults, foreign, failed;
};

static void *hammer_main(void *arg)
{
	struct dmirage_sqe sqe[REUSE_PAGES];
	struct hammer *h = arg;
	struct dmirage_cqe cqe;
	unsigned int i;

	while (!atomic_load(&h->stop)) {
		for (i = 0; i < REUSE_PAGES; i += 2) {
			dmirage_prep_write_imm(&sqe[i], 0, h->x + i * PROBE_4K + 64, OWN, 8);
			dmirage_prep_read_imm(&sqe[i + 1], 1, h->x + (i + 1) * PROBE_4K + 128, 8);
		}
		ASSERT_EQ(dmirage_submit(h->d, sqe, REUSE_PAGES), REUSE_PAGES);
		for (i = 0; i < REUSE_PAGES; i++) {
			ASSERT_OK(dmirage_wait(h->d, &cqe, OP_TIMEOUT_MS));
			if (cqe.status == DMIRAGE_ST_OK)
				h->done++;
			else if (cqe.status == DMIRAGE_ST_FAULT && cqe.detail == EFAULT)
				h->faults++;
			else
				h->failed++;
			if (cqe.cookie == 1 && cqe.status == DMIRAGE_ST_OK)
				h->foreign += cqe.result != 0;
		}
	}
	return NULL;
}

/* @x: where, or NULL */
static u8 *map_pages(u8 *x, unsigned int pages)
{
	u8 *p = mmap(x, pages * PROBE_4K, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | (x ? MAP_FIXED : 0), -1, 0);

	ASSERT(p != MAP_FAILED);
	return p;
}

static void fill_foreign(u8 *y, unsigned int pages)
{
	size_t at;

	for (at = 0; at < pages * PROBE_4K; at += 8)
		cpu_write(y + at, FOREIGN);
}

static u64 count_foreign(const u8 *y, unsigned int pages)
{
	u64 n = 0;
	size_t at;

	for (at = 0; at < pages * PROBE_4K; at += 8)
		n += cpu_read(y + at) == FOREIGN;
	return n;
}

/* Which of these has a frame, or @n. */
static unsigned int find_frame(u64 frame, const u64 *frames, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n && frames[i] != frame; i++)
		;
	return i;
}

static void until_done(struct hammer *h, u64 more)
{
	u64 end = now_ms() + 2000 * ktap_scale(), until = h->done + more;

	while (h->done < until) {
		ASSERT(now_ms() < end);
		sleep_ms(1);
	}
}

void reuse(unsigned int mode, enum seed_order order, int how)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, REUSE_PAGES * PROBE_4K);
	struct hammer h[SEED_CONTEXTS] = { 0 };
	struct seed *s = seed_new(order);
	unsigned int i, rounds = 0, reused = 0;
	pthread_t thread[SEED_CONTEXTS];
	u64 end = now_ms() + REUSE_MS;
	u64 before[REUSE_PAGES];
	u8 *y;

	stay_on(0);
	seed_contexts(s, mode);
	for (i = 0; i < s->contexts; i++) {
		h[i].d = s->context[i].d;
		h[i].x = mem.addr;
		ASSERT(!pthread_create(&thread[i], NULL, hammer_main, &h[i]));
	}
	while (rounds < REUSE_ROUNDS && (rounds < 2 || now_ms() < end)) {
		rounds++;
		for (i = 0; i < s->contexts; i++)
			until_done(&h[i], REUSE_PAGES);
		for (i = 0; i < REUSE_PAGES; i++) {
			cpu_read(mem.addr + i * PROBE_4K);
			before[i] = frame_of(mem.addr + i * PROBE_4K);
		}
		/* It must not be in the place that is free then. */
		y = map_pages(NULL, REUSE_PAGES);
		if (how == REUSE_MUNMAP)
			ASSERT_SYS(munmap(mem.addr, mem.len));
		else
			ASSERT_SYS(madvise(mem.addr, mem.len, MADV_DONTNEED));
		fill_foreign(y, REUSE_PAGES);
		for (i = 0; i < REUSE_PAGES; i++)
			reused += find_frame(frame_of(y + i * PROBE_4K), before, REUSE_PAGES) <
				  REUSE_PAGES;
		sleep_ms(2);
		ASSERT_EQ(count_foreign(y, REUSE_PAGES), REUSE_PAGES * PROBE_4K / 8);
		ASSERT_SYS(munmap(y, REUSE_PAGES * PROBE_4K));
		if (how == REUSE_MUNMAP) {
			map_pages(mem.addr, REUSE_PAGES);
			memset(mem.addr, 0, mem.len);
		}
	}
	for (i = 0; i < s->contexts; i++) {
		atomic_store(&h[i].stop, true);
		pthread_join(thread[i], NULL);
		ktap_note("%u rounds, %u of %u pages used again; %llu accesses, %llu faults", rounds,
			  reused, rounds * REUSE_PAGES, (u64)h[i].done, h[i].faults);
		EXPECT_EQ(h[i].foreign, 0);
		EXPECT_EQ(h[i].failed, 0);
		expect_clean(h[i].d);
	}
	EXPECT_GE(reused, rounds);
	if (s->context[1].watched)
		EXPECT_EQ(counter(s->context[1].d, "watch_violations"), 0);
}

void reuse_caught(int mode)
{
	struct dmirage *d = open_mode((unsigned int)mode, 0);
	struct probe_mem mem = get_mem(PROBE_KIND_4K, REUSE_PAGES * PROBE_4K);
	unsigned int x = REUSE_PAGES, y, i;
	struct dmirage_violation v;
	u64 before[REUSE_PAGES];
	u8 *other;

	stay_on(0);
	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", "inval-ignored"));
	for (i = 0; i < REUSE_PAGES; i++) {
		dev_write(d, mem.addr + i * PROBE_4K, OWN);
		before[i] = frame_of(mem.addr + i * PROBE_4K);
	}
	/* Its page table is there; the pages that are free are for it. */
	other = map_pages(NULL, 2 * REUSE_PAGES);
	cpu_write(other, FOREIGN);
	ASSERT_SYS(munmap(mem.addr, mem.len));
	fill_foreign(other, 2 * REUSE_PAGES);
	for (y = 0; y < 2 * REUSE_PAGES && x == REUSE_PAGES; y++)
		x = find_frame(frame_of(other + y * PROBE_4K), before, REUSE_PAGES);
	ASSERT(x < REUSE_PAGES);
	y--;
	EXPECT_EQ(dev_read(d, mem.addr + x * PROBE_4K), FOREIGN);
	dev_write(d, mem.addr + x * PROBE_4K + 64, OWN);
	EXPECT_EQ(cpu_read(other + y * PROBE_4K + 64), OWN);
	EXPECT_EQ(count_foreign(other, 2 * REUSE_PAGES), 2 * REUSE_PAGES * PROBE_4K / 8 - 1);
	EXPECT_GE(get_counters(d).violations, 2);
	ASSERT_EQ(dmirage_read_violations(d, &v, 1, 2000), 1);
	EXPECT_EQ(v.kind, DMIRAGE_VIOL_ABSENT);
	EXPECT_EQ(v.held_frame, before[x]);
}
