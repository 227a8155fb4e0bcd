// SPDX-License-Identifier: GPL-2.0
/*
 * .../ctx<asid>/: the debugfs files of a context.
 *
 *   counters       name and value, a line each
 *   fault_mode     the names of all modes, the one in force in brackets; write
 *                  a name (fault_mode.h)
 *   hold           where the device is stopped.  The first line is "none",
 *                  "armed" or "held"; then "flush-held", if a flush is; then
 *                  "armed" with the points, if there are any.  Write points,
 *                  which are armed in place of those before: "walk",
 *                  "translated", "middle", "complete", "flush", of which all but
 *                  the last may be followed by "-keep" (a flush that needs the
 *                  access to end does not release it; for all points or none);
 *                  or "release"
 *   hold_limit_ms  how long the device holds what it holds
 *   gate           "armed", "waiting" (a point or "none") and "expired" (how
 *                  often), a line each; write a point, or a point and the
 *                  address it is to be about, or "release", or "again": release
 *                  who waits and stop the next one there (points: gate.h)
 *   audit          what the last audit found, name and value, a line each, or
 *                  "none", or "cut" if it was cut short; write "all", or an
 *                  address and a number of bytes, to have one, which is over
 *                  when write() returns
 *
 * A handler that uses the context's registers takes its life lock, which its
 * end holds while it gives the ASID back.  The end takes the directory away
 * before that, without the lock.
 */

#include <linux/ctype.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "context.h"

static ssize_t dmirage_debugfs_write(struct file *file, const char __user *buf,
				     size_t count,
				     int (*set)(struct dmirage_ctx *, char *))
{
	struct seq_file *m = file->private_data;
	char text[80];
	int ret;

	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, count))
		return -EFAULT;
	text[count] = '\0';
	ret = set(m->private, strim(text));
	return ret ? ret : count;
}

/* A file that is read as text and written as a word or two. */
#define DMIRAGE_DEBUGFS_WORD(name)                                             \
	static int name##_open(struct inode *inode, struct file *file)         \
	{                                                                      \
		return single_open(file, name##_show, inode->i_private);       \
	}                                                                      \
	static ssize_t name##_write(struct file *file, const char __user *buf, \
				    size_t count, loff_t *pos)                 \
	{                                                                      \
		return dmirage_debugfs_write(file, buf, count, name##_set);    \
	}                                                                      \
	static const struct file_operations name##_fops = {                    \
		.owner = THIS_MODULE,                                          \
		.open = name##_open,                                           \
		.read = seq_read,                                              \
		.write = name##_write,                                         \
		.llseek = seq_lseek,                                           \
		.release = single_release,                                     \
	}

static int dmirage_mode_show(struct seq_file *m, void *unused)
{
	struct dmirage_ctx *ctx = m->private;
	unsigned int i, mode = READ_ONCE(ctx->fault_mode);

	for (i = 0; i < DMIRAGE_FM_MAX; i++)
		seq_printf(m, i == mode ? "%s[%s]" : "%s%s", i ? " " : "",
			   dmirage_fault_modes[i].name);
	seq_putc(m, '\n');
	return 0;
}

static int dmirage_mode_set(struct dmirage_ctx *ctx, char *word)
{
	unsigned int mode = 0;

	while (strcmp(word, dmirage_fault_modes[mode].name))
		if (++mode == DMIRAGE_FM_MAX)
			return -EINVAL;
	mutex_lock(&ctx->lock);
	WRITE_ONCE(ctx->fault_mode, mode);
	if (mode != DMIRAGE_FM_NONE)
		ctx->faulty = true;
	mutex_unlock(&ctx->lock);
	return 0;
}

DMIRAGE_DEBUGFS_WORD(dmirage_mode);

static const struct {
	const char *name;
	u32 bit;
} dmirage_hold_points[] = {
	{ "walk", DMIRAGE_HOLD_WALK },
	{ "translated", DMIRAGE_HOLD_TRANSLATED },
	{ "middle", DMIRAGE_HOLD_MIDDLE },
	{ "complete", DMIRAGE_HOLD_COMPLETE },
	{ "flush", DMIRAGE_HOLD_FLUSH },
};

static int dmirage_hold_show(struct seq_file *m, void *unused)
{
	struct dmirage_ctx *ctx = m->private;
	u32 hold, status;
	unsigned int i;
	int ret = -ENODEV;

	mutex_lock(&ctx->life);
	if (!ctx->has_asid)
		goto unlock;
	ret = 0;
	/* in this order: what was armed and is not any more is held */
	hold = dmirage_readl(ctx->dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_HOLD));
	status = dmirage_readl(ctx->dd,
			       dmirage_ctx_reg(ctx, DMIRAGE_CTX_STATUS));
	if (status & DMIRAGE_CTX_HELD)
		seq_puts(m, "held\n");
	else
		seq_puts(m, hold & DMIRAGE_HOLD_POINTS ? "armed\n" : "none\n");
	if (status & DMIRAGE_CTX_FLUSH_HELD)
		seq_puts(m, "flush-held\n");
	if (!(hold & DMIRAGE_HOLD_POINTS))
		goto unlock;
	seq_puts(m, "armed");
	for (i = 0; i < ARRAY_SIZE(dmirage_hold_points); i++) {
		u32 bit = dmirage_hold_points[i].bit;
		bool keep = (hold & DMIRAGE_HOLD_KEEP) &&
			    bit != DMIRAGE_HOLD_FLUSH;

		if (hold & bit)
			seq_printf(m, " %s%s", dmirage_hold_points[i].name,
				   keep ? "-keep" : "");
	}
	seq_putc(m, '\n');
unlock:
	mutex_unlock(&ctx->life);
	return ret;
}

/* What a word stands for; 0 if it is none.  It is cut. */
static u32 dmirage_hold_bits(char *word)
{
	char *keep = strstr(word, "-keep");
	unsigned int i;
	u32 bit;

	if (!strcmp(word, "release"))
		return DMIRAGE_HOLD_RELEASE;
	if (keep && !strcmp(keep, "-keep"))
		*keep = '\0';
	else
		keep = NULL;
	for (i = 0; i < ARRAY_SIZE(dmirage_hold_points); i++) {
		bit = dmirage_hold_points[i].bit;
		if (strcmp(word, dmirage_hold_points[i].name))
			continue;
		/* a flush that is held has nobody who would release it */
		if (keep && bit == DMIRAGE_HOLD_FLUSH)
			return 0;
		return keep ? bit | DMIRAGE_HOLD_KEEP : bit;
	}
	return 0;
}

static int dmirage_hold_set(struct dmirage_ctx *ctx, char *text)
{
	int ret = -ENODEV;
	u32 bits, val = 0;
	char *word;

	while ((word = strsep(&text, " "))) {
		bits = dmirage_hold_bits(word);
		if (!bits)
			return -EINVAL;
		val |= bits;
	}
	if (!(ctx->dd->caps & DMIRAGE_CAP_HOLD))
		return -EOPNOTSUPP;

	mutex_lock(&ctx->life);
	if (ctx->has_asid) {
		dmirage_writel(ctx->dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_HOLD),
			       val);
		ret = 0;
	}
	mutex_unlock(&ctx->life);
	return ret;
}

DMIRAGE_DEBUGFS_WORD(dmirage_hold);

static int dmirage_hold_limit_show(struct seq_file *m, void *unused)
{
	struct dmirage_ctx *ctx = m->private;
	int ret = -ENODEV;

	mutex_lock(&ctx->life);
	if (ctx->has_asid) {
		seq_printf(m, "%u\n",
			   dmirage_readl(ctx->dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_HOLD_LIMIT)));
		ret = 0;
	}
	mutex_unlock(&ctx->life);
	return ret;
}

static int dmirage_hold_limit_set(struct dmirage_ctx *ctx, char *word)
{
	unsigned int ms;
	int ret;

	ret = kstrtouint(word, 0, &ms);
	if (ret)
		return ret;
	if (ms < 1 || ms > DMIRAGE_HOLD_LIMIT_MAX)
		return -EINVAL;

	mutex_lock(&ctx->life);
	if (ctx->has_asid)
		dmirage_writel(ctx->dd, dmirage_ctx_reg(ctx, DMIRAGE_CTX_HOLD_LIMIT),
			       ms);
	else
		ret = -ENODEV;
	mutex_unlock(&ctx->life);
	return ret;
}

DMIRAGE_DEBUGFS_WORD(dmirage_hold_limit);

static int dmirage_gate_file_show(struct seq_file *m, void *unused)
{
	struct dmirage_ctx *ctx = m->private;

	dmirage_gate_show(&ctx->gate, m);
	return 0;
}

static int dmirage_gate_file_set(struct dmirage_ctx *ctx, char *word)
{
	return dmirage_gate_set(&ctx->gate, word);
}

DMIRAGE_DEBUGFS_WORD(dmirage_gate_file);

static int dmirage_audit_show(struct seq_file *m, void *unused)
{
	struct dmirage_ctx *ctx = m->private;
	struct dmirage_audit_result audit;

	mutex_lock(&ctx->life);
	audit = ctx->audit;
	mutex_unlock(&ctx->life);

	if (!audit.done)
		seq_puts(m, "none\n");
	else if (audit.cut)
		seq_puts(m, "cut\n");
	else
		seq_printf(m, "translations %u\npages %u\nviolations %u\n",
			   audit.translations, audit.pages, audit.violations);
	return 0;
}

static int dmirage_audit_set(struct dmirage_ctx *ctx, char *text)
{
	struct dmirage_audit_result result;
	u64 addr = 0, len = U64_MAX;
	char *word;

	if (strcmp(text, "all")) {
		word = strsep(&text, " ");
		if (!text || kstrtou64(word, 0, &addr) ||
		    kstrtou64(skip_spaces(text), 0, &len) || !len)
			return -EINVAL;
	}
	return dmirage_audit_run(ctx, addr, len, &result);
}

DMIRAGE_DEBUGFS_WORD(dmirage_audit);

static int dmirage_ctx_counters_show(struct seq_file *m, void *unused)
{
	u64 stats[DMIRAGE_STAT_MAX], hw[DMIRAGE_CNT_MAX];

	dmirage_ctx_counters(m->private, stats, hw);
	dmirage_counters_print(m, stats, hw);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(dmirage_ctx_counters);

/* Context: under ctx->life. */
void dmirage_debugfs_add_ctx(struct dmirage_ctx *ctx)
{
	char name[16];

	snprintf(name, sizeof(name), "ctx%u", ctx->asid);
	ctx->dir = debugfs_create_dir(name, ctx->dd->dir);
	debugfs_create_file("counters", 0400, ctx->dir, ctx,
			    &dmirage_ctx_counters_fops);
	debugfs_create_file("fault_mode", 0600, ctx->dir, ctx,
			    &dmirage_mode_fops);
	debugfs_create_file("hold", 0600, ctx->dir, ctx, &dmirage_hold_fops);
	debugfs_create_file("hold_limit_ms", 0600, ctx->dir, ctx,
			    &dmirage_hold_limit_fops);
	debugfs_create_file("gate", 0600, ctx->dir, ctx,
			    &dmirage_gate_file_fops);
	debugfs_create_file("audit", 0600, ctx->dir, ctx, &dmirage_audit_fops);
}
