/*
 * A small world around a dispatcher: clients and servers on fake transports, a clock that
 * stands still until a test moves it, and a soundness check after every turn.
 *
 * Nothing of the relay is replaced: connects, and the streams they lead to, are caught
 * where relay/ calls net/ (by the linker's --wrap), so a server is logged in to as in
 * life. A test holds an actor, the far end of one connection.
 */
#ifndef POOLER_TEST_SCENARIO_WORLD_H
#define POOLER_TEST_SCENARIO_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "harness/fake_peer.h"
#include "net/connector.h"
#include "relay/dispatcher.h"
#include "scenario/proving.h"
#include "scenario/script.h"

enum actor_kind { ACTOR_CLIENT, ACTOR_SERVER, ACTOR_CANCEL };

struct actor {
	TAILQ_ENTRY(actor) place;
	struct world *world;
	enum actor_kind kind;
	struct fake_peer peer;
	struct connector
	    *connector; /* asks to be connected; NULL when it has its answer */
	connector_fn on_done;
	uint64_t id;           /* of the client or server at the pooler */
	unsigned number;       /* servers: 1 is the first ever opened; its key, too */
	bool has_startup;      /* server: the startup packet has come */
	bool has_greeted;      /* server: it has answered that */
	bool stays;            /* client: does not close when the pooler has finished */
	bool answers;          /* server: answers by itself; see answering.h */
	struct server_key key; /* client: that it was greeted with */
	uint32_t version;      /* server: of the protocol that it was asked for */
	struct answering *answering; /* server: what that needs */
	struct prover *prover;       /* client: proves who it is; see proving.h */
	struct examiner *examiner;   /* server: asks for that */
	char startup[256];           /* server: in the words of script_write_startup() */
	char told[SCRIPT_TEXT_LEN];
};
TAILQ_HEAD(actors, actor);

struct world {
	struct loop loop;
	struct dispatcher dispatcher;
	const struct config *config;
	struct actors actors;
	struct actor *accepting; /* whose connect is being answered */
	unsigned server_count;   /* ever opened */
	unsigned progress_count; /* console.on_progress */
	/* What servers do by themselves; all true at the beginning. */
	bool accepts; /* they take connections */
	bool logs_in; /* they greet who comes */
	bool answers; /* false at the beginning: servers opened from here on answer */
	const char *greeting;           /* before K and Z */
	struct examination examination; /* what comes before it, from here on */
	bool is_begun;                  /* the dispatcher is whole */
};

/* The world's own messages to who logs in, in words. */
#define PARAMETERS                                                                       \
	"S[application_name=] S[client_encoding=UTF8] S[server_version=15.0] "           \
	"S[TimeZone=UTC]"
#define GREETING "R " PARAMETERS " K Z[I]"

/* lines: of the [pooler] section, and what sections follow. There are the databases app,
 * other, and shared, whose forced user is "pool". */
void world_begin(struct world *w, const char *lines);
/* The same where that may fail: 0 or -errno; world_end() is due in either case. */
int world_try_begin(struct world *w, const char *lines);
/* All ends, and nothing is left. */
void world_end(struct world *w);

/* Puts other lines in force, as RELOAD does. */
void world_reload(struct world *w, const char *lines);

/* Everybody does what he can, turn by turn, until nothing happens any more. */
void world_settle(struct world *w);
/* One turn of that: everybody once, then the end of the loop's turn. Whether anybody did
 * anything. */
bool world_turn(struct world *w);
/* Time passes, with every deadline at its moment. */
void world_pass(struct world *w, uint64_t us);

/* Whether the pooler's code is running just now, rather than the world's: for who lets
 * memory fail. */
bool world_pooler_is_at_work(void);

/* Checks that all is sound and every counter is what a recount gives. */
void world_check(struct world *w);
/* No client, server, waiter, cancel or deadline is left (but pools are). */
void world_is_empty(struct world *w);
/* Nobody but servers that are free: so many. */
void world_has_free_servers(struct world *w, unsigned count);

struct pool *world_pool(struct world *w, const char *database, const char *user);

/* ---- actors ---- */

/* A client that has connected and said nothing. */
struct actor *world_connect(struct world *w);
/* A client that has sent its startup packet, of protocol 3.0 unless the pairs begin with
 * "3.2;"; settled. */
struct actor *world_client(struct world *w, const char *pairs);
/* The same, logged in as anna to the database app, and the greeting heard. */
struct actor *world_session(struct world *w);

/* The servers that were ever asked for, 1 is the first; NULL when there were fewer. */
struct actor *world_server(struct world *w, unsigned number);
/* The last connect for a cancel request that was asked for; NULL for none. */
struct actor *world_cancel(struct world *w);
/* A canceller that brings this client's key; settled. */
struct actor *world_canceller(struct world *w, const struct actor *client);

/* Answers a connect: it succeeds, or fails with this errno. */
void actor_accept(struct actor *a);
void actor_refuse(struct actor *a, int error);
/* A server that was accepted greets. */
void actor_greet(struct actor *a);

/* What it does by itself, and what its stream waits for, once; whether it was anything.
 * Part of world_settle(). */
bool actor_step(struct actor *a);

/* Says something: the first without, the second with settling. */
void actor_push(struct actor *a, const char *script);
void actor_push_bytes(struct actor *a, struct slice bytes);
void say(struct actor *a, const char *script);
/* All that it has heard since, in words. */
const char *heard(struct actor *a);
/* The whole text of the latest error or notice that actor has heard and not yet told:
 * a field by its letter, "" when there is none. */
const char *heard_field(struct actor *a, char field);

/* The body of a BackendKeyData that a client was greeted with. heard() does it, too. */
void actor_learn_key(struct actor *a, struct slice key);

/* Closes its side; it has gone; settled. */
void leave(struct actor *a);
/* The same as a reset of the connection. */
void break_off(struct actor *a);
/* Whether the pooler has let go of it. */
bool is_gone(const struct actor *a);

struct client *client_of(const struct actor *a); /* NULL when it is gone */
struct server *actor_server(const struct actor *a);

/* Frees an actor that is gone; for worlds that last. */
void actor_forget(struct actor *a);

#define ASSERT_HEARS(actor, text) assert_string_equal(heard(actor), text)

#endif
