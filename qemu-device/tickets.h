/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tickets: the stores of which the device wants to know the call chain.
 *
 * A ticket is *awaited* from when a vCPU is asked until it answers.  What it
 * answered is *kept* for as long as DMIRAGE_TICKETS_KEPT others come after it.
 * A vCPU is asked by an NMI, of which only one can be pending, and may answer
 * for several tickets then, oldest first; an NMI that finds none awaited of its
 * vCPU is somebody else's.  So a ticket stays awaited however late the vCPU is.
 *
 * Plain C without locks: the caller serialises (device: DmirageState.lock).
 */
#ifndef DMIRAGE_TICKETS_H
#define DMIRAGE_TICKETS_H

#include <stdbool.h>
#include <stdint.h>

#define DMIRAGE_TICKETS_AWAITED 64
#define DMIRAGE_TICKETS_KEPT    65536   /* power of two */

typedef struct DmirageTickets DmirageTickets;

/* NULL: no memory. */
DmirageTickets *dmirage_tickets_new(void);
void dmirage_tickets_free(DmirageTickets *t);

/* Forgets what is awaited: no vCPU has an NMI pending. */
void dmirage_tickets_reset(DmirageTickets *t);

/* A new one for @cpu, which is at @pc.  0: too many are awaited. */
uint32_t dmirage_tickets_ask(DmirageTickets *t, unsigned cpu, uint64_t pc);

/* The oldest one that is awaited of @cpu, in *@pc where it was; 0: none. */
uint32_t dmirage_tickets_awaited(const DmirageTickets *t, unsigned cpu,
                                 uint64_t *pc);

/**
 * DmirageAnswer: to a ticket
 * @chain: number of the call chain, or DMIRAGE_CHAIN_*
 * @task: number of what ran there
 * @entry: number of its entry to the kernel
 */
typedef struct DmirageAnswer {
    uint16_t chain;
    uint16_t task;
    uint16_t entry;
} DmirageAnswer;

/*
 * The answer to the ticket that dmirage_tickets_awaited() says, which is
 * returned.  0: @low is not its low half.
 */
uint32_t dmirage_tickets_answer(DmirageTickets *t, unsigned cpu, uint16_t low,
                                DmirageAnswer answer);

/*
 * What was answered for @ticket: chain DMIRAGE_CHAIN_NOT_ASKED for ticket 0,
 * and DMIRAGE_CHAIN_NO_ANSWER for one that is not kept any more.  False: it is
 * awaited.
 */
bool dmirage_tickets_answered(const DmirageTickets *t, uint32_t ticket,
                              DmirageAnswer *answer);

#endif
