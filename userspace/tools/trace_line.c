// SPDX-License-Identifier: GPL-2.0
/*
 * A violation's line in the kernel's trace.  It is taken apart by a table: pairs
 * of a name and a value, which is a number, a word, or a text in quotation marks.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "trace_line.h"

#define EVENT " dmirage_violation: "

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Longer than any name, and than any value */
#define NAME_MAX_LEN  32
#define VALUE_MAX_LEN DMIRAGE_CHAIN_LEN

struct word {
	const char *word;
	__u8 value;
};

/* Each ends with an empty one. */
static const struct word kinds[] = {
	{ "frame", DMIRAGE_VIOL_FRAME },
	{ "absent", DMIRAGE_VIOL_ABSENT },
	{ "write", DMIRAGE_VIOL_WRITE },
	{ "diverged", DMIRAGE_VIOL_DIVERGED },
	{ NULL, 0 },
};

static const struct word strengths[] = {
	{ "access", DMIRAGE_BY_ACCESS },
	{ "audit", DMIRAGE_BY_AUDIT },
	{ "watch", DMIRAGE_BY_WATCH },
	{ NULL, 0 },
};

static const struct word holders[] = {
	{ "latch", DMIRAGE_HELD_LATCHED },
	{ "iotlb", DMIRAGE_HELD_IOTLB },
	{ "table", DMIRAGE_HELD_TABLE },
	{ NULL, 0 },
};

static const struct word accesses[] = {
	{ "read", 0 },
	{ "write", 1 },
	{ "-", 0 },
	{ NULL, 0 },
};

static const struct word opcodes[] = {
	{ "-", DMIRAGE_OP_NOP },
	{ "copy", DMIRAGE_OP_COPY },
	{ "fill", DMIRAGE_OP_FILL },
	{ "read_imm", DMIRAGE_OP_READ_IMM },
	{ "write_imm", DMIRAGE_OP_WRITE_IMM },
	{ "cas", DMIRAGE_OP_CAS },
	{ "fetch_add", DMIRAGE_OP_FETCH_ADD },
	{ "crc32c", DMIRAGE_OP_CRC32C },
	{ "touch_read", DMIRAGE_OP_TOUCH_READ },
	{ "touch_write", DMIRAGE_OP_TOUCH_WRITE },
	{ "calibrate", DMIRAGE_OP_CALIBRATE },
	{ NULL, 0 },
};

static const struct word modes[] = {
	{ "mirror", DMIRAGE_MODE_MIRROR },
	{ "pinned", DMIRAGE_MODE_PINNED },
	{ "shared", DMIRAGE_MODE_SHARED },
	{ NULL, 0 },
};

static const struct word present[] = {
	{ "rw", 1 },
	{ "ro", 1 },
	{ "none", 0 },
	{ NULL, 0 },
};

static const struct word writable[] = {
	{ "rw", 1 },
	{ "ro", 0 },
	{ "none", 0 },
	{ NULL, 0 },
};

static const struct word reasons[] = {
	{ "store", DMIRAGE_WATCH_STORE },
	{ "flush", DMIRAGE_WATCH_FLUSH },
	{ "time", DMIRAGE_WATCH_TIME },
	{ "back", DMIRAGE_WATCH_BACK },
	{ "-", 0 },
	{ NULL, 0 },
};

static const struct word vma_flags[] = {
	{ "known", DMIRAGE_VMA_KNOWN },
	{ "read", DMIRAGE_VMA_READ },
	{ "write", DMIRAGE_VMA_WRITE },
	{ "exec", DMIRAGE_VMA_EXEC },
	{ "shared", DMIRAGE_VMA_SHARED },
	{ "hugetlb", DMIRAGE_VMA_HUGETLB },
	{ NULL, 0 },
};

enum type {
	NUMBER,
	WORD, /* one byte; maybe as a number */
	FLAGS, /* words with '|' between; one byte */
	TEXT,
	CHAIN, /* a text of functions with '<' between */
};

struct field {
	const char *name;
	enum type type;
	size_t offset, size;
	const struct word *words;
};

#define MEMBER(m) offsetof(struct trace_line, m), \
		  sizeof(((struct trace_line *)0)->m)

/* One name may fill several fields. */
static const struct field fields[] = {
	{ "asid", NUMBER, MEMBER(v.asid), NULL },
	{ "kind", WORD, MEMBER(v.kind), kinds },
	{ "by", WORD, MEMBER(v.strength), strengths },
	{ "holder", WORD, MEMBER(v.holder), holders },
	{ "access", WORD, MEMBER(v.access_write), accesses },
	{ "op", WORD, MEMBER(v.opcode), opcodes },
	{ "cookie", NUMBER, MEMBER(v.cookie), NULL },
	{ "mode", WORD, MEMBER(v.mode), modes },
	{ "va", NUMBER, MEMBER(v.addr), NULL },
	{ "len", NUMBER, MEMBER(v.len), NULL },
	{ "pages", NUMBER, MEMBER(v.pages), NULL },
	{ "held", NUMBER, MEMBER(v.held_frame), NULL },
	{ "order", NUMBER, MEMBER(v.held_order), NULL },
	{ "held_rights", WORD, MEMBER(v.held_write), writable },
	{ "held_age_ns", NUMBER, MEMBER(v.held_age_ns), NULL },
	{ "cpu", NUMBER, MEMBER(v.cpu_frame), NULL },
	{ "cpu_order", NUMBER, MEMBER(v.cpu_order), NULL },
	{ "cpu_rights", WORD, MEMBER(v.cpu_present), present },
	{ "cpu_rights", WORD, MEMBER(v.cpu_write), writable },
	{ "cpu_entry", NUMBER, MEMBER(v.cpu_entry), NULL },
	{ "inv_start", NUMBER, MEMBER(v.inv_start), NULL },
	{ "inv_len", NUMBER, MEMBER(v.inv_len), NULL },
	{ "inv_age_ns", NUMBER, MEMBER(v.inv_age_ns), NULL },
	{ "why", WORD, MEMBER(v.why), reasons },
	{ "processor", NUMBER, MEMBER(v.cpu), NULL },
	{ "level", NUMBER, MEMBER(v.level), NULL },
	{ "entry_before", NUMBER, MEMBER(v.entry_before), NULL },
	{ "entry_after", NUMBER, MEMBER(v.entry_after), NULL },
	{ "store_age_ns", NUMBER, MEMBER(v.store_age_ns), NULL },
	{ "function", TEXT, MEMBER(v.function), NULL },
	{ "chain_id", NUMBER, MEMBER(v.chain_id), NULL },
	{ "chain", CHAIN, MEMBER(v.chain), NULL },
	{ "time_ns", NUMBER, MEMBER(v.time_ns), NULL },
	{ "dev", TEXT, MEMBER(dev), NULL },
	{ "pid", NUMBER, MEMBER(v.pid), NULL },
	{ "comm", TEXT, MEMBER(v.comm), NULL },
	{ "vma", FLAGS, MEMBER(v.vma), vma_flags },
	{ "vma_start", NUMBER, MEMBER(v.vma_start), NULL },
	{ "vma_end", NUMBER, MEMBER(v.vma_end), NULL },
	{ "vma_name", TEXT, MEMBER(v.vma_name), NULL },
};

_Static_assert(ARRAY_SIZE(fields) < 64, "a bit for each field");

/* ---- Values ------------------------------------------------------------ */

static bool take_number(const struct field *f, const char *value, void *to)
{
	__u64 n, max = f->size < 8 ? (1ull << 8 * f->size) - 1 : ~0ull;

	if (!parse_number(value, &n) || n > max)
		return false;
	/* the low bytes come first: this is for x86-64 */
	memcpy(to, &n, f->size);
	return true;
}

static const struct word *find_word(const struct word *w, const char *text,
				    size_t len)
{
	for (; w->word; w++) {
		if (strlen(w->word) == len && !strncmp(w->word, text, len))
			return w;
	}
	return NULL;
}

static bool take_word(const struct field *f, const char *value, void *to)
{
	const struct word *w = find_word(f->words, value, strlen(value));

	if (!w) /* a newer driver's, of which the trace has no word either */
		return take_number(f, value, to);
	*(__u8 *)to = w->value;
	return true;
}

static bool take_flags(const struct field *f, const char *value, void *to)
{
	const struct word *w;
	__u8 flags = 0;
	size_t len;

	for (; *value; value += len + (value[len] == '|')) {
		len = strcspn(value, "|");
		w = find_word(f->words, value, len);
		if (!w)
			return false;
		flags |= w->value;
	}
	*(__u8 *)to = flags;
	return true;
}

static bool take_text(const struct field *f, const char *value, void *to)
{
	char *text = to;
	size_t len = strlen(value), i;

	if (len + (f->type == CHAIN) >= f->size)
		return false;
	for (i = 0; i < len; i++) {
		if (!isascii((unsigned char)value[i]) ||
		    !isprint((unsigned char)value[i]))
			return false;
		text[i] = f->type == CHAIN && value[i] == '<' ? '\n' : value[i];
	}
	/* a newline behind each function */
	if (f->type == CHAIN && len)
		text[i++] = '\n';
	memset(text + i, 0, f->size - i);
	return true;
}

static bool take(const struct field *f, const char *value, void *to)
{
	switch (f->type) {
	case NUMBER:
		return take_number(f, value, to);
	case WORD:
		return take_word(f, value, to);
	case FLAGS:
		return take_flags(f, value, to);
	default:
		return take_text(f, value, to);
	}
}

/* ---- Lines ------------------------------------------------------------- */

/* Copy what is before @end; return what is behind it, or NULL. */
static const char *copy_until(const char *from, const char *end, char *to,
			      size_t size)
{
	size_t len = strcspn(from, end);

	if (len >= size)
		return NULL;
	memcpy(to, from, len);
	to[len] = '\0';
	return from + len;
}

/* Take the pair at @at; return what is behind it, or NULL. */
static const char *next_pair(const char *at, char *name, char *value)
{
	at = copy_until(at, " \n", name, NAME_MAX_LEN);
	if (!at || *at++ != ' ')
		return NULL;
	if (*at != '\'') {
		at = copy_until(at, " \n", value, VALUE_MAX_LEN);
		return *value ? at : NULL;
	}
	at = copy_until(at + 1, "'\n", value, VALUE_MAX_LEN);
	return at && *at == '\'' ? at + 1 : NULL;
}

/* The time is the last number before the event's name. */
static double time_before(const char *text, const char *event)
{
	const char *at = event;

	while (at > text && (isspace((unsigned char)at[-1]) || at[-1] == ':'))
		at--;
	while (at > text && (isdigit((unsigned char)at[-1]) || at[-1] == '.'))
		at--;
	return strtod(at, NULL);
}

enum trace_line_kind trace_line_parse(const char *text, struct trace_line *line)
{
	char name[NAME_MAX_LEN], value[VALUE_MAX_LEN] = "";
	const char *at = strstr(text, EVENT);
	__u64 seen = 0;
	size_t i;

	if (!at)
		return TRACE_LINE_OTHER;
	memset(line, 0, sizeof(*line));
	line->time = time_before(text, at);
	at += strlen(EVENT);
	while (*at && *at != '\n') {
		at = next_pair(at, name, value);
		if (!at)
			return TRACE_LINE_BAD;
		for (i = 0; i < ARRAY_SIZE(fields); i++) {
			if (strcmp(fields[i].name, name))
				continue;
			if (seen & 1ull << i ||
			    !take(&fields[i], value,
				  (char *)line + fields[i].offset))
				return TRACE_LINE_BAD;
			seen |= 1ull << i;
		}
		if (*at == ' ')
			at++;
		else if (*at && *at != '\n')
			return TRACE_LINE_BAD;
	}
	return seen == (1ull << ARRAY_SIZE(fields)) - 1 ? TRACE_LINE_GOOD :
							  TRACE_LINE_BAD;
}

/* ---- Words ------------------------------------------------------------- */

static const char *word_of(const struct word *w, unsigned int value)
{
	for (; w->word; w++) {
		if (w->value == value)
			return w->word;
	}
	return "unknown";
}

const char *trace_kind_str(const struct dmirage_violation *v)
{
	return word_of(kinds, v->kind);
}

const char *trace_by_str(const struct dmirage_violation *v)
{
	return word_of(strengths, v->strength);
}

const char *trace_holder_str(const struct dmirage_violation *v)
{
	return word_of(holders, v->holder);
}

const char *trace_access_str(const struct dmirage_violation *v)
{
	return v->strength == DMIRAGE_BY_ACCESS ?
		       word_of(accesses, v->access_write) :
		       "-";
}

const char *trace_op_str(const struct dmirage_violation *v)
{
	return word_of(opcodes, v->opcode);
}

const char *trace_why_str(const struct dmirage_violation *v)
{
	return v->strength == DMIRAGE_BY_WATCH ? word_of(reasons, v->why) : "-";
}
