// SPDX-License-Identifier: GPL-2.0
/*
 * Prefetch: translations before the first access, what it says of how far it
 * came, and its end at any moment.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "schedule.h"

#define WRITE DMIRAGE_PREFETCH_WRITE
#define ASYNC DMIRAGE_PREFETCH_ASYNC

/* More than is done in any time that a test has. */
#define ENORMOUS (64ul << 30)

static void expect_prefetch_at(int line, struct dmirage *d, const void *addr,
			       u64 len, unsigned int flags, int err, u64 done)
{
	uint64_t got = 0xd07e;
	int ret = dmirage_prefetch(d, addr, len, flags, &got);

	if (ret != -err || got != done)
		ktap_fail(__FILE__, line,
			  "prefetch: %s, %llu bytes instead of %s, %llu",
			  strerror(-ret), (u64)got, strerror(err), done);
}

#define expect_prefetch(...) expect_prefetch_at(__LINE__, __VA_ARGS__)

/* Until that many have come to an end, well or not. */
static void wait_prefetches(struct dmirage *d, u64 n)
{
	u64 end = now_ms() + 5000;

	while (get_counters(d).prefetches < n && now_ms() < end)
		sleep_ms(1);
	ASSERT_EQ(get_counters(d).prefetches, n);
}

static void touch_all(struct dmirage *d, const struct probe_mem *mem, bool write)
{
	struct dmirage_sqe sqe;

	if (write)
		dmirage_prep_touch_write(&sqe, 1, mem->addr, mem->len);
	else
		dmirage_prep_touch_read(&sqe, 1, mem->addr, mem->len);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
}

/* What has been prefetched needs no fault, in as few entries as can be. */
static void made(struct dmirage *d, int kind, unsigned int flags)
{
	struct probe_mem mem = get_mem(kind, 2 * PROBE_2M);
	bool write = flags & WRITE;
	struct dmirage_counters c;

	if (flags & ASYNC) {
		expect_prefetch(d, mem.addr, mem.len, flags, 0, 0);
		wait_prefetches(d, 1);
	} else {
		expect_prefetch(d, mem.addr, mem.len, flags, 0, mem.len);
	}
	c = get_counters(d);
	EXPECT_EQ(c.prefetches, 1);
	EXPECT_EQ(c.prefetch_errors, 0);
	EXPECT_EQ(c.prefetched, mem.len);
	EXPECT_EQ(c.mapped_4k, kind == PROBE_KIND_4K ? 1024 : 0);
	EXPECT_EQ(c.mapped_2m, kind == PROBE_KIND_4K ? 0 : 2);
	touch_all(d, &mem, write);
	EXPECT_EQ(get_counters(d).faults, 0);
	if (!write) {
		/* It was not for writing. */
		dev_write(d, mem.addr, 1);
		EXPECT_EQ(get_counters(d).faults, 1);
	}
	/* Again: there is nothing to make. */
	c = get_counters(d);
	expect_prefetch(d, mem.addr, mem.len, 0, 0, mem.len);
	EXPECT_EQ(get_counters(d).mapped_4k, c.mapped_4k);
	EXPECT_EQ(get_counters(d).mapped_2m, c.mapped_2m);
	/* It is taken back like what an access has made. */
	move_mem(&mem, 1);
	cpu_write(mem.addr + 8, 7);
	EXPECT_EQ(dev_read(d, mem.addr + 8), 7);
	EXPECT_GE(get_counters(d).flushes, 1);
	expect_clean(d);
}

static void sync_read(int kind)
{
	made(open_context(), kind, 0);
}

static void sync_write(int kind)
{
	made(open_context(), kind, WRITE);
}

static void async_read(int kind)
{
	made(open_context(), kind, ASYNC);
}

static void async_write(int kind)
{
	made(open_context(), kind, ASYNC | WRITE);
}

/* What nobody has touched yet is faulted in; what is beside it is not. */
static void untouched(int arg)
{
	struct dmirage *d = open_context();
	struct probe_mem mem;
	struct probe_page page;

	(void)arg;
	ASSERT_PROBE(probe_mem_map(&mem, PROBE_KIND_4K, 8 * PROBE_4K));
	/* Three pages are touched by these 8193 bytes. */
	expect_prefetch(d, mem.addr + 3 * PROBE_4K - 1, 2 * PROBE_4K + 1,
			WRITE, 0, 2 * PROBE_4K + 1);
	EXPECT_EQ(get_counters(d).mapped_4k, 3);
	EXPECT_EQ(get_counters(d).prefetched, 2 * PROBE_4K + 1);
	frame_of(mem.addr + 2 * PROBE_4K);
	frame_of(mem.addr + 4 * PROBE_4K);
	ASSERT_PROBE(probe_page(mem.addr + PROBE_4K, &page));
	EXPECT(!page.present);
	ASSERT_PROBE(probe_page(mem.addr + 5 * PROBE_4K, &page));
	EXPECT(!page.present);
	dev_write(d, mem.addr + 3 * PROBE_4K, 1);
	EXPECT_EQ(get_counters(d).faults, 0);
	EXPECT_EQ(cpu_read(mem.addr + 3 * PROBE_4K), 1);
	expect_clean(d);
}

/* It stops where there is nothing, and says where. */
static void holes(int arg)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 2 * PROBE_2M);
	struct dmirage_counters c;

	(void)arg;
	ASSERT_SYS(munmap(mem.addr + 600 * PROBE_4K, PROBE_4K));
	ASSERT_SYS(mprotect(mem.addr + 700 * PROBE_4K, PROBE_4K, PROT_READ));
	expect_prefetch(d, mem.addr, mem.len, 0, EFAULT, 600 * PROBE_4K);
	EXPECT_EQ(get_counters(d).mapped_4k, 600);
	expect_prefetch(d, mem.addr + 600 * PROBE_4K, PROBE_4K, 0, EFAULT, 0);
	expect_prefetch(d, mem.addr + 601 * PROBE_4K, 300 * PROBE_4K, WRITE,
			EPERM, 99 * PROBE_4K);
	expect_prefetch(d, mem.addr + 601 * PROBE_4K, 300 * PROBE_4K, 0, 0,
			300 * PROBE_4K);
	expect_prefetch(d, mem.addr + 16, mem.len, 0, EFAULT,
			600 * PROBE_4K - 16);
	c = get_counters(d);
	EXPECT_EQ(c.prefetches, 5);
	EXPECT_EQ(c.prefetch_errors, 4);
	/* Asynchronous: the counters tell. */
	expect_prefetch(d, mem.addr, mem.len, ASYNC, 0, 0);
	wait_prefetches(d, 6);
	EXPECT_EQ(get_counters(d).prefetch_errors, 5);
	EXPECT_EQ(get_counters(d).prefetched - c.prefetched, 600 * PROBE_4K);
	mem.len = 600 * PROBE_4K;
	touch_all(d, &mem, false);
	EXPECT_EQ(get_counters(d).faults, 0);
	expect_clean(d);
}

static void refused(int arg)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage_prefetch p;
	unsigned int i;

	(void)arg;
	expect_prefetch(d, mem.addr, 0, 0, EINVAL, 0);
	expect_prefetch(d, mem.addr, PROBE_4K, 4, EINVAL, 0);
	expect_prefetch(d, mem.addr, -(uintptr_t)mem.addr + 1, 0, EINVAL, 0);
	expect_prefetch(d, (void *)PROBE_4K, ~0ul, 0, EINVAL, 0);
	for (i = 0; i < 3; i++) {
		p = (struct dmirage_prefetch){
			.addr = (uintptr_t)mem.addr,
			.len = PROBE_4K,
			.reserved0 = i == 0,
			.reserved = { i == 1, i == 2 },
			.done = 5,
		};
		errno = 0;
		EXPECT(ioctl(dmirage_fd(d), DMIRAGE_IOC_PREFETCH, &p) == -1 &&
		       errno == EINVAL);
	}
	EXPECT_EQ(get_counters(d).prefetches, 0);
	/* Ranges that are impossible to have, but not to name. */
	expect_prefetch(d, NULL, ~0ul, 0, EFAULT, 0);
	expect_prefetch(d, (void *)~0ul, 1, 0, EFAULT, 0);
	expect_prefetch(d, (void *)0xffff888000000000ul, PROBE_2M, 0, EFAULT,
			0);
	expect_prefetch(d, mem.addr, -(uintptr_t)mem.addr, 0, EFAULT, PROBE_4K);
	expect_prefetch(d, mem.addr, -(uintptr_t)mem.addr, ASYNC, 0, 0);
	wait_prefetches(d, 5);
	EXPECT_EQ(get_counters(d).prefetch_errors, 5);
	EXPECT_EQ(dev_read(d, mem.addr), 0);
	expect_clean(d);
}

/* By region: what is not in one is not prefetched. */
static void regions(int kind)
{
	struct dmirage *d = open_mode(DMIRAGE_MODE_MIRROR, DMIRAGE_OPEN_REGIONS);
	struct probe_mem mem = get_mem(kind, 2 * PROBE_2M);
	uint32_t id;

	expect_prefetch(d, mem.addr, mem.len, 0, EFAULT, 0);
	ASSERT_OK(dmirage_region_add(d, mem.addr, PROBE_2M + 64 * PROBE_4K,
				     DMIRAGE_REGION_WRITE, &id));
	ASSERT_OK(dmirage_region_add(d, mem.addr + PROBE_2M + 64 * PROBE_4K,
				     64 * PROBE_4K, 0, &id));
	expect_prefetch(d, mem.addr, mem.len, WRITE, EPERM,
			PROBE_2M + 64 * PROBE_4K);
	EXPECT_EQ(get_counters(d).mapped_2m, kind != PROBE_KIND_4K);
	expect_prefetch(d, mem.addr, mem.len, 0, EFAULT,
			PROBE_2M + 128 * PROBE_4K);
	dev_write(d, mem.addr + PROBE_2M + 63 * PROBE_4K, 1);
	EXPECT_EQ(dev_read(d, mem.addr + PROBE_2M + 127 * PROBE_4K), 0);
	EXPECT_EQ(get_counters(d).faults, 0);
	expect_read_fault(d, mem.addr + PROBE_2M + 128 * PROBE_4K, EFAULT);
	expect_clean(d);
}

/* ---- Many, long ones, and signals ------------------------------------------ */

/* There are so many at a time, one is done after the other. */
static void limit(int arg)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_2M);
	unsigned int i;

	(void)arg;
	arm_gate(d, "fault-begin");
	for (i = 0; i < DMIRAGE_PREFETCH_MAX; i++)
		expect_prefetch(d, mem.addr + i * 16 * PROBE_4K, 16 * PROBE_4K,
				ASYNC | WRITE, 0, 0);
	wait_gate(d, "fault-begin");
	expect_prefetch(d, mem.addr, PROBE_4K, ASYNC, EAGAIN, 0);
	EXPECT_EQ(get_counters(d).prefetches, 0);
	release_gate(d);
	wait_prefetches(d, DMIRAGE_PREFETCH_MAX);
	EXPECT_EQ(get_counters(d).prefetch_errors, 0);
	EXPECT_EQ(get_counters(d).mapped_4k, 16 * DMIRAGE_PREFETCH_MAX);
	expect_prefetch(d, mem.addr, mem.len, ASYNC | WRITE, 0, 0);
	wait_prefetches(d, DMIRAGE_PREFETCH_MAX + 1);
	touch_all(d, &mem, true);
	EXPECT_EQ(get_counters(d).faults, 0);
	expect_not_expired(d);
	expect_clean(d);
}

/* Address space without memory: reads find the zero page in all of it. */
static u8 *enormous(void)
{
	u8 *p = mmap(NULL, ENORMOUS, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED || madvise(p, ENORMOUS, MADV_NOHUGEPAGE))
		return NULL;
	return p;
}

struct sender {
	struct dmirage *d;
	pthread_t to;
	u64 enough;
};

static void *send_signal(void *arg)
{
	struct sender *s = arg;

	while (get_counters(s->d).mapped_4k < s->enough)
		sleep_ms(1);
	pthread_kill(s->to, SIGUSR1);
	return NULL;
}

static void on_signal(int number)
{
	(void)number;
}

/* A signal ends it, and what was done by then is there. */
static void interrupted(int arg)
{
	const struct sigaction action = { .sa_handler = on_signal };
	struct dmirage *d = open_context();
	struct sender s = { d, pthread_self(), 5000 };
	pthread_t thread;
	uint64_t done = 0;
	u8 *p = enormous();
	int ret;

	(void)arg;
	ASSERT(p);
	ASSERT_SYS(sigaction(SIGUSR1, &action, NULL));
	ASSERT(!pthread_create(&thread, NULL, send_signal, &s));
	ret = dmirage_prefetch(d, p, ENORMOUS, 0, &done);
	EXPECT_EQ((u64)ret, (u64)-EINTR);
	pthread_join(thread, NULL);
	EXPECT_GE(done, 5000 * PROBE_4K);
	EXPECT(done < ENORMOUS);
	EXPECT_EQ(((uintptr_t)p + done) % PROBE_2M, 0);
	EXPECT_EQ(get_counters(d).prefetched, done);
	EXPECT_EQ(get_counters(d).mapped_4k, done / PROBE_4K);
	EXPECT_EQ(get_counters(d).prefetch_errors, 1);
	EXPECT_EQ(dev_read(d, p + done - 8), 0);
	EXPECT_EQ(get_counters(d).faults, 0);
	EXPECT_EQ(dev_read(d, p + done), 0);
	EXPECT_EQ(get_counters(d).faults, 1);
	expect_clean(d);
}

/* A real fault is not kept waiting until the end of a long one. */
static void faults_between(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	u8 *p = enormous();

	(void)arg;
	ASSERT(p);
	expect_prefetch(d, p, ENORMOUS, ASYNC, 0, 0);
	dev_write(d, mem.addr, 1);
	EXPECT_EQ(cpu_read(mem.addr), 1);
	EXPECT_EQ(get_counters(d).prefetches, 0);
	expect_clean(d);
	dmirage_close(d);
}

/* ---- The end, with prefetches under way ------------------------------------- */

enum end {
	CLOSE,
	EXIT,
	KILL,
};

static void *prefetch_main(void *arg)
{
	u8 *p = enormous();

	if (p)
		dmirage_prefetch(arg, p, ENORMOUS, 0, NULL);
	return NULL;
}

static void end_main(enum end how, const int *ready)
{
	struct dmirage_counters c;
	struct dmirage *d;
	pthread_t thread;
	u8 *p = enormous();
	unsigned int i;

	if (!p || dmirage_open(NULL, NULL, &d))
		_exit(9);
	for (i = 0; i < DMIRAGE_PREFETCH_MAX; i++) {
		if (dmirage_prefetch(d, p, ENORMOUS, ASYNC, NULL))
			_exit(10);
	}
	/* And one that a thread waits for, unless that would use the handle. */
	if (how != CLOSE && pthread_create(&thread, NULL, prefetch_main, d))
		_exit(11);
	do {
		usleep(1000);
		if (dmirage_get_counters(d, DMIRAGE_SCOPE_CONTEXT, &c))
			_exit(12);
	} while (c.mapped_4k < 2000);
	if (c.prefetches)
		_exit(13);
	if (how == EXIT)
		_exit(0);
	if (how == CLOSE) {
		dmirage_close(d);
		_exit(0);
	}
	(void)!write(ready[1], "r", 1);
	for (;;)
		pause();
}

static void ends(int how)
{
	unsigned int used = contexts_in_use(0), i;
	int ready[2];
	pid_t pid;
	char c;

	ASSERT_SYS(pipe(ready));
	for (i = 0; i < 3; i++) {
		pid = fork();
		ASSERT(pid >= 0);
		if (!pid)
			end_main(how, ready);
		if (how == KILL) {
			ASSERT_EQ(read(ready[0], &c, 1), 1);
			kill(pid, SIGKILL);
		}
		EXPECT_EQ(wait_child(pid), how == KILL ? 256 + SIGKILL : 0);
		EXPECT_EQ(contexts_in_use(used), used);
	}
}

/* ---- All at once --------------------------------------------------------------- */

#define STORM_MS 700
#define BATCH	 16

struct storm {
	struct dmirage *d;
	struct probe_mem mem;
	atomic_bool stop;
	u64 prefetches, added;
};

static void *storm_prefetch(void *arg)
{
	struct storm *s = arg;
	struct ktap_random r = { ktap_seed() };

	while (!atomic_load(&s->stop)) {
		u64 from = ktap_below(&r, s->mem.len);
		u64 len = 1 + ktap_below(&r, s->mem.len - from);
		unsigned int flags = ktap_below(&r, 2) ? WRITE : 0;
		uint64_t done = 0;
		int ret;

		if (ktap_below(&r, 4) == 0) {
			ret = dmirage_prefetch(s->d, s->mem.addr + from, len,
					       flags | ASYNC, NULL);
			EXPECT(!ret || ret == -EAGAIN);
		} else if (EXPECT_OK(dmirage_prefetch(s->d, s->mem.addr + from,
						      len, flags, &done))) {
			EXPECT_EQ(done, len);
		}
		s->prefetches++;
	}
	return NULL;
}

static void *storm_device(void *arg)
{
	struct storm *s = arg;
	size_t step = s->mem.len / BATCH;
	struct dmirage_sqe sqe[BATCH];
	struct dmirage_cqe cqe;
	unsigned int i;

	while (!atomic_load(&s->stop)) {
		for (i = 0; i < BATCH; i++)
			dmirage_prep_fetch_add(&sqe[i], i,
					       s->mem.addr + i * step, 1, 8);
		ASSERT_EQ(dmirage_submit(s->d, sqe, BATCH), BATCH);
		for (i = 0; i < BATCH; i++) {
			ASSERT_OK(dmirage_wait(s->d, &cqe, OP_TIMEOUT_MS));
			ASSERT_EQ(cqe.status, DMIRAGE_ST_OK);
		}
		s->added++;
	}
	return NULL;
}

/* Pages move while they are prefetched and used. */
static void storm(int kind)
{
	static struct storm s;
	pthread_t device, prefetch;
	unsigned int moves = 0, i;
	u64 end;

	s.d = open_context();
	s.mem = get_mem(kind, 2 * PROBE_2M);
	ASSERT(!pthread_create(&device, NULL, storm_device, &s));
	ASSERT(!pthread_create(&prefetch, NULL, storm_prefetch, &s));
	end = now_ms() + STORM_MS;
	while (moves < 2 || now_ms() < end)
		move_mem(&s.mem, ++moves % 2);
	atomic_store(&s.stop, true);
	pthread_join(device, NULL);
	pthread_join(prefetch, NULL);
	for (i = 0; i < BATCH; i++)
		EXPECT_EQ(cpu_read(s.mem.addr + i * s.mem.len / BATCH), s.added);
	ktap_note("%u moves, %llu prefetches, %llu additions, %llu retries",
		  moves, s.prefetches, s.added * BATCH,
		  get_counters(s.d).fault_retries);
	EXPECT_GE(s.prefetches, 2);
	EXPECT_GE(s.added, 2);
	expect_clean(s.d);
}

static const struct ktap_test tests[] = {
	{ "read-4k", sync_read, PROBE_KIND_4K, 0 },
	{ "read-thp", sync_read, PROBE_KIND_THP, 0 },
	{ "read-hugetlb", sync_read, PROBE_KIND_HUGETLB, 0 },
	{ "write-4k", sync_write, PROBE_KIND_4K, 0 },
	{ "write-thp", sync_write, PROBE_KIND_THP, 0 },
	{ "write-hugetlb", sync_write, PROBE_KIND_HUGETLB, 0 },
	{ "async-read-4k", async_read, PROBE_KIND_4K, 0 },
	{ "async-write-thp", async_write, PROBE_KIND_THP, 0 },
	{ "untouched", untouched, 0, 0 },
	{ "holes", holes, 0, 0 },
	{ "refused", refused, 0, 0 },
	{ "regions-4k", regions, PROBE_KIND_4K, 0 },
	{ "regions-thp", regions, PROBE_KIND_THP, 0 },
	{ "limit", limit, 0, 0 },
	{ "interrupted", interrupted, 0, 0 },
	{ "faults-between", faults_between, 0, 0 },
	{ "close", ends, CLOSE, 0 },
	{ "exit", ends, EXIT, 0 },
	{ "kill", ends, KILL, 0 },
	{ "storm-4k", storm, PROBE_KIND_4K, 0 },
	{ "storm-thp", storm, PROBE_KIND_THP, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
