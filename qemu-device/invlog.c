/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A context's last range invalidations.  See invlog.h. */
#include "invlog.h"

void dmirage_invlog_clear(DmirageInvlog *log)
{
    *log = (DmirageInvlog) { 0 };
}

void dmirage_invlog_add(DmirageInvlog *log, const DmirageInv *inv)
{
    log->inv[log->next++ % DMIRAGE_INV_HISTORY] = *inv;
}

DmirageInv dmirage_invlog_find(const DmirageInvlog *log, uint64_t va,
                               unsigned order)
{
    uint64_t first = va >> order << order;
    uint64_t last = first + ((1ull << order) - 1);

    for (unsigned i = 1; i <= DMIRAGE_INV_HISTORY; i++) {
        const DmirageInv *inv =
            &log->inv[(log->next - i) % DMIRAGE_INV_HISTORY];

        if (inv->time_ns && inv->first <= last && inv->last >= first) {
            return *inv;
        }
    }
    return (DmirageInv) { 0 };
}
