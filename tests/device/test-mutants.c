/* SPDX-License-Identifier: GPL-2.0 */
/* Mutants of the device: off unless asked for, and each does what it says and no more. */
#include "device.h"

#include <string.h>

#define VA	0x003d0700000000ull

/* --- the property --- */

static void qom(struct device *d, const char *verb, const char *value, const char *expected)
{
	char *set = value ? g_strdup_printf(",\"value\":\"%s\"", value) : g_strdup("");
	char *command = g_strdup_printf("{\"execute\":\"%s\",\"arguments\":{"
					"\"path\":\"/machine/peripheral/dmirage\","
					"\"property\":\"x-mutant\"%s}}\n",
					verb, set);
	char *answer = qtest_qmp_answer(d->q, command);

	if (!strstr(answer, expected))
		g_error("'%s' is not in: %s", expected, answer);
	g_free(answer);
	g_free(command);
	g_free(set);
}

static void test_property(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 1);
	unsigned int n;

	qom(d, "qom-get", NULL, "\"none\"");
	g_assert_null(strstr(qtest_log(d->q), "x-mutant"));
	map_new(&c, VA, PAGE_4K, ORDER_4K);
	run_ok(&c, op_write(VA, 8, 1));
	dump(d, &n);
	g_assert_cmpuint(n, ==, 1);
	/* It takes effect at once, empties the caches, and is not silent. */
	qom(d, "qom-set", "drop-flush", "return");
	qom(d, "qom-get", NULL, "\"drop-flush\"");
	dump(d, &n);
	g_assert_cmpuint(n, ==, 0);
	g_assert_nonnull(strstr(qtest_log(d->q), "for tests only"));
	run_ok(&c, op_write(VA, 8, 1));
	qom(d, "qom-set", "none", "return");
	dump(d, &n);
	g_assert_cmpuint(n, ==, 0);
	device_close(d);
}

/* --- bugs of the device --- */

/* Whether a WAIT is answered while a chunk goes on with what was dropped before it. */
static bool answered_early(const char *options)
{
	struct device *d = device_open(options);
	struct context c = context_open(d, 1);
	uint64_t answer;
	bool early;

	map_new(&c, VA, PAGE_4K, ORDER_4K);
	hold_limit(&c, 5000);
	hold(&c, DMIRAGE_HOLD_TRANSLATED | DMIRAGE_HOLD_KEEP);
	submit(&c, op_write(VA, 8, 1));
	hold_await(&c);
	inv_range(d, 1, VA, 1);
	answer = wait_send(d);
	early = ram32(d, answer) == 1;
	hold(&c, DMIRAGE_HOLD_RELEASE);
	cqe_take(&c);
	wait_for(ram32(d, answer) == 1);
	device_close(d);
	return early;
}

static void test_ack_early(void)
{
	g_assert_false(answered_early(NULL));
	g_assert_true(answered_early("x-mutant=ack-early"));
}

/* Is the translation of a page gone after a flush of it? */
static bool flush_drops(struct context *c, unsigned int order)
{
	run_ok(c, op_write(VA, 8, 1));
	g_assert_nonnull(dump_find(c->d, c->asid, VA));
	inv_range(c->d, c->asid, VA, 1ull << order);
	wait_done(c->d);
	return !dump_find(c->d, c->asid, VA);
}

static void test_drop_flush(void)
{
	struct device *d = device_open("x-mutant=drop-flush");
	struct context c = context_open(d, 1);

	map_new(&c, VA, PAGE_4K, ORDER_4K);
	for (unsigned int i = 1; i <= 9; i++)
		g_assert_cmpint(flush_drops(&c, ORDER_4K), ==, i % 3 != 0);
	/* The end of a context is no flush. */
	run_ok(&c, op_write(VA, 8, 1));
	context_disable(&c);
	g_assert_null(dump_find(d, 1, VA));
	device_close(d);
}

static void test_flush_small(void)
{
	struct device *d = device_open("x-mutant=flush-small");

	for (unsigned int i = 0; i < 2; i++) {
		const unsigned int order = i ? ORDER_2M : ORDER_4K;
		struct context c = context_open(d, i);

		map_new(&c, VA, 1ull << order, order);
		g_assert_cmpint(flush_drops(&c, order), ==, order == ORDER_4K);
		context_disable(&c);
		g_assert_null(dump_find(d, i, VA));
	}
	device_close(d);
}

/*
 * A table is replaced by another one, and all of what it maps is flushed: does the device
 * walk the new one?
 */
static bool finds_new_table(const char *options)
{
	struct device *d = device_open(options);
	struct context c = context_open(d, 1);
	uint64_t fresh = ram_alloc(d, PAGE_4K), table = ram_alloc(d, PAGE_4K), entry, value;

	map_new(&c, VA, PAGE_4K, ORDER_4K);
	run_ok(&c, op_write(VA, 8, 1));
	entry = mirror_entry(&c, VA, 2);
	memcpy(ram(d, table), ram(d, ram64(d, entry) & DMIRAGE_PTE_ADDR), PAGE_4K);
	ram_set64(d, entry, (ram64(d, entry) & ~DMIRAGE_PTE_ADDR) | table);
	ram_set64(d, fresh, 2);
	mirror_map(&c, VA, fresh, ORDER_4K, DMIRAGE_PTE_WRITE);
	inv_range(d, 1, VA, PAGE_2M);
	wait_done(d);
	value = run_ok(&c, op_read(VA, 8));
	device_close(d);
	return value == 2;
}

static void test_keep_walk_cache(void)
{
	g_assert_true(finds_new_table(NULL));
	g_assert_false(finds_new_table("x-mutant=keep-walk-cache"));
}

/* What a context reads at an address that another one has used. */
static uint64_t reads(const char *options)
{
	struct device *d = device_open(options);
	struct context a = context_open(d, 0), b = context_open(d, 63);
	uint64_t value;

	map_new(&a, VA, PAGE_4K, ORDER_4K);
	map_new(&b, VA, PAGE_4K, ORDER_4K);
	run_ok(&b, op_write(VA, 8, 2));
	inv_asid(d, 63);
	wait_done(d);
	run_ok(&a, op_write(VA, 8, 1));
	value = run_ok(&b, op_read(VA, 8));
	device_close(d);
	return value;
}

static void test_any_asid(void)
{
	g_assert_cmpuint(reads(NULL), ==, 2);
	g_assert_cmpuint(reads("x-mutant=any-asid"), ==, 1);
}

/* --- an oracle that does not see --- */

enum lie {
	FRAME,
	WRITE,
	LARGE,
	LIES
};

/* How many violations the oracle counts of a write, with what the tables say untrue. */
static uint64_t found(const char *options, enum lie lie)
{
	struct device *d = device_open(options);
	struct context c = context_open_checked(d, 1);
	const unsigned int order = lie == LARGE ? ORDER_2M : ORDER_4K;
	uint64_t at = VA + (lie == LARGE ? 5 * PAGE_4K : 0), pa, n;

	pa = map_new(&c, VA, 1ull << order, order);
	if (lie == LARGE)
		ram_set64(d, cpu_entry(&c, VA, 2), 0);
	for (uint64_t page = 0; page < 1ull << order; page += PAGE_4K)
		cpu_map(&c, VA + page, pa + page, ORDER_4K, X86_RW);
	run_ok(&c, op_write(at, 8, 1));
	g_assert_cmpuint(counter(&c, DMIRAGE_CNT_ORACLE_VIOLATIONS), ==, 0);
	cpu_map(&c, at, lie == WRITE ? pa : ram_alloc(d, PAGE_4K), ORDER_4K,
		lie == WRITE ? X86_RO : X86_RW);
	run_ok(&c, op_write(at, 8, 1));
	n = counter(&c, DMIRAGE_CNT_ORACLE_VIOLATIONS);
	device_close(d);
	return n;
}

static void test_blind(void)
{
	static const char *const blind[LIES] = { "x-mutant=blind-frame", "x-mutant=blind-write",
						 "x-mutant=blind-large" };

	for (unsigned int lie = 0; lie < LIES; lie++) {
		g_assert_cmpuint(found(NULL, lie), ==, 1);
		for (unsigned int i = 0; i < LIES; i++) {
			/* A frame that nobody looks at is none, of a page of any size. */
			bool sees = i != lie && !(lie == LARGE && i == FRAME);

			g_assert_cmpuint(found(blind[i], lie), ==, sees);
		}
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/mutants/property", test_property);
	g_test_add_func("/mutants/ack-early", test_ack_early);
	g_test_add_func("/mutants/drop-flush", test_drop_flush);
	g_test_add_func("/mutants/flush-small", test_flush_small);
	g_test_add_func("/mutants/keep-walk-cache", test_keep_walk_cache);
	g_test_add_func("/mutants/any-asid", test_any_asid);
	g_test_add_func("/mutants/blind", test_blind);
	return g_test_run();
}
