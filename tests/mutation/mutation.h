/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Mutants: bugs that are put in one at a time, to see whether dmirage's tests fail.
 *
 * Concepts
 *
 *   A *scenario* is a test of a guest program.  It runs with a mutant and, in between,
 *   without, each time in a new process.  A test that passes without and fails with it
 *   *kills* it; if it passes, the mutant has *survived*; if it fails without, or the
 *   oracle has a record then, that is a *false alarm*.
 *
 *   The *strength* is by what it was noticed: something was not what it should be (data:
 *   a value, a status, a right, a time), or the oracle recorded it, by access, audit or
 *   watch.
 */
#ifndef DMIRAGE_MUTATION_H
#define DMIRAGE_MUTATION_H

#include <stdbool.h>
#include <stddef.h>

enum family {
	FAMILY_KERNEL, /* by the module, tests/mutants/ */
	FAMILY_DRIVER, /* a fault mode */
	FAMILY_DEVICE, /* the device's property x-mutant */
	FAMILY_ORACLE, /* the same, and a fault mode that it is made blind to */
	FAMILIES,
};

#define SCENARIOS 3

/**
 * struct mutant - a row of the table
 * @name:       as those call it who put it in
 * @family:     who does
 * @scenarios:  "program:test", each of which has to kill it; those of the kernel's put it
 *              in by themselves, and pass if they notice
 * @fault_mode: of the oracle's: what it is made blind to
 * @core:       make check has it, too
 * @waits:      its scenario mostly waits, so that several runs go side by side
 * @equivalent: why nothing that can be observed changes, or NULL
 */
struct mutant {
	const char *name;
	enum family family;
	const char *scenarios[SCENARIOS];
	const char *fault_mode;
	bool core;
	bool waits;
	const char *equivalent;
};

extern const struct mutant mutants[];
extern const size_t mutants_count;

enum strength {
	BY_DATA,
	BY_ACCESS,
	BY_AUDIT,
	BY_WATCH,
	STRENGTHS,
};

#define TEXT_MAX 16384

/**
 * struct outcome - what a run came to
 * @passed:  the test did
 * @skipped: the test was; @why
 * @by:      1 << enum strength: what noticed something
 * @noticed: operations of the device until then, if anything was
 * @alarm:   a scenario that has runs without a mutant itself: one of them failed
 * @named:   the kernel's function that a report by watch named as it should, or empty
 * @text:    what the test said
 */
struct outcome {
	bool passed, skipped;
	char why[200];
	unsigned int by;
	unsigned long long noticed;
	bool alarm;
	char named[64];
	char text[TEXT_MAX];
};

/*
 * Runs a scenario.  @fault_mode: that each context gets; "none": the test's clean half
 * alone; NULL: a test that puts mutants in itself.  @alone: of which the clean half is
 * left out.
 */
void scenario_run(const char *scenario, const char *fault_mode, bool alone, struct outcome *o);

/* The same @n times side by side; what the oracle says then is said of all. */
#define SIDE_BY_SIDE 5
void scenario_run_several(const char *scenario, const char *fault_mode, unsigned int n,
			  struct outcome *o);

/* Has the device another mutant, by the machine's monitor: what is written to @out. */
bool device_put(int out, const char *name);

#endif /* DMIRAGE_MUTATION_H */
