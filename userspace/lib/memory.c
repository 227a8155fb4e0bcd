// SPDX-License-Identifier: GPL-2.0
/*
 * What a handle may be told of memory beside operations: regions, prefetch,
 * audits.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "internal.h"

int dmirage_region_add(struct dmirage *d, const void *addr, uint64_t len,
		       unsigned int flags, uint32_t *id)
{
	struct dmirage_region r = {
		.addr = (uintptr_t)addr, .len = len, .flags = flags,
	};

	if (ioctl(d->fd, DMIRAGE_IOC_REGION_ADD, &r))
		return -errno;
	*id = r.id;
	return 0;
}

int dmirage_region_remove(struct dmirage *d, uint32_t id)
{
	struct dmirage_region_remove r = { .id = id };

	return ioctl(d->fd, DMIRAGE_IOC_REGION_REMOVE, &r) ? -errno : 0;
}

int dmirage_prefetch(struct dmirage *d, const void *addr, uint64_t len,
		     unsigned int flags, uint64_t *done)
{
	struct dmirage_prefetch p = {
		.addr = (uintptr_t)addr, .len = len, .flags = flags,
	};
	int err;

	err = ioctl(d->fd, DMIRAGE_IOC_PREFETCH, &p) ? -errno : 0;
	if (done)
		*done = p.done;
	return err;
}

int dmirage_audit(struct dmirage *d, const void *addr, uint64_t len,
		  struct dmirage_audit_range *result)
{
	*result = (struct dmirage_audit_range){
		.addr = (uintptr_t)addr, .len = len,
	};
	return ioctl(d->fd, DMIRAGE_IOC_AUDIT, result) ? -errno : 0;
}
