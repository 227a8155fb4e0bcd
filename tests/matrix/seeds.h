/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The named scenarios (tests/guest/seed_*.c), as a second table: what they are is in
 * the names of their tests, "scenario:mode:order".
 */
#ifndef DMIRAGE_MATRIX_SEEDS_H
#define DMIRAGE_MATRIX_SEEDS_H

#include "ktap.h"

/**
 * struct seed - a test of such a program
 * @row:    program and scenario, "seed-000 thp-migration"
 * @column: order, "translated"
 * @mode:   "mirror"
 */
struct seed {
	char row[96];
	char column[64];
	char mode[16];
};

/* @text: what it said; @why: of one that was skipped. */
typedef void seed_fn(const struct seed *s, enum ktap_verdict verdict, const char *why, u64 ms,
		     const char *text);

/* Runs those programs whose names have @part in them, and calls @fn for each test. */
void seeds_run(const char *part, seed_fn *fn);

#endif /* DMIRAGE_MATRIX_SEEDS_H */
