// SPDX-License-Identifier: GPL-2.0
/* Rows: small pages become a huge one, and the other way round. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "newer.h"
#include "rows.h"
#include "settings.h"

#define KHUGEPAGED    "/sys/kernel/mm/transparent_hugepage/khugepaged/"
#define KHUGEPAGED_MS 6000

#define NOT_SMALL                                                                  \
	{ OF(THP) | OF(SHMEM_THP) | OF(HUGE_ZERO), "it is a huge page already" },  \
		{ HUGETLB_COLUMNS, "hugetlb memory has no other pages" },          \
		{ OF(MTHP) | OF(KSM), "there are no 2 MiB of it" },                \
	{                                                                          \
		FILE_COLUMNS, "this kernel makes no huge pages of files of a disk" \
	}

/* ---- Made large --------------------------------------------------------------------- */

static bool is_huge(struct cell *c)
{
	return probe_smaps_kb(c->area.addr, "AnonHugePages") == 2048;
}

/* Anonymous memory has the huge page at once, a file has it, and maps it later. */
static void collapsed(struct cell *c)
{
	bool file = cell_is(c, SHMEM_COLUMNS);

	cell_all(c, is_pinned(c) ? PLACE_KEPT : file ? PLACE_RENEWED :
						       PLACE_MOVED);
	/* Of a file each page is unmapped by itself, and then the table is taken away. */
	c->flushes = file ? FLUSHES_SOME : FLUSHES_ONE;
}

static void act_collapse(struct cell *c)
{
	ASSERT_SYS(madvise(c->area.addr, c->area.len, MADV_HUGEPAGE));
	drain_batches();
	if (is_pinned(c)) {
		EXPECT(madvise(c->area.addr, c->area.len, MADV_COLLAPSE));
	} else {
		ASSERT_SYS(madvise(c->area.addr, c->area.len, MADV_COLLAPSE));
		if (!cell_is(c, SHMEM_COLUMNS))
			EXPECT(is_huge(c));
	}
	collapsed(c);
}

/*
 * A huge page of a file that is mapped by small entries: that of a mapping which was cut
 * in three, and is one again.
 */
static void before_mapped_small(struct cell *c)
{
	unsigned int i;

	ASSERT_SYS(mprotect(c->area.addr + PART, PROBE_4K, PROT_READ));
	for (i = 0; i < PLACES; i++)
		(void)cpu_read(c->place[i].p);
	ASSERT_SYS(mprotect(c->area.addr + PART, PROBE_4K, PROT_READ | PROT_WRITE));
	EXPECT_EQ(probe_smaps_kb(c->area.addr, "ShmemPmdMapped"), 0);
}

/* The page is one already, so only the table of small entries is taken away. */
static void act_collapse_mapped(struct cell *c)
{
	drain_batches();
	ASSERT_SYS(madvise(c->area.addr, c->area.len, MADV_COLLAPSE));
	c->absent = true;
	cell_all(c, PLACE_SAME);
}

/*
 * Of the rest khugepaged asks the notifiers if it was used.  Not by the CPU, which does
 * not set an accessed bit that it has in its TLB.
 */
static void use_half(struct cell *c)
{
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	size_t at;
	char byte;

	ASSERT_SYS(fd);
	ASSERT_EQ(put_text("/proc/self/clear_refs", "1"), 0);
	for (at = 0; at < c->area.len; at += 2 * PROBE_4K)
		ASSERT_EQ(pread(fd, &byte, 1, (off_t)(uintptr_t)c->area.addr + (off_t)at), 1);
	close(fd);
}

static void act_khugepaged(struct cell *c)
{
	use_half(c);
	drain_batches();
	ASSERT_SYS(madvise(c->area.addr, c->area.len, MADV_HUGEPAGE));
	ASSERT_EQ(setting_put(KHUGEPAGED "pages_to_scan", "100000"), 0);
	ASSERT_EQ(setting_put(KHUGEPAGED "alloc_sleep_millisecs", "1"), 0);
	ASSERT_EQ(setting_put(KHUGEPAGED "scan_sleep_millisecs", "1"), 0);
	if (is_pinned(c))
		EXPECT(!cell_wait(c, cell_frames_changed, 300));
	else
		ASSERT(cell_wait(c, cell_frames_changed, KHUGEPAGED_MS));
	collapsed(c);
}

/* ---- Made small ------------------------------------------------------------------------ */

static void act_split(struct cell *c)
{
	char text[96];

	snprintf(text, sizeof(text), "%d,%p,%p,0", getpid(), c->area.addr,
		 c->area.addr + c->area.len);
	if (put_text("/sys/kernel/debug/split_huge_pages", text))
		SKIP("this kernel does not split huge pages on demand");
	if (is_pinned(c)) {
		cell_all(c, PLACE_KEPT);
		return;
	}
	cell_all(c, PLACE_SAME);
	cell_rest_split(c);
	EXPECT(!is_huge(c));
}

/* One page of it is not inherited by children, so there are three mappings now. */
static void act_cut(struct cell *c)
{
	struct part part = cell_a_part(c);

	ASSERT_SYS(madvise(c->area.addr + part.at, part.len, MADV_DONTFORK));
	cell_rest_split(c);
	/* The kernel may tell of a huge page to be split before it sees that there is none. */
	if (!(c->column->flags & COLUMN_HUGE))
		c->flushes = FLUSHES_ANY;
	if (cell_is(c, OF(THP)))
		EXPECT(!is_huge(c));
}

const struct row rows_huge[] = {
	{
		.name = "collapse",
		.what = "madvise(MADV_COLLAPSE): one huge page of many small ones",
		.columns = OF(4K) | OF(SHMEM) | OF(MEMFD),
		.since = 601,
		.except = { NOT_SMALL },
		.else_why = "it is done only where a page is there that has been written to",
		.flushes = FLUSHES_SOME,
		.act = act_collapse,
	},
	{
		.name = "collapse-mapped",
		.what = "madvise(MADV_COLLAPSE) of a huge page that is mapped by small entries",
		.columns = OF(SHMEM_THP),
		.since = 601,
		.else_why = "only a huge page of a file is mapped so",
		.flushes = FLUSHES_SOME,
		.before = before_mapped_small,
		.act = act_collapse_mapped,
	},
	{
		.name = "khugepaged",
		.what = "khugepaged makes one huge page of many small ones",
		.columns = OF(4K) | OF(MEMFD),
		.except = { NOT_SMALL },
		.else_why = "khugepaged leaves alone what is mostly not there, and a tmpfs that is "
			    "mounted without huge pages",
		.flushes = FLUSHES_SOME,
		.act = act_khugepaged,
	},
	{
		.name = "split-huge",
		.what = "a huge page is split (debugfs split_huge_pages)",
		.columns = OF(THP) | OF(SHMEM_THP) | OF(MTHP),
		.since = 518,
		.except = { { HUGETLB_COLUMNS, "hugetlb pages are not split" },
			    { OF(HUGE_ZERO), "the huge zero page is not split, only its entry" } },
		.else_why = "there is no huge page to be split",
		.flushes = FLUSHES_SOME,
		.act = act_split,
	},
	{
		.name = "cut",
		.what = "madvise(MADV_DONTFORK) of one page: three mappings of one",
		.columns = ALL_COLUMNS & ~(OF(HUGETLB) | OF(HUGETLB_SHARED) | OF(HUGETLB_1G)),
		.else_why = "hugetlb memory is cut between huge pages only",
		.flushes = FLUSHES_SOME,
		.act = act_cut,
	},
	{ 0 }
};
