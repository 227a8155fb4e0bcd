// SPDX-License-Identifier: GPL-2.0
/*
 * Shared mode: the device walks the process's own page table.  Nothing is made
 * for it, so what can go wrong is what it keeps: a translation in the IOTLB, or
 * latched, that the kernel has changed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "schedule.h"
#include "userfault.h"

#define PLACES 4
static const size_t places[PLACES] = { 0, 5 * PROBE_4K + 64, 255 * PROBE_4K,
				       511 * PROBE_4K + 4088 };

static struct dmirage *open_shared(void)
{
	return open_mode(DMIRAGE_MODE_SHARED, 0);
}

/* 2 MiB of a kind, with values written by the device. */
static struct probe_mem warm(struct dmirage *d, enum probe_kind kind)
{
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	unsigned int i;

	for (i = 0; i < PLACES; i++) {
		dev_write(d, mem.addr + places[i], 100 + i);
		EXPECT_EQ(cpu_read(mem.addr + places[i]), 100 + i);
	}
	return mem;
}

/* CPU and device write new values, and see each other's. */
static void both_write(struct dmirage *d, const u8 *addr, u64 value)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++) {
		cpu_write((void *)(addr + places[i]), value + i);
		EXPECT_EQ(dev_read(d, addr + places[i]), value + i);
		dev_write(d, (void *)(addr + places[i]), value + 50 + i);
		EXPECT_EQ(cpu_read(addr + places[i]), value + 50 + i);
	}
}

/* ---- Faults -------------------------------------------------------------- */

/* The device is the first to touch it. */
static void touch(int kind)
{
	struct dmirage *d = open_shared();
	struct dmirage_counters c;
	struct probe_mem mem;
	struct tlb_line line;

	ASSERT_PROBE(probe_mem_map(&mem, kind, PROBE_2M));
	dev_write(d, mem.addr + places[1], 7);
	EXPECT_EQ(cpu_read(mem.addr + places[1]), 7);
	c = get_counters(d);
	EXPECT_EQ(c.faults, 1);
	EXPECT_EQ(c.fault_errors, 0);
	/* By the process's table, and no other; in its sizes. */
	EXPECT_EQ(c.mapped_4k + c.mapped_2m + c.mapped_1g, 0);
	EXPECT_EQ(c.intervals, 0);
	ASSERT(in_iotlb(d, mem.addr + places[1], &line));
	EXPECT_EQ(line.size, probe_kind_size(kind));
	EXPECT_EQ(line.write, 1);
	if (kind != PROBE_KIND_4K)
		ASSERT_PROBE(probe_mem_verify(&mem, -1));

	/* What the CPU has touched the device has without a fault. */
	memset(mem.addr, 1, mem.len);
	both_write(d, mem.addr, 200);
	EXPECT_EQ(get_counters(d).faults, 1);
	expect_clean(d);
}

/* A read gets the zero page, and a write one's own. */
static void zero_page(int arg)
{
	struct dmirage *d = open_shared();
	struct probe_mem a, b;

	(void)arg;
	ASSERT_PROBE(probe_mem_map(&a, PROBE_KIND_4K, PROBE_4K));
	ASSERT_PROBE(probe_mem_map(&b, PROBE_KIND_4K, PROBE_4K));
	EXPECT_EQ(dev_read(d, a.addr), 0);
	EXPECT_EQ(dev_read(d, b.addr), 0);
	ASSERT_EQ(frame_of(a.addr), frame_of(b.addr));
	EXPECT_EQ(get_counters(d).faults, 2);
	dev_write(d, a.addr, 0xdead);
	EXPECT_EQ(get_counters(d).faults, 3);
	ASSERT_NE(frame_of(a.addr), frame_of(b.addr));
	EXPECT_EQ(cpu_read(a.addr), 0xdead);
	EXPECT_EQ(dev_read(d, a.addr), 0xdead);
	EXPECT_EQ(cpu_read(b.addr), 0);
	EXPECT_EQ(dev_read(d, b.addr), 0);
	cpu_write(b.addr, 0xbeef);
	EXPECT_EQ(dev_read(d, b.addr), 0xbeef);
	expect_clean(d);
}

/* What an operation cannot have, and why. */
static void errors(int arg)
{
	struct dmirage *d = open_shared();
	struct probe_mem mem = warm(d, PROBE_KIND_4K);
	uint32_t id = 77;
	uint64_t done;

	(void)arg;
	expect_read_fault(d, mem.addr - PROBE_2M, EFAULT);
	expect_read_fault(d, (void *)0x7ffffffff000ul, EFAULT);
	ASSERT_SYS(mprotect(mem.addr, PROBE_4K, PROT_READ));
	expect_write_fault(d, mem.addr, EPERM);
	EXPECT_EQ(dev_read(d, mem.addr), 100);
	/* Not for this mode. */
	EXPECT_EQ((u64)dmirage_region_add(d, mem.addr, mem.len, 0, &id),
		  (u64)-EINVAL);
	EXPECT_EQ((u64)dmirage_region_remove(d, 0), (u64)-EINVAL);
	EXPECT_EQ((u64)dmirage_prefetch(d, mem.addr, mem.len, 0, &done),
		  (u64)-EOPNOTSUPP);
	EXPECT_EQ(id, 77);
	expect_clean(d);
}

/* Memory that is waiting for a userfaultfd: nobody would answer. */
static void userfault(int arg)
{
	struct dmirage *d = open_shared();
	struct uffdio_zeropage zero;
	struct probe_mem mem;
	int fd;

	(void)arg;
	/* CONFIG_DEBUG_VM wants a stack trace for who cannot wait */
	if (ktap_scale() > 1)
		SKIP("the log would have a stack trace");
	fd = userfault_open(0);
	if (fd == -ENOSYS)
		SKIP("no userfaultfd in this kernel");
	ASSERT_OK(fd);
	ASSERT_PROBE(probe_mem_map(&mem, PROBE_KIND_4K, 2 * PROBE_4K));
	ASSERT_OK(userfault_register(fd, mem.addr, mem.len, UFFDIO_REGISTER_MODE_MISSING));
	expect_read_fault(d, mem.addr, EFAULT);
	expect_write_fault(d, mem.addr + PROBE_4K, EFAULT);
	/* Once it is there the device may. */
	zero = (struct uffdio_zeropage){
		.range = { (uintptr_t)mem.addr, PROBE_4K },
	};
	ASSERT_SYS(ioctl(fd, UFFDIO_ZEROPAGE, &zero));
	EXPECT_EQ(dev_read(d, mem.addr), 0);
	dev_write(d, mem.addr, 5);
	EXPECT_EQ(cpu_read(mem.addr), 5);
	expect_read_fault(d, mem.addr + PROBE_4K, EFAULT);
	expect_clean(d);
}

static long dirty_kb(const void *p)
{
	return probe_smaps_kb(p, "Private_Dirty") +
	       probe_smaps_kb(p, "Shared_Dirty");
}

/*
 * The device marks what it has written in the process's own entry.  A page of
 * a file that is mapped writable, has been read, and is clean, needs no fault
 * for the first write, so nobody else would notice.
 */
static void dirty(int arg)
{
	int fd = memfd_create("dmirage-test", MFD_CLOEXEC);
	struct dmirage *d = open_shared();
	u64 faults;
	u8 *p, *again;

	(void)arg;
	ASSERT(fd >= 0);
	ASSERT_SYS(ftruncate(fd, PROBE_4K));
	p = mmap(NULL, PROBE_4K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT(p != MAP_FAILED);
	EXPECT_EQ(cpu_read(p), 0);
	ASSERT_EQ(dirty_kb(p), 0);
	EXPECT_EQ(dev_read(d, p), 0);
	faults = get_counters(d).faults;
	EXPECT_EQ(dirty_kb(p), 0);
	dev_write(d, p, 0xd1127);
	if (get_counters(d).faults != faults)
		ktap_note("the first write took a fault");
	EXPECT_EQ(dirty_kb(p), 4);

	/* And from there it goes to the page when it is unmapped. */
	ASSERT_SYS(munmap(p, PROBE_4K));
	again = mmap(NULL, PROBE_4K, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT(again != MAP_FAILED);
	EXPECT_EQ(cpu_read(again), 0xd1127);
	EXPECT_EQ(dirty_kb(again), 4);
	expect_clean(d);
}

/* ---- Changes --------------------------------------------------------------- */

static void changed(int kind, enum change what)
{
	struct dmirage *d = open_shared();
	struct probe_mem mem = warm(d, kind);
	struct dmirage_counters before = get_counters(d), after;
	unsigned int i;

	/* All that could be stale is there. */
	for (i = 0; i < PLACES; i++)
		ASSERT(in_iotlb(d, mem.addr + places[i], NULL));
	if (what == MOVE) {
		move_mem(&mem, 1);
	} else if (change(&mem, what)) {
		if (errno == EINVAL && kind == PROBE_KIND_HUGETLB)
			SKIP("no MADV_DONTNEED on hugetlb in this kernel");
		ASSERT_SYS(-1);
	}
	after = get_counters(d);
	EXPECT_GE(after.flushes, before.flushes + 1);
	EXPECT_EQ(after.invalidations,
		  after.flushes + after.flushes_elided);
	for (i = 0; i < PLACES; i++)
		EXPECT(!in_iotlb(d, mem.addr + places[i], NULL));

	for (i = 0; i < PLACES; i++) {
		switch (what) {
		case MOVE:
			EXPECT_EQ(dev_read(d, mem.addr + places[i]), 100 + i);
			break;
		case DROP:
			EXPECT_EQ(dev_read(d, mem.addr + places[i]), 0);
			break;
		case READ_ONLY:
			expect_write_fault(d, mem.addr + places[i], EPERM);
			EXPECT_EQ(dev_read(d, mem.addr + places[i]), 100 + i);
			expect_write_fault(d, mem.addr + places[i], EPERM);
			break;
		default:
			expect_read_fault(d, mem.addr + places[i], EFAULT);
			expect_write_fault(d, mem.addr + places[i], EFAULT);
		}
	}
	if (what == READ_ONLY || what == NO_ACCESS)
		ASSERT_SYS(mprotect(mem.addr, mem.len, PROT_READ | PROT_WRITE));
	if (what != UNMAP)
		both_write(d, mem.addr, 300);
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

static void drop(int kind)
{
	changed(kind, DROP);
}

static void read_only(int kind)
{
	changed(kind, READ_ONLY);
}

static void no_access(int kind)
{
	changed(kind, NO_ACCESS);
}

/* 4 KiB out of a page that the device has as one of 2 MiB. */
static void part(int arg)
{
	struct dmirage *d = open_shared();
	struct probe_mem mem = warm(d, PROBE_KIND_THP);
	u8 *gone = mem.addr + 5 * PROBE_4K;
	struct tlb_line line;

	(void)arg;
	ASSERT(in_iotlb(d, gone, &line));
	ASSERT_EQ(line.size, PROBE_2M);
	ASSERT_SYS(munmap(gone, PROBE_4K));
	expect_read_fault(d, gone + 64, EFAULT);
	dev_write(d, gone - 8, 1);
	dev_write(d, gone + PROBE_4K, 2);
	EXPECT_EQ(cpu_read(gone - 8), 1);
	EXPECT_EQ(cpu_read(gone + PROBE_4K), 2);
	EXPECT_EQ(dev_read(d, mem.addr + places[2]), 102);
	expect_clean(d);
}

/* After fork(), pages are copied by who writes first: device, then CPU. */
static void forked(int kind)
{
	struct dmirage *d = open_shared();
	struct probe_mem mem = warm(d, kind);
	int go[2], i;
	pid_t pid;
	char c;

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
			cpu_write(mem.addr + places[i], 0xc411d);
		}
		_exit(0);
	}
	for (i = 0; i < PLACES; i++)
		EXPECT_EQ(dev_read(d, mem.addr + places[i]), 100 + i);
	for (i = 0; i < PLACES; i++) {
		u64 before = frame_of(mem.addr + places[i]);

		if (i % 2)
			cpu_write(mem.addr + places[i], 600 + i);
		else
			dev_write(d, mem.addr + places[i], 600 + i);
		if (kind == PROBE_KIND_4K)
			EXPECT_NE(frame_of(mem.addr + places[i]), before);
		EXPECT_EQ(dev_read(d, mem.addr + places[i]), 600 + i);
		EXPECT_EQ(cpu_read(mem.addr + places[i]), 600 + i);
	}
	ASSERT_EQ(write(go[1], "g", 1), 1);
	EXPECT_EQ(wait_child(pid), 0);
	for (i = 0; i < PLACES; i++)
		EXPECT_EQ(dev_read(d, mem.addr + places[i]), 600 + i);
	both_write(d, mem.addr, 700);
	expect_clean(d);
}

/* ---- Accesses under way ----------------------------------------------------- */

/* On a processor of one's own: a flush that waits does not let others run. */
static void stay_on(pthread_t thread, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	ASSERT(!pthread_setaffinity_np(thread, sizeof(set), &set));
}

/* The kernel's change waits for an access that has translated. */
static void held(enum probe_kind kind, enum change what)
{
	struct dmirage *d = open_shared();
	struct probe_mem mem = get_mem(kind, probe_kind_size(kind));
	struct changer c;
	u64 drained;

	stay_on(pthread_self(), 1);
	changer_make(&c, &mem, what);
	stay_on(c.thread, 0);
	cpu_write(mem.addr, 1);
	dev_write(d, mem.addr, 2);
	drained = get_counters(d).drained;
	arm_hold_long(d, "translated-keep");
	submit_write(d, mem.addr, 3);
	wait_held(d);
	EXPECT_EQ(cpu_read(mem.addr), 2);
	changer_start(&c);
	sleep_ms(QUIET_MS);
	EXPECT(!atomic_load(&c.done));
	release_hold(d);
	changer_end(&c);
	EXPECT_EQ(complete(d).status, DMIRAGE_ST_OK);
	EXPECT_GE(get_counters(d).drained, drained + 1);
	if (what == MOVE) {
		ASSERT_PROBE(probe_mem_verify(&mem, 1));
		EXPECT_EQ(cpu_read(mem.addr), 3);
		dev_write(d, mem.addr, 4);
		EXPECT_EQ(cpu_read(mem.addr), 4);
	} else {
		expect_read_fault(d, mem.addr, EFAULT);
	}
	expect_clean(d);
}

static void held_move(int kind)
{
	held(kind, MOVE);
}

static void held_unmap(int kind)
{
	held(kind, UNMAP);
}

/* The same, and the flush itself lets the access go on. */
static void flushed(int kind)
{
	struct dmirage *d = open_shared();
	struct probe_mem mem = get_mem(kind, probe_kind_size(kind));
	u64 drained;

	dev_write(d, mem.addr, 2);
	drained = get_counters(d).drained;
	arm_hold_long(d, "translated");
	submit_write(d, mem.addr, 3);
	wait_held(d);
	EXPECT_EQ(cpu_read(mem.addr), 2);
	move_mem(&mem, 1);
	/* It was done in the old frame, before that was copied. */
	EXPECT_EQ(cpu_read(mem.addr), 3);
	EXPECT_EQ(complete(d).status, DMIRAGE_ST_OK);
	EXPECT_EQ(get_counters(d).drained, drained + 1);
	expect_clean(d);
}

/* ---- The end ----------------------------------------------------------------- */

#define PAGES 32

/* In a child: an access is held, others are to follow; and exit. */
static void end_main(u8 *mem, int keep)
{
	const struct dmirage_open_opts opts = { .mode = DMIRAGE_MODE_SHARED };
	struct dmirage_sqe sqe[PAGES];
	struct dmirage_cqe cqe;
	struct dmirage *d;
	char text[64] = "";
	unsigned int i;
	char c;

	if (dmirage_open(NULL, &opts, &d))
		_exit(10);
	dmirage_prep_touch_write(&sqe[0], 1, mem, PAGES * PROBE_4K);
	if (dmirage_run(d, &sqe[0], &cqe, OP_TIMEOUT_MS) || cqe.status)
		_exit(11);
	/* One who keeps the file open. */
	if (!fork()) {
		(void)!read(keep, &c, 1);
		_exit(0);
	}
	if (probe_ctx_write(d, "hold_limit_ms", "150") ||
	    probe_ctx_write(d, "hold", "translated"))
		_exit(12);
	for (i = 0; i < PAGES; i++)
		dmirage_prep_write_imm(&sqe[i], i, mem + i * PROBE_4K,
				       0xbad + i, 8);
	if (dmirage_submit(d, sqe, PAGES) != PAGES)
		_exit(13);
	for (i = 0; i < 100 && strncmp(text, "held", 4); i++) {
		usleep(500);
		if (probe_ctx_read(d, "hold", text, sizeof(text)) < 0)
			_exit(14);
	}
	_exit(strncmp(text, "held", 4) ? 15 : 0);
}

/*
 * exit() with an access under way, while another process has the file: when it
 * is over the device no longer touches the memory, and no page table either.
 */
static void exits(int arg)
{
	u64 violations = get_device_counters().violations;
	unsigned int used = contexts_in_use(0), i;
	int keep[2];
	pid_t pid;
	u8 *mem;

	(void)arg;
	mem = mmap(NULL, PAGES * PROBE_4K, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(mem != MAP_FAILED);
	ASSERT_SYS(pipe(keep));
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid) {
		close(keep[1]);
		end_main(mem, keep[0]);
	}
	ASSERT_EQ(wait_child(pid), 0);
	/* The file, and so the context, is there still. */
	EXPECT_EQ(contexts_in_use(used + 1), used + 1);
	/* Longer than the access could have been held. */
	sleep_ms(200);
	for (i = 1; i < PAGES; i++)
		EXPECT_EQ(cpu_read(mem + i * PROBE_4K), 0);
	EXPECT_EQ(get_device_counters().violations, violations);
	close(keep[1]);
	EXPECT_EQ(contexts_in_use(used), used);
}

/* ---- All at once --------------------------------------------------------------- */

#define BATCH	 32
#define STORM_MS 800

/**
 * struct storm - CPU and device add to the same words while the pages change
 * @words: one in each of some pages
 * @cpu:   added by the CPU
 */
struct storm {
	struct dmirage *d;
	struct probe_mem mem;
	atomic_bool stop;
	size_t step;
	unsigned int words;
	u64 cpu, device;
};

static u64 *word(struct storm *s, u64 n)
{
	return (u64 *)(s->mem.addr + n % s->words * s->step);
}

static void *storm_cpu(void *arg)
{
	struct storm *s = arg;

	while (!atomic_load(&s->stop)) {
		__atomic_fetch_add(word(s, s->cpu), 1, __ATOMIC_SEQ_CST);
		if (++s->cpu % 512 == 0)
			sleep_ms(1);
	}
	return NULL;
}

static void *storm_device(void *arg)
{
	struct storm *s = arg;
	struct dmirage_sqe sqe[BATCH];
	struct dmirage_cqe cqe;
	unsigned int i;

	while (!atomic_load(&s->stop)) {
		for (i = 0; i < BATCH; i++)
			dmirage_prep_fetch_add(&sqe[i], i,
					       word(s, s->device + i), 1, 8);
		ASSERT_EQ(dmirage_submit(s->d, sqe, BATCH), BATCH);
		for (i = 0; i < BATCH; i++) {
			ASSERT_OK(dmirage_wait(s->d, &cqe, OP_TIMEOUT_MS));
			ASSERT_EQ(cqe.status, DMIRAGE_ST_OK);
		}
		s->device += BATCH;
	}
	return NULL;
}

/* Pages move, change their rights and back, and no summand gets lost. */
static void storm(int kind)
{
	static struct storm s;
	struct dmirage_audit_range audit;
	unsigned int i, moves = 0;
	pthread_t cpu, device;
	u64 end, sum = 0;

	s.d = open_shared();
	s.mem = get_mem(kind, 2 * PROBE_2M);
	s.words = 64;
	s.step = s.mem.len / s.words;
	ASSERT(!pthread_create(&cpu, NULL, storm_cpu, &s));
	ASSERT(!pthread_create(&device, NULL, storm_device, &s));
	end = now_ms() + STORM_MS;
	while (moves < 2 || now_ms() < end) {
		move_mem(&s.mem, ++moves % 2);
		if (dmirage_audit(s.d, s.mem.addr, s.mem.len, &audit) == 0)
			EXPECT_EQ(audit.violations, 0);
	}
	atomic_store(&s.stop, true);
	pthread_join(cpu, NULL);
	pthread_join(device, NULL);
	for (i = 0; i < s.words; i++)
		sum += cpu_read(word(&s, i));
	EXPECT_EQ(sum, s.cpu + s.device);
	ktap_note("%u moves, %llu by the CPU, %llu by the device, %llu flushes, %llu faults",
		  moves, s.cpu, s.device, get_counters(s.d).flushes,
		  get_counters(s.d).faults);
	EXPECT_GE(s.device, BATCH);
	EXPECT_GE(s.cpu, 100);
	EXPECT_GE(get_counters(s.d).flushes, moves);
	expect_clean(s.d);
}

static const struct ktap_test tests[] = {
	{ "first-touch-4k", touch, PROBE_KIND_4K, 0 },
	{ "first-touch-thp", touch, PROBE_KIND_THP, 0 },
	{ "first-touch-hugetlb", touch, PROBE_KIND_HUGETLB, 0 },
	{ "zero-page", zero_page, 0, 0 },
	{ "errors", errors, 0, 0 },
	{ "userfaultfd", userfault, 0, 0 },
	{ "dirty", dirty, 0, 0 },
	{ "move-4k", move, PROBE_KIND_4K, 0 },
	{ "move-thp", move, PROBE_KIND_THP, 0 },
	{ "move-hugetlb", move, PROBE_KIND_HUGETLB, 0 },
	{ "munmap-4k", unmap, PROBE_KIND_4K, 0 },
	{ "munmap-thp", unmap, PROBE_KIND_THP, 0 },
	{ "munmap-hugetlb", unmap, PROBE_KIND_HUGETLB, 0 },
	{ "dontneed-4k", drop, PROBE_KIND_4K, 0 },
	{ "dontneed-thp", drop, PROBE_KIND_THP, 0 },
	{ "dontneed-hugetlb", drop, PROBE_KIND_HUGETLB, 0 },
	{ "mprotect-read-4k", read_only, PROBE_KIND_4K, 0 },
	{ "mprotect-read-thp", read_only, PROBE_KIND_THP, 0 },
	{ "mprotect-read-hugetlb", read_only, PROBE_KIND_HUGETLB, 0 },
	{ "mprotect-none-4k", no_access, PROBE_KIND_4K, 0 },
	{ "mprotect-none-thp", no_access, PROBE_KIND_THP, 0 },
	{ "munmap-4k-in-thp", part, 0, 0 },
	{ "fork-4k", forked, PROBE_KIND_4K, 0 },
	{ "fork-thp", forked, PROBE_KIND_THP, 0 },
	{ "fork-hugetlb", forked, PROBE_KIND_HUGETLB, 0 },
	{ "hold-move-4k", held_move, PROBE_KIND_4K, 0 },
	{ "hold-move-thp", held_move, PROBE_KIND_THP, 0 },
	{ "hold-munmap-4k", held_unmap, PROBE_KIND_4K, 0 },
	{ "hold-munmap-hugetlb", held_unmap, PROBE_KIND_HUGETLB, 0 },
	{ "flush-lets-go-4k", flushed, PROBE_KIND_4K, 0 },
	{ "flush-lets-go-thp", flushed, PROBE_KIND_THP, 0 },
	{ "exit", exits, 0, 0 },
	{ "storm-4k", storm, PROBE_KIND_4K, 0 },
	{ "storm-thp", storm, PROBE_KIND_THP, 0 },
	{ "storm-hugetlb", storm, PROBE_KIND_HUGETLB, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
