/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dmirage device as a PCI Express function: identity, BARs, MSI-X,
 * properties, reset and life.
 */
#include "dmirage.h"

#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "trace.h"

static void vm_state_changed(void *opaque, bool running, RunState state)
{
    DmirageState *s = opaque;

    qemu_mutex_lock(&s->lock);
    s->running = running;
    dmirage_engine_kick(s);
    qemu_cond_signal(&s->audit_work);
    if (!s->engines) {
        dmirage_engine_run(s);
    }
    qemu_mutex_unlock(&s->lock);
    if (!running) {
        dmirage_engine_quiesce(s);
    }
}

static void dmirage_reset(DeviceState *dev)
{
    DmirageState *s = DMIRAGE(dev);

    dmirage_regs_reset(s);
    dmirage_engine_quiesce(s);
    msix_reset(PCI_DEVICE(dev));
}

/* The place of @name in @names; not set means the first. */
static bool choose(const char *property, const char *name,
                   const char *const *names, unsigned n, unsigned *chosen,
                   Error **errp)
{
    for (*chosen = 0; *chosen < n; (*chosen)++) {
        if (!name || !strcmp(name, names[*chosen])) {
            return true;
        }
    }
    error_setg(errp, "%s=%s: must be one of %s, %s, %s", property, name,
               names[0], names[1], names[2]);
    return false;
}

static bool in_range(const char *property, uint32_t value, uint32_t min,
                     uint32_t max, Error **errp)
{
    if (value < min || value > max) {
        error_setg(errp, "%s=%u: must be from %u to %u", property, value, min,
                   max);
        return false;
    }
    return true;
}

static bool check_properties(DmirageState *s, Error **errp)
{
    static const char *const actions[] = { "log", "stop", "abort" };
    unsigned action;

    if (!in_range("suspect-ms", s->suspect_ms, 1, 10000, errp) ||
        !in_range("audit-ms", s->audit_ms, 0, 3600000, errp) ||
        !in_range("engines", s->engines, 0, DMIRAGE_ENGINES_MAX, errp) ||
        !in_range("poll-us", s->poll_us, 0, 1000, errp) ||
        !in_range("walk-cache", s->walk_cache, 0, DMIRAGE_WALKCACHE_MAX,
                  errp) ||
        !in_range("prefetch", s->prefetch, 0, 511, errp) ||
        !choose("on-violation", s->on_violation_name, actions,
                ARRAY_SIZE(actions), &action, errp)) {
        return false;
    }
    s->on_violation = action;
    return true;
}

static void free_caches(DmirageState *s)
{
    dmirage_walkcache_free(s->walkcache);
    dmirage_iotlb_free(s->iotlb);
    s->walkcache = NULL;
    s->iotlb = NULL;
}

static bool make_caches(DmirageState *s, Error **errp)
{
    static const char *const policies[] = { "lru", "fifo", "random" };
    unsigned policy;

    if (!choose("iotlb-replacement", s->iotlb_replacement, policies,
                ARRAY_SIZE(policies), &policy, errp)) {
        return false;
    }
    s->iotlb = dmirage_iotlb_new(s->iotlb_entries, s->iotlb_ways, policy);
    if (!s->iotlb) {
        error_setg(errp, "iotlb-entries and iotlb-ways must be powers of two,"
                         " with no more ways than entries, and those no more"
                         " than 65536");
        return false;
    }
    s->iotlb_generation = dmirage_iotlb_generation(s->iotlb);
    s->walkcache = dmirage_walkcache_new(s->walk_cache);
    if (!s->walkcache) {
        error_setg(errp, "no memory for the walk cache");
        free_caches(s);
        return false;
    }
    return true;
}

static void dmirage_realize(PCIDevice *pdev, Error **errp)
{
    DmirageState *s = DMIRAGE(pdev);

    if (!check_properties(s, errp) || !make_caches(s, errp)) {
        return;
    }
    if (pcie_endpoint_cap_init(pdev, 0) < 0) {
        error_setg(errp, "no room for the PCI Express capability");
        goto free_caches;
    }
    if (msix_init_exclusive_bar(pdev, DMIRAGE_VECTORS, DMIRAGE_BAR_MSIX,
                                errp)) {
        goto free_pcie;
    }
    for (unsigned v = 0; v < DMIRAGE_VECTORS; v++) {
        msix_vector_use(pdev, v);
    }
    s->inflight = dmirage_inflight_new(DMIRAGE_CONTEXTS);
    s->ram = dmirage_ram_new();
    dmirage_irq_init(s);
    for (unsigned i = 0; i < DMIRAGE_CONTEXTS; i++) {
        s->ctx[i].asid = i;
        s->ctx[i].hold_limit = DMIRAGE_HOLD_LIMIT_DEFAULT;
    }
    if (!dmirage_watch_start(s, errp)) {
        goto free_irq;
    }
    s->running = runstate_is_running();
    dmirage_engine_start(s);
    s->vm_state = qemu_add_vm_change_state_handler(vm_state_changed, s);

    memory_region_init_io(&s->regs, OBJECT(s), &dmirage_regs_ops, s,
                          "dmirage-regs", DMIRAGE_BAR_SIZE);
    dmirage_allow_reentrancy(&s->regs);
    pci_register_bar(pdev, DMIRAGE_BAR_REGS,
                     PCI_BASE_ADDRESS_SPACE_MEMORY |
                         PCI_BASE_ADDRESS_MEM_TYPE_64,
                     &s->regs);
    return;

free_irq:
    dmirage_irq_exit(s);
    dmirage_ram_free(s->ram);
    dmirage_inflight_free(s->inflight);
    msix_uninit_exclusive_bar(pdev);
free_pcie:
    pcie_cap_exit(pdev);
free_caches:
    free_caches(s);
}

static void dmirage_exit(PCIDevice *pdev)
{
    DmirageState *s = DMIRAGE(pdev);

    qemu_del_vm_change_state_handler(s->vm_state);
    dmirage_engine_stop(s);
    dmirage_watch_stop(s);
    dmirage_irq_exit(s);
    msix_uninit_exclusive_bar(pdev);
    pcie_cap_exit(pdev);
    dmirage_ram_free(s->ram);
    dmirage_inflight_free(s->inflight);
    free_caches(s);
}

static const VMStateDescription dmirage_vmstate = {
    .name = TYPE_DMIRAGE,
    .unmigratable = 1,
};

/* What each one means is said in docs/hardware.md. */
static DMIRAGE_CONST_PROP Property dmirage_properties[] = DMIRAGE_PROPERTIES(
    DEFINE_PROP_UINT32("iotlb-entries", DmirageState, iotlb_entries, 1024),
    DEFINE_PROP_UINT32("iotlb-ways", DmirageState, iotlb_ways, 4),
    DEFINE_PROP_STRING("iotlb-replacement", DmirageState, iotlb_replacement),
    DEFINE_PROP_BOOL("fracture", DmirageState, fracture, false),
    DEFINE_PROP_UINT32("walk-cache", DmirageState, walk_cache, 32),
    DEFINE_PROP_UINT32("prefetch", DmirageState, prefetch, 0),
    DEFINE_PROP_UINT32("engines", DmirageState, engines, 1),
    DEFINE_PROP_UINT32("poll-us", DmirageState, poll_us, 50),
    DEFINE_PROP_BOOL("oracle", DmirageState, oracle, true),
    DEFINE_PROP_ON_OFF_AUTO("watch", DmirageState, watch, ON_OFF_AUTO_AUTO),
    DEFINE_PROP_UINT32("suspect-ms", DmirageState, suspect_ms, 200),
    DEFINE_PROP_UINT32("audit-ms", DmirageState, audit_ms, 0),
    DEFINE_PROP_STRING("on-violation", DmirageState, on_violation_name),
    DEFINE_PROP_BOOL("x-calibrate", DmirageState, calibrate, false));

static void dmirage_class_init(ObjectClass *klass,
                               DMIRAGE_CONST_CLASS void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);

    k->realize = dmirage_realize;
    k->exit = dmirage_exit;
    k->vendor_id = DMIRAGE_PCI_VENDOR;
    k->device_id = DMIRAGE_PCI_DEVICE;
    k->revision = DMIRAGE_PCI_REVISION;
    k->class_id = DMIRAGE_PCI_CLASS;
    dc->desc = "DMA device with an IOTLB and a check for stale translations";
    dc->vmsd = &dmirage_vmstate;
    device_class_set_legacy_reset(dc, dmirage_reset);
    device_class_set_props(dc, dmirage_properties);
    dmirage_dump_class_init(OBJECT_CLASS(klass));
    dmirage_mutant_class_init(OBJECT_CLASS(klass));
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

/* The lock is there for as long as anybody may have a pointer to the device. */
static void dmirage_init(Object *obj)
{
    qemu_mutex_init(&DMIRAGE(obj)->lock);
}

static void dmirage_finalize(Object *obj)
{
    qemu_mutex_destroy(&DMIRAGE(obj)->lock);
}

static const TypeInfo dmirage_info = {
    .name = TYPE_DMIRAGE,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(DmirageState),
    .instance_init = dmirage_init,
    .instance_finalize = dmirage_finalize,
    .class_init = dmirage_class_init,
    .interfaces = (DMIRAGE_CONST_CLASS InterfaceInfo[]) {
        { INTERFACE_PCIE_DEVICE },
        { },
    },
};

static void dmirage_register_types(void)
{
    type_register_static(&dmirage_info);
}

type_init(dmirage_register_types)
