/* SPDX-License-Identifier: GPL-2.0 */
/* The device behind an IOMMU: off, passing through, and translating. */
#include "device.h"

#include <string.h>

#define VA	0x0101100000000ull

/* Intel VT-d, as QEMU has it. */
#define VTD		0xfed90000ull
#define VTD_GCMD	0x18
#define VTD_GSTS	0x1c
#define VTD_RTADDR	0x20
#define VTD_SRTP	(1u << 30)
#define VTD_TE		(1u << 31)

#define SL_READ_WRITE	3ull
#define SL_LARGE	(1ull << 7)

#define DEVFN		(4 << 3)

/* This GiB of DMA addresses leads to another one of memory. */
#define MOVED_DMA	0x180000000ull
#define MOVED_PHYS	0x140000000ull

/* What a driver does first; where the memory of its tables is does not matter. */
static void use(struct device *d, uint64_t dma, uint64_t phys)
{
	struct context c = context_open_checked(d, 9);
	struct dmirage_fqe e;
	uint64_t fresh = phys + PAGE_4K;

	submit(&c, op_write(VA, 8, 0x900d));
	e = fault_take(d);
	g_assert_cmphex(e.addr, ==, VA);
	mirror_map(&c, VA, dma, ORDER_4K, DMIRAGE_PTE_WRITE);
	cpu_map(&c, VA, phys, ORDER_4K, X86_RW);
	fault_answer(d, &e, DMIRAGE_RESP_RETRY);
	expect_cqe(&c, DMIRAGE_ST_OK, 0, 0, 8);
	g_assert_cmphex(ram64(d, phys), ==, 0x900d);
	wait_for(ram32(d, d->irq) == 1);
	g_assert_cmphex(run_ok(&c, op_add(VA, 8, 1)), ==, 0x900d);
	g_assert_cmphex(ram64(d, phys), ==, 0x900e);
	g_assert_cmpuint(audit_take(d, audit_send(d, 9, 0, ~0ull, 0)).violations, ==, 0);
	g_assert_false(violation_ready(d));
	/* The frame counts, and not the address by which it is reached. */
	cpu_map(&c, VA, fresh, ORDER_4K, X86_RW);
	run_ok(&c, op_write(VA, 8, 1));
	g_assert_cmpuint(violation_take(d).kind, ==, DMIRAGE_VIOL_FRAME);
	g_assert_cmpuint(audit_take(d, audit_send(d, 9, 0, ~0ull, 0)).violations, ==, 2);
	violation_take(d);
	violation_take(d);
	inv_range(d, 9, VA, 1);
	wait_done(d);
	sync_range(&c, VA, 1);
	mirror_map(&c, VA, dma + PAGE_4K, ORDER_4K, DMIRAGE_PTE_WRITE);
	run_ok(&c, op_fill(VA, PAGE_4K, 0x1eaf));
	g_assert_cmphex(ram64(d, fresh), ==, 0x1eaf);
	g_assert_false(violation_ready(d));
	expect_error(d, 0);
	context_disable(&c);
}

static void test_off(void)
{
	struct device *d = device_open_with("intel-iommu", NULL);

	device_setup(d);
	use(d, 0x110000000, 0x110000000);
	device_close(d);
}

/* Root and context table for all devices of bus 0, with this entry. */
static void turn_on(struct device *d, uint64_t low, uint64_t high)
{
	uint64_t root = ram_alloc(d, PAGE_4K), contexts = ram_alloc(d, PAGE_4K);

	ram_set64(d, root, contexts | 1);
	ram_set64(d, contexts + DEVFN * 16, low);
	ram_set64(d, contexts + DEVFN * 16 + 8, high);
	qtest_write(d->q, VTD + VTD_RTADDR, 8, root);
	qtest_write(d->q, VTD + VTD_GCMD, 4, VTD_SRTP);
	qtest_write(d->q, VTD + VTD_GCMD, 4, VTD_TE);
	g_assert_cmphex(qtest_read(d->q, VTD + VTD_GSTS, 4) & VTD_TE, ==, VTD_TE);
}

#define PASS_THROUGH	(2 << 2)
#define WIDTH_39	1
#define DOMAIN(n)	((n) << 8)

static void test_pass_through(void)
{
	struct device *d = device_open_with("intel-iommu", NULL);

	turn_on(d, PASS_THROUGH | 1, DOMAIN(1) | WIDTH_39);
	device_setup(d);
	use(d, 0x110000000, 0x110000000);
	device_close(d);
}

/* All as it is, but for one GiB; and one page that is for reading only. */
static struct device *open_translating(const char *options)
{
	struct device *d = device_open_with("intel-iommu", options);
	uint64_t table = ram_alloc(d, PAGE_4K);

	for (uint64_t i = 0; i < 6; i++)
		ram_set64(d, table + 8 * i, i * PAGE_1G | SL_LARGE | SL_READ_WRITE);
	ram_set64(d, table + 8 * (MOVED_DMA / PAGE_1G), MOVED_PHYS | SL_LARGE | SL_READ_WRITE);
	ram_set64(d, table + 8 * 7, MOVED_PHYS | SL_LARGE | 1);
	turn_on(d, table | 1, DOMAIN(1) | WIDTH_39);
	device_setup(d);
	return d;
}

static void test_translating(void)
{
	const char *const engines[] = { NULL, "engines=0", "engines=4" };

	for (unsigned int i = 0; i < G_N_ELEMENTS(engines); i++) {
		struct device *d = open_translating(engines[i]);

		use(d, MOVED_DMA + 8 * PAGE_2M, MOVED_PHYS + 8 * PAGE_2M);
		device_close(d);
	}
}

/* Rings, tables and queues go through it as well. */
static void test_everything(void)
{
	struct device *d = open_translating(NULL);
	struct context c;
	uint64_t pa;

	/* Memory of the GiB, and the device is told of the other address. */
	d->free = MOVED_PHYS + 64 * PAGE_2M;
	c = context_make(d, 3);
	pa = map_new(&c, VA, 4 * PAGE_4K, ORDER_4K);
	w64(d, CTX(3, DMIRAGE_CTX_PT_ROOT), c.pt_root + MOVED_DMA - MOVED_PHYS);
	w64(d, CTX(3, DMIRAGE_CTX_SQ_BASE), c.sq + MOVED_DMA - MOVED_PHYS);
	w64(d, CTX(3, DMIRAGE_CTX_CQ_BASE), c.cq + MOVED_DMA - MOVED_PHYS);
	w32(d, CTX(3, DMIRAGE_CTX_RINGS), c.sq_order | c.cq_order << 8);
	w32(d, CTX(3, DMIRAGE_CTX_CTL), c.ctl);
	run_ok(&c, op_fill(VA, 4 * PAGE_4K, 0x77));
	for (uint64_t at = 0; at < 4 * PAGE_4K; at += 8)
		g_assert_cmphex(ram64(d, pa + at), ==, 0x77);
	run_ok(&c, op_copy(VA, VA + PAGE_4K + 3, 2 * PAGE_4K));
	device_close(d);
}

/* What it does not let through is no memory. */
static void test_blocked(void)
{
	struct device *d = open_translating(NULL);
	struct context c = context_open(d, 4);
	const uint64_t read_only = 7 * PAGE_1G, blocked = 9 * PAGE_1G;

	mirror_map(&c, VA, blocked, ORDER_4K, DMIRAGE_PTE_WRITE);
	mirror_map(&c, VA + PAGE_4K, read_only, ORDER_4K, DMIRAGE_PTE_WRITE);
	run_error(&c, op_read(VA, 8), DMIRAGE_ST_DMA_ERROR, 0, VA, 0);
	run_error(&c, op_write(VA, 8, 1), DMIRAGE_ST_DMA_ERROR, 0, VA, 0);
	g_assert_cmphex(run_ok(&c, op_read(VA + PAGE_4K, 8)), ==, ram64(d, MOVED_PHYS));
	run_error(&c, op_write(VA + PAGE_4K, 8, 1), DMIRAGE_ST_DMA_ERROR, 0, VA + PAGE_4K, 0);
	ram_set64(d, mirror_entry(&c, VA + PAGE_1G, 2), blocked | DMIRAGE_PTE_VALID);
	run_error(&c, op_read(VA + PAGE_1G, 8), DMIRAGE_ST_TABLE_ERROR, 1, VA + PAGE_1G, 0);
	run_ok(&c, op_nop());
	device_close(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/iommu/off", test_off);
	g_test_add_func("/iommu/pass-through", test_pass_through);
	g_test_add_func("/iommu/translating", test_translating);
	g_test_add_func("/iommu/everything", test_everything);
	g_test_add_func("/iommu/blocked", test_blocked);
	return g_test_run();
}
