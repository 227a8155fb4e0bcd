// SPDX-License-Identifier: GPL-2.0
/* What the guest told.  See told.h. */
#include "told.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

static struct series values(const char *text)
{
	struct series s = { 0 };
	char *end;

	for (;;) {
		double value = g_ascii_strtod(text, &end);

		if (end == text)
			break;
		series_add(&s, value);
		text = end;
	}
	if (!s.n || *g_strchug(end))
		g_error("no values: '%s'", text);
	return s;
}

static void figure(char **word)
{
	struct series s = values(word[4]);
	enum goal kind = GOAL_NONE;

	if (g_str_has_prefix(word[3], "<= "))
		kind = AT_MOST;
	else if (g_str_has_prefix(word[3], ">= "))
		kind = AT_LEAST;
	else if (g_str_has_prefix(word[3], "== "))
		kind = EXACTLY;
	else if (strcmp(word[3], "none") != 0)
		g_error("no goal: '%s'", word[3]);
	report_add(word[1], word[2], &s, kind,
		   kind == GOAL_NONE ? 0 : g_ascii_strtod(word[3] + 3, NULL));
}

static void control(char **word)
{
	struct series s = values(word[2]);

	report_control(word[1], &s);
}

static void note(char **word)
{
	struct series s = values(word[3]);

	report_note(word[1], word[2], &s);
}

static void operation(char **word)
{
	report_operation(word[1], &(struct operation){
					  .callbacks = strtoul(word[2], NULL, 10),
					  .events = strtoul(word[3], NULL, 10),
					  .flushes = strtoul(word[4], NULL, 10),
					  .refaults = strtoul(word[5], NULL, 10),
				  });
}

static const struct {
	const char *name;
	unsigned int words;
	void (*read)(char **word);
} kinds[] = {
	{ "figure", 5, figure },
	{ "control", 3, control },
	{ "note", 4, note },
	{ "operation", 6, operation },
};

static void line(const char *text)
{
	char **word = g_strsplit(text, "|", -1);
	unsigned int i;

	for (i = 0; i < G_N_ELEMENTS(kinds); i++) {
		if (!g_strcmp0(word[0], kinds[i].name) &&
		    g_strv_length(word) == kinds[i].words)
			break;
	}
	if (i == G_N_ELEMENTS(kinds))
		g_error("the guest said '%s'", text);
	kinds[i].read(word);
	g_strfreev(word);
}

void told_read(const char *path)
{
	char *text, **lines, *part = g_path_get_basename(path);
	GError *error = NULL;

	report_part(part);
	g_free(part);

	if (!g_file_get_contents(path, &text, NULL, &error))
		g_error("%s", error->message);
	lines = g_strsplit(g_strchomp(text), "\n", -1);
	for (unsigned int i = 0; lines[i]; i++)
		line(lines[i]);
	g_strfreev(lines);
	g_free(text);
}
