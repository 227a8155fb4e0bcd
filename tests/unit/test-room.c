// SPDX-License-Identifier: GPL-2.0
/* Arrays that grow: userspace/tools/room.c. */
#include <glib.h>
#include <stdlib.h>

#include "room.h"

/* The sanitizer would take it for a mistake that so much is asked for. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

/* Each element keeps its value, whatever comes behind it. */
static void test_grows(void)
{
	size_t n = 0, room = 0;
	guint64 *list = NULL;

	for (; n < 1000; n++) {
		g_assert_true(room_for(&list, n, &room, sizeof(*list)));
		g_assert_cmpuint(room, >, n);
		list[n] = n * n;
	}
	for (size_t i = 0; i < n; i++)
		g_assert_cmpuint(list[i], ==, i * i);
	free(list);
}

/* As long as there is room nothing moves. */
static void test_stays(void)
{
	size_t room = 0, had;
	char *list = NULL, *was;

	g_assert_true(room_for(&list, 0, &room, 1));
	was = list;
	had = room;
	for (size_t n = 1; n < had; n++)
		g_assert_true(room_for(&list, n, &room, 1));
	g_assert_true(list == was);
	g_assert_cmpuint(room, ==, had);
	free(list);
}

/* Without memory all is as it was. */
static void test_no_memory(void)
{
	size_t room = 0;
	char *list = NULL;

	g_assert_true(room_for(&list, 0, &room, 1));
	list[0] = 7;
	room = G_MAXSIZE / 4;
	g_assert_false(room_for(&list, room, &room, 1));
	g_assert_false(room_for(&list, room, &room, 8));
	g_assert_cmpuint(room, ==, G_MAXSIZE / 4);
	g_assert_cmpint(list[0], ==, 7);
	free(list);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/room/grows", test_grows);
	g_test_add_func("/room/stays", test_stays);
	g_test_add_func("/room/no-memory", test_no_memory);
	return g_test_run();
}
