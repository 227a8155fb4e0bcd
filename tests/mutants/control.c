// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/dmirage-mutants/: for root, and for tests.
 *
 *   list     a line for each mutant: name, "ok" or why it cannot be armed in this kernel,
 *            commit, its title, and the function that a report by watch names; with
 *            tabs between
 *   pid      the process that it is to be for; 0: none
 *   arm      name of the mutant; "none": nothing
 *   hits     how often the one that is armed, or was last, has been applied
 *   late_ms  how long a notification that is late waits
 *   state    what there is, and why the last thing that did not work did not
 *
 * What does not work fails with an errno: ENOENT no such mutant, EOPNOTSUPP not in this
 * kernel, ESRCH no such process, or none is chosen, EINVAL a kernel thread, or rubbish,
 * EBUSY one is armed.
 *
 * A target that ends, or calls exec, is given up, and what is armed with it.
 */

#define pr_fmt(fmt) "dmirage-mutants: " fmt

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/utsname.h>
#include <linux/workqueue.h>

#include "mutant.h"

static DEFINE_MUTEX(control_lock);

/* Of the target: a reference to the struct, and its number when it was chosen. */
static struct mm_struct *chosen_mm;
static pid_t chosen_pid;

static const struct mutant *armed;
static char last[128] = "nothing";

static struct dentry *root;

/* Why it cannot be armed here; NULL: it can. */
static const char *why_not(const struct mutant *m, char *buf, size_t size)
{
	const char *callers = m->on[MUTANT_KERNEL].callers;
	char name[MUTANT_SYMBOL_MAX];
	const char *missing;

	if (!callers)
		return m->why_not;
	if (!strcmp(callers, MUTANT_ANYBODY))
		return NULL;
	missing = symbol_missing(callers, name, sizeof(name));
	if (!missing)
		return NULL;
	snprintf(buf, size, "this kernel has no function %s", missing);
	return buf;
}

/* ---- Arming ---------------------------------------------------------------------------- */

static void disarm(const char *why)
{
	lockdep_assert_held(&control_lock);
	if (!armed)
		return;
	hook_disarm();
	pr_warn("%s is out of process %d again, %lu times applied: %s\n", armed->name,
		chosen_pid, hook_hits(), why);
	armed = NULL;
}

static void give_up_target(void)
{
	lockdep_assert_held(&control_lock);
	if (chosen_mm)
		mmdrop(chosen_mm);
	chosen_mm = NULL;
	chosen_pid = 0;
}

static void target_gone_work(struct work_struct *work)
{
	mutex_lock(&control_lock);
	if (chosen_mm && !atomic_read(&chosen_mm->mm_users)) {
		snprintf(last, sizeof(last), "process %d has ended", chosen_pid);
		disarm(last);
		give_up_target();
	}
	mutex_unlock(&control_lock);
}

static DECLARE_WORK(gone_work, target_gone_work);

/* From exit_mmap(), which may not wait for what hooks do. */
static void target_gone(void)
{
	schedule_work(&gone_work);
}

static int arm(const char *name)
{
	char buf[MUTANT_SYMBOL_MAX + 32];
	const struct mutant *m = NULL;
	const char *why;
	unsigned int i;
	int ret;

	if (!strcmp(name, "none")) {
		disarm("as asked");
		return 0;
	}
	for (i = 0; i < mutants_count; i++) {
		if (!strcmp(mutants[i].name, name))
			m = &mutants[i];
	}
	if (!m) {
		snprintf(last, sizeof(last), "there is no mutant of that name");
		return -ENOENT;
	}
	why = why_not(m, buf, sizeof(buf));
	if (why) {
		snprintf(last, sizeof(last), "%s: %s", m->name, why);
		return -EOPNOTSUPP;
	}
	if (armed) {
		snprintf(last, sizeof(last), "%s is armed", armed->name);
		return -EBUSY;
	}
	if (!chosen_mm || !atomic_read(&chosen_mm->mm_users)) {
		snprintf(last, sizeof(last), "no process is chosen");
		return -ESRCH;
	}
	ret = hook_arm(m, chosen_mm, target_gone);
	if (ret) {
		snprintf(last, sizeof(last), "ftrace: error %d; is the function patched?", ret);
		return ret;
	}
	armed = m;
	pr_warn("process %d has %s now: the bug of %s (\"%s\"). Its memory is not safe from devices.\n",
		chosen_pid, m->name, m->commit, m->title);
	return 0;
}

static int choose(pid_t nr)
{
	struct task_struct *task;
	struct mm_struct *mm;

	if (armed) {
		snprintf(last, sizeof(last), "%s is armed", armed->name);
		return -EBUSY;
	}
	if (!nr) {
		give_up_target();
		return 0;
	}
	rcu_read_lock();
	task = get_pid_task(find_vpid(nr), PIDTYPE_PID);
	rcu_read_unlock();
	if (!task) {
		snprintf(last, sizeof(last), "there is no process %d", nr);
		return -ESRCH;
	}
	mm = get_task_mm(task);
	put_task_struct(task);
	if (!mm) {
		snprintf(last, sizeof(last), "%d has no memory of its own", nr);
		return -EINVAL;
	}
	/* the struct stays, so that its address stays its own; the memory may go */
	mmgrab(mm);
	mmput(mm);
	give_up_target();
	chosen_mm = mm;
	chosen_pid = nr;
	return 0;
}

/* ---- Files -------------------------------------------------------------------------------- */

/* A word from user space. */
static int get_word(char *buf, size_t size, const char __user *from, size_t len)
{
	if (len >= size)
		return -EINVAL;
	if (copy_from_user(buf, from, len))
		return -EFAULT;
	buf[len] = '\0';
	strim(buf);
	return 0;
}

static int list_show(struct seq_file *m, void *unused)
{
	char buf[MUTANT_SYMBOL_MAX + 32];
	const char *why;
	unsigned int i;

	for (i = 0; i < mutants_count; i++) {
		const struct mutant *mutant = &mutants[i];

		why = why_not(mutant, buf, sizeof(buf));
		seq_printf(m, "%s\t%s\t%s\t%s\t%s\n", mutant->name, why ?: "ok", mutant->commit,
			   mutant->title, mutant->on[MUTANT_KERNEL].report ?: "");
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(list);

static int state_show(struct seq_file *m, void *unused)
{
	mutex_lock(&control_lock);
	seq_printf(m, "kernel %s\n", utsname()->release);
	seq_printf(m, "pid %d\n", chosen_pid);
	seq_printf(m, "armed %s\n", armed ? armed->name : "none");
	if (armed) {
		seq_printf(m, "commit %s %s\n", armed->commit, armed->title);
		seq_printf(m, "wrong %s\n", armed->wrong);
	}
	seq_printf(m, "hits %lu\n", hook_hits());
	seq_printf(m, "late %u\n", hook_late());
	seq_printf(m, "last %s\n", last);
	mutex_unlock(&control_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(state);

static int hits_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "%lu\n", hook_hits());
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hits);

static int pid_show(struct seq_file *m, void *unused)
{
	mutex_lock(&control_lock);
	seq_printf(m, "%d\n", chosen_pid);
	mutex_unlock(&control_lock);
	return 0;
}

static int pid_open(struct inode *inode, struct file *file)
{
	return single_open(file, pid_show, NULL);
}

static ssize_t pid_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	char word[16];
	int nr, ret;

	ret = get_word(word, sizeof(word), from, len);
	if (ret)
		return ret;
	mutex_lock(&control_lock);
	ret = kstrtoint(word, 10, &nr);
	if (ret || nr < 0) {
		snprintf(last, sizeof(last), "a process has a number");
		ret = -EINVAL;
	} else {
		ret = choose(nr);
	}
	mutex_unlock(&control_lock);
	return ret ?: len;
}

static const struct file_operations pid_fops = {
	.owner = THIS_MODULE,
	.open = pid_open,
	.read = seq_read,
	.write = pid_write,
	.llseek = seq_lseek,
	.release = single_release,
};

static int arm_show(struct seq_file *m, void *unused)
{
	mutex_lock(&control_lock);
	seq_printf(m, "%s\n", armed ? armed->name : "none");
	mutex_unlock(&control_lock);
	return 0;
}

static int arm_open(struct inode *inode, struct file *file)
{
	return single_open(file, arm_show, NULL);
}

static ssize_t arm_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	char word[40];
	int ret;

	ret = get_word(word, sizeof(word), from, len);
	if (ret)
		return ret;
	mutex_lock(&control_lock);
	ret = arm(word);
	mutex_unlock(&control_lock);
	return ret ?: len;
}

static const struct file_operations arm_fops = {
	.owner = THIS_MODULE,
	.open = arm_open,
	.read = seq_read,
	.write = arm_write,
	.llseek = seq_lseek,
	.release = single_release,
};

static int __init mutants_init(void)
{
	int ret;

	ret = symbol_init();
	if (!ret)
		ret = hook_init();
	if (ret)
		return ret;
	root = debugfs_create_dir("dmirage-mutants", NULL);
	debugfs_create_file("list", 0400, root, NULL, &list_fops);
	debugfs_create_file("state", 0400, root, NULL, &state_fops);
	debugfs_create_file("hits", 0400, root, NULL, &hits_fops);
	debugfs_create_file("pid", 0600, root, NULL, &pid_fops);
	debugfs_create_file("arm", 0600, root, NULL, &arm_fops);
	debugfs_create_u32("late_ms", 0600, root, &hook_late_ms);
	return 0;
}

static void __exit mutants_exit(void)
{
	/* waits for who is in there */
	debugfs_remove(root);
	mutex_lock(&control_lock);
	disarm("the module is unloaded");
	give_up_target();
	mutex_unlock(&control_lock);
	/* there is no hook that would schedule it again */
	cancel_work_sync(&gone_work);
}

module_init(mutants_init);
module_exit(mutants_exit);

MODULE_DESCRIPTION("Bugs of MMU notification, put back for one process: for tests of dmirage");
MODULE_LICENSE("GPL");
