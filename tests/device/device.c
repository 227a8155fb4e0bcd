/* SPDX-License-Identifier: GPL-2.0 */
/* The fixture.  See device.h. */
#include "device.h"

#include <stdlib.h>
#include <string.h>

#define SLOT		4
#define BAR0_ADDR	0xe0000000u
#define BAR2_ADDR	0xe0100000u

#define PCI_COMMAND	0x04
#define PCI_BAR(n)	(0x10 + 4 * (n))
#define PCI_BUSES	0x18
#define PCI_WINDOW	0x20
#define PCI_CAPABILITIES	0x34
#define PCI_CAP_MSIX	0x11
#define MSIX_ENABLE	(1u << 31)

/* --- PCI configuration space ------------------------------------------------ */

uint32_t pci_read(struct device *d, uint32_t config, unsigned int offset)
{
	qtest_port_write(d->q, 0xcf8, config | offset);
	return qtest_port_read(d->q, 0xcfc);
}

void pci_write(struct device *d, uint32_t config, unsigned int offset, uint32_t value)
{
	qtest_port_write(d->q, 0xcf8, config | offset);
	qtest_port_write(d->q, 0xcfc, value);
}

unsigned int pci_capability(struct device *d, uint32_t config, unsigned int id)
{
	unsigned int at = pci_read(d, config, PCI_CAPABILITIES) & 0xfc;

	for (unsigned int i = 0; at && i < 48; i++) {
		uint32_t header = pci_read(d, config, at);

		if ((header & 0xff) == id)
			return at;
		at = (header >> 8) & 0xfc;
	}
	return 0;
}

/* --- life -------------------------------------------------------------------- */

void device_place(struct device *d)
{
	if (d->port) {
		pci_write(d, d->port, PCI_BUSES, 0x00010100);
		pci_write(d, d->port, PCI_WINDOW,
			  (BAR2_ADDR & 0xfff00000) | (BAR0_ADDR & 0xfff00000) >> 16);
		pci_write(d, d->port, PCI_COMMAND, 6);
	}
	pci_write(d, d->config, PCI_BAR(0), d->bar0);
	pci_write(d, d->config, PCI_BAR(1), d->bar0 >> 32);
	pci_write(d, d->config, PCI_BAR(2), d->bar2);
	/* Memory space and bus master. */
	pci_write(d, d->config, PCI_COMMAND, 6);
}

static struct device *open_at(const char *const *args, uint32_t config, uint32_t port)
{
	struct device *d = g_new0(struct device, 1);

	d->q = qtest_start(args);
	d->config = config;
	d->port = port;
	d->bar0 = BAR0_ADDR;
	d->bar2 = BAR2_ADDR;
	d->free = RAM_HIGH;
	device_place(d);
	/* Time 0 is when nothing happens. */
	qtest_step(d->q, 1000);
	return d;
}

/* $ENGINES runs a whole program with another number of engines. */
char *device_options(const char *before, const char *options)
{
	const char *engines = getenv("ENGINES");
	bool set = engines && *engines && !(options && strstr(options, "engines="));

	return g_strconcat(before, options && *options ? "," : "", options ? options : "",
			   set ? ",engines=" : "", set ? engines : "", NULL);
}

struct device *device_open_with(const char *first, const char *options)
{
	char *before = g_strdup_printf("dmirage,id=dmirage,addr=%d", SLOT);
	char *device = device_options(before, options);
	const char *args[] = { "-device", first ? first : device, first ? "-device" : NULL, device,
			       NULL };
	struct device *d = open_at(args, PCI_DEVFN_CONFIG(0, SLOT), 0);

	g_free(device);
	g_free(before);
	return d;
}

struct device *device_open_bare(const char *options)
{
	return device_open_with(NULL, options);
}

/* --- behind a root port --- */

#define PCI_CAP_EXP	0x10
#define EXP_SLOT_CONTROL	0x18	/* from the capability on; status above it */
#define SLOT_POWER_INDICATOR	(3u << 8)
#define SLOT_POWER_OFF		(1u << 10)
#define SLOT_INDICATOR_ON	(1u << 8)
#define SLOT_INDICATOR_OFF	(3u << 8)
#define SLOT_STATUS_BUTTON	(1u << 16)

struct device *device_open_port(const char *options)
{
	char *device = device_options("dmirage,id=dmirage,bus=rootport", options);
	/* The slot's own registers are to do it, not ACPI's. */
	const char *const args[] = {
		"-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
		"-device", "pcie-root-port,id=rootport,chassis=1,addr=5", "-device", device, NULL
	};
	struct device *d = open_at(args, PCI_DEVFN_CONFIG(1, 0), PCI_DEVFN_CONFIG(0, 5));

	g_free(device);
	return d;
}

static void slot_control(struct device *d, uint32_t set)
{
	unsigned int at = pci_capability(d, d->port, PCI_CAP_EXP) + EXP_SLOT_CONTROL;
	uint32_t value = pci_read(d, d->port, at) & 0xffff;

	value &= ~(SLOT_POWER_INDICATOR | SLOT_POWER_OFF);
	/* The status above is cleared by ones: of the button. */
	pci_write(d, d->port, at, value | set | SLOT_STATUS_BUTTON);
}

void device_unplug(struct device *d)
{
	unsigned int at = pci_capability(d, d->port, PCI_CAP_EXP) + EXP_SLOT_CONTROL;

	qtest_qmp_ok(d->q, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"dmirage\"}}\n");
	/* To the guest it is as if somebody had pressed the slot's button. */
	wait_for(pci_read(d, d->port, at) & SLOT_STATUS_BUTTON);
	slot_control(d, SLOT_INDICATOR_OFF | SLOT_POWER_OFF);
	qtest_qmp_event(d->q, "DEVICE_DELETED");
}

void device_replug(struct device *d, const char *options)
{
	char *add = g_strdup_printf("{\"execute\":\"device_add\",\"arguments\":{"
				    "\"driver\":\"dmirage\",\"id\":\"dmirage\","
				    "\"bus\":\"rootport\"%s}}\n",
				    options);

	qtest_qmp_ok(d->q, add);
	g_free(add);
	slot_control(d, SLOT_INDICATOR_ON);
	device_place(d);
}

/* --- set-up --- */

void device_setup(struct device *d)
{
	unsigned int msix = pci_capability(d, d->config, PCI_CAP_MSIX);

	d->irq = ram_alloc(d, PAGE_4K);
	for (unsigned int v = 0; v < DMIRAGE_VECTORS; v++) {
		uint64_t addr = d->irq + 4 * v;

		qtest_write(d->q, d->bar2 + 16 * v, 4, (uint32_t)addr);
		qtest_write(d->q, d->bar2 + 16 * v + 4, 4, addr >> 32);
		qtest_write(d->q, d->bar2 + 16 * v + 8, 4, 1);
		qtest_write(d->q, d->bar2 + 16 * v + 12, 4, 0);
	}
	pci_write(d, d->config, msix, pci_read(d, d->config, msix) | MSIX_ENABLE);
	d->fq = queue_open(d, DMIRAGE_REG_FQ, 6);
	d->vq = queue_open(d, DMIRAGE_REG_VQ, 6);
	d->iq = queue_open(d, DMIRAGE_REG_IQ, 8);
}

struct device *device_open(const char *options)
{
	struct device *d = device_open_bare(options);

	device_setup(d);
	return d;
}

void device_close(struct device *d)
{
	qtest_end(d->q);
	g_free(d);
}

void device_reset(struct device *d)
{
	w32(d, DMIRAGE_REG_RESET, DMIRAGE_RESET_KEY);
	wait_for(!(r32(d, DMIRAGE_REG_STATUS) & DMIRAGE_STATUS_BUSY));
}

/* --- registers ----------------------------------------------------------------- */

uint64_t reg_read(struct device *d, uint32_t offset, unsigned int size)
{
	return qtest_read(d->q, d->bar0 + offset, size);
}

void reg_write(struct device *d, uint32_t offset, unsigned int size, uint64_t value)
{
	qtest_write(d->q, d->bar0 + offset, size, value);
}

void expect_error(struct device *d, uint32_t bits)
{
	g_assert_cmphex(r32(d, DMIRAGE_REG_ERROR), ==, bits);
	w32(d, DMIRAGE_REG_ERROR, bits);
}

/* --- memory --------------------------------------------------------------------- */

uint64_t ram_alloc(struct device *d, uint64_t bytes)
{
	uint64_t align = PAGE_4K, addr;

	while (align < bytes)
		align *= 2;
	addr = (d->free + align - 1) & ~(align - 1);
	d->free = addr + bytes;
	g_assert_cmphex(d->free, <=, RAM_HIGH + RAM_BYTES - RAM_LOW_BYTES);
	return addr;
}

void *ram(struct device *d, uint64_t addr)
{
	return qtest_ram(d->q, addr);
}

/* --- queues ------------------------------------------------------------------------ */

struct queue queue_open(struct device *d, uint32_t reg, unsigned int order)
{
	/* Room for the largest entries. */
	struct queue q = {
		.reg = reg,
		.base = ram_alloc(d, sizeof(struct dmirage_vqe) << order),
		.order = order,
	};

	w32(d, reg + DMIRAGE_Q_CONFIG, 0);
	w64(d, reg + DMIRAGE_Q_BASE, q.base);
	w32(d, reg + DMIRAGE_Q_CONFIG, DMIRAGE_Q_ENABLE | order);
	return q;
}

static uint64_t slot(const struct queue *q, size_t size)
{
	return q->base + (q->index & ((1u << q->order) - 1)) * size;
}

bool queue_ready(struct device *d, const struct queue *q, size_t size)
{
	return ram32(d, slot(q, size) + size - 4) == q->index + 1;
}

void queue_take(struct device *d, struct queue *q, void *entry, size_t size)
{
	wait_for(queue_ready(d, q, size));
	memcpy(entry, ram(d, slot(q, size)), size);
	q->index++;
	w32(d, q->reg + DMIRAGE_Q_HEAD, q->index);
}

bool fault_ready(struct device *d)
{
	return queue_ready(d, &d->fq, sizeof(struct dmirage_fqe));
}

struct dmirage_fqe fault_take(struct device *d)
{
	struct dmirage_fqe e;

	queue_take(d, &d->fq, &e, sizeof(e));
	return e;
}

void fault_answer(struct device *d, const struct dmirage_fqe *fault, unsigned int code)
{
	w64(d, DMIRAGE_REG_FAULT_RESP,
	    (uint64_t)fault->tag << 32 | (uint64_t)code << 16 | fault->asid);
}

bool violation_ready(struct device *d)
{
	return queue_ready(d, &d->vq, sizeof(struct dmirage_vqe));
}

struct dmirage_vqe violation_take(struct device *d)
{
	struct dmirage_vqe e;

	queue_take(d, &d->vq, &e, sizeof(e));
	return e;
}

/* --- invalidation -------------------------------------------------------------------- */

void put_command(struct device *d, struct dmirage_cmd cmd)
{
	memcpy(ram(d, slot(&d->iq, sizeof(cmd))), &cmd, sizeof(cmd));
	d->iq.index++;
}

void command(struct device *d, struct dmirage_cmd cmd)
{
	put_command(d, cmd);
	w32(d, IQ(DMIRAGE_Q_TAIL), d->iq.index);
}

void inv_range(struct device *d, unsigned int asid, uint64_t addr, uint64_t len)
{
	command(d, (struct dmirage_cmd){
			   .opcode = DMIRAGE_CMD_INV_RANGE,
			   .asid = asid,
			   .addr = addr,
			   .len = len,
		   });
}

void inv_asid(struct device *d, unsigned int asid)
{
	command(d, (struct dmirage_cmd){ .opcode = DMIRAGE_CMD_INV_ASID, .asid = asid });
}

uint64_t wait_send(struct device *d)
{
	uint64_t status = ram_alloc(d, PAGE_4K);

	command(d, (struct dmirage_cmd){
			   .opcode = DMIRAGE_CMD_WAIT,
			   .value = 1,
			   .status_addr = status,
		   });
	return status;
}

void wait_done(struct device *d)
{
	uint64_t status = wait_send(d);

	wait_for(ram32(d, status) == 1);
}

void inv_global(struct device *d)
{
	command(d, (struct dmirage_cmd){ .opcode = DMIRAGE_CMD_INV_GLOBAL });
}

void inv_batch(struct device *d, unsigned int asid, const struct dmirage_range *range,
	       unsigned int n)
{
	uint64_t addr = ram_alloc(d, PAGE_4K);

	memcpy(ram(d, addr), range, n * sizeof(*range));
	command(d, (struct dmirage_cmd){
			   .opcode = DMIRAGE_CMD_INV_BATCH, .asid = asid, .addr = addr, .len = n });
}

const struct dmirage_tlbe *dump(struct device *d, unsigned int *n)
{
	uint64_t bytes = r32(d, DMIRAGE_REG_IOTLB_ENTRIES) * sizeof(struct dmirage_tlbe);
	uint64_t addr = ram_alloc(d, bytes), status = ram_alloc(d, PAGE_4K);

	ram_set64(d, status, ~0ull);
	command(d, (struct dmirage_cmd){ .opcode = DMIRAGE_CMD_DUMP,
					 .addr = addr,
					 .len = bytes,
					 .status_addr = status });
	*n = ram32(d, status);
	g_assert_cmpuint(*n * sizeof(struct dmirage_tlbe), <=, bytes);
	return ram(d, addr);
}

const struct dmirage_tlbe *dump_find(struct device *d, unsigned int asid, uint64_t va)
{
	unsigned int n;
	const struct dmirage_tlbe *e = dump(d, &n);

	for (unsigned int i = 0; i < n; i++)
		if (e[i].asid == asid && va - e[i].va < 1ull << e[i].order)
			return &e[i];
	return NULL;
}

struct dmirage_cmd audit_cmd(struct device *d, unsigned int asid, uint64_t addr, uint64_t len,
			     unsigned int flags)
{
	return (struct dmirage_cmd){ .opcode = DMIRAGE_CMD_AUDIT,
				     .flags = flags,
				     .asid = asid,
				     .value = 1,
				     .addr = addr,
				     .len = len,
				     .status_addr = ram_alloc(d, PAGE_4K) };
}

uint64_t audit_send(struct device *d, unsigned int asid, uint64_t addr, uint64_t len,
		    unsigned int flags)
{
	struct dmirage_cmd cmd = audit_cmd(d, asid, addr, len, flags);

	ram_set64(d, cmd.status_addr + 8, 0);
	command(d, cmd);
	return cmd.status_addr;
}

struct dmirage_audit audit_take(struct device *d, uint64_t answer)
{
	struct dmirage_audit a;

	wait_for(ram32(d, answer + offsetof(struct dmirage_audit, value)) == 1);
	memcpy(&a, ram(d, answer), sizeof(a));
	return a;
}

/* --- contexts ---------------------------------------------------------------------------- */

struct context context_make(struct device *d, unsigned int asid)
{
	const unsigned int order = 6;

	return (struct context){
		.d = d,
		.asid = asid,
		.ctl = DMIRAGE_CTL_ENABLE | DMIRAGE_CTL_PT_LEVELS(5),
		.pt_root = ram_alloc(d, PAGE_4K),
		.cpu_root = ram_alloc(d, PAGE_4K),
		.sq = ram_alloc(d, sizeof(struct dmirage_sqe) << DMIRAGE_RING_ORDER_MAX),
		.cq = ram_alloc(d, sizeof(struct dmirage_cqe) << DMIRAGE_RING_ORDER_MAX),
		.sq_order = order,
		.cq_order = order,
	};
}

void context_enable(struct context *c)
{
	struct device *d = c->d;

	w64(d, CTX(c->asid, DMIRAGE_CTX_PT_ROOT), c->pt_root);
	w64(d, CTX(c->asid, DMIRAGE_CTX_CPU_ROOT), c->cpu_root);
	w64(d, CTX(c->asid, DMIRAGE_CTX_SQ_BASE), c->sq);
	w64(d, CTX(c->asid, DMIRAGE_CTX_CQ_BASE), c->cq);
	w32(d, CTX(c->asid, DMIRAGE_CTX_RINGS), c->sq_order | c->cq_order << 8);
	/* What an earlier life left there would look new; so would 0 at index ~0. */
	memset(ram(d, c->cq), c->first_cq ? 0x5a : 0, sizeof(struct dmirage_cqe) << c->cq_order);
	c->tail = c->first_sq;
	c->head = c->first_cq;
	w32(d, CTX(c->asid, DMIRAGE_CTX_SQ_HEAD), c->tail);
	w32(d, CTX(c->asid, DMIRAGE_CTX_SQ_TAIL), c->tail);
	w32(d, CTX(c->asid, DMIRAGE_CTX_CQ_HEAD), c->head);
	w32(d, CTX(c->asid, DMIRAGE_CTX_CQ_TAIL), c->head);
	w32(d, CTX(c->asid, DMIRAGE_CTX_CTL), c->ctl);
	g_assert_cmphex(r32(d, CTX(c->asid, DMIRAGE_CTX_CTL)), ==, c->ctl);
}

void context_disable(struct context *c)
{
	w32(c->d, CTX(c->asid, DMIRAGE_CTX_CTL), 0);
	wait_for(!(r32(c->d, DMIRAGE_REG_STATUS) & DMIRAGE_STATUS_BUSY));
}

struct context context_open(struct device *d, unsigned int asid)
{
	struct context c = context_make(d, asid);

	context_enable(&c);
	return c;
}

struct context context_open_checked(struct device *d, unsigned int asid)
{
	struct context c = context_make(d, asid);

	c.ctl |= DMIRAGE_CTL_ORACLE | DMIRAGE_CTL_CPU_LEVELS(5);
	context_enable(&c);
	return c;
}

struct context context_open_mode(struct device *d, unsigned int asid, uint32_t ctl)
{
	struct context c = context_make(d, asid);

	c.ctl |= ctl | DMIRAGE_CTL_CPU_LEVELS(5);
	context_enable(&c);
	return c;
}

void sync_range(struct context *c, uint64_t addr, uint64_t len)
{
	w64(c->d, CTX(c->asid, DMIRAGE_CTX_SYNC_ADDR), addr);
	w64(c->d, CTX(c->asid, DMIRAGE_CTX_SYNC_LEN), len);
}

void hold(struct context *c, uint32_t points)
{
	w32(c->d, CTX(c->asid, DMIRAGE_CTX_HOLD), points);
}

void hold_limit(struct context *c, uint32_t ms)
{
	w32(c->d, CTX(c->asid, DMIRAGE_CTX_HOLD_LIMIT), ms);
}

void hold_await(struct context *c)
{
	wait_for(!r32(c->d, CTX(c->asid, DMIRAGE_CTX_HOLD)));
}

static uint32_t whole_status(struct context *c)
{
	return r32(c->d, CTX(c->asid, DMIRAGE_CTX_STATUS));
}

uint32_t ctx_status(struct context *c)
{
	uint32_t status = whole_status(c);

	if (status & (DMIRAGE_CTX_FAULT | DMIRAGE_CTX_HELD))
		g_assert_cmphex(status & DMIRAGE_CTX_ACTIVE, !=, 0);
	return status & ~(DMIRAGE_CTX_ACTIVE | DMIRAGE_CTX_ARMED);
}

bool ctx_active(struct context *c)
{
	return whole_status(c) & DMIRAGE_CTX_ACTIVE;
}

bool ctx_armed(struct context *c)
{
	return whole_status(c) & DMIRAGE_CTX_ARMED;
}

uint64_t counter(struct context *c, enum dmirage_ctx_counter n)
{
	return r64(c->d, CTX(c->asid, DMIRAGE_CTX_COUNTERS + 8 * n));
}

static uint64_t table_entry(struct device *d, uint64_t root, unsigned int levels, uint64_t va,
			    unsigned int level, uint64_t link)
{
	uint64_t table = root;

	for (unsigned int l = levels;; l--) {
		uint64_t entry = table + ((va >> (12 + 9 * (l - 1))) & 511) * 8;

		if (l == level)
			return entry;
		if (!ram64(d, entry))
			ram_set64(d, entry, ram_alloc(d, PAGE_4K) | link);
		table = ram64(d, entry) & DMIRAGE_PTE_ADDR;
	}
}

uint64_t mirror_entry(struct context *c, uint64_t va, unsigned int level)
{
	return table_entry(c->d, c->pt_root, DMIRAGE_CTL_PT_LEVELS_GET(c->ctl), va, level,
			   DMIRAGE_PTE_VALID);
}

uint64_t cpu_entry(struct context *c, uint64_t va, unsigned int level)
{
	return table_entry(c->d, c->cpu_root, DMIRAGE_CTL_CPU_LEVELS_GET(c->ctl), va, level,
			   X86_RW);
}

static unsigned int level_of(unsigned int order)
{
	return (order - ORDER_4K) / 9 + 1;
}

void mirror_map(struct context *c, uint64_t va, uint64_t pa, unsigned int order, uint64_t flags)
{
	uint64_t leaf = order == ORDER_4K ? 0 : DMIRAGE_PTE_LEAF;

	ram_set64(c->d, mirror_entry(c, va, level_of(order)),
		  pa | DMIRAGE_PTE_VALID | leaf | flags);
}

void cpu_map(struct context *c, uint64_t va, uint64_t pa, unsigned int order, uint64_t flags)
{
	uint64_t large = order == ORDER_4K ? 0 : X86_LARGE;

	ram_set64(c->d, cpu_entry(c, va, level_of(order)), pa | large | flags);
}

uint64_t map_new(struct context *c, uint64_t va, uint64_t bytes, unsigned int order)
{
	uint64_t page = 1ull << order;
	uint64_t pa = ram_alloc(c->d, (bytes + page - 1) & ~(page - 1));

	bool shared = (c->ctl & DMIRAGE_CTL_MODE_MASK) == DMIRAGE_CTL_MODE_SHARED;

	for (uint64_t at = 0; at < bytes; at += page) {
		if (!shared)
			mirror_map(c, va + at, pa + at, order, DMIRAGE_PTE_WRITE);
		if (shared || c->ctl & DMIRAGE_CTL_ORACLE)
			cpu_map(c, va + at, pa + at, order, X86_RW);
	}
	return pa;
}

/* --- operations ------------------------------------------------------------------------------ */

void put_sqe(struct context *c, struct dmirage_sqe sqe)
{
	struct dmirage_sqe *slots = ram(c->d, c->sq);

	if (!sqe.cookie)
		sqe.cookie = c->tail;
	slots[c->tail & ((1u << c->sq_order) - 1)] = sqe;
	c->tail++;
}

void ring(struct context *c)
{
	w32(c->d, DB(c->asid, DMIRAGE_DB_SQ_TAIL), c->tail);
}

void submit(struct context *c, struct dmirage_sqe sqe)
{
	put_sqe(c, sqe);
	ring(c);
}

static uint64_t cqe_slot(struct context *c)
{
	return c->cq + (c->head & ((1u << c->cq_order) - 1)) * sizeof(struct dmirage_cqe);
}

bool cqe_ready(struct context *c)
{
	return ram32(c->d, cqe_slot(c) + offsetof(struct dmirage_cqe, seq)) == c->head + 1;
}

struct dmirage_cqe cqe_take(struct context *c)
{
	struct dmirage_cqe cqe;

	wait_for(cqe_ready(c));
	memcpy(&cqe, ram(c->d, cqe_slot(c)), sizeof(cqe));
	c->head++;
	w32(c->d, DB(c->asid, DMIRAGE_DB_CQ_HEAD), c->head);
	return cqe;
}

void expect_cqe(struct context *c, enum dmirage_status status, unsigned int detail,
		uint64_t addr, uint64_t result)
{
	struct dmirage_cqe cqe = cqe_take(c);

	g_assert_cmpuint(cqe.status, ==, status);
	g_assert_cmpuint(cqe.detail, ==, detail);
	g_assert_cmphex(cqe.addr, ==, addr);
	g_assert_cmphex(cqe.result, ==, result);
}

struct dmirage_cqe run(struct context *c, struct dmirage_sqe sqe)
{
	struct dmirage_cqe cqe;
	uint64_t cookie = sqe.cookie ? sqe.cookie : c->tail;

	submit(c, sqe);
	cqe = cqe_take(c);
	g_assert_cmphex(cqe.cookie, ==, cookie);
	return cqe;
}

uint64_t run_ok(struct context *c, struct dmirage_sqe sqe)
{
	struct dmirage_cqe cqe = run(c, sqe);

	g_assert_cmpuint(cqe.status, ==, DMIRAGE_ST_OK);
	g_assert_cmpuint(cqe.detail, ==, 0);
	g_assert_cmphex(cqe.addr, ==, 0);
	return cqe.result;
}

void run_error(struct context *c, struct dmirage_sqe sqe, enum dmirage_status status,
	       unsigned int detail, uint64_t addr, uint64_t done)
{
	struct dmirage_cqe cqe = run(c, sqe);

	g_assert_cmpuint(cqe.status, ==, status);
	g_assert_cmpuint(cqe.detail, ==, detail);
	g_assert_cmphex(cqe.addr, ==, addr);
	g_assert_cmphex(cqe.result, ==, done);
}
