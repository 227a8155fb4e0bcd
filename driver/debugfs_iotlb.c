// SPDX-License-Identifier: GPL-2.0
/*
 * .../iotlb: what the IOTLB holds, sorted by context and address.
 *
 *   asid va size pa write prefetched age_ns
 *
 * The device copies its content when the file is opened, in one step as far as
 * commands are concerned: a translation that was dropped before is not in it.
 * Its clock cannot be read, so an entry's age is how much earlier than the
 * latest one here it was read from the page table.
 */

#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "context.h"

/* the largest IOTLB there is; what is behind it is not shown */
#define DMIRAGE_DUMP_MAX	65536

/* never a number of entries */
#define DMIRAGE_DUMP_NONE	cpu_to_le32(U32_MAX)

/**
 * struct dmirage_iotlb - the content of the IOTLB
 * @n:      entries
 * @latest: when the latest of them was filled
 * @e:      the entries
 */
struct dmirage_iotlb {
	u32 n;
	u64 latest;
	struct dmirage_tlbe e[];
};

/*
 * The device writes the entries, and then their number, which comes behind the
 * places for all of them.
 */
struct dmirage_dump {
	struct dmirage_tlbe *e;
	__le32 *n;
	dma_addr_t dma;
	size_t bytes;
	u32 places;
};

static int dmirage_dump_alloc(struct dmirage_dev *dd, struct dmirage_dump *dump)
{
	dump->places = min_t(u32, dd->iotlb_entries, DMIRAGE_DUMP_MAX);
	dump->bytes = dump->places * sizeof(*dump->e) + sizeof(*dump->n);
	dump->e = dma_alloc_coherent(dd->dev, dump->bytes, &dump->dma,
				     GFP_KERNEL | __GFP_NOWARN);
	if (!dump->e)
		return -ENOMEM;
	dump->n = (__le32 *)(dump->e + dump->places);
	WRITE_ONCE(*dump->n, DMIRAGE_DUMP_NONE);
	return 0;
}

static int dmirage_dump_ask(struct dmirage_dev *dd, struct dmirage_dump *dump)
{
	size_t len = dump->places * sizeof(*dump->e);
	struct dmirage_cmd cmd = {
		.opcode = DMIRAGE_CMD_DUMP,
		.addr = cpu_to_le64(dump->dma),
		.len = cpu_to_le64(len),
		.status_addr = cpu_to_le64(dump->dma + len),
	};
	int ret;

	ret = dmirage_query(dd, &cmd, dump->n, DMIRAGE_DUMP_NONE);
	if (ret != -ETIMEDOUT)
		return ret;
	/* the memory cannot be freed while the device may write to it */
	dev_err(dd->dev, "no answer to a dump; resetting the device\n");
	dmirage_dev_break(dd);
	return -EIO;
}

static int dmirage_tlbe_cmp(const void *a, const void *b)
{
	const struct dmirage_tlbe *x = a, *y = b;
	u16 x_asid = le16_to_cpu(x->asid), y_asid = le16_to_cpu(y->asid);
	u64 x_va = le64_to_cpu(x->va), y_va = le64_to_cpu(y->va);

	if (x_asid != y_asid)
		return x_asid < y_asid ? -1 : 1;
	if (x_va != y_va)
		return x_va < y_va ? -1 : 1;
	return (int)x->order - (int)y->order;
}

static struct dmirage_iotlb *dmirage_iotlb_copy(const struct dmirage_dump *dump)
{
	u32 i, n = min(le32_to_cpu(*dump->n), dump->places);
	struct dmirage_iotlb *tlb;

	tlb = kvzalloc(struct_size(tlb, e, n), GFP_KERNEL);
	if (!tlb)
		return NULL;
	tlb->n = n;
	memcpy(tlb->e, dump->e, n * sizeof(*tlb->e));
	for (i = 0; i < n; i++)
		tlb->latest = max(tlb->latest, le64_to_cpu(tlb->e[i].fill_time));
	sort(tlb->e, n, sizeof(*tlb->e), dmirage_tlbe_cmp, NULL);
	return tlb;
}

/* Return: the content; what dmirage_query() says; -ENOMEM. */
static struct dmirage_iotlb *dmirage_iotlb_read(struct dmirage_dev *dd)
{
	struct dmirage_iotlb *tlb = NULL;
	struct dmirage_dump dump;
	int ret;

	if (mutex_lock_interruptible(&dd->query_lock))
		return ERR_PTR(-EINTR);
	ret = dmirage_dump_alloc(dd, &dump);
	if (ret)
		goto unlock;
	ret = dmirage_dump_ask(dd, &dump);
	if (!ret) {
		tlb = dmirage_iotlb_copy(&dump);
		ret = tlb ? 0 : -ENOMEM;
	}
	dma_free_coherent(dd->dev, dump.bytes, dump.e, dump.dma);
unlock:
	mutex_unlock(&dd->query_lock);
	return ret ? ERR_PTR(ret) : tlb;
}

/* Line 0 is the heading. */
static void *dmirage_iotlb_start(struct seq_file *m, loff_t *pos)
{
	struct dmirage_iotlb *tlb = m->private;

	if (!*pos)
		return SEQ_START_TOKEN;
	return *pos <= tlb->n ? &tlb->e[*pos - 1] : NULL;
}

static void *dmirage_iotlb_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return dmirage_iotlb_start(m, pos);
}

static void dmirage_iotlb_stop(struct seq_file *m, void *v)
{
}

static int dmirage_iotlb_show(struct seq_file *m, void *v)
{
	const struct dmirage_iotlb *tlb = m->private;
	const struct dmirage_tlbe *e = v;

	if (v == SEQ_START_TOKEN) {
		seq_puts(m, "asid va size pa write prefetched age_ns\n");
		return 0;
	}
	seq_printf(m, "%u %#llx %llu %#llx %u %u %llu\n", le16_to_cpu(e->asid),
		   le64_to_cpu(e->va), 1ull << (e->order & 63),
		   le64_to_cpu(e->pa), !!(e->flags & DMIRAGE_TLBE_WRITE),
		   !!(e->flags & DMIRAGE_TLBE_PREFETCHED),
		   tlb->latest - le64_to_cpu(e->fill_time));
	return 0;
}

static const struct seq_operations dmirage_iotlb_seq = {
	.start = dmirage_iotlb_start,
	.next = dmirage_iotlb_next,
	.stop = dmirage_iotlb_stop,
	.show = dmirage_iotlb_show,
};

static int dmirage_iotlb_open(struct inode *inode, struct file *file)
{
	struct dmirage_iotlb *tlb;
	int ret;

	tlb = dmirage_iotlb_read(inode->i_private);
	if (IS_ERR(tlb))
		return PTR_ERR(tlb);
	ret = seq_open(file, &dmirage_iotlb_seq);
	if (ret) {
		kvfree(tlb);
		return ret;
	}
	((struct seq_file *)file->private_data)->private = tlb;
	return 0;
}

static int dmirage_iotlb_release(struct inode *inode, struct file *file)
{
	kvfree(((struct seq_file *)file->private_data)->private);
	return seq_release(inode, file);
}

const struct file_operations dmirage_iotlb_fops = {
	.owner = THIS_MODULE,
	.open = dmirage_iotlb_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = dmirage_iotlb_release,
};
