// SPDX-License-Identifier: GPL-2.0
/*
 * Suspend and resume, with contexts in use.
 *
 * Up to the point where the processor would be switched off: /sys/power/pm_test
 * turns round there.  Beyond it nothing wakes this machine: under TCG a kernel
 * that returns from S3 dies in its trampoline, and no alarm ends s2idle.  The
 * driver resets the device on its way down, so that the device has forgotten
 * everything, as it would have.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <unistd.h>

#include "raw.h"

#define LIMIT_S	40

/* Down to where nothing but the processor is on, and back.  Return: 0 or errno. */
static int try_suspend(const char *state)
{
	int ret;

	if (access("/sys/power/pm_test", W_OK))
		SKIP("a kernel without /sys/power/pm_test");
	put_text("/sys/module/suspend/parameters/pm_test_delay", "0");
	ASSERT_EQ(put_text("/sys/power/pm_test", "platform"), 0);
	ret = put_text("/sys/power/state", state);
	put_text("/sys/power/pm_test", "none");
	return ret;
}

/* How often the kernel's log has it. */
static unsigned int logged(const char *text)
{
	static char log[1 << 20];
	unsigned int n = 0;
	char *at = log;
	int len = klogctl(3 /* read all */, log, sizeof(log) - 1);

	ASSERT(len > 0);
	log[len] = 0;
	while ((at = strstr(at, text))) {
		n++;
		at++;
	}
	return n;
}

/* And it did happen. */
static void suspend_to_at(const char *file, int line, const char *state)
{
	unsigned int before = logged("PM: suspend exit");
	int ret = try_suspend(state);

	if (ret || logged("PM: suspend exit") != before + 1) {
		ktap_fail(file, line, "suspend: %s", strerror(ret));
		ktap_end();
	}
}

#define suspend_to(state) suspend_to_at(__FILE__, __LINE__, state)
#define suspend() suspend_to("mem")

/* Entries of all sizes; the device has them in its IOTLB, and then has not. */
static void kept(int kind)
{
	struct probe_mem mem = get_mem(kind, probe_kind_size(kind));
	struct dmirage *d = open_context();
	struct dmirage_counters before, after;
	struct tlb_line entry;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		cpu_write(mem.addr + 8, 0xaaa0 + i);
		EXPECT_EQ(dev_read(d, mem.addr + 8), 0xaaa0 + i);
		dev_write(d, mem.addr, 0x5150 + i);
		ASSERT(in_iotlb(d, mem.addr, &entry));
		before = get_counters(d);
		suspend_to(i == 1 ? "freeze" : "mem");
		EXPECT(!in_iotlb(d, mem.addr, &entry));
		after = get_counters(d);
		EXPECT_EQ(after.ops, before.ops);
		EXPECT_EQ(after.bytes_written, before.bytes_written);
		EXPECT_EQ(after.faults, before.faults);
		EXPECT_EQ(cpu_read(mem.addr), 0x5150 + i);
		/* Its translations are in the table still: no fault. */
		EXPECT_EQ(dev_read(d, mem.addr + 8), 0xaaa0 + i);
		dev_write(d, mem.addr, 0xbb00 + i);
		EXPECT_EQ(cpu_read(mem.addr), 0xbb00 + i);
		after = get_counters(d);
		EXPECT_EQ(after.ops, before.ops + 2);
		EXPECT_EQ(after.faults, before.faults);
		/* And they are taken back as ever. */
		move_mem(&mem, 1 - i % 2);
		EXPECT_GE(get_counters(d).flushes, before.flushes + 1);
		cpu_write(mem.addr, 0xcc00 + i);
		EXPECT_EQ(dev_read(d, mem.addr), 0xcc00 + i);
	}
	expect_clean(d);
	dmirage_close(d);
}

/* The modes without a mirror: the process's own table; pinned pages. */
static void modes(int mode)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 4 * PROBE_4K);
	struct dmirage_region region = {
		.addr = (u64)(unsigned long)mem.addr,
		.len = mem.len,
		.flags = DMIRAGE_REGION_WRITE,
	};
	struct raw r = raw_start_mode(8, 8, mode, 0);
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	unsigned int i;
	u64 frame;

	memset(mem.addr, 1, mem.len);
	if (mode == DMIRAGE_MODE_PINNED)
		ASSERT_SYS(ioctl(r.fd, DMIRAGE_IOC_REGION_ADD, &region));
	frame = frame_of(mem.addr);
	for (i = 0; i < 4; i++) {
		if (i)
			suspend();
		if (i && mode == DMIRAGE_MODE_SHARED) {
			move_mem(&mem, i % 2);
			EXPECT_NE(frame_of(mem.addr), frame);
			frame = frame_of(mem.addr);
		}
		EXPECT_EQ(frame_of(mem.addr), frame);
		cpu_write(mem.addr, 100 + i);
		dmirage_prep_copy(&sqe, i, mem.addr + 2 * PROBE_4K, mem.addr,
				  PROBE_4K);
		raw_put(&r, &sqe);
		raw_ring(&r);
		ASSERT(raw_take(&r, &cqe, OP_TIMEOUT_MS));
		EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
		EXPECT_EQ(cpu_read(mem.addr + 2 * PROBE_4K), 100 + i);
	}
	raw_expect_clean(&r);
	raw_end(&r);
}

#define LONG_OPS	40

/* Suspended with operations queued, which end before. */
static void queued(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_THP, 4 * PROBE_2M);
	struct raw r = raw_start(64, 64);
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	unsigned int i, n;

	(void)arg;
	for (n = 0; n < 2; n++) {
		for (i = 0; i < LONG_OPS; i++) {
			dmirage_prep_fill(&sqe, 100 * n + i, mem.addr,
					  0x1000 * n + i, mem.len);
			raw_put(&r, &sqe);
		}
		raw_ring(&r);
		suspend();
		for (i = 0; i < LONG_OPS; i++) {
			/* There already: the device did nothing after that. */
			ASSERT(raw_take(&r, &cqe, 0));
			EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
			EXPECT_EQ(cqe.cookie, 100 * n + i);
			EXPECT_EQ(cqe.result, mem.len);
		}
		EXPECT_EQ(cpu_read(mem.addr + mem.len - 8),
			  0x1000 * n + LONG_OPS - 1);
		raw_expect_works(&r);
	}
	raw_end(&r);
}

/* Completions that nobody has fetched, of several contexts, and more to come. */
static void unfetched(int arg)
{
	enum { N = 6 };
	enum { OPS = 20 };
	static u64 word[N] __attribute__((aligned(4096)));
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	struct raw r[N];
	unsigned int i, k;

	(void)arg;
	for (i = 0; i < N; i++) {
		r[i] = raw_start(32, 32);
		for (k = 0; k < OPS + i; k++) {
			dmirage_prep_fetch_add(&sqe, k, &word[i], 1, 8);
			raw_put(&r[i], &sqe);
		}
		raw_ring(&r[i]);
	}
	suspend();
	for (i = 0; i < N; i++)
		for (k = 0; k < OPS + i; k++) {
			ASSERT(raw_take(&r[i], &cqe, 0));
			EXPECT_EQ(cqe.cookie, k);
			EXPECT_EQ(cqe.result, k);
		}
	suspend();
	for (i = 0; i < N; i++) {
		EXPECT_EQ(cpu_read(&word[i]), OPS + i);
		raw_expect_works(&r[i]);
		raw_end(&r[i]);
	}
}

static u64 signalled(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	u64 n = 0;

	if (poll(&p, 1, timeout_ms) == 1 && read(fd, &n, sizeof(n)) != sizeof(n))
		n = 0;
	return n;
}

/* Asked for before, told after; and what nobody asked for is not told. */
static void armed(int arg)
{
	struct dmirage_eventfd set = { .fd = eventfd(0, EFD_CLOEXEC) };
	struct raw r = raw_start(8, 8), other = raw_start(8, 8);
	struct dmirage_cqe cqe;
	unsigned int i;

	(void)arg;
	ASSERT(set.fd >= 0);
	ASSERT_SYS(ioctl(r.fd, DMIRAGE_IOC_EVENTFD, &set));
	raw_expect_works(&r);
	for (i = 0; i < 2; i++) {
		bool ask = !i;

		if (ask)
			r.db[DMIRAGE_DB_CQ_ARM / 4] = r.cq_head;
		suspend();
		raw_expect_works(&other);
		EXPECT_EQ(signalled(set.fd, 20), 0);
		raw_expect_works(&r);
		EXPECT_EQ(signalled(set.fd, ask ? OP_TIMEOUT_MS : 20), ask);
	}
	EXPECT(!raw_take(&r, &cqe, 0));
	raw_end(&r);
	raw_end(&other);
}

#define FULL	"has no room for completions: fetch some"
#define CHAIN	"has an open chain: submit the rest of it"

static void expect_refused(const char *why)
{
	unsigned int before = logged(why);

	EXPECT_EQ(try_suspend("mem"), EBUSY);
	EXPECT_EQ(logged(why), before + 1);
}

/* What would be lost is not; the process is told what to do; then it goes. */
static void refused_full(int arg)
{
	struct raw r = raw_start(8, 2), idle = raw_start(8, 8);
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	unsigned int i;

	(void)arg;
	for (i = 0; i < 6; i++) {
		dmirage_prep_nop(&sqe, 70 + i);
		raw_put(&r, &sqe);
	}
	raw_ring(&r);
	expect_refused(FULL);
	raw_expect_works(&idle);
	for (i = 0; i < 6; i++) {
		ASSERT(raw_take(&r, &cqe, OP_TIMEOUT_MS));
		EXPECT_EQ(cqe.cookie, 70 + i);
	}
	suspend();
	raw_expect_works(&r);
	raw_expect_works(&idle);
	raw_end(&r);
	raw_end(&idle);
}

static void refused_chain(int arg)
{
	static u64 words[4];
	struct raw r = raw_start(8, 8);
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe[2];

	(void)arg;
	dmirage_prep_fill(&sqe[0], 1, &words[0], 0x11, 8);
	dmirage_prep_fill(&sqe[1], 2, &words[1], 0x22, 8);
	dmirage_chain(sqe, 2);
	raw_put(&r, &sqe[0]);
	raw_ring(&r);
	expect_refused(CHAIN);
	EXPECT_EQ(cpu_read(&words[0]), 0x11);
	raw_put(&r, &sqe[1]);
	raw_ring(&r);
	ASSERT(raw_take(&r, &cqe, OP_TIMEOUT_MS));
	EXPECT_EQ(cqe.cookie, 1);
	EXPECT_EQ(cqe.result, 16);
	suspend();
	raw_expect_works(&r);
	raw_end(&r);
}

static const struct ktap_test tests[] = {
	{ "kept-4k", kept, PROBE_KIND_4K, LIMIT_S },
	{ "kept-thp", kept, PROBE_KIND_THP, LIMIT_S },
	{ "kept-hugetlb", kept, PROBE_KIND_HUGETLB, LIMIT_S },
	{ "shared-mode", modes, DMIRAGE_MODE_SHARED, LIMIT_S },
	{ "pinned-mode", modes, DMIRAGE_MODE_PINNED, LIMIT_S },
	{ "queued", queued, 0, LIMIT_S },
	{ "unfetched", unfetched, 0, LIMIT_S },
	{ "armed", armed, 0, LIMIT_S },
	{ "refused-full", refused_full, 0, LIMIT_S },
	{ "refused-chain", refused_chain, 0, LIMIT_S },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
