/*
 * Text that people write and read.
 */
#include "base/text.h"

#include "unit/base/kit.h"

static void booleans_are_words_or_digits(void **state)
{
	static const struct {
		const char *text;
		int value; /* -1: refused */
	} cases[] = {
	    {"1", 1},    {"on", 1},      {"Yes", 1}, {"TRUE", 1},  {" on\t", 1},
	    {"0", 0},    {"off", 0},     {"No", 0},  {"false", 0}, {"\noff ", 0},
	    {"", -1},    {" ", -1},      {"2", -1},  {"10", -1},   {"o", -1},
	    {"onn", -1}, {"on off", -1}, {"t", -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		bool value = true, other = false;
		bool is_good = text_parse_bool(cases[i].text, &value);

		assert_int_equal(text_parse_bool(cases[i].text, &other), is_good);
		if (is_good != (cases[i].value >= 0))
			fail_msg("\"%s\"", cases[i].text);
		assert_int_equal(value, is_good ? cases[i].value : true);
		assert_int_equal(other, is_good ? cases[i].value : false);
	}
}

static void integers_are_decimal_hexadecimal_or_octal(void **state)
{
	static const struct {
		const char *text;
		bool is_good;
		int64_t value;
	} cases[] = {
	    {"0", true, 0},
	    {"12", true, 12},
	    {" -12 ", true, -12},
	    {"+7", true, 7},
	    {"0x1F", true, 31},
	    {"0777", true, 511},
	    {"9223372036854775807", true, INT64_MAX},
	    {"-9223372036854775808", true, INT64_MIN},
	    {"9223372036854775808", false, 0},
	    {"", false, 0},
	    {"  ", false, 0},
	    {"x", false, 0},
	    {"1x", false, 0},
	    {"1 2", false, 0},
	    {"089", false, 0},
	    {"1.5", false, 0},
	    {"0x", false, 0},
	    {"--1", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int64_t value = 4711;

		if (text_parse_int(cases[i].text, &value) != cases[i].is_good)
			fail_msg("\"%s\"", cases[i].text);
		assert_int_equal(value, cases[i].is_good ? cases[i].value : 4711);
	}
}

#define REFUSED UINT64_MAX

static void durations_have_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t us; /* counted in seconds where there is no unit */
	} cases[] = {
	    {"0", 0},
	    {"1", 1000000},
	    {"0.5", 500000},
	    {".5", 500000},
	    {"5.", 5000000},
	    {" 30s ", 30000000},
	    {"30 s", 30000000},
	    {"5min", 300000000},
	    {"5 MIN", 300000000},
	    {"1h", 3600000000},
	    {"1d", 86400000000},
	    {"10ms", 10000},
	    {"1.5ms", 1500},
	    {"7us", 7},
	    {"0.4us", 0},
	    {"0000000000000000000000000001", 1000000},
	    {"", REFUSED},
	    {" ", REFUSED},
	    {".", REFUSED},
	    {"s", REFUSED},
	    {"-1", REFUSED},
	    {"+1", REFUSED},
	    {"1e3", REFUSED},
	    {"inf", REFUSED},
	    {"nan", REFUSED},
	    {"0x10", REFUSED},
	    {"1.2.3", REFUSED},
	    {"1m", REFUSED},
	    {"1mins", REFUSED},
	    {"1 s s", REFUSED},
	    {"1 2", REFUSED},
	    {"99999999999999999999", REFUSED},
	    {"99999999999d", REFUSED},
	    {"00000000000000000000000000000000000000000000001", REFUSED},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		uint64_t us = 4711;
		bool is_good = text_parse_duration(cases[i].text, 1000000, &us);

		if (is_good != (cases[i].us != REFUSED))
			fail_msg("\"%s\"", cases[i].text);
		assert_int_equal(us, is_good ? cases[i].us : 4711);
	}
	uint64_t us;
	assert_true(text_parse_duration("250", 1000, &us));
	assert_int_equal(us, 250000);
}

static void sizes_are_whole_bytes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
	    {"0", 0},
	    {"4096", 4096},
	    {"64kB", 65536},
	    {"64 KB", 65536},
	    {"1.5kB", 1536},
	    {"1MB", 1048576},
	    {"2GB", 2147483648},
	    {"1TB", 1099511627776},
	    {"5B", 5},
	    {"1.5", REFUSED},
	    {"1k", REFUSED},
	    {"-1", REFUSED},
	    {"", REFUSED},
	    {"kB", REFUSED},
	    {"9999999999TB", REFUSED},
	    {"1kBx", REFUSED},
	    {"0.1kB", REFUSED},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		uint64_t bytes = 4711;
		bool is_good = text_parse_size(cases[i].text, &bytes);

		if (is_good != (cases[i].bytes != REFUSED))
			fail_msg("\"%s\"", cases[i].text);
		assert_int_equal(bytes, is_good ? cases[i].bytes : 4711);
	}
}

static void seconds_are_printed_without_idle_digits(void **state)
{
	static const struct {
		uint64_t us;
		const char *text;
	} cases[] = {
	    {0, "0"},         {30000000, "30"}, {100000000, "100"},
	    {1500000, "1.5"}, {1, "0.000001"},  {UINT64_MAX, "18446744073709.551615"},
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		text_print_seconds(text, sizeof(text), cases[i].us);
		assert_string_equal(text, cases[i].text);
	}
}

static void bytes_of_a_peer_can_be_shown(void **state)
{
	char out[20];

	(void)state;
	assert_string_equal(text_escape(out, sizeof(out), slice_of("a b", 3)), "a b");
	assert_string_equal(text_escape(out, sizeof(out), slice_of("\0\n\\\x7f", 4)),
			    "\\x00\\x0a\\x5c\\x7f");
	assert_string_equal(text_escape(out, sizeof(out), slice_of("\x1b[2J", 4)),
			    "\\x1b[2J");
	assert_string_equal(text_escape(out, sizeof(out), (struct slice){0}), "");
	assert_string_equal(text_escape(out, sizeof(out), slice_of("h\xc3\xa9", 3)),
			    "h\xc3\xa9");
}

static void what_is_too_long_to_show_ends_in_dots(void **state)
{
	uint8_t bytes[40];

	(void)state;
	for (int fill = 0; fill < 256; fill += 51) {
		memset(bytes, fill, sizeof(bytes));
		for (size_t cap = 4; cap < 60; cap++) {
			for (size_t len = 0; len <= sizeof(bytes); len++) {
				char *out = malloc(cap);

				text_escape(out, cap, slice_of(bytes, len));
				size_t shown = strlen(out);
				assert_true(shown < cap);
				if (shown < len)
					assert_string_equal(out + shown - 3, "...");
				free(out);
			}
		}
	}
}

static void distances_are_those_of_typing_errors(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned distance;
	} cases[] = {
	    {"", "", 0},
	    {"", "abc", 3},
	    {"pool_size", "pool_size", 0},
	    {"pool_size", "POOL_Size", 0},
	    {"pool_size", "pool_sise", 1},
	    {"pool_size", "poolsize", 1},
	    {"pool_size", "pool__size", 1},
	    {"pool_size", "pool_siez", 1},
	    {"pool_size", "opol_siez", 2},
	    {"kitten", "sitting", 3},
	    {"ca", "abc", 3},
	    {"abc", "xyz", 3},
	};
	char far[65], near[64];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(text_distance(cases[i].a, cases[i].b),
				 cases[i].distance);
		assert_int_equal(text_distance(cases[i].b, cases[i].a),
				 cases[i].distance);
	}
	memset(far, 'a', 64);
	memset(near, 'a', 63);
	far[64] = near[63] = '\0';
	assert_int_equal(text_distance(near, near), 0);
	assert_true(text_distance(far, near) > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(booleans_are_words_or_digits),
	    cmocka_unit_test(integers_are_decimal_hexadecimal_or_octal),
	    cmocka_unit_test(durations_have_units),
	    cmocka_unit_test(sizes_are_whole_bytes),
	    cmocka_unit_test(seconds_are_printed_without_idle_digits),
	    cmocka_unit_test(bytes_of_a_peer_can_be_shown),
	    cmocka_unit_test(what_is_too_long_to_show_ends_in_dots),
	    cmocka_unit_test(distances_are_those_of_typing_errors),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
