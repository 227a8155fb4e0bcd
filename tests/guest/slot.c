// SPDX-License-Identifier: GPL-2.0
/* The slot that the device is in.  See slot.h. */
#include <stdio.h>

#include "slot.h"

#define WAIT_MS		20000
#define AGAIN_MS	50

/* The host gives it to QEMU's monitor (tests/vm/boot.sh). */
static void monitor(const char *command)
{
	char line[128];

	ASSERT(snprintf(line, sizeof(line), "\nmonitor: %s\n", command) <
	       (int)sizeof(line));
	ASSERT_EQ(put_text("/dev/ttyS1", line), 0);
}

static bool wait_until(bool there, u64 end)
{
	char path[32];

	while ((dmirage_find(path, sizeof(path)) == 0) != there) {
		if (now_ms() > end)
			return false;
		sleep_ms(5);
	}
	return true;
}

bool slot_wait(bool there)
{
	return wait_until(there, now_ms() + WAIT_MS);
}

void slot_empty(void)
{
	monitor("device_del dmirage");
	ASSERT(slot_wait(false));
}

void slot_fill(const char *properties)
{
	u64 end = now_ms() + WAIT_MS;
	char command[96];

	snprintf(command, sizeof(command),
		 "device_add dmirage,id=dmirage,bus=port0%s", properties);
	/* Refused as long as the old one is not all gone. */
	do {
		ASSERT(now_ms() < end);
		monitor(command);
	} while (!wait_until(true, now_ms() + AGAIN_MS));
}
