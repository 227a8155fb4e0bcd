/* SPDX-License-Identifier: GPL-2.0 */
/* Tests of qemu-device/walkcache.c, the last one against a reference model. */
#include <glib.h>

#include "random.h"
#include "walkcache.h"

#define MIB2	(1ull << 21)
#define GIB	(1ull << 30)

static void assert_at(DmirageWalkCache *wc, uint16_t asid, uint64_t va,
		      unsigned int level, uint64_t table)
{
	uint64_t got = 0x5555;

	g_assert_cmpuint(dmirage_walkcache_lookup(wc, asid, va, &got), ==, level);
	g_assert_cmphex(got, ==, level ? table : 0x5555);
}

static void test_blocks(void)
{
	DmirageWalkCache *wc = dmirage_walkcache_new(16);

	assert_at(wc, 1, 0, 0, 0);
	dmirage_walkcache_insert(wc, 1, 3 * GIB + 5 * MIB2 + 77, 1, 0x1000);
	assert_at(wc, 1, 3 * GIB + 5 * MIB2, 1, 0x1000);
	assert_at(wc, 1, 3 * GIB + 6 * MIB2 - 1, 1, 0x1000);
	assert_at(wc, 1, 3 * GIB + 5 * MIB2 - 1, 0, 0);
	assert_at(wc, 1, 3 * GIB + 6 * MIB2, 0, 0);
	assert_at(wc, 2, 3 * GIB + 5 * MIB2, 0, 0);
	/* The lowest table wins, whichever came first. */
	dmirage_walkcache_insert(wc, 1, 3 * GIB + 9 * MIB2, 2, 0x2000);
	dmirage_walkcache_insert(wc, 1, 0, 3, 0x3000);
	dmirage_walkcache_insert(wc, 1, 0, 4, 0x4000);
	assert_at(wc, 1, 3 * GIB + 5 * MIB2, 1, 0x1000);
	assert_at(wc, 1, 3 * GIB, 2, 0x2000);
	assert_at(wc, 1, 4 * GIB - 1, 2, 0x2000);
	assert_at(wc, 1, 4 * GIB, 3, 0x3000);
	assert_at(wc, 1, (1ull << 39) - 1, 3, 0x3000);
	assert_at(wc, 1, 1ull << 39, 4, 0x4000);
	assert_at(wc, 1, (1ull << 48) - 1, 4, 0x4000);
	assert_at(wc, 1, 1ull << 48, 0, 0);
	/* The same block again replaces what is known of it. */
	dmirage_walkcache_insert(wc, 1, 3 * GIB + 5 * MIB2, 1, 0x7000);
	assert_at(wc, 1, 3 * GIB + 5 * MIB2, 1, 0x7000);
	g_assert_cmpuint(dmirage_walkcache_held(wc), ==, 4);
	g_assert_cmpuint(dmirage_walkcache_drop_all(wc), ==, 4);
	g_assert_cmpuint(dmirage_walkcache_held(wc), ==, 0);
	assert_at(wc, 1, 0, 0, 0);
	dmirage_walkcache_free(wc);
}

/* A single byte of overlap drops what is known, at every level. */
static void test_drop(void)
{
	static const uint64_t order[] = { 0, 21, 30, 39, 48 };

	for (unsigned int level = 1; level <= 4; level++) {
		uint64_t size = 1ull << order[level], va = 3 * size;
		DmirageWalkCache *wc = dmirage_walkcache_new(4);

		dmirage_walkcache_insert(wc, 5, va, level, 0x1000);
		g_assert_cmpuint(dmirage_walkcache_drop_range(wc, 4, 0, UINT64_MAX), ==, 0);
		g_assert_cmpuint(dmirage_walkcache_drop_range(wc, 5, 0, va - 1), ==, 0);
		g_assert_cmpuint(dmirage_walkcache_drop_range(wc, 5, va + size, UINT64_MAX),
				 ==, 0);
		assert_at(wc, 5, va, level, 0x1000);
		g_assert_cmpuint(dmirage_walkcache_drop_range(wc, 5, va - 1, va), ==, 1);
		assert_at(wc, 5, va, 0, 0);
		dmirage_walkcache_insert(wc, 5, va, level, 0x1000);
		g_assert_cmpuint(dmirage_walkcache_drop_range(wc, 5, va + size - 1,
							      va + size),
				 ==, 1);
		dmirage_walkcache_insert(wc, 5, va, level, 0x1000);
		g_assert_cmpuint(dmirage_walkcache_drop_range(wc, 5, va + size / 2,
							      va + size / 2),
				 ==, 1);
		g_assert_cmpuint(dmirage_walkcache_held(wc), ==, 0);
		dmirage_walkcache_free(wc);
	}
}

static void test_none(void)
{
	DmirageWalkCache *wc = dmirage_walkcache_new(0);

	dmirage_walkcache_insert(wc, 0, 0, 1, 0x1000);
	assert_at(wc, 0, 0, 0, 0);
	g_assert_cmpuint(dmirage_walkcache_held(wc), ==, 0);
	g_assert_cmpuint(dmirage_walkcache_drop_all(wc), ==, 0);
	dmirage_walkcache_free(wc);
	g_assert_null(dmirage_walkcache_new(DMIRAGE_WALKCACHE_MAX + 1));
	dmirage_walkcache_free(NULL);
}

/* The model: a list, the oldest first. */
typedef struct Known {
	uint64_t first, last, table;
	unsigned int asid, level;
} Known;

typedef struct Model {
	unsigned int entries, held;
	Known known[DMIRAGE_WALKCACHE_MAX];
} Model;

static void forget(Model *m, unsigned int i)
{
	m->held--;
	for (; i < m->held; i++)
		m->known[i] = m->known[i + 1];
}

static void model_insert(Model *m, Known k)
{
	for (unsigned int i = 0; i < m->held; i++) {
		if (m->known[i].asid == k.asid && m->known[i].level == k.level &&
		    m->known[i].first == k.first) {
			forget(m, i);
			break;
		}
	}
	if (m->entries && m->held == m->entries)
		forget(m, 0);
	if (m->entries)
		m->known[m->held++] = k;
}

static unsigned int model_drop(Model *m, unsigned int asid, uint64_t first,
			       uint64_t last)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < m->held;) {
		const Known *k = &m->known[i];

		if (k->asid == asid && k->first <= last && k->last >= first) {
			forget(m, i);
			n++;
		} else {
			i++;
		}
	}
	return n;
}

/* Few blocks of each level, and those at the top of the address space. */
static uint64_t random_va(void)
{
	uint64_t va = random_below(3) << 48 | random_below(3) << 39 |
		      random_below(3) << 30 | random_below(6) << 21 |
		      random_below(MIB2);

	return random_once_in(8) ? ~va : va;
}

static void run_random(unsigned int entries, unsigned int steps)
{
	DmirageWalkCache *wc = dmirage_walkcache_new(entries);
	Model *m = g_new0(Model, 1);

	m->entries = entries;
	for (unsigned int step = 0; step < steps; step++) {
		unsigned int asid = random_below(3), what = random_below(100);
		uint64_t va = random_va();

		if (what < 40) {
			unsigned int level = 1 + random_below(4);
			uint64_t size = 512ull << (12 + 9 * (level - 1));
			Known k = {
				.first = va & ~(size - 1), .last = va | (size - 1),
				.table = random_next(), .asid = asid, .level = level,
			};

			model_insert(m, k);
			dmirage_walkcache_insert(wc, asid, va, level, k.table);
		} else if (what < 97) {
			const Known *best = NULL;

			for (unsigned int i = 0; i < m->held; i++) {
				const Known *k = &m->known[i];

				if (k->asid == asid && k->first <= va &&
				    k->last >= va && (!best || k->level < best->level))
					best = k;
			}
			assert_at(wc, asid, va, best ? best->level : 0,
				  best ? best->table : 0);
		} else {
			uint64_t last = va + random_any();

			if (last < va)
				last = UINT64_MAX;
			g_assert_cmpuint(dmirage_walkcache_drop_range(wc, asid, va, last),
					 ==, model_drop(m, asid, va, last));
		}
		g_assert_cmpuint(dmirage_walkcache_held(wc), ==, m->held);
		if (random_once_in(10000)) {
			g_assert_cmpuint(dmirage_walkcache_drop_all(wc), ==, m->held);
			m->held = 0;
		}
	}
	g_free(m);
	dmirage_walkcache_free(wc);
}

static void test_model(void)
{
	static const unsigned int entries[] = { 0, 1, 2, 7, 16, 64 };

	random_begin();
	for (unsigned int i = 0; i < G_N_ELEMENTS(entries); i++)
		run_random(entries[i], 300000);
	run_random(DMIRAGE_WALKCACHE_MAX, 200000);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/walkcache/blocks", test_blocks);
	g_test_add_func("/walkcache/drop-overlap", test_drop);
	g_test_add_func("/walkcache/no-entries", test_none);
	g_test_add_func("/walkcache/model", test_model);
	return g_test_run();
}
