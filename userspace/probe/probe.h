/* SPDX-License-Identifier: GPL-2.0 */
/*
 * probe: what the kernel says about a page, a device and the driver, and
 * memory of a known kind at a known place.  For `dmirage demo` and the guest
 * tests; needs root.  Not part of libdmirage.
 *
 * Concepts
 *
 *   Each *kind* of memory is asked for in the way a program would, and then
 *   looked at with means that know nothing of the asking: pagemap for the
 *   frame, kpageflags and smaps for the size, move_pages() for the node.  A
 *   test that does not look might pass on a page that was never huge or never
 *   moved.
 *
 * Errors: negative errno; probe_why() then has a sentence for a person, which
 * the next failure in the same thread overwrites.  Functions may be called
 * from any thread, except those that change settings of the machine
 * (probe_hugetlb_*, probe_thp_*): one thread.
 */
#ifndef DMIRAGE_PROBE_H
#define DMIRAGE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "libdmirage.h"

#define PROBE_4K	4096ul
#define PROBE_2M	(2ul << 20)

const char *probe_why(void);

/* Set what probe_why() returns, and return @err. */
int probe_fail(int err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- One page --------------------------------------------------------- */

/**
 * struct probe_page - a page as the kernel sees it
 * @present: something is mapped
 * @swapped: nothing is, but it is in swap
 * @hugetlb: it is part of a hugetlb page
 * @thp:     it is part of a transparent huge page (mapped as one or not)
 * @frame:   physical address of the 4 KiB frame; 0 if not present
 * @node:    its NUMA node; -1 if not present, or if the kernel does not say, as
 *           for the zero page
 */
struct probe_page {
	bool present;
	bool swapped;
	bool hugetlb;
	bool thp;
	__u64 frame;
	int node;
};

/**
 * probe_page() - look at the page at an address of this process
 *
 * Return: 0, also if nothing is mapped there; -EPERM not root; what opening or
 * reading /proc files fails with.
 */
int probe_page(const void *addr, struct probe_page *page);

/**
 * probe_smaps_kb() - a field of the VMA around @addr in /proc/self/smaps
 * @field: as "AnonHugePages"
 *
 * Return: kilobytes; -ENOENT no such VMA or field.
 */
long probe_smaps_kb(const void *addr, const char *field);

/**
 * probe_move() - move pages of this process to a node
 * @addr: of the first one
 * @len:  bytes
 * @step: distance of one page to the next
 * @node: where to
 *
 * Tries again for a while if pages are busy.
 *
 * Return: 0 if all pages are on @node; -EBUSY some could not be moved; what
 * move_pages() or a page's status says.
 */
int probe_move(void *addr, size_t len, size_t step, int node);

/* ---- Memory of a kind ------------------------------------------------- */

enum probe_kind {
	PROBE_KIND_4K,
	PROBE_KIND_THP,
	PROBE_KIND_HUGETLB,
	PROBE_KINDS
};

/* "4 KiB page", "2 MiB THP", "2 MiB hugetlb page" */
const char *probe_kind_str(enum probe_kind kind);
size_t probe_kind_size(enum probe_kind kind);

/**
 * struct probe_mem - private anonymous memory of one kind
 * @addr: first byte, aligned to 2 MiB
 * @len:  bytes
 * @kind: what it is made of
 * @map:  the reservation around it: at least 2 MiB without access before and
 *        behind, so that no other mapping touches it
 * @map_len: bytes of that
 */
struct probe_mem {
	uint8_t *addr;
	size_t len;
	enum probe_kind kind;
	void *map;
	size_t map_len;
};

/**
 * probe_mem_map() - map memory, and nothing in it
 * @len: a multiple of the size of the kind
 *
 * Return: 0; what mmap() and madvise() fail with.
 */
int probe_mem_map(struct probe_mem *mem, enum probe_kind kind, size_t len);

/**
 * probe_mem_get() - map memory, bound to a node and touched, and verify it
 * @node: 0..63
 *
 * All bytes are 0.  hugetlb pages are taken from the pool of @node: see
 * probe_hugetlb_reserve().
 *
 * Return: 0; -ENOMEM not enough (huge) memory on the node; -ENXIO the kernel
 * did not give what was asked for (kind or node).
 */
int probe_mem_get(struct probe_mem *mem, enum probe_kind kind, size_t len,
		  int node);

/* Unmap it; no-op for a struct that is all zero. */
void probe_mem_put(struct probe_mem *mem);

/**
 * probe_mem_verify() - is all of it of its kind, and on @node?
 * @node: -1: do not ask for the node
 *
 * Return: 0; -ENXIO no, and probe_why() says what is different.
 */
int probe_mem_verify(const struct probe_mem *mem, int node);

/* Move all of it to @node; errors as probe_move(). */
int probe_mem_move(const struct probe_mem *mem, int node);

/* ---- Settings of the machine ------------------------------------------ */

/**
 * probe_hugetlb_reserve() - have at least @pages free 2 MiB pages on @node
 *
 * Return: 0; -ENOMEM the node does not give that many; -ENOENT no such node or
 * no 2 MiB hugetlb pages; -EACCES, -EPERM.
 */
int probe_hugetlb_reserve(int node, unsigned int pages);

/**
 * probe_thp_enable() - make MADV_HUGEPAGE work
 *
 * Return: 0; -ENOENT the kernel has no THP; -EACCES, -EPERM.
 */
int probe_thp_enable(void);

/* Put both back to what they were before the first change. */
void probe_restore(void);

/* Nodes that have memory: their number, counted up from node 0. */
int probe_nodes(void);

/* ---- The driver's debugfs --------------------------------------------- */

/**
 * probe_ctx_write() - write a word to a debugfs file of a handle's context
 * @file: "fault_mode", "hold", "hold_limit_ms", "gate", "audit"
 *
 * Mounts debugfs on /sys/kernel/debug if nothing is there.
 *
 * Return: 0; -ENOENT no such file; what write() fails with.
 */
int probe_ctx_write(const struct dmirage *d, const char *file,
		    const char *word);

/**
 * probe_ctx_read() - read such a file
 * @buf: gets its text, null-terminated, without the last newline
 *
 * Return: its length; -ENOENT no such file; what read() fails with.
 */
int probe_ctx_read(const struct dmirage *d, const char *file, char *buf,
		   size_t size);

/**
 * probe_dev_open() - open a debugfs file of a handle's device
 * @file: "counters", "registers", "iotlb", "chains"
 *
 * Return: a file descriptor; -ENOENT no such file; what open() fails with.
 */
int probe_dev_open(const struct dmirage *d, const char *file);

/**
 * probe_dev_write() - write a word to one
 * @file: "chains"
 *
 * Return: as probe_ctx_write().
 */
int probe_dev_write(const struct dmirage *d, const char *file,
		    const char *word);

/* ---- Bugs that Linux has had ------------------------------------------- */

/* Is the module that puts them back there for this kernel; is it loaded? */
bool probe_mutants_exist(void);
bool probe_mutants_loaded(void);

/* Return: 0, also if it is loaded already; -ENOENT there is none; what loading fails with. */
int probe_mutants_load(void);
int probe_mutants_unload(void);

/**
 * probe_mutant_arm() - put one back, for one process alone (docs/mutants.md)
 *
 * Return: 0; -ENOENT there is no such one; -EOPNOTSUPP not in this kernel; -EBUSY one
 * is armed; -ESRCH there is no such process.
 */
int probe_mutant_arm(pid_t pid, const char *name);
int probe_mutant_disarm(void);

/* How often it was applied, since it was armed; or a negative errno. */
long probe_mutant_hits(void);

/* Write to one of the module's files: "pid", "arm", "late_ms". */
int probe_mutant_put(const char *file, const char *text);

/* A file's text, without the last newline.  Return: its length, or a negative errno. */
int probe_mutant_get(const char *file, char *text, size_t size);

/* ---- PCI -------------------------------------------------------------- */

#define PROBE_BARS	6

/**
 * struct probe_pci - the first dmirage device on the PCI bus
 * @slot:     "0000:00:03.0"
 * @driver:   name of the driver bound to it, "" if none
 * @vendor @device @subvendor @subdevice @class @revision: its identity
 * @msix:     MSI-X vectors, 0 if it has none
 * @bars:     how many BARs it has
 * @bar:      number, address, size in bytes, 64-bit, prefetchable, I/O ports
 */
struct probe_pci {
	char slot[32];
	char driver[32];
	uint16_t vendor, device, subvendor, subdevice, class;
	uint8_t revision;
	unsigned int msix;
	unsigned int bars;
	struct {
		unsigned int number;
		__u64 addr, size;
		bool is64, prefetch, io;
	} bar[PROBE_BARS];
};

/**
 * probe_pci_find() - look for the device with libpci
 * @nth: 0 for the first one, and so on
 *
 * Return: 0; -ENODEV there is none; -EIO the bus cannot be looked at.
 */
int probe_pci_find(struct probe_pci *pci, unsigned int nth);

#endif /* DMIRAGE_PROBE_H */
