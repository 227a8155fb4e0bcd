// SPDX-License-Identifier: GPL-2.0
/*
 * Pages migrate while the device streams through them: what one costs the other.
 *
 * Three windows of time in turn: migration alone, both, DMA alone; with migration,
 * as long as it takes to move some pages.  The thread
 * that migrates has a processor for itself, and the device's engine another one
 * of the host's: who submits sleeps, with a ring full of operations before it.
 *
 * The pages migrate in an order that is not the device's.  In the same order it
 * would catch up with the migration and stay behind it, page by page, and what
 * is measured would be the speed of the kernel's copying.  There is much more
 * memory than what is on its way at a time.  Several are moved by a
 * system call, which has costs of its own (it waits for all processors); the
 * kernel takes huge pages one by one all the same.
 */
#define _GNU_SOURCE
#include <glob.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "say.h"
#include "schedule.h"

#define ROUNDS	  31
#define WINDOW_NS 100000000ull /* without migration */
#define MOVES	  64u /* with it */
#define LIMIT_NS  10000000000ull
#define PAGES	  512u
#define STEP	  107u /* no divisor in common with PAGES */
#define BATCH	  32u /* pages of a system call */
#define DEPTH	  128u /* operations in the ring */
#define PIECE	  (PROBE_2M / 2) /* and what each of them copies */

struct migrator {
	struct probe_mem mem;
	atomic_bool go;
	atomic_bool idle;
	atomic_bool end;
	atomic_ulong moved;
	pthread_t thread;
};

/*
 * The next BATCH pages, all to the node where they are not.  Of a turn over all
 * pages one batch goes there and the next one back, so that it does not show if
 * one of the two ways is faster.  Return: how many.
 */
static unsigned long move_batch(struct migrator *m, unsigned long n)
{
	int nodes[BATCH], status[BATCH];
	unsigned long moved = 0;
	void *pages[BATCH];
	unsigned int i;

	for (i = 0; i < BATCH; i++) {
		pages[i] = m->mem.addr + (n + i) * STEP % PAGES * PROBE_2M;
		nodes[i] = (n / PAGES + n / BATCH) % 2;
		status[i] = -1;
	}
	ASSERT_SYS(syscall(SYS_move_pages, 0, (unsigned long)BATCH, pages, nodes,
			   status, MPOL_MF_MOVE));
	/* One that is busy stays, and goes the next time but one. */
	for (i = 0; i < BATCH; i++)
		moved += status[i] == nodes[i];
	return moved;
}

/* On a processor for itself, or it would keep the driver's faults waiting. */
static void pin(unsigned int processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	ASSERT_SYS(sched_setaffinity(0, sizeof(set), &set));
}

/*
 * The device's interrupts, and so the driver's faults, to processor 0.  Behind a
 * page that the kernel copies they would wait for as long as that takes: it does
 * not stop for others on the way.
 */
static void pin_interrupts(void)
{
	glob_t irqs;
	size_t i;

	ASSERT(!glob("/sys/class/misc/dmirage0/device/msi_irqs/*", 0, NULL,
		     &irqs));
	for (i = 0; i < irqs.gl_pathc; i++) {
		const char *irq = strrchr(irqs.gl_pathv[i], '/') + 1;
		char path[64];
		FILE *f;

		snprintf(path, sizeof(path), "/proc/irq/%s/smp_affinity_list",
			 irq);
		f = fopen(path, "w");
		/* one that nobody has asked for has no such file */
		if (!f)
			continue;
		fprintf(f, "0\n");
		ASSERT(!fclose(f));
	}
	globfree(&irqs);
}

/* Until told to stop; a page's node changes each time that it is its turn. */
static void *migrate(void *arg)
{
	struct migrator *m = arg;
	unsigned long n = 0;

	pin(1);
	while (!atomic_load(&m->end)) {
		if (!atomic_load(&m->go)) {
			atomic_store(&m->idle, true);
			sleep_ms(1);
			continue;
		}
		atomic_fetch_add(&m->moved, move_batch(m, n));
		n += BATCH;
	}
	return NULL;
}

struct window {
	double migrations; /* per ms */
	double bytes; /* per ns */
};

static void fill_ring(struct dmirage *d, const struct migrator *m,
		      unsigned int *next)
{
	struct dmirage_sqe sqe[DEPTH];
	unsigned int n = 0;

	while (dmirage_in_flight(d) + n < DEPTH) {
		uint8_t *page = m->mem.addr + *next % PAGES * PROBE_2M;

		/* From its first half to its second. */
		dmirage_prep_copy(&sqe[n++], 1, page + PIECE, page, PIECE);
		(*next)++;
	}
	ASSERT_EQ(dmirage_submit(d, sqe, n), (int)n);
}

static void reap(struct dmirage *d, u64 *bytes)
{
	struct dmirage_cqe cqe[DEPTH];
	int i, n = dmirage_poll(d, cqe, DEPTH);

	ASSERT_GE(n, 0);
	for (i = 0; i < n; i++)
		ASSERT_EQ(cqe[i].status, DMIRAGE_ST_OK);
	*bytes += (u64)n * PIECE;
}

static struct window measure(struct dmirage *d, struct migrator *m,
			     bool migration, bool dma)
{
	u64 begin, now, bytes = 0, lost = 0;
	unsigned long moved, done;
	unsigned int next = 0;
	struct window w;

	/* What has migrated without the device is not for this window. */
	ASSERT_PROBE(dmirage_prefetch(d, m->mem.addr, m->mem.len,
				      DMIRAGE_PREFETCH_WRITE, NULL));
	if (dma)
		fill_ring(d, m, &next);
	atomic_store(&m->idle, false);
	atomic_store(&m->go, migration);
	/* Both have begun. */
	sleep_ms(5);
	reap(d, &lost);
	moved = atomic_load(&m->moved);
	begin = now_ns();
	do {
		if (dma)
			fill_ring(d, m, &next);
		sleep_ms(5);
		reap(d, &bytes);
		now = now_ns();
		done = atomic_load(&m->moved) - moved;
		ASSERT(now - begin < LIMIT_NS);
	} while (migration ? done < MOVES : now - begin < WINDOW_NS);
	w.migrations = (double)done * 1e6 / (double)(now - begin);
	w.bytes = (double)bytes / (double)(now - begin);

	atomic_store(&m->go, false);
	while (!atomic_load(&m->idle))
		sleep_ms(1);
	while (dmirage_in_flight(d))
		complete(d);
	return w;
}

void bench_migration(int arg)
{
	struct migrator m = {
		.mem = get_mem(PROBE_KIND_THP, PAGES * PROBE_2M),
	};
	struct dmirage *d = open_context();
	struct values alone_m = { 0 }, alone_d = { 0 };
	struct values both_m = { 0 }, both_d = { 0 }, ratio;
	struct window w;
	int i;

	(void)arg;
	pin(0);
	pin_interrupts();
	ASSERT(!pthread_create(&m.thread, NULL, migrate, &m));
	/* Each page there and back: the host then has all memory that they use. */
	for (i = 0; i < (int)(2 * PAGES / MOVES); i++)
		measure(d, &m, true, true);
	for (i = 0; i < ROUNDS; i++) {
		values_add(&alone_m, measure(d, &m, true, false).migrations);
		w = measure(d, &m, true, true);
		values_add(&both_m, w.migrations);
		values_add(&both_d, w.bytes);
		values_add(&alone_d, measure(d, &m, false, true).bytes);
	}
	atomic_store(&m.end, true);
	pthread_join(m.thread, NULL);
	ASSERT_PROBE(probe_mem_verify(&m.mem, -1));
	/* The device did use what migrated. */
	ASSERT_GE(get_counters(d).flushes, ROUNDS);
	expect_clean(d);

	say_control("migration alone", &alone_m);
	say_control("DMA alone", &alone_d);
	ratio = values_ratio(&both_m, &alone_m);
	say_figure("migration_under_dma", "ratio", ">= 0.9", &ratio);
	ratio = values_ratio(&both_d, &alone_d);
	say_figure("dma_under_migration", "ratio", ">= 0.7", &ratio);
	say_note("2 MiB pages migrated, alone", "1/ms", &alone_m);
	say_note("2 MiB pages migrated, DMA", "1/ms", &both_m);
	say_note("copy, alone", "GB/s", &alone_d);
	say_note("copy, pages migrate", "GB/s", &both_d);
}
