// SPDX-License-Identifier: GPL-2.0
/*
 * Fault modes of what an MMU notifier takes out, and of what it says of pages:
 * each without the mode and with it.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "modes.h"
#include "watched.h"

/* The page moves, and the notifier does nothing. */
static void inval_ignored(int kind)
{
	struct probe_mem mem;
	struct dmirage *d;
	u64 old, new, got;
	int bad;
	u8 *p;

	for (bad = 0; bad < 2; bad++) {
		mem = get_mem(kind, probe_kind_size(kind));
		p = mem.addr + mem.len - 64;
		d = open_in_mode(bad ? "inval-ignored" : NULL);
		cpu_write(p, 1);
		ASSERT_EQ(dev_read(d, p), 1);
		old = frame_of(p);
		move_mem(&mem, 1);
		cpu_write(p, 2);
		got = dev_read(d, p);
		new = frame_of(p);
		EXPECT_GE(get_counters(d).invalidations, 1);
		if (bad) {
			EXPECT_NE(got, 2);
			EXPECT_EQ(get_counters(d).flushes, 0);
			EXPECT_EQ(counter(d, "left_stale"), 1);
			expect_frame_record(d, p, false, old, new);
		} else {
			EXPECT_EQ(got, 2);
			EXPECT_GE(get_counters(d).flushes, 1);
			EXPECT_EQ(counter(d, "left_stale"), 0);
			expect_clean(d);
		}
		dmirage_close(d);
		probe_mem_put(&mem);
	}
}

/* ---- Dirtiness ------------------------------------------------------------ */

/*
 * MADV_FREE makes a page clean: the kernel may throw it away until somebody
 * writes to it.  The device does, which no bit of the process's page table says;
 * the driver has to.
 */
static void not_dirty(int arg)
{
	struct probe_mem mem;
	struct dmirage *d;
	u64 flushes;
	u8 *p, *other;
	int bad;

	(void)arg;
	/*
	 * The kernel notes it per processor at first, that a page is new as well as
	 * that it is free; the next call there tidies up.
	 */
	stay_on(0);
	mem = get_mem(PROBE_KIND_4K, 2 * PROBE_4K);
	p = mem.addr;
	other = mem.addr + PROBE_4K;
	for (bad = 0; bad < 2; bad++) {
		d = open_in_mode(bad ? "not-dirty" : NULL);
		cpu_write(p, 1);
		ASSERT_SYS(madvise(p, PROBE_4K, MADV_FREE));
		ASSERT_SYS(madvise(other, PROBE_4K, MADV_COLD));
		ASSERT_EQ(probe_smaps_kb(p, "LazyFree"), 4);
		dev_write(d, p, 2);
		ASSERT_EQ(probe_smaps_kb(p, "LazyFree"), 4);

		flushes = get_counters(d).flushes;
		ASSERT_SYS(madvise(p, PROBE_4K, MADV_PAGEOUT));
		ASSERT_EQ(get_counters(d).flushes, flushes + 1);
		EXPECT_EQ(cpu_read(p), bad ? 0 : 2);
		EXPECT_EQ(dev_read(d, p), bad ? 0 : 2);
		expect_clean(d);
		dmirage_close(d);
	}
}

/* ---- Shared mode ---------------------------------------------------------- */

#define PAGES 4

/* Pages of a file, each with a number, mapped at @addr. */
static void map_file(u8 *addr, u64 first)
{
	int fd = memfd_create("dmirage-test", MFD_CLOEXEC);
	u64 i, value;

	ASSERT(fd >= 0);
	ASSERT_SYS(ftruncate(fd, PAGES * PROBE_4K));
	for (i = 0; i < PAGES; i++) {
		value = first + i;
		ASSERT_EQ(pwrite(fd, &value, 8, (off_t)(i * PROBE_4K)), 8);
	}
	ASSERT(mmap(addr, PAGES * PROBE_4K, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0) == addr);
	/* Not closed: the pages, and what is in them, stay. */
}

static struct dmirage *open_shared(bool bad)
{
	struct dmirage *d = open_mode(DMIRAGE_MODE_SHARED, 0);

	put_mode(d, bad ? "sync-address-only" : NULL);
	return d;
}

/* Other pages in the place of some that the IOTLB has one by one. */
static void sync_address_only(int arg)
{
	struct probe_mem mem;
	struct dmirage *d;
	u64 old[PAGES];
	unsigned int i;
	int bad;

	(void)arg;
	for (bad = 0; bad < 2; bad++) {
		ASSERT_PROBE(probe_mem_map(&mem, PROBE_KIND_4K, PROBE_2M));
		d = open_shared(bad);
		map_file(mem.addr, 10);
		for (i = 0; i < PAGES; i++) {
			EXPECT_EQ(dev_read(d, mem.addr + i * PROBE_4K), 10 + i);
			old[i] = frame_of(mem.addr + i * PROBE_4K);
		}
		for (i = 0; i < PAGES; i++)
			ASSERT(in_iotlb(d, mem.addr + i * PROBE_4K, NULL));
		EXPECT_EQ(get_counters(d).violations, 0);

		map_file(mem.addr, 20);
		for (i = 0; i < PAGES; i++)
			EXPECT_EQ(in_iotlb(d, mem.addr + i * PROBE_4K, NULL),
				  bad && i);
		EXPECT_EQ(dev_read(d, mem.addr), 20);
		expect_clean(d);
		for (i = 1; i < PAGES; i++)
			EXPECT_EQ(dev_read(d, mem.addr + i * PROBE_4K),
				  (bad ? 10 : 20) + i);
		EXPECT_EQ(get_counters(d).violations, bad ? PAGES - 1 : 0);
		for (i = 1; bad && i < PAGES; i++) {
			struct dmirage_violation v;
			u8 *p = mem.addr + i * PROBE_4K;

			ASSERT_EQ(dmirage_read_violations(d, &v, 1, 1000), 1);
			EXPECT_EQ(v.kind, DMIRAGE_VIOL_FRAME);
			EXPECT_EQ(v.addr, (uintptr_t)p);
			EXPECT_EQ(v.held_frame, old[i]);
			EXPECT_EQ(v.cpu_frame, frame_of(p));
			EXPECT_EQ(v.mode, DMIRAGE_MODE_SHARED);
		}
		dmirage_close(d);
		probe_mem_put(&mem);
	}
}

/*
 * Other memory in the place of a huge page.  If the IOTLB has that as one, its
 * address is enough; if the device breaks huge pages up (fracture=on), all but
 * the first piece stay.
 */
static void sync_huge(int arg)
{
	struct tlb_line line;
	struct probe_mem mem;
	struct dmirage *d;
	u64 old, got;
	bool stays;
	int bad;
	u8 *p;

	(void)arg;
	for (bad = 0; bad < 2; bad++) {
		mem = get_mem(PROBE_KIND_HUGETLB, PROBE_2M);
		p = mem.addr + (PAGES - 1) * PROBE_4K;
		d = open_shared(bad);
		cpu_write(p, 1);
		ASSERT_EQ(dev_read(d, p), 1);
		ASSERT(in_iotlb(d, p, &line));
		stays = bad && line.size == PROBE_4K;
		old = frame_of(p);
		ASSERT_SYS(munmap(mem.addr, PROBE_2M));
		map_file(mem.addr, 20);
		EXPECT_EQ(in_iotlb(d, p, NULL), stays);
		got = dev_read(d, p);
		if (stays) {
			EXPECT_NE(got, 20 + PAGES - 1);
			expect_frame_record(d, p, false, old, frame_of(p));
		} else {
			EXPECT_EQ(got, 20 + PAGES - 1);
			expect_clean(d);
		}
		dmirage_close(d);
		probe_mem_put(&mem);
	}
}

static const struct ktap_test tests[] = {
	{ "inval-ignored-4k", inval_ignored, PROBE_KIND_4K, 0 },
	{ "inval-ignored-thp", inval_ignored, PROBE_KIND_THP, 0 },
	{ "inval-ignored-hugetlb", inval_ignored, PROBE_KIND_HUGETLB, 0 },
	{ "not-dirty", not_dirty, 0, 0 },
	{ "sync-address-only", sync_address_only, 0, 0 },
	{ "sync-address-only-hugetlb", sync_huge, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
