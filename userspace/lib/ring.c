// SPDX-License-Identifier: GPL-2.0
/*
 * The rings: operations in, completions out.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "internal.h"

/* In place of a claim: its completion has been handed over. */
static struct claim handed_over;

/* ---- Submission -------------------------------------------------------- */

/*
 * How many of @n descriptors to take if there is room for @room: no chain is
 * cut, since other threads' operations would become pieces of it.
 */
static unsigned int fitting(const struct dmirage_sqe *sqes, unsigned int n,
			    unsigned int room)
{
	if (n <= room)
		return n;
	while (room && (sqes[room - 1].flags & DMIRAGE_SQE_CHAIN))
		room--;
	return room;
}

/* Are the first descriptors a chain that will never fit? */
static bool too_long(const struct dmirage_sqe *sqes, unsigned int n,
		     unsigned int entries)
{
	unsigned int i;

	for (i = 0; i < n && i < entries; i++) {
		if (!(sqes[i].flags & DMIRAGE_SQE_CHAIN))
			return false;
	}
	return i < n;
}

int dmirage_put(struct dmirage *d, const struct dmirage_sqe *sqes,
		unsigned int n, struct claim *claim)
{
	uint32_t mask = d->setup.sq_entries - 1;
	uint32_t head, op = d->op_tail;
	unsigned int i;

	/* Pairs with retire(), which is done with slots and claims before. */
	head = __atomic_load_n(&d->sq_head, __ATOMIC_ACQUIRE);
	if (too_long(sqes, n, d->setup.sq_entries))
		return -EINVAL;
	n = fitting(sqes, n, d->setup.sq_entries - (d->sq_tail - head));
	if (!n)
		return -EAGAIN;
	if (claim) {
		claim->op = op;
		claim->done = false;
		d->claims[op & mask] = claim;
	}
	for (i = 0; i < n; i++) {
		d->sq[(d->sq_tail + i) & mask] = sqes[i];
		if (!(sqes[i].flags & DMIRAGE_SQE_CHAIN))
			op++;
	}
	d->open_chain = sqes[n - 1].flags & DMIRAGE_SQE_CHAIN;
	/* Before the doorbell: a completion finds its operation counted. */
	__atomic_store_n(&d->op_tail, op, __ATOMIC_RELEASE);
	__atomic_store_n(&d->sq_tail, d->sq_tail + n, __ATOMIC_RELEASE);
	/*
	 * The descriptors, and the data they name, before the doorbell.  Pairs
	 * with the device's acquire of the tail, before it reads descriptors.
	 */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	d->db[DMIRAGE_DB_SQ_TAIL / 4] = d->sq_tail;
	return (int)n;
}

int dmirage_submit(struct dmirage *d, const struct dmirage_sqe *sqes,
		   unsigned int n)
{
	int ret;

	if (!d->sq)
		return -EINVAL;
	if (!n)
		return 0;
	pthread_mutex_lock(&d->submit_lock);
	ret = dmirage_put(d, sqes, n, NULL);
	pthread_mutex_unlock(&d->submit_lock);
	return ret;
}

/* ---- Completion -------------------------------------------------------- */

static const struct dmirage_cqe *entry(const struct dmirage *d, uint32_t index)
{
	return &d->cq[index & (d->setup.cq_entries - 1)];
}

/* A refused doorbell completes no operation. */
static bool of_operation(const struct dmirage_cqe *cqe)
{
	return cqe->status != DMIRAGE_ST_DOORBELL;
}

static struct claim **claim_of(struct dmirage *d, uint32_t op)
{
	return &d->claims[op & (d->setup.sq_entries - 1)];
}

/* Look at what has come, and hand over what is claimed. */
static void see(struct dmirage *d)
{
	const struct dmirage_cqe *cqe;
	struct claim **claim;
	bool news = false;

	for (;; d->cq_seen++) {
		cqe = entry(d, d->cq_seen);
		/*
		 * Pairs with the device's release of the entry, which writes
		 * seq last: after it the rest of the entry may be read, and
		 * the memory that the operation wrote.
		 */
		if (__atomic_load_n(&cqe->seq, __ATOMIC_ACQUIRE) !=
		    d->cq_seen + 1)
			break;
		if (!of_operation(cqe))
			continue;
		/* Pairs with dmirage_put(), which writes the claim before. */
		(void)__atomic_load_n(&d->sq_tail, __ATOMIC_ACQUIRE);
		claim = claim_of(d, d->op_seen++);
		if (!*claim)
			continue;
		(*claim)->cqe = *cqe;
		(*claim)->done = true;
		*claim = &handed_over;
		news = true;
	}
	if (news)
		pthread_cond_broadcast(&d->news);
}

/* The oldest operation has completed: its descriptors may be used again. */
static void retire(struct dmirage *d)
{
	uint32_t tail = __atomic_load_n(&d->sq_tail, __ATOMIC_ACQUIRE);
	uint32_t mask = d->setup.sq_entries - 1;
	uint32_t head = d->sq_head;
	bool more = true;

	while (more && head != tail)
		more = d->sq[head++ & mask].flags & DMIRAGE_SQE_CHAIN;
	*claim_of(d, d->op_head) = NULL;
	__atomic_store_n(&d->op_head, d->op_head + 1, __ATOMIC_RELEASE);
	/* Pairs with dmirage_put(), which writes to what is free now. */
	__atomic_store_n(&d->sq_head, head, __ATOMIC_RELEASE);
}

/* The completion at the head is done with. */
static void advance(struct dmirage *d)
{
	if (of_operation(entry(d, d->cq_head)))
		retire(d);
	d->cq_head++;
}

/* Is there a completion at the head for whoever asks? */
static bool ready(struct dmirage *d)
{
	while (d->cq_head != d->cq_seen) {
		if (!of_operation(entry(d, d->cq_head)) ||
		    !*claim_of(d, d->op_head))
			return true;
		advance(d);
	}
	return false;
}

unsigned int dmirage_fetch(struct dmirage *d, struct dmirage_cqe *cqes,
			   unsigned int n)
{
	uint32_t before = d->cq_head;
	unsigned int i;

	see(d);
	for (i = 0; ready(d) && i < n; i++) {
		if (cqes)
			cqes[i] = *entry(d, d->cq_head);
		advance(d);
	}
	if (d->cq_head != before) {
		/* The reads above before the device may reuse the entries. */
		__atomic_thread_fence(__ATOMIC_RELEASE);
		d->db[DMIRAGE_DB_CQ_HEAD / 4] = d->cq_head;
	}
	return i;
}

void dmirage_unclaim(struct dmirage *d, const struct claim *claim)
{
	if (!claim->done)
		*claim_of(d, claim->op) = NULL;
}

int dmirage_poll(struct dmirage *d, struct dmirage_cqe *cqes, unsigned int n)
{
	unsigned int got;

	if (!d->cq)
		return -EINVAL;
	pthread_mutex_lock(&d->complete_lock);
	got = dmirage_fetch(d, cqes, n);
	pthread_mutex_unlock(&d->complete_lock);
	return (int)got;
}

unsigned int dmirage_in_flight(const struct dmirage *d)
{
	/* In this order: the tail is never behind a head that was read before. */
	uint32_t head = __atomic_load_n(&d->op_head, __ATOMIC_ACQUIRE);
	uint32_t tail = __atomic_load_n(&d->op_tail, __ATOMIC_ACQUIRE);

	return tail - head;
}
