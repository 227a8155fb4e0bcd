// SPDX-License-Identifier: GPL-2.0
/*
 * Notifiers that come and go by themselves: one for each GiB that the device
 * uses, for as long as it has something there.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "schedule.h"

#define GIB	(1ul << 30)
#define GIBS	8
#define GONE_MS 3000 /* a work that runs 100 ms later has run by then */

/* Address space from a border of 1 GiB on, without memory. */
static u8 *reserve(void)
{
	u8 *p = mmap(NULL, (GIBS + 1) * GIB, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ASSERT(p != MAP_FAILED);
	p += -(uintptr_t)p & (GIB - 1);
	ASSERT_SYS(madvise(p, GIBS * GIB, MADV_NOHUGEPAGE));
	return p;
}

static void wait_intervals(struct dmirage *d, u64 n)
{
	u64 end = now_ms() + GONE_MS;

	while (get_counters(d).intervals != n && now_ms() < end)
		sleep_ms(5);
	EXPECT_EQ(get_counters(d).intervals, n);
}

/* They come with the first fault and go with the last entry, and again. */
static void come_and_go(int arg)
{
	struct dmirage *d = open_context();
	u8 *p = reserve();
	unsigned int round, i;

	(void)arg;
	ASSERT_EQ(get_counters(d).intervals, 0);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < GIBS; i++) {
			dev_write(d, p + i * GIB + i * PROBE_4K, i + 1);
			EXPECT_EQ(get_counters(d).intervals, i + 1);
			/* Not one more for its second page. */
			dev_write(d, p + i * GIB + GIB - 8, i + 2);
			EXPECT_EQ(get_counters(d).intervals, i + 1);
		}
		/* Half of what is in the first one; all of others. */
		ASSERT_SYS(madvise(p, PROBE_2M, MADV_DONTNEED));
		ASSERT_SYS(madvise(p + 2 * GIB, 3 * GIB, MADV_DONTNEED));
		wait_intervals(d, GIBS - 3);
		EXPECT_EQ(dev_read(d, p + GIB - 8), 2);
		EXPECT_EQ(dev_read(d, p + GIB + PROBE_4K), 2);
		EXPECT_EQ(get_counters(d).intervals, GIBS - 3);
		/* One comes back. */
		EXPECT_EQ(dev_read(d, p + 3 * GIB), 0);
		EXPECT_EQ(get_counters(d).intervals, GIBS - 2);
		cpu_write(p + 3 * GIB, 5);
		EXPECT_EQ(dev_read(d, p + 3 * GIB), 5);
		ASSERT_SYS(madvise(p, GIBS * GIB, MADV_DONTNEED));
		wait_intervals(d, 0);
	}
	expect_clean(d);
}

/* Where there is none, nobody is called. */
static void not_called(int arg)
{
	struct dmirage *d = open_context();
	u8 *p = reserve();
	u64 calls;

	(void)arg;
	dev_write(d, p, 1);
	memset(p + 2 * GIB, 1, PROBE_2M);
	calls = get_counters(d).invalidations;
	ASSERT_SYS(madvise(p + 2 * GIB, PROBE_2M, MADV_DONTNEED));
	EXPECT_EQ(get_counters(d).invalidations, calls);
	ASSERT_SYS(madvise(p + PROBE_4K, PROBE_4K, MADV_DONTNEED));
	EXPECT_EQ(get_counters(d).invalidations, calls + 1);
	ASSERT_SYS(madvise(p, PROBE_4K, MADV_DONTNEED));
	wait_intervals(d, 0);
	calls = get_counters(d).invalidations;
	cpu_write(p, 7);
	ASSERT_SYS(madvise(p, PROBE_4K, MADV_DONTNEED));
	EXPECT_EQ(get_counters(d).invalidations, calls);
	EXPECT_EQ(dev_read(d, p), 0);
	expect_clean(d);
}

/* A region's stays, whatever is there. */
static void of_region(int arg)
{
	struct dmirage *d = open_mode(DMIRAGE_MODE_MIRROR, DMIRAGE_OPEN_REGIONS);
	struct dmirage *other = open_context();
	u8 *p = reserve();
	uint32_t id;

	(void)arg;
	ASSERT_OK(dmirage_region_add(d, p, GIBS * GIB, DMIRAGE_REGION_WRITE,
				     &id));
	dev_write(d, p, 1);
	dev_write(other, p, 1);
	ASSERT_SYS(madvise(p, PROBE_4K, MADV_DONTNEED));
	/* When the other one's has gone, this one's had the time. */
	wait_intervals(other, 0);
	EXPECT_EQ(get_counters(d).intervals, 1);
	cpu_write(p, 3);
	EXPECT_EQ(dev_read(d, p), 3);
	expect_clean(d);
}

/* The work is due, and the context ends. */
static void closed(int arg)
{
	unsigned int used = contexts_in_use(0), i;
	u8 *p = reserve();
	struct dmirage *d;

	(void)arg;
	for (i = 0; i < 12; i++) {
		d = open_context();
		dev_write(d, p, 1);
		dev_write(d, p + GIB, 1);
		ASSERT_SYS(madvise(p, 2 * GIB, MADV_DONTNEED));
		/* Before it, and at the time of it. */
		if (i % 2)
			sleep_ms(95 + i);
		dmirage_close(d);
	}
	EXPECT_EQ(contexts_in_use(used), used);
}

#define TEAM	 4
#define STORM_MS 1500

struct member {
	u8 *mem;
	u64 seed, rounds, came;
};

/* Pages go, and are used again at about the time when the notifier would go. */
static void *member_main(void *arg)
{
	struct member *m = arg;
	struct ktap_random r = { m->seed };
	struct dmirage *d = open_context();
	u64 end = now_ms() + STORM_MS, value, n, before;
	u8 *p;

	while (now_ms() < end) {
		p = m->mem + ktap_below(&r, 2) * GIB +
		    ktap_below(&r, 64) * PROBE_4K;
		value = ktap_random(&r);
		dev_write(d, p, value);
		EXPECT_EQ(cpu_read(p), value);
		ASSERT_SYS(madvise(m->mem, 2 * GIB, MADV_DONTNEED));
		before = get_counters(d).intervals;
		EXPECT_GE(before, 1);
		/* For the last steps of the way there is no clock but luck. */
		for (n = 0; n < 30 && get_counters(d).intervals == before; n++)
			sleep_ms(5 + (unsigned int)ktap_below(&r, 2));
		EXPECT_EQ(dev_read(d, p), 0);
		m->came += get_counters(d).intervals > 0;
		cpu_write(p, ~value);
		EXPECT_EQ(dev_read(d, p), ~value);
		m->rounds++;
	}
	expect_clean(d);
	dmirage_close(d);
	return NULL;
}

static void storm(int arg)
{
	struct member team[TEAM];
	pthread_t thread[TEAM];
	unsigned int i;
	u64 seed = ktap_seed();

	(void)arg;
	for (i = 0; i < TEAM; i++) {
		/* Of their own, so that nobody else's zap is in between. */
		team[i] = (struct member){ .mem = reserve(), .seed = seed + i };
		ASSERT(!pthread_create(&thread[i], NULL, member_main, &team[i]));
	}
	for (i = 0; i < TEAM; i++) {
		pthread_join(thread[i], NULL);
		EXPECT_GE(team[i].rounds, 2);
		EXPECT_EQ(team[i].came, team[i].rounds);
	}
}

static const struct ktap_test tests[] = {
	{ "come-and-go", come_and_go, 0, 0 },
	{ "not-called", not_called, 0, 0 },
	{ "of-region", of_region, 0, 0 },
	{ "closed", closed, 0, 0 },
	{ "storm", storm, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests), NULL);
}
