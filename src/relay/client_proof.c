/*
 * The proof of a login: a method, what it needs, what it says, and what follows from
 * that.
 *
 * It goes on when the client has sent a message (client_proof_feed) and when what was
 * fetched has come (login_ops): each time by one step, until it is over.
 */
#include "relay/client_proof.h"

#include <stdio.h>
#include <stdlib.h>

#include "auth/brake.h"
#include "auth/remembered.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "net/tls.h"
#include "proto/frame.h"
#include "proto/notice.h"
#include "relay/client.h"
#include "relay/client_entry.h"
#include "relay/client_fetch.h"
#include "relay/client_method.h"
#include "relay/dispatcher.h"

static const struct settings *settings_of(const struct login *l)
{
	return &l->client->dispatcher->config->settings;
}

static struct logins *logins_of(const struct login *l)
{
	return &l->client->dispatcher->logins;
}

/* ---- verdicts ---- */

static void count_failure(struct login *l)
{
	const struct settings *s = settings_of(l);
	struct brake_rules rules = {.failure_limit = s->auth_failure_limit,
				    .window_us = s->auth_failure_window,
				    .block_us = s->auth_failure_block};
	struct brake_who who = client_method_who(l);
	struct client *c = l->client;
	char prefix[CLIENT_PREFIX_LEN], shown[LOGIN_USER_MAX * 4 + 1];

	if (brake_failed(logins_of(l)->brake, &rules, &who,
			 dispatcher_now(c->dispatcher)))
		log_write(LOG_LEVEL_WARNING, client_prefix(c, prefix),
			  "user \"%s\" has failed to log in too often from there and is "
			  "refused for a while (auth_failure_limit)",
			  text_escape(shown, sizeof(shown), l->user));
}

static void fail(struct login *l)
{
	const struct login_failure *f = &l->exchange->failure;
	bool is_wrong = strcmp(f->sqlstate, SQLSTATE_INVALID_PASSWORD) == 0;

	if (is_wrong) {
		count_failure(l);
		client_fetch_distrust(l);
	}
	client_close_with(l->client, CLOSE_LOGIN_REFUSED,
			  &(struct notice){.severity = "FATAL",
					   .sqlstate = f->sqlstate,
					   .message = f->text});
}

static void remember(const struct login *l)
{
	const struct scram_salted *salted = exchange_salted(l->exchange);

	if (salted)
		remembered_keep(logins_of(l)->remembered, l->user, salted);
}

/* The password that came in clear and is right: servers may ask for it, too. */
static bool keep_password(struct login *l)
{
	struct slice password = l->exchange ? l->exchange->password : (struct slice){0};

	return buffer_len(&l->password) > 0 || buffer_append(&l->password, password);
}

static void succeed(struct login *l)
{
	struct client *c = l->client;
	struct logins *logins = logins_of(l);
	struct brake_who who = client_method_who(l);

	l->step = LOGIN_STEP_OVER;
	if (l->exchange) {
		remember(l);
		brake_passed(logins->brake, &who);
	}
	if (keep_password(l))
		client_entry_enter(l);
	else
		client_close(c, CLOSE_OUT_OF_MEMORY);
	if (c->closing == CLOSE_NOT)
		stream_set_ops(&c->stream, c->dispatcher->ops->client_stream);
	client_fetch_stop(l);
	login_gate_leave(&logins->gate, &l->ticket);
	/* The console has put its own there. */
	if (c->login == l)
		c->login = NULL;
	login_free(l);
}

static void wait_for_client(struct login *l)
{
	l->step = LOGIN_STEP_EXCHANGE;
	login_gate_resume(&logins_of(l)->gate, &l->ticket);
}

/* Who gets it at once keeps its place, and may be through with its login by then; who
 * really waits gives it to another meanwhile. */
static void wait_for_us(struct login *l, void (*fetch)(struct login *l))
{
	struct client *c = l->client;

	l->step = LOGIN_STEP_FETCH;
	fetch(l);
	if (c->state == CLIENT_STARTUP && c->login->step == LOGIN_STEP_FETCH)
		login_gate_wait(&c->dispatcher->logins.gate, &c->login->ticket);
}

/* The password is borrowed from the client's message. */
static void have_judged(struct login *l)
{
	struct slice password = l->exchange->password;

	if (buffer_append(&l->password, password))
		client_fetch_judgement(l, password);
	else
		client_close(l->client, CLOSE_OUT_OF_MEMORY);
}

static bool is_braked(const struct login *l)
{
	struct client *c = l->client;
	struct brake_who who = client_method_who(l);
	uint64_t left_us =
	    brake_blocked_us(logins_of(l)->brake, &who, dispatcher_now(c->dispatcher));
	char detail[128];

	if (left_us == 0 || settings_of(l)->auth_failure_limit == 0)
		return false;
	snprintf(detail, sizeof(detail), "It is refused for another %llu s.",
		 (unsigned long long)(left_us / USEC_PER_SEC + 1));
	client_close_saying(c, CLOSE_LOGIN_BRAKED, NULL, detail, NULL);
	return true;
}

/* What an exchange said; its messages are in the client's cork buffer. */
static void follow(struct login *l, enum login_verdict verdict)
{
	stream_corked(&l->client->stream);
	switch (verdict) {
	case LOGIN_MORE:
		wait_for_client(l);
		return;
	case LOGIN_WAIT:
		wait_for_us(l, l->method.exchange == EXCHANGE_OUTSIDE
				   ? have_judged
				   : client_fetch_secret);
		return;
	case LOGIN_DONE:
		succeed(l);
		return;
	case LOGIN_FAILED:
		fail(l);
		return;
	}
}

/* ---- what was fetched ---- */

/* Of a login without a password: who is not listed is nobody. */
static void judge_existence(struct login *l, const struct secret *secret)
{
	if (secret)
		succeed(l);
	else
		client_close_naming(l->client, CLOSE_NOT_ALLOWED, "no such user", l->user,
				    "Users must be in auth_file, or be found by "
				    "auth_query.");
}

/* The name is proved, or believed. */
static void pass(struct login *l)
{
	if (l->method.exchange == EXCHANGE_ANY || !client_fetch_knows_users(l)) {
		succeed(l);
		return;
	}
	wait_for_us(l, client_fetch_secret);
}

static void on_secret(struct login *l, const struct secret *secret)
{
	if (!l->exchange) {
		judge_existence(l, secret);
		return;
	}
	struct buffer *out = stream_cork_buffer(&l->client->stream);
	const struct scram_salted *known =
	    remembered_find(logins_of(l)->remembered, l->user);

	follow(l, exchange_resume(l->exchange, secret, known, out));
}

static void on_judgement(struct login *l, bool is_right)
{
	if (!is_braked(l))
		follow(l, exchange_judge(l->exchange, is_right));
}

static void on_peer(struct login *l, const char *system_name)
{
	if (!system_name)
		client_method_refuse(l, "peer authentication",
				     "the system knows no such user");
	else if (client_method_judge_peer(l, system_name))
		pass(l);
}

static void choose_method(struct login *l);

static void on_name(struct login *l)
{
	l->knows_peer_name = true;
	choose_method(l);
}

static const struct login_ops login_ops = {.on_secret = on_secret,
					   .on_judgement = on_judgement,
					   .on_peer = on_peer,
					   .on_name = on_name};

/* ---- the proof ---- */

static void begin_exchange(struct login *l)
{
	struct client *c = l->client;
	uint8_t binding[TLS_BINDING_MAX];
	struct exchange_setup setup = {
	    .method = l->method.exchange,
	    .user = l->user,
	    .binding = slice_of(binding, tls_binding(&c->stream, binding)),
	    .mock = client_fetch_may_ask(l) ? &logins_of(l)->asked : &logins_of(l)->mock,
	};

	l->exchange = calloc(1, sizeof(*l->exchange));
	if (l->exchange)
		follow(l, exchange_start(l->exchange, &setup,
					 stream_cork_buffer(&c->stream)));
	else
		client_close(c, CLOSE_OUT_OF_MEMORY);
}

static void prove(struct login *l)
{
	if (!client_method_judge_certificate(l))
		return;
	switch (l->method.proof) {
	case LOGIN_PROOF_CERT:
		pass(l);
		return;
	case LOGIN_PROOF_PEER:
		wait_for_us(l, client_fetch_peer);
		return;
	case LOGIN_PROOF_EXCHANGE:
		if (l->method.exchange == EXCHANGE_TRUST ||
		    l->method.exchange == EXCHANGE_ANY)
			pass(l);
		else if (!is_braked(l))
			begin_exchange(l);
		return;
	case LOGIN_PROOF_PAM:
	case LOGIN_PROOF_LDAP:
		if (!is_braked(l))
			begin_exchange(l);
		return;
	case LOGIN_PROOF_REJECT:
		break;
	}
	client_close(l->client, CLOSE_NOT_ALLOWED);
}

static void choose_method(struct login *l)
{
	switch (client_method_find(l)) {
	case CLIENT_METHOD_FOUND:
		prove(l);
		return;
	case CLIENT_METHOD_NEEDS_NAME:
		wait_for_us(l, client_fetch_name);
		return;
	case CLIENT_METHOD_REFUSED:
		return;
	}
}

void client_proof_begin(struct login *l)
{
	l->ops = &login_ops;
	choose_method(l);
}

void client_proof_skip(struct login *l)
{
	succeed(l);
}

size_t client_proof_feed(struct login *l, struct slice bytes)
{
	struct client *c = l->client;
	struct frame f;

	/* What is no answer to our question ends here, whatever its length may say. */
	if (bytes.len > 0 && bytes.data[0] != 'p') {
		follow(l, exchange_feed(l->exchange, bytes.data[0], (struct slice){0},
					stream_cork_buffer(&c->stream)));
		return 0;
	}
	switch (frame_peek(bytes, exchange_max_len(l->exchange), &f)) {
	case FRAME_SHORT:
		return 0;
	case FRAME_BAD:
		client_close_saying(c, CLOSE_BAD_MESSAGE, "invalid password message",
				    NULL, NULL);
		return 0;
	case FRAME_OK:
		break;
	}
	if (!frame_is_whole(&f))
		return 0;
	size_t len = f.total_len;
	/* Guesses made side by side count for each other: one that comes too late is not
	 * even looked at, so that no word tells whether it was right. */
	if (is_braked(l))
		return len;
	follow(l, exchange_feed(l->exchange, f.letter, f.body,
				stream_cork_buffer(&c->stream)));
	return len;
}
