// SPDX-License-Identifier: GPL-2.0
/*
 * Watch: a translation is found stale at the store of the kernel that makes it so,
 * without any DMA.  Each test about a bug does the same steps twice: with the
 * driver as it is, which comes out clean, and in a fault mode.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "operations.h"

#define AT	 (5 * PROBE_4K)
#define LIMIT_MS 3000 /* more than the device takes to be sure */

static bool can_watch(void)
{
	struct dmirage *d = open_context();
	bool can = get_info(d).caps & DMIRAGE_CAP_ORACLE_WATCH;

	dmirage_close(d);
	return can;
}

/* A watched context, in a fault mode if there is a name. */
static struct dmirage *open_watched(const char *mode)
{
	struct dmirage *d;

	if (!can_watch())
		SKIP("stores can be seen under TCG only");
	d = open_mode(DMIRAGE_MODE_MIRROR, DMIRAGE_OPEN_WATCH);
	if (mode)
		ASSERT_PROBE(probe_ctx_write(d, "fault_mode", mode));
	return d;
}

/* The device has a translation of all of it, writable. */
static struct probe_mem held(struct dmirage *d, enum probe_kind kind)
{
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	size_t at;

	for (at = 0; at < mem.len; at += PROBE_4K)
		dev_write(d, mem.addr + at, at);
	EXPECT_EQ(counter(d, "watch_refused"), 0);
	return mem;
}

/* Nothing was found, by no kind of look, and nothing will be. */
static void expect_unseen(struct dmirage *d)
{
	if (counter(d, "watch_suspects"))
		sleep_ms(300); /* longer than suspect-ms */
	EXPECT_EQ(counter(d, "watch_violations"), 0);
	EXPECT_EQ(counter(d, "watch_refused"), 0);
	expect_clean(d);
}

/* The next record, by watch, within @mem.  Nothing was done by the device. */
static struct dmirage_violation expect_seen(struct dmirage *d, const void *addr,
					    size_t len, unsigned int kind,
					    unsigned int why)
{
	u64 ops = get_counters(d).ops;
	struct dmirage_violation v;
	static char report[2048];

	ASSERT_EQ(dmirage_read_violations(d, &v, 1, LIMIT_MS), 1);
	EXPECT_EQ(v.strength, DMIRAGE_BY_WATCH);
	EXPECT_EQ(v.kind, kind);
	EXPECT_EQ(v.why, why);
	EXPECT_GE(v.addr, (uintptr_t)addr);
	EXPECT(v.addr < (uintptr_t)addr + len);
	EXPECT_EQ(v.opcode, 0);
	EXPECT_EQ(v.cookie, 0);
	EXPECT(v.cpu < (u64)sysconf(_SC_NPROCESSORS_ONLN));
	EXPECT(v.function[0]);
	ASSERT(dmirage_format_violation(&v, report, sizeof(report)) <
	       (int)sizeof(report));
	EXPECT(strstr(report, "made so by a store to the page table"));
	EXPECT(strstr(report, v.function));
	EXPECT(strstr(report, "The device holds"));
	EXPECT(!strstr(report, "access") && !strstr(report, "audit"));
	if (getenv("DMIRAGE_REPORTS"))
		fputs(report, stderr);
	ktap_note("%s, processor %u, by %s", dmirage_violation_str(v.kind),
		  v.cpu, v.function);
	EXPECT_EQ(get_counters(d).ops, ops);
	EXPECT_EQ(get_counters(d).violations, 0);
	return v;
}

/* ---- What makes it stale ------------------------------------------------ */

struct stale_change {
	const char *name;
	const char *mode; /* that does not tell the device */
	enum probe_kind kind;
	void (*act)(struct probe_mem *mem);
	unsigned int violation;
	unsigned int why;
	const char *by; /* functions that take the entry, or the right, away */
};

static pid_t child;

static void moved(struct probe_mem *mem)
{
	move_mem(mem, 1);
}

static void gone(struct probe_mem *mem)
{
	ASSERT_SYS(munmap(mem->addr, mem->len));
}

static void dropped(struct probe_mem *mem)
{
	ASSERT_SYS(madvise(mem->addr + AT, PROBE_4K, MADV_DONTNEED));
}

static void another(struct probe_mem *mem)
{
	struct probe_mem other;

	dropped(mem);
	/* It gets the frame that is free now, or that would be there again. */
	other = get_mem(PROBE_KIND_4K, 16 * PROBE_4K);
	cpu_write(mem->addr + AT, 1);
	probe_mem_put(&other);
}

static void read_only(struct probe_mem *mem)
{
	ASSERT_SYS(mprotect(mem->addr, mem->len, PROT_READ));
}

static void shared(struct probe_mem *mem)
{
	(void)mem;
	child = fork();
	ASSERT_SYS(child);
	while (!child)
		pause();
}

/*
 * Since 6.3 migrate_pages() moves many pages at once and flushes the processors'
 * TLBs once for all, by try_to_migrate_one() itself; but page by page for a process
 * that no other processor may know of (should_defer_flush()).
 */
#define MOVER "ptep_clear_flush try_to_migrate_one"

static const struct stale_change changes[] = {
	{ "move-4k", "inval-ignored", PROBE_KIND_4K, moved, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_WATCH_STORE, MOVER },
	{ "move-thp", "inval-ignored", PROBE_KIND_THP, moved, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_WATCH_STORE,
	  "pmdp_invalidate" },
	{ "move-hugetlb", "inval-ignored", PROBE_KIND_HUGETLB, moved,
	  DMIRAGE_VIOL_FRAME, DMIRAGE_WATCH_STORE,
	  "ptep_clear_flush" },
	{ "first-page", "inval-first-page", PROBE_KIND_THP, moved,
	  DMIRAGE_VIOL_FRAME, DMIRAGE_WATCH_STORE,
	  "pmdp_invalidate" },
	{ "no-flush", "no-flush", PROBE_KIND_4K, moved, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_WATCH_STORE, MOVER },
	{ "unmap-4k", "inval-ignored", PROBE_KIND_4K, gone, DMIRAGE_VIOL_ABSENT,
	  DMIRAGE_WATCH_TIME,
	  "unmap_page_range" },
	{ "unmap-thp", "inval-ignored", PROBE_KIND_THP, gone,
	  DMIRAGE_VIOL_ABSENT, DMIRAGE_WATCH_TIME,
	  "zap_huge_pmd" },
	{ "drop-4k", "inval-ignored", PROBE_KIND_4K, dropped,
	  DMIRAGE_VIOL_ABSENT, DMIRAGE_WATCH_TIME,
	  "unmap_page_range" },
	{ "drop-of-thp", "inval-ignored", PROBE_KIND_THP, dropped,
	  DMIRAGE_VIOL_ABSENT, DMIRAGE_WATCH_TIME,
	  "unmap_page_range" },
	{ "replace-4k", "inval-ignored", PROBE_KIND_4K, another,
	  DMIRAGE_VIOL_FRAME, DMIRAGE_WATCH_STORE,
	  "unmap_page_range" },
	{ "protect-4k", "write-kept", PROBE_KIND_4K, read_only,
	  DMIRAGE_VIOL_WRITE, DMIRAGE_WATCH_STORE,
	  "__ptep_modify_prot_start" },
	{ "protect-thp", "write-kept", PROBE_KIND_THP, read_only,
	  DMIRAGE_VIOL_WRITE, DMIRAGE_WATCH_STORE,
	  "pmdp_invalidate pmdp_invalidate_ad" },
	{ "fork-4k", "write-kept", PROBE_KIND_4K, shared, DMIRAGE_VIOL_WRITE,
	  DMIRAGE_WATCH_STORE,
	  "copy_page_range" },
	{ "fork-thp", "write-kept", PROBE_KIND_THP, shared, DMIRAGE_VIOL_WRITE,
	  DMIRAGE_WATCH_STORE,
	  "copy_huge_pmd" },
};

static void child_ends(void)
{
	if (child > 0) {
		kill(child, SIGKILL);
		ASSERT_SYS(waitpid(child, NULL, 0));
	}
	child = 0;
}

/* As in "6.1.". */
static bool kernel_is(const char *series)
{
	struct utsname name;

	ASSERT_SYS(uname(&name));
	return !strncmp(name.release, series, strlen(series));
}

/* In others the compiler may have put these functions into others. */
static bool known_kernel(void)
{
	const char *debug = getenv("DMIRAGE_DEBUG");

	return (!debug || !*debug) && (kernel_is("5.10.") || kernel_is("6.1.") ||
				       kernel_is("6.12."));
}

/* Is a function, "name+0x1/0x2", among these names? */
static bool is_one_of(const char *function, const char *names)
{
	size_t len = strcspn(function, "+"), word;

	for (; *names; names += word + strspn(names + word, " ")) {
		word = strcspn(names, " ");
		if (word == len && !strncmp(names, function, len))
			return true;
	}
	return false;
}

static void made_stale(int n)
{
	struct dmirage_violation v;
	const struct stale_change *c = &changes[n];
	struct dmirage *d = open_watched(NULL);
	struct probe_mem mem = held(d, c->kind);

	c->act(&mem);
	expect_unseen(d);
	child_ends();
	dmirage_close(d);

	d = open_watched(c->mode);
	mem = held(d, c->kind);
	c->act(&mem);
	v = expect_seen(d, mem.addr, mem.len, c->violation, c->why);
	if (known_kernel())
		EXPECT(is_one_of(v.function, c->by));
	EXPECT_GE(counter(d, "watch_stores"), 1);
	child_ends();
}

/* ---- When it is certain --------------------------------------------------- */

/* Told too late: by who took the entry away, so it is over by then. */
static void late_flush(int arg)
{
	struct dmirage *d = open_watched("inval-ignored");
	struct probe_mem mem = held(d, PROBE_KIND_4K);

	(void)arg;
	dropped(&mem);
	EXPECT_GE(counter(d, "watch_suspects"), 1);
	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", "none"));
	dropped(&mem);
	expect_seen(d, mem.addr + AT, PROBE_4K, DMIRAGE_VIOL_ABSENT,
		    DMIRAGE_WATCH_FLUSH);
}

/*
 * Linux 6.1 takes an entry away for MADV_COLD and puts it back, and tells nobody:
 * it does not give up the lock in between.
 */
static void there_again(int arg)
{
	struct dmirage *d = open_watched(NULL);
	struct probe_mem mem = held(d, PROBE_KIND_4K);

	(void)arg;
	ASSERT_SYS(madvise(mem.addr, mem.len, MADV_COLD));
	expect_unseen(d);
	if (kernel_is("6.1."))
		EXPECT_GE(counter(d, "watch_suspects"), 1);
	ktap_note("%llu stores, %llu suspects",
		  (unsigned long long)counter(d, "watch_stores"),
		  (unsigned long long)counter(d, "watch_suspects"));
}

/* The kernel splits its own entry, into 512 of the same frames. */
static void split_in_place(int arg)
{
	struct dmirage *d = open_watched("inval-ignored");
	struct probe_mem mem = held(d, PROBE_KIND_THP);

	(void)arg;
	/* Of a part, and that only takes away what is not held. */
	ASSERT_SYS(mprotect(mem.addr + AT, PROBE_4K, PROT_READ));
	expect_seen(d, mem.addr + AT, PROBE_4K, DMIRAGE_VIOL_WRITE,
		    DMIRAGE_WATCH_STORE);
}

/* The processors' own walks of the page table change nothing that matters. */
static void walks(int arg)
{
	struct dmirage *d = open_watched(NULL);
	struct probe_mem mem = held(d, PROBE_KIND_4K);
	u64 stores = counter(d, "watch_stores");
	size_t at, round;
	cpu_set_t one;

	(void)arg;
	for (round = 0; round < 4; round++) {
		/* Another processor, whose TLB has nothing of it. */
		CPU_ZERO(&one);
		CPU_SET(round % 2, &one);
		ASSERT_SYS(sched_setaffinity(0, sizeof(one), &one));
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
	struct dmirage *d = open_watched(NULL);
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
	static const unsigned int modes[] = { DMIRAGE_MODE_PINNED,
					      DMIRAGE_MODE_SHARED };
	unsigned int i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		struct dmirage_open_opts o = { .mode = modes[i],
					       .flags = DMIRAGE_OPEN_WATCH };
		struct dmirage *d;

		EXPECT_EQ(dmirage_open(NULL, &o, &d), -EOPNOTSUPP);
	}
}

/* Contexts that did not ask are not watched. */
static void not_asked(int arg)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = held(d, PROBE_KIND_4K);

	(void)arg;
	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", "inval-ignored"));
	dropped(&mem);
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
	tests[n++] = (struct ktap_test){ "late-flush", late_flush, 0, 0 };
	tests[n++] = (struct ktap_test){ "there-again", there_again, 0, 0 };
	tests[n++] = (struct ktap_test){ "split-in-place", split_in_place, 0, 0 };
	tests[n++] = (struct ktap_test){ "walks", walks, 0, 0 };
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
