// SPDX-License-Identifier: GPL-2.0
/*
 * Each ioctl with each of its fields wrong, one at a time; and 32-bit callers,
 * who have the same structures.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "raw.h"

#define PAGES 8

/* Memory that a 32-bit pointer reaches: arguments, and what they are about. */
struct low {
	union {
		struct dmirage_info info;
		struct dmirage_setup setup;
		struct dmirage_counters counters;
		struct dmirage_region region;
		struct dmirage_region_remove remove;
		struct dmirage_prefetch prefetch;
		struct dmirage_eventfd eventfd;
		struct dmirage_audit_range audit;
		u8 bytes[PROBE_4K];
	} arg;
	u8 pages[PAGES * PROBE_4K];
};

static struct low *low_memory(void)
{
	struct low *low = mmap(NULL, sizeof(*low), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	ASSERT(low != MAP_FAILED);
	memset(low, 0, sizeof(*low));
	return low;
}

/* Return: 0 or the errno. */
typedef int (*caller)(int fd, unsigned long request, void *arg);

static int call(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? errno : 0;
}

/* As a 32-bit program does: by the gate that only they use. */
static int call_32(int fd, unsigned long request, void *arg)
{
	long ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "0"(54l), "b"((long)fd), "c"(request), "d"(arg)
			 : "memory", "r8", "r9", "r10", "r11");
	return ret < 0 ? (int)-ret : 0;
}

/* ---- One field at a time -------------------------------------------------- */

#define FIELD(type, field) \
	offsetof(struct type, field), sizeof(((struct type *)0)->field)

/**
 * struct wrong - a field that is not as it should be
 * @request: the ioctl
 * @offset @size: the field, of 4 or 8 bytes
 * @value: what it is
 * @err:   what comes of it
 */
struct wrong {
	unsigned long request;
	size_t offset, size;
	u64 value;
	int err;
};

static const struct wrong wrong[] = {
	{ DMIRAGE_IOC_SETUP, FIELD(dmirage_setup, sq_entries), 0, EINVAL },
	{ DMIRAGE_IOC_SETUP, FIELD(dmirage_setup, sq_entries), 1, EINVAL },
	{ DMIRAGE_IOC_SETUP, FIELD(dmirage_setup, sq_entries), 3, EINVAL },
	{ DMIRAGE_IOC_SETUP, FIELD(dmirage_setup, sq_entries), 1u << 31, EINVAL },
	{ DMIRAGE_IOC_SETUP, FIELD(dmirage_setup, cq_entries), 0, EINVAL },
	{ DMIRAGE_IOC_SETUP, FIELD(dmirage_setup, cq_entries), 1, EINVAL },
	{ DMIRAGE_IOC_SETUP, FIELD(dmirage_setup, cq_entries), 6, EINVAL },
	{ DMIRAGE_IOC_SETUP, FIELD(dmirage_setup, cq_entries), ~0u, EINVAL },
	{ DMIRAGE_IOC_SETUP, FIELD(dmirage_setup, flags), 16, EINVAL },
	{ DMIRAGE_IOC_SETUP, FIELD(dmirage_setup, flags), 1u << 31, EINVAL },
	{ DMIRAGE_IOC_SETUP, FIELD(dmirage_setup, mode), 3, EINVAL },
	{ DMIRAGE_IOC_SETUP, FIELD(dmirage_setup, mode), ~0u, EINVAL },
	{ DMIRAGE_IOC_SETUP, FIELD(dmirage_setup, pidfd), 1, EINVAL },
	{ DMIRAGE_IOC_SETUP, FIELD(dmirage_setup, mem_fd), ~0u, EINVAL },
	{ DMIRAGE_IOC_SETUP, FIELD(dmirage_setup, reserved0), 1, EINVAL },
	{ DMIRAGE_IOC_SETUP, FIELD(dmirage_setup, reserved[0]), 1, EINVAL },
	{ DMIRAGE_IOC_SETUP, FIELD(dmirage_setup, reserved[1]), 1ull << 63, EINVAL },
	/* Attaching: descriptor 0 is no process. */
	{ DMIRAGE_IOC_SETUP, FIELD(dmirage_setup, flags), 2, EBADF },

	{ DMIRAGE_IOC_COUNTERS, FIELD(dmirage_counters, scope), 2, EINVAL },
	{ DMIRAGE_IOC_COUNTERS, FIELD(dmirage_counters, scope), ~0u, EINVAL },
	{ DMIRAGE_IOC_COUNTERS, FIELD(dmirage_counters, reserved0), 1, EINVAL },

	{ DMIRAGE_IOC_REGION_ADD, FIELD(dmirage_region, addr), 1, EINVAL },
	{ DMIRAGE_IOC_REGION_ADD, FIELD(dmirage_region, addr), 1ull << 63, EINVAL },
	{ DMIRAGE_IOC_REGION_ADD, FIELD(dmirage_region, addr), -4096ull, EINVAL },
	{ DMIRAGE_IOC_REGION_ADD, FIELD(dmirage_region, len), 0, EINVAL },
	{ DMIRAGE_IOC_REGION_ADD, FIELD(dmirage_region, len), 1, EINVAL },
	{ DMIRAGE_IOC_REGION_ADD, FIELD(dmirage_region, len), -4096ull, EINVAL },
	{ DMIRAGE_IOC_REGION_ADD, FIELD(dmirage_region, len), 1ull << 62, EINVAL },
	{ DMIRAGE_IOC_REGION_ADD, FIELD(dmirage_region, flags), 2, EINVAL },
	{ DMIRAGE_IOC_REGION_ADD, FIELD(dmirage_region, flags), 1u << 31, EINVAL },
	{ DMIRAGE_IOC_REGION_ADD, FIELD(dmirage_region, reserved[0]), 1, EINVAL },
	{ DMIRAGE_IOC_REGION_ADD, FIELD(dmirage_region, reserved[1]), 1, EINVAL },

	{ DMIRAGE_IOC_REGION_REMOVE, FIELD(dmirage_region_remove, id), 999, ENOENT },
	{ DMIRAGE_IOC_REGION_REMOVE, FIELD(dmirage_region_remove, id), ~0u, ENOENT },
	{ DMIRAGE_IOC_REGION_REMOVE, FIELD(dmirage_region_remove, reserved0), 1, EINVAL },

	{ DMIRAGE_IOC_PREFETCH, FIELD(dmirage_prefetch, len), 0, EINVAL },
	{ DMIRAGE_IOC_PREFETCH, FIELD(dmirage_prefetch, len), ~0ull, EINVAL },
	{ DMIRAGE_IOC_PREFETCH, FIELD(dmirage_prefetch, addr), 8, EFAULT },
	{ DMIRAGE_IOC_PREFETCH, FIELD(dmirage_prefetch, addr), ~0ull, EINVAL },
	{ DMIRAGE_IOC_PREFETCH, FIELD(dmirage_prefetch, flags), 4, EINVAL },
	{ DMIRAGE_IOC_PREFETCH, FIELD(dmirage_prefetch, flags), 1u << 31, EINVAL },
	{ DMIRAGE_IOC_PREFETCH, FIELD(dmirage_prefetch, reserved0), 1, EINVAL },
	{ DMIRAGE_IOC_PREFETCH, FIELD(dmirage_prefetch, reserved[0]), 1, EINVAL },
	{ DMIRAGE_IOC_PREFETCH, FIELD(dmirage_prefetch, reserved[1]), 1, EINVAL },

	{ DMIRAGE_IOC_EVENTFD, FIELD(dmirage_eventfd, fd), 0, EINVAL },
	{ DMIRAGE_IOC_EVENTFD, FIELD(dmirage_eventfd, fd), 99999, EBADF },
	{ DMIRAGE_IOC_EVENTFD, FIELD(dmirage_eventfd, reserved0), 1, EINVAL },

	{ DMIRAGE_IOC_AUDIT, FIELD(dmirage_audit_range, len), 0, EINVAL },
	{ DMIRAGE_IOC_AUDIT, FIELD(dmirage_audit_range, reserved0), 1, EINVAL },
	{ DMIRAGE_IOC_AUDIT, FIELD(dmirage_audit_range, reserved[0]), 1, EINVAL },
	{ DMIRAGE_IOC_AUDIT, FIELD(dmirage_audit_range, reserved[1]), 1, EINVAL },
};

/**
 * struct place - what the calls are about
 * @low:     memory
 * @fd:      a file whose context works by region; -1: not yet
 * @region:  one of its regions
 * @eventfd: an eventfd
 */
struct place {
	struct low *low;
	int fd;
	u32 region;
	int eventfd;
};

/* Arguments with which the call would be good. */
static void good(const struct place *p, unsigned long request)
{
	struct low *low = p->low;

	memset(&low->arg, 0, sizeof(low->arg));
	switch (request) {
	case DMIRAGE_IOC_SETUP:
		low->arg.setup.sq_entries = 4;
		low->arg.setup.cq_entries = 4;
		break;
	case DMIRAGE_IOC_REGION_ADD:
		low->arg.region.addr = (uintptr_t)low->pages;
		low->arg.region.len = sizeof(low->pages);
		low->arg.region.flags = DMIRAGE_REGION_WRITE;
		break;
	case DMIRAGE_IOC_REGION_REMOVE:
		low->arg.remove.id = p->region;
		break;
	case DMIRAGE_IOC_PREFETCH:
		low->arg.prefetch.addr = (uintptr_t)low->pages;
		low->arg.prefetch.len = sizeof(low->pages);
		break;
	case DMIRAGE_IOC_EVENTFD:
		low->arg.eventfd.fd = p->eventfd;
		break;
	case DMIRAGE_IOC_AUDIT:
		low->arg.audit.addr = (uintptr_t)low->pages;
		low->arg.audit.len = sizeof(low->pages);
		break;
	}
}

/* A context that works by region, with one; all by @how. */
static struct place begin(caller how)
{
	struct place p = { .low = low_memory() };

	p.fd = raw_open(0);
	ASSERT(p.fd >= 0);
	p.eventfd = eventfd(0, EFD_CLOEXEC);
	ASSERT(p.eventfd >= 0);
	good(&p, DMIRAGE_IOC_SETUP);
	p.low->arg.setup.flags = DMIRAGE_SETUP_REGIONS;
	ASSERT_EQ(how(p.fd, DMIRAGE_IOC_SETUP, &p.low->arg), 0);
	ASSERT_EQ(p.low->arg.setup.sq_bytes, PROBE_4K);
	good(&p, DMIRAGE_IOC_REGION_ADD);
	ASSERT_EQ(how(p.fd, DMIRAGE_IOC_REGION_ADD, &p.low->arg), 0);
	p.region = p.low->arg.region.id;
	return p;
}

/* All of it works, and says what it should. */
static void expect_good(struct place *p, caller how)
{
	struct low *low = p->low;

	memset(&low->arg, 0xff, sizeof(low->arg));
	ASSERT_EQ(how(p->fd, DMIRAGE_IOC_INFO, &low->arg), 0);
	EXPECT_EQ(low->arg.info.abi_version, DMIRAGE_ABI_VERSION);
	EXPECT_NE(low->arg.info.asid, DMIRAGE_NO_ASID);
	EXPECT_EQ(low->arg.info.reserved[4], 0);
	EXPECT_EQ(low->arg.bytes[sizeof(low->arg.info)], 0xff);

	good(p, DMIRAGE_IOC_PREFETCH);
	ASSERT_EQ(how(p->fd, DMIRAGE_IOC_PREFETCH, &low->arg), 0);
	EXPECT_EQ(low->arg.prefetch.done, sizeof(low->pages));
	good(p, DMIRAGE_IOC_AUDIT);
	ASSERT_EQ(how(p->fd, DMIRAGE_IOC_AUDIT, &low->arg), 0);
	EXPECT_EQ(low->arg.audit.pages, PAGES);
	EXPECT_EQ(low->arg.audit.violations, 0);
	good(p, DMIRAGE_IOC_COUNTERS);
	ASSERT_EQ(how(p->fd, DMIRAGE_IOC_COUNTERS, &low->arg), 0);
	EXPECT_GE(low->arg.counters.mapped_4k, PAGES);
	EXPECT_EQ(low->arg.counters.intervals, 1);
	EXPECT_EQ(low->arg.counters.reserved, 0);
	good(p, DMIRAGE_IOC_EVENTFD);
	EXPECT_EQ(how(p->fd, DMIRAGE_IOC_EVENTFD, &low->arg), 0);
	good(p, DMIRAGE_IOC_REGION_REMOVE);
	EXPECT_EQ(how(p->fd, DMIRAGE_IOC_REGION_REMOVE, &low->arg), 0);
	EXPECT_EQ(how(p->fd, DMIRAGE_IOC_REGION_REMOVE, &low->arg), ENOENT);
	good(p, DMIRAGE_IOC_SETUP);
	EXPECT_EQ(how(p->fd, DMIRAGE_IOC_SETUP, &low->arg), EBUSY);
}

static void one_wrong(caller how)
{
	struct place p = begin(how);
	int fresh = raw_open(0), fd, err;
	unsigned int i;

	ASSERT(fresh >= 0);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		const struct wrong *w = &wrong[i];

		fd = w->request == DMIRAGE_IOC_SETUP ? fresh : p.fd;
		good(&p, w->request);
		memcpy(p.low->arg.bytes + w->offset, &w->value, w->size);
		err = how(fd, w->request, &p.low->arg);
		if (err != w->err)
			ktap_fail(__FILE__, __LINE__,
				  "ioctl %lu, 0x%llx at %zu: %s instead of %s",
				  _IOC_NR(w->request), w->value, w->offset,
				  strerror(err), strerror(w->err));
	}
	expect_good(&p, how);
	/* What was refused so often can be had after all. */
	good(&p, DMIRAGE_IOC_SETUP);
	EXPECT_EQ(how(fresh, DMIRAGE_IOC_SETUP, &p.low->arg), 0);
}

static void fields(int arg)
{
	(void)arg;
	one_wrong(call);
}

static void fields_32(int arg)
{
	struct low *low = low_memory();
	int fd = raw_open(0);

	(void)arg;
	ASSERT(fd >= 0);
	if (call_32(fd, DMIRAGE_IOC_INFO, &low->arg) == ENOSYS)
		SKIP("no 32-bit system calls in this kernel");
	/* The structure is not there, as far as 32 bits go. */
	EXPECT_EQ(call_32(fd, DMIRAGE_IOC_INFO, NULL), EFAULT);
	EXPECT_EQ(call_32(fd, _IO(DMIRAGE_IOC_MAGIC, 99), &low->arg), ENOTTY);
	close(fd);
	one_wrong(call_32);
}

static const struct ktap_test tests[] = {
	{ "fields", fields, 0, 0 },
	{ "fields-32-bit", fields_32, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests), NULL);
}
