# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# How QEMU is prepared, configured and built. The contents of this file are part
# of the key under which a source tree and its build are kept: what is changed
# here takes effect everywhere, by a new tree.

# The release of Debian whose source package is QEMU_VERSION.
qemu_suite() {
	case $QEMU_VERSION in
	7.2) echo bookworm ;;
	10.0) echo trixie ;;
	esac
}

# The release with a meson that is new enough for each QEMU, and that any Python
# since 3.7 runs.
# shellcheck disable=SC2034 # for the script that reads this file
MESON_SUITE=trixie

# What qemu-device/install changes in QEMU's own files: another number, another tree.
# shellcheck disable=SC2034 # it is there to be hashed
QEMU_EDITS=3

QEMU_OPTIONS=(
	--target-list=x86_64-softmmu
	--with-devices-x86_64=dmirage
	--without-default-features
	--without-default-devices
	--disable-install-blobs
	--disable-docs
	--disable-tools
	--disable-user
	--enable-tcg
	--enable-kvm
	--enable-trace-backends=log
)

# qemu_prepare TREE: what configure wants to see and the source package of the
# distribution does not have: firmware images, which are not used.
qemu_prepare() {
	local tree=$1 name
	grep -oh "'edk2-[a-z0-9_-]*\.fd'" "$tree/pc-bios/meson.build" | tr -d "'" |
		while read -r name; do
			[[ -e $tree/pc-bios/$name.bz2 ]] ||
				bzip2 </dev/null >"$tree/pc-bios/$name.bz2"
		done
}

# qemu_wants_meson TREE: since 8.1 QEMU's configure makes a Python environment
# for the build and wants meson as a package of that Python, in a version that
# Debian 12 does not have. Releases of QEMU have it with them, Debian's source
# packages have not.
qemu_wants_meson() {
	[[ -r $1/python/scripts/mkvenv.py ]] && ! compgen -G "$1/python/wheels/meson-*" >/dev/null
}

# qemu_configure TREE FOLDER
qemu_configure() {
	local tree=$1 folder=$2
	mkdir -p "$folder"
	(cd "$folder" && timeout 600 "$tree/configure" "${QEMU_OPTIONS[@]}")
}

# qemu_option_roms TREE FOLDER: the small ROMs by which QEMU starts a kernel.
# configure sets them up only if it likes the compiler's 16-bit mode, hence the
# variables by hand.
qemu_option_roms() {
	local tree=$1 folder=$2/pc-bios/optionrom
	mkdir -p "$folder"
	ln -sf "$tree/pc-bios/optionrom/Makefile" "$folder/Makefile"
	cat >"$folder/config.mak" <<-END
		TOPSRC_DIR=$tree
		CC=gcc
		CCAS=gcc
		AR=ar
		LD=ld
		NM=nm
		OBJCOPY=objcopy
		PYTHON=/usr/bin/python3
	END
	make -C "$folder" linuxboot_dma.bin pvh.bin kvmvapic.bin
}
