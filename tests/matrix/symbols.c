// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbols.h"

struct symbol {
	u64 addr;
	char *name;
};

static struct symbol *symbols;
static size_t count, room;
static bool loaded;

static int by_address(const void *left, const void *right)
{
	const struct symbol *a = left, *b = right;

	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

static int add(u64 addr, const char *name)
{
	if (count == room) {
		size_t more = room ? 2 * room : 65536;
		struct symbol *grown = realloc(symbols, more * sizeof(*symbols));

		if (!grown)
			return -ENOMEM;
		symbols = grown;
		room = more;
	}
	symbols[count].addr = addr;
	symbols[count].name = strdup(name);
	if (!symbols[count].name)
		return -ENOMEM;
	count++;
	return 0;
}

static void forget(void)
{
	while (count)
		free(symbols[--count].name);
	free(symbols);
	symbols = NULL;
	room = 0;
}

int symbols_load(void)
{
	FILE *f;
	char line[512], *name, *type;
	int ret = 0;
	u64 addr;

	if (loaded)
		return 0;
	f = fopen("/proc/kallsyms", "re");
	if (!f)
		return -errno;
	/* "ffffffff81000000 T _stext", and behind modules' symbols "[module]" */
	while (!ret && fgets(line, sizeof(line), f) && !strchr(line, '[')) {
		addr = strtoull(line, &type, 16);
		name = type + 3;
		name[strcspn(name, "\t\n")] = '\0';
		if (strchr("tTwW", type[1]) && strncmp(name, "__pfx_", 6) != 0)
			ret = add(addr, name);
	}
	fclose(f);
	if (!ret && (!count || !symbols[count - 1].addr))
		ret = -EPERM;
	if (ret) {
		forget();
		return ret;
	}
	qsort(symbols, count, sizeof(*symbols), by_address);
	loaded = true;
	return 0;
}

const char *symbols_at(u64 addr, u64 *offset)
{
	size_t low = 0, high = count, middle;

	/* The first one behind it. */
	while (low < high) {
		middle = (low + high) / 2;
		if (symbols[middle].addr <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	if (offset)
		*offset = addr - symbols[low - 1].addr;
	return symbols[low - 1].name;
}

bool symbols_same(const char *symbol, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(symbol, name, len) && (!symbol[len] || symbol[len] == '.');
}

bool symbols_have(const char *name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (symbols_same(symbols[i].name, name))
			return true;
	return false;
}
