/* SPDX-License-Identifier: GPL-2.0 */
/* Contexts: their life, their turns, their rings and doorbells. */
#include "device.h"

#include <string.h>

#define VA	0x00cafe00000000ull
#define LONG	DMIRAGE_LEN_MAX

/* @LONG bytes from @VA on that are all the same 2 MiB. */
static uint64_t map_long(struct context *c)
{
	uint64_t pa = ram_alloc(c->d, PAGE_2M);

	for (uint64_t at = 0; at < LONG; at += PAGE_2M)
		mirror_map(c, VA + at, pa, ORDER_2M, DMIRAGE_PTE_WRITE);
	return pa;
}

/* An operation that takes long: the same again and again, by a chain. */
static void submit_long(struct context *c, unsigned int times, uint64_t imm)
{
	for (unsigned int i = 0; i < times; i++) {
		struct dmirage_sqe sqe = op_fill(VA, LONG, imm);

		sqe.flags = i + 1 < times ? DMIRAGE_SQE_CHAIN : 0;
		put_sqe(c, sqe);
	}
	ring(c);
}

/* --- life ------------------------------------------------------------------------ */

/* All of them, each with a process of its own at the same address. */
static void test_all(void)
{
	/* One set: all their translations lie side by side in it. */
	struct device *d = device_open("iotlb-entries=64,iotlb-ways=64");
	struct context c[DMIRAGE_CONTEXTS];
	uint64_t pa[DMIRAGE_CONTEXTS];

	for (unsigned int i = 0; i < DMIRAGE_CONTEXTS; i++) {
		c[i] = context_open(d, i);
		pa[i] = map_new(&c[i], VA, PAGE_4K, ORDER_4K);
	}
	/* Twice: the second time by the IOTLB. */
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < DMIRAGE_CONTEXTS; i++)
			submit(&c[i], op_write(VA, 8, i + 100 * round));
		for (unsigned int i = 0; i < DMIRAGE_CONTEXTS; i++)
			g_assert_cmpuint(cqe_take(&c[i]).status, ==, DMIRAGE_ST_OK);
		for (unsigned int i = 0; i < DMIRAGE_CONTEXTS; i++) {
			g_assert_cmpuint(ram64(d, pa[i]), ==, i + 100 * round);
			g_assert_cmpuint(counter(&c[i], DMIRAGE_CNT_IOTLB_HITS), ==, round);
		}
	}
	device_close(d);
}

/* A context that begins again has nothing of its former life. */
static void test_again(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 7);
	uint64_t old = map_new(&c, VA, PAGE_4K, ORDER_4K), fresh;

	for (unsigned int i = 0; i < 5; i++)
		run_ok(&c, op_write(VA, 8, 1));
	context_disable(&c);
	fresh = map_new(&c, VA, PAGE_4K, ORDER_4K);
	context_enable(&c);
	/* Its translation was dropped without a command; its indices are 0. */
	run_ok(&c, op_write(VA, 8, 2));
	g_assert_cmpuint(ram64(d, old), ==, 1);
	g_assert_cmpuint(ram64(d, fresh), ==, 2);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_OPS), ==, 1);
	device_close(d);
}

static void reset_by_ctl(struct context *c)
{
	w32(c->d, CTX(c->asid, DMIRAGE_CTX_CTL), 0);
}

static void reset_by_register(struct context *c)
{
	w32(c->d, DMIRAGE_REG_RESET, DMIRAGE_RESET_KEY);
}

static void reset_by_machine(struct context *c)
{
	/* The BARs and bus-master, too, are as at power-on then. */
	qtest_qmp_ok(c->d->q, "{\"execute\":\"system_reset\"}\n");
	qtest_qmp_event(c->d->q, "RESET");
	device_place(c->d);
}

/* How many completions there are; @clear: and takes them away. */
static unsigned int count_cqes(struct context *c, bool clear)
{
	struct dmirage_cqe *cqe = ram(c->d, c->cq);
	unsigned int n = 0;

	for (unsigned int i = 0; i < 1u << c->cq_order; i++)
		n += cqe[i].seq != 0;
	if (clear)
		memset(cqe, 0, sizeof(*cqe) << c->cq_order);
	return n;
}

/*
 * Ends a context in the middle of an operation, many times, each at another
 * moment: when BUSY is 0 nothing is written any more, neither data nor a
 * completion.
 */
static void end_under_way(void (*end)(struct context *c), unsigned int rounds)
{
	struct device *d = device_open(NULL);
	struct context c = context_make(d, 0);
	uint64_t pa = map_long(&c);

	for (unsigned int round = 0; round < rounds; round++) {
		c.asid = round % DMIRAGE_CONTEXTS;
		context_enable(&c);
		/* More than will be done by then, however slow the test is. */
		for (unsigned int i = 0; i < 64; i++)
			put_sqe(&c, op_fill(VA, LONG, 0x5555555555555555ull));
		ring(&c);
		wait_for(ram64(d, pa));
		g_usleep(round * 37 % 200);
		end(&c);
		wait_for(!(r32(d, DMIRAGE_REG_STATUS) & DMIRAGE_STATUS_BUSY));
		memset(ram(d, pa), 0, PAGE_2M);
		g_assert_cmpuint(count_cqes(&c, true), <, 64);
		g_usleep(300);
		for (uint64_t at = 0; at < PAGE_2M; at += 8)
			g_assert_cmphex(ram64(d, pa + at), ==, 0);
		g_assert_cmpuint(count_cqes(&c, false), ==, 0);
		g_assert_cmphex(ctx_status(&c), ==, 0);
		/* And it can begin again. */
		context_enable(&c);
		run_ok(&c, op_write(VA, 8, 3));
		g_assert_cmphex(ram64(d, pa), ==, 3);
		context_disable(&c);
		ram_set64(d, pa, 0);
	}
	device_close(d);
}

static void test_disable_under_way(void)
{
	end_under_way(reset_by_ctl, 60);
}

static void test_reset_under_way(void)
{
	end_under_way(reset_by_register, 60);
}

static void test_machine_reset_under_way(void)
{
	end_under_way(reset_by_machine, 10);
}

/* Nothing is completed or counted from the moment on when CTL says so. */
static void test_disable_last_access(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_make(d, 6);
	uint64_t ctl = d->bar0 + CTX(6, DMIRAGE_CTX_CTL);
	uint64_t ops = d->bar0 + CTX(6, DMIRAGE_CTX_COUNTERS + 8 * DMIRAGE_CNT_OPS);

	map_long(&c);
	for (unsigned int round = 0; round < 200; round++) {
		uint64_t at_end;

		context_enable(&c);
		/* Of one access each: each may be the last one of its operation. */
		for (unsigned int i = 0; i < 63; i++)
			put_sqe(&c, op_fill(VA, DMIRAGE_CHUNK, i));
		ring(&c);
		g_usleep(g_test_rand_int_range(0, 100));
		/* Without a pause between: QEMU finds both when it looks. */
		qtest_send(d->q, "writel 0x%" PRIx64 " 0\nreadq 0x%" PRIx64, ctl, ops);
		qtest_answer(d->q);
		at_end = qtest_answer(d->q);
		wait_for(!(ctx_status(&c) & DMIRAGE_CTX_BUSY));
		g_assert_cmpuint(counter(&c, DMIRAGE_CNT_OPS), ==, at_end);
		g_assert_cmpuint(count_cqes(&c, true), ==, at_end);
	}
	device_close(d);
}

/* Enabled again at once: refused while BUSY, and else a good beginning. */
static void test_enable_at_once(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_make(d, 5);
	uint64_t long_pa = map_long(&c), pa = map_new(&c, 0, PAGE_4K, ORDER_4K);
	gint64 until = g_get_monotonic_time() + LIMIT_MS * 1000;
	unsigned int refused = 0;

	context_enable(&c);
	for (unsigned int round = 0; round < 20 || refused < 3; round++) {
		if (g_get_monotonic_time() > until)
			g_error("enabled %u times while it might be BUSY, and never refused",
				round);

		ram_set64(d, long_pa, 0);
		submit_long(&c, 60, ~0ull);
		wait_for(ram64(d, long_pa));
		w32(d, CTX(5, DMIRAGE_CTX_CTL), 0);
		w32(d, CTX(5, DMIRAGE_CTX_CTL), c.ctl);
		if (r32(d, CTX(5, DMIRAGE_CTX_CTL)) != c.ctl) {
			expect_error(d, DMIRAGE_ERR_CONFIG);
			wait_for(!(ctx_status(&c) & DMIRAGE_CTX_BUSY));
			refused++;
		} else {
			expect_error(d, 0);
			/* it may go on with what the last life left in the ring */
			context_disable(&c);
		}
		context_enable(&c);
		run_ok(&c, op_write(0, 8, round));
		g_assert_cmpuint(ram64(d, pa), ==, round);
		context_disable(&c);
		context_enable(&c);
	}
	device_close(d);
}

/* Registers, queues and all contexts are off after a reset; it works again. */
static void test_reset(void)
{
	struct device *d = device_open(NULL);

	for (unsigned int round = 0; round < 3; round++) {
		struct context c = context_open(d, 1 + round), idle = context_open(d, 50);

		map_new(&c, VA, PAGE_4K, ORDER_4K);
		run_ok(&c, op_write(VA, 8, 9));
		submit(&c, op_write(VA + PAGE_2M, 8, 9));
		fault_take(d);
		device_reset(d);
		for (uint32_t q = DMIRAGE_REG_FQ; q <= DMIRAGE_REG_IQ; q += 0x20) {
			g_assert_cmphex(r32(d, q + DMIRAGE_Q_CONFIG), ==, 0);
			g_assert_cmphex(r64(d, q + DMIRAGE_Q_BASE), ==, 0);
			g_assert_cmphex(r32(d, q + DMIRAGE_Q_HEAD), ==, 0);
			g_assert_cmphex(r32(d, q + DMIRAGE_Q_TAIL), ==, 0);
		}
		g_assert_cmphex(r32(d, CTX(idle.asid, DMIRAGE_CTX_CTL)), ==, 0);
		g_assert_cmphex(ctx_status(&c), ==, 0);
		g_assert_cmphex(r64(d, CTX(c.asid, DMIRAGE_CTX_PT_ROOT)), ==, 0);
		for (unsigned int i = 0; i < DMIRAGE_CNT_MAX; i++)
			g_assert_cmpuint(counter(&c, i), ==, 0);
		/* Nothing of a context goes on by itself. */
		expect_never(cqe_ready(&c));
		device_setup(d);
	}
	device_close(d);
}

/* While the machine is stopped nothing moves; then it goes on. */
static void test_stopped_machine(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_make(d, 0);
	uint64_t pa = map_long(&c);

	context_enable(&c);
	submit_long(&c, 8, 1);
	wait_for(ram64(d, pa));
	qtest_qmp_ok(d->q, "{\"execute\":\"stop\"}\n");
	memset(ram(d, pa), 0, PAGE_2M);
	g_usleep(2000);
	for (uint64_t at = 0; at < PAGE_2M; at += 8)
		g_assert_cmphex(ram64(d, pa + at), ==, 0);
	qtest_qmp_ok(d->q, "{\"execute\":\"cont\"}\n");
	g_assert_cmpuint(cqe_take(&c).result, ==, 8 * LONG);
	device_close(d);
}

/* --- turns ------------------------------------------------------------------------ */

/* Contexts take turns, a chunk each: none is ahead of another by more. */
static void test_turns(void)
{
	enum { N = 3 };
	struct device *d = device_open(NULL);
	struct context c[N], small = context_open(d, 60);
	uint64_t pa;

	map_new(&small, VA, PAGE_4K, ORDER_4K);
	/* They begin together, and have more to do than there is time for. */
	qtest_qmp_ok(d->q, "{\"execute\":\"stop\"}\n");
	for (unsigned int i = 0; i < N; i++) {
		c[i] = context_open(d, i * 20);
		pa = map_long(&c[i]);
		for (unsigned int n = 0; n < 64; n++)
			put_sqe(&c[i], op_fill(VA, LONG, i));
		ring(&c[i]);
	}
	qtest_qmp_ok(d->q, "{\"execute\":\"cont\"}\n");
	wait_for(ram64(d, pa));
	for (unsigned int round = 0; round < 300; round++) {
		uint64_t before = counter(&c[0], DMIRAGE_CNT_BYTES_WRITTEN), after;
		uint64_t others[N];

		for (unsigned int i = 1; i < N; i++)
			others[i] = counter(&c[i], DMIRAGE_CNT_BYTES_WRITTEN);
		after = counter(&c[0], DMIRAGE_CNT_BYTES_WRITTEN);
		for (unsigned int i = 1; i < N; i++) {
			g_assert_cmpuint(others[i] + DMIRAGE_CHUNK, >=, before);
			g_assert_cmpuint(others[i], <=, after + DMIRAGE_CHUNK);
		}
	}
	/* A short operation does not wait for the long ones. */
	for (unsigned int i = 0; i < 10; i++)
		run_ok(&small, op_write(VA, 8, i));
	for (unsigned int i = 0; i < N; i++)
		g_assert_cmpuint(counter(&c[i], DMIRAGE_CNT_OPS), <, 64);
	device_close(d);
}

/* --- without engines ---------------------------------------------------------------- */

/* What there is to do is done when the write is over that makes it possible. */
static void test_no_engines(void)
{
	struct device *d = device_open("engines=0");
	struct context c = context_make(d, 0);
	uint64_t pa = map_long(&c);
	struct dmirage_fqe e;

	c.cq_order = 1;
	context_enable(&c);
	submit(&c, op_write(VA, 8, 1));
	g_assert_true(cqe_ready(&c));
	g_assert_cmpuint(ram64(d, pa), ==, 1);
	/* The others wait for room. */
	submit(&c, op_nop());
	submit(&c, op_write(VA, 8, 2));
	g_assert_cmpuint(ram64(d, pa), ==, 1);
	cqe_take(&c);
	g_assert_cmpuint(ram64(d, pa), ==, 2);
	cqe_take(&c);
	cqe_take(&c);
	/* By an answer; by letting go. */
	submit(&c, op_read(VA + LONG, 8));
	g_assert_true(fault_ready(d));
	e = fault_take(d);
	fault_answer(d, &e, 14);
	g_assert_true(cqe_ready(&c));
	cqe_take(&c);
	hold(&c, DMIRAGE_HOLD_TRANSLATED);
	submit(&c, op_write(VA, 8, 3));
	g_assert_cmphex(ctx_status(&c), ==, DMIRAGE_CTX_HELD);
	hold(&c, DMIRAGE_HOLD_RELEASE);
	g_assert_true(cqe_ready(&c));
	cqe_take(&c);
	device_close(d);
}

/* What takes long keeps nobody for long, and is done all the same. */
static void test_no_engines_long(void)
{
	struct device *d = device_open("engines=0");
	struct context c = context_make(d, 0);
	unsigned int times = 4;
	gint64 took;

	map_long(&c);
	c.sq_order = DMIRAGE_RING_ORDER_MAX;
	context_enable(&c);
	/* So many that it is more than can be done meanwhile. */
	do {
		gint64 began = g_get_monotonic_time();

		times *= 2;
		submit_long(&c, times, times);
		took = g_get_monotonic_time() - began;
		g_assert_cmpint(took, <, 2000000);
		if (!cqe_ready(&c))
			break;
		g_assert_cmpuint(cqe_take(&c).result, ==, times * LONG);
	} while (times < 256);
	/* Nothing is written to a register here. */
	wait_for(cqe_ready(&c));
	g_assert_cmpint(took, >=, 100000);
	g_assert_cmpuint(cqe_take(&c).result, ==, times * LONG);
	device_close(d);
}

/* --- rings --------------------------------------------------------------------------- */

/* No room for completions: operations wait for it. */
static void test_full(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_make(d, 11);

	c.cq_order = 1;
	context_enable(&c);
	for (unsigned int i = 0; i < 7; i++)
		put_sqe(&c, op_nop());
	ring(&c);
	wait_for(ctx_status(&c) == DMIRAGE_CTX_CQ_FULL);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_OPS), ==, 2);
	for (unsigned int i = 0; i < 7; i++)
		g_assert_cmpuint(cqe_take(&c).cookie, ==, i);
	g_assert_cmphex(ctx_status(&c), ==, 0);
	device_close(d);
}

/* A ring in what is not RAM: the context stops, until it is enabled again. */
static void test_ring_nowhere(void)
{
	const uint64_t nowhere[] = { ADDR_NOTHING, ADDR_MMIO };
	struct device *d = device_open(NULL);
	struct context good = context_open(d, 12);

	for (unsigned int i = 0; i < 2 * G_N_ELEMENTS(nowhere); i++) {
		struct context c = context_make(d, 13), bad = c;

		/* Only the registers are wrong: the test's own rings are memory. */
		context_enable(&bad);
		context_disable(&bad);
		w64(d, CTX(13, i % 2 ? DMIRAGE_CTX_SQ_BASE : DMIRAGE_CTX_CQ_BASE), nowhere[i / 2]);
		w32(d, CTX(13, DMIRAGE_CTX_CTL), bad.ctl);
		submit(&bad, op_nop());
		wait_for(r32(d, CTX(13, DMIRAGE_CTX_ERROR)) == DMIRAGE_CTX_ERR_RING);
		expect_error(d, DMIRAGE_ERR_CONTEXT);
		/* More of it makes it no better. */
		submit(&bad, op_nop());
		w32(d, DB(13, DMIRAGE_DB_CQ_HEAD), 5);
		expect_error(d, 0);
		run_ok(&good, op_nop());
		context_disable(&bad);
		context_enable(&c);
		g_assert_cmphex(r32(d, CTX(13, DMIRAGE_CTX_ERROR)), ==, 0);
		run_ok(&c, op_nop());
		context_disable(&c);
	}
	device_close(d);
}

/* It stops while a chunk is held: that chunk is over, and nobody waits for it. */
static void test_stops_while_held(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 14);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K);

	context_disable(&c);
	w64(d, CTX(14, DMIRAGE_CTX_CQ_BASE), ADDR_NOTHING);
	w32(d, CTX(14, DMIRAGE_CTX_CTL), c.ctl);
	w32(d, CTX(14, DMIRAGE_CTX_HOLD), DMIRAGE_HOLD_TRANSLATED);
	submit(&c, op_write(VA, 8, 1));
	wait_for(ctx_status(&c) == DMIRAGE_CTX_HELD);
	/* Nonsense, and its completion cannot be written. */
	w32(d, DB(14, DMIRAGE_DB_SQ_TAIL), 1000);
	g_assert_cmphex(r32(d, CTX(14, DMIRAGE_CTX_ERROR)), ==,
			DMIRAGE_CTX_ERR_RING | DMIRAGE_CTX_ERR_DOORBELL);
	inv_asid(d, 14);
	wait_done(d);
	w64(d, CTX(14, DMIRAGE_CTX_SYNC_LEN), ~0ull);
	g_assert_cmphex(ctx_status(&c), ==, 0);
	g_assert_cmphex(ram64(d, pa), ==, 0);
	expect_error(d, DMIRAGE_ERR_CONTEXT);
	device_close(d);
}

/* --- doorbells ------------------------------------------------------------------------- */

static void bad_doorbell(struct context *c, uint32_t offset, uint32_t value)
{
	struct device *d = c->d;
	struct dmirage_cqe cqe;

	w32(d, DB(c->asid, offset), value);
	cqe = cqe_take(c);
	g_assert_cmpuint(cqe.status, ==, DMIRAGE_ST_DOORBELL);
	g_assert_cmpuint(cqe.detail, ==, offset);
	g_assert_cmpuint(cqe.result, ==, value);
	g_assert_cmphex(cqe.cookie, ==, 0);
	g_assert_cmphex(cqe.addr, ==, 0);
	g_assert_cmphex(r32(d, CTX(c->asid, DMIRAGE_CTX_ERROR)), ==, DMIRAGE_CTX_ERR_DOORBELL);
	w32(d, CTX(c->asid, DMIRAGE_CTX_ERROR), DMIRAGE_CTX_ERR_DOORBELL);
	expect_error(d, DMIRAGE_ERR_CONTEXT);
}

static void test_bad_doorbells(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 20);

	for (unsigned int round = 0; round < 3; round++) {
		/* One more than there is room for, and one back. */
		bad_doorbell(&c, DMIRAGE_DB_SQ_TAIL, c.tail + 65);
		if (c.tail)
			bad_doorbell(&c, DMIRAGE_DB_SQ_TAIL, c.tail - 1);
		bad_doorbell(&c, DMIRAGE_DB_SQ_TAIL, c.tail + 0x80000000);
		bad_doorbell(&c, DMIRAGE_DB_SQ_TAIL, 0xffffffff);
		/* A completion that is not there, and one back. */
		bad_doorbell(&c, DMIRAGE_DB_CQ_HEAD, c.head + 1);
		bad_doorbell(&c, DMIRAGE_DB_CQ_HEAD, c.head - 1);
		bad_doorbell(&c, DMIRAGE_DB_CQ_HEAD, c.head + 0x80000000);
		run_ok(&c, op_nop());
	}
	/* What is there already is no mistake. */
	w32(d, DB(20, DMIRAGE_DB_SQ_TAIL), c.tail);
	w32(d, DB(20, DMIRAGE_DB_CQ_HEAD), c.head);
	expect_error(d, 0);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_OPS), ==, 3);
	device_close(d);
}

/* The place of the operation under way is not given away. */
static void test_bad_doorbell_no_room(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_make(d, 21);
	struct dmirage_fqe fault;

	c.cq_order = 1;
	context_enable(&c);
	submit(&c, op_read(VA, 8));
	fault = fault_take(d);
	for (unsigned int i = 0; i < 4; i++)
		w32(d, DB(21, DMIRAGE_DB_SQ_TAIL), 1000 + i);
	map_new(&c, VA, PAGE_4K, ORDER_4K);
	fault_answer(d, &fault, DMIRAGE_RESP_RETRY);
	wait_for(ctx_status(&c) == DMIRAGE_CTX_CQ_FULL);
	g_assert_cmpuint(cqe_take(&c).result, ==, 1000);
	g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
	expect_never(cqe_ready(&c));
	run_ok(&c, op_nop());
	device_close(d);
}

/* Doorbells of a context that is off: nothing at all. */
static void test_doorbell_off(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 22);

	context_disable(&c);
	w32(d, DB(22, DMIRAGE_DB_SQ_TAIL), 1);
	w32(d, DB(22, DMIRAGE_DB_SQ_TAIL), 1000);
	w32(d, DB(22, DMIRAGE_DB_CQ_HEAD), 1000);
	expect_error(d, 0);
	g_assert_cmphex(r32(d, CTX(22, DMIRAGE_CTX_ERROR)), ==, 0);
	expect_never(cqe_ready(&c));
	context_enable(&c);
	expect_never(cqe_ready(&c));
	run_ok(&c, op_nop());
	device_close(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/contexts/all", test_all);
	g_test_add_func("/contexts/again", test_again);
	g_test_add_func("/contexts/disable-under-way", test_disable_under_way);
	g_test_add_func("/contexts/reset-under-way", test_reset_under_way);
	g_test_add_func("/contexts/machine-reset-under-way", test_machine_reset_under_way);
	g_test_add_func("/contexts/disable-last-access", test_disable_last_access);
	g_test_add_func("/contexts/enable-at-once", test_enable_at_once);
	g_test_add_func("/contexts/reset", test_reset);
	g_test_add_func("/contexts/stopped-machine", test_stopped_machine);
	g_test_add_func("/contexts/turns", test_turns);
	g_test_add_func("/contexts/no-engines", test_no_engines);
	g_test_add_func("/contexts/no-engines-long", test_no_engines_long);
	g_test_add_func("/contexts/full", test_full);
	g_test_add_func("/contexts/ring-nowhere", test_ring_nowhere);
	g_test_add_func("/contexts/stops-while-held", test_stops_while_held);
	g_test_add_func("/contexts/bad-doorbells", test_bad_doorbells);
	g_test_add_func("/contexts/bad-doorbell-no-room", test_bad_doorbell_no_room);
	g_test_add_func("/contexts/doorbell-off", test_doorbell_off);
	return g_test_run();
}
