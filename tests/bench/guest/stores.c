// SPDX-License-Identifier: GPL-2.0
/*
 * What a watch costs who stores to a page table that is watched: the kernel, which
 * migrates pages, or takes away accessed bits.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "say.h"
#include "pair.h"

#define ROUNDS	  21
#define TIMES	  3 /* in a round, each way; the fastest counts */
#define CLEARINGS 9 /* likewise */
#define SMALL	  (4 * PROBE_2M) /* in pages of 4 KiB */
#define LARGE	  (16 * PROBE_2M) /* in huge pages */

/* The device has a translation of each page. */
static void hold(struct dmirage *d, const struct probe_mem *mem)
{
	struct dmirage_sqe sqe;

	dmirage_prep_touch_read(&sqe, 1, mem->addr, mem->len);
	run_ns(d, &sqe);
}

static u64 move_ns(struct dmirage *d, const struct probe_mem *mem, int node)
{
	u64 begin;

	hold(d, mem);
	begin = now_ns();
	ASSERT_PROBE(probe_move(mem->addr, mem->len, probe_kind_size(mem->kind), node));
	return now_ns() - begin;
}

/* To the other node and back; us for a page each way. */
static double migrate_us(struct dmirage *d, const struct probe_mem *mem)
{
	double pages = (double)(mem->len / probe_kind_size(mem->kind));
	u64 ns;

	ns = move_ns(d, mem, 1);
	ns += move_ns(d, mem, 0);
	return (double)ns / pages / 2000;
}

static void least(double *of, double value)
{
	if (!*of || value < *of)
		*of = value;
}

void bench_watch_migration(int kind)
{
	bool small = kind == PROBE_KIND_4K;
	const char *size = small ? "4 KiB" : "2 MiB";
	struct probe_mem mem = get_mem(kind, small ? SMALL : LARGE);
	struct pair w = pair_open();
	struct values plain = { 0 }, watched = { 0 }, ratio;
	char text[48];
	int i, n;

	migrate_us(w.plain, &mem);
	migrate_us(w.watched, &mem);
	for (i = 0; i < ROUNDS; i++) {
		double p = 0, at_watch = 0;

		for (n = 0; n < TIMES; n++) {
			least(&p, migrate_us(w.plain, &mem));
			least(&at_watch, migrate_us(w.watched, &mem));
		}
		values_add(&plain, p);
		values_add(&watched, at_watch);
	}
	ASSERT_PROBE(probe_mem_verify(&mem, 0));
	pair_expect_clean(&w);

	snprintf(text, sizeof(text), "%s page migrates", size);
	say_control(text, &plain);
	say_note(text, "us", &plain);
	snprintf(text, sizeof(text), "%s page migrates, watched", size);
	say_note(text, "us", &watched);
	ratio = values_ratio(&watched, &plain);
	say_figure(small ? "watched_migration_vs_unwatched_4k" :
			   "watched_migration_vs_unwatched",
		   "ratio", "<= 2", &ratio);
}

/* The accessed bits of all pages go, and nobody is told: a store for each. */
static u64 clear_ns(const struct probe_mem *mem)
{
	struct probe_mem other;
	size_t at;
	u64 begin;

	/* The processor forgets, and looks at the page table again. */
	ASSERT_PROBE(probe_mem_map(&other, PROBE_KIND_4K, PROBE_2M));
	for (at = 0; at < other.len; at += PROBE_4K)
		cpu_write(other.addr + at, 1);
	probe_mem_put(&other);
	for (at = 0; at < mem->len; at += PROBE_4K)
		cpu_read(mem->addr + at);
	begin = now_ns();
	clear_accessed();
	return now_ns() - begin;
}

/**
 * struct clearing - of all accessed bits, with all pages held by the device
 * @us:     the fastest of several
 * @stores: of each of them, to what is watched
 */
struct clearing {
	double us;
	double stores;
};

static struct clearing clear(struct dmirage *d, const struct probe_mem *mem)
{
	struct clearing c = { 0 };
	u64 before;
	int i;

	hold(d, mem);
	clear_ns(mem);
	before = counter(d, "watch_stores");
	for (i = 0; i < CLEARINGS; i++)
		least(&c.us, (double)clear_ns(mem) / 1000);
	c.stores = (double)(counter(d, "watch_stores") - before) / CLEARINGS;
	make_cold(mem);
	return c;
}

void bench_watch_store(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, SMALL);
	struct pair w = pair_open();
	struct values plain = { 0 }, watched = { 0 }, stores = { 0 }, each = { 0 };
	struct clearing p, c;
	int i;

	(void)arg;
	clear(w.plain, &mem);
	clear(w.watched, &mem);
	for (i = 0; i < ROUNDS; i++) {
		p = clear(w.plain, &mem);
		c = clear(w.watched, &mem);
		ASSERT_GE(c.stores, mem.len / PROBE_4K);
		values_add(&plain, p.us);
		values_add(&watched, c.us);
		values_add(&stores, c.stores);
		values_add(&each, (c.us - p.us) * 1000 / c.stores);
	}
	pair_expect_clean(&w);

	say_control("accessed bits cleared", &plain);
	say_figure("watched_store_ns", "ns", "none", &each);
	say_note("2,048 accessed bits cleared", "us", &plain);
	say_note("2,048 cleared, watched", "us", &watched);
	say_note("watched stores for that", "stores", &stores);
}
