/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The mirror table: what the device may use of a process's address space.
 *
 * Concepts
 *
 *   The device walks a radix tree (DMIRAGE_PTE_* in dmirage_hw.h).  Software
 *   works on *blocks* of 2 MiB and *spans* of 1 GiB instead.  A block knows its
 *   entry in the tree's level 2, which is either nothing, a 2 MiB leaf, or the
 *   block's own table of 4 KiB entries; a span knows its entry in level 3, which
 *   is either nothing, a 1 GiB leaf, or the table of its blocks.  For each leaf
 *   there is a *shadow* that says which page it is and what the DMA API was
 *   told.
 *
 * Invariants
 *
 *   - The tree only grows.  Tables and blocks are made before they are needed
 *     (dmirage_pt_prepare(), which may sleep) and freed when the context has
 *     ended, so neither a device in the middle of a walk nor an MMU notifier
 *     ever sees one go.
 *   - A device entry is valid exactly if its shadow is.  Both change under the
 *     context's lock only.
 *   - A block has a valid leaf or valid 4 KiB entries, never both.  A span has
 *     a valid leaf or valid entries in its blocks, never both.
 *   - Where a leaf takes the place of a table, the device is made to forget the
 *     table first, which it may have cached (dmirage_hw.h): the entry is
 *     cleared, the range flushed, the leaf written.
 *   - An entry leaves in two steps.  dmirage_pt_clear() makes it invalid for
 *     the device and its shadow DROPPED; after the flush, dmirage_pt_release()
 *     marks the page dirty, undoes the DMA mapping and forgets it.  The lock is
 *     held from the one to the other.  Nothing is allocated on the way.
 *   - In mirror mode no page is pinned or referenced.  A valid shadow's page is
 *     there since the process maps it, and it can only stop doing so through an
 *     MMU notifier that takes the context's lock.  The exception is an entry
 *     that a fault mode left behind: it is STALE, and its page is never
 *     touched.  In pinned mode the page's region holds it (pinned.c).
 */
#ifndef DMIRAGE_PGTABLE_H
#define DMIRAGE_PGTABLE_H

#include <linux/bits.h>
#include <linux/mm.h>
#include <linux/types.h>
#include <linux/xarray.h>

struct dmirage_ctx;

#define DMIRAGE_BLOCK_SHIFT	21
#define DMIRAGE_BLOCK_SIZE	BIT(DMIRAGE_BLOCK_SHIFT)
#define DMIRAGE_BLOCK_PAGES	512
#define DMIRAGE_SPAN_SHIFT	30
#define DMIRAGE_SPAN_SIZE	BIT(DMIRAGE_SPAN_SHIFT)

#define DMIRAGE_SH_VALID	BIT(0)	/* the device may use it */
#define DMIRAGE_SH_WRITE	BIT(1)	/* and write through it */
#define DMIRAGE_SH_DROPPED	BIT(2)	/* cleared, flush not over yet */
#define DMIRAGE_SH_STALE	BIT(3)	/* fault mode: should be gone */
#define DMIRAGE_SH_SPLIT	BIT(4)	/* fault mode: @split_dma's */

/**
 * struct dmirage_shadow - what software knows about an entry
 * @dma:  DMA address of its (first) page
 * @phys: physical address of it, and DMIRAGE_SH_* in the bits below the page
 *        size; 0: there is no entry
 */
struct dmirage_shadow {
	dma_addr_t dma;
	unsigned long phys;
};

static inline bool dmirage_shadow_valid(const struct dmirage_shadow *shadow)
{
	return shadow->phys & DMIRAGE_SH_VALID;
}

static inline unsigned long dmirage_shadow_pfn(const struct dmirage_shadow *sh)
{
	return sh->phys >> PAGE_SHIFT;
}

/**
 * struct dmirage_span - 1 GiB of address space
 * @pud:   the span's entry in the device's level 3 table
 * @table: what @pud is to be when it leads to the table of the blocks; 0: there
 *         is no such table yet.  Set under the context's lock
 * @giant: shadow of the 1 GiB leaf
 * @live:  number of valid entries in all of its blocks
 */
struct dmirage_span {
	__le64 *pud;
	__le64 table;
	struct dmirage_shadow giant;
	unsigned long live;
};

/**
 * struct dmirage_block - 2 MiB of address space
 * @span:    that it is in
 * @pde:     the block's entry in the device's level 2 table
 * @huge:    shadow of the 2 MiB leaf
 * @pte:     table of 4 KiB entries for the device; NULL until first needed;
 *           set under the context's lock, like @small
 * @pte_dma: where the device finds it
 * @small:   their shadows; there exactly if @pte is
 * @live:    number of valid ones
 * @split:   number of those that share the DMA mapping at @split_dma
 * @split_dma: fault mode: DMA mapping of a 2 MiB leaf that was split
 */
struct dmirage_block {
	struct dmirage_span *span;
	__le64 *pde;
	struct dmirage_shadow huge;
	__le64 *pte;
	dma_addr_t pte_dma;
	struct dmirage_shadow *small;
	unsigned int live;
	unsigned int split;
	dma_addr_t split_dma;
};

/**
 * struct dmirage_pgtable - the mirror table of a context
 * @levels: 4 or 5
 * @root:   DMA address of the root table
 * @tables: tables of level 2 and above, by level and address; changed by
 *          set-up, and under dmirage_ctx.resolve_lock
 * @spans:  struct dmirage_span by address >> DMIRAGE_SPAN_SHIFT; likewise, and
 *          read by MMU notifiers
 * @blocks: struct dmirage_block by address >> DMIRAGE_BLOCK_SHIFT; likewise
 */
struct dmirage_pgtable {
	unsigned int levels;
	dma_addr_t root;
	struct xarray tables;
	struct xarray spans;
	struct xarray blocks;
};

/**
 * struct dmirage_slot - where an entry is to be made
 * @va:    its first address
 * @shift: log2 of its size: PAGE_SHIFT, DMIRAGE_BLOCK_SHIFT, DMIRAGE_SPAN_SHIFT
 * @span:  over @va
 * @block: over @va; NULL for 1 GiB
 */
struct dmirage_slot {
	unsigned long va;
	unsigned int shift;
	struct dmirage_span *span;
	struct dmirage_block *block;
};

/**
 * struct dmirage_gather - what has been taken out and must be flushed
 * @first: lowest address that an entry taken out covered
 * @last:  highest, inclusive; there is none if this is below @first
 * @small: number of 4 KiB entries
 * @huge:  number of 2 MiB entries
 * @giant: number of 1 GiB entries
 */
struct dmirage_gather {
	unsigned long first;
	unsigned long last;
	unsigned long small;
	unsigned long huge;
	unsigned long giant;
};

#define DMIRAGE_GATHER_INIT	((struct dmirage_gather){ .first = ULONG_MAX })

static inline bool dmirage_gather_empty(const struct dmirage_gather *gather)
{
	return gather->first > gather->last;
}

int dmirage_pt_init(struct dmirage_ctx *ctx);
void dmirage_pt_free(struct dmirage_ctx *ctx);
int dmirage_pt_prepare(struct dmirage_ctx *ctx, struct dmirage_slot *slot,
		       bool small);
struct dmirage_shadow *dmirage_pt_shadow(const struct dmirage_slot *slot);
struct dmirage_shadow *dmirage_pt_find(struct dmirage_ctx *ctx,
				       const struct dmirage_slot *slot,
				       unsigned long va, unsigned int *shift);
unsigned int dmirage_pt_room(const struct dmirage_slot *slot);
int dmirage_pt_map(struct dmirage_ctx *ctx, const struct dmirage_slot *slot,
		   unsigned long pfn, bool write);
bool dmirage_pt_span_empty(struct dmirage_ctx *ctx, unsigned long index);
void dmirage_pt_clear(struct dmirage_ctx *ctx, unsigned long start,
		      unsigned long last, bool split,
		      struct dmirage_gather *gather);
void dmirage_pt_release(struct dmirage_ctx *ctx,
			const struct dmirage_gather *gather);
void dmirage_pt_drop(struct dmirage_ctx *ctx, unsigned long first,
		     unsigned long last);
unsigned long dmirage_pt_mark_stale(struct dmirage_ctx *ctx,
				    unsigned long start, unsigned long last);

#endif /* DMIRAGE_PGTABLE_H */
