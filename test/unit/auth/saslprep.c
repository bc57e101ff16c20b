/*
 * SASLprep against the examples of RFC 4013 and PostgreSQL's way out for the rest.
 */
#include "auth/saslprep.h"

#include "unit/base/kit.h"

static void check(struct slice in, const char *expected)
{
	char *out = NULL;
	enum saslprep_result result = saslprep(in, &out);

	if (expected) {
		assert_int_equal(result, SASLPREP_CHANGED);
		assert_string_equal(out, expected);
	} else {
		assert_int_equal(result, SASLPREP_AS_IS);
		assert_null(out);
	}
	saslprep_free(out);
}

static void what_is_not_ascii_is_mapped_and_normalized(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"I\xc2\xadX", "IX"},       /* soft hyphen: nothing */
	    {"\xc2\xaa", "a"},          /* feminine ordinal */
	    {"\xe2\x85\xa8", "IX"},     /* Roman numeral nine */
	    {"a\xc2\xa0z", "a z"},      /* another space */
	    {"e\xcc\x81", "\xc3\xa9"},  /* e and accent: é */
	    {"\xf0\x9f\x98\x80", NULL}, /* unassigned in Unicode 3.2 */
	    {"\xd8\xa7\x31", NULL},     /* directions mixed */
	    {"\xd8\xa7\x31\xd8\xa8", "\xd8\xa7\x31\xd8\xa8"},
	    {"\xc2\xad", NULL},  /* nothing would be left */
	    {"\xc2\x85x", NULL}, /* a control */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		check(slice_of_text(cases[i].in), cases[i].out);
}

static void ascii_is_taken_as_it_is(void **state)
{
	(void)state;
	check(slice_of_text(""), NULL);
	check(slice_of_text("user"), NULL);
	check(slice_of_text("USER \x07"), NULL);
}

static void what_is_no_utf8_is_taken_as_it_is(void **state)
{
	static const char *const cases[] = {
	    "\xff",
	    "\xc3",
	    "\xc3z",
	    "\xc0\x80",
	    "\xe0\x80\x80",
	    "\xed\xa0\x80",
	    "\xf0\x80\x80\x80",
	    "\xf4\x90\x80\x80",
	    "\xf5\x80\x80\x80",
	    "\x80",
	    "a\xe2\x85",
	    "\xe2\x85\x28",
	    "\xf0\x9f\x98",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		uint8_t *copy = exact_copy(slice_of_text(cases[i]));

		check(slice_of(copy, strlen(cases[i])), NULL);
		free(copy);
	}
	check(slice_of("\xc2\xaa\0x", 4), NULL);
}

static void long_passwords_are_taken_as_they_are(void **state)
{
	char text[SASLPREP_MAX + 2];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "\xc2\xa0", 2);
	check(slice_of(text, SASLPREP_MAX + 1), NULL);
	char *out = NULL;
	assert_int_equal(saslprep(slice_of(text, SASLPREP_MAX), &out), SASLPREP_CHANGED);
	assert_int_equal(strlen(out), SASLPREP_MAX - 1);
	saslprep_free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_not_ascii_is_mapped_and_normalized),
	    cmocka_unit_test(ascii_is_taken_as_it_is),
	    cmocka_unit_test(what_is_no_utf8_is_taken_as_it_is),
	    cmocka_unit_test(long_passwords_are_taken_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
