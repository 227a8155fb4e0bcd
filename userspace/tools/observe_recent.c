// SPDX-License-Identifier: GPL-2.0
/*
 * Which blocks of memory lost translations lately.
 */
#include <stdlib.h>
#include <string.h>

#include "observe.h"

/**
 * struct recent_block - one that has been touched
 * @number: 1 added, for 0 is an empty slot
 * @losses: how many there had been then
 */
struct recent_block {
	__u64 number;
	__u64 losses;
};

static size_t slot(const struct recent *r, __u64 block)
{
	size_t at = (size_t)(block * 0x9e3779b97f4a7c15ull >> 20) % r->room;

	while (r->seen[at].number && r->seen[at].number != block + 1)
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
		if (old.seen[i].number)
			r->seen[slot(r, old.seen[i].number - 1)] = old.seen[i];
	}
	free(old.seen);
	return true;
}

__u64 recent_touched(struct recent *r, __u64 block, __u64 losses)
{
	struct recent_block *b;
	__u64 since = 0;

	if (!grow(r))
		return 0;
	b = &r->seen[slot(r, block)];
	if (b->number)
		since = losses - b->losses;
	else
		r->used++;
	*b = (struct recent_block){ .number = block + 1, .losses = losses };
	return since;
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
