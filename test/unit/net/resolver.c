/* Names, asked of a name server in the same loop. */
#include "net/resolver.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "harness/fake_dns.h"
#include "harness/real_loop.h"

static const struct fake_name names[] = {
    {"one.test", {"10.0.0.1"}},
    {"two.test", {"10.0.0.1", "10.0.0.2"}},
    {"both.test", {"127.0.0.1", "::1"}},
    {"empty.test", {NULL}},
    {0},
};

struct asker {
	struct resolver_query query; /* first */
	struct stage *stage;
	unsigned answers;
	size_t count;
	struct address addresses[8];
	char problem[240];
	void (*then)(struct asker *asker);
};

struct stage {
	struct loop loop;
	struct fake_dns dns;
	struct resolver *resolver;
	struct asker a, b, c;
	unsigned answers, stop_at;
};

static int open_stage(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	const char *problem;

	if (!s || loop_init(&s->loop) != 0)
		return -1;
	fake_dns_start(&s->dns, &s->loop, names);
	s->resolver = resolver_create(&s->loop, &problem);
	if (!s->resolver || resolver_set_servers(s->resolver, s->dns.servers) != 0)
		return -1;
	s->a.stage = s->b.stage = s->c.stage = s;
	*state = s;
	return 0;
}

static int close_stage(void **state)
{
	struct stage *s = *state;

	resolver_destroy(s->resolver);
	fake_dns_stop(&s->dns);
	int rc = s->loop.deadline_count == 0 ? 0 : -1;
	loop_fini(&s->loop);
	free(s);
	return rc;
}

static void on_answer(struct resolver_query *query, const struct address *addresses,
		      size_t count, const char *problem)
{
	struct asker *asker = (struct asker *)query;
	struct stage *s = asker->stage;

	assert_null(query->name);
	assert_true(count <= 8);
	assert_true((count == 0) == (problem != NULL));
	asker->answers++;
	asker->count = count;
	if (count > 0)
		memcpy(asker->addresses, addresses, count * sizeof(*addresses));
	snprintf(asker->problem, sizeof(asker->problem), "%s", problem ? problem : "");
	if (asker->then)
		asker->then(asker);
	if (++s->answers == s->stop_at)
		loop_stop(&s->loop);
}

static void ask(struct stage *s, struct asker *asker, const char *host)
{
	resolver_ask(s->resolver, &asker->query, host, on_answer);
}

static void await(struct stage *s, unsigned answers)
{
	s->stop_at = s->answers + answers;
	assert_true(real_loop_run(&s->loop, 5000));
}

static const char *text_of(const struct address *address)
{
	static char text[ADDRESS_TEXT_LEN];

	return address_print_with_port(address, text);
}

static void an_address_in_figures_is_its_own_answer(void **state)
{
	struct stage *s = *state;

	ask(s, &s->a, "192.0.2.7");
	ask(s, &s->b, "2001:db8::1");
	assert_int_equal(s->a.answers, 0);
	await(s, 2);
	assert_string_equal(text_of(s->a.addresses), "192.0.2.7:0");
	assert_string_equal(text_of(s->b.addresses), "[2001:db8::1]:0");
	assert_int_equal(s->dns.questions, 0);
	assert_int_equal(resolver_name_count(s->resolver), 0);
}

static void localhost_needs_no_network(void **state)
{
	struct stage *s = *state;

	ask(s, &s->a, "localhost");
	assert_int_equal(s->a.answers, 0);
	await(s, 1);
	assert_true(s->a.count > 0);
	bool has_loopback = false;
	for (size_t i = 0; i < s->a.count; i++)
		has_loopback |= strcmp(text_of(&s->a.addresses[i]), "127.0.0.1:0") == 0;
	assert_true(has_loopback);
	assert_int_equal(s->dns.questions, 0);
}

static void a_name_gives_all_its_addresses(void **state)
{
	struct stage *s = *state;

	ask(s, &s->a, "two.test");
	ask(s, &s->b, "both.test");
	assert_int_equal(resolver_pending_count(s->resolver), 2);
	await(s, 2);
	assert_int_equal(resolver_pending_count(s->resolver), 0);
	assert_int_equal(s->a.count, 2);
	assert_int_equal(s->b.count, 2);
	assert_int_not_equal(s->b.addresses[0].family, s->b.addresses[1].family);
}

static void many_who_ask_for_a_name_are_one_question(void **state)
{
	struct stage *s = *state;

	ask(s, &s->a, "one.test");
	ask(s, &s->b, "one.test");
	ask(s, &s->c, "one.test");
	assert_int_equal(resolver_pending_count(s->resolver), 1);
	await(s, 3);
	assert_int_equal(s->dns.questions, 1);
	assert_string_equal(text_of(s->c.addresses), "10.0.0.1:0");
}

static void an_answer_is_kept_for_its_time(void **state)
{
	struct stage *s = *state;

	resolver_set_ttl(s->resolver, 100000, 0);
	ask(s, &s->a, "one.test");
	await(s, 1);
	ask(s, &s->a, "one.test");
	assert_int_equal(s->a.answers, 1);
	await(s, 1);
	assert_int_equal(s->dns.questions, 1);
	assert_int_equal(resolver_name_count(s->resolver), 1);
	real_loop_run(&s->loop, 110);
	assert_int_equal(resolver_name_count(s->resolver), 0);
	ask(s, &s->a, "one.test");
	await(s, 1);
	assert_int_equal(s->dns.questions, 2);
}

static void an_old_answer_is_not_told_though_nobody_has_swept_yet(void **state)
{
	struct stage *s = *state;

	resolver_set_ttl(s->resolver, 50000, 50000);
	ask(s, &s->a, "one.test");
	await(s, 1);
	s->loop.now_us += 60000;
	ask(s, &s->a, "one.test");
	await(s, 1);
	assert_int_equal(s->dns.questions, 2);
	assert_int_equal(s->a.count, 1);
}

static void a_failure_says_why_and_is_kept_too(void **state)
{
	struct stage *s = *state;

	resolver_set_ttl(s->resolver, 0, 10000000);
	ask(s, &s->a, "nobody.test");
	ask(s, &s->b, "empty.test");
	await(s, 2);
	assert_int_equal(s->a.count, 0);
	assert_string_equal(s->a.problem, "could not look up host \"nobody.test\": "
					  "Domain name not found");
	assert_int_equal(s->b.count, 0);
	unsigned questions = s->dns.questions;
	ask(s, &s->a, "nobody.test");
	await(s, 1);
	assert_int_equal(s->dns.questions, questions);
}

static void a_name_that_is_none_is_refused(void **state)
{
	static const char *hosts[] = {"", "a..b", ".", "has blank.test"};
	struct stage *s = *state;
	char long_name[400];

	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		ask(s, &s->a, hosts[i]);
		await(s, 1);
		assert_int_equal(s->a.count, 0);
	}
	ask(s, &s->a, long_name);
	await(s, 1);
	assert_int_equal(s->a.count, 0);
}

static void a_lost_packet_is_asked_again(void **state)
{
	struct stage *s = *state;

	s->dns.drops = 2; /* for both kinds of address */
	ask(s, &s->a, "one.test");
	await(s, 1);
	assert_int_equal(s->a.count, 1);
}

static void what_is_forgotten_is_not_told(void **state)
{
	struct stage *s = *state;

	ask(s, &s->a, "one.test");
	ask(s, &s->b, "one.test");
	ask(s, &s->c, "192.0.2.1");
	resolver_forget(&s->a.query);
	resolver_forget(&s->a.query);
	resolver_forget(&s->c.query);
	await(s, 1);
	assert_int_equal(s->a.answers + s->c.answers, 0);
	assert_int_equal(s->b.answers, 1);
	ask(s, &s->a, "one.test");
	resolver_forget(&s->a.query);
	assert_false(real_loop_run(&s->loop, 10));
	assert_int_equal(s->a.answers, 0);
}

static void forget_others(struct asker *asker)
{
	resolver_forget(&asker->stage->b.query);
	resolver_forget(&asker->stage->c.query);
}

static void forgetting_others_in_an_answer_is_fine(void **state)
{
	struct stage *s = *state;

	s->a.then = forget_others;
	ask(s, &s->a, "one.test");
	ask(s, &s->b, "one.test");
	ask(s, &s->c, "one.test");
	await(s, 1);
	assert_false(real_loop_run(&s->loop, 10));
	assert_int_equal(s->b.answers + s->c.answers, 0);
}

static void ask_again(struct asker *asker)
{
	asker->then = NULL;
	ask(asker->stage, asker, "one.test");
}

static void asking_again_in_an_answer_is_fine(void **state)
{
	static const uint64_t ttls[] = {0, 10000000};
	struct stage *s = *state;

	for (int i = 0; i < 2; i++) {
		resolver_set_ttl(s->resolver, ttls[i], 0);
		s->a.then = ask_again;
		ask(s, &s->a, "one.test");
		await(s, 2);
		assert_int_equal(s->a.count, 1);
		s->a.then = ask_again;
		ask(s, &s->a, "192.0.2.1");
		await(s, 2);
		assert_string_equal(text_of(s->a.addresses), "10.0.0.1:0");
	}
}

static void it_can_be_destroyed_while_names_are_asked_for(void **state)
{
	struct stage *s = *state;

	ask(s, &s->a, "one.test");
	ask(s, &s->b, "192.0.2.1");
	resolver_forget(&s->a.query);
	resolver_forget(&s->b.query);
	assert_int_equal(resolver_pending_count(s->resolver), 1);
	/* The teardown does it. */
}

static void a_bounded_number_of_names_is_kept(void **state)
{
	enum { BATCH = 100, BATCHES = 45 };
	struct stage *s = *state;
	struct asker *askers = calloc(BATCH, sizeof(*askers));
	char host[40];

	assert_non_null(askers);
	resolver_set_ttl(s->resolver, 600 * USEC_PER_SEC, 600 * USEC_PER_SEC);
	for (int batch = 0; batch < BATCHES; batch++) {
		for (int i = 0; i < BATCH; i++) {
			askers[i].stage = s;
			snprintf(host, sizeof(host), "n%d.localhost", batch * BATCH + i);
			ask(s, &askers[i], host);
		}
		await(s, BATCH);
	}
	free(askers);
	assert_in_range(resolver_name_count(s->resolver), 1000, 4096);
}

static void bad_server_lists_are_refused(void **state)
{
	struct stage *s = *state;

	assert_int_equal(resolver_set_servers(s->resolver, "not an address"), -EINVAL);
	ask(s, &s->a, "one.test");
	await(s, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(an_address_in_figures_is_its_own_answer),
	    CASE(localhost_needs_no_network),
	    CASE(a_name_gives_all_its_addresses),
	    CASE(many_who_ask_for_a_name_are_one_question),
	    CASE(an_answer_is_kept_for_its_time),
	    CASE(an_old_answer_is_not_told_though_nobody_has_swept_yet),
	    CASE(a_failure_says_why_and_is_kept_too),
	    CASE(a_name_that_is_none_is_refused),
	    CASE(a_lost_packet_is_asked_again),
	    CASE(what_is_forgotten_is_not_told),
	    CASE(forgetting_others_in_an_answer_is_fine),
	    CASE(asking_again_in_an_answer_is_fine),
	    CASE(it_can_be_destroyed_while_names_are_asked_for),
	    CASE(a_bounded_number_of_names_is_kept),
	    CASE(bad_server_lists_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
