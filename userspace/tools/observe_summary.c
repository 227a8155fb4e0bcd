// SPDX-License-Identifier: GPL-2.0
/*
 * What dmirage observe says at the end: for people, and for machines.
 */
#include <string.h>

#include "json.h"
#include "observe.h"
#include "report.h"

static const char *ways(const struct policy *p)
{
	if (p->read && p->write)
		return "both";
	return p->write ? "write" : "read";
}

static __u64 made(const struct tally *t)
{
	return t->made_4k + t->made_2m + t->made_1g;
}

static void violations(FILE *f, const struct tally *t)
{
	size_t i;

	if (t->causes.n)
		report_head(f, t->dev);
	for (i = 0; i < t->causes.n; i++)
		report_cause(f, &t->causes.list[i]);
	if (t->causes.n) {
		report_table(f, &t->causes);
		putc('\n', f);
	}
}

void summary_print(FILE *f, const struct policy *policy, const struct tally *t,
		   const struct outcome *o)
{
	double s = (double)o->ns / 1e9;

	violations(f, t);
	fprintf(f, "dmirage observed %s for %.1f s, %s mode, to %s%s\n", o->name, s,
		dmirage_mode_str(policy->mode),
		policy->read && policy->write ? "read and write" : ways(policy),
		policy->watch ? "" : ", without watching stores");
	fprintf(f, "  address spaces   %llu of %llu process%s; %llu missed\n", t->spaces,
		t->processes, t->processes == 1 ? "" : "es", t->missed);
	fprintf(f, "  touched          %llu pages, %.0f a second; %llu had gone meanwhile\n",
		t->pages, s > 0 ? (double)t->pages / s : 0, t->refused);
	if (policy->mode == DMIRAGE_MODE_SHARED)
		fprintf(f, "  translations     %llu looked up, %llu again\n", made(t), t->again);
	else
		fprintf(f, "  translations     %llu (%llu of 4 KiB, %llu of 2 MiB, %llu of 1 GiB); %llu taken away, %llu made again\n",
			made(t), t->made_4k, t->made_2m, t->made_1g, t->taken, t->again);
	fprintf(f, "  invalidations    %llu; faults of the device: %llu\n", t->invalidations,
		t->faults);
	fprintf(f, "  stores watched   %llu\n", t->stores);
	if (t->crowded)
		fprintf(f, "  the device had no context left, %llu times\n", t->crowded);
	if (t->deaf)
		fprintf(f, "  the kernel's process events came too fast, %llu times: processes may have been missed\n",
			t->deaf);
	if (t->lost)
		fprintf(f, "  %llu violations more, of which nothing is known\n", t->lost);
	fprintf(f, "observe: %llu process%s, %llu translation%s, %llu invalidation%s, %llu violation%s\n",
		t->processes, t->processes == 1 ? "" : "es", made(t), made(t) == 1 ? "" : "s",
		t->invalidations, t->invalidations == 1 ? "" : "s", t->violations + t->lost,
		t->violations + t->lost == 1 ? "" : "s");
}

void summary_json(FILE *f, const struct policy *policy, const struct tally *t,
		  const struct outcome *o)
{
	struct trace_line line;
	size_t i;

	fputs("{\"name\":", f);
	json_text(f, o->name, strlen(o->name));
	if (o->status >= 0)
		fprintf(f, ",\"status\":%d", o->status);
	fprintf(f, ",\"seconds\":%.3f,\"mode\":\"%s\",\"touch\":\"%s\",\"watch\":%s",
		(double)o->ns / 1e9, dmirage_mode_str(policy->mode), ways(policy),
		policy->watch ? "true" : "false");
	fprintf(f, ",\"processes\":%llu,\"spaces\":%llu,\"missed\":%llu,\"crowded\":%llu,\"deaf\":%llu",
		t->processes, t->spaces, t->missed, t->crowded, t->deaf);
	fprintf(f, ",\"pages\":%llu,\"refused\":%llu", t->pages, t->refused);
	fprintf(f, ",\"translations\":%llu,\"made_4k\":%llu,\"made_2m\":%llu,\"made_1g\":%llu,\"taken\":%llu,\"again\":%llu",
		made(t), t->made_4k, t->made_2m, t->made_1g, t->taken, t->again);
	fprintf(f, ",\"invalidations\":%llu,\"faults\":%llu,\"stores\":%llu,\"violations\":%llu,\"lost\":%llu,\"causes\":[",
		t->invalidations, t->faults, t->stores, t->violations, t->lost);
	for (i = 0; i < t->causes.n; i++) {
		memset(&line, 0, sizeof(line));
		snprintf(line.dev, sizeof(line.dev), "%s", t->causes.list[i].dev);
		line.v = t->causes.list[i].first;
		line.time = (double)line.v.time_ns / 1e9;
		fprintf(f, "%s\n{\"count\":%llu,\"first\":", i ? "," : "",
			t->causes.list[i].count);
		report_violation_json(f, &line);
		putc('}', f);
	}
	fputs("]}\n", f);
}
