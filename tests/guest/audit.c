// SPDX-License-Identifier: GPL-2.0
/*
 * Audits (debugfs `audit'): all that the device holds is compared with the
 * process's page table, without any DMA.  They find what a broken driver has
 * left behind, where it is; and with a correct one they find nothing, whatever
 * goes on meanwhile.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "schedule.h"

struct audit {
	unsigned int translations, pages, violations;
};

static struct audit result(struct dmirage *d)
{
	struct audit a = { 0 };
	char text[256];

	ASSERT_PROBE(probe_ctx_read(d, "audit", text, sizeof(text)));
	ASSERT_EQ(sscanf(text, "translations %u\npages %u\nviolations %u",
			 &a.translations, &a.pages, &a.violations),
		  3);
	return a;
}

static struct audit audit_all(struct dmirage *d)
{
	ASSERT_PROBE(probe_ctx_write(d, "audit", "all"));
	return result(d);
}

static struct audit audit_range(struct dmirage *d, const void *p, size_t len)
{
	char text[64];

	snprintf(text, sizeof(text), "%p %zu", p, len);
	ASSERT_PROBE(probe_ctx_write(d, "audit", text));
	return result(d);
}

static void touch(struct dmirage *d, void *p, size_t len)
{
	struct dmirage_sqe sqe;

	dmirage_prep_touch_write(&sqe, 1, p, len);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
}

/* No access was found stale, and there are no records of any. */
static void expect_no_access(struct dmirage *d)
{
	EXPECT_EQ(get_counters(d).violations, 0);
}

/* ---- A correct driver ---------------------------------------------------- */

static void clean(int kind)
{
	const unsigned int pages = PROBE_2M / PROBE_4K;
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	struct dmirage *d = open_context();
	struct audit a;

	a = audit_all(d);
	EXPECT_EQ(a.translations, 0);
	EXPECT_EQ(a.pages, 0);
	EXPECT_EQ(a.violations, 0);
	touch(d, mem.addr, mem.len);
	a = audit_all(d);
	/* In the mirror table, and at least some in the IOTLB. */
	EXPECT_GE(a.translations, (kind == PROBE_KIND_4K ? pages : 1) + 1);
	EXPECT_GE(a.pages, pages + 1);
	EXPECT_EQ(a.violations, 0);
	EXPECT_EQ(counter(d, "audited"), a.pages);
	/* A page of it; a byte of it, in each of two; and what is beside it. */
	EXPECT_GE(audit_range(d, mem.addr, PROBE_4K).pages, 1);
	EXPECT(audit_range(d, mem.addr, PROBE_4K).pages <= 2);
	a = audit_range(d, mem.addr + 2 * PROBE_4K - 1, 2);
	EXPECT_GE(a.pages, 2);
	EXPECT(a.pages <= 4);
	EXPECT_EQ(audit_range(d, mem.addr - PROBE_4K, PROBE_4K).pages, 0);
	EXPECT_EQ(audit_range(d, mem.addr + PROBE_2M, PROBE_4K).pages, 0);

	move_mem(&mem, 1);
	EXPECT_EQ(audit_all(d).translations, 0);
	dev_write(d, mem.addr, 1);
	a = audit_all(d);
	EXPECT_GE(a.translations, 1);
	EXPECT_EQ(a.violations, 0);
	EXPECT_EQ(counter(d, "audit_violations"), 0);
	expect_clean(d);
}

static void input(int arg)
{
	static const char *const bad[] = {
		"x",
		"1",
		"all of it",
		"0x1000 0",
		"0x1000 ",
		"0x1000 x",
		"y 4096",
		"4096 4096 4096",
		"-1 4096",
		"0x1000,10",
		"ALL",
	};
	struct dmirage *d = open_context();
	char text[256];
	size_t i;

	(void)arg;
	ASSERT_PROBE(probe_ctx_read(d, "audit", text, sizeof(text)));
	EXPECT(!strcmp(text, "none"));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (probe_ctx_write(d, "audit", bad[i]) != -EINVAL)
			ktap_fail(__FILE__, __LINE__, "'%s' is taken", bad[i]);
	}
	ASSERT_PROBE(probe_ctx_read(d, "audit", text, sizeof(text)));
	EXPECT(!strcmp(text, "none"));
	/* To the end of all addresses, and past it. */
	ASSERT_PROBE(probe_ctx_write(d, "audit", "0 0xffffffffffffffff"));
	ASSERT_PROBE(probe_ctx_write(d, "audit",
				     "0xfffffffffffff000 0xffffffffffffffff"));
	ASSERT_PROBE(probe_ctx_write(d, "audit", "0xffffffffffffffff 1"));
	EXPECT_EQ(result(d).translations, 0);
}

/* ---- A broken one -------------------------------------------------------- */

/* A record of an audit for @addr, held by @holder; NULL if there is none. */
static const struct dmirage_violation *
find_record(const struct dmirage_violation *v, unsigned int n, const void *addr,
	    enum dmirage_holder holder)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (v[i].addr == (uintptr_t)addr && v[i].holder == holder &&
		    v[i].strength == DMIRAGE_BY_AUDIT)
			return &v[i];
	}
	return NULL;
}

/* They are there when the audit is over. */
static unsigned int records(struct dmirage *d, struct dmirage_violation *v,
			    unsigned int max)
{
	int n = dmirage_read_violations(d, v, max, 0);

	ASSERT(n >= 0);
	return (unsigned int)n;
}

static void expect_fields(struct dmirage *d, const struct dmirage_violation *v,
			  unsigned int kind, u64 held, u64 cpu)
{
	char report[DMIRAGE_REPORT_MAX];
	size_t i;

	if (!v) {
		ktap_fail(__FILE__, __LINE__, "a record is missing");
		return;
	}
	EXPECT_EQ(v->kind, kind);
	EXPECT_EQ(v->opcode, 0);
	EXPECT_EQ(v->access_write, 0);
	EXPECT_EQ(v->cookie, 0);
	EXPECT_EQ(v->held_order, 12);
	EXPECT_EQ(v->asid, get_info(d).asid);
	EXPECT_EQ(v->pages, 1);
	EXPECT_EQ(v->len, PROBE_4K);
	EXPECT_EQ(v->held_frame, held);
	EXPECT_EQ(v->cpu_present, cpu != 0);
	EXPECT_EQ(v->cpu_frame, cpu);
	EXPECT_EQ(v->mode, DMIRAGE_CTL_MODE_MIRROR >> 4);
	EXPECT_EQ(v->level, 0);
	EXPECT_EQ(v->chain_id, 0);
	EXPECT_EQ(v->chain[0], 0);
	EXPECT_EQ(v->pid, getpid());
	EXPECT(v->vma & DMIRAGE_VMA_KNOWN);
	for (i = 0; i < ARRAY_SIZE(v->reserved); i++)
		EXPECT_EQ(v->reserved[i], 0);
	EXPECT(dmirage_format_violation(v, report, sizeof(report)) <
	       (int)sizeof(report));
	EXPECT(strstr(report, "found by an audit"));
	EXPECT(strstr(report, "The device holds"));
	EXPECT(!strstr(report, "nop"));
	EXPECT(!strstr(report, "access"));
	EXPECT(!!strstr(report, "held by the IOTLB") ==
	       (v->holder == DMIRAGE_HELD_IOTLB));
	EXPECT(!!strstr(report, "held by the mirror table") ==
	       (v->holder == DMIRAGE_HELD_TABLE));
	EXPECT(!!strstr(report, "loaded") == (v->holder != DMIRAGE_HELD_TABLE));
}

#define N	8

/*
 * N pages of 4 KiB, all in the mirror table and in the IOTLB, are changed as one
 * range.  The flush of the first is sent; the others are stale, here and there.
 */
static void finds(int what)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, N * PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_violation v[4 * N];
	const struct dmirage_violation *r;
	unsigned int i, n, kind, holder;
	struct audit a;
	u64 frame[N];
	u8 *p;

	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", FAULT_MODE_FIRST_PAGE));
	touch(d, mem.addr, mem.len);
	for (i = 0; i < N; i++) {
		frame[i] = frame_of(mem.addr + i * PROBE_4K);
		ASSERT(in_iotlb(d, mem.addr + i * PROBE_4K, NULL));
	}
	EXPECT_EQ(audit_all(d).violations, 0);
	ASSERT_SYS(change(&mem, what));
	a = audit_all(d);
	EXPECT_EQ(a.translations, 2 * (N - 1));
	EXPECT_EQ(a.violations, 2 * (N - 1));
	EXPECT_EQ(counter(d, "audit_violations"), 2 * (N - 1));
	expect_no_access(d);

	n = records(d, v, ARRAY_SIZE(v));
	EXPECT_EQ(n, 2 * (N - 1));
	kind = what == READ_ONLY ? DMIRAGE_VIOL_WRITE : DMIRAGE_VIOL_ABSENT;
	for (holder = DMIRAGE_HELD_IOTLB; holder <= DMIRAGE_HELD_TABLE;
	     holder++) {
		EXPECT(!find_record(v, n, mem.addr, holder));
		for (i = 1; i < N; i++) {
			p = mem.addr + i * PROBE_4K;
			r = find_record(v, n, p, holder);
			expect_fields(d, r, kind, frame[i],
				      what == READ_ONLY ? frame[i] : 0);
			if (r) {
				EXPECT_EQ(r->held_write, 1);
				EXPECT_EQ(r->inv_start, (uintptr_t)mem.addr);
				EXPECT_EQ(r->inv_len, PROBE_4K);
			}
		}
	}
	/* They are still there, and a part is found as a part. */
	EXPECT_EQ(audit_range(d, mem.addr + 3 * PROBE_4K, 2 * PROBE_4K)
			  .violations,
		  4);
	EXPECT_EQ(audit_range(d, mem.addr, PROBE_4K).violations, 0);
}

/*
 * A huge page is moved.  First its translation is split, by a change that is
 * taken back, so that the IOTLB has small ones which the flush of the first page
 * does not drop.
 */
static void finds_huge(int kind)
{
	static const unsigned int looked_at[] = { 1, 5, 255, 511 };
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	struct dmirage *d = open_context();
	u64 old[ARRAY_SIZE(looked_at)];
	struct dmirage_violation v[8];
	unsigned int i, n, known;
	struct audit a;
	u8 *p;

	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", FAULT_MODE_FIRST_PAGE));
	dev_write(d, mem.addr + PROBE_4K, 1);
	ASSERT_SYS(mprotect(mem.addr, mem.len, PROT_READ));
	ASSERT_SYS(mprotect(mem.addr, mem.len, PROT_READ | PROT_WRITE));
	cpu_write(mem.addr, 1);
	for (i = 0; i < ARRAY_SIZE(looked_at); i++) {
		p = mem.addr + looked_at[i] * PROBE_4K;
		dev_write(d, p, 2);
		old[i] = frame_of(p);
		ASSERT(in_iotlb(d, p, NULL));
	}
	/* All is well again, as it happens. */
	EXPECT_EQ(audit_all(d).violations, 0);
	expect_clean(d);

	move_mem(&mem, 1);
	/* What has come back to the first page since is right. */
	known = audit_range(d, mem.addr, PROBE_4K).violations;
	EXPECT_EQ(known, 0);
	a = audit_range(d, mem.addr + PROBE_4K, PROBE_2M - PROBE_4K);
	EXPECT_EQ(a.violations, 511 + ARRAY_SIZE(looked_at));
	EXPECT_EQ(a.translations, a.violations);
	expect_no_access(d);
	/* More than are kept for a reader. */
	while (records(d, v, ARRAY_SIZE(v)))
		;
	for (i = 0; i < ARRAY_SIZE(looked_at); i++) {
		p = mem.addr + looked_at[i] * PROBE_4K;
		EXPECT_EQ(audit_range(d, p, PROBE_4K).violations, 2);
		n = records(d, v, ARRAY_SIZE(v));
		EXPECT_EQ(n, 2);
		expect_fields(d, find_record(v, n, p, DMIRAGE_HELD_IOTLB),
			      DMIRAGE_VIOL_FRAME, old[i], frame_of(p));
		expect_fields(d, find_record(v, n, p, DMIRAGE_HELD_TABLE),
			      DMIRAGE_VIOL_FRAME, old[i], frame_of(p));
	}
	expect_no_access(d);
}

/* A stale translation in the hands of an access under way. */
static void finds_latched(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, N * PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_violation v[8];
	u8 *p = mem.addr + 3 * PROBE_4K;
	unsigned int n, holder;

	(void)arg;
	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", FAULT_MODE_FIRST_PAGE));
	touch(d, mem.addr, mem.len);
	arm_hold_long(d, "translated");
	submit_read(d, p);
	wait_held(d);
	/* Latched, in the IOTLB, in the table: all right. */
	EXPECT_EQ(audit_range(d, p, PROBE_4K).translations, 3);
	EXPECT_EQ(result(d).violations, 0);
	ASSERT_SYS(mprotect(mem.addr, mem.len, PROT_READ));
	EXPECT(file_says(d, "hold", "", "held"));
	EXPECT_EQ(audit_range(d, p, PROBE_4K).violations, 3);
	expect_no_access(d);
	n = records(d, v, ARRAY_SIZE(v));
	EXPECT_EQ(n, 3);
	for (holder = DMIRAGE_HELD_LATCHED; holder <= DMIRAGE_HELD_TABLE;
	     holder++)
		expect_fields(d, find_record(v, n, p, holder),
			      DMIRAGE_VIOL_WRITE, frame_of(p), frame_of(p));
	release_hold(d);
	EXPECT_EQ(complete(d).status, DMIRAGE_ST_OK);
	/* A read through it is no more than that: the audit was there before. */
	EXPECT_EQ(audit_range(d, p, PROBE_4K).violations, 2);
}

/* One context is broken, and another one of the same process is not. */
static void other(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, N * PROBE_4K);
	struct dmirage *broken = open_context(), *good = open_context();
	struct dmirage_violation v;

	(void)arg;
	ASSERT_PROBE(probe_ctx_write(broken, "fault_mode",
				     FAULT_MODE_FIRST_PAGE));
	touch(broken, mem.addr, mem.len);
	touch(good, mem.addr, mem.len);
	ASSERT_SYS(mprotect(mem.addr, mem.len, PROT_READ));
	EXPECT_EQ(audit_all(good).violations, 0);
	EXPECT_EQ(audit_all(good).translations, 0);
	EXPECT_EQ(audit_all(broken).violations, 2 * (N - 1));
	/* The good one's result is its own, and so are the records. */
	EXPECT_EQ(result(good).violations, 0);
	EXPECT_EQ(dmirage_read_violations(good, &v, 1, 20), 0);
	EXPECT_EQ(dmirage_read_violations(broken, &v, 1, 20), 1);
}

/* ---- While everything goes on -------------------------------------------- */

/**
 * struct storm - changes, accesses and audits at the same time
 * @mem:   is moved back and forth
 * @quick: small pages that get new frames and rights all the time; so many that
 *         an audit has some of them in its hands when they change
 */
static struct storm {
	struct probe_mem mem, quick;
	struct dmirage *d;
	atomic_bool stop;
	atomic_uint moves, changes, ops;
} s;

static void *mover_storm(void *arg)
{
	(void)arg;
	while (!atomic_load(&s.stop))
		move_mem(&s.mem, (int)++s.moves % 2);
	return NULL;
}

static void *changer_storm(void *arg)
{
	size_t half = s.quick.len / 2, i;

	(void)arg;
	while (!atomic_load(&s.stop)) {
		ASSERT_SYS(madvise(s.quick.addr, half, MADV_DONTNEED));
		for (i = 0; i < half; i += PROBE_4K)
			cpu_write(s.quick.addr + i, s.changes);
		ASSERT_SYS(mprotect(s.quick.addr + half, half, PROT_READ));
		ASSERT_SYS(mprotect(s.quick.addr + half, half,
				    PROT_READ | PROT_WRITE));
		/* The device needs time to get hold of something. */
		if (++s.changes % 4 == 0)
			sched_yield();
	}
	return NULL;
}

static void *device_storm(void *arg)
{
	struct dmirage_sqe sqe;
	struct dmirage_cqe cqe;

	(void)arg;
	while (!atomic_load(&s.stop)) {
		dmirage_prep_touch_write(&sqe, 1, s.quick.addr, s.quick.len);
		cqe = run_op(s.d, &sqe);
		EXPECT(cqe.status == DMIRAGE_ST_OK ||
		       (cqe.status == DMIRAGE_ST_FAULT && cqe.detail == EPERM));
		if (++s.ops % 4)
			continue;
		dmirage_prep_touch_write(&sqe, 1, s.mem.addr, s.mem.len);
		expect_op(s.d, &sqe, DMIRAGE_ST_OK);
	}
	return NULL;
}

static void storm(int kind)
{
	void *(*const mains[])(void *) = { mover_storm, changer_storm,
					   device_storm };
	pthread_t thread[ARRAY_SIZE(mains)];
	u64 pages = 0, end;
	unsigned int n = 0;
	struct audit a;
	size_t i;

	s.mem = get_mem(kind, kind == PROBE_KIND_4K ? 32 * PROBE_4K :
						      PROBE_2M);
	s.quick = get_mem(PROBE_KIND_4K, 512 * PROBE_4K);
	s.d = open_context();
	for (i = 0; i < ARRAY_SIZE(mains); i++)
		ASSERT(!pthread_create(&thread[i], NULL, mains[i], NULL));
	end = now_ms() + 2000;
	do {
		a = audit_all(s.d);
		EXPECT_EQ(a.violations, 0);
		pages += a.pages;
		n++;
	} while (now_ms() < end || n < 2 || s.moves < 3 || s.changes < 20 ||
		 s.ops < 4);
	atomic_store(&s.stop, true);
	for (i = 0; i < ARRAY_SIZE(mains); i++)
		pthread_join(thread[i], NULL);
	ktap_note("%u audits of %llu pages, %u moves, %u changes, %u operations",
		  n, pages, s.moves, s.changes, s.ops);
	EXPECT_GE(pages, 1);
	EXPECT_EQ(counter(s.d, "audit_violations"), 0);
	expect_clean(s.d);
}

/* Audits of several contexts at once: each gets an answer, its own. */
struct auditor {
	struct dmirage *d;
	unsigned int translations;
	pthread_t thread;
};

static void *auditor_main(void *arg)
{
	struct auditor *t = arg;
	unsigned int i;

	for (i = 0; i < 200; i++) {
		if (!EXPECT_EQ(audit_all(t->d).translations, t->translations))
			break;
		EXPECT_EQ(result(t->d).violations, 0);
	}
	return NULL;
}

static void several(int arg)
{
	enum { CONTEXTS = 3 };
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_2M);
	struct auditor t[CONTEXTS];
	unsigned int i;

	(void)arg;
	for (i = 0; i < CONTEXTS; i++) {
		t[i].d = open_context();
		touch(t[i].d, mem.addr, 50 * (i + 1) * PROBE_4K);
		t[i].translations = audit_all(t[i].d).translations;
		EXPECT_GE(t[i].translations, 50 * (i + 1));
		EXPECT(!i || t[i].translations > t[i - 1].translations);
	}
	for (i = 0; i < CONTEXTS; i++)
		ASSERT(!pthread_create(&t[i].thread, NULL, auditor_main,
				       &t[i]));
	for (i = 0; i < CONTEXTS; i++)
		pthread_join(t[i].thread, NULL);
	for (i = 0; i < CONTEXTS; i++)
		expect_clean(t[i].d);
}

/* ---- The end ------------------------------------------------------------- */

static int open_audit(const struct dmirage_info *info)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path),
		 "/sys/kernel/debug/dmirage/%.31s/ctx%u/audit", info->pci_name,
		 info->asid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ASSERT(fd >= 0);
	return fd;
}

/* Audits until the file is gone. */
static void *until_end(void *arg)
{
	int *fd = arg, n = 0;

	while (write(*fd, "all", 3) == 3)
		n++;
	ktap_note("%d audits, then: %s", n, strerror(errno));
	EXPECT(errno == ENODEV || errno == EIO);
	return NULL;
}

/* close() waits for an audit, and there is none after it. */
static void closing(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 4 * PROBE_2M);
	struct dmirage_info info;
	struct dmirage *d;
	pthread_t thread;
	unsigned int i;
	u64 begin;
	int fd;

	(void)arg;
	for (i = 0; i < 4; i++) {
		d = open_context();
		touch(d, mem.addr, mem.len);
		info = get_info(d);
		fd = open_audit(&info);
		ASSERT(!pthread_create(&thread, NULL, until_end, &fd));
		sleep_ms(20 + 7 * i);
		begin = now_ms();
		dmirage_close(d);
		EXPECT(now_ms() - begin < 3000);
		pthread_join(thread, NULL);
		close(fd);
	}
	/* Others are audited as before. */
	d = open_context();
	dev_write(d, mem.addr, 1);
	EXPECT_EQ(audit_all(d).violations, 0);
	EXPECT_GE(result(d).translations, 2);
	expect_clean(d);
}

/*
 * A process whose context has something that an audit ponders for a while: what
 * is absent may come back.
 */
static void owner_main(int out)
{
	struct dmirage_info info;
	struct dmirage_sqe sqe;
	struct probe_mem mem;
	struct dmirage *d;

	if (dmirage_open(NULL, NULL, &d) || dmirage_get_info(d, &info) ||
	    probe_mem_get(&mem, PROBE_KIND_4K, N * PROBE_4K, 0) ||
	    probe_ctx_write(d, "fault_mode", FAULT_MODE_FIRST_PAGE))
		_exit(1);
	dmirage_prep_touch_write(&sqe, 1, mem.addr, mem.len);
	if (dmirage_run(d, &sqe, NULL, OP_TIMEOUT_MS) ||
	    munmap(mem.addr, mem.len) ||
	    write(out, &info, sizeof(info)) != sizeof(info))
		_exit(2);
	for (;;)
		pause();
}

struct killer {
	pid_t pid;
	unsigned int ms;
};

static void *killer_main(void *arg)
{
	struct killer *k = arg;

	sleep_ms(k->ms);
	kill(k->pid, SIGKILL);
	return NULL;
}

/* The address space ends while somebody else audits it: the audit is cut. */
static void exiting(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	unsigned int i, cut = 0;
	struct dmirage_info info;
	struct killer k;
	struct dmirage *d;
	pthread_t thread;
	int fd, from[2];
	u64 begin;

	(void)arg;
	for (i = 0; i < 10 && !cut; i++) {
		ASSERT_SYS(pipe(from));
		k.ms = 60;
		k.pid = fork();
		ASSERT(k.pid >= 0);
		if (!k.pid)
			owner_main(from[1]);
		close(from[1]);
		ASSERT_EQ(read(from[0], &info, sizeof(info)), sizeof(info));
		fd = open_audit(&info);
		ASSERT(!pthread_create(&thread, NULL, killer_main, &k));
		begin = now_ms();
		if (write(fd, "all", 3) < 0) {
			EXPECT_EQ(errno, ECANCELED);
			cut++;
		}
		ktap_note("%llu ms", now_ms() - begin);
		EXPECT(now_ms() - begin < 3000);
		pthread_join(thread, NULL);
		ASSERT_SYS(waitpid(k.pid, NULL, 0));
		close(fd);
		close(from[0]);
	}
	EXPECT_EQ(cut, 1);
	d = open_context();
	dev_write(d, mem.addr, 1);
	EXPECT_EQ(audit_all(d).violations, 0);
	EXPECT_EQ(result(d).translations, 2);
	expect_clean(d);
}

static const struct ktap_test tests[] = {
	{ "input", input, 0, 0 },
	{ "clean-4k", clean, PROBE_KIND_4K, 0 },
	{ "clean-thp", clean, PROBE_KIND_THP, 0 },
	{ "clean-hugetlb", clean, PROBE_KIND_HUGETLB, 0 },
	{ "finds-mprotect", finds, READ_ONLY, 0 },
	{ "finds-munmap", finds, UNMAP, 0 },
	{ "finds-moved-thp", finds_huge, PROBE_KIND_THP, 0 },
	{ "finds-moved-hugetlb", finds_huge, PROBE_KIND_HUGETLB, 0 },
	{ "finds-latched", finds_latched, 0, 0 },
	{ "other-context", other, 0, 0 },
	{ "several", several, 0, 0 },
	{ "closing", closing, 0, 15 },
	{ "exiting", exiting, 0, 15 },
	{ "storm-4k", storm, PROBE_KIND_4K, 20 },
	{ "storm-thp", storm, PROBE_KIND_THP, 20 },
	{ "storm-hugetlb", storm, PROBE_KIND_HUGETLB, 20 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
