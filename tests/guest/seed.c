// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "seed.h"

/* Where the words are in a page. */
#define HELD_AT	     0x800
#define PROBE_AT(n)  (0xa00 + 16 * (size_t)(n)) /* the processor's; then the context's */

/* What a held operation of several chunks writes, none of which is a place. */
#define MIDDLE_PAGE  150u
#define MIDDLE_LEN   (3 * (size_t)DMIRAGE_CHUNK)
#define MIDDLE_VALUE 0x3d3d3d3d3d3d3d3dull
#define HELD_VALUE   0x4e1d4e1d4e1d4e1dull

static const unsigned int places[] = { 0, 1, 2, 100, 255, 256, 400, 510, 511 };
const unsigned int seed_probed[] = { 0, 1, 255, 511 };

static const char *const order_names[SEED_ORDERS] = {
	[SEED_FREE] = "free",	  [SEED_WALK] = "walk",		[SEED_TRANSLATED] = "translated",
	[SEED_MIDDLE] = "middle", [SEED_COMPLETE] = "complete",
};

static const char *const mode_names[SEED_MODES] = {
	[DMIRAGE_MODE_MIRROR] = "mirror",
	[DMIRAGE_MODE_PINNED] = "pinned",
	[DMIRAGE_MODE_SHARED] = "shared",
	[SEED_MODE_BOTH] = "both",
};

/* Memory that a child has, too. */
static void *get_common(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT(p != MAP_FAILED);
	return p;
}

/* ---- Before -------------------------------------------------------------------- */

struct seed *seed_new(enum seed_order order)
{
	struct seed *s = get_common(sizeof(*s));

	s->order = order;
	s->scratch = get_common(PROBE_2M);
	s->right = get_common(SEED_PIECES * PROBE_2M);
	s->held_page = 511;
	return s;
}

void seed_memory(struct seed *s, enum probe_kind kind)
{
	s->mem = get_mem(kind, PROBE_2M);
	seed_piece(s, s->mem.addr);
}

void seed_piece(struct seed *s, u8 *addr)
{
	ASSERT(s->pieces < SEED_PIECES);
	s->piece[s->pieces++] = addr;
}

struct dmirage *seed_context(struct seed *s, unsigned int mode, bool watch, pid_t pid)
{
	struct seed_context *c = &s->context[s->contexts];

	ASSERT(s->contexts < SEED_CONTEXTS);
	c->watched = watch && can_watch();
	c->d = open_attached(pid, mode, c->watched ? DMIRAGE_OPEN_WATCH : 0);
	c->mode = mode;
	s->contexts++;
	return c->d;
}

void seed_contexts(struct seed *s, unsigned int mode)
{
	switch (mode) {
	case DMIRAGE_MODE_PINNED:
		seed_context(s, mode, false, 0);
		break;
	case SEED_MODE_BOTH:
		seed_context(s, DMIRAGE_MODE_PINNED, false, 0);
		seed_context(s, DMIRAGE_MODE_MIRROR, true, 0);
		break;
	default:
		seed_context(s, mode, false, 0);
		seed_context(s, mode, true, 0);
	}
}

void seed_gone(struct seed *s, unsigned int page, unsigned int n)
{
	memset(&s->gone[page], true, n);
}

u8 *seed_page(const struct seed *s, unsigned int page)
{
	return s->piece[page / SEED_PAGES] + page % SEED_PAGES * PROBE_4K;
}

u8 *seed_right(const struct seed *s, unsigned int page)
{
	return s->right + page * PROBE_4K;
}

static void choose_places(struct seed *s)
{
	unsigned int i, k, page;

	for (i = 0; i < s->pieces; i++) {
		for (k = 0; k < ARRAY_SIZE(places); k++) {
			page = i * SEED_PAGES + places[k];
			if (!s->gone[page])
				s->place[s->places++] = page;
		}
	}
	ASSERT(s->places);
}

/* The device has all of a piece, in its table or in its cache as well. */
static void use_all(struct seed *s, struct seed_context *c, u8 *piece)
{
	struct dmirage_sqe sqe;
	uint64_t done;

	if (c->mode == DMIRAGE_MODE_PINNED) {
		uint32_t id;

		ASSERT_OK(dmirage_region_add(c->d, piece, PROBE_2M, DMIRAGE_REGION_WRITE, &id));
	}
	if (c == &s->context[0] && s->order == SEED_WALK) {
		if (c->mode == DMIRAGE_MODE_MIRROR)
			ASSERT_OK(dmirage_prefetch(c->d, piece, PROBE_2M, DMIRAGE_PREFETCH_WRITE,
						   &done));
		return;
	}
	dmirage_prep_touch_write(&sqe, 1, piece, PROBE_2M);
	expect_op(c->d, &sqe, DMIRAGE_ST_OK);
}

void seed_fill(struct seed *s)
{
	size_t words = s->pieces * PROBE_2M / 8, i;
	unsigned int n, k;
	u64 *right = (u64 *)s->right;

	for (i = 0; i < words; i++)
		right[i] = (i + 1) * 0x9e3779b97f4a7c15ull;
	choose_places(s);
	for (n = 0; n < SEED_WRITERS; n++) {
		for (k = 0; k < s->places; k++)
			cpu_write(seed_right(s, s->place[k]) + SEED_WRITER_AT(n), 0);
	}
	for (n = 0; n < s->pieces; n++) {
		memcpy(s->piece[n], s->right + n * PROBE_2M, PROBE_2M);
		for (k = 0; k < s->contexts; k++)
			use_all(s, &s->context[k], s->piece[n]);
	}
}

void seed_start(struct seed *s)
{
	unsigned int i;

	seed_fill(s);
	for (i = 0; i < SEED_CPUS; i++)
		seed_writer_add(s, NULL);
	for (i = s->order == SEED_FREE ? 0 : 1; i < s->contexts; i++)
		seed_writer_add(s, s->context[i].d);
	seed_writers_start(s);
}

/* ---- Meanwhile ------------------------------------------------------------------- */

static bool is_held(struct dmirage *d)
{
	return file_says(d, "hold", "", "held");
}

/* An access of the first context, and it is where the order wants it. */
static void hold_access(struct seed *s)
{
	static const char *const points[SEED_ORDERS] = {
		[SEED_WALK] = "walk",
		[SEED_TRANSLATED] = "translated",
		[SEED_MIDDLE] = "middle",
		[SEED_COMPLETE] = "complete",
	};
	unsigned int middle = s->held_page / SEED_PAGES * SEED_PAGES + MIDDLE_PAGE;
	u8 *p = seed_page(s, s->held_page) + HELD_AT, *part = seed_page(s, middle);
	struct dmirage *d = s->context[0].d;
	struct dmirage_sqe sqe;

	dmirage_prep_write_imm(&sqe, 1, p, HELD_VALUE, 8);
	cpu_write(seed_right(s, s->held_page) + HELD_AT, HELD_VALUE);
	if (s->order == SEED_MIDDLE) {
		dmirage_prep_fill(&sqe, 1, part, MIDDLE_VALUE, MIDDLE_LEN);
		memset(seed_right(s, middle), (int)(MIDDLE_VALUE & 0xff), MIDDLE_LEN);
		cpu_write(seed_right(s, s->held_page) + HELD_AT, cpu_read(p));
	}
	arm_hold_long(d, points[s->order]);
	submit(d, &sqe);
	wait_held(d);
	if (s->order == SEED_MIDDLE) {
		EXPECT_EQ(cpu_read(part), MIDDLE_VALUE);
		EXPECT_NE(cpu_read(part + MIDDLE_LEN - 8), MIDDLE_VALUE);
	} else {
		EXPECT_EQ(cpu_read(p) == HELD_VALUE, s->order == SEED_COMPLETE);
	}
}

static void let_go(struct seed *s)
{
	struct seed_context *c = &s->context[0];
	struct dmirage_cqe cqe;

	if (s->order != SEED_TRANSLATED) {
		/* It has latched nothing: nobody has waited for it. */
		EXPECT(is_held(c->d));
		EXPECT_EQ(get_counters(c->d).drained, c->before.drained);
	} else if (c->mode != DMIRAGE_MODE_PINNED && !c->unflushed) {
		EXPECT_GE(get_counters(c->d).drained, c->before.drained + 1);
	}
	if (is_held(c->d))
		release_hold(c->d);
	cqe = complete(c->d);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, s->order == SEED_MIDDLE ? MIDDLE_LEN : 8);
}

void seed_do(struct seed *s, void (*act)(struct seed *s))
{
	bool hold = s->order != SEED_FREE && !s->held;
	unsigned int i;

	/* It has used the memory since the last time, too. */
	if (s->held)
		dev_read(s->context[0].d, seed_page(s, s->held_page));
	for (i = 0; i < s->contexts; i++)
		s->context[i].before = get_counters(s->context[i].d);
	if (hold)
		hold_access(s);
	act(s);
	if (hold)
		let_go(s);
	s->held |= hold;
	seed_writers_go_on(s, SEED_BATCH + 1);
	for (i = 0; i < s->contexts; i++) {
		struct seed_context *c = &s->context[i];

		if (c->mode != DMIRAGE_MODE_PINNED && !c->unflushed)
			EXPECT_GE(get_counters(c->d).flushes, c->before.flushes + 1);
	}
}

void seed_move(struct seed *s)
{
	s->node = !s->node;
	move_mem(&s->mem, s->node);
}

int seed_ask_to_move(void *addr, int node)
{
	int status = -EAGAIN;

	if (syscall(SYS_move_pages, 0, 1ul, &addr, &node, &status, MPOL_MF_MOVE_ALL) < 0)
		return -errno;
	return status;
}

void seed_fork(struct seed *s)
{
	static u8 then[PROBE_2M];
	int go[2], ready[2];
	char c = 0;

	ASSERT_SYS(pipe2(go, O_CLOEXEC));
	ASSERT_SYS(pipe2(ready, O_CLOEXEC));
	s->child = fork();
	ASSERT(s->child >= 0);
	if (!s->child) {
		close(go[1]);
		memcpy(then, s->mem.addr, PROBE_2M);
		if (write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(2);
		_exit(memcmp(then, s->mem.addr, PROBE_2M) ? SEED_FORK_CHANGED : 0);
	}
	close(go[0]);
	close(ready[1]);
	ASSERT_EQ(read(ready[0], &c, 1), 1);
	close(ready[0]);
	s->child_go = go[1];
}

int seed_fork_end(struct seed *s)
{
	ASSERT_EQ(write(s->child_go, "g", 1), 1);
	close(s->child_go);
	return wait_child(s->child);
}

/* ---- After ----------------------------------------------------------------------- */

/* The words of a context, on a page. */
static void put_probe(struct seed *s, unsigned int page, size_t at, u64 value)
{
	cpu_write(seed_right(s, page) + at, value);
}

unsigned int seed_probe(struct seed *s, struct dmirage *d)
{
	unsigned int c = 0, pages = s->pieces * ARRAY_SIZE(seed_probed), i, k, stale = 0;
	u64 value = ++s->round << 32;
	size_t at;

	while (s->context[c].d != d)
		c++;
	at = PROBE_AT(c);
	/*
	 * The first page comes last: a device that faults there may get all of the huge
	 * page again.  What is stale goes to pages that may be anybody's: at once, and
	 * little.
	 */
	for (i = pages; i--;) {
		unsigned int page = i / ARRAY_SIZE(seed_probed) * SEED_PAGES +
				    seed_probed[i % ARRAY_SIZE(seed_probed)];
		u8 *p = seed_page(s, page) + at;

		if (s->gone[page])
			continue;
		cpu_write(p, value + 2 * i);
		dev_write(d, p + 8, value + 2 * i + 1);
		for (k = 0; k < 2; k++)
			put_probe(s, page, at + 8 * k, value + 2 * i + k);
		if (dev_read(d, p) != value + 2 * i || cpu_read(p + 8) != value + 2 * i + 1)
			stale |= 1u << i;
	}
	return stale;
}

/* One line for the first difference, and how many pages differ. */
static void compare(const struct seed *s, unsigned int piece, const u8 *is, const char *who)
{
	unsigned int page, pages = 0, first = 0;
	size_t at = 0;

	for (page = piece * SEED_PAGES; page < (piece + 1) * SEED_PAGES; page++) {
		const u8 *a = is + page % SEED_PAGES * PROBE_4K, *b = seed_right(s, page);

		if (s->gone[page] || !memcmp(a, b, PROBE_4K) || pages++)
			continue;
		first = page;
		while (cpu_read(a + at) == cpu_read(b + at))
			at += 8;
	}
	if (!pages)
		return;
	is += first % SEED_PAGES * PROBE_4K + at;
	ktap_fail(__FILE__, __LINE__,
		  "%s: %u pages are wrong, the first is %u at 0x%zx: 0x%llx instead of 0x%llx", who,
		  pages, first, at, cpu_read(is), cpu_read(seed_right(s, first) + at));
}

/* All of a piece as the device sees it, but for what is gone. */
static void copy_piece(struct seed *s, struct dmirage *d, unsigned int piece)
{
	const bool *gone = s->gone + piece * SEED_PAGES;
	struct dmirage_sqe sqe;
	unsigned int from, to;

	for (from = 0; from < SEED_PAGES; from = to + 1) {
		for (to = from; to < SEED_PAGES && !gone[to]; to++)
			;
		if (from == to)
			continue;
		dmirage_prep_copy(&sqe, 1, s->scratch + from * PROBE_4K,
				  s->piece[piece] + from * PROBE_4K, (to - from) * PROBE_4K);
		expect_op(d, &sqe, DMIRAGE_ST_OK);
	}
}

static void expect_right(struct seed *s, struct seed_context *c)
{
	struct dmirage_audit_range audit;
	unsigned int i, translations = 0;
	uint32_t id;

	if (c->mode == DMIRAGE_MODE_PINNED)
		ASSERT_OK(dmirage_region_add(c->d, s->scratch, PROBE_2M, DMIRAGE_REGION_WRITE,
					     &id));
	for (i = 0; i < s->pieces; i++) {
		copy_piece(s, c->d, i);
		compare(s, i, s->scratch, "a context");
		ASSERT_OK(dmirage_audit(c->d, s->piece[i], PROBE_2M, &audit));
		EXPECT_EQ(audit.violations, 0);
		translations += audit.translations;
	}
	EXPECT_GE(translations, 1);
	/* In shared mode to be sure would take seconds: watch_shared has the time. */
	if (c->watched && c->mode == DMIRAGE_MODE_MIRROR) {
		expect_unseen(c->d);
		return;
	}
	if (c->watched) {
		EXPECT_EQ(counter(c->d, "watch_violations"), 0);
		EXPECT_EQ(counter(c->d, "watch_refused"), 0);
	}
	expect_clean(c->d);
}

void seed_end(struct seed *s)
{
	unsigned int i;

	seed_writers_end(s);
	for (i = 0; i < s->contexts; i++)
		EXPECT_EQ(seed_probe(s, s->context[i].d), 0);
	for (i = 0; i < s->pieces; i++)
		compare(s, i, s->piece[i], "a processor");
	for (i = 0; i < s->contexts; i++)
		expect_right(s, &s->context[i]);
}

void seed_expect_size(struct seed *s, unsigned int page, size_t size)
{
	struct tlb_line line;
	unsigned int i;

	for (i = 0; i < s->contexts; i++) {
		struct dmirage *d = s->context[i].d;
		u8 *p = seed_page(s, page);

		dev_read(d, p);
		ASSERT(in_iotlb(d, p, &line));
		if (!(get_info(d).caps & DMIRAGE_CAP_FRACTURE))
			EXPECT_EQ(line.size, size);
		EXPECT_EQ(line.pa + ((uintptr_t)p & (line.size - 1)), frame_of(p));
	}
}

/* ---- The table of tests ------------------------------------------------------------ */

#define MAX_TESTS 96

static const struct seed_test *scenarios;

static void run(int arg)
{
	const struct seed_test *t = &scenarios[arg >> 8];

	t->run((unsigned int)arg >> 4 & 15, arg & 15, t->arg);
}

int seed_main(int argc, char **argv, const struct seed_test *tests, unsigned int n,
	      const struct ktap_test *more, unsigned int n_more)
{
	static struct ktap_test all[MAX_TESTS];
	static char names[MAX_TESTS][64];
	unsigned int i, mode, order, k = 0;

	scenarios = tests;
	for (i = 0; i < n; i++) {
		for (mode = 0; mode < SEED_MODES; mode++) {
			for (order = 0; order < SEED_ORDERS; order++) {
				if (!(tests[i].modes >> mode & 1) ||
				    !(tests[i].orders >> order & 1) || k + n_more >= MAX_TESTS)
					continue;
				snprintf(names[k], sizeof(names[k]), "%s:%s:%s", tests[i].name,
					 mode_names[mode], order_names[order]);
				all[k] = (struct ktap_test){ names[k], run,
							     (int)(i << 8 | mode << 4 | order), 0 };
				k++;
			}
		}
	}
	for (i = 0; i < n_more; i++)
		all[k++] = more[i];
	return ktap_main(argc, argv, all, k, reserve_huge_pages);
}
