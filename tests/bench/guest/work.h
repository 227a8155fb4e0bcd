/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a guest does besides, and has nothing to do with the device: computes,
 * maps pages, touches and unmaps them, forks.
 */
#ifndef DMIRAGE_BENCH_WORK_H
#define DMIRAGE_BENCH_WORK_H

#include "common.h"

/*
 * Some of it, several times.  Return: ns of the fastest.
 * @forks: or else it is left out, for a process whose memory the device uses
 */
u64 work_ns(bool forks);

/**
 * struct worker - a process that works when it is asked to
 * @ask:    a pipe to it
 * @answer: a pipe from it
 */
struct worker {
	int ask;
	int answer;
};

/* It ends with the test. */
struct worker worker_start(void);
u64 worker_ns(const struct worker *w);

#endif /* DMIRAGE_BENCH_WORK_H */
