/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A context without libdmirage, for tests that do what the library never does:
 * rubbish in the rings, impossible doorbells, strange ioctl and mmap calls.
 */
#ifndef DMIRAGE_TEST_RAW_H
#define DMIRAGE_TEST_RAW_H

#include "common.h"

/**
 * struct raw - a context's file and mappings
 * @fd:    the device file
 * @setup: DMIRAGE_IOC_SETUP's
 * @sq @cq @db: the mappings
 * @sq_tail @cq_head: indices
 */
struct raw {
	int fd;
	struct dmirage_setup setup;
	struct dmirage_sqe *sq;
	const struct dmirage_cqe *cq;
	volatile u32 *db;
	u32 sq_tail;
	u32 cq_head;
};

/* Open the first device; -1 and errno. */
int raw_open(int flags);

/* Open, set up, map; ends the test on failure. */
struct raw raw_start(unsigned int sq_entries, unsigned int cq_entries);
struct raw raw_start_mode(unsigned int sq_entries, unsigned int cq_entries,
			  unsigned int mode, unsigned int flags);
void raw_end(struct raw *r);

/* Map what has been set up. */
void raw_map(struct raw *r);

/* Put a descriptor into the next slot; raw_ring() tells the device. */
void raw_put(struct raw *r, const struct dmirage_sqe *sqe);
void raw_ring(struct raw *r);

/* Take the next completion; false if none comes in time. */
bool raw_take(struct raw *r, struct dmirage_cqe *cqe, unsigned int timeout_ms);

/* Take completions until none comes for a while; returns how many. */
unsigned int raw_drain(struct raw *r, unsigned int quiet_ms);

/* A write and a read of this context work. */
void raw_expect_works_at(const char *file, int line, struct raw *r);

/* No violation, and the oracle did look. */
void raw_expect_clean(struct raw *r);

#define raw_expect_works(r) raw_expect_works_at(__FILE__, __LINE__, r)

#endif /* DMIRAGE_TEST_RAW_H */
