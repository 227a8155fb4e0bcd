// SPDX-License-Identifier: GPL-2.0
/*
 * A context at work: operations in pieces, and what came of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "causes.h"
#include "report.h"
#include "tool.h"

/* A piece of a job: a multiple of a pattern, and short enough to be timed. */
#define PIECE		(1ull << 20)
#define PIECE_LIMIT_MS	30000

#define PAGE_MASK	4095ull

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (__u64)ts.tv_sec * 1000000000 + (__u64)ts.tv_nsec;
}

int work_open(struct work *w, const struct common *c)
{
	const struct dmirage_open_opts opts = {
		.mode = c->mode,
		.flags = c->regions ? DMIRAGE_OPEN_REGIONS : 0,
	};

	memset(w, 0, sizeof(*w));
	return tool_open(c->device, &opts, &w->d);
}

int work_area(struct work *w, const struct common *c, const struct area *a)
{
	__u64 len = (a->len + PAGE_MASK) & ~PAGE_MASK;
	uint32_t id;
	int err;

	if (!len || c->mode == DMIRAGE_MODE_SHARED ||
	    (c->mode == DMIRAGE_MODE_MIRROR && !c->regions))
		return 0;
	err = dmirage_region_add(w->d, a->addr, len,
				 a->write ? DMIRAGE_REGION_WRITE : 0, &id);
	switch (-err) {
	case 0:
		return 0;
	case ENOMEM:
		complain("cannot register %s: %s (pinned pages count against `ulimit -l', but for root)",
			 a->name, strerror(-err));
		return EXIT_ENV;
	case EOPNOTSUPP:
		complain("cannot register %s: its pages cannot be pinned for long (--mode mirror can do without)",
			 a->name);
		return EXIT_ENV;
	default:
		complain("cannot register %s: %s", a->name, strerror(-err));
		return EXIT_ENV;
	}
}

static void say_failed(const struct dmirage_sqe *sqe,
		       const struct dmirage_cqe *cqe)
{
	if (cqe->status == DMIRAGE_ST_FAULT)
		complain("the device cannot %s at 0x%llx: %s",
			 dmirage_op_str(sqe->opcode), cqe->addr,
			 strerror(cqe->detail));
	else
		complain("the device fails to %s at 0x%llx: %s",
			 dmirage_op_str(sqe->opcode), cqe->addr,
			 dmirage_status_str(cqe->status));
}

/* The piece that begins @at bytes behind the beginning. */
static struct dmirage_sqe piece(const struct dmirage_sqe *whole, __u64 at)
{
	struct dmirage_sqe sqe = *whole;

	sqe.cookie = at;
	if (sqe.src)
		sqe.src += at;
	if (sqe.dst)
		sqe.dst += at;
	sqe.len = whole->len - at < PIECE ? whole->len - at : PIECE;
	return sqe;
}

int work_job(struct work *w, const struct dmirage_sqe *whole)
{
	__u64 put = 0, done = 0;
	struct dmirage_sqe sqe;
	struct dmirage_cqe cqe;
	int ret;

	while (done < whole->len) {
		for (; put < whole->len; put += sqe.len) {
			sqe = piece(whole, put);
			ret = dmirage_submit(w->d, &sqe, 1);
			if (ret < 0)
				break;
		}
		ret = dmirage_wait(w->d, &cqe, PIECE_LIMIT_MS);
		if (ret) {
			complain("the device does not complete an operation: %s",
				 strerror(-ret));
			return EXIT_ENV;
		}
		sqe = piece(whole, cqe.cookie);
		if (cqe.status != DMIRAGE_ST_OK) {
			say_failed(&sqe, &cqe);
			return EXIT_BAD;
		}
		done += sqe.len;
	}
	return 0;
}

void work_begin(struct work *w)
{
	w->began = now_ns();
}

int work_end(struct work *w)
{
	int err;

	w->ns = now_ns() - w->began;
	err = dmirage_get_counters(w->d, DMIRAGE_SCOPE_CONTEXT, &w->counters);
	if (!err)
		return 0;
	complain("cannot read the counters: %s", strerror(-err));
	return EXIT_ENV;
}

static void print_violations(struct dmirage *d)
{
	struct causes causes = { 0 };
	struct dmirage_violation v;
	size_t i;

	while (dmirage_read_violations(d, &v, 1, 0) == 1) {
		if (!causes_add(&causes, "", &v))
			report_violation(stderr, &v);
	}
	for (i = 0; i < causes.n; i++)
		report_cause(stderr, &causes.list[i]);
	causes_free(&causes);
}

static void report_json(const struct work *w, const struct common *c,
			const char *what, __u64 bytes, int same)
{
	const struct dmirage_counters *n = &w->counters;

	printf("{\"%s\":%llu,\"ns\":%llu,\"mode\":\"%s\",", what, bytes, w->ns,
	       dmirage_mode_str(c->mode));
	if (same >= 0)
		printf("\"same\":%s,", same ? "true" : "false");
	printf("\"ops\":%llu,\"accesses\":%llu,\"faults\":%llu,\"mapped_4k\":%llu,\"mapped_2m\":%llu,\"mapped_1g\":%llu,\"flushes\":%llu,\"checks\":%llu,\"violations\":%llu}\n",
	       n->ops, n->accesses, n->faults, n->mapped_4k, n->mapped_2m,
	       n->mapped_1g, n->flushes, n->checks, n->violations);
}

static void report_text(const struct work *w, const struct common *c,
			const char *what, __u64 bytes, int same)
{
	const struct dmirage_counters *n = &w->counters;
	char size[32];

	printf("%s %s in %.3f ms", what, format_size(bytes, size, sizeof(size)),
	       (double)w->ns / 1e6);
	if (w->ns && bytes)
		printf(", %.1f MiB/s",
		       (double)bytes / 1048576 / ((double)w->ns / 1e9));
	printf(" (%s mode)\n", dmirage_mode_str(c->mode));
	printf("  %llu operations, %llu accesses; %llu faults, %llu flushes\n",
	       n->ops, n->accesses, n->faults, n->flushes);
	printf("  entries made: %llu of 4 KiB, %llu of 2 MiB, %llu of 1 GiB\n",
	       n->mapped_4k, n->mapped_2m, n->mapped_1g);
	if (same >= 0)
		printf("  the data is %s\n", same ? "right" : "WRONG");
	printf("  the oracle compared %llu pages: %llu stale accesses\n",
	       n->checks, n->violations);
}

int work_report(const struct work *w, const struct common *c, const char *what,
		__u64 bytes, int same)
{
	if (c->json)
		report_json(w, c, what, bytes, same);
	else
		report_text(w, c, what, bytes, same);
	if (w->counters.violations)
		print_violations(w->d);
	if (w->counters.records_lost)
		complain("%llu more violations have no record: there were too many",
			 w->counters.records_lost);
	return same == 0 || w->counters.violations ? EXIT_BAD : EXIT_OK;
}
