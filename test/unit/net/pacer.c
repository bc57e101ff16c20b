/* A line of tasks against budgets, in turns whose time the test makes. */
#include "net/pacer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/real_loop.h"

enum { BUDGET_US = 100 };

struct job {
	struct loop_task task; /* first */
	struct stage *stage;
	char letter;
	uint64_t takes_us;
	struct job *posts, *unposts;
};

struct stage {
	struct loop loop;
	struct pacer pacer;
	struct job a, b, c;
	char seen[64];
};

static void run_job(struct loop_task *task)
{
	struct job *job = (struct job *)task;
	struct stage *s = job->stage;

	s->seen[strlen(s->seen)] = job->letter;
	s->loop.now_us += job->takes_us;
	if (job->posts)
		pacer_post(&s->pacer, &job->posts->task, PACER_IS_NEW);
	if (job->unposts)
		pacer_unpost(&s->pacer, &job->unposts->task);
	job->posts = job->unposts = NULL;
}

static struct job job_of(struct stage *s, char letter, uint64_t takes_us)
{
	return (struct job){
	    .task.run = run_job, .stage = s, .letter = letter, .takes_us = takes_us};
}

static int open_stage(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	if (!s || loop_init_without_events(&s->loop, 1000) != 0)
		return -1;
	pacer_init(&s->pacer, &s->loop, BUDGET_US, BUDGET_US);
	s->a = job_of(s, 'a', 60);
	s->b = job_of(s, 'b', 60);
	s->c = job_of(s, 'c', 60);
	*state = s;
	return 0;
}

static int close_stage(void **state)
{
	struct stage *s = *state;

	pacer_fini(&s->pacer);
	pacer_fini(&s->pacer);
	loop_fini(&s->loop);
	free(s);
	return 0;
}

static void post_all(struct stage *s)
{
	pacer_post(&s->pacer, &s->a.task, PACER_IS_NEW);
	pacer_post(&s->pacer, &s->b.task, PACER_IS_NEW);
	pacer_post(&s->pacer, &s->c.task, PACER_IS_NEW);
}

static void turn(struct stage *s)
{
	loop_turn(&s->loop, s->loop.now_us + 1);
}

static void a_turn_runs_a_budgets_worth(void **state)
{
	struct stage *s = *state;

	post_all(s);
	assert_string_equal(s->seen, "");
	turn(s);
	assert_string_equal(s->seen, "ab");
	turn(s);
	assert_string_equal(s->seen, "abc");
	turn(s);
	assert_string_equal(s->seen, "abc");
}

static void what_has_begun_comes_before_what_is_new(void **state)
{
	struct stage *s = *state;

	s->a.takes_us = s->b.takes_us = s->c.takes_us = BUDGET_US;
	pacer_post(&s->pacer, &s->a.task, PACER_IS_NEW);
	pacer_post(&s->pacer, &s->b.task, PACER_GOES_ON);
	pacer_post(&s->pacer, &s->c.task, PACER_GOES_ON);
	turn(s);
	assert_string_equal(s->seen, "b");
	/* The first of the new leaves, and others come. */
	pacer_unpost(&s->pacer, &s->a.task);
	pacer_post(&s->pacer, &s->a.task, PACER_IS_NEW);
	pacer_post(&s->pacer, &s->b.task, PACER_GOES_ON);
	turn(s);
	turn(s);
	turn(s);
	assert_string_equal(s->seen, "bcba");
}

static void what_ends_soon_comes_before_all(void **state)
{
	struct stage *s = *state;

	s->a.takes_us = s->b.takes_us = s->c.takes_us = BUDGET_US;
	pacer_post(&s->pacer, &s->a.task, PACER_IS_NEW);
	pacer_post(&s->pacer, &s->b.task, PACER_GOES_ON);
	pacer_post(&s->pacer, &s->c.task, PACER_ENDS_SOON);
	assert_int_equal(s->pacer.count, 3);
	turn(s);
	assert_string_equal(s->seen, "c");
	/* Whoever is first of its rank leaves, and comes back. */
	pacer_unpost(&s->pacer, &s->b.task);
	pacer_post(&s->pacer, &s->c.task, PACER_GOES_ON);
	pacer_post(&s->pacer, &s->b.task, PACER_ENDS_SOON);
	turn(s);
	turn(s);
	turn(s);
	assert_string_equal(s->seen, "cbca");
	assert_int_equal(s->pacer.count, 0);
}

static void nobody_waits_for_ever_for_those_who_end_soon(void **state)
{
	struct stage *s = *state;

	s->a.takes_us = s->b.takes_us = s->c.takes_us = BUDGET_US;
	pacer_post(&s->pacer, &s->a.task, PACER_IS_NEW);
	pacer_post(&s->pacer, &s->b.task, PACER_GOES_ON);
	for (int i = 0; i < 2 * PACER_ROW; i++) {
		pacer_post(&s->pacer, &s->c.task, PACER_ENDS_SOON);
		turn(s);
	}
	assert_string_equal(s->seen, "ccccccccabcccccc");
}

static void nobody_new_waits_for_ever(void **state)
{
	struct stage *s = *state;

	s->a.takes_us = s->b.takes_us = BUDGET_US;
	pacer_post(&s->pacer, &s->a.task, PACER_IS_NEW);
	for (int i = 0; i < 3 * PACER_ROW && !strchr(s->seen, 'a'); i++) {
		pacer_post(&s->pacer, &s->b.task, PACER_GOES_ON);
		turn(s);
	}
	assert_string_equal(s->seen, "bbbbbbbba");
}

static void one_task_runs_however_long_it_takes(void **state)
{
	struct stage *s = *state;

	s->a.takes_us = s->b.takes_us = 10 * BUDGET_US;
	post_all(s);
	turn(s);
	assert_string_equal(s->seen, "a");
	turn(s);
	assert_string_equal(s->seen, "ab");
	turn(s);
	assert_string_equal(s->seen, "abc");
}

static void quick_tasks_all_run(void **state)
{
	struct stage *s = *state;

	s->a.takes_us = s->b.takes_us = s->c.takes_us = 1;
	post_all(s);
	turn(s);
	assert_string_equal(s->seen, "abc");
}

static void a_task_posted_twice_runs_once(void **state)
{
	struct stage *s = *state;

	pacer_post(&s->pacer, &s->a.task, PACER_IS_NEW);
	pacer_post(&s->pacer, &s->a.task, PACER_IS_NEW);
	turn(s);
	turn(s);
	assert_string_equal(s->seen, "a");
}

static void tasks_may_post_and_take_back(void **state)
{
	struct stage *s = *state;

	s->a.takes_us = s->b.takes_us = 10;
	s->a.posts = &s->a;
	s->a.unposts = &s->b;
	post_all(s);
	turn(s);
	/* a again, behind c, whose time is over the budget. */
	assert_string_equal(s->seen, "aca");
	turn(s);
	assert_string_equal(s->seen, "aca");
}

static void what_is_taken_back_does_not_run(void **state)
{
	struct stage *s = *state;

	post_all(s);
	pacer_unpost(&s->pacer, &s->a.task);
	pacer_unpost(&s->pacer, &s->a.task);
	pacer_unpost(&s->pacer, &s->b.task);
	turn(s);
	assert_string_equal(s->seen, "c");
	pacer_post(&s->pacer, &s->a.task, PACER_IS_NEW);
	pacer_unpost(&s->pacer, &s->a.task);
	turn(s);
	assert_string_equal(s->seen, "c");
}

/* The turn's own tasks come to the pacer twice. */
static void a_turn_has_one_budget(void **state)
{
	struct stage *s = *state;
	uint64_t now_us = s->loop.now_us;

	s->a.takes_us = 0;
	s->pacer.spent_us = 0;
	pacer_post(&s->pacer, &s->a.task, PACER_IS_NEW);
	loop_turn(&s->loop, now_us);
	assert_string_equal(s->seen, "a");
	s->pacer.spent_us = BUDGET_US;
	pacer_post(&s->pacer, &s->b.task, PACER_IS_NEW);
	assert_true(s->pacer.turn.is_next);
	loop_turn(&s->loop, now_us + 1);
	assert_string_equal(s->seen, "ab");
}

/* b has had a turn as a dear step, and stands there again. */
static void have_dear(struct stage *s, uint64_t takes_us)
{
	s->b.takes_us = takes_us;
	pacer_post(&s->pacer, &s->b.task, PACER_GOES_ON);
	turn(s);
	pacer_post(&s->pacer, &s->b.task, PACER_GOES_ON);
	assert_string_equal(s->seen, "b");
}

static void a_dear_step_that_is_too_long_for_the_rest_of_a_turn_is_left(void **state)
{
	struct stage *s = *state;

	have_dear(s, 60);
	pacer_post(&s->pacer, &s->a.task, PACER_ENDS_SOON);
	turn(s);
	assert_string_equal(s->seen, "ba");
	turn(s);
	assert_string_equal(s->seen, "bab");
	/* A short one is not. */
	memset(s->seen, 0, sizeof(s->seen));
	s->a.takes_us = 20;
	have_dear(s, 20);
	pacer_post(&s->pacer, &s->a.task, PACER_ENDS_SOON);
	turn(s);
	assert_string_equal(s->seen, "bab");
}

static void dear_steps_wait_for_what_others_expect(void **state)
{
	struct stage *s = *state;

	have_dear(s, 60);
	pacer_expect(&s->pacer);
	pacer_expect(&s->pacer);
	s->a.takes_us = s->c.takes_us = 1;
	pacer_post(&s->pacer, &s->a.task, PACER_IS_NEW);
	pacer_post(&s->pacer, &s->c.task, PACER_ENDS_SOON);
	turn(s);
	assert_string_equal(s->seen, "bca");
	pacer_meet(&s->pacer);
	turn(s);
	assert_string_equal(s->seen, "bca");
	pacer_meet(&s->pacer);
	turn(s);
	assert_string_equal(s->seen, "bcab");
	/* One too many is not remembered. */
	pacer_meet(&s->pacer);
	pacer_expect(&s->pacer);
	pacer_post(&s->pacer, &s->b.task, PACER_GOES_ON);
	turn(s);
	assert_string_equal(s->seen, "bcab");
}

/* How long the dear step waits though nothing comes. */
static uint64_t wait_in_vain(struct stage *s, bool is_asked_on)
{
	uint64_t done_us = s->loop.now_us;

	pacer_expect(&s->pacer);
	while (!s->seen[1]) {
		loop_turn(&s->loop, s->loop.now_us + 10);
		if (is_asked_on)
			pacer_expect(&s->pacer);
	}
	return s->loop.now_us - done_us - s->b.takes_us;
}

static void they_wait_for_no_longer_than_they_take(void **state)
{
	struct stage *s = *state;

	have_dear(s, 60);
	assert_int_equal(wait_in_vain(s, true), 60);
}

static void the_longest_ones_wait_for_a_bounded_time(void **state)
{
	struct stage *s = *state;

	have_dear(s, 100 * PACER_HOLD_MOST_US);
	assert_int_equal(wait_in_vain(s, true), PACER_HOLD_MOST_US);
}

static void what_does_not_come_soon_is_not_waited_for(void **state)
{
	struct stage *s = *state;

	have_dear(s, 100 * PACER_HOLD_MOST_US);
	assert_int_equal(wait_in_vain(s, false), PACER_EXPECT_US);
	/* Nor is it when something else is expected, and comes. */
	s->loop.now_us += PACER_EXPECT_US;
	pacer_post(&s->pacer, &s->b.task, PACER_GOES_ON);
	pacer_expect(&s->pacer);
	pacer_meet(&s->pacer);
	turn(s);
	assert_string_equal(s->seen, "bbb");
}

static void ending_leaves_tasks_that_can_be_posted_elsewhere(void **state)
{
	struct stage *s = *state;

	post_all(s);
	turn(s);
	pacer_fini(&s->pacer);
	assert_false(s->c.task.is_posted);
	turn(s);
	assert_string_equal(s->seen, "ab");
	pacer_init(&s->pacer, &s->loop, BUDGET_US, BUDGET_US);
	pacer_post(&s->pacer, &s->c.task, PACER_IS_NEW);
	turn(s);
	assert_string_equal(s->seen, "abc");
}

/* ---- with the real clock ---- */

struct spinner {
	struct loop_task task;
	struct loop *loop;
	struct pacer *pacer;
	unsigned left, turns;
	uint64_t turn_us;
};

static void spin(struct loop_task *task)
{
	struct spinner *s = (struct spinner *)task;
	uint64_t end_us = loop_clock(s->loop) + 2 * BUDGET_US;

	while (loop_clock(s->loop) < end_us)
		;
	s->turns += s->turn_us != s->loop->now_us;
	s->turn_us = s->loop->now_us;
	if (--s->left > 0)
		pacer_post(s->pacer, task, PACER_IS_NEW);
	else
		loop_stop(s->loop);
}

static void the_loop_goes_round_between_tasks_without_waiting(void **state)
{
	struct loop loop;
	struct pacer pacer;
	struct spinner s = {.task.run = spin, .loop = &loop, .pacer = &pacer, .left = 10};

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	pacer_init(&pacer, &loop, BUDGET_US, BUDGET_US);
	pacer_post(&pacer, &s.task, PACER_IS_NEW);
	assert_true(real_loop_run(&loop, 5000));
	assert_int_equal(s.turns, 10);
	pacer_fini(&pacer);
	loop_fini(&loop);
}

#define T(test) cmocka_unit_test_setup_teardown(test, open_stage, close_stage)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_turn_runs_a_budgets_worth),
	    T(what_has_begun_comes_before_what_is_new),
	    T(what_ends_soon_comes_before_all),
	    T(nobody_waits_for_ever_for_those_who_end_soon),
	    T(nobody_new_waits_for_ever),
	    T(one_task_runs_however_long_it_takes),
	    T(quick_tasks_all_run),
	    T(a_task_posted_twice_runs_once),
	    T(tasks_may_post_and_take_back),
	    T(what_is_taken_back_does_not_run),
	    T(a_turn_has_one_budget),
	    T(a_dear_step_that_is_too_long_for_the_rest_of_a_turn_is_left),
	    T(dear_steps_wait_for_what_others_expect),
	    T(they_wait_for_no_longer_than_they_take),
	    T(the_longest_ones_wait_for_a_bounded_time),
	    T(what_does_not_come_soon_is_not_waited_for),
	    T(ending_leaves_tasks_that_can_be_posted_elsewhere),
	    cmocka_unit_test(the_loop_goes_round_between_tasks_without_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
