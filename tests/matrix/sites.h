/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which of the kernel's notifier sites have fired, with which event, for which range.
 *
 * Concepts
 *
 *   Calls into the notifiers are recorded by the kernel (tracing.h) from sites_start() on,
 *   of all processes, as long as their address space has a subscriber.  sites_take()
 *   fetches them, says which sites they came from (site_table.h), and adds them up for
 *   sites_print().
 *
 *   A caller that the table does not know is called "?function+offset", and is a fault of
 *   the table.  Records that the kernel had to overwrite are counted as lost.
 *
 * One thread.  Errors: negative errno; sites_why() then has a sentence for a person.
 */
#ifndef DMIRAGE_MATRIX_SITES_H
#define DMIRAGE_MATRIX_SITES_H

#include <stdio.h>

#include "ktap.h"

#define SITES_CELLS	5

/**
 * struct sites_hit - a site that has fired
 * @site:  "rmap:try_to_migrate_one", or "?function+0x12"
 * @event: "CLEAR"; "SECONDARY" and the like for what interval notifiers do not get
 * @told:  it is of what interval notifiers get
 * @start: first byte
 * @end:   behind the last one; ULONG_MAX for the whole address space
 */
struct sites_hit {
	const char *site;
	const char *event;
	bool told;
	u64 start;
	u64 end;
};

/**
 * sites_start() - begin to record; needs root, and tracefs
 *
 * Removes what a run left behind that did not come to its end, and begins to count anew.
 *
 * Return: 0; -EBUSY another process records; -ENOSYS this kernel has no notifiers; what
 * reading /proc/kallsyms and writing to tracefs fail with.
 */
int sites_start(void);
const char *sites_why(void);

/* Not now, or once more: for what would call notifiers without an end. */
void sites_pause(bool pause);

/* No more; tracefs is as it was.  The sums stay, for sites_print(). */
void sites_stop(void);

/**
 * sites_take() - what has fired since the last time
 * @cell: the name of what it was that was done; NULL: nothing to remember
 * @hit:  called for each, in order for each processor; or NULL
 *
 * Return: how many; -EOVERFLOW some are lost, and the others have been reported; -EPROTO
 * the kernel's records are not as they should be; -ENOMEM.
 */
long sites_take(const char *cell, void (*hit)(void *arg, const struct sites_hit *hit), void *arg);

/* Since sites_start(): of sites that the table does not know, and records lost. */
u64 sites_unknown(void);
u64 sites_lost(void);

/* A size for a person: "4K", "2M", "1G"; "all" for one that ends where the addresses do. */
void sites_size(char *text, size_t size, u64 start, u64 end);

/**
 * sites_print() - all there is to know, as a line "sites: {…}"
 *
 *	{"kernel":612,"lost":0,"unknown":0,"sites":[
 *	 {"site":"rmap:try_to_migrate_one","event":"CLEAR","fired":12,
 *	  "ranges":{"4K":3,"2M":9},"cells":["move-pages/thp/mirror/read"],
 *	  "told":true,"exists":true,"reachable":true,"why":""}, …]}
 *
 * All sites of the table are there, and behind them the unknown ones that have fired.
 * "exists" is about this kernel; "reachable" is false with a reason in "why".  Of cells
 * the first SITES_CELLS are kept.
 */
void sites_print(FILE *out);

#endif /* DMIRAGE_MATRIX_SITES_H */
