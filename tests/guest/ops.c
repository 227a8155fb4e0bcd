// SPDX-License-Identifier: GPL-2.0
/*
 * Operations: what the device does to memory is what the CPU would have done,
 * and to no byte more.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

#define AREA	(2 * PROBE_2M)
#define GUARD	256

static void scribble(void *p, size_t len, u64 seed)
{
	struct ktap_random r = { seed };
	u64 *w = p;
	size_t i;

	for (i = 0; i < len / 8; i++)
		w[i] = ktap_random(&r);
}

/* Compare [from, to) and a guard around it with what it should be. */
static void expect_same(const u8 *is, const u8 *should, size_t from, size_t to,
			size_t size, const char *what)
{
	size_t i;

	from = from < GUARD ? 0 : from - GUARD;
	to = to + GUARD > size ? size : to + GUARD;
	if (!memcmp(is + from, should + from, to - from))
		return;
	for (i = from; is[i] == should[i]; i++)
		;
	ktap_fail(__FILE__, __LINE__,
		  "%s: byte 0x%zx is 0x%02x and should be 0x%02x", what, i,
		  is[i], should[i]);
}

/* What the settings of copy and fill have in common. */
struct area {
	struct probe_mem src, dst;
	u8 *shadow;		/* what dst should be */
};

static struct area get_area(enum probe_kind kind)
{
	struct area a = {
		.src = get_mem(kind, AREA),
		.dst = get_mem(kind, AREA),
		.shadow = malloc(AREA),
	};

	ASSERT(a.shadow);
	scribble(a.src.addr, AREA, 1);
	scribble(a.dst.addr, AREA, 2);
	memcpy(a.shadow, a.dst.addr, AREA);
	return a;
}

static void one_copy(struct dmirage *d, struct area *a, size_t dst, size_t src,
		     size_t len)
{
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	char what[80];

	snprintf(what, sizeof(what), "copy of %zu bytes, 0x%zx to 0x%zx", len,
		 src, dst);
	dmirage_prep_copy(&sqe, len, a->dst.addr + dst, a->src.addr + src, len);
	cqe = run_op(d, &sqe);
	if (cqe.status != DMIRAGE_ST_OK || cqe.result != len)
		ktap_fail(__FILE__, __LINE__, "%s: %s, result %llu", what,
			  dmirage_status_str(cqe.status), cqe.result);
	memcpy(a->shadow + dst, a->src.addr + src, len);
	expect_same(a->dst.addr, a->shadow, dst, dst + len, AREA, what);
}

/* Offsets and lengths where something begins, ends or crosses. */
static const struct {
	size_t dst, src, len;
} copies[] = {
	{ 5 * PROBE_4K + 77, 300 * PROBE_4K + 5, 100 },	/* first touch */
	{ 0, 0, 1 },
	{ 1, 3, 2 },
	{ 7, 5, 13 },
	{ 4095, 1, 1 },
	{ 4095, 8190, 2 },		/* dst crosses a page */
	{ 16, 4090, 12 },		/* src does */
	{ 4090, 12281, 4097 },		/* both, at other places */
	{ 8192, 4096, 4096 },
	{ PROBE_2M - 1, 77, 2 },	/* dst crosses 2 MiB */
	{ 12345, PROBE_2M - 3, 7 },	/* src does */
	{ PROBE_2M - 4099, PROBE_2M - 8195, 3 * 4096 + 1 },
	{ 64, 128, DMIRAGE_CHUNK },	/* one access or two */
	{ 64, 128, DMIRAGE_CHUNK + 1 },
	{ 3, 1, 3 * DMIRAGE_CHUNK - 1 },
	{ 123, PROBE_2M - 100, PROBE_2M + 50 },
	{ 0, 0, AREA },
};

static void copy(int kind)
{
	struct area a = get_area(kind);
	struct dmirage *d = open_context();
	struct ktap_random r = { ktap_seed() };
	size_t i, len, dst, src;

	for (i = 0; i < ARRAY_SIZE(copies); i++)
		one_copy(d, &a, copies[i].dst, copies[i].src, copies[i].len);
	for (i = 0; i < 60; i++) {
		len = 1 + ktap_below(&r, 1ull << ktap_below(&r, 17));
		dst = ktap_below(&r, AREA - len);
		src = ktap_below(&r, AREA - len);
		one_copy(d, &a, dst, src, len);
	}
	expect_same(a.dst.addr, a.shadow, 0, AREA, AREA, "everything");
	ASSERT_PROBE(probe_mem_verify(&a.src, 0));
	ASSERT_PROBE(probe_mem_verify(&a.dst, 0));
	if (kind == PROBE_KIND_4K)
		EXPECT_EQ(get_counters(d).mapped_2m, 0);
	else
		EXPECT_GE(get_counters(d).mapped_2m, 4);
	expect_clean(d);
}

/* A copy in either direction between small pages and a huge one beside them. */
static void mixed(int arg)
{
	struct probe_page small, huge;
	struct probe_mem mem;
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe;
	u8 *shadow = malloc(AREA);
	const size_t len = 5 * 4096 + 3;
	const size_t at = PROBE_2M - 2 * 4096 - 1;

	(void)arg;
	ASSERT(shadow);
	ASSERT_PROBE(probe_mem_map(&mem, PROBE_KIND_THP, AREA));
	ASSERT_SYS(madvise(mem.addr, PROBE_2M, MADV_NOHUGEPAGE));
	scribble(mem.addr, AREA, 3);
	ASSERT_PROBE(probe_page(mem.addr + at, &small));
	ASSERT_PROBE(probe_page(mem.addr + PROBE_2M, &huge));
	ASSERT(small.present && !small.thp);
	ASSERT(huge.present && huge.thp);

	memcpy(shadow, mem.addr, AREA);
	dmirage_prep_copy(&sqe, 1, mem.addr + at, mem.addr + 100, len);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	memcpy(shadow + at, shadow + 100, len);
	dmirage_prep_copy(&sqe, 2, mem.addr + 3 * 4096 + 1, mem.addr + at, len);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	memcpy(shadow + 3 * 4096 + 1, shadow + at, len);
	expect_same(mem.addr, shadow, 0, AREA, AREA, "small and huge");
	EXPECT_GE(get_counters(d).mapped_4k, 1);
	EXPECT_GE(get_counters(d).mapped_2m, 1);
	expect_clean(d);
}

static void large(int arg)
{
	const size_t len = 16 * PROBE_4K * 256 + 4097, size = 18ul << 20;
	struct probe_mem src = get_mem(PROBE_KIND_THP, size);
	struct probe_mem dst = get_mem(PROBE_KIND_THP, size);
	struct dmirage *d = open_context();
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	size_t i;

	(void)arg;
	for (i = 0; i < size; i += 512)
		cpu_write(src.addr + i, 0x1234500000000ull + i);
	dmirage_prep_copy(&sqe, 16, dst.addr + 4095, src.addr + 1, len);
	cqe = run_op(d, &sqe);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, len);
	EXPECT(!memcmp(dst.addr + 4095, src.addr + 1, len));
	EXPECT_EQ(dst.addr[4094], 0);
	EXPECT_EQ(dst.addr[4095 + len], 0);
	EXPECT_GE(get_counters(d).checks, 2 * (len / 4096));
	expect_clean(d);
}

static void fill(int kind)
{
	const u64 pattern = 0x8877665544332211ull;
	const size_t lens[] = { 1, 2, 3, 7, 8, 9, 15, 16, 4095, 4096, 4097,
				DMIRAGE_CHUNK + 3, PROBE_2M + 5 };
	const size_t offsets[] = { 0, 1, 7, 4089, 4095, PROBE_2M - 3 };
	struct area a = get_area(kind);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe;
	size_t i, k, n;
	char what[80];

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		for (k = 0; k < ARRAY_SIZE(lens); k++) {
			if (offsets[i] + lens[k] > AREA)
				continue;
			snprintf(what, sizeof(what), "fill of %zu at 0x%zx",
				 lens[k], offsets[i]);
			dmirage_prep_fill(&sqe, k, a.dst.addr + offsets[i],
					  pattern + k, lens[k]);
			expect_op(d, &sqe, DMIRAGE_ST_OK);
			for (n = 0; n < lens[k]; n++)
				a.shadow[offsets[i] + n] =
					(u8)((pattern + k) >> n % 8 * 8);
			expect_same(a.dst.addr, a.shadow, offsets[i],
				    offsets[i] + lens[k], AREA, what);
		}
	}
	expect_same(a.dst.addr, a.shadow, 0, AREA, AREA, "everything");
	expect_clean(d);
}

/* Immediates of each length, aligned and not, also across pages. */
static void imm(int kind)
{
	const size_t bases[] = { 0, 4096 - 8, PROBE_2M - 8 };
	const u64 value = 0xf1e2d3c4b5a69788ull;
	struct area a = get_area(kind);
	struct dmirage *d = open_context();
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	size_t b, off, len;
	char what[80];
	u64 should;

	for (b = 0; b < ARRAY_SIZE(bases); b++) {
		for (off = bases[b]; off < bases[b] + 10; off++) {
			for (len = 1; len <= 8; len *= 2) {
				snprintf(what, sizeof(what), "imm of %zu at 0x%zx",
					 len, off);
				dmirage_prep_write_imm(&sqe, off,
						       a.dst.addr + off,
						       value + off, len);
				cqe = run_op(d, &sqe);
				EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
				EXPECT_EQ(cqe.result, len);
				should = value + off;
				memcpy(a.shadow + off, &should, len);
				expect_same(a.dst.addr, a.shadow, off,
					    off + len, AREA, what);

				should = 0;
				memcpy(&should, a.src.addr + off, len);
				dmirage_prep_read_imm(&sqe, off,
						      a.src.addr + off, len);
				cqe = run_op(d, &sqe);
				EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
				EXPECT_EQ(cqe.result, should);
			}
		}
	}
	expect_clean(d);
}

/* ---- CRC-32C ------------------------------------------------------------- */

/* Bit by bit, as the definition says (RFC 3720, B.4). */
static u32 crc32c(const u8 *p, size_t len)
{
	u32 crc = ~0u;
	unsigned int bit;
	size_t i;

	for (i = 0; i < len; i++) {
		crc ^= p[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static u64 dev_crc(struct dmirage *d, const void *p, size_t len)
{
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;

	dmirage_prep_crc32c(&sqe, len, p, len);
	cqe = run_op(d, &sqe);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	return cqe.result;
}

static void crc(int kind)
{
	struct probe_mem mem = get_mem(kind, AREA);
	struct dmirage *d = open_context();
	struct ktap_random r = { ktap_seed() };
	size_t i, at, len;

	/* What the world agrees on. */
	EXPECT_EQ(crc32c((const u8 *)"123456789", 9), 0xe3069283);
	memcpy(mem.addr + 4093, "123456789", 9);
	EXPECT_EQ(dev_crc(d, mem.addr + 4093, 9), 0xe3069283);
	/* 32 zeros. */
	EXPECT_EQ(dev_crc(d, mem.addr + 77, 32), 0x8a9136aa);

	scribble(mem.addr, AREA, 5);
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		at = copies[i].src;
		len = copies[i].len;
		EXPECT_EQ(dev_crc(d, mem.addr + at, len),
			  crc32c(mem.addr + at, len));
	}
	for (i = 0; i < 40; i++) {
		len = 1 + ktap_below(&r, 1ull << ktap_below(&r, 17));
		at = ktap_below(&r, AREA - len);
		EXPECT_EQ(dev_crc(d, mem.addr + at, len),
			  crc32c(mem.addr + at, len));
	}
	expect_clean(d);
}

struct mover {
	struct probe_mem mem;
	atomic_bool stop;
	atomic_uint moves;
};

static void *mover_main(void *arg)
{
	struct mover *m = arg;

	while (!atomic_load(&m->stop))
		move_mem(&m->mem, (int)++m->moves % 2);
	return NULL;
}

/* The memory is moved back and forth meanwhile: its content is the same. */
static void crc_moving(int kind)
{
	static struct mover m;
	struct dmirage *d = open_context();
	u64 end = now_ms() + 1000;
	pthread_t thread;
	unsigned int n = 0;
	u32 should;

	m.mem = get_mem(kind, kind == PROBE_KIND_4K ? 64 * PROBE_4K : PROBE_2M);
	scribble(m.mem.addr, m.mem.len, 6);
	should = crc32c(m.mem.addr, m.mem.len);
	ASSERT(!pthread_create(&thread, NULL, mover_main, &m));
	do {
		EXPECT_EQ(dev_crc(d, m.mem.addr, m.mem.len), should);
		n++;
	} while (now_ms() < end || n < 5 || m.moves < 3);
	atomic_store(&m.stop, true);
	pthread_join(thread, NULL);
	ktap_note("%u sums, %u moves", n, m.moves);
	expect_clean(d);
}

/* ---- Touching ------------------------------------------------------------ */

/* Each page of the range, and none beside it, comes into being. */
static void touch_new(int write)
{
	const size_t from = 3 * PROBE_4K - 1, len = 5 * PROBE_4K + 2;
	struct dmirage *d = open_context();
	struct dmirage_counters c;
	struct probe_page page;
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;
	struct probe_mem mem;
	size_t i;

	ASSERT_PROBE(probe_mem_map(&mem, PROBE_KIND_4K, 16 * PROBE_4K));
	if (write)
		dmirage_prep_touch_write(&sqe, 1, mem.addr + from, len);
	else
		dmirage_prep_touch_read(&sqe, 1, mem.addr + from, len);
	cqe = run_op(d, &sqe);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, len);
	for (i = 0; i < 16; i++) {
		ASSERT_PROBE(probe_page(mem.addr + i * PROBE_4K, &page));
		EXPECT_EQ(page.present, i >= 2 && i <= 8);
		/* The process's own, or the zero page, which has no node. */
		if (page.present)
			EXPECT_EQ(page.node >= 0, write);
	}
	for (i = 0; i < mem.len; i += 8)
		EXPECT_EQ(cpu_read(mem.addr + i), 0);
	c = get_counters(d);
	EXPECT_EQ(write ? c.bytes_written : c.bytes_read, len);
	EXPECT_EQ(write ? c.bytes_read : c.bytes_written, 0);
	expect_clean(d);
}

/* No byte changes. */
static void touch_data(int kind)
{
	struct probe_mem mem = get_mem(kind, AREA);
	struct dmirage *d = open_context();
	u8 *shadow = malloc(AREA);
	struct dmirage_sqe sqe;
	size_t i;

	ASSERT(shadow);
	scribble(mem.addr, AREA, 7);
	memcpy(shadow, mem.addr, AREA);
	for (i = 0; i < ARRAY_SIZE(copies); i++) {
		dmirage_prep_touch_read(&sqe, i, mem.addr + copies[i].src,
					copies[i].len);
		EXPECT_EQ(run_op(d, &sqe).result, copies[i].len);
		dmirage_prep_touch_write(&sqe, i, mem.addr + copies[i].dst,
					 copies[i].len);
		EXPECT_EQ(run_op(d, &sqe).result, copies[i].len);
	}
	expect_same(mem.addr, shadow, 0, AREA, AREA, "everything");
	expect_clean(d);
}

/*
 * After fork() the pages are shared.  A read leaves it at that; a write gives
 * the process copies of its own, of the pages that were touched.
 */
static void touch_cow(int arg)
{
	enum { N = 6 };
	struct probe_mem mem = get_mem(PROBE_KIND_4K, N * PROBE_4K);
	struct dmirage *d = open_context();
	u64 before[N];
	struct dmirage_sqe sqe;
	int go[2], status, i;
	pid_t pid;
	char c;

	(void)arg;
	for (i = 0; i < N; i++) {
		cpu_write(mem.addr + i * PROBE_4K, 100 + i);
		before[i] = frame_of(mem.addr + i * PROBE_4K);
	}
	ASSERT_SYS(pipe(go));
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid) {
		close(go[1]);
		status = read(go[0], &c, 1) != 1;
		for (i = 0; i < N; i++)
			status |= cpu_read(mem.addr + i * PROBE_4K) != 100u + i;
		_exit(status);
	}
	dmirage_prep_touch_read(&sqe, 1, mem.addr, mem.len);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	for (i = 0; i < N; i++)
		EXPECT_EQ(frame_of(mem.addr + i * PROBE_4K), before[i]);
	/* The pages 1 to 4: the first with its last byte only. */
	dmirage_prep_touch_write(&sqe, 1, mem.addr + 2 * PROBE_4K - 1,
				 3 * PROBE_4K);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	for (i = 0; i < N; i++) {
		if (i >= 1 && i <= 4)
			EXPECT_NE(frame_of(mem.addr + i * PROBE_4K), before[i]);
		else
			EXPECT_EQ(frame_of(mem.addr + i * PROBE_4K), before[i]);
		EXPECT_EQ(cpu_read(mem.addr + i * PROBE_4K), 100 + i);
		EXPECT_EQ(dev_read(d, mem.addr + i * PROBE_4K), 100 + i);
	}
	for (i = 1; i <= 4; i++)
		cpu_write(mem.addr + i * PROBE_4K, 0);
	ASSERT_EQ(write(go[1], "g", 1), 1);
	ASSERT_SYS(waitpid(pid, &status, 0));
	EXPECT_EQ(status, 0);
	expect_clean(d);
}

static void touch_refused(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 4 * PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;

	(void)arg;
	cpu_write(mem.addr + 2 * PROBE_4K, 5);
	ASSERT_SYS(mprotect(mem.addr + 2 * PROBE_4K, PROBE_4K, PROT_READ));
	dmirage_prep_touch_write(&sqe, 1, mem.addr + 100, 4 * PROBE_4K - 100);
	cqe = run_op(d, &sqe);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
	EXPECT_EQ(cqe.detail, EPERM);
	EXPECT_EQ(cqe.addr, (uintptr_t)mem.addr + 2 * PROBE_4K);
	EXPECT_EQ(cqe.result, 2 * PROBE_4K - 100);
	dmirage_prep_touch_read(&sqe, 1, mem.addr, mem.len);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	ASSERT_SYS(munmap(mem.addr + 2 * PROBE_4K, PROBE_4K));
	cqe = run_op(d, &sqe);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
	EXPECT_EQ(cqe.detail, EFAULT);
	EXPECT_EQ(cqe.result, 2 * PROBE_4K);
	expect_clean(d);
}

/*
 * The byte that the device touches is one that a processor writes at the same
 * time: what it wrote must be there.
 */
struct writer {
	volatile u8 *byte;
	atomic_bool stop;
	u64 n;
};

static void *writer_main(void *arg)
{
	struct writer *w = arg;
	u8 should = 0;

	while (!atomic_load(&w->stop)) {
		if (*w->byte != should) {
			ktap_fail(__FILE__, __LINE__,
				  "byte 0x%02x became 0x%02x", should,
				  *w->byte);
			break;
		}
		*w->byte = ++should;
		if (++w->n % 65536 == 0)
			sched_yield();
	}
	return NULL;
}

static void touch_racing(int kind)
{
	struct probe_mem mem = get_mem(kind, probe_kind_size(kind));
	struct writer w = { .byte = mem.addr };
	struct dmirage *d = open_context();
	u64 end = now_ms() + 700, touches = 0;
	struct dmirage_sqe sqe[32];
	struct dmirage_cqe cqe;
	pthread_t thread;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sqe); i++)
		dmirage_prep_touch_write(&sqe[i], i, mem.addr, PROBE_4K);
	ASSERT(!pthread_create(&thread, NULL, writer_main, &w));
	while (now_ms() < end) {
		ASSERT_EQ(dmirage_submit(d, sqe, 32), 32);
		for (i = 0; i < ARRAY_SIZE(sqe); i++) {
			ASSERT_OK(dmirage_wait(d, &cqe, OP_TIMEOUT_MS));
			EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
			touches++;
		}
	}
	atomic_store(&w.stop, true);
	pthread_join(thread, NULL);
	ktap_note("%llu writes, %llu touches", w.n, touches);
	EXPECT_GE(w.n, 1000);
	EXPECT_GE(touches, 100);
	expect_clean(d);
}

/* ---- Rings ----------------------------------------------------------------- */

static void nop(int arg)
{
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe;

	(void)arg;
	dmirage_prep_nop(&sqe, 0x123456789abcdef0ull);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	EXPECT_EQ(get_counters(d).ops, 1);
	EXPECT_EQ(get_counters(d).accesses, 0);
}

/* More operations than entries, in several sizes of rings: all, in order. */
static void wrap(int arg)
{
	static const struct {
		unsigned int sq, cq, batch;
	} rings[] = {
		{ 2, 2, 1 }, { 4, 4, 3 }, { 8, 2, 8 }, { 2, 64, 2 },
		{ 64, 64, 7 }, { 1024, 1024, 600 },
	};
	static u64 words[64];
	struct dmirage_sqe sqe[1024];
	struct dmirage_cqe cqe;
	struct dmirage *d;
	unsigned int i, n, sent, got, total;
	int ret;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(rings); i++) {
		d = open_context_rings(rings[i].sq, rings[i].cq);
		total = 5 * rings[i].sq + 13;
		for (sent = got = 0; got < total;) {
			for (n = 0; n < rings[i].batch && sent + n < total; n++)
				dmirage_prep_write_imm(&sqe[n], sent + n,
						       &words[(sent + n) % 64],
						       sent + n, 8);
			ret = dmirage_submit(d, sqe, n);
			ASSERT(ret >= 0 || ret == -EAGAIN);
			if (ret > 0)
				sent += (unsigned int)ret;
			/* One, or all: the rings fill up or run dry. */
			do {
				ASSERT_OK(dmirage_wait(d, &cqe, OP_TIMEOUT_MS));
				EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
				ASSERT_EQ(cqe.cookie, got);
				got++;
			} while (got % 3 && got < sent);
		}
		for (n = total - 64 < total ? total - 64 : 0; n < total; n++)
			EXPECT_EQ(cpu_read(&words[n % 64]), n);
		EXPECT_EQ(dmirage_poll(d, &cqe, 1), 0);
		EXPECT_EQ(get_counters(d).ops, total);
		expect_clean(d);
		dmirage_close(d);
	}
}

/* submit() takes what fits, and says -EAGAIN when nothing does. */
static void full_ring(int arg)
{
	struct dmirage *d = open_context_rings(8, 8);
	struct dmirage_sqe sqe[12];
	struct dmirage_cqe cqe[12];
	unsigned int i;
	int got, n;

	(void)arg;
	for (i = 0; i < 12; i++)
		dmirage_prep_nop(&sqe[i], i);
	EXPECT_EQ(dmirage_submit(d, sqe, 0), 0);
	EXPECT_EQ(dmirage_submit(d, sqe, 12), 8);
	EXPECT_EQ(dmirage_in_flight(d), 8);
	EXPECT_EQ((u64)dmirage_submit(d, sqe + 8, 4), (u64)-EAGAIN);
	EXPECT_EQ((u64)dmirage_run(d, sqe, NULL, 10), (u64)-EAGAIN);
	ASSERT_OK(dmirage_wait(d, &cqe[0], OP_TIMEOUT_MS));
	EXPECT_EQ(dmirage_submit(d, sqe + 8, 4), 1);
	for (got = 1; got < 9; got += n) {
		n = dmirage_poll(d, cqe + got, 12 - (unsigned int)got);
		ASSERT(n >= 0);
		if (!n) {
			ASSERT_OK(dmirage_wait(d, cqe + got, OP_TIMEOUT_MS));
			n = 1;
		}
	}
	for (i = 0; i < 9; i++)
		EXPECT_EQ(cqe[i].cookie, i);
	EXPECT_EQ(dmirage_in_flight(d), 0);
	EXPECT_EQ((u64)dmirage_wait(d, cqe, 0), (u64)-ETIMEDOUT);
}

#define MANY		24
#define OPS_EACH	16

/* Many contexts of one process at work at once, on memory of their own. */
static void many_contexts(int arg)
{
	const size_t part = 3 * PROBE_4K;
	struct probe_mem src = get_mem(PROBE_KIND_4K, MANY * part);
	struct probe_mem dst = get_mem(PROBE_KIND_4K, MANY * part);
	struct dmirage_sqe sqe[OPS_EACH];
	struct dmirage *d[MANY];
	struct dmirage_cqe cqe;
	unsigned int i, k;

	(void)arg;
	scribble(src.addr, src.len, 4);
	for (i = 0; i < MANY; i++)
		d[i] = open_context_rings(OPS_EACH, OPS_EACH);
	for (i = 0; i < MANY; i++) {
		for (k = 0; k < OPS_EACH; k++)
			dmirage_prep_copy(&sqe[k], i << 8 | k,
					  dst.addr + i * part + k * 700 + i,
					  src.addr + i * part + k * 700 + i,
					  700);
		EXPECT_EQ(dmirage_submit(d[i], sqe, OPS_EACH), OPS_EACH);
	}
	for (i = 0; i < MANY; i++) {
		for (k = 0; k < OPS_EACH; k++) {
			ASSERT_OK(dmirage_wait(d[i], &cqe, OP_TIMEOUT_MS));
			EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
			EXPECT_EQ(cqe.cookie, i << 8 | k);
		}
		EXPECT(!memcmp(dst.addr + i * part + i, src.addr + i * part + i,
			       OPS_EACH * 700));
		expect_clean(d[i]);
	}
	for (i = 0; i < MANY; i++)
		dmirage_close(d[i]);
}

static const struct ktap_test tests[] = {
	{ "copy-4k", copy, PROBE_KIND_4K, 0 },
	{ "copy-thp", copy, PROBE_KIND_THP, 0 },
	{ "copy-hugetlb", copy, PROBE_KIND_HUGETLB, 0 },
	{ "copy-4k-and-thp", mixed, 0, 0 },
	{ "copy-16m", large, 0, 0 },
	{ "fill-4k", fill, PROBE_KIND_4K, 0 },
	{ "fill-thp", fill, PROBE_KIND_THP, 0 },
	{ "fill-hugetlb", fill, PROBE_KIND_HUGETLB, 0 },
	{ "imm-4k", imm, PROBE_KIND_4K, 0 },
	{ "imm-thp", imm, PROBE_KIND_THP, 0 },
	{ "crc32c-4k", crc, PROBE_KIND_4K, 0 },
	{ "crc32c-thp", crc, PROBE_KIND_THP, 0 },
	{ "crc32c-hugetlb", crc, PROBE_KIND_HUGETLB, 0 },
	{ "crc32c-moving-4k", crc_moving, PROBE_KIND_4K, 20 },
	{ "crc32c-moving-thp", crc_moving, PROBE_KIND_THP, 20 },
	{ "touch-read-new", touch_new, 0, 0 },
	{ "touch-write-new", touch_new, 1, 0 },
	{ "touch-4k", touch_data, PROBE_KIND_4K, 0 },
	{ "touch-thp", touch_data, PROBE_KIND_THP, 0 },
	{ "touch-hugetlb", touch_data, PROBE_KIND_HUGETLB, 0 },
	{ "touch-cow", touch_cow, 0, 0 },
	{ "touch-refused", touch_refused, 0, 0 },
	{ "touch-racing-4k", touch_racing, PROBE_KIND_4K, 0 },
	{ "touch-racing-thp", touch_racing, PROBE_KIND_THP, 0 },
	{ "nop", nop, 0, 0 },
	{ "ring-wrap", wrap, 0, 0 },
	{ "ring-full", full_ring, 0, 0 },
	{ "many-contexts", many_contexts, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
