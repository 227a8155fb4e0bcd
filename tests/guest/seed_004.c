// SPDX-License-Identifier: GPL-2.0
/*
 * When a device is told to forget a page, and how often: before the page table changes,
 * under its lock, or by the time that a system call returns; and what must not be seen
 * by anybody, however late it comes.
 *
 * Seed: "Re: [PATCH 02/13] mm/rmap: update to new mmu_notifier semantic" (August 2017).
 * Was it wrong to flush secondary TLBs when the page-table lock had been dropped, and is
 * it needless to do so twice?  (785373b4c387, 0f10851ea475, 4645b9fe84bf.)  What came of
 * it is Documentation/mm/mmu_notifier.rst, with a device that sees the newer of two
 * writes and not the older one.
 *
 * The driver's bugs that stand for it: no-wait, by which `before-change' fails, and
 * inval-ignored, by which all others fail; `caught' has that.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reuse.h"

#define PAGE 50u /* that nobody writes to, but for what is said here */

/* A change of a page. */
enum what {
	MOVES,
	COPIES, /* the child of a fork has it, too */
	DROPS,
	UNMAPS,
	PROTECTS,
	FORKS,
};

static void act(struct seed *s, enum what what)
{
	u8 *p = seed_page(s, PAGE);

	switch (what) {
	case MOVES:
		ASSERT_PROBE(probe_move(p, PROBE_4K, PROBE_4K, 1));
		break;
	case COPIES:
		cpu_write(p, cpu_read(p));
		break;
	case DROPS:
		ASSERT_SYS(madvise(p, PROBE_4K, MADV_DONTNEED));
		break;
	case UNMAPS:
		ASSERT_SYS(munmap(p, PROBE_4K));
		break;
	case PROTECTS:
		ASSERT_SYS(mprotect(p, PROBE_4K, PROT_READ));
		break;
	case FORKS:
		seed_fork(s);
		break;
	}
}

static struct seed *prepare(unsigned int mode, enum what what)
{
	struct seed *s = seed_new(SEED_TRANSLATED);

	seed_memory(s, PROBE_KIND_4K);
	seed_contexts(s, mode);
	if (what == DROPS || what == UNMAPS || what == PROTECTS)
		seed_gone(s, PAGE, 1);
	return s;
}

static void expect_act(struct seed *s, enum what what, u64 before)
{
	struct probe_page page;

	ASSERT_PROBE(probe_page(seed_page(s, PAGE), &page));
	EXPECT_EQ(page.present, what != DROPS && what != UNMAPS);
	if (what == MOVES || what == COPIES)
		EXPECT_NE(page.frame, before);
	if (what == PROTECTS || what == FORKS)
		EXPECT_EQ(page.frame, before);
}

/* ---- How often ---------------------------------------------------------------------- */

/*
 * How often a context is told, on kernels that are known; 0: it depends.
 *
 * Until 6.5 the device of shared mode was told twice of what is unmapped: with the
 * processors' TLBs, and when the operation ended.  Who copies or moves a page tells it
 * once, under the lock.  In mirror mode, to split a VMA tells of the 2 MiB around, and
 * then of the page, where nothing is left.
 */
static u64 callbacks(unsigned int mode, enum what what)
{
	bool unmaps = what == DROPS || what == UNMAPS || what == PROTECTS;

	if (what == FORKS && mode == DMIRAGE_MODE_SHARED)
		return 0; /* of other pages, too */
	if (!known_kernel() || kernel_version() == 510)
		return 0;
	if (mode == DMIRAGE_MODE_SHARED)
		return unmaps && kernel_version() < 606 ? 2 : 1;
	return what == UNMAPS || what == PROTECTS ? 2 : 1;
}

static void counts(unsigned int mode, enum seed_order order, int what)
{
	struct seed *s = prepare(mode, what);
	struct dmirage_counters now[SEED_CONTEXTS];
	u64 before, seen, sent;
	unsigned int i;

	(void)order;
	seed_fill(s);
	if (what == COPIES) {
		seed_fork(s);
		for (i = 0; i < s->contexts; i++)
			dev_read(s->context[i].d, seed_page(s, PAGE));
	}
	before = frame_of(seed_page(s, PAGE));
	for (i = 0; i < s->contexts; i++) {
		/* And what is needed for it is there. */
		now[i] = get_counters(s->context[i].d);
		s->context[i].before = get_counters(s->context[i].d);
	}
	act(s, what);
	for (i = 0; i < s->contexts; i++)
		now[i] = get_counters(s->context[i].d);
	for (i = 0; i < s->contexts; i++) {
		struct dmirage_counters c = now[i];

		seen = c.invalidations - s->context[i].before.invalidations;
		sent = c.flushes - s->context[i].before.flushes;
		ktap_note("%llu callbacks, %llu flushes", seen, sent);
		if (callbacks(mode, what))
			EXPECT_EQ(seen, callbacks(mode, what));
		/* One that finds something is enough, and has come when this is over. */
		if (mode == DMIRAGE_MODE_MIRROR)
			EXPECT_EQ(sent, 1);
		else
			EXPECT_EQ(sent, seen);
		EXPECT_GE(sent, 1);
		if (what == FORKS)
			continue;
		EXPECT(!in_iotlb(s->context[i].d, seed_page(s, PAGE), NULL));
	}
	expect_act(s, what, before);
	seed_end(s);
	if (what == COPIES || what == FORKS)
		EXPECT_EQ(seed_fork_end(s), 0);
}

/* ---- When ----------------------------------------------------------------------------- */

struct actor {
	struct seed *s;
	enum what what;
	int go[2];
	atomic_bool done;
};

static void *actor_main(void *arg)
{
	struct actor *a = arg;
	char c;

	ASSERT_EQ(read(a->go[0], &c, 1), 1);
	act(a->s, a->what);
	atomic_store(&a->done, true);
	return NULL;
}

/*
 * Mirror mode.  The device has let go and does not say so: as long as it does not, the
 * page table is as it was.
 */
static void before_change(unsigned int mode, enum seed_order order, int what)
{
	struct seed *s = prepare(mode, what);
	struct actor a = { .s = s, .what = what };
	struct dmirage *d = s->context[0].d;
	pthread_t thread;
	u64 before;

	(void)order;
	seed_start(s);
	if (what == COPIES)
		seed_fork(s);
	dev_read(d, seed_page(s, PAGE));
	before = frame_of(seed_page(s, PAGE));
	ASSERT_SYS(pipe(a.go));
	ASSERT(!pthread_create(&thread, NULL, actor_main, &a));
	arm_hold_long(d, "flush");
	ASSERT_EQ(write(a.go[1], "g", 1), 1);
	wait_flush_held(d);
	sleep_ms(QUIET_MS);
	EXPECT(!atomic_load(&a.done));
	EXPECT_EQ(frame_of(seed_page(s, PAGE)), before);
	EXPECT(file_says(d, "hold", "", "flush-held"));
	release_hold(d);
	pthread_join(thread, NULL);
	expect_act(s, what, before);
	seed_end(s);
	if (what == COPIES)
		EXPECT_EQ(seed_fork_end(s), 0);
}

/*
 * Both modes.  The device is about to read the page when it goes: it reads what was
 * there, and who changes the page has waited for that.
 */
static void awaits(unsigned int mode, enum seed_order order, int what)
{
	struct seed *s = prepare(mode, what);
	struct dmirage *d = s->context[0].d;
	u8 *p = seed_page(s, PAGE);
	struct dmirage_cqe cqe;
	u64 before, value, drained;

	(void)order;
	seed_fill(s);
	if (what == COPIES)
		seed_fork(s);
	value = cpu_read(p);
	dev_read(d, p);
	before = frame_of(p);
	drained = get_counters(d).drained;
	arm_hold_long(d, "translated");
	submit_read(d, p);
	wait_held(d);
	act(s, what);
	EXPECT_EQ(get_counters(d).drained, drained + 1);
	cqe = complete(d);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, value);
	expect_act(s, what, before);
	seed_end(s);
	if (what == COPIES)
		EXPECT_EQ(seed_fork_end(s), 0);
}

/* ---- Two addresses ----------------------------------------------------------------------- */

#define ROUNDS	  16
#define ROUNDS_MS 1500
#define PAIRS	  8

/**
 * struct two - two pages that are copied at the same time
 * @a:     the older write goes here
 * @b:     the newer one
 * @round: of the writes
 * @copied: the last one of each of those who want the pages copied
 * @pairs: how often both were read
 * @wrong: the newer one was seen, and not the older one
 * @half:  the other way round, which may be
 */
struct two {
	u64 *a, *b;
	struct dmirage *d;
	_Atomic u64 round, copied[2];
	atomic_bool stop;
	u64 pairs, wrong, half;
};

/* In the order that would show it: the newer one first. */
static void read_pairs(struct two *t)
{
	struct dmirage_sqe sqe[2 * PAIRS];
	struct dmirage_cqe b, a;
	unsigned int i;

	for (i = 0; i < PAIRS; i++) {
		dmirage_prep_read_imm(&sqe[2 * i], 0, t->b, 8);
		dmirage_prep_read_imm(&sqe[2 * i + 1], 1, t->a, 8);
	}
	ASSERT_EQ(dmirage_submit(t->d, sqe, 2 * PAIRS), 2 * PAIRS);
	for (i = 0; i < PAIRS; i++) {
		ASSERT_OK(dmirage_wait(t->d, &b, OP_TIMEOUT_MS));
		ASSERT_OK(dmirage_wait(t->d, &a, OP_TIMEOUT_MS));
		ASSERT_EQ(a.status | b.status, DMIRAGE_ST_OK);
		t->pairs++;
		t->wrong += a.result < b.result;
		t->half += a.result > b.result;
	}
}

static void *reader_main(void *arg)
{
	struct two *t = arg;

	while (!atomic_load(&t->stop)) {
		read_pairs(t);
		sched_yield();
	}
	return NULL;
}

/* Two processors that want the pages copied, as each round begins. */
static void *copier_main(void *arg, bool second)
{
	struct two *t = arg;
	u64 seen = 0;

	while (!atomic_load(&t->stop)) {
		if (atomic_load(&t->round) == seen) {
			sched_yield();
			continue;
		}
		seen = atomic_load(&t->round);
		__atomic_fetch_add(second ? t->b : t->a, 0, __ATOMIC_SEQ_CST);
		atomic_store(&t->copied[second], seen);
	}
	return NULL;
}

static void *copier_a(void *arg)
{
	return copier_main(arg, false);
}

static void *copier_b(void *arg)
{
	return copier_main(arg, true);
}

/* A sharer of all pages, without which there would be nothing to copy. */
static pid_t sharer(void)
{
	pid_t pid = fork();

	ASSERT(pid >= 0);
	while (!pid)
		pause();
	return pid;
}

static void sharer_ends(pid_t pid)
{
	ASSERT_SYS(kill(pid, SIGKILL));
	ASSERT_SYS(waitpid(pid, NULL, 0));
}

static void two_addresses(unsigned int mode, enum seed_order order, int arg)
{
	struct seed *s = seed_new(order);
	pthread_t thread[2 + SEED_CONTEXTS];
	struct two t[SEED_CONTEXTS] = { 0 };
	unsigned int i, n = 0, rounds = 0;
	u64 end = now_ms() + ROUNDS_MS;
	u64 frame_a, frame_b;
	pid_t pid;

	(void)arg;
	seed_memory(s, PROBE_KIND_4K);
	seed_contexts(s, mode);
	for (i = 0; i < s->contexts; i++) {
		t[i].a = (u64 *)seed_page(s, 10);
		t[i].b = (u64 *)seed_page(s, 300);
		t[i].d = s->context[i].d;
		ASSERT(!pthread_create(&thread[n++], NULL, reader_main, &t[i]));
	}
	ASSERT(!pthread_create(&thread[n++], NULL, copier_a, &t[0]));
	ASSERT(!pthread_create(&thread[n++], NULL, copier_b, &t[0]));
	while (rounds < ROUNDS && (rounds < 2 || now_ms() < end)) {
		rounds++;
		pid = sharer();
		frame_a = frame_of(t[0].a);
		frame_b = frame_of(t[0].b);
		sleep_ms(1);
		atomic_store(&t[0].round, rounds);
		cpu_write(t[0].a, rounds);
		cpu_write(t[0].b, rounds);
		EXPECT_NE(frame_of(t[0].a), frame_a);
		EXPECT_NE(frame_of(t[0].b), frame_b);
		sleep_ms(2);
		for (i = 0; i < 2; i++) {
			while (atomic_load(&t[0].copied[i]) != rounds)
				sched_yield();
		}
		sharer_ends(pid);
	}
	for (i = 0; i < s->contexts; i++)
		atomic_store(&t[i].stop, true);
	for (i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < s->contexts; i++) {
		ktap_note("%u rounds, %llu pairs read, %llu between the two writes", rounds,
			  t[i].pairs, t[i].half);
		EXPECT_EQ(t[i].wrong, 0);
		EXPECT_GE(t[i].pairs, rounds);
		EXPECT_EQ(dev_read(t[i].d, t[i].a), rounds);
		EXPECT_EQ(dev_read(t[i].d, t[i].b), rounds);
		expect_clean(t[i].d);
	}
	if (s->context[1].watched)
		EXPECT_EQ(counter(s->context[1].d, "watch_violations"), 0);
}

/* The older write is to a page that was copied, of which the device was not told. */
static void two_addresses_caught(int mode)
{
	struct dmirage *d = open_mode((unsigned int)mode, 0);
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_2M);
	struct two t = { .a = (u64 *)mem.addr, .d = d };
	pid_t pid;

	t.b = mmap(NULL, PROBE_4K, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(t.b != MAP_FAILED);
	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", "inval-ignored"));
	cpu_write(t.b, 0);
	dev_write(d, t.a, 0);
	read_pairs(&t);
	EXPECT_EQ(t.wrong, 0);
	pid = sharer();
	cpu_write(t.a, 1);
	cpu_write(t.b, 1);
	read_pairs(&t);
	EXPECT_EQ(t.wrong, PAIRS);
	EXPECT_EQ(get_counters(d).violations, PAIRS);
	sharer_ends(pid);
}

#define BOTH	   (SEED_MIRROR | SEED_SHARED)
#define TRANSLATED (1u << SEED_TRANSLATED)
#define COMPLETE   (1u << SEED_COMPLETE)

static const struct seed_test tests[] = {
	{ "flush-count-move", BOTH, SEED_ONLY_FREE, counts, MOVES },
	{ "flush-count-cow", BOTH, SEED_ONLY_FREE, counts, COPIES },
	{ "flush-count-dontneed", BOTH, SEED_ONLY_FREE, counts, DROPS },
	{ "flush-count-munmap", BOTH, SEED_ONLY_FREE, counts, UNMAPS },
	{ "flush-count-mprotect", BOTH, SEED_ONLY_FREE, counts, PROTECTS },
	{ "flush-count-fork", BOTH, SEED_ONLY_FREE, counts, FORKS },
	{ "before-change-move", SEED_MIRROR, COMPLETE, before_change, MOVES },
	{ "before-change-cow", SEED_MIRROR, COMPLETE, before_change, COPIES },
	{ "before-change-dontneed", SEED_MIRROR, COMPLETE, before_change, DROPS },
	{ "awaits-move", BOTH, TRANSLATED, awaits, MOVES },
	{ "awaits-cow", BOTH, TRANSLATED, awaits, COPIES },
	{ "awaits-dontneed", BOTH, TRANSLATED, awaits, DROPS },
	{ "awaits-munmap", BOTH, TRANSLATED, awaits, UNMAPS },
	{ "two-addresses", BOTH, SEED_ONLY_FREE, two_addresses, 0 },
	{ "reuse-munmap", BOTH, SEED_ONLY_FREE, reuse, REUSE_MUNMAP },
	/* In shared mode who faults may be there before the flush, and that is right. */
	{ "reuse-dontneed", SEED_MIRROR, SEED_ONLY_FREE, reuse, REUSE_DONTNEED },
};

static const struct ktap_test more[] = {
	{ "two-addresses:mirror:caught", two_addresses_caught, DMIRAGE_MODE_MIRROR, 0 },
	{ "two-addresses:shared:caught", two_addresses_caught, DMIRAGE_MODE_SHARED, 0 },
	{ "reuse-munmap:mirror:caught", reuse_caught, DMIRAGE_MODE_MIRROR, 0 },
};

int main(int argc, char **argv)
{
	return seed_main(argc, argv, tests, ARRAY_SIZE(tests), more, ARRAY_SIZE(more));
}
