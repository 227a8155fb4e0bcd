/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's functions, from /proc/kallsyms: which one an address is in.
 *
 * Modules are left out: none of the functions that the matrix looks at is in one.
 */
#ifndef DMIRAGE_MATRIX_SYMBOLS_H
#define DMIRAGE_MATRIX_SYMBOLS_H

#include <stdbool.h>

#include "ktap.h"

/*
 * Read them, once: they stay where they are.
 *
 * Return: 0; -EPERM addresses are hidden from us; -ENOMEM; what opening the file fails with.
 */
int symbols_load(void);

/**
 * symbols_at() - the function around an address
 * @offset: gets how far into it; or NULL
 *
 * Return: its name as the kernel has it ("foo.isra.0"), NULL before the first one.
 */
const char *symbols_at(u64 addr, u64 *offset);

/* Is there a function of this name, whatever the compiler has put behind it? */
bool symbols_have(const char *name);

/* Is @symbol called @name, but for what the compiler has put behind it? */
bool symbols_same(const char *symbol, const char *name);

#endif /* DMIRAGE_MATRIX_SYMBOLS_H */
