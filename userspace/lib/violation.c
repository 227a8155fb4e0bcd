// SPDX-License-Identifier: GPL-2.0
/*
 * Violation records: reading them, and writing one out as a report.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

int dmirage_read_violations(struct dmirage *d, struct dmirage_violation *v,
			    unsigned int n, int timeout_ms)
{
	struct pollfd pfd = { .fd = d->fd, .events = POLLIN };
	ssize_t got;
	int ready;

	if (!n || !d->sq)
		return -EINVAL;
	/* Ask first: read() would wait, and without a limit. */
	ready = poll(&pfd, 1, timeout_ms);
	if (ready < 0)
		return -errno;
	if (!ready)
		return 0;
	/* The process that it is attached to has ended: read() would wait on. */
	if (pfd.revents == POLLHUP)
		return 0;
	/* A device that is broken or gone is readable, too: read() says so. */
	got = read(d->fd, v, n * sizeof(*v));
	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	return (int)((size_t)got / sizeof(*v));
}

/* A text that grows in a buffer of fixed size, and keeps count beyond it. */
struct text {
	char *buf;
	size_t size;
	size_t len;
};

static void add(struct text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *fmt, ...)
{
	size_t room = t->len < t->size ? t->size - t->len : 0;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(room ? t->buf + t->len : NULL, room, fmt, args);
	va_end(args);
	if (n > 0)
		t->len += (size_t)n;
}

static void add_size(struct text *t, __u64 bytes)
{
	if (bytes >= 1u << 30 && !(bytes & ((1u << 30) - 1)))
		add(t, "%llu GiB", bytes >> 30);
	else if (bytes >= 1u << 20 && !(bytes & ((1u << 20) - 1)))
		add(t, "%llu MiB", bytes >> 20);
	else if (bytes >= 1u << 10 && !(bytes & ((1u << 10) - 1)))
		add(t, "%llu KiB", bytes >> 10);
	else
		add(t, "%llu byte%s", bytes, bytes == 1 ? "" : "s");
}

static void add_order(struct text *t, unsigned int order)
{
	if (order < 64)
		add_size(t, 1ull << order);
	else
		add(t, "2^%u bytes", order);
}

static void add_time(struct text *t, __u64 ns)
{
	if (ns >= 10000000000ull)
		add(t, "%.1f s", (double)ns / 1e9);
	else
		add(t, "%.3f ms", (double)ns / 1e6);
}

static bool by_audit(const struct dmirage_violation *v)
{
	return v->strength == DMIRAGE_BY_AUDIT;
}

static bool by_watch(const struct dmirage_violation *v)
{
	return v->strength == DMIRAGE_BY_WATCH;
}

static bool by_access(const struct dmirage_violation *v)
{
	return !by_audit(v) && !by_watch(v);
}

/* What is in the table was not loaded at any time. */
static bool by_table(const struct dmirage_violation *v)
{
	return by_audit(v) && v->holder == DMIRAGE_HELD_TABLE;
}

/* When it was found. */
static const char *moment(const struct dmirage_violation *v)
{
	if (by_watch(v))
		return "this";
	return by_audit(v) ? "the audit" : "the access";
}

static void add_chain(struct text *t, const struct dmirage_violation *v)
{
	const char *line, *end;

	if (v->chain[0]) {
		add(t, "Call chain:\n");
		for (line = v->chain; *line; line = *end ? end + 1 : end) {
			end = strchrnul(line, '\n');
			add(t, "  %.*s\n", (int)(end - line), line);
		}
		return;
	}
	add(t, "No call chain: ");
	switch (v->chain_id) {
	case DMIRAGE_CHAIN_NOT_ASKED:
		add(t, "the kernel was not asked for it\n");
		break;
	case DMIRAGE_CHAIN_NO_ANSWER:
		add(t, "the processor did not answer in time\n");
		break;
	case DMIRAGE_CHAIN_LATE:
		add(t, "the processor was asked too late\n");
		break;
	default:
		add(t, "there have been too many different ones\n");
		break;
	}
}

/* What an entry of the page table says, as far as that is the same on all kernels. */
static void add_entry(struct text *t, const char *when, unsigned int level,
		      __u64 entry)
{
	static const char *const names[] = { "page-table", "PTE", "PMD",
					     "PUD", "P4D", "PGD" };
	const __u64 present = 1, write = 2, leaf = 0x80;
	__u64 frame = entry & 0x000ffffffffff000ull;

	add(t, "  %s entry %s 0x%016llx: ",
	    level < sizeof(names) / sizeof(names[0]) ? names[level] : "?", when,
	    entry);
	if (!entry)
		add(t, "nothing\n");
	else if (!(entry & present))
		add(t, "not present\n");
	else if (level > 1 && !(entry & leaf))
		add(t, "a table\n");
	else
		add(t, "frame 0x%012llx, %s\n",
		    level > 1 && level < 4 ?
			    frame & ~((4096ull << 9 * (level - 1)) - 1) :
			    frame,
		    entry & write ? "writable" : "read-only");
}

/* The store that made it stale, and why that is certain. */
static void add_store(struct text *t, const struct dmirage_violation *v)
{
	static const char *const why[] = {
		[DMIRAGE_WATCH_STORE] = "",
		[DMIRAGE_WATCH_FLUSH] =
			"  the device was told only after that\n",
		[DMIRAGE_WATCH_TIME] = "  the device was not told\n",
		[DMIRAGE_WATCH_BACK] =
			"  it was put back, but the lock had been given up\n",
	};

	if (v->cpu == 0xffff) {
		add(t, "\nThe page table was changed by a store that nobody saw\n");
		return;
	}
	add(t, "\nThe page table was changed by %s\n  on processor %u, ",
	    v->function[0] ? v->function : "an instruction that is not known",
	    v->cpu);
	add_time(t, v->store_age_ns);
	add(t, " before this was certain\n%s",
	    v->why < sizeof(why) / sizeof(why[0]) ? why[v->why] : "");
	add_entry(t, "before", v->level, v->entry_before);
	add_entry(t, "after ", v->level, v->entry_after);
	add_chain(t, v);
}

/* What was stale, and where. */
static void add_head(struct text *t, const struct dmirage_violation *v)
{
	if (by_watch(v)) {
		add(t, "BUG: DMIRAGE: %s, made so by a store to the page table\n",
		    dmirage_violation_str(v->kind));
	} else if (by_audit(v)) {
		add(t, "BUG: DMIRAGE: %s held by %s, found by an audit\n",
		    dmirage_violation_str(v->kind),
		    dmirage_holder_str(v->holder));
	} else {
		add(t, "BUG: DMIRAGE: %s in %s\n",
		    dmirage_violation_str(v->kind), dmirage_op_str(v->opcode));
		add(t, "%s of ", v->access_write ? "Write" : "Read");
	}
	add_size(t, v->len);
	add(t, " at addr 0x%llx by context %u", v->addr, v->asid);
	if (by_access(v))
		add(t, ", cookie 0x%llx", v->cookie);
	if (v->pid)
		add(t, "\nof process %d (%.*s)", v->pid, (int)sizeof(v->comm),
		    v->comm);
	if (v->pages > 1)
		add(t, "\n%u pages of this %s differ; this is the first one.",
		    v->pages, by_access(v) ? "access" : "translation");
	add(t, "\n");
}

static void add_held(struct text *t, const struct dmirage_violation *v)
{
	__u64 block;

	add(t, "\nThe device %-6s frame 0x%012llx\n  of a ",
	    by_access(v) ? "used" : "holds", v->held_frame);
	add_order(t, v->held_order);
	add(t, " translation, %s", v->held_write ? "writable" : "read-only");
	if (!by_table(v)) {
		add(t, ", loaded ");
		add_time(t, v->held_age_ns);
		add(t, " before %s", moment(v));
	}
	if (v->held_order > 12 && v->held_order < 64) {
		block = v->addr & ((1ull << v->held_order) - 1);
		add(t, "\n  at its page %llu of 0..%llu", block >> 12,
		    (1ull << (v->held_order - 12)) - 1);
	}
	if (v->mode == DMIRAGE_CTL_MODE_PINNED >> 4)
		add(t, "\n  that the driver has pinned");
	add(t, "\n");
}

static void add_process(struct text *t, const struct dmirage_violation *v)
{
	if (v->cpu_present) {
		add(t, "The process has   frame 0x%012llx\n  by a ",
		    v->cpu_frame);
		add_order(t, v->cpu_order);
		add(t, " entry, %s (0x%016llx)\n",
		    v->cpu_write ? "writable" : "read-only", v->cpu_entry);
	} else {
		add(t, "The process has   nothing there\n  (page-table entry 0x%016llx)\n",
		    v->cpu_entry);
	}
}

/* Where the last flush was, seen from the address of the access. */
static void add_flush(struct text *t, const struct dmirage_violation *v)
{
	__u64 end = v->inv_start + v->inv_len;

	if (!v->inv_len) {
		add(t, "\nThe device was not told to drop anything near this address.\n");
		return;
	}
	if (end < v->inv_start) /* to the end of the address space */
		end = 0;
	add(t, "\nThe last flush near this address came ");
	add_time(t, v->inv_age_ns);
	add(t, " before %s, for\n  0x%llx-0x%llx (", moment(v), v->inv_start,
	    end - 1);
	add_size(t, v->inv_len);
	add(t, "): ");
	if (v->addr < v->inv_start) {
		add(t, "it begins ");
		add_size(t, v->inv_start - v->addr);
		add(t, " behind it\n");
	} else if (v->addr - v->inv_start < v->inv_len && by_watch(v) &&
		   v->why == DMIRAGE_WATCH_FLUSH) {
		add(t, "it came too late\n");
	} else if (v->addr - v->inv_start < v->inv_len) {
		if (v->held_age_ns < v->inv_age_ns && !by_table(v))
			add(t, "the translation was loaded after it\n");
		else
			add(t, "it did not take this translation away\n");
	} else if ((v->addr & ~4095ull) <= end) {
		add(t, "it ends right before this page\n");
	} else {
		add(t, "it ends ");
		add_size(t, (v->addr & ~4095ull) - end);
		add(t, " before this page\n");
	}
}

static void add_vma(struct text *t, const struct dmirage_violation *v)
{
	if (!(v->vma & DMIRAGE_VMA_KNOWN)) {
		add(t, "\nThe VMA could not be looked up.\n");
		return;
	}
	if (!v->vma_end) {
		add(t, "\nThere is no VMA, by now.\n");
		return;
	}
	add(t, "\nThe VMA is 0x%llx-0x%llx %c%c%c%c%s%s%s\n", v->vma_start,
	    v->vma_end, v->vma & DMIRAGE_VMA_READ ? 'r' : '-',
	    v->vma & DMIRAGE_VMA_WRITE ? 'w' : '-',
	    v->vma & DMIRAGE_VMA_EXEC ? 'x' : '-',
	    v->vma & DMIRAGE_VMA_SHARED ? 's' : 'p',
	    v->vma & DMIRAGE_VMA_HUGETLB ? " hugetlb" : "",
	    strlen(v->vma_name) > 24 ? "\n  " : " ",
	    v->vma_name[0] ? v->vma_name : "[anonymous]");
}

int dmirage_format_violation(const struct dmirage_violation *v, char *buf,
			     size_t size)
{
	static const char rule[] =
		"==================================================================\n";
	struct text t = { .buf = buf, .size = size };

	if (size)
		buf[0] = '\0';
	add(&t, "%s", rule);
	add_head(&t, v);
	if (by_watch(v))
		add_store(&t, v);
	add_held(&t, v);
	add_process(&t, v);
	add_flush(&t, v);
	add_vma(&t, v);
	if (v->lost_before)
		add(&t, "\n%llu record%s lost before this one.\n",
		    v->lost_before, v->lost_before == 1 ? " was" : "s were");
	add(&t, "%s", rule);
	return (int)t.len;
}
