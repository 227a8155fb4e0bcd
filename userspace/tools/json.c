// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "json.h"

void json_piece(FILE *f, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len && text[i]; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			fprintf(f, "\\u%04x", c);
		else
			putc(c, f);
	}
}

void json_text(FILE *f, const char *text, size_t len)
{
	putc('"', f);
	json_piece(f, text, len);
	putc('"', f);
}

void json_field(FILE *f, const char *key, const char *text)
{
	fprintf(f, "\"%s\":", key);
	json_text(f, text, strlen(text));
}
