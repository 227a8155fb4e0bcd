// SPDX-License-Identifier: GPL-2.0
/*
 * `dmirage observe': that it follows a program wherever it goes, that the program does not
 * notice, and that what is stale is found.
 *
 * The programs that are observed are this one, started as "observe --do NAME".
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

#define TOOL	"/bin/dmirage"
#define SELF	"/tests/observe"

#define ST_VIOLATIONS	99
#define ST_USAGE	2
#define ST_ENV		4
#define ST_NOT_FOUND	127

#define RANGE_ADDR	0x600000000000ull
#define RANGE_LEN	(4ul << 20)

/* ---- Programs ------------------------------------------------------------ */

static u8 *map_at(u64 addr, size_t len)
{
	int fixed = addr ? MAP_FIXED_NOREPLACE : 0;
	u8 *p = mmap((void *)addr, len, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);

	if (p == MAP_FAILED)
		_exit(90);
	return p;
}

static unsigned int ms_of(char **argv)
{
	return argv[0] ? (unsigned int)atoi(argv[0]) : 0;
}

static int do_exit(char **argv)
{
	return atoi(argv[0]);
}

static int do_kill(char **argv)
{
	kill(getpid(), atoi(argv[0]));
	return 91;
}

static volatile sig_atomic_t told;

static void on_term(int sig)
{
	told = sig;
}

/* Says when it is ready, and ends with 5 at SIGTERM. */
static int do_term(char **argv)
{
	(void)argv;
	signal(SIGTERM, on_term);
	puts("ready");
	fflush(stdout);
	while (!told)
		usleep(1000);
	return 5;
}

static int do_sleep(char **argv)
{
	sleep_ms(ms_of(argv));
	return 0;
}

/* What a program can see of itself. */
static int do_look(char **argv)
{
	char line[128];
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	FILE *f;

	(void)argv;
	sleep_ms(200);
	while ((e = readdir(d))) {
		if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(d))
			printf("fd %s\n", e->d_name);
	}
	f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "TracerPid:", 10) || !strncmp(line, "SigBlk:", 7) ||
		    !strncmp(line, "SigIgn:", 7))
			fputs(line, stdout);
	}
	return 0;
}

/* A process, its two children, and two of each of these. */
static int do_tree(char **argv)
{
	unsigned int depth, i;

	(void)argv;
	for (depth = 0; depth < 2; depth++) {
		for (i = 0; i < 2; i++) {
			if (!fork())
				break;
		}
		if (i == 2)
			break;
	}
	sleep_ms(700);
	while (wait(NULL) > 0)
		;
	return 0;
}

/* Executes itself so often. */
static int do_exec(char **argv)
{
	char more[12];
	int left = atoi(argv[0]);

	sleep_ms(300);
	if (!left)
		return 6;
	snprintf(more, sizeof(more), "%d", left - 1);
	execl(SELF, SELF, "--do", "exec", more, NULL);
	return 92;
}

static int do_vfork(char **argv)
{
	pid_t pid = vfork();

	(void)argv;
	if (!pid) {
		execl(SELF, SELF, "--do", "sleep", "400", NULL);
		_exit(92);
	}
	sleep_ms(300);
	return wait_child(pid);
}

#define THREAD_PAGES	2048

/* Memory that is mapped when the first thread has ended. */
static void *use_memory(void *arg)
{
	u8 *p;

	sleep_ms(100);
	p = map_at(0, THREAD_PAGES * 4096);
	madvise(p, THREAD_PAGES * 4096, MADV_NOHUGEPAGE);
	memset(p, 1, THREAD_PAGES * 4096);
	sleep_ms(900);
	exit(arg ? 96 : 0);
}

/* The first thread ends, and another one goes on. */
static int do_threads(char **argv)
{
	pthread_t thread;

	(void)argv;
	sleep_ms(200);
	if (pthread_create(&thread, NULL, use_memory, NULL))
		return 93;
	pthread_exit(NULL);
}

/* A while later there is a file. */
static int leave_file(const char *path)
{
	FILE *f;

	sleep_ms(600);
	f = fopen(path, "w");
	if (f)
		fclose(f);
	return 4;
}

static int do_daemon(char **argv)
{
	if (fork())
		return 3;
	setsid();
	if (fork())
		_exit(0);
	return leave_file(argv[0]);
}

/* The same, and who observes is asleep until the process between the two is gone. */
static int do_orphan(char **argv)
{
	pid_t observer = getppid(), between;
	u64 end;
	bool gone;

	kill(observer, SIGSTOP);
	if (fork())
		return 3;
	setsid();
	between = getpid();
	if (fork())
		_exit(0);
	for (end = now_ms() + 5000; !kill(between, 0) && now_ms() < end;)
		sleep_ms(10);
	gone = kill(between, 0);
	kill(observer, SIGCONT);
	return gone ? leave_file(argv[0]) : 98;
}

/* Writes, discards and writes again; ends with 1 if it reads anything else. */
static int churn_at(u64 addr, char **argv)
{
	u64 end = now_ms() + ms_of(argv);
	size_t len = 1 << 20, i;
	u8 *p = map_at(addr, len);
	u8 value = 1;

	for (; now_ms() < end; value++) {
		for (i = 0; i < len; i += 4096)
			p[i] = value;
		sleep_ms(30);
		for (i = 0; i < len; i += 4096) {
			if (p[i] != value)
				return 1;
		}
		if (madvise(p, len, MADV_DONTNEED) || p[0])
			return 1;
	}
	return 0;
}

static int do_churn(char **argv)
{
	return churn_at(0, argv);
}

/* How many pages are there; ends the process if that cannot be known. */
static unsigned int pages_there(const u8 *p, size_t len)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	unsigned int n = 0;
	size_t i;
	u64 entry;

	for (i = 0; i < len; i += 4096) {
		if (pread(fd, &entry, 8, (off_t)(((uintptr_t)p + i) / 4096 * 8)) != 8)
			_exit(94);
		n += entry >> 63;
	}
	close(fd);
	return n;
}

/* Writes and discards, at any moment; ends with 1 if anything comes back. */
static int do_discard(char **argv)
{
	u64 end = now_ms() + ms_of(argv);
	size_t len = 1 << 20;
	u8 *p = map_at(0, len);
	unsigned int n = 0;

	for (madvise(p, len, MADV_NOHUGEPAGE); now_ms() < end; n++) {
		memset(p, 1, len);
		usleep(n * 331 % 9000);
		if (madvise(p, len, MADV_DONTNEED))
			return 95;
		sleep_ms(4);
		if (pages_there(p, len))
			return 1;
	}
	return 0;
}

/* Of 1 GiB it touches 16 pages; ends with 1 if it has more in the end. */
static int do_sparse(char **argv)
{
	size_t len = 1ul << 30, i;
	u8 *p = map_at(0, len);

	(void)argv;
	madvise(p, len, MADV_NOHUGEPAGE);
	for (i = 0; i < 16; i++)
		p[i * (len / 16)] = 1;
	sleep_ms(1000);
	return pages_there(p, len / 16) != 1;
}

/* Its memory is at a place that is known; it changes no more. */
static int do_range(char **argv)
{
	u8 *p = map_at(RANGE_ADDR, RANGE_LEN);

	madvise(p, RANGE_LEN, MADV_NOHUGEPAGE);
	memset(p, 1, RANGE_LEN);
	sleep_ms(ms_of(argv));
	return 0;
}

/* A child whose memory changes, beside a parent that has much of it before. */
static int do_crowd(char **argv)
{
	size_t len = 64ul << 20;
	int ready[2];
	pid_t pid;
	u8 *p;

	if (pipe(ready))
		return 93;
	pid = fork();
	if (!pid)
		return read(ready[0], &len, 1) == 1 ? churn_at(RANGE_ADDR, argv) : 94;
	p = map_at(RANGE_ADDR, len);
	madvise(p, len, MADV_NOHUGEPAGE);
	memset(p, 1, len);
	if (write(ready[1], "", 1) != 1)
		return 95;
	return wait_child(pid);
}

static int do_storm(char **argv)
{
	int i, n = atoi(argv[0]);

	sleep_ms(200);
	for (i = 0; i < n; i++) {
		if (!fork())
			_exit(0);
		wait(NULL);
	}
	return 0;
}

static const struct {
	const char *name;
	int (*run)(char **argv);
} programs[] = {
	{ "exit", do_exit },
	{ "kill", do_kill },
	{ "term", do_term },
	{ "sleep", do_sleep },
	{ "look", do_look },
	{ "tree", do_tree },
	{ "exec", do_exec },
	{ "vfork", do_vfork },
	{ "threads", do_threads },
	{ "daemon", do_daemon },
	{ "orphan", do_orphan },
	{ "churn", do_churn },
	{ "discard", do_discard },
	{ "sparse", do_sparse },
	{ "range", do_range },
	{ "crowd", do_crowd },
	{ "storm", do_storm },
};

static int do_it(char **argv)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(programs); i++) {
		if (!strcmp(programs[i].name, argv[0]))
			return programs[i].run(argv + 1);
	}
	return 95;
}

/* ---- The command --------------------------------------------------------- */

#define MAX_ARGS	20

/**
 * struct run - a run of the command
 * @out @err @json: what it said, and what it wrote
 */
struct run {
	pid_t pid;
	char out[4096], err[32768], json[32768];
};

/* Of this test; its child is to use the same. */
static pid_t test;

static const char *path_of(const char *what)
{
	static char path[3][48];
	char *p = path[what[0] % 3];

	snprintf(p, sizeof(path[0]), "/tmp/observe-%s-%d", what, (int)test);
	return p;
}

static void read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
	unlink(path);
}

static void run_argv(struct run *r, char **argv)
{
	test = getpid();
	r->pid = fork();
	ASSERT_SYS(r->pid);
	if (!r->pid) {
		dup2(open(path_of("out"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), 1);
		dup2(open(path_of("err"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), 2);
		execv(argv[0], argv);
		_exit(127);
	}
}

/* @line: options and program, with a blank between each two. */
static void run_start(struct run *r, const char *line)
{
	char *words = strdup(line);
	char *argv[MAX_ARGS] = { (char *)TOOL, (char *)"observe", (char *)"--json" };
	unsigned int n = 4;

	ASSERT(words);
	test = getpid();
	argv[3] = (char *)path_of("json");
	while ((argv[n] = strsep(&words, " ")))
		ASSERT(++n < MAX_ARGS);
	run_argv(r, argv);
}

static void run_end(const char *file, int line, struct run *r, int want)
{
	int status = wait_child(r->pid);
	char *text = r->err, *one;

	read_file(path_of("out"), r->out, sizeof(r->out));
	read_file(path_of("err"), r->err, sizeof(r->err));
	read_file(path_of("json"), r->json, sizeof(r->json));
	if (status == want)
		return;
	ktap_fail(file, line, "status %d instead of %d", status, want);
	while ((one = strsep(&text, "\n")))
		ktap_note("  %s", one);
	ktap_end();
}

#define END(r, want) run_end(__FILE__, __LINE__, r, want)
#define RUN(r, words, want) do { run_start(r, words); END(r, want); } while (0)

static void says(const char *file, int line, const struct run *r, const char *what)
{
	if (strstr(r->err, what))
		return;
	ktap_fail(file, line, "it does not say '%s'", what);
	ktap_note("%s", r->err);
}

#define SAYS(r, what) says(__FILE__, __LINE__, r, what)

static u64 json_of(const char *file, int line, const struct run *r, const char *name)
{
	char key[40], *at;

	snprintf(key, sizeof(key), "\"%s\":", name);
	at = strstr(r->json, key);
	if (!at) {
		ktap_fail(file, line, "no %s in '%s'", key, r->json);
		ktap_end();
	}
	return strtoull(at + strlen(key), NULL, 0);
}

#define JSON(r, name) json_of(__FILE__, __LINE__, r, name)

/* Nothing is left of the command, and nothing was stale. */
static void clean(const struct run *r)
{
	EXPECT_EQ(JSON(r, "violations"), 0);
	EXPECT_EQ(contexts_in_use(0), 0);
}

/* ---- Tests --------------------------------------------------------------- */

static struct run r;

static void status(int arg)
{
	(void)arg;
	RUN(&r, "-- " SELF " --do exit 7", 7);
	EXPECT_EQ(JSON(&r, "status"), 7);
	RUN(&r, "-- " SELF " --do exit 0", 0);
	RUN(&r, "-- " SELF " --do kill 9", 128 + 9);
	RUN(&r, SELF " --do kill 11", 128 + 11);
	EXPECT_EQ(JSON(&r, "processes"), 1);
	clean(&r);
}

static void signals(int arg)
{
	u64 end = now_ms() + 5000;
	struct stat st = { 0 };

	(void)arg;
	run_start(&r, "-- " SELF " --do term");
	while (!st.st_size && now_ms() < end) {
		sleep_ms(20);
		if (stat(path_of("out"), &st))
			st.st_size = 0;
	}
	EXPECT_SYS(kill(r.pid, SIGTERM));
	END(&r, 5);
	clean(&r);
}

/* The program's output is what it is without, and it sees of itself what it sees without. */
static void unnoticed(int arg)
{
	char *argv[] = { (char *)SELF, (char *)"--do", (char *)"look", NULL };
	static struct run plain;

	(void)arg;
	run_argv(&plain, argv);
	END(&plain, 0);
	ASSERT(strstr(plain.out, "TracerPid:\t0\n") != NULL);
	RUN(&r, "-- " SELF " --do look", 0);
	if (!EXPECT(strcmp(r.out, plain.out) == 0))
		ktap_note("%s", r.out);
	clean(&r);
}

static void tree(int arg)
{
	(void)arg;
	RUN(&r, "-- " SELF " --do tree", 0);
	EXPECT_EQ(JSON(&r, "processes"), 7);
	EXPECT_EQ(JSON(&r, "spaces"), 7);
	EXPECT_EQ(JSON(&r, "missed"), 0);
	clean(&r);
}

static void exec(int arg)
{
	(void)arg;
	RUN(&r, "-- " SELF " --do exec 3", 6);
	EXPECT_EQ(JSON(&r, "processes"), 1);
	EXPECT_EQ(JSON(&r, "spaces"), 4);
	EXPECT_EQ(JSON(&r, "missed"), 0);
	clean(&r);
}

static void vforks(int arg)
{
	(void)arg;
	RUN(&r, "-- " SELF " --do vfork", 0);
	EXPECT_EQ(JSON(&r, "processes"), 2);
	EXPECT_EQ(JSON(&r, "spaces"), 2);
	EXPECT_EQ(JSON(&r, "missed"), 0);
	clean(&r);
}

static void threads(int arg)
{
	(void)arg;
	RUN(&r, "-- " SELF " --do threads", 0);
	EXPECT_EQ(JSON(&r, "processes"), 1);
	EXPECT_EQ(JSON(&r, "spaces"), 1);
	EXPECT_GE(JSON(&r, "translations"), THREAD_PAGES);
	clean(&r);
}

static void daemons(int orphan)
{
	char line[96], path[32];

	snprintf(path, sizeof(path), "/tmp/daemon-%d", (int)getpid());
	snprintf(line, sizeof(line), "-- " SELF " --do %s %s", orphan ? "orphan" : "daemon", path);
	RUN(&r, line, 3);
	/* It is followed to its end, through one that was gone before anybody looked. */
	EXPECT_SYS(unlink(path));
	EXPECT_EQ(JSON(&r, "processes"), 3);
	EXPECT_GE(JSON(&r, "missed"), orphan);
	clean(&r);
}

/* Children that are there for an instant are attached to, or counted as missed. */
static void storm(int arg)
{
	(void)arg;
	RUN(&r, "-- " SELF " --do storm 50", 0);
	EXPECT_EQ(JSON(&r, "processes"), 51);
	EXPECT_EQ(JSON(&r, "spaces") + JSON(&r, "missed"), 51);
	clean(&r);
}

/* Each address space has its turn, also if one could take all there is to give. */
static void turns(int arg)
{
	(void)arg;
	RUN(&r, "--range 0x600000000000+64M --rate 2000 -- " SELF " --do crowd 4000", 0);
	EXPECT_EQ(JSON(&r, "spaces"), 2);
	EXPECT_GE(JSON(&r, "again"), 256);
	clean(&r);
}

static const char *const ways[] = {
	"",
	"--touch write",
	"--touch both",
	"--mode shared",
};

static void churn(int way)
{
	char line[96];

	snprintf(line, sizeof(line), "%s%s-- " SELF " --do churn 1500", ways[way],
		 way ? " " : "");
	RUN(&r, line, 0);
	EXPECT_GE(JSON(&r, "pages"), 512);
	EXPECT_GE(JSON(&r, "translations"), 512);
	EXPECT_GE(JSON(&r, "again"), 128);
	EXPECT_GE(JSON(&r, "invalidations"), 5);
	clean(&r);
}

static void discard(int way)
{
	char line[96];

	snprintf(line, sizeof(line), "--rate 200000%s%s -- " SELF " --do discard 2500",
		 way ? " " : "", ways[way]);
	RUN(&r, line, 0);
	EXPECT_GE(JSON(&r, "translations"), 1024);
	EXPECT_GE(JSON(&r, "invalidations"), 20);
	clean(&r);
}

static void sparse(int arg)
{
	(void)arg;
	RUN(&r, "-- " SELF " --do sparse", 0);
	EXPECT_GE(JSON(&r, "translations"), 16);
	clean(&r);
}

static void range(int arg)
{
	(void)arg;
	RUN(&r, "--range 0x600000010000+64K -- " SELF " --do range 2500", 0);
	EXPECT_EQ(JSON(&r, "translations"), 16);
	EXPECT_GE(JSON(&r, "pages"), 32);
	clean(&r);
}

static void rate(int arg)
{
	(void)arg;
	RUN(&r, "--range 0x600000010000+64K --rate 64 -- " SELF " --do range 1500", 0);
	EXPECT_GE(JSON(&r, "pages"), 32);
	/* 64 a second, and what a block has too much */
	EXPECT_GE(64 * 3 + 16, JSON(&r, "pages"));
	clean(&r);
}

static void found(int arg)
{
	(void)arg;
	RUN(&r, "--fault-mode inval-ignored -- " SELF " --do churn 600", ST_VIOLATIONS);
	EXPECT_GE(JSON(&r, "violations"), 1);
	EXPECT_EQ(JSON(&r, "status"), 0);
	SAYS(&r, "BUG: DMIRAGE: ");
	SAYS(&r, "  count  kind      by  ");
	SAYS(&r, " violation");
	EXPECT(strstr(r.json, "\"first\":{\"time\":") != NULL);
	RUN(&r, "--error-exitcode=5 --fault-mode inval-ignored -- " SELF " --do churn 600", 5);
	RUN(&r, "--error-exitcode=0 --fault-mode inval-ignored -- " SELF " --do churn 600", 0);
	EXPECT_EQ(contexts_in_use(0), 0);
}

static void by_pid(int arg)
{
	pid_t pid = fork();
	char line[48];
	int state;

	(void)arg;
	ASSERT_SYS(pid);
	if (!pid) {
		execl(SELF, SELF, "--do", "churn", "3000", NULL);
		_exit(92);
	}
	sleep_ms(300);
	/* For a time: the process goes on. */
	snprintf(line, sizeof(line), "--timeout 0.7 --pid %d", (int)pid);
	RUN(&r, line, 0);
	EXPECT_EQ(JSON(&r, "spaces"), 1);
	EXPECT_GE(JSON(&r, "translations"), 256);
	EXPECT_EQ(waitpid(pid, &state, WNOHANG), 0);
	clean(&r);
	/* And to its end. */
	snprintf(line, sizeof(line), "--pid %d", (int)pid);
	RUN(&r, line, 0);
	EXPECT_EQ(wait_child(pid), 0);
	clean(&r);
	snprintf(line, sizeof(line), "--pid %d", (int)pid);
	RUN(&r, line, ST_ENV);
	SAYS(&r, "cannot attach to process");
}

static const struct {
	const char *line;
	int status;
	const char *says;
} bad[] = {
	{ "--touch all -- /bin/true", ST_USAGE, "bad way to touch 'all'" },
	{ "--mode pinned -- /bin/true", ST_USAGE, "bad mode 'pinned'" },
	{ "--range 0x1000 -- /bin/true", ST_USAGE, "bad range '0x1000'" },
	{ "--range 0x1001+4K -- /bin/true", ST_USAGE, "bad range" },
	{ "--range 0x1000+0 -- /bin/true", ST_USAGE, "bad range" },
	{ "--rate 0 -- /bin/true", ST_USAGE, "bad rate '0'" },
	{ "--rate x -- /bin/true", ST_USAGE, "bad rate 'x'" },
	{ "--error-exitcode 256 -- /bin/true", ST_USAGE, "bad exit status '256'" },
	{ "--timeout -1 -- /bin/true", ST_USAGE, "bad time '-1'" },
	{ "--fault-mode no-such -- /bin/true", ST_USAGE, "there is no fault mode 'no-such'" },
	{ "--pid 1 -- /bin/true", ST_USAGE, "--pid goes without a program" },
	{ "--touch read", ST_USAGE, "a program is missing" },
	{ "-- /no/program", ST_NOT_FOUND, "cannot run /no/program: No such file" },
	{ "-- /tmp", 126, "cannot run /tmp: Permission denied" },
};

static void errors(int arg)
{
	size_t i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		RUN(&r, bad[i].line, bad[i].status);
		SAYS(&r, bad[i].says);
	}
	EXPECT_EQ(contexts_in_use(0), 0);
}

static const struct ktap_test tests[] = {
	{ "status", status, 0, 0 },
	{ "signals", signals, 0, 0 },
	{ "unnoticed", unnoticed, 0, 0 },
	{ "tree", tree, 0, 0 },
	{ "exec", exec, 0, 0 },
	{ "vfork", vforks, 0, 0 },
	{ "threads", threads, 0, 0 },
	{ "daemon", daemons, 0, 0 },
	{ "orphan", daemons, 1, 0 },
	{ "storm", storm, 0, 0 },
	{ "turns", turns, 0, 0 },
	{ "churn", churn, 0, 0 },
	{ "churn-write", churn, 1, 0 },
	{ "churn-both", churn, 2, 0 },
	{ "churn-shared", churn, 3, 0 },
	{ "discard", discard, 0, 0 },
	{ "discard-both", discard, 2, 0 },
	{ "discard-shared", discard, 3, 0 },
	{ "sparse", sparse, 0, 0 },
	{ "range", range, 0, 0 },
	{ "rate", rate, 0, 0 },
	{ "found", found, 0, 0 },
	{ "pid", by_pid, 0, 0 },
	{ "errors", errors, 0, 0 },
};

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "--do"))
		return do_it(argv + 2);
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests), NULL);
}
