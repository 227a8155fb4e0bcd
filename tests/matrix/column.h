/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The matrix's columns: the kinds of memory that the kernel treats differently.
 *
 * Concepts
 *
 *   An *area* is memory of a kind, in a place of its own: nothing else is mapped
 *   in the same 2 MiB (1 GiB, if its pages are that large), so no operation is
 *   about anything else, and no page table has other entries.
 *
 *   A *place* is 8 bytes in it: of the first page, of one near it, of the middle and
 *   of the last.  Places are what a device reads and writes, and what is compared.
 *
 *   A *unit* is what the kernel moves as one.
 */
#ifndef DMIRAGE_MATRIX_COLUMN_H
#define DMIRAGE_MATRIX_COLUMN_H

#include "common.h"

#define PROBE_1G (1ul << 30)

enum column_id {
	COLUMN_4K,
	COLUMN_THP,
	COLUMN_MTHP,
	COLUMN_ZERO,
	COLUMN_HUGE_ZERO,
	COLUMN_HUGETLB,
	COLUMN_HUGETLB_SHARED,
	COLUMN_HUGETLB_PMD,
	COLUMN_HUGETLB_1G,
	COLUMN_SHMEM,
	COLUMN_SHMEM_THP,
	COLUMN_MEMFD,
	COLUMN_FILE,
	COLUMN_FILE_PRIVATE,
	COLUMN_KSM,
	COLUMN_SWAPPED,
	COLUMNS
};

#define OF(column)  (1u << COLUMN_##column)
#define ALL_COLUMNS ((1u << COLUMNS) - 1)

/* Groups of them. */
#define HUGETLB_COLUMNS (OF(HUGETLB) | OF(HUGETLB_SHARED) | OF(HUGETLB_PMD) | OF(HUGETLB_1G))
#define ZERO_COLUMNS	(OF(ZERO) | OF(HUGE_ZERO))
#define SHMEM_COLUMNS	(OF(SHMEM) | OF(SHMEM_THP) | OF(MEMFD))
#define FILE_COLUMNS	(OF(FILE) | OF(FILE_PRIVATE))
/* Private pages of the process's own, as they are when they have been written to. */
#define ANON_COLUMNS	(OF(4K) | OF(THP) | OF(MTHP))
/* Mapped private, so a write by one process is not seen by another. */
#define PRIVATE_COLUMNS                                                           \
	(ANON_COLUMNS | ZERO_COLUMNS | OF(HUGETLB) | OF(FILE_PRIVATE) | OF(KSM) | \
	 OF(SWAPPED))

/* What is true of a kind of memory. */
enum column_flags {
	COLUMN_HUGE = 1 << 0, /* its unit is 2 MiB or more */
	/* A write replaces what is there, so the device warms it by reading only. */
	COLUMN_READ_WARM = 1 << 1,
	COLUMN_SAME_WORDS = 1 << 2, /* all of its pages have the same content */
	COLUMN_NOTHING_HELD = 1 << 3, /* when the operation comes there is no page */
};

struct area;

/**
 * struct column - a kind of memory
 * @name:    as in the table, without blanks
 * @what:    in words
 * @unit:    bytes
 * @flags:   enum column_flags
 * @no_pin:  why there is no pinned memory of this kind, or NULL
 * @make:    maps it and fills it, in the place that the area has; skips the test if
 *           this machine or kernel does not have it, with a reason
 * @is_right: it is of this kind; ends the test if not
 * @warmed:  what comes between the device's first accesses and the operation; or NULL
 */
struct column {
	const char *name;
	const char *what;
	size_t unit;
	unsigned int flags;
	const char *no_pin;
	void (*make)(struct area *a);
	void (*is_right)(const struct area *a);
	void (*warmed)(struct area *a);
};

extern const struct column columns[COLUMNS];

/**
 * struct area - memory of a kind
 * @column: of which
 * @addr:   first byte
 * @len:    bytes; a multiple of the unit
 * @spare:  of the same alignment, as long, and with nothing mapped in it
 * @fd:     of its file, from offset 0 on; or -1
 * @value:  what each place holds when it is made
 * @backing: what a place holds when the process's own page is thrown away
 * @peer:   a process that maps the same, and waits; or 0
 */
struct area {
	const struct column *column;
	u8 *addr;
	size_t len;
	u8 *spare;
	int fd;
	u64 value;
	u64 backing;
	pid_t peer;
};

/* New memory; skips the test if there is none of this kind, with a reason. */
void area_make(struct area *a, enum column_id column);

static inline bool area_is(const struct area *a, unsigned int of_columns)
{
	return of_columns & 1u << (a->column - columns);
}

/* Does a page table entry of the process lead to a frame?  *@frame: which. */
bool area_frame(const void *addr, u64 *frame);

/* Is it the zero page, small or huge? */
bool area_is_zero(const void *addr);

/* Has the page not been accessed since somebody marked it so (DAMON)? */
bool area_is_idle(const void *addr);

/* Are they mapped to one frame? */
bool area_same_frame(const void *a, const void *b);

/* Is the page swapped out (/proc/self/pagemap)? */
bool area_is_swapped(const void *addr);

/* Is its entry protected from writes by a userfaultfd (the same)? */
bool area_is_protected(const void *addr);

/* For the program: what columns need of the machine, before all cells and before each. */
void columns_start(void);
void columns_replenish(const struct column *column);

#endif /* DMIRAGE_MATRIX_COLUMN_H */
