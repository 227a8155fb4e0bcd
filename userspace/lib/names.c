// SPDX-License-Identifier: GPL-2.0
/*
 * Names of the numbers in the interface.
 */
#include <stddef.h>

#include "libdmirage.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char *const statuses[] = {
	[DMIRAGE_ST_OK] = "ok",
	[DMIRAGE_ST_BAD_OPCODE] = "bad opcode",
	[DMIRAGE_ST_BAD_FIELD] = "bad field",
	[DMIRAGE_ST_BAD_LENGTH] = "bad length",
	[DMIRAGE_ST_BAD_ADDRESS] = "bad address",
	[DMIRAGE_ST_FAULT] = "fault",
	[DMIRAGE_ST_FAULT_LIMIT] = "fault limit",
	[DMIRAGE_ST_DMA_ERROR] = "dma error",
	[DMIRAGE_ST_TABLE_ERROR] = "table error",
	[DMIRAGE_ST_DOORBELL] = "bad doorbell",
	[DMIRAGE_ST_BAD_ALIGN] = "bad alignment",
	[DMIRAGE_ST_BAD_CHAIN] = "bad chain",
};

static const char *const violations[] = {
	[DMIRAGE_VIOL_NONE] = "none",
	[DMIRAGE_VIOL_FRAME] = "stale frame",
	[DMIRAGE_VIOL_ABSENT] = "stale translation",
	[DMIRAGE_VIOL_WRITE] = "stale write permission",
	[DMIRAGE_VIOL_DIVERGED] = "diverged frame",
};

static const char *const ops[] = {
	[DMIRAGE_OP_NOP] = "nop",
	[DMIRAGE_OP_COPY] = "copy",
	[DMIRAGE_OP_FILL] = "fill",
	[DMIRAGE_OP_READ_IMM] = "read_imm",
	[DMIRAGE_OP_WRITE_IMM] = "write_imm",
	[DMIRAGE_OP_CAS] = "cas",
	[DMIRAGE_OP_FETCH_ADD] = "fetch_add",
	[DMIRAGE_OP_CRC32C] = "crc32c",
	[DMIRAGE_OP_TOUCH_READ] = "touch_read",
	[DMIRAGE_OP_TOUCH_WRITE] = "touch_write",
	[DMIRAGE_OP_CALIBRATE] = "calibrate",
};

static const char *const holders[] = {
	[DMIRAGE_HELD_LATCHED] = "a latch",
	[DMIRAGE_HELD_IOTLB] = "the IOTLB",
	[DMIRAGE_HELD_TABLE] = "the mirror table",
};

static const char *const modes[] = {
	[DMIRAGE_MODE_MIRROR] = "mirror",
	[DMIRAGE_MODE_PINNED] = "pinned",
	[DMIRAGE_MODE_SHARED] = "shared",
};

_Static_assert(ARRAY_SIZE(statuses) == DMIRAGE_ST_MAX, "a name per status");
_Static_assert(ARRAY_SIZE(ops) == DMIRAGE_OP_MAX, "a name per operation");
_Static_assert(ARRAY_SIZE(violations) == DMIRAGE_VIOL_MAX, "a name per kind");

static const char *name(const char *const *names, size_t n, unsigned int i)
{
	return i < n && names[i] ? names[i] : "unknown";
}

const char *dmirage_status_str(unsigned int status)
{
	return name(statuses, ARRAY_SIZE(statuses), status);
}

const char *dmirage_violation_str(unsigned int kind)
{
	return name(violations, ARRAY_SIZE(violations), kind);
}

const char *dmirage_op_str(unsigned int opcode)
{
	return name(ops, ARRAY_SIZE(ops), opcode);
}

const char *dmirage_holder_str(unsigned int holder)
{
	return name(holders, ARRAY_SIZE(holders), holder);
}

const char *dmirage_mode_str(unsigned int mode)
{
	return name(modes, ARRAY_SIZE(modes), mode);
}
