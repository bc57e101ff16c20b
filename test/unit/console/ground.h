/*
 * What the tests of the console stand on: a dispatcher without sockets and without a
 * clock of its own, clients with fake far ends, files in a directory of their own.
 */
#ifndef POOLER_TEST_UNIT_CONSOLE_GROUND_H
#define POOLER_TEST_UNIT_CONSOLE_GROUND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "console/console.h"
#include "console/session.h"
#include "harness/fake_peer.h"

enum { PEERS_MOST = 3000 };

struct ground {
	struct loop loop;
	struct dispatcher dispatcher;
	struct console_service service;
	struct console_app_ops app;
	const struct config *config;
	struct fake_peer *peers[PEERS_MOST];
	size_t peer_count;
	struct slot busy; /* a server at work, as far as PAUSE is concerned */
	struct pool *pool;
	unsigned reloads, sets, progress;
	int shut_down; /* the mode, -1 before */
	bool refuses;
	char last_set[128];
	char directory[40]; /* of the files, the log among them */
};

/* What is in the files beyond the usual; NULL where it is nothing. The databases app and
 * other, the user bob and the right people are always there. */
struct ground_files {
	const char *settings; /* lines of [pooler] */
	const char *users;    /* of auth_file, instead of ground_users */
	const char *hba;      /* auth_type is hba; otherwise trust */
};
extern const char ground_users[]; /* admin, stats and alice */

int ground_begin(void **state);
int ground_begin_with(void **state, const struct ground_files *files);
int ground_end(void **state);

/* Writes the files and loads them; both are the caller's. */
struct keyring *ground_load(struct ground *g, const struct ground_files *files,
			    const struct config **out);

bool ground_has_logged(const struct ground *g, const char *text);

/* A pool of app with a server at work, so that PAUSE has to wait; and its end. */
void begin_work(struct ground *g);
void finish_work(struct ground *g);

/* Until all are still. */
void settle(struct ground *g);

/* ---- clients ---- */

struct fake_peer *connect_peer(struct ground *g);
struct client *client_of(const struct fake_peer *peer);
void push_startup(struct fake_peer *peer, const char *user, const char *database);

/* Clients on the console, past the greeting. */
struct fake_peer *console_of(struct ground *g, const char *user);
struct fake_peer *admin(struct ground *g);

void push_message(struct fake_peer *peer, char letter, const void *body, size_t len);
#define PUSH(peer, letter, body) push_message(peer, letter, body, sizeof(body) - 1)
void push_query(struct fake_peer *peer, const char *text);
/* Parse, Bind, Describe, Execute, Sync. */
void push_extended(struct fake_peer *peer, const char *text);

/* What the peer has received: the letters of the messages, in order. */
const char *letters(const struct fake_peer *peer);
size_t count_letter(const struct fake_peer *peer, char letter);
bool has(const struct fake_peer *peer, const char *text);
/* A column of a row, of which *rest is the first; the next row is the first then. False
 * when there is no more row. */
bool next_row(struct slice *rest, size_t column, char *out, size_t cap);
void drop_all(struct fake_peer *peer);

/* The letters of the answer to one query. */
const char *ask(struct ground *g, struct fake_peer *peer, const char *text);
/* Lets the peer read so many bytes a time until ReadyForQuery is there. */
void read_on(struct ground *g, struct fake_peer *peer, size_t piece);

#endif
