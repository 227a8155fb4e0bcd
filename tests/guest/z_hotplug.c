// SPDX-License-Identifier: GPL-2.0
/*
 * The device goes while processes work with it, and comes back: pulled from its
 * slot by QEMU's monitor, removed by sysfs, or gone without a word.  Sorts late:
 * if it fails, there may be no device for what would come after it.
 *
 * Who works is a process of its own, and nothing of it is to be killed: not for
 * touching rings or doorbell of a device that has gone, either.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "raw.h"
#include "slot.h"

#define LIMIT_S		60
#define WAIT_MS		20000
#define SYSFS		"/sys/bus/pci/devices/"

enum worker {
	RINGS,		/* operations, one after the other */
	FAULTS,		/* and its pages go away all the time */
	SLEEPS,		/* until an eventfd says so */
	READS,		/* violation records, and there are none */
	HELD,		/* an operation that is stopped at a hold point */
	DOORBELLS,	/* rung all the time, and for long after */
	WORKERS
};

enum way {
	PULLED,		/* device_del, device_add */
	REMOVED,	/* sysfs: remove, rescan */
	VANISHED,	/* its registers cannot be reached, then REMOVED */
};

/* What a worker ends with. */
enum end {
	ENDED,
	FAILED,
	TOO_LATE,
};

/**
 * struct shared - between the test and its workers
 * @done:  operations completed
 * @ready: it is at what it is to be found at
 */
struct shared {
	volatile u64 done[WORKERS];
	volatile bool ready[WORKERS];
};

static struct shared *shared;
static struct raw own;

/* Is this what a device that has gone, or is broken, says? */
static bool over(void)
{
	struct dmirage_violation v;
	struct dmirage_info info;

	if (ioctl(own.fd, DMIRAGE_IOC_INFO, &info))
		return errno == ENODEV;
	/* broken: records say so */
	return read(own.fd, &v, sizeof(v)) < 0 && errno == EIO;
}

static void end_if_over(u64 until)
{
	if (over())
		_exit(ENDED);
	if (now_ms() > until)
		_exit(TOO_LATE);
}

/* One operation; false if it does not complete. */
static bool work(void *where, enum worker me)
{
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;

	dmirage_prep_fill(&sqe, 1, where, shared->done[me], 64 * 1024);
	raw_put(&own, &sqe);
	raw_ring(&own);
	if (!raw_take(&own, &cqe, 300))
		return false;
	if (cqe.status != DMIRAGE_ST_OK)
		_exit(over() ? ENDED : FAILED);
	shared->done[me]++;
	return true;
}

static void sleep_for_event(u64 until)
{
	struct dmirage_eventfd set = { .fd = eventfd(0, EFD_CLOEXEC) };
	struct pollfd p = { .fd = set.fd, .events = POLLIN };

	if (set.fd < 0 || ioctl(own.fd, DMIRAGE_IOC_EVENTFD, &set))
		_exit(FAILED);
	own.db[DMIRAGE_DB_CQ_ARM / 4] = 0;
	shared->ready[SLEEPS] = true;
	if (poll(&p, 1, (int)(until - now_ms())) != 1)
		_exit(TOO_LATE);
	_exit(over() ? ENDED : FAILED);
}

static void read_record(void)
{
	struct dmirage_violation v;

	shared->ready[READS] = true;
	if (read(own.fd, &v, sizeof(v)) >= 0)
		_exit(FAILED);
	_exit(errno == ENODEV || errno == EIO ? ENDED : FAILED);
}

static unsigned int watch_flag(void)
{
	struct dmirage_info info;
	int fd = raw_open(0);

	if (fd < 0 || ioctl(fd, DMIRAGE_IOC_INFO, &info))
		_exit(FAILED);
	close(fd);
	return info.caps & DMIRAGE_CAP_ORACLE_WATCH ? DMIRAGE_SETUP_WATCH : 0;
}

static void worker_main(enum worker me)
{
	static u8 words[64 * 1024] __attribute__((aligned(4096)));
	u64 until = now_ms() + WAIT_MS;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* One of them is watched, with a store to judge at any time. */
	own = raw_start_mode(8, 8, DMIRAGE_MODE_MIRROR,
			     me == FAULTS ? watch_flag() : 0);
	if (me == READS)
		read_record();
	/* over() is not to wait */
	fcntl(own.fd, F_SETFL, O_NONBLOCK);
	if (me == SLEEPS)
		sleep_for_event(until);
	for (;;) {
		shared->ready[me] = shared->done[me] > 20;
		if (!work(words, me))
			end_if_over(until);
		if (me == FAULTS && madvise(words, sizeof(words), MADV_DONTNEED))
			_exit(FAILED);
	}
}

/* In the process itself: debugfs is by the library's handle. */
static void held_main(void)
{
	static u64 word;
	struct dmirage_sqe sqe;
	struct dmirage *d = open_context();
	u64 until = now_ms() + WAIT_MS;
	struct dmirage_info info;
	char text[64] = "";

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (probe_ctx_write(d, "hold_limit_ms", "60000") ||
	    probe_ctx_write(d, "hold", "translated"))
		_exit(FAILED);
	dmirage_prep_write_imm(&sqe, 1, &word, 1, 8);
	dmirage_submit(d, &sqe, 1);
	do {
		sleep_ms(1);
		if (now_ms() > until ||
		    probe_ctx_read(d, "hold", text, sizeof(text)) < 0)
			_exit(FAILED);
	} while (strncmp(text, "held", 4));
	shared->ready[HELD] = true;
	while (!dmirage_get_info(d, &info) &&
	       !dmirage_read_violations(d, &(struct dmirage_violation){ 0 }, 1, 0)) {
		if (now_ms() > until)
			_exit(TOO_LATE);
		sleep_ms(5);
	}
	_exit(word ? FAILED : ENDED);
}

/* ---- Doorbells ----------------------------------------------------------- */

/* What is rung, with 0: for an event, when there is a completion; none comes. */
#define RUNG		(DMIRAGE_DB_CQ_ARM / 4)

/* What is no doorbell: the device ignores it, and it reads 0. */
#define MARK		100
#define MARKED		0xb0a710adu

static __attribute__((noreturn)) void wrong_at(int line)
{
	ktap_note("doorbells: line %d, errno %d", line, errno);
	_exit(FAILED);
}

#define wrong() wrong_at(__LINE__)

/**
 * struct ringer - a thread that rings
 * @stop:   it is to end
 * @rounds: how often it has rung
 * @memory: its mapping is memory now
 * @moving: a second mapping of the doorbell, which moves about
 * @places: where to, in turn
 */
struct ringer {
	atomic_bool stop;
	atomic_ulong rounds;
	atomic_bool memory;
	volatile u32 *moving;
	void *places[2];
};

static volatile u32 *map_doorbell(void)
{
	void *p = mmap(NULL, own.setup.db_bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED, own.fd, (off_t)own.setup.db_offset);

	if (p == MAP_FAILED)
		wrong();
	return p;
}

static void *ring_on(void *arg)
{
	struct ringer *r = arg;
	unsigned long n;
	void *p;

	for (n = 0; !atomic_load(&r->stop); n++) {
		own.db[RUNG] = 0;
		p = mremap((void *)r->moving, PROBE_4K, PROBE_4K,
			   MREMAP_MAYMOVE | MREMAP_FIXED, r->places[n & 1]);
		if (p == MAP_FAILED)
			wrong();
		r->moving = p;
		r->moving[RUNG] = 0;
		r->moving[MARK] = MARKED;
		atomic_store(&r->memory, r->moving[MARK] == MARKED);
		atomic_store(&r->rounds, n + 1);
		sched_yield();
	}
	return NULL;
}

/* Until it has rung for a while longer. */
static void ring_more(struct ringer *r, u64 until)
{
	unsigned long then = atomic_load(&r->rounds) + 20;

	while (atomic_load(&r->rounds) < then) {
		if (now_ms() > until)
			_exit(TOO_LATE);
		sleep_ms(1);
	}
}

/* Only what was written is in there. */
static bool is_stub(const volatile u32 *page)
{
	unsigned int i;

	for (i = 0; i < PROBE_4K / 4; i++)
		if (page[i] != (i == MARK ? MARKED : 0))
			return false;
	return true;
}

/* By the library, while another thread rings: operations until it has gone. */
static void use_library(struct dmirage *d, u64 until)
{
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	static u64 word;
	int ret;

	do {
		dmirage_prep_write_imm(&sqe, 1, &word, 1, 8);
		ret = dmirage_run(d, &sqe, &cqe, 300);
		if (ret == -EAGAIN)	/* they are never fetched any more */
			ret = dmirage_wait(d, &cqe, 300);
		shared->done[DOORBELLS] += !ret;
		shared->ready[DOORBELLS] = shared->done[DOORBELLS] > 20;
		/* Broken, or does not answer: it is still to go. */
		if (ret && ret != -ENODEV && ret != -EIO && ret != -ETIMEDOUT)
			wrong();
		if (now_ms() > until)
			_exit(TOO_LATE);
	} while (ret != -ENODEV);
}

/* Now that nothing comes any more: as many as there is room for, to nowhere. */
static void fill_up(struct dmirage *d)
{
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	int ret;

	dmirage_prep_nop(&sqe, 1);
	while (dmirage_poll(d, &cqe, 1))
		;
	while ((ret = dmirage_submit(d, &sqe, 1)) == 1)
		if (dmirage_wait(d, &cqe, OP_TIMEOUT_MS) != -ENODEV)
			wrong();
	if (ret != -EAGAIN || dmirage_poll(d, &cqe, 1))
		wrong();
}

static void doorbells_main(void)
{
	volatile u32 *untouched;
	u64 until = now_ms() + WAIT_MS;
	struct dmirage *d = open_context_rings(8, 8);
	struct ringer r = { 0 };
	struct dmirage_info info;
	pthread_t thread;
	unsigned int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	own = raw_start(8, 8);
	untouched = map_doorbell();
	r.moving = map_doorbell();
	for (i = 0; i < ARRAY_SIZE(r.places); i++) {
		r.places[i] = mmap(NULL, PROBE_4K, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (r.places[i] == MAP_FAILED)
			wrong();
	}
	if (pthread_create(&thread, NULL, ring_on, &r))
		wrong();
	use_library(d, until);

	/* It is known to go before the doorbell is taken: wait for that. */
	while (!atomic_load(&r.memory)) {
		if (now_ms() > until)
			_exit(TOO_LATE);
		sleep_ms(1);
	}
	ring_more(&r, until);
	fill_up(d);
	/* Of these rings nothing was touched before. */
	if (own.cq[0].seq)
		wrong();
	dmirage_prep_nop(own.sq, 1);
	/* All mappings are of the same page. */
	if (!is_stub(untouched) || !is_stub(own.db) ||
	    !ioctl(own.fd, DMIRAGE_IOC_INFO, &info) || errno != ENODEV)
		wrong();
	/* The mappings keep it. */
	close(own.fd);
	dmirage_close(d);
	ring_more(&r, until);
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
	_exit(ENDED);
}

/* ---- The device ------------------------------------------------------------ */

/*
 * Memory space and bus master off: what the driver writes is lost, and what it
 * reads is nothing; neither is there any DMA.
 */
static void vanish(const char *pci)
{
	const u16 off = 0;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), SYSFS "%s/config", pci);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ASSERT(fd >= 0);
	ASSERT_EQ(pwrite(fd, &off, 2, 4), 2);
	close(fd);
}

static void go(enum way way, const char *pci)
{
	char path[64];

	if (way == PULLED) {
		slot_empty();
		return;
	}
	snprintf(path, sizeof(path), SYSFS "%s/remove", pci);
	ASSERT_EQ(put_text(path, "1"), 0);
	ASSERT(slot_wait(false));
}

static void come(enum way way)
{
	if (way == PULLED) {
		slot_fill("");
		return;
	}
	ASSERT_EQ(put_text("/sys/bus/pci/rescan", "1"), 0);
	ASSERT(slot_wait(true));
}

static void expect_works(void)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();

	dev_write(d, mem.addr, 7);
	EXPECT_EQ(cpu_read(mem.addr), 7);
	move_mem(&mem, 1);
	cpu_write(mem.addr, 8);
	EXPECT_EQ(dev_read(d, mem.addr), 8);
	expect_clean(d);
	dmirage_close(d);
	probe_mem_put(&mem);
}

static void expect_ended(pid_t pid, enum worker me)
{
	u64 end = now_ms() + WAIT_MS + 2000;
	int status;
	pid_t got;

	while (!(got = waitpid(pid, &status, WNOHANG)) && now_ms() < end)
		sleep_ms(5);
	if (got != pid)
		ktap_fail(__FILE__, __LINE__, "worker %d hangs", me);
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != ENDED)
		ktap_fail(__FILE__, __LINE__, "worker %d: status 0x%x", me,
			  status);
}

static void one_round(enum way way)
{
	struct dmirage *d = open_context();
	struct dmirage_info info = get_info(d);
	u64 end = now_ms() + WAIT_MS;
	struct probe_mem mem;
	pid_t pid[WORKERS];
	enum worker i;
	u64 began;

	memset(shared, 0, sizeof(*shared));
	for (i = 0; i < WORKERS; i++) {
		pid[i] = fork();
		ASSERT(pid[i] >= 0);
		if (!pid[i] && i == HELD)
			held_main();
		if (!pid[i] && i == DOORBELLS)
			doorbells_main();
		if (!pid[i])
			worker_main(i);
	}
	for (i = 0; i < WORKERS; i++)
		while (!shared->ready[i]) {
			ASSERT(now_ms() < end);
			sleep_ms(1);
		}
	if (way == VANISHED) {
		mem = get_mem(PROBE_KIND_4K, PROBE_4K);
		dev_write(d, mem.addr, 1);
		vanish(info.pci_name);
		began = now_ms();
		/* The driver notices when it has to flush; then they end by themselves. */
		ASSERT_SYS(madvise(mem.addr, mem.len, MADV_DONTNEED));
		probe_mem_put(&mem);
		expect_ended(pid[FAULTS], FAULTS);
		/* That it is not there, and not only that it does not answer. */
		EXPECT(now_ms() < began + 3000);
	}
	go(way, info.pci_name);
	for (i = 0; i < WORKERS; i++)
		if (way != VANISHED || i != FAULTS)
			expect_ended(pid[i], i);
	EXPECT_EQ(dmirage_get_info(d, &info), -ENODEV);
	/* Once with the old one's file open, once without. */
	if (way != REMOVED)
		dmirage_close(d);
	come(way);
	expect_works();
	if (way == REMOVED)
		dmirage_close(d);
	expect_works();
}

static void rounds(int way)
{
	int i;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(shared != MAP_FAILED);
	for (i = 0; i < 3; i++)
		one_round(way);
}

static const struct ktap_test tests[] = {
	{ "pulled", rounds, PULLED, LIMIT_S },
	{ "removed", rounds, REMOVED, LIMIT_S },
	{ "vanished", rounds, VANISHED, LIMIT_S },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
