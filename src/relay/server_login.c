/*
 * Logging in to a server ("Message Flow", *Start-up*, from the frontend's side): the
 * startup packet, then the proof of who we are. How it is reached stands in
 * server_reach.c.
 *
 * The surprise: a login may begin again, where what ended it may be no more than that we
 * asked for a version of the protocol that the server does not know.
 */
#include "relay/server_login.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "base/reader.h"
#include "base/text.h"
#include "config/config.h"
#include "net/tls.h"
#include "pool/pool.h"
#include "proto/frame.h"
#include "proto/notice.h"
#include "proto/startup.h"
#include "proto/writer.h"
#include "relay/clean.h"
#include "relay/credential.h"
#include "relay/dispatcher.h"
#include "relay/keyring.h"
#include "relay/known.h"
#include "relay/private.h"
#include "relay/server_login_internal.h"

void server_login_free(struct server *s)
{
	if (!s->login)
		return;
	connector_stop(&s->login->connector);
	answer_fini(&s->login->answer);
	free(s->login);
	s->login = NULL;
}

void server_login_fail(struct server *s, enum reach why, const char *sqlstate,
		       const char *message)
{
	dispatcher_server_failed(s, why,
				 &(struct notice){.severity = "FATAL",
						  .sqlstate = sqlstate,
						  .message = message});
}

/* ---- the protocol's version ---- */

static uint32_t version_for(const struct server *s)
{
	return s->login->is_second || known_of(s->slot.pool)->is_plain
		   ? STARTUP_PROTOCOL_3_0
		   : STARTUP_PROTOCOL_3_2;
}

static void note_heard(struct server *s)
{
	if (s->login->is_heard)
		return;
	s->login->is_heard = true;
	if (s->login->version == STARTUP_PROTOCOL_3_0)
		known_of(s->slot.pool)->is_plain = true;
}

/* Whether the startup packet is all that it can have failed for so far. */
static bool is_in_doubt(const struct server *s)
{
	return s->login && s->login->version != 0 && !s->login->is_heard;
}

/* Old servers, and proxies, may end a connection that asks for more than 3.0. Whether the
 * login begins again, asking for less. */
static bool try_again(struct server *s)
{
	struct server_login *login = s->login;

	if (!is_in_doubt(s))
		return false;
	if (login->version == STARTUP_PROTOCOL_3_0) {
		/* That was not it; and who is there now may be another. */
		known_of(s->slot.pool)->is_plain = false;
		return false;
	}
	stream_close(&s->stream);
	login->is_second = true;
	login->version = 0;
	server_move(s, SERVER_CONNECTING);
	server_reach_start(s);
	return true;
}

void server_login_broken(struct server *s, int error)
{
	char message[LOGIN_TEXT_LEN * 2], tls[LOGIN_TEXT_LEN];

	if (try_again(s))
		return;
	bool is_tls = tls_problem(&s->stream, tls, sizeof(tls))[0] != '\0';
	if (is_tls)
		snprintf(message, sizeof(message), "TLS with the server failed: %s", tls);
	else
		snprintf(message, sizeof(message),
			 "server closed the connection during login%s%s",
			 error ? ": " : "", error ? strerror(error) : "");
	server_login_fail(s, is_tls ? REACH_TLS : REACH_BROKEN,
			  SQLSTATE_CONNECTION_FAILURE, message);
}

void server_login_timeout(struct server *s)
{
	if (s->private && private_is_waiting(s)) {
		private_wait_timeout(s);
		return;
	}
	/* One that does not even say no; the next login asks for less. */
	if (is_in_doubt(s))
		known_of(s->slot.pool)->is_plain =
		    s->login->version != STARTUP_PROTOCOL_3_0;
	server_login_fail(s, REACH_TIMED_OUT, SQLSTATE_CONNECTION_NOT_POSSIBLE,
			  closing_row(CLOSE_CONNECT_TIMEOUT)->text);
}

/* ---- the startup packet ---- */

static void write_setting(struct writer *w, const char *name, const char *value)
{
	if (!value[0])
		return;
	writer_text(w, name);
	writer_text(w, value);
}

void server_login_send_startup(struct server *s)
{
	const struct pool *pool = s->slot.pool;
	const struct database *database = pool->database;
	struct writer w = writer_of(stream_cork_buffer(&s->stream));

	s->login->step = STEP_MESSAGES;
	s->login->version = version_for(s);
	writer_begin(&w, 0);
	writer_u32(&w, s->login->version);
	write_setting(&w, "user", pool->user_name);
	write_setting(&w, "database",
		      database->dbname[0] ? database->dbname : pool->database_name);
	write_setting(&w, "client_encoding", database->client_encoding);
	write_setting(&w, "datestyle", database->datestyle);
	write_setting(&w, "timezone", database->timezone);
	write_setting(&w, "application_name", database->application_name);
	if (s->private)
		writer_bytes(&w, buffer_bytes(&s->private->startup));
	writer_u8(&w, 0);
	writer_end(&w);
	if (!writer_finish(&w))
		server_login_fail(s, REACH_OURS, SQLSTATE_OUT_OF_MEMORY, "out of memory");
	stream_corked(&s->stream);
}

void server_login_start(struct server *s)
{
	s->login = calloc(1, sizeof(*s->login));
	if (!s->login) {
		server_login_fail(s, REACH_OURS, SQLSTATE_OUT_OF_MEMORY, "out of memory");
		return;
	}
	s->login->server = s;
	server_arm(s);
	server_reach_start(s);
}

/* ---- messages ---- */

static void on_authentication(struct server *s, struct slice body)
{
	struct server_login *login = s->login;
	struct credential *credential = &known_of(s->slot.pool)->credential;
	struct buffer *out = stream_cork_buffer(&s->stream);
	uint8_t binding[TLS_BINDING_MAX];
	struct secret secret;
	struct answer_means means;

	credential_means(credential, s->slot.pool, s->dispatcher->logins.keyring->users,
			 &secret, &means);
	means.binding = slice_of(binding, tls_binding(&s->stream, binding));
	enum login_verdict verdict = answer_feed(&login->answer, body, &means, out);
	stream_corked(&s->stream);
	switch (verdict) {
	case LOGIN_MORE:
	case LOGIN_WAIT:
		return;
	case LOGIN_DONE:
		login->is_authenticated = true;
		return;
	case LOGIN_FAILED:
		server_login_fail(s, REACH_AUTH, login->answer.failure.sqlstate,
				  login->answer.failure.text);
		return;
	}
}

static void on_parameter(struct server *s, struct slice body)
{
	struct reader r = reader_of(body);
	struct slice name = reader_cstring(&r), value = reader_cstring(&r);

	if (!reader_done(&r)) {
		server_login_fail(s, REACH_BROKEN, SQLSTATE_PROTOCOL_VIOLATION,
				  "invalid ParameterStatus");
		return;
	}
	struct params *more = params_with(&s->dispatcher->params, s->params, name, value);
	if (!more) {
		server_login_fail(s, REACH_OURS, SQLSTATE_OUT_OF_MEMORY, "out of memory");
		return;
	}
	params_unref(&s->dispatcher->params, s->params);
	s->params = more;
}

/* Of one that is no key no cancel request can be made, and clients of this server will
 * find that theirs do nothing. */
static void on_key(struct server *s, struct slice body)
{
	if (body.len < STARTUP_KEY_MIN_LEN || body.len > STARTUP_KEY_MAX_LEN)
		return;
	memcpy(s->cancel_key.bytes, body.data, body.len);
	s->cancel_key.len = (uint16_t)body.len;
}

/* It comes before any other answer, in the same flight; whatever version it is, keys of
 * all lengths are taken. */
static void on_negotiation(struct server *s, struct slice body)
{
	if (s->login->is_heard ||
	    !startup_read_negotiation(body, s->login->version, &s->login->version))
		server_login_fail(s, REACH_BROKEN, SQLSTATE_PROTOCOL_VIOLATION,
				  "invalid NegotiateProtocolVersion");
	else
		s->login->is_heard = true;
}

/* What PostgreSQL and PgBouncer say to a version they do not know. */
static bool is_about_version(const char *sqlstate)
{
	return strcmp(sqlstate, SQLSTATE_FEATURE_NOT_SUPPORTED) == 0 ||
	       strcmp(sqlstate, SQLSTATE_PROTOCOL_VIOLATION) == 0;
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
	if (is_about_version(sqlstate) && try_again(s))
		return;
	if (f.message.len > 0)
		text_copy(message, sizeof(message), f.message);
	text_copy(detail, sizeof(detail), f.detail);
	text_copy(hint, sizeof(hint), f.hint);
	dispatcher_server_failed(s, reach_of_sqlstate(sqlstate),
				 &(struct notice){.severity = "FATAL",
						  .sqlstate = sqlstate,
						  .message = message,
						  .detail = detail[0] ? detail : NULL,
						  .hint = hint[0] ? hint : NULL});
}

static void on_ready(struct server *s, struct slice body)
{
	const char *query = s->slot.pool->database->connect_query;

	if (!s->login->is_authenticated || body.len != 1 || body.data[0] != 'I') {
		server_login_fail(s, REACH_BROKEN, SQLSTATE_PROTOCOL_VIOLATION,
				  "unexpected ReadyForQuery in login");
		return;
	}
	s->origin = params_ref(s->params);
	s->base = params_ref(s->params);
	server_login_free(s);
	if (query[0] && !s->private)
		clean_connect(s, slice_of_text(query));
	else
		dispatcher_server_opened(s);
}

static void on_message(struct server *s, const struct frame *f)
{
	char message[LOGIN_TEXT_LEN];

	switch (f->letter) {
	case 'R':
		note_heard(s);
		if (f->total_len > ANSWER_MAX_LEN + 1)
			server_login_fail(
			    s, REACH_BROKEN, SQLSTATE_PROTOCOL_VIOLATION,
			    "authentication message from the server is too long");
		else
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
	case 'v':
		on_negotiation(s, f->body);
		return;
	case 'N':
		return;
	default:
		snprintf(message, sizeof(message),
			 "server sent a message of type 0x%02x during login", f->letter);
		server_login_fail(s, REACH_BROKEN, SQLSTATE_PROTOCOL_VIOLATION, message);
	}
}

size_t server_login_feed(struct server *s, struct slice bytes)
{
	struct slice rest = bytes;
	struct frame f;

	if (s->login && s->login->step == STEP_ASKED_TLS && bytes.len > 0)
		rest = slice_after(rest, server_reach_on_tls_answer(s, bytes));
	while (s->login && s->login->step == STEP_MESSAGES && s->closing == CLOSE_NOT) {
		enum frame_result result = frame_peek(rest, LOGIN_MESSAGE_MAX - 16, &f);
		if (result == FRAME_BAD) {
			server_login_fail(
			    s, REACH_BROKEN, SQLSTATE_PROTOCOL_VIOLATION,
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
