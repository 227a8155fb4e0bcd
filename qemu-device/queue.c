/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A queue or ring in memory that the device and its software share.  Software
 * may have configured anything, so DMA to it can fail; what then happens is
 * for the caller to say.
 */
#include "dmirage.h"

#include "qemu/log.h"

/* A new configuration starts the queue afresh.  False: not a valid one. */
bool dmirage_queue_config(DmirageQueue *q, uint32_t value)
{
    uint32_t order = value & ~DMIRAGE_Q_ENABLE;

    if (order > DMIRAGE_QUEUE_ORDER_MAX) {
        return false;
    }
    q->order = order;
    q->enabled = value & DMIRAGE_Q_ENABLE;
    q->head = 0;
    q->tail = 0;
    q->missed = 0;
    return true;
}

/* The indices could be those of a queue of this size. */
bool dmirage_queue_sane(const DmirageQueue *q, uint32_t order)
{
    return q->tail - q->head <= 1u << order;
}

/* Goes on where its indices are, which are sane. */
void dmirage_queue_resume(DmirageQueue *q, uint32_t order)
{
    q->order = order;
    q->enabled = true;
}

bool dmirage_queue_has_room(const DmirageQueue *q)
{
    return q->enabled && q->tail - q->head < 1u << q->order;
}

static uint64_t slot(const DmirageQueue *q, uint32_t index, size_t size)
{
    return q->base + (index & ((1u << q->order) - 1)) * (uint64_t)size;
}

/*
 * Appends @entry; there is room.  Its last four bytes are the sequence number
 * and go last, so that the reader sees all of the entry or none.
 */
bool dmirage_queue_push(DmirageState *s, DmirageQueue *q, void *entry,
                        size_t size)
{
    uint64_t addr = slot(q, q->tail, size);
    uint32_t seq = cpu_to_le32(q->tail + 1);

    if (!dmirage_dma_write(s, addr, entry, size - sizeof(seq))) {
        return false;
    }
    smp_wmb();      /* pairs with a read barrier after the reader's test */
    if (!dmirage_dma_write(s, addr + size - sizeof(seq), &seq, sizeof(seq))) {
        return false;
    }
    q->tail++;
    return true;
}

/* Takes the next entry; there is one. */
bool dmirage_queue_pop(DmirageState *s, DmirageQueue *q, void *entry,
                       size_t size)
{
    if (!dmirage_dma_read(s, slot(q, q->head, size), entry, size)) {
        return false;
    }
    q->head++;
    return true;
}

/* DMA to one of the device's own queues failed. */
void dmirage_queue_failed(DmirageState *s, DmirageQueue *q)
{
    qemu_log_mask(LOG_GUEST_ERROR,
                  "dmirage: no memory behind the queue at 0x%" PRIx64 "\n",
                  q->base);
    s->error |= DMIRAGE_ERR_QUEUE;
    q->enabled = false;
}
