/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libdmirage: work with a dmirage device from user space.
 *
 * Concepts
 *
 *   A *handle* (struct dmirage) is an open device file, and with it one
 *   context: the device's view of the address space of the calling process, or
 *   with DMIRAGE_OPEN_ATTACH of another one.
 *
 *   The *mode* says what addresses operations may name (dmirage.h).  In mirror
 *   mode, the default, it is any address that the process may use: nothing is
 *   registered and nothing is pinned.  In mirror mode by region
 *   (DMIRAGE_OPEN_REGIONS) and in pinned mode it is what dmirage_region_add()
 *   was told.  In shared mode it is, again, any address.
 *
 *   An *operation* is a struct dmirage_sqe, filled in by a dmirage_prep_*()
 *   helper.  dmirage_submit() puts it into the submission ring, and
 *   dmirage_poll() or dmirage_wait() take its struct dmirage_cqe from the
 *   completion ring.  There is no system call in that, but for sleeping in
 *   dmirage_wait().  Operations of one handle are carried out one after the
 *   other, and complete in that order.  The cookie of an operation comes back
 *   in its completion.
 *
 *   A *chain* is an operation of several descriptors, for memory that is
 *   scattered.  dmirage_chain() makes one.
 *
 *   A *violation* is a device access through a translation that the process
 *   does not have (any more), or such a translation that an audit found the
 *   device holding.  dmirage_read_violations() returns the records,
 *   dmirage_format_violation() writes one out as a report.
 *
 *   An *event* tells that there is a completion, for programs that wait for
 *   other things, too: dmirage_eventfd() and dmirage_arm().
 *
 * Errors: every function that can fail returns a negative errno.  That an
 * operation failed is no error of the function that fetched its completion:
 * look at dmirage_cqe.status.
 *
 * Threads: any number of threads may use a handle at the same time, until
 * dmirage_close().  Each completion is fetched by one of them: by the
 * dmirage_run() that it belongs to, and else by whoever asks first.  What is
 * submitted by one dmirage_submit() stays together; a chain that is submitted in
 * parts does not, and other threads have to wait for its end.  Records of
 * violations are for one thread at a time.  Threads that wait here must not be
 * cancelled (pthread_cancel()).
 *
 * Processes: a handle belongs to the address space that opened it.  After
 * fork() the child has no rings, and may do nothing with its copy of the
 * handle but dmirage_close() it.
 *
 * The library and its users run on little-endian machines, as the device does.
 */
#ifndef LIBDMIRAGE_H
#define LIBDMIRAGE_H

#include <stddef.h>
#include <stdint.h>

#include "dmirage.h"
#include "dmirage_hw.h"

#ifdef __cplusplus
extern "C" {
#endif

struct dmirage;

/* ---- Handles ---------------------------------------------------------- */

#define DMIRAGE_OPEN_NO_CONTEXT	(1u << 0)
#define DMIRAGE_OPEN_REGIONS	(1u << 1)
#define DMIRAGE_OPEN_ATTACH	(1u << 2)
#define DMIRAGE_OPEN_WATCH	(1u << 3)
#define DMIRAGE_OPEN_PRESENT	(1u << 4)

/**
 * struct dmirage_open_opts - what dmirage_open() may be asked for
 * @sq_entries: submission ring, a power of two, 2..info.ring_entries; 0: 256
 * @cq_entries: completion ring, likewise; 0: as many as @sq_entries
 * @flags:      DMIRAGE_OPEN_NO_CONTEXT: only look at the device; the handle
 *              has no rings and takes no context, and the other fields are 0.
 *              DMIRAGE_OPEN_REGIONS: mirror mode, by region.
 *              DMIRAGE_OPEN_ATTACH: for the memory of another process.
 *              DMIRAGE_OPEN_WATCH: not in pinned mode: each store of the kernel
 *              to the page table is judged (DMIRAGE_SETUP_WATCH).
 *              DMIRAGE_OPEN_PRESENT: not in pinned mode: nothing is faulted in
 *              for the device (DMIRAGE_SETUP_PRESENT)
 * @mode:       DMIRAGE_MODE_*
 * @pid:        with DMIRAGE_OPEN_ATTACH, that process; 0: that of @pidfd.
 *              Else 0
 * @pidfd:      with DMIRAGE_OPEN_ATTACH and @pid 0, a pidfd, which stays the
 *              caller's.  Else 0
 * @reserved:   0
 */
struct dmirage_open_opts {
	unsigned int sq_entries;
	unsigned int cq_entries;
	unsigned int flags;
	unsigned int mode;
	int pid;
	int pidfd;
	unsigned int reserved;
};

/**
 * dmirage_find() - the device file with the lowest number
 * @path: gets "/dev/dmirageN"
 *
 * Return: 0, or -ENODEV none is there; -ENAMETOOLONG @size; what opendir()
 * fails with.
 */
int dmirage_find(char *path, size_t size);

/**
 * dmirage_open() - open a device and start a context
 * @path: the device file; NULL: what dmirage_find() finds
 * @opts: NULL: all defaults
 * @out:  the handle; not written on failure
 *
 * To attach one needs what a debugger would need: /proc/PID/mem is opened for
 * writing.  Operations on such a handle name addresses of that process.
 *
 * Return: 0, or -ENODEV no device file is there; -EPROTO the driver speaks
 * another version of the interface; -EINVAL @opts; -ENOSPC the device has no
 * context left; -EOPNOTSUPP the device lacks the mode, or the machine does not
 * permit it; -ESRCH, -EACCES, -EPERM, -EBADF the process to attach to has ended,
 * may not be attached to, or @pidfd is none; what else open() and
 * DMIRAGE_IOC_SETUP (dmirage.h) fail with.
 */
int dmirage_open(const char *path, const struct dmirage_open_opts *opts,
		 struct dmirage **out);

/**
 * dmirage_close() - end the context and free the handle
 * @d: may be NULL
 *
 * Operations under way end without a completion; when this returns, the device
 * no longer touches the process's memory on behalf of this handle.
 */
void dmirage_close(struct dmirage *d);

/**
 * dmirage_fd() - the device file, for poll()
 *
 * POLLIN: there is a violation to read.  Reading is left to
 * dmirage_read_violations().
 */
int dmirage_fd(const struct dmirage *d);

/**
 * dmirage_get_info() - ask the driver what the device is and can do
 *
 * Return: 0, or -EPERM in another process than the one that opened @d; -ENODEV
 * the device is gone.
 */
int dmirage_get_info(const struct dmirage *d, struct dmirage_info *info);

/**
 * dmirage_get_counters() - read the counters of a context or of the device
 * @scope: DMIRAGE_SCOPE_*
 *
 * The counters of a handle without a context are 0.
 *
 * Return: 0, or -EINVAL @scope; -EPERM, -ENODEV as dmirage_get_info().
 */
int dmirage_get_counters(const struct dmirage *d, unsigned int scope,
			 struct dmirage_counters *c);

/* ---- Memory ----------------------------------------------------------- */

/**
 * dmirage_region_add() - let the device use a range of memory
 * @addr: first byte, a multiple of 4096
 * @len:  bytes, a multiple of 4096, not 0
 * @flags: DMIRAGE_REGION_WRITE: for writing, too
 * @id:   what dmirage_region_remove() wants; not written on failure
 *
 * In pinned mode the pages are pinned, and there is one region for a page at
 * most.  In mirror mode by region nothing need be there yet.
 *
 * Return: 0, or -EINVAL @addr, @len, @flags, or a handle without regions;
 * -ENOSPC DMIRAGE_REGIONS_MAX; -ENOMEM, also if RLIMIT_MEMLOCK does not permit
 * it; -EFAULT, -EEXIST, -EOPNOTSUPP pinned mode: not all of it is mapped so,
 * overlaps another region, cannot be pinned; -ESRCH the address space has ended;
 * -EINTR; -EPERM, -EIO, -ENODEV.
 */
int dmirage_region_add(struct dmirage *d, const void *addr, uint64_t len,
		       unsigned int flags, uint32_t *id);

/**
 * dmirage_region_remove() - take it back
 *
 * When it returns the device has nothing of it any more that no other region
 * covers, and operations on it fail.
 *
 * Return: 0, or -ENOENT no such region; -EINVAL a handle without regions;
 * -EINTR; -EPERM, -ENODEV.
 */
int dmirage_region_remove(struct dmirage *d, uint32_t id);

/**
 * dmirage_prefetch() - make translations before they are needed
 * @addr:  first byte; any
 * @len:   bytes, not 0
 * @flags: DMIRAGE_PREFETCH_WRITE: for writing; DMIRAGE_PREFETCH_ASYNC: do not
 *         wait for it
 * @done:  gets how many bytes from @addr on are translated, also on an error;
 *         0 with DMIRAGE_PREFETCH_ASYNC; may be NULL
 *
 * Mirror mode only.  The kernel may take any of it back at once.  How an
 * asynchronous one went is in the counters: prefetches, prefetch_errors.
 *
 * Return: 0, or -EINVAL @len, @flags, wraps around; -EOPNOTSUPP another mode;
 * -EFAULT nothing is mapped there, or it is in no region; -EPERM read-only (or
 * as dmirage_get_info()); -EAGAIN DMIRAGE_PREFETCH_MAX are under way; -ESRCH,
 * -EBUSY, -ENOMEM, -EIO as an operation would fail; -EINTR; -ENODEV.
 */
int dmirage_prefetch(struct dmirage *d, const void *addr, uint64_t len,
		     unsigned int flags, uint64_t *done);

/**
 * dmirage_audit() - have all compared that the device holds of a range
 * @addr:   first byte; any
 * @len:    bytes, not 0; cut at the end of the address space
 * @result: translations, pages and violations are written, if it went well;
 *          each violation is a record for dmirage_read_violations(), too
 *
 * Return: 0, or -EINVAL @len, or a handle without a context; -EOPNOTSUPP the
 * device has no audits; -ECANCELED the context ended meanwhile, or there is too
 * much to look at; -EBUSY an earlier one that was given up goes on; -ETIMEDOUT
 * this one is given up; -EINTR; -EPERM, -EIO, -ENODEV.
 */
int dmirage_audit(struct dmirage *d, const void *addr, uint64_t len,
		  struct dmirage_audit_range *result);

/* ---- Operations ------------------------------------------------------- */

/* len bytes from src to dst; undefined if dst lies within (src, src + len). */
void dmirage_prep_copy(struct dmirage_sqe *sqe, uint64_t cookie, void *dst,
		       const void *src, uint64_t len);

/* len bytes at dst with the 8-byte pattern, repeated from dst on. */
void dmirage_prep_fill(struct dmirage_sqe *sqe, uint64_t cookie, void *dst,
		       uint64_t pattern, uint64_t len);

/* The value of len = 1, 2, 4 or 8 bytes at src, to the completion's result. */
void dmirage_prep_read_imm(struct dmirage_sqe *sqe, uint64_t cookie,
			   const void *src, uint64_t len);

/* The len = 1, 2, 4 or 8 low bytes of value, to dst. */
void dmirage_prep_write_imm(struct dmirage_sqe *sqe, uint64_t cookie,
			    void *dst, uint64_t value, uint64_t len);

/*
 * If the len = 4 or 8 bytes at dst are compare, they become value, atomically
 * with respect to all processors and contexts.  What was there is the
 * completion's result.  dst is a multiple of len.
 */
void dmirage_prep_cas(struct dmirage_sqe *sqe, uint64_t cookie, void *dst,
		      uint64_t compare, uint64_t value, uint64_t len);

/*
 * The len = 4 or 8 bytes at dst grow by summand, atomically as above.  What was
 * there is the completion's result.  dst is a multiple of len.
 */
void dmirage_prep_fetch_add(struct dmirage_sqe *sqe, uint64_t cookie, void *dst,
			    uint64_t summand, uint64_t len);

/* The CRC-32C of len bytes at src, to the completion's result. */
void dmirage_prep_crc32c(struct dmirage_sqe *sqe, uint64_t cookie,
			 const void *src, uint64_t len);

/* A byte of each 4 KiB page of len bytes at src is read, for nothing. */
void dmirage_prep_touch_read(struct dmirage_sqe *sqe, uint64_t cookie,
			     const void *src, uint64_t len);

/*
 * A byte of each 4 KiB page of len bytes at dst is written, atomically, with
 * what it was: the page becomes the process's own and dirty, and no data
 * changes, whoever writes at the same time.
 */
void dmirage_prep_touch_write(struct dmirage_sqe *sqe, uint64_t cookie,
			      void *dst, uint64_t len);

/* Nothing; completes in its turn. */
void dmirage_prep_nop(struct dmirage_sqe *sqe, uint64_t cookie);

/**
 * dmirage_chain() - make one operation of several
 * @sqes: @n operations of the same kind: copy, fill, crc32c, touch_read or
 *        touch_write; @n no more than the submission ring has entries
 *
 * The pieces are done in order.  There is one completion, with the cookie of
 * the first and the result of all together: bytes, or one checksum.  If a piece
 * fails, the ones after it are not done; result is then the bytes of those
 * before it and of what was done of it.  A chain may be submitted in parts: the
 * device waits for the rest.
 */
void dmirage_chain(struct dmirage_sqe *sqes, unsigned int n);

/**
 * dmirage_submit() - hand operations to the device
 * @sqes: @n descriptors, in order
 *
 * Takes as many as there is room for: the submission ring holds what has been
 * submitted and whose completion has not been fetched.  Of a chain it takes all
 * descriptors or none.
 *
 * Return: how many were taken, 1..@n; 0 if @n is 0; -EAGAIN no room for the
 * first operation; -EINVAL it is a chain longer than the ring, or the handle
 * has no context.
 */
int dmirage_submit(struct dmirage *d, const struct dmirage_sqe *sqes,
		   unsigned int n);

/**
 * dmirage_poll() - fetch completions that are there, without waiting
 * @cqes: room for @n of them
 *
 * Return: how many were fetched, 0..@n; -EINVAL the handle has no context.
 */
int dmirage_poll(struct dmirage *d, struct dmirage_cqe *cqes, unsigned int n);

/**
 * dmirage_wait() - fetch one completion, waiting for it
 * @cqe:        may be NULL
 * @timeout_ms: 0: do not wait; negative: for ever
 *
 * Looks for a short time, and then sleeps: until there is a completion, if the
 * device can tell (DMIRAGE_CAP_CQ_EVENT) and dmirage_eventfd() was not called,
 * else in short steps.
 *
 * Return: 0, or -ETIMEDOUT; -ENODEV, -EIO there is none, and the device is gone
 * or broken, or (-ENODEV) the process that the handle is attached to has ended;
 * -EINVAL the handle has no context.
 */
int dmirage_wait(struct dmirage *d, struct dmirage_cqe *cqe, int timeout_ms);

/**
 * dmirage_run() - carry out one operation, of one descriptor
 * @cqe:        its completion; NULL: any status but OK is reported as -EIO
 * @timeout_ms: as for dmirage_wait()
 *
 * Operations submitted before it are carried out before it; their completions
 * stay for whoever fetches them.  If nobody does, and the completion ring has
 * no room left, this one waits in vain.
 *
 * Return: 0 when it has completed, whatever its status; -EAGAIN no room in the
 * submission ring; -EBUSY a chain has no end yet, and would take it for a piece;
 * -ETIMEDOUT (it is under way still, and its completion is for dmirage_wait()
 * or dmirage_poll() to fetch); -ENODEV, -EIO as for dmirage_wait(); -EINVAL the
 * handle has no context, or @sqe is the beginning of a chain.
 */
int dmirage_run(struct dmirage *d, const struct dmirage_sqe *sqe,
		struct dmirage_cqe *cqe, int timeout_ms);

/**
 * dmirage_in_flight() - operations submitted and not yet fetched as completed
 *
 * A chain counts once all of it has been submitted.
 */
unsigned int dmirage_in_flight(const struct dmirage *d);

/**
 * dmirage_eventfd() - the event, for a loop of one's own
 *
 * An eventfd that is readable when there was a completion to fetch after
 * dmirage_arm(), and when the device breaks or goes.  It belongs to the handle:
 * it is not to be closed, nor to be read (dmirage_arm() does that).  From now on
 * it is the caller's alone; dmirage_wait() and dmirage_run() do without it.
 *
 * Return: the file descriptor; -EOPNOTSUPP the device cannot tell
 * (DMIRAGE_CAP_CQ_EVENT); -EINVAL the handle has no context; what eventfd()
 * fails with; -EPERM, -ENODEV as dmirage_get_info().
 */
int dmirage_eventfd(struct dmirage *d);

/**
 * dmirage_arm() - ask for the event, once
 *
 * The eventfd is not readable after it, until there is a completion to fetch;
 * at once, if there is one already.  So: arm, wait for the eventfd, fetch what
 * there is, and again.
 *
 * Return: 0, or -EINVAL dmirage_eventfd() has not been called.
 */
int dmirage_arm(struct dmirage *d);

/* ---- Violations ------------------------------------------------------- */

/**
 * dmirage_read_violations() - fetch violation records, oldest first
 * @v:          room for @n of them
 * @timeout_ms: for the first one; 0: do not wait; negative: for ever
 *
 * Return: how many were fetched; 0 if none came in time; -EINVAL @n is 0 or
 * the handle has no context; -EIO the device is broken, and there are no more;
 * -EPERM, -ENODEV as dmirage_get_info();
 * -EINTR a signal came while waiting.
 */
int dmirage_read_violations(struct dmirage *d, struct dmirage_violation *v,
			    unsigned int n, int timeout_ms);

/**
 * dmirage_format_violation() - write a record out as a report of several lines
 * @buf: gets the text, null-terminated, cut if it does not fit
 * @size: of @buf; DMIRAGE_REPORT_MAX is always enough
 *
 * Return: the length of the whole text, as snprintf() does.
 */
int dmirage_format_violation(const struct dmirage_violation *v, char *buf,
			     size_t size);

#define DMIRAGE_REPORT_MAX	4096

/* ---- Names ------------------------------------------------------------ */

/* Short names in lower case, "unknown" for what is not known; never NULL. */
const char *dmirage_status_str(unsigned int status);
const char *dmirage_violation_str(unsigned int kind);
const char *dmirage_op_str(unsigned int opcode);
const char *dmirage_mode_str(unsigned int mode);

/* "the IOTLB", "the mirror table", "a latch": enum dmirage_holder. */
const char *dmirage_holder_str(unsigned int holder);

#ifdef __cplusplus
}
#endif

#endif /* LIBDMIRAGE_H */
