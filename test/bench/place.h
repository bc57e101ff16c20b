/*
 * A place to listen at or to connect to, written "127.0.0.1:5432" or as the path of a
 * Unix socket, and the descriptors a program may have.
 */
#ifndef BENCH_PLACE_H
#define BENCH_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct place {
	struct sockaddr_storage address;
	socklen_t len;
};

/* False if the text is neither IPv4:port nor an absolute path. */
bool place_parse(const char *text, struct place *out);

/* A listening, non-blocking socket, or the end of the program. Port 0 lets the kernel
 * choose; place_port tells what it chose (0 for a Unix socket). */
int place_listen(const struct place *at);
unsigned place_port(int fd);

/* A non-blocking socket whose connection is made or under way, or -errno. A source above
 * 0 connects from 127.0.0.source, since one address has only some 28,000 ports. */
int place_connect(const struct place *to, unsigned source);

/* As many descriptors as may be had, `wanted` if possible. Returns how many. */
size_t descriptors_raise(size_t wanted);

uint64_t now_ns(void);

#endif
