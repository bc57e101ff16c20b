/* The table of reasons, as clients and support staff meet it. */
#include "relay/closing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const enum closing all[] = {
#define CLOSING(name, severity, sqlstate, text) CLOSE_##name,
#include "relay/closing.def"
#undef CLOSING
};
enum { ALL = sizeof(all) / sizeof(all[0]) };

static void every_reason_has_a_text_of_one_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < ALL; i++) {
		const char *text = closing_row(all[i])->text;

		assert_non_null(text);
		assert_in_range(strlen(text), 3, 100);
		for (const char *c = text; *c; c++)
			assert_true(*c >= ' ' && *c < 0x7f);
	}
}

static void no_two_reasons_are_told_alike(void **state)
{
	(void)state;
	for (size_t i = 0; i < ALL; i++) {
		for (size_t k = 0; k < i; k++) {
			const struct closing_row *a = closing_row(all[i]);
			const struct closing_row *b = closing_row(all[k]);

			/* One text may stand for both sides of the same end. */
			if (a->severity && b->severity && strcmp(a->text, b->text) == 0 &&
			    strcmp(a->sqlstate, b->sqlstate) == 0)
				fail_msg("twice: %s", a->text);
		}
	}
}

static void a_severity_comes_with_an_sqlstate_of_an_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < ALL; i++) {
		const struct closing_row *row = closing_row(all[i]);

		assert_int_equal(row->severity != NULL, row->sqlstate != NULL);
		if (!row->severity)
			continue;
		/* After it the connection ends, so nothing less would be true. */
		assert_string_equal(row->severity, "FATAL");
		assert_int_equal(strlen(row->sqlstate), 5);
		assert_int_equal(strspn(row->sqlstate, "0123456789ABCDEFGHIJKLMNOPQRSTU"
						       "VWXYZ"),
				 5);
		assert_memory_not_equal(row->sqlstate, "00", 2);
	}
}

static void limits_are_told_as_too_many_connections(void **state)
{
	static const enum closing limits[] = {
	    CLOSE_MAX_CLIENT_CONN, CLOSE_MAX_DB_CLIENTS, CLOSE_MAX_USER_CLIENTS,
	    CLOSE_NO_DESCRIPTORS,  CLOSE_QUEUE_FULL,     CLOSE_WAIT_TIMEOUT};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		assert_string_equal(closing_row(limits[i])->sqlstate, "53300");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_reason_has_a_text_of_one_line),
	    cmocka_unit_test(no_two_reasons_are_told_alike),
	    cmocka_unit_test(a_severity_comes_with_an_sqlstate_of_an_error),
	    cmocka_unit_test(limits_are_told_as_too_many_connections),
	};

	return cmocka_run_group_tests_name("reasons to close", tests, NULL, NULL);
}
