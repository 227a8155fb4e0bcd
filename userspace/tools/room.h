/* SPDX-License-Identifier: GPL-2.0 */
/* Arrays that grow. */
#ifndef DMIRAGE_ROOM_H
#define DMIRAGE_ROOM_H

#include <stdbool.h>
#include <stddef.h>

/**
 * room_for() - room for one more element of an array
 * @list: pointer to the array's pointer, which may be NULL
 * @n:    elements that there are
 * @room: those that there is room for; grows with the array
 * @size: of one, in bytes
 *
 * Return: false: no memory, and all is as it was.
 */
bool room_for(void *list, size_t n, size_t *room, size_t size);

#endif /* DMIRAGE_ROOM_H */
