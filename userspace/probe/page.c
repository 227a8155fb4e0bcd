// SPDX-License-Identifier: GPL-2.0
/*
 * One page: its frame, its size, its node; and moving it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kernel-page-flags.h>
#include <linux/mempolicy.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"

#define PM_PRESENT	(1ull << 63)
#define PM_SWAPPED	(1ull << 62)
#define PM_PFN_MASK	((1ull << 55) - 1)

#define MOVE_TRIES	50
#define MOVE_BATCH	512

static __thread char why[256];

const char *probe_why(void)
{
	return why;
}

int probe_fail(int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	return err;
}

/* The 64-bit word with number @index of a file. */
static int read_word(const char *path, __u64 index, __u64 *word)
{
	ssize_t got;
	int fd, err = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return probe_fail(-errno, "cannot open %s: %s", path,
				  strerror(errno));
	got = pread(fd, word, sizeof(*word), (off_t)(index * sizeof(*word)));
	if (got < 0)
		err = probe_fail(-errno, "cannot read %s: %s", path,
				 strerror(errno));
	else if (got != sizeof(*word))
		err = probe_fail(-EIO, "%s ends before entry %llu", path,
				 index);
	close(fd);
	return err;
}

/* -1 if the kernel does not say, as for the zero page. */
static int node_of(const void *addr)
{
	void *page = (void *)((uintptr_t)addr & ~(PROBE_4K - 1));
	int status = -1;

	if (syscall(SYS_move_pages, 0, 1ul, &page, NULL, &status, 0) ||
	    status < 0)
		return -1;
	return status;
}

int probe_page(const void *addr, struct probe_page *page)
{
	__u64 entry, flags;
	int err;

	*page = (struct probe_page){ .node = -1 };
	err = read_word("/proc/self/pagemap", (uintptr_t)addr / PROBE_4K,
			&entry);
	if (err)
		return err;
	page->swapped = entry & PM_SWAPPED;
	if (!(entry & PM_PRESENT))
		return 0;
	if (!(entry & PM_PFN_MASK))
		return probe_fail(-EPERM,
				  "pagemap hides frame numbers (not root?)");
	page->present = true;
	page->frame = (entry & PM_PFN_MASK) * PROBE_4K;
	err = read_word("/proc/kpageflags", entry & PM_PFN_MASK, &flags);
	if (err)
		return err;
	page->hugetlb = flags & (1ull << KPF_HUGE);
	page->thp = !page->hugetlb && (flags & (1ull << KPF_THP));
	page->node = node_of(addr);
	return 0;
}

long probe_smaps_kb(const void *addr, const char *field)
{
	uintptr_t a = (uintptr_t)addr, start, end;
	size_t field_len = strlen(field);
	bool inside = false;
	char line[512];
	long kb = -ENOENT;
	FILE *f;

	f = fopen("/proc/self/smaps", "re");
	if (!f)
		return probe_fail(-errno, "cannot open /proc/self/smaps: %s",
				  strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) ==
		    2) {
			if (inside)
				break;
			inside = a >= start && a < end;
		} else if (inside && !strncmp(line, field, field_len) &&
			   line[field_len] == ':') {
			kb = strtol(line + field_len + 1, NULL, 10);
			break;
		}
	}
	fclose(f);
	if (kb < 0)
		probe_fail(-ENOENT, "no %s for %p in /proc/self/smaps", field,
			   addr);
	return kb;
}

/* Move @n <= MOVE_BATCH pages; a positive return is how many are busy. */
static int move_batch(void *addr, size_t n, size_t step, int node)
{
	void *pages[MOVE_BATCH];
	int nodes[MOVE_BATCH], status[MOVE_BATCH];
	int busy = 0;
	size_t i;
	long ret;

	for (i = 0; i < n; i++) {
		pages[i] = (char *)addr + i * step;
		nodes[i] = node;
		status[i] = -EAGAIN;
	}
	ret = syscall(SYS_move_pages, 0, n, pages, nodes, status,
		      MPOL_MF_MOVE);
	if (ret < 0 && errno != EAGAIN && errno != EBUSY)
		return probe_fail(-errno, "move_pages: %s", strerror(errno));
	for (i = 0; i < n; i++) {
		if (status[i] == node)
			continue;
		if (status[i] >= 0 || status[i] == -EBUSY ||
		    status[i] == -EAGAIN)
			busy++;
		else
			return probe_fail(status[i],
					  "page %p does not move to node %d: %s",
					  pages[i], node, strerror(-status[i]));
	}
	return busy;
}

int probe_move(void *addr, size_t len, size_t step, int node)
{
	const struct timespec nap = { .tv_nsec = 2000000 };
	size_t pages = len / step, done, n;
	int tries, ret;

	for (done = 0; done < pages; done += n) {
		n = pages - done;
		if (n > MOVE_BATCH)
			n = MOVE_BATCH;
		for (tries = 0;; tries++) {
			ret = move_batch((char *)addr + done * step, n, step,
					 node);
			if (ret <= 0)
				break;
			if (tries == MOVE_TRIES)
				return probe_fail(-EBUSY,
						  "%d pages from %p on are busy",
						  ret, addr);
			nanosleep(&nap, NULL);
		}
		if (ret)
			return ret;
	}
	return 0;
}
