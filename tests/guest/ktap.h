/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small test harness that prints KTAP.
 *
 * Concepts
 *
 *   A *program* has a table of *tests*.  Each test runs in a child process of
 *   its own: what it opens, maps and starts goes away with it, a crash or a
 *   hang is its own failure, and ASSERT() can simply end it.  It is killed,
 *   together with its children, at its time limit.
 *
 *   EXPECT*() notes a failure and goes on, ASSERT*() ends the test, SKIP()
 *   ends it with a reason.  All may be used in any thread of the test, but not
 *   in its child processes: these tell by their exit status.
 *
 * The program exits 0 if no test failed, 1 if one did, 77 if all were skipped.
 * Arguments are names (or parts of names) of the tests to run; "=name" is that one alone.
 */
#ifndef DMIRAGE_KTAP_H
#define DMIRAGE_KTAP_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <linux/types.h>

typedef __u64 u64;
typedef __u32 u32;
typedef __u16 u16;
typedef __u8 u8;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define KTAP_LIMIT_S	10

/**
 * struct ktap_test - a test
 * @name:  without blanks
 * @run:   the test
 * @arg:   for it
 * @limit: seconds, times ktap_scale(); 0: KTAP_LIMIT_S
 */
struct ktap_test {
	const char *name;
	void (*run)(int arg);
	int arg;
	unsigned int limit;
};

/**
 * ktap_main() - run the tests
 * @before: called once in the program itself, before the first test; or NULL
 *
 * Return: the exit status of the program.
 */
int ktap_main(int argc, char **argv, const struct ktap_test *tests, size_t n,
	      void (*before)(void));

enum ktap_verdict {
	KTAP_PASS = 0,
	KTAP_FAIL = 1,
	KTAP_SKIP = 77,
};

/**
 * ktap_run() - run one test, for programs that print something else than KTAP
 * @why: of one that is skipped; overwritten by the next one
 *
 * What the test has to say goes to stdout, as "# text".
 */
enum ktap_verdict ktap_run(const struct ktap_test *test, const char **why);

/**
 * struct ktap_result - what a line of KTAP says of a test
 * @name: without blanks, as all our tests' are
 * @why:  of one that was skipped, in the line; or ""
 */
struct ktap_result {
	enum ktap_verdict verdict;
	char name[128];
	const char *why;
};

/* Does the line end a test?  Its newline is taken away. */
bool ktap_parse(char *line, struct ktap_result *r);

/* A line of diagnostics. */
void ktap_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Called once, at the first failure; or NULL. */
extern void (*ktap_first_failure)(void);

/* What EXPECT, ASSERT and SKIP are made of. */
void ktap_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void ktap_end(void) __attribute__((noreturn));
void ktap_skip(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

/*
 * How many times as long everything may take: DMIRAGE_SCALE, 1..100; 1 if it is
 * not set.  On a kernel that looks for bugs it is more than 1.
 */
unsigned int ktap_scale(void);

/* ---- Random numbers: seeded, the seed printed, DMIRAGE_SEED replays ---- */

struct ktap_random {
	u64 state;
};

/* The seed of this test; prints it. */
u64 ktap_seed(void);
u64 ktap_random(struct ktap_random *r);
/* 0..n-1 */
u64 ktap_below(struct ktap_random *r, u64 n);

/* ---- Checks ------------------------------------------------------------ */

#define EXPECT(cond) ({ \
	bool ok_ = (cond); \
	if (!ok_) \
		ktap_fail(__FILE__, __LINE__, "%s", #cond); \
	ok_; })

#define EXPECT_OP(a, op, b) ({ \
	u64 a_ = (u64)(a), b_ = (u64)(b); \
	bool ok_ = a_ op b_; \
	if (!ok_) \
		ktap_fail(__FILE__, __LINE__, \
			  "%s %s %s: 0x%llx (%lld), 0x%llx (%lld)", \
			  #a, #op, #b, a_, (long long)a_, b_, (long long)b_); \
	ok_; })

#define EXPECT_EQ(a, b)	EXPECT_OP(a, ==, b)
#define EXPECT_NE(a, b)	EXPECT_OP(a, !=, b)
#define EXPECT_GE(a, b)	EXPECT_OP(a, >=, b)

/* A call that returns 0 or more, or a negative errno. */
#define EXPECT_OK(call) ({ \
	long ret_ = (call); \
	if (ret_ < 0) \
		ktap_fail(__FILE__, __LINE__, "%s: %s", #call, \
			  strerror((int)-ret_)); \
	ret_ >= 0; })

/* A call that returns 0 or more, or -1 and errno. */
#define EXPECT_SYS(call) ({ \
	long ret_ = (long)(call); \
	if (ret_ == -1) \
		ktap_fail(__FILE__, __LINE__, "%s: %s", #call, \
			  strerror(errno)); \
	ret_ != -1; })

/* A call that must fail with an errno. */
#define EXPECT_ERRNO(call, err) ({ \
	long ret_; \
	errno = 0; \
	ret_ = (long)(call); \
	if (ret_ != -1 || errno != (err)) \
		ktap_fail(__FILE__, __LINE__, \
			  "%s: returned %ld, %s instead of %s", #call, ret_, \
			  strerror(errno), strerror(err)); \
	ret_ == -1 && errno == (err); })

#define OR_END(ok) do { if (!(ok)) ktap_end(); } while (0)

#define ASSERT(cond)		OR_END(EXPECT(cond))
#define ASSERT_EQ(a, b)		OR_END(EXPECT_EQ(a, b))
#define ASSERT_NE(a, b)		OR_END(EXPECT_NE(a, b))
#define ASSERT_GE(a, b)		OR_END(EXPECT_GE(a, b))
#define ASSERT_OK(call)		OR_END(EXPECT_OK(call))
#define ASSERT_SYS(call)	OR_END(EXPECT_SYS(call))

/* A call into userspace/probe. */
#define EXPECT_PROBE(call) ({ \
	long ret_ = (call); \
	if (ret_ < 0) \
		ktap_fail(__FILE__, __LINE__, "%s: %s", #call, probe_why()); \
	ret_ >= 0; })

#define ASSERT_PROBE(call)	OR_END(EXPECT_PROBE(call))

#define SKIP(...)	ktap_skip(__VA_ARGS__)

#endif /* DMIRAGE_KTAP_H */
