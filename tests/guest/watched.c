// SPDX-License-Identifier: GPL-2.0
/* Watched contexts, and what is seen of changes.  See watched.h. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watched.h"

void need_watch(void)
{
	if (!can_watch())
		SKIP("stores can be seen under TCG only");
}

struct dmirage *open_watched(unsigned int ctx_mode, const char *mode)
{
	struct dmirage *d;

	need_watch();
	d = open_mode(ctx_mode, DMIRAGE_OPEN_WATCH);
	put_mode(d, mode);
	return d;
}

struct probe_mem watched_mem(struct dmirage *d, enum probe_kind kind)
{
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	size_t at;

	for (at = 0; at < mem.len; at += PROBE_4K)
		dev_write(d, mem.addr + at, at);
	EXPECT_EQ(counter(d, "watch_refused"), 0);
	return mem;
}

void expect_unseen(struct dmirage *d)
{
	if (counter(d, "watch_suspects"))
		sleep_ms(300); /* longer than suspect-ms */
	EXPECT_EQ(counter(d, "watch_violations"), 0);
	EXPECT_EQ(counter(d, "watch_refused"), 0);
	expect_clean(d);
}

struct dmirage_violation expect_seen(struct dmirage *d, const void *addr,
				     size_t len, unsigned int kind,
				     unsigned int why)
{
	u64 ops = get_counters(d).ops;
	struct dmirage_violation v;
	static char report[DMIRAGE_REPORT_MAX];

	ASSERT_EQ(dmirage_read_violations(d, &v, 1, WATCHED_LIMIT_MS), 1);
	EXPECT_EQ(v.strength, DMIRAGE_BY_WATCH);
	EXPECT_EQ(v.kind, kind);
	EXPECT_EQ(v.why, why);
	EXPECT_GE(v.addr, (uintptr_t)addr);
	EXPECT(v.addr < (uintptr_t)addr + len);
	EXPECT_EQ(v.opcode, 0);
	EXPECT_EQ(v.cookie, 0);
	EXPECT(v.cpu < (u64)sysconf(_SC_NPROCESSORS_ONLN));
	EXPECT(v.function[0]);
	EXPECT(!strncmp(v.chain, v.function, strlen(v.function)));
	/* Not the way from there to who asked. */
	EXPECT(!strstr(v.chain, "nmi") && !strstr(v.chain, "[dmirage]"));
	EXPECT(v.entry_before != v.entry_after);
	EXPECT(v.entry_before & 1);
	EXPECT_EQ(v.pid, getpid());
	ASSERT(dmirage_format_violation(&v, report, sizeof(report)) <
	       (int)sizeof(report));
	EXPECT(strstr(report, "made so by a store to the page table"));
	EXPECT(strstr(report, v.function));
	EXPECT(strstr(report, "The device holds"));
	EXPECT(!strstr(report, "access") && !strstr(report, "audit"));
	if (getenv("DMIRAGE_REPORTS"))
		fputs(report, stderr);
	ktap_note("%s, processor %u, by %s", dmirage_violation_str(v.kind),
		  v.cpu, v.function);
	EXPECT_EQ(get_counters(d).ops, ops);
	EXPECT_EQ(get_counters(d).violations, 0);
	return v;
}

static pid_t child;

void watched_move(struct probe_mem *mem)
{
	move_mem(mem, 1);
}

void watched_unmap(struct probe_mem *mem)
{
	ASSERT_SYS(munmap(mem->addr, mem->len));
}

void watched_drop(struct probe_mem *mem)
{
	ASSERT_SYS(madvise(mem->addr + WATCHED_AT, PROBE_4K, MADV_DONTNEED));
}

void watched_replace(struct probe_mem *mem)
{
	struct probe_mem other;

	watched_drop(mem);
	/* It gets the frame that is free now, or that would be there again. */
	other = get_mem(PROBE_KIND_4K, 16 * PROBE_4K);
	cpu_write(mem->addr + WATCHED_AT, 1);
	probe_mem_put(&other);
}

void watched_protect(struct probe_mem *mem)
{
	ASSERT_SYS(mprotect(mem->addr, mem->len, PROT_READ));
}

void watched_fork(struct probe_mem *mem)
{
	(void)mem;
	child = fork();
	ASSERT_SYS(child);
	while (!child)
		pause();
}

void clear_accessed(void)
{
	ASSERT_EQ(put_text("/proc/self/clear_refs", "1"), 0);
}

void watched_child_ends(void)
{
	if (child > 0) {
		kill(child, SIGKILL);
		ASSERT_SYS(waitpid(child, NULL, 0));
	}
	child = 0;
}

bool known_kernel(void)
{
	const char *debug = getenv("DMIRAGE_DEBUG");
	unsigned int version = kernel_version();

	return (!debug || !*debug) &&
	       (version == 510 || version == 601 || version == 612);
}

bool is_one_of(const char *function, const char *names)
{
	size_t len = strcspn(function, "+"), word;

	for (; *names; names += word + strspn(names + word, " ")) {
		word = strcspn(names, " ");
		if (word == len && !strncmp(names, function, len))
			return true;
	}
	return false;
}

void stay_on(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	ASSERT_SYS(sched_setaffinity(0, sizeof(set), &set));
}
