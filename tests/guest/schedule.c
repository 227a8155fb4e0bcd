// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "schedule.h"

#define SEEN_LIMIT_MS	2000	/* until somebody has come to a point */

bool file_says(struct dmirage *d, const char *file, const char *key,
	       const char *value)
{
	char text[256], *line, *next, want[64];

	ASSERT_PROBE(probe_ctx_read(d, file, text, sizeof(text)));
	snprintf(want, sizeof(want), "%s%s%s", key, *key ? " " : "", value);
	for (line = text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!strcmp(line, want))
			return true;
	}
	return false;
}

void wait_until(struct dmirage *d, const char *file, const char *key,
		const char *value)
{
	u64 end = now_ms() + SEEN_LIMIT_MS;
	char text[256];

	while (!file_says(d, file, key, value)) {
		if (now_ms() > end) {
			ASSERT_PROBE(probe_ctx_read(d, file, text,
						    sizeof(text)));
			ktap_fail(__FILE__, __LINE__,
				  "nobody came to %s %s: '%s'", file, value,
				  text);
			ktap_end();
		}
		sleep_ms(1);
	}
}

/* What wait_until() runs, and those who wait in other ways. */
static void touch_all(struct dmirage *d)
{
	struct dmirage_cqe cqe;

	ASSERT(now_ms());
	sleep_ms(1);
	/* Long enough that it goes to sleep. */
	ASSERT_EQ((u64)dmirage_wait(d, &cqe, 5), (u64)-ETIMEDOUT);
	ASSERT_GE(get_counters(d).checks + 1, 1);
	ASSERT(!file_says(d, "hold", "no", "such line"));
}

void arm_gate(struct dmirage *d, const char *point)
{
	ASSERT_PROBE(probe_ctx_write(d, "gate", point));
	ASSERT(file_says(d, "gate", "armed", point));
	touch_all(d);
}

void arm_gate_at(struct dmirage *d, const char *point, const void *addr)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %p", point, addr);
	ASSERT_PROBE(probe_ctx_write(d, "gate", text));
	ASSERT(file_says(d, "gate", "armed", point));
	touch_all(d);
}

void wait_gate(struct dmirage *d, const char *point)
{
	wait_until(d, "gate", "waiting", point);
}

void release_gate(struct dmirage *d)
{
	ASSERT_PROBE(probe_ctx_write(d, "gate", "release"));
}

void expect_not_expired(struct dmirage *d)
{
	EXPECT(file_says(d, "gate", "expired", "0"));
}

void arm_hold(struct dmirage *d, const char *points)
{
	touch_all(d);
	ASSERT_PROBE(probe_ctx_write(d, "hold", points));
	ASSERT(file_says(d, "hold", "armed", points));
}

void arm_hold_long(struct dmirage *d, const char *points)
{
	ASSERT_PROBE(probe_ctx_write(d, "hold_limit_ms", HOLD_LIMIT_MS));
	arm_hold(d, points);
}

void wait_held(struct dmirage *d)
{
	wait_until(d, "hold", "", "held");
}

void wait_flush_held(struct dmirage *d)
{
	wait_until(d, "hold", "", "flush-held");
}

void release_hold(struct dmirage *d)
{
	ASSERT_PROBE(probe_ctx_write(d, "hold", "release"));
}

/* ---- Operations that go on meanwhile ----------------------------------- */

void submit(struct dmirage *d, const struct dmirage_sqe *sqe)
{
	ASSERT_EQ(dmirage_submit(d, sqe, 1), 1);
}

void submit_write(struct dmirage *d, void *dst, u64 value)
{
	struct dmirage_sqe sqe;

	dmirage_prep_write_imm(&sqe, value, dst, value, 8);
	submit(d, &sqe);
}

void submit_read(struct dmirage *d, const void *src)
{
	struct dmirage_sqe sqe;

	dmirage_prep_read_imm(&sqe, 1, src, 8);
	submit(d, &sqe);
}

struct dmirage_cqe complete(struct dmirage *d)
{
	struct dmirage_cqe cqe;

	ASSERT_OK(dmirage_wait(d, &cqe, OP_TIMEOUT_MS));
	return cqe;
}

void expect_no_completion(struct dmirage *d)
{
	struct dmirage_cqe cqe;

	EXPECT_EQ((u64)dmirage_wait(d, &cqe, QUIET_MS), (u64)-ETIMEDOUT);
}

/* ---- Changes of a mapping ---------------------------------------------- */

int change(const struct probe_mem *mem, enum change what)
{
	switch (what) {
	case MOVE:
		return probe_mem_move(mem, 1);
	case MOVE_BACK:
		return probe_mem_move(mem, 0);
	case UNMAP:
		return munmap(mem->addr, mem->len);
	case DROP:
		return madvise(mem->addr, mem->len, MADV_DONTNEED);
	case READ_ONLY:
		return mprotect(mem->addr, mem->len, PROT_READ);
	case NO_ACCESS:
		return mprotect(mem->addr, mem->len, PROT_NONE);
	}
	return -1;
}

static void *changer_main(void *arg)
{
	struct changer *c = arg;
	char byte;

	ASSERT_EQ(read(c->go[0], &byte, 1), 1);
	c->ret = change(&c->mem, c->what);
	if (c->ret)
		ktap_note("change %d: %s", c->what,
			  c->what <= MOVE_BACK ? probe_why() : strerror(errno));
	atomic_store(&c->done, true);
	return NULL;
}

void changer_make(struct changer *c, const struct probe_mem *mem,
		  enum change what)
{
	*c = (struct changer){ .mem = *mem, .what = what };
	ASSERT_SYS(pipe(c->go));
	ASSERT(!pthread_create(&c->thread, NULL, changer_main, c));
}

void changer_start(struct changer *c)
{
	ASSERT_EQ(write(c->go[1], "g", 1), 1);
}

void changer_end(struct changer *c)
{
	pthread_join(c->thread, NULL);
	close(c->go[0]);
	close(c->go[1]);
	ASSERT_EQ(c->ret, 0);
}
