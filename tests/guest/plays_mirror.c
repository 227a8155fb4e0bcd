// SPDX-License-Identifier: GPL-2.0
/* What it takes for the mutants of the kernel's notifications to show, in mirror mode. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "play.h"
#include "userfault.h"

/* ---- One huge page, in small entries -------------------------------------------- */

/* The kernel has it as one page still, and so notifies it as one. */
static void split_entry(u8 *addr)
{
	ASSERT_SYS(mprotect(addr + 5 * PROBE_4K, PROBE_4K, PROT_READ));
	ASSERT_SYS(mprotect(addr + 5 * PROBE_4K, PROBE_4K, PROT_READ | PROT_WRITE));
}

static void make_thp_of_4k(struct place *at)
{
	at->mem = get_mem(PROBE_KIND_THP, PROBE_2M);
	split_entry(at->mem.addr);
	place_add_all(at, at->mem.addr, PROBE_2M);
	at->stale = at->mem.addr + PROBE_4K;
	at->len = PROBE_2M - PROBE_4K;
}

static void act_move_head(struct place *at)
{
	ASSERT_PROBE(probe_move(at->mem.addr, PROBE_4K, PROBE_4K, 1));
}

/* ---- Page tables that two processes share ------------------------------------------ */

static const unsigned int low_pages[] = { 0, 1, 2 };
/* Of both, around the border. */
static const unsigned int border_pages[] = { 511, 512, 513, 514 };

static void make_shared(struct place *at)
{
	place_share(at, 1, low_pages, ARRAY_SIZE(low_pages));
	at->stale = at->shared.addr + PROBE_2M;
	at->len = GIB - PROBE_2M;
}

static void make_shared_two(struct place *at)
{
	place_share(at, 2, border_pages, ARRAY_SIZE(border_pages));
	at->stale = at->shared.addr + GIB + PROBE_2M;
	at->len = GIB - PROBE_2M;
}

/* The loop comes to the second one, and nobody knows. */
static void make_shared_second(struct place *at)
{
	make_shared_two(at);
	at->stale = at->shared.addr + GIB;
	at->len = GIB;
}

/* All of it but the page that the split is about. */
static void make_shared_split(struct place *at)
{
	make_shared(at);
	at->stale = at->shared.addr;
	at->len = GIB;
}

static void act_move_shared(struct place *at)
{
	shared_pmd_move(at->shared.addr);
}

static void act_protect_shared(struct place *at)
{
	ASSERT_SYS(mprotect(at->shared.addr, at->shared.len, PROT_READ));
}

static void act_drop_shared(struct place *at)
{
	ASSERT_SYS(madvise(at->shared.addr, PROBE_2M, MADV_DONTNEED));
}

static void act_drop_border(struct place *at)
{
	ASSERT_SYS(madvise(at->shared.addr + GIB - PROBE_2M, 2 * PROBE_2M, MADV_DONTNEED));
}

static void act_split_vma(struct place *at)
{
	ASSERT_SYS(mprotect(at->shared.addr + 2 * PROBE_2M, PROBE_2M, PROT_READ));
}

/* Tables must not be shared then. */
static void act_userfaultfd(struct place *at)
{
	int fd = userfault_open(UFFD_FEATURE_MINOR_HUGETLBFS);

	ASSERT_OK(fd);
	ASSERT_OK(userfault_register(fd, at->shared.addr, at->shared.len,
				     UFFDIO_REGISTER_MODE_MINOR));
}

/* ---- A huge page of a file, in small entries ----------------------------------------- */

#define THP_DIR		"/sys/kernel/mm/transparent_hugepage/"
#define SCAN_LIMIT_MS	8000

static void make_file_of_4k(struct place *at)
{
	int fd = memfd_create("mutants", MFD_CLOEXEC);
	struct probe_mem *mem = &at->mem;
	size_t i;

	ASSERT_EQ(put_text(THP_DIR "shmem_enabled", "advise"), 0);
	ASSERT_SYS(fd);
	ASSERT_SYS(ftruncate(fd, PROBE_2M));
	ASSERT_PROBE(probe_mem_map(mem, PROBE_KIND_4K, PROBE_2M));
	ASSERT(mmap(mem->addr, PROBE_2M, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
	       mem->addr);
	close(fd);
	ASSERT_SYS(madvise(mem->addr, PROBE_2M, MADV_HUGEPAGE));
	cpu_write(mem->addr, 1);
	ASSERT_EQ(probe_smaps_kb(mem->addr, "ShmemPmdMapped"), 2048);
	/* khugepaged is to come when it is asked for. */
	ASSERT_EQ(put_text(THP_DIR "shmem_enabled", "never"), 0);
	/* In three mappings it is mapped in small entries; and these stay. */
	ASSERT_SYS(mprotect(mem->addr + 5 * PROBE_4K, PROBE_4K, PROT_READ));
	for (i = 0; i < PROBE_2M; i += PROBE_4K)
		cpu_read(mem->addr + i);
	ASSERT_SYS(mprotect(mem->addr + 5 * PROBE_4K, PROBE_4K, PROT_READ | PROT_WRITE));
	ASSERT_EQ(probe_smaps_kb(mem->addr, "ShmemPmdMapped"), 0);
	place_add_all(at, mem->addr, PROBE_2M);
	at->stale = mem->addr;
	at->len = PROBE_2M;
}

/* khugepaged drops the small entries; the next fault would map it as one. */
static void act_khugepaged(struct place *at)
{
	u64 limit = now_ms() + SCAN_LIMIT_MS * ktap_scale();
	struct probe_page page = { .present = true };

	ASSERT_EQ(put_text(THP_DIR "shmem_enabled", "advise"), 0);
	/* khugepaged gets to know of the process if it could do something for it. */
	ASSERT_SYS(madvise(at->mem.addr, PROBE_2M, MADV_HUGEPAGE));
	ASSERT_EQ(put_text(THP_DIR "khugepaged/scan_sleep_millisecs", "10"), 0);
	while (page.present && now_ms() < limit) {
		sleep_ms(5);
		ASSERT_PROBE(probe_page(at->mem.addr, &page));
	}
	ASSERT_EQ(put_text(THP_DIR "khugepaged/scan_sleep_millisecs", "3600000"), 0);
	ASSERT_EQ(put_text(THP_DIR "shmem_enabled", "never"), 0);
	ASSERT(!page.present);
}

/* ---- What is told late ------------------------------------------------------------------ */

#define MOVED	(16 * PROBE_4K)

static void make_to_move(struct place *at)
{
	at->mem = get_mem(PROBE_KIND_4K, PROBE_2M);
	place_add_all(at, at->mem.addr, MOVED);
	at->stale = at->mem.addr;
	at->len = MOVED;
	at->to = mmap(NULL, PROBE_2M, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(at->to != MAP_FAILED);
}

static void act_mremap(struct place *at)
{
	ASSERT(mremap(at->mem.addr, MOVED, MOVED, MREMAP_MAYMOVE | MREMAP_FIXED, at->to) ==
	       at->to);
}

static void make_page(struct place *at)
{
	at->mem = get_mem(PROBE_KIND_4K, PROBE_2M);
	place_add(at, at->mem.addr);
	at->stale = at->mem.addr;
	at->len = PROBE_4K;
}

/* ---- The table ---------------------------------------------------------------------------- */

#define BOTH	(BY_ACCESS | BY_AUDIT)

const struct play plays_mirror[] = {
	{ .name = "first-page", .make = make_thp_of_4k, .act = act_move_head, .by = BOTH },
	{ .name = "shared-pmd-migrate", .make = make_shared, .act = act_move_shared, .by = BOTH },
	{ .name = "shared-pmd-protect", .make = make_shared, .act = act_protect_shared, .by = BOTH },
	{ .name = "pud-adjust", .make = make_shared_two, .act = act_drop_border, .by = BOTH },
	{ .name = "dontneed-hugetlb", .make = make_shared, .act = act_drop_shared, .by = BOTH },
	{ .name = "split-unshare", .make = make_shared_split, .act = act_split_vma, .by = BOTH },
	{ .name = "unshare-first", .make = make_shared_second, .act = act_userfaultfd, .by = BOTH },
	{ .name = "collapse-range", .make = make_file_of_4k, .act = act_khugepaged, .by = BOTH },
	{ .name = "collapse-silent", .make = make_file_of_4k, .act = act_khugepaged, .by = BOTH },
	{ .name = "mremap-late", .make = make_to_move, .act = act_mremap, .late = true, .by = BOTH },
	{ .name = "unmap-late", .make = make_page, .act = act_move_head, .late = true, .by = BOTH },
};

const unsigned int plays_mirror_count = ARRAY_SIZE(plays_mirror);
