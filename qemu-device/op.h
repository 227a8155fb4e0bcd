/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An operation: decoded from submission ring entries, checked, and cut into
 * chunks.  User space writes the entries, so anything may be in them.
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
 * @cookie: of its first descriptor
 * @src, @dst, @len, @imm, @compare: from its present descriptor
 * @opcode: enum dmirage_opcode
 * @chained: another descriptor is to follow
 * @skipping: it has failed, and the rest of its chain is only taken
 * @done: bytes done of the present descriptor
 * @total: bytes done of those before
 * @value: READ_IMM: the bytes read so far; CAS, FETCH_ADD: the old value;
 *     CRC32C: the checksum so far, 0 at first
 */
typedef struct DmirageOp {
    uint64_t cookie;
    uint64_t src;
    uint64_t dst;
    uint64_t len;
    uint64_t imm;
    uint64_t compare;
    uint64_t done;
    uint64_t total;
    uint64_t value;
    uint8_t opcode;
    bool chained;
    bool skipping;
} DmirageOp;

/*
 * Decodes and checks @sqe, an operation's first descriptor.  On an error @op
 * holds the cookie, the opcode and whether a chain follows all the same, and
 * *@bad_addr the address that is at fault, if one is.  @calibrate: CALIBRATE
 * is an opcode here.
 */
enum dmirage_status dmirage_op_decode(DmirageOp *op,
                                      const struct dmirage_sqe *sqe,
                                      bool calibrate, uint64_t *bad_addr);

/*
 * The same for the next descriptor of @op, which is chained and at its end.
 * On an error @op is as before, but for @chained, which is @sqe's.
 */
enum dmirage_status dmirage_op_next(DmirageOp *op,
                                    const struct dmirage_sqe *sqe,
                                    uint64_t *bad_addr);

/* Which sides take part, and what is done there. */
bool dmirage_op_reads(const DmirageOp *op);     /* src is translated */
bool dmirage_op_writes(const DmirageOp *op);    /* dst is, for writing */
bool dmirage_op_is_atomic(const DmirageOp *op); /* CAS, FETCH_ADD */
bool dmirage_op_is_touch(const DmirageOp *op);  /* TOUCH_* */
bool dmirage_op_has_value(const DmirageOp *op); /* the result is @value */

/*
 * The most that the next chunk may cover, by the operation's own rules: a
 * whole aligned value or a single byte for READ_IMM and WRITE_IMM, else up to
 * DMIRAGE_CHUNK.  0 when the present descriptor is finished.
 */
uint64_t dmirage_op_piece(const DmirageOp *op);

/*
 * The @n bytes, from @skip bytes after @done on, that FILL or WRITE_IMM
 * writes next; READ_IMM: that it has read.
 */
void dmirage_op_pattern(const DmirageOp *op, uint64_t skip, uint8_t *buf,
                        uint64_t n);
void dmirage_op_take(DmirageOp *op, uint64_t skip, const uint8_t *buf,
                     uint64_t n);

#endif
