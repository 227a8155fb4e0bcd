/* SPDX-License-Identifier: GPL-2.0 */
/* The rings' indices: read, kept, written, and gone on with. */
#include "device.h"

#include <string.h>

#define VA	0x00feed00000000ull

/* SQ_HEAD, SQ_TAIL, CQ_HEAD, CQ_TAIL. */
#define INDICES		4

static uint32_t index_reg(const struct context *c, unsigned int n)
{
	static const uint32_t reg[INDICES] = { DMIRAGE_CTX_SQ_HEAD, DMIRAGE_CTX_SQ_TAIL,
					       DMIRAGE_CTX_CQ_HEAD, DMIRAGE_CTX_CQ_TAIL };

	return CTX(c->asid, reg[n]);
}

static void expect_indices(struct context *c, uint32_t sq_head, uint32_t sq_tail,
			   uint32_t cq_head, uint32_t cq_tail)
{
	const uint32_t value[INDICES] = { sq_head, sq_tail, cq_head, cq_tail };

	for (unsigned int i = 0; i < INDICES; i++)
		g_assert_cmphex(r32(c->d, index_reg(c, i)), ==, value[i]);
}

static void save(struct context *c, uint32_t *value)
{
	for (unsigned int i = 0; i < INDICES; i++)
		value[i] = r32(c->d, index_reg(c, i));
}

/* As context_enable(), but the rings keep their content, and nothing begins anew. */
static void restore(struct context *c, const uint32_t *value)
{
	struct device *d = c->d;

	w64(d, CTX(c->asid, DMIRAGE_CTX_PT_ROOT), c->pt_root);
	w64(d, CTX(c->asid, DMIRAGE_CTX_SQ_BASE), c->sq);
	w64(d, CTX(c->asid, DMIRAGE_CTX_CQ_BASE), c->cq);
	w32(d, CTX(c->asid, DMIRAGE_CTX_RINGS), c->sq_order | c->cq_order << 8);
	for (unsigned int i = 0; i < INDICES; i++)
		w32(d, index_reg(c, i), value[i]);
	w32(d, CTX(c->asid, DMIRAGE_CTX_CTL), c->ctl);
	g_assert_cmphex(r32(d, CTX(c->asid, DMIRAGE_CTX_CTL)), ==, c->ctl);
	expect_error(d, 0);
}

/* They say what has been done, for contexts that begin anywhere. */
static void test_moving(void)
{
	static const uint32_t first[][2] = {
		{ 0, 0 }, { 3, 1000 }, { 0xffffffff, 0xfffffffe }, { 0x7fffffff, 0x80000000 },
	};
	struct device *d = device_open(NULL);

	for (unsigned int n = 0; n < G_N_ELEMENTS(first); n++) {
		struct context c = context_make(d, 11 * n);
		uint32_t sq = first[n][0], cq = first[n][1];
		struct dmirage_cqe cqe;

		c.sq_order = 2;
		c.cq_order = 3;
		c.first_sq = sq;
		c.first_cq = cq;
		context_enable(&c);
		expect_indices(&c, sq, sq, cq, cq);
		for (unsigned int i = 0; i < 20; i++) {
			struct dmirage_sqe sqe = op_nop();

			sqe.cookie = 100 + i;
			put_sqe(&c, sqe);
			expect_indices(&c, sq + i, sq + i, cq + i, cq + i);
			ring(&c);
			wait_for(cqe_ready(&c));
			expect_indices(&c, sq + i + 1, sq + i + 1, cq + i, cq + i + 1);
			cqe = cqe_take(&c);
			g_assert_cmpuint(cqe.cookie, ==, 100 + i);
			g_assert_cmphex(cqe.seq, ==, cq + i + 1);
		}
		expect_indices(&c, sq + 20, sq + 20, cq + 20, cq + 20);
		/* What is behind is as impossible as ever. */
		w32(d, DB(c.asid, DMIRAGE_DB_SQ_TAIL), sq + 19);
		w32(d, DB(c.asid, DMIRAGE_DB_CQ_HEAD), cq + 19);
		expect_error(d, DMIRAGE_ERR_CONTEXT);
		expect_indices(&c, sq + 20, sq + 20, cq + 20, cq + 22);
	}
	device_close(d);
}

/* They outlive the context, but not a reset of either kind. */
static void test_kept(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 2);

	for (unsigned int i = 0; i < 5; i++)
		run_ok(&c, op_nop());
	submit(&c, op_nop());
	wait_for(cqe_ready(&c));
	context_disable(&c);
	expect_indices(&c, 6, 6, 5, 6);
	/* Doorbells are not listened to. */
	w32(d, DB(2, DMIRAGE_DB_SQ_TAIL), 7);
	w32(d, DB(2, DMIRAGE_DB_CQ_HEAD), 6);
	expect_indices(&c, 6, 6, 5, 6);
	w32(d, CTX(2, DMIRAGE_CTX_CTL), c.ctl);
	expect_indices(&c, 6, 6, 5, 6);
	device_reset(d);
	expect_indices(&c, 0, 0, 0, 0);
	device_setup(d);
	context_enable(&c);
	run_ok(&c, op_nop());
	expect_indices(&c, 1, 1, 1, 1);
	qtest_qmp_ok(d->q, "{\"execute\":\"system_reset\"}\n");
	qtest_qmp_event(d->q, "RESET");
	device_place(d);
	expect_indices(&c, 0, 0, 0, 0);
	device_close(d);
}

/* What was submitted and not begun is done in the life after, without a doorbell. */
static void test_go_on(void)
{
	const unsigned int ops = 60;
	struct device *d = device_open(NULL);
	struct context c = context_make(d, 21);
	uint32_t saved[INDICES];
	uint64_t pa;

	c.cq_order = 2;
	c.first_sq = 0xfffffff0;
	c.first_cq = 0xfffffff9;
	context_enable(&c);
	pa = map_new(&c, VA, PAGE_4K, ORDER_4K);
	for (unsigned int i = 0; i < ops; i++) {
		struct dmirage_sqe sqe = op_add(VA, 8, 1);

		sqe.cookie = 1 + i;
		put_sqe(&c, sqe);
	}
	ring(&c);
	for (unsigned int done = 0; done < ops; done += 4) {
		struct dmirage_cqe cqe;

		/* Four are done, and then there is no room. */
		wait_for(ctx_status(&c) == DMIRAGE_CTX_CQ_FULL);
		g_assert_false(ctx_active(&c));
		context_disable(&c);
		save(&c, saved);
		device_reset(d);
		device_setup(d);
		restore(&c, saved);
		expect_never(!(ctx_status(&c) & DMIRAGE_CTX_CQ_FULL));
		g_assert_cmpuint(ram64(d, pa), ==, done + 4);
		for (unsigned int i = 0; i < 4; i++) {
			wait_for(cqe_ready(&c));
			cqe = *((struct dmirage_cqe *)ram(d, c.cq) + (c.head & 3));
			g_assert_cmpuint(cqe.status, ==, DMIRAGE_ST_OK);
			g_assert_cmpuint(cqe.cookie, ==, 1 + done + i);
			g_assert_cmpuint(cqe.result, ==, done + i);
			c.head++;
		}
		if (done + 4 < ops)
			w32(d, DB(21, DMIRAGE_DB_CQ_HEAD), c.head);
	}
	device_close(d);

	/* And with all of the ring's descriptors, and no doorbell of any kind. */
	d = device_open(NULL);
	c = context_make(d, 22);
	c.sq_order = 3;
	pa = map_new(&c, VA, PAGE_4K, ORDER_4K);
	for (unsigned int i = 0; i < 8; i++)
		put_sqe(&c, op_add(VA, 8, 1));
	restore(&c, (const uint32_t[INDICES]){ 0, 8, 0, 0 });
	for (unsigned int i = 0; i < 8; i++)
		g_assert_cmpuint(cqe_take(&c).result, ==, i);
	device_close(d);
}

/* ACTIVE, from a descriptor's being taken to its completion, whatever it waits for. */
static void test_active(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 8);
	struct dmirage_fqe fault;
	uint32_t saved[INDICES];

	map_new(&c, VA, PAGE_4K, ORDER_4K);
	g_assert_false(ctx_active(&c));
	hold_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
	for (uint32_t point = DMIRAGE_HOLD_TRANSLATED; point <= DMIRAGE_HOLD_COMPLETE;
	     point *= 2) {
		if (point == DMIRAGE_HOLD_MIDDLE)
			continue;
		inv_asid(d, 8);
		hold(&c, point);
		submit(&c, op_write(VA, 8, 1));
		hold_await(&c);
		g_assert_true(ctx_active(&c));
		hold(&c, DMIRAGE_HOLD_RELEASE);
		g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
		g_assert_false(ctx_active(&c));
	}
	submit(&c, op_write(VA + PAGE_2M, 8, 1));
	fault = fault_take(d);
	g_assert_true(ctx_active(&c));
	fault_answer(d, &fault, 14);
	g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_FAULT);
	g_assert_false(ctx_active(&c));

	/* An open chain waits for nothing that STATUS says; nor does one that failed. */
	for (unsigned int bad = 0; bad < 2; bad++) {
		submit(&c, chained(op_fill(VA, bad ? 0 : 8, 1)));
		wait_for(r32(d, CTX(8, DMIRAGE_CTX_SQ_HEAD)) == c.tail);
		wait_for(ctx_status(&c) == 0);
		g_assert_true(ctx_active(&c));
		submit(&c, op_fill(VA, 8, 1));
		cqe_take(&c);
		g_assert_false(ctx_active(&c));
	}

	/* Ended meanwhile: its descriptor is behind SQ_HEAD, the next is not. */
	hold(&c, DMIRAGE_HOLD_COMPLETE);
	submit(&c, op_write(VA, 8, 2));
	submit(&c, op_read(VA, 8));
	hold_await(&c);
	context_disable(&c);
	g_assert_false(ctx_active(&c));
	save(&c, saved);
	g_assert_cmphex(saved[0], ==, c.tail - 1);
	restore(&c, saved);
	g_assert_cmpuint(cqe_take(&c).result, ==, 2);
	expect_never(cqe_ready(&c));
	device_close(d);
}

/* Impossible ones refuse ENABLE (regs has more); the most there may be does not. */
static void test_bounds(void)
{
	static const uint32_t bad[][INDICES] = {
		{ 0, 5, 0, 0 }, { 1, 0, 0, 0 }, { 0xffffffff, 4, 0, 0 },
		{ 0, 0, 0, 9 }, { 0, 0, 1, 0 }, { 0, 0, 0xfffffffe, 7 },
	};
	struct device *d = device_open(NULL);
	struct context c = context_make(d, 30);

	c.sq_order = 2;
	c.cq_order = 3;
	context_enable(&c);
	for (unsigned int i = 0; i < G_N_ELEMENTS(bad); i++) {
		context_disable(&c);
		for (unsigned int n = 0; n < INDICES; n++)
			w32(d, index_reg(&c, n), bad[i][n]);
		expect_error(d, 0);
		w32(d, CTX(30, DMIRAGE_CTX_CTL), c.ctl);
		expect_error(d, DMIRAGE_ERR_CONFIG);
		g_assert_cmphex(r32(d, CTX(30, DMIRAGE_CTX_CTL)) & DMIRAGE_CTL_ENABLE, ==, 0);
		expect_indices(&c, bad[i][0], bad[i][1], bad[i][2], bad[i][3]);
	}
	/* The completion ring full, and the submission ring. */
	restore(&c, (const uint32_t[INDICES]){ 0xfffffffe, 2, 0xfffffffc, 4 });
	expect_never(ctx_status(&c) != DMIRAGE_CTX_CQ_FULL);
	expect_indices(&c, 0xfffffffe, 2, 0xfffffffc, 4);
	w32(d, DB(30, DMIRAGE_DB_CQ_HEAD), 0);
	c.head = 4;
	for (unsigned int i = 0; i < 4; i++)
		g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
	expect_indices(&c, 2, 2, 8, 8);
	device_close(d);
}

/*
 * Stopped at any moment: each descriptor is completed, or is the one that was ended, or
 * comes in the life after.
 */
static void test_any_moment(void)
{
	const unsigned int ops = 63;
	struct device *d = device_open(NULL);
	struct context c = context_make(d, 33);
	unsigned int lives = 0;

	context_enable(&c);
	map_new(&c, VA, PAGE_4K, ORDER_4K);
	for (unsigned int round = 0; round < 40; round++) {
		unsigned int ended = 0, seen = 0;
		uint64_t last = c.tail - 1ull;
		uint32_t saved[INDICES];

		for (unsigned int i = 0; i < ops; i++)
			put_sqe(&c, op_fill(VA, g_test_rand_int_range(1, 4096), 0));
		ring(&c);
		do {
			uint32_t taken, written;

			g_usleep(g_test_rand_int_range(0, 60));
			context_disable(&c);
			save(&c, saved);
			/* As many completions as descriptors, but for the one ended. */
			taken = saved[0] - (c.tail - ops);
			written = saved[3] - c.head + seen;
			g_assert_cmpuint(taken - written - ended, <=, 1);
			ended = taken - written;
			for (; c.head != saved[3]; c.head++, seen++) {
				struct dmirage_cqe *cqe = ram(d, c.cq);

				cqe += c.head & 63;
				g_assert_cmphex(cqe->seq, ==, c.head + 1);
				g_assert_true((int64_t)(cqe->cookie - last) > 0);
				last = cqe->cookie;
			}
			g_assert_cmpuint(seen, ==, written);
			saved[2] = c.head;
			lives++;
			restore(&c, saved);
		} while (saved[0] != saved[1]);
		g_assert_cmpuint(seen + ended, ==, ops);
	}
	g_test_message("%u lives of 40 times %u operations", lives, ops);
	device_close(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/indices/moving", test_moving);
	g_test_add_func("/indices/kept", test_kept);
	g_test_add_func("/indices/go-on", test_go_on);
	g_test_add_func("/indices/active", test_active);
	g_test_add_func("/indices/bounds", test_bounds);
	g_test_add_func("/indices/any-moment", test_any_moment);
	return g_test_run();
}
