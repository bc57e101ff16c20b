/* Names of peers, asked of a name server in the same loop. */
#include "net/peernames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "harness/fake_dns.h"
#include "harness/real_loop.h"
#include "net/resolver.h"

#define IPV6_ZEROS "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0"

static const struct fake_name names[] = {
    {"app.test", {"10.0.0.9", "10.0.0.1", "2001:db8::1"}},
    {0},
};

static const struct fake_pointer pointers[] = {
    {"1.0.0.10.in-addr.arpa", "app.test"},
    {"1.0.0.0." IPV6_ZEROS ".8.b.d.0.1.0.0.2.ip6.arpa", "app.test"},
    {"2.0.0.10.in-addr.arpa", "app.test"},  /* which knows nothing of it */
    {"3.0.0.10.in-addr.arpa", "gone.test"}, /* does not exist */
    {"4.0.0.10.in-addr.arpa", "10.0.0.4"},
    {"5.0.0.10.in-addr.arpa", "app\nFATAL:.test"},
    {0},
};

struct asker {
	struct peername_query query; /* first */
	struct stage *stage;
	unsigned answers;
	char name[100];
	bool has_name;
	void (*then)(struct asker *asker);
};

struct stage {
	struct loop loop;
	struct fake_dns dns;
	struct resolver *resolver;
	struct peernames *peernames;
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
	s->dns.pointers = pointers;
	s->resolver = resolver_create(&s->loop, &problem);
	if (!s->resolver || resolver_set_servers(s->resolver, s->dns.servers) != 0)
		return -1;
	s->peernames = peernames_create(&s->loop, s->resolver);
	if (!s->peernames)
		return -1;
	s->a.stage = s->b.stage = s->c.stage = s;
	*state = s;
	return 0;
}

static int close_stage(void **state)
{
	struct stage *s = *state;

	peernames_destroy(s->peernames);
	resolver_destroy(s->resolver);
	fake_dns_stop(&s->dns);
	int rc = s->loop.deadline_count == 0 ? 0 : -1;
	loop_fini(&s->loop);
	free(s);
	return rc;
}

static void on_name(struct peername_query *query, const char *name)
{
	struct asker *asker = (struct asker *)query;
	struct stage *s = asker->stage;

	assert_null(query->peer);
	asker->answers++;
	asker->has_name = name != NULL;
	snprintf(asker->name, sizeof(asker->name), "%s", name ? name : "");
	if (asker->then)
		asker->then(asker);
	if (++s->answers == s->stop_at)
		loop_stop(&s->loop);
}

static struct address address_of(const char *ip)
{
	struct endpoint endpoint;

	assert_true(endpoint_from_ip(ip, 4711, &endpoint));
	return address_of_endpoint(&endpoint);
}

static void ask(struct stage *s, struct asker *asker, const char *ip)
{
	struct address address = address_of(ip);
	unsigned before = asker->answers;

	peernames_ask(s->peernames, &asker->query, &address, on_name);
	assert_int_equal(asker->answers, before);
	assert_non_null(asker->query.peer);
}

static void await(struct stage *s, unsigned answers)
{
	s->stop_at = s->answers + answers;
	assert_true(real_loop_run(&s->loop, 5000));
}

static void ask_and_await(struct stage *s, struct asker *asker, const char *ip)
{
	ask(s, asker, ip);
	await(s, 1);
}

static void a_name_that_leads_back_is_told(void **state)
{
	struct stage *s = *state;

	ask(s, &s->a, "10.0.0.1");
	ask(s, &s->b, "2001:db8::1");
	await(s, 2);
	assert_string_equal(s->a.name, "app.test");
	assert_string_equal(s->b.name, "app.test");
}

static void a_name_that_does_not_lead_back_is_not_told(void **state)
{
	static const char *const addresses[] = {"10.0.0.2",   "10.0.0.3", "10.0.0.4",
						"10.0.0.5",   "10.0.0.6", "10.0.0.7",
						"2001:db8::2"};
	struct stage *s = *state;

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		ask_and_await(s, &s->a, addresses[i]);
		assert_false(s->a.has_name);
	}
}

static void the_name_of_this_machine_is_in_a_file(void **state)
{
	struct stage *s = *state;

	ask_and_await(s, &s->a, "127.0.0.1");
	assert_string_equal(s->a.name, "localhost");
	assert_int_equal(s->dns.pointer_questions, 0);
}

static void a_unix_socket_has_no_name(void **state)
{
	struct stage *s = *state;
	struct address address = {.family = ADDRESS_UNIX};

	peernames_ask(s->peernames, &s->a.query, &address, on_name);
	assert_int_equal(s->a.answers, 0);
	await(s, 1);
	assert_false(s->a.has_name);
	assert_int_equal(peernames_count(s->peernames), 0);
}

static void many_who_ask_for_an_address_are_one_question(void **state)
{
	struct stage *s = *state;

	ask(s, &s->a, "10.0.0.1");
	ask(s, &s->b, "10.0.0.1");
	ask(s, &s->c, "10.0.0.1");
	await(s, 3);
	assert_int_equal(s->dns.pointer_questions, 1);
	assert_string_equal(s->c.name, "app.test");
}

static void names_and_their_absence_are_kept_for_their_time(void **state)
{
	static const char *const addresses[] = {"10.0.0.1", "10.0.0.2"};
	struct stage *s = *state;

	for (int i = 0; i < 2; i++) {
		resolver_set_ttl(s->resolver, i == 0 ? 100000 : 0, i == 1 ? 100000 : 0);
		s->dns.pointer_questions = 0;
		ask_and_await(s, &s->a, addresses[i]);
		ask_and_await(s, &s->a, addresses[i]);
		assert_int_equal(s->dns.pointer_questions, 1);
		assert_int_equal(peernames_count(s->peernames), 1);
		real_loop_run(&s->loop, 110);
		assert_int_equal(peernames_count(s->peernames), 0);
		ask_and_await(s, &s->a, addresses[i]);
		assert_int_equal(s->dns.pointer_questions, 2);
		real_loop_run(&s->loop, 110);
	}
}

static void an_old_name_is_not_told_though_nobody_has_swept_yet(void **state)
{
	struct stage *s = *state;

	resolver_set_ttl(s->resolver, 50000, 50000);
	ask_and_await(s, &s->a, "10.0.0.1");
	s->loop.now_us += 60000;
	ask_and_await(s, &s->a, "10.0.0.1");
	assert_int_equal(s->dns.pointer_questions, 2);
	assert_string_equal(s->a.name, "app.test");
}

static void what_is_forgotten_is_not_told(void **state)
{
	struct stage *s = *state;

	ask(s, &s->a, "10.0.0.1");
	ask(s, &s->b, "10.0.0.1");
	ask(s, &s->c, "10.0.0.2");
	peernames_forget(&s->a.query);
	peernames_forget(&s->a.query);
	peernames_forget(&s->c.query);
	await(s, 1);
	ask(s, &s->a, "10.0.0.1"); /* known: about to be told */
	peernames_forget(&s->a.query);
	assert_false(real_loop_run(&s->loop, 20));
	assert_int_equal(s->a.answers + s->c.answers, 0);
	assert_int_equal(s->b.answers, 1);
}

static void forget_others(struct asker *asker)
{
	peernames_forget(&asker->stage->b.query);
	peernames_forget(&asker->stage->c.query);
}

static void forgetting_others_in_an_answer_is_fine(void **state)
{
	struct stage *s = *state;

	s->a.then = forget_others;
	ask(s, &s->a, "10.0.0.1");
	ask(s, &s->b, "10.0.0.1");
	ask(s, &s->c, "10.0.0.1");
	await(s, 1);
	assert_false(real_loop_run(&s->loop, 10));
	assert_int_equal(s->b.answers + s->c.answers, 0);
}

static void ask_again(struct asker *asker)
{
	asker->then = NULL;
	ask(asker->stage, asker, "10.0.0.1");
}

static void asking_again_in_an_answer_is_fine(void **state)
{
	static const uint64_t ttls[] = {0, 10000000};
	struct stage *s = *state;

	for (int i = 0; i < 2; i++) {
		resolver_set_ttl(s->resolver, ttls[i], 0);
		s->a.then = ask_again;
		ask(s, &s->a, "10.0.0.1");
		await(s, 2);
		assert_string_equal(s->a.name, "app.test");
	}
}

/* The teardown ends it; ASan sees what is left. */
static void it_can_end_after_any_number_of_turns(void **state)
{
	struct stage *s = *state;

	for (int turns = 0; turns < 20; turns++) {
		unsigned answers = s->answers;

		ask(s, &s->a, "10.0.0.1");
		ask(s, &s->b, "10.0.0.3");
		for (int i = 0; i < turns; i++)
			ev_run(s->loop.ev, EVRUN_NOWAIT);
		peernames_forget(&s->a.query);
		peernames_forget(&s->b.query);
		peernames_destroy(s->peernames);
		if (turns == 0)
			assert_int_equal(s->answers, answers);
		s->peernames = peernames_create(&s->loop, s->resolver);
		assert_non_null(s->peernames);
	}
	ask(s, &s->a, "10.0.0.1");
	peernames_forget(&s->a.query);
}

static void a_bounded_number_of_peers_is_kept(void **state)
{
	enum { BATCH = 100, BATCHES = 45 };
	struct stage *s = *state;
	struct asker *askers = calloc(BATCH, sizeof(*askers));
	char ip[40];

	assert_non_null(askers);
	resolver_set_ttl(s->resolver, 600 * USEC_PER_SEC, 600 * USEC_PER_SEC);
	for (int batch = 0; batch < BATCHES; batch++) {
		for (int i = 0; i < BATCH; i++) {
			askers[i].stage = s;
			snprintf(ip, sizeof(ip), "10.1.%d.%d", batch, i);
			ask(s, &askers[i], ip);
		}
		await(s, BATCH);
	}
	free(askers);
	assert_int_equal(peernames_count(s->peernames), PEERNAMES_MOST);
}

static void who_finds_no_room_has_no_name(void **state)
{
	struct stage *s = *state;
	struct asker *askers = calloc(PEERNAMES_MOST, sizeof(*askers));
	char ip[40];

	assert_non_null(askers);
	for (int i = 0; i < PEERNAMES_MOST; i++) {
		askers[i].stage = s;
		snprintf(ip, sizeof(ip), "10.1.%d.%d", i / 250, i % 250);
		ask(s, &askers[i], ip);
	}
	ask(s, &s->a, "10.0.0.1");
	await(s, 1);
	assert_int_equal(s->a.answers, 1);
	assert_false(s->a.has_name);
	for (int i = 0; i < PEERNAMES_MOST; i++)
		peernames_forget(&askers[i].query);
	free(askers);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a_name_that_leads_back_is_told),
	    CASE(a_name_that_does_not_lead_back_is_not_told),
	    CASE(the_name_of_this_machine_is_in_a_file),
	    CASE(a_unix_socket_has_no_name),
	    CASE(many_who_ask_for_an_address_are_one_question),
	    CASE(names_and_their_absence_are_kept_for_their_time),
	    CASE(an_old_name_is_not_told_though_nobody_has_swept_yet),
	    CASE(what_is_forgotten_is_not_told),
	    CASE(forgetting_others_in_an_answer_is_fine),
	    CASE(asking_again_in_an_answer_is_fine),
	    CASE(it_can_end_after_any_number_of_turns),
	    CASE(a_bounded_number_of_peers_is_kept),
	    CASE(who_finds_no_room_has_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
