// SPDX-License-Identifier: GPL-2.0
#include "rows.h"

const struct row rows_huge[] = {
	{ 0 }
};
