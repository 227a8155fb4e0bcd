// SPDX-License-Identifier: GPL-2.0
/*
 * Behind an IOMMU that translates: what the device takes for physical addresses
 * in shared mode would be something else, so that is refused.  The other modes
 * work.  For a guest that has one (IOMMU=1).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "raw.h"

/* It does translate what this device does. */
static void expect_iommu(void)
{
	struct dmirage *d = open_context();
	struct dmirage_info info = get_info(d);
	char path[96], type[16] = "";
	FILE *f;

	dmirage_close(d);
	snprintf(path, sizeof(path),
		 "/sys/bus/pci/devices/%s/iommu_group/type", info.pci_name);
	f = fopen(path, "re");
	ASSERT(f);
	ASSERT(fgets(type, sizeof(type), f));
	fclose(f);
	/* DMA or DMA-FQ; not identity */
	ASSERT(!strncmp(type, "DMA", 3));
}

static void refused(int arg)
{
	const struct dmirage_open_opts opts = { .mode = DMIRAGE_MODE_SHARED };
	struct dmirage_setup s = { .sq_entries = 4, .cq_entries = 4 }, shared = s;
	unsigned int used;
	struct dmirage *d;
	int fd, err;

	(void)arg;
	expect_iommu();
	used = contexts_in_use(0);
	err = dmirage_open(NULL, &opts, &d);
	EXPECT_EQ(err, -EOPNOTSUPP);
	ASSERT((fd = raw_open(0)) >= 0);
	shared.mode = DMIRAGE_MODE_SHARED;
	EXPECT_ERRNO(ioctl(fd, DMIRAGE_IOC_SETUP, &shared), EOPNOTSUPP);
	EXPECT_EQ(contexts_in_use(used), used);
	/* The file is as it was. */
	EXPECT_SYS(ioctl(fd, DMIRAGE_IOC_SETUP, &s));
	close(fd);
	EXPECT_EQ(contexts_in_use(used), used);
}

static void mirror(int kind)
{
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	struct dmirage *d = open_context();

	expect_iommu();
	dev_write(d, mem.addr + 8, 7);
	EXPECT_EQ(cpu_read(mem.addr + 8), 7);
	move_mem(&mem, 1);
	cpu_write(mem.addr + 8, 8);
	EXPECT_EQ(dev_read(d, mem.addr + 8), 8);
	dev_write(d, mem.addr + PROBE_2M - 8, 9);
	EXPECT_EQ(cpu_read(mem.addr + PROBE_2M - 8), 9);
	expect_clean(d);
}

static void pinned(int kind)
{
	struct probe_mem mem = get_mem(kind, PROBE_2M);
	struct dmirage *d = open_mode(DMIRAGE_MODE_PINNED, 0);
	uint32_t id;

	expect_iommu();
	ASSERT_OK(dmirage_region_add(d, mem.addr, PROBE_2M,
				     DMIRAGE_REGION_WRITE, &id));
	dev_write(d, mem.addr + 8, 7);
	EXPECT_EQ(cpu_read(mem.addr + 8), 7);
	cpu_write(mem.addr + PROBE_2M - 8, 8);
	EXPECT_EQ(dev_read(d, mem.addr + PROBE_2M - 8), 8);
	ASSERT_OK(dmirage_region_remove(d, id));
	expect_clean(d);
}

static const struct ktap_test tests[] = {
	{ "shared-refused", refused, 0, 0 },
	{ "mirror-4k", mirror, PROBE_KIND_4K, 0 },
	{ "mirror-thp", mirror, PROBE_KIND_THP, 0 },
	{ "mirror-hugetlb", mirror, PROBE_KIND_HUGETLB, 0 },
	{ "pinned-4k", pinned, PROBE_KIND_4K, 0 },
	{ "pinned-thp", pinned, PROBE_KIND_THP, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
