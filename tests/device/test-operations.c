/* SPDX-License-Identifier: GPL-2.0 */
/* Operations: what they do to memory, and how the wrong ones end. */
#include "device.h"

#include <string.h>

#define VA	0x00123456789000ull
#define TOP	(1ull << DMIRAGE_VA_BITS)

/* --- memory that is seen by address and is not in one piece ------------------ */

#define SMALL		64			/* 4 KiB pages, in no order */
#define SMALL_BYTES	(SMALL * PAGE_4K)
#define SPACE_BYTES	(SMALL_BYTES + PAGE_2M)
#define SPACE_VA	(0x40000000ull - SMALL_BYTES)

/* 4 KiB pages and right after them a 2 MiB page; @model: what must be there. */
struct space {
	struct context *c;
	uint64_t pa[SMALL + 1];
	uint8_t *model;
};

static uint8_t *space_at(struct space *s, uint64_t offset)
{
	if (offset < SMALL_BYTES)
		return (uint8_t *)ram(s->c->d, s->pa[offset / PAGE_4K]) + offset % PAGE_4K;
	return (uint8_t *)ram(s->c->d, s->pa[SMALL]) + offset - SMALL_BYTES;
}

static void space_open(struct space *s, struct context *c)
{
	uint64_t small = ram_alloc(c->d, SMALL_BYTES);

	*s = (struct space){ .c = c, .model = g_malloc(SPACE_BYTES) };
	for (unsigned int i = 0; i < SMALL; i++) {
		/* 27 and 64 have no common factor: each page once. */
		s->pa[i] = small + i * 27 % SMALL * PAGE_4K;
		mirror_map(c, SPACE_VA + i * PAGE_4K, s->pa[i], ORDER_4K, DMIRAGE_PTE_WRITE);
	}
	s->pa[SMALL] = map_new(c, SPACE_VA + SMALL_BYTES, PAGE_2M, ORDER_2M);
	for (uint64_t i = 0; i < SPACE_BYTES; i++) {
		s->model[i] = g_test_rand_int();
		*space_at(s, i) = s->model[i];
	}
}

/* All of it is as it should be, not only what was meant to change. */
static void space_check(struct space *s)
{
	for (uint64_t i = 0; i < SMALL_BYTES; i += PAGE_4K)
		if (memcmp(space_at(s, i), s->model + i, PAGE_4K))
			g_error("the page at offset 0x%" PRIx64 " is not right", i);
	if (memcmp(space_at(s, SMALL_BYTES), s->model + SMALL_BYTES, PAGE_2M))
		g_error("the 2 MiB page is not right");
}

static void space_close(struct space *s)
{
	g_free(s->model);
}

/* A copy, in memory and in the model; they do not overlap. */
static void space_copy(struct space *s, uint64_t dst, uint64_t src, uint64_t len)
{
	g_assert_cmpuint(run_ok(s->c, op_copy(SPACE_VA + dst, SPACE_VA + src, len)), ==, len);
	memcpy(s->model + dst, s->model + src, len);
}

static void space_fill(struct space *s, uint64_t dst, uint64_t len, uint64_t imm)
{
	g_assert_cmpuint(run_ok(s->c, op_fill(SPACE_VA + dst, len, imm)), ==, len);
	for (uint64_t i = 0; i < len; i++)
		s->model[dst + i] = imm >> (8 * (i % 8));
}

/* --- what they do ------------------------------------------------------------- */

static void test_nop(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 0);
	struct dmirage_sqe nop = op_nop();

	g_assert_cmpuint(run_ok(&c, nop), ==, 0);
	/* What it does not use it does not check. */
	nop.src = ~0ull;
	nop.dst = ~0ull;
	nop.len = ~0ull;
	nop.imm = ~0ull;
	nop.cookie = 0xfedcba9876543210ull;
	g_assert_cmpuint(run_ok(&c, nop), ==, 0);
	device_close(d);
}

/* Every alignment of both sides, and the bytes around. */
static void test_alignments(void)
{
	const unsigned int lengths[] = { 1, 2, 3, 7, 8, 9, 16, 31, 4095, 4096, 4097 };
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 0);
	struct space s;

	space_open(&s, &c);
	for (unsigned int src = 0; src < 9; src++)
		for (unsigned int dst = 0; dst < 9; dst++) {
			unsigned int len = lengths[(src * 9 + dst) % G_N_ELEMENTS(lengths)];

			space_copy(&s, 8 * PAGE_4K + dst, PAGE_4K - 4 + src, len);
			space_fill(&s, 16 * PAGE_4K - 4 + dst, len, 0x8877665544332211ull + src);
			space_check(&s);
		}
	space_close(&s);
	device_close(d);
}

static uint64_t pick(uint64_t below)
{
	return (uint32_t)g_test_rand_int() % below;
}

/* Random pieces, within and across pages of both sizes. */
static void test_pages(void)
{
	struct device *d = device_open("iotlb-entries=16");
	struct context c = context_open(d, 0);
	struct space s;

	space_open(&s, &c);
	for (unsigned int i = 0; i < 300; i++) {
		uint64_t len = 1 + pick(1ull << g_test_rand_int_range(1, 19));
		uint64_t a = pick(SPACE_BYTES / 2 - len);
		uint64_t b = SPACE_BYTES / 2 + pick(SPACE_BYTES / 2 - len);

		/* Mostly near the border of the two sizes. */
		if (i % 4)
			a = SMALL_BYTES - len + pick(len);
		if (i % 3 == 0)
			space_copy(&s, a, b, len);
		else if (i % 3 == 1)
			space_copy(&s, b, a, len);
		else
			space_fill(&s, a, len, ((uint64_t)g_test_rand_int() << 32) + i);
		if (i % 10 == 0)
			space_check(&s);
	}
	space_check(&s);
	space_close(&s);
	device_close(d);
}

static void test_values(void)
{
	const uint64_t value = 0xf1e2d3c4b5a69788ull;
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 0);
	struct space s;

	space_open(&s, &c);
	for (unsigned int len = 1; len <= 8; len *= 2)
		for (unsigned int off = 0; off < 17; off++) {
			/* Some lie across two pages, and these in two places. */
			uint64_t at = PAGE_4K - 8 + off, accesses, one = at % len ? len : 1;
			uint64_t mask = ~0ull >> (64 - 8 * len);
			uint64_t got;

			accesses = counter(&c, DMIRAGE_CNT_ACCESSES);
			g_assert_cmpuint(run_ok(&c, op_write(SPACE_VA + at, len, value + off)), ==,
					 len);
			for (unsigned int i = 0; i < len; i++)
				s.model[at + i] = (value + off) >> (8 * i);
			space_check(&s);
			/* An aligned value goes in one piece. */
			g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ACCESSES), ==, accesses + one);
			got = run_ok(&c, op_read(SPACE_VA + at, len));
			g_assert_cmphex(got, ==, (value + off) & mask);
			g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ACCESSES), ==, accesses + 2 * one);
		}
	space_check(&s);
	space_close(&s);
	device_close(d);
}

/* The longest there is, onto a page that is mapped over and over. */
static void test_longest(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 0);
	uint64_t pa = ram_alloc(d, PAGE_2M);

	for (uint64_t at = 0; at < DMIRAGE_LEN_MAX; at += PAGE_2M)
		mirror_map(&c, at, pa, ORDER_2M, DMIRAGE_PTE_WRITE);
	g_assert_cmpuint(run_ok(&c, op_fill(0, DMIRAGE_LEN_MAX, 0x0123456789abcdefull)), ==,
			 DMIRAGE_LEN_MAX);
	g_assert_cmphex(ram64(d, pa), ==, 0x0123456789abcdefull);
	g_assert_cmphex(ram64(d, pa + PAGE_2M - 8), ==, 0x0123456789abcdefull);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_BYTES_WRITTEN), ==, DMIRAGE_LEN_MAX);
	device_close(d);
}

/* The first and the last page that there can be, with either number of levels. */
static void test_reach(void)
{
	struct device *d = device_open(NULL);

	for (unsigned int levels = 4; levels <= 5; levels++) {
		struct context c = context_make(d, levels);
		uint64_t end = 1ull << (12 + 9 * levels), first, last;

		c.ctl = DMIRAGE_CTL_ENABLE | DMIRAGE_CTL_PT_LEVELS(levels);
		context_enable(&c);
		first = map_new(&c, 0, PAGE_4K, ORDER_4K);
		last = map_new(&c, end - PAGE_4K, PAGE_4K, ORDER_4K);
		ram_set64(d, first, 0x1111111111111111ull);
		run_ok(&c, op_copy(end - 8, 0, 8));
		g_assert_cmphex(ram64(d, last + PAGE_4K - 8), ==, 0x1111111111111111ull);
		if (levels == 4) {
			struct dmirage_fqe fault;

			/* Beyond the table is not beyond the device. */
			submit(&c, op_read(end, 8));
			fault = fault_take(d);
			g_assert_cmphex(fault.addr, ==, end);
			fault_answer(d, &fault, 14);
			g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_FAULT);
		}
	}
	device_close(d);
}

/* A batch is done in order, around the ring and around again. */
static void test_batches(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_make(d, 63);
	uint64_t pa, n = 0;

	c.sq_order = 3;
	c.cq_order = 4;
	context_enable(&c);
	pa = map_new(&c, VA, PAGE_4K, ORDER_4K);
	for (unsigned int round = 0; round < 50; round++) {
		unsigned int batch = 1 + round % 8;

		for (unsigned int i = 0; i < batch; i++)
			put_sqe(&c, op_write(VA, 8, n + i));
		ring(&c);
		for (unsigned int i = 0; i < batch; i++) {
			struct dmirage_cqe cqe = cqe_take(&c);

			g_assert_cmpuint(cqe.status, ==, DMIRAGE_ST_OK);
			g_assert_cmpuint(cqe.cookie, ==, n + i);
		}
		n += batch;
		g_assert_cmpuint(ram64(d, pa), ==, n - 1);
	}
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_OPS), ==, n);
	device_close(d);
}

static void test_counters(void)
{
	static const uint64_t expected[DMIRAGE_CNT_MAX] = {
		[DMIRAGE_CNT_OPS] = 4,
		[DMIRAGE_CNT_OPS_FAILED] = 1,
		[DMIRAGE_CNT_BYTES_READ] = 6000,
		[DMIRAGE_CNT_BYTES_WRITTEN] = 6000 + 5000,
		/* 2 pages of either side, and 2. */
		[DMIRAGE_CNT_ACCESSES] = 2 * 2 + 2,
		[DMIRAGE_CNT_IOTLB_HITS] = 2,
		[DMIRAGE_CNT_IOTLB_MISSES] = 4,
		/* All pages are of one table. */
		[DMIRAGE_CNT_WALK_CACHE_HITS] = 3,
		[DMIRAGE_CNT_INVALIDATIONS] = 2,
		[DMIRAGE_CNT_IOTLB_DROPPED] = 4,
	};
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 33), other = context_open(d, 34);

	map_new(&c, VA, 4 * PAGE_4K, ORDER_4K);
	run_ok(&c, op_nop());
	/* From 0x000 to 0x1770, to 0x2800 to 0x3f70. */
	run_ok(&c, op_copy(VA + 2 * PAGE_4K + 0x800, VA, 6000));
	run_ok(&c, op_fill(VA, 5000, 0));
	run_error(&c, op_fill(VA, 0, 0), DMIRAGE_ST_BAD_LENGTH, 0, 0, 0);
	inv_range(d, 33, VA, 1);
	inv_asid(d, 33);
	wait_done(d);
	for (unsigned int i = 0; i < DMIRAGE_CNT_MAX; i++) {
		g_test_message("counter %u", i);
		g_assert_cmpuint(counter(&c, i), ==, expected[i]);
		g_assert_cmpuint(counter(&other, i), ==, 0);
	}
	/* They begin again with the context, and stay when it ends. */
	context_disable(&c);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_OPS), ==, 4);
	context_enable(&c);
	for (unsigned int i = 0; i < DMIRAGE_CNT_MAX; i++)
		g_assert_cmpuint(counter(&c, i), ==, 0);
	device_close(d);
}

/* --- how they fail --------------------------------------------------------------- */

static void test_refused(void)
{
	static const struct {
		struct dmirage_sqe sqe;
		enum dmirage_status status;
		uint64_t addr;
	} cases[] = {
		{ { .opcode = 200 }, DMIRAGE_ST_BAD_OPCODE },
		{ { .opcode = 255, .len = 8 }, DMIRAGE_ST_BAD_OPCODE },
		{ { .flags = 2 }, DMIRAGE_ST_BAD_FIELD },
		{ { .flags = 0x80 }, DMIRAGE_ST_BAD_FIELD },
		{ { .reserved0 = 0x8000 }, DMIRAGE_ST_BAD_FIELD },
		{ { .reserved1 = 0x80000000 }, DMIRAGE_ST_BAD_FIELD },
		{ { .reserved2 = 1ull << 63 }, DMIRAGE_ST_BAD_FIELD },
		{ { .compare = 1 }, DMIRAGE_ST_BAD_FIELD },
		{ { .opcode = 6, .len = 8, .compare = 1 }, DMIRAGE_ST_BAD_FIELD },
		{ { .opcode = 1 }, DMIRAGE_ST_BAD_LENGTH },
		{ { .opcode = 2 }, DMIRAGE_ST_BAD_LENGTH },
		{ { .opcode = 3 }, DMIRAGE_ST_BAD_LENGTH },
		{ { .opcode = 4 }, DMIRAGE_ST_BAD_LENGTH },
		{ { .opcode = 1, .len = DMIRAGE_LEN_MAX + 1 }, DMIRAGE_ST_BAD_LENGTH },
		{ { .opcode = 2, .len = ~0ull }, DMIRAGE_ST_BAD_LENGTH },
		{ { .opcode = 3, .len = 3 }, DMIRAGE_ST_BAD_LENGTH },
		{ { .opcode = 3, .len = 16 }, DMIRAGE_ST_BAD_LENGTH },
		{ { .opcode = 4, .len = 7 }, DMIRAGE_ST_BAD_LENGTH },
		{ { .opcode = 5, .len = 2 }, DMIRAGE_ST_BAD_LENGTH },
		{ { .opcode = 5, .len = 16 }, DMIRAGE_ST_BAD_LENGTH },
		{ { .opcode = 6, .len = 1 }, DMIRAGE_ST_BAD_LENGTH },
		{ { .opcode = 7 }, DMIRAGE_ST_BAD_LENGTH },
		{ { .opcode = 8, .len = DMIRAGE_LEN_MAX + 1 }, DMIRAGE_ST_BAD_LENGTH },
		{ { .opcode = 9 }, DMIRAGE_ST_BAD_LENGTH },
		{ { .opcode = 10, .len = 8, .imm = 8 }, DMIRAGE_ST_BAD_OPCODE },
		{ { .opcode = 11 }, DMIRAGE_ST_BAD_OPCODE },
		{ { .opcode = 1, .len = 8, .src = TOP }, DMIRAGE_ST_BAD_ADDRESS, TOP },
		{ { .opcode = 1, .len = 8, .src = TOP - 7 }, DMIRAGE_ST_BAD_ADDRESS, TOP - 7 },
		{ { .opcode = 1, .len = 8, .dst = TOP - 7 }, DMIRAGE_ST_BAD_ADDRESS, TOP - 7 },
		{ { .opcode = 2, .len = 8, .dst = ~0ull }, DMIRAGE_ST_BAD_ADDRESS, ~0ull },
		{ { .opcode = 3, .len = 8, .src = ~0ull - 7 }, DMIRAGE_ST_BAD_ADDRESS, ~0ull - 7 },
		{ { .opcode = 4, .len = 2, .dst = TOP - 1 }, DMIRAGE_ST_BAD_ADDRESS, TOP - 1 },
	};
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 1);

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("case %u", i);
		run_error(&c, cases[i].sqe, cases[i].status, 0, cases[i].addr, 0);
	}
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_OPS_FAILED), ==, G_N_ELEMENTS(cases));
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ACCESSES), ==, 0);
	/* That is the process's affair and no error of the driver's. */
	expect_error(d, 0);
	run_ok(&c, op_nop());
	device_close(d);
}

/* A translation that leads to what is not RAM, on either side, half way. */
static void test_no_memory(void)
{
	enum { BYTES = DMIRAGE_CHUNK + 4096 };
	const uint64_t nowhere[] = { ADDR_NOTHING, ADDR_MMIO, DMIRAGE_PTE_ADDR };
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 2);
	uint64_t pa;

	pa = map_new(&c, VA, BYTES, ORDER_4K);
	for (unsigned int i = 0; i < G_N_ELEMENTS(nowhere); i++) {
		uint64_t bad = VA + BYTES;

		mirror_map(&c, bad, nowhere[i], ORDER_4K, DMIRAGE_PTE_WRITE);
		/* Of the chunk that has it, nothing is done; those before it are. */
		run_error(&c, op_fill(bad - 96, 200, ~0ull), DMIRAGE_ST_DMA_ERROR, 0, bad, 0);
		run_error(&c, op_copy(bad - 24, VA, 200), DMIRAGE_ST_DMA_ERROR, 0, bad, 0);
		run_error(&c, op_copy(VA, bad - 8, 200), DMIRAGE_ST_DMA_ERROR, 0, bad, 0);
		for (uint64_t at = 0; at < BYTES; at += 8)
			g_assert_cmphex(ram64(d, pa + at), ==, 0);
		run_error(&c, op_fill(bad - BYTES, BYTES + 8, ~0ull), DMIRAGE_ST_DMA_ERROR, 0, bad,
			  DMIRAGE_CHUNK);
		for (uint64_t at = 0; at < BYTES; at += 8)
			g_assert_cmphex(ram64(d, pa + at), ==, at < DMIRAGE_CHUNK ? ~0ull : 0);
		memset(ram(d, pa), 0, BYTES);
		run_error(&c, op_read(bad + 8, 8), DMIRAGE_ST_DMA_ERROR, 0, bad + 8, 0);
		run_error(&c, op_write(bad + 16, 4, 1), DMIRAGE_ST_DMA_ERROR, 0, bad + 16, 0);
		inv_asid(d, 2);
		wait_done(d);
	}
	expect_error(d, 0);
	device_close(d);
}

static void expect_table_error(struct context *c, uint64_t va, unsigned int level)
{
	struct device *d = c->d;

	/* It need not look at a table that it knows. */
	inv_asid(d, c->asid);
	wait_done(d);
	run_error(c, op_read(va, 8), DMIRAGE_ST_TABLE_ERROR, level, va, 0);
	g_assert_cmphex(r32(d, CTX(c->asid, DMIRAGE_CTX_ERROR)), ==, DMIRAGE_CTX_ERR_TABLE);
	w32(d, CTX(c->asid, DMIRAGE_CTX_ERROR), DMIRAGE_CTX_ERR_TABLE);
	expect_error(d, DMIRAGE_ERR_CONTEXT);
}

static void test_malformed_tables(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 3);
	uint64_t unaligned = ram_alloc(d, PAGE_2M) + PAGE_4K;

	map_new(&c, VA, PAGE_4K, ORDER_4K);
	for (unsigned int level = 1; level <= 5; level++) {
		uint64_t entry = mirror_entry(&c, VA, level), good = ram64(d, entry);

		/* Each reserved bit. */
		for (unsigned int bit = 0; bit < 64; bit++)
			if (DMIRAGE_PTE_RESERVED & 1ull << bit) {
				ram_set64(d, entry, good | 1ull << bit);
				expect_table_error(&c, VA, level);
			}
		/* WRITE where it has no say. */
		if (level > 1) {
			ram_set64(d, entry, good | DMIRAGE_PTE_WRITE);
			expect_table_error(&c, VA, level);
		}
		/* LEAF at a level that has none, or without its alignment. */
		ram_set64(d, entry, unaligned | DMIRAGE_PTE_VALID | DMIRAGE_PTE_LEAF);
		expect_table_error(&c, VA, level);
		/* A table that is nowhere: the level below it is at fault. */
		if (level > 1) {
			ram_set64(d, entry, ADDR_NOTHING | DMIRAGE_PTE_VALID);
			expect_table_error(&c, VA, level - 1);
			ram_set64(d, entry, ADDR_MMIO | DMIRAGE_PTE_VALID);
			expect_table_error(&c, VA, level - 1);
		}
		ram_set64(d, entry, good);
	}
	run_ok(&c, op_read(VA, 8));
	device_close(d);
}

/* What a bit more in an entry that is not valid means: nothing. */
static void test_invalid_entries(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 4);

	map_new(&c, VA, PAGE_4K, ORDER_4K);
	for (unsigned int level = 1; level <= 5; level++) {
		uint64_t entry = mirror_entry(&c, VA, level), good = ram64(d, entry);
		struct dmirage_fqe fault;

		ram_set64(d, entry, ~DMIRAGE_PTE_VALID);
		submit(&c, op_read(VA, 8));
		fault = fault_take(d);
		g_assert_cmphex(fault.addr, ==, VA);
		ram_set64(d, entry, good);
		fault_answer(d, &fault, DMIRAGE_RESP_RETRY);
		g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
		inv_asid(d, 4);
		wait_done(d);
	}
	device_close(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/operations/nop", test_nop);
	g_test_add_func("/operations/alignments", test_alignments);
	g_test_add_func("/operations/pages", test_pages);
	g_test_add_func("/operations/values", test_values);
	g_test_add_func("/operations/longest", test_longest);
	g_test_add_func("/operations/reach", test_reach);
	g_test_add_func("/operations/batches", test_batches);
	g_test_add_func("/operations/counters", test_counters);
	g_test_add_func("/operations/refused", test_refused);
	g_test_add_func("/operations/no-memory", test_no_memory);
	g_test_add_func("/operations/malformed-tables", test_malformed_tables);
	g_test_add_func("/operations/invalid-entries", test_invalid_entries);
	return g_test_run();
}
