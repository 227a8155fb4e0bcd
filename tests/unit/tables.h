/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A little physical memory with page tables in it, for the tests of the
 * walkers and the oracle.
 */
#ifndef TESTS_TABLES_H
#define TESTS_TABLES_H

#include <glib.h>
#include <string.h>

#include "walk.h"

#define TABLES_PAGES	64
#define TABLES_BASE	0x100000ull

typedef struct Tables {
	uint64_t word[TABLES_PAGES][512];
	unsigned int used;	/* pages handed out */
	unsigned int reads;
} Tables;

static inline bool tables_read(void *opaque, uint64_t addr, uint64_t *value)
{
	Tables *t = opaque;
	uint64_t page = (addr - TABLES_BASE) / 4096;

	t->reads++;
	if (addr < TABLES_BASE || page >= TABLES_PAGES || addr % 8)
		return false;
	*value = t->word[page][addr % 4096 / 8];
	return true;
}

static inline uint64_t tables_new_page(Tables *t)
{
	g_assert_cmpuint(t->used, <, TABLES_PAGES);
	return TABLES_BASE + 4096 * t->used++;
}

/* The entry for @va at @level, with the tables above it made of @link bits. */
static inline uint64_t *tables_entry(Tables *t, uint64_t root,
				     unsigned int levels, uint64_t va,
				     unsigned int level, uint64_t link)
{
	uint64_t table = root;

	for (unsigned int l = levels;; l--) {
		uint64_t *e = &t->word[(table - TABLES_BASE) / 4096]
				      [(va >> (12 + 9 * (l - 1))) & 511];

		if (l == level)
			return e;
		if (!*e)
			*e = tables_new_page(t) | link;
		table = *e & 0x000ffffffffff000ull;
	}
}

#endif
