// SPDX-License-Identifier: GPL-2.0
/*
 * The scenario matrix's knowledge of notifier sites (tests/matrix/sites.h): each thing
 * that is done makes exactly the sites fire that it should, with the event and the size;
 * nothing is lost without a word, and nothing is left behind.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common.h"
#include "fuse_file.h"
#include "newer.h"
#include "site_table.h"
#include "sites.h"
#include "userfault.h"

#define KSM	 "/sys/kernel/mm/ksm/"
#define INSTANCE "/sys/kernel/tracing/instances/dmirage_sites"
#define MS	 1000000ull
#define GIB	 (1ul << 30)

/* ---- What fired ---------------------------------------------------------- */

#define FIRED_MAX 16

/* Of one kind, put together. */
struct fired {
	char what[96];
	unsigned int count;
};

/* In a range, and what is about everything. */
struct seen {
	u64 start, end;
	bool others;		/* also what interval notifiers do not get */
	struct fired fired[FIRED_MAX];
	unsigned int n;
};

static void collect(void *arg, const struct sites_hit *hit)
{
	struct seen *s = arg;
	char what[96], size[24];
	unsigned int i;

	if ((!hit->told && !s->others) || hit->end <= s->start || hit->start >= s->end)
		return;
	sites_size(size, sizeof(size), hit->start, hit->end);
	snprintf(what, sizeof(what), "%s %s %s", hit->site, hit->event, size);
	for (i = 0; i < s->n && strcmp(s->fired[i].what, what) != 0; i++)
		;
	if (i == FIRED_MAX)
		return;
	if (i == s->n)
		strcpy(s->fired[s->n++].what, what);
	s->fired[i].count++;
}

static int by_name(const void *left, const void *right)
{
	const struct fired *a = left, *b = right;

	return strcmp(a->what, b->what);
}

/* "site EVENT size xcount, …", sorted: there is no order between processors. */
static void describe(struct seen *s, char *text, size_t size)
{
	unsigned int i;
	size_t at = 0;

	qsort(s->fired, s->n, sizeof(*s->fired), by_name);
	text[0] = '\0';
	for (i = 0; i < s->n && at < size; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%s x%u", i ? ", " : "",
				       s->fired[i].what, s->fired[i].count);
}

static long take(const char *cell, struct seen *s)
{
	long ret = sites_take(cell, s ? collect : NULL, s);

	if (ret < 0)
		ktap_note("%s", sites_why());
	ASSERT_OK(ret);
	return ret;
}

/* ---- What is done -------------------------------------------------------- */

/* What it is done to: 2 MiB that the device has used, of a mapping of its own. */
struct scene {
	struct probe_mem mem;
	struct dmirage *d;
	u8 *at;
	size_t len;
	u8 *other;	/* as much, aligned and not in use */
	pid_t child;
	int fd;
	struct fuse_file file;
};

/* The first ones as enum probe_kind. */
enum memory {
	ANON_4K,
	ANON_THP,
	HUGETLB,
	SHMEM,
	SHMEM_SHARED_PMD,
};

static void touch(struct scene *s, bool write)
{
	struct dmirage_sqe sqe;

	if (write)
		dmirage_prep_touch_write(&sqe, 1, s->at, s->len);
	else
		dmirage_prep_touch_read(&sqe, 1, s->at, s->len);
	expect_op(s->d, &sqe, DMIRAGE_ST_OK);
}

static u8 *reserve(size_t len, size_t align)
{
	u8 *at = mmap(NULL, len + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		      0);

	ASSERT(at != MAP_FAILED);
	return at + (-(uintptr_t)at & (align - 1));
}

/* The child has the same pages, or the same page table of hugetlb pages. */
static void with_child(struct scene *s)
{
	int told[2];
	char c;

	ASSERT_SYS(pipe(told));
	s->child = fork();
	ASSERT_SYS(s->child);
	if (!s->child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Page tables of a shared mapping are not copied. */
		cpu_read(s->at);
		ASSERT_EQ(write(told[1], "x", 1), 1);
		for (;;)
			pause();
	}
	ASSERT_EQ(read(told[0], &c, 1), 1);
	close(told[0]);
	close(told[1]);
	touch(s, false);
}

static void end_child(struct scene *s)
{
	if (!s->child)
		return;
	kill(s->child, SIGKILL);
	waitpid(s->child, NULL, 0);
	s->child = 0;
}

static void get_scene(struct scene *s, enum memory memory)
{
	size_t align = memory == SHMEM_SHARED_PMD ? GIB : PROBE_2M;
	unsigned int flags = memory == SHMEM_SHARED_PMD ? MFD_HUGETLB : 0;

	*s = (struct scene){ .len = PROBE_2M, .fd = -1 };
	if (memory < SHMEM) {
		s->mem = get_mem((enum probe_kind)memory, PROBE_2M);
		s->at = s->mem.addr;
	} else {
		s->fd = memfd_create("sites", MFD_CLOEXEC | flags);
		ASSERT_SYS(s->fd);
		ASSERT_SYS(ftruncate(s->fd, (off_t)align));
		s->at = reserve(3 * align, align) + align;
		ASSERT(mmap(s->at, align, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED | MAP_NORESERVE, s->fd, 0) == s->at);
	}
	s->other = reserve(3 * PROBE_2M, PROBE_2M) + PROBE_2M;
	s->d = open_context();
	touch(s, true);
}

static void munmap_all(struct scene *s)
{
	ASSERT_SYS(munmap(s->at, s->len));
}

static void protect_all(struct scene *s)
{
	ASSERT_SYS(mprotect(s->at, s->len, PROT_READ));
}

static void protect_page(struct scene *s)
{
	ASSERT_SYS(mprotect(s->at + PROBE_4K, PROBE_4K, PROT_READ));
}

static void advise(struct scene *s, size_t len, int advice)
{
	int ret = madvise(s->at, len, advice);

	if (ret && errno == EINVAL)
		SKIP("the kernel refuses madvise(%d)", advice);
	ASSERT_SYS(ret);
}

static void drop_all(struct scene *s)
{
	advise(s, s->len, MADV_DONTNEED);
}

static void drop_pages(struct scene *s)
{
	advise(s, 3 * PROBE_4K, MADV_DONTNEED);
}

static void free_all(struct scene *s)
{
	advise(s, s->len, MADV_FREE);
}

static void freed(struct scene *s)
{
	advise(s, PROBE_4K, MADV_FREE);
}

static void page_out(struct scene *s)
{
	advise(s, PROBE_4K, MADV_PAGEOUT);
}

static void move(struct scene *s, size_t step)
{
	struct probe_page page;

	ASSERT_PROBE(probe_page(s->at, &page));
	ASSERT_PROBE(probe_move(s->at, step, step, !page.node));
}

static void move_page(struct scene *s)
{
	move(s, PROBE_4K);
}

static void move_huge(struct scene *s)
{
	move(s, PROBE_2M);
}

static void fork_now(struct scene *s)
{
	pid_t pid = fork();

	(void)s;
	ASSERT_SYS(pid);
	if (!pid)
		_exit(0);
	EXPECT_EQ(wait_child(pid), 0);
}

static void write_page(struct scene *s)
{
	cpu_write(s->at + 2 * PROBE_4K, 7);
}

static void remap(struct scene *s)
{
	u8 *to = mremap(s->at, s->len, s->len, MREMAP_MAYMOVE | MREMAP_FIXED, s->other);

	if (to == MAP_FAILED && errno == EINVAL)
		SKIP("the kernel does not have it");
	ASSERT(to == s->other);
}

/* Who may have a huge page, may get it from khugepaged at any time. */
static void collapse(struct scene *s)
{
	ASSERT_SYS(madvise(s->at, s->len, MADV_HUGEPAGE));
	advise(s, s->len, MADV_COLLAPSE);
}

static void punch(struct scene *s)
{
	ASSERT_SYS(fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PROBE_4K, PROBE_4K));
}

static void put(const char *path, const char *text)
{
	ASSERT_EQ(put_text(path, text), 0);
}

/* Two pages that are equal, and no others. */
static void mergeable(struct scene *s)
{
	size_t i;

	for (i = 0; i < s->len; i += PROBE_4K)
		cpu_write(s->at + i, 0x5173 + i);
	memcpy(s->at + PROBE_4K, s->at, PROBE_4K);
	put(KSM "pages_to_scan", "10000");
	put(KSM "sleep_millisecs", "10");
	ASSERT_SYS(madvise(s->at, 2 * PROBE_4K, MADV_MERGEABLE));
}

static void merge(struct scene *s)
{
	u64 end = now_ms() + 5000 * ktap_scale();
	char text[32] = "0";
	int fd;

	(void)s;
	put(KSM "run", "1");
	while (!atoi(text) && now_ms() < end) {
		sleep_ms(5);
		fd = open(KSM "pages_sharing", O_RDONLY | O_CLOEXEC);
		ASSERT_SYS(fd);
		ASSERT_GE(read(fd, text, sizeof(text) - 1), 1);
		close(fd);
	}
	put(KSM "run", "0");
	EXPECT_EQ(atoi(text), 1);
}

static void uffd_wp_ready(struct scene *s)
{
	s->fd = get_userfault(UFFD_FEATURE_PAGEFAULT_FLAG_WP, s->at, s->len,
			      UFFDIO_REGISTER_MODE_WP);
}

static void uffd_wp(struct scene *s)
{
	ASSERT_OK(userfault_protect(s->fd, s->at, s->len, true));
}

static void uffd_move_ready(struct scene *s)
{
	ASSERT(mmap(s->other, s->len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == s->other);
	s->fd = get_userfault(UFFD_FEATURE_MOVE, s->other, s->len, UFFDIO_REGISTER_MODE_MISSING);
}

static void uffd_move_page(struct scene *s)
{
	ASSERT_OK(userfault_move(s->fd, s->other, s->at, PROBE_4K));
}

static void uffd_move_huge(struct scene *s)
{
	ASSERT_OK(userfault_move(s->fd, s->other, s->at, PROBE_2M));
}

static void unshare_pmds(struct scene *s)
{
	close(get_userfault(UFFD_FEATURE_MINOR_HUGETLBFS, s->at, GIB,
			    UFFDIO_REGISTER_MODE_MINOR));
}

static void scan_ready(struct scene *s)
{
	s->fd = get_userfault(UFFD_FEATURE_WP_ASYNC, s->at, s->len, UFFDIO_REGISTER_MODE_WP);
}

static void scan(struct scene *s)
{
	ASSERT_OK(pagemap_scan(s->at, s->len));
}

static void soft_dirty(struct scene *s)
{
	(void)s;
	put("/proc/self/clear_refs", "4");
}

/* A write where the process itself may not: the page of a file becomes one of its own. */
static void force(struct scene *s)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	ASSERT_SYS(fd);
	ASSERT_EQ(pwrite(fd, "s", 1, (off_t)(uintptr_t)s->at), 1);
	close(fd);
}

static void file_privately(struct scene *s)
{
	ASSERT(mmap(s->at, s->len, PROT_READ, MAP_PRIVATE | MAP_FIXED, s->fd, 0) == s->at);
	touch(s, false);
}

/* A breakpoint in a page of code, at its first byte. */
static void probe_code_ready(struct scene *s)
{
	static const char path[] = "/tmp/sites-code";
	char page[PROBE_4K];

	memset(page, 0x90, sizeof(page));
	unlink(path);
	s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0700);
	ASSERT_SYS(s->fd);
	ASSERT_EQ(write(s->fd, page, sizeof(page)), sizeof(page));
	ASSERT(mmap(s->at, PROBE_4K, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, s->fd, 0) ==
	       s->at);
	s->len = PROBE_4K;
	touch(s, false);
	put("/sys/kernel/tracing/uprobe_events", "p:dmirage_code/probe /tmp/sites-code:0x0");
}

static void probe_code(struct scene *s)
{
	(void)s;
	put("/sys/kernel/tracing/events/dmirage_code/probe/enable", "1");
}

static void probe_code_end(struct scene *s)
{
	(void)s;
	put("/sys/kernel/tracing/events/dmirage_code/probe/enable", "0");
	put("/sys/kernel/tracing/uprobe_events", "-:dmirage_code/probe");
	unlink("/tmp/sites-code");
}

/* A page that is dirty, of a file that has to be written to. */
static void written_to_file(struct scene *s)
{
	s->file = fuse_file_open();
	ASSERT(mmap(s->at, FUSE_FILE_LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		    s->file.fd, 0) == s->at);
	s->len = PROBE_4K;
	touch(s, true);
}

static void write_back(struct scene *s)
{
	ASSERT_SYS(msync(s->at, s->len, MS_SYNC));
}

static void file_end(struct scene *s)
{
	ASSERT_SYS(munmap(s->at, FUSE_FILE_LEN));
	fuse_file_close(&s->file);
}

/* The file has a huge page, and the mapping an entry for each small one of it. */
static void small_entries_of_huge(struct scene *s)
{
	collapse(s);
	ASSERT_SYS(munmap(s->at, s->len));
	ASSERT(mmap(s->other, s->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->fd, 0) ==
	       s->other);
	s->at = s->other;
	advise(s, s->len, MADV_NOHUGEPAGE);
	touch(s, true);
}

static void punch_huge(struct scene *s)
{
	ASSERT_SYS(fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PROBE_2M));
}

static void ksm_end(struct scene *s)
{
	ASSERT_SYS(madvise(s->at, 2 * PROBE_4K, MADV_UNMERGEABLE));
}

/* ---- Acts and what they must make fire ----------------------------------- */

struct act {
	const char *name;
	enum memory memory;
	void (*prepare)(struct scene *s);
	void (*act)(struct scene *s);
	void (*end)(struct scene *s);
	const char *fires[3];	/* 6.12, 6.1, 5.10; NULL: as the one before; "": skip */
};

/* What hugetlb does once more by itself. */
#define UNMAP_HUGETLB_601    "hugetlb:__unmap_hugepage_range UNMAP 2M x1, "
#define DONTNEED_HUGETLB_601 UNMAP_HUGETLB_601 "memory:zap_page_range_single CLEAR 2M x1"
#define MREMAP_HUGETLB_601                                                 \
	UNMAP_HUGETLB_601 "hugetlb:move_hugetlb_page_tables CLEAR 2M x1, " \
			  "memory:unmap_vmas UNMAP 2M x1"

static const struct act acts[] = {
	{ "munmap-4k", ANON_4K, NULL, munmap_all, NULL, { "memory:unmap_vmas UNMAP 2M x1" } },
	{ "munmap-thp", ANON_THP, NULL, munmap_all, NULL, { "memory:unmap_vmas UNMAP 2M x1" } },
	{ "munmap-hugetlb", HUGETLB, NULL, munmap_all, NULL,
	  { "memory:unmap_vmas UNMAP 2M x1",
	    "hugetlb:__unmap_hugepage_range UNMAP 2M x1, memory:unmap_vmas UNMAP 2M x1" } },
	{ "mprotect-4k", ANON_4K, NULL, protect_all, NULL,
	  { "mprotect:change_pud_range PROT_VMA 2M x1",
	    "mprotect:change_pmd_range PROT_VMA 2M x1" } },
	{ "mprotect-hugetlb", HUGETLB, NULL, protect_all, NULL,
	  { "hugetlb:hugetlb_change_protection PROT_VMA 2M x1" } },
	{ "mprotect-4k-of-thp", ANON_THP, NULL, protect_page, NULL,
	  { "huge_memory:__split_huge_pmd CLEAR 2M x1, mprotect:change_pud_range PROT_VMA 4K x1",
	    "huge_memory:__split_huge_pmd CLEAR 2M x1, mprotect:change_pmd_range PROT_VMA 4K x1" } },
	{ "dontneed-4k", ANON_4K, NULL, drop_pages, NULL,
	  { "memory:zap_page_range_single CLEAR 12K x1", NULL,
	    "memory:zap_page_range CLEAR 12K x1" } },
	{ "dontneed-hugetlb", HUGETLB, NULL, drop_all, NULL,
	  { "memory:zap_page_range_single CLEAR 2M x1", DONTNEED_HUGETLB_601, "" } },
	{ "free", ANON_4K, NULL, free_all, NULL, { "madvise:madvise_free_single_vma CLEAR 2M x1" } },
	{ "free-pageout", ANON_4K, freed, page_out, NULL, { "rmap:try_to_unmap_one CLEAR 4K x1" } },
	{ "move-4k", ANON_4K, NULL, move_page, NULL,
	  { "rmap:try_to_migrate_one CLEAR 4K x1", NULL, "rmap:try_to_unmap_one CLEAR 4K x1" } },
	{ "move-thp", ANON_THP, NULL, move_huge, NULL,
	  { "rmap:try_to_migrate_one CLEAR 2M x1", NULL, "rmap:try_to_unmap_one CLEAR 2M x1" } },
	{ "move-hugetlb", HUGETLB, NULL, move_huge, NULL,
	  { "rmap:try_to_migrate_one CLEAR 2M x1", NULL, "rmap:try_to_unmap_one CLEAR 2M x1" } },
	{ "move-shared-pmd", SHMEM_SHARED_PMD, with_child, move_huge, NULL,
	  { "rmap:try_to_migrate_one CLEAR 1G x1", NULL, "rmap:try_to_unmap_one CLEAR 1G x1" } },
	{ "fork", ANON_4K, NULL, fork_now, NULL, { "memory:copy_page_range PROT_PAGE 2M x1" } },
	{ "fork-hugetlb", HUGETLB, NULL, fork_now, NULL,
	  { "hugetlb:copy_hugetlb_page_range CLEAR 2M x1" } },
	{ "cow", ANON_4K, with_child, write_page, NULL, { "memory:wp_page_copy CLEAR 4K x1" } },
	{ "cow-thp", ANON_THP, with_child, write_page, NULL,
	  { "huge_memory:__split_huge_pmd CLEAR 2M x1, memory:wp_page_copy CLEAR 4K x1" } },
	{ "cow-hugetlb", HUGETLB, with_child, write_page, NULL,
	  { "hugetlb:hugetlb_wp CLEAR 2M x1", NULL, "hugetlb:hugetlb_cow CLEAR 2M x1" } },
	{ "mremap", ANON_4K, NULL, remap, NULL,
	  { "memory:unmap_vmas UNMAP 2M x1, mremap:move_page_tables UNMAP 2M x1" } },
	{ "mremap-hugetlb", HUGETLB, NULL, remap, NULL,
	  { "hugetlb:move_hugetlb_page_tables CLEAR 2M x1, memory:unmap_vmas UNMAP 2M x1",
	    MREMAP_HUGETLB_601, "" } },
	{ "collapse", ANON_4K, NULL, collapse, NULL,
	  { "khugepaged:collapse_huge_page CLEAR 2M x1", NULL, "" } },
	{ "collapse-shmem", SHMEM, NULL, collapse, NULL,
	  { "khugepaged:retract_page_tables CLEAR 2M x1, rmap:try_to_unmap_one CLEAR 4K x512",
	    "khugepaged:collapse_and_free_pmd CLEAR 2M x1, rmap:try_to_unmap_one CLEAR 4K x512", "" } },
	{ "collapse-mapped", SHMEM, small_entries_of_huge, collapse, NULL,
	  { "khugepaged:collapse_pte_mapped_thp CLEAR 2M x1", "" } },
	{ "punch-hole-hugetlb", SHMEM_SHARED_PMD, NULL, punch_huge, NULL,
	  { "hugetlb:unmap_hugepage_range CLEAR 1G x1",
	    "hugetlb:__unmap_hugepage_range UNMAP 1G x1" } },
	{ "write-back", ANON_4K, written_to_file, write_back, file_end,
	  { "rmap:page_vma_mkclean_one PROT_PAGE 4K x1", NULL,
	    "rmap:page_mkclean_one PROT_PAGE 4K x1" } },
	{ "punch-hole", SHMEM, NULL, punch, NULL, { "memory:zap_page_range_single CLEAR 4K x1" } },
	{ "ksm", ANON_4K, mergeable, merge, ksm_end,
	  { "ksm:replace_page CLEAR 4K x1, ksm:write_protect_page CLEAR 4K x2" } },
	{ "uffd-wp", ANON_4K, uffd_wp_ready, uffd_wp, NULL,
	  { "mprotect:change_pud_range PROT_VMA 2M x1",
	    "mprotect:change_pmd_range PROT_VMA 2M x1" } },
	{ "uffd-move-4k", ANON_4K, uffd_move_ready, uffd_move_page, NULL,
	  { "userfaultfd:move_pages_pte CLEAR 4K x1", "" } },
	{ "uffd-move-thp", ANON_THP, uffd_move_ready, uffd_move_huge, NULL,
	  { "huge_memory:move_pages_huge_pmd CLEAR 2M x1", "" } },
	{ "uffd-shared-pmd", SHMEM_SHARED_PMD, with_child, unshare_pmds, NULL,
	  { "hugetlb:hugetlb_unshare_pmds CLEAR 1G x1", NULL, "" } },
	{ "pagemap-scan", ANON_4K, scan_ready, scan, NULL,
	  { "task_mmu:do_pagemap_scan PROT_VMA 2M x1", "" } },
	{ "soft-dirty", ANON_4K, NULL, soft_dirty, NULL,
	  { "task_mmu:clear_refs_write SOFT_DIRTY all x1" } },
	{ "forced-write", SHMEM, file_privately, force, NULL, { "memory:wp_page_copy CLEAR 4K x1" } },
	{ "uprobe", ANON_4K, probe_code_ready, probe_code, probe_code_end,
	  { "uprobes:__replace_page CLEAR 4K x1" } },
};

static void run_act(int number)
{
	const struct act *a = &acts[number];
	unsigned int series = kernel_version();
	unsigned int column = (series < 607) + (series < 601);
	struct seen seen = { 0 };
	const char *expect;
	struct scene s;
	char text[1024];

	while (column && !a->fires[column])
		column--;
	expect = a->fires[column];
	if (!*expect)
		SKIP("the kernel does not have it");
	get_scene(&s, a->memory);
	if (a->prepare)
		a->prepare(&s);
	seen.start = (uintptr_t)s.at;
	seen.end = seen.start + s.len;

	take(NULL, NULL);
	a->act(&s);
	take(a->name, &seen);
	describe(&seen, text, sizeof(text));
	if (strcmp(text, expect) != 0) {
		ktap_note("expected: %s", expect);
		ktap_note("fired:    %s", text);
		EXPECT(!"the sites that were expected");
	}
	EXPECT_EQ(sites_unknown(), 0);
	EXPECT_EQ(sites_lost(), 0);
	if (a->end)
		a->end(&s);
	end_child(&s);
	dmirage_close(s.d);
}

/* ---- Whole processes ----------------------------------------------------- */

/* A process with a context of its own, which tells where its memory is. */
static pid_t watched_child(struct seen *seen, void (*then)(struct scene *s))
{
	int told[2];
	u64 range[2];
	pid_t pid;

	ASSERT_SYS(pipe(told));
	pid = fork();
	ASSERT_SYS(pid);
	if (!pid) {
		struct scene s;

		get_scene(&s, ANON_4K);
		range[0] = (uintptr_t)s.at;
		range[1] = range[0] + s.len;
		if (then)
			then(&s);
		ASSERT_EQ(write(told[1], range, sizeof(range)), sizeof(range));
		for (;;)
			pause();
	}
	ASSERT_EQ(read(told[0], range, sizeof(range)), sizeof(range));
	seen->start = range[0];
	seen->end = range[1];
	close(told[0]);
	close(told[1]);
	return pid;
}

static void expect_fired(struct seen *seen, const char *expect)
{
	char text[1024];

	describe(seen, text, sizeof(text));
	if (strcmp(text, expect) != 0) {
		ktap_note("expected: %s", expect);
		ktap_note("fired:    %s", text);
		EXPECT(!"the sites that were expected");
	}
}

static void test_exit(int arg)
{
	struct seen seen = { 0 };
	pid_t pid;

	(void)arg;
	pid = watched_child(&seen, NULL);
	take(NULL, NULL);
	ASSERT_SYS(kill(pid, SIGKILL));
	ASSERT_EQ(wait_child(pid), 256 + SIGKILL);
	/* The context holds the address space a little longer. */
	EXPECT_EQ(contexts_in_use(0), 0);
	take("exit", &seen);
	expect_fired(&seen, "memory:unmap_vmas UNMAP all x1, "
			    "mmu_notifier:mn_itree_release RELEASE all x1");
	EXPECT_EQ(sites_unknown(), 0);
}

/* Stopped in a notifier, of other memory than what the reaper is to find. */
static void *drop_other(void *other)
{
	madvise(other, PROBE_4K, MADV_DONTNEED);
	return NULL;
}

static void stop_in_notifier(struct scene *s)
{
	struct probe_mem other = get_mem(PROBE_KIND_4K, PROBE_4K);
	u64 end = now_ms() + 2000 * ktap_scale();
	char text[256] = "";
	pthread_t thread;

	dev_write(s->d, other.addr, 1);
	ASSERT_PROBE(probe_ctx_write(s->d, "gate", "inval-cleared"));
	ASSERT(!pthread_create(&thread, NULL, drop_other, other.addr));
	while (!strstr(text, "waiting inval-cleared") && now_ms() < end)
		ASSERT_PROBE(probe_ctx_read(s->d, "gate", text, sizeof(text)));
	ASSERT(strstr(text, "waiting inval-cleared"));
}

static void test_reaper(int arg)
{
	struct seen seen = { 0 };
	int pidfd;
	pid_t pid;

	(void)arg;
	if (syscall(SYS_process_mrelease, -1, 0) == -1 && errno == ENOSYS)
		SKIP("no process_mrelease()");
	pid = watched_child(&seen, stop_in_notifier);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	ASSERT_SYS(pidfd);
	take(NULL, NULL);
	ASSERT_SYS(kill(pid, SIGKILL));
	/* What the notifier is about it cannot have; the rest it takes. */
	EXPECT_ERRNO(syscall(SYS_process_mrelease, pidfd, 0), EAGAIN);
	take("reaper", &seen);
	expect_fired(&seen, "oom_kill:__oom_reap_task_mm UNMAP 2M x1");
	EXPECT_EQ(sites_unknown(), 0);
	wait_child(pid);
}

/* The pages of the clock are others in a time namespace. */
static void test_clock_pages(int arg)
{
	const char *site = kernel_version() < 603 ? "memory:zap_page_range CLEAR" :
						    "memory:zap_page_range_single CLEAR";
	struct seen seen = { .end = ~0ull };
	struct scene s;
	char text[1024];
	int fd;

	(void)arg;
	get_scene(&s, ANON_4K);
	ASSERT_SYS(unshare(CLONE_NEWTIME));
	fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	ASSERT_SYS(fd);
	take(NULL, NULL);
	ASSERT_SYS(setns(fd, CLONE_NEWTIME));
	take("clock-pages", &seen);
	describe(&seen, text, sizeof(text));
	ktap_note("fired: %s", text);
	EXPECT(strstr(text, site));
	EXPECT_EQ(sites_unknown(), 0);
}

/* ---- What others than interval notifiers get ------------------------------- */

static void test_others(int arg)
{
	struct seen seen = { .others = true };
	unsigned int series = kernel_version();
	const char *expect;
	struct scene s;

	(void)arg;
	get_scene(&s, ANON_4K);
	with_child(&s);
	seen.start = (uintptr_t)s.at;
	seen.end = seen.start + s.len;
	take(NULL, NULL);
	write_page(&s);
	take("cow", &seen);
	if (series >= 606)
		expect = "memory:wp_page_copy CLEAR 4K x1, "
			 "pgtable-generic:ptep_clear_flush SECONDARY 4K x1";
	else
		expect = "memory:wp_page_copy CHANGE_PTE 4K x1, memory:wp_page_copy CLEAR 4K x1, "
			 "memory:wp_page_copy SECONDARY 4K x1";
	expect_fired(&seen, expect);
	EXPECT_EQ(sites_unknown(), 0);
	end_child(&s);
	dmirage_close(s.d);
}

/* ---- The records themselves --------------------------------------------- */

/* How often the probes were hit, by the kernel's own count: "name hits misses" a line. */
static u64 probe_hits(void)
{
	FILE *f = fopen("/sys/kernel/tracing/kprobe_profile", "re");
	u64 hits, sum = 0;
	char line[256];

	ASSERT(f);
	while (fgets(line, sizeof(line), f))
		sum += sscanf(line, "%*s %llu", &hits) == 1 ? hits : 0;
	fclose(f);
	return sum;
}

/* What a scene's memory was told of; and all that there was, also elsewhere in the process. */
struct share {
	struct seen seen;
	u64 all;
};

static void collect_share(void *arg, const struct sites_hit *hit)
{
	struct share *s = arg;

	s->all++;
	collect(&s->seen, hit);
}

/* More than the buffer takes: what is lost is counted, and the rest is there. */
static void test_lost(int arg)
{
	struct share share = { 0 };
	struct seen *seen = &share.seen;
	u64 before, begin, end, after;
	struct scene s;
	unsigned int i, n = 20000;

	(void)arg;
	get_scene(&s, ANON_4K);
	seen->start = (uintptr_t)s.at;
	seen->end = seen->start + s.len;
	/* From now on nothing is there, and so no TLB is flushed. */
	drop_pages(&s);
	put(INSTANCE "/buffer_size_kb", "64");
	before = probe_hits();
	take(NULL, NULL);
	begin = probe_hits();
	for (i = 0; i < n; i++)
		drop_pages(&s);
	end = probe_hits();
	EXPECT_EQ(sites_take("many", collect_share, &share), -EOVERFLOW);
	after = probe_hits();
	/* Other memory of the process may be told of something, too, at any time. */
	EXPECT_GE(share.all + sites_lost(), end - begin);
	EXPECT_GE(after - before, share.all + sites_lost());
	EXPECT_GE(end - begin, n);
	EXPECT_GE(sites_lost(), 1);
	ASSERT_EQ(seen->n, 1);
	EXPECT_GE(n - 1, seen->fired[0].count);
	EXPECT_GE(seen->fired[0].count + sites_lost(), n);
	/* What is fetched in time is all there. */
	seen->n = 0;
	memset(seen->fired, 0, sizeof(seen->fired));
	for (i = 0; i < n; i++) {
		drop_pages(&s);
		if (i % 100 == 0)
			take(NULL, seen);
	}
	take(NULL, seen);
	ASSERT_EQ(seen->n, 1);
	EXPECT_EQ(seen->fired[0].count, n);
	put(INSTANCE "/buffer_size_kb", "8192");
	dmirage_close(s.d);
}

static u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

/* Taking is cheap: the best of some, since others run, too. */
static void test_cost(int arg)
{
	static const unsigned int counts[] = { 0, 1, 10, 100, 1000 };
	u64 took, best, begin;
	unsigned int i, k, n;
	struct scene s;

	(void)arg;
	get_scene(&s, ANON_4K);
	take(NULL, NULL);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		best = ~0ull;
		for (k = 0; k < 10; k++) {
			for (n = 0; n < counts[i]; n++)
				drop_pages(&s);
			begin = now_ns();
			EXPECT_GE(take("cost", NULL), counts[i]);
			took = now_ns() - begin;
			best = took < best ? took : best;
		}
		ktap_note("sites_take() of %u: %llu us", counts[i], best / 1000);
		if (counts[i] <= 10)
			EXPECT(best < MS * ktap_scale());
	}
	dmirage_close(s.d);
}

static void test_print(int arg)
{
	char text[65536];
	struct scene s;
	FILE *f;

	(void)arg;
	get_scene(&s, ANON_4K);
	take(NULL, NULL);
	free_all(&s);
	take("free/4k", NULL);
	free_all(&s);
	take("free/\"4k\"", NULL);
	f = fmemopen(text, sizeof(text), "w");
	ASSERT(f);
	sites_print(f);
	fclose(f);
	EXPECT(!strncmp(text, "sites: {\"kernel\":", 17));
	EXPECT(strchr(text, '\n') == text + strlen(text) - 1);
	EXPECT(strstr(text, "{\"site\":\"madvise:madvise_free_single_vma\","
			    "\"event\":\"CLEAR\",\"fired\":2,\"ranges\":{\"2M\":2},"
			    "\"cells\":[\"free/4k\",\"free/\\\"4k\\\"\"],"
			    "\"told\":true,\"exists\":true,\"reachable\":true,\"why\":\"\"}"));
	EXPECT(strstr(text, "{\"site\":\"mapping_dirty_helpers:wp_clean_pre_vma\","
			    "\"event\":\"PROT_PAGE\",\"fired\":0,\"ranges\":{},\"cells\":[],"
			    "\"told\":true,\"exists\":true,\"reachable\":false,\"why\":\"only vmwgfx"));
	EXPECT(strstr(text, "{\"site\":\"rmap:page_make_device_exclusive_one\","
			    "\"event\":\"EXCLUSIVE\",\"fired\":0,\"ranges\":{},\"cells\":[],"
			    "\"told\":true,\"exists\":false,\"reachable\":false,\"why\":\"needs CONFIG"));
	dmirage_close(s.d);
}

/* ---- The program ----------------------------------------------------------- */

static const struct ktap_test others[] = {
	{ "exit", test_exit, 0, 0 },
	{ "reaper", test_reaper, 0, 0 },
	{ "clock-pages", test_clock_pages, 0, 0 },
	{ "others", test_others, 0, 0 },
	{ "lost", test_lost, 0, 0 },
	{ "cost", test_cost, 0, 0 },
	{ "print", test_print, 0, 0 },
};

/*
 * All record in one go.  The sums are each test's own, from the first call of take() on;
 * the records are everybody's.
 */
static void before(void)
{
	reserve_huge_pages();
	if (sites_start())
		ktap_note("sites_start(): %s", sites_why());
	else
		atexit(sites_stop);
}

int main(int argc, char **argv)
{
	struct ktap_test tests[ARRAY_SIZE(acts) + ARRAY_SIZE(others)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(acts); i++)
		tests[i] = (struct ktap_test){ acts[i].name, run_act, (int)i, 0 };
	memcpy(tests + i, others, sizeof(others));
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests), before);
}
