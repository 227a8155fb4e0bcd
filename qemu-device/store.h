/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store by a vCPU to a page that is watched, and how such pages are chosen:
 * what of ramwatch.c the rest of the device sees.
 */
#ifndef DMIRAGE_STORE_H
#define DMIRAGE_STORE_H

#include <stdbool.h>
#include <stdint.h>

/**
 * DmirageStore: a store that is about to be made
 * @ram: where, a ram_addr_t
 * @size: bytes; 1 also if it is not known how many
 * @cpu: index of the vCPU
 * @pc: linear address of the instruction; 0: not known
 * @before: the 8 bytes, aligned, that it begins in
 */
typedef struct DmirageStore {
    uint64_t ram;
    unsigned size;
    unsigned cpu;
    uint64_t pc;
    uint64_t before;
} DmirageStore;

struct CPUState;
struct Error;

/* In the vCPU's thread, within an RCU read section, without the BQL. */
typedef void DmirageStoreFn(void *opaque, struct CPUState *cpu,
                            const DmirageStore *store);

bool dmirage_ramwatch_start(DmirageStoreFn *fn, void *opaque,
                            struct Error **errp);
void dmirage_ramwatch_stop(void);
/* There is such a page, and a bit for it. */
bool dmirage_ramwatch_can(uint64_t ram);
void dmirage_ramwatch_set(uint64_t ram, bool on);
/* The 8 bytes, aligned, around @ram. */
uint64_t dmirage_ramwatch_entry(uint64_t ram);
/* Between translated blocks, in the vCPU's own thread, with the BQL: */

/* The vCPU is in user mode, or idle, so the kernel holds no spinlock there. */
bool dmirage_ramwatch_outside(struct CPUState *cpu);
/* The linear address of the vCPU's next instruction; likewise. */
uint64_t dmirage_ramwatch_pc(struct CPUState *cpu);
void dmirage_ramwatch_nmi(struct CPUState *cpu);

#endif
