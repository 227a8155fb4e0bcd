/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the device reaches memory.
 *
 * Only RAM: a process can name no device registers, so a translation that
 * leads to some is a mistake or an attack, and QEMU would have to take its big
 * lock for the access, which the engine thread must never do (dmirage.h).
 */
#include "dmirage.h"

static const MemTxAttrs dma_attrs = { .memory = 1 };

/* All of @len bytes at @addr are RAM that may be read (or written). */
static bool is_ram(AddressSpace *as, hwaddr addr, hwaddr len, bool write)
{
    RCU_READ_LOCK_GUARD();

    while (len) {
        hwaddr xlat, part = len;
        MemoryRegion *mr = address_space_translate(as, addr, &xlat, &part,
                                                   write, dma_attrs);

        if (!memory_access_is_direct(mr, write) || !part) {
            return false;
        }
        addr += part;
        len -= part;
    }
    return true;
}

static bool one_piece(uint64_t addr, uint64_t len)
{
    return len <= 8 && is_power_of_2(len) && !(addr & (len - 1));
}

/*
 * The sizes of one_piece() through accessors that load or store once:
 * address_space_rw() promises nothing about how memory is copied.
 */
static MemTxResult load(AddressSpace *as, hwaddr addr, void *buf, hwaddr len)
{
    MemTxResult r;

    switch (len) {
    case 1:
        *(uint8_t *)buf = address_space_ldub(as, addr, dma_attrs, &r);
        break;
    case 2:
        stw_he_p(buf, cpu_to_le16(address_space_lduw_le(as, addr, dma_attrs,
                                                        &r)));
        break;
    case 4:
        stl_he_p(buf, cpu_to_le32(address_space_ldl_le(as, addr, dma_attrs,
                                                       &r)));
        break;
    default:
        stq_he_p(buf, cpu_to_le64(address_space_ldq_le(as, addr, dma_attrs,
                                                       &r)));
        break;
    }
    return r;
}

static MemTxResult store(AddressSpace *as, hwaddr addr, const void *buf,
                         hwaddr len)
{
    MemTxResult r;

    switch (len) {
    case 1:
        address_space_stb(as, addr, *(const uint8_t *)buf, dma_attrs, &r);
        break;
    case 2:
        address_space_stw_le(as, addr, lduw_le_p(buf), dma_attrs, &r);
        break;
    case 4:
        address_space_stl_le(as, addr, ldl_le_p(buf), dma_attrs, &r);
        break;
    default:
        address_space_stq_le(as, addr, ldq_le_p(buf), dma_attrs, &r);
        break;
    }
    return r;
}

static bool read_ram(AddressSpace *as, uint64_t addr, void *buf, uint64_t len)
{
    if (!is_ram(as, addr, len, false)) {
        return false;
    }
    if (one_piece(addr, len)) {
        return load(as, addr, buf, len) == MEMTX_OK;
    }
    return dma_memory_read(as, addr, buf, len, dma_attrs) == MEMTX_OK;
}

bool dmirage_dma_read(DmirageState *s, uint64_t addr, void *buf, uint64_t len)
{
    return read_ram(pci_get_address_space(PCI_DEVICE(s)), addr, buf, len);
}

bool dmirage_dma_write(DmirageState *s, uint64_t addr, const void *buf,
                       uint64_t len)
{
    AddressSpace *as = pci_get_address_space(PCI_DEVICE(s));

    if (!is_ram(as, addr, len, true)) {
        return false;
    }
    if (one_piece(addr, len)) {
        return store(as, addr, buf, len) == MEMTX_OK;
    }
    return dma_memory_write(as, addr, buf, len, dma_attrs) == MEMTX_OK;
}

bool dmirage_dma_read64(void *opaque, uint64_t addr, uint64_t *value)
{
    uint64_t le;

    if (!dmirage_dma_read(opaque, addr, &le, sizeof(le))) {
        return false;
    }
    *value = le64_to_cpu(le);
    return true;
}

bool dmirage_phys_read64(void *opaque, uint64_t addr, uint64_t *value)
{
    uint64_t le;

    if (!read_ram(&address_space_memory, addr, &le, sizeof(le))) {
        return false;
    }
    *value = le64_to_cpu(le);
    return true;
}

/* Where an address leads: a place in a block of RAM. */
static MemoryRegion *place(AddressSpace *as, uint64_t addr, hwaddr *offset)
{
    hwaddr len = 1;
    MemoryRegion *mr = address_space_translate(as, addr, offset, &len, false,
                                               dma_attrs);

    return memory_access_is_direct(mr, false) ? mr : NULL;
}

/*
 * Behind an IOMMU a DMA address is not a physical one, so what they lead to
 * is compared.
 */
bool dmirage_same_frame(void *opaque, uint64_t dma, uint64_t phys)
{
    AddressSpace *as = pci_get_address_space(PCI_DEVICE(opaque));
    hwaddr dma_offset, phys_offset;
    MemoryRegion *mr;

    RCU_READ_LOCK_GUARD();
    mr = place(as, dma, &dma_offset);
    return mr && mr == place(&address_space_memory, phys, &phys_offset) &&
           dma_offset == phys_offset;
}
