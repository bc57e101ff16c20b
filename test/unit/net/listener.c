/* Listening sockets, with and without descriptors to spare. */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "harness/real_loop.h"

enum { FDS_MOST = 200 };

struct stage {
	struct loop loop;
	struct listener listener, other;
	struct endpoint at;
	char directory[40];
	const char *what;
	int accepted[FDS_MOST];
	int count, crowded, stop_at;
	bool closes_listener;
};

static void on_accept(struct listener *listener, int fd)
{
	struct stage *s = listener->owner;

	assert_true(s->count < FDS_MOST);
	s->accepted[s->count++] = fd;
	if (s->closes_listener)
		listener_close(listener);
	if (s->count == s->stop_at)
		loop_stop(&s->loop);
}

static void on_crowded(struct listener *listener, int fd)
{
	struct stage *s = listener->owner;

	s->crowded++;
	assert_int_equal(send(fd, "full", 4, MSG_NOSIGNAL), 4);
	if (s->closes_listener)
		listener_close(listener);
	if (s->crowded == s->stop_at)
		loop_stop(&s->loop);
}

static const struct listener_ops ops = {.on_accept = on_accept, .on_crowded = on_crowded};

static const struct listener_options plain = {.backlog = 128, .unix_mode = 0777};

static int open_stage(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	if (!s || loop_init(&s->loop) != 0)
		return -1;
	snprintf(s->directory, sizeof(s->directory), "/tmp/pooler-test-XXXXXX");
	if (!mkdtemp(s->directory))
		return -1;
	*state = s;
	return 0;
}

static int close_stage(void **state)
{
	struct stage *s = *state;

	listener_close(&s->listener);
	listener_close(&s->listener);
	listener_close(&s->other);
	for (int i = 0; i < s->count; i++)
		close(s->accepted[i]);
	loop_fini(&s->loop);
	/* Fails when a socket file was left. */
	int rc = rmdir(s->directory);
	free(s);
	return rc;
}

static void listen_at(struct stage *s)
{
	assert_int_equal(listener_open(&s->listener, &s->loop, &s->at, &plain, &s->what),
			 0);
	listener_start(&s->listener, &ops, s);
	if (!endpoint_is_unix(&s->at))
		assert_true(real_endpoint(s->listener.io.ev.fd, &s->at));
}

static void listen_tcp(struct stage *s)
{
	assert_true(endpoint_from_ip("127.0.0.1", 0, &s->at));
	listen_at(s);
}

static void listen_unix(struct stage *s)
{
	assert_true(endpoint_from_unix(s->directory, 6432, &s->at));
	listen_at(s);
}

static int connect_to(struct stage *s)
{
	int fd = real_connect(&s->at);

	assert_true(fd >= 0);
	return fd;
}

static int open_again(struct stage *s, const struct listener_options *options)
{
	s->what = NULL;
	return listener_open(&s->other, &s->loop, &s->at, options, &s->what);
}

/* ---- accepting ---- */

static void accepted_sockets_do_not_block_and_are_not_inherited(void **state)
{
	struct stage *s = *state;

	listen_tcp(s);
	int fd = connect_to(s);
	s->stop_at = 1;
	assert_true(real_loop_run(&s->loop, 5000));
	assert_true(fcntl(s->accepted[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(s->accepted[0], F_GETFD) & FD_CLOEXEC);
	close(fd);
}

static void more_than_one_turn_takes_are_all_accepted(void **state)
{
	struct stage *s = *state;
	int fds[100];

	listen_tcp(s);
	for (int i = 0; i < 100; i++)
		fds[i] = connect_to(s);
	s->stop_at = 100;
	assert_true(real_loop_run(&s->loop, 5000));
	for (int i = 0; i < 100; i++)
		close(fds[i]);
}

static void a_listener_may_be_closed_while_it_accepts(void **state)
{
	struct stage *s = *state;
	int fds[2];

	listen_unix(s);
	fds[0] = connect_to(s);
	fds[1] = connect_to(s);
	s->closes_listener = true;
	s->stop_at = 1;
	assert_true(real_loop_run(&s->loop, 5000));
	assert_int_equal(s->count, 1);
	assert_int_equal(real_connect(&s->at), -1);
	close(fds[0]);
	close(fds[1]);
}

/* ---- running out of descriptors ---- */

static rlim_t limit_descriptors(rlim_t count)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	rlim_t before = limit.rlim_cur;
	limit.rlim_cur = count;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return before;
}

/* So that not one more can be opened. */
static rlim_t take_all_descriptors(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return limit_descriptors((rlim_t)fd);
}

static int error_of(int fd)
{
	socklen_t len = sizeof(int);
	int error = -1;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	return error;
}

static void without_descriptors_all_get_a_last_word(void **state)
{
	struct stage *s = *state;
	char got[10];
	int fds[50];

	listen_tcp(s);
	for (int i = 0; i < 50; i++) {
		fds[i] = connect_to(s);
		/* Their first message must not turn the last word into a reset. */
		assert_int_equal(send(fds[i], "startup", 7, 0), 7);
	}
	rlim_t before = take_all_descriptors();
	s->stop_at = 50;
	bool was_in_time = real_loop_run(&s->loop, 5000);
	limit_descriptors(before);
	assert_true(was_in_time);
	assert_int_equal(s->count, 0);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(error_of(fds[i]), 0); /* no reset */
		assert_int_equal(recv(fds[i], got, sizeof(got), 0), 4);
		assert_memory_equal(got, "full", 4);
		assert_int_equal(recv(fds[i], got, sizeof(got), 0), 0);
		close(fds[i]);
	}
	/* And when there are some again, it goes on. */
	s->stop_at = 1;
	int fd = connect_to(s);
	assert_true(real_loop_run(&s->loop, 5000));
	close(fd);
}

static void a_listener_may_be_closed_while_it_turns_away(void **state)
{
	struct stage *s = *state;

	listen_unix(s);
	int fds[2] = {connect_to(s), connect_to(s)};
	s->closes_listener = true;
	s->stop_at = 1;
	rlim_t before = take_all_descriptors();
	bool was_in_time = real_loop_run(&s->loop, 5000);
	limit_descriptors(before);
	assert_true(was_in_time);
	assert_int_equal(s->crowded, 1);
	close(fds[0]);
	close(fds[1]);
}

static uint64_t cpu_used_us(void)
{
	return clock_read_us(CLOCK_PROCESS_CPUTIME_ID);
}

static void without_even_a_reserve_it_rests_and_does_not_spin(void **state)
{
	struct stage *s = *state;

	listen_tcp(s);
	int fd = connect_to(s);
	close(s->listener.reserve_fd);
	s->listener.reserve_fd = -1;
	rlim_t before = take_all_descriptors();
	/* libev's own descriptors are open by now; this fills the one set free. */
	uint64_t start_us = cpu_used_us();
	bool was_stopped = real_loop_run(&s->loop, 350);
	uint64_t used_us = cpu_used_us() - start_us;
	limit_descriptors(before);
	assert_false(was_stopped);
	assert_int_equal(s->count + s->crowded, 0);
	assert_in_range(used_us, 0, 100000);
	s->stop_at = 1;
	assert_true(real_loop_run(&s->loop, 5000));
	assert_true(s->listener.reserve_fd >= 0);
	close(fd);
}

/* ---- Unix sockets ---- */

static void a_unix_socket_has_the_mode_and_group_asked_for(void **state)
{
	struct stage *s = *state;
	struct listener_options options = {.backlog = 5, .unix_mode = 0750};
	char group[20];
	struct stat file;

	/* Only root can give it to a group that it is not in. */
	gid_t wanted = geteuid() == 0 ? 4242 : getegid();
	snprintf(group, sizeof(group), "%u", (unsigned)wanted);
	options.unix_group = group;
	assert_true(endpoint_from_unix(s->directory, 6432, &s->at));
	assert_int_equal(
	    listener_open(&s->listener, &s->loop, &s->at, &options, &s->what), 0);
	assert_int_equal(stat(endpoint_unix_path(&s->at), &file), 0);
	assert_int_equal(file.st_mode & 07777, 0750);
	assert_int_equal(file.st_gid, wanted);
	listener_close(&s->listener);
	assert_int_equal(stat(endpoint_unix_path(&s->at), &file), -1);
}

static void a_group_is_found_by_name_and_missed_by_a_wrong_one(void **state)
{
	struct stage *s = *state;
	struct listener_options options = {.backlog = 5, .unix_mode = 0777};

	assert_true(endpoint_from_unix(s->directory, 6432, &s->at));
	options.unix_group = "no-such-group-at-all";
	assert_int_equal(open_again(s, &options), -ENOENT);
	assert_string_equal(s->what, "find the group of the Unix socket");
	assert_int_equal(access(endpoint_unix_path(&s->at), F_OK), -1);
	if (geteuid() != 0)
		skip();
	options.unix_group = "root";
	assert_int_equal(open_again(s, &options), 0);
}

static void a_live_socket_is_not_taken_over(void **state)
{
	struct stage *s = *state;

	listen_unix(s);
	assert_int_equal(open_again(s, &plain), -EADDRINUSE);
	assert_string_equal(s->what, "bind");
	/* Also when its queue is full. */
	int fds[300], count = 0;
	while (count < 300) {
		fds[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(fds[count++], (struct sockaddr *)&s->at.storage, s->at.len) !=
		    0)
			break;
	}
	assert_true(count < 300);
	assert_int_equal(open_again(s, &plain), -EADDRINUSE);
	assert_int_equal(access(endpoint_unix_path(&s->at), F_OK), 0);
	while (count > 0)
		close(fds[--count]);
}

static void a_stale_socket_is_replaced(void **state)
{
	struct stage *s = *state;
	int dead = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(endpoint_from_unix(s->directory, 6432, &s->at));
	assert_int_equal(bind(dead, (struct sockaddr *)&s->at.storage, s->at.len), 0);
	close(dead);
	listen_unix(s);
	int fd = connect_to(s);
	s->stop_at = 1;
	assert_true(real_loop_run(&s->loop, 5000));
	close(fd);
}

static void an_ordinary_file_is_left_alone(void **state)
{
	struct stage *s = *state;

	assert_true(endpoint_from_unix(s->directory, 6432, &s->at));
	int fd = open(endpoint_unix_path(&s->at), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(open_again(s, &plain), -EADDRINUSE);
	assert_int_equal(unlink(endpoint_unix_path(&s->at)), 0);
}

static void the_socket_of_a_successor_is_not_removed(void **state)
{
	struct stage *s = *state;

	listen_unix(s);
	assert_int_equal(unlink(endpoint_unix_path(&s->at)), 0);
	assert_int_equal(open_again(s, &plain), 0);
	listener_close(&s->listener);
	assert_int_equal(access(endpoint_unix_path(&s->at), F_OK), 0);
}

static void abstract_sockets_have_no_file(void **state)
{
	struct stage *s = *state;
	char name[60];

	snprintf(name, sizeof(name), "@pooler-test-%d", (int)getpid());
	assert_true(endpoint_from_unix(name, 6432, &s->at));
	listen_at(s);
	assert_int_equal(open_again(s, &plain), -EADDRINUSE);
	int fd = connect_to(s);
	s->stop_at = 1;
	assert_true(real_loop_run(&s->loop, 5000));
	close(fd);
}

/* ---- TCP ---- */

static void a_port_in_use_is_told(void **state)
{
	struct stage *s = *state;

	listen_tcp(s);
	assert_int_equal(open_again(s, &plain), -EADDRINUSE);
	assert_string_equal(s->what, "bind");
	assert_false(s->other.is_open);
}

static void a_shared_port_is_shared(void **state)
{
	struct listener_options shared = {.backlog = 5, .reuse_port = true};
	struct stage *s = *state;

	assert_true(endpoint_from_ip("127.0.0.1", 0, &s->at));
	assert_int_equal(listener_open(&s->listener, &s->loop, &s->at, &shared, &s->what),
			 0);
	assert_true(real_endpoint(s->listener.io.ev.fd, &s->at));
	assert_int_equal(open_again(s, &shared), 0);
}

static void ipv4_and_ipv6_share_a_port_number(void **state)
{
	struct stage *s = *state;

	assert_true(endpoint_from_ip("0.0.0.0", 0, &s->at));
	listen_at(s);
	uint16_t port = address_of_endpoint(&s->at).port;
	assert_true(endpoint_from_ip("::", port, &s->at));
	int err = open_again(s, &plain);
	if (err == -EAFNOSUPPORT)
		skip();
	assert_int_equal(err, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(accepted_sockets_do_not_block_and_are_not_inherited),
	    CASE(more_than_one_turn_takes_are_all_accepted),
	    CASE(a_listener_may_be_closed_while_it_accepts),
	    CASE(without_descriptors_all_get_a_last_word),
	    CASE(a_listener_may_be_closed_while_it_turns_away),
	    CASE(without_even_a_reserve_it_rests_and_does_not_spin),
	    CASE(a_unix_socket_has_the_mode_and_group_asked_for),
	    CASE(a_group_is_found_by_name_and_missed_by_a_wrong_one),
	    CASE(a_live_socket_is_not_taken_over),
	    CASE(a_stale_socket_is_replaced),
	    CASE(an_ordinary_file_is_left_alone),
	    CASE(the_socket_of_a_successor_is_not_removed),
	    CASE(abstract_sockets_have_no_file),
	    CASE(a_port_in_use_is_told),
	    CASE(a_shared_port_is_shared),
	    CASE(ipv4_and_ipv6_share_a_port_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
