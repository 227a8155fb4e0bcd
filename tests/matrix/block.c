// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "block.h"
#include "settings.h"

#define MEMORY "/sys/devices/system/memory/"
#define NODE   "/sys/devices/system/node/node%d/memory%llu"

u64 block_size(void)
{
	char text[64];

	if (file_text(MEMORY "block_size_bytes", text, sizeof(text)) <= 0)
		return 0;
	return strtoull(text, NULL, 16);
}

void block_path(char *path, size_t size, u64 frame)
{
	snprintf(path, size, MEMORY "memory%llu/state", frame / block_size());
}

static bool is_of_node(int node, u64 block)
{
	char path[96];

	snprintf(path, sizeof(path), NODE, node, block);
	return !access(path, F_OK);
}

bool in_last_block(u64 frame)
{
	u64 size = block_size();
	int node;

	for (node = 0; size && node < 2; node++) {
		if (is_of_node(node, frame / size))
			return !is_of_node(node, frame / size + 1);
	}
	return false;
}
