/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The interface between the dmirage driver and user space.
 *
 * Concepts
 *
 *   /dev/dmirageN is one device.  Each open file has one context on it: an
 *   address space of the device that stands for the address space of a process,
 *   as a rule the one that opened the file.  DMIRAGE_IOC_SETUP gives the context
 *   its rings and its mode; after that, operations on the process's own virtual
 *   addresses go to the device through memory alone (struct dmirage_sqe and
 *   struct dmirage_cqe in dmirage_hw.h).
 *
 *   There are three modes:
 *
 *   - DMIRAGE_MODE_MIRROR: the device has a page table of its own, which the
 *     driver fills when the device faults, and empties when the kernel changes
 *     the process's.  Any address that the process may read (or write) may be
 *     used, without registration; or, with DMIRAGE_SETUP_REGIONS, addresses in
 *     regions only.
 *   - DMIRAGE_MODE_PINNED: the same page table, filled with the pages of a
 *     region when it is added.  They are pinned until it is removed.
 *   - DMIRAGE_MODE_SHARED: the device walks the process's own page table.
 *
 *   A file works for the process that opened it: from another address space
 *   (a forked child, a receiver of the descriptor, the same process after
 *   exec) ioctl, mmap and read fail with EPERM.  close() always works.
 *
 *   Reserved fields must be zero, else EINVAL.  All structures have the same
 *   layout for 32-bit and 64-bit callers.
 */
#ifndef _UAPI_DMIRAGE_H
#define _UAPI_DMIRAGE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Bumped when a caller built for an older version would be misled. */
#define DMIRAGE_ABI_VERSION	6

#define DMIRAGE_NO_ASID		(~0U)

/**
 * struct dmirage_info - DMIRAGE_IOC_INFO: what the device and the driver are
 * @abi_version:    (out) DMIRAGE_ABI_VERSION of the driver
 * @hw_version:     (out) DMIRAGE_REG_VERSION
 * @caps:           (out) DMIRAGE_CAP_*
 * @contexts:       (out) contexts that the device has
 * @contexts_used:  (out) contexts in use now, this one included
 * @ring_entries:   (out) largest ring, in entries
 * @va_bits:        (out) width of virtual addresses
 * @len_max:        (out) longest operation, in bytes
 * @chunk:          (out) longest single access, in bytes
 * @iotlb_entries:  (out) size of the IOTLB
 * @iotlb_ways:     (out) its associativity
 * @asid:           (out) the context's number, DMIRAGE_NO_ASID before SETUP
 * @pci_name:       (out) PCI address, as "0000:00:03.0", null-terminated; also
 *                  the device's directory under debugfs dmirage/
 * @reserved:       (out) 0
 */
struct dmirage_info {
	__u32 abi_version;
	__u32 hw_version;
	__u64 caps;
	__u32 contexts;
	__u32 contexts_used;
	__u32 ring_entries;
	__u32 va_bits;
	__u64 len_max;
	__u32 chunk;
	__u32 iotlb_entries;
	__u32 iotlb_ways;
	__u32 asid;
	char  pci_name[32];
	__u64 reserved[5];
};

/* struct dmirage_setup.mode, and that of violations: DMIRAGE_CTL_MODE_* >> 4 */
#define DMIRAGE_MODE_MIRROR	0
#define DMIRAGE_MODE_PINNED	1
#define DMIRAGE_MODE_SHARED	2

/* struct dmirage_setup.flags */
#define DMIRAGE_SETUP_REGIONS	0x1U	/* mirror mode: by region */
#define DMIRAGE_SETUP_ATTACH	0x2U	/* another process's memory */
#define DMIRAGE_SETUP_WATCH	0x4U	/* watch the page table; not pinned mode */
#define DMIRAGE_SETUP_PRESENT	0x8U	/* fault nothing in; not pinned mode */

/**
 * struct dmirage_setup - DMIRAGE_IOC_SETUP: start the context
 * @sq_entries:     (in) submission ring entries: a power of two, 2..ring_entries
 * @cq_entries:     (in) completion ring entries: likewise
 * @flags:          (in) DMIRAGE_SETUP_*
 * @asid:           (out) the context's number
 * @sq_offset:      (out) mmap() offset of the submission ring
 * @sq_bytes:       (out) length to map, whole pages; map shared, read-write
 * @cq_offset:      (out) mmap() offset of the completion ring
 * @cq_bytes:       (out) length to map; shared, read-only
 * @db_offset:      (out) mmap() offset of the doorbell page
 * @db_bytes:       (out) length to map; shared, writable
 * @mode:           (in) DMIRAGE_MODE_*
 * @pidfd:          (in) with DMIRAGE_SETUP_ATTACH, the process whose address
 *                  space the operations are about; else 0
 * @mem_fd:         (in) with DMIRAGE_SETUP_ATTACH, that process's /proc/PID/mem,
 *                  open for reading and writing; else 0.  proc lets it be opened
 *                  by who may ptrace the process (PTRACE_MODE_ATTACH), so it
 *                  is the proof that the caller may do what the device will
 * @reserved0, @reserved: (in) 0
 *
 * DMIRAGE_SETUP_REGIONS is for mirror mode; in pinned mode there is nothing
 * but regions, and in shared mode there are none.
 *
 * With DMIRAGE_SETUP_ATTACH the file still works for its opener alone; what
 * ends the context is the end of the other process's address space.
 *
 * With DMIRAGE_SETUP_WATCH each store of the kernel to an entry of the process's
 * page table that the device depends on is looked at as it is made: what it
 * makes stale is a violation at once (DMIRAGE_BY_WATCH), without any DMA.
 *
 * With DMIRAGE_SETUP_PRESENT the device gets what the process's page table has
 * when it asks, and nothing is faulted in for it: not what was never touched, nor
 * what was discarded, swapped out or is being migrated.  An operation on such a
 * page fails with the errno ENOENT, and so does a prefetch, which takes this as
 * its end.  To write to a page that is there, but read-only, faults as ever: it
 * breaks COW.
 *
 * Once per file.  Errors: EBUSY already set up; EINVAL entries, mode, flags or
 * reserved fields; ENOSPC no context left on the device; EOPNOTSUPP the device
 * lacks the mode, or cannot watch (it needs DMIRAGE_CAP_ORACLE_WATCH) in this
 * mode; or @flags or another process are not for pinned mode; or DMA goes
 * through bounce buffers, or in shared mode is translated by an IOMMU, on this
 * machine; EBADF @pidfd or @mem_fd is no such descriptor; EACCES @mem_fd
 * is not of that process as it is now, or not open for writing; ESRCH that
 * process has ended; ENOMEM; EIO the device is broken; ENODEV it is gone.
 */
struct dmirage_setup {
	__u32 sq_entries;
	__u32 cq_entries;
	__u32 flags;
	__u32 asid;
	__u64 sq_offset;
	__u64 sq_bytes;
	__u64 cq_offset;
	__u64 cq_bytes;
	__u64 db_offset;
	__u64 db_bytes;
	__u32 mode;
	__s32 pidfd;
	__s32 mem_fd;
	__u32 reserved0;
	__u64 reserved[2];
};

/* struct dmirage_region.flags */
#define DMIRAGE_REGION_WRITE	0x1U	/* the device may write to it */

/* A context has so many regions at most. */
#define DMIRAGE_REGIONS_MAX	4096

/**
 * struct dmirage_region - DMIRAGE_IOC_REGION_ADD: let the device use a range
 * @addr:     (in) first byte, a multiple of 4096
 * @len:      (in) bytes, a multiple of 4096, not 0
 * @flags:    (in) DMIRAGE_REGION_*
 * @id:       (out) what DMIRAGE_IOC_REGION_REMOVE wants
 * @reserved: (in) 0
 *
 * Mirror mode: nothing need be mapped there, now or ever; regions may overlap,
 * and what one of them permits is permitted.  Pinned mode: all of it must be
 * mapped (and writable, with DMIRAGE_REGION_WRITE), regions must not overlap,
 * and its pages count against RLIMIT_MEMLOCK unless the caller has
 * CAP_IPC_LOCK.
 *
 * Errors: EINVAL @addr, @len, flags, reserved fields, a range that wraps around
 * or leaves the address space, or a context without regions (before SETUP, in
 * shared mode, in mirror mode without DMIRAGE_SETUP_REGIONS); ENOSPC
 * DMIRAGE_REGIONS_MAX; ENOMEM, in pinned mode also if RLIMIT_MEMLOCK does not
 * permit it or the machine has not so much memory; ESRCH the address space has
 * ended; EEXIST pinned: overlaps another region; EFAULT pinned: not all of it is
 * mapped so; EOPNOTSUPP pinned: memory that cannot be pinned for long; EINTR;
 * EIO; ENODEV.
 */
struct dmirage_region {
	__u64 addr;
	__u64 len;
	__u32 flags;
	__u32 id;
	__u64 reserved[2];
};

/**
 * struct dmirage_region_remove - DMIRAGE_IOC_REGION_REMOVE
 * @id:        (in) of the region
 * @reserved0: (in) 0
 *
 * When it returns the device has nothing of the region any more that no other
 * region covers, and an operation on it will fail.
 *
 * Errors: ENOENT there is none; EINVAL reserved field, or a context without
 * regions; EINTR; ENODEV.
 */
struct dmirage_region_remove {
	__u32 id;
	__u32 reserved0;
};

/* struct dmirage_prefetch.flags */
#define DMIRAGE_PREFETCH_WRITE	0x1U	/* for writing */
#define DMIRAGE_PREFETCH_ASYNC	0x2U	/* do not wait for it */

/* A context has so many asynchronous prefetches under way at most. */
#define DMIRAGE_PREFETCH_MAX	16

/**
 * struct dmirage_prefetch - DMIRAGE_IOC_PREFETCH: make translations in advance
 * @addr:     (in) first byte
 * @len:      (in) bytes, not 0
 * @flags:    (in) DMIRAGE_PREFETCH_*
 * @reserved0: (in) 0
 * @done:     (out) bytes from @addr on that are translated now; 0 with
 *            DMIRAGE_PREFETCH_ASYNC.  Also written on EFAULT, ENOENT, EPERM,
 *            EBUSY, ENOMEM, EIO and EINTR, after which there may be more than 0
 * @reserved: (in) 0
 *
 * Faults in what the process has not touched yet, as an access would.  It is
 * advice: the kernel may take any of it back at once.  How an asynchronous one
 * went is seen in the counters.
 *
 * Errors: EINVAL @len, flags, reserved fields, a range that wraps around;
 * EOPNOTSUPP no mirror mode; EFAULT (nothing is mapped, or not in a region),
 * ENOENT (with DMIRAGE_SETUP_PRESENT), EPERM (read-only), ESRCH, EBUSY, ENOMEM,
 * EIO as an operation would fail; EAGAIN DMIRAGE_PREFETCH_MAX are under way;
 * EINTR; ENODEV.
 */
struct dmirage_prefetch {
	__u64 addr;
	__u64 len;
	__u32 flags;
	__u32 reserved0;
	__u64 done;
	__u64 reserved[2];
};

/**
 * struct dmirage_eventfd - DMIRAGE_IOC_EVENTFD: be told of completions
 * @fd:        (in) an eventfd, in place of the one before; -1: none
 * @reserved0: (in) 0
 *
 * It is signalled once when a completion is written after DMIRAGE_DB_CQ_ARM was
 * (dmirage_hw.h), or at once if one that is not yet consumed was there.  It is
 * also signalled when the device breaks or goes, or the context ends with the
 * address space it is about, so that nobody waits for ever.
 *
 * Errors: EBADF, EINVAL @fd is no eventfd; EINVAL reserved field, or before
 * SETUP; EOPNOTSUPP the device has no completion interrupt; ENODEV.
 */
struct dmirage_eventfd {
	__s32 fd;
	__u32 reserved0;
};

/**
 * struct dmirage_audit_range - DMIRAGE_IOC_AUDIT: compare all that the device
 * holds of a range with the process's page table, without any DMA
 * @addr:         (in) first byte
 * @len:          (in) bytes, not 0; cut at the end of the address space
 * @translations: (out) translations looked at
 * @pages:        (out) 4 KiB pages compared
 * @violations:   (out) stale ones among the translations; each is a record
 *                for read(), too
 * @reserved0, @reserved: (in) 0
 *
 * Errors: EINVAL @len, reserved fields, or before SETUP; EOPNOTSUPP the device
 * has no audits; ECANCELED the context ended meanwhile, or there is too much to
 * look at; EBUSY one that was given up goes on still; ETIMEDOUT this one is
 * given up; EIO; EINTR; ENODEV.
 */
struct dmirage_audit_range {
	__u64 addr;
	__u64 len;
	__u32 translations;
	__u32 pages;
	__u32 violations;
	__u32 reserved0;
	__u64 reserved[2];
};

/* struct dmirage_counters.scope */
#define DMIRAGE_SCOPE_CONTEXT	0	/* this file's context */
#define DMIRAGE_SCOPE_DEVICE	1	/* all contexts since the driver was loaded */

/**
 * struct dmirage_counters - DMIRAGE_IOC_COUNTERS
 * @scope:          (in) DMIRAGE_SCOPE_*
 * @reserved0:      (in) 0
 * @faults:         (out) faults the driver was asked to resolve
 * @fault_retries:  (out) snapshots thrown away since an invalidation came in
 * @fault_errors:   (out) faults that could not be resolved
 * @mapped_4k:      (out) 4 KiB entries written to the mirror table
 * @mapped_2m:      (out) 2 MiB entries
 * @unmapped_4k:    (out) 4 KiB entries taken out of it
 * @unmapped_2m:    (out) 2 MiB entries
 * @invalidations:  (out) MMU notifier callbacks
 * @flushes:        (out) of these, flushes sent to the device and awaited
 * @flushes_elided: (out) of these, nothing was mapped, so nothing was sent
 * @inval_refused:  (out) of these, might not sleep and would have had to
 * @records_lost:   (out) violation records dropped since nobody read them
 * @ops:            (out) device: operations completed
 * @ops_failed:     (out) device: of these, with an error
 * @bytes_read:     (out) device: read by DMA
 * @bytes_written:  (out) device: written by DMA
 * @accesses:       (out) device: reads and writes of one translation each
 * @iotlb_hits:     (out) device: translations found in the IOTLB
 * @iotlb_misses:   (out) device: looked up in the mirror table
 * @drained:        (out) device: accesses that a flush had to await
 * @checks:         (out) oracle: pages compared with the CPU's table
 * @suspects:       (out) oracle: found absent, looked at again
 * @violations:     (out) oracle: accesses through a stale translation (what
 *                  audits find is not in here)
 * @mapped_1g:      (out) 1 GiB entries written to the mirror table
 * @unmapped_1g:    (out) 1 GiB entries taken out of it
 * @prefetches:     (out) prefetches done, or ended by an error
 * @prefetch_errors: (out) of these, ended by an error
 * @prefetched:     (out) bytes that these made translations for, or found some
 * @intervals:      (out) now: MMU notifiers, each for 1 GiB or a region
 * @pinned:         (out) now: 4 KiB pages pinned
 * @reserved:       (out) 0
 */
struct dmirage_counters {
	__u32 scope;
	__u32 reserved0;
	__u64 faults;
	__u64 fault_retries;
	__u64 fault_errors;
	__u64 mapped_4k;
	__u64 mapped_2m;
	__u64 unmapped_4k;
	__u64 unmapped_2m;
	__u64 invalidations;
	__u64 flushes;
	__u64 flushes_elided;
	__u64 inval_refused;
	__u64 records_lost;
	__u64 ops;
	__u64 ops_failed;
	__u64 bytes_read;
	__u64 bytes_written;
	__u64 accesses;
	__u64 iotlb_hits;
	__u64 iotlb_misses;
	__u64 drained;
	__u64 checks;
	__u64 suspects;
	__u64 violations;
	__u64 mapped_1g;
	__u64 unmapped_1g;
	__u64 prefetches;
	__u64 prefetch_errors;
	__u64 prefetched;
	__u64 intervals;
	__u64 pinned;
	__u64 reserved;
};

/* struct dmirage_violation.vma */
#define DMIRAGE_VMA_KNOWN	0x01U	/* else it could not be looked up */
#define DMIRAGE_VMA_READ	0x02U
#define DMIRAGE_VMA_WRITE	0x04U
#define DMIRAGE_VMA_EXEC	0x08U
#define DMIRAGE_VMA_SHARED	0x10U
#define DMIRAGE_VMA_HUGETLB	0x20U

#define DMIRAGE_COMM_LEN	16
#define DMIRAGE_NAME_LEN	64
#define DMIRAGE_CHAIN_LEN	1024

/**
 * struct dmirage_violation - what read() returns, one or more of these
 * @time_ns:     CLOCK_MONOTONIC when the driver got the record
 * @kind:        enum dmirage_violation_kind
 * @opcode:      enum dmirage_opcode of the operation; 0 if there was none, see
 *               @strength
 * @access_write: 1 if the access was a write, 0 if a read or none
 * @held_order:  log2 of the bytes that the device's translation covers
 * @held_write:  1 if the device's translation permits writes
 * @cpu_present: 1 if the process's page table maps the address
 * @cpu_write:   1 if it permits writes
 * @cpu_order:   log2 of the bytes that the process's entry covers, 0 if absent
 * @asid:        context
 * @pages:       4 KiB pages of this access (or translation, see @strength) that
 *               differ from the page table
 * @cookie:      of the operation; 0 if there was none
 * @addr:        virtual address: first byte accessed in the first such page
 * @len:         bytes that the access, or the translation, goes on from @addr
 * @held_frame:  address of the 4 KiB frame that the device used, or holds
 * @cpu_frame:   physical address of the frame the process has there, 0 if none
 * @cpu_entry:   the process's page-table entry as it was read
 * @held_age_ns: how old the device's translation was; of no meaning if @holder is
 *               the mirror table
 * @inv_age_ns:  how long ago the device was last told to drop anything in the
 *               2 MiB block around @addr; valid if @inv_len is not 0
 * @inv_start:   first byte of that flush
 * @inv_len:     bytes of it; 0 if there was none
 * @lost_before: records lost between the one before and this one
 * @strength:    enum dmirage_strength: DMIRAGE_BY_ACCESS, a stale access was
 *               made, or DMIRAGE_BY_AUDIT, an audit found the device holding a
 *               stale translation, or DMIRAGE_BY_WATCH, a store to the
 *               page table made it stale
 * @holder:      enum dmirage_holder: what holds it
 * @mode:        the context's mode: DMIRAGE_MODE_*
 * @why:         by watch: enum dmirage_watch_why
 * @cpu:         by watch: the processor that made the store, as the machine
 *               numbers them; 0xffff: nobody saw it
 * @function:    by watch: the kernel's function that made the store, its offset
 *               and size, as in "ptep_clear_flush+0x13/0x70"; else, or if it is
 *               not known, empty
 * @level:       by watch: of the table that was stored to: 1 for entries of
 *               4 KiB, each further level for 512 times more; 0: not known
 * @entry_before: by watch: the entry there before the store
 * @entry_after: by watch: the same after it (in @cpu_entry is what maps @addr
 *               when it became certain)
 * @store_age_ns: by watch: how long before it became certain the store was
 * @chain_id:    by watch: a number for @chain, the same for the same chain; or
 *               DMIRAGE_CHAIN_NOT_ASKED, _LATE, _NOT_SAVED or _NO_ANSWER
 * @chain:       by watch: call chain of the store, as the kernel's unwinder had
 *               it there: functions as in @function, innermost first, each with
 *               a newline behind it; empty if there is none, which @chain_id
 *               says why
 * @pid:         thread group that the address space belonged to when the
 *               context was set up, in the initial PID namespace
 * @comm:        its name then
 * @vma:         DMIRAGE_VMA_*: the VMA around @addr, when the driver got the
 *               record
 * @vma_start, @vma_end: its addresses; both 0: there is none there
 * @vma_name:    the last four names of the path of its file, "[heap]",
 *               "[stack]" or empty
 * @reserved:    0
 *
 * read() fails with EINVAL for a buffer smaller than one record and with
 * EAGAIN if there is none and O_NONBLOCK is set; else it waits.  poll()
 * reports POLLIN when there is one, POLLHUP when no operation will complete any
 * more (the device is gone, or the address space has ended), POLLERR when the
 * device is broken or gone.  The fields are those of
 * struct dmirage_vqe in dmirage_hw.h.
 */
struct dmirage_violation {
	__u64 time_ns;
	__u8  kind;
	__u8  opcode;
	__u8  access_write;
	__u8  held_order;
	__u8  held_write;
	__u8  cpu_present;
	__u8  cpu_write;
	__u8  cpu_order;
	__u32 asid;
	__u32 pages;
	__u64 cookie;
	__u64 addr;
	__u64 len;
	__u64 held_frame;
	__u64 cpu_frame;
	__u64 cpu_entry;
	__u64 held_age_ns;
	__u64 inv_age_ns;
	__u64 inv_start;
	__u64 inv_len;
	__u64 lost_before;
	__u8  strength;
	__u8  holder;
	__u8  mode;
	__u8  why;
	__u16 cpu;
	__u8  level;
	__u8  vma;
	__u32 chain_id;
	__s32 pid;
	__u64 entry_before;
	__u64 entry_after;
	__u64 store_age_ns;
	__u64 vma_start;
	__u64 vma_end;
	__u64 reserved[3];
	char  comm[DMIRAGE_COMM_LEN];
	char  vma_name[DMIRAGE_NAME_LEN];
	char  function[DMIRAGE_NAME_LEN];
	char  chain[DMIRAGE_CHAIN_LEN];
};

#define DMIRAGE_IOC_MAGIC	0xd3
#define DMIRAGE_IOC_INFO	_IOR(DMIRAGE_IOC_MAGIC, 0, struct dmirage_info)
#define DMIRAGE_IOC_SETUP	_IOWR(DMIRAGE_IOC_MAGIC, 1, struct dmirage_setup)
#define DMIRAGE_IOC_COUNTERS	_IOWR(DMIRAGE_IOC_MAGIC, 2, struct dmirage_counters)
#define DMIRAGE_IOC_REGION_ADD	_IOWR(DMIRAGE_IOC_MAGIC, 3, struct dmirage_region)
#define DMIRAGE_IOC_REGION_REMOVE \
	_IOW(DMIRAGE_IOC_MAGIC, 4, struct dmirage_region_remove)
#define DMIRAGE_IOC_PREFETCH	_IOWR(DMIRAGE_IOC_MAGIC, 5, struct dmirage_prefetch)
#define DMIRAGE_IOC_EVENTFD	_IOW(DMIRAGE_IOC_MAGIC, 6, struct dmirage_eventfd)
#define DMIRAGE_IOC_AUDIT	_IOWR(DMIRAGE_IOC_MAGIC, 7, struct dmirage_audit_range)

#ifndef __ASSEMBLY__
_Static_assert(sizeof(struct dmirage_info) == 128, "info is 128 bytes");
_Static_assert(sizeof(struct dmirage_setup) == 96, "setup is 96 bytes");
_Static_assert(sizeof(struct dmirage_counters) == 256, "counters are 256 bytes");
_Static_assert(sizeof(struct dmirage_region) == 40, "region is 40 bytes");
_Static_assert(sizeof(struct dmirage_region_remove) == 8, "8 bytes");
_Static_assert(sizeof(struct dmirage_prefetch) == 48, "prefetch is 48 bytes");
_Static_assert(sizeof(struct dmirage_eventfd) == 8, "eventfd is 8 bytes");
_Static_assert(sizeof(struct dmirage_audit_range) == 48, "audit is 48 bytes");
_Static_assert(sizeof(struct dmirage_violation) == 1360, "violation is 1360 bytes");
#endif

#endif /* _UAPI_DMIRAGE_H */
