// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common.h"
#include "group.h"
#include "settings.h"

#define ROOT "/sys/fs/cgroup"
#define OWN  ROOT "/dmirage-matrix"

int group_put(const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), OWN "/%s", file);
	return put_text(path, text);
}

void group_enter(const char *controller)
{
	char text[256], self[16];

	if (file_text(ROOT "/cgroup.controllers", text, sizeof(text)) <= 0 ||
	    !strstr(text, controller))
		SKIP("no control groups of version 2 with the controller %s", controller);
	snprintf(text, sizeof(text), "+%s", controller);
	ASSERT_EQ(put_text(ROOT "/cgroup.subtree_control", text), 0);
	if (mkdir(OWN, 0755))
		ASSERT_EQ(errno, EEXIST);
	snprintf(self, sizeof(self), "%d", getpid());
	ASSERT_EQ(group_put("cgroup.procs", self), 0);
}
