// SPDX-License-Identifier: GPL-2.0
/* The mutants, and what has to kill them.  See mutation.h. */
#include "mutation.h"

#define KERNEL(mutant, program) \
	{ .name = mutant, .family = FAMILY_KERNEL, .scenarios = { program ":" mutant } }
/* Those of the seeds that the project began with. */
#define KERNEL_CORE(mutant, program)                        \
	{                                                   \
		.name = mutant, .family = FAMILY_KERNEL,    \
		.scenarios = { program ":" mutant }, .core = true, \
	}
#define DRIVER(mode, ...) \
	{ .name = mode, .family = FAMILY_DRIVER, .scenarios = { __VA_ARGS__ } }
#define DRIVER_CORE(mode, ...)                                  \
	{                                                       \
		.name = mode, .family = FAMILY_DRIVER,          \
		.scenarios = { __VA_ARGS__ }, .core = true, \
	}
#define DRIVER_WAITS(mode, ...)                                  \
	{                                                        \
		.name = mode, .family = FAMILY_DRIVER,           \
		.scenarios = { __VA_ARGS__ }, .waits = true, \
	}
#define DEVICE(mutant, ...) \
	{ .name = mutant, .family = FAMILY_DEVICE, .scenarios = { __VA_ARGS__ } }

const struct mutant mutants[] = {
	KERNEL_CORE("first-page", "mutants"),
	KERNEL_CORE("shared-pmd-migrate", "mutants"),
	KERNEL("shared-pmd-protect", "mutants"),
	KERNEL("pud-adjust", "mutants"),
	KERNEL("dontneed-hugetlb", "mutants"),
	KERNEL("split-unshare", "mutants"),
	KERNEL("unshare-first", "mutants"),
	KERNEL("collapse-range", "mutants"),
	KERNEL("collapse-silent", "mutants"),
	KERNEL("mremap-late", "mutants"),
	KERNEL_CORE("unmap-late", "mutants"),
	KERNEL("unshare-no-flush", "mutants_shared"),
	KERNEL("numa-thp", "mutants_shared"),
	KERNEL("shared-pmd-flush", "mutants_shared"),
	KERNEL("cow-no-flush", "mutants_shared"),
	KERNEL("range-end-silent", "mutants_shared"),
	KERNEL("no-secondary", "mutants_shared"),
	KERNEL("arch-silent", "mutants_shared"),

	DRIVER_CORE("inval-ignored", "modes_inval:inval-ignored-thp", "watch_modes:inval-ignored-4k"),
	DRIVER_CORE("inval-first-page", "migrate:clean-thp", "watch_modes:inval-first-page"),
	DRIVER("no-read-retry", "modes_fault:no-read-retry", "watch_modes:no-read-retry"),
	DRIVER("retry-unlocked", "modes_fault:retry-unlocked", "watch_modes:retry-unlocked"),
	DRIVER("no-set-seq", "modes_fault:no-set-seq", "watch_modes:no-set-seq"),
	DRIVER("huge-past-region", "modes_fault:huge-past-region-thp"),
	DRIVER("head-frame", "modes_fault:head-frame-thp", "watch_modes:head-frame"),
	DRIVER("sync-address-only", "modes_inval:sync-address-only"),
	DRIVER("flush-before-clear", "modes_flush:flush-before-clear",
	       "watch_modes:flush-before-clear"),
	DRIVER_CORE("no-flush", "modes_flush:no-flush", "watch_modes:no-flush-unmap"),
	DRIVER("no-wait", "modes_flush:no-wait-access", "watch_modes:no-wait"),
	DRIVER_CORE("no-drain", "modes_flush:no-drain", "watch_modes:no-drain"),
	DRIVER_CORE("write-kept", "modes_rights:write-kept-fork",
		    "modes_rights:write-kept-mprotect-4k", "watch_modes:write-kept"),
	DRIVER("vma-flags-only", "modes_rights:vma-flags-only-fork", "watch_modes:vma-flags-only"),
	DRIVER("read-grants-write", "modes_rights:read-grants-write-fork",
	       "watch_modes:read-grants-write"),
	DRIVER_CORE("not-dirty", "modes_inval:not-dirty"),
	DRIVER("keep-walk-cache", "modes_walk:keep-walk-cache"),
	DRIVER("any-caller", "modes_end:any-caller"),
	DRIVER_WAITS("ignore-release", "modes_end:ignore-release"),
	DRIVER("fault-lock-in-notifier", "modes_end:fault-lock-in-notifier"),
	DRIVER_WAITS("sleep-anyway", "modes_sleep:sleep-anyway"),
	DRIVER("refuse-blockable", "modes_sleep:refuse-blockable", "watch_modes:refuse-blockable"),
	DRIVER("end-overflow", "modes_range:end-overflow", "watch_modes:end-overflow"),
	DRIVER("unclamped-loop", "modes_range:unclamped-loop"),
	DRIVER_WAITS("no-fault-limit", "modes_end:no-fault-limit"),
	DRIVER_CORE("keep-page", "modes_end:keep-page"),
	{ .name = "free-before-remove",
	  .family = FAMILY_DRIVER,
	  .scenarios = { "modes_end:free-before-remove" },
	  .equivalent = "nothing is freed: the driver counts that its callback came to what "
			"was only marked as freed" },
	DRIVER("defer-unmap", "modes_range:defer-unmap", "watch_modes:defer-unmap"),
	DRIVER_CORE("mask-flush", "modes_range:mask-flush", "watch_modes:mask-flush"),
	DRIVER("one-region", "modes_range:one-region", "watch_modes:one-region"),

	DEVICE("ack-early", "modes_flush:no-drain", "modes_flush:no-wait-answer"),
	DEVICE("drop-flush", "migrate:clean-4k-range"),
	DEVICE("flush-small", "migrate:clean-thp", "notify:munmap-thp"),
	DEVICE("keep-walk-cache", "modes_walk:keep-walk-cache"),
	DEVICE("any-asid", "iotlb:same-address"),

	{ .name = "blind-frame",
	  .family = FAMILY_ORACLE,
	  .scenarios = { "modes_inval:inval-ignored-thp" },
	  .fault_mode = "inval-ignored" },
	{ .name = "blind-write",
	  .family = FAMILY_ORACLE,
	  .scenarios = { "modes_rights:write-kept-mprotect-4k" },
	  .fault_mode = "write-kept" },
	{ .name = "blind-large",
	  .family = FAMILY_ORACLE,
	  .scenarios = { "notify:dontneed-4k-in-thp" },
	  .fault_mode = "inval-ignored" },
};

const size_t mutants_count = sizeof(mutants) / sizeof(mutants[0]);
