/*
 * Connects to the addresses of a host, one after the other. How long it may take
 * altogether is the owner's business: connector_stop() ends it at any time.
 */
#include "net/connector.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

/* ---- the end ---- */

static void clear(struct connector *c)
{
	resolver_forget(&c->query);
	loop_unpost(c->loop, &c->later);
	free(c->addresses);
	free(c->host);
	c->addresses = NULL;
	c->host = NULL;
	c->fd = -1;
	c->on_done = NULL;
}

/* The connector may be freed or used again in on_done. */
static void finish(struct connector *c)
{
	connector_fn on_done = c->on_done;
	char problem[sizeof(c->problem)];
	int error = c->error;
	int fd = c->fd;

	memcpy(problem, c->problem, sizeof(problem));
	if (fd >= 0) {
		loop_io_watch(c->loop, &c->io, 0);
		problem[0] = '\0';
		error = 0;
	}
	clear(c);
	on_done(c, fd, error, problem);
}

static void finish_later(struct loop_task *task)
{
	finish((struct connector *)(void *)((char *)task -
					    offsetof(struct connector, later)));
}

bool connector_error_is_ours(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS ||
	       error == ENOMEM || error == EADDRNOTAVAIL;
}

/* ---- one address ---- */

static void note_problem(struct connector *c, const struct endpoint *at, int error)
{
	struct address address = address_of_endpoint(at);
	char text[ADDRESS_TEXT_LEN];

	c->error = error;
	if (endpoint_is_unix(at)) {
		snprintf(c->problem, sizeof(c->problem),
			 "could not connect to Unix socket \"%s\": %s",
			 endpoint_unix_path(at), strerror(error));
		return;
	}
	address_print(&address, text);
	if (!c->host || strcmp(c->host, text) == 0)
		snprintf(c->problem, sizeof(c->problem),
			 "could not connect to host \"%s\", port %u: %s", text,
			 address.port, strerror(error));
	else
		snprintf(c->problem, sizeof(c->problem),
			 "could not connect to host \"%.64s\", port %u (%s): %s", c->host,
			 address.port, text, strerror(error));
}

enum attempt { ATTEMPT_CONNECTED, ATTEMPT_UNDER_WAY, ATTEMPT_FAILED };

static void on_ready(struct loop *loop, struct loop_io *io, int events);

static enum attempt attempt(struct connector *c, const struct endpoint *at)
{
	int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int fd = socket(at->storage.ss_family, type, 0);

	if (fd < 0) {
		note_problem(c, at, errno);
		return ATTEMPT_FAILED;
	}
	tuning_apply(fd, &c->tuning);
	int rc = connect(fd, (const struct sockaddr *)&at->storage, at->len);
	if (rc != 0 && errno != EINPROGRESS) {
		note_problem(c, at, errno);
		close(fd);
		return ATTEMPT_FAILED;
	}
	c->fd = fd;
	loop_io_init(&c->io, fd, on_ready);
	if (rc == 0)
		return ATTEMPT_CONNECTED;
	loop_io_watch(c->loop, &c->io, LOOP_WRITE);
	return ATTEMPT_UNDER_WAY;
}

/* ---- one after the other ---- */

static struct endpoint endpoint_of(const struct connector *c, size_t i)
{
	return endpoint_from_address(&c->addresses[i], c->port);
}

/* Goes on until an attempt is under way or there is a result. */
static void try_next(struct connector *c)
{
	while (c->next < c->count) {
		struct endpoint at = endpoint_of(c, c->next);

		c->next++;
		switch (attempt(c, &at)) {
		case ATTEMPT_CONNECTED:
			finish(c);
			return;
		case ATTEMPT_UNDER_WAY:
			return;
		case ATTEMPT_FAILED:
			break;
		}
	}
	finish(c);
}

static int error_of(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		return errno;
	return error;
}

static void on_ready(struct loop *loop, struct loop_io *io, int events)
{
	struct connector *c =
	    (struct connector *)(void *)((char *)io - offsetof(struct connector, io));
	int error = error_of(c->fd);

	(void)events;
	if (error == 0) {
		finish(c);
		return;
	}
	struct endpoint at = endpoint_of(c, c->next - 1);
	note_problem(c, &at, error);
	loop_io_watch(loop, &c->io, 0);
	close(c->fd);
	c->fd = -1;
	try_next(c);
}

static void on_answer(struct resolver_query *query, const struct address *addresses,
		      size_t count, const char *problem)
{
	struct connector *c =
	    (struct connector *)(void *)((char *)query -
					 offsetof(struct connector, query));

	if (count == 0) {
		snprintf(c->problem, sizeof(c->problem), "%s", problem);
		finish(c);
		return;
	}
	c->addresses = malloc(count * sizeof(*addresses));
	if (!c->addresses) {
		c->error = ENOMEM;
		snprintf(c->problem, sizeof(c->problem), "%s", strerror(ENOMEM));
		finish(c);
		return;
	}
	memcpy(c->addresses, addresses, count * sizeof(*addresses));
	c->count = count;
	try_next(c);
}

/* ---- starting and stopping ---- */

static void init(struct connector *c, struct loop *loop, const struct tuning *tuning,
		 connector_fn on_done)
{
	*c = (struct connector){.loop = loop,
				.later.run = finish_later,
				.tuning = *tuning,
				.on_done = on_done,
				.fd = -1};
}

/* Keeps the address where a failure that comes later can find it. */
static bool keep_address(struct connector *c, const struct endpoint *at)
{
	struct address address = address_of_endpoint(at);

	c->addresses = malloc(sizeof(*c->addresses));
	if (!c->addresses)
		return false;
	c->addresses[0] = address;
	c->count = c->next = 1;
	c->port = address.port;
	return true;
}

static void start_at(struct connector *c, const struct endpoint *at)
{
	if (!endpoint_is_unix(at) && !keep_address(c, at)) {
		note_problem(c, at, ENOMEM);
		loop_post(c->loop, &c->later);
	} else if (attempt(c, at) != ATTEMPT_UNDER_WAY) {
		loop_post(c->loop, &c->later);
	}
}

void connector_start_at(struct connector *c, struct loop *loop, const struct endpoint *at,
			const struct tuning *tuning, connector_fn on_done)
{
	CHECK(!c->on_done);
	init(c, loop, tuning, on_done);
	start_at(c, at);
}

static void start_at_unix(struct connector *c, const char *directory)
{
	struct endpoint at;

	if (endpoint_from_unix(directory, c->port, &at)) {
		start_at(c, &at);
		return;
	}
	c->error = ENAMETOOLONG;
	snprintf(c->problem, sizeof(c->problem),
		 "could not connect to Unix socket in \"%.64s\": the name is too long",
		 directory);
	loop_post(c->loop, &c->later);
}

void connector_start(struct connector *c, struct loop *loop, struct resolver *resolver,
		     const char *host, uint16_t port, const struct tuning *tuning,
		     connector_fn on_done)
{
	CHECK(!c->on_done);
	init(c, loop, tuning, on_done);
	c->port = port;
	if (host[0] == '/' || host[0] == '@') {
		start_at_unix(c, host);
		return;
	}
	c->host = strdup(host);
	if (c->host) {
		resolver_ask(resolver, &c->query, host, on_answer);
		return;
	}
	c->error = ENOMEM;
	snprintf(c->problem, sizeof(c->problem), "%s", strerror(ENOMEM));
	loop_post(loop, &c->later);
}

void connector_stop(struct connector *c)
{
	if (!c->on_done)
		return;
	if (c->fd >= 0) {
		loop_io_watch(c->loop, &c->io, 0);
		close(c->fd);
	}
	clear(c);
}
