// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a context: fork, exec, exit, kill, close, another process's file.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "raw.h"

/* Exit statuses of children: they have no EXPECT. */
enum {
	CHILD_OK,
	CHILD_OPEN = 10,
	CHILD_OP,
	CHILD_VALUE,
	CHILD_NOT_EPERM,
};

static int child_status(pid_t pid)
{
	int status = -1;

	ASSERT_SYS(waitpid(pid, &status, 0));
	if (WIFSIGNALED(status))
		return 256 + WTERMSIG(status);
	return WEXITSTATUS(status);
}

/* All that a file is good for fails with EPERM. */
static bool all_eperm(int fd)
{
	struct dmirage_counters c = { .scope = DMIRAGE_SCOPE_CONTEXT };
	struct dmirage_setup s = { .sq_entries = 4, .cq_entries = 4 };
	struct dmirage_violation v;
	struct dmirage_info info;
	void *p;

	if (ioctl(fd, DMIRAGE_IOC_INFO, &info) != -1 || errno != EPERM ||
	    ioctl(fd, DMIRAGE_IOC_COUNTERS, &c) != -1 || errno != EPERM ||
	    ioctl(fd, DMIRAGE_IOC_SETUP, &s) != -1 || errno != EPERM ||
	    read(fd, &v, sizeof(v)) != -1 || errno != EPERM)
		return false;
	p = mmap(NULL, PROBE_4K, PROT_READ, MAP_SHARED, fd, 0);
	return p == MAP_FAILED && errno == EPERM;
}

/* In a child: an own context works. */
static int own_works(u64 value)
{
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	struct dmirage *d;
	static u64 word;
	int ret = CHILD_OK;

	if (dmirage_open(NULL, NULL, &d))
		return CHILD_OPEN;
	dmirage_prep_write_imm(&sqe, 1, &word, value, 8);
	if (dmirage_run(d, &sqe, &cqe, OP_TIMEOUT_MS) ||
	    cqe.status != DMIRAGE_ST_OK)
		ret = CHILD_OP;
	else if (cpu_read(&word) != value)
		ret = CHILD_VALUE;
	dmirage_close(d);
	return ret;
}

/* Contexts that are in use, when all that is ending has ended. */
static unsigned int contexts_used(unsigned int expect)
{
	struct dmirage_open_opts look = { .flags = DMIRAGE_OPEN_NO_CONTEXT };
	u64 end = now_ms() + 2000;
	unsigned int used;
	struct dmirage *d;

	ASSERT_OK(dmirage_open(NULL, &look, &d));
	while ((used = get_info(d).contexts_used) != expect && now_ms() < end)
		sleep_ms(2);
	dmirage_close(d);
	return used;
}

static void in_fork(int arg)
{
	struct dmirage *d = open_context();
	static u64 word;
	pid_t pid;

	(void)arg;
	dev_write(d, &word, 1);
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid) {
		if (!all_eperm(dmirage_fd(d)))
			_exit(CHILD_NOT_EPERM);
		/* Closing a copy is no end of the parent's context. */
		dmirage_close(d);
		_exit(own_works(5));
	}
	EXPECT_EQ(child_status(pid), CHILD_OK);
	dev_write(d, &word, 2);
	EXPECT_EQ(cpu_read(&word), 2);
	expect_clean(d);
}

/* The parent goes, the child has the file: nothing is left of the context. */
static void outlived(int arg)
{
	unsigned int before = contexts_used(0);
	int out[2], go[2], status;
	pid_t parent, child;
	char c;

	(void)arg;
	ASSERT_SYS(pipe(out));
	ASSERT_SYS(pipe(go));
	parent = fork();
	ASSERT(parent >= 0);
	if (!parent) {
		struct dmirage *d;
		struct dmirage_cqe cqe;
		struct dmirage_sqe sqe;
		static u64 word;

		if (dmirage_open(NULL, NULL, &d))
			_exit(CHILD_OPEN);
		dmirage_prep_write_imm(&sqe, 1, &word, 1, 8);
		if (dmirage_run(d, &sqe, &cqe, OP_TIMEOUT_MS))
			_exit(CHILD_OP);
		child = fork();
		if (child)
			_exit(CHILD_OK);
		status = read(go[0], &c, 1) == 1 && all_eperm(dmirage_fd(d));
		dmirage_close(d);
		if (write(out[1], status ? "y" : "n", 1) != 1)
			_exit(1);
		_exit(0);
	}
	EXPECT_EQ(child_status(parent), CHILD_OK);
	/* Its memory has gone with it, its file has not. */
	ASSERT_EQ(write(go[1], "g", 1), 1);
	ASSERT_EQ(read(out[0], &c, 1), 1);
	EXPECT_EQ(c, 'y');
	EXPECT_EQ(contexts_used(before), before);
	EXPECT_EQ(own_works(6), CHILD_OK);
}

/* After exec() it is another address space. */
static void in_exec(int arg)
{
	char *argv[] = { "life", "--exec", NULL, NULL }, number[16];
	struct dmirage *d = open_context();
	static u64 word;
	pid_t pid;

	(void)arg;
	dev_write(d, &word, 1);
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid) {
		struct dmirage *own;

		/* Its own file, so that it is the exec that makes the change. */
		if (dmirage_open(NULL, NULL, &own))
			_exit(CHILD_OPEN);
		fcntl(dmirage_fd(own), F_SETFD, 0);
		snprintf(number, sizeof(number), "%d", dmirage_fd(own));
		argv[2] = number;
		execv("/proc/self/exe", argv);
		_exit(CHILD_OPEN);
	}
	EXPECT_EQ(child_status(pid), CHILD_OK);
	dev_write(d, &word, 2);
	expect_clean(d);
}

static int after_exec(const char *number)
{
	int fd = atoi(number);

	if (!all_eperm(fd))
		return CHILD_NOT_EPERM;
	close(fd);
	return own_works(7);
}

/* A file that another process opened, received over a socket. */
static void passed(int arg)
{
	union {
		struct cmsghdr header;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char byte = 'x';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	int s[2], fd = -1;
	pid_t pid;

	(void)arg;
	ASSERT_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid) {
		struct dmirage *d;

		if (dmirage_open(NULL, NULL, &d))
			_exit(CHILD_OPEN);
		fd = dmirage_fd(d);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
		if (sendmsg(s[1], &msg, 0) != 1)
			_exit(CHILD_OP);
		/* Until the receiver is through. */
		_exit(read(s[1], &byte, 1) == 1 ? CHILD_OK : CHILD_OP);
	}
	ASSERT_EQ(recvmsg(s[0], &msg, 0), 1);
	cmsg = CMSG_FIRSTHDR(&msg);
	ASSERT(cmsg);
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	EXPECT(all_eperm(fd));
	ASSERT_EQ(write(s[0], "g", 1), 1);
	EXPECT_EQ(child_status(pid), CHILD_OK);
	/* Its owner is gone, too. */
	EXPECT(all_eperm(fd));
	close(fd);
	EXPECT_EQ(own_works(8), CHILD_OK);
}

/* ---- Ends with operations under way --------------------------------------- */

#define BUSY_OPS	64

/* Copies of 1 MiB each; the device is at it for a while. */
static void keep_busy(struct dmirage *d, const struct probe_mem *mem)
{
	struct dmirage_sqe sqe[BUSY_OPS];
	unsigned int i;

	for (i = 0; i < BUSY_OPS; i++)
		dmirage_prep_copy(&sqe[i], i, mem->addr + PROBE_2M,
				  mem->addr, PROBE_2M / 2);
	(void)!dmirage_submit(d, sqe, BUSY_OPS);
}

/* close() returns, and the device is out of the process's memory. */
static void busy_close(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_THP, 2 * PROBE_2M);
	struct dmirage *d;
	unsigned int i, k;

	(void)arg;
	for (i = 0; i < 10; i++) {
		memset(mem.addr, 0x11 + (int)i, PROBE_2M);
		d = open_context();
		keep_busy(d, &mem);
		if (i % 3)
			sleep_ms(i % 3);
		dmirage_close(d);
		memset(mem.addr + PROBE_2M, 0xee, PROBE_2M);
		sleep_ms(2);
		for (k = 0; k < PROBE_2M / 2; k += 512)
			ASSERT_EQ(mem.addr[PROBE_2M + k], 0xee);
	}
	EXPECT_EQ(own_works(9), CHILD_OK);
}

static void child_main(int how)
{
	struct probe_mem mem;
	struct dmirage *d;

	if (probe_mem_map(&mem, PROBE_KIND_THP, 2 * PROBE_2M) ||
	    dmirage_open(NULL, NULL, &d))
		_exit(CHILD_OPEN);
	for (;;) {
		struct dmirage_cqe cqe;
		unsigned int i;

		keep_busy(d, &mem);
		if (how == 'x')
			_exit(CHILD_OK);
		for (i = 0; i < BUSY_OPS; i++) {
			if (dmirage_wait(d, &cqe, OP_TIMEOUT_MS) ||
			    cqe.status != DMIRAGE_ST_OK)
				_exit(CHILD_OP);
		}
	}
}

/* exit() with operations under way, and a kill at any time. */
static void busy_end(int how)
{
	unsigned int before = contexts_used(0), i, n = how == 'x' ? 15 : 25;
	const int end = how == 'k' ? 256 + SIGKILL : CHILD_OK;
	pid_t pid;

	for (i = 0; i < n; i++) {
		pid = fork();
		ASSERT(pid >= 0);
		if (!pid)
			child_main(how);
		if (how == 'k') {
			sleep_ms(i);
			kill(pid, SIGKILL);
		}
		EXPECT_EQ(child_status(pid), end);
	}
	EXPECT_EQ(contexts_used(before), before);
	EXPECT_EQ(own_works(10), CHILD_OK);
}

/* Several children killed at once, each at work. */
static void kill_many(int arg)
{
	unsigned int before = contexts_used(0), i, round;
	pid_t pid[6];

	(void)arg;
	for (round = 0; round < 3; round++) {
		for (i = 0; i < ARRAY_SIZE(pid); i++) {
			pid[i] = fork();
			ASSERT(pid[i] >= 0);
			if (!pid[i])
				child_main('k');
		}
		sleep_ms(15);
		for (i = 0; i < ARRAY_SIZE(pid); i++)
			kill(pid[i], SIGKILL);
		for (i = 0; i < ARRAY_SIZE(pid); i++)
			EXPECT_EQ(child_status(pid[i]), 256 + SIGKILL);
	}
	EXPECT_EQ(contexts_used(before), before);
	EXPECT_EQ(own_works(11), CHILD_OK);
}

/* munmap of everything that the device is writing to, in the midst of it. */
static void busy_unmap(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_THP, 2 * PROBE_2M);
	struct dmirage *d = open_context();
	struct dmirage_sqe first;
	struct dmirage_cqe cqe;
	char text[32] = "";
	unsigned int i;

	(void)arg;
	dmirage_prep_copy(&first, 1, mem.addr + PROBE_2M, mem.addr, 64);
	EXPECT_EQ(run_op(d, &first).status, DMIRAGE_ST_OK);
	/* The munmap's flush will let it go on. */
	ASSERT_PROBE(probe_ctx_write(d, "hold", "translated"));
	keep_busy(d, &mem);
	for (i = 0; i < 500 && strncmp(text, "held", 4); i++) {
		sleep_ms(1);
		ASSERT_PROBE(probe_ctx_read(d, "hold", text, sizeof(text)));
	}
	ASSERT(!strncmp(text, "held", 4));
	ASSERT_SYS(munmap(mem.addr, mem.len));
	for (i = 0; i < BUSY_OPS; i++) {
		ASSERT_OK(dmirage_wait(d, &cqe, OP_TIMEOUT_MS));
		EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
		EXPECT_EQ(cqe.detail, EFAULT);
		/* What was held was done, and no more than that. */
		EXPECT_EQ(cqe.result, i ? 0 : DMIRAGE_CHUNK);
	}
	expect_clean(d);
}

/* ---- Threads ---------------------------------------------------------------- */

static void *thread_main(void *arg)
{
	u64 *words = arg;
	struct dmirage *d = open_context();
	unsigned int i;

	for (i = 0; i < 40; i++) {
		dev_write(d, &words[i % 8], i + 1);
		EXPECT_EQ(cpu_read(&words[i % 8]), i + 1);
		EXPECT_EQ(dev_read(d, &words[i % 8]), i + 1);
	}
	expect_clean(d);
	dmirage_close(d);
	return NULL;
}

/* A thread and a context each, opening and closing at the same time. */
static void threads(int arg)
{
	enum { N = 12 };
	static u64 words[N][8] __attribute__((aligned(4096)));
	unsigned int before = contexts_used(0), i;
	pthread_t thread[N];

	(void)arg;
	for (i = 0; i < N; i++)
		ASSERT(!pthread_create(&thread[i], NULL, thread_main,
				       words[i]));
	for (i = 0; i < N; i++)
		pthread_join(thread[i], NULL);
	EXPECT_EQ(contexts_used(before), before);
}

/* Set up by two threads at once: one does, the other finds it done. */
static void *setup_main(void *arg)
{
	struct dmirage_setup s = { .sq_entries = 4, .cq_entries = 4 };

	if (!ioctl(*(int *)arg, DMIRAGE_IOC_SETUP, &s))
		return (void *)1;
	EXPECT_EQ(errno, EBUSY);
	return NULL;
}

static void setup_race(int arg)
{
	pthread_t thread[4];
	unsigned int i, round;
	unsigned long won;
	void *ret;
	int fd;

	(void)arg;
	for (round = 0; round < 20; round++) {
		fd = raw_open(0);
		ASSERT(fd >= 0);
		for (i = 0; i < ARRAY_SIZE(thread); i++)
			ASSERT(!pthread_create(&thread[i], NULL, setup_main,
					       &fd));
		for (won = 0, i = 0; i < ARRAY_SIZE(thread); i++) {
			pthread_join(thread[i], &ret);
			won += (unsigned long)ret;
		}
		EXPECT_EQ(won, 1);
		close(fd);
	}
}

/* ---- Reuse of ASIDs --------------------------------------------------------- */

#define FIXED	((u8 *)0x3f0000000000ul)

/* Returns the ASID, or 1000 and more on failure. */
static int at_fixed_address(u64 value)
{
	struct dmirage_cqe cqe;
	struct dmirage_info info;
	struct dmirage_sqe sqe;
	struct dmirage *d;

	if (mmap(FIXED, PROBE_4K, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != FIXED)
		return 1000;
	cpu_write(FIXED, value);
	if (dmirage_open(NULL, NULL, &d) || dmirage_get_info(d, &info))
		return 1001;
	dmirage_prep_read_imm(&sqe, 1, FIXED, 8);
	if (dmirage_run(d, &sqe, &cqe, OP_TIMEOUT_MS) ||
	    cqe.status != DMIRAGE_ST_OK)
		return 1002;
	if (cqe.result != value)
		return 1003;
	dmirage_prep_write_imm(&sqe, 2, FIXED + 8, value + 1, 8);
	if (dmirage_run(d, &sqe, NULL, OP_TIMEOUT_MS) ||
	    cpu_read(FIXED + 8) != value + 1)
		return 1004;
	/* No close: the end of the process has to do it all. */
	return (int)info.asid;
}

/* One process after the other, with the same ASID, at the same address. */
static void asid_reuse(int arg)
{
	int first = -1, asid, reused = 0, out[2], i;
	pid_t pid;

	(void)arg;
	ASSERT_SYS(pipe(out));
	for (i = 0; i < 2 * DMIRAGE_CONTEXTS && reused < 5; i++) {
		pid = fork();
		ASSERT(pid >= 0);
		if (!pid) {
			asid = at_fixed_address(0xa51d0000ull + 16 * (u64)i);
			_exit(write(out[1], &asid, sizeof(asid)) !=
			      sizeof(asid));
		}
		ASSERT_EQ(read(out[0], &asid, sizeof(asid)), sizeof(asid));
		ASSERT_EQ(child_status(pid), 0);
		ASSERT(asid < 1000);
		if (first < 0)
			first = asid;
		else
			reused += asid == first;
	}
	EXPECT_GE(reused, 1);
}

/* The same within a process: close, and open again. */
static void asid_reuse_close(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	unsigned int i, reused = 0;
	u32 first = DMIRAGE_NO_ASID;
	struct dmirage *d;

	(void)arg;
	for (i = 0; i < 2 * DMIRAGE_CONTEXTS && reused < 5; i++) {
		d = open_context();
		cpu_write(mem.addr, i + 1);
		EXPECT_EQ(dev_read(d, mem.addr), i + 1);
		if (first == DMIRAGE_NO_ASID)
			first = get_info(d).asid;
		else
			reused += get_info(d).asid == first;
		expect_clean(d);
		dmirage_close(d);
		/* Another frame while no context is there to be told. */
		ASSERT_SYS(madvise(mem.addr, PROBE_4K, MADV_DONTNEED));
	}
	EXPECT_GE(reused, 1);
}

/* ---- Several processes at once --------------------------------------------- */

#define NEIGHBOURS	6
#define NEIGHBOUR_ROUNDS 100

/*
 * In a child: memory of its own at the address where the others have theirs,
 * and a context of its own.  What belongs to another process must never be seen.
 */
static int neighbour(size_t len, u64 value, int ready, int go)
{
	struct dmirage_counters counters;
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	struct dmirage *d;
	unsigned int i;
	char byte;

	if (mmap(FIXED, len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != FIXED)
		return CHILD_OPEN;
	if (len > PROBE_4K && madvise(FIXED, len, MADV_HUGEPAGE))
		return CHILD_OPEN;
	cpu_write(FIXED, value);
	if (dmirage_open(NULL, NULL, &d))
		return CHILD_OPEN;
	if (write(ready, "r", 1) != 1 || read(go, &byte, 1) != 1)
		return CHILD_OPEN;

	for (i = 0; i < NEIGHBOUR_ROUNDS; i++) {
		dmirage_prep_read_imm(&sqe, i, FIXED, 8);
		if (dmirage_run(d, &sqe, &cqe, OP_TIMEOUT_MS) ||
		    cqe.status != DMIRAGE_ST_OK)
			return CHILD_OP;
		if (cqe.result != value + i)
			return CHILD_VALUE;
		dmirage_prep_write_imm(&sqe, i, FIXED, value + i + 1, 8);
		if (dmirage_run(d, &sqe, NULL, OP_TIMEOUT_MS))
			return CHILD_OP;
		if (cpu_read(FIXED) != value + i + 1)
			return CHILD_VALUE;
	}
	if (dmirage_get_counters(d, DMIRAGE_SCOPE_CONTEXT, &counters) ||
	    counters.violations || counters.checks < 2 * NEIGHBOUR_ROUNDS)
		return CHILD_VALUE;
	return CHILD_OK;
}

static void same_address(int kind)
{
	int ready[2], go[2];
	pid_t pid[NEIGHBOURS];
	unsigned int i;
	char byte;

	if (kind == PROBE_KIND_THP)
		ASSERT_PROBE(probe_thp_enable());
	ASSERT_SYS(pipe(ready));
	ASSERT_SYS(pipe(go));
	for (i = 0; i < NEIGHBOURS; i++) {
		pid[i] = fork();
		ASSERT(pid[i] >= 0);
		if (!pid[i])
			_exit(neighbour(probe_kind_size(kind),
					0x4e160000ull + 0x10000 * i, ready[1],
					go[0]));
	}
	/* One that fails is not waited for. */
	close(ready[1]);
	for (i = 0; i < NEIGHBOURS; i++)
		ASSERT_EQ(read(ready[0], &byte, 1), 1);
	ASSERT_EQ(write(go[1], "gggggg", NEIGHBOURS), NEIGHBOURS);
	for (i = 0; i < NEIGHBOURS; i++)
		EXPECT_EQ(child_status(pid[i]), CHILD_OK);
}

static const struct ktap_test tests[] = {
	{ "fork", in_fork, 0, 0 },
	{ "parent-exits", outlived, 0, 0 },
	{ "exec", in_exec, 0, 0 },
	{ "scm-rights", passed, 0, 0 },
	{ "busy-close", busy_close, 0, 0 },
	{ "busy-exit", busy_end, 'x', 20 },
	{ "busy-kill", busy_end, 'k', 20 },
	{ "busy-kill-many", kill_many, 0, 20 },
	{ "busy-munmap", busy_unmap, 0, 0 },
	{ "threads", threads, 0, 20 },
	{ "setup-race", setup_race, 0, 0 },
	{ "same-address-4k", same_address, PROBE_KIND_4K, 20 },
	{ "same-address-thp", same_address, PROBE_KIND_THP, 20 },
	{ "asid-reuse-exit", asid_reuse, 0, 0 },
	{ "asid-reuse-close", asid_reuse_close, 0, 0 },
};

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--exec"))
		return after_exec(argv[2]);
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
