// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of a known kind on a known node.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

#ifndef MAP_HUGE_2MB
#define MAP_HUGE_2MB	(21 << 26)
#endif

const char *probe_kind_str(enum probe_kind kind)
{
	static const char *const names[PROBE_KINDS] = {
		[PROBE_KIND_4K] = "4 KiB page",
		[PROBE_KIND_THP] = "2 MiB THP",
		[PROBE_KIND_HUGETLB] = "2 MiB hugetlb page",
	};

	return kind < PROBE_KINDS ? names[kind] : "unknown";
}

size_t probe_kind_size(enum probe_kind kind)
{
	return kind == PROBE_KIND_4K ? PROBE_4K : PROBE_2M;
}

int probe_mem_map(struct probe_mem *mem, enum probe_kind kind, size_t len)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	uintptr_t start;
	int err;

	memset(mem, 0, sizeof(*mem));
	if (kind >= PROBE_KINDS || !len || len % probe_kind_size(kind))
		return probe_fail(-EINVAL, "bad kind or length of memory");
	mem->kind = kind;
	mem->len = len;
	mem->map_len = len + 4 * PROBE_2M;
	mem->map = mmap(NULL, mem->map_len, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem->map == MAP_FAILED) {
		err = -errno;
		mem->map = NULL;
		return probe_fail(err, "cannot reserve %zu bytes: %s",
				  mem->map_len, strerror(-err));
	}
	start = ((uintptr_t)mem->map + 2 * PROBE_2M - 1) & ~(PROBE_2M - 1);
	mem->addr = (uint8_t *)start;

	if (kind == PROBE_KIND_HUGETLB)
		flags |= MAP_HUGETLB | MAP_HUGE_2MB;
	if (mmap(mem->addr, len, PROT_READ | PROT_WRITE, flags, -1, 0) ==
	    MAP_FAILED) {
		err = probe_fail(-errno, "cannot map a %s: %s",
				 probe_kind_str(kind), strerror(errno));
		goto err_put;
	}
	if (kind != PROBE_KIND_HUGETLB &&
	    madvise(mem->addr, len,
		    kind == PROBE_KIND_THP ? MADV_HUGEPAGE : MADV_NOHUGEPAGE)) {
		err = probe_fail(-errno, "madvise: %s", strerror(errno));
		goto err_put;
	}
	return 0;

err_put:
	probe_mem_put(mem);
	return err;
}

int probe_mem_get(struct probe_mem *mem, enum probe_kind kind, size_t len,
		  int node)
{
	unsigned long mask = 1ul << node;
	size_t off;
	int err;

	err = probe_mem_map(mem, kind, len);
	if (err)
		return err;
	if (syscall(SYS_mbind, mem->addr, len, MPOL_BIND, &mask,
		    8 * sizeof(mask), 0)) {
		err = probe_fail(-errno, "cannot bind memory to node %d: %s",
				 node, strerror(errno));
		goto err_put;
	}
	/* Unlike a store, which would be a SIGBUS, this reports a lack. */
	if (madvise(mem->addr, len, MADV_POPULATE_WRITE) && errno != EINVAL) {
		err = probe_fail(-ENOMEM, "node %d has no room for a %s: %s",
				 node, probe_kind_str(kind), strerror(errno));
		goto err_put;
	}
	for (off = 0; off < len; off += PROBE_4K)
		*(volatile uint8_t *)(mem->addr + off) = 0;
	err = probe_mem_verify(mem, node);
	if (err)
		goto err_put;
	return 0;

err_put:
	probe_mem_put(mem);
	return err;
}

void probe_mem_put(struct probe_mem *mem)
{
	if (mem->map)
		munmap(mem->map, mem->map_len);
	memset(mem, 0, sizeof(*mem));
}

int probe_mem_verify(const struct probe_mem *mem, int node)
{
	size_t size = probe_kind_size(mem->kind), off;
	const uint8_t *addr;
	struct probe_page p;
	long kb;
	int err;

	for (off = 0; off < mem->len; off += size) {
		addr = mem->addr + off;
		err = probe_page(addr, &p);
		if (err)
			return err;
		if (!p.present)
			return probe_fail(-ENXIO, "nothing is mapped at %p",
					  (void *)addr);
		if (p.hugetlb != (mem->kind == PROBE_KIND_HUGETLB) ||
		    p.thp != (mem->kind == PROBE_KIND_THP))
			return probe_fail(-ENXIO, "page at %p is not a %s",
					  (void *)addr,
					  probe_kind_str(mem->kind));
		if (node >= 0 && p.node != node)
			return probe_fail(-ENXIO,
					  "page at %p is on node %d, not %d",
					  (void *)addr, p.node, node);
	}
	/* A THP may be mapped in pieces; kpageflags would not tell. */
	if (mem->kind == PROBE_KIND_THP) {
		kb = probe_smaps_kb(mem->addr, "AnonHugePages");
		if (kb < 0)
			return (int)kb;
		if ((size_t)kb * 1024 < mem->len)
			return probe_fail(-ENXIO,
					  "only %ld of %zu KiB at %p are mapped as huge pages",
					  kb, mem->len / 1024,
					  (void *)mem->addr);
	}
	return 0;
}

int probe_mem_move(const struct probe_mem *mem, int node)
{
	return probe_move(mem->addr, mem->len, probe_kind_size(mem->kind),
			  node);
}
