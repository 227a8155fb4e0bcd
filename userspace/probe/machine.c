// SPDX-License-Identifier: GPL-2.0
/*
 * Settings of the machine that the scenarios need, changed and put back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe.h"

#define MAX_NODES	64
#define THP_ENABLED	"/sys/kernel/mm/transparent_hugepage/enabled"

static struct {
	bool changed;
	long before;
} pools[MAX_NODES];

static char thp_before[16];

/* Return the length, without the last newline. */
static int read_text(const char *path, char *buf, size_t size)
{
	ssize_t got;
	int fd, err = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return probe_fail(-errno, "cannot open %s: %s", path,
				  strerror(errno));
	got = read(fd, buf, size - 1);
	if (got < 0)
		err = probe_fail(-errno, "cannot read %s: %s", path,
				 strerror(errno));
	close(fd);
	if (err)
		return err;
	if (got && buf[got - 1] == '\n')
		got--;
	buf[got] = '\0';
	return (int)got;
}

static int write_text(const char *path, const char *text)
{
	size_t len = strlen(text);
	ssize_t put;
	int fd, err = 0;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return probe_fail(-errno, "cannot open %s: %s", path,
				  strerror(errno));
	put = write(fd, text, len);
	if (put != (ssize_t)len)
		err = probe_fail(put < 0 ? -errno : -EIO,
				 "cannot write '%s' to %s: %s", text, path,
				 strerror(put < 0 ? errno : EIO));
	close(fd);
	return err;
}

static void pool_path(char *path, size_t size, int node, const char *file)
{
	snprintf(path, size,
		 "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/%s",
		 node, file);
}

static int read_pool(int node, const char *file, long *value)
{
	char path[128], text[32];
	int ret;

	pool_path(path, sizeof(path), node, file);
	ret = read_text(path, text, sizeof(text));
	if (ret < 0)
		return ret;
	*value = strtol(text, NULL, 10);
	return 0;
}

static int write_pool(int node, long pages)
{
	char path[128], text[32];

	pool_path(path, sizeof(path), node, "nr_hugepages");
	snprintf(text, sizeof(text), "%ld", pages);
	return write_text(path, text);
}

int probe_hugetlb_reserve(int node, unsigned int pages)
{
	long total, nfree;
	int err;

	if (node < 0 || node >= MAX_NODES)
		return probe_fail(-ENOENT, "no node %d", node);
	err = read_pool(node, "nr_hugepages", &total);
	if (!err)
		err = read_pool(node, "free_hugepages", &nfree);
	if (err)
		return err;
	if (nfree >= (long)pages)
		return 0;
	if (!pools[node].changed) {
		pools[node].changed = true;
		pools[node].before = total;
	}
	err = write_pool(node, total + (long)pages - nfree);
	if (!err)
		err = read_pool(node, "free_hugepages", &nfree);
	if (err)
		return err;
	if (nfree < (long)pages)
		return probe_fail(-ENOMEM,
				  "node %d gives only %ld of %u huge pages of 2 MiB",
				  node, nfree, pages);
	return 0;
}

int probe_thp_enable(void)
{
	char text[64], *begin, *end;
	int ret;

	ret = read_text(THP_ENABLED, text, sizeof(text));
	if (ret < 0)
		return ret;
	begin = strchr(text, '[');
	end = begin ? strchr(begin, ']') : NULL;
	if (!end)
		return probe_fail(-EIO, "%s reads '%s'", THP_ENABLED, text);
	*end = '\0';
	if (strcmp(begin + 1, "never") != 0)
		return 0;
	ret = write_text(THP_ENABLED, "madvise");
	if (!ret && !thp_before[0])
		snprintf(thp_before, sizeof(thp_before), "%s", begin + 1);
	return ret;
}

void probe_restore(void)
{
	int node;

	for (node = 0; node < MAX_NODES; node++) {
		if (pools[node].changed)
			write_pool(node, pools[node].before);
		pools[node].changed = false;
	}
	if (thp_before[0])
		write_text(THP_ENABLED, thp_before);
	thp_before[0] = '\0';
}

int probe_nodes(void)
{
	char path[64];
	int node;

	for (node = 0; node < MAX_NODES; node++) {
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d",
			 node);
		if (access(path, F_OK))
			break;
	}
	return node;
}
