// SPDX-License-Identifier: GPL-2.0
/*
 * A context for which nothing is faulted in: what the device may have then, what it is
 * refused, and that the process's memory is as it was.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "newer.h"
#include "schedule.h"
#include "swap.h"

#define PAGES	8

static struct dmirage *open_present(int mode)
{
	return open_mode((unsigned int)mode, DMIRAGE_OPEN_PRESENT);
}

static struct probe_page page_at(const void *addr)
{
	struct probe_page page;

	ASSERT_EQ(probe_page(addr, &page), 0);
	return page;
}

/* It cannot be read or written, and is not there either after the attempts. */
static void expect_absent(struct dmirage *d, u8 *p)
{
	bool swapped = page_at(p).swapped;

	EXPECT(!page_at(p).present);
	expect_read_fault(d, p, ENOENT);
	expect_write_fault(d, p, ENOENT);
	EXPECT(!page_at(p).present);
	EXPECT_EQ(page_at(p).swapped, swapped);
}

/* ---- Absent ------------------------------------------------------------------ */

/* Only what the process touches comes to be there, and an operation ends in front of the rest. */
static void untouched(int mode)
{
	struct dmirage *d = open_present(mode);
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	struct probe_mem mem;
	u8 *p;

	ASSERT_EQ(probe_mem_map(&mem, PROBE_KIND_4K, PROBE_2M), 0);
	p = mem.addr;
	expect_absent(d, p);
	cpu_write(p + PROBE_4K, 7);
	EXPECT_EQ(dev_read(d, p + PROBE_4K), 7);
	dev_write(d, p + PROBE_4K, 8);
	EXPECT_EQ(cpu_read(p + PROBE_4K), 8);
	expect_absent(d, p);

	dmirage_prep_touch_read(&sqe, 1, p + PROBE_4K, 2 * PROBE_4K);
	cqe = run_op(d, &sqe);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
	EXPECT_EQ(cqe.detail, ENOENT);
	EXPECT_EQ(cqe.addr, (uintptr_t)p + 2 * PROBE_4K);
	EXPECT_EQ(cqe.result, PROBE_4K);
	expect_absent(d, p + 2 * PROBE_4K);
	expect_clean(d);
	dmirage_close(d);
	probe_mem_put(&mem);
}

static void untouched_huge(int mode)
{
	struct dmirage *d = open_present(mode);
	struct probe_mem mem;

	ASSERT_EQ(probe_mem_map(&mem, PROBE_KIND_HUGETLB, 2 * PROBE_2M), 0);
	expect_absent(d, mem.addr);
	cpu_write(mem.addr, 1);
	EXPECT_EQ(dev_read(d, mem.addr), 1);
	expect_absent(d, mem.addr + PROBE_2M);
	dmirage_close(d);
	probe_mem_put(&mem);
}

/* The device had it. */
static void discarded(int mode)
{
	struct dmirage *d = open_present(mode);
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_2M);

	dev_write(d, mem.addr, 1);
	ASSERT_SYS(madvise(mem.addr, mem.len, MADV_DONTNEED));
	expect_absent(d, mem.addr);
	expect_clean(d);
	dmirage_close(d);
	probe_mem_put(&mem);
}

static void swapped(int mode)
{
	struct dmirage *d = open_present(mode);
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_2M);
	u64 end = now_ms() + 5000 * ktap_scale();

	swap_begin();
	cpu_write(mem.addr, 5);
	EXPECT_EQ(dev_read(d, mem.addr), 5);
	do {
		drain_batches();
		ASSERT_SYS(madvise(mem.addr, mem.len, MADV_PAGEOUT));
	} while (!page_at(mem.addr).swapped && now_ms() < end);
	ASSERT(page_at(mem.addr).swapped);
	expect_absent(d, mem.addr);
	EXPECT_EQ(cpu_read(mem.addr), 5);
	EXPECT_EQ(dev_read(d, mem.addr), 5);
	expect_clean(d);
	dmirage_close(d);
	probe_mem_put(&mem);
	swap_end();
}

/* A fault has seen it, it goes, and the fault goes on. */
static void raced(int arg)
{
	struct dmirage *d = open_present(DMIRAGE_MODE_MIRROR);
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_2M);
	u64 retries = get_counters(d).fault_retries;
	struct dmirage_cqe cqe;

	(void)arg;
	cpu_write(mem.addr, 3);
	arm_gate(d, "fault-snapshot");
	submit_read(d, mem.addr);
	wait_gate(d, "fault-snapshot");
	ASSERT_SYS(madvise(mem.addr, PROBE_4K, MADV_DONTNEED));
	release_gate(d);
	cqe = complete(d);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
	EXPECT_EQ(cqe.detail, ENOENT);
	EXPECT_EQ(get_counters(d).fault_retries, retries + 1);
	EXPECT_EQ(get_counters(d).mapped_4k, 0);
	expect_not_expired(d);
	expect_absent(d, mem.addr);
	dmirage_close(d);
	probe_mem_put(&mem);
}

/* What is prefetched ends there, too. */
static void prefetched(int arg)
{
	struct dmirage *d = open_present(DMIRAGE_MODE_MIRROR);
	struct probe_mem mem;
	uint64_t done = ~0ull;

	(void)arg;
	ASSERT_EQ(probe_mem_map(&mem, PROBE_KIND_4K, PROBE_2M), 0);
	cpu_write(mem.addr, 1);
	cpu_write(mem.addr + PROBE_4K, 1);
	EXPECT_EQ(dmirage_prefetch(d, mem.addr, mem.len, 0, &done), -ENOENT);
	EXPECT_EQ(done, 2 * PROBE_4K);
	expect_absent(d, mem.addr + 2 * PROBE_4K);
	dmirage_close(d);
	probe_mem_put(&mem);
}

/* ---- Present ----------------------------------------------------------------- */

/* As large as ever. */
static void huge(int kind)
{
	struct dmirage *d = open_present(DMIRAGE_MODE_MIRROR);
	struct probe_mem mem = get_mem((enum probe_kind)kind, PROBE_2M);

	dev_write(d, mem.addr + PROBE_2M - 8, 1);
	EXPECT_EQ(cpu_read(mem.addr + PROBE_2M - 8), 1);
	EXPECT_EQ(get_counters(d).mapped_2m, 1);
	EXPECT_EQ(get_counters(d).mapped_4k, 0);
	expect_clean(d);
	dmirage_close(d);
	probe_mem_put(&mem);
}

/*
 * Pages shared with a child are there, read-only: to write to some of them breaks COW, and
 * what the child has is as it was.
 */
static void shared_with_child(int mode)
{
	struct dmirage *d = open_present(mode);
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_2M);
	unsigned int i, differ = 0;
	struct dmirage_sqe sqe;
	int go[2];
	pid_t pid;
	char c;

	for (i = 0; i < PAGES; i++)
		cpu_write(mem.addr + i * PROBE_4K, i);
	ASSERT_SYS(pipe(go));
	pid = fork();
	ASSERT_SYS(pid);
	if (!pid) {
		close(go[1]);
		(void)!read(go[0], &c, 1);
		for (i = 0; i < PAGES; i++)
			differ += cpu_read(mem.addr + i * PROBE_4K) != i;
		_exit((int)differ);
	}
	EXPECT_EQ(dev_read(d, mem.addr + PROBE_4K), 1);
	dmirage_prep_fill(&sqe, 1, mem.addr, ~0ull, PAGES * PROBE_4K);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(cpu_read(mem.addr + i * PROBE_4K), ~0ull);
	close(go[0]);
	close(go[1]);
	EXPECT_EQ(wait_child(pid), 0);
	expect_clean(d);
	dmirage_close(d);
	probe_mem_put(&mem);
}

/* It is there, and everybody's: a write gets a page of one's own. */
static void zero_page(int mode)
{
	struct dmirage *d = open_present(mode);
	struct probe_mem mem;
	u64 zero;

	ASSERT_EQ(probe_mem_map(&mem, PROBE_KIND_4K, PROBE_2M), 0);
	EXPECT_EQ(cpu_read(mem.addr), 0);
	zero = frame_of(mem.addr);
	EXPECT_EQ(dev_read(d, mem.addr), 0);
	EXPECT_EQ(frame_of(mem.addr), zero);
	dev_write(d, mem.addr, 9);
	EXPECT_NE(frame_of(mem.addr), zero);
	EXPECT_EQ(cpu_read(mem.addr), 9);
	expect_clean(d);
	dmirage_close(d);
	probe_mem_put(&mem);
}

/* ---- What it may not have, there or not ---------------------------------------- */

static void refused(int mode)
{
	struct dmirage *d = open_present(mode);
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 2 * PROBE_2M);
	u8 *p = mem.addr, *bar;
	int fd;

	ASSERT_SYS(mprotect(p, PROBE_4K, PROT_READ));
	EXPECT_EQ(dev_read(d, p), 0);
	expect_write_fault(d, p, EPERM);
	ASSERT_SYS(mprotect(p, PROBE_4K, PROT_NONE));
	expect_read_fault(d, p, EFAULT);
	ASSERT_SYS(munmap(p, PROBE_4K));
	expect_read_fault(d, p, EFAULT);
	expect_write_fault(d, p, EFAULT);

	/* VM_IO and VM_PFNMAP; in shared mode there is nothing to be asked for */
	if (mode == DMIRAGE_MODE_SHARED)
		goto out;
	fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
	ASSERT_SYS(fd);
	bar = mmap(NULL, PROBE_4K, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT(bar != MAP_FAILED);
	expect_read_fault(d, bar, EFAULT);
	munmap(bar, PROBE_4K);
	close(fd);
out:
	expect_clean(d);
	dmirage_close(d);
	probe_mem_put(&mem);
}

static void not_pinned(int arg)
{
	const struct dmirage_open_opts opts = {
		.flags = DMIRAGE_OPEN_PRESENT,
		.mode = DMIRAGE_MODE_PINNED,
	};
	struct dmirage *d;

	(void)arg;
	EXPECT_EQ(dmirage_open(NULL, &opts, &d), -EOPNOTSUPP);
}

static const struct ktap_test tests[] = {
	{ "untouched-mirror", untouched, DMIRAGE_MODE_MIRROR, 0 },
	{ "untouched-shared", untouched, DMIRAGE_MODE_SHARED, 0 },
	{ "untouched-huge-mirror", untouched_huge, DMIRAGE_MODE_MIRROR, 0 },
	{ "untouched-huge-shared", untouched_huge, DMIRAGE_MODE_SHARED, 0 },
	{ "discarded-mirror", discarded, DMIRAGE_MODE_MIRROR, 0 },
	{ "discarded-shared", discarded, DMIRAGE_MODE_SHARED, 0 },
	{ "swapped-mirror", swapped, DMIRAGE_MODE_MIRROR, 0 },
	{ "swapped-shared", swapped, DMIRAGE_MODE_SHARED, 0 },
	{ "raced", raced, 0, 0 },
	{ "prefetched", prefetched, 0, 0 },
	{ "thp", huge, PROBE_KIND_THP, 0 },
	{ "hugetlb", huge, PROBE_KIND_HUGETLB, 0 },
	{ "child-mirror", shared_with_child, DMIRAGE_MODE_MIRROR, 0 },
	{ "child-shared", shared_with_child, DMIRAGE_MODE_SHARED, 0 },
	{ "zero-page-mirror", zero_page, DMIRAGE_MODE_MIRROR, 0 },
	{ "zero-page-shared", zero_page, DMIRAGE_MODE_SHARED, 0 },
	{ "refused-mirror", refused, DMIRAGE_MODE_MIRROR, 0 },
	{ "refused-shared", refused, DMIRAGE_MODE_SHARED, 0 },
	{ "not-pinned", not_pinned, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests), reserve_huge_pages);
}
