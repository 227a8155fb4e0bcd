/* SPDX-License-Identifier: GPL-2.0 */
/* QEMU without a guest.  See qtest.h. */
#define _GNU_SOURCE
#include "qtest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The file descriptors that QEMU finds open. */
enum {
	FD_QTEST = 3,
	FD_QMP,
	FD_RAM,
	FD_LOG,
	FD_END
};

/* One of the two sockets: what was read and is not yet a line. */
struct channel {
	int fd;
	GString *in;
	const char *what;	/* was asked last */
};

struct qtest {
	pid_t pid;
	struct channel qtest;
	struct channel qmp;
	GString *events;
	GString *sent;
	int log;
	int err;
	uint8_t *ram;
};

/* --- the process ---------------------------------------------------------- */

static const char *setting(const char *name)
{
	const char *value = getenv(name);

	if (!value)
		g_error("%s is not set: make device sets it", name);
	return value;
}

G_GNUC_NULL_TERMINATED static void add(GPtrArray *line, const char *word, ...)
{
	va_list ap;

	va_start(ap, word);
	for (; word; word = va_arg(ap, const char *))
		g_ptr_array_add(line, g_strdup(word));
	va_end(ap);
}

static char **command_line(const char *const *args)
{
	GPtrArray *line = g_ptr_array_new();
	char *ram = g_strdup_printf("memory-backend-file,id=ram,size=%llu,share=on,"
				    "mem-path=/proc/self/fd/%d",
				    RAM_BYTES, FD_RAM);
	char *qtest = g_strdup_printf("socket,id=qtest,fd=%d", FD_QTEST);
	char *qmp = g_strdup_printf("socket,id=qmp,fd=%d", FD_QMP);
	char *log = g_strdup_printf("/proc/self/fd/%d", FD_LOG);

	add(line, setting("QEMU"), "-L", setting("QEMU_FIRMWARE"), NULL);
	add(line, "-no-user-config", "-nodefaults", "-display", "none", NULL);
	add(line, "-accel", "qtest", "-machine", "q35,memory-backend=ram", NULL);
	add(line, "-m", "4G", "-object", ram, NULL);
	add(line, "-chardev", qtest, "-qtest", "chardev:qtest", NULL);
	add(line, "-qtest-log", "/dev/null", NULL);
	add(line, "-chardev", qmp, "-mon", "chardev=qmp,mode=control", NULL);
	add(line, "-d", "guest_errors", "-D", log, NULL);
	for (; *args; args++)
		add(line, *args, NULL);
	g_ptr_array_add(line, NULL);
	g_free(ram);
	g_free(qtest);
	g_free(qmp);
	g_free(log);
	return (char **)g_ptr_array_free(line, FALSE);
}

/* In the child: @fds become FD_QTEST and so on. */
G_NORETURN static void become_qemu(char **line, const int *fds, int err)
{
	int moved[FD_END - FD_QTEST];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* What the C library complains of is to be in the log. */
	setenv("LIBC_FATAL_STDERR_", "1", 1);
	/* One that is to abort need not leave its memory behind. */
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
	/* Standard output is the test's TAP. */
	if (dup2(err, 1) < 0 || dup2(err, 2) < 0)
		_exit(126);
	/* First out of each other's way. */
	for (unsigned int i = 0; i < G_N_ELEMENTS(moved); i++)
		moved[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 64);
	for (unsigned int i = 0; i < G_N_ELEMENTS(moved); i++)
		if (dup2(moved[i], FD_QTEST + i) < 0)
			_exit(126);
	execv(line[0], line);
	dprintf(2, "cannot run %s: %s\n", line[0], strerror(errno));
	_exit(127);
}

static int memory_file(const char *name, off_t bytes)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, bytes))
		g_error("memfd %s: %s", name, strerror(errno));
	return fd;
}

static struct qtest *launch(const char *const *args)
{
	struct qtest *q = g_new0(struct qtest, 1);
	char **line = command_line(args);
	int qtest[2], qmp[2];
	int ram = memory_file("ram", RAM_BYTES);

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qtest) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qmp))
		g_error("socketpair: %s", strerror(errno));
	q->log = memory_file("log", 0);
	q->err = memory_file("stderr", 0);
	q->ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, ram, 0);
	if (q->ram == MAP_FAILED)
		g_error("cannot map the guest's RAM: %s", strerror(errno));

	q->pid = fork();
	if (q->pid < 0)
		g_error("fork: %s", strerror(errno));
	if (!q->pid)
		become_qemu(line, (int[]){ qtest[1], qmp[1], ram, q->log }, q->err);
	close(qtest[1]);
	close(qmp[1]);
	close(ram);
	g_strfreev(line);

	q->qtest = (struct channel){ qtest[0], g_string_new(NULL), "start" };
	q->qmp = (struct channel){ qmp[0], g_string_new(NULL), "start" };
	q->events = g_string_new(NULL);
	q->sent = g_string_new(NULL);
	return q;
}

/* The status with which QEMU ended, which it is about to do. */
static int reap(struct qtest *q)
{
	int status;
	pid_t pid;

	wait_for((pid = waitpid(q->pid, &status, WNOHANG)) != 0);
	g_assert_cmpint(pid, ==, q->pid);
	munmap(q->ram, RAM_BYTES);
	close(q->qtest.fd);
	close(q->qmp.fd);
	close(q->log);
	close(q->err);
	g_string_free(q->qtest.in, TRUE);
	g_string_free(q->qmp.in, TRUE);
	g_string_free(q->events, TRUE);
	g_string_free(q->sent, TRUE);
	g_free(q);
	return status;
}

G_NORETURN static void died(struct qtest *q, const char *what)
{
	char *log = qtest_log(q), *said = qtest_said(q);
	char *command = g_strdup(what);
	int status = reap(q);

	if (WIFSIGNALED(status))
		g_error("QEMU died of signal %d (%s) at '%s'; its log:\n%s%s", WTERMSIG(status),
			strsignal(WTERMSIG(status)), command, log, said);
	g_error("QEMU ended with status %d at '%s'; its log:\n%s%s", WEXITSTATUS(status), command,
		log, said);
}

/* --- lines ----------------------------------------------------------------- */

static void put(struct qtest *q, struct channel *c, const char *text, size_t bytes)
{
	while (bytes) {
		ssize_t n = send(c->fd, text, bytes, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			died(q, text);
		text += n;
		bytes -= n;
	}
}

/* The next line of @c, without its end; to be freed. */
static char *get_line(struct qtest *q, struct channel *c)
{
	gint64 until = g_get_monotonic_time() + LIMIT_MS * 1000;
	char buffer[4096], *end, *line;

	while (!(end = memchr(c->in->str, '\n', c->in->len))) {
		struct timeval limit = { .tv_usec = 100000 };
		ssize_t n;

		setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		n = recv(c->fd, buffer, sizeof(buffer), 0);
		if (n > 0)
			g_string_append_len(c->in, buffer, n);
		else if (n == 0 || errno == ECONNRESET)
			died(q, c->what);
		else if (g_get_monotonic_time() > until)
			g_error("QEMU did not answer '%s' within %d ms", c->what, LIMIT_MS);
	}
	line = g_strndup(c->in->str, end - c->in->str);
	g_string_erase(c->in, 0, end - c->in->str + 1);
	return line;
}

/* --- qtest ----------------------------------------------------------------- */

void qtest_send(struct qtest *q, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	g_string_vprintf(q->sent, format, ap);
	va_end(ap);
	q->qtest.what = q->sent->str;
	g_string_append_c(q->sent, '\n');
	put(q, &q->qtest, q->sent->str, q->sent->len);
	g_string_truncate(q->sent, q->sent->len - 1);
}

uint64_t qtest_answer(struct qtest *q)
{
	char *line = get_line(q, &q->qtest);
	uint64_t value;

	if (!g_str_has_prefix(line, "OK"))
		g_error("QEMU answers '%s' to '%s'", line, q->qtest.what);
	value = g_ascii_strtoull(line + 2, NULL, 0);
	g_free(line);
	return value;
}

static char letter(unsigned int size)
{
	switch (size) {
	case 1:
		return 'b';
	case 2:
		return 'w';
	case 4:
		return 'l';
	default:
		g_assert_cmpuint(size, ==, 8);
		return 'q';
	}
}

uint64_t qtest_read(struct qtest *q, uint64_t addr, unsigned int size)
{
	qtest_send(q, "read%c 0x%" PRIx64, letter(size), addr);
	return qtest_answer(q);
}

void qtest_write(struct qtest *q, uint64_t addr, unsigned int size, uint64_t value)
{
	qtest_send(q, "write%c 0x%" PRIx64 " 0x%" PRIx64, letter(size), addr, value);
	qtest_answer(q);
}

uint32_t qtest_inl(struct qtest *q, uint16_t port)
{
	qtest_send(q, "inl 0x%x", port);
	return qtest_answer(q);
}

void qtest_outl(struct qtest *q, uint16_t port, uint32_t value)
{
	qtest_send(q, "outl 0x%x 0x%x", port, value);
	qtest_answer(q);
}

void qtest_clock_step(struct qtest *q, uint64_t ns)
{
	qtest_send(q, "clock_step %" PRIu64, ns);
	qtest_answer(q);
}

void *qtest_ram(struct qtest *q, uint64_t addr)
{
	if (addr < RAM_LOW_BYTES)
		return q->ram + addr;
	g_assert_cmphex(addr, >=, RAM_HIGH);
	g_assert_cmphex(addr, <, RAM_HIGH + RAM_BYTES - RAM_LOW_BYTES);
	return q->ram + RAM_LOW_BYTES + (addr - RAM_HIGH);
}

static char *content(int fd)
{
	GString *text = g_string_new(NULL);
	char buffer[4096];
	ssize_t n;

	while ((n = pread(fd, buffer, sizeof(buffer), text->len)) > 0)
		g_string_append_len(text, buffer, n);
	return g_string_free(text, FALSE);
}

char *qtest_log(struct qtest *q)
{
	return content(q->log);
}

char *qtest_said(struct qtest *q)
{
	return content(q->err);
}

/* --- QMP ------------------------------------------------------------------- */

/* The next message that is no event; events are kept.  To be freed. */
static char *qmp_message(struct qtest *q, const char *what)
{
	q->qmp.what = what;
	while (true) {
		char *line = get_line(q, &q->qmp);

		if (!strstr(line, "\"event\":"))
			return line;
		g_string_append(q->events, line);
		g_free(line);
	}
}

char *qtest_qmp_answer(struct qtest *q, const char *command)
{
	char *answer;

	put(q, &q->qmp, command, strlen(command));
	answer = qmp_message(q, command);
	if (!strstr(answer, "\"return\":"))
		g_error("QMP: %s\n  to: %s", answer, command);
	return answer;
}

void qtest_qmp(struct qtest *q, const char *command)
{
	g_free(qtest_qmp_answer(q, command));
}

void qtest_qmp_event(struct qtest *q, const char *event)
{
	gint64 until = g_get_monotonic_time() + LIMIT_MS * 1000;

	while (!strstr(q->events->str, event)) {
		if (g_get_monotonic_time() > until)
			g_error("no %s within %d ms", event, LIMIT_MS);
		/* Events come before the next answer. */
		qtest_qmp(q, "{\"execute\":\"query-status\"}\n");
		g_usleep(1000);
	}
	g_string_truncate(q->events, 0);
}

void qtest_log_nothing(struct qtest *q)
{
	qtest_qmp(q, "{\"execute\":\"human-monitor-command\","
		     "\"arguments\":{\"command-line\":\"log none\"}}\n");
}

/* --- start and end ---------------------------------------------------------- */

struct qtest *qtest_start(const char *const *args)
{
	struct qtest *q = launch(args);

	g_free(qmp_message(q, "start"));
	qtest_qmp(q, "{\"execute\":\"qmp_capabilities\"}\n");
	return q;
}

void qtest_end(struct qtest *q)
{
	char *said = qtest_said(q);
	int status;

	fputs(said, stderr);
	g_free(said);
	qtest_qmp(q, "{\"execute\":\"quit\"}\n");
	status = reap(q);
	if (WIFSIGNALED(status))
		g_error("QEMU died of signal %d when told to quit", WTERMSIG(status));
	g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

/* Waits for QEMU's end and returns the status; *@said: to be freed. */
static int last_words(struct qtest *q, char **said)
{
	int err = dup(q->err), status = reap(q);

	g_assert_cmpint(err, >=, 0);
	*said = content(err);
	close(err);
	return status;
}

void qtest_expect_death(struct qtest *q, int signal, const char *message)
{
	char *said;
	int status = last_words(q, &said);

	if (!WIFSIGNALED(status) || WTERMSIG(status) != signal || !strstr(said, message))
		g_error("QEMU does not die of signal %d with '%s' but (status 0x%x) says: %s",
			signal, message, status, said);
	g_free(said);
}

void qtest_expect_refusal(const char *const *args, const char *message)
{
	struct qtest *q = launch(args);
	char *said;
	int status = last_words(q, &said);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 1 || !strstr(said, message))
		g_error("QEMU does not refuse with '%s' but says: %s", message, said);
	g_free(said);
}
