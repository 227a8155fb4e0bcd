/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For the tests of fault modes.  Each of them does the same steps twice: with
 * the driver as it is, which is to come out clean, and in the mode, whose one
 * effect is to be seen.
 */
#ifndef DMIRAGE_TEST_MODES_H
#define DMIRAGE_TEST_MODES_H

#include "schedule.h"

/* A context, in a fault mode if there is a name. */
static inline struct dmirage *open_in_mode(const char *mode)
{
	struct dmirage *d = open_context();

	put_mode(d, mode);
	return d;
}

/* The one record that there is, of an access at @p. */
static inline struct dmirage_violation the_record(struct dmirage *d,
						  const void *p, int kind,
						  bool write)
{
	struct dmirage_violation v, more;

	ASSERT_EQ(dmirage_read_violations(d, &v, 1, 1000), 1);
	EXPECT_EQ(dmirage_read_violations(d, &more, 1, 0), 0);
	EXPECT_EQ(get_counters(d).violations, 1);
	EXPECT_EQ(v.kind, kind);
	EXPECT_EQ(v.addr, (uintptr_t)p);
	EXPECT_EQ(v.access_write, write);
	EXPECT_EQ(v.strength, DMIRAGE_BY_ACCESS);
	return v;
}

/* It used the frame @old, and the process has @new there. */
static inline void expect_frame_record(struct dmirage *d, const void *p,
				       bool write, u64 old, u64 new)
{
	struct dmirage_violation v = the_record(d, p, DMIRAGE_VIOL_FRAME,
						write);

	EXPECT_NE(old, new);
	EXPECT_EQ(v.held_frame, old);
	EXPECT_EQ(v.cpu_frame, new);
}

/* It used the frame @old, and the process has nothing there. */
static inline void expect_absent_record(struct dmirage *d, const void *p,
					bool write, u64 old)
{
	struct dmirage_violation v = the_record(d, p, DMIRAGE_VIOL_ABSENT,
						write);

	EXPECT_EQ(v.held_frame, old);
	EXPECT_EQ(v.cpu_present, 0);
}

/* The frame is right, and the process may not write to it. */
static inline void expect_write_record(struct dmirage *d, const void *p,
				       bool write, u64 frame)
{
	struct dmirage_violation v = the_record(d, p, DMIRAGE_VIOL_WRITE,
						write);

	EXPECT_EQ(v.held_frame, frame);
	EXPECT_EQ(v.cpu_frame, frame);
	EXPECT_EQ(v.held_write, 1);
	EXPECT_EQ(v.cpu_write, 0);
}

#endif /* DMIRAGE_TEST_MODES_H */
