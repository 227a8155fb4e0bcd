/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of the device inside QEMU, and what its files offer each other.
 *
 * Threads
 *   vCPU and main-loop threads come in through registers (regs.c) with QEMU's
 *   big lock (BQL) held.  Engine threads (engine.c) do the operations of all
 *   contexts, in turn, a chunk at a time; the audit thread (audit.c) looks at
 *   what the device holds.  Neither ever takes the BQL: interrupts are raised
 *   by a bottom half, and DMA to anything but RAM is refused (dma.c).
 *
 * Locks, in order: BQL, then DmirageState.lock.
 *   @lock guards everything here but what is marked otherwise.  Under it the
 *   engine translates (IOTLB look-up, or walk of the page table and IOTLB
 *   fill) and latches; under it commands drop translations and hit latched
 *   ones.  So a command sees either no trace of a translation, or an IOTLB
 *   entry, or a chunk that has latched it, and misses none.  The walk itself
 *   is under the lock for the same reason: an entry that is read before the
 *   driver clears it is in the IOTLB (or latched) before the driver's command
 *   is processed.  The walk cache, too, is filled and dropped under it.
 *   Data is moved, and the oracle asked, without @lock; the latches of the
 *   chunk (inflight.h) stand for it meanwhile.
 *
 * A chunk ends in three steps, in this order: data moved, @lock taken, latches
 * released and WAITs answered.  So what a WAIT's status write is seen after is
 * all of the data, reads and writes.
 *
 * Who waits for whom.  A vCPU waits for the engine, and keeps the BQL for a
 * short while, in SYNC_LEN (inval.c); it drops the BQL when that takes long,
 * since behind an IOMMU the engine's access may need it to report a fault.
 * The engine waits for nobody: a fault, a hold point or a full ring puts the
 * context aside.
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
#include "mutant.h"
#include "op.h"
#include "oracle.h"
#include "tickets.h"
#include "walkcache.h"
#include "watchset.h"

#define TYPE_DMIRAGE "dmirage"
OBJECT_DECLARE_SIMPLE_TYPE(DmirageState, DMIRAGE)

/* Sides of a chunk. */
enum {
    SIDE_SRC,
    SIDE_DST,
    SIDES
};

/* Most accesses on a side of a chunk: 4 KiB pages, the first one cut. */
#define DMIRAGE_PIECES_MAX  (DMIRAGE_CHUNK / DMIRAGE_PAGE + 1)

/**
 * DmiragePiece: an access: the part of a chunk within one translation
 * @va, @len: the bytes
 * @x: the latched translation
 */
typedef struct DmiragePiece {
    uint64_t va;
    uint32_t len;
    DmirageXlate x;
} DmiragePiece;

/* The DMA address of its first byte. */
static inline uint64_t dmirage_piece_dma(const DmiragePiece *p)
{
    return p->x.pa + (p->va - p->x.va);
}

/**
 * DmirageChunk: what is done of an operation in one go
 * @valid: there is one; its translations are latched
 * @len: bytes, on each side
 * @pieces: how many accesses there are on each side; 0: it takes no part
 */
typedef struct DmirageChunk {
    bool valid;
    uint32_t len;
    unsigned pieces[SIDES];
    DmiragePiece piece[SIDES][DMIRAGE_PIECES_MAX];
} DmirageChunk;

/**
 * DmirageFault: a fault that awaits its answer
 * @open: there is one
 * @queued: it is in the fault queue (else it waits for room there)
 * @wanted: the context waits for it; else the operation that did has ended
 * @tag: of this fault; never used again by the context
 * @present: there was a translation, but not for a write
 * @va: where the fault is; another in the same page is the same fault
 */
typedef struct DmirageFault {
    bool open;
    bool queued;
    bool wanted;
    bool write;
    bool present;
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
 * @busy: an engine works on its chunk with the lock dropped
 * @auditing: the audit thread looks at what it holds
 * @life: grows with each end of the context, so that others notice
 * @drops: grows with each command that drops translations of the context
 * @ctl..@sync_addr: registers
 * @sq: submission ring, @cq: completion ring; their indices outlive the
 *     context's end, and are registers while it is off
 * @armed: the next completion is an event
 * @has_op: @op is under way
 * @end: how a chained operation that is being skipped will end
 * @fault_streak: times that this operation faulted since it last got further
 * @fault_tag: the last tag used
 * @fault_full: it has a fault to raise and no place for it, until an answer
 * @chunk: the chunk under way, and how many there were before
 * @now_ns: device clock when it was prepared
 * @held: stopped at hold point @held_at until @held_until (host us)
 * @keep: a WAIT does not release it
 * @resumed: @chunk has left its hold point and is to be carried out
 * @flushed: a command has come since FLUSH was armed
 * @flush_held: a WAIT is not answered until @flush_until (host us)
 */
typedef struct DmirageContext {
    uint16_t asid;
    bool enabled;
    bool halted;
    bool busy;
    bool auditing;
    uint64_t life;
    uint64_t drops;

    uint32_t ctl;
    uint32_t rings;
    uint32_t error;
    uint32_t hold;
    uint32_t hold_limit;
    uint64_t pt_root;
    uint64_t cpu_root;
    uint64_t sync_addr;

    DmirageQueue sq;
    DmirageQueue cq;
    bool armed;

    bool has_op;
    DmirageOp op;
    struct dmirage_cqe end;
    unsigned fault_streak;
    uint32_t fault_tag;
    bool fault_full;
    DmirageFault fault[DMIRAGE_FAULTS_MAX];

    DmirageLast last[SIDES];
    DmirageChunk chunk;
    uint64_t chunks;
    int64_t now_ns;
    bool held;
    bool keep;
    bool resumed;
    uint32_t held_at;
    int64_t held_until;
    bool flushed;
    bool flush_held;
    int64_t flush_until;

    DmirageInvlog invlog;
    uint64_t count[DMIRAGE_CNT_MAX];
} DmirageContext;

static inline DmirageMode dmirage_ctx_mode(const DmirageContext *c)
{
    return (c->ctl & DMIRAGE_CTL_MODE_MASK) >> 4;
}

/**
 * DmirageWait: a WAIT command that is not done yet
 * @seq: see inflight.h
 * @held_by: the context whose FLUSH hold point it is at, or NULL
 */
typedef struct DmirageWait {
    uint64_t seq;
    uint64_t status_addr;
    uint32_t value;
    bool irq;
    DmirageContext *held_by;
} DmirageWait;

#define DMIRAGE_WAITS_MAX   64

/**
 * DmirageAudit: an audit that is asked for
 * @settled: see DMIRAGE_CMD_F_SETTLED
 * @answer: a command wants a struct dmirage_audit at @status_addr
 * @resets: of the device, when it was asked for
 */
typedef struct DmirageAudit {
    DmirageContext *c;
    uint64_t life;
    uint64_t first;
    uint64_t last;
    bool settled;
    bool answer;
    bool irq;
    uint32_t value;
    uint64_t status_addr;
    uint64_t resets;
} DmirageAudit;

#define DMIRAGE_AUDITS_MAX  64

typedef enum DmirageOnViolation {
    DMIRAGE_ON_VIOLATION_LOG,
    DMIRAGE_ON_VIOLATION_STOP,
    DMIRAGE_ON_VIOLATION_ABORT,
} DmirageOnViolation;

#define DMIRAGE_ENGINES_MAX 16

typedef struct DmirageRam DmirageRam;

struct DmirageState {
    PCIDevice parent_obj;

    MemoryRegion regs;
    QEMUBH *irq_bh;
    uint32_t irq_pending;           /* atomic: bit per vector */
    VMChangeStateEntry *vm_state;

    /* properties */
    uint32_t iotlb_entries;
    uint32_t iotlb_ways;
    char *iotlb_replacement;
    bool fracture;
    uint32_t walk_cache;
    uint32_t prefetch;
    uint32_t engines;
    uint32_t poll_us;
    uint32_t suspect_ms;
    uint32_t audit_ms;
    bool oracle;
    OnOffAuto watch;
    bool calibrate;
    char *on_violation_name;
    DmirageOnViolation on_violation;
    DmirageMutant mutant;           /* with lock */
    uint64_t mutant_flushes;        /* since that was set */

    QemuMutex lock;
    QemuThread engine[DMIRAGE_ENGINES_MAX];
    unsigned threads;               /* of engine[]; at least 1 */
    QemuThread auditor;
    QemuCond work;                  /* with lock: an engine has work */
    QemuCond audit_work;            /* with lock: the auditor has work */
    QemuCond drained;               /* with lock: a chunk hit is over */
    QemuCond idle;                  /* with the BQL: an engine may be idle */
    bool stopping;
    bool running;                   /* the machine runs */
    bool overtime;                  /* engines=0: work is left over */
    unsigned syncing;               /* vCPUs in SYNC_LEN */
    unsigned sending;               /* threads in dmirage_irq_send() */
    uint32_t kicks;                 /* atomic: dmirage_engine_kick() calls */
    bool looking;                   /* an engine looks for work, awake */
    uint64_t enabled;               /* bit per context */
    unsigned next_ctx;              /* whose turn it is */
    uint64_t resets;                /* of the device, so far */

    uint32_t error;
    uint64_t cq_events;             /* register: bit per context */
    DmirageQueue fq;
    DmirageQueue vq;
    DmirageQueue iq;

    DmirageIotlb *iotlb;
    const uint64_t *iotlb_generation;
    DmirageWalkCache *walkcache;
    DmirageInflight *inflight;
    uint64_t cmd_seq;
    unsigned waits;
    DmirageWait wait[DMIRAGE_WAITS_MAX];
    unsigned audits;
    DmirageAudit audit[DMIRAGE_AUDITS_MAX];

    DmirageWatchset *watchset;      /* NULL: nothing can be watched */
    QEMUTimer *watch_timer;
    uint32_t nmi;                   /* register */
    DmirageTickets *tickets;        /* NULL: nothing can be watched */
    GQueue waiting;                 /* violations, for their call chain */
    QEMUTimer *chain_timer;

    DmirageRam *ram;
    bool iommu;                     /* there is one, on or off */
    DmirageContext ctx[DMIRAGE_CONTEXTS];
};

/* What two stores must have been made by for a violation to be one. */
typedef enum DmirageChainWhen {
    DMIRAGE_WHEN_CERTAIN,       /* it is one already; there is no other store */
    DMIRAGE_WHEN_OTHER_ENTRY,   /* in different entries to the kernel */
    DMIRAGE_WHEN_SAME_TASK,
} DmirageChainWhen;

static inline int64_t dmirage_now(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

/* irq.c: asks for an interrupt; any thread, any lock. */
void dmirage_irq(DmirageState *s, unsigned vector);
void dmirage_irq_init(DmirageState *s);
void dmirage_irq_exit(DmirageState *s);
/* The calling thread sends what it asks for, by dmirage_irq_send(). */
void dmirage_irq_thread(void);
bool dmirage_irq_send(DmirageState *s);         /* @lock held; dropped */

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
bool dmirage_dma_cas64(void *opaque, uint64_t addr, uint64_t *expected,
                       uint64_t desired);

/*
 * dma.c: the memory at DMA address @addr, *@len bytes of it or, if it does not
 * go on as far, fewer.  NULL as above.  To be unmapped soon, with the bytes
 * from the start that were written to; for reading, in the same RCU read
 * section.
 */
void *dmirage_dma_map(DmirageState *s, uint64_t addr, uint64_t *len,
                      bool write);
void dmirage_dma_unmap(DmirageState *s, void *host, uint64_t len, bool write,
                       uint64_t written);

/*
 * ram.c: physical memory as the CPU sees it, past any IOMMU; for the oracle.
 * To be read within an RCU read section.
 */
DmirageRam *dmirage_ram_new(void);
void dmirage_ram_free(DmirageRam *ram);
bool dmirage_ram_read64(void *opaque, uint64_t addr, uint64_t *value);
bool dmirage_ram_same_frame(void *opaque, uint64_t dma, uint64_t phys);
bool dmirage_ram_same_content(void *opaque, uint64_t a, uint64_t b);
/* As QEMU numbers RAM (ram_addr_t).  False: not RAM. */
bool dmirage_ram_address(DmirageRam *ram, uint64_t addr, uint64_t *ram_addr);

/* queue.c, @lock held */
bool dmirage_queue_config(DmirageQueue *q, uint32_t value);
void dmirage_queue_resume(DmirageQueue *q, uint32_t order);
bool dmirage_queue_sane(const DmirageQueue *q, uint32_t order);
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
bool dmirage_hold_armed(const DmirageContext *c, uint32_t point);
bool dmirage_hold_reached(DmirageState *s, DmirageContext *c, uint32_t point);
void dmirage_hold_release(DmirageState *s, DmirageContext *c);
void dmirage_hold_write(DmirageState *s, DmirageContext *c, uint32_t value);
bool dmirage_hold_flush(DmirageState *s, DmirageContext *c);
void dmirage_hold_end(DmirageState *s, DmirageContext *c);
int64_t dmirage_hold_expire(DmirageState *s, bool *released);

/* faultq.c, @lock held */
bool dmirage_fault_waiting(const DmirageContext *c);
void dmirage_fault_raise(DmirageState *s, DmirageContext *c, bool write,
                         bool present, uint64_t va, uint64_t len);
void dmirage_fault_forget(DmirageContext *c, bool close);
void dmirage_fault_flush(DmirageState *s);
void dmirage_fault_response(DmirageState *s, uint64_t value);

/* translate.c, @lock held */
typedef enum DmirageTranslated {
    DMIRAGE_TRANSLATED,
    DMIRAGE_NOT_THERE,      /* the table has nothing */
    DMIRAGE_READ_ONLY,      /* it has, but this is a write */
    DMIRAGE_HOLD_HERE,      /* @hold: the WALK hold point is armed */
    DMIRAGE_BAD_TABLE,      /* *@level: where */
} DmirageTranslated;
DmirageTranslated dmirage_translate(DmirageState *s, DmirageContext *c,
                                    unsigned side, uint64_t va,
                                    DmirageXlate *x, unsigned *level);

/* inval.c, @lock held */
void dmirage_inval_range(DmirageState *s, DmirageContext *c, uint64_t first,
                         uint64_t last);
void dmirage_inval_asid(DmirageState *s, DmirageContext *c);
void dmirage_inval_wait(DmirageState *s, uint64_t status_addr, uint32_t value,
                        bool irq);
void dmirage_inval_sync(DmirageState *s, DmirageContext *c, uint64_t len);
void dmirage_inval_release(DmirageState *s, DmirageContext *c);
void dmirage_inval_answer(DmirageState *s);
bool dmirage_status_write(DmirageState *s, uint64_t addr, const void *value,
                          size_t size, bool irq);

/* invq.c, @lock held */
void dmirage_invq_process(DmirageState *s);

/* mutant.c, @lock held */
/* This flush does not come to pass. */
bool dmirage_mutant_loses_flush(DmirageState *s);
/*
 * What a flush of @first..@last is to leave in the IOTLB: copies, at *@spared,
 * to be freed.  Returns how many.
 */
unsigned dmirage_mutant_spares(DmirageState *s, uint16_t asid, uint64_t first,
                               uint64_t last, DmirageXlate **spared);
/* Any context's translation of @va, or NULL. */
const DmirageXlate *dmirage_mutant_lookup(DmirageState *s, uint64_t va);
DmirageBlind dmirage_mutant_blinds(DmirageState *s);
void dmirage_mutant_class_init(ObjectClass *klass);     /* @lock not held */

/* audit.c */
void dmirage_audit_start(DmirageState *s);
void dmirage_audit_stop(DmirageState *s);
void dmirage_audit_request(DmirageState *s,
                           const DmirageAudit *a);      /* @lock held */

/* dump.c: the IOTLB's content */
bool dmirage_dump(DmirageState *s, uint64_t addr, uint64_t len,
                  uint32_t *entries);                   /* @lock held */
void dmirage_dump_class_init(ObjectClass *klass);

/* violation.c, @lock held */
void dmirage_violation_access(DmirageState *s, DmirageContext *c,
                              const DmiragePiece *p, bool write,
                              const DmirageFinding *f);
void dmirage_violation_audit(DmirageState *s, DmirageContext *c,
                             const DmirageXlate *x,
                             enum dmirage_holder holder,
                             const DmirageFinding *f);
void dmirage_violation_watch(DmirageState *s, DmirageContext *c,
                             const DmirageXlate *x, const DmirageFinding *f,
                             enum dmirage_watch_why why,
                             const DmirageWatchStore *by,
                             const DmirageWatchStore *later,
                             DmirageChainWhen when);
void dmirage_violation_certain(DmirageState *s, const struct dmirage_vqe *e);
void dmirage_violation_push(DmirageState *s, struct dmirage_vqe *e);

/* chain.c, @lock held but where it says BQL */
void dmirage_chain_start(DmirageState *s);                  /* BQL held */
void dmirage_chain_stop(DmirageState *s);                   /* BQL held */
uint32_t dmirage_chain_ask(DmirageState *s, CPUState *cpu); /* both held */
uint32_t dmirage_chain_wanted(DmirageState *s, uint64_t *pc);
bool dmirage_chain_answer(DmirageState *s, uint64_t value);
void dmirage_chain_report(DmirageState *s, const struct dmirage_vqe *e,
                          uint32_t ticket, uint32_t later,
                          DmirageChainWhen when);
void dmirage_chain_end(DmirageState *s, uint16_t asid);
void dmirage_chain_enable(DmirageState *s, uint32_t value);
void dmirage_chain_reset(DmirageState *s);

/* watch.c */
bool dmirage_watch_start(DmirageState *s, Error **errp);    /* BQL held */
void dmirage_watch_stop(DmirageState *s);                   /* BQL held */
void dmirage_watch_add(DmirageState *s, DmirageContext *c, uint64_t va,
                       const DmirageWalk *walk, int64_t fill_ns,
                       bool wanted);                        /* @lock held */
bool dmirage_watch_decides(DmirageState *s, DmirageContext *c,
                           const DmirageXlate *x,
                           const DmirageFinding *f);        /* @lock held */
void dmirage_watch_drop(DmirageState *s, DmirageContext *c, uint64_t first,
                        uint64_t last);                     /* @lock held */

/*
 * witness.c: the oracle, as engine and auditor ask it; to be asked within an
 * RCU read section, without @lock
 */
typedef struct DmirageWitness {
    DmirageOracle oracle;
    DmirageState *s;
    DmirageContext *c;
    uint64_t life;
} DmirageWitness;
void dmirage_witness_init(DmirageWitness *w, DmirageState *s,
                          DmirageContext *c, bool settled);

/* What the oracle says of each access of a chunk. */
typedef struct DmirageFindings {
    DmirageFinding of[SIDES][DMIRAGE_PIECES_MAX];
} DmirageFindings;
bool dmirage_witness_check(DmirageWitness *w, const DmirageChunk *k,
                           DmirageFindings *f);

/* move.c: no lock */
bool dmirage_move(DmirageState *s, DmirageOp *op, const DmirageChunk *chunk,
                  uint64_t *bad_va);
bool dmirage_move_calibrate(DmirageState *s, const DmirageOp *op,
                            uint64_t *bad_addr);

/* engine.c */
void dmirage_engine_start(DmirageState *s);
void dmirage_engine_stop(DmirageState *s);
void dmirage_engine_kick(DmirageState *s);      /* @lock held */
void dmirage_engine_run(DmirageState *s);       /* @lock held */
void dmirage_engine_quiesce(DmirageState *s);   /* BQL held, lock not */
void dmirage_op_end(DmirageState *s, DmirageContext *c,
                    enum dmirage_status status, uint16_t detail,
                    uint64_t addr);             /* @lock held */

/* regs.c */
extern const MemoryRegionOps dmirage_regs_ops;
void dmirage_regs_reset(DmirageState *s);       /* BQL held, lock not */

#endif
