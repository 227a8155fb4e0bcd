// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "json.h"
#include "site_table.h"
#include "sites.h"
#include "symbols.h"
#include "tracing.h"

#define CALLERS		1024	/* a power of 2; a kernel has some hundreds */

struct range {
	char name[24];
	u64 fired;
};

/* A site's sums. */
struct row {
	const struct site *site;	/* NULL: not in the table */
	char *name;
	unsigned int event;
	u64 fired;
	struct range *ranges;
	unsigned int n_ranges;
	char *cells[SITES_CELLS];
	unsigned int n_cells;
};

/* What was found out about a return address. */
struct caller {
	u64 addr;
	unsigned int event;
	struct row *row;
};

/* The table's lines first; rows stay where they are. */
static struct row **rows;
static unsigned int n_rows;
static struct caller callers[CALLERS];
static unsigned int n_callers;
static unsigned int series;
static bool *exists;
static u64 unknown, lost;
static char why[512];

const char *sites_why(void)
{
	return why;
}

static struct row *add_row(const struct site *site, const char *name, unsigned int event)
{
	struct row **grown = realloc(rows, (n_rows + 1) * sizeof(*rows)), *row;

	if (!grown)
		return NULL;
	rows = grown;
	row = calloc(1, sizeof(*row));
	if (!row)
		return NULL;
	row->site = site;
	row->name = strdup(name);
	row->event = event;
	if (!row->name) {
		free(row);
		return NULL;
	}
	rows[n_rows++] = row;
	return row;
}

static void free_rows(void)
{
	struct row *row;

	while (n_rows) {
		row = rows[--n_rows];
		while (row->n_cells)
			free(row->cells[--row->n_cells]);
		free(row->ranges);
		free(row->name);
		free(row);
	}
	free(rows);
	free(exists);
	rows = NULL;
	exists = NULL;
}

int sites_start(void)
{
	unsigned int i;
	int ret;

	free_rows();
	memset(callers, 0, sizeof(callers));
	n_callers = 0;
	unknown = 0;
	lost = 0;
	series = kernel_version();
	ret = symbols_load();
	if (ret) {
		snprintf(why, sizeof(why), "/proc/kallsyms: %s", strerror(-ret));
		return ret;
	}
	exists = calloc(site_count, sizeof(*exists));
	for (i = 0; exists && i < site_count; i++) {
		exists[i] = site_exists(&site_table[i], series);
		if (!add_row(&site_table[i], site_table[i].name, site_table[i].event))
			break;
	}
	if (i < site_count || !exists) {
		snprintf(why, sizeof(why), "not enough memory for the table of sites");
		ret = -ENOMEM;
	} else {
		ret = tracing_start(why, sizeof(why));
	}
	return ret;
}

void sites_stop(void)
{
	tracing_stop();
}

/* ---- Who it was ------------------------------------------------------------------------- */

static unsigned int event_of(const struct traced_call *call)
{
	static const unsigned int events[TRACED_KINDS] = {
		[TRACED_SECONDARY] = SITE_SECONDARY,	 [TRACED_RELEASE] = SITE_RELEASE,
		[TRACED_CHANGE_PTE] = SITE_CHANGE_PTE,	 [TRACED_FLUSH_YOUNG] = SITE_FLUSH_YOUNG,
		[TRACED_CLEAR_YOUNG] = SITE_CLEAR_YOUNG, [TRACED_TEST_YOUNG] = SITE_TEST_YOUNG,
	};

	if (call->kind != TRACED_START)
		return events[call->kind];
	/* Beyond the kernel's own events ours begin. */
	return call->event <= SITE_EXCLUSIVE ? call->event : SITE_EVENTS + call->event;
}

/* The address behind a call that ends a function is the next function's. */
static struct row *find_row(u64 addr, unsigned int event)
{
	const struct site *site;
	const char *symbol;
	char name[300];
	u64 offset = 0;
	unsigned int i;

	symbol = symbols_at(addr - 1, &offset);
	site = symbol ? site_find(symbol, event, series) : NULL;
	if (site)
		return rows[site - site_table];
	if (symbol)
		snprintf(name, sizeof(name), "?%s+0x%llx", symbol, offset + 1);
	else
		snprintf(name, sizeof(name), "?0x%llx", addr);
	for (i = site_count; i < n_rows; i++)
		if (rows[i]->event == event && !strcmp(rows[i]->name, name))
			return rows[i];
	return add_row(NULL, name, event);
}

static struct row *row_of(const struct traced_call *call)
{
	unsigned int event = event_of(call), i;
	struct caller *c;

	i = (unsigned int)((call->caller ^ call->caller >> 10) * 31 + event) % CALLERS;
	for (c = &callers[i]; c->row; c = &callers[i]) {
		if (c->addr == call->caller && c->event == event)
			return c->row;
		i = (i + 1) % CALLERS;
	}
	/* Full of what is no return address at all: go on without remembering. */
	if (n_callers >= CALLERS - 1)
		return find_row(call->caller, event);
	c->addr = call->caller;
	c->event = event;
	c->row = find_row(call->caller, event);
	n_callers += c->row ? 1 : 0;
	return c->row;
}

/* ---- Sums ------------------------------------------------------------------------------ */

void sites_size(char *text, size_t size, u64 start, u64 end)
{
	u64 len = end - start;

	if (end == start)
		snprintf(text, size, "address");
	else if (end >= ~0ull - 4095)
		snprintf(text, size, "all");
	else if (len % 1024)
		snprintf(text, size, "%lluB", len);
	else if (len % (1ull << 20))
		snprintf(text, size, "%lluK", len >> 10);
	else if (len % (1ull << 30))
		snprintf(text, size, "%lluM", len >> 20);
	else
		snprintf(text, size, "%lluG", len >> 30);
}

static int add_range(struct row *row, u64 start, u64 end)
{
	struct range *grown;
	char name[sizeof(grown->name)];
	unsigned int i;

	sites_size(name, sizeof(name), start, end);
	for (i = 0; i < row->n_ranges && strcmp(row->ranges[i].name, name) != 0; i++)
		;
	if (i == row->n_ranges) {
		grown = realloc(row->ranges, (i + 1) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		row->ranges = grown;
		row->n_ranges++;
		strcpy(grown[i].name, name);
		grown[i].fired = 0;
	}
	row->ranges[i].fired++;
	return 0;
}

static int add_cell(struct row *row, const char *cell)
{
	unsigned int i;

	for (i = 0; i < row->n_cells; i++)
		if (!strcmp(row->cells[i], cell))
			return 0;
	if (i == SITES_CELLS)
		return 0;
	row->cells[i] = strdup(cell);
	if (!row->cells[i])
		return -ENOMEM;
	row->n_cells++;
	return 0;
}

struct taking {
	const char *cell;
	void (*hit)(void *arg, const struct sites_hit *hit);
	void *arg;
	long n;
	int err;
};

static void take(void *arg, const struct traced_call *call)
{
	struct taking *t = arg;
	struct row *row = row_of(call);
	struct sites_hit hit;
	int err;

	t->n++;
	if (!row) {
		t->err = -ENOMEM;
		return;
	}
	hit = (struct sites_hit){
		.site = row->name,
		.event = site_event_name(row->event),
		.told = call->kind == TRACED_START || call->kind == TRACED_RELEASE,
		.start = call->start,
		.end = call->end,
	};
	/* An entry is of 4 KiB. */
	if (call->kind == TRACED_CHANGE_PTE)
		hit.end += 4096;
	row->fired++;
	unknown += !row->site;
	err = add_range(row, hit.start, hit.end) ?: (t->cell ? add_cell(row, t->cell) : 0);
	t->err = t->err ?: err;
	if (t->hit)
		t->hit(t->arg, &hit);
}

long sites_take(const char *cell, void (*hit)(void *arg, const struct sites_hit *hit), void *arg)
{
	struct taking t = { .cell = cell, .hit = hit, .arg = arg };
	u64 before = lost;
	int ret;

	ret = tracing_read(take, &t, &lost) ?: t.err;
	if (ret) {
		snprintf(why, sizeof(why), "the trace cannot be read: %s", strerror(-ret));
		return ret;
	}
	if (lost != before) {
		snprintf(why, sizeof(why), "%llu records of the trace were overwritten",
			 lost - before);
		return -EOVERFLOW;
	}
	return t.n;
}

void sites_pause(bool pause)
{
	tracing_pause(pause);
}

u64 sites_unknown(void)
{
	return unknown;
}

u64 sites_lost(void)
{
	return lost;
}

/* ---- Output ------------------------------------------------------------------------------ */

/* Others are for secondary TLBs, or ask who has used a page. */
static bool is_told(unsigned int event)
{
	return event < SITE_SECONDARY || event >= SITE_EVENTS;
}

static void print_row(FILE *out, const struct row *row, bool there)
{
	const char *reason = "";
	unsigned int i;

	if (!row->site)
		reason = "not in the table";
	else if (row->site->never)
		reason = row->site->never;
	else if (!there)
		reason = "not in this kernel";
	putc('{', out);
	json_field(out, "site", row->name);
	fprintf(out, ",\"event\":\"%s\",\"fired\":%llu,\"ranges\":{", site_event_name(row->event),
		row->fired);
	for (i = 0; i < row->n_ranges; i++)
		fprintf(out, "%s\"%s\":%llu", i ? "," : "", row->ranges[i].name,
			row->ranges[i].fired);
	fputs("},\"cells\":[", out);
	for (i = 0; i < row->n_cells; i++) {
		fputs(i ? "," : "", out);
		json_text(out, row->cells[i], strlen(row->cells[i]));
	}
	fprintf(out, "],\"told\":%s,\"exists\":%s,\"reachable\":%s,",
		is_told(row->event) ? "true" : "false", there ? "true" : "false",
		there && (!row->site || !row->site->never) ? "true" : "false");
	json_field(out, "why", reason);
	fputc('}', out);
}

/* A line for other kernels, of a site that has one for this kernel, too. */
static bool elsewhere(unsigned int line)
{
	unsigned int i;

	for (i = 0; i < site_count && !exists[line]; i++)
		if (exists[i] && rows[i]->event == rows[line]->event &&
		    !strcmp(rows[i]->name, rows[line]->name))
			return true;
	return false;
}

void sites_print(FILE *out)
{
	const char *comma = "";
	unsigned int i;

	fprintf(out, "sites: {\"kernel\":%u,\"lost\":%llu,\"unknown\":%llu,\"sites\":[", series,
		lost, unknown);
	for (i = 0; i < n_rows; i++) {
		if (i < site_count && elsewhere(i))
			continue;
		fputs(comma, out);
		print_row(out, rows[i], i >= site_count || exists[i]);
		comma = ",";
	}
	fputs("]}\n", out);
	fflush(out);
}
