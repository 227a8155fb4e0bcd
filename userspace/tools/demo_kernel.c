// SPDX-License-Identifier: GPL-2.0
/*
 * The demo's second part: bugs that Linux has had are put back into the running kernel, for
 * this process alone, and caught at the store that makes a translation stale.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "demo.h"
#include "probe.h"
#include "tool.h"

#define OP_TIMEOUT_MS	  5000
#define RECORD_TIMEOUT_MS 4000
#define QUIET_MS	  400 /* longer than the device takes to be sure */

#define GIB	 (1ul << 30)
#define MOVE_ALL 4 /* MPOL_MF_MOVE_ALL */

/**
 * struct ground - the memory that a bug is about
 * @mem:    of one process; or
 * @map:    of two, with page tables in common, and
 * @other:  the other one
 * @addr:   first byte
 * @len:    bytes that the device reads
 */
struct ground {
	struct probe_mem mem;
	uint8_t *map;
	pid_t other;
	uint8_t *addr;
	size_t len;
};

static int no(const char *what)
{
	demo_say("%sunexpected:%s %s", demo_color.red, demo_color.plain, what);
	return -1;
}

/* ---- Memory ---------------------------------------------------------------------- */

/* A page of one node, of which the kernel's page table has each 4 KiB by itself. */
static int make_split_thp(struct ground *g)
{
	uint8_t *one;

	if (probe_thp_enable() || probe_mem_get(&g->mem, PROBE_KIND_THP, PROBE_2M, 0))
		return no(probe_why());
	g->addr = g->mem.addr;
	g->len = PROBE_2M;
	one = g->addr + 5 * PROBE_4K;
	if (mprotect(one, PROBE_4K, PROT_READ) ||
	    mprotect(one, PROBE_4K, PROT_READ | PROT_WRITE))
		return no(strerror(errno));
	return 0;
}

static int make_page(struct ground *g)
{
	if (probe_mem_get(&g->mem, PROBE_KIND_4K, PROBE_4K, 0))
		return no(probe_why());
	g->addr = g->mem.addr;
	g->len = PROBE_4K;
	return 0;
}

/* The other process comes first, so that there are tables to be shared. */
static pid_t share(const uint8_t *map, size_t len)
{
	pid_t pid;
	int ready[2];
	char c = 0;

	if (pipe2(ready, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (; len; len -= PROBE_2M, map += PROBE_2M)
			*(volatile uint8_t *)map = 1;
		if (write(ready[1], &c, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (pid > 0 && read(ready[0], &c, 1) != 1) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	close(ready[0]);
	return pid;
}

/* Three huge pages of a GiB that two processes map by one table. */
static int make_shared(struct ground *g)
{
	uint8_t *room;
	int fd;

	if (probe_hugetlb_reserve(0, 4) || probe_hugetlb_reserve(1, 4))
		return no(probe_why());
	fd = memfd_create("dmirage-demo", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
	if (fd < 0 || ftruncate(fd, (off_t)GIB))
		return no(strerror(errno));
	room = mmap(NULL, 3 * GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return no(strerror(errno));
	room = (uint8_t *)(((uintptr_t)room + GIB - 1) & ~(GIB - 1));
	if (mmap(room, GIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd,
		 0) == MAP_FAILED)
		return no(strerror(errno));
	close(fd);
	g->map = room;
	g->addr = room;
	g->len = 3 * PROBE_2M;
	g->other = share(room, g->len);
	return g->other < 0 ? no("the other process does not begin") : 0;
}

static void put(struct ground *g)
{
	if (g->other > 0) {
		kill(g->other, SIGKILL);
		waitpid(g->other, NULL, 0);
	}
	if (g->map)
		munmap(g->map, GIB);
	probe_mem_put(&g->mem);
}

/* The page that the first byte is in goes to the other node. */
static int move_first(struct ground *g)
{
	void *page = g->addr;
	struct probe_page was;
	int node, status = -1;

	if (probe_page(page, &was))
		return no(probe_why());
	node = !was.node;
	if (syscall(SYS_move_pages, 0, 1ul, &page, &node, &status, MOVE_ALL) || status != node)
		return no("the page does not move");
	return 0;
}

/* ---- The bugs ------------------------------------------------------------------------ */

static const struct bug {
	const char *mutant;
	const char *commit;
	const char *title;
	const char *memory;
	const char *what;
	const char *function;
	int (*make)(struct ground *g);
} bugs[] = {
	{
		.mutant = "first-page",
		.commit = "369ea8242c0f",
		.title = "kernel that notifies a huge page's first 4 KiB only (until 2017)",
		.memory = "2 MiB THP in 512 entries",
		.what = "a 2 MiB THP, mapped by 512 entries of 4 KiB",
		.function = "try_to_migrate_one",
		.make = make_split_thp,
	},
	{
		.mutant = "shared-pmd-migrate",
		.commit = "017b1660df89",
		.title = "kernel that notifies 2 MiB when it takes a page table of 1 GiB away (until 2018)",
		.memory = "hugetlb of two processes",
		.what = "three hugetlb pages that two processes map by one page table",
		.function = "try_to_migrate_one",
		.make = make_shared,
	},
	{
		.mutant = "unmap-late",
		.commit = "785373b4c387",
		.title = "kernel that notifies after it has given up the lock (2017)",
		.memory = "4 KiB page",
		.what = "a 4 KiB page",
		.function = "try_to_migrate_one",
		.make = make_page,
	},
};

#define BUGS (sizeof(bugs) / sizeof(bugs[0]))

/* What became of them. */
static struct outcome {
	bool run;
	__u64 stale;
	char function[DMIRAGE_NAME_LEN];
	const char *verdict;
	bool expected;
} outcomes[BUGS];

const char *demo_kernel_title(unsigned int i)
{
	return bugs[i].title;
}

unsigned int demo_kernel_count(const char *path)
{
	struct dmirage_info info;
	struct dmirage *d;
	bool can;

	if (tool_look(path, &d))
		return 0;
	can = !dmirage_get_info(d, &info) && (info.caps & DMIRAGE_CAP_ORACLE_WATCH);
	dmirage_close(d);
	if (!can) {
		printf("Bugs of the kernel are not put back: stores are seen under TCG only.\n\n");
		return 0;
	}
	if (probe_mutants_load()) {
		printf("Bugs of the kernel are not put back: %s.\n\n", probe_why());
		return 0;
	}
	return BUGS;
}

void demo_kernel_end(void)
{
	probe_mutants_unload();
}

/* ---- Catching one ---------------------------------------------------------------------- */

static struct dmirage *watch(const char *path)
{
	const struct dmirage_open_opts opts = { .flags = DMIRAGE_OPEN_WATCH };
	struct dmirage *d;
	int err = dmirage_open(path, &opts, &d);

	if (!err)
		return d;
	no(strerror(-err));
	return NULL;
}

/* The device gets a translation of all of it, and does nothing more. */
static int warm_up(struct dmirage *d, const struct ground *g)
{
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;

	dmirage_prep_touch_read(&sqe, 1, g->addr, g->len);
	if (dmirage_run(d, &sqe, &cqe, OP_TIMEOUT_MS) || cqe.status != DMIRAGE_ST_OK)
		return no("the device cannot read the page");
	return 0;
}

/* Without the bug, the same is done, and nothing is stale. */
static int run_clean(const struct bug *b, const char *path)
{
	struct dmirage *d = watch(path);
	struct ground g = { 0 };
	struct dmirage_violation v;
	int ret = -1;

	if (d && !b->make(&g) && !warm_up(d, &g) && !move_first(&g))
		ret = dmirage_read_violations(d, &v, 1, QUIET_MS) ? no("a false alarm") : 0;
	dmirage_close(d);
	put(&g);
	if (!ret)
		demo_say("moved to the other node by the kernel as it is: nothing stale");
	return ret;
}

static bool names(const char *chain, const char *function)
{
	size_t len = strlen(function);

	for (; *chain; chain += strcspn(chain, "\n"), chain += *chain == '\n') {
		if (!strncmp(chain, function, len) && chain[len] == '+')
			return true;
	}
	return false;
}

/* There may be more than there is room for records of. */
static __u64 stale(const struct dmirage *d)
{
	static const char key[] = "watch_violations ";
	char text[2048], *at;

	if (probe_ctx_read(d, "counters", text, sizeof(text)) < 0)
		return 0;
	at = strstr(text, key);
	return at ? strtoull(at + sizeof(key) - 1, NULL, 10) : 0;
}

static int caught(struct dmirage *d, const struct bug *b, struct outcome *o)
{
	struct dmirage_violation v;

	if (dmirage_read_violations(d, &v, 1, RECORD_TIMEOUT_MS) != 1)
		return no("nothing is reported");
	usleep(QUIET_MS * 1000);
	o->stale = stale(d);
	demo_say("%smoved once more, with the bug: %llu translation%s stale, without any DMA%s; the first:\n",
		 demo_color.red, o->stale, o->stale == 1 ? "" : "s", demo_color.plain);
	demo_report(&v);
	snprintf(o->function, sizeof(o->function), "%s", b->function);
	if (v.strength != DMIRAGE_BY_WATCH || !names(v.chain, b->function))
		return no("the report does not name the function");
	return 0;
}

static int run_bug(const struct bug *b, const char *path, struct outcome *o)
{
	struct dmirage *d = watch(path);
	struct ground g = { 0 };
	int ret = -1;

	if (d && !b->make(&g) && !warm_up(d, &g)) {
		ret = probe_mutant_arm(getpid(), b->mutant) ? no(probe_why()) : move_first(&g);
		if (!ret && probe_mutant_hits() < 1)
			ret = no("the bug was not in the way");
		if (probe_mutant_disarm())
			ret = no(probe_why());
		if (!ret)
			ret = caught(d, b, o);
	}
	/* The context first: it has translations of what is freed. */
	dmirage_close(d);
	put(&g);
	return ret;
}

bool demo_kernel_run(unsigned int i, const char *path)
{
	struct outcome *o = &outcomes[i];

	o->run = true;
	demo_say("%s; the device has read all of it", bugs[i].what);
	o->expected = !run_clean(&bugs[i], path) && !run_bug(&bugs[i], path, o);
	o->verdict = o->expected ? "caught, as expected" : "UNEXPECTED";
	demo_say("%s%s%s", o->expected ? demo_color.green : demo_color.red, o->verdict,
		 demo_color.plain);
	putchar('\n');
	fflush(stdout);
	return o->expected;
}

void demo_kernel_table(void)
{
	unsigned int i;

	if (!outcomes[0].run)
		return;
	printf("%s%-26s %-13s %5s  %-20s %s%s\n", demo_color.bold, "kernel's bug, on", "commit",
	       "stale", "named", "verdict", demo_color.plain);
	for (i = 0; i < BUGS; i++)
		printf("%-26s %-13s %5llu  %-20s %s%s%s\n", bugs[i].memory, bugs[i].commit,
		       outcomes[i].stale, outcomes[i].function,
		       outcomes[i].expected ? demo_color.green : demo_color.red,
		       outcomes[i].verdict ?: "not run", demo_color.plain);
	putchar('\n');
}
