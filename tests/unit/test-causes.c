/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which violations are one cause: userspace/tools/causes.c.
 */
#include <glib.h>
#include <stdbool.h>
#include <string.h>

#include "causes.h"

#define DEV "0000:01:00.0"

static struct dmirage_violation by_watch(void)
{
	return (struct dmirage_violation){
		.kind = DMIRAGE_VIOL_FRAME,
		.strength = DMIRAGE_BY_WATCH,
		.asid = 1,
		.pid = 100,
		.addr = 0x10000,
		.time_ns = 1000,
		.function = "store+0x1/0x9",
		.chain = "store+0x1/0x9\nloop+0x20/0x90\nsyscall+0x3/0x4\n",
	};
}

static struct dmirage_violation by_access(void)
{
	return (struct dmirage_violation){
		.kind = DMIRAGE_VIOL_FRAME,
		.strength = DMIRAGE_BY_ACCESS,
		.opcode = DMIRAGE_OP_COPY,
		.asid = 1,
		.pid = 100,
		.addr = 0x10000,
	};
}

/* Is @b one more of @a, or another cause? */
static void expect(const struct dmirage_violation *a,
		   const struct dmirage_violation *b, bool same)
{
	struct causes c = { 0 };

	g_assert_nonnull(causes_add(&c, DEV, a));
	g_assert_nonnull(causes_add(&c, DEV, b));
	g_assert_cmpuint(c.n, ==, same ? 1 : 2);
	causes_free(&c);
	/* the other way round as well */
	g_assert_nonnull(causes_add(&c, DEV, b));
	g_assert_nonnull(causes_add(&c, DEV, a));
	g_assert_cmpuint(c.n, ==, same ? 1 : 2);
	causes_free(&c);
}

#define EXPECT_OTHER(make, member, value)           \
	do {                                        \
		struct dmirage_violation a_ = make; \
		struct dmirage_violation b_ = a_;   \
                                                    \
		b_.member = (value);                \
		expect(&a_, &b_, false);            \
	} while (0)

static void counted(void)
{
	struct dmirage_violation v = by_watch();
	const struct cause *one = NULL;
	struct causes c = { 0 };
	unsigned int i;

	for (i = 0; i < 512; i++) {
		/* not in order */
		v.addr = 0x10000 + ((i * 5 + 100) % 512) * 4096;
		v.time_ns = 1000 + i;
		v.entry_before = i;
		v.held_age_ns = 7 * i;
		one = causes_add(&c, DEV, &v);
		g_assert_nonnull(one);
		g_assert_cmpuint(one->count, ==, i + 1);
	}
	g_assert_cmpuint(c.n, ==, 1);
	g_assert_true(one == c.list);
	g_assert_cmphex(one->addr_min, ==, 0x10000);
	g_assert_cmphex(one->addr_max, ==, 0x10000 + 511 * 4096);
	g_assert_cmpuint(one->first.time_ns, ==, 1000);
	g_assert_cmpuint(one->time_last, ==, 1511);
	g_assert_cmpuint(one->first.entry_before, ==, 0);
	g_assert_cmpstr(one->dev, ==, DEV);
	causes_free(&c);
	g_assert_cmpuint(c.n, ==, 0);
}

/* What makes another cause, by watch and by others. */
static void apart(void)
{
	EXPECT_OTHER(by_watch(), kind, DMIRAGE_VIOL_ABSENT);
	EXPECT_OTHER(by_watch(), asid, 2);
	EXPECT_OTHER(by_watch(), pid, 101);
	EXPECT_OTHER(by_watch(), strength, DMIRAGE_BY_AUDIT);
	EXPECT_OTHER(by_access(), kind, DMIRAGE_VIOL_WRITE);
	EXPECT_OTHER(by_access(), asid, 2);
	EXPECT_OTHER(by_access(), opcode, DMIRAGE_OP_FILL);
	EXPECT_OTHER(by_access(), access_write, 1);
	EXPECT_OTHER(by_access(), strength, DMIRAGE_BY_AUDIT);
	EXPECT_OTHER(by_access(), holder, DMIRAGE_HELD_TABLE);
}

static void devices(void)
{
	struct dmirage_violation v = by_access();
	struct causes c = { 0 };

	g_assert_cmpuint(causes_add(&c, DEV, &v)->count, ==, 1);
	g_assert_cmpuint(causes_add(&c, "0000:02:00.0", &v)->count, ==, 1);
	g_assert_cmpuint(causes_add(&c, DEV, &v)->count, ==, 2);
	g_assert_cmpuint(c.n, ==, 2);
	causes_free(&c);
}

/* The functions are compared, not the places in them. */
static void chains(void)
{
	static const struct {
		const char *chain;
		bool same;
	} others[] = {
		{ "store+0x1/0x9\nloop+0x20/0x90\nsyscall+0x3/0x4\n", true },
		{ "store+0x5/0x9\nloop+0x48/0x90\nsyscall+0x3/0x4\n", true },
		{ "store+0x1/0x9\nloop+0x20/0x90\n", false },
		{ "store+0x1/0x9\nloop+0x20/0x90\nsyscall+0x3/0x4\nmore+0x1/0x2\n",
		  false },
		{ "store+0x1/0x9\nloo+0x20/0x90\nsyscall+0x3/0x4\n", false },
		{ "store+0x1/0x9\nloops+0x20/0x90\nsyscall+0x3/0x4\n", false },
		{ "store+0x1/0x9\nsyscall+0x3/0x4\nloop+0x20/0x90\n", false },
		{ "", false },
	};
	struct dmirage_violation a = by_watch(), b;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(others); i++) {
		b = by_watch();
		g_strlcpy(b.chain, others[i].chain, sizeof(b.chain));
		expect(&a, &b, others[i].same);
	}
}

/* Without a chain there is the function. */
static void functions(void)
{
	struct dmirage_violation a = by_watch(), b = by_watch();

	a.chain[0] = '\0';
	b.chain[0] = '\0';
	g_strlcpy(b.function, "store+0x7/0x9", sizeof(b.function));
	expect(&a, &b, true);
	g_strlcpy(b.function, "storm+0x1/0x9", sizeof(b.function));
	expect(&a, &b, false);
	b.function[0] = '\0';
	expect(&a, &b, false);
	a.function[0] = '\0';
	expect(&a, &b, true);
}

/* The list grows; each finds its own. */
static void many(void)
{
	struct dmirage_violation v = by_access();
	struct causes c = { 0 };
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		v.asid = i % 100;
		v.addr = i;
		g_assert_cmpuint(causes_add(&c, DEV, &v)->count, ==,
				 i / 100 + 1);
	}
	g_assert_cmpuint(c.n, ==, 100);
	for (i = 0; i < 100; i++) {
		g_assert_cmpuint(c.list[i].first.asid, ==, i);
		g_assert_cmpuint(c.list[i].addr_max, ==, 900 + i);
	}
	causes_free(&c);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/causes/counted", counted);
	g_test_add_func("/causes/apart", apart);
	g_test_add_func("/causes/devices", devices);
	g_test_add_func("/causes/chains", chains);
	g_test_add_func("/causes/functions", functions);
	g_test_add_func("/causes/many", many);
	return g_test_run();
}
