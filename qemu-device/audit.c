/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Audits: is all that the device holds for a context still true?  It holds what
 * a chunk has latched, what is in the IOTLB, and what is in the mirror table.
 *
 * A thread of its own looks, while everything goes on.  So a difference alone
 * means nothing: the translation may have been dropped, by the book, after it
 * was noted and before the process's page table was read.  What counts is that
 *
 *     it was held, then the page table differed, then it was still held,
 *
 * without a break: a latched translation by the same chunk, one in the IOTLB
 * since the same fill, one in the mirror table by the same entry and no command
 * for it meanwhile.  Then it was held at the instant of the difference.
 *
 * What is absent from the page table is suspect (oracle.h).  Suspects are put
 * aside, and looked at again together until they are settled or their time is
 * up.
 */
#include "dmirage.h"

#include "trace.h"

/* The most entries of a mirror table, with or without a meaning, in a run. */
#define ENTRIES_MAX     (1u << 24)
/* Suspects put aside before they are settled. */
#define SUSPECTS_MAX    4096
/* Times that a look is repeated because commands came in between. */
#define LOOKS_MAX       64

/**
 * Held: a translation that the device holds, and where
 * @x: with the part of it that the audit is about in @first and @last
 * @index: in the IOTLB, or among the latches
 * @entry_addr, @entry: of the mirror table
 * @chunks, @drops: of the context, when it was noted
 * @deadline: host us; a suspect's time is up
 */
typedef struct Held {
    DmirageXlate x;
    enum dmirage_holder holder;
    uint64_t first;
    uint64_t last;
    unsigned index;
    uint64_t entry_addr;
    uint64_t entry;
    uint64_t chunks;
    uint64_t drops;
    int64_t deadline;
} Held;

typedef struct Run {
    DmirageState *s;
    DmirageContext *c;
    DmirageAudit request;
    DmirageWitness w;
    GArray *suspects;               /* of Held */
    struct dmirage_audit result;    /* host's byte order */
    unsigned entries;
    bool cut;
} Run;

/* @lock held or not: is the run to be given up? */
static bool is_over(Run *r)
{
    return r->c->life != r->request.life || !r->s->running || r->s->stopping;
}

static bool go_on(Run *r)
{
    if (!r->cut) {
        qemu_mutex_lock(&r->s->lock);
        r->cut = is_over(r);
        qemu_mutex_unlock(&r->s->lock);
    }
    return !r->cut;
}

typedef enum Still {
    STILL_HELD,
    GONE,
    UNSURE,             /* it is there, but may have been away meanwhile */
} Still;

static bool same(const DmirageXlate *a, const DmirageXlate *b)
{
    return a && a->asid == b->asid && a->va == b->va && a->pa == b->pa &&
           a->order == b->order && a->fill_ns == b->fill_ns;
}

/* @lock held. */
static Still still_held(Run *r, const Held *h)
{
    const DmirageXlate *x;
    uint64_t entry;

    if (is_over(r)) {
        return GONE;
    }
    switch (h->holder) {
    case DMIRAGE_HELD_LATCHED:
        x = dmirage_inflight_at(r->s->inflight, r->c->asid, h->index);
        return r->c->chunks == h->chunks && same(x, &h->x) ? STILL_HELD : GONE;
    case DMIRAGE_HELD_IOTLB:
        x = dmirage_iotlb_at(r->s->iotlb, h->index);
        return same(x, &h->x) ? STILL_HELD : GONE;
    default:
        if (!dmirage_dma_read64(r->s, h->entry_addr, &entry) ||
            entry != h->entry) {
            return GONE;
        }
        return r->c->drops == h->drops ? STILL_HELD : UNSURE;
    }
}

/*
 * A look at @h.  @decide: it is not put aside.  Returns false if it came to
 * nothing because commands came in between; @h is then as of now.
 */
static bool look_once(Run *r, Held *h, bool decide, bool *suspect)
{
    DmirageFinding f;
    Still still;

    *suspect = false;
    WITH_RCU_READ_LOCK_GUARD() {
        dmirage_oracle_check(&r->w.oracle, &h->x, h->first,
                             h->last - h->first + 1, &f);
    }
    if (f.undecided) {
        r->cut = true;
        return true;
    }
    if (f.kind == DMIRAGE_VIOL_NONE) {
        r->result.pages += f.checks;
        return true;
    }
    qemu_mutex_lock(&r->s->lock);
    still = still_held(r, h);
    if (still == UNSURE) {
        h->drops = r->c->drops;
    } else if (still == STILL_HELD) {
        if (!f.cpu_present && !decide) {
            *suspect = true;
        } else {
            r->result.pages += f.checks;
            if (r->w.oracle.settled ||
                !dmirage_watch_decides(r->s, r->c, &h->x, &f)) {
                r->result.violations++;
                dmirage_violation_audit(r->s, r->c, &h->x, h->holder, &f);
            }
        }
    }
    qemu_mutex_unlock(&r->s->lock);
    return still != UNSURE;
}

/* Returns true if @h is suspect. */
static bool look(Run *r, Held *h, bool decide)
{
    bool suspect = false;

    for (unsigned i = 0; i < LOOKS_MAX && !r->cut; i++) {
        if (look_once(r, h, decide, &suspect)) {
            break;
        }
    }
    return suspect;
}

/* Looks at the suspects until none is left. */
static void settle(Run *r)
{
    while (r->suspects->len && go_on(r)) {
        int64_t now;

        g_usleep(1000);
        now = g_get_monotonic_time();
        for (unsigned i = 0; i < r->suspects->len && !r->cut;) {
            Held *h = &g_array_index(r->suspects, Held, i);
            uint64_t drops = h->drops;

            if (!look(r, h, now >= h->deadline)) {
                g_array_remove_index_fast(r->suspects, i);
                continue;
            }
            if (h->holder == DMIRAGE_HELD_TABLE && h->drops != drops) {
                /* It may be another one by now. */
                h->deadline = now + r->s->suspect_ms * 1000ll;
            }
            i++;
        }
    }
}

static void consider(Run *r, Held *h)
{
    h->first = MAX(h->x.va, r->request.first);
    h->last = MIN(dmirage_xlate_last(&h->x), r->request.last);
    if (h->first > h->last) {
        return;
    }
    r->result.translations++;
    if (look(r, h, false)) {
        h->deadline = g_get_monotonic_time() + r->s->suspect_ms * 1000ll;
        g_array_append_val(r->suspects, *h);
        if (r->suspects->len >= SUSPECTS_MAX) {
            settle(r);
        }
    }
}

static void audit_latched(Run *r)
{
    for (unsigned i = 0; i < DMIRAGE_LATCHES_MAX && !r->cut; i++) {
        Held h = { .holder = DMIRAGE_HELD_LATCHED, .index = i };
        const DmirageXlate *x;

        qemu_mutex_lock(&r->s->lock);
        r->cut = is_over(r);
        x = dmirage_inflight_at(r->s->inflight, r->c->asid, i);
        if (x) {
            h.x = *x;
            h.chunks = r->c->chunks;
        }
        qemu_mutex_unlock(&r->s->lock);
        if (!x) {
            return;
        }
        consider(r, &h);
    }
}

/* Places of the IOTLB that are copied in one lock section. */
#define SLICE   64

static void audit_iotlb(Run *r)
{
    unsigned places = dmirage_iotlb_entries(r->s->iotlb);

    for (unsigned i = 0; i < places && !r->cut; i += SLICE) {
        Held held[SLICE];
        unsigned n = 0;

        qemu_mutex_lock(&r->s->lock);
        r->cut = is_over(r);
        for (unsigned k = i; k < MIN(i + SLICE, places); k++) {
            const DmirageXlate *x = dmirage_iotlb_at(r->s->iotlb, k);

            if (x && x->asid == r->c->asid) {
                held[n++] = (Held) {
                    .x = *x,
                    .holder = DMIRAGE_HELD_IOTLB,
                    .index = k,
                };
            }
        }
        qemu_mutex_unlock(&r->s->lock);
        for (unsigned k = 0; k < n && !r->cut; k++) {
            consider(r, &held[k]);
        }
    }
}

static unsigned shift_of(unsigned level)
{
    return 12 + (level - 1) * 9;
}

static void audit_leaf(Run *r, uint64_t va, uint64_t entry_addr,
                       uint64_t entry, unsigned order)
{
    Held h = {
        .holder = DMIRAGE_HELD_TABLE,
        .entry_addr = entry_addr,
        .entry = entry,
        .x = {
            .va = va,
            .pa = (entry & DMIRAGE_PTE_ADDR) >> order << order,
            .fill_ns = dmirage_now(),
            .asid = r->c->asid,
            .order = order,
            .write = entry & DMIRAGE_PTE_WRITE,
        },
    };
    uint64_t again;

    /* Noted first, then read again: so it is held as of the note. */
    qemu_mutex_lock(&r->s->lock);
    h.drops = r->c->drops;
    qemu_mutex_unlock(&r->s->lock);
    if (dmirage_dma_read64(r->s, entry_addr, &again) && again == entry) {
        consider(r, &h);
    }
}

/* Nothing in a table that its author got wrong may keep this from its end. */
static void audit_table(Run *r, uint64_t table, unsigned level, uint64_t base)
{
    unsigned shift = shift_of(level);
    uint64_t size = 1ull << shift;
    uint64_t from = 0;

    if (base < r->request.first) {
        from = (r->request.first - base) >> shift;
    }
    if (!go_on(r)) {
        return;
    }
    for (uint64_t i = from; i < 512 && !r->cut; i++) {
        uint64_t va = base + i * size;
        uint64_t entry_addr = table + i * 8;
        uint64_t entry;

        if (va > r->request.last || ++r->entries > ENTRIES_MAX) {
            r->cut |= r->entries > ENTRIES_MAX;
            return;
        }
        if (!dmirage_dma_read64(r->s, entry_addr, &entry) ||
            !(entry & DMIRAGE_PTE_VALID) || (entry & DMIRAGE_PTE_RESERVED)) {
            continue;
        }
        if (level == 1 || (entry & DMIRAGE_PTE_LEAF)) {
            if (level <= 3) {
                audit_leaf(r, va, entry_addr, entry, shift);
            }
        } else {
            audit_table(r, entry & DMIRAGE_PTE_ADDR, level - 1, va);
        }
    }
}

static void run(Run *r)
{
    trace_dmirage_audit(r->c->asid, r->request.first, r->request.last);
    audit_latched(r);
    if (!r->cut) {
        audit_iotlb(r);
    }
    if (!r->cut && r->w.oracle.mode != DMIRAGE_MODE_SHARED) {
        audit_table(r, r->c->pt_root,
                    DMIRAGE_CTL_PT_LEVELS_GET(r->c->ctl), 0);
    }
    settle(r);
    trace_dmirage_audit_end(r->c->asid, r->result.translations,
                            r->result.pages, r->result.violations, r->cut);
}

static void answer(DmirageState *s, const DmirageAudit *a,
                   const struct dmirage_audit *result, bool cut)
{
    struct dmirage_audit le = {
        .translations = cpu_to_le32(result->translations),
        .pages = cpu_to_le32(result->pages),
        .violations = cpu_to_le32(cut ? DMIRAGE_AUDIT_CUT
                                      : result->violations),
    };
    uint32_t value = cpu_to_le32(a->value);
    size_t before = offsetof(struct dmirage_audit, value);

    /* After a reset the memory may be somebody else's. */
    if (!a->answer || a->resets != s->resets) {
        return;
    }
    if (dmirage_status_write(s, a->status_addr, &le, before, false)) {
        smp_wmb();      /* pairs with a read barrier after the test of value */
        dmirage_status_write(s, a->status_addr + before, &value,
                             sizeof(value), a->irq);
    }
}

static bool can_be_audited(DmirageState *s, DmirageContext *c)
{
    return s->oracle && c->enabled && (c->ctl & DMIRAGE_CTL_ORACLE);
}

/* @lock held; dropped meanwhile.  False: to be done again, later. */
static bool carry_out(DmirageState *s, const DmirageAudit *a)
{
    Run r = { .s = s, .c = a->c, .request = *a };
    bool again;

    if (a->c->life != a->life || !can_be_audited(s, a->c)) {
        answer(s, a, &r.result, true);
        return true;
    }
    dmirage_witness_init(&r.w, s, a->c, a->settled);
    a->c->auditing = true;
    qemu_mutex_unlock(&s->lock);
    r.suspects = g_array_new(false, false, sizeof(Held));
    run(&r);
    g_array_free(r.suspects, true);
    qemu_mutex_lock(&s->lock);
    a->c->auditing = false;
    qemu_cond_broadcast(&s->idle);

    again = r.cut && a->c->life == a->life && !s->stopping &&
            r.entries <= ENTRIES_MAX;
    if (!again) {
        a->c->count[DMIRAGE_CNT_AUDITED] += r.result.pages;
        answer(s, a, &r.result, r.cut);
    }
    return !again;
}

/* @lock held.  There is room: invq.c sees to that. */
void dmirage_audit_request(DmirageState *s, const DmirageAudit *a)
{
    assert(s->audits < DMIRAGE_AUDITS_MAX);
    s->audit[s->audits] = *a;
    s->audit[s->audits++].resets = s->resets;
    qemu_cond_signal(&s->audit_work);
}

static void audit_all(DmirageState *s)
{
    for (unsigned i = 0; i < DMIRAGE_CONTEXTS && !s->stopping; i++) {
        DmirageAudit a = {
            .c = &s->ctx[i],
            .life = s->ctx[i].life,
            .last = UINT64_MAX,
        };

        if (can_be_audited(s, a.c)) {
            carry_out(s, &a);
        }
    }
}

static void *auditor(void *opaque)
{
    DmirageState *s = opaque;
    int64_t due = g_get_monotonic_time() + s->audit_ms * 1000ll;

    rcu_register_thread();
    qemu_mutex_lock(&s->lock);
    while (!s->stopping) {
        int64_t left = due - g_get_monotonic_time();

        if (s->running && s->audits) {
            DmirageAudit a = s->audit[0];

            if (carry_out(s, &a) && s->audits && a.resets == s->resets) {
                s->audits--;
                memmove(&s->audit[0], &s->audit[1],
                        s->audits * sizeof(s->audit[0]));
                dmirage_invq_process(s);    /* there is room now */
                if (!s->engines) {
                    dmirage_engine_run(s);  /* what a WAIT lets go on */
                }
            }
        } else if (s->running && s->audit_ms && left <= 0) {
            audit_all(s);
            due = g_get_monotonic_time() + s->audit_ms * 1000ll;
        } else if (s->running && s->audit_ms) {
            qemu_cond_timedwait(&s->audit_work, &s->lock, left / 1000 + 1);
        } else {
            qemu_cond_wait(&s->audit_work, &s->lock);
        }
    }
    qemu_mutex_unlock(&s->lock);
    rcu_unregister_thread();
    return NULL;
}

void dmirage_audit_start(DmirageState *s)
{
    qemu_cond_init(&s->audit_work);
    qemu_thread_create(&s->auditor, "dmirage-audit", auditor, s,
                       QEMU_THREAD_JOINABLE);
}

/* s->stopping is set. */
void dmirage_audit_stop(DmirageState *s)
{
    qemu_mutex_lock(&s->lock);
    qemu_cond_signal(&s->audit_work);
    qemu_mutex_unlock(&s->lock);
    qemu_thread_join(&s->auditor);
    qemu_cond_destroy(&s->audit_work);
}
