// SPDX-License-Identifier: GPL-2.0
/* Named scenarios.  See seeds.h. */
#define _GNU_SOURCE
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common.h"
#include "seeds.h"

#define PROGRAMS "/tests/seed_*"
#define TEXT_MAX 32768
#define LINE_LEN 2048

/* What has been said since the last test ended, and when that was. */
static struct said {
	char text[TEXT_MAX];
	size_t len;
	u64 since;
} said;

static void say(const char *line)
{
	size_t len = strlen(line);

	if (said.len + len + 1 > sizeof(said.text))
		return;
	memcpy(said.text + said.len, line, len + 1);
	said.len += len;
}

/* "seed_000" and "thp-migration:mirror:walk" */
static struct seed parse(const char *program, const char *name)
{
	struct seed s = { 0 };
	char scenario[64] = "", *dash;

	sscanf(name, "%63[^:]:%15[^:]:%63s", scenario, s.mode, s.column);
	snprintf(s.row, sizeof(s.row), "%s %s", program, scenario);
	dash = strchr(s.row, '_');
	if (dash)
		*dash = '-';
	return s;
}

/* A line of KTAP that ends a test? */
static bool ends_test(const char *program, char *line, seed_fn *fn)
{
	struct ktap_result r;
	struct seed s;

	if (!ktap_parse(line, &r))
		return false;
	s = parse(program, r.name);
	fn(&s, r.verdict, r.why, now_ms() - said.since, said.text);
	said.len = 0;
	said.text[0] = '\0';
	said.since = now_ms();
	return true;
}

static void run_program(const char *path, seed_fn *fn)
{
	const char *program = strrchr(path, '/') + 1;
	unsigned int planned = 0, ended = 0;
	static char line[LINE_LEN];
	struct seed whole;
	FILE *f;
	int ret;

	f = popen(path, "re");
	ASSERT(f);
	said.len = 0;
	said.text[0] = '\0';
	said.since = now_ms();
	while (fgets(line, sizeof(line), f)) {
		if (ends_test(program, line, fn))
			ended++;
		else if (line[0] == '#')
			say(line);
		else if (!strncmp(line, "1..", 3))
			planned = (unsigned int)strtoul(line + 3, NULL, 10);
	}
	ret = pclose(f);
	if (planned && ended == planned)
		return;
	/* It died, and some of its tests never ran. */
	whole = parse(program, "all:-:-");
	snprintf(line, sizeof(line), "# ended with status %d after %u of %u tests\n", ret, ended,
		 planned);
	say(line);
	fn(&whole, KTAP_FAIL, "", 0, said.text);
}

void seeds_run(const char *part, seed_fn *fn)
{
	glob_t found;
	size_t i;

	if (glob(PROGRAMS, 0, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc; i++) {
		if (strstr(found.gl_pathv[i], part))
			run_program(found.gl_pathv[i], fn);
	}
	globfree(&found);
}
