/*
 * The sockets that c-ares has open: it says what is waited for at each, and our loop
 * watches. There are one or two per name server.
 */
#ifndef POOLER_NET_RESOLVER_SOCKETS_H
#define POOLER_NET_RESOLVER_SOCKETS_H

#include "net/loop.h"

struct resolver;

struct resolver_socket {
	struct loop_io io;
	LIST_ENTRY(resolver_socket) place;
	struct resolver *resolver;
};

struct resolver_sockets {
	struct loop *loop;
	struct resolver *resolver; /* only handed on to each socket */
	loop_io_fn on_ready;       /* its io is a resolver_socket's */
	LIST_HEAD(, resolver_socket) list;
};

void resolver_sockets_init(struct resolver_sockets *sockets, struct resolver *resolver,
			   struct loop *loop, loop_io_fn on_ready);

/*
 * Watches for exactly these events from now on. 0: the socket is about to be closed, and
 * is forgotten, so no fini is needed when all have been closed. When memory is short a
 * new socket is not watched.
 */
void resolver_sockets_watch(struct resolver_sockets *sockets, int fd, int events);

#endif
