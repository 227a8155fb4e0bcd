/* SPDX-License-Identifier: GPL-2.0 */
/* Blocks of memory, which can be taken offline one by one. */
#ifndef DMIRAGE_MATRIX_BLOCK_H
#define DMIRAGE_MATRIX_BLOCK_H

#include "common.h"

/* Bytes of each; 0: memory cannot be taken offline on this kernel. */
u64 block_size(void);

/* The file with the state of the block that a frame is in. */
void block_path(char *path, size_t size, u64 frame);

/* Is it in its node's last block?  There the kernel has something that cannot be moved. */
bool in_last_block(u64 frame);

#endif /* DMIRAGE_MATRIX_BLOCK_H */
