// SPDX-License-Identifier: GPL-2.0
/* Rows: pages that are thrown away, put aside, or meant to be soon. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "group.h"
#include "newer.h"
#include "rows.h"

#define RECLAIM_MS 4000

#define NOT_HUGETLB                                                \
	{                                                          \
		HUGETLB_COLUMNS, "hugetlb memory is not reclaimed" \
	}
#define NOT_ZERO                                                                 \
	{                                                                        \
		ZERO_COLUMNS, "the zero page is nobody's, and stays where it is" \
	}
#define SWAPPABLE (ANON_COLUMNS | SHMEM_COLUMNS)

static void advise(struct cell *c, size_t at, size_t len, int advice)
{
	if (!madvise(c->area.addr + at, len, advice))
		return;
	if (errno == EINVAL && cell_is(c, HUGETLB_COLUMNS) && kernel_version() < 518)
		SKIP("the kernel does so with hugetlb memory since 5.18");
	ASSERT_SYS(-1);
}

/* What a mapping has when its page is thrown away: the file's, or nothing. */
static void dropped(struct cell *c, size_t at, size_t len)
{
	if (cell_is(c, PRIVATE_COLUMNS))
		cell_part_replaced(c, at, len, c->area.backing);
	else
		cell_part(c, at, len, PLACE_DROPPED);
}

/* ---- Thrown away ------------------------------------------------------------------- */

static void act_dontneed(struct cell *c)
{
	advise(c, 0, c->area.len, MADV_DONTNEED);
	dropped(c, 0, c->area.len);
}

static void act_dontneed_part(struct cell *c)
{
	struct part part = cell_a_part(c);

	advise(c, part.at, part.len, MADV_DONTNEED);
	dropped(c, part.at, part.len);
	cell_rest_split(c);
	if (c->column->flags & COLUMN_HUGE)
		c->flushes = FLUSHES_SOME;
}

static void before_locked(struct cell *c)
{
	ASSERT_SYS(mlock(c->area.addr, c->area.len));
	/* Which makes pages of one's own of the zero page and of a file's. */
	c->column->is_right(&c->area);
}

static void act_dontneed_locked(struct cell *c)
{
	EXPECT_ERRNO(madvise(c->area.addr, c->area.len, MADV_DONTNEED), EINVAL);
	advise(c, 0, c->area.len, MADV_DONTNEED_LOCKED);
	dropped(c, 0, c->area.len);
}

/* They stay until memory is short, and are lost then, unless somebody writes. */
static void act_free(struct cell *c)
{
	advise(c, 0, c->area.len, MADV_FREE);
	/* There was nothing that could stay. */
	if (c->column->flags & COLUMN_NOTHING_HELD)
		cell_all_backing(c);
}

static bool paged_out(struct cell *c)
{
	drain_batches();
	advise(c, 0, c->area.len, MADV_PAGEOUT);
	return cell_frames_gone(c);
}

static void act_free_reclaim(struct cell *c)
{
	advise(c, 0, c->area.len, MADV_FREE);
	if (is_pinned(c)) {
		paged_out(c);
		return;
	}
	ASSERT(cell_wait(c, paged_out, RECLAIM_MS));
	cell_all_backing(c);
}

/* ---- Put aside ------------------------------------------------------------------------ */

/* A pin keeps an anonymous page in its place, and a file's page in its file. */
static enum place_state put_aside(const struct cell *c)
{
	if (!is_pinned(c))
		return PLACE_DROPPED;
	return cell_is(c, ANON_COLUMNS) ? PLACE_SAME : PLACE_KEPT;
}

static void act_pageout(struct cell *c)
{
	if (cell_is(c, OF(FILE)))
		ASSERT_SYS(fsync(c->area.fd));
	if (is_pinned(c))
		paged_out(c);
	else
		ASSERT(cell_wait(c, paged_out, RECLAIM_MS));
	cell_all(c, put_aside(c));
}

/* Memory that is accounted to a group of the cell's own. */
static void first_own_group(struct cell *c)
{
	(void)c;
	group_enter("memory");
}

static bool reclaimed(struct cell *c)
{
	drain_batches();
	/* EAGAIN: less than that has gone. */
	group_put("memory.reclaim", "8M");
	return cell_frames_gone(c);
}

static void act_reclaim(struct cell *c)
{
	if (cell_is(c, OF(FILE)))
		ASSERT_SYS(fsync(c->area.fd));
	if (is_pinned(c))
		reclaimed(c);
	else
		ASSERT(cell_wait(c, reclaimed, RECLAIM_MS));
	cell_all(c, put_aside(c));
}

#define RECLAIMS 4

struct user {
	pthread_t thread;
	struct cell *cell;
	u8 *scratch;
	atomic_bool end;
};

/* More pages than are flushed one by one from a processor's TLB (33). */
#define SCRATCH_LEN (64 * PROBE_4K)

/*
 * What a processor has in its TLB it uses without setting the accessed bit again, so all of
 * its TLB is flushed each time.
 */
static void *use(void *arg)
{
	struct user *u = arg;
	size_t at;

	while (!u->end) {
		memset(u->scratch, 1, SCRATCH_LEN);
		madvise(u->scratch, SCRATCH_LEN, MADV_DONTNEED);
		for (at = 0; at < u->cell->area.len; at += PROBE_4K)
			cpu_read(u->cell->area.addr + at);
	}
	return NULL;
}

/* Memory that is in use is kept as long as there is other; here there is none. */
static void act_reclaim_used(struct cell *c)
{
	struct user u = { .cell = c };
	unsigned int i;

	u.scratch = mmap(NULL, SCRATCH_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	ASSERT(u.scratch != MAP_FAILED);
	ASSERT_EQ(pthread_create(&u.thread, NULL, use, &u), 0);
	for (i = 0; i < RECLAIMS; i++)
		reclaimed(c);
	u.end = true;
	pthread_join(u.thread, NULL);
	ASSERT_SYS(munmap(u.scratch, SCRATCH_LEN));
	for (i = 0; i < PLACES; i++)
		EXPECT_EQ(cpu_read(c->place[i].p), c->place[i].value);
	cell_all(c, is_pinned(c) ? put_aside(c) : PLACE_KEPT);
}

/* ---- Only meant --------------------------------------------------------------------------- */

static void act_cold(struct cell *c)
{
	advise(c, 0, c->area.len, MADV_COLD);
}

/* Of a huge page that is cold in a part the rest is to stay, so it is split. */
static void act_cold_part(struct cell *c)
{
	advise(c, PART, PROBE_4K, MADV_COLD);
	if (is_pinned(c))
		cell_all(c, PLACE_SAME);
	else
		cell_rest_split(c);
}

/* ---- Holes in files ------------------------------------------------------------------------- */

/* A huge page that is pinned cannot be split for a hole: it is zeroed in its place. */
static void zeroed(struct cell *c, size_t at, size_t len)
{
	unsigned int i;

	cell_all(c, PLACE_KEPT);
	for (i = 0; i < PLACES; i++) {
		if (c->place[i].p >= c->area.addr + at && c->place[i].p < c->area.addr + at + len)
			cell_value(c, i, 0);
	}
}

/* The file has nothing there any more; nor has who maps it and did not write. */
static void hole(struct cell *c, size_t at, size_t len)
{
	if (is_pinned(c) && cell_is(c, OF(SHMEM_THP)) && len < c->area.len) {
		zeroed(c, at, len);
		return;
	}
	cell_part_replaced(c, at, len, 0);
	cell_rest_split(c);
	/* Of a disk's file dirty pages may be written back before. */
	if (c->column->flags & COLUMN_HUGE || cell_is(c, OF(FILE)))
		c->flushes = FLUSHES_SOME;
}

static void act_remove(struct cell *c)
{
	ASSERT_SYS(madvise(c->area.addr, c->area.len, MADV_REMOVE));
	hole(c, 0, c->area.len);
}

static void punch(struct cell *c, size_t at, size_t len)
{
	ASSERT_SYS(fallocate(c->area.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
			     (off_t)len));
	hole(c, at, len);
}

static void act_punch(struct cell *c)
{
	punch(c, 0, c->area.len);
}

static void act_punch_part(struct cell *c)
{
	struct part part = cell_a_part(c);

	punch(c, part.at, part.len);
}

static void act_truncate(struct cell *c)
{
	size_t half = c->area.len / 2;

	if (half % c->column->unit && cell_is(c, HUGETLB_COLUMNS))
		half = 0;
	ASSERT_SYS(ftruncate(c->area.fd, (off_t)half));
	if (is_pinned(c) && cell_is(c, OF(SHMEM_THP))) {
		zeroed(c, half, c->area.len - half);
		return;
	}
	cell_part(c, half, c->area.len - half, PLACE_GONE);
	cell_rest_split(c);
	if (c->column->flags & COLUMN_HUGE)
		c->flushes = FLUSHES_SOME;
}

#define WITH_FILE \
	(SHMEM_COLUMNS | FILE_COLUMNS | OF(HUGETLB_SHARED) | OF(HUGETLB_PMD) | OF(HUGETLB_1G))
#define NO_FILE "there is no file behind it"

const struct row rows_discard[] = {
	{
		.name = "dontneed",
		.what = "madvise(MADV_DONTNEED)",
		.columns = ALL_COLUMNS,
		.flushes = FLUSHES_ONE,
		.act = act_dontneed,
	},
	{
		.name = "dontneed-part",
		.what = "madvise(MADV_DONTNEED) of one page in it",
		.columns = ALL_COLUMNS & ~(OF(HUGETLB) | OF(HUGETLB_SHARED) | OF(HUGETLB_1G)),
		.else_why = "hugetlb memory goes by whole huge pages",
		.flushes = FLUSHES_ONE,
		.act = act_dontneed_part,
	},
	{
		.name = "dontneed-locked",
		.what = "madvise(MADV_DONTNEED_LOCKED) of memory that is locked",
		.columns = ANON_COLUMNS | SHMEM_COLUMNS | OF(FILE),
		.since = 518,
		.except = {
			{ HUGETLB_COLUMNS, "hugetlb memory is not locked" },
			{ OF(SWAPPED), "what is locked is not swapped out" },
		},
		.else_why = "mlock() makes a page of the process's own of it",
		.flushes = FLUSHES_ONE,
		.before = before_locked,
		.act = act_dontneed_locked,
	},
	{
		.name = "free",
		.what = "madvise(MADV_FREE): may go when memory is short",
		.columns = ANON_COLUMNS | ZERO_COLUMNS | OF(KSM) | OF(SWAPPED),
		.else_why = "only for anonymous memory",
		.flushes = FLUSHES_ONE,
		.act = act_free,
	},
	{
		.name = "free-reclaim",
		.what = "madvise(MADV_FREE), and then memory is short",
		.columns = ANON_COLUMNS,
		.except = {
			NOT_ZERO,
			{ OF(KSM), "a merged page is not freed so" },
			{ OF(SWAPPED), "what is swapped out is freed at once" },
		},
		.else_why = "only for anonymous memory",
		.flushes = FLUSHES_ONE,
		.act = act_free_reclaim,
	},
	{
		.name = "pageout",
		.what = "madvise(MADV_PAGEOUT)",
		.columns = SWAPPABLE | FILE_COLUMNS,
		.except = {
			NOT_HUGETLB,
			NOT_ZERO,
			{ OF(KSM), "what several map is left alone" },
			{ OF(SWAPPED), "it is out already" },
		},
		.flushes = FLUSHES_SOME,
		.act = act_pageout,
	},
	{
		.name = "reclaim",
		.what = "reclaim of a control group's memory (memory.reclaim)",
		.columns = SWAPPABLE | FILE_COLUMNS,
		.since = 519,
		.except = {
			NOT_HUGETLB,
			NOT_ZERO,
			{ OF(KSM), "merged pages are not accounted to a group" },
			{ OF(SWAPPED), "it is out already" },
		},
		.flushes = FLUSHES_SOME,
		.first = first_own_group,
		.act = act_reclaim,
	},
	{
		.name = "reclaim-used",
		.what = "the same, of memory that is being used",
		.columns = OF(THP),
		.since = 519,
		.else_why = "it is about accessed bits of huge entries: see thp",
		.flushes = FLUSHES_ANY,
		.first = first_own_group,
		.act = act_reclaim_used,
	},
	{
		.name = "cold",
		.what = "madvise(MADV_COLD)",
		.columns = ALL_COLUMNS & ~HUGETLB_COLUMNS,
		.except = { NOT_HUGETLB },
		.flushes = FLUSHES_NONE,
		.act = act_cold,
	},
	{
		.name = "cold-part",
		.what = "madvise(MADV_COLD) of one page of a huge one, which is split",
		.columns = OF(THP) | OF(SHMEM_THP) | OF(MTHP),
		.except = { NOT_HUGETLB },
		.else_why = "there is no huge page to be split",
		.flushes = FLUSHES_ANY,
		.act = act_cold_part,
	},
	{
		.name = "remove",
		.what = "madvise(MADV_REMOVE): a hole in the file behind it",
		.columns = WITH_FILE & ~OF(FILE_PRIVATE),
		.except = { { OF(FILE_PRIVATE), "only for shared mappings" } },
		.else_why = NO_FILE,
		.flushes = FLUSHES_ONE,
		.act = act_remove,
	},
	{
		.name = "punch-hole",
		.what = "fallocate(FALLOC_FL_PUNCH_HOLE) of all of it",
		.columns = WITH_FILE,
		.else_why = NO_FILE,
		.flushes = FLUSHES_ONE,
		.act = act_punch,
	},
	{
		.name = "punch-hole-part",
		.what = "fallocate(FALLOC_FL_PUNCH_HOLE) of one page in it",
		.columns = WITH_FILE & ~(OF(HUGETLB_SHARED) | OF(HUGETLB_1G)),
		.except = {
			{ OF(HUGETLB_SHARED) | OF(HUGETLB_1G), "hugetlb memory goes by whole huge pages" },
		},
		.else_why = NO_FILE,
		.flushes = FLUSHES_ONE,
		.act = act_punch_part,
	},
	{
		.name = "truncate",
		.what = "ftruncate() to half, or to nothing if it is one page",
		.columns = WITH_FILE,
		.else_why = NO_FILE,
		.flushes = FLUSHES_ONE,
		.act = act_truncate,
	},
	{ 0 }
};
