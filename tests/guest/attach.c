// SPDX-License-Identifier: GPL-2.0
/*
 * A context for the memory of another process: who may have one, that it
 * follows that process's changes, and that it ends with it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "raw.h"

/* ---- The other process --------------------------------------------------- */

/**
 * struct other - a child that does to its memory what it is told
 * @pid:  it
 * @mem:  its memory, at the same address that it had here
 * @to @from: pipes
 */
struct other {
	pid_t pid;
	struct probe_mem mem;
	int to, from;
};

/* A command, and what it is about. */
struct word {
	char what;
	u64 offset, value;
};

static u64 obey(struct probe_mem *mem, const struct word *w)
{
	u8 *at = mem->addr + w->offset;
	char *argv[] = { "attach", "--exec", NULL };

	switch (w->what) {
	case 'r':
		return cpu_read(at);
	case 'w':
		cpu_write(at, w->value);
		return 0;
	case 'm':
		return (u64)probe_mem_move(mem, (int)w->value);
	case 'p':
		return (u64)mprotect(mem->addr, mem->len, PROT_READ);
	case 'u':
		return (u64)munmap(mem->addr, mem->len);
	case 'd':
		return (u64)prctl(PR_SET_DUMPABLE, (int)w->value);
	case 's':
		return (u64)setresuid((uid_t)w->value, (uid_t)w->value,
				      (uid_t)w->value);
	case 'e':
		execv("/proc/self/exe", argv);
		return 1;
	default:
		_exit(0);
	}
}

static void other_main(struct other *o, int from, int to)
{
	struct word w;
	u64 answer;

	while (read(from, &w, sizeof(w)) == sizeof(w)) {
		answer = obey(&o->mem, &w);
		if (write(to, &answer, sizeof(answer)) != sizeof(answer))
			break;
	}
	_exit(0);
}

/* After exec: another address space, and it stays. */
static __attribute__((noreturn)) void after_exec(void)
{
	for (;;)
		pause();
}

static struct other other_start(enum probe_kind kind)
{
	struct other o = { .mem = get_mem(kind, PROBE_2M) };
	int to[2], from[2];

	ASSERT_SYS(pipe2(to, O_CLOEXEC));
	ASSERT_SYS(pipe2(from, O_CLOEXEC));
	o.pid = fork();
	ASSERT(o.pid >= 0);
	if (!o.pid) {
		close(to[1]);
		close(from[0]);
		other_main(&o, to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	o.to = to[1];
	o.from = from[0];
	/* What is ours is another page from now on. */
	memset(o.mem.addr, 0x55, o.mem.len);
	return o;
}

static void tell(struct other *o, char what, u64 offset, u64 value)
{
	struct word w = { what, offset, value };

	ASSERT_EQ(write(o->to, &w, sizeof(w)), sizeof(w));
}

static u64 ask(struct other *o, char what, u64 offset, u64 value)
{
	u64 answer = ~0ull;

	tell(o, what, offset, value);
	ASSERT_EQ(read(o->from, &answer, sizeof(answer)), sizeof(answer));
	return answer;
}

/* ---- Its memory ------------------------------------------------------------ */

static void use(int kind, unsigned int mode)
{
	struct other o = other_start(kind);
	struct dmirage *d = open_attached(o.pid, mode, 0);
	u8 *p = o.mem.addr;

	/* The child's, not ours at the same address. */
	ASSERT_EQ(ask(&o, 'w', 64, 11), 0);
	EXPECT_EQ(dev_read(d, p + 64), 11);
	dev_write(d, p + PROBE_2M - 8, 12);
	EXPECT_EQ(ask(&o, 'r', PROBE_2M - 8, 0), 12);
	EXPECT_EQ(cpu_read(p + PROBE_2M - 8), 0x5555555555555555ull);
	/* It follows that process's changes. */
	ASSERT_EQ(ask(&o, 'm', 0, 1), 0);
	ASSERT_EQ(ask(&o, 'w', 64, 13), 0);
	EXPECT_EQ(dev_read(d, p + 64), 13);
	dev_write(d, p + 72, 14);
	EXPECT_EQ(ask(&o, 'r', 72, 0), 14);
	EXPECT_GE(get_counters(d).flushes, 1);
	/* And not ours. */
	ASSERT_SYS(munmap(p, o.mem.len));
	EXPECT_EQ(dev_read(d, p + 64), 13);
	ASSERT_EQ(ask(&o, 'p', 0, 0), 0);
	expect_write_fault(d, p + 64, EPERM);
	EXPECT_EQ(dev_read(d, p + 64), 13);
	ASSERT_EQ(ask(&o, 'u', 0, 0), 0);
	expect_read_fault(d, p + 64, EFAULT);
	expect_clean(d);
	tell(&o, 'x', 0, 0);
	EXPECT_EQ(wait_child(o.pid), 0);
}

static void mirror(int kind)
{
	use(kind, DMIRAGE_MODE_MIRROR);
}

static void shared(int kind)
{
	use(kind, DMIRAGE_MODE_SHARED);
}

/* Regions and prefetching are about that memory, too. */
static void regions(int kind)
{
	struct other o = other_start(kind);
	struct dmirage *d = open_attached(o.pid, DMIRAGE_MODE_MIRROR, DMIRAGE_OPEN_REGIONS);
	uint64_t done = 0;
	uint32_t id;

	expect_read_fault(d, o.mem.addr, EFAULT);
	ASSERT_OK(dmirage_region_add(d, o.mem.addr, PROBE_2M / 2,
				     DMIRAGE_REGION_WRITE, &id));
	EXPECT_EQ((u64)dmirage_prefetch(d, o.mem.addr, PROBE_2M, 0, &done),
		  (u64)-EFAULT);
	EXPECT_EQ(done, PROBE_2M / 2);
	dev_write(d, o.mem.addr + 8, 5);
	EXPECT_EQ(ask(&o, 'r', 8, 0), 5);
	ASSERT_OK(dmirage_region_remove(d, id));
	expect_read_fault(d, o.mem.addr, EFAULT);
	expect_clean(d);
}

/* Two look at one, and it at itself. */
static void observers(int kind)
{
	struct other o = other_start(kind);
	struct dmirage *a = open_attached(o.pid, DMIRAGE_MODE_MIRROR, 0);
	struct dmirage *b = open_attached(o.pid, DMIRAGE_MODE_SHARED, 0);
	unsigned int i;

	for (i = 0; i < 6; i++) {
		dev_write(a, o.mem.addr + 8, 10 + i);
		EXPECT_EQ(dev_read(b, o.mem.addr + 8), 10 + i);
		dev_write(b, o.mem.addr + 16, 20 + i);
		EXPECT_EQ(dev_read(a, o.mem.addr + 16), 20 + i);
		EXPECT_EQ(ask(&o, 'r', 8, 0), 10 + i);
		ASSERT_EQ(ask(&o, 'm', 0, (i + 1) % 2), 0);
	}
	/* The end of one is not that of the other. */
	dmirage_close(a);
	dev_write(b, o.mem.addr + 8, 1);
	EXPECT_EQ(ask(&o, 'r', 8, 0), 1);
	expect_clean(b);
}

/* ---- Its end ----------------------------------------------------------------- */

/* Nothing goes on after the address space has ended, and nothing is left. */
static void expect_ended(struct dmirage *d, struct other *o)
{
	struct dmirage_counters before = get_counters(d);
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	uint64_t done;
	int err;

	EXPECT_EQ(before.mapped_4k, before.unmapped_4k);
	EXPECT_EQ(before.mapped_2m, before.unmapped_2m);
	dmirage_prep_write_imm(&sqe, 1, o->mem.addr, 1, 8);
	err = dmirage_run(d, &sqe, &cqe, OP_TIMEOUT_MS);
	/* The context is off: there is no completion any more, and that is told. */
	EXPECT_EQ(err, -ENODEV);
	EXPECT_EQ(get_counters(d).bytes_written, before.bytes_written);
	err = dmirage_prefetch(d, o->mem.addr, PROBE_4K, 0, &done);
	EXPECT(err == -ESRCH || err == -EOPNOTSUPP);
	EXPECT_EQ(get_counters(d).violations, 0);
}

enum how {
	EXIT,
	KILL,
	EXEC,
};

/* Until the other process has a new address space, and the old one is gone. */
static void wait_exec(const struct other *o)
{
	u64 end = now_ms() + 3000;
	char path[64], line[64];
	size_t got = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", o->pid);
	do {
		sleep_ms(1);
		f = fopen(path, "re");
		ASSERT(f);
		got = fread(line, 1, sizeof(line), f);
		fclose(f);
	} while (!memmem(line, got, "--exec", 6) && now_ms() < end);
	ASSERT(memmem(line, got, "--exec", 6));
}

static void ended(enum how how, unsigned int mode)
{
	struct other o = other_start(PROBE_KIND_THP);
	unsigned int used = contexts_in_use(0);
	struct dmirage *d = open_attached(o.pid, mode, 0);

	dev_write(d, o.mem.addr, 1);
	if (how == KILL)
		kill(o.pid, SIGKILL);
	else
		tell(&o, how == EXEC ? 'e' : 'x', 0, 0);
	if (how == EXEC)
		wait_exec(&o);
	else
		EXPECT_EQ(wait_child(o.pid), how == KILL ? 256 + SIGKILL : 0);
	expect_ended(d, &o);
	if (how == EXEC) {
		kill(o.pid, SIGKILL);
		wait_child(o.pid);
	}
	dmirage_close(d);
	EXPECT_EQ(contexts_in_use(used), used);
}

static void ended_mirror(int how)
{
	ended(how, DMIRAGE_MODE_MIRROR);
}

static void ended_shared(int how)
{
	ended(how, DMIRAGE_MODE_SHARED);
}

/* ---- Who may ------------------------------------------------------------------- */

static int pidfd_of(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int mem_of(pid_t pid, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	return open(path, flags | O_CLOEXEC);
}

/* SETUP by itself.  Return: 0 or the errno. */
static int set_up(int pidfd, int mem_fd, unsigned int mode)
{
	struct dmirage_setup s = {
		.sq_entries = 4,
		.cq_entries = 4,
		.flags = DMIRAGE_SETUP_ATTACH,
		.mode = mode,
		.pidfd = pidfd,
		.mem_fd = mem_fd,
	};
	int fd = raw_open(0), err;

	ASSERT(fd >= 0);
	err = ioctl(fd, DMIRAGE_IOC_SETUP, &s) ? errno : 0;
	close(fd);
	return err;
}

static void proofs(int arg)
{
	struct other a = other_start(PROBE_KIND_4K);
	struct other b = other_start(PROBE_KIND_4K);
	unsigned int used = contexts_in_use(0);
	int pa, pb, ma, mb, null, dev;

	(void)arg;
	ASSERT((pa = pidfd_of(a.pid)) >= 0);
	ASSERT((pb = pidfd_of(b.pid)) >= 0);
	ASSERT((ma = mem_of(a.pid, O_RDWR)) >= 0);
	ASSERT((mb = mem_of(b.pid, O_RDWR)) >= 0);
	ASSERT((null = open("/dev/null", O_RDWR)) >= 0);
	ASSERT((dev = raw_open(0)) >= 0);

	EXPECT_EQ(set_up(pa, ma, DMIRAGE_MODE_MIRROR), 0);
	EXPECT_EQ(set_up(pa, ma, DMIRAGE_MODE_SHARED), 0);
	EXPECT_EQ(set_up(pa, ma, DMIRAGE_MODE_PINNED), EOPNOTSUPP);
	/* Of another process, not for writing, not for reading. */
	EXPECT_EQ(set_up(pa, mb, DMIRAGE_MODE_MIRROR), EACCES);
	EXPECT_EQ(set_up(pb, ma, DMIRAGE_MODE_SHARED), EACCES);
	EXPECT_EQ(set_up(pa, mem_of(a.pid, O_RDONLY), DMIRAGE_MODE_MIRROR),
		  EACCES);
	EXPECT_EQ(set_up(pa, mem_of(a.pid, O_WRONLY), DMIRAGE_MODE_MIRROR),
		  EACCES);
	/* Of no process. */
	EXPECT_EQ(set_up(pa, null, DMIRAGE_MODE_MIRROR), EACCES);
	EXPECT_EQ(set_up(pa, pa, DMIRAGE_MODE_MIRROR), EACCES);
	EXPECT_EQ(set_up(pa, dev, DMIRAGE_MODE_MIRROR), EACCES);
	EXPECT_EQ(set_up(null, ma, DMIRAGE_MODE_MIRROR), EBADF);
	EXPECT_EQ(set_up(ma, ma, DMIRAGE_MODE_MIRROR), EBADF);
	EXPECT_EQ(set_up(dev, ma, DMIRAGE_MODE_MIRROR), EBADF);
	EXPECT_EQ(set_up(-1, ma, DMIRAGE_MODE_MIRROR), EBADF);
	EXPECT_EQ(set_up(pa, -1, DMIRAGE_MODE_MIRROR), EBADF);
	EXPECT_EQ(set_up(pa, 100000, DMIRAGE_MODE_MIRROR), EBADF);
	/* The proof is older than the address space. */
	tell(&a, 'e', 0, 0);
	wait_exec(&a);
	EXPECT_EQ(set_up(pa, ma, DMIRAGE_MODE_MIRROR), EACCES);
	/* Nobody is there any more. */
	kill(b.pid, SIGKILL);
	wait_child(b.pid);
	EXPECT_EQ(set_up(pb, mb, DMIRAGE_MODE_MIRROR), ESRCH);
	EXPECT_EQ(contexts_in_use(used), used);
}

/* Fields that mean nothing without the flag, and a file that is set up. */
static void fields(int arg)
{
	struct other o = other_start(PROBE_KIND_4K);
	int pidfd = pidfd_of(o.pid), mem = mem_of(o.pid, O_RDWR), fd;
	struct dmirage_setup s = { .sq_entries = 4, .cq_entries = 4 }, bad;

	(void)arg;
	ASSERT((fd = raw_open(0)) >= 0);
	bad = s;
	bad.pidfd = pidfd;
	EXPECT_ERRNO(ioctl(fd, DMIRAGE_IOC_SETUP, &bad), EINVAL);
	bad = s;
	bad.mem_fd = mem;
	EXPECT_ERRNO(ioctl(fd, DMIRAGE_IOC_SETUP, &bad), EINVAL);
	/* After it was refused it can be for oneself. */
	bad = s;
	bad.flags = DMIRAGE_SETUP_ATTACH;
	bad.pidfd = pidfd;
	bad.mem_fd = pidfd;
	EXPECT_ERRNO(ioctl(fd, DMIRAGE_IOC_SETUP, &bad), EACCES);
	bad = s;
	EXPECT_SYS(ioctl(fd, DMIRAGE_IOC_SETUP, &bad));
	bad = s;
	bad.flags = DMIRAGE_SETUP_ATTACH;
	bad.pidfd = pidfd;
	bad.mem_fd = mem;
	EXPECT_ERRNO(ioctl(fd, DMIRAGE_IOC_SETUP, &bad), EBUSY);
}

/* One who is not root, and a process that is not his or does not want it. */
static void permission(int arg)
{
	struct other root = other_start(PROBE_KIND_4K);
	struct other same = other_start(PROBE_KIND_4K);
	struct other shy = other_start(PROBE_KIND_4K);
	pid_t pid;

	(void)arg;
	ASSERT_SYS(chmod("/dev/dmirage0", 0666));
	ASSERT_EQ(ask(&same, 's', 0, 65534), 0);
	ASSERT_EQ(ask(&same, 'd', 0, 1), 0);
	ASSERT_EQ(ask(&shy, 's', 0, 65534), 0);
	ASSERT_EQ(ask(&shy, 'd', 0, 0), 0);
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid) {
		struct dmirage_open_opts opts = {
			.flags = DMIRAGE_OPEN_ATTACH,
		};
		struct dmirage *d;

		if (setresuid(65534, 65534, 65534))
			_exit(9);
		opts.pid = root.pid;
		if (dmirage_open(NULL, &opts, &d) != -EACCES)
			_exit(10);
		opts.pid = shy.pid;
		if (dmirage_open(NULL, &opts, &d) != -EACCES)
			_exit(11);
		opts.pid = same.pid;
		if (dmirage_open(NULL, &opts, &d))
			_exit(12);
		_exit(0);
	}
	EXPECT_EQ(wait_child(pid), 0);
	ASSERT_SYS(chmod("/dev/dmirage0", 0600));
}

/* The file is its opener's, whosever the memory is. */
static void opener(int arg)
{
	struct other o = other_start(PROBE_KIND_4K);
	struct dmirage *d = open_attached(o.pid, DMIRAGE_MODE_MIRROR, 0);
	pid_t pid;

	(void)arg;
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid) {
		struct dmirage_info info;

		_exit(dmirage_get_info(d, &info) == -EPERM ? 0 : 1);
	}
	EXPECT_EQ(wait_child(pid), 0);
	dev_write(d, o.mem.addr, 5);
	EXPECT_EQ(ask(&o, 'r', 0, 0), 5);
	expect_clean(d);
}

/* ---- A third process -------------------------------------------------------- */

/* Room for a descriptor on its way, and a byte that it goes with. */
struct parcel {
	union {
		struct cmsghdr header;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov;
	struct msghdr msg;
};

static void pack(struct parcel *p)
{
	memset(p, 0, sizeof(*p));
	p->iov = (struct iovec){ .iov_base = &p->byte, .iov_len = 1 };
	p->msg = (struct msghdr){
		.msg_iov = &p->iov, .msg_iovlen = 1,
		.msg_control = &p->control,
		.msg_controllen = sizeof(p->control),
	};
}

static bool send_fd(int to, int fd)
{
	struct cmsghdr *cmsg;
	struct parcel p;

	pack(&p);
	cmsg = CMSG_FIRSTHDR(&p.msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(to, &p.msg, 0) == 1;
}

static int receive_fd(int from)
{
	struct cmsghdr *cmsg;
	struct parcel p;
	int fd = -1;

	pack(&p);
	if (recvmsg(from, &p.msg, 0) != 1)
		return -1;
	cmsg = CMSG_FIRSTHDR(&p.msg);
	if (cmsg)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

/*
 * What the file is good for is refused, in the process that has received it.
 * Return: 0, or which was not.
 */
static int refused(int fd, const struct raw *r, void *addr)
{
	struct dmirage_setup s = { .sq_entries = 4, .cq_entries = 4 };
	struct dmirage_counters c = { .scope = DMIRAGE_SCOPE_CONTEXT };
	struct dmirage_region region = { .addr = (u64)addr, .len = PROBE_4K };
	struct dmirage_region_remove remove = { .id = 1 };
	struct dmirage_prefetch prefetch = { .addr = (u64)addr,
					     .len = PROBE_4K };
	struct dmirage_audit_range audit = { .addr = (u64)addr,
					     .len = PROBE_4K };
	struct dmirage_eventfd event = { .fd = -1 };
	struct dmirage_violation v;
	struct dmirage_info info;
	const struct {
		unsigned long cmd;
		void *arg;
	} calls[] = {
		{ DMIRAGE_IOC_INFO, &info },
		{ DMIRAGE_IOC_SETUP, &s },
		{ DMIRAGE_IOC_COUNTERS, &c },
		{ DMIRAGE_IOC_REGION_ADD, &region },
		{ DMIRAGE_IOC_REGION_REMOVE, &remove },
		{ DMIRAGE_IOC_PREFETCH, &prefetch },
		{ DMIRAGE_IOC_AUDIT, &audit },
		{ DMIRAGE_IOC_EVENTFD, &event },
	};
	const struct {
		u64 offset, bytes;
		int prot;
	} parts[] = {
		{ r->setup.sq_offset, r->setup.sq_bytes,
		  PROT_READ | PROT_WRITE },
		{ r->setup.cq_offset, r->setup.cq_bytes, PROT_READ },
		{ r->setup.db_offset, r->setup.db_bytes,
		  PROT_READ | PROT_WRITE },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (ioctl(fd, calls[i].cmd, calls[i].arg) != -1 ||
		    errno != EPERM)
			return 1 + (int)i;
	for (i = 0; i < ARRAY_SIZE(parts); i++)
		if (mmap(NULL, parts[i].bytes, parts[i].prot, MAP_SHARED, fd,
			 (off_t)parts[i].offset) != MAP_FAILED ||
		    errno != EPERM)
			return 20 + (int)i;
	return read(fd, &v, sizeof(v)) == -1 && errno == EPERM ? 0 : 30;
}

/*
 * @third gets the file from who attached to another process.  It is no way to
 * that process's memory, nor to its own: not while it is used, not when its
 * opener has closed it.
 */
static __attribute__((noreturn)) void third_main(int socket,
						 const struct raw *r,
						 void *addr)
{
	char byte = 'x';
	int fd = receive_fd(socket), bad;

	if (fd < 0)
		_exit(40);
	bad = refused(fd, r, addr);
	if (bad)
		_exit(bad);
	if (write(socket, &byte, 1) != 1 || read(socket, &byte, 1) != 1)
		_exit(41);
	bad = refused(fd, r, addr);
	if (bad)
		_exit(100 + bad);
	/* That it may: it is the last one, and ends the context. */
	_exit(close(fd) ? 42 : 0);
}

/* Set up for the memory of another process, and mapped. */
static struct raw attach_raw(const struct other *o, unsigned int mode)
{
	struct raw r = {
		.setup = { .sq_entries = 4, .cq_entries = 4, .mode = mode,
			   .flags = DMIRAGE_SETUP_ATTACH,
			   .pidfd = pidfd_of(o->pid),
			   .mem_fd = mem_of(o->pid, O_RDWR) },
	};

	ASSERT((r.fd = raw_open(0)) >= 0);
	ASSERT_SYS(ioctl(r.fd, DMIRAGE_IOC_SETUP, &r.setup));
	raw_map(&r);
	return r;
}

static u64 read_raw(struct raw *r, const void *addr)
{
	struct dmirage_cqe cqe = { 0 };
	struct dmirage_sqe sqe;

	dmirage_prep_read_imm(&sqe, 1, addr, 8);
	raw_put(r, &sqe);
	raw_ring(r);
	ASSERT(raw_take(r, &cqe, OP_TIMEOUT_MS));
	ASSERT_EQ(cqe.status, DMIRAGE_ST_OK);
	return cqe.result;
}

static void handed_on(int mode)
{
	struct other o = other_start(PROBE_KIND_4K);
	unsigned int used = contexts_in_use(0);
	struct raw r = attach_raw(&o, (unsigned int)mode);
	pid_t third;
	char byte;
	int s[2];

	ASSERT_EQ(ask(&o, 'w', 64, 11), 0);
	EXPECT_EQ(read_raw(&r, o.mem.addr + 64), 11);
	ASSERT_SYS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
	third = fork();
	ASSERT(third >= 0);
	if (!third) {
		/* Only by the socket, and so without the mappings. */
		close(r.fd);
		close(s[1]);
		third_main(s[0], &r, o.mem.addr);
	}
	close(s[0]);
	ASSERT(send_fd(s[1], r.fd));
	ASSERT_EQ(read(s[1], &byte, 1), 1);
	/* For who set it up all is as it was. */
	ASSERT_EQ(ask(&o, 'w', 64, 12), 0);
	EXPECT_EQ(read_raw(&r, o.mem.addr + 64), 12);
	raw_expect_clean(&r);
	/* The third alone has it now. */
	raw_end(&r);
	EXPECT_EQ(contexts_in_use(used + 1), used + 1);
	ASSERT_EQ(write(s[1], &byte, 1), 1);
	EXPECT_EQ(wait_child(third), 0);
	EXPECT_EQ(contexts_in_use(used), used);
	EXPECT_EQ(ask(&o, 'r', 64, 0), 12);
	tell(&o, 'x', 0, 0);
	EXPECT_EQ(wait_child(o.pid), 0);
}

static const struct ktap_test tests[] = {
	{ "mirror-4k", mirror, PROBE_KIND_4K, 0 },
	{ "mirror-thp", mirror, PROBE_KIND_THP, 0 },
	{ "mirror-hugetlb", mirror, PROBE_KIND_HUGETLB, 0 },
	{ "shared-4k", shared, PROBE_KIND_4K, 0 },
	{ "shared-thp", shared, PROBE_KIND_THP, 0 },
	{ "regions", regions, PROBE_KIND_4K, 0 },
	{ "observers-4k", observers, PROBE_KIND_4K, 0 },
	{ "observers-thp", observers, PROBE_KIND_THP, 0 },
	{ "exit-mirror", ended_mirror, EXIT, 0 },
	{ "exit-shared", ended_shared, EXIT, 0 },
	{ "kill-mirror", ended_mirror, KILL, 0 },
	{ "kill-shared", ended_shared, KILL, 0 },
	{ "exec-mirror", ended_mirror, EXEC, 0 },
	{ "exec-shared", ended_shared, EXEC, 0 },
	{ "proofs", proofs, 0, 0 },
	{ "fields", fields, 0, 0 },
	{ "handed-on-mirror", handed_on, DMIRAGE_MODE_MIRROR, 0 },
	{ "handed-on-shared", handed_on, DMIRAGE_MODE_SHARED, 0 },
	{ "permission", permission, 0, 0 },
	{ "opener", opener, 0, 0 },
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--exec"))
		after_exec();
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
