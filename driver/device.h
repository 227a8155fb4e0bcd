/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A dmirage device as the driver sees it.
 *
 * Concepts
 *
 *   The device has three queues that all its contexts share.  The fault queue
 *   and the violation queue are filled by the device and emptied here, the one
 *   in an interrupt handler (fault.c), the other in an interrupt thread
 *   (violation.c); a third interrupt is for completion events (event.c).  The
 *   invalidation queue is filled here (inval.c).
 *
 *   A device is *broken* once it failed to answer a flush.  It has been reset
 *   and taken off the bus then, so that it cannot touch memory any more, and
 *   stays so until it is probed again.  It is *gone* once its removal began.
 *
 * Invariants
 *
 *   - A context owns its ASID from dmirage_asid_get() to dmirage_asid_put().
 *     By the latter the device holds nothing for it, and neither queue has an
 *     entry that names it: the next owner starts from nothing.
 *   - No register is touched after dmirage_remove() returned.  Whoever touches
 *     those of a context holds something that keeps its ASID (context.h).
 *   - The structure outlives the device: each open file has a reference.
 *
 * Locks, outermost first.  Those of a context are described in context.h.
 *
 *   dmirage_ctx.dir_lock   mutex      taking away a context's debugfs directory
 *   dmirage_dev.query_lock mutex      asking the device what it holds
 *   dmirage_ctx.life       mutex      set-up and end of a context
 *   dmirage_dev.lock       mutex      ASIDs, list of contexts, totals, @gone
 *   dmirage_dev.vq_lock    mutex      emptying the violation queue
 *   dmirage_ctx.resolve_lock mutex    making entries; intervals and regions
 *   mmap_lock
 *   dmirage_ctx.map_lock   mutex      what user space may map
 *   dmirage_ctx.lock       mutex      the mirror table; taken in MMU notifiers
 *   dmirage_ctx.sync_lock  spinlock   shared mode; taken under page-table locks
 *   dmirage_dev.fq_lock    spinlock   emptying the fault queue; interrupts off
 *   dmirage_dev.ctx_lock   spinlock   ASID to context; interrupts off
 *   dmirage_dev.iq_lock    spinlock   posting of invalidation commands
 *   dmirage_ctx.fault_lock spinlock   faults that wait; interrupts off
 *   dmirage_ctx.rec_lock   spinlock   records that wait; interrupts off, since it
 *                                     is taken below ctx_lock
 *   dmirage_gate.lock: innermost
 *
 * dmirage_ctx.lock and what is below it must never be held over an allocation
 * that may reclaim: reclaim calls MMU notifiers, and these take it.
 */
#ifndef DMIRAGE_DEVICE_H
#define DMIRAGE_DEVICE_H

#include <linux/fs.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include <dmirage_hw.h>
#include <dmirage.h>

struct dentry;
struct dmirage_chain;
struct dmirage_ctx;
struct seq_file;

/*
 * Sizes of the queues.  A context has DMIRAGE_FAULTS_MAX faults open at most, so
 * the fault queue cannot run full.  It has one flush under way at most, of two
 * commands (dmirage_flush()), so the invalidation queue cannot either.
 */
#define DMIRAGE_FQ_ORDER	8
#define DMIRAGE_VQ_ORDER	10
#define DMIRAGE_IQ_ORDER	9

/* How long the device may take for anything before it counts as broken */
#define DMIRAGE_TIMEOUT_MS	5000

/*
 * What the driver counts for each context.  The names, and what they mean, are
 * those of struct dmirage_counters; the ones after DMIRAGE_STAT_ABI are only in
 * debugfs.
 */
enum dmirage_stat {
	DMIRAGE_STAT_FAULTS,
	DMIRAGE_STAT_FAULT_RETRIES,
	DMIRAGE_STAT_FAULT_ERRORS,
	DMIRAGE_STAT_MAPPED_4K,
	DMIRAGE_STAT_MAPPED_2M,
	DMIRAGE_STAT_UNMAPPED_4K,
	DMIRAGE_STAT_UNMAPPED_2M,
	DMIRAGE_STAT_INVALIDATIONS,
	DMIRAGE_STAT_FLUSHES,
	DMIRAGE_STAT_FLUSHES_ELIDED,
	DMIRAGE_STAT_INVAL_REFUSED,
	DMIRAGE_STAT_RECORDS_LOST,
	DMIRAGE_STAT_MAPPED_1G,
	DMIRAGE_STAT_UNMAPPED_1G,
	DMIRAGE_STAT_PREFETCHES,
	DMIRAGE_STAT_PREFETCH_ERRORS,
	DMIRAGE_STAT_PREFETCHED,
	/* what is there now, and belongs to no total of what has ended */
	DMIRAGE_STAT_INTERVALS,
	DMIRAGE_STAT_PINNED,
	DMIRAGE_STAT_ABI,
	/* fault mode: entries left behind that should have been taken out */
	DMIRAGE_STAT_LEFT_STALE = DMIRAGE_STAT_ABI,
	/* fault mode: 2 MiB entries dropped whole for want of a table page */
	DMIRAGE_STAT_SPLIT_FAILED,
	/* of the entries made, those that no fault had asked for yet */
	DMIRAGE_STAT_MAPPED_AHEAD,
	/* fault mode: how often the driver did what the mode says */
	DMIRAGE_STAT_MODE_HITS,
	DMIRAGE_STAT_MAX
};

static inline bool dmirage_stat_is_now(enum dmirage_stat stat)
{
	return stat == DMIRAGE_STAT_INTERVALS || stat == DMIRAGE_STAT_PINNED;
}

/**
 * struct dmirage_queue - a queue in memory shared with the device
 * @mem:   the entries
 * @dma:   where the device finds them
 * @bytes: length of @mem
 * @mask:  number of entries - 1
 * @order: log2 of the number of entries
 * @next:  index of the entry to consume (or, invalidation queue, to produce)
 * @reg:   DMIRAGE_REG_FQ, _VQ or _IQ
 */
struct dmirage_queue {
	void *mem;
	dma_addr_t dma;
	size_t bytes;
	u32 mask;
	unsigned int order;
	u32 next;
	unsigned int reg;
};

/**
 * struct dmirage_dev - one device
 * @ref:        one for the driver's binding, one per context
 * @pdev:       referenced
 * @dev:        &pdev->dev
 * @regs:       BAR 0
 * @regs_phys:  its bus address, for doorbell pages
 * @misc:       /dev/dmirage<id>
 * @id:         number in that name
 * @name:       that name
 * @hw_version: DMIRAGE_REG_VERSION
 * @caps:       DMIRAGE_REG_CAPS
 * @contexts:   number of contexts
 * @ring_order: log2 of the largest ring
 * @va_bits:    width of virtual addresses
 * @len_order:  log2 of the longest operation
 * @chunk:      longest access
 * @iotlb_entries: size of the IOTLB
 * @iotlb_ways: its associativity
 * @broken:     the device failed and has been taken off the bus; never cleared
 * @breaking:   bit 0: somebody is at it
 * @gone:       removal began; set under @lock, read anywhere
 * @lock:       see below
 * @asids:      ASIDs in use; under @lock
 * @owner:      context of each ASID whose counters are not in the totals yet;
 *              under @lock
 * @files:      contexts of open files (dmirage_ctx.node); under @lock
 * @ended:      those of them that removal has ended; under @lock
 * @totals:     driver counters of contexts that have ended; under @lock
 * @hw_totals:  device counters of contexts that have ended; under @lock
 * @ctx_lock:   see below
 * @ctx:        context of each ASID, for interrupts; under @ctx_lock
 * @fq_lock:    see below
 * @fq:         fault queue
 * @vq_lock:    see below
 * @vq:         violation queue
 * @iq:         invalidation queue
 * @iq_lock:    see below
 * @status:     what commands write: a line per ASID with the word of its WAITs,
 *              and one for AUDIT (struct dmirage_audit)
 * @status_dma: where the device finds them
 * @query_lock: see below
 * @audit_value: value of the last AUDIT command; under @query_lock
 * @audit_open: it has not been answered; under @query_lock
 * @fault_wq:   runs the fault work of contexts; unbound, so that a slow fault
 *              of one context holds up no other
 * @wait:       readers of violation records, of any context
 * @vq_rec:     a record that is being handed over; under @vq_lock
 * @chains:     call chains, DMIRAGE_CHAINS of them, or NULL: no NMIs (chain.h)
 * @chains_off: none are asked for
 * @chains_late: NMIs that came too late to tell
 * @nmi_node:   in the list of those that may send NMIs
 * @dir:        debugfs directory
 */
struct dmirage_dev {
	struct kref ref;
	struct pci_dev *pdev;
	struct device *dev;
	void __iomem *regs;
	phys_addr_t regs_phys;
	struct miscdevice misc;
	int id;
	char name[20];

	u32 hw_version;
	u64 caps;
	u32 contexts;
	u32 ring_order;
	u32 va_bits;
	u32 len_order;
	u32 chunk;
	u32 iotlb_entries;
	u32 iotlb_ways;

	bool broken;
	unsigned long breaking;
	bool gone;

	/*
	 * Held for short look-ups and changes only; never over the end of a
	 * context, which waits for the context's faults, which take mmap_lock.
	 *
	 * Set-up against removal: both @gone and the bit in @asids change
	 * under it.  Either the ASID was taken first, and removal finds the
	 * context on @files and, since it takes the context's life lock, ends
	 * it after its set-up; or @gone was first and set-up fails.
	 */
	struct mutex lock;
	DECLARE_BITMAP(asids, DMIRAGE_CONTEXTS);
	struct dmirage_ctx *owner[DMIRAGE_CONTEXTS];
	struct list_head files;
	struct list_head ended;
	u64 totals[DMIRAGE_STAT_MAX];
	u64 hw_totals[DMIRAGE_CNT_MAX];

	/*
	 * Lets interrupts find a context and hand it something (a fault, a
	 * record) before it can end: the end of a context takes it out of
	 * @ctx[] under this lock, and cancels its work only after that.
	 * Guards dmirage_ctx.eventfd, too (event.c).  The fault interrupt's
	 * handler takes it, so it is held with interrupts disabled.
	 */
	spinlock_t ctx_lock;
	struct dmirage_ctx *ctx[DMIRAGE_CONTEXTS];

	/*
	 * An interrupt and the end of a context (or suspend) both empty a
	 * queue.  These let the latter know that no entry read before is still
	 * being handed out.  The fault queue is emptied by a handler, since a
	 * thread would have to be woken first, with interrupts disabled: it
	 * has at most DMIRAGE_FAULTS_MAX entries for each context, and each is
	 * only passed on.  The violation queue takes longer (it logs), and may
	 * get full, so that is left to a thread.
	 */
	spinlock_t fq_lock;
	struct dmirage_queue fq;
	struct mutex vq_lock;		/* see above */
	struct dmirage_queue vq;
	struct dmirage_queue iq;

	/*
	 * Held for posting alone, so that a non-blockable MMU notifier may
	 * take it: its holder neither sleeps nor waits for the device.  The
	 * flush of one context never waits for that of another; only the
	 * device orders them.
	 */
	spinlock_t iq_lock;
	__le32 *status;
	dma_addr_t status_dma;

	/*
	 * One DUMP or AUDIT at a time, from before it is posted until it is
	 * answered or given up, so that the queue has room for it beside the
	 * flushes, and AUDITs need one place for answers.  An AUDIT that was
	 * given up stays open: no other begins before its answer has come.
	 * Removal takes it once after @gone is set: none is under way then.
	 */
	struct mutex query_lock;
	u32 audit_value;
	bool audit_open;

	struct workqueue_struct *fault_wq;
	wait_queue_head_t wait;
	struct dmirage_violation *vq_rec;
	struct dmirage_chain *chains;
	bool chains_off;
	atomic_t chains_late;
	struct list_head nmi_node;
	struct dentry *dir;
};

/* one word per cache line, so that waiters do not share one */
#define DMIRAGE_STATUS_STRIDE	64
/* where AUDIT answers */
#define DMIRAGE_STATUS_AUDIT	(DMIRAGE_CONTEXTS * DMIRAGE_STATUS_STRIDE)
#define DMIRAGE_STATUS_BYTES	(DMIRAGE_STATUS_AUDIT + DMIRAGE_STATUS_STRIDE)

static inline u32 dmirage_readl(struct dmirage_dev *dd, unsigned int reg)
{
	return readl(dd->regs + reg);
}

static inline u64 dmirage_readq(struct dmirage_dev *dd, unsigned int reg)
{
	return readq(dd->regs + reg);
}

static inline void dmirage_writel(struct dmirage_dev *dd, unsigned int reg,
				  u32 val)
{
	writel(val, dd->regs + reg);
}

static inline void dmirage_writeq(struct dmirage_dev *dd, unsigned int reg,
				  u64 val)
{
	writeq(val, dd->regs + reg);
}

/* pci.c */
void dmirage_dev_put(struct dmirage_dev *dd);
void dmirage_dev_break(struct dmirage_dev *dd);

int dmirage_dev_reset(struct dmirage_dev *dd);
int dmirage_queues_restart(struct dmirage_dev *dd);

/* pm.c */
extern const struct dev_pm_ops dmirage_pm_ops;

/* chardev.c */
int dmirage_chardev_add(struct dmirage_dev *dd);
void dmirage_chardev_remove(struct dmirage_dev *dd);

/* fault.c */
irqreturn_t dmirage_fault_irq(int irq, void *data);
void dmirage_fault_drain(struct dmirage_dev *dd);

/* event.c */
irqreturn_t dmirage_event_irq(int irq, void *data);
void dmirage_event_drain(struct dmirage_dev *dd);
void dmirage_event_all(struct dmirage_dev *dd);

/* violation.c */
irqreturn_t dmirage_violation_irq(int irq, void *data);
void dmirage_violation_drain(struct dmirage_dev *dd);

/* inval.c */
int dmirage_query(struct dmirage_dev *dd, const struct dmirage_cmd *cmd,
		  const __le32 *word, __le32 before);

/* debugfs.c */
void dmirage_debugfs_init(void);
void dmirage_debugfs_exit(void);
void dmirage_debugfs_add_dev(struct dmirage_dev *dd);
void dmirage_debugfs_remove_dev(struct dmirage_dev *dd);
void dmirage_counters_print(struct seq_file *m, const u64 *stats,
			    const u64 *hw);

/* debugfs_chain.c */
extern const struct file_operations dmirage_chains_fops;

/* debugfs_iotlb.c */
extern const struct file_operations dmirage_iotlb_fops;

#endif /* DMIRAGE_DEVICE_H */
