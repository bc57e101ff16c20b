/*
 * Connecting to a server and logging in to it ("Message Flow", *Start-up*, from the
 * frontend's side). Passwords are not spoken here yet: a server has to trust us.
 */
#include "relay/server_login.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/reader.h"
#include "base/text.h"
#include "config/config.h"
#include "net/connector.h"
#include "net/transport.h"
#include "pool/pool.h"
#include "proto/frame.h"
#include "proto/notice.h"
#include "proto/startup.h"
#include "proto/writer.h"
#include "relay/clean.h"
#include "relay/dispatcher.h"
#include "relay/server.h"

enum { LOGIN_MESSAGE_MAX = 64 * 1024, LOGIN_TEXT_LEN = 256 };

struct server_login {
	struct connector connector;
	struct server *server;
	bool is_authenticated;
};

void server_login_free(struct server *s)
{
	if (!s->login)
		return;
	connector_stop(&s->login->connector);
	free(s->login);
	s->login = NULL;
}

static void fail(struct server *s, const char *sqlstate, const char *message)
{
	dispatcher_server_failed(s, &(struct notice){.severity = "FATAL",
						     .sqlstate = sqlstate,
						     .message = message});
}

void server_login_broken(struct server *s, int error)
{
	char message[LOGIN_TEXT_LEN];

	snprintf(message, sizeof(message),
		 "server closed the connection during login%s%s", error ? ": " : "",
		 error ? strerror(error) : "");
	fail(s, SQLSTATE_CONNECTION_FAILURE, message);
}

void server_login_timeout(struct server *s)
{
	fail(s, SQLSTATE_CONNECTION_NOT_POSSIBLE,
	     closing_row(CLOSE_CONNECT_TIMEOUT)->text);
}

static void write_setting(struct writer *w, const char *name, const char *value)
{
	if (!value[0])
		return;
	writer_text(w, name);
	writer_text(w, value);
}

static void send_startup(struct server *s)
{
	const struct pool *pool = s->slot.pool;
	const struct database *database = pool->database;
	struct writer w = writer_of(stream_cork_buffer(&s->stream));

	writer_begin(&w, 0);
	writer_u32(&w, STARTUP_PROTOCOL_3_0);
	write_setting(&w, "user", pool->user_name);
	write_setting(&w, "database",
		      database->dbname[0] ? database->dbname : pool->database_name);
	write_setting(&w, "client_encoding", database->client_encoding);
	write_setting(&w, "datestyle", database->datestyle);
	write_setting(&w, "timezone", database->timezone);
	write_setting(&w, "application_name", database->application_name);
	writer_u8(&w, 0);
	writer_end(&w);
	if (!writer_finish(&w))
		fail(s, SQLSTATE_OUT_OF_MEMORY, "out of memory");
	stream_corked(&s->stream);
}

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
		/* Our own lack of descriptors says nothing about the server: it is a
		 * limit, and worth waiting for. */
		fail(s,
		     connector_error_is_ours(error) ? SQLSTATE_TOO_MANY_CONNECTIONS
						    : SQLSTATE_CONNECTION_NOT_POSSIBLE,
		     problem);
		return;
	}
	note_endpoint(s, fd);
	stream_open(&s->stream, s->dispatcher->loop, fd, &transport_plain,
		    s->dispatcher->ops->server_stream);
	stream_set_keep_max(&s->stream, LOGIN_MESSAGE_MAX);
	server_move(s, SERVER_LOGIN);
	log_connected(s);
	send_startup(s);
}

void server_login_start(struct server *s)
{
	struct dispatcher *d = s->dispatcher;
	const struct database *database = s->slot.pool->database;
	const char *host = database->host;

	s->login = calloc(1, sizeof(*s->login));
	if (!s->login) {
		fail(s, SQLSTATE_OUT_OF_MEMORY, "out of memory");
		return;
	}
	s->login->server = s;
	if (!host[0])
		host = d->config->settings.unix_socket_dir;
	server_arm(s);
	connector_start(&s->login->connector, d->loop, d->resolver, host,
			(uint16_t)database->port, &d->tuning, on_connected);
}

static void on_authentication(struct server *s, struct slice body)
{
	struct reader r = reader_of(body);
	uint32_t method = reader_u32(&r);
	char message[LOGIN_TEXT_LEN];

	if (!reader_ok(&r)) {
		fail(s, SQLSTATE_PROTOCOL_VIOLATION, "invalid authentication request");
		return;
	}
	if (method == 0) {
		s->login->is_authenticated = true;
		return;
	}
	snprintf(
	    message, sizeof(message),
	    "server asks for authentication (method %u), but only servers that trust "
	    "the pooler are supported",
	    method);
	fail(s, SQLSTATE_NOT_AUTHORIZED, message);
}

static void on_parameter(struct server *s, struct slice body)
{
	struct reader r = reader_of(body);
	struct slice name = reader_cstring(&r), value = reader_cstring(&r);

	if (!reader_done(&r)) {
		fail(s, SQLSTATE_PROTOCOL_VIOLATION, "invalid ParameterStatus");
		return;
	}
	struct params *more = params_with(&s->dispatcher->params, s->params, name, value);
	if (!more) {
		fail(s, SQLSTATE_OUT_OF_MEMORY, "out of memory");
		return;
	}
	params_unref(&s->dispatcher->params, s->params);
	s->params = more;
}

/* Protocol 3.0 keys have eight bytes; of a longer one no cancel request can be made, and
 * clients of this server will find that theirs do nothing. */
static void on_key(struct server *s, struct slice body)
{
	if (body.len != sizeof(s->cancel_key))
		return;
	memcpy(s->cancel_key, body.data, sizeof(s->cancel_key));
	s->has_cancel_key = true;
}

static void on_error(struct server *s, struct slice body)
{
	struct notice_fields f;
	char sqlstate[6] = SQLSTATE_CONNECTION_NOT_POSSIBLE;
	char message[LOGIN_TEXT_LEN] = "server login failed", detail[LOGIN_TEXT_LEN],
	     hint[128];

	if (!notice_read(body, &f))
		f = (struct notice_fields){0};
	if (f.sqlstate.len == 5)
		memcpy(sqlstate, f.sqlstate.data, 5);
	if (f.message.len > 0)
		text_copy(message, sizeof(message), f.message);
	text_copy(detail, sizeof(detail), f.detail);
	text_copy(hint, sizeof(hint), f.hint);
	dispatcher_server_failed(s, &(struct notice){.severity = "FATAL",
						     .sqlstate = sqlstate,
						     .message = message,
						     .detail = detail[0] ? detail : NULL,
						     .hint = hint[0] ? hint : NULL});
}

/* Names in track_extra_parameters that this server does not report cannot be followed. */
static void warn_untracked(const struct server *s)
{
	const char *list = s->dispatcher->config->settings.track_extra_parameters;
	struct slice value;
	char prefix[256];

	while (*list) {
		size_t len = strcspn(list, ", ");
		if (len > 0 && !params_find(s->params, slice_of(list, len), &value))
			log_write(
			    LOG_LEVEL_WARNING, server_prefix(s, prefix),
			    "track_extra_parameters: the server does not report %.*s",
			    (int)len, list);
		list += len + strspn(list + len, ", ");
	}
}

static void on_ready(struct server *s, struct slice body)
{
	const char *query = s->slot.pool->database->connect_query;

	if (!s->login->is_authenticated || body.len != 1 || body.data[0] != 'I') {
		fail(s, SQLSTATE_PROTOCOL_VIOLATION, "unexpected ReadyForQuery in login");
		return;
	}
	if (!s->slot.pool->has_been_reached)
		warn_untracked(s);
	s->base = params_ref(s->params);
	server_login_free(s);
	if (query[0])
		clean_connect(s, slice_of_text(query));
	else
		dispatcher_server_opened(s);
}

static void on_message(struct server *s, const struct frame *f)
{
	char message[LOGIN_TEXT_LEN];

	switch (f->letter) {
	case 'R':
		on_authentication(s, f->body);
		return;
	case 'S':
		on_parameter(s, f->body);
		return;
	case 'K':
		on_key(s, f->body);
		return;
	case 'E':
		on_error(s, f->body);
		return;
	case 'Z':
		on_ready(s, f->body);
		return;
	case 'N':
	case 'v': /* NegotiateProtocolVersion: 3.0 is all we ask for */
		return;
	default:
		snprintf(message, sizeof(message),
			 "server sent a message of type 0x%02x during login", f->letter);
		fail(s, SQLSTATE_PROTOCOL_VIOLATION, message);
	}
}

size_t server_login_feed(struct server *s, struct slice bytes)
{
	struct slice rest = bytes;
	struct frame f;

	while (s->login && s->closing == CLOSE_NOT) {
		enum frame_result result = frame_peek(rest, LOGIN_MESSAGE_MAX - 16, &f);
		if (result == FRAME_BAD) {
			fail(s, SQLSTATE_PROTOCOL_VIOLATION,
			     "server sent something else than PostgreSQL's protocol");
			break;
		}
		if (result == FRAME_SHORT || !frame_is_whole(&f))
			break;
		on_message(s, &f);
		rest = slice_after(rest, f.total_len);
	}
	return bytes.len - rest.len;
}
