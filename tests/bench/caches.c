// SPDX-License-Identifier: GPL-2.0
/*
 * The IOTLB by itself: what a look-up costs, and whether dropping one
 * translation costs more the more there are.
 */
#include "bench.h"
#include "report.h"

#include <glib.h>

#include "iotlb.h"

#define ROUNDS		21
#define LOOKUPS		(1u << 20)
#define BASE		0x7f0000000000ull
#define ASID		3
#define PAGE(n)		(BASE + (n) * 0x1000ull)

#define ENTRIES		1024	/* of the table for look-ups */
#define ORDER		4096	/* different addresses looked up */
#define FEW		64	/* translations held, of MANY places */
#define MANY		4096
#define BATCH		16	/* dropped between two looks at the clock */
#define BATCHES		1000

static DmirageIotlb *filled(unsigned int entries, unsigned int held)
{
	DmirageIotlb *tlb = dmirage_iotlb_new(entries, 4, DMIRAGE_REPLACE_LRU);

	g_assert_nonnull(tlb);
	for (unsigned int i = 0; i < held; i++) {
		DmirageXlate x = {
			.va = PAGE(i), .pa = 0x100000000 + i * 0x1000ull, .asid = ASID,
			.order = DMIRAGE_ORDER_4K, .write = true,
		};

		dmirage_iotlb_insert(tlb, &x);
	}
	g_assert_cmpuint(dmirage_iotlb_held(tlb), ==, held);
	return tlb;
}

static uint32_t random_below(uint32_t *state, uint32_t n)
{
	*state = *state * 1664525u + 1013904223u;
	return (uint64_t)*state * n >> 32;
}

/* Hits, in random order, in a table of 1,024 entries that is full. */
static void lookup(void)
{
	DmirageIotlb *tlb = filled(ENTRIES, ENTRIES);
	const uint64_t *generation = dmirage_iotlb_generation(tlb);
	DmirageLast last = { 0 };
	uint64_t va[ORDER], sum = 0;
	struct series hit = { 0 }, again = { 0 };
	uint32_t state = 1;

	for (unsigned int i = 0; i < ORDER; i++)
		va[i] = PAGE(random_below(&state, ENTRIES)) + random_below(&state, 4096);
	last.x = *dmirage_iotlb_lookup(tlb, ASID, va[0]);
	last.generation = *generation;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		int64_t begin = now_ns();

		for (unsigned int i = 0; i < LOOKUPS; i++)
			sum += dmirage_iotlb_lookup(tlb, ASID, va[i % ORDER])->pa;
		series_add(&hit, (double)(now_ns() - begin) / LOOKUPS);

		begin = now_ns();
		for (unsigned int i = 0; i < LOOKUPS; i++) {
			uint64_t at = last.x.va + i % 4096;

			/* The compiler is not to know that it is the same each time. */
			__asm__ volatile(""
					 : "+r"(at)
					 :
					 : "memory");
			sum += dmirage_last_lookup(&last, *generation, ASID, at)->pa;
		}
		series_add(&again, (double)(now_ns() - begin) / LOOKUPS);
	}
	g_assert_cmpuint(sum, !=, 0);
	report_add("iotlb_lookup_ns", "ns", &hit, AT_MOST, 3);
	report_add("iotlb_last_hit_ns", "ns", &again, AT_MOST, 1);
	dmirage_iotlb_free(tlb);
}

/* Mean time to drop one page, in ns; what was dropped is put back, untimed. */
static double drop_ns(DmirageIotlb *tlb, unsigned int held, uint32_t *state)
{
	int64_t spent = 0;

	for (unsigned int b = 0; b < BATCHES; b++) {
		DmirageXlate x[BATCH];
		unsigned int dropped = 0;
		unsigned int first = random_below(state, held);
		int64_t begin;

		/* Different pages, far apart. */
		for (unsigned int i = 0; i < BATCH; i++)
			x[i] = *dmirage_iotlb_lookup(tlb, ASID,
						     PAGE((first + i * (held / BATCH)) % held));
		begin = now_ns();
		for (unsigned int i = 0; i < BATCH; i++)
			dropped += dmirage_iotlb_drop_range(tlb, ASID, x[i].va, x[i].va + 0xfff);
		spent += now_ns() - begin;
		g_assert_cmpuint(dropped, ==, BATCH);
		for (unsigned int i = 0; i < BATCH; i++)
			dmirage_iotlb_insert(tlb, &x[i]);
	}
	return (double)spent / (BATCH * BATCHES);
}

static void drop(void)
{
	DmirageIotlb *few = filled(MANY, FEW), *many = filled(MANY, MANY);
	struct series of_few = { 0 }, of_many = { 0 }, ratio;
	uint32_t state = 1;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		series_add(&of_few, drop_ns(few, FEW, &state));
		series_add(&of_many, drop_ns(many, MANY, &state));
	}
	ratio = series_ratio(&of_many, &of_few);
	report_control("drop of 64", &of_few);
	report_add("invalidate_scaling", "ratio", &ratio, AT_MOST, 1.5);
	report_note("drop 1 of 64 held", "ns", &of_few);
	report_note("drop 1 of 4,096 held", "ns", &of_many);
	dmirage_iotlb_free(few);
	dmirage_iotlb_free(many);
}

void bench_caches(void)
{
	lookup();
	drop();
}
