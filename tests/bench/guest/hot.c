// SPDX-License-Identifier: GPL-2.0
/*
 * Is DMA through a mirror slower than through pinned pages, once all of it has
 * been used before?  The same memory through two contexts, in turn.
 */
#include <stdio.h>

#include "say.h"

#define ROUNDS 21
#define BYTES  (16ul << 20)
#define COPIES 8

static u64 copy_ns(struct dmirage *d, uint8_t *dst, const uint8_t *src)
{
	struct dmirage_sqe sqe;

	dmirage_prep_copy(&sqe, 1, dst, src, BYTES);
	return run_ns(d, &sqe);
}

/*
 * A round: copies through the one and through the other, in turn, and the
 * fastest of each, in bytes per ns.  One that the machine had other things to do
 * in says nothing about the translations.
 */
static void measure(struct dmirage *pinned, struct dmirage *mirror,
		    uint8_t *dst, const uint8_t *src, struct values *of_pinned,
		    struct values *of_mirror)
{
	u64 p = ~0ull, m = ~0ull, ns;
	int i;

	for (i = 0; i < COPIES; i++) {
		ns = copy_ns(pinned, dst, src);
		p = ns < p ? ns : p;
		ns = copy_ns(mirror, dst, src);
		m = ns < m ? ns : m;
	}
	values_add(of_pinned, (double)BYTES / (double)p);
	values_add(of_mirror, (double)BYTES / (double)m);
}

static struct dmirage *open_pinned(const struct probe_mem *src,
				   const struct probe_mem *dst)
{
	const struct dmirage_open_opts opts = { .mode = DMIRAGE_MODE_PINNED };
	struct dmirage *d;
	uint32_t id;

	ASSERT_OK(dmirage_open(NULL, &opts, &d));
	ASSERT_OK(dmirage_region_add(d, src->addr, BYTES, DMIRAGE_REGION_WRITE,
				     &id));
	ASSERT_OK(dmirage_region_add(d, dst->addr, BYTES, DMIRAGE_REGION_WRITE,
				     &id));
	return d;
}

void bench_hot(int kind)
{
	bool small = kind == PROBE_KIND_4K;
	const char *size = small ? "4 KiB" : "2 MiB";
	struct probe_mem src = get_mem(kind, BYTES), dst = get_mem(kind, BYTES);
	struct dmirage *pinned = open_pinned(&src, &dst);
	struct dmirage *mirror = open_context();
	struct values of_pinned = { 0 }, of_mirror = { 0 }, ratio;
	char text[48];
	u64 faults;
	int i;

	measure(pinned, mirror, dst.addr, src.addr, &of_pinned, &of_mirror);
	of_pinned.n = of_mirror.n = 0;
	faults = get_counters(mirror).faults;
	for (i = 0; i < ROUNDS; i++)
		measure(pinned, mirror, dst.addr, src.addr, &of_pinned,
			&of_mirror);
	/* Hot, indeed. */
	ASSERT_EQ(get_counters(mirror).faults, faults);
	expect_clean(mirror);
	expect_clean(pinned);

	snprintf(text, sizeof(text), "copy, pinned, %s pages", size);
	say_control(text, &of_pinned);
	say_note(text, "GB/s", &of_pinned);
	snprintf(text, sizeof(text), "copy, mirror, %s pages", size);
	say_note(text, "GB/s", &of_mirror);
	ratio = values_ratio(&of_mirror, &of_pinned);
	say_figure(small ? "hot_mirror_vs_pinned_4k" : "hot_mirror_vs_pinned",
		   "ratio", ">= 0.98", &ratio);
}
