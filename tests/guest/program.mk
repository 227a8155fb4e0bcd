# SPDX-License-Identifier: GPL-2.0
#
# One program for the guest, of all *.c beside the Makefile that includes this.
#
# PROGRAM  its name
# SHARED   parts of the guest tests and of the command that it has, too; they are compiled
#          once more for it
#
# BUILD and USERSPACE as in flags.mk.

include $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))/flags.mk

TOOLS    := $(HERE)/../../userspace/tools
CPPFLAGS += -I$(TOOLS)
OBJECTS  := $(patsubst %.c,$(OBJ)/%.o,$(wildcard *.c)) $(SHARED:%=$(OBJ)/%.o)

$(BUILD)/$(PROGRAM): $(OBJECTS) $(LIBS)
	$(CC) $(CFLAGS) -static -o $@ $^

# Its own files come first: some of the guest tests have the same names.
vpath %.c . $(HERE) $(TOOLS)
$(OBJ)/%.o: %.c $(MAKEFILE_LIST)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

clean:
	rm -rf $(OBJ)
	rm -f $(BUILD)/$(PROGRAM)

-include $(wildcard $(OBJ)/*.d)

.PHONY: clean
