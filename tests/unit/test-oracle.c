/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tests of qemu-device/oracle.c: no miss, and no false alarm. The last one is
 * against a reference model.
 */
#include "tables.h"

#include "oracle.h"
#include "random.h"

#define P	(1ull << 0)
#define RW	(1ull << 1)
#define US	(1ull << 2)
#define PS	(1ull << 7)
#define LINK	(P | RW | US)

#define VA	0x00007f0000200000ull	/* 2 MiB aligned */
#define FRAME	0x40000000ull		/* what the device holds for it */
#define OTHER	0x60000000ull
#define SUSPECT	1000
#define SHIFT	0x5000000000ull	/* DMA addresses are that much higher */

/* A world with a clock that goes on by 10 with each pause. */
typedef struct World {
	Tables t;
	uint64_t root;
	int64_t now;
	unsigned int pauses, compared;
	unsigned int act_at;	/* after that many pauses ... */
	void (*act)(struct World *w);	/* ... this happens */
	unsigned int late_at;	/* the clock jumps, and the page comes back */
	bool stop;
	bool same_odd;			/* frames with odd numbers have the same content */
	DmirageOracle o;
} World;

static bool world_read(void *opaque, uint64_t addr, uint64_t *value)
{
	return tables_read(&((World *)opaque)->t, addr, value);
}

static bool same_frame(void *opaque, uint64_t dma, uint64_t phys)
{
	((World *)opaque)->compared++;
	return dma == phys + SHIFT;
}

static bool same_content(void *opaque, uint64_t dma, uint64_t phys)
{
	g_assert_cmphex(dma, !=, phys + SHIFT);
	return ((World *)opaque)->same_odd && (phys >> 12 & 1);
}

static void come_back(World *w);

static int64_t now_ns(void *opaque)
{
	World *w = opaque;

	if (w->late_at && !--w->late_at) {
		w->now += 100 * SUSPECT;
		come_back(w);
	}
	return w->now;
}

static bool world_pause(void *opaque)
{
	World *w = opaque;

	w->now += 10;
	w->pauses++;
	if (w->act && w->pauses == w->act_at)
		w->act(w);
	return !w->stop;
}

static World *world_new(void)
{
	World *w = g_new0(World, 1);

	w->root = tables_new_page(&w->t);
	w->o = (DmirageOracle){
		.read = world_read, .same_frame = same_frame,
		.same_content = same_content, .now_ns = now_ns, .pause = world_pause, .opaque = w, .root = w->root,
		.levels = 4, .suspect_ns = SUSPECT,
	};
	return w;
}

static uint64_t *pte(World *w, unsigned int page)
{
	return tables_entry(&w->t, w->root, 4, VA + page * 4096ull, 1, LINK);
}

static uint64_t *pmd(World *w)
{
	return tables_entry(&w->t, w->root, 4, VA, 2, LINK);
}

static void map_ptes(World *w)
{
	for (unsigned int i = 0; i < 512; i++)
		*pte(w, i) = (FRAME + i * 4096ull) | LINK;
}

static DmirageXlate held(unsigned int page, uint8_t order, bool write)
{
	return (DmirageXlate){
		.va = VA + page * 4096ull, .pa = FRAME + SHIFT + page * 4096ull,
		.order = order, .write = write,
	};
}

static DmirageFinding ask(World *w, DmirageXlate x, uint64_t offset,
			  uint64_t len)
{
	DmirageFinding f;

	w->pauses = 0;
	w->compared = 0;
	w->t.reads = 0;
	dmirage_oracle_check(&w->o, &x, VA + offset, len, &f);
	return f;
}

/* Large pages and small ones, the same frames: all is well. */
static void test_true(void)
{
	World *w = world_new();
	DmirageFinding f;

	map_ptes(w);
	f = ask(w, held(3, 12, true), 3 * 4096, 4096);
	g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_NONE);
	g_assert_cmpuint(f.checks, ==, 1);
	/* The CPU's huge page was split in place; the device's entry was not. */
	f = ask(w, held(0, 21, true), 100, 64 * 1024);
	g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_NONE);
	g_assert_cmpuint(f.checks, ==, 17);
	g_assert_cmpuint(f.suspects, ==, 0);
	g_assert_cmpuint(w->t.reads, ==, 17 * 4);
	g_assert_cmpuint(w->compared, ==, 17);
	/* The other way round. */
	*pmd(w) = FRAME | LINK | PS;
	f = ask(w, held(7, 12, true), 7 * 4096 + 9, 1);
	g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_NONE);
	f = ask(w, held(0, 21, true), 511 * 4096, 4096);
	g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_NONE);
	/* One entry, one walk, but each page is compared. */
	f = ask(w, held(0, 21, true), 4095, 511 * 4096ull + 1);
	g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_NONE);
	g_assert_cmpuint(f.checks, ==, 512);
	g_assert_cmpuint(w->compared, ==, 512);
	g_assert_cmpuint(w->t.reads, ==, 3);
	/* The device may do less than the CPU. */
	f = ask(w, held(0, 21, false), 0, 4096);
	g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_NONE);
	g_assert_cmpuint(w->pauses, ==, 0);
	g_free(w);
}

/* Any page of a large translation can be the one that differs. */
static void test_frame(void)
{
	static const unsigned int pages[] = { 0, 1, 5, 255, 511 };

	for (unsigned int i = 0; i < G_N_ELEMENTS(pages); i++) {
		World *w = world_new();
		unsigned int p = pages[i];
		DmirageFinding f;

		map_ptes(w);
		*pte(w, p) = (OTHER + 0x5000) | LINK;
		f = ask(w, held(0, 21, true), p * 4096ull + 8, 8);
		g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_FRAME);
		g_assert_cmphex(f.va, ==, VA + p * 4096ull + 8);
		g_assert_cmphex(f.held_addr, ==, SHIFT + FRAME + p * 4096ull);
		g_assert_cmphex(f.cpu_addr, ==, OTHER + 0x5000);
		g_assert_cmpuint(f.pages, ==, 1);
		g_assert_cmpuint(w->pauses, ==, 0);
		/* Its neighbours are still good. */
		if (p > 0)
			g_assert_cmpint(ask(w, held(0, 21, true),
					    (p - 1) * 4096ull, 4096)
						.kind,
					==, DMIRAGE_VIOL_NONE);
		g_free(w);
	}
}

/* A whole huge page went elsewhere: every page of the access counts. */
static void test_frame_huge(void)
{
	World *w = world_new();
	DmirageFinding f;

	*pmd(w) = OTHER | LINK | PS;
	f = ask(w, held(0, 21, true), 4096 * 16 + 1, 64 * 1024);
	g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_FRAME);
	g_assert_cmphex(f.va, ==, VA + 4096 * 16 + 1);
	g_assert_cmphex(f.held_addr, ==, SHIFT + FRAME + 4096 * 16);
	g_assert_cmphex(f.cpu_addr, ==, OTHER + 4096 * 16);
	g_assert_cmpuint(f.cpu.order, ==, 21);
	g_assert_cmpuint(f.pages, ==, 17);
	g_assert_cmpuint(f.checks, ==, 17);
	g_free(w);
}

static void test_write(void)
{
	World *w = world_new();
	DmirageFinding f;

	map_ptes(w);
	*pte(w, 9) &= ~RW;
	/* It is the translation that is judged, not this one access. */
	f = ask(w, held(0, 21, true), 8 * 4096, 3 * 4096);
	g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_WRITE);
	g_assert_cmphex(f.va, ==, VA + 9 * 4096);
	g_assert_cmpuint(f.pages, ==, 1);
	g_assert_true(f.cpu_present);
	g_assert_false(f.cpu.write);
	g_assert_cmpuint(w->pauses, ==, 0);
	f = ask(w, held(0, 21, false), 8 * 4096, 3 * 4096);
	g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_NONE);
	g_free(w);
}

static void test_absent(void)
{
	World *w = world_new();
	DmirageFinding f;

	map_ptes(w);
	*pte(w, 2) = 0xf7f9fffff005da02ull;	/* a migration entry */
	*pte(w, 3) = 0;
	f = ask(w, held(0, 21, true), 0, 8 * 4096);
	g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_ABSENT);
	g_assert_cmphex(f.va, ==, VA + 2 * 4096);
	g_assert_cmphex(f.cpu_addr, ==, 0);
	g_assert_cmphex(f.cpu.entry, ==, 0xf7f9fffff005da02ull);
	g_assert_false(f.cpu_present);
	g_assert_cmpuint(f.pages, ==, 2);
	g_assert_cmpuint(f.suspects, ==, 1);
	/* It was given its time, and not much more. */
	g_assert_cmpint(w->now, >=, SUSPECT);
	g_assert_cmpint(w->now, <=, SUSPECT + 20);
	g_free(w);
}

static void come_back(World *w)
{
	*pte(w, 2) = (FRAME + 2 * 4096) | LINK;
}

static void come_elsewhere(World *w)
{
	*pte(w, 2) = OTHER | LINK;
}

static void come_readonly(World *w)
{
	*pte(w, 2) = (FRAME + 2 * 4096) | P | US;
}

static void give_up(World *w)
{
	w->stop = true;
}

static DmirageFinding suspect(World *w, void (*act)(World *), unsigned int at)
{
	map_ptes(w);
	*pte(w, 2) = 0;
	w->act = act;
	w->act_at = at;
	return ask(w, held(0, 21, true), 0, 8 * 4096);
}

/* MADV_COLD clears an entry and writes it back: not a violation. */
static void test_transient(void)
{
	for (unsigned int at = 1; at < SUSPECT / 10; at += 7) {
		World *w = world_new();
		DmirageFinding f = suspect(w, come_back, at);

		g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_NONE);
		g_assert_cmpuint(f.suspects, ==, 1);
		g_assert_cmpuint(f.checks, ==, 8);
		g_assert_cmpuint(w->pauses, ==, at);
		g_free(w);
	}
}

static void test_suspect_differs(void)
{
	World *w = world_new();
	DmirageFinding f = suspect(w, come_elsewhere, 5);

	g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_FRAME);
	g_assert_cmphex(f.cpu_addr, ==, OTHER);
	g_assert_cmpuint(w->pauses, ==, 5);
	g_free(w);

	w = world_new();
	f = suspect(w, come_readonly, 5);
	g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_WRITE);
	g_free(w);
}

static void test_undecided(void)
{
	World *w = world_new();
	DmirageFinding f = suspect(w, give_up, 3);

	g_assert_true(f.undecided);
	g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_NONE);
	g_assert_cmpuint(w->pauses, ==, 3);
	g_free(w);
}

/* A table that is gone altogether is absence, not a crash. */
static void test_no_table(void)
{
	World *w = world_new();

	map_ptes(w);
	w->o.root = 0x1000;
	g_assert_cmpint(ask(w, held(0, 12, false), 0, 1).kind, ==,
			DMIRAGE_VIOL_ABSENT);
	g_free(w);
}

/* However slow it is, it looks once more after the time is over. */
static void test_late(void)
{
	World *w = world_new();
	DmirageFinding f;

	/* The clock is asked for the deadline, and then after each pause. */
	w->late_at = 2;
	f = suspect(w, NULL, 0);
	g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_NONE);
	g_assert_cmpuint(f.suspects, ==, 1);
	g_free(w);

	/* It looks again even if it need not wait at all. */
	w = world_new();
	w->o.suspect_ns = 0;
	f = suspect(w, come_back, 1);
	g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_NONE);
	g_assert_cmpuint(w->pauses, ==, 1);
	g_free(w);
}

/* What each mode makes of a page that is absent, elsewhere, or read-only. */
static void test_modes(void)
{
	static const struct {
		DmirageMode mode;
		bool settled;
		enum dmirage_violation_kind absent, frame, write;
	} modes[] = {
		{ DMIRAGE_MODE_MIRROR, false, DMIRAGE_VIOL_ABSENT,
		  DMIRAGE_VIOL_FRAME, DMIRAGE_VIOL_WRITE },
		{ DMIRAGE_MODE_MIRROR, true, DMIRAGE_VIOL_ABSENT,
		  DMIRAGE_VIOL_FRAME, DMIRAGE_VIOL_WRITE },
		{ DMIRAGE_MODE_SHARED, false, DMIRAGE_VIOL_NONE,
		  DMIRAGE_VIOL_FRAME, DMIRAGE_VIOL_NONE },
		{ DMIRAGE_MODE_SHARED, true, DMIRAGE_VIOL_ABSENT,
		  DMIRAGE_VIOL_FRAME, DMIRAGE_VIOL_WRITE },
		{ DMIRAGE_MODE_PINNED, false, DMIRAGE_VIOL_DIVERGED,
		  DMIRAGE_VIOL_DIVERGED, DMIRAGE_VIOL_NONE },
		{ DMIRAGE_MODE_PINNED, true, DMIRAGE_VIOL_DIVERGED,
		  DMIRAGE_VIOL_DIVERGED, DMIRAGE_VIOL_NONE },
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(modes); i++) {
		World *w = world_new();
		bool waits = modes[i].absent != DMIRAGE_VIOL_NONE;
		DmirageFinding f;

		w->o.mode = modes[i].mode;
		w->o.settled = modes[i].settled;
		map_ptes(w);
		f = ask(w, held(0, 21, true), 0, 4096);
		g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_NONE);

		*pte(w, 1) = 0;
		f = ask(w, held(0, 21, true), 0, 3 * 4096);
		g_assert_cmpint(f.kind, ==, modes[i].absent);
		g_assert_cmpuint(f.suspects, ==, waits);
		g_assert_cmpuint(w->pauses, ==, waits ? SUSPECT / 10 : 0);
		g_assert_cmpuint(f.checks, ==, 3);

		*pte(w, 1) = OTHER | LINK;
		f = ask(w, held(0, 21, true), 0, 3 * 4096);
		g_assert_cmpint(f.kind, ==, modes[i].frame);
		g_assert_cmphex(f.cpu_addr, ==, OTHER);
		g_assert_cmphex(f.va, ==, VA + 4096);
		g_assert_cmpuint(w->pauses, ==, 0);

		*pte(w, 1) = (FRAME + 4096) | P | US;
		f = ask(w, held(0, 21, true), 0, 3 * 4096);
		g_assert_cmpint(f.kind, ==, modes[i].write);
		f = ask(w, held(0, 21, false), 0, 3 * 4096);
		g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_NONE);
		g_free(w);
	}
}

/* Another frame, in shared mode: does it make a difference? */
static void test_same_content(void)
{
	for (unsigned int i = 0; i < 64; i++) {
		bool settled = i & 1, held_write = i & 2, cpu_write = i & 4;
		bool same = i & 8, shared = i & 16, odd = i & 32;
		uint64_t frame = OTHER + (odd ? 4096 : 0);
		bool expected = !(shared && !settled && !held_write &&
				  !cpu_write && same && odd);
		World *w = world_new();
		DmirageFinding f;

		w->same_odd = same;
		w->o.mode = shared ? DMIRAGE_MODE_SHARED : DMIRAGE_MODE_MIRROR;
		w->o.settled = settled;
		map_ptes(w);
		*pte(w, 1) = frame | (cpu_write ? LINK : P | US);
		f = ask(w, held(0, 21, held_write), 4096, 4096);
		g_assert_cmpint(f.kind, ==, expected ? DMIRAGE_VIOL_FRAME : DMIRAGE_VIOL_NONE);
		g_free(w);
	}
}

/*
 * The model: for each page what the CPU maps there, changed as the tables are.
 * It looks at each page by itself and knows nothing of tables.
 */
#define BLOCKS	4
#define PAGES	(BLOCKS * 512)
#define BASE	0x00007f0040000000ull	/* 1 GiB aligned */
#define CHANGES	4
#define AWAY	0x80000000ull	/* how far a wrong frame is from the right one */

typedef struct Page {
	uint64_t frame;
	bool present, write;
} Page;

typedef struct Change {
	unsigned int at;	/* pause after which it comes */
	unsigned int page, pages, size;
	bool present, right, write;
} Change;

typedef enum Block {
	NOTHING,
	LARGE,
	SMALL,
} Block;

typedef struct Model {
	World *w;
	Page page[PAGES];
	/* how the tables say it: a 1 GiB leaf, or each block in its own way */
	bool huge;
	Block block[BLOCKS];
	uint64_t pud_link, pmd_link[BLOCKS];
	Change change[CHANGES];
	unsigned int changes, stop_at;
} Model;

static uint64_t *model_entry(Model *m, unsigned int page, unsigned int level)
{
	return tables_entry(&m->w->t, m->w->root, 4, BASE + page * 4096ull, level,
			    LINK);
}

static uint64_t entry_of(const Page *p, uint64_t bits)
{
	return p->present ? p->frame | P | US | (p->write ? RW : 0) | bits :
			    p->frame & ~1ull;
}

/* Writes the tables of @b's pages, now that these have changed. */
static void write_block(Model *m, unsigned int b, unsigned int first,
			unsigned int pages)
{
	uint64_t *pmd = model_entry(m, b * 512, 2);

	if (m->block[b] != SMALL) {
		*pmd = entry_of(&m->page[b * 512], PS);
		return;
	}
	*pmd = m->pmd_link[b];
	for (unsigned int i = first; i < first + pages; i++)
		*model_entry(m, b * 512 + i, 1) = entry_of(&m->page[b * 512 + i], 0);
}

/* To the pages only, or, with @tables, also to the tables. */
static void make_change(Model *m, const Change *c, Page *page, bool tables)
{
	for (unsigned int i = c->page; i < c->page + c->pages; i++) {
		page[i].present = c->present;
		page[i].frame = FRAME + i * 4096ull + (c->right ? 0 : AWAY);
		page[i].write = c->write;
	}
	if (!tables)
		return;
	if (c->size == 30) {
		m->huge = true;
		*model_entry(m, 0, 3) = entry_of(&page[0], PS);
		return;
	}
	if (m->huge) {
		m->huge = false;
		*model_entry(m, 0, 3) = m->pud_link;
		for (unsigned int b = 0; b < BLOCKS; b++) {
			m->block[b] = SMALL;
			write_block(m, b, 0, 512);
		}
	}
	for (unsigned int b = c->page / 512; b <= (c->page + c->pages - 1) / 512; b++) {
		if (c->size == 21) {
			m->block[b] = c->present ? LARGE : NOTHING;
			write_block(m, b, 0, 512);
		} else if (m->block[b] != SMALL) {
			m->block[b] = SMALL;
			write_block(m, b, 0, 512);
		} else {
			write_block(m, b, c->page % 512, c->pages);
		}
	}
}

static Change random_change(void)
{
	Change c = {
		.page = random_below(PAGES), .pages = 1, .size = 12,
		.present = !random_once_in(4), .right = !random_once_in(4),
		.write = !random_once_in(4),
	};

	if (random_once_in(2))
		c.pages = 1 + random_below(512 - c.page % 512);
	if (random_once_in(2))
		c.present = c.right = c.write = true;
	if (random_once_in(8)) {
		c.size = 21;
		c.page = c.page / 512 * 512;
		c.pages = 512;
	} else if (random_once_in(40)) {
		c.size = 30;
		c.page = 0;
		c.pages = PAGES;
	}
	return c;
}

static Model *model_of_world;

static void model_act(World *w)
{
	Model *m = model_of_world;

	/* After each pause. */
	w->act_at = w->pauses + 1;
	for (unsigned int i = 0; i < m->changes; i++)
		if (m->change[i].at == w->pauses)
			make_change(m, &m->change[i], m->page, true);
	w->stop = w->pauses == m->stop_at;
}

typedef struct Expected {
	DmirageFinding f;
	unsigned int pauses;
	int64_t now;
} Expected;

/* What the header says, word for word, page for page. */
static Expected expect(const Model *m, const DmirageXlate *x, uint64_t va,
		       uint64_t len)
{
	const DmirageOracle *o = &m->w->o;
	bool shared = o->mode == DMIRAGE_MODE_SHARED;
	bool pinned = o->mode == DMIRAGE_MODE_PINNED;
	Page *page = g_memdup2(m->page, sizeof(m->page));
	Expected e = { .now = m->w->now };

	for (uint64_t p = (va - BASE) / 4096; p <= (va + len - 1 - BASE) / 4096; p++) {
		uint64_t held = FRAME + p * 4096;
		enum dmirage_violation_kind kind = DMIRAGE_VIOL_NONE;

		e.f.checks++;
		if (!page[p].present && !(shared && !o->settled) && !e.f.pages) {
			int64_t deadline = e.now + o->suspect_ns;

			e.f.suspects++;
			do {
				e.pauses++;
				e.now += 10;
				for (unsigned int i = 0; i < m->changes; i++)
					if (m->change[i].at == e.pauses)
						make_change(NULL, &m->change[i], page, false);
				if (e.pauses == m->stop_at) {
					e.f.undecided = true;
					g_free(page);
					return e;
				}
			} while (!page[p].present && e.now < deadline);
		}
		if (!page[p].present) {
			if (pinned)
				kind = DMIRAGE_VIOL_DIVERGED;
			else if (!shared || o->settled)
				kind = DMIRAGE_VIOL_ABSENT;
		} else if (page[p].frame != held) {
			bool delayed = shared && !o->settled && !x->write &&
				       !page[p].write && (page[p].frame >> 12 & 1);

			if (!delayed)
				kind = pinned ? DMIRAGE_VIOL_DIVERGED : DMIRAGE_VIOL_FRAME;
		} else if (x->write && !page[p].write && !pinned &&
			   (!shared || o->settled)) {
			kind = DMIRAGE_VIOL_WRITE;
		}
		if (kind == DMIRAGE_VIOL_NONE)
			continue;
		if (!e.f.pages++) {
			e.f.kind = kind;
			e.f.va = MAX(va, BASE + p * 4096);
			e.f.held_addr = held + SHIFT;
			e.f.cpu_present = page[p].present;
			e.f.cpu_addr = page[p].present ? page[p].frame : 0;
			e.f.cpu.write = page[p].present && page[p].write;
		}
	}
	g_free(page);
	return e;
}

/* Most reads that it may take, if nothing is looked at twice. */
static unsigned int reads_allowed(const Model *m, uint64_t va, uint64_t len)
{
	uint64_t first = (va - BASE) / 4096, last = (va + len - 1 - BASE) / 4096;
	unsigned int n = 0;

	if (m->huge)
		return 2;
	for (uint64_t p = first; p <= last; p++) {
		if (m->block[p / 512] == SMALL)
			n += 4;
		else if (p == first || p % 512 == 0)
			n += 3;
	}
	return n;
}

static Model *model_new(void)
{
	Model *m = g_new0(Model, 1);
	const Change all = {
		.pages = PAGES, .size = 12, .present = true, .right = true,
		.write = true,
	};

	m->w = world_new();
	m->w->same_odd = true;
	for (unsigned int b = 0; b < BLOCKS; b++) {
		model_entry(m, b * 512, 1);
		m->pmd_link[b] = *model_entry(m, b * 512, 2);
		m->block[b] = LARGE;
	}
	m->pud_link = *model_entry(m, 0, 3);
	make_change(m, &all, m->page, true);
	m->w->act = model_act;
	model_of_world = m;
	return m;
}

static void test_model(void)
{
	static const uint8_t orders[] = { 12, 21, 21, 30 };
	unsigned int seen[DMIRAGE_VIOL_MAX] = { 0 }, undecided = 0, forgiven = 0;
	Model *m = model_new();
	World *w = m->w;

	random_begin();
	for (unsigned int step = 0; step < 300000; step++) {
		uint8_t order = orders[random_below(4)];
		uint64_t size = MIN(1ull << order, PAGES * 4096ull);
		DmirageXlate x = { .order = order, .write = random_once_in(2) };
		uint64_t va, len;
		DmirageFinding f;
		Expected e;

		x.va = BASE + random_below(PAGES * 4096ull) / size * size;
		x.pa = FRAME + SHIFT + (x.va - BASE);
		va = x.va + random_below(size);
		len = 1 + random_below(x.va + size - va);
		if (random_once_in(2))
			len = 1 + random_below(MIN(len, 0x10000));

		m->changes = 0;
		for (unsigned int i = random_below(3); i; i--) {
			Change c = random_change();

			make_change(m, &c, m->page, true);
		}
		m->changes = random_below(CHANGES + 1);
		for (unsigned int i = 0; i < m->changes; i++) {
			m->change[i] = random_change();
			m->change[i].at = 1 + random_below(8);
			/* That the very page comes back is what matters. */
			if (random_once_in(2)) {
				m->change[i].size = 12;
				m->change[i].page = (va - BASE) / 4096;
				m->change[i].pages = 1;
				m->change[i].present = true;
			}
		}
		m->stop_at = random_once_in(8) ? 1 + random_below(8) : 0;
		w->o.mode = random_below(3);
		w->o.settled = random_once_in(2);
		w->o.suspect_ns = random_below(100);
		w->act_at = 1;
		w->stop = false;

		e = expect(m, &x, va, len);
		w->pauses = 0;
		w->compared = 0;
		w->t.reads = 0;
		dmirage_oracle_check(&w->o, &x, va, len, &f);
		g_assert_cmpint(f.kind, ==, e.f.kind);
		g_assert_cmpuint(f.pages, ==, e.f.pages);
		g_assert_cmpuint(f.checks, ==, e.f.checks);
		g_assert_cmpuint(f.suspects, ==, e.f.suspects);
		g_assert_cmpint(f.undecided, ==, e.f.undecided);
		g_assert_cmpuint(w->pauses, ==, e.pauses);
		if (f.kind != DMIRAGE_VIOL_NONE) {
			g_assert_cmphex(f.va, ==, e.f.va);
			g_assert_cmphex(f.held_addr, ==, e.f.held_addr);
			g_assert_cmphex(f.cpu_addr, ==, e.f.cpu_addr);
			g_assert_cmpint(f.cpu_present, ==, e.f.cpu_present);
			g_assert_cmpint(f.cpu.write, ==, e.f.cpu.write);
		}
		if (!w->pauses)
			g_assert_cmpuint(w->t.reads, <=, reads_allowed(m, va, len));
		g_assert_cmpuint(w->compared, <=, f.checks);
		seen[f.kind]++;
		undecided += f.undecided;
		forgiven += f.suspects && f.kind == DMIRAGE_VIOL_NONE && !f.undecided;
	}
	/* All of it did happen. */
	for (unsigned int k = 0; k < DMIRAGE_VIOL_MAX; k++)
		g_assert_cmpuint(seen[k], >, 100);
	g_assert_cmpuint(undecided, >, 100);
	g_assert_cmpuint(forgiven, >, 100);
	g_free(w);
	g_free(m);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/oracle/true", test_true);
	g_test_add_func("/oracle/other-frame", test_frame);
	g_test_add_func("/oracle/other-frame-huge", test_frame_huge);
	g_test_add_func("/oracle/write-lost", test_write);
	g_test_add_func("/oracle/absent", test_absent);
	g_test_add_func("/oracle/transient-is-none", test_transient);
	g_test_add_func("/oracle/suspect-comes-back-different",
			test_suspect_differs);
	g_test_add_func("/oracle/undecided", test_undecided);
	g_test_add_func("/oracle/no-table", test_no_table);
	g_test_add_func("/oracle/late", test_late);
	g_test_add_func("/oracle/modes", test_modes);
	g_test_add_func("/oracle/same-content", test_same_content);
	g_test_add_func("/oracle/model", test_model);
	return g_test_run();
}
