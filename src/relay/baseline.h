/*
 * What connect_query has set in a server. To PostgreSQL these are values of the session,
 * which a RESET loses; to clients they are what every session of the pool begins with, as
 * if the server's configuration said so.
 *
 * server->origin is what a RESET in it leads back to, and has what the server reports;
 * server->base is what clients find who mention nothing: the same, and what connect_query
 * has set, reported or not. Without a connect_query the two are one object.
 */
#ifndef POOLER_RELAY_BASELINE_H
#define POOLER_RELAY_BASELINE_H

#include <stdbool.h>

#include "base/slice.h"

struct frame;
struct params;
struct server;

/* Whether the server tells of this parameter by itself. */
bool baseline_is_reported(const struct server *s, struct slice name);
/* Whether connect_query has set it to something else than the server began with; *out is
 * that value, borrowed. */
bool baseline_find(const struct server *s, struct slice name, struct slice *out);
/* What the server reports to clients who mention nothing: a reference, or NULL when
 * memory is short. */
struct params *baseline_reported(const struct server *s);

/* connect_query has been carried out in a new server: asks what it has set that is not
 * reported, as SERVER_TASK_BASELINE. */
void baseline_ask(struct server *s);
/* Rows of the answer; they have to be whole. */
void baseline_row(struct server *s, const struct frame *row);
/* The answer is complete, if with an error. False when it is asked once more. */
bool baseline_done(struct server *s);

#endif
