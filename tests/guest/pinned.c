// SPDX-License-Identifier: GPL-2.0
/*
 * Pinned mode: pages stay while a region does, are accounted and given back; and
 * what the process maps elsewhere meanwhile is reported.
 */
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "schedule.h"

#define PLACES 4
static const size_t places[PLACES] = { 0, 5 * PROBE_4K + 64, 255 * PROBE_4K,
				       511 * PROBE_4K + 4088 };

static struct dmirage *open_pinned(void)
{
	return open_mode(DMIRAGE_MODE_PINNED, 0);
}

/* Of this process, in KiB; -1: unknown. */
static long vm_pin(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long kb = -1;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "VmPin: %ld kB", &kb) == 1)
			break;
	}
	if (f)
		fclose(f);
	return kb;
}

static uint32_t add(struct dmirage *d, const void *addr, size_t len,
		    unsigned int flags)
{
	uint32_t id = ~0u;

	ASSERT_OK(dmirage_region_add(d, addr, len, flags, &id));
	return id;
}

static int try_add(struct dmirage *d, const void *addr, size_t len,
		   unsigned int flags)
{
	uint32_t id = 0x1d;
	int err = dmirage_region_add(d, addr, len, flags, &id);

	if (err)
		EXPECT_EQ(id, 0x1d);
	return err;
}

#define expect_no_add(err, d, addr, len, flags) \
	EXPECT_EQ((u64)try_add(d, addr, len, flags), -(u64)(err))

/* Ask for one page to be moved.  Return: where it is then. */
static int ask_to_move(void *addr, int node)
{
	struct probe_page page;
	int status = -1000;

	(void)!syscall(SYS_move_pages, 0, 1ul, &addr, &node, &status,
		       MPOL_MF_MOVE_ALL);
	ASSERT_PROBE(probe_page(addr, &page));
	return page.node;
}

static void both_write(struct dmirage *d, u8 *addr, u64 value)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++) {
		cpu_write(addr + places[i], value + i);
		EXPECT_EQ(dev_read(d, addr + places[i]), value + i);
		dev_write(d, addr + places[i], value + 50 + i);
		EXPECT_EQ(cpu_read(addr + places[i]), value + 50 + i);
	}
}

/* They are counted, stay where they are, and need no fault. */
static void pins(int kind)
{
	struct dmirage *d = open_pinned();
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	u64 frame = frame_of(mem.addr + places[2]);
	struct dmirage_counters c;
	uint32_t id;

	expect_read_fault(d, mem.addr, EFAULT);
	ASSERT_EQ(vm_pin(), 0);
	id = add(d, mem.addr, mem.len, DMIRAGE_REGION_WRITE);
	EXPECT_EQ(vm_pin(), 2048);
	c = get_counters(d);
	EXPECT_EQ(c.pinned, 512);
	EXPECT_EQ(c.mapped_4k + 512 * c.mapped_2m, 512);
	if (kind != PROBE_KIND_4K)
		EXPECT_EQ(c.mapped_2m, 1);
	both_write(d, mem.addr, 100);
	EXPECT_EQ(get_counters(d).faults, 1);

	EXPECT_EQ(ask_to_move(mem.addr + places[2], 1), 0);
	EXPECT_EQ(frame_of(mem.addr + places[2]), frame);
	both_write(d, mem.addr, 200);

	ASSERT_OK(dmirage_region_remove(d, id));
	EXPECT_EQ(vm_pin(), 0);
	c = get_counters(d);
	EXPECT_EQ(c.pinned, 0);
	EXPECT_EQ(c.unmapped_4k, c.mapped_4k);
	EXPECT_EQ(c.unmapped_2m, c.mapped_2m);
	expect_read_fault(d, mem.addr, EFAULT);
	expect_write_fault(d, mem.addr + places[3], EFAULT);
	move_mem(&mem, 1);
	EXPECT_EQ(cpu_read(mem.addr + places[1]), 251);
	expect_clean(d);
}

/* What nobody has touched yet: it is the process's own page that is pinned. */
static void untouched(int kind)
{
	struct dmirage *d = open_pinned();
	struct probe_mem mem;

	ASSERT_PROBE(probe_mem_map(&mem, kind, PROBE_2M));
	add(d, mem.addr, mem.len, DMIRAGE_REGION_WRITE);
	dev_write(d, mem.addr + places[1], 5);
	EXPECT_EQ(cpu_read(mem.addr + places[1]), 5);
	both_write(d, mem.addr, 100);
	EXPECT_EQ(get_counters(d).faults, 0);
	expect_clean(d);
}

/* A region that is not for writing. */
static void read_only(int kind)
{
	struct dmirage *d = open_pinned();
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	uint32_t id;

	cpu_write(mem.addr + 8, 5);
	id = add(d, mem.addr, mem.len, 0);
	EXPECT_EQ(dev_read(d, mem.addr + 8), 5);
	expect_write_fault(d, mem.addr + 8, EPERM);
	EXPECT_EQ(cpu_read(mem.addr + 8), 5);
	expect_write_fault(d, mem.addr + mem.len, EFAULT);
	cpu_write(mem.addr + 8, 6);
	EXPECT_EQ(dev_read(d, mem.addr + 8), 6);
	ASSERT_OK(dmirage_region_remove(d, id));
	/* Once more, for writing. */
	add(d, mem.addr, mem.len, DMIRAGE_REGION_WRITE);
	dev_write(d, mem.addr + 8, 7);
	EXPECT_EQ(cpu_read(mem.addr + 8), 7);
	expect_clean(d);
}

/* ---- What is refused ----------------------------------------------------- */

static void overlap(int arg)
{
	struct dmirage *d = open_pinned();
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 16 * PROBE_4K);
	uint32_t id;

	(void)arg;
	id = add(d, mem.addr + 4 * PROBE_4K, 4 * PROBE_4K,
		 DMIRAGE_REGION_WRITE);
	expect_no_add(EEXIST, d, mem.addr, mem.len, 0);
	expect_no_add(EEXIST, d, mem.addr, 5 * PROBE_4K, 0);
	expect_no_add(EEXIST, d, mem.addr + 7 * PROBE_4K, PROBE_4K, 0);
	expect_no_add(EEXIST, d, mem.addr + 4 * PROBE_4K, 4 * PROBE_4K,
		      DMIRAGE_REGION_WRITE);
	EXPECT_EQ(get_counters(d).pinned, 4);
	EXPECT_EQ(vm_pin(), 16);
	/* Side by side they may be. */
	add(d, mem.addr, 4 * PROBE_4K, 0);
	add(d, mem.addr + 8 * PROBE_4K, 8 * PROBE_4K, DMIRAGE_REGION_WRITE);
	EXPECT_EQ(get_counters(d).pinned, 16);
	dev_write(d, mem.addr + 4 * PROBE_4K, 1);
	dev_write(d, mem.addr + 8 * PROBE_4K, 2);
	expect_write_fault(d, mem.addr + 4 * PROBE_4K - 8, EPERM);
	/* One goes, its neighbours stay. */
	ASSERT_OK(dmirage_region_remove(d, id));
	EXPECT_EQ((u64)dmirage_region_remove(d, id), (u64)-ENOENT);
	expect_read_fault(d, mem.addr + 4 * PROBE_4K, EFAULT);
	EXPECT_EQ(dev_read(d, mem.addr + 8 * PROBE_4K), 2);
	EXPECT_EQ(get_counters(d).pinned, 12);
	expect_clean(d);
}

static void bad(int arg)
{
	struct dmirage *d = open_pinned(), *mirror = open_context();
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 16 * PROBE_4K);
	uint64_t done;

	(void)arg;
	expect_no_add(EINVAL, d, mem.addr + 1, PROBE_4K, 0);
	expect_no_add(EINVAL, d, mem.addr, PROBE_4K + 8, 0);
	expect_no_add(EINVAL, d, mem.addr, 0, 0);
	expect_no_add(EINVAL, d, mem.addr, PROBE_4K, 2);
	expect_no_add(EINVAL, d, mem.addr, -(uintptr_t)mem.addr, 0);
	expect_no_add(EINVAL, d, (void *)0x7ffffffff000ul, 2 * PROBE_4K, 0);
	expect_no_add(EINVAL, mirror, mem.addr, PROBE_4K, 0);
	/* More than there is, or could be. */
	expect_no_add(ENOMEM, d, (void *)PROBE_2M, 1ul << 40, 0);
	/* Of a range with a hole, what was pinned is given back. */
	ASSERT_SYS(munmap(mem.addr + 9 * PROBE_4K, PROBE_4K));
	expect_no_add(EFAULT, d, mem.addr, mem.len, DMIRAGE_REGION_WRITE);
	expect_no_add(EFAULT, d, mem.addr - PROBE_4K, PROBE_4K, 0);
	ASSERT_SYS(mprotect(mem.addr + 8 * PROBE_4K, PROBE_4K, PROT_READ));
	expect_no_add(EFAULT, d, mem.addr, 9 * PROBE_4K, DMIRAGE_REGION_WRITE);
	EXPECT_EQ(vm_pin(), 0);
	EXPECT_EQ(get_counters(d).pinned, 0);
	EXPECT_EQ(get_counters(d).mapped_4k, get_counters(d).unmapped_4k);
	expect_read_fault(d, mem.addr, EFAULT);
	EXPECT_EQ((u64)dmirage_prefetch(d, mem.addr, PROBE_4K, 0, &done),
		  (u64)-EOPNOTSUPP);
	/* And it is not pinned: it can be moved. */
	EXPECT_EQ(ask_to_move(mem.addr, 1), 1);
	add(d, mem.addr, 9 * PROBE_4K, 0);
	EXPECT_EQ(get_counters(d).pinned, 9);
	EXPECT_EQ(dev_read(d, mem.addr), 0);
	expect_clean(d);
}

/* RLIMIT_MEMLOCK binds those who are not root, for all contexts together. */
static int limit_main(struct dmirage *a, struct dmirage *b, u8 *mem)
{
	const struct rlimit limit = { 16 * PROBE_4K, 16 * PROBE_4K };
	uint32_t one, two, id;

	/* Root may pin more than that. */
	if (setrlimit(RLIMIT_MEMLOCK, &limit) ||
	    dmirage_region_add(a, mem, 20 * PROBE_4K, 0, &id) ||
	    dmirage_region_remove(a, id))
		return 10;
	if (setresuid(65534, 65534, 65534))
		return 11;
	if (dmirage_region_add(a, mem, 17 * PROBE_4K, 0, &id) != -ENOMEM ||
	    vm_pin())
		return 12;
	if (dmirage_region_add(a, mem, 10 * PROBE_4K, 0, &one) ||
	    vm_pin() != 40)
		return 13;
	if (dmirage_region_add(b, mem, 7 * PROBE_4K, 0, &id) != -ENOMEM ||
	    vm_pin() != 40)
		return 14;
	if (dmirage_region_add(b, mem, 6 * PROBE_4K, 0, &two) ||
	    vm_pin() != 64)
		return 15;
	if (dmirage_region_add(a, mem + 12 * PROBE_4K, PROBE_4K, 0, &id) !=
	    -ENOMEM)
		return 16;
	if (dmirage_region_remove(a, one) || vm_pin() != 24 ||
	    dmirage_region_add(b, mem + 8 * PROBE_4K, 10 * PROBE_4K, 0, &id) ||
	    vm_pin() != 64)
		return 17;
	dmirage_close(b);
	return vm_pin() ? 18 : 0;
}

static void limit(int arg)
{
	pid_t pid = fork();

	(void)arg;
	ASSERT(pid >= 0);
	if (!pid) {
		const struct dmirage_open_opts opts = {
			.mode = DMIRAGE_MODE_PINNED,
		};
		struct dmirage *a, *b;
		struct probe_mem mem;

		if (probe_mem_get(&mem, PROBE_KIND_4K, 32 * PROBE_4K, 0) ||
		    dmirage_open(NULL, &opts, &a) ||
		    dmirage_open(NULL, &opts, &b))
			_exit(9);
		_exit(limit_main(a, b, mem.addr));
	}
	EXPECT_EQ(wait_child(pid), 0);
}

/* ---- Another page in the same place ---------------------------------------- */

/* The device works on what is pinned, and the oracle says so. */
static void expect_diverged(struct dmirage *d, u8 *addr, u64 old, bool present)
{
	struct dmirage_violation v;
	struct dmirage_sqe sqe;
	struct dmirage_cqe cqe;

	EXPECT_EQ(get_counters(d).violations, 0);
	dmirage_prep_read_imm(&sqe, 0xd1f, addr, 8);
	cqe = run_op(d, &sqe);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, old);
	ASSERT_EQ(dmirage_read_violations(d, &v, 1, 2000), 1);
	EXPECT_EQ(v.kind, DMIRAGE_VIOL_DIVERGED);
	EXPECT_EQ(v.mode, DMIRAGE_MODE_PINNED);
	EXPECT_EQ(v.addr, (uintptr_t)addr);
	EXPECT_EQ(v.cookie, 0xd1f);
	EXPECT_EQ(v.cpu_present, present);
	if (present)
		EXPECT_EQ(v.cpu_frame, frame_of(addr));
	EXPECT_NE(v.held_frame, v.cpu_frame);
	EXPECT_EQ(get_counters(d).violations, 1);
}

static void diverges(int kind)
{
	struct dmirage *d = open_pinned();
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	struct dmirage_audit_range a;
	u8 *p = mem.addr + places[1];

	add(d, mem.addr, mem.len, DMIRAGE_REGION_WRITE);
	dev_write(d, p, 77);
	dev_write(d, mem.addr + places[2], 78);
	ASSERT_OK(dmirage_audit(d, mem.addr, mem.len, &a));
	EXPECT_GE(a.translations, 1);
	EXPECT_EQ(a.violations, 0);
	if (madvise(mem.addr, mem.len, MADV_DONTNEED)) {
		if (errno == EINVAL && kind == PROBE_KIND_HUGETLB)
			SKIP("no MADV_DONTNEED on hugetlb in this kernel");
		ASSERT_SYS(-1);
	}
	cpu_write(p, 5);
	expect_diverged(d, p, 77, true);
	EXPECT_EQ(cpu_read(p), 5);
	ASSERT_OK(dmirage_audit(d, mem.addr, mem.len, &a));
	EXPECT_GE(a.violations, 1);
}

static void diverges_unmapped(int kind)
{
	struct dmirage *d = open_pinned();
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	u8 *p = mem.addr + places[1];

	add(d, mem.addr, mem.len, DMIRAGE_REGION_WRITE);
	dev_write(d, p, 77);
	ASSERT_SYS(munmap(mem.addr, mem.len));
	expect_diverged(d, p, 77, false);
	/* The pins keep the pages, and are given back. */
	EXPECT_EQ(vm_pin(), 2048);
	dmirage_close(d);
	EXPECT_EQ(vm_pin(), 0);
}

/* fork() copies what is pinned, for the child: the parent's pages stay. */
static void forked(int kind)
{
	struct dmirage *d = open_pinned();
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	u64 frame = frame_of(mem.addr + places[2]);
	int go[2], i;
	pid_t pid;
	char c;

	add(d, mem.addr, mem.len, DMIRAGE_REGION_WRITE);
	for (i = 0; i < PLACES; i++)
		dev_write(d, mem.addr + places[i], 100 + i);
	ASSERT_SYS(pipe(go));
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid) {
		close(go[1]);
		if (read(go[0], &c, 1) != 1)
			_exit(2);
		for (i = 0; i < PLACES; i++) {
			if (cpu_read(mem.addr + places[i]) != 100u + i)
				_exit(3);
		}
		_exit(vm_pin() ? 4 : 0);
	}
	both_write(d, mem.addr, 300);
	EXPECT_EQ(frame_of(mem.addr + places[2]), frame);
	ASSERT_EQ(write(go[1], "g", 1), 1);
	EXPECT_EQ(wait_child(pid), 0);
	expect_clean(d);
}

/* What the device writes to a file's page is in the file. */
static void file(int arg)
{
	int fd = memfd_create("dmirage-test", MFD_CLOEXEC);
	struct dmirage *d = open_pinned();
	u64 value = 0;
	uint32_t id;
	long dirty;
	u8 *p;

	(void)arg;
	ASSERT(fd >= 0);
	ASSERT_SYS(ftruncate(fd, 4 * PROBE_4K));
	p = mmap(NULL, 4 * PROBE_4K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT(p != MAP_FAILED);
	id = add(d, p, 4 * PROBE_4K, DMIRAGE_REGION_WRITE);
	dev_write(d, p + 3 * PROBE_4K, 0xf11e);
	ASSERT_EQ(pread(fd, &value, 8, 3 * PROBE_4K), 8);
	EXPECT_EQ(value, 0xf11e);
	/* Also after the process has unmapped it. */
	ASSERT_SYS(munmap(p, 4 * PROBE_4K));
	ASSERT_OK(dmirage_region_remove(d, id));
	p = mmap(NULL, 4 * PROBE_4K, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT(p != MAP_FAILED);
	EXPECT_EQ(cpu_read(p + 3 * PROBE_4K), 0xf11e);
	dirty = probe_smaps_kb(p, "Private_Dirty");
	dirty += probe_smaps_kb(p, "Shared_Dirty");
	EXPECT_GE(dirty, 4);
	expect_clean(d);
}

/* ---- The end ------------------------------------------------------------------ */

/* A region is removed while an access to it is under way: that waits. */
struct remover {
	struct dmirage *d;
	uint32_t id;
	int err;
	atomic_bool done;
};

static void *remove_main(void *arg)
{
	struct remover *r = arg;

	r->err = dmirage_region_remove(r->d, r->id);
	atomic_store(&r->done, true);
	return NULL;
}

static void remove_held(int kind)
{
	struct probe_mem mem = get_mem(kind, probe_kind_size(kind));
	struct remover r = { .d = open_pinned() };
	pthread_t thread;

	r.id = add(r.d, mem.addr, mem.len, DMIRAGE_REGION_WRITE);
	dev_write(r.d, mem.addr, 1);
	arm_hold_long(r.d, "translated-keep");
	submit_write(r.d, mem.addr, 2);
	wait_held(r.d);
	ASSERT(!pthread_create(&thread, NULL, remove_main, &r));
	sleep_ms(QUIET_MS);
	EXPECT(!atomic_load(&r.done));
	EXPECT_EQ(vm_pin(), (long)(mem.len / 1024));
	EXPECT_EQ(cpu_read(mem.addr), 1);
	release_hold(r.d);
	pthread_join(thread, NULL);
	EXPECT_OK(r.err);
	EXPECT_EQ(complete(r.d).status, DMIRAGE_ST_OK);
	EXPECT_EQ(cpu_read(mem.addr), 2);
	EXPECT_EQ(vm_pin(), 0);
	expect_read_fault(r.d, mem.addr, EFAULT);
	expect_clean(r.d);
}

/* exit() while another process has the file: the pins go with the memory. */
static void exits(int arg)
{
	u64 pinned = get_device_counters().pinned;
	unsigned int used = contexts_in_use(0);
	int keep[2];
	pid_t pid;

	(void)arg;
	ASSERT_SYS(pipe(keep));
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid) {
		const struct dmirage_open_opts opts = {
			.mode = DMIRAGE_MODE_PINNED,
		};
		struct probe_mem mem;
		struct dmirage *d;
		uint32_t id;
		char c;

		close(keep[1]);
		if (probe_mem_get(&mem, PROBE_KIND_THP, PROBE_2M, 0) ||
		    dmirage_open(NULL, &opts, &d) ||
		    dmirage_region_add(d, mem.addr, mem.len,
				       DMIRAGE_REGION_WRITE, &id))
			_exit(9);
		if (get_device_counters().pinned != pinned + 512)
			_exit(10);
		if (!fork()) {
			(void)!read(keep[0], &c, 1);
			_exit(0);
		}
		_exit(0);
	}
	close(keep[0]);
	ASSERT_EQ(wait_child(pid), 0);
	EXPECT_EQ(contexts_in_use(used + 1), used + 1);
	EXPECT_EQ(get_device_counters().pinned, pinned);
	close(keep[1]);
	EXPECT_EQ(contexts_in_use(used), used);
	EXPECT_EQ(get_device_counters().pinned, pinned);
}

#define BUSY_OPS 64

/* close() with operations under way. */
static void busy_close(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_THP, 2 * PROBE_2M);
	struct dmirage_sqe sqe[BUSY_OPS];
	unsigned int i, k;
	struct dmirage *d;

	(void)arg;
	for (i = 0; i < 6; i++) {
		memset(mem.addr, 0x11 + (int)i, mem.len);
		d = open_pinned();
		add(d, mem.addr, mem.len, DMIRAGE_REGION_WRITE);
		for (k = 0; k < BUSY_OPS; k++)
			dmirage_prep_copy(&sqe[k], k, mem.addr + PROBE_2M,
					  mem.addr, PROBE_2M / 2);
		ASSERT_EQ(dmirage_submit(d, sqe, BUSY_OPS), BUSY_OPS);
		if (i % 3)
			sleep_ms(i % 3);
		ASSERT_EQ(vm_pin(), 4096);
		dmirage_close(d);
		EXPECT_EQ(vm_pin(), 0);
		memset(mem.addr + PROBE_2M, 0xee, PROBE_2M);
		sleep_ms(2);
		for (k = 0; k < PROBE_2M / 2; k += 512)
			ASSERT_EQ(mem.addr[PROBE_2M + k], 0xee);
	}
}

/* Regions come and go, pages are asked to move: each is there or is not. */
static void storm(int kind)
{
	struct dmirage *d = open_pinned();
	struct probe_mem mem = get_mem(kind, 2 * PROBE_2M);
	struct ktap_random r = { ktap_seed() };
	uint32_t id[8] = { 0 };
	u64 value[8] = { 0 }, pinned = 0, adds = 0;
	bool has[8] = { 0 };
	size_t part = mem.len / 8;
	u64 end = now_ms() + 600;
	unsigned int i;

	while (now_ms() < end || adds < 8) {
		u8 *p = mem.addr + (i = (unsigned int)ktap_below(&r, 8)) * part;

		if (has[i]) {
			EXPECT_EQ(dev_read(d, p), value[i]);
			ASSERT_OK(dmirage_region_remove(d, id[i]));
			pinned -= part / PROBE_4K;
		} else {
			expect_write_fault(d, p, EFAULT);
			id[i] = add(d, p, part, DMIRAGE_REGION_WRITE);
			pinned += part / PROBE_4K;
			value[i] = ktap_random(&r);
			dev_write(d, p, value[i]);
			adds++;
		}
		has[i] = !has[i];
		EXPECT_EQ(get_counters(d).pinned, pinned);
		ask_to_move(mem.addr + part * ktap_below(&r, 8), adds % 2);
	}
	for (i = 0; i < 8; i++)
		EXPECT_EQ(cpu_read(mem.addr + i * part), value[i]);
	ktap_note("%llu regions added", adds);
	expect_clean(d);
	dmirage_close(d);
	EXPECT_EQ(vm_pin(), 0);
}

static const struct ktap_test tests[] = {
	{ "pins-4k", pins, PROBE_KIND_4K, 0 },
	{ "pins-thp", pins, PROBE_KIND_THP, 0 },
	{ "pins-hugetlb", pins, PROBE_KIND_HUGETLB, 0 },
	{ "untouched-4k", untouched, PROBE_KIND_4K, 0 },
	{ "untouched-thp", untouched, PROBE_KIND_THP, 0 },
	{ "read-only-4k", read_only, PROBE_KIND_4K, 0 },
	{ "read-only-thp", read_only, PROBE_KIND_THP, 0 },
	{ "read-only-hugetlb", read_only, PROBE_KIND_HUGETLB, 0 },
	{ "overlap", overlap, 0, 0 },
	{ "refused", bad, 0, 0 },
	{ "limit", limit, 0, 0 },
	{ "diverged-dontneed-4k", diverges, PROBE_KIND_4K, 0 },
	{ "diverged-dontneed-thp", diverges, PROBE_KIND_THP, 0 },
	{ "diverged-dontneed-hugetlb", diverges, PROBE_KIND_HUGETLB, 0 },
	{ "diverged-munmap-4k", diverges_unmapped, PROBE_KIND_4K, 0 },
	{ "diverged-munmap-thp", diverges_unmapped, PROBE_KIND_THP, 0 },
	{ "fork-4k", forked, PROBE_KIND_4K, 0 },
	{ "fork-thp", forked, PROBE_KIND_THP, 0 },
	{ "file", file, 0, 0 },
	{ "remove-held-4k", remove_held, PROBE_KIND_4K, 0 },
	{ "remove-held-hugetlb", remove_held, PROBE_KIND_HUGETLB, 0 },
	{ "exit", exits, 0, 0 },
	{ "close-busy", busy_close, 0, 0 },
	{ "storm-4k", storm, PROBE_KIND_4K, 0 },
	{ "storm-thp", storm, PROBE_KIND_THP, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
