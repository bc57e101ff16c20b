/*
 * Logging a client in ("Message Flow", *Start-up*, from the backend's side).
 *
 * Everything that is needed is in one packet, so a login is one step: it succeeds, fails,
 * or waits for the pool's first server, which tells what a client has to be greeted with.
 */
#include "relay/client_login.h"

#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "net/loop.h"
#include "pool/pool.h"
#include "proto/notice.h"
#include "proto/startup.h"
#include "proto/writer.h"
#include "relay/cancel.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/keeper.h"
#include "relay/known.h"
#include "relay/refusal.h"

enum { TEXT_LEN = 256 };

/* What a login is about, while it is looked at. */
struct login {
	struct client *client;
	struct dispatcher *dispatcher;
	const struct settings *settings;
	const struct startup_packet *packet;
	struct slice user;
	struct slice database; /* as the client calls it */
};

/* ---- refusals with names in them ---- */

static void refuse_naming(struct client *c, enum closing reason, const char *what,
			  struct slice name, const char *hint)
{
	char shown[128], message[TEXT_LEN];

	snprintf(message, sizeof(message), "%s: %s", what,
		 text_escape(shown, sizeof(shown), name));
	client_close_saying(c, reason, message, NULL, hint);
}

/* ---- parameters ---- */

static bool is_own_parameter(struct slice name)
{
	return slice_is_text(name, "user") || slice_is_text(name, "database") ||
	       slice_is_text(name, "replication") || slice_is_text(name, "options") ||
	       /* which PostgreSQL ignores here, too */
	       slice_is_text(name, "session_authorization") ||
	       (name.len >= 5 && memcmp(name.data, "_pq_.", 5) == 0);
}

static bool is_ignored(const struct login *l, struct slice name)
{
	return config_list_has(l->settings->ignore_startup_parameters, name);
}

static bool add_parameter(const struct login *l, struct slice name, struct slice value)
{
	struct client *c = l->client;
	struct params_store *store = &l->dispatcher->params;

	if (is_ignored(l, name))
		return true;
	if (!params_is_settable(name)) {
		refuse_naming(c, CLOSE_BAD_PARAMETER, "unsupported startup parameter",
			      name,
			      "It cannot be changed on the server; see "
			      "ignore_startup_parameters.");
		return false;
	}
	struct params *more = params_with(store, c->params, name, value);
	if (!more) {
		client_close(c, CLOSE_OUT_OF_MEMORY);
		return false;
	}
	params_unref(store, c->params);
	c->params = more;
	return true;
}

static bool add_options(const struct login *l, struct slice options)
{
	struct buffer scratch = {0};
	struct slice name, value;
	bool is_lenient = is_ignored(l, slice_of_text("options"));

	for (;;) {
		enum startup_option option =
		    startup_next_option(&options, &scratch, &name, &value);
		bool is_fine = option != STARTUP_OPTION_BAD;

		if (option == STARTUP_OPTION_SET)
			is_fine = add_parameter(l, name, value);
		else if (!is_fine && !is_lenient)
			refuse_naming(
			    l->client, CLOSE_BAD_PARAMETER,
			    "unsupported options startup parameter", value,
			    "Only '-c config=val' and '--config=val' are allowed.");
		if (option == STARTUP_OPTION_SET && is_fine)
			continue;
		buffer_fini(&scratch);
		return is_fine || (is_lenient && l->client->closing == CLOSE_NOT);
	}
}

static bool add_host_to_name(const struct login *l)
{
	struct client *c = l->client;
	struct slice name = slice_of_text("application_name"), old = slice_of_text("app");
	char address[ADDRESS_TEXT_LEN], value[TEXT_LEN], shown[64];

	if (!l->settings->application_name_add_host)
		return true;
	params_find(c->params, name, &old);
	text_copy(shown, sizeof(shown), old);
	snprintf(value, sizeof(value), "%s - %s", shown,
		 address_print_with_port(&c->peer, address));
	return add_parameter(l, name, slice_of_text(value));
}

static bool read_parameters(const struct login *l)
{
	struct slice params = l->packet->params, name, value;

	while (startup_next_param(&params, &name, &value)) {
		if (slice_is_text(name, "options") && !add_options(l, value))
			return false;
		if (!is_own_parameter(name) && !add_parameter(l, name, value))
			return false;
	}
	return add_host_to_name(l);
}

/* ---- the greeting ---- */

/* What the server reports, in the client's own version where it asked for one. */
static void write_parameters(struct writer *w, const struct client *c,
			     const struct params *welcome)
{
	struct slice name, value;

	for (size_t i = 0; i < params_count(welcome); i++) {
		params_at(welcome, i, &name, &value);
		params_find(c->params, name, &value);
		writer_parameter_status(w, name, value);
	}
}

static void greet(struct client *c, const struct params *welcome)
{
	struct dispatcher *d = c->dispatcher;
	struct writer w = writer_of(stream_cork_buffer(&c->stream));
	uint8_t key[8];

	cancels_hand_out(&d->cancels, &c->cancel);
	memcpy(key, &c->cancel.key, sizeof(key));
	writer_begin(&w, 'R');
	writer_u32(&w, 0);
	writer_end(&w);
	write_parameters(&w, c, welcome);
	writer_backend_key(&w, key);
	writer_ready(&w, 'I');
	bool is_written = writer_finish(&w);
	stream_corked(&c->stream);
	if (!is_written)
		client_close(c, CLOSE_OUT_OF_MEMORY);
}

static void count_login(struct client *c)
{
	struct dispatcher *d = c->dispatcher;
	uint64_t now_us = dispatcher_now(d);

	c->is_logged_in = true;
	d->login_count--;
	tally_at(&c->pool->tally, now_us)->client_login_count++;
	tally_at(&d->pools.tally, now_us)->client_login_count++;
	stream_set_keep_max(&c->stream, STREAM_KEEP_MAX);
}

void client_login_welcome(struct client *c)
{
	const struct known *known = known_of(c->pool);

	greet(c, known->welcome);
	if (c->closing != CLOSE_NOT)
		return;
	count_login(c);
	client_move(c, CLIENT_IDLE);
	client_arm(c);
}

/* ---- who may come in ---- */

static bool is_console_name(struct slice database)
{
	return slice_is_text(database, "pooler") || slice_is_text(database, "pgbouncer");
}

/* On the Unix socket, the user that the pooler runs as is its administrator. */
static bool is_own_user(const struct login *l)
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

static void login_to_console(const struct login *l)
{
	struct client *c = l->client;
	struct dispatcher *d = l->dispatcher;
	bool is_stats = config_list_has(l->settings->stats_users, l->user);

	c->is_admin =
	    config_list_has(l->settings->admin_users, l->user) || is_own_user(l);
	if (!c->is_admin && !is_stats && l->settings->auth_type != AUTH_TYPE_ANY) {
		client_close_saying(
		    c, CLOSE_NOT_ALLOWED, NULL, NULL,
		    "Only users in admin_users and stats_users may use the "
		    "console.");
		return;
	}
	d->login_count--;
	d->console_count++;
	c->is_logged_in = true;
	cancels_hand_out(&d->cancels, &c->cancel);
	client_move(c, CLIENT_CONSOLE);
	stream_set_keep_max(&c->stream, STREAM_KEEP_MAX);
	d->console.on_login(c, d->console.context);
}

static bool is_within_limits(const struct login *l, const struct usage *database)
{
	struct client *c = l->client;
	struct dispatcher *d = l->dispatcher;
	size_t regular = d->client_count - d->console_count;

	if (regular > (size_t)l->settings->max_client_conn)
		client_close(c, CLOSE_MAX_CLIENT_CONN);
	else if (regular > d->client_ceiling)
		client_close(c, CLOSE_NO_DESCRIPTORS);
	else if (database && !usage_has_room_for_client(database))
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

	if (l->dispatcher->shutdown != SHUTDOWN_NONE)
		client_close(c, CLOSE_SHUTDOWN_LOGIN);
	else if (pool->database_usage->gate.is_disabled)
		refuse_naming(c, CLOSE_DATABASE_DISABLED, "database is disabled",
			      l->database, NULL);
	else
		return is_within_limits(l, pool->database_usage);
	return false;
}

static void enter_pool(const struct login *l, struct pool *pool)
{
	struct client *c = l->client;
	const struct known *known = known_of(pool);
	char prefix[CLIENT_PREFIX_LEN];

	dispatcher_join_pool(c, pool);
	if (l->settings->log_connections)
		log_write(LOG_LEVEL_LOG, client_prefix(c, prefix),
			  "login attempt: db=%s user=%s tls=no replication=no",
			  pool->database_name, c->user->name);
	if (known->welcome)
		client_login_welcome(c);
	else
		dispatcher_ask(c);
}

/* The first client of a name that only the "*" entry takes. */
static void log_new_database(const struct login *l)
{
	char prefix[CLIENT_PREFIX_LEN], shown[128];

	if (!usages_find(&l->dispatcher->pools.databases, l->database))
		log_write(LOG_LEVEL_LOG, client_prefix(l->client, prefix),
			  "registered new auto-database: db=%s",
			  text_escape(shown, sizeof(shown), l->database));
}

static void login_to_database(const struct login *l)
{
	struct client *c = l->client;
	struct dispatcher *d = l->dispatcher;
	bool is_auto;
	const struct database *database =
	    pools_database(&d->pools, l->database, &is_auto);

	if (!database) {
		char shown[128], message[TEXT_LEN];
		snprintf(message, sizeof(message), "no such database: %s",
			 text_escape(shown, sizeof(shown), l->database));
		client_close_saying(c, CLOSE_NO_DATABASE, message, NULL, NULL);
		return;
	}
	if (!database->user[0] && l->settings->auth_type == AUTH_TYPE_ANY) {
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

static void negotiate(const struct login *l)
{
	struct writer w = writer_of(stream_cork_buffer(&l->client->stream));

	if (!startup_needs_negotiation(l->packet))
		return;
	startup_write_negotiation(&w, l->packet);
	writer_finish(&w);
	stream_corked(&l->client->stream);
}

/* Who wants to go where; false when that has ended the client. */
static bool read_names(struct login *l)
{
	struct client *c = l->client;
	struct slice replication;

	if (!startup_find_param(l->packet->params, "user", &l->user) ||
	    l->user.len == 0) {
		client_close(c, CLOSE_NO_USER);
		return false;
	}
	if (!startup_find_param(l->packet->params, "database", &l->database) ||
	    l->database.len == 0)
		l->database = l->user;
	if (l->user.len > USER_NAME_MAX || l->database.len > DATABASE_NAME_MAX) {
		bool is_user = l->user.len > USER_NAME_MAX;
		refuse_naming(c, CLOSE_NAME_TOO_LONG,
			      is_user ? "username too long" : "database name too long",
			      is_user ? l->user : l->database, NULL);
		return false;
	}
	if (startup_find_param(l->packet->params, "replication", &replication) &&
	    !slice_is_text(replication, "false") && !slice_is_text(replication, "off") &&
	    !slice_is_text(replication, "no") && !slice_is_text(replication, "0")) {
		client_close(c, CLOSE_NO_REPLICATION);
		return false;
	}
	return true;
}

static void login(struct client *c, const struct startup_packet *packet)
{
	struct login l = {.client = c,
			  .dispatcher = c->dispatcher,
			  .settings = &c->dispatcher->config->settings,
			  .packet = packet};

	if (!read_names(&l))
		return;
	negotiate(&l);
	if (!read_parameters(&l))
		return;
	if (c->origin == CLIENT_BY_ADMIN || is_console_name(l.database)) {
		c->user = pools_hold_user(&l.dispatcher->pools, l.user);
		if (c->user)
			login_to_console(&l);
		else
			client_close(c, CLOSE_OUT_OF_MEMORY);
		return;
	}
	login_to_database(&l);
}

/* ---- packets ---- */

static void refuse_encryption(struct client *c)
{
	static const uint8_t no = 'N';

	stream_write(&c->stream, slice_of(&no, 1));
}

size_t client_login_feed(struct client *c, struct slice bytes)
{
	struct startup_packet packet;
	size_t done = 0;

	while (c->state == CLIENT_STARTUP) {
		switch (startup_peek(slice_after(bytes, done), &packet)) {
		case STARTUP_MORE:
			return done;
		case STARTUP_SSL_REQUEST:
		case STARTUP_GSS_REQUEST:
			if (c->encryption_requests++ >= 2) {
				client_close(c, CLOSE_BAD_STARTUP);
				return done;
			}
			refuse_encryption(c);
			break;
		case STARTUP_CANCEL:
			cancel_request(c, packet.cancel_key);
			break;
		case STARTUP_LOGIN:
			login(c, &packet);
			break;
		case STARTUP_OLD_VERSION:
			client_close(c, CLOSE_OLD_PROTOCOL);
			return done;
		case STARTUP_TLS_HELLO:
			client_close(c, CLOSE_DIRECT_TLS);
			return done;
		case STARTUP_BAD:
			client_close_saying(c, CLOSE_BAD_STARTUP, packet.problem, NULL,
					    NULL);
			return done;
		}
		done += packet.total_len;
	}
	return done;
}
