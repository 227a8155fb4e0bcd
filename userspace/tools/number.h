/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Numbers and sizes, as people write and read them.
 */
#ifndef DMIRAGE_NUMBER_H
#define DMIRAGE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

/**
 * parse_number() - an unsigned number: decimal, 0x… or 0…
 *
 * Return: false if the text is anything else, or too large.
 */
bool parse_number(const char *text, __u64 *value);

/**
 * parse_size() - a number of bytes: the same with K, M, G or T behind, which
 * are powers of 1024, and may go on as KiB or KB
 *
 * Return: false if the text is anything else, or too large.
 */
bool parse_size(const char *text, __u64 *bytes);

/**
 * format_size() - "5 bytes", "4 KiB", "1.5 MiB"
 * @buf: gets it; 32 bytes are enough
 *
 * Return: @buf.
 */
const char *format_size(__u64 bytes, char *buf, size_t size);

#endif /* DMIRAGE_NUMBER_H */
