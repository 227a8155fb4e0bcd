/* SPDX-License-Identifier: GPL-2.0 */
/* Faults: what the device asks for, and what it makes of the answers. */
#include "device.h"

#include <string.h>

#define VA	0x00fa0017000000ull

/* Takes a fault and looks at all of it. */
static struct dmirage_fqe expect_fault(struct context *c, unsigned int flags, uint64_t addr,
				       uint64_t len)
{
	struct dmirage_fqe e = fault_take(c->d);

	g_assert_cmpuint(e.asid, ==, c->asid);
	g_assert_cmphex(e.flags, ==, flags);
	g_assert_cmphex(e.addr, ==, addr);
	g_assert_cmphex(e.len, ==, len);
	g_assert_cmphex(e.reserved, ==, 0);
	g_assert_cmphex(ctx_status(c) & ~DMIRAGE_CTX_BUSY, ==, DMIRAGE_CTX_FAULT);
	return e;
}

/* Both sides of each operation, with the bytes that will follow. */
static void test_entries(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 17);
	struct dmirage_fqe e;
	uint64_t dst = VA + 8 * PAGE_2M;

	/* A copy of 3 pages: both sides ask at once, and then for each page. */
	submit(&c, op_copy(dst + 0x10, VA + 0x20, 2 * PAGE_4K));
	e = expect_fault(&c, DMIRAGE_FAULT_WRITE, dst + 0x10, 2 * PAGE_4K);
	map_new(&c, dst, PAGE_2M, ORDER_2M);
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t done = i ? i * PAGE_4K - 0x20 : 0;
		struct dmirage_fqe src = expect_fault(&c, 0, VA + 0x20 + done,
						      2 * PAGE_4K - done);

		if (i == 0)
			fault_answer(d, &e, DMIRAGE_RESP_RETRY);
		map_new(&c, VA + i * PAGE_4K, PAGE_4K, ORDER_4K);
		fault_answer(d, &src, DMIRAGE_RESP_RETRY);
	}
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 2 * PAGE_4K);

	/* A page that is there for reading only. */
	mirror_map(&c, VA, ram_alloc(d, PAGE_4K), ORDER_4K, 0);
	inv_asid(d, 17);
	submit(&c, op_write(VA + 8, 8, 1));
	e = expect_fault(&c, DMIRAGE_FAULT_WRITE | DMIRAGE_FAULT_PRESENT, VA + 8, 8);
	fault_answer(d, &e, 13);
	expect_cqe(&c, DMIRAGE_ST_FAULT, 13, VA + 8, 0);
	run_ok(&c, op_read(VA + 8, 8));

	/* Each byte of a value that is not aligned. */
	submit(&c, op_read(VA + 3 * PAGE_4K - 3, 8));
	e = expect_fault(&c, 0, VA + 3 * PAGE_4K, 5);
	fault_answer(d, &e, DMIRAGE_RESP_ERRNO_MAX);
	expect_cqe(&c, DMIRAGE_ST_FAULT, DMIRAGE_RESP_ERRNO_MAX, VA + 3 * PAGE_4K, 3);

	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_FAULTS), ==, 6);
	expect_error(d, 0);
	device_close(d);
}

/* Vector 0, by a message in memory. */
static void test_interrupt(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 0);
	struct dmirage_fqe e;

	for (unsigned int i = 0; i < 3; i++) {
		ram_set64(d, d->irq, 0);
		submit(&c, op_read(VA, 8));
		e = fault_take(d);
		wait_for(ram32(d, d->irq + 4 * DMIRAGE_VEC_FAULT) == 1);
		fault_answer(d, &e, 14);
		cqe_take(&c);
		g_assert_cmpuint(ram32(d, d->irq + 4 * DMIRAGE_VEC_VIOLATION), ==, 0);
	}
	device_close(d);
}

/* A translation that is made, or made writable, needs no command. */
static void test_no_command_needed(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 1);
	uint64_t pa = ram_alloc(d, PAGE_4K);
	struct dmirage_fqe e;

	submit(&c, op_read(VA, 8));
	e = expect_fault(&c, 0, VA, 8);
	mirror_map(&c, VA, pa, ORDER_4K, 0);
	fault_answer(d, &e, DMIRAGE_RESP_RETRY);
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 0);
	submit(&c, op_write(VA, 8, 77));
	e = expect_fault(&c, DMIRAGE_FAULT_WRITE | DMIRAGE_FAULT_PRESENT, VA, 8);
	mirror_map(&c, VA, pa, ORDER_4K, DMIRAGE_PTE_WRITE);
	fault_answer(d, &e, DMIRAGE_RESP_RETRY);
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 8);
	g_assert_cmpuint(ram64(d, pa), ==, 77);
	/* And the writable one took the other's place. */
	run_ok(&c, op_write(VA, 8, 78));
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_IOTLB_HITS), ==, 1);
	device_close(d);
}

/* Answers that are not for the open fault. */
static void test_other_answers(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 2), other = context_open(d, 3);
	struct dmirage_fqe e, wrong;

	submit(&c, op_read(VA, 8));
	e = expect_fault(&c, 0, VA, 8);
	wrong = e;
	wrong.tag++;
	fault_answer(d, &wrong, 5);
	wrong.tag = e.tag - 1;
	fault_answer(d, &wrong, 5);
	wrong = e;
	wrong.asid = 3;
	fault_answer(d, &wrong, 5);
	wrong.asid = 63;
	fault_answer(d, &wrong, 5);
	expect_error(d, 0);
	/* Malformed ones. */
	wrong.asid = 64;
	fault_answer(d, &wrong, 5);
	expect_error(d, DMIRAGE_ERR_COMMAND);
	wrong.asid = 0xffff;
	fault_answer(d, &wrong, 5);
	expect_error(d, DMIRAGE_ERR_COMMAND);
	fault_answer(d, &e, 4096);
	expect_error(d, DMIRAGE_ERR_COMMAND);
	fault_answer(d, &e, 0xffff);
	expect_error(d, DMIRAGE_ERR_COMMAND);
	expect_never(cqe_ready(&c));
	g_assert_cmphex(ctx_status(&c), ==, DMIRAGE_CTX_FAULT);

	fault_answer(d, &e, 5);
	expect_cqe(&c, DMIRAGE_ST_FAULT, 5, VA, 0);
	/* Once more is late, also while the next fault is open. */
	fault_answer(d, &e, 6);
	submit(&c, op_read(VA, 8));
	wrong = e;
	e = expect_fault(&c, 0, VA, 8);
	g_assert_cmphex(e.tag, !=, wrong.tag);
	fault_answer(d, &wrong, 6);
	expect_never(cqe_ready(&c));
	expect_error(d, 0);
	fault_answer(d, &e, 7);
	expect_cqe(&c, DMIRAGE_ST_FAULT, 7, VA, 0);
	run_ok(&other, op_nop());
	device_close(d);
}

/* Of a context that ended, and began again. */
static void test_late_answer(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 4);
	struct dmirage_fqe late, e;

	for (unsigned int i = 0; i < 2; i++) {
		submit(&c, op_read(VA, 8));
		late = expect_fault(&c, 0, VA, 8);
		context_disable(&c);
		g_assert_cmphex(ctx_status(&c), ==, 0);
		if (i)
			fault_answer(d, &late, 5);
		context_enable(&c);
		/* The new life asks for itself, though it is the same page. */
		submit(&c, op_read(VA, 8));
		e = expect_fault(&c, 0, VA, 8);
		g_assert_cmphex(e.tag, !=, late.tag);
		fault_answer(d, &late, 5);
		expect_never(cqe_ready(&c));
		expect_error(d, 0);
		fault_answer(d, &e, 9);
		expect_cqe(&c, DMIRAGE_ST_FAULT, 9, VA, 0);
	}
	device_close(d);
}

/* An answer that mends nothing, as often as it is given. */
static void test_limit(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 5);
	unsigned int faults = 0;

	for (unsigned int round = 0; round < 2; round++) {
		submit(&c, op_fill(VA - 16, 32, 0));
		if (!round) {
			struct dmirage_fqe e = expect_fault(&c, DMIRAGE_FAULT_WRITE, VA - 16, 32);

			map_new(&c, VA - PAGE_4K, PAGE_4K, ORDER_4K);
			fault_answer(d, &e, DMIRAGE_RESP_RETRY);
		}
		for (faults = 0; ; faults++) {
			struct dmirage_fqe e;

			wait_for(fault_ready(d) || cqe_ready(&c));
			if (cqe_ready(&c))
				break;
			e = expect_fault(&c, DMIRAGE_FAULT_WRITE, VA, 16);
			fault_answer(d, &e, DMIRAGE_RESP_RETRY);
		}
		/* Those before it got further do not count. */
		g_assert_cmpuint(faults, ==, 256);
		expect_cqe(&c, DMIRAGE_ST_FAULT_LIMIT, 0, VA, 16);
	}
	/* More of them than that are well, as long as each is of use. */
	submit(&c, op_fill(VA, 300 * PAGE_4K, 0));
	for (unsigned int i = 0; i < 300; i++) {
		struct dmirage_fqe e = expect_fault(&c, DMIRAGE_FAULT_WRITE, VA + i * PAGE_4K,
						    (300 - i) * PAGE_4K);

		map_new(&c, VA + i * PAGE_4K, PAGE_4K, ORDER_4K);
		fault_answer(d, &e, DMIRAGE_RESP_RETRY);
	}
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 300 * PAGE_4K);
	device_close(d);
}

/*
 * The same where only the side that is read is missing: of an operation that
 * writes nothing, and of one whose other side is there.
 */
static void test_limit_reading(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 6);
	const struct dmirage_sqe ops[] = {
		op_read(VA, 8),
		op_copy(VA + PAGE_4K, VA, 8),
	};

	map_new(&c, VA + PAGE_4K, PAGE_4K, ORDER_4K);
	for (unsigned int i = 0; i < G_N_ELEMENTS(ops); i++) {
		unsigned int faults;

		submit(&c, ops[i]);
		for (faults = 0; ; faults++) {
			struct dmirage_fqe e;

			wait_for(fault_ready(d) || cqe_ready(&c));
			if (cqe_ready(&c))
				break;
			e = expect_fault(&c, 0, VA, 8);
			fault_answer(d, &e, DMIRAGE_RESP_RETRY);
		}
		g_assert_cmpuint(faults, ==, 256);
		expect_cqe(&c, DMIRAGE_ST_FAULT_LIMIT, 0, VA, 0);
	}
	expect_error(d, 0);
	device_close(d);
}

/* A queue of one entry, and a fault of each context: none is lost. */
static void test_full_queue(void)
{
	struct device *d = device_open(NULL);
	struct context c[DMIRAGE_CONTEXTS];
	bool seen[DMIRAGE_CONTEXTS] = { false };

	d->fq = queue_open(d, DMIRAGE_REG_FQ, 0);
	for (unsigned int i = 0; i < DMIRAGE_CONTEXTS; i++) {
		c[i] = context_open(d, i);
		submit(&c[i], op_read(VA, 8));
		wait_for(ctx_status(&c[i]) == DMIRAGE_CTX_FAULT);
	}
	g_assert_cmpuint(r32(d, FQ(DMIRAGE_Q_MISSED)), ==, DMIRAGE_CONTEXTS - 1);
	g_assert_cmpuint(r32(d, FQ(DMIRAGE_Q_TAIL)), ==, 1);
	/* One that waits for room may also go away. */
	context_disable(&c[40]);
	for (unsigned int i = 0; i < DMIRAGE_CONTEXTS - 1; i++) {
		struct dmirage_fqe e = fault_take(d);

		g_assert_false(seen[e.asid]);
		g_assert_cmpuint(e.asid, !=, 40);
		seen[e.asid] = true;
		fault_answer(d, &e, e.asid + 1);
		expect_cqe(&c[e.asid], DMIRAGE_ST_FAULT, e.asid + 1, VA, 0);
	}
	expect_never(fault_ready(d));
	g_assert_cmpuint(r32(d, FQ(DMIRAGE_Q_TAIL)), ==, DMIRAGE_CONTEXTS - 1);
	expect_error(d, 0);
	device_close(d);
}

/* A queue that is off, or set up anew, or not in memory. */
static void test_queue_later(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 6);
	struct dmirage_fqe e;

	w32(d, FQ(DMIRAGE_Q_CONFIG), 0);
	submit(&c, op_read(VA, 8));
	wait_for(ctx_status(&c) == DMIRAGE_CTX_FAULT);
	d->fq = queue_open(d, DMIRAGE_REG_FQ, 2);
	e = expect_fault(&c, 0, VA, 8);
	fault_answer(d, &e, 1);
	expect_cqe(&c, DMIRAGE_ST_FAULT, 1, VA, 0);

	w32(d, FQ(DMIRAGE_Q_CONFIG), 0);
	w64(d, FQ(DMIRAGE_Q_BASE), ADDR_MMIO);
	w32(d, FQ(DMIRAGE_Q_CONFIG), DMIRAGE_Q_ENABLE | 2);
	submit(&c, op_read(VA, 8));
	wait_for(r32(d, FQ(DMIRAGE_Q_CONFIG)) == 2);
	expect_error(d, DMIRAGE_ERR_QUEUE);
	d->fq = queue_open(d, DMIRAGE_REG_FQ, 2);
	e = expect_fault(&c, 0, VA, 8);
	fault_answer(d, &e, 2);
	expect_cqe(&c, DMIRAGE_ST_FAULT, 2, VA, 0);
	device_close(d);
}

/* The context with a fault waits; others do not. */
static void test_others_go_on(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 8), other = context_open(d, 9);
	struct dmirage_fqe e;

	map_new(&other, VA, PAGE_4K, ORDER_4K);
	put_sqe(&c, op_read(VA, 8));
	put_sqe(&c, op_nop());
	ring(&c);
	e = expect_fault(&c, 0, VA, 8);
	for (unsigned int i = 0; i < 100; i++)
		run_ok(&other, op_write(VA, 8, i));
	/* In its own order. */
	g_assert_false(cqe_ready(&c));
	fault_answer(d, &e, 1);
	expect_cqe(&c, DMIRAGE_ST_FAULT, 1, VA, 0);
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 0);
	device_close(d);
}

/* --- more than one open ----------------------------------------------------------- */

static bool waits(struct context *c)
{
	return ctx_status(c) & DMIRAGE_CTX_FAULT;
}

/* Both sides at once; the answers in either order, and each one for itself. */
static void test_both_sides(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 10);
	uint64_t dst = VA + PAGE_2M;

	for (unsigned int i = 0; i < 4; i++) {
		struct dmirage_fqe e[2];
		bool fail = i / 2;

		inv_asid(d, 10);
		ram_set64(d, mirror_entry(&c, VA, 1), 0);
		ram_set64(d, mirror_entry(&c, dst, 1), 0);
		submit(&c, op_copy(dst + 8, VA + 16, 100));
		e[0] = expect_fault(&c, DMIRAGE_FAULT_WRITE, dst + 8, 100);
		e[1] = expect_fault(&c, 0, VA + 16, 100);
		g_assert_cmphex(e[0].tag, !=, e[1].tag);
		map_new(&c, VA, PAGE_4K, ORDER_4K);
		map_new(&c, dst, PAGE_4K, ORDER_4K);
		fault_answer(d, &e[i % 2], DMIRAGE_RESP_RETRY);
		expect_never(cqe_ready(&c) || !waits(&c));
		fault_answer(d, &e[!(i % 2)], fail ? 14 : DMIRAGE_RESP_RETRY);
		if (fail)
			expect_cqe(&c, DMIRAGE_ST_FAULT, 14, i % 2 ? dst + 8 : VA + 16, 0);
		else
			expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 100);
		g_assert_false(fault_ready(d));
	}
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_FAULTS), ==, 8);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_FAULTS_COALESCED), ==, 0);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_FAULTS_FAILED), ==, 2);
	device_close(d);
}

/* Both sides in one page: the write asks for both. */
static void test_coalesced(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 11);
	struct dmirage_fqe e;

	submit(&c, op_copy(VA + 0x100, VA + 0xf00, 0x100));
	e = expect_fault(&c, DMIRAGE_FAULT_WRITE, VA + 0x100, 0x100);
	expect_never(fault_ready(d));
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_FAULTS), ==, 1);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_FAULTS_COALESCED), ==, 1);
	map_new(&c, VA, PAGE_4K, ORDER_4K);
	fault_answer(d, &e, DMIRAGE_RESP_RETRY);
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 0x100);
	/* The next page is another one. */
	submit(&c, op_copy(VA + PAGE_4K, VA + 2 * PAGE_4K, 8));
	for (unsigned int i = 0; i < 2; i++) {
		e = expect_fault(&c, i ? 0 : DMIRAGE_FAULT_WRITE, VA + (1 + i) * PAGE_4K, 8);
		if (i)
			continue;
		/* It waits for both. */
		map_new(&c, VA + PAGE_4K, PAGE_4K, ORDER_4K);
		fault_answer(d, &e, DMIRAGE_RESP_RETRY);
	}
	map_new(&c, VA + 2 * PAGE_4K, PAGE_4K, ORDER_4K);
	fault_answer(d, &e, DMIRAGE_RESP_RETRY);
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 8);
	device_close(d);
}

/* An operation that fails by one of its faults; returns the other one, which stays open. */
static struct dmirage_fqe leave_open(struct context *c, uint64_t dst, uint64_t src, bool keep_write)
{
	struct dmirage_fqe e[2];

	submit(c, op_copy(dst, src, 8));
	e[0] = expect_fault(c, DMIRAGE_FAULT_WRITE, dst, 8);
	e[1] = expect_fault(c, 0, src, 8);
	fault_answer(c->d, &e[keep_write], 5);
	expect_cqe(c, DMIRAGE_ST_FAULT, 5, keep_write ? src : dst, 0);
	return e[!keep_write];
}

/* Faults that nobody waits for any more, and what becomes of their answers. */
static void test_left_open(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 12);
	struct dmirage_fqe left = leave_open(&c, VA, VA + PAGE_2M, true), e;

	g_assert_cmphex(ctx_status(&c), ==, 0);
	run_ok(&c, op_nop());
	/* It answers a later operation's fault in that page, be it a read. */
	submit(&c, op_read(VA + 0x800, 8));
	wait_for(waits(&c));
	expect_never(fault_ready(d));
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_FAULTS_COALESCED), ==, 1);
	map_new(&c, VA, PAGE_4K, ORDER_4K);
	fault_answer(d, &left, DMIRAGE_RESP_RETRY);
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 0);
	/* One for reading does not answer a write. */
	left = leave_open(&c, VA + 8 * PAGE_2M, VA + PAGE_2M, false);
	submit(&c, op_write(VA + PAGE_2M, 8, 1));
	e = expect_fault(&c, DMIRAGE_FAULT_WRITE, VA + PAGE_2M, 8);
	/* An error for the one that is not awaited says nothing to it. */
	fault_answer(d, &left, 7);
	expect_never(cqe_ready(&c) || !waits(&c));
	fault_answer(d, &e, 8);
	expect_cqe(&c, DMIRAGE_ST_FAULT, 8, VA + PAGE_2M, 0);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_FAULTS_FAILED), ==, 4);
	/* They end with the context. */
	left = leave_open(&c, VA + 8 * PAGE_2M, VA + PAGE_2M, true);
	context_disable(&c);
	context_enable(&c);
	submit(&c, op_write(VA + 8 * PAGE_2M, 8, 1));
	e = expect_fault(&c, DMIRAGE_FAULT_WRITE, VA + 8 * PAGE_2M, 8);
	fault_answer(d, &left, 9);
	expect_never(cqe_ready(&c));
	fault_answer(d, &e, 10);
	expect_cqe(&c, DMIRAGE_ST_FAULT, 10, VA + 8 * PAGE_2M, 0);
	expect_error(d, 0);
	device_close(d);
}

/* Four are open: the next one waits until one is answered. */
static void test_four(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 13);
	struct dmirage_fqe left[DMIRAGE_FAULTS_MAX], e;

	for (unsigned int i = 0; i < DMIRAGE_FAULTS_MAX - 1; i++)
		left[i] = leave_open(&c, VA + i * PAGE_4K, VA + PAGE_2M + i * PAGE_4K, i % 2);
	/* With the fourth: the source's fault has no place any more. */
	submit(&c, op_copy(VA + 8 * PAGE_4K, VA + 9 * PAGE_4K, 8));
	left[3] = expect_fault(&c, DMIRAGE_FAULT_WRITE, VA + 8 * PAGE_4K, 8);
	expect_never(fault_ready(d));
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_FAULTS), ==, 2 * 3 + 1);
	map_new(&c, VA + 8 * PAGE_4K, PAGE_4K, ORDER_4K);
	fault_answer(d, &left[3], DMIRAGE_RESP_RETRY);
	left[3] = expect_fault(&c, 0, VA + 9 * PAGE_4K, 8);
	fault_answer(d, &left[3], 3);
	expect_cqe(&c, DMIRAGE_ST_FAULT, 3, VA + 9 * PAGE_4K, 0);
	fault_answer(d, &left[0], DMIRAGE_RESP_RETRY);
	fault_answer(d, &left[1], DMIRAGE_RESP_RETRY);
	/* There is room for both sides again. */
	submit(&c, op_copy(VA + 20 * PAGE_4K, VA + 21 * PAGE_4K, 8));
	left[3] = expect_fault(&c, DMIRAGE_FAULT_WRITE, VA + 20 * PAGE_4K, 8);
	e = expect_fault(&c, 0, VA + 21 * PAGE_4K, 8);
	fault_answer(d, &e, 4);
	expect_cqe(&c, DMIRAGE_ST_FAULT, 4, VA + 21 * PAGE_4K, 0);
	fault_answer(d, &left[2], DMIRAGE_RESP_RETRY);
	fault_answer(d, &left[3], DMIRAGE_RESP_RETRY);
	run_ok(&c, op_nop());
	expect_error(d, 0);
	device_close(d);
}

/* Those that wait for room: counted, sent in the end, or dropped with the operation. */
static void test_delayed(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 14);
	struct dmirage_fqe e, other;

	d->fq = queue_open(d, DMIRAGE_REG_FQ, 0);
	submit(&c, op_copy(VA, VA + PAGE_2M, 8));
	wait_for(queue_ready(d, &d->fq, sizeof(e)));
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_FAULTS), ==, 2);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_FAULTS_DELAYED), ==, 1);
	g_assert_cmpuint(r32(d, FQ(DMIRAGE_Q_MISSED)), ==, 1);
	e = expect_fault(&c, DMIRAGE_FAULT_WRITE, VA, 8);
	other = expect_fault(&c, 0, VA + PAGE_2M, 8);
	fault_answer(d, &other, DMIRAGE_RESP_RETRY);
	fault_answer(d, &e, 1);
	expect_cqe(&c, DMIRAGE_ST_FAULT, 1, VA, 0);
	/* One that was not sent when its operation fails never is. */
	submit(&c, op_copy(VA, VA + PAGE_2M, 8));
	wait_for(queue_ready(d, &d->fq, sizeof(e)));
	memcpy(&e, ram(d, d->fq.base), sizeof(e));
	fault_answer(d, &e, 2);
	expect_cqe(&c, DMIRAGE_ST_FAULT, 2, VA, 0);
	e = fault_take(d);
	expect_never(fault_ready(d));
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_FAULTS_DELAYED), ==, 2);
	device_close(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/faults/entries", test_entries);
	g_test_add_func("/faults/interrupt", test_interrupt);
	g_test_add_func("/faults/no-command-needed", test_no_command_needed);
	g_test_add_func("/faults/other-answers", test_other_answers);
	g_test_add_func("/faults/late-answer", test_late_answer);
	g_test_add_func("/faults/limit", test_limit);
	g_test_add_func("/faults/limit-reading", test_limit_reading);
	g_test_add_func("/faults/full-queue", test_full_queue);
	g_test_add_func("/faults/queue-later", test_queue_later);
	g_test_add_func("/faults/others-go-on", test_others_go_on);
	g_test_add_func("/faults/both-sides", test_both_sides);
	g_test_add_func("/faults/coalesced", test_coalesced);
	g_test_add_func("/faults/left-open", test_left_open);
	g_test_add_func("/faults/four", test_four);
	g_test_add_func("/faults/delayed", test_delayed);
	return g_test_run();
}
