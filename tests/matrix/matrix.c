// SPDX-License-Identifier: GPL-2.0
/*
 * The scenario matrix: each mm operation, on each kind of memory, in each mode of the
 * device, by reading and by writing.
 *
 *	dmirage-matrix [--core] [--list] [TEXT…]
 *
 * TEXT is part of "/group/row/column/mode/access/", or several with "+" between, of which
 * one is; with several TEXTs, all must be.  "seed" is for the named scenarios, or
 * "seed_000" for those of one.  Prints a line
 * of JSON for each cell, see docs/testing.md.  Exit status: 0 if no cell failed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "json.h"
#include "known.h"
#include "rows.h"
#include "seeds.h"
#include "settings.h"
#include "sites.h"

#define MODES	     3
#define CELL_LIMIT   20
#define TEXT_MAX     65536
#define NAME_MAX_LEN 128

static const unsigned int modes[MODES] = {
	DMIRAGE_MODE_MIRROR,
	DMIRAGE_MODE_SHARED,
	DMIRAGE_MODE_PINNED,
};

static struct options {
	bool core, list;
	char **words;
	int n;
} options;

static struct totals {
	unsigned int passed, failed, known, na;
} totals;

/* Of the cell under way; its process is a copy of this one. */
static struct cell cell;

/* What cells say goes there, and results to the file that was stdout. */
static int said;
static FILE *out;

/* ---- Which cells ------------------------------------------------------------------ */

static void name_of(char *name, const struct cell *c)
{
	snprintf(name, NAME_MAX_LEN, "%s/%s/%s/%s", c->row->name, c->column->name,
		 dmirage_mode_str(c->mode), c->write ? "write" : "read");
}

static const char *group_of(const struct row *row)
{
	const struct row *r;
	unsigned int g;

	for (g = 0; g < ARRAY_SIZE(row_groups); g++) {
		for (r = row_groups[g].rows; r->name; r++) {
			if (r == row)
				return row_groups[g].name;
		}
	}
	return "";
}

/* One of several, with "+" between, is part of @all. */
static bool has_part(const char *all, const char *words)
{
	size_t len;

	for (; *words; words += len + (words[len] == '+')) {
		len = strcspn(words, "+");
		if (memmem(all, strlen(all), words, len))
			return true;
	}
	return false;
}

/*
 * The core: each row in each mode, by writing; on the kinds of memory that the kernel
 * treats most differently, or on the row's first if it has none of these.
 */
#define CORE_COLUMNS (OF(4K) | OF(THP) | OF(HUGETLB) | OF(HUGETLB_PMD) | OF(SHMEM_THP) | OF(FILE))

static bool is_core(const struct cell *c)
{
	unsigned int has = c->row->columns, core = has & CORE_COLUMNS;

	if (!core)
		core = has & -has;
	return c->write && core & 1u << (c->column - columns);
}

static bool is_wanted(const struct cell *c)
{
	char name[NAME_MAX_LEN], all[2 * NAME_MAX_LEN];
	int i;

	if (options.core && !is_core(c))
		return false;
	name_of(name, c);
	snprintf(all, sizeof(all), "/%s/%s/", group_of(c->row), name);
	for (i = 0; i < options.n; i++) {
		if (!has_part(all, options.words[i]))
			return false;
	}
	return true;
}

static void each_cell(void (*fn)(void))
{
	const struct row *row;
	unsigned int g, col, m, w;

	for (g = 0; g < ARRAY_SIZE(row_groups); g++) {
		for (row = row_groups[g].rows; row->name; row++) {
			for (col = 0; col < COLUMNS * MODES * 2; col++) {
				w = col % 2;
				m = col / 2 % MODES;
				cell = (struct cell){
					.row = row,
					.column = &columns[col / 2 / MODES],
					.mode = modes[m],
					.write = w,
				};
				if (is_wanted(&cell))
					fn();
			}
		}
	}
}

/* ---- The kernel's log ----------------------------------------------------------------- */

static regex_t complaints;
static int kmsg = -1;

static void log_start(void)
{
	const char *text = getenv("COMPLAINTS");

	if (!text || regcomp(&complaints, text, REG_EXTENDED | REG_NOSUB)) {
		fprintf(out, "# COMPLAINTS is not set: the kernel's log is not looked at\n");
		return;
	}
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg >= 0)
		lseek(kmsg, 0, SEEK_END);
}

/* What the kernel has complained of since the last time; false: nothing. */
static bool log_complains(void)
{
	bool bad = false;
	char line[2048];
	ssize_t len;

	while (kmsg >= 0) {
		len = read(kmsg, line, sizeof(line) - 1);
		if (len < 0 && errno == EPIPE) {
			ktap_note("some of the kernel's log was lost");
			continue;
		}
		if (len <= 0)
			break;
		line[len] = '\0';
		line[strcspn(line, "\n")] = '\0';
		if (!bad && regexec(&complaints, line, 0, NULL, 0))
			continue;
		if (!bad)
			ktap_note("the kernel complained:");
		bad = true;
		ktap_note("  %s", strchr(line, ';') ? strchr(line, ';') + 1 : line);
	}
	return bad;
}

/* ---- Results ---------------------------------------------------------------------------- */

static void print_name(void)
{
	fputs("cell: {\"table\":\"matrix\",", out);
	json_field(out, "row", cell.row->name);
	putc(',', out);
	json_field(out, "column", cell.column->name);
	putc(',', out);
	json_field(out, "mode", dmirage_mode_str(cell.mode));
	putc(',', out);
	json_field(out, "access", cell.write ? "write" : "read");
}

/* Of the lines "# …" those that are of a report, or those that are not. */
static void print_lines(const char *text, bool reports)
{
	static const char begin[] = "# report begins", more[] = "# report: ";
	const char *comma = "", *next;
	bool open = false;

	for (; *text; text = next) {
		size_t len = strcspn(text, "\n");
		bool is_begin = !strncmp(text, begin, sizeof(begin) - 1);
		bool is_more = !strncmp(text, more, sizeof(more) - 1);

		next = text + len + (text[len] == '\n');
		if (!reports && !is_begin && !is_more) {
			fputs(comma, out);
			json_text(out, text + 2 * !strncmp(text, "# ", 2),
				  len - 2 * !strncmp(text, "# ", 2));
			comma = ",";
		} else if (reports && is_begin) {
			/* A string of several lines, made of pieces. */
			fprintf(out, "%s%s\"", open ? "\"" : "", comma);
			comma = ",";
			open = true;
		} else if (reports && is_more && open) {
			json_piece(out, text + sizeof(more) - 1, len - (sizeof(more) - 1));
			fputs("\\n", out);
		}
	}
	if (open)
		putc('"', out);
}

/* How long it took and what it said, which ends the line. */
static void print_said(u64 ms, const char *text)
{
	fprintf(out, ",\"ms\":%llu,\"log\":[", ms);
	print_lines(text, false);
	fputs("],\"reports\":[", out);
	print_lines(text, true);
	fputs("]}\n", out);
}

static void print_na(const char *why)
{
	print_name();
	fputs(",\"result\":\"na\",", out);
	json_field(out, "why", why);
	fputs("}\n", out);
	totals.na++;
}

/* @known: it fails by the kernel's doing, or NULL. */
static void print_result(enum ktap_verdict verdict, const char *why, const struct known *known,
			 u64 ms, const char *text)
{
	const char *result = "pass";

	if (verdict == KTAP_SKIP) {
		print_na(why);
		return;
	}
	why = "";
	if (verdict == KTAP_PASS && known) {
		result = "fail";
		why = "it passes, and is on the list of those that fail by the kernel's own doing";
		totals.failed++;
	} else if (verdict == KTAP_PASS) {
		totals.passed++;
	} else if (known) {
		result = "known";
		why = known->why;
		totals.known++;
	} else {
		result = "fail";
		totals.failed++;
	}
	print_name();
	putc(',', out);
	json_field(out, "result", result);
	putc(',', out);
	json_field(out, "why", why);
	putc(',', out);
	json_field(out, "link", known ? known->link : "");
	print_said(ms, text);
}

/* ---- Running ------------------------------------------------------------------------------ */

static void run(int arg)
{
	(void)arg;
	cell_run(&cell);
}

/* Which of the kernel's notifier sites that was. */
static bool sites_on;

static void take_sites(const char *name)
{
	long ret = sites_on ? sites_take(name, NULL, NULL) : 0;

	if (ret < 0)
		ktap_note("notifier sites: %s", sites_why());
}

static char *text_said(void)
{
	static char text[TEXT_MAX];
	ssize_t len = pread(said, text, sizeof(text) - 1, 0);

	text[len > 0 ? len : 0] = '\0';
	return text;
}

static void run_cell(void)
{
	const char *no = cell_why_not(cell.row, (enum column_id)(cell.column - columns), cell.mode);
	char name[NAME_MAX_LEN];
	const struct ktap_test test = {
		.name = name,
		.run = run,
		.limit = cell.row->limit ?: CELL_LIMIT,
	};
	enum ktap_verdict verdict;
	const struct known *known;
	u64 began, took;
	const char *why;

	if (no) {
		print_na(no);
		return;
	}
	name_of(name, &cell);
	fprintf(out, "at: %s\n", name);
	fflush(out);
	ASSERT_SYS(ftruncate(said, 0));
	lseek(said, 0, SEEK_SET);
	columns_replenish(cell.column);
	known = known_find(&cell);
	if (sites_on && known)
		sites_pause(true);
	began = now_ms();
	verdict = ktap_run(&test, &why);
	took = now_ms() - began;
	take_sites(name);
	if (sites_on && known)
		sites_pause(false);
	settings_back();
	if (log_complains())
		verdict = KTAP_FAIL;
	fflush(stdout);
	print_result(verdict, why, known, took, text_said());
	fflush(out);
}

/* ---- Named scenarios ------------------------------------------------------------------------- */

static void print_seed(const struct seed *s, enum ktap_verdict verdict, const char *why, u64 ms,
		       const char *text)
{
	const char *result = verdict == KTAP_PASS ? "pass" : "fail";

	if (verdict == KTAP_SKIP)
		result = "na";
	fputs("cell: {\"table\":\"seeds\",", out);
	json_field(out, "row", s->row);
	putc(',', out);
	json_field(out, "column", s->column);
	putc(',', out);
	json_field(out, "mode", s->mode);
	fputs(",\"access\":\"\",", out);
	json_field(out, "result", result);
	putc(',', out);
	json_field(out, "why", why);
	print_said(ms, text);
	fflush(out);
	totals.passed += verdict == KTAP_PASS;
	totals.failed += verdict == KTAP_FAIL;
	totals.na += verdict == KTAP_SKIP;
}

/* Unless cells were asked for, and no scenarios. */
static void run_seeds(void)
{
	const char *part = "seed";
	int i;

	if (options.core)
		return;
	for (i = 0; i < options.n; i++) {
		if (strncmp(options.words[i], "seed", 4))
			return;
		part = options.words[i];
	}
	fflush(out);
	seeds_run(part, print_seed);
	/* What is told of notifiers is told of cells. */
	take_sites(NULL);
}

static unsigned int cells;

static void count_cell(void)
{
	cells++;
}

static void list_cell(void)
{
	const char *no = cell_why_not(cell.row, (enum column_id)(cell.column - columns), cell.mode);
	char name[NAME_MAX_LEN];

	name_of(name, &cell);
	fprintf(out, "%s%s%s\n", name, no ? " # " : "", no ?: "");
}

static void print_head(void)
{
	const char *comma = "";
	const struct row *row;
	struct utsname uts;
	unsigned int g, i;

	ASSERT_SYS(uname(&uts));
	fputs("matrix: {", out);
	json_field(out, "kernel", uts.release);
	fputs(",\"rows\":[", out);
	for (g = 0; g < ARRAY_SIZE(row_groups); g++) {
		for (row = row_groups[g].rows; row->name; row++) {
			fprintf(out, "%s{", comma);
			json_field(out, "name", row->name);
			putc(',', out);
			json_field(out, "group", row_groups[g].name);
			putc(',', out);
			json_field(out, "what", row->what);
			putc('}', out);
			comma = ",";
		}
	}
	fputs("],\"columns\":[", out);
	for (i = 0; i < COLUMNS; i++) {
		fputs(i ? ",{" : "{", out);
		json_field(out, "name", columns[i].name);
		putc(',', out);
		json_field(out, "what", columns[i].what);
		putc('}', out);
	}
	fputs("],\"modes\":[", out);
	for (i = 0; i < MODES; i++)
		fprintf(out, "%s\"%s\"", i ? "," : "", dmirage_mode_str(modes[i]));
	each_cell(count_cell);
	fprintf(out, "],\"accesses\":[\"read\",\"write\"],\"cells\":%u}\n", cells);
	fflush(out);
}

int main(int argc, char **argv)
{
	int fd;

	for (argv++; argc > 1 && !strncmp(*argv, "--", 2); argv++, argc--) {
		options.core |= !strcmp(*argv, "--core");
		options.list |= !strcmp(*argv, "--list");
	}
	options.words = argv;
	options.n = argc - 1;

	fd = dup(STDOUT_FILENO);
	said = memfd_create("said", MFD_CLOEXEC);
	out = fdopen(fd, "w");
	if (fd < 0 || said < 0 || !out || fcntl(fd, F_SETFD, FD_CLOEXEC) ||
	    dup2(said, STDOUT_FILENO) < 0) {
		perror("dmirage-matrix");
		return 1;
	}
	if (options.list) {
		each_cell(list_cell);
		return 0;
	}
	/* A sign of life, for this takes a while. */
	fputs("# the machine is prepared\n", out);
	fflush(out);
	settings_start();
	columns_start();
	settings_keep();
	log_start();
	sites_on = !sites_start();
	if (!sites_on)
		fprintf(out, "# notifier sites are not seen: %s\n", sites_why());
	print_head();
	each_cell(run_cell);
	run_seeds();
	if (sites_on) {
		sites_stop();
		sites_print(out);
	}
	fprintf(out, "matrix-end: {\"passed\":%u,\"failed\":%u,\"known\":%u,\"na\":%u}\n",
		totals.passed, totals.failed, totals.known, totals.na);
	fflush(out);
	return totals.failed ? 1 : 0;
}
