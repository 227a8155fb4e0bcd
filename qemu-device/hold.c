/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hold points: a test stops an access between two steps, does something else,
 * and lets it go on.  So a race becomes a schedule.
 *
 * A held access keeps its translations latched, as any access under way; the
 * engine goes on with other contexts.  It is released by the test, by a WAIT
 * that needs it to finish, by the end of its context, and by the time limit.
 * A test that wants to see that the driver awaits the WAIT has the access kept:
 * then the WAIT does not release it, and the limit sees to it that the driver
 * does not wait for ever.
 */
#include "dmirage.h"

#include "trace.h"

/* The access of @c has come to @point.  True: it is to stop here. */
bool dmirage_hold_reached(DmirageState *s, DmirageContext *c, uint32_t point)
{
    if (!(c->hold & point)) {
        return false;
    }
    c->keep = c->hold & DMIRAGE_HOLD_KEEP;
    c->hold = 0;
    c->held = true;
    c->hold_until = g_get_monotonic_time() + c->hold_limit * 1000ll;
    trace_dmirage_hold(c->asid, c->access.va[SIDE_SRC],
                       c->access.va[SIDE_DST]);
    return true;
}

void dmirage_hold_release(DmirageState *s, DmirageContext *c)
{
    if (c->held) {
        c->held = false;
        c->resumed = true;
        trace_dmirage_hold_release(c->asid);
        dmirage_engine_kick(s);
    }
}

void dmirage_hold_write(DmirageState *s, DmirageContext *c, uint32_t value)
{
    c->hold = value & ~DMIRAGE_HOLD_RELEASE;
    if (value & DMIRAGE_HOLD_RELEASE) {
        dmirage_hold_release(s, c);
    }
}

/*
 * Releases what has been held for too long.  Returns how many milliseconds
 * from now the next limit is, or -1 if nothing is held.
 */
int64_t dmirage_hold_expire(DmirageState *s)
{
    int64_t now = g_get_monotonic_time();
    int64_t next = -1;

    for (unsigned i = 0; i < DMIRAGE_CONTEXTS; i++) {
        DmirageContext *c = &s->ctx[i];

        if (!c->held) {
            continue;
        }
        if (c->hold_until <= now) {
            dmirage_hold_release(s, c);
        } else {
            int64_t ms = (c->hold_until - now + 999) / 1000;

            next = next < 0 ? ms : MIN(next, ms);
        }
    }
    return next;
}
