/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tests of qemu-device/op.c: descriptors that a process may have forged. The
 * last ones are against reference models.
 */
#include <glib.h>
#include <string.h>

#include "op.h"
#include "random.h"

#define TOP	(1ull << DMIRAGE_VA_BITS)
#define CHAIN	DMIRAGE_SQE_CHAIN
#define GIB	(1ull << 30)

static enum dmirage_status decode(struct dmirage_sqe sqe, DmirageOp *op,
				  uint64_t *bad)
{
	return dmirage_op_decode(op, &sqe, true, bad);
}

static void test_status(void)
{
	static const struct {
		struct dmirage_sqe sqe;
		enum dmirage_status status;
		uint64_t bad;
	} cases[] = {
		{ { .opcode = DMIRAGE_OP_NOP }, DMIRAGE_ST_OK, 0 },
		{ { .opcode = DMIRAGE_OP_NOP, .len = ~0ull }, DMIRAGE_ST_OK, 0 },
		{ { .opcode = DMIRAGE_OP_MAX }, DMIRAGE_ST_BAD_OPCODE, 0 },
		{ { .opcode = 255 }, DMIRAGE_ST_BAD_OPCODE, 0 },
		{ { .opcode = 0, .flags = 2 }, DMIRAGE_ST_BAD_FIELD, 0 },
		{ { .opcode = 1, .len = 1, .flags = 0x80 | CHAIN }, DMIRAGE_ST_BAD_FIELD, 0 },
		{ { .opcode = 1, .len = 1, .reserved0 = 1 }, DMIRAGE_ST_BAD_FIELD, 0 },
		{ { .opcode = 1, .len = 1, .reserved1 = 1 }, DMIRAGE_ST_BAD_FIELD, 0 },
		{ { .opcode = 1, .len = 1, .reserved2 = 1ull << 63 }, DMIRAGE_ST_BAD_FIELD, 0 },
		{ { .opcode = 1, .len = 1, .compare = 1 }, DMIRAGE_ST_BAD_FIELD, 0 },
		{ { .opcode = 6, .len = 8, .compare = 1 }, DMIRAGE_ST_BAD_FIELD, 0 },
		{ { .opcode = 5, .len = 8, .compare = 1 }, DMIRAGE_ST_OK, 0 },
		{ { .opcode = 1 }, DMIRAGE_ST_BAD_LENGTH, 0 },
		{ { .opcode = 1, .len = DMIRAGE_LEN_MAX }, DMIRAGE_ST_OK, 0 },
		{ { .opcode = 1, .len = DMIRAGE_LEN_MAX + 1 },
		  DMIRAGE_ST_BAD_LENGTH,
		  0 },
		{ { .opcode = 2, .len = ~0ull }, DMIRAGE_ST_BAD_LENGTH, 0 },
		{ { .opcode = 3, .len = 3 }, DMIRAGE_ST_BAD_LENGTH, 0 },
		{ { .opcode = 3, .len = 16 }, DMIRAGE_ST_BAD_LENGTH, 0 },
		{ { .opcode = 4, .len = 8, .dst = 1 }, DMIRAGE_ST_OK, 0 },
		{ { .opcode = 1, .len = 8, .src = TOP }, DMIRAGE_ST_BAD_ADDRESS, TOP },
		{ { .opcode = 1, .len = 8, .dst = TOP - 7 },
		  DMIRAGE_ST_BAD_ADDRESS,
		  TOP - 7 },
		{ { .opcode = 1, .len = 8, .src = TOP - 8, .dst = TOP - 8 },
		  DMIRAGE_ST_OK,
		  0 },
		{ { .opcode = 3, .len = 8, .src = ~0ull - 3 },
		  DMIRAGE_ST_BAD_ADDRESS,
		  ~0ull - 3 },
		/* What an operation does not use, it does not check. */
		{ { .opcode = 3, .len = 8, .src = 0, .dst = ~0ull },
		  DMIRAGE_ST_OK,
		  0 },
		{ { .opcode = 2, .len = 8, .src = ~0ull }, DMIRAGE_ST_OK, 0 },
		{ { .opcode = 5, .len = 8, .src = ~0ull, .imm = ~0ull }, DMIRAGE_ST_OK, 0 },
		{ { .opcode = 7, .len = 8, .dst = ~0ull, .imm = ~0ull }, DMIRAGE_ST_OK, 0 },
		{ { .opcode = 8, .len = 8, .dst = ~0ull }, DMIRAGE_ST_OK, 0 },
		{ { .opcode = 9, .len = 8, .src = ~0ull }, DMIRAGE_ST_OK, 0 },
		/* Atomics: of 4 or 8 bytes, aligned to that. */
		{ { .opcode = 5, .len = 2 }, DMIRAGE_ST_BAD_LENGTH, 0 },
		{ { .opcode = 6, .len = 1 }, DMIRAGE_ST_BAD_LENGTH, 0 },
		{ { .opcode = 6, .len = 16 }, DMIRAGE_ST_BAD_LENGTH, 0 },
		{ { .opcode = 6, .len = 0 }, DMIRAGE_ST_BAD_LENGTH, 0 },
		{ { .opcode = 5, .len = 8, .dst = 0x1004 }, DMIRAGE_ST_BAD_ALIGN, 0x1004 },
		{ { .opcode = 5, .len = 4, .dst = 0x1004 }, DMIRAGE_ST_OK, 0 },
		{ { .opcode = 6, .len = 4, .dst = 0x1002 }, DMIRAGE_ST_BAD_ALIGN, 0x1002 },
		{ { .opcode = 6, .len = 8, .dst = TOP - 8 }, DMIRAGE_ST_OK, 0 },
		{ { .opcode = 6, .len = 8, .dst = TOP }, DMIRAGE_ST_BAD_ADDRESS, TOP },
		{ { .opcode = 7, .len = 2, .src = TOP - 1 }, DMIRAGE_ST_BAD_ADDRESS, TOP - 1 },
		{ { .opcode = 8, .len = 2, .src = TOP - 1 }, DMIRAGE_ST_BAD_ADDRESS, TOP - 1 },
		{ { .opcode = 9, .len = 2, .dst = TOP - 1 }, DMIRAGE_ST_BAD_ADDRESS, TOP - 1 },
		/* What cannot be chained. */
		{ { .opcode = 0, .flags = CHAIN }, DMIRAGE_ST_BAD_CHAIN, 0 },
		{ { .opcode = 3, .len = 8, .flags = CHAIN }, DMIRAGE_ST_BAD_CHAIN, 0 },
		{ { .opcode = 4, .len = 8, .flags = CHAIN }, DMIRAGE_ST_BAD_CHAIN, 0 },
		{ { .opcode = 5, .len = 8, .flags = CHAIN }, DMIRAGE_ST_BAD_CHAIN, 0 },
		{ { .opcode = 6, .len = 8, .flags = CHAIN }, DMIRAGE_ST_BAD_CHAIN, 0 },
		{ { .opcode = 10, .len = 8, .imm = 64, .flags = CHAIN },
		  DMIRAGE_ST_BAD_CHAIN,
		  0 },
		{ { .opcode = 1, .len = 8, .flags = CHAIN }, DMIRAGE_ST_OK, 0 },
		{ { .opcode = 2, .len = 8, .flags = CHAIN }, DMIRAGE_ST_OK, 0 },
		{ { .opcode = 7, .len = 8, .flags = CHAIN }, DMIRAGE_ST_OK, 0 },
		{ { .opcode = 8, .len = 8, .flags = CHAIN }, DMIRAGE_ST_OK, 0 },
		{ { .opcode = 9, .len = 8, .flags = CHAIN }, DMIRAGE_ST_OK, 0 },
		/* Addresses of the bus may be anything but wrap around. */
		{ { .opcode = 10, .len = 8, .imm = 0 }, DMIRAGE_ST_BAD_FIELD, 0 },
		{ { .opcode = 10, .len = 8, .imm = 32 }, DMIRAGE_ST_BAD_FIELD, 0 },
		{ { .opcode = 10, .len = 8, .imm = 65 }, DMIRAGE_ST_BAD_FIELD, 0 },
		{ { .opcode = 10, .len = 8, .imm = 96 }, DMIRAGE_ST_BAD_FIELD, 0 },
		{ { .opcode = 10, .len = 8, .imm = 2 * GIB }, DMIRAGE_ST_BAD_FIELD, 0 },
		{ { .opcode = 10, .len = 8, .imm = GIB }, DMIRAGE_ST_OK, 0 },
		{ { .opcode = 10, .len = 0, .imm = 64 }, DMIRAGE_ST_BAD_LENGTH, 0 },
		{ { .opcode = 10, .len = GIB + 1, .imm = 64 }, DMIRAGE_ST_BAD_LENGTH, 0 },
		{ { .opcode = 10, .len = 8, .imm = 64, .src = -8ull, .dst = TOP },
		  DMIRAGE_ST_OK,
		  0 },
		{ { .opcode = 10, .len = 9, .imm = 64, .src = -8ull, .dst = TOP },
		  DMIRAGE_ST_BAD_ADDRESS,
		  -8ull },
		{ { .opcode = 10, .len = 9, .imm = 64, .src = -9ull, .dst = -7ull },
		  DMIRAGE_ST_BAD_ADDRESS,
		  -7ull },
	};
	const struct dmirage_sqe calibrate = { .opcode = 10, .len = 8, .imm = 64 };
	DmirageOp op;
	uint64_t bad;

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_assert_cmpint(decode(cases[i].sqe, &op, &bad), ==,
				cases[i].status);
		g_assert_cmphex(bad, ==, cases[i].bad);
		g_assert_cmpint(op.chained, ==, cases[i].sqe.flags & CHAIN);
		g_assert_false(op.skipping);
	}
	g_assert_cmpint(dmirage_op_decode(&op, &calibrate, true, &bad), ==,
			DMIRAGE_ST_OK);
	g_assert_false(dmirage_op_reads(&op) || dmirage_op_writes(&op));
	g_assert_cmpint(dmirage_op_decode(&op, &calibrate, false, &bad), ==,
			DMIRAGE_ST_BAD_OPCODE);
}

static void test_cookie_survives(void)
{
	struct dmirage_sqe sqe = { .opcode = 77, .cookie = 0x1234, .flags = CHAIN };
	DmirageOp op;
	uint64_t bad;

	g_assert_cmpint(decode(sqe, &op, &bad), ==, DMIRAGE_ST_BAD_OPCODE);
	g_assert_cmphex(op.cookie, ==, 0x1234);
	g_assert_cmpuint(op.opcode, ==, 77);
	g_assert_true(op.chained);
	g_assert_false(dmirage_op_reads(&op) || dmirage_op_writes(&op) ||
		       dmirage_op_is_atomic(&op) || dmirage_op_is_touch(&op) ||
		       dmirage_op_has_value(&op));
}

static void test_kinds(void)
{
	static const struct {
		bool reads, writes, atomic, touch, value;
	} kinds[DMIRAGE_OP_MAX] = {
		[DMIRAGE_OP_COPY] = { .reads = true, .writes = true },
		[DMIRAGE_OP_FILL] = { .writes = true },
		[DMIRAGE_OP_READ_IMM] = { .reads = true, .value = true },
		[DMIRAGE_OP_WRITE_IMM] = { .writes = true },
		[DMIRAGE_OP_CAS] = { .writes = true, .atomic = true, .value = true },
		[DMIRAGE_OP_FETCH_ADD] = { .writes = true, .atomic = true, .value = true },
		[DMIRAGE_OP_CRC32C] = { .reads = true, .value = true },
		[DMIRAGE_OP_TOUCH_READ] = { .reads = true, .touch = true },
		[DMIRAGE_OP_TOUCH_WRITE] = { .writes = true, .touch = true },
	};

	for (unsigned int i = 0; i < DMIRAGE_OP_MAX; i++) {
		DmirageOp op = { .opcode = i };

		g_assert_cmpint(dmirage_op_reads(&op), ==, kinds[i].reads);
		g_assert_cmpint(dmirage_op_writes(&op), ==, kinds[i].writes);
		g_assert_cmpint(dmirage_op_is_atomic(&op), ==, kinds[i].atomic);
		g_assert_cmpint(dmirage_op_is_touch(&op), ==, kinds[i].touch);
		g_assert_cmpint(dmirage_op_has_value(&op), ==, kinds[i].value);
	}
}

/* One operation of several descriptors: its cookie and its value go on. */
static void test_chain(void)
{
	struct dmirage_sqe sqe = {
		.opcode = DMIRAGE_OP_CRC32C, .cookie = 77, .src = 0x1000,
		.len = 100, .flags = CHAIN,
	};
	DmirageOp op, before;
	uint64_t bad;

	g_assert_cmpint(decode(sqe, &op, &bad), ==, DMIRAGE_ST_OK);
	g_assert_true(op.chained);
	op.done = 100;
	op.value = 0xabcd;
	g_assert_cmpuint(dmirage_op_piece(&op), ==, 0);

	sqe.cookie = 78;
	sqe.src = 0x9000;
	sqe.len = 7;
	sqe.imm = 5;
	g_assert_cmpint(dmirage_op_next(&op, &sqe, &bad), ==, DMIRAGE_ST_OK);
	g_assert_true(op.chained);
	g_assert_cmphex(op.cookie, ==, 77);
	g_assert_cmphex(op.value, ==, 0xabcd);
	g_assert_cmpuint(op.total, ==, 100);
	g_assert_cmpuint(op.done, ==, 0);
	g_assert_cmphex(op.src, ==, 0x9000);
	g_assert_cmpuint(op.imm, ==, 5);
	g_assert_cmpuint(dmirage_op_piece(&op), ==, 7);

	/* An error leaves it as it is, but for whether more is to come. */
	op.done = 7;
	before = op;
	sqe.opcode = DMIRAGE_OP_TOUCH_READ;
	g_assert_cmpint(dmirage_op_next(&op, &sqe, &bad), ==, DMIRAGE_ST_BAD_CHAIN);
	g_assert_cmpmem(&op, sizeof(op), &before, sizeof(op));
	sqe.opcode = 99;
	g_assert_cmpint(dmirage_op_next(&op, &sqe, &bad), ==, DMIRAGE_ST_BAD_CHAIN);
	sqe.opcode = DMIRAGE_OP_CRC32C;
	sqe.src = TOP - 6;
	sqe.flags = 0;
	g_assert_cmpint(dmirage_op_next(&op, &sqe, &bad), ==, DMIRAGE_ST_BAD_ADDRESS);
	g_assert_cmphex(bad, ==, TOP - 6);
	before.chained = false;
	g_assert_cmpmem(&op, sizeof(op), &before, sizeof(op));

	sqe.src = 0;
	g_assert_cmpint(dmirage_op_next(&op, &sqe, &bad), ==, DMIRAGE_ST_OK);
	g_assert_cmphex(bad, ==, 0);
	g_assert_false(op.chained);
	g_assert_cmpuint(op.total, ==, 107);
}

static void test_pieces(void)
{
	DmirageOp op = { .opcode = DMIRAGE_OP_COPY, .len = 3 * DMIRAGE_CHUNK / 2 };

	g_assert_cmpuint(dmirage_op_piece(&op), ==, DMIRAGE_CHUNK);
	op.done = DMIRAGE_CHUNK;
	g_assert_cmpuint(dmirage_op_piece(&op), ==, DMIRAGE_CHUNK / 2);

	/* An aligned value in one piece, another byte by byte. */
	op = (DmirageOp){ .opcode = DMIRAGE_OP_WRITE_IMM, .len = 8, .dst = 0x1008 };
	g_assert_cmpuint(dmirage_op_piece(&op), ==, 8);
	op.dst = 0x1004;
	op.src = 0x1000;
	g_assert_cmpuint(dmirage_op_piece(&op), ==, 1);
	op = (DmirageOp){ .opcode = DMIRAGE_OP_READ_IMM, .len = 4, .src = 0x1004 };
	g_assert_cmpuint(dmirage_op_piece(&op), ==, 4);
	op.src = 0x1002;
	op.done = 4;
	g_assert_cmpuint(dmirage_op_piece(&op), ==, 0);
	op = (DmirageOp){ .opcode = DMIRAGE_OP_CAS, .len = 8, .dst = 0x1008 };
	g_assert_cmpuint(dmirage_op_piece(&op), ==, 8);
	op = (DmirageOp){ .opcode = DMIRAGE_OP_NOP };
	g_assert_cmpuint(dmirage_op_piece(&op), ==, 0);
}

static void test_pattern(void)
{
	DmirageOp op = { .opcode = DMIRAGE_OP_FILL, .imm = 0x8877665544332211ull };
	uint8_t *buf = g_malloc(DMIRAGE_CHUNK);

	for (unsigned int n = 1; n < 40; n++) {
		for (unsigned int at = 0; at < 32; at++) {
			op.done = at / 2;
			dmirage_op_pattern(&op, at - at / 2, buf, n);
			for (unsigned int i = 0; i < n; i++)
				g_assert_cmphex(buf[i], ==, 0x11 * ((at + i) % 8 + 1));
		}
	}
	op.done = 3;
	dmirage_op_pattern(&op, 0, buf, DMIRAGE_CHUNK);
	g_assert_cmphex(buf[DMIRAGE_CHUNK - 1], ==, 0x33);
	g_free(buf);
}

static void test_take(void)
{
	const uint8_t bytes[] = { 0x11, 0x22, 0x33, 0x44, 0xff, 0, 0x77, 0x88 };
	DmirageOp op = { .opcode = DMIRAGE_OP_READ_IMM, .len = 8 };

	dmirage_op_take(&op, 0, bytes, 8);
	g_assert_cmphex(op.value, ==, 0x887700ff44332211ull);
	op.value = 0;
	for (op.done = 0; op.done < 8; op.done++)
		dmirage_op_take(&op, 0, &bytes[op.done], 1);
	g_assert_cmphex(op.value, ==, 0x887700ff44332211ull);
	/* In two parts, and the first of them twice: memory had changed. */
	op.value = 0;
	op.done = 0;
	dmirage_op_take(&op, 0, bytes + 4, 4);
	dmirage_op_take(&op, 0, bytes, 4);
	dmirage_op_take(&op, 4, bytes + 4, 4);
	g_assert_cmphex(op.value, ==, 0x887700ff44332211ull);
}

/* All that is wrong with @sqe, a bit per status; as the header says it. */
static unsigned int faults_of(const struct dmirage_sqe *s, bool calibrate,
			      int chain_of)
{
	unsigned int opcode = s->opcode, faults = 0;
	bool chainable = opcode == 1 || opcode == 2 || opcode == 7 ||
			 opcode == 8 || opcode == 9;
	bool src = opcode == 1 || opcode == 3 || opcode == 7 || opcode == 8;
	bool dst = opcode == 1 || opcode == 2 || opcode == 4 || opcode == 5 ||
		   opcode == 6 || opcode == 9;
	bool imm_ok = false, len_ok = false, size_ok = true;

	if (chain_of >= 0 && opcode != (unsigned int)chain_of)
		return 1 << DMIRAGE_ST_BAD_CHAIN;
	if (opcode > 10 || (opcode == 10 && !calibrate))
		return 1 << DMIRAGE_ST_BAD_OPCODE;
	if (s->flags & CHAIN && !chainable)
		faults |= 1 << DMIRAGE_ST_BAD_CHAIN;
	if (s->flags > 1 || s->reserved0 || s->reserved1 || s->reserved2)
		faults |= 1 << DMIRAGE_ST_BAD_FIELD;
	for (uint64_t n = 64; n <= GIB; n *= 2) {
		imm_ok |= s->imm == n;
		len_ok |= s->len == n && s->len >= s->imm;
	}
	/* More than 1 GiB is the length's fault. */
	for (uint64_t n = 2 * GIB; n; n *= 2)
		len_ok |= s->len == n;
	if (s->compare && opcode != 5 &&
	    !(opcode == 10 && s->compare % 2 && len_ok))
		faults |= 1 << DMIRAGE_ST_BAD_FIELD;
	if (opcode == 10 && !imm_ok)
		faults |= 1 << DMIRAGE_ST_BAD_FIELD;
	if (opcode == 0)
		return faults;
	if (opcode == 3 || opcode == 4)
		size_ok = s->len == 1 || s->len == 2 || s->len == 4 || s->len == 8;
	if (opcode == 5 || opcode == 6)
		size_ok = s->len == 4 || s->len == 8;
	if (s->len < 1 || s->len > GIB || !size_ok)
		faults |= 1 << DMIRAGE_ST_BAD_LENGTH;
	else if ((opcode == 5 || opcode == 6) && s->dst % s->len)
		faults |= 1 << DMIRAGE_ST_BAD_ALIGN;
	if (src && (s->src >= TOP || s->src + s->len > TOP))
		faults |= 1 << DMIRAGE_ST_BAD_ADDRESS;
	if (dst && (s->dst >= TOP || s->dst + s->len > TOP))
		faults |= 1 << DMIRAGE_ST_BAD_ADDRESS;
	/* -src is how many bytes there are from src on; 0 is all of them. */
	if (opcode == 10 && ((s->src && -s->src < s->len) || (s->dst && -s->dst < s->len)))
		faults |= 1 << DMIRAGE_ST_BAD_ADDRESS;
	return faults;
}

static uint64_t random_address(void)
{
	switch (random_below(6)) {
	case 0:
		return TOP - random_below(16);
	case 1:
		return -random_below(16);
	case 2:
		return random_any();
	default:
		return random_below(1ull << 47) & ~random_below(16);
	}
}

/* Wrong in few ways at a time, so that each of them is seen alone. */
static struct dmirage_sqe random_sqe(void)
{
	struct dmirage_sqe s = {
		.opcode = random_below(DMIRAGE_OP_MAX), .cookie = random_next(),
		.flags = random_once_in(4), .src = random_below(1ull << 47) & ~7ull,
		.dst = random_below(1ull << 47) & ~7ull,
		.len = 1ull << random_below(4), .imm = 64ull << random_below(25),
	};

	for (unsigned int i = random_below(3); i; i--) {
		switch (random_below(11)) {
		case 0:
			s.opcode = random_next();
			break;
		case 1:
			s.flags = random_next();
			break;
		case 2:
			s.reserved0 = random_any();
			break;
		case 3:
			s.reserved1 = random_any();
			break;
		case 4:
			s.reserved2 = random_any();
			break;
		case 5:
			s.compare = random_any();
			break;
		case 6:
			s.imm = random_any();
			break;
		case 7:
			s.src = random_address();
			break;
		case 8:
			s.dst = random_address();
			break;
		case 9:
			s.len = random_any();
			break;
		case 10:
			s.opcode = DMIRAGE_OP_CALIBRATE;
			s.len = 1ull << random_below(32);
			s.compare = random_any();
			break;
		}
	}
	return s;
}

/* OK if nothing is wrong, else one of the things that are. */
static void test_decode_model(void)
{
	unsigned int seen[DMIRAGE_ST_MAX] = { 0 };

	random_begin();
	for (unsigned int i = 0; i < 2000000; i++) {
		struct dmirage_sqe s = random_sqe();
		DmirageOp op = { .opcode = random_once_in(4) ? random_below(256) : s.opcode };
		bool calibrate = random_once_in(2), next = random_once_in(2);
		enum dmirage_status status;
		unsigned int faults;
		uint64_t bad = 1;

		/* What follows in a chain is of a kind that can be chained. */
		if (next && !(op.opcode == 1 || op.opcode == 2 ||
			      (op.opcode >= 7 && op.opcode <= 9)))
			op.opcode = 1;
		if (next) {
			op.cookie = ~s.cookie;
			op.chained = true;
			faults = faults_of(&s, calibrate, op.opcode);
			status = dmirage_op_next(&op, &s, &bad);
			g_assert_cmphex(op.cookie, ==, ~s.cookie);
		} else {
			faults = faults_of(&s, calibrate, -1);
			status = dmirage_op_decode(&op, &s, calibrate, &bad);
			g_assert_cmphex(op.cookie, ==, s.cookie);
			g_assert_cmpuint(op.opcode, ==, s.opcode);
		}
		g_assert_cmpint(op.chained, ==, s.flags & CHAIN);
		seen[status]++;
		if (status == DMIRAGE_ST_OK)
			g_assert_cmpuint(faults, ==, 0);
		else
			g_assert_cmpuint(faults & 1 << status, !=, 0);
		if (status == DMIRAGE_ST_BAD_ADDRESS || status == DMIRAGE_ST_BAD_ALIGN)
			g_assert_true(bad == s.src || bad == s.dst);
		else
			g_assert_cmphex(bad, ==, 0);
	}
	g_assert_cmpuint(seen[DMIRAGE_ST_OK], >, 1000);
	g_assert_cmpuint(seen[DMIRAGE_ST_BAD_OPCODE], >, 1000);
	g_assert_cmpuint(seen[DMIRAGE_ST_BAD_FIELD], >, 1000);
	g_assert_cmpuint(seen[DMIRAGE_ST_BAD_LENGTH], >, 1000);
	g_assert_cmpuint(seen[DMIRAGE_ST_BAD_ADDRESS], >, 1000);
	g_assert_cmpuint(seen[DMIRAGE_ST_BAD_ALIGN], >, 1000);
	g_assert_cmpuint(seen[DMIRAGE_ST_BAD_CHAIN], >, 1000);
}

/*
 * The model of what operations do: to a flat memory, a byte at a time, with no
 * chunks. Beside it the same operations are run in chunks, cut at random as
 * translations would cut them, over a copy of that memory.
 */
#define MEMORY	(3 * DMIRAGE_CHUNK)
#define ORIGIN	0x7f0000000000ull

typedef struct Machine {
	uint8_t model[MEMORY], real[MEMORY];
} Machine;

static uint32_t crc_byte(uint32_t crc, uint8_t byte)
{
	crc ^= byte;
	for (unsigned int i = 0; i < 8; i++)
		crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
	return crc;
}

static uint64_t load(const uint8_t *p, unsigned int n)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static void store(uint8_t *p, uint64_t v, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		p[i] = v >> (8 * i);
}

/* One descriptor on the model's memory; returns the value so far. */
static uint64_t model_run(Machine *m, const struct dmirage_sqe *s, uint64_t value)
{
	uint8_t *src = m->model + (s->src - ORIGIN);
	uint8_t *dst = m->model + (s->dst - ORIGIN);

	switch (s->opcode) {
	case DMIRAGE_OP_COPY:
		for (uint64_t i = 0; i < s->len; i++)
			dst[i] = src[i];
		break;
	case DMIRAGE_OP_FILL:
	case DMIRAGE_OP_WRITE_IMM:
		for (uint64_t i = 0; i < s->len; i++)
			dst[i] = s->imm >> (8 * (i % 8));
		break;
	case DMIRAGE_OP_READ_IMM:
		return load(src, s->len);
	case DMIRAGE_OP_CAS:
		value = load(dst, s->len);
		if (value == s->compare)
			store(dst, s->imm, s->len);
		break;
	case DMIRAGE_OP_FETCH_ADD:
		value = load(dst, s->len);
		store(dst, value + s->imm, s->len);
		break;
	case DMIRAGE_OP_CRC32C:
		for (uint64_t i = 0; i < s->len; i++)
			value = crc_byte(value, src[i]);
		break;
	}
	return value;
}

/* The part of a chunk from @skip on that is @n bytes long, as a device would. */
static void part(Machine *m, DmirageOp *op, uint64_t skip, uint64_t n)
{
	uint8_t *src = m->real + (op->src + op->done + skip - ORIGIN);
	uint8_t *dst = m->real + (op->dst + op->done + skip - ORIGIN);

	switch (op->opcode) {
	case DMIRAGE_OP_COPY:
		for (uint64_t i = 0; i < n; i++)
			dst[i] = src[i];
		break;
	case DMIRAGE_OP_FILL:
	case DMIRAGE_OP_WRITE_IMM:
		dmirage_op_pattern(op, skip, dst, n);
		break;
	case DMIRAGE_OP_READ_IMM:
		dmirage_op_take(op, skip, src, n);
		break;
	case DMIRAGE_OP_CAS:
		op->value = load(dst, n);
		if (op->value == op->compare)
			store(dst, op->imm, n);
		break;
	case DMIRAGE_OP_FETCH_ADD:
		op->value = load(dst, n);
		store(dst, op->value + op->imm, n);
		break;
	case DMIRAGE_OP_CRC32C:
		for (uint64_t i = 0; i < n; i++)
			op->value = crc_byte(op->value, src[i]);
		break;
	}
}

/* The present descriptor, in chunks that end early, of parts. */
static void run(Machine *m, DmirageOp *op)
{
	uint64_t piece;

	while ((piece = dmirage_op_piece(op))) {
		uint64_t va = dmirage_op_reads(op) ? op->src : op->dst;
		uint64_t skip = 0;

		g_assert_cmpuint(piece, <=, DMIRAGE_CHUNK);
		g_assert_cmpuint(piece, <=, op->len - op->done);
		if (dmirage_op_is_atomic(op) ||
		    ((op->opcode == DMIRAGE_OP_READ_IMM ||
		      op->opcode == DMIRAGE_OP_WRITE_IMM) &&
		     va % op->len == 0)) {
			/* All of it at once. */
			g_assert_cmpuint(piece, ==, op->len);
		} else if (op->opcode == DMIRAGE_OP_READ_IMM ||
			   op->opcode == DMIRAGE_OP_WRITE_IMM) {
			g_assert_cmpuint(piece, ==, 1);
		} else if (random_once_in(2)) {
			piece = 1 + random_below(piece);
		}
		while (skip < piece) {
			uint64_t n = piece - skip;

			if (!dmirage_op_is_atomic(op) && random_once_in(2))
				n = 1 + random_below(n);
			part(m, op, skip, n);
			skip += n;
		}
		op->done += piece;
	}
	g_assert_cmpuint(op->done, ==, op->len);
}

static struct dmirage_sqe good_sqe(unsigned int opcode)
{
	struct dmirage_sqe s = { .opcode = opcode, .imm = random_any() };
	uint64_t half = MEMORY / 2;

	switch (opcode) {
	case DMIRAGE_OP_READ_IMM:
	case DMIRAGE_OP_WRITE_IMM:
		s.len = 1 << random_below(4);
		break;
	case DMIRAGE_OP_CAS:
	case DMIRAGE_OP_FETCH_ADD:
		s.len = 4 << random_below(2);
		break;
	default:
		s.len = 1 + random_below(random_once_in(32) ? half : 64);
	}
	/* The two sides of a copy shall not overlap. */
	s.src = ORIGIN + random_below(half - s.len + 1);
	s.dst = ORIGIN + half + random_below(half - s.len + 1);
	if (opcode == DMIRAGE_OP_CAS || opcode == DMIRAGE_OP_FETCH_ADD)
		s.dst -= s.dst % s.len;
	return s;
}

static void test_run_model(void)
{
	Machine *m = g_new0(Machine, 1);

	random_begin();
	for (unsigned int i = 0; i < MEMORY; i++)
		m->model[i] = m->real[i] = random_next();
	for (unsigned int i = 0; i < 200000; i++) {
		unsigned int opcode = random_below(DMIRAGE_OP_TOUCH_WRITE + 1);
		struct dmirage_sqe s = good_sqe(opcode);
		uint64_t value = 0, total = 0, bad;
		bool first = true;
		DmirageOp op;

		s.cookie = i;
		for (;;) {
			uint8_t *at = m->model + (s.dst - ORIGIN);

			if (opcode == DMIRAGE_OP_CAS)
				s.compare = random_once_in(2) ? load(at, s.len) : 7;
			if (opcode == DMIRAGE_OP_COPY || opcode == DMIRAGE_OP_FILL ||
			    opcode >= DMIRAGE_OP_CRC32C)
				s.flags = random_once_in(2);
			g_assert_cmpint(first ? dmirage_op_decode(&op, &s, false, &bad) :
						dmirage_op_next(&op, &s, &bad),
					==, DMIRAGE_ST_OK);
			value = model_run(m, &s, value);
			run(m, &op);
			total += opcode == DMIRAGE_OP_NOP ? 0 : s.len;
			g_assert_cmpuint(op.total + op.done, ==, total);
			g_assert_cmpuint(op.cookie, ==, i);
			if (!op.chained)
				break;
			s = good_sqe(opcode);
			first = false;
		}
		g_assert_cmphex(op.value, ==, value);
		if (i % 256 == 0)
			g_assert_cmpmem(m->model, MEMORY, m->real, MEMORY);
	}
	g_assert_cmpmem(m->model, MEMORY, m->real, MEMORY);
	g_free(m);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/op/status", test_status);
	g_test_add_func("/op/cookie-survives", test_cookie_survives);
	g_test_add_func("/op/kinds", test_kinds);
	g_test_add_func("/op/chain", test_chain);
	g_test_add_func("/op/pieces", test_pieces);
	g_test_add_func("/op/pattern", test_pattern);
	g_test_add_func("/op/take", test_take);
	g_test_add_func("/op/decode-model", test_decode_model);
	g_test_add_func("/op/run-model", test_run_model);
	return g_test_run();
}
