// SPDX-License-Identifier: GPL-2.0
/*
 * Chains: operations of several descriptors, for memory that is scattered.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "schedule.h"

/* Submit all, in as many goes as it takes. */
static void submit_all(struct dmirage *d, const struct dmirage_sqe *sqe,
		       unsigned int n)
{
	ASSERT_EQ(dmirage_submit(d, sqe, n), n);
}

static struct dmirage_cqe run_chain(struct dmirage *d,
				    struct dmirage_sqe *sqe, unsigned int n)
{
	struct dmirage_cqe cqe;

	dmirage_chain(sqe, n);
	submit_all(d, sqe, n);
	cqe = complete(d);
	EXPECT_EQ(cqe.cookie, sqe[0].cookie);
	EXPECT_EQ(dmirage_in_flight(d), 0);
	EXPECT_EQ(dmirage_poll(d, &cqe, 1), 0);
	return cqe;
}

/* ---- What a chain does --------------------------------------------------- */

#define PIECES	24

/* Pieces of pages of all kinds, of many lengths and alignments. */
struct scattered {
	struct probe_mem mem[PROBE_KINDS];
	struct {
		u8 *p;
		size_t len;
	} piece[PIECES];
	size_t total;
};

static struct scattered scatter(struct ktap_random *r)
{
	struct scattered s = { .total = 0 };
	size_t k, i;

	for (k = 0; k < PROBE_KINDS; k++) {
		s.mem[k] = get_mem((enum probe_kind)k, PROBE_2M);
		for (i = 0; i < PROBE_2M; i += 8)
			cpu_write(s.mem[k].addr + i, ktap_random(r));
	}
	for (i = 0; i < PIECES; i++) {
		size_t room = PROBE_2M / PIECES;

		/* One in each stretch of memory, so that none overlaps. */
		s.piece[i].len = 1 + ktap_below(r, i % 4 ? 300 : room / 2);
		s.piece[i].p = s.mem[i % PROBE_KINDS].addr + i * room +
			       ktap_below(r, room / 2);
		s.total += s.piece[i].len;
	}
	return s;
}

/* From and to scattered memory. */
static void copies(int arg)
{
	struct ktap_random r = { ktap_seed() };
	struct scattered s = scatter(&r);
	struct probe_mem flat = get_mem(PROBE_KIND_4K, PROBE_2M);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe[PIECES];
	u8 *shadow[PROBE_KINDS];
	struct dmirage_cqe cqe;
	size_t i, at;

	(void)arg;
	for (i = at = 0; i < PIECES; i++) {
		dmirage_prep_copy(&sqe[i], 50 + i, flat.addr + at, s.piece[i].p,
				  s.piece[i].len);
		at += s.piece[i].len;
	}
	cqe = run_chain(d, sqe, PIECES);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, s.total);
	for (i = at = 0; i < PIECES; i++) {
		EXPECT(!memcmp(flat.addr + at, s.piece[i].p, s.piece[i].len));
		at += s.piece[i].len;
	}
	EXPECT_EQ(flat.addr[at], 0);

	/* And back, other data. */
	memset(flat.addr, 0x3c, flat.len);
	for (i = 0; i < PROBE_KINDS; i++) {
		shadow[i] = malloc(PROBE_2M);
		ASSERT(shadow[i]);
		memcpy(shadow[i], s.mem[i].addr, PROBE_2M);
	}
	for (i = at = 0; i < PIECES; i++) {
		dmirage_prep_copy(&sqe[i], 99, s.piece[i].p, flat.addr + at,
				  s.piece[i].len);
		at += s.piece[i].len;
		memset(shadow[i % PROBE_KINDS] +
			       (s.piece[i].p - s.mem[i % PROBE_KINDS].addr),
		       0x3c, s.piece[i].len);
	}
	cqe = run_chain(d, sqe, PIECES);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, s.total);
	for (i = 0; i < PROBE_KINDS; i++)
		EXPECT(!memcmp(shadow[i], s.mem[i].addr, PROBE_2M));
	EXPECT_EQ(get_counters(d).ops, 2);
	expect_clean(d);
}

/* A checksum of all pieces is that of the pieces in a row. */
static void crcs(int arg)
{
	struct ktap_random r = { ktap_seed() };
	struct scattered s = scatter(&r);
	struct probe_mem flat = get_mem(PROBE_KIND_4K, PROBE_2M);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe[PIECES], one;
	struct dmirage_cqe cqe;
	size_t i, at;

	(void)arg;
	for (i = at = 0; i < PIECES; i++) {
		memcpy(flat.addr + at, s.piece[i].p, s.piece[i].len);
		at += s.piece[i].len;
		dmirage_prep_crc32c(&sqe[i], 7, s.piece[i].p, s.piece[i].len);
	}
	cqe = run_chain(d, sqe, PIECES);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	/* That one is right is in ops.c. */
	dmirage_prep_crc32c(&one, 1, flat.addr, at);
	EXPECT_EQ(cqe.result, run_op(d, &one).result);
	/* Nothing of it is left for the next one. */
	EXPECT_EQ(run_op(d, &one).result, cqe.result);
	expect_clean(d);
}

/* Each piece of a fill begins with the first byte of its own pattern. */
static void fills(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 8 * PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe[3];
	struct dmirage_cqe cqe;
	size_t i, k;

	(void)arg;
	for (i = 0; i < 3; i++)
		dmirage_prep_fill(&sqe[i], 1, mem.addr + 3 + i * 5000,
				  0x8877665544332211ull + i, 4099);
	cqe = run_chain(d, sqe, 3);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, 3 * 4099);
	for (i = 0; i < 3; i++) {
		for (k = 0; k < 4099; k++)
			ASSERT_EQ(mem.addr[3 + i * 5000 + k],
				  (u8)((0x8877665544332211ull + i) >>
				       k % 8 * 8));
		EXPECT_EQ(mem.addr[3 + i * 5000 + 4099], 0);
	}
	expect_clean(d);
}

static void touches(int write)
{
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe[4];
	struct dmirage_cqe cqe;
	struct probe_page page;
	struct probe_mem mem;
	size_t i;

	ASSERT_PROBE(probe_mem_map(&mem, PROBE_KIND_4K, 8 * PROBE_4K));
	for (i = 0; i < 4; i++) {
		if (write)
			dmirage_prep_touch_write(&sqe[i], 1,
						 mem.addr + 2 * i * PROBE_4K,
						 100);
		else
			dmirage_prep_touch_read(&sqe[i], 1,
						mem.addr + 2 * i * PROBE_4K,
						100);
	}
	cqe = run_chain(d, sqe, 4);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, 400);
	for (i = 0; i < 8; i++) {
		ASSERT_PROBE(probe_page(mem.addr + i * PROBE_4K, &page));
		EXPECT_EQ(page.present, i % 2 == 0);
		/* The process's own, or the zero page, which has no node. */
		if (page.present)
			EXPECT_EQ(page.node >= 0, write);
	}
	expect_clean(d);
}

/* ---- Errors -------------------------------------------------------------- */

/* A page of the third of five pieces cannot be had. */
static void fault_in_middle(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 10 * PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe[5];
	struct dmirage_cqe cqe;
	size_t i;

	(void)arg;
	ASSERT_SYS(mprotect(mem.addr + 5 * PROBE_4K, PROBE_4K, PROT_READ));
	for (i = 0; i < 5; i++)
		dmirage_prep_fill(&sqe[i], 70 + i, mem.addr + 2 * i * PROBE_4K,
				  ~0ull, 2 * PROBE_4K);
	cqe = run_chain(d, sqe, 5);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
	EXPECT_EQ(cqe.detail, EPERM);
	EXPECT_EQ(cqe.addr, (uintptr_t)mem.addr + 5 * PROBE_4K);
	EXPECT_EQ(cqe.result, 5 * PROBE_4K);
	EXPECT_EQ(mem.addr[5 * PROBE_4K - 1], 0xff);
	for (i = 5; i < 10; i++)
		EXPECT_EQ(mem.addr[i * PROBE_4K], 0);
	EXPECT_EQ(get_counters(d).ops, 1);
	EXPECT_EQ(get_counters(d).ops_failed, 1);
	/* The next one is a new one. */
	dev_write(d, mem.addr + 9 * PROBE_4K, 5);
	EXPECT_EQ(cpu_read(mem.addr + 9 * PROBE_4K), 5);
	for (i = 0; i < 5; i++)
		sqe[i].dst = (uintptr_t)mem.addr;
	EXPECT_EQ(run_chain(d, sqe, 5).status, DMIRAGE_ST_OK);
	expect_clean(d);
}

/*
 * What is wrong with one descriptor, and how the chain ends for it.  One that
 * is right by itself makes the second one wrong if it is the first.
 */
static const struct {
	const char *name;
	struct dmirage_sqe sqe;
	unsigned int status;
	bool right;
} bad[] = {
	{ "another opcode", { .opcode = DMIRAGE_OP_TOUCH_WRITE, .len = 8 },
	  DMIRAGE_ST_BAD_CHAIN, true },
	{ "nop", { .opcode = DMIRAGE_OP_NOP }, DMIRAGE_ST_BAD_CHAIN, false },
	{ "write_imm", { .opcode = DMIRAGE_OP_WRITE_IMM, .len = 8 },
	  DMIRAGE_ST_BAD_CHAIN, false },
	{ "length 0", { .opcode = DMIRAGE_OP_FILL }, DMIRAGE_ST_BAD_LENGTH, false },
	{ "a flag", { .opcode = DMIRAGE_OP_FILL, .flags = 0x80, .len = 8 },
	  DMIRAGE_ST_BAD_FIELD, false },
	{ "compare", { .opcode = DMIRAGE_OP_FILL, .compare = 1, .len = 8 },
	  DMIRAGE_ST_BAD_FIELD, false },
	{ "beyond", { .opcode = DMIRAGE_OP_FILL, .dst = 1ull << 60, .len = 8 },
	  DMIRAGE_ST_BAD_ADDRESS, false },
};

/* It is the one at @at of four. */
static void bad_piece(int at)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe[4];
	struct dmirage_cqe cqe;
	unsigned int good;
	size_t i;
	int k;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(mem.addr, 0, PROBE_4K);
		for (k = 0; k < 4; k++)
			dmirage_prep_fill(&sqe[k], 40 + k,
					  mem.addr + 64 * k, ~0ull, 8);
		sqe[at] = bad[i].sqe;
		if (!sqe[at].dst)
			sqe[at].dst = (uintptr_t)mem.addr + 64 * at;
		cqe = run_chain(d, sqe, 4);
		good = at || !bad[i].right ? at : 1;
		if (cqe.status != bad[i].status || cqe.result != 8 * good)
			ktap_fail(__FILE__, __LINE__,
				  "%s at %d: %s, result %llu", bad[i].name, at,
				  dmirage_status_str(cqe.status), cqe.result);
		for (k = 0; k < 4; k++)
			EXPECT_EQ(cpu_read(mem.addr + 64 * k),
				  k < at ? ~0ull : 0);
	}
	EXPECT_EQ(get_counters(d).ops, ARRAY_SIZE(bad));
	dev_write(d, mem.addr, 1);
	expect_clean(d);
}

/* Operations that cannot be chained, as the first of a chain. */
static void not_chainable(int arg)
{
	static const u8 opcodes[] = { DMIRAGE_OP_NOP, DMIRAGE_OP_READ_IMM,
				      DMIRAGE_OP_WRITE_IMM, DMIRAGE_OP_CAS,
				      DMIRAGE_OP_FETCH_ADD };
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe[2];
	struct dmirage_cqe cqe;
	size_t i, k;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		for (k = 0; k < 2; k++)
			sqe[k] = (struct dmirage_sqe){
				.opcode = opcodes[i],
				.cookie = 10 + k,
				.src = (uintptr_t)mem.addr,
				.dst = (uintptr_t)mem.addr,
				.len = 8,
				.imm = 5,
			};
		cqe = run_chain(d, sqe, 2);
		EXPECT_EQ(cqe.status, DMIRAGE_ST_BAD_CHAIN);
		EXPECT_EQ(cqe.result, 0);
	}
	EXPECT_EQ(cpu_read(mem.addr), 0);
	EXPECT_EQ(get_counters(d).ops, ARRAY_SIZE(opcodes));
	dev_write(d, mem.addr, 1);
	expect_clean(d);
}

/* ---- In the ring --------------------------------------------------------- */

static void fill_chain(struct dmirage_sqe *sqe, unsigned int n, u8 *p, u64 value,
		       u64 cookie)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		dmirage_prep_fill(&sqe[i], cookie, p + 8 * i, value, 8);
	dmirage_chain(sqe, n);
}

/* Until the device has written there; a fault may have to be served first. */
static void await_write(const volatile u8 *p)
{
	u64 end = now_ms() + 2000;

	while (!*p && now_ms() < end)
		sleep_ms(1);
	ASSERT(*p);
}

/* Not all of it has been submitted: what is there is done, and the rest awaited. */
static void in_parts(int bad_first)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe[6];
	struct dmirage_sqe other;
	struct dmirage_cqe cqe;

	fill_chain(sqe, 6, mem.addr, ~0ull, 8);
	if (bad_first)
		sqe[0].len = 0;
	submit_all(d, sqe, 3);
	if (!bad_first)
		await_write(mem.addr + 16);
	expect_no_completion(d);
	EXPECT_EQ(dmirage_in_flight(d), 0);
	/* Another one would be taken for the next piece. */
	dmirage_prep_nop(&other, 1);
	EXPECT_EQ((u64)dmirage_run(d, &other, NULL, 10), (u64)-EBUSY);
	submit_all(d, sqe + 3, 2);
	expect_no_completion(d);
	EXPECT_EQ(cpu_read(mem.addr + 40), 0);
	submit_all(d, sqe + 5, 1);
	EXPECT_EQ(dmirage_in_flight(d), 1);
	cqe = complete(d);
	EXPECT_EQ(cqe.status, bad_first ? DMIRAGE_ST_BAD_LENGTH : DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, bad_first ? 0 : 48);
	EXPECT_EQ(cpu_read(mem.addr + 40), bad_first ? 0 : ~0ull);
	expect_op(d, &other, DMIRAGE_ST_OK);
	/* A chain's first descriptor is no operation to be run. */
	EXPECT_EQ((u64)dmirage_run(d, &sqe[0], NULL, 10), (u64)-EINVAL);
}

/* Chains and single operations, through a small ring many times. */
static void wrap(int entries)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct ktap_random r = { ktap_seed() };
	struct dmirage *d = open_context_rings((unsigned int)entries, 4);
	struct dmirage_sqe sqe[16];
	u64 cookie = 0, got = 0, want[256];
	struct dmirage_cqe cqe;
	unsigned int n, put;
	int ret;

	while (cookie < 200) {
		n = 1 + (unsigned int)ktap_below(&r, (u64)entries);
		fill_chain(sqe, n, mem.addr, cookie + 1, cookie);
		want[cookie] = 8 * n;
		for (put = 0; put < n;) {
			ret = dmirage_submit(d, sqe + put, n - put);
			if (ret > 0) {
				put += (unsigned int)ret;
				continue;
			}
			/* No room: the ones before have to be fetched. */
			ASSERT_EQ((u64)ret, (u64)-EAGAIN);
			ASSERT(got < cookie);
			cqe = complete(d);
			ASSERT_EQ(cqe.status, DMIRAGE_ST_OK);
			ASSERT_EQ(cqe.cookie, got);
			ASSERT_EQ(cqe.result, want[got]);
			got++;
		}
		cookie++;
	}
	for (; got < cookie; got++) {
		cqe = complete(d);
		ASSERT_EQ(cqe.cookie, got);
		ASSERT_EQ(cqe.result, want[got]);
	}
	EXPECT_EQ(cpu_read(mem.addr), cookie);
	EXPECT_EQ(get_counters(d).ops, cookie);
	EXPECT_EQ(dmirage_in_flight(d), 0);
	expect_clean(d);
}

/* The context ends while the device waits for the rest of a chain. */
static void close_open(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe[4];

	(void)arg;
	fill_chain(sqe, 4, mem.addr, ~0ull, 1);
	submit_all(d, sqe, 2);
	await_write(mem.addr + 8);
	EXPECT_EQ(cpu_read(mem.addr + 8), ~0ull);
	dmirage_close(d);
	/* The next owner's first descriptor is not a piece of it. */
	d = open_context();
	dev_write(d, mem.addr, 5);
	EXPECT_EQ(cpu_read(mem.addr), 5);
	EXPECT_EQ(get_counters(d).ops, 1);
	expect_clean(d);
}

/* A chain that waits for its rest is in nobody's way. */
static void open_and_moved(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 2 * PROBE_4K);
	struct dmirage *d = open_context(), *other = open_context();
	struct dmirage_sqe sqe[2];

	(void)arg;
	dmirage_prep_fill(&sqe[0], 1, mem.addr, ~0ull, PROBE_4K);
	dmirage_prep_fill(&sqe[1], 1, mem.addr + PROBE_4K, ~0ull, PROBE_4K);
	dmirage_chain(sqe, 2);
	submit_all(d, sqe, 1);
	await_write(mem.addr + PROBE_4K - 1);
	expect_no_completion(d);
	EXPECT_EQ(mem.addr[0], 0xff);
	move_mem(&mem, 1);
	EXPECT_EQ(get_counters(d).drained, 0);
	dev_write(other, mem.addr, 5);
	EXPECT_EQ(cpu_read(mem.addr), 5);
	submit_all(d, sqe + 1, 1);
	EXPECT_EQ(complete(d).result, 2 * PROBE_4K);
	EXPECT_EQ(mem.addr[2 * PROBE_4K - 1], 0xff);
	EXPECT_EQ(cpu_read(mem.addr), 5);
	expect_clean(d);
	expect_clean(other);
}

/* Chains over memory that is moved back and forth. */
struct mover {
	struct scattered *s;
	atomic_bool stop;
	atomic_uint moves;
};

static void *mover_main(void *arg)
{
	struct mover *m = arg;
	unsigned int i;

	while (!atomic_load(&m->stop)) {
		m->moves++;
		for (i = 0; i < PROBE_KINDS; i++)
			move_mem(&m->s->mem[i], (int)m->moves % 2);
	}
	return NULL;
}

static void moving(int arg)
{
	static struct scattered s;
	static struct mover m;
	struct ktap_random r = { ktap_seed() };
	struct probe_mem flat = get_mem(PROBE_KIND_4K, PROBE_2M);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe[PIECES];
	u64 end = now_ms() + 1200;
	pthread_t thread;
	unsigned int n = 0;
	size_t i, at;
	u8 value;

	(void)arg;
	s = scatter(&r);
	m.s = &s;
	ASSERT(!pthread_create(&thread, NULL, mover_main, &m));
	do {
		/* To the scattered memory, and back to another place. */
		value = (u8)++n;
		memset(flat.addr, value, s.total);
		memset(flat.addr + PROBE_2M / 2, 0, s.total);
		for (i = at = 0; i < PIECES; at += s.piece[i++].len)
			dmirage_prep_copy(&sqe[i], n, s.piece[i].p,
					  flat.addr + at, s.piece[i].len);
		EXPECT_EQ(run_chain(d, sqe, PIECES).result, s.total);
		for (i = at = 0; i < PIECES; at += s.piece[i++].len)
			dmirage_prep_copy(&sqe[i], n,
					  flat.addr + PROBE_2M / 2 + at,
					  s.piece[i].p, s.piece[i].len);
		EXPECT_EQ(run_chain(d, sqe, PIECES).result, s.total);
		for (i = 0; i < s.total; i++)
			ASSERT_EQ(flat.addr[PROBE_2M / 2 + i], value);
		for (i = 0; i < PIECES; i++) {
			ASSERT_EQ(s.piece[i].p[0], value);
			ASSERT_EQ(s.piece[i].p[s.piece[i].len - 1], value);
		}
	} while (now_ms() < end || n < 3 || m.moves < 3);
	atomic_store(&m.stop, true);
	pthread_join(thread, NULL);
	ktap_note("%u rounds, %u moves", n, m.moves);
	expect_clean(d);
}

static const struct ktap_test tests[] = {
	{ "copy-scattered", copies, 0, 0 },
	{ "crc32c-scattered", crcs, 0, 0 },
	{ "fill", fills, 0, 0 },
	{ "touch-read", touches, 0, 0 },
	{ "touch-write", touches, 1, 0 },
	{ "fault-in-middle", fault_in_middle, 0, 0 },
	{ "bad-first", bad_piece, 0, 0 },
	{ "bad-second", bad_piece, 1, 0 },
	{ "bad-last", bad_piece, 3, 0 },
	{ "not-chainable", not_chainable, 0, 0 },
	{ "in-parts", in_parts, 0, 0 },
	{ "in-parts-bad", in_parts, 1, 0 },
	{ "ring-wrap-8", wrap, 8, 0 },
	{ "ring-wrap-16", wrap, 16, 0 },
	{ "open-close", close_open, 0, 0 },
	{ "open-move", open_and_moved, 0, 0 },
	{ "moving", moving, 0, 20 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
