// SPDX-License-Identifier: GPL-2.0
#include "seed.h"

#define WRITERS_MS 5000 /* until all have written */

struct seed_writer *seed_writer_add(struct seed *s, struct dmirage *d)
{
	struct seed_writer *w = &s->writer[s->writers];

	ASSERT(s->writers < SEED_WRITERS);
	*w = (struct seed_writer){ .seed = s, .number = s->writers++, .d = d };
	return w;
}

struct seed_writer *seed_writer_away(struct seed *s)
{
	struct seed_writer *w = seed_writer_add(s, NULL);

	w->away = true;
	return w;
}

static u64 value_of(const struct seed_writer *w, u64 n)
{
	return n ? (u64)(w->number + 1) << 56 | n : 0;
}

static u8 *word_of(const struct seed_writer *w, u64 n)
{
	const struct seed *s = w->seed;

	return seed_page(s, s->place[n % s->places]) + SEED_WRITER_AT(w->number);
}

/* What was written where @n is to be written. */
static u64 value_before(const struct seed_writer *w, u64 n)
{
	return value_of(w, n > w->seed->places ? n - w->seed->places : 0);
}

static void found(struct seed_writer *w, u64 n, u64 value)
{
	if (value == value_before(w, n))
		return;
	if (!w->lost++)
		w->lost_page = w->seed->place[n % w->seed->places];
}

static void write_by_cpu(struct seed_writer *w)
{
	u64 n = w->n + 1;

	found(w, n, cpu_read(word_of(w, n)));
	cpu_write(word_of(w, n), value_of(w, n));
	w->n = n;
	if (n % 64 == 0)
		sleep_ms(1);
}

static bool write_by_device(struct seed_writer *w)
{
	struct dmirage_sqe sqe[2 * SEED_BATCH];
	struct dmirage_cqe cqe;
	unsigned int i;
	u64 n = w->n;

	for (i = 0; i < SEED_BATCH; i++) {
		dmirage_prep_read_imm(&sqe[2 * i], 2 * i, word_of(w, n + 1 + i), 8);
		dmirage_prep_write_imm(&sqe[2 * i + 1], 2 * i + 1, word_of(w, n + 1 + i),
				       value_of(w, n + 1 + i), 8);
	}
	if (dmirage_submit(w->d, sqe, 2 * SEED_BATCH) != 2 * SEED_BATCH)
		return false;
	for (i = 0; i < 2 * SEED_BATCH; i++) {
		if (dmirage_wait(w->d, &cqe, OP_TIMEOUT_MS))
			return false;
		if (cqe.status != DMIRAGE_ST_OK && !w->failed++) {
			w->status = cqe.status;
			w->detail = cqe.detail;
		}
		if (i % 2)
			w->n = ++n;
		else
			found(w, n + 1, cqe.result);
	}
	if (n % (4 * SEED_BATCH) == 0)
		sleep_ms(1);
	return true;
}

void *seed_writer_run(void *arg)
{
	struct seed_writer *w = arg;

	while (!atomic_load(&w->seed->started))
		sleep_ms(1);
	while (!atomic_load(&w->seed->stop)) {
		if (!w->d) {
			write_by_cpu(w);
		} else if (!write_by_device(w)) {
			w->failed++;
			break;
		}
	}
	atomic_store(&w->ended, true);
	return NULL;
}

void seed_writers_go_on(struct seed *s, u64 more)
{
	u64 end = now_ms() + (u64)WRITERS_MS * ktap_scale(), until[SEED_WRITERS];
	unsigned int i;

	for (i = 0; i < s->writers; i++)
		until[i] = s->writer[i].n + more;
	for (i = 0; i < s->writers; i++) {
		while (s->writer[i].n < until[i]) {
			ASSERT(!atomic_load(&s->writer[i].ended));
			ASSERT(now_ms() < end);
			sleep_ms(1);
		}
	}
}

void seed_writers_start(struct seed *s)
{
	unsigned int i;

	for (i = 0; i < s->writers; i++) {
		if (!s->writer[i].away)
			ASSERT(!pthread_create(&s->writer[i].thread, NULL, seed_writer_run,
					       &s->writer[i]));
	}
	atomic_store(&s->started, true);
	seed_writers_go_on(s, s->places);
}

void seed_writers_end(struct seed *s)
{
	u64 end = now_ms() + (u64)WRITERS_MS * ktap_scale(), n;
	struct seed_writer *w;
	unsigned int k;

	atomic_store(&s->stop, true);
	for (w = s->writer; w < s->writer + s->writers; w++) {
		if (w->away) {
			while (!atomic_load(&w->ended)) {
				ASSERT(now_ms() < end);
				sleep_ms(1);
			}
		} else {
			pthread_join(w->thread, NULL);
		}
		if (w->lost || w->failed)
			ktap_note("writer %u, %s: %llu numbers, %llu lost, the first on page %u; %llu failed: %s, %u",
				  w->number, w->d ? "a context" : "a processor", (u64)w->n, w->lost,
				  w->lost_page, w->failed, dmirage_status_str(w->status), w->detail);
		EXPECT_EQ(w->lost, 0);
		EXPECT_EQ(w->failed, 0);
		/* The last ones, one at each place. */
		for (k = 0; k < s->places && k < w->n; k++) {
			n = w->n - k;
			cpu_write(seed_right(s, s->place[n % s->places]) + SEED_WRITER_AT(w->number),
				  value_of(w, n));
		}
	}
}
