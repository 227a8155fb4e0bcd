/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walkers of page tables.  See walk.h. */
#include "walk.h"

#include "dmirage_hw.h"

#define INDEX_BITS  9
#define PAGE_BITS   12

/* x86-64 page-table entries: Intel SDM volume 3, tables 4-14 to 4-20. */
#define X86_PRESENT     (1ull << 0)
#define X86_WRITE       (1ull << 1)
#define X86_LARGE       (1ull << 7)             /* levels 2 and 3 */
#define X86_ADDR        0x000ffffffffff000ull   /* MAXPHYADDR of up to 52 */

static unsigned level_shift(unsigned level)
{
    return PAGE_BITS + (level - 1) * INDEX_BITS;
}

static uint64_t entry_addr(uint64_t table, uint64_t va, unsigned level)
{
    return table + ((va >> level_shift(level)) & 511) * 8;
}

static bool in_reach(uint64_t va, unsigned levels)
{
    return !(va >> level_shift(levels + 1));
}

static bool aligned(uint64_t addr, uint8_t order)
{
    return !(addr & ((1ull << order) - 1));
}

DmirageWalkResult dmirage_walk_mirror(DmirageRead64 *read, void *opaque,
                                      uint64_t root, unsigned levels,
                                      uint64_t va, DmirageWalk *w)
{
    uint64_t table = root;

    *w = (DmirageWalk) { .level = levels };
    if (!in_reach(va, levels)) {
        return DMIRAGE_WALK_ABSENT;
    }
    for (unsigned level = levels; ; level--) {
        uint64_t e;

        w->level = level;
        if (!read(opaque, entry_addr(table, va, level), &e)) {
            return DMIRAGE_WALK_NO_MEMORY;
        }
        w->entry = e;
        if (!(e & DMIRAGE_PTE_VALID)) {
            return DMIRAGE_WALK_ABSENT;
        }
        if (e & DMIRAGE_PTE_RESERVED) {
            return DMIRAGE_WALK_MALFORMED;
        }

        bool leaf = level == 1 || (e & DMIRAGE_PTE_LEAF);

        if (leaf) {
            /* LEAF belongs to level 2 alone: level 1 needs none. */
            if (level > 2 || (level == 1 && (e & DMIRAGE_PTE_LEAF))) {
                return DMIRAGE_WALK_MALFORMED;
            }
            w->order = level_shift(level);
            w->addr = e & DMIRAGE_PTE_ADDR;
            w->write = e & DMIRAGE_PTE_WRITE;
            return aligned(w->addr, w->order) ? DMIRAGE_WALK_OK
                                              : DMIRAGE_WALK_MALFORMED;
        }
        if (e & DMIRAGE_PTE_WRITE) {
            return DMIRAGE_WALK_MALFORMED;
        }
        table = e & DMIRAGE_PTE_ADDR;
    }
}

DmirageWalkResult dmirage_walk_x86(DmirageRead64 *read, void *opaque,
                                   uint64_t root, unsigned levels,
                                   uint64_t va, DmirageWalk *w)
{
    uint64_t table = root;
    bool write = true;

    *w = (DmirageWalk) { .level = levels };
    /* The upper half is the kernel's. */
    if (!in_reach(va, levels) || va >> (level_shift(levels + 1) - 1)) {
        return DMIRAGE_WALK_ABSENT;
    }
    for (unsigned level = levels; ; level--) {
        uint64_t e;

        w->level = level;
        if (!read(opaque, entry_addr(table, va, level), &e)) {
            return DMIRAGE_WALK_NO_MEMORY;
        }
        w->entry = e;
        if (!(e & X86_PRESENT)) {
            return DMIRAGE_WALK_ABSENT;
        }
        write &= !!(e & X86_WRITE);
        if (level > 3 && (e & X86_LARGE)) {
            return DMIRAGE_WALK_MALFORMED;
        }
        /* At level 1, bit 7 is PAT. */
        if (level == 1 || (e & X86_LARGE)) {
            w->order = level_shift(level);
            /* In a large leaf, bit 12 is PAT and the bits above are 0. */
            w->addr = (e & X86_ADDR) >> w->order << w->order;
            w->write = write;
            return DMIRAGE_WALK_OK;
        }
        table = e & X86_ADDR;
    }
}
