// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/memfd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared_pmd.h"

#define MOVE_ALL	4 /* MPOL_MF_MOVE_ALL */

struct shared_pmd shared_pmd_get(size_t gib, const unsigned int *pages, unsigned int n)
{
	struct shared_pmd s = { .len = gib * GIB };
	unsigned int i;
	int ready[2];
	u8 *map;
	char c;

	s.fd = memfd_create("shared-pmd", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
	ASSERT_SYS(s.fd);
	ASSERT_SYS(ftruncate(s.fd, (off_t)s.len));
	map = mmap(NULL, s.len + 2 * GIB, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT(map != MAP_FAILED);
	s.addr = (u8 *)(((uintptr_t)map + GIB - 1) & ~(GIB - 1));
	ASSERT(mmap(s.addr, s.len, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED | MAP_NORESERVE, s.fd, 0) == s.addr);

	/* The other one is first, so there are tables; and who comes takes these. */
	ASSERT_SYS(pipe2(ready, O_CLOEXEC));
	s.other = fork();
	ASSERT_SYS(s.other);
	if (!s.other) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (i = 0; i < n; i++)
			cpu_write(s.addr + pages[i] * PROBE_2M, i);
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ASSERT_EQ(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	for (i = 0; i < n; i++)
		EXPECT_EQ(cpu_read(s.addr + pages[i] * PROBE_2M), i);
	return s;
}

void shared_pmd_put(struct shared_pmd *s)
{
	kill(s->other, SIGKILL);
	ASSERT_SYS(waitpid(s->other, NULL, 0));
	ASSERT_SYS(munmap(s->addr, s->len));
	close(s->fd);
}

void shared_pmd_move(void *page)
{
	int status = -1, node;
	struct probe_page was;

	ASSERT_PROBE(probe_page(page, &was));
	node = !was.node;
	ASSERT_SYS(syscall(SYS_move_pages, 0, 1ul, &page, &node, &status, MOVE_ALL));
	EXPECT_EQ(status, node);
}
