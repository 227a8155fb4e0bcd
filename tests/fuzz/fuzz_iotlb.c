/* SPDX-License-Identifier: GPL-2.0 */
/*
 * qemu-device/iotlb.c and walkcache.c under any sequence of calls. Input: a
 * byte for the geometry, then calls of 4 bytes. Beside them goes a plain array
 * of what may be held, and of which has to be, for a table of one set.
 */
#include "fuzz.h"

#include "iotlb.h"
#include "walkcache.h"

#define ASIDS	2
#define PAGES	8
#define MOST	(ASIDS * 3 * PAGES)
#define TOP	(1ull << 57)

typedef struct Entry {
	bool there;
	DmirageXlate x;
	uint64_t used;
} Entry;

static const uint8_t orders[] = { 12, 21, 30 };

static unsigned int key_of(const DmirageXlate *x)
{
	unsigned int page = x->va >> x->order & (PAGES - 1);

	return (x->asid * 3 + (x->order - 12) / 9) * PAGES + page;
}

/* Half of the pages are at the top of the address space. */
static uint64_t page_va(unsigned int o, unsigned int page)
{
	return page < PAGES / 2 ? (uint64_t)page << orders[o] :
				  TOP - ((uint64_t)(PAGES - page) << orders[o]);
}

static bool same(const DmirageXlate *a, const DmirageXlate *b)
{
	return a->va == b->va && a->pa == b->pa && a->asid == b->asid &&
	       a->order == b->order && a->write == b->write;
}

typedef struct State {
	DmirageIotlb *tlb;
	DmirageWalkCache *wc;
	unsigned int entries;
	bool one_set;
	DmirageReplacement policy;
	uint64_t tick;
	unsigned int held;	/* in a table of one set */
	Entry entry[MOST];
	DmirageLast last;
	uint64_t table[ASIDS][5][PAGES];	/* 0: not known */
} State;

static void insert(State *s, unsigned int asid, unsigned int o,
		   unsigned int page, uint8_t bits)
{
	DmirageXlate x = {
		.va = page_va(o, page), .pa = ++s->tick << 30, .asid = asid,
		.order = orders[o], .write = bits & 1,
	};
	Entry *e = &s->entry[key_of(&x)], *oldest = NULL;
	const uint64_t *generation = dmirage_iotlb_generation(s->tlb);
	bool replaces = e->there || s->held == s->entries;
	uint64_t before = *generation;

	if (s->one_set && !e->there && s->held == s->entries) {
		for (unsigned int i = 0; i < MOST; i++)
			if (s->entry[i].there &&
			    (!oldest || s->entry[i].used < oldest->used))
				oldest = &s->entry[i];
		oldest->there = false;
		s->held--;
	}
	s->held += !e->there;
	*e = (Entry){ .there = true, .x = x, .used = s->tick };
	dmirage_iotlb_insert(s->tlb, &x);
	CHECK(!s->one_set || replaces == (*generation != before));
}

static void lookup(State *s, unsigned int asid, uint64_t va)
{
	const DmirageXlate *x = dmirage_iotlb_lookup(s->tlb, asid, va);
	const DmirageXlate *l =
		dmirage_last_lookup(&s->last, *dmirage_iotlb_generation(s->tlb),
				    asid, va);
	Entry *e;

	if (l) {
		CHECK(l->asid == asid && va >= l->va && va <= dmirage_xlate_last(l));
		e = &s->entry[key_of(l)];
		CHECK(e->there && same(&e->x, l));
		/* What it holds is in the table, too. */
		CHECK(x);
	}
	if (x) {
		CHECK(x->asid == asid && va >= x->va && va <= dmirage_xlate_last(x));
		e = &s->entry[key_of(x)];
		CHECK(e->there && same(&e->x, x));
		if (s->policy == DMIRAGE_REPLACE_LRU)
			e->used = ++s->tick;
		s->last.x = *x;
		s->last.generation = *dmirage_iotlb_generation(s->tlb);
		va = dmirage_xlate_last(x);
		CHECK(dmirage_last_lookup(&s->last, s->last.generation, asid, va));
		CHECK(!dmirage_last_lookup(&s->last, s->last.generation, asid, va + 1));
		return;
	}
	for (unsigned int i = 0; s->one_set && i < MOST; i++) {
		e = &s->entry[i];
		CHECK(!e->there || e->x.asid != asid || va < e->x.va ||
		      va > dmirage_xlate_last(&e->x));
	}
}

typedef enum Drop {
	DROP_RANGE,
	DROP_ASID,
	DROP_ALL,
} Drop;

static void drop(State *s, Drop what, unsigned int asid, uint64_t first,
		 uint64_t last)
{
	uint64_t before = *dmirage_iotlb_generation(s->tlb);
	unsigned int n = 0, got;

	if (what != DROP_RANGE) {
		first = 0;
		last = UINT64_MAX;
	}
	for (unsigned int i = 0; i < MOST; i++) {
		Entry *e = &s->entry[i];

		if (e->there && (what == DROP_ALL || e->x.asid == asid) &&
		    e->x.va <= last &&
		    dmirage_xlate_last(&e->x) >= first) {
			e->there = false;
			n++;
		}
	}
	if (what == DROP_ALL)
		got = dmirage_iotlb_drop_all(s->tlb);
	else if (what == DROP_ASID)
		got = dmirage_iotlb_drop_asid(s->tlb, asid);
	else
		got = dmirage_iotlb_drop_range(s->tlb, asid, first, last);
	CHECK(s->one_set ? got == n : got <= n);
	CHECK(*dmirage_iotlb_generation(s->tlb) != before);
	for (unsigned int i = 0; what == DROP_ALL && i < s->entries; i++)
		CHECK(!dmirage_iotlb_at(s->tlb, i));
	s->held -= n;
	/* In other tables, those forgotten may be among the ones dropped. */
	for (unsigned int o = 0; o < 3; o++) {
		for (unsigned int page = 0; page < PAGES; page++) {
			const DmirageXlate *x =
				dmirage_iotlb_lookup(s->tlb, asid, page_va(o, page));

			CHECK(!x || x->va > last || dmirage_xlate_last(x) < first);
			if (x && s->policy == DMIRAGE_REPLACE_LRU)
				s->entry[key_of(x)].used = ++s->tick;
		}
	}
}

static unsigned int block_order(unsigned int level)
{
	return 12 + 9 * level;
}

/* The walk cache holds all that there can be, so it has to have it all. */
static void tables(State *s, unsigned int asid, unsigned int level,
		   unsigned int page, unsigned int what)
{
	uint64_t size = 1ull << block_order(level), va = page * size, table, got;
	unsigned int expected = 0;

	switch (what) {
	case 0:
		s->table[asid][level][page] = ++s->tick;
		dmirage_walkcache_insert(s->wc, asid, va + s->tick % size, level,
					 s->tick);
		break;
	case 1:
		for (unsigned int l = 1; l <= 4; l++)
			for (unsigned int p = 0; p < PAGES; p++)
				if ((uint64_t)p << block_order(l) < va + size &&
				    va < (uint64_t)(p + 1) << block_order(l)) {
					expected += !!s->table[asid][l][p];
					s->table[asid][l][p] = 0;
				}
		CHECK(dmirage_walkcache_drop_range(s->wc, asid, va, va + size - 1) ==
		      expected);
		break;
	default:
		va += s->tick % size;
		for (unsigned int l = 4; l >= 1; l--) {
			uint64_t p = va >> block_order(l);

			if (p < PAGES && s->table[asid][l][p]) {
				expected = l;
				table = s->table[asid][l][p];
			}
		}
		CHECK(dmirage_walkcache_lookup(s->wc, asid, va, &got) == expected);
		CHECK(!expected || got == table);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		unsigned int entries, ways;
	} shapes[] = { { 8, 8 }, { 4, 4 }, { 16, 16 }, { 16, 4 }, { 8, 1 }, { 8, 2 } };
	Input in = { data, size };
	uint8_t shape = take8(&in);
	State s = { .last = { .generation = DMIRAGE_LAST_NONE } };

	s.policy = shape / 8 % 3;
	shape = shape % 8 % (sizeof(shapes) / sizeof(shapes[0]));
	s.entries = shapes[shape].entries;
	s.one_set = shapes[shape].entries == shapes[shape].ways &&
		    s.policy != DMIRAGE_REPLACE_RANDOM;
	s.tlb = dmirage_iotlb_new(s.entries, shapes[shape].ways, s.policy);
	s.wc = dmirage_walkcache_new(ASIDS * 4 * PAGES);
	if (!s.tlb || !s.wc)
		abort();
	while (in.left >= 4) {
		uint8_t call = take8(&in), which = take8(&in);
		uint8_t one = take8(&in), two = take8(&in);
		unsigned int asid = which & 1, o = (which >> 1) % 3;
		unsigned int page = which >> 5;
		uint64_t va = page_va(o, page) + (uint64_t)one * 0x3001;
		Drop what;

		/* Beyond all that is ever held. */
		if (two % 16 == 15)
			va |= 1ull << (57 + two / 16 % 7);
		switch (call % 8) {
		case 0:
		case 1:
			insert(&s, asid, o, page, one);
			break;
		case 2:
		case 3:
			lookup(&s, asid, va);
			break;
		case 4:
			drop(&s, DROP_RANGE, asid, va,
			     va + ((uint64_t)two << (two & 31)));
			break;
		case 5:
			what = DROP_RANGE;
			if (one >= 240)
				what = one % 2 ? DROP_ASID : DROP_ALL;
			drop(&s, what, asid, va - one % 3, va + one % 2);
			break;
		default:
			tables(&s, asid, 1 + (which >> 1 & 3), page, call / 8 % 3);
			break;
		}
		CHECK(dmirage_iotlb_held(s.tlb) <= s.entries);
		CHECK(!s.one_set || dmirage_iotlb_held(s.tlb) == s.held);
	}
	dmirage_iotlb_free(s.tlb);
	dmirage_walkcache_free(s.wc);
	return 0;
}
