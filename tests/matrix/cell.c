// SPDX-License-Identifier: GPL-2.0
/* A cell of the matrix.  See cell.h. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cell.h"
#include "watched.h"

#define SETTLE_MS   6000
#define REPORTS_MAX 3

/* ---- Places ---------------------------------------------------------------- */

static size_t offset_of(const struct cell *c, unsigned int i)
{
	const size_t at[PLACES] = { 0, PART, c->area.len / 2, c->area.len - PROBE_4K };

	return at[i];
}

static u8 *unit_of(const struct cell *c, const u8 *p)
{
	return c->area.addr + (size_t)(p - c->area.addr) / c->column->unit * c->column->unit;
}

void cell_part(struct cell *c, size_t at, size_t len, enum place_state state)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++) {
		if (offset_of(c, i) >= at && offset_of(c, i) < at + len)
			c->place[i].state = state;
	}
}

void cell_all(struct cell *c, enum place_state state)
{
	cell_part(c, 0, c->area.len, state);
}

void cell_part_replaced(struct cell *c, size_t at, size_t len, u64 value)
{
	unsigned int i;

	cell_part(c, at, len, PLACE_REPLACED);
	for (i = 0; i < PLACES; i++) {
		if (offset_of(c, i) >= at && offset_of(c, i) < at + len && !is_pinned(c))
			c->place[i].value = value;
	}
}

/* Of these a split leaves no entries. */
#define LOSE_ENTRIES (OF(SHMEM_THP) | OF(HUGETLB_PMD))

void cell_rest_split(struct cell *c)
{
	unsigned int i;

	for (i = 0; i < PLACES && cell_is(c, LOSE_ENTRIES); i++) {
		if (c->place[i].state == PLACE_SAME)
			c->place[i].state = PLACE_KEPT;
	}
}

struct part cell_a_part(const struct cell *c)
{
	if (cell_is(c, HUGETLB_COLUMNS))
		return (struct part){ 0, c->column->unit };
	return (struct part){ PART, PROBE_4K };
}

void cell_value(struct cell *c, unsigned int place, u64 value)
{
	c->place[place].value = value;
}

void cell_all_backing(struct cell *c)
{
	cell_part_replaced(c, 0, c->area.len, c->area.backing);
}

void cell_moved_to(struct cell *c, u8 *addr)
{
	unsigned int i;

	c->old = c->area.addr;
	c->area.addr = addr;
	for (i = 0; i < PLACES; i++)
		c->place[i].p = addr + offset_of(c, i);
}

enum place_state cell_migrated(const struct cell *c)
{
	return is_pinned(c) ? PLACE_SAME : PLACE_MOVED;
}

bool cell_frames_changed(struct cell *c)
{
	unsigned int i;
	u64 frame;

	for (i = 0; i < PLACES; i++) {
		if (area_frame(c->place[i].p, &frame) && frame == c->place[i].frame)
			return false;
	}
	return true;
}

bool cell_frames_gone(struct cell *c)
{
	unsigned int i;
	u64 frame;

	for (i = 0; i < PLACES; i++) {
		if (area_frame(c->place[i].p, &frame))
			return false;
	}
	return true;
}

void cell_read_only(struct cell *c)
{
	ASSERT_SYS(mprotect(c->area.addr, c->area.len, PROT_READ));
}

void cell_writable(struct cell *c)
{
	ASSERT_SYS(mprotect(c->area.addr, c->area.len, PROT_READ | PROT_WRITE));
}

bool cell_wait(struct cell *c, bool (*done)(struct cell *c), unsigned int ms)
{
	u64 end = now_ms() + (u64)ms * ktap_scale();

	while (!done(c)) {
		if (now_ms() > end)
			return false;
		sleep_ms(1);
	}
	return true;
}

/* ---- Child processes --------------------------------------------------------- */

void cell_child(struct cell *c)
{
	c->child = fork();
	ASSERT_SYS(c->child);
	if (c->child)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

void cell_in_child(struct cell *c, int (*fn)(struct cell *c))
{
	pid_t pid = fork();

	ASSERT_SYS(pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(c));
	}
	ASSERT_EQ(wait_child(pid), 0);
}

static void end_of(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- The contexts ------------------------------------------------------------- */

/* A region for each unit that has a place. */
static void pin(struct cell *c)
{
	u8 *last = NULL, *unit;
	unsigned int i;
	uint32_t id;

	for (i = 0; i < PLACES; i++) {
		unit = unit_of(c, c->place[i].p);
		if (unit == last)
			continue;
		ASSERT_OK(dmirage_region_add(c->plain, unit, c->column->unit,
					     c->write ? DMIRAGE_REGION_WRITE : 0, &id));
		last = unit;
	}
}

static void open_contexts(struct cell *c)
{
	c->plain = open_mode(c->mode, 0);
	if (!is_pinned(c) && can_watch())
		c->watched = open_mode(c->mode, DMIRAGE_OPEN_WATCH);
	if (is_pinned(c))
		pin(c);
}

static bool warms_by_reading(const struct cell *c)
{
	return !c->write || c->row->read_warm || (c->column->flags & COLUMN_READ_WARM);
}

/* Both have translations of all places. */
static void warm(struct cell *c)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++) {
		struct place *p = &c->place[i];

		each_context(c, d)
		{
			if (!warms_by_reading(c))
				dev_write(d, p->p, ++p->value);
			EXPECT_EQ(dev_read(d, p->p), p->value);
		}
		EXPECT_EQ(cpu_read(p->p), p->value);
	}
}

void cell_places(struct cell *c)
{
	bool fixed = c->column->flags & (COLUMN_READ_WARM | COLUMN_SAME_WORDS);
	unsigned int i;

	for (i = 0; i < PLACES; i++) {
		struct place *p = &c->place[i];

		p->p = c->area.addr + offset_of(c, i);
		p->value = c->area.value;
		p->state = PLACE_SAME;
		if (fixed)
			continue;
		p->value = 0x1000 * (i + 1);
		cpu_write(p->p, p->value);
	}
}

/* ---- What has happened ---------------------------------------------------------- */

struct counts {
	u64 events; /* callbacks that took something from the device */
	u64 callbacks;
	u64 commands; /* that the device got */
};

static struct counts counts_of(struct dmirage *d)
{
	struct dmirage_counters n = get_counters(d);

	return (struct counts){
		.events = n.invalidations - n.flushes_elided,
		.callbacks = n.invalidations,
		.commands = counter(d, "hw_invalidations"),
	};
}

static struct counts difference(struct counts a, struct counts b)
{
	return (struct counts){
		.events = b.events - a.events,
		.callbacks = b.callbacks - a.callbacks,
		.commands = b.commands - a.commands,
	};
}

static const char *state_name(enum place_state state)
{
	static const char *const names[] = {
		[PLACE_SAME] = "same",
		[PLACE_WP] = "write-protected",
		[PLACE_READ_ONLY] = "read-only",
		[PLACE_NO_ACCESS] = "no access",
		[PLACE_KEPT] = "kept",
		[PLACE_MOVED] = "moved",
		[PLACE_DROPPED] = "dropped",
		[PLACE_RENEWED] = "renewed",
		[PLACE_REPLACED] = "replaced",
		[PLACE_GONE] = "gone",
	};

	return names[state];
}

static void look_before(struct cell *c)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++)
		area_frame(c->place[i].p, &c->place[i].frame);
}

/* The huge zero page that was split is many small ones. */
static bool is_zero_still(const struct cell *c, const struct place *p)
{
	return cell_is(c, OF(HUGE_ZERO)) && area_is_zero(p->p);
}

/* By the page table, before anybody touches it again. */
static void look_after(struct cell *c)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++) {
		struct place *p = &c->place[i];
		bool present = area_frame(p->p, &p->now);

		ktap_note("%s: place %u frame %llx -> %llx", state_name(p->state), i, p->frame,
			  p->now);
		switch (p->state) {
		case PLACE_SAME:
		case PLACE_WP:
		case PLACE_READ_ONLY:
		case PLACE_NO_ACCESS:
			if ((!present && c->absent) || is_zero_still(c, p))
				break;
			EXPECT_EQ(p->now, p->frame);
			break;
		case PLACE_MOVED:
			EXPECT(present || c->absent);
			EXPECT_NE(p->now, p->frame);
			break;
		case PLACE_DROPPED:
		case PLACE_GONE:
			EXPECT(!present);
			break;
		case PLACE_RENEWED:
		case PLACE_REPLACED:
			EXPECT(!present || p->now != p->frame);
			break;
		case PLACE_KEPT:
			break;
		}
	}
	for (i = 0; c->old && i < PLACES; i++) {
		u64 frame;

		EXPECT(!area_frame(c->old + offset_of(c, i), &frame));
	}
}

/* How many units have changed. */
static unsigned int units_changed(struct cell *c)
{
	unsigned int i, n = 0;
	u8 *last = NULL;

	for (i = 0; i < PLACES; i++) {
		if (c->place[i].state == PLACE_SAME && !c->old)
			continue;
		if (unit_of(c, c->place[i].p) != last)
			n++;
		last = unit_of(c, c->place[i].p);
	}
	return n;
}

static void check_mirror_flushes(struct cell *c, struct counts n)
{
	/* One command for each event, and no other. */
	EXPECT_EQ(n.commands, n.events);
	if (c->column->flags & COLUMN_NOTHING_HELD) {
		EXPECT_EQ(n.events, 0);
		return;
	}
	switch (c->flushes) {
	case FLUSHES_NONE:
		EXPECT_EQ(n.events, 0);
		break;
	case FLUSHES_ONE:
		EXPECT_EQ(n.events, 1);
		break;
	case FLUSHES_UNITS:
		EXPECT_EQ(n.events, units_changed(c));
		break;
	case FLUSHES_SOME:
		EXPECT_GE(n.events, 1);
		break;
	case FLUSHES_ANY:
		break;
	}
}

/* Something that the device may have cached is not true any more. */
static bool must_flush(const struct cell *c)
{
	unsigned int i;

	if (c->column->flags & COLUMN_NOTHING_HELD)
		return false;
	for (i = 0; i < PLACES; i++) {
		switch (c->place[i].state) {
		case PLACE_SAME:
		case PLACE_KEPT:
			break;
		case PLACE_WP:
		case PLACE_READ_ONLY:
			if (!warms_by_reading(c))
				return true;
			break;
		default:
			return true;
		}
	}
	return c->old;
}

/*
 * In shared mode the kernel flushes more than it must, and several at once; so what is
 * known is only that something had to come.
 */
static void check_flushes(struct cell *c, struct counts n)
{
	ktap_note("flushes %llu, callbacks %llu, commands %llu", n.events, n.callbacks, n.commands);
	if (c->mode == DMIRAGE_MODE_MIRROR) {
		check_mirror_flushes(c, n);
	} else if (is_pinned(c)) {
		EXPECT_EQ(n.commands, 0);
	} else if (must_flush(c)) {
		EXPECT_GE(n.commands, 1);
	}
}

/* ---- What the device makes of it --------------------------------------------------- */

static bool may_read(const struct place *p)
{
	return p->state != PLACE_GONE && p->state != PLACE_NO_ACCESS;
}

static bool may_write(const struct place *p)
{
	return may_read(p) && p->state != PLACE_READ_ONLY;
}

static void nothing_there(struct dmirage *d, const u8 *p)
{
	expect_read_fault(d, p, EFAULT);
	expect_write_fault(d, p, EFAULT);
}

/* The device is the first to look. */
static void device_looks(struct cell *c)
{
	unsigned int i;

	each_context(c, d)
	{
		for (i = 0; i < PLACES; i++) {
			struct place *p = &c->place[i];

			if (may_read(p))
				EXPECT_EQ(dev_read(d, p->p), p->value);
			else
				nothing_there(d, p->p);
			if (c->old)
				nothing_there(d, c->old + offset_of(c, i));
		}
	}
}

static long faults_so_far(void)
{
	struct rusage usage;

	ASSERT_SYS(getrusage(RUSAGE_THREAD, &usage));
	return usage.ru_minflt + usage.ru_majflt;
}

/* New values by all who may, and all others see them. */
static void all_write(struct cell *c)
{
	bool wp_seen = false;
	unsigned int i;
	long faults;

	for (i = 0; i < PLACES; i++) {
		struct place *p = &c->place[i];

		if (may_read(p))
			EXPECT_EQ(cpu_read(p->p), p->value);
		area_frame(p->p, &p->now);
		if (p->state == PLACE_MOVED)
			EXPECT_NE(p->now, p->frame);
		if (may_write(p)) {
			faults = faults_so_far();
			cpu_write(p->p, p->value += 0x100);
			if (p->state == PLACE_WP && !wp_seen && !is_pinned(c))
				EXPECT_GE(faults_so_far(), faults + 1);
			wp_seen |= p->state == PLACE_WP;
		}
		each_context(c, d)
		{
			if (may_read(p))
				EXPECT_EQ(dev_read(d, p->p), p->value);
			if (!c->write)
				continue;
			if (may_write(p)) {
				dev_write(d, p->p, ++p->value);
				EXPECT_EQ(cpu_read(p->p), p->value);
			} else if (may_read(p)) {
				expect_write_fault(d, p->p, EPERM);
			}
		}
		if (may_read(p))
			EXPECT_EQ(cpu_read(p->p), p->value);
	}
}

/* ---- Pinned -------------------------------------------------------------------------- */

/*
 * The pinned frame is the device's, with what was in it.  If the process maps another
 * one there, or none, that is no bug of anybody's, and is reported as divergence.  For
 * one place: to see that there is none takes the device a while.
 */
static void look_at_diverged(struct cell *c, unsigned int i)
{
	struct place *p = &c->place[i];
	u64 reported = get_counters(c->plain).violations;

	EXPECT_EQ(dev_read(c->plain, c->old ? c->old + offset_of(c, i) : p->p), p->value);
	EXPECT_EQ(get_counters(c->plain).violations, reported + 1);
	if (p->state != PLACE_REPLACED || c->old)
		return;
	/* Each writes to its own. */
	cpu_write(p->p, 0xcafe);
	EXPECT_EQ(dev_read(c->plain, p->p), p->value);
}

static bool diverges(const struct cell *c, const struct place *p)
{
	return c->old || p->state == PLACE_REPLACED || p->state == PLACE_GONE ||
	       p->state == PLACE_NO_ACCESS;
}

static void pinned_looks(struct cell *c)
{
	unsigned int i, diverged = 0;

	for (i = 0; i < PLACES; i++) {
		struct place *p = &c->place[i];

		if (may_read(p))
			(void)cpu_read(p->p);
		area_frame(p->p, &p->now);
		if (p->state == PLACE_REPLACED || p->state == PLACE_GONE)
			EXPECT_NE(p->now, p->frame);
		else if (may_read(p))
			EXPECT_EQ(p->now, p->frame);
		if (!diverges(c, p))
			EXPECT_EQ(dev_read(c->plain, p->p), p->value);
		else if (!diverged++)
			look_at_diverged(c, i);
	}
	EXPECT(diverged || !get_counters(c->plain).violations);
	ktap_note("%u places diverged", diverged);
}

static void pinned_write(struct cell *c)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++) {
		struct place *p = &c->place[i];

		if (diverges(c, p) || !may_write(p))
			continue;
		cpu_write(p->p, p->value += 0x100);
		EXPECT_EQ(dev_read(c->plain, p->p), p->value);
		if (c->write) {
			dev_write(c->plain, p->p, ++p->value);
			EXPECT_EQ(cpu_read(p->p), p->value);
		}
		area_frame(p->p, &p->now);
		EXPECT_EQ(p->now, p->frame);
	}
}

/* Only what diverged was reported, and as that. */
static void pinned_is_clean(struct cell *c)
{
	struct dmirage_violation v;

	while (dmirage_read_violations(c->plain, &v, 1, 0) == 1)
		EXPECT_EQ(v.kind, DMIRAGE_VIOL_DIVERGED);
}

/* ---- The oracle ------------------------------------------------------------------------ */

static void audit(struct cell *c)
{
	each_context(c, d)
	{
		struct dmirage_audit_range r;

		ASSERT_OK(dmirage_audit(d, c->area.addr, c->area.len, &r));
		EXPECT_EQ(r.violations, 0);
		ktap_note("audit: %llu translations", (u64)r.translations);
		if (!c->old)
			continue;
		ASSERT_OK(dmirage_audit(d, c->old, c->area.len, &r));
		EXPECT_EQ(r.translations, 0);
	}
}

/* All suspects are decided. */
static void settle(struct cell *c)
{
	u64 end = now_ms() + SETTLE_MS * ktap_scale();

	while (counter(c->watched, "watch_suspects") != counter(c->watched, "watch_settled")) {
		if (now_ms() > end) {
			EXPECT(!"still undecided");
			break;
		}
		sleep_ms(5);
	}
	EXPECT_EQ(counter(c->watched, "watch_refused"), 0);
	EXPECT_EQ(counter(c->watched, "watch_violations"), 0);
}

/* The records that there are, for who reads the log. */
void cell_report(struct dmirage *d)
{
	char text[DMIRAGE_REPORT_MAX], *line, *next;
	struct dmirage_violation v;
	unsigned int n;

	for (n = 0; n < REPORTS_MAX && dmirage_read_violations(d, &v, 1, 0) == 1; n++) {
		EXPECT(!"there is a record of a violation");
		dmirage_format_violation(&v, text, sizeof(text));
		ktap_note("report begins");
		for (line = text; line && *line; line = next) {
			next = strchr(line, '\n');
			if (next)
				*next++ = '\0';
			ktap_note("report: %s", line);
		}
	}
}

static void is_clean(struct cell *c)
{
	if (is_pinned(c)) {
		pinned_is_clean(c);
		return;
	}
	audit(c);
	if (c->watched)
		settle(c);
	each_context(c, d)
	{
		struct dmirage_counters n = get_counters(d);

		EXPECT(n.checks);
		EXPECT_EQ(n.violations, 0);
		EXPECT_EQ(n.records_lost, 0);
		cell_report(d);
	}
}

/* ---- All of it ---------------------------------------------------------------------------- */

void cell_run(struct cell *c)
{
	struct counts before[2] = { 0 }, n;
	unsigned int i;

	c->fd = -1;
	c->flushes = c->row->flushes;
	stay_on(0);
	if (c->row->first)
		c->row->first(c);
	area_make(&c->area, (enum column_id)(c->column - columns));
	cell_places(c);
	if (c->row->run) {
		c->row->run(c);
		ktap_end();
	}
	if (c->row->before)
		c->row->before(c);
	open_contexts(c);
	warm(c);
	if (c->column->warmed)
		c->column->warmed(&c->area);
	look_before(c);
	i = 0;
	each_context(c, d) before[i++] = counts_of(d);

	c->row->act(c);

	i = 0;
	each_context(c, d)
	{
		n = difference(before[i++], counts_of(d));
		check_flushes(c, n);
	}
	look_after(c);
	if (is_pinned(c)) {
		pinned_looks(c);
		if (c->later)
			c->later(c);
		pinned_write(c);
	} else {
		device_looks(c);
		if (c->later)
			c->later(c);
		all_write(c);
	}
	is_clean(c);
	each_context(c, d) dmirage_close(d);
	end_of(c->child);
	end_of(c->area.peer);
	ktap_end();
}

const char *cell_why_not(const struct row *row, enum column_id column, unsigned int mode)
{
	static char text[64];
	unsigned int i;

	if (row->since > kernel_version()) {
		snprintf(text, sizeof(text), "the kernel has it since %u.%u", row->since / 100,
			 row->since % 100);
		return text;
	}
	if (!(row->columns & 1u << column)) {
		for (i = 0; i < ARRAY_SIZE(row->except); i++) {
			if (row->except[i].columns & 1u << column)
				return row->except[i].why;
		}
		return row->else_why;
	}
	if (row->modes & 1u << mode)
		return row->no_mode;
	if (mode == DMIRAGE_MODE_PINNED)
		return columns[column].no_pin;
	return NULL;
}
