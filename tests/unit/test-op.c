/* SPDX-License-Identifier: GPL-2.0 */
/* Tests of qemu-device/op.c: descriptors that a process may have forged. */
#include <glib.h>
#include <string.h>

#include "op.h"

#define TOP	(1ull << DMIRAGE_VA_BITS)

static enum dmirage_status decode(struct dmirage_sqe sqe, DmirageOp *op,
				  uint64_t *bad)
{
	return dmirage_op_decode(op, &sqe, bad);
}

static void test_status(void)
{
	static const struct {
		struct dmirage_sqe sqe;
		enum dmirage_status status;
		uint64_t bad;
	} cases[] = {
		{ { .opcode = DMIRAGE_OP_NOP }, DMIRAGE_ST_OK, 0 },
		{ { .opcode = 5 }, DMIRAGE_ST_BAD_OPCODE, 0 },
		{ { .opcode = 255 }, DMIRAGE_ST_BAD_OPCODE, 0 },
		{ { .opcode = 0, .flags = 1 }, DMIRAGE_ST_BAD_FIELD, 0 },
		{ { .opcode = 1, .len = 1, .reserved0 = 1 }, DMIRAGE_ST_BAD_FIELD, 0 },
		{ { .opcode = 1, .len = 1, .reserved1 = 1 }, DMIRAGE_ST_BAD_FIELD, 0 },
		{ { .opcode = 1, .len = 1, .reserved2 = { 0, 1 } },
		  DMIRAGE_ST_BAD_FIELD,
		  0 },
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
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		DmirageOp op;
		uint64_t bad;

		g_assert_cmpint(decode(cases[i].sqe, &op, &bad), ==,
				cases[i].status);
		g_assert_cmphex(bad, ==, cases[i].bad);
	}
}

static void test_cookie_survives(void)
{
	struct dmirage_sqe sqe = { .opcode = 77, .cookie = 0x1234 };
	DmirageOp op;
	uint64_t bad;

	g_assert_cmpint(decode(sqe, &op, &bad), ==, DMIRAGE_ST_BAD_OPCODE);
	g_assert_cmphex(op.cookie, ==, 0x1234);
	g_assert_cmpuint(op.opcode, ==, 77);
	g_assert_false(dmirage_op_reads(&op));
	g_assert_false(dmirage_op_writes(&op));
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
}

static void test_pattern(void)
{
	DmirageOp op = { .opcode = DMIRAGE_OP_FILL, .imm = 0x8877665544332211ull };
	uint8_t *buf = g_malloc(DMIRAGE_CHUNK);

	for (unsigned int n = 1; n < 40; n++) {
		for (op.done = 0; op.done < 16; op.done++) {
			dmirage_op_pattern(&op, buf, n);
			for (unsigned int i = 0; i < n; i++)
				g_assert_cmphex(buf[i], ==,
						0x11 * ((op.done + i) % 8 + 1));
		}
	}
	op.done = 3;
	dmirage_op_pattern(&op, buf, DMIRAGE_CHUNK);
	g_assert_cmphex(buf[DMIRAGE_CHUNK - 1], ==, 0x33);
	g_free(buf);
}

static void test_take(void)
{
	const uint8_t bytes[] = { 0x11, 0x22, 0x33, 0x44, 0xff, 0, 0x77, 0x88 };
	DmirageOp op = { .opcode = DMIRAGE_OP_READ_IMM, .len = 8 };

	dmirage_op_take(&op, bytes, 8);
	g_assert_cmphex(op.result, ==, 0x887700ff44332211ull);
	op.result = 0;
	for (op.done = 0; op.done < 8; op.done++)
		dmirage_op_take(&op, &bytes[op.done], 1);
	g_assert_cmphex(op.result, ==, 0x887700ff44332211ull);
}

/* Rubbish decodes to something that stays within its bounds. */
static void test_rubbish(void)
{
	for (unsigned int i = 0; i < 300000; i++) {
		union {
			struct dmirage_sqe sqe;
			uint32_t word[16];
		} u;
		DmirageOp op;
		uint64_t bad;

		for (unsigned int j = 0; j < 16; j++)
			u.word[j] = g_test_rand_int() >>
				    g_test_rand_int_range(0, 32);
		u.sqe.opcode %= 6;
		u.sqe.flags = 0;
		u.sqe.reserved0 = 0;
		u.sqe.reserved1 = 0;
		memset(u.sqe.reserved2, 0, sizeof(u.sqe.reserved2));
		if (i % 2)
			u.sqe.len %= 16;
		if (dmirage_op_decode(&op, &u.sqe, &bad) != DMIRAGE_ST_OK)
			continue;
		while (op.done < op.len && op.done < 4 * DMIRAGE_CHUNK) {
			uint64_t n = dmirage_op_piece(&op);

			g_assert_cmpuint(n, >, 0);
			g_assert_cmpuint(n, <=, DMIRAGE_CHUNK);
			g_assert_cmpuint(n, <=, op.len - op.done);
			if (dmirage_op_reads(&op))
				g_assert_cmphex(op.src + op.done + n, <=, TOP);
			if (dmirage_op_writes(&op))
				g_assert_cmphex(op.dst + op.done + n, <=, TOP);
			op.done += n;
		}
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/op/status", test_status);
	g_test_add_func("/op/cookie-survives", test_cookie_survives);
	g_test_add_func("/op/pieces", test_pieces);
	g_test_add_func("/op/pattern", test_pattern);
	g_test_add_func("/op/take", test_take);
	g_test_add_func("/op/rubbish", test_rubbish);
	return g_test_run();
}
