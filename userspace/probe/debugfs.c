// SPDX-License-Identifier: GPL-2.0
/*
 * The driver's debugfs files of a device and of a context.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "probe.h"

#define DEBUGFS	"/sys/kernel/debug"

/* In the folder of the device, or of the handle's context. */
static int open_file(const struct dmirage *d, bool of_ctx, const char *file,
		     int flags)
{
	struct dmirage_info info;
	char path[160], ctx[16] = "";
	int fd, err;

	if (access(DEBUGFS "/dmirage", F_OK) && errno == ENOENT &&
	    mount("debugfs", DEBUGFS, "debugfs", 0, NULL) && errno != EBUSY)
		return probe_fail(-errno, "cannot mount debugfs on %s: %s",
				  DEBUGFS, strerror(errno));
	err = dmirage_get_info(d, &info);
	if (err)
		return probe_fail(err, "DMIRAGE_IOC_INFO: %s", strerror(-err));
	if (of_ctx && info.asid == DMIRAGE_NO_ASID)
		return probe_fail(-EINVAL, "the handle has no context");
	if (of_ctx)
		snprintf(ctx, sizeof(ctx), "ctx%u/", info.asid);
	snprintf(path, sizeof(path), DEBUGFS "/dmirage/%s/%s%s", info.pci_name,
		 ctx, file);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		return probe_fail(-errno, "cannot open %s: %s", path,
				  strerror(errno));
	return fd;
}

int probe_dev_open(const struct dmirage *d, const char *file)
{
	return open_file(d, false, file, O_RDONLY);
}

static int write_word(const struct dmirage *d, bool of_ctx, const char *file,
		      const char *word)
{
	size_t len = strlen(word);
	ssize_t put;
	int fd, err = 0;

	fd = open_file(d, of_ctx, file, O_WRONLY);
	if (fd < 0)
		return fd;
	put = write(fd, word, len);
	if (put != (ssize_t)len)
		err = probe_fail(put < 0 ? -errno : -EIO,
				 "cannot write '%s' to debugfs file %s: %s",
				 word, file, strerror(put < 0 ? errno : EIO));
	close(fd);
	return err;
}

int probe_ctx_write(const struct dmirage *d, const char *file,
		    const char *word)
{
	return write_word(d, true, file, word);
}

int probe_dev_write(const struct dmirage *d, const char *file,
		    const char *word)
{
	return write_word(d, false, file, word);
}

int probe_ctx_read(const struct dmirage *d, const char *file, char *buf,
		   size_t size)
{
	ssize_t got;
	int fd;

	fd = open_file(d, true, file, O_RDONLY);
	if (fd < 0)
		return fd;
	got = read(fd, buf, size - 1);
	if (got < 0) {
		got = probe_fail(-errno, "cannot read debugfs file %s: %s",
				 file, strerror(errno));
		close(fd);
		return (int)got;
	}
	close(fd);
	if (got && buf[got - 1] == '\n')
		got--;
	buf[got] = '\0';
	return (int)got;
}
