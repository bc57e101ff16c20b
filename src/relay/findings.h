/*
 * What a server tells when it is asked what a client has left in it: which of its values
 * are the client's from then on, and which are back where the session began.
 *
 * The question is question.h's; when it is asked is settle.h's.
 */
#ifndef POOLER_RELAY_FINDINGS_H
#define POOLER_RELAY_FINDINGS_H

struct client;
struct frame;
struct server;

/* The client has a session; its server is about to be asked. */
void findings_expect(struct client *c);
/* Gives back what was gathered; harmless when that is nothing. */
void findings_forget(struct client *c);

/* Rows of this length are looked at; they have to be whole. */
enum { FINDINGS_ROW_MAX = 32 * 1024 * 1024 };
/* One that cannot be read makes the server's task fail. */
void findings_row(struct server *s, const struct frame *row);

/* The answer is complete: the values become those of the server and its client. */
void findings_take(struct server *s);

/* No question is needed: everything is back where the session began. */
void findings_take_back(struct server *s);

#endif
