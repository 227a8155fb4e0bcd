// SPDX-License-Identifier: GPL-2.0
/*
 * Watch in shared mode: the kernel changes its entry first, and tells the device
 * then.  So a store opens a window, which the flush closes; if it does not, or if
 * another page is mapped before it comes, the translation is stale.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "operations.h"
#include "watched.h"

/* Longer than a window may be open, with all that is rounded up. */
#define WINDOW_MS 3000

/* ---- What leaves a window open -------------------------------------------- */

struct open_window {
	const char *name;
	const char *mode; /* that leaves it open */
	enum probe_kind kind;
	void (*act)(struct probe_mem *mem);
	unsigned int violation;
	unsigned int why;
	const char *via; /* in the name of one of the store's callers */
};

/* Both have the page, and the process gets a copy. */
static void copied(struct probe_mem *mem)
{
	watched_fork(mem);
	cpu_write(mem->addr + WATCHED_AT, 1);
}

/* So few that the kernel says which, and not that it may have been all. */
static void four_protected(struct probe_mem *mem)
{
	ASSERT_SYS(mprotect(mem->addr + WATCHED_AT, 4 * PROBE_4K, PROT_READ));
}

static const struct open_window windows[] = {
	{ "move-4k", "inval-ignored", PROBE_KIND_4K, watched_move, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_WATCH_STORE, "move_pages" },
	{ "move-thp", "inval-ignored", PROBE_KIND_THP, watched_move, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_WATCH_STORE, "move_pages" },
	{ "move-hugetlb", "inval-ignored", PROBE_KIND_HUGETLB, watched_move, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_WATCH_STORE, "move_pages" },
	{ "replace-4k", "inval-ignored", PROBE_KIND_4K, watched_replace, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_WATCH_STORE, "madvise" },
	{ "drop-4k", "inval-ignored", PROBE_KIND_4K, watched_drop, DMIRAGE_VIOL_ABSENT,
	  DMIRAGE_WATCH_TIME, "madvise" },
	{ "unmap-thp", "inval-ignored", PROBE_KIND_THP, watched_unmap, DMIRAGE_VIOL_ABSENT,
	  DMIRAGE_WATCH_TIME, "munmap" },
	{ "protect-4k", "inval-ignored", PROBE_KIND_4K, watched_protect, DMIRAGE_VIOL_WRITE,
	  DMIRAGE_WATCH_TIME, "mprotect" },
	{ "fork-thp", "inval-ignored", PROBE_KIND_THP, watched_fork, DMIRAGE_VIOL_WRITE,
	  DMIRAGE_WATCH_TIME, "clone" },
	{ "copy-4k", "inval-ignored", PROBE_KIND_4K, copied, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_WATCH_STORE, "clone" },
	/* The device is told of the first one. */
	{ "address-only", "sync-address-only", PROBE_KIND_4K, four_protected,
	  DMIRAGE_VIOL_WRITE, DMIRAGE_WATCH_TIME, "mprotect" },
};

static void left_open(int n)
{
	const struct open_window *o = &windows[n];
	struct dmirage_violation v;
	struct dmirage *d;
	struct probe_mem mem;

	/* Who opens a window also makes another page present, or not at all. */
	stay_on(0);
	d = open_watched(DMIRAGE_MODE_SHARED, o->mode);
	mem = watched_mem(d, o->kind);
	o->act(&mem);
	v = expect_seen(d, mem.addr, mem.len, o->violation, o->why);
	EXPECT_EQ(v.mode, DMIRAGE_MODE_SHARED);
	if (!strcmp(o->mode, "sync-address-only"))
		EXPECT_GE(v.addr, (uintptr_t)mem.addr + WATCHED_AT + PROBE_4K);
	EXPECT(strstr(v.chain, o->via));
	if (o->why == DMIRAGE_WATCH_TIME)
		EXPECT_GE(v.store_age_ns, 1900000000ull);
	watched_child_ends();
}

/* ---- What the kernel does not close (docs/found-bugs.md) -------------------- */

/*
 * Since 6.6 the device is told where the processors' TLBs are flushed, and for a
 * hugetlb page that is a flush of its first 4 KiB.  A device that keeps large
 * entries whole drops all of it then; one that keeps them in parts does not.
 */
static bool hugetlb_is_left(struct dmirage *d)
{
	return (get_info(d).caps & DMIRAGE_CAP_FRACTURE) &&
	       kernel_version() >= 606;
}

static void hugetlb_flush(int arg)
{
	struct dmirage *d = open_watched(DMIRAGE_MODE_SHARED, NULL);
	struct probe_mem mem = watched_mem(d, PROBE_KIND_HUGETLB);
	struct dmirage_violation v;

	(void)arg;
	stay_on(0);
	watched_move(&mem);
	if (!hugetlb_is_left(d)) {
		sleep_ms(WINDOW_MS);
		expect_unseen(d);
		return;
	}
	v = expect_seen(d, mem.addr + PROBE_4K, mem.len - PROBE_4K,
			DMIRAGE_VIOL_FRAME, DMIRAGE_WATCH_STORE);
	EXPECT(strstr(v.chain, "try_to_migrate"));
	EXPECT_EQ(v.held_order, 12);
	EXPECT_EQ(v.inv_start, (uintptr_t)mem.addr);
	EXPECT_EQ(v.inv_len, PROBE_4K);
	EXPECT_EQ(counter(d, "watch_violations"), 511);
}

/* ---- What closes it --------------------------------------------------------- */

/*
 * All that a process can do, one after the other, with contexts that stay; then
 * all windows have had their time.
 */
static void all_closed(int arg)
{
	static struct dmirage *d[64];
	static struct operated o[64];
	unsigned int i;
	size_t at;

	(void)arg;
	for (i = 0; i < operations_count; i++) {
		const struct operation *op = &operations[i];

		if (!strncmp(op->name, "collapse", 8) && kernel_version() == 510)
			continue;
		d[i] = open_watched(DMIRAGE_MODE_SHARED, NULL);
		o[i].mem = get_mem(op->kind, PROBE_2M);
		o[i].now = o[i].mem.addr;
		if (op->prepare)
			op->prepare(&o[i]);
		for (at = 0; at < o[i].mem.len; at += PROBE_4K)
			dev_read(d[i], o[i].mem.addr + at);
		op->act(&o[i]);
		EXPECT_GE(counter(d[i], "watch_stores"), 1);
	}
	sleep_ms(WINDOW_MS);
	for (i = 0; i < operations_count; i++) {
		if (!d[i])
			continue;
		if (counter(d[i], "watch_violations"))
			ktap_note("%s:", operations[i].name);
		if (strcmp(operations[i].name, "migrate-hugetlb") ||
		    !hugetlb_is_left(d[i]))
			expect_unseen(d[i]);
		if (o[i].child > 0) {
			kill(o[i].child, SIGKILL);
			ASSERT_SYS(waitpid(o[i].child, NULL, 0));
		}
	}
}

/* Windows that are open are none of a violation: not by a look, not by an access. */
static void one_closed(int arg)
{
	struct dmirage *d = open_watched(DMIRAGE_MODE_SHARED, NULL);
	struct probe_mem mem = watched_mem(d, PROBE_KIND_4K);

	(void)arg;
	watched_drop(&mem);
	EXPECT_GE(counter(d, "watch_suspects"), 1);
	EXPECT_GE(get_counters(d).flushes, 1);
	cpu_write(mem.addr + WATCHED_AT, 7);
	EXPECT_EQ(dev_read(d, mem.addr + WATCHED_AT), 7);
	sleep_ms(WINDOW_MS);
	expect_unseen(d);
}

int main(int argc, char **argv)
{
	static struct ktap_test tests[16];
	unsigned int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(windows); i++)
		tests[n++] = (struct ktap_test){ windows[i].name, left_open,
						 (int)i, 0 };
	tests[n++] = (struct ktap_test){ "hugetlb-flush", hugetlb_flush, 0, 0 };
	tests[n++] = (struct ktap_test){ "closed", one_closed, 0, 0 };
	tests[n++] = (struct ktap_test){ "closed-all", all_closed, 0, 30 };
	return ktap_main(argc, argv, tests, n, reserve_huge_pages);
}
