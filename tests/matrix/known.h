/* SPDX-License-Identifier: GPL-2.0 */
/* Cells that fail because of a bug of the kernel's that is not ours to mend. */
#ifndef DMIRAGE_MATRIX_KNOWN_H
#define DMIRAGE_MATRIX_KNOWN_H

#include "cell.h"

/**
 * struct known - such a bug
 * @row:     name; NULL: all
 * @columns: mask
 * @mode:    DMIRAGE_MODE_*
 * @since @before: kernels, as 612; @before 0: up to now
 * @why:     in a sentence
 * @link:    where it is told
 */
struct known {
	const char *row;
	unsigned int columns;
	unsigned int mode;
	unsigned int since, before;
	const char *why;
	const char *link;
};

/* The bug because of which it must fail, or NULL. */
const struct known *known_find(const struct cell *c);

#endif /* DMIRAGE_MATRIX_KNOWN_H */
