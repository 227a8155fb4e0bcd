/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Settings of the machine (files of /proc and /sys) that a test changes, and that are
 * put back.  What a child process has changed its parent puts back, if it has called
 * settings_start() before it made the child.
 */
#ifndef DMIRAGE_TEST_SETTINGS_H
#define DMIRAGE_TEST_SETTINGS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Once, before the first of all. */
void settings_start(void);

/*
 * Write @value to @file; what it was, or the word in brackets if the file lists words,
 * is remembered.  Return: 0, or errno; ENOENT also if the kernel does not have it.
 */
int setting_put(const char *file, const char *value);

/* The same for a file that tells another word than what puts it back, which is @back. */
int setting_change(const char *file, const char *value, const char *back);

/* All as it was, or as it was at the last settings_keep(); the last change first. */
void settings_back(void);

/* What has been changed so far stays. */
void settings_keep(void);

/* Read a file.  Return: how many bytes, or a negative errno; @text ends with a 0. */
int file_text(const char *file, char *text, size_t size);

/* The number that a file begins with; 0 if there is none. */
uint64_t file_number(const char *file);

#endif /* DMIRAGE_TEST_SETTINGS_H */
