// SPDX-License-Identifier: GPL-2.0
/*
 * Runs the mutants, each several times, and in between what kills them without one.
 *
 *	dmirage-mutants [--core] [--list] [--runs=N] [TEXT…]
 *
 * TEXT is part of "family/name"; with several, one is enough.  Prints a line of JSON for
 * each mutant, see docs/testing.md.  Exit status: 0 if none survived, and there was no
 * false alarm.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common.h"
#include "json.h"
#include "mutant.h"
#include "mutation.h"

#define RUNS	    10
/* With each so many runs with the mutant there is one without. */
#define CLEAN_EVERY 2

static const char *const families[FAMILIES] = {
	[FAMILY_KERNEL] = "kernel",
	[FAMILY_DRIVER] = "driver",
	[FAMILY_DEVICE] = "device",
	[FAMILY_ORACLE] = "oracle",
};

static const char *const strengths[STRENGTHS] = {
	[BY_DATA] = "data",
	[BY_ACCESS] = "access",
	[BY_AUDIT] = "audit",
	[BY_WATCH] = "watch",
};

static struct options {
	bool core, list;
	unsigned int runs;
	char **words;
	int n;
} options = { .runs = RUNS };

static struct totals {
	unsigned int seeded, killed, survived, equivalent, na, alarms, clean;
} totals;

/* Results go to the file that was stdout; what is said besides goes with them. */
static FILE *out;

/* The kernel's mutants, as the module has them. */
static struct mutant_row rows[64];
static unsigned int row_count;

/**
 * struct tally - the runs of a scenario
 * @runs:    with the mutant
 * @killed:  of which it was noticed
 * @by:      how often by each strength
 * @first @last: the fewest and the most operations until it was noticed
 * @clean:   runs without
 * @alarms:  of which something was noticed
 * @sighted: of an oracle's: runs in which it saw what it is to be blind to
 * @ms:      all of them took
 * @why:     the test was skipped; or what was wrong with the first run that was no kill
 */
struct tally {
	unsigned int runs, killed, by[STRENGTHS], clean, alarms, sighted;
	u64 ms;
	unsigned long long first, last;
	char named[64];
	bool skipped;
	char why[200];
	char text[TEXT_MAX];
};

/* ---- Which ones ------------------------------------------------------------------- */

static bool is_wanted(const struct mutant *m)
{
	char name[96];
	int i;

	if (options.core && !m->core && m->family <= FAMILY_DRIVER)
		return false;
	snprintf(name, sizeof(name), "%s/%s", families[m->family], m->name);
	for (i = 0; i < options.n; i++) {
		if (strstr(name, options.words[i]))
			return true;
	}
	return !options.n;
}

static const struct mutant *find(enum family family, const char *name)
{
	size_t i;

	for (i = 0; i < mutants_count; i++) {
		if (mutants[i].family == family && !strcmp(mutants[i].name, name))
			return &mutants[i];
	}
	return NULL;
}

/* ---- Results ------------------------------------------------------------------------ */

static void print_text(const char *text)
{
	const char *comma = "";
	size_t len;

	fputs("\"log\":[", out);
	for (; *text; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		fputs(comma, out);
		json_text(out, text, len);
		comma = ",";
	}
	putc(']', out);
}

static void print_tally(const char *scenario, const struct tally *t)
{
	unsigned int i;

	putc('{', out);
	json_field(out, "name", scenario);
	fprintf(out, ",\"runs\":%u,\"killed\":%u,\"by\":{", t->runs, t->killed);
	for (i = 0; i < STRENGTHS; i++)
		fprintf(out, "%s\"%s\":%u", i ? "," : "", strengths[i], t->by[i]);
	fprintf(out, "},\"operations\":[%llu,%llu],", t->first, t->last);
	json_field(out, "named", t->named);
	fprintf(out, ",\"clean\":%u,\"alarms\":%u,\"sighted\":%u,\"ms\":%llu,\"skipped\":%s,",
		t->clean, t->alarms, t->sighted, t->ms, t->skipped ? "true" : "false");
	json_field(out, "why", t->why);
	putc(',', out);
	print_text(t->text);
	putc('}', out);
}

static void print_head(const struct mutant *m, const char *result, const char *title,
		       const char *why)
{
	fputs("mutant: {", out);
	json_field(out, "family", families[m->family]);
	putc(',', out);
	json_field(out, "name", m->name);
	putc(',', out);
	json_field(out, "title", title);
	putc(',', out);
	json_field(out, "result", result);
	putc(',', out);
	json_field(out, "why", why);
}

/* ---- Runs ------------------------------------------------------------------------------ */

/* What was not as it should be; the first time counts. */
static void complain(struct tally *t, const char *why, const struct outcome *o)
{
	if (t->why[0])
		return;
	snprintf(t->why, sizeof(t->why), "%s", why);
	snprintf(t->text, sizeof(t->text), "%s", o->text);
}

static void put_device(const char *name)
{
	if (device_put(fileno(out), name))
		return;
	fprintf(out, "# the device was not told of x-mutant=%s\n", name);
	fflush(out);
	_exit(1);
}

static void take_clean(struct tally *t, const struct outcome *o)
{
	t->clean++;
	if (o->skipped) {
		t->skipped = true;
		snprintf(t->why, sizeof(t->why), "%s", o->why);
	} else if (!o->passed || o->by) {
		t->alarms++;
		complain(t, "without a mutant something was found", o);
	}
}

static void take_kill(struct tally *t, const struct outcome *o, bool killed, const char *why)
{
	unsigned int i;

	t->runs++;
	if (!killed) {
		complain(t, why, o);
		return;
	}
	t->killed++;
	for (i = 0; i < STRENGTHS; i++)
		t->by[i] += o->by >> i & 1;
	if (t->killed == 1 || o->noticed < t->first)
		t->first = o->noticed;
	if (o->noticed > t->last)
		t->last = o->noticed;
	snprintf(t->named, sizeof(t->named), "%s", o->named);
}

/* The test puts it in, and passes if it notices it, and nothing without. */
static void run_kernel(const char *scenario, struct tally *t, bool clean)
{
	static struct outcome o;

	scenario_run(scenario, NULL, !clean, &o);
	t->clean += clean;
	t->alarms += o.alarm;
	if (o.skipped) {
		t->skipped = true;
		snprintf(t->why, sizeof(t->why), "%s", o.why);
		return;
	}
	/* Its checks are about records, and all of them are met. */
	o.by &= ~(1u << BY_DATA);
	take_kill(t, &o, o.passed && o.by, "the test that has to notice it failed");
}

/* @clean: also without the mutant. */
static void run_once(const struct mutant *m, const char *scenario, struct tally *t, bool clean)
{
	const char *mode = m->fault_mode ?: "none";
	static struct outcome o;

	if (m->family == FAMILY_DRIVER)
		mode = m->name;
	if (m->family == FAMILY_KERNEL) {
		run_kernel(scenario, t, clean);
		return;
	}
	if (clean) {
		scenario_run(scenario, "none", false, &o);
		take_clean(t, &o);
	}
	if (t->skipped)
		return;
	if (m->family == FAMILY_DRIVER) {
		scenario_run(scenario, mode, false, &o);
		take_kill(t, &o, !o.passed, "it passes with the bug");
		return;
	}
	if (m->family == FAMILY_ORACLE) {
		scenario_run(scenario, mode, false, &o);
		if (o.by & 1u << BY_ACCESS)
			t->sighted++;
		else
			complain(t, "the oracle that sees does not find it", &o);
	}
	put_device(m->name);
	scenario_run(scenario, mode, false, &o);
	put_device("none");
	if (m->family == FAMILY_ORACLE && o.by & 1u << BY_ACCESS)
		take_kill(t, &o, false, "the oracle is not blind");
	else
		take_kill(t, &o, !o.passed, "it passes with the bug");
}

/* All runs of a scenario that mostly waits. */
static void run_waiting(const struct mutant *m, const char *scenario, struct tally *t)
{
	unsigned int left, clean = (options.runs + CLEAN_EVERY - 1) / CLEAN_EVERY, n, i;
	static struct outcome o[SIDE_BY_SIDE];

	for (left = clean; left; left -= n) {
		n = left < SIDE_BY_SIDE ? left : SIDE_BY_SIDE;
		scenario_run_several(scenario, "none", n, o);
		for (i = 0; i < n; i++)
			take_clean(t, &o[i]);
	}
	for (left = t->skipped ? 0 : options.runs; left; left -= n) {
		n = left < SIDE_BY_SIDE ? left : SIDE_BY_SIDE;
		scenario_run_several(scenario, m->name, n, o);
		for (i = 0; i < n; i++)
			take_kill(t, &o[i], !o[i].passed, "it passes with the bug");
	}
}

static const struct mutant_row *row_of(const struct mutant *m)
{
	unsigned int i;

	for (i = 0; m->family == FAMILY_KERNEL && i < row_count; i++) {
		if (!strcmp(rows[i].name, m->name))
			return &rows[i];
	}
	return NULL;
}

static void run_mutant(const struct mutant *m)
{
	static struct tally tallies[SCENARIOS];
	const struct mutant_row *row = row_of(m);
	unsigned int i, n, killed = 0, ran = 0;
	const char *why = "", *title = row ? row->title : "";
	bool alive = false;
	u64 began, all_ms = 0;

	if (m->family == FAMILY_KERNEL && (!row || row->why_not[0])) {
		print_head(m, "na", title, row ? row->why_not : "no mutants for this kernel");
		fputs("}\n", out);
		fflush(out);
		totals.na++;
		return;
	}
	memset(tallies, 0, sizeof(tallies));
	for (i = 0; i < SCENARIOS && m->scenarios[i]; i++) {
		struct tally *t = &tallies[i];

		fprintf(out, "at: %s/%s by %s\n", families[m->family], m->name, m->scenarios[i]);
		fflush(out);
		began = now_ms();
		if (m->waits)
			run_waiting(m, m->scenarios[i], t);
		for (n = t->runs; n < options.runs && !t->skipped; n++)
			run_once(m, m->scenarios[i], t, n % CLEAN_EVERY == 0);
		t->ms = now_ms() - began;
		all_ms += t->ms;
		totals.clean += t->clean;
		totals.alarms += t->alarms;
		if (t->skipped)
			continue;
		ran++;
		if (t->killed == t->runs && (m->family != FAMILY_ORACLE || t->sighted == t->runs))
			killed++;
		else if (!alive)
			why = t->why;
		alive |= t->killed < t->runs;
	}
	totals.seeded++;
	if (m->equivalent && !killed) {
		totals.equivalent++;
		print_head(m, "equivalent", title, m->equivalent);
	} else if (m->equivalent) {
		totals.survived++;
		print_head(m, "survived", title, "it is said to be equivalent, and is noticed");
	} else if (ran && killed == ran) {
		totals.killed++;
		print_head(m, "killed", title, "");
	} else {
		totals.survived++;
		print_head(m, "survived", title, ran ? why : "all that could notice it was skipped");
	}
	fprintf(out, ",\"ms\":%llu,\"scenarios\":[", all_ms);
	for (n = 0; n < i; n++) {
		if (n)
			putc(',', out);
		print_tally(m->scenarios[n], &tallies[n]);
	}
	fputs("]}\n", out);
	fflush(out);
}

/* ---- That none is left out ------------------------------------------------------------- */

static void missing(enum family family, const char *name)
{
	const struct mutant m = { .name = name, .family = family };

	if (find(family, name))
		return;
	totals.seeded++;
	totals.survived++;
	print_head(&m, "survived", "", "the table has no row for it");
	fputs(",\"ms\":0,\"scenarios\":[]}\n", out);
}

/* All that module and driver have, whatever was asked for. */
static void look_for_missing(void)
{
	struct dmirage *d = open_context();
	unsigned int i;
	char line[256];
	FILE *f;
	int fd;

	for (i = 0; i < row_count; i++)
		missing(FAMILY_KERNEL, rows[i].name);
	fd = probe_dev_open(d, "fault_modes");
	ASSERT_PROBE(fd);
	f = fdopen(fd, "r");
	ASSERT(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, " \n")] = '\0';
		if (strcmp(line, "none"))
			missing(FAMILY_DRIVER, line);
	}
	fclose(f);
	dmirage_close(d);
}

static void read_rows(void)
{
	if (probe_mutants_load()) {
		fprintf(out, "# the module of the mutants: %s\n", probe_why());
		return;
	}
	row_count = mutant_list(rows, ARRAY_SIZE(rows));
}

static void list(void)
{
	unsigned int i, n;

	for (i = 0; i < mutants_count; i++) {
		const struct mutant *m = &mutants[i];

		if (!is_wanted(m))
			continue;
		fprintf(out, "%s/%s", families[m->family], m->name);
		for (n = 0; n < SCENARIOS && m->scenarios[n]; n++)
			fprintf(out, " %s", m->scenarios[n]);
		putc('\n', out);
	}
}

static void parse(int argc, char **argv)
{
	for (argv++; argc > 1 && !strncmp(*argv, "--", 2); argv++, argc--) {
		options.core |= !strcmp(*argv, "--core");
		options.list |= !strcmp(*argv, "--list");
		if (!strncmp(*argv, "--runs=", 7))
			options.runs = (unsigned int)strtoul(*argv + 7, NULL, 10) ?: 1;
	}
	options.words = argv;
	options.n = argc - 1;
}

int main(int argc, char **argv)
{
	unsigned int wanted = 0;
	struct utsname uts;
	size_t i;

	parse(argc, argv);
	out = stdout;
	if (options.list) {
		list();
		return 0;
	}
	/* Once for all, which else each program would do. */
	reserve_huge_pages();
	read_rows();
	for (i = 0; i < mutants_count; i++)
		wanted += is_wanted(&mutants[i]);
	ASSERT_SYS(uname(&uts));
	fputs("mutants: {", out);
	json_field(out, "kernel", uts.release);
	fprintf(out, ",\"runs\":%u,\"mutants\":%u}\n", options.runs, wanted);
	fflush(out);
	look_for_missing();
	for (i = 0; i < mutants_count; i++) {
		if (is_wanted(&mutants[i]))
			run_mutant(&mutants[i]);
	}
	fprintf(out,
		"mutants-end: {\"seeded\":%u,\"killed\":%u,\"survived\":%u,\"equivalent\":%u,"
		"\"na\":%u,\"alarms\":%u,\"clean\":%u}\n",
		totals.seeded, totals.killed, totals.survived, totals.equivalent, totals.na,
		totals.alarms, totals.clean);
	fflush(out);
	return totals.survived || totals.alarms ? 1 : 0;
}
