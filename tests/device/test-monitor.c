/* SPDX-License-Identifier: GPL-2.0 */
/* What whoever runs QEMU sees of the device: its monitor, its log, its end. */
#include "device.h"

#include <signal.h>
#include <string.h>

#define VA	0x000e0110000000ull

/* A context with a translation that is stale. */
static struct context open_stale(struct device *d)
{
	struct context c = context_open_checked(d, 7);

	map_new(&c, VA, PAGE_4K, ORDER_4K);
	cpu_map(&c, VA, ram_alloc(d, PAGE_4K), ORDER_4K, X86_RW);
	return c;
}

static bool is_status(struct device *d, const char *status)
{
	char *answer = qtest_qmp_answer(d->q, "{\"execute\":\"query-status\"}\n");
	char *wanted = g_strdup_printf("\"status\": \"%s\"", status);
	bool is = strstr(answer, wanted);

	g_free(wanted);
	g_free(answer);
	return is;
}

static void expect_in(char *text, const char *part)
{
	if (!strstr(text, part))
		g_error("'%s' is not in: %s", part, text);
	g_free(text);
}

/* As always: it is logged, and everything goes on. */
static void test_log(void)
{
	struct device *d = device_open("on-violation=log");
	struct context c = open_stale(d);

	run_ok(&c, op_write(VA, 8, 1));
	expect_in(qtest_log(d->q), "dmirage: violation (another frame): asid 7 va 0xe0110000000");
	g_assert_true(is_status(d, "running"));
	device_close(d);
}

/* The machine is paused; it can be looked at, and goes on. */
static void test_stop(void)
{
	struct device *d = device_open("on-violation=stop");

	for (unsigned int audit = 0; audit < 2; audit++) {
		struct context c = open_stale(d);

		g_assert_true(is_status(d, "running"));
		if (audit)
			audit_send(d, 7, VA, 1, 0);
		else
			submit(&c, op_write(VA, 8, 1));
		qtest_qmp_event(d->q, "STOP");
		g_assert_true(is_status(d, "paused"));
		g_assert_cmpuint(violation_take(d).strength, ==, audit);
		expect_in(qtest_said(d->q), "dmirage: violation (another frame): asid 7");
		expect_in(qtest_said(d->q), "stopping the machine");
		/* Nothing begins meanwhile. */
		submit(&c, op_nop());
		expect_never(counter(&c, DMIRAGE_CNT_OPS) > !audit);
		qtest_qmp_ok(d->q, "{\"execute\":\"cont\"}\n");
		g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
		if (!audit)
			g_assert_cmpuint(cqe_take(&c).status, ==, DMIRAGE_ST_OK);
		context_disable(&c);
	}
	device_close(d);
}

static void test_abort(void)
{
	for (unsigned int audit = 0; audit < 2; audit++) {
		struct device *d = device_open("on-violation=abort");
		struct context c = open_stale(d);

		uint64_t doorbell = d->bar0 + (audit ? IQ(DMIRAGE_Q_TAIL) :
						       DB(7, DMIRAGE_DB_SQ_TAIL));

		put_command(d, audit_cmd(d, 7, VA, 1, 0));
		put_sqe(&c, op_write(VA, 8, 1));
		/* There may be nobody to answer. */
		qtest_send(d->q, "writel 0x%" PRIx64 " 1", doorbell);
		qtest_expect_death(d->q, SIGABRT, "dmirage: violation (another frame): asid 7");
		g_free(d);
	}
}

/* What is true does none of this. */
static void test_no_violation(void)
{
	struct device *d = device_open("on-violation=abort");
	struct context c = context_open_checked(d, 7);

	map_new(&c, VA, PAGE_2M, ORDER_4K);
	run_ok(&c, op_fill(VA, PAGE_2M, 1));
	g_assert_cmpuint(audit_take(d, audit_send(d, 7, 0, ~0ull, 0)).violations, ==, 0);
	device_close(d);
}

/* The IOTLB, as a property. */
static void test_iotlb(void)
{
	static const char get[] = "{\"execute\":\"qom-get\",\"arguments\":{"
				  "\"path\":\"/machine/peripheral/dmirage\","
				  "\"property\":\"iotlb\"}}\n";
	struct device *d = device_open("prefetch=1");
	struct context c = context_open(d, 7);
	char *answer, *wanted;
	uint64_t pa;

	expect_in(qtest_qmp_answer(d->q, get), "{\"return\": []}");
	pa = map_new(&c, VA, PAGE_4K, ORDER_4K);
	mirror_map(&c, VA + PAGE_4K, pa, ORDER_4K, 0);
	map_new(&c, VA + PAGE_2M, PAGE_2M, ORDER_2M);
	run_ok(&c, op_write(VA, 8, 1));
	answer = qtest_qmp_answer(d->q, get);
	wanted = g_strdup_printf("\"va\": %llu", VA);
	g_assert_nonnull(strstr(answer, wanted));
	g_free(wanted);
	wanted = g_strdup_printf("\"pa\": %" PRIu64, pa);
	g_assert_nonnull(strstr(answer, wanted));
	g_free(wanted);
	g_assert_nonnull(strstr(answer, "\"asid\": 7"));
	g_assert_nonnull(strstr(answer, "\"size\": 4096"));
	g_assert_nonnull(strstr(answer, "\"fill-ns\": 1000"));
	g_assert_nonnull(strstr(answer, "\"write\": true"));
	g_assert_nonnull(strstr(answer, "\"write\": false"));
	g_assert_nonnull(strstr(answer, "\"prefetched\": true"));
	g_assert_nonnull(strstr(answer, "\"prefetched\": false"));
	g_assert_null(strstr(answer, "\"size\": 2097152"));
	g_free(answer);
	run_ok(&c, op_write(VA + PAGE_2M, 8, 1));
	expect_in(qtest_qmp_answer(d->q, get), "\"size\": 2097152");
	inv_asid(d, 7);
	expect_in(qtest_qmp_answer(d->q, get), "{\"return\": []}");
	device_close(d);
}

/* It cannot be migrated, and says so. */
static void test_migration(void)
{
	struct device *d = device_open(NULL);
	char *answer = qtest_qmp_answer(d->q, "{\"execute\":\"query-migrate\"}\n");

	expect_in(answer, "\"blocked-reasons\"");
	device_close(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/monitor/log", test_log);
	g_test_add_func("/monitor/stop", test_stop);
	g_test_add_func("/monitor/abort", test_abort);
	g_test_add_func("/monitor/no-violation", test_no_violation);
	g_test_add_func("/monitor/iotlb", test_iotlb);
	g_test_add_func("/monitor/migration", test_migration);
	return g_test_run();
}
