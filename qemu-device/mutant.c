/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mutants of the device.  See mutant.h. */
#include "dmirage.h"

#include "qapi/error.h"
#include "qapi/util.h"
#include "qemu/error-report.h"
#include "qemu/log.h"

/* One flush of so many is lost. */
#define LOST_ONE_IN 3

static const char *const names[] = {
    [DMIRAGE_MUTANT_NONE] = "none",
    [DMIRAGE_MUTANT_ACK_EARLY] = "ack-early",
    [DMIRAGE_MUTANT_DROP_FLUSH] = "drop-flush",
    [DMIRAGE_MUTANT_FLUSH_SMALL] = "flush-small",
    [DMIRAGE_MUTANT_KEEP_WALK_CACHE] = "keep-walk-cache",
    [DMIRAGE_MUTANT_ANY_ASID] = "any-asid",
    [DMIRAGE_MUTANT_BLIND_FRAME] = "blind-frame",
    [DMIRAGE_MUTANT_BLIND_WRITE] = "blind-write",
    [DMIRAGE_MUTANT_BLIND_LARGE] = "blind-large",
};
QEMU_BUILD_BUG_ON(ARRAY_SIZE(names) != DMIRAGE_MUTANT_MAX);

static const QEnumLookup lookup = {
    .array = names,
    .size = DMIRAGE_MUTANT_MAX,
};

bool dmirage_mutant_loses_flush(DmirageState *s)
{
    return s->mutant == DMIRAGE_MUTANT_DROP_FLUSH &&
           ++s->mutant_flushes % LOST_ONE_IN == 0;
}

unsigned dmirage_mutant_spares(DmirageState *s, uint16_t asid, uint64_t first,
                               uint64_t last, DmirageXlate **spared)
{
    unsigned n = 0;

    *spared = NULL;
    if (s->mutant != DMIRAGE_MUTANT_FLUSH_SMALL) {
        return 0;
    }
    *spared = g_new(DmirageXlate, dmirage_iotlb_held(s->iotlb));
    for (unsigned i = 0; i < dmirage_iotlb_entries(s->iotlb); i++) {
        const DmirageXlate *x = dmirage_iotlb_at(s->iotlb, i);

        if (x && x->asid == asid && x->order > DMIRAGE_ORDER_4K &&
            x->va <= last && dmirage_xlate_last(x) >= first) {
            (*spared)[n++] = *x;
        }
    }
    return n;
}

const DmirageXlate *dmirage_mutant_lookup(DmirageState *s, uint64_t va)
{
    const DmirageXlate *x = NULL;

    if (s->mutant == DMIRAGE_MUTANT_ANY_ASID) {
        for (unsigned i = 0; i < DMIRAGE_CONTEXTS && !x; i++) {
            x = dmirage_iotlb_lookup(s->iotlb, i, va);
        }
    }
    return x;
}

DmirageBlind dmirage_mutant_blinds(DmirageState *s)
{
    switch (s->mutant) {
    case DMIRAGE_MUTANT_BLIND_FRAME:
        return DMIRAGE_BLIND_FRAME;
    case DMIRAGE_MUTANT_BLIND_WRITE:
        return DMIRAGE_BLIND_WRITE;
    case DMIRAGE_MUTANT_BLIND_LARGE:
        return DMIRAGE_BLIND_LARGE;
    default:
        return DMIRAGE_SEES_ALL;
    }
}

static int get(Object *obj, Error **errp)
{
    DmirageState *s = DMIRAGE(obj);
    int mutant;

    qemu_mutex_lock(&s->lock);
    mutant = s->mutant;
    qemu_mutex_unlock(&s->lock);
    return mutant;
}

static void set(Object *obj, int mutant, Error **errp)
{
    DmirageState *s = DMIRAGE(obj);

    if (mutant != DMIRAGE_MUTANT_NONE) {
        /* To who asked, and to the log. */
        warn_report("dmirage: for tests only: it has a bug now, x-mutant=%s",
                    names[mutant]);
        qemu_log_mask(LOG_GUEST_ERROR,
                      "dmirage: for tests only: it has a bug now,"
                      " x-mutant=%s\n",
                      names[mutant]);
    }
    qemu_mutex_lock(&s->lock);
    s->mutant = mutant;
    s->mutant_flushes = 0;
    /* Before the device is realized it has no caches. */
    for (unsigned i = 0; s->iotlb && i < DMIRAGE_CONTEXTS; i++) {
        dmirage_inval_asid(s, &s->ctx[i]);
    }
    qemu_mutex_unlock(&s->lock);
}

void dmirage_mutant_class_init(ObjectClass *klass)
{
    object_class_property_add_enum(klass, "x-mutant", "DmirageMutant", &lookup,
                                   get, set);
    object_class_property_set_description(
        klass, "x-mutant", "for tests of tests: a bug that the device has");
}
