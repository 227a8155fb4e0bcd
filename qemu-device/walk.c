/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walkers of page tables.  See walk.h. */
#include "walk.h"

#include "dmirage_hw.h"

#define INDEX_BITS  9
#define PAGE_BITS   12

/* x86-64 page-table entries: Intel SDM volume 3, tables 4-14 to 4-20. */
#define X86_WRITE       (1ull << 1)
#define X86_USER        (1ull << 2)
#define X86_ACCESSED    (1ull << 5)
#define X86_DIRTY       (1ull << 6)             /* leaves only */
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

/* Reads the entry for @va in the @table of @level. */
static bool read_entry(DmirageRead64 *read, void *opaque, uint64_t table,
                       unsigned level, uint64_t va, DmirageWalk *w)
{
    w->level = level;
    w->entry_addr = entry_addr(table, va, level);
    if (!read(opaque, w->entry_addr, &w->entry)) {
        return false;
    }
    w->table[level] = table;
    return true;
}

DmirageWalkResult dmirage_walk_mirror(DmirageRead64 *read, void *opaque,
                                      uint64_t table, unsigned level,
                                      unsigned levels, uint64_t va,
                                      DmirageWalk *w)
{
    *w = (DmirageWalk) { .level = level };
    if (!in_reach(va, levels)) {
        return DMIRAGE_WALK_ABSENT;
    }
    for (;; level--) {
        if (!read_entry(read, opaque, table, level, va, w)) {
            return DMIRAGE_WALK_NO_MEMORY;
        }

        uint64_t e = w->entry;

        if (!(e & DMIRAGE_PTE_VALID)) {
            return DMIRAGE_WALK_ABSENT;
        }
        if (e & DMIRAGE_PTE_RESERVED) {
            return DMIRAGE_WALK_MALFORMED;
        }
        if (level == 1 || (e & DMIRAGE_PTE_LEAF)) {
            /* LEAF belongs to levels 2 and 3: level 1 needs none. */
            if (level > 3 || (level == 1 && (e & DMIRAGE_PTE_LEAF))) {
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

/*
 * Replaces the entry that @w read last by one with @flags set as well, unless
 * it has them.  Returns false if that could not be done; *@again: since it has
 * changed.
 */
static bool set_flags(DmirageCas64 *cas, void *opaque, uint64_t flags,
                      DmirageWalk *w, bool *again)
{
    uint64_t desired = w->entry | flags;
    uint64_t found = w->entry;

    if (desired == w->entry) {
        return true;
    }
    if (!cas(opaque, w->entry_addr, &found, desired)) {
        return false;
    }
    if (found != w->entry) {
        *again = true;
        return false;
    }
    w->entry = desired;
    return true;
}

/*
 * One walk from the root.  With @cas, it is an access and leaves marks, as
 * long as nothing on the way has forbidden it; *@again is set if an entry
 * changed before it could be marked.
 */
static inline DmirageWalkResult walk_x86(DmirageRead64 *read,
                                         DmirageCas64 *cas, void *opaque,
                                         uint64_t root, unsigned levels,
                                         uint64_t va, bool access_write,
                                         DmirageWalk *w, bool *again)
{
    uint64_t table = root;
    uint64_t granted = X86_WRITE | X86_USER;
    uint64_t wanted = access_write ? X86_WRITE | X86_USER : X86_USER;

    *w = (DmirageWalk) { .level = levels };
    /* The upper half is the kernel's. */
    if (!in_reach(va, levels) || va >> (level_shift(levels + 1) - 1)) {
        return DMIRAGE_WALK_ABSENT;
    }
    for (unsigned level = levels; ; level--) {
        if (!read_entry(read, opaque, table, level, va, w)) {
            return DMIRAGE_WALK_NO_MEMORY;
        }

        uint64_t e = w->entry;
        /* At level 1, bit 7 is PAT. */
        bool leaf = level == 1 || (e & X86_LARGE);

        if (!(e & DMIRAGE_X86_PRESENT)) {
            return DMIRAGE_WALK_ABSENT;
        }
        if (level > 3 && (e & X86_LARGE)) {
            return DMIRAGE_WALK_MALFORMED;
        }
        granted &= e;
        if (cas && (granted & wanted) == wanted) {
            uint64_t marks = leaf && access_write ? X86_ACCESSED | X86_DIRTY
                                                  : X86_ACCESSED;

            if (!set_flags(cas, opaque, marks, w, again)) {
                return DMIRAGE_WALK_NO_MEMORY;
            }
        }
        if (leaf) {
            w->order = level_shift(level);
            /* In a large leaf, bit 12 is PAT and the bits above are 0. */
            w->addr = (e & X86_ADDR) >> w->order << w->order;
            w->write = granted & X86_WRITE;
            w->user = granted & X86_USER;
            return DMIRAGE_WALK_OK;
        }
        table = e & X86_ADDR;
    }
}

DmirageWalkResult dmirage_walk_x86(DmirageRead64 *read, void *opaque,
                                   uint64_t root, unsigned levels,
                                   uint64_t va, DmirageWalk *w)
{
    return walk_x86(read, 0, opaque, root, levels, va, false, w, 0);
}

DmirageWalkResult dmirage_walk_x86_access(DmirageRead64 *read,
                                          DmirageCas64 *cas, void *opaque,
                                          uint64_t root, unsigned levels,
                                          uint64_t va, bool write,
                                          DmirageWalk *w)
{
    for (unsigned i = 0; i < DMIRAGE_WALK_RETRIES; i++) {
        bool again = false;
        DmirageWalkResult r = walk_x86(read, cas, opaque, root, levels, va,
                                       write, w, &again);

        if (!again) {
            return r;
        }
    }
    return DMIRAGE_WALK_ABSENT;
}
