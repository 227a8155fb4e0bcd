// SPDX-License-Identifier: GPL-2.0
/*
 * Options that the commands which work on memory have in common.
 */
#define _GNU_SOURCE
#include <string.h>

#include "tool.h"

static const struct argp_option options[] = {
	{ "device", 'd', "FILE", 0, "Device file (default: the first one)", 0 },
	{ "mode", 'm', "MODE", 0,
	  "mirror (default): the device has a page table of its own, filled as it faults; pinned: the same, filled in advance with pinned pages; shared: it walks the process's page table",
	  0 },
	{ "regions", 'r', NULL, 0, "In mirror mode: only what is registered",
	  0 },
	{ "huge", 'H', NULL, 0,
	  "Anonymous memory of 2 MiB pages (transparent huge pages)", 0 },
	{ "json", 'j', NULL, 0, "One JSON object", 0 },
	{ 0 }
};

static int parse_mode(const char *text, unsigned int *mode)
{
	unsigned int i;

	for (i = DMIRAGE_MODE_MIRROR; i <= DMIRAGE_MODE_SHARED; i++) {
		if (!strcmp(text, dmirage_mode_str(i))) {
			*mode = i;
			return 0;
		}
	}
	return -1;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct common *c = state->input;

	switch (key) {
	case 'd':
		c->device = arg;
		return 0;
	case 'm':
		if (parse_mode(arg, &c->mode))
			argp_error(state, "bad mode '%s' (mirror, pinned or shared)",
				   arg);
		return 0;
	case 'r':
		c->regions = true;
		return 0;
	case 'H':
		c->huge = true;
		return 0;
	case 'j':
		c->json = true;
		return 0;
	case ARGP_KEY_END:
		if (c->regions && c->mode != DMIRAGE_MODE_MIRROR)
			argp_error(state, "--regions is for mirror mode (%s)",
				   c->mode == DMIRAGE_MODE_PINNED ?
					   "pinned mode has nothing else" :
					   "shared mode has none");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp common_argp = { .options = options, .parser = parse };

const struct argp_child common_children[] = {
	{ .argp = &common_argp },
	{ 0 }
};

void common_init(struct argp_state *state, struct common *common)
{
	state->child_inputs[0] = common;
}
