/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Violations by their causes: one change of the kernel to a page table may leave
 * hundreds of translations stale, and needs to be told once.
 */
#ifndef DMIRAGE_CAUSES_H
#define DMIRAGE_CAUSES_H

#include <stddef.h>
#include <linux/types.h>
#include <dmirage_hw.h>
#include <dmirage.h>

/**
 * struct cause - violations that are alike
 *
 * In how they were found, kind, device, context and process, and by watch in the
 * functions of the call chain, or in the one that made the store if there is no
 * chain; else in operation, direction and holder.
 *
 * @dev:   PCI address of the device, or empty
 * @first: the first one
 * @count: how many
 * @addr_min, @addr_max: between which addresses
 * @time_last: @time_ns of the last one
 */
struct cause {
	char dev[32];
	struct dmirage_violation first;
	__u64 count;
	__u64 addr_min;
	__u64 addr_max;
	__u64 time_last;
};

/**
 * struct causes - those there have been, in the order of their first violations
 * @list: of them
 * @n:    how many
 * @room: for so many
 */
struct causes {
	struct cause *list;
	size_t n;
	size_t room;
};

/**
 * causes_add() - put a violation to those of its kind
 * @c:   all zero at first
 * @dev: where it was, or ""
 *
 * Return: its cause, good until the next call; it is a new one if its @count is
 * 1.  NULL: no memory.
 */
const struct cause *causes_add(struct causes *c, const char *dev,
			       const struct dmirage_violation *v);

void causes_free(struct causes *c);

#endif /* DMIRAGE_CAUSES_H */
