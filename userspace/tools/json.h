/* SPDX-License-Identifier: GPL-2.0 */
/* JSON, as far as it is not trivial. */
#ifndef DMIRAGE_JSON_H
#define DMIRAGE_JSON_H

#include <stddef.h>
#include <stdio.h>

/*
 * A string with its quotes: @len bytes of @text, or up to its end if that comes first.
 * Bytes that are no printable ASCII are escaped.
 */
void json_text(FILE *f, const char *text, size_t len);

/* "key":"text" */
void json_field(FILE *f, const char *key, const char *text);

/* The same without quotes: a string may be made of several pieces. */
void json_piece(FILE *f, const char *text, size_t len);

#endif /* DMIRAGE_JSON_H */
