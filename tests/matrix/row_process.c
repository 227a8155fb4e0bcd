// SPDX-License-Identifier: GPL-2.0
/* Rows: by another process, or the end of one. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "newer.h"
#include "rows.h"

#define END_MS	4000
#define FREEZER "/tmp/freezer"

#define NO_MODE "a device can pin only memory of who opens it"

/* ---- From outside ------------------------------------------------------------------- */

static int page_out_parent(struct cell *c)
{
	struct iovec all = { c->area.addr, c->area.len };
	int pidfd = (int)syscall(SYS_pidfd_open, getppid(), 0);

	drain_batches();
	if (syscall(SYS_process_madvise, pidfd, &all, 1ul, MADV_PAGEOUT, 0) < 0)
		return errno;
	return 0;
}

static bool paged_out(struct cell *c)
{
	cell_in_child(c, page_out_parent);
	return cell_frames_gone(c);
}

/* While the child is there its memory is the same as this process's. */
static void act_process_madvise(struct cell *c)
{
	if (is_pinned(c)) {
		paged_out(c);
		cell_all(c, cell_is(c, SHMEM_COLUMNS) ? PLACE_KEPT : PLACE_SAME);
		return;
	}
	ASSERT(cell_wait(c, paged_out, END_MS));
	cell_all(c, PLACE_DROPPED);
}

/* ---- The end of a process --------------------------------------------------------------- */

/**
 * struct other - a process whose memory the device uses
 * @pid:   of it
 * @tell:  a byte makes it end
 */
struct other {
	pid_t pid;
	int tell;
};

/* A copy of this process, which has pages of its own where it can have. */
static struct other other_start(struct cell *c, bool exec)
{
	struct other o;
	int tell[2], ready[2];
	unsigned int i;
	char byte = 0;

	ASSERT_SYS(pipe2(tell, O_CLOEXEC));
	ASSERT_SYS(pipe2(ready, O_CLOEXEC));
	o.pid = fork();
	ASSERT_SYS(o.pid);
	if (!o.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (i = 0; i < PLACES; i++) {
			if (!(c->column->flags & COLUMN_READ_WARM))
				cpu_write(c->place[i].p, c->place[i].value);
		}
		if (write(ready[1], &byte, 1) != 1 || read(tell[0], &byte, 1) != 1)
			_exit(1);
		if (exec)
			execl("/bin/sleep", "sleep", "1000", NULL);
		_exit(0);
	}
	ASSERT_EQ(read(ready[0], &byte, 1), 1);
	o.tell = tell[1];
	return o;
}

/* Both contexts have translations of the other process's memory. */
static void warm_other(struct cell *c, const struct other *o)
{
	unsigned int i;

	c->plain = open_attached(o->pid, c->mode, 0);
	if (can_watch())
		c->watched = open_attached(o->pid, c->mode, DMIRAGE_OPEN_WATCH);
	each_context(c, d)
	{
		for (i = 0; i < PLACES; i++) {
			struct place *p = &c->place[i];

			if (c->write && !(c->column->flags & COLUMN_READ_WARM))
				dev_write(d, p->p, ++p->value);
			EXPECT_EQ(dev_read(d, p->p), p->value);
		}
	}
}

/* The device does nothing any more, holds nothing, and has done nothing wrong. */
static bool has_ended(struct cell *c)
{
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;

	dmirage_prep_read_imm(&sqe, 1, c->place[0].p, 8);
	return dmirage_run(c->plain, &sqe, &cqe, OP_TIMEOUT_MS) == -ENODEV;
}

static void expect_ended(struct cell *c)
{
	ASSERT(cell_wait(c, has_ended, END_MS));
	each_context(c, d)
	{
		struct dmirage_counters n = get_counters(d);

		EXPECT_EQ(n.mapped_4k, n.unmapped_4k);
		EXPECT_EQ(n.mapped_2m, n.unmapped_2m);
		EXPECT_EQ(n.mapped_1g, n.unmapped_1g);
		EXPECT_EQ(n.violations, 0);
		EXPECT_EQ(counter(d, "watch_violations"), 0);
		EXPECT_EQ(n.faults ? n.checks > 0 : 1, 1);
		dmirage_close(d);
	}
}

static void run_exit(struct cell *c)
{
	struct other o = other_start(c, false);

	warm_other(c, &o);
	ASSERT_EQ(write(o.tell, "x", 1), 1);
	EXPECT_EQ(wait_child(o.pid), 0);
	expect_ended(c);
}

static void run_kill(struct cell *c)
{
	struct other o = other_start(c, false);

	warm_other(c, &o);
	ASSERT_SYS(kill(o.pid, SIGKILL));
	EXPECT_EQ(wait_child(o.pid), 256 + SIGKILL);
	expect_ended(c);
}

static void run_exec(struct cell *c)
{
	struct other o = other_start(c, true);

	warm_other(c, &o);
	ASSERT_EQ(write(o.tell, "x", 1), 1);
	expect_ended(c);
	/* The process lives on, with other memory. */
	EXPECT_EQ(kill(o.pid, 0), 0);
	ASSERT_SYS(kill(o.pid, SIGKILL));
	EXPECT_EQ(wait_child(o.pid), 256 + SIGKILL);
}

/* ---- Reaped before its end ------------------------------------------------------------------ */

static void freezer_put(const char *file, const char *text)
{
	char path[96];

	snprintf(path, sizeof(path), FREEZER "/dmirage/%s", file);
	ASSERT_EQ(put_text(path, text), 0);
}

/* By version 1 of the control groups: what is frozen so does not end by being killed. */
static void freeze(pid_t pid)
{
	char text[16];

	mkdir(FREEZER, 0700);
	if (mount("freezer", FREEZER, "cgroup", 0, "freezer") && errno != EBUSY)
		SKIP("no freezer of control groups, version 1: %s", strerror(errno));
	mkdir(FREEZER "/dmirage", 0700);
	freezer_put("freezer.state", "THAWED");
	snprintf(text, sizeof(text), "%d", pid);
	freezer_put("cgroup.procs", text);
	freezer_put("freezer.state", "FROZEN");
}

/* What an access gets when its page has been reaped, and there will be no other. */
static void expect_reaped(struct cell *c)
{
	unsigned int i;

	each_context(c, d)
	{
		for (i = 0; i < PLACES; i++) {
			/* Of a file the page is to be had once more. */
			if (cell_is(c, OF(FILE_PRIVATE)))
				EXPECT_EQ(dev_read(d, c->place[i].p), c->place[i].value);
			else
				expect_read_fault(d, c->place[i].p, EFAULT);
		}
	}
}

static void run_mrelease(struct cell *c)
{
	struct other o = other_start(c, false);
	int pidfd = (int)syscall(SYS_pidfd_open, o.pid, 0);
	u64 before[2], n = 0;

	ASSERT_SYS(pidfd);
	warm_other(c, &o);
	freeze(o.pid);
	ASSERT_SYS(kill(o.pid, SIGKILL));
	each_context(c, d) before[n++] = counter(d, "hw_invalidations");
	ASSERT_SYS(syscall(SYS_process_mrelease, pidfd, 0));
	n = 0;
	each_context(c, d) EXPECT_GE(counter(d, "hw_invalidations"), before[n++] + 1);
	expect_reaped(c);
	freezer_put("freezer.state", "THAWED");
	EXPECT_EQ(wait_child(o.pid), 256 + SIGKILL);
	expect_ended(c);
	close(pidfd);
}

#define ENDS ALL_COLUMNS & ~OF(SWAPPED)
#define NOT_THERE                                               \
	{                                                       \
		OF(SWAPPED), "there is no page to be let go of" \
	}

const struct row rows_process[] = {
	{
		.name = "process-madvise",
		.what = "process_madvise(MADV_PAGEOUT) by another process",
		.columns = OF(SHMEM) | OF(MEMFD) | OF(SHMEM_THP),
		.since = 510,
		.except = { { ANON_COLUMNS | OF(KSM),
			      "the other process, a child, has the page, too, so it is left alone" },
			    { HUGETLB_COLUMNS, "hugetlb memory is not reclaimed" },
			    { OF(SWAPPED), "it is out already" } },
		.else_why = "what is the file's, or nobody's, a child has as well: see pageout",
		.flushes = FLUSHES_SOME,
		.act = act_process_madvise,
	},
	{
		.name = "exit",
		.what = "exit() of the process whose memory it is",
		.columns = ENDS,
		.modes = 1 << DMIRAGE_MODE_PINNED,
		.no_mode = NO_MODE,
		.except = { NOT_THERE },
		.run = run_exit,
	},
	{
		.name = "kill",
		.what = "SIGKILL to the process whose memory it is",
		.columns = ENDS,
		.modes = 1 << DMIRAGE_MODE_PINNED,
		.no_mode = NO_MODE,
		.except = { NOT_THERE },
		.run = run_kill,
	},
	{
		.name = "exec",
		.what = "execve() by the process whose memory it was",
		.columns = ENDS,
		.modes = 1 << DMIRAGE_MODE_PINNED,
		.no_mode = NO_MODE,
		.except = { NOT_THERE },
		.run = run_exec,
	},
	{
		.name = "mrelease",
		.what = "process_mrelease() of a killed process: reaped by another, as when out of "
			"memory",
		.columns = ANON_COLUMNS | ZERO_COLUMNS | OF(KSM) | OF(FILE_PRIVATE),
		.since = 515,
		.modes = 1 << DMIRAGE_MODE_PINNED,
		.no_mode = NO_MODE,
		.except = { NOT_THERE, { HUGETLB_COLUMNS, "the reaper leaves hugetlb memory" } },
		.else_why = "the reaper leaves what is shared",
		.run = run_mrelease,
	},
	{ 0 }
};
