# SPDX-License-Identifier: GPL-2.0
#
# How static programs for the guest are compiled, here and in the folders of others.
#
# BUILD      absolute folder: the programs, and the objects in obj/
# USERSPACE  what userspace/ was built in: libdmirage.a, libprobe.a, libpci.a
#
# Sets HERE, the way from the Makefile that includes this to here.

ifndef BUILD
$(error BUILD= is not set: the absolute folder to build in)
endif
ifndef USERSPACE
$(error USERSPACE= is not set: the folder that userspace/ was built in)
endif

HERE     := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
CC       ?= gcc
CFLAGS   ?= -O2 -g
CFLAGS   += -std=gnu11 -Wall -Wextra -Werror -Wmissing-prototypes \
	    -Wstrict-prototypes -Wshadow -pthread
CPPFLAGS += -I. $(addprefix -I$(HERE)/,. ../../userspace/include ../../userspace/probe \
	    ../../driver/uapi ../../qemu-device)

OBJ      := $(BUILD)/obj
LIBS     := $(addprefix $(USERSPACE)/,libprobe.a libdmirage.a libpci.a)
