// SPDX-License-Identifier: GPL-2.0
/*
 * A THP is split in place, migrates whole, or is split to migrate in part: a PMD entry
 * becomes PTEs or stays one, and so must the device's.
 *
 * Seed: "[PATCH v9 03/10] mm: thp: introduce separate TTU flag for thp freezing" (July
 * 2017).  try_to_unmap() took the pages of a THP that was to be split for pages that
 * were to migrate, so that one way of taking an entry out was mixed up with the other.
 *
 * The driver's bug that stands for it is the fault mode inval-first-page, by which a
 * change of a PMD entry is taken for one of its first page; `caught' sees it where all of
 * the page migrates.  What is split first migrates page by page, and for each of these
 * the driver is told that page: there it is inval-ignored, as for what is taken away.
 * Each test fails with DMIRAGE_FAULT_MODE=inval-ignored, but those where no frame and no
 * right changes (thp-split-debugfs): these fail by the sizes of the device's entries.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "newer.h"
#include "seed.h"

#define PART	  255u /* the page that is split off */
#define SPLIT_TRY 50

/* ---- What is done to it ----------------------------------------------------- */

static u8 *part(struct seed *s)
{
	return seed_page(s, PART);
}

static void part_unmaps(struct seed *s)
{
	ASSERT_SYS(munmap(part(s), PROBE_4K));
}

static void part_protects(struct seed *s)
{
	ASSERT_SYS(mprotect(part(s), PROBE_4K, PROT_READ));
}

static void part_drops(struct seed *s)
{
	ASSERT_SYS(madvise(part(s), PROBE_4K, MADV_DONTNEED));
}

/* Not as long as somebody has a reference, as a fault has for a moment. */
static void all_splits(struct seed *s)
{
	struct probe_page page = { .thp = true };
	char text[96];
	int i, err;

	snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", getpid(), (unsigned long)s->mem.addr,
		 (unsigned long)(s->mem.addr + s->mem.len));
	for (i = 0; i < SPLIT_TRY && page.thp; i++) {
		err = put_text("/sys/kernel/debug/split_huge_pages", text);
		if (err == EINVAL && kernel_version() == 510)
			SKIP("this kernel splits all huge pages, or none");
		ASSERT_EQ(err, 0);
		ASSERT_PROBE(probe_page(s->mem.addr, &page));
		if (page.thp)
			sleep_ms(1);
	}
	EXPECT(!page.thp);
}

/* The page is split, so that one of its 512 can go elsewhere. */
static void part_offlines(struct seed *s)
{
	int i;

	for (i = 0; i < SPLIT_TRY; i++) {
		if (!madvise(part(s), PROBE_4K, MADV_SOFT_OFFLINE))
			return;
		if (errno != EBUSY && errno != EAGAIN)
			break;
		sleep_ms(1);
	}
	ASSERT_SYS(-1);
}

/* Of the page there is only the first half; that is what migrates. */
static void half_moves(struct seed *s)
{
	s->node = !s->node;
	ASSERT_PROBE(probe_move(s->mem.addr, PROBE_2M / 2, PROBE_4K, s->node));
}

/* ---- What comes of it ------------------------------------------------------- */

enum what {
	MUNMAP,
	MPROTECT,
	DONTNEED,
	SPLIT,
	OFFLINE,
	WHOLE,
	HALF,
};

static void (*const acts[])(struct seed *s) = {
	[MUNMAP] = part_unmaps,	  [MPROTECT] = part_protects, [DONTNEED] = part_drops,
	[SPLIT] = all_splits,	  [OFFLINE] = part_offlines,  [WHOLE] = seed_move,
	[HALF] = half_moves,
};

static bool moves(enum what what, unsigned int page)
{
	return what == WHOLE || (what == HALF && page < SEED_PAGES / 2) ||
	       (what == OFFLINE && page == PART);
}

static void expect_frames(struct seed *s, enum what what, const u64 *before)
{
	struct probe_page now;
	unsigned int i;

	for (i = 0; i < SEED_PAGES; i++) {
		if (s->gone[i])
			continue;
		ASSERT_PROBE(probe_page(seed_page(s, i), &now));
		ASSERT(now.present);
		if (moves(what, i))
			ASSERT_NE(now.frame, before[i]);
		else
			ASSERT_EQ(now.frame, before[i]);
		if (what == WHOLE || what == HALF)
			ASSERT_EQ((u64)now.node, s->node);
		if (what == SPLIT || what == OFFLINE)
			ASSERT(!now.thp);
	}
}

/* The processor's entries, and the device's. */
static void expect_entries(struct seed *s, size_t size)
{
	struct dmirage_counters c;
	unsigned int i;

	EXPECT_EQ(probe_smaps_kb(s->mem.addr, "AnonHugePages"), size == PROBE_2M ? 2048 : 0);
	seed_expect_size(s, 0, size);
	seed_expect_size(s, 1, size);
	seed_expect_size(s, 254, size);
	for (i = 0; i < s->contexts; i++) {
		if (s->context[i].mode != DMIRAGE_MODE_MIRROR)
			continue;
		c = get_counters(s->context[i].d);
		EXPECT_EQ(c.mapped_2m - c.unmapped_2m, size == PROBE_2M);
		EXPECT_EQ(c.mapped_4k - c.unmapped_4k > 0, size == PROBE_4K);
	}
}

/* Each context sees what became of the part. */
static void expect_part(struct seed *s, enum what what)
{
	unsigned int i;

	for (i = 0; i < s->contexts; i++) {
		struct dmirage *d = s->context[i].d;

		switch (what) {
		case MUNMAP:
			expect_read_fault(d, part(s), EFAULT);
			break;
		case MPROTECT:
			EXPECT_EQ(dev_read(d, part(s)), cpu_read(part(s)));
			expect_write_fault(d, part(s), EPERM);
			break;
		case DONTNEED:
			EXPECT_EQ(dev_read(d, part(s)), i ? 2 * i - 1 : 0);
			dev_write(d, part(s), 2 * i);
			EXPECT_EQ(cpu_read(part(s)), 2 * i);
			cpu_write(part(s), 2 * i + 1);
			EXPECT_EQ(dev_read(d, part(s)), 2 * i + 1);
			break;
		default:
			break;
		}
	}
}

/* The VMA is of half the page, which is a THP still and mapped by PTEs. */
static void halve(struct seed *s)
{
	struct probe_page page;

	ASSERT_SYS(munmap(seed_page(s, SEED_PAGES / 2), PROBE_2M / 2));
	ASSERT_PROBE(probe_page(s->mem.addr, &page));
	EXPECT(page.thp);
	EXPECT_EQ(probe_smaps_kb(s->mem.addr, "AnonHugePages"), 0);
}

static void prepare(struct seed *s, enum what what)
{
	seed_memory(s, PROBE_KIND_THP);
	if (what == MUNMAP || what == MPROTECT || what == DONTNEED)
		seed_gone(s, PART, 1);
	if (what == HALF) {
		s->held_page = 200;
		seed_gone(s, SEED_PAGES / 2, SEED_PAGES / 2);
	}
}

static void scenario(unsigned int mode, enum seed_order order, int what)
{
	struct seed *s = seed_new(order);
	static u64 before[SEED_PAGES];
	unsigned int i;

	prepare(s, what);
	seed_contexts(s, mode);
	/* Frames stay: what was cached of the PMD entry is true (kernel before 6.6). */
	for (i = 0; i < s->contexts; i++)
		s->context[i].unflushed = mode == DMIRAGE_MODE_SHARED && what != WHOLE &&
					  what != HALF;
	seed_start(s);
	/* To look is to use: not what must not be in the IOTLB. */
	if (order != SEED_WALK)
		expect_entries(s, PROBE_2M);
	for (i = 0; i < SEED_PAGES; i++)
		before[i] = frame_of(seed_page(s, i));
	if (what == HALF) {
		halve(s);
		/* All have used it since, and so there is something to flush. */
		seed_writers_go_on(s, SEED_BATCH + 1);
	}
	seed_do(s, acts[what]);
	expect_frames(s, what, before);
	expect_part(s, what);
	expect_entries(s, what == WHOLE ? PROBE_2M : PROBE_4K);
	seed_end(s);
}

/* ---- With the bug ------------------------------------------------------------ */

static void caught(int what)
{
	static const struct {
		const char *bug;
		unsigned int stale;
	} of[] = {
		[DONTNEED] = { "inval-ignored", 0 },
		[OFFLINE] = { "inval-ignored", 1 << 2 },
		[WHOLE] = { FAULT_MODE_FIRST_PAGE, SEED_ALL_BUT_FIRST },
		[HALF] = { "inval-ignored", 1 << 0 | 1 << 1 | 1 << 2 },
	};
	struct seed *s = seed_new(SEED_FREE);
	struct dmirage *d;

	prepare(s, what);
	d = seed_context(s, DMIRAGE_MODE_MIRROR, false, 0);
	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", of[what].bug));
	seed_fill(s);
	EXPECT_EQ(seed_probe(s, d), 0);
	if (what == HALF)
		ASSERT_SYS(munmap(seed_page(s, SEED_PAGES / 2), PROBE_2M / 2));
	acts[what](s);
	EXPECT_EQ(seed_probe(s, d), of[what].stale);
	if (what == DONTNEED) {
		/* The page that is there no more. */
		EXPECT_EQ(cpu_read(part(s)), 0);
		EXPECT_NE(dev_read(d, part(s)), 0);
	}
	EXPECT_GE(get_counters(d).violations, 1);
}

#define SOME_ORDERS (SEED_ONLY_FREE | 1u << SEED_TRANSLATED)
#define BOTH	    (SEED_MIRROR | SEED_SHARED)

static const struct seed_test tests[] = {
	{ "thp-split-munmap", BOTH, SOME_ORDERS, scenario, MUNMAP },
	{ "thp-split-mprotect", BOTH, SOME_ORDERS, scenario, MPROTECT },
	{ "thp-split-dontneed", BOTH, SOME_ORDERS, scenario, DONTNEED },
	{ "thp-split-debugfs", SEED_MIRROR, SEED_EACH_ORDER, scenario, SPLIT },
	{ "thp-split-debugfs", SEED_SHARED, SOME_ORDERS, scenario, SPLIT },
	{ "thp-split-offline", SEED_MIRROR, SEED_EACH_ORDER, scenario, OFFLINE },
	{ "thp-split-offline", SEED_SHARED, SOME_ORDERS, scenario, OFFLINE },
	{ "thp-whole-migration", BOTH, SOME_ORDERS, scenario, WHOLE },
	/* Nothing is left to be walked to, once there is but half of it. */
	{ "thp-half-migration", SEED_MIRROR, SEED_EACH_ORDER & ~(1u << SEED_WALK), scenario, HALF },
	{ "thp-half-migration", SEED_SHARED, SOME_ORDERS, scenario, HALF },
};

static const struct ktap_test more[] = {
	{ "thp-split-dontneed:mirror:caught", caught, DONTNEED, 0 },
	{ "thp-split-offline:mirror:caught", caught, OFFLINE, 0 },
	{ "thp-whole-migration:mirror:caught", caught, WHOLE, 0 },
	{ "thp-half-migration:mirror:caught", caught, HALF, 0 },
};

int main(int argc, char **argv)
{
	return seed_main(argc, argv, tests, ARRAY_SIZE(tests), more, ARRAY_SIZE(more));
}
