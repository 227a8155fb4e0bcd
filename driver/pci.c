// SPDX-License-Identifier: GPL-2.0
/*
 * dmirage: a device that mirrors a process's address space, and tells when its
 * mirror shows something that is no longer there.
 *
 * This file: finding the device, starting and stopping it, and the module.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/idr.h>
#include <linux/interrupt.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "chain.h"
#include "compat.h"
#include "context.h"

static DEFINE_IDA(dmirage_ids);

/**
 * dmirage_dev_reset - reset, and wait until no access is under way
 * @dd: the device
 *
 * Context: does not sleep.
 * Return: 0; -ETIMEDOUT.
 */
int dmirage_dev_reset(struct dmirage_dev *dd)
{
	u32 status;

	dmirage_writel(dd, DMIRAGE_REG_RESET, DMIRAGE_RESET_KEY);
	return readl_poll_timeout_atomic(dd->regs + DMIRAGE_REG_STATUS, status,
					 !(status & DMIRAGE_STATUS_BUSY), 10,
					 USEC_PER_SEC);
}

/**
 * dmirage_dev_break - the device does not do what it must: take it off the bus
 * @dd: the device
 *
 * When this returns the device does not touch memory any more, and waits for
 * its flushes are over.
 *
 * Context: does not sleep.  Any number of callers, of whom one does it.
 */
void dmirage_dev_break(struct dmirage_dev *dd)
{
	if (test_and_set_bit(0, &dd->breaking)) {
		while (!READ_ONCE(dd->broken))
			cpu_relax();
		return;
	}

	pci_clear_master(dd->pdev);
	if (dmirage_dev_reset(dd))
		dev_crit(dd->dev, "busy even after a reset\n");
	/* pairs with READ_ONCE() in dmirage_flush() and elsewhere */
	WRITE_ONCE(dd->broken, true);
	wake_up_all(&dd->wait);
	dmirage_event_all(dd);
}

static void dmirage_dev_free(struct kref *ref)
{
	struct dmirage_dev *dd = container_of(ref, struct dmirage_dev, ref);

	dmirage_chain_free(dd);
	ida_free(&dmirage_ids, dd->id);
	pci_dev_put(dd->pdev);
	kfree(dd->vq_rec);
	kfree(dd);
}

/* Drop a reference; the last may be that of a file, long after removal. */
void dmirage_dev_put(struct dmirage_dev *dd)
{
	kref_put(&dd->ref, dmirage_dev_free);
}

static struct dmirage_dev *dmirage_dev_alloc(struct pci_dev *pdev)
{
	struct dmirage_dev *dd;

	dd = kzalloc(sizeof(*dd), GFP_KERNEL);
	if (!dd)
		return NULL;
	dd->vq_rec = kmalloc(sizeof(*dd->vq_rec), GFP_KERNEL);
	dd->id = ida_alloc(&dmirage_ids, GFP_KERNEL);
	if (!dd->vq_rec || dd->id < 0) {
		if (dd->id >= 0)
			ida_free(&dmirage_ids, dd->id);
		kfree(dd->vq_rec);
		kfree(dd);
		return NULL;
	}
	snprintf(dd->name, sizeof(dd->name), "dmirage%d", dd->id);

	kref_init(&dd->ref);
	dd->pdev = pci_dev_get(pdev);
	dd->dev = &pdev->dev;
	mutex_init(&dd->lock);
	INIT_LIST_HEAD(&dd->files);
	INIT_LIST_HEAD(&dd->ended);
	spin_lock_init(&dd->ctx_lock);
	spin_lock_init(&dd->iq_lock);
	mutex_init(&dd->query_lock);
	spin_lock_init(&dd->fq_lock);
	mutex_init(&dd->vq_lock);
	init_waitqueue_head(&dd->wait);
	return dd;
}

/* What is it, and can this driver use it? */
static int dmirage_identify(struct dmirage_dev *dd)
{
	const u64 need = DMIRAGE_CAP_PAGE_4K | DMIRAGE_CAP_MIRROR;
	u32 id = dmirage_readl(dd, DMIRAGE_REG_ID);

	if (id != DMIRAGE_ID) {
		dev_err(dd->dev, "not a dmirage device: id %#x, not %#x\n", id,
			DMIRAGE_ID);
		return -ENODEV;
	}

	dd->hw_version = dmirage_readl(dd, DMIRAGE_REG_VERSION);
	if (dd->hw_version >> 16 != DMIRAGE_VERSION >> 16 ||
	    dd->hw_version < DMIRAGE_VERSION) {
		dev_err(dd->dev,
			"device version %u.%u, this driver is for %u.%u and newer ones of %u.x\n",
			dd->hw_version >> 16, dd->hw_version & 0xffff,
			DMIRAGE_VERSION >> 16, DMIRAGE_VERSION & 0xffff,
			DMIRAGE_VERSION >> 16);
		return -ENODEV;
	}

	dd->caps = dmirage_readq(dd, DMIRAGE_REG_CAPS);
	if ((dd->caps & need) != need) {
		dev_err(dd->dev, "capabilities %#llx lack %#llx\n", dd->caps,
			need & ~dd->caps);
		return -ENODEV;
	}
	if (!(dd->caps & DMIRAGE_CAP_ORACLE_ACCESS))
		dev_warn(dd->dev, "oracle is off: violations go unnoticed\n");

	dd->contexts = min_t(u32, dmirage_readl(dd, DMIRAGE_REG_CONTEXTS),
			     DMIRAGE_CONTEXTS);
	dd->ring_order = min_t(u32, dmirage_readl(dd, DMIRAGE_REG_RING_ORDER),
			       DMIRAGE_RING_ORDER_MAX);
	dd->va_bits = dmirage_readl(dd, DMIRAGE_REG_VA_BITS);
	dd->len_order = dmirage_readl(dd, DMIRAGE_REG_LEN_ORDER);
	dd->chunk = dmirage_readl(dd, DMIRAGE_REG_CHUNK);
	dd->iotlb_entries = dmirage_readl(dd, DMIRAGE_REG_IOTLB_ENTRIES);
	dd->iotlb_ways = dmirage_readl(dd, DMIRAGE_REG_IOTLB_WAYS);
	return 0;
}

/* Switch on a queue that the device has nothing of, from index 0 on. */
static int dmirage_queue_enable(struct dmirage_dev *dd, struct dmirage_queue *q)
{
	u32 config = DMIRAGE_Q_ENABLE | q->order;

	/* an entry from before would look new */
	memset(q->mem, 0, q->bytes);
	q->next = 0;
	dmirage_writeq(dd, q->reg + DMIRAGE_Q_BASE, q->dma);
	dmirage_writel(dd, q->reg + DMIRAGE_Q_CONFIG, config);
	if (dmirage_readl(dd, q->reg + DMIRAGE_Q_CONFIG) == config)
		return 0;
	dev_err(dd->dev, "queue at %#x not enabled, error %#x\n", q->reg,
		dmirage_readl(dd, DMIRAGE_REG_ERROR));
	return -EIO;
}

static int dmirage_queue_start(struct dmirage_dev *dd, struct dmirage_queue *q,
			       unsigned int reg, unsigned int order,
			       size_t entry_size)
{
	q->reg = reg;
	q->order = order;
	q->mask = (1u << order) - 1;
	q->bytes = entry_size << order;
	q->mem = dmam_alloc_coherent(dd->dev, q->bytes, &q->dma, GFP_KERNEL);
	if (!q->mem)
		return -ENOMEM;
	return dmirage_queue_enable(dd, q);
}

/**
 * dmirage_queues_restart - switch the queues on again after a reset
 * @dd: the device; nobody uses the queues
 *
 * Return: 0; -EIO.
 */
int dmirage_queues_restart(struct dmirage_dev *dd)
{
	int ret;

	ret = dmirage_queue_enable(dd, &dd->fq);
	if (!ret)
		ret = dmirage_queue_enable(dd, &dd->vq);
	if (!ret)
		ret = dmirage_queue_enable(dd, &dd->iq);
	return ret;
}

static int dmirage_queues_start(struct dmirage_dev *dd)
{
	int ret;

	dd->status = dmam_alloc_coherent(dd->dev, DMIRAGE_STATUS_BYTES,
					 &dd->status_dma, GFP_KERNEL);
	if (!dd->status)
		return -ENOMEM;

	ret = dmirage_queue_start(dd, &dd->fq, DMIRAGE_REG_FQ,
				  DMIRAGE_FQ_ORDER, sizeof(struct dmirage_fqe));
	if (!ret)
		ret = dmirage_queue_start(dd, &dd->vq, DMIRAGE_REG_VQ,
					  DMIRAGE_VQ_ORDER,
					  sizeof(struct dmirage_vqe));
	if (!ret)
		ret = dmirage_queue_start(dd, &dd->iq, DMIRAGE_REG_IQ,
					  DMIRAGE_IQ_ORDER,
					  sizeof(struct dmirage_cmd));
	return ret;
}

static int dmirage_irqs_get(struct dmirage_dev *dd)
{
	struct pci_dev *pdev = dd->pdev;
	int ret;

	ret = pci_alloc_irq_vectors(pdev, DMIRAGE_VECTORS, DMIRAGE_VECTORS,
				    PCI_IRQ_MSIX);
	if (ret < 0) {
		dev_err(dd->dev, "no MSI-X vectors: %d\n", ret);
		return ret;
	}

	ret = request_irq(pci_irq_vector(pdev, DMIRAGE_VEC_FAULT),
			  dmirage_fault_irq, 0, "dmirage-fault", dd);
	if (ret)
		goto free_vectors;
	ret = request_threaded_irq(pci_irq_vector(pdev, DMIRAGE_VEC_VIOLATION),
				   NULL, dmirage_violation_irq, IRQF_ONESHOT,
				   "dmirage-violation", dd);
	if (ret)
		goto free_fault;
	ret = request_threaded_irq(pci_irq_vector(pdev, DMIRAGE_VEC_COMPLETE),
				   NULL, dmirage_event_irq, IRQF_ONESHOT,
				   "dmirage-complete", dd);
	if (ret)
		goto free_violation;
	return 0;

free_violation:
	free_irq(pci_irq_vector(pdev, DMIRAGE_VEC_VIOLATION), dd);
free_fault:
	free_irq(pci_irq_vector(pdev, DMIRAGE_VEC_FAULT), dd);
free_vectors:
	pci_free_irq_vectors(pdev);
	return ret;
}

static void dmirage_irqs_put(struct dmirage_dev *dd)
{
	free_irq(pci_irq_vector(dd->pdev, DMIRAGE_VEC_COMPLETE), dd);
	free_irq(pci_irq_vector(dd->pdev, DMIRAGE_VEC_VIOLATION), dd);
	free_irq(pci_irq_vector(dd->pdev, DMIRAGE_VEC_FAULT), dd);
	pci_free_irq_vectors(dd->pdev);
}

/* What devm_ and pcim_ functions got is given back by the core. */
static int dmirage_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct dmirage_dev *dd;
	int ret;

	dd = dmirage_dev_alloc(pdev);
	if (!dd)
		return -ENOMEM;
	pci_set_drvdata(pdev, dd);

	ret = pcim_enable_device(pdev);
	if (ret)
		goto put_dev;
	if (pci_resource_len(pdev, DMIRAGE_BAR_REGS) < DMIRAGE_BAR_SIZE) {
		dev_err(dd->dev, "BAR %d is too small\n", DMIRAGE_BAR_REGS);
		ret = -ENODEV;
		goto put_dev;
	}
	ret = pcim_iomap_regions(pdev, BIT(DMIRAGE_BAR_REGS), KBUILD_MODNAME);
	if (ret)
		goto put_dev;
	dd->regs = pcim_iomap_table(pdev)[DMIRAGE_BAR_REGS];
	dd->regs_phys = pci_resource_start(pdev, DMIRAGE_BAR_REGS);

	ret = dma_set_mask_and_coherent(dd->dev, DMA_BIT_MASK(64));
	if (ret)
		goto put_dev;
	ret = dmirage_identify(dd);
	if (ret)
		goto put_dev;

	/* whatever it was doing, it must stop before it may use the bus */
	ret = dmirage_dev_reset(dd);
	if (ret) {
		dev_err(dd->dev, "busy even after a reset\n");
		goto put_dev;
	}
	pci_set_master(pdev);

	dd->fault_wq = alloc_workqueue("%s", WQ_UNBOUND, 0, dd->name);
	if (!dd->fault_wq) {
		ret = -ENOMEM;
		goto clear_master;
	}
	ret = dmirage_queues_start(dd);
	if (ret)
		goto stop;
	ret = dmirage_irqs_get(dd);
	if (ret)
		goto stop;
	dmirage_chain_start(dd);
	dmirage_debugfs_add_dev(dd);
	ret = dmirage_chardev_add(dd);
	if (ret)
		goto put_irqs;

	dev_info(dd->dev, "%s: %u contexts, IOTLB of %u entries\n", dd->name,
		 dd->contexts, dd->iotlb_entries);
	return 0;

put_irqs:
	dmirage_debugfs_remove_dev(dd);
	dmirage_irqs_put(dd);
stop:
	dmirage_dev_reset(dd);
	dmirage_chain_stop(dd);
	destroy_workqueue(dd->fault_wq);
clear_master:
	pci_clear_master(pdev);
put_dev:
	dmirage_dev_put(dd);
	return ret;
}

/*
 * Files may be open, and operations under way.  First nothing new can begin,
 * then all contexts end, then the device goes; its registers and coherent
 * memory are given back after this.
 */
static void dmirage_remove(struct pci_dev *pdev)
{
	struct dmirage_dev *dd = pci_get_drvdata(pdev);

	dmirage_chardev_remove(dd);

	mutex_lock(&dd->lock);
	WRITE_ONCE(dd->gone, true);
	mutex_unlock(&dd->lock);
	wake_up_all(&dd->wait);

	dmirage_ctx_end_all(dd);

	dmirage_debugfs_remove_dev(dd);
	/*
	 * A query may still wait: its file was taken away by the end of its
	 * context, at the hands of release(), and only that waits for it.
	 */
	mutex_lock(&dd->query_lock);
	mutex_unlock(&dd->query_lock);
	dmirage_irqs_put(dd);
	dmirage_dev_reset(dd);
	dmirage_chain_stop(dd);
	pci_clear_master(pdev);
	destroy_workqueue(dd->fault_wq);
	dmirage_dev_put(dd);
}

static const struct pci_device_id dmirage_pci_ids[] = {
	{ PCI_DEVICE(DMIRAGE_PCI_VENDOR, DMIRAGE_PCI_DEVICE) },
	{ }
};
MODULE_DEVICE_TABLE(pci, dmirage_pci_ids);

static struct pci_driver dmirage_pci_driver = {
	.name = KBUILD_MODNAME,
	.id_table = dmirage_pci_ids,
	.probe = dmirage_probe,
	.remove = dmirage_remove,
	.driver.pm = &dmirage_pm_ops,
};

static int __init dmirage_init(void)
{
	int ret;

	dmirage_debugfs_init();
	ret = pci_register_driver(&dmirage_pci_driver);
	if (ret)
		dmirage_debugfs_exit();
	return ret;
}
module_init(dmirage_init);

static void __exit dmirage_exit(void)
{
	pci_unregister_driver(&dmirage_pci_driver);
	dmirage_debugfs_exit();
}
module_exit(dmirage_exit);

MODULE_AUTHOR("The dmirage authors");
MODULE_DESCRIPTION("DMA device that mirrors page tables and reports stale translations");
MODULE_LICENSE("GPL");
