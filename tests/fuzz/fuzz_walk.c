/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The walkers of qemu-device/walk.c on any tables whatever. Input: a byte that
 * says which walk, one for how often entries change under its hands, and what
 * changes; the address; then the tables.
 *
 * To keep inputs short, memory is 8 tables that repeat every 16, with 16 words
 * that repeat in each. What a walk finds is compared with a second walker that
 * is written down as the formats are described, without regard to anything but
 * being read.
 */
#include "fuzz.h"

#include "dmirage_hw.h"
#include "walk.h"

#define TABLES	8
#define WORDS	16
#define ROOT	0x100000ull

#define ADDR	0x000ffffffffff000ull
#define P	(1ull << 0)
#define RW	(1ull << 1)
#define US	(1ull << 2)
#define A	(1ull << 5)
#define D	(1ull << 6)
#define PS	(1ull << 7)

typedef struct Memory {
	uint64_t word[TABLES][WORDS];
	unsigned int reads;
	/* the last read: it says where the next one is, and what is exchanged */
	bool at_root;
	uint64_t root, read_addr, read_value;
	uint64_t granted;	/* by all entries since the root */
	unsigned int changes;	/* how many more there are */
	uint64_t flip;
	bool write;		/* the access is one */
	bool over;		/* the leaf was marked: nothing is to follow */
} Memory;

static uint64_t *word_at(Memory *m, uint64_t addr)
{
	unsigned int table = addr >> 12 & 15;

	return table < TABLES ? &m->word[table][addr >> 3 & (WORDS - 1)] : NULL;
}

static bool read_word(void *opaque, uint64_t addr, uint64_t *value)
{
	Memory *m = opaque;
	uint64_t *word = word_at(m, addr);

	m->reads++;
	CHECK(!m->over);
	CHECK(addr % 8 == 0);
	CHECK((addr & ~4095ull) == (m->at_root ? m->root : m->read_value & ADDR));
	if (m->at_root)
		m->granted = ~0ull;
	m->at_root = false;
	if (!word)
		return false;
	*value = *word;
	m->granted &= *word;
	m->read_addr = addr;
	m->read_value = *word;
	return true;
}

static bool cas_word(void *opaque, uint64_t addr, uint64_t *expected,
		     uint64_t desired)
{
	Memory *m = opaque;
	uint64_t *word = word_at(m, addr);

	CHECK(addr == m->read_addr && *expected == m->read_value);
	CHECK(*expected & P);
	/* Marks are added, at least one; D never without A, and for a write. */
	CHECK((desired & ~(A | D)) == (*expected & ~(A | D)));
	CHECK((desired & *expected) == *expected && desired != *expected);
	CHECK(desired & A);
	CHECK(m->write || (desired & D) == (*expected & D));
	CHECK(m->granted & US);
	CHECK(!m->write || (m->granted & RW));
	if (m->changes) {
		m->changes--;
		*word ^= m->flip;
	}
	if (*word == *expected) {
		m->over = (desired ^ *expected) & D;
		*word = desired;
	} else {
		*expected = *word;
		m->at_root = true;
	}
	return true;
}

typedef struct Answer {
	DmirageWalkResult result;
	uint64_t addr;
	unsigned int order, level;
	bool write, user;
} Answer;

/* The second walker. */
static Answer simple_walk(Memory *m, bool mirror, uint64_t table,
			  unsigned int level, unsigned int levels, uint64_t va)
{
	Answer a = { .level = level, .write = true, .user = true };
	unsigned int bits = 12 + 9 * levels - (mirror ? 0 : 1);

	a.result = DMIRAGE_WALK_ABSENT;
	if (va >= 1ull << bits)
		return a;
	for (; level >= 1; level--) {
		unsigned int shift = 12 + 9 * (level - 1);
		uint64_t *word = word_at(m, table + (va >> shift) % 512 * 8);
		bool large, bad;

		a.level = level;
		a.result = DMIRAGE_WALK_NO_MEMORY;
		if (!word)
			return a;
		a.result = DMIRAGE_WALK_ABSENT;
		if (!(*word & 1))
			return a;
		a.result = DMIRAGE_WALK_MALFORMED;
		if (mirror) {
			large = *word & DMIRAGE_PTE_LEAF;
			bad = (*word & DMIRAGE_PTE_RESERVED) ||
			      (large && level != 2 && level != 3) ||
			      ((*word & DMIRAGE_PTE_WRITE) && level > 1 && !large);
			if ((large || level == 1) && (*word & ADDR) % (1ull << shift))
				bad = true;
			a.write = *word & DMIRAGE_PTE_WRITE;
		} else {
			large = level > 1 && (*word & PS);
			bad = large && level > 3;
			a.write = a.write && (*word & RW);
			a.user = a.user && (*word & US);
		}
		if (bad)
			return a;
		if (level == 1 || large) {
			a.result = DMIRAGE_WALK_OK;
			a.order = shift;
			a.addr = (*word & ADDR) / (1ull << shift) * (1ull << shift);
			return a;
		}
		table = *word & ADDR;
	}
	abort();
}

static void compare(const Answer *a, DmirageWalkResult r, const DmirageWalk *w,
		    bool mirror)
{
	CHECK(r == a->result);
	CHECK(w->level == a->level);
	if (r != DMIRAGE_WALK_OK)
		return;
	CHECK(w->addr == a->addr);
	CHECK(w->order == a->order);
	CHECK(w->write == a->write);
	CHECK(mirror || w->user == a->user);
}

/* What any walk that has ended says of itself. */
static void check_walk(const Memory *m, DmirageWalkResult r,
		       const DmirageWalk *w, uint64_t va, unsigned int from)
{
	if (!m->reads)
		return;
	CHECK(w->level >= 1 && w->level <= from);
	for (unsigned int l = 0; l <= DMIRAGE_LEVELS_MAX; l++)
		if (l < w->level || l > from)
			CHECK(!w->table[l]);
	if (r == DMIRAGE_WALK_NO_MEMORY)
		return;
	CHECK(w->table[from] == m->root);
	CHECK(w->entry_addr == w->table[w->level] +
				       (va >> (12 + 9 * (w->level - 1))) % 512 * 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input in = { data, size };
	Memory m = { .at_root = true, .root = ROOT };
	uint8_t what = take8(&in), changes = take8(&in);
	unsigned int levels = what & 1 ? 5 : 4, from = levels;
	bool write = what & 2;
	DmirageWalkResult r;
	DmirageWalk w;
	uint64_t va;
	Answer a;

	m.flip = 1ull << (take8(&in) & 63);
	va = take64(&in);
	take(&in, m.word, sizeof(m.word));
	switch (what >> 2 & 3) {
	case 0:
		from = 1 + (what >> 4) % levels;
		a = simple_walk(&m, true, ROOT, from, levels, va);
		r = dmirage_walk_mirror(read_word, &m, ROOT, from, levels, va, &w);
		compare(&a, r, &w, true);
		CHECK(m.reads <= from);
		break;
	case 1:
		a = simple_walk(&m, false, ROOT, levels, levels, va);
		r = dmirage_walk_x86(read_word, &m, ROOT, levels, va, &w);
		compare(&a, r, &w, false);
		CHECK(m.reads <= levels);
		break;
	default:
		changes %= DMIRAGE_WALK_RETRIES + 2;
		m.changes = changes;
		m.write = write;
		r = dmirage_walk_x86_access(read_word, cas_word, &m, ROOT,
					    levels, va, write, &w);
		CHECK(m.reads <= levels * DMIRAGE_WALK_RETRIES);
		/* The last try saw what memory is now. */
		if (changes < DMIRAGE_WALK_RETRIES) {
			a = simple_walk(&m, false, ROOT, levels, levels, va);
			compare(&a, r, &w, false);
		}
		if (r != DMIRAGE_WALK_OK)
			break;
		CHECK(w.entry == *word_at(&m, w.entry_addr));
		/* All on the way is marked, if it permits this. */
		if (w.user && (w.write || !write)) {
			CHECK(!write || (w.entry & D));
			for (unsigned int l = levels; l >= w.level; l--)
				CHECK(*word_at(&m, w.table[l] + (va >> (12 + 9 * (l - 1))) % 512 * 8) & A);
		}
		break;
	}
	check_walk(&m, r, &w, va, from);
	return 0;
}
