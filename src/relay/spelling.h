/*
 * How servers spell what clients ask for in their startup packets ("iso" is "ISO, MDY").
 * A pool learns it from the first client that says so; the next ones are greeted with it,
 * as by PostgreSQL, and need not be told with their first answer.
 */
#ifndef POOLER_RELAY_SPELLING_H
#define POOLER_RELAY_SPELLING_H

struct client;
struct params;
struct server;

/* The server has been made to suit its client, which wanted this before, as it spelled it
 * itself: what is reported is spelled now. */
void spelling_learn(struct server *s, const struct params *wanted);
/* It may depend on what the pool's servers begin with, and that has changed. */
void spelling_forget(struct server *s);

/* Gives the parameters of a client of a pool the spelling that is known. */
void spelling_apply(struct client *c);

#endif
