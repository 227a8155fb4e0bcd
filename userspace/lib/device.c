// SPDX-License-Identifier: GPL-2.0
/*
 * Handles: open, close, and what the driver tells about a device.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

#define DEFAULT_ENTRIES	256

int dmirage_find(char *path, size_t size)
{
	unsigned int n, lowest = 0;
	struct dirent *entry;
	bool found = false;
	char rest;
	DIR *dir;

	dir = opendir("/dev");
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (sscanf(entry->d_name, "dmirage%u%c", &n, &rest) != 1)
			continue;
		if (!found || n < lowest)
			lowest = n;
		found = true;
	}
	closedir(dir);
	if (!found)
		return -ENODEV;
	if ((size_t)snprintf(path, size, "/dev/dmirage%u", lowest) >= size)
		return -ENAMETOOLONG;
	return 0;
}

static int map_part(int fd, uint64_t offset, uint64_t bytes, int prot,
		    void **out)
{
	void *p;
	int err;

	p = mmap(NULL, bytes, prot, MAP_SHARED, fd, (off_t)offset);
	if (p == MAP_FAILED)
		return -errno;
	/* A child must not ring the parent's doorbell. */
	if (madvise(p, bytes, MADV_DONTFORK)) {
		err = -errno;
		munmap(p, bytes);
		return err;
	}
	*out = p;
	return 0;
}

static void unmap_parts(struct dmirage *d)
{
	if (d->sq)
		munmap(d->sq, d->setup.sq_bytes);
	if (d->cq)
		munmap((void *)d->cq, d->setup.cq_bytes);
	if (d->db)
		munmap((void *)d->db, d->setup.db_bytes);
}

/* The timed waits are by the clock that deadlines are made of. */
static int make_locks(struct dmirage *d)
{
	pthread_condattr_t attr;
	int err;

	err = pthread_condattr_init(&attr);
	if (err)
		return -err;
	err = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (!err)
		err = pthread_cond_init(&d->news, &attr);
	pthread_condattr_destroy(&attr);
	if (err)
		return -err;
	pthread_mutex_init(&d->submit_lock, NULL);
	pthread_mutex_init(&d->complete_lock, NULL);
	return 0;
}

/* What is asked for makes sense, as far as it is not for the driver to say. */
static bool opts_valid(const struct dmirage_open_opts *o)
{
	const unsigned int flags = DMIRAGE_OPEN_NO_CONTEXT |
				   DMIRAGE_OPEN_REGIONS | DMIRAGE_OPEN_ATTACH |
				   DMIRAGE_OPEN_WATCH | DMIRAGE_OPEN_PRESENT;

	if ((o->flags & ~flags) || o->reserved || o->pid < 0)
		return false;
	if ((o->flags & DMIRAGE_OPEN_NO_CONTEXT) &&
	    (o->flags != DMIRAGE_OPEN_NO_CONTEXT || o->mode))
		return false;
	return (o->flags & DMIRAGE_OPEN_ATTACH) || (!o->pid && !o->pidfd);
}

static int set_up(struct dmirage *d, const struct dmirage_open_opts *o)
{
	struct dmirage_setup s = {
		.sq_entries = o->sq_entries ? o->sq_entries : DEFAULT_ENTRIES,
		.mode = o->mode,
	};
	bool attach = o->flags & DMIRAGE_OPEN_ATTACH;
	int err;

	s.cq_entries = o->cq_entries ? o->cq_entries : s.sq_entries;
	if (o->flags & DMIRAGE_OPEN_REGIONS)
		s.flags |= DMIRAGE_SETUP_REGIONS;
	if (o->flags & DMIRAGE_OPEN_WATCH)
		s.flags |= DMIRAGE_SETUP_WATCH;
	if (o->flags & DMIRAGE_OPEN_PRESENT)
		s.flags |= DMIRAGE_SETUP_PRESENT;
	if (attach) {
		s.flags |= DMIRAGE_SETUP_ATTACH;
		s.pidfd = o->pidfd;
		err = dmirage_attach(o->pid, &s.pidfd, &s.mem_fd);
		if (err)
			return err;
	}
	err = ioctl(d->fd, DMIRAGE_IOC_SETUP, &s) ? -errno : 0;
	if (attach) {
		close(s.pidfd);
		close(s.mem_fd);
	}
	if (!err)
		d->setup = s;
	return err;
}

static int start_context(struct dmirage *d, const struct dmirage_open_opts *o)
{
	struct dmirage_setup *s = &d->setup;
	void *p;
	int err;

	err = set_up(d, o);
	if (err)
		return err;
	d->claims = calloc(s->sq_entries, sizeof(d->claims[0]));
	if (!d->claims)
		return -ENOMEM;

	err = map_part(d->fd, s->sq_offset, s->sq_bytes, PROT_READ | PROT_WRITE,
		       &p);
	if (err)
		return err;
	d->sq = p;
	err = map_part(d->fd, s->cq_offset, s->cq_bytes, PROT_READ, &p);
	if (err)
		return err;
	d->cq = p;
	err = map_part(d->fd, s->db_offset, s->db_bytes, PROT_READ | PROT_WRITE,
		       &p);
	if (err)
		return err;
	d->db = p;
	return 0;
}

int dmirage_open(const char *path, const struct dmirage_open_opts *opts,
		 struct dmirage **out)
{
	struct dmirage_open_opts o = { 0 };
	struct dmirage_info info;
	struct dmirage *d;
	char first[32];
	int err;

	if (opts)
		o = *opts;
	if (!opts_valid(&o))
		return -EINVAL;
	if (!path) {
		err = dmirage_find(first, sizeof(first));
		if (err)
			return err;
		path = first;
	}

	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	err = make_locks(d);
	if (err)
		goto err_free;
	d->owner = getpid();
	d->event = -1;
	d->fd = open(path, O_RDWR | O_CLOEXEC);
	if (d->fd < 0) {
		err = -errno;
		goto err_free;
	}
	err = dmirage_get_info(d, &info);
	if (err)
		goto err_close;
	if (info.abi_version != DMIRAGE_ABI_VERSION) {
		err = -EPROTO;
		goto err_close;
	}
	d->caps = info.caps;
	if (!(o.flags & DMIRAGE_OPEN_NO_CONTEXT)) {
		err = start_context(d, &o);
		if (err)
			goto err_unmap;
	}
	*out = d;
	return 0;

err_unmap:
	unmap_parts(d);
	free(d->claims);
err_close:
	close(d->fd);
err_free:
	free(d);
	return err;
}

void dmirage_close(struct dmirage *d)
{
	if (!d)
		return;
	/*
	 * In a forked child nothing is mapped (MADV_DONTFORK), and something
	 * else may be there by now.
	 */
	if (d->owner == getpid())
		unmap_parts(d);
	close(d->fd);
	if (d->event >= 0)
		close(d->event);
	free(d->claims);
	free(d);
}

int dmirage_fd(const struct dmirage *d)
{
	return d->fd;
}

int dmirage_get_info(const struct dmirage *d, struct dmirage_info *info)
{
	return ioctl(d->fd, DMIRAGE_IOC_INFO, info) ? -errno : 0;
}

int dmirage_get_counters(const struct dmirage *d, unsigned int scope,
			 struct dmirage_counters *c)
{
	*c = (struct dmirage_counters){ .scope = scope };
	return ioctl(d->fd, DMIRAGE_IOC_COUNTERS, c) ? -errno : 0;
}
