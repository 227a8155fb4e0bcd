/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fault modes: driver bugs to be put in, one at a time, per context, by root
 * (debugfs, ctx<asid>/fault_mode), as negative controls: a test that watches for
 * a bug of this kind has to find it.
 *
 * Each line here is a mode: its constant, its name, and what the driver then
 * does wrong.  Where it does it, dmirage_fm() asks.  A mode must not let the
 * kernel come to harm: it may make the *device* use what it should not, never
 * the driver.
 */
#ifndef DMIRAGE_FAULT_MODE_H
#define DMIRAGE_FAULT_MODE_H

#define DMIRAGE_FAULT_MODES(X)						\
	X(NONE, "none", "nothing")					\
	/* 369ea8242c0f is such a bug of the kernel's.  A 2 MiB entry	\
	 * that is hit is split, as a device with 4 KiB pages saw it. */ \
	X(INVAL_FIRST_PAGE, "inval-first-page",				\
	  "an MMU notifier looks at the first page of its range only")

#define DMIRAGE_FM_ENUM(id, name, text) DMIRAGE_FM_##id,
enum dmirage_fault_mode {
	DMIRAGE_FAULT_MODES(DMIRAGE_FM_ENUM)
	DMIRAGE_FM_MAX
};

#undef DMIRAGE_FM_ENUM

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
#define dmirage_fm(ctx, id)						\
	(unlikely(READ_ONCE((ctx)->fault_mode) == DMIRAGE_FM_##id))

#endif /* DMIRAGE_FAULT_MODE_H */
