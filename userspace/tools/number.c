// SPDX-License-Identifier: GPL-2.0
/*
 * Numbers and sizes, as people write and read them.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

/* The number at the beginning of a text, and where it ends. */
static bool number(const char *text, __u64 *value, char **end)
{
	/* strtoull() takes blanks and signs; these are no numbers of ours. */
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*value = strtoull(text, end, 0);
	return !errno;
}

bool parse_number(const char *text, __u64 *value)
{
	char *end;

	return number(text, value, &end) && !*end;
}

bool parse_size(const char *text, __u64 *bytes)
{
	static const char letters[] = "kmgt";
	const char *letter;
	unsigned int shift;
	char *end;

	if (!number(text, bytes, &end))
		return false;
	if (!*end)
		return true;
	letter = strchr(letters, tolower((unsigned char)*end));
	if (!letter)
		return false;
	end++;
	if (*end && strcmp(end, "iB") != 0 && strcmp(end, "B") != 0)
		return false;
	shift = 10 * (unsigned int)(letter - letters + 1);
	if (*bytes > ~0ull >> shift)
		return false;
	*bytes <<= shift;
	return true;
}

const char *format_size(__u64 bytes, char *buf, size_t size)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	unsigned int u = 0;

	if (bytes < 1024) {
		snprintf(buf, size, "%llu byte%s", bytes,
			 bytes == 1 ? "" : "s");
		return buf;
	}
	while (u < 3 && bytes >> (10 * (u + 2)))
		u++;
	if (bytes & ((1ull << (10 * (u + 1))) - 1))
		snprintf(buf, size, "%.1f %s",
			 (double)bytes / (double)(1ull << (10 * (u + 1))),
			 units[u]);
	else
		snprintf(buf, size, "%llu %s", bytes >> (10 * (u + 1)),
			 units[u]);
	return buf;
}
