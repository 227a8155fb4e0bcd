/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The oracle.  See oracle.h. */
#include "oracle.h"

#define PAGE_BITS   12
#define INDEX_BITS  9
#define PAGE_SIZE   (1ull << PAGE_BITS)
#define PAGE_MASK   (~(PAGE_SIZE - 1))

/* What absence that lasts is; NONE: it does not count. */
static enum dmirage_violation_kind kind_of_absence(const DmirageOracle *o)
{
    switch (o->mode) {
    case DMIRAGE_MODE_PINNED:
        return DMIRAGE_VIOL_DIVERGED;
    case DMIRAGE_MODE_SHARED:
        return o->settled ? DMIRAGE_VIOL_ABSENT : DMIRAGE_VIOL_NONE;
    default:
        return DMIRAGE_VIOL_ABSENT;
    }
}

static enum dmirage_violation_kind kind_of_frame(const DmirageOracle *o)
{
    return o->mode == DMIRAGE_MODE_PINNED ? DMIRAGE_VIOL_DIVERGED
                                          : DMIRAGE_VIOL_FRAME;
}

static bool write_counts(const DmirageOracle *o)
{
    switch (o->mode) {
    case DMIRAGE_MODE_PINNED:
        return false;
    case DMIRAGE_MODE_SHARED:
        return o->settled;
    default:
        return true;
    }
}

/* One look at one page.  Returns whether the process has it. */
static bool look(const DmirageOracle *o, uint64_t page, DmirageFinding *f)
{
    f->cpu_present = dmirage_walk_x86(o->read, o->opaque, o->root, o->levels,
                                      page, &f->cpu) == DMIRAGE_WALK_OK;
    return f->cpu_present;
}

/*
 * Gives an absent page time to come back.  Returns false if it was not
 * possible to wait for that.
 */
static bool look_again(const DmirageOracle *o, uint64_t page,
                       DmirageFinding *f)
{
    int64_t deadline = o->now_ns(o->opaque) + o->suspect_ns;
    int64_t now;

    f->suspects++;
    do {
        if (!o->pause(o->opaque)) {
            return false;
        }
        /* The last look is one after the deadline, however slow we are. */
        now = o->now_ns(o->opaque);
    } while (!look(o, page, f) && now < deadline);
    return true;
}

/* Reading either frame makes no difference yet, and neither is writable. */
static bool may_be_delayed(const DmirageOracle *o, const DmirageXlate *x,
                           const DmirageFinding *f)
{
    return o->mode == DMIRAGE_MODE_SHARED && !o->settled && !x->write &&
           !f->cpu.write &&
           o->same_content(o->opaque, f->held_addr, f->cpu_addr);
}

/* What differs at @page, which @f->cpu tells of. */
static enum dmirage_violation_kind compare(const DmirageOracle *o,
                                           const DmirageXlate *x,
                                           uint64_t page, DmirageFinding *f)
{
    f->held_addr = x->pa + (page - x->va);
    f->cpu_addr = 0;
    if (!f->cpu_present) {
        return kind_of_absence(o);
    }
    f->cpu_addr = f->cpu.addr + (page & ((1ull << f->cpu.order) - 1));
    if (o->blind != DMIRAGE_BLIND_FRAME &&
        !o->same_frame(o->opaque, f->held_addr, f->cpu_addr)) {
        return may_be_delayed(o, x, f) ? DMIRAGE_VIOL_NONE : kind_of_frame(o);
    }
    if (x->write && !f->cpu.write && write_counts(o) &&
        o->blind != DMIRAGE_BLIND_WRITE) {
        return DMIRAGE_VIOL_WRITE;
    }
    return DMIRAGE_VIOL_NONE;
}

/*
 * The last page that the entry where a walk of @page ended is true of, whether
 * it is a leaf or absent.
 */
static uint64_t covered(const DmirageWalk *w, uint64_t page)
{
    unsigned order = PAGE_BITS + INDEX_BITS * (w->level - 1);

    return (page | ((1ull << order) - 1)) & PAGE_MASK;
}

void dmirage_oracle_check(const DmirageOracle *o, const DmirageXlate *x,
                          uint64_t va, uint64_t len, DmirageFinding *f)
{
    if (o->blind == DMIRAGE_BLIND_LARGE && x->order > PAGE_BITS) {
        va = x->va;
        len = PAGE_SIZE;
    }

    uint64_t last = (va + len - 1) & PAGE_MASK;
    uint64_t page = va & PAGE_MASK;
    bool absence_counts = kind_of_absence(o) != DMIRAGE_VIOL_NONE;
    DmirageFinding now;

    /* Most find nothing: only what is said then is written. */
    f->kind = DMIRAGE_VIOL_NONE;
    now.pages = 0;
    now.checks = 0;
    now.suspects = 0;
    now.undecided = false;
    for (;; page += PAGE_SIZE) {
        /* Once a violation is certain, its other pages need no grace. */
        if (!look(o, page, &now) && absence_counts && !now.pages &&
            !look_again(o, page, &now)) {
            now.checks++;
            now.undecided = true;
            break;
        }

        uint64_t end = covered(&now.cpu, page);

        if (end > last) {
            end = last;
        }
        for (;; page += PAGE_SIZE) {
            enum dmirage_violation_kind kind = compare(o, x, page, &now);

            now.checks++;
            if (kind != DMIRAGE_VIOL_NONE) {
                now.pages++;
                if (f->kind == DMIRAGE_VIOL_NONE) {
                    *f = now;
                    f->kind = kind;
                    f->va = page < va ? va : page;
                }
            }
            if (page == end) {
                break;
            }
        }
        if (page == last) {
            break;
        }
    }
    f->pages = now.pages;
    f->checks = now.checks;
    f->suspects = now.suspects;
    f->undecided = now.undecided;
}
