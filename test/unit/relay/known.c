/* What is known of a pool's servers: their greeting, or why there is none. */
#include "relay/known.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pool/pool.h"

struct stage {
	struct params_store store;
	struct pool pool; /* only its owner_data is looked at */
};

static void stage_begin(struct stage *s)
{
	*s = (struct stage){0};
	assert_int_equal(params_store_init(&s->store), 0);
	assert_true(known_create(&s->pool, NULL));
}

static void stage_end(struct stage *s)
{
	known_free(&s->pool, &s->store);
	params_store_fini(&s->store);
}

static void at_first_nothing_is_known(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s);
	assert_null(known_of(&s.pool)->welcome);
	assert_false(known_of(&s.pool)->failure.is_set);
	stage_end(&s);
	assert_null(s.pool.owner_data);
	known_free(&s.pool, &s.store); /* harmless twice */
}

static void a_failure_is_kept_as_it_was_told(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s);
	known_fail(known_of(&s.pool), &(struct notice){.severity = "FATAL",
						       .sqlstate = "28000",
						       .message = "no entry",
						       .hint = "add one"});
	struct notice told = known_failure_notice(known_of(&s.pool), "ERROR");
	assert_string_equal(told.severity, "ERROR");
	assert_string_equal(told.sqlstate, "28000");
	assert_string_equal(told.message, "no entry");
	assert_null(told.detail);
	assert_string_equal(told.hint, "add one");
	/* The next one leaves nothing of it. */
	known_fail(known_of(&s.pool), &(struct notice){.severity = "FATAL",
						       .sqlstate = "3D000",
						       .message = "no database"});
	told = known_failure_notice(known_of(&s.pool), "FATAL");
	assert_string_equal(told.sqlstate, "3D000");
	assert_null(told.hint);
	stage_end(&s);
}

static void a_failure_of_any_length_is_kept_in_part(void **state)
{
	struct stage s;
	char text[2000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	stage_begin(&s);
	known_fail(known_of(&s.pool), &(struct notice){.severity = "FATAL",
						       .sqlstate = "28000",
						       .message = text,
						       .detail = text,
						       .hint = text});
	struct notice told = known_failure_notice(known_of(&s.pool), "ERROR");
	assert_in_range(strlen(told.message), 100, sizeof(text) - 2);
	assert_in_range(strlen(told.detail), 100, sizeof(text) - 2);
	assert_in_range(strlen(told.hint), 100, sizeof(text) - 2);
	stage_end(&s);
}

static void a_login_makes_failures_forgotten_and_the_greeting_known(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s);
	struct params *empty = params_empty(&s.store);
	struct params *first =
	    params_with(&s.store, empty, slice_of_text("TimeZone"), slice_of_text("UTC"));
	struct params *second =
	    params_with(&s.store, empty, slice_of_text("TimeZone"), slice_of_text("CET"));
	known_fail(
	    known_of(&s.pool),
	    &(struct notice){.severity = "FATAL", .sqlstate = "28000", .message = "x"});
	known_learn(known_of(&s.pool), &s.store, first);
	assert_false(known_of(&s.pool)->failure.is_set);
	known_learn(known_of(&s.pool), &s.store, second);
	known_learn(known_of(&s.pool), &s.store, second);
	assert_ptr_equal(known_of(&s.pool)->welcome, second);
	/* A later failure does not take the greeting away. */
	known_fail(
	    known_of(&s.pool),
	    &(struct notice){.severity = "FATAL", .sqlstate = "28000", .message = "x"});
	assert_ptr_equal(known_of(&s.pool)->welcome, second);
	params_unref(&s.store, first);
	params_unref(&s.store, second);
	params_unref(&s.store, empty);
	stage_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(at_first_nothing_is_known),
	    cmocka_unit_test(a_failure_is_kept_as_it_was_told),
	    cmocka_unit_test(a_failure_of_any_length_is_kept_in_part),
	    cmocka_unit_test(a_login_makes_failures_forgotten_and_the_greeting_known),
	};

	return cmocka_run_group_tests_name("what is known", tests, NULL, NULL);
}
