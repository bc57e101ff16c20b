/*
 * A server that answers by itself, as PostgreSQL would: enough of one for scenarios in
 * which what is asked does not matter, or is made up by chance.
 *
 *   begin, commit      as they are
 *   ROLLBACK           as the pooler sends it
 *   fail               an error
 *   copy in, copy out  a COPY
 *   stall              nothing, until answering_go_on()
 *   die                the connection ends
 *   SET ...; RESET ... as the pooler sends them; what it reports is reported
 *   SELECT pg_catalog.pg_listening_channels()...   one row, "news"
 *   anything else      one row that repeats the question
 *
 * In the extended protocol the text of Bind decides.
 */
#ifndef POOLER_TEST_SCENARIO_ANSWERING_H
#define POOLER_TEST_SCENARIO_ANSWERING_H

#include <stdbool.h>

struct actor;
struct answering;

/* Answers one message; whether there was one that it could answer. */
bool answering_step(struct actor *a);
/* One that stalls goes on. */
void answering_go_on(struct actor *a);
void answering_free(struct answering *answering);

#endif
