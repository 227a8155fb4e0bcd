// SPDX-License-Identifier: GPL-2.0
/* Rows: what only files have, and writes by force. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rows.h"

#define TRACING	  "/sys/kernel/tracing/"
#define PROBE_AT  0x800 /* in the page, where the places are not */
#define ONLY_DISK "only a file of a disk is written back"

/* Dirty pages are clean then, and who writes to them is to be noticed. */
static void act_writeback(struct cell *c)
{
	ASSERT_SYS(msync(c->area.addr, c->area.len, MS_SYNC));
	cell_all(c, PLACE_WP);
}

/* The file has other blocks there. */
static void act_zero_range(struct cell *c)
{
	ASSERT_SYS(fallocate(c->area.fd, FALLOC_FL_ZERO_RANGE, 0, (off_t)c->area.len));
	cell_part_replaced(c, 0, c->area.len, 0);
}

/* Past the page cache, which has to forget what it has. */
static void act_direct_write(struct cell *c)
{
	char path[64];
	u64 *page;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", c->area.fd);
	fd = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
	ASSERT_SYS(fd);
	page = aligned_alloc(PROBE_4K, PROBE_4K);
	ASSERT(page);
	memset(page, 0, PROBE_4K);
	page[0] = 0xd14ec7;
	ASSERT_EQ(pwrite(fd, page, PROBE_4K, PART), PROBE_4K);
	free(page);
	close(fd);
	cell_part_replaced(c, PART, PROBE_4K, 0xd14ec7);
	/* What is dirty in the file is written back before, so its other pages are told of. */
	if (cell_is(c, OF(FILE)))
		c->flushes = FLUSHES_SOME;
}

/* ---- A breakpoint in a program ------------------------------------------------------- */

static void before_uprobe(struct cell *c)
{
	ASSERT_SYS(mprotect(c->area.addr, c->area.len, PROT_READ | PROT_EXEC));
}

static void remove_uprobe(struct cell *c)
{
	ASSERT_EQ(put_text(TRACING "events/uprobes/dmirage_matrix/enable", "0"), 0);
	ASSERT_EQ(put_text(TRACING "uprobe_events", "-:uprobes/dmirage_matrix"), 0);
	/* Nothing of its own is in the page any more, so the kernel may take the file's again. */
	cell_part(c, PART, PROBE_4K, PLACE_KEPT);
	cell_writable(c);
}

/* The page that the instruction is in gets a copy of the process's own. */
static void act_uprobe(struct cell *c)
{
	char text[160], path[96], link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", c->area.fd);
	len = readlink(link, path, sizeof(path) - 1);
	ASSERT(len > 0);
	path[len] = '\0';
	snprintf(text, sizeof(text), "p:uprobes/dmirage_matrix %s:0x%lx", path, PART + PROBE_AT);
	if (put_text(TRACING "uprobe_events", text))
		SKIP("this kernel has no uprobes");
	ASSERT_EQ(put_text(TRACING "events/uprobes/dmirage_matrix/enable", "1"), 0);
	cell_part(c, PART, PROBE_4K, PLACE_MOVED);
	c->later = remove_uprobe;
}

/* ---- By force --------------------------------------------------------------------------- */

/* As a debugger does, where the process itself may not. */
static void act_forced_write(struct cell *c)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	unsigned int i;
	u64 value;

	ASSERT_SYS(fd);
	for (i = 0; i < PLACES; i++) {
		value = 0x88000 + i;
		ASSERT_EQ(pwrite(fd, &value, 8, (off_t)(uintptr_t)c->place[i].p), 8);
		cell_value(c, i, value);
	}
	close(fd);
	c->later = cell_writable;
	/* What is the process's own is written to as it is. */
	if (cell_is(c, ANON_COLUMNS))
		return;
	if (cell_is(c, OF(SWAPPED))) {
		cell_all(c, PLACE_KEPT);
		return;
	}
	cell_all(c, PLACE_MOVED);
	c->flushes = FLUSHES_SOME;
}

const struct row rows_file[] = {
	{
		.name = "writeback",
		.what = "msync(MS_SYNC): dirty pages of a file are written back",
		.columns = OF(FILE),
		.except = { { OF(FILE_PRIVATE), "private pages never reach the file" } },
		.else_why = ONLY_DISK,
		.flushes = FLUSHES_UNITS,
		.act = act_writeback,
	},
	{
		.name = "zero-range",
		.what = "fallocate(FALLOC_FL_ZERO_RANGE)",
		.columns = FILE_COLUMNS,
		.else_why = "only file systems on a disk can",
		.flushes = FLUSHES_ONE,
		.act = act_zero_range,
	},
	{
		.name = "direct-write",
		.what = "a write with O_DIRECT to a page that is mapped",
		.columns = FILE_COLUMNS,
		.else_why = "only a file of a disk can be written to past the page cache",
		.flushes = FLUSHES_ONE,
		.act = act_direct_write,
	},
	{
		.name = "uprobe",
		.what = "a breakpoint is put into a program",
		.columns = OF(FILE_PRIVATE),
		.else_why = "a program is mapped private, from a file",
		.flushes = FLUSHES_ONE,
		.before = before_uprobe,
		.act = act_uprobe,
	},
	{
		.name = "forced-write",
		.what = "a write through /proc/PID/mem to what is read-only",
		.columns = PRIVATE_COLUMNS & ~OF(HUGETLB),
		.modes = 1 << DMIRAGE_MODE_PINNED,
		.no_mode = "what is for reading only cannot be pinned for writing",
		.except = { { OF(HUGETLB), "hugetlb memory is not written to by force" } },
		.else_why = "what is shared is not written to by force",
		.flushes = FLUSHES_NONE,
		.read_warm = true,
		.before = cell_read_only,
		.act = act_forced_write,
	},
	{ 0 }
};
