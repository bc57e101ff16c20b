/* Connecting to sockets of all kinds that are there, are not, or are slow. */
#include "net/connector.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/fake_dns.h"
#include "harness/real_loop.h"

static const struct fake_name names[] = {
    /* Nobody listens on the first (c-ares may turn them round). */
    {"two.test", {"127.0.0.2", "127.0.0.1"}},
    {"dead.test", {"127.0.0.2"}},
    {0},
};

struct stage {
	struct connector connector; /* first */
	struct loop loop;
	struct fake_dns dns;
	struct resolver *resolver;
	struct endpoint at; /* where `listening` is */
	int listening;
	unsigned calls;
	int fd, error;
	char problem[300];
	bool again;
};

static const struct tuning tuning = {
    .keepalive = true, .keepidle_s = 77, .user_timeout_ms = 1234};

static int open_stage(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	const char *problem;

	if (!s || loop_init(&s->loop) != 0)
		return -1;
	fake_dns_start(&s->dns, &s->loop, names);
	s->resolver = resolver_create(&s->loop, &problem);
	s->listening = real_listen("127.0.0.1", &s->at);
	s->fd = -1;
	if (!s->resolver || s->listening < 0 ||
	    resolver_set_servers(s->resolver, s->dns.servers) != 0)
		return -1;
	*state = s;
	return 0;
}

static int close_stage(void **state)
{
	struct stage *s = *state;

	connector_stop(&s->connector);
	connector_stop(&s->connector);
	resolver_destroy(s->resolver);
	fake_dns_stop(&s->dns);
	if (s->fd >= 0)
		close(s->fd);
	close(s->listening);
	loop_fini(&s->loop);
	free(s);
	return 0;
}

static uint16_t port_of(struct stage *s)
{
	return address_of_endpoint(&s->at).port;
}

static void on_done(struct connector *connector, int fd, int error, const char *problem)
{
	struct stage *s = (struct stage *)connector;

	s->calls++;
	s->fd = fd;
	s->error = error;
	snprintf(s->problem, sizeof(s->problem), "%s", problem);
	if (s->again) {
		/* The connector is free for its next use. */
		s->again = false;
		connector_start_at(connector, &s->loop, &s->at, &tuning, on_done);
		return;
	}
	loop_stop(&s->loop);
}

static void start(struct stage *s, const char *host, uint16_t port)
{
	unsigned before = s->calls;

	connector_start(&s->connector, &s->loop, s->resolver, host, port, &tuning,
			on_done);
	assert_int_equal(s->calls, before);
}

static void run(struct stage *s)
{
	unsigned before = s->calls;

	assert_true(real_loop_run(&s->loop, 5000));
	assert_int_equal(s->calls, before + 1);
}

static void assert_connected(struct stage *s)
{
	assert_true(s->fd >= 0);
	assert_int_equal(s->error, 0);
	assert_true(fcntl(s->fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(s->fd, F_GETFD) & FD_CLOEXEC);
	int accepted = accept(s->listening, NULL, NULL);
	assert_true(accepted >= 0);
	assert_int_equal(send(s->fd, "x", 1, 0), 1);
	close(accepted);
	close(s->fd);
	s->fd = -1;
}

/* A port at which nobody listens. */
static uint16_t dead_port(void)
{
	struct endpoint at;
	int fd = real_listen("127.0.0.1", &at);

	close(fd);
	return address_of_endpoint(&at).port;
}

static int option_of(int fd, int level, int option)
{
	socklen_t len = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(fd, level, option, &value, &len), 0);
	return value;
}

/* ---- TCP ---- */

static void an_address_in_figures_is_connected_and_tuned(void **state)
{
	struct stage *s = *state;

	start(s, "127.0.0.1", port_of(s));
	run(s);
	assert_int_equal(option_of(s->fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option_of(s->fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option_of(s->fd, IPPROTO_TCP, TCP_KEEPIDLE), 77);
	assert_int_equal(option_of(s->fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 1234);
	assert_connected(s);
}

static void localhost_is_connected_whatever_comes_first(void **state)
{
	struct stage *s = *state;

	/* ::1 is refused, as nobody listens there; then comes 127.0.0.1. */
	start(s, "localhost", port_of(s));
	run(s);
	assert_connected(s);
}

static void the_second_address_is_tried_when_the_first_fails(void **state)
{
	struct stage *s = *state;

	start(s, "two.test", port_of(s));
	run(s);
	assert_connected(s);
}

static void a_known_address_is_connected(void **state)
{
	struct stage *s = *state;

	connector_start_at(&s->connector, &s->loop, &s->at, &tuning, on_done);
	assert_int_equal(s->calls, 0);
	run(s);
	assert_connected(s);
}

static void a_refusal_names_host_port_and_reason(void **state)
{
	struct stage *s = *state;
	uint16_t port = dead_port();
	char problem[200];
	struct endpoint at;

	start(s, "127.0.0.1", port);
	run(s);
	assert_int_equal(s->fd, -1);
	assert_int_equal(s->error, ECONNREFUSED);
	snprintf(problem, sizeof(problem),
		 "could not connect to host \"127.0.0.1\", port %u: Connection refused",
		 port);
	assert_string_equal(s->problem, problem);

	assert_true(endpoint_from_ip("127.0.0.1", port, &at));
	connector_start_at(&s->connector, &s->loop, &at, &tuning, on_done);
	run(s);
	assert_int_equal(s->error, ECONNREFUSED);
	assert_string_equal(s->problem, problem);
}

static void a_refusal_of_a_name_tells_the_address_too(void **state)
{
	struct stage *s = *state;
	char problem[200];

	start(s, "dead.test", port_of(s));
	run(s);
	assert_int_equal(s->error, ECONNREFUSED);
	snprintf(problem, sizeof(problem),
		 "could not connect to host \"dead.test\", port %u (127.0.0.2): "
		 "Connection refused",
		 port_of(s));
	assert_string_equal(s->problem, problem);
}

static void a_name_that_nobody_knows_is_told(void **state)
{
	struct stage *s = *state;

	start(s, "nobody.test", 5432);
	run(s);
	assert_int_equal(s->fd, -1);
	assert_int_equal(s->error, 0);
	assert_string_equal(s->problem, "could not look up host \"nobody.test\": "
					"Domain name not found");
}

/* ---- Unix sockets ---- */

static void a_unix_socket_is_connected(void **state)
{
	struct stage *s = *state;
	char name[60];

	snprintf(name, sizeof(name), "@pooler-test-%d", (int)getpid());
	assert_true(endpoint_from_unix(name, 5432, &s->at));
	close(s->listening);
	s->listening = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(s->listening, (struct sockaddr *)&s->at.storage, s->at.len),
			 0);
	assert_int_equal(listen(s->listening, 5), 0);
	start(s, name, 5432);
	run(s);
	assert_connected(s);
	connector_start_at(&s->connector, &s->loop, &s->at, &tuning, on_done);
	run(s);
	assert_connected(s);
}

static void a_unix_socket_that_is_not_there_is_told(void **state)
{
	struct stage *s = *state;

	start(s, "/no/such/place", 5432);
	run(s);
	assert_int_equal(s->error, ENOENT);
	assert_string_equal(s->problem,
			    "could not connect to Unix socket "
			    "\"/no/such/place/.s.PGSQL.5432\": No such file or "
			    "directory");
}

static void a_unix_socket_with_too_long_a_name_is_told(void **state)
{
	struct stage *s = *state;
	char name[300];

	memset(name, 'x', sizeof(name));
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	start(s, name, 5432);
	run(s);
	assert_int_equal(s->error, ENAMETOOLONG);
	assert_non_null(strstr(s->problem, "the name is too long"));
}

/* ---- at any time ---- */

static void stopping_at_any_time_keeps_it_quiet(void **state)
{
	static const char *hosts[] = {"127.0.0.1", "localhost", "two.test", "nobody.test",
				      "/no/such/place"};
	struct stage *s = *state;
	uint64_t now_us = s->loop.now_us;

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		/* With the name asked for, then with the connection under way. */
		for (int turns = 0; turns < 2; turns++) {
			start(s, hosts[i], port_of(s));
			if (turns > 0)
				loop_turn(&s->loop, now_us);
			connector_stop(&s->connector);
		}
	}
	s->calls = 0;
	connector_start_at(&s->connector, &s->loop, &s->at, &tuning, on_done);
	connector_stop(&s->connector);
	assert_false(real_loop_run(&s->loop, 30));
	assert_int_equal(s->calls, 0);
}

static void it_can_start_again_when_it_is_done(void **state)
{
	struct stage *s = *state;

	s->again = true;
	start(s, "/no/such/place", 5432);
	assert_true(real_loop_run(&s->loop, 5000));
	assert_int_equal(s->calls, 2);
	assert_connected(s);
}

static void a_lack_of_descriptors_is_our_own_fault(void **state)
{
	struct stage *s = *state;
	struct rlimit limit, none;

	start(s, "127.0.0.1", port_of(s));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	bool was_in_time = real_loop_run(&s->loop, 5000);
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_true(was_in_time);
	assert_int_equal(s->fd, -1);
	assert_int_equal(s->error, EMFILE);
	assert_true(connector_error_is_ours(s->error));
	assert_false(connector_error_is_ours(ECONNREFUSED));
	assert_false(connector_error_is_ours(ETIMEDOUT));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(an_address_in_figures_is_connected_and_tuned),
	    CASE(localhost_is_connected_whatever_comes_first),
	    CASE(the_second_address_is_tried_when_the_first_fails),
	    CASE(a_known_address_is_connected),
	    CASE(a_refusal_names_host_port_and_reason),
	    CASE(a_refusal_of_a_name_tells_the_address_too),
	    CASE(a_name_that_nobody_knows_is_told),
	    CASE(a_unix_socket_is_connected),
	    CASE(a_unix_socket_that_is_not_there_is_told),
	    CASE(a_unix_socket_with_too_long_a_name_is_told),
	    CASE(stopping_at_any_time_keeps_it_quiet),
	    CASE(it_can_start_again_when_it_is_done),
	    CASE(a_lack_of_descriptors_is_our_own_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
