/*
 * A non-blocking connect to the first address of a host that answers.
 */
#ifndef POOLER_NET_CONNECTOR_H
#define POOLER_NET_CONNECTOR_H

#include "net/resolver.h"
#include "net/tuning.h"

struct connector;

/* fd: the connected socket (non-blocking, close-on-exec, tuned), now the callee's; or -1,
 * and then error is the errno of the last address tried (0 when no address was found) and
 * problem a line that names host, port and reason. */
typedef void (*connector_fn)(struct connector *connector, int fd, int error,
			     const char *problem);

/* Zero is a valid connector with nothing under way. */
struct connector {
	struct loop *loop;
	struct resolver_query query;
	struct loop_task later; /* reports what was known at once */
	struct loop_io io;
	struct address *addresses; /* being tried; owned while connecting */
	size_t count, next;
	struct tuning tuning;
	connector_fn on_done; /* NULL: nothing is under way */
	char *host;           /* NULL for connector_start_at() */
	uint16_t port;
	int fd, error;
	char problem[240];
};

/* Starts. host is a name, an address in figures, a directory of a Unix socket ("/run/x")
 * or
 * "@name" for an abstract one; it is copied. on_done comes once, never from within this
 * call. The struct must stay where it is until then. */
void connector_start(struct connector *connector, struct loop *loop,
		     struct resolver *resolver, const char *host, uint16_t port,
		     const struct tuning *tuning, connector_fn on_done);

/* To one known address instead of a name. */
void connector_start_at(struct connector *connector, struct loop *loop,
			const struct endpoint *endpoint, const struct tuning *tuning,
			connector_fn on_done);

/* Whether it was ourselves who lacked something (descriptors, ports, memory): then
 * nothing is known of the other side. */
bool connector_error_is_ours(int error);

/* Stops without calling on_done; harmless when nothing is under way. */
void connector_stop(struct connector *connector);

#endif
