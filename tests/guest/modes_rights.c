// SPDX-License-Identifier: GPL-2.0
/*
 * Fault modes of the permission to write: kept, taken for granted, and given to
 * readers; each without the mode and with it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "modes.h"
#include "scene.h"

/* What comes before the device writes to a page that a child shares. */
enum {
	WROTE,		/* it wrote, before there was a child */
	READ,		/* it reads, when there is one */
	NOTHING,
};

/*
 * A page is shared with a child, copy on write, and the device writes to it.
 * That has to go to a copy, and must not be seen by the child.
 */
static void forked(const char *mode, int before)
{
	struct probe_mem mem;
	struct dmirage *d;
	int bad, go[2], status;
	pid_t pid;
	u64 old;
	u8 *p;
	char c;

	for (bad = 0; bad < 2; bad++) {
		mem = get_mem(PROBE_KIND_4K, PROBE_4K);
		p = mem.addr + 64;
		cpu_write(p, 1);
		old = frame_of(p);
		d = open_in_mode(bad ? mode : NULL);
		if (before == WROTE)
			dev_write(d, p, 1);
		ASSERT_SYS(pipe(go));
		pid = fork();
		ASSERT(pid >= 0);
		if (!pid) {
			if (read(go[0], &c, 1) != 1)
				_exit(99);
			_exit((int)cpu_read(p));
		}
		ASSERT_EQ(frame_of(p), old);
		if (before == READ)
			ASSERT_EQ(dev_read(d, p), 1);
		dev_write(d, p, 2);
		if (bad) {
			EXPECT_EQ(frame_of(p), old);
			EXPECT_GE(counter(d, "left_stale"), 1);
		} else {
			EXPECT_NE(frame_of(p), old);
			EXPECT_EQ(counter(d, "left_stale"), 0);
		}
		ASSERT_EQ(write(go[1], "g", 1), 1);
		ASSERT_SYS(waitpid(pid, &status, 0));
		ASSERT(WIFEXITED(status));
		EXPECT_EQ(WEXITSTATUS(status), bad ? 2 : 1);
		if (bad && before == READ) {
			/* Reading through it is reported already. */
			struct dmirage_violation v[3];

			EXPECT_EQ(get_counters(d).violations, 2);
			ASSERT_GE(dmirage_read_violations(d, v, 1, 1000), 1);
			ASSERT_EQ(dmirage_read_violations(d, v + 1, 2, 1000),
				  1);
			EXPECT_EQ(v[0].kind, DMIRAGE_VIOL_WRITE);
			EXPECT_EQ(v[0].access_write, 0);
			EXPECT_EQ(v[0].addr, (uintptr_t)p);
			EXPECT_EQ(v[0].held_frame, old);
			EXPECT_EQ(v[1].kind, DMIRAGE_VIOL_WRITE);
			EXPECT_EQ(v[1].access_write, 1);
			EXPECT_EQ(v[1].addr, (uintptr_t)p);
			EXPECT_EQ(v[1].held_frame, old);
		} else if (bad) {
			expect_write_record(d, p, true, old);
		} else {
			expect_clean(d);
		}
		close(go[0]);
		close(go[1]);
		dmirage_close(d);
		probe_mem_put(&mem);
	}
}

static void write_kept_fork(int arg)
{
	(void)arg;
	forked("write-kept", WROTE);
}

static void vma_flags_fork(int arg)
{
	(void)arg;
	forked("vma-flags-only", NOTHING);
}

static void read_grants_fork(int arg)
{
	(void)arg;
	forked("read-grants-write", READ);
}

/* A mapping becomes read-only, and the device writes on. */
static void write_kept_mprotect(int kind)
{
	struct probe_mem mem;
	struct dmirage *d;
	u64 flushes;
	int bad;
	u8 *p;

	for (bad = 0; bad < 2; bad++) {
		mem = get_mem(kind, probe_kind_size(kind));
		p = mem.addr + mem.len - 64;
		d = open_in_mode(bad ? "write-kept" : NULL);
		dev_write(d, p, 1);
		flushes = get_counters(d).flushes;
		ASSERT_SYS(mprotect(mem.addr, mem.len, PROT_READ));
		if (bad) {
			EXPECT_EQ(get_counters(d).flushes, flushes);
			dev_write(d, p, 2);
			EXPECT_EQ(cpu_read(p), 2);
			expect_write_record(d, p, true, frame_of(p));
		} else {
			EXPECT_EQ(get_counters(d).flushes, flushes + 1);
			expect_write_fault(d, p, EPERM);
			EXPECT_EQ(cpu_read(p), 1);
			EXPECT_EQ(dev_read(d, p), 1);
			expect_clean(d);
		}
		dmirage_close(d);
		probe_mem_put(&mem);
	}
}

/* Only rights are kept in that mode: what moves is taken out. */
static void write_kept_move(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_in_mode("write-kept");

	(void)arg;
	dev_write(d, mem.addr, 1);
	move_mem(&mem, 1);
	cpu_write(mem.addr, 2);
	EXPECT_EQ(dev_read(d, mem.addr), 2);
	expect_clean(d);
}

/* The device reads what nobody may write to. */
static void read_grants_mprotect(int arg)
{
	struct probe_mem mem;
	struct dmirage *d;
	int bad;
	u8 *p;

	(void)arg;
	for (bad = 0; bad < 2; bad++) {
		mem = get_mem(PROBE_KIND_4K, PROBE_4K);
		p = mem.addr;
		cpu_write(p, 1);
		ASSERT_SYS(mprotect(p, PROBE_4K, PROT_READ));
		d = open_in_mode(bad ? "read-grants-write" : NULL);
		EXPECT_EQ(dev_read(d, p), 1);
		if (bad) {
			expect_write_record(d, p, false, frame_of(p));
			dev_write(d, p, 2);
			EXPECT_EQ(get_counters(d).faults, 1);
			EXPECT_EQ(cpu_read(p), 2);
			EXPECT_EQ(get_counters(d).violations, 2);
		} else {
			expect_write_fault(d, p, EPERM);
			EXPECT_EQ(cpu_read(p), 1);
			expect_clean(d);
		}
		dmirage_close(d);
		probe_mem_put(&mem);
	}
}

/* Has the page been written since /proc/self/clear_refs was? */
static bool soft_dirty(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	u64 entry = 0;

	ASSERT(fd >= 0);
	ASSERT_EQ(pread(fd, &entry, 8, (off_t)((uintptr_t)p / PROBE_4K * 8)),
		  8);
	close(fd);
	return entry >> 55 & 1;
}

/*
 * The kernel write-protects a page to learn who writes to it (as CRIU does), and
 * the VMA says nothing of that.
 */
static void vma_flags_soft_dirty(int arg)
{
	struct probe_mem mem;
	struct dmirage *d;
	int bad;
	u8 *p;

	(void)arg;
	for (bad = 0; bad < 2; bad++) {
		mem = get_mem(PROBE_KIND_4K, PROBE_4K);
		p = mem.addr;
		d = open_in_mode(bad ? "vma-flags-only" : NULL);
		dev_write(d, p, 1);
		clear_soft_dirty();
		if (soft_dirty(p))
			SKIP("no soft-dirty bits in this kernel");
		dev_write(d, p, 2);
		EXPECT_EQ(cpu_read(p), 2);
		EXPECT_EQ(soft_dirty(p), !bad);
		if (bad)
			expect_write_record(d, p, true, frame_of(p));
		else
			expect_clean(d);
		dmirage_close(d);
		probe_mem_put(&mem);
	}
}

static const struct ktap_test tests[] = {
	{ "write-kept-fork", write_kept_fork, 0, 0 },
	{ "write-kept-mprotect-4k", write_kept_mprotect, PROBE_KIND_4K, 0 },
	{ "write-kept-mprotect-thp", write_kept_mprotect, PROBE_KIND_THP, 0 },
	{ "write-kept-move", write_kept_move, 0, 0 },
	{ "vma-flags-only-fork", vma_flags_fork, 0, 0 },
	{ "vma-flags-only-soft-dirty", vma_flags_soft_dirty, 0, 0 },
	{ "read-grants-write-fork", read_grants_fork, 0, 0 },
	{ "read-grants-write-mprotect", read_grants_mprotect, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
