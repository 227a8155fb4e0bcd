/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A cell of the matrix: an operation (row) on memory of a kind (column), while a
 * device in a mode has translations of it, by reading or by writing.
 *
 * Concepts
 *
 *   Two contexts use the same memory: a *plain* one, which the oracle judges at each
 *   access and by audit, and a *watched* one, whose page tables are watched as well.
 *   (Pinned mode has no watch; it has the plain one alone.)
 *
 *   A row says of each place what becomes of it, and how many flushes that takes; the
 *   cell sees whether it has happened, and whether the device goes by it.
 */
#ifndef DMIRAGE_MATRIX_CELL_H
#define DMIRAGE_MATRIX_CELL_H

#include "column.h"

#define PLACES 4
/* The page near the first that operations on one page are about. */
#define PART   (5 * PROBE_4K)

/* What has become of a place. */
enum place_state {
	PLACE_SAME, /* the frame, the data and the rights as they were */
	PLACE_WP, /* the same, but who writes to it has to fault first */
	PLACE_READ_ONLY, /* the same, but it may not be written to */
	PLACE_NO_ACCESS, /* the same, but it may not be accessed */
	PLACE_KEPT, /* the data as it was, in what frame ever */
	PLACE_MOVED, /* the data as it was, in another frame */
	PLACE_DROPPED, /* the data as it was, and nothing maps it now */
	PLACE_RENEWED, /* the data as it was, and nothing or another frame maps it now */
	PLACE_REPLACED, /* other data, and nothing or another frame maps it now */
	PLACE_GONE, /* nothing may be mapped there */
};

/* How many flushes an operation takes, of the units that the device has. */
enum flushes {
	FLUSHES_NONE, /* nobody is told */
	FLUSHES_ONE, /* one for all */
	FLUSHES_UNITS, /* one for each unit that changes */
	FLUSHES_SOME, /* at least one */
	FLUSHES_ANY, /* the kernel's choice: none, or some */
};

/**
 * struct place - 8 bytes that the device uses
 * @p:     where they are now
 * @value: what they hold
 * @frame: of the page, before the operation; 0: none
 * @now:   after it; 0: none
 * @state: what has become of it
 */
struct place {
	u8 *p;
	u64 value;
	u64 frame;
	u64 now;
	enum place_state state;
};

struct row;

/**
 * struct cell - a cell
 * @row @column @mode @write: which; @write: the device writes, too
 * @area:    the memory
 * @plain:   a context
 * @watched: another one, or NULL
 * @place:   what is looked at
 * @flushes: how many there must be; the row's, unless the operation knows better
 * @old:     where the area was before, if it has another address now; the device
 *           must not get there any more
 * @child:   a process that the operation needs, killed at the end; or 0
 * @fd:      a file that the operation needs, closed at the end; or -1
 * @later:   something that waits until the device is looked at; called before
 *           anybody writes, or NULL
 * @absent:  page table entries may be gone besides, for frames that stay: those of a
 *           table that was shared, or of a file's huge page
 */
struct cell {
	const struct row *row;
	const struct column *column;
	unsigned int mode;
	bool write;
	struct area area;
	struct dmirage *plain, *watched;
	struct place place[PLACES];
	enum flushes flushes;
	u8 *old;
	pid_t child;
	int fd;
	void (*later)(struct cell *c);
	bool absent;
};

/**
 * struct row - an operation
 * @name:    as in the table, without blanks
 * @what:    in words
 * @columns: what it can be done to
 * @since:   the first kernel that has it, as 608; 0: all
 * @flushes: enum flushes
 * @modes:   1 << DMIRAGE_MODE_* of those it says nothing about, with @no_mode; else 0
 * @no_mode: why
 * @except:  columns that it cannot be done to, and why; those that are neither here nor
 *           in @columns are not for it by @else_why
 * @else_why: see there
 * @limit:   seconds; 0: the usual
 * @read_warm: the device only reads before the operation, also if it writes after it
 * @first:   what comes before there is memory; or NULL
 * @before:  what comes before the device's first access; or NULL
 * @act:     the operation, and what becomes of the places
 * @run:     in place of @before, @act and all that the cell does itself; or NULL
 */
struct row {
	const char *name;
	const char *what;
	unsigned int columns;
	unsigned int since;
	enum flushes flushes;
	unsigned int modes;
	const char *no_mode;
	struct {
		unsigned int columns;
		const char *why;
	} except[4];
	const char *else_why;
	unsigned int limit;
	bool read_warm;
	void (*first)(struct cell *c);
	void (*before)(struct cell *c);
	void (*act)(struct cell *c);
	void (*run)(struct cell *c);
};

/* ---- For rows ------------------------------------------------------------ */

static inline bool is_pinned(const struct cell *c)
{
	return c->mode == DMIRAGE_MODE_PINNED;
}

static inline bool cell_is(const struct cell *c, unsigned int of_columns)
{
	return area_is(&c->area, of_columns);
}

/* For both contexts, or the one that there is. */
#define each_context(c, d)                      \
	for (struct dmirage *d = (c)->plain; d; \
	     d = d == (c)->plain && (c)->watched != d ? (c)->watched : NULL)

/* All places, or those of the bytes @at..@at + @len of the area. */
void cell_all(struct cell *c, enum place_state state);
void cell_part(struct cell *c, size_t at, size_t len, enum place_state state);

/* The same, with other data: what the area has behind it, or @value. */
void cell_all_backing(struct cell *c);
void cell_part_replaced(struct cell *c, size_t at, size_t len, u64 value);

/*
 * Only a part of a unit was meant, or the mapping was cut in two: the other places have
 * their data, but maybe not their entries.
 */
void cell_rest_split(struct cell *c);

/* A part that is less than all: a page, or what the kernel lets be mapped alone. */
struct part {
	size_t at, len;
};

struct part cell_a_part(const struct cell *c);

/* The area is somewhere else now, with all its frames. */
void cell_moved_to(struct cell *c, u8 *addr);

/* A page moved, unless it is pinned: then it must have stayed. */
enum place_state cell_migrated(const struct cell *c);

/* The places are where the area is now, and hold what each holds there. */
void cell_places(struct cell *c);

/* A place holds another value, with or without another frame. */
void cell_value(struct cell *c, unsigned int place, u64 value);

/* A child of the process that waits until it is killed; cell->child. */
void cell_child(struct cell *c);

/* In a child process; it must end with 0.  @fn returns an errno. */
void cell_in_child(struct cell *c, int (*fn)(struct cell *c));

/* Until @done says so, touching nothing; false: it took too long. */
bool cell_wait(struct cell *c, bool (*done)(struct cell *c), unsigned int ms);

/* Fails if there are records of violations, and shows some; for who has no clean end. */
void cell_report(struct dmirage *d);

/* The frames of all places are others than before, or there are none. */
bool cell_frames_changed(struct cell *c);

/* There are none. */
bool cell_frames_gone(struct cell *c);

/* All of it is for reading only, or also for writing again. */
void cell_read_only(struct cell *c);
void cell_writable(struct cell *c);

/* ---- For the program ------------------------------------------------------- */

/* Runs it; ends the process with the verdict, as a test of ktap's does. */
void cell_run(struct cell *c);

/* Why there is no such cell, or NULL. */
const char *cell_why_not(const struct row *row, enum column_id column, unsigned int mode);

#endif /* DMIRAGE_MATRIX_CELL_H */
