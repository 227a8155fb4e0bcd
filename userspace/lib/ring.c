// SPDX-License-Identifier: GPL-2.0
/*
 * The rings: operations in, completions out.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "internal.h"

/* How dmirage_wait() waits: look, then yield, then sleep. */
#define WAIT_SPINS	64
#define WAIT_YIELDS	64
#define WAIT_SLEEP_NS	20000

static void prep(struct dmirage_sqe *sqe, uint64_t cookie, uint8_t opcode)
{
	*sqe = (struct dmirage_sqe){ .opcode = opcode, .cookie = cookie };
}

void dmirage_prep_copy(struct dmirage_sqe *sqe, uint64_t cookie, void *dst,
		       const void *src, uint64_t len)
{
	prep(sqe, cookie, DMIRAGE_OP_COPY);
	sqe->dst = (uintptr_t)dst;
	sqe->src = (uintptr_t)src;
	sqe->len = len;
}

void dmirage_prep_fill(struct dmirage_sqe *sqe, uint64_t cookie, void *dst,
		       uint64_t pattern, uint64_t len)
{
	prep(sqe, cookie, DMIRAGE_OP_FILL);
	sqe->dst = (uintptr_t)dst;
	sqe->imm = pattern;
	sqe->len = len;
}

void dmirage_prep_read_imm(struct dmirage_sqe *sqe, uint64_t cookie,
			   const void *src, uint64_t len)
{
	prep(sqe, cookie, DMIRAGE_OP_READ_IMM);
	sqe->src = (uintptr_t)src;
	sqe->len = len;
}

void dmirage_prep_write_imm(struct dmirage_sqe *sqe, uint64_t cookie,
			    void *dst, uint64_t value, uint64_t len)
{
	prep(sqe, cookie, DMIRAGE_OP_WRITE_IMM);
	sqe->dst = (uintptr_t)dst;
	sqe->imm = value;
	sqe->len = len;
}

void dmirage_prep_cas(struct dmirage_sqe *sqe, uint64_t cookie, void *dst,
		      uint64_t compare, uint64_t value, uint64_t len)
{
	prep(sqe, cookie, DMIRAGE_OP_CAS);
	sqe->dst = (uintptr_t)dst;
	sqe->compare = compare;
	sqe->imm = value;
	sqe->len = len;
}

void dmirage_prep_fetch_add(struct dmirage_sqe *sqe, uint64_t cookie, void *dst,
			    uint64_t summand, uint64_t len)
{
	prep(sqe, cookie, DMIRAGE_OP_FETCH_ADD);
	sqe->dst = (uintptr_t)dst;
	sqe->imm = summand;
	sqe->len = len;
}

void dmirage_prep_crc32c(struct dmirage_sqe *sqe, uint64_t cookie,
			 const void *src, uint64_t len)
{
	prep(sqe, cookie, DMIRAGE_OP_CRC32C);
	sqe->src = (uintptr_t)src;
	sqe->len = len;
}

void dmirage_prep_touch_read(struct dmirage_sqe *sqe, uint64_t cookie,
			     const void *src, uint64_t len)
{
	prep(sqe, cookie, DMIRAGE_OP_TOUCH_READ);
	sqe->src = (uintptr_t)src;
	sqe->len = len;
}

void dmirage_prep_touch_write(struct dmirage_sqe *sqe, uint64_t cookie,
			      void *dst, uint64_t len)
{
	prep(sqe, cookie, DMIRAGE_OP_TOUCH_WRITE);
	sqe->dst = (uintptr_t)dst;
	sqe->len = len;
}

void dmirage_prep_nop(struct dmirage_sqe *sqe, uint64_t cookie)
{
	prep(sqe, cookie, DMIRAGE_OP_NOP);
}

void dmirage_chain(struct dmirage_sqe *sqes, unsigned int n)
{
	unsigned int i;

	for (i = 0; i + 1 < n; i++)
		sqes[i].flags |= DMIRAGE_SQE_CHAIN;
}

int dmirage_submit(struct dmirage *d, const struct dmirage_sqe *sqes,
		   unsigned int n)
{
	uint32_t mask = d->setup.sq_entries - 1;
	unsigned int room, i;

	if (!d->sq)
		return -EINVAL;
	if (!n)
		return 0;
	room = d->setup.sq_entries - (d->sq_tail - d->sq_head);
	if (!room)
		return -EAGAIN;
	if (n > room)
		n = room;
	for (i = 0; i < n; i++) {
		d->sq[(d->sq_tail + i) & mask] = sqes[i];
		if (!(sqes[i].flags & DMIRAGE_SQE_CHAIN))
			d->in_flight++;
	}
	d->sq_tail += n;
	/*
	 * The descriptors, and the data they name, before the doorbell.  Pairs
	 * with the device's acquire of the tail, before it reads descriptors.
	 */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	d->db[DMIRAGE_DB_SQ_TAIL / 4] = d->sq_tail;
	return (int)n;
}

/* The oldest operation has completed: its descriptors may be used again. */
static void retire(struct dmirage *d)
{
	uint32_t mask = d->setup.sq_entries - 1;
	bool more = true;

	while (more && d->sq_head != d->sq_tail)
		more = d->sq[d->sq_head++ & mask].flags & DMIRAGE_SQE_CHAIN;
	if (d->in_flight)
		d->in_flight--;
}

/* Fetch up to @n completions without telling the device about the room. */
static unsigned int fetch(struct dmirage *d, struct dmirage_cqe *cqes,
			  unsigned int n)
{
	uint32_t mask = d->setup.cq_entries - 1;
	const struct dmirage_cqe *cqe;
	unsigned int i;

	for (i = 0; i < n; i++) {
		cqe = &d->cq[d->cq_head & mask];
		/*
		 * Pairs with the device's release of the entry, which writes
		 * seq last: after it the rest of the entry may be read, and
		 * the memory that the operation wrote.
		 */
		if (__atomic_load_n(&cqe->seq, __ATOMIC_ACQUIRE) !=
		    d->cq_head + 1)
			break;
		if (cqes)
			cqes[i] = *cqe;
		/* A refused doorbell completes no operation. */
		if (cqe->status != DMIRAGE_ST_DOORBELL)
			retire(d);
		d->cq_head++;
	}
	return i;
}

int dmirage_poll(struct dmirage *d, struct dmirage_cqe *cqes, unsigned int n)
{
	unsigned int got;

	if (!d->cq)
		return -EINVAL;
	got = fetch(d, cqes, n);
	if (got) {
		/* The reads above before the device may reuse the entries. */
		__atomic_thread_fence(__ATOMIC_RELEASE);
		d->db[DMIRAGE_DB_CQ_HEAD / 4] = d->cq_head;
	}
	return (int)got;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int dmirage_wait(struct dmirage *d, struct dmirage_cqe *cqe, int timeout_ms)
{
	const struct timespec nap = { .tv_nsec = WAIT_SLEEP_NS };
	int64_t deadline = 0;
	unsigned int turn;
	int got;

	for (turn = 0;; turn++) {
		got = dmirage_poll(d, cqe, 1);
		if (got)
			return got < 0 ? got : 0;
		if (!timeout_ms)
			return -ETIMEDOUT;
		if (turn < WAIT_SPINS)
			continue;
		if (timeout_ms > 0) {
			if (!deadline)
				deadline = now_ns() + timeout_ms * 1000000LL;
			else if (now_ns() >= deadline)
				timeout_ms = 0;	/* one last look */
		}
		if (turn < WAIT_SPINS + WAIT_YIELDS)
			sched_yield();
		else
			nanosleep(&nap, NULL);
	}
}

int dmirage_run(struct dmirage *d, const struct dmirage_sqe *sqe,
		struct dmirage_cqe *cqe, int timeout_ms)
{
	struct dmirage_cqe own;
	int ret;

	if (sqe->flags & DMIRAGE_SQE_CHAIN)
		return -EINVAL;
	/* not in_flight: a chain that waits for its end would take it */
	if (d->sq_head != d->sq_tail)
		return -EBUSY;
	ret = dmirage_submit(d, sqe, 1);
	if (ret < 0)
		return ret;
	do {
		ret = dmirage_wait(d, &own, timeout_ms);
		if (ret)
			return ret;
	} while (own.status == DMIRAGE_ST_DOORBELL);
	if (cqe)
		*cqe = own;
	else if (own.status != DMIRAGE_ST_OK)
		return -EIO;
	return 0;
}

unsigned int dmirage_in_flight(const struct dmirage *d)
{
	return d->in_flight;
}
