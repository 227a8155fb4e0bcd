/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tests of qemu-device/inflight.c: what a WAIT has to await. The last one is
 * against a reference model.
 */
#include <glib.h>

#include "inflight.h"
#include "random.h"

static void latch(DmirageInflight *t, uint16_t asid, uint64_t va, uint8_t order)
{
	DmirageXlate x = { .asid = asid, .va = va, .order = order };

	dmirage_inflight_latch(t, &x);
}

static void test_nothing(void)
{
	DmirageInflight *t = dmirage_inflight_new(4);

	g_assert_true(dmirage_inflight_done(t, 1));
	g_assert_false(dmirage_inflight_hit(t, 1, 0, 0, UINT64_MAX));
	g_assert_true(dmirage_inflight_done(t, UINT64_MAX));
	g_assert_false(dmirage_inflight_is_hit(t, 3));
	g_assert_null(dmirage_inflight_at(t, 3, 0));
	g_assert_false(dmirage_inflight_release(t, 3));
	dmirage_inflight_free(t);
	dmirage_inflight_free(NULL);
}

static void test_waits_for_hit(void)
{
	DmirageInflight *t = dmirage_inflight_new(8);

	latch(t, 5, 0x200000, 21);
	g_assert_true(dmirage_inflight_done(t, 9));
	g_assert_true(dmirage_inflight_hit(t, 10, 5, 0x3ff000, 0x3ff000));
	g_assert_true(dmirage_inflight_is_hit(t, 5));
	g_assert_true(dmirage_inflight_done(t, 9));
	g_assert_false(dmirage_inflight_done(t, 10));
	g_assert_false(dmirage_inflight_done(t, 11));
	/* A later command changes nothing: the first one still waits. */
	g_assert_false(dmirage_inflight_hit(t, 12, 5, 0, UINT64_MAX));
	g_assert_false(dmirage_inflight_done(t, 10));
	/* Nor does it help to latch more. */
	latch(t, 5, 0x600000, 21);
	g_assert_false(dmirage_inflight_done(t, 10));
	g_assert_true(dmirage_inflight_release(t, 5));
	g_assert_true(dmirage_inflight_done(t, 12));
	/* The next chunk begins without it. */
	latch(t, 5, 0x200000, 21);
	g_assert_false(dmirage_inflight_is_hit(t, 5));
	g_assert_true(dmirage_inflight_done(t, 12));
	g_assert_false(dmirage_inflight_release(t, 5));
	dmirage_inflight_free(t);
}

/* Only the same context, only an overlap. */
static void test_others_pass(void)
{
	DmirageInflight *t = dmirage_inflight_new(7);

	latch(t, 5, 0x5000, 12);
	g_assert_false(dmirage_inflight_hit(t, 1, 6, 0, UINT64_MAX));
	g_assert_false(dmirage_inflight_hit(t, 2, 5, 0, 0x4fff));
	g_assert_false(dmirage_inflight_hit(t, 3, 5, 0x6000, UINT64_MAX));
	g_assert_true(dmirage_inflight_done(t, 3));
	g_assert_false(dmirage_inflight_is_hit(t, 5));
	g_assert_false(dmirage_inflight_release(t, 5));

	/* What begins after the command has a translation that is good. */
	g_assert_false(dmirage_inflight_hit(t, 4, 5, 0, UINT64_MAX));
	latch(t, 5, 0x5000, 12);
	g_assert_true(dmirage_inflight_done(t, 4));
	g_assert_true(dmirage_inflight_hit(t, 5, 5, 0x5fff, 0x5fff));
	g_assert_true(dmirage_inflight_done(t, 4));
	g_assert_false(dmirage_inflight_done(t, 5));
	dmirage_inflight_free(t);
}

/* Any one of a chunk's translations makes it hit; they go all together. */
static void test_many(void)
{
	for (unsigned int hit = 0; hit < DMIRAGE_LATCHES_MAX; hit++) {
		DmirageInflight *t = dmirage_inflight_new(64);

		for (unsigned int i = 0; i < DMIRAGE_LATCHES_MAX; i++) {
			latch(t, 63, i * 0x2000, 12);
			g_assert_cmphex(dmirage_inflight_at(t, 63, i)->va, ==,
					i * 0x2000);
			g_assert_null(dmirage_inflight_at(t, 63, i + 1));
		}
		g_assert_null(dmirage_inflight_at(t, 62, 0));
		g_assert_false(dmirage_inflight_hit(t, 1, 63, hit * 0x2000 + 0x1000,
						    hit * 0x2000 + 0x1fff));
		g_assert_true(dmirage_inflight_hit(t, 2, 63, hit * 0x2000, hit * 0x2000));
		g_assert_true(dmirage_inflight_release(t, 63));
		g_assert_null(dmirage_inflight_at(t, 63, 0));
		g_assert_true(dmirage_inflight_done(t, 2));
		dmirage_inflight_free(t);
	}
}

static void test_several(void)
{
	DmirageInflight *t = dmirage_inflight_new(8);

	for (unsigned int i = 0; i < 8; i++)
		latch(t, i, 0x1000, 12);
	g_assert_true(dmirage_inflight_hit(t, 1, 1, 0x1000, 0x2fff));
	g_assert_true(dmirage_inflight_hit(t, 2, 7, 0, UINT64_MAX));
	g_assert_true(dmirage_inflight_hit(t, 3, 4, 0, UINT64_MAX));
	g_assert_false(dmirage_inflight_done(t, 1));
	g_assert_true(dmirage_inflight_release(t, 1));
	g_assert_true(dmirage_inflight_done(t, 1));
	g_assert_false(dmirage_inflight_release(t, 2));
	g_assert_false(dmirage_inflight_done(t, 2));
	g_assert_true(dmirage_inflight_release(t, 4));
	g_assert_false(dmirage_inflight_done(t, 2));
	g_assert_true(dmirage_inflight_release(t, 7));
	g_assert_true(dmirage_inflight_done(t, 3));
	dmirage_inflight_free(t);
}

/*
 * The model: per context the latched translations, and the numbers of all
 * commands that dropped one of them since it was latched.
 */
#define CONTEXTS	4
#define LOG		64

typedef struct Chunk {
	unsigned int latched, hits;
	DmirageXlate x[DMIRAGE_LATCHES_MAX];
	uint64_t hit[LOG];
} Chunk;

static DmirageXlate random_xlate(uint16_t asid)
{
	static const uint8_t orders[] = { 12, 12, 21, 30 };
	uint8_t order = orders[random_below(4)];

	return (DmirageXlate){
		.va = random_below(64) << order, .pa = random_next(),
		.asid = asid, .order = order,
	};
}

static bool overlaps(const Chunk *c, uint64_t first, uint64_t last)
{
	for (unsigned int i = 0; i < c->latched; i++)
		if (c->x[i].va <= last &&
		    c->x[i].va + ((1ull << c->x[i].order) - 1) >= first)
			return true;
	return false;
}

static void test_model(void)
{
	DmirageInflight *t = dmirage_inflight_new(CONTEXTS);
	Chunk *chunk = g_new0(Chunk, CONTEXTS);
	uint64_t seq = 0;

	random_begin();
	for (unsigned int step = 0; step < 4000000; step++) {
		unsigned int asid = random_below(CONTEXTS);
		unsigned int what = random_below(100);
		Chunk *c = &chunk[asid];

		if (what < 45) {
			DmirageXlate x = random_xlate(asid);

			if (c->latched == DMIRAGE_LATCHES_MAX)
				continue;
			c->x[c->latched++] = x;
			dmirage_inflight_latch(t, &x);
		} else if (what < 55) {
			g_assert_cmpint(dmirage_inflight_release(t, asid), ==,
					c->hits > 0);
			c->latched = 0;
			c->hits = 0;
		} else if (what < 70) {
			DmirageXlate x = random_xlate(asid);
			uint64_t last = x.va + random_below(0x3000);
			bool hits = overlaps(c, x.va, last);

			seq += 1 + random_below(3);
			g_assert_cmpint(dmirage_inflight_hit(t, seq, asid, x.va, last),
					==, hits && !c->hits);
			if (hits && c->hits < LOG)
				c->hit[c->hits++] = seq;
		} else {
			uint64_t limit = seq - MIN(seq, random_below(30));
			bool done = true;

			for (unsigned int i = 0; i < CONTEXTS; i++)
				for (unsigned int j = 0; j < chunk[i].hits; j++)
					done &= chunk[i].hit[j] > limit;
			g_assert_cmpint(dmirage_inflight_done(t, limit), ==, done);
		}
		g_assert_cmpint(dmirage_inflight_is_hit(t, asid), ==, c->hits > 0);
		for (unsigned int i = 0; i <= c->latched; i += 1 + random_below(8)) {
			const DmirageXlate *x = dmirage_inflight_at(t, asid, i);

			g_assert_cmpint(!x, ==, i >= c->latched);
			if (x)
				g_assert_true(x->va == c->x[i].va && x->pa == c->x[i].pa &&
					      x->order == c->x[i].order);
		}
	}
	g_free(chunk);
	dmirage_inflight_free(t);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/inflight/nothing-under-way", test_nothing);
	g_test_add_func("/inflight/waits-for-hit", test_waits_for_hit);
	g_test_add_func("/inflight/others-pass", test_others_pass);
	g_test_add_func("/inflight/many-translations", test_many);
	g_test_add_func("/inflight/several", test_several);
	g_test_add_func("/inflight/model", test_model);
	return g_test_run();
}
