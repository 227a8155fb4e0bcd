/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The invalidation queue: commands, decoded and carried out in order, within
 * the doorbell write that announces them.  A WAIT or an AUDIT may be answered
 * later; commands after it go on meanwhile.
 */
#include "dmirage.h"

#include "qemu/log.h"
#include "trace.h"

/* A command, in the host's byte order. */
typedef struct Command {
    DmirageContext *c;      /* NULL if there is no such context */
    unsigned opcode;
    unsigned flags;
    uint32_t value;
    uint64_t addr;
    uint64_t len;
    uint64_t status_addr;
} Command;

/* Last byte of @len > 0 bytes from @addr on, cut at the end of all. */
static uint64_t last_of(uint64_t addr, uint64_t len)
{
    return addr + MIN(len - 1, UINT64_MAX - addr);
}

static bool inv_range(DmirageState *s, const Command *cmd)
{
    if (!cmd->c || !cmd->len) {
        return false;
    }
    dmirage_inval_range(s, cmd->c, cmd->addr, last_of(cmd->addr, cmd->len));
    return true;
}

static bool inv_asid(DmirageState *s, const Command *cmd)
{
    if (!cmd->c) {
        return false;
    }
    cmd->c->count[DMIRAGE_CNT_INVALIDATIONS]++;
    dmirage_inval_asid(s, cmd->c);
    return true;
}

static bool inv_global(DmirageState *s, const Command *cmd)
{
    for (unsigned i = 0; i < DMIRAGE_CONTEXTS; i++) {
        s->ctx[i].count[DMIRAGE_CNT_INVALIDATIONS]++;
        dmirage_inval_asid(s, &s->ctx[i]);
    }
    return true;
}

/* All ranges are read and looked at before the first is dropped. */
static bool inv_batch(DmirageState *s, const Command *cmd)
{
    struct dmirage_range range[DMIRAGE_BATCH_MAX];

    if (!cmd->c || !cmd->len || cmd->len > DMIRAGE_BATCH_MAX ||
        cmd->addr & 7 ||
        !dmirage_dma_read(s, cmd->addr, range,
                          cmd->len * sizeof(range[0]))) {
        return false;
    }
    for (unsigned i = 0; i < cmd->len; i++) {
        if (!range[i].len) {
            return false;
        }
    }
    for (unsigned i = 0; i < cmd->len; i++) {
        uint64_t addr = le64_to_cpu(range[i].addr);

        dmirage_inval_range(s, cmd->c, addr,
                            last_of(addr, le64_to_cpu(range[i].len)));
    }
    return true;
}

static bool wait_cmd(DmirageState *s, const Command *cmd)
{
    if (cmd->status_addr & 3) {
        return false;
    }
    dmirage_inval_wait(s, cmd->status_addr, cmd->value,
                       cmd->flags & DMIRAGE_CMD_F_IRQ);
    return true;
}

static bool audit(DmirageState *s, const Command *cmd)
{
    DmirageAudit a = {
        .c = cmd->c,
        .first = cmd->addr,
        .settled = cmd->flags & DMIRAGE_CMD_F_SETTLED,
        .answer = true,
        .irq = cmd->flags & DMIRAGE_CMD_F_IRQ,
        .value = cmd->value,
        .status_addr = cmd->status_addr,
    };

    if (!cmd->c || !cmd->len || cmd->status_addr & 15 || !s->oracle) {
        return false;
    }
    a.life = cmd->c->life;
    a.last = last_of(cmd->addr, cmd->len);
    dmirage_audit_request(s, &a);
    return true;
}

static bool dump(DmirageState *s, const Command *cmd)
{
    uint32_t entries;

    if (cmd->addr & 7 || cmd->status_addr & 3 ||
        !dmirage_dump(s, cmd->addr, cmd->len, &entries)) {
        return false;
    }
    entries = cpu_to_le32(entries);
    dmirage_status_write(s, cmd->status_addr, &entries, sizeof(entries),
                         cmd->flags & DMIRAGE_CMD_F_IRQ);
    return true;
}

/* What each command is, and the flags it knows. */
static const struct {
    bool (*process)(DmirageState *s, const Command *cmd);
    unsigned flags;
} commands[] = {
    [DMIRAGE_CMD_INV_RANGE] = { inv_range, 0 },
    [DMIRAGE_CMD_INV_ASID] = { inv_asid, 0 },
    [DMIRAGE_CMD_WAIT] = { wait_cmd, DMIRAGE_CMD_F_IRQ },
    [DMIRAGE_CMD_INV_GLOBAL] = { inv_global, 0 },
    [DMIRAGE_CMD_INV_BATCH] = { inv_batch, 0 },
    [DMIRAGE_CMD_AUDIT] = { audit,
                            DMIRAGE_CMD_F_IRQ | DMIRAGE_CMD_F_SETTLED },
    [DMIRAGE_CMD_DUMP] = { dump, DMIRAGE_CMD_F_IRQ },
};

static bool process(DmirageState *s, const struct dmirage_cmd *raw)
{
    uint16_t asid = le16_to_cpu(raw->asid);
    Command cmd = {
        .c = asid < DMIRAGE_CONTEXTS ? &s->ctx[asid] : NULL,
        .opcode = raw->opcode,
        .flags = raw->flags,
        .value = le32_to_cpu(raw->value),
        .addr = le64_to_cpu(raw->addr),
        .len = le64_to_cpu(raw->len),
        .status_addr = le64_to_cpu(raw->status_addr),
    };

    trace_dmirage_command(cmd.opcode, cmd.flags, asid, cmd.addr, cmd.len);
    return cmd.opcode < ARRAY_SIZE(commands) && commands[cmd.opcode].process &&
           !(cmd.flags & ~commands[cmd.opcode].flags) &&
           commands[cmd.opcode].process(s, &cmd);
}

/* Takes commands for as long as there are any and an answer can be kept. */
void dmirage_invq_process(DmirageState *s)
{
    struct dmirage_cmd cmd;

    while (s->iq.enabled && s->iq.head != s->iq.tail &&
           s->waits < DMIRAGE_WAITS_MAX && s->audits < DMIRAGE_AUDITS_MAX) {
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
