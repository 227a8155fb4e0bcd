// SPDX-License-Identifier: GPL-2.0
/*
 * Mirror mode by region: the device has what a region permits and nothing
 * beside it, and regions come and go at any time.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "schedule.h"

#define WRITE DMIRAGE_REGION_WRITE

static struct dmirage *open_regions(void)
{
	return open_mode(DMIRAGE_MODE_MIRROR, DMIRAGE_OPEN_REGIONS);
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

static void remove_region(struct dmirage *d, uint32_t id)
{
	ASSERT_OK(dmirage_region_remove(d, id));
}

/* Nothing but what is in a region, as that permits. */
static void permits(int kind)
{
	struct dmirage *d = open_regions();
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	u8 *p = mem.addr + 64 * PROBE_4K;
	uint32_t id, ro;

	expect_read_fault(d, p, EFAULT);
	id = add(d, p, 64 * PROBE_4K, WRITE);
	ro = add(d, p + 64 * PROBE_4K, 64 * PROBE_4K, 0);
	EXPECT_EQ(get_counters(d).intervals, 2);
	dev_write(d, p, 1);
	dev_write(d, p + 64 * PROBE_4K - 8, 2);
	EXPECT_EQ(cpu_read(p), 1);
	EXPECT_EQ(cpu_read(p + 64 * PROBE_4K - 8), 2);
	expect_read_fault(d, p - 8, EFAULT);
	expect_write_fault(d, p - 8, EFAULT);
	cpu_write(p + 64 * PROBE_4K, 3);
	EXPECT_EQ(dev_read(d, p + 64 * PROBE_4K), 3);
	expect_write_fault(d, p + 64 * PROBE_4K, EPERM);
	EXPECT_EQ(dev_read(d, p + 128 * PROBE_4K - 8), 0);
	expect_read_fault(d, p + 128 * PROBE_4K, EFAULT);
	/* Removed: nothing of it is left, and the other one stays. */
	remove_region(d, id);
	expect_read_fault(d, p, EFAULT);
	expect_write_fault(d, p + 64 * PROBE_4K - 8, EFAULT);
	EXPECT_EQ(dev_read(d, p + 64 * PROBE_4K), 3);
	EXPECT_EQ((u64)dmirage_region_remove(d, id), (u64)-ENOENT);
	remove_region(d, ro);
	expect_read_fault(d, p + 64 * PROBE_4K, EFAULT);
	EXPECT_EQ(get_counters(d).intervals, 0);
	EXPECT_EQ(get_counters(d).mapped_4k, get_counters(d).unmapped_4k);
	EXPECT_EQ(get_counters(d).mapped_2m, 0);
	expect_clean(d);
}

/* A long operation ends where the region does, and so do its entries. */
static void across(int kind)
{
	struct dmirage *d = open_regions();
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	struct dmirage_sqe sqe;
	struct dmirage_cqe cqe;

	add(d, mem.addr, 64 * PROBE_4K, WRITE);
	dmirage_prep_fill(&sqe, 1, mem.addr, ~0ull, mem.len);
	cqe = run_op(d, &sqe);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
	EXPECT_EQ(cqe.detail, EFAULT);
	EXPECT_EQ(cqe.addr, (uintptr_t)mem.addr + 64 * PROBE_4K);
	EXPECT_EQ(cpu_read(mem.addr + 64 * PROBE_4K - 8), ~0ull);
	EXPECT_EQ(cpu_read(mem.addr + 64 * PROBE_4K), 0);
	EXPECT_EQ(get_counters(d).mapped_4k, 64);
	expect_clean(d);
}

/* One for reading, one for writing, 4 of 8 pages in both. */
static void overlap(int arg)
{
	struct dmirage *d = open_regions();
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 16 * PROBE_4K);
	u8 *p = mem.addr;
	uint32_t r, w;

	(void)arg;
	r = add(d, p, 8 * PROBE_4K, 0);
	w = add(d, p + 4 * PROBE_4K, 8 * PROBE_4K, WRITE);
	expect_write_fault(d, p, EPERM);
	dev_write(d, p + 4 * PROBE_4K, 1);
	dev_write(d, p + 11 * PROBE_4K, 2);
	expect_read_fault(d, p + 12 * PROBE_4K, EFAULT);
	/* Without the one that permits writing. */
	remove_region(d, w);
	expect_write_fault(d, p + 4 * PROBE_4K, EPERM);
	EXPECT_EQ(dev_read(d, p + 4 * PROBE_4K), 1);
	expect_read_fault(d, p + 11 * PROBE_4K, EFAULT);
	/* Without the other one. */
	w = add(d, p + 4 * PROBE_4K, 8 * PROBE_4K, WRITE);
	dev_write(d, p + 5 * PROBE_4K, 3);
	remove_region(d, r);
	expect_read_fault(d, p, EFAULT);
	EXPECT_EQ(dev_read(d, p + 4 * PROBE_4K), 1);
	dev_write(d, p + 5 * PROBE_4K, 4);
	EXPECT_EQ(cpu_read(p + 5 * PROBE_4K), 4);
	EXPECT_EQ(get_counters(d).intervals, 1);
	expect_clean(d);
}

/* Huge entries are made where the region covers all of it, and only there. */
static void slice(int kind)
{
	struct dmirage *d = open_regions();
	struct probe_mem mem = get_mem(kind, 2 * PROBE_2M);
	struct tlb_line line;
	uint32_t id;

	/* 1 MiB of 2, then 3 of 4. */
	id = add(d, mem.addr, PROBE_2M / 2, WRITE);
	dev_write(d, mem.addr + PROBE_4K, 1);
	EXPECT_EQ(get_counters(d).mapped_2m, 0);
	ASSERT(in_iotlb(d, mem.addr + PROBE_4K, &line));
	EXPECT_EQ(line.size, PROBE_4K);
	expect_read_fault(d, mem.addr + PROBE_2M / 2, EFAULT);
	expect_write_fault(d, mem.addr + PROBE_2M - 8, EFAULT);
	remove_region(d, id);

	add(d, mem.addr, PROBE_2M + PROBE_2M / 2, WRITE);
	dev_write(d, mem.addr + PROBE_4K, 2);
	dev_write(d, mem.addr + PROBE_2M, 3);
	EXPECT_EQ(get_counters(d).mapped_2m, 1);
	ASSERT(in_iotlb(d, mem.addr + PROBE_4K, &line));
	EXPECT_EQ(line.size, PROBE_2M);
	ASSERT(in_iotlb(d, mem.addr + PROBE_2M, &line));
	EXPECT_EQ(line.size, PROBE_4K);
	expect_read_fault(d, mem.addr + PROBE_2M + PROBE_2M / 2, EFAULT);
	move_mem(&mem, 1);
	EXPECT_EQ(dev_read(d, mem.addr + PROBE_4K), 2);
	EXPECT_EQ(dev_read(d, mem.addr + PROBE_2M), 3);
	expect_clean(d);
}

/* A huge entry for reading is in the way of a small one for writing. */
static void write_in_read(int kind)
{
	struct dmirage *d = open_regions();
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	u8 *p = mem.addr + 9 * PROBE_4K;
	uint32_t w;

	add(d, mem.addr, mem.len, 0);
	cpu_write(mem.addr, 5);
	EXPECT_EQ(dev_read(d, mem.addr), 5);
	EXPECT_EQ(get_counters(d).mapped_2m, 1);
	w = add(d, p, PROBE_4K, WRITE);
	dev_write(d, p, 6);
	EXPECT_EQ(cpu_read(p), 6);
	EXPECT_EQ(get_counters(d).unmapped_2m, 1);
	expect_write_fault(d, p - 8, EPERM);
	expect_write_fault(d, p + PROBE_4K, EPERM);
	EXPECT_EQ(dev_read(d, mem.addr), 5);
	EXPECT_EQ(dev_read(d, p), 6);
	dev_write(d, p, 7);
	remove_region(d, w);
	expect_write_fault(d, p, EPERM);
	EXPECT_EQ(dev_read(d, p), 7);
	expect_clean(d);
}

/* ---- Changes ------------------------------------------------------------- */

/* What the process does with its mapping reaches the device, by one flush. */
static void changed(enum probe_kind kind, enum change what)
{
	struct dmirage *d = open_regions();
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	struct dmirage_counters before;
	u8 *p = mem.addr + 5 * PROBE_4K;

	/* Twice, in part. */
	add(d, mem.addr, mem.len, WRITE);
	add(d, mem.addr + PROBE_2M / 2, PROBE_2M, WRITE);
	dev_write(d, p, 1);
	dev_write(d, mem.addr + PROBE_2M - 8, 2);
	before = get_counters(d);
	if (what == MOVE)
		move_mem(&mem, 1);
	else if (change(&mem, what))
		ASSERT_SYS(-1);
	if (kind != PROBE_KIND_4K || what != MOVE)
		EXPECT_EQ(get_counters(d).flushes, before.flushes + 1);
	EXPECT_GE(get_counters(d).flushes_elided, before.flushes_elided + 1);
	switch (what) {
	case UNMAP:
		expect_read_fault(d, p, EFAULT);
		break;
	case READ_ONLY:
		expect_write_fault(d, p, EPERM);
		EXPECT_EQ(dev_read(d, p), 1);
		break;
	default:
		EXPECT_EQ(dev_read(d, p), 1);
		cpu_write(p, 3);
		EXPECT_EQ(dev_read(d, p), 3);
		dev_write(d, mem.addr + PROBE_2M - 8, 4);
		EXPECT_EQ(cpu_read(mem.addr + PROBE_2M - 8), 4);
	}
	expect_clean(d);
}

static void move(int kind)
{
	changed(kind, MOVE);
}

static void unmap(int kind)
{
	changed(kind, UNMAP);
}

static void protect(int kind)
{
	changed(kind, READ_ONLY);
}

/* A region is about addresses: what is mapped there may change. */
static void remap(int arg)
{
	struct dmirage *d = open_regions();
	struct probe_mem mem;
	u64 value = 0xf11e;
	int fd;

	(void)arg;
	ASSERT_PROBE(probe_mem_map(&mem, PROBE_KIND_4K, 4 * PROBE_4K));
	ASSERT_SYS(munmap(mem.addr, mem.len));
	add(d, mem.addr, mem.len, WRITE);
	expect_read_fault(d, mem.addr, EFAULT);
	ASSERT(mmap(mem.addr, mem.len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		    0) == mem.addr);
	dev_write(d, mem.addr + PROBE_4K, 1);
	EXPECT_EQ(cpu_read(mem.addr + PROBE_4K), 1);
	ASSERT_SYS(munmap(mem.addr, mem.len));
	expect_read_fault(d, mem.addr + PROBE_4K, EFAULT);
	fd = memfd_create("dmirage-test", MFD_CLOEXEC);
	ASSERT(fd >= 0);
	ASSERT_SYS(ftruncate(fd, (off_t)mem.len));
	ASSERT_EQ(pwrite(fd, &value, 8, PROBE_4K), 8);
	ASSERT(mmap(mem.addr, mem.len, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED, fd, 0) == mem.addr);
	EXPECT_EQ(dev_read(d, mem.addr + PROBE_4K), 0xf11e);
	dev_write(d, mem.addr + PROBE_4K, 2);
	ASSERT_EQ(pread(fd, &value, 8, PROBE_4K), 8);
	EXPECT_EQ(value, 2);
	/* A hole in the midst of it. */
	ASSERT_SYS(munmap(mem.addr + 2 * PROBE_4K, PROBE_4K));
	expect_read_fault(d, mem.addr + 2 * PROBE_4K, EFAULT);
	dev_write(d, mem.addr + 3 * PROBE_4K, 3);
	EXPECT_EQ(dev_read(d, mem.addr + PROBE_4K), 2);
	expect_clean(d);
}

/* ---- What is refused ------------------------------------------------------- */

static void refused(int arg)
{
	struct dmirage *d = open_regions(), *whole = open_context();
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 4 * PROBE_4K);

	(void)arg;
	expect_no_add(EINVAL, d, mem.addr + 8, PROBE_4K, 0);
	expect_no_add(EINVAL, d, mem.addr, PROBE_4K - 1, 0);
	expect_no_add(EINVAL, d, mem.addr, 0, 0);
	expect_no_add(EINVAL, d, mem.addr, PROBE_4K, 2);
	expect_no_add(EINVAL, d, mem.addr, PROBE_4K, 0x80000000u);
	expect_no_add(EINVAL, d, mem.addr, -(uintptr_t)mem.addr, 0);
	expect_no_add(EINVAL, d, mem.addr, -PROBE_4K, 0);
	expect_no_add(EINVAL, d, (void *)0x7ffffffff000ul, 2 * PROBE_4K, 0);
	expect_no_add(EINVAL, d, (void *)0xffff888000000000ul, PROBE_4K, 0);
	expect_no_add(EINVAL, whole, mem.addr, PROBE_4K, 0);
	EXPECT_EQ((u64)dmirage_region_remove(whole, 0), (u64)-EINVAL);
	EXPECT_EQ((u64)dmirage_region_remove(d, 0), (u64)-ENOENT);
	EXPECT_EQ((u64)dmirage_region_remove(d, ~0u), (u64)-ENOENT);
	EXPECT_EQ(get_counters(d).intervals, 0);
	/* All that a process may have. */
	add(d, NULL, 0x7ffffffff000ul & ~(PROBE_4K - 1), WRITE);
	dev_write(d, mem.addr, 1);
	EXPECT_EQ(cpu_read(mem.addr), 1);
	expect_clean(d);
}

/* As many as there may be; each of them works, and none but they. */
static void limit(int arg)
{
	struct dmirage *d = open_regions();
	static uint32_t id[DMIRAGE_REGIONS_MAX];
	struct probe_mem mem;
	unsigned int i;

	(void)arg;
	ASSERT_PROBE(probe_mem_map(&mem, PROBE_KIND_4K,
				   2 * DMIRAGE_REGIONS_MAX * PROBE_4K));
	for (i = 0; i < DMIRAGE_REGIONS_MAX; i++)
		id[i] = add(d, mem.addr + 2 * i * PROBE_4K, PROBE_4K, WRITE);
	expect_no_add(ENOSPC, d, mem.addr, PROBE_4K, WRITE);
	EXPECT_EQ(get_counters(d).intervals, DMIRAGE_REGIONS_MAX);
	for (i = 0; i < DMIRAGE_REGIONS_MAX; i += 97) {
		dev_write(d, mem.addr + 2 * i * PROBE_4K, i);
		EXPECT_EQ(cpu_read(mem.addr + 2 * i * PROBE_4K), i);
		expect_read_fault(d, mem.addr + (2 * i + 1) * PROBE_4K, EFAULT);
	}
	remove_region(d, id[97]);
	expect_read_fault(d, mem.addr + 2 * 97 * PROBE_4K, EFAULT);
	add(d, mem.addr + PROBE_4K, PROBE_4K, WRITE);
	dev_write(d, mem.addr + PROBE_4K, 5);
	expect_no_add(ENOSPC, d, mem.addr, PROBE_4K, WRITE);
	expect_clean(d);
}

/* ---- Removal with work under way --------------------------------------------- */

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

/* An access that has translated: removal waits for it. */
static void remove_held(int kind)
{
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	struct remover r = { .d = open_regions() };
	pthread_t thread;

	r.id = add(r.d, mem.addr, mem.len, WRITE);
	dev_write(r.d, mem.addr, 1);
	arm_hold_long(r.d, "translated-keep");
	submit_write(r.d, mem.addr, 2);
	wait_held(r.d);
	ASSERT(!pthread_create(&thread, NULL, remove_main, &r));
	sleep_ms(QUIET_MS);
	EXPECT(!atomic_load(&r.done));
	EXPECT_EQ(cpu_read(mem.addr), 1);
	release_hold(r.d);
	pthread_join(thread, NULL);
	EXPECT_OK(r.err);
	EXPECT_EQ(complete(r.d).status, DMIRAGE_ST_OK);
	EXPECT_EQ(cpu_read(mem.addr), 2);
	expect_read_fault(r.d, mem.addr, EFAULT);
	expect_clean(r.d);
}

/* A fault that has read the page table: removal waits for it, too. */
static void remove_faulting(int arg)
{
	static const char *const points[] = { "fault-begin", "fault-snapshot" };
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct remover r = { .d = open_regions() };
	pthread_t thread;

	r.id = add(r.d, mem.addr, mem.len, WRITE);
	arm_gate(r.d, points[arg]);
	submit_write(r.d, mem.addr, 2);
	wait_gate(r.d, points[arg]);
	ASSERT(!pthread_create(&thread, NULL, remove_main, &r));
	sleep_ms(QUIET_MS);
	EXPECT(!atomic_load(&r.done));
	release_gate(r.d);
	pthread_join(thread, NULL);
	EXPECT_OK(r.err);
	/* Before the removal or after it. */
	if (complete(r.d).status == DMIRAGE_ST_OK)
		EXPECT_EQ(cpu_read(mem.addr), 2);
	else
		EXPECT_EQ(cpu_read(mem.addr), 0);
	expect_not_expired(r.d);
	expect_read_fault(r.d, mem.addr, EFAULT);
	EXPECT_EQ(get_counters(r.d).mapped_4k, get_counters(r.d).unmapped_4k);
	dev_write(open_context(), mem.addr, 3);
	EXPECT_EQ(get_counters(r.d).violations, 0);
}

#define LOAD_MS 400
#define BATCH	16

struct load {
	struct dmirage *d;
	u8 *addr;
	atomic_bool stop;
	u64 ok, refused;
};

static void *load_main(void *arg)
{
	struct load *l = arg;
	struct dmirage_sqe sqe[BATCH];
	struct dmirage_cqe cqe;
	unsigned int i;

	while (!atomic_load(&l->stop)) {
		for (i = 0; i < BATCH; i++)
			dmirage_prep_fetch_add(&sqe[i], i, l->addr, 1, 8);
		ASSERT_EQ(dmirage_submit(l->d, sqe, BATCH), BATCH);
		for (i = 0; i < BATCH; i++) {
			ASSERT_OK(dmirage_wait(l->d, &cqe, OP_TIMEOUT_MS));
			if (cqe.status == DMIRAGE_ST_OK) {
				l->ok++;
				continue;
			}
			l->refused++;
			EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
			EXPECT_EQ(cqe.detail, EFAULT);
		}
	}
	return NULL;
}

/* The region comes and goes while the device works and the page moves. */
static void remove_busy(int kind)
{
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	struct load l = { .d = open_regions(), .addr = mem.addr };
	unsigned int rounds = 0;
	pthread_t thread;
	u64 end, was;
	uint32_t id;

	ASSERT(!pthread_create(&thread, NULL, load_main, &l));
	end = now_ms() + LOAD_MS;
	while (now_ms() < end || rounds < 2) {
		id = add(l.d, mem.addr, mem.len, WRITE);
		sleep_ms(rounds % 4);
		move_mem(&mem, ++rounds % 2);
		remove_region(l.d, id);
		/* From now on nobody adds. */
		was = cpu_read(mem.addr);
		sleep_ms(1);
		EXPECT_EQ(cpu_read(mem.addr), was);
	}
	atomic_store(&l.stop, true);
	pthread_join(thread, NULL);
	EXPECT_EQ(cpu_read(mem.addr), l.ok);
	ktap_note("%u rounds, %llu additions, %llu refused", rounds, l.ok,
		  l.refused);
	EXPECT_GE(l.ok, 1);
	EXPECT_GE(l.refused, 1);
	expect_clean(l.d);
}

/* ---- A model -------------------------------------------------------------------- */

#define MODEL_PAGES 1024 /* two blocks */
#define MODEL_MAX   12

struct range {
	bool used, write;
	uint32_t id;
	size_t first, count;
};

/* Borders where something is to be gained: of blocks, and next to them. */
static size_t border(struct ktap_random *r)
{
	static const size_t some[] = { 0, 1, 255, 256, 257, 511, 512, 513, 1024 };

	return ktap_below(r, 3) ? some[ktap_below(r, ARRAY_SIZE(some))] :
				  ktap_below(r, MODEL_PAGES + 1);
}

/* Random regions over huge pages; what each page permits is known. */
static void model(int kind)
{
	struct dmirage *d = open_regions();
	struct probe_mem mem = get_mem(kind, MODEL_PAGES * PROBE_4K);
	struct ktap_random r = { ktap_seed() };
	struct range range[MODEL_MAX] = { 0 };
	unsigned int step, i, used = 0;
	u64 ok = 0, denied = 0;

	for (step = 0; step < 1500; step++) {
		struct range *g = &range[ktap_below(&r, MODEL_MAX)];
		size_t a = border(&r), b = border(&r), page;
		int err = EFAULT;
		bool write;

		if (step % 5 == 0 && g->used) {
			remove_region(d, g->id);
			g->used = false;
			used--;
		} else if (step % 5 == 0 && a != b) {
			g->first = a < b ? a : b;
			g->count = a < b ? b - a : a - b;
			g->write = ktap_below(&r, 2);
			g->id = add(d, mem.addr + g->first * PROBE_4K,
				    g->count * PROBE_4K, g->write ? WRITE : 0);
			g->used = true;
			used++;
		}
		if (step % 200 == 199)
			move_mem(&mem, step / 200 % 2 ? 0 : 1);

		page = a % MODEL_PAGES;
		write = ktap_below(&r, 2);
		for (i = 0; i < MODEL_MAX; i++) {
			g = &range[i];
			if (!g->used || page < g->first ||
			    page >= g->first + g->count)
				continue;
			if (!write || g->write)
				err = 0;
			else if (err)
				err = EPERM;
		}
		if (err) {
			denied++;
			if (write)
				expect_write_fault(d, mem.addr + page * 4096, err);
			else
				expect_read_fault(d, mem.addr + page * 4096, err);
		} else if (write) {
			ok++;
			dev_write(d, mem.addr + page * 4096, step);
			EXPECT_EQ(cpu_read(mem.addr + page * 4096), step);
		} else {
			ok++;
			cpu_write(mem.addr + page * 4096, ~(u64)step);
			EXPECT_EQ(dev_read(d, mem.addr + page * 4096),
				  ~(u64)step);
		}
		EXPECT_EQ(get_counters(d).intervals, used);
	}
	EXPECT_GE(ok, 50);
	EXPECT_GE(denied, 50);
	if (kind != PROBE_KIND_4K)
		EXPECT_GE(get_counters(d).mapped_2m, 1);
	expect_clean(d);
}

static const struct ktap_test tests[] = {
	{ "permits-4k", permits, PROBE_KIND_4K, 0 },
	{ "permits-thp", permits, PROBE_KIND_THP, 0 },
	{ "permits-hugetlb", permits, PROBE_KIND_HUGETLB, 0 },
	{ "across-4k", across, PROBE_KIND_4K, 0 },
	{ "across-thp", across, PROBE_KIND_THP, 0 },
	{ "overlap", overlap, 0, 0 },
	{ "slice-of-thp", slice, PROBE_KIND_THP, 0 },
	{ "slice-of-hugetlb", slice, PROBE_KIND_HUGETLB, 0 },
	{ "write-in-read-thp", write_in_read, PROBE_KIND_THP, 0 },
	{ "write-in-read-hugetlb", write_in_read, PROBE_KIND_HUGETLB, 0 },
	{ "move-4k", move, PROBE_KIND_4K, 0 },
	{ "move-thp", move, PROBE_KIND_THP, 0 },
	{ "move-hugetlb", move, PROBE_KIND_HUGETLB, 0 },
	{ "munmap-4k", unmap, PROBE_KIND_4K, 0 },
	{ "munmap-thp", unmap, PROBE_KIND_THP, 0 },
	{ "munmap-hugetlb", unmap, PROBE_KIND_HUGETLB, 0 },
	{ "mprotect-4k", protect, PROBE_KIND_4K, 0 },
	{ "mprotect-thp", protect, PROBE_KIND_THP, 0 },
	{ "remap", remap, 0, 0 },
	{ "refused", refused, 0, 0 },
	{ "limit", limit, 0, 0 },
	{ "remove-held-4k", remove_held, PROBE_KIND_4K, 0 },
	{ "remove-held-thp", remove_held, PROBE_KIND_THP, 0 },
	{ "remove-fault-begin", remove_faulting, 0, 0 },
	{ "remove-fault-snapshot", remove_faulting, 1, 0 },
	{ "remove-busy-4k", remove_busy, PROBE_KIND_4K, 0 },
	{ "remove-busy-thp", remove_busy, PROBE_KIND_THP, 0 },
	{ "model-4k", model, PROBE_KIND_4K, 0 },
	{ "model-thp", model, PROBE_KIND_THP, 0 },
	{ "model-hugetlb", model, PROBE_KIND_HUGETLB, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
