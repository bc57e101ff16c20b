/*
 * Options of TCP sockets. Errors are ignored on purpose; see the header.
 */
#include "net/tuning.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static void set(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value));
}

static void set_unless_zero(int fd, int level, int option, int value)
{
	if (value != 0)
		set(fd, level, option, value);
}

static bool is_tcp(int fd)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) != 0)
		return false;
	return domain == AF_INET || domain == AF_INET6;
}

void tuning_apply(int fd, const struct tuning *tuning)
{
	if (!is_tcp(fd))
		return;
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_unless_zero(fd, SOL_SOCKET, SO_SNDBUF, tuning->socket_buffer);
	set_unless_zero(fd, SOL_SOCKET, SO_RCVBUF, tuning->socket_buffer);
	set_unless_zero(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, tuning->user_timeout_ms);
	if (!tuning->keepalive)
		return;
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_unless_zero(fd, IPPROTO_TCP, TCP_KEEPIDLE, tuning->keepidle_s);
	set_unless_zero(fd, IPPROTO_TCP, TCP_KEEPINTVL, tuning->keepintvl_s);
	set_unless_zero(fd, IPPROTO_TCP, TCP_KEEPCNT, tuning->keepcnt);
}
