/* SPDX-License-Identifier: GPL-2.0 */
/* Tests of qemu-device/iotlb.c, the last ones against a reference model. */
#include <glib.h>
#include <string.h>

#include "iotlb.h"
#include "random.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static DmirageIotlb *iotlb_new(unsigned int entries, unsigned int ways)
{
	DmirageIotlb *tlb = dmirage_iotlb_new(entries, ways, DMIRAGE_REPLACE_LRU);

	g_assert_nonnull(tlb);
	return tlb;
}

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
	} bad[] = {
		{ 0, 1 },
		{ 4, 0 },
		{ 3, 1 },
		{ 8, 3 },
		{ 4, 8 },
		{ 0, 0 },
		{ 131072, 4 },
		{ 1u << 31, 4 },
		{ UINT_MAX, 1 },
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(bad); i++)
		g_assert_null(dmirage_iotlb_new(bad[i].entries, bad[i].ways,
						DMIRAGE_REPLACE_LRU));
	for (unsigned int ways = 1; ways <= 65536; ways *= 2) {
		unsigned int entries = ways < 64 ? 64 : ways;
		DmirageIotlb *tlb = iotlb_new(entries, ways);

		g_assert_cmpuint(dmirage_iotlb_entries(tlb), ==, entries);
		g_assert_cmpuint(dmirage_iotlb_held(tlb), ==, 0);
		for (unsigned int i = 0; i < entries; i++)
			g_assert_null(dmirage_iotlb_at(tlb, i));
		dmirage_iotlb_free(tlb);
	}
	dmirage_iotlb_free(NULL);
}

static void test_sizes(void)
{
	DmirageIotlb *tlb = iotlb_new(64, 4);

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
	DmirageIotlb *tlb = iotlb_new(16, 4);
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
	DmirageIotlb *tlb = iotlb_new(4, 4);

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
		DmirageIotlb *tlb = iotlb_new(64, ways);
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
	DmirageIotlb *tlb = iotlb_new(64, 4);

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

/* The first in goes, however much it is used; to replace it makes it new. */
static void test_fifo(void)
{
	DmirageIotlb *tlb = dmirage_iotlb_new(4, 4, DMIRAGE_REPLACE_FIFO);

	for (uint64_t i = 0; i < 4; i++)
		insert(tlb, 0, i << 12, DMIRAGE_ORDER_4K, i << 12);
	assert_at(tlb, 0, 0, 0);
	insert(tlb, 0, 9 << 12, DMIRAGE_ORDER_4K, 0x9000);
	assert_none(tlb, 0, 0);
	insert(tlb, 0, 1 << 12, DMIRAGE_ORDER_4K, 0x1000);
	insert(tlb, 0, 10 << 12, DMIRAGE_ORDER_4K, 0xa000);
	assert_none(tlb, 0, 2 << 12);
	assert_at(tlb, 0, 1 << 12, 1 << 12);
	dmirage_iotlb_free(tlb);
}

/* Each way is chosen about as often, and in two tables the same ones are. */
static void test_random_policy(void)
{
	DmirageIotlb *a = dmirage_iotlb_new(8, 8, DMIRAGE_REPLACE_RANDOM);
	DmirageIotlb *b = dmirage_iotlb_new(8, 8, DMIRAGE_REPLACE_RANDOM);
	unsigned int gone[8] = { 0 };

	for (uint64_t i = 0; i < 8008; i++) {
		DmirageXlate before[8];

		for (unsigned int w = 0; i >= 8 && w < 8; w++)
			before[w] = *dmirage_iotlb_at(a, w);
		insert(a, 0, i << 12, DMIRAGE_ORDER_4K, i << 12);
		insert(b, 0, i << 12, DMIRAGE_ORDER_4K, i << 12);
		g_assert_cmpuint(dmirage_iotlb_held(a), ==, MIN(i + 1, 8));
		for (unsigned int w = 0; i >= 8 && w < 8; w++) {
			g_assert_cmphex(dmirage_iotlb_at(a, w)->va, ==,
					dmirage_iotlb_at(b, w)->va);
			gone[w] += dmirage_iotlb_at(a, w)->va != before[w].va;
		}
	}
	for (unsigned int w = 0; w < 8; w++) {
		g_assert_cmpuint(gone[w], >, 800);
		g_assert_cmpuint(gone[w], <, 1200);
	}
	dmirage_iotlb_free(a);
	dmirage_iotlb_free(b);
}

/* Addresses that no translation can have are in none, and drop none. */
static void test_high_addresses(void)
{
	const uint64_t top = 1ull << 57;
	DmirageIotlb *tlb = iotlb_new(64, 4);

	insert(tlb, 1, 0, DMIRAGE_ORDER_4K, 0x1000);
	insert(tlb, 1, 0x123 * GIB, DMIRAGE_ORDER_1G, 0);
	insert(tlb, 65535, top - 4 * KIB, DMIRAGE_ORDER_4K, 0x2000);
	assert_at(tlb, 65535, top - 1, 0x2fff);
	assert_none(tlb, 65535, top);
	for (unsigned int bit = 57; bit < 64; bit++) {
		assert_none(tlb, 1, 1ull << bit);
		assert_none(tlb, 1, 0x123 * GIB + (1ull << bit));
		g_assert_cmpuint(dmirage_iotlb_drop_range(tlb, 1, 1ull << bit,
							  (1ull << bit) + 4095),
				 ==, 0);
		g_assert_cmpuint(dmirage_iotlb_drop_range(tlb, 1, 1ull << bit,
							  UINT64_MAX),
				 ==, 0);
	}
	/* A short range, across each border that there could be. */
	for (unsigned int bit = 57; bit < 64; bit++)
		g_assert_cmpuint(dmirage_iotlb_drop_range(tlb, 1, (1ull << bit) - 1,
							  (1ull << bit) + 4096),
				 ==, 0);
	g_assert_cmpuint(dmirage_iotlb_drop_range(tlb, 65535, top - 1, UINT64_MAX),
			 ==, 1);
	g_assert_cmpuint(dmirage_iotlb_held(tlb), ==, 2);
	dmirage_iotlb_free(tlb);
}

/* What ends the life of copies, and what does not. */
static void test_generation(void)
{
	DmirageIotlb *tlb = iotlb_new(4, 4);
	const uint64_t *generation = dmirage_iotlb_generation(tlb);
	DmirageLast last = { .generation = DMIRAGE_LAST_NONE };
	uint64_t before = *generation;

	g_assert_null(dmirage_last_lookup(&last, *generation, 0, 0));
	for (uint64_t i = 0; i < 4; i++) {
		insert(tlb, 0, i << 12, DMIRAGE_ORDER_4K, i << 12);
		assert_at(tlb, 0, i << 12, i << 12);
		assert_none(tlb, 0, 9 << 12);
		g_assert_cmpuint(*generation, ==, before);
	}

	last.generation = *generation;
	last.x = *dmirage_iotlb_lookup(tlb, 0, 0x2000);
	g_assert_true(dmirage_last_lookup(&last, *generation, 0, 0x2fff) == &last.x);
	g_assert_null(dmirage_last_lookup(&last, *generation, 0, 0x3000));
	g_assert_null(dmirage_last_lookup(&last, *generation, 0, 0x1fff));
	g_assert_null(dmirage_last_lookup(&last, *generation, 1, 0x2000));

	insert(tlb, 0, 9 << 12, DMIRAGE_ORDER_4K, 0);
	g_assert_cmpuint(*generation, !=, before);
	g_assert_null(dmirage_last_lookup(&last, *generation, 0, 0x2000));
	before = *generation;
	insert(tlb, 0, 9 << 12, DMIRAGE_ORDER_4K, 0x7000);
	g_assert_cmpuint(*generation, !=, before);

	before = *generation;
	dmirage_iotlb_drop_range(tlb, 5, 0, 1);
	g_assert_cmpuint(*generation, !=, before);
	before = *generation;
	dmirage_iotlb_drop_range(tlb, 5, 1ull << 60, 1ull << 61);
	g_assert_cmpuint(*generation, !=, before);
	before = *generation;
	dmirage_iotlb_drop_asid(tlb, 5);
	g_assert_cmpuint(*generation, !=, before);
	before = *generation;
	dmirage_iotlb_drop_all(tlb);
	g_assert_cmpuint(*generation, !=, before);
	before = *generation;
	dmirage_iotlb_drop_all(tlb);
	g_assert_cmpuint(*generation, !=, before);
	dmirage_iotlb_free(tlb);
}

/*
 * The model: every translation that there could be, with a flag for those that
 * the IOTLB must hold now. Which pages share a set is the IOTLB's affair; it is
 * learnt from where an entry is seen first, and must then always be so.
 */
#define PAGES	48
#define ASIDS	3
#define KEYS	(ASIDS * 3 * PAGES)
#define TOP	(1ull << 57)

typedef struct Key {
	DmirageXlate x;
	bool held;
	uint64_t used;		/* LRU: used; FIFO: inserted */
	int set;		/* -1: not known yet */
} Key;

typedef struct Model {
	DmirageIotlb *tlb;
	DmirageReplacement policy;
	unsigned int entries, ways;
	uint64_t tick;
	unsigned int held;
	DmirageLast last;
	Key key[KEYS];
	unsigned int in_set[1024];
	/* How often the rare things happened, so that none goes untested. */
	unsigned int replaced, evicted, dropped, last_hits;
} Model;

static const uint8_t orders[] = { 12, 21, 30 };

static Key *key_of(Model *m, unsigned int asid, unsigned int o, unsigned int p)
{
	return &m->key[(asid * 3 + o) * PAGES + p];
}

/* Half of the pages are at the bottom of the address space, half at its top. */
static uint64_t page_va(unsigned int o, unsigned int p)
{
	return p < PAGES / 2 ? (uint64_t)p << orders[o] :
			       TOP - ((uint64_t)(PAGES - p) << orders[o]);
}

static uint64_t random_va(void)
{
	unsigned int o = random_below(3);

	return page_va(o, random_below(PAGES)) + random_below(1ull << orders[o]);
}

static bool same(const DmirageXlate *a, const DmirageXlate *b)
{
	return a->va == b->va && a->pa == b->pa && a->fill_ns == b->fill_ns &&
	       a->asid == b->asid && a->order == b->order &&
	       a->write == b->write && a->prefetched == b->prefetched;
}

/* The model's entry for what the IOTLB returned. */
static Key *key_of_xlate(Model *m, const DmirageXlate *x)
{
	unsigned int o = (x->order - 12) / 9;
	uint64_t p = x->va < TOP / 2 ? x->va >> x->order :
				       PAGES - ((TOP - x->va) >> x->order);

	g_assert_cmpuint(p, <, PAGES);
	g_assert_cmpuint(x->asid, <, ASIDS);
	return key_of(m, x->asid, o, p);
}

static Model *model_new(unsigned int entries, unsigned int ways,
			DmirageReplacement policy)
{
	Model *m = g_new0(Model, 1);

	m->tlb = dmirage_iotlb_new(entries, ways, policy);
	m->policy = policy;
	m->entries = entries;
	m->ways = ways;
	m->last.generation = DMIRAGE_LAST_NONE;
	for (unsigned int i = 0; i < KEYS; i++)
		m->key[i].set = -1;
	return m;
}

static void model_free(Model *m)
{
	dmirage_iotlb_free(m->tlb);
	g_free(m);
}

static void let_go(Model *m, Key *k)
{
	g_assert_true(k->held);
	k->held = false;
	m->held--;
	m->in_set[k->set]--;
}

/* Where in the IOTLB @k is; -1: nowhere. */
static int find_place(Model *m, const Key *k)
{
	for (unsigned int i = 0; i < m->entries; i++) {
		const DmirageXlate *x = dmirage_iotlb_at(m->tlb, i);

		if (x && x->va == k->x.va && x->asid == k->x.asid &&
		    x->order == k->x.order)
			return i;
	}
	return -1;
}

/* RANDOM: the one of the set that is no longer in the IOTLB. */
static Key *find_gone(Model *m, int set, const Key *but)
{
	Key *gone = NULL;

	for (unsigned int i = 0; i < KEYS; i++) {
		Key *k = &m->key[i];

		if (k->held && k->set == set && k != but &&
		    find_place(m, k) < 0) {
			g_assert_null(gone);
			gone = k;
		}
	}
	return gone;
}

static Key *find_oldest(Model *m, int set, const Key *but)
{
	Key *oldest = NULL;

	for (unsigned int i = 0; i < KEYS; i++) {
		Key *k = &m->key[i];

		if (k->held && k->set == set && k != but &&
		    (!oldest || k->used < oldest->used))
			oldest = k;
	}
	return oldest;
}

static void step_insert(Model *m)
{
	Key *k = key_of(m, random_below(ASIDS), random_below(3),
			random_below(PAGES));
	unsigned int i = k - m->key;
	unsigned int o = i / PAGES % 3;
	uint64_t generation = *dmirage_iotlb_generation(m->tlb);
	bool replaces = k->held;

	k->x = (DmirageXlate){
		.va = page_va(o, i % PAGES), .pa = random_next() >> 30 << 30,
		.fill_ns = m->tick, .asid = i / PAGES / 3, .order = orders[o],
		.write = random_once_in(2), .prefetched = random_once_in(2),
	};
	dmirage_iotlb_insert(m->tlb, &k->x);
	m->replaced += replaces;
	if (!k->held) {
		if (k->set < 0)
			k->set = find_place(m, k) / (int)m->ways;
		g_assert_cmpint(k->set, >=, 0);
		k->held = true;
		m->held++;
		if (++m->in_set[k->set] > m->ways) {
			let_go(m, m->policy == DMIRAGE_REPLACE_RANDOM ?
					  find_gone(m, k->set, k) :
					  find_oldest(m, k->set, k));
			m->evicted++;
			replaces = true;
		}
	}
	k->used = ++m->tick;
	g_assert_cmpint(replaces, ==, generation != *dmirage_iotlb_generation(m->tlb));
}

static void step_lookup(Model *m)
{
	unsigned int asid = random_below(ASIDS);
	uint64_t va = random_va();
	const DmirageXlate *x = dmirage_iotlb_lookup(m->tlb, asid, va);
	Key *k;

	if (!x) {
		for (unsigned int i = 0; i < 3 * PAGES; i++) {
			k = &m->key[asid * 3 * PAGES + i];
			g_assert_false(k->held && va >= k->x.va &&
				       va <= dmirage_xlate_last(&k->x));
		}
		return;
	}
	g_assert_cmpuint(x->asid, ==, asid);
	g_assert_true(va >= x->va && va <= dmirage_xlate_last(x));
	k = key_of_xlate(m, x);
	g_assert_true(k->held);
	g_assert_true(same(&k->x, x));
	if (m->policy == DMIRAGE_REPLACE_LRU)
		k->used = ++m->tick;
	if (random_once_in(4)) {
		m->last.x = *x;
		m->last.generation = *dmirage_iotlb_generation(m->tlb);
	}
}

/* The copy is found only while the IOTLB has the very same. */
static void step_last(Model *m)
{
	const DmirageXlate *l = &m->last.x;
	uint64_t va = random_once_in(4) ? random_va() :
					  l->va + random_below(1ull << l->order);
	unsigned int asid = random_once_in(4) ? random_below(ASIDS) : l->asid;
	const DmirageXlate *x =
		dmirage_last_lookup(&m->last, *dmirage_iotlb_generation(m->tlb),
				    asid, va);
	Key *k;

	if (m->last.generation == DMIRAGE_LAST_NONE)
		g_assert_null(x);
	if (!x)
		return;
	g_assert_cmpuint(x->asid, ==, asid);
	g_assert_true(va >= x->va && va <= dmirage_xlate_last(x));
	k = key_of_xlate(m, x);
	g_assert_true(k->held && same(&k->x, x));
	m->last_hits++;
}

static void step_drop(Model *m)
{
	uint64_t generation = *dmirage_iotlb_generation(m->tlb);
	unsigned int what = random_below(64), asid = random_below(ASIDS);
	uint64_t first = random_va(), last;
	unsigned int expected = 0, got;

	last = first + random_any();
	if (last < first || random_once_in(16))
		last = UINT64_MAX;
	else if (random_once_in(2))
		last = first + random_below(8192);
	if (what < 2) {
		first = 0;
		last = UINT64_MAX;
	}
	for (unsigned int i = 0; i < KEYS; i++) {
		Key *k = &m->key[i];

		if (k->held && (what == 0 || k->x.asid == asid) &&
		    k->x.va <= last && dmirage_xlate_last(&k->x) >= first) {
			let_go(m, k);
			expected++;
		}
	}
	if (what == 0)
		got = dmirage_iotlb_drop_all(m->tlb);
	else if (what == 1)
		got = dmirage_iotlb_drop_asid(m->tlb, asid);
	else
		got = dmirage_iotlb_drop_range(m->tlb, asid, first, last);
	g_assert_cmpuint(got, ==, expected);
	g_assert_cmpuint(generation, !=, *dmirage_iotlb_generation(m->tlb));
	m->dropped += expected;
}

/* The same content, place by place: each in its own set, none twice. */
static void compare(Model *m)
{
	unsigned int held = 0;

	for (unsigned int i = 0; i < m->entries; i++) {
		const DmirageXlate *x = dmirage_iotlb_at(m->tlb, i);

		if (x) {
			Key *k = key_of_xlate(m, x);

			g_assert_true(k->held && same(&k->x, x));
			g_assert_cmpint(k->set, ==, i / m->ways);
			held++;
		}
	}
	/* As many, each of them right, and a page has one key: none is twice. */
	g_assert_cmpuint(held, ==, m->held);
}

static void run_random(unsigned int entries, unsigned int ways,
		       DmirageReplacement policy, unsigned int steps)
{
	Model *m = model_new(entries, ways, policy);

	for (unsigned int step = 0; step < steps; step++) {
		unsigned int what = random_below(100);

		if (what < 30)
			step_insert(m);
		else if (what < 60)
			step_lookup(m);
		else if (what < 98)
			step_last(m);
		else
			step_drop(m);
		g_assert_cmpuint(dmirage_iotlb_held(m->tlb), ==, m->held);
		if (step % 256 == 0)
			compare(m);
	}
	g_assert_cmpuint(m->replaced, >, 0);
	/* Of one entry alone these are rare: not with each seed. */
	if (entries > 1) {
		g_assert_cmpuint(m->dropped, >, 0);
		g_assert_cmpuint(m->last_hits, >, 0);
	}
	if (entries <= 256)
		g_assert_cmpuint(m->evicted, >, 0);
	model_free(m);
}

static void test_model(gconstpointer policy)
{
	static const struct {
		unsigned int entries, ways, steps;
	} runs[] = {
		{ 64, 4, 400000 },
		{ 64, 1, 400000 },
		{ 64, 2, 400000 },
		{ 256, 8, 400000 },
		{ 16, 16, 200000 },
		{ 1024, 4, 200000 },
		{ 512, 512, 200000 },
		{ 1, 1, 20000 },
	};

	random_begin();
	for (unsigned int i = 0; i < G_N_ELEMENTS(runs); i++) {
		/* To see what RANDOM chose takes a search. */
		unsigned int less = GPOINTER_TO_INT(policy) == DMIRAGE_REPLACE_RANDOM ? 4 : 1;

		run_random(runs[i].entries, runs[i].ways,
			   GPOINTER_TO_INT(policy), runs[i].steps / less);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/iotlb/geometry", test_geometry);
	g_test_add_func("/iotlb/page-sizes", test_sizes);
	g_test_add_func("/iotlb/replaces-same-page", test_replace_same);
	g_test_add_func("/iotlb/least-recently-used-goes", test_lru);
	g_test_add_func("/iotlb/first-in-goes", test_fifo);
	g_test_add_func("/iotlb/random-goes", test_random_policy);
	g_test_add_func("/iotlb/drop-overlap", test_drop_overlap);
	g_test_add_func("/iotlb/drop-asid", test_drop_asid);
	g_test_add_func("/iotlb/high-addresses", test_high_addresses);
	g_test_add_func("/iotlb/generation", test_generation);
	g_test_add_data_func("/iotlb/model-lru",
			     GINT_TO_POINTER(DMIRAGE_REPLACE_LRU), test_model);
	g_test_add_data_func("/iotlb/model-fifo",
			     GINT_TO_POINTER(DMIRAGE_REPLACE_FIFO), test_model);
	g_test_add_data_func("/iotlb/model-random",
			     GINT_TO_POINTER(DMIRAGE_REPLACE_RANDOM), test_model);
	return g_test_run();
}
