# SPDX-License-Identifier: GPL-2.0-or-later
#
# The devices of the QEMU that dmirage builds: a Q35 machine, what a test guest
# needs, and the device. Chosen by configure --with-devices-x86_64=dmirage.

CONFIG_Q35=y
CONFIG_DMIRAGE=y

# hot-plug, and a switch or IOMMU in front of the device
CONFIG_PCIE_PORT=y
CONFIG_XIO3130=y
CONFIG_VTD=y

# disks, and a channel to the host
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=y
CONFIG_VIRTIO_SERIAL=y
CONFIG_ISA_DEBUG=y
