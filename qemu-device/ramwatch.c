/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages of RAM whose stores are told.  See ramwatch.h. */
#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/ram_addr.h"
#if __has_include("exec/exec-all.h")    /* until 10.0 */
#include "exec/exec-all.h"
#endif
#include "hw/i386/apic.h"
#include "qapi/error.h"
#include "qemu/lockable.h"
#include "qemu/thread.h"
#if __has_include("system/tcg.h")       /* since 10.0 */
#include "system/tcg.h"
#else
#include "sysemu/tcg.h"
#endif

#include "ramwatch.h"
#include "store.h"

unsigned long *dmirage_ramwatch_map;
uint64_t dmirage_ramwatch_pages;

/* Held while a store is told, so that nobody is told who is gone. */
static QemuMutex lock;
static DmirageStoreFn *told;
static void *told_opaque;

static void __attribute__((constructor)) init_lock(void)
{
    qemu_mutex_init(&lock);
}

static int find_end(RAMBlock *block, void *opaque)
{
    uint64_t *end = opaque;

    *end = MAX(*end, qemu_ram_get_offset(block) +
                         qemu_ram_get_max_length(block));
    return 0;
}

/*
 * BQL held.  Memory that is plugged in later cannot be watched.  The map
 * outlives its user, for vCPUs look at it without a lock; so does the length.
 */
bool dmirage_ramwatch_start(DmirageStoreFn *fn, void *opaque, Error **errp)
{
    static unsigned long *map;
    uint64_t end = 0;

    if (!tcg_enabled()) {
        error_setg(errp, "watch=on needs TCG: only there a store can be seen "
                         "as it is made");
        return false;
    }
    if (dmirage_ramwatch_map) {
        error_setg(errp, "only one device can have watch=on");
        return false;
    }
    if (!map) {
        qemu_ram_foreach_block(find_end, &end);
        dmirage_ramwatch_pages = end >> TARGET_PAGE_BITS;
        map = bitmap_new(dmirage_ramwatch_pages);
    }
    WITH_QEMU_LOCK_GUARD(&lock) {
        told = fn;
        told_opaque = opaque;
    }
    qatomic_store_release(&dmirage_ramwatch_map, map);
    return true;
}

/* BQL held.  All bits are clear. */
void dmirage_ramwatch_stop(void)
{
    qatomic_set(&dmirage_ramwatch_map, NULL);
    WITH_QEMU_LOCK_GUARD(&lock) {
        told = NULL;
    }
}

bool dmirage_ramwatch_can(uint64_t ram)
{
    return ram >> TARGET_PAGE_BITS < dmirage_ramwatch_pages;
}

/* Within an RCU read section. */
void dmirage_ramwatch_set(uint64_t ram, bool on)
{
    uint64_t page = ram >> TARGET_PAGE_BITS;

    if (!on) {
        qatomic_and(&dmirage_ramwatch_map[BIT_WORD(page)], ~BIT_MASK(page));
        return;
    }
    set_bit_atomic(page, dmirage_ramwatch_map);
    /*
     * An entry of a TLB that lets stores pass was filled, or changed, when all
     * bits were dirty; so this one is, and now they all are told to the TLBs.
     */
    cpu_physical_memory_test_and_clear_dirty(ram, TARGET_PAGE_SIZE,
                                             DIRTY_MEMORY_VGA);
}

/* Within an RCU read section. */
uint64_t dmirage_ramwatch_entry(uint64_t ram)
{
    return ldq_le_p(qemu_map_ram_ptr(NULL, QEMU_ALIGN_DOWN(ram, 8)));
}

/*
 * The instruction that stores.  To find it changes a part of the CPU's state
 * which the rest of the translated block relies on; so that is put back.
 */
static uint64_t find_pc(CPUState *cs, uintptr_t retaddr)
{
    CPUX86State *env = &X86_CPU(cs)->env;
    target_ulong eip = env->eip, pc = 0;
    uint32_t cc_op = env->cc_op;

    if (cpu_restore_state(cs, retaddr)) {
        pc = env->segs[R_CS].base + env->eip;
    }
    env->eip = eip;
    env->cc_op = cc_op;
    return pc;
}

/* In the vCPU's thread. */
bool dmirage_ramwatch_outside(CPUState *cpu)
{
    CPUX86State *env = &X86_CPU(cpu)->env;

    return cpu->halted || (env->hflags & HF_CPL_MASK) == 3;
}

uint64_t dmirage_ramwatch_pc(CPUState *cpu)
{
    CPUX86State *env = &X86_CPU(cpu)->env;

    return env->segs[R_CS].base + env->eip;
}

/*
 * What the APIC has to say would be taken before it, and it only with whatever
 * comes next; so that is taken now.
 */
void dmirage_ramwatch_nmi(CPUState *cpu)
{
    if (cpu->interrupt_request & CPU_INTERRUPT_POLL) {
        cpu_reset_interrupt(cpu, CPU_INTERRUPT_POLL);
        apic_poll_irq(X86_CPU(cpu)->apic_state);
    }
    cpu_interrupt(cpu, CPU_INTERRUPT_NMI);
}

void dmirage_ramwatch_tell(CPUState *cpu, uint64_t ram, unsigned size,
                           uintptr_t retaddr)
{
    DmirageStore store = {
        .ram = ram,
        .size = size,
        .cpu = cpu->cpu_index,
    };

    RCU_READ_LOCK_GUARD();
    store.before = dmirage_ramwatch_entry(ram);
    store.pc = find_pc(cpu, retaddr);
    QEMU_LOCK_GUARD(&lock);
    if (told) {
        told(told_opaque, cpu, &store);
    }
}
