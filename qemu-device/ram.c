/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Physical memory as the CPU sees it, for the oracle.
 *
 * The oracle reads the process's page table, several entries for each page of
 * each access.  So RAM is kept here as a short table of ranges and the host's
 * addresses of them, brought up to date by QEMU when the memory map changes
 * and read within an RCU read section of the caller's.
 */
#include "dmirage.h"

#include "qemu/rcu.h"

typedef struct RamRange {
    hwaddr addr;
    uint64_t size;
    uint8_t *host;
    ram_addr_t ram;
} RamRange;

typedef struct Map {
    struct rcu_head rcu;
    unsigned n;
    RamRange range[];
} Map;

struct DmirageRam {
    MemoryListener listener;
    GArray *next;               /* of RamRange: the map that is being made */
    Map *map;                   /* RCU */
};

static void begin(MemoryListener *listener)
{
    DmirageRam *ram = container_of(listener, DmirageRam, listener);

    g_array_set_size(ram->next, 0);
}

static void add(MemoryListener *listener, MemoryRegionSection *section)
{
    DmirageRam *ram = container_of(listener, DmirageRam, listener);
    RamRange r = {
        .addr = section->offset_within_address_space,
        .size = int128_get64(section->size),
    };

    if (memory_region_is_ram(section->mr)) {
        r.host = (uint8_t *)memory_region_get_ram_ptr(section->mr) +
                 section->offset_within_region;
        r.ram = memory_region_get_ram_addr(section->mr) +
                section->offset_within_region;
        g_array_append_val(ram->next, r);
    }
}

static gint larger_first(gconstpointer a, gconstpointer b)
{
    const RamRange *x = a, *y = b;

    return (x->size < y->size) - (x->size > y->size);
}

static void commit(MemoryListener *listener)
{
    DmirageRam *ram = container_of(listener, DmirageRam, listener);
    size_t size = ram->next->len * sizeof(RamRange);
    Map *map = g_malloc(sizeof(*map) + size);
    Map *old = ram->map;

    /* What is looked for is mostly in one of the large ones. */
    g_array_sort(ram->next, larger_first);
    map->n = ram->next->len;
    memcpy(map->range, ram->next->data, size);
    qatomic_rcu_set(&ram->map, map);
    if (old) {
        g_free_rcu(old, rcu);
    }
}

DmirageRam *dmirage_ram_new(void)
{
    DmirageRam *ram = g_new0(DmirageRam, 1);

    ram->next = g_array_new(false, false, sizeof(RamRange));
    ram->listener = (MemoryListener) {
        .name = "dmirage",
        .begin = begin,
        .region_add = add,
        .region_nop = add,
        .commit = commit,
    };
    memory_listener_register(&ram->listener, &address_space_memory);
    return ram;
}

void dmirage_ram_free(DmirageRam *ram)
{
    /* Which makes a last map, an empty one. */
    memory_listener_unregister(&ram->listener);
    if (ram->map) {
        g_free_rcu(ram->map, rcu);
    }
    g_array_free(ram->next, true);
    g_free(ram);
}

/* The range that has @addr.  NULL: no RAM there.  Within RCU. */
static const RamRange *find(DmirageRam *ram, uint64_t addr)
{
    const Map *map = qatomic_rcu_read(&ram->map);

    for (unsigned i = 0; i < map->n; i++) {
        const RamRange *r = &map->range[i];

        if (addr - r->addr < r->size) {
            return r;
        }
    }
    return NULL;
}

bool dmirage_ram_read64(void *opaque, uint64_t addr, uint64_t *value)
{
    DmirageWitness *w = opaque;
    const RamRange *r = find(w->s->ram, addr);

    if (!r) {
        return false;
    }
    *value = le64_to_cpu(
        qatomic_read((const uint64_t *)(r->host + (addr - r->addr))));
    return true;
}

bool dmirage_ram_address(DmirageRam *ram, uint64_t addr, uint64_t *ram_addr)
{
    const RamRange *r = find(ram, addr);

    if (!r) {
        return false;
    }
    *ram_addr = r->ram + (addr - r->addr);
    return true;
}

/* Where an address leads: a place in a block of RAM. */
static MemoryRegion *place(AddressSpace *as, uint64_t addr, hwaddr *offset)
{
    hwaddr len = 1;
    MemoryRegion *mr = address_space_translate(as, addr, offset, &len, false,
                                               MEMTXATTRS_UNSPECIFIED);

    return dmirage_is_direct(mr, false) ? mr : NULL;
}

/*
 * Without an IOMMU DMA addresses are physical ones.  Behind one they are not,
 * and what the two lead to is compared.
 */
bool dmirage_ram_same_frame(void *opaque, uint64_t dma, uint64_t phys)
{
    DmirageState *s = ((DmirageWitness *)opaque)->s;
    hwaddr dma_offset, phys_offset;
    MemoryRegion *mr;

    if (!s->iommu) {
        return dma == phys;
    }
    mr = place(pci_get_address_space(&s->parent_obj), dma, &dma_offset);
    return mr && mr == place(&address_space_memory, phys, &phys_offset) &&
           dma_offset == phys_offset;
}

/* Of two pages, by physical addresses.  They may be written to meanwhile. */
bool dmirage_ram_same_content(void *opaque, uint64_t a, uint64_t b)
{
    DmirageWitness *w = opaque;
    const RamRange *at_a = find(w->s->ram, a), *at_b = find(w->s->ram, b);

    return at_a && at_b &&
           !memcmp(at_a->host + (a - at_a->addr),
                   at_b->host + (b - at_b->addr), DMIRAGE_PAGE);
}
