// SPDX-License-Identifier: GPL-2.0
/*
 * Completion events by eventfd.  With rings of our own, so that nothing looks at
 * them unless it is told to.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "raw.h"

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	ASSERT(fd >= 0);
	return fd;
}

static int set_eventfd(struct raw *r, int fd)
{
	struct dmirage_eventfd arg = { .fd = fd };

	return ioctl(r->fd, DMIRAGE_IOC_EVENTFD, &arg);
}

static void arm(struct raw *r, u32 index)
{
	r->db[DMIRAGE_DB_CQ_ARM / 4] = index;
}

static void submit_nop(struct raw *r)
{
	struct dmirage_sqe sqe;

	dmirage_prep_nop(&sqe, r->sq_tail);
	raw_put(r, &sqe);
	raw_ring(r);
}

/* How often it was signalled since the last time; 0 if not in time. */
static u64 signalled(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	u64 n = 0;

	if (poll(&p, 1, timeout_ms) == 1 && read(fd, &n, sizeof(n)) != sizeof(n))
		n = 0;
	return n;
}

/* Once, when it comes; and at once, if it is there. */
static void wakes(int arg)
{
	struct raw r = raw_start(8, 8);
	struct dmirage_cqe cqe;
	int fd = new_eventfd();
	unsigned int i;

	(void)arg;
	ASSERT_SYS(set_eventfd(&r, fd));
	submit_nop(&r);
	ASSERT(raw_take(&r, &cqe, OP_TIMEOUT_MS));
	EXPECT_EQ(signalled(fd, 20), 0);	/* nobody had asked */
	for (i = 0; i < 50; i++) {
		arm(&r, r.cq_head);
		if (!i)
			EXPECT_EQ(signalled(fd, 20), 0);
		submit_nop(&r);
		EXPECT_EQ(signalled(fd, OP_TIMEOUT_MS), 1);
		/* It is there, then. */
		EXPECT(raw_take(&r, &cqe, 0));
		submit_nop(&r);
		ASSERT(raw_take(&r, &cqe, OP_TIMEOUT_MS));
		arm(&r, r.cq_head - 1);
		EXPECT_EQ(signalled(fd, OP_TIMEOUT_MS), 1);
	}
	EXPECT_EQ(signalled(fd, 20), 0);
	raw_end(&r);
	close(fd);
}

/* The one before is let go of, the new one is told; or nobody. */
static void replaced(int arg)
{
	struct raw r = raw_start(8, 8);
	int a = new_eventfd(), b = new_eventfd();
	struct dmirage_cqe cqe;

	(void)arg;
	ASSERT_SYS(set_eventfd(&r, a));
	arm(&r, r.cq_head);
	ASSERT_SYS(set_eventfd(&r, b));
	submit_nop(&r);
	EXPECT_EQ(signalled(b, OP_TIMEOUT_MS), 1);
	EXPECT_EQ(signalled(a, 20), 0);
	/* Closed here, it is still the driver's. */
	close(b);
	arm(&r, 0);
	ASSERT(raw_take(&r, &cqe, OP_TIMEOUT_MS));
	ASSERT_SYS(set_eventfd(&r, -1));
	arm(&r, 0);
	EXPECT_EQ(signalled(a, 20), 0);
	ASSERT_SYS(set_eventfd(&r, -1));
	ASSERT_SYS(set_eventfd(&r, a));
	arm(&r, 0);
	EXPECT_EQ(signalled(a, OP_TIMEOUT_MS), 1);
	raw_end(&r);
	EXPECT_EQ(signalled(a, 20), 1);		/* that was the end */
	close(a);
}

static void errors(int arg)
{
	struct dmirage_eventfd bad = { .fd = -1, .reserved0 = 1 };
	struct raw r = raw_start(8, 8);
	int fd = new_eventfd(), fresh, pipes[2];

	(void)arg;
	ASSERT_SYS(pipe(pipes));
	ASSERT_SYS(set_eventfd(&r, fd));
	EXPECT_ERRNO(set_eventfd(&r, 999), EBADF);
	EXPECT_ERRNO(set_eventfd(&r, -2), EBADF);
	EXPECT_ERRNO(set_eventfd(&r, pipes[0]), EINVAL);
	EXPECT_ERRNO(set_eventfd(&r, r.fd), EINVAL);
	EXPECT_ERRNO(ioctl(r.fd, DMIRAGE_IOC_EVENTFD, &bad), EINVAL);
	EXPECT_ERRNO(ioctl(r.fd, DMIRAGE_IOC_EVENTFD, NULL), EFAULT);
	fresh = raw_open(0);
	ASSERT(fresh >= 0);
	bad = (struct dmirage_eventfd){ .fd = fd };
	EXPECT_ERRNO(ioctl(fresh, DMIRAGE_IOC_EVENTFD, &bad), EINVAL);
	close(fresh);
	/* None of it changed anything. */
	arm(&r, r.cq_head);
	submit_nop(&r);
	EXPECT_EQ(signalled(fd, OP_TIMEOUT_MS), 1);
	raw_end(&r);
}

#define SLEEPERS	4
#define SLEEPS		300

/* Look, arm, sleep: with nothing but the event to wake up by. */
static void *sleeper(void *arg)
{
	static u64 words[SLEEPERS][512] __attribute__((aligned(4096)));
	unsigned int me = (unsigned int)(unsigned long)arg, i, n, done;
	struct raw r = raw_start(8, 8);
	int fd = new_eventfd();
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;

	ASSERT_SYS(set_eventfd(&r, fd));
	for (i = 0; i < SLEEPS; i++) {
		n = 1 + i % 4;
		for (done = 0; done < n; done++) {
			dmirage_prep_fill(&sqe, i, words[me], i, 8u << (i % 10));
			raw_put(&r, &sqe);
		}
		raw_ring(&r);
		for (done = 0; done < n;) {
			arm(&r, r.cq_head);
			if (!signalled(fd, OP_TIMEOUT_MS)) {
				EXPECT(!"a wake-up was lost");
				return NULL;
			}
			while (done < n && raw_take(&r, &cqe, 0)) {
				EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
				done++;
			}
		}
		EXPECT_EQ(cpu_read(words[me]), i);
	}
	raw_end(&r);
	close(fd);
	return NULL;
}

static void no_wakeup_lost(int arg)
{
	pthread_t thread[SLEEPERS];
	unsigned long i;

	(void)arg;
	for (i = 0; i < SLEEPERS; i++)
		ASSERT(!pthread_create(&thread[i], NULL, sleeper, (void *)i));
	for (i = 0; i < SLEEPERS; i++)
		pthread_join(thread[i], NULL);
}

struct swapper {
	struct raw *r;
	int fd[2];
	volatile bool stop;
};

static void *swap_main(void *arg)
{
	struct swapper *s = arg;
	unsigned int i;

	for (i = 0; !s->stop; i++)
		EXPECT_SYS(set_eventfd(s->r, i % 3 == 2 ? -1 : s->fd[i % 3]));
	return NULL;
}

/* Replaced all the time, while it is signalled. */
static void replaced_racing(int arg)
{
	struct raw r = raw_start(8, 8);
	struct swapper s = { .r = &r, .fd = { new_eventfd(), new_eventfd() } };
	u64 begin = now_ms(), seen = 0;
	struct dmirage_cqe cqe;
	pthread_t thread;

	(void)arg;
	ASSERT(!pthread_create(&thread, NULL, swap_main, &s));
	/* a machine that is busy elsewhere takes longer to see enough */
	while (now_ms() < begin + 1000 ||
	       (seen < 10 && now_ms() < begin + OP_TIMEOUT_MS)) {
		arm(&r, r.cq_head);
		submit_nop(&r);
		ASSERT(raw_take(&r, &cqe, OP_TIMEOUT_MS));
		seen += signalled(s.fd[0], 0) + signalled(s.fd[1], 0);
	}
	s.stop = true;
	pthread_join(thread, NULL);
	EXPECT_GE(seen, 10);
	raw_end(&r);
}

static const struct ktap_test tests[] = {
	{ "wakes", wakes, 0, 0 },
	{ "replaced", replaced, 0, 0 },
	{ "errors", errors, 0, 0 },
	{ "no-wakeup-lost", no_wakeup_lost, 0, 20 },
	{ "replaced-racing", replaced_racing, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests), NULL);
}
