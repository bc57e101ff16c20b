/*
 * The brake on guessing, beside a naive model that keeps all failures and looks at each.
 */
#include "auth/brake.h"

#include "unit/base/kit.h"

static const struct brake_rules rules = {
    .failure_limit = 3, .window_us = 100, .block_us = 50};

static const uint8_t v4[] = {10, 0, 0, 1};

static struct brake_who who_of(const char *user)
{
	return (struct brake_who){.user = slice_of_text(user),
				  .address = slice_of(v4, sizeof(v4))};
}

static bool fail_at(struct brake *b, const char *user, uint64_t now_us)
{
	struct brake_who who = who_of(user);

	return brake_failed(b, &rules, &who, now_us);
}

static uint64_t blocked_at(const struct brake *b, const char *user, uint64_t now_us)
{
	struct brake_who who = who_of(user);

	return brake_blocked_us(b, &who, now_us);
}

static void who_fails_too_often_is_blocked_for_a_while(void **state)
{
	struct brake *b = brake_create(10);

	(void)state;
	assert_false(fail_at(b, "joe", 1000));
	assert_false(fail_at(b, "joe", 1001));
	assert_int_equal(blocked_at(b, "joe", 1002), 0);
	assert_true(fail_at(b, "joe", 1002));
	assert_int_equal(blocked_at(b, "joe", 1002), 50);
	assert_int_equal(blocked_at(b, "joe", 1051), 1);
	assert_int_equal(blocked_at(b, "joe", 1052), 0);
	assert_int_equal(blocked_at(b, "jim", 1002), 0);
	/* One that had begun before does not prolong it. */
	assert_false(fail_at(b, "joe", 1040));
	assert_int_equal(blocked_at(b, "joe", 1051), 1);
	/* A new start, though the first three are still within the window. */
	assert_false(fail_at(b, "joe", 1052));
	assert_false(fail_at(b, "joe", 1053));
	assert_true(fail_at(b, "joe", 1054));
	brake_destroy(b);
}

static void the_window_slides(void **state)
{
	struct brake *b = brake_create(10);

	(void)state;
	for (uint64_t now = 1000; now < 3000; now += 50)
		assert_false(fail_at(b, "joe", now));
	assert_true(fail_at(b, "joe", 2999));
	brake_destroy(b);
}

static void success_forgets_the_failures(void **state)
{
	struct brake *b = brake_create(10);
	struct brake_who who = who_of("joe");

	(void)state;
	fail_at(b, "joe", 1000);
	fail_at(b, "joe", 1000);
	brake_passed(b, &who);
	assert_int_equal(brake_count(b), 0);
	assert_false(fail_at(b, "joe", 1000));
	assert_false(fail_at(b, "joe", 1000));
	assert_true(fail_at(b, "joe", 1000));
	brake_passed(b, &who);
	brake_passed(b, &who);
	assert_int_equal(blocked_at(b, "joe", 1000), 0);
	fail_at(b, "joe", 1000);
	fail_at(b, "jim", 1000);
	brake_reset(b);
	assert_int_equal(brake_count(b), 0);
	brake_destroy(b);
}

static void a_limit_of_zero_never_blocks(void **state)
{
	struct brake_rules off = {.failure_limit = 0, .window_us = 100, .block_us = 100};
	struct brake *b = brake_create(10);
	struct brake_who who = who_of("joe");

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_false(brake_failed(b, &off, &who, 1000));
	assert_int_equal(brake_count(b), 0);
	brake_destroy(b);
	brake_destroy(NULL);
}

static void a_limit_beyond_the_kept_counts_as_the_most(void **state)
{
	struct brake_rules far = {
	    .failure_limit = 1000000, .window_us = 100, .block_us = 100};
	struct brake *b = brake_create(10);
	struct brake_who who = who_of("joe");

	(void)state;
	for (int i = 1; i < BRAKE_FAILURES_MAX; i++)
		assert_false(brake_failed(b, &far, &who, 1000));
	assert_true(brake_failed(b, &far, &who, 1000));
	brake_destroy(b);
}

/* ---- whose failures count together ---- */

static void addresses_of_one_customer_count_as_one(void **state)
{
	static const uint8_t a[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 1};
	static const uint8_t same[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 9, 9, 9};
	static const uint8_t other[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 2, 1};
	static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 10, 0, 0, 1};
	static const uint8_t mapped_other[16] = {[10] = 0xff, 0xff, 10, 0, 0, 2};
	static const struct {
		const uint8_t *first, *second;
		uint8_t first_len, second_len;
		bool is_one;
	} cases[] = {
	    {a, same, 16, 16, true},         {a, other, 16, 16, false},
	    {mapped, v4, 16, 4, true},       {mapped, mapped_other, 16, 16, false},
	    {v4, v4, 4, 0, false},           {v4, v4, 0, 0, true},
	    {v4, mapped_other, 4, 4, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct brake *b = brake_create(10);
		struct brake_who first = who_of("joe"), second = first;

		first.address = slice_of(cases[i].first, cases[i].first_len);
		second.address = slice_of(cases[i].second, cases[i].second_len);
		for (int n = 0; n < 3; n++)
			brake_failed(b, &rules, &first, 1000);
		assert_int_equal(brake_blocked_us(b, &second, 1000),
				 cases[i].is_one ? 50 : 0);
		brake_destroy(b);
	}
}

static void the_name_and_the_address_do_not_run_together(void **state)
{
	struct brake *b = brake_create(10);
	struct brake_who a = {.user = slice_of_text("joe"), .address = slice_of(v4, 4)};
	struct brake_who local = {.user = slice_of("\x0a\0\0\1joe", 7)};
	char name[200];

	(void)state;
	for (int n = 0; n < 3; n++)
		brake_failed(b, &rules, &a, 1000);
	assert_int_equal(brake_blocked_us(b, &local, 1000), 0);
	/* What is beyond the longest name does not make another. */
	memset(name, 'x', sizeof(name));
	for (int n = 0; n < 3; n++) {
		name[180] = (char)('a' + n);
		a.user = slice_of(name, sizeof(name));
		brake_failed(b, &rules, &a, 1000);
	}
	assert_int_equal(brake_blocked_us(b, &a, 1000), 50);
	brake_destroy(b);
}

/* ---- bounds, and the console's view ---- */

static void a_full_table_forgets_the_longest_ago(void **state)
{
	struct brake *b = brake_create(3);
	struct brake_row row;
	const void *cursor = NULL;
	static const char *const left[] = {"a", "c", "d"};

	(void)state;
	fail_at(b, "a", 1000);
	fail_at(b, "b", 1001);
	fail_at(b, "c", 1002);
	fail_at(b, "a", 1003);
	fail_at(b, "c", 1004);
	fail_at(b, "a", 1005);
	fail_at(b, "d", 1006);
	assert_int_equal(brake_count(b), 3);
	static const char *const order[] = {"c", "a", "d"};
	static const unsigned failures[] = {2, 3, 1};
	static const uint64_t last[] = {1004, 1005, 1006}, until[] = {0, 1055, 0};
	for (size_t i = 0; i < COUNT_OF(left); i++) {
		assert_true(brake_next(b, &cursor, &row));
		assert_slice_is(row.user, order[i]);
		assert_true(slice_equal(row.address, slice_of(v4, sizeof(v4))));
		assert_int_equal(row.failures, failures[i]);
		assert_int_equal(row.last_us, last[i]);
		assert_int_equal(row.blocked_until_us, until[i]);
	}
	assert_false(brake_next(b, &cursor, &row));
	/* And those that matter no more go by themselves. */
	fail_at(b, "e", 2000);
	assert_int_equal(brake_count(b), 1);
	brake_destroy(b);
}

/* ---- the naive model ---- */

enum { USERS = 8, FAILURES = 20000 };

struct model {
	uint64_t failures[USERS][FAILURES]; /* since the last block or success */
	size_t count[USERS];
	uint64_t until[USERS];
};

static bool model_failed(struct model *m, const struct brake_rules *r, unsigned user,
			 uint64_t now)
{
	int within = 0;

	if (m->until[user] > now)
		return false;
	if (m->until[user] > 0)
		m->count[user] = m->until[user] = 0;
	m->failures[user][m->count[user]++] = now;
	for (size_t i = 0; i < m->count[user]; i++)
		within += now - m->failures[user][i] < r->window_us;
	if (within < r->failure_limit)
		return false;
	m->until[user] = now + r->block_us;
	return true;
}

static void any_course_of_logins_goes_as_in_the_model(void **state)
{
	static const char *const names[USERS] = {"a", "b", "c", "d", "e", "f", "g", "h"};
	struct model *m = calloc(1, sizeof(*m));
	unsigned blocks = 0;

	(void)state;
	assert_non_null(m);
	for (unsigned seed = 1; seed <= 20; seed++) {
		struct dice dice = {.state = seed};
		struct brake *b = brake_create(USERS);
		struct brake_rules r = {.failure_limit = 1 + (int)dice_of(&dice, 12),
					.window_us = 1 + dice_of(&dice, 400),
					.block_us = dice_of(&dice, 200)};
		uint64_t now = 1000;

		memset(m, 0, sizeof(*m));
		for (unsigned step = 0; step < FAILURES; step++) {
			unsigned user = dice_of(&dice, USERS);
			struct brake_who who = who_of(names[user]);
			uint64_t until = m->until[user];

			now += dice_of(&dice, 10);
			assert_int_equal(brake_blocked_us(b, &who, now),
					 until > now ? until - now : 0);
			if (dice_once_in(&dice, 40)) {
				brake_passed(b, &who);
				m->count[user] = m->until[user] = 0;
				continue;
			}
			bool has_blocked = brake_failed(b, &r, &who, now);
			assert_int_equal(has_blocked, model_failed(m, &r, user, now));
			blocks += has_blocked;
		}
		brake_destroy(b);
	}
	assert_true(blocks > 100);
	free(m);
}

static void the_table_keeps_its_bound(void **state)
{
	struct dice dice = {.state = 5};
	struct brake *b = brake_create(100);
	const void *cursor = NULL;
	struct brake_row row;
	uint64_t last = 0;

	(void)state;
	for (uint64_t now = 1000; now < 100000; now++) {
		char name[20];

		snprintf(name, sizeof(name), "%u", dice_of(&dice, 1000));
		fail_at(b, name, now / 1000);
		assert_true(brake_count(b) <= 100);
	}
	while (brake_next(b, &cursor, &row)) {
		assert_true(row.last_us >= last);
		last = row.last_us;
	}
	brake_destroy(b);
}

static size_t count_from(const struct brake *b, const void *cursor, char *first)
{
	struct brake_row row;
	size_t count = 0;

	*first = '-';
	for (; brake_next(b, &cursor, &row); count++)
		if (count == 0)
			*first = (char)row.user.data[0];
	return count;
}

/* As the console does, which writes rows now and then. */
static void a_walk_goes_on_after_changes(void **state)
{
	static const char *const users[] = {"a", "b", "c", "d", "e"};
	struct brake *b = brake_create(10);
	struct brake_who c = who_of("c"), d = who_of("d");
	const void *cursor = NULL;
	struct brake_row row;
	char first;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		fail_at(b, users[i], 1000); /* all at one time */
	for (size_t i = 0; i < 3; i++)
		assert_true(brake_next(b, &cursor, &row));
	assert_true(slice_is_text(row.user, "c"));
	assert_ptr_equal(brake_cursor(b, &c, row.order), cursor);
	brake_passed(b, &d);
	assert_int_equal(count_from(b, brake_cursor(b, &c, row.order), &first), 1);
	assert_int_equal(first, 'e');
	/* It moves to the end, and comes once more. */
	fail_at(b, "c", 1000);
	assert_int_equal(count_from(b, brake_cursor(b, &c, row.order), &first), 2);
	assert_int_equal(first, 'e');
	brake_passed(b, &c);
	assert_int_equal(count_from(b, brake_cursor(b, &c, row.order), &first), 1);
	brake_reset(b);
	assert_null(brake_cursor(b, &c, row.order));
	brake_destroy(b);
}

static void a_user_is_let_in_again_from_everywhere(void **state)
{
	static const uint8_t bytes[] = {192, 168, 0, 1};
	struct brake *b = brake_create(10);
	const struct brake_who elsewhere = {slice_of_text("joe"), slice_of(bytes, 4)};

	(void)state;
	for (uint64_t now = 1000; now < 1003; now++) {
		fail_at(b, "joe", now);
		fail_at(b, "joey", now);
		brake_failed(b, &rules, &elsewhere, now);
	}
	assert_int_equal(brake_reset_user(b, slice_of_text("jo")), 0);
	assert_int_equal(brake_reset_user(b, slice_of_text("joe")), 2);
	assert_int_equal(blocked_at(b, "joe", 1003), 0);
	assert_int_equal(brake_blocked_us(b, &elsewhere, 1003), 0);
	assert_true(blocked_at(b, "joey", 1003) > 0);
	assert_int_equal(brake_count(b), 1);
	brake_destroy(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_fails_too_often_is_blocked_for_a_while),
	    cmocka_unit_test(the_window_slides),
	    cmocka_unit_test(success_forgets_the_failures),
	    cmocka_unit_test(a_limit_of_zero_never_blocks),
	    cmocka_unit_test(a_limit_beyond_the_kept_counts_as_the_most),
	    cmocka_unit_test(addresses_of_one_customer_count_as_one),
	    cmocka_unit_test(the_name_and_the_address_do_not_run_together),
	    cmocka_unit_test(a_full_table_forgets_the_longest_ago),
	    cmocka_unit_test(any_course_of_logins_goes_as_in_the_model),
	    cmocka_unit_test(the_table_keeps_its_bound),
	    cmocka_unit_test(a_walk_goes_on_after_changes),
	    cmocka_unit_test(a_user_is_let_in_again_from_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
