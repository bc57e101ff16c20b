/* The table of host names and their ages. */
#include "net/hostnames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

/* ---- memory that fails when told to ---- */

void *__real_calloc(size_t count, size_t len);
void *__wrap_calloc(size_t count, size_t len);
void *__real_malloc(size_t len);
void *__wrap_malloc(size_t len);

enum short_of { SHORT_OF_NOTHING, SHORT_OF_CALLOC, SHORT_OF_MALLOC };

static enum short_of memory;

void *__wrap_calloc(size_t count, size_t len)
{
	return memory == SHORT_OF_CALLOC ? NULL : __real_calloc(count, len);
}

/* The table itself is allocated by malloc. */
void *__wrap_malloc(size_t len)
{
	return memory == SHORT_OF_MALLOC ? NULL : __real_malloc(len);
}

/* ---- the stage ---- */

static int open_stage(void **state)
{
	struct hostnames *n = calloc(1, sizeof(*n));

	if (!n)
		return -1;
	hostnames_init(n, NULL);
	*state = n;
	return 0;
}

static int close_stage(void **state)
{
	struct hostnames *n = *state;

	hostnames_fini(n);
	hostnames_fini(n);
	int rc = hostnames_count(n) == 0 ? 0 : -1;
	free(n);
	return rc;
}

/* Knows so many addresses of it until then. */
static void keep(struct hostnames *n, struct resolver_name *name, size_t count,
		 uint64_t expires_us)
{
	if (count > 0)
		name->addresses = calloc(count, sizeof(*name->addresses));
	name->count = count;
	hostnames_keep(n, name, expires_us);
}

static struct resolver_name *add(struct hostnames *n, const char *host, size_t count,
				 uint64_t expires_us)
{
	struct resolver_name *name = hostnames_add(n, host);

	assert_non_null(name);
	keep(n, name, count, expires_us);
	return name;
}

static void fill(struct hostnames *n, size_t count_of_addresses)
{
	char host[40];

	for (size_t i = hostnames_count(n); i < HOSTNAMES_MOST; i++) {
		snprintf(host, sizeof(host), "n%zu.test", i);
		add(n, host, count_of_addresses, 100 + i);
	}
}

/* ---- finding ---- */

static void a_name_is_found_by_its_whole_text(void **state)
{
	struct hostnames *n = *state;
	struct resolver_name *one = add(n, "one.test", 1, 10);

	assert_ptr_equal(hostnames_find(n, "one.test"), one);
	assert_string_equal(one->host, "one.test");
	assert_null(hostnames_find(n, "one.tes"));
	assert_null(hostnames_find(n, "one.test2"));
	assert_null(hostnames_find(n, ""));
	assert_int_equal(hostnames_count(n), 1);
}

static void a_name_is_there_before_anything_is_known(void **state)
{
	struct hostnames *n = *state;
	struct resolver_name *one = hostnames_add(n, "one.test");

	assert_non_null(one);
	assert_ptr_equal(hostnames_find(n, "one.test"), one);
	assert_true(hostnames_next_us(n) == CLOCK_NEVER);
	hostnames_sweep(n, UINT64_MAX);
	assert_ptr_equal(hostnames_find(n, "one.test"), one);
	keep(n, one, 0, 10);
	assert_int_equal(hostnames_next_us(n), 10);
}

/* ---- growing old ---- */

static void the_next_to_grow_old_is_the_earlier_of_both_kinds(void **state)
{
	struct hostnames *n = *state;

	assert_true(hostnames_next_us(n) == CLOCK_NEVER);
	add(n, "good.test", 1, 50);
	assert_int_equal(hostnames_next_us(n), 50);
	add(n, "bad.test", 0, 20);
	assert_int_equal(hostnames_next_us(n), 20);
	hostnames_sweep(n, 20);
	assert_int_equal(hostnames_next_us(n), 50);
}

static void sweeping_drops_what_is_too_old_and_nothing_else(void **state)
{
	struct hostnames *n = *state;

	add(n, "good1.test", 1, 10);
	add(n, "good2.test", 2, 11);
	add(n, "bad1.test", 0, 10);
	add(n, "bad2.test", 0, 11);
	hostnames_sweep(n, 9);
	assert_int_equal(hostnames_count(n), 4);
	hostnames_sweep(n, 10);
	assert_int_equal(hostnames_count(n), 2);
	assert_non_null(hostnames_find(n, "good2.test"));
	assert_non_null(hostnames_find(n, "bad2.test"));
	hostnames_sweep(n, 11);
	assert_int_equal(hostnames_count(n), 0);
	assert_true(hostnames_next_us(n) == CLOCK_NEVER);
}

static void a_name_that_is_being_told_is_swept_later(void **state)
{
	struct hostnames *n = *state;
	struct resolver_name *told = add(n, "told.test", 1, 10);

	add(n, "quiet.test", 1, 11);
	told->is_ready = true;
	hostnames_sweep(n, 20);
	assert_int_equal(hostnames_count(n), 1);
	assert_ptr_equal(hostnames_find(n, "told.test"), told);
	told->is_ready = false;
	hostnames_sweep(n, 20);
	assert_int_equal(hostnames_count(n), 0);
}

static void what_was_forgotten_can_become_known_as_the_other_kind(void **state)
{
	struct hostnames *n = *state;
	struct resolver_name *name = add(n, "one.test", 2, 10);

	hostnames_forget(n, name);
	assert_null(name->addresses);
	assert_int_equal(name->count, 0);
	assert_true(hostnames_next_us(n) == CLOCK_NEVER);
	keep(n, name, 0, 20);
	hostnames_forget(n, name);
	keep(n, name, 1, 30);
	assert_int_equal(hostnames_next_us(n), 30);
	assert_ptr_equal(hostnames_find(n, "one.test"), name);
}

/* ---- room ---- */

static void when_it_is_full_the_oldest_failure_makes_room_first(void **state)
{
	struct hostnames *n = *state;

	add(n, "good.test", 1, 1);
	add(n, "bad1.test", 0, 2);
	add(n, "bad2.test", 0, 3);
	fill(n, 1);
	add(n, "new1.test", 1, 4);
	assert_int_equal(hostnames_count(n), HOSTNAMES_MOST);
	assert_null(hostnames_find(n, "bad1.test"));
	add(n, "new2.test", 1, 5);
	assert_null(hostnames_find(n, "bad2.test"));
	assert_non_null(hostnames_find(n, "good.test"));
	add(n, "new3.test", 1, 6);
	assert_null(hostnames_find(n, "good.test"));
	assert_int_equal(hostnames_count(n), HOSTNAMES_MOST);
}

static void who_is_being_told_does_not_make_room(void **state)
{
	struct hostnames *n = *state;
	struct resolver_name *first = add(n, "first.test", 0, 1);

	add(n, "second.test", 0, 2);
	fill(n, 0);
	first->is_ready = true;
	add(n, "new.test", 0, 3);
	assert_non_null(hostnames_find(n, "first.test"));
	assert_null(hostnames_find(n, "second.test"));
}

static void there_is_no_room_while_all_are_asked_for(void **state)
{
	struct hostnames *n = *state;
	struct resolver_name *pending[HOSTNAMES_MOST];
	char host[40];

	for (size_t i = 0; i < HOSTNAMES_MOST; i++) {
		snprintf(host, sizeof(host), "n%zu.test", i);
		pending[i] = hostnames_add(n, host);
		assert_non_null(pending[i]);
	}
	assert_null(hostnames_add(n, "new.test"));
	assert_int_equal(hostnames_count(n), HOSTNAMES_MOST);
	for (size_t i = 0; i < HOSTNAMES_MOST; i++)
		keep(n, pending[i], 0, 1);
	add(n, "new.test", 0, 1);
}

static void without_memory_nothing_is_added(void **state)
{
	struct hostnames *n = *state;

	memory = SHORT_OF_CALLOC;
	struct resolver_name *without_name = hostnames_add(n, "one.test");
	memory = SHORT_OF_MALLOC;
	struct resolver_name *without_table = hostnames_add(n, "one.test");
	memory = SHORT_OF_NOTHING;
	assert_null(without_name);
	assert_null(without_table);
	assert_int_equal(hostnames_count(n), 0);
	add(n, "one.test", 1, 10);
}

/* ---- outside of the table ---- */

static void a_name_outside_of_the_table_is_not_found(void **state)
{
	struct hostnames *n = *state;
	struct resolver_name *name = resolver_name_create(NULL, "one.test");

	assert_non_null(name);
	assert_string_equal(name->host, "one.test");
	assert_true(TAILQ_EMPTY(&name->waiters));
	assert_null(hostnames_find(n, "one.test"));
	resolver_name_destroy(name);
	resolver_name_destroy(NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a_name_is_found_by_its_whole_text),
	    CASE(a_name_is_there_before_anything_is_known),
	    CASE(the_next_to_grow_old_is_the_earlier_of_both_kinds),
	    CASE(sweeping_drops_what_is_too_old_and_nothing_else),
	    CASE(a_name_that_is_being_told_is_swept_later),
	    CASE(what_was_forgotten_can_become_known_as_the_other_kind),
	    CASE(when_it_is_full_the_oldest_failure_makes_room_first),
	    CASE(who_is_being_told_does_not_make_room),
	    CASE(there_is_no_room_while_all_are_asked_for),
	    CASE(without_memory_nothing_is_added),
	    CASE(a_name_outside_of_the_table_is_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
