/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Swap, in compressed memory, for tests that want some: the guest has none by itself, but for
 * that of the matrix.
 */
#ifndef DMIRAGE_TEST_SWAP_H
#define DMIRAGE_TEST_SWAP_H

/* There is some from now on, if there was none; skips the test if the kernel has no zram. */
void swap_begin(void);

/* No more, if swap_begin() made it; what is swapped out comes back first. */
void swap_end(void);

#endif /* DMIRAGE_TEST_SWAP_H */
