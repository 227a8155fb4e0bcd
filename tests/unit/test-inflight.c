/* SPDX-License-Identifier: GPL-2.0 */
/* Tests of qemu-device/inflight.c: what a WAIT has to await. */
#include <glib.h>

#include "inflight.h"

static void latch(DmirageInflight *t, unsigned int slot, uint16_t asid,
		  uint64_t va, uint8_t order)
{
	DmirageXlate x = { .asid = asid, .va = va, .order = order };

	dmirage_inflight_latch(t, slot, &x);
}

static void test_nothing(void)
{
	DmirageInflight *t = dmirage_inflight_new(4);

	g_assert_true(dmirage_inflight_done(t, 1));
	g_assert_cmpuint(dmirage_inflight_hit(t, 1, 0, 0, UINT64_MAX), ==, 0);
	g_assert_true(dmirage_inflight_done(t, UINT64_MAX));
	dmirage_inflight_free(t);
}

static void test_waits_for_hit(void)
{
	DmirageInflight *t = dmirage_inflight_new(4);

	latch(t, 0, 5, 0x200000, 21);
	g_assert_true(dmirage_inflight_done(t, 9));
	g_assert_cmpuint(dmirage_inflight_hit(t, 10, 5, 0x3ff000, 0x3ff000), ==, 1);
	g_assert_true(dmirage_inflight_is_hit(t, 0));
	g_assert_true(dmirage_inflight_done(t, 9));
	g_assert_false(dmirage_inflight_done(t, 10));
	g_assert_false(dmirage_inflight_done(t, 11));
	/* A later command changes nothing: the first one still waits. */
	g_assert_cmpuint(dmirage_inflight_hit(t, 12, 5, 0, UINT64_MAX), ==, 0);
	g_assert_false(dmirage_inflight_done(t, 10));
	g_assert_true(dmirage_inflight_release(t, 0));
	g_assert_true(dmirage_inflight_done(t, 12));
	dmirage_inflight_free(t);
}

/* Only the same context, only an overlap. */
static void test_others_pass(void)
{
	DmirageInflight *t = dmirage_inflight_new(4);

	latch(t, 1, 5, 0x5000, 12);
	g_assert_cmpuint(dmirage_inflight_hit(t, 1, 6, 0, UINT64_MAX), ==, 0);
	g_assert_cmpuint(dmirage_inflight_hit(t, 2, 5, 0, 0x4fff), ==, 0);
	g_assert_cmpuint(dmirage_inflight_hit(t, 3, 5, 0x6000, UINT64_MAX), ==, 0);
	g_assert_true(dmirage_inflight_done(t, 3));
	g_assert_false(dmirage_inflight_is_hit(t, 1));
	g_assert_false(dmirage_inflight_release(t, 1));

	/* What begins after the command has a translation that is good. */
	g_assert_cmpuint(dmirage_inflight_hit(t, 4, 5, 0, UINT64_MAX), ==, 0);
	latch(t, 1, 5, 0x5000, 12);
	g_assert_true(dmirage_inflight_done(t, 4));
	g_assert_cmpuint(dmirage_inflight_hit(t, 5, 5, 0x5fff, 0x5fff), ==, 1);
	g_assert_true(dmirage_inflight_done(t, 4));
	g_assert_false(dmirage_inflight_done(t, 5));
	dmirage_inflight_free(t);
}

static void test_several(void)
{
	DmirageInflight *t = dmirage_inflight_new(8);

	for (unsigned int i = 0; i < 8; i++)
		latch(t, i, i / 4, i * 0x1000, 12);
	g_assert_cmpuint(dmirage_inflight_hit(t, 1, 0, 0x1000, 0x2fff), ==, 2);
	g_assert_cmpuint(dmirage_inflight_hit(t, 2, 1, 0, UINT64_MAX), ==, 4);
	dmirage_inflight_release(t, 1);
	g_assert_false(dmirage_inflight_done(t, 1));
	dmirage_inflight_release(t, 2);
	g_assert_true(dmirage_inflight_done(t, 1));
	for (unsigned int i = 4; i < 8; i++) {
		g_assert_false(dmirage_inflight_done(t, 2));
		dmirage_inflight_release(t, i);
	}
	g_assert_true(dmirage_inflight_done(t, 2));
	dmirage_inflight_free(t);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/inflight/nothing-under-way", test_nothing);
	g_test_add_func("/inflight/waits-for-hit", test_waits_for_hit);
	g_test_add_func("/inflight/others-pass", test_others_pass);
	g_test_add_func("/inflight/several", test_several);
	return g_test_run();
}
