// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"

struct demo_color demo_color = { "", "", "", "" };

int demo_set_colors(const char *when)
{
	const char *no_color = getenv("NO_COLOR");
	bool on;

	if (!strcmp(when, "always"))
		on = true;
	else if (!strcmp(when, "never"))
		on = false;
	else if (!strcmp(when, "auto"))
		on = isatty(STDOUT_FILENO) && !(no_color && *no_color);
	else
		return -1;
	demo_color.bold = on ? "\033[1m" : "";
	demo_color.red = on ? "\033[31m" : "";
	demo_color.green = on ? "\033[32m" : "";
	demo_color.plain = on ? "\033[0m" : "";
	return 0;
}

void demo_say(const char *fmt, ...)
{
	va_list args;

	printf("      ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

void demo_report(const struct dmirage_violation *v)
{
	char report[DMIRAGE_REPORT_MAX], *line, *next;

	dmirage_format_violation(v, report, sizeof(report));
	for (line = report; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		printf("%s%s\n", *line ? "  " : "", line);
	}
	putchar('\n');
}
