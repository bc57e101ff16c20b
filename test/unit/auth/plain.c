/*
 * PasswordMessage, read and written.
 */
#include "auth/plain.h"

#include "auth/login.h"
#include "proto/frame.h"
#include "proto/writer.h"
#include "unit/base/kit.h"

static void what_is_written_can_be_read(void **state)
{
	struct buffer b = {0};
	struct writer w = writer_of(&b);
	struct frame f = {0};
	struct slice password;

	(void)state;
	plain_write(&w, slice_of_text("secret"));
	assert_true(writer_finish(&w));
	assert_int_equal(frame_peek(buffer_bytes(&b), 100, &f), FRAME_OK);
	assert_true(frame_is_whole(&f));
	assert_int_equal(f.letter, 'p');
	assert_int_equal(plain_read(f.body, &password), PLAIN_OK);
	assert_slice_is(password, "secret");
	buffer_fini(&b);
}

static void the_body_is_one_text_and_no_more(void **state)
{
	static const struct {
		const char *body;
		size_t len;
		enum plain_result result;
	} cases[] = {
	    {"a\0", 2, PLAIN_OK},          {"\0", 1, PLAIN_EMPTY},
	    {"", 0, PLAIN_MALFORMED},      {"abc", 3, PLAIN_MALFORMED},
	    {"a\0b", 3, PLAIN_MALFORMED},  {"a\0\0", 3, PLAIN_MALFORMED},
	    {"\0a\0", 3, PLAIN_MALFORMED},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct slice password = {0};
		uint8_t *copy = exact_copy(slice_of(cases[i].body, cases[i].len));

		assert_int_equal(plain_read(slice_of(copy, cases[i].len), &password),
				 cases[i].result);
		assert_int_equal(password.data != NULL, cases[i].result == PLAIN_OK);
		free(copy);
	}
}

static void a_password_has_a_longest_length(void **state)
{
	char *body = calloc(1, LOGIN_PASSWORD_MAX + 2);
	struct slice password;

	(void)state;
	assert_non_null(body);
	memset(body, 'x', LOGIN_PASSWORD_MAX + 1);
	assert_int_equal(plain_read(slice_of(body, LOGIN_PASSWORD_MAX + 2), &password),
			 PLAIN_TOO_LONG);
	assert_int_equal(
	    plain_read(slice_of(body + 1, LOGIN_PASSWORD_MAX + 1), &password), PLAIN_OK);
	assert_int_equal(password.len, LOGIN_PASSWORD_MAX);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_written_can_be_read),
	    cmocka_unit_test(the_body_is_one_text_and_no_more),
	    cmocka_unit_test(a_password_has_a_longest_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
