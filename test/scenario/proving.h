/*
 * Both far ends of logins: a client that proves who it is by whatever method it is asked
 * for, and a server that asks.
 *
 * The client is the pooler's own auth/answer, the server its auth/exchange: what each of
 * them says is tested elsewhere, here they say it to the relay.
 */
#ifndef POOLER_TEST_SCENARIO_PROVING_H
#define POOLER_TEST_SCENARIO_PROVING_H

#include "auth/exchange.h"

struct actor;
struct prover;
struct examiner;
struct world;

/* ---- secrets ---- */

enum { PROVING_TEXT_LEN = SCRAM_VERIFIER_TEXT_MAX };

/* A verifier with few iterations (tests are to be quick) and a salt of this letter;
 * returns out. */
char *proving_verifier(const char *password, char salt, char out[PROVING_TEXT_LEN]);
/* As PostgreSQL's md5 method stores it; returns out. */
char *proving_md5(const char *password, const char *user, char out[PROVING_TEXT_LEN]);

/* A file of the test's own with this text; the path is good until the process ends, when
 * it is removed. Called again, it replaces the text. */
const char *proving_file(const char *name, const char *text);

/* ---- clients ---- */

/* This client answers what it is asked, as user with password ("": an empty one). */
void prover_prepare(struct actor *a, const char *user, const char *password);
/* It falls silent after so many answers. */
void prover_stop_after(struct actor *a, unsigned answers);
/* Answers one question; whether there was one. */
bool prover_step(struct actor *a);
/* Whether it has seen AuthenticationOk, and all that must come before it. */
bool prover_is_content(const struct actor *a);
void prover_free(struct prover *p);

/* A client with all that: connected, not settled. pairs as in world_client(). */
struct actor *prover_connect(struct world *w, const char *pairs, const char *password);
/* The same, settled. */
struct actor *prover_client(struct world *w, const char *pairs, const char *password);

/* ---- servers ---- */

/* What all servers opened from here on ask for; EXCHANGE_TRUST is how a world begins. */
struct examination {
	enum exchange_method method;
	const char *secret; /* what they know of whoever comes; NULL: nothing */
};

/* Goes on with it; whether there was anything to do. Greets who has passed. */
bool examiner_step(struct actor *a);
void examiner_free(struct examiner *x);

#endif
