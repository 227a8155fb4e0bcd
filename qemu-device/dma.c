/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the device reaches memory.
 *
 * Only RAM: a process can name no device registers, so a translation that
 * leads to some is a mistake or an attack, and QEMU would have to take its big
 * lock for the access, which engine threads must never do (dmirage.h).
 *
 * QEMU's dma_memory_map() would go through a bounce buffer for what is not
 * RAM, and asking first leaves a gap in which the answer changes.  So an
 * address is translated here, once.  What it leads to is kept by RCU, and for
 * writes by a reference, too, which address_space_unmap() drops; that does what
 * is to be done after DMA to RAM: dirty bits, and translated code that has been
 * overwritten.
 */
#include "dmirage.h"

static const MemTxAttrs dma_attrs = { .memory = 1 };

/*
 * The RAM behind @addr, and in *@len how far it goes on.  Within an RCU read
 * section.
 */
static MemoryRegion *translate(DmirageState *s, uint64_t addr, hwaddr *xlat,
                               hwaddr *len, bool write)
{
    AddressSpace *as = pci_get_address_space(&s->parent_obj);
    MemoryRegion *mr = address_space_translate(as, addr, xlat, len, write,
                                               dma_attrs);

    return *len && dmirage_is_direct(mr, write) ? mr : NULL;
}

void *dmirage_dma_map(DmirageState *s, uint64_t addr, uint64_t *len,
                      bool write)
{
    hwaddr xlat, part = *len;
    MemoryRegion *mr;

    RCU_READ_LOCK_GUARD();
    mr = translate(s, addr, &xlat, &part, write);
    if (!mr) {
        return NULL;
    }
    if (write) {
        memory_region_ref(mr);
    }
    *len = part;
    return (uint8_t *)memory_region_get_ram_ptr(mr) + xlat;
}

void dmirage_dma_unmap(DmirageState *s, void *host, uint64_t len, bool write,
                       uint64_t written)
{
    if (write) {
        address_space_unmap(pci_get_address_space(&s->parent_obj), host, len,
                            true, written);
    }
}

/* Copies once in one piece what is naturally aligned, else just copies. */
static void copy(void *to, const void *from, uint64_t len)
{
    uintptr_t low = (uintptr_t)to | (uintptr_t)from;

    if (len == 8 && !(low & 7)) {
        qatomic_set((uint64_t *)to, qatomic_read((const uint64_t *)from));
    } else if (len == 4 && !(low & 3)) {
        qatomic_set((uint32_t *)to, qatomic_read((const uint32_t *)from));
    } else if (len == 2 && !(low & 1)) {
        qatomic_set((uint16_t *)to, qatomic_read((const uint16_t *)from));
    } else {
        memcpy(to, from, len);
    }
}

bool dmirage_dma_read(DmirageState *s, uint64_t addr, void *buf, uint64_t len)
{
    uint8_t *to = buf;

    RCU_READ_LOCK_GUARD();
    while (len) {
        hwaddr xlat, part = len;
        MemoryRegion *mr = translate(s, addr, &xlat, &part, false);

        if (!mr) {
            return false;
        }
        copy(to, (uint8_t *)memory_region_get_ram_ptr(mr) + xlat, part);
        to += part;
        addr += part;
        len -= part;
    }
    return true;
}

bool dmirage_dma_write(DmirageState *s, uint64_t addr, const void *buf,
                       uint64_t len)
{
    const uint8_t *from = buf;

    while (len) {
        uint64_t part = len;
        void *host = dmirage_dma_map(s, addr, &part, true);

        if (!host) {
            return false;
        }
        copy(host, from, part);
        dmirage_dma_unmap(s, host, part, true, part);
        from += part;
        addr += part;
        len -= part;
    }
    return true;
}

bool dmirage_dma_read64(void *opaque, uint64_t addr, uint64_t *value)
{
    uint64_t le;

    /* A uint64_t of the host's is aligned, so this goes in one piece. */
    if (!dmirage_dma_read(opaque, addr, &le, sizeof(le))) {
        return false;
    }
    *value = le64_to_cpu(le);
    return true;
}

bool dmirage_dma_cas64(void *opaque, uint64_t addr, uint64_t *expected,
                       uint64_t desired)
{
    uint64_t old, want = cpu_to_le64(*expected), len = sizeof(old);
    uint64_t *host = dmirage_dma_map(opaque, addr, &len, true);

    if (!host) {
        return false;
    }
    if (len < sizeof(old) || (uintptr_t)host & 7) {
        dmirage_dma_unmap(opaque, host, len, true, 0);
        return false;
    }
    old = qatomic_cmpxchg(host, want, cpu_to_le64(desired));
    dmirage_dma_unmap(opaque, host, len, true, sizeof(old));
    *expected = le64_to_cpu(old);
    return true;
}
