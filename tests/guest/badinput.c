// SPDX-License-Identifier: GPL-2.0
/*
 * What a process must not do, or does by mistake: an error completion or an
 * errno, and everything goes on working.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "newer.h"
#include "raw.h"

/* ---- Descriptors --------------------------------------------------------- */

#define VA_END	(1ull << DMIRAGE_VA_BITS)

/* Stand for addresses that are known when the test runs. */
#define GOOD	0x600d000000000000ull	/* readable and writable */
#define HOLE	0x401e000000000000ull	/* in user space, nothing mapped */

static const struct {
	const char *name;
	struct dmirage_sqe sqe;
	u8 status;
	u16 detail;
	bool addr_src, addr_dst;	/* the completion's addr is that one */
} bad[] = {
	{ "opcode 10", { .opcode = 10 }, DMIRAGE_ST_BAD_OPCODE, 0, 0, 0 },
	{ "opcode 11", { .opcode = 11 }, DMIRAGE_ST_BAD_OPCODE, 0, 0, 0 },
	{ "opcode 255", { .opcode = 255 }, DMIRAGE_ST_BAD_OPCODE, 0, 0, 0 },
	{ "flags", { .flags = 2 }, DMIRAGE_ST_BAD_FIELD, 0, 0, 0 },
	{ "flags 0x80", { .flags = 0x80 }, DMIRAGE_ST_BAD_FIELD, 0, 0, 0 },
	{ "reserved0", { .reserved0 = 1 }, DMIRAGE_ST_BAD_FIELD, 0, 0, 0 },
	{ "reserved1", { .reserved1 = 1u << 31 }, DMIRAGE_ST_BAD_FIELD, 0, 0, 0 },
	{ "compare", { .compare = 1 }, DMIRAGE_ST_BAD_FIELD, 0, 0, 0 },
	{ "reserved2", { .reserved2 = 1ull << 63 }, DMIRAGE_ST_BAD_FIELD, 0, 0, 0 },
#define OP(o, s, d, l) { .opcode = DMIRAGE_OP_##o, .src = (s), .dst = (d), .len = (l) }
	{ "copy of 0", OP(COPY, GOOD, GOOD, 0), DMIRAGE_ST_BAD_LENGTH, 0, 0, 0 },
	{ "fill of 0", OP(FILL, 0, GOOD, 0), DMIRAGE_ST_BAD_LENGTH, 0, 0, 0 },
	{ "copy too long", OP(COPY, GOOD, GOOD, DMIRAGE_LEN_MAX + 1),
	  DMIRAGE_ST_BAD_LENGTH, 0, 0, 0 },
	{ "fill too long", OP(FILL, 0, GOOD, ~0ull), DMIRAGE_ST_BAD_LENGTH, 0, 0, 0 },
	{ "read_imm of 0", OP(READ_IMM, GOOD, 0, 0), DMIRAGE_ST_BAD_LENGTH, 0, 0, 0 },
	{ "read_imm of 3", OP(READ_IMM, GOOD, 0, 3), DMIRAGE_ST_BAD_LENGTH, 0, 0, 0 },
	{ "read_imm of 16", OP(READ_IMM, GOOD, 0, 16), DMIRAGE_ST_BAD_LENGTH, 0, 0, 0 },
	{ "write_imm of 5", OP(WRITE_IMM, 0, GOOD, 5), DMIRAGE_ST_BAD_LENGTH, 0, 0, 0 },
	{ "write_imm, 2^32 + 8", OP(WRITE_IMM, 0, GOOD, (1ull << 32) + 8),
	  DMIRAGE_ST_BAD_LENGTH, 0, 0, 0 },

	{ "read beyond", OP(READ_IMM, VA_END, 0, 8), DMIRAGE_ST_BAD_ADDRESS, 0, 1, 0 },
	{ "read to beyond", OP(READ_IMM, VA_END - 4, 0, 8),
	  DMIRAGE_ST_BAD_ADDRESS, 0, 1, 0 },
	{ "kernel text", OP(READ_IMM, 0xffffffff81000000ull, 0, 8),
	  DMIRAGE_ST_BAD_ADDRESS, 0, 1, 0 },
	{ "vsyscall page", OP(READ_IMM, 0xffffffffff600000ull, 0, 8),
	  DMIRAGE_ST_BAD_ADDRESS, 0, 1, 0 },
	{ "kernel memory", OP(WRITE_IMM, 0, 0xffff888000000000ull, 8),
	  DMIRAGE_ST_BAD_ADDRESS, 0, 0, 1 },
	{ "wrap-around", OP(READ_IMM, ~0ull - 3, 0, 8), DMIRAGE_ST_BAD_ADDRESS, 0, 1, 0 },
	{ "wrap-around of dst", OP(FILL, 0, ~0ull - 4095, 8192),
	  DMIRAGE_ST_BAD_ADDRESS, 0, 0, 1 },
	{ "copy from beyond", OP(COPY, 1ull << 60, GOOD, 64),
	  DMIRAGE_ST_BAD_ADDRESS, 0, 1, 0 },
	{ "copy to beyond", OP(COPY, GOOD, 1ull << 60, 64),
	  DMIRAGE_ST_BAD_ADDRESS, 0, 0, 1 },

	{ "NULL", OP(READ_IMM, 0, 0, 8), DMIRAGE_ST_FAULT, EFAULT, 1, 0 },
	{ "write to NULL", OP(WRITE_IMM, 0, 0, 8), DMIRAGE_ST_FAULT, EFAULT, 0, 1 },
	{ "hole", OP(READ_IMM, HOLE, 0, 8), DMIRAGE_ST_FAULT, EFAULT, 1, 0 },
	{ "copy from hole", OP(COPY, HOLE, GOOD, 64), DMIRAGE_ST_FAULT, EFAULT, 1, 0 },
	{ "copy to hole", OP(COPY, GOOD, HOLE, 64), DMIRAGE_ST_FAULT, EFAULT, 0, 1 },
	{ "fill of hole", OP(FILL, 0, HOLE, 64), DMIRAGE_ST_FAULT, EFAULT, 0, 1 },
	{ "not canonical", OP(READ_IMM, 0x0000800000000000ull, 0, 8),
	  DMIRAGE_ST_FAULT, EFAULT, 1, 0 },
	{ "not canonical, write", OP(WRITE_IMM, 0, 0x0001000000000000ull, 8),
	  DMIRAGE_ST_FAULT, EFAULT, 0, 1 },
	{ "end of user space", OP(READ_IMM, 0x00007ffffffff000ull, 0, 8),
	  DMIRAGE_ST_FAULT, EFAULT, 1, 0 },
	{ "last of 57 bits", OP(READ_IMM, VA_END - 8, 0, 8),
	  DMIRAGE_ST_FAULT, EFAULT, 1, 0 },
#undef OP
};

static u64 real(u64 addr, const u8 *good, const u8 *hole)
{
	if (addr == GOOD)
		return (uintptr_t)good;
	if (addr == HOLE)
		return (uintptr_t)hole;
	return addr;
}

static void descriptors(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 2 * PROBE_4K);
	struct dmirage *d = open_context();
	u8 *hole = mem.addr + PROBE_4K;
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	size_t i;
	u64 addr;

	(void)arg;
	ASSERT_SYS(munmap(hole, PROBE_4K));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		sqe = bad[i].sqe;
		sqe.cookie = 0xc00c1e + i;
		sqe.src = real(sqe.src, mem.addr, hole);
		sqe.dst = real(sqe.dst, mem.addr, hole);
		cqe = run_op(d, &sqe);
		addr = 0;
		if (bad[i].addr_src)
			addr = sqe.src;
		else if (bad[i].addr_dst)
			addr = sqe.dst;
		if (cqe.status != bad[i].status || cqe.addr != addr ||
		    cqe.detail != bad[i].detail || cqe.result != 0)
			ktap_fail(__FILE__, __LINE__,
				  "%s: %s, detail %u, addr 0x%llx, result %llu",
				  bad[i].name, dmirage_status_str(cqe.status),
				  cqe.detail, cqe.addr, cqe.result);
	}
	EXPECT_EQ(get_counters(d).ops_failed, ARRAY_SIZE(bad));
	/* What an operation ignores may be anything. */
	dmirage_prep_nop(&sqe, 1);
	sqe.src = ~0ull;
	sqe.dst = ~0ull;
	sqe.len = ~0ull;
	sqe.imm = ~0ull;
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	dev_write(d, mem.addr, 77);
	EXPECT_EQ(dev_read(d, mem.addr), 77);
	expect_clean(d);
}

/* ---- Memory that is not to be had ---------------------------------------- */

/* A hole in a long operation: what is before it is done, and it is named. */
static void hole_in_middle(int arg)
{
	const size_t all = 40 * PROBE_4K, gone = 23 * PROBE_4K;
	struct probe_mem src = get_mem(PROBE_KIND_4K, all);
	struct probe_mem dst = get_mem(PROBE_KIND_4K, all);
	struct dmirage *d = open_context();
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	const size_t off = 100, len = all - 200;
	const size_t done = gone - off;

	(void)arg;
	memset(src.addr, 0x77, src.len);
	ASSERT_SYS(munmap(src.addr + gone, PROBE_4K));
	dmirage_prep_copy(&sqe, 1, dst.addr + off, src.addr + off, len);
	cqe = run_op(d, &sqe);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
	EXPECT_EQ(cqe.detail, EFAULT);
	EXPECT_EQ(cqe.addr, (uintptr_t)src.addr + gone);
	EXPECT_EQ(cqe.result, done);
	EXPECT_EQ(dst.addr[off - 1], 0);
	EXPECT_EQ(dst.addr[off], 0x77);
	EXPECT_EQ(dst.addr[off + done - 1], 0x77);
	EXPECT_EQ(dst.addr[off + done], 0);

	ASSERT_SYS(mprotect(dst.addr + 7 * PROBE_4K, PROBE_4K, PROT_READ));
	dmirage_prep_fill(&sqe, 2, dst.addr + off, ~0ull, len);
	cqe = run_op(d, &sqe);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
	EXPECT_EQ(cqe.detail, EPERM);
	EXPECT_EQ(cqe.addr, (uintptr_t)dst.addr + 7 * PROBE_4K);
	EXPECT_EQ(cqe.result, 7 * PROBE_4K - off);
	EXPECT_EQ(dst.addr[7 * PROBE_4K - 1], 0xff);
	EXPECT_EQ(dst.addr[7 * PROBE_4K], 0x77);
	expect_clean(d);
}

/* 1 GiB from a good page on: the device stops where nothing is mapped. */
static void longest(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_THP, PROBE_2M);
	struct dmirage *d = open_context();
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;

	(void)arg;
	dmirage_prep_fill(&sqe, 1, mem.addr + 5, 0x0101010101010101ull,
			  DMIRAGE_LEN_MAX);
	cqe = run_op(d, &sqe);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
	EXPECT_EQ(cqe.addr, (uintptr_t)mem.addr + PROBE_2M);
	EXPECT_EQ(cqe.result, PROBE_2M - 5);
	EXPECT_EQ(mem.addr[4], 0);
	EXPECT_EQ(mem.addr[PROBE_2M - 1], 1);
	expect_clean(d);
}

static void past_eof(int arg)
{
	int fd = memfd_create("dmirage-test", MFD_CLOEXEC);
	struct dmirage *d = open_context();
	u8 *p;

	(void)arg;
	ASSERT(fd >= 0);
	ASSERT_SYS(ftruncate(fd, PROBE_4K + 100));
	p = mmap(NULL, 4 * PROBE_4K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT(p != MAP_FAILED);
	dev_write(d, p + PROBE_4K, 1);
	EXPECT_EQ(cpu_read(p + PROBE_4K), 1);
	expect_read_fault(d, p + 2 * PROBE_4K, EFAULT);
	expect_write_fault(d, p + 3 * PROBE_4K, EFAULT);
	/* The signal that the CPU would get is not sent. */
	dev_write(d, p, 2);
	expect_clean(d);
}

/* Device memory and the driver's own: refused where it would do harm. */
static void own_mappings(int arg)
{
	struct raw r = raw_start(8, 8);
	struct dmirage *d = open_context();

	(void)arg;
	expect_read_fault(d, (void *)r.db, EFAULT);
	expect_write_fault(d, (void *)r.db, EFAULT);
	expect_read_fault(d, r.sq, EFAULT);
	expect_write_fault(d, r.sq, EFAULT);
	expect_read_fault(d, r.cq, EFAULT);
	expect_write_fault(d, r.cq, EFAULT);
	EXPECT_EQ(r.cq[0].seq, 0);
	raw_expect_works(&r);
	raw_end(&r);
	/* Nothing here got as far as the oracle. */
	EXPECT_EQ(get_counters(d).checks, 0);
	EXPECT_EQ(get_counters(d).violations, 0);
}

/* Find a mapping by its name; 0 if there is none. */
static u64 mapping(const char *name)
{
	unsigned long long start = 0, s;
	char line[256];
	FILE *f = fopen("/proc/self/maps", "re");

	ASSERT(f);
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, name) && sscanf(line, "%llx", &s) == 1)
			start = s;
	}
	fclose(f);
	return start;
}

/* What else a process has in its address space. */
static void special(int arg)
{
	static const u64 constant = 0xc0115742ull;
	u64 local = 5, vdso = mapping("[vdso]"), vvar = mapping("[vvar]");
	struct dmirage *d = open_context();
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;

	(void)arg;
	dev_write(d, &local, 6);
	EXPECT_EQ(cpu_read(&local), 6);
	EXPECT_EQ(dev_read(d, &constant), constant);
	expect_write_fault(d, &constant, EPERM);
	EXPECT_EQ(cpu_read(&constant), 0xc0115742ull);
	EXPECT_EQ(dev_read(d, (void *)(uintptr_t)special),
		  cpu_read((void *)(uintptr_t)special));
	if (vdso) {
		EXPECT_EQ(dev_read(d, (void *)vdso), cpu_read((void *)vdso));
		dmirage_prep_write_imm(&sqe, 1, (void *)vdso, 0, 8);
		cqe = run_op(d, &sqe);
		EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
		EXPECT(cqe.detail == EPERM || cqe.detail == EFAULT);
	}
	if (vvar)
		expect_read_fault(d, (void *)vvar, EFAULT);
	expect_clean(d);
}

/* Memory that the kernel itself has no mapping of. */
static void secret(int arg)
{
	struct dmirage *d = open_context();
	int fd = (int)syscall(SYS_memfd_secret, 0);
	u8 *p;

	(void)arg;
	if (fd < 0)
		SKIP("memfd_secret: %s", strerror(errno));
	ASSERT_SYS(ftruncate(fd, PROBE_4K));
	p = mmap(NULL, PROBE_4K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT(p != MAP_FAILED);
	cpu_write(p, 0x5ec7e7);
	expect_read_fault(d, p, EFAULT);
	expect_write_fault(d, p, EFAULT);
	EXPECT_EQ(cpu_read(p), 0x5ec7e7);
	EXPECT_EQ(get_counters(d).checks, 0);
}

/* ---- Rings and doorbells -------------------------------------------------- */

/* A descriptor of random bytes, or one that is nearly right. */
static struct dmirage_sqe any_sqe(struct ktap_random *r,
				  const struct probe_mem *mem, bool nearly)
{
	struct dmirage_sqe sqe;
	u64 words[sizeof(sqe) / 8];
	size_t k;

	for (k = 0; k < ARRAY_SIZE(words); k++)
		words[k] = ktap_random(r);
	memcpy(&sqe, words, sizeof(sqe));
	if (!nearly)
		return sqe;
	sqe.opcode = (u8)ktap_below(r, 11);
	sqe.flags &= DMIRAGE_SQE_CHAIN;
	sqe.reserved0 = 0;
	sqe.reserved1 = 0;
	if (sqe.opcode != DMIRAGE_OP_CAS)
		sqe.compare = 0;
	sqe.reserved2 = 0;
	sqe.len >>= ktap_below(r, 64);
	if (ktap_below(r, 2))
		sqe.src = (uintptr_t)mem->addr + ktap_below(r, mem->len);
	else
		sqe.src >>= ktap_below(r, 64);
	if (ktap_below(r, 2))
		sqe.dst = (uintptr_t)mem->addr + ktap_below(r, mem->len);
	else
		/* Not ours, by all means. */
		sqe.dst = VA_END / 2 | ktap_random(r) >> 8;
	return sqe;
}

static void expect_user_error(const struct dmirage_cqe *cqe)
{
	EXPECT(cqe->status < DMIRAGE_ST_MAX);
	EXPECT(cqe->status != DMIRAGE_ST_DOORBELL);
	EXPECT(cqe->status != DMIRAGE_ST_TABLE_ERROR);
	EXPECT(cqe->status != DMIRAGE_ST_DMA_ERROR);
}

/* Rubbish in the submission ring: each entry is answered. */
static void rubbish(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 4 * PROBE_4K);
	struct raw r = raw_start(64, 64);
	struct ktap_random rnd = { ktap_seed() };
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	unsigned int i, round;

	(void)arg;
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 64; i++) {
			sqe = any_sqe(&rnd, &mem, i % 2);
			/* A completion for each one is expected below. */
			sqe.flags &= ~DMIRAGE_SQE_CHAIN;
			raw_put(&r, &sqe);
		}
		raw_ring(&r);
		for (i = 0; i < 64; i++) {
			ASSERT(raw_take(&r, &cqe, OP_TIMEOUT_MS));
			expect_user_error(&cqe);
		}
	}
	raw_expect_works(&r);
	raw_end(&r);
}

/*
 * The same with chains, of opcodes that go together and that do not: there is
 * one answer for each, with the first one's cookie.
 */
static void rubbish_chains(int same_opcode)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 4 * PROBE_4K);
	struct raw r = raw_start(64, 64);
	struct ktap_random rnd = { ktap_seed() };
	unsigned int i, round, chains;
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	u64 first[64];
	bool begins;

	for (round = 0; round < 30; round++) {
		chains = 0;
		begins = true;
		for (i = 0; i < 64; i++) {
			sqe = any_sqe(&rnd, &mem, same_opcode || i % 3);
			if (same_opcode && ktap_below(&rnd, 20))
				sqe.opcode = DMIRAGE_OP_COPY + round % 2;
			if (ktap_below(&rnd, 3))
				sqe.flags |= DMIRAGE_SQE_CHAIN;
			if (i == 63)
				sqe.flags &= ~DMIRAGE_SQE_CHAIN;
			if (begins)
				first[chains++] = sqe.cookie;
			begins = !(sqe.flags & DMIRAGE_SQE_CHAIN);
			raw_put(&r, &sqe);
		}
		raw_ring(&r);
		for (i = 0; i < chains; i++) {
			ASSERT(raw_take(&r, &cqe, OP_TIMEOUT_MS));
			expect_user_error(&cqe);
			EXPECT_EQ(cqe.cookie, first[i]);
		}
		EXPECT_EQ(raw_drain(&r, 0), 0);
	}
	raw_expect_works(&r);
	raw_end(&r);
}

/* The process overwrites descriptors while the device fetches them. */
static void racing(int arg)
{
	struct raw r = raw_start(64, 64);
	struct ktap_random rnd = { ktap_seed() };
	struct dmirage_sqe nop = { .opcode = DMIRAGE_OP_NOP };
	struct dmirage_cqe cqe;
	unsigned int i, k, round;

	(void)arg;
	for (round = 0; round < 50; round++) {
		for (i = 0; i < 64; i++)
			raw_put(&r, &nop);
		raw_ring(&r);
		for (k = 0; k < 200; k++) {
			size_t at = ktap_below(&rnd, 64 * 64);

			/* Chains would have fewer completions. */
			if (at % 64 == offsetof(struct dmirage_sqe, flags))
				continue;
			((volatile u8 *)r.sq)[at] = (u8)ktap_random(&rnd);
		}
		for (i = 0; i < 64; i++)
			ASSERT(raw_take(&r, &cqe, OP_TIMEOUT_MS));
	}
	raw_expect_works(&r);
	raw_end(&r);
}

/*
 * The same, flags included: nobody knows how many chains there are, and the last
 * one may be open.  The device is fine all the same, and so is the context once
 * that is closed.
 */
static void racing_chains(int arg)
{
	struct raw r = raw_start(64, 64);
	struct ktap_random rnd = { ktap_seed() };
	struct dmirage_sqe nop = { .opcode = DMIRAGE_OP_NOP };
	struct dmirage_sqe piece;
	static u64 target[64];
	struct dmirage *other = open_context();
	unsigned int i, k, round, answers = 0;

	(void)arg;
	for (round = 0; round < 25; round++) {
		for (i = 0; i < 64; i++) {
			dmirage_prep_fill(&piece, i, &target[i], ~0ull, 8);
			piece.flags = ktap_below(&rnd, 4) ? DMIRAGE_SQE_CHAIN :
							    0;
			raw_put(&r, &piece);
		}
		raw_ring(&r);
		for (k = 0; k < 300; k++) {
			/* Flags, opcodes, now and then anything. */
			size_t at = ktap_below(&rnd, 64) * 64;

			at += k % 8 ? k % 2 : ktap_below(&rnd, 64);
			/* But not where to, and how much: it is our memory. */
			if (at % 64 >= offsetof(struct dmirage_sqe, dst) &&
			    at % 64 < offsetof(struct dmirage_sqe, imm))
				continue;
			((volatile u8 *)r.sq)[at] = (u8)ktap_random(&rnd);
		}
		answers += raw_drain(&r, 15);
		dev_write(other, &target[round % 64], round);
	}
	ktap_note("%u answers to %u descriptors", answers, round * 64);
	EXPECT_GE(answers, 1);
	/* Ends a chain that is open, or is an operation of its own. */
	raw_put(&r, &nop);
	raw_ring(&r);
	EXPECT_EQ(raw_drain(&r, 50), 1);
	raw_expect_works(&r);
	raw_end(&r);
	expect_clean(other);
}

static void expect_bad_doorbell(struct raw *r, u32 offset, u32 value)
{
	struct dmirage_cqe cqe;

	r->db[offset / 4] = value;
	if (!raw_take(r, &cqe, OP_TIMEOUT_MS)) {
		ktap_fail(__FILE__, __LINE__, "doorbell %u = 0x%x: no answer",
			  offset, value);
		return;
	}
	EXPECT_EQ(cqe.status, DMIRAGE_ST_DOORBELL);
	EXPECT_EQ(cqe.result, value);
	EXPECT_EQ(cqe.detail, offset);
}

static void doorbells(int arg)
{
	struct raw r = raw_start(16, 16);
	u32 head;

	(void)arg;
	raw_expect_works(&r);
	expect_bad_doorbell(&r, DMIRAGE_DB_SQ_TAIL, r.sq_tail + 17);
	expect_bad_doorbell(&r, DMIRAGE_DB_SQ_TAIL, r.sq_tail - 1);
	expect_bad_doorbell(&r, DMIRAGE_DB_SQ_TAIL, r.sq_tail + 0x80000000u);
	raw_expect_works(&r);
	head = r.cq_head;
	expect_bad_doorbell(&r, DMIRAGE_DB_CQ_HEAD, head + 1);
	expect_bad_doorbell(&r, DMIRAGE_DB_CQ_HEAD, head - 1);
	expect_bad_doorbell(&r, DMIRAGE_DB_CQ_HEAD, head + 0x7fffffffu);
	raw_expect_works(&r);
	raw_end(&r);
}

/* More of them than there is room to complain about. */
static void doorbell_flood(int arg)
{
	struct raw r = raw_start(4, 4);
	unsigned int i, answers;

	(void)arg;
	for (i = 0; i < 1000; i++)
		r.db[DMIRAGE_DB_SQ_TAIL / 4] = 0xbad00000u + i;
	answers = raw_drain(&r, 50);
	EXPECT(answers >= 1 && answers <= 4);
	raw_expect_works(&r);
	raw_end(&r);
}

/* The rest of the doorbell page, and other sizes of access. */
static void doorbell_page(int arg)
{
	struct raw r = raw_start(4, 4);
	volatile u8 *page = (volatile u8 *)r.db;
	u64 sum = 0;
	size_t off;

	(void)arg;
	for (off = 0; off < DMIRAGE_PAGE; off += 64)
		sum += *(volatile u32 *)(page + off);
	for (off = 8; off < DMIRAGE_PAGE; off += 52)
		*(volatile u32 *)(page + (off & ~3ul)) = 0xffffffffu;
	for (off = 8; off < 64; off++)
		page[off] = 0xff;
	*(volatile u16 *)(page + 10) = 0xffff;
	*(volatile u64 *)(page + 16) = ~0ull;
	ktap_note("sum of what was read: 0x%llx", sum);
	raw_drain(&r, 50);
	raw_expect_works(&r);
	raw_end(&r);
}

/* Nobody reads completions: the device waits for room, and loses none. */
static void cq_full(int arg)
{
	struct raw r = raw_start(64, 4);
	struct dmirage_sqe sqe;
	struct dmirage_cqe cqe;
	static u64 words[40];
	unsigned int i;

	(void)arg;
	for (i = 0; i < 40; i++) {
		dmirage_prep_write_imm(&sqe, i, &words[i], i + 1, 8);
		raw_put(&r, &sqe);
	}
	raw_ring(&r);
	sleep_ms(50);
	EXPECT_EQ(cpu_read(&words[3]), 4);
	EXPECT_EQ(cpu_read(&words[4]), 0);
	for (i = 0; i < 40; i++) {
		ASSERT(raw_take(&r, &cqe, OP_TIMEOUT_MS));
		EXPECT_EQ(cqe.cookie, i);
		EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
		EXPECT_EQ(cpu_read(&words[i]), i + 1);
	}
	raw_expect_works(&r);
	raw_end(&r);
}

/* ---- System calls --------------------------------------------------------- */

static void ioctls(int arg)
{
	struct dmirage_counters c = { 0 };
	struct dmirage_info info;
	struct raw r = raw_start(4, 4);
	const unsigned long unknown[] = {
		_IO(DMIRAGE_IOC_MAGIC, 99),
		_IO(0x12, 0),
		0,
		~0ul,
		_IOWR(DMIRAGE_IOC_MAGIC, 3, struct dmirage_setup),
	};
	const unsigned long sizes[] = {
		_IOR(DMIRAGE_IOC_MAGIC, 0, u64),
		_IOC(_IOC_READ, DMIRAGE_IOC_MAGIC, 0, 0),
		_IOC(_IOC_READ, DMIRAGE_IOC_MAGIC, 0, sizeof(info) + 8),
		_IOC(_IOC_READ | _IOC_WRITE, DMIRAGE_IOC_MAGIC, 1, 8),
		_IOC(_IOC_READ | _IOC_WRITE, DMIRAGE_IOC_MAGIC, 2, 16383),
	};
	u8 *read_only;
	size_t i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(unknown); i++)
		EXPECT_ERRNO(ioctl(r.fd, unknown[i], &info), ENOTTY);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		errno = 0;
		EXPECT_EQ(ioctl(r.fd, sizes[i], &info), -1);
		EXPECT(errno == ENOTTY || errno == EINVAL);
	}
	EXPECT_ERRNO(ioctl(r.fd, DMIRAGE_IOC_INFO, NULL), EFAULT);
	EXPECT_ERRNO(ioctl(r.fd, DMIRAGE_IOC_INFO, 0xffff888000000000ul),
		     EFAULT);
	EXPECT_ERRNO(ioctl(r.fd, DMIRAGE_IOC_SETUP, NULL), EFAULT);
	EXPECT_ERRNO(ioctl(r.fd, DMIRAGE_IOC_COUNTERS, NULL), EFAULT);
	read_only = mmap(NULL, PROBE_4K, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	ASSERT(read_only != MAP_FAILED);
	EXPECT_ERRNO(ioctl(r.fd, DMIRAGE_IOC_INFO, read_only), EFAULT);
	EXPECT_ERRNO(ioctl(r.fd, DMIRAGE_IOC_COUNTERS, read_only), EFAULT);
	/* Half of it behind the end of a mapping. */
	read_only = mmap(NULL, 2 * PROBE_4K, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(read_only != MAP_FAILED);
	ASSERT_SYS(munmap(read_only + PROBE_4K, PROBE_4K));
	EXPECT_ERRNO(ioctl(r.fd, DMIRAGE_IOC_INFO, read_only + PROBE_4K - 16),
		     EFAULT);

	c.scope = 2;
	EXPECT_ERRNO(ioctl(r.fd, DMIRAGE_IOC_COUNTERS, &c), EINVAL);
	c.scope = ~0u;
	EXPECT_ERRNO(ioctl(r.fd, DMIRAGE_IOC_COUNTERS, &c), EINVAL);
	c = (struct dmirage_counters){ .reserved0 = 1 };
	EXPECT_ERRNO(ioctl(r.fd, DMIRAGE_IOC_COUNTERS, &c), EINVAL);
	raw_expect_works(&r);
	raw_end(&r);
}

static void setups(int arg)
{
	const struct dmirage_setup wrong[] = {
		{ .sq_entries = 0, .cq_entries = 4 },
		{ .sq_entries = 4, .cq_entries = 0 },
		{ .sq_entries = 1, .cq_entries = 4 },
		{ .sq_entries = 4, .cq_entries = 1 },
		{ .sq_entries = 3, .cq_entries = 4 },
		{ .sq_entries = 4, .cq_entries = 12 },
		{ .sq_entries = 2048, .cq_entries = 4 },
		{ .sq_entries = 4, .cq_entries = 1u << 31 },
		{ .sq_entries = ~0u, .cq_entries = ~0u },
		{ .sq_entries = 4, .cq_entries = 4, .mode = 1, .flags = 1 },
		{ .sq_entries = 4, .cq_entries = 4, .mode = 2, .flags = 1 },
		{ .sq_entries = 4, .cq_entries = 4, .reserved = { 1 } },
		{ .sq_entries = 4, .cq_entries = 4, .reserved = { 0, 1 } },
		{ .sq_entries = 4, .cq_entries = 4, .reserved0 = 1 },
		{ .sq_entries = 4, .cq_entries = 4, .mode = 3 },
		{ .sq_entries = 4, .cq_entries = 4, .flags = 1u << 4 },
		{ .sq_entries = 4, .cq_entries = 4, .pidfd = 1 },
		{ .sq_entries = 4, .cq_entries = 4, .mem_fd = 1 },
	};
	struct dmirage_setup s;
	struct raw r;
	size_t i;
	int fd = raw_open(0);

	(void)arg;
	ASSERT(fd >= 0);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		s = wrong[i];
		EXPECT_ERRNO(ioctl(fd, DMIRAGE_IOC_SETUP, &s), EINVAL);
	}
	/* None of these has used up the one SETUP that a file has. */
	s = (struct dmirage_setup){ .sq_entries = 4, .cq_entries = 4 };
	EXPECT_SYS(ioctl(fd, DMIRAGE_IOC_SETUP, &s));
	s = (struct dmirage_setup){ .sq_entries = 4, .cq_entries = 4 };
	EXPECT_ERRNO(ioctl(fd, DMIRAGE_IOC_SETUP, &s), EBUSY);
	close(fd);
	r = raw_start(2, 2);
	raw_expect_works(&r);
	raw_end(&r);
}

static void before_setup(int arg)
{
	struct dmirage_violation v;
	struct dmirage_counters c;
	struct dmirage_info info;
	int fd = raw_open(O_NONBLOCK);
	unsigned long off;

	(void)arg;
	ASSERT(fd >= 0);
	EXPECT_SYS(ioctl(fd, DMIRAGE_IOC_INFO, &info));
	EXPECT_EQ(info.asid, DMIRAGE_NO_ASID);
	c = (struct dmirage_counters){ .scope = DMIRAGE_SCOPE_DEVICE };
	EXPECT_SYS(ioctl(fd, DMIRAGE_IOC_COUNTERS, &c));
	EXPECT_EQ(read(fd, &v, sizeof(v)), -1);
	for (off = 0; off < 8 * DMIRAGE_PAGE; off += DMIRAGE_PAGE)
		EXPECT(mmap(NULL, DMIRAGE_PAGE, PROT_READ, MAP_SHARED, fd,
			    (off_t)off) == MAP_FAILED);
	close(fd);
}

static void expect_no_map(int fd, size_t len, int prot, int flags, u64 off)
{
	void *p = mmap(NULL, len, prot, flags, fd, (off_t)off);

	if (p == MAP_FAILED)
		return;
	ktap_fail(__FILE__, __LINE__,
		  "mmap of %zu bytes at 0x%llx, prot %d, flags %d succeeds", len,
		  off, prot, flags);
	munmap(p, len);
}

static void mmaps(int arg)
{
	const int rw = PROT_READ | PROT_WRITE;
	struct raw r = raw_start(128, 64);
	const struct dmirage_setup *s = &r.setup;

	(void)arg;
	ASSERT_EQ(s->sq_bytes, 2 * PROBE_4K);
	expect_no_map(r.fd, s->sq_bytes, rw, MAP_PRIVATE, s->sq_offset);
	expect_no_map(r.fd, s->cq_bytes, PROT_READ, MAP_PRIVATE, s->cq_offset);
	expect_no_map(r.fd, s->db_bytes, rw, MAP_PRIVATE, s->db_offset);
	expect_no_map(r.fd, s->sq_bytes + PROBE_4K, rw, MAP_SHARED,
		      s->sq_offset);
	expect_no_map(r.fd, s->cq_bytes + PROBE_4K, PROT_READ, MAP_SHARED,
		      s->cq_offset);
	expect_no_map(r.fd, s->db_bytes + PROBE_4K, rw, MAP_SHARED,
		      s->db_offset);
	expect_no_map(r.fd, s->db_bytes, rw, MAP_SHARED,
		      s->db_offset + PROBE_4K);
	expect_no_map(r.fd, PROBE_4K, PROT_READ, MAP_SHARED, 1ull << 40);
	expect_no_map(r.fd, PROBE_4K, PROT_READ, MAP_SHARED,
		      (1ull << 63) - PROBE_4K);
	/* Growing a mapping. */
	EXPECT(mremap((void *)r.db, s->db_bytes, 2 * s->db_bytes,
		      MREMAP_MAYMOVE) == MAP_FAILED);
	raw_expect_works(&r);
	raw_end(&r);
}

/* The device goes on when the process takes its view of the rings away. */
static void rings_unmapped(int arg)
{
	struct raw r = raw_start(64, 64);
	struct dmirage_sqe sqe;
	static u64 word;
	u64 end = now_ms() + 2000;
	unsigned int i;

	(void)arg;
	for (i = 0; i < 32; i++) {
		dmirage_prep_write_imm(&sqe, i, &word, i + 1, 8);
		raw_put(&r, &sqe);
	}
	raw_ring(&r);
	munmap(r.sq, r.setup.sq_bytes);
	munmap((void *)r.cq, r.setup.cq_bytes);
	while (cpu_read(&word) != 32 && now_ms() < end)
		sleep_ms(1);
	EXPECT_EQ(cpu_read(&word), 32);
	munmap((void *)r.db, r.setup.db_bytes);
	close(r.fd);
}

/* The rings outlive their file, and are nobody's then. */
static void rings_kept(int arg)
{
	struct raw r = raw_start(4, 4), other;
	struct dmirage_sqe sqe;
	static u64 word;

	(void)arg;
	raw_expect_works(&r);
	close(r.fd);
	other = raw_start(4, 4);
	dmirage_prep_write_imm(&sqe, 1, &word, 1, 8);
	/* A mapping holds a reference to the file: it may still work. */
	raw_put(&r, &sqe);
	raw_ring(&r);
	raw_expect_works(&other);
	munmap((void *)r.db, r.setup.db_bytes);
	munmap(r.sq, r.setup.sq_bytes);
	munmap((void *)r.cq, r.setup.cq_bytes);
	raw_expect_works(&other);
	raw_end(&other);
}

static void too_many(int arg)
{
	struct dmirage_setup s;
	struct dmirage_info info;
	int fd[DMIRAGE_CONTEXTS + 1], n, before;
	struct raw r = raw_start(2, 2);

	(void)arg;
	ASSERT_SYS(ioctl(r.fd, DMIRAGE_IOC_INFO, &info));
	before = (int)info.contexts_used;
	for (n = 0; n < (int)ARRAY_SIZE(fd); n++) {
		fd[n] = raw_open(0);
		ASSERT(fd[n] >= 0);
		s = (struct dmirage_setup){ .sq_entries = 2, .cq_entries = 2 };
		if (ioctl(fd[n], DMIRAGE_IOC_SETUP, &s))
			break;
	}
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_EQ(n + before, DMIRAGE_CONTEXTS);
	raw_expect_works(&r);
	/* One goes, and the one that was refused comes in. */
	close(fd[0]);
	s = (struct dmirage_setup){ .sq_entries = 2, .cq_entries = 2 };
	EXPECT_SYS(ioctl(fd[n], DMIRAGE_IOC_SETUP, &s));
	for (; n > 0; n--)
		close(fd[n]);
	ASSERT_SYS(ioctl(r.fd, DMIRAGE_IOC_INFO, &info));
	EXPECT_EQ(info.contexts_used, before);
	raw_end(&r);
	/* All of them again. */
	for (n = 0; n < DMIRAGE_CONTEXTS - before + 1; n++) {
		fd[n] = raw_open(0);
		s = (struct dmirage_setup){ .sq_entries = 2, .cq_entries = 2 };
		EXPECT_SYS(ioctl(fd[n], DMIRAGE_IOC_SETUP, &s));
	}
}

static const struct ktap_test tests[] = {
	{ "descriptors", descriptors, 0, 0 },
	{ "hole-in-middle", hole_in_middle, 0, 0 },
	{ "longest", longest, 0, 0 },
	{ "past-end-of-file", past_eof, 0, 0 },
	{ "own-mappings", own_mappings, 0, 0 },
	{ "special-mappings", special, 0, 0 },
	{ "secret-memory", secret, 0, 0 },
	{ "ring-rubbish", rubbish, 0, 0 },
	{ "ring-rubbish-chains", rubbish_chains, 0, 0 },
	{ "ring-rubbish-pieces", rubbish_chains, 1, 0 },
	{ "ring-racing", racing, 0, 0 },
	{ "ring-racing-chains", racing_chains, 0, 0 },
	{ "doorbells", doorbells, 0, 0 },
	{ "doorbell-flood", doorbell_flood, 0, 0 },
	{ "doorbell-page", doorbell_page, 0, 0 },
	{ "completions-unread", cq_full, 0, 0 },
	{ "ioctl", ioctls, 0, 0 },
	{ "setup", setups, 0, 0 },
	{ "before-setup", before_setup, 0, 0 },
	{ "mmap", mmaps, 0, 0 },
	{ "rings-unmapped", rings_unmapped, 0, 0 },
	{ "rings-kept", rings_kept, 0, 0 },
	{ "too-many-contexts", too_many, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
