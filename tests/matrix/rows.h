/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The matrix's rows: all that user space can do that lets go of a translation, or that
 * looks as if it did.  Each group is a file, row_*.c; the last row of each has no name.
 */
#ifndef DMIRAGE_MATRIX_ROWS_H
#define DMIRAGE_MATRIX_ROWS_H

#include "cell.h"

/* For rows that do something to other memory of the process, while a device holds this. */
#define OTHER_PAGES "it is about other pages than these, whatever they are"

extern const struct row rows_mapping[]; /* mmap and its kin */
extern const struct row rows_discard[]; /* thrown away, or put aside */
extern const struct row rows_huge[]; /* made large and small */
extern const struct row rows_move[]; /* given other frames */
extern const struct row rows_share[]; /* one frame for several */
extern const struct row rows_track[]; /* who wrote to it: userfaultfd, soft-dirty */
extern const struct row rows_file[]; /* what only files have */
extern const struct row rows_process[]; /* by another process, or the end of one */
extern const struct row rows_quiet[]; /* what nobody needs to be told of */

static const struct row_group {
	const char *name;
	const struct row *rows;
} row_groups[] = {
	{ "mappings", rows_mapping },
	{ "discard", rows_discard },
	{ "huge pages", rows_huge },
	{ "migration", rows_move },
	{ "sharing", rows_share },
	{ "tracking", rows_track },
	{ "files", rows_file },
	{ "processes", rows_process },
	{ "quiet", rows_quiet },
};

#endif /* DMIRAGE_MATRIX_ROWS_H */
