// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of a process that is observed: its mappings, and which pages are there.
 *
 * The files in /proc are opened once.  From then on they are about that address space, also
 * if its process executes something else, or if its first thread has ended.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "observe.h"
#include "room.h"

#define PAGEMAP_PRESENT	(1ull << 63)

static int open_of(pid_t pid, const char *name)
{
	char path[48];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	return fd;
}

int maps_open(struct maps *m, pid_t pid)
{
	*m = (struct maps){ .maps = -1, .pagemap = -1 };
	m->maps = open_of(pid, "maps");
	if (m->maps < 0)
		return m->maps;
	m->pagemap = open_of(pid, "pagemap");
	if (m->pagemap < 0)
		close(m->maps);
	return m->pagemap < 0 ? m->pagemap : 0;
}

void maps_close(struct maps *m)
{
	close(m->maps);
	close(m->pagemap);
	free(m->list);
}

/* The kernel's own, which are no memory. */
static bool special(const char *name)
{
	return !strncmp(name, "[vvar", 5) || !strncmp(name, "[vdso", 5) ||
	       !strncmp(name, "[vsyscall", 9);
}

/* What is known of it from before, if it is the same. */
static __u64 shy_before(struct maps *old, const struct vma *v)
{
	const struct vma *o = maps_at(old, v->start);

	return o && o->start == v->start && o->end == v->end ? o->shy_until : 0;
}

static void add(struct maps *m, const struct vma *v)
{
	if (room_for(&m->list, m->n, &m->room, sizeof(*m->list)))
		m->list[m->n++] = *v;
}

void maps_read(struct maps *m, __u64 start, __u64 end)
{
	struct maps old = *m;
	unsigned long long from, to;
	char *line = NULL, rights[5], name[16];
	struct vma v;
	size_t room = 0;
	FILE *f;
	int fd;

	m->read_at = observe_now();
	m->list = NULL;
	m->n = 0;
	m->room = 0;
	fd = fcntl(m->maps, F_DUPFD_CLOEXEC, 0);
	f = fd < 0 ? NULL : fdopen(fd, "r");
	if (f) {
		rewind(f);
		while (getline(&line, &room, f) > 0) {
			name[0] = '\0';
			if (sscanf(line, "%llx-%llx %4s %*s %*s %*s %15s", &from,
				   &to, rights, name) < 3 ||
			    rights[0] != 'r' || special(name))
				continue;
			v.start = from < start ? start : from;
			v.end = to > end ? end : to;
			v.write = rights[1] == 'w';
			if (v.start >= v.end)
				continue;
			v.shy_until = shy_before(&old, &v);
			add(m, &v);
		}
		fclose(f);
	} else if (fd >= 0) {
		close(fd);
	}
	free(line);
	free(old.list);
	m->cost = observe_now() - m->read_at;
}

struct vma *maps_at(struct maps *m, __u64 addr)
{
	size_t low = 0, high = m->n, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (m->list[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < m->n ? &m->list[low] : NULL;
}

unsigned int maps_present(const struct maps *m, __u64 first, bool *present, unsigned int n)
{
	__u64 entries[BLOCK_PAGES];
	unsigned int i, got, count = 0;
	ssize_t bytes;

	if (n > BLOCK_PAGES)
		n = BLOCK_PAGES;
	bytes = pread(m->pagemap, entries, n * sizeof(entries[0]),
		      (off_t)(first * sizeof(entries[0])));
	got = bytes > 0 ? (unsigned int)((size_t)bytes / sizeof(entries[0])) : 0;
	for (i = 0; i < n; i++) {
		present[i] = i < got && (entries[i] & PAGEMAP_PRESENT);
		count += present[i];
	}
	return count;
}
