// SPDX-License-Identifier: GPL-2.0
/* The tracepoints' definitions */

#include <linux/ctype.h>

#define CREATE_TRACE_POINTS
#include "trace.h"

/*
 * A process may have any name, and so may a file: it must neither end its line,
 * nor the quotation marks around it, nor speak to a terminal.
 *
 * @dst has room for all of @src.
 */
void dmirage_trace_text(char *dst, const char *src, char newline)
{
	for (; *src; src++) {
		if (*src == '\n' && !src[1])
			break;
		if (*src == '\n')
			*dst++ = newline;
		else
			*dst++ = !isascii(*src) || !isprint(*src) ||
						 *src == '\'' || *src == '\\' ?
					 '?' :
					 *src;
	}
	*dst = '\0';
}
