/* SPDX-License-Identifier: GPL-2.0 */
/*
 * qemu-device/op.c on any descriptors whatever. Input: a byte for whether
 * CALIBRATE is there; then descriptors as a ring has them, 64 bytes each, each
 * with a byte in front that says how translations cut it into parts.
 */
#include "fuzz.h"

#include "op.h"

#define TOP	(1ull << DMIRAGE_VA_BITS)

static bool is_chainable(unsigned int opcode)
{
	return opcode == DMIRAGE_OP_COPY || opcode == DMIRAGE_OP_FILL ||
	       opcode == DMIRAGE_OP_CRC32C || opcode == DMIRAGE_OP_TOUCH_READ ||
	       opcode == DMIRAGE_OP_TOUCH_WRITE;
}

/* What has to be true of a descriptor that was taken as good. */
static void check_good(const DmirageOp *op, const struct dmirage_sqe *s,
		       bool calibrate)
{
	bool atomic = s->opcode == DMIRAGE_OP_CAS ||
		      s->opcode == DMIRAGE_OP_FETCH_ADD;
	bool imm = s->opcode == DMIRAGE_OP_READ_IMM ||
		   s->opcode == DMIRAGE_OP_WRITE_IMM;
	bool src = s->opcode == DMIRAGE_OP_COPY ||
		   s->opcode == DMIRAGE_OP_READ_IMM ||
		   s->opcode == DMIRAGE_OP_CRC32C ||
		   s->opcode == DMIRAGE_OP_TOUCH_READ;
	bool dst = s->opcode == DMIRAGE_OP_COPY ||
		   s->opcode == DMIRAGE_OP_FILL ||
		   s->opcode == DMIRAGE_OP_WRITE_IMM || atomic ||
		   s->opcode == DMIRAGE_OP_TOUCH_WRITE;

	CHECK(s->opcode < DMIRAGE_OP_MAX);
	CHECK(!(s->flags & ~DMIRAGE_SQE_CHAIN));
	CHECK(!s->reserved0 && !s->reserved1 && !s->reserved2);
	CHECK(!s->compare || s->opcode == DMIRAGE_OP_CAS ||
	      s->opcode == DMIRAGE_OP_CALIBRATE);
	CHECK(op->chained == (s->flags & DMIRAGE_SQE_CHAIN));
	CHECK(!op->chained || is_chainable(s->opcode));
	CHECK(op->opcode == s->opcode && !op->done && !op->skipping);
	if (s->opcode == DMIRAGE_OP_NOP) {
		CHECK(!op->len);
		return;
	}
	CHECK(op->src == s->src && op->dst == s->dst && op->len == s->len);
	CHECK(op->imm == s->imm && op->compare == s->compare);
	CHECK(op->len >= 1 && op->len <= DMIRAGE_LEN_MAX);
	if (imm)
		CHECK(op->len == 1 || op->len == 2 || op->len == 4 || op->len == 8);
	if (atomic) {
		CHECK(op->len == 4 || op->len == 8);
		CHECK(op->dst % op->len == 0);
	}
	if (s->opcode == DMIRAGE_OP_CALIBRATE) {
		CHECK(calibrate);
		CHECK(op->imm >= 64 && op->imm <= 1u << 30);
		CHECK(!(op->imm & (op->imm - 1)));
		if (op->compare) {
			CHECK(op->compare & 1);
			CHECK(op->len >= op->imm);
			CHECK(!(op->len & (op->len - 1)));
		}
		CHECK(op->src + op->len - 1 >= op->src);
		CHECK(op->dst + op->len - 1 >= op->dst);
	}
	CHECK(dmirage_op_reads(op) == src && dmirage_op_writes(op) == dst);
	if (src)
		CHECK(op->src < TOP && op->src + op->len <= TOP);
	if (dst)
		CHECK(op->dst < TOP && op->dst + op->len <= TOP);
}

/* A part of a chunk: what is written there, or taken from there. */
static void part(DmirageOp *op, uint64_t skip, uint64_t n)
{
	/* Of just that size, so that ASan sees a byte too many. */
	uint8_t *buf = malloc(n);
	uint64_t value = op->value;

	if (!buf)
		abort();
	if (op->opcode == DMIRAGE_OP_FILL || op->opcode == DMIRAGE_OP_WRITE_IMM) {
		dmirage_op_pattern(op, skip, buf, n);
		/* Of a long one the ends, to get more inputs done. */
		for (uint64_t i = 0; i < n; i += i == 64 && n > 192 ? n - 128 : 1)
			CHECK(buf[i] ==
			      (uint8_t)(op->imm >> 8 * ((op->done + skip + i) % 8)));
	}
	if (op->opcode == DMIRAGE_OP_READ_IMM) {
		/* Twice, as if memory had changed in between. */
		memset(buf, 0x5f, n);
		dmirage_op_take(op, skip, buf, n);
		memset(buf, 0xa5, n);
		dmirage_op_take(op, skip, buf, n);
		for (uint64_t i = 0; i < 8; i++) {
			bool taken = i - op->done - skip < n;
			uint8_t was = value >> 8 * i, is = op->value >> 8 * i;

			CHECK(is == (taken ? 0xa5 : was));
		}
	}
	free(buf);
}

/* The present descriptor from its beginning to its end. */
static void run(DmirageOp *op, uint8_t cut)
{
	unsigned int pieces = 0;
	uint64_t piece;

	while ((piece = dmirage_op_piece(op))) {
		CHECK(piece <= DMIRAGE_CHUNK);
		CHECK(piece <= op->len - op->done);
		CHECK(!dmirage_op_is_atomic(op) || piece == op->len);
		if (op->opcode == DMIRAGE_OP_READ_IMM)
			CHECK(piece == (op->src % op->len ? 1 : op->len));
		if (op->opcode == DMIRAGE_OP_WRITE_IMM)
			CHECK(piece == (op->dst % op->len ? 1 : op->len));
		/* A long one need not be walked through from end to end. */
		if (++pieces == 3 && op->len > 8 * DMIRAGE_CHUNK) {
			op->done = op->len - 2 * DMIRAGE_CHUNK - cut;
			continue;
		}
		if (op->len > 8 && cut & 1 && cut < piece)
			piece = cut;
		if (piece > 1 && cut & 2) {
			part(op, 0, piece / 2);
			part(op, piece / 2, piece - piece / 2);
		} else {
			part(op, 0, piece);
		}
		op->done += piece;
		CHECK(op->done <= op->len);
		/* It ends: cut pieces, those of a long one, or single bytes. */
		CHECK(pieces <= 16 + 8 + 8);
		if (pieces == 16)
			cut = 0;
	}
	CHECK(op->done == op->len);
	if (op->opcode == DMIRAGE_OP_CRC32C)
		op->value = op->value * 5 + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input in = { data, size };
	bool calibrate = take8(&in) & 1, running = false;
	uint64_t total = 0, bad;
	DmirageOp op;

	/* Whatever is there before has to go. */
	memset(&op, 0xa5, sizeof(op));
	while (in.left > 1) {
		uint8_t cut = take8(&in);
		enum dmirage_status status;
		struct dmirage_sqe sqe;
		DmirageOp before = op;

		take(&in, &sqe, sizeof(sqe));
		if (running)
			status = dmirage_op_next(&op, &sqe, &bad);
		else
			status = dmirage_op_decode(&op, &sqe, calibrate, &bad);
		CHECK(status < DMIRAGE_ST_MAX);
		CHECK(op.chained == (sqe.flags & DMIRAGE_SQE_CHAIN));
		CHECK(op.cookie == (running ? before.cookie : sqe.cookie));
		if (status != DMIRAGE_ST_OK) {
			CHECK(status == DMIRAGE_ST_BAD_ADDRESS ||
			      status == DMIRAGE_ST_BAD_ALIGN || !bad);
			if (running) {
				CHECK(op.done == before.done && op.len == before.len);
				CHECK(op.total == before.total);
				CHECK(op.value == before.value);
			} else {
				CHECK(op.opcode == sqe.opcode);
			}
			running = false;
			continue;
		}
		CHECK(!bad);
		check_good(&op, &sqe, calibrate);
		if (running) {
			CHECK(op.opcode == before.opcode);
			CHECK(op.value == before.value);
			total += before.len;
		} else {
			CHECK(!op.value);
			total = 0;
		}
		CHECK(op.total == total);
		run(&op, cut);
		running = op.chained;
	}
	return 0;
}
