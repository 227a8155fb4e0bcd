/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fault modes: driver bugs to be put in, one at a time, per context, by root
 * (debugfs, ctx<asid>/fault_mode), as negative controls: a test that watches for
 * a bug of this kind has to find it.
 *
 * A mode has a line here and one with its name and what the driver then does
 * wrong in fault_mode.c.  Where the driver does it, dmirage_fm() asks.  A mode
 * must not let the kernel come to harm: it may make the *device* use what it
 * should not, never the driver.
 */
#ifndef DMIRAGE_FAULT_MODE_H
#define DMIRAGE_FAULT_MODE_H

enum dmirage_fault_mode {
	DMIRAGE_FM_NONE,
	DMIRAGE_FM_INVAL_FIRST_PAGE,
	DMIRAGE_FM_MAX
};

/**
 * struct dmirage_fault_mode_info - a mode as people see it
 * @name: what is read from and written to debugfs
 * @text: what the driver does wrong, in one line
 */
struct dmirage_fault_mode_info {
	const char *name;
	const char *text;
};

extern const struct dmirage_fault_mode_info dmirage_fault_modes[DMIRAGE_FM_MAX];

/* Is this mode in force?  For places that may be asked without ctx->lock. */
#define dmirage_fm(ctx, mode) unlikely(READ_ONCE((ctx)->fault_mode) == (mode))

#endif /* DMIRAGE_FAULT_MODE_H */
