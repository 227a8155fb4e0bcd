/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of the device inside QEMU, and what its files offer each other.
 *
 * Threads
 *   vCPU and main-loop threads come in through registers (regs.c) with QEMU's
 *   big lock (BQL) held.  One engine thread (engine.c) does the operations of
 *   all contexts, in turn, one access at a time, and never takes the BQL:
 *   interrupts are raised by a bottom half, and DMA to anything but RAM is
 *   refused (dma.c).
 *
 * Locks, in order: BQL, then DmirageState.lock.
 *   @lock guards everything here but what is marked otherwise.  Under it the
 *   engine translates (IOTLB look-up, or walk of the mirror table and IOTLB
 *   fill) and latches; under it commands drop translations and hit latched
 *   ones.  So a command sees either no trace of a translation, or an IOTLB
 *   entry, or an access that has latched it, and misses none.  The walk
 *   itself is under the lock for the same reason: an entry that is read
 *   before the driver clears it is in the IOTLB (or latched) before the
 *   driver's command is processed.
 *   Data is moved, and the oracle asked, without @lock; the latched slots of
 *   the access (inflight.h) stand for it meanwhile.
 *
 * An access ends in three steps, in this order: data moved, @lock taken, slot
 * freed and WAITs answered.  So what a WAIT's status write is seen after is
 * all of the data, reads and writes.
 */
#ifndef DMIRAGE_H
#define DMIRAGE_H

#include "qemu/osdep.h"
#include "compat.h"
#include "qom/object.h"

#include "dmirage_hw.h"
#include "inflight.h"
#include "invlog.h"
#include "iotlb.h"
#include "op.h"
#include "oracle.h"

#define TYPE_DMIRAGE "dmirage"
OBJECT_DECLARE_SIMPLE_TYPE(DmirageState, DMIRAGE)

/* Sides of an access; each has a slot of its own in DmirageState.inflight. */
enum {
    SIDE_SRC,
    SIDE_DST,
    SIDES
};

/**
 * DmirageAccess: one piece of an operation, translated
 * @valid: there is one; its translations are latched
 * @len: bytes
 * @used: the side takes part
 * @va: where the piece begins on each side
 * @x: the translation latched on each side
 */
typedef struct DmirageAccess {
    bool valid;
    uint32_t len;
    bool used[SIDES];
    uint64_t va[SIDES];
    DmirageXlate x[SIDES];
} DmirageAccess;

/**
 * DmirageFault: a context's fault that awaits its answer
 * @open: there is one
 * @queued: it is in the fault queue (else it waits for room there)
 * @tag: of this fault; never used again by the context
 */
typedef struct DmirageFault {
    bool open;
    bool queued;
    bool write;
    uint32_t tag;
    uint64_t va;
    uint64_t len;
} DmirageFault;

/**
 * DmirageQueue: a queue or ring in memory; the device has one end of it
 * @order: log2 of the entries
 * @head: consumer's index, @tail: producer's; software's is as it told the
 *     device, and has been checked
 * @missed: see DMIRAGE_Q_MISSED (not for rings)
 */
typedef struct DmirageQueue {
    uint64_t base;
    uint32_t order;
    bool enabled;
    uint32_t head;
    uint32_t tail;
    uint32_t missed;
} DmirageQueue;

/**
 * DmirageContext: one address space
 * @asid: its number
 * @enabled: CTL.ENABLE
 * @halted: stopped by an error of its rings until it is enabled anew
 * @busy: the engine works on its access with the lock dropped
 * @life: grows with each end of the context, so that the engine notices
 * @ctl..@hold_limit: registers
 * @sq: submission ring, @cq: completion ring
 * @has_op: @op is under way
 * @fault_streak: faults of this operation since it last got further
 * @held: @access is stopped at a hold point until @hold_until (host us)
 * @keep: a WAIT does not release it
 * @resumed: @access has left its hold point and is to be carried out
 */
typedef struct DmirageContext {
    uint16_t asid;
    bool enabled;
    bool halted;
    bool busy;
    uint64_t life;

    uint32_t ctl;
    uint32_t rings;
    uint32_t error;
    uint32_t hold;
    uint32_t hold_limit;
    uint64_t pt_root;
    uint64_t cpu_root;

    DmirageQueue sq;
    DmirageQueue cq;

    bool has_op;
    DmirageOp op;
    unsigned fault_streak;
    DmirageFault fault;
    DmirageAccess access;
    bool held;
    bool keep;
    bool resumed;
    int64_t hold_until;

    DmirageInvlog invlog;
    uint64_t count[DMIRAGE_CNT_MAX];
} DmirageContext;

/* A WAIT command that is not done yet: see inflight.h for @seq. */
typedef struct DmirageWait {
    uint64_t seq;
    uint64_t status_addr;
    uint32_t value;
} DmirageWait;

#define DMIRAGE_WAITS_MAX   64

struct DmirageState {
    PCIDevice parent_obj;

    MemoryRegion regs;
    QEMUBH *irq_bh;
    uint32_t irq_pending;           /* atomic: bit per vector */
    VMChangeStateEntry *vm_state;

    /* properties */
    uint32_t iotlb_entries;
    uint32_t iotlb_ways;
    uint32_t suspect_ms;
    bool oracle;

    QemuMutex lock;
    QemuThread thread;
    QemuCond work;                  /* with lock: the engine has work */
    QemuCond idle;                  /* with the BQL: the engine may be idle */
    bool stopping;
    bool running;                   /* the machine runs */
    unsigned next_ctx;              /* whose turn it is */

    uint32_t error;
    DmirageQueue fq;
    DmirageQueue vq;
    DmirageQueue iq;

    DmirageIotlb *iotlb;
    DmirageInflight *inflight;
    uint64_t cmd_seq;
    unsigned waits;
    DmirageWait wait[DMIRAGE_WAITS_MAX];

    uint8_t *buffer;                /* DMIRAGE_CHUNK bytes; engine only */
    DmirageContext ctx[DMIRAGE_CONTEXTS];
};

static inline int64_t dmirage_now(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

/* pci.c: asks for an interrupt; any thread, any lock. */
void dmirage_irq(DmirageState *s, unsigned vector);

/*
 * dma.c: DMA as the PCI function, RAM only.  Naturally aligned 1, 2, 4 and 8
 * bytes go in one piece.  False: nothing there, or not RAM, or refused by an
 * IOMMU or the bus-master bit.
 */
bool dmirage_dma_read(DmirageState *s, uint64_t addr, void *buf,
                      uint64_t len);
bool dmirage_dma_write(DmirageState *s, uint64_t addr, const void *buf,
                       uint64_t len);
bool dmirage_dma_read64(void *opaque, uint64_t addr, uint64_t *value);

/*
 * dma.c: physical memory as the CPU sees it, past any IOMMU; for the oracle.
 */
bool dmirage_phys_read64(void *opaque, uint64_t addr, uint64_t *value);
bool dmirage_same_frame(void *opaque, uint64_t dma, uint64_t phys);

/* queue.c, @lock held */
bool dmirage_queue_config(DmirageQueue *q, uint32_t value);
bool dmirage_queue_has_room(const DmirageQueue *q);
bool dmirage_queue_push(DmirageState *s, DmirageQueue *q, void *entry,
                        size_t size);
bool dmirage_queue_pop(DmirageState *s, DmirageQueue *q, void *entry,
                       size_t size);
void dmirage_queue_failed(DmirageState *s, DmirageQueue *q);

/* context.c, @lock held */
void dmirage_ctx_reset(DmirageState *s, DmirageContext *c);
void dmirage_ctx_set_ctl(DmirageState *s, DmirageContext *c, uint32_t value);
void dmirage_ctx_doorbell(DmirageState *s, DmirageContext *c, uint64_t offset,
                          uint32_t value);
bool dmirage_ctx_runnable(const DmirageContext *c);
bool dmirage_ctx_fetch(DmirageState *s, DmirageContext *c,
                       struct dmirage_sqe *sqe);
void dmirage_ctx_complete(DmirageState *s, DmirageContext *c,
                          struct dmirage_cqe *cqe);
uint32_t dmirage_ctx_status(const DmirageContext *c);

/* hold.c, @lock held */
bool dmirage_hold_reached(DmirageState *s, DmirageContext *c, uint32_t point);
void dmirage_hold_release(DmirageState *s, DmirageContext *c);
void dmirage_hold_write(DmirageState *s, DmirageContext *c, uint32_t value);
int64_t dmirage_hold_expire(DmirageState *s);

/* faultq.c, @lock held */
void dmirage_fault_raise(DmirageState *s, DmirageContext *c, bool write,
                         uint64_t va, uint64_t len);
void dmirage_fault_flush(DmirageState *s);
void dmirage_fault_response(DmirageState *s, uint64_t value);

/* invq.c, @lock held */
void dmirage_inv_process(DmirageState *s);
void dmirage_inv_drop_asid(DmirageState *s, DmirageContext *c);
void dmirage_inv_release(DmirageState *s, DmirageContext *c, unsigned side);

/* violation.c, @lock held */
void dmirage_violation_report(DmirageState *s, DmirageContext *c,
                              const DmirageXlate *x, bool write, uint64_t end,
                              const DmirageFinding *f);

/* engine.c */
void dmirage_engine_start(DmirageState *s);
void dmirage_engine_stop(DmirageState *s);
void dmirage_engine_kick(DmirageState *s);      /* @lock held */
void dmirage_engine_quiesce(DmirageState *s);   /* BQL held, lock not */
void dmirage_op_end(DmirageState *s, DmirageContext *c,
                    enum dmirage_status status, uint16_t detail,
                    uint64_t addr);             /* @lock held */

/* regs.c */
extern const MemoryRegionOps dmirage_regs_ops;
void dmirage_regs_reset(DmirageState *s);       /* BQL held, lock not */

#endif
