/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Numbers and sizes, as people write and read them: userspace/tools/number.c.
 */
#include <glib.h>

#include "number.h"

static const struct {
	const char *text;
	__u64 value;
} numbers[] = {
	{ "0", 0 },
	{ "00", 0 },
	{ "1", 1 },
	{ "10", 10 },
	{ "010", 8 },
	{ "0x10", 16 },
	{ "0XfF", 255 },
	{ "18446744073709551615", ~0ull },
	{ "0xffffffffffffffff", ~0ull },
	{ "0x1122334455667788", 0x1122334455667788 },
};

/* Neither numbers nor sizes. */
static const char *const rubbish[] = {
	"",
	" ",
	"-1",
	"+1",
	" 1",
	"1 ",
	"x",
	"0x",
	"0xg",
	"08",
	"1.5",
	"1e3",
	"18446744073709551616",
	"0x10000000000000000",
	"1 K",
	"KiB",
	"--1",
	"\xff",
	"1\n",
};

static const struct {
	const char *text;
	__u64 bytes;
} sizes[] = {
	{ "0K", 0 },
	{ "1k", 1024 },
	{ "1K", 1024 },
	{ "1KB", 1024 },
	{ "1KiB", 1024 },
	{ "3M", 3 << 20 },
	{ "3m", 3 << 20 },
	{ "2G", 2ull << 30 },
	{ "1TiB", 1ull << 40 },
	{ "0x10K", 16384 },
	{ "010K", 8192 },
	{ "16777215T", 16777215ull << 40 },
	{ "18014398509481983K", 18014398509481983ull << 10 },
};

static const char *const no_sizes[] = {
	"1KK",
	"1Ki",
	"1KiBs",
	"1iB",
	"1P",
	"1B",
	"K",
	"1kb",
	"1.5M",
	"16777216T",
	"18014398509481984K",
	"18446744073709551615K",
};

static void test_numbers(void)
{
	__u64 value;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(numbers); i++) {
		g_assert_true(parse_number(numbers[i].text, &value));
		g_assert_cmpuint(value, ==, numbers[i].value);
		/* A size without a letter is a number. */
		g_assert_true(parse_size(numbers[i].text, &value));
		g_assert_cmpuint(value, ==, numbers[i].value);
	}
	for (i = 0; i < G_N_ELEMENTS(sizes); i++)
		g_assert_false(parse_number(sizes[i].text, &value));
}

static void test_sizes(void)
{
	__u64 bytes;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
		g_assert_true(parse_size(sizes[i].text, &bytes));
		g_assert_cmpuint(bytes, ==, sizes[i].bytes);
	}
}

static void test_rubbish(void)
{
	__u64 value;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(rubbish); i++) {
		g_assert_false(parse_number(rubbish[i], &value));
		g_assert_false(parse_size(rubbish[i], &value));
	}
	for (i = 0; i < G_N_ELEMENTS(no_sizes); i++)
		g_assert_false(parse_size(no_sizes[i], &value));
}

static void test_format(void)
{
	static const struct {
		__u64 bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 bytes" },
		{ 1, "1 byte" },
		{ 1023, "1023 bytes" },
		{ 1024, "1 KiB" },
		{ 1536, "1.5 KiB" },
		{ 4097, "4.0 KiB" },
		{ 1048576, "1 MiB" },
		{ 5120000, "4.9 MiB" },
		{ 3ull << 30, "3 GiB" },
		{ 1ull << 40, "1 TiB" },
		{ 1ull << 50, "1024 TiB" },
		{ 1ull << 63, "8388608 TiB" },
	};
	char buf[32], small[4];
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(cases); i++)
		g_assert_cmpstr(format_size(cases[i].bytes, buf, sizeof(buf)),
				==, cases[i].text);
	/* The longest there can be fits; a short buffer cuts. */
	g_assert_cmpstr(format_size(~0ull, buf, sizeof(buf)), ==,
			"16777216.0 TiB");
	g_assert_cmpstr(format_size(1023, small, sizeof(small)), ==, "102");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/number/numbers", test_numbers);
	g_test_add_func("/number/sizes", test_sizes);
	g_test_add_func("/number/rubbish", test_rubbish);
	g_test_add_func("/number/format", test_format);
	return g_test_run();
}
