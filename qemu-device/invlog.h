/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A context's last range invalidations, for reports: when was the device last
 * told to drop anything near an address, and how far did that reach?
 */
#ifndef DMIRAGE_INVLOG_H
#define DMIRAGE_INVLOG_H

#include <stdint.h>

#include "dmirage_hw.h"

/* One range invalidation.  @last is included; @time_ns 0 means none. */
typedef struct DmirageInv {
    int64_t time_ns;
    uint64_t first;
    uint64_t last;
} DmirageInv;

typedef struct DmirageInvlog {
    unsigned next;
    DmirageInv inv[DMIRAGE_INV_HISTORY];
} DmirageInvlog;

void dmirage_invlog_clear(DmirageInvlog *log);
void dmirage_invlog_add(DmirageInvlog *log, const DmirageInv *inv);

/*
 * The latest one that touched the aligned block of 1 << @order bytes around
 * @va; time_ns is 0 if there is none.
 */
DmirageInv dmirage_invlog_find(const DmirageInvlog *log, uint64_t va,
                               unsigned order);

#endif
