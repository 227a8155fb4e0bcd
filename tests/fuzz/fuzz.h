/* SPDX-License-Identifier: GPL-2.0 */
/* What the fuzz targets share: an input that is eaten up, and checks. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Not assert(): that may be compiled away. An abort is what a fuzzer notices. */
#define CHECK(condition) check(condition, #condition, __FILE__, __LINE__)

static inline void check(bool so, const char *what, const char *file, int line)
{
	if (!so) {
		fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
		abort();
	}
}

typedef struct Input {
	const uint8_t *data;
	size_t left;
} Input;

/* The next @size bytes; zeros when there are no more. */
static inline void take(Input *in, void *to, size_t size)
{
	size_t n = size < in->left ? size : in->left;

	memset(to, 0, size);
	memcpy(to, in->data, n);
	in->data += n;
	in->left -= n;
}

static inline uint8_t take8(Input *in)
{
	uint8_t v;

	take(in, &v, sizeof(v));
	return v;
}

static inline uint64_t take64(Input *in)
{
	uint64_t v;

	take(in, &v, sizeof(v));
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
