// SPDX-License-Identifier: GPL-2.0
/* The mirror table; see pgtable.h */

#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "compat.h"
#include "context.h"
#include "trace.h"

/* A table of level 2 or above, as the device sees it. */
struct dmirage_table {
	__le64 *hw;
	dma_addr_t dma;
};

/* Bytes that an entry of a table of this level covers: 2^shift. */
static unsigned int dmirage_level_shift(unsigned int level)
{
	return PAGE_SHIFT + 9 * (level - 1);
}

/* Where it is in dmirage_pgtable.tables: few bits, for a flat xarray. */
static unsigned long dmirage_table_key(unsigned int level, unsigned long va)
{
	return va >> dmirage_level_shift(level + 1) << 3 | level;
}

/*
 * The table of @level over @va, made if there is none.  Callers exclude each
 * other (dmirage_pgtable.tables).
 */
static struct dmirage_table *dmirage_table_get(struct dmirage_ctx *ctx,
					       unsigned int level,
					       unsigned long va)
{
	unsigned long key = dmirage_table_key(level, va);
	struct dmirage_table *table;
	int ret;

	table = xa_load(&ctx->pt.tables, key);
	if (table)
		return table;

	table = kzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);
	if (!table)
		return ERR_PTR(-ENOMEM);

	table->hw = dma_alloc_coherent(ctx->dd->dev, DMIRAGE_PAGE, &table->dma,
				       GFP_KERNEL);
	if (!table->hw) {
		ret = -ENOMEM;
		goto free_table;
	}

	ret = xa_err(xa_store(&ctx->pt.tables, key, table, GFP_KERNEL));
	if (ret)
		goto free_hw;
	return table;

free_hw:
	dma_free_coherent(ctx->dd->dev, DMIRAGE_PAGE, table->hw, table->dma);
free_table:
	kfree(table);
	return ERR_PTR(ret);
}

/**
 * dmirage_pt_init - make the root table
 * @ctx: a context that is being set up
 *
 * Return: 0 or -ENOMEM.
 */
int dmirage_pt_init(struct dmirage_ctx *ctx)
{
	struct dmirage_table *root;

	/* as many levels as the process has, to reach all its addresses */
	ctx->pt.levels = pgtable_l5_enabled() ? 5 : 4;
	root = dmirage_table_get(ctx, ctx->pt.levels, 0);
	if (IS_ERR(root))
		return PTR_ERR(root);
	ctx->pt.root = root->dma;
	return 0;
}

static void dmirage_block_free_tables(struct dmirage_ctx *ctx, __le64 *pte,
				      dma_addr_t dma,
				      struct dmirage_shadow *small)
{
	if (pte)
		dma_free_coherent(ctx->dd->dev, DMIRAGE_PAGE, pte, dma);
	kfree(small);
}

/**
 * dmirage_pt_free - free all tables
 * @ctx: a context that has ended and holds no entry
 *
 * Context: nobody else uses the tables: the caller has resolve_lock (or set up
 *          the context just now), the device has forgotten the root, and MMU
 *          notifiers that come after the state became DEAD leave them alone.
 *          Not the lock, since freeing may sleep.
 */
void dmirage_pt_free(struct dmirage_ctx *ctx)
{
	struct dmirage_block *block;
	struct dmirage_table *table;
	struct dmirage_span *span;
	unsigned long index;

	xa_for_each(&ctx->pt.blocks, index, block) {
		dmirage_block_free_tables(ctx, block->pte, block->pte_dma,
					  block->small);
		kfree(block);
	}
	xa_destroy(&ctx->pt.blocks);

	xa_for_each(&ctx->pt.spans, index, span)
		kfree(span);
	xa_destroy(&ctx->pt.spans);

	xa_for_each(&ctx->pt.tables, index, table) {
		dma_free_coherent(ctx->dd->dev, DMIRAGE_PAGE, table->hw,
				  table->dma);
		kfree(table);
	}
	xa_destroy(&ctx->pt.tables);
}

/*
 * Give a block room for 4 KiB entries.  A fault mode may do the same in an MMU
 * notifier, so whether it is still needed is decided under the lock; the
 * memory is got before, since getting it may need an MMU notifier to run.
 */
static int dmirage_block_add_small(struct dmirage_ctx *ctx,
				   struct dmirage_block *block)
{
	struct dmirage_shadow *small;
	dma_addr_t dma = 0;
	__le64 *pte;

	small = kcalloc(DMIRAGE_BLOCK_PAGES, sizeof(*small),
			GFP_KERNEL_ACCOUNT);
	pte = dma_alloc_coherent(ctx->dd->dev, DMIRAGE_PAGE, &dma, GFP_KERNEL);
	if (!small || !pte) {
		dmirage_block_free_tables(ctx, pte, dma, small);
		return -ENOMEM;
	}

	mutex_lock(&ctx->lock);
	if (!block->pte) {
		block->pte_dma = dma;
		block->small = small;
		/* pairs with READ_ONCE() in dmirage_pt_prepare() */
		WRITE_ONCE(block->pte, pte);
		small = NULL;
		pte = NULL;
	}
	mutex_unlock(&ctx->lock);

	dmirage_block_free_tables(ctx, pte, dma, small);
	return 0;
}

/* The span over @va, and the tables of level 3 and above, made if need be. */
static struct dmirage_span *dmirage_span_get(struct dmirage_ctx *ctx,
					     unsigned long va)
{
	unsigned long index = va >> DMIRAGE_SPAN_SHIFT;
	struct dmirage_pgtable *pt = &ctx->pt;
	struct dmirage_table *table, *child;
	struct dmirage_span *span;
	unsigned int level, i;
	__le64 entry;
	int ret;

	span = xa_load(&pt->spans, index);
	if (span)
		return span;

	table = dmirage_table_get(ctx, pt->levels, 0);
	if (IS_ERR(table))
		return ERR_CAST(table);
	for (level = pt->levels; level > 3; level--) {
		child = dmirage_table_get(ctx, level - 1, va);
		if (IS_ERR(child))
			return ERR_CAST(child);
		i = va >> dmirage_level_shift(level) & 511;
		entry = cpu_to_le64(child->dma | DMIRAGE_PTE_VALID);
		if (table->hw[i] != entry) {
			/* the table is all zeroes before it is seen */
			dma_wmb();
			WRITE_ONCE(table->hw[i], entry);
		}
		table = child;
	}

	span = kzalloc(sizeof(*span), GFP_KERNEL_ACCOUNT);
	if (!span)
		return ERR_PTR(-ENOMEM);
	span->pud = &table->hw[index & 511];
	ret = xa_err(xa_store(&pt->spans, index, span, GFP_KERNEL));
	if (ret) {
		kfree(span);
		return ERR_PTR(ret);
	}
	return span;
}

/* The block over @va, which is in @span, made if need be. */
static struct dmirage_block *dmirage_block_get(struct dmirage_ctx *ctx,
					       struct dmirage_span *span,
					       unsigned long va)
{
	unsigned long index = va >> DMIRAGE_BLOCK_SHIFT;
	struct dmirage_table *table;
	struct dmirage_block *block;
	int ret;

	block = xa_load(&ctx->pt.blocks, index);
	if (block)
		return block;

	table = dmirage_table_get(ctx, 2, va);
	if (IS_ERR(table))
		return ERR_CAST(table);
	if (!span->table) {
		mutex_lock(&ctx->lock);
		span->table = cpu_to_le64(table->dma | DMIRAGE_PTE_VALID);
		mutex_unlock(&ctx->lock);
	}

	block = kzalloc(sizeof(*block), GFP_KERNEL_ACCOUNT);
	if (!block)
		return ERR_PTR(-ENOMEM);
	block->span = span;
	block->pde = &table->hw[index & 511];
	ret = xa_err(xa_store(&ctx->pt.blocks, index, block, GFP_KERNEL));
	if (ret) {
		kfree(block);
		return ERR_PTR(ret);
	}
	return block;
}

/**
 * dmirage_pt_prepare - make the tables that an entry will need
 * @ctx:   the context
 * @slot:  where the entry will be: @va and @shift; the rest is filled in
 * @small: entries of 4 KiB may be needed in its block, whatever @slot->shift
 *
 * What is linked into the tree here leads to no entry, so it may be seen by the
 * device at any time, and needs no lock.  From level 3 on down, where a leaf may
 * be instead, dmirage_pt_map() links.
 *
 * Context: under resolve_lock.  May sleep and reclaim memory.
 * Return: 0 or -ENOMEM.
 */
int dmirage_pt_prepare(struct dmirage_ctx *ctx, struct dmirage_slot *slot,
		       bool small)
{
	lockdep_assert_held(&ctx->resolve_lock);

	slot->block = NULL;
	slot->span = dmirage_span_get(ctx, slot->va);
	if (IS_ERR(slot->span))
		return PTR_ERR(slot->span);
	if (slot->shift == DMIRAGE_SPAN_SHIFT)
		return 0;

	slot->block = dmirage_block_get(ctx, slot->span, slot->va);
	if (IS_ERR(slot->block))
		return PTR_ERR(slot->block);
	if ((small || slot->shift == PAGE_SHIFT) &&
	    !READ_ONCE(slot->block->pte))
		return dmirage_block_add_small(ctx, slot->block);
	return 0;
}

static unsigned int dmirage_small_index(unsigned long va)
{
	return va >> PAGE_SHIFT & (DMIRAGE_BLOCK_PAGES - 1);
}

/**
 * dmirage_pt_shadow - the shadow of the entry at a prepared slot
 * @slot: the slot
 */
struct dmirage_shadow *dmirage_pt_shadow(const struct dmirage_slot *slot)
{
	if (slot->shift == DMIRAGE_SPAN_SHIFT)
		return &slot->span->giant;
	if (slot->shift == DMIRAGE_BLOCK_SHIFT)
		return &slot->block->huge;
	return &slot->block->small[dmirage_small_index(slot->va)];
}

/**
 * dmirage_pt_find - the entry that translates an address
 * @ctx:   the context; locked
 * @slot:  prepared, over the address
 * @va:    the address
 * @shift: log2 of the entry's size
 *
 * Return: a valid shadow, or NULL.
 */
struct dmirage_shadow *dmirage_pt_find(struct dmirage_ctx *ctx,
				       const struct dmirage_slot *slot,
				       unsigned long va, unsigned int *shift)
{
	struct dmirage_block *block = slot->block;
	struct dmirage_shadow *shadow;

	lockdep_assert_held(&ctx->lock);

	*shift = DMIRAGE_SPAN_SHIFT;
	if (dmirage_shadow_valid(&slot->span->giant))
		return &slot->span->giant;
	*shift = DMIRAGE_BLOCK_SHIFT;
	if (!block)
		return NULL;
	if (dmirage_shadow_valid(&block->huge))
		return &block->huge;
	*shift = PAGE_SHIFT;
	if (!block->live)
		return NULL;
	shadow = &block->small[dmirage_small_index(va)];
	return dmirage_shadow_valid(shadow) ? shadow : NULL;
}

/**
 * dmirage_pt_room - how large an entry there is room for
 * @slot: prepared; context locked
 *
 * Return: log2 of the size, at most @slot->shift: less if smaller entries are
 * in use in the 2 MiB or the 1 GiB around.
 */
unsigned int dmirage_pt_room(const struct dmirage_slot *slot)
{
	if (slot->shift == DMIRAGE_SPAN_SHIFT && slot->span->live)
		return DMIRAGE_BLOCK_SHIFT;
	if (slot->shift == DMIRAGE_BLOCK_SHIFT && slot->block->live)
		return PAGE_SHIFT;
	return slot->shift;
}

/**
 * dmirage_pt_span_empty - has the device nothing in this 1 GiB?
 * @ctx:   the context; locked and LIVE
 * @index: address >> DMIRAGE_SPAN_SHIFT
 */
bool dmirage_pt_span_empty(struct dmirage_ctx *ctx, unsigned long index)
{
	struct dmirage_span *span = xa_load(&ctx->pt.spans, index);

	lockdep_assert_held(&ctx->lock);

	return !span || (!span->live && !dmirage_shadow_valid(&span->giant));
}

static __le64 dmirage_leaf(const struct dmirage_shadow *shadow, u64 bits)
{
	if (shadow->phys & DMIRAGE_SH_WRITE)
		bits |= DMIRAGE_PTE_WRITE;
	return cpu_to_le64(shadow->dma | bits | DMIRAGE_PTE_VALID);
}

/*
 * CPU and device use a mirrored page at the same time, so there is no moment to
 * hand it from the one to the other, and nothing to be done if there were: what
 * would have to be synchronised is refused.  Besides, a page may be mapped many
 * times, the zero page for instance, which the DMA API's debugging permits only
 * with this.
 */
#define DMIRAGE_DMA_ATTRS DMA_ATTR_SKIP_CPU_SYNC

static void dmirage_dma_unmap(struct dmirage_ctx *ctx, dma_addr_t dma,
			      size_t bytes)
{
	dma_unmap_page_attrs(ctx->dd->dev, dma, bytes, DMA_BIDIRECTIONAL,
			     DMIRAGE_DMA_ATTRS);
}

/* Tell the DMA API about a page that the process maps now. */
static int dmirage_dma_map(struct dmirage_ctx *ctx, unsigned long pfn,
			   size_t bytes, struct dmirage_shadow *shadow)
{
	struct device *dev = ctx->dd->dev;
	dma_addr_t dma;
	int ret = 0;

	dma = dma_map_page_attrs(dev, pfn_to_page(pfn), 0, bytes,
				 DMA_BIDIRECTIONAL, DMIRAGE_DMA_ATTRS);
	if (dma_mapping_error(dev, dma))
		return -EIO;

	if (dma_need_sync(dev, dma)) {
		dev_err_once(dev, "DMA goes through bounce buffers: cannot mirror\n");
		ret = -EOPNOTSUPP;
	} else if (!IS_ALIGNED(dma, bytes)) {
		ret = -ERANGE;
	}
	if (ret) {
		dmirage_dma_unmap(ctx, dma, bytes);
		return ret;
	}

	shadow->dma = dma;
	shadow->phys = pfn << PAGE_SHIFT | DMIRAGE_SH_VALID;
	return 0;
}

/*
 * Write a leaf where there may be a table, which has no valid entry, and which
 * the device may have cached the address of, or be about to (see pgtable.h).
 */
static void dmirage_leaf_write(struct dmirage_ctx *ctx, __le64 *where,
			       __le64 leaf, unsigned long va,
			       unsigned int shift)
{
	if (*where && !(*where & cpu_to_le64(DMIRAGE_PTE_LEAF))) {
		WRITE_ONCE(*where, 0);
		if (dmirage_fm(ctx, DMIRAGE_FM_KEEP_WALK))
			dmirage_count(ctx, DMIRAGE_STAT_MODE_HITS, 1);
		else
			dmirage_flush_range(ctx, va, va + BIT(shift) - 1, true);
	}
	WRITE_ONCE(*where, leaf);
}

/* Link a table into the one above; its entries are there already. */
static void dmirage_table_link(__le64 *where, __le64 table)
{
	if (*where == table)
		return;
	dma_wmb();
	WRITE_ONCE(*where, table);
}

/**
 * dmirage_pt_map - make or upgrade an entry
 * @ctx:   the context; locked
 * @slot:  prepared; no entry for another page translates an address of it, and
 *         there is room for one of its size
 * @pfn:   first page
 * @write: permit writing; an entry that does keeps doing so
 *
 * Context: may sleep, for a flush.
 * Return: 0; -EIO, -EOPNOTSUPP or -ERANGE: the DMA API cannot map it, not at
 * all or not in one aligned piece.
 */
int dmirage_pt_map(struct dmirage_ctx *ctx, const struct dmirage_slot *slot,
		   unsigned long pfn, bool write)
{
	static const enum dmirage_stat stats[] = {
		[0] = DMIRAGE_STAT_MAPPED_4K,
		[1] = DMIRAGE_STAT_MAPPED_2M,
		[2] = DMIRAGE_STAT_MAPPED_1G,
	};
	struct dmirage_shadow *shadow = dmirage_pt_shadow(slot);
	struct dmirage_block *block = slot->block;
	struct dmirage_span *span = slot->span;
	int ret;

	lockdep_assert_held(&ctx->lock);

	if (!dmirage_shadow_valid(shadow)) {
		ret = dmirage_dma_map(ctx, pfn, BIT(slot->shift), shadow);
		if (ret)
			return ret;
		if (slot->shift != DMIRAGE_SPAN_SHIFT)
			span->live++;
		if (slot->shift == PAGE_SHIFT)
			block->live++;
		dmirage_count(ctx, stats[(slot->shift - PAGE_SHIFT) / 9], 1);
		if (dmirage_fm(ctx, DMIRAGE_FM_KEEP_PAGE))
			dmirage_fm_keep_page(ctx, pfn);
	}
	if (write)
		shadow->phys |= DMIRAGE_SH_WRITE;

	switch (slot->shift) {
	case DMIRAGE_SPAN_SHIFT:
		dmirage_leaf_write(ctx, span->pud,
				   dmirage_leaf(shadow, DMIRAGE_PTE_LEAF),
				   slot->va, slot->shift);
		break;
	case DMIRAGE_BLOCK_SHIFT:
		dmirage_leaf_write(ctx, block->pde,
				   dmirage_leaf(shadow, DMIRAGE_PTE_LEAF),
				   slot->va, slot->shift);
		dmirage_table_link(span->pud, span->table);
		break;
	default:
		WRITE_ONCE(block->pte[dmirage_small_index(slot->va)],
			   dmirage_leaf(shadow, 0));
		dmirage_table_link(block->pde, cpu_to_le64(block->pte_dma |
							   DMIRAGE_PTE_VALID));
		dmirage_table_link(span->pud, span->table);
	}
	trace_dmirage_map(ctx->asid, slot->va, slot->shift, shadow->dma,
			  shadow->phys & DMIRAGE_SH_WRITE);
	return 0;
}

static void dmirage_gather_add(struct dmirage_gather *gather, unsigned long va,
			       unsigned long bytes)
{
	gather->first = min(gather->first, va);
	gather->last = max(gather->last, va + bytes - 1);
}

static void dmirage_shadow_drop(struct dmirage_shadow *shadow)
{
	shadow->phys &= ~DMIRAGE_SH_VALID;
	shadow->phys |= DMIRAGE_SH_DROPPED;
}

/*
 * Fault mode: turn a 2 MiB entry into 512 entries of 4 KiB for the same pages.
 * They share the DMA mapping, which is undone with the last of them.
 */
static int dmirage_block_split(struct dmirage_ctx *ctx,
			       struct dmirage_block *block)
{
	struct dmirage_shadow *huge = &block->huge;
	struct dmirage_shadow *shadow;
	dma_addr_t dma = 0;
	__le64 *pte;
	unsigned int i;

	if (WARN_ON_ONCE(block->live || block->split))
		return -EBUSY;

	if (!block->pte) {
		/* in an MMU notifier: no reclaim */
		shadow = kcalloc(DMIRAGE_BLOCK_PAGES, sizeof(*shadow),
				 GFP_NOWAIT | __GFP_NOWARN);
		pte = dma_alloc_coherent(ctx->dd->dev, DMIRAGE_PAGE, &dma,
					 GFP_NOWAIT | __GFP_NOWARN);
		if (!shadow || !pte) {
			dmirage_block_free_tables(ctx, pte, dma, shadow);
			return -ENOMEM;
		}
		block->small = shadow;
		block->pte_dma = dma;
		WRITE_ONCE(block->pte, pte);
	}

	for (i = 0; i < DMIRAGE_BLOCK_PAGES; i++) {
		shadow = &block->small[i];
		shadow->dma = huge->dma + i * PAGE_SIZE;
		shadow->phys = (huge->phys | DMIRAGE_SH_SPLIT) + i * PAGE_SIZE;
		block->pte[i] = dmirage_leaf(shadow, 0);
	}
	block->live = DMIRAGE_BLOCK_PAGES;
	block->span->live += DMIRAGE_BLOCK_PAGES - 1;
	block->split = DMIRAGE_BLOCK_PAGES;
	block->split_dma = huge->dma;
	memset(huge, 0, sizeof(*huge));

	/* the entries are there before the table is seen */
	dma_wmb();
	WRITE_ONCE(*block->pde, cpu_to_le64(block->pte_dma | DMIRAGE_PTE_VALID));

	dmirage_count(ctx, DMIRAGE_STAT_UNMAPPED_2M, 1);
	dmirage_count(ctx, DMIRAGE_STAT_MAPPED_4K, DMIRAGE_BLOCK_PAGES);
	return 0;
}

/**
 * dmirage_pt_clear - take out all entries that overlap a range: first step
 * @ctx:    the context; locked
 * @start:  first address
 * @last:   last address, inclusive
 * @split:  fault mode: a 2 MiB entry that is hit partly is split; else, and if
 *          it is one of 1 GiB, it is taken out whole
 * @gather: what has been taken out is added to it
 *
 * The caller flushes what @gather covers, waits for it, and calls
 * dmirage_pt_release().
 *
 * Context: MMU notifiers that may not sleep, among others.
 */
void dmirage_pt_clear(struct dmirage_ctx *ctx, unsigned long start,
		      unsigned long last, bool split,
		      struct dmirage_gather *gather)
{
	struct dmirage_block *block;
	struct dmirage_span *span;
	unsigned long index;

	lockdep_assert_held(&ctx->lock);

	xa_for_each_range(&ctx->pt.spans, index, span,
			  start >> DMIRAGE_SPAN_SHIFT,
			  last >> DMIRAGE_SPAN_SHIFT) {
		if (!dmirage_shadow_valid(&span->giant))
			continue;
		WRITE_ONCE(*span->pud, 0);
		dmirage_shadow_drop(&span->giant);
		dmirage_gather_add(gather, index << DMIRAGE_SPAN_SHIFT,
				   DMIRAGE_SPAN_SIZE);
		gather->giant++;
	}

	xa_for_each_range(&ctx->pt.blocks, index, block,
			  start >> DMIRAGE_BLOCK_SHIFT,
			  last >> DMIRAGE_BLOCK_SHIFT) {
		unsigned long base = index << DMIRAGE_BLOCK_SHIFT;
		unsigned long end = base + DMIRAGE_BLOCK_SIZE - 1;
		unsigned long va, lo = max(start, base), hi = min(last, end);

		if (dmirage_shadow_valid(&block->huge)) {
			bool whole = lo == base && hi == end;

			if (whole || !split || dmirage_block_split(ctx, block)) {
				if (!whole && split)
					dmirage_count(ctx, DMIRAGE_STAT_SPLIT_FAILED, 1);
				WRITE_ONCE(*block->pde, 0);
				dmirage_shadow_drop(&block->huge);
				dmirage_gather_add(gather, base,
						   DMIRAGE_BLOCK_SIZE);
				gather->huge++;
				block->span->live--;
				continue;
			}
		}

		for (va = lo & PAGE_MASK; block->live && va <= hi;
		     va += PAGE_SIZE) {
			unsigned int i = (va - base) >> PAGE_SHIFT;

			if (!dmirage_shadow_valid(&block->small[i]))
				continue;
			WRITE_ONCE(block->pte[i], 0);
			dmirage_shadow_drop(&block->small[i]);
			block->live--;
			block->span->live--;
			dmirage_gather_add(gather, va, PAGE_SIZE);
			gather->small++;
		}
	}
}

/*
 * Forget an entry that the device has let go of.
 *
 * A page that the device could write is marked dirty, written or not: the
 * device has no dirty bits.  set_page_dirty() would like the page locked, and
 * some callers of MMU notifiers hold that lock and some do not.  What it really
 * needs is that the page stays where it is (in its file), and it does: the
 * process maps it, unmapping starts with an MMU notifier, and that one waits
 * for ctx->lock, or is the one we are in.  drivers/infiniband/core/umem_odp.c
 * relies on the same.
 *
 * None of that holds for a STALE entry: its page may be anybody's by now.
 */
static void dmirage_shadow_release(struct dmirage_ctx *ctx,
				   struct dmirage_block *block,
				   struct dmirage_shadow *shadow, size_t bytes)
{
	unsigned long phys = shadow->phys;

	/* in pinned mode, that is for who undoes the pin (pinned.c) */
	if ((phys & DMIRAGE_SH_WRITE) && !(phys & DMIRAGE_SH_STALE) &&
	    ctx->mode == DMIRAGE_MODE_MIRROR &&
	    !dmirage_fm(ctx, DMIRAGE_FM_NOT_DIRTY)) {
		struct page *page = pfn_to_page(phys >> PAGE_SHIFT);

		set_page_dirty(compound_head(page));
	}

	if (!(phys & DMIRAGE_SH_SPLIT))
		dmirage_dma_unmap(ctx, shadow->dma, bytes);
	else if (!--block->split)
		dmirage_dma_unmap(ctx, block->split_dma, DMIRAGE_BLOCK_SIZE);

	memset(shadow, 0, sizeof(*shadow));
}

/**
 * dmirage_pt_release - take out entries: second step
 * @ctx:    the context; locked since the first step
 * @gather: what the first step gathered
 *
 * Context: the device has let go of all of it.  Does not sleep.
 */
void dmirage_pt_release(struct dmirage_ctx *ctx,
			const struct dmirage_gather *gather)
{
	struct dmirage_block *block;
	struct dmirage_span *span;
	unsigned long index;

	lockdep_assert_held(&ctx->lock);

	if (dmirage_gather_empty(gather))
		return;

	xa_for_each_range(&ctx->pt.spans, index, span,
			  gather->first >> DMIRAGE_SPAN_SHIFT,
			  gather->last >> DMIRAGE_SPAN_SHIFT)
		if (span->giant.phys & DMIRAGE_SH_DROPPED)
			dmirage_shadow_release(ctx, NULL, &span->giant,
					       DMIRAGE_SPAN_SIZE);

	xa_for_each_range(&ctx->pt.blocks, index, block,
			  gather->first >> DMIRAGE_BLOCK_SHIFT,
			  gather->last >> DMIRAGE_BLOCK_SHIFT) {
		unsigned long base = index << DMIRAGE_BLOCK_SHIFT;
		unsigned long va = max(gather->first, base);
		unsigned long hi = min(gather->last,
				       base + DMIRAGE_BLOCK_SIZE - 1);

		if (block->huge.phys & DMIRAGE_SH_DROPPED)
			dmirage_shadow_release(ctx, block, &block->huge,
					       DMIRAGE_BLOCK_SIZE);
		if (!block->small)
			continue;
		for (; va <= hi; va += PAGE_SIZE) {
			struct dmirage_shadow *shadow =
				&block->small[(va - base) >> PAGE_SHIFT];

			if (shadow->phys & DMIRAGE_SH_DROPPED)
				dmirage_shadow_release(ctx, block, shadow,
						       PAGE_SIZE);
		}
	}

	dmirage_count(ctx, DMIRAGE_STAT_UNMAPPED_4K, gather->small);
	dmirage_count(ctx, DMIRAGE_STAT_UNMAPPED_2M, gather->huge);
	dmirage_count(ctx, DMIRAGE_STAT_UNMAPPED_1G, gather->giant);
}

/**
 * dmirage_pt_drop - take out what overlaps a range, outside of a notifier
 * @ctx:   the context, in any state
 * @first: first address
 * @last:  last address, inclusive
 *
 * When it returns the device has let go of it.
 *
 * Context: sleeps.
 */
void dmirage_pt_drop(struct dmirage_ctx *ctx, unsigned long first,
		     unsigned long last)
{
	struct dmirage_gather gather = DMIRAGE_GATHER_INIT;

	mutex_lock(&ctx->lock);
	if (ctx->state == DMIRAGE_LIVE) {
		dmirage_pt_clear(ctx, first, last, false, &gather);
		if (!dmirage_gather_empty(&gather))
			dmirage_flush_range(ctx, gather.first, gather.last,
					    true);
		dmirage_pt_release(ctx, &gather);
	}
	mutex_unlock(&ctx->lock);
}

static unsigned int dmirage_shadow_mark(struct dmirage_shadow *shadow)
{
	if (!dmirage_shadow_valid(shadow) ||
	    (shadow->phys & DMIRAGE_SH_STALE))
		return 0;
	shadow->phys |= DMIRAGE_SH_STALE;
	return 1;
}

/**
 * dmirage_pt_mark_stale - fault mode: entries will outlive their pages
 * @ctx:   the context; locked
 * @start: first address
 * @last:  last address, inclusive
 *
 * A 2 MiB entry that is hit partly counts as stale whole, and its pages beyond
 * the range lose their dirtiness.  That is within what a fault mode may do.
 *
 * Return: how many were not marked yet.
 */
unsigned long dmirage_pt_mark_stale(struct dmirage_ctx *ctx,
				    unsigned long start, unsigned long last)
{
	struct dmirage_block *block;
	struct dmirage_span *span;
	unsigned long index, n = 0;

	lockdep_assert_held(&ctx->lock);

	if (start > last)
		return 0;

	xa_for_each_range(&ctx->pt.spans, index, span,
			  start >> DMIRAGE_SPAN_SHIFT,
			  last >> DMIRAGE_SPAN_SHIFT)
		n += dmirage_shadow_mark(&span->giant);

	xa_for_each_range(&ctx->pt.blocks, index, block,
			  start >> DMIRAGE_BLOCK_SHIFT,
			  last >> DMIRAGE_BLOCK_SHIFT) {
		unsigned long base = index << DMIRAGE_BLOCK_SHIFT;
		unsigned long va = max(start, base) & PAGE_MASK;
		unsigned long hi = min(last, base + DMIRAGE_BLOCK_SIZE - 1);

		n += dmirage_shadow_mark(&block->huge);
		for (; block->live && va <= hi; va += PAGE_SIZE)
			n += dmirage_shadow_mark(&block->small[(va - base) >>
							       PAGE_SHIFT]);
	}
	dmirage_count(ctx, DMIRAGE_STAT_LEFT_STALE, n);
	return n;
}
