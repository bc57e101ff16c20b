/*
 * What comes after the proof: console or database, limits, pool.
 */
#include "relay/client_entry.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "net/tls.h"
#include "pool/pool.h"
#include "relay/client.h"
#include "relay/client_params.h"
#include "relay/credential.h"
#include "relay/dispatcher.h"
#include "relay/greeting.h"
#include "relay/keeper.h"
#include "relay/known.h"
#include "relay/replication.h"
#include "relay/spelling.h"

static const struct settings *settings_of(const struct login *l)
{
	return &l->client->dispatcher->config->settings;
}

void client_entry_welcome(struct client *c)
{
	const struct known *known = known_of(c->pool);

	spelling_apply(c);
	if (!greeting_send(c, known->welcome, c->params))
		return;
	client_move(c, CLIENT_IDLE);
	client_arm(c);
}

/* ---- who may come in ---- */

static bool is_console_name(struct slice name)
{
	return slice_is_text(name, "pooler") || slice_is_text(name, "pgbouncer");
}

bool client_entry_is_console(const struct login *l)
{
	return l->client->origin == CLIENT_BY_ADMIN || is_console_name(l->database);
}

bool client_entry_is_own_user(const struct login *l)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (l->client->origin != CLIENT_BY_UNIX || !is_console_name(l->user))
		return false;
	if (getsockopt(loop_io_fd(&l->client->stream.io), SOL_SOCKET, SO_PEERCRED, &peer,
		       &len) < 0)
		return false;
	return peer.uid == geteuid();
}

static void enter_console(const struct login *l)
{
	struct client *c = l->client;
	struct dispatcher *d = l->client->dispatcher;
	bool is_stats = config_list_has(settings_of(l)->stats_users, l->user);

	c->is_admin = config_list_has(settings_of(l)->admin_users, l->user) ||
		      client_entry_is_own_user(l);
	if (!c->is_admin && !is_stats && settings_of(l)->auth_type != AUTH_TYPE_ANY) {
		client_close_saying(
		    c, CLOSE_NOT_ALLOWED, NULL, NULL,
		    "Only users in admin_users and stats_users may use the "
		    "console.");
		return;
	}
	d->login_count--;
	d->console_count++;
	c->is_logged_in = true;
	client_move(c, CLIENT_CONSOLE);
	stream_set_keep_max(&c->stream, STREAM_KEEP_MAX);
	d->console.on_login(c, d->console.context);
}

bool client_entry_has_room(const struct login *l)
{
	struct client *c = l->client;
	struct dispatcher *d = c->dispatcher;

	if (d->pooled_count >= (size_t)settings_of(l)->max_client_conn)
		client_close(c, CLOSE_MAX_CLIENT_CONN);
	else if (d->client_count - d->console_count > d->client_ceiling)
		client_close(c, CLOSE_NO_DESCRIPTORS);
	else if (memory_refuses(d))
		memory_refuse_login(c);
	return c->closing == CLOSE_NOT;
}

static bool is_within_limits(const struct login *l, const struct usage *database)
{
	struct client *c = l->client;

	if (!client_entry_has_room(l))
		return false;
	if (database && !usage_has_room_for_client(database))
		client_close(c, CLOSE_MAX_DB_CLIENTS);
	else if (database && !usage_has_room_for_client(c->user))
		client_close(c, CLOSE_MAX_USER_CLIENTS);
	else
		return true;
	return false;
}

static bool may_enter(const struct login *l, const struct pool *pool)
{
	struct client *c = l->client;

	if (l->client->dispatcher->shutdown != SHUTDOWN_NONE)
		client_close(c, CLOSE_SHUTDOWN_LOGIN);
	else if (pool->database_usage->gate.is_disabled)
		client_close_naming(c, CLOSE_DATABASE_DISABLED, "database is disabled",
				    l->database, NULL);
	else
		return is_within_limits(l, pool->database_usage);
	return false;
}

/* What lets servers be logged in to as this client. Those that a forced user stands for
 * have shown nothing of that user. */
static bool hand_over_proof(const struct login *l, struct pool *pool)
{
	const struct scram_keys *keys = l->exchange ? exchange_keys(l->exchange) : NULL;
	struct slice password = buffer_bytes(&l->password);
	struct slice secret = buffer_bytes(&l->secret);
	struct credential *credential = &known_of(pool)->credential;

	if (pool->database->user[0])
		return true;
	/* A server that refused the old one may take this. */
	if (credential_is_news(credential, password, secret, keys))
		opening_has_new_proof(&pool->opening);
	return credential_learn(credential, password, secret, keys);
}

static void log_attempt(const struct login *l, const struct pool *pool)
{
	struct client *c = l->client;
	char prefix[CLIENT_PREFIX_LEN];
	struct tls_facts tls = {.protocol = "no"};

	if (!settings_of(l)->log_connections)
		return;
	tls_facts(&c->stream, &tls);
	log_write(LOG_LEVEL_LOG, client_prefix(c, prefix),
		  "login attempt: db=%s user=%s tls=%s replication=%s",
		  pool->database_name, c->user->name, tls.protocol,
		  replication_parameter(l->replication));
}

static void enter_pool(const struct login *l, struct pool *pool)
{
	struct client *c = l->client;

	dispatcher_join_pool(c, pool);
	if (!hand_over_proof(l, pool)) {
		client_close(c, CLOSE_OUT_OF_MEMORY);
		return;
	}
	log_attempt(l, pool);
	if (l->replication != STARTUP_REPLICATION_NONE)
		replication_begin(c, l->replication);
	else if (known_of(pool)->welcome)
		client_entry_welcome(c);
	else
		dispatcher_ask(c);
}

/* The first client of a name that only the "*" entry takes. */
static void log_new_database(const struct login *l)
{
	char prefix[CLIENT_PREFIX_LEN], shown[128];

	if (!usages_find(&l->client->dispatcher->pools.databases, l->database))
		log_write(LOG_LEVEL_LOG, client_prefix(l->client, prefix),
			  "registered new auto-database: db=%s",
			  text_escape(shown, sizeof(shown), l->database));
}

static void enter_database(const struct login *l)
{
	struct client *c = l->client;
	struct dispatcher *d = l->client->dispatcher;
	bool is_auto;
	const struct database *database =
	    pools_database(&d->pools, l->database, &is_auto);

	if (!database) {
		client_close_naming(c, CLOSE_NO_DATABASE, "no such database", l->database,
				    NULL);
		return;
	}
	if (!database->user[0] && settings_of(l)->auth_type == AUTH_TYPE_ANY) {
		client_close(c, CLOSE_ANY_NEEDS_USER);
		return;
	}
	struct slice server_user =
	    database->user[0] ? slice_of_text(database->user) : l->user;
	if (is_auto)
		log_new_database(l);
	struct pool *pool = keeper_pool(d, l->database, server_user);
	c->user = pools_hold_user(&d->pools, l->user);
	if (!pool || !c->user) {
		client_close(c, CLOSE_OUT_OF_MEMORY);
		return;
	}
	if (may_enter(l, pool))
		enter_pool(l, pool);
	else
		keeper_let_go(d, pool);
}

/* Now, since its length depends on what was said in the startup packet. */
static void hand_out_key(const struct login *l)
{
	struct client *c = l->client;

	cancels_hand_out(&c->dispatcher->cancels, &c->cancel,
			 startup_version(&l->startup) >= STARTUP_PROTOCOL_3_2);
}

void client_entry_enter(struct login *l)
{
	struct client *c = l->client;

	if (!client_params_read(l))
		return;
	hand_out_key(l);
	if (!client_entry_is_console(l)) {
		enter_database(l);
		return;
	}
	c->user = pools_hold_user(&c->dispatcher->pools, l->user);
	if (c->user)
		enter_console(l);
	else
		client_close(c, CLOSE_OUT_OF_MEMORY);
}
