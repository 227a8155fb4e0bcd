// SPDX-License-Identifier: GPL-2.0
/*
 * What is touched next.
 *
 * Memory is touched by blocks of 2 MiB, one at a time, and of each only those pages that
 * are there: nothing is faulted in for the device that the program did not use.  A pass goes
 * over all mappings.  That a block lost translations is seen by this, that touching it
 * makes new ones.  Such blocks are touched again as soon as the kernel invalidates anything,
 * the last ones first, three of them for each one of the pass.
 */
#include <errno.h>

#include "observe.h"

#define NS_PER_MS	1000000ull

/* Mappings are read anew after this time; or less often if that takes long. */
#define MAPS_EVERY	(100 * NS_PER_MS)
#define MAPS_SHARE	20

/* Where there is nothing to touch, one looks again after this. */
#define REST		(20 * NS_PER_MS)

/* Where the device was refused something, it does not ask again before that. */
#define SHY		(100 * NS_PER_MS)

/* Blocks without any page that are looked at before others have their turn */
#define EMPTY_MAX	64

#define RECENT_SHARE	4

/* ---- A block ------------------------------------------------------------- */

static bool put(struct view *v, __u64 first, __u64 pages)
{
	void *addr = (void *)(uintptr_t)(first * PAGE_BYTES);
	struct dmirage_sqe sqe;

	if (v->writing)
		dmirage_prep_touch_write(&sqe, first, addr, pages * PAGE_BYTES);
	else
		dmirage_prep_touch_read(&sqe, first, addr, pages * PAGE_BYTES);
	return dmirage_submit(v->d, &sqe, 1) == 1;
}

/* The pages of a part of a block; how many there were. */
static unsigned int touch_part(struct view *v, __u64 start, __u64 end)
{
	unsigned int n = (unsigned int)((end - start) / PAGE_BYTES), i, len, sum = 0;
	__u64 first = start / PAGE_BYTES;
	bool present[BLOCK_PAGES];

	if (!maps_present(&v->maps, first, present, n))
		return 0;
	for (i = 0; i < n; i += len + !len) {
		for (len = 0; i + len < n && present[i + len]; len++)
			;
		if (len && put(v, first + i, len))
			sum += len;
	}
	return sum;
}

/* All of a block that may be touched. */
static unsigned int touch_block(struct view *v, __u64 block)
{
	__u64 start = block * BLOCK_BYTES, end = start + BLOCK_BYTES;
	struct vma *last = v->maps.list + v->maps.n, *vma;
	__u64 now = observe_now();
	unsigned int sum = 0;

	for (vma = maps_at(&v->maps, start); vma && vma < last && vma->start < end; vma++) {
		if (vma->shy_until > now || (v->writing && !vma->write))
			continue;
		sum += touch_part(v, vma->start > start ? vma->start : start,
				  vma->end < end ? vma->end : end);
	}
	if (sum) {
		v->block = block;
		v->pages += sum;
		v->turn++;
	}
	return sum;
}

/* ---- What is complete ---------------------------------------------------- */

/*
 * What the device may not have (VM_IO, VM_PFNMAP) need not be tried all the time.  But it may
 * as well have been unmapped just now, and something else come there.
 */
static void refused(struct view *v, const struct dmirage_cqe *cqe)
{
	struct vma *vma = maps_at(&v->maps, cqe->addr);

	v->refused++;
	if (cqe->status == DMIRAGE_ST_FAULT && cqe->detail == EFAULT && vma &&
	    vma->start <= cqe->addr)
		vma->shy_until = observe_now() + SHY;
}

/*
 * The block has been touched: did it have to be translated again?  In shared mode there is no
 * telling how much was taken away, but that something was.
 */
static void account(struct view *v, const struct policy *policy)
{
	bool shared = policy->mode == DMIRAGE_MODE_SHARED;
	struct dmirage_counters c;
	__u64 made, lost;

	if (dmirage_get_counters(v->d, DMIRAGE_SCOPE_CONTEXT, &c))
		return;
	made = view_made(policy, &c) - v->made;
	lost = recent_touched(&v->recent, v->block,
			      shared ? c.invalidations :
				       c.unmapped_4k + c.unmapped_2m + c.unmapped_1g);
	if (made && lost) {
		/* More than were taken away were not lost: those are new pages. */
		v->again += shared || made < lost ? made : lost;
		recent_add(&v->recent, v->block);
	}
	if (c.invalidations != v->invalidations)
		v->turn_recent = 0;
	v->made += made;
	v->invalidations = c.invalidations;
}

/* Is the block done with? */
static bool complete(struct view *v, const struct policy *policy)
{
	struct dmirage_cqe cqes[32];
	bool some = false;
	int i, n;

	while ((n = dmirage_poll(v->d, cqes, 32)) > 0) {
		some = true;
		for (i = 0; i < n; i++) {
			if (cqes[i].status != DMIRAGE_ST_OK)
				refused(v, &cqes[i]);
		}
	}
	if (dmirage_in_flight(v->d))
		return false;
	if (some)
		account(v, policy);
	return true;
}

/* ---- The next block ------------------------------------------------------ */

static void look(struct view *v, const struct policy *policy, __u64 now)
{
	__u64 wait = MAPS_SHARE * v->maps.cost;

	if (wait < MAPS_EVERY)
		wait = MAPS_EVERY;
	if (now - v->maps.read_at >= wait)
		maps_read(&v->maps, policy->start, policy->end);
}

/* From the beginning again, and if both ways are wanted in the other one. */
static void begin_pass(struct view *v, const struct policy *policy, __u64 now)
{
	if (!v->found)
		v->rest_until = now + REST;
	v->found = false;
	v->next = 0;
	if (policy->read && policy->write)
		v->writing = !v->writing;
}

static unsigned int touch_next(struct view *v, const struct policy *policy, __u64 now)
{
	unsigned int i, pages = 0;
	struct vma *vma;
	__u64 at;

	for (i = 0; i < EMPTY_MAX && !pages; i++) {
		vma = maps_at(&v->maps, v->next);
		if (!vma) {
			begin_pass(v, policy, now);
			break;
		}
		at = vma->start > v->next ? vma->start : v->next;
		pages = touch_block(v, at / BLOCK_BYTES);
		v->next = (at / BLOCK_BYTES + 1) * BLOCK_BYTES;
	}
	if (pages)
		v->found = true;
	return pages;
}

static unsigned int touch_recent(struct view *v)
{
	unsigned int pages = 0;

	while (!pages && v->turn_recent < v->recent.n)
		pages = touch_block(v, v->recent.list[v->turn_recent++]);
	return pages;
}

unsigned int touch(struct view *v, const struct policy *policy, bool may)
{
	__u64 now = observe_now();
	unsigned int pages = 0;

	if (!complete(v, policy) || !may)
		return 0;
	look(v, policy, now);
	if (v->turn % RECENT_SHARE)
		pages = touch_recent(v);
	if (!pages && now >= v->rest_until)
		pages = touch_next(v, policy, now);
	return pages;
}
