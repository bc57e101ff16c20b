/*
 * The tables of letters, held against the protocol chapter.
 */
#include "proto/message.h"

#include "unit/base/kit.h"

static void every_letter_is_known_and_no_other(void **state)
{
	(void)state;
	for (int i = 0; i < 256; i++) {
		bool is_frontend = i && strchr("BCDEFHPQSXcdfp", i);
		bool is_backend = i && strchr("123ACDEGHIKNRSTVWZcdnstv", i);

		assert_int_equal(message_of_frontend((uint8_t)i)->name != NULL,
				 is_frontend);
		assert_int_equal(message_of_backend((uint8_t)i)->name != NULL,
				 is_backend);
	}
}

static void frontend_letters_are_of_the_right_kind(void **state)
{
	static const struct {
		const char *letters;
		enum frontend_kind kind;
	} cases[] = {
	    {"QF", FRONTEND_QUERY},         {"PBDEC", FRONTEND_EXTENDED},
	    {"S", FRONTEND_SYNC},           {"H", FRONTEND_FLUSH},
	    {"d", FRONTEND_COPY_DATA},      {"cf", FRONTEND_COPY_END},
	    {"p", FRONTEND_LOGIN},          {"X", FRONTEND_TERMINATE},
	    {"ZTRv\x80", FRONTEND_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		for (const char *at = cases[i].letters; *at; at++)
			assert_int_equal(message_of_frontend((uint8_t)*at)->kind,
					 cases[i].kind);
}

static void what_can_be_long_is_not_short(void **state)
{
	(void)state;
	for (const char *at = "QPBFdfECDp"; *at; at++)
		assert_false(message_of_frontend((uint8_t)*at)->is_short);
	for (const char *at = "SHcX"; *at; at++)
		assert_true(message_of_frontend((uint8_t)*at)->is_short);
	for (const char *at = "TDdVENAtS"; *at; at++)
		assert_false(message_of_backend((uint8_t)*at)->is_short);
	for (const char *at = "ZCI123nsKGHWcR"; *at; at++)
		assert_true(message_of_backend((uint8_t)*at)->is_short);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_letter_is_known_and_no_other),
	    cmocka_unit_test(frontend_letters_are_of_the_right_kind),
	    cmocka_unit_test(what_can_be_long_is_not_short),
	};

	return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
