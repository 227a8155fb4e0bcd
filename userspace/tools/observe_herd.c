// SPDX-License-Identifier: GPL-2.0
/*
 * The processes that are followed: who belongs to them, and whose address space is whose.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "observe.h"
#include "room.h"

#define NS_PER_MS	1000000ull

/* To attach again: to who has no address space now; when contexts are short */
#define RETRY		(2 * NS_PER_MS)
#define RETRY_CROWDED	(50 * NS_PER_MS)

static struct process *find(const struct herd *h, pid_t pid)
{
	size_t i;

	for (i = 0; i < h->n; i++) {
		if (h->list[i].pid == pid)
			return &h->list[i];
	}
	return NULL;
}

/* ---- Views --------------------------------------------------------------- */

static void remove_view(struct herd *h, struct view *v)
{
	size_t i;

	for (i = 0; i < h->n; i++) {
		if (h->list[i].view == v)
			h->list[i].view = NULL;
	}
	for (i = 0; h->views[i] != v; i++)
		;
	h->views[i] = h->views[--h->n_views];
	view_close(v, h->tally);
}

/* The process has it no more; without any, nobody would tell when to close it. */
static void leave_view(struct herd *h, struct process *p)
{
	struct view *v = p->view;

	p->view = NULL;
	p->shares = false;
	if (v && !--v->refs)
		remove_view(h, v);
}

static bool same_space(pid_t a, pid_t b)
{
	return !syscall(SYS_kcmp, a, b, KCMP_VM, 0, 0);
}

/* A context for the process, if there is an address space to be had. */
static int attach(struct herd *h, struct process *p)
{
	struct view *v;
	int err;

	if (p->pidfd < 0)
		return -ESRCH;
	if (!room_for(&h->views, h->n_views, &h->views_room, sizeof(*h->views)))
		return -ENOMEM;
	err = view_open(h->policy, p->pid, p->pidfd, &v);
	if (err) {
		p->retry = observe_now() + (err == -ENOSPC ? RETRY_CROWDED : RETRY);
		h->tally->crowded += err == -ENOSPC;
		return err;
	}
	v->refs = 1;
	h->views[h->n_views++] = v;
	h->tally->spaces++;
	p->view = v;
	p->covered = true;
	return 0;
}

/* ---- Processes ----------------------------------------------------------- */

static void forget(struct herd *h, struct process *p)
{
	if (!p->covered && !p->waiting)
		h->tally->missed++;
	leave_view(h, p);
	if (p->pidfd >= 0)
		close(p->pidfd);
	*p = h->list[--h->n];
}

int herd_add(struct herd *h, pid_t pid, pid_t parent, bool waiting)
{
	struct process *p, *from;

	if (find(h, pid))
		return 0;
	if (!room_for(&h->list, h->n, &h->room, sizeof(*h->list)))
		return -ENOMEM;
	h->tally->processes++;
	p = &h->list[h->n];
	*p = (struct process){ .pid = pid, .waiting = waiting };
	h->n++;
	p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* It has ended.  Its children have not, and are known by it in events to come. */
	if (p->pidfd < 0)
		return -errno;
	if (waiting)
		return 0;
	from = find(h, parent);
	if (from && from->view && same_space(parent, pid)) {
		p->view = from->view;
		p->view->refs++;
		p->shares = true;
		p->covered = true;
		return 0;
	}
	return attach(h, p);
}

void herd_add_children(struct herd *h, pid_t pid)
{
	char path[320];
	struct dirent *e;
	DIR *threads;
	FILE *f;
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	threads = opendir(path);
	while (threads && (e = readdir(threads))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)pid, e->d_name);
		f = fopen(path, "re");
		while (f && fscanf(f, "%d", &child) == 1) {
			/* one that cannot be attached to is counted as missed at its end */
			(void)herd_add(h, child, pid, false);
			herd_add_children(h, child);
		}
		if (f)
			fclose(f);
	}
	if (threads)
		closedir(threads);
}

/* ---- Events -------------------------------------------------------------- */

void herd_go(struct herd *h, pid_t pid)
{
	struct process *p = find(h, pid);

	if (p && p->waiting) {
		p->waiting = false;
		(void)attach(h, p);	/* else it is tried again */
	}
}

/*
 * It has another address space.  Events come late: a view that has not ended is of the new one
 * already, if it is the process's own.
 */
static void executed(struct herd *h, struct process *p)
{
	if (p->waiting || (p->view && p->view->refs == 1 && !view_ended(p->view)))
		return;
	if (!p->covered)
		h->tally->missed++;
	leave_view(h, p);
	p->covered = false;
	(void)attach(h, p);
}

static void take_events(struct herd *h)
{
	struct follow_event e;
	struct process *p;
	size_t i;

	while (follow_next(h->events, &e)) {
		switch (e.what) {
		case FOLLOW_FORK:
			/* Our own children are the program, and who has it as brother. */
			if (e.parent == h->self || find(h, e.parent))
				(void)herd_add(h, e.pid, e.parent, false);
			break;
		case FOLLOW_EXEC:
			p = find(h, e.pid);
			if (p)
				executed(h, p);
			break;
		case FOLLOW_LOST:
			h->tally->deaf++;
			for (i = 0; i < h->n; i++)
				herd_add_children(h, h->list[i].pid);
			break;
		}
	}
}

static bool has_ended(const struct process *p)
{
	struct pollfd pfd = { .fd = p->pidfd, .events = POLLIN };

	return p->pidfd < 0 || poll(&pfd, 1, 0) > 0;
}

void herd_look(struct herd *h)
{
	bool ended[h->n + 1];
	size_t i, n = h->n;
	__u64 now;

	/* Who has ended has done before all that there will be events of. */
	for (i = 0; i < n; i++)
		ended[i] = has_ended(&h->list[i]);
	take_events(h);
	for (i = n; i-- > 0;) {
		if (ended[i])
			forget(h, &h->list[i]);
	}
	for (i = h->n_views; i-- > 0;) {
		if (view_ended(h->views[i]))
			remove_view(h, h->views[i]);
	}
	now = observe_now();
	for (i = 0; i < h->n; i++) {
		if (!h->list[i].view && !h->list[i].waiting && h->list[i].retry <= now)
			(void)attach(h, &h->list[i]);
	}
}

void herd_end(struct herd *h)
{
	size_t i;

	for (i = 0; i < h->n_views; i++)
		view_audit(h->views[i], h->tally);
	while (h->n_views)
		remove_view(h, h->views[0]);
	while (h->n) {
		if (h->list[--h->n].pidfd >= 0)
			close(h->list[h->n].pidfd);
		h->tally->missed += !h->list[h->n].covered && !h->list[h->n].waiting;
	}
	free(h->list);
	free(h->views);
}
