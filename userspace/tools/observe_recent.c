// SPDX-License-Identifier: GPL-2.0
/*
 * Which blocks of memory lost translations lately.
 */
#include <stdlib.h>
#include <string.h>

#include "observe.h"

static size_t slot(const struct recent *r, __u64 block)
{
	size_t at = (size_t)(block * 0x9e3779b97f4a7c15ull >> 20) % r->room;

	/* numbers are kept with 1 added: 0 is an empty slot */
	while (r->seen[at] && r->seen[at] != block + 1)
		at = (at + 1) % r->room;
	return at;
}

/* Room for another one; false: no memory. */
static bool grow(struct recent *r)
{
	struct recent old = *r;
	size_t i;

	if (2 * r->used < r->room)
		return true;
	r->room = old.room ? 2 * old.room : 256;
	r->seen = calloc(r->room, sizeof(*r->seen));
	if (!r->seen) {
		*r = old;
		return false;
	}
	for (i = 0; i < old.room; i++) {
		if (old.seen[i])
			r->seen[slot(r, old.seen[i] - 1)] = old.seen[i];
	}
	free(old.seen);
	return true;
}

bool recent_seen(struct recent *r, __u64 block)
{
	size_t at;

	if (!grow(r))
		return false;
	at = slot(r, block);
	if (r->seen[at])
		return true;
	r->seen[at] = block + 1;
	r->used++;
	return false;
}

void recent_add(struct recent *r, __u64 block)
{
	unsigned int i;

	for (i = 0; i < r->n && r->list[i] != block; i++)
		;
	if (i == r->n) {
		if (r->n < RECENT_MAX)
			r->n++;
		else
			i--;
	}
	memmove(r->list + 1, r->list, i * sizeof(r->list[0]));
	r->list[0] = block;
}

void recent_free(struct recent *r)
{
	free(r->seen);
}
