// SPDX-License-Identifier: GPL-2.0
/*
 * Bugs that Linux has had, put back by the module dmirage_mutants.ko.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

#define MODULE "/lib/modules/dmirage_mutants.ko"
#define DIR    "/sys/kernel/debug/dmirage-mutants/"

int probe_mutants_load(void)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return probe_fail(-ENOENT, "there is no " MODULE);
	if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
		err = probe_fail(-errno, "cannot load " MODULE ": %s", strerror(errno));
	close(fd);
	return err;
}

void probe_mutants_unload(void)
{
	syscall(SYS_delete_module, "dmirage_mutants", O_NONBLOCK);
}

static int put(const char *file, const char *text)
{
	char path[96];
	int fd, err = 0;

	snprintf(path, sizeof(path), DIR "%s", file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return probe_fail(-errno, "cannot open %s: %s", path, strerror(errno));
	if (write(fd, text, strlen(text)) < 0)
		err = probe_fail(-errno, "cannot write \"%s\" to %s: %s", text, path,
				 strerror(errno));
	close(fd);
	return err;
}

int probe_mutant_arm(const char *name)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	return put("pid", pid) ?: put("arm", name);
}

int probe_mutant_disarm(void)
{
	return put("arm", "none") ?: put("pid", "0");
}

long probe_mutant_hits(void)
{
	FILE *f = fopen(DIR "hits", "re");
	long hits = -1;

	if (!f)
		return probe_fail(-errno, "cannot open " DIR "hits: %s", strerror(errno));
	if (fscanf(f, "%ld", &hits) != 1)
		hits = probe_fail(-EIO, DIR "hits is empty");
	fclose(f);
	return hits;
}
