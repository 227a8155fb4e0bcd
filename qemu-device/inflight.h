/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accesses under way, and what a WAIT command has to await.
 *
 * An access *latches* its translation in a slot before it touches data and
 * frees the slot afterwards.  Invalidation commands are numbered.  A command
 * that drops a translation which an access has latched *hits* the access, and
 * the access keeps the number of the first command that hit it.
 *
 * A WAIT that follows command n is done when no access is left that a command
 * up to n has hit.  Accesses that no command has hit, and those that began
 * later, do not hold it up: they use translations that are still good.
 *
 * Plain C without locks: the caller serialises latch, hit and release with
 * the filling and dropping of translations (device: DmirageState.lock), so
 * that a translation is dropped either before it is latched (then it was not
 * found) or after (then the access is hit).
 */
#ifndef DMIRAGE_INFLIGHT_H
#define DMIRAGE_INFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "iotlb.h"

typedef struct DmirageInflight DmirageInflight;

DmirageInflight *dmirage_inflight_new(unsigned slots);
void dmirage_inflight_free(DmirageInflight *t);

/* @slot is free before. */
void dmirage_inflight_latch(DmirageInflight *t, unsigned slot,
                            const DmirageXlate *x);

/* Frees @slot.  Returns true if a WAIT may have become done by it. */
bool dmirage_inflight_release(DmirageInflight *t, unsigned slot);

bool dmirage_inflight_is_hit(const DmirageInflight *t, unsigned slot);

/*
 * Command number @seq (> 0, growing) drops the bytes @first..@last of @asid.
 * Returns how many accesses it newly hit.
 */
unsigned dmirage_inflight_hit(DmirageInflight *t, uint64_t seq, uint16_t asid,
                              uint64_t first, uint64_t last);

/* No access is left that a command up to @seq has hit. */
bool dmirage_inflight_done(const DmirageInflight *t, uint64_t seq);

#endif
