/* SPDX-License-Identifier: GPL-2.0 */
/* The device as a PCI Express function: identity, BARs, MSI-X, properties. */
#include "device.h"

#include <string.h>

#define VA		0x00bc1000000000ull

#define PCI_COMMAND	0x04
#define PCI_BAR(n)	(0x10 + 4 * (n))
#define CAP_EXP		0x10
#define CAP_MSIX	0x11
#define MSIX_ENABLE	(1u << 31)
#define MSIX_MASK_ALL	(1u << 30)
#define PENDING		0x800	/* of the MSI-X BAR */

/* The size of a BAR by the bits that can be set. */
static uint64_t bar_size(struct device *d, unsigned int n, bool wide)
{
	uint32_t low = pci_read(d, d->config, PCI_BAR(n));
	uint32_t high = wide ? pci_read(d, d->config, PCI_BAR(n + 1)) : ~0u;
	uint64_t mask;

	pci_write(d, d->config, PCI_BAR(n), ~0u);
	if (wide)
		pci_write(d, d->config, PCI_BAR(n + 1), ~0u);
	mask = pci_read(d, d->config, PCI_BAR(n)) & ~0xfu;
	mask |= (uint64_t)(wide ? pci_read(d, d->config, PCI_BAR(n + 1)) : ~0u) << 32;
	pci_write(d, d->config, PCI_BAR(n), low);
	if (wide)
		pci_write(d, d->config, PCI_BAR(n + 1), high);
	return ~mask + 1;
}

static void test_identity(void)
{
	struct device *d = device_open_bare(NULL);
	unsigned int msix = pci_capability(d, d->config, CAP_MSIX);
	unsigned int exp = pci_capability(d, d->config, CAP_EXP);

	g_assert_cmphex(pci_read(d, d->config, 0x00), ==, 0xd31a1234);
	g_assert_cmphex(pci_read(d, d->config, 0x08), ==, 0x12000001);
	/* No legacy interrupt; 64-bit memory, not prefetchable; 32-bit memory. */
	g_assert_cmphex(pci_read(d, d->config, 0x3c) >> 8, ==, 0);
	g_assert_cmphex(pci_read(d, d->config, PCI_BAR(0)) & 0xf, ==, 4);
	g_assert_cmphex(pci_read(d, d->config, PCI_BAR(2)) & 0xf, ==, 0);
	for (unsigned int n = 3; n < 6; n++)
		g_assert_cmphex(pci_read(d, d->config, PCI_BAR(n)), ==, 0);
	g_assert_cmphex(bar_size(d, 0, true), ==, 0x100000);
	g_assert_cmphex(bar_size(d, 2, false), ==, 0x1000);
	g_assert_cmpuint(exp, !=, 0);
	g_assert_cmpuint(msix, !=, 0);
	/* Four vectors, table and pending bits in BAR 2. */
	g_assert_cmphex(pci_read(d, d->config, msix) >> 16 & 0x7ff, ==, 3);
	g_assert_cmphex(pci_read(d, d->config, msix + 4), ==, 2);
	g_assert_cmphex(pci_read(d, d->config, msix + 8), ==, PENDING | 2);
	device_close(d);
}

/* The registers above 4 GiB, and gone while memory space is off. */
static void test_bar(void)
{
	struct device *d = device_open_bare(NULL);

	d->bar0 = 0x7000000000ull;
	device_place(d);
	g_assert_cmphex(r32(d, 0), ==, DMIRAGE_ID);
	g_assert_cmphex(qtest_read(d->q, 0xe0000000, 4), !=, DMIRAGE_ID);
	pci_write(d, d->config, PCI_COMMAND, 4);
	g_assert_cmphex(r32(d, 0), !=, DMIRAGE_ID);
	pci_write(d, d->config, PCI_COMMAND, 6);
	g_assert_cmphex(r32(d, 0), ==, DMIRAGE_ID);
	device_close(d);
}

/* Without bus-master nothing is read or written, and no message is sent. */
static void test_bus_master(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 0);
	uint64_t pa = map_new(&c, VA, PAGE_4K, ORDER_4K);

	run_ok(&c, op_write(VA, 8, 1));
	for (unsigned int i = 0; i < 2; i++) {
		/* Before the descriptor is read, or when all but the data is. */
		if (i)
			w32(d, CTX(0, DMIRAGE_CTX_HOLD), DMIRAGE_HOLD_TRANSLATED);
		else
			pci_write(d, d->config, PCI_COMMAND, 2);
		submit(&c, op_write(VA, 8, 2));
		if (i) {
			wait_for(ctx_status(&c) == DMIRAGE_CTX_HELD);
			pci_write(d, d->config, PCI_COMMAND, 2);
			w32(d, CTX(0, DMIRAGE_CTX_HOLD), DMIRAGE_HOLD_RELEASE);
		}
		wait_for(r32(d, CTX(0, DMIRAGE_CTX_ERROR)) == DMIRAGE_CTX_ERR_RING);
		pci_write(d, d->config, PCI_COMMAND, 6);
		g_assert_cmpuint(ram64(d, pa), ==, 1);
		g_assert_false(cqe_ready(&c));
		context_disable(&c);
		context_enable(&c);
	}
	run_ok(&c, op_write(VA, 8, 3));
	g_assert_cmpuint(ram64(d, pa), ==, 3);
	device_close(d);
}

/* Raises vector 0: a fault, which is answered. */
static void raise_fault(struct context *c)
{
	struct dmirage_fqe e;

	submit(c, op_read(VA + PAGE_2M, 8));
	e = fault_take(c->d);
	fault_answer(c->d, &e, 1);
	g_assert_cmpuint(cqe_take(c).status, ==, DMIRAGE_ST_FAULT);
}

/* A vector that is masked keeps its message until it is not. */
static void test_mask(void)
{
	struct device *d = device_open(NULL);
	struct context c = context_open(d, 0);
	unsigned int msix = pci_capability(d, d->config, CAP_MSIX);
	const uint64_t control = d->bar2 + 12, pending = d->bar2 + PENDING;

	raise_fault(&c);
	wait_for(ram32(d, d->irq) == 1);
	/* By the vector's own bit. */
	ram_set64(d, d->irq, 0);
	qtest_write(d->q, control, 4, 1);
	raise_fault(&c);
	wait_for(qtest_read(d->q, pending, 4) == 1);
	g_assert_cmpuint(ram32(d, d->irq), ==, 0);
	qtest_write(d->q, control, 4, 0);
	g_assert_cmpuint(ram32(d, d->irq), ==, 1);
	g_assert_cmphex(qtest_read(d->q, pending, 4), ==, 0);
	/* By the function's. */
	ram_set64(d, d->irq, 0);
	pci_write(d, d->config, msix, pci_read(d, d->config, msix) | MSIX_MASK_ALL);
	raise_fault(&c);
	wait_for(qtest_read(d->q, pending, 4) == 1);
	g_assert_cmpuint(ram32(d, d->irq), ==, 0);
	pci_write(d, d->config, msix, pci_read(d, d->config, msix) & ~MSIX_MASK_ALL);
	g_assert_cmpuint(ram32(d, d->irq), ==, 1);
	/* MSI-X off: none at all, not even later. */
	ram_set64(d, d->irq, 0);
	pci_write(d, d->config, msix, pci_read(d, d->config, msix) & ~MSIX_ENABLE);
	raise_fault(&c);
	expect_never(ram32(d, d->irq));
	device_close(d);
}

static void test_properties(void)
{
	static const struct {
		const char *options;
		const char *message;
	} bad[] = {
		{ "iotlb-entries=0", "powers of two" },
		{ "iotlb-entries=1000", "powers of two" },
		{ "iotlb-entries=131072", "no more than 65536" },
		{ "iotlb-ways=0", "powers of two" },
		{ "iotlb-ways=3", "powers of two" },
		{ "iotlb-entries=4,iotlb-ways=8", "no more ways than entries" },
		{ "iotlb-entries=-1", "iotlb-entries" },
		{ "iotlb-entries=131072,iotlb-ways=1", "no more than 65536" },
		{ "iotlb-replacement=mru", "must be one of lru, fifo, random" },
		{ "suspect-ms=0", "suspect-ms=0: must be from 1 to 10000" },
		{ "suspect-ms=10001", "suspect-ms=10001: must be from 1 to 10000" },
		{ "audit-ms=3600001", "audit-ms=3600001: must be from 0 to 3600000" },
		{ "engines=17", "engines=17: must be from 0 to 16" },
		{ "poll-us=1001", "poll-us=1001: must be from 0 to 1000" },
		{ "walk-cache=257", "walk-cache=257: must be from 0 to 256" },
		{ "prefetch=512", "prefetch=512: must be from 0 to 511" },
		{ "on-violation=cry", "must be one of log, stop, abort" },
		{ "oracle=perhaps", "oracle" },
		{ "watch=on", "watch=on needs TCG" },
		{ "watch=perhaps", "watch" },
		{ "iotlb-replacement=mru",
		  "iotlb-replacement=mru: must be one of lru, fifo, random" },
		{ "iotlb-replacement=", "must be one of lru, fifo, random" },
		{ "fracture=2", "fracture" },
		{ "walk-cache=257", "walk-cache=257: must be from 0 to 256" },
		{ "prefetch=512", "prefetch=512: must be from 0 to 511" },
		{ "engines=17", "engines=17: must be from 0 to 16" },
		{ "engines=-1", "engines" },
		{ "audit-ms=3600001", "audit-ms=3600001: must be from 0 to 3600000" },
		{ "on-violation=ignore", "on-violation=ignore: must be one of log, stop, abort" },
		{ "x-calibrate=maybe", "x-calibrate" },
		{ "x-mutant=some", "x-mutant" },
		{ "no-such-thing=1", "no-such-thing" },
	};
	/* What is read, and the bits of CAPS that a property has a say in. */
	static const struct {
		const char *options;
		uint32_t offset;
		uint32_t value;
	} good[] = {
		{ "iotlb-entries=65536", DMIRAGE_REG_IOTLB_ENTRIES, 65536 },
		{ "iotlb-entries=8,iotlb-ways=8", DMIRAGE_REG_IOTLB_WAYS, 8 },
		{ "walk-cache=256", DMIRAGE_REG_WALK_CACHE, 256 },
		{ "walk-cache=0", DMIRAGE_REG_WALK_CACHE, 0 },
		{ "prefetch=511", DMIRAGE_REG_PREFETCH, 511 },
		{ "engines=0", DMIRAGE_REG_ENGINES, 0 },
		{ "engines=16", DMIRAGE_REG_ENGINES, 16 },
		{ "oracle=off", DMIRAGE_REG_CAPS, 0xb000707 },
		{ "fracture=on", DMIRAGE_REG_CAPS, 0xb03070f },
		{ "x-calibrate=on", DMIRAGE_REG_CAPS, 0xf030707 },
		{ "suspect-ms=10000,audit-ms=3600000,iotlb-replacement=random,on-violation=log",
		  DMIRAGE_REG_CAPS, 0xb030707 },
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(bad); i++) {
		char *device = g_strdup_printf("dmirage,%s", bad[i].options);
		const char *args[] = { "-device", device, NULL };

		qtest_expect_refusal(args, bad[i].message);
		g_free(device);
	}
	for (unsigned int i = 0; i < G_N_ELEMENTS(good); i++) {
		struct device *d = device_open_bare(good[i].options);

		g_test_message("%s", good[i].options);
		g_assert_cmphex(r32(d, good[i].offset), ==, good[i].value);
		device_close(d);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/pci/identity", test_identity);
	g_test_add_func("/pci/bar", test_bar);
	g_test_add_func("/pci/bus-master", test_bus_master);
	g_test_add_func("/pci/mask", test_mask);
	g_test_add_func("/pci/properties", test_properties);
	return g_test_run();
}
