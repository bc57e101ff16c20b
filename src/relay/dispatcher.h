/*
 * Carries out what pool/ decides: grants servers, opens new ones, refuses; releases and
 * frees what was closed. Everything that relays hangs off this struct.
 */
#ifndef POOLER_RELAY_DISPATCHER_H
#define POOLER_RELAY_DISPATCHER_H

#include "base/log.h"
#include "base/slab.h"
#include "net/loop.h"
#include "net/tuning.h"
#include "pool/cancels.h"
#include "pool/pools.h"
#include "pool/statements.h"
#include "proto/params.h"
#include "relay/client.h"
#include "relay/logins.h"
#include "relay/memory.h"
#include "relay/server.h"

struct cancel;
struct keyring;
struct resolver;

/* How the console, a floor above, takes part: a client for it is handed over after its
 * login and given back when it closes. */
struct console_ops {
	/* The client is in state CONSOLE, not yet welcomed. */
	void (*on_login)(struct client *client, void *context);
	size_t (*on_data)(struct client *client, struct slice bytes);
	void (*on_drained)(struct client *client);
	/* A cancel request for it: end what it waits for. */
	void (*on_cancel)(struct client *client);
	/* It is closing: free client->console. */
	void (*on_close)(struct client *client);
	/* A client or server has come, gone or become free: somebody may be waiting for
	 * that. Called at most once a turn, and only after dispatcher_watch_progress().
	 */
	void (*on_progress)(void *context);
	void *context;
};

/* What the dispatcher needs of those above it in this room; filled in by events. */
struct relay_ops {
	const struct stream_ops *client_stream, *server_stream;
	login_gate_fn displace_login;
	loop_task_fn pump_client;
	deadline_fn client_due, server_due, pool_due, pools_due;
	loop_reap_fn reap;                     /* gives back what the closed held */
	void (*open_server)(struct server *s); /* connect and log in */
	void (*welcome)(struct client *c);     /* a login that waited is complete */
	void (*prepare)(struct client *c, struct server *s); /* just linked */
	void (*check)(struct server *s);                     /* was idle for long */
	void (*ask_memory)(struct server *s);                /* how much it uses */
	void (*end_cancels)(struct dispatcher *d);
};

enum shutdown_mode {
	SHUTDOWN_NONE,
	SHUTDOWN_WAIT_FOR_SERVERS, /* no server is handed out any more */
	SHUTDOWN_WAIT_FOR_CLIENTS, /* nobody new comes in */
};

TAILQ_HEAD(cancel_list, cancel);

struct dispatcher {
	struct loop *loop;
	const struct config *config; /* the snapshot in force, counted */
	struct resolver *resolver;
	struct tuning tuning;
	struct pools pools;
	struct cancels cancels;
	struct params_store params;
	struct statements statements;
	struct memory memory;
	struct logins logins;
	struct slab client_slab, server_slab, waiter_slab;
	struct clients clients; /* all that are not closing, in order of arrival */
	struct clients
	    closing_clients; /* to be released, or freed, at the end of the turn */
	struct clients lingering_clients; /* released; their last words are on the way */
	struct servers servers; /* all that are not closing, in order of opening */
	struct servers closing_servers;
	struct cancel_list cancel_list;     /* cancel requests on their way to servers */
	struct cancel_list waiting_cancels; /* until it is their turn */
	struct cancel_list ended_cancels;   /* to be freed at the end of the turn */
	const struct relay_ops *ops;
	struct console_ops console;
	struct deadline expiry; /* of unused automatic databases */
	bool has_expiry;        /* there is room for it in the loop */
	struct log_limit crowded_log, refusal_log, trial_log;
	size_t client_count;  /* of `clients`; login included */
	size_t login_count;   /* of these: not logged in yet */
	size_t console_count; /* of these: on the console */
	size_t pooled_count; /* of these: with a pool; so they have proved who they are */
	size_t cancel_count; /* on their way */
	size_t waiting_cancel_count;
	size_t notifier_count;
	size_t client_ceiling;    /* what the descriptors allow */
	uint64_t last_refusal_us; /* of what was refused at arrival */
	int server_fd_ceiling; /* descriptors from this on are not for servers; 0: all are
				*/
	uint64_t last_client_id, last_server_id, last_pool_serial;
	enum shutdown_mode shutdown;
	bool logs_moves; /* -vv: every change of state is logged */
	bool is_progress_watched;
	bool has_progressed;
};

/* What a dispatcher stands on; all of it outlives it (the configuration is counted). */
struct dispatcher_ground {
	struct loop *loop;
	struct resolver *resolver;
	const struct config *config;
	struct keyring *keyring; /* that the configuration names; the dispatcher's from
				    here on */
	const struct relay_ops *ops;
	struct console_ops console;
	size_t client_ceiling;
	int server_fd_ceiling;
};

/* 0 or -errno. */
int dispatcher_init(struct dispatcher *d, const struct dispatcher_ground *ground);
/* Closes everything at once. */
void dispatcher_fini(struct dispatcher *d);

/* What is kept of the settings beside the snapshot follows it. */
void dispatcher_take_settings(struct dispatcher *d);

/* A new client, its stream not yet open; NULL when memory is short. */
struct client *dispatcher_add_client(struct dispatcher *d, enum client_origin origin);

/* ---- clients ask ---- */

/* What became of a client that needs a server. */
enum dispatch {
	DISPATCH_LINKED,  /* it has one */
	DISPATCH_WAITING, /* it stands in the line; its pump is posted when granted */
	DISPATCH_REFUSED, /* it has been told; see refusal.h */
};
enum dispatch dispatcher_ask(struct client *c);

/* The pool's first server is there: all who wait are logins that wanted nothing but to
 * learn what to be greeted with. */
void dispatcher_greet_line(struct dispatcher *d, struct pool *pool);
/* Somebody is served again: until when the others may wait counts from now, see
 * standing.h. Linear, and so for what happens seldom. */
void dispatcher_arm_line(struct pool *pool);
/* Leaves the line it stands in, if it does; its state is the caller's business. */
void dispatcher_leave_line(struct client *c);
/* A waiting client leaves the line and is idle (or in its login) again. */
void dispatcher_withdraw(struct client *c);

/* A client that may enter has its pool from here on: counted in its limits. */
void dispatcher_join_pool(struct client *c, struct pool *pool);

/* ---- servers come and go ---- */

/* A new server in state CONNECTING, in no pool yet; NULL when memory is short. */
struct server *dispatcher_make_server(struct dispatcher *d);
/* Takes that back. */
void dispatcher_unmake_server(struct server *s);

/* A login has succeeded: the server joins its pool. */
void dispatcher_server_opened(struct server *s);
/* An attempt to open one has failed: those who wait are told if nothing else can serve
 * them. The server is closed. */
void dispatcher_server_failed(struct server *s, enum reach why,
			      const struct notice *notice);
/* Nothing is left to do on it: the next waiter gets it, or it is idle. */
void dispatcher_server_free(struct server *s);
/* Closes an idle server if its time has come; whether it stays. */
bool dispatcher_judge_idle(struct server *s);
/* The last words of a closing client are out, or there is no more time for them. */
void dispatcher_end_linger(struct client *c);

/* After anything that could let a waiter of this pool be served or a server be opened. */
void dispatcher_serve(struct dispatcher *d, struct pool *pool);
/* Opens what the pool wants and may have. */
void dispatcher_open_wanted(struct dispatcher *d, struct pool *pool);
/* A pool's deadline: its reserve, its pause after a failure, or its end. */
void dispatcher_pool_due(struct deadline *due, uint64_t now_us);
/* After a limit may have got room: serves those who wait for it, in turn. */
void dispatcher_serve_blocked(struct dispatcher *d, struct usage *usage);
/* Nobody will open a server for this line soon: all who wait are told why. */
void dispatcher_refuse_line(struct pool *pool);

/* ---- those who wait for quiet ---- */

/* Calls console.on_progress from now on (or not any more). */
static inline void dispatcher_watch_progress(struct dispatcher *d, bool watch)
{
	d->is_progress_watched = watch;
}

/* Something changed that somebody may wait for. */
static inline void dispatcher_note_progress(struct dispatcher *d)
{
	d->has_progressed = true;
	if (d->is_progress_watched)
		loop_want_reap(d->loop);
}

static inline uint64_t dispatcher_now(const struct dispatcher *d)
{
	return d->loop->now_us;
}

#endif
