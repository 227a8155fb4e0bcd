/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lines of the kernel's trace: userspace/tools/trace_line.c.
 */
#include <glib.h>
#include <string.h>

#include "trace_line.h"

/* Each field has a value of its own. */
#define BEFORE " irq/30-dmirage-112     [001] D..1.    10.103798: dmirage_violation: "
#define PAIRS                                                                \
	"asid 3 kind frame by watch holder iotlb access - op - cookie 0x0 "  \
	"mode mirror va 0x7f4b72e00000 len 0x1000 pages 2 held 0x147554000 " \
	"order 21 held_rights rw held_age_ns 13027674 cpu 0x183e15000 "      \
	"cpu_order 12 cpu_rights ro cpu_entry 0x8000000183e15865 "           \
	"inv_start 0x7f4b72d00000 inv_len 0x200000 inv_age_ns 77 why flush " \
	"processor 300 level 2 entry_before 0x8000000147554867 "             \
	"entry_after 0x5 store_age_ns 760243 "                               \
	"function 'ptep_clear_flush+0x10/0x70' chain_id 214 "                \
	"chain 'ptep_clear_flush+0x10/0x70<act+0x3/0x9 [mod]<main+0x1/0x2' " \
	"time_ns 9716731826 dev 0000:01:00.0 pid 281 comm 'my tool' "        \
	"vma 'known|read|write' vma_start 0x7f4b72e00000 "                   \
	"vma_end 0x7f4b72e04000 vma_name 'lib/a b.so'"
#define GOOD BEFORE PAIRS "\n"

/* ---- Good lines -------------------------------------------------------- */

static void expect_good(const char *text)
{
	struct trace_line l;

	g_assert_cmpint(trace_line_parse(text, &l), ==, TRACE_LINE_GOOD);
	g_assert_cmpfloat(l.time, ==, 10.103798);
	g_assert_cmpstr(l.dev, ==, "0000:01:00.0");
	g_assert_cmpuint(l.v.asid, ==, 3);
	g_assert_cmpuint(l.v.kind, ==, DMIRAGE_VIOL_FRAME);
	g_assert_cmpuint(l.v.strength, ==, DMIRAGE_BY_WATCH);
	g_assert_cmpuint(l.v.holder, ==, DMIRAGE_HELD_IOTLB);
	g_assert_cmpuint(l.v.access_write, ==, 0);
	g_assert_cmpuint(l.v.opcode, ==, 0);
	g_assert_cmpuint(l.v.cookie, ==, 0);
	g_assert_cmpuint(l.v.mode, ==, DMIRAGE_MODE_MIRROR);
	g_assert_cmphex(l.v.addr, ==, 0x7f4b72e00000);
	g_assert_cmphex(l.v.len, ==, 0x1000);
	g_assert_cmpuint(l.v.pages, ==, 2);
	g_assert_cmphex(l.v.held_frame, ==, 0x147554000);
	g_assert_cmpuint(l.v.held_order, ==, 21);
	g_assert_cmpuint(l.v.held_write, ==, 1);
	g_assert_cmpuint(l.v.held_age_ns, ==, 13027674);
	g_assert_cmphex(l.v.cpu_frame, ==, 0x183e15000);
	g_assert_cmpuint(l.v.cpu_order, ==, 12);
	g_assert_cmpuint(l.v.cpu_present, ==, 1);
	g_assert_cmpuint(l.v.cpu_write, ==, 0);
	g_assert_cmphex(l.v.cpu_entry, ==, 0x8000000183e15865);
	g_assert_cmphex(l.v.inv_start, ==, 0x7f4b72d00000);
	g_assert_cmphex(l.v.inv_len, ==, 0x200000);
	g_assert_cmpuint(l.v.inv_age_ns, ==, 77);
	g_assert_cmpuint(l.v.why, ==, DMIRAGE_WATCH_FLUSH);
	g_assert_cmpuint(l.v.cpu, ==, 300);
	g_assert_cmpuint(l.v.level, ==, 2);
	g_assert_cmphex(l.v.entry_before, ==, 0x8000000147554867);
	g_assert_cmphex(l.v.entry_after, ==, 5);
	g_assert_cmpuint(l.v.store_age_ns, ==, 760243);
	g_assert_cmpstr(l.v.function, ==, "ptep_clear_flush+0x10/0x70");
	g_assert_cmpuint(l.v.chain_id, ==, 214);
	g_assert_cmpstr(l.v.chain, ==,
			"ptep_clear_flush+0x10/0x70\nact+0x3/0x9 [mod]\nmain+0x1/0x2\n");
	g_assert_cmpuint(l.v.time_ns, ==, 9716731826);
	g_assert_cmpint(l.v.pid, ==, 281);
	g_assert_cmpstr(l.v.comm, ==, "my tool");
	g_assert_cmphex(l.v.vma, ==,
			DMIRAGE_VMA_KNOWN | DMIRAGE_VMA_READ | DMIRAGE_VMA_WRITE);
	g_assert_cmphex(l.v.vma_start, ==, 0x7f4b72e00000);
	g_assert_cmphex(l.v.vma_end, ==, 0x7f4b72e04000);
	g_assert_cmpstr(l.v.vma_name, ==, "lib/a b.so");
	g_assert_cmpuint(l.v.lost_before, ==, 0);
}

static void good(void)
{
	expect_good(GOOD);
	expect_good(BEFORE PAIRS);
}

/* Names that are new, and their values, are passed over. */
static void unknown(void)
{
	expect_good(BEFORE "new 1 newer 'a b' " PAIRS " newest -\n");
}

/* The line with the pair's value changed; free it. */
static char *with(const char *name, const char *value)
{
	char *key = g_strdup_printf(" %s ", name), *line, *old;
	const char *at = strstr(GOOD, key);
	size_t len;

	g_assert_nonnull(at);
	at += strlen(key);
	len = *at == '\'' ? strcspn(at + 1, "'") + 2 : strcspn(at, " ");
	old = g_strndup(GOOD, (gsize)(at - GOOD));
	line = g_strconcat(old, value, at + len, NULL);
	g_free(old);
	g_free(key);
	return line;
}

static struct trace_line expect(const char *name, const char *value,
				enum trace_line_kind want)
{
	char *line = with(name, value);
	struct trace_line l = { 0 };

	if (trace_line_parse(line, &l) != want)
		g_error("not %d: %s", want, line);
	g_free(line);
	return l;
}

/* Each word is what the report's name for it stands for. */
static void words(void)
{
	static const char *const kinds[] = { "frame", "absent", "write",
					     "diverged" };
	struct trace_line l;
	unsigned int i;

	for (i = 0; i < G_N_ELEMENTS(kinds); i++) {
		l = expect("kind", kinds[i], TRACE_LINE_GOOD);
		g_assert_cmpuint(l.v.kind, ==, i + 1);
		g_assert_cmpstr(trace_kind_str(&l.v), ==, kinds[i]);
	}
	l = expect("by", "audit", TRACE_LINE_GOOD);
	g_assert_cmpuint(l.v.strength, ==, DMIRAGE_BY_AUDIT);
	g_assert_cmpstr(trace_by_str(&l.v), ==, "audit");
	g_assert_cmpstr(trace_why_str(&l.v), ==, "-");
	l = expect("by", "access", TRACE_LINE_GOOD);
	g_assert_cmpuint(l.v.strength, ==, DMIRAGE_BY_ACCESS);
	g_assert_cmpstr(trace_access_str(&l.v), ==, "read");
	l = expect("access", "write", TRACE_LINE_GOOD);
	g_assert_cmpuint(l.v.access_write, ==, 1);
	l = expect("op", "touch_write", TRACE_LINE_GOOD);
	g_assert_cmpuint(l.v.opcode, ==, DMIRAGE_OP_TOUCH_WRITE);
	l = expect("holder", "table", TRACE_LINE_GOOD);
	g_assert_cmpuint(l.v.holder, ==, DMIRAGE_HELD_TABLE);
	l = expect("mode", "shared", TRACE_LINE_GOOD);
	g_assert_cmpuint(l.v.mode, ==, DMIRAGE_MODE_SHARED);
	l = expect("cpu_rights", "none", TRACE_LINE_GOOD);
	g_assert_cmpuint(l.v.cpu_present, ==, 0);
	l = expect("vma", "''", TRACE_LINE_GOOD);
	g_assert_cmpuint(l.v.vma, ==, 0);
	l = expect("chain", "''", TRACE_LINE_GOOD);
	g_assert_cmpstr(l.v.chain, ==, "");
	/* the kernel has no word for it */
	l = expect("kind", "0x9", TRACE_LINE_GOOD);
	g_assert_cmpuint(l.v.kind, ==, 9);
	g_assert_cmpstr(trace_kind_str(&l.v), ==, "unknown");
}

/* ---- Others ------------------------------------------------------------ */

static void other(void)
{
	static const char *const lines[] = {
		"",
		"\n",
		"# tracer: nop\n",
		"CPU:0 [LOST 12 EVENTS]\n",
		" sh-1 [000] ..... 1.0: dmirage_flush: asid 0 va 0x0 len 0x1 ns 5\n",
		"dmirage_violation",
	};
	struct trace_line l;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(lines); i++)
		g_assert_cmpint(trace_line_parse(lines[i], &l), ==,
				TRACE_LINE_OTHER);
}

static void bad(void)
{
	static const struct {
		const char *name, *value;
	} pairs[] = {
		{ "asid", "-1" },
		{ "asid", "4294967296" },
		{ "asid", "x" },
		{ "asid", "" },
		{ "asid", "3 asid 3" },
		{ "order", "256" },
		{ "processor", "65536" },
		{ "va", "0x10000000000000000" },
		{ "kind", "strange" },
		{ "kind", "fra" },
		{ "kind", "frames" },
		{ "kind", "300" },
		{ "vma", "'known|odd'" },
		{ "comm", "'sixteen letters!'" },
		{ "comm", "'caf\xc3\xa9'" },
		{ "comm", "'\033[2J'" },
		{ "comm", "'one'two" },
		{ "comm", "'one" },
		{ "dev", "0123456789012345678901234567890123456789" },
		{ "vma_name", "'a\nb'" },
	};
	char *chain = g_strnfill(DMIRAGE_CHAIN_LEN + 2, 'c'), *text;
	struct trace_line l;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(pairs); i++)
		expect(pairs[i].name, pairs[i].value, TRACE_LINE_BAD);
	g_assert_cmpint(trace_line_parse(BEFORE "\n", &l), ==, TRACE_LINE_BAD);
	g_assert_cmpint(trace_line_parse(BEFORE, &l), ==, TRACE_LINE_BAD);
	/* as long as it may be, with the newline and the end that are added */
	for (i = DMIRAGE_CHAIN_LEN - 3; i <= DMIRAGE_CHAIN_LEN + 1; i++) {
		text = g_strdup_printf("'%.*s'", (int)i, chain);
		expect("chain", text,
		       i + 2 <= DMIRAGE_CHAIN_LEN ? TRACE_LINE_GOOD :
						    TRACE_LINE_BAD);
		g_free(text);
	}
	g_free(chain);
}

/* A line that ends too early, wherever, or lacks a pair. */
static void cut(void)
{
	size_t head = strlen(BEFORE), all = strlen(GOOD) - 1, n, pair;
	const char *at = GOOD + head;
	struct trace_line l;
	char *line;

	for (n = 0; n < all; n++) {
		/* of its own length, so that ASan sees a look behind it */
		line = g_strndup(GOOD, n);
		g_assert_cmpint(trace_line_parse(line, &l), ==,
				n < head ? TRACE_LINE_OTHER : TRACE_LINE_BAD);
		g_free(line);
	}
	while (*at) {
		pair = strcspn(at, " ") + 1;
		if (at[pair] == '\'')
			pair += strcspn(at + pair + 1, "'") + 2;
		else
			pair += strcspn(at + pair, " ");
		pair += strspn(at + pair, " \n");
		line = g_strdup_printf("%.*s%s", (int)(at - GOOD), GOOD,
				       at + pair);
		g_assert_cmpint(trace_line_parse(line, &l), ==, TRACE_LINE_BAD);
		g_free(line);
		at += pair;
	}
}

static void spoil(GString *s)
{
	gsize at = (gsize)g_test_rand_int_range(
		0, (gint)MIN(s->len, strlen(GOOD) - 40) + 1);
	gssize len = g_test_rand_int_range(1, 40);

	switch (g_test_rand_int_range(0, 8)) {
	case 0:
		g_string_truncate(s, at);
		break;
	case 1:
	case 2:
		g_string_insert_len(s, (gssize)at, GOOD + at, len);
		break;
	case 3:
	case 4:
		g_string_erase(s, (gssize)at, MIN(len, (gssize)(s->len - at)));
		break;
	default:
		if (at < s->len)
			s->str[at] = (char)g_test_rand_int_range(1, 256);
		break;
	}
}

/* What is left of it when bytes are lost, changed or doubled is safe to print. */
static void rubbish(void)
{
	unsigned int run, n, kinds[3] = { 0 };
	struct trace_line l;
	enum trace_line_kind kind;

	for (run = 0; run < 20000; run++) {
		GString *s = g_string_new(GOOD);

		for (n = (unsigned int)g_test_rand_int_range(1, 4); n; n--)
			spoil(s);
		kind = trace_line_parse(s->str, &l);
		g_assert_cmpint(kind, <=, TRACE_LINE_BAD);
		kinds[kind]++;
		if (kind == TRACE_LINE_GOOD) {
			g_assert_true(memchr(l.v.comm, 0, sizeof(l.v.comm)));
			g_assert_true(memchr(l.v.chain, 0, sizeof(l.v.chain)));
			g_assert_true(g_str_is_ascii(l.v.vma_name));
		}
		g_string_free(s, TRUE);
	}
	for (n = 0; n < 3; n++)
		g_assert_cmpuint(kinds[n], >, 20);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/trace_line/good", good);
	g_test_add_func("/trace_line/unknown", unknown);
	g_test_add_func("/trace_line/words", words);
	g_test_add_func("/trace_line/other", other);
	g_test_add_func("/trace_line/bad", bad);
	g_test_add_func("/trace_line/cut", cut);
	g_test_add_func("/trace_line/rubbish", rubbish);
	return g_test_run();
}
