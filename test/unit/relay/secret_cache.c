/* Secrets kept for a while. */
#include "relay/secret_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

static const struct secret_place here = {{1}}, there = {{2}};

static int open_cache(void **state)
{
	struct secret_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return -1;
	secret_cache_init(c);
	*state = c;
	return 0;
}

static int close_cache(void **state)
{
	secret_cache_fini(*state);
	free(*state);
	return 0;
}

static void keep(struct secret_cache *c, const char *user, const char *text,
		 uint64_t expires_us)
{
	secret_cache_keep(c, &here, slice_of_text(user), slice_of_text(text), expires_us);
}

static bool has(struct secret_cache *c, const char *user, const char *text,
		uint64_t now_us)
{
	struct slice found;

	return secret_cache_find(c, &here, slice_of_text(user), now_us, &found) &&
	       slice_is_text(found, text);
}

static void a_secret_belongs_to_a_place_and_a_user(void **state)
{
	struct secret_cache *c = *state;
	struct slice found;

	keep(c, "alice", "one", 100);
	secret_cache_keep(c, &there, slice_of_text("alice"), slice_of_text("two"), 100);
	keep(c, "bob", "three", 100);
	assert_true(has(c, "alice", "one", 0));
	assert_true(has(c, "bob", "three", 0));
	assert_false(has(c, "alic", "one", 0));
	assert_true(secret_cache_find(c, &there, slice_of_text("alice"), 0, &found));
	assert_true(slice_is_text(found, "two"));
	assert_false(secret_cache_find(c, &there, slice_of_text("bob"), 0, &found));
}

static void a_new_secret_takes_the_place_of_the_old(void **state)
{
	struct secret_cache *c = *state;

	keep(c, "alice", "old", 100);
	keep(c, "alice", "new", 200);
	assert_int_equal(secret_cache_count(c), 1);
	assert_true(has(c, "alice", "new", 150));
	assert_int_equal(secret_cache_next_us(c), 200);
}

static void a_secret_that_is_too_old_is_not_found_and_is_swept(void **state)
{
	struct secret_cache *c = *state;

	assert_int_equal(secret_cache_next_us(c), CLOCK_NEVER);
	keep(c, "alice", "a", 100);
	keep(c, "bob", "b", 200);
	assert_true(has(c, "alice", "a", 99));
	assert_false(has(c, "alice", "a", 100));
	assert_int_equal(secret_cache_count(c), 2);
	secret_cache_sweep(c, 99);
	assert_int_equal(secret_cache_count(c), 2);
	secret_cache_sweep(c, 100);
	assert_int_equal(secret_cache_count(c), 1);
	assert_int_equal(secret_cache_next_us(c), 200);
	assert_true(has(c, "bob", "b", 100));
}

static void forgetting_takes_one_and_clearing_all(void **state)
{
	struct secret_cache *c = *state;

	keep(c, "alice", "a", 100);
	keep(c, "bob", "b", 100);
	keep(c, "carol", "c", 100);
	secret_cache_forget(c, &here, slice_of_text("bob"));
	secret_cache_forget(c, &here, slice_of_text("bob"));
	secret_cache_forget(c, &there, slice_of_text("alice"));
	assert_int_equal(secret_cache_count(c), 2);
	assert_false(has(c, "bob", "b", 0));
	secret_cache_clear(c);
	assert_int_equal(secret_cache_count(c), 0);
	assert_int_equal(c->bytes, 0);
}

static void what_was_used_least_recently_leaves_first(void **state)
{
	struct secret_cache *c = *state;
	char user[20];

	for (int i = 0; i < SECRET_CACHE_MOST; i++) {
		snprintf(user, sizeof(user), "user%d", i);
		keep(c, user, "x", 100);
	}
	assert_true(has(c, "user0", "x", 0));
	keep(c, "one more", "x", 100);
	keep(c, "and another", "x", 100);
	assert_int_equal(secret_cache_count(c), SECRET_CACHE_MOST);
	assert_true(has(c, "user0", "x", 0));
	assert_false(has(c, "user1", "x", 0));
	assert_false(has(c, "user2", "x", 0));
	assert_true(has(c, "user3", "x", 0));
}

static void long_secrets_are_fewer(void **state)
{
	enum { LEN = 60000 };
	struct secret_cache *c = *state;
	char *text = malloc(LEN + 1);
	char user[20];

	assert_non_null(text);
	memset(text, 'x', LEN);
	text[LEN] = '\0';
	for (int i = 0; i < 300; i++) {
		snprintf(user, sizeof(user), "user%d", i);
		keep(c, user, text, 100);
		assert_true(has(c, user, text, 0));
	}
	assert_in_range(c->bytes, SECRET_CACHE_BYTES_MOST - 2 * LEN,
			SECRET_CACHE_BYTES_MOST);
	assert_in_range(secret_cache_count(c), 100, SECRET_CACHE_BYTES_MOST / LEN);
	free(text);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_cache, close_cache)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a_secret_belongs_to_a_place_and_a_user),
	    CASE(a_new_secret_takes_the_place_of_the_old),
	    CASE(a_secret_that_is_too_old_is_not_found_and_is_swept),
	    CASE(forgetting_takes_one_and_clearing_all),
	    CASE(what_was_used_least_recently_leaves_first),
	    CASE(long_secrets_are_fewer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
