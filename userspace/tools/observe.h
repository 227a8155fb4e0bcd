/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of `dmirage observe` share.
 *
 * Concepts
 *
 *   A *view* is a context attached to an address space that is observed, with what is
 *   needed to touch its memory.  It ends with the address space.
 *
 *   A *process* is one that is followed.  It has one view at a time, after execve() another
 *   one, and none while there is no address space to be had; with vfork() it has that of its
 *   parent.
 *
 *   The *policy* says what is touched, and how.  It is the same for all views.
 *
 *   The *tally* is what the summary is made of.  A view's part is added when it is closed.
 *
 * Everything is done by one thread: what it waits for are file descriptors.
 */
#ifndef DMIRAGE_OBSERVE_H
#define DMIRAGE_OBSERVE_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "causes.h"
#include "libdmirage.h"

#define PAGE_BYTES	4096ull
#define BLOCK_BYTES	(2ull << 20)
#define BLOCK_PAGES	(BLOCK_BYTES / PAGE_BYTES)

/* CLOCK_MONOTONIC, ns */
__u64 observe_now(void);

/**
 * struct policy - what is touched, and how
 * @device:     file, or NULL
 * @fault_mode: a driver's bug to put in, or NULL
 * @mode:       DMIRAGE_MODE_*
 * @watch:      the device can watch stores
 * @read, @write: how memory is touched; both: in turn
 * @start, @end: only there
 * @rate:       pages a second, of all views together
 */
struct policy {
	const char *device;
	const char *fault_mode;
	unsigned int mode;
	bool watch;
	bool read, write;
	__u64 start, end;
	__u64 rate;
};

/**
 * struct tally - what came of it
 * @processes:  that were followed
 * @spaces:     address spaces that had a context
 * @missed:     address spaces that were gone before they could have one
 * @crowded:    times that the device had no context left
 * @deaf:       times that the kernel had more events than there was room for
 * @pages:      touched
 * @refused:    operations that ended before their end: what they were for had gone
 * @made_4k, @made_2m, @made_1g: translations; in shared mode @made_4k, what was looked up
 * @taken:      translations that were taken away
 * @again:      made after they had been taken away
 * @invalidations, @faults: as in struct dmirage_counters
 * @stores:     judged by the watch
 * @violations: records of them
 * @lost:       records that nobody could read
 * @causes:     of them
 * @dev:        the device's PCI address
 */
struct tally {
	__u64 processes, spaces, missed, crowded, deaf;
	__u64 pages, refused;
	__u64 made_4k, made_2m, made_1g, taken, again;
	__u64 invalidations, faults, stores;
	__u64 violations, lost;
	struct causes causes;
	char dev[32];
};

/* ---- Memory of a process (observe_maps.c) -------------------------------- */

/**
 * struct vma - a mapping that may be touched
 * @write:   the process may write to it
 * @shy_until: the device was refused something there, and does not ask again before
 */
struct vma {
	__u64 start, end;
	bool write;
	__u64 shy_until;
};

/**
 * struct maps - the mappings of an address space, in order
 * @maps @pagemap: its files in /proc, which stay those of this address space
 * @list @n @room: the mappings
 * @read_at: when they were read
 * @cost:    how long that took, ns
 */
struct maps {
	int maps, pagemap;
	struct vma *list;
	size_t n, room;
	__u64 read_at, cost;
};

/* 0, or a negative errno; on an error it holds nothing. */
int maps_open(struct maps *m, pid_t pid);
void maps_close(struct maps *m);

/* Read the mappings anew: those between @start and @end that can be read. */
void maps_read(struct maps *m, __u64 start, __u64 end);

/* The first mapping that ends behind @addr; NULL: none. */
struct vma *maps_at(struct maps *m, __u64 addr);

/**
 * maps_present() - which pages are there
 * @first:   number of the first page
 * @present: room for @n of them
 *
 * Return: how many of them there are; 0 also if the address space has ended.
 */
unsigned int maps_present(const struct maps *m, __u64 first, bool *present, unsigned int n);

/* ---- Where memory was invalidated (observe_recent.c) --------------------- */

#define RECENT_MAX	64

/**
 * struct recent - blocks of 2 MiB, by number
 * @list @n:    those that lost translations lately, the last one first
 * @seen @room @used: those that have been touched, a hash table
 */
struct recent {
	__u64 list[RECENT_MAX];
	unsigned int n;
	struct recent_block *seen;
	size_t room, used;
};

/**
 * recent_touched() - it has just been touched
 * @losses: how many there have been up to now
 *
 * Return: how many of them since it was touched the time before; 0 if it never was.
 */
__u64 recent_touched(struct recent *r, __u64 block, __u64 losses);

/* It lost translations. */
void recent_add(struct recent *r, __u64 block);
void recent_free(struct recent *r);

/* ---- Views (observe_view.c) ---------------------------------------------- */

/**
 * struct view - see above
 * @d:      the context
 * @event:  readable when there are completions
 * @refs:   processes that have it
 * @maps @recent: of the address space
 * @next:   where the pass over all of it goes on
 * @found:  this pass has found pages
 * @writing: this pass writes
 * @turn:   blocks touched, to take turns between recent ones and the others
 * @turn_recent: the next one of @recent
 * @block:  the block that is being touched
 * @invalidations @made: the context's counters before that
 * @again @pages @refused: for the tally
 * @rest_until: nothing was found to be touched
 */
struct view {
	struct dmirage *d;
	int event;
	unsigned int refs;
	struct maps maps;
	struct recent recent;
	__u64 next;
	bool found, writing;
	unsigned int turn, turn_recent;
	__u64 block;
	__u64 invalidations, made;
	__u64 again, pages, refused;
	__u64 rest_until;
};

/**
 * view_open() - attach to a process as it is now
 *
 * Return: 0, or a negative errno as dmirage_open(): -ESRCH, -EACCES it has no address space
 * any more, or changed it meanwhile.
 */
int view_open(const struct policy *policy, pid_t pid, int pidfd, struct view **out);

/* Put it to the tally, and free it. */
void view_close(struct view *v, struct tally *t);

/* Has its address space ended? */
bool view_ended(const struct view *v);

/* Fetch the violations that there are. */
void view_violations(struct view *v, struct tally *t);

/* Have all compared that is held now. */
void view_audit(struct view *v, struct tally *t);

/* How many translations the context has made: what is compared over time. */
__u64 view_made(const struct policy *policy, const struct dmirage_counters *c);

/* ---- What is touched next (observe_touch.c) ------------------------------ */

/**
 * touch() - take what is complete, and touch a block if nothing is under way
 * @may: another block may be begun
 *
 * Return: pages of the block that was begun, or 0.
 */
unsigned int touch(struct view *v, const struct policy *policy, bool may);

/* ---- Processes (observe_follow.c) ---------------------------------------- */

enum follow_what {
	FOLLOW_FORK,
	FOLLOW_EXEC,
	FOLLOW_LOST,	/* some events were */
};

/**
 * struct follow_event - what a process of the machine did
 * @pid:    it; of a fork, the new one
 * @parent: of a fork
 */
struct follow_event {
	enum follow_what what;
	pid_t pid, parent;
};

/* The kernel's process events from now on: a file descriptor, or a negative errno. */
int follow_open(void);

/* Take the next event that is of interest; false: there is none now. */
bool follow_next(int fd, struct follow_event *e);

/**
 * struct process - see above
 * @pidfd:   readable when it has ended
 * @view:    or NULL
 * @retry:   when to attach again, if it has none
 * @covered: its address space has had a view
 * @shares:  the view is its parent's (vfork())
 * @waiting: it is our own child still, and has not executed the program
 */
struct process {
	pid_t pid;
	int pidfd;
	struct view *view;
	__u64 retry;
	bool covered, shares, waiting;
};

/**
 * struct herd - the processes that are followed, and all views
 * @events: from follow_open()
 * @self:   our own number
 */
struct herd {
	const struct policy *policy;
	struct tally *tally;
	struct process *list;
	size_t n, room;
	struct view **views;
	size_t n_views, views_room;
	int events;
	pid_t self;
};

/**
 * herd_add() - follow a process
 * @waiting: it has yet to execute the program
 *
 * Return: 0; what attaching to it failed with, if anything did.  It is followed all the
 * same, unless it has ended.
 */
int herd_add(struct herd *h, pid_t pid, pid_t parent, bool waiting);

/* The same for all of its children, and theirs. */
void herd_add_children(struct herd *h, pid_t pid);

/* A process that was waiting has executed the program. */
void herd_go(struct herd *h, pid_t pid);

/* Take the events that there are, then attach to whom there is no view of, and forget who
 * has ended. */
void herd_look(struct herd *h);

/* Forget all. */
void herd_end(struct herd *h);

/* ---- What is said at the end (observe_summary.c) ------------------------- */

/**
 * struct outcome - beside the tally
 * @name:   of the program, or the number of the process
 * @status: as it ended, for exit(); -1 it has not
 * @ns:     how long it was observed
 */
struct outcome {
	const char *name;
	int status;
	__u64 ns;
};

void summary_print(FILE *f, const struct policy *policy, const struct tally *t,
		   const struct outcome *o);
void summary_json(FILE *f, const struct policy *policy, const struct tally *t,
		  const struct outcome *o);

#endif /* DMIRAGE_OBSERVE_H */
