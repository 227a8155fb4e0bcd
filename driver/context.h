/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A context: one open file, one process's address space, one ASID.
 *
 * Concepts
 *
 *   A context is made by open() and bound to the address space of whoever
 *   calls it, its owner.  It is NEW until DMIRAGE_IOC_SETUP gives it an ASID and
 *   a mode and switches it on (LIVE); set-up may also bind it to the address
 *   space of another process, which the operations are then about.  It is DEAD
 *   as soon as the address space ends, the file is closed, or the device goes:
 *   the device then holds nothing for it and no entry will be made again.
 *
 *   In mirror mode, MMU interval notifiers are registered where the device
 *   faults, or for each region (mirror.h).  In the other modes one classic MMU
 *   notifier tells of the end of the address space and, in shared mode, of
 *   flushes of secondary TLBs (shared.c).  What remains of them when the
 *   context ends stays until the file is closed.
 *
 * How a context ends
 *
 *   Three may come: the file's release(), the device's removal, and the end of
 *   the address space (MMU_NOTIFY_RELEASE).  All go through dmirage_ctx_stop(),
 *   under @lock: state DEAD, entries out, context off, flush, pages dirty, DMA
 *   mappings undone.  This must come before the notifiers are removed: until
 *   the last entry is out, only they keep the entries true and their pages
 *   allocated.  It is all that MMU_NOTIFY_RELEASE does, being called by a
 *   notifier, which may not wait for the fault work (that may be in mmput()).
 *
 *   The other two go on with dmirage_ctx_shutdown(), under @life:
 *
 *   1. debugfs directory away: none of its handlers uses the ASID any more;
 *   2. gate closed, dmirage_ctx_stop();
 *   3. both queues emptied: entries of this owner get to this owner;
 *   4. out of dmirage_dev.ctx[]: no interrupt finds the context any more;
 *   5. fault work, prefetches and the reaper of intervals cancelled: they find
 *      the context DEAD at the latest when they take @lock, so they make no entry
 *      after 2, and an answer goes to a fault that the device has forgotten;
 *   6. device counters read, pins undone, tables freed, rings unmapped for
 *      DMA, ASID given back.
 *
 *   release() then removes the notifiers, which sleeps until running callbacks
 *   are over (they find no entries), and drops the address space.  What is, or
 *   may yet be, mapped into a process is freed with the context: the rings, and
 *   the page in place of the doorbell.
 *
 * Locks.  See device.h for their order.
 */
#ifndef DMIRAGE_CONTEXT_H
#define DMIRAGE_CONTEXT_H

#include <linux/atomic.h>
#include <linux/kfifo.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "device.h"
#include "fault_mode.h"
#include "gate.h"
#include "mirror.h"
#include "pgtable.h"
#include "record.h"

struct address_space;
struct eventfd_ctx;
struct mm_struct;
struct page;
struct task_struct;

/* violation records kept for a reader */
#define DMIRAGE_RECORDS		256

/* what mmap() is told to map; apart from each other, so as to grow */
#define DMIRAGE_OFFSET_SQ	0x00000000ul
#define DMIRAGE_OFFSET_CQ	0x10000000ul
#define DMIRAGE_OFFSET_DB	0x20000000ul

enum dmirage_state {
	DMIRAGE_NEW,
	DMIRAGE_LIVE,
	DMIRAGE_DEAD,
};

/**
 * struct dmirage_ring - memory shared by a process and the device
 * @mem:     whole pages, each with a reference count of its own, as a process's
 *           mapping wants it; they outlive the device
 * @dma:     where the device finds it; 0: it does not
 * @bytes:   length
 * @entries: number of entries, a power of two
 */
struct dmirage_ring {
	void *mem;
	dma_addr_t dma;
	size_t bytes;
	u32 entries;
};

/**
 * struct dmirage_fault - a fault that waits for the fault work
 * @write: the device wants to write
 * @present: it has found a translation, which does not permit that
 * @tag:   to be given back
 * @addr:  where
 * @len:   how far it will go on
 */
struct dmirage_fault {
	bool write;
	bool present;
	u32 tag;
	u64 addr;
	u64 len;
};

/**
 * struct dmirage_saved - what a context's registers hold that memory does not
 * @sq_head:    DMIRAGE_CTX_SQ_HEAD
 * @sq_tail:    DMIRAGE_CTX_SQ_TAIL
 * @cq_head:    DMIRAGE_CTX_CQ_HEAD
 * @cq_tail:    DMIRAGE_CTX_CQ_TAIL
 * @hold:       DMIRAGE_CTX_HOLD
 * @hold_limit: DMIRAGE_CTX_HOLD_LIMIT, milliseconds
 * @armed:      DMIRAGE_DB_CQ_ARM was written, and there was no event yet
 *
 * A context that begins has zeros here, but for @hold_limit.
 */
struct dmirage_saved {
	u32 sq_head;
	u32 sq_tail;
	u32 cq_head;
	u32 cq_tail;
	u32 hold;
	u32 hold_limit;
	bool armed;
};

/**
 * struct dmirage_audit_result - what the last audit of a context found
 * @done:         there was one
 * @cut:          it did not get to its end: the rest means nothing
 * @translations: translations looked at
 * @pages:        4 KiB pages compared
 * @violations:   stale ones among the translations
 */
struct dmirage_audit_result {
	bool done;
	bool cut;
	u32 translations;
	u32 pages;
	u32 violations;
};

/**
 * struct dmirage_ctx - a context
 * @ref:        one for the file; removal takes another while it looks
 * @dd:         the device; referenced
 * @owner:      the address space that the file works for; mmgrab()bed
 * @mm:         the address space that the operations are about; mmgrab()bed.
 *              @owner until set-up, then for good.  Its page tables are gone
 *              when its last user has gone, its top-level table is not
 * @mode:       DMIRAGE_MODE_*; set by set-up before the context is LIVE
 * @by_region:  only regions may be used; likewise
 * @watched:    stores to the process's page table are judged; likewise
 * @present:    nothing is faulted in; likewise
 * @pid:        thread group that @mm was found with, in the initial namespace
 * @comm:       its name then
 * @node:       in dmirage_dev.files or .ended
 * @dir_lock:   see below
 * @life:       see below
 * @mapping:    address space of the file's inode, to take back mappings of the
 *              doorbell; NULL once the file is closed.  Under @life
 * @has_asid:   @asid is ours.  Under @life
 * @ended:      set-up is refused.  Under @life
 * @asid:       ASID
 * @dir:        debugfs directory, or NULL.  Under @life
 * @audit:      result of the last audit.  Under @life
 * @map_lock:   see below
 * @sq:         submission ring
 * @cq:         completion ring
 * @db_pfn:     doorbell page; 0: none, not yet or no longer.  Under @map_lock
 * @db_stub:    plain page in place of the doorbell that has gone, or NULL; freed
 *              with the context.  Under @map_lock
 * @lock:       see below
 * @state:      enum dmirage_state; changes under @lock, and away from NEW under
 *              @life too
 * @fault_mode: enum dmirage_fault_mode; under @lock
 * @faulty:     @fault_mode was ever set: entries may be stale; under @lock
 * @fm_pages:   fault mode keep-page: struct page, by number; under @lock
 * @fm_kept:    how many
 * @fm_seq:     fault mode one-region: the last change; under @lock
 * @pt:         mirror table
 * @asleep:     LIVE, but switched off in the device while the machine sleeps
 *              (pm.c): the device holds nothing; under @lock
 * @saved:      what it is switched on with; under @lock
 * @wait_value: value of the last WAIT command; under @lock
 * @resolve_lock: see below
 * @intervals:  struct dmirage_interval by address >> DMIRAGE_SPAN_SHIFT; under
 *              @resolve_lock, and release()'s after that
 * @regions:    struct dmirage_mr by range; likewise
 * @region_ids: struct dmirage_mr by number; likewise
 * @region_count: how many; likewise
 * @subscribed: there has been an interval, so that @mm has what they need;
 *              likewise
 * @pfns:       page-table snapshot; under @resolve_lock
 * @reap_work:  drops intervals that nothing is mapped through
 * @prefetch_lock: guards @prefetches and @prefetching
 * @prefetches: struct dmirage_prefetch_job under way and to come
 * @prefetching: how many
 * @prefetch_work: does them
 * @notifier:   shared and pinned mode; see shared.c
 * @notified:   it is registered.  Under @life, and release()'s after that
 * @sync_lock:  guards @sync_on, and the two SYNC registers as a pair.  Taken in
 *              callbacks under page-table locks
 * @sync_on:    shared mode: the device may hold something
 * @fault_lock: guards @faults, @fault_in and @fault_out
 * @faults:     open faults that the work has not taken yet, a ring
 * @fault_in:   how many have come
 * @fault_out:  how many of them have been taken
 * @fault_work: resolves them
 * @gate:       where a test can stop us
 * @rec_lock:   guards @records and @lost
 * @read_lock:  see below
 * @records:    violation records that nobody has read
 * @record_mem: their memory
 * @lost:       records lost since the last one in @records
 * @eventfd:    signalled for completions, or NULL; under dmirage_dev.ctx_lock
 * @stats:      driver counters
 * @hw_before:  device counters from before the machine slept, when the device
 *              began anew; changes under @life or with user space frozen
 * @hw_final:   device counters when the ASID was given back
 */
struct dmirage_ctx {
	struct kref ref;
	struct dmirage_dev *dd;
	struct mm_struct *owner;
	struct mm_struct *mm;
	u32 mode;
	bool by_region;
	bool watched;
	bool present;
	pid_t pid;
	char comm[DMIRAGE_COMM_LEN];
	struct list_head node;

	/*
	 * Held while @dir is taken away.  Removal takes away the device's
	 * directory after it has ended all contexts: if release() is at the one
	 * inside of it, it has to be waited for, or both take away the same
	 * files.  Not @life, which their handlers take.
	 */
	struct mutex dir_lock;

	/*
	 * Set-up, end, and uses of the context's registers exclude each other.
	 * Two threads in DMIRAGE_IOC_SETUP: the second finds the context LIVE.
	 * Removal during set-up: it waits, then ends what was set up.  Removal
	 * during release() or the other way round: the second finds nothing
	 * left to do.  Removal takes back doorbell mappings under it, while
	 * @mapping keeps the inode's address space known to exist: release()
	 * clears @mapping first and the inode goes after release().
	 *
	 * Held over the wait for the fault work, which takes mmap_lock; so it
	 * must not be taken below mmap_lock: mmap() and page faults use
	 * @map_lock.
	 */
	struct mutex life;
	struct address_space *mapping;
	bool has_asid;
	bool ended;
	u32 asid;
	struct dentry *dir;
	struct dmirage_audit_result audit;

	/*
	 * Taken in mmap() and in page faults on the doorbell.  Its page gets
	 * into a process's page table under it and only while @db_pfn is set;
	 * removal clears that and takes back what is mapped after it.  So there
	 * is no moment when a mapping can be made that is not found.
	 *
	 * From then on faults find @db_stub.  A fault that comes before the
	 * taking back has it taken back, too, and comes again; one that finds
	 * the doorbell's page still there, put by another thread, changes
	 * nothing, and that page goes with the taking back.  A write goes to
	 * the one or to the other, and who makes it sees no difference.
	 *
	 * Removal waits for a fault that allocates @db_stub.  That may be in
	 * reclaim, and so in our notifiers, which do not take this lock nor
	 * @life.
	 *
	 * Nothing can be mapped before @db_pfn is set, when set-up cannot fail
	 * any more; the rings' memory is the same from then on until the
	 * context is freed, and faults on it need no lock.
	 */
	struct mutex map_lock;
	struct dmirage_ring sq;
	struct dmirage_ring cq;
	unsigned long db_pfn;
	struct page *db_stub;

	/*
	 * The lock that MMU notifiers and the making of entries share (the
	 * "user_lock" of mm/mmu_notifier.c).
	 *
	 * Fault against invalidation.  A fault reads the sequence number, then
	 * the process's page table, then takes @lock, compares, and writes
	 * entries.  A notifier writes the sequence number and takes entries out
	 * under @lock.  If the notifier has @lock first, the fault sees that
	 * the number changed, and starts again.  If the fault is first, the
	 * notifier finds its entries.  A page table read before the notifier
	 * never becomes an entry after it.
	 *
	 * Invalidation against the device filling its IOTLB.  Entries are
	 * cleared before the flush is posted.  The device looks an address up
	 * and fills the IOTLB in one step as far as commands are concerned: a
	 * fill before the command is dropped by it, and a fill after it finds
	 * the entry cleared.
	 *
	 * Invalidation against an access under way.  It goes on with what it
	 * latched; the WAIT command completes after it.  The notifier returns
	 * after the WAIT.
	 *
	 * Invalidation against invalidation.  Notifiers of the same context run
	 * one after the other.  The second may find the entries gone that the
	 * first took out, and must not return before they are flushed: it does
	 * not, since the first holds @lock until then.
	 *
	 * Notifiers that may not sleep try the lock for a while and give up (the
	 * OOM reaper tries again later).  Whoever has the lock may be waiting
	 * for memory?  No: nothing under @lock allocates with reclaim.
	 *
	 * The end against faults and notifiers: see above.
	 */
	struct mutex lock;
	enum dmirage_state state;
	enum dmirage_fault_mode fault_mode;
	bool faulty;
	struct xarray fm_pages;
	unsigned long fm_kept;
	unsigned long fm_seq;
	struct dmirage_pgtable pt;
	bool asleep;
	struct dmirage_saved saved;
	u32 wait_value;

	/*
	 * Held by who makes entries, for one fault, or one entry ahead of it, at
	 * a time: the fault work, a prefetch, a region that is being added.  It
	 * makes them one; so tables are made, and a snapshot is taken, by one at
	 * a time.  And it keeps what they work through: intervals and regions are
	 * removed by who holds it, and so are, at the end, the tables.  A resolver
	 * that comes after that finds the context not LIVE before it looks at
	 * them.
	 *
	 * It is not for taking entries out.  Notifiers do not take it (only the
	 * end of an address space whose pages are pinned does, shared.c), for it
	 * is held over the reading of the process's page table, which allocates,
	 * and takes mmap_lock.
	 */
	struct mutex resolve_lock;
	struct xarray intervals;
	struct rb_root_cached regions;
	struct xarray region_ids;
	unsigned int region_count;
	bool subscribed;
	unsigned long pfns[DMIRAGE_BLOCK_PAGES];
	struct delayed_work reap_work;

	spinlock_t prefetch_lock;	/* see above */
	struct list_head prefetches;
	unsigned int prefetching;
	struct work_struct prefetch_work;

	struct mmu_notifier notifier;
	bool notified;
	spinlock_t sync_lock;		/* see above */
	bool sync_on;

	/*
	 * Between the interrupt's handler, which adds to @faults and queues the
	 * work, and the work, which takes them, with interrupts disabled.  The
	 * device has no more open for a context than there is room for; if one
	 * comes all the same, the oldest is no longer open and makes room.
	 */
	spinlock_t fault_lock;
	struct dmirage_fault faults[DMIRAGE_FAULTS_MAX];
	unsigned int fault_in;
	unsigned int fault_out;
	struct work_struct fault_work;

	struct dmirage_gate gate;

	/*
	 * Records are added by the interrupt thread and taken by readers, who
	 * copy the first and then remove it: nobody else may remove one between.
	 */
	spinlock_t rec_lock;
	struct mutex read_lock;	/* one reader at a time; outside of rec_lock */
	DECLARE_KFIFO_PTR(records, struct dmirage_found);
	struct dmirage_found *record_mem;
	u64 lost;

	atomic64_t stats[DMIRAGE_STAT_MAX];
	u64 hw_before[DMIRAGE_CNT_MAX];
	u64 hw_final[DMIRAGE_CNT_MAX];

	struct eventfd_ctx *eventfd;
};

static inline void dmirage_count(struct dmirage_ctx *ctx,
				 enum dmirage_stat stat, u64 n)
{
	atomic64_add(n, &ctx->stats[stat]);
}

/* For counters of what is there now. */
static inline void dmirage_uncount(struct dmirage_ctx *ctx,
				   enum dmirage_stat stat, u64 n)
{
	atomic64_sub(n, &ctx->stats[stat]);
}

static inline unsigned int dmirage_ctx_reg(struct dmirage_ctx *ctx,
					   unsigned int reg)
{
	return DMIRAGE_CTX_BASE + ctx->asid * DMIRAGE_PAGE + reg;
}

/* The word that the context's WAIT commands write. */
static inline __le32 *dmirage_status_word(struct dmirage_ctx *ctx)
{
	return ctx->dd->status +
	       ctx->asid * DMIRAGE_STATUS_STRIDE / sizeof(__le32);
}

/* context.c */
struct dmirage_ctx *dmirage_ctx_create(struct dmirage_dev *dd,
				       struct address_space *mapping);
int dmirage_ctx_setup(struct dmirage_ctx *ctx, struct dmirage_setup *setup);
void dmirage_ctx_stop(struct dmirage_ctx *ctx);
int dmirage_ctx_sleep(struct dmirage_ctx *ctx);
int dmirage_ctx_wake(struct dmirage_ctx *ctx);
void dmirage_ctx_put(struct dmirage_ctx *ctx);
void dmirage_ctx_close(struct dmirage_ctx *ctx);
void dmirage_ctx_end_all(struct dmirage_dev *dd);
void dmirage_ctx_counters(struct dmirage_ctx *ctx, u64 *stats, u64 *hw);
void dmirage_dev_counters(struct dmirage_dev *dd, u64 *stats, u64 *hw);

/* fault.c */
void dmirage_fault_work(struct work_struct *work);

/* event.c */
int dmirage_event_set(struct dmirage_ctx *ctx,
		      const struct dmirage_eventfd *arg);
void dmirage_event_end(struct dmirage_ctx *ctx);
void dmirage_event_close(struct dmirage_ctx *ctx);

/* violation.c */
ssize_t dmirage_violation_read(struct dmirage_ctx *ctx, char __user *buf,
			       size_t count, bool nonblock);

/* inval.c */
void dmirage_flush_range(struct dmirage_ctx *ctx, unsigned long first,
			 unsigned long last, bool may_sleep);
void dmirage_flush_asid(struct dmirage_ctx *ctx);

/* pinned.c */
int dmirage_pinned_add(struct dmirage_ctx *ctx, struct dmirage_mr *mr);
void dmirage_pinned_remove(struct dmirage_ctx *ctx,
			   struct dmirage_mr *mr);
void dmirage_pinned_remove_all(struct dmirage_ctx *ctx);
int dmirage_pinned_fault(struct dmirage_ctx *ctx, unsigned long va, bool write);

/* shared.c */
int dmirage_notifier_add(struct dmirage_ctx *ctx);
void dmirage_notifier_remove(struct dmirage_ctx *ctx);
void dmirage_shared_on(struct dmirage_ctx *ctx);
void dmirage_shared_off(struct dmirage_ctx *ctx);
int dmirage_shared_fault(struct dmirage_ctx *ctx,
			 const struct dmirage_fault *fault);

/* prefetch.c */
int dmirage_prefetch(struct dmirage_ctx *ctx, struct dmirage_prefetch *p);
void dmirage_prefetch_work(struct work_struct *work);
void dmirage_prefetch_cancel(struct dmirage_ctx *ctx);

/* attach.c */
void dmirage_attach_who(struct dmirage_ctx *ctx, struct task_struct *task);
struct mm_struct *dmirage_attach(struct dmirage_ctx *ctx, int pidfd, int mem_fd);

/* audit.c */
int dmirage_audit_run(struct dmirage_ctx *ctx, u64 addr, u64 len,
		      struct dmirage_audit_result *result);

/* debugfs_ctx.c */
void dmirage_debugfs_add_ctx(struct dmirage_ctx *ctx);

#endif /* DMIRAGE_CONTEXT_H */
