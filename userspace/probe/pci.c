// SPDX-License-Identifier: GPL-2.0
/*
 * The device on the PCI bus, found through libpci.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pci/pci.h>

#include "probe.h"

/* Message Control of the MSI-X capability, and its table size - 1 */
#define MSIX_CONTROL	2
#define MSIX_TABLE_SIZE	0x7ff

static jmp_buf on_error;

static void pci_error(char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

/* libpci calls this for what it cannot go on from; it must not return. */
static void pci_error(char *fmt, ...)
{
	char text[200];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	probe_fail(-EIO, "libpci: %s", text);
	longjmp(on_error, 1);
}

static void driver_of(const char *slot, char *name, size_t size)
{
	char path[128], target[256];
	const char *base;
	ssize_t len;

	name[0] = '\0';
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", slot);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return;
	target[len] = '\0';
	base = strrchr(target, '/');
	snprintf(name, size, "%.31s", base ? base + 1 : target);
}

static void fill_bars(struct probe_pci *pci, struct pci_dev *dev)
{
	__u64 flags;
	unsigned int i;

	for (i = 0; i < PROBE_BARS; i++) {
		if (!dev->size[i])
			continue;
		flags = dev->base_addr[i] & ~PCI_ADDR_MEM_MASK;
		pci->bar[pci->bars].number = i;
		pci->bar[pci->bars].size = dev->size[i];
		pci->bar[pci->bars].io = flags & PCI_BASE_ADDRESS_SPACE_IO;
		if (pci->bar[pci->bars].io) {
			pci->bar[pci->bars].addr =
				dev->base_addr[i] & PCI_ADDR_IO_MASK;
		} else {
			pci->bar[pci->bars].addr =
				dev->base_addr[i] & PCI_ADDR_MEM_MASK;
			pci->bar[pci->bars].is64 =
				(flags & PCI_BASE_ADDRESS_MEM_TYPE_MASK) ==
				PCI_BASE_ADDRESS_MEM_TYPE_64;
			pci->bar[pci->bars].prefetch =
				flags & PCI_BASE_ADDRESS_MEM_PREFETCH;
		}
		pci->bars++;
	}
}

static void fill(struct probe_pci *pci, struct pci_dev *dev)
{
	struct pci_cap *cap;

	memset(pci, 0, sizeof(*pci));
	snprintf(pci->slot, sizeof(pci->slot), "%04x:%02x:%02x.%x",
		 (unsigned int)dev->domain, dev->bus, dev->dev, dev->func);
	pci->vendor = dev->vendor_id;
	pci->device = dev->device_id;
	pci->class = dev->device_class;
	pci->revision = pci_read_byte(dev, PCI_REVISION_ID);
	pci->subvendor = pci_read_word(dev, PCI_SUBSYSTEM_VENDOR_ID);
	pci->subdevice = pci_read_word(dev, PCI_SUBSYSTEM_ID);
	cap = pci_find_cap(dev, PCI_CAP_ID_MSIX, PCI_CAP_NORMAL);
	if (cap) {
		pci->msix = pci_read_word(dev, cap->addr + MSIX_CONTROL);
		pci->msix = (pci->msix & MSIX_TABLE_SIZE) + 1;
	}
	fill_bars(pci, dev);
	driver_of(pci->slot, pci->driver, sizeof(pci->driver));
}

/* Between setjmp() and longjmp() no local variable changes. */
static int scan(struct pci_access *acc, struct probe_pci *pci, unsigned int nth)
{
	const int fields = PCI_FILL_IDENT | PCI_FILL_CLASS | PCI_FILL_BASES |
			   PCI_FILL_SIZES | PCI_FILL_CAPS;
	struct pci_dev *dev;

	pci_init(acc);
	pci_scan_bus(acc);
	for (dev = acc->devices; dev; dev = dev->next) {
		pci_fill_info(dev, fields);
		if (dev->vendor_id != DMIRAGE_PCI_VENDOR ||
		    dev->device_id != DMIRAGE_PCI_DEVICE || nth--)
			continue;
		fill(pci, dev);
		return 0;
	}
	return probe_fail(-ENODEV, "no PCI device %04x:%04x",
			  DMIRAGE_PCI_VENDOR, DMIRAGE_PCI_DEVICE);
}

int probe_pci_find(struct probe_pci *pci, unsigned int nth)
{
	struct pci_access *const acc = pci_alloc();
	int ret;

	acc->error = pci_error;
	/* After an error the access structure is not to be touched: a leak. */
	if (setjmp(on_error))
		return -EIO;
	ret = scan(acc, pci, nth);
	pci_cleanup(acc);
	return ret;
}
