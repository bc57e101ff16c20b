/*
 * Parameters of a session's own ("my.tenant") that have a value for a transaction: from
 * then on the session knows the name. The first time it is asked whether that is so;
 * who does it in every transaction pays once.
 */
#ifndef POOLER_RELAY_OWN_NAMES_H
#define POOLER_RELAY_OWN_NAMES_H

#include "base/slice.h"

struct client;
struct sql_text;

/* The names that stand in a text which is about to go. */
void own_names_note(struct client *c, const struct sql_text *t);
/* Those among the arguments of a Bind that is about to go, for a text in which the name
 * does not stand: what has arrived of it behind its names. */
void own_names_note_arguments(struct client *c, struct slice rest);

#endif
