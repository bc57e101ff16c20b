/*
 * All places the pooler listens on.
 */
#include "app/ports.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "net/transport.h"
#include "proto/notice.h"
#include "proto/writer.h"
#include "relay/dispatcher.h"
#include "relay/events.h"

/* ---- opening ---- */

struct opening_ports {
	struct ports *ports;
	struct loop *loop;
	const struct settings *settings;
	size_t opened; /* since the last look */
	int error;     /* of the last that failed */
};

static int open_one(struct opening_ports *o, const struct endpoint *at,
		    enum client_origin origin)
{
	const struct settings *settings = o->settings;
	struct listener_options options = {
	    .backlog = settings->listen_backlog,
	    .reuse_port = settings->so_reuseport,
	    .defer_accept_s = settings->tcp_defer_accept ? 1 : 0,
	    .unix_mode = settings->unix_socket_mode,
	    .unix_group = settings->unix_socket_group,
	};
	struct port *port = &o->ports->items[o->ports->count];
	const char *what = "listen";
	char name[160];

	*port = (struct port){.origin = origin};
	int err = listener_open(&port->listener, o->loop, at, &options, &what);
	endpoint_print(at, name, sizeof(name));
	if (err) {
		log_error("cannot listen on %s: %s: %s", name, what, strerror(-err));
		o->error = err;
		return err;
	}
	log_info("listening on %s%s", name, origin == CLIENT_BY_ADMIN ? " (admin)" : "");
	o->ports->count++;
	o->opened++;
	return 0;
}

/* A listener's place must not change once it is open. */
enum { PORTS_MAX = 64 };

static void open_host(struct opening_ports *o, const char *host, uint16_t port,
		      enum client_origin origin)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *found, *at;
	char service[8];
	bool is_any = strcmp(host, "*") == 0;

	snprintf(service, sizeof(service), "%u", port);
	int err = getaddrinfo(is_any ? NULL : host, service, &hints, &found);
	if (err) {
		log_error("cannot listen on \"%s\": %s", host, gai_strerror(err));
		o->error = -EADDRNOTAVAIL;
		return;
	}
	for (at = found; at && o->ports->count < PORTS_MAX; at = at->ai_next) {
		struct endpoint endpoint = {.len = at->ai_addrlen};
		memcpy(&endpoint.storage, at->ai_addr, at->ai_addrlen);
		open_one(o, &endpoint, origin);
	}
	freeaddrinfo(found);
}

static void open_list(struct opening_ports *o, const char *list, uint16_t port,
		      enum client_origin origin)
{
	char host[256];

	while (*list) {
		size_t len = strcspn(list, ", \t");
		if (len > 0) {
			text_copy(host, sizeof(host), slice_of(list, len));
			open_host(o, host, port, origin);
		}
		list += len + strspn(list + len, ", \t");
	}
}

static void open_unix(struct opening_ports *o)
{
	const struct settings *settings = o->settings;
	struct endpoint at;

	if (!settings->unix_socket_dir[0])
		return;
	if (!endpoint_from_unix(settings->unix_socket_dir,
				(uint16_t)settings->listen_port, &at)) {
		log_error("unix_socket_dir is too long for a socket's name: %s",
			  settings->unix_socket_dir);
		o->error = -ENAMETOOLONG;
		return;
	}
	/* Whoever owns that socket may be a pooler of the same configuration; and without
	 * it local clients and the administrator would be shut out. */
	int err = open_one(o, &at, CLIENT_BY_UNIX);
	if (err == -EADDRINUSE)
		log_fatal("unix socket is in use, cannot continue");
	if (err)
		o->opened = 0;
}

int ports_open(struct ports *ports, struct loop *loop, const struct settings *settings)
{
	struct opening_ports o = {.ports = ports, .loop = loop, .settings = settings};

	*ports = (struct ports){.items = calloc(PORTS_MAX, sizeof(struct port))};
	if (!ports->items)
		return -ENOMEM;
	open_list(&o, settings->listen_addr, (uint16_t)settings->listen_port,
		  CLIENT_BY_TCP);
	if (settings->listen_addr[0] && o.opened == 0)
		return o.error ? o.error : -EADDRNOTAVAIL;
	open_unix(&o);
	if (o.opened == 0)
		return o.error ? o.error : -EADDRNOTAVAIL;
	o.opened = 0;
	if (settings->admin_port == 0)
		return 0;
	open_list(&o, settings->admin_listen_addr, (uint16_t)settings->admin_port,
		  CLIENT_BY_ADMIN);
	return o.opened > 0 ? 0 : o.error;
}

/* So many more than can be served may be at the door, to be told so in answer to their
 * startup packet; descriptors beyond that are kept for the console and servers. Where
 * there are few, as few of these. */
enum { CROWD_AT_DOOR = 32, CLIENTS_PER_CROWD = 16 };

/* ---- accepting ---- */

/* Not even a descriptor for it: a last word that any client understands. */
static void on_crowded(struct listener *listener, int fd)
{
	struct port *port = listener->owner;
	const struct closing_row *row = closing_row(CLOSE_NO_DESCRIPTORS);
	struct buffer message = {0};
	struct writer w = writer_of(&message);
	unsigned skipped;

	notice_write(&w, &(struct notice){.severity = row->severity,
					  .sqlstate = row->sqlstate,
					  .message = row->text});
	if (writer_finish(&w))
		send(fd, message.data, buffer_len(&message), MSG_NOSIGNAL | MSG_DONTWAIT);
	buffer_fini(&message);
	if (log_limit_may(&port->dispatcher->crowded_log,
			  dispatcher_now(port->dispatcher), &skipped))
		log_warning(
		    "out of file descriptors: client refused (%u more since the last "
		    "line like this)",
		    skipped);
}

static bool is_crowded(const struct dispatcher *d)
{
	size_t crowd = d->client_ceiling / CLIENTS_PER_CROWD;

	return d->client_count >
	       d->client_ceiling + (crowd < CROWD_AT_DOOR ? crowd : CROWD_AT_DOOR);
}

static void on_accept(struct listener *listener, int fd)
{
	struct port *port = listener->owner;
	struct dispatcher *d = port->dispatcher;

	if (port->origin != CLIENT_BY_ADMIN && is_crowded(d)) {
		on_crowded(listener, fd);
		close(fd);
		return;
	}
	if (port->origin != CLIENT_BY_UNIX)
		tuning_apply(fd, &d->tuning);
	events_accept(d, fd, &transport_plain, port->origin);
}

static const struct listener_ops port_ops = {.on_accept = on_accept,
					     .on_crowded = on_crowded};

void ports_start(struct ports *ports, struct dispatcher *dispatcher)
{
	for (size_t i = 0; i < ports->count; i++) {
		ports->items[i].dispatcher = dispatcher;
		listener_start(&ports->items[i].listener, &port_ops, &ports->items[i]);
	}
}

void ports_close_tcp(struct ports *ports)
{
	for (size_t i = 0; i < ports->count; i++)
		if (ports->items[i].origin == CLIENT_BY_TCP)
			listener_close(&ports->items[i].listener);
}

void ports_fini(struct ports *ports)
{
	for (size_t i = 0; i < ports->count; i++)
		listener_close(&ports->items[i].listener);
	free(ports->items);
	*ports = (struct ports){0};
}
