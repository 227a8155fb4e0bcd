/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watch: while the device may use a translation, the pages of the process's
 * page table that it depends on are watched, and each store to them is judged.
 * So a translation is found stale at the store that made it so, without any
 * access.
 *
 * Concepts
 *
 *   The device *may use* a translation from when it read it from the mirror
 *   table until a command covers it, whether or not the IOTLB still has it:
 *   the mirror table does.  watchset.h keeps these, and what each depends on.
 *
 *   A store is told before it is made (ramwatch.h), and judged when it has
 *   been: by work for the same vCPU, which QEMU does when the vCPU is at the
 *   end of the translated block, a few instructions later.  What is there then
 *   is compared by the oracle.
 *
 *   In mirror mode another frame, or less permission, is a violation.  Absence
 *   makes the translation *suspect*: inside one page-table-lock section the
 *   kernel may take an entry away and put it back, and tell nobody.  It is a
 *   violation after all if what is put there differs; if the translation is
 *   dropped by the vCPU that made the store (a flush sleeps in mirror mode, so
 *   that vCPU has left the lock); or if it still is absent after suspect-ms and
 *   that vCPU is in user mode, or idle.  If the same is put back, it is one
 *   if another vCPU does so, or the same in another entry to the kernel: the
 *   lock has been given up in between, and the frame may have been anybody's.
 *   What is reported is the store that made it suspect.
 *
 *   In shared mode the device walks the process's own table, and the kernel
 *   changes it first and flushes then.  So a store that takes an entry, or a
 *   permission, away opens a *window*, and makes the translation suspect; a
 *   command that covers it closes the window.  If the same task puts another
 *   frame there before that, it is a violation: the flush has to come first
 *   (but see oracle.h for frames that make no difference).  Another task may
 *   do so, on any vCPU, while the first one is on the way to its flush.
 *   Whoever opens a window may sleep before he closes it, so it is a
 *   violation that it is open only after WINDOW times suspect-ms, and when the
 *   vCPU was seen in user mode, or idle, WINDOW_OUTSIDE times.
 *
 * A translation is watched after it has been read, so a store may come in
 * between; the table is looked at again when its pages are watched.  If there
 * is another frame by then, that is left to the access that wanted the
 * translation; if none did, it is a violation by a store that nobody saw.  If
 * there is nothing, it is suspect of such a store: whoever stores next is not
 * to blame.
 *
 * Locks: all with the device's lock, which a vCPU takes in the middle of a
 * store, with no other lock of QEMU's than ramwatch.c's.
 */
#include "dmirage.h"

#include "hw/core/cpu.h"
#include "qapi/error.h"
#include "store.h"
#include "trace.h"

/* More than any guest's tests need; what finds no place is counted. */
#define WATCH_TABLES_MAX    65536

#define WATCH_CPUS_MAX      1024

#define CPU_NOT_KNOWN       0xffff

/* Shared mode: see above. */
#define WINDOW              10
#define WINDOW_OUTSIDE      8

/**
 * Told: a store that waits to be judged
 * @cpu: who made it
 * @asked: there is a ticket for its call chain, or there cannot be one
 * @after: what it left there
 */
typedef struct Told {
    DmirageState *s;
    CPUState *cpu;
    DmirageStore store;
    bool asked;
    uint32_t ticket;
    uint64_t after;
} Told;

/* ---- What is watched ----------------------------------------------------- */

static void watch_table(void *opaque, uint64_t ram)
{
    dmirage_ramwatch_set(ram, true);
}

static void unwatch_table(void *opaque, uint64_t ram)
{
    dmirage_ramwatch_set(ram, false);
}

static bool is_watched(const DmirageState *s, const DmirageContext *c)
{
    const uint32_t wanted = DMIRAGE_CTL_ORACLE | DMIRAGE_CTL_WATCH;

    return s->watchset && (c->ctl & wanted) == wanted &&
           dmirage_ctx_mode(c) != DMIRAGE_MODE_PINNED;
}

static bool is_shared(const DmirageState *s, const DmirageWatched *w)
{
    return dmirage_ctx_mode(&s->ctx[w->x.asid]) == DMIRAGE_MODE_SHARED;
}

/* The oracle, with the lock held: it is not to wait. */
static bool go_on(void *opaque)
{
    return true;
}

static int64_t no_time(void *opaque)
{
    return 0;
}

static void witness_init(DmirageWitness *w, DmirageState *s, DmirageContext *c)
{
    dmirage_witness_init(w, s, c, false);
    w->oracle.pause = go_on;
    w->oracle.now_ns = no_time;
}

/*
 * The pages of the process's page table by which it gets to @va, as
 * ram_addr_t.  False: there is one that cannot be watched.
 */
static bool find_tables(DmirageState *s, DmirageContext *c, uint64_t va,
                        uint64_t table[DMIRAGE_WATCH_LEVELS])
{
    DmirageWitness w;
    DmirageWalk walk;

    witness_init(&w, s, c);
    dmirage_walk_x86(w.oracle.read, &w, c->cpu_root, w.oracle.levels, va,
                     &walk);
    for (unsigned level = 1; level <= DMIRAGE_WATCH_LEVELS; level++) {
        table[level - 1] = 0;
        uint64_t *ram = &table[level - 1];

        if (walk.table[level] &&
            (!dmirage_ram_address(s->ram, walk.table[level], ram) ||
             !dmirage_ramwatch_can(*ram))) {
            return false;
        }
    }
    return true;
}

/* @settled: shared mode: as if the kernel were through with its change. */
static void look_as(DmirageState *s, const DmirageWatched *w, uint64_t first,
                    uint64_t last, bool settled, DmirageFinding *f)
{
    DmirageWitness by;

    witness_init(&by, s, &s->ctx[w->x.asid]);
    by.oracle.settled = settled;
    dmirage_oracle_check(&by.oracle, &w->x, first, last - first + 1, f);
}

/* All that differs; what that means is judged here. */
static void look(DmirageState *s, const DmirageWatched *w, uint64_t first,
                 uint64_t last, DmirageFinding *f)
{
    look_as(s, w, first, last, true, f);
}

/* Shared mode: it would differ also if the kernel were not yet through. */
static bool differs_unsettled(DmirageState *s, const DmirageWatched *w,
                              uint64_t first, uint64_t last)
{
    DmirageFinding f;

    look_as(s, w, first, last, false, &f);
    return f.kind != DMIRAGE_VIOL_NONE;
}

/* @by: the store that made @w stale. */
static void violation(DmirageState *s, DmirageWatched *w,
                      const DmirageFinding *f, enum dmirage_watch_why why,
                      const DmirageWatchStore *by)
{
    dmirage_violation_watch(s, &s->ctx[w->x.asid], &w->x, f, why, by, by,
                            DMIRAGE_WHEN_CERTAIN);
}

static void start_timer(DmirageState *s, uint32_t ms)
{
    timer_mod(s->watch_timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + ms);
}

/* @by: the store that may have made @w stale. */
static void suspect(DmirageState *s, DmirageWatched *w,
                    const DmirageWatchStore *by)
{
    s->ctx[w->x.asid].count[DMIRAGE_CNT_WATCH_SUSPECTS]++;
    trace_dmirage_watch_suspect(w->x.asid, by->va, by->pc);
    w->first = *by;
    dmirage_watchset_set_suspect(s->watchset, w, true);
    if (!timer_pending(s->watch_timer)) {
        start_timer(s, s->suspect_ms);
    }
}

/* A store that nobody saw, about @va. */
static DmirageWatchStore unseen(uint64_t va)
{
    return (DmirageWatchStore) {
        .since_us = g_get_monotonic_time(),
        .time_ns = dmirage_now(),
        .cpu = CPU_NOT_KNOWN,
        .va = va,
    };
}

static void refused(DmirageState *s, const DmirageXlate *x)
{
    s->ctx[x->asid].count[DMIRAGE_CNT_WATCH_REFUSED]++;
    trace_dmirage_watch_refused(x->asid, x->va, x->order);
}

/*
 * The device has read what translates @va.  All of that is watched that is in
 * the mirror table, whatever part of it is cached; and all that is cached of
 * the process's own table.  @wanted: an access is about to use it.  Within an
 * RCU read section.
 */
void dmirage_watch_add(DmirageState *s, DmirageContext *c, uint64_t va,
                       const DmirageWalk *walk, int64_t fill_ns, bool wanted)
{
    bool shared = dmirage_ctx_mode(c) == DMIRAGE_MODE_SHARED;
    unsigned order = shared && s->fracture ? DMIRAGE_ORDER_4K : walk->order;
    uint64_t offset = va & ((1ull << walk->order) - 1);
    const DmirageXlate x = {
        .va = va >> order << order,
        .pa = walk->addr + (offset >> order << order),
        .fill_ns = fill_ns,
        .asid = c->asid,
        .order = order,
        .write = walk->write,
    };
    uint64_t table[DMIRAGE_WATCH_LEVELS], again[DMIRAGE_WATCH_LEVELS];
    DmirageWatched *w = NULL;
    DmirageFinding f;

    if (!is_watched(s, c)) {
        return;
    }
    if (find_tables(s, c, x.va, table)) {
        w = dmirage_watchset_add(s->watchset, &x, table);
    }
    /* The tables may have been others by the time they were watched. */
    while (w && find_tables(s, c, x.va, again) &&
           memcmp(table, again, sizeof(table))) {
        memcpy(table, again, sizeof(table));
        if (!dmirage_watchset_move(s->watchset, w, table)) {
            w = NULL;
        }
    }
    if (!w) {
        refused(s, &x);
        return;
    }
    look(s, w, x.va, dmirage_xlate_last(&x), &f);
    if (f.kind == DMIRAGE_VIOL_NONE) {
        return;
    }

    const DmirageWatchStore by = unseen(f.va);

    if (!f.cpu_present) {
        suspect(s, w, &by);
        return;
    }
    if (!wanted && !shared) {
        violation(s, w, &f, DMIRAGE_WATCH_STORE, &by);
    }
    dmirage_watchset_remove(s->watchset, w);
}

/* ---- Judgement ----------------------------------------------------------- */

/* What level has the entry for @va at @ram?  0: not known. */
static unsigned level_at(const DmirageWatched *w, uint64_t va, uint64_t ram)
{
    for (unsigned level = DMIRAGE_WATCH_LEVELS; level; level--) {
        uint64_t index = va >> (DMIRAGE_ORDER_4K + 9 * (level - 1)) & 511;

        if (w->table[level - 1] &&
            w->table[level - 1] + 8 * index == QEMU_ALIGN_DOWN(ram, 8)) {
            return level;
        }
    }
    return 0;
}

/* The store, as one that is of interest: its call chain will be wanted. */
static DmirageWatchStore note(Told *t, const DmirageWatched *w, uint64_t va)
{
    if (!t->asked) {
        t->asked = true;
        t->ticket = dmirage_chain_ask(t->s, t->cpu);
    }
    return (DmirageWatchStore) {
        .since_us = g_get_monotonic_time(),
        .time_ns = dmirage_now(),
        .pc = t->store.pc,
        .cpu = t->store.cpu,
        .level = level_at(w, va, t->store.ram),
        .ticket = t->ticket,
        .va = va,
        .before = t->store.before,
        .after = t->after,
    };
}

/* The tables have changed, or not; what depends on them goes along. */
static void follow(DmirageState *s, DmirageWatched *w, uint64_t va)
{
    const DmirageXlate x = w->x;
    uint64_t table[DMIRAGE_WATCH_LEVELS];

    if (!find_tables(s, &s->ctx[x.asid], va, table)) {
        dmirage_watchset_remove(s->watchset, w);
        refused(s, &x);
    } else if (memcmp(table, w->table, sizeof(table)) &&
               !dmirage_watchset_move(s->watchset, w, table)) {
        refused(s, &x);
    }
}

/*
 * There was something before it.  A store that is judged late, for its vCPU's
 * thread had to wait, finds what others have made of the table by then: one
 * that had nothing to take away is not to blame, and one that had something has
 * not put it back.  Whoever did is judged in turn.
 */
static bool took_away(const DmirageStore *store)
{
    return store->before & DMIRAGE_X86_PRESENT;
}

/* Is it yet to be seen what comes of this difference? */
static bool is_open(DmirageState *s, const DmirageWatched *w,
                    const DmirageFinding *f)
{
    return is_shared(s, w) || !f->cpu_present;
}

/*
 * Shared mode: @w is suspect, and there is another frame.  A violation, if the
 * same task did both.  If not, the window stays open; so it does until the
 * answer comes, and that may find it closed.
 */
static void other_frame(Told *t, DmirageWatched *w, const DmirageFinding *f)
{
    DmirageWatchStore later;

    if (w->first.answered || !w->first.ticket) {
        return;
    }
    w->first.answered = true;
    later = note(t, w, f->va);
    dmirage_violation_watch(t->s, &t->s->ctx[w->x.asid], &w->x, f,
                            DMIRAGE_WATCH_STORE, &w->first, &later,
                            DMIRAGE_WHEN_SAME_TASK);
}

/*
 * What made @w suspect is as it was again.  In between it was stale, unless all
 * of that was in one section under the lock.
 */
static void put_back(Told *t, DmirageWatched *w)
{
    DmirageState *s = t->s;
    const DmirageWatchStore by = w->first;
    DmirageWatchStore back;
    DmirageFinding f;

    look(s, w, w->x.va, dmirage_xlate_last(&w->x), &f);
    if (f.kind != DMIRAGE_VIOL_NONE) {
        /* Something else is yet to come back. */
        w->first.va = f.va;
        return;
    }
    dmirage_watchset_set_suspect(s->watchset, w, false);
    if (is_shared(s, w) || by.cpu == CPU_NOT_KNOWN) {
        return;
    }
    f = (DmirageFinding) {
        .kind = DMIRAGE_VIOL_ABSENT,
        .va = by.va,
        .pages = 1,
        .held_addr = w->x.pa + (by.va - w->x.va),
        .cpu.entry = by.after,
    };
    if (by.cpu != t->store.cpu) {
        violation(s, w, &f, DMIRAGE_WATCH_BACK, &by);
        return;
    }
    back = note(t, w, by.va);
    dmirage_violation_watch(s, &s->ctx[w->x.asid], &w->x, &f,
                            DMIRAGE_WATCH_BACK, &by, &back,
                            DMIRAGE_WHEN_OTHER_ENTRY);
}

static void judge_one(void *opaque, DmirageWatched *w, uint64_t first,
                      uint64_t last)
{
    Told *t = opaque;
    DmirageState *s = t->s;
    DmirageFinding f;

    s->ctx[w->x.asid].count[DMIRAGE_CNT_WATCH_STORES]++;
    look(s, w, first, last, &f);
    if (f.kind == DMIRAGE_VIOL_NONE) {
        if (w->suspect && w->first.va >= first && w->first.va <= last &&
            (!took_away(&t->store) || w->first.cpu == CPU_NOT_KNOWN)) {
            put_back(t, w);
        }
        follow(s, w, first);
        return;
    }

    bool took = took_away(&t->store);
    bool open = is_open(s, w, &f) || (!w->suspect && !took);
    DmirageWatchStore by;

    if (took && (!w->suspect || w->first.cpu == CPU_NOT_KNOWN)) {
        by = note(t, w, f.va);
    } else {
        by = w->suspect ? w->first : unseen(f.va);
    }
    if (w->suspect) {
        w->first = by;
    }
    if (!open) {
        violation(s, w, &f, DMIRAGE_WATCH_STORE, &by);
        dmirage_watchset_remove(s->watchset, w);
    } else if (!w->suspect) {
        suspect(s, w, &by);
    } else if (is_shared(s, w) && differs_unsettled(s, w, first, last)) {
        other_frame(t, w, &f);
    }
}

/* In the vCPU's thread, with the BQL, when the store has been made. */
static void judge(CPUState *cpu, run_on_cpu_data data)
{
    Told *t = data.host_ptr;

    qemu_mutex_lock(&t->s->lock);
    if (t->s->watchset) {
        RCU_READ_LOCK_GUARD();
        t->after = dmirage_ramwatch_entry(t->store.ram);
        dmirage_watchset_store(t->s->watchset, t->store.ram, t->store.size,
                               judge_one, t);
    }
    qemu_mutex_unlock(&t->s->lock);
    object_unref(OBJECT(t->s));
    g_free(t);
}

static void some(void *opaque, DmirageWatched *w, uint64_t first,
                 uint64_t last)
{
    *(bool *)opaque = true;
}

static void told(void *opaque, CPUState *cpu, const DmirageStore *store)
{
    DmirageState *s = opaque;
    bool matters = false;
    Told *t;

    qemu_mutex_lock(&s->lock);
    if (s->watchset) {
        dmirage_watchset_store(s->watchset, store->ram, store->size, some,
                               &matters);
    }
    qemu_mutex_unlock(&s->lock);
    if (!matters) {
        return;
    }
    t = g_new(Told, 1);
    *t = (Told) { .s = s, .cpu = cpu, .store = *store };
    object_ref(OBJECT(s));
    async_run_on_cpu(cpu, judge, RUN_ON_CPU_HOST_PTR(t));
}

/*
 * Somebody who knows of no windows has found that @x differs, as @f says: an
 * access, or an audit.  True: the watch sees to it, and it is not to be
 * reported.  If the window is closed, a command has come meanwhile, and waits
 * for the access; if there is none, it is open from now on.
 */
bool dmirage_watch_decides(DmirageState *s, DmirageContext *c,
                           const DmirageXlate *x, const DmirageFinding *f)
{
    DmirageWatchStore by = unseen(f->va);
    DmirageWatched *w;

    if (!is_watched(s, c) || dmirage_ctx_mode(c) != DMIRAGE_MODE_SHARED) {
        return false;
    }
    w = dmirage_watchset_find(s->watchset, x->asid, x->va, x->order);
    if (w && !w->suspect && w->x.pa == x->pa) {
        suspect(s, w, &by);
    }
    return true;
}

/* The large translations that a command covers in part: two ends of it. */
typedef struct Rest {
    DmirageState *s;
    uint64_t first;
    uint64_t last;
    unsigned n;
    DmirageXlate x[2];
} Rest;

/* A command drops @w, which is what should have come first. */
static void dropped(void *opaque, DmirageWatched *w)
{
    Rest *rest = opaque;
    DmirageState *s = rest->s;
    DmirageFinding f;

    if (is_shared(s, w)) {
        return;
    }
    if (rest->n < ARRAY_SIZE(rest->x) &&
        (w->x.va < rest->first || dmirage_xlate_last(&w->x) > rest->last)) {
        rest->x[rest->n++] = w->x;
    }
    if (!w->suspect || !current_cpu ||
        current_cpu->cpu_index != w->first.cpu) {
        return;
    }
    look(s, w, w->first.va, w->first.va, &f);
    if (f.kind != DMIRAGE_VIOL_NONE) {
        violation(s, w, &f, DMIRAGE_WATCH_FLUSH, &w->first);
    }
}

/*
 * What is left of @x may be in the mirror table still, in smaller entries.
 */
static void add_rest(DmirageState *s, DmirageContext *c, const DmirageXlate *x,
                     uint64_t first, uint64_t last)
{
    unsigned levels = DMIRAGE_CTL_PT_LEVELS_GET(c->ctl);
    uint64_t end = dmirage_xlate_last(x);
    uint64_t va = x->va, size;
    DmirageWalk w;

    for (; va <= end; va += size) {
        bool there = dmirage_walk_mirror(dmirage_dma_read64, s, c->pt_root,
                                         levels, levels, va,
                                         &w) == DMIRAGE_WALK_OK;

        size = 1ull << (DMIRAGE_ORDER_4K + 9 * (w.level - 1));
        if (there && (va > last || va + size - 1 < first)) {
            dmirage_watch_add(s, c, va, &w, x->fill_ns, false);
        }
        if (va + size < va) {
            break;
        }
    }
}

void dmirage_watch_drop(DmirageState *s, DmirageContext *c, uint64_t first,
                        uint64_t last)
{
    Rest rest = { .s = s, .first = first, .last = last };

    if (!s->watchset) {
        return;
    }
    RCU_READ_LOCK_GUARD();
    dmirage_watchset_drop_range(s->watchset, c->asid, first, last,
                                c->enabled ? dropped : NULL, &rest);
    for (unsigned i = 0; i < rest.n; i++) {
        add_rest(s, c, &rest.x[i], first, last);
    }
}

/* Long enough ago, and the vCPU seen outside often enough, that it counts. */
static bool is_overdue(const DmirageState *s, const DmirageWatched *w)
{
    int64_t limit_us = s->suspect_ms * 1000ll;
    unsigned outside = 1;

    if (is_shared(s, w) || w->first.cpu == CPU_NOT_KNOWN) {
        limit_us *= WINDOW;
        outside = WINDOW_OUTSIDE;
    }
    return w->first.outside >= outside &&
           g_get_monotonic_time() - w->first.since_us >= limit_us;
}

/**
 * Overdue: the suspects of a vCPU
 * @outside: it is in user mode, or idle
 * @left: there are such as it may not be certain of yet
 */
typedef struct Overdue {
    DmirageState *s;
    unsigned cpu;
    bool outside;
    bool left;
} Overdue;

static void overdue(void *opaque, DmirageWatched *w)
{
    Overdue *o = opaque;
    DmirageFinding f;

    if (w->first.cpu != o->cpu) {
        return;
    }
    w->first.outside += o->outside;
    if (!o->outside || !is_overdue(o->s, w)) {
        o->left = true;
        return;
    }
    look(o->s, w, w->first.va, w->first.va, &f);
    if (f.kind == DMIRAGE_VIOL_NONE) {
        dmirage_watchset_set_suspect(o->s->watchset, w, false);
        return;
    }
    violation(o->s, w, &f, DMIRAGE_WATCH_TIME, &w->first);
    dmirage_watchset_remove(o->s->watchset, w);
}

/* In the vCPU's thread, with the BQL. */
static void settle(CPUState *cpu, run_on_cpu_data data)
{
    Overdue o = {
        .s = data.host_ptr,
        .cpu = cpu->cpu_index,
        .outside = dmirage_ramwatch_outside(cpu),
    };

    qemu_mutex_lock(&o.s->lock);
    if (o.s->watchset) {
        RCU_READ_LOCK_GUARD();
        dmirage_watchset_suspects(o.s->watchset, overdue, &o);
        if (o.left) {
            start_timer(o.s, MAX(o.s->suspect_ms / 4, 1));
        }
    }
    qemu_mutex_unlock(&o.s->lock);
    object_unref(OBJECT(o.s));
}

/* Notes of which vCPUs there are suspects. */
static void whose(void *opaque, DmirageWatched *w)
{
    unsigned long *cpus = opaque;

    if (w->first.cpu < WATCH_CPUS_MAX) {
        set_bit(w->first.cpu, cpus);
    }
}

/*
 * In the main loop.  A vCPU may not have run for as long as that, on a busy
 * host, and still be in the middle of it; so it is asked itself.
 */
static void time_is_up(void *opaque)
{
    DmirageState *s = opaque;
    DECLARE_BITMAP(cpus, WATCH_CPUS_MAX) = { 0 };
    /* Of a store that nobody saw: no vCPU can be asked, it is time alone. */
    Overdue o = { .s = s, .cpu = CPU_NOT_KNOWN, .outside = true };

    qemu_mutex_lock(&s->lock);
    if (s->watchset) {
        RCU_READ_LOCK_GUARD();
        dmirage_watchset_suspects(s->watchset, whose, cpus);
        dmirage_watchset_suspects(s->watchset, overdue, &o);
        if (o.left) {
            start_timer(s, MAX(s->suspect_ms / 4, 1));
        }
    }
    qemu_mutex_unlock(&s->lock);
    for (unsigned n = find_first_bit(cpus, WATCH_CPUS_MAX);
         n < WATCH_CPUS_MAX; n = find_next_bit(cpus, WATCH_CPUS_MAX, n + 1)) {
        CPUState *cpu = qemu_get_cpu(n);

        if (cpu) {
            object_ref(OBJECT(s));
            async_run_on_cpu(cpu, settle, RUN_ON_CPU_HOST_PTR(s));
        }
    }
}

/* ---- Life, with the BQL held --------------------------------------------- */

static void settled(void *opaque, uint16_t asid)
{
    DmirageState *s = opaque;

    s->ctx[asid].count[DMIRAGE_CNT_WATCH_SETTLED]++;
}

bool dmirage_watch_start(DmirageState *s, Error **errp)
{
    static const DmirageWatchOps ops = { watch_table, unwatch_table, settled };
    Error *why = NULL;

    if (s->watch == ON_OFF_AUTO_OFF) {
        return true;
    }
    if (!dmirage_ramwatch_start(told, s, &why)) {
        if (s->watch == ON_OFF_AUTO_ON) {
            error_propagate(errp, why);
            return false;
        }
        error_free(why);
        return true;
    }
    s->watchset = dmirage_watchset_new(WATCH_TABLES_MAX, &ops, s);
    dmirage_chain_start(s);
    s->watch_timer = timer_new_ms(QEMU_CLOCK_REALTIME, time_is_up, s);
    return true;
}

/* No engine works any more. */
void dmirage_watch_stop(DmirageState *s)
{
    DmirageWatchset *watchset = s->watchset;

    if (!watchset) {
        return;
    }
    timer_free(s->watch_timer);
    qemu_mutex_lock(&s->lock);
    s->watchset = NULL;
    WITH_RCU_READ_LOCK_GUARD() {
        dmirage_watchset_free(watchset);
    }
    qemu_mutex_unlock(&s->lock);
    dmirage_chain_stop(s);
    dmirage_ramwatch_stop();
}
