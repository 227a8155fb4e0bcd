/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the seed programs have in common.  Each of them is about a bug that the kernel
 * had, or might have had, as told in an old thread of its mailing lists: an operation on
 * memory, with processors and devices at work on that memory all the time.
 *
 * Concepts
 *
 *   The *memory* is up to three pieces of 2 MiB, of a known kind on a known node.  It is
 *   full of data, and a copy of what must be in it is kept aside.
 *
 *   *Writers* are two processors, maybe one of another process, and a thread for each
 *   context.  Each has a word of its own in some pages, its *places*, and writes 1, 2,
 *   3… to them in turn.  Before it writes it looks whether what it wrote there last is
 *   there still, so a write that is lost is seen when its place comes round, or at the
 *   end: the last numbers of each writer must be there without a gap.
 *
 *   Several *contexts* are on the memory.  The first is the one that is stopped, by a
 *   hold point, in the *order* of a test; the order FREE stops nobody.
 *
 *   A part of the memory can be *gone*, or read-only: nobody writes there then, and
 *   nobody compares it.
 */
#ifndef DMIRAGE_TEST_SEED_H
#define DMIRAGE_TEST_SEED_H

#include "seed_writer.h"
#include "watched.h"

/* Where the operation comes, as seen from an access of the first context. */
enum seed_order {
	SEED_FREE,	 /* at any time: that one writes all the time, too */
	SEED_WALK,	 /* before its walk: nothing of the memory is in the IOTLB */
	SEED_TRANSLATED, /* between its walk and its access */
	SEED_MIDDLE,	 /* between two chunks of it */
	SEED_COMPLETE,	 /* between its access and its completion */
	SEED_ORDERS
};

/* A mode more: the first context is pinned and the second one mirrors. */
#define SEED_MODE_BOTH	3
#define SEED_MODES	4

#define SEED_PIECES	3
#define SEED_PAGES	512 /* of a piece */
#define SEED_CONTEXTS	4
#define SEED_CPUS	2 /* writers that are processors, of this process */
#define SEED_PLACES	(9 * SEED_PIECES)

/**
 * struct seed_context - a context on the memory
 * @d:       the handle
 * @mode:    DMIRAGE_MODE_*
 * @watched: each store to the page table is judged
 * @unflushed: the operation need not flush it, nor await what is held
 * @before:  its counters, before the operation
 */
struct seed_context {
	struct dmirage *d;
	unsigned int mode;
	bool watched, unflushed;
	struct dmirage_counters before;
};

/**
 * struct seed - a scenario; processes that are forked after seed_new() share it
 * @order:   of the test
 * @mem:     the memory, if it is of this process alone: one piece
 * @node:    where it is
 * @piece @pieces: where the memory is
 * @context @contexts: on it; the first is the one that is held
 * @held_page: page of the access that is held
 * @gone:    pages that nobody looks at
 */
struct seed {
	enum seed_order order;
	struct probe_mem mem;
	int node;
	u8 *piece[SEED_PIECES];
	unsigned int pieces;
	struct seed_context context[SEED_CONTEXTS];
	unsigned int contexts;
	unsigned int held_page;
	bool gone[SEED_PIECES * SEED_PAGES];

	/* the helper's own */
	u8 *right, *scratch;
	unsigned int place[SEED_PLACES], places;
	struct seed_writer writer[SEED_WRITERS];
	unsigned int writers;
	atomic_bool started, stop;
	bool held;
	u64 round;
	pid_t child;
	int child_go;
};

/* ---- Before ---------------------------------------------------------------- */

struct seed *seed_new(enum seed_order order);

/* Memory of a kind, on node 0, verified. */
void seed_memory(struct seed *s, enum probe_kind kind);

/* Another 2 MiB that are there. */
void seed_piece(struct seed *s, u8 *addr);

/*
 * A context on it, watched if @watch is true and the device can; for the process @pid,
 * which has the memory at the same address, or 0 for this one.  In the fault mode that
 * the environment's DMIRAGE_FAULT_MODE names, if it does.
 */
struct dmirage *seed_context(struct seed *s, unsigned int mode, bool watch, pid_t pid);

/*
 * One that works and one that is watched, both in a mode; in pinned mode, which cannot be
 * watched, the first alone.
 */
void seed_contexts(struct seed *s, unsigned int mode);

/* Pages from @page on will be gone. */
void seed_gone(struct seed *s, unsigned int page, unsigned int pages);

/* Fill the memory, and have all contexts use all of it. */
void seed_fill(struct seed *s);

/* The same; then the writers write, each to each of its places at least. */
void seed_start(struct seed *s);

/* ---- Meanwhile ------------------------------------------------------------- */

u8 *seed_page(const struct seed *s, unsigned int page);

/* What must be in it. */
u8 *seed_right(const struct seed *s, unsigned int page);

/*
 * Do it, in the order of the test; what comes after the first time, freely.  Everybody
 * has written since when this returns.
 */
void seed_do(struct seed *s, void (*act)(struct seed *s));

/* Have @mem moved to the other node, whole: the kind stays, the frames do not. */
void seed_move(struct seed *s);

/* Move pages of this process, as is asked: the status of each is what is told. */
int seed_ask_to_move(void *addr, int node);

/* A child that has the data of then, in @mem, and waits. */
void seed_fork(struct seed *s);

/*
 * The child ends.
 *
 * Return: 0 if it still has the data of then; SEED_FORK_CHANGED.
 */
int seed_fork_end(struct seed *s);

#define SEED_FORK_CHANGED 3

/* ---- After ----------------------------------------------------------------- */

/* Pages 0, 1, 255 and 511. */
extern const unsigned int seed_probed[4];

/*
 * Processor and context write to these pages of each piece, and read what the other one
 * wrote.
 *
 * Return: a bit for each page where one of them did not see the other, in this order.
 */
unsigned int seed_probe(struct seed *s, struct dmirage *d);

#define SEED_ALL_BUT_FIRST 0xe

/* The writers stop, and everything is right: data, translations, what was seen. */
void seed_end(struct seed *s);

/*
 * The contexts have the process's own sizes at a page: 2 MiB or 4 KiB, after they have
 * used it.
 */
void seed_expect_size(struct seed *s, unsigned int page, size_t size);

/* ---- The table of tests ---------------------------------------------------- */

/**
 * struct seed_test - a scenario in some modes, and in some orders
 * @name:   of it
 * @modes:  SEED_MIRROR…
 * @orders: bits 1 << SEED_*
 * @run:    it
 * @arg:    for it
 */
struct seed_test {
	const char *name;
	unsigned int modes, orders;
	void (*run)(unsigned int mode, enum seed_order order, int arg);
	int arg;
};

#define SEED_MIRROR	(1u << DMIRAGE_MODE_MIRROR)
#define SEED_PINNED	(1u << DMIRAGE_MODE_PINNED)
#define SEED_SHARED	(1u << DMIRAGE_MODE_SHARED)
#define SEED_BOTH	(1u << SEED_MODE_BOTH)
#define SEED_EACH_ORDER ((1u << SEED_ORDERS) - 1)
#define SEED_ONLY_FREE	(1u << SEED_FREE)

/*
 * ktap_main() with a test for each mode and order, called scenario:mode:order, and with
 * @more, which have names of their own.
 */
int seed_main(int argc, char **argv, const struct seed_test *tests, unsigned int n,
	      const struct ktap_test *more, unsigned int n_more);

#endif /* DMIRAGE_TEST_SEED_H */
