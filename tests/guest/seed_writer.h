/* SPDX-License-Identifier: GPL-2.0 */
/* Those who count in the memory of a scenario, and miss what they have lost: seed.h. */
#ifndef DMIRAGE_TEST_SEED_WRITER_H
#define DMIRAGE_TEST_SEED_WRITER_H

#include "schedule.h"

#define SEED_WRITERS	  8
#define SEED_BATCH	  8 /* numbers that a context writes at a time */

/* Where a writer's words are in a page. */
#define SEED_WRITER_AT(n) (64 * (1 + (size_t)(n)))

struct seed;

/**
 * struct seed_writer - somebody who counts in the memory
 * @seed:   whose memory
 * @number: of this writer
 * @d:      the context, or NULL: a processor
 * @away:   a thread of another process, which seed_writer_run() is left to
 * @n:      the last number that was written
 * @lost:   numbers that were not there any more
 * @lost_page: page of the first one
 * @failed: operations that failed; the first one's status and detail are kept
 * @ended:  it has
 */
struct seed_writer {
	struct seed *seed;
	unsigned int number;
	struct dmirage *d;
	bool away;
	_Atomic u64 n;
	u64 lost, failed;
	unsigned int lost_page, status, detail;
	atomic_bool ended;
	pthread_t thread;
};

/* Another one: a context, or with NULL a processor. */
struct seed_writer *seed_writer_add(struct seed *s, struct dmirage *d);

/* A writer for another process. */
struct seed_writer *seed_writer_away(struct seed *s);

/* What a writer does, from seed_start() until seed_end(). */
void *seed_writer_run(void *writer);

/* All of them, until each has been to each of its places. */
void seed_writers_start(struct seed *s);

/*
 * Until each has written @more.  If that is more than SEED_BATCH, each has begun to write
 * since.
 */
void seed_writers_go_on(struct seed *s, u64 more);

/* They stop; nothing was lost, and their last numbers must be there. */
void seed_writers_end(struct seed *s);

#endif /* DMIRAGE_TEST_SEED_WRITER_H */
