# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The matrix's guest has more than the others: a disk, a second device, memory that can
# be taken offline, and a way to the host that is faster than a serial line. For scripts
# that read boot.sh, before they call qemu_command or run_guest. guest/matrix-machine is
# the part in the guest.

# matrix_machine: the next guest has all that.
matrix_machine() {
	[[ -r $BUILD/disk.img ]] || die "there is no disk for the guest." "Run tests/vm/disk first."
	# shellcheck disable=SC2034 # boot.sh reads it
	GUEST_DEVICES=matrix_devices
	# A 1 GiB page for each node; and a GiB of ZONE_MOVABLE on each.
	GUEST_APPEND="${GUEST_APPEND:-} hugepagesz=1G hugepages=2 movablecore=2G"
	GUEST_APPEND+=" dmirage_machine=matrix"
}

# observe_machine: it has the disk, swap and the fast way, and all memory is as usual.
observe_machine() {
	[[ -r $BUILD/disk.img ]] || die "there is no disk for the guest." "Run tests/vm/disk first."
	# shellcheck disable=SC2034 # boot.sh reads it
	GUEST_DEVICES=disk_and_port
	GUEST_APPEND="${GUEST_APPEND:-} dmirage_machine=matrix"
}

disk_and_port() {
	# shellcheck disable=SC2054 # commas inside words
	COMMAND+=(
		# Nothing that a guest writes comes to the image.
		-drive "file=$BUILD/disk.img,if=none,id=disk,format=raw,snapshot=on"
		-device virtio-blk-pci,drive=disk
		# What comes through this port goes where the second serial line's goes.
		-chardev "file,id=port,path=$OUTPUT,append=on"
		-device virtio-serial-pci -device virtserialport,chardev=port,name=output
	)
}

matrix_devices() {
	disk_and_port
	# shellcheck disable=SC2054 # commas inside words
	COMMAND+=(
		# Behind the first one on the bus, so the driver calls it /dev/dmirage1.
		-device pcie-root-port,id=port1,chassis=2
		-device dmirage,id=fracture,bus=port1,fracture=on
	)
}
