// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting for completions: by looking, then by sleeping.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

/* How one waits: look, then yield, then sleep. */
#define WAIT_SPINS	64
#define WAIT_YIELDS	64
#define WAIT_NAP_NS	20000	/* where there is no event to sleep on */

#define NS_PER_S	1000000000ll

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static struct timespec to_timespec(int64_t ns)
{
	return (struct timespec){
		.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S,
	};
}

/* ---- The event --------------------------------------------------------- */

/* The context's eventfd, made when it is first wanted.  complete_lock */
static int get_event(struct dmirage *d)
{
	struct dmirage_eventfd arg = { 0 };
	int err;

	if (!(d->caps & DMIRAGE_CAP_CQ_EVENT))
		return -EOPNOTSUPP;
	if (d->event >= 0)
		return d->event;
	arg.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (arg.fd < 0)
		return -errno;
	if (ioctl(d->fd, DMIRAGE_IOC_EVENTFD, &arg)) {
		err = -errno;
		close(arg.fd);
		return err;
	}
	d->event = arg.fd;
	return d->event;
}

/*
 * Ask for an event when there is a completion with this index.  What was
 * signalled before is forgotten first: if it was for such a completion the
 * device signals again at once, since it compares the index itself.
 */
static void arm(struct dmirage *d, uint32_t index)
{
	uint64_t count;

	(void)!read(d->event, &count, sizeof(count));
	d->db[DMIRAGE_DB_CQ_ARM / 4] = index;
}

/* Is the device gone or broken, so that nothing will complete? */
static int dead(const struct pollfd *pfd)
{
	if (pfd->revents & POLLHUP)
		return -ENODEV;
	return pfd->revents & (POLLERR | POLLNVAL) ? -EIO : 0;
}

int dmirage_eventfd(struct dmirage *d)
{
	const uint64_t one = 1;
	int fd;

	if (!d->cq)
		return -EINVAL;
	pthread_mutex_lock(&d->complete_lock);
	fd = get_event(d);
	if (fd >= 0) {
		d->event_lent = true;
		/* Nobody takes this away from the sleeper: it has the fd alone. */
		while (d->sleeper) {
			(void)!write(fd, &one, sizeof(one));
			pthread_cond_wait(&d->news, &d->complete_lock);
		}
	}
	pthread_mutex_unlock(&d->complete_lock);
	return fd;
}

int dmirage_arm(struct dmirage *d)
{
	int ret = 0;

	if (!d->cq)
		return -EINVAL;
	pthread_mutex_lock(&d->complete_lock);
	if (d->event_lent) {
		/* So that only what is for the caller is an event. */
		dmirage_fetch(d, NULL, 0);
		arm(d, d->cq_head);
	} else {
		ret = -EINVAL;
	}
	pthread_mutex_unlock(&d->complete_lock);
	return ret;
}

/* ---- Waiting ----------------------------------------------------------- */

/*
 * Sleep until there may be something to see, or until @deadline (0: none).
 * complete_lock, which is given up meanwhile.
 *
 * Return: 0, or -ENODEV, -EIO if nothing will ever come.
 */
static int doze(struct dmirage *d, int64_t deadline)
{
	struct pollfd pfd[2] = { { .fd = d->fd }, { .events = POLLIN } };
	struct timespec limit = to_timespec(WAIT_NAP_NS);
	bool nap;

	if (d->sleeper) {
		limit = to_timespec(deadline);
		if (deadline)
			pthread_cond_timedwait(&d->news, &d->complete_lock,
					       &limit);
		else
			pthread_cond_wait(&d->news, &d->complete_lock);
		return 0;
	}

	nap = d->event_lent || get_event(d) < 0;
	pfd[1].fd = nap ? -1 : d->event;
	if (!nap) {
		d->sleeper = true;
		arm(d, d->cq_seen);
		if (deadline) {
			int64_t left = deadline - now_ns();

			limit = to_timespec(left > 0 ? left : 0);
		}
	}
	pthread_mutex_unlock(&d->complete_lock);
	ppoll(pfd, 2, nap || deadline ? &limit : NULL, NULL);
	pthread_mutex_lock(&d->complete_lock);
	if (!nap) {
		d->sleeper = false;
		/* One of the others is to be the sleeper now. */
		pthread_cond_broadcast(&d->news);
	}
	return dead(&pfd[0]);
}

/* Take the completion that is claimed or, without a claim, the next one. */
static bool take(struct dmirage *d, const struct claim *claim,
		 struct dmirage_cqe *cqe)
{
	if (!claim)
		return dmirage_fetch(d, cqe, 1);
	dmirage_fetch(d, NULL, 0);
	if (claim->done)
		*cqe = claim->cqe;
	return claim->done;
}

static int wait_for(struct dmirage *d, const struct claim *claim,
		    struct dmirage_cqe *cqe, int timeout_ms)
{
	int64_t deadline = 0;
	unsigned int turn;
	int ret = 0;

	pthread_mutex_lock(&d->complete_lock);
	for (turn = 0;; turn++) {
		if (take(d, claim, cqe)) {
			ret = 0;
			break;
		}
		if (!timeout_ms)
			ret = -ETIMEDOUT;
		if (ret)	/* and that was the last look */
			break;
		if (turn < WAIT_SPINS + WAIT_YIELDS) {
			pthread_mutex_unlock(&d->complete_lock);
			if (turn >= WAIT_SPINS)
				sched_yield();
			pthread_mutex_lock(&d->complete_lock);
		}
		if (turn < WAIT_SPINS)
			continue;
		if (timeout_ms > 0 && !deadline)
			deadline = now_ns() + timeout_ms * 1000000LL;
		else if (deadline && now_ns() >= deadline)
			ret = -ETIMEDOUT;
		else if (turn >= WAIT_SPINS + WAIT_YIELDS)
			ret = doze(d, deadline);
	}
	if (ret && claim)
		dmirage_unclaim(d, claim);
	pthread_mutex_unlock(&d->complete_lock);
	return ret;
}

int dmirage_wait(struct dmirage *d, struct dmirage_cqe *cqe, int timeout_ms)
{
	if (!d->cq)
		return -EINVAL;
	return wait_for(d, NULL, cqe, timeout_ms);
}

int dmirage_run(struct dmirage *d, const struct dmirage_sqe *sqe,
		struct dmirage_cqe *cqe, int timeout_ms)
{
	struct dmirage_cqe own;
	struct claim claim;
	int ret;

	if (!d->sq || (sqe->flags & DMIRAGE_SQE_CHAIN))
		return -EINVAL;
	pthread_mutex_lock(&d->submit_lock);
	if (d->open_chain)
		ret = -EBUSY;
	else
		ret = dmirage_put(d, sqe, 1, &claim);
	pthread_mutex_unlock(&d->submit_lock);
	if (ret < 0)
		return ret;
	ret = wait_for(d, &claim, &own, timeout_ms);
	if (ret)
		return ret;
	if (cqe)
		*cqe = own;
	else if (own.status != DMIRAGE_ST_OK)
		return -EIO;
	return 0;
}
