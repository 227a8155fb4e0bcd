/* SPDX-License-Identifier: GPL-2.0 */
/* A control group (cgroup v2) for a cell and its child processes. */
#ifndef DMIRAGE_MATRIX_GROUP_H
#define DMIRAGE_MATRIX_GROUP_H

/*
 * The caller is in the group from here on, which has this controller; what the group
 * was used for by earlier cells is over.  Skips the test if the kernel lacks it.
 */
void group_enter(const char *controller);

/* Writes to a file of the group.  Return: 0, or errno. */
int group_put(const char *file, const char *text);

#endif /* DMIRAGE_MATRIX_GROUP_H */
