// SPDX-License-Identifier: GPL-2.0
/*
 * Commands to the device for each callback that found something mapped: what
 * tests/guest/flushes.c expects, as a table.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "operations.h"
#include "say.h"

/*
 * In a process of its own, since the kernel may not have it, which ends a test.
 * Return: false: it is not there.
 */
static bool measure(const struct operation *op, bool mapped,
		    struct operation_cost *cost)
{
	int end[2], status;
	ssize_t got;
	pid_t pid;

	ASSERT_SYS(pipe(end));
	fflush(stdout);
	pid = fork();
	ASSERT_SYS(pid);
	if (!pid) {
		*cost = operation_measure(op, mapped);
		ASSERT_EQ(write(end[1], cost, sizeof(*cost)), sizeof(*cost));
		ktap_end();
	}
	close(end[1]);
	got = read(end[0], cost, sizeof(*cost));
	close(end[0]);
	ASSERT_SYS(waitpid(pid, &status, 0));
	ASSERT(WIFEXITED(status) && WEXITSTATUS(status) != 1);
	return got == sizeof(*cost);
}

void bench_flushes(int arg)
{
	struct values ratio = { 0 }, elided = { 0 };
	struct operation_cost c;
	unsigned int i;

	(void)arg;
	for (i = 0; i < operations_count; i++) {
		const struct operation *op = &operations[i];

		if (!measure(op, true, &c)) {
			ktap_note("%s: not measured", op->name);
			continue;
		}
		printf("operation|%s|%llu|%llu|%llu|%llu\n", op->name,
		       c.callbacks, c.events, c.flushes, c.refaults);
		if (c.events)
			values_add(&ratio, (double)c.flushes / (double)c.events);
		if (!op->whole && measure(op, false, &c))
			values_add(&elided, (double)c.flushes);
	}
	say_figure("flushes_per_event", "ratio", "== 1", &ratio);
	say_figure("flushes_unmapped", "flushes", "== 0", &elided);
}
