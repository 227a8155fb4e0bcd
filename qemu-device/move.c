/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an operation does to memory: a chunk of it, in place, through the
 * host's addresses of the pages that its translations lead to.
 *
 * The CPUs may use the same memory at the same time.  So nothing is read twice,
 * nothing is written but what the operation says, and values that are aligned
 * are read and written in one piece.
 */
#include "dmirage.h"

#include "qemu/crc32c.h"

/* A side of a chunk as the host sees it. */
typedef struct Mapping {
    bool write;
    unsigned n;
    struct {
        uint8_t *host;
        uint64_t len;
        uint64_t va;
    } part[DMIRAGE_PIECES_MAX];
} Mapping;

static void unmap(DmirageState *s, Mapping *m)
{
    for (unsigned i = 0; i < m->n; i++) {
        dmirage_dma_unmap(s, m->part[i].host, m->part[i].len, m->write,
                          m->part[i].len);
    }
}

/*
 * Pages that happen to lie one after the other are mapped as one.  RAM, and
 * what an IOMMU maps, ends at page borders, and a side has no more of them
 * than there are places.
 */
static bool map(DmirageState *s, const DmirageChunk *chunk, unsigned side,
                Mapping *m, uint64_t *bad_va)
{
    unsigned i = 0;

    m->n = 0;
    m->write = side == SIDE_DST;
    while (i < chunk->pieces[side]) {
        const DmiragePiece *p = &chunk->piece[side][i];
        uint64_t dma = dmirage_piece_dma(p);
        uint64_t len = p->len;
        uint64_t va = p->va;

        for (i++; i < chunk->pieces[side]; i++) {
            p = &chunk->piece[side][i];
            if (dmirage_piece_dma(p) != dma + len) {
                break;
            }
            len += p->len;
        }
        while (len) {
            uint64_t part = len;
            uint8_t *host = m->n < DMIRAGE_PIECES_MAX
                                ? dmirage_dma_map(s, dma, &part, m->write)
                                : NULL;

            if (!host) {
                *bad_va = va;
                unmap(s, m);
                return false;
            }
            m->part[m->n].host = host;
            m->part[m->n].len = part;
            m->part[m->n++].va = va;
            dma += part;
            va += part;
            len -= part;
        }
    }
    return true;
}

static void copy(const Mapping *dst, const Mapping *src)
{
    uint64_t d_at = 0, s_at = 0;

    for (unsigned d = 0, i = 0; d < dst->n && i < src->n;) {
        uint64_t n = MIN(dst->part[d].len - d_at, src->part[i].len - s_at);

        memmove(dst->part[d].host + d_at, src->part[i].host + s_at, n);
        d_at += n;
        s_at += n;
        if (d_at == dst->part[d].len) {
            d++;
            d_at = 0;
        }
        if (s_at == src->part[i].len) {
            i++;
            s_at = 0;
        }
    }
}

#define PATTERN 4096

/* From a copy, so that what the CPU writes meanwhile is not taken for it. */
static void fill(DmirageOp *op, const Mapping *dst)
{
    uint8_t pattern[PATTERN + 8];
    uint64_t skip = 0;

    dmirage_op_pattern(op, 0, pattern, sizeof(pattern));
    for (unsigned i = 0; i < dst->n; i++) {
        for (uint64_t at = 0; at < dst->part[i].len;) {
            uint64_t n = MIN(dst->part[i].len - at, PATTERN);

            memcpy(dst->part[i].host + at, pattern + skip % 8, n);
            at += n;
            skip += n;
        }
    }
}

static void write_value(void *host, uint64_t len, uint64_t value)
{
    switch (len) {
    case 1:
        qatomic_set((uint8_t *)host, value);
        break;
    case 2:
        qatomic_set((uint16_t *)host, cpu_to_le16(value));
        break;
    case 4:
        qatomic_set((uint32_t *)host, cpu_to_le32(value));
        break;
    case 8:
        qatomic_set((uint64_t *)host, cpu_to_le64(value));
        break;
    }
}

static uint64_t read_value(const void *host, uint64_t len)
{
    switch (len) {
    case 1:
        return qatomic_read((const uint8_t *)host);
    case 2:
        return le16_to_cpu(qatomic_read((const uint16_t *)host));
    case 4:
        return le32_to_cpu(qatomic_read((const uint32_t *)host));
    default:
        return le64_to_cpu(qatomic_read((const uint64_t *)host));
    }
}

/* Returns what was there. */
static uint64_t replace(void *host, uint64_t len, uint64_t old, uint64_t new)
{
    if (len == 4) {
        return le32_to_cpu(qatomic_cmpxchg((uint32_t *)host,
                                           cpu_to_le32(old),
                                           cpu_to_le32(new)));
    }
    return le64_to_cpu(qatomic_cmpxchg((uint64_t *)host, cpu_to_le64(old),
                                       cpu_to_le64(new)));
}

static void atomic(DmirageOp *op, void *host)
{
    uint64_t mask = op->len == 4 ? UINT32_MAX : UINT64_MAX;
    uint64_t old = read_value(host, op->len);

    if (op->opcode == DMIRAGE_OP_CAS) {
        op->value = replace(host, op->len, op->compare & mask, op->imm & mask);
        return;
    }
    for (;;) {
        uint64_t was = replace(host, op->len, old, (old + op->imm) & mask);

        if (was == old) {
            break;
        }
        old = was;
    }
    op->value = old;
}

static void immediate(DmirageOp *op, const Mapping *m)
{
    uint8_t *host = m->part[0].host;
    uint64_t len = m->part[0].len;
    uint64_t value = 0;

    if (m->write) {
        dmirage_op_pattern(op, 0, (uint8_t *)&value, len);
        write_value(host, len, le64_to_cpu(value));
    } else {
        value = cpu_to_le64(read_value(host, len));
        dmirage_op_take(op, 0, (const uint8_t *)&value, len);
    }
}

static void checksum(DmirageOp *op, const Mapping *src)
{
    for (unsigned i = 0; i < src->n; i++) {
        /* QEMU's takes the register's content, and gives its complement. */
        op->value = crc32c((uint32_t)~op->value, src->part[i].host,
                           src->part[i].len);
    }
}

/* A byte of each page. */
static void touch(const Mapping *m)
{
    for (unsigned i = 0; i < m->n; i++) {
        uint64_t step;

        for (uint64_t at = 0; at < m->part[i].len; at += step) {
            uint8_t *byte = m->part[i].host + at;

            step = DMIRAGE_PAGE - (m->part[i].va + at) % DMIRAGE_PAGE;
            if (m->write) {
                qatomic_fetch_or(byte, 0);
            } else {
                (void)qatomic_read(byte);
            }
        }
    }
}

/* False: there is no memory for *@bad_va, and nothing was done. */
bool dmirage_move(DmirageState *s, DmirageOp *op, const DmirageChunk *chunk,
                  uint64_t *bad_va)
{
    Mapping src, dst;

    if (!map(s, chunk, SIDE_SRC, &src, bad_va)) {
        return false;
    }
    if (!map(s, chunk, SIDE_DST, &dst, bad_va)) {
        unmap(s, &src);
        return false;
    }
    switch (op->opcode) {
    case DMIRAGE_OP_COPY:
        copy(&dst, &src);
        break;
    case DMIRAGE_OP_FILL:
        fill(op, &dst);
        break;
    case DMIRAGE_OP_READ_IMM:
        immediate(op, &src);
        break;
    case DMIRAGE_OP_WRITE_IMM:
        immediate(op, &dst);
        break;
    case DMIRAGE_OP_CAS:
    case DMIRAGE_OP_FETCH_ADD:
        atomic(op, dst.part[0].host);
        break;
    case DMIRAGE_OP_CRC32C:
        checksum(op, &src);
        break;
    case DMIRAGE_OP_TOUCH_READ:
        touch(&src);
        break;
    case DMIRAGE_OP_TOUCH_WRITE:
        touch(&dst);
        break;
    }
    unmap(s, &dst);
    unmap(s, &src);
    return true;
}

/* False: *@bad_addr is not RAM, or not all of the range. */
bool dmirage_move_calibrate(DmirageState *s, const DmirageOp *op,
                            uint64_t *bad_addr)
{
    uint64_t src_len = op->len, dst_len = op->len;
    uint8_t *src, *dst = NULL;
    bool ok;

    *bad_addr = op->src;
    src = dmirage_dma_map(s, op->src, &src_len, false);
    if (src) {
        *bad_addr = src_len < op->len ? op->src + src_len : op->dst;
        dst = dmirage_dma_map(s, op->dst, &dst_len, true);
    }
    ok = dst && src_len == op->len && dst_len == op->len;
    for (uint64_t i = 0; ok && i * op->imm < op->len; i++) {
        uint64_t at = i * op->imm;

        if (op->compare) {
            at = (at * op->compare) & (op->len - 1);
        }
        memmove(dst + at, src + at, MIN(op->imm, op->len - at));
    }
    if (src) {
        dmirage_dma_unmap(s, src, src_len, false, 0);
    }
    if (dst) {
        dmirage_dma_unmap(s, dst, dst_len, true, ok ? dst_len : 0);
    }
    return ok;
}
