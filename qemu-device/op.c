/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An operation.  See op.h. */
#include "op.h"

#include <string.h>

#include "bytes.h"

#define CALIBRATE_MIN   64ull
#define CALIBRATE_MAX   (1ull << 30)

/* What the opcodes are like. */
enum {
    READS = 1 << 0,
    WRITES = 1 << 1,
    IMM = 1 << 2,           /* a value of 1, 2, 4 or 8 bytes */
    ATOMIC = 1 << 3,
    TOUCH = 1 << 4,
    VALUE = 1 << 5,         /* has a result of its own */
    CHAIN = 1 << 6,         /* may be chained */
};

static const uint8_t kinds[] = {
    [DMIRAGE_OP_NOP] = 0,
    [DMIRAGE_OP_COPY] = READS | WRITES | CHAIN,
    [DMIRAGE_OP_FILL] = WRITES | CHAIN,
    [DMIRAGE_OP_READ_IMM] = READS | IMM | VALUE,
    [DMIRAGE_OP_WRITE_IMM] = WRITES | IMM,
    [DMIRAGE_OP_CAS] = WRITES | ATOMIC | VALUE,
    [DMIRAGE_OP_FETCH_ADD] = WRITES | ATOMIC | VALUE,
    [DMIRAGE_OP_CRC32C] = READS | VALUE | CHAIN,
    [DMIRAGE_OP_TOUCH_READ] = READS | TOUCH | CHAIN,
    [DMIRAGE_OP_TOUCH_WRITE] = WRITES | TOUCH | CHAIN,
    /* Its addresses are not translated, so it has none of the two sides. */
    [DMIRAGE_OP_CALIBRATE] = 0,
};

_Static_assert(sizeof(kinds) == DMIRAGE_OP_MAX, "an opcode has no kind");

static bool is(const DmirageOp *op, unsigned kind)
{
    return op->opcode < DMIRAGE_OP_MAX && (kinds[op->opcode] & kind);
}

bool dmirage_op_reads(const DmirageOp *op)
{
    return is(op, READS);
}

bool dmirage_op_writes(const DmirageOp *op)
{
    return is(op, WRITES);
}

bool dmirage_op_is_atomic(const DmirageOp *op)
{
    return is(op, ATOMIC);
}

bool dmirage_op_is_touch(const DmirageOp *op)
{
    return is(op, TOUCH);
}

bool dmirage_op_has_value(const DmirageOp *op)
{
    return is(op, VALUE);
}

static bool power_of_two(uint64_t n)
{
    return n && !(n & (n - 1));
}

static bool in_range(uint64_t va, uint64_t len)
{
    const uint64_t end = 1ull << DMIRAGE_VA_BITS;

    return va < end && len <= end - va;
}

static bool wraps(uint64_t addr, uint64_t len)
{
    return addr + (len - 1) < addr;
}

/* Whether the addresses of @op, whose length is right, are. */
static enum dmirage_status check_addresses(const DmirageOp *op,
                                           uint64_t *bad_addr)
{
    bool dma = op->opcode == DMIRAGE_OP_CALIBRATE;

    if (dma ? wraps(op->src, op->len)
            : is(op, READS) && !in_range(op->src, op->len)) {
        *bad_addr = op->src;
        return DMIRAGE_ST_BAD_ADDRESS;
    }
    if (dma ? wraps(op->dst, op->len)
            : is(op, WRITES) && !in_range(op->dst, op->len)) {
        *bad_addr = op->dst;
        return DMIRAGE_ST_BAD_ADDRESS;
    }
    return DMIRAGE_ST_OK;
}

/* CAS takes any value; CALIBRATE one that leads to each piece once. */
static bool is_compare_right(const DmirageOp *op)
{
    switch (op->opcode) {
    case DMIRAGE_OP_CAS:
        return true;
    case DMIRAGE_OP_CALIBRATE:
        return !op->compare || ((op->compare & 1) && power_of_two(op->len) &&
                                op->len >= op->imm);
    default:
        return !op->compare;
    }
}

/* Whether @op is right in itself, as taken from @sqe; its opcode exists. */
static enum dmirage_status check(DmirageOp *op, const struct dmirage_sqe *sqe,
                                 uint64_t *bad_addr)
{
    if ((sqe->flags & ~DMIRAGE_SQE_CHAIN) || sqe->reserved0 ||
        sqe->reserved1 || sqe->reserved2 ||
        !is_compare_right(op)) {
        return DMIRAGE_ST_BAD_FIELD;
    }
    if (op->opcode == DMIRAGE_OP_CALIBRATE &&
        (!power_of_two(op->imm) || op->imm < CALIBRATE_MIN ||
         op->imm > CALIBRATE_MAX)) {
        return DMIRAGE_ST_BAD_FIELD;
    }
    if (op->chained && !is(op, CHAIN)) {
        return DMIRAGE_ST_BAD_CHAIN;
    }
    if (op->opcode == DMIRAGE_OP_NOP) {
        op->len = 0;
        return DMIRAGE_ST_OK;
    }
    if (op->len == 0 || op->len > DMIRAGE_LEN_MAX) {
        return DMIRAGE_ST_BAD_LENGTH;
    }
    if (is(op, IMM) && (op->len > 8 || !power_of_two(op->len))) {
        return DMIRAGE_ST_BAD_LENGTH;
    }
    if (is(op, ATOMIC)) {
        if (op->len != 4 && op->len != 8) {
            return DMIRAGE_ST_BAD_LENGTH;
        }
        if (op->dst % op->len) {
            *bad_addr = op->dst;
            return DMIRAGE_ST_BAD_ALIGN;
        }
    }
    return check_addresses(op, bad_addr);
}

static DmirageOp from_sqe(const struct dmirage_sqe *sqe)
{
    return (DmirageOp) {
        .opcode = sqe->opcode,
        .chained = sqe->flags & DMIRAGE_SQE_CHAIN,
        .cookie = dmirage_le64(sqe->cookie),
        .src = dmirage_le64(sqe->src),
        .dst = dmirage_le64(sqe->dst),
        .len = dmirage_le64(sqe->len),
        .imm = dmirage_le64(sqe->imm),
        .compare = dmirage_le64(sqe->compare),
    };
}

enum dmirage_status dmirage_op_decode(DmirageOp *op,
                                      const struct dmirage_sqe *sqe,
                                      bool calibrate, uint64_t *bad_addr)
{
    *op = from_sqe(sqe);
    *bad_addr = 0;
    if (op->opcode >= DMIRAGE_OP_MAX ||
        (op->opcode == DMIRAGE_OP_CALIBRATE && !calibrate)) {
        return DMIRAGE_ST_BAD_OPCODE;
    }
    return check(op, sqe, bad_addr);
}

enum dmirage_status dmirage_op_next(DmirageOp *op,
                                    const struct dmirage_sqe *sqe,
                                    uint64_t *bad_addr)
{
    DmirageOp next = from_sqe(sqe);
    enum dmirage_status status = DMIRAGE_ST_BAD_CHAIN;

    *bad_addr = 0;
    op->chained = next.chained;
    if (next.opcode == op->opcode) {
        status = check(&next, sqe, bad_addr);
    }
    if (status == DMIRAGE_ST_OK) {
        next.cookie = op->cookie;
        next.total = op->total + op->done;
        next.value = op->value;
        next.skipping = op->skipping;
        *op = next;
    }
    return status;
}

uint64_t dmirage_op_piece(const DmirageOp *op)
{
    uint64_t left = op->len - op->done;

    if (is(op, IMM)) {
        uint64_t va = is(op, READS) ? op->src : op->dst;

        /* A value that is aligned goes in one piece. */
        return left && va % op->len ? 1 : left;
    }
    return left < DMIRAGE_CHUNK ? left : DMIRAGE_CHUNK;
}

void dmirage_op_pattern(const DmirageOp *op, uint64_t skip, uint8_t *buf,
                        uint64_t n)
{
    uint8_t imm[8];
    uint64_t at;

    dmirage_put_le64(imm, op->imm);
    for (at = 0; at < n && at < 8; at++) {
        buf[at] = imm[(op->done + skip + at) % 8];
    }
    /* What is there repeats; double it until it is enough. */
    while (at < n) {
        uint64_t more = n - at < at ? n - at : at;

        memcpy(buf + at, buf, more);
        at += more;
    }
}

void dmirage_op_take(DmirageOp *op, uint64_t skip, const uint8_t *buf,
                     uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        unsigned shift = 8 * (op->done + skip + i);

        /* Not only ORed: a piece may have been read before, in vain. */
        op->value &= ~(0xffull << shift);
        op->value |= (uint64_t)buf[i] << shift;
    }
}
