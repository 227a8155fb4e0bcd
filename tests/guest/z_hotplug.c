// SPDX-License-Identifier: GPL-2.0
/*
 * The device goes while processes work with it, and comes back: pulled from its
 * slot by QEMU's monitor, removed by sysfs, or gone without a word.  Sorts late:
 * if it fails, there may be no device for what would come after it.
 *
 * Who works is a process of its own: the doorbell of a device that is gone is
 * SIGBUS.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "raw.h"

#define LIMIT_S		60
#define WAIT_MS		20000
#define SYSFS		"/sys/bus/pci/devices/"

enum worker {
	RINGS,		/* operations, one after the other */
	FAULTS,		/* and its pages go away all the time */
	SLEEPS,		/* until an eventfd says so */
	READS,		/* violation records, and there are none */
	HELD,		/* an operation that is stopped at a hold point */
	WORKERS
};

enum way {
	PULLED,		/* device_del, device_add */
	REMOVED,	/* sysfs: remove, rescan */
	VANISHED,	/* its registers cannot be reached, then REMOVED */
};

/* What a worker ends with. */
enum end {
	ENDED,
	FAILED,
	TOO_LATE,
};

/**
 * struct shared - between the test and its workers
 * @done:  operations completed
 * @ready: it is at what it is to be found at
 */
struct shared {
	volatile u64 done[WORKERS];
	volatile bool ready[WORKERS];
};

static struct shared *shared;
static struct raw own;

/* Is this what a device that has gone, or is broken, says? */
static bool over(void)
{
	struct dmirage_violation v;
	struct dmirage_info info;

	if (ioctl(own.fd, DMIRAGE_IOC_INFO, &info))
		return errno == ENODEV;
	/* broken: records say so */
	return read(own.fd, &v, sizeof(v)) < 0 && errno == EIO;
}

static void no_doorbell(int sig)
{
	(void)sig;
	_exit(over() ? ENDED : FAILED);
}

static void end_if_over(u64 until)
{
	if (over())
		_exit(ENDED);
	if (now_ms() > until)
		_exit(TOO_LATE);
}

/* One operation; false if it does not complete. */
static bool work(void *where, enum worker me)
{
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;

	dmirage_prep_fill(&sqe, 1, where, shared->done[me], 64 * 1024);
	raw_put(&own, &sqe);
	raw_ring(&own);
	if (!raw_take(&own, &cqe, 300))
		return false;
	if (cqe.status != DMIRAGE_ST_OK)
		_exit(over() ? ENDED : FAILED);
	shared->done[me]++;
	return true;
}

static void sleep_for_event(u64 until)
{
	struct dmirage_eventfd set = { .fd = eventfd(0, EFD_CLOEXEC) };
	struct pollfd p = { .fd = set.fd, .events = POLLIN };

	if (set.fd < 0 || ioctl(own.fd, DMIRAGE_IOC_EVENTFD, &set))
		_exit(FAILED);
	own.db[DMIRAGE_DB_CQ_ARM / 4] = 0;
	shared->ready[SLEEPS] = true;
	if (poll(&p, 1, (int)(until - now_ms())) != 1)
		_exit(TOO_LATE);
	_exit(over() ? ENDED : FAILED);
}

static void read_record(void)
{
	struct dmirage_violation v;

	shared->ready[READS] = true;
	if (read(own.fd, &v, sizeof(v)) >= 0)
		_exit(FAILED);
	_exit(errno == ENODEV || errno == EIO ? ENDED : FAILED);
}

static void worker_main(enum worker me)
{
	static u8 words[64 * 1024] __attribute__((aligned(4096)));
	u64 until = now_ms() + WAIT_MS;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGBUS, no_doorbell);
	own = raw_start(8, 8);
	if (me == READS)
		read_record();
	/* over() is not to wait */
	fcntl(own.fd, F_SETFL, O_NONBLOCK);
	if (me == SLEEPS)
		sleep_for_event(until);
	for (;;) {
		shared->ready[me] = shared->done[me] > 20;
		if (!work(words, me))
			end_if_over(until);
		if (me == FAULTS && madvise(words, sizeof(words), MADV_DONTNEED))
			_exit(FAILED);
	}
}

/* In the process itself: debugfs is by the library's handle. */
static void held_main(void)
{
	static u64 word;
	struct dmirage_sqe sqe;
	struct dmirage *d = open_context();
	u64 until = now_ms() + WAIT_MS;
	struct dmirage_info info;
	char text[64] = "";

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (probe_ctx_write(d, "hold_limit_ms", "60000") ||
	    probe_ctx_write(d, "hold", "translated"))
		_exit(FAILED);
	dmirage_prep_write_imm(&sqe, 1, &word, 1, 8);
	dmirage_submit(d, &sqe, 1);
	do {
		sleep_ms(1);
		if (now_ms() > until ||
		    probe_ctx_read(d, "hold", text, sizeof(text)) < 0)
			_exit(FAILED);
	} while (strncmp(text, "held", 4));
	shared->ready[HELD] = true;
	while (!dmirage_get_info(d, &info) &&
	       !dmirage_read_violations(d, &(struct dmirage_violation){ 0 }, 1, 0)) {
		if (now_ms() > until)
			_exit(TOO_LATE);
		sleep_ms(5);
	}
	_exit(word ? FAILED : ENDED);
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -1;
	ret = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
	close(fd);
	return ret;
}

/* The host gives it to QEMU's monitor (tests/vm/boot.sh). */
static void monitor(const char *command)
{
	char line[128];

	snprintf(line, sizeof(line), "\nmonitor: %s\n", command);
	ASSERT_SYS(put("/dev/ttyS1", line));
}

static bool wait_for_device(bool there)
{
	u64 end = now_ms() + WAIT_MS;
	char path[32];

	while ((dmirage_find(path, sizeof(path)) == 0) != there) {
		if (now_ms() > end)
			return false;
		sleep_ms(5);
	}
	return true;
}

/*
 * Memory space and bus master off: what the driver writes is lost, and what it
 * reads is nothing; neither is there any DMA.
 */
static void vanish(const char *pci)
{
	const u16 off = 0;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), SYSFS "%s/config", pci);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ASSERT(fd >= 0);
	ASSERT_EQ(pwrite(fd, &off, 2, 4), 2);
	close(fd);
}

static void go(enum way way, const char *pci)
{
	char path[64];

	snprintf(path, sizeof(path), SYSFS "%s/remove", pci);
	if (way == PULLED)
		monitor("device_del dmirage");
	else
		ASSERT_SYS(put(path, "1"));
	ASSERT(wait_for_device(false));
}

static void come(enum way way)
{
	u64 end = now_ms() + WAIT_MS;
	char path[32];

	if (way == PULLED) {
		/* Refused as long as the old one is not all gone. */
		do {
			monitor("device_add dmirage,id=dmirage,bus=port0");
			sleep_ms(500);
		} while (dmirage_find(path, sizeof(path)) && now_ms() < end);
	} else {
		ASSERT_SYS(put("/sys/bus/pci/rescan", "1"));
	}
	ASSERT(wait_for_device(true));
}

static void expect_works(void)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();

	dev_write(d, mem.addr, 7);
	EXPECT_EQ(cpu_read(mem.addr), 7);
	move_mem(&mem, 1);
	cpu_write(mem.addr, 8);
	EXPECT_EQ(dev_read(d, mem.addr), 8);
	expect_clean(d);
	dmirage_close(d);
	probe_mem_put(&mem);
}

static void expect_ended(pid_t pid, enum worker me)
{
	u64 end = now_ms() + WAIT_MS + 2000;
	int status;
	pid_t got;

	while (!(got = waitpid(pid, &status, WNOHANG)) && now_ms() < end)
		sleep_ms(5);
	if (got != pid)
		ktap_fail(__FILE__, __LINE__, "worker %d hangs", me);
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != ENDED)
		ktap_fail(__FILE__, __LINE__, "worker %d: status 0x%x", me,
			  status);
}

static void one_round(enum way way)
{
	struct dmirage *d = open_context();
	struct dmirage_info info = get_info(d);
	u64 end = now_ms() + WAIT_MS;
	pid_t pid[WORKERS];
	enum worker i;
	u64 began;

	memset(shared, 0, sizeof(*shared));
	for (i = 0; i < WORKERS; i++) {
		pid[i] = fork();
		ASSERT(pid[i] >= 0);
		if (!pid[i] && i == HELD)
			held_main();
		if (!pid[i])
			worker_main(i);
	}
	for (i = 0; i < WORKERS; i++)
		while (!shared->ready[i]) {
			ASSERT(now_ms() < end);
			sleep_ms(1);
		}
	if (way == VANISHED) {
		vanish(info.pci_name);
		began = now_ms();
		/* By themselves: the driver notices when it has to flush. */
		expect_ended(pid[FAULTS], FAULTS);
		/* That it is not there, and not only that it does not answer. */
		EXPECT(now_ms() < began + 3000);
	}
	go(way, info.pci_name);
	for (i = 0; i < WORKERS; i++)
		if (way != VANISHED || i != FAULTS)
			expect_ended(pid[i], i);
	EXPECT_EQ(dmirage_get_info(d, &info), -ENODEV);
	/* Once with the old one's file open, once without. */
	if (way != REMOVED)
		dmirage_close(d);
	come(way);
	expect_works();
	if (way == REMOVED)
		dmirage_close(d);
	expect_works();
}

static void rounds(int way)
{
	int i;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(shared != MAP_FAILED);
	for (i = 0; i < 3; i++)
		one_round(way);
}

static const struct ktap_test tests[] = {
	{ "pulled", rounds, PULLED, LIMIT_S },
	{ "removed", rounds, REMOVED, LIMIT_S },
	{ "vanished", rounds, VANISHED, LIMIT_S },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
