/*
 * What a client's session is beyond its transactions, where servers are shared: the part
 * of it that the pooler carries from server to server, and notes of what may stand in the
 * server it has now. Made with the first thing to remember; most clients never have one.
 */
#ifndef POOLER_RELAY_SESSION_H
#define POOLER_RELAY_SESSION_H

#include "base/buffer.h"
#include "pool/statements.h"
#include "relay/altered.h"

struct client;
struct listening;
struct params;

struct session {
	struct params *startup; /* what it asked for at its start-up, once client->params
				   is something else; counted; NULL before */
	struct client_statements statements; /* the names it has prepared */
	struct buffer unnamed; /* tail of its unnamed Parse, for servers that lack it */
	struct listening *listening; /* see listening.h; NULL: it listens to nothing */
	uint32_t hints; /* enum sql_hint of what was sent since the server was last
			   asked what is left in it */
	/* The rest is settle's and pin's. */
	struct altered altered;  /* parameters, by these texts */
	struct altered asked;    /* the same, of the question under way */
	struct altered overlong; /* those of its values that are too long to be kept here:
				    they stay in its server, and it with them */
	struct altered met;      /* names of its own that are not for it to keep known */
	uint32_t asked_hints;
	struct params *told, *set, *unset; /* its answer: values asked for by name, those
					      set in the session, those of extensions that
					      are not; counted; NULL when there is none */
	uint64_t pinned_us;                /* when its pins began */
	uint8_t found;                     /* its answer: enum pin_reason */
	uint8_t pins;           /* enum pin_reason: what keeps it at its server */
	uint8_t tries;          /* questions that have failed in a row */
	bool is_pressed;        /* the question fights a statement_timeout */
	bool is_pin_counted;    /* in its pool */
	bool is_discarded;      /* by DISCARD ALL, and nothing else was said */
	bool may_execute_more;  /* a text that it may have prepared alters something */
	bool has_loaded;        /* a library, into its server */
	bool has_lost_state;    /* behind its back, and it has not been told */
	bool watches_sequences; /* it has asked for currval() or lastval() */
	bool
	    has_lost_sequences; /* since then: it had to part from what they would tell */
	bool may_be_at_base;    /* see prepare_is_back_at_base(): of some parameter */
	bool restores; /* a RESET in this transaction: its start-up values are due */
	/* Of one that has its server for itself; see regain.h. */
	bool
	    regains; /* a RESET may have been carried out: due at the transaction's end */
	bool may_reset;     /* a text that it may have prepared does */
	bool resets_unseen; /* such a one may have been carried out in this transaction */
};

/* Whether the client's servers are shared, so that any of this matters: all pool modes
 * but session, unless it replicates. That stays as it was when the client entered, for a
 * session can neither be spread over servers afterwards nor collected from them. */
bool session_is_shared(const struct client *c);

/* How many prepared statements it has, as far as the pooler knows. */
size_t session_statement_count(const struct client *c);

/* The client's session, made if there is none; NULL when memory is short. */
struct session *session_get(struct client *c);
/* Something that the client asked for has failed, or was rolled back: what its texts set
 * may not be set. */
void session_note_undone(struct client *c);
/* Gives back what it holds, and it. Harmless when there is none. */
void session_free(struct client *c);

#endif
