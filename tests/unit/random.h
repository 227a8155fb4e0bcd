/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random numbers for tests of millions of steps; GLib's take longer than the
 * steps do. They begin where GLib's say, so that its seed replays them, too.
 */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

static uint64_t random_state;

/* At the start of each test that uses the others. */
static inline void random_begin(void)
{
	random_state = (uint64_t)(uint32_t)g_test_rand_int() << 32 |
		       (uint32_t)g_test_rand_int();
}

/* splitmix64, by Sebastiano Vigna */
static inline uint64_t random_next(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static inline uint64_t random_below(uint64_t n)
{
	return random_next() % n;
}

/* Once in @n times. */
static inline bool random_once_in(uint64_t n)
{
	return !random_below(n);
}

/* Of all magnitudes. */
static inline uint64_t random_any(void)
{
	return random_next() >> random_below(64);
}

#endif
