/*
 * Private servers: connections of a pool's own identity (address, credentials, TLS, and
 * the same login) that are opened for one purpose and stay outside of the pool's cycle.
 * They count under max_db_connections, max_user_connections and max_server_connections,
 * so opening one may have to wait for room there (server_connect_timeout bounds the wait,
 * too); they do not count in the pool's size, and the pool neither hands them out nor
 * closes them. It lives while they do.
 *
 * connect_query is not sent to them. PAUSE and RECONNECT close those that are lasting;
 * others are at work as a server with a client is, and a KILL ends them all.
 */
#ifndef POOLER_RELAY_PRIVATE_H
#define POOLER_RELAY_PRIVATE_H

#include "base/buffer.h"
#include "base/slice.h"
#include "relay/server.h"

struct dispatcher;
struct notice;
struct pool;
struct usage;

/* What the owner is told: that it failed, or that it was opened and, later, closed. Each
 * may end the server by server_close(). */
struct private_ops {
	/* Logged in: SERVER_IDLE, and its stream is the owner's to write to. */
	void (*on_opened)(struct server *s, void *owner);
	/* It will not be opened. The notice is the server's own where it said why;
	 * severity FATAL. Nothing more is told. */
	void (*on_failed)(struct server *s, const struct notice *notice, void *owner);
	/* It is gone, at the end of the turn. A client that was linked to it has been
	 * closed by then. */
	void (*on_closed)(struct server *s, void *owner);
	/* An answer to server_ask(s, SERVER_TASK_PRIVATE, ...): the error in it, and that
	 * it is complete (s->task_failed: with an error). May be NULL where nothing is
	 * asked. */
	void (*on_error)(struct server *s, struct slice body, void *owner);
	void (*on_answer)(struct server *s, void *owner);
	/* A NotificationResponse. May be NULL: then they are dropped. */
	void (*on_notification)(struct server *s, struct slice body, void *owner);
};

struct private_wish {
	enum server_purpose purpose;
	const struct private_ops *ops;
	void *owner;
	/* Pairs for the startup packet, each a NUL-terminated name and value, without the
	 * final NUL; copied. They come behind the ordinary ones, so they win where they
	 * name the same. */
	struct slice startup;
	/* It stays without a client: only so many are allowed, and PAUSE ends it. */
	bool is_lasting;
};

/* What a private server has besides; exactly where purpose is not SERVER_FOR_POOL. */
struct private
{
	const struct private_ops *ops; /* NULL: nobody wants to know any more */
	void *owner;
	struct loop_task start; /* looks for room */
	struct server *server;
	struct buffer startup;
	bool is_opened; /* on_opened has been called */
};

/* Starts to open one, now or when there is room for it; no callback comes before this has
 * returned. NULL when memory is short or the pooler is about to end. */
struct server *private_open(struct dispatcher *d, struct pool *pool,
			    const struct private_wish *wish);

/* The owner is about to go: no callback comes any more. The server is closed. */
void private_abandon(struct server *s, enum closing reason);

/* ---- for the dispatcher and the reaper ---- */

/* There may be room under this limit: those who wait for it are opened, in turn. */
void private_serve(struct dispatcher *d, struct usage *usage);
/* Whether it still waits for room. */
bool private_is_waiting(const struct server *s);
/* It has waited for as long as connecting may take: it has failed; but a database that is
 * paused is waited for. */
void private_wait_timeout(struct server *s);

void private_opened(struct server *s);
/* Once; the server is not closed yet. */
void private_failed(struct server *s, const struct notice *notice);
/* The reaper has taken it out of its pool. Frees s->private. */
void private_closed(struct server *s);
void private_error(struct server *s, struct slice body);
void private_answered(struct server *s);
void private_notified(struct server *s, struct slice body);

#endif
