// SPDX-License-Identifier: GPL-2.0
/*
 * dmirage demo: move pages to another NUMA node while a device works in them,
 * with a correct driver and with one that flushes only the first page of the
 * range it is told about.
 */
#define _GNU_SOURCE
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "demo.h"
#include "probe.h"
#include "tool.h"

#define OP_TIMEOUT_MS	  5000
#define RECORD_TIMEOUT_MS 2000
#define DEMO_LIMIT_S	  120

#define NODE_FROM 0
#define NODE_TO	  1

#define FAULT_MODE "inval-first-page"

/* The 4 KiB pages looked at in a huge page; a 4 KiB page has only the first. */
static const unsigned int huge_pages[] = { 0, 1, 5, 255, 511 };

#define MAX_PAGES (sizeof(huge_pages) / sizeof(huge_pages[0]))

/* Where in a page the CPU writes and the device reads, and the other way. */
#define CPU_SLOT    0x040
#define DEVICE_SLOT 0x080

struct args {
	const char *device;
	const char *color;
};

/**
 * struct scenario - one run of the demo, and what came of it
 * @kind @broken: what is run
 * @d:         the handle
 * @mem:       the page
 * @n_pages:   how many of huge_pages[] are looked at
 * @round:     number of the values written last, part of each value
 * @frame_old @frame_new: of each page looked at, before and after the move
 * @counters:  of the context, at the end
 * @move_flushes: flushes during the move
 * @lost_writes: device writes that the CPU does not see
 * @old_reads: device reads that return what was there before
 * @v @n_v:    violation records
 * @verdict:   for the table
 * @expected:  it is as expected
 */
struct scenario {
	enum probe_kind kind;
	bool broken;
	struct dmirage *d;
	struct probe_mem mem;
	unsigned int n_pages;
	unsigned int round;
	__u64 frame_old[MAX_PAGES];
	__u64 frame_new[MAX_PAGES];
	struct dmirage_counters counters;
	__u64 move_flushes;
	unsigned int lost_writes;
	unsigned int old_reads;
	struct dmirage_violation v[4 * MAX_PAGES];
	unsigned int n_v;
	const char *verdict;
	bool expected;
};

static volatile sig_atomic_t interrupted;

/* ---- Output ----------------------------------------------------------- */

static int wrong(struct scenario *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Something is not as it should be; the scenario ends here. */
static int wrong(struct scenario *s, const char *fmt, ...)
{
	va_list args;

	printf("      %sunexpected:%s ", demo_color.red, demo_color.plain);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	if (!s->verdict)
		s->verdict = "UNEXPECTED";
	return -1;
}

/* ---- Values ----------------------------------------------------------- */

static __u64 *slot(const struct scenario *s, unsigned int i, size_t offset)
{
	return (__u64 *)(s->mem.addr + huge_pages[i] * PROBE_4K + offset);
}

/* Differs for each writer, round and page. */
static __u64 cpu_value(unsigned int round, unsigned int i)
{
	return 0xc0ffee0000000000ull | round << 16 | huge_pages[i];
}

static __u64 device_value(unsigned int round, unsigned int i)
{
	return 0xdeface0000000000ull | round << 16 | huge_pages[i];
}

static __u64 cpu_read(const struct scenario *s, unsigned int i)
{
	return *(volatile __u64 *)slot(s, i, DEVICE_SLOT);
}

static void cpu_write(const struct scenario *s, unsigned int i)
{
	*(volatile __u64 *)slot(s, i, CPU_SLOT) = cpu_value(s->round, i);
}

static int run(struct scenario *s, const struct dmirage_sqe *sqe,
	       __u64 *result)
{
	struct dmirage_cqe cqe;
	int err;

	err = dmirage_run(s->d, sqe, &cqe, OP_TIMEOUT_MS);
	if (err)
		return wrong(s, "the device does not complete an operation: %s",
			     strerror(-err));
	if (cqe.status != DMIRAGE_ST_OK)
		return wrong(s, "the device fails a %s: %s, detail %u, at 0x%llx",
			     dmirage_op_str(sqe->opcode),
			     dmirage_status_str(cqe.status), cqe.detail,
			     cqe.addr);
	if (result)
		*result = cqe.result;
	return 0;
}

static int device_read(struct scenario *s, unsigned int i, __u64 *value)
{
	struct dmirage_sqe sqe;

	dmirage_prep_read_imm(&sqe, huge_pages[i], slot(s, i, CPU_SLOT), 8);
	return run(s, &sqe, value);
}

static int device_write(struct scenario *s, unsigned int i)
{
	struct dmirage_sqe sqe;

	dmirage_prep_write_imm(&sqe, huge_pages[i], slot(s, i, DEVICE_SLOT),
			       device_value(s->round, i), 8);
	return run(s, &sqe, NULL);
}

/* ---- The steps of a scenario ------------------------------------------ */

/* A driver that flushes only the first page is wrong if there are more. */
static bool expect_stale(const struct scenario *s)
{
	return s->broken && s->n_pages > 1;
}

static int set_up(struct scenario *s, const char *path)
{
	size_t size = probe_kind_size(s->kind);
	struct probe_page p;
	int err;

	err = dmirage_open(path, NULL, &s->d);
	if (err)
		return wrong(s, "cannot open the device: %s", strerror(-err));
	if (s->broken && probe_ctx_write(s->d, "fault_mode", FAULT_MODE))
		return wrong(s, "%s", probe_why());
	if (s->kind == PROBE_KIND_THP && probe_thp_enable())
		return wrong(s, "%s", probe_why());
	if (s->kind == PROBE_KIND_HUGETLB &&
	    (probe_hugetlb_reserve(NODE_FROM, 1) ||
	     probe_hugetlb_reserve(NODE_TO, 1)))
		return wrong(s, "%s", probe_why());
	if (probe_mem_get(&s->mem, s->kind, size, NODE_FROM) ||
	    probe_page(s->mem.addr, &p))
		return wrong(s, "%s", probe_why());
	s->n_pages = s->kind == PROBE_KIND_4K ? 1 : MAX_PAGES;
	demo_say("a %s at %p: node %d, frame 0x%llx", probe_kind_str(s->kind),
		 (void *)s->mem.addr, p.node, p.frame);
	return 0;
}

/* Both write to all pages, then both read what the other one wrote. */
static int warm_up(struct scenario *s)
{
	unsigned int i;
	__u64 value;

	s->round = 1;
	for (i = 0; i < s->n_pages; i++) {
		cpu_write(s, i);
		if (device_write(s, i))
			return -1;
	}
	for (i = 0; i < s->n_pages; i++) {
		if (device_read(s, i, &value))
			return -1;
		if (value != cpu_value(1, i))
			return wrong(s, "before the move: the CPU wrote 0x%llx to page %u, the device reads 0x%llx",
				     cpu_value(1, i), huge_pages[i], value);
		if (cpu_read(s, i) != device_value(1, i))
			return wrong(s, "before the move: the device wrote 0x%llx to page %u, the CPU reads 0x%llx",
				     device_value(1, i), huge_pages[i],
				     cpu_read(s, i));
	}
	demo_say("CPU and device write to %u page%s and read each other's values: right",
		 s->n_pages, s->n_pages == 1 ? "" : "s");
	return 0;
}

static int frames(struct scenario *s, __u64 *frame)
{
	struct probe_page p;
	unsigned int i;

	for (i = 0; i < s->n_pages; i++) {
		if (probe_page(slot(s, i, 0), &p))
			return wrong(s, "%s", probe_why());
		frame[i] = p.frame;
	}
	return 0;
}

/* The page is on the other node, in other frames, and of its kind still. */
static int check_moved(struct scenario *s)
{
	unsigned int i;

	if (probe_mem_verify(&s->mem, NODE_TO))
		return wrong(s, "after the move: %s", probe_why());
	if (frames(s, s->frame_new))
		return -1;
	for (i = 0; i < s->n_pages; i++) {
		if (s->frame_old[i] == s->frame_new[i])
			return wrong(s, "page %u kept its frame 0x%llx",
				     huge_pages[i], s->frame_old[i]);
	}
	return 0;
}

static int exchange_page(struct scenario *s, unsigned int i, __u64 *read)
{
	cpu_write(s, i);
	return device_read(s, i, read) || device_write(s, i) ? -1 : 0;
}

/* The move, then new values by both, and who sees them. */
static int move_and_exchange(struct scenario *s)
{
	int first_lost = -1, first_old = -1;
	struct dmirage_counters before;
	__u64 read[MAX_PAGES];
	unsigned int i;

	if (frames(s, s->frame_old))
		return -1;
	if (dmirage_get_counters(s->d, DMIRAGE_SCOPE_CONTEXT, &before))
		return wrong(s, "cannot read the counters");
	if (probe_mem_move(&s->mem, NODE_TO))
		return wrong(s, "%s", probe_why());
	/*
	 * From here on a broken driver has the device use frames that the
	 * kernel has freed.  Nobody has taken them yet, as nobody is there who
	 * wants huge pages; let it be over soon, and few words, and only then
	 * see whether the page is where it should be.
	 */

	s->round = 2;
	/*
	 * The first page last: its flush was sent, so the device faults there
	 * and may be given a new translation of the whole huge page.
	 */
	for (i = 1; i < s->n_pages; i++) {
		if (exchange_page(s, i, &read[i]))
			return -1;
	}
	if (exchange_page(s, 0, &read[0]))
		return -1;
	if (check_moved(s))
		return -1;
	if (dmirage_get_counters(s->d, DMIRAGE_SCOPE_CONTEXT, &s->counters))
		return wrong(s, "cannot read the counters");
	s->move_flushes = s->counters.flushes - before.flushes;

	for (i = 0; i < s->n_pages; i++) {
		if (read[i] != cpu_value(2, i)) {
			if (!s->old_reads++)
				first_old = (int)i;
		}
		if (cpu_read(s, i) != device_value(2, i)) {
			if (!s->lost_writes++)
				first_lost = (int)i;
		}
	}
	demo_say("moved to node %d: frame 0x%llx, %llu flush%s; then both write new values",
		 NODE_TO, s->frame_new[0], s->move_flushes,
		 s->move_flushes == 1 ? "" : "es");
	if (first_lost < 0 && first_old < 0)
		demo_say("CPU and device read each other's new values: right");
	if (first_old >= 0)
		demo_say("%sthe CPU wrote 0x%llx to page %u, the device reads 0x%llx%s:\n"
			 "      it read the old frame 0x%llx (%u of %u reads)",
			 demo_color.red, cpu_value(2, first_old), huge_pages[first_old],
			 read[first_old], demo_color.plain, s->frame_old[first_old],
			 s->old_reads, s->n_pages);
	if (first_lost >= 0)
		demo_say("%sthe device wrote 0x%llx to page %u, the CPU reads 0x%llx%s:\n"
			 "      the write went to the old frame 0x%llx (%u of %u writes)",
			 demo_color.red, device_value(2, first_lost), huge_pages[first_lost],
			 cpu_read(s, first_lost), demo_color.plain, s->frame_old[first_lost],
			 s->lost_writes, s->n_pages);
	return 0;
}

static int collect(struct scenario *s)
{
	const unsigned int max = sizeof(s->v) / sizeof(s->v[0]);
	int got, limit;

	do {
		/* The device has counted; its records come by interrupt. */
		limit = s->n_v < s->counters.violations ? RECORD_TIMEOUT_MS : 0;
		got = dmirage_read_violations(s->d, s->v + s->n_v, max - s->n_v,
					      limit);
		if (got < 0)
			return wrong(s, "cannot read violation records: %s",
				     strerror(-got));
		s->n_v += (unsigned int)got;
	} while (got && s->n_v < max);

	if (!s->n_v) {
		demo_say("the oracle compared %llu pages: nothing stale",
			 s->counters.checks);
		return 0;
	}
	demo_say("the oracle reports %llu stale accesses, the first one:\n",
		 s->counters.violations);
	demo_report(&s->v[0]);
	return 0;
}

/* ---- The verdict ------------------------------------------------------ */

static int judge_clean(struct scenario *s)
{
	if (s->lost_writes || s->old_reads) {
		s->verdict = "DATA LOST";
		return wrong(s, "values were lost, and must not be");
	}
	if (s->n_v || s->counters.violations) {
		s->verdict = "FALSE ALARM";
		return wrong(s, "nothing was stale, and the oracle reports it");
	}
	if (!s->counters.checks)
		return wrong(s, "the oracle compared nothing");
	if (!s->move_flushes)
		return wrong(s, "the move flushed nothing");
	s->verdict = "clean, as expected";
	return 0;
}

/* Is there exactly one right record for this page and kind of access? */
static int judge_record(struct scenario *s, unsigned int i, bool write)
{
	__u64 addr = (uintptr_t)slot(s, i, write ? DEVICE_SLOT : CPU_SLOT);
	const struct dmirage_violation *v = NULL;
	unsigned int n = 0, k;

	for (k = 0; k < s->n_v; k++) {
		if (s->v[k].addr == addr && s->v[k].access_write == write) {
			v = &s->v[k];
			n++;
		}
	}
	if (n != (i ? 1 : 0))
		return wrong(s, "%u records of the %s of page %u, and not %d", n,
			     write ? "write" : "read", huge_pages[i], i ? 1 : 0);
	if (!v)
		return 0;
	if (v->kind != DMIRAGE_VIOL_FRAME ||
	    v->held_frame != s->frame_old[i] ||
	    v->cpu_frame != s->frame_new[i])
		return wrong(s, "page %u moved from 0x%llx to 0x%llx, the record says %s, 0x%llx, 0x%llx",
			     huge_pages[i], s->frame_old[i], s->frame_new[i],
			     dmirage_violation_str(v->kind), v->held_frame,
			     v->cpu_frame);
	return 0;
}

static int judge_stale(struct scenario *s)
{
	unsigned int i, stale = 2 * (s->n_pages - 1);

	if (!s->n_v && !s->counters.violations) {
		s->verdict = "MISSED";
		return wrong(s, "the oracle reports nothing");
	}
	if (s->counters.violations != stale || s->n_v != stale)
		return wrong(s, "%u stale accesses were made, %llu counted, %u recorded",
			     stale, s->counters.violations, s->n_v);
	for (i = 0; i < s->n_pages; i++) {
		if (judge_record(s, i, false) || judge_record(s, i, true))
			return -1;
	}
	if (s->lost_writes != s->n_pages - 1 || s->old_reads != s->n_pages - 1)
		return wrong(s, "%u writes and %u reads of %u pages were lost",
			     s->lost_writes, s->old_reads, s->n_pages - 1);
	s->verdict = "caught, as expected";
	return 0;
}

static const char *const drivers[] = {
	"correct driver",
	"driver that flushes the first page only",
};

static void run_scenario(struct scenario *s, const char *path)
{
	int err;

	err = set_up(s, path) || warm_up(s) || move_and_exchange(s) ||
	      collect(s);
	if (!err)
		err = expect_stale(s) ? judge_stale(s) : judge_clean(s);
	s->expected = !err;
	/* The context first: it may hold translations of the page. */
	dmirage_close(s->d);
	s->d = NULL;
	probe_mem_put(&s->mem);
	demo_say("%s%s%s", s->expected ? demo_color.green : demo_color.red, s->verdict, demo_color.plain);
	putchar('\n');
	fflush(stdout);
}

static const char *driver_str(const struct scenario *s)
{
	return s->broken ? "first page only" : "correct";
}

static void print_table(const struct scenario *s, unsigned int n)
{
	unsigned int i;

	printf("%s%-18s  %-15s %7s %7s %8s %6s %5s  %s%s\n", demo_color.bold, "page",
	       "driver", "DMA ops", "faults", "flushes", "stale", "lost",
	       "verdict", demo_color.plain);
	for (i = 0; i < n; i++)
		printf("%-18s  %-15s %7llu %7llu %8llu"
		       " %6llu %5u  %s%s%s\n",
		       probe_kind_str(s[i].kind), driver_str(&s[i]),
		       s[i].counters.ops, s[i].counters.faults,
		       s[i].counters.flushes, s[i].counters.violations,
		       s[i].lost_writes + s[i].old_reads,
		       s[i].expected ? demo_color.green : demo_color.red, s[i].verdict, demo_color.plain);
	printf("\nstale: device accesses through a translation that the process no longer has\n"
	       "lost:  values that one side wrote and the other side did not get\n\n");
}

/* ---- The command ------------------------------------------------------ */

static const struct argp_option options[] = {
	{ "device", 'd', "FILE", 0, "Device file (default: the first one)", 0 },
	{ "color", 'c', "WHEN", 0,
	  "auto (default: on a terminal, unless NO_COLOR is set), always, never",
	  0 },
	{ 0 }
};

static const char doc[] =
	"Move a page to another NUMA node while a device works in it: a 4 KiB page, a transparent huge page and a hugetlb page, each with a correct driver and with one that flushes only the first page of a range.  Then, if the module dmirage_mutants.ko is there, put bugs that Linux has had back into the running kernel, for this process alone, and catch them without DMA.\v"
	"Needs root, two NUMA nodes with memory, and 2 MiB pages.  With the broken driver, a few words of memory that the kernel has just freed are overwritten: run it in a virtual machine, as dmirage is meant to be.\n"
	"\n"
	"The last line is `demo: N scenarios, N as expected, N unexpected'; the exit status is 0 only if all are as expected.";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;

	switch (key) {
	case 'd':
		args->device = arg;
		return 0;
	case 'c':
		args->color = arg;
		if (demo_set_colors(arg))
			argp_error(state, "bad --color '%s' (auto, always, never)",
				   arg);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "too many arguments");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void on_alarm(int sig)
{
	static const char text[] =
		"\ndmirage: the demo hangs; giving up\n";

	(void)sig;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_BAD);
	_exit(EXIT_BAD);
}

static void on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* Say what there is to work with; return the exit status if it will not do. */
static int check_machine(const char *path)
{
	struct dmirage_info info;
	struct utsname uts;
	struct dmirage *d;
	int err;

	err = tool_look(path, &d);
	if (err)
		return err;
	err = dmirage_get_info(d, &info);
	dmirage_close(d);
	if (err) {
		complain("the driver does not answer: %s", strerror(-err));
		return EXIT_ENV;
	}
	if (geteuid() != 0) {
		complain("the demo needs root, for frame numbers and huge pages");
		return EXIT_ENV;
	}
	if (probe_nodes() < 2) {
		complain("the demo needs two NUMA nodes to move pages between, this machine has %d",
			 probe_nodes());
		return EXIT_ENV;
	}
	uname(&uts);
	printf("dmirage demo: device %s, Linux %s, %d NUMA nodes\n\n",
	       info.pci_name, uts.release, probe_nodes());
	return 0;
}

int cmd_demo(int argc, char **argv)
{
	const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = doc,
	};
	struct args args = { .color = "auto" };
	struct scenario s[2 * PROBE_KINDS];
	const unsigned int n = 2 * PROBE_KINDS;
	unsigned int i, bugs, good = 0, of = n;
	int err;

	demo_set_colors(args.color);
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	err = check_machine(args.device);
	if (err)
		return err;
	signal(SIGALRM, on_alarm);
	signal(SIGINT, on_interrupt);
	signal(SIGTERM, on_interrupt);
	alarm(DEMO_LIMIT_S);

	memset(s, 0, sizeof(s));
	bugs = demo_kernel_count(args.device);
	of += bugs;
	for (i = 0; i < n && !interrupted; i++) {
		s[i].kind = i / 2;
		s[i].broken = i % 2;
		printf("%s[%u/%u] %s, %s%s\n", demo_color.bold, i + 1, of,
		       probe_kind_str(s[i].kind), drivers[s[i].broken], demo_color.plain);
		run_scenario(&s[i], args.device);
		good += s[i].expected;
	}
	for (i = 0; i < bugs && !interrupted; i++) {
		printf("%s[%u/%u] %s%s\n", demo_color.bold, n + i + 1, of,
		       demo_kernel_title(i), demo_color.plain);
		good += demo_kernel_run(i, args.device);
	}
	demo_kernel_end();
	probe_restore();
	if (interrupted) {
		complain("interrupted");
		return EXIT_BAD;
	}
	print_table(s, n);
	demo_kernel_table();
	printf("demo: %u scenarios, %u as expected, %u unexpected\n", of, good,
	       of - good);
	return good == of ? EXIT_OK : EXIT_BAD;
}
