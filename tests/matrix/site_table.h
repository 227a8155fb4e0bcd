/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the kernel tells its MMU notifiers: the sites, and how to know one by its symbol.
 *
 * Concepts
 *
 *   A *site* is a function of the kernel's source that calls into the notifiers, with
 *   the event that it gives: "rmap:try_to_migrate_one", CLEAR.  Its *symbols* are the
 *   functions that a return address may be in: the compiler puts static functions into
 *   their callers.  They are what Debian's kernels of the series have; from another
 *   compiler a site may have one that is not listed, and is then unknown when it fires.
 *
 *   What interval notifiers get is between SITE_UNMAP and SITE_EXCLUSIVE, with the
 *   kernel's own numbers.  The rest is what other subscribers get: SITE_SECONDARY those
 *   that share the process's page table; who changes an entry and who asks if a page was
 *   used, those that have tables of their own and no interval (KVM).
 */
#ifndef DMIRAGE_MATRIX_SITE_TABLE_H
#define DMIRAGE_MATRIX_SITE_TABLE_H

#include "ktap.h"

enum site_event {
	SITE_UNMAP,
	SITE_CLEAR,
	SITE_PROT_VMA,
	SITE_PROT_PAGE,
	SITE_SOFT_DIRTY,
	SITE_RELEASE,
	SITE_MIGRATE,
	SITE_EXCLUSIVE,
	SITE_SECONDARY,
	SITE_CHANGE_PTE,
	SITE_FLUSH_YOUNG,
	SITE_CLEAR_YOUNG,
	SITE_TEST_YOUNG,
	SITE_EVENTS
};

/**
 * struct site - one of them
 * @name:    "file:function" as in the source
 * @event:   what it tells
 * @since:   first series that has it, 601 for 6.1; 0: all of ours.  Exact only as far as
 *           5.10, 6.1 and 6.12 are concerned
 * @until:   last series that has it; 0: all
 * @symbols: where it may have been compiled into
 * @never:   why nobody in a guest of ours can make it fire; NULL: it can be
 */
struct site {
	const char *name;
	enum site_event event;
	unsigned int since, until;
	const char *symbols[3];
	const char *never;
};

extern const struct site site_table[];
extern const unsigned int site_count;

/* "CLEAR"; "EVENT-9" for what is not known. */
const char *site_event_name(unsigned int event);

/**
 * site_find() - the site in a function of the kernel
 * @symbol: as the kernel has it
 * @series: of the kernel
 *
 * Return: NULL if none is known.
 */
const struct site *site_find(const char *symbol, unsigned int event, unsigned int series);

/* Does this kernel have it?  By its series, and by its symbols (symbols_load()). */
bool site_exists(const struct site *site, unsigned int series);

#endif /* DMIRAGE_MATRIX_SITE_TABLE_H */
