/* SPDX-License-Identifier: GPL-2.0 */
/* Tests of qemu-device/tickets.c. */
#include <glib.h>

#include "dmirage_hw.h"
#include "tickets.h"

/* Where a processor was when it was asked the last time. */
static uint64_t last_pc[100];

static uint32_t ask(DmirageTickets *t, unsigned int cpu)
{
	static uint64_t pc = 0xffffffff81000000;
	uint32_t ticket = dmirage_tickets_ask(t, cpu, ++pc);

	if (ticket)
		last_pc[cpu] = pc;
	return ticket;
}

static uint32_t awaited(DmirageTickets *t, unsigned int cpu)
{
	uint64_t pc = 1;
	uint32_t ticket = dmirage_tickets_awaited(t, cpu, &pc);

	g_assert_true(!ticket == !pc);
	return ticket;
}

static void expect_pc(DmirageTickets *t, unsigned int cpu, uint64_t expected)
{
	uint64_t pc;

	g_assert_cmpuint(dmirage_tickets_awaited(t, cpu, &pc), !=, 0);
	g_assert_cmphex(pc, ==, expected);
}

/* Of one that was answered, or is not known. */
static uint32_t chain_of(DmirageTickets *t, uint32_t ticket)
{
	DmirageAnswer a = { .chain = 0xbad, .entry = 0xbad };

	g_assert_true(dmirage_tickets_answered(t, ticket, &a));
	if (a.chain && a.chain != DMIRAGE_CHAIN_NO_ANSWER) {
		g_assert_cmpuint(a.entry, ==, a.chain ^ 0x1234);
		g_assert_cmpuint(a.task, ==, a.chain + 1);
	} else {
		g_assert_cmpuint(a.entry, ==, 0);
		g_assert_cmpuint(a.task, ==, 0);
	}
	return a.chain;
}

static bool answer(DmirageTickets *t, unsigned int cpu, uint32_t ticket,
		   uint16_t chain)
{
	DmirageAnswer a = {
		.chain = chain, .task = chain + 1, .entry = chain ^ 0x1234,
	};
	uint32_t of = dmirage_tickets_answer(t, cpu, (uint16_t)ticket, a);

	g_assert_true(!of || of == ticket);
	return of;
}

static void expect_awaited(DmirageTickets *t, uint32_t ticket)
{
	DmirageAnswer a;

	g_assert_false(dmirage_tickets_answered(t, ticket, &a));
}

/* Each processor hears of its own, oldest first, whatever others do. */
static void test_order(void)
{
	DmirageTickets *t = dmirage_tickets_new();
	uint32_t a, b, c;
	uint64_t at_a;

	g_assert_cmpuint(awaited(t, 0), ==, 0);
	a = ask(t, 1);
	at_a = last_pc[1];
	b = ask(t, 0);
	c = ask(t, 1);
	expect_pc(t, 1, at_a);
	expect_pc(t, 0, last_pc[0]);
	g_assert_true(a && b && c && a != b && b != c && a != c);
	g_assert_cmpuint(awaited(t, 1), ==, a);
	g_assert_cmpuint(awaited(t, 0), ==, b);
	g_assert_cmpuint(awaited(t, 2), ==, 0);
	expect_awaited(t, a);

	/* Not its own, not the oldest, or none: nothing changes. */
	g_assert_false(answer(t, 0, a, 7));
	g_assert_false(answer(t, 1, c, 7));
	g_assert_false(answer(t, 2, a, 7));
	g_assert_false(answer(t, 0, 0, 7));
	expect_awaited(t, a);
	expect_awaited(t, b);
	expect_awaited(t, c);

	g_assert_true(answer(t, 1, a, 7));
	g_assert_false(answer(t, 1, a, 8));
	g_assert_cmpuint(chain_of(t, a), ==, 7);
	g_assert_cmpuint(awaited(t, 1), ==, c);
	expect_pc(t, 1, last_pc[1]);
	g_assert_true(answer(t, 0, b, 8));
	g_assert_true(answer(t, 1, c, 9));
	g_assert_cmpuint(chain_of(t, a), ==, 7);
	g_assert_cmpuint(chain_of(t, b), ==, 8);
	g_assert_cmpuint(chain_of(t, c), ==, 9);
	g_assert_cmpuint(awaited(t, 1), ==, 0);
	g_assert_cmpuint(chain_of(t, 0), ==, DMIRAGE_CHAIN_NOT_ASKED);
	dmirage_tickets_free(t);
}

/* Nobody is asked beyond the limit; an answer makes room. */
static void test_full(void)
{
	DmirageTickets *t = dmirage_tickets_new();
	uint32_t first = 0, i;

	for (i = 0; i < DMIRAGE_TICKETS_AWAITED; i++) {
		uint32_t ticket = ask(t, i);

		g_assert_cmpuint(ticket, !=, 0);
		first = first ?: ticket;
	}
	g_assert_cmpuint(ask(t, 0), ==, 0);
	g_assert_cmpuint(ask(t, 99), ==, 0);
	g_assert_true(answer(t, 0, first, 3));
	g_assert_cmpuint(ask(t, 99), !=, 0);
	g_assert_cmpuint(ask(t, 99), ==, 0);
	g_assert_cmpuint(chain_of(t, first), ==, 3);
	/* Forgotten, and not answered; what was, is kept. */
	dmirage_tickets_reset(t);
	g_assert_cmpuint(awaited(t, 99), ==, 0);
	g_assert_cmpuint(chain_of(t, first + 1), ==, DMIRAGE_CHAIN_NO_ANSWER);
	g_assert_cmpuint(chain_of(t, first), ==, 3);
	g_assert_cmpuint(ask(t, 1), !=, 0);
	dmirage_tickets_free(t);
}

/* Answers are kept for so many others, and no longer; numbers do not repeat. */
static void test_kept(void)
{
	DmirageTickets *t = dmirage_tickets_new();
	uint32_t first = ask(t, 0), ticket, i;

	g_assert_true(answer(t, 0, first, 1));
	for (i = 1; i < DMIRAGE_TICKETS_KEPT; i++) {
		ticket = ask(t, 0);
		g_assert_cmpuint(ticket, ==, first + i);
		g_assert_true(answer(t, 0, ticket, (uint16_t)(i % 1000 + 1)));
	}
	g_assert_cmpuint(chain_of(t, first), ==, 1);
	g_assert_cmpuint(chain_of(t, first + 1), ==, 2);
	ticket = ask(t, 0);
	g_assert_true(answer(t, 0, ticket, 5));
	g_assert_cmpuint(chain_of(t, first), ==, DMIRAGE_CHAIN_NO_ANSWER);
	g_assert_cmpuint(chain_of(t, first + 1), ==, 2);
	g_assert_cmpuint(chain_of(t, ticket), ==, 5);
	/* Asked, and kept of the number before: awaited all the same. */
	expect_awaited(t, ask(t, 0));
	dmirage_tickets_free(t);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tickets/order", test_order);
	g_test_add_func("/tickets/full", test_full);
	g_test_add_func("/tickets/kept", test_kept);
	return g_test_run();
}
