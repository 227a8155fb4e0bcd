// SPDX-License-Identifier: GPL-2.0
/*
 * Soak: a driver that is right, watched, while several processes do all that they
 * can to the memory that their devices use: nothing is found, by watch, access or
 * audit, however long it takes.  And a driver that is not right is found soon.
 *
 *	soak [TEST…]		a short one, as the other test programs
 *	soak --stores=N [--mode=mirror|shared] [--fault-mode=NAME] [--limit=S]
 *	     [--only=NAME]	operations with that in their names,
 *				until there were so many watched stores, or something
 *				was found; shows progress, and a table at the end
 *
 * Concepts
 *
 *   A *worker* is a process with a thread that carries out operations
 *   (soak_ops.h), one that has the device use the memory, through a context of its
 *   own, and one that uses it itself.  An operation begins with the device having
 *   all of its area.  What is found while it is carried out counts as its own,
 *   whoever did it.
 *
 *   All choices of operations come from one seed.  How they interleave does not.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "settings.h"
#include "soak_ops.h"
#include "watched.h"

#define WORKERS		2
#define SHORT_STORES	100000
#define SHORT_LIMIT_S	40
#define LONG_LIMIT_S	3600
#define GRACE_S		20	/* to end, when it is told to */
#define SETTLE_MS	400	/* longer than suspect-ms */
#define PROGRESS_MS	2000
#define AUDIT_EVERY	50	/* operations */
#define TRIES		6	/* of an operation that is in vain, at first */
#define OPS_MAX		64
#define TELL_MAX	3	/* records of a context */

static struct soak_run {
	u64 stores;
	unsigned int mode;
	const char *fault_mode;
	unsigned int limit;
	bool progress;
	const char *only;
} run = { SHORT_STORES, DMIRAGE_MODE_MIRROR, NULL, SHORT_LIMIT_S, false, NULL };

/* What workers tell. */
struct told {
	atomic_bool stop;
	atomic_uint rounds;	/* workers that have been through all */
	atomic_uint at[WORKERS];	/* operations they are at */
	atomic_ullong stores;
	atomic_ullong suspects;
	atomic_ullong by_watch;
	atomic_ullong by_access;
	atomic_ullong by_audit;
	atomic_ullong refused;
	atomic_ullong audited;	/* translations that audits looked at */
	atomic_ullong dma;	/* device operations beside */
	atomic_ullong right[SOAK_KINDS];
	atomic_ullong wrong[SOAK_KINDS];
	struct {
		atomic_ullong done;
		atomic_ullong vain;
		atomic_ullong stores;
		atomic_ullong suspects;
		atomic_ullong found;
		atomic_ullong callbacks;
		atomic_int why;
	} op[OPS_MAX];
};

static struct told *told; /* shared with them */

/* ---- A worker --------------------------------------------------------------------- */

struct beside {
	struct soak_worker *w;
	struct dmirage *d;
	struct ktap_random random;
	pthread_t thread;
};

static u8 *anywhere(struct beside *b, size_t *len)
{
	struct soak_area *a = &b->w->area[ktap_below(&b->random, SOAK_KINDS)];
	size_t at = ktap_below(&b->random, SOAK_LEN / PROBE_4K) * PROBE_4K;

	*len = PROBE_4K * (1 + ktap_below(&b->random,
					  (SOAK_LEN - at) / PROBE_4K));
	return atomic_load(&a->addr) + at;
}

/* The device, all the time.  That something is not there is no failure. */
static void *device_main(void *arg)
{
	struct beside *b = arg;
	struct dmirage_sqe sqe;
	struct dmirage_cqe cqe;
	size_t len;
	u64 n = 0;
	u8 *p;

	while (!atomic_load(&told->stop)) {
		p = anywhere(b, &len);
		n++;
		/* What may be somebody else's page is not to be changed. */
		switch (ktap_below(&b->random, b->w->fault_mode ? 3 : 5)) {
		case 0:
			dmirage_prep_touch_write(&sqe, n, p, len);
			break;
		case 1:
			dmirage_prep_touch_read(&sqe, n, p, len);
			break;
		case 2:
			dmirage_prep_read_imm(&sqe, n, p, 8);
			break;
		case 3:
			dmirage_prep_write_imm(&sqe, n, p + 8, n, 8);
			break;
		default:
			dmirage_prep_fill(&sqe, n, p, 0x5a5a5a5a5a5a5a5a,
					  len < 65536 ? len : 65536);
			break;
		}
		ASSERT_OK(dmirage_run(b->d, &sqe, &cqe, OP_TIMEOUT_MS));
	}
	atomic_fetch_add(&told->dma, n);
	return NULL;
}

/* The process itself, now and then. */
static void *cpu_main(void *arg)
{
	struct beside *b = arg;
	size_t len;
	u8 *p;

	while (!atomic_load(&told->stop)) {
		p = anywhere(b, &len);
		soak_cpu(p, len, ktap_below(&b->random, 2));
		sleep_ms(2);
	}
	return NULL;
}

static void audit(struct dmirage *d)
{
	struct dmirage_audit_range range;
	int ret = dmirage_audit(d, NULL, ~0ull, &range);

	/* It ends early if there is too much to look at again and again. */
	if (ret == -ECANCELED || ret == -EOPNOTSUPP)
		return;
	ASSERT_OK(ret);
	atomic_fetch_add(&told->by_audit, range.violations);
	atomic_fetch_add(&told->audited, range.translations);
}

static struct soak_counts all_counts(struct soak_worker *w,
				     const struct beside *device)
{
	return soak_sum(soak_sum(soak_counts(w->d), soak_counts(device->d)),
			w->child);
}

/* What has come since the last time; added up, for @op if there is one. */
static void count(struct soak_worker *w, const struct beside *device,
		  struct soak_counts *last, int op)
{
	struct soak_counts now = all_counts(w, device);
	u64 found = now.by_watch + now.by_access - last->by_watch -
		    last->by_access;

	atomic_fetch_add(&told->stores, now.stores - last->stores);
	atomic_fetch_add(&told->suspects, now.suspects - last->suspects);
	atomic_fetch_add(&told->by_watch, now.by_watch - last->by_watch);
	atomic_fetch_add(&told->by_access, now.by_access - last->by_access);
	atomic_fetch_add(&told->refused, now.refused - last->refused);
	if (op >= 0) {
		atomic_fetch_add(&told->op[op].stores,
				 now.stores - last->stores);
		atomic_fetch_add(&told->op[op].suspects,
				 now.suspects - last->suspects);
		atomic_fetch_add(&told->op[op].callbacks,
				 now.callbacks - last->callbacks);
		atomic_fetch_add(&told->op[op].found, found);
	}
	*last = now;
}

static void verify(const struct soak_area *a)
{
	if (soak_area_is_right(a))
		atomic_fetch_add(&told->right[a->kind], 1);
	else
		atomic_fetch_add(&told->wrong[a->kind], 1);
}

/* Fresh, if it is not what it was, or now and then; then the device has it. */
static bool ready(struct soak_worker *w, struct soak_area *a)
{
	u8 *addr;

	if (a->other || !ktap_below(&w->random, 8)) {
		if (soak_area_fresh(a))
			return false;
		if (!ktap_below(&w->random, 4))
			verify(a);
	}
	addr = atomic_load(&a->addr);
	return soak_touch(w->d, addr, SOAK_LEN, ktap_below(&w->random, 2)) ==
	       DMIRAGE_ST_OK;
}

static struct soak_area *an_area(struct soak_worker *w, unsigned int kinds)
{
	unsigned int kind;

	do {
		kind = ktap_below(&w->random, SOAK_KINDS);
	} while (!(kinds & SOAK_OF(kind)));
	return &w->area[kind];
}

static bool operate(struct soak_worker *w, const struct beside *device,
		    struct soak_counts *last, unsigned int n)
{
	const struct soak_op *op = &soak_ops[n];
	struct soak_area *a = an_area(w, op->kinds);
	bool warm = ready(w, a);
	int ret;

	count(w, device, last, -1);
	atomic_store(&told->at[w->number], n);
	ret = op->act(w, a);
	count(w, device, last, (int)n);
	if (ret < 0) {
		a->other = true;
		atomic_store(&told->op[n].why, ret);
	}
	if (ret >= 0 && warm)
		atomic_fetch_add(&told->op[n].done, 1);
	else
		atomic_fetch_add(&told->op[n].vain, 1);
	return ret >= 0 && warm;
}

/* 0: it is not wanted. */
static unsigned int weight(unsigned int op)
{
	if (run.only && !strstr(soak_ops[op].name, run.only))
		return 0;
	return soak_ops[op].weight;
}

/* By weight. */
static unsigned int an_op(struct soak_worker *w)
{
	unsigned int sum = 0, i;
	u64 at;

	for (i = 0; i < soak_ops_count; i++)
		sum += weight(i);
	at = ktap_below(&w->random, sum);
	for (i = 0; at >= weight(i); i++)
		at -= weight(i);
	return i;
}

static void begin(struct beside *b, struct soak_worker *w,
		  void *(*thread_main)(void *), struct dmirage *d)
{
	b->w = w;
	b->d = d;
	b->random.state = ktap_random(&w->random);
	ASSERT(!pthread_create(&b->thread, NULL, thread_main, b));
}

/* In a process of its own. */
static void work(struct soak_worker *w)
{
	struct soak_counts last = { 0 };
	struct beside device, cpu;
	unsigned int n, i;
	u64 ops = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	soak_catch();
	w->d = soak_open(w, 0);
	for (i = 0; i < SOAK_KINDS; i++) {
		ASSERT_OK(soak_area_fresh(&w->area[i]));
		verify(&w->area[i]);
	}
	begin(&device, w, device_main, soak_open(w, 0));
	begin(&cpu, w, cpu_main, NULL);

	/* Each of them once, then by weight. */
	for (n = 0; n < soak_ops_count && !atomic_load(&told->stop); n++)
		for (i = 0; i < TRIES && weight(n); i++)
			if (operate(w, &device, &last, n))
				break;
	atomic_fetch_add(&told->rounds, 1);
	while (!atomic_load(&told->stop)) {
		operate(w, &device, &last, an_op(w));
		if (!(++ops % AUDIT_EVERY)) {
			audit(w->d);
			audit(device.d);
		}
	}

	pthread_join(device.thread, NULL);
	pthread_join(cpu.thread, NULL);
	sleep_ms(SETTLE_MS);
	audit(w->d);
	audit(device.d);
	count(w, &device, &last, -1);
	soak_tell(w->d, w->fault_mode ? 1 : TELL_MAX);
	soak_tell(device.d, w->fault_mode ? 1 : TELL_MAX);
	dmirage_close(w->d);
	dmirage_close(device.d);
	ktap_end();
}

/* ---- The whole --------------------------------------------------------------------- */

static u64 found(void)
{
	return atomic_load(&told->by_watch) + atomic_load(&told->by_access) +
	       atomic_load(&told->by_audit);
}

static void show_progress(u64 began)
{
	ktap_note("progress: %llu of %llu stores, %llu suspects, %llu violations, %llu s, at %s and %s",
		  atomic_load(&told->stores), run.stores,
		  atomic_load(&told->suspects), found(),
		  (now_ms() - began) / 1000,
		  soak_ops[atomic_load(&told->at[0])].name,
		  soak_ops[atomic_load(&told->at[1])].name);
}

static void show_table(void)
{
	unsigned int i;

	ktap_note("table: %-18s %8s %8s %12s %10s %10s", "operation", "times",
		  "in vain", "stores", "suspects", "violations");
	for (i = 0; i < soak_ops_count; i++) {
		u64 done = atomic_load(&told->op[i].done);

		if (!weight(i))
			continue;
		ktap_note("table: %-18s %8llu %8llu %12llu %10llu %10llu%s%s",
			  soak_ops[i].name, done,
			  atomic_load(&told->op[i].vain),
			  atomic_load(&told->op[i].stores),
			  atomic_load(&told->op[i].suspects),
			  atomic_load(&told->op[i].found),
			  done ? "" : "  ",
			  done ? "" : strerror(-atomic_load(&told->op[i].why)));
	}
	ktap_note("table: %-18s %8s %8s %12llu %10llu %10llu", "together", "",
		  "", atomic_load(&told->stores), atomic_load(&told->suspects),
		  found());
}

/* All was done that this kernel has, and was what it is called. */
static void expect_all_done(void)
{
	unsigned int version = kernel_version(), i;

	for (i = 0; i < soak_ops_count; i++) {
		const struct soak_op *op = &soak_ops[i];

		if (version < op->since || op->maybe || !weight(i))
			continue;
		if (!atomic_load(&told->op[i].done))
			ktap_fail(__FILE__, __LINE__, "%s was never done: %s",
				  op->name,
				  strerror(-atomic_load(&told->op[i].why)));
		if (op->notifies && run.mode == DMIRAGE_MODE_MIRROR &&
		    !atomic_load(&told->op[i].callbacks))
			ktap_fail(__FILE__, __LINE__,
				  "%s: no callback of a notifier", op->name);
	}
	for (i = 0; i < SOAK_KINDS; i++) {
		if (!atomic_load(&told->right[i]))
			ktap_fail(__FILE__, __LINE__,
				  "no memory was %s (%llu times something else)",
				  soak_kind_names[i],
				  atomic_load(&told->wrong[i]));
	}
}

/* Where it is in the kernel. */
static void show_stack(pid_t pid)
{
	char name[64], line[128];
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/stack", pid);
	f = fopen(name, "r");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		ktap_note("  %s", line);
	}
	if (f)
		fclose(f);
}

/* Until there was enough, or something was found. */
static void supervise(const pid_t *pid, u64 began)
{
	u64 end = began + run.limit * 1000ull * ktap_scale();
	u64 next = began + PROGRESS_MS;
	bool over = false;
	int i, status = 0;

	while (!over && now_ms() < end) {
		sleep_ms(50);
		over = found() || (atomic_load(&told->stores) >= run.stores &&
				   atomic_load(&told->rounds) == WORKERS);
		/* One that has ended before it was told to has failed. */
		for (i = 0; i < WORKERS; i++) {
			siginfo_t info = { 0 };

			ASSERT_SYS(waitid(P_PID, (id_t)pid[i], &info,
					  WEXITED | WNOHANG | WNOWAIT));
			over |= info.si_pid == pid[i];
		}
		if (run.progress && now_ms() >= next) {
			show_progress(began);
			next += PROGRESS_MS;
		}
	}
	atomic_store(&told->stop, true);
	end = now_ms() + GRACE_S / 2 * 1000ull * ktap_scale();
	for (i = 0; i < WORKERS; i++) {
		while (!waitpid(pid[i], &status, WNOHANG) && now_ms() < end)
			sleep_ms(20);
		if (!kill(pid[i], 0)) {
			ktap_fail(__FILE__, __LINE__,
				  "a worker does not end: it is at %s",
				  soak_ops[atomic_load(&told->at[i])].name);
			show_stack(pid[i]);
			kill(pid[i], SIGKILL);
			status = 0;
		}
		EXPECT_EQ(status, 0);
	}
}

static void soak(void)
{
	struct soak_worker w[WORKERS] = { 0 };
	struct ktap_random random;
	u64 began = now_ms(), took;
	pid_t pid[WORKERS];
	unsigned int i;

	need_watch();
	ASSERT(soak_ops_count <= OPS_MAX);
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(told != MAP_FAILED);
	random.state = ktap_seed();
	soak_areas_make(w[0].area);
	for (i = 0; i < WORKERS; i++) {
		memcpy(w[i].area, w[0].area, sizeof(w[i].area));
		w[i].random.state = ktap_random(&random);
		w[i].number = i;
		w[i].mode = run.mode;
		w[i].fault_mode = run.fault_mode;
		fflush(stdout);
		pid[i] = fork();
		ASSERT_SYS(pid[i]);
		if (!pid[i])
			work(&w[i]);
	}
	supervise(pid, began);
	took = now_ms() - began;

	if (run.progress)
		show_table();
	ktap_note("%llu stores, %llu suspects in %llu ms, %llu a second",
		  atomic_load(&told->stores), atomic_load(&told->suspects),
		  took, atomic_load(&told->stores) * 1000 / (took + !took));
	ktap_note("violations: %llu by watch, %llu by access, %llu by audit",
		  atomic_load(&told->by_watch), atomic_load(&told->by_access),
		  atomic_load(&told->by_audit));
	ktap_note("%llu operations of devices beside, %llu translations in audits",
		  atomic_load(&told->dma), atomic_load(&told->audited));
	for (i = 0; i < SOAK_KINDS; i++)
		ktap_note("memory was %s: %llu times, something else: %llu",
			  soak_kind_names[i], atomic_load(&told->right[i]),
			  atomic_load(&told->wrong[i]));
}

/* The driver is right. */
static void clean(int mode)
{
	u64 stores, violations, refused, audited;

	run.mode = (unsigned int)mode;
	soak();
	violations = found();
	EXPECT_EQ(violations, 0);
	refused = atomic_load(&told->refused);
	EXPECT_EQ(refused, 0);
	audited = atomic_load(&told->audited);
	EXPECT_GE(audited, 1);
	stores = atomic_load(&told->stores);
	EXPECT_GE(stores, run.stores);
	if (!run.only)
		expect_all_done();
}

/* It is not: that is found, and by watch. */
static void caught(int mode)
{
	u64 by_watch;

	run.mode = (unsigned int)mode;
	if (!run.fault_mode)
		run.fault_mode = FAULT_MODE_FIRST_PAGE;
	run.stores = ~0ull;
	soak();
	by_watch = atomic_load(&told->by_watch);
	EXPECT_GE(by_watch, 1);
}

/* The value of an argument --name=VALUE, or NULL. */
static const char *value_of(const char *arg, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(arg, name, len) && arg[len] == '=' ? arg + len + 1 :
							     NULL;
}

static bool take_argument(const char *arg)
{
	const char *value;

	value = value_of(arg, "--stores");
	if (value)
		return (run.stores = strtoull(value, NULL, 10)) > 0;
	value = value_of(arg, "--limit");
	if (value)
		return (run.limit = (unsigned int)atoi(value)) > 0;
	value = value_of(arg, "--fault-mode");
	if (value) {
		run.fault_mode = value;
		return *value;
	}
	value = value_of(arg, "--only");
	if (value) {
		run.only = value;
		return *value;
	}
	value = value_of(arg, "--mode");
	for (run.mode = 0; value && run.mode <= DMIRAGE_MODE_SHARED; run.mode++)
		if (!strcmp(value, dmirage_mode_str(run.mode)))
			return true;
	return false;
}

static void before(void)
{
	reserve_huge_pages();
	soak_settings();
	atexit(settings_back);
}

static int main_long(int argc, char **argv)
{
	struct ktap_test test = { "soak", clean, 0, 0 };
	int i;

	run.limit = LONG_LIMIT_S;
	run.progress = true;
	for (i = 1; i < argc; i++) {
		if (!take_argument(argv[i])) {
			fprintf(stderr, "soak: %s is not known\n", argv[i]);
			return 2;
		}
	}
	test.arg = (int)run.mode;
	test.limit = run.limit + GRACE_S;
	/* A bug in the driver is to be found, not to be the test's failure. */
	return ktap_main(1, argv, &test, 1, before);
}

int main(int argc, char **argv)
{
	static const struct ktap_test tests[] = {
		{ "mirror", clean, DMIRAGE_MODE_MIRROR,
		  SHORT_LIMIT_S + GRACE_S },
		{ "shared", clean, DMIRAGE_MODE_SHARED,
		  SHORT_LIMIT_S + GRACE_S },
		{ "caught", caught, DMIRAGE_MODE_MIRROR,
		  SHORT_LIMIT_S + GRACE_S },
	};

	if (argc > 1 && argv[1][0] == '-')
		return main_long(argc, argv);
	return ktap_main(argc, argv, tests, ARRAY_SIZE(tests), before);
}
