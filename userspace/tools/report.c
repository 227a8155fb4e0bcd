// SPDX-License-Identifier: GPL-2.0
/*
 * What the commands print about violations: reports, a table, JSON.
 */
#include <string.h>
#include <sys/utsname.h>

#include "libdmirage.h"
#include "json.h"
#include "report.h"

/* Of which version they are, if that is to be had. */
static void report_versions(FILE *f, const char *dev)
{
	const struct dmirage_open_opts look = {
		.flags = DMIRAGE_OPEN_NO_CONTEXT,
	};
	struct dmirage_info info;
	struct dmirage *d;

	/* a trace may outlive its device */
	if (dmirage_open(NULL, &look, &d))
		return;
	if (!dmirage_get_info(d, &info) && !strcmp(info.pci_name, dev))
		fprintf(f, ", interface %u, hardware version %u.%u",
			info.abi_version, info.hw_version >> 16,
			info.hw_version & 0xffff);
	dmirage_close(d);
}

void report_head(FILE *f, const char *dev)
{
	struct utsname uts;

	uname(&uts);
	fprintf(f, "Linux %s %s\n  %s\ndmirage device %s", uts.release,
		uts.machine, uts.version, dev);
	report_versions(f, dev);
	fputs("\n\n", f);
}

void report_violation(FILE *f, const struct dmirage_violation *v)
{
	char report[DMIRAGE_REPORT_MAX];

	dmirage_format_violation(v, report, sizeof(report));
	fputs(report, f);
}

void report_cause(FILE *f, const struct cause *cause)
{
	report_violation(f, &cause->first);
	if (cause->count == 1) {
		fputs("This has happened once.\n\n", f);
		return;
	}
	fprintf(f, "This has happened %llu times, ", cause->count);
	if (cause->addr_min == cause->addr_max)
		fprintf(f, "at this address");
	else
		fprintf(f, "at addresses 0x%llx to 0x%llx", cause->addr_min,
			cause->addr_max);
	fprintf(f, ",\nwithin %.3f s.\n\n",
		(double)(cause->time_last - cause->first.time_ns) / 1e9);
}

/* What made the store; else what used the translation, or what holds it. */
static const char *where(const struct dmirage_violation *v, int *len)
{
	const char *text = v->function;

	if (v->strength == DMIRAGE_BY_ACCESS)
		text = dmirage_op_str(v->opcode);
	else if (v->strength == DMIRAGE_BY_AUDIT)
		text = dmirage_holder_str(v->holder);
	else if (!text[0])
		text = "not known";
	*len = (int)strcspn(text, "+");
	return text;
}

void report_table(FILE *f, const struct causes *c)
{
	const struct cause *one;
	const char *text;
	size_t i;
	int len;

	fprintf(f, "%7s  %-8s  %-6s  %7s  %-14s  %-14s  %s\n", "count", "kind",
		"by", "context", "first address", "last address", "where");
	for (i = 0; i < c->n; i++) {
		one = &c->list[i];
		text = where(&one->first, &len);
		fprintf(f, "%7llu  %-8s  %-6s  %7u  0x%-12llx  0x%-12llx  %.*s\n",
			one->count, trace_kind_str(&one->first),
			trace_by_str(&one->first), one->first.asid,
			one->addr_min, one->addr_max, len, text);
	}
}

/* ---- JSON -------------------------------------------------------------- */

static void json_chain(FILE *f, const char *chain)
{
	const char *comma = "";
	size_t len;

	fputs("\"chain\":[", f);
	for (; *chain; chain += len + (chain[len] == '\n')) {
		len = strcspn(chain, "\n");
		fputs(comma, f);
		json_text(f, chain, len);
		comma = ",";
	}
	putc(']', f);
}

static void json_vma(FILE *f, const struct dmirage_violation *v)
{
	if (!(v->vma & DMIRAGE_VMA_KNOWN) || !v->vma_end) {
		fprintf(f, "\"vma\":%s",
			v->vma & DMIRAGE_VMA_KNOWN ? "{}" : "null");
		return;
	}
	fprintf(f, "\"vma\":{\"start\":%llu,\"end\":%llu,\"rights\":\"%c%c%c%c\",\"hugetlb\":%s,\"name\":",
		v->vma_start, v->vma_end, v->vma & DMIRAGE_VMA_READ ? 'r' : '-',
		v->vma & DMIRAGE_VMA_WRITE ? 'w' : '-',
		v->vma & DMIRAGE_VMA_EXEC ? 'x' : '-',
		v->vma & DMIRAGE_VMA_SHARED ? 's' : 'p',
		v->vma & DMIRAGE_VMA_HUGETLB ? "true" : "false");
	json_text(f, v->vma_name, sizeof(v->vma_name));
	putc('}', f);
}

static const char *json_bool(__u8 value)
{
	return value ? "true" : "false";
}

void report_violation_json(FILE *f, const struct trace_line *l)
{
	const struct dmirage_violation *v = &l->v;

	fprintf(f, "{\"time\":%.6f,\"time_ns\":%llu,\"device\":", l->time,
		v->time_ns);
	json_text(f, l->dev, sizeof(l->dev));
	fprintf(f, ",\"context\":%u,\"kind\":\"%s\",\"by\":\"%s\",\"holder\":\"%s\",\"access\":\"%s\",\"op\":\"%s\",\"mode\":\"%s\",\"addr\":%llu,\"len\":%llu",
		v->asid, trace_kind_str(v), trace_by_str(v), trace_holder_str(v),
		trace_access_str(v), trace_op_str(v), dmirage_mode_str(v->mode),
		v->addr, v->len);
	fprintf(f, ",\"held_frame\":%llu,\"held_order\":%u,\"held_write\":%s,\"held_age_ns\":%llu",
		v->held_frame, v->held_order, json_bool(v->held_write),
		v->held_age_ns);
	fprintf(f, ",\"cpu_frame\":%llu,\"cpu_order\":%u,\"cpu_present\":%s,\"cpu_write\":%s,\"cpu_entry\":%llu",
		v->cpu_frame, v->cpu_order, json_bool(v->cpu_present),
		json_bool(v->cpu_write), v->cpu_entry);
	fprintf(f, ",\"pages\":%u,\"cookie\":%llu,\"inv_start\":%llu,\"inv_len\":%llu,\"inv_age_ns\":%llu",
		v->pages, v->cookie, v->inv_start, v->inv_len, v->inv_age_ns);
	fprintf(f, ",\"why\":\"%s\",\"processor\":%u,\"level\":%u,\"entry_before\":%llu,\"entry_after\":%llu,\"store_age_ns\":%llu,\"function\":",
		trace_why_str(v), v->cpu, v->level, v->entry_before,
		v->entry_after, v->store_age_ns);
	json_text(f, v->function, sizeof(v->function));
	fprintf(f, ",\"chain_id\":%u,", v->chain_id);
	json_chain(f, v->chain);
	fprintf(f, ",\"pid\":%d,\"comm\":", v->pid);
	json_text(f, v->comm, sizeof(v->comm));
	putc(',', f);
	json_vma(f, v);
	fputs("}\n", f);
}
