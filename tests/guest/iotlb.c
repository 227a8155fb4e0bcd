// SPDX-License-Identifier: GPL-2.0
/*
 * What the IOTLB holds, as the device itself says (debugfs `iotlb'): what was
 * used just now, and nothing that the kernel has taken away.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/mman.h>

#include "schedule.h"

/* DMA addresses are physical ones, unless there is an IOMMU. */
static bool has_iommu(void)
{
	DIR *dir = opendir("/sys/kernel/iommu_groups");
	struct dirent *entry;
	bool found = false;

	while (dir && (entry = readdir(dir)))
		found |= entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return found;
}

/* Bytes of a translation of this kind of memory. */
static u64 size_of(struct dmirage *d, enum probe_kind kind)
{
	return get_info(d).caps & DMIRAGE_CAP_FRACTURE ? PROBE_4K :
							 probe_kind_size(kind);
}

static void expect_entry(struct dmirage *d, const u8 *p, enum probe_kind kind,
			 bool write)
{
	u64 size = size_of(d, kind), va = (uintptr_t)p & ~(size - 1);
	struct tlb_line l;

	if (!in_iotlb(d, p, &l)) {
		ktap_fail(__FILE__, __LINE__, "nothing for %p", p);
		return;
	}
	EXPECT_EQ(l.asid, get_info(d).asid);
	EXPECT_EQ(l.va, va);
	EXPECT_EQ(l.size, size);
	EXPECT_EQ(l.write, write);
	EXPECT_EQ(l.prefetched, 0);
	if (!has_iommu())
		EXPECT_EQ(l.pa, frame_of((void *)va));
}

static void used(int kind)
{
	struct probe_mem mem = get_mem(kind, probe_kind_size(kind));
	u8 *p = mem.addr + mem.len - 100;
	struct dmirage *d = open_context();

	EXPECT(!in_iotlb(d, p, NULL));
	EXPECT_EQ(dev_read(d, p), 0);
	expect_entry(d, p, kind, false);
	dev_write(d, p, 1);
	expect_entry(d, p, kind, true);
	/* Beside it, nothing. */
	EXPECT(!in_iotlb(d, mem.addr - 1, NULL));
	EXPECT(!in_iotlb(d, mem.addr + mem.len, NULL));

	move_mem(&mem, 1);
	EXPECT(!in_iotlb(d, p, NULL));
	EXPECT_EQ(dev_read(d, p), 1);
	expect_entry(d, p, kind, false);

	ASSERT_SYS(munmap(mem.addr, mem.len));
	EXPECT(!in_iotlb(d, p, NULL));
	expect_read_fault(d, p, EFAULT);
	EXPECT(!in_iotlb(d, p, NULL));
	expect_clean(d);
}

/* Other changes take it away, too. */
static void changed(int what)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 4 * PROBE_4K);
	struct probe_mem part = mem;
	struct dmirage *d = open_context();
	struct dmirage_sqe sqe;
	size_t i;

	dmirage_prep_touch_write(&sqe, 1, mem.addr, mem.len);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	for (i = 0; i < 4; i++)
		expect_entry(d, mem.addr + i * PROBE_4K, PROBE_KIND_4K, true);
	/* Those in the middle; the others stay. */
	part.addr += PROBE_4K;
	part.len = 2 * PROBE_4K;
	ASSERT_SYS(change(&part, what));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(in_iotlb(d, mem.addr + i * PROBE_4K, NULL),
			  i == 0 || i == 3);
	expect_clean(d);
}

/* Two contexts at the same address, and what is left when one ends. */
static void others(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context(), *other = open_context();
	u32 asid = get_info(other).asid, n, i, entries;
	struct tlb_line *lines;

	(void)arg;
	dev_write(d, mem.addr, 1);
	EXPECT(!in_iotlb(other, mem.addr, NULL));
	EXPECT_EQ(dev_read(other, mem.addr), 1);
	expect_entry(d, mem.addr, PROBE_KIND_4K, true);
	expect_entry(other, mem.addr, PROBE_KIND_4K, false);
	dmirage_close(other);
	entries = get_info(d).iotlb_entries;
	lines = calloc(entries, sizeof(*lines));
	ASSERT(lines);
	n = read_iotlb(d, lines, entries);
	ASSERT(n <= entries);
	for (i = 0; i < n; i++)
		EXPECT_NE(lines[i].asid, asid);
	expect_entry(d, mem.addr, PROBE_KIND_4K, true);
	ASSERT_SYS(munmap(mem.addr, mem.len));
	EXPECT(!in_iotlb(d, mem.addr, NULL));
	free(lines);
	expect_clean(d);
}

/* Two processes that have something else at the same address: each gets its own. */
static void same_address(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	int go[2];
	pid_t pid;
	char c;

	(void)arg;
	cpu_write(mem.addr, 1);
	ASSERT_SYS(pipe(go));
	pid = fork();
	ASSERT_SYS(pid);
	if (!pid) {
		struct dmirage *own = open_context();

		cpu_write(mem.addr, 2);
		if (read(go[0], &c, 1) != 1)
			_exit(99);
		_exit((int)dev_read(own, mem.addr));
	}
	/* The parent's is in the IOTLB, after all that the fork takes out. */
	EXPECT_EQ(dev_read(d, mem.addr), 1);
	EXPECT(in_iotlb(d, mem.addr, NULL));
	ASSERT_EQ(write(go[1], "g", 1), 1);
	EXPECT_EQ(wait_child(pid), 2);
	EXPECT_EQ(dev_read(d, mem.addr), 1);
	expect_clean(d);
}

/* All of it in use: as many lines as entries at most, in order, all sane. */
static void full(int arg)
{
	struct dmirage *d = open_context();
	struct dmirage_info info = get_info(d);
	size_t len = 2ul * info.iotlb_entries * PROBE_4K;
	struct probe_mem mem;
	struct tlb_line *l;
	struct dmirage_sqe sqe;
	u32 n, i, latest = 0;

	(void)arg;
	if (len > 256ul << 20)
		SKIP("an IOTLB of %u entries", info.iotlb_entries);
	mem = get_mem(PROBE_KIND_4K, len);
	l = calloc(info.iotlb_entries, sizeof(*l));
	ASSERT(l);
	dmirage_prep_touch_write(&sqe, 1, mem.addr, mem.len);
	expect_op(d, &sqe, DMIRAGE_ST_OK);
	n = read_iotlb(d, l, info.iotlb_entries);
	ASSERT(n <= info.iotlb_entries);
	EXPECT_GE(n, info.iotlb_entries / 2);
	for (i = 0; i < n; i++) {
		latest += !l[i].age_ns;
		EXPECT(l[i].age_ns < 60000000000ull);
		if (l[i].asid != info.asid)
			continue;
		EXPECT_EQ(l[i].size, PROBE_4K);
		EXPECT(l[i].va >= (uintptr_t)mem.addr &&
		       l[i].va < (uintptr_t)mem.addr + len);
		if (!has_iommu())
			EXPECT_EQ(l[i].pa, frame_of((void *)l[i].va));
		if (i && l[i - 1].asid == l[i].asid)
			EXPECT(l[i - 1].va < l[i].va);
	}
	EXPECT_GE(latest, 1);
	free(l);
	expect_clean(d);
}

/* What is used first is older than what is used later. */
static void ages(int arg)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 2 * PROBE_4K);
	struct dmirage *d = open_context();
	struct tlb_line first, second;

	(void)arg;
	dev_write(d, mem.addr, 1);
	sleep_ms(50);
	dev_write(d, mem.addr + PROBE_4K, 2);
	/* Used again is not filled again. */
	EXPECT_EQ(dev_read(d, mem.addr), 1);
	ASSERT(in_iotlb(d, mem.addr, &first));
	ASSERT(in_iotlb(d, mem.addr + PROBE_4K, &second));
	EXPECT_GE(first.age_ns, second.age_ns + 40000000);
	EXPECT(first.age_ns < second.age_ns + 5000000000ull);
	expect_clean(d);
}

/* Asked by several at once, while the device works and memory moves. */
static struct storm {
	struct probe_mem mem;
	struct dmirage *d;
	atomic_bool stop;
	atomic_uint moves, ops;
} storms[2];

static void *mover_main(void *arg)
{
	struct storm *s = arg;

	while (!atomic_load(&s->stop))
		move_mem(&s->mem, (int)++s->moves % 2);
	return NULL;
}

static void *device_main(void *arg)
{
	struct storm *s = arg;
	struct dmirage_sqe sqe;

	while (!atomic_load(&s->stop)) {
		dmirage_prep_touch_write(&sqe, 1, s->mem.addr, s->mem.len);
		expect_op(s->d, &sqe, DMIRAGE_ST_OK);
		s->ops++;
	}
	return NULL;
}

static void *reader_main(void *arg)
{
	struct dmirage *d = arg;
	unsigned int i;

	for (i = 0; i < 40; i++)
		EXPECT(read_iotlb(d, NULL, 0) <= get_info(d).iotlb_entries);
	return NULL;
}

static void storm(int arg)
{
	pthread_t thread[2][2], reader[2];
	unsigned int i;

	(void)arg;
	for (i = 0; i < 2; i++) {
		storms[i].mem = get_mem(i ? PROBE_KIND_THP : PROBE_KIND_4K,
					PROBE_2M / (i ? 1 : 8));
		storms[i].d = open_context();
		ASSERT(!pthread_create(&thread[i][0], NULL, mover_main,
				       &storms[i]));
		ASSERT(!pthread_create(&thread[i][1], NULL, device_main,
				       &storms[i]));
	}
	for (i = 0; i < 2; i++)
		ASSERT(!pthread_create(&reader[i], NULL, reader_main,
				       storms[i].d));
	for (i = 0; i < 2; i++)
		pthread_join(reader[i], NULL);
	for (i = 0; i < 2; i++) {
		while (storms[i].moves < 2 || storms[i].ops < 2)
			sleep_ms(1);
		atomic_store(&storms[i].stop, true);
		pthread_join(thread[i][0], NULL);
		pthread_join(thread[i][1], NULL);
		ktap_note("%u moves, %u operations", storms[i].moves,
			  storms[i].ops);
		expect_clean(storms[i].d);
	}
}

static const struct ktap_test tests[] = {
	{ "used-4k", used, PROBE_KIND_4K, 0 },
	{ "used-thp", used, PROBE_KIND_THP, 0 },
	{ "used-hugetlb", used, PROBE_KIND_HUGETLB, 0 },
	{ "changed-munmap", changed, UNMAP, 0 },
	{ "changed-dontneed", changed, DROP, 0 },
	{ "changed-mprotect", changed, READ_ONLY, 0 },
	{ "changed-move", changed, MOVE, 0 },
	{ "other-context", others, 0, 0 },
	{ "same-address", same_address, 0, 0 },
	{ "full", full, 0, 0 },
	{ "ages", ages, 0, 0 },
	{ "storm", storm, 0, 15 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
