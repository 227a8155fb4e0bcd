/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Invalidation: the driver takes translations back.
 *
 * Commands are processed in order, within the doorbell write that announces
 * them.  A WAIT that cannot be answered yet is kept, and answered by the
 * access that it waits for when that ends (inflight.h); commands after it go
 * on meanwhile.
 */
#include "dmirage.h"

#include "qemu/log.h"
#include "trace.h"

static void answer(DmirageState *s, const DmirageWait *w)
{
    uint32_t value = cpu_to_le32(w->value);

    trace_dmirage_wait_done(w->seq, w->status_addr);
    if (!dmirage_dma_write(s, w->status_addr, &value, sizeof(value))) {
        qemu_log_mask(LOG_GUEST_ERROR,
                      "dmirage: cannot write wait status to 0x%" PRIx64 "\n",
                      w->status_addr);
        s->error |= DMIRAGE_ERR_QUEUE;
    }
}

/* Answers the waits that are done now. */
static void answer_waits(DmirageState *s)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < s->waits; i++) {
        if (dmirage_inflight_done(s->inflight, s->wait[i].seq)) {
            answer(s, &s->wait[i]);
        } else {
            s->wait[kept++] = s->wait[i];
        }
    }
    s->waits = kept;
}

/* An access of @c has ended on @side. */
void dmirage_inv_release(DmirageState *s, DmirageContext *c, unsigned side)
{
    if (dmirage_inflight_release(s->inflight, c->asid * SIDES + side)) {
        answer_waits(s);
        /* There may be room for a WAIT that had none. */
        dmirage_inv_process(s);
    }
}

/* Drops @first..@last of @c, both from the IOTLB and as far as latched. */
static void drop(DmirageState *s, DmirageContext *c, uint64_t first,
                 uint64_t last)
{
    unsigned dropped, hits;

    s->cmd_seq++;
    dropped = dmirage_iotlb_drop_range(s->iotlb, c->asid, first, last);
    hits = dmirage_inflight_hit(s->inflight, s->cmd_seq, c->asid, first,
                                last);
    c->count[DMIRAGE_CNT_IOTLB_DROPPED] += dropped;
    c->count[DMIRAGE_CNT_DRAINED] += hits;
    trace_dmirage_invalidate(c->asid, first, last, dropped, hits);
}

void dmirage_inv_drop_asid(DmirageState *s, DmirageContext *c)
{
    drop(s, c, 0, UINT64_MAX);
}

/* Lets those accesses go on that the new WAIT needs to finish. */
static void release_held(DmirageState *s)
{
    for (unsigned i = 0; i < DMIRAGE_CONTEXTS; i++) {
        DmirageContext *c = &s->ctx[i];

        for (unsigned side = 0; c->held && !c->keep && side < SIDES; side++) {
            if (dmirage_inflight_is_hit(s->inflight, i * SIDES + side)) {
                dmirage_hold_release(s, c);
            }
        }
    }
}

static bool inv_range(DmirageState *s, DmirageContext *c, uint64_t addr,
                      uint64_t len)
{
    DmirageInv inv = { .time_ns = dmirage_now(), .first = addr };

    if (!len) {
        return false;
    }
    inv.last = len - 1 > UINT64_MAX - addr ? UINT64_MAX : addr + len - 1;
    dmirage_invlog_add(&c->invlog, &inv);
    drop(s, c, inv.first, inv.last);
    return true;
}

static bool inv_wait(DmirageState *s, uint64_t status_addr, uint32_t value)
{
    DmirageWait w = {
        .seq = s->cmd_seq,
        .status_addr = status_addr,
        .value = value,
    };

    if (status_addr & 3) {
        return false;
    }
    if (dmirage_inflight_done(s->inflight, w.seq)) {
        answer(s, &w);
        return true;
    }
    trace_dmirage_wait(w.seq, status_addr);
    s->wait[s->waits++] = w;
    release_held(s);
    return true;
}

static bool process(DmirageState *s, const struct dmirage_cmd *cmd)
{
    uint16_t asid = le16_to_cpu(cmd->asid);
    DmirageContext *c = asid < DMIRAGE_CONTEXTS ? &s->ctx[asid] : NULL;

    if (cmd->flags) {
        return false;
    }
    if (c && cmd->opcode != DMIRAGE_CMD_WAIT) {
        c->count[DMIRAGE_CNT_INVALIDATIONS]++;
    }
    switch (cmd->opcode) {
    case DMIRAGE_CMD_INV_RANGE:
        return c && inv_range(s, c, le64_to_cpu(cmd->addr),
                              le64_to_cpu(cmd->len));
    case DMIRAGE_CMD_INV_ASID:
        if (c) {
            dmirage_inv_drop_asid(s, c);
        }
        return c;
    case DMIRAGE_CMD_WAIT:
        return inv_wait(s, le64_to_cpu(cmd->status_addr),
                        le32_to_cpu(cmd->value));
    default:
        return false;
    }
}

/* Takes commands for as long as there are any and a WAIT would find room. */
void dmirage_inv_process(DmirageState *s)
{
    struct dmirage_cmd cmd;

    while (s->iq.enabled && s->iq.head != s->iq.tail &&
           s->waits < DMIRAGE_WAITS_MAX) {
        if (!dmirage_queue_pop(s, &s->iq, &cmd, sizeof(cmd))) {
            dmirage_queue_failed(s, &s->iq);
            return;
        }
        if (!process(s, &cmd)) {
            qemu_log_mask(LOG_GUEST_ERROR,
                          "dmirage: malformed command: opcode %u flags 0x%x "
                          "asid %u addr 0x%" PRIx64 " len 0x%" PRIx64 "\n",
                          cmd.opcode, cmd.flags, le16_to_cpu(cmd.asid),
                          le64_to_cpu(cmd.addr), le64_to_cpu(cmd.len));
            s->error |= DMIRAGE_ERR_COMMAND;
        }
    }
}
