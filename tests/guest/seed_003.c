// SPDX-License-Identifier: GPL-2.0
/*
 * What holds a page for a device: a pin, by which it stays where it is whatever the
 * kernel would do to it; or a mirror, which lets it go and finds it again; or both.
 *
 * Seed: "Re: [RFC][PATCH v3 1/6] mm: Don't unmap gup()ed page" (April 2009).  A page that
 * somebody had by get_user_pages() was swapped out, or copied after a fork(), and the
 * process went on with another one: what was written by DMA then, nobody saw.  A
 * reference does not hold a page.  It took until 2020 for pins to be told from them.
 *
 * The bug that stands for it is the fault mode inval-ignored: a device that has a page
 * by neither.  `unpinned' has it, and shows what it loses, and to whom; `referenced' has
 * keep-page, and shows that with a reference it would be the same.  Each test in mirror
 * mode fails with DMIRAGE_FAULT_MODE=inval-ignored.  Those where pages are pinned fail
 * with a driver that gives the pins back as soon as it has them (driver/pinned.c).
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "seed.h"
#include "swap.h"

/* Pages that nobody writes to, but for what is said here. */
static const unsigned int quiet[] = { 7, 50, 300, 509 };

#define COW_AT	  0x900
#define PAGE_TRY  50

/* ---- What is done to the pages -------------------------------------------------- */

/* Does a pin keep them? */
static bool pinned(const struct seed *s)
{
	return s->context[0].mode == DMIRAGE_MODE_PINNED;
}

static void expect_stay(struct seed *s, const u64 *before)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(quiet); i++)
		EXPECT_EQ(frame_of(seed_page(s, quiet[i])), before[i]);
}

static void frames(struct seed *s, u64 *frame)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(quiet); i++)
		frame[i] = frame_of(seed_page(s, quiet[i]));
}

static void migrates(struct seed *s)
{
	u64 before[ARRAY_SIZE(quiet)];
	struct probe_page page;
	unsigned int i;

	if (!pinned(s)) {
		seed_move(s);
		return;
	}
	frames(s, before);
	for (i = 0; i < ARRAY_SIZE(quiet); i++) {
		EXPECT_NE((u64)seed_ask_to_move(seed_page(s, quiet[i]), 1), 1);
		ASSERT_PROBE(probe_page(seed_page(s, quiet[i]), &page));
		EXPECT_EQ((u64)page.node, 0);
	}
	expect_stay(s, before);
}

/* Writes what is there: the page is copied, and the data does not change. */
static void copies(struct seed *s)
{
	u64 before[ARRAY_SIZE(quiet)];
	unsigned int i;
	u8 *p;

	frames(s, before);
	seed_fork(s);
	for (i = 0; i < ARRAY_SIZE(quiet); i++) {
		p = seed_page(s, quiet[i]) + COW_AT;
		/* By the device, if that is not held. */
		if (i % 2 && s->order == SEED_FREE)
			dev_write(s->context[0].d, p, cpu_read(p));
		else
			cpu_write(p, cpu_read(p));
		if (!pinned(s))
			EXPECT_NE(frame_of(p), before[i]);
	}
	if (pinned(s))
		expect_stay(s, before);
}

static bool swapped(const void *addr)
{
	struct probe_page page;

	ASSERT_EQ(probe_page(addr, &page), 0);
	return page.swapped;
}

static void pages_out(struct seed *s)
{
	u64 before[ARRAY_SIZE(quiet)];
	unsigned int i, k;
	bool out;
	u8 *p;

	frames(s, before);
	ASSERT_SYS(madvise(s->mem.addr, PROBE_2M, MADV_PAGEOUT));
	/* What was held may have it back at once, and comes last. */
	for (i = 0; i < ARRAY_SIZE(quiet) && !pinned(s); i++) {
		p = seed_page(s, quiet[i]);
		out = swapped(p);
		for (k = 0; k < PAGE_TRY && !out; k++) {
			sleep_ms(1);
			ASSERT_SYS(madvise(p, PROBE_4K, MADV_PAGEOUT));
			out = swapped(p);
		}
		EXPECT(out);
	}
	if (pinned(s))
		expect_stay(s, before);
}

/* ---- Scenarios -------------------------------------------------------------------- */

enum what {
	MIGRATION,
	COW,
	COW_THP,
	SWAP,
};

static void (*const acts[])(struct seed *s) = {
	[MIGRATION] = migrates,
	[COW] = copies,
	[COW_THP] = copies,
	[SWAP] = pages_out,
};

static struct seed *prepare(enum seed_order order, enum what what)
{
	struct seed *s = seed_new(order);

	if (what == SWAP)
		swap_begin();
	seed_memory(s, what == COW_THP ? PROBE_KIND_THP : PROBE_KIND_4K);
	s->held_page = quiet[ARRAY_SIZE(quiet) - 1];
	return s;
}

static void scenario(unsigned int mode, enum seed_order order, int what)
{
	struct seed *s = prepare(order, what);

	seed_contexts(s, mode);
	/* A kernel may see at once that a pin makes it futile. */
	s->context[1].unflushed = mode == SEED_MODE_BOTH && (what == MIGRATION || what == SWAP);
	seed_start(s);
	seed_do(s, acts[what]);
	if (pinned(s)) {
		EXPECT_EQ(get_counters(s->context[0].d).faults, 0);
		EXPECT_EQ(get_counters(s->context[0].d).pinned, SEED_PAGES);
	}
	seed_end(s);
	if (what == COW || what == COW_THP)
		EXPECT_EQ(seed_fork_end(s), 0);
	if (what == SWAP)
		swap_end();
}

/* ---- Neither pinned nor mirrored ---------------------------------------------------- */

static void unpinned(int what)
{
	struct seed *s = prepare(SEED_FREE, what);
	struct dmirage *d = seed_context(s, DMIRAGE_MODE_MIRROR, false, 0);
	struct dmirage_violation v;
	unsigned int stale, i;
	u64 before[4];

	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", "inval-ignored"));
	seed_fill(s);
	EXPECT_EQ(seed_probe(s, d), 0);
	for (i = 0; i < 4; i++)
		before[i] = frame_of(seed_page(s, seed_probed[i]));
	if (what == COW || what == COW_THP)
		seed_fork(s);
	else
		acts[what](s);
	/* Each of the four pages, both ways; swap may give one back that was not used. */
	stale = seed_probe(s, d);
	EXPECT_EQ(get_counters(d).violations, 2 * (u64)__builtin_popcount(stale));
	EXPECT_NE(stale, 0);
	if (what != SWAP)
		EXPECT_EQ(stale, 0xf);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(stale >> i & 1, frame_of(seed_page(s, seed_probed[i])) != before[i]);
	ASSERT_EQ(dmirage_read_violations(d, &v, 1, 1000), 1);
	EXPECT_EQ(v.kind, DMIRAGE_VIOL_FRAME);
	/* What the parent did not get, the child did. */
	if (what == COW || what == COW_THP)
		EXPECT_EQ(seed_fork_end(s), SEED_FORK_CHANGED);
	if (what == SWAP)
		swap_end();
}

/* A reference keeps the page from migrating; it does not keep it for the process. */
static void referenced(int arg)
{
	struct seed *s = prepare(SEED_FREE, COW);
	struct dmirage *d = seed_context(s, DMIRAGE_MODE_MIRROR, false, 0);
	u64 before[ARRAY_SIZE(quiet)];

	(void)arg;
	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", "keep-page"));
	seed_fill(s);
	frames(s, before);
	EXPECT_NE((u64)seed_ask_to_move(seed_page(s, quiet[0]), 1), 1);
	expect_stay(s, before);
	/* After a fork it is another one, as without the reference. */
	copies(s);
	/* But this device was told. */
	EXPECT_EQ(seed_probe(s, d), 0);
	EXPECT_EQ(seed_fork_end(s), 0);
	expect_clean(d);
}

#define SOME_ORDERS (SEED_ONLY_FREE | 1u << SEED_TRANSLATED)

static const struct seed_test tests[] = {
	{ "migration", SEED_PINNED | SEED_MIRROR, SEED_EACH_ORDER, scenario, MIGRATION },
	{ "migration", SEED_BOTH, SOME_ORDERS, scenario, MIGRATION },
	{ "fork-cow", SEED_PINNED | SEED_MIRROR, SEED_EACH_ORDER, scenario, COW },
	{ "fork-cow", SEED_BOTH, SOME_ORDERS, scenario, COW },
	{ "fork-cow-thp", SEED_PINNED | SEED_MIRROR | SEED_BOTH, SOME_ORDERS, scenario, COW_THP },
	{ "swap-out", SEED_PINNED | SEED_MIRROR | SEED_BOTH, SOME_ORDERS, scenario, SWAP },
};

static const struct ktap_test more[] = {
	{ "migration:unpinned:caught", unpinned, MIGRATION, 0 },
	{ "fork-cow:unpinned:caught", unpinned, COW, 0 },
	{ "fork-cow-thp:unpinned:caught", unpinned, COW_THP, 0 },
	{ "swap-out:unpinned:caught", unpinned, SWAP, 0 },
	{ "fork-cow:referenced:free", referenced, 0, 0 },
};

int main(int argc, char **argv)
{
	return seed_main(argc, argv, tests, ARRAY_SIZE(tests), more, ARRAY_SIZE(more));
}
