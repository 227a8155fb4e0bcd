/* SPDX-License-Identifier: GPL-2.0 */
/* Atomic operations beside CPUs, checksums, touching, and the benchmark's copy. */
#include "device.h"

#include <string.h>

#define VA	0x00c0de00000000ull
#define TOP	(1ull << DMIRAGE_VA_BITS)

/* --- another CPU ---------------------------------------------------------------- */

/* A thread of the test's that works on guest memory until it is told to stop. */
struct cpu {
	GThread *thread;
	bool stop;
	void *at;
	uint64_t count;
};

static void cpu_start(struct cpu *cpu, GThreadFunc func, void *at)
{
	*cpu = (struct cpu){ .at = at };
	cpu->thread = g_thread_new("cpu", func, cpu);
}

static uint64_t cpu_stop(struct cpu *cpu)
{
	__atomic_store_n(&cpu->stop, true, __ATOMIC_RELAXED);
	g_thread_join(cpu->thread);
	return cpu->count;
}

static bool cpu_goes_on(struct cpu *cpu)
{
	return !__atomic_load_n(&cpu->stop, __ATOMIC_RELAXED);
}

static void *add_64(void *opaque)
{
	struct cpu *cpu = opaque;

	for (; cpu_goes_on(cpu); cpu->count++)
		__atomic_fetch_add((uint64_t *)cpu->at, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void *add_32(void *opaque)
{
	struct cpu *cpu = opaque;

	for (; cpu_goes_on(cpu); cpu->count++)
		__atomic_fetch_add((uint32_t *)cpu->at, 1, __ATOMIC_RELAXED);
	return NULL;
}

/* Takes a lock bit, changes the word beside it in two steps, gives it back. */
static void *lock_and_add(void *opaque)
{
	struct cpu *cpu = opaque;
	uint64_t *word = cpu->at;

	while (cpu_goes_on(cpu)) {
		uint64_t none = 0;

		if (!__atomic_compare_exchange_n(&word[0], &none, 1, false, __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			continue;
		__atomic_store_n(&word[1], word[1] + 1, __ATOMIC_RELAXED);
		cpu->count++;
		__atomic_store_n(&word[0], 0, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* All bits or none. */
static void *flip(void *opaque)
{
	struct cpu *cpu = opaque;

	for (; cpu_goes_on(cpu); cpu->count++)
		__atomic_store_n((uint64_t *)cpu->at, cpu->count % 2 ? ~0ull : 0, __ATOMIC_RELAXED);
	return NULL;
}

static void *see_whole(void *opaque)
{
	struct cpu *cpu = opaque;

	for (; cpu_goes_on(cpu); cpu->count++) {
		uint64_t value = __atomic_load_n((uint64_t *)cpu->at, __ATOMIC_RELAXED);

		g_assert_true(value == 0 || value == ~0ull);
	}
	return NULL;
}

/* --- CAS and FETCH_ADD ------------------------------------------------------------ */

static void test_atomics(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 1);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K);

	for (unsigned int len = 4; len <= 8; len += 4) {
		uint64_t mask = ~0ull >> (64 - 8 * len), at = 0x128;
		const uint64_t old = 0x8877665544332211ull;
		uint64_t around = len == 4 ? old & ~mask : 0;

		ram_set64(d, pa + at, old);
		/* Not equal: nothing is written. */
		g_assert_cmphex(run_ok(&c, op_cas(VA + at, len, 1, 99)), ==, old & mask);
		g_assert_cmphex(ram64(d, pa + at), ==, old);
		/* Equal; the bytes beside it stay. */
		g_assert_cmphex(run_ok(&c, op_cas(VA + at, len, old & mask, ~5ull & mask)), ==,
				old & mask);
		g_assert_cmphex(ram64(d, pa + at), ==, around | (~5ull & mask));
		/* Around the end, without a carry. */
		g_assert_cmphex(run_ok(&c, op_add(VA + at, len, 7)), ==, ~5ull & mask);
		g_assert_cmphex(ram64(d, pa + at), ==, around | 1);
		g_assert_cmphex(run_ok(&c, op_add(VA + at, len, ~0ull)), ==, 1);
		g_assert_cmphex(ram64(d, pa + at), ==, around);
		/* At the end of the page. */
		ram_set64(d, pa + PAGE_4K - 8, 0);
		g_assert_cmphex(run_ok(&c, op_add(VA + PAGE_4K - len, len, 1)), ==, 0);
	}
	/* The upper 4 bytes of the last 8, then all of them. */
	g_assert_cmphex(ram64(d, pa + PAGE_4K - 8), ==, 1);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_BYTES_READ), ==, 0);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_BYTES_WRITTEN), ==, 5 * (4 + 8));
	device_close(d);
}

/* They write, even if CAS does not: a page for reading faults, for a write. */
static void test_atomics_need_write(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 2);

	mirror_map(&c, VA, ram_alloc(d, PAGE_4K), ORDER_4K, 0);
	for (unsigned int i = 0; i < 2; i++) {
		struct dmirage_fqe e;

		submit(&c, i ? op_cas(VA, 8, 1, 2) : op_add(VA, 8, 0));
		e = fault_take(d);
		g_assert_cmphex(e.flags, ==, DMIRAGE_FAULT_WRITE | DMIRAGE_FAULT_PRESENT);
		fault_answer(d, &e, 13);
		expect_cqe(&c, DMIRAGE_ST_FAULT, 13, VA, 0);
	}
	device_close(d);
}

/* Contexts and a CPU add to one word: nothing is lost. */
static void atomic_sum(unsigned int len)
{
	enum { CONTEXTS = 3,
	       ROUNDS = 20,
	       BATCH = 500 };
	struct device *d = device_open(NULL);
	struct context c[CONTEXTS];
	uint64_t pa = ram_alloc(d, PAGE_4K), sum;
	struct cpu cpu;

	for (unsigned int i = 0; i < CONTEXTS; i++) {
		c[i] = context_make(d, 10 + i);
		c[i].sq_order = DMIRAGE_RING_ORDER_MAX;
		c[i].cq_order = DMIRAGE_RING_ORDER_MAX;
		context_enable(&c[i]);
		mirror_map(&c[i], VA + i * PAGE_4K, pa, ORDER_4K, DMIRAGE_PTE_WRITE);
	}
	cpu_start(&cpu, len == 8 ? add_64 : add_32, ram(d, pa + 64));
	/* Both are at it. */
	wait_for(ram64(d, pa + 64) > 1000);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int n = 0; n < BATCH; n++)
			for (unsigned int i = 0; i < CONTEXTS; i++)
				put_sqe(&c[i], op_add(VA + i * PAGE_4K + 64, len, i + 1));
		for (unsigned int i = 0; i < CONTEXTS; i++)
			ring(&c[i]);
		for (unsigned int i = 0; i < CONTEXTS; i++) {
			wait_for(counter(&c[i], DMIRAGE_CNT_OPS) == (round + 1) * BATCH);
			c[i].head += BATCH;
			w32(d, DB(c[i].asid, DMIRAGE_DB_CQ_HEAD), c[i].head);
		}
	}
	sum = cpu_stop(&cpu);
	g_assert_cmpuint(sum, >, 1000);
	sum += ROUNDS * BATCH * (1 + 2 + 3);
	g_assert_cmphex(ram64(d, pa + 64), ==, len == 8 ? sum : (uint32_t)sum);
	device_close(d);
}

static void test_add_races(void)
{
	atomic_sum(8);
	atomic_sum(4);
}

/* A lock that the device and a CPU take by compare-and-swap keeps them apart. */
static void test_cas_races(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 3);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K), taken = 0;
	struct cpu cpu;

	cpu_start(&cpu, lock_and_add, ram(d, pa));
	for (unsigned int i = 0; i < 5000 && taken < 300; i++) {
		if (run_ok(&c, op_cas(VA, 8, 0, 2)))
			continue;
		taken++;
		ram_set64(d, pa + 8, ram64(d, pa + 8) + 1);
		/* Nobody else may have taken it. */
		g_assert_cmpuint(run_ok(&c, op_cas(VA, 8, 2, 0)), ==, 2);
	}
	g_assert_cmpuint(taken, >, 10);
	taken += cpu_stop(&cpu);
	g_assert_cmpuint(ram64(d, pa + 8), ==, taken);
	device_close(d);
}

/* Aligned values are never seen in halves, by neither side. */
static void test_whole_values(void)
{
	const unsigned int rounds = 12, batch = 1000;
	struct device *d = device_open(NULL);
	struct context c = context_make(d, 4);
	uint64_t pa;

	c.sq_order = DMIRAGE_RING_ORDER_MAX;
	c.cq_order = DMIRAGE_RING_ORDER_MAX;
	context_enable(&c);
	pa = map_new(&c, VA, PAGE_4K, ORDER_4K);
	for (unsigned int round = 0; round < 2 * rounds; round++) {
		bool write = round % 2;
		struct cpu cpu;

		ram_set64(d, pa + 8, 0);
		cpu_start(&cpu, write ? see_whole : flip, ram(d, pa + 8));
		for (unsigned int i = 0; i < batch; i++)
			put_sqe(&c, write ? op_write(VA + 8, 8, i % 2 ? ~0ull : 0) :
					    op_read(VA + 8, 8));
		ring(&c);
		for (unsigned int i = 0; i < batch; i++) {
			uint64_t value = cqe_take(&c).result;

			g_assert_true(write ? value == 8 : value == 0 || value == ~0ull);
		}
		cpu_stop(&cpu);
	}
	device_close(d);
}

static void test_refused(void)
{
	const struct {
		struct dmirage_sqe sqe;
		enum dmirage_status status;
		uint64_t addr;
	} cases[] = {
		{ op_cas(VA, 0, 0, 0), DMIRAGE_ST_BAD_LENGTH },
		{ op_cas(VA, 1, 0, 0), DMIRAGE_ST_BAD_LENGTH },
		{ op_cas(VA, 2, 0, 0), DMIRAGE_ST_BAD_LENGTH },
		{ op_add(VA, 3, 0), DMIRAGE_ST_BAD_LENGTH },
		{ op_add(VA, 16, 0), DMIRAGE_ST_BAD_LENGTH },
		{ op_cas(VA + 2, 4, 0, 0), DMIRAGE_ST_BAD_ALIGN, VA + 2 },
		{ op_cas(VA + 4, 8, 0, 0), DMIRAGE_ST_BAD_ALIGN, VA + 4 },
		{ op_add(VA + 1, 4, 0), DMIRAGE_ST_BAD_ALIGN, VA + 1 },
		{ op_add(VA + PAGE_4K - 4, 8, 0), DMIRAGE_ST_BAD_ALIGN, VA + PAGE_4K - 4 },
		{ op_cas(TOP, 8, 0, 0), DMIRAGE_ST_BAD_ADDRESS, TOP },
		{ op_add(~7ull, 8, 0), DMIRAGE_ST_BAD_ADDRESS, ~7ull },
		{ { .opcode = DMIRAGE_OP_FETCH_ADD, .dst = VA, .len = 8, .compare = 1 },
		  DMIRAGE_ST_BAD_FIELD },
		{ op_crc(VA, 0), DMIRAGE_ST_BAD_LENGTH },
		{ op_crc(VA, DMIRAGE_LEN_MAX + 1), DMIRAGE_ST_BAD_LENGTH },
		{ op_crc(TOP - 7, 8), DMIRAGE_ST_BAD_ADDRESS, TOP - 7 },
		{ op_touch_read(VA, 0), DMIRAGE_ST_BAD_LENGTH },
		{ op_touch_read(~0ull, 2), DMIRAGE_ST_BAD_ADDRESS, ~0ull },
		{ op_touch_write(VA, DMIRAGE_LEN_MAX + 1), DMIRAGE_ST_BAD_LENGTH },
		{ op_touch_write(TOP, 1), DMIRAGE_ST_BAD_ADDRESS, TOP },
		{ { .opcode = DMIRAGE_OP_CALIBRATE, .len = 64, .imm = 64 }, DMIRAGE_ST_BAD_OPCODE },
		{ { .opcode = DMIRAGE_OP_MAX }, DMIRAGE_ST_BAD_OPCODE },
	};
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 5);

	map_new(&c, VA, 2 * PAGE_4K, ORDER_4K);
	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++)
		run_error(&c, cases[i].sqe, cases[i].status, 0, cases[i].addr, 0);
	/* What has no chains, and ends the chain that it would begin. */
	for (unsigned int op = 0; op < DMIRAGE_OP_CALIBRATE; op++) {
		struct dmirage_sqe sqe = { .opcode = op, .src = VA, .dst = VA + 64, .len = 8 };
		bool has = op == DMIRAGE_OP_COPY || op == DMIRAGE_OP_FILL ||
			   op == DMIRAGE_OP_CRC32C || op == DMIRAGE_OP_TOUCH_READ ||
			   op == DMIRAGE_OP_TOUCH_WRITE;

		put_sqe(&c, chained(sqe));
		put_sqe(&c, sqe);
		ring(&c);
		g_assert_cmpuint(cqe_take(&c).status, ==,
				 has ? DMIRAGE_ST_OK : DMIRAGE_ST_BAD_CHAIN);
	}
	expect_error(d, 0);
	device_close(d);
}

/* --- CRC32C -------------------------------------------------------------------------- */

/* By the definition, a bit at a time. */
static uint32_t crc32c(const uint8_t *p, uint64_t len)
{
	uint32_t crc = ~0u;

	for (; len; len--) {
		crc ^= *p++;
		for (unsigned int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static void test_crc(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 6);
	const uint64_t bytes = 2 * PAGE_2M;
	uint64_t pa = map_new(&c, VA, bytes, ORDER_4K);
	uint8_t *at = ram(d, pa);

	memcpy(at, "123456789", 9);
	g_assert_cmphex(crc32c(at, 9), ==, 0xe3069283);
	g_assert_cmphex(run_ok(&c, op_crc(VA, 9)), ==, 0xe3069283);
	for (uint64_t i = 0; i < bytes; i += 4)
		*(uint32_t *)(at + i) = g_test_rand_int();
	/* Any beginning and length; across pages and chunks. */
	for (unsigned int i = 0; i < 60; i++) {
		uint64_t len = 1 + (uint32_t)g_test_rand_int() % (1u << (1 + i % 19));
		uint64_t from = (uint32_t)g_test_rand_int() % (bytes - len);

		g_assert_cmphex(run_ok(&c, op_crc(VA + from, len)), ==, crc32c(at + from, len));
	}
	/* In a chain, of pieces that are not one after the other. */
	memcpy(at + 5000, "1234", 4);
	memcpy(at + 100, "56", 2);
	memcpy(at + PAGE_2M - 1, "789", 3);
	put_sqe(&c, chained(op_crc(VA + 5000, 4)));
	put_sqe(&c, chained(op_crc(VA + 100, 2)));
	put_sqe(&c, op_crc(VA + PAGE_2M - 1, 3));
	ring(&c);
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 0xe3069283);
	/* The next one begins anew. */
	memcpy(at, "123456789", 9);
	g_assert_cmphex(run_ok(&c, op_crc(VA, 9)), ==, 0xe3069283);
	device_close(d);
}

/* --- TOUCH ------------------------------------------------------------------------------ */

static void test_touch(void)
{
	enum { PAGES = 40 };
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 7);
	uint64_t pa = map_new(&c, VA, PAGES * PAGE_4K, ORDER_4K), len = (PAGES - 1) * PAGE_4K;
	uint8_t *before = g_malloc(PAGES * PAGE_4K);

	for (uint64_t i = 0; i < PAGES * PAGE_4K; i++)
		((uint8_t *)ram(d, pa))[i] = g_test_rand_int();
	memcpy(before, ram(d, pa), PAGES * PAGE_4K);
	g_assert_cmpuint(run_ok(&c, op_touch_read(VA + 5, len)), ==, len);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_BYTES_READ), ==, len);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_BYTES_WRITTEN), ==, 0);
	g_assert_cmpuint(run_ok(&c, op_touch_write(VA + PAGE_4K - 1, len)), ==, len);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_BYTES_WRITTEN), ==, len);
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_IOTLB_MISSES), ==, PAGES);
	g_assert_cmpmem(ram(d, pa), PAGES * PAGE_4K, before, PAGES * PAGE_4K);
	/* Read for reading, write for writing. */
	for (unsigned int write = 0; write < 2; write++) {
		struct dmirage_fqe e;
		uint64_t va = VA + (1 + write) * PAGE_2M;

		submit(&c, write ? op_touch_write(va, 1) : op_touch_read(va, 1));
		e = fault_take(d);
		g_assert_cmphex(e.flags, ==, write ? DMIRAGE_FAULT_WRITE : 0);
		g_assert_cmphex(e.addr, ==, va);
		fault_answer(d, &e, 1);
		expect_cqe(&c, DMIRAGE_ST_FAULT, 1, va, 0);
	}
	g_free(before);
	device_close(d);
}

/* What a CPU writes meanwhile to the byte that is touched is not undone. */
static void test_touch_races(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 8);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K), written;
	struct cpu cpu;

	/* The same page many times. */
	for (uint64_t at = PAGE_4K; at < PAGE_2M; at += PAGE_4K)
		mirror_map(&c, VA + at, pa, ORDER_4K, DMIRAGE_PTE_WRITE);
	for (uint64_t at = PAGE_2M; at < PAGE_1G / 8; at += PAGE_2M)
		ram_set64(d, mirror_entry(&c, VA + at, 2), ram64(d, mirror_entry(&c, VA, 2)));
	cpu_start(&cpu, add_64, ram(d, pa));
	for (unsigned int i = 0; i < 5; i++)
		g_assert_cmpuint(run_ok(&c, op_touch_write(VA, PAGE_1G / 8)), ==, PAGE_1G / 8);
	written = cpu_stop(&cpu);
	g_assert_cmpuint(ram64(d, pa), ==, written);
	device_close(d);
}

/* --- CALIBRATE ---------------------------------------------------------------------------- */

static struct dmirage_sqe op_calibrate(uint64_t dst, uint64_t src, uint64_t len, uint64_t imm,
				       uint64_t compare)
{
	return (struct dmirage_sqe){ .opcode = DMIRAGE_OP_CALIBRATE,
				     .src = src,
				     .dst = dst,
				     .len = len,
				     .imm = imm,
				     .compare = compare };
}

static void test_calibrate(void)
{
	struct device *d = device_open("x-calibrate=on");
	struct context c = context_open(d, 9);
	uint64_t src = ram_alloc(d, PAGE_2M), dst = ram_alloc(d, PAGE_2M);
	const uint64_t shapes[][3] = {
		/* bytes, at a time, in which order */
		{ PAGE_2M, PAGE_4K, 0 },      { PAGE_2M, PAGE_2M, 0 }, { 100000, 64, 0 },
		{ 1, 64, 0 },		      { PAGE_2M, 64, 12345 },  { PAGE_2M, PAGE_4K, 3 },
		{ 64, 64, 1 },
	};
	const struct {
		struct dmirage_sqe sqe;
		enum dmirage_status status;
		uint64_t addr;
	} bad[] = {
		{ op_calibrate(dst, src, 0, 64, 0), DMIRAGE_ST_BAD_LENGTH },
		{ op_calibrate(dst, src, 64, 0, 0), DMIRAGE_ST_BAD_FIELD },
		{ op_calibrate(dst, src, 64, 32, 0), DMIRAGE_ST_BAD_FIELD },
		{ op_calibrate(dst, src, 64, 96, 0), DMIRAGE_ST_BAD_FIELD },
		{ op_calibrate(dst, src, 64, 1ull << 31, 0), DMIRAGE_ST_BAD_FIELD },
		{ op_calibrate(dst, src, 4096, 64, 2), DMIRAGE_ST_BAD_FIELD },
		{ op_calibrate(dst, src, 4095, 64, 3), DMIRAGE_ST_BAD_FIELD },
		{ op_calibrate(dst, src, 64, 128, 3), DMIRAGE_ST_BAD_FIELD },
		{ op_calibrate(dst, ~0ull, 64, 64, 0), DMIRAGE_ST_BAD_ADDRESS, ~0ull },
		{ op_calibrate(~0ull, src, 64, 64, 0), DMIRAGE_ST_BAD_ADDRESS, ~0ull },
		{ op_calibrate(dst, ADDR_MMIO, 64, 64, 0), DMIRAGE_ST_DMA_ERROR, ADDR_MMIO },
		{ op_calibrate(ADDR_NOTHING, src, 64, 64, 0), DMIRAGE_ST_DMA_ERROR, ADDR_NOTHING },
		/* RAM ends half way. */
		{ op_calibrate(dst, RAM_LOW_BYTES - 64, 128, 64, 0), DMIRAGE_ST_DMA_ERROR,
		  RAM_LOW_BYTES },
		{ { .opcode = DMIRAGE_OP_CALIBRATE, .len = 64, .imm = 64, .flags = 1 },
		  DMIRAGE_ST_BAD_CHAIN },
	};

	for (uint64_t i = 0; i < PAGE_2M; i += 8)
		ram_set64(d, src + i, i * 0x9e3779b97f4a7c15ull);
	for (unsigned int i = 0; i < G_N_ELEMENTS(shapes); i++) {
		uint64_t len = shapes[i][0];

		memset(ram(d, dst), 0xee, PAGE_2M);
		g_assert_cmpuint(run_ok(&c, op_calibrate(dst, src, len, shapes[i][1],
							 shapes[i][2])),
				 ==, len);
		g_assert_cmpmem(ram(d, dst), len, ram(d, src), len);
		for (uint64_t at = len; at < PAGE_2M; at++)
			g_assert_cmphex(((uint8_t *)ram(d, dst))[at], ==, 0xee);
	}
	for (unsigned int i = 0; i < G_N_ELEMENTS(bad); i++) {
		if (bad[i].sqe.flags) {
			put_sqe(&c, bad[i].sqe);
			submit(&c, op_nop());
			expect_cqe(&c, bad[i].status, 0, 0, 0);
			continue;
		}
		run_error(&c, bad[i].sqe, bad[i].status, 0, bad[i].addr, 0);
	}
	device_close(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/opcodes/atomics", test_atomics);
	g_test_add_func("/opcodes/atomics-need-write", test_atomics_need_write);
	g_test_add_func("/opcodes/add-races", test_add_races);
	g_test_add_func("/opcodes/cas-races", test_cas_races);
	g_test_add_func("/opcodes/whole-values", test_whole_values);
	g_test_add_func("/opcodes/refused", test_refused);
	g_test_add_func("/opcodes/crc", test_crc);
	g_test_add_func("/opcodes/touch", test_touch);
	g_test_add_func("/opcodes/touch-races", test_touch_races);
	g_test_add_func("/opcodes/calibrate", test_calibrate);
	return g_test_run();
}
