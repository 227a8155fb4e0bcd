// SPDX-License-Identifier: GPL-2.0
/*
 * Descriptors: a helper for each operation.
 */
#include <stdint.h>

#include "internal.h"

static void prep(struct dmirage_sqe *sqe, uint64_t cookie, uint8_t opcode)
{
	*sqe = (struct dmirage_sqe){ .opcode = opcode, .cookie = cookie };
}

void dmirage_prep_copy(struct dmirage_sqe *sqe, uint64_t cookie, void *dst,
		       const void *src, uint64_t len)
{
	prep(sqe, cookie, DMIRAGE_OP_COPY);
	sqe->dst = (uintptr_t)dst;
	sqe->src = (uintptr_t)src;
	sqe->len = len;
}

void dmirage_prep_fill(struct dmirage_sqe *sqe, uint64_t cookie, void *dst,
		       uint64_t pattern, uint64_t len)
{
	prep(sqe, cookie, DMIRAGE_OP_FILL);
	sqe->dst = (uintptr_t)dst;
	sqe->imm = pattern;
	sqe->len = len;
}

void dmirage_prep_read_imm(struct dmirage_sqe *sqe, uint64_t cookie,
			   const void *src, uint64_t len)
{
	prep(sqe, cookie, DMIRAGE_OP_READ_IMM);
	sqe->src = (uintptr_t)src;
	sqe->len = len;
}

void dmirage_prep_write_imm(struct dmirage_sqe *sqe, uint64_t cookie,
			    void *dst, uint64_t value, uint64_t len)
{
	prep(sqe, cookie, DMIRAGE_OP_WRITE_IMM);
	sqe->dst = (uintptr_t)dst;
	sqe->imm = value;
	sqe->len = len;
}

void dmirage_prep_cas(struct dmirage_sqe *sqe, uint64_t cookie, void *dst,
		      uint64_t compare, uint64_t value, uint64_t len)
{
	prep(sqe, cookie, DMIRAGE_OP_CAS);
	sqe->dst = (uintptr_t)dst;
	sqe->compare = compare;
	sqe->imm = value;
	sqe->len = len;
}

void dmirage_prep_fetch_add(struct dmirage_sqe *sqe, uint64_t cookie, void *dst,
			    uint64_t summand, uint64_t len)
{
	prep(sqe, cookie, DMIRAGE_OP_FETCH_ADD);
	sqe->dst = (uintptr_t)dst;
	sqe->imm = summand;
	sqe->len = len;
}

void dmirage_prep_crc32c(struct dmirage_sqe *sqe, uint64_t cookie,
			 const void *src, uint64_t len)
{
	prep(sqe, cookie, DMIRAGE_OP_CRC32C);
	sqe->src = (uintptr_t)src;
	sqe->len = len;
}

void dmirage_prep_touch_read(struct dmirage_sqe *sqe, uint64_t cookie,
			     const void *src, uint64_t len)
{
	prep(sqe, cookie, DMIRAGE_OP_TOUCH_READ);
	sqe->src = (uintptr_t)src;
	sqe->len = len;
}

void dmirage_prep_touch_write(struct dmirage_sqe *sqe, uint64_t cookie,
			      void *dst, uint64_t len)
{
	prep(sqe, cookie, DMIRAGE_OP_TOUCH_WRITE);
	sqe->dst = (uintptr_t)dst;
	sqe->len = len;
}

void dmirage_prep_nop(struct dmirage_sqe *sqe, uint64_t cookie)
{
	prep(sqe, cookie, DMIRAGE_OP_NOP);
}

void dmirage_chain(struct dmirage_sqe *sqes, unsigned int n)
{
	unsigned int i;

	for (i = 0; i + 1 < n; i++)
		sqes[i].flags |= DMIRAGE_SQE_CHAIN;
}
