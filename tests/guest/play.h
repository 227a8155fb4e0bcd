/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Plays: what it takes for a mutant of the kernel to show, by each of the ways that the
 * oracle has.
 */
#ifndef DMIRAGE_TEST_PLAY_H
#define DMIRAGE_TEST_PLAY_H

#include "mutant.h"
#include "shared_pmd.h"

#define PLACE_PAGES	512

/**
 * struct place - the memory of a play
 * @mem:     it
 * @shared:  or this
 * @page:    what the device has translations of, @pages of them
 * @stale:   bytes of which the mutant leaves translations that are wrong
 * @len:     how many
 * @to:      where something is moved to
 * @child:   a process that lives as long
 */
struct place {
	struct probe_mem mem;
	struct shared_pmd shared;
	u8 *page[PLACE_PAGES];
	unsigned int pages;
	u8 *stale;
	size_t len;
	u8 *to;
	pid_t child;
};

/* How it is found, beside the watch. */
#define BY_ACCESS	(1u << DMIRAGE_BY_ACCESS)
#define BY_AUDIT	(1u << DMIRAGE_BY_AUDIT)

/**
 * struct play - what is done
 * @name:   the mutant's
 * @mode:   DMIRAGE_MODE_*
 * @make:   the memory
 * @act:    what the kernel does wrong
 * @late:   it is right again when the act is over; so others look meanwhile
 * @writes: the device writes to the pages before, instead of reading them.  Not in mirror
 *          mode: a driver that takes a writable translation back marks the page dirty,
 *          which by then may have been free for long.  The kernel says so: Bad page state
 * @by:     BY_*: without a watch
 */
struct play {
	const char *name;
	unsigned int mode;
	void (*make)(struct place *p);
	void (*act)(struct place *p);
	bool late;
	bool writes;
	unsigned int by;
};

/*
 * All of it, each time with new memory.  As the kernel is, watched and not: nothing is
 * found.  With the mutant: it is applied, and found by the watch, which names the
 * function; and without the watch in the ways of @by.
 */
void play(const struct play *p);

/* As the kernel is for this process, whoever else has a mutant: nothing is found. */
void play_clean(const struct play *p);

/* All there are: of notifications, and of flushes. */
extern const struct play plays_mirror[];
extern const unsigned int plays_mirror_count;
extern const struct play plays_shared[];
extern const unsigned int plays_shared_count;

/* A test of each; for main(). */
int plays_main(int argc, char **argv, const struct play *all, unsigned int count);

/* For ktap_main(), where tests are others: huge pages, and the mutants go at the end. */
void plays_prepare(void);

/* One more page, or all of a range. */
void place_add(struct place *at, u8 *addr);
void place_add_all(struct place *at, u8 *addr, size_t len);

/*
 * Page tables that two processes share, of so many GiB, in place of memory of its own;
 * @pages of them are used, and each is one of the place's.
 */
void place_share(struct place *at, unsigned int gib, const unsigned int *pages, unsigned int n);

#endif /* DMIRAGE_TEST_PLAY_H */
