// SPDX-License-Identifier: GPL-2.0
/*
 * dmirage-bench: the benchmark's part in the guest.  With one processor it
 * measures what nobody else is to be at; with two, what runs at the same time; and where
 * there is a Redis, what it costs that to be observed.
 */
#include <unistd.h>

#include "say.h"

#define LIMIT_S 120

static const struct ktap_test alone[] = {
	{ "hot", bench_hot, PROBE_KIND_THP, LIMIT_S },
	{ "hot-4k", bench_hot, PROBE_KIND_4K, LIMIT_S },
	{ "fault", bench_fault, 0, LIMIT_S },
	{ "cold", bench_cold, 0, LIMIT_S },
	{ "ahead", bench_ahead, 0, LIMIT_S },
	{ "flushes", bench_flushes, 0, LIMIT_S },
	{ "watch-migration", bench_watch_migration, PROBE_KIND_THP, LIMIT_S },
	{ "watch-migration-4k", bench_watch_migration, PROBE_KIND_4K, LIMIT_S },
	{ "watch-store", bench_watch_store, 0, LIMIT_S },
	{ "watch-many", bench_watch_many, 0, LIMIT_S },
	/* Last: the device is another one then. */
	{ "watch-idle", bench_watch_idle, 0, LIMIT_S },
};

static const struct ktap_test beside[] = {
	{ "migration", bench_migration, 0, LIMIT_S },
};

static const struct ktap_test programs[] = {
	{ "observe-redis", bench_redis, 0, 5 * LIMIT_S },
};

int main(int argc, char **argv)
{
	if (!access(REDIS_LOAD, X_OK))
		return ktap_main(argc, argv, programs, ARRAY_SIZE(programs), NULL);
	if (sysconf(_SC_NPROCESSORS_ONLN) == 1)
		return ktap_main(argc, argv, alone, ARRAY_SIZE(alone),
				 reserve_huge_pages);
	return ktap_main(argc, argv, beside, ARRAY_SIZE(beside),
			 reserve_huge_pages);
}
