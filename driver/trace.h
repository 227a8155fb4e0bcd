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

/* A text for a line: @newline for each one but the last, '?' for what is odd. */
void dmirage_trace_text(char *dst, const char *src, char newline);

/* Their numbers, for programs that read the trace as it is: trace-cmd, perf */
TRACE_DEFINE_ENUM(DMIRAGE_VIOL_FRAME);
TRACE_DEFINE_ENUM(DMIRAGE_VIOL_ABSENT);
TRACE_DEFINE_ENUM(DMIRAGE_VIOL_WRITE);
TRACE_DEFINE_ENUM(DMIRAGE_VIOL_DIVERGED);
TRACE_DEFINE_ENUM(DMIRAGE_BY_ACCESS);
TRACE_DEFINE_ENUM(DMIRAGE_BY_AUDIT);
TRACE_DEFINE_ENUM(DMIRAGE_BY_WATCH);
TRACE_DEFINE_ENUM(DMIRAGE_HELD_LATCHED);
TRACE_DEFINE_ENUM(DMIRAGE_HELD_IOTLB);
TRACE_DEFINE_ENUM(DMIRAGE_HELD_TABLE);
TRACE_DEFINE_ENUM(DMIRAGE_OP_NOP);
TRACE_DEFINE_ENUM(DMIRAGE_OP_COPY);
TRACE_DEFINE_ENUM(DMIRAGE_OP_FILL);
TRACE_DEFINE_ENUM(DMIRAGE_OP_READ_IMM);
TRACE_DEFINE_ENUM(DMIRAGE_OP_WRITE_IMM);
TRACE_DEFINE_ENUM(DMIRAGE_OP_CAS);
TRACE_DEFINE_ENUM(DMIRAGE_OP_FETCH_ADD);
TRACE_DEFINE_ENUM(DMIRAGE_OP_CRC32C);
TRACE_DEFINE_ENUM(DMIRAGE_OP_TOUCH_READ);
TRACE_DEFINE_ENUM(DMIRAGE_OP_TOUCH_WRITE);
TRACE_DEFINE_ENUM(DMIRAGE_OP_CALIBRATE);
TRACE_DEFINE_ENUM(DMIRAGE_WATCH_STORE);
TRACE_DEFINE_ENUM(DMIRAGE_WATCH_FLUSH);
TRACE_DEFINE_ENUM(DMIRAGE_WATCH_TIME);
TRACE_DEFINE_ENUM(DMIRAGE_WATCH_BACK);

/*
 * The oracle has found a stale access, an audit or a watch a stale translation: all
 * of the record, as pairs of a name and a value.  A chain's functions are separated
 * by '<', innermost first.  A text is between single quotation marks; a double one would
 * end the format for those who read it.  `dmirage violations' reads this line
 * (userspace/tools/trace_line.c); @lost_before is not in it: that is about one
 * reader's queue.
 */
TRACE_EVENT(dmirage_violation,
	TP_PROTO(const char *dev, const struct dmirage_violation *rec),
	TP_ARGS(dev, rec),
	TP_STRUCT__entry(
		__field(u64, time_ns)
		__field(u64, va)
		__field(u64, len)
		__field(u64, cookie)
		__field(u64, held)
		__field(u64, held_age_ns)
		__field(u64, cpu)
		__field(u64, cpu_entry)
		__field(u64, inv_start)
		__field(u64, inv_len)
		__field(u64, inv_age_ns)
		__field(u64, entry_before)
		__field(u64, entry_after)
		__field(u64, store_age_ns)
		__field(u64, vma_start)
		__field(u64, vma_end)
		__field(u32, asid)
		__field(u32, pages)
		__field(u32, chain_id)
		__field(s32, pid)
		__field(u16, processor)
		__field(u8, kind)
		__field(u8, strength)
		__field(u8, holder)
		__field(u8, opcode)
		__field(u8, mode)
		__field(u8, order)
		__field(u8, cpu_order)
		__field(u8, why)
		__field(u8, level)
		__field(u8, vma)
		__field(bool, write)
		__field(bool, held_write)
		__field(bool, cpu_present)
		__field(bool, cpu_write)
		__dynamic_array(char, dev, strlen(dev) + 1)
		__dynamic_array(char, comm, strlen(rec->comm) + 1)
		__dynamic_array(char, vma_name, strlen(rec->vma_name) + 1)
		__dynamic_array(char, function, strlen(rec->function) + 1)
		__dynamic_array(char, chain, strlen(rec->chain) + 1)
	),
	TP_fast_assign(
		__entry->time_ns = rec->time_ns;
		__entry->va = rec->addr;
		__entry->len = rec->len;
		__entry->cookie = rec->cookie;
		__entry->held = rec->held_frame;
		__entry->held_age_ns = rec->held_age_ns;
		__entry->cpu = rec->cpu_frame;
		__entry->cpu_entry = rec->cpu_entry;
		__entry->inv_start = rec->inv_start;
		__entry->inv_len = rec->inv_len;
		__entry->inv_age_ns = rec->inv_age_ns;
		__entry->entry_before = rec->entry_before;
		__entry->entry_after = rec->entry_after;
		__entry->store_age_ns = rec->store_age_ns;
		__entry->vma_start = rec->vma_start;
		__entry->vma_end = rec->vma_end;
		__entry->asid = rec->asid;
		__entry->pages = rec->pages;
		__entry->chain_id = rec->chain_id;
		__entry->pid = rec->pid;
		__entry->processor = rec->cpu;
		__entry->kind = rec->kind;
		__entry->strength = rec->strength;
		__entry->holder = rec->holder;
		__entry->opcode = rec->opcode;
		__entry->mode = rec->mode;
		__entry->order = rec->held_order;
		__entry->cpu_order = rec->cpu_order;
		__entry->why = rec->why;
		__entry->level = rec->level;
		__entry->vma = rec->vma;
		__entry->write = rec->access_write;
		__entry->held_write = rec->held_write;
		__entry->cpu_present = rec->cpu_present;
		__entry->cpu_write = rec->cpu_write;
		dmirage_trace_text(__get_str(dev), dev, '?');
		dmirage_trace_text(__get_str(comm), rec->comm, '?');
		dmirage_trace_text(__get_str(vma_name), rec->vma_name, '?');
		dmirage_trace_text(__get_str(function), rec->function, '?');
		dmirage_trace_text(__get_str(chain), rec->chain, '<');
	),
	TP_printk("asid %u kind %s by %s holder %s access %s op %s cookie 0x%llx mode %s va 0x%llx len 0x%llx pages %u held 0x%llx order %u held_rights %s held_age_ns %llu cpu 0x%llx cpu_order %u cpu_rights %s cpu_entry 0x%llx inv_start 0x%llx inv_len 0x%llx inv_age_ns %llu why %s processor %u level %u entry_before 0x%llx entry_after 0x%llx store_age_ns %llu function '%s' chain_id %u chain '%s' time_ns %llu dev %s pid %d comm '%s' vma '%s' vma_start 0x%llx vma_end 0x%llx vma_name '%s'",
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
		  __entry->write ? "write" : "read",
		  __print_symbolic(__entry->opcode,
				   { DMIRAGE_OP_NOP, "-" },
				   { DMIRAGE_OP_COPY, "copy" },
				   { DMIRAGE_OP_FILL, "fill" },
				   { DMIRAGE_OP_READ_IMM, "read_imm" },
				   { DMIRAGE_OP_WRITE_IMM, "write_imm" },
				   { DMIRAGE_OP_CAS, "cas" },
				   { DMIRAGE_OP_FETCH_ADD, "fetch_add" },
				   { DMIRAGE_OP_CRC32C, "crc32c" },
				   { DMIRAGE_OP_TOUCH_READ, "touch_read" },
				   { DMIRAGE_OP_TOUCH_WRITE, "touch_write" },
				   { DMIRAGE_OP_CALIBRATE, "calibrate" }),
		  __entry->cookie,
		  __print_symbolic(__entry->mode,
				   { DMIRAGE_MODE_MIRROR, "mirror" },
				   { DMIRAGE_MODE_PINNED, "pinned" },
				   { DMIRAGE_MODE_SHARED, "shared" }),
		  __entry->va, __entry->len, __entry->pages, __entry->held,
		  __entry->order, __entry->held_write ? "rw" : "ro",
		  __entry->held_age_ns, __entry->cpu, __entry->cpu_order,
		  !__entry->cpu_present ? "none" :
		  __entry->cpu_write ? "rw" : "ro", __entry->cpu_entry,
		  __entry->inv_start, __entry->inv_len, __entry->inv_age_ns,
		  __entry->strength != DMIRAGE_BY_WATCH ? "-" :
		  __print_symbolic(__entry->why,
				   { DMIRAGE_WATCH_STORE, "store" },
				   { DMIRAGE_WATCH_FLUSH, "flush" },
				   { DMIRAGE_WATCH_TIME, "time" },
				   { DMIRAGE_WATCH_BACK, "back" }),
		  __entry->processor, __entry->level, __entry->entry_before,
		  __entry->entry_after, __entry->store_age_ns,
		  __get_str(function), __entry->chain_id, __get_str(chain),
		  __entry->time_ns, __get_str(dev), __entry->pid,
		  __get_str(comm),
		  __print_flags(__entry->vma, "|",
				{ DMIRAGE_VMA_KNOWN, "known" },
				{ DMIRAGE_VMA_READ, "read" },
				{ DMIRAGE_VMA_WRITE, "write" },
				{ DMIRAGE_VMA_EXEC, "exec" },
				{ DMIRAGE_VMA_SHARED, "shared" },
				{ DMIRAGE_VMA_HUGETLB, "hugetlb" }),
		  __entry->vma_start, __entry->vma_end, __get_str(vma_name))
);

#endif /* DMIRAGE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
