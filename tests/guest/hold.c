// SPDX-License-Identifier: GPL-2.0
/*
 * The device's other hold points: before the page table is read, between two
 * chunks, before the completion, and before a flush is answered.  (TRANSLATED
 * is in order.c, with the gates.)
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "schedule.h"

/* What the file takes and shows. */
static void input(int arg)
{
	static const char *const good[] = {
		"walk",
		"translated",
		"middle",
		"complete",
		"flush",
		"walk-keep",
		"translated-keep",
		"middle-keep",
		"complete-keep",
		"walk translated middle complete flush",
		"translated-keep flush",
	};
	static const char *const bad[] = {
		"flush-keep",
		"-keep",
		"walk-",
		"walk-keep-keep",
		"walk,middle",
		"keep",
		"held",
		"none",
		"walk nonsense",
		"releases",
		"translate",
		"release-keep",
	};
	struct dmirage *d = open_context();
	char text[256];
	size_t i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		arm_hold(d, good[i]);
		EXPECT(file_says(d, "hold", "", "armed"));
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (probe_ctx_write(d, "hold", bad[i]) != -EINVAL)
			ktap_fail(__FILE__, __LINE__, "'%s' is taken", bad[i]);
	}
	/* What was refused has changed nothing. */
	EXPECT(file_says(d, "hold", "armed", good[ARRAY_SIZE(good) - 1]));
	release_hold(d);
	ASSERT_PROBE(probe_ctx_read(d, "hold", text, sizeof(text)));
	EXPECT(!strcmp(text, "none"));
}

/* Each point on the way of one operation, one after the other. */
static void all_points(int arg)
{
	static const char *const points[] = { "walk", "translated", "middle",
					      "complete" };
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 2 * DMIRAGE_CHUNK);
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe;
	char next[32];
	size_t i;

	(void)arg;
	dmirage_prep_fill(&sqe, 7, mem.addr, ~0ull, mem.len);
	arm_hold_long(d, points[0]);
	submit(d, &sqe);
	for (i = 0; i < ARRAY_SIZE(points); i++) {
		wait_held(d);
		expect_no_completion(d);
		EXPECT_EQ(mem.addr[0], i < 2 ? 0 : 0xff);
		EXPECT_EQ(mem.addr[mem.len - 1], i < 3 ? 0 : 0xff);
		snprintf(next, sizeof(next), "release %s",
			 i + 1 < ARRAY_SIZE(points) ? points[i + 1] : "");
		ASSERT_PROBE(probe_ctx_write(d, "hold", next));
	}
	EXPECT_EQ(complete(d).result, mem.len);
	EXPECT(file_says(d, "hold", "", "none"));
	expect_clean(d);
}

/* ---- WALK ---------------------------------------------------------------- */

/*
 * Memory whose translations are in the mirror table and not in the IOTLB: so
 * many others were used since that none is left.
 */
static struct probe_mem evicted(struct dmirage *d)
{
	size_t len = 2ul * get_info(d).iotlb_entries * PROBE_4K;
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct probe_mem others;
	struct dmirage_sqe sqe;
	u64 faults;

	if (len > 256ul << 20)
		SKIP("an IOTLB of %u entries", get_info(d).iotlb_entries);
	others = get_mem(PROBE_KIND_4K, len);
	dev_write(d, mem.addr, 1);
	dmirage_prep_touch_read(&sqe, 1, others.addr, others.len);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	if (in_iotlb(d, mem.addr, NULL))
		SKIP("the IOTLB has kept what was used long ago");
	/* It is in the table: a walk is enough. */
	faults = get_counters(d).faults;
	EXPECT_EQ(dev_read(d, mem.addr), 1);
	ASSERT_EQ(get_counters(d).faults, faults);
	/* And out it goes again. */
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	ASSERT(!in_iotlb(d, mem.addr, NULL));
	return mem;
}

/*
 * The device is about to read the table when the entry is taken out.  There is
 * nothing that the change has to wait for, and the device finds what is there
 * now.
 */
static void walk(int what)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = evicted(d);
	struct dmirage_counters before;
	struct dmirage_cqe cqe;

	before = get_counters(d);
	arm_hold_long(d, "walk");
	submit_write(d, mem.addr + 8, 5);
	wait_held(d);
	if (what == MOVE)
		move_mem(&mem, 1);
	else
		ASSERT_SYS(change(&mem, what));
	EXPECT_GE(get_counters(d).flushes, before.flushes + 1);
	EXPECT_EQ(get_counters(d).drained, before.drained);
	EXPECT(file_says(d, "hold", "", "held"));
	if (what == MOVE || what == DROP)
		cpu_write(mem.addr, 2);
	release_hold(d);
	cqe = complete(d);
	EXPECT_EQ(get_counters(d).faults, before.faults + 1);
	if (what == MOVE || what == DROP) {
		EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
		EXPECT_EQ(cpu_read(mem.addr + 8), 5);
		EXPECT_EQ(dev_read(d, mem.addr), 2);
	} else {
		EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
		EXPECT_EQ(cqe.detail, what == READ_ONLY ? EPERM : EFAULT);
	}
	expect_clean(d);
}

/* Nothing changes: the walk finds its entry, and no fault is needed. */
static void walk_quiet(int arg)
{
	struct dmirage *d = open_context();
	struct probe_mem mem = evicted(d);
	u64 faults = get_counters(d).faults;

	(void)arg;
	arm_hold_long(d, "walk");
	submit_read(d, mem.addr);
	wait_held(d);
	expect_no_completion(d);
	release_hold(d);
	EXPECT_EQ(complete(d).result, 1);
	EXPECT_EQ(get_counters(d).faults, faults);
	/* What is in the IOTLB does not come to this point. */
	arm_hold_long(d, "walk");
	EXPECT_EQ(dev_read(d, mem.addr), 1);
	EXPECT(file_says(d, "hold", "armed", "walk"));
	expect_clean(d);
}

/* ---- MIDDLE -------------------------------------------------------------- */

#define CHUNKS	4
#define LEN	(CHUNKS * (size_t)DMIRAGE_CHUNK)

/* A copy that has stopped between two chunks; returns how far it has come. */
static size_t stop_in_middle(struct dmirage *d, const struct probe_mem *src,
			     const struct probe_mem *dst)
{
	struct dmirage_sqe sqe;
	size_t done, before;

	memset(src->addr, 0x11, src->len);
	/* So that the first chunk finds all of its translations. */
	dmirage_prep_touch_read(&sqe, 1, src->addr, LEN);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	dmirage_prep_touch_write(&sqe, 1, dst->addr, LEN);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	before = get_counters(d).bytes_written;
	dmirage_prep_copy(&sqe, 1, dst->addr, src->addr, LEN);
	arm_hold_long(d, "middle");
	submit(d, &sqe);
	wait_held(d);
	done = get_counters(d).bytes_written - before;
	ASSERT(done > 0 && done <= DMIRAGE_CHUNK);
	EXPECT_EQ(dst->addr[0], 0x11);
	EXPECT_EQ(dst->addr[done - 1], 0x11);
	EXPECT_EQ(dst->addr[done], 0);
	return done;
}

/*
 * Both sides are moved in the middle of the operation.  Nothing is latched, so
 * nobody waits for anybody; and what is still to be done goes to and comes from
 * the new pages.
 */
static void middle_move(int kind)
{
	size_t size = kind == PROBE_KIND_4K ? LEN : PROBE_2M;
	struct probe_mem src = get_mem(kind, size), dst = get_mem(kind, size);
	struct dmirage *d = open_context();
	size_t done = stop_in_middle(d, &src, &dst);
	struct dmirage_cqe cqe;
	size_t i;

	move_mem(&src, 1);
	move_mem(&dst, 1);
	EXPECT_EQ(get_counters(d).drained, 0);
	EXPECT(file_says(d, "hold", "", "held"));
	expect_no_completion(d);
	memset(src.addr, 0x22, LEN);
	release_hold(d);
	cqe = complete(d);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, LEN);
	for (i = 0; i < LEN; i += 64)
		ASSERT_EQ(dst.addr[i], i < done ? 0x11 : 0x22);
	expect_clean(d);
}

/* The rest of the source goes away: what was done is done, and counted. */
static void middle_unmap(int arg)
{
	struct probe_mem src = get_mem(PROBE_KIND_4K, LEN);
	struct probe_mem dst = get_mem(PROBE_KIND_4K, LEN);
	struct dmirage *d = open_context();
	size_t done = stop_in_middle(d, &src, &dst);
	struct dmirage_cqe cqe;

	(void)arg;
	ASSERT_EQ(done % PROBE_4K, 0);
	ASSERT_SYS(munmap(src.addr + done, LEN - done));
	release_hold(d);
	cqe = complete(d);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
	EXPECT_EQ(cqe.detail, EFAULT);
	EXPECT_EQ(cqe.addr, (uintptr_t)src.addr + done);
	EXPECT_EQ(cqe.result, done);
	EXPECT_EQ(dst.addr[done], 0);
	expect_clean(d);
}

/* Between the pieces of a chain it is the same. */
static void middle_chain(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 3 * PROBE_4K);
	struct probe_mem last = mem;
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe[3];
	struct dmirage_cqe cqe;
	u64 drained;
	int i;

	(void)arg;
	dmirage_prep_touch_write(&sqe[0], 1, mem.addr, mem.len);
	expect_op(d, &sqe[0], DMIRAGE_ST_OK);
	for (i = 0; i < 3; i++)
		dmirage_prep_fill(&sqe[i], 1, mem.addr + i * PROBE_4K, ~0ull,
				  PROBE_4K);
	dmirage_chain(sqe, 3);
	drained = get_counters(d).drained;
	arm_hold_long(d, "middle");
	ASSERT_EQ(dmirage_submit(d, sqe, 3), 3);
	wait_held(d);
	EXPECT_EQ(mem.addr[0], 0xff);
	EXPECT_EQ(mem.addr[PROBE_4K], 0);
	last.addr += 2 * PROBE_4K;
	last.len = PROBE_4K;
	move_mem(&last, 1);
	EXPECT_EQ(get_counters(d).drained, drained);
	release_hold(d);
	cqe = complete(d);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, mem.len);
	EXPECT_EQ(mem.addr[PROBE_4K], 0xff);
	EXPECT_EQ(mem.addr[mem.len - 1], 0xff);
	expect_clean(d);
}

/* ---- COMPLETE ------------------------------------------------------------ */

/*
 * The data is there and the completion is not.  The page may go: nothing is
 * latched any more.
 */
static void completing_write(int kind)
{
	struct probe_mem mem = get_mem(kind, probe_kind_size(kind));
	struct dmirage *d = open_context();
	u8 *p = mem.addr + mem.len - 64;
	u64 drained;

	dev_write(d, p, 1);
	drained = get_counters(d).drained;
	arm_hold_long(d, "complete");
	submit_write(d, p, 2);
	wait_held(d);
	expect_no_completion(d);
	EXPECT_EQ(cpu_read(p), 2);
	move_mem(&mem, 1);
	EXPECT_EQ(cpu_read(p), 2);
	EXPECT_EQ(get_counters(d).drained, drained);
	EXPECT(file_says(d, "hold", "", "held"));
	/* Written by the CPU after the device: that stays. */
	cpu_write(p, 3);
	release_hold(d);
	EXPECT_EQ(complete(d).status, DMIRAGE_ST_OK);
	EXPECT_EQ(cpu_read(p), 3);
	EXPECT_EQ(dev_read(d, p), 3);
	expect_clean(d);
}

/* What was read was read: the completion tells the value of then. */
static void completing_read(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_cqe cqe;

	(void)arg;
	cpu_write(mem.addr, 1);
	arm_hold_long(d, "complete");
	submit_read(d, mem.addr);
	wait_held(d);
	cpu_write(mem.addr, 2);
	ASSERT_SYS(munmap(mem.addr, mem.len));
	EXPECT(file_says(d, "hold", "", "held"));
	release_hold(d);
	cqe = complete(d);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, 1);
	expect_clean(d);
}

/* A context that ends with an operation at each of the points. */
static void close_held(int arg)
{
	static const char *const points[] = { "walk", "middle", "complete" };
	struct probe_mem mem = get_mem(PROBE_KIND_4K, LEN);
	struct dmirage_sqe sqe;
	struct dmirage *d;
	u64 begin;

	memset(mem.addr, 0x55, mem.len);
	d = open_context();
	dmirage_prep_fill(&sqe, 1, mem.addr, ~0ull, mem.len);
	arm_hold_long(d, points[arg]);
	submit(d, &sqe);
	wait_held(d);
	begin = now_ms();
	dmirage_close(d);
	EXPECT(now_ms() - begin < 1000);
	EXPECT_EQ(mem.addr[mem.len - 1], arg == 2 ? 0xff : 0x55);
	d = open_context();
	dev_write(d, mem.addr, 2);
	EXPECT_EQ(cpu_read(mem.addr), 2);
	expect_clean(d);
}

/* ---- FLUSH --------------------------------------------------------------- */

/*
 * The device has let go of everything and does not say so: the notifier must
 * not return before it does.  A driver that sends the flush and does not wait
 * for the answer is seen here without any access under way.
 */
static void flush(int what)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct probe_mem other = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	struct changer c;
	u64 flushes;

	dev_write(d, mem.addr, 1);
	dev_write(d, other.addr, 2);
	changer_make(&c, &mem, what);
	flushes = get_counters(d).flushes;
	arm_hold_long(d, "flush");
	changer_start(&c);
	wait_flush_held(d);
	usleep(QUIET_MS * 1000);
	EXPECT(!atomic_load(&c.done));
	EXPECT_EQ(get_counters(d).flushes, flushes);
	EXPECT(file_says(d, "hold", "", "flush-held"));
	/* It is the answer that is stopped, and not the device. */
	EXPECT_EQ(dev_read(d, other.addr), 2);
	EXPECT(!atomic_load(&c.done));
	release_hold(d);
	changer_end(&c);
	EXPECT_EQ(get_counters(d).flushes, flushes + 1);
	EXPECT(file_says(d, "hold", "", "none"));

	if (what == MOVE) {
		ASSERT_PROBE(probe_mem_verify(&mem, 1));
		EXPECT_EQ(dev_read(d, mem.addr), 1);
		cpu_write(mem.addr, 3);
		EXPECT_EQ(dev_read(d, mem.addr), 3);
	} else if (what == DROP) {
		EXPECT_EQ(dev_read(d, mem.addr), 0);
	} else if (what == READ_ONLY) {
		expect_write_fault(d, mem.addr, EPERM);
	} else {
		expect_read_fault(d, mem.addr, EFAULT);
	}
	expect_clean(d);
}

/*
 * An access to the page while the flush is held: the device faults, and the
 * answer has to wait for the notifier.
 */
static void flush_fault(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	struct dmirage_cqe cqe;
	struct changer c;

	(void)arg;
	dev_write(d, mem.addr, 1);
	changer_make(&c, &mem, MOVE);
	arm_hold_long(d, "flush");
	changer_start(&c);
	wait_flush_held(d);
	submit_read(d, mem.addr);
	expect_no_completion(d);
	EXPECT(!atomic_load(&c.done));
	release_hold(d);
	changer_end(&c);
	cqe = complete(d);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, 1);
	ASSERT_PROBE(probe_mem_verify(&mem, 1));
	expect_clean(d);
}

/* At the limit the answer is given all the same. */
static void flush_limit(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	u64 begin;

	(void)arg;
	dev_write(d, mem.addr, 1);
	ASSERT_PROBE(probe_ctx_write(d, "hold_limit_ms", "300"));
	arm_hold(d, "flush");
	begin = now_ms();
	move_mem(&mem, 1);
	EXPECT_GE(now_ms() - begin, 290);
	EXPECT_EQ(dev_read(d, mem.addr), 1);
	expect_clean(d);
}

/*
 * The flush of one context is held, and those of another are not.  Their memory
 * is far apart: where the first one listens, a change has to wait for its lock.
 */
static void flush_others(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context(), *other = open_context();
	struct changer c;
	u64 begin;
	u8 *far;

	(void)arg;
	far = mmap(mem.addr - (2ul << 30), PROBE_4K, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	ASSERT(far != MAP_FAILED);
	dev_write(d, mem.addr, 1);
	dev_write(other, far, 2);
	changer_make(&c, &mem, MOVE);
	arm_hold_long(d, "flush");
	changer_start(&c);
	wait_flush_held(d);
	begin = now_ms();
	ASSERT_SYS(madvise(far, PROBE_4K, MADV_DONTNEED));
	EXPECT_EQ(get_counters(other).flushes, 1);
	EXPECT(now_ms() - begin < 1000);
	EXPECT(!atomic_load(&c.done));
	EXPECT_EQ(dev_read(other, far), 0);
	/* The end of the context is a release. */
	dmirage_close(d);
	changer_end(&c);
	EXPECT_EQ(dev_read(other, mem.addr), 1);
	expect_clean(other);
}

/* An access that is held, and then the answer to the flush that needs it. */
static void flush_and_access(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	struct changer c;

	(void)arg;
	dev_write(d, mem.addr, 1);
	changer_make(&c, &mem, MOVE);
	arm_hold_long(d, "translated flush");
	submit_write(d, mem.addr, 2);
	wait_held(d);
	EXPECT(file_says(d, "hold", "armed", "flush"));
	/* The flush lets the access go on, and is stopped itself. */
	changer_start(&c);
	wait_flush_held(d);
	EXPECT_EQ(complete(d).status, DMIRAGE_ST_OK);
	usleep(QUIET_MS * 1000);
	EXPECT(!atomic_load(&c.done));
	EXPECT_EQ(cpu_read(mem.addr), 2);
	release_hold(d);
	changer_end(&c);
	EXPECT_EQ(cpu_read(mem.addr), 2);
	EXPECT_EQ(get_counters(d).drained, 1);
	expect_clean(d);
}

static const struct ktap_test tests[] = {
	{ "input", input, 0, 0 },
	{ "all-points", all_points, 0, 0 },
	{ "walk-quiet", walk_quiet, 0, 0 },
	{ "walk-move", walk, MOVE, 0 },
	{ "walk-dontneed", walk, DROP, 0 },
	{ "walk-munmap", walk, UNMAP, 0 },
	{ "walk-mprotect", walk, READ_ONLY, 0 },
	{ "middle-move-4k", middle_move, PROBE_KIND_4K, 0 },
	{ "middle-move-thp", middle_move, PROBE_KIND_THP, 0 },
	{ "middle-move-hugetlb", middle_move, PROBE_KIND_HUGETLB, 0 },
	{ "middle-munmap", middle_unmap, 0, 0 },
	{ "middle-chain", middle_chain, 0, 0 },
	{ "complete-write-4k", completing_write, PROBE_KIND_4K, 0 },
	{ "complete-write-thp", completing_write, PROBE_KIND_THP, 0 },
	{ "complete-read-munmap", completing_read, 0, 0 },
	{ "walk-close", close_held, 0, 0 },
	{ "middle-close", close_held, 1, 0 },
	{ "complete-close", close_held, 2, 0 },
	{ "flush-move", flush, MOVE, 0 },
	{ "flush-munmap", flush, UNMAP, 0 },
	{ "flush-dontneed", flush, DROP, 0 },
	{ "flush-mprotect", flush, READ_ONLY, 0 },
	{ "flush-fault", flush_fault, 0, 0 },
	{ "flush-limit", flush_limit, 0, 0 },
	{ "flush-other-context", flush_others, 0, 0 },
	{ "flush-and-access", flush_and_access, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
