/*
 * Reaching a server that is to be logged in to: a connection, and TLS where it is wanted
 * and to be had ("Message Flow", *SSL Session Encryption*).
 */
#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"
#include "net/tls.h"
#include "net/transport.h"
#include "pool/pool.h"
#include "proto/notice.h"
#include "proto/startup.h"
#include "proto/writer.h"
#include "relay/dispatcher.h"
#include "relay/encryption.h"
#include "relay/keyring.h"
#include "relay/known.h"
#include "relay/server_login_internal.h"

/* ---- TLS ---- */

static const struct server_tls *tls_of(const struct server *s)
{
	return &s->slot.pool->database->tls;
}

static void on_secured(struct stream *stream)
{
	struct server *s = server_of_stream(stream);

	if (s->closing == CLOSE_NOT)
		server_login_send_startup(s);
}

static void secure(struct server *s, struct tls_context *context)
{
	struct known *known = known_of(s->slot.pool);
	struct tls_target target = {
	    .host = s->slot.pool->database->host,
	    .is_direct = tls_of(s)->negotiation == SSLNEGOTIATION_DIRECT,
	    .session = &known->session,
	};

	s->login->step = STEP_HANDSHAKE;
	known_meet(known, context, tls_of(s)->mode);
	if (tls_connect(&s->stream, context, &target, on_secured) < 0)
		server_login_fail(s, REACH_OURS, SQLSTATE_OUT_OF_MEMORY, "out of memory");
}

static void ask_for_tls(struct server *s)
{
	struct writer w = writer_of(stream_cork_buffer(&s->stream));

	s->login->step = STEP_ASKED_TLS;
	startup_write_ssl_request(&w);
	if (!writer_finish(&w))
		server_login_fail(s, REACH_OURS, SQLSTATE_OUT_OF_MEMORY, "out of memory");
	stream_corked(&s->stream);
}

/* None over Unix sockets, as everywhere. */
static struct tls_context *context_of(const struct server *s)
{
	if (endpoint_is_unix(&s->at))
		return NULL;
	return encryption_for_server(s->dispatcher->logins.keyring->encryption,
				     tls_of(s));
}

/* Whatever kept us from having a context: not where TLS is required. */
static void go_on_in_clear(struct server *s)
{
	if (tls_of(s)->mode >= TLS_MODE_REQUIRE && !endpoint_is_unix(&s->at)) {
		server_login_fail(s, REACH_OURS, SQLSTATE_OUT_OF_MEMORY, "out of memory");
		return;
	}
	known_meet(known_of(s->slot.pool), NULL, tls_of(s)->mode);
	server_login_send_startup(s);
}

static void begin(struct server *s)
{
	struct tls_context *context = context_of(s);

	if (!context)
		go_on_in_clear(s);
	else if (tls_of(s)->negotiation == SSLNEGOTIATION_DIRECT)
		secure(s, context);
	else
		ask_for_tls(s);
}

static void on_accepted(struct server *s)
{
	struct tls_context *context = context_of(s);

	/* A reload may have come between question and answer. */
	if (context)
		secure(s, context);
	else
		server_login_fail(s, REACH_TLS, SQLSTATE_CONNECTION_FAILURE,
				  "TLS was turned off meanwhile");
}

static void on_declined(struct server *s)
{
	if (tls_of(s)->mode >= TLS_MODE_REQUIRE)
		server_login_fail(
		    s, REACH_TLS, SQLSTATE_CONNECTION_NOT_POSSIBLE,
		    "server does not support TLS, but server_tls_sslmode requires it");
	else
		go_on_in_clear(s);
}

/* An old or a full server says in an ErrorResponse why it cannot. Where TLS is required,
 * words that anybody in between could have written are not repeated. */
static size_t on_error_instead(struct server *s)
{
	s->login->step = STEP_MESSAGES;
	if (tls_of(s)->mode >= TLS_MODE_REQUIRE)
		server_login_fail(s, REACH_TLS, SQLSTATE_CONNECTION_NOT_POSSIBLE,
				  "server answered the request for TLS with an error");
	return 0;
}

size_t server_reach_on_tls_answer(struct server *s, struct slice bytes)
{
	uint8_t answer = bytes.data[0];

	if (answer == 'E')
		return on_error_instead(s);
	if (bytes.len > 1)
		server_login_fail(s, REACH_BROKEN, SQLSTATE_PROTOCOL_VIOLATION,
				  "received unencrypted data after SSL response");
	else if (answer == 'S')
		on_accepted(s);
	else if (answer == 'N')
		on_declined(s);
	else
		server_login_fail(
		    s, REACH_BROKEN, SQLSTATE_PROTOCOL_VIOLATION,
		    "server sent something else than an answer to SSLRequest");
	return 1;
}

/* ---- connecting ---- */

static void log_connected(struct server *s)
{
	char prefix[256], here[ADDRESS_TEXT_LEN];
	struct address self = address_of_self(loop_io_fd(&s->stream.io));

	if (s->dispatcher->config->settings.log_connections)
		log_write(LOG_LEVEL_LOG, server_prefix(s, prefix),
			  "new connection to server (from %s)",
			  address_print_with_port(&self, here));
}

static void note_endpoint(struct server *s, int fd)
{
	s->at.len = sizeof(s->at.storage);
	if (getpeername(fd, (struct sockaddr *)&s->at.storage, &s->at.len) < 0)
		s->at.len = 0;
}

/* Our own lack of descriptors says nothing about the server: it is a limit, and worth
 * waiting for. */
static void fail_to_connect(struct server *s, int error, const char *problem)
{
	enum reach why =
	    connector_error_is_ours(error) ? REACH_OURS : reach_of_errno(error);

	server_login_fail(s, why,
			  reach_is_down(why) ? SQLSTATE_CONNECTION_NOT_POSSIBLE
					     : SQLSTATE_TOO_MANY_CONNECTIONS,
			  problem);
}

static void on_connected(struct connector *connector, int fd, int error,
			 const char *problem)
{
	struct server_login *login = (void *)connector;
	struct server *s = login->server;

	/* Both in one turn: an administrator ended it, and the connector was ready. */
	if (s->closing != CLOSE_NOT) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (fd < 0) {
		fail_to_connect(s, error, problem);
		return;
	}
	/* Numbers are given lowest first: few are left, and the console needs some. */
	if (s->dispatcher->server_fd_ceiling > 0 &&
	    fd >= s->dispatcher->server_fd_ceiling) {
		close(fd);
		fail_to_connect(s, EMFILE, "out of file descriptors for servers");
		return;
	}
	note_endpoint(s, fd);
	stream_open(&s->stream, s->dispatcher->loop, fd, &transport_plain,
		    s->dispatcher->ops->server_stream);
	stream_urgent(&s->stream);
	stream_set_keep_max(&s->stream, LOGIN_MESSAGE_MAX);
	server_move(s, SERVER_LOGIN);
	log_connected(s);
	begin(s);
}

void server_reach_start(struct server *s)
{
	struct dispatcher *d = s->dispatcher;
	const struct database *database = s->slot.pool->database;
	const char *host = database->host;

	if (!host[0])
		host = d->config->settings.unix_socket_dir;
	s->login->step = STEP_CONNECT;
	connector_start(&s->login->connector, d->loop, d->resolver, host,
			(uint16_t)database->port, &d->tuning, on_connected);
}
