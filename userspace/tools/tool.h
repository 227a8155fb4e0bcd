/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the subcommands of `dmirage` share.  Each is a function that gets its
 * own part of the command line, argv[0] being its name, and returns the exit
 * status.
 */
#ifndef DMIRAGE_TOOL_H
#define DMIRAGE_TOOL_H

#include <stdbool.h>

#include "libdmirage.h"

/* Exit statuses; --help lists them. */
enum {
	EXIT_OK = 0,		/* done, and as it should be */
	EXIT_BAD = 1,		/* done, and something is not as it should be */
	EXIT_USAGE = 2,		/* wrong command line */
	EXIT_NODEV = 3,		/* no device, or no driver for it */
	EXIT_ENV = 4,		/* the machine does not allow it */
};

int cmd_info(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_demo(int argc, char **argv);

/* Print "dmirage: …" to stderr. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * tool_open() - open a device, or say why that does not work
 * @path: NULL: the first one
 *
 * Return: 0, or the exit status to end with.
 */
int tool_open(const char *path, unsigned int flags, struct dmirage **out);

#endif /* DMIRAGE_TOOL_H */
