/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of RAM of which each store by a vCPU is told, under TCG.
 *
 * QEMU's TLB sends a store by a slow path if the page may be clean
 * (TLB_NOTDIRTY), to mark it dirty.  A page that is watched never leaves that
 * path: accel/tcg/cputlb.c asks here in three places, which install puts
 * there.  Loads, and stores to other pages, are as fast as ever, and no
 * memory region changes.
 *
 * Whoever sets a bit in the map and then takes the page's dirty bit away has
 * reached the TLBs of all vCPUs before it goes on: QEMU changes the entries
 * there itself (tlb_reset_dirty), under the lock by which they are filled.
 *
 * What this does not see: stores by devices, and the accessed and dirty bits
 * that the MMU sets.
 *
 * This header is for files that know the target (target/i386/cpu.h).
 */
#ifndef DMIRAGE_RAMWATCH_H
#define DMIRAGE_RAMWATCH_H

#include "qemu/atomic.h"
#include "qemu/bitops.h"

/* A bit for each page by its ram_addr_t; NULL: nobody watches. */
extern unsigned long *dmirage_ramwatch_map;
extern uint64_t dmirage_ramwatch_pages;

void dmirage_ramwatch_tell(CPUState *cpu, uint64_t ram, unsigned size,
                           uintptr_t retaddr);

static inline bool dmirage_ramwatch_has(uint64_t ram)
{
    unsigned long *map = qatomic_read(&dmirage_ramwatch_map);
    uint64_t page = ram >> 12;

    return unlikely(map) && page < dmirage_ramwatch_pages &&
           qatomic_read(&map[BIT_WORD(page)]) & BIT_MASK(page);
}

/*
 * The vCPU is about to store @size bytes at @ram.  May be told in vain.
 *
 * Not an instruction's store, and so without a place to return to, is the MMU's
 * own walk: QEMU asks for each table on the way as if it were to write to it,
 * and it may, but accessed and dirty bits alone.  There are four of these for
 * each miss of the TLB, and on the root depends whatever is watched.
 */
static inline void dmirage_ramwatch_store(CPUState *cpu, uint64_t ram,
                                          unsigned size, uintptr_t retaddr)
{
    if (retaddr && dmirage_ramwatch_has(ram)) {
        dmirage_ramwatch_tell(cpu, ram, size, retaddr);
    }
}

#endif
