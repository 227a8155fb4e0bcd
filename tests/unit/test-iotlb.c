/* SPDX-License-Identifier: GPL-2.0 */
/* Tests of qemu-device/iotlb.c, the last ones against a reference model. */
#include <glib.h>

#include "iotlb.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static DmirageXlate xlate(uint16_t asid, uint64_t va, uint8_t order,
			  uint64_t pa)
{
	return (DmirageXlate){
		.asid = asid, .va = va, .order = order, .pa = pa, .fill_ns = 1,
	};
}

static void insert(DmirageIotlb *tlb, uint16_t asid, uint64_t va,
		   uint8_t order, uint64_t pa)
{
	DmirageXlate x = xlate(asid, va, order, pa);

	dmirage_iotlb_insert(tlb, &x);
}

static void assert_at(DmirageIotlb *tlb, uint16_t asid, uint64_t va,
		      uint64_t pa)
{
	const DmirageXlate *x = dmirage_iotlb_lookup(tlb, asid, va);

	g_assert_nonnull(x);
	g_assert_cmphex(x->pa + (va - x->va), ==, pa);
	g_assert_cmpuint(x->asid, ==, asid);
}

static void assert_none(DmirageIotlb *tlb, uint16_t asid, uint64_t va)
{
	g_assert_null(dmirage_iotlb_lookup(tlb, asid, va));
}

static void test_geometry(void)
{
	static const struct {
		unsigned int entries, ways;
	} bad[] = { { 0, 1 }, { 4, 0 }, { 3, 1 }, { 8, 3 }, { 4, 8 }, { 0, 0 } };

	for (unsigned int i = 0; i < G_N_ELEMENTS(bad); i++)
		g_assert_null(dmirage_iotlb_new(bad[i].entries, bad[i].ways));
	for (unsigned int ways = 1; ways <= 64; ways *= 2) {
		DmirageIotlb *tlb = dmirage_iotlb_new(64, ways);

		g_assert_nonnull(tlb);
		dmirage_iotlb_free(tlb);
	}
	dmirage_iotlb_free(NULL);
}

static void test_sizes(void)
{
	DmirageIotlb *tlb = dmirage_iotlb_new(64, 4);

	insert(tlb, 1, 4 * KIB, DMIRAGE_ORDER_4K, 0x111000);
	insert(tlb, 1, 2 * MIB, DMIRAGE_ORDER_2M, 0x40000000);
	insert(tlb, 1, 4 * GIB, DMIRAGE_ORDER_1G, 0x80000000);
	g_assert_cmpuint(dmirage_iotlb_held(tlb), ==, 3);

	assert_none(tlb, 1, 4 * KIB - 1);
	assert_at(tlb, 1, 4 * KIB, 0x111000);
	assert_at(tlb, 1, 8 * KIB - 1, 0x111fff);
	assert_none(tlb, 1, 8 * KIB);

	assert_none(tlb, 1, 2 * MIB - 1);
	assert_at(tlb, 1, 2 * MIB, 0x40000000);
	assert_at(tlb, 1, 4 * MIB - 1, 0x401fffff);
	assert_none(tlb, 1, 4 * MIB);

	assert_none(tlb, 1, 4 * GIB - 1);
	assert_at(tlb, 1, 4 * GIB + 5 * MIB, 0x80500000);
	assert_at(tlb, 1, 5 * GIB - 1, 0xbfffffff);
	assert_none(tlb, 1, 5 * GIB);

	assert_none(tlb, 2, 4 * KIB);
	assert_none(tlb, 0, 2 * MIB);
	dmirage_iotlb_free(tlb);
}

static void test_replace_same(void)
{
	DmirageIotlb *tlb = dmirage_iotlb_new(16, 4);
	DmirageXlate x = xlate(3, 0x5000, DMIRAGE_ORDER_4K, 0x1000);

	dmirage_iotlb_insert(tlb, &x);
	x.pa = 0x2000;
	x.write = true;
	dmirage_iotlb_insert(tlb, &x);
	g_assert_cmpuint(dmirage_iotlb_held(tlb), ==, 1);
	assert_at(tlb, 3, 0x5000, 0x2000);
	g_assert_true(dmirage_iotlb_lookup(tlb, 3, 0x5000)->write);
	dmirage_iotlb_free(tlb);
}

/* In one set, the entry that was not used for longest goes. */
static void test_lru(void)
{
	DmirageIotlb *tlb = dmirage_iotlb_new(4, 4);

	for (uint64_t i = 0; i < 4; i++)
		insert(tlb, 0, i << 12, DMIRAGE_ORDER_4K, i << 12);
	assert_at(tlb, 0, 0, 0);
	assert_at(tlb, 0, 2 << 12, 2 << 12);
	insert(tlb, 0, 9 << 12, DMIRAGE_ORDER_4K, 0x9000);
	assert_none(tlb, 0, 1 << 12);
	insert(tlb, 0, 10 << 12, DMIRAGE_ORDER_4K, 0xa000);
	assert_none(tlb, 0, 3 << 12);
	assert_at(tlb, 0, 0, 0);
	assert_at(tlb, 0, 2 << 12, 2 << 12);
	dmirage_iotlb_free(tlb);
}

/* A single byte of overlap drops a page; its neighbours stay. */
static void test_drop_overlap(void)
{
	static const struct {
		uint64_t first, last;
		bool small, large;	/* are they dropped? */
	} cases[] = {
		{ 2 * MIB - 2, 2 * MIB - 1, false, false },
		{ 2 * MIB - 1, 2 * MIB, false, true },
		{ 4 * MIB - 1, 4 * MIB - 1, false, true },
		{ 3 * MIB, 3 * MIB, false, true },
		{ 4 * MIB, 4 * MIB, true, false },
		{ 4 * MIB + 4095, 4 * MIB + 4096, true, false },
		{ 4 * MIB + 4096, 4 * MIB + 8191, false, false },
		{ 4 * MIB - 1, 4 * MIB, true, true },
		{ 0, UINT64_MAX, true, true },
	};

	/*
	 * Ranges of more pages than there are sets are looked for in another
	 * way: with one set, these are all of more than one page.
	 */
	for (unsigned int i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
		unsigned int ways = i < G_N_ELEMENTS(cases) ? 4 : 64;
		unsigned int c = i % G_N_ELEMENTS(cases);
		DmirageIotlb *tlb = dmirage_iotlb_new(64, ways);
		unsigned int n = cases[c].small + cases[c].large;

		insert(tlb, 7, 2 * MIB, DMIRAGE_ORDER_2M, 0);
		insert(tlb, 7, 4 * MIB, DMIRAGE_ORDER_4K, 0);
		insert(tlb, 8, 2 * MIB, DMIRAGE_ORDER_2M, 0);
		insert(tlb, 8, 4 * MIB, DMIRAGE_ORDER_4K, 0);
		g_assert_cmpuint(dmirage_iotlb_drop_range(tlb, 7, cases[c].first,
							  cases[c].last),
				 ==, n);
		g_assert_cmpuint(dmirage_iotlb_held(tlb), ==, 4 - n);
		g_assert(!dmirage_iotlb_lookup(tlb, 7, 2 * MIB) == cases[c].large);
		g_assert(!dmirage_iotlb_lookup(tlb, 7, 4 * MIB) == cases[c].small);
		g_assert_nonnull(dmirage_iotlb_lookup(tlb, 8, 2 * MIB));
		g_assert_nonnull(dmirage_iotlb_lookup(tlb, 8, 4 * MIB));
		dmirage_iotlb_free(tlb);
	}
}

static void test_drop_asid(void)
{
	DmirageIotlb *tlb = dmirage_iotlb_new(64, 4);

	for (uint16_t asid = 0; asid < 3; asid++) {
		insert(tlb, asid, 0, DMIRAGE_ORDER_4K, 0);
		insert(tlb, asid, 6 * MIB, DMIRAGE_ORDER_2M, 0);
		insert(tlb, asid, 7 * GIB, DMIRAGE_ORDER_1G, 0);
	}
	g_assert_cmpuint(dmirage_iotlb_drop_asid(tlb, 1), ==, 3);
	g_assert_cmpuint(dmirage_iotlb_drop_asid(tlb, 1), ==, 0);
	assert_none(tlb, 1, 0);
	assert_none(tlb, 1, 7 * GIB);
	assert_at(tlb, 0, 6 * MIB, 0);
	assert_at(tlb, 2, 7 * GIB, 0);
	g_assert_cmpuint(dmirage_iotlb_drop_all(tlb), ==, 6);
	g_assert_cmpuint(dmirage_iotlb_held(tlb), ==, 0);
	dmirage_iotlb_free(tlb);
}

/*
 * The model: what was inserted and not dropped, without a limit.  The IOTLB
 * may have forgotten some of it, but must never have anything else, and has
 * all of it while it has ways enough.
 */
#define PAGES 48
#define ASIDS 3

typedef struct Model {
	DmirageXlate x[ASIDS][3][PAGES];
	bool there[ASIDS][3][PAGES];
} Model;

static const uint8_t orders[] = { 12, 21, 30 };

static unsigned int model_drop(Model *m, unsigned int asid, uint64_t first,
			       uint64_t last)
{
	unsigned int n = 0;

	for (unsigned int o = 0; o < 3; o++) {
		for (unsigned int p = 0; p < PAGES; p++) {
			const DmirageXlate *x = &m->x[asid][o][p];

			if (m->there[asid][o][p] && x->va <= last &&
			    dmirage_xlate_last(x) >= first) {
				m->there[asid][o][p] = false;
				n++;
			}
		}
	}
	return n;
}

static void compare(DmirageIotlb *tlb, const Model *m, unsigned int asid,
		    uint64_t va, bool complete)
{
	const DmirageXlate *x = dmirage_iotlb_lookup(tlb, asid, va);
	bool any = false;

	for (unsigned int o = 0; o < 3; o++) {
		uint64_t p = va >> orders[o];

		any |= p < PAGES && m->there[asid][o][p];
	}
	if (!x) {
		g_assert_false(complete && any);
		return;
	}

	unsigned int o = x->order == 12 ? 0 : x->order == 21 ? 1 :
							       2;
	uint64_t p = va >> x->order;

	g_assert_cmpuint(p, <, PAGES);
	g_assert_true(m->there[asid][o][p]);
	g_assert_cmphex(x->pa, ==, m->x[asid][o][p].pa);
	g_assert_cmphex(x->va, ==, p << x->order);
	g_assert_cmpuint(x->write, ==, m->x[asid][o][p].write);
}

static uint64_t random_va(void)
{
	return ((uint64_t)g_test_rand_int_range(0, PAGES) << orders[g_test_rand_int_range(0, 3)]) +
	       g_test_rand_int_range(0, 4096);
}

static void run_random(unsigned int entries, unsigned int ways, bool complete)
{
	DmirageIotlb *tlb = dmirage_iotlb_new(entries, ways);
	Model *m = g_new0(Model, 1);

	for (unsigned int step = 0; step < 200000; step++) {
		unsigned int asid = g_test_rand_int_range(0, ASIDS);
		int what = g_test_rand_int_range(0, 100);

		if (what < 40) {
			unsigned int o = g_test_rand_int_range(0, 3);
			unsigned int p = g_test_rand_int_range(0, PAGES);
			DmirageXlate x = xlate(asid, (uint64_t)p << orders[o],
					       orders[o],
					       (uint64_t)g_test_rand_int() << 30);

			x.write = what & 1;
			m->x[asid][o][p] = x;
			m->there[asid][o][p] = true;
			dmirage_iotlb_insert(tlb, &x);
		} else if (what < 97) {
			compare(tlb, m, asid, random_va(), complete);
		} else {
			uint64_t first = random_va();
			uint64_t last = what == 99 ? UINT64_MAX :
						     first + (g_test_rand_int() >>
							      g_test_rand_int_range(0, 32));
			unsigned int n = model_drop(m, asid, first, last);
			unsigned int got = dmirage_iotlb_drop_range(tlb, asid,
								    first, last);

			if (complete)
				g_assert_cmpuint(got, ==, n);
			else
				g_assert_cmpuint(got, <=, n);
		}
	}
	g_free(m);
	dmirage_iotlb_free(tlb);
}

static void test_random_complete(void)
{
	run_random(512, 512, true);
}

static void test_random_sets(void)
{
	run_random(64, 4, false);
	run_random(64, 1, false);
	run_random(1024, 4, false);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/iotlb/geometry", test_geometry);
	g_test_add_func("/iotlb/page-sizes", test_sizes);
	g_test_add_func("/iotlb/replaces-same-page", test_replace_same);
	g_test_add_func("/iotlb/least-recently-used-goes", test_lru);
	g_test_add_func("/iotlb/drop-overlap", test_drop_overlap);
	g_test_add_func("/iotlb/drop-asid", test_drop_asid);
	g_test_add_func("/iotlb/random-complete", test_random_complete);
	g_test_add_func("/iotlb/random-sets", test_random_sets);
	return g_test_run();
}
