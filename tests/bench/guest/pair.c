// SPDX-License-Identifier: GPL-2.0
/* Two contexts, one of them watched.  See pair.h. */
#include "pair.h"

struct pair pair_open(void)
{
	return (struct pair){
		.plain = open_context(),
		.watched = open_watched(DMIRAGE_MODE_MIRROR, NULL),
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

void pair_expect_clean(const struct pair *w)
{
	expect_watched(w->watched);
	expect_clean(w->plain);
	expect_clean(w->watched);
	EXPECT_EQ(counter(w->plain, "watch_stores"), 0);
	EXPECT_EQ(counter(w->watched, "watch_refused"), 0);
	EXPECT_EQ(counter(w->watched, "watch_violations"), 0);
}
