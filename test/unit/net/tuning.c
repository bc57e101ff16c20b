/* Socket options, read back from the kernel. */
#include "net/tuning.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int option_of(int fd, int level, int option)
{
	socklen_t len = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(fd, level, option, &value, &len), 0);
	return value;
}

static int tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return fd;
}

static void all_that_is_set_reaches_the_kernel(void **state)
{
	static const struct tuning all = {.keepalive = true,
					  .keepidle_s = 11,
					  .keepintvl_s = 12,
					  .keepcnt = 13,
					  .user_timeout_ms = 1400,
					  .socket_buffer = 50000};
	int fd = tcp_socket();

	(void)state;
	tuning_apply(fd, &all);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 11);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), 12);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPCNT), 13);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 1400);
	/* The kernel doubles it for its own needs. */
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_SNDBUF), 100000);
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_RCVBUF), 100000);
	close(fd);
}

static void zero_leaves_the_kernels_default(void **state)
{
	static const struct tuning none = {0};
	static const struct tuning only_on = {.keepalive = true};
	int fd = tcp_socket(), fresh = tcp_socket();

	(void)state;
	tuning_apply(fd, &none);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	tuning_apply(fd, &only_on);
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE),
			 option_of(fresh, IPPROTO_TCP, TCP_KEEPIDLE));
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_SNDBUF),
			 option_of(fresh, SOL_SOCKET, SO_SNDBUF));
	close(fd);
	close(fresh);
}

static void a_unix_socket_is_left_as_it_is(void **state)
{
	static const struct tuning some = {.keepalive = true, .socket_buffer = 50000};
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	int before = option_of(fds[0], SOL_SOCKET, SO_SNDBUF);
	tuning_apply(fds[0], &some);
	assert_int_equal(option_of(fds[0], SOL_SOCKET, SO_SNDBUF), before);
	close(fds[0]);
	close(fds[1]);
}

static void what_is_no_socket_does_no_harm(void **state)
{
	static const struct tuning none = {0};

	(void)state;
	tuning_apply(-1, &none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_that_is_set_reaches_the_kernel),
	    cmocka_unit_test(zero_leaves_the_kernels_default),
	    cmocka_unit_test(a_unix_socket_is_left_as_it_is),
	    cmocka_unit_test(what_is_no_socket_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
