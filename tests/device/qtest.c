/* SPDX-License-Identifier: GPL-2.0 */
/* QEMU without a guest, by QEMU's own libqtest.  See qtest.h. */
#define _GNU_SOURCE
#include "qemu/osdep.h"
#include "libqtest.h"
#if __has_include("qobject/qjson.h") /* since 10.0 */
#include "qobject/qjson.h"
#else
#include "qapi/qmp/qjson.h"
#endif
#include "qtest.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

/* How much of QEMU's log a failure shows, in lines. */
#define LOG_SHOWN 30

struct qtest {
	QTestState *s;
	/* libqtest's own, and what was read from it here and is not yet a line */
	int socket;
	GString *answers;
	int log;
	int err;
	uint8_t *ram;
};

/* There is one at a time: QEMU, and what it is to do just now or "". */
static struct qtest *running;
static char doing[256];

/* --- failures -------------------------------------------------------------- */

/*
 * libqtest waits for QEMU without end, and ends a test whose QEMU is gone by
 * abort().  An alarm has to see to the first, and to both belongs QEMU's log.
 */
G_GNUC_PRINTF(1, 2)
static void begin(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	g_vsnprintf(doing, sizeof(doing), format, ap);
	va_end(ap);
	g_strchomp(doing);
	alarm(LIMIT_MS / 1000);
}

static void done(void)
{
	alarm(0);
	doing[0] = 0;
}

/* To where the test's own complaints are: TAP. */
static void tell_log(void)
{
	char *log = qtest_log(running);
	char **lines = g_strsplit(g_strchomp(log), "\n", -1);
	unsigned int n = g_strv_length(lines);

	printf("# QEMU's log%s\n", n ? ":" : " is empty");
	if (n > LOG_SHOWN)
		printf("#   %u lines, and\n", n - LOG_SHOWN);
	for (unsigned int i = n > LOG_SHOWN ? n - LOG_SHOWN : 0; i < n; i++)
		printf("#   %s\n", lines[i]);
	fflush(stdout);
	g_strfreev(lines);
	g_free(log);
	/* And what it said. */
	log = qtest_said(running);
	fputs(log, stderr);
	g_free(log);
}

static void on_alarm(int signal_number)
{
	signal(signal_number, SIG_DFL);
	printf("\n# QEMU is not done with '%s' after %d ms\n", doing, LIMIT_MS);
	tell_log();
	/* Not to wait for it once more: QEMU is killed when this process ends. */
	signal(SIGABRT, SIG_DFL);
	abort();
}

/* libqtest found that QEMU is gone, or something in the test did not hold. */
static void on_abort(G_GNUC_UNUSED void *q)
{
	static bool told;
	siginfo_t end = {};

	/* libqtest aborts once more if it does not like how QEMU ends. */
	if (told)
		return;
	told = true;
	/* The connection may be seen to end before the process. */
	for (unsigned int i = 0; !waitid(P_ALL, 0, &end, WEXITED | WNOHANG | WNOWAIT); i++) {
		if (end.si_pid || !doing[0] || i == 100)
			break;
		g_usleep(10000);
	}
	if (end.si_pid && end.si_code == CLD_EXITED)
		printf("\n# QEMU ended with status %d", end.si_status);
	else if (end.si_pid)
		printf("\n# QEMU died of signal %d (%s)", end.si_status,
		       strsignal(end.si_status));
	else
		printf("\n# the test failed");
	if (doing[0])
		printf(" at '%s'", doing);
	printf("\n");
	tell_log();
	/* libqtest is about to end QEMU, which may not let itself be ended. */
	begin("ending after a failure");
}

/* --- start and end --------------------------------------------------------- */

static char *content(int fd)
{
	GString *text = g_string_new(NULL);
	char buffer[4096];
	ssize_t n;

	while ((n = pread(fd, buffer, sizeof(buffer), text->len)) > 0)
		g_string_append_len(text, buffer, n);
	return g_string_free(text, FALSE);
}

/* Where QEMU's standard error goes, if not to a file of its own. */
static int said_to = -1;

static const char *setting(const char *name)
{
	const char *value = getenv(name);

	if (!value)
		g_error("%s is not set: make device sets it", name);
	return value;
}

static void add(GString *line, const char *word)
{
	char *quoted = g_shell_quote(word);

	g_string_append_printf(line, " %s", quoted);
	g_free(quoted);
}

/* What is not libqtest's own matter.  A shell is going to read it. */
static char *command_line(const char *const *args, int ram, int log, int err)
{
	GString *line = g_string_new("-no-user-config -nodefaults "
				     "-machine q35,memory-backend=ram -m 4G -d guest_errors -L");

	add(line, setting("QEMU_FIRMWARE"));
	g_string_append_printf(line,
			       " -object memory-backend-file,id=ram,size=%llu,share=on,"
			       "mem-path=/proc/self/fd/%d -D /proc/self/fd/%d",
			       RAM_BYTES, ram, log);
	for (; *args; args++)
		add(line, *args);
	/* Standard output is the test's TAP. */
	g_string_append_printf(line, " >&%d 2>&%d", err, err);
	return g_string_free(line, FALSE);
}

/* QEMU finds it open under the same number. */
static int memory_file(const char *name, off_t bytes)
{
	int fd = memfd_create(name, 0);

	if (fd < 0 || ftruncate(fd, bytes))
		g_error("memfd %s: %s", name, strerror(errno));
	return fd;
}

/* libqtest tells nobody which one it is: it is known by its name, qtest-<pid>.sock. */
static int libqtest_socket(void)
{
	for (int fd = 3; fd < 1024; fd++) {
		struct sockaddr_un name = {};
		socklen_t length = sizeof(name) - 1;

		if (getsockname(fd, (struct sockaddr *)&name, &length) ||
		    name.sun_family != AF_UNIX)
			continue;
		if (strstr(name.sun_path, "/qtest-") && g_str_has_suffix(name.sun_path, ".sock"))
			return fd;
	}
	g_error("libqtest's socket is not found");
}

struct qtest *qtest_start(const char *const *args)
{
	struct qtest *q = g_new0(struct qtest, 1);
	char *qemu = g_shell_quote(setting("QEMU"));
	int ram = memory_file("ram", RAM_BYTES);
	char *line;

	g_assert_null(running);
	running = q;
	q->log = memory_file("log", 0);
	q->err = said_to >= 0 ? said_to : memory_file("stderr", 0);
	q->answers = g_string_new(NULL);
	q->ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, ram, 0);
	if (q->ram == MAP_FAILED)
		g_error("cannot map the guest's RAM: %s", strerror(errno));

	signal(SIGALRM, on_alarm);
	/* A write to a QEMU that is gone is to be libqtest's matter, too. */
	signal(SIGPIPE, SIG_IGN);
	g_setenv("QTEST_QEMU_BINARY", qemu, TRUE);
	/* What the C library complains of is to be on standard error. */
	g_setenv("LIBC_FATAL_STDERR_", "1", TRUE);
	line = command_line(args, ram, q->log, q->err);
	begin("start");
	q->s = qtest_init(line);
	done();
	/* From now on, before libqtest's own, which ends QEMU. */
	qtest_add_abrt_handler(on_abort, q);
	q->socket = libqtest_socket();
	close(ram);
	g_free(line);
	g_free(qemu);
	return q;
}

/* libqtest has let go of QEMU, which has ended. */
static void forget(struct qtest *q)
{
	qtest_remove_abrt_handler(q);
	munmap(q->ram, RAM_BYTES);
	close(q->log);
	close(q->err);
	g_string_free(q->answers, TRUE);
	g_free(q);
	running = NULL;
}

void qtest_end(struct qtest *q)
{
	char *said;

	begin("quit");
	qtest_quit(q->s);
	done();
	said = qtest_said(q);
	fputs(said, stderr);
	g_free(said);
	forget(q);
}

/*
 * libqtest takes any such end for a failure, so what it keeps of this QEMU is left
 * to the end of the test's process.
 */
void qtest_expect_death(struct qtest *q, int signal_number, const char *message)
{
	siginfo_t end = {};
	char *said;

	begin("to die of signal %d", signal_number);
	if (waitid(P_ALL, 0, &end, WEXITED))
		g_error("there is no QEMU to wait for: %s", strerror(errno));
	done();
	said = qtest_said(q);
	if (end.si_code == CLD_EXITED || end.si_status != signal_number ||
	    !strstr(said, message))
		g_error("QEMU does not die of signal %d with '%s' but (status %d) says: %s",
			signal_number, message, end.si_status, said);
	g_free(said);
	qtest_remove_abrt_handler(q->s);
	close(q->socket);
	forget(q);
}

/* libqtest knows no QEMU that does not start: it aborts, in a process of its own. */
void qtest_expect_refusal(const char *const *args, const char *message)
{
	int err = memory_file("stderr", 0), null = open("/dev/null", O_WRONLY);
	int status;
	pid_t pid;
	char *text;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){});
		/* libqtest says on standard output what it starts; QEMU is to say it. */
		if (dup2(null, 1) < 0 || dup2(err, 2) < 0)
			_exit(126);
		said_to = 2;
		qtest_start(args);
		_exit(0);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	text = content(err);
	close(err);
	close(null);
	if (!WIFSIGNALED(status) || !strstr(text, "exit status 1 ") || !strstr(text, message))
		g_error("QEMU does not refuse with '%s' but says: %s", message, text);
	g_free(text);
}

/* --- qtest ----------------------------------------------------------------- */

uint64_t qtest_read(struct qtest *q, uint64_t addr, unsigned int size)
{
	uint64_t value;

	begin("read of %u bytes at 0x%" PRIx64, size, addr);
	switch (size) {
	case 1:
		value = qtest_readb(q->s, addr);
		break;
	case 2:
		value = qtest_readw(q->s, addr);
		break;
	case 4:
		value = qtest_readl(q->s, addr);
		break;
	default:
		g_assert_cmpuint(size, ==, 8);
		value = qtest_readq(q->s, addr);
	}
	done();
	return value;
}

void qtest_write(struct qtest *q, uint64_t addr, unsigned int size, uint64_t value)
{
	begin("write of %u bytes at 0x%" PRIx64 ", 0x%" PRIx64, size, addr, value);
	switch (size) {
	case 1:
		qtest_writeb(q->s, addr, value);
		break;
	case 2:
		qtest_writew(q->s, addr, value);
		break;
	case 4:
		qtest_writel(q->s, addr, value);
		break;
	default:
		g_assert_cmpuint(size, ==, 8);
		qtest_writeq(q->s, addr, value);
	}
	done();
}

uint32_t qtest_port_read(struct qtest *q, uint16_t port)
{
	uint32_t value;

	begin("read of port 0x%x", port);
	value = qtest_inl(q->s, port);
	done();
	return value;
}

void qtest_port_write(struct qtest *q, uint16_t port, uint32_t value)
{
	begin("write of port 0x%x, 0x%x", port, value);
	qtest_outl(q->s, port, value);
	done();
}

void qtest_step(struct qtest *q, uint64_t ns)
{
	begin("clock step of %" PRIu64 " ns", ns);
	qtest_clock_step(q->s, ns);
	done();
}

void qtest_send(struct qtest *q, const char *format, ...)
{
	va_list ap;
	char *text;
	size_t bytes;

	va_start(ap, format);
	text = g_strdup_vprintf(format, ap);
	va_end(ap);
	begin("%s", text);
	bytes = strlen(text);
	text[bytes] = '\n';
	for (size_t at = 0; at <= bytes;) {
		ssize_t n = send(q->socket, text + at, bytes + 1 - at, 0);

		if (n < 0)
			abort();
		at += n;
	}
	done();
	g_free(text);
}

uint64_t qtest_answer(struct qtest *q)
{
	char buffer[4096], *end;
	uint64_t value;

	begin("commands sent without a pause");
	while (!(end = memchr(q->answers->str, '\n', q->answers->len))) {
		ssize_t n = recv(q->socket, buffer, sizeof(buffer), 0);

		if (n <= 0)
			abort();
		g_string_append_len(q->answers, buffer, n);
	}
	done();
	*end = 0;
	if (!g_str_has_prefix(q->answers->str, "OK"))
		g_error("QEMU answers '%s'", q->answers->str);
	value = g_ascii_strtoull(q->answers->str + 2, NULL, 0);
	g_string_erase(q->answers, 0, end + 1 - q->answers->str);
	return value;
}

void *qtest_ram(struct qtest *q, uint64_t addr)
{
	if (addr < RAM_LOW_BYTES)
		return q->ram + addr;
	g_assert_cmphex(addr, >=, RAM_HIGH);
	g_assert_cmphex(addr, <, RAM_HIGH + RAM_BYTES - RAM_LOW_BYTES);
	return q->ram + RAM_LOW_BYTES + (addr - RAM_HIGH);
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

char *qtest_qmp_answer(struct qtest *q, const char *command)
{
	QDict *answer;
	GString *text;

	begin("%s", command);
	qtest_qmp_send_raw(q->s, "%s", command);
	answer = qtest_qmp_receive(q->s);
	done();
	if (!qdict_haskey(answer, "return"))
		g_error("QMP: %s\n  to: %s",
			qdict_get_str(qdict_get_qdict(answer, "error"), "desc"), command);
	text = qobject_to_json(QOBJECT(answer));
	qobject_unref(answer);
	return g_string_free(text, FALSE);
}

void qtest_qmp_ok(struct qtest *q, const char *command)
{
	g_free(qtest_qmp_answer(q, command));
}

void qtest_qmp_event(struct qtest *q, const char *event)
{
	begin("event %s", event);
	qtest_qmp_eventwait(q->s, event);
	done();
}

void qtest_log_nothing(struct qtest *q)
{
	begin("log none");
	g_free(qtest_hmp(q->s, "log none"));
	done();
}
