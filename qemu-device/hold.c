/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hold points: a test stops an operation between two steps, does something
 * else, and lets it go on.  So a race becomes a schedule.
 *
 * A chunk that is held at TRANSLATED keeps its translations latched, as any
 * chunk under way; at the other points nothing is latched.  The engine goes on
 * with other contexts.  It is released by the test, by a WAIT that needs it to
 * finish, by the end of its context, and by the time limit.  A test that wants
 * to see that the driver awaits the WAIT has the chunk kept: then the WAIT does
 * not release it, and the limit sees to it that the driver does not wait for
 * ever.
 *
 * FLUSH is the exception: there it is the answer to a WAIT that is held.
 */
#include "dmirage.h"

#include "trace.h"

/* One point is used up; KEEP goes with the last one. */
static void disarm(DmirageContext *c, uint32_t point)
{
    c->hold &= ~point;
    if (!(c->hold & DMIRAGE_HOLD_POINTS)) {
        c->hold = 0;
    }
}

bool dmirage_hold_armed(const DmirageContext *c, uint32_t point)
{
    return c->hold & point;
}

static int64_t limit(const DmirageContext *c)
{
    return g_get_monotonic_time() + c->hold_limit * 1000ll;
}

/* The operation of @c has come to @point.  True: it is to stop here. */
bool dmirage_hold_reached(DmirageState *s, DmirageContext *c, uint32_t point)
{
    if (!(c->hold & point)) {
        return false;
    }
    c->keep = c->hold & DMIRAGE_HOLD_KEEP;
    disarm(c, point);
    c->held = true;
    c->held_at = point;
    c->held_until = limit(c);
    trace_dmirage_hold(c->asid, point, c->op.src + c->op.done,
                       c->op.dst + c->op.done);
    qemu_cond_broadcast(&s->work);      /* somebody has to mind the limit */
    return true;
}

/* A WAIT, or SYNC_LEN, after a command for @c.  True: it is to be held. */
bool dmirage_hold_flush(DmirageState *s, DmirageContext *c)
{
    /* Of a context that is off nobody minds the limit. */
    if (!(c->hold & DMIRAGE_HOLD_FLUSH) || !c->flushed || !c->enabled) {
        return false;
    }
    disarm(c, DMIRAGE_HOLD_FLUSH);
    c->flush_held = true;
    c->flush_until = limit(c);
    trace_dmirage_hold(c->asid, DMIRAGE_HOLD_FLUSH, 0, 0);
    qemu_cond_broadcast(&s->work);
    return true;
}

static void release_flush(DmirageState *s, DmirageContext *c)
{
    if (c->flush_held) {
        c->flush_held = false;
        for (unsigned i = 0; i < s->waits; i++) {
            if (s->wait[i].held_by == c) {
                s->wait[i].held_by = NULL;
            }
        }
        trace_dmirage_hold_release(c->asid, DMIRAGE_HOLD_FLUSH);
        dmirage_inval_answer(s);
        qemu_cond_broadcast(&s->drained);
    }
}

/* Lets the operation go on, but not a WAIT. */
void dmirage_hold_release(DmirageState *s, DmirageContext *c)
{
    if (c->held) {
        c->held = false;
        c->resumed = c->held_at == DMIRAGE_HOLD_TRANSLATED;
        trace_dmirage_hold_release(c->asid, c->held_at);
        dmirage_engine_kick(s);
    }
}

void dmirage_hold_write(DmirageState *s, DmirageContext *c, uint32_t value)
{
    c->hold = value & ~DMIRAGE_HOLD_RELEASE;
    c->flushed = false;
    if (value & DMIRAGE_HOLD_RELEASE) {
        dmirage_hold_release(s, c);
        release_flush(s, c);
    }
}

/* The context ends. */
void dmirage_hold_end(DmirageState *s, DmirageContext *c)
{
    c->hold = 0;
    c->held = false;
    c->resumed = false;
    c->flushed = false;
    release_flush(s, c);
}

/* True if @until has passed; else how many ms there are left, at most *@ms. */
static bool expired(int64_t now, int64_t until, int64_t *ms)
{
    int64_t left = (until - now + 999) / 1000;

    if (until <= now) {
        return true;
    }
    *ms = *ms < 0 ? left : MIN(*ms, left);
    return false;
}

/*
 * Releases what has been held for too long, and says in *@released whether
 * something was.  Returns how many milliseconds from now the next limit is, or
 * -1 if nothing is held.
 */
int64_t dmirage_hold_expire(DmirageState *s, bool *released)
{
    int64_t now = 0, ms = -1;

    *released = false;
    for (uint64_t left = s->enabled; left; left &= left - 1) {
        DmirageContext *c = &s->ctx[ctz64(left)];

        if (!c->held && !c->flush_held) {
            continue;
        }
        now = now ? now : g_get_monotonic_time();
        if (c->held && expired(now, c->held_until, &ms)) {
            dmirage_hold_release(s, c);
            *released = true;
        }
        if (c->flush_held && expired(now, c->flush_until, &ms)) {
            release_flush(s, c);
        }
    }
    return ms;
}
