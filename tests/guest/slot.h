/* SPDX-License-Identifier: GPL-2.0 */
/* The slot that the device is in, emptied and filled by QEMU's monitor. */
#ifndef DMIRAGE_TEST_SLOT_H
#define DMIRAGE_TEST_SLOT_H

#include "common.h"

/* Until the driver has, or has not, a device; false if that takes too long. */
bool slot_wait(bool there);

/* The device goes, and its driver lets it. */
void slot_empty(void);

/* Another one comes; @properties: of it, as ",watch=off". */
void slot_fill(const char *properties);

#endif /* DMIRAGE_TEST_SLOT_H */
