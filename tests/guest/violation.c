// SPDX-License-Identifier: GPL-2.0
/*
 * Violation records: what is in them, and how they are read.
 *
 * A stale translation is had from the driver's fault mode; stale accesses are
 * reads only, so that no memory is harmed that the kernel has freed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

/**
 * struct stale - a page that the device sees and the process does not
 * @mem:  2 MiB, moved to node 1
 * @page: its page that is stale
 * @old @new: frames
 */
struct stale {
	struct probe_mem mem;
	u8 *page;
	u64 old, new;
};

static struct stale make_stale(struct dmirage *d)
{
	struct stale s = { .mem = get_mem(PROBE_KIND_HUGETLB, PROBE_2M) };

	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", FAULT_MODE_FIRST_PAGE));
	s.page = s.mem.addr + 9 * PROBE_4K;
	cpu_write(s.page, 1);
	dev_write(d, s.page + 8, 2);
	s.old = frame_of(s.page);
	move_mem(&s.mem, 1);
	s.new = frame_of(s.page);
	EXPECT_EQ(get_counters(d).violations, 0);
	return s;
}

/* @n stale reads. */
static void stale_reads(struct dmirage *d, const struct stale *s,
			unsigned int n)
{
	struct dmirage_sqe sqe[128];
	struct dmirage_cqe cqe;
	unsigned int i, batch;

	for (; n; n -= batch) {
		batch = n < 128 ? n : 128;
		for (i = 0; i < batch; i++)
			dmirage_prep_read_imm(&sqe[i], 0x1000 + i, s->page, 8);
		ASSERT_EQ(dmirage_submit(d, sqe, batch), batch);
		for (i = 0; i < batch; i++) {
			ASSERT_OK(dmirage_wait(d, &cqe, OP_TIMEOUT_MS));
			EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
		}
	}
}

static struct dmirage_violation one_record(struct dmirage *d)
{
	struct dmirage_violation v;

	ASSERT_EQ(dmirage_read_violations(d, &v, 1, 1000), 1);
	return v;
}

static u64 monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000ull + (u64)ts.tv_nsec;
}

/* Each field of a record. */
static void fields(int arg)
{
	struct dmirage *d = open_context();
	u64 begin = monotonic_ns();
	struct stale s = make_stale(d);
	struct dmirage_violation v;
	char report[DMIRAGE_REPORT_MAX];
	struct dmirage_sqe sqe;
	size_t i;

	(void)arg;
	sleep_ms(5);
	dmirage_prep_read_imm(&sqe, 0xc00c1e, s.page + 16, 4);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	v = one_record(d);
	EXPECT(v.time_ns > begin && v.time_ns <= monotonic_ns());
	EXPECT_EQ(v.kind, DMIRAGE_VIOL_FRAME);
	EXPECT_EQ(v.opcode, DMIRAGE_OP_READ_IMM);
	EXPECT_EQ(v.access_write, 0);
	EXPECT(v.held_order == 12 || v.held_order == 21);
	EXPECT_EQ(v.held_write, 1);
	EXPECT_EQ(v.cpu_present, 1);
	EXPECT_EQ(v.cpu_write, 1);
	EXPECT_EQ(v.cpu_order, 21);
	EXPECT_EQ(v.asid, get_info(d).asid);
	EXPECT_EQ(v.pages, 1);
	EXPECT_EQ(v.cookie, 0xc00c1e);
	EXPECT_EQ(v.addr, (uintptr_t)s.page + 16);
	EXPECT_EQ(v.len, 4);
	EXPECT_EQ(v.held_frame, s.old);
	EXPECT_EQ(v.cpu_frame, s.new);
	EXPECT_EQ(v.cpu_entry & 1, 1);
	EXPECT_EQ(v.cpu_entry & 0x000fffffffe00000ull, s.new & ~(PROBE_2M - 1));
	EXPECT(v.held_age_ns < monotonic_ns() - begin);
	/* The flush that there was: of the first page only. */
	EXPECT_EQ(v.inv_start, (uintptr_t)s.mem.addr);
	EXPECT_EQ(v.inv_len, PROBE_4K);
	EXPECT(v.inv_age_ns >= 4000000 &&
	       v.inv_age_ns < monotonic_ns() - begin);
	EXPECT_EQ(v.lost_before, 0);
	EXPECT_EQ(v.strength, DMIRAGE_BY_ACCESS);
	EXPECT_EQ(v.holder, DMIRAGE_HELD_LATCHED);
	EXPECT_EQ(v.mode, DMIRAGE_CTL_MODE_MIRROR >> 4);
	EXPECT_EQ(v.level, 0);
	EXPECT_EQ(v.chain_id, 0);
	EXPECT_EQ(v.pid, getpid());
	EXPECT_EQ(v.function[0], 0);
	for (i = 0; i < ARRAY_SIZE(v.reserved); i++)
		EXPECT_EQ(v.reserved[i], 0);
	EXPECT(dmirage_format_violation(&v, report, sizeof(report)) <
	       (int)sizeof(report));
	EXPECT(strstr(report, "BUG: DMIRAGE: stale frame in read_imm"));
	EXPECT_EQ(get_counters(d).violations, 1);
}

/* A long access: one record for it, from the first stale byte on. */
static void long_access(int arg)
{
	struct dmirage *d = open_context();
	struct stale s = make_stale(d);
	struct probe_mem dst = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage_violation v;
	struct dmirage_sqe sqe;

	(void)arg;
	dmirage_prep_copy(&sqe, 7, dst.addr, s.page + 100, 2000);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	v = one_record(d);
	EXPECT_EQ(v.opcode, DMIRAGE_OP_COPY);
	EXPECT_EQ(v.access_write, 0);
	EXPECT_EQ(v.addr, (uintptr_t)s.page + 100);
	EXPECT_EQ(v.len, 2000);
	EXPECT_EQ(v.pages, 1);
	EXPECT_EQ(dmirage_read_violations(d, &v, 1, 20), 0);
	EXPECT_EQ(get_counters(d).violations, 1);
}

/* Records come in order, one read() takes as many as fit. */
static void many(int arg)
{
	struct dmirage_violation v[64];
	struct dmirage *d = open_context();
	struct stale s = make_stale(d);
	int n = 0, got, i;

	(void)arg;
	stale_reads(d, &s, 40);
	while (n < 40) {
		got = dmirage_read_violations(d, v + n, 64 - (unsigned int)n,
					      1000);
		ASSERT(got > 0);
		n += got;
	}
	EXPECT_EQ(n, 40);
	for (i = 0; i < n; i++) {
		EXPECT_EQ(v[i].cookie, 0x1000 + i);
		EXPECT_EQ(v[i].lost_before, 0);
		EXPECT(!i || v[i].time_ns >= v[i - 1].time_ns);
	}
}

/* Reading without libdmirage. */
static void raw_read(int arg)
{
	struct dmirage *d = open_context();
	struct stale s = make_stale(d);
	struct pollfd pfd = { .fd = dmirage_fd(d), .events = POLLIN };
	struct dmirage_violation v[3];
	void *const nowhere = (void *)PROBE_4K;
	int fd = dmirage_fd(d);

	(void)arg;
	/* Nothing there. */
	EXPECT_EQ(poll(&pfd, 1, 0), 0);
	ASSERT_SYS(fcntl(fd, F_SETFL, O_NONBLOCK));
	EXPECT_ERRNO(read(fd, v, sizeof(v)), EAGAIN);
	EXPECT_ERRNO(read(fd, v, sizeof(v[0]) - 1), EINVAL);
	EXPECT_ERRNO(read(fd, v, 0), EINVAL);

	stale_reads(d, &s, 3);
	EXPECT_EQ(poll(&pfd, 1, 1000), 1);
	EXPECT_EQ(pfd.revents & (POLLIN | POLLERR | POLLHUP), POLLIN);
	while (get_counters(d).violations < 3)
		sleep_ms(1);
	sleep_ms(20);
	EXPECT_ERRNO(read(fd, v, sizeof(v[0]) - 1), EINVAL);
	EXPECT_ERRNO(read(fd, nowhere, sizeof(v)), EFAULT);
	/* Room for one and a half: one. And none was lost before. */
	EXPECT_EQ(read(fd, v, sizeof(v[0]) * 3 / 2), sizeof(v[0]));
	EXPECT_EQ(v[0].cookie, 0x1000);
	EXPECT_EQ(read(fd, v, sizeof(v)), 2 * sizeof(v[0]));
	EXPECT_EQ(v[0].cookie, 0x1001);
	EXPECT_EQ(v[1].cookie, 0x1002);
	EXPECT_ERRNO(read(fd, v, sizeof(v)), EAGAIN);
	EXPECT_EQ(poll(&pfd, 1, 0), 0);
}

/* A reader that waits is woken by a record, and by a signal. */
struct reader {
	int fd;
	ssize_t got;
	int err;
	struct dmirage_violation v;
	atomic_bool done;
};

static void *reader_main(void *arg)
{
	struct reader *r = arg;

	r->got = read(r->fd, &r->v, sizeof(r->v));
	r->err = errno;
	atomic_store(&r->done, true);
	return NULL;
}

static void on_signal(int sig)
{
	(void)sig;
}

static void blocking(int arg)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct dmirage *d = open_context();
	struct stale s = make_stale(d);
	struct reader r = { .fd = dmirage_fd(d) };
	pthread_t thread;

	(void)arg;
	ASSERT(!pthread_create(&thread, NULL, reader_main, &r));
	sleep_ms(30);
	EXPECT(!atomic_load(&r.done));
	stale_reads(d, &s, 1);
	pthread_join(thread, NULL);
	EXPECT_EQ(r.got, sizeof(r.v));
	EXPECT_EQ(r.v.cookie, 0x1000);

	r = (struct reader){ .fd = dmirage_fd(d) };
	ASSERT_SYS(sigaction(SIGUSR1, &sa, NULL));
	ASSERT(!pthread_create(&thread, NULL, reader_main, &r));
	sleep_ms(30);
	EXPECT(!atomic_load(&r.done));
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	EXPECT_EQ(r.got, -1);
	EXPECT_EQ(r.err, EINTR);
}

/* Nobody reads: what is lost is counted, and nothing is counted twice. */
static void overflow(int arg)
{
	const unsigned int batch = 512;
	struct dmirage *d = open_context();
	struct stale s = make_stale(d);
	struct dmirage_violation v[64];
	struct dmirage_counters c;
	u64 made = 0, seen = 0, lost = 0;
	int got, i;

	(void)arg;
	do {
		stale_reads(d, &s, batch);
		made += batch;
		sleep_ms(5);
		c = get_counters(d);
	} while (!c.records_lost && made < 20 * batch);
	ASSERT(c.records_lost);
	EXPECT_EQ(c.violations, made);
	ktap_note("%llu stale reads, %llu records lost", made, c.records_lost);
	for (;;) {
		got = dmirage_read_violations(d, v, 64, 100);
		ASSERT(got >= 0);
		for (i = 0; i < got; i++) {
			seen++;
			lost += v[i].lost_before;
		}
		if (got)
			continue;
		if (seen + lost >= made)
			break;
		/* Those lost last are told of by the next one. */
		stale_reads(d, &s, 1);
		made++;
		got = dmirage_read_violations(d, v, 1, 1000);
		ASSERT_EQ(got, 1);
		seen++;
		lost += v[0].lost_before;
		break;
	}
	EXPECT_EQ(seen + lost, made);
	EXPECT_GE(lost, 1);
	EXPECT_EQ(get_counters(d).records_lost, lost);
	EXPECT_EQ(get_counters(d).violations, made);
}

/* Records are the context's own. */
static void others(int arg)
{
	struct dmirage *d = open_context(), *other = open_context();
	struct stale s = make_stale(d);
	struct dmirage_violation v;

	(void)arg;
	dev_write(other, s.page + 32, 1);
	stale_reads(d, &s, 1);
	EXPECT_EQ(one_record(d).asid, get_info(d).asid);
	EXPECT_EQ(dmirage_read_violations(other, &v, 1, 20), 0);
	expect_clean(other);
}

/* The other kinds: nothing there any more, and no longer writable. */
static void kinds(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 8 * PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_violation v;
	struct dmirage_sqe sqe;
	u8 *p = mem.addr + 3 * PROBE_4K;
	u64 frame;

	(void)arg;
	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", FAULT_MODE_FIRST_PAGE));
	dev_write(d, p, 1);
	frame = frame_of(p);
	/*
	 * The page stays allocated, as it is still the process's: what the
	 * device writes where it may not goes to no one else's memory.
	 */
	ASSERT_SYS(mprotect(mem.addr, mem.len, PROT_READ));
	dmirage_prep_write_imm(&sqe, 1, p, 2, 8);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	v = one_record(d);
	EXPECT_EQ(v.kind, DMIRAGE_VIOL_WRITE);
	EXPECT_EQ(v.access_write, 1);
	EXPECT_EQ(v.held_write, 1);
	EXPECT_EQ(v.held_order, 12);
	EXPECT_EQ(v.cpu_present, 1);
	EXPECT_EQ(v.cpu_write, 0);
	EXPECT_EQ(v.cpu_order, 12);
	EXPECT_EQ(v.held_frame, frame);
	EXPECT_EQ(v.cpu_frame, frame);
	EXPECT_EQ(cpu_read(p), 2);

	ASSERT_SYS(munmap(mem.addr, mem.len));
	dmirage_prep_read_imm(&sqe, 2, p, 8);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	v = one_record(d);
	EXPECT_EQ(v.kind, DMIRAGE_VIOL_ABSENT);
	EXPECT_EQ(v.access_write, 0);
	EXPECT_EQ(v.cpu_present, 0);
	EXPECT_EQ(v.cpu_frame, 0);
	EXPECT_EQ(v.cpu_order, 0);
	EXPECT_EQ(v.held_frame, frame);
	EXPECT_GE(get_counters(d).suspects, 1);
}

static const struct ktap_test tests[] = {
	{ "fields", fields, 0, 0 },
	{ "long-access", long_access, 0, 0 },
	{ "kinds", kinds, 0, 0 },
	{ "many", many, 0, 0 },
	{ "read-and-poll", raw_read, 0, 0 },
	{ "blocking", blocking, 0, 0 },
	{ "overflow", overflow, 0, 0 },
	{ "other-context", others, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
