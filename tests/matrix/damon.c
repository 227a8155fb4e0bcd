// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <unistd.h>

#include "common.h"
#include "damon.h"

#define ROOT	"/sys/kernel/mm/damon/admin/kdamonds/"
#define CONTEXT "0/contexts/0/"

#define SAMPLE_US "1000"

static void put(const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), ROOT "%s", file);
	ASSERT_EQ(put_text(path, text), 0);
}

static void put_number(const char *file, u64 number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", number);
	put(file, text);
}

void damon_start(const char *ops, u64 start, u64 end)
{
	if (access(ROOT, F_OK))
		SKIP("this kernel has no DAMON");
	/* Of a test that did not come to its end. */
	damon_stop();
	put("nr_kdamonds", "1");
	put("0/contexts/nr_contexts", "1");
	put(CONTEXT "operations", ops);
	put(CONTEXT "monitoring_attrs/intervals/sample_us", SAMPLE_US);
	put(CONTEXT "targets/nr_targets", "1");
	if (ops[0] != 'p')
		put_number(CONTEXT "targets/0/pid_target", (u64)getpid());
	put(CONTEXT "targets/0/regions/nr_regions", "1");
	put_number(CONTEXT "targets/0/regions/0/start", start);
	put_number(CONTEXT "targets/0/regions/0/end", end);
	put("0/state", "on");
}

void damon_stop(void)
{
	put_text(ROOT "0/state", "off");
	put_text(ROOT "nr_kdamonds", "0");
}
