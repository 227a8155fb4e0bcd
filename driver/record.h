/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A violation as it is kept for its reader, and as the reader gets it.
 */
#ifndef DMIRAGE_RECORD_H
#define DMIRAGE_RECORD_H

#include <linux/types.h>

#include <dmirage_hw.h>
#include <dmirage.h>

struct dmirage_ctx;
struct dmirage_dev;

/**
 * struct dmirage_found - what is kept
 * @vqe:         as the device says
 * @time_ns:     as in struct dmirage_violation; so the rest
 */
struct dmirage_found {
	struct dmirage_vqe vqe;
	u64 time_ns;
	u64 held_frame;
	u64 lost_before;
	u64 vma_start;
	u64 vma_end;
	s32 pid;
	u8 vma;
	char comm[DMIRAGE_COMM_LEN];
	char vma_name[DMIRAGE_NAME_LEN];
};

void dmirage_record_find(struct dmirage_dev *dd, struct dmirage_ctx *ctx,
			 const struct dmirage_vqe *vqe,
			 struct dmirage_found *found);
void dmirage_record_fill(struct dmirage_dev *dd,
			 const struct dmirage_found *found,
			 struct dmirage_violation *rec);

#endif /* DMIRAGE_RECORD_H */
