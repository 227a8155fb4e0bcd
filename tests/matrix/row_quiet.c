// SPDX-License-Identifier: GPL-2.0
/* Rows: what leaves translations as they are, so nobody needs to be told. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glob.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "damon.h"
#include "newer.h"
#include "rows.h"

#define OWN_COLUMNS (ANON_COLUMNS | SHMEM_COLUMNS | OF(FILE) | OF(HUGETLB) | OF(HUGETLB_SHARED))
#define MAKES_OWN   "it makes a page of the process's own of it: see first-write"

static void act_mlock(struct cell *c)
{
	ASSERT_SYS(mlock(c->area.addr, c->area.len));
}

static void act_munlock(struct cell *c)
{
	ASSERT_SYS(munlock(c->area.addr, c->area.len));
}

static void act_mincore(struct cell *c)
{
	static u8 there[PROBE_1G / PROBE_4K];

	ASSERT_SYS(mincore(c->area.addr, c->area.len, there));
}

static void act_populate(struct cell *c)
{
	if (madvise(c->area.addr, c->area.len, MADV_POPULATE_WRITE)) {
		ASSERT_EQ(errno, EINVAL);
		SKIP("the kernel has it since 5.14");
	}
}

static void act_nohugepage(struct cell *c)
{
	ASSERT_SYS(madvise(c->area.addr, c->area.len, MADV_NOHUGEPAGE));
}

static void act_policy(struct cell *c)
{
	unsigned long mask = 2;

	/* Only of what comes from now on. */
	ASSERT_SYS(syscall(SYS_mbind, c->area.addr, c->area.len, MPOL_BIND, &mask,
			   8 * sizeof(mask), 0));
}

static void act_swap_in(struct cell *c)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++)
		EXPECT_EQ(cpu_read(c->place[i].p), c->place[i].value);
	cell_all(c, PLACE_KEPT);
}

static void act_mseal(struct cell *c)
{
	ASSERT_SYS(syscall(SYS_mseal, c->area.addr, c->area.len, 0));
	EXPECT_ERRNO(munmap(c->area.addr, c->area.len), EPERM);
	EXPECT_ERRNO(mprotect(c->area.addr, c->area.len, PROT_READ), EPERM);
}

/* The pages that the clock is read from are others in a time namespace. */
static void act_time_namespace(struct cell *c)
{
	int fd;

	(void)c;
	if (unshare(CLONE_NEWTIME))
		SKIP("no time namespaces: %s", strerror(errno));
	fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	ASSERT_SYS(fd);
	ASSERT_SYS(setns(fd, CLONE_NEWTIME));
	close(fd);
}

#define DAMON_MS 4000

/* DAMON has been there, and nobody since: it takes pages at random. */
static bool some_idle(struct cell *c)
{
	size_t at;

	for (at = 0; at < c->area.len; at += PROBE_4K) {
		if (area_is_idle(c->area.addr + at))
			return true;
	}
	return false;
}

static void watch_accesses(struct cell *c, const char *ops, u64 start, u64 end)
{
	damon_start(ops, start, end);
	ASSERT(cell_wait(c, some_idle, DAMON_MS));
	/* And has looked again. */
	sleep_ms(20);
	damon_stop();
}

static void act_damon(struct cell *c)
{
	u64 frame;

	watch_accesses(c, "fvaddr", (uintptr_t)c->area.addr,
		       (uintptr_t)c->area.addr + c->area.len);
	/* The first page's, or all of a huge one: somebody has to use it in between. */
	cpu_read(c->place[0].p);
	ASSERT(area_frame(c->area.addr, &frame));
	watch_accesses(c, "paddr", frame, frame + c->column->unit);
}

/* Registers that have no driver, of the first device that lets them be mapped. */
static u8 *map_registers(size_t *len)
{
	unsigned long long start, end, flags;
	u8 *p = MAP_FAILED;
	unsigned int bar;
	char path[320];
	glob_t found;
	size_t i;
	FILE *f;
	int fd;

	ASSERT_EQ(glob("/sys/bus/pci/devices/*/resource", 0, NULL, &found), 0);
	for (i = 0; i < found.gl_pathc && p == MAP_FAILED; i++) {
		f = fopen(found.gl_pathv[i], "re");
		ASSERT(f);
		for (bar = 0; bar < 6 && p == MAP_FAILED; bar++) {
			if (fscanf(f, "%llx %llx %llx", &start, &end, &flags) != 3)
				break;
			snprintf(path, sizeof(path), "%s%u", found.gl_pathv[i], bar);
			fd = open(path, O_RDWR | O_CLOEXEC);
			if (fd < 0)
				continue;
			*len = end - start + 1;
			p = mmap(NULL, *len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
			close(fd);
		}
		fclose(f);
	}
	globfree(&found);
	if (p == MAP_FAILED)
		SKIP("there are no registers without a driver");
	return p;
}

/* Of a device's registers there are entries without pages, which are flushed at once. */
static void act_registers(struct cell *c)
{
	size_t len;
	u8 *p = map_registers(&len);

	(void)c;
	ASSERT_SYS(mprotect(p, len, PROT_READ));
	ASSERT_SYS(munmap(p, len));
}

/* Memory that the kernel itself has no mapping of is not for a device. */
static void run_secret(struct cell *c)
{
	int fd = (int)syscall(SYS_memfd_secret, 0);
	struct dmirage *d;
	uint32_t id;
	u8 *p;

	if (fd < 0)
		SKIP("no memfd_secret(): %s", strerror(errno));
	ASSERT_SYS(ftruncate(fd, PROBE_4K));
	p = mmap(NULL, PROBE_4K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT(p != MAP_FAILED);
	cpu_write(p, 0x5ec7e7);
	d = open_mode(c->mode, 0);
	if (is_pinned(c))
		EXPECT_EQ((u64)dmirage_region_add(d, p, PROBE_4K, 0, &id), (u64)-EFAULT);
	/* Where the device walks the process's own table, it gets what the process has. */
	if (c->mode == DMIRAGE_MODE_SHARED)
		EXPECT_EQ(dev_read(d, p), 0x5ec7e7);
	else if (c->write)
		expect_write_fault(d, p, EFAULT);
	else
		expect_read_fault(d, p, EFAULT);
	EXPECT_EQ(cpu_read(p), 0x5ec7e7);
	EXPECT_EQ(get_counters(d).violations, 0);
	dmirage_close(d);
}

const struct row rows_quiet[] = {
	{
		.name = "mlock",
		.what = "mlock()",
		.columns = OWN_COLUMNS,
		.except = { { OF(HUGETLB_PMD), "it would fill all of 1 GiB" },
			    { OF(HUGETLB_1G), "it is like hugetlb of 2 MiB" },
			    { OF(SWAPPED), "it is swapped in: see swap-in" } },
		.else_why = MAKES_OWN,
		.flushes = FLUSHES_NONE,
		.act = act_mlock,
	},
	{
		.name = "munlock",
		.what = "munlock()",
		.columns = ALL_COLUMNS,
		.flushes = FLUSHES_NONE,
		.act = act_munlock,
	},
	{
		.name = "mincore",
		.what = "mincore()",
		.columns = ALL_COLUMNS,
		.flushes = FLUSHES_NONE,
		.act = act_mincore,
	},
	{
		.name = "populate",
		.what = "madvise(MADV_POPULATE_WRITE)",
		.columns = OWN_COLUMNS,
		.except = { { OF(HUGETLB_PMD), "it would fill all of 1 GiB" },
			    { OF(HUGETLB_1G), "it is like hugetlb of 2 MiB" },
			    { OF(SWAPPED), "it is swapped in: see swap-in" } },
		.else_why = MAKES_OWN,
		.flushes = FLUSHES_NONE,
		.act = act_populate,
	},
	{
		.name = "nohugepage",
		.what = "madvise(MADV_NOHUGEPAGE): huge pages that are there stay",
		.columns = ALL_COLUMNS & ~HUGETLB_COLUMNS,
		.else_why = "hugetlb memory has no other pages",
		.flushes = FLUSHES_NONE,
		.act = act_nohugepage,
	},
	{
		.name = "policy",
		.what = "mbind() for pages to come",
		.columns = ALL_COLUMNS,
		.flushes = FLUSHES_NONE,
		.act = act_policy,
	},
	{
		.name = "swap-in",
		.what = "what was swapped out is used again",
		.columns = OF(SWAPPED),
		.else_why = "it is not swapped out",
		.flushes = FLUSHES_NONE,
		.act = act_swap_in,
	},
	{
		.name = "mseal",
		.what = "mseal(): the mapping can be changed no more",
		.columns = ALL_COLUMNS,
		.since = 610,
		.flushes = FLUSHES_NONE,
		.act = act_mseal,
	},
	{
		.name = "time-namespace",
		.what = "setns() to a time namespace: the clock's pages are others",
		.columns = OF(4K),
		.else_why = OTHER_PAGES,
		.flushes = FLUSHES_NONE,
		.act = act_time_namespace,
	},
	{
		.name = "registers",
		.what = "mprotect() and munmap() of another device's registers",
		.columns = OF(4K),
		.else_why = OTHER_PAGES,
		.flushes = FLUSHES_ANY,
		.act = act_registers,
	},
	{
		.name = "damon",
		.what = "DAMON counts accesses, by address and by frame",
		.columns = OF(4K) | OF(THP) | OF(HUGETLB),
		.else_why = "to DAMON it is as one of 4k, thp and hugetlb",
		.flushes = FLUSHES_NONE,
		.act = act_damon,
	},
	{
		.name = "secret",
		.what = "memfd_secret(): memory that no device is given",
		.columns = OF(MEMFD),
		.since = 514,
		.else_why = "it is a kind of memory of its own, made by memfd_secret()",
		.flushes = FLUSHES_NONE,
		.run = run_secret,
	},
	{ 0 }
};
