/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fixture: a QEMU with the device set up as its driver would, and the
 * driver's side of everything the device has: registers, queues, contexts,
 * mirror tables, the process's page tables, rings.
 *
 * The device is root complex endpoint 00:04.0.  Memory for it comes from above
 * 4 GiB, so that an address cut to 32 bits is noticed.
 */
#ifndef TESTS_DEVICE_H
#define TESTS_DEVICE_H

#include "dmirage_hw.h"
#include "qtest.h"

/* The structures in memory are used as they are. */
G_STATIC_ASSERT(G_BYTE_ORDER == G_LITTLE_ENDIAN);

#define PAGE_4K		0x1000ull
#define PAGE_2M		0x200000ull
#define PAGE_1G		0x40000000ull
#define ORDER_4K	12
#define ORDER_2M	21
#define ORDER_1G	30

/* Of the x86 page table. */
#define X86_PRESENT	(1ull << 0)
#define X86_WRITE	(1ull << 1)
#define X86_USER	(1ull << 2)
#define X86_ACCESSED	(1ull << 5)
#define X86_DIRTY	(1ull << 6)
#define X86_LARGE	(1ull << 7)
#define X86_RW		(X86_PRESENT | X86_WRITE | X86_USER)
#define X86_RO		(X86_PRESENT | X86_USER)

/* Where nothing is, and where something is that is not RAM (the IOAPIC). */
#define ADDR_NOTHING	0x7000000000ull
#define ADDR_MMIO	0xfec00000ull

/* Offsets in BAR 0. */
#define CTX(asid, reg)	(DMIRAGE_CTX_BASE + (asid) * DMIRAGE_PAGE + (reg))
#define DB(asid, reg)	(DMIRAGE_DB_BASE + (asid) * DMIRAGE_PAGE + (reg))
#define FQ(reg)		(DMIRAGE_REG_FQ + (reg))
#define VQ(reg)		(DMIRAGE_REG_VQ + (reg))
#define IQ(reg)		(DMIRAGE_REG_IQ + (reg))

/**
 * struct queue - one of the device's queues, from software's end
 * @reg:   its registers
 * @index: next entry to be taken (FQ, VQ), or to be written (IQ)
 */
struct queue {
	uint32_t reg;
	uint64_t base;
	unsigned int order;
	uint32_t index;
};

/**
 * struct device - the device
 * @config: PCI configuration address of the function, @port: of its root port
 * @bar0: where the registers are, @bar2: MSI-X
 * @free: next free byte of RAM
 * @irq: RAM that MSI-X vectors write to, 4 bytes each
 */
struct device {
	struct qtest *q;
	uint32_t config;
	uint32_t port;
	uint64_t bar0;
	uint64_t bar2;
	uint64_t free;
	uint64_t irq;
	struct queue fq;
	struct queue vq;
	struct queue iq;
};

/* --- life --- */

/* As at power-on; only the BARs are placed and bus-master is set. */
struct device *device_open_bare(const char *options);
/* The same, after another -device @first; NULL: there is none. */
struct device *device_open_with(const char *first, const char *options);
/* @before and @options joined, as all of these do it; to be freed. */
char *device_options(const char *before, const char *options);
/* Behind a PCIe root port, of which it can be taken out; its id is "dmirage". */
struct device *device_open_port(const char *options);
/* With the three queues and MSI-X, too.  @options: "iotlb-entries=16", NULL. */
struct device *device_open(const char *options);
/* QEMU must quit well. */
void device_close(struct device *d);
/* Sets up queues and MSI-X, again after a reset. */
void device_setup(struct device *d);
/* Takes it out while it works, as a guest would be asked to, and puts it back. */
void device_unplug(struct device *d);
void device_replug(struct device *d, const char *options);
/* Places the BARs and sets bus-master, as firmware does. */
void device_place(struct device *d);
/* Resets by the register and awaits that nothing is under way. */
void device_reset(struct device *d);

/* --- PCI configuration space --- */

#define PCI_DEVFN_CONFIG(bus, slot)	(0x80000000u | (bus) << 16 | (slot) << 11)

uint32_t pci_read(struct device *d, uint32_t config, unsigned int offset);
void pci_write(struct device *d, uint32_t config, unsigned int offset, uint32_t value);
unsigned int pci_capability(struct device *d, uint32_t config, unsigned int id);

/* --- registers --- */

uint64_t reg_read(struct device *d, uint32_t offset, unsigned int size);
void reg_write(struct device *d, uint32_t offset, unsigned int size, uint64_t value);

static inline uint32_t r32(struct device *d, uint32_t offset)
{
	return reg_read(d, offset, 4);
}

static inline uint64_t r64(struct device *d, uint32_t offset)
{
	return reg_read(d, offset, 8);
}

static inline void w32(struct device *d, uint32_t offset, uint32_t value)
{
	reg_write(d, offset, 4, value);
}

static inline void w64(struct device *d, uint32_t offset, uint64_t value)
{
	reg_write(d, offset, 8, value);
}

/* ERROR is @bits; clears them. */
void expect_error(struct device *d, uint32_t bits);

/* --- memory --- */

/* Zeroed RAM, aligned to its size rounded up to a power of two, 4 KiB at least. */
uint64_t ram_alloc(struct device *d, uint64_t bytes);
void *ram(struct device *d, uint64_t addr);

/* What another CPU, or the device, may write meanwhile. */
static inline uint32_t ram32(struct device *d, uint64_t addr)
{
	return __atomic_load_n((uint32_t *)ram(d, addr), __ATOMIC_ACQUIRE);
}

static inline uint64_t ram64(struct device *d, uint64_t addr)
{
	return __atomic_load_n((uint64_t *)ram(d, addr), __ATOMIC_ACQUIRE);
}

static inline void ram_set64(struct device *d, uint64_t addr, uint64_t value)
{
	__atomic_store_n((uint64_t *)ram(d, addr), value, __ATOMIC_RELEASE);
}

/* --- queues --- */

struct queue queue_open(struct device *d, uint32_t reg, unsigned int order);
/* The entry at software's index is there. */
bool queue_ready(struct device *d, const struct queue *q, size_t size);
/* Takes the next entry: awaits it, copies it, makes room. */
void queue_take(struct device *d, struct queue *q, void *entry, size_t size);

struct dmirage_fqe fault_take(struct device *d);
void fault_answer(struct device *d, const struct dmirage_fqe *fault, unsigned int code);
bool fault_ready(struct device *d);
struct dmirage_vqe violation_take(struct device *d);
bool violation_ready(struct device *d);

/* --- invalidation --- */

/* Writes a command without telling; and tells. */
void put_command(struct device *d, struct dmirage_cmd cmd);
void command(struct device *d, struct dmirage_cmd cmd);
void inv_range(struct device *d, unsigned int asid, uint64_t addr, uint64_t len);
void inv_asid(struct device *d, unsigned int asid);
/* Sends a WAIT and returns where its answer, 1, will be. */
uint64_t wait_send(struct device *d);
/* Sends a WAIT and awaits the answer. */
void wait_done(struct device *d);
void inv_global(struct device *d);
/* INV_BATCH of @n ranges. */
void inv_batch(struct device *d, unsigned int asid, const struct dmirage_range *range,
	       unsigned int n);
/* What is in the IOTLB now: @n entries in memory of the device's. */
const struct dmirage_tlbe *dump(struct device *d, unsigned int *n);
/* The entry for @va, or NULL. */
const struct dmirage_tlbe *dump_find(struct device *d, unsigned int asid, uint64_t va);
/* An AUDIT; sends it, its value is 1, and returns where its answer will be; awaits it. */
struct dmirage_cmd audit_cmd(struct device *d, unsigned int asid, uint64_t addr, uint64_t len,
			     unsigned int flags);
uint64_t audit_send(struct device *d, unsigned int asid, uint64_t addr, uint64_t len,
		    unsigned int flags);
struct dmirage_audit audit_take(struct device *d, uint64_t answer);

/* --- contexts --- */

/**
 * struct context - a context and its process
 * @ctl: what CTL is set to when it is enabled
 * @pt_root, @cpu_root: mirror table and page table
 * @sq_order, @cq_order: log2 of the entries of the rings at @sq and @cq
 * @tail: next descriptor, @head: next completion
 * @first_sq, @first_cq: what both begin with when it is enabled
 */
struct context {
	struct device *d;
	unsigned int asid;
	uint32_t ctl;
	uint64_t pt_root;
	uint64_t cpu_root;
	uint64_t sq;
	uint64_t cq;
	unsigned int sq_order;
	unsigned int cq_order;
	uint32_t tail;
	uint32_t head;
	uint32_t first_sq;
	uint32_t first_cq;
};

/* Memory for a context: 5 levels, rings of 64 entries, no oracle. */
struct context context_make(struct device *d, unsigned int asid);
/* Writes its registers and enables it. */
void context_enable(struct context *c);
void context_disable(struct context *c);
/* Both. */
struct context context_open(struct device *d, unsigned int asid);
/* SYNC_ADDR and SYNC_LEN. */
void sync_range(struct context *c, uint64_t addr, uint64_t len);
/* HOLD and HOLD_LIMIT; awaits that a point was come to, after it was armed alone. */
void hold(struct context *c, uint32_t points);
void hold_limit(struct context *c, uint32_t ms);
void hold_await(struct context *c);
/* Of another mode; @ctl: DMIRAGE_CTL_MODE_*, also with DMIRAGE_CTL_ORACLE. */
struct context context_open_mode(struct device *d, unsigned int asid, uint32_t ctl);
/* With the oracle. */
struct context context_open_checked(struct device *d, unsigned int asid);

/* STATUS but for ACTIVE and ARMED; where it waits, the operation must be ACTIVE. */
uint32_t ctx_status(struct context *c);
/* These bits of STATUS. */
bool ctx_active(struct context *c);
bool ctx_armed(struct context *c);
uint64_t counter(struct context *c, enum dmirage_ctx_counter n);

/* The address of the entry for @va at @level, with the tables above it made. */
uint64_t mirror_entry(struct context *c, uint64_t va, unsigned int level);
uint64_t cpu_entry(struct context *c, uint64_t va, unsigned int level);
/* Maps a page; @flags: DMIRAGE_PTE_WRITE or 0, X86_RW or X86_RO. */
void mirror_map(struct context *c, uint64_t va, uint64_t pa, unsigned int order, uint64_t flags);
void cpu_map(struct context *c, uint64_t va, uint64_t pa, unsigned int order, uint64_t flags);
/* New memory of @bytes at @va in the tables that count, writable; its address. */
uint64_t map_new(struct context *c, uint64_t va, uint64_t bytes, unsigned int order);

/* --- operations --- */

static inline struct dmirage_sqe op_nop(void)
{
	return (struct dmirage_sqe){ .opcode = DMIRAGE_OP_NOP };
}

static inline struct dmirage_sqe op_copy(uint64_t dst, uint64_t src, uint64_t len)
{
	return (struct dmirage_sqe){
		.opcode = DMIRAGE_OP_COPY, .src = src, .dst = dst, .len = len
	};
}

static inline struct dmirage_sqe op_fill(uint64_t dst, uint64_t len, uint64_t imm)
{
	return (struct dmirage_sqe){
		.opcode = DMIRAGE_OP_FILL, .dst = dst, .len = len, .imm = imm
	};
}

static inline struct dmirage_sqe op_read(uint64_t src, uint64_t len)
{
	return (struct dmirage_sqe){ .opcode = DMIRAGE_OP_READ_IMM, .src = src, .len = len };
}

static inline struct dmirage_sqe op_write(uint64_t dst, uint64_t len, uint64_t imm)
{
	return (struct dmirage_sqe){
		.opcode = DMIRAGE_OP_WRITE_IMM, .dst = dst, .len = len, .imm = imm
	};
}

static inline struct dmirage_sqe op_cas(uint64_t dst, uint64_t len, uint64_t compare,
					uint64_t imm)
{
	return (struct dmirage_sqe){
		.opcode = DMIRAGE_OP_CAS, .dst = dst, .len = len, .imm = imm, .compare = compare
	};
}

static inline struct dmirage_sqe op_add(uint64_t dst, uint64_t len, uint64_t imm)
{
	return (struct dmirage_sqe){
		.opcode = DMIRAGE_OP_FETCH_ADD, .dst = dst, .len = len, .imm = imm
	};
}

static inline struct dmirage_sqe op_crc(uint64_t src, uint64_t len)
{
	return (struct dmirage_sqe){ .opcode = DMIRAGE_OP_CRC32C, .src = src, .len = len };
}

static inline struct dmirage_sqe op_touch_read(uint64_t src, uint64_t len)
{
	return (struct dmirage_sqe){ .opcode = DMIRAGE_OP_TOUCH_READ, .src = src, .len = len };
}

static inline struct dmirage_sqe op_touch_write(uint64_t dst, uint64_t len)
{
	return (struct dmirage_sqe){ .opcode = DMIRAGE_OP_TOUCH_WRITE, .dst = dst, .len = len };
}

/* The next descriptor goes on with it. */
static inline struct dmirage_sqe chained(struct dmirage_sqe sqe)
{
	sqe.flags |= DMIRAGE_SQE_CHAIN;
	return sqe;
}

/* Writes a descriptor without telling, tells of all that were written. */
void put_sqe(struct context *c, struct dmirage_sqe sqe);
void ring(struct context *c);
/* Both; the cookie is the descriptor's index unless it has one. */
void submit(struct context *c, struct dmirage_sqe sqe);
bool cqe_ready(struct context *c);
/* Awaits the next completion and takes it. */
struct dmirage_cqe cqe_take(struct context *c);
/* And it is as said. */
void expect_cqe(struct context *c, enum dmirage_status status, unsigned int detail,
		uint64_t addr, uint64_t result);
/* submit() and cqe_take(). */
struct dmirage_cqe run(struct context *c, struct dmirage_sqe sqe);
/* And it is OK; returns the result. */
uint64_t run_ok(struct context *c, struct dmirage_sqe sqe);
/* And it ends with @status, @detail, at @addr, with @done bytes. */
void run_error(struct context *c, struct dmirage_sqe sqe, enum dmirage_status status,
	       unsigned int detail, uint64_t addr, uint64_t done);

#endif
