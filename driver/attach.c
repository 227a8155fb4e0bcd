// SPDX-License-Identifier: GPL-2.0
/*
 * Attaching to another process: whose address space it is, and whether the
 * caller may.
 *
 * The kernel exports neither a way from a pidfd to its process nor
 * ptrace_may_access().  The first is little to write.  The second is left to
 * proc: /proc/PID/mem can be opened by who may ptrace the process
 * (PTRACE_MODE_ATTACH_FSCREDS, proc_mem_open()), and the open file leads to the
 * address space that this was decided about.  Whoever has it could read and
 * write that memory through it; the device gives nothing more.
 *
 * The process may exec between the opening and now.  Then its address space is
 * another one than the file's, and the attachment is refused.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/string.h>

#include "compat.h"
#include "context.h"

static bool dmirage_file_is(const struct file *file, unsigned long magic,
			    const char *name)
{
	const struct dentry *dentry = file->f_path.dentry;

	return dentry->d_sb->s_magic == magic &&
	       !strcmp(dentry->d_name.name, name);
}

/* Until 6.8 a file of the anonymous inode; since then of a file system. */
static struct pid *dmirage_pidfd_pid(const struct file *file)
{
#ifdef PID_FS_MAGIC
	if (file->f_path.dentry->d_sb->s_magic == PID_FS_MAGIC)
		return file_inode(file)->i_private;
#endif
	if (dmirage_file_is(file, ANON_INODE_FS_MAGIC, "[pidfd]"))
		return file->private_data;
	return NULL;
}

/* Is it the proc file of this address space, open for reading and writing? */
static bool dmirage_mem_permits(const struct file *file,
				const struct mm_struct *mm)
{
	return dmirage_file_is(file, PROC_SUPER_MAGIC, "mem") &&
	       (file->f_mode & FMODE_READ) && (file->f_mode & FMODE_WRITE) &&
	       file->private_data == mm;
}

/* The context is about the address space of this task's process. */
void dmirage_attach_who(struct dmirage_ctx *ctx, struct task_struct *task)
{
	ctx->pid = task_tgid_nr(task);
	get_task_comm(ctx->comm, task->group_leader);
}

/**
 * dmirage_attach - the address space of another process
 * @ctx:    whose name and number are kept in it
 * @pidfd:  which one
 * @mem_fd: its /proc/PID/mem
 *
 * Return: the address space, to be mmdrop()ped; or an ERR_PTR: -EBADF, -EACCES,
 * -ESRCH as in struct dmirage_setup.
 */
struct mm_struct *dmirage_attach(struct dmirage_ctx *ctx, int pidfd, int mem_fd)
{
	struct mm_struct *mm = ERR_PTR(-EBADF);
	struct file *pid_file = fget(pidfd);
	struct file *mem_file = fget(mem_fd);
	struct task_struct *task;
	struct pid *pid;

	if (!pid_file || !mem_file)
		goto put_files;
	pid = dmirage_pidfd_pid(pid_file);
	if (!pid)
		goto put_files;

	mm = ERR_PTR(-ESRCH);
	task = get_pid_task(pid, PIDTYPE_TGID);
	if (!task)
		goto put_files;
	mm = get_task_mm(task);
	dmirage_attach_who(ctx, task);
	put_task_struct(task);
	if (!mm) {
		mm = ERR_PTR(-ESRCH);
		goto put_files;
	}
	mmgrab(mm);
	mmput(mm);
	if (!dmirage_mem_permits(mem_file, mm)) {
		mmdrop(mm);
		mm = ERR_PTR(-EACCES);
	}

put_files:
	if (mem_file)
		fput(mem_file);
	if (pid_file)
		fput(pid_file);
	return mm;
}
