/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hardware interface of the dmirage device: PCI identity, registers, and
 * the structures in memory that the device and its software share.
 *
 * Concepts
 *
 *   A *context* is an address space that the device can work in.  Its number
 *   is its ASID.  A context has a page table of its own (the *mirror table*,
 *   written by the driver), a submission and a completion ring, and a
 *   doorbell page that can be given to an unprivileged process.
 *
 *   An *operation* is a descriptor in the submission ring.  It names virtual
 *   addresses of the context.  The device splits it into *accesses* that stay
 *   within one translation each and are at most DMIRAGE_CHUNK bytes long.
 *
 *   A *translation* comes from the mirror table and may be kept in the IOTLB
 *   until an invalidation drops it.  An access under way has *latched* its
 *   translation: it goes on using it even when it is dropped meanwhile.  A
 *   WAIT command completes only when no such access is left.
 *
 *   The *oracle* is given the root of the CPU's page table, too, and compares
 *   each access with it.  What differs is a *violation*.
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
#define DMIRAGE_VECTORS             2

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
#define DMIRAGE_REG_CHUNK           0x020   /* RO 32: bytes, longest access */
#define DMIRAGE_REG_IOTLB_ENTRIES   0x024   /* RO 32 */
#define DMIRAGE_REG_IOTLB_WAYS      0x028   /* RO 32 */
#define DMIRAGE_REG_RESET           0x02c   /* WO 32: write DMIRAGE_RESET_KEY */
#define DMIRAGE_REG_ERROR           0x030   /* RW1C 32: DMIRAGE_ERR_* */
#define DMIRAGE_REG_STATUS          0x034   /* RO 32: DMIRAGE_STATUS_* */

#define DMIRAGE_ID                  0x52494d44      /* "DMIR" */
#define DMIRAGE_VERSION             0x00010000      /* 1.0 */
#define DMIRAGE_RESET_KEY           0x52455345      /* "ESER" */

#define DMIRAGE_CAP_PAGE_4K         (1ull << 0)
#define DMIRAGE_CAP_PAGE_2M         (1ull << 1)
#define DMIRAGE_CAP_MIRROR          (1ull << 8)     /* own page table */
#define DMIRAGE_CAP_ORACLE_ACCESS   (1ull << 16)    /* checks each access */
#define DMIRAGE_CAP_HOLD            (1ull << 24)    /* hold points */

/* What software did wrong; latched until written with 1. */
#define DMIRAGE_ERR_REGISTER        (1u << 0)   /* no such register, bad size */
#define DMIRAGE_ERR_CONFIG          (1u << 1)   /* value or moment refused */
#define DMIRAGE_ERR_COMMAND         (1u << 2)   /* malformed command */
#define DMIRAGE_ERR_QUEUE           (1u << 3)   /* index or DMA of a queue */
#define DMIRAGE_ERR_CONTEXT         (1u << 4)   /* see a context's error bits */

#define DMIRAGE_STATUS_BUSY         (1u << 0)   /* an access is under way */

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
 * whose tag is not that of the context's open fault is ignored.
 */
#define DMIRAGE_REG_FAULT_RESP      0x160

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
 * CTL.  All other registers of the context but ERROR and HOLD* may only be
 * written while ENABLE is 0.  Clearing ENABLE drops the context's
 * translations, ends its operation without a completion and refuses
 * doorbells; an access under way is over when STATUS.BUSY reads 0.
 */
#define DMIRAGE_CTL_ENABLE          (1u << 0)
#define DMIRAGE_CTL_ORACLE          (1u << 1)       /* check each access */
#define DMIRAGE_CTL_MODE_MASK       (3u << 4)
#define DMIRAGE_CTL_MODE_MIRROR     (0u << 4)
#define DMIRAGE_CTL_PT_LEVELS(n)    ((n) << 8)      /* mirror table: 4 or 5 */
#define DMIRAGE_CTL_PT_LEVELS_GET(v)    (((v) >> 8) & 0xf)
#define DMIRAGE_CTL_CPU_LEVELS(n)   ((n) << 12)     /* CPU table: 4 or 5 */
#define DMIRAGE_CTL_CPU_LEVELS_GET(v)   (((v) >> 12) & 0xf)
#define DMIRAGE_CTL_VALID           0x0000ff33u

#define DMIRAGE_CTX_BUSY            (1u << 0)       /* an access is under way */
#define DMIRAGE_CTX_FAULT           (1u << 1)       /* waits for an answer */
#define DMIRAGE_CTX_HELD            (1u << 2)       /* an access is held */
#define DMIRAGE_CTX_CQ_FULL         (1u << 3)       /* waits for CQ room */

#define DMIRAGE_CTX_ERR_DOORBELL    (1u << 0)       /* impossible index */
#define DMIRAGE_CTX_ERR_RING        (1u << 1)       /* DMA to a ring failed:
                                                     * the context is stopped */
#define DMIRAGE_CTX_ERR_TABLE       (1u << 2)       /* malformed mirror table */

/*
 * HOLD.  Writing a point arms it: the next access that reaches the point
 * stops there (one shot, the bit clears, STATUS.HELD sets).  Writing
 * DMIRAGE_HOLD_RELEASE lets it go on; so do a WAIT command that needs it to
 * finish (unless it was armed with DMIRAGE_HOLD_KEEP), the end of the context,
 * and HOLD_LIMIT.
 */
#define DMIRAGE_HOLD_TRANSLATED     (1u << 0)       /* translation latched, data
                                                     * not yet touched */
#define DMIRAGE_HOLD_POINTS         DMIRAGE_HOLD_TRANSLATED
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
    DMIRAGE_CNT_MAX
};

/* ---- Doorbell page (offsets from DMIRAGE_DB_BASE + ASID page) --------- */

#define DMIRAGE_DB_SQ_TAIL          0x000   /* WO 32: index after the last
                                             * descriptor that is ready */
#define DMIRAGE_DB_CQ_HEAD          0x004   /* WO 32: index of the first
                                             * completion not yet read */

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
};

/**
 * struct dmirage_sqe - submission ring entry, 64 bytes
 * @opcode:   enum dmirage_opcode
 * @flags:    must be 0
 * @reserved: must be 0
 * @cookie:   returned in the completion
 * @src:      virtual address read from (COPY, READ_IMM; else ignored)
 * @dst:      virtual address written to (COPY, FILL, WRITE_IMM; else ignored)
 * @len:      bytes, 1..DMIRAGE_LEN_MAX (ignored by NOP)
 * @imm:      pattern or value (FILL, WRITE_IMM; else ignored)
 * @reserved2: must be 0
 *
 * READ_IMM and WRITE_IMM access a naturally aligned value in one piece, and
 * an unaligned one byte by byte.
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
    __le64 reserved2[2];
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
    DMIRAGE_ST_MAX
};

#define DMIRAGE_FAULT_LIMIT         256

/**
 * struct dmirage_cqe - completion ring entry, 32 bytes
 * @cookie: the operation's
 * @result: READ_IMM: the value, zero-extended; else the number of bytes done,
 *          which is less than asked for when @status is not OK
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
 * leaves; at level 2 the LEAF bit makes one a 2 MiB leaf.  The device never
 * writes to a table and keeps no entry that is not valid.  A write that finds a
 * translation without WRITE in the IOTLB looks at the table again, so that
 * software may add WRITE, or make an entry valid, without a command.
 */
#define DMIRAGE_PTE_VALID           (1ull << 0)
#define DMIRAGE_PTE_WRITE           (1ull << 1)     /* leaves only */
#define DMIRAGE_PTE_LEAF            (1ull << 2)     /* level 2 only */
#define DMIRAGE_PTE_ADDR            0x000ffffffffff000ull
#define DMIRAGE_PTE_RESERVED        (~(DMIRAGE_PTE_VALID | DMIRAGE_PTE_WRITE | \
                                       DMIRAGE_PTE_LEAF | DMIRAGE_PTE_ADDR))

/* ---- Fault queue ------------------------------------------------------ */

#define DMIRAGE_FAULT_WRITE         (1u << 0)

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
};

/**
 * struct dmirage_cmd - invalidation queue entry, 32 bytes
 * @opcode:      enum dmirage_cmd_opcode
 * @flags:       must be 0
 * @asid:        context (INV_*)
 * @value:       what WAIT writes, 32 bits
 * @addr:        INV_RANGE: first byte; need not be aligned
 * @len:         INV_RANGE: bytes, not 0; a range past the end of the address
 *               space is cut there
 * @status_addr: WAIT: DMA address, 4-byte aligned
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

/* ---- Violation queue -------------------------------------------------- */

enum dmirage_violation_kind {
    DMIRAGE_VIOL_NONE = 0,
    DMIRAGE_VIOL_FRAME = 1,     /* the CPU maps another frame there */
    DMIRAGE_VIOL_ABSENT = 2,    /* the CPU maps nothing there any more */
    DMIRAGE_VIOL_WRITE = 3,     /* same frame, but the CPU may no longer write
                                 * to it and the device may */
    DMIRAGE_VIOL_MAX
};

#define DMIRAGE_VQE_ACCESS_WRITE    (1u << 0)   /* access: was a write */
#define DMIRAGE_VQE_HELD_WRITE      (1u << 0)   /* held_flags: may write */
#define DMIRAGE_VQE_CPU_PRESENT     (1u << 0)   /* cpu_flags */
#define DMIRAGE_VQE_CPU_WRITE       (1u << 1)

/**
 * struct dmirage_vqe - violation queue entry, 128 bytes: one per access
 * @kind:       enum dmirage_violation_kind, of the first page that differs
 * @opcode:     enum dmirage_opcode of the operation
 * @access:     DMIRAGE_VQE_ACCESS_*
 * @held_order: log2 of the bytes that the device's translation covers: 12, 21
 * @asid:       context
 * @held_flags: DMIRAGE_VQE_HELD_*
 * @cpu_flags:  DMIRAGE_VQE_CPU_*
 * @cookie:     of the operation
 * @addr:       virtual address of the first byte accessed in that page
 * @len:        bytes that the access went on from @addr
 * @pages:      how many of the 4 KiB pages of this access differ
 * @cpu_order:  log2 of the bytes that the CPU's entry covers, 0 if absent
 * @held_addr:  DMA address that the device used for @addr's page
 * @cpu_addr:   physical address of the frame that the CPU maps there, or 0
 * @cpu_entry:  the CPU's page-table entry as read
 * @time:       device clock, ns
 * @fill_time:  when this translation was read from the mirror table
 * @inv_time:   when the last range invalidation came that touched the 2 MiB
 *              aligned block around @addr, whether or not it reached @addr;
 *              0: none among the context's last DMIRAGE_INV_HISTORY
 * @inv_start:  its first byte
 * @inv_len:    its bytes
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
    __le64 reserved[2];
    __le32 reserved2;
    __le32 seq;
};

#define DMIRAGE_INV_HISTORY         64

/* ---- Sizes that every side relies on ---------------------------------- */

#ifndef __ASSEMBLY__
_Static_assert(sizeof(struct dmirage_sqe) == 64, "SQE is 64 bytes");
_Static_assert(sizeof(struct dmirage_cqe) == 32, "CQE is 32 bytes");
_Static_assert(sizeof(struct dmirage_fqe) == 32, "FQE is 32 bytes");
_Static_assert(sizeof(struct dmirage_cmd) == 32, "command is 32 bytes");
_Static_assert(sizeof(struct dmirage_vqe) == 128, "VQE is 128 bytes");
#endif

#endif
