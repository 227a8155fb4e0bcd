/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An operation: decoded from a submission ring entry, checked, and cut into
 * pieces.  User space writes the entry, so anything may be in it.
 *
 * Plain C; knows nothing of translation or DMA.
 */
#ifndef DMIRAGE_OP_H
#define DMIRAGE_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "dmirage_hw.h"

/**
 * DmirageOp: an operation and how far it has come
 * @cookie, @src, @dst, @len, @imm: from struct dmirage_sqe
 * @opcode: enum dmirage_opcode
 * @done: bytes done
 * @result: READ_IMM: the bytes read so far
 */
typedef struct DmirageOp {
    uint64_t cookie;
    uint64_t src;
    uint64_t dst;
    uint64_t len;
    uint64_t imm;
    uint64_t done;
    uint64_t result;
    uint8_t opcode;
} DmirageOp;

/*
 * Decodes and checks @sqe.  On an error @op holds the cookie and the opcode
 * all the same, and @bad_addr the address that is at fault, if one is.
 */
enum dmirage_status dmirage_op_decode(DmirageOp *op,
                                      const struct dmirage_sqe *sqe,
                                      uint64_t *bad_addr);

bool dmirage_op_reads(const DmirageOp *op);
bool dmirage_op_writes(const DmirageOp *op);

/*
 * The most that the next access may cover, by the operation's own rules: a
 * whole aligned value or a single byte for READ_IMM and WRITE_IMM, else up to
 * DMIRAGE_CHUNK.  0 when the operation is finished.
 */
uint64_t dmirage_op_piece(const DmirageOp *op);

/* The @n bytes that FILL or WRITE_IMM writes next; READ_IMM: has read. */
void dmirage_op_pattern(const DmirageOp *op, uint8_t *buf, uint64_t n);
void dmirage_op_take(DmirageOp *op, const uint8_t *buf, uint64_t n);

#endif
