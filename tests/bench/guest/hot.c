// SPDX-License-Identifier: GPL-2.0
/*
 * Is DMA through a mirror slower than through pinned pages, once all of it has
 * been used before?  The same memory through two contexts, in turn.
 */
#include "say.h"

#define ROUNDS	21
#define BYTES	(16ul << 20)
#define COPIES	4

/* Bytes per ns. */
static double rate(struct dmirage *d, uint8_t *dst, const uint8_t *src)
{
	struct dmirage_sqe sqe;
	u64 ns = 0;
	int i;

	for (i = 0; i < COPIES; i++) {
		dmirage_prep_copy(&sqe, 1, dst, src, BYTES);
		ns += run_ns(d, &sqe);
	}
	return (double)COPIES * BYTES / (double)ns;
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
	struct probe_mem src = get_mem(kind, BYTES), dst = get_mem(kind, BYTES);
	struct dmirage *pinned = open_pinned(&src, &dst);
	struct dmirage *mirror = open_context();
	struct values of_pinned = { 0 }, of_mirror = { 0 }, ratio;
	u64 faults;
	int i;

	rate(pinned, dst.addr, src.addr);
	rate(mirror, dst.addr, src.addr);
	faults = get_counters(mirror).faults;
	for (i = 0; i < ROUNDS; i++) {
		values_add(&of_pinned, rate(pinned, dst.addr, src.addr));
		values_add(&of_mirror, rate(mirror, dst.addr, src.addr));
	}
	/* Hot, indeed. */
	ASSERT_EQ(get_counters(mirror).faults, faults);
	expect_clean(mirror);
	expect_clean(pinned);

	say_control(small ? "pinned, 4 KiB" : "pinned, 2 MiB", &of_pinned);
	ratio = values_ratio(&of_mirror, &of_pinned);
	say_figure(small ? "hot_mirror_vs_pinned_4k" : "hot_mirror_vs_pinned",
		   "ratio", ">= 0.98", &ratio);
	say_note(small ? "copy, pinned, 4 KiB pages" :
		 "copy, pinned, 2 MiB pages", "GB/s", &of_pinned);
	say_note(small ? "copy, mirror, 4 KiB pages" :
		 "copy, mirror, 2 MiB pages", "GB/s", &of_mirror);
}
