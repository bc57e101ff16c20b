/*
 * Prepared statements of the extended protocol: what clients call them, what servers
 * have. Three maps:
 *
 *   statement          one text with its parameter types, shared by all who prepare it;
 *                      counted. Its number is its name on every server: "pooler_<n>".
 *   client_statement   a client's name for one
 *   server_statement   that a server has one; the least recently used goes first
 *
 * Knows no messages: a tail is the bytes of a Parse behind the name, whatever they mean.
 * Names and tails are chosen by peers, so the hashes are keyed, and memory is bounded, in
 * all and for each client. When the bound is near, statements that no client has any more
 * and some servers still have lose their texts; their names last.
 */
#ifndef POOLER_POOL_STATEMENTS_H
#define POOLER_POOL_STATEMENTS_H

#include <sys/queue.h>

#include "base/hash.h"
#include "base/slice.h"

#ifndef HASH_NONFATAL_OOM
#define HASH_NONFATAL_OOM 1
#endif
#include <uthash.h>

struct statement;
struct client_statement;
struct server_statement;

TAILQ_HEAD(statement_list, statement);
TAILQ_HEAD(client_statement_list, client_statement);
TAILQ_HEAD(server_statement_list, server_statement);

/* Why a statement or name could not be taken in. */
enum statements_shortage {
	STATEMENTS_NO_MEMORY,   /* the machine's */
	STATEMENTS_FULL,        /* max_bytes */
	STATEMENTS_CLIENT_FULL, /* max_client_bytes */
};

/* All that one process knows. */
struct statements {
	struct hash_key key;
	struct statement *by_content;
	struct client_statement *by_name; /* of all clients, by (client, name) */
	struct statement_list unclaimed;  /* with texts, but only servers have them; the
					     longest so first */
	size_t count;                     /* statements */
	size_t name_count;                /* names of clients, withdrawn ones left out */
	size_t bytes;                     /* of all of these, struct and text */
	size_t server_count;              /* what servers have, each for itself */
	size_t server_bytes;     /* of these: of servers, without texts; so many a
				    statement, whatever clients do, and beyond max_bytes */
	size_t max_bytes;        /* taking more fails; 0 = no limit. The owner's to set */
	size_t max_client_bytes; /* of one client, shared texts included; likewise */
	enum statements_shortage shortage; /* what the last NULL was for */
	uint64_t last_number;
};

void statements_init(struct statements *store);
void statements_fini(struct statements *store); /* all must have been given back */

/* ---- texts ---- */

/* The statement of this content, not held; NULL when there is none. */
struct statement *statements_find(const struct statements *store, struct slice tail,
				  struct slice context);
/* The statement of this content, made if there is none; held by the caller. Context tells
 * apart what the text alone does not (parameters that it is read by); often empty. NULL
 * when memory is short or max_bytes would be passed: see shortage. */
struct statement *statements_take(struct statements *store, struct slice tail,
				  struct slice context);
void statements_hold(struct statements *store, struct statement *statement);
void statements_give_back(struct statements *store, struct statement *statement);

/* Empty once nobody but servers has held it and memory was short. */
struct slice statement_tail(const struct statement *statement);
struct slice statement_context(const struct statement *statement);
uint64_t statement_number(const struct statement *statement);
/* A word that its users keep with it; 0 at first. */
uint32_t *statement_hints(struct statement *statement);
/* That it could be prepared at a place, when that was in this epoch; the latest proof is
 * kept. No place is 0. */
void statement_prove(struct statement *statement, uint64_t place, uint32_t epoch);
bool statement_is_proven(const struct statement *statement, uint64_t place,
			 uint32_t epoch);
enum { STATEMENT_NAME_LEN = 32 };
/* Its name on servers, in out; NUL follows. */
struct slice statement_name(const struct statement *statement,
			    char out[STATEMENT_NAME_LEN]);

/* ---- what a client calls them ---- */

/* Those of one client; zero is valid: none. It must not move while it has any, for the
 * client is told by its address. */
struct client_statements {
	struct client_statement_list names; /* the oldest first; set up with the first */
	size_t count;
	size_t bytes; /* of names and texts, as if it shared none */
};

/* Names are told apart by their first 63 bytes, as PostgreSQL does. */
enum { STATEMENT_CLIENT_NAME_MAX = 63 };

struct client_statement *client_statements_find(const struct statements *store,
						const struct client_statements *client,
						struct slice name);
/* The name must be free. Holds the statement by itself. NULL when memory is short or
 * a limit would be passed: see shortage. */
struct client_statement *client_statements_add(struct statements *store,
					       struct client_statements *client,
					       struct slice name,
					       struct statement *statement);
/* One after the other, from NULL on; NULL behind the last. */
struct client_statement *client_statements_next(const struct client_statements *client,
						const struct client_statement *named);
/* What the client was told that the rows look like, as a hash, and in which of the
 * owner's epochs; hash 0: it was not. Its users' to set. */
struct statement_shape {
	uint64_t hash;
	uint32_t epoch;
};
struct statement_shape *client_statement_shape(struct client_statement *named);
struct statement *client_statement_of(const struct client_statement *named);
/* From here on the name stands for this one: the same tail in another context, which
 * somebody else holds, too. */
void client_statement_turn(struct statements *store, struct client_statements *client,
			   struct client_statement *named, struct statement *statement);
/* As far as names are told apart. */
struct slice client_statement_name(const struct client_statement *named);
/* Nobody finds it any more, and its name is free, but it is kept until it is restored or
 * freed. */
void client_statements_withdraw(struct statements *store,
				struct client_statements *client,
				struct client_statement *named);
/* Never fails. The name must be free. */
void client_statements_restore(struct statements *store, struct client_statements *client,
			       struct client_statement *named);
/* A withdrawn one. */
void client_statement_free(struct statements *store, struct client_statement *named);
/* Withdraws and frees all that are not withdrawn. */
void client_statements_clear(struct statements *store, struct client_statements *client);

/* ---- what a server has: server_statements.c ---- */

/* Zero is valid: nothing. */
struct server_statements {
	struct server_statement *by_statement;
	struct server_statement_list by_use; /* the least recently used first; set up with
						the first */
	size_t count;
};

struct server_statement {
	UT_hash_handle hh;
	TAILQ_ENTRY(server_statement) place;
	struct statement *statement; /* held */
	uint64_t asked; /* the ordinal, in the server's tracker, of what prepared it */
	uint32_t epoch; /* the owner's: when it was prepared, in changes of the schema */
	uint64_t shape; /* hash of what its rows look like there; 0: not known */
	bool is_doubtful; /* may be there or not: to be closed before it is prepared */
};

/* NULL when it is not there. Does not count as use. */
struct server_statement *server_statements_find(const struct server_statements *server,
						const struct statement *statement);
/* It is used now. */
void server_statements_touch(struct server_statements *server,
			     struct server_statement *there);
/* Not there yet; NULL when memory is short. The newest in use. */
struct server_statement *server_statements_add(struct statements *store,
					       struct server_statements *server,
					       struct statement *statement);
void server_statements_remove(struct statements *store, struct server_statements *server,
			      struct server_statement *there);
/* The least recently used; NULL when there is none. */
struct server_statement *server_statements_oldest(const struct server_statements *server);
/* Whatever there is, is to be prepared anew before it is used. */
void server_statements_doubt(struct server_statements *server);
void server_statements_clear(struct statements *store, struct server_statements *server);

#endif
