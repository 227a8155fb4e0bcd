// SPDX-License-Identifier: GPL-2.0
/* Rows: pages that get another frame, by migration. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "block.h"
#include "group.h"
#include "newer.h"
#include "rows.h"
#include "settings.h"
#include "watched.h"

#define MOVE_MS	      4000
#define HINTS_MS      8000
#define PAGES_AT_ONCE 512

#define NOT_ZERO                                                                 \
	{                                                                        \
		ZERO_COLUMNS, "the zero page is nobody's, and stays where it is" \
	}
#define NOT_OUT                                 \
	{                                       \
		OF(SWAPPED), "there is no page" \
	}
#define MOVABLE (ALL_COLUMNS & ~(ZERO_COLUMNS | OF(SWAPPED)))

/* Node 0 or 1, where the area is not. */
static int other_node(struct cell *c)
{
	struct probe_page page;

	ASSERT_PROBE(probe_page(c->area.addr, &page));
	ASSERT(page.node == 0 || page.node == 1);
	return 1 - page.node;
}

/* One event for each page; but the first one is about all of a table that is shared. */
static void moved(struct cell *c)
{
	cell_all(c, cell_migrated(c));
	c->absent = cell_is(c, OF(HUGETLB_PMD));
	if (c->absent)
		c->flushes = FLUSHES_SOME;
}

/* ---- Asked for --------------------------------------------------------------------------- */

/* All pages that are there, to a node; false: not all of them went. */
static bool move_area(struct cell *c, int to)
{
	void *page[PAGES_AT_ONCE];
	int node[PAGES_AT_ONCE], status[PAGES_AT_ONCE];
	size_t step = c->column->unit, n = 0, at;
	bool all = true;
	u64 frame;

	/* Of pages that are merged into one, one is all. */
	if (cell_is(c, OF(KSM)))
		step = c->area.len;
	for (at = 0; at < c->area.len && n < PAGES_AT_ONCE; at += step) {
		if (!area_frame(c->area.addr + at, &frame))
			continue;
		page[n] = c->area.addr + at;
		node[n] = to;
		status[n++] = -1;
	}
	(void)!syscall(SYS_move_pages, 0, n, page, node, status, MPOL_MF_MOVE_ALL);
	for (at = 0; at < n; at++)
		all &= status[at] == to;
	return all;
}

static void act_move_pages(struct cell *c)
{
	EXPECT_EQ(move_area(c, other_node(c)), !is_pinned(c));
	moved(c);
}

/*
 * A device that keeps a large translation as many small ones has to be told of all of
 * them: the machine's second device is such a one.
 */
#define FRACTURING "/dev/dmirage1"

static void run_fractured(struct cell *c)
{
	const struct dmirage_open_opts opts = { .mode = c->mode };
	struct dmirage_audit_range r;
	unsigned int i;

	if (dmirage_open(FRACTURING, &opts, &c->plain))
		SKIP("the machine has no second device, that keeps large translations in parts");
	for (i = 0; i < PLACES; i++) {
		if (c->write)
			dev_write(c->plain, c->place[i].p, ++c->place[i].value);
		EXPECT_EQ(dev_read(c->plain, c->place[i].p), c->place[i].value);
		area_frame(c->place[i].p, &c->place[i].frame);
	}
	act_move_pages(c);
	for (i = 0; i < PLACES; i++) {
		cpu_write(c->place[i].p, c->place[i].value += 0x100);
		area_frame(c->place[i].p, &c->place[i].now);
		EXPECT_NE(c->place[i].now, c->place[i].frame);
	}
	for (i = 0; i < PLACES; i++)
		EXPECT_EQ(dev_read(c->plain, c->place[i].p), c->place[i].value);
	ASSERT_OK(dmirage_audit(c->plain, c->area.addr, c->area.len, &r));
	EXPECT_EQ(r.violations, 0);
	EXPECT_EQ(get_counters(c->plain).violations, 0);
	cell_report(c->plain);
}

static void act_migrate_pages(struct cell *c)
{
	int to = other_node(c);
	unsigned long from_mask = 1ul << (1 - to), to_mask = 1ul << to;

	(void)!syscall(SYS_migrate_pages, 0, 8 * sizeof(from_mask), &from_mask, &to_mask);
	moved(c);
}

static void act_mbind(struct cell *c)
{
	unsigned long mask = 1ul << other_node(c);

	(void)!syscall(SYS_mbind, c->area.addr, c->area.len, MPOL_BIND, &mask, 8 * sizeof(mask),
		       MPOL_MF_MOVE_ALL);
	moved(c);
}

static void first_cpuset(struct cell *c)
{
	(void)c;
	group_enter("cpuset");
	ASSERT_EQ(group_put("cpuset.mems", "0-1"), 0);
}

static void act_cpuset(struct cell *c)
{
	ASSERT_EQ(group_put("cpuset.mems", other_node(c) ? "1" : "0"), 0);
	if (!is_pinned(c))
		ASSERT(cell_wait(c, cell_frames_changed, MOVE_MS));
	moved(c);
}

/* ---- The kernel's own idea ------------------------------------------------------------------ */

/* It moves pages from the bottom of a node up into gaps, so it takes both. */
#define FILLER_LEN (128 * PROBE_2M)

struct block {
	u8 *at;
	u64 frame;
};

static int by_frame(const void *a, const void *b)
{
	const struct block *x = a, *y = b;

	return x->frame < y->frame ? -1 : x->frame > y->frame;
}

/*
 * The block of 2 MiB that becomes the area: one of the lowest, but not of those few that
 * may be in another zone than most.
 */
static u8 *low_block(u8 *map)
{
	static struct block block[FILLER_LEN / PROBE_2M];
	unsigned int i, middle;

	for (i = 0; i < ARRAY_SIZE(block); i++) {
		block[i].at = map + i * PROBE_2M;
		ASSERT(area_frame(block[i].at, &block[i].frame));
	}
	qsort(block, ARRAY_SIZE(block), sizeof(block[0]), by_frame);
	middle = ARRAY_SIZE(block) / 2;
	for (i = 0; block[middle].frame - block[i].frame > PROBE_1G / 2; i++)
		;
	return block[i + (middle - i) / 8].at;
}

static u8 *filler;

/* Where the area was taken from there is nothing. */
static void make_gaps(size_t at, size_t step)
{
	for (; at < FILLER_LEN; at += step)
		(void)!madvise(filler + at, PROBE_4K, MADV_DONTNEED);
}

/* Small pages all over the node; of those that do not become the area each second goes. */
static void before_compact(struct cell *c)
{
	unsigned long mask = 1;
	u8 *map, *best;
	size_t at;

	/* What is freed is to be free, and not kept by a processor for later. */
	setting_put("/proc/sys/vm/percpu_pagelist_high_fraction", "10000");
	map = mmap(NULL, FILLER_LEN + PROBE_2M, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT(map != MAP_FAILED);
	map = (u8 *)(((uintptr_t)map + PROBE_2M - 1) & ~(PROBE_2M - 1));
	ASSERT_SYS(madvise(map, FILLER_LEN, MADV_NOHUGEPAGE));
	ASSERT_SYS(syscall(SYS_mbind, map, FILLER_LEN, MPOL_BIND, &mask, 8 * sizeof(mask), 0));
	for (at = 0; at < FILLER_LEN; at += PROBE_4K)
		cpu_write(map + at, c->area.value);
	best = low_block(map);
	ASSERT(mremap(best, PROBE_2M, PROBE_2M, MREMAP_MAYMOVE | MREMAP_FIXED, c->area.addr) ==
	       c->area.addr);
	c->column->is_right(&c->area);
	cell_places(c);
	filler = map;
	make_gaps(0, 2 * PROBE_4K);
}

static bool any_changed(struct cell *c)
{
	unsigned int i;
	u64 frame;

	for (i = 0; i < PLACES; i++) {
		if (area_frame(c->place[i].p, &frame) && frame != c->place[i].frame)
			return true;
	}
	return false;
}

/* Which ones are moved is the kernel's choice. */
static void some_moved(struct cell *c)
{
	unsigned int n;
	u64 frame;

	for (n = 0; n < PLACES; n++) {
		area_frame(c->place[n].p, &frame);
		if (frame != c->place[n].frame && !is_pinned(c))
			c->place[n].state = PLACE_MOVED;
	}
}

/* It ends when all gaps are filled, by pages further down; then there have to be more. */
static bool compacted(struct cell *c)
{
	static size_t next = PROBE_4K;

	ASSERT_EQ(put_text("/sys/devices/system/node/node0/compact", "1"), 0);
	if (any_changed(c))
		return true;
	make_gaps(next, 16 * PROBE_4K);
	next += 2 * PROBE_4K;
	return false;
}

static void act_compact(struct cell *c)
{
	if (is_pinned(c))
		compacted(c);
	else
		ASSERT(cell_wait(c, compacted, MOVE_MS));
	some_moved(c);
}

/* What a node gives away next is taken, until the cell ends. */
#define TAKEN (4ul << 20)

static void take_of(int node)
{
	unsigned long mask = 1ul << node;
	size_t at;
	u8 *map;

	map = mmap(NULL, TAKEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(map != MAP_FAILED);
	ASSERT_SYS(madvise(map, TAKEN, MADV_NOHUGEPAGE));
	ASSERT_SYS(syscall(SYS_mbind, map, TAKEN, MPOL_BIND, &mask, 8 * sizeof(mask), 0));
	for (at = 0; at < TAKEN; at += PROBE_4K)
		cpu_write(map + at, 1);
}

static void before_offline(struct cell *c)
{
	unsigned int tries, i, bad = 1;
	u64 frame;

	if (!block_size())
		SKIP("memory cannot be taken offline on this kernel");
	for (tries = 0; bad && tries < 8; tries++) {
		for (i = bad = 0; i < PLACES; i++)
			bad += area_frame(c->place[i].p, &frame) && in_last_block(frame);
		if (bad) {
			take_of(other_node(c));
			move_area(c, other_node(c));
		}
	}
	ASSERT_EQ(bad, 0);
}

static char blocks[PLACES][64];

/* The block of memory that the frame is in goes offline, with all that is in it. */
static void offline(u64 frame, unsigned int i)
{
	u64 end = now_ms() + MOVE_MS * ktap_scale();
	int err;

	block_path(blocks[i], sizeof(blocks[i]), frame);
	do {
		err = setting_change(blocks[i], "offline", "online_movable");
	} while ((err == EBUSY || err == EAGAIN) && now_ms() < end);
	if (err == EINVAL || err == ENOENT || err == EACCES)
		SKIP("the page is not in memory that can be taken offline");
	ASSERT_EQ(err, 0);
}

static void act_offline(struct cell *c)
{
	unsigned int i;
	u64 frame;

	for (i = 0; i < PLACES; i++) {
		ASSERT(area_frame(c->place[i].p, &frame));
		if (frame == c->place[i].frame)
			offline(frame, i);
	}
	moved(c);
}

static bool used_and_moved(struct cell *c)
{
	u64 end = now_ms() + 20;
	size_t at;

	for (at = 0; at < c->area.len; at += c->column->unit)
		(void)cpu_read(c->area.addr + at);
	/* It is looked for after some time of work. */
	while (now_ms() < end)
		;
	return any_changed(c);
}

/* The process runs on the other node, and its memory is to follow. */
static void act_hints(struct cell *c)
{
	stay_on(1);
	setting_put("/proc/sys/kernel/numa_balancing", "1");
	/* It is asked only what a process accesses, so it must do so. */
	if (is_pinned(c)) {
		cell_wait(c, used_and_moved, 500);
		return;
	}
	ASSERT(cell_wait(c, used_and_moved, HINTS_MS));
	ASSERT_EQ(put_text("/proc/sys/kernel/numa_balancing", "0"), 0);
	some_moved(c);
}

/* ---- Bad memory --------------------------------------------------------------------------------- */

/* What is wrong with the memory that a place is in, for the kernel. */
static struct part poisoned_part(const struct cell *c)
{
	if (cell_is(c, HUGETLB_COLUMNS))
		return (struct part){ 0, c->column->unit };
	return (struct part){ PART, PROBE_4K };
}

static void act_soft_offline(struct cell *c)
{
	struct part part = poisoned_part(c);
	int ret = madvise(c->area.addr + PART, PROBE_4K, MADV_SOFT_OFFLINE);

	if (ret && errno == EINVAL)
		SKIP("the kernel cannot be told of bad memory");
	c->absent = cell_is(c, OF(HUGETLB_PMD));
	if (is_pinned(c)) {
		EXPECT(ret);
		return;
	}
	ASSERT_SYS(ret);
	cell_part(c, part.at, part.len,
		  cell_is(c, FILE_COLUMNS | OF(SHMEM_THP)) ? PLACE_RENEWED : PLACE_MOVED);
	cell_rest_split(c);
}

/* The kernel tells a process that data of its is lost, before it uses it. */
static void data_lost(int sig)
{
	(void)sig;
}

/* The kernel may not get it out of the page table. */
static void poisoned_and_pinned(struct cell *c)
{
	unsigned int i;
	u64 frame;

	for (i = 0; i < PLACES; i++)
		c->place[i].state = area_frame(c->place[i].p, &frame) ? PLACE_SAME : PLACE_GONE;
}

static void act_hwpoison(struct cell *c)
{
	const struct sigaction sa = { .sa_handler = data_lost };
	struct part part = poisoned_part(c);

	if (is_pinned(c) && cell_is(c, OF(THP) | OF(MTHP) | OF(SHMEM_THP)))
		SKIP("what is pinned cannot be split, so the next one to get the huge page has the "
		     "bad one");
	ASSERT_SYS(sigaction(SIGBUS, &sa, NULL));
	if (cell_is(c, FILE_COLUMNS))
		ASSERT_SYS(fsync(c->area.fd));
	if (madvise(c->area.addr + PART, PROBE_4K, MADV_HWPOISON)) {
		if (errno == EINVAL)
			SKIP("the kernel cannot be told of bad memory");
		EXPECT(is_pinned(c));
	}
	if (is_pinned(c)) {
		poisoned_and_pinned(c);
		return;
	}
	/* What is on the disk, too, is read again; the rest is lost. */
	cell_part(c, part.at, part.len, cell_is(c, FILE_COLUMNS) ? PLACE_RENEWED : PLACE_GONE);
	cell_rest_split(c);
}

const struct row rows_move[] = {
	{
		.name = "move-pages",
		.what = "move_pages() to the other node",
		.columns = MOVABLE,
		.except = { NOT_ZERO, NOT_OUT },
		.flushes = FLUSHES_UNITS,
		.act = act_move_pages,
	},
	{
		.name = "move-fractured",
		.what = "move_pages() under a device that keeps large translations in parts",
		.columns = HUGETLB_COLUMNS | OF(THP) | OF(SHMEM_THP),
		.modes = 1 << DMIRAGE_MODE_PINNED,
		.no_mode = "pinned pages are not moved: see move-pages",
		.except = { NOT_ZERO, NOT_OUT },
		.else_why = "a small translation has no parts: see move-pages",
		.run = run_fractured,
	},
	{
		.name = "migrate-pages",
		.what = "migrate_pages(): all of the process's, to the other node",
		.columns = MOVABLE,
		.except = { NOT_ZERO, NOT_OUT },
		.flushes = FLUSHES_UNITS,
		.act = act_migrate_pages,
	},
	{
		.name = "mbind",
		.what = "mbind(MPOL_MF_MOVE_ALL) to the other node",
		.columns = MOVABLE,
		.except = { NOT_ZERO, NOT_OUT },
		.flushes = FLUSHES_UNITS,
		.act = act_mbind,
	},
	{
		.name = "cpuset",
		.what = "cpuset.mems of the process's control group, to the other node",
		.columns = MOVABLE,
		.except = { NOT_ZERO, NOT_OUT },
		.flushes = FLUSHES_UNITS,
		.first = first_cpuset,
		.act = act_cpuset,
	},
	{
		.name = "compact",
		.what = "compaction of a node whose memory has gaps",
		.columns = OF(4K),
		.else_why = "which pages it moves is the kernel's choice; here it is forced for small "
			    "anonymous ones",
		.flushes = FLUSHES_UNITS,
		.before = before_compact,
		.act = act_compact,
	},
	{
		.name = "offline",
		.what = "the block of memory that it is in is taken offline",
		.columns = MOVABLE & ~HUGETLB_COLUMNS,
		.modes = 1 << DMIRAGE_MODE_PINNED,
		.no_mode = "memory that can be taken offline is not pinned for long",
		.except = { NOT_ZERO,
			    NOT_OUT,
			    { HUGETLB_COLUMNS, "the huge pages here are kept out of the memory that can "
					       "be taken offline: 6.1 could not pin them" } },
		.flushes = FLUSHES_UNITS,
		.before = before_offline,
		.act = act_offline,
	},
	{
		.name = "numa-hints",
		.what = "NUMA balancing: memory follows a process to its node",
		.columns = ANON_COLUMNS,
		.except = { NOT_ZERO, NOT_OUT },
		.else_why = "what may be used by several processes is left where it is, or not soon",
		.flushes = FLUSHES_ANY,
		.limit = 30,
		.act = act_hints,
	},
	{
		.name = "soft-offline",
		.what = "madvise(MADV_SOFT_OFFLINE): a page may become bad",
		.columns = MOVABLE & ~(OF(HUGETLB_1G) | OF(KSM)),
		.except = { NOT_ZERO,
			    NOT_OUT,
			    { OF(HUGETLB_1G), "there are not enough pages of 1 GiB to lose one" },
			    { OF(KSM), "all that share the page would lose it" } },
		.flushes = FLUSHES_SOME,
		.act = act_soft_offline,
	},
	{
		.name = "hwpoison",
		.what = "madvise(MADV_HWPOISON): a page is bad",
		.columns = MOVABLE & ~(OF(HUGETLB_1G) | OF(KSM)),
		.except = { NOT_ZERO,
			    NOT_OUT,
			    { OF(HUGETLB_1G), "there are not enough pages of 1 GiB to lose one" },
			    { OF(KSM), "all that share the page would lose it" } },
		.flushes = FLUSHES_SOME,
		.act = act_hwpoison,
	},
	{ 0 }
};
