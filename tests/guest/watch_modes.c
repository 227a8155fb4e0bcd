// SPDX-License-Identifier: GPL-2.0
/*
 * Each fault mode of the driver that leaves something stale, under a watch: the
 * device warms up, the process changes, and nothing is asked of the device any
 * more.  Each without the mode, which comes out clean, and with it.
 *
 * Concepts
 *
 *   What becomes stale by a change is reported by the *watch*, at the store that
 *   makes the change.  What was wrong when it was made, by a change that came
 *   before or by none, is reported by the *access* that wanted it: it was under
 *   way when the change came, and so was what a fault mode of the flush left to
 *   an access.  What leaves nothing stale is *exempt*, with the reason.
 *
 *   each-mode looks whether the driver has a mode of which nobody has decided.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fault_mode.h"
#include "scene.h"
#include "watched.h"

#define RECORDS 64 /* that are kept for certain */

/**
 * struct watched - what is to be reported
 * @scene: what was changed; @scene.p is the first page that is stale, or was
 * @pages: 4 KiB pages that are, from there on
 */
struct watched {
	struct scene scene;
	unsigned int pages;
};

/**
 * struct watched_mode - a fault mode, and how it is seen
 * @name:     of the test, if there are several of the mode; else NULL
 * @mode:     as in debugfs
 * @act:      puts the mode in, if there is one, warms up and makes the change
 * @kind:     of violation: enum dmirage_violation_kind
 * @strength: DMIRAGE_BY_WATCH, or BY_ACCESS of the access that was under way
 * @flags:    of the context, besides DMIRAGE_OPEN_WATCH
 */
struct watched_mode {
	const char *name;
	const char *mode;
	void (*act)(struct dmirage *d, const char *mode, struct watched *w);
	unsigned int kind;
	unsigned int strength;
	unsigned int flags;
};

/* ---- Notifiers that overlook something ------------------------------------ */

static void move_written(struct dmirage *d, struct watched *w,
			 enum probe_kind kind)
{
	struct scene *s = &w->scene;

	s->mem = get_mem(kind, probe_kind_size(kind));
	s->p = s->mem.addr;
	dev_write(d, s->p, 1);
	s->old = frame_of(s->p);
	w->pages = s->mem.len / PROBE_4K;
	move_mem(&s->mem, 1);
}

static void moved_4k(struct dmirage *d, const char *mode, struct watched *w)
{
	set_mode(d, mode);
	move_written(d, w, PROBE_KIND_4K);
}

static void moved_thp(struct dmirage *d, const char *mode, struct watched *w)
{
	set_mode(d, mode);
	move_written(d, w, PROBE_KIND_THP);
}

static void moved_hugetlb(struct dmirage *d, const char *mode,
			  struct watched *w)
{
	set_mode(d, mode);
	move_written(d, w, PROBE_KIND_HUGETLB);
}

/* All but the first page is stale. */
static void moved_but_first(struct dmirage *d, const char *mode,
			    struct watched *w)
{
	set_mode(d, mode);
	move_written(d, w, PROBE_KIND_THP);
	w->scene.p += PROBE_4K;
	w->scene.old += PROBE_4K;
	w->pages--;
}

static void written_page(struct dmirage *d, struct watched *w)
{
	struct scene *s = &w->scene;

	s->mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	s->p = s->mem.addr;
	s->old = frame_of(s->p);
	w->pages = 1;
	dev_write(d, s->p, 1);
}

static void read_only(struct dmirage *d, const char *mode, struct watched *w)
{
	set_mode(d, mode);
	written_page(d, w);
	ASSERT_SYS(mprotect(w->scene.p, PROBE_4K, PROT_READ));
}

/* Each refusal is a warning: so there is one. */
static void read_only_once(struct dmirage *d, const char *mode,
			   struct watched *w)
{
	written_page(d, w);
	if (mode)
		tell_runner("expect warning: at mm/mmu_notifier.c:");
	set_mode(d, mode);
	ASSERT_SYS(mprotect(w->scene.p, PROBE_4K, PROT_READ));
	if (mode)
		set_mode(d, "none");
}

static void soft_clean(struct dmirage *d, const char *mode, struct watched *w)
{
	set_mode(d, mode);
	written_page(d, w);
	clear_soft_dirty();
}

/* A page of a file, which the file keeps. */
static void unmapped(struct dmirage *d, const char *mode, struct watched *w)
{
	struct scene *s = &w->scene;
	int fd = file_with(1);

	set_mode(d, mode);
	s->p = map_file_page(fd);
	w->pages = 1;
	ASSERT_EQ(dev_read(d, s->p), 1);
	s->old = frame_of(s->p);
	ASSERT_SYS(munmap(s->p, PROBE_4K));
}

static void odd_range(struct dmirage *d, const char *mode, struct watched *w)
{
	set_mode(d, mode);
	scene_odd_range(d, &w->scene);
	w->scene.p += PROBE_4K;
	w->scene.old = frame_of(w->scene.p);
	w->pages = SCENE_ODD_PAGES - 1;
}

static void two_regions(struct dmirage *d, const char *mode, struct watched *w)
{
	set_mode(d, mode);
	scene_two_regions(d, &w->scene);
	w->scene.p += 5 * PROBE_4K;
	w->scene.old = frame_of(w->scene.p);
	w->pages = 1;
}

/* ---- Flushes --------------------------------------------------------------- */

/* The read comes before the kernel changes anything. */
static void read_between(struct dmirage *d, const char *mode,
			 struct watched *w)
{
	set_mode(d, mode);
	scene_notifier(d, &w->scene, mode);
	w->pages = 1;
}

static void read_under_way(struct dmirage *d, const char *mode,
			   struct watched *w)
{
	set_mode(d, mode);
	scene_access(d, &w->scene, !mode);
	w->pages = 1;
}

/* ---- The making of entries -------------------------------------------------- */

static void fault_raced(struct dmirage *d, const char *mode, struct watched *w)
{
	set_mode(d, mode);
	scene_fault(d, &w->scene, "fault-snapshot");
	w->pages = 1;
}

static void fault_raced_late(struct dmirage *d, const char *mode,
			     struct watched *w)
{
	set_mode(d, mode);
	scene_fault(d, &w->scene, "fault-lock");
	w->pages = 1;
}

/* The right to write goes while a fault is about to look for it. */
static void fault_meanwhile(struct dmirage *d, const char *mode,
			    struct watched *w, bool write)
{
	struct scene *s = &w->scene;

	set_mode(d, mode);
	s->mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	s->p = s->mem.addr;
	s->old = frame_of(s->p);
	w->pages = 1;
	arm_gate(d, "fault-begin");
	if (write)
		submit_write(d, s->p, 1);
	else
		submit_read(d, s->p);
	wait_gate(d, "fault-begin");
	clear_soft_dirty();
	release_gate(d);
	s->cqe = complete(d);
	EXPECT_EQ(s->cqe.status, DMIRAGE_ST_OK);
	expect_not_expired(d);
}

static void write_meanwhile(struct dmirage *d, const char *mode,
			    struct watched *w)
{
	fault_meanwhile(d, mode, w, true);
}

static void read_meanwhile(struct dmirage *d, const char *mode,
			   struct watched *w)
{
	fault_meanwhile(d, mode, w, false);
}

/* Nothing changes: it is wrong from the start. */
static void in_huge(struct dmirage *d, const char *mode, struct watched *w)
{
	u32 id;

	set_mode(d, mode);
	EXPECT_EQ(scene_half_region(d, &w->scene, PROBE_KIND_THP, &id),
		  mode ? 1 : 2);
	w->pages = 1;
}

static const struct watched_mode modes[] = {
	{ "inval-ignored-4k", "inval-ignored", moved_4k, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_BY_WATCH, 0 },
	{ "inval-ignored-thp", "inval-ignored", moved_thp, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_BY_WATCH, 0 },
	{ "inval-ignored-hugetlb", "inval-ignored", moved_hugetlb,
	  DMIRAGE_VIOL_FRAME, DMIRAGE_BY_WATCH, 0 },
	{ NULL, "inval-first-page", moved_but_first, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_BY_WATCH, 0 },
	{ NULL, "write-kept", read_only, DMIRAGE_VIOL_WRITE, DMIRAGE_BY_WATCH,
	  0 },
	{ NULL, "refuse-blockable", read_only_once, DMIRAGE_VIOL_WRITE,
	  DMIRAGE_BY_WATCH, 0 },
	{ NULL, "end-overflow", soft_clean, DMIRAGE_VIOL_WRITE,
	  DMIRAGE_BY_WATCH, 0 },
	{ NULL, "defer-unmap", unmapped, DMIRAGE_VIOL_ABSENT, DMIRAGE_BY_WATCH,
	  0 },
	{ NULL, "mask-flush", odd_range, DMIRAGE_VIOL_WRITE, DMIRAGE_BY_WATCH,
	  0 },
	{ NULL, "one-region", two_regions, DMIRAGE_VIOL_WRITE, DMIRAGE_BY_WATCH,
	  DMIRAGE_OPEN_REGIONS },
	{ "no-flush-move", "no-flush", moved_4k, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_BY_WATCH, 0 },
	{ "no-flush-unmap", "no-flush", unmapped, DMIRAGE_VIOL_ABSENT,
	  DMIRAGE_BY_WATCH, 0 },
	{ NULL, "flush-before-clear", read_between, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_BY_WATCH, 0 },
	{ NULL, "no-wait", read_under_way, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_BY_ACCESS, 0 },
	{ NULL, "no-drain", read_under_way, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_BY_ACCESS, 0 },
	{ NULL, "no-read-retry", fault_raced, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_BY_ACCESS, 0 },
	{ NULL, "retry-unlocked", fault_raced_late, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_BY_ACCESS, 0 },
	{ NULL, "no-set-seq", fault_raced, DMIRAGE_VIOL_FRAME,
	  DMIRAGE_BY_ACCESS, 0 },
	{ NULL, "vma-flags-only", write_meanwhile, DMIRAGE_VIOL_WRITE,
	  DMIRAGE_BY_ACCESS, 0 },
	{ NULL, "read-grants-write", read_meanwhile, DMIRAGE_VIOL_WRITE,
	  DMIRAGE_BY_ACCESS, 0 },
	{ NULL, "head-frame", in_huge, DMIRAGE_VIOL_FRAME, DMIRAGE_BY_ACCESS,
	  DMIRAGE_OPEN_REGIONS },
};

/* As in docs/fault-modes.md, "By watch". */
static const struct {
	const char *mode;
	const char *why;
} exempt[] = {
	{ "none", "is no bug" },
	{ "sync-address-only", "is of shared mode: watch_shared, address-only" },
	{ "not-dirty", "translations are right, what is lost is a note" },
	{ "huge-past-region", "what the region does not permit is the process's" },
	{ "any-caller", "is about whom a context works for" },
	{ "ignore-release", "what comes after it takes the entries out" },
	{ "fault-lock-in-notifier", "is late, and does all" },
	{ "sleep-anyway", "is late, and does all" },
	{ "no-fault-limit", "a fault does not end" },
	{ "keep-page", "the page does not move, so nothing is stale" },
	{ "free-before-remove", "the notifier does its work all the same" },
	{ "keep-walk-cache", "the device finds too little, not too much" },
	{ "unclamped-loop", "is late, and does all" },
};

/* ---- What is seen ----------------------------------------------------------- */

/* The one record of the access that was under way. */
static void expect_by_access(struct dmirage *d, const struct watched_mode *m,
			     const struct watched *w)
{
	struct dmirage_violation v, more;

	ASSERT_EQ(dmirage_read_violations(d, &v, 1, WATCHED_LIMIT_MS), 1);
	EXPECT_EQ(v.strength, DMIRAGE_BY_ACCESS);
	EXPECT_EQ(v.kind, m->kind);
	EXPECT_EQ(v.addr, (uintptr_t)w->scene.p);
	EXPECT_EQ(v.held_frame, w->scene.old);
	EXPECT_EQ(v.cookie, w->scene.cqe.cookie ? w->scene.cqe.cookie : 0x5ead);
	EXPECT_EQ(get_counters(d).violations, 1);
	EXPECT_EQ(counter(d, "watch_violations"), 0);
	EXPECT_EQ(dmirage_read_violations(d, &more, 1, 0), 0);
}

/*
 * A record for each translation: of all pages that are stale, and no others.
 * There is not room for all records if each of 511 pages has one.
 */
static void expect_by_watch(struct dmirage *d, const struct watched_mode *m,
			    const struct watched *w)
{
	u64 first = (uintptr_t)w->scene.p, pages = 0, n = 0;
	static struct dmirage_violation v[64];
	int got, i;

	while (pages < w->pages) {
		got = dmirage_read_violations(d, v, ARRAY_SIZE(v),
					      n ? 0 : WATCHED_LIMIT_MS);
		if (got <= 0)
			break;
		for (i = 0; i < got; i++, n++) {
			u64 at = v[i].addr - first;

			EXPECT_EQ(v[i].strength, DMIRAGE_BY_WATCH);
			EXPECT_EQ(v[i].kind, m->kind);
			EXPECT(v[i].function[0]);
			EXPECT_EQ(v[i].opcode, 0);
			ASSERT_GE(v[i].addr, first);
			ASSERT(at + v[i].len <= w->pages * PROBE_4K);
			if (w->pages == 1 || m->kind == DMIRAGE_VIOL_FRAME)
				EXPECT_EQ(v[i].held_frame, w->scene.old + at);
			if (m->kind == DMIRAGE_VIOL_FRAME)
				EXPECT_NE(v[i].cpu_frame, v[i].held_frame);
			pages += v[i].len / PROBE_4K;
		}
	}
	EXPECT_GE(n, 1);
	if (counter(d, "watch_violations") <= RECORDS)
		EXPECT_EQ(pages, w->pages);
	else
		EXPECT_EQ(counter(d, "watch_violations"), w->pages);
	EXPECT_EQ(get_counters(d).violations, 0);
	if (n)
		ktap_note("%s at %llu pages, by %s",
			  dmirage_violation_str(v[0].kind), pages,
			  v[0].function);
}

static void watched_mode_with(const struct watched_mode *m, bool bad)
{
	struct dmirage *d = open_mode(DMIRAGE_MODE_MIRROR,
				      DMIRAGE_OPEN_WATCH | m->flags);
	struct watched w = { 0 };
	u64 ops;

	m->act(d, bad ? m->mode : NULL, &w);
	ops = get_counters(d).ops;
	if (!bad)
		expect_unseen(d);
	else if (m->strength == DMIRAGE_BY_WATCH)
		expect_by_watch(d, m, &w);
	else
		expect_by_access(d, m, &w);
	EXPECT_EQ(counter(d, "watch_refused"), 0);
	EXPECT_EQ(get_counters(d).ops, ops);
	dmirage_close(d);
	probe_mem_put(&w.scene.mem);
}

static void watched_mode(int n)
{
	need_watch();
	watched_mode_with(&modes[n], false);
	watched_mode_with(&modes[n], true);
}

/* ---- That none is left out ---------------------------------------------------- */

static unsigned int decided(const char *mode)
{
	unsigned int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(modes); i++)
		n |= !strcmp(modes[i].mode, mode);
	for (i = 0; i < ARRAY_SIZE(exempt); i++)
		n += !strcmp(exempt[i].mode, mode);
	return n;
}

static void each_mode(int arg)
{
	static bool seen[ARRAY_SIZE(modes) + ARRAY_SIZE(exempt)];
	struct dmirage *d = open_context();
	unsigned int i, n = 0;
	char line[256];
	FILE *f;
	int fd;

	(void)arg;
	fd = probe_dev_open(d, "fault_modes");
	ASSERT_PROBE(fd);
	f = fdopen(fd, "r");
	ASSERT(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, " \n")] = '\0';
		n++;
		if (decided(line) != 1)
			ktap_fail(__FILE__, __LINE__,
				  "is the mode %s seen by watch? (or exempt, and why)",
				  line);
		for (i = 0; i < ARRAY_SIZE(modes); i++)
			seen[i] |= !strcmp(modes[i].mode, line);
		for (i = 0; i < ARRAY_SIZE(exempt); i++)
			seen[ARRAY_SIZE(modes) + i] |=
				!strcmp(exempt[i].mode, line);
	}
	fclose(f);
	for (i = 0; i < ARRAY_SIZE(seen); i++)
		EXPECT(seen[i]);
	for (i = 0; i < ARRAY_SIZE(exempt); i++)
		EXPECT(exempt[i].why[0]);
	EXPECT_GE(n, 2);
	ktap_note("%u modes, of which %zu are exempt", n, ARRAY_SIZE(exempt));
}

int main(int argc, char **argv)
{
	static struct ktap_test tests[ARRAY_SIZE(modes) + 1];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++)
		tests[i] = (struct ktap_test){
			modes[i].name ? modes[i].name : modes[i].mode,
			watched_mode, (int)i, 0
		};
	tests[i] = (struct ktap_test){ "each-mode", each_mode, 0, 0 };
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
