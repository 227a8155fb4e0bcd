/* SPDX-License-Identifier: GPL-2.0 */
/* Tests of qemu-device/invlog.c. */
#include <glib.h>

#include "invlog.h"

static void add(DmirageInvlog *log, int64_t time, uint64_t first,
		uint64_t last)
{
	DmirageInv inv = { .time_ns = time, .first = first, .last = last };

	dmirage_invlog_add(log, &inv);
}

static void test_find(void)
{
	DmirageInvlog log;

	dmirage_invlog_clear(&log);
	g_assert_cmpint(dmirage_invlog_find(&log, 0, 21).time_ns, ==, 0);
	add(&log, 10, 0x200000, 0x200fff);
	add(&log, 20, 0x201000, 0x201fff);
	add(&log, 30, 0x1ff000, 0x1fffff);
	add(&log, 40, 0x400000, UINT64_MAX);
	/* The latest in the block, whether it reached the address or not. */
	g_assert_cmpint(dmirage_invlog_find(&log, 0x3fffff, 21).time_ns, ==, 20);
	g_assert_cmpint(dmirage_invlog_find(&log, 0x1fffff, 21).time_ns, ==, 30);
	g_assert_cmpint(dmirage_invlog_find(&log, 0x400000, 21).time_ns, ==, 40);
	g_assert_cmpint(dmirage_invlog_find(&log, 0x200800, 12).time_ns, ==, 10);
	g_assert_cmpint(dmirage_invlog_find(&log, 0x202000, 12).time_ns, ==, 0);
	g_assert_cmphex(dmirage_invlog_find(&log, ~0ull, 12).last, ==, UINT64_MAX);
}

/* It keeps the last DMIRAGE_INV_HISTORY, also when its index wraps around. */
static void test_history(void)
{
	DmirageInvlog log;

	dmirage_invlog_clear(&log);
	log.next = -3u;
	add(&log, 1, 0, 0xfff);
	for (unsigned int i = 1; i < DMIRAGE_INV_HISTORY; i++)
		add(&log, 1 + i, i * 0x1000, i * 0x1000 + 0xfff);
	g_assert_cmpint(dmirage_invlog_find(&log, 0, 12).time_ns, ==, 1);
	add(&log, 999, 0x999000, 0x999fff);
	g_assert_cmpint(dmirage_invlog_find(&log, 0, 12).time_ns, ==, 0);
	g_assert_cmpint(dmirage_invlog_find(&log, 0x1000, 12).time_ns, ==, 2);
	g_assert_cmpint(dmirage_invlog_find(&log, 0x999000, 12).time_ns, ==, 999);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/invlog/find", test_find);
	g_test_add_func("/invlog/history", test_history);
	return g_test_run();
}
