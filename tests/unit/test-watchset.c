/* SPDX-License-Identifier: GPL-2.0 */
/* Tests of qemu-device/watchset.c, the last ones against a reference model. */
#include <glib.h>
#include <string.h>

#include "random.h"
#include "watchset.h"

#define KIB	1024ull
#define MIB	(1024 * KIB)
#define GIB	(1024 * MIB)
#define PAGE	(4 * KIB)
#define MIB2	(2 * MIB)
#define LEVELS	DMIRAGE_WATCH_LEVELS

/* What the set has asked for; tables are told apart by their number. */
#define TABLES_MAX	16

typedef struct Watcher {
	unsigned int now, max;
	bool watched[TABLES_MAX];
	/* Since they were last looked at. */
	unsigned int watches, unwatches;
	bool watch[TABLES_MAX], unwatch[TABLES_MAX];
	/* In all. */
	unsigned int settled;
} Watcher;

/* Table @n, from 1; two of them are at the ends of the address space. */
static uint64_t table_at(unsigned int n)
{
	return n == TABLES_MAX - 1 ? ~(PAGE - 1) : n * PAGE;
}

static unsigned int number_of(uint64_t table)
{
	unsigned int n = table == ~(PAGE - 1) ? TABLES_MAX - 1 : table / PAGE;

	g_assert_cmphex(table_at(n), ==, table);
	g_assert_cmpuint(n, >, 0);
	return n;
}

static void on_watch(void *opaque, uint64_t table)
{
	Watcher *w = opaque;
	unsigned int n = number_of(table);

	g_assert_false(w->watched[n]);
	w->watched[n] = w->watch[n] = true;
	w->watches++;
	g_assert_cmpuint(++w->now, <=, w->max);
}

static void on_unwatch(void *opaque, uint64_t table)
{
	Watcher *w = opaque;
	unsigned int n = number_of(table);

	g_assert_true(w->watched[n]);
	w->watched[n] = false;
	w->unwatch[n] = true;
	w->unwatches++;
	w->now--;
}

static void on_settled(void *opaque, uint16_t asid)
{
	Watcher *w = opaque;

	(void)asid;
	w->settled++;
}

static const DmirageWatchOps ops = {
	.watch = on_watch, .unwatch = on_unwatch, .settled = on_settled,
};

static void forget_calls(Watcher *w)
{
	w->watches = w->unwatches = 0;
	memset(w->watch, 0, sizeof(w->watch));
	memset(w->unwatch, 0, sizeof(w->unwatch));
}

/* So many calls since the last time. */
static void assert_calls(Watcher *w, unsigned int watches, unsigned int unwatches)
{
	g_assert_cmpuint(w->watches, ==, watches);
	g_assert_cmpuint(w->unwatches, ==, unwatches);
	forget_calls(w);
}

static DmirageWatchset *set_new(Watcher *w, unsigned int max)
{
	DmirageWatchset *ws;

	memset(w, 0, sizeof(*w));
	w->max = max;
	ws = dmirage_watchset_new(max, &ops, w);
	g_assert_nonnull(ws);
	return ws;
}

/* All that was watched no longer is. */
static void set_free(DmirageWatchset *ws, Watcher *w)
{
	forget_calls(w);
	dmirage_watchset_free(ws);
	g_assert_cmpuint(w->now, ==, 0);
}

static DmirageXlate xlate(uint16_t asid, uint64_t va, uint8_t order)
{
	return (DmirageXlate){
		.asid = asid, .va = va, .order = order, .pa = 0x7000, .fill_ns = 1,
	};
}

/* @tables: the number of each level's from level 1, one digit (hex) each. */
static void make_tables(uint64_t table[LEVELS], unsigned int tables)
{
	for (unsigned int i = 0; i < LEVELS; i++) {
		unsigned int n = tables >> 4 * (LEVELS - 1 - i) & 15;

		table[i] = n ? table_at(n) : 0;
	}
}

static DmirageWatched *add(DmirageWatchset *ws, uint16_t asid, uint64_t va,
			   uint8_t order, unsigned int tables)
{
	DmirageXlate x = xlate(asid, va, order);
	uint64_t table[LEVELS];

	make_tables(table, tables);
	return dmirage_watchset_add(ws, &x, table);
}

static bool move(DmirageWatchset *ws, DmirageWatched *w, unsigned int tables)
{
	uint64_t table[LEVELS];

	make_tables(table, tables);
	return dmirage_watchset_move(ws, w, table);
}

static unsigned int drop(DmirageWatchset *ws, uint16_t asid, uint64_t first,
			 uint64_t last)
{
	return dmirage_watchset_drop_range(ws, asid, first, last, NULL, NULL);
}

/* The hits of a store, and what is to be done with who is hit. */
typedef struct Hits {
	DmirageWatchset *ws;
	unsigned int n;
	DmirageWatched *w[16];
	uint64_t first[16], last[16];
	bool remove, suspect;
	unsigned int tables;	/* where to move it; 0: not */
} Hits;

static void on_hit(void *opaque, DmirageWatched *w, uint64_t first, uint64_t last)
{
	Hits *h = opaque;

	g_assert_cmpuint(h->n, <, 16);
	h->w[h->n] = w;
	h->first[h->n] = first;
	h->last[h->n++] = last;
	if (h->suspect)
		dmirage_watchset_set_suspect(h->ws, w, true);
	if (h->tables)
		g_assert_true(move(h->ws, w, h->tables));
	if (h->remove)
		dmirage_watchset_remove(h->ws, w);
}

static Hits store(DmirageWatchset *ws, uint64_t addr, unsigned int size)
{
	Hits h = { .ws = ws };

	dmirage_watchset_store(ws, addr, size, on_hit, &h);
	return h;
}

static void assert_no_hit(DmirageWatchset *ws, uint64_t addr)
{
	g_assert_cmpuint(store(ws, addr, 8).n, ==, 0);
}

static void assert_hit(DmirageWatchset *ws, uint64_t addr, DmirageWatched *w,
		       uint64_t first, uint64_t last)
{
	Hits h = store(ws, addr, 8);

	g_assert_cmpuint(h.n, ==, 1);
	g_assert_true(h.w[0] == w);
	g_assert_cmphex(h.first[0], ==, first);
	g_assert_cmphex(h.last[0], ==, last);
}

/* A table is watched from its first dependent until its last one is gone. */
static void test_watch(void)
{
	Watcher w;
	DmirageWatchset *ws = set_new(&w, 8);
	DmirageWatched *a, *b;

	a = add(ws, 1, 0, DMIRAGE_ORDER_4K, 0x12345);
	assert_calls(&w, 5, 0);
	b = add(ws, 1, PAGE, DMIRAGE_ORDER_4K, 0x12645);
	assert_calls(&w, 1, 0);
	g_assert_true(w.watched[6]);
	g_assert_cmpuint(dmirage_watchset_held(ws), ==, 2);
	g_assert_cmpuint(dmirage_watchset_tables(ws), ==, 6);
	g_assert_true(dmirage_watchset_is_watched(ws, table_at(6)));
	g_assert_true(dmirage_watchset_is_watched(ws, table_at(6) + PAGE - 1));
	g_assert_false(dmirage_watchset_is_watched(ws, table_at(7)));
	g_assert_false(dmirage_watchset_is_watched(ws, 0));
	dmirage_watchset_remove(ws, a);
	g_assert_true(w.unwatch[3]);
	assert_calls(&w, 0, 1);
	g_assert_false(dmirage_watchset_is_watched(ws, table_at(3)));
	dmirage_watchset_remove(ws, b);
	assert_calls(&w, 0, 5);
	g_assert_cmpuint(dmirage_watchset_held(ws), ==, 0);
	g_assert_cmpuint(dmirage_watchset_tables(ws), ==, 0);

	/* A page at two levels is one table; none at all is possible, too. */
	a = add(ws, 1, 0, DMIRAGE_ORDER_4K, 0x11000);
	assert_calls(&w, 1, 0);
	b = add(ws, 1, PAGE, DMIRAGE_ORDER_4K, 0);
	g_assert_true(move(ws, a, 0x10000));
	assert_calls(&w, 0, 0);
	g_assert_true(move(ws, a, 0));
	assert_calls(&w, 0, 1);
	g_assert_cmpuint(dmirage_watchset_held(ws), ==, 2);

	add(ws, 2, 0, DMIRAGE_ORDER_4K, 0xf);
	add(ws, 2, GIB, DMIRAGE_ORDER_1G, 0x123);
	assert_calls(&w, 4, 0);
	dmirage_watchset_free(ws);
	assert_calls(&w, 0, 4);
	dmirage_watchset_free(NULL);
}

/* The same page again: what is told anew is new, and what stays stays. */
static void test_replace(void)
{
	Watcher w;
	DmirageWatchset *ws = set_new(&w, 5);
	DmirageXlate x = xlate(3, MIB2, DMIRAGE_ORDER_2M);
	uint64_t table[LEVELS];
	DmirageWatched *a, *b;

	make_tables(table, 0x12340);
	a = dmirage_watchset_add(ws, &x, table);
	g_assert_cmpmem(a->table, sizeof(table), table, sizeof(table));
	g_assert_cmphex(a->first.va, ==, 0);
	a->first.va = 77;
	dmirage_watchset_set_suspect(ws, a, true);
	forget_calls(&w);
	x.pa = 0x40000000;
	x.write = true;
	x.fill_ns = 99;
	make_tables(table, 0x20350);
	b = dmirage_watchset_add(ws, &x, table);
	g_assert_nonnull(b);
	g_assert_cmpmem(b->table, sizeof(table), table, sizeof(table));
	g_assert_cmphex(b->x.pa, ==, 0x40000000);
	g_assert_true(b->x.write);
	g_assert_cmpint(b->x.fill_ns, ==, 99);
	g_assert_false(b->suspect);
	g_assert_cmphex(b->first.va, ==, 0);
	g_assert_true(w.watched[2] && w.watched[3] && w.watched[5]);
	assert_calls(&w, 1, 2);
	g_assert_cmpuint(dmirage_watchset_held(ws), ==, 1);

	/* From itself. */
	b = dmirage_watchset_add(ws, &b->x, b->table);
	g_assert_true(dmirage_watchset_move(ws, b, b->table));
	g_assert_cmpmem(b->table, sizeof(table), table, sizeof(table));
	assert_calls(&w, 0, 0);

	/* Other contexts, sizes and addresses are others. */
	add(ws, 3, MIB2, DMIRAGE_ORDER_4K, 0x20350);
	add(ws, 4, MIB2, DMIRAGE_ORDER_2M, 0x20350);
	add(ws, 3, 2 * MIB2, DMIRAGE_ORDER_2M, 0x20350);
	g_assert_cmpuint(dmirage_watchset_held(ws), ==, 4);
	g_assert_cmpuint(dmirage_watchset_refused(ws), ==, 0);
	set_free(ws, &w);
}

static void test_refused(void)
{
	Watcher w;
	DmirageWatchset *ws = set_new(&w, 4);
	DmirageWatched *a, *b;

	g_assert_null(add(ws, 1, 0, DMIRAGE_ORDER_4K, 0x12345));
	assert_calls(&w, 0, 0);
	g_assert_cmpuint(dmirage_watchset_refused(ws), ==, 1);
	g_assert_cmpuint(dmirage_watchset_held(ws), ==, 0);
	/* Pages are counted, not levels. */
	a = add(ws, 1, 0, DMIRAGE_ORDER_4K, 0x12344);
	g_assert_nonnull(a);
	assert_calls(&w, 4, 0);
	g_assert_null(add(ws, 1, PAGE, DMIRAGE_ORDER_4K, 0x12345));
	assert_calls(&w, 0, 0);
	b = add(ws, 1, PAGE, DMIRAGE_ORDER_4K, 0x12000);
	g_assert_nonnull(b);

	/* What goes makes room for what comes. */
	g_assert_true(move(ws, a, 0x12553));
	g_assert_false(w.watched[4]);
	assert_calls(&w, 1, 1);
	/* But not if somebody else needs it; then what only it needed goes. */
	g_assert_false(move(ws, a, 0x67853));
	g_assert_true(w.unwatch[3] && w.unwatch[5]);
	assert_calls(&w, 0, 2);
	g_assert_cmpuint(dmirage_watchset_refused(ws), ==, 3);
	g_assert_cmpuint(dmirage_watchset_held(ws), ==, 1);
	assert_no_hit(ws, table_at(3));
	assert_hit(ws, table_at(2), b, PAGE, 2 * PAGE - 1);

	/* A replacement that is refused leaves nothing. */
	g_assert_null(add(ws, 1, PAGE, DMIRAGE_ORDER_4K, 0x12345));
	assert_calls(&w, 0, 2);
	g_assert_cmpuint(dmirage_watchset_held(ws), ==, 0);
	g_assert_cmpuint(dmirage_watchset_tables(ws), ==, 0);
	g_assert_cmpuint(drop(ws, 1, 0, UINT64_MAX), ==, 0);
	g_assert_cmpuint(dmirage_watchset_refused(ws), ==, 4);
	set_free(ws, &w);

	/* No table may be watched at all. */
	ws = set_new(&w, 0);
	g_assert_null(add(ws, 1, 0, DMIRAGE_ORDER_4K, 1));
	g_assert_nonnull(add(ws, 1, 0, DMIRAGE_ORDER_4K, 0));
	set_free(ws, &w);
}

/* At each level, the one entry that covers it, and no other. */
static void test_store_levels(void)
{
	const uint64_t va = 0x5ull << 57 | 0x6ull << 48 | 0x7ull << 39 |
			    0x8ull << 30 | 0x9ull << 21 | 0xaull << 12;
	static const unsigned int index[] = { 0xa, 0x9, 0x8, 0x7, 0x6 };
	static const uint8_t order[] = { 12, 21, 30 };

	for (unsigned int o = 0; o < 3; o++) {
		Watcher w;
		DmirageWatchset *ws = set_new(&w, 5);
		uint64_t from = va >> order[o] << order[o];
		uint64_t to = from + ((1ull << order[o]) - 1);
		DmirageWatched *a = add(ws, 1, from, order[o], 0x12345);

		for (unsigned int i = 0; i < LEVELS; i++) {
			uint64_t table = table_at(i + 1);
			uint64_t span = 1ull << (12 + 9 * i);

			for (unsigned int e = 0; e < 512; e++) {
				if (i < o)
					assert_hit(ws, table + e * 8, a, from + e * span,
						   from + (e + 1) * span - 1);
				else if (e == index[i])
					assert_hit(ws, table + e * 8, a, from, to);
				else
					assert_no_hit(ws, table + e * 8);
			}
		}
		assert_no_hit(ws, table_at(6) + 8 * 0xa);
		assert_no_hit(ws, 8 * 0xa);
		set_free(ws, &w);
	}
}

/* Which bytes of an entry are written is all the same. */
static void test_store_sizes(void)
{
	Watcher w;
	DmirageWatchset *ws = set_new(&w, 5);
	DmirageWatched *a = add(ws, 1, 5 * PAGE, DMIRAGE_ORDER_4K, 0x12345);
	DmirageWatched *b = add(ws, 1, 6 * PAGE, DMIRAGE_ORDER_4K, 0x12345);
	DmirageWatched *c = add(ws, 1, 511 * PAGE, DMIRAGE_ORDER_4K, 0x12345);

	for (unsigned int size = 1; size <= 8; size++) {
		for (uint64_t at = 4 * 8; at < 8 * 8; at++) {
			Hits h = store(ws, table_at(1) + at, size);
			bool first = at < 6 * 8 && at + size > 5 * 8;
			bool second = at < 7 * 8 && at + size > 6 * 8;
			unsigned int i = 0;

			g_assert_cmpuint(h.n, ==, first + second);
			if (first)
				g_assert_true(h.w[i++] == a);
			if (second)
				g_assert_true(h.w[i++] == b);
		}
		g_assert_true(store(ws, table_at(1) + PAGE - size, size).w[0] == c);
	}

	/* Two entries of a table that it depends on as a whole: two hits. */
	DmirageWatched *d = add(ws, 1, MIB2, DMIRAGE_ORDER_2M, 0x62345);
	g_assert_null(d);
	d = add(ws, 1, MIB2, DMIRAGE_ORDER_2M, 0x52345);
	Hits h = store(ws, table_at(5) + 511 * 8 - 1, 2);

	g_assert_cmpuint(h.n, ==, 2);
	g_assert_true(h.w[0] == d && h.w[1] == d);
	g_assert_cmphex(h.first[0], ==, MIB2 + 510 * PAGE);
	g_assert_cmphex(h.last[0], ==, MIB2 + 511 * PAGE - 1);
	g_assert_cmphex(h.first[1], ==, MIB2 + 511 * PAGE);
	g_assert_cmphex(h.last[1], ==, 2 * MIB2 - 1);
	set_free(ws, &w);
}

/* The last page of all, whose last byte is UINT64_MAX. */
static void test_top(void)
{
	static const uint8_t order[] = { 12, 21, 30 };

	for (unsigned int o = 0; o < 3; o++) {
		Watcher w;
		DmirageWatchset *ws = set_new(&w, 5);
		uint64_t size = 1ull << order[o];
		DmirageWatched *a = add(ws, 65535, -size, order[o], 0xf2345);
		DmirageWatched *b = add(ws, 65535, 0, order[o], 0xf2345);

		for (unsigned int i = o; i < LEVELS; i++) {
			uint64_t table = table_at(i ? i + 1 : 15);

			assert_hit(ws, table + 511 * 8, a, -size, UINT64_MAX);
			assert_hit(ws, table, b, 0, size - 1);
		}
		g_assert_cmpuint(drop(ws, 65535, size, -size - 1), ==, 0);
		g_assert_cmpuint(drop(ws, 65535, -size - 1, -size), ==, 1);
		g_assert_cmpuint(dmirage_watchset_held(ws), ==, 1);
		add(ws, 65535, -size, order[o], 0xf2345);
		g_assert_cmpuint(drop(ws, 65535, UINT64_MAX, UINT64_MAX), ==, 1);
		g_assert_cmpuint(drop(ws, 65535, 0, 0), ==, 1);
		add(ws, 65535, -size, order[o], 0xf2345);
		add(ws, 65535, 0, order[o], 0xf2345);
		g_assert_cmpuint(drop(ws, 65535, 0, UINT64_MAX), ==, 2);
		assert_no_hit(ws, table_at(2) + 511 * 8);
		set_free(ws, &w);
	}
}

/* One page as a table of many things. */
static void test_shared(void)
{
	Watcher w;
	DmirageWatchset *ws = set_new(&w, 5);
	DmirageWatched *a = add(ws, 1, 5 * MIB2, DMIRAGE_ORDER_2M, 0x02000);
	DmirageWatched *b = add(ws, 2, 5 * MIB2, DMIRAGE_ORDER_2M, 0x02000);
	DmirageWatched *c = add(ws, 1, 5 * MIB2 + 7 * GIB, DMIRAGE_ORDER_2M, 0x02000);
	DmirageWatched *d = add(ws, 3, 5 * GIB, DMIRAGE_ORDER_1G, 0x00200);
	DmirageWatched *e = add(ws, 3, 6 * MIB2, DMIRAGE_ORDER_2M, 0x20000);
	Hits h = store(ws, table_at(2) + 5 * 8, 8);

	g_assert_cmpuint(h.n, ==, 5);
	for (unsigned int i = 0; i < h.n; i++) {
		const DmirageXlate *x = &h.w[i]->x;

		g_assert_true(h.w[i] == a || h.w[i] == b || h.w[i] == c ||
			      h.w[i] == d || h.w[i] == e);
		for (unsigned int j = 0; j < i; j++)
			g_assert_true(h.w[i] != h.w[j]);
		if (h.w[i] == e) {
			g_assert_cmphex(h.first[i], ==, x->va + 5 * PAGE);
			g_assert_cmphex(h.last[i], ==, x->va + 6 * PAGE - 1);
		} else {
			g_assert_cmphex(h.first[i], ==, x->va);
			g_assert_cmphex(h.last[i], ==, dmirage_xlate_last(x));
		}
	}
	assert_hit(ws, table_at(2) + 6 * 8, e, 6 * MIB2 + 6 * PAGE,
		   6 * MIB2 + 7 * PAGE - 1);
	assert_calls(&w, 1, 0);
	g_assert_cmpuint(drop(ws, 3, 0, UINT64_MAX), ==, 2);
	g_assert_cmpuint(drop(ws, 1, 0, UINT64_MAX), ==, 2);
	assert_calls(&w, 0, 0);
	assert_hit(ws, table_at(2) + 5 * 8, b, 5 * MIB2, 6 * MIB2 - 1);

	/* One page at several levels of one translation: one hit. */
	add(ws, 2, 5 * MIB2, DMIRAGE_ORDER_2M, 0);
	a = add(ws, 1, 5 * MIB2, DMIRAGE_ORDER_2M, 0x22020);
	assert_hit(ws, table_at(2) + 4 * 8, a, 5 * MIB2 + 4 * PAGE, 5 * MIB2 + 5 * PAGE - 1);
	assert_hit(ws, table_at(2) + 5 * 8, a, 5 * MIB2, 6 * MIB2 - 1);
	g_assert_true(move(ws, a, 0x20020));
	assert_hit(ws, table_at(2), a, 5 * MIB2, 6 * MIB2 - 1);
	/* From the first byte to the last one. */
	a = add(ws, 1, 3 * GIB, DMIRAGE_ORDER_1G, 0x33000);
	assert_hit(ws, table_at(3) + 2 * 8, a, 3 * GIB + 2 * PAGE, 3 * GIB + 3 * MIB2 - 1);
	set_free(ws, &w);
}

/* Who is hit may go somewhere else, or away, while others still wait. */
static void test_hit_changes(void)
{
	static const unsigned int to[] = {
		0x12000,	/* stays */
		0x13000,	/* leaves the page */
		0x22000,	/* there twice */
		0x20000,	/* there at another level */
		0x00200,
		0x32000,
		0,		/* is not moved */
	};

	for (unsigned int i = 0; i <= G_N_ELEMENTS(to); i++) {
		Watcher w;
		DmirageWatchset *ws = set_new(&w, 3);
		Hits h = {
			.ws = ws, .suspect = true, .remove = i == G_N_ELEMENTS(to),
			.tables = i < G_N_ELEMENTS(to) ? to[i] : 0,
		};
		bool again;

		/* Each depends on it twice. */
		for (unsigned int asid = 0; asid < 8; asid++)
			add(ws, asid, 0, DMIRAGE_ORDER_4K, 0x02200);
		dmirage_watchset_store(ws, table_at(2), 8, on_hit, &h);
		g_assert_cmpuint(h.n, ==, 8);
		for (unsigned int j = 0; j < 8; j++)
			for (unsigned int k = 0; k < j; k++)
				g_assert_true(h.w[j] != h.w[k]);
		g_assert_cmpuint(dmirage_watchset_held(ws), ==, h.remove ? 0 : 8);
		/* Large ones, which depend on all entries; a store to two. */
		dmirage_watchset_free(ws);
		ws = h.ws = set_new(&w, 3);
		for (unsigned int asid = 0; asid < 8; asid++)
			add(ws, asid, 0, DMIRAGE_ORDER_2M, 0x22000);
		h.n = 0;
		dmirage_watchset_store(ws, table_at(2) + 4, 8, on_hit, &h);
		again = !h.remove && (!h.tables || h.tables >> 16 == 2);
		g_assert_cmpuint(h.n, ==, again ? 16 : 8);
		g_assert_cmpuint(dmirage_watchset_held(ws), ==, h.remove ? 0 : 8);
		set_free(ws, &w);
	}
}

static void count_dropped(void *opaque, DmirageWatched *w)
{
	unsigned int *n = opaque;

	/* It is still what it was. */
	g_assert_cmpuint(w->x.asid, ==, 7);
	g_assert_cmphex(w->table[0], ==, table_at(1));
	++*n;
}

/* A single byte of overlap drops a page; its neighbours stay. */
static void test_drop_overlap(void)
{
	static const struct {
		uint64_t first, last;
		bool small, large, giant;	/* are they dropped? */
	} cases[] = {
		{ 2 * MIB - 2, 2 * MIB - 1, false, false, false },
		{ 2 * MIB - 1, 2 * MIB, false, true, false },
		{ 4 * MIB - 1, 4 * MIB - 1, false, true, false },
		{ 3 * MIB, 3 * MIB, false, true, false },
		{ 4 * MIB, 4 * MIB, true, false, false },
		{ 4 * MIB + 4095, 4 * MIB + 4096, true, false, false },
		{ 4 * MIB + 4096, 4 * MIB + 8191, false, false, false },
		{ 4 * MIB + 4096, GIB - 1, false, false, false },
		{ 4 * MIB + 4096, GIB, false, false, true },
		{ 4 * MIB + 4095, GIB, true, false, true },
		{ GIB + 5 * MIB, GIB + 5 * MIB, false, false, true },
		{ 2 * GIB - 1, 2 * GIB, false, false, true },
		{ 2 * GIB, UINT64_MAX, false, false, false },
		{ 4 * MIB - 1, 4 * MIB, true, true, false },
		{ 0, UINT64_MAX, true, true, true },
	};

	/* With few others held and with many ranges are looked for differently. */
	for (unsigned int i = 0; i < 3 * G_N_ELEMENTS(cases); i++) {
		unsigned int c = i / 3;
		unsigned int n = cases[c].small + cases[c].large + cases[c].giant;
		unsigned int others = 0, told = 0;
		Watcher w;
		DmirageWatchset *ws = set_new(&w, 4);

		add(ws, 7, 2 * MIB, DMIRAGE_ORDER_2M, 0x12000);
		add(ws, 7, 4 * MIB, DMIRAGE_ORDER_4K, 0x12000);
		add(ws, 7, GIB, DMIRAGE_ORDER_1G, 0x12000);
		add(ws, 8, 2 * MIB, DMIRAGE_ORDER_2M, 0x12000);
		add(ws, 8, 4 * MIB, DMIRAGE_ORDER_4K, 0x12000);
		add(ws, 8, GIB, DMIRAGE_ORDER_1G, 0x12000);
		/* In the same block and elsewhere. */
		for (unsigned int p = 0; i % 3 >= 1 && p < 200; p++, others++)
			add(ws, 7, 5 * MIB + p * PAGE, DMIRAGE_ORDER_4K, 0x12000);
		for (unsigned int p = 0; i % 3 == 2 && p < 2000; p++, others++)
			add(ws, 7, 1000 * GIB + p * MIB2, DMIRAGE_ORDER_2M, 0x12000);
		for (unsigned int p = 0; p < others; p++) {
			bool near = p < 200;
			uint64_t va = near ? 5 * MIB + p * PAGE :
					     1000 * GIB + (p - 200) * MIB2;

			n += va <= cases[c].last &&
			     va + (near ? PAGE : MIB2) - 1 >= cases[c].first;
		}
		g_assert_cmpuint(dmirage_watchset_drop_range(ws, 7, cases[c].first,
							     cases[c].last,
							     count_dropped, &told),
				 ==, n);
		g_assert_cmpuint(told, ==, n);
		g_assert_cmpuint(dmirage_watchset_held(ws), ==, 6 + others - n);
		g_assert_cmpuint(drop(ws, 7, 2 * MIB, 4 * MIB - 1), ==, !cases[c].large);
		g_assert_cmpuint(drop(ws, 7, 4 * MIB, 4 * MIB), ==, !cases[c].small);
		g_assert_cmpuint(drop(ws, 7, GIB, GIB), ==, !cases[c].giant);
		g_assert_cmpuint(drop(ws, 8, 0, UINT64_MAX), ==, 3);
		set_free(ws, &w);
	}
}

static void test_drop_asid(void)
{
	Watcher w;
	DmirageWatchset *ws = set_new(&w, 4);
	unsigned int told = 0;

	for (unsigned int asid = 6; asid < 9; asid++) {
		add(ws, asid, 0, DMIRAGE_ORDER_4K, 0x10000);
		add(ws, asid, 3 * MIB2, DMIRAGE_ORDER_2M, 0x10000);
		add(ws, asid, 7 * GIB, DMIRAGE_ORDER_1G, 0x10000);
	}
	g_assert_cmpuint(dmirage_watchset_drop_asid(ws, 7, count_dropped, &told), ==, 3);
	g_assert_cmpuint(told, ==, 3);
	g_assert_cmpuint(dmirage_watchset_drop_asid(ws, 7, count_dropped, &told), ==, 0);
	g_assert_cmpuint(dmirage_watchset_drop_asid(ws, 6, NULL, NULL), ==, 3);
	g_assert_true(w.watched[1]);
	g_assert_cmpuint(dmirage_watchset_drop_asid(ws, 8, NULL, NULL), ==, 3);
	g_assert_false(w.watched[1]);
	set_free(ws, &w);
}

/* What is done with the @n suspects seen. */
typedef struct Suspects {
	DmirageWatchset *ws;
	unsigned int n;
	bool remove, clear;
} Suspects;

static void on_suspect(void *opaque, DmirageWatched *w)
{
	Suspects *s = opaque;

	g_assert_true(w->suspect);
	s->n++;
	if (s->clear)
		dmirage_watchset_set_suspect(s->ws, w, false);
	if (s->remove)
		dmirage_watchset_remove(s->ws, w);
}

static unsigned int suspects(DmirageWatchset *ws, bool clear, bool remove)
{
	Suspects s = { .ws = ws, .clear = clear, .remove = remove };

	dmirage_watchset_suspects(ws, on_suspect, &s);
	return s.n;
}

static void test_suspects(void)
{
	Watcher w;
	DmirageWatchset *ws = set_new(&w, 4);
	DmirageWatched *a[8];

	for (unsigned int i = 0; i < 8; i++)
		a[i] = add(ws, 1, i * PAGE, DMIRAGE_ORDER_4K, 0x10000);
	g_assert_cmpuint(suspects(ws, false, false), ==, 0);
	for (unsigned int i = 0; i < 8; i++)
		dmirage_watchset_set_suspect(ws, a[i], true);
	g_assert_cmpuint(suspects(ws, false, false), ==, 8);
	/* Twice is once. */
	dmirage_watchset_set_suspect(ws, a[0], true);
	g_assert_cmpuint(suspects(ws, false, false), ==, 8);
	dmirage_watchset_set_suspect(ws, a[0], false);
	dmirage_watchset_set_suspect(ws, a[0], false);
	dmirage_watchset_set_suspect(ws, a[7], false);
	g_assert_cmpuint(suspects(ws, false, false), ==, 6);
	/* To move it does not clear it; dropped and added again, it is new. */
	g_assert_true(move(ws, a[3], 0x20000));
	g_assert_cmpuint(suspects(ws, false, false), ==, 6);
	add(ws, 1, 3 * PAGE, DMIRAGE_ORDER_4K, 0x10000);
	g_assert_cmpuint(suspects(ws, false, false), ==, 5);
	g_assert_cmpuint(drop(ws, 1, 4 * PAGE, 4 * PAGE), ==, 1);
	g_assert_cmpuint(suspects(ws, false, false), ==, 4);
	g_assert_cmpuint(w.settled, ==, 4);
	g_assert_cmpuint(suspects(ws, true, false), ==, 4);
	g_assert_cmpuint(w.settled, ==, 8);
	g_assert_cmpuint(suspects(ws, false, false), ==, 0);
	g_assert_cmpuint(dmirage_watchset_held(ws), ==, 7);
	dmirage_watchset_set_suspect(ws, a[1], true);
	dmirage_watchset_set_suspect(ws, a[2], true);
	g_assert_cmpuint(suspects(ws, false, true), ==, 2);
	g_assert_cmpuint(suspects(ws, false, true), ==, 0);
	g_assert_cmpuint(dmirage_watchset_held(ws), ==, 5);
	g_assert_cmpuint(w.settled, ==, 10);
	dmirage_watchset_set_suspect(ws, a[0], true);
	set_free(ws, &w);
}

/*
 * Many, all beneath one root: if a store or a drop cost time for all of them,
 * this would take longer than a test may.
 */
static void test_many(void)
{
	const unsigned int n = 100000;
	Watcher w;
	DmirageWatchset *ws = set_new(&w, 5);
	DmirageWatched **a = g_new(DmirageWatched *, n);
	unsigned int dropped = 0;

	for (unsigned int i = 0; i < n; i++) {
		a[i] = add(ws, 1, (i % 500ull) << 48 | (i / 500ull) << 12,
			   DMIRAGE_ORDER_4K, 0x12345);
		g_assert_nonnull(a[i]);
	}
	for (unsigned int i = 0; i < n; i++) {
		g_assert_cmpuint(store(ws, table_at(5) + 500 * 8 + i % 96, 1).n, ==, 0);
		g_assert_true(dmirage_watchset_is_watched(ws, table_at(i % 5 + 1)));
		g_assert_cmpuint(suspects(ws, false, false), ==, 0);
		g_assert_true(move(ws, a[i], 0x12354));
		g_assert_true(move(ws, a[i], 0x12345));
	}
	for (unsigned int i = 0; i < n; i += 2)
		dropped += drop(ws, 1, a[i]->x.va, a[i]->x.va + PAGE - 1);
	g_assert_cmpuint(dropped, ==, n / 2);
	dropped += drop(ws, 1, 5ull << 48, 6ull << 48 | 0xfff);
	g_assert_cmpuint(dropped, ==, n / 2 + n / 500);
	g_assert_cmpuint(dmirage_watchset_held(ws), ==, n - dropped);
	g_free(a);
	set_free(ws, &w);
}

/*
 * The model: an array of what is held, and everything by looking at all of it.
 */
typedef struct Model {
	DmirageWatched *w;	/* in the set */
	DmirageXlate x;
	uint64_t table[LEVELS];
	bool suspect, dropped, seen;
	uint64_t mark;		/* first.va */
	/* To be hit by the write under way: */
	bool due;
	uint64_t first, last;
} Model;

#define MODEL_MAX	512

typedef struct World {
	DmirageWatchset *ws;
	Watcher watcher;
	bool was_watched[TABLES_MAX];
	Model model[MODEL_MAX];
	unsigned int held, max_held, tables;
	uint64_t refused;
	/* A store: its table, entry under way, its last one, and who is due. */
	uint64_t table;
	unsigned int entry, last_entry, due;
	/* How often the rare things happened, so that none goes untested. */
	unsigned int replaced, moved_in_hit, removed_in_hit, second_hits, dropped;
	unsigned int partial, several_levels, suspects, wide_drops;
} World;

static Model *model_of(World *m, const DmirageWatched *w)
{
	for (unsigned int i = 0; i < m->held; i++)
		if (m->model[i].w == w)
			return &m->model[i];
	g_assert_not_reached();
}

/* The set's copy of it is as it has to be. */
static void assert_same(const Model *k)
{
	const DmirageXlate *a = &k->x, *b = &k->w->x;

	g_assert_true(a->va == b->va && a->pa == b->pa &&
		      a->fill_ns == b->fill_ns && a->asid == b->asid &&
		      a->order == b->order && a->write == b->write &&
		      a->prefetched == b->prefetched);
	g_assert_cmpmem(k->table, sizeof(k->table), k->w->table,
			sizeof(k->w->table));
	g_assert_true(k->suspect == k->w->suspect);
	g_assert_cmphex(k->mark, ==, k->w->first.va);
}

static void model_forget(World *m, Model *k)
{
	m->due -= k->due;
	*k = m->model[--m->held];
}

static bool model_watches(const World *m, unsigned int n)
{
	for (unsigned int i = 0; i < m->held; i++)
		for (unsigned int l = 0; l < LEVELS; l++)
			if (m->model[i].table[l] == table_at(n))
				return true;
	return false;
}

/* How many tables would be watched, if @but depended on @table. */
static unsigned int model_tables(const World *m, const Model *but,
				 const uint64_t table[])
{
	bool used[TABLES_MAX] = { false };
	unsigned int n = 0;

	for (unsigned int l = 0; l < LEVELS; l++)
		if (table[l])
			used[number_of(table[l])] = true;
	for (unsigned int i = 0; i < m->held; i++)
		for (unsigned int l = 0; l < LEVELS; l++)
			if (&m->model[i] != but && m->model[i].table[l])
				used[number_of(m->model[i].table[l])] = true;
	for (unsigned int i = 0; i < TABLES_MAX; i++)
		n += used[i];
	return n;
}

/*
 * What is watched is what has dependants; and since the last look, what was
 * watched anew and no longer is just the difference.
 */
static void check_watched(World *m)
{
	unsigned int n = 0;

	for (unsigned int i = 1; i < TABLES_MAX; i++) {
		bool now = model_watches(m, i);

		g_assert_true(m->watcher.watched[i] == now);
		g_assert_true(dmirage_watchset_is_watched(m->ws, table_at(i)) == now);
		g_assert_true(m->watcher.watch[i] == (now && !m->was_watched[i]));
		g_assert_true(m->watcher.unwatch[i] == (!now && m->was_watched[i]));
		m->was_watched[i] = now;
		n += now;
	}
	forget_calls(&m->watcher);
	g_assert_cmpuint(dmirage_watchset_tables(m->ws), ==, n);
	g_assert_cmpuint(dmirage_watchset_held(m->ws), ==, m->held);
	g_assert_cmpuint(dmirage_watchset_refused(m->ws), ==, m->refused);
}

/* Few of each level, mostly those where something begins or ends. */
static uint64_t random_index(void)
{
	static const unsigned int index[] = { 0, 0, 1, 2, 510, 511 };

	return random_once_in(16) ? random_below(512) :
				    index[random_below(G_N_ELEMENTS(index))];
}

static uint64_t random_va(void)
{
	return (random_once_in(4) ? 0x7full : 0) << 57 |
	       (random_once_in(3) ? random_index() : 0) << 48 |
	       (random_once_in(3) ? random_index() : 0) << 39 |
	       (random_once_in(2) ? random_index() : 0) << 30 |
	       random_index() << 21 | random_index() << 12 | random_below(PAGE);
}

static void random_tables(World *m, uint64_t table[])
{
	for (unsigned int i = 0; i < LEVELS; i++) {
		unsigned int n = 1 + random_below(m->tables);

		table[i] = table_at(n == m->tables ? TABLES_MAX - 1 : n);
		if (random_once_in(5))
			table[i] = 0;
	}
}

/* Mostly a few of the tables are others. */
static void random_change(World *m, uint64_t table[])
{
	uint64_t others[LEVELS];

	random_tables(m, others);
	for (unsigned int i = 0; i < LEVELS; i++)
		if (random_once_in(2))
			table[i] = others[i];
	if (random_once_in(4)) {
		uint64_t first = table[0];
		unsigned int i = random_below(LEVELS);

		table[0] = table[i];
		table[i] = first;
	}
}

static void step_add(World *m)
{
	static const uint8_t orders[] = { 12, 12, 21, 30 };
	unsigned int order = orders[random_below(4)];
	DmirageXlate x = {
		.va = random_va() >> order << order, .pa = random_next() >> order << order,
		.fill_ns = random_next(), .asid = random_below(3) * 32767,
		.order = order, .write = random_once_in(2), .prefetched = random_once_in(2),
	};
	uint64_t table[LEVELS];
	Model *k = NULL;
	DmirageWatched *w;

	random_tables(m, table);
	if (m->held && (m->held == m->max_held || random_once_in(3))) {
		k = &m->model[random_below(m->held)];
		x.va = k->x.va;
		x.asid = k->x.asid;
		x.order = k->x.order;
		if (random_once_in(2)) {
			memcpy(table, k->table, sizeof(table));
			random_change(m, table);
		}
	}
	for (unsigned int i = 0; i < m->held; i++)
		if (m->model[i].x.va == x.va && m->model[i].x.asid == x.asid &&
		    m->model[i].x.order == x.order)
			k = &m->model[i];
	w = dmirage_watchset_add(m->ws, &x, table);
	if (model_tables(m, k, table) > m->watcher.max) {
		g_assert_null(w);
		m->refused++;
		g_assert_cmpuint(m->watcher.watches, ==, 0);
		if (k)
			model_forget(m, k);
		return;
	}
	g_assert_nonnull(w);
	m->replaced += !!k;
	if (!k)
		k = &m->model[m->held++];
	*k = (Model){ .w = w, .x = x };
	memcpy(k->table, table, sizeof(table));
	assert_same(k);
}

static void do_move(World *m, Model *k)
{
	uint64_t table[LEVELS];
	bool fits;

	memcpy(table, k->table, sizeof(table));
	random_change(m, table);
	fits = model_tables(m, k, table) <= m->watcher.max;
	g_assert_true(dmirage_watchset_move(m->ws, k->w, table) == fits);
	if (fits) {
		memcpy(k->table, table, sizeof(table));
		assert_same(k);
	} else {
		m->refused++;
		model_forget(m, k);
	}
}

static void do_remove(World *m, Model *k)
{
	dmirage_watchset_remove(m->ws, k->w);
	model_forget(m, k);
}

static void do_suspect(World *m, Model *k)
{
	k->suspect = !random_once_in(3);
	dmirage_watchset_set_suspect(m->ws, k->w, k->suspect);
	if (k->suspect && !k->mark)
		k->w->first.va = k->mark = random_next();
}

/* Who depends on the entry under way, and with what part. */
static void find_due(World *m)
{
	m->due = 0;
	for (unsigned int i = 0; i < m->held; i++) {
		Model *k = &m->model[i];
		unsigned int levels = 0;

		for (unsigned int l = 1; l <= LEVELS; l++) {
			uint64_t span = 1ull << (12 + 9 * (l - 1));
			uint64_t first = k->x.va / (512 * span) * (512 * span) +
					 m->entry * span;
			uint64_t last = first + (span - 1);

			first = MAX(first, k->x.va);
			last = MIN(last, dmirage_xlate_last(&k->x));
			/* Page 0 is no table. */
			if (!m->table || k->table[l - 1] != m->table || first > last)
				continue;
			k->first = levels ? MIN(k->first, first) : first;
			k->last = levels ? MAX(k->last, last) : last;
			levels++;
		}
		k->due = levels;
		m->due += k->due;
		m->several_levels += levels > 1;
	}
}

static void model_hit(void *opaque, DmirageWatched *w, uint64_t first, uint64_t last)
{
	World *m = opaque;
	Model *k;

	/* The second entry follows when none is due any more at the first. */
	if (!m->due && m->entry < m->last_entry) {
		m->entry++;
		find_due(m);
		m->second_hits++;
	}
	k = model_of(m, w);
	assert_same(k);
	g_assert_true(k->due);
	k->due = false;
	m->due--;
	g_assert_cmphex(first, ==, k->first);
	g_assert_cmphex(last, ==, k->last);
	m->partial += first != k->x.va || last != dmirage_xlate_last(&k->x);
	switch (random_below(8)) {
	case 0:
		do_remove(m, k);
		m->removed_in_hit++;
		break;
	case 1:
		do_suspect(m, k);
		do_move(m, k);
		m->moved_in_hit++;
		break;
	case 2:
		do_suspect(m, k);
		break;
	}
	/* All changes of a store are not one. */
	check_watched(m);
}

static void step_store(World *m)
{
	unsigned int size = 1 + random_below(8);
	uint64_t at = random_index() * 8 + random_below(8);
	unsigned int n = random_below(m->tables + 1);

	at = MIN(at, PAGE - size);
	m->table = table_at(n == m->tables ? TABLES_MAX - 1 : n);
	m->entry = at / 8;
	m->last_entry = (at + size - 1) / 8;
	find_due(m);
	dmirage_watchset_store(m->ws, m->table + at, size, model_hit, m);
	g_assert_cmpuint(m->due, ==, 0);
	if (m->entry < m->last_entry) {
		m->entry++;
		find_due(m);
		g_assert_cmpuint(m->due, ==, 0);
	}
}

static void model_dropped(void *opaque, DmirageWatched *w)
{
	World *m = opaque;
	Model *k = model_of(m, w);

	assert_same(k);
	g_assert_false(k->dropped);
	k->dropped = true;
}

static void step_drop(World *m)
{
	unsigned int asid = random_below(3) * 32767;
	uint64_t first = random_va(), last = random_va();
	bool told = random_once_in(2), all = random_once_in(64);
	unsigned int n = 0, got;

	if (random_once_in(2))
		first = m->held ? m->model[random_below(m->held)].x.va : 0;
	first += random_once_in(2) ? random_below(3) - 1 : 0;
	switch (random_below(8)) {
	case 0:
		break;
	case 1:
		last = UINT64_MAX;
		break;
	case 2:
		last = first;
		break;
	case 3:
		last = first + random_below(20 * MIB2);
		break;
	case 4:
		last = first + random_below(4 * GIB);
		break;
	default:
		last = first + random_below(10 * PAGE);
	}
	if (first > last) {
		uint64_t t = first;

		first = last;
		last = t;
	}
	if (all) {
		first = 0;
		last = UINT64_MAX;
	}
	for (unsigned int i = 0; i < m->held; i++)
		m->model[i].dropped = false;
	got = all ? dmirage_watchset_drop_asid(m->ws, asid,
					       told ? model_dropped : NULL, m) :
		    dmirage_watchset_drop_range(m->ws, asid, first, last,
						told ? model_dropped : NULL, m);
	for (unsigned int i = 0; i < m->held;) {
		Model *k = &m->model[i];
		bool over = k->x.asid == asid && k->x.va <= last &&
			    dmirage_xlate_last(&k->x) >= first;

		g_assert_true(k->dropped == (over && told));
		n += over;
		if (over)
			model_forget(m, k);
		else
			i++;
	}
	g_assert_cmpuint(got, ==, n);
	m->dropped += n;
	m->wide_drops += n > 2;
}

static void model_suspect(void *opaque, DmirageWatched *w)
{
	World *m = opaque;
	Model *k = model_of(m, w);

	assert_same(k);
	g_assert_true(k->suspect && !k->seen);
	k->seen = true;
	m->suspects++;
	switch (random_below(8)) {
	case 0:
		do_remove(m, k);
		break;
	case 1:
		k->suspect = false;
		dmirage_watchset_set_suspect(m->ws, w, false);
		break;
	case 2:
		do_move(m, k);
		break;
	}
	check_watched(m);
}

static void step_suspects(World *m)
{
	for (unsigned int i = 0; i < m->held; i++)
		m->model[i].seen = false;
	dmirage_watchset_suspects(m->ws, model_suspect, m);
	for (unsigned int i = 0; i < m->held; i++)
		g_assert_true(!m->model[i].suspect || m->model[i].seen);
}

/* @drops: how many of 100 steps. */
static void run_random(unsigned int max_held, unsigned int tables,
		       unsigned int max_tables, unsigned int drops,
		       unsigned int steps)
{
	World *m = g_new0(World, 1);

	m->ws = set_new(&m->watcher, max_tables);
	m->max_held = max_held;
	m->tables = tables;
	for (unsigned int step = 0; step < steps; step++) {
		unsigned int what = random_below(100);
		Model *k = m->held ? &m->model[random_below(m->held)] : NULL;

		if (what < drops)
			step_drop(m);
		else if (what < 50)
			step_add(m);
		else if (what < 85)
			step_store(m);
		else if (what < 90 && k)
			do_move(m, k);
		else if (what < 95 && k)
			do_suspect(m, k);
		else if (what < 97)
			step_suspects(m);
		else if (what < 98 && k)
			do_remove(m, k);
		check_watched(m);
	}
	for (unsigned int i = 0; i < m->held; i++)
		assert_same(&m->model[i]);
	g_assert_cmpuint(m->replaced, >, 0);
	g_assert_cmpuint(m->moved_in_hit, >, 0);
	g_assert_cmpuint(m->removed_in_hit, >, 0);
	g_assert_cmpuint(m->second_hits, >, 0);
	g_assert_cmpuint(m->partial, >, 0);
	g_assert_cmpuint(m->several_levels, >, 0);
	g_assert_cmpuint(m->suspects, >, 0);
	g_assert_cmpuint(m->dropped, >, 0);
	if (max_held > 8)
		g_assert_cmpuint(m->wide_drops, >, 0);
	g_assert_true(!m->refused == (max_tables >= tables));
	set_free(m->ws, &m->watcher);
	g_free(m);
}

static void test_model(void)
{
	random_begin();
	run_random(8, 4, 15, 5, 800000);
	run_random(24, 6, 5, 5, 600000);
	run_random(24, 14, 9, 8, 600000);
	run_random(60, 10, 10, 3, 200000);
	run_random(500, 14, 14, 1, 20000);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/watchset/watch", test_watch);
	g_test_add_func("/watchset/replace", test_replace);
	g_test_add_func("/watchset/refused", test_refused);
	g_test_add_func("/watchset/store-levels", test_store_levels);
	g_test_add_func("/watchset/store-sizes", test_store_sizes);
	g_test_add_func("/watchset/top", test_top);
	g_test_add_func("/watchset/shared", test_shared);
	g_test_add_func("/watchset/hit-changes", test_hit_changes);
	g_test_add_func("/watchset/drop-overlap", test_drop_overlap);
	g_test_add_func("/watchset/drop-asid", test_drop_asid);
	g_test_add_func("/watchset/suspects", test_suspects);
	g_test_add_func("/watchset/many", test_many);
	g_test_add_func("/watchset/model", test_model);
	return g_test_run();
}
