/* SPDX-License-Identifier: GPL-2.0 */
/* Completion events: the doorbell CQ_ARM, the register CQ_EVENTS, and vector 3. */
#include "device.h"

#define VA	0x00beef00000000ull

static uint64_t vector(struct device *d)
{
	return d->irq + 4 * DMIRAGE_VEC_COMPLETE;
}

static uint64_t bit(const struct context *c)
{
	return 1ull << c->asid;
}

static void arm(struct context *c, uint32_t index)
{
	w32(c->d, DB(c->asid, DMIRAGE_DB_CQ_ARM), index);
}

static uint64_t events(struct device *d)
{
	return r64(d, DMIRAGE_REG_CQ_EVENTS);
}

/* There has been an event, of these alone: both its signs, which are taken away. */
static void expect_event(struct device *d, uint64_t bits)
{
	wait_for(events(d) == bits);
	wait_for(ram32(d, vector(d)) == 1);
	ram_set64(d, vector(d), 0);
	w64(d, DMIRAGE_REG_CQ_EVENTS, bits);
	g_assert_cmphex(events(d), ==, 0);
	expect_error(d, 0);
}

static void expect_no_event(struct device *d)
{
	expect_never(events(d) || ram32(d, vector(d)));
}

/* The completion was there before it was asked for. */
static void test_at_once(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 3);

	submit(&c, op_nop());
	wait_for(cqe_ready(&c));
	expect_no_event(d);
	arm(&c, 0);
	g_assert_cmphex(events(d), ==, bit(&c));
	g_assert_false(ctx_armed(&c));
	expect_event(d, bit(&c));
	/* It has been read, and the one who arms does not know yet. */
	cqe_take(&c);
	arm(&c, 0);
	expect_event(d, bit(&c));
	for (unsigned int v = 0; v < DMIRAGE_VEC_COMPLETE; v++)
		g_assert_cmpuint(ram32(d, d->irq + 4 * v), ==, 0);
	device_close(d);
}

/* It comes after; once. */
static void test_later(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 63), other = context_open(d, 62);

	for (unsigned int i = 0; i < 100; i++) {
		arm(&c, c.head);
		g_assert_true(ctx_armed(&c));
		run(&other, op_nop());
		g_assert_cmphex(events(d), ==, 0);
		if (i < 2)
			expect_no_event(d);
		submit(&c, op_nop());
		wait_for(ram32(d, vector(d)) == 1);
		/* The message is behind the completion. */
		g_assert_true(cqe_ready(&c));
		expect_event(d, bit(&c));
		g_assert_false(ctx_armed(&c));
		cqe_take(&c);
		run(&c, op_nop());
		g_assert_cmphex(events(d), ==, 0);
	}
	expect_no_event(d);
	device_close(d);
}

/* Bits are cleared one by one, and come again; each event interrupts. */
static void test_bits(void)
{
	static const unsigned int asid[] = { 0, 1, 31, 32, 63 };
	struct device *d = device_open(NULL);
	struct context c[G_N_ELEMENTS(asid)];
	uint64_t all = 0;

	for (unsigned int i = 0; i < G_N_ELEMENTS(asid); i++) {
		c[i] = context_open(d, asid[i]);
		arm(&c[i], 0);
		run(&c[i], op_nop());
		all |= bit(&c[i]);
		wait_for(events(d) == all);
		wait_for(ram32(d, vector(d)) == 1);
		ram_set64(d, vector(d), 0);
	}
	w64(d, DMIRAGE_REG_CQ_EVENTS, 0);
	w64(d, DMIRAGE_REG_CQ_EVENTS, ~all);
	g_assert_cmphex(events(d), ==, all);
	/* Again, with the bit still set. */
	arm(&c[2], 1);
	run(&c[2], op_nop());
	wait_for(ram32(d, vector(d)) == 1);
	g_assert_cmphex(events(d), ==, all);
	for (unsigned int i = 0; i < G_N_ELEMENTS(asid); i++) {
		w64(d, DMIRAGE_REG_CQ_EVENTS, bit(&c[i]));
		all &= ~bit(&c[i]);
		g_assert_cmphex(events(d), ==, all);
	}
	device_close(d);
}

/* From a ring's length behind the next completion up to it; no further. */
static void test_range(void)
{
	const unsigned int entries = 1 << 2;
	struct device *d = device_open(NULL);
	struct context c = context_make(d, 5);

	c.cq_order = 2;
	context_enable(&c);
	for (unsigned int i = 0; i < 3 * entries; i++)
		run_ok(&c, op_nop());
	for (uint32_t behind = 0; behind <= entries; behind++) {
		arm(&c, c.head - behind);
		g_assert_true(ctx_armed(&c) == !behind);
		if (behind)
			expect_event(d, bit(&c));
	}
	/* What is refused asks for nothing: the completion that says so is none. */
	for (unsigned int i = 0; i < 4; i++) {
		const uint32_t bad[] = { 1, -entries - 1, 0x80000000, entries };
		uint32_t value = c.head + bad[i];

		arm(&c, value);
		g_assert_false(ctx_armed(&c));
		expect_error(d, DMIRAGE_ERR_CONTEXT);
		w32(d, CTX(5, DMIRAGE_CTX_ERROR), DMIRAGE_CTX_ERR_DOORBELL);
		expect_cqe(&c, DMIRAGE_ST_DOORBELL, DMIRAGE_DB_CQ_ARM, 0, value);
	}
	expect_no_event(d);
	/* But it is a completion, to whom has asked before. */
	arm(&c, c.head);
	arm(&c, c.head + 7);
	expect_error(d, DMIRAGE_ERR_CONTEXT);
	expect_event(d, bit(&c));
	device_close(d);
}

/* A context, or the device, that begins anew knows nothing of it. */
static void test_end(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 9), other = context_open(d, 10);

	for (unsigned int i = 0; i < 4; i++) {
		bool event = i & 1, whole = i & 2;

		arm(&other, 0);
		run(&other, op_nop());
		arm(&c, 0);
		if (event)
			run(&c, op_nop());
		wait_for(events(d) == (bit(&other) | (event ? bit(&c) : 0)));
		wait_for(ram32(d, vector(d)) == 1);
		if (whole) {
			device_reset(d);
			g_assert_cmphex(events(d), ==, 0);
			device_setup(d);
			context_enable(&other);
		} else {
			context_disable(&c);
			g_assert_cmphex(events(d), ==, bit(&other));
			g_assert_false(ctx_armed(&c));
			/* Nor does it listen. */
			arm(&c, c.head);
			arm(&c, c.head - 1);
			g_assert_false(ctx_armed(&c));
			context_disable(&other);
			context_enable(&other);
			ram_set64(d, vector(d), 0);
		}
		context_enable(&c);
		run(&c, op_nop());
		expect_no_event(d);
		context_disable(&c);
		context_enable(&c);
	}
	expect_error(d, 0);
	device_close(d);
}

/* A chain has one completion; who waits for room in the ring has others to read. */
static void test_chain_and_full(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_make(d, 40);

	c.cq_order = 1;
	context_enable(&c);
	map_new(&c, VA, PAGE_4K, ORDER_4K);
	arm(&c, 0);
	submit(&c, chained(op_fill(VA, 8, 1)));
	submit(&c, chained(op_fill(VA + 8, 8, 1)));
	wait_for(counter(&c, DMIRAGE_CNT_BYTES_WRITTEN) == 16);
	expect_no_event(d);
	g_assert_true(ctx_armed(&c));
	submit(&c, op_fill(VA + 16, 8, 1));
	expect_event(d, bit(&c));

	submit(&c, op_nop());
	submit(&c, op_nop());
	wait_for(ctx_status(&c) == DMIRAGE_CTX_CQ_FULL);
	arm(&c, 1);
	expect_event(d, bit(&c));
	arm(&c, 2);
	expect_no_event(d);
	cqe_take(&c);
	expect_event(d, bit(&c));
	device_close(d);
}

/*
 * Look, arm, sleep, while the device completes: whoever waits for nothing but the
 * interrupt gets through, whatever comes between.
 */
static void test_race(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 17);
	unsigned int slept = 0, missed = 0;

	map_new(&c, VA, DMIRAGE_CHUNK, ORDER_4K);
	for (unsigned int round = 0; round < 1000; round++) {
		unsigned int n = g_test_rand_int_range(1, 4);

		for (unsigned int i = 0; i < n; i++)
			put_sqe(&c, op_fill(VA, g_test_rand_int_range(1, DMIRAGE_CHUNK), i));
		ring(&c);
		for (;;) {
			ram_set64(d, vector(d), 0);
			w64(d, DMIRAGE_REG_CQ_EVENTS, bit(&c));
			while (c.head != c.tail && cqe_ready(&c))
				cqe_take(&c);
			if (c.head == c.tail)
				break;
			arm(&c, c.head);
			if (cqe_ready(&c))
				missed++;	/* it would be, by one who sleeps */
			else
				slept++;
			wait_for(ram32(d, vector(d)) == 1);
		}
	}
	g_test_message("slept %u times; %u times it was there by then", slept, missed);
	device_close(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/events/at-once", test_at_once);
	g_test_add_func("/events/later", test_later);
	g_test_add_func("/events/bits", test_bits);
	g_test_add_func("/events/range", test_range);
	g_test_add_func("/events/end", test_end);
	g_test_add_func("/events/chain-and-full", test_chain_and_full);
	g_test_add_func("/events/race", test_race);
	return g_test_run();
}
