// SPDX-License-Identifier: GPL-2.0
/*
 * Fault modes: bugs in whom a context works for, how it ends, and what it keeps.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fault_mode.h"
#include "raw.h"

/* ---- any-caller ---------------------------------------------------------- */

enum {
	CHILD_PARENTS = 20,	/* it read what its parent has */
	CHILD_OWN,		/* what it has itself */
	CHILD_EPERM,
	CHILD_OTHER,
};

#define PARENTS_VALUE	0x9a4e27ull
#define CHILDS_VALUE	0xc411dull

/* The parent's rings, mapped by the child; what it reads with them. */
static int use_parents_file(struct raw *r, u64 *word)
{
	const struct dmirage_setup *s = &r->setup;
	struct dmirage_cqe cqe;
	struct dmirage_sqe sqe;

	cpu_write(word, CHILDS_VALUE);
	r->sq = mmap(NULL, s->sq_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		     r->fd, (off_t)s->sq_offset);
	if (r->sq == MAP_FAILED)
		return errno == EPERM ? CHILD_EPERM : CHILD_OTHER;
	r->cq = mmap(NULL, s->cq_bytes, PROT_READ, MAP_SHARED, r->fd,
		     (off_t)s->cq_offset);
	r->db = mmap(NULL, s->db_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		     r->fd, (off_t)s->db_offset);
	if (r->cq == MAP_FAILED || r->db == MAP_FAILED)
		return CHILD_OTHER;
	dmirage_prep_read_imm(&sqe, 1, word, 8);
	raw_put(r, &sqe);
	raw_ring(r);
	if (!raw_take(r, &cqe, OP_TIMEOUT_MS) || cqe.status != DMIRAGE_ST_OK)
		return CHILD_OTHER;
	if (cqe.result == PARENTS_VALUE)
		return CHILD_PARENTS;
	return cqe.result == CHILDS_VALUE ? CHILD_OWN : CHILD_OTHER;
}

static void any_caller_with(const char *mode)
{
	static u64 word __attribute__((aligned(4096)));
	struct raw r = raw_start(8, 8);
	int status;
	pid_t pid;

	half_begins(mode);
	put_bug_underneath(r.setup.asid);
	if (mode)
		ctx_write(r.setup.asid, "fault_mode", mode);
	cpu_write(&word, PARENTS_VALUE);
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid)
		_exit(use_parents_file(&r, &word));
	ASSERT_SYS(waitpid(pid, &status, 0));
	ASSERT(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), mode ? CHILD_PARENTS : CHILD_EPERM);
	EXPECT_EQ(ctx_counter(r.setup.asid, "ops"), mode ? 1 : 0);
	EXPECT_EQ(cpu_read(&word), PARENTS_VALUE);
	raw_end(&r);
}

/* A forked child uses the file, and so its parent's memory. */
static void any_caller(int arg)
{
	(void)arg;
	any_caller_with(NULL);
	any_caller_with("any-caller");
}

/* ---- ignore-release -------------------------------------------------------- */

#define AFTER_END	3	/* operations behind the one that is held */

/*
 * The owner: leaves the file to a child of its own, lets the device stop in the
 * middle of an operation, and goes.
 */
static void owner(const char *mode, int told, int go)
{
	struct dmirage *d = open_context();
	struct probe_mem mem;
	u32 asid = get_info(d).asid;
	unsigned int i;
	pid_t pid;
	char c;

	pid = fork();
	ASSERT(pid >= 0);
	if (!pid) {
		/* It has the file until it is told, or nobody is left to. */
		close(told);
		_exit(read(go, &c, 1) != 0);
	}
	set_mode(d, mode);
	ASSERT_PROBE(probe_mem_map(&mem, PROBE_KIND_4K,
				   (1 + AFTER_END) * PROBE_4K));
	dev_write(d, mem.addr, 1);
	arm_hold_long(d, "translated");
	submit_write(d, mem.addr, 2);
	for (i = 1; i <= AFTER_END; i++)
		submit_read(d, mem.addr + i * PROBE_4K);
	wait_held(d);
	ASSERT_EQ(write(told, &asid, sizeof(asid)), sizeof(asid));
	ktap_end();
}

/* Is the context switched on?  From the device's register. */
static bool switched_on(unsigned int asid)
{
	struct dmirage_open_opts look = { .flags = DMIRAGE_OPEN_NO_CONTEXT };
	char text[128], want[32];
	unsigned long ctl = ~0ul;
	struct dmirage *d;
	FILE *f;
	int fd;

	ASSERT_OK(dmirage_open(NULL, &look, &d));
	fd = probe_dev_open(d, "registers");
	ASSERT_PROBE(fd);
	f = fdopen(fd, "r");
	ASSERT(f);
	snprintf(want, sizeof(want), "ctx%u_ctl ", asid);
	while (fgets(text, sizeof(text), f)) {
		if (!strncmp(text, want, strlen(want)))
			ctl = strtoul(text + strlen(want), NULL, 16);
	}
	fclose(f);
	dmirage_close(d);
	ASSERT_NE(ctl, ~0ul);
	return ctl & DMIRAGE_CTL_ENABLE;
}

static void ignore_release_with(const char *mode)
{
	u64 ops = mode ? 2 + AFTER_END : 1, failed = mode ? AFTER_END : 0;
	int told[2], go[2], status;
	u64 end = now_ms() + 2000;
	pid_t pid;
	u32 asid;

	half_begins(mode);
	ASSERT_SYS(pipe(told));
	ASSERT_SYS(pipe(go));
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid) {
		close(go[1]);
		owner(mode, told[1], go[0]);
	}
	close(told[1]);
	ASSERT_EQ(read(told[0], &asid, sizeof(asid)), sizeof(asid));
	ASSERT_SYS(waitpid(pid, &status, 0));
	EXPECT_EQ(status, 0);

	/* The address space has ended: all that will ever come has come. */
	while (ctx_counter(asid, "ops") != ops && now_ms() < end)
		sleep_ms(1);
	sleep_ms(QUIET_MS);
	EXPECT_EQ(switched_on(asid), !!mode);
	EXPECT_EQ(ctx_counter(asid, "fault_mode_hits"), mode ? 1 : 0);
	EXPECT_EQ(ctx_counter(asid, "ops"), ops);
	EXPECT_EQ(ctx_counter(asid, "ops_failed"), failed);
	EXPECT_EQ(ctx_counter(asid, "fault_errors"), failed);
	/* What comes after the end takes the entries out even so. */
	EXPECT_EQ(ctx_counter(asid, "violations"), 0);
	close(told[0]);
	close(go[0]);
	close(go[1]);
}

/*
 * The owner goes, the file stays: the device goes on with what it was told, for
 * nobody.
 */
static void ignore_release(int arg)
{
	(void)arg;
	ignore_release_with(NULL);
	ignore_release_with("ignore-release");
}

/* Sooner than a fault mode gives up, which is after a second. */
#define SOON_MS	800

/* ---- fault-lock-in-notifier ------------------------------------------------ */

/*
 * A fault that will want mmap_lock, and an mprotect() that has it and comes to
 * the notifier.
 */
static void fault_lock_with(const char *mode)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 2 * PROBE_4K);
	struct probe_mem page = mem;
	struct dmirage *d = open_context();
	struct dmirage_cqe cqe;
	struct changer c;
	u64 began;

	page.len = PROBE_4K;
	dev_write(d, mem.addr, 1);
	cpu_write(mem.addr + PROBE_4K, 2);
	changer_make(&c, &page, READ_ONLY);
	set_mode(d, mode);
	release_gate(d);	/* touched, for later */
	arm_gate(d, "fault-begin");
	submit_read(d, mem.addr + PROBE_4K);
	wait_gate(d, "fault-begin");
	changer_start(&c);
	if (mode) {
		sleep_ms(QUIET_MS);
		EXPECT(!atomic_load(&c.done));
		/* Now each waits for the other. */
		release_gate(d);
		changer_end(&c);
	} else {
		/* It is none of the fault's business, and does not wait for it. */
		began = now_ms();
		changer_end(&c);
		EXPECT(now_ms() - began < SOON_MS * ktap_scale());
		EXPECT(file_says(d, "gate", "waiting", "fault-begin"));
		release_gate(d);
	}
	cqe = complete(d);
	EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
	EXPECT_EQ(cqe.result, 2);
	EXPECT_EQ(mode_hits(d), mode ? 1 : 0);
	expect_write_fault(d, mem.addr, EPERM);
	expect_not_expired(d);
	expect_violations(d, 0);
	dmirage_close(d);
}

static void fault_lock(int arg)
{
	(void)arg;
	fault_lock_with(NULL);
	fault_lock_with("fault-lock-in-notifier");
}

/* ---- no-fault-limit --------------------------------------------------------- */

/* Whatever the test is to know of it: else it would go on for ever. */
static bool mode_gives_up(struct dmirage *d)
{
	return ctx_counter(get_info(d).asid, "fault_mode_hits");
}

/*
 * A fault that loses each time: it is stopped after it has read the page table,
 * which then changes.
 */
static void no_limit_with(const char *mode)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, 2 * PROBE_4K);
	u8 *other = mem.addr + PROBE_4K;
	struct dmirage *d = open_context();
	struct dmirage_cqe cqe;
	bool ended = false;
	u64 tries;

	set_mode(d, mode);
	cpu_write(mem.addr, 7);
	dev_write(d, other, 1);
	arm_gate(d, "fault-snapshot");
	submit_read(d, mem.addr);
	for (tries = 0; !ended; tries++) {
		while (!file_says(d, "gate", "waiting", "fault-snapshot")) {
			ended = !dmirage_wait(d, &cqe, 1);
			if (ended)
				break;
		}
		if (ended || mode_gives_up(d))
			break;
		ASSERT_SYS(mprotect(other, PROBE_4K, PROT_READ));
		ASSERT_SYS(mprotect(other, PROBE_4K, PROT_READ | PROT_WRITE));
		ASSERT_PROBE(probe_ctx_write(d, "gate", "again"));
	}
	EXPECT_GE(tries, 64);
	EXPECT_EQ(get_counters(d).fault_retries, tries);
	EXPECT_EQ(ended, !mode);
	release_gate(d);
	if (ended) {
		EXPECT_EQ(cqe.status, DMIRAGE_ST_FAULT);
		EXPECT_EQ(cqe.detail, EBUSY);
		EXPECT_EQ(mode_hits(d), 0);
	} else {
		/* It would have gone on; now it is left alone. */
		cqe = complete(d);
		EXPECT_EQ(cqe.status, DMIRAGE_ST_OK);
		EXPECT_EQ(cqe.result, 7);
	}
	EXPECT_EQ(dev_read(d, mem.addr), 7);
	expect_not_expired(d);
	expect_violations(d, 0);
	dmirage_close(d);
}

static void no_limit(int arg)
{
	(void)arg;
	no_limit_with(NULL);
	no_limit_with("no-fault-limit");
}

/* ---- keep-page ---------------------------------------------------------------- */

/* Once, without the patience of probe_mem_move(). */
static long move_page(void *page, int node, int *status)
{
	const int mpol_mf_move = 2;

	return syscall(SYS_move_pages, 0, 1ul, &page, &node, status,
		       mpol_mf_move);
}

static void keep_page_with(const char *mode)
{
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct dmirage *d = open_context();
	int status = -1;
	u64 frame;

	set_mode(d, mode);
	dev_write(d, mem.addr, 1);
	EXPECT_EQ(mode_hits(d), mode ? 1 : 0);
	frame = frame_of(mem.addr);
	if (mode) {
		/* How many pages it could not move; 5.10 may say none. */
		EXPECT_GE(move_page(mem.addr, 1, &status), 0);
		ASSERT_PROBE(probe_mem_verify(&mem, 0));
		EXPECT_EQ(frame_of(mem.addr), frame);
		/* The entry goes with the attempt, and there is no lie in it. */
		EXPECT_GE(get_counters(d).unmapped_4k, 1);
	} else {
		EXPECT_EQ(move_page(mem.addr, 1, &status), 0);
		EXPECT_EQ(status, 1);
		ASSERT_PROBE(probe_mem_verify(&mem, 1));
		EXPECT_NE(frame_of(mem.addr), frame);
	}
	EXPECT_EQ(dev_read(d, mem.addr), 1);
	expect_violations(d, 0);
	dmirage_close(d);
	/* It is given back with the context. */
	move_mem(&mem, mode ? 1 : 0);
}

static void keep_page(int arg)
{
	(void)arg;
	keep_page_with(NULL);
	keep_page_with("keep-page");
}

/* ---- free-before-remove ---------------------------------------------------------- */

struct remover {
	struct dmirage *d;
	u32 id;
	int go[2];
	int ret;
	atomic_bool done;
};

static void *remover_main(void *arg)
{
	struct remover *r = arg;
	char c;

	ASSERT_EQ(read(r->go[0], &c, 1), 1);
	r->ret = dmirage_region_remove(r->d, r->id);
	atomic_store(&r->done, true);
	return NULL;
}

/* A region is removed while its notifier is being called. */
static void free_first_with(const char *mode)
{
	const struct dmirage_open_opts opts = { .flags = DMIRAGE_OPEN_REGIONS };
	struct probe_mem mem = get_mem(PROBE_KIND_4K, PROBE_4K);
	struct remover r = { 0 };
	struct changer c;
	pthread_t thread;
	u64 end;

	ASSERT_OK(dmirage_open(NULL, &opts, &r.d));
	set_mode(r.d, mode);
	ASSERT_OK(dmirage_region_add(r.d, mem.addr, PROBE_4K,
				     DMIRAGE_REGION_WRITE, &r.id));
	dev_write(r.d, mem.addr, 1);
	changer_make(&c, &mem, DROP);
	ASSERT_SYS(pipe(r.go));
	ASSERT(!pthread_create(&thread, NULL, remover_main, &r));
	arm_gate(r.d, "inval-begin");
	changer_start(&c);
	wait_gate(r.d, "inval-begin");
	ASSERT_EQ(write(r.go[1], "g", 1), 1);
	/* The entry is out: it has come to the notifier. */
	end = now_ms() + 2000;
	while ((!get_counters(r.d).unmapped_4k || mode_hits(r.d) != !!mode) &&
	       now_ms() < end)
		sleep_ms(1);
	sleep_ms(QUIET_MS);
	EXPECT_EQ(get_counters(r.d).unmapped_4k, 1);
	EXPECT_EQ(mode_hits(r.d), mode ? 1 : 0);
	EXPECT(!atomic_load(&r.done));
	release_gate(r.d);
	changer_end(&c);
	pthread_join(thread, NULL);
	EXPECT_EQ(r.ret, 0);
	/* The callback went on with what had been freed. */
	EXPECT_EQ(mode_hits(r.d), mode ? 2 : 0);
	EXPECT_EQ(get_counters(r.d).intervals, 0);
	expect_read_fault(r.d, mem.addr, EFAULT);
	expect_not_expired(r.d);
	expect_violations(r.d, 0);
	dmirage_close(r.d);
}

static void free_first(int arg)
{
	(void)arg;
	free_first_with(NULL);
	free_first_with("free-before-remove");
}

static const struct ktap_test tests[] = {
	{ "any-caller", any_caller, 0, 0 },
	{ "ignore-release", ignore_release, 0, 0 },
	{ "fault-lock-in-notifier", fault_lock, 0, 0 },
	{ "no-fault-limit", no_limit, 0, 30 },
	{ "keep-page", keep_page, 0, 0 },
	{ "free-before-remove", free_first, 0, 0 },
};

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests),
			 reserve_huge_pages);
}
