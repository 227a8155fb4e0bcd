// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mutant.h"

#define MODULE	"/lib/modules/dmirage_mutants.ko"
#define DIR	"/sys/kernel/debug/dmirage-mutants/"

int mutant_load(void)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return errno;
	if (syscall(SYS_finit_module, fd, "", 0))
		ret = errno;
	close(fd);
	return ret;
}

int mutant_unload(void)
{
	return syscall(SYS_delete_module, "dmirage_mutants", O_NONBLOCK) ? errno : 0;
}

bool mutant_loaded(void)
{
	return !access(DIR, F_OK);
}

void mutant_tidy(void)
{
	mutant_unload();
}

void mutant_need(void)
{
	int err;

	if (access(MODULE, R_OK))
		SKIP("no mutants for this kernel");
	err = mutant_load();
	if (err && err != EEXIST) {
		ktap_note("loading the mutants: %s", strerror(err));
		ASSERT_EQ(err, 0);
	}
}

/* Without the library's buffers: the caller may be where memory cannot be had. */
void mutant_get(const char *file, char *text, size_t size)
{
	char path[96];
	size_t len = 0;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), DIR "%s", file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_SYS(fd);
	while ((got = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)got;
	ASSERT_SYS(got);
	close(fd);
	if (len && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
}

int mutant_put(const char *file, const char *text)
{
	char path[96];

	snprintf(path, sizeof(path), DIR "%s", file);
	return put_text(path, text);
}

bool mutant_state_is(const char *key, const char *value)
{
	char text[1024], want[160], *line;

	snprintf(want, sizeof(want), "%s %s", key, value);
	mutant_get("state", text, sizeof(text));
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (!strcmp(line, want))
			return true;
	}
	return false;
}

u64 mutant_hits(void)
{
	char text[32];

	mutant_get("hits", text, sizeof(text));
	return strtoull(text, NULL, 10);
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

	mutant_get("list", text, sizeof(text));
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
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	ASSERT_EQ(mutant_put("pid", text), 0);
	ASSERT_EQ(mutant_put("arm", name), 0);
}

void mutant_disarm(void)
{
	ASSERT_EQ(mutant_put("arm", "none"), 0);
	ASSERT_EQ(mutant_put("pid", "0"), 0);
}

void mutant_wait_late(unsigned int ms)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", ms);
	ASSERT_EQ(mutant_put("late_ms", text), 0);
}
