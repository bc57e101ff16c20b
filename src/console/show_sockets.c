/*
 * SHOW CLIENTS, SERVERS and SOCKETS: one row per connection.
 *
 * Clients and servers come and go between two slices. Their lists are in the order of
 * their ids, so the place is found again by the id of the one that was looked at last; a
 * client that is still there is found at once by its cancel key.
 */
#include <stdio.h>

#include "base/text.h"
#include "config/config.h"
#include "console/show.h"
#include "net/address.h"
#include "net/tls.h"
#include "relay/replication.h"
#include "relay/session.h"

#define CONNECTION_COLUMNS                                                               \
	{"type", COLUMN_TEXT}, {"user", COLUMN_TEXT}, {"database", COLUMN_TEXT},         \
	    {"replication", COLUMN_TEXT}, {"state", COLUMN_TEXT}, {"addr", COLUMN_TEXT}, \
	    {"port", COLUMN_INT4}, {"local_addr", COLUMN_TEXT},                          \
	    {"local_port", COLUMN_INT4}, {"connect_time", COLUMN_TEXT},                  \
	    {"request_time", COLUMN_TEXT}, {"wait", COLUMN_INT4},                        \
	    {"wait_us", COLUMN_INT4}, {"close_needed", COLUMN_INT4},                     \
	    {"ptr", COLUMN_TEXT}, {"link", COLUMN_TEXT}, {"remote_pid", COLUMN_INT4},    \
	    {"tls", COLUMN_TEXT}, {"application_name", COLUMN_TEXT},                     \
	    {"prepared_statements", COLUMN_INT4},                                        \
	{                                                                                \
		"id", COLUMN_INT4                                                        \
	}

#define OWN_COLUMNS                                                                      \
	{"tls_alpn", COLUMN_TEXT}, {"tls_subject", COLUMN_TEXT},                         \
	{                                                                                \
		"tls_session", COLUMN_TEXT                                               \
	}

static const struct column connection_columns[] = {CONNECTION_COLUMNS, OWN_COLUMNS};

static const struct column socket_columns[] = {CONNECTION_COLUMNS,
					       {"recv_pos", COLUMN_INT4},
					       {"pkt_pos", COLUMN_INT4},
					       {"pkt_remain", COLUMN_INT4},
					       {"send_pos", COLUMN_INT4},
					       {"send_remain", COLUMN_INT4},
					       {"pkt_avail", COLUMN_INT4},
					       {"send_avail", COLUMN_INT4},
					       OWN_COLUMNS};

/* ---- the common part of a row ---- */

static void show_address(struct row *row, const struct address *address)
{
	char text[ADDRESS_TEXT_LEN];

	row_text(row,
		 address->family == ADDRESS_NONE ? "" : address_print(address, text));
	row_count(row, address->port);
}

/* Our end of it; nothing while there is no connection. */
static void show_local_address(struct row *row, const struct stream *stream,
			       uint16_t unix_port)
{
	int fd = stream_is_open(stream) ? loop_io_fd(&stream->io) : -1;
	struct address address = {0};

	if (fd >= 0)
		address = address_of_self(fd);
	if (address.family == ADDRESS_UNIX)
		address.port = unix_port;
	show_address(row, &address);
}

static void show_tls(struct row *row, const struct stream *stream)
{
	char text[128] = "";
	struct tls_facts tls;

	if (tls_facts(stream, &tls))
		snprintf(text, sizeof(text), "%s/%s", tls.protocol, tls.cipher);
	row_text(row, text);
}

/* What a certificate says of its holder may be long, but not for ever. */
static void show_more_tls(struct row *row, const struct stream *stream)
{
	char subject[2048];
	struct tls_facts tls;
	bool is_on = tls_facts(stream, &tls);

	tls_peer_subject(stream, subject, sizeof(subject));
	row_text(row, is_on ? tls.alpn : "");
	row_text(row, subject);
	row_text(row, !is_on ? "" : tls.is_resumed ? "resumed" : "new");
}

static void show_application(struct row *row, const struct params *params)
{
	struct slice name = slice_of_text("");

	if (params)
		params_find(params, slice_of_text("application_name"), &name);
	row_slice(row, name);
}

/* ---- clients ---- */

static uint64_t client_wait(const struct show *show, const struct client *c)
{
	if (c->state == CLIENT_OPENING)
		return clock_since(show->now_us, c->since_us);
	return c->state == CLIENT_WAITING ? clock_since(show->now_us, c->waiter->since_us)
					  : 0;
}

static void show_client(struct row *row, const struct show *show, const struct client *c,
			const char *state_prefix)
{
	char state[64] = "";

	text_copy(state, sizeof(state), slice_of_text(state_prefix));
	text_copy(state + strlen(state), sizeof(state) - strlen(state),
		  slice_of_text(client_state_name(c->state)));
	row_text(row, "C");
	row_text(row, client_user_name(c));
	row_text(row, client_database_name(c));
	row_text(row, replication_name(c->replication));
	row_text(row, state);
	show_address(row, &c->peer);
	show_local_address(row, &c->stream, c->peer.port);
	show_time(row, show, c->connected_us);
	show_time(row, show, c->request_us ? c->request_us : c->connected_us);
	show_wait(row, client_wait(show, c));
	row_count(row, 0);
	row_pointer(row, c->id);
	row_pointer(row, c->server ? c->server->id : 0);
	row_int(row, client_process_id(c));
	show_tls(row, &c->stream);
	show_application(row, c->params);
	row_count(row, session_statement_count(c));
	row_count(row, show_shown_id(c->id));
}

static struct client *client_of_key(uint64_t key_bits, const struct dispatcher *d)
{
	struct cancel_key *key = cancels_at(&d->cancels, key_bits);

	if (!key)
		return NULL;
	return (struct client *)(void *)((char *)key - offsetof(struct client, cancel));
}

static struct client *find_next_client(const struct show *show)
{
	const struct dispatcher *d = show->dispatcher;
	const struct show_place *at = &show->clients;
	struct client *c = at->last_key != 0 ? client_of_key(at->last_key, d) : NULL;

	if (c && c->id == at->last_id && c->closing == CLOSE_NOT)
		return TAILQ_NEXT(c, place);
	TAILQ_FOREACH (c, &d->clients, place)
		if (c->id > at->last_id)
			break;
	return c;
}

/* The next one, moving the place on; NULL at the end. */
static struct client *next_client(struct show *show)
{
	struct show_place *at = &show->clients;
	struct client *c = at->is_found ? at->next : find_next_client(show);

	at->is_found = true;
	if (!c)
		return NULL;
	at->last_id = c->id;
	at->last_key = c->cancel.key;
	at->next = TAILQ_NEXT(c, place);
	return c;
}

static bool next_client_row(struct show *show, struct row *row)
{
	const struct client *c = next_client(show);

	if (!c)
		return false;
	if (c->state == CLIENT_STARTUP)
		return true;
	row_begin(row);
	show_client(row, show, c, "");
	show_more_tls(row, &c->stream);
	row_end(row);
	return true;
}

/* ---- servers ---- */

bool show_is_used(const struct show *show, const struct server *s)
{
	const struct settings *settings = &show->dispatcher->config->settings;

	return s->state == SERVER_IDLE && !s->private &&
	       settings->server_check_query[0] &&
	       clock_since(show->now_us, s->since_us) > settings->server_check_delay;
}

static const char *state_of(const struct show *show, const struct server *s)
{
	return show_is_used(show, s) ? "used" : server_state_name(s);
}

static void show_server(struct row *row, const struct show *show, const struct server *s,
			const char *state)
{
	const struct pool *pool = s->slot.pool;
	struct address at = address_of_endpoint(&s->at);

	row_text(row, "S");
	row_text(row, pool ? pool->user_name : "(nouser)");
	row_text(row, pool ? pool->database_name : "(nodb)");
	row_text(row, replication_name(replication_of_server(s)));
	row_text(row, state);
	show_address(row, &at);
	show_local_address(row, &s->stream, at.port);
	show_time(row, show, s->connect_us);
	show_time(row, show, s->query_us ? s->query_us : s->since_us);
	show_wait(row, 0);
	row_count(row, s->slot.retire);
	row_pointer(row, s->id);
	row_pointer(row, s->client ? s->client->id : 0);
	row_count(row, server_process_id(s));
	show_tls(row, &s->stream);
	show_application(row, s->params);
	row_count(row, s->statements.count);
	row_count(row, show_shown_id(s->id));
}

static struct server *next_server(struct show *show)
{
	struct show_place *at = &show->servers;
	struct server *s = at->next;

	if (!at->is_found) {
		TAILQ_FOREACH (s, &show->dispatcher->servers, place)
			if (s->id > at->last_id)
				break;
	}
	at->is_found = true;
	if (!s)
		return NULL;
	at->last_id = s->id;
	at->next = TAILQ_NEXT(s, place);
	return s;
}

static bool next_server_row(struct show *show, struct row *row)
{
	const struct server *s = next_server(show);

	if (!s)
		return false;
	row_begin(row);
	show_server(row, show, s, state_of(show, s));
	show_more_tls(row, &s->stream);
	row_end(row);
	return true;
}

/* ---- both ---- */

static const char *socket_state(const struct show *show, const struct server *s)
{
	switch ((enum server_state)s->state) {
	case SERVER_CONNECTING:
	case SERVER_LOGIN:
		return "sv_login";
	case SERVER_IDLE:
		return show_is_used(show, s) ? "sv_used" : "sv_idle";
	case SERVER_LINKED:
		return "sv_active";
	case SERVER_CLEANING:
	case SERVER_CLOSING:
		break;
	}
	return "sv_tested";
}

static void show_buffers(struct row *row, const struct stream *stream, uint32_t rest)
{
	row_count(row, buffer_len(&stream->in));
	row_count(row, 0);
	row_count(row, rest);
	row_count(row, 0);
	row_count(row, buffer_len(&stream->out));
	row_count(row, buffer_len(&stream->in));
	row_count(row, buffer_len(&stream->out));
}

static bool is_busy(const struct client *c)
{
	return c->state == CLIENT_LINKED || c->state == CLIENT_WAITING ||
	       c->state == CLIENT_OPENING || c->state == CLIENT_CONSOLE;
}

static bool next_socket(struct show *show, struct row *row, bool only_active)
{
	const struct client *c = next_client(show);
	const struct server *s = c ? NULL : next_server(show);

	if (!c && !s)
		return false;
	if (only_active && (c ? !is_busy(c) : s->state == SERVER_IDLE))
		return true;
	row_begin(row);
	if (c)
		show_client(row, show, c, "cl_");
	else
		show_server(row, show, s, socket_state(show, s));
	const struct stream *stream = c ? &c->stream : &s->stream;
	show_buffers(row, stream, c ? c->rest : s->rest);
	show_more_tls(row, stream);
	row_end(row);
	return true;
}

static bool next_socket_row(struct show *show, struct row *row)
{
	return next_socket(show, row, false);
}

static bool next_active_row(struct show *show, struct row *row)
{
	return next_socket(show, row, true);
}

const struct show_table show_clients = {
    .name = "CLIENTS", SHOW_COLUMNS(connection_columns), .next = next_client_row};
const struct show_table show_servers = {
    .name = "SERVERS", SHOW_COLUMNS(connection_columns), .next = next_server_row};
const struct show_table show_sockets = {
    .name = "SOCKETS", SHOW_COLUMNS(socket_columns), .next = next_socket_row};
const struct show_table show_active_sockets = {
    .name = "ACTIVE_SOCKETS", SHOW_COLUMNS(socket_columns), .next = next_active_row};
