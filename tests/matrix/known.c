// SPDX-License-Identifier: GPL-2.0
#include "known.h"

static const struct known list[] = {
	{
		.row = "move-fractured",
		.columns = OF(HUGETLB) | OF(HUGETLB_SHARED) | OF(HUGETLB_1G),
		.mode = DMIRAGE_MODE_SHARED,
		.since = 606,
		.why = "the flush of a hugetlb page is for its first 4 KiB alone",
		.link = "docs/found-bugs.md#the-secondary-tlb-flush-of-a-hugetlb-page-is-for-4-kib",
	},
	{
		.row = "uffd-move",
		.columns = OF(MTHP),
		.mode = DMIRAGE_MODE_PINNED,
		.since = 608,
		.why = "UFFDIO_MOVE of a pinned large folio goes round in the kernel for ever",
		.link = "docs/found-bugs.md#uffdio_move-does-not-end-if-a-large-folio-is-pinned",
	},
	{ 0 }
};

const struct known *known_find(const struct cell *c)
{
	unsigned int version = kernel_version(), i;

	for (i = 0; list[i].why; i++) {
		const struct known *k = &list[i];

		if ((!k->row || !strcmp(k->row, c->row->name)) && k->columns & 1u << (c->column - columns) &&
		    k->mode == c->mode && version >= k->since &&
		    (!k->before || version < k->before))
			return k;
	}
	return NULL;
}
