/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints.  Their fields have the names and the numbers (asid, va) that the
 * device's own trace events use, so that the two logs can be joined.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dmirage

#if !defined(DMIRAGE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define DMIRAGE_TRACE_H

#include <linux/mmu_notifier.h>
#include <linux/tracepoint.h>
#include <linux/types.h>

#include <dmirage_hw.h>
#include <dmirage.h>

#include "compat.h"
#include "pgtable.h"

/* A fault has been resolved, or not. */
TRACE_EVENT(dmirage_fault,
	TP_PROTO(u32 asid, u64 va, u64 len, bool write, int ret),
	TP_ARGS(asid, va, len, write, ret),
	TP_STRUCT__entry(
		__field(u32, asid)
		__field(u64, va)
		__field(u64, len)
		__field(bool, write)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->asid = asid;
		__entry->va = va;
		__entry->len = len;
		__entry->write = write;
		__entry->ret = ret;
	),
	TP_printk("asid %u va 0x%llx len 0x%llx %s ret %d", __entry->asid,
		  __entry->va, __entry->len, __entry->write ? "write" : "read",
		  __entry->ret)
);

/* An entry has been written to the mirror table. */
TRACE_EVENT(dmirage_map,
	TP_PROTO(u32 asid, u64 va, u32 order, u64 dma, bool write),
	TP_ARGS(asid, va, order, dma, write),
	TP_STRUCT__entry(
		__field(u32, asid)
		__field(u64, va)
		__field(u32, order)
		__field(u64, dma)
		__field(bool, write)
	),
	TP_fast_assign(
		__entry->asid = asid;
		__entry->va = va;
		__entry->order = order;
		__entry->dma = dma;
		__entry->write = write;
	),
	TP_printk("asid %u va 0x%llx order %u dma 0x%llx %s",
		  __entry->asid, __entry->va, __entry->order, __entry->dma,
		  __entry->write ? "rw" : "ro")
);

/* An MMU notifier has taken entries out; the flush is still to come. */
TRACE_EVENT(dmirage_invalidate,
	TP_PROTO(u32 asid, u64 start, u64 end, int event, bool may_sleep,
		 const struct dmirage_gather *gather),
	TP_ARGS(asid, start, end, event, may_sleep, gather),
	TP_STRUCT__entry(
		__field(u32, asid)
		__field(u64, start)
		__field(u64, end)
		__field(int, event)
		__field(bool, may_sleep)
		__field(u64, small)
		__field(u64, huge)
		__field(u64, giant)
	),
	TP_fast_assign(
		__entry->asid = asid;
		__entry->start = start;
		__entry->end = end;
		__entry->event = event;
		__entry->may_sleep = may_sleep;
		__entry->small = gather->small;
		__entry->huge = gather->huge;
		__entry->giant = gather->giant;
	),
	TP_printk("asid %u start 0x%llx end 0x%llx event %s may_sleep %u entries_4k %llu entries_2m %llu entries_1g %llu",
		  __entry->asid, __entry->start, __entry->end,
		  __print_symbolic(__entry->event,
				   { MMU_NOTIFY_UNMAP, "unmap" },
				   { MMU_NOTIFY_CLEAR, "clear" },
				   { MMU_NOTIFY_PROTECTION_VMA, "protection_vma" },
				   { MMU_NOTIFY_PROTECTION_PAGE, "protection_page" },
				   { MMU_NOTIFY_SOFT_DIRTY, "soft_dirty" },
				   { MMU_NOTIFY_RELEASE, "release" },
				   { MMU_NOTIFY_MIGRATE, "migrate" },
				   { MMU_NOTIFY_EXCLUSIVE, "exclusive" }),
		  __entry->may_sleep, __entry->small, __entry->huge,
		  __entry->giant)
);

/* A flush is over. */
TRACE_EVENT(dmirage_flush,
	TP_PROTO(u32 asid, u64 va, u64 len, u64 ns),
	TP_ARGS(asid, va, len, ns),
	TP_STRUCT__entry(
		__field(u32, asid)
		__field(u64, va)
		__field(u64, len)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->asid = asid;
		__entry->va = va;
		__entry->len = len;
		__entry->ns = ns;
	),
	TP_printk("asid %u va 0x%llx len 0x%llx ns %llu",
		  __entry->asid, __entry->va, __entry->len, __entry->ns)
);

/* The oracle has found a stale access, or in an audit a stale translation. */
TRACE_EVENT(dmirage_violation,
	TP_PROTO(const struct dmirage_violation *rec),
	TP_ARGS(rec),
	TP_STRUCT__entry(
		__field(u32, asid)
		__field(u8, kind)
		__field(u8, order)
		__field(u8, strength)
		__field(u8, holder)
		__field(bool, write)
		__field(u32, pages)
		__field(u64, va)
		__field(u64, len)
		__field(u64, held)
		__field(u64, cpu)
		__field(u64, cookie)
	),
	TP_fast_assign(
		__entry->asid = rec->asid;
		__entry->kind = rec->kind;
		__entry->order = rec->held_order;
		__entry->strength = rec->strength;
		__entry->holder = rec->holder;
		__entry->write = rec->access_write;
		__entry->pages = rec->pages;
		__entry->va = rec->addr;
		__entry->len = rec->len;
		__entry->held = rec->held_frame;
		__entry->cpu = rec->cpu_frame;
		__entry->cookie = rec->cookie;
	),
	TP_printk("asid %u kind %s by %s held in %s %s va 0x%llx len 0x%llx held 0x%llx order %u cpu 0x%llx pages %u cookie 0x%llx",
		  __entry->asid,
		  __print_symbolic(__entry->kind,
				   { DMIRAGE_VIOL_FRAME, "frame" },
				   { DMIRAGE_VIOL_ABSENT, "absent" },
				   { DMIRAGE_VIOL_WRITE, "write" },
				   { DMIRAGE_VIOL_DIVERGED, "diverged" }),
		  __print_symbolic(__entry->strength,
				   { DMIRAGE_BY_ACCESS, "access" },
				   { DMIRAGE_BY_AUDIT, "audit" },
				   { DMIRAGE_BY_WATCH, "watch" }),
		  __print_symbolic(__entry->holder,
				   { DMIRAGE_HELD_LATCHED, "latch" },
				   { DMIRAGE_HELD_IOTLB, "iotlb" },
				   { DMIRAGE_HELD_TABLE, "table" }),
		  __entry->strength != DMIRAGE_BY_ACCESS ? "-" :
		  __entry->write ? "write" : "read", __entry->va, __entry->len,
		  __entry->held, __entry->order, __entry->cpu, __entry->pages,
		  __entry->cookie)
);

#endif /* DMIRAGE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
