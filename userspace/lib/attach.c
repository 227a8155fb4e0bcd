// SPDX-License-Identifier: GPL-2.0
/*
 * Another process's memory: what the driver wants to see before it lets a
 * context work there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

/* The process of a pidfd, as /proc numbers it here. */
static pid_t pid_of(int pidfd)
{
	char path[48], line[64];
	pid_t pid = 0;
	FILE *f;

	if (pidfd < 0)
		return -EBADF;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? -EBADF : -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Pid: %d", &pid) == 1)
			break;
	}
	fclose(f);
	if (!pid)	/* no pidfd, or of a process that is not seen from here */
		return -EBADF;
	return pid > 0 ? pid : -ESRCH;
}

/*
 * Between the two descriptors the process may end, and its number become
 * another one's.  That does no harm: the driver takes them only if both are of
 * the same process.
 */
int dmirage_attach(pid_t pid, int *pidfd, int *mem_fd)
{
	char path[32];
	int err, fd;

	if (pid) {
		fd = (int)syscall(SYS_pidfd_open, pid, 0);
	} else {
		pid = pid_of(*pidfd);
		if (pid < 0)
			return pid;
		fd = fcntl(*pidfd, F_DUPFD_CLOEXEC, 0);
	}
	if (fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	*mem_fd = open(path, O_RDWR | O_CLOEXEC);
	if (*mem_fd < 0) {
		err = errno == ENOENT ? -ESRCH : -errno;
		close(fd);
		return err;
	}
	*pidfd = fd;
	return 0;
}
