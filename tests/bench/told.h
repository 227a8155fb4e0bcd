/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the benchmark's part in the guest told: lines of a file, each with all its
 * values, as tests/bench/guest/say.c writes them.
 */
#ifndef TESTS_BENCH_TOLD_H
#define TESTS_BENCH_TOLD_H

/*
 * Adds what is in the file to the report, as the part of that name; ends the program
 * if it is not whole.
 */
void told_read(const char *path);

#endif
