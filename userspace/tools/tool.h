/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the subcommands of `dmirage` share.  Each is a function that gets its
 * own part of the command line, argv[0] being its name, and returns the exit
 * status.
 *
 * Concepts
 *
 *   An *area* is the memory that a command is about: a file's, mapped, or
 *   anonymous.  A *job* is one operation on areas of any length, which goes to
 *   the device in pieces, as many at a time as the ring has room for.
 */
#ifndef DMIRAGE_TOOL_H
#define DMIRAGE_TOOL_H

#include <argp.h>
#include <stdbool.h>

#include "libdmirage.h"
#include "number.h"

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
int cmd_copy(int argc, char **argv);
int cmd_fill(int argc, char **argv);
int cmd_prefetch(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_violations(int argc, char **argv);
int cmd_observe(int argc, char **argv);
int cmd_demo(int argc, char **argv);

/* Print "dmirage: …" to stderr. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * tool_open() - open a device, or say why that does not work
 * @path: NULL: the first one
 * @opts: as for dmirage_open()
 *
 * Return: 0, or the exit status to end with.
 */
int tool_open(const char *path, const struct dmirage_open_opts *opts,
	      struct dmirage **out);

/* The same, only to look at the device: DMIRAGE_OPEN_NO_CONTEXT. */
int tool_look(const char *path, struct dmirage **out);

/* ---- Options that several commands have (options.c) -------------------- */

/**
 * struct common - their values
 * @device: file, or NULL
 * @mode:   DMIRAGE_MODE_*
 * @regions: mirror mode by region
 * @huge:   2 MiB THP memory
 * @json:   JSON
 */
struct common {
	const char *device;
	unsigned int mode;
	bool regions;
	bool huge;
	bool json;
};

/* Children of a command's argp; its parser hands them a struct common. */
extern const struct argp_child common_children[];

/* For a parser's ARGP_KEY_INIT. */
void common_init(struct argp_state *state, struct common *common);

/* ---- Memory (area.c) --------------------------------------------------- */

/**
 * struct area - memory to work on
 * @name:  for messages: the file's, or "memory"
 * @addr:  first byte; NULL if @len is 0
 * @len:   bytes
 * @write: it may be written to
 * @fd:    the file, -1 if it is anonymous
 */
struct area {
	const char *name;
	__u8 *addr;
	__u64 len;
	bool write;
	int fd;
};

/**
 * area_file() - map a file, shared
 * @write: for writing, too
 *
 * Return: 0, or the exit status, and it has been said why.
 */
int area_file(struct area *a, const char *path, bool write);

/**
 * area_create() - make a file of @len bytes, or make an existing one so long
 *
 * It is mapped for writing, and has its blocks on disk.
 */
int area_create(struct area *a, const char *path, __u64 len);

/**
 * area_anon() - private anonymous memory
 * @huge: of 2 MiB pages; touched, and it is made sure of it
 *
 * Else nothing of it is touched.
 */
int area_anon(struct area *a, __u64 len, bool huge);

void area_free(struct area *a);

/* ---- Work (work.c) ----------------------------------------------------- */

/**
 * struct work - a context at work, and what came of it
 * @d:       the handle
 * @counters: the context's; work_end() reads them
 * @began:   when, CLOCK_MONOTONIC, ns
 * @ns:      how long it took
 */
struct work {
	struct dmirage *d;
	struct dmirage_counters counters;
	__u64 began;
	__u64 ns;
};

/* Open a context as the options say; 0, or the exit status. */
int work_open(struct work *w, const struct common *c);

/* Let the context use an area; adds a region where the mode needs that. */
int work_area(struct work *w, const struct common *c, const struct area *a);

/**
 * work_job() - carry out one operation on a whole area
 * @whole: the operation; its length may be 0, or longer than the device takes
 *
 * Return: 0, or EXIT_BAD, EXIT_ENV, and it has been said why.
 */
int work_job(struct work *w, const struct dmirage_sqe *whole);

/* Start the clock; stop it and read the counters (0, or the exit status). */
void work_begin(struct work *w);
int work_end(struct work *w);

/**
 * work_report() - say what was done
 * @what:  "copied", …
 * @bytes: how many
 * @same:  the data was compared and right: 1 yes, 0 no, -1 not compared
 *
 * Return: the exit status: EXIT_BAD if @same is 0 or the oracle saw something.
 */
int work_report(const struct work *w, const struct common *c, const char *what,
		__u64 bytes, int same);

#endif /* DMIRAGE_TOOL_H */
