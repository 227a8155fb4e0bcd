// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "newer.h"
#include "operations.h"

/* Somewhere in the middle. */
#define AT	(5 * PROBE_4K)

/* ---- What is done ------------------------------------------------------ */

static void all_gone(struct operated *o)
{
	ASSERT_SYS(munmap(o->mem.addr, o->mem.len));
	o->hole = o->mem.len;
}

static void all_read_only(struct operated *o)
{
	ASSERT_SYS(mprotect(o->mem.addr, o->mem.len, PROT_READ));
}

static void all_dropped(struct operated *o)
{
	ASSERT_SYS(madvise(o->mem.addr, o->mem.len, MADV_DONTNEED));
}

static void all_freed(struct operated *o)
{
	ASSERT_SYS(madvise(o->mem.addr, o->mem.len, MADV_FREE));
}

static void all_moved(struct operated *o)
{
	unsigned long mask = 1ul << 1;

	ASSERT_SYS(syscall(SYS_mbind, o->mem.addr, o->mem.len, MPOL_BIND, &mask,
			   8 * sizeof(mask), MPOL_MF_MOVE));
}

static void all_paged_out(struct operated *o)
{
	ASSERT_SYS(madvise(o->mem.addr, o->mem.len, MADV_PAGEOUT));
}

static void all_elsewhere(struct operated *o)
{
	void *to = mmap(NULL, 2 * PROBE_2M, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uintptr_t at = ((uintptr_t)to + PROBE_2M - 1) & ~(PROBE_2M - 1);

	ASSERT(to != MAP_FAILED);
	o->now = mremap(o->mem.addr, o->mem.len, o->mem.len,
			MREMAP_MAYMOVE | MREMAP_FIXED, (void *)at);
	ASSERT_EQ((uintptr_t)o->now, at);
}

static void collapsible(struct operated *o)
{
	ASSERT_SYS(madvise(o->mem.addr, o->mem.len, MADV_HUGEPAGE));
}

static void collapsed(struct operated *o)
{
	struct probe_page page;

	if (madvise(o->mem.addr, o->mem.len, MADV_COLLAPSE)) {
		if (errno == EINVAL)
			SKIP("the kernel has no MADV_COLLAPSE");
		ASSERT_SYS(-1);
	}
	ASSERT_PROBE(probe_page(o->mem.addr, &page));
	ASSERT(page.thp);
}

static void one_gone(struct operated *o)
{
	ASSERT_SYS(munmap(o->mem.addr + AT, PROBE_4K));
	o->hole_at = AT;
	o->hole = PROBE_4K;
}

static void one_dropped(struct operated *o)
{
	ASSERT_SYS(madvise(o->mem.addr + AT, PROBE_4K, MADV_DONTNEED));
}

static void one_read_only(struct operated *o)
{
	ASSERT_SYS(mprotect(o->mem.addr + AT, PROBE_4K, PROT_READ));
}

static void shared(struct operated *o)
{
	o->child = fork();
	ASSERT_SYS(o->child);
	if (o->child)
		return;
	for (;;)
		pause();
}

static void one_written(struct operated *o)
{
	cpu_write(o->mem.addr + AT, 7);
}

const struct operation operations[] = {
	{ "munmap-thp", PROBE_KIND_THP, NULL, all_gone, 1, false },
	{ "mprotect-thp", PROBE_KIND_THP, NULL, all_read_only, 1, false },
	{ "dontneed-thp", PROBE_KIND_THP, NULL, all_dropped, 1, false },
	{ "free-thp", PROBE_KIND_THP, NULL, all_freed, 1, false },
	{ "migrate-thp", PROBE_KIND_THP, NULL, all_moved, 1, false },
	{ "mremap-thp", PROBE_KIND_THP, NULL, all_elsewhere, 1, false },
	/* There is no swap, so a kernel may see at once that it is in vain. */
	{ "pageout-thp", PROBE_KIND_THP, NULL, all_paged_out, 0, false },
	{ "fork-thp", PROBE_KIND_THP, NULL, shared, 1, true },
	{ "munmap-4k-of-thp", PROBE_KIND_THP, NULL, one_gone, 1, false },
	{ "dontneed-4k-of-thp", PROBE_KIND_THP, NULL, one_dropped, 1, false },
	{ "mprotect-4k-of-thp", PROBE_KIND_THP, NULL, one_read_only, 1, false },
	{ "cow-4k-of-thp", PROBE_KIND_THP, shared, one_written, 1, false },
	{ "collapse-4k", PROBE_KIND_4K, collapsible, collapsed, 1, false },
	{ "munmap-4k", PROBE_KIND_4K, NULL, all_gone, 1, false },
	{ "mprotect-4k", PROBE_KIND_4K, NULL, all_read_only, 1, false },
	{ "dontneed-4k", PROBE_KIND_4K, NULL, all_dropped, 1, false },
	{ "migrate-512x4k", PROBE_KIND_4K, NULL, all_moved, 512, false },
	{ "munmap-hugetlb", PROBE_KIND_HUGETLB, NULL, all_gone, 1, false },
	{ "mprotect-hugetlb", PROBE_KIND_HUGETLB, NULL, all_read_only, 1, false },
	{ "migrate-hugetlb", PROBE_KIND_HUGETLB, NULL, all_moved, 1, false },
};

const unsigned int operations_count = ARRAY_SIZE(operations);

/* ---- What it costs ----------------------------------------------------- */

static void dev_touch(struct dmirage *d, uint8_t *addr, size_t len, bool write)
{
	struct dmirage_sqe sqe;

	if (!len)
		return;
	if (write)
		dmirage_prep_touch_write(&sqe, 1, addr, len);
	else
		dmirage_prep_touch_read(&sqe, 1, addr, len);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
}

static void touch_rest(struct dmirage *d, const struct operated *o)
{
	size_t behind = o->hole_at + o->hole;

	dev_touch(d, o->now, o->hole_at, false);
	dev_touch(d, o->now + behind, o->mem.len - behind, false);
}

struct operation_cost operation_measure(const struct operation *op,
					bool mapped)
{
	struct probe_mem mem = get_mem(op->kind, 2 * PROBE_2M);
	struct operated o = { .mem = mem };
	struct dmirage *d = open_context();
	struct operation_cost cost;
	struct dmirage_counters a, b;
	u64 commands;

	o.mem.addr += PROBE_2M;
	o.mem.len = PROBE_2M;
	o.now = o.mem.addr;
	dev_touch(d, mem.addr, PROBE_2M, true);
	if (mapped)
		dev_touch(d, o.mem.addr, o.mem.len, true);
	if (op->prepare) {
		op->prepare(&o);
		if (mapped)
			dev_touch(d, o.mem.addr, o.mem.len, false);
	}

	commands = counter(d, "hw_invalidations");
	a = get_counters(d);
	op->act(&o);
	b = get_counters(d);
	cost = (struct operation_cost){
		.callbacks = b.invalidations - a.invalidations,
		.events = b.invalidations - b.flushes_elided -
			  (a.invalidations - a.flushes_elided),
		.flushes = counter(d, "hw_invalidations") - commands,
	};
	/* Nothing had to be refused, which would be neither. */
	EXPECT_EQ(b.inval_refused, 0);
	EXPECT_EQ(b.fault_errors, 0);

	touch_rest(d, &o);
	cost.refaults = get_counters(d).faults - b.faults;
	if (o.child) {
		kill(o.child, SIGKILL);
		waitpid(o.child, NULL, 0);
	}
	expect_clean(d);
	dmirage_close(d);
	return cost;
}
