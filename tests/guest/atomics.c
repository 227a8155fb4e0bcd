// SPDX-License-Identifier: GPL-2.0
/*
 * CAS and FETCH_ADD: what one does alone, and that nothing is lost when
 * processors, contexts and the kernel work on the same words.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common.h"

#define ALL_ONES	0xffffffffffffffffull

static u64 mask_of(size_t len)
{
	return len == 4 ? 0xffffffffull : ALL_ONES;
}

/* ---- One alone ----------------------------------------------------------- */

/* Words with guards on both sides, at the borders of pages too. */
static const size_t offsets[] = {
	64,
	72,
	4096 - 8,
	4096,
	PROBE_2M - 8,
	PROBE_2M,
	PROBE_2M + 4096,
};

static void set_word(u8 *p, size_t len, u64 value)
{
	memset(p - 8, 0xa5, 24);
	memcpy(p, &value, len);
}

static void expect_word(const u8 *p, size_t len, u64 value)
{
	u8 should[24];

	memset(should, 0xa5, sizeof(should));
	memcpy(should + 8, &value, len);
	EXPECT(!memcmp(p - 8, should, sizeof(should)));
}

static const struct {
	u64 is, compare, value;
} swaps[] = {
	{ 5, 5, 6 },
	{ 5, 4, 6 },
	{ 0, 0, ALL_ONES },
	{ ALL_ONES, ALL_ONES, 0 },
	{ 1ull << 63, 1ull << 63, 1 },
	{ 0x1122334455667788ull, 0x1122334455667788ull, 0x8877665544332211ull },
	{ 0x1122334455667788ull, 0x1122334455667789ull, 0 },
	/* The lower half is the same. */
	{ 0x1122334455667788ull, 0x0055667788ull, 0x99 },
};

static void one_swap(struct dmirage *d, u8 *p, size_t len, size_t i)
{
	u64 mask = mask_of(len), is = swaps[i].is & mask;
	bool same = is == (swaps[i].compare & mask);
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;

	set_word(p, len, is);
	dmirage_prep_cas(&sqe, i, p, swaps[i].compare, swaps[i].value, len);
	cqe = run_op(d, &sqe);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, is);
	expect_word(p, len, same ? swaps[i].value & mask : is);
}

static const struct {
	u64 is, summand;
} sums[] = {
	{ 1, 2 },
	{ 0, 0 },
	{ ALL_ONES, 1 },
	{ 5, -6ull },
	{ 0x7fffffff, 1 },
	{ 0xffffffff, 1 },
	{ 0x12345678, 1ull << 32 },
	{ 1ull << 63, 1ull << 63 },
};

static void one_sum(struct dmirage *d, u8 *p, size_t len, size_t i)
{
	u64 mask = mask_of(len), is = sums[i].is & mask;
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;

	set_word(p, len, is);
	dmirage_prep_fetch_add(&sqe, i, p, sums[i].summand, len);
	cqe = run_op(d, &sqe);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, is);
	expect_word(p, len, (is + sums[i].summand) & mask);
}

static void alone(int kind)
{
	struct probe_mem mem = get_mem(kind, 2 * PROBE_2M);
	struct dmirage *d = open_context();
	size_t i, o, len;

	for (len = 4; len <= 8; len += 4) {
		for (o = 0; o < ARRAY_SIZE(offsets); o++) {
			for (i = 0; i < ARRAY_SIZE(swaps); i++)
				one_swap(d, mem.addr + offsets[o], len, i);
			for (i = 0; i < ARRAY_SIZE(sums); i++)
				one_sum(d, mem.addr + offsets[o], len, i);
		}
	}
	/* 4 bytes that are not aligned to 8. */
	one_swap(d, mem.addr + 100, 4, 0);
	one_sum(d, mem.addr + 4092, 4, 2);
	expect_clean(d);
}

/* The first access of the device to a page is an atomic one; also a failed CAS. */
static void first_touch(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 2 * PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe;

	(void)arg;
	cpu_write(mem.addr, 5);
	dmirage_prep_cas(&sqe, 1, mem.addr, 4, 6, 8);
	EXPECT_EQ(run_op(d, &sqe).result, 5);
	EXPECT_EQ(cpu_read(mem.addr), 5);
	dmirage_prep_fetch_add(&sqe, 1, mem.addr + PROBE_4K, 7, 8);
	EXPECT_EQ(run_op(d, &sqe).result, 0);
	EXPECT_EQ(cpu_read(mem.addr + PROBE_4K), 7);
	expect_clean(d);
}

static void expect_bad(struct dmirage *d, struct dmirage_sqe sqe,
		       unsigned int status, unsigned int detail, u64 addr)
{
	struct dmirage_cqe cqe = run_op(d, &sqe);

	EXPECT_EQ(cqe.status, status);
	EXPECT_EQ(cqe.detail, detail);
	EXPECT_EQ(cqe.addr, addr);
	EXPECT_EQ(cqe.result, 0);
}

static void errors(int opcode)
{
	static const u64 lengths[] = { 0, 1, 2, 3, 5, 7, 16, 4096,
				       (1ull << 32) + 4, ALL_ONES };
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 3 * PROBE_4K);
	struct dmirage_sqe good = {
		.opcode = (u8)opcode, .cookie = 3, .imm = 9, .len = 8,
	};
	struct dmirage *d = open_context();
	u64 at = (uintptr_t)mem.addr;
	struct dmirage_sqe sqe;
	size_t i;

	good.dst = at;
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		sqe = good;
		sqe.len = lengths[i];
		expect_bad(d, sqe, DMIRAGE_ST_BAD_LENGTH, 0, 0);
	}
	for (i = 1; i < 8; i++) {
		sqe = good;
		sqe.dst = at + i;
		expect_bad(d, sqe, DMIRAGE_ST_BAD_ALIGN, 0, at + i);
		sqe.len = 4;
		if (i % 4)
			expect_bad(d, sqe, DMIRAGE_ST_BAD_ALIGN, 0, at + i);
	}
	sqe = good;
	sqe.flags = DMIRAGE_SQE_CHAIN << 1;
	expect_bad(d, sqe, DMIRAGE_ST_BAD_FIELD, 0, 0);
	sqe = good;
	sqe.reserved2 = 1;
	expect_bad(d, sqe, DMIRAGE_ST_BAD_FIELD, 0, 0);
	if (opcode != DMIRAGE_OP_CAS) {
		sqe = good;
		sqe.compare = 1;
		expect_bad(d, sqe, DMIRAGE_ST_BAD_FIELD, 0, 0);
	}
	sqe = good;
	sqe.dst = 1ull << DMIRAGE_VA_BITS;
	expect_bad(d, sqe, DMIRAGE_ST_BAD_ADDRESS, 0, sqe.dst);

	/* Nothing of this has touched anything. */
	EXPECT_EQ(get_counters(d).faults, 0);
	EXPECT_EQ(cpu_read(mem.addr), 0);

	ASSERT_SYS(mprotect(mem.addr + PROBE_4K, PROBE_4K, PROT_READ));
	ASSERT_SYS(munmap(mem.addr + 2 * PROBE_4K, PROBE_4K));
	sqe = good;
	sqe.dst = at + PROBE_4K;
	expect_bad(d, sqe, DMIRAGE_ST_FAULT, EPERM, sqe.dst);
	sqe.dst = at + 2 * PROBE_4K - 4;
	sqe.len = 4;
	expect_bad(d, sqe, DMIRAGE_ST_FAULT, EPERM, sqe.dst);
	sqe.dst = at + 2 * PROBE_4K;
	expect_bad(d, sqe, DMIRAGE_ST_FAULT, EFAULT, sqe.dst);
	EXPECT_EQ(cpu_read(mem.addr + PROBE_4K), 0);
	/* What the operation has no use for may be anything. */
	sqe = good;
	sqe.src = ALL_ONES;
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	EXPECT_EQ(cpu_read(mem.addr), 9);
	expect_clean(d);
}

/* ---- All at once --------------------------------------------------------- */

#define BATCH	32
#define TEAM_MS	500

/**
 * struct team - processors and contexts that add to one word
 * @word:  4 or 8 bytes
 * @len:   how many
 * @cas:   by compare-and-swap
 * @stop:  all are to come to an end
 * @added: how often they have added 1, all together
 */
struct team {
	u8 *word;
	size_t len;
	bool cas;
	atomic_bool stop;
	_Atomic u64 by_cpu, by_device;
};

static u64 cpu_load(const struct team *t)
{
	return t->len == 4 ? __atomic_load_n((u32 *)t->word, __ATOMIC_SEQ_CST) :
			     __atomic_load_n((u64 *)t->word, __ATOMIC_SEQ_CST);
}

static bool cpu_swap(const struct team *t, u64 old, u64 value)
{
	u64 old8 = old;
	u32 old4 = (u32)old;

	if (t->len == 4)
		return __atomic_compare_exchange_n((u32 *)t->word, &old4,
						   (u32)value, false,
						   __ATOMIC_SEQ_CST,
						   __ATOMIC_SEQ_CST);
	return __atomic_compare_exchange_n((u64 *)t->word, &old8, value, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static void *cpu_main(void *arg)
{
	struct team *t = arg;
	unsigned int i;
	u64 n = 0, is;

	while (!atomic_load(&t->stop)) {
		for (i = 0; i < 64; i++) {
			if (t->cas) {
				is = cpu_load(t);
				n += cpu_swap(t, is, is + 1);
				continue;
			}
			if (t->len == 4)
				__atomic_fetch_add((u32 *)t->word, 1,
						   __ATOMIC_SEQ_CST);
			else
				__atomic_fetch_add((u64 *)t->word, 1,
						   __ATOMIC_SEQ_CST);
			n++;
		}
		/* Let the device's swaps succeed now and then. */
		if (t->cas)
			usleep(20);
		else if (n % 65536 == 0)
			sched_yield();
	}
	atomic_fetch_add(&t->by_cpu, n);
	return NULL;
}

/* The device adds, and what it says was there grows from one to the next. */
static void device_adds(struct team *t, struct dmirage *d)
{
	u64 span = mask_of(t->len), last = 0, n = 0;
	struct dmirage_sqe sqe[BATCH];
	struct dmirage_cqe cqe;
	unsigned int i;

	while (!atomic_load(&t->stop)) {
		for (i = 0; i < BATCH; i++)
			dmirage_prep_fetch_add(&sqe[i], i, t->word, 1, t->len);
		ASSERT_EQ(dmirage_submit(d, sqe, BATCH), BATCH);
		for (i = 0; i < BATCH; i++) {
			ASSERT_OK(dmirage_wait(d, &cqe, OP_TIMEOUT_MS));
			ASSERT_EQ(cqe.status, DMIRAGE_ST_OK);
			if (n)
				EXPECT(((cqe.result - last) & span) - 1 <
				       span / 2);
			last = cqe.result;
			n++;
		}
	}
	atomic_fetch_add(&t->by_device, n);
}

/*
 * The device swaps, as a processor would: look, compute, try.  Of a batch each
 * bets that the ones before it were successful, and nobody else was.
 */
static void device_swaps(struct team *t, struct dmirage *d)
{
	u64 mask = mask_of(t->len), guess = 0, n = 0;
	struct dmirage_sqe sqe[BATCH];
	struct dmirage_cqe cqe;
	unsigned int i;

	while (!atomic_load(&t->stop)) {
		for (i = 0; i < BATCH; i++)
			dmirage_prep_cas(&sqe[i], (guess + i) & mask, t->word,
					 guess + i, guess + i + 1, t->len);
		ASSERT_EQ(dmirage_submit(d, sqe, BATCH), BATCH);
		for (i = 0; i < BATCH; i++) {
			ASSERT_OK(dmirage_wait(d, &cqe, OP_TIMEOUT_MS));
			ASSERT_EQ(cqe.status, DMIRAGE_ST_OK);
			n += cqe.result == cqe.cookie;
		}
		guess = cqe.result + (cqe.result == cqe.cookie);
	}
	atomic_fetch_add(&t->by_device, n);
}

struct member {
	struct team *team;
	struct dmirage *d;
	pthread_t thread;
};

static void *device_main(void *arg)
{
	struct member *m = arg;

	if (m->team->cas)
		device_swaps(m->team, m->d);
	else
		device_adds(m->team, m->d);
	return NULL;
}

/* @move: while it goes on, the memory is moved back and forth. */
static void run_team(struct team *t, const struct probe_mem *mem,
		     unsigned int cpus, unsigned int contexts, bool move)
{
	struct member m[3];
	pthread_t cpu[3];
	unsigned int i, moves = 0;
	u64 end, sum;

	/* 4 bytes wrap around on the way. */
	if (t->len == 4)
		*(u32 *)t->word = 0xfffffff0u;
	else
		cpu_write(t->word, 0xfffffff0u);
	for (i = 0; i < contexts; i++) {
		m[i] = (struct member){ .team = t, .d = open_context() };
		ASSERT(!pthread_create(&m[i].thread, NULL, device_main, &m[i]));
	}
	for (i = 0; i < cpus; i++)
		ASSERT(!pthread_create(&cpu[i], NULL, cpu_main, t));
	end = now_ms() + TEAM_MS * (move ? 2 : 1);
	while (now_ms() < end) {
		if (move)
			move_mem(mem, ++moves % 2);
		else
			sleep_ms(10);
	}
	atomic_store(&t->stop, true);
	for (i = 0; i < contexts; i++)
		pthread_join(m[i].thread, NULL);
	for (i = 0; i < cpus; i++)
		pthread_join(cpu[i], NULL);

	ktap_note("added %llu times by the CPU, %llu times by the device, %u moves",
		  (u64)t->by_cpu, (u64)t->by_device, moves);
	sum = 0xfffffff0ull + t->by_cpu + t->by_device;
	EXPECT_EQ(cpu_load(t), sum & mask_of(t->len));
	EXPECT_GE(t->by_cpu, cpus ? 100 : 0);
	EXPECT_GE(t->by_device, 20);
	if (move)
		EXPECT_GE(moves, 2);
	for (i = 0; i < contexts; i++) {
		expect_clean(m[i].d);
		dmirage_close(m[i].d);
	}
}

/* arg: cas, length, kind, move */
#define TEAM(cas, len, kind, move) ((cas) << 12 | (move) << 11 | (len) << 4 | (kind))

static void with_cpus(int arg)
{
	enum probe_kind kind = arg & 15;
	struct probe_mem mem = get_mem(kind, probe_kind_size(kind));
	struct team t = {
		.word = mem.addr + mem.len - 64,
		.len = arg >> 4 & 15,
		.cas = arg >> 12 & 1,
	};

	run_team(&t, &mem, 2, 1, arg >> 11 & 1);
}

/* Contexts against each other, and a processor. */
static void with_contexts(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct team t = { .word = mem.addr, .len = 8, .cas = arg };

	run_team(&t, &mem, 1, 3, false);
}

/*
 * The device adds to 4 bytes, with a carry out of them each time; the other
 * half of the 8 bytes is a processor's, who does not lock it.
 */
static void *neighbour_main(void *arg)
{
	struct team *t = arg;
	volatile u32 *mine = (u32 *)(t->word + 4);
	u64 n = 0;

	while (!atomic_load(&t->stop)) {
		if (*mine != (u32)n) {
			ktap_fail(__FILE__, __LINE__,
				  "the word beside it is 0x%x and not 0x%x",
				  *mine, (u32)n);
			break;
		}
		*mine = (u32)++n;
		if (n % 65536 == 0)
			sched_yield();
	}
	atomic_fetch_add(&t->by_cpu, n);
	return NULL;
}

static void neighbour(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct team t = { .word = mem.addr, .len = 4 };
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe[BATCH];
	struct dmirage_cqe cqe;
	u64 end = now_ms() + TEAM_MS;
	pthread_t cpu;
	unsigned int i;
	u32 is = 0;

	(void)arg;
	ASSERT(!pthread_create(&cpu, NULL, neighbour_main, &t));
	while (now_ms() < end) {
		for (i = 0; i < BATCH; i++)
			dmirage_prep_fetch_add(&sqe[i], i, t.word, 0xc0000000u,
					       4);
		ASSERT_EQ(dmirage_submit(d, sqe, BATCH), BATCH);
		for (i = 0; i < BATCH; i++) {
			ASSERT_OK(dmirage_wait(d, &cqe, OP_TIMEOUT_MS));
			ASSERT_EQ(cqe.status, DMIRAGE_ST_OK);
			EXPECT_EQ(cqe.result, is);
			is += 0xc0000000u;
		}
		t.by_device += BATCH;
	}
	atomic_store(&t.stop, true);
	pthread_join(cpu, NULL);
	EXPECT_EQ(*(u32 *)t.word, is);
	EXPECT_GE(t.by_cpu, 1000);
	EXPECT_GE(t.by_device, 100);
	expect_clean(d);
}

static const struct ktap_test tests[] = {
	{ "alone-4k", alone, PROBE_KIND_4K, 0 },
	{ "alone-thp", alone, PROBE_KIND_THP, 0 },
	{ "alone-hugetlb", alone, PROBE_KIND_HUGETLB, 0 },
	{ "first-touch", first_touch, 0, 0 },
	{ "cas-errors", errors, DMIRAGE_OP_CAS, 0 },
	{ "fetch-add-errors", errors, DMIRAGE_OP_FETCH_ADD, 0 },
	{ "fetch-add-4-bytes", with_cpus, TEAM(0, 4, PROBE_KIND_4K, 0), 0 },
	{ "fetch-add-8-bytes", with_cpus, TEAM(0, 8, PROBE_KIND_4K, 0), 0 },
	{ "fetch-add-thp", with_cpus, TEAM(0, 8, PROBE_KIND_THP, 0), 0 },
	{ "fetch-add-hugetlb", with_cpus, TEAM(0, 8, PROBE_KIND_HUGETLB, 0), 0 },
	{ "cas-4-bytes", with_cpus, TEAM(1, 4, PROBE_KIND_4K, 0), 0 },
	{ "cas-8-bytes", with_cpus, TEAM(1, 8, PROBE_KIND_4K, 0), 0 },
	{ "fetch-add-moving-4k", with_cpus, TEAM(0, 8, PROBE_KIND_4K, 1), 15 },
	{ "fetch-add-moving-thp", with_cpus, TEAM(0, 8, PROBE_KIND_THP, 1), 15 },
	{ "cas-moving-4k", with_cpus, TEAM(1, 8, PROBE_KIND_4K, 1), 15 },
	{ "fetch-add-contexts", with_contexts, 0, 0 },
	{ "cas-contexts", with_contexts, 1, 0 },
	{ "fetch-add-neighbour", neighbour, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
