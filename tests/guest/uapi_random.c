// SPDX-License-Identifier: GPL-2.0
/*
 * The user's interface against calls at random: every ioctl with good, nearly
 * good and bad structures, mappings, reads and polls, on several files in
 * several threads that open and close them at any time.  Afterwards everything
 * is as it was.
 *
 * DMIRAGE_SEED= replays what each thread does; not how threads meet.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "raw.h"
#include "schedule.h"

#define THREADS 4
/* Of each of them. */
#define CALLS	26000
/* Shared by all of them. */
#define FILES	6
#define MEM	(4 * PROBE_2M)
/* An end, should a machine be so slow. */
#define STORM_S 45
#define ENOUGH	100000

/* ---- What is at random ----------------------------------------------------- */

static u8 *mem;
/* -1: closed. */
static int files[FILES];
/* A pidfd and /proc/PID/mem of a child, and an eventfd. */
static int others[3];

/* How many calls were made, and how many went well; of all processes. */
struct sum {
	_Atomic u64 calls, well;
};

static struct sum *sum;

static u64 pick(struct ktap_random *r, const u64 *some, size_t n)
{
	return some[ktap_below(r, n)];
}

/* A number that may be taken, or is next to one that may, or is none. */
static u64 number(struct ktap_random *r)
{
	static const u64 some[] = { 0, 1, 2, 3, 4, 7, 16, 256, 4095, 4096, 4097,
				    1ull << 21, 1ull << 30, 1ull << 47,
				    1ull << 63, ~0ull, ~0ull - 4095 };

	switch (ktap_below(r, 4)) {
	case 0:
		return ktap_random(r);
	case 1:
		return ktap_below(r, 64);
	default:
		return pick(r, some, ARRAY_SIZE(some));
	}
}

static u64 address(struct ktap_random *r)
{
	u64 base = (uintptr_t)mem;

	switch (ktap_below(r, 8)) {
	case 0:
		return number(r);
	case 1:
		return base - PROBE_4K;
	case 2:
		return base + ktap_below(r, MEM);
	default:
		return base + ktap_below(r, MEM / PROBE_4K) * PROBE_4K;
	}
}

static u64 length(struct ktap_random *r)
{
	switch (ktap_below(r, 8)) {
	case 0:
		return number(r);
	case 1:
		return PROBE_2M;
	case 2:
		return 1 + ktap_below(r, 3 * PROBE_4K);
	default:
		return (1 + ktap_below(r, 32)) * PROBE_4K;
	}
}

static u64 few(struct ktap_random *r, u64 n)
{
	return ktap_below(r, 12) ? ktap_below(r, n) : number(r);
}

/* Most structures are as they should be, else nothing would get far. */
static u64 zero(struct ktap_random *r)
{
	return ktap_below(r, 40) ? 0 : number(r);
}

static int descriptor(struct ktap_random *r)
{
	switch (ktap_below(r, 4)) {
	case 0:
		return (int)number(r);
	case 1:
		return files[ktap_below(r, FILES)];
	default:
		return others[ktap_below(r, ARRAY_SIZE(others))];
	}
}

/* ---- Calls -------------------------------------------------------------------- */

union args {
	struct dmirage_info info;
	struct dmirage_setup setup;
	struct dmirage_counters counters;
	struct dmirage_region region;
	struct dmirage_region_remove remove;
	struct dmirage_prefetch prefetch;
	struct dmirage_eventfd eventfd;
	struct dmirage_audit_range audit;
	u64 words[64];
};

static void fill_setup(struct ktap_random *r, struct dmirage_setup *s)
{
	static const u64 entries[] = { 2, 4, 64, 256, 1024, 3, 0 };

	s->sq_entries = (u32)pick(r, entries, ARRAY_SIZE(entries));
	s->cq_entries = (u32)pick(r, entries, ARRAY_SIZE(entries));
	s->mode = (u32)few(r, 3);
	if (!s->mode && ktap_below(r, 2))
		s->flags = DMIRAGE_SETUP_REGIONS;
	if (ktap_below(r, 6) == 0) {
		s->flags |= DMIRAGE_SETUP_ATTACH;
		s->pidfd = ktap_below(r, 3) ? others[0] : descriptor(r);
		s->mem_fd = ktap_below(r, 3) ? others[1] : descriptor(r);
	}
	if (ktap_below(r, 3) == 0)
		s->flags |= DMIRAGE_SETUP_PRESENT;
	s->flags |= (u32)zero(r);
	s->reserved0 = (u32)zero(r);
	s->reserved[ktap_below(r, 2)] = zero(r);
}

/* An ioctl, and its structure.  Return: its number. */
static unsigned long fill(struct ktap_random *r, union args *a)
{
	static const unsigned long requests[] = {
		DMIRAGE_IOC_INFO,
		DMIRAGE_IOC_SETUP,
		DMIRAGE_IOC_SETUP,
		DMIRAGE_IOC_COUNTERS,
		DMIRAGE_IOC_REGION_ADD,
		DMIRAGE_IOC_REGION_ADD,
		DMIRAGE_IOC_REGION_ADD,
		DMIRAGE_IOC_REGION_REMOVE,
		DMIRAGE_IOC_PREFETCH,
		DMIRAGE_IOC_PREFETCH,
		DMIRAGE_IOC_EVENTFD,
	};
	unsigned long request = requests[ktap_below(r, ARRAY_SIZE(requests))];
	unsigned int i;

	/* That takes longer than the others. */
	if (ktap_below(r, 200) == 0)
		request = DMIRAGE_IOC_AUDIT;
	memset(a, 0, sizeof(*a));
	if (ktap_below(r, 30) == 0) {
		for (i = 0; i < ARRAY_SIZE(a->words); i++)
			a->words[i] = number(r);
		return ktap_below(r, 3) ? request :
					  (request & ~0xffful) ^ number(r);
	}
	switch (request) {
	case DMIRAGE_IOC_SETUP:
		fill_setup(r, &a->setup);
		break;
	case DMIRAGE_IOC_COUNTERS:
		a->counters.scope = (u32)few(r, 2);
		a->counters.reserved0 = (u32)zero(r);
		break;
	case DMIRAGE_IOC_REGION_ADD:
		a->region.addr = address(r);
		a->region.len = length(r);
		a->region.flags = (u32)few(r, 2);
		a->region.reserved[ktap_below(r, 2)] = zero(r);
		break;
	case DMIRAGE_IOC_REGION_REMOVE:
		a->remove.id = (u32)few(r, 64);
		a->remove.reserved0 = (u32)zero(r);
		break;
	case DMIRAGE_IOC_PREFETCH:
		a->prefetch.addr = address(r);
		a->prefetch.len = length(r);
		a->prefetch.flags = (u32)few(r, 4);
		a->prefetch.reserved0 = (u32)zero(r);
		a->prefetch.reserved[ktap_below(r, 2)] = zero(r);
		break;
	case DMIRAGE_IOC_EVENTFD:
		a->eventfd.fd = ktap_below(r, 2) ? others[2] : descriptor(r);
		a->eventfd.reserved0 = (u32)zero(r);
		break;
	case DMIRAGE_IOC_AUDIT:
		a->audit.addr = address(r);
		a->audit.len = length(r);
		a->audit.reserved0 = (u32)zero(r);
		break;
	}
	return request;
}

/* Map something of a file.  Not touched: it may go, and would be a SIGBUS. */
static void map(struct ktap_random *r, int fd)
{
	static _Thread_local struct {
		void *at;
		size_t len;
	} kept;

	static const u64 offsets[] = { 0, 0x10000000, 0x20000000, 0x1000,
				       0x30000000 };
	static const u64 lengths[] = { 4096, 4096, 8192, 16384, 65536 };
	off_t offset = (off_t)pick(r, offsets, ARRAY_SIZE(offsets));
	size_t len = pick(r, lengths, ARRAY_SIZE(lengths));
	int prot = offset == 0x10000000 ? PROT_READ : PROT_READ | PROT_WRITE;
	u64 *p;

	if (ktap_below(r, 10) == 0)
		prot = (int)ktap_below(r, 8);
	p = mmap(NULL, len, prot, ktap_below(r, 20) ? MAP_SHARED : MAP_PRIVATE,
		 fd, offset);
	if (p == MAP_FAILED)
		return;
	sum->well++;
	/* One is kept for a while, and its file with it. */
	if (kept.len)
		munmap(kept.at, kept.len);
	kept.at = p;
	kept.len = len;
}

/* What the process does to the memory that all of this is about. */
static void disturb(struct ktap_random *r)
{
	u8 *p = mem + ktap_below(r, MEM / PROBE_4K) * PROBE_4K;
	size_t len = (1 + ktap_below(r, 64)) * PROBE_4K;

	if (len > (size_t)(mem + MEM - p))
		len = (size_t)(mem + MEM - p);
	switch (ktap_below(r, 4)) {
	case 0:
		madvise(p, len, MADV_DONTNEED);
		break;
	case 1:
		mprotect(p, len, PROT_READ);
		break;
	case 2:
		mprotect(p, len, PROT_READ | PROT_WRITE);
		break;
	default:
		mmap(p, len, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	}
}

static void reopen(struct ktap_random *r)
{
	int *slot = &files[ktap_below(r, FILES)];
	int old = __atomic_exchange_n(slot, -1, __ATOMIC_SEQ_CST);

	if (old >= 0)
		close(old);
	old = __atomic_exchange_n(slot, raw_open(O_NONBLOCK), __ATOMIC_SEQ_CST);
	/* Another thread did the same. */
	if (old >= 0)
		close(old);
}

static void one_call(struct ktap_random *r)
{
	int fd = __atomic_load_n(&files[ktap_below(r, FILES)],
				 __ATOMIC_SEQ_CST);
	struct dmirage_violation v[2];
	unsigned long request;
	struct pollfd poll_fd;
	union args a;

	switch (ktap_below(r, 32)) {
	case 0:
		/* Not too often: the end of a context takes longer than most. */
		if (ktap_below(r, 16) == 0)
			reopen(r);
		break;
	case 1:
		map(r, fd);
		break;
	case 2:
		(void)!read(fd, v, ktap_below(r, sizeof(v) + 1));
		break;
	case 3:
		poll_fd = (struct pollfd){ .fd = fd, .events = POLLIN };
		poll(&poll_fd, 1, 0);
		break;
	case 4:
		disturb(r);
		break;
	case 6:
		(void)!write(fd, v, 8);
		ioctl(fd, FIONREAD, &a);
		break;
	case 7:
		/* Structures that are not there, or not to be written to. */
		fill(r, &a);
		request = fill(r, &a);
		ioctl(fd, request, ktap_below(r, 2) ? NULL : (void *)~0ul);
		ioctl(fd, request, (void *)(uintptr_t)address(r));
		sum->calls++;
		break;
	default:
		request = fill(r, &a);
		if (!ioctl(fd, request, &a))
			sum->well++;
	}
	sum->calls++;
}

static u64 seed;

static void *thread_main(void *arg)
{
	struct ktap_random r = { seed + (uintptr_t)arg };
	u64 end = now_ms() + STORM_S * 1000ull * ktap_scale();
	unsigned int i;

	for (i = 0; i < CALLS && now_ms() < end; i++)
		one_call(&r);
	return NULL;
}

/* ---- What is left --------------------------------------------------------------- */

/* Objects in use of a slab cache; -1: not known. */
static long slab(const char *name)
{
	FILE *f = fopen("/proc/slabinfo", "re");
	char line[512], is[128];
	long used, found = -1;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%127s %ld", is, &used) == 2 &&
		    !strcmp(is, name))
			found = used;
	}
	if (f)
		fclose(f);
	return found;
}

struct before {
	struct dmirage_counters c;
	unsigned int used;
	long mms;
};

static struct before look(void)
{
	struct before b = {
		.c = get_device_counters(),
		.used = contexts_in_use(0),
		.mms = slab("mm_struct"),
	};

	return b;
}

static void expect_as_before(const struct before *b)
{
	struct dmirage_counters c;
	struct raw r;

	EXPECT_EQ(contexts_in_use(b->used), b->used);
	c = get_device_counters();
	EXPECT_EQ(c.pinned, b->c.pinned);
	EXPECT_EQ(c.intervals, b->c.intervals);
	/* Each address space that a context forgets is one that stays. */
	if (b->mms >= 0 && slab("mm_struct") > b->mms + 64)
		ktap_fail(__FILE__, __LINE__, "%ld address spaces, %ld before",
			  slab("mm_struct"), b->mms);
	r = raw_start(4, 4);
	raw_expect_works(&r);
	raw_end(&r);
}

/* A process that does all this. */
static void random_main(void)
{
	pthread_t thread[THREADS];
	unsigned int i;
	char path[64];
	pid_t pid;

	mem = mmap(NULL, MEM, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	others[0] = (int)syscall(SYS_pidfd_open, pid, 0);
	others[1] = open(path, O_RDWR | O_CLOEXEC);
	others[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (i = 0; i < FILES; i++)
		files[i] = raw_open(O_NONBLOCK);
	for (i = 0; i < THREADS; i++) {
		if (pthread_create(&thread[i], NULL, thread_main,
				   (void *)(uintptr_t)i))
			_exit(9);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	kill(pid, SIGKILL);
	_exit(0);
}

static void begin(void)
{
	seed = ktap_seed();
	sum = mmap(NULL, PROBE_4K, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(sum != MAP_FAILED);
}

static void storm(int arg)
{
	struct before b = look();
	pid_t pid;

	(void)arg;
	begin();
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid)
		random_main();
	EXPECT_EQ(wait_child(pid), 0);
	ktap_note("%llu calls, %llu of them successful", (u64)sum->calls,
		  (u64)sum->well);
	EXPECT_GE(sum->calls, ENOUGH);
	EXPECT_GE(sum->well, ENOUGH / 10);
	expect_as_before(&b);
}

/* The process goes in the middle of it all. */
static void killed(int arg)
{
	struct before b = look();
	unsigned int k;
	pid_t pid;

	(void)arg;
	begin();
	for (k = 0; k < 8; k++) {
		pid = fork();
		ASSERT(pid >= 0);
		if (!pid) {
			seed += 16 * k;
			random_main();
		}
		sleep_ms(60 + 30 * k);
		kill(pid, SIGKILL);
		EXPECT_EQ(wait_child(pid), 256 + SIGKILL);
	}
	EXPECT_GE(sum->calls, 100);
	expect_as_before(&b);
}

static const struct ktap_test tests[] = {
	{ "storm", storm, 0, 50 },
	{ "killed", killed, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
