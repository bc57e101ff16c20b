/*
 * PostgreSQL's md5 method; the secret is one that PostgreSQL 15 made.
 */
#include "auth/md5.h"

#include "unit/base/kit.h"

static void the_secret_is_that_of_postgresql(void **state)
{
	char text[MD5_TEXT_LEN];

	(void)state;
	assert_true(md5_secret(slice_of_text("wonderland"), slice_of_text("m5"), text));
	assert_slice_is(slice_of(text, sizeof(text)),
			"md5d8e5469de403ab7006df63ac8ca23819");
}

static void the_answer_depends_on_secret_and_salt(void **state)
{
	static const char other[] = "md5ffffffffffffffffffffffffffffffff";
	char secret[MD5_TEXT_LEN], a[MD5_TEXT_LEN], b[MD5_TEXT_LEN];

	(void)state;
	assert_true(md5_secret(slice_of_text("x"), slice_of_text("y"), secret));
	assert_true(md5_answer(secret, (const uint8_t *)"salt", a));
	assert_true(md5_answer(secret, (const uint8_t *)"salu", b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_true(md5_answer(other, (const uint8_t *)"salt", b));
	assert_memory_not_equal(a, b, sizeof(a));
	/* printf xy | md5sum, then with "salt" behind it. */
	assert_slice_is(slice_of(secret, sizeof(secret)),
			"md53e44107170a520582ade522fa73c1d15");
	assert_slice_is(slice_of(a, sizeof(a)), "md53174fe8faca141d664fdb6aaecf58d2b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_secret_is_that_of_postgresql),
	    cmocka_unit_test(the_answer_depends_on_secret_and_salt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
