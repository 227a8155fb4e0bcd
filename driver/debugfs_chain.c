// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs, chains: the call chains of stores that were of interest, each with
 * how many stores came by it; and how often a processor was asked too late.
 * Writing "off" or "on" has the device ask for no more, or again.
 */

#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "chain.h"
#include "device.h"

static int dmirage_chains_show(struct seq_file *m, void *unused)
{
	struct dmirage_dev *dd = m->private;
	char *text;
	u32 id;

	text = kmalloc(DMIRAGE_CHAIN_LEN, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	for (id = 1; id <= DMIRAGE_CHAINS; id++) {
		dmirage_chain_print(dd, id, 0, text, DMIRAGE_CHAIN_LEN);
		if (text[0])
			seq_printf(m, "chain %u stores %u\n%s\n", id,
				   dmirage_chain_stores(dd, id), text);
	}
	kfree(text);
	seq_printf(m, "late %u\n", atomic_read(&dd->chains_late));
	return 0;
}

static int dmirage_chains_open(struct inode *inode, struct file *file)
{
	return single_open(file, dmirage_chains_show, inode->i_private);
}

static ssize_t dmirage_chains_write(struct file *file, const char __user *buf,
				    size_t count, loff_t *pos)
{
	struct seq_file *m = file->private_data;
	struct dmirage_dev *dd = m->private;
	char word[8] = "";
	bool on;

	if (count >= sizeof(word))
		return -EINVAL;
	if (copy_from_user(word, buf, count))
		return -EFAULT;
	strim(word);
	on = !strcmp(word, "on");
	if (!on && strcmp(word, "off"))
		return -EINVAL;
	return dmirage_chain_switch(dd, on) ? count : -EOPNOTSUPP;
}

const struct file_operations dmirage_chains_fops = {
	.owner = THIS_MODULE,
	.open = dmirage_chains_open,
	.read = seq_read,
	.write = dmirage_chains_write,
	.llseek = seq_lseek,
	.release = single_release,
};
