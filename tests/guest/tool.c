// SPDX-License-Identifier: GPL-2.0
/*
 * The command `dmirage', as a person at a shell would use it: what it does to
 * files, what it says, and how it ends.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watched.h"

#define TOOL	"/bin/dmirage"

#define MAX_ARGS	12

/* The exit statuses of `dmirage --help'. */
enum {
	ST_OK = 0,
	ST_BAD = 1,
	ST_USAGE = 2,
	ST_NODEV = 3,
	ST_ENV = 4,
};

/**
 * struct tool - a run of the command
 * @pid:  of it
 * @fd:   what it says on both outputs
 * @text: that, so far
 * @len:  bytes
 */
struct tool {
	pid_t pid;
	int fd;
	char text[16384];
	size_t len;
};

static const uid_t nobody = 65534;

/* @line: its arguments, with a blank between each two. */
static void tool_start(struct tool *t, const char *line, uid_t uid)
{
	char *words = strdup(line), *argv[MAX_ARGS + 2] = { (char *)TOOL };
	unsigned int n = 1;
	int out[2];

	ASSERT(words);
	while ((argv[n] = strsep(&words, " ")))
		ASSERT(n++ <= MAX_ARGS);
	ASSERT_SYS(pipe2(out, O_CLOEXEC));
	t->pid = fork();
	ASSERT_SYS(t->pid);
	if (!t->pid) {
		dup2(out[1], 1);
		dup2(out[1], 2);
		if (!uid || !setuid(uid))
			execv(TOOL, argv);
		_exit(127);
	}
	close(out[1]);
	t->fd = out[0];
	t->len = 0;
	t->text[0] = '\0';
}

/* Take what it says next; false at the end, or after the time. */
static bool tool_listen(struct tool *t, int timeout_ms)
{
	struct pollfd pfd = { .fd = t->fd, .events = POLLIN };
	ssize_t n;

	if (poll(&pfd, 1, timeout_ms) <= 0)
		return false;
	ASSERT(t->len < sizeof(t->text) - 1);
	n = read(t->fd, t->text + t->len, sizeof(t->text) - 1 - t->len);
	if (n <= 0)
		return false;
	t->len += (size_t)n;
	t->text[t->len] = '\0';
	return true;
}

/* Its exit status; -1 for a signal. */
static int tool_end(struct tool *t)
{
	int status;

	while (tool_listen(t, -1))
		;
	close(t->fd);
	ASSERT_SYS(waitpid(t->pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void note_text(const struct tool *t)
{
	char copy[sizeof(t->text)], *line, *rest = copy;

	memcpy(copy, t->text, t->len + 1);
	while ((line = strsep(&rest, "\n")))
		ktap_note("  %s", line);
}

static void expect_run(const char *file, int where, struct tool *t, uid_t uid,
		       const char *line, int want)
{
	int status;

	tool_start(t, line, uid);
	status = tool_end(t);
	if (status != want) {
		ktap_fail(file, where, "dmirage %s: status %d instead of %d",
			  line, status, want);
		note_text(t);
	}
}

#define RUN(t, line, want) expect_run(__FILE__, __LINE__, t, 0, line, want)
#define RUN_AS(t, uid, line, want) \
	expect_run(__FILE__, __LINE__, t, uid, line, want)

static void expect_says(const char *file, int where, const struct tool *t,
			const char *what)
{
	if (strstr(t->text, what))
		return;
	ktap_fail(file, where, "it does not say '%s':", what);
	note_text(t);
}

#define SAYS(t, what) expect_says(__FILE__, __LINE__, t, what)

/* A number of its JSON; ends the test if there is none. */
static u64 json(const struct tool *t, const char *name)
{
	char key[40], *at;

	snprintf(key, sizeof(key), "\"%s\":", name);
	at = strstr(t->text, key);
	if (!at) {
		note_text(t);
		ktap_fail(__FILE__, __LINE__, "no %s", key);
		ktap_end();
	}
	return strtoull(at + strlen(key), NULL, 0);
}

/* ---- Files ------------------------------------------------------------- */

#define ODD_LEN	(3u * 1024 * 1024 + 1234)

static char dir[] = "/tmp/tool-XXXXXX";

/* In a folder of this test. */
static const char *file_name(const char *name)
{
	static char path[4][64];
	static unsigned int next;
	char *p = path[next % 4];

	if (!next++)
		ASSERT(mkdtemp(dir));
	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static u8 *random_bytes(size_t len)
{
	struct ktap_random r = { ktap_seed() };
	u8 *p = malloc(len);
	size_t i;

	ASSERT(p);
	for (i = 0; i < len; i++)
		p[i] = (u8)ktap_random(&r);
	return p;
}

static void make_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	ASSERT_SYS(fd);
	ASSERT_EQ(write(fd, data, len), len);
	close(fd);
}

/* Is it this, and no more? */
static bool file_is(const char *path, const void *data, size_t len)
{
	u8 *p = malloc(len + 1);
	int fd = open(path, O_RDONLY);
	bool same;

	ASSERT(p);
	ASSERT_SYS(fd);
	same = read(fd, p, len + 1) == (ssize_t)len && !memcmp(p, data, len);
	close(fd);
	free(p);
	return same;
}

/* ---- copy -------------------------------------------------------------- */

static const char *const copy_ways[] = {
	"copy",
	"copy --anon",
	"copy --huge",
	"copy --regions",
	"copy --anon --mode pinned",
	"copy --huge --mode pinned",
	"copy --anon --mode shared",
};

static void copy(int way)
{
	const char *src = file_name("src"), *dst = file_name("dst");
	u8 *data = random_bytes(ODD_LEN);
	struct tool t;
	char line[192];
	u64 mapped;

	make_file(src, data, ODD_LEN);
	snprintf(line, sizeof(line), "%s --json %s %s", copy_ways[way], src,
		 dst);
	RUN(&t, line, ST_OK);
	EXPECT(file_is(dst, data, ODD_LEN));
	EXPECT(file_is(src, data, ODD_LEN));
	SAYS(&t, "\"same\":true");
	EXPECT_EQ(json(&t, "copied"), ODD_LEN);
	EXPECT_EQ(json(&t, "violations"), 0);
	EXPECT_GE(json(&t, "ops"), 4);
	EXPECT_GE(json(&t, "checks"), 2 * (ODD_LEN / 4096));
	/* Pinned pages that lie side by side make a larger entry. */
	mapped = json(&t, "mapped_4k") + 512 * json(&t, "mapped_2m");
	/* A region ends with the page, and a 2 MiB entry has to fit in it. */
	if (strstr(line, "--huge"))
		EXPECT_EQ(json(&t, "mapped_2m"), strstr(line, "pinned") ? 2 : 4);
	else if (strstr(line, "shared"))
		EXPECT_EQ(mapped, 0);
	else
		EXPECT_GE(mapped, 2 * (ODD_LEN / 4096));
	/* In place of a longer file, and for people to read. */
	make_file(src, data, 4097);
	snprintf(line, sizeof(line), "%s %s %s", copy_ways[way], src, dst);
	RUN(&t, line, ST_OK);
	EXPECT(file_is(dst, data, 4097));
	SAYS(&t, "copied 4.0 KiB in ");
	SAYS(&t, "the data is right");
	SAYS(&t, ": 0 stale accesses");
	free(data);
}

static void copy_errors(int arg)
{
	const char *src = file_name("src"), *dst = file_name("dst");
	char line[192];
	struct tool t;

	(void)arg;
	make_file(src, "seven b", 7);
	snprintf(line, sizeof(line), "copy %s %s", dst, src);
	RUN(&t, line, ST_ENV);
	SAYS(&t, "/dst: No such file");
	EXPECT(file_is(src, "seven b", 7));
	snprintf(line, sizeof(line), "copy %s %s", src, src);
	RUN(&t, line, ST_USAGE);
	SAYS(&t, "the same file");
	EXPECT(file_is(src, "seven b", 7));
	snprintf(line, sizeof(line), "copy /proc %s", dst);
	RUN(&t, line, ST_USAGE);
	SAYS(&t, "no regular file");
	EXPECT_ERRNO(access(dst, F_OK), ENOENT);
	snprintf(line, sizeof(line), "copy %s /nowhere/dst", src);
	RUN(&t, line, ST_ENV);
	snprintf(line, sizeof(line), "copy --mode odd %s %s", src, dst);
	RUN(&t, line, ST_USAGE);
	SAYS(&t, "mirror, pinned or shared");
	snprintf(line, sizeof(line), "copy --regions --mode shared %s %s", src,
		 dst);
	RUN(&t, line, ST_USAGE);
	RUN(&t, "copy one", ST_USAGE);
	RUN(&t, "copy one two three", ST_USAGE);
	EXPECT_ERRNO(access(dst, F_OK), ENOENT);
	make_file(src, "", 0);
	snprintf(line, sizeof(line), "copy %s %s", src, dst);
	RUN(&t, line, ST_OK);
	EXPECT(file_is(dst, "", 0));
}

/* ---- fill -------------------------------------------------------------- */

static void fill(int arg)
{
	static const u8 want[13] = { 8, 7, 6, 5, 4, 3, 2, 1, 8, 7, 6, 5, 4 };
	const char *file = file_name("file");
	char line[192];
	struct stat st;
	struct tool t;

	(void)arg;
	make_file(file, "0123456789abc", 13);
	snprintf(line, sizeof(line), "fill %s 0x102030405060708", file);
	RUN(&t, line, ST_OK);
	EXPECT(file_is(file, want, 13));
	snprintf(line, sizeof(line), "fill --size 5000K %s 0 --json", file);
	RUN(&t, line, ST_OK);
	EXPECT_EQ(json(&t, "filled"), 5000 * 1024);
	ASSERT_SYS(stat(file, &st));
	EXPECT_EQ(st.st_size, 5000 * 1024);
	RUN(&t, "fill --anon 1M 1 --json", ST_OK);
	EXPECT_EQ(json(&t, "mapped_4k"), 256);
	EXPECT_EQ(json(&t, "violations"), 0);
	RUN(&t, "fill --anon 4M --huge 1 --json", ST_OK);
	EXPECT_EQ(json(&t, "mapped_2m"), 2);

	RUN(&t, "fill --anon 1M", ST_USAGE);
	RUN(&t, "fill --anon 1X 1", ST_USAGE);
	SAYS(&t, "bad size '1X'");
	RUN(&t, "fill --anon 1M -- -1", ST_USAGE);
	SAYS(&t, "bad pattern '-1'");
	RUN(&t, "fill --anon 1M file 1", ST_USAGE);
	RUN(&t, "fill 1", ST_USAGE);
	RUN(&t, "fill --anon 1M --size 1M 1", ST_USAGE);
	RUN(&t, "fill /nowhere/file 1", ST_ENV);
}

/* ---- prefetch ---------------------------------------------------------- */

static const char *const prefetch_ways[] = {
	"",
	" --write",
	" --regions",
	" --async",
	" --async --write",
};

static void prefetch(int way)
{
	const char *file = file_name("file");
	u8 *data = random_bytes(1 << 20);
	char line[192];
	struct tool t;

	snprintf(line, sizeof(line), "prefetch --anon 3M --json%s",
		 prefetch_ways[way]);
	RUN(&t, line, ST_OK);
	EXPECT_EQ(json(&t, "prefetched"), 3 << 20);
	EXPECT_EQ(json(&t, "mapped_4k"), 768);
	EXPECT_EQ(json(&t, "mapped_2m"), 0);
	EXPECT_EQ(json(&t, "faults_before"), 0);
	EXPECT_EQ(json(&t, "faults_touching"), 0);
	EXPECT_EQ(json(&t, "checks"), 768);
	EXPECT_EQ(json(&t, "violations"), 0);
	snprintf(line, sizeof(line), "prefetch --huge --anon 4M --json%s",
		 prefetch_ways[way]);
	RUN(&t, line, ST_OK);
	EXPECT_EQ(json(&t, "mapped_2m"), 2);
	EXPECT_EQ(json(&t, "mapped_4k"), 0);
	EXPECT_EQ(json(&t, "faults_touching"), 0);

	make_file(file, data, 1 << 20);
	snprintf(line, sizeof(line), "prefetch %s%s", file, prefetch_ways[way]);
	RUN(&t, line, ST_OK);
	SAYS(&t, "prefetched 1 MiB of 1 MiB");
	SAYS(&t, "touched each page: 0 faults");
	EXPECT(file_is(file, data, 1 << 20));
	free(data);
}

static void prefetch_errors(int arg)
{
	const char *file = file_name("file");
	char line[192];
	struct tool t;

	(void)arg;
	make_file(file, "", 0);
	snprintf(line, sizeof(line), "prefetch %s", file);
	RUN(&t, line, ST_USAGE);
	SAYS(&t, "is empty");
	RUN(&t, "prefetch", ST_USAGE);
	RUN(&t, "prefetch --anon 0", ST_USAGE);
	RUN(&t, "prefetch --anon 1M --mode pinned", ST_USAGE);
	SAYS(&t, "only mirror mode");
	RUN(&t, "prefetch /nowhere/file", ST_ENV);
}

/* ---- audit, violations ------------------------------------------------- */

/* A context that holds a stale translation of 2 MiB, but for its first page. */
static struct dmirage *make_stale(struct probe_mem *mem)
{
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe;

	*mem = get_mem(PROBE_KIND_THP, PROBE_2M);
	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", FAULT_MODE_FIRST_PAGE));
	dmirage_prep_touch_read(&sqe, 1, mem->addr, mem->len);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	move_mem(mem, 1);
	return d;
}

static void audit_others(int arg)
{
	struct dmirage *good = open_context(), *bad;
	struct probe_mem mem;
	unsigned int asid;
	char line[192];
	struct tool t;

	(void)arg;
	/* Not to be taken back when the command is started, by fork(). */
	mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	ASSERT_SYS(madvise(mem.addr, mem.len, MADV_DONTFORK));
	dev_write(good, mem.addr, 1);
	RUN(&t, "audit", ST_OK);
	SAYS(&t, "context  translations");
	bad = make_stale(&mem);
	asid = get_info(bad).asid;
	RUN(&t, "audit", ST_BAD);
	snprintf(line, sizeof(line), "audit --json --context %u", asid);
	RUN(&t, line, ST_BAD);
	EXPECT_EQ(json(&t, "context"), asid);
	EXPECT_GE(json(&t, "stale"), 1);
	EXPECT_GE(json(&t, "pages"), json(&t, "stale"));
	/* The first page was flushed; the others were not. */
	snprintf(line, sizeof(line), "audit -j -c %u -r %p:4K", asid,
		 (void *)mem.addr);
	RUN(&t, line, ST_OK);
	snprintf(line, sizeof(line), "audit -j -c %u -r %p:4K", asid,
		 (void *)(mem.addr + PROBE_4K));
	RUN(&t, line, ST_BAD);
	snprintf(line, sizeof(line), "audit -j -c %u", get_info(good).asid);
	RUN(&t, line, ST_OK);
	EXPECT_GE(json(&t, "translations"), 1);
	EXPECT_EQ(json(&t, "stale"), 0);
	dmirage_close(bad);
	RUN(&t, "audit", ST_OK);
	snprintf(line, sizeof(line), "audit --context %u", asid);
	RUN(&t, line, ST_USAGE);
	SAYS(&t, "there is no context");

	RUN(&t, "audit --context 64", ST_USAGE);
	RUN(&t, "audit --range 0x1000", ST_USAGE);
	RUN(&t, "audit --range 0x1000:0", ST_USAGE);
	RUN_AS(&t, nobody, "audit", ST_ENV);
	SAYS(&t, "are you root?");
}

static void audit_own(int arg)
{
	struct tool t;

	(void)arg;
	RUN(&t, "audit --own 1M --json", ST_OK);
	EXPECT_GE(json(&t, "translations"), 256);
	EXPECT_GE(json(&t, "pages"), 256);
	EXPECT_EQ(json(&t, "stale"), 0);
}

/* Trace instances of ours that are left. */
static unsigned int instances(void)
{
	DIR *d = opendir("/sys/kernel/tracing/instances");
	struct dirent *e;
	unsigned int n = 0;

	ASSERT(d);
	while ((e = readdir(d)))
		n += !strncmp(e->d_name, "dmirage", 7);
	closedir(d);
	return n;
}

static void start_following(struct tool *t, const char *line)
{
	u64 end = now_ms() + 5000;

	tool_start(t, line, 0);
	while (!strstr(t->text, "following") && now_ms() < end)
		ASSERT(tool_listen(t, 5000));
	ASSERT(strstr(t->text, "following"));
	EXPECT_EQ(instances(), 1);
}

/* An access by a program, and an audit by the command. */
static void violations(int arg)
{
	struct probe_mem mem;
	struct dmirage *d = make_stale(&mem);
	struct dmirage_sqe sqe;
	char want[80];
	struct tool t, a;

	(void)arg;
	start_following(&t, "violations --follow --count 2 --timeout 8");
	dmirage_prep_touch_read(&sqe, 0x77, mem.addr + 5 * PROBE_4K, 1);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	snprintf(want, sizeof(want), "Read of 1 byte at addr 0x%llx by context %u, cookie 0x77\n",
		 (u64)(uintptr_t)(mem.addr + 5 * PROBE_4K), get_info(d).asid);
	while (!strstr(t.text, want))
		ASSERT(tool_listen(&t, 5000));
	SAYS(&t, "BUG: DMIRAGE: stale frame in touch_read\n");
	snprintf(want, sizeof(want), "The process has   frame 0x%012llx\n",
		 frame_of(mem.addr + 5 * PROBE_4K));
	SAYS(&t, want);
	RUN(&a, "audit", ST_BAD);
	EXPECT_EQ(tool_end(&t), ST_BAD);
	SAYS(&t, "found by an audit");
	/* Two causes. */
	snprintf(want, sizeof(want), "      1  frame     access  %7u  ",
		 get_info(d).asid);
	SAYS(&t, want);
	snprintf(want, sizeof(want), "      1  frame     audit   %7u  ",
		 get_info(d).asid);
	SAYS(&t, want);
	EXPECT_EQ(instances(), 0);
}

static void violations_json(int arg)
{
	struct probe_mem mem;
	struct dmirage *d = make_stale(&mem);
	struct dmirage_sqe sqe;
	struct tool t;

	(void)arg;
	start_following(&t, "violations -f -j -n 1 -t 8");
	dmirage_prep_touch_read(&sqe, 0x78, mem.addr + 3 * PROBE_4K, 1);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	EXPECT_EQ(tool_end(&t), ST_BAD);
	EXPECT_EQ(json(&t, "context"), get_info(d).asid);
	EXPECT_EQ(json(&t, "addr"), (uintptr_t)(mem.addr + 3 * PROBE_4K));
	EXPECT_EQ(json(&t, "cpu_frame"), frame_of(mem.addr + 3 * PROBE_4K));
	EXPECT_EQ(json(&t, "cpu_order"), 21);
	EXPECT_EQ(json(&t, "cookie"), 0x78);
	EXPECT_EQ(json(&t, "inv_start"), (uintptr_t)mem.addr);
	EXPECT_EQ(json(&t, "inv_len"), PROBE_4K);
	SAYS(&t, "\"kind\":\"frame\",\"by\":\"access\",\"holder\":\"latch\",\"access\":\"read\",\"op\":\"touch_read\",\"mode\":\"mirror\"");
	SAYS(&t, "\"function\":\"\"");
	SAYS(&t, "\"chain\":[]");
	SAYS(&t, "\"comm\":\"tool\"");
}

/* A name of ours that would break a line, or a report, if it came as it is. */
#define ODD_NAME	"a 'b\\c\n<\"\033e"
#define ODD_NAME_SHOWN	"a ?b?c?<\"?e"

/*
 * A watched context's pages of 4 KiB, moved behind its back by one call.
 */
static struct dmirage *watch_move(struct probe_mem *mem, unsigned int pages)
{
	struct dmirage *d;
	unsigned int i;

	need_watch();
	d = open_mode(DMIRAGE_MODE_MIRROR, DMIRAGE_OPEN_WATCH);
	ASSERT_PROBE(probe_ctx_write(d, "fault_mode", "inval-ignored"));
	*mem = get_mem(PROBE_KIND_4K, pages * PROBE_4K);
	/* fork() changes the rights of all of it */
	ASSERT_SYS(madvise(mem->addr, mem->len, MADV_DONTFORK));
	for (i = 0; i < pages; i++)
		dev_write(d, mem->addr + i * PROBE_4K, i);
	/* Busy ones would be moved later, in another way. */
	drain_batches();
	move_mem(mem, 1);
	return d;
}

static unsigned int times(const struct tool *t, const char *what)
{
	const char *at = t->text;
	unsigned int n = 0;

	while ((at = strstr(at, what))) {
		at += strlen(what);
		n++;
	}
	return n;
}

/* What a report of one of these pages has. */
static void expect_moved(struct tool *t, struct dmirage *d)
{
	struct utsname uts;
	char want[160];

	ASSERT_SYS(uname(&uts));
	snprintf(want, sizeof(want), "Linux %s %s\n", uts.release, uts.machine);
	SAYS(t, want);
	snprintf(want, sizeof(want), "dmirage device %s, interface ",
		 get_info(d).pci_name);
	SAYS(t, want);
	SAYS(t, "BUG: DMIRAGE: stale frame, made so by a store to the page table\n"
		"4 KiB at addr 0x");
	snprintf(want, sizeof(want), " by context %u\nof process %d (tool)\n",
		 get_info(d).asid, getpid());
	SAYS(t, want);
	SAYS(t, "The page table was changed by ");
	SAYS(t, "  PTE entry before 0x");
	SAYS(t, ", writable\n  PTE entry after  0x");
	SAYS(t, "Call chain:\n  ");
	SAYS(t, "move_pages+0x");
	SAYS(t, "The device holds  frame 0x");
	SAYS(t, "\n  of a 4 KiB translation, writable, loaded ");
	SAYS(t, "The process has   ");
	SAYS(t, "The device was not told to drop anything near this address.");
	SAYS(t, "The VMA is 0x");
	SAYS(t, " rw-p [anonymous]\n");
}

/* The tracepoint's switch. */
static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	ASSERT_SYS(fd);
	EXPECT_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static const char trace_on[] =
	"/sys/kernel/tracing/events/dmirage/dmirage_violation/enable";

static void forget_trace(void)
{
	close(open("/sys/kernel/tracing/trace", O_WRONLY | O_TRUNC));
}

/* The kernel's trace has what became of pages that were moved. */
static struct dmirage *trace_move(struct probe_mem *mem, unsigned int pages)
{
	struct dmirage_audit_range none;
	u64 end = now_ms() + 8000;
	struct dmirage *d;

	forget_trace();
	write_text(trace_on, "1");
	d = watch_move(mem, pages);
	while (counter(d, "watch_violations") < pages && now_ms() < end)
		sleep_ms(10);
	EXPECT_EQ(counter(d, "watch_violations"), pages);
	/* The device counts them; an audit ends when the driver has them all. */
	ASSERT_OK(dmirage_audit(d, NULL, PROBE_4K, &none));
	EXPECT_EQ(none.translations, 0);
	write_text(trace_on, "0");
	return d;
}

/* 512 pages, moved at once, are one cause. */
static void violations_cause(int arg)
{
	struct probe_mem mem;
	struct dmirage *d;
	char want[120];
	struct tool t;

	(void)arg;
	d = trace_move(&mem, 512);
	RUN(&t, "violations", ST_BAD);
	expect_moved(&t, d);
	EXPECT_EQ(times(&t, "BUG: DMIRAGE"), 1);
	snprintf(want, sizeof(want), "This has happened 512 times, at addresses %p to %p,\nwithin ",
		 (void *)mem.addr, (void *)(mem.addr + mem.len - PROBE_4K));
	SAYS(&t, want);
	forget_trace();
}

/* More of them than the trace's buffer takes: it says so. */
static void violations_lost(int arg)
{
	static const char size[] = "/sys/kernel/tracing/buffer_size_kb";
	struct probe_mem mem;
	unsigned long before;
	struct tool t;
	char text[64];
	FILE *f;

	(void)arg;
	/* "7 (expanded: 1408)" until it is first used */
	f = fopen(size, "re");
	ASSERT(f && fgets(text, sizeof(text), f));
	fclose(f);
	if (sscanf(text, "%*u (expanded: %lu)", &before) != 1)
		ASSERT_EQ(sscanf(text, "%lu", &before), 1);
	/* What this is for: a test that ran before has not made it small. */
	EXPECT_GE(before, 1000);
	write_text(size, "64");
	trace_move(&mem, 512);
	RUN(&t, "violations", ST_BAD);
	SAYS(&t, "dmirage: the trace has lost its ");
	SAYS(&t, " oldest entries: more fit in with a larger buffer_size_kb\n");
	EXPECT_EQ(times(&t, "This has happened 512 times"), 0);
	snprintf(text, sizeof(text), "%lu", before);
	write_text(size, text);
	forget_trace();
}

/* While it goes on: the first one at once, and all of them at the end. */
static void violations_table(int arg)
{
	struct probe_mem mem;
	struct dmirage *d;
	char want[120];
	struct tool t;

	(void)arg;
	start_following(&t, "violations -f -n 512 -t 8");
	d = watch_move(&mem, 512);
	EXPECT_EQ(tool_end(&t), ST_BAD);
	expect_moved(&t, d);
	EXPECT_EQ(times(&t, "BUG: DMIRAGE"), 1);
	SAYS(&t, "  count  kind      by      context  first address   last address    where\n");
	snprintf(want, sizeof(want), "    512  frame     watch   %7u  %p  %p  ",
		 get_info(d).asid, (void *)mem.addr,
		 (void *)(mem.addr + mem.len - PROBE_4K));
	SAYS(&t, want);
}

static void violations_all(int arg)
{
	struct probe_mem mem;
	struct dmirage *d;
	char want[80];
	struct tool t;
	unsigned int i;

	(void)arg;
	d = trace_move(&mem, 4);
	RUN(&t, "violations --all", ST_BAD);
	expect_moved(&t, d);
	EXPECT_EQ(times(&t, "BUG: DMIRAGE"), 4);
	EXPECT_EQ(times(&t, "Call chain:\n"), 4);
	for (i = 0; i < 4; i++) {
		snprintf(want, sizeof(want), "4 KiB at addr %p by context %u\n",
			 (void *)(mem.addr + i * PROBE_4K), get_info(d).asid);
		SAYS(&t, want);
	}
	EXPECT_EQ(times(&t, "This has happened"), 0);
	forget_trace();
}

static void violations_chain_json(int arg)
{
	struct probe_mem mem;
	struct dmirage *d;
	char want[120];
	struct tool t;

	(void)arg;
	d = trace_move(&mem, 2);
	RUN(&t, "violations --json", ST_BAD);
	EXPECT_EQ(times(&t, "{\"time\":"), 2);
	EXPECT_EQ(json(&t, "context"), get_info(d).asid);
	EXPECT_EQ(json(&t, "addr"), (uintptr_t)mem.addr);
	EXPECT_EQ(json(&t, "pid"), getpid());
	EXPECT_EQ(json(&t, "level"), 1);
	EXPECT_EQ(json(&t, "entry_before") & 3, 3);
	EXPECT(json(&t, "entry_before") != json(&t, "entry_after"));
	EXPECT_EQ(json(&t, "held_frame"),
		  json(&t, "entry_before") & 0x000ffffffffff000ull);
	SAYS(&t, "\"kind\":\"frame\",\"by\":\"watch\"");
	SAYS(&t, "\"op\":\"-\"");
	SAYS(&t, "\"why\":\"store\"");
	SAYS(&t, "\"chain\":[\"");
	SAYS(&t, "move_pages+0x");
	SAYS(&t, "\"comm\":\"tool\",\"vma\":{\"start\":");
	SAYS(&t, "\"rights\":\"rw-p\",\"hugetlb\":false,\"name\":\"\"}");
	snprintf(want, sizeof(want), "\"device\":\"%s\"", get_info(d).pci_name);
	SAYS(&t, want);
	forget_trace();
}

/* A process has a name that would end the line, and speak for others. */
static void violations_name(int arg)
{
	struct probe_mem mem;
	struct tool t;

	(void)arg;
	ASSERT_SYS(prctl(PR_SET_NAME, ODD_NAME));
	trace_move(&mem, 1);
	RUN(&t, "violations", ST_BAD);
	SAYS(&t, "(" ODD_NAME_SHOWN ")\n");
	RUN(&t, "violations --json", ST_BAD);
	SAYS(&t, "\"comm\":\"a ?b?c?<\\\"?e\"");
	forget_trace();
}

/* It ends when it is told to, at its time, and leaves nothing. */
static void violations_end(int arg)
{
	u64 began = now_ms();
	struct tool t;

	(void)arg;
	RUN(&t, "violations -f -t 0.3", ST_OK);
	EXPECT_GE(now_ms() - began, 290);
	EXPECT_EQ(instances(), 0);
	start_following(&t, "violations -f");
	EXPECT_SYS(kill(t.pid, SIGTERM));
	EXPECT_EQ(tool_end(&t), ST_OK);
	EXPECT_EQ(instances(), 0);
	RUN(&t, "violations --count 3", ST_USAGE);
	RUN(&t, "violations -f -t x", ST_USAGE);
	RUN_AS(&t, nobody, "violations -f", ST_ENV);
	SAYS(&t, "are you root?");
}

/* Without --follow: what the kernel's trace has. */
static void violations_past(int arg)
{
	struct probe_mem mem;
	struct dmirage *d = make_stale(&mem);
	struct dmirage_violation v;
	struct dmirage_sqe sqe;
	struct tool t;

	(void)arg;
	forget_trace();
	RUN(&t, "violations", ST_OK);
	write_text(trace_on, "1");
	dmirage_prep_touch_read(&sqe, 0x79, mem.addr + PROBE_4K, 1);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	/* The record is made by the driver's interrupt thread. */
	ASSERT_EQ(dmirage_read_violations(d, &v, 1, 5000), 1);
	write_text(trace_on, "0");
	RUN(&t, "violations", ST_BAD);
	SAYS(&t, "cookie 0x79");
	SAYS(&t, "This has happened once.");
	forget_trace();
}

/*
 * Other programs read the trace by this description of it, and know none of our
 * names for numbers.
 */
static void violations_format(int arg)
{
	int fd = open("/sys/kernel/tracing/events/dmirage/dmirage_violation/format",
		      O_RDONLY);
	char text[16384], *at;
	size_t len = 0;
	ssize_t got;

	(void)arg;
	ASSERT_SYS(fd);
	while ((got = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)got;
	close(fd);
	text[len] = '\0';
	at = strstr(text, "DMIRAGE_");
	if (at)
		ktap_note("%.60s", at);
	EXPECT(strstr(text, "print fmt: \"asid %u kind %s by %s "));
	EXPECT(strstr(text, "__get_str(vma_name)"));
	EXPECT(!at);
}

/* ---- All --------------------------------------------------------------- */

static void stat_json(int arg)
{
	struct dmirage *d = open_context();
	struct dmirage_counters c;
	struct tool t;
	u64 word;

	(void)arg;
	dev_write(d, &word, 1);
	ASSERT_OK(dmirage_get_counters(d, DMIRAGE_SCOPE_DEVICE, &c));
	RUN(&t, "stat --json", ST_OK);
	EXPECT_EQ(json(&t, "ops"), c.ops);
	EXPECT_EQ(json(&t, "faults"), c.faults);
	EXPECT_EQ(json(&t, "mapped_4k"), c.mapped_4k);
	EXPECT_EQ(json(&t, "prefetches"), c.prefetches);
	EXPECT_EQ(json(&t, "checks"), c.checks);
	EXPECT_EQ(json(&t, "violations"), c.violations);
}

static void usage(int arg)
{
	static const char *const commands[] = {
		"info",
		"stat",
		"copy",
		"fill",
		"prefetch",
		"audit",
		"violations",
		"observe",
		"demo",
	};
	char line[64];
	struct tool t;
	size_t i;

	(void)arg;
	RUN(&t, "--help", ST_OK);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		SAYS(&t, commands[i]);
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		snprintf(line, sizeof(line), "%s --help", commands[i]);
		RUN(&t, line, ST_OK);
		snprintf(line, sizeof(line), "Usage: dmirage %s", commands[i]);
		SAYS(&t, line);
		snprintf(line, sizeof(line), "%s --no-such-option", commands[i]);
		RUN(&t, line, ST_USAGE);
	}
	RUN(&t, "no-such-command", ST_USAGE);
	RUN(&t, "--version", ST_OK);
	SAYS(&t, "interface version 6");
}

static void devices(int arg)
{
	struct tool t;

	(void)arg;
	RUN(&t, "fill --device /dev/dmirage99 --anon 1M 1", ST_NODEV);
	RUN(&t, "fill --device /dev/null --anon 1M 1", ST_USAGE);
	SAYS(&t, "is not a dmirage device");
	RUN_AS(&t, nobody, "fill --anon 1M 1", ST_ENV);
	SAYS(&t, "are you root?");
}

static const struct ktap_test tests[] = {
	{ "copy", copy, 0, 0 },
	{ "copy-anon", copy, 1, 0 },
	{ "copy-huge", copy, 2, 0 },
	{ "copy-regions", copy, 3, 0 },
	{ "copy-pinned", copy, 4, 0 },
	{ "copy-pinned-huge", copy, 5, 0 },
	{ "copy-shared", copy, 6, 0 },
	{ "copy-errors", copy_errors, 0, 0 },
	{ "fill", fill, 0, 0 },
	{ "prefetch", prefetch, 0, 0 },
	{ "prefetch-write", prefetch, 1, 0 },
	{ "prefetch-regions", prefetch, 2, 0 },
	{ "prefetch-async", prefetch, 3, 0 },
	{ "prefetch-async-write", prefetch, 4, 0 },
	{ "prefetch-errors", prefetch_errors, 0, 0 },
	{ "audit-others", audit_others, 0, 0 },
	{ "audit-own", audit_own, 0, 0 },
	{ "violations", violations, 0, 0 },
	{ "violations-json", violations_json, 0, 0 },
	{ "violations-end", violations_end, 0, 0 },
	{ "violations-past", violations_past, 0, 0 },
	{ "violations-cause", violations_cause, 0, 0 },
	{ "violations-lost", violations_lost, 0, 0 },
	{ "violations-table", violations_table, 0, 0 },
	{ "violations-all", violations_all, 0, 0 },
	{ "violations-chain-json", violations_chain_json, 0, 0 },
	{ "violations-name", violations_name, 0, 0 },
	{ "violations-format", violations_format, 0, 0 },
	{ "stat-json", stat_json, 0, 0 },
	{ "usage", usage, 0, 0 },
	{ "devices", devices, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
