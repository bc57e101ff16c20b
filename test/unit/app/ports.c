/* Lists of addresses, the Unix socket and the admin listener; on loopback only. */
#include "app/ports.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "harness/real_loop.h"

struct stage {
	struct loop loop;
	struct ports ports;
	struct settings settings;
	char directory[40];
	int free_port, other_port;
};

/* A port that was free a moment ago. */
static int free_port(void)
{
	struct endpoint at;
	int fd = real_listen("127.0.0.1", &at);
	struct address address = address_of_endpoint(&at);

	assert_true(fd >= 0);
	close(fd);
	return address.port;
}

static int stage_begin(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	log_apply(&(struct log_settings){.to_stderr = false});
	assert_int_equal(loop_init(&s->loop), 0);
	snprintf(s->directory, sizeof(s->directory), "/tmp/pooler-ports.XXXXXX");
	assert_non_null(mkdtemp(s->directory));
	settings_init(&s->settings);
	s->settings.unix_socket_dir = "";
	s->settings.listen_port = s->free_port = free_port();
	s->other_port = free_port();
	*state = s;
	return 0;
}

static int stage_end(void **state)
{
	struct stage *s = *state;

	ports_fini(&s->ports);
	loop_fini(&s->loop);
	assert_int_equal(rmdir(s->directory), 0); /* no socket is left behind */
	log_reset();
	free(s);
	return 0;
}

static bool can_connect(const char *ip, int port)
{
	struct endpoint at;

	assert_true(endpoint_from_ip(ip, (uint16_t)port, &at));
	int fd = real_connect(&at);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool can_connect_to_unix(const char *directory, int port)
{
	struct endpoint at;

	assert_true(endpoint_from_unix(directory, (uint16_t)port, &at));
	int fd = real_connect(&at);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int open_ports(struct stage *s)
{
	return ports_open(&s->ports, &s->loop, &s->settings);
}

static void all_addresses_of_a_list_are_opened(void **state)
{
	struct stage *s = *state;

	s->settings.listen_addr = " 127.0.0.1 ,127.0.0.2,, 127.0.0.3";
	assert_int_equal(open_ports(s), 0);
	assert_int_equal(s->ports.count, 3);
	assert_true(can_connect("127.0.0.1", s->free_port));
	assert_true(can_connect("127.0.0.2", s->free_port));
	assert_true(can_connect("127.0.0.3", s->free_port));
	assert_false(can_connect("127.0.0.4", s->free_port));
}

static void one_bad_address_of_a_list_is_survived(void **state)
{
	struct stage *s = *state;

	s->settings.listen_addr = "192.0.2.1, 127.0.0.1";
	assert_int_equal(open_ports(s), 0);
	assert_int_equal(s->ports.count, 1);
	assert_true(can_connect("127.0.0.1", s->free_port));
}

static void nowhere_to_listen_is_an_error(void **state)
{
	struct stage *s = *state;

	assert_true(open_ports(s) < 0);
	ports_fini(&s->ports);
	s->settings.listen_addr = "192.0.2.1";
	assert_int_equal(open_ports(s), -EADDRNOTAVAIL);
}

static void a_port_in_use_is_an_error(void **state)
{
	struct stage *s = *state;
	struct endpoint at;
	int fd = real_listen("127.0.0.1", &at);

	s->settings.listen_addr = "127.0.0.1";
	s->settings.listen_port = address_of_endpoint(&at).port;
	assert_int_equal(open_ports(s), -EADDRINUSE);
	close(fd);
}

static void the_unix_socket_alone_suffices(void **state)
{
	struct stage *s = *state;

	s->settings.unix_socket_dir = s->directory;
	assert_int_equal(open_ports(s), 0);
	assert_int_equal(s->ports.count, 1);
	assert_int_equal(s->ports.items[0].origin, CLIENT_BY_UNIX);
	assert_true(can_connect_to_unix(s->directory, s->free_port));
}

/* Two poolers of one configuration must not run side by side. */
static void a_unix_socket_in_use_stops_the_start(void **state)
{
	struct stage *s = *state;
	struct ports second;

	s->settings.unix_socket_dir = s->directory;
	assert_int_equal(open_ports(s), 0);
	struct settings others = s->settings;
	others.listen_addr = "127.0.0.5";
	assert_int_equal(ports_open(&second, &s->loop, &others), -EADDRINUSE);
	ports_fini(&second);
	assert_true(can_connect_to_unix(s->directory, s->free_port));
}

static void the_admin_listener_is_a_listener_of_its_own(void **state)
{
	struct stage *s = *state;

	s->settings.listen_addr = "127.0.0.1";
	s->settings.admin_port = s->other_port;
	assert_int_equal(open_ports(s), 0);
	assert_int_equal(s->ports.count, 2);
	assert_int_equal(s->ports.items[1].origin, CLIENT_BY_ADMIN);
	assert_true(can_connect("127.0.0.1", s->other_port));
}

static void an_admin_port_in_use_is_an_error(void **state)
{
	struct stage *s = *state;
	struct endpoint at;
	int fd = real_listen("127.0.0.1", &at);

	s->settings.listen_addr = "127.0.0.1";
	s->settings.admin_port = address_of_endpoint(&at).port;
	assert_int_equal(open_ports(s), -EADDRINUSE);
	close(fd);
}

static void closing_tcp_leaves_the_unix_socket_and_the_admin(void **state)
{
	struct stage *s = *state;

	s->settings.listen_addr = "127.0.0.1";
	s->settings.unix_socket_dir = s->directory;
	s->settings.admin_port = s->other_port;
	assert_int_equal(open_ports(s), 0);
	ports_close_tcp(&s->ports);
	assert_false(can_connect("127.0.0.1", s->free_port));
	assert_true(can_connect("127.0.0.1", s->other_port));
	assert_true(can_connect_to_unix(s->directory, s->free_port));
}

static void a_directory_that_is_too_long_is_told(void **state)
{
	struct stage *s = *state;
	char directory[200];

	memset(directory, 'x', sizeof(directory) - 1);
	directory[0] = '/';
	directory[sizeof(directory) - 1] = '\0';
	s->settings.unix_socket_dir = directory;
	assert_int_equal(open_ports(s), -ENAMETOOLONG);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_begin, stage_end)
	const struct CMUnitTest tests[] = {
	    TEST(all_addresses_of_a_list_are_opened),
	    TEST(one_bad_address_of_a_list_is_survived),
	    TEST(nowhere_to_listen_is_an_error),
	    TEST(a_port_in_use_is_an_error),
	    TEST(the_unix_socket_alone_suffices),
	    TEST(a_unix_socket_in_use_stops_the_start),
	    TEST(the_admin_listener_is_a_listener_of_its_own),
	    TEST(an_admin_port_in_use_is_an_error),
	    TEST(closing_tcp_leaves_the_unix_socket_and_the_admin),
	    TEST(a_directory_that_is_too_long_is_told),
	};

	return cmocka_run_group_tests_name("ports", tests, NULL, NULL);
}
