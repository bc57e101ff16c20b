/*
 * A client connection: its states, what it waits for, its end.
 *
 *   STARTUP -> IDLE <-> LINKED          a session
 *   STARTUP -> OPENING -> LINKED        one that replicates, by a server of its own
 *   STARTUP -> WAITING -> IDLE          a login that waits for the pool's first server
 *   IDLE -> WAITING -> LINKED           a query that waits for a server
 *   STARTUP -> CONSOLE, STARTUP -> CANCELLING, all -> CLOSING
 *
 * An idle client owns this struct and nothing else; parameter sets are shared. Closing
 * marks: what a client holds (its server, its pool) is given back by the
 * dispatcher at the end of the turn, and the struct is freed when its last words are out.
 */
#ifndef POOLER_RELAY_CLIENT_H
#define POOLER_RELAY_CLIENT_H

#include "net/address.h"
#include "net/stream.h"
#include "pool/cancels.h"
#include "relay/closing.h"

struct console;
struct dispatcher;
struct login;
struct notice;
struct params;
struct pool;
struct server;
struct session;
struct requester;
struct rules;
struct usage;
struct waiter;

enum client_state {
	CLIENT_STARTUP,
	CLIENT_OPENING, /* its own server is on the way */
	CLIENT_IDLE,
	CLIENT_WAITING,
	CLIENT_LINKED,
	CLIENT_CONSOLE,
	CLIENT_CANCELLING,
	CLIENT_CLOSING,
};

/* What is done with the rest of a message whose header has been judged. */
enum rest { REST_FORWARD, REST_DISCARD };

/* Which listener it came by. */
enum client_origin { CLIENT_BY_TCP, CLIENT_BY_UNIX, CLIENT_BY_ADMIN };

struct client {
	struct stream stream;
	TAILQ_ENTRY(client) place;  /* in one of the dispatcher's lists of clients */
	struct waiter *waiter;      /* exactly while WAITING */
	struct server *last_server; /* that it used last, if nobody has since */
	struct loop_task pump;      /* goes on with what is in the stream's buffer */
	struct deadline deadline;
	struct cancel_key cancel;
	struct dispatcher *dispatcher;
	struct pool *pool;     /* NULL before login and for the console */
	struct server *server; /* exactly while LINKED */
	struct usage *user;    /* who logged in; held; NULL before */
	struct params *params; /* what it wants of a server; counted */
	union {
		struct login *login; /* while it is not logged in, until it has entered */
		struct console
		    *console; /* while it is on the CONSOLE; the console's own */
		struct session *session;     /* once it has entered a pool; NULL unless
						there is something to remember */
		struct requester *requester; /* while it is CANCELLING; see cancel.h */
	};
	uint64_t id;
	uint64_t connected_us;
	uint64_t since_us;   /* when it came into its state */
	uint64_t request_us; /* when its latest request began */
	uint32_t rest;       /* bytes of a message still to come */
	struct address peer;
	uint8_t state;       /* enum client_state; client_move() assigns */
	uint8_t rest_is;     /* enum rest */
	uint8_t rest_letter; /* of the message of which `rest` is to come */
	uint8_t closing;     /* enum closing */
	uint8_t origin;      /* enum client_origin */
	uint8_t replication; /* enum startup_replication; from OPENING on */
	bool is_logged_in;
	bool is_skipping;          /* a refused batch: nothing counts up to its Sync */
	uint8_t asked;             /* letter of the message that needs a server */
	bool is_refused;           /* that message has been answered: drop it */
	bool is_proven : 1;        /* a server has accepted its parameters */
	bool keeps_server : 1;     /* its pool was in session mode when it entered */
	bool begins_otherwise : 1; /* than its server, which is its alone; see regain.h */
	bool was_notified;         /* of this wait, by query_wait_notify */
	bool is_released;          /* closing: has given back what it held */
	bool is_lingering;         /* closing: its last words are not out yet */
	bool is_canceller;         /* brought a cancel request */
	bool is_admin;             /* on the console: may do everything */
};
TAILQ_HEAD(clients, client);

static inline struct client *client_of_stream(struct stream *stream)
{
	return (struct client *)(void *)((char *)stream -
					 offsetof(struct client, stream));
}

/* The only way from state to state; checks that the move is legal. */
void client_move(struct client *c, enum client_state next);

const char *client_state_name(enum client_state state);

/* Whether what the struct says fits together; constant time. */
bool client_is_sound(const struct client *c);

/*
 * Ends it: says why (if the reason has words), stops listening to it and puts it among
 * the closing. Only the first reason counts. The second form adds a text, DETAIL and HINT
 * of its own (any may be NULL).
 */
void client_close(struct client *c, enum closing reason);
void client_close_saying(struct client *c, enum closing reason, const char *message,
			 const char *detail, const char *hint);

/* Says what is wrong with a name that the client gave: "what: name". */
void client_close_naming(struct client *c, enum closing reason, const char *what,
			 struct slice name, const char *hint);

/* Ends it with a notice that stands for itself, such as a server's own error. */
void client_close_with(struct client *c, enum closing reason,
		       const struct notice *notice);

/* Sends it an ErrorResponse or NoticeResponse, at the latest at the end of the turn. */
void client_notify(struct client *c, const struct notice *notice);
/* Sends ReadyForQuery 'I'. */
void client_send_ready(struct client *c);

/* The rules that hold for it: its pool's, or, in *own, others where it has logged in as
 * somebody else than the pool's user. */
const struct rules *client_rules(const struct client *c, struct rules *own);

/* When its wait in the line must end; CLOCK_NEVER for never. */
uint64_t client_wait_due(const struct client *c);

/* Arms its deadline for the state it is in. */
void client_arm(struct client *c);
/* When that state must end, or is to be looked whether it reads what it is sent;
 * CLOCK_NEVER for never. */
uint64_t client_due(const struct client *c);

/* How long it may take nothing of what is queued for it; 0: for ever. It is looked at so
 * often in that time, so that much later it may be before somebody notices. */
enum { CLIENT_WRITE_LOOKS = 4 };
uint64_t client_write_limit(const struct client *c);

/* The process at the other end of a Unix socket; 0 where there is none. */
int client_process_id(const struct client *c);

/* As it is called in log lines: "C-0x7: db/user@addr:port ", or "...@unix(pid):port ";
 * returns out. */
enum { CLIENT_PREFIX_LEN = 256 };
char *client_prefix(const struct client *c, char out[CLIENT_PREFIX_LEN]);

/* Names for tables and logs: "(nodb)" and "(nouser)" when there are none. */
const char *client_database_name(const struct client *c);
const char *client_user_name(const struct client *c);

#endif
