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
	[DMIRAGE_FM_INVAL_IGNORED] = {
		"inval-ignored",
		"an MMU notifier does nothing",
	},
	[DMIRAGE_FM_WRITE_KEPT] = {
		"write-kept",
		"an MMU notifier that only takes rights away does nothing",
	},
	[DMIRAGE_FM_FLUSH_BEFORE_CLEAR] = {
		"flush-before-clear",
		"the device is told to forget entries before they are cleared",
	},
	[DMIRAGE_FM_NO_FLUSH] = {
		"no-flush",
		"entries are cleared, and the device is not told",
	},
	[DMIRAGE_FM_NO_WAIT] = {
		"no-wait",
		"a flush is sent, and its answer is not awaited",
	},
	[DMIRAGE_FM_NO_DRAIN] = {
		"no-drain",
		"a flush is over when the device has taken the command",
	},
	[DMIRAGE_FM_NO_SET_SEQ] = {
		"no-set-seq",
		"an MMU notifier does not write the sequence number",
	},
	[DMIRAGE_FM_SYNC_ADDRESS_ONLY] = {
		"sync-address-only",
		"shared mode: of a range the device is told the first page",
	},
	[DMIRAGE_FM_NOT_DIRTY] = {
		"not-dirty",
		"a page that the device could write is not marked dirty",
	},
	[DMIRAGE_FM_NO_READ_RETRY] = {
		"no-read-retry",
		"a fault does not compare the sequence number",
	},
	[DMIRAGE_FM_RETRY_UNLOCKED] = {
		"retry-unlocked",
		"a fault compares the sequence number before it has the lock",
	},
	[DMIRAGE_FM_HUGE_PAST_REGION] = {
		"huge-past-region",
		"a 2 MiB entry may go beyond its region",
	},
	[DMIRAGE_FM_HEAD_FRAME] = {
		"head-frame",
		"a 4 KiB entry in a huge page gets the first frame of that",
	},
	[DMIRAGE_FM_VMA_FLAGS_ONLY] = {
		"vma-flags-only",
		"may the device write? the VMA is asked, and not the page table",
	},
	[DMIRAGE_FM_READ_GRANTS_WRITE] = {
		"read-grants-write",
		"a read fault permits writing",
	},

	[DMIRAGE_FM_ANY_CALLER] = {
		"any-caller",
		"a file works for whoever has it, on its opener's memory",
	},
	[DMIRAGE_FM_IGNORE_RELEASE] = {
		"ignore-release",
		"the end of the address space does not stop the context",
	},
	[DMIRAGE_FM_FAULT_LOCK] = {
		"fault-lock-in-notifier",
		"an MMU notifier waits for the lock that faults hold (1 s at most)",
	},
	[DMIRAGE_FM_SLEEP_ANYWAY] = {
		"sleep-anyway",
		"an MMU notifier that may not sleep waits for the lock all the same",
	},
	[DMIRAGE_FM_REFUSE] = {
		"refuse-blockable",
		"an MMU notifier that may sleep refuses, and does nothing",
	},
	[DMIRAGE_FM_NO_LIMIT] = {
		"no-fault-limit",
		"a fault competes with invalidations for ever",
	},
	[DMIRAGE_FM_KEEP_PAGE] = {
		"keep-page",
		"a mirrored page is referenced until the context ends",
	},
	[DMIRAGE_FM_FREE_FIRST] = {
		"free-before-remove",
		"a region counts as freed before its notifier is removed",
	},

	[DMIRAGE_FM_KEEP_WALK] = {
		"keep-walk-cache",
		"a leaf takes the place of a table without a flush",
	},
	[DMIRAGE_FM_END_OVERFLOW] = {
		"end-overflow",
		"the end of a range is rounded up, and ULONG_MAX becomes 0",
	},
	[DMIRAGE_FM_UNCLAMPED] = {
		"unclamped-loop",
		"all pages of a range are gone through one by one (0.5 s at most)",
	},
	[DMIRAGE_FM_DEFER_UNMAP] = {
		"defer-unmap",
		"what is unmapped is left for later, which does not come",
	},
	/* 2d6ffc63f124 is such a bug of intel-iommu's */
	[DMIRAGE_FM_MASK_FLUSH] = {
		"mask-flush",
		"a flush is for 2^n pages from an address aligned to that",
	},
	[DMIRAGE_FM_ONE_REGION] = {
		"one-region",
		"of several notifiers for one change only the first does something",
	},
};
