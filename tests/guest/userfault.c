// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "userfault.h"

/* struct uffdio_move of 6.8, and struct pm_scan_arg of 6.7. */
struct move {
	u64 dst, src, len, mode;
	long long moved;
};

struct scan {
	u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
	u64 inverted, mask, anyof, wanted;
};

#define IOC_MOVE	   _IOWR(UFFDIO, 0x05, struct move)
#define IOC_SCAN	   _IOWR('f', 16, struct scan)
#define SCAN_WP_MATCHING   (1u << 0)
#define SCAN_CHECK_WPASYNC (1u << 1)
#define SCAN_WRITTEN	   (1u << 1)
#define RANGES		   8

static int sys(int ret)
{
	return ret < 0 ? -errno : ret;
}

int userfault_open(u64 features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), err;

	if (fd < 0)
		return -errno;
	err = sys(ioctl(fd, UFFDIO_API, &api));
	if (!err)
		return fd;
	close(fd);
	return err;
}

int userfault_register(int fd, const void *addr, size_t len, u64 mode)
{
	struct uffdio_register r = { .range = { (uintptr_t)addr, len }, .mode = mode };

	return sys(ioctl(fd, UFFDIO_REGISTER, &r));
}

int userfault_unregister(int fd, const void *addr, size_t len)
{
	struct uffdio_range range = { (uintptr_t)addr, len };

	return sys(ioctl(fd, UFFDIO_UNREGISTER, &range));
}

int userfault_protect(int fd, const void *addr, size_t len, bool protect)
{
	struct uffdio_writeprotect wp = {
		.range = { (uintptr_t)addr, len },
		.mode = protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return sys(ioctl(fd, UFFDIO_WRITEPROTECT, &wp));
}

int userfault_move(int fd, void *to, const void *from, size_t len)
{
	struct move move = { .dst = (uintptr_t)to, .src = (uintptr_t)from, .len = len };

	return sys(ioctl(fd, IOC_MOVE, &move));
}

int pagemap_scan(const void *addr, size_t len)
{
	u64 found[3 * RANGES];
	struct scan scan = {
		.size = sizeof(scan),
		.flags = SCAN_WP_MATCHING | SCAN_CHECK_WPASYNC,
		.start = (uintptr_t)addr,
		.end = (uintptr_t)addr + len,
		.vec = (uintptr_t)found,
		.vec_len = RANGES,
		.mask = SCAN_WRITTEN,
		.wanted = SCAN_WRITTEN,
	};
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = sys(ioctl(fd, IOC_SCAN, &scan));
	close(fd);
	return ret;
}

int get_userfault(u64 features, const void *addr, size_t len, u64 mode)
{
	int fd = userfault_open(features), err;

	if (fd < 0)
		SKIP("this kernel's userfaultfd cannot do that: %s", strerror(-fd));
	err = userfault_register(fd, addr, len, mode);
	if (err)
		SKIP("userfaultfd refuses this memory: %s", strerror(-err));
	return fd;
}
