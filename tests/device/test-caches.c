/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the device keeps of page tables: the IOTLB and its content, sizes of
 * pages, fracture, replacement, prefetching, the walk cache.
 */
#include "device.h"

#include <string.h>

#define VA	0x00cac1c0000000ull	/* 1 GiB aligned */

/* --- DUMP -------------------------------------------------------------------------- */

static void test_dump(void)
{
	struct device *d = device_open(NULL);
	struct context a = context_open(d, 0), b = context_open(d, 63);
	const struct {
		struct context *c;
		uint64_t va;
		uint64_t pa;
		unsigned int order;
		uint64_t flags;
	} page[] = {
		{ &a, VA, 0x110000000, ORDER_4K, DMIRAGE_PTE_WRITE },
		{ &a, VA + PAGE_2M, 0x110200000, ORDER_2M, 0 },
		{ &a, VA + 4 * PAGE_1G, 0x140000000, ORDER_1G, DMIRAGE_PTE_WRITE },
		{ &b, VA, 0x110001000, ORDER_4K, 0 },
		{ &b, 0x1fffffffffff000ull, 0x110002000, ORDER_4K, DMIRAGE_PTE_WRITE },
	};
	const struct dmirage_tlbe *e;
	unsigned int n;

	dump(d, &n);
	g_assert_cmpuint(n, ==, 0);
	for (unsigned int i = 0; i < G_N_ELEMENTS(page); i++) {
		mirror_map(page[i].c, page[i].va, page[i].pa, page[i].order, page[i].flags);
		qtest_step(d->q, 1000);
		run_ok(page[i].c, op_read(page[i].va + 0xff0, 8));
	}
	e = dump(d, &n);
	g_assert_cmpuint(n, ==, G_N_ELEMENTS(page));
	for (unsigned int i = 0; i < G_N_ELEMENTS(page); i++) {
		const struct dmirage_tlbe *is = dump_find(d, page[i].c->asid, page[i].va);

		g_assert_nonnull(is);
		g_assert_cmphex(is->va, ==, page[i].va);
		g_assert_cmphex(is->pa, ==, page[i].pa);
		g_assert_cmpuint(is->order, ==, page[i].order);
		g_assert_cmphex(is->flags, ==, page[i].flags ? DMIRAGE_TLBE_WRITE : 0);
		g_assert_cmpuint(is->fill_time, ==, 1000 + 1000 * (i + 1));
		g_assert_cmphex(is->reserved, ==, 0);
	}
	/* All entries are of these two, and none is there twice. */
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int k = 0; k < i; k++)
			g_assert_true(e[i].asid != e[k].asid || e[i].va != e[k].va);
	inv_asid(d, 63);
	dump(d, &n);
	g_assert_cmpuint(n, ==, 3);
	/* Written anew by a write that the entry did not permit. */
	mirror_map(&a, VA + PAGE_2M, 0x110200000, ORDER_2M, DMIRAGE_PTE_WRITE);
	run_ok(&a, op_write(VA + PAGE_2M, 8, 1));
	g_assert_cmphex(dump_find(d, 0, VA + PAGE_2M)->flags, ==, DMIRAGE_TLBE_WRITE);
	dump(d, &n);
	g_assert_cmpuint(n, ==, 3);
	device_close(d);
}

/* A buffer that is too short: as many entries as fit, and the whole number. */
static void test_dump_short(void)
{
	enum { N = 300 };
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 1);
	uint64_t at = ram_alloc(d, N * 32), status = ram_alloc(d, PAGE_4K);
	const uint64_t lengths[] = { 0, 31, 32, 33, 5 * 32 + 31, 128 * 32, 129 * 32,
				     N * 32 - 1, N * 32 };

	map_new(&c, VA, N * PAGE_4K, ORDER_4K);
	run_ok(&c, op_fill(VA, N * PAGE_4K, 1));
	for (unsigned int i = 0; i < G_N_ELEMENTS(lengths); i++) {
		memset(ram(d, at), 0xee, N * 32);
		ram_set64(d, status, ~0ull);
		command(d, (struct dmirage_cmd){ .opcode = DMIRAGE_CMD_DUMP,
						 .addr = at,
						 .len = lengths[i],
						 .status_addr = status + 4 });
		g_assert_cmphex(ram64(d, status), ==, (uint64_t)N << 32 | 0xffffffff);
		for (uint64_t k = 0; k < N; k++) {
			const struct dmirage_tlbe *e = ram(d, at + 32 * k);

			g_assert_cmpuint(e->asid, ==, k < lengths[i] / 32 ? 1 : 0xeeee);
		}
	}
	expect_error(d, 0);
	device_close(d);
}

/* --- sizes ------------------------------------------------------------------------------ */

/* Pages of all sizes side by side, and operations across their borders. */
static void test_sizes(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 2);
	/* 4 KiB pages, a 2 MiB page, a 1 GiB page, a 2 MiB page. */
	uint64_t giga = (VA & ~(PAGE_1G - 1)) + PAGE_1G, small = giga - PAGE_2M - 4 * PAGE_4K;
	uint64_t pa_small = map_new(&c, small, 4 * PAGE_4K, ORDER_4K);
	uint64_t pa_2m = map_new(&c, giga - PAGE_2M, PAGE_2M, ORDER_2M), pa_1g = 0x140000000;
	uint64_t pa_after = map_new(&c, giga + PAGE_1G, PAGE_2M, ORDER_2M);
	uint64_t value = 0x0102030405060708ull;

	mirror_map(&c, giga, pa_1g, ORDER_1G, DMIRAGE_PTE_WRITE);
	run_ok(&c, op_fill(small + PAGE_4K, 3 * PAGE_4K + PAGE_2M + PAGE_4K, value));
	for (uint64_t at = PAGE_4K; at < 4 * PAGE_4K; at += 8)
		g_assert_cmphex(ram64(d, pa_small + at), ==, value);
	for (uint64_t at = 0; at < PAGE_2M; at += 8)
		g_assert_cmphex(ram64(d, pa_2m + at), ==, value);
	for (uint64_t at = 0; at < 2 * PAGE_4K; at += 8)
		g_assert_cmphex(ram64(d, pa_1g + at), ==, at < PAGE_4K ? value : 0);
	g_assert_cmphex(ram64(d, pa_small), ==, 0);
	/* Anywhere in the large one by one translation; over its end. */
	for (uint64_t at = 8; at < PAGE_1G; at += 333 * PAGE_2M / 7 * 8) {
		run_ok(&c, op_write(giga + at, 8, at));
		g_assert_cmphex(ram64(d, pa_1g + at), ==, at);
	}
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_IOTLB_MISSES), ==, 3 + 1 + 1);
	run_ok(&c, op_copy(giga + PAGE_1G - 100, small + PAGE_4K, 200));
	g_assert_cmphex(ram64(d, pa_1g + PAGE_1G - 96), ==, ram64(d, pa_small + PAGE_4K + 4));
	g_assert_cmphex(ram64(d, pa_after), ==, ram64(d, pa_small + PAGE_4K + 100));
	g_assert_cmphex(ram64(d, pa_after + 96), ==,
			ram64(d, pa_small + PAGE_4K + 196) & 0xffffffff);
	/* A single byte of it drops it. */
	inv_range(d, 2, giga + PAGE_1G / 2 + 77, 1);
	g_assert_null(dump_find(d, 2, giga));
	g_assert_nonnull(dump_find(d, 2, giga - 1));
	g_assert_nonnull(dump_find(d, 2, giga + PAGE_1G));
	/* It cannot lie unaligned. */
	inv_asid(d, 2);
	mirror_map(&c, giga, pa_1g + PAGE_2M, ORDER_1G, DMIRAGE_PTE_WRITE);
	run_error(&c, op_read(giga, 8), DMIRAGE_ST_TABLE_ERROR, 3, giga, 0);
	device_close(d);
}

/* 1 GiB of each operation; the same memory, mapped over and over. */
static void test_longest(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 3);
	uint64_t src = ram_alloc(d, PAGE_2M), dst = ram_alloc(d, PAGE_2M);
	uint64_t from = PAGE_1G, to = 3 * PAGE_1G, table;

	/* Of the target each table entry of level 2 leads to the same table. */
	for (uint64_t at = 0; at < PAGE_2M; at += PAGE_4K)
		mirror_map(&c, to + at, dst + at, ORDER_4K, DMIRAGE_PTE_WRITE);
	table = ram64(d, mirror_entry(&c, to, 2));
	for (uint64_t at = 0; at < PAGE_1G + PAGE_2M; at += PAGE_2M) {
		mirror_map(&c, from + at, src, ORDER_2M, 0);
		ram_set64(d, mirror_entry(&c, to + at, 2), table);
	}
	for (uint64_t at = 0; at < PAGE_2M; at += 8)
		ram_set64(d, src + at, at * 0x9e3779b97f4a7c15ull);
	g_assert_cmpuint(run_ok(&c, op_copy(to, from, PAGE_1G)), ==, PAGE_1G);
	g_assert_cmpmem(ram(d, dst), PAGE_2M, ram(d, src), PAGE_2M);
	/* Neither side on a page's border. */
	g_assert_cmpuint(run_ok(&c, op_copy(to + 8, from + 16, PAGE_1G)), ==, PAGE_1G);
	g_assert_cmpmem(ram(d, dst + 8), PAGE_2M - 16, ram(d, src + 16), PAGE_2M - 16);
	g_assert_cmpuint(run_ok(&c, op_touch_read(from, PAGE_1G)), ==, PAGE_1G);
	g_assert_cmpuint(run_ok(&c, op_touch_write(to, PAGE_1G)), ==, PAGE_1G);
	device_close(d);
}

static void test_fracture(void)
{
	struct device *d = device_open("fracture=on");
	struct context c = context_open(d, 4);
	uint64_t pa = map_new(&c, VA, PAGE_2M, ORDER_2M), giga = VA + 4 * PAGE_1G;
	const struct dmirage_tlbe *e;
	unsigned int n;

	mirror_map(&c, giga, 0x140000000, ORDER_1G, DMIRAGE_PTE_WRITE);
	run_ok(&c, op_write(VA + 5 * PAGE_4K + 8, 8, 55));
	g_assert_cmpuint(ram64(d, pa + 5 * PAGE_4K + 8), ==, 55);
	e = dump(d, &n);
	g_assert_cmpuint(n, ==, 1);
	g_assert_cmpuint(e->order, ==, ORDER_4K);
	g_assert_cmphex(e->va, ==, VA + 5 * PAGE_4K);
	g_assert_cmphex(e->pa, ==, pa + 5 * PAGE_4K);
	run_ok(&c, op_write(giga + 700 * PAGE_4K, 8, 66));
	e = dump_find(d, 4, giga + 700 * PAGE_4K);
	g_assert_cmpuint(e->order, ==, ORDER_4K);
	g_assert_cmphex(e->pa, ==, 0x140000000 + 700 * PAGE_4K);
	/* Only what is used: the next page has to be looked up. */
	run_ok(&c, op_fill(VA + 5 * PAGE_4K, 2 * PAGE_4K, 1));
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_IOTLB_MISSES), ==, 3);
	/* Dropped by what touches this part, and not by the rest. */
	inv_range(d, 4, VA + 4 * PAGE_4K, PAGE_4K);
	g_assert_nonnull(dump_find(d, 4, VA + 5 * PAGE_4K));
	inv_range(d, 4, VA + 5 * PAGE_4K + 77, 1);
	g_assert_null(dump_find(d, 4, VA + 5 * PAGE_4K));
	g_assert_nonnull(dump_find(d, 4, VA + 6 * PAGE_4K));
	device_close(d);
}

/* --- replacement -------------------------------------------------------------------------- */

/* Which of the pages 0 to 31 are in the IOTLB, a bit each. */
static uint32_t cached_pages(struct device *d)
{
	const struct dmirage_tlbe *e;
	uint32_t pages = 0;
	unsigned int n;

	e = dump(d, &n);
	for (unsigned int i = 0; i < n; i++)
		pages |= 1u << (e[i].va - VA) / PAGE_4K;
	return pages;
}

static void read_page(struct context *c, unsigned int page)
{
	run_ok(c, op_read(VA + page * PAGE_4K, 8));
}

static uint32_t after_one_more(const char *policy)
{
	char *options = g_strdup_printf("iotlb-entries=4,iotlb-ways=4,iotlb-replacement=%s", policy);
	struct device *d = device_open(options);
	struct context c = context_open(d, 5);
	uint32_t pages;

	map_new(&c, VA, 32 * PAGE_4K, ORDER_4K);
	for (unsigned int page = 0; page < 4; page++)
		read_page(&c, page);
	g_assert_cmphex(cached_pages(d), ==, 0xf);
	/* The oldest is used again, so it is no longer what was not used for longest. */
	read_page(&c, 0);
	read_page(&c, 4);
	pages = cached_pages(d);
	g_free(options);
	device_close(d);
	return pages;
}

/* The pages that are left by random replacement. */
static uint32_t random_pages(void)
{
	struct device *d = device_open("iotlb-entries=8,iotlb-ways=8,iotlb-replacement=random");
	struct context c = context_open(d, 5);
	uint32_t pages;

	map_new(&c, VA, 32 * PAGE_4K, ORDER_4K);
	for (unsigned int page = 0; page < 32; page++)
		read_page(&c, page);
	pages = cached_pages(d);
	g_assert_cmpuint(__builtin_popcount(pages), ==, 8);
	device_close(d);
	return pages;
}

static void test_replacement(void)
{
	uint32_t pages;

	g_assert_cmphex(after_one_more("lru"), ==, 0x1d);
	g_assert_cmphex(after_one_more("fifo"), ==, 0x1e);
	g_assert_cmpuint(__builtin_popcount(after_one_more("random")), ==, 4);
	/* Not the last ones, as by the others; and the same in each run. */
	pages = random_pages();
	g_assert_cmphex(pages, !=, 0xff000000);
	g_assert_cmphex(pages, ==, random_pages());
}

/* --- prefetching --------------------------------------------------------------------------- */

static void test_prefetch(void)
{
	enum { N = 6 };
	struct device *d = device_open("prefetch=6");
	struct context c = context_open(d, 6);
	uint64_t va = VA + 10 * PAGE_4K, end = VA + PAGE_2M, pa, fresh;
	unsigned int n;

	pa = map_new(&c, VA, PAGE_2M, ORDER_4K);
	map_new(&c, end, PAGE_2M, ORDER_4K);
	/* A hole, and a page for reading only. */
	ram_set64(d, mirror_entry(&c, va + 2 * PAGE_4K, 1), 0);
	mirror_map(&c, va + 3 * PAGE_4K, pa + 13 * PAGE_4K, ORDER_4K, 0);
	run_ok(&c, op_read(va, 8));
	dump(d, &n);
	g_assert_cmpuint(n, ==, 1 + N - 1);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_PREFETCHED), ==, N - 1);
	for (unsigned int i = 0; i <= N + 1; i++) {
		const struct dmirage_tlbe *e = dump_find(d, 6, va + i * PAGE_4K);

		if (i == 2 || i == N + 1) {
			g_assert_null(e);
			continue;
		}
		g_assert_cmphex(e->pa, ==, pa + (10 + i) * PAGE_4K);
		g_assert_cmphex(e->flags, ==,
				(i != 3 ? DMIRAGE_TLBE_WRITE : 0) |
					(i ? DMIRAGE_TLBE_PREFETCHED : 0));
	}
	/* It is used, without another walk. */
	run_ok(&c, op_write(va + PAGE_4K, 8, 1));
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_IOTLB_MISSES), ==, 1);
	/* What was not there is asked for, and fetches those after it. */
	map_new(&c, va + 2 * PAGE_4K, PAGE_4K, ORDER_4K);
	run_ok(&c, op_write(va + 2 * PAGE_4K, 8, 1));
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_IOTLB_MISSES), ==, 2);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_PREFETCHED), ==, N - 1 + 2);
	/* A command for a page that nobody asked for drops it. */
	fresh = ram_alloc(d, PAGE_4K);
	mirror_map(&c, va + 4 * PAGE_4K, fresh, ORDER_4K, DMIRAGE_PTE_WRITE);
	run_ok(&c, op_write(va + 4 * PAGE_4K, 8, 1));
	g_assert_cmpuint(ram64(d, fresh), ==, 0);
	inv_range(d, 6, va + 4 * PAGE_4K, 1);
	wait_done(d);
	g_assert_null(dump_find(d, 6, va + 4 * PAGE_4K));
	run_ok(&c, op_write(va + 4 * PAGE_4K, 8, 2));
	g_assert_cmpuint(ram64(d, fresh), ==, 2);
	/* Not beyond the table's end. */
	inv_asid(d, 6);
	run_ok(&c, op_read(end - 2 * PAGE_4K, 8));
	dump(d, &n);
	g_assert_cmpuint(n, ==, 2);
	/* Of a large page there is nothing to fetch. */
	inv_asid(d, 6);
	ram_set64(d, mirror_entry(&c, end, 2), 0);
	mirror_map(&c, end, 0x110000000, ORDER_2M, 0);
	run_ok(&c, op_read(end, 8));
	dump(d, &n);
	g_assert_cmpuint(n, ==, 1);
	device_close(d);
}

/* The next pages of a large one, in parts; and more than there is room for. */
static void test_prefetch_fracture(void)
{
	struct device *d = device_open("prefetch=511,fracture=on,iotlb-entries=8,iotlb-ways=8");
	struct context c = context_open(d, 7);
	uint64_t pa = map_new(&c, VA, PAGE_2M, ORDER_2M);
	unsigned int n;
	const struct dmirage_tlbe *e;

	run_ok(&c, op_write(VA + 500 * PAGE_4K, 8, 1));
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_PREFETCHED), ==, 11);
	e = dump(d, &n);
	g_assert_cmpuint(n, ==, 8);
	for (unsigned int i = 0; i < n; i++) {
		g_assert_cmpuint(e[i].order, ==, ORDER_4K);
		g_assert_cmphex(e[i].pa - pa, ==, e[i].va - VA);
	}
	run_ok(&c, op_fill(VA, PAGE_2M, 7));
	for (uint64_t at = 0; at < PAGE_2M; at += PAGE_4K)
		g_assert_cmpuint(ram64(d, pa + at), ==, 7);
	device_close(d);
}

/* --- the walk cache --------------------------------------------------------------------------- */

enum drop {
	BY_NOTHING,
	BY_RANGE,
	BY_OTHER_RANGE,		/* next to what the table maps */
	BY_ASID,
	BY_OTHER_ASID,
	BY_GLOBAL,
	BY_BATCH,
	BY_SYNC,
	BY_END,
	DROPS
};

static void drop(struct context *c, enum drop how, uint64_t first, uint64_t bytes)
{
	const struct dmirage_range batch = { first + bytes - 1, 1 };

	switch (how) {
	case BY_RANGE:
		inv_range(c->d, c->asid, first, 1);
		break;
	case BY_OTHER_RANGE:
		inv_range(c->d, c->asid, first - 1, 1);
		inv_range(c->d, c->asid, first + bytes, 1);
		break;
	case BY_ASID:
		inv_asid(c->d, c->asid);
		break;
	case BY_OTHER_ASID:
		inv_asid(c->d, c->asid + 1);
		break;
	case BY_GLOBAL:
		inv_global(c->d);
		break;
	case BY_BATCH:
		inv_batch(c->d, c->asid, &batch, 1);
		break;
	case BY_SYNC:
		sync_range(c, first + bytes / 2, 1);
		break;
	case BY_END:
		context_disable(c);
		context_enable(c);
		break;
	default:
		break;
	}
	wait_done(c->d);
}

/*
 * The table of @level that @va is in is replaced by another.  A page that the
 * device has not seen yet, and that is far enough from @va to have nothing else
 * in common with it, shows which of the two tables is used.
 */
static void replace_table(struct context *c, unsigned int level, enum drop how, bool fresh_expected)
{
	struct device *d = c->d;
	uint64_t bytes = 1ull << (12 + 9 * level), first = VA & ~(bytes - 1);
	uint64_t other = first + (1ull << (12 + 9 * (level - 1))) * 7;
	uint64_t link = mirror_entry(c, first, level + 1), old, fresh;

	old = map_new(c, other, PAGE_4K, ORDER_4K);
	map_new(c, first, PAGE_4K, ORDER_4K);
	run_ok(c, op_read(first, 8));
	ram_set64(d, link, 0);
	fresh = map_new(c, other, PAGE_4K, ORDER_4K);
	drop(c, how, first, bytes);
	run_ok(c, op_write(other, 8, 1));
	if (ram64(d, fresh) != fresh_expected || ram64(d, old) == fresh_expected)
		g_error("a table of level %u, replaced and dropped in way %u: %s is used", level,
			how, ram64(d, fresh) ? "the new one" : "the old one");
	ram_set64(d, link, 0);
}

static void test_walk_cache(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 8);

	for (unsigned int level = 1; level <= 4; level++)
		for (unsigned int how = 0; how < DROPS; how++) {
			inv_asid(d, 8);
			replace_table(&c, level, how,
				      how != BY_NOTHING && how != BY_OTHER_RANGE &&
					      how != BY_OTHER_ASID);
		}
	device_close(d);
	d = device_open("walk-cache=0");
	c = context_open(d, 8);
	for (unsigned int level = 1; level <= 4; level++)
		replace_table(&c, level, BY_NOTHING, true);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_WALK_CACHE_HITS), ==, 0);
	device_close(d);
}

/* Contexts have tables of their own at the same addresses. */
static void test_walk_cache_contexts(void)
{
	struct device *d = device_open("iotlb-entries=1,iotlb-ways=1");
	struct context a = context_open(d, 9), b = context_open(d, 10);
	uint64_t pa = map_new(&a, VA, PAGE_2M, ORDER_4K), pb = map_new(&b, VA, PAGE_2M, ORDER_4K);

	for (unsigned int i = 0; i < 100; i++) {
		run_ok(&a, op_write(VA + i * PAGE_4K, 8, 1000 + i));
		run_ok(&b, op_write(VA + i * PAGE_4K, 8, 2000 + i));
	}
	for (unsigned int i = 0; i < 100; i++) {
		g_assert_cmpuint(ram64(d, pa + i * PAGE_4K), ==, 1000 + i);
		g_assert_cmpuint(ram64(d, pb + i * PAGE_4K), ==, 2000 + i);
	}
	g_assert_cmpuint(counter(&a, DMIRAGE_CNT_WALK_CACHE_HITS), ==, 99);
	device_close(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/caches/dump", test_dump);
	g_test_add_func("/caches/dump-short", test_dump_short);
	g_test_add_func("/caches/sizes", test_sizes);
	g_test_add_func("/caches/longest", test_longest);
	g_test_add_func("/caches/fracture", test_fracture);
	g_test_add_func("/caches/replacement", test_replacement);
	g_test_add_func("/caches/prefetch", test_prefetch);
	g_test_add_func("/caches/prefetch-fracture", test_prefetch_fracture);
	g_test_add_func("/caches/walk-cache", test_walk_cache);
	g_test_add_func("/caches/walk-cache-contexts", test_walk_cache_contexts);
	return g_test_run();
}
