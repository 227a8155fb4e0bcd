// SPDX-License-Identifier: GPL-2.0
/* Rows: what is mapped where, and who may do what there. */
#define _GNU_SOURCE
#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "newer.h"
#include "rows.h"

#define WHOLE_PAGES "hugetlb memory is unmapped and protected by whole huge pages only"

static void act_munmap(struct cell *c)
{
	ASSERT_SYS(munmap(c->area.addr, c->area.len));
	cell_all(c, PLACE_GONE);
}

static void act_munmap_part(struct cell *c)
{
	struct part part = cell_a_part(c);

	ASSERT_SYS(munmap(c->area.addr + part.at, part.len));
	cell_part(c, part.at, part.len, PLACE_GONE);
	cell_rest_split(c);
	if (c->column->flags & COLUMN_HUGE)
		c->flushes = FLUSHES_SOME;
}

/* More than are freed with one flush (MAX_GATHER_BATCH_COUNT: 20 pages of pointers). */
#define MANY_TABLES 11000

static void act_munmap_tables(struct cell *c)
{
	size_t len = MANY_TABLES * PROBE_2M, at;
	u8 *p = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)c;
	ASSERT(p != MAP_FAILED);
	ASSERT_SYS(madvise(p, len, MADV_NOHUGEPAGE));
	for (at = 0; at < len; at += PROBE_2M)
		cpu_read(p + at);
	ASSERT_SYS(munmap(p, len));
}

static void act_map_over(struct cell *c)
{
	ASSERT(mmap(c->area.addr, c->area.len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == c->area.addr);
	cell_part_replaced(c, 0, c->area.len, 0);
}

/* The page of a place gets the one that comes 9 pages later in the file. */
static void act_remap_file_pages(struct cell *c)
{
	ASSERT_SYS(syscall(SYS_remap_file_pages, c->area.addr + PART, PROBE_4K, 0,
			   (PART + 9 * PROBE_4K) / PROBE_4K, 0));
	cell_part_replaced(c, PART, PROBE_4K, c->area.value);
	cell_rest_split(c);
	if (c->column->flags & COLUMN_HUGE)
		c->flushes = FLUSHES_SOME;
}

/* The heap's end, in place of the area. */
static void before_brk(struct cell *c)
{
	void *volatile room; /* or the compiler would see that it is not used */
	u8 *end, *at;
	size_t off;

	/* The C library is to have all that it may want of the heap. */
	mallopt(M_TRIM_THRESHOLD, -1);
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	room = malloc(1 << 20);
	free(room);
	end = sbrk(0);
	ASSERT_SYS(munmap(c->area.addr, c->area.len));
	at = (u8 *)(((uintptr_t)end + PROBE_2M - 1) & ~(PROBE_2M - 1));
	ASSERT_SYS(brk(at + c->area.len));
	c->area.addr = at;
	ASSERT_SYS(madvise(at, c->area.len,
			   cell_is(c, OF(THP)) ? MADV_HUGEPAGE : MADV_NOHUGEPAGE));
	for (off = 0; off < c->area.len; off += PROBE_4K)
		cpu_write(at + off, c->area.value);
	c->column->is_right(&c->area);
	cell_places(c);
}

static void act_brk(struct cell *c)
{
	ASSERT_EQ((uintptr_t)sbrk(0), (uintptr_t)c->area.addr + c->area.len);
	ASSERT_SYS(brk(c->area.addr));
	cell_all(c, PLACE_GONE);
}

/* Merged pages do not move: each gets a page of its own before. */
static void unmerged(struct cell *c)
{
	if (!cell_is(c, OF(KSM)))
		return;
	if (c->old)
		cell_all(c, PLACE_MOVED);
	c->flushes = FLUSHES_SOME;
}

static void move_to(struct cell *c, u8 *to)
{
	ASSERT(mremap(c->area.addr, c->area.len, c->area.len, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
	       to);
	cell_moved_to(c, to);
	c->absent = cell_is(c, OF(HUGETLB_PMD));
	unmerged(c);
}

/* To where no huge page fits: entry by entry. */
static void act_mremap(struct cell *c)
{
	move_to(c, c->area.spare + PROBE_4K);
	cell_rest_split(c);
}

/* Whole tables, or huge entries. */
static void act_mremap_pmd(struct cell *c)
{
	move_to(c, c->area.spare);
}

static void act_mremap_dontunmap(struct cell *c)
{
	u64 value[PLACES];
	unsigned int i;
	u8 *to;

	for (i = 0; i < PLACES; i++)
		value[i] = c->place[i].value;
	to = mremap(c->area.addr, c->area.len, c->area.len,
		    MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, c->area.spare);
	ASSERT(to == c->area.spare);
	unmerged(c);
	if (cell_is(c, PRIVATE_COLUMNS))
		cell_all_backing(c);
	else
		cell_all(c, PLACE_DROPPED);
	for (i = 0; i < PLACES; i++)
		EXPECT_EQ(cpu_read(to + (c->place[i].p - c->area.addr)), value[i]);
}

static void act_mremap_shrink(struct cell *c)
{
	size_t half = c->area.len / 2;

	ASSERT(mremap(c->area.addr, c->area.len, half, 0) == c->area.addr);
	cell_part(c, half, half, PLACE_GONE);
	cell_rest_split(c);
	if (c->column->flags & COLUMN_HUGE)
		c->flushes = FLUSHES_SOME;
}

static void protect(struct cell *c, int prot)
{
	ASSERT_SYS(mprotect(c->area.addr, c->area.len, prot));
	/* A table that two processes share is for one of them no longer. */
	c->absent = cell_is(c, OF(HUGETLB_PMD));
}

static void act_mprotect_read(struct cell *c)
{
	protect(c, PROT_READ);
	cell_all(c, PLACE_READ_ONLY);
}

static void act_mprotect_none(struct cell *c)
{
	protect(c, PROT_NONE);
	cell_all(c, PLACE_NO_ACCESS);
}

static void act_mprotect_upgrade(struct cell *c)
{
	protect(c, PROT_READ | PROT_WRITE);
}

static void act_mprotect_part(struct cell *c)
{
	struct part part = cell_a_part(c);

	ASSERT_SYS(mprotect(c->area.addr + part.at, part.len, PROT_READ));
	cell_part(c, part.at, part.len, PLACE_READ_ONLY);
	cell_rest_split(c);
	c->absent = cell_is(c, OF(HUGETLB_PMD) | OF(SHMEM_THP));
	if (c->column->flags & COLUMN_HUGE)
		c->flushes = FLUSHES_SOME;
}

#define NOT_PARTS                                                              \
	{                                                                      \
		OF(HUGETLB) | OF(HUGETLB_SHARED) | OF(HUGETLB_1G), WHOLE_PAGES \
	}
#define PARTS (ALL_COLUMNS & ~(OF(HUGETLB) | OF(HUGETLB_SHARED) | OF(HUGETLB_1G)))

const struct row rows_mapping[] = {
	{
		.name = "munmap",
		.what = "munmap() of all of it",
		.columns = ALL_COLUMNS,
		.flushes = FLUSHES_ONE,
		.act = act_munmap,
	},
	{
		.name = "munmap-part",
		.what = "munmap() of one page in it",
		.columns = PARTS,
		.except = { NOT_PARTS },
		.flushes = FLUSHES_ONE,
		.act = act_munmap_part,
	},
	{
		.name = "munmap-tables",
		.what = "munmap() of so much else that page tables are freed on the way",
		.columns = OF(4K),
		.else_why = OTHER_PAGES,
		.flushes = FLUSHES_ANY,
		.act = act_munmap_tables,
	},
	{
		.name = "map-over",
		.what = "mmap(MAP_FIXED) of other memory in its place",
		.columns = ALL_COLUMNS,
		.flushes = FLUSHES_ONE,
		.act = act_map_over,
	},
	{
		.name = "remap-file-pages",
		.what = "remap_file_pages(): another page of the file in the place of one",
		.columns = SHMEM_COLUMNS | OF(FILE),
		.except = { { HUGETLB_COLUMNS, WHOLE_PAGES } },
		.else_why = "only for shared mappings of files",
		.flushes = FLUSHES_ONE,
		.act = act_remap_file_pages,
	},
	{
		.name = "brk-shrink",
		.what = "brk(): the end of the heap",
		.columns = OF(4K) | OF(THP),
		.else_why = "the heap is anonymous memory",
		.flushes = FLUSHES_ONE,
		.before = before_brk,
		.act = act_brk,
	},
	{
		.name = "mremap",
		.what = "mremap() to where huge pages do not fit",
		.columns = ALL_COLUMNS & ~HUGETLB_COLUMNS,
		.else_why = WHOLE_PAGES,
		.flushes = FLUSHES_ONE,
		.act = act_mremap,
	},
	{
		.name = "mremap-pmd",
		.what = "mremap() by whole page tables and huge entries",
		.columns = ALL_COLUMNS,
		.flushes = FLUSHES_ONE,
		.act = act_mremap_pmd,
	},
	{
		.name = "mremap-dontunmap",
		.what = "mremap(MREMAP_DONTUNMAP): the mapping stays, its pages go",
		.columns = ALL_COLUMNS & ~HUGETLB_COLUMNS,
		.else_why = "the kernel refuses hugetlb memory",
		.flushes = FLUSHES_ONE,
		.act = act_mremap_dontunmap,
	},
	{
		.name = "mremap-shrink",
		.what = "mremap() to half its length",
		.columns = PARTS,
		.except = { NOT_PARTS },
		.flushes = FLUSHES_ONE,
		.act = act_mremap_shrink,
	},
	{
		.name = "mprotect-read",
		.what = "mprotect(PROT_READ)",
		.columns = ALL_COLUMNS,
		.flushes = FLUSHES_ONE,
		.act = act_mprotect_read,
	},
	{
		.name = "mprotect-none",
		.what = "mprotect(PROT_NONE)",
		.columns = ALL_COLUMNS,
		.flushes = FLUSHES_ONE,
		.act = act_mprotect_none,
	},
	{
		.name = "mprotect-upgrade",
		.what = "mprotect(PROT_READ | PROT_WRITE) of what was for reading only",
		.columns = ALL_COLUMNS,
		.modes = 1 << DMIRAGE_MODE_PINNED,
		.no_mode = "what is for reading only cannot be pinned for writing",
		.flushes = FLUSHES_ONE,
		.read_warm = true,
		.before = cell_read_only,
		.act = act_mprotect_upgrade,
	},
	{
		.name = "mprotect-part",
		.what = "mprotect(PROT_READ) of one page in it",
		.columns = PARTS,
		.except = { NOT_PARTS },
		.flushes = FLUSHES_ONE,
		.act = act_mprotect_part,
	},
	{ 0 }
};
