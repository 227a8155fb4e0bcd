// SPDX-License-Identifier: GPL-2.0
/*
 * The library's own promises: threads that share a handle, whose completion
 * is whose, chains that stay together, and the options of dmirage_open().
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"
#include "schedule.h"

#define THREADS		4
#define ROUNDS		2000u	/* operations of each thread */
#define BATCH		6u

/**
 * struct shared - a handle that several threads use
 * @d:       the handle
 * @word:    for each thread, added to by its operations
 * @seen:    how often each cookie came back; a cookie is thread * ROUNDS + round
 * @fetched: how many completions came in all
 * @wrong:   completions that were not as they should be
 */
struct shared {
	struct dmirage *d;
	u64 *word;
	u8 *seen;
	u32 fetched;
	u32 wrong;
};

struct worker {
	pthread_t thread;
	struct shared *s;
	u32 nr;
	u32 rounds;
};

static void count(u32 *n, u32 by)
{
	__atomic_fetch_add(n, by, __ATOMIC_RELAXED);
}

static u32 read_count(u32 *n)
{
	return __atomic_load_n(n, __ATOMIC_RELAXED);
}

static void start(struct worker *w, struct shared *s, u32 nr,
		  void *(*run)(void *))
{
	*w = (struct worker){ .s = s, .nr = nr, .rounds = ROUNDS };
	ASSERT_EQ(pthread_create(&w->thread, NULL, run, w), 0);
}

static struct shared share(unsigned int entries)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct shared s = {
		.d = open_context_rings(entries, entries),
		.word = (u64 *)mem.addr,
		.seen = calloc(THREADS, ROUNDS),
	};

	ASSERT(s.seen);
	return s;
}

static void note_completion(struct shared *s, const struct dmirage_cqe *cqe)
{
	if (cqe->status != DMIRAGE_ST_OK || cqe->cookie >= THREADS * ROUNDS)
		count(&s->wrong, 1);
	else if (__atomic_fetch_add(&s->seen[cqe->cookie], 1, __ATOMIC_RELAXED))
		count(&s->wrong, 1);
	count(&s->fetched, 1);
}

/* Batches of random length, among them chains that touch a word twice. */
static void *submitter(void *arg)
{
	struct worker *w = arg;
	struct ktap_random r = { 0x5ba7e + w->nr };
	u64 cookie = (u64)w->nr * ROUNDS, end = cookie + ROUNDS;
	struct dmirage_sqe sqe[BATCH];
	unsigned int n, put;
	int ret;

	while (cookie < end) {
		for (n = 0; n < BATCH && cookie < end; n++) {
			if (n + 1 < BATCH && !ktap_below(&r, 4)) {
				dmirage_prep_fill(&sqe[n], cookie++,
						  &w->s->word[64 + w->nr], 1, 8);
				sqe[n + 1] = sqe[n];
				dmirage_chain(&sqe[n++], 2);
			} else {
				dmirage_prep_fetch_add(&sqe[n], cookie++,
						       &w->s->word[w->nr], 1, 8);
			}
			if (!ktap_below(&r, 4)) {
				n++;
				break;
			}
		}
		for (put = 0; put < n; put += (unsigned int)ret) {
			ret = dmirage_submit(w->s->d, sqe + put, n - put);
			if (ret == -EAGAIN) {
				sched_yield();
				ret = 0;
			}
			if (ret < 0) {
				count(&w->s->wrong, 1);
				return NULL;
			}
		}
	}
	return NULL;
}

/* By turns with dmirage_poll() and dmirage_wait(), until all have come. */
static void *fetcher(void *arg)
{
	struct worker *w = arg;
	struct dmirage_cqe cqe[3];
	unsigned int turn;
	int i, got;

	for (turn = 0; read_count(&w->s->fetched) < w->rounds; turn++) {
		if (turn % 2) {
			got = dmirage_poll(w->s->d, cqe, 3);
		} else {
			got = dmirage_wait(w->s->d, cqe, 20);
			got = got ? 0 : 1;
		}
		for (i = 0; i < got; i++)
			note_completion(w->s, &cqe[i]);
	}
	return NULL;
}

/* One after the other, each its own. */
static void *runner(void *arg)
{
	struct worker *w = arg;
	u64 base = (u64)w->nr * ROUNDS;
	struct dmirage_sqe sqe;
	struct dmirage_cqe cqe;
	u32 i;
	int ret;

	for (i = 0; i < w->rounds; i++) {
		dmirage_prep_fetch_add(&sqe, base + i, &w->s->word[w->nr], 1, 8);
		while ((ret = dmirage_run(w->s->d, &sqe, &cqe,
					  OP_TIMEOUT_MS)) == -EAGAIN)
			sched_yield();
		if (ret || cqe.status != DMIRAGE_ST_OK ||
		    cqe.cookie != base + i || cqe.result != i) {
			count(&w->s->wrong, 1);
			return NULL;
		}
		note_completion(w->s, &cqe);
	}
	return NULL;
}

static void expect_each_once(struct shared *s, u32 threads)
{
	u64 sum = 0;
	u32 i;

	EXPECT_EQ(s->wrong, 0);
	EXPECT_EQ(s->fetched, threads * ROUNDS);
	for (i = 0; i < threads * ROUNDS; i++)
		sum += s->seen[i] == 1;
	EXPECT_EQ(sum, threads * ROUNDS);
	EXPECT_EQ(dmirage_in_flight(s->d), 0);
	EXPECT_EQ(get_counters(s->d).ops, threads * ROUNDS);
	EXPECT_EQ(get_counters(s->d).ops_failed, 0);
	expect_clean(s->d);
}

/* Some submit and others fetch: each completion comes back once. */
static void threads_fetch(int entries)
{
	struct shared s = share((unsigned int)entries);
	struct worker in[THREADS], out[2];
	u32 i;

	for (i = 0; i < 2; i++) {
		start(&out[i], &s, i, fetcher);
		out[i].rounds = THREADS * ROUNDS;
	}
	for (i = 0; i < THREADS; i++)
		start(&in[i], &s, i, submitter);
	for (i = 0; i < THREADS; i++)
		pthread_join(in[i].thread, NULL);
	for (i = 0; i < 2; i++)
		pthread_join(out[i].thread, NULL);
	expect_each_once(&s, THREADS);
}

/* dmirage_run() in all threads: each gets what belongs to it. */
static void threads_run(int entries)
{
	struct shared s = share((unsigned int)entries);
	struct worker w[THREADS];
	u32 i;

	for (i = 0; i < THREADS; i++)
		start(&w[i], &s, i, runner);
	for (i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(s.word[i], ROUNDS);
	}
	expect_each_once(&s, THREADS);
}

/* Both at once. */
static void threads_mixed(int entries)
{
	struct shared s = share((unsigned int)entries);
	struct worker w[THREADS], out;
	u32 i;

	start(&out, &s, 0, fetcher);
	out.rounds = THREADS * ROUNDS;
	for (i = 0; i < THREADS; i++)
		start(&w[i], &s, i, i % 2 ? runner : submitter);
	for (i = 0; i < THREADS; i++)
		pthread_join(w[i].thread, NULL);
	pthread_join(out.thread, NULL);
	expect_each_once(&s, THREADS);
}

/* ---- Whose completion it is -------------------------------------------- */

/* Completions before and behind a dmirage_run()'s stay, in their order. */
static void run_among_others(int entries)
{
	struct dmirage *d = open_context_rings((unsigned int)entries, 8);
	struct dmirage_sqe sqe[3], own;
	struct dmirage_cqe cqe[8];
	unsigned int round, i;
	u64 word = 0;

	dmirage_prep_fetch_add(&own, 77, &word, 1, 8);
	for (i = 0; i < 3; i++)
		dmirage_prep_nop(&sqe[i], i);
	for (round = 0; round < 20; round++) {
		ASSERT_EQ(dmirage_submit(d, sqe, 3), 3);
		ASSERT_OK(dmirage_run(d, &own, cqe, OP_TIMEOUT_MS));
		EXPECT_EQ(cqe[0].cookie, 77);
		EXPECT_EQ(cqe[0].result, 2 * round);
		EXPECT_EQ(dmirage_submit(d, sqe, 1), 1);
		/* Through the small ring this goes only if slots come back. */
		ASSERT_OK(dmirage_run(d, &own, NULL, OP_TIMEOUT_MS));
		EXPECT_EQ(dmirage_in_flight(d), 6);
		EXPECT_EQ(dmirage_poll(d, cqe, 8), 4);
		for (i = 0; i < 4; i++)
			EXPECT_EQ(cqe[i].cookie, i % 3);
		EXPECT_EQ(dmirage_in_flight(d), 0);
	}
	EXPECT_EQ(dmirage_poll(d, cqe, 8), 0);
}

/* One that took too long goes to whoever waits next. */
static void run_late(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;

	(void)arg;
	dev_write(d, mem.addr, 1);
	arm_hold(d, "translated");
	dmirage_prep_write_imm(&sqe, 9, mem.addr, 2, 8);
	EXPECT_EQ((u64)dmirage_run(d, &sqe, &cqe, 30), (u64)-ETIMEDOUT);
	EXPECT_EQ(cpu_read(mem.addr), 1);
	EXPECT_EQ(dmirage_in_flight(d), 1);
	EXPECT_OK(probe_ctx_write(d, "hold", "release"));
	ASSERT_OK(dmirage_wait(d, &cqe, OP_TIMEOUT_MS));
	EXPECT_EQ(cqe.cookie, 9);
	EXPECT_EQ(cpu_read(mem.addr), 2);
	dev_write(d, mem.addr, 3);
	EXPECT_EQ(dmirage_in_flight(d), 0);
}

/* A chain goes into the ring as a whole or not at all. */
static void chain_whole(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context_rings(8, 8);
	struct dmirage_sqe sqe[9];
	struct dmirage_cqe cqe;
	unsigned int i;

	(void)arg;
	for (i = 0; i < 9; i++)
		dmirage_prep_fill(&sqe[i], i, mem.addr + 8 * i, ~0ull, 8);
	dmirage_chain(sqe + 2, 4);
	/* 0, 1, chain of 2..5, 6, 7, 8: where the ring ends is between two. */
	ASSERT_EQ(dmirage_submit(d, sqe, 9), 8);
	EXPECT_EQ((u64)dmirage_submit(d, sqe + 2, 4), (u64)-EAGAIN);
	for (i = 0; i < 3; i++)
		ASSERT_OK(dmirage_wait(d, NULL, OP_TIMEOUT_MS));
	/* Two slots are in use: 6 and 7.  Room for 6. */
	EXPECT_EQ(dmirage_submit(d, sqe + 8, 1), 1);
	EXPECT_EQ(dmirage_submit(d, sqe, 2), 2);
	EXPECT_EQ((u64)dmirage_submit(d, sqe + 2, 4), (u64)-EAGAIN);
	/* What comes before the chain is taken, and not the chain. */
	EXPECT_EQ(dmirage_submit(d, sqe + 1, 5), 1);
	for (i = 0; i < 6; i++)
		ASSERT_OK(dmirage_wait(d, &cqe, OP_TIMEOUT_MS));
	EXPECT_EQ(cqe.cookie, 1);
	EXPECT_EQ(dmirage_submit(d, sqe + 2, 4), 4);
	ASSERT_OK(dmirage_wait(d, &cqe, OP_TIMEOUT_MS));
	EXPECT_EQ(cqe.cookie, 2);
	EXPECT_EQ(cqe.result, 32);
	/* Longer than the ring: never. */
	dmirage_chain(sqe, 9);
	EXPECT_EQ((u64)dmirage_submit(d, sqe, 9), (u64)-EINVAL);
	EXPECT_EQ(dmirage_in_flight(d), 0);
}

/* ---- Events ------------------------------------------------------------ */

#define SOON_MS		1000	/* an event has come by then */
#define SLEEPERS	4u
#define BURSTS		20u

static bool readable(int fd, int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, timeout_ms) == 1 && pfd.revents == POLLIN;
}

static void submit_nops(struct dmirage *d, unsigned int n)
{
	struct dmirage_sqe sqe[8];
	unsigned int i;

	for (i = 0; i < n; i++)
		dmirage_prep_nop(&sqe[i], i);
	ASSERT_EQ(dmirage_submit(d, sqe, n), n);
}

/* A loop of one's own: armed, it is told once, and misses none. */
static void event_loop(int arg)
{
	struct ktap_random r = { ktap_seed() };
	struct dmirage *d = open_context();
	struct dmirage_cqe cqe[8];
	unsigned int round, n;
	int fd, got;

	(void)arg;
	EXPECT_EQ((u64)dmirage_arm(d), (u64)-EINVAL);
	fd = dmirage_eventfd(d);
	ASSERT_OK(fd);
	EXPECT_EQ(dmirage_eventfd(d), fd);
	EXPECT(!readable(fd, 20));
	/* Not asked for, not told. */
	submit_nops(d, 1);
	EXPECT(!readable(fd, 20));
	/* There already: at once. */
	ASSERT_OK(dmirage_arm(d));
	EXPECT(readable(fd, SOON_MS));
	EXPECT_EQ(dmirage_poll(d, cqe, 8), 1);
	ASSERT_OK(dmirage_arm(d));
	EXPECT(!readable(fd, 20));
	submit_nops(d, 2);
	EXPECT(readable(fd, SOON_MS));
	while (dmirage_in_flight(d))
		ASSERT_OK(dmirage_wait(d, NULL, OP_TIMEOUT_MS));
	for (round = 0; round < 500; round++) {
		n = 1 + (unsigned int)ktap_below(&r, 4);
		if (ktap_below(&r, 2))
			submit_nops(d, n);
		else
			n = 0;
		ASSERT_OK(dmirage_arm(d));
		if (!n)
			submit_nops(d, n = 1);
		while (n) {
			ASSERT(readable(fd, SOON_MS));
			got = dmirage_poll(d, cqe, 8);
			ASSERT_OK(got);
			n -= (unsigned int)got;
			ASSERT_OK(dmirage_arm(d));
		}
	}
	EXPECT_EQ(dmirage_in_flight(d), 0);
}

/* An operation that is held until somebody releases it. */
static void hold_one(struct dmirage *d)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);

	dev_write(d, mem.addr, 1);
	arm_hold_long(d, "translated");
	submit_write(d, mem.addr, 2);
	wait_held(d);
}

static void *release_later(void *arg)
{
	sleep_ms(100);
	probe_ctx_write(arg, "hold", "release");
	return NULL;
}

/* Who waits sleeps, and is woken by the completion, not by the clock. */
static void wait_sleeps(int arg)
{
	struct dmirage *d = open_context();
	struct rusage before, after;
	struct dmirage_cqe cqe;
	pthread_t thread;
	u64 began;

	(void)arg;
	hold_one(d);
	ASSERT_SYS(getrusage(RUSAGE_THREAD, &before));
	began = now_ms();
	EXPECT_EQ((u64)dmirage_wait(d, &cqe, 400), (u64)-ETIMEDOUT);
	EXPECT_GE(now_ms() - began, 399);
	ASSERT_SYS(getrusage(RUSAGE_THREAD, &after));
	/* It yields 64 times; in steps of 20 us there would be thousands. */
	EXPECT(after.ru_nvcsw - before.ru_nvcsw < 200);
	EXPECT(after.ru_nivcsw - before.ru_nivcsw < 200);
	ASSERT_EQ(pthread_create(&thread, NULL, release_later, d), 0);
	began = now_ms();
	EXPECT_OK(dmirage_wait(d, &cqe, OP_TIMEOUT_MS));
	EXPECT_GE(now_ms() - began, 90);
	EXPECT(now_ms() - began < 100 + SOON_MS);
	EXPECT_EQ(cqe.cookie, 2);
	pthread_join(thread, NULL);
}

/**
 * struct sleepers - threads that wait at the same time
 * @d:    for all
 * @turn: before and after each burst
 * @late: completions that did not come soon after they could
 * @wrong: those that did not come, or belong to another thread
 * @released: when they could
 */
struct sleepers {
	struct dmirage *d;
	pthread_barrier_t turn;
	u32 late;
	u32 wrong;
	u64 released;
};

/* Half of them wait for any completion, half for their own. */
static void *sleeper(void *arg)
{
	struct sleepers *s = ((void **)arg)[0];
	bool own = ((void **)arg)[1];
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	unsigned int i;
	int ret;

	dmirage_prep_nop(&sqe, 0x51ee9);
	for (i = 0; i < BURSTS; i++) {
		pthread_barrier_wait(&s->turn);
		if (own)
			ret = dmirage_run(s->d, &sqe, &cqe, OP_TIMEOUT_MS);
		else
			ret = dmirage_wait(s->d, &cqe, OP_TIMEOUT_MS);
		if (ret || own != (cqe.cookie == 0x51ee9))
			count(&s->wrong, 1);
		if (now_ms() - __atomic_load_n(&s->released, __ATOMIC_RELAXED) >
		    SOON_MS)
			count(&s->late, 1);
		pthread_barrier_wait(&s->turn);
	}
	return NULL;
}

/* All sleep, then there is one for each: none of them sleeps on. */
static void many_sleepers(int lend)
{
	struct sleepers s = { .d = open_context() };
	void *args[SLEEPERS][2];
	pthread_t thread[SLEEPERS];
	struct probe_mem mem;
	u64 end;
	u32 i, burst;

	mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	dev_write(s.d, mem.addr, 1);
	ASSERT_EQ(pthread_barrier_init(&s.turn, NULL, SLEEPERS + 1), 0);
	for (i = 0; i < SLEEPERS; i++) {
		args[i][0] = &s;
		args[i][1] = i % 2 ? &s : NULL;
		ASSERT_EQ(pthread_create(&thread[i], NULL, sleeper, args[i]), 0);
	}
	for (burst = 0; burst < BURSTS; burst++) {
		arm_hold_long(s.d, "translated");
		submit_write(s.d, mem.addr, burst);
		submit_nops(s.d, SLEEPERS / 2 - 1);
		wait_held(s.d);
		__atomic_store_n(&s.released, ~0ull >> 1, __ATOMIC_RELAXED);
		pthread_barrier_wait(&s.turn);
		end = now_ms() + SOON_MS;
		while (dmirage_in_flight(s.d) < SLEEPERS && now_ms() < end)
			sleep_ms(1);
		EXPECT_EQ(dmirage_in_flight(s.d), SLEEPERS);
		sleep_ms(20);
		/* Handing out the event takes it from nobody who sleeps. */
		if (lend && burst == BURSTS / 2)
			EXPECT_OK(dmirage_eventfd(s.d));
		__atomic_store_n(&s.released, now_ms(), __ATOMIC_RELAXED);
		release_hold(s.d);
		pthread_barrier_wait(&s.turn);
	}
	for (i = 0; i < SLEEPERS; i++)
		pthread_join(thread[i], NULL);
	EXPECT_EQ(s.wrong, 0);
	EXPECT_EQ(s.late, 0);
	EXPECT_EQ(dmirage_in_flight(s.d), 0);
}

/* ---- Options ----------------------------------------------------------- */

/* What dmirage_open() is asked for, and answers. */
static const struct {
	int ret;
	struct dmirage_open_opts opts;
} asked[] = {
	{ -EINVAL, { .flags = 1u << 5 } },
	{ -EINVAL, { .reserved = 1 } },
	{ -EINVAL, { .mode = 3 } },
	{ -EINVAL, { .pid = 1 } },
	{ -EINVAL, { .pidfd = 1 } },
	{ -EINVAL, { .flags = DMIRAGE_OPEN_NO_CONTEXT, .mode = 1 } },
	{ -EINVAL, { .flags = DMIRAGE_OPEN_NO_CONTEXT | DMIRAGE_OPEN_ATTACH } },
	{ -EINVAL, { .flags = DMIRAGE_OPEN_ATTACH, .pid = -1 } },
	{ -EINVAL, { .sq_entries = 3 } },
	/* no descriptor, and one that is no pidfd: the console */
	{ -EBADF, { .flags = DMIRAGE_OPEN_ATTACH, .pidfd = -1 } },
	{ -EBADF, { .flags = DMIRAGE_OPEN_ATTACH, .pidfd = 1 } },
	/* no process has this number */
	{ -ESRCH, { .flags = DMIRAGE_OPEN_ATTACH, .pid = 1 << 22 } },
	{ 0, { .sq_entries = 2 } },
};

static void options(int arg)
{
	struct dmirage_open_opts look = { .flags = DMIRAGE_OPEN_NO_CONTEXT };
	struct dmirage *d, *other;
	unsigned int used, i;
	int ret;

	(void)arg;
	ASSERT_OK(dmirage_open(NULL, &look, &d));
	used = get_info(d).contexts_used;
	for (i = 0; i < ARRAY_SIZE(asked); i++) {
		other = NULL;
		ret = dmirage_open(NULL, &asked[i].opts, &other);
		if (ret != asked[i].ret)
			ktap_fail(__FILE__, __LINE__, "options %u: %s", i,
				  strerror(-ret));
		EXPECT_EQ(!other, !!ret);
		dmirage_close(other);
	}
	/* None of them keeps a context, or a file. */
	EXPECT_EQ(get_info(d).contexts_used, used);
	EXPECT_EQ(dup(0), dmirage_fd(d) + 1);
}

/* ---- Memory ------------------------------------------------------------ */

/* What a region permits is possible, and nothing else; in both modes. */
static void regions(int mode)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 4 * PROBE_4K);
	struct dmirage *d = open_mode((unsigned int)mode,
				      mode == DMIRAGE_MODE_MIRROR ?
					      DMIRAGE_OPEN_REGIONS :
					      0);
	const u8 *first = mem.addr, *second = mem.addr + PROBE_4K;
	uint32_t ro = 99, rw = 99, none = 99;

	memset(mem.addr, 7, mem.len);
	expect_read_fault(d, first, EFAULT);
	ASSERT_OK(dmirage_region_add(d, first, PROBE_4K, 0, &ro));
	ASSERT_OK(dmirage_region_add(d, second, PROBE_4K, DMIRAGE_REGION_WRITE,
				     &rw));
	EXPECT_NE(ro, rw);
	EXPECT_EQ(dev_read(d, first), 0x0707070707070707);
	dev_write(d, mem.addr + PROBE_4K, 5);
	EXPECT_EQ(cpu_read(second), 5);
	expect_write_fault(d, first, EPERM);
	expect_read_fault(d, mem.addr + 2 * PROBE_4K, EFAULT);
	EXPECT_EQ(cpu_read(first), 0x0707070707070707);

	EXPECT_EQ((u64)dmirage_region_add(d, first + 1, PROBE_4K, 0, &none),
		  (u64)-EINVAL);
	EXPECT_EQ((u64)dmirage_region_add(d, first, 0, 0, &none), (u64)-EINVAL);
	EXPECT_EQ((u64)dmirage_region_add(d, first, PROBE_4K, 2, &none),
		  (u64)-EINVAL);
	EXPECT_EQ(none, 99);
	ASSERT_OK(dmirage_region_remove(d, ro));
	expect_read_fault(d, first, EFAULT);
	EXPECT_EQ((u64)dmirage_region_remove(d, ro), (u64)-ENOENT);
	EXPECT_EQ(dev_read(d, second), 5);
	expect_clean(d);
	dmirage_close(d);
	/* A handle without regions. */
	d = open_context();
	EXPECT_EQ((u64)dmirage_region_add(d, first, PROBE_4K, 0, &none),
		  (u64)-EINVAL);
	EXPECT_EQ((u64)dmirage_region_remove(d, 0), (u64)-EINVAL);
}

static void prefetch(int flags)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 8 * PROBE_4K);
	struct dmirage *d = open_context();
	u64 end = now_ms() + 5000;
	uint64_t done = 99;

	ASSERT_OK(dmirage_prefetch(d, mem.addr + 1, 2 * PROBE_4K,
				   (unsigned int)flags, &done));
	if (flags & DMIRAGE_PREFETCH_ASYNC) {
		EXPECT_EQ(done, 0);
		while (!get_counters(d).prefetches && now_ms() < end)
			sleep_ms(1);
	} else {
		EXPECT_EQ(done, 2 * PROBE_4K);
	}
	EXPECT_EQ(get_counters(d).prefetches, 1);
	EXPECT_EQ(get_counters(d).mapped_4k, 3);
	dev_read(d, mem.addr + 2 * PROBE_4K);
	EXPECT_EQ(get_counters(d).faults, 0);
	dev_read(d, mem.addr + 3 * PROBE_4K);
	EXPECT_EQ(get_counters(d).faults, 1);
	/* What it got to is told on an error, too: behind it is nothing. */
	if (!(flags & DMIRAGE_PREFETCH_ASYNC)) {
		EXPECT_EQ((u64)dmirage_prefetch(d, mem.addr, mem.len + 1,
						(unsigned int)flags, &done),
			  (u64)-EFAULT);
		EXPECT_EQ(done, mem.len);
	}
	EXPECT_EQ((u64)dmirage_prefetch(d, mem.addr, 0, 0, NULL), (u64)-EINVAL);
	EXPECT_EQ((u64)dmirage_prefetch(d, mem.addr, 1, 4, NULL), (u64)-EINVAL);
	expect_clean(d);
}

static void audit(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 8 * PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_audit_range r;

	(void)arg;
	ASSERT_OK(dmirage_audit(d, mem.addr, mem.len, &r));
	EXPECT_EQ(r.translations | r.pages | r.violations, 0);
	dev_write(d, mem.addr + PROBE_4K, 1);
	ASSERT_OK(dmirage_audit(d, mem.addr, mem.len, &r));
	EXPECT_GE(r.translations, 1);
	EXPECT_GE(r.pages, 1);
	EXPECT_EQ(r.violations, 0);
	ASSERT_OK(dmirage_audit(d, mem.addr, 1, &r));
	EXPECT_EQ(r.translations, 0);
	EXPECT_EQ((u64)dmirage_audit(d, mem.addr, 0, &r), (u64)-EINVAL);
	expect_clean(d);
}

/* In a child's memory, by its number and by a pidfd; and not after its end. */
static void attach(int by_pidfd)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage_open_opts o = { .flags = DMIRAGE_OPEN_ATTACH };
	struct dmirage *d;
	int go[2], back[2];
	u64 value;
	pid_t pid;

	ASSERT_SYS(pipe(go));
	ASSERT_SYS(pipe(back));
	cpu_write(mem.addr, 1);
	pid = fork();
	ASSERT_SYS(pid);
	if (!pid) {
		char c;

		cpu_write(mem.addr, 2);
		if (write(back[1], "r", 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(1);
		value = cpu_read(mem.addr);
		if (write(back[1], &value, sizeof(value)) != sizeof(value) ||
		    read(go[0], &c, 1) != 1)
			_exit(1);
		_exit(0);
	}
	ASSERT_EQ(read(back[0], &value, 1), 1);
	if (by_pidfd)
		ASSERT_SYS(o.pidfd = (int)syscall(SYS_pidfd_open, pid, 0));
	else
		o.pid = pid;
	ASSERT_OK(dmirage_open(NULL, &o, &d));
	EXPECT_EQ(dev_read(d, mem.addr), 2);
	dev_write(d, mem.addr, 3);
	ASSERT_EQ(write(go[1], "g", 1), 1);
	ASSERT_EQ(read(back[0], &value, sizeof(value)), sizeof(value));
	EXPECT_EQ(value, 3);
	/* Our own page is another one. */
	EXPECT_EQ(cpu_read(mem.addr), 1);
	expect_clean(d);
	ASSERT_EQ(write(go[1], "g", 1), 1);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
	dmirage_close(d);
	EXPECT_EQ((u64)dmirage_open(NULL, &o, &d), (u64)-ESRCH);
	if (by_pidfd)
		EXPECT_SYS(close(o.pidfd));
}

static const struct ktap_test tests[] = {
	{ "threads-fetch", threads_fetch, 256, 0 },
	{ "threads-fetch-small", threads_fetch, 8, 0 },
	{ "threads-run", threads_run, 256, 0 },
	{ "threads-run-small", threads_run, 2, 0 },
	{ "threads-mixed", threads_mixed, 256, 0 },
	{ "threads-mixed-small", threads_mixed, 8, 0 },
	{ "run-among-others", run_among_others, 256, 0 },
	{ "run-among-others-small", run_among_others, 8, 0 },
	{ "run-late", run_late, 0, 0 },
	{ "chain-whole", chain_whole, 0, 0 },
	{ "event-loop", event_loop, 0, 0 },
	{ "wait-sleeps", wait_sleeps, 0, 0 },
	{ "many-sleepers", many_sleepers, 0, 0 },
	{ "many-sleepers-lent", many_sleepers, 1, 0 },
	{ "options", options, 0, 0 },
	{ "regions-mirror", regions, DMIRAGE_MODE_MIRROR, 0 },
	{ "regions-pinned", regions, DMIRAGE_MODE_PINNED, 0 },
	{ "prefetch", prefetch, 0, 0 },
	{ "prefetch-write", prefetch, DMIRAGE_PREFETCH_WRITE, 0 },
	{ "prefetch-async", prefetch, DMIRAGE_PREFETCH_ASYNC, 0 },
	{ "audit", audit, 0, 0 },
	{ "attach-pid", attach, 0, 0 },
	{ "attach-pidfd", attach, 1, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
