/* What ends the moment in which the loop lets things come together, and what does not. */
#include "net/gather.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW_US 1000000

/* Turns are kept apart, and a connection's other end is written to. */
struct scene {
	struct gather gather;
	int ours, theirs;
};

static int set_up(void **state)
{
	static struct scene scene;
	int both[2];

	if (gather_init(&scene.gather) != 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, both) != 0)
		return -1;
	scene.ours = both[0];
	scene.theirs = both[1];
	gather_begin(&scene.gather, NOW_US);
	*state = &scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;

	close(s->ours);
	close(s->theirs);
	gather_fini(&s->gather);
	gather_fini(&s->gather);
	return 0;
}

static void say(struct scene *s)
{
	assert_int_equal(write(s->theirs, "x", 1), 1);
}

static void hear(struct scene *s)
{
	char byte;

	assert_int_equal(read(s->ours, &byte, 1), 1);
}

static bool is_urgent(struct scene *s)
{
	return gather_wait(&s->gather, NOW_US);
}

static void what_is_urgent_ends_the_moment_each_time(void **state)
{
	struct scene *s = *state;

	gather_urgent(&s->gather, s->ours);
	assert_false(is_urgent(s));
	for (int i = 0; i < 3; i++) {
		say(s);
		assert_true(is_urgent(s));
		hear(s);
	}
}

static void what_is_not_urgent_waits(void **state)
{
	struct scene *s = *state;

	say(s);
	assert_false(is_urgent(s));
}

static void what_has_been_read_before_is_not_urgent(void **state)
{
	struct scene *s = *state;

	gather_urgent(&s->gather, s->ours);
	say(s);
	hear(s);
	assert_false(is_urgent(s));
}

static void what_is_left_where_it_is_ends_one_moment_only(void **state)
{
	struct scene *s = *state;

	gather_urgent(&s->gather, s->ours);
	say(s);
	assert_true(is_urgent(s));
	assert_false(is_urgent(s));
}

static void once_is_once(void **state)
{
	struct scene *s = *state;

	gather_urgent_once(&s->gather, s->ours);
	say(s);
	assert_true(is_urgent(s));
	hear(s);
	say(s);
	assert_false(is_urgent(s));
	hear(s);
	gather_urgent_once(&s->gather, s->ours);
	say(s);
	assert_true(is_urgent(s));
}

static void the_end_of_a_connection_is_urgent(void **state)
{
	struct scene *s = *state;

	gather_urgent(&s->gather, s->ours);
	shutdown(s->theirs, SHUT_WR);
	assert_true(is_urgent(s));
}

static void gathering_ends_unless_it_is_asked_for_again(void **state)
{
	struct scene *s = *state;
	uint64_t end_us = s->gather.until_us;

	gather_urgent(&s->gather, s->ours);
	say(s);
	gather_begin(&s->gather, NOW_US + 1);
	assert_true(gather_wait(&s->gather, end_us));
	hear(s);
	say(s);
	assert_false(gather_wait(&s->gather, end_us + 1));
	assert_false(gather_is_on(&s->gather));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(what_is_urgent_ends_the_moment_each_time),
	    TEST(what_is_not_urgent_waits),
	    TEST(what_has_been_read_before_is_not_urgent),
	    TEST(what_is_left_where_it_is_ends_one_moment_only),
	    TEST(once_is_once),
	    TEST(the_end_of_a_connection_is_urgent),
	    TEST(gathering_ends_unless_it_is_asked_for_again),
	};

	return cmocka_run_group_tests_name("gather", tests, NULL, NULL);
}
