/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Writes the first inputs of the fuzz targets, from which the fuzzer makes
 * others:
 *
 *	seeds FOLDER		makes FOLDER/walk, FOLDER/op and FOLDER/iotlb
 */
#include "fuzz.h"

#include <errno.h>
#include <sys/stat.h>

#include "dmirage_hw.h"

typedef struct Seed {
	uint8_t data[4096];
	size_t size;
} Seed;

static void put(Seed *s, const void *from, size_t size)
{
	memcpy(s->data + s->size, from, size);
	s->size += size;
}

static void put8(Seed *s, uint8_t v)
{
	put(s, &v, 1);
}

static void save(const Seed *s, const char *folder, const char *target,
		 unsigned int number)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, target);
	if (mkdir(path, 0777) && errno != EEXIST)
		goto fail;
	snprintf(path, sizeof(path), "%s/%s/seed-%02u", folder, target, number);
	f = fopen(path, "w");
	if (!f || fwrite(s->data, s->size, 1, f) != 1 || fclose(f))
		goto fail;
	return;
fail:
	perror(path);
	exit(1);
}

/* A table per level, each with a link to the next, and a leaf at @bottom. */
static void walk_seed(const char *folder, unsigned int number, uint8_t what,
		      unsigned int bottom)
{
	unsigned int levels = what & 1 ? 5 : 4, t = 0;
	bool mirror = !(what >> 2 & 3);
	uint64_t link = mirror ? DMIRAGE_PTE_VALID : 7;
	uint64_t leaf = mirror ? DMIRAGE_PTE_VALID | DMIRAGE_PTE_WRITE : 7;
	uint64_t word[8][16] = { 0 }, va = 0x123;
	Seed s = { .size = 0 };

	if (bottom > 1)
		leaf |= mirror ? DMIRAGE_PTE_LEAF : 0x80;
	/* Not aligned; x86: PAT. */
	if (what & 2)
		leaf |= 0x1000;
	for (unsigned int l = levels; l >= bottom; l--, t++) {
		unsigned int i = 1 + l;

		va |= (uint64_t)i << (12 + 9 * (l - 1));
		word[t][i] = l > bottom ? 0x101000 + t * 0x1000 + link :
					  0x8000000000 | leaf;
	}
	put8(&s, what | (levels - 1) << 4);
	put8(&s, number % 5);
	put8(&s, number);
	put(&s, &va, sizeof(va));
	put(&s, word, sizeof(word));
	save(&s, folder, "walk", number);
}

static void put_sqe(Seed *s, struct dmirage_sqe sqe, uint8_t cut)
{
	put8(s, cut);
	put(s, &sqe, sizeof(sqe));
}

static void op_seeds(const char *folder)
{
	unsigned int number = 0;

	for (unsigned int opcode = 0; opcode < DMIRAGE_OP_MAX; opcode++) {
		struct dmirage_sqe sqe = {
			.opcode = opcode, .cookie = 1, .src = 0x7f0000001000,
			.dst = 0x7f0000201000, .len = 8, .imm = 64,
		};
		Seed s = { .size = 0 };

		put8(&s, 1);
		put_sqe(&s, sqe, 2);
		sqe.src += 3;
		put_sqe(&s, sqe, 3);
		sqe.len = 4;
		sqe.dst += 4;
		put_sqe(&s, sqe, 2);
		/* A chain, and another. */
		sqe.flags = DMIRAGE_SQE_CHAIN;
		sqe.len = 0x18000;
		put_sqe(&s, sqe, 5);
		put_sqe(&s, sqe, 0);
		sqe.flags = 0;
		sqe.len = 1ull << 30;
		put_sqe(&s, sqe, 2);
		save(&s, folder, "op", number++);

		/* At the borders of what is good, and just beyond. */
		s.size = 0;
		put8(&s, 1);
		sqe = (struct dmirage_sqe){ .opcode = opcode, .imm = 32, .len = 8 };
		put_sqe(&s, sqe, 0);
		sqe.dst = 4;
		put_sqe(&s, sqe, 0);
		for (unsigned int i = 0; i < 2; i++) {
			uint64_t end = i ? 0 : 1ull << DMIRAGE_VA_BITS;

			sqe.imm = 64;
			sqe.src = end - 8;
			sqe.dst = end - 16;
			sqe.len = 8;
			put_sqe(&s, sqe, 0);
			sqe.len = 9;
			put_sqe(&s, sqe, 0);
			sqe.len = 16;
			sqe.src -= 8;
			put_sqe(&s, sqe, 0);
			sqe.len = 17;
			put_sqe(&s, sqe, 0);
		}
		save(&s, folder, "op", number++);
	}
}

/* Calls of all kinds, in an order that is far from any pattern. */
static void iotlb_seeds(const char *folder)
{
	uint32_t random = 1;

	for (unsigned int shape = 0; shape < 24; shape++) {
		Seed s = { .size = 0 };

		put8(&s, shape);
		for (unsigned int i = 0; i < 4 * 60; i++) {
			random = random * 1103515245 + 12345;
			put8(&s, random >> 16);
		}
		save(&s, folder, "iotlb", shape);
	}
}

int main(int argc, char **argv)
{
	unsigned int number = 0;

	if (argc != 2)
		return 2;
	for (unsigned int mode = 0; mode < 3; mode++)
		for (unsigned int bits = 0; bits < 4; bits++)
			for (unsigned int bottom = 1; bottom <= 4; bottom++)
				walk_seed(argv[1], number++, mode << 2 | bits, bottom);
	op_seeds(argv[1]);
	iotlb_seeds(argv[1]);
	return 0;
}
