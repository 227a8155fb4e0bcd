// SPDX-License-Identifier: GPL-2.0
/*
 * The device on the bus, and what it and the driver say about themselves.
 */
#define _GNU_SOURCE
#include <stdio.h>

#include "common.h"

static void pci(int arg)
{
	struct probe_pci p;
	unsigned int i;
	bool regs = false, msix = false;

	(void)arg;
	ASSERT_PROBE(probe_pci_find(&p, 0));
	EXPECT_EQ(p.vendor, DMIRAGE_PCI_VENDOR);
	EXPECT_EQ(p.device, DMIRAGE_PCI_DEVICE);
	EXPECT_EQ(p.class, DMIRAGE_PCI_CLASS);
	EXPECT_EQ(p.revision, DMIRAGE_PCI_REVISION);
	EXPECT_EQ(p.msix, DMIRAGE_VECTORS);
	EXPECT(!strcmp(p.driver, "dmirage"));
	for (i = 0; i < p.bars; i++) {
		if (p.bar[i].number == DMIRAGE_BAR_REGS) {
			regs = true;
			EXPECT_EQ(p.bar[i].size, DMIRAGE_BAR_SIZE);
			EXPECT(p.bar[i].is64);
			EXPECT(!p.bar[i].io);
			EXPECT_NE(p.bar[i].addr, 0);
		} else if (p.bar[i].number == DMIRAGE_BAR_MSIX) {
			msix = true;
		}
	}
	EXPECT(regs);
	EXPECT(msix);
}

/* A register, by its name in the driver's debugfs. */
static u64 reg(const struct dmirage_info *info, const char *name)
{
	unsigned long long value;
	char path[128], found[32];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/debug/dmirage/%.31s/registers",
		 info->pci_name);
	f = fopen(path, "re");
	ASSERT(f);
	while (fscanf(f, "%31s %llx", found, &value) == 2) {
		if (!strcmp(found, name)) {
			fclose(f);
			return value;
		}
	}
	fclose(f);
	ktap_fail(__FILE__, __LINE__, "no register %s", name);
	ktap_end();
}

static u64 reg_of(const struct dmirage_info *info, const char *prefix,
		  const char *name)
{
	char whole[48];

	snprintf(whole, sizeof(whole), "%s%s", prefix, name);
	return reg(info, whole);
}

/* INFO against the registers themselves. */
static void registers(int arg)
{
	char name[16];
	struct dmirage *d = open_context();
	struct dmirage_info info = get_info(d);
	u64 error;

	(void)arg;
	EXPECT_EQ(reg(&info, "id"), DMIRAGE_ID);
	EXPECT_EQ(reg(&info, "version"), DMIRAGE_VERSION);
	EXPECT_EQ(reg(&info, "version"), info.hw_version);
	EXPECT_EQ(reg(&info, "caps"), info.caps);
	EXPECT_EQ(reg(&info, "contexts"), info.contexts);
	EXPECT_EQ(1ull << reg(&info, "ring_order"), info.ring_entries);
	EXPECT_EQ(reg(&info, "va_bits"), info.va_bits);
	EXPECT_EQ(1ull << reg(&info, "len_order"), info.len_max);
	EXPECT_EQ(reg(&info, "chunk"), info.chunk);
	EXPECT_EQ(reg(&info, "iotlb_entries"), info.iotlb_entries);
	EXPECT_EQ(reg(&info, "iotlb_ways"), info.iotlb_ways);
	EXPECT(reg(&info, "walk_cache") <= 256);
	EXPECT(reg(&info, "prefetch") < 512);
	EXPECT(reg(&info, "engines") <= 16);
	/* Of the context, by its number. */
	snprintf(name, sizeof(name), "ctx%u_", info.asid);
	EXPECT_EQ(reg_of(&info, name, "hold"), 0);
	EXPECT_EQ(reg_of(&info, name, "hold_limit"),
		  DMIRAGE_HOLD_LIMIT_DEFAULT);
	EXPECT_EQ(reg_of(&info, name, "sync_addr"), 0);
	EXPECT(reg_of(&info, name, "ctl") & DMIRAGE_CTL_ENABLE);
	/* What users do may be an error to the device; what the driver does, not. */
	error = reg(&info, "error");
	EXPECT(!(error & DMIRAGE_ERR_CONFIG));
	EXPECT(!(error & DMIRAGE_ERR_COMMAND));
	EXPECT(!(error & DMIRAGE_ERR_QUEUE));
}

static void capabilities(int arg)
{
	static const u64 must[] = {
		DMIRAGE_CAP_PAGE_4K,
		DMIRAGE_CAP_PAGE_2M,
		DMIRAGE_CAP_MIRROR,
		DMIRAGE_CAP_ORACLE_ACCESS,
		DMIRAGE_CAP_ORACLE_AUDIT,
		DMIRAGE_CAP_HOLD,
		DMIRAGE_CAP_CQ_EVENT,
	};
	struct dmirage *d = open_context();
	struct dmirage_info info = get_info(d);
	size_t i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(must); i++)
		EXPECT(info.caps & must[i]);
	EXPECT_EQ(info.contexts, DMIRAGE_CONTEXTS);
	EXPECT_EQ(info.ring_entries, 1u << DMIRAGE_RING_ORDER_MAX);
	EXPECT_EQ(info.len_max, DMIRAGE_LEN_MAX);
	EXPECT_EQ(info.va_bits, DMIRAGE_VA_BITS);
	EXPECT(info.chunk && info.chunk <= DMIRAGE_CHUNK);
	EXPECT(info.iotlb_ways && info.iotlb_entries % info.iotlb_ways == 0);
	for (i = 0; i < ARRAY_SIZE(info.reserved); i++)
		EXPECT_EQ(info.reserved[i], 0);
}

/* ASID and number of contexts follow what is opened and closed. */
static void contexts(int arg)
{
	struct dmirage_open_opts look = { .flags = DMIRAGE_OPEN_NO_CONTEXT };
	struct dmirage *looker, *a, *b;
	struct dmirage_info info;
	unsigned int used;

	(void)arg;
	ASSERT_OK(dmirage_open(NULL, &look, &looker));
	info = get_info(looker);
	EXPECT_EQ(info.asid, DMIRAGE_NO_ASID);
	used = info.contexts_used;
	a = open_context();
	b = open_context();
	EXPECT_NE(get_info(a).asid, get_info(b).asid);
	EXPECT(get_info(a).asid < info.contexts);
	EXPECT_EQ(get_info(looker).contexts_used, used + 2);
	dmirage_close(a);
	EXPECT_EQ(get_info(looker).contexts_used, used + 1);
	dmirage_close(b);
	EXPECT_EQ(get_info(looker).contexts_used, used);
	dmirage_close(looker);
}

/* A context's counters begin at 0; the device's go on. */
static void counters(int arg)
{
	struct dmirage_counters c, dev, later;
	struct dmirage *d = open_context();
	static u64 word;

	(void)arg;
	c = get_counters(d);
	EXPECT_EQ(c.ops | c.faults | c.flushes | c.checks | c.bytes_read, 0);
	ASSERT_OK(dmirage_get_counters(d, DMIRAGE_SCOPE_DEVICE, &dev));
	dev_write(d, &word, 5);
	EXPECT_EQ(dev_read(d, &word), 5);
	c = get_counters(d);
	EXPECT_EQ(c.ops, 2);
	EXPECT_EQ(c.ops_failed, 0);
	EXPECT_EQ(c.bytes_read, 8);
	EXPECT_EQ(c.bytes_written, 8);
	EXPECT_EQ(c.accesses, 2);
	EXPECT_EQ(c.checks, 2);
	EXPECT_EQ(c.faults, 1);
	EXPECT_EQ(c.mapped_4k + c.mapped_2m > 0, 1);
	dmirage_close(d);

	d = open_context();
	ASSERT_OK(dmirage_get_counters(d, DMIRAGE_SCOPE_DEVICE, &later));
	EXPECT_GE(later.ops, dev.ops + 2);
	EXPECT_GE(later.checks, dev.checks + 2);
	EXPECT_EQ(get_counters(d).ops, 0);
	dmirage_close(d);
}

static const struct ktap_test tests[] = {
	{ "pci", pci, 0, 0 },
	{ "registers", registers, 0, 0 },
	{ "capabilities", capabilities, 0, 0 },
	{ "contexts", contexts, 0, 0 },
	{ "counters", counters, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests), NULL);
}
