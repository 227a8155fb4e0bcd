// SPDX-License-Identifier: GPL-2.0
/*
 * Fault modes: bugs in what the driver does with tables that the device caches.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "fault_mode.h"

/*
 * Small pages, then a huge one in their place.  The device's walk for the first
 * access to it finds the table of the small ones, and remembers that.
 */
static void keep_walk_with(const char *mode)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_2M);
	struct dmirage *d = open_context();
	struct dmirage_counters before;
	struct dmirage_sqe sqe;
	struct dmirage_cqe cqe;

	set_mode(d, mode);
	dev_write(d, mem.addr, 1);
	ASSERT_EQ(get_counters(d).mapped_4k, 1);
	ASSERT(mmap(mem.addr, mem.len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem.addr);
	ASSERT_SYS(madvise(mem.addr, mem.len, MADV_HUGEPAGE));
	cpu_write(mem.addr, 2);
	mem.kind = PROBE_KIND_THP;
	ASSERT_PROBE(probe_mem_verify(&mem, -1));

	before = get_counters(d);
	dmirage_prep_write_imm(&sqe, 1, mem.addr, 3, 8);
	cqe = run_op(d, &sqe);
	EXPECT_EQ(get_counters(d).mapped_2m, 1);
	EXPECT_EQ(mode_hits(d), mode ? 1 : 0);
	if (mode) {
		/* The driver says that it is there, the device finds nothing. */
		EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT_LIMIT);
		EXPECT_EQ(get_counters(d).faults - before.faults,
			  DMIRAGE_FAULT_LIMIT);
		/* A flush is all that was missing. */
		ASSERT_PROBE(probe_ctx_write(d, "fault_mode", "none"));
		ASSERT_SYS(mprotect(mem.addr, mem.len, PROT_READ));
	} else {
		EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
		EXPECT_EQ(get_counters(d).faults - before.faults, 1);
	}
	EXPECT_EQ(dev_read(d, mem.addr), mode ? 2 : 3);
	expect_violations(d, 0);
	dmirage_close(d);
}

static void keep_walk(int arg)
{
	(void)arg;
	keep_walk_with(NULL);
	keep_walk_with("keep-walk-cache");
}

static const struct ktap_test tests[] = {
	{ "keep-walk-cache", keep_walk, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
