/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pages that are freed while contexts never leave them alone, and belong to another
 * mapping at once.  Neither may see what is the other's.
 */
#ifndef DMIRAGE_TEST_REUSE_H
#define DMIRAGE_TEST_REUSE_H

#include "seed.h"

/* How they are freed. */
enum {
	REUSE_MUNMAP,
	REUSE_DONTNEED, /* who faults has others there at once */
};

/* A scenario: rounds of that. */
void reuse(unsigned int mode, enum seed_order order, int how);

/*
 * The same once, with the fault mode inval-ignored, and seen from both sides.  The page
 * has another owner by then, and nobody else comes to harm.
 */
void reuse_caught(int mode);

#endif /* DMIRAGE_TEST_REUSE_H */
