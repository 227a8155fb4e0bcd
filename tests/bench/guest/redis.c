// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs a program to be observed: a load on Redis, a fixed number of requests,
 * alone and under `dmirage observe' in turn.  The script that does it, tests/observed/
 * redis-load, starts a server for each, and says how long the requests took.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "say.h"

#define PAIRS	 7
#define REQUESTS "8000"
#define SAID	 "/tmp/redis-load"
#define WHY	 "/tmp/redis-why"

/* What the script says of its last run, in seconds. */
static double seconds(void)
{
	unsigned long cs = 0;
	char line[128];
	FILE *f = fopen(SAID, "r");

	ASSERT(f != NULL);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "load %lu", &cs);
	fclose(f);
	ASSERT_GE(cs, 1);
	return (double)cs / 100;
}

/* With what it said, if it went wrong. */
static void expect_done(int status)
{
	char line[128];
	FILE *f;

	if (EXPECT_EQ(status, 0))
		return;
	f = fopen(WHY, "r");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		ktap_note("%s", line);
	}
	ktap_end();
}

static double load(bool observed)
{
	char *alone[] = { (char *)REDIS_LOAD, (char *)REQUESTS, NULL };
	char *with[] = {
		(char *)"/bin/dmirage",
		(char *)"observe",
		(char *)"--",
		(char *)REDIS_LOAD,
		(char *)REQUESTS,
		NULL,
	};
	char **argv = observed ? with : alone;
	pid_t pid = fork();

	ASSERT_SYS(pid);
	if (!pid) {
		dup2(open(SAID, O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
		dup2(open(WHY, O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
		execv(argv[0], argv);
		_exit(127);
	}
	expect_done(wait_child(pid));
	return seconds();
}

void bench_redis(int arg)
{
	struct values alone = { 0 }, observed = { 0 }, ratio;
	int i;

	(void)arg;
	/* Once without: the host then has the memory that all of them use. */
	load(false);
	for (i = 0; i < PAIRS; i++) {
		values_add(&alone, load(false));
		values_add(&observed, load(true));
	}
	ratio = values_ratio(&observed, &alone);
	say_figure("observe_redis_vs_alone", "ratio", "<= 1.5", &ratio);
	say_note("Redis load, alone", "s", &alone);
	say_note("Redis load, observed", "s", &observed);
}
