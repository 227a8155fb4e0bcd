// SPDX-License-Identifier: GPL-2.0
/* What the benchmark found.  See report.h. */
#include "report.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>

#define DRIFT_MAX 0.1

struct row {
	const char *name;
	const char *unit;
	struct series s;
	enum goal kind;
	double goal;
};

static struct row rows[64];
static unsigned int n_rows;
static struct row notes[64];
static unsigned int n_notes;
static struct {
	char *name;
	struct operation o;
} operations[64];
static unsigned int n_operations;
static char *part;
static bool drifted;

void report_add(const char *name, const char *unit, const struct series *s,
		enum goal kind, double goal)
{
	g_assert_cmpuint(n_rows, <, G_N_ELEMENTS(rows));
	rows[n_rows++] = (struct row){ g_strdup(name), g_strdup(unit), *s, kind, goal };
}

void report_note(const char *text, const char *unit, const struct series *s)
{
	g_assert_cmpuint(n_notes, <, G_N_ELEMENTS(notes));
	notes[n_notes++] = (struct row){ g_strdup(text), g_strdup(unit), *s, GOAL_NONE, 0 };
}

void report_operation(const char *name, const struct operation *o)
{
	g_assert_cmpuint(n_operations, <, G_N_ELEMENTS(operations));
	operations[n_operations].name = g_strdup(name);
	operations[n_operations++].o = *o;
}

void report_part(const char *name)
{
	g_free(part);
	part = g_strdup(name);
}

void report_control(const char *name, const struct series *s)
{
	double drift = series_drift(s);

	if (drift > DRIFT_MAX) {
		fprintf(stderr,
			"bench: %s: the control %s drifted by %.0f %% while it was measured; "
			"let the machine settle and try again\n",
			part, name, 100 * drift);
		drifted = true;
	}
}

/* One without a goal has nothing to miss. */
static bool reached(const struct row *r)
{
	double value = series_median(&r->s);

	switch (r->kind) {
	case AT_MOST:
		return value <= r->goal;
	case AT_LEAST:
		return value >= r->goal;
	case EXACTLY:
		return series_percentile(&r->s, 0) == r->goal &&
		       series_percentile(&r->s, 100) == r->goal;
	default:
		return true;
	}
}

/* ">= 0.98", or "none" */
static const char *goal_of(const struct row *r)
{
	static const char *const relation[] = {
		[AT_MOST] = "<=", [AT_LEAST] = ">=", [EXACTLY] = "==",
	};
	static char text[24];

	if (r->kind == GOAL_NONE)
		return "none";
	snprintf(text, sizeof(text), "%s %g", relation[r->kind], r->goal);
	return text;
}

static const char *verdict(const struct row *r)
{
	if (r->kind == GOAL_NONE)
		return "-";
	return reached(r) ? "yes" : "NO";
}

static void print_operations(void)
{
	if (!n_operations)
		return;
	printf("\n%-24s %10s %8s %8s %9s %9s\n", "operation on 2 MiB", "callbacks", "events",
	       "flushes", "per event", "refaults");
	for (unsigned int i = 0; i < n_operations; i++) {
		const struct operation *o = &operations[i].o;

		printf("%-24s %10lu %8lu %8lu ", operations[i].name, o->callbacks, o->events,
		       o->flushes);
		if (o->events)
			printf("%9.2f", (double)o->flushes / o->events);
		else
			printf("%9s", "-");
		printf(" %9lu\n", o->refaults);
	}
}

static void print_table(void)
{
	printf("%-33s %8s  %-6s %17s  %-9s %s\n", "name", "value", "unit", "quartiles",
	       "goal", "reached");
	for (unsigned int i = 0; i < n_rows; i++) {
		const struct row *r = &rows[i];

		printf("%-33s %8.2f  %-6s %8.2f %8.2f  %-9s %s\n", r->name,
		       series_median(&r->s), r->unit, series_percentile(&r->s, 25),
		       series_percentile(&r->s, 75), goal_of(r), verdict(r));
	}
	printf("\nbeside it\n");
	for (unsigned int i = 0; i < n_notes; i++)
		printf("  %-34s %8.2f %s\n", notes[i].name, series_median(&notes[i].s),
		       notes[i].unit);
}

static void write_json(const char *path)
{
	GString *s = g_string_new("[\n");
	GError *error = NULL;

	for (unsigned int i = 0; i < n_rows; i++) {
		const struct row *r = &rows[i];

		g_string_append_printf(s,
				       "  {\"name\": \"%s\", \"value\": %.4f, \"unit\": \"%s\", "
				       "\"goal\": \"%s\", \"ok\": %s, "
				       "\"low\": %.4f, \"high\": %.4f, \"runs\": %u}%s\n",
				       r->name, series_median(&r->s), r->unit,
				       goal_of(r), reached(r) ? "true" : "false",
				       series_percentile(&r->s, 25), series_percentile(&r->s, 75),
				       r->s.n, i + 1 < n_rows ? "," : "");
	}
	g_string_append(s, "]\n");
	if (!g_file_set_contents(path, s->str, s->len, &error))
		g_error("%s", error->message);
	g_string_free(s, true);
}

bool report_publish(const char *path)
{
	unsigned int goals = 0, ok = 0;

	print_table();
	print_operations();
	if (drifted) {
		g_unlink(path);
		printf("\nnot published: a control drifted\n");
		return false;
	}
	write_json(path);
	for (unsigned int i = 0; i < n_rows; i++) {
		goals += rows[i].kind != GOAL_NONE;
		ok += rows[i].kind != GOAL_NONE && reached(&rows[i]);
	}
	printf("\nbench: %u figures, %u reach their goal, %u do not, %u have none\n", n_rows, ok,
	       goals - ok, n_rows - goals);
	return true;
}
