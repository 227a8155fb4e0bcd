/* SPDX-License-Identifier: GPL-2.0 */
/* Tests of qemu-device/walk.c, the last ones against reference models. */
#include "tables.h"

#include "dmirage_hw.h"
#include "random.h"

#define V	DMIRAGE_PTE_VALID
#define W	DMIRAGE_PTE_WRITE
#define LEAF	DMIRAGE_PTE_LEAF

#define P	(1ull << 0)
#define RW	(1ull << 1)
#define US	(1ull << 2)
#define A	(1ull << 5)
#define D	(1ull << 6)
#define PS	(1ull << 7)
#define PAT2M	(1ull << 12)
#define NX	(1ull << 63)
#define LINK	(P | RW | US)

#define VA	0x00007f1234567000ull

static DmirageWalkResult mirror(Tables *t, uint64_t root, unsigned int levels,
				uint64_t va, DmirageWalk *w)
{
	t->reads = 0;
	return dmirage_walk_mirror(tables_read, t, root, levels, levels, va, w);
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
		g_assert_true(w.write);

		*tables_entry(t, root, levels, VA, 3, V) =
			0x80000000 | V | LEAF;
		g_assert_cmpint(mirror(t, root, levels, VA + 4096, &w), ==,
				DMIRAGE_WALK_OK);
		g_assert_cmphex(w.addr, ==, 0x80000000);
		g_assert_cmpuint(w.order, ==, 30);
		g_assert_cmpuint(w.level, ==, 3);
		g_assert_false(w.write);
		g_assert_cmpuint(t->reads, ==, levels - 2);
		g_free(t);
	}
}

/* Where it went through, and from there again. */
static void test_mirror_from_any_level(void)
{
	for (unsigned int levels = 4; levels <= 5; levels++) {
		Tables *t = g_new0(Tables, 1);
		uint64_t root = tables_new_page(t);
		DmirageWalk w, part;

		*tables_entry(t, root, levels, VA, 1, V) = 0xabc000 | V | W;
		g_assert_cmpint(mirror(t, root, levels, VA, &w), ==, DMIRAGE_WALK_OK);
		g_assert_cmphex(w.table[levels], ==, root);
		g_assert_cmphex(w.table[levels == 4 ? 5 : 0], ==, 0);
		g_assert_cmphex(w.entry_addr, ==, w.table[1] + (VA >> 12) % 512 * 8);
		g_assert_cmphex(w.entry, ==, 0xabc000 | V | W);
		for (unsigned int level = 1; level <= levels; level++) {
			t->reads = 0;
			g_assert_cmpint(dmirage_walk_mirror(tables_read, t,
							    w.table[level], level,
							    levels, VA, &part),
					==, DMIRAGE_WALK_OK);
			g_assert_cmpuint(t->reads, ==, level);
			g_assert_cmphex(part.addr, ==, w.addr);
			g_assert_cmphex(part.entry_addr, ==, w.entry_addr);
			g_assert_true(part.write);
			for (unsigned int l = 0; l <= DMIRAGE_LEVELS_MAX; l++)
				g_assert_cmphex(part.table[l], ==,
						l <= level ? w.table[l] : 0);
			/* The reach is the whole tree's. */
			t->reads = 0;
			g_assert_cmpint(dmirage_walk_mirror(tables_read, t,
							    w.table[level], level,
							    levels,
							    VA | 1ull << (12 + 9 * levels),
							    &part),
					==, DMIRAGE_WALK_ABSENT);
			g_assert_cmpuint(t->reads, ==, 0);
		}
		/* Absent half-way: the tables below were not gone through. */
		*tables_entry(t, root, levels, VA, 3, V) = 0;
		mirror(t, root, levels, VA, &w);
		g_assert_cmphex(w.table[3], !=, 0);
		g_assert_cmphex(w.table[2], ==, 0);
		g_assert_cmphex(w.table[1], ==, 0);
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
		{ 3, 0x40001000 | V | LEAF },
		{ 3, 0x60000000 | V | LEAF },
		{ 3, TABLES_BASE | V | W },
		{ 4, 0x8000000000 | V | LEAF },		/* no 512 GiB leaves */
		{ 4, TABLES_BASE | V | W },
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

/* A right is what all levels grant; present is what all are. */
static void test_x86_every_level(void)
{
	for (unsigned int level = 1; level <= 5; level++) {
		Tables *t = g_new0(Tables, 1);
		uint64_t root = tables_new_page(t);
		DmirageWalk w;

		*tables_entry(t, root, 5, VA, 1, LINK) = 0xabc000 | LINK;
		g_assert_cmpint(x86(t, root, 5, VA, &w), ==, DMIRAGE_WALK_OK);
		g_assert_true(w.write);

		g_assert_true(w.user);

		*tables_entry(t, root, 5, VA, level, LINK) &= ~US;
		g_assert_cmpint(x86(t, root, 5, VA, &w), ==, DMIRAGE_WALK_OK);
		g_assert_true(w.write);
		g_assert_false(w.user);

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

/* A memory whose entries may change just before they are exchanged. */
typedef struct Shaky {
	Tables t;
	unsigned int shakes;	/* how many times more */
	unsigned int tries;
	uint64_t *which;	/* changed instead of the entry itself */
	uint64_t flip;
	bool gone;		/* nothing is there any more */
	/* the last read: what a cas has to go with, and the next read */
	uint64_t read_addr, read_value;
	bool at_root;		/* there was none yet */
	uint64_t root;
} Shaky;

static bool shaky_read(void *opaque, uint64_t addr, uint64_t *value)
{
	Shaky *s = opaque;

	/* In the table that the last entry led to, and in no other. */
	g_assert_cmphex(addr & ~4095ull, ==,
			s->at_root ? s->root : s->read_value & 0x000ffffffffff000ull);
	s->at_root = false;
	if (!tables_read(&s->t, addr, value))
		return false;
	s->read_addr = addr;
	s->read_value = *value;
	return true;
}

static bool shaky_cas(void *opaque, uint64_t addr, uint64_t *expected,
		      uint64_t desired)
{
	Shaky *s = opaque;
	uint64_t *e = &s->t.word[(addr - TABLES_BASE) / 4096][addr % 4096 / 8];

	/* What was read, present, and nothing but marks more than that. */
	g_assert_cmphex(addr, ==, s->read_addr);
	g_assert_cmphex(*expected, ==, s->read_value);
	g_assert_true(*expected & P);
	g_assert_cmphex(desired & ~(A | D), ==, *expected & ~(A | D));
	g_assert_cmphex(desired & *expected, ==, *expected);
	g_assert_cmphex(desired, !=, *expected);
	s->tries++;
	if (s->gone)
		return false;
	if (s->shakes) {
		s->shakes--;
		*(s->which ? s->which : e) ^= s->flip;
	}
	if (*e == *expected) {
		*e = desired;
	} else {
		*expected = *e;
		s->at_root = true;
	}
	return true;
}

static DmirageWalkResult x86_access(Shaky *s, uint64_t root,
				    unsigned int levels, uint64_t va,
				    bool write, DmirageWalk *w)
{
	s->t.reads = 0;
	s->tries = 0;
	s->at_root = true;
	s->root = root;
	return dmirage_walk_x86_access(shaky_read, shaky_cas, s, root, levels,
				       va, write, w);
}

/* A everywhere on the way, D in the leaf, for a write only. */
static void test_access_marks(void)
{
	for (unsigned int order = 12; order <= 30; order += 9) {
		unsigned int bottom = 1 + (order - 12) / 9;
		Shaky *s = g_new0(Shaky, 1);
		uint64_t root = tables_new_page(&s->t);
		DmirageWalk w;

		*tables_entry(&s->t, root, 5, VA, bottom, LINK) =
			0x80000000 | LINK | (bottom > 1 ? PS : 0);
		for (unsigned int write = 0; write < 2; write++) {
			uint64_t d = write ? D : 0;

			g_assert_cmpint(x86_access(s, root, 5, VA, write, &w), ==,
					DMIRAGE_WALK_OK);
			g_assert_cmpuint(w.order, ==, order);
			g_assert_true(w.user && w.write);
			/* One exchange per entry, and none that is not needed. */
			g_assert_cmpuint(s->tries, ==, write ? 1 : 6 - bottom);
			g_assert_cmpuint(s->t.reads, ==, 6 - bottom);
			g_assert_cmphex(w.entry & (A | D), ==, A | d);
			g_assert_cmphex(*tables_entry(&s->t, root, 5, VA, bottom, 0), ==,
					w.entry);
			for (unsigned int l = bottom + 1; l <= 5; l++)
				g_assert_cmphex(*tables_entry(&s->t, root, 5, VA, l, 0) & (A | D),
						==, A);
		}
		x86_access(s, root, 5, VA, true, &w);
		g_assert_cmpuint(s->tries, ==, 0);
		g_free(s);
	}
}

/* An entry that forbids, at any level, gets no mark, nor do those below. */
static void test_access_forbidden(void)
{
	for (unsigned int c = 0; c < 2 * 2 * 5; c++) {
		unsigned int level = 1 + c % 5;
		bool write = c / 5 % 2, user = c / 10 % 2;
		Shaky *s = g_new0(Shaky, 1);
		uint64_t root = tables_new_page(&s->t);
		DmirageWalk w;

		*tables_entry(&s->t, root, 5, VA, 1, LINK) = 0xabc000 | LINK;
		*tables_entry(&s->t, root, 5, VA, level, LINK) &= ~(user ? US : RW);
		g_assert_cmpint(x86_access(s, root, 5, VA, write, &w), ==,
				DMIRAGE_WALK_OK);
		g_assert_cmpint(w.user, ==, !user);
		g_assert_cmpint(w.write, ==, user);
		for (unsigned int l = 1; l <= 5; l++) {
			bool marked = l > level || (!user && !write);

			g_assert_cmphex(*tables_entry(&s->t, root, 5, VA, l, 0) & (A | D),
					==, marked ? A : 0);
		}
		g_free(s);
	}
}

/* Nothing is marked from where the walk ends without a leaf. */
static void test_access_absent(void)
{
	Shaky *s = g_new0(Shaky, 1);
	uint64_t root = tables_new_page(&s->t);
	DmirageWalk w;

	*tables_entry(&s->t, root, 4, VA, 1, LINK) = 0xabc000 | LINK;
	*tables_entry(&s->t, root, 4, VA, 2, LINK) &= ~P;
	g_assert_cmpint(x86_access(s, root, 4, VA, true, &w), ==, DMIRAGE_WALK_ABSENT);
	g_assert_cmphex(*tables_entry(&s->t, root, 4, VA, 2, LINK) & (A | D), ==, 0);
	*tables_entry(&s->t, root, 4, VA, 2, LINK) |= P;
	*tables_entry(&s->t, root, 4, VA, 4, LINK) = TABLES_BASE | LINK | PS;
	g_assert_cmpint(x86_access(s, root, 4, VA, true, &w), ==,
			DMIRAGE_WALK_MALFORMED);
	g_assert_cmphex(*tables_entry(&s->t, root, 4, VA, 4, LINK), ==,
			TABLES_BASE | LINK | PS);
	g_assert_cmpint(x86_access(s, root, 4, 1ull << 47, true, &w), ==,
			DMIRAGE_WALK_ABSENT);
	g_assert_cmpuint(s->t.reads, ==, 0);
	*tables_entry(&s->t, root, 4, VA, 4, LINK) = LINK;
	s->gone = true;
	g_assert_cmpint(x86_access(s, root, 4, VA, true, &w), ==,
			DMIRAGE_WALK_NO_MEMORY);
	g_assert_cmpuint(s->tries, ==, 1);
	g_free(s);
}

/* An entry that changes under its hands is looked at anew, from the root. */
static void test_access_changes(void)
{
	for (unsigned int shakes = 0; shakes <= 2 * DMIRAGE_WALK_RETRIES; shakes++) {
		Shaky *s = g_new0(Shaky, 1);
		uint64_t root = tables_new_page(&s->t);
		uint64_t *leaf = tables_entry(&s->t, root, 4, VA, 1, LINK | A);
		bool enough = shakes < DMIRAGE_WALK_RETRIES;
		DmirageWalk w;

		*leaf = 0xabc000 | LINK;
		s->shakes = shakes;
		s->flip = 0x1000;
		g_assert_cmpint(x86_access(s, root, 4, VA, true, &w), ==,
				enough ? DMIRAGE_WALK_OK : DMIRAGE_WALK_ABSENT);
		g_assert_cmpuint(s->t.reads, ==,
				 4 * MIN(shakes + 1, DMIRAGE_WALK_RETRIES));
		if (enough) {
			g_assert_cmphex(w.addr, ==, 0xabc000 ^ (shakes % 2 ? 0x1000 : 0));
			g_assert_cmphex(*leaf, ==, w.addr | LINK | A | D);
		} else {
			g_assert_cmphex(*leaf & (A | D), ==, 0);
		}
		g_free(s);
	}

	/* It went away; it lost the right; a table above leads elsewhere. */
	for (unsigned int c = 0; c < 3; c++) {
		Shaky *s = g_new0(Shaky, 1);
		uint64_t root = tables_new_page(&s->t);
		uint64_t *leaf = tables_entry(&s->t, root, 4, VA, 1, LINK | A);
		DmirageWalkResult r;
		DmirageWalk w;

		*leaf = 0xabc000 | LINK;
		s->shakes = 1;
		s->flip = c == 0 ? P : RW;
		if (c == 2) {
			s->which = tables_entry(&s->t, root, 4, VA, 4, LINK);
			s->flip = P;
		}
		r = x86_access(s, root, 4, VA, true, &w);
		if (c == 2) {
			/* As in a CPU: what was read is used, until a flush. */
			g_assert_cmpint(r, ==, DMIRAGE_WALK_OK);
		} else {
			g_assert_cmpint(r, ==, c ? DMIRAGE_WALK_OK : DMIRAGE_WALK_ABSENT);
			g_assert_false(w.write);
			g_assert_cmphex(*leaf & (A | D), ==, 0);
		}
		g_free(s);
	}
}

/*
 * The model: a list of leaves at random places, that do not overlap. The tables
 * are made of it, and a walk has to find just what it says.
 */
#define LEAVES	16

typedef struct Leaf {
	uint64_t va, addr, size;
	unsigned int order;
	bool write, user;
} Leaf;

typedef struct World {
	Shaky s;
	uint64_t root;
	unsigned int levels;
	bool x86;
	unsigned int leaves;
	Leaf leaf[LEAVES];
} World;

static uint64_t block_size(unsigned int level)
{
	return 1ull << (12 + 9 * (level - 1));
}

/* Of each table the first or the last entries, so that much is shared. */
static uint64_t random_va(const World *w)
{
	uint64_t va = random_below(4096);

	for (unsigned int l = 1; l <= w->levels; l++) {
		/* The upper half is not the process's. */
		uint64_t last = w->x86 && l == w->levels ? 255 : 511;
		uint64_t i = random_once_in(2) ? 0 : last;

		if (l == 1 && random_once_in(2))
			i ^= 1;
		va |= i * block_size(l);
	}
	return va;
}

static const Leaf *leaf_at(const World *w, uint64_t va)
{
	for (unsigned int i = 0; i < w->leaves; i++)
		if (va - w->leaf[i].va < w->leaf[i].size)
			return &w->leaf[i];
	return NULL;
}

static bool is_free(const World *w, uint64_t va, uint64_t size)
{
	for (unsigned int i = 0; i < w->leaves; i++)
		if (w->leaf[i].va < va + size &&
		    va < w->leaf[i].va + w->leaf[i].size)
			return false;
	return true;
}

static uint64_t *world_entry(World *w, uint64_t va, unsigned int level)
{
	return tables_entry(&w->s.t, w->root, w->levels, va, level,
			    w->x86 ? LINK : V);
}

static void add_leaf(World *w)
{
	/* Cache control, A, D, software bits, protection key, NX: no matter. */
	const uint64_t ignored = 0x78ull | 0xf00 | 0xfff0000000000000ull;
	unsigned int level = 1 + random_below(3);
	uint64_t size = block_size(level), entry;
	Leaf l = {
		.va = random_va(w) / size * size, .size = size,
		.addr = (random_next() & 0x000ffffffffff000ull) / size * size,
		.order = 12 + 9 * (level - 1), .write = random_once_in(2),
		.user = w->x86 && !random_once_in(4),
	};

	if (w->leaves == LEAVES || !is_free(w, l.va, size))
		return;
	if (w->x86) {
		entry = l.addr | P | (l.write ? RW : 0) | (l.user ? US : 0) |
			(random_next() & ignored);
		if (level > 1)
			entry |= PS | (random_next() & PAT2M);
		else
			entry |= random_next() & PS;	/* PAT */
	} else {
		entry = l.addr | V | (l.write ? W : 0) | (level > 1 ? LEAF : 0);
	}
	*world_entry(w, l.va, level) = entry;
	w->leaf[w->leaves++] = l;
}

/* An entry above a leaf takes a right from all that it leads to. */
static void restrict_block(World *w)
{
	const Leaf *l = &w->leaf[random_below(w->leaves)];
	unsigned int level = w->levels - random_below(3);
	uint64_t va = l->va / block_size(level) * block_size(level);
	bool user = random_once_in(2);

	if (block_size(level) <= l->size)
		return;
	*world_entry(w, va | (l->va - va), level) &= ~(user ? US : RW);
	for (unsigned int i = 0; i < w->leaves; i++) {
		if (w->leaf[i].va - va >= block_size(level))
			continue;
		if (user)
			w->leaf[i].user = false;
		else
			w->leaf[i].write = false;
	}
}

/* Something that is not present, where no leaf is. */
static void add_nothing(World *w)
{
	unsigned int level = 1 + random_below(w->levels);
	uint64_t va = random_va(w);

	if (is_free(w, va / block_size(level) * block_size(level), block_size(level)))
		*world_entry(w, va, level) = random_next() & ~1ull;
}

static void world_make(World *w)
{
	memset(w, 0, sizeof(*w));
	w->root = tables_new_page(&w->s.t);
	w->levels = 4 + random_below(2);
	w->x86 = random_once_in(2);
	for (unsigned int i = 1 + random_below(LEAVES); i; i--)
		add_leaf(w);
	for (unsigned int i = w->x86 ? random_below(3) : 0; i; i--)
		restrict_block(w);
	if (random_once_in(2))
		add_nothing(w);
}

static void expect(const World *w, uint64_t va, DmirageWalkResult r,
		   const DmirageWalk *walk, unsigned int from)
{
	const Leaf *l = leaf_at(w, va);

	g_assert_cmpuint(w->s.t.reads, ==, from - walk->level + 1);
	g_assert_cmphex(walk->entry_addr, ==,
			walk->table[walk->level] +
				va / block_size(walk->level) % 512 * 8);
	for (unsigned int i = 0; i <= DMIRAGE_LEVELS_MAX; i++)
		g_assert_cmpint(!walk->table[i], ==, i < walk->level || i > from);
	if (!l) {
		g_assert_cmpint(r, ==, DMIRAGE_WALK_ABSENT);
		return;
	}
	g_assert_cmpint(r, ==, DMIRAGE_WALK_OK);
	g_assert_cmphex(walk->addr, ==, l->addr);
	g_assert_cmpuint(walk->order, ==, l->order);
	g_assert_cmpuint(walk->level, ==, 1 + (l->order - 12) / 9);
	g_assert_cmpint(walk->write, ==, l->write);
	if (w->x86)
		g_assert_cmpint(walk->user, ==, l->user);
}

static uint64_t *entry_in(World *w, const DmirageWalk *walk, unsigned int level,
			  uint64_t va)
{
	return &w->s.t.word[(walk->table[level] - TABLES_BASE) / 4096]
			   [va / block_size(level) % 512];
}

/* An access, and what it has to leave behind; @walk is a plain walk before. */
static void probe_access(World *w, uint64_t va, const DmirageWalk *walk,
			 DmirageWalkResult expected)
{
	uint64_t before[6] = { 0 }, need;
	bool write = random_once_in(2), may = true;
	DmirageWalk got;

	for (unsigned int l = walk->level; l <= w->levels; l++)
		before[l] = *entry_in(w, walk, l, va);
	g_assert_cmpint(x86_access(&w->s, w->root, w->levels, va, write, &got), ==,
			expected);
	expect(w, va, expected, &got, w->levels);
	need = P | US | (write ? RW : 0);
	for (unsigned int l = w->levels; l >= walk->level; l--) {
		may &= (before[l] & need) == need;
		if (may)
			before[l] |= A;
		if (may && write && expected == DMIRAGE_WALK_OK && l == walk->level)
			before[l] |= D;
		g_assert_cmphex(*entry_in(w, walk, l, va), ==, before[l]);
	}
	g_assert_cmphex(got.entry, ==, before[walk->level]);
}

static void probe(World *w)
{
	uint64_t va = random_va(w);
	DmirageWalkResult r;
	DmirageWalk walk, part;

	if (w->leaves && !random_once_in(4)) {
		const Leaf *l = &w->leaf[random_below(w->leaves)];

		va = l->va + random_below(l->size);
		/* Or its neighbour. */
		if (random_once_in(4))
			va += random_once_in(2) ? l->size : -l->size;
		if (va >> (12 + 9 * w->levels - w->x86))
			return;
	}
	if (w->x86) {
		r = x86(&w->s.t, w->root, w->levels, va, &walk);
		expect(w, va, r, &walk, w->levels);
		probe_access(w, va, &walk, r);
		return;
	}
	r = mirror(&w->s.t, w->root, w->levels, va, &walk);
	expect(w, va, r, &walk, w->levels);
	for (unsigned int l = walk.level; l < w->levels; l++) {
		w->s.t.reads = 0;
		g_assert_cmpint(dmirage_walk_mirror(tables_read, &w->s.t,
						    walk.table[l], l, w->levels,
						    va, &part),
				==, r);
		expect(w, va, r, &part, l);
	}
}

static void test_model(void)
{
	World *w = g_new0(World, 1);

	random_begin();
	for (unsigned int i = 0; i < 8000; i++) {
		world_make(w);
		for (unsigned int j = 0; j < 150; j++)
			probe(w);
	}
	g_free(w);
}

/*
 * Whatever is in memory, and also if it changes: no more reads than levels per
 * try, in no table but those that entries lead to, and a sane answer.
 */
static void test_rubbish(void)
{
	Shaky *s = g_new0(Shaky, 1);

	random_begin();
	for (unsigned int round = 0; round < 100; round++) {
		/* Entries of one format, mostly good ones, so that walks get far. */
		const uint64_t link = round % 2 ? LINK : V;

		for (unsigned int p = 0; p < TABLES_PAGES; p++) {
			for (unsigned int i = 0; i < 512; i++) {
				uint64_t e = (TABLES_BASE + random_below(TABLES_PAGES) * 4096) | link;

				if (random_once_in(8))
					e = random_next();
				else if (random_once_in(3))
					e ^= 1ull << random_below(13);
				s->t.word[p][i] = e;
			}
		}
		for (unsigned int i = 0; i < 6000; i++) {
			unsigned int levels = 4 + i % 2;
			uint64_t va = random_next() >> (random_once_in(16) ? 0 : 17);
			unsigned int from = 1 + random_below(levels), tries = 1;
			bool write = random_once_in(2);
			DmirageWalkResult r;
			DmirageWalk w;

			s->at_root = true;
			s->root = TABLES_BASE;
			s->t.reads = 0;
			if (round % 2 == 0) {
				r = dmirage_walk_mirror(shaky_read, s, TABLES_BASE,
							from, levels, va, &w);
			} else if (i % 8) {
				from = levels;
				r = dmirage_walk_x86(shaky_read, s, TABLES_BASE,
						     levels, va, &w);
			} else {
				from = levels;
				tries = DMIRAGE_WALK_RETRIES;
				s->shakes = random_below(4);
				s->flip = 1ull << random_below(16);
				r = x86_access(s, TABLES_BASE, levels, va, write, &w);
			}
			g_assert_cmpuint(s->t.reads, <=, from * tries);
			g_assert_cmpuint(w.level, >=, 1);
			g_assert_cmpuint(w.level, <=, from);
			if (r == DMIRAGE_WALK_OK) {
				g_assert_true(w.order == 12 + 9 * (w.level - 1));
				g_assert_cmpuint(w.order, <=, 30);
				g_assert_cmphex(w.addr & ((1ull << w.order) - 1), ==, 0);
				g_assert_cmphex(va >> (12 + 9 * levels), ==, 0);
				if (tries > 1 && w.user && (w.write || !write))
					g_assert_cmphex(w.entry & (A | D), ==,
							write ? A | D :
								A | (w.entry & D));
			}
		}
	}
	g_free(s);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/walk/mirror/leaves", test_mirror_leaves);
	g_test_add_func("/walk/mirror/from-any-level", test_mirror_from_any_level);
	g_test_add_func("/walk/mirror/malformed", test_mirror_malformed);
	g_test_add_func("/walk/mirror/reach", test_mirror_reach);
	g_test_add_func("/walk/x86/leaves", test_x86_leaves);
	g_test_add_func("/walk/x86/every-level-counts", test_x86_every_level);
	g_test_add_func("/walk/x86/not-present", test_x86_not_present);
	g_test_add_func("/walk/x86/upper-half", test_x86_upper_half);
	g_test_add_func("/walk/access/marks", test_access_marks);
	g_test_add_func("/walk/access/forbidden", test_access_forbidden);
	g_test_add_func("/walk/access/absent", test_access_absent);
	g_test_add_func("/walk/access/entries-change", test_access_changes);
	g_test_add_func("/walk/model", test_model);
	g_test_add_func("/walk/rubbish", test_rubbish);
	return g_test_run();
}
