// SPDX-License-Identifier: GPL-2.0
/*
 * A huge page migrates, whole, while processors and devices write to all of it.
 *
 * Seed: "[PATCH] mm/rmap: update to new mmu_notifier semantic v2" (369ea8242c0f, August
 * 2017).  Of a THP or a hugetlb page that try_to_unmap_one() unmapped for a migration,
 * secondary MMUs were told the first 4 KiB, and went on in the old page with the others.
 *
 * The driver's bug that stands for it is the fault mode inval-first-page: `caught' has
 * it, and sees the loss on pages 1, 255 and 511.  In shared mode, where a translation of
 * 2 MiB goes whole by whatever part of it is named, that is inval-ignored.  Each of the
 * other tests fails in a guest that was given the same (DMIRAGE_FAULT_MODE=).
 */
#define _GNU_SOURCE
#include "seed.h"

#define MOVES 2 /* there and back */

static void migration(unsigned int mode, enum seed_order order, int kind)
{
	struct seed *s = seed_new(order);
	unsigned int i;

	seed_memory(s, kind);
	seed_contexts(s, mode);
	/* docs/found-bugs.md; watch_shared has it. */
	if (mode == DMIRAGE_MODE_SHARED && kind == PROBE_KIND_HUGETLB && kernel_version() >= 606 &&
	    (get_info(s->context[0].d).caps & DMIRAGE_CAP_FRACTURE))
		SKIP("a flush of this kernel is for a part of the page, and the IOTLB has parts");
	seed_start(s);
	for (i = 0; i < MOVES; i++)
		seed_do(s, seed_move);
	seed_expect_size(s, 0, PROBE_2M);
	seed_expect_size(s, 511, PROBE_2M);
	seed_end(s);
}

/* arg: kind, and shared mode */
#define CAUGHT(kind, mode) ((kind) << 4 | (mode))

static void caught(int arg)
{
	bool shared = (arg & 15) == DMIRAGE_MODE_SHARED;
	struct seed *s = seed_new(SEED_FREE);
	struct dmirage *d;

	seed_memory(s, arg >> 4);
	d = seed_context(s, arg & 15, false, 0);
	ASSERT_PROBE(probe_ctx_write(d, "fault_mode",
				     shared ? "inval-ignored" : FAULT_MODE_FIRST_PAGE));
	seed_fill(s);
	EXPECT_EQ(seed_probe(s, d), 0);
	seed_move(s);
	EXPECT_EQ(seed_probe(s, d), shared ? 0xf : SEED_ALL_BUT_FIRST);
	/* Each page was written and read. */
	EXPECT_EQ(get_counters(d).violations, shared ? 8 : 6);
}

static const struct seed_test tests[] = {
	{ "thp-migration", SEED_MIRROR | SEED_SHARED, SEED_EACH_ORDER, migration, PROBE_KIND_THP },
	{ "hugetlb-migration", SEED_MIRROR | SEED_SHARED, SEED_EACH_ORDER, migration,
	  PROBE_KIND_HUGETLB },
};

static const struct ktap_test more[] = {
	{ "thp-migration:mirror:caught", caught, CAUGHT(PROBE_KIND_THP, DMIRAGE_MODE_MIRROR), 0 },
	{ "thp-migration:shared:caught", caught, CAUGHT(PROBE_KIND_THP, DMIRAGE_MODE_SHARED), 0 },
	{ "hugetlb-migration:mirror:caught", caught,
	  CAUGHT(PROBE_KIND_HUGETLB, DMIRAGE_MODE_MIRROR), 0 },
	{ "hugetlb-migration:shared:caught", caught,
	  CAUGHT(PROBE_KIND_HUGETLB, DMIRAGE_MODE_SHARED), 0 },
};

int main(int argc, char **argv)
{
	return seed_main(argc, argv, tests, ARRAY_SIZE(tests), more, ARRAY_SIZE(more));
}
