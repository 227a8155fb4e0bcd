// SPDX-License-Identifier: GPL-2.0
/*
 * dmirage: the command line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

#define TEXT_OF(x)	#x
#define NUMBER(x)	TEXT_OF(x)

const char *argp_program_version =
	"dmirage 0.1 (interface version " NUMBER(DMIRAGE_ABI_VERSION) ")";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "info", cmd_info },
	{ "stat", cmd_stat },
	{ "copy", cmd_copy },
	{ "fill", cmd_fill },
	{ "prefetch", cmd_prefetch },
	{ "audit", cmd_audit },
	{ "violations", cmd_violations },
	{ "observe", cmd_observe },
	{ "demo", cmd_demo },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char doc[] =
	"Look at a dmirage device, work with it, and show what it is for.\v"
	"Commands:\n"
	"  info        the device on the PCI bus, its capabilities and limits\n"
	"  stat        counters of the device, the driver and the oracle\n"
	"  copy        copy a file by the device\n"
	"  fill        fill a file, or memory, by the device\n"
	"  prefetch    make translations in advance, and count the faults\n"
	"  audit       compare what the device holds with the page tables\n"
	"  violations  what was found stale, of all processes, by cause\n"
	"  observe     run a program while the device uses its memory\n"
	"  demo        move pages under a working device, with a correct driver\n"
	"              and with a broken one\n"
	"\n"
	"`dmirage COMMAND --help' says more about each, and so do the manual pages,\n"
	"dmirage(1) and dmirage-COMMAND(1).\n"
	"\n"
	"Exit status:\n"
	"  0  done, and everything is as it should be\n"
	"  1  done, and something is not (see the output)\n"
	"  2  wrong command line\n"
	"  3  no device, or no driver bound to it\n"
	"  4  the machine does not allow it (not root, no memory, ...)";

struct choice {
	int first;	/* index in argv of the command */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct choice *choice = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_ARG:
		/* The rest is for the command. */
		choice->first = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

void complain(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fputs("dmirage: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

int tool_look(const char *path, struct dmirage **out)
{
	const struct dmirage_open_opts opts = {
		.flags = DMIRAGE_OPEN_NO_CONTEXT,
	};

	return tool_open(path, &opts, out);
}

int tool_open(const char *path, const struct dmirage_open_opts *opts,
	      struct dmirage **out)
{
	const char *name = path;
	char found[32] = "/dev/dmirage*";
	int err = 0;

	if (!path) {
		err = dmirage_find(found, sizeof(found));
		name = found;
	}
	if (!err)
		err = dmirage_open(name, opts, out);
	switch (-err) {
	case 0:
		return 0;
	case ENODEV:
	case ENOENT:
	case ENXIO:
		if (path)
			complain("cannot open %s: %s", path, strerror(-err));
		else
			complain("there is no /dev/dmirage*: is the driver loaded? (`dmirage info' tells more)");
		return EXIT_NODEV;
	case EACCES:
	case EPERM:
		complain("cannot open %s: %s (are you root?)", name,
			 strerror(-err));
		return EXIT_ENV;
	case ENOTTY:
		complain("%s is not a dmirage device", name);
		return EXIT_USAGE;
	case EPROTO:
		complain("cannot use %s: the driver has another interface version than %d",
			 name, DMIRAGE_ABI_VERSION);
		return EXIT_ENV;
	case ENOSPC:
		complain("cannot use %s: all its contexts are in use", name);
		return EXIT_ENV;
	case EOPNOTSUPP:
		complain("cannot use %s in %s mode: the device lacks it, or DMA is remapped on this machine",
			 name, dmirage_mode_str(opts->mode));
		return EXIT_ENV;
	default:
		complain("cannot open %s: %s", name, strerror(-err));
		return EXIT_ENV;
	}
}

int main(int argc, char **argv)
{
	const struct argp argp = {
		.parser = parse,
		.args_doc = "COMMAND [OPTION...]",
		.doc = doc,
	};
	struct choice choice = { 0 };
	char name[64];
	size_t i;

	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &choice);
	for (i = 0; i < N_COMMANDS; i++) {
		if (strcmp(argv[choice.first], commands[i].name) != 0)
			continue;
		/* So that its --help reads "dmirage info [OPTION...]". */
		snprintf(name, sizeof(name), "dmirage %s", commands[i].name);
		argv[choice.first] = name;
		return commands[i].run(argc - choice.first,
				       argv + choice.first);
	}
	complain("there is no command '%s' (`dmirage --help' lists them)",
		 argv[choice.first]);
	return EXIT_USAGE;
}
