// SPDX-License-Identifier: GPL-2.0
/*
 * Unloading and loading the driver.  Sorts last: if it fails, there may be no
 * driver for what would come after it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

#define DEVICE	"/dev/dmirage0"

static const char *module_path(void)
{
	const char *path = getenv("DMIRAGE_KO");

	return path ? path : "/lib/modules/dmirage.ko";
}

static int unload(void)
{
	return (int)syscall(SYS_delete_module, "dmirage", O_NONBLOCK);
}

static int load(void)
{
	int fd = open(module_path(), O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -1;
	ret = (int)syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	return ret;
}

static bool wait_device(bool there)
{
	u64 end = now_ms() + 2000;

	while ((access(DEVICE, F_OK) == 0) != there) {
		if (now_ms() > end)
			return false;
		sleep_ms(2);
	}
	return true;
}

static void expect_works(enum probe_kind kind)
{
	struct probe_mem mem = get_mem(kind, probe_kind_size(kind));
	struct dmirage *d = open_context();

	dev_write(d, mem.addr + 64, 7);
	EXPECT_EQ(cpu_read(mem.addr + 64), 7);
	move_mem(&mem, 1);
	cpu_write(mem.addr, 8);
	EXPECT_EQ(dev_read(d, mem.addr), 8);
	expect_clean(d);
	dmirage_close(d);
	probe_mem_put(&mem);
}

static void need_module(void)
{
	if (access(module_path(), R_OK))
		SKIP("no %s (DMIRAGE_KO=)", module_path());
}

/* In use: refused, and nothing is changed by the attempt. */
static void in_use(int arg)
{
	struct dmirage *d = open_context();
	static u64 word;
	int ret;

	(void)arg;
	need_module();
	dev_write(d, &word, 1);
	ret = unload();
	EXPECT_EQ(ret, -1);
	EXPECT(errno == EBUSY || errno == EAGAIN);
	dev_write(d, &word, 2);
	EXPECT_EQ(cpu_read(&word), 2);
	expect_clean(d);
	dmirage_close(d);
	if (ret == 0)
		load();
}

static void reload(int arg)
{
	int i;

	(void)arg;
	need_module();
	for (i = 0; i < 3; i++) {
		ASSERT_SYS(unload());
		ASSERT(wait_device(false));
		ASSERT_SYS(load());
		ASSERT(wait_device(true));
		expect_works(i % PROBE_KINDS);
	}
}

/* Unloaded at once after a process that was at work has been killed. */
static void after_kill(int arg)
{
	struct dmirage_sqe sqe;
	struct dmirage *d;
	static u64 words[512];
	pid_t pid;
	u64 end;
	int i;

	(void)arg;
	need_module();
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid) {
		if (dmirage_open(NULL, NULL, &d))
			_exit(1);
		for (i = 0;; i++) {
			dmirage_prep_write_imm(&sqe, 0, &words[i % 512], 1, 8);
			if (dmirage_run(d, &sqe, NULL, OP_TIMEOUT_MS))
				_exit(2);
		}
	}
	sleep_ms(30);
	kill(pid, SIGKILL);
	ASSERT_SYS(waitpid(pid, NULL, 0));
	end = now_ms() + 2000;
	while (unload()) {
		ASSERT(errno == EBUSY || errno == EAGAIN);
		ASSERT(now_ms() < end);
		sleep_ms(2);
	}
	ASSERT(wait_device(false));
	ASSERT_SYS(load());
	ASSERT(wait_device(true));
	expect_works(PROBE_KIND_4K);
}

static const struct ktap_test tests[] = {
	{ "refused-in-use", in_use, 0, 0 },
	{ "reload", reload, 0, 20 },
	{ "reload-after-kill", after_kill, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
