/*
 * A client's message that is rewritten, and what may be done with it: the steps that
 * rewriting is made of. For rewrite*.c only.
 */
#ifndef POOLER_RELAY_MESSAGE_H
#define POOLER_RELAY_MESSAGE_H

#include "pool/statements.h"
#include "proto/extended.h"
#include "proto/tracker.h"
#include "relay/rewrite.h"

/* The message in front of a pass. */
struct message {
	struct pass *pass;
	struct client *client;
	struct server *server;
	const struct frame *frame;
	struct extended names; /* of extended messages */
};

struct statements *message_store(const struct message *m);

/* That no statement on any server has. */
struct slice message_refused_name(void);
/* Whether it is one of those that the pooler gives on servers. */
bool message_is_own_name(struct slice name);

/* Whether the client is known to be in a transaction that has failed. */
bool message_is_in_failed_transaction(const struct message *m);

/* Tells the tracker of a question. */
bool message_ask(const struct message *m, uint8_t letter, enum asked_by who);

/* Hidden messages to the server; false when memory is short. */
bool message_write_close(const struct message *m, struct slice name);
bool message_write_parse(const struct message *m, struct slice name, struct slice tail,
			 enum asked_by who);
bool message_write_sync(const struct message *m);
/* Describe, and Flush so that the answer comes. */
bool message_write_look(const struct message *m, struct slice name);

/* All that follows ends the message's part in the pass. */

/* Closes the client. */
enum rewritten message_no_memory(const struct message *m);
/* It stays here. */
enum rewritten message_skip(const struct message *m);
/* It goes with another name in it, the rest of it as it is. */
enum rewritten message_rename(const struct message *m, struct slice name);
/* A Query goes with another text. */
enum rewritten message_replace_query(const struct message *m, const struct slice *parts,
				     size_t count);
/* It is made to fail, and the client told this. */
enum rewritten message_refuse(const struct message *m, const struct notice *notice);
/* The same; `what` is wrong with a prepared statement of that name. */
enum rewritten message_refuse_name(const struct message *m, const char *sqlstate,
				   struct slice name, const char *what);
/* The same; the store has said why. */
enum rewritten message_refuse_shortage(const struct message *m);

/* ---- statements ---- */

/* The client's statement of that name, or NULL. */
struct client_statement *message_find(const struct message *m, struct slice name);

/* The name goes, unless the question that is asked next fails. False when memory is
 * short; then it is gone, too. */
bool message_withdraw(const struct message *m, struct client_statement *named);

/* Whether a server's statement can be counted on. */
bool message_has(const struct message *m, const struct server_statement *there);
/* Makes the server prepare it, even if it may have it; `named`, if given, is the client's
 * new name for it. False when memory is short. */
bool message_prepare(const struct message *m, struct statement *statement,
		     enum asked_by who, struct client_statement *named);
/* Whether what the client has said before can still change its parameters. */
bool message_is_sure_of_parameters(const struct message *m);
/* Whether the transaction has a search_path or role of its own. PostgreSQL reads texts
 * again when that is another than before, but fails where rows came to look different. */
bool message_is_elsewhere(const struct message *m);
/* The statement that the client means by this tail, held by the caller: one that nobody
 * else has, where its parameters are not sure. NULL: the store has no room. */
struct statement *message_take(const struct message *m, struct slice tail, bool is_sure);

/* Whether the server has it since before the client prepared it, and the tables have
 * changed between the two. */
bool message_is_older(const struct message *m, struct client_statement *named);
/* A client that means something else by now than by its parameters when it was prepared
 * turns to a statement of its text that fits, for strangers count on what it means. False
 * when the store has no room for it. To be called before the rest. */
bool message_reread(const struct message *m, struct client_statement *named);
/* Makes the server prepare it if it lacks it. */
bool message_provide(const struct message *m, struct statement *statement);

/* ---- texts: rewrite.c ---- */

/* The hints of a text, TEXT_FORGETS among them; of one that may not be all here. */
uint32_t rewrite_scan(struct slice text);
uint32_t rewrite_scan_front(const struct message *m, struct slice text);
/* REWRITE_NOT when the text may go. */
enum rewritten rewrite_judge(const struct message *m, struct slice text, uint32_t hints);
/* The same of the text of a prepared statement that is about to be used. */
enum rewritten rewrite_judge_statement(const struct message *m,
				       struct statement *statement);
/* The text of what stands behind the name in a Parse. */
struct slice rewrite_text_of(struct slice tail);

/* ---- the unnamed statement: rewrite_unnamed.c ---- */

/* A Query or a Parse takes its place. */
void rewrite_forget_unnamed(const struct message *m);
enum rewritten rewrite_parse_unnamed(const struct message *m);
/* Bind, Describe. */
enum rewritten rewrite_use_unnamed(const struct message *m);

/* ---- names in SQL: rewrite_sql.c ---- */

/* Statements that are made to be deallocated, where the real ones stay for others: the
 * n-th of these, and its name. */
enum { REWRITE_DROPPED_LEN = 32 };
void rewrite_dropped_name(unsigned n, char out[REWRITE_DROPPED_LEN]);
bool rewrite_write_dropped(const struct message *m, unsigned n);
/* The client names one that the pooler has named so; hints of its statement. */
enum rewritten rewrite_refuse_stranger(const struct message *m, struct slice written,
				       uint32_t hints);
/* A Query of several statements with hints of names: rewrite_many.c. REWRITE_NOT when it
 * goes as it is. */
enum rewritten rewrite_query_of_many(const struct message *m, struct slice text,
				     uint32_t hints);

/* A Query whose text has hints. REWRITE_NOT when it names no prepared statement of the
 * client. */
enum rewritten rewrite_query_names(const struct message *m, struct slice text,
				   uint32_t hints);
/* The same for the Parse of an unnamed statement. */
enum rewritten rewrite_parse_names(const struct message *m, struct slice text,
				   uint32_t hints);

#endif
