/* Addresses parsed, printed and read off sockets. */
#include "net/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static const struct {
	const char *text;
	enum address_family family; /* NONE: refused */
	const char *printed, *with_port;
} ips[] = {
    {"127.0.0.1", ADDRESS_IPV4, "127.0.0.1", "127.0.0.1:6432"},
    {"0.0.0.0", ADDRESS_IPV4, "0.0.0.0", "0.0.0.0:6432"},
    {"255.255.255.255", ADDRESS_IPV4, "255.255.255.255", "255.255.255.255:6432"},
    {"::1", ADDRESS_IPV6, "::1", "[::1]:6432"},
    {"::", ADDRESS_IPV6, "::", "[::]:6432"},
    {"2001:DB8:0:0::ff", ADDRESS_IPV6, "2001:db8::ff", "[2001:db8::ff]:6432"},
    {"1111:2222:3333:4444:5555:6666:7777:8888", ADDRESS_IPV6,
     "1111:2222:3333:4444:5555:6666:7777:8888",
     "[1111:2222:3333:4444:5555:6666:7777:8888]:6432"},
    {"::ffff:10.1.2.3", ADDRESS_IPV4, "10.1.2.3", "10.1.2.3:6432"},
    {"", ADDRESS_NONE, NULL, NULL},
    {"localhost", ADDRESS_NONE, NULL, NULL},
    {"1.2.3", ADDRESS_NONE, NULL, NULL},
    {"1.2.3.256", ADDRESS_NONE, NULL, NULL},
    {"1.2.3.4 ", ADDRESS_NONE, NULL, NULL},
    {"01.2.3.4.5", ADDRESS_NONE, NULL, NULL},
    {"[::1]", ADDRESS_NONE, NULL, NULL},
    {"::1%lo", ADDRESS_NONE, NULL, NULL},
    {"*", ADDRESS_NONE, NULL, NULL},
};

static void addresses_in_figures_are_parsed_and_printed(void **state)
{
	char text[ADDRESS_TEXT_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(ips) / sizeof(ips[0]); i++) {
		struct endpoint e = {.len = 77};
		bool is_one = endpoint_from_ip(ips[i].text, 6432, &e);

		assert_int_equal(is_one, ips[i].family != ADDRESS_NONE);
		if (!is_one) {
			assert_int_equal(e.len, 77);
			continue;
		}
		struct address a = address_of_endpoint(&e);
		assert_int_equal(a.family, ips[i].family);
		assert_int_equal(a.port, 6432);
		assert_string_equal(address_print(&a, text), ips[i].printed);
		assert_string_equal(address_print_with_port(&a, text), ips[i].with_port);
		assert_string_equal(endpoint_unix_path(&e), "");
		assert_false(endpoint_is_unix(&e));
	}
}

static void an_address_makes_the_endpoint_it_came_from(void **state)
{
	static const char *texts[] = {"10.1.2.3", "2001:db8::7"};
	struct endpoint e;
	char text[100];

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_true(endpoint_from_ip(texts[i], 1, &e));
		struct address a = address_of_endpoint(&e);
		struct endpoint again = endpoint_from_address(&a, 5432);
		struct address b = address_of_endpoint(&again);

		assert_int_equal(b.port, 5432);
		assert_false(address_equal(&a, &b));
		b.port = 1;
		assert_true(address_equal(&a, &b));
		endpoint_print(&again, text, sizeof(text));
		assert_string_equal(text, i ? "[2001:db8::7]:5432" : "10.1.2.3:5432");
	}
}

static void equal_means_family_address_and_port(void **state)
{
	struct address a = {.family = ADDRESS_IPV4, .port = 1, .bytes = {1, 2, 3, 4}};
	struct address b = a;

	(void)state;
	assert_true(address_equal(&a, &b));
	b.bytes[3] = 5;
	assert_false(address_equal(&a, &b));
	b = a;
	b.port = 2;
	assert_false(address_equal(&a, &b));
	b = a;
	b.family = ADDRESS_IPV6;
	assert_false(address_equal(&a, &b));
}

static void unix_sockets_have_the_names_of_postgresql(void **state)
{
	struct endpoint e;
	char text[120];

	(void)state;
	assert_true(endpoint_from_unix("/tmp", 6432, &e));
	assert_true(endpoint_is_unix(&e));
	assert_string_equal(endpoint_unix_path(&e), "/tmp/.s.PGSQL.6432");
	endpoint_print(&e, text, sizeof(text));
	assert_string_equal(text, "/tmp/.s.PGSQL.6432");
	struct address a = address_of_endpoint(&e);
	assert_string_equal(address_print_with_port(&a, text), "unix:6432");
	assert_string_equal(address_print(&a, text), "unix");

	assert_true(endpoint_from_unix("@pooler", 1, &e));
	assert_string_equal(endpoint_unix_path(&e), "@pooler/.s.PGSQL.1");
	a = address_of_endpoint(&e);
	assert_string_equal(address_print_with_port(&a, text), "unix:1");
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	struct sockaddr_un un;
	char directory[200];
	struct endpoint e;

	(void)state;
	/* "/.s.PGSQL.5432" are 14 letters, and a NUL follows. */
	for (size_t len = 80; len < 120; len++) {
		memset(directory, 'd', len);
		directory[0] = '/';
		directory[len] = '\0';
		assert_int_equal(endpoint_from_unix(directory, 5432, &e),
				 len + 14 < sizeof(un.sun_path));
	}
}

static void odd_names_of_unix_sockets_have_no_port(void **state)
{
	static const struct {
		const char *path;
		uint16_t port;
	} rows[] = {
	    {"/tmp/.s.PGSQL.6432", 6432}, {"/tmp/.s.PGSQL.65535", 65535},
	    {"/tmp/.s.PGSQL.65536", 0},   {"/tmp/.s.PGSQL.99999999999", 0},
	    {"/tmp/.s.PGSQL.6x", 0},      {"/tmp/.s.PGSQL.", 0},
	    {"/tmp/socket", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sockaddr_un un = {.sun_family = AF_UNIX};
		struct endpoint e = {0};

		snprintf(un.sun_path, sizeof(un.sun_path), "%s", rows[i].path);
		memcpy(&e.storage, &un, sizeof(un));
		e.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				    strlen(rows[i].path));
		struct address a = address_of_endpoint(&e);
		assert_int_equal(a.family, ADDRESS_UNIX);
		assert_int_equal(a.port, rows[i].port);
	}
}

static void sockets_tell_their_addresses(void **state)
{
	struct endpoint at;
	char text[120];
	int fds[2];

	(void)state;
	assert_true(endpoint_from_ip("127.0.0.1", 0, &at));
	int listening = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listening, (struct sockaddr *)&at.storage, at.len), 0);
	assert_int_equal(listen(listening, 1), 0);
	struct address listener = address_of_self(listening);
	at = endpoint_from_address(&listener, listener.port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at.storage, at.len), 0);
	struct address peer = address_of_peer(fd);
	assert_true(address_equal(&peer, &listener));
	assert_string_equal(address_print(&peer, text), "127.0.0.1");
	assert_int_not_equal(peer.port, 0);
	close(fd);
	close(listening);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	peer = address_of_peer(fds[0]);
	assert_string_equal(address_print_with_port(&peer, text), "unix:0");
	close(fds[0]);
	close(fds[1]);
	peer = address_of_peer(fds[0]);
	assert_int_equal(peer.family, ADDRESS_NONE);
}

static void an_abstract_socket_tells_its_port(void **state)
{
	struct endpoint at;
	char name[60];

	(void)state;
	snprintf(name, sizeof(name), "@pooler-test-%d", (int)getpid());
	assert_true(endpoint_from_unix(name, 7, &at));
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at.storage, at.len), 0);
	struct address a = address_of_self(fd);
	assert_int_equal(a.port, 7);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(addresses_in_figures_are_parsed_and_printed),
	    cmocka_unit_test(an_address_makes_the_endpoint_it_came_from),
	    cmocka_unit_test(equal_means_family_address_and_port),
	    cmocka_unit_test(unix_sockets_have_the_names_of_postgresql),
	    cmocka_unit_test(a_path_that_is_too_long_is_refused),
	    cmocka_unit_test(odd_names_of_unix_sockets_have_no_port),
	    cmocka_unit_test(sockets_tell_their_addresses),
	    cmocka_unit_test(an_abstract_socket_tells_its_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
