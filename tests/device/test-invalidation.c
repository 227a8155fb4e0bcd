/* SPDX-License-Identifier: GPL-2.0 */
/* Invalidation: what a command drops, and when a WAIT is answered. */
#include "device.h"

#define VA	0x001a7e00000000ull

/*
 * A page with a cached translation to @old while the mirror table has @fresh:
 * which of them the device uses tells whether it has the translation still.
 */
struct page {
	struct context *c;
	uint64_t va;
	unsigned int order;
	uint64_t old;
	uint64_t fresh;
};

static void cache_old(struct page *p)
{
	mirror_map(p->c, p->va, p->old, p->order, DMIRAGE_PTE_WRITE);
	run_ok(p->c, op_write(p->va, 8, 0));
	mirror_map(p->c, p->va, p->fresh, p->order, DMIRAGE_PTE_WRITE);
}

static struct page page_open(struct context *c, uint64_t va, unsigned int order)
{
	struct page p = {
		.c = c,
		.va = va,
		.order = order,
		.old = ram_alloc(c->d, 1ull << order),
		.fresh = ram_alloc(c->d, 1ull << order),
	};

	ram_set64(c->d, p.old + 8, 0x01d01d);
	ram_set64(c->d, p.fresh + 8, 0x2e22e2);
	cache_old(&p);
	return p;
}

static bool uses_new(struct page *p)
{
	uint64_t value = run_ok(p->c, op_read(p->va + 8, 8));

	g_assert_true(value == 0x01d01d || value == 0x2e22e2);
	return value == 0x2e22e2;
}

/* A command, and whether the page's translation is gone by it. */
static void drops(struct page *p, uint64_t addr, uint64_t len, bool gone)
{
	struct device *d = p->c->d;

	inv_asid(d, p->c->asid);
	wait_done(d);
	cache_old(p);
	/* Without a command it stays: else this test would say nothing. */
	g_assert_false(uses_new(p));
	inv_range(d, p->c->asid, addr, len);
	wait_done(d);
	if (uses_new(p) != gone)
		g_error("page of order %u at 0x%" PRIx64 ", %s by a command for 0x%" PRIx64
			" bytes at 0x%" PRIx64,
			p->order, p->va, gone ? "not dropped" : "dropped", len, addr);
}

static void test_ranges(void)
{
	const unsigned int orders[] = { ORDER_4K, ORDER_2M };
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 1);

	for (unsigned int i = 0; i < G_N_ELEMENTS(orders); i++) {
		uint64_t size = 1ull << orders[i], va = VA + 8 * i * PAGE_2M, end = va + size;
		struct page p = page_open(&c, va, orders[i]);

		drops(&p, va, size, true);
		drops(&p, va, 1, true);
		drops(&p, end - 1, 1, true);
		drops(&p, va + size / 2 + 3, 1, true);
		drops(&p, va - 1, 1, false);
		drops(&p, va - 1, 2, true);
		drops(&p, end, 1, false);
		drops(&p, end, PAGE_2M, false);
		drops(&p, end - 1, 2 * PAGE_2M, true);
		drops(&p, 0, va, false);
		drops(&p, 0, va + 1, true);
		drops(&p, 0, ~0ull, true);
		drops(&p, end, ~0ull, false);
		/* What goes past the end of all addresses is cut there. */
		drops(&p, end - 1, ~0ull, true);
		drops(&p, 0x1000, ~0ull, true);
		drops(&p, ~0ull, ~0ull, false);
	}
	expect_error(d, 0);
	device_close(d);
}

/* Of one context, by a range and as a whole; another has the same addresses. */
static void test_contexts(void)
{
	struct device *d = device_open(NULL);
	struct context a = context_open(d, 0), b = context_open(d, 63);
	struct page pa = page_open(&a, VA, ORDER_4K), pb = page_open(&b, VA, ORDER_4K);

	inv_range(d, 63, VA, 1);
	wait_done(d);
	g_assert_false(uses_new(&pa));
	g_assert_true(uses_new(&pb));
	inv_asid(d, 63);
	wait_done(d);
	g_assert_false(uses_new(&pa));
	inv_asid(d, 0);
	wait_done(d);
	g_assert_true(uses_new(&pa));
	g_assert_cmpuint(counter(&a, DMIRAGE_CNT_INVALIDATIONS), ==, 1);
	g_assert_cmpuint(counter(&b, DMIRAGE_CNT_INVALIDATIONS), ==, 2);
	g_assert_cmpuint(counter(&a, DMIRAGE_CNT_IOTLB_DROPPED), ==, 1);
	g_assert_cmpuint(counter(&b, DMIRAGE_CNT_IOTLB_DROPPED), ==, 2);
	g_assert_cmpuint(counter(&a, DMIRAGE_CNT_DRAINED), ==, 0);
	device_close(d);
}

/* More pages than the IOTLB has room for: a command finds them all. */
static void test_many_pages(void)
{
	enum { N = 200 };
	const char *const shapes[] = {
		"iotlb-entries=16,iotlb-ways=1", "iotlb-entries=64,iotlb-ways=64",
		"iotlb-entries=1,iotlb-ways=1", "iotlb-entries=4096"
	};

	for (unsigned int s = 0; s < G_N_ELEMENTS(shapes); s++) {
		struct device *d = device_open(shapes[s]);
		struct context c = context_open(d, 2);
		uint64_t old = map_new(&c, VA, N * PAGE_4K, ORDER_4K), fresh;

		run_ok(&c, op_fill(VA, N * PAGE_4K, 1));
		fresh = map_new(&c, VA, N * PAGE_4K, ORDER_4K);
		inv_range(d, 2, VA + PAGE_4K, (N - 2) * PAGE_4K);
		wait_done(d);
		run_ok(&c, op_fill(VA, N * PAGE_4K, 2));
		for (unsigned int i = 1; i < N - 1; i++) {
			g_assert_cmphex(ram64(d, old + i * PAGE_4K), ==, 1);
			g_assert_cmphex(ram64(d, fresh + i * PAGE_4K), ==, 2);
		}
		device_close(d);
	}
}

/* --- WAIT ------------------------------------------------------------------------- */

static void test_wait_at_once(void)
{
	struct device *d = device_open(NULL);
	uint64_t at = ram_alloc(d, PAGE_4K);

	ram_set64(d, at, ~0ull);
	command(d, (struct dmirage_cmd){
			   .opcode = DMIRAGE_CMD_WAIT, .value = 0xfedcba98, .status_addr = at });
	/* Nothing is under way: it is done within the doorbell, and 4 bytes. */
	g_assert_cmphex(ram64(d, at), ==, 0xfffffffffedcba98ull);
	g_assert_cmpuint(r32(d, IQ(DMIRAGE_Q_HEAD)), ==, 1);
	command(d, (struct dmirage_cmd){
			   .opcode = DMIRAGE_CMD_WAIT, .value = 1, .status_addr = at + 4 });
	g_assert_cmphex(ram64(d, at), ==, 0x1fedcba98ull);
	device_close(d);
}

/* A write to VA that stops with its translation latched, and is kept there. */
static void hold_write(struct context *c, uint32_t keep)
{
	struct device *d = c->d;

	w32(d, CTX(c->asid, DMIRAGE_CTX_HOLD_LIMIT), DMIRAGE_HOLD_LIMIT_MAX);
	w32(d, CTX(c->asid, DMIRAGE_CTX_HOLD), DMIRAGE_HOLD_TRANSLATED | keep);
	submit(c, op_write(VA, 8, 0xda7a));
	wait_for(ctx_status(c) == DMIRAGE_CTX_HELD);
}

static void release(struct context *c)
{
	w32(c->d, CTX(c->asid, DMIRAGE_CTX_HOLD), DMIRAGE_HOLD_RELEASE);
}

/* The heart of it: the answer comes after the data of what was hit. */
static void test_wait_for_access(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 3);

	for (unsigned int kind = 0; kind < 2; kind++) {
		uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K), status;

		hold_write(&c, DMIRAGE_HOLD_KEEP);
		if (kind)
			inv_asid(d, 3);
		else
			inv_range(d, 3, VA + PAGE_4K - 1, 1);
		status = wait_send(d);
		expect_never(ram32(d, status));
		g_assert_cmphex(ram64(d, pa), ==, 0);
		release(&c);
		wait_for(ram32(d, status));
		g_assert_cmphex(ram64(d, pa), ==, 0xda7a);
		g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
		g_assert_cmpuint(counter(&c, DMIRAGE_CNT_DRAINED), ==, kind + 1);
	}
	device_close(d);
}

/* The same as a race, many times: no data after the answer. */
static void test_wait_race(void)
{
	enum { BYTES = 16 * PAGE_2M };
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 4);
	uint64_t old = ram_alloc(d, PAGE_2M), other = ram_alloc(d, PAGE_2M);

	for (unsigned int round = 0; round < 400; round++) {
		struct dmirage_fqe e;
		uint64_t status;

		for (uint64_t at = 0; at < BYTES; at += PAGE_2M)
			mirror_map(&c, VA + at, old, ORDER_2M, DMIRAGE_PTE_WRITE);
		submit(&c, op_fill(VA, BYTES, ~0ull));
		wait_for(ram64(d, old));
		g_usleep(round % 50);
		for (uint64_t at = 0; at < BYTES; at += PAGE_2M)
			ram_set64(d, mirror_entry(&c, VA + at, 2), 0);
		inv_range(d, 4, VA, BYTES);
		status = wait_send(d);
		d->free -= PAGE_4K;
		wait_for(ram32(d, status));
		*(uint32_t *)ram(d, status) = 0;
		for (uint64_t at = 0; at < PAGE_2M; at += PAGE_4K)
			ram_set64(d, old + at, 0);
		g_usleep(50);
		for (uint64_t at = 0; at < PAGE_2M; at += PAGE_4K)
			g_assert_cmphex(ram64(d, old + at), ==, 0);
		/* It has come to a fault, or was done before. */
		wait_for(fault_ready(d) || cqe_ready(&c));
		if (!cqe_ready(&c)) {
			e = fault_take(d);
			for (uint64_t at = 0; at < BYTES; at += PAGE_2M)
				mirror_map(&c, VA + at, other, ORDER_2M, DMIRAGE_PTE_WRITE);
			fault_answer(d, &e, DMIRAGE_RESP_RETRY);
		}
		g_assert_cmpuint(cqe_take(&c).result, ==, BYTES);
		inv_asid(d, 4);
		for (uint64_t at = 0; at < PAGE_2M; at += PAGE_4K)
			ram_set64(d, old + at, 0);
	}
	device_close(d);
}

/* Accesses that no command before the WAIT has hit do not hold it up. */
static void test_wait_for_others(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 5), other = context_open(d, 6);
	uint64_t status;

	map_new(&c, VA, PAGE_4K, ORDER_4K);
	map_new(&other, VA, PAGE_4K, ORDER_4K);
	hold_write(&c, DMIRAGE_HOLD_KEEP);
	wait_done(d);
	inv_range(d, 5, VA + PAGE_4K, PAGE_4K);
	inv_range(d, 5, VA - 1, 1);
	inv_range(d, 6, VA, PAGE_4K);
	inv_asid(d, 6);
	wait_done(d);
	/* A later command that hits it does not hold up an earlier WAIT. */
	status = wait_send(d);
	inv_asid(d, 5);
	g_assert_cmpuint(ram32(d, status), ==, 1);
	/* Nor does one that began after the command. */
	hold_write(&other, DMIRAGE_HOLD_KEEP);
	release(&c);
	g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
	wait_done(d);
	release(&other);
	g_assert_cmpuint(cqe_take(&other).status, ==, DMIRAGE_ST_OK);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_DRAINED), ==, 1);
	g_assert_cmpuint(counter(&other, DMIRAGE_CNT_DRAINED), ==, 0);
	device_close(d);
}

/* Without KEEP the WAIT lets go what it needs, and only that. */
static void test_wait_releases(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 7), other = context_open(d, 8);

	map_new(&c, VA, PAGE_4K, ORDER_4K);
	map_new(&other, VA, PAGE_4K, ORDER_4K);
	hold_write(&c, 0);
	hold_write(&other, 0);
	wait_done(d);
	inv_asid(d, 7);
	g_assert_cmphex(ctx_status(&c), ==, DMIRAGE_CTX_HELD);
	wait_done(d);
	g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
	g_assert_cmphex(ctx_status(&other), ==, DMIRAGE_CTX_HELD);
	release(&other);
	g_assert_cmpuint(cqe_take(&other).status, ==, DMIRAGE_ST_OK);
	device_close(d);
}

/* Two accesses hit by two commands: each WAIT for those before it. */
static void test_wait_order(void)
{
	struct device *d = device_open(NULL);
	struct context a = context_open(d, 9), b = context_open(d, 10);

	for (unsigned int round = 0; round < 2; round++) {
		uint64_t first, second;

		map_new(&a, VA, PAGE_4K, ORDER_4K);
		map_new(&b, VA, PAGE_4K, ORDER_4K);
		hold_write(&a, DMIRAGE_HOLD_KEEP);
		hold_write(&b, DMIRAGE_HOLD_KEEP);
		inv_asid(d, 9);
		first = wait_send(d);
		/* Commands behind a WAIT do not wait for it. */
		inv_asid(d, 10);
		g_assert_cmpuint(counter(&b, DMIRAGE_CNT_DRAINED), ==, round + 1);
		second = wait_send(d);
		expect_never(ram32(d, first) || ram32(d, second));
		release(round ? &a : &b);
		g_assert_cmpuint(cqe_take(round ? &a : &b).status, ==, DMIRAGE_ST_OK);
		if (round)
			wait_for(ram32(d, first));
		expect_never(ram32(d, second));
		if (!round)
			g_assert_cmpuint(ram32(d, first), ==, 0);
		release(round ? &b : &a);
		wait_for(ram32(d, first) && ram32(d, second));
		cqe_take(round ? &b : &a);
	}
	device_close(d);
}

/* 64 WAITs can be open; the next one waits in the queue, and then its turn comes. */
static void test_many_waits(void)
{
	enum { N = 150 };
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 11);
	uint64_t status[N];

	map_new(&c, VA, PAGE_4K, ORDER_4K);
	hold_write(&c, DMIRAGE_HOLD_KEEP);
	inv_asid(d, 11);
	for (unsigned int i = 0; i < N; i++)
		status[i] = wait_send(d);
	inv_asid(d, 11);
	g_assert_cmpuint(r32(d, IQ(DMIRAGE_Q_HEAD)), ==, 1 + 64);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_INVALIDATIONS), ==, 1);
	for (unsigned int i = 0; i < N; i++)
		g_assert_cmpuint(ram32(d, status[i]), ==, 0);
	release(&c);
	for (unsigned int i = 0; i < N; i++)
		wait_for(ram32(d, status[i]));
	wait_for(r32(d, IQ(DMIRAGE_Q_HEAD)) == N + 2);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_INVALIDATIONS), ==, 2);
	device_close(d);
}

/* The end of a context is the end of its accesses: a WAIT is answered by it. */
static void test_wait_for_end(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 12);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K), status;

	hold_write(&c, DMIRAGE_HOLD_KEEP);
	inv_asid(d, 12);
	status = wait_send(d);
	context_disable(&c);
	wait_for(ram32(d, status));
	g_assert_cmphex(ram64(d, pa), ==, 0);
	g_assert_false(cqe_ready(&c));
	/* A reset takes open WAITs with it. */
	context_enable(&c);
	hold_write(&c, DMIRAGE_HOLD_KEEP);
	inv_asid(d, 12);
	status = wait_send(d);
	device_reset(d);
	expect_never(ram32(d, status));
	g_assert_cmphex(ram64(d, pa), ==, 0);
	device_close(d);
}

/* --- the queue ------------------------------------------------------------------------ */

static void test_malformed(void)
{
	static const struct dmirage_cmd bad[] = {
		{ .opcode = 0 },
		{ .opcode = DMIRAGE_CMD_DUMP + 1 },
		{ .opcode = 255 },
		{ .opcode = DMIRAGE_CMD_INV_RANGE, .asid = 0, .addr = 0x1000 },
		{ .opcode = DMIRAGE_CMD_INV_RANGE, .asid = 64, .addr = 0x1000, .len = 1 },
		{ .opcode = DMIRAGE_CMD_INV_RANGE, .asid = 0xffff, .len = 1 },
		{ .opcode = DMIRAGE_CMD_INV_RANGE, .flags = 1, .asid = 1, .len = 1 },
		{ .opcode = DMIRAGE_CMD_INV_ASID, .asid = 64 },
		{ .opcode = DMIRAGE_CMD_INV_ASID, .flags = 0x80 },
		{ .opcode = DMIRAGE_CMD_WAIT, .flags = 2, .status_addr = RAM_HIGH },
		{ .opcode = DMIRAGE_CMD_WAIT, .status_addr = RAM_HIGH + 1 },
		{ .opcode = DMIRAGE_CMD_WAIT, .status_addr = RAM_HIGH + 2 },
		{ .opcode = DMIRAGE_CMD_INV_GLOBAL, .flags = 1 },
		{ .opcode = DMIRAGE_CMD_INV_BATCH, .addr = RAM_HIGH, .len = 0 },
		{ .opcode = DMIRAGE_CMD_INV_BATCH, .addr = RAM_HIGH, .len = 257 },
		{ .opcode = DMIRAGE_CMD_INV_BATCH, .addr = RAM_HIGH + 4, .len = 1 },
		{ .opcode = DMIRAGE_CMD_INV_BATCH, .addr = ADDR_NOTHING, .len = 1 },
		{ .opcode = DMIRAGE_CMD_INV_BATCH, .asid = 64, .addr = RAM_HIGH, .len = 1 },
		{ .opcode = DMIRAGE_CMD_INV_BATCH, .flags = 1, .addr = RAM_HIGH, .len = 1 },
		{ .opcode = DMIRAGE_CMD_AUDIT, .addr = 0, .len = 0, .status_addr = RAM_HIGH },
		{ .opcode = DMIRAGE_CMD_AUDIT, .len = 1, .status_addr = RAM_HIGH + 8 },
		{ .opcode = DMIRAGE_CMD_AUDIT, .asid = 64, .len = 1, .status_addr = RAM_HIGH },
		{ .opcode = DMIRAGE_CMD_AUDIT, .flags = 4, .len = 1, .status_addr = RAM_HIGH },
		{ .opcode = DMIRAGE_CMD_DUMP, .addr = RAM_HIGH + 4, .status_addr = RAM_HIGH },
		{ .opcode = DMIRAGE_CMD_DUMP, .addr = RAM_HIGH, .status_addr = RAM_HIGH + 2 },
		{ .opcode = DMIRAGE_CMD_DUMP, .flags = 2, .status_addr = RAM_HIGH },
	};
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 0);
	struct page p = page_open(&c, VA, ORDER_4K);

	for (unsigned int i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_test_message("command %u", i);
		command(d, bad[i]);
		expect_error(d, DMIRAGE_ERR_COMMAND);
		g_assert_false(uses_new(&p));
		/* Those after it are done. */
		wait_done(d);
	}
	/* An answer that cannot be written. */
	command(d, (struct dmirage_cmd){
			   .opcode = DMIRAGE_CMD_WAIT, .value = 1, .status_addr = ADDR_NOTHING });
	expect_error(d, DMIRAGE_ERR_QUEUE);
	command(d, (struct dmirage_cmd){
			   .opcode = DMIRAGE_CMD_WAIT, .value = 1, .status_addr = ADDR_MMIO });
	expect_error(d, DMIRAGE_ERR_QUEUE);
	wait_done(d);
	device_close(d);
}

/* A queue in what is not memory goes off; set up anew it works. */
static void test_queue_nowhere(void)
{
	struct device *d = device_open(NULL);

	w32(d, IQ(DMIRAGE_Q_CONFIG), 0);
	w64(d, IQ(DMIRAGE_Q_BASE), ADDR_MMIO);
	w32(d, IQ(DMIRAGE_Q_CONFIG), DMIRAGE_Q_ENABLE | 4);
	w32(d, IQ(DMIRAGE_Q_TAIL), 3);
	expect_error(d, DMIRAGE_ERR_QUEUE);
	g_assert_cmphex(r32(d, IQ(DMIRAGE_Q_CONFIG)), ==, 4);
	d->iq = queue_open(d, DMIRAGE_REG_IQ, 0);
	/* And of one entry, around and around. */
	for (unsigned int i = 0; i < 20; i++)
		wait_done(d);
	expect_error(d, 0);
	device_close(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/invalidation/ranges", test_ranges);
	g_test_add_func("/invalidation/contexts", test_contexts);
	g_test_add_func("/invalidation/many-pages", test_many_pages);
	g_test_add_func("/invalidation/wait-at-once", test_wait_at_once);
	g_test_add_func("/invalidation/wait-for-access", test_wait_for_access);
	g_test_add_func("/invalidation/wait-race", test_wait_race);
	g_test_add_func("/invalidation/wait-for-others", test_wait_for_others);
	g_test_add_func("/invalidation/wait-releases", test_wait_releases);
	g_test_add_func("/invalidation/wait-order", test_wait_order);
	g_test_add_func("/invalidation/many-waits", test_many_waits);
	g_test_add_func("/invalidation/wait-for-end", test_wait_for_end);
	g_test_add_func("/invalidation/malformed", test_malformed);
	g_test_add_func("/invalidation/queue-nowhere", test_queue_nowhere);
	return g_test_run();
}
