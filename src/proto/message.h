/*
 * The messages of PostgreSQL's frontend/backend protocol 3, as a table by letter
 * ("Frontend/Backend Protocol", *Message Formats*). The same letter means different
 * things in the two directions, so there are two tables.
 */
#ifndef POOLER_PROTO_MESSAGE_H
#define POOLER_PROTO_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

/* What a frontend's message is to the relay. */
enum frontend_kind {
	FRONTEND_UNKNOWN, /* no message of a frontend after login */
	FRONTEND_QUERY, /* Query, FunctionCall: answered up to a ReadyForQuery of its own
			 */
	FRONTEND_EXTENDED, /* Parse, Bind, Describe, Execute, Close: answered, then Sync
			    */
	FRONTEND_SYNC,
	FRONTEND_FLUSH,     /* has no answer */
	FRONTEND_COPY_DATA, /* has no answer */
	FRONTEND_COPY_END,  /* CopyDone, CopyFail */
	FRONTEND_LOGIN,     /* password and SASL messages: only during a login */
	FRONTEND_TERMINATE,
};

struct message {
	const char
	    *name; /* as the protocol chapter spells it; NULL for an unknown letter */
	enum frontend_kind kind; /* of a frontend's message */
	bool is_short; /* never longer than MESSAGE_SHORT_MAX, or the peer is broken */
};

/* No server has a reason to send, say, a ReadyForQuery of a megabyte. */
enum { MESSAGE_SHORT_MAX = 30000 };

/* Never NULL; an unknown letter gives an entry without a name. */
const struct message *message_of_frontend(uint8_t letter);
const struct message *message_of_backend(uint8_t letter);

#endif
