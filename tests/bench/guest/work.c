// SPDX-License-Identifier: GPL-2.0
/* What a guest does besides.  See work.h. */
#include <sys/mman.h>
#include <unistd.h>

#include "say.h"
#include "work.h"

#define TIMES 10
#define STEPS 300000u
#define PAGES 512u
#define MAPS  2u
#define FORKS 8u

static void compute(void)
{
	static u32 words[16384];
	u32 state = 1;
	unsigned int i;

	for (i = 0; i < STEPS; i++) {
		state = state * 1664525u + 1013904223u;
		words[state >> 18] += state;
	}
}

static void map_touch_unmap(void)
{
	struct probe_mem mem;
	unsigned int i;

	ASSERT_PROBE(probe_mem_map(&mem, PROBE_KIND_4K, PAGES * PROBE_4K));
	for (i = 0; i < PAGES; i++)
		cpu_write(mem.addr + i * PROBE_4K, i);
	probe_mem_put(&mem);
}

static void fork_once(void)
{
	pid_t pid = fork();

	ASSERT_SYS(pid);
	if (!pid)
		_exit(0);
	ASSERT_EQ(wait_child(pid), 0);
}

u64 work_ns(bool forks)
{
	u64 least = ~0ull, begin, ns;
	unsigned int i, n;

	for (n = 0; n < TIMES; n++) {
		begin = now_ns();
		compute();
		for (i = 0; i < MAPS; i++)
			map_touch_unmap();
		for (i = 0; forks && i < FORKS; i++)
			fork_once();
		ns = now_ns() - begin;
		least = ns < least ? ns : least;
	}
	return least;
}

static void __attribute__((noreturn)) worker_main(const struct worker *w)
{
	char word;
	u64 ns;

	while (read(w->ask, &word, 1) == 1) {
		ns = work_ns(true);
		if (write(w->answer, &ns, sizeof(ns)) != sizeof(ns))
			break;
	}
	_exit(0);
}

struct worker worker_start(void)
{
	int ask[2], answer[2];
	pid_t pid;

	ASSERT_SYS(pipe(ask));
	ASSERT_SYS(pipe(answer));
	pid = fork();
	ASSERT_SYS(pid);
	if (!pid) {
		close(ask[1]);
		worker_main(&(struct worker){ ask[0], answer[1] });
	}
	close(ask[0]);
	close(answer[1]);
	return (struct worker){ ask[1], answer[0] };
}

u64 worker_ns(const struct worker *w)
{
	u64 ns = 0;

	ASSERT_EQ(write(w->ask, "", 1), 1);
	ASSERT_EQ(read(w->answer, &ns, sizeof(ns)), sizeof(ns));
	return ns;
}
