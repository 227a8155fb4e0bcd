// SPDX-License-Identifier: GPL-2.0
/* The names of the fault modes; see fault_mode.h */

#include "fault_mode.h"

const struct dmirage_fault_mode_info dmirage_fault_modes[DMIRAGE_FM_MAX] = {
	[DMIRAGE_FM_NONE] = { "none", "nothing" },
	/*
	 * 369ea8242c0f is such a bug of the kernel's.  A 2 MiB entry that is
	 * hit is split, as a device with 4 KiB pages saw it.
	 */
	[DMIRAGE_FM_INVAL_FIRST_PAGE] = {
		"inval-first-page",
		"an MMU notifier looks at the first page of its range only",
	},
};
