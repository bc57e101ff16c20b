/*
 * Logging a client in ("Message Flow", *Start-up*, from the backend's side).
 *
 * What comes before the proof stands here: its place among other logins, encryption, the
 * startup packet.
 */
#include "relay/client_login.h"

#include <stdlib.h>

#include "config/config.h"
#include "net/tls.h"
#include "proto/writer.h"
#include "relay/cancel.h"
#include "relay/client.h"
#include "relay/client_entry.h"
#include "relay/client_fetch.h"
#include "relay/client_proof.h"
#include "relay/dispatcher.h"
#include "relay/encryption.h"
#include "relay/keyring.h"

/* The longest that may be kept of a client that logs in: a startup packet, or a password
 * message with its letter, and what follows it in the same read. */
enum { LOGIN_KEEP_MAX = STARTUP_MAX_LEN + 1024 };

static const struct settings *settings_of(const struct login *l)
{
	return &l->client->dispatcher->config->settings;
}

static struct logins *logins_of(const struct login *l)
{
	return &l->client->dispatcher->logins;
}

/* ---- beginning and end ---- */

static void take_turn(struct loop_task *task)
{
	struct login *l =
	    (struct login *)(void *)((char *)task - offsetof(struct login, ticket.turn));
	struct client *c = l->client;

	if (c->closing != CLOSE_NOT)
		return;
	l->is_in_turn = true;
	stream_release(&c->stream);
	/* It may be over by now, and gone. */
	if (c->state == CLIENT_STARTUP)
		c->login->is_in_turn = false;
}

bool client_login_begin(struct client *c)
{
	struct login *l = calloc(1, sizeof(*l));

	if (!l)
		return false;
	l->client = c;
	l->ticket.turn.run = take_turn;
	c->login = l;
	stream_set_keep_max(&c->stream, LOGIN_KEEP_MAX);
	return true;
}

void client_login_end(struct client *c)
{
	struct login *l = c->login;

	if (!l || c->is_logged_in)
		return;
	client_fetch_stop(l);
	login_gate_leave(&logins_of(l)->gate, &l->ticket);
	c->login = NULL;
	login_free(l);
}

void client_login_displaced(struct login_ticket *ticket)
{
	struct login *l =
	    (struct login *)(void *)((char *)ticket - offsetof(struct login, ticket));
	struct logins *logins = logins_of(l);

	client_close(l->client, CLOSE_LOGIN_DISPLACED);
	login_gate_leave(&logins->gate, ticket);
}

enum stream_turn client_login_may_read(struct stream *stream)
{
	struct client *c = client_of_stream(stream);
	struct login *l = c->login;

	/* What came together with the end of a handshake has had its turn. */
	if (c->state != CLIENT_STARTUP || l->is_in_turn || stream_has_hidden(stream))
		return STREAM_TURN_NOW;
	bool is_soon = login_gate_ask(&logins_of(l)->gate, &l->ticket);
	return is_soon ? STREAM_TURN_SOON : STREAM_TURN_LATER;
}

/* ---- the startup packet ---- */

static void negotiate(const struct login *l)
{
	struct writer w = writer_of(stream_cork_buffer(&l->client->stream));

	if (!startup_needs_negotiation(&l->startup))
		return;
	startup_write_negotiation(&w, &l->startup);
	writer_finish(&w);
	stream_corked(&l->client->stream);
}

static void refuse_replication(const struct login *l)
{
	struct slice value = slice_of_text("");

	startup_find_param(l->startup.params, "replication", &value);
	client_close_naming(l->client, CLOSE_BAD_REPLICATION,
			    closing_row(CLOSE_BAD_REPLICATION)->text, value,
			    "Valid values are: \"false\", 0, \"true\", 1, \"database\".");
}

/* Who wants to go where; false when that has ended the client. */
static bool read_names(struct login *l)
{
	struct client *c = l->client;
	struct slice params = l->startup.params;

	if (!startup_find_param(params, "user", &l->user) || l->user.len == 0)
		client_close(c, CLOSE_NO_USER);
	if (!startup_find_param(params, "database", &l->database) || l->database.len == 0)
		l->database = l->user;
	if (l->user.len > USER_NAME_MAX)
		client_close_naming(c, CLOSE_NAME_TOO_LONG, "username too long", l->user,
				    NULL);
	else if (l->database.len > DATABASE_NAME_MAX)
		client_close_naming(c, CLOSE_NAME_TOO_LONG, "database name too long",
				    l->database, NULL);
	l->replication = (uint8_t)startup_replication(params);
	if (l->replication == STARTUP_REPLICATION_BAD)
		refuse_replication(l);
	return c->closing == CLOSE_NOT;
}

static bool is_encrypted_as_wanted(const struct login *l)
{
	struct client *c = l->client;
	enum tls_mode mode = settings_of(l)->client_tls_sslmode;

	if (mode < TLS_MODE_REQUIRE || c->peer.family == ADDRESS_UNIX ||
	    tls_is_on(&c->stream))
		return true;
	client_close(c, CLOSE_TLS_REQUIRED);
	return false;
}

/* The packet leaves the stream's buffer; what is needed of it is needed until the end. */
static bool keep_packet(struct login *l, const struct startup_packet *packet,
			struct slice bytes)
{
	l->packet = malloc(packet->total_len);
	if (!l->packet) {
		client_close(l->client, CLOSE_OUT_OF_MEMORY);
		return false;
	}
	memcpy(l->packet, bytes.data, packet->total_len);
	l->startup = *packet;
	l->startup.params.data = l->packet + (packet->params.data - bytes.data);
	return true;
}

static bool may_begin(struct login *l)
{
	struct client *c = l->client;

	if (!is_encrypted_as_wanted(l) || !read_names(l))
		return false;
	if (client_entry_is_console(l))
		return true;
	if (c->dispatcher->shutdown != SHUTDOWN_NONE) {
		client_close(c, CLOSE_SHUTDOWN_LOGIN);
		return false;
	}
	return client_entry_has_room(l);
}

static void start(struct login *l, const struct startup_packet *packet,
		  struct slice bytes)
{
	if (!keep_packet(l, packet, bytes) || !may_begin(l))
		return;
	l->keyring = keyring_ref(logins_of(l)->keyring);
	negotiate(l);
	if (client_entry_is_console(l) && client_entry_is_own_user(l))
		client_proof_skip(l);
	else
		client_proof_begin(l);
}

/* ---- what comes before it ---- */

static struct tls_context *tls_for(const struct login *l)
{
	const struct client *c = l->client;

	if (c->peer.family == ADDRESS_UNIX || tls_is_on(&c->stream))
		return NULL;
	return encryption_for_clients(logins_of(l)->keyring->encryption);
}

static void accept_tls(struct login *l, struct tls_context *context, bool is_direct,
		       struct slice early)
{
	if (tls_accept(&l->client->stream, context, is_direct, early, NULL) < 0)
		client_close(l->client, CLOSE_OUT_OF_MEMORY);
}

static void answer_request(struct login *l, char letter)
{
	stream_write(&l->client->stream, slice_of(&letter, 1));
}

static void on_encryption_request(struct login *l, bool is_tls, struct slice behind)
{
	struct client *c = l->client;
	struct tls_context *context = is_tls ? tls_for(l) : NULL;

	if (l->encryption_requests++ >= 2 || tls_is_on(&c->stream)) {
		client_close(c, CLOSE_BAD_STARTUP);
		return;
	}
	if (!context) {
		answer_request(l, 'N');
		return;
	}
	/* Whoever sits between us and the client could have put them there. */
	if (behind.len > 0) {
		client_close(c, CLOSE_CLEAR_BYTES);
		return;
	}
	answer_request(l, 'S');
	if (stream_has_queued(&c->stream))
		client_close(c, CLOSE_CLIENT_BROKEN);
	else
		accept_tls(l, context, false, behind);
}

/* A ClientHello at once; returns how many bytes are done with. */
static size_t on_hello(struct login *l, struct slice bytes)
{
	struct tls_context *context = tls_for(l);

	if (!context || l->encryption_requests > 0) {
		client_close(l->client, CLOSE_DIRECT_TLS);
		return 0;
	}
	accept_tls(l, context, true, bytes);
	return bytes.len;
}

static size_t feed_packet(struct login *l, struct slice bytes)
{
	struct client *c = l->client;
	struct startup_packet packet;

	switch (startup_peek(bytes, &packet)) {
	case STARTUP_MORE:
		return 0;
	case STARTUP_SSL_REQUEST:
		on_encryption_request(l, true, slice_after(bytes, packet.total_len));
		break;
	case STARTUP_GSS_REQUEST:
		on_encryption_request(l, false, slice_after(bytes, packet.total_len));
		break;
	case STARTUP_CANCEL:
		client_login_end(c);
		cancel_request(c, packet.cancel_key);
		break;
	case STARTUP_LOGIN:
		start(l, &packet, bytes);
		break;
	case STARTUP_OLD_VERSION:
		client_close(c, CLOSE_OLD_PROTOCOL);
		return 0;
	case STARTUP_TLS_HELLO:
		return on_hello(l, bytes);
	case STARTUP_BAD:
		client_close_saying(c, CLOSE_BAD_STARTUP, packet.problem, NULL, NULL);
		return 0;
	}
	return packet.total_len;
}

/* ---- feeding ---- */

static size_t feed_step(struct login *l, struct slice bytes)
{
	switch ((enum login_step)l->step) {
	case LOGIN_STEP_PACKET:
		return feed_packet(l, bytes);
	case LOGIN_STEP_EXCHANGE:
		return client_proof_feed(l, bytes);
	case LOGIN_STEP_FETCH:
	case LOGIN_STEP_OVER:
		break;
	}
	return 0;
}

size_t client_login_feed(struct client *c, struct slice bytes)
{
	size_t done = 0, step;

	do {
		step = feed_step(c->login, slice_after(bytes, done));
		done += step;
	} while (step > 0 && c->state == CLIENT_STARTUP);
	return done;
}
