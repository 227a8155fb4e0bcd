// SPDX-License-Identifier: GPL-2.0
/* Rows: one frame for several, and who gets one of his own by writing. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rows.h"
#include "settings.h"

#define KSM    "/sys/kernel/mm/ksm/"
#define KSM_MS 6000

#define NOT_SHARED                                                                                \
	{                                                                                         \
		SHMEM_COLUMNS | OF(FILE) | OF(HUGETLB_SHARED) | OF(HUGETLB_PMD) | OF(HUGETLB_1G), \
			"a shared mapping is written to by all, and never copied"                 \
	}
/* With somebody to share with. */
#define COPIED	(ANON_COLUMNS | OF(HUGETLB))
/* Nobody's own to begin with. */
#define FOREIGN (ZERO_COLUMNS | OF(KSM) | OF(FILE_PRIVATE))

static void act_fork(struct cell *c)
{
	cell_child(c);
	if (cell_is(c, COPIED))
		cell_all(c, PLACE_WP);
	else
		/* Where there is nothing to be copied the kernel may not even look. */
		c->flushes = cell_is(c, OF(KSM))      ? FLUSHES_ONE :
			     cell_is(c, ZERO_COLUMNS) ? FLUSHES_ANY :
							FLUSHES_NONE;
}

static void before_child(struct cell *c)
{
	cell_child(c);
}

static void write_all(struct cell *c, bool device)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++) {
		cell_value(c, i, 0x77000 + i);
		if (device)
			dev_write(c->plain, c->place[i].p, c->place[i].value);
		else
			cpu_write(c->place[i].p, c->place[i].value);
	}
	cell_all(c, cell_migrated(c));
	/* A huge page is split for the first, if it is a transparent one. */
	if (!cell_is(c, OF(4K) | OF(KSM) | OF(ZERO) | OF(FILE_PRIVATE)))
		c->flushes = FLUSHES_SOME;
}

static void act_cow(struct cell *c)
{
	write_all(c, false);
}

/* In mirror mode the device lets go of its own, too. */
static void act_cow_device(struct cell *c)
{
	if (!c->write)
		SKIP("the device does not write");
	write_all(c, true);
}

static void before_child_gone(struct cell *c)
{
	cell_child(c);
	ASSERT_SYS(kill(c->child, SIGKILL));
	ASSERT_EQ(wait_child(c->child), 256 + SIGKILL);
	c->child = 0;
}

/* Nobody else has it any more, so it is written to as it is. */
static void act_reuse(struct cell *c)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++) {
		cell_value(c, i, 0x77000 + i);
		cpu_write(c->place[i].p, c->place[i].value);
	}
	/* A page of a larger folio is not, since others of it may still be shared. */
	if (cell_is(c, OF(MTHP))) {
		cell_all(c, cell_migrated(c));
		c->flushes = FLUSHES_SOME;
	}
}

/* ---- Merged by KSM ------------------------------------------------------------------------ */

static void before_same_content(struct cell *c)
{
	unsigned int i;

	memset(c->area.addr, 0x5b, c->area.len);
	for (i = 0; i < PLACES; i++)
		cell_value(c, i, cpu_read(c->place[i].p));
}

static bool places_merged(struct cell *c)
{
	unsigned int i;

	for (i = 1; i < PLACES; i++) {
		if (!area_same_frame(c->place[0].p, c->place[i].p))
			return false;
	}
	return true;
}

static void act_ksm_merge(struct cell *c)
{
	unsigned int i;

	/* These alone: the kernel merges no more than 256 into one. */
	for (i = 0; i < PLACES; i++)
		ASSERT_SYS(madvise(c->place[i].p, PROBE_4K, MADV_MERGEABLE));
	ASSERT_EQ(setting_put(KSM "run", "1"), 0);
	if (is_pinned(c)) {
		EXPECT(!cell_wait(c, places_merged, 300));
	} else {
		ASSERT(cell_wait(c, places_merged, KSM_MS));
		/* One of them may be the page that the others are merged into. */
		cell_all(c, PLACE_KEPT);
	}
	ASSERT_EQ(setting_put(KSM "run", "0"), 0);
}

static void act_ksm_unmerge(struct cell *c)
{
	ASSERT_SYS(madvise(c->area.addr, c->area.len, MADV_UNMERGEABLE));
	cell_all(c, PLACE_MOVED);
}

const struct row rows_share[] = {
	{
		.name = "fork",
		.what = "fork(): pages are shared until somebody writes",
		.columns = ALL_COLUMNS,
		.flushes = FLUSHES_ONE,
		.act = act_fork,
	},
	{
		.name = "cow",
		.what = "a write to a page that a child has, too",
		.columns = COPIED,
		.except = { NOT_SHARED,
			    { FOREIGN, "it is nobody's own to begin with: see first-write" },
			    { OF(SWAPPED), "what is written to is not swapped out" } },
		.flushes = FLUSHES_UNITS,
		.read_warm = true,
		.before = before_child,
		.act = act_cow,
	},
	{
		.name = "cow-device",
		.what = "a write by the device to a page that a child has, too",
		.columns = COPIED,
		.except = { NOT_SHARED,
			    { FOREIGN, "it is nobody's own to begin with: see first-write-device" },
			    { OF(SWAPPED), "what is written to is not swapped out" } },
		.flushes = FLUSHES_SOME,
		.read_warm = true,
		.before = before_child,
		.act = act_cow_device,
	},
	{
		.name = "reuse",
		.what = "a write to a page that a child had, too",
		.columns = COPIED,
		.except = { NOT_SHARED,
			    { FOREIGN, "it is nobody's own to begin with: see first-write" },
			    { OF(SWAPPED), "what is written to is not swapped out" } },
		.flushes = FLUSHES_NONE,
		.read_warm = true,
		.before = before_child_gone,
		.act = act_reuse,
	},
	{
		.name = "first-write",
		.what = "the first write to a page that is nobody's own",
		.columns = FOREIGN,
		.except = { NOT_SHARED,
			    { OF(SWAPPED), "what is written to is not swapped out" } },
		.else_why = "it is the process's own to begin with: see cow",
		.flushes = FLUSHES_UNITS,
		.act = act_cow,
	},
	{
		.name = "first-write-device",
		.what = "the first write to a page that is nobody's own, by the device",
		.columns = FOREIGN,
		.except = { NOT_SHARED,
			    { OF(SWAPPED), "what is written to is not swapped out" } },
		.else_why = "it is the process's own to begin with: see cow-device",
		.flushes = FLUSHES_SOME,
		.act = act_cow_device,
	},
	{
		.name = "ksm-merge",
		.what = "KSM merges pages with the same content",
		.columns = OF(4K),
		.except = {
			NOT_SHARED,
			{ OF(KSM), "it is merged already" },
			{ OF(SWAPPED), "KSM reads no page in that is swapped out" },
		},
		.else_why = "KSM merges small anonymous pages",
		.flushes = FLUSHES_SOME,
		.read_warm = true,
		.before = before_same_content,
		.act = act_ksm_merge,
	},
	{
		.name = "ksm-unmerge",
		.what = "madvise(MADV_UNMERGEABLE): to each a page of its own again",
		.columns = OF(KSM),
		.except = { NOT_SHARED },
		.else_why = "it is not merged",
		.flushes = FLUSHES_UNITS,
		.act = act_ksm_unmerge,
	},
	{ 0 }
};
