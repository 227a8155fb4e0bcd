/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Mutants: old bugs of the kernel, put back by a module for one process
 * (tests/mutants/).  These end the test when probe.h's functions fail.
 */
#ifndef DMIRAGE_TEST_MUTANT_H
#define DMIRAGE_TEST_MUTANT_H

#include "common.h"

/**
 * struct mutant_row - a line of the module's list
 * @why_not: it cannot be armed here; empty: it can
 * @function: that a report by watch has in its call chain
 */
struct mutant_row {
	char name[40];
	char why_not[128];
	char commit[16];
	char title[160];
	char function[64];
};

/* Loads the module if it is not there; skips the test if this kernel has none. */
void mutant_need(void);

/* For atexit(); who finds the module loaded leaves it so. */
void mutant_tidy(void);

/* All of the list, at most @max; returns how many. */
unsigned int mutant_list(struct mutant_row *rows, unsigned int max);

/* Ends the test if there is none of that name, and skips it if it is not for here. */
struct mutant_row mutant_row(const char *name);

/* Does a line of "state" read "@key @value"? */
bool mutant_state_is(const char *key, const char *value);

u64 mutant_hits(void);

/* For a process, which had none. */
void mutant_arm(pid_t pid, const char *name);
void mutant_disarm(void);

/* For how long notifications that are late wait. */
void mutant_wait_late(unsigned int ms);

#endif /* DMIRAGE_TEST_MUTANT_H */
