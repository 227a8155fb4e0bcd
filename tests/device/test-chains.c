/* SPDX-License-Identifier: GPL-2.0 */
/* Chains: an operation of several descriptors. */
#include "device.h"

#include <string.h>

#define VA	0x00cba100000000ull
#define TOP	(1ull << DMIRAGE_VA_BITS)

static struct dmirage_sqe with_cookie(struct dmirage_sqe sqe, uint64_t cookie)
{
	sqe.cookie = cookie;
	return sqe;
}

/* Scattered to one place and back, by one operation each. */
static void test_gather(void)
{
	enum { N = 50 };
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 1);
	uint64_t pa = map_new(&c, VA, PAGE_2M, ORDER_4K), to = VA + PAGE_2M / 2, at = 0;
	struct dmirage_cqe cqe;
	uint8_t *all = ram(d, pa), model[N * 100];

	for (unsigned int i = 0; i < PAGE_2M / 2; i += 4)
		*(uint32_t *)(all + i) = g_test_rand_int();
	for (unsigned int i = 0; i < N; i++) {
		uint64_t from = i * 7919 % (PAGE_2M / 2 - 100), len = 1 + i % 100;
		struct dmirage_sqe sqe = with_cookie(op_copy(to + at, VA + from, len), 1000 + i);

		memcpy(model + at, all + from, len);
		put_sqe(&c, i < N - 1 ? chained(sqe) : sqe);
		at += len;
	}
	ring(&c);
	cqe = cqe_take(&c);
	g_assert_cmpuint(cqe.status, ==, DMIRAGE_ST_OK);
	g_assert_cmpuint(cqe.cookie, ==, 1000);
	g_assert_cmpuint(cqe.result, ==, at);
	g_assert_cmpmem(all + PAGE_2M / 2, at, model, at);
	expect_never(cqe_ready(&c));
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_OPS), ==, 1);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_BYTES_WRITTEN), ==, at);
	/* The next operation is one of its own. */
	g_assert_cmpuint(run_ok(&c, op_fill(VA, 10, 0)), ==, 10);
	/* The pattern begins anew with each descriptor, which may have another. */
	put_sqe(&c, chained(op_fill(VA, 3, 0x1111111111111111ull)));
	put_sqe(&c, chained(op_fill(VA + 3, 5, 0x8877665544332211ull)));
	put_sqe(&c, op_fill(VA + 8, 8, 0x8877665544332211ull));
	ring(&c);
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 16);
	g_assert_cmphex(ram64(d, pa), ==, 0x5544332211111111ull);
	g_assert_cmphex(ram64(d, pa + 8), ==, 0x8877665544332211ull);
	put_sqe(&c, chained(op_touch_read(VA, PAGE_4K)));
	put_sqe(&c, op_touch_read(VA + 5 * PAGE_4K, 1));
	put_sqe(&c, chained(op_touch_write(VA, 77)));
	put_sqe(&c, op_touch_write(VA + 5 * PAGE_4K, 3));
	ring(&c);
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, PAGE_4K + 1);
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 80);
	device_close(d);
}

/* The rest may come later; what is there is done, and another context goes on. */
static void test_later(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 2), other = context_open(d, 3);
	uint64_t pa = map_new(&c, VA, PAGE_2M, ORDER_2M);

	for (unsigned int i = 0; i < 5; i++) {
		submit(&c, chained(op_fill(VA + i * PAGE_4K, 8, i + 1)));
		wait_for(ram64(d, pa + i * PAGE_4K) == i + 1);
		run_ok(&other, op_nop());
		expect_never(cqe_ready(&c));
		g_assert_cmphex(ctx_status(&c), ==, 0);
	}
	submit(&c, op_fill(VA + 5 * PAGE_4K, 8, 6));
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 6 * 8);
	g_assert_cmpuint(c.head, ==, 1);
	device_close(d);
}

/* Longer than the ring: descriptors that were taken make room. */
static void test_around(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_make(d, 4);
	uint64_t pa;

	c.sq_order = 1;
	c.cq_order = 1;
	context_enable(&c);
	pa = map_new(&c, VA, PAGE_2M, ORDER_2M);
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < 101; i++) {
			struct dmirage_sqe sqe = op_fill(VA + i * 8, 8, round * 1000 + i + 1);

			submit(&c, i < 100 ? chained(sqe) : sqe);
			wait_for(ram64(d, pa + i * 8) == round * 1000 + i + 1);
		}
		expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 101 * 8);
	}
	device_close(d);
}

/* The one at fault, in the middle; the rest is taken, whatever it is. */
static void error_in_chain(struct context *c, struct dmirage_sqe bad, enum dmirage_status status,
			   unsigned int detail, uint64_t addr, uint64_t done, uint64_t pa)
{
	struct device *d = c->d;
	struct dmirage_sqe rubbish = { .opcode = 0xee, .flags = 0xff, .len = ~0ull, .src = ~0ull };
	uint64_t ops = counter(c, DMIRAGE_CNT_OPS), failed = counter(c, DMIRAGE_CNT_OPS_FAILED);
	struct dmirage_cqe cqe;

	ram_set64(d, pa + 0x800, 0);
	put_sqe(c, with_cookie(chained(op_fill(VA, 100, 1)), 0xc00c1e));
	put_sqe(c, chained(op_fill(VA + 200, 50, 1)));
	put_sqe(c, with_cookie(chained(bad), 5));
	put_sqe(c, chained(op_fill(VA + 0x800, 8, 0xbad)));
	put_sqe(c, rubbish);
	ring(c);
	if (status == DMIRAGE_ST_FAULT) {
		struct dmirage_fqe e = fault_take(d);

		g_assert_cmphex(e.addr, ==, addr);
		fault_answer(d, &e, detail);
	}
	/* Not before the last one has been taken. */
	wait_for(!ctx_status(c));
	expect_never(cqe_ready(c));
	put_sqe(c, op_fill(VA + 0x800, 8, 0xbad));
	put_sqe(c, with_cookie(op_nop(), 0x1234));
	ring(c);
	cqe = cqe_take(c);
	g_assert_cmphex(cqe.cookie, ==, 0xc00c1e);
	g_assert_cmpuint(cqe.status, ==, status);
	g_assert_cmpuint(cqe.detail, ==, detail);
	g_assert_cmphex(cqe.addr, ==, addr);
	g_assert_cmpuint(cqe.result, ==, 150 + done);
	g_assert_cmphex(cqe_take(c).cookie, ==, 0x1234);
	g_assert_cmphex(ram64(d, pa + 0x800), ==, 0);
	g_assert_cmpuint(counter(c, DMIRAGE_CNT_OPS), ==, ops + 2);
	g_assert_cmpuint(counter(c, DMIRAGE_CNT_OPS_FAILED), ==, failed + 1);
}

static void test_errors(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 5);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K), nothing = VA + 8 * PAGE_4K;
	uint64_t malformed = VA + 16 * PAGE_4K, missing = VA + 24 * PAGE_4K;

	error_in_chain(&c, op_copy(VA, VA, 8), DMIRAGE_ST_BAD_CHAIN, 0, 0, 0, pa);
	error_in_chain(&c, op_nop(), DMIRAGE_ST_BAD_CHAIN, 0, 0, 0, pa);
	error_in_chain(&c, (struct dmirage_sqe){ .opcode = 99 }, DMIRAGE_ST_BAD_CHAIN, 0, 0, 0, pa);
	error_in_chain(&c, op_fill(VA, 0, 1), DMIRAGE_ST_BAD_LENGTH, 0, 0, 0, pa);
	error_in_chain(&c, op_fill(TOP, 1, 1), DMIRAGE_ST_BAD_ADDRESS, 0, TOP, 0, pa);
	error_in_chain(&c, (struct dmirage_sqe){ .opcode = DMIRAGE_OP_FILL, .len = 1, .reserved0 = 1 },
		       DMIRAGE_ST_BAD_FIELD, 0, 0, 0, pa);
	/* Half way through the descriptor. */
	map_new(&c, nothing - PAGE_4K, PAGE_4K, ORDER_4K);
	map_new(&c, malformed - PAGE_4K, PAGE_4K, ORDER_4K);
	map_new(&c, missing - PAGE_4K, PAGE_4K, ORDER_4K);
	mirror_map(&c, nothing, ADDR_NOTHING, ORDER_4K, DMIRAGE_PTE_WRITE);
	mirror_map(&c, malformed, 0, ORDER_4K, 1ull << 60);
	/* What is one chunk is not done at all, but what ends a chunk before it is. */
	error_in_chain(&c, op_fill(nothing - 16, 20, 1), DMIRAGE_ST_DMA_ERROR, 0, nothing, 0, pa);
	error_in_chain(&c, op_fill(malformed - 16, 20, 1), DMIRAGE_ST_TABLE_ERROR, 1, malformed, 16,
		       pa);
	error_in_chain(&c, op_fill(missing - 16, 20, 1), DMIRAGE_ST_FAULT, 14, missing, 16, pa);
	expect_error(d, DMIRAGE_ERR_CONTEXT);
	/* With the first: the others belong to it all the same. */
	put_sqe(&c, with_cookie((struct dmirage_sqe){ .opcode = 99, .flags = 1 }, 7));
	put_sqe(&c, chained(op_fill(VA + 0x800, 8, 0xbad)));
	put_sqe(&c, op_fill(VA + 0x800, 8, 0xbad));
	ring(&c);
	expect_cqe(&c, DMIRAGE_ST_BAD_OPCODE, 0, 0, 0);
	run_ok(&c, op_nop());
	g_assert_cmphex(ram64(d, pa + 0x800), ==, 0);
	/* A checksum that failed is none: the bytes that were done. */
	put_sqe(&c, chained(op_crc(VA, 33)));
	put_sqe(&c, op_crc(VA, 0));
	ring(&c);
	expect_cqe(&c, DMIRAGE_ST_BAD_LENGTH, 0, 0, 33);
	device_close(d);
}

/* Faults of a descriptor that are resolved; of each one, from its own beginning. */
static void test_faults(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 6);

	for (unsigned int i = 0; i < 4; i++) {
		struct dmirage_sqe sqe = op_fill(VA + i * PAGE_2M + 8, 24, i);

		put_sqe(&c, i < 3 ? chained(sqe) : sqe);
	}
	ring(&c);
	for (unsigned int i = 0; i < 4; i++) {
		struct dmirage_fqe e = fault_take(d);

		g_assert_cmphex(e.addr, ==, VA + i * PAGE_2M + 8);
		g_assert_cmpuint(e.len, ==, 24);
		map_new(&c, VA + i * PAGE_2M, PAGE_4K, ORDER_4K);
		fault_answer(d, &e, DMIRAGE_RESP_RETRY);
	}
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 4 * 24);
	device_close(d);
}

/* A context that ends within one does not go on with it. */
static void test_end(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 7);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K);

	for (unsigned int failed = 0; failed < 2; failed++) {
		ram_set64(d, pa, 0);
		put_sqe(&c, chained(op_fill(VA, 8, 1)));
		if (failed)
			put_sqe(&c, chained(op_nop()));
		ring(&c);
		wait_for(ram64(d, pa) == 1);
		context_disable(&c);
		context_enable(&c);
		g_assert_cmpuint(run_ok(&c, op_write(VA, 4, 2)), ==, 4);
	}
	device_close(d);
}

/* No room for completions: a chain that has begun has its place. */
static void test_room(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_make(d, 8);
	uint64_t pa;

	c.cq_order = 1;
	context_enable(&c);
	pa = map_new(&c, VA, PAGE_4K, ORDER_4K);
	put_sqe(&c, op_nop());
	put_sqe(&c, chained(op_fill(VA, 8, 1)));
	ring(&c);
	wait_for(ram64(d, pa) == 1);
	/* A mistake of the process's gets no place that is promised. */
	w32(d, DB(8, DMIRAGE_DB_SQ_TAIL), 12345);
	put_sqe(&c, op_fill(VA + 8, 8, 2));
	put_sqe(&c, op_nop());
	ring(&c);
	wait_for(ctx_status(&c) == DMIRAGE_CTX_CQ_FULL);
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 0);
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 16);
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 0);
	expect_never(cqe_ready(&c));
	device_close(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/chains/gather", test_gather);
	g_test_add_func("/chains/later", test_later);
	g_test_add_func("/chains/around", test_around);
	g_test_add_func("/chains/errors", test_errors);
	g_test_add_func("/chains/faults", test_faults);
	g_test_add_func("/chains/end", test_end);
	g_test_add_func("/chains/room", test_room);
	return g_test_run();
}
