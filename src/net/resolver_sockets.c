/*
 * Sockets of c-ares by their number.
 */
#include "net/resolver_sockets.h"

#include <stdlib.h>

void resolver_sockets_init(struct resolver_sockets *sockets, struct resolver *resolver,
			   struct loop *loop, loop_io_fn on_ready)
{
	*sockets = (struct resolver_sockets){
	    .loop = loop, .resolver = resolver, .on_ready = on_ready};
	LIST_INIT(&sockets->list);
}

static struct resolver_socket *find_socket(struct resolver_sockets *sockets, int fd)
{
	struct resolver_socket *socket;

	LIST_FOREACH(socket, &sockets->list, place)
	if (loop_io_fd(&socket->io) == fd)
		break;
	return socket;
}

static struct resolver_socket *add_socket(struct resolver_sockets *sockets, int fd)
{
	struct resolver_socket *socket = calloc(1, sizeof(*socket));

	if (!socket)
		return NULL; /* nobody hears the answer: the query times out */
	socket->resolver = sockets->resolver;
	loop_io_init(&socket->io, fd, sockets->on_ready);
	LIST_INSERT_HEAD(&sockets->list, socket, place);
	return socket;
}

void resolver_sockets_watch(struct resolver_sockets *sockets, int fd, int events)
{
	struct resolver_socket *socket = find_socket(sockets, fd);

	if (!socket && events)
		socket = add_socket(sockets, fd);
	if (!socket)
		return;
	loop_io_watch(sockets->loop, &socket->io, events);
	if (events == 0) {
		LIST_REMOVE(socket, place);
		free(socket);
	}
}
