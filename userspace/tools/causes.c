// SPDX-License-Identifier: GPL-2.0
/*
 * Causes of violations.  See causes.h.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "causes.h"
#include "room.h"

/*
 * The same functions?  Where they were in them is passed over: a loop that has two
 * turns in one function, or a processor that was interrupted an instruction later,
 * is no other cause.
 */
static bool same_functions(const char *a, const char *b)
{
	size_t len;

	while (*a && *b) {
		len = strcspn(a, "+\n");
		if (len != strcspn(b, "+\n") || strncmp(a, b, len))
			return false;
		a += strcspn(a, "\n");
		b += strcspn(b, "\n");
		a += *a == '\n';
		b += *b == '\n';
	}
	return *a == *b;
}

static bool same_cause(const struct dmirage_violation *a,
		       const struct dmirage_violation *b)
{
	if (a->strength != b->strength || a->kind != b->kind ||
	    a->asid != b->asid || a->pid != b->pid)
		return false;
	if (a->strength != DMIRAGE_BY_WATCH)
		return a->opcode == b->opcode && a->holder == b->holder &&
		       a->access_write == b->access_write;
	if (a->chain[0] && b->chain[0])
		return same_functions(a->chain, b->chain);
	return !a->chain[0] == !b->chain[0] &&
	       same_functions(a->function, b->function);
}

static struct cause *new_cause(struct causes *c)
{
	if (!room_for(&c->list, c->n, &c->room, sizeof(*c->list)))
		return NULL;
	return &c->list[c->n++];
}

const struct cause *causes_add(struct causes *c, const char *dev,
			       const struct dmirage_violation *v)
{
	struct cause *one;
	size_t i;

	for (i = 0; i < c->n; i++) {
		one = &c->list[i];
		if (strcmp(one->dev, dev) || !same_cause(&one->first, v))
			continue;
		one->count++;
		if (v->addr < one->addr_min)
			one->addr_min = v->addr;
		if (v->addr > one->addr_max)
			one->addr_max = v->addr;
		if (v->time_ns > one->time_last)
			one->time_last = v->time_ns;
		return one;
	}
	one = new_cause(c);
	if (!one)
		return NULL;
	*one = (struct cause){
		.first = *v,
		.count = 1,
		.addr_min = v->addr,
		.addr_max = v->addr,
		.time_last = v->time_ns,
	};
	snprintf(one->dev, sizeof(one->dev), "%s", dev);
	return one;
}

void causes_free(struct causes *c)
{
	free(c->list);
	*c = (struct causes){ 0 };
}
