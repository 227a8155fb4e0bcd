// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "scene.h"

/* ---- Races, forced ------------------------------------------------------- */

void scene_fault(struct dmirage *d, struct scene *s, const char *gate)
{
	struct changer c;
	u64 calls;

	s->mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	s->p = s->mem.addr;
	cpu_write(s->p, 1);
	/* There is a notifier for the page, and no entry. */
	ASSERT_EQ(dev_read(d, s->p), 1);
	ASSERT_SYS(mprotect(s->p, PROBE_4K, PROT_NONE));
	ASSERT_SYS(mprotect(s->p, PROBE_4K, PROT_READ | PROT_WRITE));
	ASSERT_EQ(cpu_read(s->p), 1);
	ASSERT_EQ(get_counters(d).unmapped_4k, 1);

	s->old = frame_of(s->p);
	changer_make(&c, &s->mem, MOVE);
	s->before = get_counters(d);
	arm_gate(d, gate);
	submit_read(d, s->p);
	wait_gate(d, gate);
	calls = get_counters(d).invalidations;
	changer_start(&c);
	changer_end(&c);
	EXPECT_GE(get_counters(d).invalidations, calls + 1);
	s->new = frame_of(s->p);
	ASSERT_NE(s->new, s->old);
	cpu_write(s->p, 2);
	release_gate(d);
	s->cqe = complete(d);
	EXPECT_EQ(s->cqe.status, DMIRAGE_ST_OK);
}

/* One that the device has read. */
static void held_page(struct dmirage *d, struct scene *s)
{
	s->mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	s->p = s->mem.addr;
	cpu_write(s->p, 1);
	ASSERT_EQ(dev_read(d, s->p), 1);
	s->old = frame_of(s->p);
}

void scene_notifier(struct dmirage *d, struct scene *s, bool again)
{
	struct changer c;

	held_page(d, s);
	changer_make(&c, &s->mem, MOVE);
	s->before = get_counters(d);
	arm_gate_at(d, "inval-cleared", s->p);
	changer_start(&c);
	wait_gate(d, "inval-cleared");
	submit_read(d, s->p);
	s->cqe = complete(d);
	EXPECT_EQ(s->cqe.result, 1);
	EXPECT_EQ(get_counters(d).iotlb_misses, s->before.iotlb_misses + again);
	EXPECT(!atomic_load(&c.done));
	release_gate(d);
	changer_end(&c);
	s->new = frame_of(s->p);
}

void scene_access(struct dmirage *d, struct scene *s, bool waits)
{
	struct changer c;

	held_page(d, s);
	s->before = get_counters(d);
	changer_make(&c, &s->mem, MOVE);
	arm_hold_long(d, "translated-keep");
	submit_read(d, s->p);
	wait_held(d);
	changer_start(&c);
	if (waits) {
		while (get_counters(d).drained == s->before.drained)
			usleep(1000);
		usleep(QUIET_MS * 1000);
		EXPECT(!atomic_load(&c.done));
		release_hold(d);
		changer_end(&c);
	} else {
		changer_end(&c);
		EXPECT(file_says(d, "hold", "", "held"));
		cpu_write(s->p, 2);
		release_hold(d);
	}
	s->cqe = complete(d);
	EXPECT_EQ(s->cqe.status, DMIRAGE_ST_OK);
	s->new = frame_of(s->p);
	EXPECT_NE(s->new, s->old);
}

/* ---- Ranges and regions -------------------------------------------------- */

void scene_odd_range(struct dmirage *d, struct scene *s)
{
	int i;

	s->mem = get_mem(PROBE_KIND_4K, 8 * PROBE_4K);
	s->p = s->mem.addr + 3 * PROBE_4K;
	for (i = 0; i < SCENE_ODD_PAGES; i++) {
		dev_write(d, s->p + i * PROBE_4K, 1);
		ASSERT(in_iotlb(d, s->p + i * PROBE_4K, NULL));
	}
	s->before = get_counters(d);
	ASSERT_SYS(mprotect(s->p, SCENE_ODD_PAGES * PROBE_4K, PROT_READ));
}

void scene_two_regions(struct dmirage *d, struct scene *s)
{
	u32 id;

	s->mem = get_mem(PROBE_KIND_4K, 6 * PROBE_4K);
	s->p = s->mem.addr;
	ASSERT_OK(dmirage_region_add(d, s->p, 4 * PROBE_4K,
				     DMIRAGE_REGION_WRITE, &id));
	ASSERT_OK(dmirage_region_add(d, s->p + 2 * PROBE_4K, 4 * PROBE_4K,
				     DMIRAGE_REGION_WRITE, &id));
	dev_write(d, s->p + 1 * PROBE_4K, 1);
	dev_write(d, s->p + 3 * PROBE_4K, 1);
	dev_write(d, s->p + 5 * PROBE_4K, 1);
	s->before = get_counters(d);
	ASSERT_SYS(mprotect(s->mem.addr, s->mem.len, PROT_READ));
}

u64 scene_half_region(struct dmirage *d, struct scene *s, enum probe_kind kind,
		      u32 *id)
{
	s->mem = get_mem(kind, PROBE_2M);
	s->p = s->mem.addr + SCENE_IN_HUGE;
	cpu_write(s->mem.addr, 1);
	cpu_write(s->p, 2);
	s->old = frame_of(s->mem.addr);
	s->new = frame_of(s->p);
	ASSERT_EQ(s->new, s->old + SCENE_IN_HUGE);
	ASSERT_OK(dmirage_region_add(d, s->mem.addr, PROBE_2M / 2,
				     DMIRAGE_REGION_WRITE, id));
	s->before = get_counters(d);
	return dev_read(d, s->p);
}

/* ---- What they are made of ------------------------------------------------ */

void clear_soft_dirty(void)
{
	ASSERT_EQ(put_text("/proc/self/clear_refs", "4"), 0);
}

int file_with(u64 value)
{
	int fd = memfd_create("dmirage-test", MFD_CLOEXEC);

	ASSERT(fd >= 0);
	ASSERT_SYS(ftruncate(fd, PROBE_4K));
	ASSERT_EQ(pwrite(fd, &value, sizeof(value), 0), sizeof(value));
	return fd;
}

u8 *map_file_page(int fd)
{
	u8 *p = mmap(NULL, PROBE_4K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ASSERT(p != MAP_FAILED);
	return p;
}
