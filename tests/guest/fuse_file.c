// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuse_file.h"

#define MOUNT_POINT	"/tmp/fuse-file"
#define REQUEST_MAX	(PROBE_4K + 2 * FUSE_MIN_READ_BUFFER)

/* The file system has one file, which is its root. */
static char content[FUSE_FILE_LEN];

static struct fuse_attr attributes(void)
{
	return (struct fuse_attr){
		.ino = FUSE_ROOT_ID,
		.size = sizeof(content),
		.mode = S_IFREG | 0600,
		.nlink = 1,
		.blksize = PROBE_4K,
	};
}

static void answer(int dev, const struct fuse_in_header *in, int err, const void *data, size_t len)
{
	struct fuse_out_header out = {
		.len = (u32)(sizeof(out) + len),
		.error = -err,
		.unique = in->unique,
	};
	struct iovec parts[] = {
		{ .iov_base = &out, .iov_len = sizeof(out) },
		{ .iov_base = (void *)data, .iov_len = len },
	};

	/* Whoever asked may be gone. */
	if (writev(dev, parts, 2) < 0 && errno != ENOENT)
		_exit(1);
}

static void serve_one(int dev, const struct fuse_in_header *in, const void *arg)
{
	const struct fuse_write_in *w = arg;
	const struct fuse_read_in *r = arg;
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 31,
		.max_write = PROBE_4K,
	};
	struct fuse_attr_out attr = { .attr_valid = 1, .attr = attributes() };
	struct fuse_open_out opened = { .fh = 1 };
	struct fuse_write_out written = { 0 };
	size_t len;

	switch (in->opcode) {
	case FUSE_INIT:
		answer(dev, in, 0, &init, sizeof(init));
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		answer(dev, in, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		answer(dev, in, 0, &opened, sizeof(opened));
		break;
	case FUSE_READ:
		len = r->offset < sizeof(content) ? sizeof(content) - r->offset : 0;
		len = r->size < len ? r->size : len;
		answer(dev, in, 0, content + r->offset, len);
		break;
	case FUSE_WRITE:
		if (w->offset > sizeof(content) || w->size > sizeof(content) - w->offset) {
			answer(dev, in, EFBIG, NULL, 0);
			break;
		}
		memcpy(content + w->offset, w + 1, w->size);
		written.size = w->size;
		answer(dev, in, 0, &written, sizeof(written));
		break;
	case FUSE_FLUSH:
	case FUSE_FSYNC:
	case FUSE_RELEASE:
		answer(dev, in, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		answer(dev, in, ENOSYS, NULL, 0);
	}
}

/* Until it is unmounted. */
static void serve(int dev)
{
	static char request[REQUEST_MAX] __attribute__((aligned(8)));
	const struct fuse_in_header *in = (const void *)request;
	ssize_t len;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		len = read(dev, request, sizeof(request));
		if (len < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN))
			continue;
		if (len < (ssize_t)sizeof(*in))
			_exit(len < 0 && errno == ENODEV ? 0 : 1);
		serve_one(dev, in, in + 1);
	}
}

struct fuse_file fuse_file_open(void)
{
	struct fuse_file f = { 0 };
	struct stat st;
	char options[96];
	int dev, point;

	/* Left by a test that did not come to its end. */
	umount2(MOUNT_POINT, MNT_DETACH);
	point = open(MOUNT_POINT, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ASSERT_SYS(point);
	close(point);
	dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		SKIP("/dev/fuse: %s", strerror(errno));
	snprintf(options, sizeof(options), "fd=%d,rootmode=%o,user_id=0,group_id=0", dev, S_IFREG);
	ASSERT_SYS(mount("dmirage", MOUNT_POINT, "fuse", 0, options));
	f.server = fork();
	ASSERT_SYS(f.server);
	if (!f.server)
		serve(dev);
	close(dev);
	f.fd = open(MOUNT_POINT, O_RDWR | O_CLOEXEC);
	ASSERT_SYS(f.fd);
	/* Only now the kernel asks for its length. */
	ASSERT_SYS(fstat(f.fd, &st));
	ASSERT_EQ(st.st_size, FUSE_FILE_LEN);
	return f;
}

void fuse_file_close(struct fuse_file *f)
{
	close(f->fd);
	EXPECT_SYS(umount2(MOUNT_POINT, MNT_DETACH));
	EXPECT_EQ(wait_child(f->server), 0);
	unlink(MOUNT_POINT);
}
