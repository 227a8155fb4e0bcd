// SPDX-License-Identifier: GPL-2.0
/* Kinds of memory.  See column.h. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <linux/magic.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "block.h"
#include "column.h"
#include "newer.h"
#include "settings.h"

#define THP	  "/sys/kernel/mm/transparent_hugepage/"
#define KSM	  "/sys/kernel/mm/ksm/"
#define NUMA	  "/sys/kernel/debug/sched/numa_balancing/"
#define DISK	  "/mnt/ext4"
#define EXT4_FILE DISK "/matrix"

#define MTHP		(64ul << 10)
#define WAIT_MS		4000
#define HUGE_PAGES_ALL	48 /* a cell may lose one for good */
#define HUGE_PAGES_FREE 8
#define VALUE		0x1a7e0ffull

/* A 1 GiB page that lasts: to make one takes a second. */
static int giant_fd = -1;

/* ---- Looking ----------------------------------------------------------------- */

#define PM_PRESENT  (1ull << 63)
#define PM_SWAPPED  (1ull << 62)
#define PM_UFFD_WP  (1ull << 57)
#define PM_PFN_MASK ((1ull << 55) - 1)

static u64 word_of(const char *file, u64 index)
{
	u64 word = 0;
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	ASSERT_SYS(fd);
	/* Beyond the end of the page table there is nothing. */
	if (pread(fd, &word, 8, (off_t)(index * 8)) != 8)
		word = 0;
	close(fd);
	return word;
}

static u64 pagemap_of(const void *addr)
{
	return word_of("/proc/self/pagemap", (uintptr_t)addr / PROBE_4K);
}

bool area_frame(const void *addr, u64 *frame)
{
	u64 entry = pagemap_of(addr);

	*frame = entry & PM_PRESENT ? (entry & PM_PFN_MASK) * PROBE_4K : 0;
	return entry & PM_PRESENT;
}

bool area_is_swapped(const void *addr)
{
	return pagemap_of(addr) & PM_SWAPPED;
}

bool area_is_protected(const void *addr)
{
	return pagemap_of(addr) & PM_UFFD_WP;
}

/* Of the page at @addr: KPF_* as a mask. */
static u64 kpageflags_of(const void *addr)
{
	u64 frame;

	if (!area_frame(addr, &frame))
		return 0;
	return word_of("/proc/kpageflags", frame / PROBE_4K);
}

static bool has_flag(const void *addr, unsigned int flag)
{
	return kpageflags_of(addr) & 1ull << flag;
}

bool area_is_zero(const void *addr)
{
	return has_flag(addr, KPF_ZERO_PAGE);
}

bool area_is_idle(const void *addr)
{
	return has_flag(addr, KPF_IDLE);
}

bool area_same_frame(const void *a, const void *b)
{
	u64 one, other;

	return area_frame(a, &one) && area_frame(b, &other) && one == other;
}

static const u8 *last_page(const struct area *a)
{
	return a->addr + a->len - PROBE_4K;
}

/* ---- Places in the address space ------------------------------------------------ */

/* Aligned to @align, with as much unused on either side, and as much again for @spare. */
static void reserve(struct area *a, size_t len, size_t align)
{
	size_t all = 2 * len + 4 * align;
	u8 *map;

	map = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT(map != MAP_FAILED);
	a->addr = (u8 *)(((uintptr_t)map + 2 * align - 1) & ~(align - 1));
	a->spare = a->addr + ((len + align - 1) & ~(align - 1)) + align;
	a->len = len;
	/* Only the place is wanted: mapped, it would be merged with neighbours. */
	ASSERT_SYS(munmap(map, all));
}

static void map(struct area *a, int flags)
{
	flags |= a->fd < 0 ? MAP_ANONYMOUS : 0;
	if (mmap(a->addr, a->len, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, a->fd, 0) ==
	    MAP_FAILED)
		SKIP("mmap: %s", strerror(errno));
}

/* Pages that are made from here on are of a node; -1: of any. */
static void on_node(int node)
{
	unsigned long mask = node < 0 ? 0 : 1ul << node;

	ASSERT_SYS(syscall(SYS_set_mempolicy, node < 0 ? MPOL_DEFAULT : MPOL_BIND,
			   node < 0 ? NULL : &mask, 8 * sizeof(mask)));
}

/* A word of each page: all of them are there. */
static void fill(struct area *a)
{
	size_t at;

	for (at = 0; at < a->len; at += PROBE_4K)
		cpu_write(a->addr + at, a->value);
}

static void fill_units(struct area *a)
{
	size_t at;

	for (at = 0; at < a->len; at += a->column->unit)
		cpu_write(a->addr + at, a->value);
}

static void read_all(struct area *a)
{
	size_t at;

	for (at = 0; at < a->len; at += PROBE_4K)
		(void)cpu_read(a->addr + at);
}

static int memory_file(size_t len, unsigned int flags)
{
	int fd = memfd_create("dmirage-matrix", MFD_CLOEXEC | flags);

	if (fd < 0)
		SKIP("memfd_create: %s", strerror(errno));
	if (ftruncate(fd, (off_t)len)) {
		close(fd);
		SKIP("ftruncate of a memory file: %s", strerror(errno));
	}
	return fd;
}

/* ---- Small pages -------------------------------------------------------------------- */

static void map_small(struct area *a, int flags)
{
	reserve(a, PROBE_2M, PROBE_2M);
	map(a, flags);
	ASSERT_SYS(madvise(a->addr, a->len, MADV_NOHUGEPAGE));
}

static void make_4k(struct area *a)
{
	map_small(a, MAP_PRIVATE);
	fill(a);
}

static void is_4k(const struct area *a)
{
	ASSERT(!has_flag(a->addr, KPF_THP) && !has_flag(a->addr, KPF_HUGE));
	ASSERT(!has_flag(last_page(a), KPF_THP));
	ASSERT(has_flag(a->addr, KPF_ANON));
}

static void make_zero(struct area *a)
{
	map_small(a, MAP_PRIVATE);
	a->value = a->backing;
	read_all(a);
}

static void is_zero(const struct area *a)
{
	ASSERT(has_flag(a->addr, KPF_ZERO_PAGE));
	ASSERT(has_flag(last_page(a), KPF_ZERO_PAGE));
	ASSERT(!has_flag(a->addr, KPF_THP));
}

static void make_shmem(struct area *a)
{
	a->fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (a->fd < 0)
		SKIP("no file in /dev/shm: %s", strerror(errno));
	ASSERT_SYS(ftruncate(a->fd, PROBE_2M));
	map_small(a, MAP_SHARED);
	fill(a);
}

static void make_memfd(struct area *a)
{
	a->fd = memory_file(PROBE_2M, 0);
	map_small(a, MAP_SHARED);
	fill(a);
}

static void is_shmem(const struct area *a)
{
	ASSERT(has_flag(a->addr, KPF_SWAPBACKED) && !has_flag(a->addr, KPF_ANON));
	ASSERT(!has_flag(a->addr, KPF_THP) && !has_flag(last_page(a), KPF_THP));
}

/* ---- Files of a disk ------------------------------------------------------------------ */

static bool on_disk(void)
{
	struct statfs fs;

	return !statfs(DISK, &fs) && fs.f_type == EXT4_SUPER_MAGIC;
}

static void map_file(struct area *a, int flags)
{
	size_t at;

	if (!on_disk())
		SKIP("no ext4 file system on " DISK);
	a->fd = open(EXT4_FILE, O_RDWR | O_CLOEXEC);
	ASSERT_SYS(a->fd);
	/* New pages, of this node and accounted to this process. */
	ASSERT_SYS(ftruncate(a->fd, 0));
	ASSERT_SYS(ftruncate(a->fd, PROBE_2M));
	for (at = 0; at < PROBE_2M; at += PROBE_4K)
		ASSERT_EQ(pwrite(a->fd, &a->value, 8, (off_t)at), 8);
	map_small(a, flags);
}

static void make_file(struct area *a)
{
	map_file(a, MAP_SHARED);
	fill(a);
}

static void make_file_private(struct area *a)
{
	map_file(a, MAP_PRIVATE);
	a->backing = a->value;
	read_all(a);
}

static void is_file(const struct area *a)
{
	ASSERT(!has_flag(a->addr, KPF_ANON) && !has_flag(a->addr, KPF_SWAPBACKED));
	ASSERT(!has_flag(last_page(a), KPF_ANON));
}

/* ---- Transparent huge pages -------------------------------------------------------------- */

static void make_thp(struct area *a)
{
	reserve(a, PROBE_2M, PROBE_2M);
	map(a, MAP_PRIVATE);
	if (madvise(a->addr, a->len, MADV_HUGEPAGE))
		SKIP("no transparent huge pages");
	fill(a);
}

static void is_thp(const struct area *a)
{
	ASSERT_EQ(probe_smaps_kb(a->addr, "AnonHugePages"), 2048);
}

/* Not 2 MiB in one, so it gets the next size that is there. */
static void make_mthp(struct area *a)
{
	if (access(THP "hugepages-64kB/enabled", W_OK))
		SKIP("this kernel has no huge pages of other sizes than 2 MiB (since 6.8)");
	reserve(a, PROBE_2M, PROBE_2M);
	a->addr += MTHP;
	a->spare += MTHP;
	a->len -= MTHP;
	map(a, MAP_PRIVATE);
	ASSERT_SYS(madvise(a->addr, a->len, MADV_HUGEPAGE));
	fill(a);
}

static void is_mthp(const struct area *a)
{
	u64 first, last;

	ASSERT(has_flag(a->addr, KPF_THP) && has_flag(last_page(a), KPF_THP));
	ASSERT(area_frame(a->addr, &first) && area_frame(a->addr + MTHP - PROBE_4K, &last));
	ASSERT_EQ(last - first, MTHP - PROBE_4K);
	ASSERT_EQ(first % MTHP, 0);
}

static void make_huge_zero(struct area *a)
{
	reserve(a, PROBE_2M, PROBE_2M);
	map(a, MAP_PRIVATE);
	if (madvise(a->addr, a->len, MADV_HUGEPAGE))
		SKIP("no transparent huge pages");
	if (file_number(THP "use_zero_page") != 1)
		SKIP("the huge zero page is switched off");
	a->value = a->backing;
	read_all(a);
}

/* One frame after the other, all of them zero. */
static void is_huge_zero(const struct area *a)
{
	u64 first, last;

	ASSERT(has_flag(a->addr, KPF_ZERO_PAGE) && has_flag(last_page(a), KPF_ZERO_PAGE));
	ASSERT(area_frame(a->addr, &first) && area_frame(last_page(a), &last));
	ASSERT_EQ(last - first, a->len - PROBE_4K);
}

static void make_shmem_thp(struct area *a)
{
	a->fd = memory_file(PROBE_2M, 0);
	reserve(a, PROBE_2M, PROBE_2M);
	map(a, MAP_SHARED);
	if (madvise(a->addr, a->len, MADV_HUGEPAGE))
		SKIP("no transparent huge pages");
	fill(a);
}

static void is_shmem_thp(const struct area *a)
{
	ASSERT_EQ(probe_smaps_kb(a->addr, "ShmemPmdMapped"), 2048);
}

/* ---- hugetlb ------------------------------------------------------------------------------- */

static void make_hugetlb(struct area *a)
{
	reserve(a, PROBE_2M, PROBE_2M);
	map(a, MAP_PRIVATE | MAP_HUGETLB | MAP_HUGE_2MB);
	fill_units(a);
}

static void make_hugetlb_shared(struct area *a)
{
	a->fd = memory_file(PROBE_2M, MFD_HUGETLB | MFD_HUGE_2MB);
	reserve(a, PROBE_2M, PROBE_2M);
	map(a, MAP_SHARED);
	fill_units(a);
}

static void is_hugetlb(const struct area *a)
{
	ASSERT(has_flag(a->addr, KPF_HUGE) && has_flag(last_page(a), KPF_HUGE));
}

/* Where the pages are that are there, of a mapping of 1 GiB. */
static u8 *pmd_page(const struct area *a, unsigned int i)
{
	return a->addr + (i == 0 ? 0 : i == 1 ? a->len / 2 :
						a->len - PROBE_2M);
}

/*
 * The peer touches the first page alone, and then finds the others mapped, since it
 * has the page table in common with this process.  Return: 0 if it is so.
 */
static int peer_shares(const struct area *a)
{
	u64 frame;

	(void)cpu_read(pmd_page(a, 0));
	return !area_frame(pmd_page(a, 1), &frame) || !area_frame(pmd_page(a, 2), &frame);
}

static void make_hugetlb_pmd(struct area *a)
{
	int says[2];
	u8 no = 2;
	unsigned int i;

	a->fd = memory_file(PROBE_1G, MFD_HUGETLB | MFD_HUGE_2MB);
	reserve(a, PROBE_1G, PROBE_1G);
	map(a, MAP_SHARED | MAP_NORESERVE);
	for (i = 0; i < 3; i++)
		cpu_write(pmd_page(a, i), a->value);
	ASSERT_SYS(pipe2(says, O_CLOEXEC));
	a->peer = fork();
	ASSERT_SYS(a->peer);
	if (!a->peer) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		no = (u8)peer_shares(a);
		if (write(says[1], &no, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(says[1]);
	ASSERT_EQ(read(says[0], &no, 1), 1);
	close(says[0]);
	if (no)
		SKIP("this kernel does not share page tables of hugetlb memory");
}

static void is_hugetlb_pmd(const struct area *a)
{
	is_hugetlb(a);
	ASSERT(a->peer > 0);
}

static void make_hugetlb_1g(struct area *a)
{
	if (giant_fd < 0)
		SKIP("no page of 1 GiB was reserved when the machine started");
	a->fd = dup(giant_fd);
	ASSERT_SYS(a->fd);
	ASSERT_SYS(ftruncate(a->fd, PROBE_1G));
	reserve(a, PROBE_1G, PROBE_1G);
	map(a, MAP_SHARED);
	fill_units(a);
}

static void is_hugetlb_1g(const struct area *a)
{
	u64 first, last;

	is_hugetlb(a);
	ASSERT(area_frame(a->addr, &first) && area_frame(last_page(a), &last));
	ASSERT_EQ(last - first, PROBE_1G - PROBE_4K);
	ASSERT_EQ(first % PROBE_1G, 0);
}

/* ---- Pages that are merged, or not there ------------------------------------------------------ */

/* Small, since the kernel compares each page with others until all are merged. */
#define KSM_LEN (64 * PROBE_4K)

/* KPF_KSM would not do: since 6.10 all anonymous pages have it. */
static bool all_merged(const struct area *a)
{
	size_t at;

	for (at = PROBE_4K; at < a->len; at += PROBE_4K) {
		if (!area_same_frame(a->addr, a->addr + at))
			return false;
	}
	return true;
}

static void make_ksm(struct area *a)
{
	u64 end = now_ms() + WAIT_MS * ktap_scale();

	reserve(a, PROBE_2M, PROBE_2M);
	a->len = KSM_LEN;
	map(a, MAP_PRIVATE);
	ASSERT_SYS(madvise(a->addr, a->len, MADV_NOHUGEPAGE));
	memset(a->addr, 0x5a, a->len);
	memcpy(&a->value, a->addr, 8);
	if (madvise(a->addr, a->len, MADV_MERGEABLE))
		SKIP("no KSM: %s", strerror(errno));
	ASSERT_EQ(setting_put(KSM "run", "1"), 0);
	while (!all_merged(a) && now_ms() < end)
		sleep_ms(2);
	/* And nothing more happens from now on. */
	ASSERT_EQ(setting_put(KSM "run", "0"), 0);
}

static void is_ksm(const struct area *a)
{
	ASSERT(all_merged(a));
}

static void make_swapped(struct area *a)
{
	char swaps[256];

	if (file_text("/proc/swaps", swaps, sizeof(swaps)) <= 0 || !strchr(swaps, '\n') ||
	    !*(strchr(swaps, '\n') + 1))
		SKIP("no swap");
	make_4k(a);
}

static void swap_out(struct area *a)
{
	u64 end = now_ms() + WAIT_MS * ktap_scale();
	size_t at;

	do {
		drain_batches();
		ASSERT_SYS(madvise(a->addr, a->len, MADV_PAGEOUT));
		for (at = 0; at < a->len && area_is_swapped(a->addr + at); at += PROBE_4K)
			;
	} while (at < a->len && now_ms() < end);
	ASSERT_EQ(at, a->len);
}

/* ---- All of them --------------------------------------------------------------------------------- */

const struct column columns[COLUMNS] = {
	[COLUMN_4K] = {
		.name = "4k",
		.what = "anonymous, 4 KiB pages",
		.unit = PROBE_4K,
		.make = make_4k,
		.is_right = is_4k,
	},
	[COLUMN_THP] = {
		.name = "thp",
		.what = "anonymous, a transparent huge page of 2 MiB",
		.unit = PROBE_2M,
		.flags = COLUMN_HUGE,
		.make = make_thp,
		.is_right = is_thp,
	},
	[COLUMN_MTHP] = {
		.name = "mthp",
		.what = "anonymous, transparent huge pages of 64 KiB",
		.unit = MTHP,
		.make = make_mthp,
		.is_right = is_mthp,
	},
	[COLUMN_ZERO] = {
		.name = "zero",
		.what = "the zero page",
		.unit = PROBE_4K,
		.flags = COLUMN_READ_WARM,
		.no_pin = "a pin makes a page of the process's own of it",
		.make = make_zero,
		.is_right = is_zero,
	},
	[COLUMN_HUGE_ZERO] = {
		.name = "huge-zero",
		.what = "the huge zero page of 2 MiB",
		.unit = PROBE_2M,
		.flags = COLUMN_HUGE | COLUMN_READ_WARM,
		.no_pin = "a pin makes a page of the process's own of it",
		.make = make_huge_zero,
		.is_right = is_huge_zero,
	},
	[COLUMN_HUGETLB] = {
		.name = "hugetlb",
		.what = "hugetlb, 2 MiB, private",
		.unit = PROBE_2M,
		.flags = COLUMN_HUGE,
		.make = make_hugetlb,
		.is_right = is_hugetlb,
	},
	[COLUMN_HUGETLB_SHARED] = {
		.name = "hugetlb-shared",
		.what = "hugetlb, 2 MiB, shared",
		.unit = PROBE_2M,
		.flags = COLUMN_HUGE,
		.make = make_hugetlb_shared,
		.is_right = is_hugetlb,
	},
	[COLUMN_HUGETLB_PMD] = {
		.name = "hugetlb-pmd",
		.what = "hugetlb, 2 MiB, shared with its page table by two processes",
		.unit = PROBE_2M,
		.flags = COLUMN_HUGE,
		.make = make_hugetlb_pmd,
		.is_right = is_hugetlb_pmd,
	},
	[COLUMN_HUGETLB_1G] = {
		.name = "hugetlb-1g",
		.what = "hugetlb, 1 GiB, shared",
		.unit = PROBE_1G,
		.flags = COLUMN_HUGE,
		.make = make_hugetlb_1g,
		.is_right = is_hugetlb_1g,
	},
	[COLUMN_SHMEM] = {
		.name = "shmem",
		.what = "a file of tmpfs, 4 KiB pages, shared",
		.unit = PROBE_4K,
		.make = make_shmem,
		.is_right = is_shmem,
	},
	[COLUMN_SHMEM_THP] = {
		.name = "shmem-thp",
		.what = "a memory file, a transparent huge page of 2 MiB, shared",
		.unit = PROBE_2M,
		.flags = COLUMN_HUGE,
		.make = make_shmem_thp,
		.is_right = is_shmem_thp,
	},
	[COLUMN_MEMFD] = {
		.name = "memfd",
		.what = "a memory file (memfd), 4 KiB pages, shared",
		.unit = PROBE_4K,
		.make = make_memfd,
		.is_right = is_shmem,
	},
	[COLUMN_FILE] = {
		.name = "file",
		.what = "a file of ext4 on a disk, shared",
		.unit = PROBE_4K,
		.no_pin = "the kernel does not pin pages of a file that is written back, for long",
		.make = make_file,
		.is_right = is_file,
	},
	[COLUMN_FILE_PRIVATE] = {
		.name = "file-private",
		.what = "a file of ext4 on a disk, private, not yet written to",
		.unit = PROBE_4K,
		.flags = COLUMN_READ_WARM,
		.no_pin = "a pin makes a page of the process's own of it",
		.make = make_file_private,
		.is_right = is_file,
	},
	[COLUMN_KSM] = {
		.name = "ksm",
		.what = "anonymous pages that KSM has merged",
		.unit = PROBE_4K,
		.flags = COLUMN_READ_WARM | COLUMN_SAME_WORDS,
		.no_pin = "a pin makes a page of the process's own of it",
		.make = make_ksm,
		.is_right = is_ksm,
	},
	[COLUMN_SWAPPED] = {
		.name = "swapped",
		.what = "anonymous pages that are swapped out (zram)",
		.unit = PROBE_4K,
		.flags = COLUMN_NOTHING_HELD,
		.no_pin = "a pinned page is not swapped out",
		.make = make_swapped,
		.is_right = is_4k,
		.warmed = swap_out,
	},
};

void area_make(struct area *a, enum column_id column)
{
	*a = (struct area){
		.column = &columns[column],
		.fd = -1,
		.value = VALUE,
	};
	on_node(0);
	a->column->make(a);
	on_node(-1);
	a->column->is_right(a);
}

/* A cell may have lost some for good. */
void columns_replenish(const struct column *column)
{
	int node;

	if (!(HUGETLB_COLUMNS & 1u << (column - columns)))
		return;
	for (node = 0; node < 2; node++)
		probe_hugetlb_reserve(node, HUGE_PAGES_FREE);
}

/* ---- The machine ----------------------------------------------------------------------------------- */

/*
 * Memory that can be taken offline is used up for a while: of each node's last block for
 * good, since it has something of the kernel's in it and so cannot; and the rest until
 * there are huge pages, so that these are elsewhere.  In 6.1 hugetlb pages of such memory
 * cannot be pinned: they would have to be moved out of it, and are given others of it.
 */
#define BALLAST_LEN PROBE_1G

struct ballast {
	u8 *at;
};

static struct ballast ballast_take(int node)
{
	struct ballast b;
	size_t at;
	u8 *map;

	on_node(node);
	map = mmap(NULL, BALLAST_LEN + PROBE_2M, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT(map != MAP_FAILED);
	b.at = (u8 *)(((uintptr_t)map + PROBE_2M - 1) & ~(PROBE_2M - 1));
	madvise(b.at, BALLAST_LEN, MADV_HUGEPAGE);
	/* Cells are children, and have nothing to do with it. */
	ASSERT_SYS(madvise(b.at, BALLAST_LEN, MADV_DONTFORK));
	for (at = 0; at < BALLAST_LEN; at += PROBE_2M)
		cpu_write(b.at + at, 1);
	on_node(-1);
	return b;
}

static void ballast_drop(const struct ballast *b)
{
	size_t at;
	u64 frame;

	for (at = 0; at < BALLAST_LEN; at += PROBE_2M) {
		if (area_frame(b->at + at, &frame) && !in_last_block(frame))
			ASSERT_SYS(madvise(b->at + at, PROBE_2M, MADV_DONTNEED));
	}
}

void columns_start(void)
{
	static const struct {
		const char *file;
		const char *value;
	} settings[] = {
		{ THP "shmem_enabled", "advise" },
		{ THP "hugepages-64kB/enabled", "madvise" },
		/* Nothing comes by itself. */
		{ THP "khugepaged/scan_sleep_millisecs", "3600000" },
		{ "/proc/sys/kernel/numa_balancing", "0" },
		/* When it is switched on it is to come soon; processes get this when they begin. */
		{ NUMA "scan_delay_ms", "1" },
		{ NUMA "scan_period_min_ms", "1" },
		{ NUMA "scan_period_max_ms", "10" },
		{ "/proc/sys/vm/compaction_proactiveness", "0" },
		{ KSM "sleep_millisecs", "1" },
		{ KSM "pages_to_scan", "4000" },
		{ KSM "merge_across_nodes", "1" },
	};
	struct ballast ballast[2];
	unsigned int i;
	int fd;

	for (i = 0; i < 2; i++)
		ballast[i] = ballast_take((int)i);
	reserve_huge_pages();
	for (i = 0; i < 2; i++) {
		if (probe_hugetlb_reserve((int)i, HUGE_PAGES_ALL))
			fprintf(stderr, "%s\n", probe_why());
		ballast_drop(&ballast[i]);
	}
	for (i = 0; i < ARRAY_SIZE(settings); i++)
		setting_put(settings[i].file, settings[i].value);
	on_node(0);
	giant_fd = memfd_create("dmirage-giant", MFD_HUGETLB | MFD_HUGE_1GB);
	if (giant_fd >= 0 && (ftruncate(giant_fd, PROBE_1G) ||
			      fallocate(giant_fd, 0, 0, PROBE_1G))) {
		close(giant_fd);
		giant_fd = -1;
	}
	on_node(-1);
	if (on_disk()) {
		fd = open(EXT4_FILE, O_RDWR | O_CREAT, 0600);
		ASSERT_SYS(fd);
		ASSERT_SYS(ftruncate(fd, PROBE_2M));
		close(fd);
	}
}
