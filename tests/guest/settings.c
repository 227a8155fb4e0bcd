// SPDX-License-Identifier: GPL-2.0
/* Settings of the machine.  See settings.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common.h"
#include "settings.h"

#define CHANGES_MAX 64

/* Shared with child processes. */
static struct changes {
	unsigned int n;
	struct {
		char file[128];
		char old[64];
	} change[CHANGES_MAX];
} * changes;

int file_text(const char *file, char *text, size_t size)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t ret;

	text[0] = '\0';
	if (fd < 0)
		return -errno;
	ret = read(fd, text, size - 1);
	if (ret < 0)
		ret = -errno;
	text[ret > 0 ? ret : 0] = '\0';
	close(fd);
	return (int)ret;
}

uint64_t file_number(const char *file)
{
	char text[64];

	if (file_text(file, text, sizeof(text)) <= 0)
		return 0;
	return strtoull(text, NULL, 10);
}

/* Of several words the one in brackets counts: "always [madvise] never". */
static void word_in_force(char *text)
{
	char *from = strchr(text, '['), *to = from ? strchr(from, ']') : NULL;

	if (to) {
		*to = '\0';
		memmove(text, from + 1, (size_t)(to - from));
	}
	text[strcspn(text, "\n")] = '\0';
}

void settings_start(void)
{
	if (changes)
		return;
	changes = mmap(NULL, sizeof(*changes), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(changes != MAP_FAILED);
}

int setting_change(const char *file, const char *value, const char *back)
{
	unsigned int n;
	int ret;

	settings_start();
	n = changes->n;
	ASSERT(n < CHANGES_MAX && strlen(file) < sizeof(changes->change[n].file) &&
	       strlen(back) < sizeof(changes->change[n].old));
	strcpy(changes->change[n].file, file);
	strcpy(changes->change[n].old, back);
	changes->n = n + 1;
	ret = put_text(file, value);
	if (ret)
		changes->n = n;
	return ret;
}

int setting_put(const char *file, const char *value)
{
	char old[256];
	int ret;

	ret = file_text(file, old, sizeof(old));
	if (ret < 0)
		return -ret;
	word_in_force(old);
	return strcmp(old, value) ? setting_change(file, value, old) : 0;
}

void settings_back(void)
{
	while (changes && changes->n) {
		changes->n--;
		put_text(changes->change[changes->n].file,
			 changes->change[changes->n].old);
	}
}

void settings_keep(void)
{
	if (changes)
		changes->n = 0;
}
