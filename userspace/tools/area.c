// SPDX-License-Identifier: GPL-2.0
/*
 * Memory to work on: files and anonymous memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe.h"
#include "tool.h"

static int failed(const char *what, const char *name)
{
	complain("cannot %s %s: %s", what, name, strerror(errno));
	return EXIT_ENV;
}

static int map_file(struct area *a)
{
	int prot = PROT_READ | (a->write ? PROT_WRITE : 0);
	void *p;

	if (!a->len)
		return 0;
	p = mmap(NULL, a->len, prot, MAP_SHARED, a->fd, 0);
	if (p == MAP_FAILED)
		return failed("map", a->name);
	a->addr = p;
	return 0;
}

static int open_file(struct area *a, const char *path, int flags)
{
	struct stat st;

	*a = (struct area){ .name = path, .fd = -1 };
	a->write = (flags & O_ACCMODE) == O_RDWR;
	a->fd = open(path, flags | O_CLOEXEC, 0666);
	if (a->fd < 0 || fstat(a->fd, &st))
		return failed("open", path);
	if (!S_ISREG(st.st_mode)) {
		complain("%s is no regular file", path);
		return EXIT_USAGE;
	}
	a->len = (__u64)st.st_size;
	return 0;
}

int area_file(struct area *a, const char *path, bool write)
{
	int ret = open_file(a, path, write ? O_RDWR : O_RDONLY);

	return ret ? ret : map_file(a);
}

int area_create(struct area *a, const char *path, __u64 len)
{
	int ret = open_file(a, path, O_RDWR | O_CREAT);

	if (ret)
		return ret;
	a->len = len;
	if (ftruncate(a->fd, (off_t)len))
		return failed("resize", path);
	/* A lack of space is to be seen here, and not by the device. */
	errno = len ? posix_fallocate(a->fd, 0, (off_t)len) : 0;
	if (errno)
		return failed("allocate", path);
	return map_file(a);
}

static int map_huge(struct area *a)
{
	struct probe_mem mem = { 0 };
	__u64 len = (a->len + PROBE_2M - 1) & ~(PROBE_2M - 1);

	if (probe_mem_map(&mem, PROBE_KIND_THP, len)) {
		complain("%s", probe_why());
		return EXIT_ENV;
	}
	/* The rest of the mapping stays, and goes with the process. */
	a->addr = mem.addr;
	memset(mem.addr, 0, len);
	if (probe_mem_verify(&mem, -1)) {
		complain("there are no 2 MiB pages: %s (root may allow them: echo madvise >/sys/kernel/mm/transparent_hugepage/enabled)",
			 probe_why());
		return EXIT_ENV;
	}
	return 0;
}

int area_anon(struct area *a, __u64 len, bool huge)
{
	void *p;

	*a = (struct area){ .name = "memory", .len = len, .write = true, .fd = -1 };
	if (!len)
		return 0;
	if (huge)
		return map_huge(a);
	p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return failed("map", a->name);
	a->addr = p;
	/* Of 4 KiB pages, whatever this machine is set to. */
	madvise(p, len, MADV_NOHUGEPAGE);
	return 0;
}

void area_free(struct area *a)
{
	if (a->addr)
		munmap(a->addr, a->len);
	if (a->fd >= 0)
		close(a->fd);
}
