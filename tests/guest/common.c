// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

#define HUGE_PAGES	12

#define FAIL(...) ktap_fail(file, line, __VA_ARGS__)

/* ---- A bug underneath ------------------------------------------------------- */

static u64 ops_before;

static const char *bug(void)
{
	const char *mode = getenv("DMIRAGE_FAULT_MODE");

	return mode && *mode ? mode : NULL;
}

void half_begins(const char *mode)
{
	if (mode && bug())
		ktap_end();
}

void put_mode(struct dmirage *d, const char *mode)
{
	half_begins(mode);
	if (!mode)
		mode = bug();
	if (mode)
		ASSERT_PROBE(probe_ctx_write(d, "fault_mode", mode));
}

void put_bug_underneath(unsigned int asid)
{
	char pattern[64];
	glob_t found;

	if (!bug())
		return;
	snprintf(pattern, sizeof(pattern), "/sys/kernel/debug/dmirage/*/ctx%u/fault_mode", asid);
	ASSERT(!glob(pattern, 0, NULL, &found));
	ASSERT_EQ(put_text(found.gl_pathv[0], bug()), 0);
	globfree(&found);
}

/* For who counts: how many operations it took to notice. */
static void tell_noticed(void)
{
	ktap_note("noticed after %llu operations", get_device_counters().ops - ops_before);
}

static void prepare_for_bugs(void)
{
	static bool prepared;

	if (prepared || !getenv("DMIRAGE_NOTICED"))
		return;
	prepared = true;
	ops_before = get_device_counters().ops;
	ktap_first_failure = tell_noticed;
}

/* ---- Contexts ------------------------------------------------------------------ */

static struct dmirage *open_at(const char *file, int line, const struct dmirage_open_opts *opts)
{
	struct dmirage *d;
	int err;

	prepare_for_bugs();
	err = dmirage_open(NULL, opts, &d);
	if (err) {
		FAIL("dmirage_open: mode %s: %s", dmirage_mode_str(opts->mode), strerror(-err));
		ktap_end();
	}
	put_mode(d, NULL);
	return d;
}

struct dmirage *open_context_at(const char *file, int line,
				unsigned int sq_entries,
				unsigned int cq_entries)
{
	const struct dmirage_open_opts opts = {
		.sq_entries = sq_entries, .cq_entries = cq_entries,
	};

	return open_at(file, line, &opts);
}

struct dmirage *open_attached_at(const char *file, int line, pid_t pid, unsigned int mode,
				 unsigned int flags)
{
	const struct dmirage_open_opts opts = {
		.mode = mode,
		.flags = flags | (pid ? DMIRAGE_OPEN_ATTACH : 0),
		.pid = pid,
	};

	return open_at(file, line, &opts);
}

static struct dmirage *open_to_look(void)
{
	const struct dmirage_open_opts look = {
		.flags = DMIRAGE_OPEN_NO_CONTEXT,
	};
	struct dmirage *d;

	ASSERT_OK(dmirage_open(NULL, &look, &d));
	return d;
}

bool can_watch(void)
{
	struct dmirage *d = open_to_look();
	bool can = get_info(d).caps & DMIRAGE_CAP_ORACLE_WATCH;

	dmirage_close(d);
	return can;
}

unsigned int contexts_in_use(unsigned int expect)
{
	struct dmirage *d = open_to_look();
	u64 end = now_ms() + 2000;
	unsigned int used;

	while ((used = get_info(d).contexts_used) != expect && now_ms() < end)
		sleep_ms(2);
	dmirage_close(d);
	return used;
}

struct dmirage_counters get_device_counters(void)
{
	struct dmirage *d = open_to_look();
	struct dmirage_counters c;

	ASSERT_OK(dmirage_get_counters(d, DMIRAGE_SCOPE_DEVICE, &c));
	dmirage_close(d);
	return c;
}

struct dmirage_info get_info(struct dmirage *d)
{
	struct dmirage_info info;

	ASSERT_OK(dmirage_get_info(d, &info));
	return info;
}

struct dmirage_counters get_counters(struct dmirage *d)
{
	struct dmirage_counters c;

	ASSERT_OK(dmirage_get_counters(d, DMIRAGE_SCOPE_CONTEXT, &c));
	return c;
}

u64 counter_at(const char *file, int line, struct dmirage *d, const char *name)
{
	char text[2048], *at;
	size_t len = strlen(name);
	int got = probe_ctx_read(d, "counters", text, sizeof(text));

	if (got < 0) {
		FAIL("%s", probe_why());
		ktap_end();
	}
	if (bug() && (!strcmp(name, "fault_mode_hits") || !strcmp(name, "left_stale")))
		return 0;
	for (at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (!strncmp(at, name, len) && at[len] == ' ')
			return strtoull(at + len, NULL, 10);
	}
	FAIL("no counter %s", name);
	ktap_end();
}

void expect_clean_at(const char *file, int line, struct dmirage *d)
{
	struct dmirage_counters c = get_counters(d);
	char report[DMIRAGE_REPORT_MAX], *text, *next;
	struct dmirage_violation v;
	int got;

	if (!c.checks)
		FAIL("the oracle compared nothing");
	if (c.violations)
		FAIL("%llu violations", c.violations);
	got = dmirage_read_violations(d, &v, 1, c.violations ? 1000 : 0);
	if (got < 0)
		FAIL("dmirage_read_violations: %s", strerror(-got));
	if (got <= 0)
		return;
	FAIL("a violation record:");
	dmirage_format_violation(&v, report, sizeof(report));
	for (text = report; text && *text; text = next) {
		next = strchr(text, '\n');
		if (next)
			*next++ = '\0';
		ktap_note("  %s", text);
	}
}

struct dmirage_cqe run_op_at(const char *file, int line, struct dmirage *d,
			     const struct dmirage_sqe *sqe)
{
	struct dmirage_cqe cqe;
	int err;

	err = dmirage_run(d, sqe, &cqe, OP_TIMEOUT_MS);
	if (err) {
		FAIL("%s: no completion: %s", dmirage_op_str(sqe->opcode),
		     strerror(-err));
		ktap_end();
	}
	if (cqe.cookie != sqe->cookie)
		FAIL("cookie 0x%llx instead of 0x%llx", cqe.cookie,
		     sqe->cookie);
	return cqe;
}

void expect_op_at(const char *file, int line, struct dmirage *d,
		  const struct dmirage_sqe *sqe, unsigned int status)
{
	struct dmirage_cqe cqe = run_op_at(file, line, d, sqe);

	if (cqe.status != status)
		FAIL("%s: %s (detail %u, addr 0x%llx) instead of %s",
		     dmirage_op_str(sqe->opcode),
		     dmirage_status_str(cqe.status), cqe.detail, cqe.addr,
		     dmirage_status_str(status));
}

void dev_write_at(const char *file, int line, struct dmirage *d, void *dst,
		  u64 value)
{
	struct dmirage_sqe sqe;

	dmirage_prep_write_imm(&sqe, value, dst, value, 8);
	expect_op_at(file, line, d, &sqe, DMIRAGE_ST_OK);
}

u64 dev_read_at(const char *file, int line, struct dmirage *d, const void *src)
{
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;

	dmirage_prep_read_imm(&sqe, 0x5ead, src, 8);
	cqe = run_op_at(file, line, d, &sqe);
	if (cqe.status != DMIRAGE_ST_OK) {
		FAIL("read of %p: %s (detail %u)", src,
		     dmirage_status_str(cqe.status), cqe.detail);
		ktap_end();
	}
	return cqe.result;
}

void expect_fault_at(const char *file, int line, struct dmirage *d,
		     const void *addr, bool write, int err)
{
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;

	if (write)
		dmirage_prep_write_imm(&sqe, 1, (void *)addr, 0xbadbad, 8);
	else
		dmirage_prep_read_imm(&sqe, 1, addr, 8);
	cqe = run_op_at(file, line, d, &sqe);
	if (cqe.status != DMIRAGE_ST_FAULT || cqe.detail != err ||
	    cqe.addr != (u64)(uintptr_t)addr)
		FAIL("%s of %p: %s, detail %u, addr 0x%llx instead of fault, detail %d",
		     write ? "write" : "read", addr,
		     dmirage_status_str(cqe.status), cqe.detail, cqe.addr,
		     err);
}

void reserve_huge_pages(void)
{
	int node;

	atexit(probe_restore);
	for (node = 0; node < 2; node++) {
		if (probe_hugetlb_reserve(node, HUGE_PAGES))
			ktap_note("%s", probe_why());
	}
	if (probe_thp_enable())
		ktap_note("%s", probe_why());
}

struct probe_mem get_mem_at(const char *file, int line, enum probe_kind kind,
			    size_t len)
{
	struct probe_mem mem;

	if (probe_mem_get(&mem, kind, len, 0)) {
		FAIL("no memory of kind %s: %s", probe_kind_str(kind),
		     probe_why());
		ktap_end();
	}
	return mem;
}

u64 frame_at(const char *file, int line, const void *addr)
{
	struct probe_page page;

	if (probe_page(addr, &page)) {
		FAIL("%s", probe_why());
		ktap_end();
	}
	if (!page.present) {
		FAIL("nothing is mapped at %p", addr);
		ktap_end();
	}
	return page.frame;
}

void drain_batches(void)
{
	unsigned long none = 0;

	/* It does so before it looks for anything to migrate (lru_cache_disable()). */
	(void)!syscall(SYS_migrate_pages, 0, 8 * sizeof(none), &none, &none);
}

void move_mem_at(const char *file, int line, const struct probe_mem *mem,
		 int node)
{
	u64 first = frame_at(file, line, mem->addr);
	u64 last = frame_at(file, line, mem->addr + mem->len - 1);

	if (probe_mem_move(mem, node) || probe_mem_verify(mem, node)) {
		FAIL("%s", probe_why());
		ktap_end();
	}
	if (frame_at(file, line, mem->addr) == first ||
	    frame_at(file, line, mem->addr + mem->len - 1) == last) {
		FAIL("moved to node %d, and has the same frames as before",
		     node);
		ktap_end();
	}
}

unsigned int read_iotlb_at(const char *file, int line, struct dmirage *d,
			   struct tlb_line *lines, unsigned int max)
{
	int fd = probe_dev_open(d, "iotlb");
	char text[128], more;
	struct tlb_line l;
	unsigned int n = 0;
	FILE *f;

	if (fd < 0) {
		FAIL("%s", probe_why());
		ktap_end();
	}
	f = fdopen(fd, "r");
	if (!f || !fgets(text, sizeof(text), f) ||
	    strcmp(text, "asid va size pa write prefetched age_ns\n") != 0) {
		FAIL("the iotlb file has no heading");
		ktap_end();
	}
	while (fgets(text, sizeof(text), f)) {
		if (sscanf(text, "%u %llx %llu %llx %u %u %llu%c", &l.asid,
			   &l.va, &l.size, &l.pa, &l.write, &l.prefetched,
			   &l.age_ns, &more) != 8 || more != '\n') {
			FAIL("a line of the iotlb file: '%s'", text);
			ktap_end();
		}
		if (n < max)
			lines[n] = l;
		n++;
	}
	fclose(f);
	return n;
}

bool in_iotlb_at(const char *file, int line, struct dmirage *d,
		 const void *addr, struct tlb_line *found)
{
	struct dmirage_info info = get_info(d);
	struct tlb_line *lines = calloc(info.iotlb_entries, sizeof(*lines));
	u64 va = (uintptr_t)addr;
	unsigned int i, n;

	ASSERT(lines);
	n = read_iotlb_at(file, line, d, lines, info.iotlb_entries);
	for (i = 0; i < n && i < info.iotlb_entries; i++) {
		if (lines[i].asid == info.asid && lines[i].va <= va &&
		    va - lines[i].va < lines[i].size)
			break;
	}
	if (i < n && found)
		*found = lines[i];
	free(lines);
	return i < n;
}

int put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = errno;
	close(fd);
	return ret;
}

u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000 + (u64)ts.tv_nsec / 1000000;
}

void sleep_ms(unsigned int ms)
{
	struct timespec ts = {
		.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L,
	};

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

unsigned int kernel_version(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	ASSERT_SYS(uname(&name));
	ASSERT_EQ(sscanf(name.release, "%u.%u", &major, &minor), 2);
	return major * 100 + minor;
}

void tell_runner(const char *text)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	char line[128];
	int len;

	ASSERT_SYS(fd);
	len = snprintf(line, sizeof(line), "dmirage-test: %s\n", text);
	/* A line is one write. */
	ASSERT_EQ(write(fd, line, (size_t)len), len);
	close(fd);
}

int wait_child(pid_t pid)
{
	int status = -1;

	ASSERT_SYS(waitpid(pid, &status, 0));
	if (WIFSIGNALED(status))
		return 256 + WTERMSIG(status);
	return WEXITSTATUS(status);
}
