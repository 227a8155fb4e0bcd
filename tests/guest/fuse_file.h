/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file that is written back: its file system is a process of ours, by FUSE, since the
 * guest has no disk.  Writing back is what makes the kernel take away write permission
 * from a shared mapping of a file, page by page; files in memory are never written back.
 */
#ifndef DMIRAGE_TEST_FUSE_FILE_H
#define DMIRAGE_TEST_FUSE_FILE_H

#include "common.h"

#define FUSE_FILE_LEN	(64 * PROBE_4K)

struct fuse_file {
	pid_t server;
	int fd;
};

/* Mount it and open it: FUSE_FILE_LEN bytes, to be mapped shared.  Ends the test on failure. */
struct fuse_file fuse_file_open(void);
/* Its mappings are gone. */
void fuse_file_close(struct fuse_file *f);

#endif /* DMIRAGE_TEST_FUSE_FILE_H */
