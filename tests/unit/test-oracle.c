/* SPDX-License-Identifier: GPL-2.0 */
/* Tests of qemu-device/oracle.c: no miss, and no false alarm. */
#include "tables.h"

#include "oracle.h"

#define P	(1ull << 0)
#define RW	(1ull << 1)
#define US	(1ull << 2)
#define PS	(1ull << 7)
#define LINK	(P | RW | US)

#define VA	0x00007f0000200000ull	/* 2 MiB aligned */
#define FRAME	0x40000000ull		/* what the device holds for it */
#define OTHER	0x60000000ull
#define SUSPECT	1000

/* A world with a clock that goes on by 10 with each pause. */
typedef struct World {
	Tables t;
	uint64_t root;
	int64_t now;
	unsigned int pauses;
	unsigned int act_at;	/* after that many pauses ... */
	void (*act)(struct World *w);	/* ... this happens */
	bool stop;
	DmirageOracle o;
} World;

static bool world_read(void *opaque, uint64_t addr, uint64_t *value)
{
	return tables_read(&((World *)opaque)->t, addr, value);
}

static bool same_frame(void *opaque, uint64_t dma, uint64_t phys)
{
	(void)opaque;
	return dma == phys;
}

static int64_t now_ns(void *opaque)
{
	return ((World *)opaque)->now;
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
		.read = world_read, .same_frame = same_frame, .now_ns = now_ns,
		.pause = world_pause, .opaque = w, .root = w->root,
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
		.va = VA + page * 4096ull, .pa = FRAME + page * 4096ull,
		.order = order, .write = write,
	};
}

static DmirageFinding ask(World *w, DmirageXlate x, uint64_t offset,
			  uint64_t len)
{
	DmirageFinding f;

	w->pauses = 0;
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
	/* The other way round. */
	*pmd(w) = FRAME | LINK | PS;
	f = ask(w, held(7, 12, true), 7 * 4096 + 9, 1);
	g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_NONE);
	f = ask(w, held(0, 21, true), 511 * 4096, 4096);
	g_assert_cmpint(f.kind, ==, DMIRAGE_VIOL_NONE);
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
		g_assert_cmphex(f.held_addr, ==, FRAME + p * 4096ull);
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
	g_assert_cmphex(f.held_addr, ==, FRAME + 4096 * 16);
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
	return g_test_run();
}
