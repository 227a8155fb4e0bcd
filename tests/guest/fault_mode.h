/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the fault modes have in common (modes_*.c).  Each does the
 * same steps twice, with a driver that is right and with one that has the bug:
 * the first finds nothing, the second what the bug leads to and nothing else.
 */
#ifndef DMIRAGE_TEST_FAULT_MODE_H
#define DMIRAGE_TEST_FAULT_MODE_H

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <fcntl.h>

#include "schedule.h"

/* Put the bug in, or nothing if @name is NULL. */
static inline void set_mode(struct dmirage *d, const char *name)
{
	put_mode(d, name);
}

/* How often the driver did what the mode says. */
static inline u64 mode_hits(struct dmirage *d)
{
	return counter(d, "fault_mode_hits");
}

/* The next record; nothing else is asked of it than that it is of this kind. */
static inline struct dmirage_violation
expect_stale(struct dmirage *d, unsigned int kind, const void *addr)
{
	struct dmirage_violation v = { 0 };

	ASSERT_EQ(dmirage_read_violations(d, &v, 1, 1000), 1);
	EXPECT_EQ(v.kind, kind);
	EXPECT_EQ(v.addr, (uintptr_t)addr);
	EXPECT_EQ(v.strength, DMIRAGE_BY_ACCESS);
	EXPECT_EQ(v.mode, DMIRAGE_MODE_MIRROR);
	return v;
}

/*
 * A write that goes through although the process may only read: the page is
 * still the process's, so it harms nobody.
 */
static inline void expect_stale_write(struct dmirage *d, void *addr)
{
	struct dmirage_violation v;
	u64 frame = frame_of(addr);

	dev_write(d, addr, 0x57a1e);
	EXPECT_EQ(cpu_read(addr), 0x57a1e);
	v = expect_stale(d, DMIRAGE_VIOL_WRITE, addr);
	EXPECT_EQ(v.access_write, 1);
	EXPECT_EQ(v.held_write, 1);
	EXPECT_EQ(v.cpu_present, 1);
	EXPECT_EQ(v.cpu_write, 0);
	EXPECT_EQ(v.held_frame, frame);
	EXPECT_EQ(v.cpu_frame, frame);
}

/* No more records than have been read, and as many as the oracle counted. */
static inline void expect_violations(struct dmirage *d, u64 n)
{
	struct dmirage_violation v;

	if (!n) {
		expect_clean(d);
		return;
	}
	EXPECT_EQ(get_counters(d).violations, n);
	EXPECT_EQ(dmirage_read_violations(d, &v, 1, 0), 0);
}

/* ---- Another process's context, by its number -------------------------- */

static inline int ctx_open(unsigned int asid, const char *file, int flags)
{
	char pattern[128];
	int fd = -1;
	glob_t found;

	snprintf(pattern, sizeof(pattern),
		 "/sys/kernel/debug/dmirage/*/ctx%u/%s", asid, file);
	if (!glob(pattern, 0, NULL, &found)) {
		fd = open(found.gl_pathv[0], flags | O_CLOEXEC);
		globfree(&found);
	}
	return fd;
}

static inline void ctx_write(unsigned int asid, const char *file,
			     const char *word)
{
	int fd = ctx_open(asid, file, O_WRONLY);

	ASSERT(fd >= 0);
	ASSERT_EQ(write(fd, word, strlen(word)), strlen(word));
	close(fd);
}

static inline u64 ctx_counter(unsigned int asid, const char *name)
{
	int fd = ctx_open(asid, "counters", O_RDONLY);
	char line[128];
	u64 value = 0;
	bool found = false;
	FILE *f;

	ASSERT(fd >= 0);
	f = fdopen(fd, "r");
	ASSERT(f);
	while (!found && fgets(line, sizeof(line), f)) {
		found = !strncmp(line, name, strlen(name)) &&
			line[strlen(name)] == ' ';
		if (found)
			value = strtoull(line + strlen(name), NULL, 10);
	}
	fclose(f);
	ASSERT(found);
	return value;
}

#endif /* DMIRAGE_TEST_FAULT_MODE_H */
