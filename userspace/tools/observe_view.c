// SPDX-License-Identifier: GPL-2.0
/*
 * A context attached to an address space that is observed.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "observe.h"
#include "probe.h"

/* The longest list of operations is for a block of which each other page is there. */
#define RING	512

int view_open(const struct policy *policy, pid_t pid, int pidfd, struct view **out)
{
	const struct dmirage_open_opts opts = {
		.flags = DMIRAGE_OPEN_ATTACH | DMIRAGE_OPEN_PRESENT |
			 (policy->watch ? DMIRAGE_OPEN_WATCH : 0),
		.mode = policy->mode,
		.pidfd = pidfd,
		.sq_entries = RING,
	};
	struct view *v = calloc(1, sizeof(*v));
	int err;

	if (!v)
		return -ENOMEM;
	err = maps_open(&v->maps, pid);
	if (err)
		goto err_free;
	err = dmirage_open(policy->device, &opts, &v->d);
	if (err)
		goto err_maps;
	v->event = dmirage_eventfd(v->d);
	if (v->event < 0) {
		err = v->event;
		goto err_close;
	}
	if (policy->fault_mode) {
		err = probe_ctx_write(v->d, "fault_mode", policy->fault_mode);
		if (err)
			goto err_close;
	}
	v->writing = !policy->read;
	*out = v;
	return 0;

err_close:
	dmirage_close(v->d);
err_maps:
	maps_close(&v->maps);
err_free:
	free(v);
	return err;
}

bool view_ended(const struct view *v)
{
	struct pollfd pfd = { .fd = dmirage_fd(v->d) };

	return poll(&pfd, 1, 0) > 0 && (pfd.revents & (POLLHUP | POLLERR));
}

void view_violations(struct view *v, struct tally *t)
{
	struct dmirage_violation list[8];
	int i, n;

	while ((n = dmirage_read_violations(v->d, list, 8, 0)) > 0) {
		for (i = 0; i < n; i++) {
			t->violations++;
			if (!causes_add(&t->causes, t->dev, &list[i]))
				t->lost++;
		}
	}
}

void view_audit(struct view *v, struct tally *t)
{
	struct dmirage_audit_range r;

	/* One that does not come to its end has found what it has found. */
	(void)dmirage_audit(v->d, NULL, ~0ull, &r);
	view_violations(v, t);
}

__u64 view_made(const struct policy *policy, const struct dmirage_counters *c)
{
	if (policy->mode == DMIRAGE_MODE_SHARED)
		return c->iotlb_misses;
	return c->mapped_4k + c->mapped_2m + c->mapped_1g;
}

/* What only debugfs tells; 0 if it cannot be had. */
static __u64 stores(const struct view *v)
{
	char text[4096];
	const char *at;

	if (probe_ctx_read(v->d, "counters", text, sizeof(text)) < 0)
		return 0;
	at = strstr(text, "watch_stores ");
	return at ? strtoull(at + strlen("watch_stores "), NULL, 10) : 0;
}

void view_close(struct view *v, struct tally *t)
{
	struct dmirage_counters c;

	view_violations(v, t);
	if (!dmirage_get_counters(v->d, DMIRAGE_SCOPE_CONTEXT, &c)) {
		t->made_4k += c.mapped_4k;
		t->made_2m += c.mapped_2m;
		t->made_1g += c.mapped_1g;
		/* in shared mode the driver makes none, the device looks them up */
		if (!c.mapped_4k && !c.mapped_2m && !c.mapped_1g)
			t->made_4k += c.iotlb_misses;
		t->taken += c.unmapped_4k + c.unmapped_2m + c.unmapped_1g;
		t->invalidations += c.invalidations;
		t->faults += c.faults;
		t->lost += c.records_lost;
	}
	t->stores += stores(v);
	t->again += v->again;
	t->pages += v->pages;
	t->refused += v->refused;
	dmirage_close(v->d);
	maps_close(&v->maps);
	recent_free(&v->recent);
	free(v);
}
