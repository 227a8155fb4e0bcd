// SPDX-License-Identifier: GPL-2.0
/*
 * Recording of notifier sites (tests/matrix/sites.h): it begins and ends without a trace,
 * however the last one has ended.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common.h"
#include "sites.h"

#define PROBES	 "/sys/kernel/tracing/kprobe_events"
#define INSTANCE "/sys/kernel/tracing/instances/dmirage_sites"

static void start(void)
{
	if (sites_start()) {
		ktap_note("%s", sites_why());
		ASSERT(!"sites_start()");
	}
}

static bool file_has(const char *path, const char *text)
{
	char line[512];
	bool found = false;
	FILE *f = fopen(path, "re");

	ASSERT(f);
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, text);
	fclose(f);
	return found;
}

/* Whoever recorded is killed; the next one begins as if nothing had been. */
static void left_behind(int arg)
{
	int told[2];
	pid_t pid;
	char c;

	(void)arg;
	ASSERT_SYS(pipe(told));
	pid = fork();
	ASSERT_SYS(pid);
	if (!pid) {
		start();
		ASSERT_EQ(write(told[1], "x", 1), 1);
		for (;;)
			pause();
	}
	ASSERT_EQ(read(told[0], &c, 1), 1);
	/* One at a time. */
	EXPECT_EQ(sites_start(), -EBUSY);
	ASSERT_SYS(kill(pid, SIGKILL));
	ASSERT_EQ(wait_child(pid), 256 + SIGKILL);
	EXPECT_SYS(access(INSTANCE, F_OK));
	EXPECT(file_has(PROBES, "dmirage_sites/"));
	start();
	sites_stop();
	EXPECT_ERRNO(access(INSTANCE, F_OK), ENOENT);
	EXPECT(!file_has(PROBES, "dmirage_sites/"));
}

/* What is there, for one who looks from outside. */
static void leaves_nothing(int arg)
{
	u64 began = now_ms();

	(void)arg;
	start();
	ktap_note("sites_start(): %llu ms", now_ms() - began);
	EXPECT_SYS(access(INSTANCE, F_OK));
	EXPECT(file_has(PROBES, "dmirage_sites/start "));
	began = now_ms();
	sites_stop();
	ktap_note("sites_stop(): %llu ms", now_ms() - began);
	EXPECT_ERRNO(access(INSTANCE, F_OK), ENOENT);
	EXPECT(!file_has(PROBES, "dmirage_sites/"));
}

static const struct ktap_test tests[] = {
	{ "leaves-nothing", leaves_nothing, 0, 0 },
	{ "left-behind", left_behind, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests), NULL);
}
