/*
 * A server connection: its states, its end.
 *
 *   CONNECTING -> LOGIN -> IDLE <-> LINKED     at work
 *   LOGIN, LINKED, IDLE -> CLEANING -> IDLE    a query of the pooler's own, or a cancel
 *   all -> CLOSING
 *
 * Its slot says the same in the words of the pool. What it is asked and has not answered
 * is in the tracker, which also knows who asked.
 */
#ifndef POOLER_RELAY_SERVER_H
#define POOLER_RELAY_SERVER_H

#include "net/address.h"
#include "net/stream.h"
#include "pool/slot.h"
#include "pool/statements.h"
#include "proto/startup.h"
#include "proto/tracker.h"
#include "relay/closing.h"
#include "relay/journal.h"
#include "relay/replay.h"

struct cancel;
struct client;
struct dispatcher;
struct notice;
struct params;
struct private;
struct server_login;

enum server_state {
	SERVER_CONNECTING,
	SERVER_LOGIN,
	SERVER_IDLE,
	SERVER_LINKED,
	SERVER_CLEANING,
	SERVER_CLOSING,
};

/* What it was opened for. */
enum server_purpose {
	SERVER_FOR_POOL,
	SERVER_FOR_NOTIFICATIONS, /* listens for clients whose servers are shared */
	SERVER_FOR_REPLICATION,   /* serves one client from its login to its end */
};

/* What the pooler itself has asked of it and waits for. */
enum server_task {
	SERVER_TASK_NONE,
	SERVER_TASK_PREPARE,       /* parameters for the client it is linked to */
	SERVER_TASK_CONNECT,       /* connect_query */
	SERVER_TASK_BASELINE,      /* what it has set; see baseline.h */
	SERVER_TASK_CONNECT_AGAIN, /* the same query, after what it has set was reset */
	SERVER_TASK_RESET,         /* server_reset_query */
	SERVER_TASK_CHECK,         /* server_check_query */
	SERVER_TASK_PROBE,         /* an empty query, to learn where the answers end */
	SERVER_TASK_PRIVATE,   /* a query of a private server's owner; see private.h */
	SERVER_TASK_LISTENING, /* to what its client listens; see notify.h */
	SERVER_TASK_ROLLBACK,  /* of a transaction whose client has gone */
	SERVER_TASK_DISCARD,   /* of what its clients may have left in it */
	SERVER_TASK_SETTLE,    /* what its client has left in it */
	SERVER_TASK_RESTORE,   /* start-up values behind its client's RESET */
	SERVER_TASK_MEMORY,    /* how much it uses; see checkup.h */
	SERVER_TASK_REGAIN,    /* the same, where it is its client's alone */
};
enum { SERVER_TASKS = SERVER_TASK_REGAIN + 1 };

/* What a server told for cancel requests, as it was sent. */
struct server_key {
	uint16_t len;                       /* 0: it told nothing that can be used */
	uint8_t bytes[STARTUP_KEY_MAX_LEN]; /* first four: process id */
};

struct server {
	struct stream stream;
	struct slot slot;
	struct deadline deadline;
	struct tracker tracker;
	struct server_statements
	    statements;                  /* what it has prepared for those who share it */
	TAILQ_ENTRY(server) place;       /* in one of the dispatcher's lists of servers */
	TAILQ_ENTRY(server) spare_place; /* exactly while SPARE_LISTED; see pin.h */
	struct dispatcher *dispatcher;
	struct client *client;      /* exactly while LINKED */
	struct client *last_client; /* nobody else has used it since; NULL: it is gone */
	struct server_login *login; /* exactly while CONNECTING or LOGIN, but for private
				       ones that wait for room */
	struct private *private;    /* exactly if it is not for the pool; see private.h */
	struct journal journal;     /* effects of questions that are not answered yet */
	struct replay replay;       /* a batch that may have to be asked again */
	struct buffer unnamed;      /* tail of the client's latest unnamed Parse */
	struct buffer drops;        /* names that a text under way drops, each with a NUL;
				       see rewrite_next_drop() */
	uint64_t drops_asked;       /* question: that text */
	uint64_t unnamed_asked;     /* question that prepared it */
	uint64_t stepped_asked;     /* question that was the last to step a sequence */
	uint64_t
	    forgets_before; /* question that is to drop all statements of earlier ones */
	uint64_t
	    forgets_until; /* question: when that is answered, it is known if it did */
	struct params *params; /* what it has; counted */
	struct params *origin; /* what it had after its login; counted */
	struct params *base;   /* the same, and what connect_query has set; counted */
	struct params *wanted; /* what it is being prepared for, if that is not proven
				  yet; counted; NULL: nothing */
	struct params *suits;  /* clients' parameters it is known to suit; counted */
	uint64_t id;
	uint64_t since_us;       /* when it came into its state */
	uint64_t heard_us;       /* when it last said that it is ready */
	uint64_t connect_us;     /* when connecting began */
	uint64_t query_us;       /* when what it is busy with began; 0 = nothing */
	uint64_t transaction_us; /* when the transaction began; 0 = none */
	uint64_t end_us;         /* CLEANING: when that must be over */
	uint64_t head_us;        /* being left: since when it works for one request */
	uint64_t again_us;       /* being left: when to look again; 0 = when it answers */
	uint32_t rest;           /* bytes of a message still to come */
	uint32_t requests;       /* being left: outstanding when that began */
	uint32_t own_syncs;      /* being left: of these, as many are not the client's */
	uint32_t cancels;        /* cancel requests under way to it: at most one */
	struct cancel *cancel;   /* under way to it, or waiting for that; NULL: none */
	struct endpoint at;      /* where it is, for cancel requests */
	struct server_key cancel_key;
	uint8_t state;        /* enum server_state; server_move() assigns */
	uint8_t rest_is;      /* enum rest of client.h */
	uint8_t task;         /* enum server_task */
	uint8_t closing;      /* enum closing */
	uint8_t purpose;      /* enum server_purpose */
	uint8_t leaving;      /* enum leaving of leave.h */
	uint16_t must_reset;  /* bits of enum reset_what of reset.h */
	bool is_silent;       /* has been asked, and has not begun to answer */
	bool has_unnamed;     /* its unnamed statement is of the client it is linked to */
	bool is_unnamed_used; /* which has used it */
	bool has_new_schema;  /* as of its transaction, which others do not see yet */
	bool is_returned;     /* the client it is linked to was its last one, too */
	bool is_kept;         /* which has, or had, it until it leaves */
	uint8_t spare;        /* enum spare of pin.h */
	bool has_stepped;     /* sequences, for its (last) client */
	bool has_foreign_steps; /* and for others before */
	bool task_failed;       /* the answer to the task contains an error */
	bool said_fatal;        /* it announced its end and the client has been told */
	bool is_checked;        /* fit for use although it was idle for long */
	uint8_t baseline_tries; /* questions for it that have failed */
};
TAILQ_HEAD(servers, server);

static inline struct server *server_of_stream(struct stream *stream)
{
	return (struct server *)(void *)((char *)stream -
					 offsetof(struct server, stream));
}

static inline struct server *server_of_slot(struct slot *slot)
{
	return (struct server *)(void *)((char *)slot - offsetof(struct server, slot));
}

/* The only way from state to state; checks that the move is legal. */
void server_move(struct server *s, enum server_state next);

/* Whether it has not joined its pool yet: connecting, logging in or at its connect_query.
 * If it fails now, that is a failed attempt to open one. */
bool server_is_opening(const struct server *s);

/* As SHOW SERVERS calls it: active, idle, used, tested, new, being_canceled. */
const char *server_state_name(const struct server *s);

bool server_is_sound(const struct server *s);

/* Ends it: a Terminate where the connection still stands; then it joins the closing. Only
 * the first reason counts. */
void server_close(struct server *s, enum closing reason);

/* Sends a query of the pooler's own, together with what the client's message will write
 * in this turn (corked). The answers are swallowed. */
void server_ask(struct server *s, enum server_task task, struct slice sql);

/* It begins to work for its client. */
void server_begin_query(struct server *s);

/* Arms its deadline for what it is doing. */
void server_arm(struct server *s);
uint64_t server_due(const struct server *s);

/* "S-3: db/user@addr:port ". */
char *server_prefix(const struct server *s, char out[256]);

/* The process id it told us; 0 when it told none. */
uint32_t server_process_id(const struct server *s);

#endif
