/*
 * Asked once for each server. A connect_query may set the same parameter to another value
 * in each of them; so what it has set is the server's own, not the pool's.
 */
#include "relay/baseline.h"

#include "base/buffer.h"
#include "config/config.h"
#include "pool/pool.h"
#include "proto/frame.h"
#include "proto/params.h"
#include "proto/sqlscan.h"
#include "relay/altered.h"
#include "relay/dispatcher.h"
#include "relay/question.h"
#include "relay/server.h"

enum {
	/* Longer ones are left as they are. */
	LONGEST = 1024 * 1024,
	TRIES_MAX = 2,
};

static bool has(const struct params *set, struct slice name)
{
	struct slice value;

	return params_find(set, name, &value);
}

bool baseline_is_reported(const struct server *s, struct slice name)
{
	return has(s->origin, name);
}

bool baseline_find(const struct server *s, struct slice name, struct slice *out)
{
	struct slice value, origin;

	if (s->base == s->origin || !params_find(s->base, name, &value) ||
	    !params_is_settable(name) ||
	    (params_find(s->origin, name, &origin) && slice_equal(origin, value)))
		return false;
	*out = value;
	return true;
}

struct params *baseline_reported(const struct server *s)
{
	struct params_store *store = &s->dispatcher->params;
	struct params *set = params_ref(s->base);
	struct slice name, value;

	for (size_t i = 0; set && i < params_count(s->base); i++) {
		params_at(s->base, i, &name, &value);
		if (baseline_is_reported(s, name))
			continue;
		struct params *fewer = params_without(store, set, name);
		params_unref(store, set);
		set = fewer;
	}
	return set;
}

/* ---- asking ---- */

static void ask(struct server *s)
{
	const struct settings *settings = &s->dispatcher->config->settings;
	struct slice text = slice_of_text(s->slot.pool->database->connect_query);
	struct altered altered = {.all = true};
	struct buffer sql = {0};

	/* The table of all does not show names that are made up. */
	altered_note(&altered, &(struct sql_text){.text = text, .hints = sqlscan(text)});
	struct question q = {.altered = &altered,
			     .extra = settings->track_extra_parameters,
			     .longest = LONGEST,
			     .is_pressed = s->baseline_tries > 0};
	if (question_write(&q, &sql))
		server_ask(s, SERVER_TASK_BASELINE, buffer_bytes(&sql));
	else
		server_close(s, CLOSE_OUT_OF_MEMORY);
	buffer_fini(&sql);
	altered_clear(&altered);
}

void baseline_ask(struct server *s)
{
	s->baseline_tries = 0;
	ask(s);
}

static void replace(struct server *s, struct params **set, struct params *with)
{
	struct params *old = *set;

	/* Without memory it is as if connect_query had not set this. */
	if (!with)
		return;
	*set = with;
	params_unref(&s->dispatcher->params, old);
}

/* What was asked for by name need not have been set here; what is not shown among the
 * others can be told by its name alone. */
static bool is_unlisted(const struct answer *answer)
{
	return memchr(answer->name.data, '.', answer->name.len) ||
	       (slice_is_text(answer->name, "role") &&
		!slice_is_text(answer->value, "none"));
}

static void take(struct server *s, const struct answer *answer)
{
	bool is_pressed = s->baseline_tries > 0;

	/* What it reports is known, and spelled as it is reported. */
	if (!answer->has_value || baseline_is_reported(s, answer->name) ||
	    question_is_passing(answer->name, is_pressed) ||
	    !params_is_settable(answer->name))
		return;
	replace(
	    s, &s->base,
	    params_with(&s->dispatcher->params, s->base, answer->name, answer->value));
}

static void take_answer(struct server *s, enum answer_kind kind,
			const struct answer *answer)
{
	switch (kind) {
	case ANSWER_NAMED:
		if (is_unlisted(answer))
			take(s, answer);
		return;
	case ANSWER_SET:
		take(s, answer);
		return;
	case ANSWER_DEFAULT:
		/* It was asked for by name, too. */
		if (!baseline_is_reported(s, answer->name))
			replace(s, &s->base,
				params_without(&s->dispatcher->params, s->base,
					       answer->name));
		return;
	case ANSWER_TIMEOUT:
		replace(s, &s->base,
			params_with(&s->dispatcher->params, s->base, answer->name,
				    answer->value));
		return;
	case ANSWER_LONG:
	case ANSWER_STATE:
		return;
	case ANSWER_BAD:
		s->task_failed = true;
		return;
	}
}

void baseline_row(struct server *s, const struct frame *row)
{
	struct buffer scratch = {0};
	enum answer_kind kind;
	struct answer answer;

	if (!frame_is_whole(row) || !answer_read(row->body, &scratch, &kind, &answer))
		s->task_failed = true;
	else
		take_answer(s, kind, &answer);
	buffer_fini(&scratch);
}

bool baseline_done(struct server *s)
{
	if (!s->task_failed) {
		replace(s, &s->params, params_ref(s->base));
		return true;
	}
	/* Then it is as if nothing had been set but what is reported. */
	replace(s, &s->base, params_ref(s->params));
	if (++s->baseline_tries == TRIES_MAX)
		return true;
	ask(s);
	return false;
}
