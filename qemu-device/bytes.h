/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Little-endian values in structures that software wrote, on a host of any
 * byte order, in the parts that do without QEMU's headers.
 */
#ifndef DMIRAGE_BYTES_H
#define DMIRAGE_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t dmirage_le64(uint64_t v)
{
    return le64toh(v);
}

static inline void dmirage_put_le64(uint8_t *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof(v));
}

#endif
