/*
 * Asking, at release; and what follows from the answer.
 *
 * Hints and names are set aside when the question goes out: what the client says behind
 * it belongs to the next one.
 */
#include "relay/settle.h"

#include "base/buffer.h"
#include "base/check.h"
#include "config/config.h"
#include "pool/pool.h"
#include "proto/notice.h"
#include "proto/params.h"
#include "proto/sqlscan.h"
#include "relay/allowance.h"
#include "relay/clean.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/findings.h"
#include "relay/own_names.h"
#include "relay/pin.h"
#include "relay/prepare.h"
#include "relay/question.h"
#include "relay/regain.h"
#include "relay/reset.h"
#include "relay/rewrite.h"
#include "relay/sequences.h"
#include "relay/server.h"
#include "relay/session.h"

enum {
	/* What texts of these do to parameters only the server knows. */
	SQL_ALTERS = SQL_SETS | SQL_RESETS | SQL_CONFIGURES | SQL_DISCARDS |
		     SQL_RUNS_CODE | SQL_EXECUTES,
	/* These end with it. */
	SQL_OF_TRANSACTION =
	    SQL_READS_ANYHOW | SQL_READS_BY_ARGUMENT | SQL_NAMES | SQL_NAMES_ARGUMENT,
	/* Others live by these. */
	SQL_OF_OTHERS = SQL_LISTENS | SQL_UNLISTENS,
	/* A question that fails so often in a row is not repeated before the client has
	   said something. */
	TRIES_MAX = 3,
};

static enum state_policy policy_of(const struct client *c)
{
	return c->pool->rules.server_state;
}

/* With what it has been kept from saying. */
static void go_on(struct client *c)
{
	if (stream_kept(&c->stream).len > 0)
		loop_post(c->dispatcher->loop, &c->pump);
}

/* ---- before a text goes ---- */

static bool refuses_values(struct client *c, const struct sql_text *t, struct notice *out)
{
	struct session *session = session_get(c);
	struct altered more = {0};

	if (!session) {
		*out = (struct notice){.severity = "ERROR",
				       .sqlstate = SQLSTATE_OUT_OF_MEMORY,
				       .message = "out of memory"};
		return true;
	}
	if (t->hints & SQL_CONFIGURES)
		session->may_execute_more = true;
	altered_note(&more, t);
	if (allowance_refuses(c, &more, out)) {
		altered_clear(&more);
		return true;
	}
	altered_move(&more, &session->altered);
	return false;
}

bool settle_owes(const struct client *c)
{
	return c->session && c->session->has_lost_state;
}

bool settle_refuses(struct client *c, const struct sql_text *t, struct notice *out)
{
	struct sql_text of_values = *t;
	uint32_t hints = t->hints;

	if (settle_owes(c)) {
		c->session->has_lost_state = false;
		*out = pin_too_many("What earlier statements have left in the server "
				    "would have kept this client there, and is gone.");
		return true;
	}
	if (hints & SQL_CURRENTS && policy_of(c) != STATE_ALLOW &&
	    sequences_refuse(c, hints, out))
		return true;
	if (pin_refuses(c, t->text, hints, out))
		return true;
	if (hints & (SQL_READS_ANYHOW | SQL_READS_BY_ARGUMENT) && session_get(c))
		c->session->may_execute_more = true;
	if (!c->session || !c->session->may_execute_more)
		of_values.hints &= ~(uint32_t)SQL_EXECUTES;
	if (of_values.hints & SQL_ALTERS)
		return refuses_values(c, &of_values, out);
	if (of_values.hints & SQL_NAMES)
		own_names_note(c, &of_values);
	return false;
}

/* ---- tags ---- */

/* So that after a DISCARD ALL, which cannot be rolled back, all is known. */
static bool says_only_discard(const struct session *session)
{
	const uint32_t more = SQL_SETS | SQL_CONFIGURES | SQL_RUNS_CODE | SQL_PREPARES |
			      SQL_TEMPS | SQL_HOLDS | SQL_LOCKS | SQL_IS_MANY;

	return !(session->hints & more) && buffer_len(&session->altered.names) == 0;
}

static void note_load(struct server *s, struct session *session)
{
	if (policy_of(s->client) == STATE_ALLOW)
		return;
	/* Nobody can take a library out of it again. */
	pool_retire(s->slot.pool, &s->slot);
	session->has_loaded = true;
}

void settle_note_tag(struct server *s, struct slice tag)
{
	struct client *c = s->client;

	if (!c || !session_is_shared(c))
		return;
	bool is_reset =
	    slice_is_text(tag, "RESET") || slice_is_text(tag, "DISCARD ALL") ||
	    (slice_is_text(tag, "SET") && c->session && c->session->altered.resets);
	bool is_load = slice_is_text(tag, "LOAD");
	bool runs_code = slice_is_text(tag, "DO") || slice_is_text(tag, "CALL");
	if (!is_reset && !is_load && !runs_code && !slice_is_text(tag, "PREPARE"))
		return;
	struct session *session = session_get(c);
	if (!session) {
		client_close(c, CLOSE_OUT_OF_MEMORY);
		return;
	}
	if (is_load)
		note_load(s, session);
	else if (runs_code)
		session->hints |= SQL_RUNS_CODE;
	else if (!is_reset)
		session->hints |= SQL_PREPARES;
	else
		session->restores = true;
	if (is_reset)
		session->hints |= SQL_RESETS;
	session->is_discarded =
	    slice_is_text(tag, "DISCARD ALL") && says_only_discard(session);
	session->altered.all |= is_reset || runs_code;
}

/* ---- asking ---- */

static bool may_stand(const struct client *c, uint32_t hints)
{
	return policy_of(c) != STATE_ALLOW && pin_reasons_of(hints) != 0;
}

static bool may_alter(const struct session *session)
{
	return !altered_is_empty(&session->altered) ||
	       session->hints & (SQL_ALTERS & ~SQL_EXECUTES);
}

static bool must_ask(const struct client *c)
{
	const struct session *session = c->session;
	uint32_t hints = session->hints;

	if ((session->pins & ~(unsigned)PIN_SEQUENCES) == 0)
		return may_alter(session) || may_stand(c, hints) || session->has_loaded;
	return session->pins & PIN_UNKNOWN || pin_may_end(hints) ||
	       (session->pins & PIN_PARAMETERS && may_alter(session)) ||
	       session->altered.resets || hints & (SQL_RESETS | SQL_DISCARDS);
}

static void set_aside(struct session *session)
{
	session->asked_hints |= session->hints & ~(uint32_t)SQL_OF_OTHERS;
	session->hints &= SQL_OF_OTHERS;
	altered_move(&session->altered, &session->asked);
	altered_move(&session->overlong, &session->asked);
	/* Somebody says so who has not read the text. */
	if (session->asked_hints & (SQL_ALTERS & ~SQL_EXECUTES) &&
	    altered_is_empty(&session->asked))
		session->asked.all = true;
	/* By its value nobody can tell what was set from what could not be. */
	if (session->asked.may_be_undone && !altered_is_empty(&session->asked))
		session->asked.all = true;
}

/* By what it was pinned for: what PREPARE has made may be carried out by now. */
static unsigned may_have_of(const struct session *session)
{
	return session->pins | (session->pins & PIN_PREPARED ? PIN_LOCKS : 0);
}

static void ask(struct server *s)
{
	struct client *c = s->client;
	struct session *session = c->session;
	const struct settings *settings = &s->dispatcher->config->settings;
	struct buffer sql = {0};

	set_aside(session);
	findings_expect(c);
	struct question q = {.altered = &session->asked,
			     .known = c->params,
			     .begun = s->base != s->origin ? s->base : NULL,
			     .extra = settings->track_extra_parameters,
			     .longest = allowance_longest(c),
			     .is_pressed = session->tries > 0};
	if (policy_of(c) != STATE_ALLOW)
		q.reasons = pin_reasons_of(session->asked_hints) | may_have_of(session);
	session->is_pressed = q.is_pressed;
	rewrite_keep_unnamed(c);
	if (question_write(&q, &sql))
		server_ask(s, SERVER_TASK_SETTLE, buffer_bytes(&sql));
	else
		client_close(c, CLOSE_OUT_OF_MEMORY);
	buffer_fini(&sql);
	server_arm(s);
}

/* Nothing is left but what the session began with, and that has to be set again. */
static void on_discarded(struct server *s)
{
	struct client *c = s->client;
	struct session *session = c->session;

	findings_take_back(s);
	reset_mark(s, RESET_CONNECT);
	altered_clear(&session->altered);
	altered_clear(&session->overlong);
	session->hints &= SQL_OF_OTHERS;
	pin_set(c, session->has_loaded ? PIN_LOADED : 0);
	if (session->pins != 0)
		prepare_again(c, s);
}

bool settle_begin(struct server *s)
{
	struct client *c = s->client;
	struct session *session = c->session;

	if (!session)
		return false;
	session->restores = false;
	session->hints &= ~(uint32_t)SQL_OF_TRANSACTION;
	if (session->is_discarded && says_only_discard(session))
		on_discarded(s);
	session->is_discarded = false;
	sequences_judge(c);
	if (c->closing != CLOSE_NOT)
		return true;
	if (must_ask(c)) {
		ask(s);
		return true;
	}
	if (session->pins != 0) {
		server_arm(s);
		return true;
	}
	session->altered.may_be_undone = false;
	session->hints &= SQL_OF_OTHERS;
	pin_set(c, 0);
	sequences_leave(c);
	return false;
}

/* ---- the answer is complete ---- */

static unsigned reset_of(unsigned reasons)
{
	return (reasons & PIN_TEMPORARY ? RESET_TEMP : 0) |
	       (reasons & PIN_CURSORS ? RESET_CURSORS : 0) |
	       (reasons & PIN_PREPARED ? RESET_PREPARED : 0) |
	       (reasons & PIN_LOCKS ? RESET_LOCKS : 0) |
	       (reasons & PIN_PARAMETERS ? RESET_PARAMS : 0) |
	       (reasons & PIN_UNKNOWN ? RESET_ALL : 0);
}

static unsigned pins_after(struct server *s)
{
	struct client *c = s->client;
	struct session *session = c->session;
	unsigned pins = session->pins & PIN_SEQUENCES;

	if (session->has_loaded)
		pins |= PIN_LOADED;
	/* Whatever the policy is: nobody could have known before. */
	if (!altered_is_empty(&session->overlong))
		pins |= PIN_PARAMETERS;
	if (policy_of(c) == STATE_PIN)
		return pins | session->found;
	if (session->found)
		reset_mark(s, reset_of(session->found));
	return pins;
}

/* Too many are kept already. It is undone when the server is released, and the client is
 * told instead of an answer to its next statement. */
static void give_up_state(struct server *s, unsigned reasons)
{
	struct session *session = s->client->session;

	reset_mark(s, reset_of(reasons));
	session->has_loaded = false;
	altered_clear(&session->overlong);
	session->has_lost_state = true;
}

/* The same of what nobody knows. */
static void give_up_all(struct server *s)
{
	struct session *session = s->client->session;

	session->tries = 0;
	session->hints &= SQL_OF_OTHERS;
	altered_clear(&session->altered);
	give_up_state(s, PIN_UNKNOWN);
	clean_release_if_done(s);
}

static void on_failure(struct server *s)
{
	struct session *session = s->client->session;

	session->hints |= session->asked_hints;
	session->asked_hints = 0;
	altered_move(&session->asked, &session->altered);
	if (session->tries < TRIES_MAX)
		session->tries++;
	if (session->tries < TRIES_MAX)
		clean_release_if_done(s);
	else if (pin_set(s->client, session->pins | PIN_UNKNOWN))
		go_on(s->client);
	else
		give_up_all(s);
}

static void on_success(struct server *s)
{
	struct client *c = s->client;
	struct session *session = c->session;

	session->tries = 0;
	findings_take(s);
	if (session->asked.is_beyond)
		reset_mark(s, RESET_PARAMS);
	if (session->asked.resets)
		reset_mark(s, RESET_CONNECT);
	session->asked_hints = 0;
	altered_clear(&session->asked);
	unsigned reasons = pins_after(s);
	if (!pin_set(c, reasons))
		give_up_state(s, reasons);
	findings_forget(c);
	/* It does not come by a new link to what it began with. */
	if (session->pins != 0) {
		prepare_again(c, s);
		go_on(c);
	}
	clean_release_if_done(s);
}

void settle_done(struct server *s)
{
	struct client *c = s->client;

	if (!c || c->closing != CLOSE_NOT || !c->session)
		return;
	if (s->task_failed)
		on_failure(s);
	else
		on_success(s);
}

void settle_abandon(struct client *c)
{
	struct server *s = c->server;
	const struct session *session = c->session;

	if (!session || !session_is_shared(c))
		return;
	bool is_open =
	    session->asked_hints != 0 || !altered_is_passing(&session->asked) ||
	    !altered_is_passing(&session->altered) ||
	    session->hints & (SQL_ALTERS & ~SQL_EXECUTES) || may_stand(c, session->hints);
	if (is_open)
		reset_mark(s, RESET_ALL);
	else if (session->pins & ~(unsigned)(PIN_LOADED | PIN_SEQUENCES))
		reset_mark(s, reset_of(may_have_of(session)));
}

/* ---- within a transaction ---- */

bool settle_was_reset(const struct client *c, struct slice name, struct slice value,
		      struct slice *out)
{
	const struct session *session = c->session;
	struct slice origin, wanted;

	if (!session || !session_is_shared(c) ||
	    !altered_has_reset(&session->altered, name))
		return false;
	if (!params_find(c->server->origin, name, &origin) || !slice_equal(origin, value))
		return false;
	if (!regain_find(c, name, &wanted) || slice_equal(wanted, value))
		return false;
	*out = wanted;
	return true;
}

static void ask_to_restore(struct server *s, struct slice sql)
{
	rewrite_keep_unnamed(s->client);
	server_ask(s, SERVER_TASK_RESTORE, sql);
}

static void restore(struct server *s)
{
	struct params_store *store = &s->dispatcher->params;
	struct params *wanted = regain_lost(s), *none = params_empty(store);
	struct buffer sql = {0};

	if (!wanted || !params_difference(none, wanted, none, &sql))
		client_close(s->client, CLOSE_OUT_OF_MEMORY);
	else if (buffer_len(&sql) > 0)
		ask_to_restore(s, buffer_bytes(&sql));
	buffer_fini(&sql);
	params_unref(store, none);
	params_unref(store, wanted);
}

void settle_in_transaction(struct server *s)
{
	struct session *session = s->client->session;

	if (!session || !session->altered.resets || s->task != SERVER_TASK_NONE)
		return;
	bool is_done =
	    session->restores || tracker_transaction_status(&s->tracker) == 'E';
	if (session->restores && tracker_transaction_status(&s->tracker) == 'T')
		restore(s);
	session->restores = false;
	if (is_done)
		altered_drop_resets(&session->altered);
	if (s->task == SERVER_TASK_NONE)
		go_on(s->client);
}

void settle_restored(struct server *s)
{
	if (s->client && s->task_failed)
		client_close(s->client, CLOSE_PARAMETER_REFUSED);
	else if (s->client)
		go_on(s->client);
	clean_release_if_done(s);
}

bool settle_is_pending(const struct client *c)
{
	const struct server *s = c->server;
	const struct session *session = c->session;

	if (!session || !session_is_shared(c))
		return false;
	if (s->task == SERVER_TASK_SETTLE)
		return session->asked.resets || session->asked_hints & SQL_RUNS_CODE;
	if (s->task == SERVER_TASK_RESTORE)
		return true;
	/* Only what is complete is answered without more. */
	return session->altered.resets && !tracker_is_idle(&s->tracker) &&
	       !s->tracker.unsynced && !tracker_is_in_copy(&s->tracker);
}
