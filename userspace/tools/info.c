// SPDX-License-Identifier: GPL-2.0
/*
 * dmirage info: the device on the PCI bus, and what it can do.
 */
#define _GNU_SOURCE
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "probe.h"
#include "tool.h"

struct args {
	const char *device;
};

static const struct argp_option options[] = {
	{ "device", 'd', "FILE", 0, "Device file (default: the first one)", 0 },
	{ 0 }
};

static const char doc[] =
	"Show the dmirage devices on the PCI bus and, if the driver is loaded, capabilities and limits.";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;

	switch (key) {
	case 'd':
		args->device = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "too many arguments");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void print_bytes(__u64 n)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB" };
	unsigned int u = 0;

	while (u < 3 && n && !(n & 1023)) {
		n >>= 10;
		u++;
	}
	printf("%llu %s", n, units[u]);
}

static void print_bar(const struct probe_pci *pci, unsigned int i)
{
	printf("  BAR %u        ", pci->bar[i].number);
	print_bytes(pci->bar[i].size);
	printf(" at 0x%llx, ", pci->bar[i].addr);
	if (pci->bar[i].io)
		printf("I/O ports");
	else
		printf("%s memory", pci->bar[i].is64 ? "64-bit" : "32-bit");
	if (pci->bar[i].prefetch)
		printf(", prefetchable");
	if (pci->bar[i].number == DMIRAGE_BAR_REGS)
		printf(" (registers)");
	if (pci->bar[i].number == DMIRAGE_BAR_MSIX)
		printf(" (MSI-X)");
	printf("\n");
}

static void print_pci(const struct probe_pci *pci)
{
	unsigned int i;

	printf("PCI device     %s\n", pci->slot);
	printf("  identity     %04x:%04x revision %u, subsystem %04x:%04x\n",
	       pci->vendor, pci->device, pci->revision, pci->subvendor,
	       pci->subdevice);
	printf("  class        %04x", pci->class);
	if (pci->class == DMIRAGE_PCI_CLASS)
		printf(" (processing accelerator)");
	printf("\n");
	for (i = 0; i < pci->bars; i++)
		print_bar(pci, i);
	printf("  interrupts   ");
	if (pci->msix)
		printf("MSI-X, %u vectors\n", pci->msix);
	else
		printf("no MSI-X\n");
	printf("  driver       %s\n", pci->driver[0] ? pci->driver : "none");
}

static void print_caps(__u64 caps)
{
	static const struct {
		__u64 bit;
		const char *name;
	} names[] = {
		{ DMIRAGE_CAP_PAGE_4K, "4 KiB pages" },
		{ DMIRAGE_CAP_PAGE_2M, "2 MiB pages" },
		{ DMIRAGE_CAP_PAGE_1G, "1 GiB pages" },
		{ DMIRAGE_CAP_FRACTURE, "fractured IOTLB" },
		{ DMIRAGE_CAP_MIRROR, "mirror mode" },
		{ DMIRAGE_CAP_PINNED, "pinned mode" },
		{ DMIRAGE_CAP_SHARED, "shared mode" },
		{ DMIRAGE_CAP_ORACLE_ACCESS, "access oracle" },
		{ DMIRAGE_CAP_ORACLE_AUDIT, "audit" },
		{ DMIRAGE_CAP_ORACLE_WATCH, "watch" },
		{ DMIRAGE_CAP_HOLD, "hold points" },
		{ DMIRAGE_CAP_SYNC, "synchronous invalidation" },
		{ DMIRAGE_CAP_CALIBRATE, "calibration" },
		{ DMIRAGE_CAP_CQ_EVENT, "completion events" },
	};
	const char *sep = "";
	size_t i;

	printf("  capabilities ");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(caps & names[i].bit))
			continue;
		printf("%s%s", sep, names[i].name);
		sep = ", ";
		caps &= ~names[i].bit;
	}
	if (caps)
		printf("%sunknown 0x%llx", sep, caps);
	else if (!*sep)
		printf("none");
	printf("\n");
}

static void print_info(const struct dmirage_info *info)
{
	printf("Device         %s, hardware %u.%u, driver interface %u\n",
	       info->pci_name, info->hw_version >> 16,
	       info->hw_version & 0xffff, info->abi_version);
	print_caps(info->caps);
	if (!(info->caps & DMIRAGE_CAP_ORACLE_WATCH))
		printf("  no watch     (it needs TCG, and not watch=off); accesses and audits are judged\n");
	printf("  contexts     %u, %u in use\n", info->contexts,
	       info->contexts_used);
	printf("  addresses    %u bits\n", info->va_bits);
	printf("  rings        up to %u entries\n", info->ring_entries);
	printf("  operations   up to ");
	print_bytes(info->len_max);
	printf(", in accesses of up to ");
	print_bytes(info->chunk);
	printf("\n  IOTLB        %u entries, %u ways\n", info->iotlb_entries,
	       info->iotlb_ways);
}

int cmd_info(int argc, char **argv)
{
	const struct argp argp = {
		.options = options, .parser = parse, .doc = doc,
	};
	struct args args = { 0 };
	struct dmirage_info info;
	struct probe_pci pci;
	unsigned int n, bound = 0;
	struct dmirage *d;
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	for (n = 0; !(err = probe_pci_find(&pci, n)); n++) {
		print_pci(&pci);
		bound += !!pci.driver[0];
	}
	if (err != -ENODEV) {
		complain("cannot look at the PCI bus: %s", probe_why());
		return EXIT_ENV;
	}
	if (!n) {
		complain("no dmirage device (%04x:%04x) on the PCI bus; QEMU has one with `-device dmirage'",
			 DMIRAGE_PCI_VENDOR, DMIRAGE_PCI_DEVICE);
		return EXIT_NODEV;
	}
	if (!bound && !args.device) {
		printf("No driver is bound, so the PCI bus is all there is to tell.\n"
		       "Load dmirage.ko for capabilities and limits.\n");
		return EXIT_OK;
	}

	err = tool_look(args.device, &d);
	if (err)
		return err;
	err = dmirage_get_info(d, &info);
	dmirage_close(d);
	if (err) {
		complain("the driver does not answer: %s", strerror(-err));
		return EXIT_ENV;
	}
	print_info(&info);
	return EXIT_OK;
}
