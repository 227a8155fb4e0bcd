/* SPDX-License-Identifier: GPL-2.0 */
/* The oracle: what it reports, what it says of it, and what it lets pass. */
#include "device.h"

#include <string.h>

#define VA	0x000fac1e600000ull

#define SUSPECT		"suspect-ms=40"
#define SUSPECT_US	40000

/* A violation as it must be; a test changes what differs. */
static struct dmirage_vqe expected_write(struct context *c, uint64_t cookie)
{
	return (struct dmirage_vqe){
		.kind = DMIRAGE_VIOL_FRAME,
		.opcode = DMIRAGE_OP_WRITE_IMM,
		.access = DMIRAGE_VQE_ACCESS_WRITE,
		.held_order = ORDER_4K,
		.asid = c->asid,
		.held_flags = DMIRAGE_VQE_HELD_WRITE,
		.cpu_flags = DMIRAGE_VQE_CPU_PRESENT | DMIRAGE_VQE_CPU_WRITE,
		.cookie = cookie,
		.addr = VA,
		.len = 8,
		.pages = 1,
		.cpu_order = ORDER_4K,
	};
}

#define same(field)	g_assert_cmphex(is.field, ==, e->field)

static void expect_violation(struct device *d, const struct dmirage_vqe *e)
{
	struct dmirage_vqe is = violation_take(d);

	same(kind);
	same(opcode);
	same(access);
	same(held_order);
	same(asid);
	same(held_flags);
	same(cpu_flags);
	same(cookie);
	same(addr);
	same(len);
	same(pages);
	same(cpu_order);
	same(held_addr);
	same(cpu_addr);
	same(cpu_entry);
	same(time);
	same(fill_time);
	same(inv_time);
	same(inv_start);
	same(inv_len);
	same(strength);
	same(holder);
	same(mode);
	same(why);
	same(cpu);
	same(level);
	same(reserved0);
	same(pc);
	same(before);
	same(after);
	same(store_time);
	same(chain);
	same(reserved1[0]);
	same(reserved1[1]);
}

/* The clock stands still but for this, so times are known exactly. */
static uint64_t now = 1000;

static uint64_t step(struct device *d, uint64_t ns)
{
	qtest_step(d->q, ns);
	now += ns;
	return now;
}

static struct device *open_device(const char *options)
{
	now = 1000;
	return device_open(options);
}

static void expect_clean(struct context *c)
{
	g_assert_cmpuint(counter(c, DMIRAGE_CNT_ORACLE_VIOLATIONS), ==, 0);
	g_assert_cmpuint(counter(c, DMIRAGE_CNT_ORACLE_CHECKS), >, 0);
	g_assert_false(violation_ready(c->d));
	g_assert_cmpuint(r32(c->d, VQ(DMIRAGE_Q_TAIL)), ==, 0);
	g_assert_cmpuint(r32(c->d, VQ(DMIRAGE_Q_MISSED)), ==, 0);
}

/* What is true: every size on either side, both numbers of levels. */
static void test_clean(void)
{
	struct device *d = open_device(NULL);

	for (unsigned int levels = 4; levels <= 5; levels++) {
		struct context c = context_make(d, levels);
		/* 1 GiB aligned, so that the process may have a 1 GiB page there. */
		uint64_t va = 0x40000000, pa = 0x140000000;

		c.ctl |= DMIRAGE_CTL_ORACLE | DMIRAGE_CTL_CPU_LEVELS(levels);
		context_enable(&c);
		mirror_map(&c, va, pa, ORDER_4K, DMIRAGE_PTE_WRITE);
		mirror_map(&c, va + PAGE_2M, pa + PAGE_2M, ORDER_2M, DMIRAGE_PTE_WRITE);
		mirror_map(&c, va + 2 * PAGE_2M, pa + 2 * PAGE_2M, ORDER_4K, 0);
		for (unsigned int order = ORDER_4K; order <= 30; order += 9) {
			/* As a process has it, from the small to the large. */
			for (uint64_t at = 0; at < 3 * PAGE_2M; at += 1ull << order)
				cpu_map(&c, va + at, pa + at, order, X86_RW);
			run_ok(&c, op_write(va + 8, 8, 1));
			run_ok(&c, op_fill(va + PAGE_2M, PAGE_2M, 1));
			run_ok(&c, op_copy(va, va + 2 * PAGE_2M, PAGE_4K));
			run_ok(&c, op_read(va + 3, 8));
		}
		/* For reading only, in both. */
		cpu_map(&c, va, 0, 30, 0);
		ram_set64(d, cpu_entry(&c, va, 3), 0);
		cpu_map(&c, va + 2 * PAGE_2M, pa + 2 * PAGE_2M, ORDER_4K, X86_RO);
		run_ok(&c, op_read(va + 2 * PAGE_2M, 8));
		/* The device may write less than the process: no violation. */
		cpu_map(&c, va + 2 * PAGE_2M, pa + 2 * PAGE_2M, ORDER_4K, X86_RW);
		run_ok(&c, op_read(va + 2 * PAGE_2M, 8));
		expect_clean(&c);
		/* Each page by itself: of 3 orders 1, 512, 2 and 8; and the two. */
		g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ORACLE_CHECKS), ==, 3 * 523 + 2);
	}
	device_close(d);
}

static void test_frame(void)
{
	struct device *d = open_device(NULL);
	struct context c = context_open_checked(d, 5);
	uint64_t old = map_new(&c, VA, PAGE_4K, ORDER_4K), fresh = ram_alloc(d, PAGE_4K);
	struct dmirage_vqe e = expected_write(&c, 0xabc);
	struct dmirage_sqe sqe = op_write(VA + 16, 8, 7);

	e.fill_time = step(d, 500);
	run_ok(&c, op_read(VA, 8));
	expect_clean(&c);
	step(d, 100);
	cpu_map(&c, VA, fresh, ORDER_4K, X86_RW | 1ull << 63 | 0x60);
	e.time = step(d, 250);
	e.addr = VA + 16;
	e.held_addr = old;
	e.cpu_addr = fresh;
	e.cpu_entry = fresh | X86_RW | 1ull << 63 | 0x60;
	sqe.cookie = 0xabc;
	run_ok(&c, sqe);
	expect_violation(d, &e);
	wait_for(ram32(d, d->irq + 4 * DMIRAGE_VEC_VIOLATION) == 1);
	g_assert_cmpuint(ram32(d, d->irq + 4 * DMIRAGE_VEC_FAULT), ==, 0);
	/* It is carried out all the same. */
	g_assert_cmpuint(ram64(d, old + 16), ==, 7);
	g_assert_cmpuint(ram64(d, fresh + 16), ==, 0);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ORACLE_VIOLATIONS), ==, 1);
	/* A read, and by a large page of the process. */
	cpu_map(&c, VA, 0, ORDER_4K, 0);
	ram_set64(d, cpu_entry(&c, VA, 2), 0);
	cpu_map(&c, VA, 0x150000000, ORDER_2M, X86_RO);
	e.kind = DMIRAGE_VIOL_FRAME;
	e.opcode = DMIRAGE_OP_READ_IMM;
	e.access = 0;
	e.addr = VA;
	e.cpu_flags = DMIRAGE_VQE_CPU_PRESENT;
	e.cpu_order = ORDER_2M;
	e.cpu_addr = 0x150000000 | (VA & (PAGE_2M - 1));
	e.cpu_entry = 0x150000000 | X86_RO | X86_LARGE;
	sqe = op_read(VA, 8);
	sqe.cookie = 0xabc;
	run_ok(&c, sqe);
	expect_violation(d, &e);
	expect_error(d, 0);
	device_close(d);
}

static void test_write(void)
{
	struct device *d = open_device(NULL);
	struct context c = context_open_checked(d, 6);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K);
	struct dmirage_vqe e = expected_write(&c, 1);

	/* Also when it only reads: the translation itself is wrong. */
	cpu_map(&c, VA, pa, ORDER_4K, X86_RO);
	e.kind = DMIRAGE_VIOL_WRITE;
	e.cpu_flags = DMIRAGE_VQE_CPU_PRESENT;
	e.time = 1000;
	e.fill_time = 1000;
	e.held_addr = pa;
	e.cpu_addr = pa;
	e.cpu_entry = pa | X86_RO;
	run_ok(&c, op_nop());
	run_ok(&c, op_write(VA, 8, 1));
	expect_violation(d, &e);
	e.access = 0;
	e.opcode = DMIRAGE_OP_READ_IMM;
	e.cookie = 2;
	run_ok(&c, op_read(VA, 8));
	expect_violation(d, &e);
	/* An upper level that forbids, too. */
	cpu_map(&c, VA, pa, ORDER_4K, X86_RW);
	ram_set64(d, cpu_entry(&c, VA, 3), ram64(d, cpu_entry(&c, VA, 3)) & ~X86_WRITE);
	e.cpu_entry = pa | X86_RW;
	e.cookie = 3;
	run_ok(&c, op_read(VA, 8));
	expect_violation(d, &e);
	device_close(d);
}

/* At every level; and a table that is nowhere. */
static void test_absent(void)
{
	struct device *d = open_device(SUSPECT);
	struct context c = context_open_checked(d, 7);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K);
	struct dmirage_vqe e = expected_write(&c, 0);

	run_ok(&c, op_write(VA, 8, 1));
	e.kind = DMIRAGE_VIOL_ABSENT;
	e.cpu_flags = 0;
	e.cpu_order = 0;
	e.held_addr = pa;
	e.fill_time = 1000;
	e.time = 1000;
	for (unsigned int level = 1; level <= 6; level++) {
		uint64_t entry = cpu_entry(&c, VA, MIN(level, 5)), good = ram64(d, entry);
		gint64 began = g_get_monotonic_time();

		/* A swap entry is not present, whatever it holds. */
		e.cpu_entry = good & ~X86_PRESENT;
		if (level == 6) {
			e.cpu_entry = 0;
			ram_set64(d, entry, ADDR_NOTHING | X86_RW);
			e.cpu_entry = ADDR_NOTHING | X86_RW;
		} else {
			ram_set64(d, entry, e.cpu_entry);
		}
		e.cookie = level;
		run_ok(&c, op_write(VA, 8, 1));
		expect_violation(d, &e);
		/* Only after it had time to come back. */
		g_assert_cmpint(g_get_monotonic_time() - began, >=, SUSPECT_US);
		ram_set64(d, entry, good);
		g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ORACLE_SUSPECTS), ==, level);
	}
	run_ok(&c, op_write(VA, 8, 1));
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ORACLE_VIOLATIONS), ==, 6);
	device_close(d);
}

/* Absent for a moment, and there again. */
static void test_back_again(void)
{
	struct device *d = open_device("suspect-ms=10000");
	struct context c = context_open_checked(d, 8);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K);

	run_ok(&c, op_write(VA, 8, 1));
	for (unsigned int i = 0; i < 5; i++) {
		cpu_map(&c, VA, pa, ORDER_4K, X86_RW & ~X86_PRESENT);
		submit(&c, op_write(VA, 8, i + 2));
		wait_for(ctx_status(&c) == DMIRAGE_CTX_BUSY);
		g_assert_cmphex(r32(d, DMIRAGE_REG_STATUS), ==, DMIRAGE_STATUS_BUSY);
		/* It waits to be sure before it touches data. */
		expect_never(cqe_ready(&c) || ram64(d, pa) != i + 1);
		cpu_map(&c, VA, pa, ORDER_4K, X86_RW);
		g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
	}
	expect_clean(&c);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ORACLE_SUSPECTS), ==, 5);
	/* With another frame it is a violation after all. */
	cpu_map(&c, VA, 0, ORDER_4K, 0);
	submit(&c, op_write(VA, 8, 1));
	wait_for(ctx_status(&c) == DMIRAGE_CTX_BUSY);
	cpu_map(&c, VA, ram_alloc(d, PAGE_4K), ORDER_4K, X86_RW);
	cqe_take(&c);
	g_assert_cmpuint(violation_take(d).kind, ==, DMIRAGE_VIOL_FRAME);
	device_close(d);
}

/* An access that the oracle is in doubt of ends with its context. */
static void test_end_in_doubt(void)
{
	struct device *d = open_device("suspect-ms=10000");
	struct context c = context_open_checked(d, 9), other = context_open(d, 10);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K);

	for (unsigned int i = 0; i < 3; i++) {
		cpu_map(&c, VA, 0, ORDER_4K, 0);
		submit(&c, op_write(VA, 8, 1));
		wait_for(ctx_status(&c) == DMIRAGE_CTX_BUSY);
		if (i == 0) {
			context_disable(&c);
		} else if (i == 1) {
			device_reset(d);
			device_setup(d);
		} else {
			/* It is begun again when the machine goes on. */
			qtest_qmp_ok(d->q, "{\"execute\":\"stop\"}\n");
			g_assert_cmphex(ctx_status(&c), ==, 0);
			g_assert_cmpuint(ram64(d, pa), ==, 0);
			g_assert_false(violation_ready(d) || cqe_ready(&c));
			cpu_map(&c, VA, pa, ORDER_4K, X86_RW);
			qtest_qmp_ok(d->q, "{\"execute\":\"cont\"}\n");
			g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
			g_assert_cmpuint(ram64(d, pa), ==, 1);
			break;
		}
		g_assert_cmpuint(ram64(d, pa), ==, 0);
		g_assert_false(violation_ready(d));
		g_assert_false(cqe_ready(&c));
		context_enable(&c);
	}
	context_disable(&other);
	context_enable(&other);
	run_ok(&other, op_nop());
	device_close(d);
}

/* A piece of 64 KiB of which some pages differ, in different ways. */
static void test_many_pages(void)
{
	struct device *d = open_device(SUSPECT);
	struct context c = context_open_checked(d, 11);
	uint64_t va = VA & ~(PAGE_2M - 1);
	uint64_t pa = ram_alloc(d, PAGE_2M), fresh = ram_alloc(d, PAGE_4K);
	struct dmirage_vqe e = expected_write(&c, 1);

	mirror_map(&c, va, pa, ORDER_2M, DMIRAGE_PTE_WRITE);
	for (uint64_t at = 0; at < PAGE_2M; at += PAGE_4K)
		cpu_map(&c, va + at, pa + at, ORDER_4K, X86_RW);
	run_ok(&c, op_fill(va, PAGE_2M, 1));
	expect_clean(&c);
	cpu_map(&c, va + 3 * PAGE_4K, fresh, ORDER_4K, X86_RW);
	cpu_map(&c, va + 5 * PAGE_4K, pa + 5 * PAGE_4K, ORDER_4K, X86_RO);
	cpu_map(&c, va + 15 * PAGE_4K, 0, ORDER_4K, 0);
	/* The next piece has none; the one after it has its last page. */
	cpu_map(&c, va + 47 * PAGE_4K, fresh, ORDER_4K, X86_RW);
	run_ok(&c, op_fill(va + 100, 3 * DMIRAGE_CHUNK - 100, 2));
	e.opcode = DMIRAGE_OP_FILL;
	e.held_order = ORDER_2M;
	e.addr = va + 3 * PAGE_4K;
	e.len = DMIRAGE_CHUNK + 100 - 3 * PAGE_4K;
	e.pages = 3;
	e.held_addr = pa + 3 * PAGE_4K;
	e.cpu_addr = fresh;
	e.cpu_entry = fresh | X86_RW;
	e.time = 1000;
	e.fill_time = 1000;
	expect_violation(d, &e);
	e.addr = va + 47 * PAGE_4K;
	e.len = PAGE_4K;
	e.pages = 1;
	e.held_addr = pa + 47 * PAGE_4K;
	expect_violation(d, &e);
	g_assert_false(violation_ready(d));
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ORACLE_VIOLATIONS), ==, 2);
	/* The last one of the first piece needed no second look. */
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ORACLE_SUSPECTS), ==, 0);
	device_close(d);
}

/* Both sides of a copy, a record for each. */
static void test_both_sides(void)
{
	struct device *d = open_device(NULL);
	struct context c = context_open_checked(d, 12);
	uint64_t pa = map_new(&c, VA, 2 * PAGE_4K, ORDER_4K), fresh = ram_alloc(d, 2 * PAGE_4K);
	struct dmirage_vqe v;

	for (unsigned int i = 0; i < 2; i++)
		cpu_map(&c, VA + i * PAGE_4K, fresh + i * PAGE_4K, ORDER_4K, X86_RW);
	run_ok(&c, op_copy(VA, VA + PAGE_4K + 8, 64));
	v = violation_take(d);
	g_assert_cmphex(v.access, ==, 0);
	g_assert_cmphex(v.addr, ==, VA + PAGE_4K + 8);
	g_assert_cmphex(v.held_addr, ==, pa + PAGE_4K);
	v = violation_take(d);
	g_assert_cmphex(v.access, ==, DMIRAGE_VQE_ACCESS_WRITE);
	g_assert_cmphex(v.addr, ==, VA);
	g_assert_cmphex(v.held_addr, ==, pa);
	device_close(d);
}

/* The last command near the address is named, whether or not it reached it. */
static void test_history(void)
{
	struct device *d = open_device(NULL);
	struct context c = context_open_checked(d, 13), other = context_open(d, 14);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K), block = VA & ~(PAGE_2M - 1);
	struct dmirage_vqe e = expected_write(&c, 0);

	e.held_addr = pa;
	e.fill_time = 1000;
	e.cpu_addr = ram_alloc(d, PAGE_4K);
	e.cpu_entry = e.cpu_addr | X86_RW;
	run_ok(&c, op_write(VA, 8, 1));
	cpu_map(&c, VA, e.cpu_addr, ORDER_4K, X86_RW);
	/* Not near, or not for it, or no range. */
	step(d, 10);
	inv_range(d, 13, block - PAGE_4K, PAGE_4K);
	inv_range(d, 13, block + PAGE_2M, PAGE_4K);
	inv_range(d, 14, VA, PAGE_4K);
	e.time = step(d, 10);
	e.cookie = 1;
	run_ok(&c, op_write(VA, 8, 1));
	expect_violation(d, &e);
	/* Near, and the last one that is. */
	e.inv_time = step(d, 10);
	inv_range(d, 13, block + PAGE_2M - 1, 1);
	inv_range(d, 13, VA + 5 * PAGE_4K, 77);
	e.inv_start = VA + 5 * PAGE_4K;
	e.inv_len = 77;
	step(d, 10);
	inv_range(d, 13, block + PAGE_2M, PAGE_4K);
	e.time = step(d, 10);
	e.cookie = 2;
	run_ok(&c, op_write(VA, 8, 1));
	expect_violation(d, &e);
	/* All the addresses there are. */
	e.inv_time = step(d, 10);
	e.time = e.inv_time;
	e.fill_time = e.inv_time;
	inv_range(d, 13, 0, ~0ull);
	e.inv_start = 0;
	e.inv_len = ~0ull;
	e.cookie = 3;
	run_ok(&c, op_write(VA, 8, 1));
	expect_violation(d, &e);
	/* 64 of them are remembered. */
	for (unsigned int i = 0; i < DMIRAGE_INV_HISTORY; i++)
		inv_range(d, 13, block + PAGE_2M, PAGE_4K);
	e.inv_time = 0;
	e.inv_start = 0;
	e.inv_len = 0;
	e.cookie = 4;
	run_ok(&c, op_write(VA, 8, 1));
	expect_violation(d, &e);
	run_ok(&other, op_nop());
	device_close(d);
}

/* A queue that is full: counted, and the rest is as before. */
static void test_overflow(void)
{
	struct device *d = open_device(NULL);
	struct context c = context_open_checked(d, 15);

	d->vq = queue_open(d, DMIRAGE_REG_VQ, 1);
	map_new(&c, VA, PAGE_4K, ORDER_4K);
	cpu_map(&c, VA, ram_alloc(d, PAGE_4K), ORDER_4K, X86_RW);
	for (unsigned int i = 0; i < 7; i++)
		run_ok(&c, op_write(VA, 8, i));
	g_assert_cmpuint(r32(d, VQ(DMIRAGE_Q_MISSED)), ==, 5);
	g_assert_cmpuint(r32(d, VQ(DMIRAGE_Q_TAIL)), ==, 2);
	g_assert_cmpuint(violation_take(d).cookie, ==, 0);
	g_assert_cmpuint(violation_take(d).cookie, ==, 1);
	run_ok(&c, op_write(VA, 8, 0));
	g_assert_cmpuint(violation_take(d).cookie, ==, 7);
	g_assert_cmpuint(r32(d, VQ(DMIRAGE_Q_MISSED)), ==, 5);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ORACLE_VIOLATIONS), ==, 8);
	/* Off: they are lost, and counted. */
	w32(d, VQ(DMIRAGE_Q_CONFIG), 0);
	run_ok(&c, op_write(VA, 8, 0));
	g_assert_cmpuint(r32(d, VQ(DMIRAGE_Q_MISSED)), ==, 1);
	expect_error(d, 0);
	/* In what is no memory. */
	w64(d, VQ(DMIRAGE_Q_BASE), ADDR_NOTHING);
	w32(d, VQ(DMIRAGE_Q_CONFIG), DMIRAGE_Q_ENABLE | 3);
	run_ok(&c, op_write(VA, 8, 0));
	g_assert_cmphex(r32(d, VQ(DMIRAGE_Q_CONFIG)), ==, 3);
	expect_error(d, DMIRAGE_ERR_QUEUE);
	device_close(d);
}

/* A WAIT for an access that is a violation is answered after the record of it. */
static void test_before_wait(void)
{
	struct device *d = open_device(NULL);
	struct context c = context_open_checked(d, 17);
	uint64_t status = ram_alloc(d, PAGE_4K);

	map_new(&c, VA, PAGE_4K, ORDER_4K);
	cpu_map(&c, VA, ram_alloc(d, PAGE_4K), ORDER_4K, X86_RW);
	for (unsigned int i = 0; i < 200; i++) {
		hold(&c, DMIRAGE_HOLD_TRANSLATED);
		submit(&c, op_write(VA, 8, 1));
		hold_await(&c);
		inv_range(d, 17, VA, 1);
		ram_set64(d, status, 0);
		command(d, (struct dmirage_cmd){
				   .opcode = DMIRAGE_CMD_WAIT, .value = 1, .status_addr = status });
		/* As soon as it can be. */
		for (gint64 began = g_get_monotonic_time(); !ram32(d, status);)
			g_assert_cmpint(g_get_monotonic_time() - began, <, LIMIT_MS * 1000);
		g_assert_true(violation_ready(d));
		violation_take(d);
		cqe_take(&c);
	}
	device_close(d);
}

/* Without CTL.ORACLE, or without an oracle in the device, nothing is looked at. */
static void test_off(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct device *d = open_device(i ? "oracle=off" : NULL);
		struct context c = i ? context_open_checked(d, 16) : context_open(d, 16);

		g_assert_cmphex(r64(d, DMIRAGE_REG_CAPS) & DMIRAGE_CAP_ORACLE_ACCESS, ==,
				i ? 0 : DMIRAGE_CAP_ORACLE_ACCESS);
		map_new(&c, VA, PAGE_4K, ORDER_4K);
		if (i)
			cpu_map(&c, VA, 0, ORDER_4K, 0);
		run_ok(&c, op_write(VA, 8, 1));
		g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ORACLE_CHECKS), ==, 0);
		g_assert_false(violation_ready(d));
		device_close(d);
	}
}

/*
 * Many pages of a chunk are absent.  They are given time together: whoever waits
 * for the chunk is not to wait for one after the other.
 */
static void test_absent_together(void)
{
	const unsigned int pages = DMIRAGE_CHUNK / PAGE_4K, ms = 400;
	struct device *d = device_open("suspect-ms=400");
	struct context c = context_open_checked(d, 3);
	gint64 began;

	map_new(&c, VA, DMIRAGE_CHUNK, ORDER_4K);
	for (unsigned int i = 0; i < pages; i++)
		ram_set64(d, cpu_entry(&c, VA + i * PAGE_4K, 1), 0);
	began = g_get_monotonic_time();
	run_ok(&c, op_fill(VA, DMIRAGE_CHUNK, 1));
	g_assert_cmpint(g_get_monotonic_time() - began, >=, ms * 1000);
	g_assert_cmpint(g_get_monotonic_time() - began, <, pages * ms * 1000 / 2);
	for (unsigned int i = 0; i < pages; i++) {
		struct dmirage_vqe v = violation_take(d);

		g_assert_cmpuint(v.kind, ==, DMIRAGE_VIOL_ABSENT);
		g_assert_cmphex(v.addr, ==, VA + i * PAGE_4K);
	}
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ORACLE_SUSPECTS), ==, pages);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ORACLE_CHECKS), ==, pages);
	device_close(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/oracle/clean", test_clean);
	g_test_add_func("/oracle/frame", test_frame);
	g_test_add_func("/oracle/write", test_write);
	g_test_add_func("/oracle/absent", test_absent);
	g_test_add_func("/oracle/back-again", test_back_again);
	g_test_add_func("/oracle/end-in-doubt", test_end_in_doubt);
	g_test_add_func("/oracle/many-pages", test_many_pages);
	g_test_add_func("/oracle/both-sides", test_both_sides);
	g_test_add_func("/oracle/history", test_history);
	g_test_add_func("/oracle/overflow", test_overflow);
	g_test_add_func("/oracle/before-wait", test_before_wait);
	g_test_add_func("/oracle/off", test_off);
	g_test_add_func("/oracle/absent-together", test_absent_together);
	return g_test_run();
}
