/* SPDX-License-Identifier: GPL-2.0 */
/* Hold points: an access is stopped, and what lets it go on. */
#include "device.h"

#define VA	0x00d01d00000000ull

/* Arms @hold, submits @sqe, and sees that it stops. */
static void stop_at(struct context *c, uint32_t hold, struct dmirage_sqe sqe)
{
	struct device *d = c->d;

	w32(d, CTX(c->asid, DMIRAGE_CTX_HOLD), hold);
	submit(c, sqe);
	wait_for(ctx_status(c) == DMIRAGE_CTX_HELD);
	/* One shot. */
	g_assert_cmphex(r32(d, CTX(c->asid, DMIRAGE_CTX_HOLD)) & DMIRAGE_HOLD_POINTS, ==, 0);
}

static void release(struct context *c)
{
	w32(c->d, CTX(c->asid, DMIRAGE_CTX_HOLD), DMIRAGE_HOLD_RELEASE);
}

static void set_limit(struct context *c, uint32_t ms)
{
	w32(c->d, CTX(c->asid, DMIRAGE_CTX_HOLD_LIMIT), ms);
}

/* Each kind of operation stops before its data is touched. */
static void test_operations(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 0), other = context_open(d, 1);
	uint64_t pa = map_new(&c, VA, 2 * PAGE_4K, ORDER_4K);
	const struct dmirage_sqe ops[] = {
		op_write(VA, 8, 0x11),
		op_fill(VA, PAGE_4K, 0x11),
		op_copy(VA, VA + PAGE_4K, PAGE_4K),
	};

	set_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
	for (unsigned int i = 0; i < G_N_ELEMENTS(ops); i++) {
		ram_set64(d, pa, 0);
		ram_set64(d, pa + PAGE_4K, 0);
		stop_at(&c, DMIRAGE_HOLD_TRANSLATED, ops[i]);
		/* Another's data is not touched either way. */
		run_ok(&other, op_nop());
		expect_never(ram64(d, pa) || cqe_ready(&c));
		ram_set64(d, pa + PAGE_4K, 0x11);
		release(&c);
		g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
		g_assert_cmphex(ram64(d, pa), ==, 0x11);
		g_assert_cmphex(ctx_status(&c), ==, 0);
	}
	/* A read sees what is there when it goes on. */
	stop_at(&c, DMIRAGE_HOLD_TRANSLATED, op_read(VA, 8));
	ram_set64(d, pa, 0x22);
	release(&c);
	g_assert_cmphex(cqe_take(&c).result, ==, 0x22);
	device_close(d);
}

/* It goes on with the translation it has, whatever the table says now. */
static void test_latched(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 2);
	uint64_t old = map_new(&c, VA, PAGE_4K, ORDER_4K), fresh;

	set_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
	stop_at(&c, DMIRAGE_HOLD_TRANSLATED | DMIRAGE_HOLD_KEEP, op_write(VA, 8, 1));
	fresh = map_new(&c, VA, PAGE_4K, ORDER_4K);
	inv_asid(d, 2);
	release(&c);
	cqe_take(&c);
	run_ok(&c, op_write(VA, 8, 2));
	g_assert_cmpuint(ram64(d, old), ==, 1);
	g_assert_cmpuint(ram64(d, fresh), ==, 2);
	device_close(d);
}

/* Both sides of a copy are held: a command for either one hits it. */
static void test_both_sides(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 3);

	set_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
	for (unsigned int side = 0; side < 2; side++) {
		uint64_t status;

		map_new(&c, VA, 2 * PAGE_4K, ORDER_4K);
		stop_at(&c, DMIRAGE_HOLD_TRANSLATED | DMIRAGE_HOLD_KEEP,
			op_copy(VA, VA + PAGE_4K, 8));
		inv_range(d, 3, VA + side * PAGE_4K, 1);
		status = wait_send(d);
		expect_never(ram32(d, status));
		release(&c);
		wait_for(ram32(d, status));
		cqe_take(&c);
	}
	device_close(d);
}

/* The n-th chunk of an operation, armed between. */
static void test_later_chunk(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 4);
	uint64_t pa = map_new(&c, VA, 4 * DMIRAGE_CHUNK, ORDER_4K);

	set_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
	w32(d, CTX(4, DMIRAGE_CTX_HOLD), DMIRAGE_HOLD_TRANSLATED);
	submit(&c, op_fill(VA, 4 * DMIRAGE_CHUNK, 1));
	for (unsigned int i = 0; i < 4; i++) {
		wait_for(ctx_status(&c) == DMIRAGE_CTX_HELD);
		for (unsigned int n = 0; n < 4; n++)
			g_assert_cmpuint(ram64(d, pa + n * DMIRAGE_CHUNK), ==, n < i);
		/* Releases this one and arms the next in one write. */
		w32(d, CTX(4, DMIRAGE_CTX_HOLD),
		    DMIRAGE_HOLD_RELEASE | (i < 3 ? DMIRAGE_HOLD_TRANSLATED : 0));
		if (i < 3)
			wait_for(ram64(d, pa + i * DMIRAGE_CHUNK));
	}
	g_assert_cmpuint(cqe_take(&c).result, ==, 4 * DMIRAGE_CHUNK);
	device_close(d);
}

/* Disarmed, or released while nothing is held: nothing. */
static void test_disarm(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 5);

	/* What is held all the same is to be noticed. */
	set_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
	map_new(&c, VA, PAGE_4K, ORDER_4K);
	w32(d, CTX(5, DMIRAGE_CTX_HOLD), DMIRAGE_HOLD_TRANSLATED | DMIRAGE_HOLD_KEEP);
	w32(d, CTX(5, DMIRAGE_CTX_HOLD), 0);
	run_ok(&c, op_write(VA, 8, 1));
	release(&c);
	/* KEEP alone is no point. */
	w32(d, CTX(5, DMIRAGE_CTX_HOLD), DMIRAGE_HOLD_KEEP);
	run_ok(&c, op_write(VA, 8, 1));
	/* NOP makes no access. */
	w32(d, CTX(5, DMIRAGE_CTX_HOLD), DMIRAGE_HOLD_TRANSLATED);
	run_ok(&c, op_nop());
	g_assert_cmphex(r32(d, CTX(5, DMIRAGE_CTX_HOLD)), ==, DMIRAGE_HOLD_TRANSLATED);
	/* It ends with the context. */
	context_disable(&c);
	g_assert_cmphex(r32(d, CTX(5, DMIRAGE_CTX_HOLD)), ==, 0);
	context_enable(&c);
	run_ok(&c, op_write(VA, 8, 1));
	expect_error(d, 0);
	device_close(d);
}

/* Nobody releases it. */
static void test_limit(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 6), other = context_open(d, 7);
	gint64 began;
	bool early;

	map_new(&c, VA, PAGE_4K, ORDER_4K);
	map_new(&other, VA, PAGE_4K, ORDER_4K);
	set_limit(&c, 80);
	set_limit(&other, 20);
	for (uint32_t keep = 0; keep <= DMIRAGE_HOLD_KEEP; keep += DMIRAGE_HOLD_KEEP) {
		began = g_get_monotonic_time();
		stop_at(&c, DMIRAGE_HOLD_TRANSLATED | keep, op_write(VA, 8, 1));
		stop_at(&other, DMIRAGE_HOLD_TRANSLATED | keep, op_write(VA, 8, 1));
		cqe_take(&other);
		g_assert_cmpint(g_get_monotonic_time() - began, >=, 20000);
		early = cqe_ready(&c);
		g_assert_false(early && g_get_monotonic_time() - began < 80000);
		g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
		g_assert_cmpint(g_get_monotonic_time() - began, >=, 80000);
		g_assert_cmpint(g_get_monotonic_time() - began, <, 2000000);
	}
	device_close(d);
}

/* A held access is not carried out if its context ends, or all of them do. */
static void test_end(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 8);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K);

	for (unsigned int i = 0; i < 2; i++) {
		set_limit(&c, 20);
		stop_at(&c, DMIRAGE_HOLD_TRANSLATED | DMIRAGE_HOLD_KEEP, op_write(VA, 8, 1));
		/* Nothing is under way in it: what is held has not begun. */
		g_assert_cmphex(r32(d, DMIRAGE_REG_STATUS), ==, 0);
		if (i)
			device_reset(d);
		else
			context_disable(&c);
		g_assert_cmphex(ctx_status(&c), ==, 0);
		release(&c);
		g_usleep(30000);
		g_assert_cmphex(ram64(d, pa), ==, 0);
		g_assert_false(cqe_ready(&c));
		context_enable(&c);
		run_ok(&c, op_read(VA, 8));
		g_assert_cmpuint(counter(&c, DMIRAGE_CNT_IOTLB_MISSES), ==, 1);
	}
	device_close(d);
}

/* SYNC_LEN for a context that is off, with FLUSH armed: there is nothing to hold. */
static void test_flush_off(void)
{
	struct device *d = device_open(NULL);

	w32(d, CTX(9, DMIRAGE_CTX_HOLD), DMIRAGE_HOLD_FLUSH);
	w64(d, CTX(9, DMIRAGE_CTX_SYNC_LEN), 1);
	g_assert_cmphex(ctx_status(&(struct context){ .d = d, .asid = 9 }), ==, 0);
	device_close(d);
}

/* --- the other points ----------------------------------------------------------- */

/* WALK: what is in the IOTLB does not come there; nothing has been read or latched. */
static void test_walk(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 9);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K), fresh = ram_alloc(d, PAGE_4K);

	set_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
	run_ok(&c, op_write(VA, 8, 1));
	hold(&c, DMIRAGE_HOLD_WALK);
	run_ok(&c, op_write(VA, 8, 2));
	g_assert_cmphex(r32(d, CTX(9, DMIRAGE_CTX_HOLD)), ==, DMIRAGE_HOLD_WALK);
	inv_asid(d, 9);
	stop_at(&c, DMIRAGE_HOLD_WALK | DMIRAGE_HOLD_KEEP, op_write(VA, 8, 3));
	g_assert_cmphex(ctx_status(&c), ==, DMIRAGE_CTX_HELD);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_IOTLB_MISSES), ==, 1);
	/* No command has to wait for it, nor lets it go on. */
	mirror_map(&c, VA, fresh, ORDER_4K, DMIRAGE_PTE_WRITE);
	inv_asid(d, 9);
	wait_done(d);
	g_assert_cmphex(ctx_status(&c), ==, DMIRAGE_CTX_HELD);
	expect_never(cqe_ready(&c));
	release(&c);
	g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
	g_assert_cmpuint(ram64(d, pa), ==, 2);
	g_assert_cmpuint(ram64(d, fresh), ==, 3);
	/* By a write that the translation does not permit, too; and before a fault. */
	mirror_map(&c, VA, pa, ORDER_4K, 0);
	inv_asid(d, 9);
	run_ok(&c, op_read(VA, 8));
	stop_at(&c, DMIRAGE_HOLD_WALK, op_write(VA, 8, 4));
	g_assert_false(fault_ready(d));
	mirror_map(&c, VA, pa, ORDER_4K, DMIRAGE_PTE_WRITE);
	release(&c);
	g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_FAULTS), ==, 0);
	device_close(d);
}

/* MIDDLE: between chunks and between descriptors, and not after the last. */
static void test_middle(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 10);
	uint64_t pa = map_new(&c, VA, PAGE_2M, ORDER_4K);

	set_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
	stop_at(&c, DMIRAGE_HOLD_MIDDLE, op_fill(VA, 2 * DMIRAGE_CHUNK, 1));
	g_assert_cmpuint(ram64(d, pa + DMIRAGE_CHUNK - 8), ==, 1);
	expect_never(ram64(d, pa + DMIRAGE_CHUNK) || cqe_ready(&c));
	/* Nothing is latched. */
	inv_asid(d, 10);
	wait_done(d);
	g_assert_cmphex(ctx_status(&c), ==, DMIRAGE_CTX_HELD);
	release(&c);
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 2 * DMIRAGE_CHUNK);
	hold(&c, DMIRAGE_HOLD_MIDDLE);
	run_ok(&c, op_fill(VA, DMIRAGE_CHUNK, 2));
	g_assert_cmphex(r32(d, CTX(10, DMIRAGE_CTX_HOLD)), ==, DMIRAGE_HOLD_MIDDLE);
	put_sqe(&c, chained(op_fill(VA, 8, 3)));
	stop_at(&c, DMIRAGE_HOLD_MIDDLE, op_fill(VA + 8, 8, 4));
	g_assert_cmpuint(ram64(d, pa), ==, 3);
	g_assert_cmpuint(ram64(d, pa + 8), ==, 2);
	release(&c);
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 16);
	device_close(d);
}

/* COMPLETE: all is done, and it is not told; of each operation, NOP as well. */
static void test_complete(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 11);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K);
	const struct dmirage_sqe ops[] = { op_nop(), op_write(VA, 8, 7), op_read(VA, 8),
					   op_fill(VA, 8, 7), op_add(VA, 8, 1), op_crc(VA, 8) };

	set_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
	for (unsigned int i = 0; i < G_N_ELEMENTS(ops); i++) {
		stop_at(&c, DMIRAGE_HOLD_COMPLETE | DMIRAGE_HOLD_KEEP, ops[i]);
		g_assert_cmpuint(ram64(d, pa), ==, i == 0 ? 0 : (i < 4 ? 7 : 8));
		expect_never(cqe_ready(&c));
		g_assert_cmpuint(counter(&c, DMIRAGE_CNT_OPS), ==, i);
		inv_asid(d, 11);
		wait_done(d);
		g_assert_cmphex(ctx_status(&c), ==, DMIRAGE_CTX_HELD);
		release(&c);
		g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
	}
	device_close(d);
}

/* Several at once: each stops once, in the order in which they come. */
static void test_all_points(void)
{
	const uint32_t order[] = { DMIRAGE_HOLD_WALK, DMIRAGE_HOLD_TRANSLATED, DMIRAGE_HOLD_MIDDLE,
				   DMIRAGE_HOLD_COMPLETE };
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 12);
	uint32_t left = DMIRAGE_HOLD_POINTS & ~DMIRAGE_HOLD_FLUSH;

	map_new(&c, VA, PAGE_2M, ORDER_2M);
	set_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
	hold(&c, left | DMIRAGE_HOLD_KEEP);
	submit(&c, op_fill(VA, 3 * DMIRAGE_CHUNK, 1));
	for (unsigned int i = 0; i < G_N_ELEMENTS(order); i++) {
		uint32_t is;

		wait_for(ctx_status(&c) == DMIRAGE_CTX_HELD);
		is = r32(d, CTX(12, DMIRAGE_CTX_HOLD));
		left &= ~order[i];
		g_assert_cmphex(is, ==, left ? left | DMIRAGE_HOLD_KEEP : 0);
		hold(&c, is | DMIRAGE_HOLD_RELEASE);
	}
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 3 * DMIRAGE_CHUNK);
	device_close(d);
}

/* FLUSH: the answer to the next WAIT after a command for the context, and it alone. */
static void test_flush(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 13), other = context_open(d, 14);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K), status, later;
	gint64 began;

	run_ok(&c, op_write(VA, 8, 1));
	set_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
	hold(&c, DMIRAGE_HOLD_FLUSH);
	/* Without a command, or with another context's. */
	wait_done(d);
	inv_asid(d, 14);
	wait_done(d);
	g_assert_cmphex(r32(d, CTX(13, DMIRAGE_CTX_HOLD)), ==, DMIRAGE_HOLD_FLUSH);
	inv_range(d, 13, VA + PAGE_2M, 1);
	inv_range(d, 13, VA, 1);
	status = wait_send(d);
	g_assert_cmphex(ctx_status(&c), ==, DMIRAGE_CTX_FLUSH_HELD);
	g_assert_cmphex(r32(d, CTX(13, DMIRAGE_CTX_HOLD)), ==, 0);
	/* It is dropped already; operations go on; so do other WAITs. */
	g_assert_null(dump_find(d, 13, VA));
	run_ok(&c, op_write(VA, 8, 2));
	g_assert_cmpuint(ram64(d, pa), ==, 2);
	inv_range(d, 13, VA, 1);
	wait_done(d);
	expect_never(ram32(d, status));
	release(&c);
	g_assert_cmpuint(ram32(d, status), ==, 1);
	g_assert_cmphex(ctx_status(&c), ==, 0);

	/* By the limit. */
	set_limit(&c, 60);
	hold(&c, DMIRAGE_HOLD_FLUSH);
	inv_range(d, 13, VA, 1);
	began = g_get_monotonic_time();
	status = wait_send(d);
	wait_for(ram32(d, status));
	g_assert_cmpint(g_get_monotonic_time() - began, >=, 60000);

	/* By the end of the context; also when it waits for a chunk besides. */
	set_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
	hold(&c, DMIRAGE_HOLD_FLUSH | DMIRAGE_HOLD_TRANSLATED | DMIRAGE_HOLD_KEEP);
	submit(&c, op_write(VA, 8, 3));
	wait_for(ctx_status(&c) == DMIRAGE_CTX_HELD);
	inv_range(d, 13, VA, 1);
	status = wait_send(d);
	g_assert_cmphex(ctx_status(&c), ==, DMIRAGE_CTX_HELD | DMIRAGE_CTX_FLUSH_HELD);
	later = wait_send(d);
	expect_never(ram32(d, status) || ram32(d, later));
	release(&c);
	wait_for(ram32(d, status) && ram32(d, later));
	g_assert_cmpuint(ram64(d, pa), ==, 3);
	cqe_take(&c);
	hold(&c, DMIRAGE_HOLD_FLUSH);
	inv_range(d, 13, VA, 1);
	status = wait_send(d);
	expect_never(ram32(d, status));
	context_disable(&c);
	g_assert_cmpuint(ram32(d, status), ==, 1);
	g_assert_cmphex(ctx_status(&c), ==, 0);
	/* One that is off has nothing to hold, be it armed. */
	hold(&c, DMIRAGE_HOLD_FLUSH);
	sync_range(&c, VA, 1);
	inv_range(d, 13, VA, 1);
	wait_done(d);
	g_assert_cmphex(ctx_status(&c), ==, 0);
	run_ok(&other, op_nop());
	device_close(d);
}

/* Each point lets go by the limit, and by the end of the context. */
static void test_limit_of_each(void)
{
	const uint32_t points[] = { DMIRAGE_HOLD_WALK, DMIRAGE_HOLD_TRANSLATED, DMIRAGE_HOLD_MIDDLE,
				    DMIRAGE_HOLD_COMPLETE };
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 15);

	map_new(&c, VA, PAGE_2M, ORDER_2M);
	for (unsigned int i = 0; i < G_N_ELEMENTS(points); i++) {
		gint64 began = g_get_monotonic_time();

		set_limit(&c, 30);
		inv_asid(d, 15);
		stop_at(&c, points[i] | DMIRAGE_HOLD_KEEP, op_fill(VA, 2 * DMIRAGE_CHUNK, i));
		expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 2 * DMIRAGE_CHUNK);
		g_assert_cmpint(g_get_monotonic_time() - began, >=, 30000);
		set_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
		inv_asid(d, 15);
		stop_at(&c, points[i], op_fill(VA, 2 * DMIRAGE_CHUNK, i));
		context_disable(&c);
		g_assert_cmphex(ctx_status(&c), ==, 0);
		context_enable(&c);
		g_assert_false(cqe_ready(&c));
		run_ok(&c, op_fill(VA, 2 * DMIRAGE_CHUNK, i));
	}
	device_close(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/hold/operations", test_operations);
	g_test_add_func("/hold/latched", test_latched);
	g_test_add_func("/hold/both-sides", test_both_sides);
	g_test_add_func("/hold/later-chunk", test_later_chunk);
	g_test_add_func("/hold/disarm", test_disarm);
	g_test_add_func("/hold/limit", test_limit);
	g_test_add_func("/hold/end", test_end);
	g_test_add_func("/hold/flush-off", test_flush_off);
	g_test_add_func("/hold/walk", test_walk);
	g_test_add_func("/hold/middle", test_middle);
	g_test_add_func("/hold/complete", test_complete);
	g_test_add_func("/hold/all-points", test_all_points);
	g_test_add_func("/hold/flush", test_flush);
	g_test_add_func("/hold/limit-of-each", test_limit_of_each);
	return g_test_run();
}
