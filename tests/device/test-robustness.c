/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What no driver does: rubbish in registers, rings and tables while operations
 * run, and a device that is taken away.  QEMU must go on, and the device must
 * work after a reset.
 */
#include "device.h"

#include <string.h>

#define VA	0x000abad1dea000ull
#define LONG	(128 * PAGE_2M)

static uint32_t pick(uint32_t below)
{
	return (uint32_t)g_test_rand_int() % below;
}

static uint64_t pick64(void)
{
	return (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();
}

/* Reset and set up, and memory for what comes next. */
static void begin_anew(struct device *d)
{
	device_reset(d);
	/* What was written by then may be anywhere. */
	d->free = RAM_HIGH + 0x60000000;
	memset(ram(d, d->free), 0, 16 * PAGE_2M);
	device_setup(d);
}

/* It works: reset, set up, and used with fault, data, command and record. */
static void expect_working(struct device *d)
{
	struct dmirage_fqe e;
	struct context c;
	uint64_t pa, old;
	unsigned int seen, oracle = !!(r64(d, DMIRAGE_REG_CAPS) & DMIRAGE_CAP_ORACLE_ACCESS);

	begin_anew(d);
	expect_error(d, 0);
	for (unsigned int asid = 0; asid < DMIRAGE_CONTEXTS; asid++) {
		c = context_open_checked(d, asid);
		submit(&c, op_write(VA, 8, 0x900d));
		e = fault_take(d);
		g_assert_cmphex(e.asid, ==, asid);
		g_assert_cmphex(e.addr, ==, VA);
		old = map_new(&c, VA, PAGE_4K, ORDER_4K);
		fault_answer(d, &e, DMIRAGE_RESP_RETRY);
		g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
		g_assert_cmphex(ram64(d, old), ==, 0x900d);
		pa = map_new(&c, VA, PAGE_4K, ORDER_4K);
		run_ok(&c, op_write(VA, 8, 0xbad));
		inv_range(d, asid, VA, 1);
		wait_done(d);
		/* By the access; and by audits, if the device makes some. */
		for (seen = 0; violation_ready(d);) {
			struct dmirage_vqe v = violation_take(d);

			g_assert_cmpuint(v.kind, ==, DMIRAGE_VIOL_FRAME);
			seen += v.strength == DMIRAGE_BY_ACCESS;
		}
		g_assert_cmpuint(seen, ==, oracle);
		run_ok(&c, op_write(VA, 8, 0x900d));
		g_assert_cmphex(ram64(d, pa), ==, 0x900d);
		context_disable(&c);
	}
	g_assert_false(violation_ready(d));
	expect_error(d, 0);
}

/* --- rubbish ------------------------------------------------------------------- */

#define PLAYGROUND		RAM_HIGH
#define PLAYGROUND_PAGES	2048

static uint64_t some_page(void)
{
	return PLAYGROUND + pick(PLAYGROUND_PAGES) * PAGE_4K;
}

/* A 64-bit value that may mean something. */
static uint64_t some_value(void)
{
	switch (pick(8)) {
	case 0:
		return pick64();
	case 1:
		return ADDR_MMIO | pick(4096);
	case 2:
		return ADDR_NOTHING;
	case 3:
		return 1ull << pick(64);
	case 4:
		return pick(300);
	case 5:
		return -(uint64_t)pick(300);
	default:
		return some_page();
	}
}

static uint64_t some_entry(void)
{
	switch (pick(8)) {
	case 0:
		return some_value();
	case 1:
		return some_page() | DMIRAGE_PTE_VALID | DMIRAGE_PTE_LEAF | pick(2) << 1;
	case 2:
		return (PLAYGROUND + pick(4) * PAGE_2M) | DMIRAGE_PTE_VALID | DMIRAGE_PTE_LEAF |
		       DMIRAGE_PTE_WRITE;
	case 3:
		return some_page() | DMIRAGE_PTE_VALID | DMIRAGE_PTE_WRITE;
	default:
		return some_page() | DMIRAGE_PTE_VALID;
	}
}

/* Pages that may be tables, descriptors, or commands. */
static void scatter(struct device *d, uint64_t page)
{
	uint64_t *word = ram(d, page);

	switch (pick(4)) {
	case 0:
		for (unsigned int i = 0; i < 512; i += 8) {
			struct dmirage_sqe *sqe = (void *)(word + i);

			*sqe = (struct dmirage_sqe){
				.opcode = pick(DMIRAGE_OP_MAX + 2),
				.flags = pick(8) ? pick(2) : pick(256),
				.cookie = i,
				.src = pick64() >> (7 + pick(57)),
				.dst = pick64() >> (7 + pick(57)),
				.len = pick(2) ? 1u << pick(4) : pick64() >> (34 + pick(30)),
				.imm = pick(4) ? pick64() : 1ull << pick(64),
				.compare = pick(6) ? 0 : pick64(),
			};
		}
		break;
	case 1:
		for (unsigned int i = 0; i < 512; i += 4) {
			struct dmirage_cmd *cmd = (void *)(word + i);

			*cmd = (struct dmirage_cmd){
				.opcode = pick(9),
				.flags = pick(8) ? pick(2) : pick(256),
				.asid = pick(3) ? pick(4) : pick(66),
				.addr = pick(2) ? pick64() >> pick(64) : some_page(),
				.len = pick(2) ? pick64() >> pick(64) : pick(300),
				.status_addr = some_page() + (pick(2) ? 16 * pick(256) :
								       4 * pick(1024)),
			};
		}
		break;
	default:
		for (unsigned int i = 0; i < 512; i++)
			word[i] = some_entry();
	}
}

/* A register, mostly one that there is. */
static uint32_t some_offset(void)
{
	uint32_t asid = pick(pick(2) ? 4 : DMIRAGE_CONTEXTS);

	switch (pick(8)) {
	case 0:
		return pick(DMIRAGE_BAR_SIZE);
	case 1:
		return 8 * pick(16);
	case 2:
	case 3:
		return DMIRAGE_REG_FQ + 4 * pick(28);
	case 4:
		return DB(asid, 4 * pick(4));
	default:
		return CTX(asid, 4 * pick(23));
	}
}

/* How long what is kept at a hold point may keep SYNC_LEN. */
static void limit_holds(struct device *d)
{
	for (unsigned int asid = 0; asid < DMIRAGE_CONTEXTS; asid++)
		w32(d, CTX(asid, DMIRAGE_CTX_HOLD_LIMIT), 3);
}

static void write_something(struct device *d, bool sync)
{
	uint32_t offset = some_offset(), in_page = offset % DMIRAGE_PAGE;
	unsigned int size = 1u << (pick(10) ? 2 + pick(2) : pick(4));
	uint64_t value = some_value();

	if (offset >= DMIRAGE_CTX_BASE && offset < DMIRAGE_DB_BASE) {
		if (in_page == DMIRAGE_CTX_HOLD_LIMIT)
			value &= 7;
		if (in_page == DMIRAGE_CTX_SYNC_LEN && !sync)
			return;
	}
	/* By chance alone the key would never come. */
	if (offset == DMIRAGE_REG_RESET && !pick(20))
		value = DMIRAGE_RESET_KEY;
	reg_write(d, offset, size, value);
	if (value == DMIRAGE_RESET_KEY)
		limit_holds(d);
}

/* A context that may do something: all is well but for what it is pointed to. */
static void enable_something(struct device *d)
{
	uint64_t root = some_page(), sq = some_page();
	/* Also on top of the other ring, or of the table. */
	const uint64_t cq[] = { some_page(), some_page(), sq, root };
	uint32_t asid = pick(4), mode = pick(3) << 4;

	w32(d, CTX(asid, DMIRAGE_CTX_CTL), 0);
	w64(d, CTX(asid, DMIRAGE_CTX_PT_ROOT), root);
	w64(d, CTX(asid, DMIRAGE_CTX_CPU_ROOT), pick(4) ? some_page() : some_value());
	w64(d, CTX(asid, DMIRAGE_CTX_SQ_BASE), sq);
	w64(d, CTX(asid, DMIRAGE_CTX_CQ_BASE), cq[pick(4)]);
	w32(d, CTX(asid, DMIRAGE_CTX_RINGS), (1 + pick(6)) | (1 + pick(6)) << 8);
	/* Where the doorbells below are about right; or on the way round, full or not. */
	w32(d, CTX(asid, DMIRAGE_CTX_SQ_HEAD), pick(4) ? 0 : 0xfffffffe);
	w32(d, CTX(asid, DMIRAGE_CTX_SQ_TAIL), pick(4) ? 0 : pick(3));
	w32(d, CTX(asid, DMIRAGE_CTX_CQ_HEAD), pick(4) ? 0 : 0xfffffffe);
	w32(d, CTX(asid, DMIRAGE_CTX_CQ_TAIL), pick(4) ? 0 : pick(3));
	w32(d, CTX(asid, DMIRAGE_CTX_CTL),
	    DMIRAGE_CTL_ENABLE | mode | DMIRAGE_CTL_PT_LEVELS(4 + pick(2)) |
		    (pick(2) ? DMIRAGE_CTL_ORACLE : 0) | DMIRAGE_CTL_CPU_LEVELS(4 + pick(2)));
}

static void queue_something(struct device *d)
{
	uint32_t q = DMIRAGE_REG_FQ + 0x20 * pick(3);

	w32(d, q + DMIRAGE_Q_CONFIG, 0);
	w64(d, q + DMIRAGE_Q_BASE, pick(5) ? some_page() : some_value());
	w32(d, q + DMIRAGE_Q_CONFIG, DMIRAGE_Q_ENABLE | pick(13));
}

static void do_something(struct device *d, bool sync)
{
	uint32_t asid = pick(4), q = DMIRAGE_REG_FQ + 0x20 * pick(3);

	switch (pick(17)) {
	case 0:
		enable_something(d);
		break;
	case 1:
		queue_something(d);
		break;
	case 2:
	case 3:
	case 4:
		/* As if there were some more. */
		w32(d, DB(asid, DMIRAGE_DB_SQ_TAIL),
		    counter(&(struct context){ .d = d, .asid = asid }, DMIRAGE_CNT_OPS) + pick(8));
		break;
	case 5:
		w32(d, DB(asid, DMIRAGE_DB_CQ_HEAD),
		    counter(&(struct context){ .d = d, .asid = asid }, DMIRAGE_CNT_OPS) -
			    pick(2));
		break;
	case 6:
		w32(d, IQ(DMIRAGE_Q_TAIL), r32(d, IQ(DMIRAGE_Q_HEAD)) + pick(8));
		break;
	case 7:
		w32(d, q + DMIRAGE_Q_HEAD, r32(d, q + DMIRAGE_Q_TAIL));
		break;
	case 8:
		fault_answer(d, &(struct dmirage_fqe){ .asid = asid, .tag = 1 + pick(40) },
			     pick(3) ? 0 : pick(5000));
		break;
	case 9:
		scatter(d, some_page());
		break;
	case 10:
		reg_read(d, some_offset(), 1u << pick(4));
		break;
	case 11:
		w32(d, CTX(asid, DMIRAGE_CTX_HOLD), pick(32) | pick(4) << 30);
		break;
	case 12:
		w64(d, CTX(asid, DMIRAGE_CTX_SYNC_ADDR), some_value());
		if (sync)
			w64(d, CTX(asid, DMIRAGE_CTX_SYNC_LEN), some_value());
		break;
	default:
		write_something(d, sync);
	}
}

/* Everything at any time; SEED= replays what was done, if not when. */
static void test_rubbish(void)
{
	static const struct {
		const char *options;
		bool sync;	/* nothing keeps SYNC_LEN from its end for long */
		unsigned int steps;
	} runs[] = {
		{ "suspect-ms=1,audit-ms=5", true, 8000 },
		{ "suspect-ms=10000", false, 8000 },
		{ "iotlb-entries=4,suspect-ms=1,prefetch=16,walk-cache=2,engines=4", true, 8000 },
		{ "oracle=off,fracture=on,iotlb-replacement=random,x-calibrate=on", true, 8000 },
		{ "suspect-ms=1,engines=0,prefetch=511,fracture=on", true, 2000 },
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(runs); i++) {
		struct device *d = device_open(runs[i].options);

		/* An audit of rubbish finds very much. */
		qtest_log_nothing(d->q);
		limit_holds(d);
		for (unsigned int page = 0; page < PLAYGROUND_PAGES; page++)
			scatter(d, PLAYGROUND + page * PAGE_4K);
		for (unsigned int n = 0; n < runs[i].steps; n++)
			do_something(d, runs[i].sync);
		expect_working(d);
		device_close(d);
	}
}

/* --- tables and rings that lead to themselves ------------------------------------- */

/* A table that is its own only table: each walk ends in it. */
static void test_table_loop(void)
{
	struct device *d = device_open("suspect-ms=1");
	struct context c = context_open_checked(d, 3);
	struct dmirage_fqe e;

	for (unsigned int i = 0; i < 512; i++) {
		ram_set64(d, c.pt_root + 8 * i, c.pt_root | DMIRAGE_PTE_VALID);
		ram_set64(d, c.cpu_root + 8 * i, c.cpu_root | X86_RW);
	}
	g_assert_cmphex(run_ok(&c, op_read(VA, 8)), ==, c.pt_root | DMIRAGE_PTE_VALID);
	g_assert_cmphex(violation_take(d).cpu_addr, ==, c.cpu_root);
	submit(&c, op_write(VA, 8, 0));
	e = fault_take(d);
	fault_answer(d, &e, 1);
	g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_FAULT);
	expect_working(d);
	device_close(d);
}

/* Operations that write to their own table, ring, and queue. */
static void test_own_memory(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 4);
	const uint64_t own[] = { c.pt_root, c.sq, c.cq, d->fq.base, d->vq.base, d->iq.base };

	for (unsigned int i = 0; i < G_N_ELEMENTS(own); i++)
		mirror_map(&c, VA + i * PAGE_4K, own[i], ORDER_4K, DMIRAGE_PTE_WRITE);
	for (unsigned int i = G_N_ELEMENTS(own); i-- > 0;)
		submit(&c, op_fill(VA + i * PAGE_4K, PAGE_4K, pick64()));
	/* It comes to some end: a fault, a completion, a table that is malformed. */
	wait_for(counter(&c, DMIRAGE_CNT_BYTES_WRITTEN) >= 3 * PAGE_4K || ctx_status(&c));
	expect_working(d);
	/* Both rings in one place: what it writes is what it reads next. */
	c = context_make(d, 5);
	c.cq = c.sq;
	context_enable(&c);
	for (unsigned int i = 0; i < 64; i++)
		put_sqe(&c, op_nop());
	ring(&c);
	wait_for(counter(&c, DMIRAGE_CNT_OPS) == 64);
	expect_working(d);
	device_close(d);
}

/* Queues, rings and tables of one context in one page. */
static void test_one_page(void)
{
	struct device *d = device_open("suspect-ms=1");
	struct context c = context_make(d, 6);
	uint64_t page = ram_alloc(d, PAGE_4K);

	for (unsigned int i = 0; i < 3; i++) {
		w32(d, DMIRAGE_REG_FQ + 0x20 * i + DMIRAGE_Q_CONFIG, 0);
		w64(d, DMIRAGE_REG_FQ + 0x20 * i + DMIRAGE_Q_BASE, page);
		w32(d, DMIRAGE_REG_FQ + 0x20 * i + DMIRAGE_Q_CONFIG, DMIRAGE_Q_ENABLE | 5);
	}
	c.pt_root = page;
	c.cpu_root = page;
	c.sq = page;
	c.cq = page;
	c.ctl |= DMIRAGE_CTL_ORACLE | DMIRAGE_CTL_CPU_LEVELS(5);
	context_enable(&c);
	for (unsigned int i = 0; i < 512; i++)
		ram_set64(d, page + 8 * i, page | DMIRAGE_PTE_VALID | DMIRAGE_PTE_WRITE * (i % 2));
	for (unsigned int i = 0; i < 64; i++) {
		w32(d, DB(6, DMIRAGE_DB_SQ_TAIL), i);
		w32(d, IQ(DMIRAGE_Q_TAIL), i);
	}
	expect_working(d);
	device_close(d);
}

/* --- taken away --------------------------------------------------------------------- */

enum { BUSY_CONTEXTS = 4 };

/*
 * Long operations, a fault, a held access, one in doubt, an open WAIT, one that
 * is held, and audits: one in doubt and others behind it.
 */
static void put_load(struct device *d)
{
	struct context c[BUSY_CONTEXTS], faulting, held, doubtful, flushed, audited;
	uint64_t pa;

	for (unsigned int i = 0; i < BUSY_CONTEXTS; i++) {
		c[i] = context_open(d, i);
		pa = ram_alloc(d, PAGE_2M);
		for (uint64_t at = 0; at < LONG; at += PAGE_2M)
			mirror_map(&c[i], VA / LONG * LONG + at, pa, ORDER_2M, DMIRAGE_PTE_WRITE);
		for (unsigned int n = 0; n < 50; n++)
			put_sqe(&c[i], op_fill(VA / LONG * LONG, LONG, n));
	}
	faulting = context_open(d, 10);
	submit(&faulting, op_read(VA, 8));
	fault_take(d);
	held = context_open(d, 11);
	map_new(&held, VA, PAGE_4K, ORDER_4K);
	w32(d, CTX(11, DMIRAGE_CTX_HOLD_LIMIT), DMIRAGE_HOLD_LIMIT_MAX);
	w32(d, CTX(11, DMIRAGE_CTX_HOLD), DMIRAGE_HOLD_TRANSLATED | DMIRAGE_HOLD_KEEP);
	submit(&held, op_write(VA, 8, 1));
	wait_for(ctx_status(&held) == DMIRAGE_CTX_HELD);
	inv_asid(d, 11);
	wait_send(d);
	for (unsigned int i = 0; i < BUSY_CONTEXTS; i++)
		ring(&c[i]);
	wait_for(ram64(d, pa + 8) || counter(&c[0], DMIRAGE_CNT_ACCESSES));
	flushed = context_open(d, 13);
	w32(d, CTX(13, DMIRAGE_CTX_HOLD_LIMIT), DMIRAGE_HOLD_LIMIT_MAX);
	w32(d, CTX(13, DMIRAGE_CTX_HOLD), DMIRAGE_HOLD_FLUSH);
	inv_asid(d, 13);
	wait_send(d);
	g_assert_cmphex(ctx_status(&flushed), ==, DMIRAGE_CTX_FLUSH_HELD);
	audited = context_open_checked(d, 14);
	map_new(&audited, VA, 64 * PAGE_4K, ORDER_4K);
	cpu_map(&audited, VA, 0, ORDER_4K, 0);
	for (unsigned int i = 0; i < 5; i++)
		audit_send(d, 14, 0, ~0ull, 0);
	wait_for(ctx_status(&audited) & DMIRAGE_CTX_BUSY);
	doubtful = context_open_checked(d, 12);
	map_new(&doubtful, VA, PAGE_4K, ORDER_4K);
	cpu_map(&doubtful, VA, 0, ORDER_4K, 0);
	submit(&doubtful, op_write(VA, 8, 1));
}

/* By the slot's registers, as a guest does it, and put back; some times. */
static void test_unplug(void)
{
	/* What is in doubt without engines keeps who rang the doorbell. */
	static const char *const again[] = {
		"", ",\"suspect-ms\":10000,\"engines\":4", ",\"suspect-ms\":200,\"engines\":0",
		",\"suspect-ms\":10000,\"audit-ms\":1,\"engines\":16"
	};
	struct device *d = device_open_port("suspect-ms=10000");

	for (unsigned int i = 0; i < 5; i++) {
		device_setup(d);
		put_load(d);
		g_usleep(i * 500);
		device_unplug(d);
		g_assert_cmphex(pci_read(d, d->config, 0), ==, 0xffffffff);
		/* Writes to where it was go nowhere. */
		w32(d, DMIRAGE_REG_RESET, DMIRAGE_RESET_KEY);
		device_replug(d, again[(i + 1) % G_N_ELEMENTS(again)]);
		g_assert_cmphex(r32(d, DMIRAGE_REG_ID), ==, DMIRAGE_ID);
		expect_working(d);
	}
	device_close(d);
}

/*
 * While the engine sends interrupts, one for each chunk: who waits for the engine has
 * what it needs for that.  The queue has room for all records of the operation.
 */
static void put_interrupts(struct device *d)
{
	struct context c = context_open_checked(d, 0);
	uint64_t va = VA / LONG * LONG, pa = ram_alloc(d, PAGE_2M), other = ram_alloc(d, PAGE_2M);

	d->vq = queue_open(d, DMIRAGE_REG_VQ, 12);
	for (uint64_t at = 0; at < LONG; at += PAGE_2M) {
		mirror_map(&c, va + at, pa, ORDER_2M, DMIRAGE_PTE_WRITE);
		cpu_map(&c, va + at, other, ORDER_2M, X86_RW);
	}
	submit(&c, op_fill(va, LONG, 1));
	wait_for(ram32(d, d->irq + 4 * DMIRAGE_VEC_VIOLATION) == 1);
}

static void test_interrupts(void)
{
	struct device *d = device_open_port(NULL);

	for (unsigned int i = 0; i < 12; i++) {
		begin_anew(d);
		put_interrupts(d);
		if (i % 4) {
			qtest_qmp_ok(d->q, "{\"execute\":\"stop\"}\n");
			g_assert_cmphex(r32(d, DMIRAGE_REG_STATUS), ==, 0);
			qtest_qmp_ok(d->q, "{\"execute\":\"cont\"}\n");
		} else {
			device_unplug(d);
			device_replug(d, "");
		}
		expect_working(d);
	}
	device_close(d);
}

static void test_reset_under_load(void)
{
	struct device *d = device_open("suspect-ms=10000,engines=2");

	for (unsigned int i = 0; i < 5; i++) {
		put_load(d);
		g_usleep(i * 300);
		if (i % 2) {
			qtest_qmp_ok(d->q, "{\"execute\":\"system_reset\"}\n");
			qtest_qmp_event(d->q, "RESET");
			device_place(d);
		}
		expect_working(d);
	}
	device_close(d);
}

static void test_stop_under_load(void)
{
	struct device *d = device_open("suspect-ms=10000");

	put_load(d);
	for (unsigned int i = 0; i < 20; i++) {
		qtest_qmp_ok(d->q, "{\"execute\":\"stop\"}\n");
		g_assert_cmphex(r32(d, DMIRAGE_REG_STATUS), ==, 0);
		qtest_qmp_ok(d->q, "{\"execute\":\"cont\"}\n");
		g_usleep(i * 50);
	}
	expect_working(d);
	device_close(d);
}

/* QEMU ends in the middle of it. */
static void test_quit_under_load(void)
{
	static const char *const options[] = { "suspect-ms=10000", "suspect-ms=10000,engines=4",
					       "suspect-ms=200,engines=0", "suspect-ms=10000" };

	for (unsigned int i = 0; i < G_N_ELEMENTS(options); i++) {
		struct device *d = device_open(options[i]);

		put_load(d);
		g_usleep(i * 200);
		device_close(d);
	}
}

/* --- the log --------------------------------------------------------------------------- */

static void expect_logged(struct device *d, const char *text)
{
	char *log = qtest_log(d->q);

	if (!strstr(log, text))
		g_error("QEMU does not log '%s' but:\n%s", text, log);
	g_free(log);
}

/* What software does wrong is said with -d guest_errors. */
static void test_log(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 7);

	r32(d, 0x48);
	expect_logged(d, "dmirage: read of 4 bytes at 0x48: no such register");
	reg_write(d, 0x14, 2, 5);
	expect_logged(d, "dmirage: write of 2 bytes at 0x14: no such register");
	w32(d, DMIRAGE_REG_RESET, 0x77);
	expect_logged(d, "dmirage: value 0x77 refused at 0x2c");
	w32(d, CTX(7, DMIRAGE_CTX_CTL), 0x10001);
	expect_logged(d, "dmirage: context 7: CTL 0x10001 refused");
	w32(d, DB(7, DMIRAGE_DB_SQ_TAIL), 12345);
	expect_logged(d, "dmirage: context 7: doorbell 0x0 = 12345 refused");
	w64(d, DMIRAGE_REG_FAULT_RESP, 0x1234ffff);
	expect_logged(d, "dmirage: fault response 0x000000001234ffff");
	command(d, (struct dmirage_cmd){ .opcode = 99 });
	expect_logged(d, "dmirage: malformed command: opcode 99");
	w32(d, IQ(DMIRAGE_Q_CONFIG), 0);
	w64(d, IQ(DMIRAGE_Q_BASE), ADDR_NOTHING);
	w32(d, IQ(DMIRAGE_Q_CONFIG), DMIRAGE_Q_ENABLE);
	w32(d, IQ(DMIRAGE_Q_TAIL), 1);
	expect_logged(d, "dmirage: no memory behind the queue at 0x7000000000");
	g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_DOORBELL);
	device_close(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/robustness/rubbish", test_rubbish);
	g_test_add_func("/robustness/table-loop", test_table_loop);
	g_test_add_func("/robustness/own-memory", test_own_memory);
	g_test_add_func("/robustness/one-page", test_one_page);
	g_test_add_func("/robustness/unplug", test_unplug);
	g_test_add_func("/robustness/interrupts", test_interrupts);
	g_test_add_func("/robustness/reset-under-load", test_reset_under_load);
	g_test_add_func("/robustness/stop-under-load", test_stop_under_load);
	g_test_add_func("/robustness/quit-under-load", test_quit_under_load);
	g_test_add_func("/robustness/log", test_log);
	return g_test_run();
}
