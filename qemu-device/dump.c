/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IOTLB's content: for the driver by the DUMP command, for people as the
 * property "iotlb", which QEMU's monitor reads:
 *
 *     (qemu) qom-get /machine/peripheral/<id> iotlb
 */
#include "dmirage.h"

#include "qapi/error.h"
#include "qapi/visitor.h"

/* Entries that are written to memory in one go. */
#define BATCH   128

static struct dmirage_tlbe entry(const DmirageXlate *x)
{
    return (struct dmirage_tlbe) {
        .va = cpu_to_le64(x->va),
        .pa = cpu_to_le64(x->pa),
        .fill_time = cpu_to_le64(x->fill_ns),
        .asid = cpu_to_le16(x->asid),
        .order = x->order,
        .flags = (x->write ? DMIRAGE_TLBE_WRITE : 0) |
                 (x->prefetched ? DMIRAGE_TLBE_PREFETCHED : 0),
    };
}

/*
 * Writes the entries to the @len bytes at @addr, as far as they fit, and says
 * how many there are.  False: there is no memory.
 */
bool dmirage_dump(DmirageState *s, uint64_t addr, uint64_t len,
                  uint32_t *entries)
{
    struct dmirage_tlbe batch[BATCH];
    uint64_t fit = len / sizeof(batch[0]);
    unsigned places = dmirage_iotlb_entries(s->iotlb);
    uint64_t written = 0;
    unsigned n = 0;

    for (unsigned i = 0; i < places && written + n < fit; i++) {
        const DmirageXlate *x = dmirage_iotlb_at(s->iotlb, i);

        if (x) {
            batch[n++] = entry(x);
        }
        if (n == BATCH) {
            if (!dmirage_dma_write(s, addr + written * sizeof(batch[0]),
                                   batch, sizeof(batch))) {
                return false;
            }
            written += n;
            n = 0;
        }
    }
    *entries = dmirage_iotlb_held(s->iotlb);
    return !n || dmirage_dma_write(s, addr + written * sizeof(batch[0]),
                                   batch, n * sizeof(batch[0]));
}

static bool visit_entry(Visitor *v, const DmirageXlate *x, Error **errp)
{
    uint64_t va = x->va, pa = x->pa;
    uint64_t size = 1ull << x->order;
    uint16_t asid = x->asid;
    int64_t fill_ns = x->fill_ns;
    bool write = x->write, prefetched = x->prefetched;
    bool ok;

    if (!visit_start_struct(v, NULL, NULL, 0, errp)) {
        return false;
    }
    ok = visit_type_uint16(v, "asid", &asid, errp) &&
         visit_type_uint64(v, "va", &va, errp) &&
         visit_type_uint64(v, "pa", &pa, errp) &&
         visit_type_uint64(v, "size", &size, errp) &&
         visit_type_bool(v, "write", &write, errp) &&
         visit_type_bool(v, "prefetched", &prefetched, errp) &&
         visit_type_int64(v, "fill-ns", &fill_ns, errp);
    visit_end_struct(v, NULL);
    return ok;
}

static void get_iotlb(Object *obj, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    DmirageState *s = DMIRAGE(obj);
    g_autofree DmirageXlate *copy = NULL;
    unsigned n = 0;

    if (!s->iotlb) {
        error_setg(errp, "the device is not realized");
        return;
    }
    qemu_mutex_lock(&s->lock);
    copy = g_new(DmirageXlate, dmirage_iotlb_held(s->iotlb) + 1);
    for (unsigned i = 0; i < dmirage_iotlb_entries(s->iotlb); i++) {
        const DmirageXlate *x = dmirage_iotlb_at(s->iotlb, i);

        if (x) {
            copy[n++] = *x;
        }
    }
    qemu_mutex_unlock(&s->lock);

    if (!visit_start_list(v, name, NULL, 0, errp)) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        if (!visit_entry(v, &copy[i], errp)) {
            break;
        }
    }
    visit_end_list(v, NULL);
}

void dmirage_dump_class_init(ObjectClass *klass)
{
    object_class_property_add(klass, "iotlb", "DmirageTlbEntryList",
                              get_iotlb, NULL, NULL, NULL);
    object_class_property_set_description(klass, "iotlb",
                                          "translations in the IOTLB now");
}
