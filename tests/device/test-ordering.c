/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The promise of docs/hardware.md: after the answer to a WAIT, or the end of a
 * SYNC_LEN write, no access uses what was dropped, be it a read or a write, and
 * all that such accesses wrote is in memory.  Tested for each kind of command
 * and at each point of an operation where it can come; and what is peculiar to
 * these commands.
 */
#include "device.h"

#include <string.h>

#define VA	0x000d1e000000000ull
#define HALF	((uint64_t)DMIRAGE_CHUNK)
#define BYTES	(2 * HALF)

#define SECRET	0x5ec2e75ec2e75ec2ull	/* what must not be read any more */
#define BEFORE	0x0bef02e0bef02e00ull	/* what is in the old pages at first */
#define AFTER	0x0af7e20af7e20af7ull	/* what is in the new ones */
#define DATA	0xda7ada7ada7ada7aull	/* what is written */

/* --- the commands ------------------------------------------------------------------ */

enum way {
	BY_RANGE,
	BY_ASID,
	BY_GLOBAL,
	BY_BATCH,
	BY_SYNC,
	WAYS
};

/* Drops @va..@va+BYTES; returns when that is over. */
static void drop_and_wait(struct context *c, enum way way, uint64_t va)
{
	struct dmirage_range batch[BYTES / PAGE_4K];

	switch (way) {
	case BY_RANGE:
		inv_range(c->d, c->asid, va, BYTES);
		break;
	case BY_ASID:
		inv_asid(c->d, c->asid);
		break;
	case BY_GLOBAL:
		inv_global(c->d);
		break;
	case BY_BATCH:
		for (unsigned int i = 0; i < G_N_ELEMENTS(batch); i++)
			batch[i] = (struct dmirage_range){ va + i * PAGE_4K + i, 1 };
		inv_batch(c->d, c->asid, batch, G_N_ELEMENTS(batch));
		break;
	default:
		sync_range(c, va, BYTES);
		return;
	}
	wait_done(c->d);
}

/* --- at each point -------------------------------------------------------------------- */

static void set_all(struct device *d, uint64_t pa, uint64_t value)
{
	for (uint64_t at = 0; at < BYTES; at += 8)
		ram_set64(d, pa + at, value);
}

static bool all_are(struct device *d, uint64_t pa, uint64_t bytes, uint64_t value)
{
	for (uint64_t at = 0; at < bytes; at += 8)
		if (ram64(d, pa + at) != value)
			return false;
	return true;
}

/* The pages of one side, before and after the change of the table. */
struct side {
	uint64_t va;
	uint64_t old;
	uint64_t fresh;
};

static struct side side_open(struct context *c, uint64_t va)
{
	struct side s = { .va = va, .old = ram_alloc(c->d, BYTES), .fresh = ram_alloc(c->d, BYTES) };

	set_all(c->d, s.old, BEFORE);
	set_all(c->d, s.fresh, AFTER);
	for (uint64_t at = 0; at < BYTES; at += PAGE_4K)
		mirror_map(c, va + at, s.old + at, ORDER_4K, DMIRAGE_PTE_WRITE);
	return s;
}

static void side_change(struct context *c, const struct side *s)
{
	for (uint64_t at = 0; at < BYTES; at += PAGE_4K)
		mirror_map(c, s->va + at, s->fresh + at, ORDER_4K, DMIRAGE_PTE_WRITE);
}

/* How many bytes are done by the old translations when it has been stopped at a point. */
static uint64_t done_at(uint32_t point)
{
	switch (point) {
	case DMIRAGE_HOLD_WALK:
		return 0;
	case DMIRAGE_HOLD_COMPLETE:
		return BYTES;
	default:
		/* MIDDLE: the first chunk; TRANSLATED: it is latched. */
		return HALF;
	}
}

/* A copy that is stopped at @point while one of its sides is changed. */
static void change_at(struct device *d, uint32_t point, enum way way, bool source)
{
	struct context c = context_open(d, 7), other = context_open(d, 8);
	struct side src = side_open(&c, VA), dst = side_open(&c, VA + PAGE_1G);
	const struct side *side = source ? &src : &dst;
	uint64_t done = done_at(point), at;

	map_new(&other, VA, PAGE_4K, ORDER_4K);
	set_all(d, src.old, DATA);
	set_all(d, src.fresh, DATA + 1);
	hold_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
	hold(&c, point);
	submit(&c, op_copy(dst.va, src.va, BYTES));
	hold_await(&c);
	side_change(&c, side);
	drop_and_wait(&c, way, side->va);
	/* From here on the old pages are somebody else's. */
	if (!source)
		g_assert_true(all_are(d, dst.old, done, DATA));
	set_all(d, side->old, SECRET);
	run_ok(&other, op_write(VA, 8, 1));
	hold(&c, DMIRAGE_HOLD_RELEASE);
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, BYTES);
	if (source) {
		g_assert_true(all_are(d, dst.old, done, DATA));
		for (at = done; at < BYTES; at += 8)
			g_assert_cmphex(ram64(d, dst.old + at), ==, DATA + 1);
	} else {
		g_assert_true(all_are(d, dst.old, BYTES, SECRET));
		for (at = 0; at < BYTES; at += 8)
			g_assert_cmphex(ram64(d, dst.fresh + at), ==, at < done ? AFTER : DATA);
	}
	context_disable(&c);
	context_disable(&other);
}

static void test_points(void)
{
	const uint32_t points[] = { DMIRAGE_HOLD_WALK, DMIRAGE_HOLD_TRANSLATED, DMIRAGE_HOLD_MIDDLE,
				    DMIRAGE_HOLD_COMPLETE };
	struct device *d = device_open(NULL);

	for (unsigned int p = 0; p < G_N_ELEMENTS(points); p++)
		for (unsigned int way = 0; way < WAYS; way++)
			for (unsigned int source = 0; source < 2; source++) {
				g_test_message("point 0x%x, way %u, side %u", points[p], way,
					       source);
				change_at(d, points[p], way, source);
			}
	device_close(d);
}

/* The same, with prefetched and fractured translations, and large pages. */
static void test_points_caches(void)
{
	const char *const options[] = { "prefetch=511", "fracture=on", "walk-cache=0",
					"iotlb-entries=1,iotlb-ways=1" };

	for (unsigned int i = 0; i < G_N_ELEMENTS(options); i++) {
		struct device *d = device_open(options[i]);

		for (unsigned int way = 0; way < WAYS; way++)
			for (unsigned int source = 0; source < 2; source++) {
				change_at(d, DMIRAGE_HOLD_TRANSLATED, way, source);
				change_at(d, DMIRAGE_HOLD_MIDDLE, way, source);
			}
		device_close(d);
	}
}

/* A page is moved about, by the book, while a context writes to and reads from it. */
static void test_race(void)
{
	enum { ROUNDS = 1500 };
	struct device *d = device_open("engines=2");
	struct context w = context_open(d, 1), r = context_open(d, 2);
	const uint64_t bytes = PAGE_2M;
	uint64_t pa[2] = { ram_alloc(d, PAGE_4K), ram_alloc(d, PAGE_4K) };
	uint64_t sink = map_new(&r, VA + PAGE_1G, PAGE_4K, ORDER_4K), status = ram_alloc(d, PAGE_4K);
	struct dmirage_fqe e;

	/* Again and again the same page of either context. */
	for (uint64_t at = 0; at < bytes; at += PAGE_4K)
		mirror_map(&r, VA + PAGE_1G + at, sink, ORDER_4K, DMIRAGE_PTE_WRITE);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t old = pa[i % 2], fresh = pa[(i + 1) % 2];
		uint64_t seen;

		if (i == 0)
			for (uint64_t at = 0; at < bytes; at += PAGE_4K) {
				mirror_map(&w, VA + at, old, ORDER_4K, DMIRAGE_PTE_WRITE);
				mirror_map(&r, VA + at, old, ORDER_4K, 0);
			}
		submit(&w, op_fill(VA, bytes, DATA));
		submit(&r, op_copy(VA + PAGE_1G, VA, bytes));
		g_usleep(i % 64);
		for (uint64_t at = 0; at < bytes; at += PAGE_4K) {
			ram_set64(d, mirror_entry(&w, VA + at, 1), 0);
			ram_set64(d, mirror_entry(&r, VA + at, 1), 0);
		}
		if (i % 3) {
			inv_range(d, 1, VA, bytes);
			inv_range(d, 2, VA, bytes);
			ram_set64(d, status, 0);
			command(d, (struct dmirage_cmd){ .opcode = DMIRAGE_CMD_WAIT,
							 .value = 1,
							 .status_addr = status });
			wait_for(ram64(d, status));
		} else {
			sync_range(&w, VA, bytes);
			sync_range(&r, VA, bytes);
		}
		/* Somebody else's now: it is not written, and what it gets is not seen. */
		for (uint64_t at = 0; at < PAGE_4K; at += 8)
			ram_set64(d, old + at, SECRET);
		memset(ram(d, fresh), 0, PAGE_4K);
		for (uint64_t at = 0; at < bytes; at += PAGE_4K) {
			mirror_map(&w, VA + at, fresh, ORDER_4K, DMIRAGE_PTE_WRITE);
			mirror_map(&r, VA + at, fresh, ORDER_4K, 0);
		}
		while (!cqe_ready(&w) || !cqe_ready(&r))
			if (fault_ready(d)) {
				e = fault_take(d);
				fault_answer(d, &e, DMIRAGE_RESP_RETRY);
			}
		expect_cqe(&w, DMIRAGE_ST_OK, 0, 0, bytes);
		expect_cqe(&r, DMIRAGE_ST_OK, 0, 0, bytes);
		for (uint64_t at = 0; at < PAGE_4K; at += 8) {
			g_assert_cmphex(ram64(d, old + at), ==, SECRET);
			seen = ram64(d, sink + at);
			g_assert_cmphex(seen, !=, SECRET);
		}
		/* Of the former round it may be read still, as long as it is there. */
		memset(ram(d, sink), 0, PAGE_4K);
	}
	device_close(d);
}

/* --- INV_GLOBAL and INV_BATCH -------------------------------------------------------------- */

static void test_global(void)
{
	struct device *d = device_open(NULL);
	struct context c[DMIRAGE_CONTEXTS];
	unsigned int n;

	for (unsigned int i = 0; i < DMIRAGE_CONTEXTS; i++) {
		c[i] = context_open(d, i);
		map_new(&c[i], VA, PAGE_4K, ORDER_4K);
		run_ok(&c[i], op_read(VA, 8));
	}
	dump(d, &n);
	g_assert_cmpuint(n, ==, DMIRAGE_CONTEXTS);
	inv_global(d);
	dump(d, &n);
	g_assert_cmpuint(n, ==, 0);
	for (unsigned int i = 0; i < DMIRAGE_CONTEXTS; i++) {
		g_assert_cmpuint(counter(&c[i], DMIRAGE_CNT_INVALIDATIONS), ==, 1);
		g_assert_cmpuint(counter(&c[i], DMIRAGE_CNT_IOTLB_DROPPED), ==, 1);
		/* Also from what was used last. */
		run_ok(&c[i], op_read(VA, 8));
		g_assert_cmpuint(counter(&c[i], DMIRAGE_CNT_IOTLB_MISSES), ==, 2);
	}
	device_close(d);
}

static void test_batch(void)
{
	enum { N = DMIRAGE_BATCH_MAX };
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 3), other = context_open(d, 4);
	struct dmirage_range range[N];
	uint64_t at = ram_alloc(d, 2 * PAGE_4K);
	unsigned int n;
	const struct dmirage_cmd bad[] = {
		{ .asid = 3, .addr = at, .len = 0 },
		{ .asid = 3, .addr = at, .len = N + 1 },
		{ .asid = 3, .addr = at, .len = ~0ull },
		{ .asid = 3, .addr = at + 4, .len = 1 },
		{ .asid = 64, .addr = at, .len = 1 },
		{ .asid = 3, .addr = ADDR_NOTHING, .len = 1 },
		{ .asid = 3, .addr = ADDR_MMIO, .len = 1 },
		{ .asid = 3, .addr = RAM_LOW_BYTES - 16, .len = 2 },
		{ .asid = 3, .addr = at, .len = 1, .flags = 1 },
	};

	map_new(&c, VA, 2 * N * PAGE_4K, ORDER_4K);
	map_new(&other, VA, PAGE_4K, ORDER_4K);
	run_ok(&c, op_fill(VA, 2 * N * PAGE_4K, 1));
	run_ok(&other, op_read(VA, 8));
	for (unsigned int i = 0; i < N; i++)
		range[i] = (struct dmirage_range){ VA + 2 * i * PAGE_4K + 77, 1 };
	memcpy(ram(d, at), range, sizeof(range));
	memcpy(ram(d, RAM_LOW_BYTES - 16), range, 16);
	for (unsigned int i = 0; i < G_N_ELEMENTS(bad); i++) {
		struct dmirage_cmd cmd = bad[i];

		cmd.opcode = DMIRAGE_CMD_INV_BATCH;
		command(d, cmd);
		expect_error(d, DMIRAGE_ERR_COMMAND);
	}
	/* One range that is empty: none of them counts. */
	range[N - 1].len = 0;
	inv_batch(d, 3, range, N);
	expect_error(d, DMIRAGE_ERR_COMMAND);
	dump(d, &n);
	g_assert_cmpuint(n, ==, 2 * N + 1);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_INVALIDATIONS), ==, 0);
	range[N - 1].len = 1;
	inv_batch(d, 3, range, N);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_INVALIDATIONS), ==, N);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_IOTLB_DROPPED), ==, N);
	dump(d, &n);
	g_assert_cmpuint(n, ==, N + 1);
	g_assert_null(dump_find(d, 3, VA));
	g_assert_nonnull(dump_find(d, 3, VA + PAGE_4K));
	g_assert_null(dump_find(d, 3, VA + (2 * N - 2) * PAGE_4K));
	/* What goes past the end is cut there. */
	range[0] = (struct dmirage_range){ VA + PAGE_4K, ~0ull };
	inv_batch(d, 3, range, 1);
	dump(d, &n);
	g_assert_cmpuint(n, ==, 1);
	expect_error(d, 0);
	device_close(d);
}

/* WAIT and DUMP ask for an interrupt, or do not; vector 2, after the answer. */
static void test_interrupt(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open_checked(d, 5);
	uint64_t irq = d->irq + 4 * DMIRAGE_VEC_WAIT, status = ram_alloc(d, PAGE_4K);
	const unsigned int opcodes[] = { DMIRAGE_CMD_WAIT, DMIRAGE_CMD_DUMP, DMIRAGE_CMD_AUDIT };

	for (unsigned int i = 0; i < 2 * G_N_ELEMENTS(opcodes); i++) {
		struct dmirage_cmd cmd = { .opcode = opcodes[i / 2],
					   .flags = i % 2 ? DMIRAGE_CMD_F_IRQ : 0,
					   .asid = 5,
					   .value = 77,
					   .addr = status + 64,
					   .len = 64,
					   .status_addr = status };

		*(uint32_t *)ram(d, irq) = 0;
		ram_set64(d, status, ~0ull);
		ram_set64(d, status + 8, ~0ull);
		command(d, cmd);
		if (i % 2)
			wait_for(ram32(d, irq) == 1);
		else
			expect_never(ram32(d, irq));
		g_assert_cmphex(ram32(d, status), ==, opcodes[i / 2] == DMIRAGE_CMD_WAIT ? 77 : 0);
	}
	/* With the answer and not before it. */
	map_new(&c, VA, PAGE_4K, ORDER_4K);
	hold(&c, DMIRAGE_HOLD_TRANSLATED | DMIRAGE_HOLD_KEEP);
	hold_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
	submit(&c, op_write(VA, 8, 1));
	hold_await(&c);
	inv_asid(d, 5);
	*(uint32_t *)ram(d, irq) = 0;
	ram_set64(d, status, 0);
	command(d, (struct dmirage_cmd){ .opcode = DMIRAGE_CMD_WAIT,
					 .flags = DMIRAGE_CMD_F_IRQ,
					 .value = 1,
					 .status_addr = status });
	expect_never(ram32(d, irq) || ram32(d, status));
	hold(&c, DMIRAGE_HOLD_RELEASE);
	wait_for(ram32(d, irq) == 1);
	g_assert_cmpuint(ram32(d, status), ==, 1);
	g_assert_cmpuint(ram32(d, d->irq), ==, 0);
	device_close(d);
}

/* DUMP and AUDIT, malformed: nothing is written. */
static void test_malformed(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open_checked(d, 5);
	uint64_t at = ram_alloc(d, PAGE_4K), status = ram_alloc(d, PAGE_4K);
	const struct dmirage_cmd bad[] = {
		{ .opcode = DMIRAGE_CMD_DUMP, .addr = at + 4, .len = 32, .status_addr = status },
		{ .opcode = DMIRAGE_CMD_DUMP, .addr = at, .len = 32, .status_addr = status + 2 },
		{ .opcode = DMIRAGE_CMD_DUMP, .addr = ADDR_MMIO, .len = 32, .status_addr = status },
		{ .opcode = DMIRAGE_CMD_DUMP, .addr = at, .len = 32, .status_addr = status,
		  .flags = 2 },
		{ .opcode = DMIRAGE_CMD_AUDIT, .asid = 5, .len = 0, .status_addr = status },
		{ .opcode = DMIRAGE_CMD_AUDIT, .asid = 64, .len = 1, .status_addr = status },
		{ .opcode = DMIRAGE_CMD_AUDIT, .asid = 5, .len = 1, .status_addr = status + 8 },
		{ .opcode = DMIRAGE_CMD_AUDIT, .asid = 5, .len = 1, .status_addr = status,
		  .flags = 4 },
		{ .opcode = DMIRAGE_CMD_INV_GLOBAL, .flags = 1 },
	};

	map_new(&c, VA, PAGE_4K, ORDER_4K);
	run_ok(&c, op_read(VA, 8));
	for (unsigned int i = 0; i < G_N_ELEMENTS(bad); i++) {
		struct dmirage_cmd cmd = bad[i];

		g_test_message("command %u", i);
		cmd.value = 0x77;
		command(d, cmd);
		expect_error(d, DMIRAGE_ERR_COMMAND);
		g_assert_cmphex(ram64(d, at), ==, 0);
		g_assert_cmphex(ram64(d, status), ==, 0);
		g_assert_cmphex(ram64(d, status + 8), ==, 0);
	}
	g_assert_nonnull(dump_find(d, 5, VA));
	/* An answer that cannot be written. */
	command(d, (struct dmirage_cmd){ .opcode = DMIRAGE_CMD_DUMP, .status_addr = ADDR_NOTHING });
	expect_error(d, DMIRAGE_ERR_QUEUE);
	command(d, (struct dmirage_cmd){ .opcode = DMIRAGE_CMD_AUDIT,
					 .asid = 5, .len = 1, .status_addr = ADDR_NOTHING });
	wait_for(r32(d, DMIRAGE_REG_ERROR) == DMIRAGE_ERR_QUEUE);
	device_close(d);
}

/* --- SYNC_LEN --------------------------------------------------------------------------------- */

/* Bytes that are dropped, to the single one. */
static void test_sync_range(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 6), other = context_open(d, 7);
	const struct {
		uint64_t addr;
		uint64_t len;
		bool drops;
	} ranges[] = {
		{ VA, 1, true },
		{ VA + PAGE_4K - 1, 1, true },
		{ VA - 1, 2, true },
		{ VA - 1, 1, false },
		{ VA + PAGE_4K, PAGE_1G, false },
		{ 0, ~0ull, true },
		{ VA, ~0ull, true },
		{ VA + PAGE_4K, ~0ull, false },
		{ ~0ull, ~0ull, false },
	};
	uint64_t count = 0;

	map_new(&c, VA, PAGE_4K, ORDER_4K);
	map_new(&other, VA, PAGE_4K, ORDER_4K);
	run_ok(&other, op_read(VA, 8));
	for (unsigned int i = 0; i < G_N_ELEMENTS(ranges); i++) {
		run_ok(&c, op_read(VA, 8));
		sync_range(&c, ranges[i].addr, ranges[i].len);
		g_assert_true(!dump_find(d, 6, VA) == ranges[i].drops);
		g_assert_cmpuint(counter(&c, DMIRAGE_CNT_INVALIDATIONS), ==, ++count);
	}
	g_assert_nonnull(dump_find(d, 7, VA));
	g_assert_cmphex(r64(d, CTX(6, DMIRAGE_CTX_SYNC_ADDR)), ==, ~0ull);
	g_assert_cmphex(r64(d, CTX(6, DMIRAGE_CTX_SYNC_LEN)), ==, 0);
	/* Nothing: refused. */
	run_ok(&c, op_read(VA, 8));
	expect_error(d, 0);
	sync_range(&c, VA, 0);
	expect_error(d, DMIRAGE_ERR_CONFIG);
	g_assert_nonnull(dump_find(d, 6, VA));
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_INVALIDATIONS), ==, count);
	/* Of a context that is off. */
	context_disable(&c);
	sync_range(&c, VA, 1);
	expect_error(d, 0);
	device_close(d);
}

/* How long the write takes, in us. */
static gint64 sync_takes(struct context *c, uint64_t addr, uint64_t len)
{
	gint64 began = g_get_monotonic_time();

	sync_range(c, addr, len);
	return g_get_monotonic_time() - began;
}

/* The write is not over before the chunk is that used what is dropped. */
static void test_sync_waits(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 8), other = context_open(d, 9);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K);

	map_new(&other, VA, PAGE_4K, ORDER_4K);
	for (unsigned int i = 0; i < 3; i++) {
		ram_set64(d, pa, 0);
		hold_limit(&c, 120);
		hold(&c, DMIRAGE_HOLD_TRANSLATED | DMIRAGE_HOLD_KEEP);
		submit(&c, op_write(VA, 8, i + 1));
		hold_await(&c);
		/* What it did not use it does not wait for. */
		g_assert_cmpint(sync_takes(&c, VA + PAGE_4K, PAGE_4K), <, 60000);
		g_assert_cmpint(sync_takes(&other, VA, PAGE_4K), <, 60000);
		g_assert_cmphex(ctx_status(&c), ==, DMIRAGE_CTX_HELD);
		if (i < 2) {
			gint64 began = g_get_monotonic_time();

			sync_range(&c, i ? VA + PAGE_4K - 1 : VA, 1);
			/* By the limit of the point, and no other. */
			g_assert_cmphex(ctx_status(&c) & DMIRAGE_CTX_HELD, ==, 0);
			g_assert_cmpint(g_get_monotonic_time() - began, <, 2000000);
		} else {
			/* Like a WAIT it awaits what an earlier command has hit. */
			inv_range(d, 8, VA, 1);
			sync_range(&other, VA, 1);
		}
		g_assert_cmpuint(ram64(d, pa), ==, i + 1);
		g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
		g_assert_cmpuint(counter(&c, DMIRAGE_CNT_DRAINED), ==, i + 1);
	}
	device_close(d);
}

static void test_sync_takes_its_time(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 10);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K);
	gint64 began;

	hold_limit(&c, 150);
	hold(&c, DMIRAGE_HOLD_TRANSLATED | DMIRAGE_HOLD_KEEP);
	began = g_get_monotonic_time();
	submit(&c, op_write(VA, 8, 1));
	hold_await(&c);
	sync_range(&c, VA, 1);
	g_assert_cmpint(g_get_monotonic_time() - began, >=, 150000);
	g_assert_cmpuint(ram64(d, pa), ==, 1);
	cqe_take(&c);
	/* Without KEEP it lets go what it needs. */
	hold_limit(&c, DMIRAGE_HOLD_LIMIT_MAX);
	hold(&c, DMIRAGE_HOLD_TRANSLATED);
	submit(&c, op_write(VA, 8, 2));
	hold_await(&c);
	g_assert_cmpint(sync_takes(&c, VA, 1), <, 2000000);
	g_assert_cmpuint(ram64(d, pa), ==, 2);
	cqe_take(&c);
	/* FLUSH: all is over, and it is not told. */
	hold_limit(&c, 100);
	hold(&c, DMIRAGE_HOLD_FLUSH);
	began = g_get_monotonic_time();
	sync_range(&c, VA, 1);
	g_assert_cmpint(g_get_monotonic_time() - began, >=, 100000);
	g_assert_cmphex(r32(d, CTX(10, DMIRAGE_CTX_HOLD)), ==, 0);
	g_assert_cmphex(ctx_status(&c), ==, 0);
	g_assert_cmpint(sync_takes(&c, VA, 1), <, 60000);
	device_close(d);
}

/* What the oracle is in doubt of is awaited, too. */
static void test_sync_in_doubt(void)
{
	struct device *d = device_open("suspect-ms=100");
	struct context c = context_open_checked(d, 11);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K);

	run_ok(&c, op_write(VA, 8, 1));
	cpu_map(&c, VA, 0, ORDER_4K, 0);
	submit(&c, op_write(VA, 8, 2));
	wait_for(counter(&c, DMIRAGE_CNT_OPS) == 2 || ctx_status(&c) & DMIRAGE_CTX_BUSY);
	sync_range(&c, VA, 1);
	g_assert_cmpuint(ram64(d, pa), ==, 2);
	/* The record is there as well. */
	g_assert_true(violation_ready(d));
	g_assert_cmpuint(violation_take(d).kind, ==, DMIRAGE_VIOL_ABSENT);
	cqe_take(&c);
	device_close(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ordering/points", test_points);
	g_test_add_func("/ordering/points-caches", test_points_caches);
	g_test_add_func("/ordering/race", test_race);
	g_test_add_func("/ordering/global", test_global);
	g_test_add_func("/ordering/batch", test_batch);
	g_test_add_func("/ordering/interrupt", test_interrupt);
	g_test_add_func("/ordering/malformed", test_malformed);
	g_test_add_func("/ordering/sync-range", test_sync_range);
	g_test_add_func("/ordering/sync-waits", test_sync_waits);
	g_test_add_func("/ordering/sync-takes-its-time", test_sync_takes_its_time);
	g_test_add_func("/ordering/sync-in-doubt", test_sync_in_doubt);
	return g_test_run();
}
