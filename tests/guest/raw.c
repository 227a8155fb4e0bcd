// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "raw.h"

int raw_open(int flags)
{
	char path[32];
	int ret = dmirage_find(path, sizeof(path));

	if (ret) {
		errno = -ret;
		return -1;
	}
	return open(path, O_RDWR | O_CLOEXEC | flags);
}

struct raw raw_start(unsigned int sq_entries, unsigned int cq_entries)
{
	return raw_start_mode(sq_entries, cq_entries, DMIRAGE_MODE_MIRROR, 0);
}

struct raw raw_start_mode(unsigned int sq_entries, unsigned int cq_entries,
			  unsigned int mode, unsigned int flags)
{
	struct raw r = {
		.setup = { .sq_entries = sq_entries,
			   .cq_entries = cq_entries,
			   .mode = mode,
			   .flags = flags },
	};

	r.fd = raw_open(0);
	ASSERT(r.fd >= 0);
	ASSERT_SYS(ioctl(r.fd, DMIRAGE_IOC_SETUP, &r.setup));
	raw_map(&r);
	return r;
}

void raw_map(struct raw *r)
{
	const struct dmirage_setup *s = &r->setup;

	r->sq = mmap(NULL, s->sq_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		     r->fd, (off_t)s->sq_offset);
	r->cq = mmap(NULL, s->cq_bytes, PROT_READ, MAP_SHARED, r->fd,
		     (off_t)s->cq_offset);
	r->db = mmap(NULL, s->db_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		     r->fd, (off_t)s->db_offset);
	ASSERT(r->sq != MAP_FAILED);
	ASSERT(r->cq != MAP_FAILED);
	ASSERT(r->db != MAP_FAILED);
}

void raw_end(struct raw *r)
{
	munmap(r->sq, r->setup.sq_bytes);
	munmap((void *)r->cq, r->setup.cq_bytes);
	munmap((void *)r->db, r->setup.db_bytes);
	close(r->fd);
}

void raw_put(struct raw *r, const struct dmirage_sqe *sqe)
{
	r->sq[r->sq_tail++ & (r->setup.sq_entries - 1)] = *sqe;
}

void raw_ring(struct raw *r)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
	r->db[DMIRAGE_DB_SQ_TAIL / 4] = r->sq_tail;
}

bool raw_take(struct raw *r, struct dmirage_cqe *cqe, unsigned int timeout_ms)
{
	const struct dmirage_cqe *e =
		&r->cq[r->cq_head & (r->setup.cq_entries - 1)];
	u64 end = now_ms() + timeout_ms;

	while (__atomic_load_n(&e->seq, __ATOMIC_ACQUIRE) != r->cq_head + 1) {
		if (now_ms() > end)
			return false;
		sched_yield();
	}
	*cqe = *e;
	r->db[DMIRAGE_DB_CQ_HEAD / 4] = ++r->cq_head;
	return true;
}

unsigned int raw_drain(struct raw *r, unsigned int quiet_ms)
{
	struct dmirage_cqe cqe;
	unsigned int n = 0;

	while (raw_take(r, &cqe, quiet_ms))
		n++;
	return n;
}

void raw_expect_clean(struct raw *r)
{
	struct dmirage_counters c = { .scope = DMIRAGE_SCOPE_CONTEXT };

	ASSERT_SYS(ioctl(r->fd, DMIRAGE_IOC_COUNTERS, &c));
	EXPECT_GE(c.checks, 1);
	EXPECT_EQ(c.violations, 0);
}

void raw_expect_works_at(const char *file, int line, struct raw *r)
{
	const u64 value = 0x600d600d0000ull + r->sq_tail;
	static u64 target __attribute__((aligned(8)));
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;

	dmirage_prep_write_imm(&sqe, 0x900d, &target, value, 8);
	raw_put(r, &sqe);
	raw_ring(r);
	if (!raw_take(r, &cqe, OP_TIMEOUT_MS))
		ktap_fail(file, line, "the context does not work any more: no completion");
	else if (cqe.status != DMIRAGE_ST_OK || cqe.cookie != 0x900d)
		ktap_fail(file, line, "the context does not work any more: %s, cookie 0x%llx",
			  dmirage_status_str(cqe.status), cqe.cookie);
	else if (cpu_read(&target) != value)
		ktap_fail(file, line, "the device's write is not there");
}
