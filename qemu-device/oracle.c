/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The oracle.  See oracle.h. */
#include "oracle.h"

#define PAGE_SIZE   4096ull
#define PAGE_MASK   (~(PAGE_SIZE - 1))

/* One look at one page: what kind of difference is there now? */
static enum dmirage_violation_kind look(const DmirageOracle *o,
                                        const DmirageXlate *x, uint64_t page,
                                        DmirageFinding *f)
{
    f->held_addr = x->pa + (page - x->va);
    f->cpu_addr = 0;
    f->cpu_present = dmirage_walk_x86(o->read, o->opaque, o->root, o->levels,
                                      page, &f->cpu) == DMIRAGE_WALK_OK;
    if (!f->cpu_present) {
        return DMIRAGE_VIOL_ABSENT;
    }
    f->cpu_addr = f->cpu.addr + (page & ((1ull << f->cpu.order) - 1));
    if (!o->same_frame(o->opaque, f->held_addr, f->cpu_addr)) {
        return DMIRAGE_VIOL_FRAME;
    }
    if (x->write && !f->cpu.write) {
        return DMIRAGE_VIOL_WRITE;
    }
    return DMIRAGE_VIOL_NONE;
}

/* As look(), but gives an absent entry time to come back. */
static enum dmirage_violation_kind judge(const DmirageOracle *o,
                                         const DmirageXlate *x, uint64_t page,
                                         DmirageFinding *f)
{
    enum dmirage_violation_kind kind = look(o, x, page, f);
    int64_t deadline;

    if (kind != DMIRAGE_VIOL_ABSENT) {
        return kind;
    }
    f->suspects++;
    deadline = o->now_ns(o->opaque) + o->suspect_ns;
    do {
        if (!o->pause(o->opaque)) {
            f->undecided = true;
            return DMIRAGE_VIOL_NONE;
        }
        kind = look(o, x, page, f);
    } while (kind == DMIRAGE_VIOL_ABSENT && o->now_ns(o->opaque) < deadline);
    return kind;
}

void dmirage_oracle_check(const DmirageOracle *o, const DmirageXlate *x,
                          uint64_t va, uint64_t len, DmirageFinding *f)
{
    uint64_t last = (va + len - 1) & PAGE_MASK;
    DmirageFinding first = { .kind = DMIRAGE_VIOL_NONE };
    DmirageFinding now = { .kind = DMIRAGE_VIOL_NONE };

    /*
     * Each page by itself, though a large CPU entry would answer for many:
     * the entry may be replaced while the check runs.
     */
    for (uint64_t page = va & PAGE_MASK; ; page += PAGE_SIZE) {
        /* Once a violation is certain, its other pages need no grace. */
        now.kind = now.pages ? look(o, x, page, &now)
                             : judge(o, x, page, &now);
        now.checks++;
        if (now.kind != DMIRAGE_VIOL_NONE) {
            now.pages++;
            if (first.kind == DMIRAGE_VIOL_NONE) {
                first = now;
                first.va = page < va ? va : page;
            }
        }
        if (page == last || now.undecided) {
            break;
        }
    }
    *f = first;
    f->pages = now.pages;
    f->checks = now.checks;
    f->suspects = now.suspects;
    f->undecided = now.undecided;
}
