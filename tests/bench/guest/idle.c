// SPDX-License-Identifier: GPL-2.0
/*
 * What a device that could watch costs a guest while nothing is watched: devices
 * with watch=off and with watch=on in turn, in the same slot of the same machine.
 * One with watch=on is compared with the two around it, and these two with each
 * other, which says how far two differ that are alike.
 *
 * What QEMU does for all guests, whether or not there is a device that watches, is
 * in both.
 */
#include "say.h"
#include "slot.h"
#include "pair.h"
#include "work.h"

#define ROUNDS 51

/* Work with such a device, in ms. */
static double work_with(const char *properties)
{
	slot_empty();
	slot_fill(properties);
	return (double)work_ns(true) / 1e6;
}

void bench_watch_idle(int arg)
{
	struct values off = { 0 }, on = { 0 }, again = { 0 }, around = { 0 };
	struct values ratio;
	double last;
	int i;

	(void)arg;
	need_watch();
	work_with(",watch=on");
	last = work_with(",watch=off");
	for (i = 0; i < ROUNDS; i++) {
		values_add(&off, last);
		values_add(&on, work_with(",watch=on"));
		last = work_with(",watch=off");
		values_add(&again, last);
		values_add(&around, (off.value[i] + last) / 2);
	}
	say_control("work, watch=off", &off);
	ratio = values_ratio(&around, &on);
	say_figure("watch_idle_vs_off", "ratio", ">= 0.98", &ratio);
	ratio = values_ratio(&off, &again);
	say_figure("watch_off_vs_off", "ratio", "none", &ratio);
	say_note("work, watch=off", "ms", &off);
	say_note("work, watch=on, nothing watched", "ms", &on);
}
