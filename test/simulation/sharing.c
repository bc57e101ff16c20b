/*
 * Pools under one limit, each of which would take all of it: who gets how much of the
 * servers' time.
 */
#include "simulation/simulation.h"

enum { SERVERS = 20, HELD_MS = 5, SECONDS = 30 };

/* The limits that pools can share, and who shares them. */
static const struct {
	enum usage_kind kind;
	unsigned databases[2], users[2];
	const char *name;
} limits[] = {
    {USAGE_OF_DATABASE, {0, 0}, {0, 1}, "of a database"},
    {USAGE_OF_USER, {0, 1}, {0, 0}, "of a user"},
    {USAGE_OF_PROCESS, {0, 1}, {0, 1}, "of all"},
};

static struct simulation *begin(size_t limit)
{
	struct simulation *s = simulation_begin();

	s->rules.pool_size = SERVERS;
	switch (limits[limit].kind) {
	case USAGE_OF_DATABASE:
		s->database[0]->max_servers = SERVERS;
		break;
	case USAGE_OF_USER:
		s->user[0]->max_servers = SERVERS;
		break;
	case USAGE_OF_PROCESS:
		s->process.max_servers = SERVERS;
		break;
	}
	return s;
}

static struct crowd *add(struct simulation *s, size_t limit, unsigned which,
			 unsigned weight, struct crowd crowd)
{
	s->rules.weight = weight;
	crowd.pool = simulation_add_pool(s, limits[limit].databases[which],
					 limits[limit].users[which]);
	crowd.class = PRIORITY_NORMAL;
	return &s->crowds[simulation_add_crowd(s, &crowd)];
}

static void settle_and_run(struct simulation *s)
{
	simulation_run(s, 10 * SECOND);
	simulation_forget(s);
	simulation_run(s, SECONDS * SECOND);
}

static double part_of_all(const struct crowd *c)
{
	return (double)c->server_us / ((double)SERVERS * SECONDS * SECOND);
}

static void print(const struct simulation *s, const char *what)
{
	for (unsigned i = 0; i < s->crowd_count; i++) {
		const struct crowd *c = &s->crowds[i];

		print_message(
		    "# %s: gets %.3f, served %llu of %llu, waits p99 %.1f "
		    "longest %.1f, done p99 %.1f ms; %.1f opened a second\n",
		    what, part_of_all(c), (unsigned long long)c->served,
		    (unsigned long long)c->asked, record_part(&c->waits, .99) / 1e3,
		    c->waits.longest_us / 1e3, record_part(&c->times, .99) / 1e3,
		    (double)s->opened / SECONDS);
	}
}

static void pools_get_server_time_by_weight(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(limits); i++) {
		struct simulation *s = begin(i);
		struct crowd *one = add(s, i, 0, 1,
					(struct crowd){.clients = 100,
						       .held_us = HELD_MS * MSEC,
						       .spread = SPREAD_EXPONENTIAL});
		struct crowd *three = add(s, i, 1, 3,
					  (struct crowd){.clients = 100,
							 .held_us = HELD_MS * MSEC,
							 .spread = SPREAD_EXPONENTIAL});

		settle_and_run(s);
		print(s, limits[i].name);
		assert_true(three->server_us * 10 >= one->server_us * 27);
		assert_true(three->server_us * 10 <= one->server_us * 33);
		assert_true(part_of_all(one) + part_of_all(three) >= 0.95);
		simulation_end(s);
	}
}

static void it_is_time_that_is_shared_not_turns(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(limits); i++) {
		struct simulation *s = begin(i);
		struct crowd *quick = add(s, i, 0, 1,
					  (struct crowd){.clients = 100,
							 .held_us = HELD_MS * MSEC,
							 .spread = SPREAD_EXPONENTIAL});
		struct crowd *slow = add(s, i, 1, 1,
					 (struct crowd){.clients = 100,
							.held_us = 20 * HELD_MS * MSEC,
							.spread = SPREAD_EXPONENTIAL});

		settle_and_run(s);
		print(s, limits[i].name);
		assert_true(quick->server_us * 10 >= slow->server_us * 9);
		assert_true(quick->server_us * 10 <= slow->server_us * 11);
		simulation_end(s);
	}
}

static void who_asks_twenty_times_as_much_is_not_in_the_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(limits); i++) {
		struct simulation *s = begin(i);
		struct crowd *small = add(s, i, 0, 1,
					  (struct crowd){.per_second = 800,
							 .held_us = HELD_MS * MSEC,
							 .spread = SPREAD_EXPONENTIAL});
		struct crowd alone, *big;

		settle_and_run(s);
		alone = *small;
		big = add(s, i, 1, 1,
			  (struct crowd){.per_second = 16000,
					 .held_us = HELD_MS * MSEC,
					 .limit_us = 100 * MSEC,
					 .spread = SPREAD_EXPONENTIAL});
		settle_and_run(s);
		print(s, limits[i].name);
		assert_true(record_part(&small->waits, .99) <= 20 * MSEC);
		assert_true(record_part(&small->times, .99) * 2 <=
			    record_part(&alone.times, .99) * 3);
		/* Servers that the small one needs now and then stay warm for it. */
		assert_true(part_of_all(small) + part_of_all(big) >= 0.87);
		assert_true(s->opened <= 10 * SECONDS);
		simulation_end(s);
	}
}

static void many_pools_under_few_servers_all_get_their_share(void **state)
{
	enum { POOLS = 12, FEW = 4 };
	struct simulation *s = simulation_begin();
	uint64_t all = 0;

	(void)state;
	s->process.max_servers = FEW;
	for (unsigned i = 0; i < POOLS; i++) {
		struct crowd c = {.clients = 10,
				  .class = PRIORITY_NORMAL,
				  .held_us = HELD_MS * MSEC,
				  .spread = SPREAD_EXPONENTIAL};

		c.pool = simulation_add_pool(s, i, i);
		simulation_add_crowd(s, &c);
	}
	settle_and_run(s);
	print(s, "many");
	assert_true(s->opened <= 20 * SECONDS);
	for (unsigned i = 0; i < POOLS; i++)
		all += s->crowds[i].server_us;
	for (unsigned i = 0; i < POOLS; i++) {
		assert_true(s->crowds[i].server_us * POOLS * 10 >= all * 8);
		assert_true(s->crowds[i].server_us * POOLS * 10 <= all * 12);
	}
	simulation_end(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pools_get_server_time_by_weight),
	    cmocka_unit_test(it_is_time_that_is_shared_not_turns),
	    cmocka_unit_test(who_asks_twenty_times_as_much_is_not_in_the_way),
	    cmocka_unit_test(many_pools_under_few_servers_all_get_their_share),
	};

	return cmocka_run_group_tests(tests, simulation_tell_seed, NULL);
}
