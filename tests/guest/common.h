/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the guest tests have in common: a context, single operations with a
 * time limit, counters, and a stale translation on demand.
 *
 * The functions end the test when what they do does not work at all; the
 * macros give them the caller's place in the source.
 */
#ifndef DMIRAGE_TEST_COMMON_H
#define DMIRAGE_TEST_COMMON_H

#include <errno.h>
#include <sys/types.h>

#include "ktap.h"
#include "libdmirage.h"
#include "probe.h"

#define OP_TIMEOUT_MS	5000

#define FAULT_MODE_FIRST_PAGE	"inval-first-page"

/* ---- Contexts ---------------------------------------------------------- */

struct dmirage *open_context_at(const char *file, int line,
				unsigned int sq_entries,
				unsigned int cq_entries);

#define open_context() open_context_at(__FILE__, __LINE__, 0, 0)
#define open_context_rings(sq, cq) open_context_at(__FILE__, __LINE__, sq, cq)

/*
 * A run may have a bug underneath: DMIRAGE_FAULT_MODE names a fault mode that each
 * context gets as it is opened, unasked, and a test that comes out clean without is to
 * fail then.  Its second half, which puts a mode in by itself, is left out: put_mode()
 * and half_begins() end the test there.  What the mode counts of itself is 0, so that
 * nobody finds it by that.
 */

/* The mode @mode, or none if it is NULL, is put in by the test. */
void put_mode(struct dmirage *d, const char *mode);

/* The half of a test with @mode, or the one without if it is NULL, begins. */
void half_begins(const char *mode);

/* For contexts that are not opened by these functions: by number. */
void put_bug_underneath(unsigned int asid);

/*
 * Of the memory of another process, or of this one if @pid is 0; in a mode
 * (DMIRAGE_MODE_*), with DMIRAGE_OPEN_REGIONS, DMIRAGE_OPEN_WATCH or 0.
 */
struct dmirage *open_attached_at(const char *file, int line, pid_t pid, unsigned int mode,
				 unsigned int flags);

#define open_attached(pid, mode, flags) open_attached_at(__FILE__, __LINE__, pid, mode, flags)
#define open_mode(mode, flags)		open_attached(0, mode, flags)

/* Does the device see stores to page tables?  It does under TCG only. */
bool can_watch(void);

/*
 * Contexts that are in use, when all that is ending has ended: waits for a
 * while until there are @expect.
 */
unsigned int contexts_in_use(unsigned int expect);

/* All contexts since the driver was loaded. */
struct dmirage_counters get_device_counters(void);

struct dmirage_info get_info(struct dmirage *d);

/* Of the handle's context. */
struct dmirage_counters get_counters(struct dmirage *d);

/*
 * One of debugfs' counters of the handle's context, by its name there.  What fault modes
 * count is 0 if there is a bug underneath.
 */
u64 counter_at(const char *file, int line, struct dmirage *d, const char *name);

#define counter(d, name) counter_at(__FILE__, __LINE__, d, name)

/* No violation was counted or recorded, and the oracle did look. */
void expect_clean_at(const char *file, int line, struct dmirage *d);

#define expect_clean(d) expect_clean_at(__FILE__, __LINE__, d)

/* ---- Operations -------------------------------------------------------- */

/* Carry it out; ends the test if no completion comes. */
struct dmirage_cqe run_op_at(const char *file, int line, struct dmirage *d,
			     const struct dmirage_sqe *sqe);

/* Carry it out and expect a status; a FAULT of any errno. */
void expect_op_at(const char *file, int line, struct dmirage *d,
		  const struct dmirage_sqe *sqe, unsigned int status);

/* 8 bytes by the device. */
void dev_write_at(const char *file, int line, struct dmirage *d, void *dst,
		  u64 value);
u64 dev_read_at(const char *file, int line, struct dmirage *d, const void *src);

/* Expect that 8 bytes cannot be accessed: FAULT at the address, with @err. */
void expect_fault_at(const char *file, int line, struct dmirage *d,
		     const void *addr, bool write, int err);

#define run_op(d, sqe) run_op_at(__FILE__, __LINE__, d, sqe)
#define expect_op(d, sqe, status) \
	expect_op_at(__FILE__, __LINE__, d, sqe, status)
#define dev_write(d, dst, value) dev_write_at(__FILE__, __LINE__, d, dst, value)
#define dev_read(d, src) dev_read_at(__FILE__, __LINE__, d, src)
#define expect_read_fault(d, addr, err) \
	expect_fault_at(__FILE__, __LINE__, d, addr, false, err)
#define expect_write_fault(d, addr, err) \
	expect_fault_at(__FILE__, __LINE__, d, addr, true, err)

/* 8 bytes by the CPU. */
static inline void cpu_write(void *dst, u64 value)
{
	*(volatile u64 *)dst = value;
}

static inline u64 cpu_read(const void *src)
{
	return *(const volatile u64 *)src;
}

/* ---- Memory ------------------------------------------------------------ */

/* For ktap_main(): huge pages for probe_mem_get() on nodes 0 and 1. */
void reserve_huge_pages(void);

/* Memory of a kind on node 0, verified. */
struct probe_mem get_mem_at(const char *file, int line, enum probe_kind kind,
			    size_t len);

#define get_mem(kind, len) get_mem_at(__FILE__, __LINE__, kind, len)

/* Physical address of the frame at @addr; ends the test if there is none. */
u64 frame_at(const char *file, int line, const void *addr);

#define frame_of(addr) frame_at(__FILE__, __LINE__, addr)

/*
 * A page that a processor has just made, or used, may wait in a batch of that
 * processor's for its place among those that can be reclaimed, and is busy meanwhile.
 * None is any more.
 */
void drain_batches(void);

/* Move it and verify that it is there, is still of its kind and got new frames. */
void move_mem_at(const char *file, int line, const struct probe_mem *mem,
		 int node);

#define move_mem(mem, node) move_mem_at(__FILE__, __LINE__, mem, node)

/* ---- The IOTLB --------------------------------------------------------- */

/* A line of debugfs' iotlb. */
struct tlb_line {
	unsigned int asid;
	u64 va, size, pa;
	unsigned int write, prefetched;
	u64 age_ns;
};

/* All that is in there; returns how many, at most @max are put into @lines. */
unsigned int read_iotlb_at(const char *file, int line, struct dmirage *d,
			   struct tlb_line *lines, unsigned int max);

/* The entry of the handle's context for @addr; false if there is none. */
bool in_iotlb_at(const char *file, int line, struct dmirage *d,
		 const void *addr, struct tlb_line *found);

#define read_iotlb(d, lines, max) \
	read_iotlb_at(__FILE__, __LINE__, d, lines, max)
#define in_iotlb(d, addr, found) in_iotlb_at(__FILE__, __LINE__, d, addr, found)

/* ---- Files ------------------------------------------------------------- */

/* Write to a file that is there.  Return: 0 or errno. */
int put_text(const char *path, const char *text);

/* ---- Time -------------------------------------------------------------- */

u64 now_ms(void);
void sleep_ms(unsigned int ms);

/* ---- The kernel ------------------------------------------------------------ */

/* 601 for 6.1. */
unsigned int kernel_version(void);

/*
 * A line of its log for tests/vm/guest/run-tests, which reads there what the
 * kernel complained of: "expect warning: text", "backtraces: begin", ": end".
 */
void tell_runner(const char *text);

/* ---- Child processes --------------------------------------------------- */

/* Until it ends.  Return: its exit status, or 256 and the signal. */
int wait_child(pid_t pid);

#endif /* DMIRAGE_TEST_COMMON_H */
