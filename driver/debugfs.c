// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/dmirage/<pci_name>/: for root, and for tests.
 *
 *   counters       name and value, a line each: all contexts there have been
 *   registers      name and value, a line each
 *   fault_modes    what can be written to a context's fault_mode: name and
 *                  meaning, a line each
 *   iotlb          what is in the IOTLB, a line each (debugfs_iotlb.c)
 *   ctx<asid>/     files of a context (debugfs_ctx.c)
 */

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/seq_file.h>

#include "context.h"

static struct dentry *dmirage_root;

static const char *const dmirage_stat_names[DMIRAGE_STAT_MAX] = {
	[DMIRAGE_STAT_FAULTS] = "faults",
	[DMIRAGE_STAT_FAULT_RETRIES] = "fault_retries",
	[DMIRAGE_STAT_FAULT_ERRORS] = "fault_errors",
	[DMIRAGE_STAT_MAPPED_4K] = "mapped_4k",
	[DMIRAGE_STAT_MAPPED_2M] = "mapped_2m",
	[DMIRAGE_STAT_UNMAPPED_4K] = "unmapped_4k",
	[DMIRAGE_STAT_UNMAPPED_2M] = "unmapped_2m",
	[DMIRAGE_STAT_INVALIDATIONS] = "invalidations",
	[DMIRAGE_STAT_FLUSHES] = "flushes",
	[DMIRAGE_STAT_FLUSHES_ELIDED] = "flushes_elided",
	[DMIRAGE_STAT_INVAL_REFUSED] = "inval_refused",
	[DMIRAGE_STAT_RECORDS_LOST] = "records_lost",
	[DMIRAGE_STAT_MAPPED_1G] = "mapped_1g",
	[DMIRAGE_STAT_UNMAPPED_1G] = "unmapped_1g",
	[DMIRAGE_STAT_PREFETCHES] = "prefetches",
	[DMIRAGE_STAT_PREFETCH_ERRORS] = "prefetch_errors",
	[DMIRAGE_STAT_PREFETCHED] = "prefetched_bytes",
	[DMIRAGE_STAT_INTERVALS] = "intervals",
	[DMIRAGE_STAT_PINNED] = "pinned",
	[DMIRAGE_STAT_LEFT_STALE] = "left_stale",
	[DMIRAGE_STAT_SPLIT_FAILED] = "split_failed",
	[DMIRAGE_STAT_MAPPED_AHEAD] = "mapped_ahead",
	[DMIRAGE_STAT_MODE_HITS] = "fault_mode_hits",
};

static const char *const dmirage_cnt_names[DMIRAGE_CNT_MAX] = {
	[DMIRAGE_CNT_OPS] = "ops",
	[DMIRAGE_CNT_OPS_FAILED] = "ops_failed",
	[DMIRAGE_CNT_BYTES_READ] = "bytes_read",
	[DMIRAGE_CNT_BYTES_WRITTEN] = "bytes_written",
	[DMIRAGE_CNT_ACCESSES] = "accesses",
	[DMIRAGE_CNT_IOTLB_HITS] = "iotlb_hits",
	[DMIRAGE_CNT_IOTLB_MISSES] = "iotlb_misses",
	[DMIRAGE_CNT_FAULTS] = "hw_faults",
	[DMIRAGE_CNT_INVALIDATIONS] = "hw_invalidations",
	[DMIRAGE_CNT_IOTLB_DROPPED] = "iotlb_dropped",
	[DMIRAGE_CNT_DRAINED] = "drained",
	[DMIRAGE_CNT_ORACLE_CHECKS] = "checks",
	[DMIRAGE_CNT_ORACLE_SUSPECTS] = "suspects",
	[DMIRAGE_CNT_ORACLE_VIOLATIONS] = "violations",
	[DMIRAGE_CNT_LAST_HITS] = "last_hits",
	[DMIRAGE_CNT_WALK_CACHE_HITS] = "walk_cache_hits",
	[DMIRAGE_CNT_PREFETCHED] = "prefetched",
	[DMIRAGE_CNT_FAULTS_COALESCED] = "hw_faults_coalesced",
	[DMIRAGE_CNT_FAULTS_DELAYED] = "hw_faults_delayed",
	[DMIRAGE_CNT_FAULTS_FAILED] = "hw_faults_failed",
	[DMIRAGE_CNT_AUDITED] = "audited",
	[DMIRAGE_CNT_AUDIT_VIOLATIONS] = "audit_violations",
	[DMIRAGE_CNT_WATCH_STORES] = "watch_stores",
	[DMIRAGE_CNT_WATCH_SUSPECTS] = "watch_suspects",
	[DMIRAGE_CNT_WATCH_VIOLATIONS] = "watch_violations",
	[DMIRAGE_CNT_WATCH_REFUSED] = "watch_refused",
	[DMIRAGE_CNT_WATCH_SETTLED] = "watch_settled",
};

static_assert(ARRAY_SIZE(dmirage_cnt_names) == DMIRAGE_CNT_MAX);

/* All counters, a line each: @stats of the driver, @hw of the device. */
void dmirage_counters_print(struct seq_file *m, const u64 *stats, const u64 *hw)
{
	unsigned int i;

	for (i = 0; i < DMIRAGE_STAT_MAX; i++)
		seq_printf(m, "%s %llu\n", dmirage_stat_names[i], stats[i]);
	for (i = 0; i < DMIRAGE_CNT_MAX; i++)
		seq_printf(m, "%s %llu\n", dmirage_cnt_names[i], hw[i]);
}

static int dmirage_dev_counters_show(struct seq_file *m, void *unused)
{
	u64 stats[DMIRAGE_STAT_MAX], hw[DMIRAGE_CNT_MAX];

	dmirage_dev_counters(m->private, stats, hw);
	dmirage_counters_print(m, stats, hw);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(dmirage_dev_counters);

static int dmirage_fault_modes_show(struct seq_file *m, void *unused)
{
	unsigned int i;

	for (i = 0; i < DMIRAGE_FM_MAX; i++)
		seq_printf(m, "%-24s %s\n", dmirage_fault_modes[i].name,
			   dmirage_fault_modes[i].text);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(dmirage_fault_modes);

struct dmirage_reg_name {
	const char *name;
	unsigned int reg;
	unsigned int size;
};

static const struct dmirage_reg_name dmirage_dev_regs[] = {
	{ "id", DMIRAGE_REG_ID, 4 },
	{ "version", DMIRAGE_REG_VERSION, 4 },
	{ "caps", DMIRAGE_REG_CAPS, 8 },
	{ "contexts", DMIRAGE_REG_CONTEXTS, 4 },
	{ "ring_order", DMIRAGE_REG_RING_ORDER, 4 },
	{ "va_bits", DMIRAGE_REG_VA_BITS, 4 },
	{ "len_order", DMIRAGE_REG_LEN_ORDER, 4 },
	{ "chunk", DMIRAGE_REG_CHUNK, 4 },
	{ "iotlb_entries", DMIRAGE_REG_IOTLB_ENTRIES, 4 },
	{ "iotlb_ways", DMIRAGE_REG_IOTLB_WAYS, 4 },
	{ "walk_cache", DMIRAGE_REG_WALK_CACHE, 4 },
	{ "prefetch", DMIRAGE_REG_PREFETCH, 4 },
	{ "engines", DMIRAGE_REG_ENGINES, 4 },
	{ "error", DMIRAGE_REG_ERROR, 4 },
	{ "status", DMIRAGE_REG_STATUS, 4 },
	{ "cq_events", DMIRAGE_REG_CQ_EVENTS, 8 },
	{ "nmi", DMIRAGE_REG_NMI, 4 },
	{ "fq_base", DMIRAGE_REG_FQ + DMIRAGE_Q_BASE, 8 },
	{ "fq_config", DMIRAGE_REG_FQ + DMIRAGE_Q_CONFIG, 4 },
	{ "fq_head", DMIRAGE_REG_FQ + DMIRAGE_Q_HEAD, 4 },
	{ "fq_tail", DMIRAGE_REG_FQ + DMIRAGE_Q_TAIL, 4 },
	{ "fq_missed", DMIRAGE_REG_FQ + DMIRAGE_Q_MISSED, 4 },
	{ "vq_base", DMIRAGE_REG_VQ + DMIRAGE_Q_BASE, 8 },
	{ "vq_config", DMIRAGE_REG_VQ + DMIRAGE_Q_CONFIG, 4 },
	{ "vq_head", DMIRAGE_REG_VQ + DMIRAGE_Q_HEAD, 4 },
	{ "vq_tail", DMIRAGE_REG_VQ + DMIRAGE_Q_TAIL, 4 },
	{ "vq_missed", DMIRAGE_REG_VQ + DMIRAGE_Q_MISSED, 4 },
	{ "iq_base", DMIRAGE_REG_IQ + DMIRAGE_Q_BASE, 8 },
	{ "iq_config", DMIRAGE_REG_IQ + DMIRAGE_Q_CONFIG, 4 },
	{ "iq_head", DMIRAGE_REG_IQ + DMIRAGE_Q_HEAD, 4 },
	{ "iq_tail", DMIRAGE_REG_IQ + DMIRAGE_Q_TAIL, 4 },
};

static const struct dmirage_reg_name dmirage_ctx_regs[] = {
	{ "ctl", DMIRAGE_CTX_CTL, 4 },
	{ "status", DMIRAGE_CTX_STATUS, 4 },
	{ "pt_root", DMIRAGE_CTX_PT_ROOT, 8 },
	{ "cpu_root", DMIRAGE_CTX_CPU_ROOT, 8 },
	{ "sq_base", DMIRAGE_CTX_SQ_BASE, 8 },
	{ "cq_base", DMIRAGE_CTX_CQ_BASE, 8 },
	{ "rings", DMIRAGE_CTX_RINGS, 4 },
	{ "error", DMIRAGE_CTX_ERROR, 4 },
	{ "hold", DMIRAGE_CTX_HOLD, 4 },
	{ "hold_limit", DMIRAGE_CTX_HOLD_LIMIT, 4 },
	{ "sync_addr", DMIRAGE_CTX_SYNC_ADDR, 8 },
	{ "sq_head", DMIRAGE_CTX_SQ_HEAD, 4 },
	{ "sq_tail", DMIRAGE_CTX_SQ_TAIL, 4 },
	{ "cq_head", DMIRAGE_CTX_CQ_HEAD, 4 },
	{ "cq_tail", DMIRAGE_CTX_CQ_TAIL, 4 },
};

static void dmirage_reg_print(struct seq_file *m, struct dmirage_dev *dd,
			      const char *prefix, unsigned int base,
			      const struct dmirage_reg_name *r)
{
	u64 val = r->size == 8 ? dmirage_readq(dd, base + r->reg) :
				 dmirage_readl(dd, base + r->reg);

	seq_printf(m, "%s%s %#llx\n", prefix, r->name, val);
}

static int dmirage_registers_show(struct seq_file *m, void *unused)
{
	struct dmirage_dev *dd = m->private;
	unsigned int asid, base, i;
	char prefix[16];

	for (i = 0; i < ARRAY_SIZE(dmirage_dev_regs); i++)
		dmirage_reg_print(m, dd, "", 0, &dmirage_dev_regs[i]);

	mutex_lock(&dd->lock);
	for_each_set_bit(asid, dd->asids, DMIRAGE_CONTEXTS) {
		snprintf(prefix, sizeof(prefix), "ctx%u_", asid);
		base = DMIRAGE_CTX_BASE + asid * DMIRAGE_PAGE;
		for (i = 0; i < ARRAY_SIZE(dmirage_ctx_regs); i++)
			dmirage_reg_print(m, dd, prefix, base,
					  &dmirage_ctx_regs[i]);
	}
	mutex_unlock(&dd->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(dmirage_registers);

void dmirage_debugfs_add_dev(struct dmirage_dev *dd)
{
	dd->dir = debugfs_create_dir(pci_name(dd->pdev), dmirage_root);
	debugfs_create_file("counters", 0400, dd->dir, dd,
			    &dmirage_dev_counters_fops);
	debugfs_create_file("registers", 0400, dd->dir, dd,
			    &dmirage_registers_fops);
	debugfs_create_file("fault_modes", 0400, dd->dir, dd,
			    &dmirage_fault_modes_fops);
	debugfs_create_file("iotlb", 0400, dd->dir, dd, &dmirage_iotlb_fops);
	debugfs_create_file("chains", 0600, dd->dir, dd, &dmirage_chains_fops);
}

/* No handler is running, and none will, when this returns. */
void dmirage_debugfs_remove_dev(struct dmirage_dev *dd)
{
	debugfs_remove_recursive(dd->dir);
}

void dmirage_debugfs_init(void)
{
	dmirage_root = debugfs_create_dir(KBUILD_MODNAME, NULL);
}

void dmirage_debugfs_exit(void)
{
	debugfs_remove_recursive(dmirage_root);
}
