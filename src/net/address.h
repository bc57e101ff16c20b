/*
 * Addresses of sockets: parsed from text, printed, compared. Small enough to be kept by
 * every client.
 */
#ifndef POOLER_NET_ADDRESS_H
#define POOLER_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum address_family { ADDRESS_NONE, ADDRESS_IPV4, ADDRESS_IPV6, ADDRESS_UNIX };

/* Where a peer is. 20 bytes: the path of a Unix socket is not kept. */
struct address {
	uint8_t bytes[16]; /* network order; IPv4 uses the first four */
	uint16_t port;     /* host order */
	uint8_t family;    /* enum address_family */
};

/* Somewhere to bind or to connect to. */
struct endpoint {
	struct sockaddr_storage storage;
	socklen_t len;
	char unix_path[112]; /* as people write it: "@..." when abstract */
};

enum { ADDRESS_TEXT_LEN = 64 };

/* The peer's or our own address of a connected socket. ADDRESS_NONE on failure. IPv4 that
 * came in by an IPv6 socket is IPv4; the port of a Unix socket is that in its name, 0 if
 * it has none. */
struct address address_of_peer(int fd);
struct address address_of_self(int fd);
struct address address_of_endpoint(const struct endpoint *endpoint);

/* "127.0.0.1", "::1", "unix"; without the port. Returns out. */
char *address_print(const struct address *address, char out[ADDRESS_TEXT_LEN]);
/* "127.0.0.1:6432", "[::1]:6432", "unix:6432". Returns out. */
char *address_print_with_port(const struct address *address, char out[ADDRESS_TEXT_LEN]);

bool address_equal(const struct address *a, const struct address *b);

/* From an IPv4 or IPv6 address in figures; false when the text is none. */
bool endpoint_from_ip(const char *text, uint16_t port, struct endpoint *out);
/* The same from a known address with another port; family must be IPV4 or IPV6. */
struct endpoint endpoint_from_address(const struct address *address, uint16_t port);
/* directory/.s.PGSQL.port, or an abstract socket when the directory starts with '@';
 * false when the path is too long. */
bool endpoint_from_unix(const char *directory, uint16_t port, struct endpoint *out);
/* The path, or "@..." for an abstract socket, of a Unix endpoint; "" for others. */
const char *endpoint_unix_path(const struct endpoint *endpoint);
bool endpoint_is_unix(const struct endpoint *endpoint);
/* "127.0.0.1:5432", or the path of a Unix socket. Returns out. */
char *endpoint_print(const struct endpoint *endpoint, char *out, size_t cap);

#endif
