// SPDX-License-Identifier: GPL-2.0
/* Plays with mutants.  See play.h. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "play.h"
#include "watched.h"

/* For how long a window may be open in shared mode, with all that is rounded up. */
#define WINDOW_MS	3000
/* For a record; the host may have much else to do, and there may be 511 of them. */
#define RECORD_MS	(4 * WATCHED_LIMIT_MS)
/* Longer than it takes to look around. */
#define LATE_MS		1500
/* For all of a play. */
#define LIMIT_S		40

void place_add(struct place *at, u8 *addr)
{
	ASSERT(at->pages < PLACE_PAGES);
	at->page[at->pages++] = addr;
}

void place_add_all(struct place *at, u8 *addr, size_t len)
{
	size_t i;

	for (i = 0; i < len; i += PROBE_4K)
		place_add(at, addr + i);
}

void place_share(struct place *at, unsigned int gib, const unsigned int *pages, unsigned int n)
{
	unsigned int i;

	at->shared = shared_pmd_get(gib, pages, n);
	for (i = 0; i < n; i++)
		place_add(at, at->shared.addr + pages[i] * PROBE_2M);
}

/* ---- Opening and ending ---------------------------------------------------- */

static struct dmirage *begin(const struct play *p, struct place *at, bool watched)
{
	struct dmirage *d;
	unsigned int i;

	memset(at, 0, sizeof(*at));
	/* Who opens a window in shared mode also maps another page there. */
	stay_on(0);
	d = watched ? open_watched(p->mode, NULL) : open_mode(p->mode, 0);
	p->make(at);
	for (i = 0; i < at->pages; i++) {
		if (p->writes)
			dev_write(d, at->page[i], 100 + i);
		else
			dev_read(d, at->page[i]);
	}
	EXPECT_EQ(counter(d, "watch_refused"), 0);
	return d;
}

static void end(struct dmirage *d, struct place *at)
{
	dmirage_close(d);
	if (at->child > 0) {
		kill(at->child, SIGKILL);
		ASSERT_SYS(waitpid(at->child, NULL, 0));
	}
	if (at->shared.addr)
		shared_pmd_put(&at->shared);
	probe_mem_put(&at->mem);
}

/* ---- What is found ----------------------------------------------------------- */

static bool is_stale(const struct place *at, const struct dmirage_violation *v)
{
	return v->addr - (uintptr_t)at->stale < at->len;
}

static bool has_caller(const char *chain, const char *function)
{
	while (chain && *chain) {
		if (is_one_of(chain, function))
			return true;
		chain = strchr(chain, '\n');
		chain += !!chain;
	}
	return false;
}

static void expect_watched(struct dmirage *d, const struct place *at,
			   const struct mutant_row *row)
{
	struct dmirage_violation v;

	ASSERT_EQ(dmirage_read_violations(d, &v, 1, RECORD_MS), 1);
	EXPECT_EQ(v.strength, DMIRAGE_BY_WATCH);
	EXPECT(is_stale(at, &v));
	EXPECT_EQ(v.pid, getpid());
	EXPECT_EQ(get_counters(d).violations, 0);
	ktap_note("noticed after %llu operations", get_counters(d).ops);
	if (has_caller(v.chain, row->function))
		ktap_note("named: %s", row->function);
	if (known_kernel() && !has_caller(v.chain, row->function)) {
		ktap_fail(__FILE__, __LINE__, "%s is not among the callers:", row->function);
		ktap_note("%s", v.chain);
	}
	ktap_note("%s: by watch, %s, at %s", row->name, dmirage_violation_str(v.kind),
		  v.function);
}

/* The device uses what is stale, and then all that it holds is looked at. */
static void expect_found(struct dmirage *d, const struct play *p, const struct place *at)
{
	static struct dmirage_violation v[64];
	int i, n, wait = p->by & BY_ACCESS ? WATCHED_LIMIT_MS : 0;
	unsigned int by = 0;
	u8 *page = NULL;
	u32 kind = 0;

	for (i = 0; i < (int)at->pages && !page; i++) {
		if ((uintptr_t)at->page[i] - (uintptr_t)at->stale < at->len)
			page = at->page[i];
	}
	ASSERT(page);
	dev_read(d, page);
	ASSERT_PROBE(probe_ctx_write(d, "audit", "all"));
	n = dmirage_read_violations(d, v, 1, wait);
	do {
		for (i = 0; i < n; i++) {
			EXPECT(is_stale(at, &v[i]));
			by |= 1u << v[i].strength;
			kind = v[i].kind;
		}
		n = dmirage_read_violations(d, v, ARRAY_SIZE(v), 0);
	} while (n > 0);
	EXPECT_EQ(by, p->by);
	if (by)
		ktap_note("noticed after %llu operations", get_counters(d).ops);
	if (by)
		ktap_note("%s:%s%s, %s", p->name, by & BY_AUDIT ? " by audit" : "",
			  by & BY_ACCESS ? " by access" : "", dmirage_violation_str(kind));
}

/* What is there now can be had, and what is not cannot; all of it by right. */
static void expect_nothing(struct dmirage *d, const struct place *at, bool watched)
{
	struct dmirage_sqe sqe;
	unsigned int i;
	char text[128];

	for (i = 0; i < at->pages; i++) {
		dmirage_prep_read_imm(&sqe, 1, at->page[i], 8);
		run_op(d, &sqe);
	}
	ASSERT_PROBE(probe_ctx_write(d, "audit", "all"));
	ASSERT_PROBE(probe_ctx_read(d, "audit", text, sizeof(text)));
	if (counter(d, "violations") || counter(d, "audit_violations") ||
	    counter(d, "watch_violations"))
		ktap_note("false alarm");
	EXPECT(strstr(text, "violations 0"));
	if (watched)
		expect_unseen(d);
	else
		expect_clean(d);
}

/* ---- While a notification is late ---------------------------------------------- */

struct actor {
	const struct play *p;
	struct place *at;
	int go[2];
	pthread_t thread;
};

static void *actor_main(void *arg)
{
	struct actor *a = arg;
	char c;

	ASSERT_EQ(read(a->go[0], &c, 1), 1);
	a->p->act(a->at);
	return NULL;
}

/*
 * The act waits in the kernel, and may hold mmap_lock: nothing that is done meanwhile
 * may fault.  So all is done once before.
 */
static void look_meanwhile(struct dmirage *d, const struct play *p, struct place *at)
{
	u64 limit = now_ms() + WATCHED_LIMIT_MS;
	struct actor a = { .p = p, .at = at };

	ASSERT_SYS(pipe(a.go));
	ASSERT(!pthread_create(&a.thread, NULL, actor_main, &a));
	ASSERT_PROBE(probe_ctx_write(d, "audit", "all"));
	dev_read(d, at->page[0]);
	mutant_arm(getpid(), p->name);
	mutant_wait_late(LATE_MS);
	EXPECT_EQ(mutant_hits(), 0);
	ASSERT_EQ(write(a.go[1], "g", 1), 1);
	while (!mutant_hits() && now_ms() < limit)
		sleep_ms(1);
	expect_found(d, p, at);
	pthread_join(a.thread, NULL);
	mutant_wait_late(0);
	EXPECT_GE(mutant_hits(), 1);
	mutant_disarm();
}

/* ---- The play --------------------------------------------------------------------- */

void play_clean(const struct play *p)
{
	static struct place at;
	struct dmirage *d = begin(p, &at, false);

	p->act(&at);
	expect_nothing(d, &at, false);
	end(d, &at);
}

static void play_armed(const struct play *p, const struct mutant_row *row, bool watched)
{
	static struct place at;
	struct dmirage *d = begin(p, &at, watched);

	if (p->late && !watched) {
		look_meanwhile(d, p, &at);
	} else {
		mutant_arm(getpid(), p->name);
		p->act(&at);
		EXPECT_GE(mutant_hits(), 1);
		mutant_disarm();
		if (watched)
			expect_watched(d, &at, row);
		else
			expect_found(d, p, &at);
	}
	end(d, &at);
}

void play(const struct play *p)
{
	/* Who counts mutants has had the clean halves in another run. */
	bool alone = getenv("DMIRAGE_MUTANT_ALONE"), watch = can_watch();
	struct mutant_row row = mutant_row(p->name);
	struct dmirage *clean = NULL;
	static struct place at;
	u64 judged = 0;

	ktap_note("%s: %s \"%s\"", row.name, row.commit, row.title);
	if (watch && !alone) {
		clean = begin(p, &at, true);
		p->act(&at);
		judged = now_ms() + (p->mode == DMIRAGE_MODE_SHARED ? WINDOW_MS : 0);
	}
	if (watch)
		play_armed(p, &row, true);
	play_armed(p, &row, false);
	if (!alone)
		play_clean(p);
	/* Windows have had their time. */
	if (clean) {
		while (now_ms() < judged)
			sleep_ms(1);
		expect_nothing(clean, &at, true);
		end(clean, &at);
	}
}

/* ---- Programs ------------------------------------------------------------------------ */

void plays_prepare(void)
{
	reserve_huge_pages();
	if (!probe_mutants_loaded())
		atexit(mutant_tidy);
}

static const struct play *plays;

static void one_play(int n)
{
	play(&plays[n]);
}

int plays_main(int argc, char **argv, const struct play *all, unsigned int count)
{
	static struct ktap_test tests[32];
	unsigned int i;

	ASSERT(count <= ARRAY_SIZE(tests));
	plays = all;
	for (i = 0; i < count; i++)
		tests[i] = (struct ktap_test){ all[i].name, one_play, (int)i, LIMIT_S };
	return ktap_main(argc, argv, tests, count, plays_prepare);
}
