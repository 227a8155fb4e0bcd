// SPDX-License-Identifier: GPL-2.0
/*
 * What processes do: the kernel's process events (the proc connector).  They are of all
 * processes of the machine, and nobody is stopped for them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "observe.h"

/* So many events may wait: each takes about 700 bytes. */
#define RECEIVE_BYTES	(8 << 20)

#define ACK_LIMIT_MS	1000

struct message {
	struct nlmsghdr head;
	struct cn_msg cn;
	struct proc_event event;
} __attribute__((packed, aligned(4)));

static int ask(int fd)
{
	const struct cb_id id = { CN_IDX_PROC, CN_VAL_PROC };
	enum proc_cn_mcast_op op = PROC_CN_MCAST_LISTEN;
	struct {
		struct nlmsghdr head;
		struct cn_msg cn;
		__u8 op[sizeof(enum proc_cn_mcast_op)];
	} __attribute__((packed, aligned(4))) m = {
		.head = { .nlmsg_len = sizeof(m), .nlmsg_type = NLMSG_DONE },
		.cn = { .id = id, .len = sizeof(m.op) },
	};

	memcpy(m.op, &op, sizeof(op));
	return send(fd, &m, sizeof(m), 0) < 0 ? -errno : 0;
}

/* One event.  Return: 0; -EAGAIN there is none; -ENOBUFS some were lost. */
static int receive(int fd, struct proc_event *e)
{
	struct message m;
	ssize_t n;

	for (;;) {
		n = recv(fd, &m, sizeof(m), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		/* older kernels have shorter events, of which the beginning is the same */
		if ((size_t)n <= offsetof(struct message, event.event_data) ||
		    m.cn.id.idx != CN_IDX_PROC || m.cn.id.val != CN_VAL_PROC)
			continue;
		*e = m.event;
		return 0;
	}
}

/* The answer: from then on events come. */
static int await_ack(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct proc_event e;
	int err;

	for (;;) {
		if (poll(&pfd, 1, ACK_LIMIT_MS) <= 0)
			return -ETIMEDOUT;
		err = receive(fd, &e);
		if (err && err != -EAGAIN)
			return err;
		if (!err && e.what == PROC_EVENT_NONE)
			return -(int)e.event_data.ack.err;
	}
}

int follow_open(void)
{
	struct sockaddr_nl addr = {
		.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC,
	};
	int room = RECEIVE_BYTES, err;
	int fd = socket(PF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);

	if (fd < 0)
		return -errno;
	/* what the system permits is enough for most */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	err = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : ask(fd);
	if (!err)
		err = await_ack(fd);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

bool follow_next(int fd, struct follow_event *e)
{
	struct proc_event p;
	int err;

	for (;;) {
		err = receive(fd, &p);
		if (err == -ENOBUFS) {
			e->what = FOLLOW_LOST;
			return true;
		}
		if (err)
			return false;
		/* threads are of no interest: they have no address space of their own */
		if (p.what == PROC_EVENT_FORK &&
		    p.event_data.fork.child_pid == p.event_data.fork.child_tgid) {
			e->what = FOLLOW_FORK;
			e->pid = p.event_data.fork.child_tgid;
			e->parent = p.event_data.fork.parent_tgid;
			return true;
		}
		if (p.what == PROC_EVENT_EXEC) {
			e->what = FOLLOW_EXEC;
			e->pid = p.event_data.exec.process_tgid;
			return true;
		}
	}
}
