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

bool probe_mutants_exist(void)
{
	return !access(MODULE, R_OK);
}

bool probe_mutants_loaded(void)
{
	return !access(DIR, F_OK);
}

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

int probe_mutants_unload(void)
{
	if (syscall(SYS_delete_module, "dmirage_mutants", O_NONBLOCK))
		return probe_fail(-errno, "cannot unload " MODULE ": %s", strerror(errno));
	return 0;
}

int probe_mutant_put(const char *file, const char *text)
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

/* Without the library's buffers: the caller may be where memory cannot be had. */
int probe_mutant_get(const char *file, char *text, size_t size)
{
	char path[96];
	size_t len = 0;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), DIR "%s", file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return probe_fail(-errno, "cannot open %s: %s", path, strerror(errno));
	while ((got = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)got;
	if (got < 0)
		got = probe_fail(-errno, "cannot read %s: %s", path, strerror(errno));
	close(fd);
	if (got < 0)
		return (int)got;
	if (len && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	return (int)len;
}

int probe_mutant_arm(pid_t pid, const char *name)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return probe_mutant_put("pid", text) ?: probe_mutant_put("arm", name);
}

int probe_mutant_disarm(void)
{
	return probe_mutant_put("arm", "none") ?: probe_mutant_put("pid", "0");
}

long probe_mutant_hits(void)
{
	char text[32];
	int got = probe_mutant_get("hits", text, sizeof(text));

	return got < 0 ? got : strtol(text, NULL, 10);
}
