# SPDX-License-Identifier: GPL-2.0
#
# dmirage: a PCIe DMA device in QEMU, its Linux driver, and the tests. Each
# target runs the stages it needs, scripts in tests/vm/; a stage whose inputs did
# not change does nothing.

KERNEL ?= 6.12
QEMU_VERSION ?= 7.2
ACCEL ?= auto
export KERNEL QEMU_VERSION ACCEL DMIRAGE_CACHE QEMU_SRC KERNEL_IMAGE KERNEL_HEADERS ONLY JOBS V \
	DEBUG IOMMU DEVICE QEMU_ARGS APPEND TEST_LIMIT GUEST_LIMIT FUZZ_TIME \
	STORES SOAK_MODE SOAK_LIMIT FAULT_MODE SEED CORE MATRIX MATRIX_LIMIT RUNS MUTANTS_LIMIT \
	CMD PKG OPTIONS FILES MEM SMP OBSERVE_LIMIT OBSERVED SETS

VM := tests/vm
MAKEFLAGS += --no-print-directory
# The kernels of make check: two, and for make check-all three, unless one was asked
# for. DEBUG=1 has one.
ifneq ($(KERNEL_IMAGE),)
KERNELS := own
else ifneq ($(filter command% environment%,$(origin KERNEL)),)
KERNELS := $(KERNEL)
else ifneq ($(filter-out 0,$(DEBUG)),)
KERNELS := 6.12
else
KERNELS := 6.12 6.1
check-all: KERNELS := 6.12 6.1 5.10
endif
# Of the matrix and the mutants make check has a part, and nothing of the programs that are
# observed; make check-all has all.
check: export CORE := $(or $(CORE),1)
check-all: export OBSERVED := 1
# The versions of QEMU that are built: the one asked for; for make check-all, all.
ifneq ($(QEMU_SRC),)
QEMUS := own
else
QEMUS := $(or $(QEMU_VERSION),7.2)
check-all: QEMUS := 7.2 10.0
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo check check-all shell lint packages packages-lint packages-fuzz qemu kernel \
	libpci busybox driver mutants-module userspace initramfs unit fuzz device bench soak matrix \
	mutants observe observed guest-tests update clean distclean

help:
	@echo 'dmirage'
	@echo
	@echo '  make demo         boot a guest and catch stale DMA to migrated pages'
	@echo '  make check        the test suite: unit, fuzz, device, and guest tests on 6.12 and 6.1'
	@echo '  make check-all    the same, on 5.10 as well, and all of it in QEMU 7.2 and in 10.0; and'
	@echo '                    make observed'
	@echo '  make check DEBUG=1   with a kernel built with KASAN, lockdep and kmemleak'
	@echo '  make shell        a guest with the device and the driver, to play with'
	@echo '  make lint         checkpatch, sparse, clang-format, shellcheck, pyflakes, codespell, mandoc'
	@echo
	@echo '  make unit         only the unit tests on the host'
	@echo '  make fuzz         fuzz the plain parts for longer; what is found goes to build/results/fuzz'
	@echo '  make device       only the tests of the device in QEMU, without a guest'
	@echo '  make bench        measure the driver in a guest, and the device: a table, and build/results/bench.json'
	@echo '  make guest-tests  only the guest tests on one kernel'
	@echo '  make soak         do all there is to watched memory, for minutes, on 6.12 and 6.1'
	@echo '  make matrix       all there is to do to memory, by kinds of memory and modes: a table, and'
	@echo '                    pages in build/results; on 6.12 and 6.1'
	@echo '  make mutants      put bugs into kernel, driver, device and oracle, and see the tests fail:'
	@echo '                    a table, and pages in build/results; on 6.12 and 6.1'
	@echo '  make observe CMD=…   run a program under dmirage observe in a guest; PKG=name takes it from'
	@echo '                    a package, OPTIONS=… are for dmirage observe, FILES=… go to the guest, too'
	@echo '  make observed     sets of programs (tests/observed), each alone and under dmirage observe: a'
	@echo '                    table; on 6.12 and 6.1.  SETS=name only that one'
	@echo '  make qemu kernel driver mutants-module userspace initramfs   single stages'
	@echo '  make update       forget which package versions are in use, take the newest'
	@echo '  make clean        remove build/;  make distclean  also the cache'
	@echo
	@echo '  KERNEL=6.12|6.1|5.10   guest kernel (6.12; make check takes the first two)'
	@echo '  QEMU_VERSION=7.2|10.0   QEMU, from Debian 12 or 13 (7.2; make check-all takes both)'
	@echo '  ONLY=text         only tests with text in their names'
	@echo '  IOMMU=1           make guest-tests: behind an IOMMU that translates, the tests for that'
	@echo '  ACCEL=auto|tcg|kvm   auto takes KVM if a trial boot shows that it works'
	@echo '  QEMU_SRC=folder   a QEMU source tree of your own, 7.2 or newer, instead'
	@echo '  KERNEL_IMAGE=file KERNEL_HEADERS=folder   a kernel of your own'
	@echo '  DEVICE=prop=value,…  QEMU_ARGS=…  APPEND=…   for the device, QEMU, the kernel'
	@echo '  TEST_LIMIT=s GUEST_LIMIT=s   time limits of a test program and of a whole guest'
	@echo '  STORES=n          make soak: watched stores to the page tables, on each kernel (10000000)'
	@echo '  FAULT_MODE=name SOAK_MODE=mirror|shared SEED=n   make soak: a bug, the mode, the choices'
	@echo '  CORE=1            make matrix, mutants: a part of it, the one that make check has'
	@echo '  MATRIX_LIMIT=s    make matrix: time limit of each guest (900)'
	@echo '  RUNS=n            make mutants: how often each runs (10)'
	@echo '  MUTANTS_LIMIT=s   make mutants: time limit of each guest (900)'
	@echo '  MATRIX=1          make shell: with the disk, swap and second device of the matrix'
	@echo '  MEM=size SMP=n    make observe, observed: the guest (8G, 2);  OBSERVE_LIMIT=s: its time limit (600)'
	@echo '  FUZZ_TIME=s       how long make fuzz takes for each target (300)'
	@echo '  DMIRAGE_CACHE=folder downloads and builds (~/.cache/dmirage)'
	@echo '  JOBS=n  V=1       parallel jobs; show what the stages do'

packages packages-lint packages-fuzz:
	@$(VM)/packages $(filter lint fuzz,$(subst -, ,$@)) $(if $(filter-out 0,$(DEBUG)),debug) $(QEMUS)

qemu: packages
	@for version in $(QEMUS); do QEMU_VERSION=$$version $(VM)/qemu || exit; done
libpci busybox: packages
	@$(VM)/$@
kernel: packages
	@$(VM)/kernel
driver mutants-module: kernel
	@$(VM)/$@
userspace: libpci
	@$(VM)/userspace
initramfs: busybox driver mutants-module userspace
	@$(VM)/initramfs

demo: packages qemu initramfs
	@$(VM)/demo
shell: packages qemu initramfs
	@$(VM)/shell

unit: packages
	@$(VM)/unit
fuzz: packages-fuzz
	@$(VM)/fuzz long
device: packages qemu
	@$(VM)/device
bench: packages qemu initramfs
	@$(VM)/bench
guest-tests: packages qemu initramfs
	@$(VM)/guest-tests
observe: packages qemu initramfs
	@$(VM)/observe
observed: packages qemu libpci busybox userspace
	@$(VM)/observed '$(SETS)' $(KERNELS)
soak: packages qemu libpci busybox userspace
	@$(VM)/soak $(KERNELS)
matrix: packages qemu libpci busybox userspace
	@$(VM)/matrix $(KERNELS)
mutants: packages qemu libpci busybox userspace
	@$(VM)/mutants $(KERNELS)
check check-all: packages-fuzz qemu libpci busybox userspace
	@$(VM)/check '$(QEMUS)' $(KERNELS)

lint: packages-lint kernel
	@$(VM)/lint

update:
	@$(VM)/clean update
clean distclean:
	@$(VM)/clean $@
