/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of libdmirage share and its users do not see.
 */
#ifndef DMIRAGE_LIB_INTERNAL_H
#define DMIRAGE_LIB_INTERNAL_H

#include <sys/types.h>

#include "libdmirage.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "descriptors are used as they are in memory");

/**
 * struct dmirage - a handle
 * @fd:         the device file
 * @owner:      the process that opened it
 * @setup:      what the driver was asked for and answered; sq_entries is 0 for
 *              a handle without a context
 * @sq:         submission ring, NULL without a context
 * @cq:         completion ring; the device writes it
 * @db:         doorbell page, in units of 32 bits
 * @sq_head:    index of the first descriptor whose operation has not completed,
 *              as far as completions have been fetched
 * @sq_tail:    index of the next descriptor to be submitted
 * @cq_head:    index of the next completion to be fetched
 * @in_flight:  operations submitted, completion not yet fetched
 */
struct dmirage {
	int fd;
	pid_t owner;
	struct dmirage_setup setup;
	struct dmirage_sqe *sq;
	const struct dmirage_cqe *cq;
	volatile uint32_t *db;
	uint32_t sq_head;
	uint32_t sq_tail;
	uint32_t cq_head;
	uint32_t in_flight;
};

#endif /* DMIRAGE_LIB_INTERNAL_H */
