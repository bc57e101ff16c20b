/*
 * Addresses of sockets. The structs of the kernel are only looked at after they were
 * copied out: a sockaddr_storage read through another type is not the same object to the
 * compiler.
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/check.h"

#define SOCKET_NAME "/.s.PGSQL."

static_assert(sizeof(((struct endpoint *)0)->unix_path) >
		  sizeof(((struct sockaddr_un *)0)->sun_path),
	      "any path fits");
static_assert(sizeof(struct address) == 20, "every client keeps one");

/* ---- addresses ---- */

static struct address from_ipv4(const struct sockaddr_storage *storage)
{
	struct address a = {.family = ADDRESS_IPV4};
	struct sockaddr_in in;

	memcpy(&in, storage, sizeof(in));
	memcpy(a.bytes, &in.sin_addr, 4);
	a.port = ntohs(in.sin_port);
	return a;
}

static struct address from_ipv6(const struct sockaddr_storage *storage)
{
	struct address a = {.family = ADDRESS_IPV6};
	struct sockaddr_in6 in;

	memcpy(&in, storage, sizeof(in));
	a.port = ntohs(in.sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr)) {
		a.family = ADDRESS_IPV4;
		memcpy(a.bytes, in.sin6_addr.s6_addr + 12, 4);
	} else {
		memcpy(a.bytes, &in.sin6_addr, 16);
	}
	return a;
}

/* A number from 1 to 65535 and nothing else; 0 when it is none. */
static uint16_t port_of_text(const char *text)
{
	unsigned port = 0;

	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return 0;
		port = port * 10 + (unsigned)(*text - '0');
		if (port > UINT16_MAX)
			return 0;
	}
	return (uint16_t)port;
}

static struct address from_unix(const struct sockaddr_storage *storage, socklen_t len)
{
	struct address a = {.family = ADDRESS_UNIX};
	size_t start = offsetof(struct sockaddr_un, sun_path);
	struct sockaddr_un un;
	char path[sizeof(un.sun_path) + 1] = "";

	if (len <= start || len > sizeof(un))
		return a;
	memcpy(&un, storage, len);
	memcpy(path, un.sun_path, len - start);
	/* An abstract name starts with NUL. */
	const char *name = strstr(path[0] ? path : path + 1, SOCKET_NAME);
	if (name)
		a.port = port_of_text(name + strlen(SOCKET_NAME));
	return a;
}

static struct address from_storage(const struct sockaddr_storage *storage, socklen_t len)
{
	switch (storage->ss_family) {
	case AF_INET:
		return from_ipv4(storage);
	case AF_INET6:
		return from_ipv6(storage);
	case AF_UNIX:
		return from_unix(storage, len);
	default:
		return (struct address){0};
	}
}

struct address address_of_endpoint(const struct endpoint *endpoint)
{
	return from_storage(&endpoint->storage, endpoint->len);
}

struct address address_of_peer(int fd)
{
	struct sockaddr_storage storage = {0};
	socklen_t len = sizeof(storage);

	if (getpeername(fd, (struct sockaddr *)&storage, &len) != 0)
		return (struct address){0};
	return from_storage(&storage, len);
}

struct address address_of_self(int fd)
{
	struct sockaddr_storage storage = {0};
	socklen_t len = sizeof(storage);

	if (getsockname(fd, (struct sockaddr *)&storage, &len) != 0)
		return (struct address){0};
	return from_storage(&storage, len);
}

char *address_print(const struct address *address, char out[ADDRESS_TEXT_LEN])
{
	switch ((enum address_family)address->family) {
	case ADDRESS_IPV4:
		inet_ntop(AF_INET, address->bytes, out, ADDRESS_TEXT_LEN);
		break;
	case ADDRESS_IPV6:
		inet_ntop(AF_INET6, address->bytes, out, ADDRESS_TEXT_LEN);
		break;
	case ADDRESS_UNIX:
		snprintf(out, ADDRESS_TEXT_LEN, "unix");
		break;
	case ADDRESS_NONE:
		snprintf(out, ADDRESS_TEXT_LEN, "(nowhere)");
		break;
	}
	return out;
}

char *address_print_with_port(const struct address *address, char out[ADDRESS_TEXT_LEN])
{
	char host[ADDRESS_TEXT_LEN];
	bool is_ipv6 = address->family == ADDRESS_IPV6;

	address_print(address, host);
	/* No address is longer than 45 letters. */
	snprintf(out, ADDRESS_TEXT_LEN, "%s%.46s%s:%u", is_ipv6 ? "[" : "", host,
		 is_ipv6 ? "]" : "", address->port);
	return out;
}

bool address_equal(const struct address *a, const struct address *b)
{
	return a->family == b->family && a->port == b->port &&
	       memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* ---- endpoints ---- */

struct endpoint endpoint_from_address(const struct address *address, uint16_t port)
{
	struct endpoint e = {0};

	if (address->family == ADDRESS_IPV4) {
		struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

		memcpy(&in.sin_addr, address->bytes, 4);
		memcpy(&e.storage, &in, sizeof(in));
		e.len = sizeof(in);
	} else {
		struct sockaddr_in6 in = {.sin6_family = AF_INET6,
					  .sin6_port = htons(port)};

		CHECK(address->family == ADDRESS_IPV6);
		memcpy(&in.sin6_addr, address->bytes, 16);
		memcpy(&e.storage, &in, sizeof(in));
		e.len = sizeof(in);
	}
	return e;
}

bool endpoint_from_ip(const char *text, uint16_t port, struct endpoint *out)
{
	struct address a = {0};

	if (inet_pton(AF_INET, text, a.bytes) == 1)
		a.family = ADDRESS_IPV4;
	else if (inet_pton(AF_INET6, text, a.bytes) == 1)
		a.family = ADDRESS_IPV6;
	else
		return false;
	*out = endpoint_from_address(&a, port);
	return true;
}

bool endpoint_from_unix(const char *directory, uint16_t port, struct endpoint *out)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct endpoint e = {0};
	int len = snprintf(e.unix_path, sizeof(e.unix_path), "%s" SOCKET_NAME "%u",
			   directory, port);

	if (len < 0 || (size_t)len >= sizeof(un.sun_path))
		return false;
	memcpy(un.sun_path, e.unix_path, (size_t)len);
	e.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len);
	if (directory[0] == '@')
		un.sun_path[0] = '\0';
	else
		e.len++; /* a path ends in NUL, an abstract name where its length says */
	memcpy(&e.storage, &un, sizeof(un));
	*out = e;
	return true;
}

const char *endpoint_unix_path(const struct endpoint *endpoint)
{
	return endpoint->unix_path;
}

bool endpoint_is_unix(const struct endpoint *endpoint)
{
	return endpoint->storage.ss_family == AF_UNIX;
}

char *endpoint_print(const struct endpoint *endpoint, char *out, size_t cap)
{
	struct address address = address_of_endpoint(endpoint);
	char text[ADDRESS_TEXT_LEN];

	if (endpoint_is_unix(endpoint))
		snprintf(out, cap, "%s", endpoint->unix_path);
	else
		snprintf(out, cap, "%s", address_print_with_port(&address, text));
	return out;
}
