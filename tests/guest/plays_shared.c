// SPDX-License-Identifier: GPL-2.0
/* What it takes for the mutants of the kernel's flushes to show, in shared mode. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "play.h"

/* ---- Memory of one's own -------------------------------------------------------- */

static void make(struct place *at, enum probe_kind kind)
{
	at->mem = get_mem(kind, PROBE_2M);
	place_add_all(at, at->mem.addr, PROBE_2M);
	at->stale = at->mem.addr;
	at->len = PROBE_2M;
}

static void make_4k(struct place *at)
{
	make(at, PROBE_KIND_4K);
}

static void make_thp(struct place *at)
{
	make(at, PROBE_KIND_THP);
}

static void make_hugetlb(struct place *at)
{
	make(at, PROBE_KIND_HUGETLB);
}

static void act_move(struct place *at)
{
	move_mem(&at->mem, 1);
}

/* The child has the page, too, until it is killed. */
static void make_forked(struct place *at)
{
	make(at, PROBE_KIND_4K);
	at->child = fork();
	ASSERT_SYS(at->child);
	while (!at->child)
		pause();
	at->pages = 1;
	at->len = PROBE_4K;
}

static void act_copy(struct place *at)
{
	cpu_write(at->mem.addr, 1);
}

/* ---- Page tables that two processes share ------------------------------------------ */

static const unsigned int pages[] = { 0, 1, 2 };

static void make_shared(struct place *at)
{
	place_share(at, 1, pages, ARRAY_SIZE(pages));
	at->stale = at->shared.addr + PROBE_2M;
	at->len = PROBE_2M;
}

/*
 * The first page is dropped, and with it the table, of all three.  The second page goes
 * to another user, so that there is a new one in its place.
 */
static void act_unshare(struct place *at)
{
	u8 *second = at->shared.addr + PROBE_2M;
	u64 frame = frame_of(second);

	ASSERT_SYS(madvise(at->shared.addr, PROBE_2M, MADV_DONTNEED));
	ASSERT_SYS(fallocate(at->shared.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PROBE_2M,
			     PROBE_2M));
	at->mem = get_mem(PROBE_KIND_HUGETLB, PROBE_2M);
	cpu_write(second, 1);
	EXPECT_NE(frame_of(second), frame);
}

static void act_protect(struct place *at)
{
	ASSERT_SYS(mprotect(at->shared.addr, at->shared.len, PROT_READ));
}

/* ---- The table ---------------------------------------------------------------------------- */

#define SHARED	.mode = DMIRAGE_MODE_SHARED
#define BOTH	(BY_ACCESS | BY_AUDIT)

const struct play plays_shared[] = {
	{ .name = "unshare-no-flush", SHARED, .make = make_shared, .act = act_unshare, .by = BOTH },
	{ .name = "numa-thp", SHARED, .make = make_thp, .act = act_move, .by = BOTH },
	/* what is not there any more only a watch may judge */
	{ .name = "shared-pmd-flush", SHARED, .make = make_shared, .act = act_protect, .writes = true },
	{ .name = "cow-no-flush", SHARED, .make = make_forked, .act = act_copy, .by = BOTH },
	{ .name = "range-end-silent", SHARED, .make = make_hugetlb, .act = act_move, .by = BOTH },
	{ .name = "no-secondary", SHARED, .make = make_4k, .act = act_move, .by = BOTH },
	{ .name = "arch-silent", SHARED, .make = make_4k, .act = act_move, .by = BOTH },
};

const unsigned int plays_shared_count = ARRAY_SIZE(plays_shared);
