/* SPDX-License-Identifier: GPL-2.0 */
/* Tests of qemu-device/walk.c. */
#include "tables.h"

#include "dmirage_hw.h"

#define V	DMIRAGE_PTE_VALID
#define W	DMIRAGE_PTE_WRITE
#define LEAF	DMIRAGE_PTE_LEAF

#define P	(1ull << 0)
#define RW	(1ull << 1)
#define US	(1ull << 2)
#define PS	(1ull << 7)
#define PAT2M	(1ull << 12)
#define NX	(1ull << 63)
#define LINK	(P | RW | US)

#define VA	0x00007f1234567000ull

static DmirageWalkResult mirror(Tables *t, uint64_t root, unsigned int levels,
				uint64_t va, DmirageWalk *w)
{
	t->reads = 0;
	return dmirage_walk_mirror(tables_read, t, root, levels, va, w);
}

static DmirageWalkResult x86(Tables *t, uint64_t root, unsigned int levels,
			     uint64_t va, DmirageWalk *w)
{
	t->reads = 0;
	return dmirage_walk_x86(tables_read, t, root, levels, va, w);
}

static void test_mirror_leaves(void)
{
	for (unsigned int levels = 4; levels <= 5; levels++) {
		Tables *t = g_new0(Tables, 1);
		uint64_t root = tables_new_page(t);
		DmirageWalk w;

		*tables_entry(t, root, levels, VA, 1, V) = 0xabc000 | V | W;
		g_assert_cmpint(mirror(t, root, levels, VA + 5, &w), ==,
				DMIRAGE_WALK_OK);
		g_assert_cmphex(w.addr, ==, 0xabc000);
		g_assert_cmpuint(w.order, ==, 12);
		g_assert_true(w.write);
		g_assert_cmpuint(t->reads, ==, levels);

		*tables_entry(t, root, levels, VA, 1, V) = 0xabc000 | V;
		g_assert_cmpint(mirror(t, root, levels, VA, &w), ==,
				DMIRAGE_WALK_OK);
		g_assert_false(w.write);

		g_assert_cmpint(mirror(t, root, levels, VA + 4096, &w), ==,
				DMIRAGE_WALK_ABSENT);
		g_assert_cmpuint(w.level, ==, 1);

		*tables_entry(t, root, levels, VA, 2, V) =
			0x40000000 | V | W | LEAF;
		g_assert_cmpint(mirror(t, root, levels, VA + 4096, &w), ==,
				DMIRAGE_WALK_OK);
		g_assert_cmphex(w.addr, ==, 0x40000000);
		g_assert_cmpuint(w.order, ==, 21);
		g_assert_cmpuint(w.level, ==, 2);
		g_free(t);
	}
}

static void test_mirror_malformed(void)
{
	static const struct {
		unsigned int level;
		uint64_t entry;
	} bad[] = {
		{ 1, 0xabc000 | V | LEAF },		/* no LEAF at level 1 */
		{ 1, 0xabc000 | V | (1ull << 3) },	/* reserved bits */
		{ 1, 0xabc000 | V | (1ull << 11) },
		{ 1, 0xabc000 | V | (1ull << 52) },
		{ 1, 0xabc000 | V | (1ull << 63) },
		{ 2, 0x40001000 | V | LEAF },		/* unaligned */
		{ 2, 0x40100000 | V | LEAF },
		{ 2, TABLES_BASE | V | W },		/* W in a link */
		{ 3, 0x40000000 | V | LEAF },		/* no 1 GiB leaves */
		{ 4, 0x40000000 | V | LEAF },
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(bad); i++) {
		Tables *t = g_new0(Tables, 1);
		uint64_t root = tables_new_page(t);
		DmirageWalk w;

		*tables_entry(t, root, 4, VA, bad[i].level, V) = bad[i].entry;
		g_assert_cmpint(mirror(t, root, 4, VA, &w), ==,
				DMIRAGE_WALK_MALFORMED);
		g_assert_cmpuint(w.level, ==, bad[i].level);
		g_assert_cmphex(w.entry, ==, bad[i].entry);
		/* Not valid: what else is in it does not matter. */
		*tables_entry(t, root, 4, VA, bad[i].level, V) &= ~V;
		g_assert_cmpint(mirror(t, root, 4, VA, &w), ==,
				DMIRAGE_WALK_ABSENT);
		g_free(t);
	}
}

static void test_mirror_reach(void)
{
	Tables *t = g_new0(Tables, 1);
	uint64_t root = tables_new_page(t);
	DmirageWalk w;

	*tables_entry(t, root, 4, 0, 1, V) = 0xabc000 | V;
	g_assert_cmpint(mirror(t, root, 4, 0, &w), ==, DMIRAGE_WALK_OK);
	g_assert_cmpint(mirror(t, root, 4, 1ull << 48, &w), ==,
			DMIRAGE_WALK_ABSENT);
	g_assert_cmpint(mirror(t, root, 4, 1ull << 63, &w), ==,
			DMIRAGE_WALK_ABSENT);
	g_assert_cmpint(mirror(t, root, 5, 1ull << 57, &w), ==,
			DMIRAGE_WALK_ABSENT);
	g_assert_cmpuint(t->reads, ==, 0);
	/* A table that is not in memory, and one that is itself. */
	g_assert_cmpint(mirror(t, 0x7000, 4, 0, &w), ==,
			DMIRAGE_WALK_NO_MEMORY);
	*tables_entry(t, root, 4, 0, 4, V) = root | V;
	mirror(t, root, 4, 0, &w);
	g_assert_cmpuint(t->reads, ==, 4);
	g_free(t);
}

static void test_x86_leaves(void)
{
	for (unsigned int levels = 4; levels <= 5; levels++) {
		Tables *t = g_new0(Tables, 1);
		uint64_t root = tables_new_page(t);
		DmirageWalk w;

		/* At level 1, bit 7 is PAT and not a size. */
		*tables_entry(t, root, levels, VA, 1, LINK) =
			0xabc000 | LINK | PS | NX | 0xe00 | (0x7full << 52);
		g_assert_cmpint(x86(t, root, levels, VA, &w), ==,
				DMIRAGE_WALK_OK);
		g_assert_cmphex(w.addr, ==, 0xabc000);
		g_assert_cmpuint(w.order, ==, 12);
		g_assert_true(w.write);
		g_assert_cmpuint(t->reads, ==, levels);

		*tables_entry(t, root, levels, VA, 2, LINK) =
			0x40000000 | LINK | PS | PAT2M | NX;
		g_assert_cmpint(x86(t, root, levels, VA, &w), ==,
				DMIRAGE_WALK_OK);
		g_assert_cmphex(w.addr, ==, 0x40000000);
		g_assert_cmpuint(w.order, ==, 21);

		*tables_entry(t, root, levels, VA, 3, LINK) =
			0x80000000 | P | US | PS | PAT2M;
		g_assert_cmpint(x86(t, root, levels, VA, &w), ==,
				DMIRAGE_WALK_OK);
		g_assert_cmphex(w.addr, ==, 0x80000000);
		g_assert_cmpuint(w.order, ==, 30);
		g_assert_false(w.write);

		*tables_entry(t, root, levels, VA, 4, LINK) |= PS;
		g_assert_cmpint(x86(t, root, levels, VA, &w), ==,
				DMIRAGE_WALK_MALFORMED);
		g_free(t);
	}
}

/* Write permission is what all levels grant; present is what all are. */
static void test_x86_every_level(void)
{
	for (unsigned int level = 1; level <= 5; level++) {
		Tables *t = g_new0(Tables, 1);
		uint64_t root = tables_new_page(t);
		DmirageWalk w;

		*tables_entry(t, root, 5, VA, 1, LINK) = 0xabc000 | LINK;
		g_assert_cmpint(x86(t, root, 5, VA, &w), ==, DMIRAGE_WALK_OK);
		g_assert_true(w.write);

		*tables_entry(t, root, 5, VA, level, LINK) &= ~RW;
		g_assert_cmpint(x86(t, root, 5, VA, &w), ==, DMIRAGE_WALK_OK);
		g_assert_false(w.write);

		*tables_entry(t, root, 5, VA, level, LINK) &= ~P;
		g_assert_cmpint(x86(t, root, 5, VA, &w), ==,
				DMIRAGE_WALK_ABSENT);
		g_assert_cmpuint(w.level, ==, level);
		g_free(t);
	}
}

/* Entries as Linux leaves them behind, seen in a guest: none is present. */
static void test_x86_not_present(void)
{
	static const uint64_t entries[] = {
		0,
		0xf7f9fffff005da02ull,	/* migration entry */
		0x800fffffdc4008e6ull,	/* PMD made invalid, frame inverted */
		0x8000000000000100ull,	/* PROT_NONE */
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(entries); i++) {
		Tables *t = g_new0(Tables, 1);
		uint64_t root = tables_new_page(t);
		DmirageWalk w;

		*tables_entry(t, root, 4, VA, 2, LINK) = entries[i];
		g_assert_cmpint(x86(t, root, 4, VA, &w), ==,
				DMIRAGE_WALK_ABSENT);
		g_assert_cmphex(w.entry, ==, entries[i]);
		g_free(t);
	}
}

static void test_x86_upper_half(void)
{
	Tables *t = g_new0(Tables, 1);
	uint64_t root = tables_new_page(t);
	DmirageWalk w;

	*tables_entry(t, root, 4, 0x0000800000000000ull, 1, LINK) =
		0xabc000 | LINK;
	g_assert_cmpint(x86(t, root, 4, 0x0000800000000000ull, &w), ==,
			DMIRAGE_WALK_ABSENT);
	g_assert_cmpint(x86(t, root, 4, 0xffff800000000000ull, &w), ==,
			DMIRAGE_WALK_ABSENT);
	g_assert_cmpint(x86(t, root, 5, 1ull << 56, &w), ==,
			DMIRAGE_WALK_ABSENT);
	g_free(t);
}

/* Whatever is in memory: no more reads than levels, and a sane answer. */
static void test_rubbish(void)
{
	Tables *t = g_new0(Tables, 1);

	for (unsigned int round = 0; round < 200; round++) {
		for (unsigned int p = 0; p < TABLES_PAGES; p++) {
			for (unsigned int i = 0; i < 512; i++) {
				uint64_t bits = (uint64_t)g_test_rand_int() << 32 |
						g_test_rand_int();
				uint64_t page = g_test_rand_int_range(0, TABLES_PAGES);

				/* Mostly links, so that walks get far. */
				t->word[p][i] = bits % 8 ?
							(TABLES_BASE + page * 4096) | LINK :
							bits;
				if (bits % 3 == 0)
					t->word[p][i] &= ~(RW | US);
			}
		}
		for (unsigned int i = 0; i < 1000; i++) {
			unsigned int levels = 4 + i % 2;
			uint64_t va = ((uint64_t)g_test_rand_int() << 32 |
				       g_test_rand_int()) >>
				      8;
			DmirageWalk w;

			for (unsigned int which = 0; which < 2; which++) {
				DmirageWalkResult r =
					(which ? mirror : x86)(t, TABLES_BASE,
							       levels, va, &w);

				g_assert_cmpuint(t->reads, <=, levels);
				if (r == DMIRAGE_WALK_OK) {
					g_assert_true(w.order == 12 ||
						      w.order == 21 ||
						      w.order == 30);
					g_assert_cmphex(w.addr &
								((1ull << w.order) - 1),
							==, 0);
				}
			}
		}
	}
	g_free(t);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/walk/mirror/leaves", test_mirror_leaves);
	g_test_add_func("/walk/mirror/malformed", test_mirror_malformed);
	g_test_add_func("/walk/mirror/reach", test_mirror_reach);
	g_test_add_func("/walk/x86/leaves", test_x86_leaves);
	g_test_add_func("/walk/x86/every-level-counts", test_x86_every_level);
	g_test_add_func("/walk/x86/not-present", test_x86_not_present);
	g_test_add_func("/walk/x86/upper-half", test_x86_upper_half);
	g_test_add_func("/walk/rubbish", test_rubbish);
	return g_test_run();
}
