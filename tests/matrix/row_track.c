// SPDX-License-Identifier: GPL-2.0
/* Rows: who wants to know what is written to, or used. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "rows.h"
#include "userfault.h"

#define WP_COLUMNS (ALL_COLUMNS & ~(FILE_COLUMNS | OF(KSM)))
#define NOT_UFFD                                                            \
	{ FILE_COLUMNS, "userfaultfd does not protect files of a disk" },   \
	{                                                                   \
		OF(KSM), "userfaultfd and KSM keep out of each other's way" \
	}

/* ---- userfaultfd ------------------------------------------------------------------- */

static void protect_start(struct cell *c)
{
	c->fd = get_userfault(cell_is(c, ANON_COLUMNS | ZERO_COLUMNS | OF(SWAPPED)) ?
				      UFFD_FEATURE_PAGEFAULT_FLAG_WP :
				      UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
			      c->area.addr, c->area.len, UFFDIO_REGISTER_MODE_WP);
}

static void protect(struct cell *c, bool on)
{
	ASSERT_OK(userfault_protect(c->fd, c->area.addr, c->area.len, on));
}

static void expect_protected(struct cell *c)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++)
		EXPECT(area_is_protected(c->place[i].p));
}

/* The device may not write, since nobody is there who would let it; then all may. */
static void protected_no_more(struct cell *c)
{
	unsigned int i;

	for (i = 0; c->write && !is_pinned(c) && i < PLACES; i++)
		each_context(c, d) expect_write_fault(d, c->place[i].p, EFAULT);
	protect(c, false);
}

static void before_protected(struct cell *c)
{
	protect_start(c);
	protect(c, true);
	expect_protected(c);
}

static void act_uffd_wp(struct cell *c)
{
	before_protected(c);
	c->later = protected_no_more;
	/* Private tables, before it is protected. */
	c->absent = cell_is(c, OF(HUGETLB_PMD) | OF(SHMEM_THP));
	if (cell_is(c, OF(HUGETLB_PMD) | OF(HUGE_ZERO) | OF(SHMEM_THP)))
		c->flushes = FLUSHES_SOME;
}

static void act_uffd_unwp(struct cell *c)
{
	protect(c, false);
}

static void act_uffd_unregister(struct cell *c)
{
	ASSERT_OK(userfault_unregister(c->fd, c->area.addr, c->area.len));
}

static void act_uffd_register(struct cell *c)
{
	if (!cell_is(c, OF(HUGETLB_PMD))) {
		c->fd = get_userfault(0, c->area.addr, c->area.len,
				      UFFDIO_REGISTER_MODE_MISSING);
		return;
	}
	/* Faults on pages that are there, each process is to see for itself. */
	protect_start(c);
	c->absent = true;
	c->flushes = FLUSHES_SOME;
}

/* Pages change their address, and not their frame. */
static void act_uffd_move(struct cell *c)
{
	u64 value[PLACES];
	unsigned int i;

	ASSERT(mmap(c->area.spare, c->area.len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == c->area.spare);
	c->fd = get_userfault(UFFD_FEATURE_MOVE, c->area.spare, c->area.len,
			      UFFDIO_REGISTER_MODE_MISSING);
	for (i = 0; i < PLACES; i++)
		value[i] = c->place[i].value;
	if (is_pinned(c)) {
		EXPECT(userfault_move(c->fd, c->area.spare, c->area.addr, c->area.len));
		return;
	}
	ASSERT_OK(userfault_move(c->fd, c->area.spare, c->area.addr, c->area.len));
	for (i = 0; i < PLACES; i++)
		EXPECT_EQ(cpu_read(c->area.spare + (c->place[i].p - c->area.addr)), value[i]);
	ASSERT_OK(userfault_unregister(c->fd, c->area.spare, c->area.len));
	cell_part_replaced(c, 0, c->area.len, 0);
}

/* ---- Of all of a process's ------------------------------------------------------------ */

/* Each entry for writing loses that; hugetlb memory has no such bit. */
static void act_soft_dirty(struct cell *c)
{
	ASSERT_EQ(put_text("/proc/self/clear_refs", "4"), 0);
	if (cell_is(c, HUGETLB_COLUMNS | ZERO_COLUMNS | OF(KSM) | OF(FILE_PRIVATE)))
		return;
	if (!(c->column->flags & COLUMN_NOTHING_HELD))
		cell_all(c, PLACE_WP);
}

static void act_clear_accessed(struct cell *c)
{
	ASSERT_EQ(put_text("/proc/self/clear_refs", "1"), 0);
	(void)c;
}

static void before_scan(struct cell *c)
{
	c->fd = get_userfault(UFFD_FEATURE_WP_ASYNC, c->area.addr, c->area.len,
			      UFFDIO_REGISTER_MODE_WP);
}

/* Page tables that somebody else changes all the time. */
struct changer {
	pthread_t thread;
	u8 *addr;
	size_t len;
	atomic_bool end;
};

static void *change(void *arg)
{
	struct changer *ch = arg;

	while (!ch->end) {
		if (mprotect(ch->addr, ch->len, PROT_READ) ||
		    mprotect(ch->addr, ch->len, PROT_READ | PROT_WRITE))
			return ch;
	}
	return NULL;
}

#define CHANGED_LEN (16 * PROBE_2M)
#define WRITES	    300

/* Who writes to a page that has just been protected must not see it without a flush. */
static void act_write_protected(struct cell *c)
{
	struct changer ch = { .len = CHANGED_LEN };
	unsigned int i;
	void *failed;

	ch.addr = mmap(NULL, ch.len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT(ch.addr != MAP_FAILED);
	ASSERT_EQ(pthread_create(&ch.thread, NULL, change, &ch), 0);
	for (i = 0; i < WRITES; i++) {
		protect(c, true);
		cpu_write(c->place[1].p, c->place[1].value);
	}
	ch.end = true;
	ASSERT_EQ(pthread_join(ch.thread, &failed), 0);
	EXPECT(!failed);
	ASSERT_SYS(munmap(ch.addr, ch.len));
}

/* What was written to is found and protected again in one step. */
static void act_scan(struct cell *c)
{
	ASSERT_OK(pagemap_scan(c->area.addr, c->area.len));
	expect_protected(c);
}

const struct row rows_track[] = {
	{
		.name = "uffd-wp",
		.what = "userfaultfd: UFFDIO_WRITEPROTECT",
		.columns = WP_COLUMNS,
		.except = { NOT_UFFD },
		.flushes = FLUSHES_ONE,
		.act = act_uffd_wp,
	},
	{
		.name = "uffd-wp-write",
		.what = "userfaultfd: protected and written to, while others flush",
		.columns = OF(4K),
		.since = 607,
		.modes = 1 << DMIRAGE_MODE_PINNED,
		.no_mode = "it is protected from writes then, and cannot be pinned",
		.else_why = "it is about entries of small pages: see 4k",
		.flushes = FLUSHES_SOME,
		.before = before_scan,
		.act = act_write_protected,
	},
	{
		.name = "uffd-unwp",
		.what = "userfaultfd: UFFDIO_WRITEPROTECT, taken back",
		.columns = WP_COLUMNS,
		.modes = 1 << DMIRAGE_MODE_PINNED,
		.no_mode = "what is protected from writes cannot be pinned for writing",
		.except = { NOT_UFFD },
		.flushes = FLUSHES_ONE,
		.read_warm = true,
		.before = before_protected,
		.act = act_uffd_unwp,
	},
	{
		.name = "uffd-unregister",
		.what = "userfaultfd: no more, while memory is protected from writes",
		.columns = WP_COLUMNS,
		.modes = 1 << DMIRAGE_MODE_PINNED,
		.no_mode = "what is protected from writes cannot be pinned for writing",
		.except = { NOT_UFFD },
		.flushes = FLUSHES_ANY,
		.read_warm = true,
		.before = before_protected,
		.act = act_uffd_unregister,
	},
	{
		.name = "uffd-register",
		.what = "userfaultfd: registered; a shared page table is so no more",
		.columns = WP_COLUMNS,
		.except = { NOT_UFFD },
		.flushes = FLUSHES_NONE,
		.act = act_uffd_register,
	},
	{
		.name = "uffd-move",
		.what = "userfaultfd: UFFDIO_MOVE to another address",
		.columns = OF(4K) | OF(THP) | OF(MTHP) | OF(SWAPPED),
		.since = 608,
		.except = {
			NOT_UFFD,
			{ ZERO_COLUMNS, "what nobody has written to is not moved" },
		},
		.else_why = "only for anonymous memory",
		.flushes = FLUSHES_SOME,
		.limit = 4,
		.act = act_uffd_move,
	},
	{
		.name = "soft-dirty",
		.what = "/proc/PID/clear_refs 4: what is written from now on",
		.columns = ALL_COLUMNS,
		.flushes = FLUSHES_ONE,
		.act = act_soft_dirty,
	},
	{
		.name = "clear-accessed",
		.what = "/proc/PID/clear_refs 1: what is used from now on",
		.columns = ALL_COLUMNS,
		.flushes = FLUSHES_NONE,
		.act = act_clear_accessed,
	},
	{
		.name = "pagemap-scan",
		.what = "PAGEMAP_SCAN: what was written to is found, and protected again",
		.columns = WP_COLUMNS & ~(ZERO_COLUMNS | OF(SWAPPED)),
		.since = 607,
		.modes = 1 << DMIRAGE_MODE_PINNED,
		.no_mode = "it is protected from writes then, and cannot be pinned",
		.except = { NOT_UFFD, { ZERO_COLUMNS | OF(SWAPPED), "there is nothing that was written to" } },
		.flushes = FLUSHES_ONE,
		.before = before_scan,
		.act = act_scan,
	},
	{ 0 }
};
