/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What it takes to put a device, a driver and a process in an order: hold
 * points in the device (debugfs `hold'), gates in the driver (debugfs `gate'),
 * operations that are submitted and not awaited, and a thread that changes a
 * mapping meanwhile.  Each step sees that what it wants has happened.
 */
#ifndef DMIRAGE_TEST_SCHEDULE_H
#define DMIRAGE_TEST_SCHEDULE_H

#include <pthread.h>
#include <stdatomic.h>

#include "common.h"

#define QUIET_MS	40	/* until we believe that nobody goes on */

/* Longer than any test stops anybody, shorter than the driver's patience. */
#define HOLD_LIMIT_MS	"4000"

/* ---- Stopping ---------------------------------------------------------- */

/* Does a line of a context's debugfs file read "@key @value"? */
bool file_says(struct dmirage *d, const char *file, const char *key,
	       const char *value);

/* Until it does; ends the test if that takes too long. */
void wait_until(struct dmirage *d, const char *file, const char *key,
		const char *value);

/*
 * A notifier that is stopped may hold the mmap lock.  Whoever waits for it must
 * not fault meanwhile; so arming touches all of what waiting needs.
 */
void arm_gate(struct dmirage *d, const char *point);
/* For whoever is about this address. */
void arm_gate_at(struct dmirage *d, const char *point, const void *addr);
void wait_gate(struct dmirage *d, const char *point);
void release_gate(struct dmirage *d);

/* Nobody went on by himself, at the gate's own time limit. */
void expect_not_expired(struct dmirage *d);

/* Hold points, one or more with blanks between; "-keep" for all or none. */
void arm_hold(struct dmirage *d, const char *points);
/* The same, and the limit comes only after HOLD_LIMIT_MS. */
void arm_hold_long(struct dmirage *d, const char *points);
void wait_held(struct dmirage *d);
void wait_flush_held(struct dmirage *d);
void release_hold(struct dmirage *d);

/* ---- Operations that go on meanwhile ----------------------------------- */

void submit(struct dmirage *d, const struct dmirage_sqe *sqe);
/* 8 bytes; cookie is the value, or 1. */
void submit_write(struct dmirage *d, void *dst, u64 value);
void submit_read(struct dmirage *d, const void *src);
struct dmirage_cqe complete(struct dmirage *d);
/* None comes for a while. */
void expect_no_completion(struct dmirage *d);

/* ---- Changes of a mapping ---------------------------------------------- */

enum change {
	MOVE,
	MOVE_BACK,
	UNMAP,
	DROP,
	READ_ONLY,
	NO_ACCESS,
};

/* Return: 0; on failure the reason is in probe_why() or errno. */
int change(const struct probe_mem *mem, enum change what);

/**
 * struct changer - a thread that changes the mapping of some memory
 * @mem:  the memory
 * @what: how
 * @go:   it may
 * @ret:  of the system call; why it failed was told to ktap_note()
 * @done: it has returned
 *
 * It is made before a gate is armed: making a thread changes mappings, too.
 */
struct changer {
	struct probe_mem mem;
	enum change what;
	int go[2];
	int ret;
	atomic_bool done;
	pthread_t thread;
};

void changer_make(struct changer *c, const struct probe_mem *mem,
		  enum change what);
void changer_start(struct changer *c);
/* Until it has returned; it must have succeeded. */
void changer_end(struct changer *c);

#endif /* DMIRAGE_TEST_SCHEDULE_H */
