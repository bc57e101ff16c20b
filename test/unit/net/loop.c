/* Turns with a clock of the test's, and a few with libev and the real one. */
#include "net/loop.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

/* What happened, as letters. */
struct diary {
	struct loop loop;
	char text[600];
};

struct step {
	struct loop_task task; /* first */
	struct deadline due;
	struct diary *diary;
	char letter;
	struct step *posts, *flushes;
	bool wants_reap;
	uint64_t again_us;
};

static void note(struct diary *d, char letter)
{
	size_t len = strlen(d->text);

	assert_true(len + 1 < sizeof(d->text));
	d->text[len] = letter;
}

static void act(struct step *step)
{
	struct loop *loop = &step->diary->loop;

	note(step->diary, step->letter);
	if (step->posts)
		loop_post(loop, &step->posts->task);
	if (step->flushes)
		loop_post_flush(loop, &step->flushes->task);
	if (step->wants_reap)
		loop_want_reap(loop);
	step->posts = step->flushes = NULL;
}

static void on_task(struct loop_task *task)
{
	act((struct step *)task);
}

static void on_due(struct deadline *due, uint64_t now_us)
{
	struct step *step =
	    (struct step *)(void *)((char *)due - offsetof(struct step, due));

	act(step);
	if (step->again_us)
		loop_arm(&step->diary->loop, due, now_us + step->again_us);
}

static void on_reap(void *context)
{
	note(context, 'R');
}

static struct step step_of(struct diary *d, char letter)
{
	return (struct step){
	    .diary = d, .letter = letter, .task.run = on_task, .due.on_due = on_due};
}

static int open_fake(void **state)
{
	struct diary *d = calloc(1, sizeof(*d));

	if (!d || loop_init_without_events(&d->loop, 1000) != 0)
		return -1;
	loop_set_reaper(&d->loop, on_reap, d);
	*state = d;
	return 0;
}

static int open_real(void **state)
{
	struct diary *d = calloc(1, sizeof(*d));

	if (!d || loop_init(&d->loop) != 0)
		return -1;
	loop_set_reaper(&d->loop, on_reap, d);
	*state = d;
	return 0;
}

static int close_loop(void **state)
{
	struct diary *d = *state;

	loop_fini(&d->loop);
	loop_fini(&d->loop);
	free(d);
	return 0;
}

/* ---- without libev ---- */

static void a_turn_is_deadlines_run_flush_reap(void **state)
{
	struct diary *d = *state;
	struct step due = step_of(d, 'd'), run = step_of(d, 'r'), flush = step_of(d, 'f');

	assert_true(loop_reserve_deadline(&d->loop));
	loop_want_reap(&d->loop);
	loop_post_flush(&d->loop, &flush.task);
	loop_post(&d->loop, &run.task);
	loop_arm(&d->loop, &due.due, 1500);
	loop_turn(&d->loop, 1500);
	assert_string_equal(d->text, "drfR");
	loop_turn(&d->loop, 1600);
	assert_string_equal(d->text, "drfR");
	loop_release_deadline(&d->loop, &due.due);
}

static void posting_twice_runs_once_and_in_order(void **state)
{
	struct diary *d = *state;
	struct step a = step_of(d, 'a'), b = step_of(d, 'b'), c = step_of(d, 'c');

	loop_post(&d->loop, &a.task);
	loop_post(&d->loop, &b.task);
	loop_post(&d->loop, &a.task);
	loop_post(&d->loop, &c.task);
	loop_unpost(&d->loop, &b.task);
	loop_unpost(&d->loop, &b.task);
	loop_turn(&d->loop, 1000);
	assert_string_equal(d->text, "ac");
}

static void a_task_posted_while_tasks_run_runs_before_the_flush(void **state)
{
	struct diary *d = *state;
	struct step a = step_of(d, 'a'), b = step_of(d, 'b'), f = step_of(d, 'f');

	a.posts = &b;
	a.flushes = &f;
	b.posts = &a;
	loop_post(&d->loop, &a.task);
	loop_turn(&d->loop, 1000);
	assert_string_equal(d->text, "abaf");
}

static void what_later_phases_post_is_done_in_the_same_turn(void **state)
{
	struct diary *d = *state;
	struct step a = step_of(d, 'a'), f = step_of(d, 'f');

	f.posts = &a;
	a.wants_reap = true;
	loop_post_flush(&d->loop, &f.task);
	loop_turn(&d->loop, 1000);
	assert_string_equal(d->text, "faR");
}

static void what_is_put_off_runs_first_in_the_next_turn(void **state)
{
	struct diary *d = *state;
	struct step a = step_of(d, 'a'), b = step_of(d, 'b'), c = step_of(d, 'c');

	loop_post_next(&d->loop, &a.task);
	loop_post_next(&d->loop, &b.task);
	loop_post_next(&d->loop, &a.task);
	loop_post(&d->loop, &a.task);
	loop_post(&d->loop, &c.task);
	loop_turn(&d->loop, 1001);
	assert_string_equal(d->text, "abc");
	loop_turn(&d->loop, 1002);
	assert_string_equal(d->text, "abc");
}

struct restless {
	struct loop_task task; /* first */
	struct diary *diary;
	unsigned left;
};

static void put_off_again(struct loop_task *task)
{
	struct restless *r = (struct restless *)task;

	note(r->diary, 'n');
	if (--r->left > 0)
		loop_post_next(&r->diary->loop, task);
	else
		loop_stop(&r->diary->loop);
}

static void a_task_that_puts_itself_off_runs_once_a_turn(void **state)
{
	struct diary *d = *state;
	struct restless r = {.task.run = put_off_again, .diary = d, .left = 3};

	loop_post(&d->loop, &r.task);
	loop_turn(&d->loop, 1001);
	assert_string_equal(d->text, "n");
	loop_turn(&d->loop, 1002);
	assert_string_equal(d->text, "nn");
	loop_unpost(&d->loop, &r.task);
	loop_turn(&d->loop, 1003);
	assert_string_equal(d->text, "nn");
	loop_post(&d->loop, &r.task);
	loop_turn(&d->loop, 1004);
	assert_string_equal(d->text, "nnn");
}

static void deadlines_come_in_order_of_time(void **state)
{
	struct diary *d = *state;
	struct step a = step_of(d, 'a'), b = step_of(d, 'b'), c = step_of(d, 'c');

	for (int i = 0; i < 3; i++)
		assert_true(loop_reserve_deadline(&d->loop));
	loop_arm(&d->loop, &a.due, 3000);
	loop_arm(&d->loop, &b.due, 2000);
	loop_arm(&d->loop, &c.due, 9000);
	assert_int_equal(loop_next_deadline(&d->loop), 2000);
	loop_turn(&d->loop, 1999);
	assert_string_equal(d->text, "");
	loop_turn(&d->loop, 3000);
	assert_string_equal(d->text, "ba");
	assert_int_equal(loop_next_deadline(&d->loop), 9000);
	loop_release_deadline(&d->loop, &c.due);
	assert_int_equal(loop_next_deadline(&d->loop), CLOCK_NEVER);
}

static void a_turn_calls_a_bounded_number_of_deadlines(void **state)
{
	enum { COUNT = 500 };
	struct diary *d = *state;
	struct step steps[COUNT];
	int turns = 0;

	for (int i = 0; i < COUNT; i++) {
		steps[i] = step_of(d, 'x');
		assert_true(loop_reserve_deadline(&d->loop));
		loop_arm(&d->loop, &steps[i].due, 2000);
	}
	while (loop_next_deadline(&d->loop) <= 2000) {
		size_t before = strlen(d->text);

		loop_turn(&d->loop, 2000);
		assert_in_range(strlen(d->text) - before, 1, 200);
		turns++;
	}
	assert_int_equal(strlen(d->text), COUNT);
	assert_true(turns > 1);
}

static void without_libev_watching_is_only_noted(void **state)
{
	struct diary *d = *state;
	struct loop_io io;

	loop_io_init(&io, 0, NULL);
	loop_io_watch(&d->loop, &io, LOOP_READ | LOOP_WRITE);
	assert_int_equal(loop_io_events(&io), LOOP_READ | LOOP_WRITE);
	loop_io_watch(&d->loop, &io, 0);
	assert_int_equal(loop_io_events(&io), 0);
}

/* ---- with libev ---- */

struct pipe_end {
	struct loop_io io; /* first */
	struct diary *diary;
	struct step *posts;
	int calls;
};

static void count_and_stop(struct loop *loop, struct loop_io *io, int events)
{
	struct pipe_end *end = (struct pipe_end *)io;
	char byte;

	assert_int_equal(events, LOOP_READ);
	assert_int_equal(read(loop_io_fd(io), &byte, 1), 1);
	end->calls++;
	loop_stop(loop);
}

static void what_is_ready_is_called(void **state)
{
	struct diary *d = *state;
	struct pipe_end end = {.diary = d};
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	loop_io_init(&end.io, fds[0], count_and_stop);
	loop_io_watch(&d->loop, &end.io, LOOP_READ);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(write(fds[1], "x", 1), 1);
		loop_run(&d->loop);
		assert_int_equal(end.calls, i);
		/* Stopped and started in between, it still is. */
		loop_io_watch(&d->loop, &end.io, 0);
		loop_io_watch(&d->loop, &end.io, LOOP_READ);
	}
	loop_io_watch(&d->loop, &end.io, 0);
	close(fds[0]);
	close(fds[1]);
}

static void stop_loop(struct deadline *due, uint64_t now_us)
{
	struct step *step =
	    (struct step *)(void *)((char *)due - offsetof(struct step, due));

	(void)now_us;
	loop_stop(&step->diary->loop);
}

/* Nothing is ready and nothing is due: a turn that waited would wait for ever. */
static void what_is_put_off_does_not_wait(void **state)
{
	struct diary *d = *state;
	struct restless r = {.task.run = put_off_again, .diary = d, .left = 5};

	loop_post_next(&d->loop, &r.task);
	loop_run(&d->loop);
	assert_string_equal(d->text, "nnnnn");
	assert_false(ev_is_active(&d->loop.hurry));
}

static void note_and_stop(struct deadline *due, uint64_t now_us)
{
	struct step *step =
	    (struct step *)(void *)((char *)due - offsetof(struct step, due));

	(void)now_us;
	note(step->diary, ev_is_active(&step->diary->loop.hurry) ? 'h' : 'w');
	loop_stop(&step->diary->loop);
}

static void what_is_taken_back_hurries_nobody(void **state)
{
	struct diary *d = *state;
	struct step a = step_of(d, 'a'), due = step_of(d, 'd');

	due.due.on_due = note_and_stop;
	assert_true(loop_reserve_deadline(&d->loop));
	loop_arm(&d->loop, &due.due, clock_monotonic_now() + 2000);
	loop_post_next(&d->loop, &a.task);
	loop_unpost(&d->loop, &a.task);
	loop_run(&d->loop);
	assert_string_equal(d->text, "w");
	loop_release_deadline(&d->loop, &due.due);
}

static void deadlines_ring_in_order_and_not_early(void **state)
{
	struct diary *d = *state;
	struct step a = step_of(d, 'a'), b = step_of(d, 'b'), stop = step_of(d, 's');
	uint64_t start_us = d->loop.now_us;

	for (int i = 0; i < 3; i++)
		assert_true(loop_reserve_deadline(&d->loop));
	stop.due.on_due = stop_loop;
	loop_arm(&d->loop, &stop.due, start_us + 40000);
	loop_arm(&d->loop, &a.due, start_us + 30000);
	loop_arm(&d->loop, &b.due, start_us + 5000);
	loop_arm(&d->loop, &b.due, start_us + 10000); /* put off */
	loop_run(&d->loop);
	assert_string_equal(d->text, "ba");
	assert_true(d->loop.now_us >= start_us + 40000);
}

static void more_deadlines_than_a_turn_does_ring_without_waiting(void **state)
{
	enum { COUNT = 500 };
	struct diary *d = *state;
	struct step steps[COUNT], stop = step_of(d, 's');
	uint64_t start_us = d->loop.now_us;

	stop.due.on_due = stop_loop;
	assert_true(loop_reserve_deadline(&d->loop));
	for (int i = 0; i < COUNT; i++) {
		steps[i] = step_of(d, 'x');
		assert_true(loop_reserve_deadline(&d->loop));
		loop_arm(&d->loop, &steps[i].due, start_us + 1000);
	}
	loop_arm(&d->loop, &stop.due, start_us + 1001);
	loop_run(&d->loop);
	assert_int_equal(strlen(d->text), COUNT);
}

static void post_and_stop(struct loop *loop, struct loop_io *io, int events)
{
	(void)events;
	loop_post(loop, &((struct pipe_end *)io)->posts->task);
	loop_want_reap(loop);
	loop_stop(loop);
}

static void what_was_posted_when_the_loop_stops_is_still_done(void **state)
{
	struct diary *d = *state;
	struct step a = step_of(d, 'a');
	struct pipe_end end = {.diary = d, .posts = &a};
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	loop_io_init(&end.io, fds[0], post_and_stop);
	loop_io_watch(&d->loop, &end.io, LOOP_READ);
	loop_run(&d->loop);
	assert_string_equal(d->text, "aR");
	loop_io_watch(&d->loop, &end.io, 0);
	close(fds[0]);
	close(fds[1]);
}

struct signal_end {
	struct loop_signal signal; /* first */
	struct diary *diary;
};

static void note_signal(struct loop_signal *signal)
{
	struct signal_end *end = (struct signal_end *)signal;

	note(end->diary, 's');
	loop_stop(&end->diary->loop);
}

static void signals_are_told_by_the_loop(void **state)
{
	struct diary *d = *state;
	struct signal_end end = {.diary = d};

	loop_signal_start(&d->loop, &end.signal, SIGUSR1, note_signal);
	raise(SIGUSR1);
	assert_string_equal(d->text, "");
	loop_run(&d->loop);
	assert_string_equal(d->text, "s");
	loop_signal_stop(&d->loop, &end.signal);
}

#define FAKE(name) cmocka_unit_test_setup_teardown(name, open_fake, close_loop)
#define REAL(name) cmocka_unit_test_setup_teardown(name, open_real, close_loop)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FAKE(a_turn_is_deadlines_run_flush_reap),
	    FAKE(posting_twice_runs_once_and_in_order),
	    FAKE(a_task_posted_while_tasks_run_runs_before_the_flush),
	    FAKE(what_later_phases_post_is_done_in_the_same_turn),
	    FAKE(what_is_put_off_runs_first_in_the_next_turn),
	    FAKE(a_task_that_puts_itself_off_runs_once_a_turn),
	    FAKE(deadlines_come_in_order_of_time),
	    FAKE(a_turn_calls_a_bounded_number_of_deadlines),
	    FAKE(without_libev_watching_is_only_noted),
	    REAL(what_is_ready_is_called),
	    REAL(what_is_put_off_does_not_wait),
	    REAL(what_is_taken_back_hurries_nobody),
	    REAL(deadlines_ring_in_order_and_not_early),
	    REAL(more_deadlines_than_a_turn_does_ring_without_waiting),
	    REAL(what_was_posted_when_the_loop_stops_is_still_done),
	    REAL(signals_are_told_by_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
