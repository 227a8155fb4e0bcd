/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tickets.  See tickets.h. */
#include <stdlib.h>
#include <string.h>

#include "dmirage_hw.h"
#include "tickets.h"

typedef struct Awaited {
    uint32_t ticket;
    unsigned cpu;
    uint64_t pc;
} Awaited;

typedef struct Kept {
    uint32_t ticket;
    DmirageAnswer answer;
} Kept;

/**
 * DmirageTickets:
 * @last: the last number given out
 * @count: how many are in @awaited, oldest first
 * @kept: by number
 */
struct DmirageTickets {
    uint32_t last;
    unsigned count;
    Awaited awaited[DMIRAGE_TICKETS_AWAITED];
    Kept kept[DMIRAGE_TICKETS_KEPT];
};

DmirageTickets *dmirage_tickets_new(void)
{
    return calloc(1, sizeof(DmirageTickets));
}

void dmirage_tickets_free(DmirageTickets *t)
{
    free(t);
}

void dmirage_tickets_reset(DmirageTickets *t)
{
    t->count = 0;
}

uint32_t dmirage_tickets_ask(DmirageTickets *t, unsigned cpu, uint64_t pc)
{
    if (t->count == DMIRAGE_TICKETS_AWAITED) {
        return 0;
    }
    if (!++t->last) {
        t->last = 1;
    }
    t->awaited[t->count++] = (Awaited) { t->last, cpu, pc };
    return t->last;
}

/* Where the oldest one of @cpu is; @count: there is none. */
static unsigned find(const DmirageTickets *t, unsigned cpu)
{
    unsigned i = 0;

    while (i < t->count && t->awaited[i].cpu != cpu) {
        i++;
    }
    return i;
}

uint32_t dmirage_tickets_awaited(const DmirageTickets *t, unsigned cpu,
                                 uint64_t *pc)
{
    unsigned i = find(t, cpu);

    *pc = 0;
    if (i == t->count) {
        return 0;
    }
    *pc = t->awaited[i].pc;
    return t->awaited[i].ticket;
}

uint32_t dmirage_tickets_answer(DmirageTickets *t, unsigned cpu, uint16_t low,
                                DmirageAnswer answer)
{
    uint64_t pc;
    uint32_t ticket = dmirage_tickets_awaited(t, cpu, &pc);
    unsigned i = find(t, cpu);

    if (!ticket || (uint16_t)ticket != low) {
        return 0;
    }
    t->count--;
    memmove(&t->awaited[i], &t->awaited[i + 1],
            (t->count - i) * sizeof(t->awaited[0]));
    t->kept[ticket % DMIRAGE_TICKETS_KEPT] = (Kept) { ticket, answer };
    return ticket;
}

bool dmirage_tickets_answered(const DmirageTickets *t, uint32_t ticket,
                              DmirageAnswer *answer)
{
    const Kept *k = &t->kept[ticket % DMIRAGE_TICKETS_KEPT];

    *answer = (DmirageAnswer) { .chain = DMIRAGE_CHAIN_NOT_ASKED };
    if (!ticket) {
        return true;
    }
    for (unsigned i = 0; i < t->count; i++) {
        if (t->awaited[i].ticket == ticket) {
            return false;
        }
    }
    answer->chain = DMIRAGE_CHAIN_NO_ANSWER;
    if (k->ticket == ticket) {
        *answer = k->answer;
    }
    return true;
}
