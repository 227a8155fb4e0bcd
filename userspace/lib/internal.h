/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of libdmirage share and its users do not see.
 *
 * Concepts
 *
 *   A handle has two sides with a lock each, so that who submits and who
 *   fetches do not wait for each other.  What one side reads of the other it
 *   reads with acquire, and the other writes it with release.
 *
 *   The device carries out the operations of a handle in order, and so the
 *   n-th completion is that of the n-th operation.  That is how a completion
 *   finds its way to the dmirage_run() that waits for it, whoever comes upon it:
 *   a *claim* says to whom the completion of operation n goes.
 *
 *   Completions are *seen* before they are *fetched*: all that are in the ring
 *   are looked at in order, and those that are claimed are handed over at once.
 *   They stay in the ring until all before them have been fetched.
 *
 *   Of the threads that wait one sleeps on the event, the *sleeper*; the others
 *   wait for it to wake up, and then look as well.  So nobody takes away an
 *   event that another one sleeps on.
 *
 * Locks: submit_lock and complete_lock are never held together.
 */
#ifndef DMIRAGE_LIB_INTERNAL_H
#define DMIRAGE_LIB_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "libdmirage.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "descriptors are used as they are in memory");

/**
 * struct claim - who waits for the completion of one operation
 * @op:   number of the operation; set by dmirage_put()
 * @done: @cqe is there; under complete_lock
 * @cqe:  the completion
 */
struct claim {
	uint32_t op;
	bool done;
	struct dmirage_cqe cqe;
};

/**
 * struct dmirage - a handle
 * @fd:         the device file
 * @owner:      the process that opened it
 * @caps:       DMIRAGE_CAP_* of the device
 * @setup:      what the driver was asked for and answered; sq_entries is 0 for
 *              a handle without a context
 * @sq:         submission ring, NULL without a context
 * @cq:         completion ring; the device writes it
 * @db:         doorbell page, in units of 32 bits
 * @claims:     by number of the operation, modulo sq_entries: no more are in
 *              flight.  Written under submit_lock before the operation is
 *              published by @sq_tail, after that under complete_lock
 *
 * @submit_lock: guards @sq and the three below.  One lock for all who submit,
 *              since descriptors and doorbell are in one order
 * @sq_tail:    index of the next descriptor; written with release
 * @op_tail:    number of the next operation
 * @open_chain: the last descriptor was not the last one of its chain
 *
 * @complete_lock: guards all below.  One lock for all who fetch, since there
 *              is one order here, too: that of @cq
 * @sq_head:    index of the first descriptor whose completion has not been
 *              fetched; written with release
 * @op_head:    number of its operation
 * @op_seen:    number of the first operation whose completion was not seen
 * @cq_head:    index of the first completion that was not fetched
 * @cq_seen:    index of the first completion that was not seen
 * @event:      eventfd of the context, -1 if there is none yet
 * @event_lent: dmirage_eventfd() has handed it out: it is not for us any more
 * @sleeper:    a thread sleeps on @event
 * @news:       the sleeper has woken up, or a claim is done
 */
struct dmirage {
	int fd;
	pid_t owner;
	uint64_t caps;
	struct dmirage_setup setup;
	struct dmirage_sqe *sq;
	const struct dmirage_cqe *cq;
	volatile uint32_t *db;
	struct claim **claims;

	pthread_mutex_t submit_lock;
	uint32_t sq_tail;
	uint32_t op_tail;
	bool open_chain;

	pthread_mutex_t complete_lock;
	uint32_t sq_head;
	uint32_t op_head;
	uint32_t op_seen;
	uint32_t cq_head;
	uint32_t cq_seen;
	int event;
	bool event_lent;
	bool sleeper;
	pthread_cond_t news;
};

/**
 * dmirage_put() - put descriptors into the ring, and ring the doorbell
 * @claim: for the completion of the only descriptor, or NULL
 *
 * Context: submit_lock.
 * Return: as dmirage_submit(), for @n that is not 0.
 */
int dmirage_put(struct dmirage *d, const struct dmirage_sqe *sqes,
		unsigned int n, struct claim *claim);

/**
 * dmirage_fetch() - see what is in the completion ring, and fetch some of it
 * @cqes: room for @n of them, or NULL: do not keep them
 *
 * Context: complete_lock.
 * Return: how many were fetched.
 */
unsigned int dmirage_fetch(struct dmirage *d, struct dmirage_cqe *cqes,
			   unsigned int n);

/* The claim is given up; its completion is for dmirage_poll().  complete_lock */
void dmirage_unclaim(struct dmirage *d, const struct claim *claim);

/**
 * dmirage_attach() - find what proves the right to another process's memory
 * @pid:    the process; 0: that of @pidfd
 * @pidfd:  (in) a pidfd, if @pid is 0; (out) one, to be closed
 * @mem_fd: (out) its /proc/PID/mem, to be closed
 *
 * Return: 0; else nothing is to be closed: as dmirage_open().
 */
int dmirage_attach(pid_t pid, int *pidfd, int *mem_fd);

#endif /* DMIRAGE_LIB_INTERNAL_H */
