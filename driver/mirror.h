/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Mirror mode: the MMU notifiers that keep the mirror table true (interval.c),
 * the ranges that a process lets the device use (region.c), and the making of
 * entries, where the device faults (mirror.c) and ahead of it (ahead.c).
 *
 * Concepts
 *
 *   An *interval* is an MMU interval notifier.  An entry of the mirror table is
 *   made through one, which covers all of it, and which takes it out.  There
 *   are two kinds: of DMIRAGE_SPAN_SIZE each, where the device faults, in a
 *   context that mirrors the whole address space; and one for each region in a
 *   context that works by region.
 *
 *   A *region* is a range that the process has named.  In mirror mode regions
 *   may overlap: an entry is made through one of them, and taken out by the
 *   first whose notifier hits it.
 */
#ifndef DMIRAGE_MIRROR_H
#define DMIRAGE_MIRROR_H

#include <linux/interval_tree.h>
#include <linux/mmu_notifier.h>
#include <linux/types.h>

struct dmirage_ctx;
struct page;
struct vm_area_struct;

/**
 * struct dmirage_interval - an MMU notifier for a part of the address space
 * @notifier: its range is in notifier.interval_tree, the end inclusive
 * @ctx:      whose
 * @freed:    fault mode free-before-remove: nobody may use it any more
 */
struct dmirage_interval {
	struct mmu_interval_notifier notifier;
	struct dmirage_ctx *ctx;
	bool freed;
};

/**
 * struct dmirage_mr - a range that the device may use
 * @node:     in dmirage_ctx.regions: first and last address
 * @id:       index in dmirage_ctx.region_ids
 * @write:    it may write there
 * @interval: mirror mode: its notifier
 * @pages:    pinned mode: its pages
 * @npages:   and how many they are
 */
struct dmirage_mr {
	struct interval_tree_node node;
	u32 id;
	bool write;
	struct dmirage_interval interval;
	struct page **pages;
	unsigned long npages;
};

/* interval.c */
struct dmirage_interval *dmirage_interval_get(struct dmirage_ctx *ctx,
					      unsigned long va);
int dmirage_interval_add(struct dmirage_ctx *ctx,
			 struct dmirage_interval *interval,
			 unsigned long addr, unsigned long len);
void dmirage_interval_remove(struct dmirage_interval *interval);
void dmirage_interval_reap_work(struct work_struct *work);
void dmirage_interval_remove_all(struct dmirage_ctx *ctx);

/* region.c */
struct dmirage_mr *dmirage_region_find(struct dmirage_ctx *ctx,
				       unsigned long va, bool write);
int dmirage_region_add(struct dmirage_ctx *ctx, struct dmirage_mr *mr);
int dmirage_region_remove(struct dmirage_ctx *ctx, u32 id);
void dmirage_region_remove_all(struct dmirage_ctx *ctx);

/* mirror.c */
unsigned int dmirage_choose_shift(const struct dmirage_ctx *ctx,
				  const struct dmirage_interval *interval,
				  const struct vm_area_struct *vma,
				  unsigned long va, unsigned int order,
				  unsigned int limit);
struct dmirage_interval *dmirage_interval_find(struct dmirage_ctx *ctx,
					       unsigned long va, bool write);
int dmirage_mirror_fault(struct dmirage_ctx *ctx, unsigned long va, u64 len,
			 bool write, unsigned long *next);
int dmirage_check_vma(struct vm_area_struct *vma, bool write);

/* ahead.c */
void dmirage_map_ahead(struct dmirage_ctx *ctx, unsigned long next,
		       unsigned long last, bool write);

#endif /* DMIRAGE_MIRROR_H */
