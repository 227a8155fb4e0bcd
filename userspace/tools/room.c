// SPDX-License-Identifier: GPL-2.0
/* Arrays that grow.  See room.h. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "room.h"

bool room_for(void *list, size_t n, size_t *room, size_t size)
{
	size_t more = *room ? 2 * *room : 16;
	void *grown;

	if (n < *room)
		return true;
	/* A pointer of whatever type is copied, not looked at as one of another. */
	memcpy(&grown, list, sizeof(grown));
	grown = reallocarray(grown, more, size);
	if (!grown)
		return false;
	memcpy(list, &grown, sizeof(grown));
	*room = more;
	return true;
}
