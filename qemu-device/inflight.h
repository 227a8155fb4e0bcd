/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chunks under way, and what a WAIT command has to await.
 *
 * A context has one chunk under way at most.  The chunk *latches* the
 * translations that it uses before it touches data, and releases them all
 * afterwards.  Invalidation commands are numbered.  A command that drops a
 * translation which a chunk has latched *hits* the chunk, and the chunk keeps
 * the number of the first command that hit it.
 *
 * A WAIT that follows command n is done when no chunk is left that a command
 * up to n has hit.  Chunks that no command has hit, and those that began
 * later, do not hold it up: they use translations that are still good.
 *
 * Plain C without locks: the caller serialises latch, hit and release with
 * the filling and dropping of translations (device: DmirageState.lock), so
 * that a translation is dropped either before it is latched (then it was not
 * found) or after (then the chunk is hit).
 */
#ifndef DMIRAGE_INFLIGHT_H
#define DMIRAGE_INFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "iotlb.h"

/* Most translations that a chunk latches: 4 KiB ones, unaligned, two sides. */
#define DMIRAGE_LATCHES_MAX     34

typedef struct DmirageInflight DmirageInflight;

DmirageInflight *dmirage_inflight_new(unsigned contexts);
void dmirage_inflight_free(DmirageInflight *t);

/* For the chunk of context @x->asid; at most DMIRAGE_LATCHES_MAX. */
void dmirage_inflight_latch(DmirageInflight *t, const DmirageXlate *x);

/* The chunk is over.  Returns true if a WAIT may have become done by it. */
bool dmirage_inflight_release(DmirageInflight *t, uint16_t asid);

bool dmirage_inflight_is_hit(const DmirageInflight *t, uint16_t asid);

/* Latched translation @i of the context's chunk; NULL: it has fewer. */
const DmirageXlate *dmirage_inflight_at(const DmirageInflight *t,
                                        uint16_t asid, unsigned i);

/*
 * Command number @seq (> 0, growing) drops the bytes @first..@last of @asid.
 * Returns true if it hit the context's chunk, which none had hit before.
 */
bool dmirage_inflight_hit(DmirageInflight *t, uint64_t seq, uint16_t asid,
                          uint64_t first, uint64_t last);

/* No chunk is left that a command up to @seq has hit. */
bool dmirage_inflight_done(const DmirageInflight *t, uint64_t seq);

#endif
