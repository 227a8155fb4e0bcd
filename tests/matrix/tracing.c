// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common.h"
#include "symbols.h"
#include "tracing.h"

#define ROOT		"/sys/kernel/tracing"
#define GROUP		"dmirage_sites"
#define INSTANCE	ROOT "/instances/" GROUP
#define CPUS_MAX	64
#define BUFFER_KB	"8192"

/* A page of a ring buffer: include/linux/ring_buffer.h, and "header_page" in tracefs. */
#define PAGE_BYTES	4096
#define PAGE_HEADER	16
#define COMMIT_AT	8
#define COMMIT_LEN	0xfffffu
#define COMMIT_MISSED	(1u << 31)
#define TYPE_PADDING	29
#define TYPE_EXTEND	30
#define TYPE_STAMP	31

/* What a record has behind the common fields of all events. */
struct fields {
	u64 caller;
	u64 start;
	u64 end;
	u64 event;
};

/*
 * The functions: what they are called, since when; and where a probe finds the range.  All
 * fields are there in all, of 8 bytes, so that records are alike.
 */
static const struct probe {
	enum traced kind;
	const char *name;
	const char *function;
	const char *range;
} probes[] = {
	{ TRACED_START, "start", "__mmu_notifier_invalidate_range_start", NULL },
	{ TRACED_SECONDARY, "secondary_612", "__mmu_notifier_arch_invalidate_secondary_tlbs",
	  "start=%si:x64 end=%dx:x64" },
	{ TRACED_SECONDARY, "secondary", "__mmu_notifier_invalidate_range",
	  "start=%si:x64 end=%dx:x64" },
	{ TRACED_RELEASE, "release", "__mmu_notifier_release",
	  "start=\\0:x64 end=\\-1:x64" },
	{ TRACED_CHANGE_PTE, "change_pte", "__mmu_notifier_change_pte",
	  "start=%si:x64 end=%si:x64" },
	{ TRACED_FLUSH_YOUNG, "flush_young", "__mmu_notifier_clear_flush_young",
	  "start=%si:x64 end=%dx:x64" },
	{ TRACED_CLEAR_YOUNG, "clear_young", "__mmu_notifier_clear_young",
	  "start=%si:x64 end=%dx:x64" },
	{ TRACED_TEST_YOUNG, "test_young", "__mmu_notifier_test_young",
	  "start=%si:x64 end=%si:x64" },
};

static int ids[ARRAY_SIZE(probes)];	/* the events', 0: not there */
static unsigned int fields_at;		/* in a record, of caller */
static int buffers[CPUS_MAX];
static u64 overruns[CPUS_MAX];		/* records lost so far */
static unsigned int cpus;

static int write_file(const char *path, const char *text, int flags)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | flags), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static ssize_t read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, text, size - 1);
	if (len < 0)
		len = -errno;
	else
		text[len] = '\0';
	close(fd);
	return len;
}

void tracing_pause(bool pause)
{
	write_file(INSTANCE "/tracing_on", pause ? "0" : "1", 0);
}

/* The instance first: as long as a probe is enabled there it stays. */
static int clean(void)
{
	char line[512], name[64], text[sizeof(name) + 3];
	char *stale[ARRAY_SIZE(probes)];
	unsigned int n = 0, i;
	int ret = 0, err;
	FILE *f;

	if (rmdir(INSTANCE) && errno != ENOENT)
		return -errno;
	f = fopen(ROOT "/kprobe_events", "re");
	if (!f)
		return -errno;
	while (n < ARRAY_SIZE(stale) && fgets(line, sizeof(line), f)) {
		/* "p:group/name function …" */
		if (sscanf(line, "%*[^:]:%63s", name) == 1 &&
		    !strncmp(name, GROUP "/", strlen(GROUP) + 1))
			stale[n++] = strdup(name);
	}
	fclose(f);
	for (i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "-:%s", stale[i] ?: "");
		err = write_file(ROOT "/kprobe_events", text, O_APPEND);
		ret = ret ?: err;
		free(stale[i]);
	}
	return ret;
}

static int add_probe(const struct probe *p)
{
	/* struct mmu_notifier_range began with the VMA until 6.3. */
	unsigned int at = kernel_version() < 603 ? 16 : 8;
	char text[256], range[64];

	snprintf(range, sizeof(range), "start=+%u(%%di):x64 end=+%u(%%di):x64", at, at + 8);
	snprintf(text, sizeof(text), "p:" GROUP "/%s %s caller=$stack0:x64 %s event=", p->name,
		 p->function, p->range ?: range);
	if (p->range)
		strcat(text, "\\0:x64");
	else
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "+%u(%%di):u32",
			 at + 20);
	return write_file(ROOT "/kprobe_events", text, O_APPEND);
}

/* Its number, and where its fields are. */
static int look_up(const struct probe *p, int *id)
{
	char path[128], text[2048], *at;
	unsigned int offset;
	ssize_t ret;

	snprintf(path, sizeof(path), ROOT "/events/" GROUP "/%s/format", p->name);
	ret = read_file(path, text, sizeof(text));
	if (ret < 0)
		return (int)ret;
	at = strstr(text, "\nID: ");
	if (!at || sscanf(at, "\nID: %d", id) != 1)
		return -EPROTO;
	at = strstr(text, " caller;");
	if (!at || sscanf(at, " caller; offset:%u;", &offset) != 1)
		return -EPROTO;
	if (fields_at && offset != fields_at)
		return -EPROTO;
	fields_at = offset;
	return 0;
}

static int open_buffers(void)
{
	char path[128];

	memset(overruns, 0, sizeof(overruns));
	for (cpus = 0; cpus < CPUS_MAX; cpus++) {
		snprintf(path, sizeof(path), INSTANCE "/per_cpu/cpu%u/trace_pipe_raw", cpus);
		buffers[cpus] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (buffers[cpus] < 0)
			return cpus && errno == ENOENT ? 0 : -errno;
	}
	return -E2BIG;
}

static int fail(int err, char *why, size_t size, const char *fmt, ...)
{
	char what[256];
	va_list list;

	va_start(list, fmt);
	vsnprintf(what, sizeof(what), fmt, list);
	va_end(list);
	snprintf(why, size, "%s: %s", what, strerror(-err));
	tracing_stop();
	return err;
}

int tracing_start(char *why, size_t size)
{
	unsigned int i;
	int ret;

	ret = clean();
	if (ret)
		return fail(ret, why, size, "what is left in " ROOT " cannot be removed");
	memset(ids, 0, sizeof(ids));
	fields_at = 0;
	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		if (!symbols_have(probes[i].function)) {
			if (probes[i].kind != TRACED_START)
				continue;
			return fail(-ENOSYS, why, size, "the kernel has no %s()",
				    probes[i].function);
		}
		ret = add_probe(&probes[i]) ?: look_up(&probes[i], &ids[i]);
		if (ret)
			return fail(ret, why, size, "no kprobe at %s()", probes[i].function);
	}
	if (mkdir(INSTANCE, 0700))
		return fail(-errno, why, size, "no instance " INSTANCE);
	/*
	 * The names of processes are of no use, and are had by tracepoints in the scheduler.
	 * To switch these on is to change code that other processors are running, which QEMU
	 * gets wrong at times: a processor goes on with the breakpoint that was there
	 * meanwhile, and the kernel dies ("Oops: int3" in __schedule()).
	 */
	ret = write_file(INSTANCE "/trace_options", "norecord-cmd", 0);
	/*
	 * The kernel's own buffer is of two pages until it is first used.  Before 6.6 the
	 * kernel takes it as used once that of any instance has been given a size, and two
	 * pages is what it remains.  To name events to switch on, even none, makes it large.
	 */
	if (!ret)
		ret = write_file(ROOT "/set_event", "\n", 0);
	if (!ret)
		ret = write_file(INSTANCE "/buffer_size_kb", BUFFER_KB, 0);
	if (!ret)
		ret = open_buffers();
	if (ret)
		return fail(ret, why, size, "no ring buffer in " INSTANCE);
	ret = write_file(INSTANCE "/events/" GROUP "/enable", "1", 0);
	if (ret)
		return fail(ret, why, size, "the probes cannot be enabled");
	return 0;
}

void tracing_stop(void)
{
	while (cpus)
		close(buffers[--cpus]);
	clean();
}

static bool decode(const u8 *data, unsigned int len, struct traced_call *call)
{
	struct fields f = { 0 };
	unsigned int i;
	u16 id;

	memcpy(&id, data, sizeof(id));
	for (i = 0; i < ARRAY_SIZE(ids) && (!ids[i] || ids[i] != id); i++)
		;
	/* An invalidation's event is 4 bytes of it, the rest is 0. */
	if (i == ARRAY_SIZE(ids) || len < fields_at + offsetof(struct fields, event) + 4)
		return false;
	len -= fields_at;
	memcpy(&f, data + fields_at, len < sizeof(f) ? len : sizeof(f));
	*call = (struct traced_call){
		.kind = probes[i].kind,
		.event = (u32)f.event,
		.caller = f.caller,
		.start = f.start,
		.end = f.end,
	};
	return true;
}

/*
 * A page says that records before it are lost, but how many only if there is room left
 * for the number.  Other files count them.
 */
static int count_lost(unsigned int cpu, u64 *lost)
{
	char path[128], text[1024], *at;
	ssize_t ret;
	u64 now;

	snprintf(path, sizeof(path), INSTANCE "/per_cpu/cpu%u/stats", cpu);
	ret = read_file(path, text, sizeof(text));
	if (ret < 0)
		return (int)ret;
	at = strstr(text, "\noverrun: ");
	if (!at || sscanf(at, "\noverrun: %llu", &now) != 1)
		return -EPROTO;
	/* What is lost meanwhile is counted now, and said by a page to come. */
	*lost += now - overruns[cpu];
	overruns[cpu] = now;
	return 0;
}

/*
 * A record begins with a word of 5 bits of type and 27 of time; types up to 28 are the
 * data's length in words, for longer ones it is in the next word.
 */
static int read_page(const u8 *page, void (*report)(void *, const struct traced_call *), void *arg,
		     bool *missed)
{
	const u8 *at = page + PAGE_HEADER, *end;
	struct traced_call call;
	u32 word[2], commit, type, skip, len;

	memcpy(&commit, page + COMMIT_AT, sizeof(commit));
	end = at + (commit & COMMIT_LEN);
	if (end > page + PAGE_BYTES)
		return -EPROTO;
	*missed = commit & COMMIT_MISSED;
	while (at + 4 <= end) {
		memcpy(word, at, at + 8 <= end ? 8 : 4);
		type = word[0] & 31;
		if (type == TYPE_PADDING && !(word[0] >> 5))
			break;
		skip = type && type < TYPE_PADDING ? 4 : 8;
		len = type && type < TYPE_PADDING ? 4 * type : word[1] - 4;
		if (type == TYPE_EXTEND || type == TYPE_STAMP)
			len = 0;
		if (len > (u64)(end - at) || skip + len > (u64)(end - at))
			return -EPROTO;
		if (len && type != TYPE_PADDING) {
			if (!decode(at + skip, len, &call))
				return -EPROTO;
			report(arg, &call);
		}
		at += skip + len;
	}
	return 0;
}

int tracing_read(void (*report)(void *arg, const struct traced_call *call), void *arg, u64 *lost)
{
	static u8 page[PAGE_BYTES];
	unsigned int i;
	ssize_t len;
	bool missed;
	int ret;

	for (i = 0; i < cpus; i++) {
		while ((len = read(buffers[i], page, sizeof(page))) > 0) {
			if (len != sizeof(page))
				return -EPROTO;
			ret = read_page(page, report, arg, &missed);
			if (!ret && missed)
				ret = count_lost(i, lost);
			if (ret)
				return ret;
		}
		if (len < 0 && errno != EAGAIN)
			return -errno;
	}
	return 0;
}
