// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "track.h"

struct uffd_move {
	u64 dst, src, len, mode;
	long long moved;
};

#define UFFD_IOC_MOVE _IOWR(UFFDIO, 0x05, struct uffd_move)

struct pagemap_scan {
	u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
	u64 inverted, mask, anyof, wanted;
};

#define PAGEMAP_IOC_SCAN   _IOWR('f', 16, struct pagemap_scan)
#define SCAN_WP_MATCHING   (1u << 0)
#define SCAN_CHECK_WPASYNC (1u << 1)
#define SCAN_WRITTEN	   (1u << 1)
#define PM_UFFD_WP	   (1ull << 57)

int track_open(u64 features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		SKIP("no userfaultfd: %s", strerror(errno));
	if (ioctl(fd, UFFDIO_API, &api))
		SKIP("this kernel's userfaultfd cannot do that yet");
	return fd;
}

void track_register(int fd, void *addr, size_t len, u64 mode)
{
	struct uffdio_register r = { .range = { (uintptr_t)addr, len }, .mode = mode };

	if (ioctl(fd, UFFDIO_REGISTER, &r))
		SKIP("userfaultfd refuses this memory: %s", strerror(errno));
}

void track_unregister(int fd, void *addr, size_t len)
{
	struct uffdio_range range = { (uintptr_t)addr, len };

	ASSERT_SYS(ioctl(fd, UFFDIO_UNREGISTER, &range));
}

void track_protect(int fd, void *addr, size_t len, bool protect)
{
	struct uffdio_writeprotect wp = {
		.range = { (uintptr_t)addr, len },
		.mode = protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	ASSERT_SYS(ioctl(fd, UFFDIO_WRITEPROTECT, &wp));
}

bool track_is_protected(const void *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	u64 entry = 0;

	ASSERT_SYS(fd);
	ASSERT_EQ(pread(fd, &entry, 8, (off_t)((uintptr_t)addr / PROBE_4K * 8)), 8);
	close(fd);
	return entry & PM_UFFD_WP;
}

int track_move(int fd, void *to, void *from, size_t len)
{
	struct uffd_move move = { .dst = (uintptr_t)to, .src = (uintptr_t)from, .len = len };

	return ioctl(fd, UFFD_IOC_MOVE, &move) ? -errno : 0;
}

int track_scan(void *addr, size_t len)
{
	u64 found[3 * 8];
	struct pagemap_scan scan = {
		.size = sizeof(scan),
		.flags = SCAN_WP_MATCHING | SCAN_CHECK_WPASYNC,
		.start = (uintptr_t)addr,
		.end = (uintptr_t)addr + len,
		.vec = (uintptr_t)found,
		.vec_len = 8,
		.mask = SCAN_WRITTEN,
		.wanted = SCAN_WRITTEN,
	};
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = ioctl(fd, PAGEMAP_IOC_SCAN, &scan);
	ret = ret < 0 ? -errno : ret;
	close(fd);
	return ret;
}
