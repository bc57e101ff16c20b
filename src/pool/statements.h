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
 * Names and tails are chosen by peers, so the hashes are keyed.
 */
#ifndef POOLER_POOL_STATEMENTS_H
#define POOLER_POOL_STATEMENTS_H

#include <sys/queue.h>

#include "base/hash.h"
#include "base/slice.h"

struct statement;
struct client_statement;
struct server_statement;

TAILQ_HEAD(client_statements, client_statement); /* of one client */
TAILQ_HEAD(server_statement_list, server_statement);

/* All that one process knows. */
struct statements {
	struct hash_key key;
	struct statement *by_content;
	struct client_statement *by_name; /* of all clients, by (client, name) */
	size_t count;                     /* statements */
	size_t name_count;                /* names of clients */
	size_t bytes;                     /* of all of these, struct and text */
	size_t max_bytes; /* taking more fails; 0 = no limit. The owner may change it */
	uint64_t last_number;
};

int statements_init(struct statements *store);  /* 0 or -ENOMEM */
void statements_fini(struct statements *store); /* all must have been given back */

/* ---- texts ---- */

/* The statement of this content, made if there is none; held by the caller. Context tells
 * apart what the text alone does not (the search_path); often empty. NULL when memory is
 * short or max_bytes would be passed. */
struct statement *statements_take(struct statements *store, struct slice tail,
				  struct slice context);
void statements_hold(struct statement *statement);
void statements_give_back(struct statements *store, struct statement *statement);

struct slice statement_tail(const struct statement *statement);
uint64_t statement_number(const struct statement *statement);
/* A word that its users keep with it; 0 at first. */
uint32_t *statement_hints(struct statement *statement);
enum { STATEMENT_NAME_LEN = 32 };
/* Its name on servers, in out. */
struct slice statement_name(const struct statement *statement,
			    char out[STATEMENT_NAME_LEN]);

/* ---- what a client calls them ---- */

/* A client is told by the address of its list, which must not move while it holds names.
 * A list begins by TAILQ_INIT. */
struct client_statement *client_statements_find(const struct statements *store,
						const struct client_statements *client,
						struct slice name);
/* The name must be free. Holds the statement by itself. NULL when memory is short or
 * max_bytes would be passed. */
struct client_statement *client_statements_add(struct statements *store,
					       struct client_statements *client,
					       struct slice name,
					       struct statement *statement);
struct statement *client_statement_of(const struct client_statement *named);
struct slice client_statement_name(const struct client_statement *named);
/* Takes it out of the map but keeps it, until it is restored or freed. To restore it the
 * name must be free. */
void client_statements_withdraw(struct statements *store,
				struct client_statements *client,
				struct client_statement *named);
void client_statements_restore(struct statements *store, struct client_statements *client,
			       struct client_statement *named);
void client_statement_free(struct statements *store, struct client_statement *named);
/* Withdraws and frees all. */
void client_statements_clear(struct statements *store, struct client_statements *client);

/* ---- what a server has ---- */

/* Zero is valid: nothing. */
struct server_statements {
	struct server_statement *by_statement;
	struct server_statement_list by_use; /* the least recently used first; set up with
						the first */
	size_t count;
};

struct server_statement {
	TAILQ_ENTRY(server_statement) place;
	struct statement *statement; /* held */
	uint64_t asked; /* the ordinal, in the server's tracker, of what prepared it */
	uint32_t epoch; /* the owner's: when it was prepared, in changes of the schema */
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
void server_statements_clear(struct statements *store, struct server_statements *server);

#endif
