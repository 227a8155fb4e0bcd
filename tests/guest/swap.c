// SPDX-License-Identifier: GPL-2.0
/* Swap for tests.  See swap.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>

#include "common.h"
#include "settings.h"
#include "swap.h"

#define ZRAM "/sys/block/zram0/"

/* The modules that the initramfs has for the matrix, each after what it depends on. */
static const char load[] =
	"cd /lib/modules/matrix && while read -r name; do insmod $name.ko; done <order";

static int run(const char *command)
{
	char line[256];

	snprintf(line, sizeof(line), "{ %s; } >/dev/null 2>&1", command);
	return system(line);
}

/* The swap that there is was made by this test. */
static bool made;

static bool has_swap(void)
{
	char text[256];

	/* a line for each, under a heading */
	return file_text("/proc/swaps", text, sizeof(text)) > 0 && strchr(text, '/');
}

void swap_begin(void)
{
	if (has_swap())
		return;
	if (access(ZRAM "disksize", W_OK))
		run(load);
	if (access(ZRAM "disksize", W_OK))
		SKIP("the kernel has no zram");
	ASSERT_EQ(put_text(ZRAM "disksize", "64M"), 0);
	ASSERT_EQ(run("mkswap /dev/zram0"), 0);
	ASSERT_SYS(swapon("/dev/zram0", 0));
	made = true;
}

void swap_end(void)
{
	if (!made)
		return;
	made = false;
	ASSERT_SYS(swapoff("/dev/zram0"));
	ASSERT_EQ(put_text(ZRAM "reset", "1"), 0);
}
