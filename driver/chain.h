/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Call chains of the stores that made a translation stale, as the kernel's own
 * unwinder sees them at the very instruction.
 *
 * The device sends an NMI to the processor whose store it wants to know about
 * (DMIRAGE_REG_NMI).  Here the chain is saved, and the device is told its
 * number, which comes back in the violation's record.  So it is the device that
 * knows what belongs to what, and here are only the chains, each of them once:
 * a number stands for a cause.
 */
#ifndef DMIRAGE_CHAIN_H
#define DMIRAGE_CHAIN_H

#include <linux/atomic.h>
#include <linux/types.h>

struct dmirage_dev;

/* different ones that a device can have; more have no number */
#define DMIRAGE_CHAINS		1024
#define DMIRAGE_CHAIN_DEPTH	32

/**
 * struct dmirage_chain - a call chain
 * @state: what is here; see chain.c
 * @hash:  of @pc
 * @n:     functions in @pc
 * @stores: that came this way
 * @pc:    instructions, innermost first: one that was interrupted, and then
 *         return addresses
 */
struct dmirage_chain {
	atomic_t state;
	u32 hash;
	u32 n;
	atomic_t stores;
	unsigned long pc[DMIRAGE_CHAIN_DEPTH];
};

void dmirage_chain_start(struct dmirage_dev *dd);
void dmirage_chain_stop(struct dmirage_dev *dd);
void dmirage_chain_restart(struct dmirage_dev *dd);
bool dmirage_chain_switch(struct dmirage_dev *dd, bool on);
u32 dmirage_chain_stores(struct dmirage_dev *dd, u32 id);
void dmirage_chain_free(struct dmirage_dev *dd);
void dmirage_chain_print(struct dmirage_dev *dd, u32 id, unsigned long pc,
			 char *buf, size_t size);

#endif /* DMIRAGE_CHAIN_H */
