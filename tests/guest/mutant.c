// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "mutant.h"

void mutant_tidy(void)
{
	probe_mutants_unload();
}

void mutant_need(void)
{
	if (!probe_mutants_exist())
		SKIP("no mutants for this kernel");
	ASSERT_PROBE(probe_mutants_load());
}

bool mutant_state_is(const char *key, const char *value)
{
	char text[1024], want[160], *line;

	snprintf(want, sizeof(want), "%s %s", key, value);
	ASSERT_PROBE(probe_mutant_get("state", text, sizeof(text)));
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (!strcmp(line, want))
			return true;
	}
	return false;
}

u64 mutant_hits(void)
{
	long hits = probe_mutant_hits();

	ASSERT_PROBE(hits);
	return (u64)hits;
}

/* The next of a line's columns. */
static void column(char **line, char *to, size_t size)
{
	char *word = strsep(line, "\t");

	ASSERT(word);
	ASSERT(strlen(word) < size);
	strcpy(to, word);
}

unsigned int mutant_list(struct mutant_row *rows, unsigned int max)
{
	static char text[16384];
	char *line, *rest = text;
	unsigned int n = 0;

	ASSERT_PROBE(probe_mutant_get("list", text, sizeof(text)));
	while ((line = strsep(&rest, "\n"))) {
		struct mutant_row *r = &rows[n++];

		ASSERT(n <= max);
		column(&line, r->name, sizeof(r->name));
		column(&line, r->why_not, sizeof(r->why_not));
		column(&line, r->commit, sizeof(r->commit));
		column(&line, r->title, sizeof(r->title));
		column(&line, r->function, sizeof(r->function));
		ASSERT(!line);
		if (!strcmp(r->why_not, "ok"))
			r->why_not[0] = '\0';
	}
	return n;
}

struct mutant_row mutant_row(const char *name)
{
	static struct mutant_row rows[64];
	unsigned int i, n;

	mutant_need();
	n = mutant_list(rows, ARRAY_SIZE(rows));
	for (i = 0; i < n && strcmp(rows[i].name, name); i++)
		;
	ASSERT(i < n);
	if (rows[i].why_not[0])
		SKIP("%s", rows[i].why_not);
	return rows[i];
}

void mutant_arm(pid_t pid, const char *name)
{
	ASSERT_PROBE(probe_mutant_arm(pid, name));
}

void mutant_disarm(void)
{
	ASSERT_PROBE(probe_mutant_disarm());
}

void mutant_wait_late(unsigned int ms)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", ms);
	ASSERT_PROBE(probe_mutant_put("late_ms", text));
}
