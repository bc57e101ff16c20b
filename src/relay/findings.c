/*
 * Rows are gathered in the session until the answer is complete; it may fail in between,
 * and then nothing of it counts.
 */
#include "relay/findings.h"

#include "base/buffer.h"
#include "proto/frame.h"
#include "proto/params.h"
#include "relay/allowance.h"
#include "relay/baseline.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/prepare.h"
#include "relay/question.h"
#include "relay/regain.h"
#include "relay/server.h"
#include "relay/session.h"
#include "relay/standing.h"

void findings_forget(struct client *c)
{
	struct session *session = c->session;
	struct params_store *store = &c->dispatcher->params;

	params_unref(store, session->told);
	params_unref(store, session->set);
	params_unref(store, session->unset);
	session->told = session->set = session->unset = NULL;
	session->found = 0;
}

void findings_expect(struct client *c)
{
	struct session *session = c->session;
	struct params_store *store = &c->dispatcher->params;

	findings_forget(c);
	session->told = params_empty(store);
	session->set = params_empty(store);
	session->unset = params_empty(store);
}

/* ---- rows ---- */

static bool has(const struct params *set, struct slice name)
{
	struct slice value;

	return params_find(set, name, &value);
}

/* There is no room for its value. It stays where it is; what is reported is known, if it
 * is that. */
static void leave_there(struct client *c, struct slice name)
{
	if (!baseline_is_reported(c->server, name))
		altered_add(&c->session->overlong, name, ALTERED_SET);
}

static bool is_left_there(const struct session *session, struct slice name)
{
	size_t len;

	return altered_has_value(&session->overlong, name, &len);
}

static bool put(struct client *c, struct params **set, struct slice name,
		struct slice value)
{
	struct params *more = params_with(&c->dispatcher->params, *set, name, value);

	if (!more)
		return false;
	params_unref(&c->dispatcher->params, *set);
	*set = more;
	return true;
}

static bool put_value(struct client *c, struct params **set, const struct answer *answer)
{
	if (allowance_may_gather(c, *set, answer->name, answer->value))
		return put(c, set, answer->name, answer->value);
	leave_there(c, answer->name);
	return true;
}

static bool is_passing(const struct session *session, struct slice name)
{
	return question_is_passing(name, session->is_pressed);
}

static bool take_answer(struct client *c, enum answer_kind kind,
			const struct answer *answer)
{
	struct session *session = c->session;

	switch (kind) {
	case ANSWER_STATE:
		session->found = (uint8_t)answer->reasons;
		return true;
	case ANSWER_TIMEOUT:
		return put_value(c, &session->told, answer) &&
		       put_value(c, &session->set, answer);
	case ANSWER_NAMED:
		return !answer->has_value || is_passing(session, answer->name) ||
		       put_value(c, &session->told, answer);
	case ANSWER_SET:
		return is_passing(session, answer->name) ||
		       put_value(c, &session->set, answer);
	case ANSWER_DEFAULT:
		return put(c, &session->unset, answer->name, slice_of(NULL, 0));
	case ANSWER_LONG:
		if (!is_passing(session, answer->name))
			leave_there(c, answer->name);
		return true;
	case ANSWER_BAD:
		return false;
	}
	return false;
}

void findings_row(struct server *s, const struct frame *row)
{
	struct buffer scratch = {0};
	enum answer_kind kind;
	struct answer answer;

	if (!s->client)
		return;
	if (!frame_is_whole(row) || !answer_read(row->body, &scratch, &kind, &answer) ||
	    !take_answer(s->client, kind, &answer))
		s->task_failed = true;
	buffer_fini(&scratch);
}

/* ---- values ---- */

static bool is_custom(struct slice name)
{
	return memchr(name.data, '.', name.len) != NULL;
}

/* A name of the session's own that had a value in a transaction, and has an empty one
 * now, if the session had none before. Who makes up ever more names has to do without. */
static void meet(struct server *s, struct slice name, struct slice value)
{
	struct client *c = s->client;

	if (has(c->params, name))
		return;
	if (is_custom(name) && value.len == 0 &&
	    params_count(c->params) < PREPARE_NAMES_MAX &&
	    allowance_has_room(c, name, value))
		prepare_learned(s, name, params_no_value());
	else
		altered_add(&c->session->met, name, ALTERED_LOCALLY);
}

static bool is_only_met(const struct altered *asked, struct slice name)
{
	return altered_has(asked, name, ALTERED_LOCALLY) &&
	       !altered_has(asked, name, ALTERED_SET) && !altered_has_reset(asked, name);
}

/* Whether a parameter that was asked for by name is back where the session began, or has
 * never left it. */
static bool is_back(const struct session *session, struct slice name, struct slice value)
{
	if (!(session->asked.resets || session->asked.all) || has(session->set, name))
		return false;
	if (has(session->unset, name))
		return true;
	if (slice_is_text(name, "role"))
		return slice_is_text(value, "none") &&
		       altered_has_reset(&session->asked, name);
	if (is_custom(name))
		return value.len == 0 && altered_has_reset(&session->asked, name);
	return true;
}

/* Where the server was not asked, its answer to RESET is right for either. */
static bool is_of_library(const struct session *session, struct slice name)
{
	return session->unset && has(session->unset, name);
}

static void go_back(struct server *s, struct slice name)
{
	struct slice value;

	if (params_find(regain_startup(s->client), name, &value))
		prepare_returned(s, name, &value);
	/* One of its own stays known; that of a library is what that makes of it. */
	else if (is_custom(name) && !baseline_find(s, name, &value) &&
		 !is_of_library(s->client->session, name))
		prepare_learned(s, name, params_no_value());
	else
		prepare_returned(s, name, NULL);
}

static void learn(struct server *s, struct slice name, struct slice value)
{
	struct client *c = s->client;

	if (is_left_there(c->session, name))
		return;
	if (!baseline_is_reported(s, name) && !allowance_has_room(c, name, value))
		leave_there(c, name);
	else
		prepare_learned(s, name, value);
}

/* The same of a value that nobody need have set but connect_query. */
static void learn_own(struct server *s, struct slice name, struct slice value)
{
	struct slice base;

	if (has(s->client->params, name) || !baseline_find(s, name, &base) ||
	    !slice_equal(base, value))
		learn(s, name, value);
}

static void take_named(struct server *s, struct slice name, struct slice value)
{
	const struct client *c = s->client;
	struct slice began_with;
	size_t len;

	/* What it reports it has reported. */
	if (baseline_is_reported(s, name))
		return;
	if (is_only_met(&c->session->asked, name))
		meet(s, name, value);
	else if (is_back(c->session, name, value))
		go_back(s, name);
	else if (slice_is_text(name, "role") && slice_is_text(value, "none") &&
		 !regain_find(c, name, &began_with))
		prepare_returned(s, name, NULL);
	else if (altered_has_value(&c->session->asked, name, &len))
		learn(s, name, value);
	else
		learn_own(s, name, value);
}

/* Asked for by name, and there is no such parameter (any more). */
static void take_missing(struct server *s)
{
	const struct session *session = s->client->session;
	struct slice name;
	size_t at = 0;
	enum altered_how how;

	while (altered_next(&session->asked, &at, &name, &how))
		if (!has(session->told, name) && !baseline_is_reported(s, name) &&
		    !is_left_there(session, name) && !is_passing(session, name))
			prepare_missing(s, name);
}

static void each(const struct params *set, struct server *s,
		 void (*take)(struct server *s, struct slice name, struct slice value))
{
	struct slice name, value;

	for (size_t i = 0; i < params_count(set); i++) {
		params_at(set, i, &name, &value);
		take(s, name, value);
	}
}

/* Of a set that shows everything that was set in the session, this is not one: it has
 * been reset. Not so where a server began with just what the client wants: it was never
 * set here then. A RESET in a function is taken for that, too. */
static void take_unset(struct server *s, struct slice name, struct slice value)
{
	const struct session *session = s->client->session;
	struct slice origin;

	if (!altered_has_reset(&session->asked, name) &&
	    params_find(s->origin, name, &origin) && slice_equal(origin, value) &&
	    !(session->may_be_at_base && prepare_is_back_at_base(s->client, name)))
		return;
	if (has(session->set, name) || is_left_there(session, name) ||
	    !params_is_settable(name) || is_custom(name) || slice_is_text(name, "role") ||
	    slice_is_text(name, "session_authorization"))
		return;
	go_back(s, name);
}

void findings_take(struct server *s)
{
	struct client *c = s->client;
	struct session *session = c->session;
	struct params *had = params_ref(c->params);
	struct params *began_with = regain_beginning(c);
	struct slice name, value;

	prepare_keep_startup(c);
	each(session->told, s, take_named);
	take_missing(s);
	if (session->asked.all) {
		each(session->set, s, learn_own);
		each(had, s, take_unset);
		/* What it has no more at all, or never mentioned. */
		for (size_t i = 0; began_with && i < params_count(began_with); i++) {
			params_at(began_with, i, &name, &value);
			if (!has(had, name))
				take_unset(s, name, value);
		}
	}
	standing_warn(c, had);
	params_unref(&c->dispatcher->params, had);
	params_unref(&c->dispatcher->params, began_with);
}

static void take_back(struct server *s, struct slice name, struct slice value)
{
	(void)value;
	go_back(s, name);
}

void findings_take_back(struct server *s)
{
	struct client *c = s->client;
	struct session *session = c->session;
	struct params *had = params_ref(c->params);
	struct params *startup = params_ref(session->startup ? session->startup : had);

	prepare_keep_startup(c);
	prepare_was_reset(s);
	each(had, s, take_back);
	each(startup, s, take_back);
	params_unref(&c->dispatcher->params, had);
	params_unref(&c->dispatcher->params, startup);
}
