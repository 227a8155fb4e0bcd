/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hardware interface of the dmirage device: PCI identity, registers, and
 * the structures in memory that the device and its software share.
 *
 * Concepts
 *
 *   A *context* is an address space that the device can work in.  Its number
 *   is its ASID.  A context has a page table, a submission and a completion
 *   ring, and a doorbell page that can be given to an unprivileged process.
 *   In *mirror* and *pinned* mode the table is its own (the *mirror table*,
 *   written by the driver); in *shared* mode it is the CPU's.
 *
 *   An *operation* is a descriptor in the submission ring.  It names virtual
 *   addresses of the context.  The device does it in *chunks* of at most
 *   DMIRAGE_CHUNK bytes; the part of a chunk that lies within one translation,
 *   on one side, is an *access*.
 *
 *   A *translation* comes from the page table and may be kept in the IOTLB
 *   until an invalidation drops it.  A chunk under way has *latched* its
 *   translations: it goes on using them even when they are dropped meanwhile.
 *   A WAIT command completes only when no such chunk is left.
 *
 *   The *oracle* is given the root of the CPU's page table, too, and compares
 *   with it: each access as it happens, and in an *audit* all that the device
 *   holds.  What differs is a *violation*.
 *
 * Everything is little-endian.  All indices of rings and queues are
 * free-running 32-bit counters; the slot is the index modulo the (power of
 * two) number of entries.  The same header serves the device, the driver and
 * user space; docs/hardware.md describes it in prose.
 */
#ifndef DMIRAGE_HW_H
#define DMIRAGE_HW_H

#include <linux/types.h>

/* ---- PCI ------------------------------------------------------------- */

#define DMIRAGE_PCI_VENDOR          0x1234
#define DMIRAGE_PCI_DEVICE          0xd31a
#define DMIRAGE_PCI_CLASS           0x1200  /* processing accelerator */
#define DMIRAGE_PCI_REVISION        1

#define DMIRAGE_BAR_REGS            0       /* 64-bit memory, this layout */
#define DMIRAGE_BAR_MSIX            2       /* MSI-X table and PBA */

/* MSI-X vectors */
#define DMIRAGE_VEC_FAULT           0       /* fault queue got an entry */
#define DMIRAGE_VEC_VIOLATION       1       /* violation queue got an entry */
#define DMIRAGE_VEC_WAIT            2       /* a command with F_IRQ is done */
#define DMIRAGE_VEC_COMPLETE        3       /* CQ_EVENTS got a bit */
#define DMIRAGE_VECTORS             4

/* ---- Layout of BAR 0 ------------------------------------------------- */

#define DMIRAGE_BAR_SIZE            0x100000
#define DMIRAGE_PAGE                0x1000
#define DMIRAGE_CTX_BASE            0x40000 /* + ASID * DMIRAGE_PAGE */
#define DMIRAGE_DB_BASE             0x80000 /* + ASID * DMIRAGE_PAGE */
#define DMIRAGE_CONTEXTS            64

/* ---- Global registers (offsets from BAR 0) --------------------------- */

#define DMIRAGE_REG_ID              0x000   /* RO 32: DMIRAGE_ID */
#define DMIRAGE_REG_VERSION         0x004   /* RO 32: major << 16 | minor */
#define DMIRAGE_REG_CAPS            0x008   /* RO 64: DMIRAGE_CAP_* */
#define DMIRAGE_REG_CONTEXTS        0x010   /* RO 32: number of contexts */
#define DMIRAGE_REG_RING_ORDER      0x014   /* RO 32: log2, largest ring */
#define DMIRAGE_REG_VA_BITS         0x018   /* RO 32: virtual address width */
#define DMIRAGE_REG_LEN_ORDER       0x01c   /* RO 32: log2, longest operation */
#define DMIRAGE_REG_CHUNK           0x020   /* RO 32: bytes, longest chunk */
#define DMIRAGE_REG_IOTLB_ENTRIES   0x024   /* RO 32 */
#define DMIRAGE_REG_IOTLB_WAYS      0x028   /* RO 32 */
#define DMIRAGE_REG_RESET           0x02c   /* WO 32: write DMIRAGE_RESET_KEY */
#define DMIRAGE_REG_ERROR           0x030   /* RW1C 32: DMIRAGE_ERR_* */
#define DMIRAGE_REG_STATUS          0x034   /* RO 32: DMIRAGE_STATUS_* */
#define DMIRAGE_REG_WALK_CACHE      0x038   /* RO 32: entries; 0: none */
#define DMIRAGE_REG_PREFETCH        0x03c   /* RO 32: pages fetched ahead */
#define DMIRAGE_REG_ENGINES         0x040   /* RO 32: threads; 0: none */

#define DMIRAGE_ID                  0x52494d44      /* "DMIR" */
#define DMIRAGE_VERSION             0x00020002      /* 2.2 */
#define DMIRAGE_RESET_KEY           0x52455345      /* "ESER" */

#define DMIRAGE_CAP_PAGE_4K         (1ull << 0)
#define DMIRAGE_CAP_PAGE_2M         (1ull << 1)
#define DMIRAGE_CAP_PAGE_1G         (1ull << 2)
#define DMIRAGE_CAP_FRACTURE        (1ull << 3)     /* caches 4 KiB parts */
#define DMIRAGE_CAP_MIRROR          (1ull << 8)     /* own page table */
#define DMIRAGE_CAP_PINNED          (1ull << 9)     /* own page table, pinned */
#define DMIRAGE_CAP_SHARED          (1ull << 10)    /* the CPU's page table */
#define DMIRAGE_CAP_ORACLE_ACCESS   (1ull << 16)    /* checks each access */
#define DMIRAGE_CAP_ORACLE_AUDIT    (1ull << 17)    /* AUDIT command */
#define DMIRAGE_CAP_ORACLE_WATCH    (1ull << 18)    /* checks each store to the
                                                     * page table */
#define DMIRAGE_CAP_HOLD            (1ull << 24)    /* hold points */
#define DMIRAGE_CAP_SYNC            (1ull << 25)    /* SYNC_* registers */
#define DMIRAGE_CAP_CALIBRATE       (1ull << 26)    /* CALIBRATE operation */
#define DMIRAGE_CAP_CQ_EVENT        (1ull << 27)    /* DB_CQ_ARM, CQ_EVENTS */

/* What software did wrong; latched until written with 1. */
#define DMIRAGE_ERR_REGISTER        (1u << 0)   /* no such register, bad size */
#define DMIRAGE_ERR_CONFIG          (1u << 1)   /* value or moment refused */
#define DMIRAGE_ERR_COMMAND         (1u << 2)   /* malformed command */
#define DMIRAGE_ERR_QUEUE           (1u << 3)   /* index or DMA of a queue */
#define DMIRAGE_ERR_CONTEXT         (1u << 4)   /* see a context's error bits */

#define DMIRAGE_STATUS_BUSY         (1u << 0)   /* a chunk or an audit is under
                                                 * way */

/*
 * Queues.  The device produces into the fault and the violation queue and
 * consumes the invalidation queue; software has the other end.
 */
#define DMIRAGE_REG_FQ              0x100   /* faults: struct dmirage_fqe */
#define DMIRAGE_REG_VQ              0x120   /* violations: struct dmirage_vqe */
#define DMIRAGE_REG_IQ              0x140   /* commands: struct dmirage_cmd */

/* offsets in a queue's block */
#define DMIRAGE_Q_BASE              0x00    /* RW 64: DMA, 4 KiB aligned */
#define DMIRAGE_Q_CONFIG            0x08    /* RW 32: DMIRAGE_Q_ENABLE | log2 */
#define DMIRAGE_Q_HEAD              0x0c    /* consumer: RW 32; RO for IQ */
#define DMIRAGE_Q_TAIL              0x10    /* producer: RO 32; RW for IQ */
#define DMIRAGE_Q_MISSED            0x14    /* RO 32: VQ: records lost since
                                             * there was no room; FQ: faults
                                             * that had to wait for room */
#define DMIRAGE_Q_ENABLE            (1u << 31)

#define DMIRAGE_QUEUE_ORDER_MAX     12      /* 4,096 entries */

/*
 * WO 64: the answer to a fault: tag << 32 | code << 16 | ASID.  An answer
 * whose tag is not that of an open fault of the context is ignored.
 */
#define DMIRAGE_REG_FAULT_RESP      0x160

/*
 * RW1C 64, 8 bytes at a time: a bit for each ASID whose completion event has
 * happened (see DMIRAGE_DB_CQ_ARM).  It is to be cleared before the context's
 * user is told: an event that comes after that sets it, and interrupts, again.
 */
#define DMIRAGE_REG_CQ_EVENTS       0x168

/*
 * Call chains of stores, for CTL.WATCH.  While NMI is ENABLE, a vCPU whose
 * store made a translation stale, or suspect, gets an NMI right after it.  A
 * vCPU that reads NMI_TICKET gets the number of the oldest such store of its
 * own that it has not been heard about, or 0: then its NMI is not the device's.
 * NMI_PC says before which instruction the vCPU was then: if the NMI did not
 * interrupt that one it came late, and what is there now is not how the store
 * came about.
 * Writing NMI_CHAIN, by the same vCPU, answers: the low half of the ticket |
 * task << 16 | chain << 32 | entry << 48.  task is a number for what runs
 * there, another for each task.  chain is one by which software knows how it
 * got there, and is given back in struct dmirage_vqe.  entry is one for the
 * vCPU's present entry to the kernel: the same as long as it has been in the
 * kernel, and in one task, without a break; likely to be another in the next.
 */
#define DMIRAGE_REG_NMI             0x170       /* RW 32: DMIRAGE_NMI_ENABLE */
#define DMIRAGE_REG_NMI_TICKET      0x174       /* RO 32 */
#define DMIRAGE_REG_NMI_CHAIN       0x178       /* WO 64 */
#define DMIRAGE_REG_NMI_PC          0x180       /* RO 64: of NMI_TICKET */

#define DMIRAGE_NMI_ENABLE          (1u << 0)

#define DMIRAGE_CHAIN_NOT_ASKED     0           /* NMI is not ENABLE, or too
                                                 * many are awaited */
#define DMIRAGE_CHAIN_MAX           0xfffc      /* 1..: software's numbers */
#define DMIRAGE_CHAIN_LATE          0xfffd      /* software's answer if the NMI
                                                 * came late */
#define DMIRAGE_CHAIN_NOT_SAVED     0xfffe      /* software's answer if it could
                                                 * not keep it */
#define DMIRAGE_CHAIN_NO_ANSWER     0xffff      /* none came in time */

#define DMIRAGE_RESP_RETRY          0       /* table changed: translate again */
#define DMIRAGE_RESP_ERRNO_MAX      4095    /* 1..4095: fail with this errno */

/* ---- Context registers (offsets from DMIRAGE_CTX_BASE + ASID page) ---- */

#define DMIRAGE_CTX_CTL             0x000   /* RW 32 */
#define DMIRAGE_CTX_STATUS          0x004   /* RO 32 */
#define DMIRAGE_CTX_PT_ROOT         0x008   /* RW 64: DMA, 4 KiB aligned */
#define DMIRAGE_CTX_CPU_ROOT        0x010   /* RW 64: physical, 4 KiB aligned */
#define DMIRAGE_CTX_SQ_BASE         0x018   /* RW 64: DMA, 4 KiB aligned */
#define DMIRAGE_CTX_CQ_BASE         0x020   /* RW 64: DMA, 4 KiB aligned */
#define DMIRAGE_CTX_RINGS           0x028   /* RW 32: SQ log2 | CQ log2 << 8 */
#define DMIRAGE_CTX_ERROR           0x02c   /* RW1C 32: DMIRAGE_CTX_ERR_* */
#define DMIRAGE_CTX_HOLD            0x030   /* RW 32: DMIRAGE_HOLD_* */
#define DMIRAGE_CTX_HOLD_LIMIT      0x034   /* RW 32: ms, 1..60000 */

/*
 * Invalidation without a queue, for those who hold locks and cannot wait for
 * memory to change.  Writing SYNC_LEN drops what overlaps [SYNC_ADDR,
 * SYNC_ADDR + SYNC_LEN), as INV_RANGE and WAIT do, and the write is over when
 * they would be: no chunk is under way any more that used what was dropped.
 * The two registers belong together; their users exclude each other.
 */
#define DMIRAGE_CTX_SYNC_ADDR       0x038   /* RW 64: first byte */
#define DMIRAGE_CTX_SYNC_LEN        0x040   /* WO 64: bytes, not 0 */

/*
 * Indices of the rings, RW 32.  Where enabling the context begins: software
 * writes 0, or what it read after an earlier life to go on there, with rings
 * that have the same content.  A ring with more than its entries between head
 * and tail refuses ENABLE.  They keep their values when ENABLE is cleared, and
 * are 0 after a reset.  What is between SQ_HEAD and SQ_TAIL when the context is
 * enabled is done without another doorbell.
 */
#define DMIRAGE_CTX_SQ_HEAD         0x048   /* next descriptor to be taken */
#define DMIRAGE_CTX_SQ_TAIL         0x04c   /* last value of DB_SQ_TAIL */
#define DMIRAGE_CTX_CQ_HEAD         0x050   /* last value of DB_CQ_HEAD */
#define DMIRAGE_CTX_CQ_TAIL         0x054   /* next completion to be written */

/*
 * CTL.  All other registers of the context but ERROR, HOLD* and SYNC_* may
 * only be written while ENABLE is 0.  Clearing ENABLE drops the context's
 * translations, ends its operation without a completion, disarms it, clears
 * its bit in CQ_EVENTS and refuses doorbells; a chunk or audit under way is
 * over when STATUS.BUSY reads 0.  Nothing is lost, and the indices are where to
 * go on, if STATUS.ACTIVE reads 0 before.
 *
 * In mirror and pinned mode the device walks the mirror table at PT_ROOT, with
 * PT_LEVELS; CPU_ROOT and CPU_LEVELS are needed for the oracle.  In shared mode
 * it walks the table at CPU_ROOT, with CPU_LEVELS, as the CPU would for user
 * mode, and sets A and D there; PT_ROOT and PT_LEVELS are not used.
 */
#define DMIRAGE_CTL_ENABLE          (1u << 0)
#define DMIRAGE_CTL_ORACLE          (1u << 1)       /* check each access */
#define DMIRAGE_CTL_WATCH           (1u << 2)       /* check each store to the
                                                     * process's page table:
                                                     * with ORACLE, not in
                                                     * pinned mode; needs
                                                     * CAP_ORACLE_WATCH */
#define DMIRAGE_CTL_MODE_MASK       (3u << 4)
#define DMIRAGE_CTL_MODE_MIRROR     (0u << 4)
#define DMIRAGE_CTL_MODE_PINNED     (1u << 4)
#define DMIRAGE_CTL_MODE_SHARED     (2u << 4)
#define DMIRAGE_CTL_PT_LEVELS(n)    ((n) << 8)      /* mirror table: 4 or 5 */
#define DMIRAGE_CTL_PT_LEVELS_GET(v)    (((v) >> 8) & 0xf)
#define DMIRAGE_CTL_CPU_LEVELS(n)   ((n) << 12)     /* CPU table: 4 or 5 */
#define DMIRAGE_CTL_CPU_LEVELS_GET(v)   (((v) >> 12) & 0xf)
#define DMIRAGE_CTL_VALID           0x0000ff37u

#define DMIRAGE_CTX_BUSY            (1u << 0)       /* a chunk or an audit is
                                                     * under way */
#define DMIRAGE_CTX_FAULT           (1u << 1)       /* waits for an answer */
#define DMIRAGE_CTX_HELD            (1u << 2)       /* it is at a hold point */
#define DMIRAGE_CTX_CQ_FULL         (1u << 3)       /* waits for CQ room */
#define DMIRAGE_CTX_FLUSH_HELD      (1u << 4)       /* a WAIT is held */
#define DMIRAGE_CTX_ACTIVE          (1u << 5)       /* an operation, or the
                                                     * beginning of a chain,
                                                     * has been taken and is
                                                     * not completed */
#define DMIRAGE_CTX_ARMED           (1u << 6)       /* its next completion is
                                                     * an event */

#define DMIRAGE_CTX_ERR_DOORBELL    (1u << 0)       /* impossible index */
#define DMIRAGE_CTX_ERR_RING        (1u << 1)       /* DMA to a ring failed:
                                                     * the context is stopped */
#define DMIRAGE_CTX_ERR_TABLE       (1u << 2)       /* malformed mirror table */

/*
 * HOLD.  Writing points arms them, in place of those armed before: the
 * operation that comes to one of them stops there (one shot: the point's bit
 * clears, STATUS.HELD sets).  Writing DMIRAGE_HOLD_RELEASE lets it go on; so
 * do a WAIT command or a SYNC_LEN write that needs it to finish (unless it was
 * armed with DMIRAGE_HOLD_KEEP), the end of the context, and HOLD_LIMIT.
 *
 * FLUSH stops not the operation but the next WAIT (or SYNC_LEN write) after a
 * command for this context: all is dropped and drained, and the answer is not
 * given (STATUS.FLUSH_HELD) until RELEASE, the end of the context, or
 * HOLD_LIMIT.
 */
#define DMIRAGE_HOLD_TRANSLATED     (1u << 0)       /* translations latched,
                                                     * data not yet touched */
#define DMIRAGE_HOLD_WALK           (1u << 1)       /* not in the IOTLB; table
                                                     * not yet read */
#define DMIRAGE_HOLD_MIDDLE         (1u << 2)       /* a chunk is done and
                                                     * others are to follow;
                                                     * nothing is latched */
#define DMIRAGE_HOLD_COMPLETE       (1u << 3)       /* all data moved and
                                                     * unlatched; completion
                                                     * not yet written */
#define DMIRAGE_HOLD_FLUSH          (1u << 4)       /* before a WAIT is
                                                     * answered */
#define DMIRAGE_HOLD_POINTS         0x1fu
#define DMIRAGE_HOLD_KEEP           (1u << 30)  /* a WAIT has to wait for it */
#define DMIRAGE_HOLD_RELEASE        (1u << 31)

#define DMIRAGE_HOLD_LIMIT_DEFAULT  1000
#define DMIRAGE_HOLD_LIMIT_MAX      60000

/*
 * Counters of a context, RO 64 each, from DMIRAGE_CTX_COUNTERS on.  Cleared
 * when the context is enabled.
 */
#define DMIRAGE_CTX_COUNTERS        0x100

enum dmirage_ctx_counter {
    DMIRAGE_CNT_OPS,                /* operations completed, with or without */
    DMIRAGE_CNT_OPS_FAILED,         /* of these, with an error status */
    DMIRAGE_CNT_BYTES_READ,
    DMIRAGE_CNT_BYTES_WRITTEN,
    DMIRAGE_CNT_ACCESSES,           /* reads and writes of one translation */
    DMIRAGE_CNT_IOTLB_HITS,
    DMIRAGE_CNT_IOTLB_MISSES,
    DMIRAGE_CNT_FAULTS,             /* faults sent to the fault queue */
    DMIRAGE_CNT_INVALIDATIONS,      /* commands that named this ASID */
    DMIRAGE_CNT_IOTLB_DROPPED,      /* IOTLB entries these dropped */
    DMIRAGE_CNT_DRAINED,            /* accesses under way these had to await */
    DMIRAGE_CNT_ORACLE_CHECKS,      /* 4 KiB pages compared */
    DMIRAGE_CNT_ORACLE_SUSPECTS,    /* found absent at first, then looked at
                                     * again until settled */
    DMIRAGE_CNT_ORACLE_VIOLATIONS,  /* accesses that were violations */
    DMIRAGE_CNT_LAST_HITS,          /* of IOTLB_HITS: the last one used */
    DMIRAGE_CNT_WALK_CACHE_HITS,    /* walks that began at a cached table */
    DMIRAGE_CNT_PREFETCHED,         /* translations fetched ahead */
    DMIRAGE_CNT_FAULTS_COALESCED,   /* faults that an open one answers, too */
    DMIRAGE_CNT_FAULTS_DELAYED,     /* faults that waited for queue room */
    DMIRAGE_CNT_FAULTS_FAILED,      /* faults answered with an errno */
    DMIRAGE_CNT_AUDITED,            /* 4 KiB pages compared by audits */
    DMIRAGE_CNT_AUDIT_VIOLATIONS,   /* translations that audits found stale */
    DMIRAGE_CNT_WATCH_STORES,       /* stores to entries of the process's page
                                     * table that a translation depends on */
    DMIRAGE_CNT_WATCH_SUSPECTS,     /* of these, such as took an entry away */
    DMIRAGE_CNT_WATCH_VIOLATIONS,   /* translations that stores made stale */
    DMIRAGE_CNT_WATCH_REFUSED,      /* translations that are not watched: too
                                     * many tables */
    DMIRAGE_CNT_WATCH_SETTLED,      /* suspects that are none any more, one way
                                     * or another; the rest are undecided */
    DMIRAGE_CNT_MAX
};

/* ---- Doorbell page (offsets from DMIRAGE_DB_BASE + ASID page) --------- */

#define DMIRAGE_DB_SQ_TAIL          0x000   /* WO 32: index after the last
                                             * descriptor that is ready */
#define DMIRAGE_DB_CQ_HEAD          0x004   /* WO 32: index of the first
                                             * completion not yet read */
/*
 * WO 32: asks for an event, once, when there is a completion with this index or
 * a later one: the index after the last completion that was seen.  If there is
 * one already the event is at once; so none is missed, whatever comes first.
 * At most a ring's length behind the next completion, and not beyond it.  An
 * event sets the context's bit in DMIRAGE_REG_CQ_EVENTS and interrupts by
 * DMIRAGE_VEC_COMPLETE.
 */
#define DMIRAGE_DB_CQ_ARM           0x008

/* ---- Rings ------------------------------------------------------------ */

#define DMIRAGE_RING_ORDER_MIN      1
#define DMIRAGE_RING_ORDER_MAX      10      /* 1,024 entries */
#define DMIRAGE_LEN_ORDER           30      /* 1 GiB */
#define DMIRAGE_LEN_MAX             (1ull << DMIRAGE_LEN_ORDER)
#define DMIRAGE_CHUNK               0x10000u
#define DMIRAGE_VA_BITS             57

enum dmirage_opcode {
    DMIRAGE_OP_NOP = 0,         /* completes; touches nothing */
    DMIRAGE_OP_COPY = 1,        /* len bytes from src to dst, ascending; the
                                 * result is undefined if dst lies within
                                 * (src, src + len) */
    DMIRAGE_OP_FILL = 2,        /* len bytes at dst with the 8-byte pattern
                                 * imm, repeated from dst on */
    DMIRAGE_OP_READ_IMM = 3,    /* len = 1, 2, 4 or 8 bytes at src, to the
                                 * completion's result */
    DMIRAGE_OP_WRITE_IMM = 4,   /* the len = 1, 2, 4 or 8 low bytes of imm,
                                 * to dst */
    DMIRAGE_OP_CAS = 5,         /* the len = 4 or 8 bytes at dst, naturally
                                 * aligned: if they are compare, imm is written
                                 * there; what was there is the result */
    DMIRAGE_OP_FETCH_ADD = 6,   /* imm is added to the len = 4 or 8 bytes at
                                 * dst, naturally aligned; what was there is
                                 * the result */
    DMIRAGE_OP_CRC32C = 7,      /* the CRC-32C of len bytes at src is the
                                 * result */
    DMIRAGE_OP_TOUCH_READ = 8,  /* reads a byte of each 4 KiB page of
                                 * [src, src + len), and does nothing with it */
    DMIRAGE_OP_TOUCH_WRITE = 9, /* the same at dst, but each byte is atomically
                                 * ORed with 0: written, and not changed */
    DMIRAGE_OP_CALIBRATE = 10,  /* only with DMIRAGE_CAP_CALIBRATE: len bytes
                                 * from src to dst, both DMA addresses of RAM,
                                 * imm (a power of two) bytes at a time; the
                                 * measure for COPY.  If compare is not 0 it is
                                 * odd, len is imm times a power of two n, and
                                 * the i-th piece is at i * compare modulo n */
    DMIRAGE_OP_MAX
};

/*
 * Flag: the next descriptor goes on with this operation: another piece of
 * memory for the same opcode.  COPY, FILL, CRC32C and TOUCH_* only.  There is
 * one completion, with the first descriptor's cookie, after the last
 * descriptor was taken from the ring; its result is that of all pieces
 * together.  After an error the other descriptors are taken and not looked at.
 */
#define DMIRAGE_SQE_CHAIN           (1u << 0)

/**
 * struct dmirage_sqe - submission ring entry, 64 bytes
 * @opcode:   enum dmirage_opcode
 * @flags:    DMIRAGE_SQE_CHAIN; others must be 0
 * @reserved0, @reserved1: must be 0
 * @cookie:   returned in the completion
 * @src:      virtual address read from (ignored by operations without)
 * @dst:      virtual address written to (ignored by operations without)
 * @len:      bytes, 1..DMIRAGE_LEN_MAX (ignored by NOP)
 * @imm:      pattern, value, or summand (ignored by operations without)
 * @compare:  CAS, CALIBRATE; must be 0 for others
 * @reserved2: must be 0
 *
 * READ_IMM and WRITE_IMM access a naturally aligned value in one piece, and
 * an unaligned one byte by byte.  CAS and FETCH_ADD are atomic with respect to
 * the CPUs and to other contexts.
 */
struct dmirage_sqe {
    __u8   opcode;
    __u8   flags;
    __le16 reserved0;
    __le32 reserved1;
    __le64 cookie;
    __le64 src;
    __le64 dst;
    __le64 len;
    __le64 imm;
    __le64 compare;
    __le64 reserved2;
};

enum dmirage_status {
    DMIRAGE_ST_OK = 0,
    DMIRAGE_ST_BAD_OPCODE = 1,
    DMIRAGE_ST_BAD_FIELD = 2,       /* flags or a reserved field not 0 */
    DMIRAGE_ST_BAD_LENGTH = 3,
    DMIRAGE_ST_BAD_ADDRESS = 4,     /* beyond VA_BITS, or wraps around */
    DMIRAGE_ST_FAULT = 5,           /* the driver could not resolve a fault;
                                     * detail is its errno */
    DMIRAGE_ST_FAULT_LIMIT = 6,     /* resolved DMIRAGE_FAULT_LIMIT times on
                                     * end, and never there when looked up */
    DMIRAGE_ST_DMA_ERROR = 7,       /* the translation leads to no memory */
    DMIRAGE_ST_TABLE_ERROR = 8,     /* malformed mirror table */
    DMIRAGE_ST_DOORBELL = 9,        /* not an operation: a doorbell was written
                                     * with the impossible value in result and
                                     * was ignored; detail is its offset */
    DMIRAGE_ST_BAD_ALIGN = 10,      /* CAS, FETCH_ADD: not naturally aligned */
    DMIRAGE_ST_BAD_CHAIN = 11,      /* another opcode than the chain began with,
                                     * or one that cannot be chained */
    DMIRAGE_ST_MAX
};

#define DMIRAGE_FAULT_LIMIT         256

/**
 * struct dmirage_cqe - completion ring entry, 32 bytes
 * @cookie: the operation's
 * @result: on OK, READ_IMM, CAS, FETCH_ADD: the value, zero-extended; CRC32C:
 *          the checksum; else the number of bytes done, which is less than
 *          asked for when @status is not OK
 * @addr:   on an error at an address: that virtual address
 * @status: enum dmirage_status
 * @detail: see enum dmirage_status
 * @seq:    index of this completion + 1, written last: the entry at index i
 *          is there when @seq == i + 1
 */
struct dmirage_cqe {
    __le64 cookie;
    __le64 result;
    __le64 addr;
    __le16 status;
    __le16 detail;
    __le32 seq;
};

/* ---- Mirror table ----------------------------------------------------- */

/*
 * A radix tree of 4 KiB tables with 512 entries of 64 bits; level 1 maps
 * 4 KiB per entry, each further level 512 times more.  Entries of level 1 are
 * leaves; at levels 2 and 3 the LEAF bit makes one a 2 MiB or 1 GiB leaf.  The
 * device never writes to a table and keeps no entry that is not valid.  A write
 * that finds a translation without WRITE in the IOTLB looks at the table again,
 * so that software may add WRITE, or make an entry valid, without a command.
 * It may keep addresses of tables (REG_WALK_CACHE): a table may be freed, or
 * its entry made a leaf, only after a command that covers all it maps.
 */
#define DMIRAGE_PTE_VALID           (1ull << 0)
#define DMIRAGE_PTE_WRITE           (1ull << 1)     /* leaves only */
#define DMIRAGE_PTE_LEAF            (1ull << 2)     /* levels 2 and 3 only */
#define DMIRAGE_PTE_ADDR            0x000ffffffffff000ull
#define DMIRAGE_PTE_RESERVED        (~(DMIRAGE_PTE_VALID | DMIRAGE_PTE_WRITE | \
                                       DMIRAGE_PTE_LEAF | DMIRAGE_PTE_ADDR))

/* ---- Fault queue ------------------------------------------------------ */

#define DMIRAGE_FAULT_WRITE         (1u << 0)
#define DMIRAGE_FAULT_PRESENT       (1u << 1)       /* there is a translation,
                                                     * which forbids to write */

/*
 * A context has this many faults open at most, each for another page or, for
 * one page, at most a read fault and a later write fault.
 */
#define DMIRAGE_FAULTS_MAX          4

/**
 * struct dmirage_fqe - fault queue entry, 32 bytes
 * @asid:  context
 * @flags: DMIRAGE_FAULT_*
 * @tag:   to be given back in FAULT_RESP
 * @addr:  virtual address that has no translation for this kind of access
 * @len:   bytes that the operation will want from @addr on in the same way;
 *         a hint for how much to map
 * @seq:   as in struct dmirage_cqe
 */
struct dmirage_fqe {
    __le16 asid;
    __le16 flags;
    __le32 tag;
    __le64 addr;
    __le64 len;
    __le32 reserved;
    __le32 seq;
};

/* ---- Invalidation queue ----------------------------------------------- */

enum dmirage_cmd_opcode {
    DMIRAGE_CMD_INV_RANGE = 1,  /* drop what overlaps [addr, addr + len) */
    DMIRAGE_CMD_INV_ASID = 2,   /* drop all translations of the context */
    DMIRAGE_CMD_WAIT = 3,       /* when no access is under way whose
                                 * translation an earlier command dropped:
                                 * write value to status_addr */
    DMIRAGE_CMD_INV_GLOBAL = 4, /* drop all translations of all contexts */
    DMIRAGE_CMD_INV_BATCH = 5,  /* INV_RANGE for each of the len = 1..256
                                 * ranges in the array at addr */
    DMIRAGE_CMD_AUDIT = 6,      /* compare what the device holds for
                                 * [addr, addr + len) with the CPU's table; then
                                 * write struct dmirage_audit at status_addr */
    DMIRAGE_CMD_DUMP = 7,       /* write the IOTLB's content to the array at
                                 * addr, up to len bytes; then the number of
                                 * entries that there are, 32 bits, to
                                 * status_addr */
};

/* WAIT, AUDIT, DUMP: interrupt DMIRAGE_VEC_WAIT after the status write. */
#define DMIRAGE_CMD_F_IRQ           (1u << 0)
/*
 * AUDIT in shared mode: software states that the kernel is not in the middle
 * of a change in the range, so that nothing may differ any more.
 */
#define DMIRAGE_CMD_F_SETTLED       (1u << 1)

#define DMIRAGE_BATCH_MAX           256

/**
 * struct dmirage_cmd - invalidation queue entry, 32 bytes
 * @opcode:      enum dmirage_cmd_opcode
 * @flags:       DMIRAGE_CMD_F_*; others must be 0
 * @asid:        context (INV_RANGE, INV_ASID, INV_BATCH, AUDIT)
 * @value:       what WAIT and AUDIT write, 32 bits
 * @addr:        INV_RANGE, AUDIT: first byte; need not be aligned; INV_BATCH,
 *               DUMP: DMA address of the array, 8-byte aligned
 * @len:         INV_RANGE, AUDIT: bytes, not 0; a range past the end of the
 *               address space is cut there; INV_BATCH: ranges; DUMP: bytes
 * @status_addr: WAIT, DUMP: DMA address, 4-byte aligned; AUDIT: 16-byte aligned
 */
struct dmirage_cmd {
    __u8   opcode;
    __u8   flags;
    __le16 asid;
    __le32 value;
    __le64 addr;
    __le64 len;
    __le64 status_addr;
};

/**
 * struct dmirage_range - what INV_BATCH takes, 16 bytes
 * @addr: first byte
 * @len:  bytes, not 0
 */
struct dmirage_range {
    __le64 addr;
    __le64 len;
};

/**
 * struct dmirage_audit - what AUDIT answers, 16 bytes
 * @translations: translations that were looked at: of the mirror table, of the
 *                IOTLB, and latched ones
 * @pages:        4 KiB pages compared
 * @violations:   of the translations: stale ones; each has a violation record
 *                or is counted as missed
 * @value:        the command's, written last
 *
 * An audit that the end of its context or the context's lack of a CPU table
 * cut short says so by violations = DMIRAGE_AUDIT_CUT.
 */
struct dmirage_audit {
    __le32 translations;
    __le32 pages;
    __le32 violations;
    __le32 value;
};

#define DMIRAGE_AUDIT_CUT           0xffffffffu

#define DMIRAGE_TLBE_WRITE          (1u << 0)
#define DMIRAGE_TLBE_PREFETCHED     (1u << 1)

/**
 * struct dmirage_tlbe - an IOTLB entry as DUMP writes it, 32 bytes
 * @va:        virtual address of its first byte
 * @pa:        DMA address of its first byte (shared mode: physical)
 * @fill_time: device clock, ns, when it was read from the page table
 * @asid:      context
 * @order:     log2 of its bytes: 12, 21, 30
 * @flags:     DMIRAGE_TLBE_*
 */
struct dmirage_tlbe {
    __le64 va;
    __le64 pa;
    __le64 fill_time;
    __le16 asid;
    __u8   order;
    __u8   flags;
    __le32 reserved;
};

/* ---- Violation queue -------------------------------------------------- */

enum dmirage_violation_kind {
    DMIRAGE_VIOL_NONE = 0,
    DMIRAGE_VIOL_FRAME = 1,     /* the CPU maps another frame there */
    DMIRAGE_VIOL_ABSENT = 2,    /* the CPU maps nothing there any more */
    DMIRAGE_VIOL_WRITE = 3,     /* same frame, but the CPU may no longer write
                                 * to it and the device may */
    DMIRAGE_VIOL_DIVERGED = 4,  /* pinned mode: the CPU maps another frame or
                                 * nothing there; the pinned one is no longer
                                 * what the process sees */
    DMIRAGE_VIOL_MAX
};

/* How a violation came to light. */
enum dmirage_strength {
    DMIRAGE_BY_ACCESS = 0,      /* an access used the translation */
    DMIRAGE_BY_AUDIT = 1,       /* an audit found the device holding it */
    DMIRAGE_BY_WATCH = 2,       /* a store to the page table made it stale */
};

/* By watch: when it was certain that the store made a translation stale. */
enum dmirage_watch_why {
    DMIRAGE_WATCH_STORE = 0,    /* by a store, this one or the next: the entry
                                 * has another frame, or lost permission */
    DMIRAGE_WATCH_FLUSH = 1,    /* the vCPU that took the entry away sent a
                                 * command for it, which came too late */
    DMIRAGE_WATCH_TIME = 2,     /* the entry stayed away for suspect-ms, and
                                 * that vCPU is in user mode or idle */
    DMIRAGE_WATCH_BACK = 3,     /* the entry is back as it was, put there by
                                 * another vCPU or in another entry to the
                                 * kernel than the one that took it away */
};

/* Where an audit found it. */
enum dmirage_holder {
    DMIRAGE_HELD_LATCHED = 0,   /* by a chunk under way; an access always is */
    DMIRAGE_HELD_IOTLB = 1,
    DMIRAGE_HELD_TABLE = 2,     /* in the mirror table */
};

#define DMIRAGE_VQE_ACCESS_WRITE    (1u << 0)   /* access: was a write */
#define DMIRAGE_VQE_HELD_WRITE      (1u << 0)   /* held_flags: may write */
#define DMIRAGE_VQE_CPU_PRESENT     (1u << 0)   /* cpu_flags */
#define DMIRAGE_VQE_CPU_WRITE       (1u << 1)

/**
 * struct dmirage_vqe - violation queue entry, 160 bytes: one per access, per
 * translation that an audit looks at, or per translation that a store made
 * stale
 * @kind:       enum dmirage_violation_kind, of the first page that differs
 * @opcode:     enum dmirage_opcode of the operation (audit: 0)
 * @access:     DMIRAGE_VQE_ACCESS_* (audit: 0)
 * @held_order: log2 of the bytes that the device's translation covers: 12, 21,
 *              30
 * @asid:       context
 * @held_flags: DMIRAGE_VQE_HELD_*
 * @cpu_flags:  DMIRAGE_VQE_CPU_*
 * @cookie:     of the operation (audit: 0)
 * @addr:       virtual address of the first byte accessed in that page
 * @len:        bytes that the access went on from @addr
 * @pages:      how many of the 4 KiB pages of this access differ
 * @cpu_order:  log2 of the bytes that the CPU's entry covers, 0 if absent
 * @held_addr:  DMA address that the device used for @addr's page
 * @cpu_addr:   physical address of the frame that the CPU maps there, or 0
 * @cpu_entry:  the CPU's page-table entry as read
 * @time:       device clock, ns
 * @fill_time:  when this translation was read from the page table (audit of the
 *              mirror table: now)
 * @inv_time:   when the last range invalidation came that touched the 2 MiB
 *              aligned block around @addr, whether or not it reached @addr;
 *              0: none among the context's last DMIRAGE_INV_HISTORY
 * @inv_start:  its first byte
 * @inv_len:    its bytes
 * @strength:   enum dmirage_strength
 * @holder:     enum dmirage_holder
 * @mode:       of the context: DMIRAGE_CTL_MODE_* >> 4
 * @why:        by watch: enum dmirage_watch_why
 * @cpu:        by watch: number of the vCPU that made the store; 0xffff: nobody
 *              saw it, so that pc, before, after and chain are 0
 * @level:      by watch: of the table stored to: 1 has entries for 4 KiB, each
 *              further level for 512 times more
 * @pc:         by watch: address of the instruction that stored; 0: not known
 * @before:     by watch: the entry stored to, before it
 * @after:      by watch: the same right after it; what @addr is found to be
 *              mapped to when it is certain is in @cpu_entry
 * @store_time: by watch: device clock, ns, of the store
 * @chain:      by watch: what NMI_CHAIN was told of the store, or
 *              DMIRAGE_CHAIN_*
 * @seq:        as in struct dmirage_cqe
 */
struct dmirage_vqe {
    __u8   kind;
    __u8   opcode;
    __u8   access;
    __u8   held_order;
    __le16 asid;
    __u8   held_flags;
    __u8   cpu_flags;
    __le64 cookie;
    __le64 addr;
    __le64 len;
    __le32 pages;
    __le32 cpu_order;
    __le64 held_addr;
    __le64 cpu_addr;
    __le64 cpu_entry;
    __le64 time;
    __le64 fill_time;
    __le64 inv_time;
    __le64 inv_start;
    __le64 inv_len;
    __u8   strength;
    __u8   holder;
    __u8   mode;
    __u8   why;
    __le16 cpu;
    __u8   level;
    __u8   reserved0;
    __le64 pc;
    __le64 before;
    __le64 after;
    __le64 store_time;
    __le32 chain;
    __le32 reserved1[2];
    __le32 seq;
};

#define DMIRAGE_INV_HISTORY         64

/* ---- Sizes that every side relies on ---------------------------------- */

#ifndef __ASSEMBLY__
_Static_assert(sizeof(struct dmirage_sqe) == 64, "SQE is 64 bytes");
_Static_assert(sizeof(struct dmirage_cqe) == 32, "CQE is 32 bytes");
_Static_assert(sizeof(struct dmirage_fqe) == 32, "FQE is 32 bytes");
_Static_assert(sizeof(struct dmirage_cmd) == 32, "command is 32 bytes");
_Static_assert(sizeof(struct dmirage_vqe) == 160, "VQE is 160 bytes");
_Static_assert(sizeof(struct dmirage_range) == 16, "range is 16 bytes");
_Static_assert(sizeof(struct dmirage_audit) == 16, "audit is 16 bytes");
_Static_assert(sizeof(struct dmirage_tlbe) == 32, "TLBE is 32 bytes");
#endif

#endif
