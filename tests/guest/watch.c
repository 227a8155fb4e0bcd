// SPDX-License-Identifier: GPL-2.0
/*
 * Watch: a translation is found stale at the store of the kernel that makes it so,
 * without any DMA.  Each test about a bug does the same steps twice: with the
 * driver as it is, which comes out clean, and in a fault mode.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "operations.h"
#include "watched.h"

/* ---- What makes it stale ------------------------------------------------ */

struct stale_change {
	const char *name;
	const char *mode; /* that does not tell the device */
	enum probe_kind kind;
	void (*act)(struct probe_mem *mem);
	unsigned int violation;
	unsigned int why;
	const char *by; /* functions that take the entry, or the right, away */
	const char *via; /* in the name of one that these were called by */
};

/*
 * Since 6.3 migrate_pages() moves many pages at once and flushes the processors'
 * TLBs once for all, by try_to_migrate_one() itself; but page by page for a process
 * that no other processor may know of (should_defer_flush()).
 */
#define MOVER "ptep_clear_flush try_to_migrate_one"

static const struct stale_change changes[] = {
	{ "move-4k", "inval-ignored", PROBE_KIND_4K, watched_move, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_WATCH_STORE, MOVER, "move_pages" },
	{ "move-thp", "inval-ignored", PROBE_KIND_THP, watched_move, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_WATCH_STORE,
	  "pmdp_invalidate", "move_pages" },
	{ "move-hugetlb", "inval-ignored", PROBE_KIND_HUGETLB, watched_move,
	  DMIRAGE_VIOL_FRAME, DMIRAGE_WATCH_STORE,
	  "ptep_clear_flush", "move_pages" },
	{ "first-page", "inval-first-page", PROBE_KIND_THP, watched_move,
	  DMIRAGE_VIOL_FRAME, DMIRAGE_WATCH_STORE,
	  "pmdp_invalidate", "move_pages" },
	{ "no-flush", "no-flush", PROBE_KIND_4K, watched_move, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_WATCH_STORE, MOVER, "move_pages" },
	{ "unmap-4k", "inval-ignored", PROBE_KIND_4K, watched_unmap, DMIRAGE_VIOL_ABSENT,
	  DMIRAGE_WATCH_TIME,
	  "unmap_page_range", "munmap" },
	{ "unmap-thp", "inval-ignored", PROBE_KIND_THP, watched_unmap,
	  DMIRAGE_VIOL_ABSENT, DMIRAGE_WATCH_TIME,
	  "zap_huge_pmd", "munmap" },
	{ "drop-4k", "inval-ignored", PROBE_KIND_4K, watched_drop,
	  DMIRAGE_VIOL_ABSENT, DMIRAGE_WATCH_TIME,
	  "unmap_page_range", "madvise" },
	{ "drop-of-thp", "inval-ignored", PROBE_KIND_THP, watched_drop,
	  DMIRAGE_VIOL_ABSENT, DMIRAGE_WATCH_TIME,
	  "unmap_page_range", "madvise" },
	{ "replace-4k", "inval-ignored", PROBE_KIND_4K, watched_replace,
	  DMIRAGE_VIOL_FRAME, DMIRAGE_WATCH_STORE,
	  "unmap_page_range", "madvise" },
	{ "protect-4k", "write-kept", PROBE_KIND_4K, watched_protect,
	  DMIRAGE_VIOL_WRITE, DMIRAGE_WATCH_STORE,
	  "__ptep_modify_prot_start", "mprotect" },
	{ "protect-thp", "write-kept", PROBE_KIND_THP, watched_protect,
	  DMIRAGE_VIOL_WRITE, DMIRAGE_WATCH_STORE,
	  "pmdp_invalidate pmdp_invalidate_ad", "mprotect" },
	{ "fork-4k", "write-kept", PROBE_KIND_4K, watched_fork, DMIRAGE_VIOL_WRITE,
	  DMIRAGE_WATCH_STORE,
	  "copy_page_range", "clone" },
	{ "fork-thp", "write-kept", PROBE_KIND_THP, watched_fork, DMIRAGE_VIOL_WRITE,
	  DMIRAGE_WATCH_STORE,
	  "copy_huge_pmd", "clone" },
};

static void made_stale(int n)
{
	struct dmirage_violation v;
	const struct stale_change *c = &changes[n];
	struct dmirage *d = open_watched(DMIRAGE_MODE_MIRROR, NULL);
	struct probe_mem mem = watched_mem(d, c->kind);

	c->act(&mem);
	expect_unseen(d);
	watched_child_ends();
	dmirage_close(d);

	d = open_watched(DMIRAGE_MODE_MIRROR, c->mode);
	mem = watched_mem(d, c->kind);
	c->act(&mem);
	v = expect_seen(d, mem.addr, mem.len, c->violation, c->why);
	if (known_kernel())
		EXPECT(is_one_of(v.function, c->by));
	EXPECT(strstr(v.chain, c->via));
	EXPECT_GE(v.level, 1);
	EXPECT(v.level <= (c->kind == PROBE_KIND_4K ? 1 : 2));
	EXPECT_GE(counter(d, "watch_stores"), 1);
	watched_child_ends();
}

/* ---- Call chains --------------------------------------------------------- */

/* By all processors, from /proc/interrupts. */
static u64 nmis_so_far(void)
{
	FILE *f = fopen("/proc/interrupts", "re");
	char line[512], *at;
	u64 sum = 0, n;
	int len;

	ASSERT(f);
	while (fgets(line, sizeof(line), f)) {
		at = strstr(line, "NMI:");
		for (at = at ? at + 4 : NULL;
		     at && sscanf(at, "%llu%n", (unsigned long long *)&n, &len) == 1;
		     at += len)
			sum += n;
	}
	fclose(f);
	return sum;
}

/* How many stores have a chain, by the driver's own list. */
static unsigned int stores_with_chain(struct dmirage *d)
{
	int fd = probe_dev_open(d, "chains");
	unsigned int n, sum = 0;
	char line[256];
	FILE *f;

	ASSERT_SYS(fd);
	f = fdopen(fd, "r");
	ASSERT(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "chain %*u stores %u", &n) == 1)
			sum += n;
	}
	fclose(f);
	return sum;
}

/* Processors are not asked, and the record says so. */
static void chains_off(int arg)
{
	struct dmirage *d = open_watched(DMIRAGE_MODE_MIRROR, "inval-ignored");
	struct probe_mem mem = watched_mem(d, PROBE_KIND_4K);
	char report[DMIRAGE_REPORT_MAX];
	struct dmirage_violation v;
	unsigned int before;

	(void)arg;
	before = stores_with_chain(d);
	ASSERT_PROBE(probe_dev_write(d, "chains", "off"));
	watched_drop(&mem);
	ASSERT_EQ(dmirage_read_violations(d, &v, 1, WATCHED_LIMIT_MS), 1);
	ASSERT_PROBE(probe_dev_write(d, "chains", "on"));
	EXPECT_EQ(probe_dev_write(d, "chains", "maybe"), -EINVAL);
	EXPECT_EQ(v.chain_id, DMIRAGE_CHAIN_NOT_ASKED);
	EXPECT_EQ(v.chain[0], 0);
	EXPECT(v.function[0]);
	dmirage_format_violation(&v, report, sizeof(report));
	EXPECT(strstr(report, "No call chain: the kernel was not asked for it"));
	EXPECT_EQ(stores_with_chain(d), before);

	watched_protect(&mem);
	v = expect_seen(d, mem.addr, mem.len, DMIRAGE_VIOL_WRITE,
			DMIRAGE_WATCH_STORE);
	EXPECT(strstr(v.chain, "mprotect"));
	EXPECT_GE(stores_with_chain(d), before + 1);
}

/* Non-maskable interrupts of the kernel's own, to the other processors. */
static void chains_foreign(int arg)
{
	struct dmirage *d = open_watched(DMIRAGE_MODE_MIRROR, "inval-ignored");
	struct probe_mem mem = watched_mem(d, PROBE_KIND_4K);
	unsigned int before = stores_with_chain(d);
	u64 nmis = nmis_so_far();

	(void)arg;
	tell_runner("backtraces: begin");
	ASSERT_EQ(put_text("/proc/sysrq-trigger", "l"), 0);
	tell_runner("backtraces: end");
	if (nmis_so_far() == nmis)
		SKIP("no NMI came of a backtrace of all processors");
	EXPECT_EQ(stores_with_chain(d), before);
	watched_drop(&mem);
	expect_seen(d, mem.addr + WATCHED_AT, PROBE_4K, DMIRAGE_VIOL_ABSENT,
		    DMIRAGE_WATCH_TIME);
	EXPECT_EQ(stores_with_chain(d), before + 1);
}

/**
 * struct changing - a thread that changes its own page again and again
 * @d: context of its own
 */
struct changing {
	struct dmirage *d;
	struct probe_mem mem;
	void (*act)(struct probe_mem *mem);
	unsigned int cpu;
	pthread_t thread;
};

#define TIMES 40

static void *changing_main(void *arg)
{
	struct changing *c = arg;
	size_t i;

	stay_on(c->cpu);
	for (i = 0; i < TIMES; i++) {
		struct probe_mem one = { .addr = c->mem.addr + i * PROBE_4K,
					 .len = PROBE_4K };

		c->act(&one);
	}
	return NULL;
}

static void page_dropped(struct probe_mem *mem)
{
	ASSERT_SYS(madvise(mem->addr, mem->len, MADV_DONTNEED));
}

/* Two processors at once: each store has the chain that led to it. */
static void chains_apart(int arg)
{
	static struct changing c[2] = { { .act = page_dropped, .cpu = 0 },
					{ .act = watched_protect, .cpu = 1 } };
	static const char *const via[] = { "madvise", "mprotect" };
	static struct dmirage_violation v[TIMES];
	unsigned int i, n;

	(void)arg;
	for (i = 0; i < 2; i++) {
		c[i].d = open_watched(DMIRAGE_MODE_MIRROR, "inval-ignored");
		c[i].mem = watched_mem(c[i].d, PROBE_KIND_4K);
	}
	for (i = 0; i < 2; i++)
		ASSERT(!pthread_create(&c[i].thread, NULL, changing_main, &c[i]));
	for (i = 0; i < 2; i++)
		pthread_join(c[i].thread, NULL);
	for (i = 0; i < 2; i++) {
		for (n = 0; n < TIMES; n++) {
			ASSERT_EQ(dmirage_read_violations(c[i].d, &v[n], 1,
							  WATCHED_LIMIT_MS),
				  1);
			EXPECT_EQ(v[n].cpu, c[i].cpu);
			EXPECT(strstr(v[n].chain, via[i]));
			EXPECT(!strstr(v[n].chain, via[!i]));
		}
	}
}

/* ---- When it is certain --------------------------------------------------- */

/* Told too late: by who took the entry away, so it is over by then. */
static void late_flush(int arg)
{
	struct dmirage *d = open_watched(DMIRAGE_MODE_MIRROR, "inval-ignored");
	struct probe_mem mem = watched_mem(d, PROBE_KIND_4K);

	(void)arg;
	watched_drop(&mem);
	EXPECT_GE(counter(d, "watch_suspects"), 1);
	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", "none"));
	watched_drop(&mem);
	expect_seen(d, mem.addr + WATCHED_AT, PROBE_4K, DMIRAGE_VIOL_ABSENT,
		    DMIRAGE_WATCH_FLUSH);
}

/*
 * Linux 6.1 takes an entry away for MADV_COLD and puts it back, and tells nobody:
 * it does not give up the lock in between.
 */
static void there_again(int arg)
{
	struct dmirage *d = open_watched(DMIRAGE_MODE_MIRROR, NULL);
	struct probe_mem mem = watched_mem(d, PROBE_KIND_4K);

	(void)arg;
	ASSERT_SYS(madvise(mem.addr, mem.len, MADV_COLD));
	expect_unseen(d);
	if (kernel_version() == 601)
		EXPECT_GE(counter(d, "watch_suspects"), 1);
	ktap_note("%llu stores, %llu suspects",
		  (unsigned long long)counter(d, "watch_stores"),
		  (unsigned long long)counter(d, "watch_suspects"));
}

/*
 * The same frame, but it was free in between, and another's if one had been faster.
 * It is the first one that a processor gives out again.
 */
static void there_again_later(int arg)
{
	struct dmirage *d = open_watched(DMIRAGE_MODE_MIRROR, "inval-ignored");
	struct probe_mem mem = watched_mem(d, PROBE_KIND_4K);
	unsigned int tries, same = 0;
	struct dmirage_violation v;
	u64 frame;
	u8 *p;

	stay_on((unsigned int)arg);
	for (tries = 0; tries < 100 && !same; tries++) {
		p = mem.addr + tries * PROBE_4K;
		frame = frame_of(p);
		ASSERT_SYS(madvise(p, PROBE_4K, MADV_DONTNEED));
		cpu_write(p, tries);
		v = expect_seen(d, p, PROBE_4K,
				frame_of(p) == frame ? DMIRAGE_VIOL_ABSENT :
						       DMIRAGE_VIOL_FRAME,
				frame_of(p) == frame ? DMIRAGE_WATCH_BACK :
						       DMIRAGE_WATCH_STORE);
		EXPECT(strstr(v.chain, "madvise"));
		same += frame_of(p) == frame;
	}
	if (!same)
		SKIP("no page came back in %u times", tries);
	EXPECT_EQ(v.held_frame, frame);
	EXPECT_EQ(v.cpu_present, 0);
}

/* Suspicion of one page is not over when another of the translation is written to. */
static void one_of_two(int arg)
{
	struct dmirage *d = open_watched(DMIRAGE_MODE_MIRROR, "inval-ignored");
	struct probe_mem mem = watched_mem(d, PROBE_KIND_THP);
	u64 stores;

	(void)arg;
	watched_drop(&mem);
	/* Entries of the same table keep their frames, and lose a bit. */
	stores = counter(d, "watch_stores");
	clear_accessed();
	EXPECT_GE(counter(d, "watch_stores"), stores + 1);
	expect_seen(d, mem.addr + WATCHED_AT, PROBE_4K, DMIRAGE_VIOL_ABSENT,
		    DMIRAGE_WATCH_TIME);
}

/* The kernel splits its own entry, into 512 of the same frames. */
static void split_in_place(int arg)
{
	struct dmirage *d = open_watched(DMIRAGE_MODE_MIRROR, "inval-ignored");
	struct probe_mem mem = watched_mem(d, PROBE_KIND_THP);

	(void)arg;
	/* Of a part, and that only takes away what is not held. */
	ASSERT_SYS(mprotect(mem.addr + WATCHED_AT, PROBE_4K, PROT_READ));
	expect_seen(d, mem.addr + WATCHED_AT, PROBE_4K, DMIRAGE_VIOL_WRITE,
		    DMIRAGE_WATCH_STORE);
}

/* The processors' own walks of the page table change nothing that matters. */
static void walks(int arg)
{
	struct dmirage *d = open_watched(DMIRAGE_MODE_MIRROR, NULL);
	struct probe_mem mem = watched_mem(d, PROBE_KIND_4K);
	u64 stores = counter(d, "watch_stores");
	size_t at, round;

	(void)arg;
	for (round = 0; round < 4; round++) {
		/* Another processor, whose TLB has nothing of it. */
		stay_on(round % 2);
		for (at = 0; at < mem.len; at += PROBE_4K)
			cpu_read(mem.addr + at);
	}
	/* Not one for each of 2,048 walks; the kernel may have a few. */
	EXPECT(counter(d, "watch_stores") - stores < mem.len / PROBE_4K);
	expect_unseen(d);
}

/* Of all that a process can do, with a driver that is right. */
static void operation(int n)
{
	const struct operation *op = &operations[n];
	struct dmirage *d = open_watched(DMIRAGE_MODE_MIRROR, NULL);
	struct operated o = { .mem = get_mem(op->kind, PROBE_2M) };
	size_t at;

	o.now = o.mem.addr;
	if (op->prepare)
		op->prepare(&o);
	for (at = 0; at < o.mem.len; at += PROBE_4K)
		dev_read(d, o.mem.addr + at);
	op->act(&o);
	for (at = 0; at < o.mem.len; at += PROBE_4K)
		if (at - o.hole_at >= o.hole)
			dev_read(d, o.now + at);
	expect_unseen(d);
	if (o.child > 0) {
		kill(o.child, SIGKILL);
		ASSERT_SYS(waitpid(o.child, NULL, 0));
	}
}

/* ---- Who may -------------------------------------------------------------- */

static void refused(int arg)
{
	struct dmirage_open_opts o = { .mode = DMIRAGE_MODE_PINNED,
				       .flags = DMIRAGE_OPEN_WATCH };
	struct dmirage *d;

	(void)arg;
	EXPECT_EQ(dmirage_open(NULL, &o, &d), -EOPNOTSUPP);
}

/* Contexts that did not ask are not watched. */
static void not_asked(int arg)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = watched_mem(d, PROBE_KIND_4K);

	(void)arg;
	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", "inval-ignored"));
	watched_drop(&mem);
	sleep_ms(300);
	EXPECT_EQ(counter(d, "watch_stores"), 0);
	expect_unseen(d);
}

int main(int argc, char **argv)
{
	static struct ktap_test tests[64];
	static char names[64][40];
	unsigned int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(changes); i++)
		tests[n++] = (struct ktap_test){ changes[i].name, made_stale,
						 (int)i, 0 };
	tests[n++] = (struct ktap_test){ "chains-off", chains_off, 0, 0 };
	tests[n++] = (struct ktap_test){ "chains-foreign", chains_foreign, 0, 0 };
	tests[n++] = (struct ktap_test){ "chains-apart", chains_apart, 0, 0 };
	tests[n++] = (struct ktap_test){ "late-flush", late_flush, 0, 0 };
	tests[n++] = (struct ktap_test){ "there-again", there_again, 0, 0 };
	tests[n++] = (struct ktap_test){ "there-again-later", there_again_later, 1,
					 0 };
	tests[n++] = (struct ktap_test){ "one-of-two", one_of_two, 0, 0 };
	tests[n++] = (struct ktap_test){ "walks", walks, 0, 0 };
	tests[n++] = (struct ktap_test){ "split-in-place", split_in_place, 0, 0 };
	for (i = 0; i < operations_count; i++) {
		snprintf(names[i], sizeof(names[i]), "clean-%s",
			 operations[i].name);
		tests[n++] = (struct ktap_test){ names[i], operation, (int)i,
						 0 };
	}
	tests[n++] = (struct ktap_test){ "refused", refused, 0, 0 };
	tests[n++] = (struct ktap_test){ "not-asked", not_asked, 0, 0 };
	return ktap_main(argc, argv, tests, n, reserve_huge_pages);
}
