#include "place.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 4096 };

static bool parse_path(const char *text, struct place *out)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	if (strlen(text) >= sizeof(un.sun_path))
		return false;
	memcpy(un.sun_path, text, strlen(text));
	memcpy(&out->address, &un, sizeof(un));
	out->len = sizeof(un);
	return true;
}

bool place_parse(const char *text, struct place *out)
{
	if (text[0] == '/')
		return parse_path(text, out);
	char host[INET_ADDRSTRLEN];
	unsigned port;
	char rest;
	if (sscanf(text, "%15[0-9.]:%5u%c", host, &port, &rest) != 2 || port > 65535)
		return false;
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port)};
	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return false;
	memcpy(&out->address, &in, sizeof(in));
	out->len = sizeof(in);
	return true;
}

int place_listen(const struct place *at)
{
	const int on = 1;
	const struct sockaddr *address = (const struct sockaddr *)&at->address;
	int fd =
	    socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		err(1, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, address, at->len) != 0)
		err(1, "cannot bind");
	if (listen(fd, LISTEN_BACKLOG) != 0)
		err(1, "cannot listen");
	return fd;
}

unsigned place_port(int fd)
{
	struct sockaddr_in in = {0};
	socklen_t len = sizeof(in);
	if (getsockname(fd, (struct sockaddr *)&in, &len) != 0 ||
	    in.sin_family != AF_INET)
		return 0;
	return ntohs(in.sin_port);
}

static int connect_from(int fd, unsigned source)
{
	const int on = 1;
	struct sockaddr_in in = {.sin_family = AF_INET};
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + source);
	/* The port is chosen at connect, when the whole pair is known. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, (const struct sockaddr *)&in, sizeof(in));
}

int place_connect(const struct place *to, unsigned source)
{
	const int on = 1;
	const struct sockaddr *address = (const struct sockaddr *)&to->address;
	bool is_tcp = address->sa_family == AF_INET;
	int fd =
	    socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (is_tcp)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (is_tcp && source > 0 && connect_from(fd, source) != 0)
		goto fail;
	if (connect(fd, address, to->len) != 0 && errno != EINPROGRESS)
		goto fail;
	return fd;
fail:;
	int error = errno;
	close(fd);
	return -error;
}

size_t descriptors_raise(size_t wanted)
{
	struct rlimit limit;
	struct rlimit more = {.rlim_cur = wanted, .rlim_max = wanted};
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		err(1, "getrlimit");
	if (limit.rlim_max >= wanted)
		more.rlim_max = limit.rlim_max;
	/* Only root may raise the hard limit; others take what there is. */
	if (setrlimit(RLIMIT_NOFILE, &more) == 0)
		return wanted;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur;
}

uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
