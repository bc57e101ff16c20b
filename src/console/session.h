/*
 * One client's console: what it is doing, what it has prepared, and how it is answered.
 * Answers go into the stream's queue and leave together at the end of the turn; for a
 * client that is closing they are void.
 */
#ifndef POOLER_CONSOLE_SESSION_H
#define POOLER_CONSOLE_SESSION_H

#include "console/console.h"
#include "console/prepared.h"
#include "console/show.h"

struct writer;

enum console_state {
	CONSOLE_READY,   /* for the next message */
	CONSOLE_SHOWING, /* its result is written in slices */
	CONSOLE_WAITING, /* its PAUSE or WAIT_CLOSE is not done */
};

struct console {
	TAILQ_ENTRY(console) place; /* in service->waiting, while WAITING */
	struct console_service *service;
	struct client *client;
	enum console_state state;
	bool is_simple;             /* the command came as a simple query */
	bool is_skipping;           /* after an error: nothing counts up to Sync */
	bool has_paused;            /* what is to be undone if it gives up */
	enum command_verb waits_in; /* PAUSE or WAIT_CLOSE */
	struct usage *database;     /* held while WAITING; NULL = all of them */
	uint32_t skip;              /* bytes of an overlong message still to come */
	size_t rows_left;           /* of this Execute */
	struct show show;           /* while SHOWING, and of a portal that has more */
	struct deadline next_slice;
	struct prepared prepared;
};

/* Bytes that may be queued for a client before the next slice must wait. */
enum { SESSION_QUEUE_MOST = 64 * 1024 };

/* ---- answers ---- */

/* A writer into the client's queue; session_written() ends it, and the client, too, when
 * memory was short. */
struct writer session_writer(struct console *s);
void session_written(struct console *s, struct writer *w);

/* ErrorResponse and what follows it: ReadyForQuery, or silence up to Sync. detail and
 * hint may be NULL. */
void session_fail(struct console *s, const char *sqlstate, const char *message,
		  const char *detail, const char *hint);
void session_notice(struct console *s, const char *message, const char *detail);
/* CommandComplete, and ReadyForQuery after a simple query. */
void session_complete(struct console *s, const char *tag);
/* A message without a body, and ReadyForQuery after a simple query. */
void session_say(struct console *s, uint8_t letter);
void session_ready(struct console *s);
/* That is no command; the nearest that is one may be NULL. */
void session_fail_command(struct console *s, struct slice command, const char *nearest);

/* ---- commands ---- */

/* Reads a command and looks whether there is such a thing. INVALID has been answered. */
enum command_result session_understand(struct console *s, struct slice text,
				       struct command *out);

/* The columns of its result; none when it has no rows. */
struct rows session_shape(const struct command *command);

/* Carries it out and answers; now, or when it is done (state SHOWING or WAITING). */
void session_perform(struct console *s, const struct command *command);

/* ---- results in slices ---- */

/* Begins; RowDescription is the caller's. */
void session_show(struct console *s, const struct show_table *table, uint64_t binary);
/* The next slice, if there is room for it. */
void session_go_on(struct console *s);
/* Whether the queue is so long that the client should read first; sends what it can. */
bool session_is_full(struct console *s);

#endif
