// SPDX-License-Identifier: GPL-2.0
/*
 * What the process does to its mappings reaches the device: one operation of
 * the kernel per test, seen from both sides.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

/* A value at each of the places that a test looks at. */
#define PLACES	4
static const size_t places[PLACES] = { 0, 5 * PROBE_4K + 64, 255 * PROBE_4K,
				       511 * PROBE_4K + 4088 };

/* 2 MiB of a kind, with values written by the device. */
static struct probe_mem warm(struct dmirage *d, enum probe_kind kind)
{
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	unsigned int i;

	for (i = 0; i < PLACES; i++) {
		dev_write(d, mem.addr + places[i], 100 + i);
		EXPECT_EQ(cpu_read(mem.addr + places[i]), 100 + i);
	}
	if (kind != PROBE_KIND_4K)
		EXPECT_GE(get_counters(d).mapped_2m, 1);
	return mem;
}

static void unmap(int kind)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = warm(d, kind);
	unsigned int i;

	ASSERT_SYS(munmap(mem.addr, mem.len));
	for (i = 0; i < PLACES; i++) {
		expect_read_fault(d, mem.addr + places[i], EFAULT);
		expect_write_fault(d, mem.addr + places[i], EFAULT);
	}
	EXPECT_EQ(get_counters(d).ops_failed, 2 * PLACES);
	EXPECT_EQ(get_counters(d).fault_errors, 2 * PLACES);
	expect_clean(d);
}

static void protect_read(int kind)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = warm(d, kind);
	unsigned int i;

	ASSERT_SYS(mprotect(mem.addr, mem.len, PROT_READ));
	for (i = 0; i < PLACES; i++) {
		expect_write_fault(d, mem.addr + places[i], EPERM);
		EXPECT_EQ(dev_read(d, mem.addr + places[i]), 100 + i);
		EXPECT_EQ(cpu_read(mem.addr + places[i]), 100 + i);
		/* And again, now that the device has a read-only translation. */
		expect_write_fault(d, mem.addr + places[i], EPERM);
	}
	ASSERT_SYS(mprotect(mem.addr, mem.len, PROT_READ | PROT_WRITE));
	for (i = 0; i < PLACES; i++) {
		dev_write(d, mem.addr + places[i], 200 + i);
		EXPECT_EQ(cpu_read(mem.addr + places[i]), 200 + i);
	}
	expect_clean(d);
}

static void protect_none(int kind)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = warm(d, kind);
	unsigned int i;

	ASSERT_SYS(mprotect(mem.addr, mem.len, PROT_NONE));
	for (i = 0; i < PLACES; i++) {
		expect_read_fault(d, mem.addr + places[i], EFAULT);
		expect_write_fault(d, mem.addr + places[i], EFAULT);
	}
	ASSERT_SYS(mprotect(mem.addr, mem.len, PROT_READ | PROT_WRITE));
	for (i = 0; i < PLACES; i++)
		EXPECT_EQ(dev_read(d, mem.addr + places[i]), 100 + i);
	expect_clean(d);
}

static void dontneed(int kind)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = warm(d, kind);
	unsigned int i;

	if (madvise(mem.addr, mem.len, MADV_DONTNEED)) {
		if (errno == EINVAL && kind == PROBE_KIND_HUGETLB)
			SKIP("no MADV_DONTNEED on hugetlb in this kernel");
		ASSERT_SYS(-1);
	}
	for (i = 0; i < PLACES; i++)
		EXPECT_EQ(dev_read(d, mem.addr + places[i]), 0);
	for (i = 0; i < PLACES; i++) {
		cpu_write(mem.addr + places[i], 300 + i);
		EXPECT_EQ(dev_read(d, mem.addr + places[i]), 300 + i);
		dev_write(d, mem.addr + places[i], 400 + i);
		EXPECT_EQ(cpu_read(mem.addr + places[i]), 400 + i);
	}
	expect_clean(d);
}

static int memfd_with(u64 value, size_t len)
{
	int fd = memfd_create("dmirage-test", MFD_CLOEXEC);
	size_t off;

	ASSERT(fd >= 0);
	ASSERT_SYS(ftruncate(fd, (off_t)len));
	for (off = 0; off < len; off += PROBE_4K)
		ASSERT_EQ(pwrite(fd, &value, 8, (off_t)off), 8);
	return fd;
}

/* Another mapping in the same place. */
static void map_over(int kind)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = warm(d, kind);
	int fd = memfd_with(0xf11e, mem.len);
	size_t off;

	ASSERT(mmap(mem.addr, mem.len, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED, fd, 0) == mem.addr);
	for (off = 0; off < mem.len; off += 255 * PROBE_4K) {
		u64 value = 0;

		EXPECT_EQ(dev_read(d, mem.addr + off), 0xf11e);
		dev_write(d, mem.addr + off, 500 + off);
		ASSERT_EQ(pread(fd, &value, 8, (off_t)off), 8);
		EXPECT_EQ(value, 500 + off);
	}
	expect_clean(d);
}

/* A file's pages go when it is cut off. */
static void truncated(int arg)
{
	struct dmirage *d = open_context();
	int fd = memfd_with(0xf11e, 4 * PROBE_4K);
	u8 *p;

	(void)arg;
	p = mmap(NULL, 4 * PROBE_4K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT(p != MAP_FAILED);
	EXPECT_EQ(dev_read(d, p), 0xf11e);
	dev_write(d, p + 3 * PROBE_4K, 1);
	ASSERT_SYS(ftruncate(fd, PROBE_4K));
	EXPECT_EQ(dev_read(d, p), 0xf11e);
	expect_read_fault(d, p + 3 * PROBE_4K, EFAULT);
	expect_write_fault(d, p + 3 * PROBE_4K, EFAULT);
	ASSERT_SYS(ftruncate(fd, 4 * PROBE_4K));
	EXPECT_EQ(dev_read(d, p + 3 * PROBE_4K), 0);
	expect_clean(d);
}

/* ---- fork -------------------------------------------------------------- */

static int child_status(pid_t pid)
{
	int status = -1;

	ASSERT_SYS(waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* After fork(), what the device writes is the parent's alone. */
static void fork_device_writes(int kind)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = warm(d, kind);
	int go[2];
	unsigned int i;
	pid_t pid;
	char c;

	ASSERT_SYS(pipe(go));
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid) {
		close(go[1]);
		if (read(go[0], &c, 1) != 1)
			_exit(2);
		for (i = 0; i < PLACES; i++) {
			if (cpu_read(mem.addr + places[i]) != 100 + i)
				_exit(3);
		}
		_exit(0);
	}
	for (i = 0; i < PLACES; i++)
		dev_write(d, mem.addr + places[i], 600 + i);
	for (i = 0; i < PLACES; i++) {
		EXPECT_EQ(cpu_read(mem.addr + places[i]), 600 + i);
		EXPECT_EQ(dev_read(d, mem.addr + places[i]), 600 + i);
	}
	ASSERT_EQ(write(go[1], "g", 1), 1);
	EXPECT_EQ(child_status(pid), 0);
	expect_clean(d);
}

/*
 * After fork(), the device reads what the parent's CPU writes, which goes to a
 * copy, and not what the child writes.
 */
static void fork_cpu_writes(int kind)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = warm(d, kind);
	int go[2], done[2];
	unsigned int i;
	u64 before;
	pid_t pid;
	char c;

	ASSERT_SYS(pipe(go));
	ASSERT_SYS(pipe(done));
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid) {
		/* The pages stay shared until the parent is through. */
		if (read(go[0], &c, 1) != 1)
			_exit(2);
		for (i = 0; i < PLACES; i++) {
			if (cpu_read(mem.addr + places[i]) != 100 + i)
				_exit(3);
			cpu_write(mem.addr + places[i], 0xc411d);
		}
		_exit(write(done[1], "d", 1) != 1);
	}
	/* Read-only translations of pages that are about to be copied. */
	for (i = 0; i < PLACES; i++)
		EXPECT_EQ(dev_read(d, mem.addr + places[i]), 100 + i);
	for (i = 0; i < PLACES; i++) {
		before = frame_of(mem.addr + places[i]);
		cpu_write(mem.addr + places[i], 700 + i);
		if (kind != PROBE_KIND_HUGETLB || !i)
			EXPECT_NE(frame_of(mem.addr + places[i]), before);
		EXPECT_EQ(dev_read(d, mem.addr + places[i]), 700 + i);
	}
	ASSERT_EQ(write(go[1], "g", 1), 1);
	ASSERT_EQ(read(done[0], &c, 1), 1);
	for (i = 0; i < PLACES; i++)
		EXPECT_EQ(dev_read(d, mem.addr + places[i]), 700 + i);
	EXPECT_EQ(child_status(pid), 0);
	expect_clean(d);
}

/* A private file mapping: read through the page cache, then copied. */
static void private_file(int arg)
{
	struct dmirage *d = open_context();
	int fd = memfd_with(0xf11e, PROBE_4K);
	u64 before, value = 0;
	u8 *p;

	(void)arg;
	p = mmap(NULL, PROBE_4K, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT(p != MAP_FAILED);
	EXPECT_EQ(dev_read(d, p), 0xf11e);
	before = frame_of(p);
	cpu_write(p + 8, 1);
	EXPECT_NE(frame_of(p), before);
	EXPECT_EQ(dev_read(d, p + 8), 1);
	dev_write(d, p, 2);
	EXPECT_EQ(cpu_read(p), 2);
	ASSERT_EQ(pread(fd, &value, 8, 0), 8);
	EXPECT_EQ(value, 0xf11e);
	expect_clean(d);
}

/* ---- Moving and parts ---------------------------------------------------- */

static void remap(int kind)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = warm(d, kind);
	struct probe_mem to;
	unsigned int i;

	ASSERT_PROBE(probe_mem_map(&to, PROBE_KIND_4K, PROBE_2M));
	ASSERT_SYS(munmap(to.addr, to.len));
	if (mremap(mem.addr, mem.len, mem.len, MREMAP_MAYMOVE | MREMAP_FIXED,
		   to.addr) == MAP_FAILED) {
		if (kind == PROBE_KIND_HUGETLB)
			SKIP("no mremap() of hugetlb: %s", strerror(errno));
		ASSERT_SYS(-1);
	}
	for (i = 0; i < PLACES; i++) {
		expect_read_fault(d, mem.addr + places[i], EFAULT);
		EXPECT_EQ(dev_read(d, to.addr + places[i]), 100 + i);
		dev_write(d, to.addr + places[i], 800 + i);
		EXPECT_EQ(cpu_read(to.addr + places[i]), 800 + i);
	}
	expect_clean(d);
}

/* 4 KiB taken out of the middle of a huge page that the device has as one. */
static void part_dontneed(int arg)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = warm(d, PROBE_KIND_THP);
	u8 *gone = mem.addr + 5 * PROBE_4K;
	unsigned int i;

	(void)arg;
	ASSERT_SYS(madvise(gone, PROBE_4K, MADV_DONTNEED));
	EXPECT_EQ(dev_read(d, mem.addr + places[1]), 0);
	for (i = 0; i < PLACES; i++) {
		if (i != 1)
			EXPECT_EQ(dev_read(d, mem.addr + places[i]), 100 + i);
		cpu_write(mem.addr + places[i], 900 + i);
		EXPECT_EQ(dev_read(d, mem.addr + places[i]), 900 + i);
		dev_write(d, mem.addr + places[i], 950 + i);
		EXPECT_EQ(cpu_read(mem.addr + places[i]), 950 + i);
	}
	EXPECT_GE(get_counters(d).unmapped_2m, 1);
	expect_clean(d);
}

static void part_unmap(int arg)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = warm(d, PROBE_KIND_THP);
	u8 *gone = mem.addr + 5 * PROBE_4K;
	unsigned int i;

	(void)arg;
	ASSERT_SYS(munmap(gone, PROBE_4K));
	expect_read_fault(d, gone + 64, EFAULT);
	expect_write_fault(d, gone + 4088, EFAULT);
	dev_write(d, gone - 8, 1);
	dev_write(d, gone + PROBE_4K, 2);
	EXPECT_EQ(cpu_read(gone - 8), 1);
	EXPECT_EQ(cpu_read(gone + PROBE_4K), 2);
	for (i = 0; i < PLACES; i++) {
		if (i != 1)
			EXPECT_EQ(dev_read(d, mem.addr + places[i]), 100 + i);
	}
	EXPECT_GE(get_counters(d).unmapped_2m, 1);
	expect_clean(d);
}

static void part_protect(int arg)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = warm(d, PROBE_KIND_THP);
	u8 *page = mem.addr + 5 * PROBE_4K;
	unsigned int i;

	(void)arg;
	ASSERT_SYS(mprotect(page, PROBE_4K, PROT_READ));
	for (i = 0; i < PLACES; i++) {
		EXPECT_EQ(dev_read(d, mem.addr + places[i]), 100 + i);
		if (i == 1)
			expect_write_fault(d, mem.addr + places[i], EPERM);
		else
			dev_write(d, mem.addr + places[i], 1000 + i);
	}
	EXPECT_EQ(cpu_read(mem.addr + places[1]), 101);
	EXPECT_EQ(cpu_read(mem.addr + places[2]), 1002);
	expect_clean(d);
}

/* ---- Zero page, and nothing to do ---------------------------------------- */

/* A read fault does not grant writes: the zero page stays zero. */
static void zero_page(int arg)
{
	struct dmirage *d = open_context();
	struct probe_mem a, b;

	(void)arg;
	ASSERT_PROBE(probe_mem_map(&a, PROBE_KIND_4K, 2 * PROBE_4K));
	ASSERT_PROBE(probe_mem_map(&b, PROBE_KIND_4K, 2 * PROBE_4K));
	EXPECT_EQ(dev_read(d, a.addr), 0);
	EXPECT_EQ(dev_read(d, b.addr), 0);
	/* It is the zero page: both have the same one. */
	ASSERT_EQ(frame_of(a.addr), frame_of(b.addr));
	dev_write(d, a.addr, 0xdead);
	EXPECT_EQ(cpu_read(a.addr), 0xdead);
	EXPECT_EQ(dev_read(d, a.addr), 0xdead);
	EXPECT_EQ(cpu_read(b.addr), 0);
	EXPECT_EQ(dev_read(d, b.addr), 0);
	ASSERT_NE(frame_of(a.addr), frame_of(b.addr));
	/* And the other way: the CPU replaces what the device reads from. */
	cpu_write(b.addr, 0xbeef);
	EXPECT_EQ(dev_read(d, b.addr), 0xbeef);
	expect_clean(d);
}

static void huge_zero_page(int arg)
{
	struct dmirage *d = open_context();
	struct probe_mem mem, other;

	(void)arg;
	ASSERT_PROBE(probe_mem_map(&mem, PROBE_KIND_THP, PROBE_2M));
	ASSERT_PROBE(probe_mem_map(&other, PROBE_KIND_THP, PROBE_2M));
	EXPECT_EQ(dev_read(d, mem.addr + places[1]), 0);
	EXPECT_EQ(dev_read(d, other.addr + places[1]), 0);
	if (frame_of(mem.addr + places[1]) != frame_of(other.addr + places[1]))
		SKIP("no huge zero page on this machine");
	dev_write(d, mem.addr + places[1], 0xdead);
	EXPECT_EQ(cpu_read(mem.addr + places[1]), 0xdead);
	EXPECT_EQ(cpu_read(mem.addr + places[2]), 0);
	EXPECT_EQ(dev_read(d, other.addr + places[1]), 0);
	cpu_write(other.addr + places[3], 0xbeef);
	EXPECT_EQ(dev_read(d, other.addr + places[3]), 0xbeef);
	EXPECT_EQ(dev_read(d, mem.addr + places[3]), 0);
	expect_clean(d);
}

/* The device has nothing there, so nothing is sent to it. */
static void nothing_mapped(int arg)
{
	struct dmirage *d = open_context();
	struct probe_mem used = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct probe_mem mem = get_mem(PROBE_KIND_THP, PROBE_2M);
	struct dmirage_counters before, after;

	(void)arg;
	dev_write(d, used.addr, 1);
	before = get_counters(d);
	ASSERT_SYS(mprotect(mem.addr, mem.len, PROT_READ));
	ASSERT_SYS(munmap(mem.addr, mem.len));
	after = get_counters(d);
	EXPECT_EQ(after.flushes, before.flushes);
	EXPECT_EQ(after.unmapped_4k + after.unmapped_2m,
		  before.unmapped_4k + before.unmapped_2m);
	EXPECT_EQ(after.invalidations - before.invalidations,
		  after.flushes_elided - before.flushes_elided);
	/* The other page is where it was. */
	EXPECT_EQ(dev_read(d, used.addr), 1);
	EXPECT_EQ(get_counters(d).faults, before.faults);
	expect_clean(d);
}

/* One flush for one event. */
static void one_flush(int arg)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = warm(d, PROBE_KIND_THP);
	struct dmirage_counters before, after;

	(void)arg;
	before = get_counters(d);
	ASSERT_SYS(munmap(mem.addr, mem.len));
	after = get_counters(d);
	EXPECT_EQ(after.flushes, before.flushes + 1);
	EXPECT_EQ(after.unmapped_2m, before.unmapped_2m + 1);
	expect_clean(d);
}

static const struct ktap_test tests[] = {
	{ "munmap-4k", unmap, PROBE_KIND_4K, 0 },
	{ "munmap-thp", unmap, PROBE_KIND_THP, 0 },
	{ "munmap-hugetlb", unmap, PROBE_KIND_HUGETLB, 0 },
	{ "mprotect-read-4k", protect_read, PROBE_KIND_4K, 0 },
	{ "mprotect-read-thp", protect_read, PROBE_KIND_THP, 0 },
	{ "mprotect-read-hugetlb", protect_read, PROBE_KIND_HUGETLB, 0 },
	{ "mprotect-none-4k", protect_none, PROBE_KIND_4K, 0 },
	{ "mprotect-none-thp", protect_none, PROBE_KIND_THP, 0 },
	{ "dontneed-4k", dontneed, PROBE_KIND_4K, 0 },
	{ "dontneed-thp", dontneed, PROBE_KIND_THP, 0 },
	{ "dontneed-hugetlb", dontneed, PROBE_KIND_HUGETLB, 0 },
	{ "map-fixed-over-4k", map_over, PROBE_KIND_4K, 0 },
	{ "map-fixed-over-thp", map_over, PROBE_KIND_THP, 0 },
	{ "truncate", truncated, 0, 0 },
	{ "fork-device-writes-4k", fork_device_writes, PROBE_KIND_4K, 0 },
	{ "fork-device-writes-thp", fork_device_writes, PROBE_KIND_THP, 0 },
	{ "fork-device-writes-hugetlb", fork_device_writes, PROBE_KIND_HUGETLB, 0 },
	{ "fork-cpu-writes-4k", fork_cpu_writes, PROBE_KIND_4K, 0 },
	{ "fork-cpu-writes-thp", fork_cpu_writes, PROBE_KIND_THP, 0 },
	{ "fork-cpu-writes-hugetlb", fork_cpu_writes, PROBE_KIND_HUGETLB, 0 },
	{ "private-file", private_file, 0, 0 },
	{ "mremap-4k", remap, PROBE_KIND_4K, 0 },
	{ "mremap-thp", remap, PROBE_KIND_THP, 0 },
	{ "mremap-hugetlb", remap, PROBE_KIND_HUGETLB, 0 },
	{ "dontneed-4k-in-thp", part_dontneed, 0, 0 },
	{ "munmap-4k-in-thp", part_unmap, 0, 0 },
	{ "mprotect-4k-in-thp", part_protect, 0, 0 },
	{ "zero-page", zero_page, 0, 0 },
	{ "huge-zero-page", huge_zero_page, 0, 0 },
	{ "nothing-mapped", nothing_mapped, 0, 0 },
	{ "one-flush", one_flush, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
