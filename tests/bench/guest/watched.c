// SPDX-License-Identifier: GPL-2.0
/* Two contexts, one of them watched.  See watched.h. */
#include "watched.h"

void need_watch(void)
{
	struct dmirage *d = open_context();
	bool can = get_info(d).caps & DMIRAGE_CAP_ORACLE_WATCH;

	dmirage_close(d);
	if (!can)
		SKIP("this device does not watch");
}

struct watched watched_open(void)
{
	need_watch();
	return (struct watched){
		.plain = open_context(),
		.watched = open_mode(DMIRAGE_MODE_MIRROR, DMIRAGE_OPEN_WATCH),
	};
}

/* A page that is new has its accessed bit, which goes by a store. */
static void expect_watched(struct dmirage *d)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	u64 before;

	dev_read(d, mem.addr);
	before = counter(d, "watch_stores");
	clear_accessed();
	EXPECT_GE(counter(d, "watch_stores"), before + 1);
}

void clear_accessed(void)
{
	ASSERT_EQ(put_text("/proc/self/clear_refs", "1"), 0);
}

void watched_expect_clean(const struct watched *w)
{
	expect_watched(w->watched);
	expect_clean(w->plain);
	expect_clean(w->watched);
	EXPECT_EQ(counter(w->plain, "watch_stores"), 0);
	EXPECT_EQ(counter(w->watched, "watch_refused"), 0);
	EXPECT_EQ(counter(w->watched, "watch_violations"), 0);
}
