/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Scenes: what it takes for a fault mode to show, up to where it would do harm.
 * Those who look for the harm let the device go on (modes_*.c); those who look
 * whether it is seen without that leave it alone (watch_modes.c).
 */
#ifndef DMIRAGE_TEST_SCENE_H
#define DMIRAGE_TEST_SCENE_H

#include "schedule.h"

/**
 * struct scene - what has been changed under a device
 * @mem:    the memory
 * @p:      where the device was
 * @old:    frame there, before
 * @new:    after
 * @before: counters, before the change
 * @cqe:    of the access that was under way, if one was
 */
struct scene {
	struct probe_mem mem;
	u8 *p;
	u64 old, new;
	struct dmirage_counters before;
	struct dmirage_cqe cqe;
};

/*
 * A read faults, the fault stops at @gate, the page moves and gets the value 2,
 * and the fault goes on.
 */
void scene_fault(struct dmirage *d, struct scene *s, const char *gate);

/*
 * The notifier stops between its two steps, and the device reads; then the page
 * moves.  @again: expected to be looked up again.
 */
void scene_notifier(struct dmirage *d, struct scene *s, bool again);

/*
 * A read has latched its translation and stops, and the page is to move.  If
 * @waits the move waits for the read; else it does not, the page gets the value
 * 2, and then the read goes on.
 */
void scene_access(struct dmirage *d, struct scene *s, bool waits);

/* The device has written to the first three of an odd range; it is read-only. */
#define SCENE_ODD_PAGES	3
void scene_odd_range(struct dmirage *d, struct scene *s);

/*
 * Two regions of four pages overlap by two.  The device has written to a page
 * of the first, of both and of the second, 1, 3 and 5, and all is read-only.
 */
void scene_two_regions(struct dmirage *d, struct scene *s);

/* The device reads page 100 of a huge page, of which half is a region. */
#define SCENE_IN_HUGE	(100 * PROBE_4K)
u64 scene_half_region(struct dmirage *d, struct scene *s, enum probe_kind kind,
		      u32 *id);

/* All writable pages of the process become read-only, by one notifier. */
void clear_soft_dirty(void);

/* A file of one page that begins with @value, and that page mapped. */
int file_with(u64 value);
u8 *map_file_page(int fd);

#endif /* DMIRAGE_TEST_SCENE_H */
