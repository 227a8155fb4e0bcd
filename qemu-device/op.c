/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An operation.  See op.h. */
#include "op.h"

#include <string.h>

#include "bytes.h"

bool dmirage_op_reads(const DmirageOp *op)
{
    return op->opcode == DMIRAGE_OP_COPY || op->opcode == DMIRAGE_OP_READ_IMM;
}

bool dmirage_op_writes(const DmirageOp *op)
{
    return op->opcode == DMIRAGE_OP_COPY || op->opcode == DMIRAGE_OP_FILL ||
           op->opcode == DMIRAGE_OP_WRITE_IMM;
}

static bool is_imm(const DmirageOp *op)
{
    return op->opcode == DMIRAGE_OP_READ_IMM ||
           op->opcode == DMIRAGE_OP_WRITE_IMM;
}

static bool in_range(uint64_t va, uint64_t len)
{
    const uint64_t end = 1ull << DMIRAGE_VA_BITS;

    return va < end && len <= end - va;
}

enum dmirage_status dmirage_op_decode(DmirageOp *op,
                                      const struct dmirage_sqe *sqe,
                                      uint64_t *bad_addr)
{
    *op = (DmirageOp) {
        .opcode = sqe->opcode,
        .cookie = dmirage_le64(sqe->cookie),
        .src = dmirage_le64(sqe->src),
        .dst = dmirage_le64(sqe->dst),
        .len = dmirage_le64(sqe->len),
        .imm = dmirage_le64(sqe->imm),
    };
    *bad_addr = 0;

    if (op->opcode > DMIRAGE_OP_WRITE_IMM) {
        return DMIRAGE_ST_BAD_OPCODE;
    }
    if (sqe->flags || sqe->reserved0 || sqe->reserved1 ||
        sqe->reserved2[0] || sqe->reserved2[1]) {
        return DMIRAGE_ST_BAD_FIELD;
    }
    if (op->opcode == DMIRAGE_OP_NOP) {
        op->len = 0;
        return DMIRAGE_ST_OK;
    }
    if (op->len == 0 || op->len > DMIRAGE_LEN_MAX) {
        return DMIRAGE_ST_BAD_LENGTH;
    }
    if (is_imm(op) && (op->len > 8 || (op->len & (op->len - 1)))) {
        return DMIRAGE_ST_BAD_LENGTH;
    }
    if (dmirage_op_reads(op) && !in_range(op->src, op->len)) {
        *bad_addr = op->src;
        return DMIRAGE_ST_BAD_ADDRESS;
    }
    if (dmirage_op_writes(op) && !in_range(op->dst, op->len)) {
        *bad_addr = op->dst;
        return DMIRAGE_ST_BAD_ADDRESS;
    }
    return DMIRAGE_ST_OK;
}

uint64_t dmirage_op_piece(const DmirageOp *op)
{
    uint64_t left = op->len - op->done;

    if (is_imm(op)) {
        uint64_t va = dmirage_op_reads(op) ? op->src : op->dst;

        /* A value that is aligned goes in one piece. */
        return left && va % op->len ? 1 : left;
    }
    return left < DMIRAGE_CHUNK ? left : DMIRAGE_CHUNK;
}

void dmirage_op_pattern(const DmirageOp *op, uint8_t *buf, uint64_t n)
{
    uint8_t imm[8];
    uint64_t at;

    dmirage_put_le64(imm, op->imm);
    for (at = 0; at < n && at < 8; at++) {
        buf[at] = imm[(op->done + at) % 8];
    }
    /* What is there repeats; double it until it is enough. */
    while (at < n) {
        uint64_t more = n - at < at ? n - at : at;

        memcpy(buf + at, buf, more);
        at += more;
    }
}

void dmirage_op_take(DmirageOp *op, const uint8_t *buf, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        op->result |= (uint64_t)buf[i] << (8 * (op->done + i));
    }
}
