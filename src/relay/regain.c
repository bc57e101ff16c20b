/*
 * Texts tell what may have been reset, tags that it has been. Within a transaction what
 * the texts name is SET, since a SELECT would begin its snapshot. When the transaction is
 * over the server is asked what it has that does not come from the session, which is
 * right whatever was rolled back, and whoever said RESET.
 */
#include "relay/regain.h"

#include "base/buffer.h"
#include "proto/extended.h"
#include "proto/notice.h"
#include "proto/params.h"
#include "proto/sqlscan.h"
#include "proto/writer.h"
#include "relay/baseline.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/server.h"
#include "relay/session.h"

enum {
	SQL_RETURNS = SQL_SETS | SQL_RESETS | SQL_DISCARDS,
	/* A question that fails so often in a row will fail for ever. */
	TRIES_MAX = 3,
};

const struct params *regain_startup(const struct client *c)
{
	return c->session && c->session->startup ? c->session->startup : c->params;
}

bool regain_find(const struct client *c, struct slice name, struct slice *out)
{
	return params_find(regain_startup(c), name, out) ||
	       baseline_find(c->server, name, out);
}

static struct params *startup_of(const struct client *c)
{
	return params_ref(c->session && c->session->startup ? c->session->startup
							    : c->params);
}

struct params *regain_beginning(const struct client *c)
{
	struct params_store *store = &c->dispatcher->params;
	const struct params *base = c->server->base;
	struct params *set = startup_of(c);
	struct slice name, value, known;

	if (base == c->server->origin)
		return set;
	for (size_t i = 0; set && i < params_count(base); i++) {
		params_at(base, i, &name, &value);
		if (params_find(set, name, &known) ||
		    !baseline_find(c->server, name, &value))
			continue;
		struct params *more = params_with(store, set, name, value);
		params_unref(store, set);
		set = more;
	}
	return set;
}

/* Whether the server comes back to something else than the session does. */
static bool is_other(const struct server *s, struct slice name, struct slice value)
{
	struct slice origin;

	return params_is_settable(name) &&
	       !(params_find(s->origin, name, &origin) && slice_equal(origin, value));
}

struct params *regain_lost(const struct server *s)
{
	struct client *c = s->client;
	struct params_store *store = &c->dispatcher->params;
	struct params *began_with = regain_beginning(c);
	struct params *set = began_with ? params_empty(store) : NULL;
	struct slice name, value;

	for (size_t i = 0; set && i < params_count(began_with); i++) {
		params_at(began_with, i, &name, &value);
		if (!altered_has_reset(&c->session->altered, name) ||
		    !is_other(s, name, value))
			continue;
		struct params *more = params_with(store, set, name, value);
		params_unref(store, set);
		set = more;
	}
	params_unref(store, began_with);
	return set;
}

void regain_note_beginning(struct client *c, const struct server *s)
{
	struct slice name, value;

	c->begins_otherwise = false;
	if (session_is_shared(c) || s->private)
		return;
	c->begins_otherwise = s->base != s->origin;
	for (size_t i = 0; i < params_count(c->params) && !c->begins_otherwise; i++) {
		params_at(c->params, i, &name, &value);
		c->begins_otherwise = is_other(s, name, value);
	}
}

/* ---- texts and tags ---- */

/* Of a Query or Parse, as much as has arrived. */
static struct slice text_of(const struct frame *f)
{
	struct slice body = f->body;
	struct extended e;

	if (f->letter == 'P')
		return extended_read(f, &e) == EXTENDED_OK ? extended_text(&e)
							   : slice_of(NULL, 0);
	const uint8_t *end = body.len > 0 ? memchr(body.data, '\0', body.len) : NULL;
	return end ? slice_first(body, (size_t)(end - body.data)) : body;
}

static struct session *session_of(struct client *c)
{
	struct session *session = session_get(c);

	if (!session)
		client_close(c, CLOSE_OUT_OF_MEMORY);
	return session;
}

bool regain_note_text(struct client *c, const struct frame *f)
{
	struct slice text = text_of(f);
	uint32_t hints = sqlscan(text) & SQL_RETURNS;
	bool is_whole = frame_is_whole(f);
	bool is_watched = c->session && c->session->may_reset;
	struct altered altered = {0};
	struct session *session;

	if (!hints && is_whole)
		return true;
	altered_note(&altered, &(struct sql_text){.text = text, .hints = hints});
	/* Where any SET may be one that resets, those that are not are to be known. */
	if (!altered.resets && is_whole && !is_watched) {
		altered_clear(&altered);
		return true;
	}
	if (!(session = session_of(c))) {
		altered_clear(&altered);
		return false;
	}
	/* When it is carried out, if ever, its text is not at hand. */
	if (f->letter == 'P')
		session->may_reset = true;
	if (!is_whole)
		session->resets_unseen = true;
	altered_move(&altered, &session->altered);
	return true;
}

static bool may_have_reset(const struct session *session, struct slice tag)
{
	if (slice_is_text(tag, "SET"))
		return session && (session->altered.resets || session->resets_unseen);
	return slice_is_text(tag, "RESET") || slice_is_text(tag, "DISCARD ALL") ||
	       slice_is_text(tag, "DO") || slice_is_text(tag, "CALL");
}

void regain_note_tag(struct client *c, struct slice tag, bool is_of_query)
{
	struct session *session = c->session;

	if (session && session->may_reset && !is_of_query)
		session->resets_unseen = true;
	if (!may_have_reset(session, tag) || !(session = session_of(c)))
		return;
	session->restores = true;
	session->regains = true;
}

bool regain_is_pending(const struct client *c)
{
	const struct tracker *t = &c->server->tracker;

	/* Only what is complete is answered without more. */
	return c->session && c->session->altered.resets && !tracker_is_idle(t) &&
	       !tracker_is_unsynced(t) && !tracker_is_in_copy(t) && !tracker_is_lost(t);
}

/* ---- asking ---- */

/* clang-format off */
/* SERIALIZABLE READ ONLY DEFERRABLE would wait for others, and a standby would refuse. */
static const char begin[] =
    "SET LOCAL transaction_isolation = 'read committed';"
    "SELECT FROM (SELECT s.name, v.value FROM (VALUES (''::pg_catalog.text, "
    "''::pg_catalog.text)";
static const char middle[] =
    ") AS v(name, value) JOIN pg_catalog.pg_settings AS s"
    " ON pg_catalog.lower(s.name) OPERATOR(pg_catalog.=) pg_catalog.lower(v.name)"
    " WHERE s.source OPERATOR(pg_catalog.<>) 'session'"
    " UNION ALL SELECT v.name, v.value FROM (VALUES (''::pg_catalog.text, "
    "''::pg_catalog.text, ''::pg_catalog.text)";
/* What is not among the settings has no source, but a value that it has when it is reset. */
static const char end[] =
    ") AS v(name, value, base) WHERE v.name OPERATOR(pg_catalog.<>) '' AND"
    " COALESCE(pg_catalog.current_setting(v.name, true), '') OPERATOR(pg_catalog.=) v.base"
    " OFFSET 0) AS lost, LATERAL pg_catalog.set_config(lost.name, lost.value, false);";
/* clang-format on */

static bool put_text(struct buffer *sql, const char *text)
{
	return buffer_append(sql, slice_of_text(text));
}

static bool put_pair(struct buffer *sql, struct slice name, struct slice value,
		     const char *behind)
{
	return put_text(sql, ", (") && params_append_literal(sql, name) &&
	       put_text(sql, ", ") && params_append_literal(sql, value) &&
	       put_text(sql, behind);
}

/* In the table of settings. */
static bool is_listed(struct slice name)
{
	return !slice_is_text(name, "role") && !memchr(name.data, '.', name.len);
}

static bool put_listed(const struct server *s, const struct params *began_with,
		       struct buffer *sql)
{
	struct slice name, value;

	for (size_t i = 0; i < params_count(began_with); i++) {
		params_at(began_with, i, &name, &value);
		if (is_listed(name) && is_other(s, name, value) &&
		    !put_pair(sql, name, value, ")"))
			return false;
	}
	return true;
}

static bool is_set(const struct session *session, struct slice name)
{
	return altered_has(&session->altered, name, ALTERED_SET) ||
	       altered_has(&session->asked, name, ALTERED_SET);
}

/* An empty value, or no role, may be what it was set to just now. */
static bool may_be_reset(const struct session *session, struct slice name)
{
	return altered_has_reset(&session->altered, name) ||
	       altered_has_reset(&session->asked, name) ||
	       (session->resets_unseen && !is_set(session, name));
}

static bool put_unlisted(const struct server *s, const struct params *began_with,
			 struct buffer *sql)
{
	const struct session *session = s->client->session;
	struct slice name, value;

	for (size_t i = 0; i < params_count(began_with); i++) {
		params_at(began_with, i, &name, &value);
		if (is_listed(name) || !is_other(s, name, value) ||
		    !may_be_reset(session, name))
			continue;
		bool is_role = slice_is_text(name, "role");
		if (!put_pair(sql, name, value, is_role ? ", 'none')" : ", '')"))
			return false;
	}
	return true;
}

static bool write_question(const struct server *s, struct buffer *sql)
{
	struct params *began_with = regain_beginning(s->client);
	bool is_written = began_with && put_text(sql, begin) &&
			  put_listed(s, began_with, sql) && put_text(sql, middle) &&
			  put_unlisted(s, began_with, sql) && put_text(sql, end);

	params_unref(&s->dispatcher->params, began_with);
	return is_written;
}

/* A SET for each that was named; appends nothing where there is none. */
static bool write_restoring(const struct server *s, struct buffer *sql)
{
	struct params_store *store = &s->dispatcher->params;
	struct params *wanted = regain_lost(s), *none = params_empty(store);
	bool is_written = wanted && params_difference(none, wanted, none, sql);

	params_unref(store, none);
	params_unref(store, wanted);
	return is_written;
}

static bool ask(struct server *s)
{
	bool is_over = tracker_transaction_status(&s->tracker) == 'I';
	struct buffer sql = {0};

	if (!(is_over ? write_question(s, &sql) : write_restoring(s, &sql)))
		client_close(s->client, CLOSE_OUT_OF_MEMORY);
	else if (buffer_len(&sql) > 0)
		server_ask(s, SERVER_TASK_REGAIN, buffer_bytes(&sql));
	buffer_fini(&sql);
	return s->task == SERVER_TASK_REGAIN;
}

bool regain_starts(struct server *s)
{
	struct client *c = s->client;
	struct session *session = c->session;
	uint8_t status = tracker_transaction_status(&s->tracker);
	bool is_due, is_asked;

	if (!session || s->task != SERVER_TASK_NONE || !tracker_is_idle(&s->tracker))
		return false;
	/* In a transaction that has failed all of it comes to nothing. */
	is_due = status == 'I' ? session->regains : session->restores && status == 'T';
	session->restores = false;
	is_asked = is_due && ask(s);
	if (status == 'T') {
		altered_move(&session->altered, &session->asked);
		return is_asked;
	}
	altered_clear(&session->altered);
	if (status == 'I') {
		altered_clear(&session->asked);
		session->resets_unseen = false;
	}
	return is_asked;
}

static void tell_ready(struct client *c, uint8_t status)
{
	struct writer w = writer_of(stream_cork_buffer(&c->stream));

	writer_ready(&w, status);
	if (!writer_finish(&w))
		client_close(c, CLOSE_OUT_OF_MEMORY);
	stream_corked(&c->stream);
}

static void give_up(struct client *c)
{
	client_close_with(
	    c, CLOSE_PARAMETER_REFUSED,
	    &(struct notice){.severity = "FATAL",
			     .sqlstate = SQLSTATE_INVALID_PARAMETER,
			     .message = "what the session began with could not be set "
					"again after a RESET"});
}

void regain_done(struct server *s)
{
	struct client *c = s->client;
	uint8_t status = tracker_transaction_status(&s->tracker);

	if (!c || c->closing != CLOSE_NOT)
		return;
	struct session *session = c->session;
	session->tries = s->task_failed ? session->tries + 1 : 0;
	/* Outside a transaction the next answer to the client brings the next try. */
	if (session->tries == TRIES_MAX || status == 'E') {
		give_up(c);
		return;
	}
	if (status == 'I')
		session->regains = s->task_failed;
	tell_ready(c, status);
}
