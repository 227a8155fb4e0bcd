/* SPDX-License-Identifier: GPL-2.0 */
/*
 * QEMU without a guest, driven by a test: it runs with -accel qtest, where no
 * instruction is executed, and the test reads and writes ports and memory by
 * QEMU's qtest protocol.  Guest RAM is a memfd that the test has mapped, too, so
 * the test is to the device what another CPU would be.  And QMP, for what needs
 * a monitor.
 *
 * Start, end, qtest and QMP are QEMU's libqtest, from the source that this QEMU is
 * built from.  Here it gets limits and RAM, and shows QEMU's log.  There is one
 * QEMU at a time.
 *
 * Whatever does not go as it must ends the test with a message; nothing waits
 * longer than LIMIT_MS.
 */
#ifndef TESTS_QTEST_H
#define TESTS_QTEST_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <inttypes.h>

#define LIMIT_MS 10000

/* RAM as the q35 machine places it: half below 4 GiB, half from there on. */
#define RAM_LOW_BYTES 0x80000000ull
#define RAM_HIGH      0x100000000ull
#define RAM_BYTES     0x100000000ull

struct qtest;

/* Starts $QEMU with @args, NULL at their end, on a q35 machine. */
struct qtest *qtest_start(const char *const *args);

/* Quits QEMU, which must exit with 0. */
void qtest_end(struct qtest *q);

/* QEMU is about to die of @signal, and says @message. */
void qtest_expect_death(struct qtest *q, int signal, const char *message);

/* QEMU is to refuse to start, with a message that has @message in it. */
void qtest_expect_refusal(const char *const *args, const char *message);

/*
 * Sends commands without a pause between, which libqtest does not: it awaits each
 * answer.  Here they have to be taken, in order, before anything else is done.
 */
void qtest_send(struct qtest *q, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The value of the next answer, "OK [value]". */
uint64_t qtest_answer(struct qtest *q);

/* MMIO of 1, 2, 4 or 8 bytes, in one access. */
uint64_t qtest_read(struct qtest *q, uint64_t addr, unsigned int size);
void qtest_write(struct qtest *q, uint64_t addr, unsigned int size, uint64_t value);

/* Port I/O of 4 bytes. */
uint32_t qtest_port_read(struct qtest *q, uint16_t port);
void qtest_port_write(struct qtest *q, uint16_t port, uint32_t value);

/* Moves the virtual clock, which stands still by itself. */
void qtest_step(struct qtest *q, uint64_t ns);

/* Where the test sees guest-physical @addr, which is in RAM. */
void *qtest_ram(struct qtest *q, uint64_t addr);

/* A QMP command, as JSON; it must succeed. */
void qtest_qmp_ok(struct qtest *q, const char *command);
/* And the answer, to be freed. */
char *qtest_qmp_answer(struct qtest *q, const char *command);
void qtest_qmp_event(struct qtest *q, const char *event);

/* What QEMU has logged (-d guest_errors); to be freed. */
char *qtest_log(struct qtest *q);
/* What it has said on standard error; to be freed. */
char *qtest_said(struct qtest *q);
void qtest_log_nothing(struct qtest *q);

/* Waits until @condition holds. */
#define wait_for(condition)                                                      \
	do {                                                                     \
		gint64 wait_until_ = g_get_monotonic_time() + LIMIT_MS * 1000;   \
		while (!(condition)) {                                           \
			if (g_get_monotonic_time() > wait_until_)                \
				g_assertion_message(G_LOG_DOMAIN, __FILE__,      \
						    __LINE__, G_STRFUNC,         \
						    "not in time: " #condition); \
			g_usleep(20);                                            \
		}                                                                \
	} while (0)

/* Sees that @condition, which no event is to bring about, does not hold. */
#define expect_never(condition)                               \
	do {                                                  \
		for (int never_ = 0; never_ < 20; never_++) { \
			g_assert_false(condition);            \
			g_usleep(1000);                       \
		}                                             \
	} while (0)

#endif
