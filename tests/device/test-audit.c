/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Audits: what the device holds is compared with the process's page table, and
 * what is found is said; what is taken back meanwhile, by the book, is not.
 */
#include "device.h"

#include <string.h>

#define VA	0x0000a0d170000000ull	/* 2 MiB aligned */

#define ALL	0, ~0ull

static struct dmirage_audit audit(struct context *c, uint64_t addr, uint64_t len,
				  unsigned int flags)
{
	return audit_take(c->d, audit_send(c->d, c->asid, addr, len, flags));
}

static void expect_audit(struct context *c, uint64_t addr, uint64_t len, unsigned int translations,
			 unsigned int pages, unsigned int violations)
{
	struct dmirage_audit a = audit(c, addr, len, 0);

	g_assert_cmpuint(a.translations, ==, translations);
	g_assert_cmpuint(a.pages, ==, pages);
	g_assert_cmpuint(a.violations, ==, violations);
	g_assert_cmpuint(violation_ready(c->d), ==, !!violations);
}

/* The next record is one of an audit. */
static struct dmirage_vqe expect_record(struct context *c, enum dmirage_violation_kind kind,
					enum dmirage_holder holder, uint64_t addr, uint64_t len,
					unsigned int pages)
{
	struct dmirage_vqe v = violation_take(c->d);

	g_assert_cmpuint(v.strength, ==, DMIRAGE_BY_AUDIT);
	g_assert_cmpuint(v.kind, ==, kind);
	g_assert_cmpuint(v.holder, ==, holder);
	g_assert_cmpuint(v.asid, ==, c->asid);
	g_assert_cmphex(v.addr, ==, addr);
	g_assert_cmphex(v.len, ==, len);
	g_assert_cmpuint(v.pages, ==, pages);
	g_assert_cmpuint(v.opcode, ==, 0);
	g_assert_cmpuint(v.access, ==, 0);
	g_assert_cmpuint(v.cookie, ==, 0);
	g_assert_cmpuint(v.mode, ==, (c->ctl & DMIRAGE_CTL_MODE_MASK) >> 4);
	return v;
}

/* --- what is true --------------------------------------------------------------------- */

static void test_clean(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open_checked(d, 1), other = context_open_checked(d, 2);
	uint64_t giga = 5 * PAGE_1G;

	expect_audit(&c, ALL, 0, 0, 0);
	map_new(&c, VA, 5 * PAGE_4K, ORDER_4K);
	map_new(&c, VA + PAGE_2M, PAGE_2M, ORDER_2M);
	mirror_map(&c, giga, 0x140000000, ORDER_1G, DMIRAGE_PTE_WRITE);
	cpu_map(&c, giga, 0x140000000, ORDER_1G, X86_RW);
	map_new(&other, VA, PAGE_4K, ORDER_4K);
	cpu_map(&other, VA, 0, ORDER_4K, 0);
	expect_audit(&c, ALL, 5 + 1 + 1, 5 + 512 + 262144, 0);
	/* What is in the IOTLB is looked at besides. */
	run_ok(&c, op_fill(VA, 3 * PAGE_4K, 1));
	run_ok(&c, op_read(VA + PAGE_2M, 8));
	expect_audit(&c, ALL, 5 + 1 + 1 + 4, 5 + 512 + 262144 + 3 + 512, 0);
	/* And what is latched. */
	hold_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
	hold(&c, DMIRAGE_HOLD_TRANSLATED | DMIRAGE_HOLD_KEEP);
	submit(&c, op_copy(VA, VA + PAGE_2M, 2 * PAGE_4K));
	hold_await(&c);
	expect_audit(&c, VA, PAGE_1G, 6 + 4 + 3, 517 + 515 + 2 + 512, 0);
	hold(&c, DMIRAGE_HOLD_RELEASE);
	g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
	/* Ranges: to the byte, each page that it touches. */
	expect_audit(&c, VA + 3 * PAGE_4K, 1, 1, 1, 0);
	expect_audit(&c, VA + 4 * PAGE_4K - 1, 2, 2, 2, 0);
	expect_audit(&c, VA + PAGE_2M + 10, 2 * PAGE_4K, 2, 2 * 3, 0);
	expect_audit(&c, VA + 5 * PAGE_4K, PAGE_4K, 0, 0, 0);
	expect_audit(&c, giga + 7 * PAGE_4K, ~0ull, 1 + 6 + 4, 262137 + 517 + 515, 0);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_AUDITED), ==,
			 2 * 262661 + 515 + 1546 + 1 + 2 + 6 + 263169);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_AUDIT_VIOLATIONS), ==, 0);
	/* Nothing of it counts as an access. */
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ORACLE_CHECKS), ==, 3 + 1 + 4);
	expect_error(d, 0);
	device_close(d);
}

/* --- what is not ------------------------------------------------------------------------ */

/* Each kind, in each place. */
static void test_kinds(void)
{
	struct device *d = device_open("suspect-ms=30");
	struct context c = context_open_checked(d, 3);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K), fresh = ram_alloc(d, PAGE_4K);
	struct dmirage_vqe v;
	gint64 began;

	/* In the mirror table. */
	cpu_map(&c, VA, fresh, ORDER_4K, X86_RW);
	qtest_step(d->q, 500);
	expect_audit(&c, ALL, 1, 1, 1);
	v = expect_record(&c, DMIRAGE_VIOL_FRAME, DMIRAGE_HELD_TABLE, VA, PAGE_4K, 1);
	g_assert_cmphex(v.held_addr, ==, pa);
	g_assert_cmphex(v.cpu_addr, ==, fresh);
	g_assert_cmphex(v.cpu_entry, ==, fresh | X86_RW);
	g_assert_cmphex(v.cpu_flags, ==, DMIRAGE_VQE_CPU_PRESENT | DMIRAGE_VQE_CPU_WRITE);
	g_assert_cmphex(v.held_flags, ==, DMIRAGE_VQE_HELD_WRITE);
	g_assert_cmpuint(v.held_order, ==, ORDER_4K);
	g_assert_cmpuint(v.cpu_order, ==, ORDER_4K);
	g_assert_cmpuint(v.time, ==, 1500);
	g_assert_cmpuint(v.fill_time, ==, 1500);
	cpu_map(&c, VA, pa, ORDER_4K, X86_RO);
	expect_audit(&c, ALL, 1, 1, 1);
	expect_record(&c, DMIRAGE_VIOL_WRITE, DMIRAGE_HELD_TABLE, VA, PAGE_4K, 1);
	cpu_map(&c, VA, 0, ORDER_4K, 0);
	began = g_get_monotonic_time();
	expect_audit(&c, ALL, 1, 1, 1);
	g_assert_cmpint(g_get_monotonic_time() - began, >=, 30000);
	expect_record(&c, DMIRAGE_VIOL_ABSENT, DMIRAGE_HELD_TABLE, VA, PAGE_4K, 1);
	/* For reading only, on both sides: that is true. */
	mirror_map(&c, VA, pa, ORDER_4K, 0);
	cpu_map(&c, VA, pa, ORDER_4K, X86_RO);
	expect_audit(&c, ALL, 1, 1, 0);

	/* In the IOTLB alone: the entry was cleared, and no command sent. */
	mirror_map(&c, VA, pa, ORDER_4K, DMIRAGE_PTE_WRITE);
	cpu_map(&c, VA, pa, ORDER_4K, X86_RW);
	inv_range(d, 3, VA + PAGE_2M - 1, 1);
	run_ok(&c, op_write(VA, 8, 1));
	ram_set64(d, mirror_entry(&c, VA, 1), 0);
	cpu_map(&c, VA, fresh, ORDER_4K, X86_RW);
	qtest_step(d->q, 500);
	expect_audit(&c, ALL, 1, 1, 1);
	v = expect_record(&c, DMIRAGE_VIOL_FRAME, DMIRAGE_HELD_IOTLB, VA, PAGE_4K, 1);
	g_assert_cmpuint(v.fill_time, ==, 1500);
	g_assert_cmpuint(v.time, ==, 2000);
	g_assert_cmpuint(v.inv_time, ==, 1500);
	g_assert_cmphex(v.inv_start, ==, VA + PAGE_2M - 1);

	/* Latched alone: a command was sent, and not awaited. */
	cpu_map(&c, VA, pa, ORDER_4K, X86_RW);
	hold_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
	hold(&c, DMIRAGE_HOLD_TRANSLATED | DMIRAGE_HOLD_KEEP);
	submit(&c, op_write(VA, 8, 1));
	hold_await(&c);
	inv_range(d, 3, VA, 1);
	expect_audit(&c, ALL, 1, 1, 0);
	cpu_map(&c, VA, fresh, ORDER_4K, X86_RW);
	expect_audit(&c, ALL, 1, 1, 1);
	expect_record(&c, DMIRAGE_VIOL_FRAME, DMIRAGE_HELD_LATCHED, VA, PAGE_4K, 1);
	cpu_map(&c, VA, pa, ORDER_4K, X86_RW);
	hold(&c, DMIRAGE_HOLD_RELEASE);
	cqe_take(&c);
	wait_done(d);
	expect_audit(&c, ALL, 0, 0, 0);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_AUDIT_VIOLATIONS), ==, 5);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ORACLE_VIOLATIONS), ==, 0);
	device_close(d);
}

/* A large one: a record with its first page that differs, as far as the range goes. */
static void test_large(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open_checked(d, 4);
	uint64_t pa = ram_alloc(d, PAGE_2M), fresh = ram_alloc(d, PAGE_4K);
	struct dmirage_vqe v;

	mirror_map(&c, VA, pa, ORDER_2M, DMIRAGE_PTE_WRITE);
	for (uint64_t at = 0; at < PAGE_2M; at += PAGE_4K)
		cpu_map(&c, VA + at, pa + at, ORDER_4K, X86_RW);
	cpu_map(&c, VA + 7 * PAGE_4K, fresh, ORDER_4K, X86_RW);
	cpu_map(&c, VA + 9 * PAGE_4K, fresh, ORDER_4K, X86_RW);
	expect_audit(&c, ALL, 1, 512, 1);
	v = expect_record(&c, DMIRAGE_VIOL_FRAME, DMIRAGE_HELD_TABLE, VA + 7 * PAGE_4K,
			  PAGE_2M - 7 * PAGE_4K, 2);
	g_assert_cmphex(v.held_addr, ==, pa + 7 * PAGE_4K);
	g_assert_cmpuint(v.held_order, ==, ORDER_2M);
	expect_audit(&c, VA, 7 * PAGE_4K, 1, 7, 0);
	expect_audit(&c, VA + 8 * PAGE_4K, PAGE_4K, 1, 1, 0);
	expect_audit(&c, VA + 9 * PAGE_4K + 5, 1, 1, 1, 1);
	expect_record(&c, DMIRAGE_VIOL_FRAME, DMIRAGE_HELD_TABLE, VA + 9 * PAGE_4K + 5,
		      PAGE_2M - 9 * PAGE_4K - 5, 1);
	/* A queue that is full: the rest is counted. */
	d->vq = queue_open(d, DMIRAGE_REG_VQ, 0);
	for (unsigned int i = 0; i < 3; i++)
		g_assert_cmpuint(audit(&c, ALL, 0).violations, ==, 1);
	g_assert_cmpuint(r32(d, VQ(DMIRAGE_Q_MISSED)), ==, 2);
	device_close(d);
}

/* --- absence -------------------------------------------------------------------------------- */

/* It has to last; many are waited for at once; what comes back, or goes, was none. */
static void test_absent(void)
{
	enum { N = 100,
	       MS = 150 };
	struct device *d = device_open("suspect-ms=150");
	struct context c = context_open_checked(d, 5);
	uint64_t pa = map_new(&c, VA, N * PAGE_4K, ORDER_4K), answer;
	struct dmirage_audit a;
	gint64 began = g_get_monotonic_time();

	for (unsigned int i = 0; i < N; i++)
		cpu_map(&c, VA + i * PAGE_4K, 0, ORDER_4K, 0);
	answer = audit_send(d, 5, ALL, 0);
	wait_for(ctx_status(&c) == DMIRAGE_CTX_BUSY);
	g_assert_cmphex(r32(d, DMIRAGE_REG_STATUS), ==, DMIRAGE_STATUS_BUSY);
	/* Half of them are back soon. */
	for (unsigned int i = 0; i < N; i += 2)
		cpu_map(&c, VA + i * PAGE_4K, pa + i * PAGE_4K, ORDER_4K, X86_RW);
	a = audit_take(d, answer);
	g_assert_cmpint(g_get_monotonic_time() - began, >=, MS * 1000);
	g_assert_cmpint(g_get_monotonic_time() - began, <, N * MS * 1000 / 2);
	g_assert_cmpuint(a.translations, ==, N);
	g_assert_cmpuint(a.pages, ==, N);
	g_assert_cmpuint(a.violations, ==, N / 2);
	wait_for(!r32(d, DMIRAGE_REG_STATUS));
	for (unsigned int i = 1; i < N; i += 2) {
		struct dmirage_vqe v = violation_take(d);

		g_assert_cmpuint(v.kind, ==, DMIRAGE_VIOL_ABSENT);
		g_assert_cmpuint((v.addr - VA) / PAGE_4K % 2, ==, 1);
	}
	/* Taken back by the book while it was in doubt: entry, command, answer. */
	answer = audit_send(d, 5, ALL, 0);
	for (unsigned int i = 1; i < N; i += 2)
		ram_set64(d, mirror_entry(&c, VA + i * PAGE_4K, 1), 0);
	inv_range(d, 5, VA, N * PAGE_4K);
	wait_done(d);
	a = audit_take(d, answer);
	g_assert_cmpuint(a.violations, ==, 0);
	g_assert_false(violation_ready(d));
	/* With another frame it is a violation after all. */
	cpu_map(&c, VA, 0, ORDER_4K, 0);
	answer = audit_send(d, 5, ALL, 0);
	cpu_map(&c, VA, ram_alloc(d, PAGE_4K), ORDER_4K, X86_RW);
	a = audit_take(d, answer);
	g_assert_cmpuint(a.violations, ==, 1);
	g_assert_cmpuint(violation_take(d).kind, ==, DMIRAGE_VIOL_FRAME);
	device_close(d);
}

/* --- modes ------------------------------------------------------------------------------------- */

static void test_pinned(void)
{
	struct device *d = device_open("suspect-ms=20");
	struct context c = context_open_mode(d, 6, DMIRAGE_CTL_MODE_PINNED | DMIRAGE_CTL_ORACLE);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K);

	cpu_map(&c, VA, pa, ORDER_4K, X86_RO);
	expect_audit(&c, ALL, 1, 1, 0);
	cpu_map(&c, VA, ram_alloc(d, PAGE_4K), ORDER_4K, X86_RW);
	expect_audit(&c, ALL, 1, 1, 1);
	expect_record(&c, DMIRAGE_VIOL_DIVERGED, DMIRAGE_HELD_TABLE, VA, PAGE_4K, 1);
	cpu_map(&c, VA, 0, ORDER_4K, 0);
	expect_audit(&c, ALL, 1, 1, 1);
	expect_record(&c, DMIRAGE_VIOL_DIVERGED, DMIRAGE_HELD_TABLE, VA, PAGE_4K, 1);
	device_close(d);
}

/* Only software knows when nothing may differ any more. */
static void test_shared(void)
{
	struct device *d = device_open("suspect-ms=20");
	struct context c = context_open_mode(d, 7, DMIRAGE_CTL_MODE_SHARED | DMIRAGE_CTL_ORACLE);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K);

	/* There is no other table than the CPU's: what is held is in the IOTLB. */
	expect_audit(&c, ALL, 0, 0, 0);
	run_ok(&c, op_write(VA, 8, 1));
	expect_audit(&c, ALL, 1, 1, 0);
	g_assert_cmpuint(audit(&c, ALL, DMIRAGE_CMD_F_SETTLED).violations, ==, 0);
	cpu_map(&c, VA, pa, ORDER_4K, X86_RO);
	expect_audit(&c, ALL, 1, 1, 0);
	g_assert_cmpuint(audit(&c, ALL, DMIRAGE_CMD_F_SETTLED).violations, ==, 1);
	expect_record(&c, DMIRAGE_VIOL_WRITE, DMIRAGE_HELD_IOTLB, VA, PAGE_4K, 1);
	cpu_map(&c, VA, 0, ORDER_4K, 0);
	expect_audit(&c, ALL, 1, 1, 0);
	g_assert_cmpuint(audit(&c, ALL, DMIRAGE_CMD_F_SETTLED).violations, ==, 1);
	expect_record(&c, DMIRAGE_VIOL_ABSENT, DMIRAGE_HELD_IOTLB, VA, PAGE_4K, 1);
	cpu_map(&c, VA, ram_alloc(d, PAGE_4K), ORDER_4K, X86_RW);
	expect_audit(&c, ALL, 1, 1, 1);
	expect_record(&c, DMIRAGE_VIOL_FRAME, DMIRAGE_HELD_IOTLB, VA, PAGE_4K, 1);
	device_close(d);
}

/* --- those that are cut short --------------------------------------------------------------------- */

static void test_cut(void)
{
	struct device *d = device_open("suspect-ms=10000");
	struct context c = context_open_checked(d, 8), plain = context_open(d, 9);
	uint64_t answer;

	/* No page table to compare with; none at all. */
	g_assert_cmphex(audit(&plain, ALL, 0).violations, ==, DMIRAGE_AUDIT_CUT);
	context_disable(&plain);
	g_assert_cmphex(audit(&plain, ALL, 0).violations, ==, DMIRAGE_AUDIT_CUT);
	map_new(&c, VA, PAGE_4K, ORDER_4K);
	for (unsigned int i = 0; i < 3; i++) {
		gint64 began = g_get_monotonic_time();

		/* In doubt for long. */
		cpu_map(&c, VA, 0, ORDER_4K, 0);
		answer = audit_send(d, 8, ALL, 0);
		wait_for(ctx_status(&c) == DMIRAGE_CTX_BUSY);
		g_usleep(i * 2000);
		if (i == 1) {
			/* The memory may be somebody else's afterwards. */
			device_reset(d);
			expect_never(ram64(d, answer) || ram64(d, answer + 8));
			device_setup(d);
		} else {
			w32(d, CTX(8, DMIRAGE_CTX_CTL), 0);
			/* Not to be had again before it is over. */
			wait_for(!(ctx_status(&c) & DMIRAGE_CTX_BUSY));
			g_assert_cmphex(audit_take(d, answer).violations, ==, DMIRAGE_AUDIT_CUT);
		}
		g_assert_cmpint(g_get_monotonic_time() - began, <, 3000000);
		context_enable(&c);
	}
	/* While the machine is stopped it is, too, and is done when it goes on. */
	answer = audit_send(d, 8, ALL, 0);
	wait_for(ctx_status(&c) == DMIRAGE_CTX_BUSY);
	qtest_qmp_ok(d->q, "{\"execute\":\"stop\"}\n");
	g_assert_cmphex(ctx_status(&c), ==, 0);
	expect_never(ram64(d, answer + 8));
	map_new(&c, VA, PAGE_4K, ORDER_4K);
	qtest_qmp_ok(d->q, "{\"execute\":\"cont\"}\n");
	g_assert_cmpuint(audit_take(d, answer).violations, ==, 0);
	device_close(d);
	/* A device without an oracle has no such command. */
	d = device_open("oracle=off");
	c = context_open_checked(d, 8);
	audit_send(d, 8, ALL, 0);
	expect_error(d, DMIRAGE_ERR_COMMAND);
	device_close(d);
}

/* 64 can be open; the next command waits, and then all is done, in order. */
static void test_many(void)
{
	enum { N = 100 };
	struct device *d = device_open("suspect-ms=10000");
	struct context c = context_open_checked(d, 10);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K), answer[N];

	d->iq = queue_open(d, DMIRAGE_REG_IQ, 8);
	cpu_map(&c, VA, 0, ORDER_4K, 0);
	/* Commands behind one do not wait for it. */
	answer[0] = audit_send(d, 10, ALL, 0);
	wait_done(d);
	for (unsigned int i = 1; i < N; i++)
		answer[i] = audit_send(d, 10, ALL, 0);
	inv_asid(d, 10);
	g_assert_cmpuint(r32(d, IQ(DMIRAGE_Q_HEAD)), ==, 64 + 1);
	cpu_map(&c, VA, pa, ORDER_4K, X86_RW);
	for (unsigned int i = 0; i < N; i++)
		g_assert_cmpuint(audit_take(d, answer[i]).violations, ==, 0);
	wait_for(r32(d, IQ(DMIRAGE_Q_HEAD)) == N + 2);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_AUDITED), ==, N);
	device_close(d);
}

/*
 * A WAIT behind so many audits lets a held chunk go on when its turn comes;
 * without engines somebody has to do it.
 */
static void test_wait_behind(void)
{
	struct device *d = device_open("suspect-ms=10000,engines=0");
	struct context c = context_open_checked(d, 11), other = context_open(d, 12);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K), answer[65], status;

	map_new(&other, VA, PAGE_4K, ORDER_4K);
	d->iq = queue_open(d, DMIRAGE_REG_IQ, 8);
	hold_limit(&other, DMIRAGE_HOLD_LIMIT_MAX);
	hold(&other, DMIRAGE_HOLD_TRANSLATED);
	submit(&other, op_write(VA, 8, 1));
	hold_await(&other);
	inv_asid(d, 12);
	cpu_map(&c, VA, 0, ORDER_4K, 0);
	for (unsigned int i = 0; i < G_N_ELEMENTS(answer); i++)
		answer[i] = audit_send(d, 11, ALL, 0);
	status = wait_send(d);
	g_assert_cmphex(ctx_status(&other), ==, DMIRAGE_CTX_HELD);
	cpu_map(&c, VA, pa, ORDER_4K, X86_RW);
	for (unsigned int i = 0; i < G_N_ELEMENTS(answer); i++)
		audit_take(d, answer[i]);
	wait_for(ram32(d, status) == 1);
	device_close(d);
}

/* --- by itself -------------------------------------------------------------------------------------- */

static void test_timer(void)
{
	struct device *d = device_open("audit-ms=20");
	struct context c = context_open_checked(d, 13), other = context_open_checked(d, 14);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K);

	map_new(&other, VA, PAGE_4K, ORDER_4K);
	wait_for(counter(&c, DMIRAGE_CNT_AUDITED) >= 3 && counter(&other, DMIRAGE_CNT_AUDITED) >= 3);
	g_assert_false(violation_ready(d));
	cpu_map(&c, VA, ram_alloc(d, PAGE_4K), ORDER_4K, X86_RW);
	expect_record(&c, DMIRAGE_VIOL_FRAME, DMIRAGE_HELD_TABLE, VA, PAGE_4K, 1);
	/* And again, for as long as it is there. */
	expect_record(&c, DMIRAGE_VIOL_FRAME, DMIRAGE_HELD_TABLE, VA, PAGE_4K, 1);
	cpu_map(&c, VA, pa, ORDER_4K, X86_RW);
	context_disable(&c);
	context_disable(&other);
	device_close(d);
	d = device_open(NULL);
	c = context_open_checked(d, 13);
	map_new(&c, VA, PAGE_4K, ORDER_4K);
	expect_never(counter(&c, DMIRAGE_CNT_AUDITED));
	device_close(d);
}

/* --- no false alarm ----------------------------------------------------------------------------------- */

/* On a busy machine it takes longer until the device has done something. */
static bool too_few(struct context *c)
{
	return counter(c, DMIRAGE_CNT_AUDITED) <= 50 || counter(c, DMIRAGE_CNT_ORACLE_CHECKS) <= 10;
}

/*
 * Pages are taken back and given anew, by the book, for thousands of times, while
 * the device uses them and audits look all the time.
 */
static void race(const char *options, uint32_t mode, unsigned int order)
{
	enum { ROUNDS = 1500,
	       PAGES = 8 };
	struct device *d = device_open(options);
	struct context c = context_open_mode(d, 15, mode | DMIRAGE_CTL_ORACLE);
	bool shared = mode == DMIRAGE_CTL_MODE_SHARED;
	unsigned int level = (order - ORDER_4K) / 9 + 1;
	uint64_t page = 1ull << order, status = ram_alloc(d, PAGE_4K), pa[PAGES], spare;
	uint64_t answer = ram_alloc(d, PAGE_4K), audits = 0;
	struct dmirage_fqe e;

	for (unsigned int i = 0; i < PAGES; i++)
		pa[i] = map_new(&c, VA + i * page, page, order);
	spare = ram_alloc(d, page);
	ram_set64(d, answer + 8, 1ull << 32);
	for (unsigned int i = 0; i < ROUNDS || (i < 50 * ROUNDS && too_few(&c)); i++) {
		unsigned int n = i * 5 % PAGES;
		uint64_t va = VA + n * page, old = pa[n];

		if (ram64(d, answer + 8) >> 32) {
			g_assert_cmpuint(ram32(d, answer + 8), ==, 0);
			ram_set64(d, answer + 8, 0);
			command(d, (struct dmirage_cmd){ .opcode = DMIRAGE_CMD_AUDIT,
							 .asid = 15,
							 .value = 1,
							 .len = ~0ull,
							 .status_addr = answer });
			audits++;
		}
		while (fault_ready(d)) {
			e = fault_take(d);
			fault_answer(d, &e, DMIRAGE_RESP_RETRY);
		}
		/* A page that is for reading only may be so for long. */
		while (cqe_ready(&c)) {
			unsigned int ended = cqe_take(&c).status;

			g_assert_true(ended == DMIRAGE_ST_OK || ended == DMIRAGE_ST_FAULT_LIMIT);
		}
		if (c.tail - c.head < 8)
			submit(&c, i % 2 ? op_touch_write(VA, PAGES * page) :
					   op_touch_read(VA, PAGES * page));
		if (shared)
			ram_set64(d, cpu_entry(&c, va, level), 0);
		else
			ram_set64(d, mirror_entry(&c, va, level), 0);
		inv_range(d, 15, va, page);
		ram_set64(d, status, 0);
		command(d, (struct dmirage_cmd){ .opcode = DMIRAGE_CMD_WAIT,
						 .value = 1,
						 .status_addr = status });
		wait_for(ram64(d, status));
		/* Now the kernel does what it wants to. */
		cpu_map(&c, va, i % 3 ? spare : old, order, i % 4 ? X86_RW : X86_RO);
		if (!shared)
			mirror_map(&c, va, i % 3 ? spare : old, order,
				   i % 4 ? DMIRAGE_PTE_WRITE : 0);
		if (i % 3) {
			pa[n] = spare;
			spare = old;
		}
	}
	g_test_message("%u audits", (unsigned int)audits);
	g_assert_cmpuint(audits, >, 20);
	g_assert_false(violation_ready(d));
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ORACLE_VIOLATIONS), ==, 0);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_AUDIT_VIOLATIONS), ==, 0);
	g_assert_false(too_few(&c));
	device_close(d);
}

static void test_race(void)
{
	race("suspect-ms=1,audit-ms=1", DMIRAGE_CTL_MODE_MIRROR, ORDER_4K);
	race("suspect-ms=1,audit-ms=1,engines=4,prefetch=3", DMIRAGE_CTL_MODE_MIRROR, ORDER_4K);
}

static void test_race_large(void)
{
	race("suspect-ms=1,fracture=on", DMIRAGE_CTL_MODE_MIRROR, ORDER_2M);
}

static void test_race_shared(void)
{
	race("suspect-ms=1,audit-ms=1", DMIRAGE_CTL_MODE_SHARED, ORDER_4K);
}

/*
 * The same, one at a time: while a look at a GiB is under way, which takes many
 * ms since the process maps it by 4 KiB, it is taken back, by the book, a page in
 * the middle gets another frame, and, if @again, everything is as it was before
 * the look is over.
 */
static void take_back(struct context *c, enum dmirage_holder holder, bool again)
{
	const uint64_t pa = 0x140000000, va = VA & ~(PAGE_1G - 1), middle = va + PAGE_1G / 2;
	struct device *d = c->d;
	gint64 began, takes;
	uint64_t answer;

	mirror_map(c, va, pa, ORDER_1G, DMIRAGE_PTE_WRITE);
	inv_asid(d, c->asid);
	wait_done(d);
	/* How long a look is. */
	began = g_get_monotonic_time();
	expect_audit(c, ALL, 1, 262144, 0);
	takes = g_get_monotonic_time() - began;
	if (holder != DMIRAGE_HELD_TABLE) {
		run_ok(c, op_read(va, 8));
		/* It is not in the table, so that its first look is the one meant. */
		ram_set64(d, mirror_entry(c, va, 3), 0);
	}
	if (holder == DMIRAGE_HELD_LATCHED) {
		hold(c, DMIRAGE_HOLD_TRANSLATED | DMIRAGE_HOLD_KEEP);
		submit(c, op_read(va, 8));
		hold_await(c);
		inv_asid(d, c->asid);
	}
	answer = audit_send(d, c->asid, ALL, 0);
	wait_for(ctx_status(c) & DMIRAGE_CTX_BUSY || ram64(d, answer + 8));
	ram_set64(d, mirror_entry(c, va, 3), 0);
	if (holder == DMIRAGE_HELD_LATCHED)
		hold(c, DMIRAGE_HOLD_RELEASE);
	inv_asid(d, c->asid);
	wait_done(d);
	cpu_map(c, middle, pa, ORDER_4K, X86_RW);
	if (again) {
		/* When the middle has been seen, and the end has not. */
		g_usleep(takes * 3 / 4);
		cpu_map(c, middle, pa + PAGE_1G / 2, ORDER_4K, X86_RW);
		qtest_step(d->q, 1000);
		mirror_map(c, va, pa, ORDER_1G, DMIRAGE_PTE_WRITE);
		if (holder == DMIRAGE_HELD_LATCHED) {
			g_assert_cmpuint(cqe_take(c).status, ==, DMIRAGE_ST_OK);
			hold(c, DMIRAGE_HOLD_TRANSLATED | DMIRAGE_HOLD_KEEP);
			submit(c, op_read(va, 8));
			hold_await(c);
		} else {
			run_ok(c, op_read(va, 8));
		}
	}
	g_assert_cmpuint(audit_take(d, answer).violations, ==, 0);
	if (holder == DMIRAGE_HELD_LATCHED) {
		hold(c, DMIRAGE_HOLD_RELEASE);
		g_assert_cmpuint(cqe_take(c).status, ==, DMIRAGE_ST_OK);
	}
	cpu_map(c, middle, pa + PAGE_1G / 2, ORDER_4K, X86_RW);
}

static void test_taken_back(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open_checked(d, 17);
	const uint64_t va = VA & ~(PAGE_1G - 1);

	hold_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
	for (uint64_t at = 0; at < PAGE_1G; at += PAGE_4K)
		cpu_map(&c, va + at, 0x140000000 + at, ORDER_4K, X86_RW);
	for (unsigned int round = 0; round < 3; round++)
		for (unsigned int holder = 0; holder < 3; holder++) {
			take_back(&c, holder, false);
			take_back(&c, holder, true);
		}
	g_assert_false(violation_ready(d));
	/* A command for something else, in the middle of a look, hides nothing. */
	inv_asid(d, 17);
	mirror_map(&c, va, 0x140000000, ORDER_1G, DMIRAGE_PTE_WRITE);
	cpu_map(&c, va, 0x100000000, ORDER_4K, X86_RW);
	for (unsigned int round = 0; round < 3; round++) {
		uint64_t answer = audit_send(d, 17, ALL, 0);

		wait_for(ctx_status(&c) & DMIRAGE_CTX_BUSY || ram64(d, answer + 8));
		inv_range(d, 17, 0, PAGE_4K);
		g_assert_cmpuint(audit_take(d, answer).violations, ==, 1);
	}
	device_close(d);
}

/* --- tables without an end ---------------------------------------------------------------------------- */

/* A table that leads to itself by @n of its entries. */
static void loop(struct context *c, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		ram_set64(c->d, c->pt_root + 8 * i, c->pt_root | DMIRAGE_PTE_VALID);
		ram_set64(c->d, c->cpu_root + 8 * i, c->cpu_root | X86_RO);
	}
}

static void test_loop(void)
{
	struct device *d = device_open("suspect-ms=1");
	struct context c = context_make(d, 16);
	struct dmirage_audit a;
	uint64_t answer;

	c.ctl = DMIRAGE_CTL_ENABLE | DMIRAGE_CTL_PT_LEVELS(4) | DMIRAGE_CTL_ORACLE |
		DMIRAGE_CTL_CPU_LEVELS(4);
	context_enable(&c);
	w32(d, VQ(DMIRAGE_Q_CONFIG), 0);
	/* It ends, with all that there is. */
	loop(&c, 8);
	a = audit(&c, ALL, 0);
	g_assert_cmpuint(a.translations, ==, 8 * 8 * 8 * 8);
	g_assert_cmpuint(a.pages, ==, 8 * 8 * 8 * 8);
	g_assert_cmphex(a.violations, ==, 8 * 8 * 8 * 8);
	/* All entries: that takes long, and can be ended at any time. */
	loop(&c, 512);
	for (unsigned int i = 0; i < 3; i++) {
		answer = audit_send(d, 16, ALL, 0);
		wait_for(ctx_status(&c) & DMIRAGE_CTX_BUSY);
		g_usleep(10000);
		if (i < 2) {
			context_disable(&c);
			g_assert_cmphex(audit_take(d, answer).violations, ==, DMIRAGE_AUDIT_CUT);
			context_enable(&c);
		} else {
			device_reset(d);
			expect_never(ram64(d, answer + 8));
		}
	}
	device_close(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/audit/clean", test_clean);
	g_test_add_func("/audit/kinds", test_kinds);
	g_test_add_func("/audit/large", test_large);
	g_test_add_func("/audit/absent", test_absent);
	g_test_add_func("/audit/pinned", test_pinned);
	g_test_add_func("/audit/shared", test_shared);
	g_test_add_func("/audit/cut", test_cut);
	g_test_add_func("/audit/many", test_many);
	g_test_add_func("/audit/wait-behind", test_wait_behind);
	g_test_add_func("/audit/timer", test_timer);
	g_test_add_func("/audit/race", test_race);
	g_test_add_func("/audit/race-large", test_race_large);
	g_test_add_func("/audit/race-shared", test_race_shared);
	g_test_add_func("/audit/taken-back", test_taken_back);
	g_test_add_func("/audit/loop", test_loop);
	return g_test_run();
}
