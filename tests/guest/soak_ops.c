// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "newer.h"
#include "settings.h"
#include "soak_ops.h"
#include "userfault.h"

#define PAGES	    (SOAK_LEN / PROBE_4K)
#define KSM_WAIT_MS 400
#define OFFLINE_MAX 32 /* pages that are lost, in each process */

#define HUGE  (SOAK_OF(SOAK_THP) | SOAK_OF(SOAK_SHMEM_THP))
#define ANON  (SOAK_OF(SOAK_4K) | SOAK_OF(SOAK_THP))
#define SHMEM (SOAK_OF(SOAK_SHMEM) | SOAK_OF(SOAK_SHMEM_THP))
#define SMALL (SOAK_OF(SOAK_4K) | SOAK_OF(SOAK_SHMEM))

const char *const soak_kind_names[SOAK_KINDS] = {
	[SOAK_4K] = "4k",
	[SOAK_THP] = "thp",
	[SOAK_HUGETLB] = "hugetlb",
	[SOAK_SHMEM] = "shmem",
	[SOAK_SHMEM_THP] = "shmem-thp",
};

/* ---- Settings of the machine ------------------------------------------------ */

#define THP  "/sys/kernel/mm/transparent_hugepage/"
#define KSM  "/sys/kernel/mm/ksm/"
#define NUMA "/sys/kernel/debug/sched/numa_balancing/"

static const struct {
	const char *file;
	const char *value;
} settings[] = {
	{ THP "shmem_enabled", "advise" },
	{ THP "khugepaged/scan_sleep_millisecs", "50" },
	{ THP "khugepaged/alloc_sleep_millisecs", "50" },
	{ KSM "sleep_millisecs", "10" },
	{ KSM "pages_to_scan", "2000" },
	{ KSM "run", "1" },
	{ "/proc/sys/kernel/numa_balancing", "1" },
	{ NUMA "scan_delay_ms", "100" },
	{ NUMA "scan_period_min_ms", "100" },
};

void soak_settings(void)
{
	unsigned int i;

	settings_start();
	/* Not every kernel has all of them. */
	for (i = 0; i < ARRAY_SIZE(settings); i++)
		setting_put(settings[i].file, settings[i].value);
}

/* ---- Areas --------------------------------------------------------------------- */

void soak_areas_make(struct soak_area area[SOAK_KINDS])
{
	unsigned int kind, i;

	for (kind = 0; kind < SOAK_KINDS; kind++) {
		struct soak_area *a = &area[kind];
		uintptr_t at;
		u8 *map;

		/* No two have a page table, or a huge page, in common. */
		map = mmap(NULL, 6 * PROBE_2M, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		ASSERT(map != MAP_FAILED);
		at = ((uintptr_t)map + PROBE_2M - 1) & ~(PROBE_2M - 1);
		for (i = 0; i < 2; i++)
			a->slot[i] = (u8 *)at + (2 * i + 1) * PROBE_2M;
		a->kind = kind;
		a->fd = -1;
		atomic_store(&a->addr, a->slot[0]);
		if (kind == SOAK_SHMEM || kind == SOAK_SHMEM_THP) {
			a->fd = memfd_create("soak", MFD_CLOEXEC);
			ASSERT_SYS(a->fd);
			ASSERT_SYS(ftruncate(a->fd, SOAK_LEN));
		}
	}
}

static int map_at(struct soak_area *a, u8 *addr, int prot)
{
	int flags = MAP_FIXED | (a->fd >= 0 ? MAP_SHARED :
					      MAP_PRIVATE | MAP_ANONYMOUS);

	if (a->kind == SOAK_HUGETLB)
		flags |= MAP_HUGETLB | MAP_HUGE_2MB;
	if (mmap(addr, SOAK_LEN, prot, flags, a->fd, 0) == MAP_FAILED)
		return -errno;
	if (a->kind == SOAK_THP || a->kind == SOAK_SHMEM_THP)
		madvise(addr, SOAK_LEN, MADV_HUGEPAGE);
	if (a->kind == SOAK_4K)
		madvise(addr, SOAK_LEN, MADV_NOHUGEPAGE);
	return 0;
}

static void no_access(u8 *addr)
{
	mmap(addr, SOAK_LEN, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

/* ---- The CPU ------------------------------------------------------------------- */

static __thread sigjmp_buf *escape;

/* Another worker has truncated the file, or there is no huge page left. */
static void no_page(int sig)
{
	if (!escape) {
		signal(sig, SIG_DFL);
		raise(sig);
		return;
	}
	siglongjmp(*escape, 1);
}

void soak_catch(void)
{
	struct sigaction sa = { .sa_handler = no_page, .sa_flags = SA_NODEFER };

	ASSERT_SYS(sigaction(SIGBUS, &sa, NULL));
	ASSERT_SYS(sigaction(SIGSEGV, &sa, NULL));
}

bool soak_cpu(u8 *addr, size_t len, bool write)
{
	sigjmp_buf here;
	size_t at;

	if (sigsetjmp(here, 0)) {
		escape = NULL;
		return false;
	}
	escape = &here;
	for (at = 0; at < len; at += PROBE_4K) {
		if (write)
			__atomic_fetch_add(addr + at, 0, __ATOMIC_RELAXED);
		else
			*(volatile u8 *)(addr + at);
	}
	escape = NULL;
	return true;
}

int soak_area_fresh(struct soak_area *a)
{
	u8 *addr = atomic_load(&a->addr);
	int ret;

	if (a->fd >= 0 && ftruncate(a->fd, SOAK_LEN))
		return -errno;
	ret = map_at(a, addr, PROT_READ | PROT_WRITE);
	if (ret)
		return ret;
	if (!soak_cpu(addr, SOAK_LEN, true))
		return -EFAULT;
	a->other = false;
	return 0;
}

bool soak_area_is_right(const struct soak_area *a)
{
	u8 *addr = atomic_load(&a->addr);
	struct probe_page page;

	if (probe_page(addr, &page) || !page.present)
		return false;
	switch (a->kind) {
	case SOAK_THP:
		return probe_smaps_kb(addr, "AnonHugePages") == 2048;
	case SOAK_SHMEM_THP:
		return probe_smaps_kb(addr, "ShmemPmdMapped") == 2048;
	case SOAK_HUGETLB:
		return page.hugetlb;
	default:
		return !page.hugetlb;
	}
}

/* ---- The device ------------------------------------------------------------------ */

struct dmirage *soak_open(struct soak_worker *w, pid_t attach)
{
	struct dmirage *d = open_attached(attach, w->mode, DMIRAGE_OPEN_WATCH);

	if (w->fault_mode)
		ASSERT_PROBE(probe_ctx_write(d, "fault_mode", w->fault_mode));
	return d;
}

/* All of them at once: they are read often. */
struct soak_counts soak_counts(struct dmirage *d)
{
	static const char *const names[] = {
		[0] = "watch_stores",
		[1] = "watch_suspects",
		[2] = "watch_violations",
		[3] = "watch_refused",
		[4] = "invalidations",
	};
	u64 value[ARRAY_SIZE(names)] = { 0 };
	unsigned int found = 0, i;
	char text[2048], *line;

	ASSERT_PROBE(probe_ctx_read(d, "counters", text, sizeof(text)));
	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		for (i = 0; i < ARRAY_SIZE(names); i++) {
			size_t len = strlen(names[i]);

			if (strncmp(line, names[i], len) || line[len] != ' ')
				continue;
			value[i] = strtoull(line + len, NULL, 10);
			found++;
		}
	}
	ASSERT_EQ(found, ARRAY_SIZE(names));
	return (struct soak_counts){
		.stores = value[0],
		.suspects = value[1],
		.by_watch = value[2],
		.refused = value[3],
		.callbacks = value[4],
		.by_access = get_counters(d).violations,
	};
}

struct soak_counts soak_sum(struct soak_counts a, struct soak_counts b)
{
	a.stores += b.stores;
	a.suspects += b.suspects;
	a.by_watch += b.by_watch;
	a.by_access += b.by_access;
	a.refused += b.refused;
	a.callbacks += b.callbacks;
	return a;
}

unsigned int soak_touch(struct dmirage *d, u8 *addr, size_t len, bool write)
{
	struct dmirage_sqe sqe;

	if (write)
		dmirage_prep_touch_write(&sqe, 1, addr, len);
	else
		dmirage_prep_touch_read(&sqe, 1, addr, len);
	return run_op(d, &sqe).status;
}

void soak_tell(struct dmirage *d, unsigned int max)
{
	static char report[DMIRAGE_REPORT_MAX];
	struct dmirage_violation v;
	char *line, *next;

	while (max--) {
		if (dmirage_read_violations(d, &v, 1, 0) != 1)
			return;
		dmirage_format_violation(&v, report, sizeof(report));
		for (line = report; line && *line; line = next) {
			next = strchr(line, '\n');
			if (next)
				*next++ = '\0';
			ktap_note("  %s", line);
		}
	}
}

/* ---- What operations are made of --------------------------------------------------- */

static bool once(struct soak_worker *w)
{
	return ktap_below(&w->random, 2);
}

static int sys(long ret)
{
	return ret < 0 ? -errno : 0;
}

/* A part, of whole pages; of hugetlb there is no part. */
static u8 *some_of(struct soak_worker *w, const struct soak_area *a,
		   size_t *len)
{
	u8 *addr = atomic_load(&a->addr);
	size_t at;

	*len = SOAK_LEN;
	if (a->kind == SOAK_HUGETLB || once(w))
		return addr;
	at = ktap_below(&w->random, PAGES);
	*len = (1 + ktap_below(&w->random, PAGES - at)) * PROBE_4K;
	return addr + at * PROBE_4K;
}

/* What has a part of a huge page taken away is not huge any more. */
static int advise(struct soak_worker *w, struct soak_area *a, int advice)
{
	size_t len;
	u8 *addr = some_of(w, a, &len);

	if (len != SOAK_LEN)
		a->other = true;
	return sys(madvise(addr, len, advice));
}

static int all_there(struct soak_area *a)
{
	return soak_cpu(atomic_load(&a->addr), SOAK_LEN, true) ? 0 : -EFAULT;
}

/* ---- Mappings ------------------------------------------------------------------------- */

static int op_munmap(struct soak_worker *w, struct soak_area *a)
{
	size_t len;
	u8 *addr = some_of(w, a, &len);

	if (munmap(addr, len))
		return -errno;
	return soak_area_fresh(a);
}

static int op_map_over(struct soak_worker *w, struct soak_area *a)
{
	(void)w;
	return soak_area_fresh(a);
}

/* From one place to the other, all or the second half after the first. */
static int op_mremap(struct soak_worker *w, struct soak_area *a)
{
	u8 *from = atomic_load(&a->addr);
	u8 *to = a->slot[from == a->slot[0]];
	size_t step = a->kind != SOAK_HUGETLB && once(w) ? SOAK_LEN / 2 :
							   SOAK_LEN;
	size_t at;

	for (at = 0; at < SOAK_LEN; at += step) {
		if (mremap(from + at, step, step,
			   MREMAP_MAYMOVE | MREMAP_FIXED,
			   to + at) == MAP_FAILED) {
			ASSERT(!at);
			return -errno;
		}
	}
	if (step != SOAK_LEN)
		a->other = true;
	atomic_store(&a->addr, to);
	no_access(from);
	return 0;
}

/* The old place stays a mapping, without pages. */
static int op_mremap_keep(struct soak_worker *w, struct soak_area *a)
{
	u8 *from = atomic_load(&a->addr);
	u8 *to = a->slot[from == a->slot[0]];

	(void)w;
	if (mremap(from, SOAK_LEN, SOAK_LEN,
		   MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		   to) == MAP_FAILED)
		return -errno;
	atomic_store(&a->addr, to);
	no_access(from);
	return 0;
}

static int op_mremap_shrink(struct soak_worker *w, struct soak_area *a)
{
	u8 *addr = atomic_load(&a->addr);

	(void)w;
	if (mremap(addr, SOAK_LEN, SOAK_LEN / 2, 0) == MAP_FAILED)
		return -errno;
	return soak_area_fresh(a);
}

static int op_mprotect(struct soak_worker *w, struct soak_area *a)
{
	size_t len;
	u8 *addr = some_of(w, a, &len);
	int prot = once(w) ? PROT_READ : PROT_NONE;

	if (len != SOAK_LEN)
		a->other = true;
	if (mprotect(addr, len, prot))
		return -errno;
	/* The device may read it as it is. */
	soak_touch(w->d, addr, len, false);
	return sys(mprotect(addr, len, PROT_READ | PROT_WRITE));
}

static int op_mlock(struct soak_worker *w, struct soak_area *a)
{
	size_t len;
	u8 *addr = some_of(w, a, &len);

	if (mlock(addr, len))
		return -errno;
	soak_touch(w->d, addr, len, true);
	return sys(munlock(addr, len));
}

/* ---- Advice ----------------------------------------------------------------------------- */

static int op_dontneed(struct soak_worker *w, struct soak_area *a)
{
	return advise(w, a, MADV_DONTNEED) ?: all_there(a);
}

static int op_free(struct soak_worker *w, struct soak_area *a)
{
	return advise(w, a, MADV_FREE) ?: all_there(a);
}

/* Without swap only what is free already goes. */
static int op_free_pageout(struct soak_worker *w, struct soak_area *a)
{
	u8 *addr = atomic_load(&a->addr);

	(void)w;
	if (madvise(addr, SOAK_LEN, MADV_FREE))
		return -errno;
	soak_touch(w->d, addr, SOAK_LEN, false);
	if (madvise(addr, SOAK_LEN, MADV_PAGEOUT))
		return -errno;
	return all_there(a);
}

static int op_pageout(struct soak_worker *w, struct soak_area *a)
{
	return advise(w, a, MADV_PAGEOUT);
}

/*
 * Accessed bits go, in 6.1 with the whole entry for a moment, and nobody is told.
 * So here are most of the stores under translations.
 */
#define COLD_TIMES 16

static int op_cold(struct soak_worker *w, struct soak_area *a)
{
	u8 *addr = atomic_load(&a->addr);
	int ret = 0, i;

	(void)w;
	for (i = 0; i < COLD_TIMES && !ret; i++) {
		soak_cpu(addr, SOAK_LEN, false);
		ret = sys(madvise(addr, SOAK_LEN, MADV_COLD));
	}
	return ret;
}

static int op_cold_part(struct soak_worker *w, struct soak_area *a)
{
	return advise(w, a, MADV_COLD);
}

static int op_collapse(struct soak_worker *w, struct soak_area *a)
{
	u8 *addr = atomic_load(&a->addr);
	int ret;

	/* Make it small, if it is not, and used by the device so. */
	if (madvise(addr, PROBE_4K, MADV_DONTNEED) ||
	    madvise(addr, SOAK_LEN, MADV_HUGEPAGE))
		return -errno;
	a->other = true;
	if (!soak_cpu(addr, SOAK_LEN, true))
		return -EFAULT;
	soak_touch(w->d, addr, SOAK_LEN, true);
	ret = sys(madvise(addr, SOAK_LEN, MADV_COLLAPSE));
	a->other = ret || a->kind == SOAK_4K || a->kind == SOAK_SHMEM;
	return ret;
}

static int op_nohugepage(struct soak_worker *w, struct soak_area *a)
{
	u8 *addr = atomic_load(&a->addr);

	if (madvise(addr, SOAK_LEN, MADV_NOHUGEPAGE))
		return -errno;
	soak_touch(w->d, addr, SOAK_LEN, true);
	if (a->kind == SOAK_4K)
		return 0;
	return sys(madvise(addr, SOAK_LEN, MADV_HUGEPAGE));
}

static int op_soft_offline(struct soak_worker *w, struct soak_area *a)
{
	u8 *addr = atomic_load(&a->addr);
	static unsigned int lost;

	if (lost >= OFFLINE_MAX)
		return -EAGAIN;
	addr += ktap_below(&w->random, PAGES) * PROBE_4K;
	if (madvise(addr, PROBE_4K, MADV_SOFT_OFFLINE))
		return -errno;
	lost++;
	return 0;
}

/* ---- Files --------------------------------------------------------------------------------- */

static int op_punch(struct soak_worker *w, struct soak_area *a)
{
	size_t len;
	u8 *addr = some_of(w, a, &len);

	if (fallocate(a->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      addr - atomic_load(&a->addr), (off_t)len))
		return -errno;
	a->other = true;
	return all_there(a);
}

static int op_remove(struct soak_worker *w, struct soak_area *a)
{
	a->other = true;
	return advise(w, a, MADV_REMOVE) ?: all_there(a);
}

static int op_truncate(struct soak_worker *w, struct soak_area *a)
{
	size_t at = ktap_below(&w->random, PAGES) * PROBE_4K;

	a->other = true;
	if (ftruncate(a->fd, (off_t)at) || ftruncate(a->fd, SOAK_LEN))
		return -errno;
	return all_there(a);
}

/* A private mapping of a file gets a page of its own by being written to. */
static int op_private_file(struct soak_worker *w, struct soak_area *a)
{
	u8 *addr = atomic_load(&a->addr);
	int ret;

	(void)w;
	if (mmap(addr, SOAK_LEN, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED, a->fd, 0) == MAP_FAILED)
		return -errno;
	soak_touch(w->d, addr, SOAK_LEN, false);
	ret = all_there(a);
	soak_touch(w->d, addr, SOAK_LEN, true);
	return soak_area_fresh(a) ?: ret;
}

/* ---- Copies and merged pages ------------------------------------------------------------------ */

/* All but the caller's thread is gone in it. */
static pid_t child_that_waits(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent)
		pause();
	_exit(0);
}

static int child_gone(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	return sys(waitpid(pid, &status, 0));
}

/* The parent writes while there is a child, and when there is none any more. */
static int op_fork(struct soak_worker *w, struct soak_area *a)
{
	u8 *addr = atomic_load(&a->addr);
	size_t len = a->kind == SOAK_HUGETLB ? SOAK_LEN : SOAK_LEN / 4;
	pid_t pid = child_that_waits();

	if (pid < 0)
		return -errno;
	soak_touch(w->d, addr, SOAK_LEN, false);
	/* Of hugetlb pages there may be none left: the child loses its own. */
	if (once(w))
		soak_cpu(addr, len, true);
	else
		soak_touch(w->d, addr, len, true);
	if (child_gone(pid))
		return -errno;
	soak_touch(w->d, addr, SOAK_LEN, false);
	return all_there(a);
}

/* Read, so that the zero page is there; then written. */
static int op_zero_page(struct soak_worker *w, struct soak_area *a)
{
	u8 *addr = atomic_load(&a->addr);

	if (madvise(addr, SOAK_LEN, MADV_DONTNEED))
		return -errno;
	if (!soak_cpu(addr, SOAK_LEN, false))
		return -EFAULT;
	soak_touch(w->d, addr, SOAK_LEN, false);
	return all_there(a);
}

/* By who may write where the process may not. */
static int op_forced_write(struct soak_worker *w, struct soak_area *a)
{
	u8 *addr = atomic_load(&a->addr);
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC), ret = 0;
	pid_t pid;
	size_t at;

	if (fd < 0)
		return -errno;
	pid = child_that_waits();
	if (pid < 0 || mprotect(addr, SOAK_LEN, PROT_READ))
		ret = -errno;
	soak_touch(w->d, addr, SOAK_LEN, false);
	for (at = 0; !ret && at < SOAK_LEN / 8; at += PROBE_4K)
		ret = sys(pwrite(fd, "s", 1, (off_t)(uintptr_t)(addr + at)));
	close(fd);
	if (mprotect(addr, SOAK_LEN, PROT_READ | PROT_WRITE))
		ret = -errno;
	if (pid > 0)
		child_gone(pid);
	return ret;
}

static int op_ksm(struct soak_worker *w, struct soak_area *a)
{
	u8 *addr = atomic_load(&a->addr);
	u64 end = now_ms() + KSM_WAIT_MS;
	int ret;

	memset(addr, 0x5a, SOAK_LEN);
	if (madvise(addr, SOAK_LEN, MADV_MERGEABLE))
		return -errno;
	while (file_number(KSM "pages_sharing") < PAGES / 4 && now_ms() < end) {
		soak_touch(w->d, addr, SOAK_LEN, false);
		sleep_ms(10);
	}
	ret = file_number(KSM "pages_sharing") ? 0 : -EAGAIN;
	/* Half by writing, the rest because it is told to. */
	soak_cpu(addr, SOAK_LEN / 2, true);
	if (madvise(addr, SOAK_LEN, MADV_UNMERGEABLE))
		return -errno;
	return ret;
}

/* ---- Moves --------------------------------------------------------------------------------------- */

static int op_move_pages(struct soak_worker *w, struct soak_area *a)
{
	bool huge = a->kind == SOAK_HUGETLB || a->kind == SOAK_THP;
	size_t step = huge ? SOAK_LEN : PROBE_4K;
	unsigned long n = SOAK_LEN / step, i, moved = 0;
	u8 *addr = atomic_load(&a->addr);
	static void *page[PAGES];
	static int node[PAGES], status[PAGES];
	struct probe_page now;
	int to;

	(void)w;
	if (probe_page(addr, &now))
		return -errno;
	to = now.node == 0;
	for (i = 0; i < n; i++) {
		page[i] = addr + i * step;
		node[i] = to;
		status[i] = -1;
	}
	if (syscall(SYS_move_pages, 0, n, page, node, status, MPOL_MF_MOVE) < 0)
		return -errno;
	for (i = 0; i < n; i++)
		moved += status[i] == to;
	return moved ? 0 : -EBUSY;
}

static int op_mbind(struct soak_worker *w, struct soak_area *a)
{
	unsigned long mask = 1ul << ktap_below(&w->random, 2);
	u8 *addr = atomic_load(&a->addr);
	int ret;

	ret = sys(syscall(SYS_mbind, addr, SOAK_LEN, MPOL_BIND, &mask,
			  8 * sizeof(mask), MPOL_MF_MOVE));
	syscall(SYS_mbind, addr, SOAK_LEN, MPOL_DEFAULT, NULL, 0, 0);
	return ret;
}

static int op_migrate_pages(struct soak_worker *w, struct soak_area *a)
{
	unsigned long from = 1, to = 2;

	(void)a;
	if (once(w)) {
		from = 2;
		to = 1;
	}
	return sys(syscall(SYS_migrate_pages, 0, 8 * sizeof(from), &from, &to));
}

static int op_compact(struct soak_worker *w, struct soak_area *a)
{
	(void)w;
	(void)a;
	return -put_text("/sys/devices/system/node/node0/compact", "1");
}

static int op_split(struct soak_worker *w, struct soak_area *a)
{
	u8 *addr = atomic_load(&a->addr);
	char text[96];

	(void)w;
	snprintf(text, sizeof(text), "%d,%p,%p,0", getpid(), addr,
		 addr + SOAK_LEN);
	a->other = true;
	return -put_text("/sys/kernel/debug/split_huge_pages", text);
}

/* Processors' hints about nodes come by themselves: until some have. */
static int op_numa(struct soak_worker *w, struct soak_area *a)
{
	u8 *addr = atomic_load(&a->addr);
	unsigned int i;

	for (i = 0; i < 20; i++) {
		soak_cpu(addr, SOAK_LEN, true);
		soak_touch(w->d, addr, SOAK_LEN, i % 2);
	}
	return 0;
}

/* ---- Who has used it ------------------------------------------------------------------------------- */

static int clear_refs(struct soak_worker *w, const char *what)
{
	int kind;

	for (kind = 0; kind < SOAK_KINDS; kind++)
		soak_cpu(atomic_load(&w->area[kind].addr), SOAK_LEN, false);
	return -put_text("/proc/self/clear_refs", what);
}

static int op_clear_accessed(struct soak_worker *w, struct soak_area *a)
{
	int i, ret = 0;

	(void)a;
	for (i = 0; i < COLD_TIMES / 4 && ret >= 0; i++)
		ret = clear_refs(w, "1");
	return ret;
}

static int op_soft_dirty(struct soak_worker *w, struct soak_area *a)
{
	int ret = clear_refs(w, "4");

	return ret < 0 ? ret : all_there(a);
}

/*
 * Who waits goes on.  Not by closing it alone: while that is under way, a fault is
 * retried in the kernel without a pause, and may be in the way of the closing itself
 * for ever (docs/found-bugs.md).
 */
static void uffd_end(int fd, u8 *addr)
{
	userfault_unregister(fd, addr, SOAK_LEN);
	close(fd);
}

/* Writers wait meanwhile. */
static int op_uffd_wp(struct soak_worker *w, struct soak_area *a)
{
	u8 *addr = atomic_load(&a->addr);
	bool anon = a->kind == SOAK_4K || a->kind == SOAK_THP;
	int fd, ret;

	fd = userfault_open(anon ? UFFD_FEATURE_PAGEFAULT_FLAG_WP :
				   UFFD_FEATURE_WP_HUGETLBFS_SHMEM);
	if (fd < 0)
		return fd;
	ret = userfault_register(fd, addr, SOAK_LEN, UFFDIO_REGISTER_MODE_WP);
	if (!ret)
		ret = userfault_protect(fd, addr, SOAK_LEN, true);
	soak_touch(w->d, addr, SOAK_LEN, false);
	if (!ret && once(w))
		ret = userfault_protect(fd, addr, SOAK_LEN, false);
	uffd_end(fd, addr);
	return ret;
}

/* What was written is found and protected again in one step. */
static int op_pagemap_scan(struct soak_worker *w, struct soak_area *a)
{
	u8 *addr = atomic_load(&a->addr);
	int fd = userfault_open(UFFD_FEATURE_WP_ASYNC), ret, i;

	if (fd < 0)
		return fd;
	ret = userfault_register(fd, addr, SOAK_LEN, UFFDIO_REGISTER_MODE_WP);
	for (i = 0; i < 3 && ret >= 0; i++) {
		ret = pagemap_scan(addr, SOAK_LEN);
		soak_touch(w->d, addr, SOAK_LEN, i % 2);
		soak_cpu(addr, SOAK_LEN / 2, true);
	}
	close(fd);
	return ret < 0 ? ret : 0;
}

/* Pages change their address, and not their place. */
static int op_uffd_move(struct soak_worker *w, struct soak_area *a)
{
	u8 *from = atomic_load(&a->addr);
	u8 *to = a->slot[from == a->slot[0]];
	int fd = userfault_open(UFFD_FEATURE_MOVE), ret;

	(void)w;
	if (fd < 0)
		return fd;
	ret = map_at(a, to, PROT_READ | PROT_WRITE);
	if (!ret)
		ret = userfault_register(fd, to, SOAK_LEN, UFFDIO_REGISTER_MODE_MISSING);
	if (!ret)
		ret = userfault_move(fd, to, from, SOAK_LEN);
	close(fd);
	if (ret) {
		no_access(to);
		soak_area_fresh(a);
		return ret;
	}
	atomic_store(&a->addr, to);
	no_access(from);
	return all_there(a);
}

/* ---- Processes ------------------------------------------------------------------------------------ */

/* A child is watched, and its memory goes: reaped, or by its own exit. */
static int op_child(struct soak_worker *w, struct soak_area *a)
{
	u8 *addr = atomic_load(&a->addr);
	bool reap = once(w);
	struct dmirage *d;
	int pidfd, ret = 0;
	unsigned int i;
	pid_t pid;

	pid = child_that_waits();
	if (pid < 0)
		return -errno;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	d = soak_open(w, pid);
	soak_touch(d, addr, SOAK_LEN, false);
	soak_touch(d, addr, SOAK_LEN, a->kind != SOAK_HUGETLB);
	kill(pid, SIGKILL);
	if (reap && syscall(SYS_process_mrelease, pidfd, 0) && errno == ENOSYS)
		ret = -ENOSYS;
	child_gone(pid);
	close(pidfd);
	/* Nobody in user mode any more: until suspects are settled. */
	for (i = 0; i < 2; i++)
		sleep_ms(1);
	w->child = soak_sum(w->child, soak_counts(d));
	soak_tell(d, 1);
	dmirage_close(d);
	return ret;
}

#define OP(name, kinds, weight, since, notifies, maybe, act)     \
	{                                                        \
		name, kinds, weight, since, notifies, maybe, act \
	}

const struct soak_op soak_ops[] = {
	OP("munmap", SOAK_ANY, 3, 0, true, false, op_munmap),
	OP("map-over", SOAK_ANY, 3, 0, true, false, op_map_over),
	OP("mremap", SOAK_ANY & ~SOAK_OF(SOAK_HUGETLB), 4, 0, true, false,
	   op_mremap),
	OP("mremap-hugetlb", SOAK_OF(SOAK_HUGETLB), 2, 601, true, false,
	   op_mremap),
	OP("mremap-dontunmap", ANON, 2, 0, true, false, op_mremap_keep),
	OP("mremap-shrink", SMALL | HUGE, 2, 0, true, false, op_mremap_shrink),
	OP("mprotect", SOAK_ANY, 4, 0, true, false, op_mprotect),
	OP("mlock", SMALL | HUGE, 2, 0, false, false, op_mlock),
	OP("dontneed", SMALL | HUGE, 4, 0, true, false, op_dontneed),
	OP("dontneed-hugetlb", SOAK_OF(SOAK_HUGETLB), 2, 601, true, false,
	   op_dontneed),
	OP("free", ANON, 3, 0, true, false, op_free),
	OP("free-pageout", ANON, 3, 0, true, false, op_free_pageout),
	OP("pageout", SMALL | HUGE, 3, 0, false, false, op_pageout),
	OP("cold", SOAK_OF(SOAK_4K) | SOAK_OF(SOAK_SHMEM), 30, 0, false, false,
	   op_cold),
	OP("cold-part", SMALL | HUGE, 3, 0, false, false, op_cold_part),
	OP("collapse", ANON, 3, 601, true, true, op_collapse),
	OP("nohugepage", SMALL | HUGE, 2, 0, false, false, op_nohugepage),
	OP("soft-offline", SOAK_OF(SOAK_4K), 1, 0, true, true, op_soft_offline),
	OP("punch-hole", SHMEM, 3, 0, true, false, op_punch),
	OP("madv-remove", SHMEM, 2, 0, true, false, op_remove),
	OP("truncate", SHMEM, 3, 0, true, false, op_truncate),
	OP("private-file", SHMEM, 2, 0, true, false, op_private_file),
	OP("fork-cow", SOAK_ANY, 3, 0, true, false, op_fork),
	OP("zero-page", ANON, 3, 0, true, false, op_zero_page),
	OP("forced-write", ANON, 2, 0, true, false, op_forced_write),
	OP("ksm", SOAK_OF(SOAK_4K), 1, 0, true, true, op_ksm),
	OP("move-pages", SOAK_ANY, 3, 0, true, true, op_move_pages),
	OP("mbind", SMALL | HUGE, 3, 0, true, true, op_mbind),
	OP("migrate-pages", SOAK_OF(SOAK_4K), 1, 0, true, true,
	   op_migrate_pages),
	OP("compact", SOAK_OF(SOAK_4K), 1, 0, false, true, op_compact),
	OP("split-huge", HUGE, 3, 601, true, true, op_split),
	OP("numa-hints", SMALL | HUGE, 2, 0, false, true, op_numa),
	OP("clear-accessed", SOAK_OF(SOAK_4K), 10, 0, false, false,
	   op_clear_accessed),
	OP("soft-dirty", SOAK_ANY, 3, 0, true, false, op_soft_dirty),
	OP("uffd-wp", ANON, 3, 0, true, false, op_uffd_wp),
	OP("uffd-wp-shared", SHMEM | SOAK_OF(SOAK_HUGETLB), 3, 601, true, false,
	   op_uffd_wp),
	OP("pagemap-scan", SMALL | HUGE, 3, 612, true, false, op_pagemap_scan),
	OP("uffd-move", ANON, 3, 612, true, true, op_uffd_move),
	OP("child-ends", SOAK_ANY, 2, 601, false, false, op_child),
};

const unsigned int soak_ops_count = ARRAY_SIZE(soak_ops);
