/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The register map: tables of all registers, and what holds for each line. A
 * register that is in the device and not in a table, or in a table and not in
 * docs/hardware.md, or the other way round, is noticed.  The values are numbers
 * and not the header's constants, so that the header is checked as well.
 */
#include "device.h"

#include <stdlib.h>
#include <string.h>

enum access {
	RO,
	WO,
	RW,	/* holds what is written; the bits in @mask */
	W1C,
	DO,	/* reads as said, and writing does something: has a test of its own */
};

/**
 * struct reg - a line of the register map
 * @name:   as in docs/hardware.md
 * @size:   4 or 8
 * @whole:  has 8 bytes and no halves
 * @locked: refuses to be written while its queue or context is enabled
 * @reset:  value after a reset
 */
struct reg {
	const char *name;
	uint32_t offset;
	uint8_t size;
	enum access access;
	bool whole;
	bool locked;
	uint64_t reset;
};

static const struct reg global[] = {
	{ .name = "ID",            .offset = 0x000, .size = 4, .access = RO, .reset = 0x52494d44 },
	{ .name = "VERSION",       .offset = 0x004, .size = 4, .access = RO, .reset = 0x20002 },
	{ .name = "CAPS",          .offset = 0x008, .size = 8, .access = RO, .reset = 0xb030707 },
	{ .name = "CONTEXTS",      .offset = 0x010, .size = 4, .access = RO, .reset = 64 },
	{ .name = "RING_ORDER",    .offset = 0x014, .size = 4, .access = RO, .reset = 10 },
	{ .name = "VA_BITS",       .offset = 0x018, .size = 4, .access = RO, .reset = 57 },
	{ .name = "LEN_ORDER",     .offset = 0x01c, .size = 4, .access = RO, .reset = 30 },
	{ .name = "CHUNK",         .offset = 0x020, .size = 4, .access = RO, .reset = 65536 },
	{ .name = "IOTLB_ENTRIES", .offset = 0x024, .size = 4, .access = RO, .reset = 1024 },
	{ .name = "IOTLB_WAYS",    .offset = 0x028, .size = 4, .access = RO, .reset = 4 },
	{ .name = "RESET",         .offset = 0x02c, .size = 4, .access = WO },
	{ .name = "ERROR",         .offset = 0x030, .size = 4, .access = W1C },
	{ .name = "STATUS",        .offset = 0x034, .size = 4, .access = RO },
	{ .name = "WALK_CACHE",    .offset = 0x038, .size = 4, .access = RO, .reset = 32 },
	{ .name = "PREFETCH",      .offset = 0x03c, .size = 4, .access = RO },
	{ .name = "ENGINES",       .offset = 0x040, .size = 4, .access = RO, .reset = 1 },
	{ .name = "FAULT_RESP",    .offset = 0x160, .size = 8, .access = WO, .whole = true },
	{ .name = "CQ_EVENTS",     .offset = 0x168, .size = 8, .access = W1C, .whole = true },
	{ .name = "NMI",           .offset = 0x170, .size = 4, .access = DO },
	{ .name = "NMI_TICKET",    .offset = 0x174, .size = 4, .access = RO },
	{ .name = "NMI_CHAIN",     .offset = 0x178, .size = 8, .access = WO, .whole = true },
	{ .name = "NMI_PC",        .offset = 0x180, .size = 8, .access = RO },
};

/* FQ and VQ; IQ has HEAD and TAIL the other way round. */
static const struct reg produced[] = {
	{ .name = "BASE",   .offset = 0x00, .size = 8, .access = RW, .locked = true },
	{ .name = "CONFIG", .offset = 0x08, .size = 4, .access = DO },
	{ .name = "HEAD",   .offset = 0x0c, .size = 4, .access = DO },
	{ .name = "TAIL",   .offset = 0x10, .size = 4, .access = RO },
	{ .name = "MISSED", .offset = 0x14, .size = 4, .access = RO },
};

static const struct reg consumed[] = {
	{ .name = "BASE",   .offset = 0x00, .size = 8, .access = RW, .locked = true },
	{ .name = "CONFIG", .offset = 0x08, .size = 4, .access = DO },
	{ .name = "HEAD",   .offset = 0x0c, .size = 4, .access = RO },
	{ .name = "TAIL",   .offset = 0x10, .size = 4, .access = DO },
	{ .name = "MISSED", .offset = 0x14, .size = 4, .access = RO },
};

static const struct reg context[] = {
	{ .name = "CTL",        .offset = 0x000, .size = 4, .access = DO },
	{ .name = "STATUS",     .offset = 0x004, .size = 4, .access = RO },
	{ .name = "PT_ROOT",    .offset = 0x008, .size = 8, .access = RW, .locked = true },
	{ .name = "CPU_ROOT",   .offset = 0x010, .size = 8, .access = RW, .locked = true },
	{ .name = "SQ_BASE",    .offset = 0x018, .size = 8, .access = RW, .locked = true },
	{ .name = "CQ_BASE",    .offset = 0x020, .size = 8, .access = RW, .locked = true },
	{ .name = "RINGS",      .offset = 0x028, .size = 4, .access = RW, .locked = true },
	{ .name = "ERROR",      .offset = 0x02c, .size = 4, .access = W1C },
	{ .name = "HOLD",       .offset = 0x030, .size = 4, .access = DO },
	{ .name = "HOLD_LIMIT", .offset = 0x034, .size = 4, .access = DO, .reset = 1000 },
	{ .name = "SYNC_ADDR",  .offset = 0x038, .size = 8, .access = RW },
	{ .name = "SYNC_LEN",   .offset = 0x040, .size = 8, .access = WO, .whole = true },
	{ .name = "SQ_HEAD",    .offset = 0x048, .size = 4, .access = RW, .locked = true },
	{ .name = "SQ_TAIL",    .offset = 0x04c, .size = 4, .access = RW, .locked = true },
	{ .name = "CQ_HEAD",    .offset = 0x050, .size = 4, .access = RW, .locked = true },
	{ .name = "CQ_TAIL",    .offset = 0x054, .size = 4, .access = RW, .locked = true },
};

static const struct reg counter_reg = { .name = "counter", .size = 8, .access = RO };

#define COUNTERS	27
#define COUNTERS_AT	0x100

static const struct reg doorbell[] = {
	{ .name = "SQ_TAIL", .offset = 0x000, .size = 4, .access = WO },
	{ .name = "CQ_HEAD", .offset = 0x004, .size = 4, .access = WO },
	{ .name = "CQ_ARM",  .offset = 0x008, .size = 4, .access = WO },
};

/* Where each table's registers are, and what it is called in the document. */
static const struct block {
	const char *section;
	const struct reg *reg;
	unsigned int regs;
	uint32_t base;
	uint32_t stride;
	unsigned int number;
} blocks[] = {
	{ "Global registers", global, G_N_ELEMENTS(global), 0, 0, 1 },
	{ "A queue's registers", produced, G_N_ELEMENTS(produced), 0x100, 0x20, 2 },
	{ "A queue's registers", consumed, G_N_ELEMENTS(consumed), 0x140, 0, 1 },
	{ "A context's registers", context, G_N_ELEMENTS(context), 0x40000, 0x1000, 64 },
	{ "A context's doorbells", doorbell, G_N_ELEMENTS(doorbell), 0x80000, 0x1000, 64 },
};

#define WORDS	(DMIRAGE_BAR_SIZE / 4)

#define E_REGISTER	0x01
#define E_CONFIG	0x02
#define E_QUEUE		0x08

/* Calls @visit for each register there is, at its offset in BAR 0. */
static void each(void (*visit)(struct device *d, const struct reg *r, uint32_t at),
		 struct device *d)
{
	for (unsigned int b = 0; b < G_N_ELEMENTS(blocks); b++)
		for (unsigned int n = 0; n < blocks[b].number; n++)
			for (unsigned int i = 0; i < blocks[b].regs; i++)
				visit(d, &blocks[b].reg[i],
				      blocks[b].base + n * blocks[b].stride +
					      blocks[b].reg[i].offset);
	for (unsigned int n = 0; n < 64; n++)
		for (unsigned int i = 0; i < COUNTERS; i++)
			visit(d, &counter_reg, 0x40000 + n * 0x1000 + COUNTERS_AT + 8 * i);
}

/* As each(), but of contexts only the first and the last: they are all alike. */
static void (*chosen_visit)(struct device *d, const struct reg *r, uint32_t at);

static void choose(struct device *d, const struct reg *r, uint32_t at)
{
	unsigned int n = at / 0x1000 % 64;

	if (at < 0x1000 || n == 0 || n == 63)
		chosen_visit(d, r, at);
}

static void each_chosen(void (*visit)(struct device *d, const struct reg *r, uint32_t at),
			struct device *d)
{
	chosen_visit = visit;
	each(choose, d);
}

static void expect_value(struct device *d, const struct reg *r, uint32_t at, uint64_t value)
{
	uint64_t is = reg_read(d, at, r->size);

	if (is != value)
		g_error("%s at 0x%05x is 0x%" PRIx64 ", not 0x%" PRIx64, r->name, at, is, value);
}

/* --- reading ------------------------------------------------------------------ */

static void reset_value(struct device *d, const struct reg *r, uint32_t at)
{
	expect_value(d, r, at, r->reset);
	if (r->size == 8 && !r->whole) {
		g_assert_cmphex(r32(d, at), ==, (uint32_t)r->reset);
		g_assert_cmphex(r32(d, at + 4), ==, r->reset >> 32);
	}
}

static void test_reset_values(void)
{
	struct device *d = device_open_bare(NULL);

	each(reset_value, d);
	expect_error(d, 0);
	device_close(d);
}

static void refused_read(struct device *d, uint32_t at, unsigned int size)
{
	uint64_t value = reg_read(d, at, size);
	uint32_t error = r32(d, 0x030);

	if (value || error != E_REGISTER)
		g_error("a read of %u bytes at 0x%05x gives 0x%" PRIx64 ", ERROR 0x%x", size, at,
			value, error);
	expect_error(d, E_REGISTER);
}

/* Reads of a wrong size, or that are not aligned. */
static void wrong_reads(struct device *d, const struct reg *r, uint32_t at)
{
	for (unsigned int i = 0; i < r->size; i++)
		refused_read(d, at + i, 1);
	for (unsigned int i = 0; i < r->size; i++)
		refused_read(d, at + i, 2);
	for (unsigned int i = 0; i < r->size; i++)
		if (i % 4 || r->whole)
			refused_read(d, at + i, 4);
	for (unsigned int i = 0; i < r->size; i++)
		if (i || r->size != 8)
			refused_read(d, at + i, 8);
}

static void test_wrong_reads(void)
{
	struct device *d = device_open_bare(NULL);

	each_chosen(wrong_reads, d);
	device_close(d);
}

static bool *known;

static void note_known(struct device *d, const struct reg *r, uint32_t at)
{
	(void)d;
	known[at / 4] = true;
	if (r->size == 8)
		known[at / 4 + 1] = true;
}

/* The words that are no register, in one array. */
static GArray *unknown_words(struct device *d)
{
	GArray *words = g_array_new(FALSE, FALSE, sizeof(uint32_t));

	known = g_new0(bool, WORDS);
	each(note_known, d);
	for (uint32_t i = 0; i < WORDS; i++) {
		uint32_t at = 4 * i;

		if (!known[i])
			g_array_append_val(words, at);
	}
	g_free(known);
	return words;
}

/*
 * All of the BAR, a word at a time; ERROR is looked at and cleared each time.
 * The commands of many words are under way at once, or it would take long.
 */
static void test_sweep_reads(void)
{
	const unsigned int batch = 128;
	struct device *d = device_open_bare(NULL);
	GArray *words = unknown_words(d);
	char *error_at = g_strdup_printf("0x%" PRIx64, d->bar0 + 0x030);

	/* It would be a line for each. */
	qtest_log_nothing(d->q);
	for (unsigned int i = 0; i < words->len; i += batch) {
		unsigned int n = MIN(batch, words->len - i);

		for (unsigned int j = 0; j < n; j++)
			qtest_send(d->q, "readl 0x%" PRIx64 "\nreadl %s\nwritel %s 1",
				   d->bar0 + g_array_index(words, uint32_t, i + j), error_at,
				   error_at);
		for (unsigned int j = 0; j < n; j++) {
			uint64_t value = qtest_answer(d->q);
			uint64_t error = qtest_answer(d->q);

			qtest_answer(d->q);
			if (value || error != E_REGISTER)
				g_error("no register at 0x%05x, but it reads 0x%" PRIx64
					", ERROR 0x%" PRIx64,
					g_array_index(words, uint32_t, i + j), value, error);
		}
	}
	g_array_free(words, TRUE);
	g_free(error_at);
	device_close(d);
}

/* --- writing ---------------------------------------------------------------- */

static void refused_write(struct device *d, const struct reg *r, uint32_t at, unsigned int size)
{
	/* All ones would also hit what is write-1-to-clear. */
	reg_write(d, at, size, 0xa5a5a5a5a5a5a5a5ull >> (64 - 8 * size));
	if (r32(d, 0x030) != E_REGISTER)
		g_error("a write of %u bytes at 0x%05x (%s) leaves ERROR 0x%x", size, at, r->name,
			r32(d, 0x030));
	expect_error(d, E_REGISTER);
}

static void wrong_writes(struct device *d, const struct reg *r, uint32_t at)
{
	for (unsigned int i = 0; i < r->size; i++)
		refused_write(d, r, at + i, 1);
	for (unsigned int i = 0; i < r->size; i++)
		refused_write(d, r, at + i, 2);
	for (unsigned int i = 0; i < r->size; i++)
		if (i % 4 || r->whole || r->access == RO)
			refused_write(d, r, at + i, 4);
	for (unsigned int i = 0; i < r->size; i++)
		if (i || r->size != 8 || r->access == RO)
			refused_write(d, r, at + i, 8);
	expect_value(d, r, at, r->reset);
}

/* Of a wrong size, not aligned, or to what is read-only. */
static void test_wrong_writes(void)
{
	struct device *d = device_open_bare(NULL);

	each_chosen(wrong_writes, d);
	each(reset_value, d);
	device_close(d);
}

/* Words that are no register, of the pages that are not like others. */
static void test_sweep_writes(void)
{
	struct device *d = device_open_bare(NULL);
	GArray *words = unknown_words(d);

	for (unsigned int i = 0; i < words->len; i++) {
		uint32_t at = g_array_index(words, uint32_t, i);
		unsigned int page = at / 0x1000 % 64, in_page = at % 0x1000;

		/* Where there are registers, nearby, and at the end. */
		if ((page == 0 || page == 63) && (in_page < 0x200 || in_page == 0xffc))
			refused_write(d, &(struct reg){ .name = "nothing" }, at, 4);
	}
	each(reset_value, d);
	g_array_free(words, TRUE);
	device_close(d);
}

static void stores(struct device *d, const struct reg *r, uint32_t at)
{
	const uint64_t ones = r->size == 8 ? ~0ull : ~0u;
	const uint64_t top = 1ull << (8 * r->size - 1);
	const uint64_t value[] = { ones, 0x5a0ff0a5c33c6996ull & ones, 1, top };

	if (r->access != RW)
		return;
	for (unsigned int i = 0; i < G_N_ELEMENTS(value); i++) {
		reg_write(d, at, r->size, value[i]);
		expect_value(d, r, at, value[i]);
	}
	if (r->size == 8) {
		w32(d, at, 0x11223344);
		expect_value(d, r, at, top | 0x11223344);
		w32(d, at + 4, 0x55667788);
		expect_value(d, r, at, 0x5566778811223344ull);
		g_assert_cmphex(r32(d, at), ==, 0x11223344);
		g_assert_cmphex(r32(d, at + 4), ==, 0x55667788);
	}
}

static void changed(struct device *d, const struct reg *r, uint32_t at)
{
	/* What cannot be 0 would not show that it is set back. */
	if (r->access == RW)
		g_assert_cmphex(reg_read(d, at, r->size), !=, r->reset);
}

static void test_storage(void)
{
	struct device *d = device_open_bare(NULL);

	each(stores, d);
	expect_error(d, 0);
	each(changed, d);
	w32(d, 0x40034, 5);
	w32(d, 0x40030, 1);
	w32(d, 0x02c, 0x52455345);
	each(reset_value, d);
	device_close(d);
}

/* --- locks -------------------------------------------------------------------- */

static void refuse_locked(struct device *d, const struct reg *r, uint32_t at, unsigned int size,
			  uint64_t value)
{
	reg_write(d, at, size, value);
	if (r32(d, 0x030) != E_CONFIG)
		g_error("%s, enabled: a write of 0x%" PRIx64 " at 0x%05x leaves ERROR 0x%x",
			r->name, value, at, r32(d, 0x030));
	expect_error(d, E_CONFIG);
}

static void locked(struct device *d, const struct reg *r, uint32_t at)
{
	uint64_t value = reg_read(d, at, r->size);

	if (!r->locked)
		return;
	/* Not even by what is there already. */
	refuse_locked(d, r, at, r->size, value ^ 0x1000);
	refuse_locked(d, r, at, r->size, value);
	if (r->size == 8) {
		refuse_locked(d, r, at, 4, 0x3000);
		refuse_locked(d, r, at + 4, 4, 7);
	}
	expect_value(d, r, at, value);
}

static void test_locked(void)
{
	struct device *d = device_open(NULL);

	for (unsigned int n = 0; n < 64; n++)
		context_open(d, n);
	expect_error(d, 0);
	each(locked, d);
	device_close(d);
}

/* --- what is refused ------------------------------------------------------------ */

/* A value that is refused: nothing changes. */
static void refused(struct device *d, uint32_t at, uint32_t value, uint32_t bits)
{
	uint32_t before = r32(d, at);

	w32(d, at, value);
	if (r32(d, 0x030) != bits || r32(d, at) != before)
		g_error("0x%x at 0x%05x: ERROR 0x%x and not 0x%x; it was 0x%x and is 0x%x", value,
			at, r32(d, 0x030), bits, before, r32(d, at));
	expect_error(d, bits);
}

static void taken(struct device *d, uint32_t at, uint32_t value)
{
	w32(d, at, value);
	expect_error(d, 0);
	if (r32(d, at) != value)
		g_error("0x%x at 0x%05x: it is 0x%x", value, at, r32(d, at));
}

static void test_queue_config(void)
{
	struct device *d = device_open_bare(NULL);

	for (uint32_t q = 0x100; q <= 0x140; q += 0x20) {
		refused(d, q + 0x08, 13, E_CONFIG);
		refused(d, q + 0x08, 0x8000000d, E_CONFIG);
		refused(d, q + 0x08, 0x80000020, E_CONFIG);
		refused(d, q + 0x08, 0xffffffff, E_CONFIG);
		taken(d, q + 0x08, 12);
		w64(d, q, 0x12345008);
		refused(d, q + 0x08, 0x80000002, E_CONFIG);
		w64(d, q, 0x12345000);
		taken(d, q + 0x08, 0x8000000c);
		taken(d, q + 0x08, 0x80000000);
		/* Indices that cannot be. */
		refused(d, q + (q == 0x140 ? 0x10 : 0x0c), q == 0x140 ? 2 : 1, E_QUEUE);
		refused(d, q + (q == 0x140 ? 0x10 : 0x0c), 0xffffffff, E_QUEUE);
		taken(d, q + 0x08, 0);
		/* Nothing is produced for a queue that is off. */
		if (q == 0x140)
			refused(d, q + 0x10, 1, E_QUEUE);
	}
	device_close(d);
}

static void test_reset_key(void)
{
	struct device *d = device_open(NULL);

	refused(d, 0x02c, 0, E_CONFIG);
	refused(d, 0x02c, 1, E_CONFIG);
	refused(d, 0x02c, 0xffffffff, E_CONFIG);
	refused(d, 0x02c, DMIRAGE_RESET_KEY ^ 1, E_CONFIG);
	g_assert_cmphex(r32(d, 0x108), ==, 0x80000006);
	w32(d, 0x02c, DMIRAGE_RESET_KEY);
	g_assert_cmphex(r32(d, 0x108), ==, 0);
	device_close(d);
}

/* Bits are cleared by writing 1, one by one. */
static void test_error_bits(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 5);

	w32(d, 0x000, 0);
	w32(d, 0x02c, 0);
	w64(d, 0x160, 0xffff);
	w32(d, 0x10c, 7);
	w32(d, 0x85000, 1000);
	g_assert_cmphex(r32(d, 0x030), ==, 0x1f);
	w32(d, 0x030, 0);
	g_assert_cmphex(r32(d, 0x030), ==, 0x1f);
	for (unsigned int bit = 0; bit < 5; bit++) {
		w32(d, 0x030, 1u << bit);
		g_assert_cmphex(r32(d, 0x030), ==, 0x1f & (0xfffffffe << bit));
	}
	/* The context's own bit stays, and does not come back. */
	g_assert_cmphex(r32(d, 0x4502c), ==, 1);
	w32(d, 0x4502c, 0xfffffffe);
	g_assert_cmphex(r32(d, 0x4502c), ==, 1);
	w32(d, 0x4502c, 1);
	g_assert_cmphex(r32(d, 0x4502c), ==, 0);
	expect_error(d, 0);
	g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_DOORBELL);
	device_close(d);
}

static void test_hold(void)
{
	struct device *d = device_open_bare(NULL);

	for (unsigned int n = 0; n < 64; n += 63) {
		uint32_t hold = 0x40030 + n * 0x1000, limit = hold + 4;

		for (unsigned int bit = 0; bit < 30; bit++)
			if (!(DMIRAGE_HOLD_POINTS & 1u << bit))
				refused(d, hold, 1u << bit, E_CONFIG);
		taken(d, hold, 1);
		taken(d, hold, 0x40000001);
		taken(d, hold, 0);
		w32(d, hold, 0x80000001);
		g_assert_cmphex(r32(d, hold), ==, 1);
		refused(d, limit, 0, E_CONFIG);
		refused(d, limit, 60001, E_CONFIG);
		refused(d, limit, 0xffffffff, E_CONFIG);
		taken(d, limit, 1);
		taken(d, limit, 60000);
	}
	device_close(d);
}

/* --- CTL -------------------------------------------------------------------------- */

static void refuse_ctl(struct context *c, uint32_t ctl)
{
	refused(c->d, CTX(c->asid, 0), ctl, E_CONFIG);
}

static void test_ctl(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 9);
	const uint32_t at = CTX(9, 0);

	/* On: nothing changes but by turning it off; the same again is no error. */
	taken(d, at, 0x501);
	refuse_ctl(&c, 0x401);
	refuse_ctl(&c, 0x5503);
	w32(d, at, 0x500);
	g_assert_cmphex(r32(d, at), ==, 0x500);
	/* Off: bits that there are may be stored, others not. */
	for (unsigned int bit = 1; bit < 32; bit++) {
		if (DMIRAGE_CTL_VALID & 1u << bit)
			taken(d, at, 1u << bit);
		else
			refuse_ctl(&c, 1u << bit);
	}
	taken(d, at, 0);
	for (unsigned int levels = 0; levels < 16; levels++) {
		if (levels != 4 && levels != 5) {
			refuse_ctl(&c, 1 | levels << 8);
			refuse_ctl(&c, 3 | 5 << 8 | levels << 12);
			continue;
		}
		taken(d, at, 1 | levels << 8);
		taken(d, at, 0);
		taken(d, at, 3 | 5 << 8 | levels << 12);
		taken(d, at, 0);
	}
	/* WATCH needs what there is none of here: vCPUs under TCG. */
	refuse_ctl(&c, 0x5505);
	refuse_ctl(&c, 0x5507);
	/* Pinned; shared has no use for the mirror table's levels; no mode 3. */
	taken(d, at, 0x511);
	taken(d, at, 0);
	refuse_ctl(&c, 0x521);
	taken(d, at, 0x5021);
	taken(d, at, 0);
	taken(d, at, 0x4f23);
	taken(d, at, 0);
	refuse_ctl(&c, 0x5531);
	/* The CPU's levels count only in shared mode or with ORACLE. */
	taken(d, at, 0xf501);
	device_close(d);
}

/* What ENABLE asks of the other registers. */
static void test_enable(void)
{
	static const struct {
		uint32_t offset;
		uint64_t value;
		enum { ALL, MIRROR, CPU } table;	/* that it is about */
	} bad[] = {
		{ 0x008, 0x1008, MIRROR },
		{ 0x008, 1ull << 52, MIRROR },
		{ 0x010, 0x1001, CPU },
		{ 0x010, 1ull << 63, CPU },
		{ 0x018, 0x1800 },
		{ 0x018, 1ull << 60 },
		{ 0x020, 0x1004 },
		{ 0x020, 1ull << 55 },
		{ 0x028, 0x0000 },
		{ 0x028, 0x0100 },
		{ 0x028, 0x0001 },
		{ 0x028, 0x0b01 },
		{ 0x028, 0x010b },
		{ 0x028, 0x01ff },
		{ 0x028, 0xff01 },
		{ 0x048, 1 },
		{ 0x04c, 65 },
		{ 0x050, 1 },
		{ 0x054, 65 },
		{ 0x054, 0xffffffff },
	};
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 0);
	const uint32_t at = CTX(0, 0), mirror = 0x501, checked = 0x5503, shared = 0x5021;

	for (unsigned int i = 0; i < G_N_ELEMENTS(bad); i++) {
		unsigned int size = bad[i].offset >= 0x028 ? 4 : 8;
		uint64_t good;

		w32(d, at, 0);
		good = reg_read(d, at + bad[i].offset, size);
		reg_write(d, at + bad[i].offset, size, bad[i].value);
		refuse_ctl(&c, checked);
		if (bad[i].table == CPU)
			taken(d, at, mirror);
		else
			refuse_ctl(&c, mirror);
		w32(d, at, 0);
		if (bad[i].table == MIRROR)
			taken(d, at, shared);
		else
			refuse_ctl(&c, shared);
		w32(d, at, 0);
		reg_write(d, at + bad[i].offset, size, good);
		taken(d, at, checked);
	}
	/* The rings' bounds are good. */
	w32(d, at, 0);
	w32(d, at + 0x028, 0x0101);
	taken(d, at, 0x501);
	w32(d, at, 0);
	w32(d, at + 0x028, 0x0a0a);
	taken(d, at, 0x501);
	device_close(d);
}

/* --- the document -------------------------------------------------------------------- */

static const char *access_name(const struct reg *r)
{
	static const char *const names[] = {
		[RO] = "RO", [WO] = "WO", [RW] = "RW", [W1C] = "RW1C", [DO] = "RW"
	};

	return names[r->access];
}

static const struct reg *find(const char *section, unsigned int offset)
{
	for (unsigned int b = 0; b < G_N_ELEMENTS(blocks); b++)
		for (unsigned int i = 0; i < blocks[b].regs; i++)
			if (!strcmp(blocks[b].section, section) &&
			    blocks[b].reg[i].offset == offset)
				return &blocks[b].reg[i];
	return NULL;
}

/* Every register in docs/hardware.md has a line here, and says the same. */
static void test_documented(void)
{
	/* A heading, or **0x008 (RO, 64): CAPS**, or **+0x0c: HEAD**. */
	GRegex *entry = g_regex_new("^### (.*)$|"
				    "\\*\\*\\+?0x([0-9a-f]+)(?: \\((\\w+), (\\d+)\\))?:\\s+"
				    "(\\w+)\\*\\*",
				    G_REGEX_MULTILINE, 0, NULL);
	unsigned int found = 0, expected = 0;
	char *text, *section = g_strdup("");
	GMatchInfo *m;

	g_assert_true(g_file_get_contents(getenv("HARDWARE_MD"), &text, NULL, NULL));
	for (g_regex_match(entry, text, 0, &m); g_match_info_matches(m);
	     g_match_info_next(m, NULL)) {
		char *heading = g_match_info_fetch(m, 1), *offset = g_match_info_fetch(m, 2);
		char *access = g_match_info_fetch(m, 3), *bits = g_match_info_fetch(m, 4);
		char *name = g_match_info_fetch(m, 5);
		const struct reg *r;

		if (*heading) {
			g_free(section);
			section = g_strdup(heading);
		} else {
			found++;
			r = find(section, strtoul(offset, NULL, 16));
			if (!r || strcmp(name, r->name))
				g_error("%s: 0x%s: %s has no line here", section, offset, name);
			if (*access) {
				g_assert_cmpstr(access, ==, access_name(r));
				g_assert_cmpint(atoi(bits), ==, 8 * r->size);
			}
		}
		g_free(heading);
		g_free(offset);
		g_free(access);
		g_free(bits);
		g_free(name);
	}
	g_match_info_free(m);
	for (unsigned int b = 0; b < G_N_ELEMENTS(blocks); b++)
		if (blocks[b].reg != consumed)
			expected += blocks[b].regs;
	g_assert_cmpuint(found, ==, expected);
	g_free(section);
	g_free(text);
	g_regex_unref(entry);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/regs/reset-values", test_reset_values);
	g_test_add_func("/regs/wrong-reads", test_wrong_reads);
	g_test_add_func("/regs/sweep-reads", test_sweep_reads);
	g_test_add_func("/regs/wrong-writes", test_wrong_writes);
	g_test_add_func("/regs/sweep-writes", test_sweep_writes);
	g_test_add_func("/regs/storage", test_storage);
	g_test_add_func("/regs/locked", test_locked);
	g_test_add_func("/regs/queue-config", test_queue_config);
	g_test_add_func("/regs/reset-key", test_reset_key);
	g_test_add_func("/regs/error-bits", test_error_bits);
	g_test_add_func("/regs/hold", test_hold);
	g_test_add_func("/regs/ctl", test_ctl);
	g_test_add_func("/regs/enable", test_enable);
	g_test_add_func("/regs/documented", test_documented);
	return g_test_run();
}
