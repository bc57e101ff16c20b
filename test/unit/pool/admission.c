/*
 * The line of waiters: order, bounds, leaving early.
 */
#include "pool/admission.h"

#include <limits.h>

#include "pool/usage.h"
#include "unit/base/kit.h"

static void stand_as(struct admission *a, struct waiter *w, enum priority class,
		     const struct usage *user, uint64_t now_us)
{
	w->asker = (struct asker){
	    .user = user, .weight = 1, .class = (uint8_t) class, .limit_us = UINT64_MAX};
	w->since_us = now_us;
	admission_join(a, w);
}

static void stand_in(struct admission *a, struct waiter *w, uint64_t now_us)
{
	stand_as(a, w, PRIORITY_NORMAL, NULL, now_us);
}

static struct admission_rules in_order(void)
{
	return (struct admission_rules){.policy = QUEUE_FIFO, .round_us = 100};
}

/* Who is served now; expected to take, and taking, so long. */
static struct waiter *serve(struct admission *a, const char *reserve, uint64_t held_us)
{
	const struct admission_rules rules = in_order();
	struct priority_reserve shares;
	struct waiter *w = NULL;
	struct work work;
	char why[256];
	bool is_late;

	assert_true(priority_reserve_parse(reserve, &shares, why, sizeof(why)));
	if (admission_judge(a, &rules, 0, &w, &is_late) == ADMISSION_NOBODY)
		return NULL;
	admission_serve(a, w, &shares, 100, &work);
	admission_served(a, &work, held_us);
	return w;
}

static void whoever_came_first_is_first(void **state)
{
	struct admission a;
	struct waiter w[3] = {0};

	(void)state;
	admission_init(&a, ADMISSION_UNBOUNDED);
	assert_null(admission_first(&a));
	for (int i = 0; i < 3; i++)
		stand_in(&a, &w[i], 10);
	for (int i = 0; i < 3; i++) {
		assert_ptr_equal(admission_first(&a), &w[i]);
		admission_leave(&w[i]);
		assert_true(admission_is_sound(&a));
	}
	assert_null(admission_first(&a));
	assert_int_equal(a.count, 0);
}

static void leaving_early_frees_the_place(void **state)
{
	struct admission a;
	struct waiter w[3] = {0};

	(void)state;
	admission_init(&a, 3);
	for (int i = 0; i < 3; i++)
		stand_in(&a, &w[i], 10);
	assert_true(admission_is_full(&a, 0));
	admission_leave(&w[1]);
	assert_false(admission_is_full(&a, 0));
	assert_int_equal(a.count, 2);
	admission_leave(&w[0]);
	assert_ptr_equal(admission_first(&a), &w[2]);
	assert_true(admission_is_sound(&a));
}

static void leaving_without_waiting_is_harmless(void **state)
{
	struct admission a;
	struct waiter w = {0};

	(void)state;
	admission_leave(&w);
	admission_init(&a, 1);
	stand_in(&a, &w, 10);
	admission_leave(&w);
	admission_leave(&w);
	assert_int_equal(a.count, 0);
	stand_in(&a, &w, 20);
	assert_ptr_equal(admission_first(&a), &w);
}

static void a_line_is_full_when_no_server_is_coming_for_one_more(void **state)
{
	static const struct {
		int max;
		unsigned waiting, coming;
		bool is_full;
	} cases[] = {
	    {-1, 0, 0, false},       {-1, 9, 0, false},
	    {0, 0, 0, true},         {0, 0, 1, false},
	    {0, 1, 1, true},         {0, 1, 2, false},
	    {1, 0, 0, false},        {1, 1, 0, true},
	    {1, 1, 1, false},        {1, 2, 1, true},
	    {3, 2, 0, false},        {3, 3, 0, true},
	    {3, 9, UINT_MAX, false}, {INT_MAX, 9, UINT_MAX, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct admission a;
		struct waiter w[9] = {0};

		admission_init(&a, cases[i].max);
		for (unsigned n = 0; n < cases[i].waiting; n++)
			stand_in(&a, &w[n], 10);
		assert_int_equal(admission_is_full(&a, cases[i].coming),
				 cases[i].is_full);
	}
}

static void the_longest_wait_is_the_first_ones(void **state)
{
	struct admission a;
	struct waiter w[2] = {0};

	(void)state;
	admission_init(&a, ADMISSION_UNBOUNDED);
	assert_int_equal(admission_longest_wait(&a, 500), 0);
	stand_in(&a, &w[0], 100);
	stand_in(&a, &w[1], 250);
	assert_int_equal(admission_longest_wait(&a, 300), 200);
	admission_leave(&w[0]);
	assert_int_equal(admission_longest_wait(&a, 300), 50);
	assert_int_equal(admission_longest_wait(&a, 200), 0);
}

/* The model is a list of tickets. */
static void any_order_of_joining_and_leaving_keeps_the_order_of_arrival(void **state)
{
	enum { PEOPLE = 50 };
	struct dice dice = {.state = 7};
	struct waiter w[PEOPLE] = {0};
	unsigned line[PEOPLE], count = 0;
	struct admission a;

	(void)state;
	admission_init(&a, ADMISSION_UNBOUNDED);
	for (unsigned step = 0; step < 200000; step++) {
		unsigned who = dice_of(&dice, PEOPLE), at = 0;

		while (at < count && line[at] != who)
			at++;
		if (at == count) {
			stand_in(&a, &w[who], step);
			line[count++] = who;
		} else {
			admission_leave(&w[who]);
			memmove(&line[at], &line[at + 1],
				(--count - at) * sizeof(line[0]));
		}
		assert_int_equal(a.count, count);
		assert_ptr_equal(admission_first(&a), count ? &w[line[0]] : NULL);
		if (step % 64 == 0)
			assert_true(admission_is_sound(&a));
	}
}

static void an_unsound_line_is_noticed(void **state)
{
	struct admission a;
	struct waiter w[2] = {0};

	(void)state;
	admission_init(&a, ADMISSION_UNBOUNDED);
	stand_in(&a, &w[0], 10);
	stand_in(&a, &w[1], 20);
	assert_true(admission_is_sound(&a));
	a.count = 1;
	assert_false(admission_is_sound(&a));
	a.count = 2;
	w[1].since_us = 5;
	assert_false(admission_is_sound(&a));
	w[1].since_us = 20;
	w[0].line = NULL;
	assert_false(admission_is_sound(&a));
}

/* ---- classes ---- */

static void higher_classes_are_served_first(void **state)
{
	static const enum priority came[] = {PRIORITY_LOW, PRIORITY_NORMAL,
					     PRIORITY_CRITICAL, PRIORITY_HIGH,
					     PRIORITY_CRITICAL};
	static const int served[] = {2, 4, 3, 1, 0};
	struct waiter w[COUNT_OF(came)] = {0};
	struct admission a;

	(void)state;
	admission_init(&a, ADMISSION_UNBOUNDED);
	for (size_t i = 0; i < COUNT_OF(came); i++)
		stand_as(&a, &w[i], came[i], NULL, i);
	assert_ptr_equal(admission_first(&a), &w[0]);
	for (size_t i = 0; i < COUNT_OF(served); i++) {
		assert_ptr_equal(serve(&a, "", 100), &w[served[i]]);
		assert_true(admission_is_sound(&a));
	}
	assert_null(serve(&a, "", 100));
	admission_fini(&a);
}

/* Of a hundred turns, how many are the class's when all others are critical ones'. */
static unsigned turns_of(enum priority class, const char *reserve)
{
	enum { TURNS = 400 };
	struct waiter more[2] = {0}, less[2] = {0};
	struct admission a;
	unsigned turns = 0;

	admission_init(&a, ADMISSION_UNBOUNDED);
	for (int i = 0; i < 2; i++) {
		stand_as(&a, &more[i], PRIORITY_CRITICAL, NULL, 0);
		stand_as(&a, &less[i], class, NULL, 0);
	}
	for (int i = 0; i < TURNS; i++) {
		struct waiter *w = serve(&a, reserve, 100);

		turns += w->asker.class == class;
		stand_as(&a, w, w->asker.class, NULL, 0);
	}
	while (admission_first(&a))
		admission_leave(admission_first(&a));
	admission_fini(&a);
	return turns * 100 / TURNS;
}

static void a_lower_class_gets_its_reserve_and_no_more(void **state)
{
	static const struct {
		enum priority class;
		const char *reserve;
		unsigned least, most;
	} cases[] = {
	    {PRIORITY_LOW, "", 0, 0},
	    {PRIORITY_LOW, "low=5", 4, 5},
	    {PRIORITY_NORMAL, "low=5", 0, 0},
	    {PRIORITY_NORMAL, "low=5, normal=20", 15, 20},
	    {PRIORITY_LOW, "low=50", 33, 50},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_in_range(turns_of(cases[i].class, cases[i].reserve),
				cases[i].least, cases[i].most);
}

static void a_reserve_that_nobody_used_is_not_made_up_for(void **state)
{
	struct waiter critical[100] = {0}, low[2] = {0};
	struct admission a;

	(void)state;
	admission_init(&a, ADMISSION_UNBOUNDED);
	for (int i = 0; i < 100; i++)
		stand_as(&a, &critical[i], PRIORITY_CRITICAL, NULL, 0);
	for (int i = 0; i < 50; i++)
		serve(&a, "low=50", 100);
	for (int i = 0; i < 2; i++)
		stand_as(&a, &low[i], PRIORITY_LOW, NULL, 0);
	assert_ptr_equal(serve(&a, "low=50", 100), &critical[50]);
	assert_ptr_equal(serve(&a, "low=50", 100), &critical[51]);
	assert_ptr_equal(serve(&a, "low=50", 100), &low[0]);
	assert_ptr_equal(serve(&a, "low=50", 100), &critical[52]);
	while (admission_first(&a))
		admission_leave(admission_first(&a));
	admission_fini(&a);
}

/* ---- users ---- */

static void users_take_turns_by_server_time(void **state)
{
	enum { TURNS = 900 };
	struct usage users[2];
	struct waiter w[2][2] = {0};
	struct admission a;
	unsigned served[2] = {0};

	(void)state;
	admission_init(&a, ADMISSION_UNBOUNDED);
	for (int user = 0; user < 2; user++)
		for (int i = 0; i < 2; i++)
			stand_as(&a, &w[user][i], PRIORITY_NORMAL, &users[user], 0);
	for (int i = 0; i < TURNS; i++) {
		struct waiter *next = TAILQ_FIRST(
		    &lane_whose_turn(&a.classes[PRIORITY_NORMAL].ring, 100)->waiters);
		unsigned user = next->asker.user == &users[1];

		/* What the second asks for takes twice as long. */
		assert_ptr_equal(serve(&a, "", user ? 200 : 100), next);
		served[user]++;
		stand_as(&a, next, PRIORITY_NORMAL, &users[user], 0);
		assert_true(admission_is_sound(&a));
	}
	assert_in_range(served[0], TURNS * 65 / 100, TURNS * 68 / 100);
	while (admission_first(&a))
		admission_leave(admission_first(&a));
	admission_fini(&a);
}

static void who_is_ahead_depends_on_class_and_on_turns(void **state)
{
	struct usage greedy, modest;
	struct waiter w[20] = {0};
	struct admission a;
	struct asker asker = {.weight = 1, .class = PRIORITY_NORMAL};
	const struct priority_reserve nothing = {{0}};

	(void)state;
	admission_init(&a, ADMISSION_UNBOUNDED);
	for (int i = 0; i < 10; i++)
		stand_as(&a, &w[i], PRIORITY_NORMAL, &greedy, 0);
	asker.user = &greedy;
	assert_int_equal(admission_ahead(&a, &asker, &nothing), 10);
	asker.user = &modest;
	assert_int_equal(admission_ahead(&a, &asker, &nothing), 1);
	asker.class = PRIORITY_HIGH;
	assert_int_equal(admission_ahead(&a, &asker, &nothing), 0);
	asker.class = PRIORITY_LOW;
	assert_int_equal(admission_ahead(&a, &asker, &nothing), 10);
	while (admission_first(&a))
		admission_leave(admission_first(&a));
	admission_fini(&a);
}

static void room_is_made_by_the_least_important_and_the_greediest(void **state)
{
	static const struct priority_reserve nothing = {{0}};
	struct usage greedy, modest;
	struct waiter w[6] = {0};
	struct admission a;
	struct asker asker = {.user = &modest, .weight = 1, .class = PRIORITY_NORMAL};

	(void)state;
	admission_init(&a, 3);
	for (int i = 0; i < 3; i++)
		stand_as(&a, &w[i], PRIORITY_NORMAL, &greedy, 0);
	assert_ptr_equal(admission_yields_to(&a, &asker, &nothing), &w[2]);
	asker.user = &greedy;
	assert_null(admission_yields_to(&a, &asker, &nothing));
	asker.class = PRIORITY_LOW;
	assert_null(admission_yields_to(&a, &asker, &nothing));
	asker.class = PRIORITY_HIGH;
	assert_ptr_equal(admission_yields_to(&a, &asker, &nothing), &w[2]);
	stand_as(&a, &w[3], PRIORITY_LOW, &greedy, 0);
	stand_as(&a, &w[4], PRIORITY_LOW, &modest, 0);
	stand_as(&a, &w[5], PRIORITY_LOW, &greedy, 0);
	assert_ptr_equal(admission_yields_to(&a, &asker, &nothing), &w[5]);
	while (admission_first(&a))
		admission_leave(admission_first(&a));
	admission_fini(&a);
}

static void a_class_keeps_its_places_in_a_full_line(void **state)
{
	static const struct priority_reserve reserve = {
	    .percent = {[PRIORITY_NORMAL] = 30, [PRIORITY_LOW] = 10}};
	static const struct priority_reserve nothing = {{0}};
	struct waiter w[10] = {0};
	struct admission a;
	struct asker asker = {.weight = 1, .class = PRIORITY_LOW};

	(void)state;
	admission_init(&a, 10);
	for (int i = 0; i < 10; i++)
		stand_as(&a, &w[i], PRIORITY_HIGH, NULL, 0);
	/* One place is his class's, however many of a higher one have come before. */
	assert_ptr_equal(admission_yields_to(&a, &asker, &reserve), &w[9]);
	assert_null(admission_yields_to(&a, &asker, &nothing));
	admission_leave(&w[9]);
	stand_as(&a, &w[9], PRIORITY_LOW, NULL, 0);
	assert_null(admission_yields_to(&a, &asker, &reserve));
	/* Nor do they take it from him. */
	asker.class = PRIORITY_HIGH;
	assert_null(admission_yields_to(&a, &asker, &reserve));
	asker.class = PRIORITY_NORMAL;
	assert_ptr_equal(admission_yields_to(&a, &asker, &reserve), &w[8]);
	/* What is more than the reserve makes room, the lowest first. */
	admission_leave(&w[8]);
	stand_as(&a, &w[8], PRIORITY_LOW, NULL, 0);
	assert_ptr_equal(admission_yields_to(&a, &asker, &reserve), &w[8]);
	while (admission_first(&a))
		admission_leave(admission_first(&a));
	admission_fini(&a);
}

static void a_short_line_has_no_reserved_places(void **state)
{
	static const struct priority_reserve reserve = {.percent = {[PRIORITY_LOW] = 5}};
	struct asker asker = {.weight = 1, .class = PRIORITY_HIGH};
	struct waiter w = {0};
	struct admission a;

	(void)state;
	admission_init(&a, 1);
	stand_as(&a, &w, PRIORITY_LOW, NULL, 0);
	assert_ptr_equal(admission_yields_to(&a, &asker, &reserve), &w);
	admission_leave(&w);
	stand_as(&a, &w, PRIORITY_HIGH, NULL, 0);
	asker.class = PRIORITY_LOW;
	assert_null(admission_yields_to(&a, &asker, &reserve));
	admission_leave(&w);
	admission_fini(&a);
}

/* ---- lines that do not get shorter ---- */

static void a_standing_line_is_cut_at_its_head_and_served_from_its_end(void **state)
{
	struct admission_rules rules = in_order();
	struct waiter w[10] = {0}, *out;
	struct admission a;
	bool is_late;

	(void)state;
	admission_init(&a, ADMISSION_UNBOUNDED);
	rules.policy = QUEUE_CODEL;
	rules.codel = (struct codel_config){.target_us = 10, .interval_us = 100};
	for (unsigned i = 0; i < 10; i++)
		stand_in(&a, &w[i], i);
	/* One interval in which everybody waits for longer than the target; with the next
	 * the newest is first. */
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(
		    admission_judge(&a, &rules, 100 + i * 60, &out, &is_late),
		    ADMISSION_SERVE);
		assert_ptr_equal(out, &w[i < 2 ? i : 9]);
		admission_leave(out);
	}
	assert_int_equal(admission_judge(&a, &rules, 230, &out, &is_late),
			 ADMISSION_REJECT);
	assert_ptr_equal(out, &w[2]);
	stand_in(&a, &w[0], 229);
	stand_in(&a, &w[1], 230);
	for (unsigned i = 2; i < 9; i++)
		admission_leave(&w[i]);
	/* What is left is young, and the newest is first until the line was empty. */
	assert_int_equal(admission_judge(&a, &rules, 231, &out, &is_late),
			 ADMISSION_SERVE);
	assert_ptr_equal(out, &w[1]);
	admission_leave(&w[0]);
	admission_leave(&w[1]);
	stand_in(&a, &w[0], 232);
	stand_in(&a, &w[1], 233);
	assert_int_equal(admission_judge(&a, &rules, 234, &out, &is_late),
			 ADMISSION_SERVE);
	assert_ptr_equal(out, &w[0]);
}

static void a_policy_on_trial_serves_in_order_and_says_who_is_late(void **state)
{
	struct admission_rules rules = in_order();
	struct waiter w[10] = {0}, *out;
	struct admission a;
	unsigned late = 0;
	bool is_late;

	(void)state;
	admission_init(&a, ADMISSION_UNBOUNDED);
	rules.policy = QUEUE_LOG;
	rules.codel = (struct codel_config){.target_us = 10, .interval_us = 100};
	for (unsigned i = 0; i < 10; i++)
		stand_in(&a, &w[i], i);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(
		    admission_judge(&a, &rules, 100 + i * 60, &out, &is_late),
		    ADMISSION_SERVE);
		assert_ptr_equal(out, &w[i]);
		admission_leave(out);
		late += is_late;
	}
	assert_in_range(late, 1, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whoever_came_first_is_first),
	    cmocka_unit_test(leaving_early_frees_the_place),
	    cmocka_unit_test(leaving_without_waiting_is_harmless),
	    cmocka_unit_test(a_line_is_full_when_no_server_is_coming_for_one_more),
	    cmocka_unit_test(the_longest_wait_is_the_first_ones),
	    cmocka_unit_test(any_order_of_joining_and_leaving_keeps_the_order_of_arrival),
	    cmocka_unit_test(an_unsound_line_is_noticed),
	    cmocka_unit_test(higher_classes_are_served_first),
	    cmocka_unit_test(a_lower_class_gets_its_reserve_and_no_more),
	    cmocka_unit_test(a_reserve_that_nobody_used_is_not_made_up_for),
	    cmocka_unit_test(users_take_turns_by_server_time),
	    cmocka_unit_test(who_is_ahead_depends_on_class_and_on_turns),
	    cmocka_unit_test(room_is_made_by_the_least_important_and_the_greediest),
	    cmocka_unit_test(a_class_keeps_its_places_in_a_full_line),
	    cmocka_unit_test(a_short_line_has_no_reserved_places),
	    cmocka_unit_test(a_standing_line_is_cut_at_its_head_and_served_from_its_end),
	    cmocka_unit_test(a_policy_on_trial_serves_in_order_and_says_who_is_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
