/*
 * Run-time parameters follow the client from server to server.
 *
 * What a client wants is what it asked for at its start-up and what its servers reported
 * since as the result of its own commands. What a server has is what it reported and what
 * was set here. Sets are shared objects, so "nothing differs" is one comparison.
 */
#include "relay/prepare.h"

#include "base/buffer.h"
#include "base/check.h"
#include "pool/pool.h"
#include "proto/meaning.h"
#include "proto/sqlscan.h"
#include "proto/writer.h"
#include "relay/baseline.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/regain.h"
#include "relay/rewrite.h"
#include "relay/sequences.h"
#include "relay/server.h"
#include "relay/session.h"
#include "relay/settle.h"
#include "relay/spelling.h"

static struct params_store *store_of(const struct server *s)
{
	return &s->dispatcher->params;
}

static void replace(struct params_store *store, struct params **set, struct params *with)
{
	struct params *old = *set;

	*set = with;
	params_unref(store, old);
}

static void set_value(struct params_store *store, struct params **set, struct slice name,
		      struct slice value)
{
	struct params *changed = params_with(store, *set, name, value);

	/* Without memory the set stays as it was: at worst a SET too many goes out. */
	if (changed)
		replace(store, set, changed);
}

void prepare_keep_startup(struct client *c)
{
	if (!session_is_shared(c) && !c->begins_otherwise)
		return;
	struct session *session = session_get(c);
	/* Without memory a RESET will go back to what the server began with. */
	if (session && !session->startup)
		session->startup = params_ref(c->params);
}

static void note_suits(struct server *s)
{
	replace(store_of(s), &s->suits, params_ref(s->client->params));
	s->client->is_proven = true;
	regain_note_beginning(s->client, s);
}

/* The client's message may have to wait for this, so its limits count from here. */
static void ask_for(struct server *s, struct slice sql, bool forgets)
{
	if (forgets)
		sequences_forgotten(s);
	rewrite_keep_unnamed(s->client);
	replace(store_of(s), &s->wanted,
		s->client->is_proven ? NULL : params_ref(s->client->params));
	server_ask(s, SERVER_TASK_PREPARE, sql);
	server_begin_query(s);
}

bool prepare_is_back_at_base(const struct client *c, struct slice name)
{
	struct slice began_with, origin, value;

	return c->session && c->session->startup &&
	       params_find(c->server->origin, name, &origin) &&
	       regain_find(c, name, &began_with) &&
	       params_find(c->params, name, &value) && slice_equal(value, origin) &&
	       !slice_equal(began_with, origin) && params_is_settable(name);
}

/* What the client has set to what the server began with is SET there all the same, so
 * that a RESET by a function can be told from what never was SET. False when memory is
 * short. */
static bool set_as_origin(struct client *c, struct params_store *store,
			  struct buffer *sql)
{
	struct params *began_with = regain_beginning(c);
	struct params *none = params_empty(store), *wanted = params_empty(store);
	struct slice name, value;
	bool has_any = false;

	for (size_t i = 0; began_with && i < params_count(began_with); i++) {
		params_at(began_with, i, &name, &value);
		if (!prepare_is_back_at_base(c, name) ||
		    !params_find(c->params, name, &value))
			continue;
		set_value(store, &wanted, name, value);
		has_any = true;
	}
	c->session->may_be_at_base = has_any;
	bool is_fine = began_with && params_difference(none, wanted, none, sql);
	params_unref(store, began_with);
	params_unref(store, none);
	params_unref(store, wanted);
	return is_fine;
}

static void start(struct client *c, struct server *s, bool is_attached)
{
	static const char forget[] = "DISCARD SEQUENCES;";
	struct buffer sql = {0};
	bool forgets = sequences_must_forget(c, s);
	/* Behind what the client has said already it would undo that. */
	bool may_be_at_base = is_attached && c->session && c->session->may_be_at_base &&
			      session_is_shared(c);

	if (s->suits == c->params && !forgets && !may_be_at_base) {
		regain_note_beginning(c, s);
		return;
	}
	if (forgets && !buffer_append(&sql, slice_of_text(forget)))
		client_close(c, CLOSE_OUT_OF_MEMORY);
	else if (!params_difference(s->params, c->params, s->base, &sql) ||
		 (may_be_at_base && !set_as_origin(c, store_of(s), &sql)))
		client_close(c, CLOSE_OUT_OF_MEMORY);
	else if (buffer_len(&sql) == 0)
		note_suits(s);
	else
		ask_for(s, buffer_bytes(&sql), forgets);
	buffer_fini(&sql);
}

void prepare_start(struct client *c, struct server *s)
{
	start(c, s, true);
}

void prepare_again(struct client *c, struct server *s)
{
	start(c, s, false);
}

bool prepare_is_pending(const struct client *c)
{
	return !c->is_proven && c->server->task == SERVER_TASK_PREPARE;
}

/* What the server does not report is what it was told; what it reports is spelled as it
 * spells it. */
static void settle_values(struct server *s)
{
	struct params_store *store = store_of(s);
	struct params *wanted = params_ref(s->client->params);
	struct slice name, value, actual;

	for (size_t i = 0; i < params_count(wanted); i++) {
		params_at(wanted, i, &name, &value);
		if (baseline_is_reported(s, name) &&
		    params_find(s->params, name, &actual))
			set_value(store, &s->client->params, name, actual);
		else
			set_value(store, &s->params, name, value);
	}
	params_unref(store, wanted);
}

/* The server has this where nothing is reported: NULL for nothing at all. */
static void note_unreported(struct server *s, struct slice name,
			    const struct slice *value)
{
	struct params_store *store = store_of(s);
	struct params *changed = value ? params_with(store, s->params, name, *value)
				       : params_without(store, s->params, name);

	if (changed)
		replace(store, &s->params, changed);
}

static void note_doubt(struct server *s, struct slice name)
{
	struct slice unknown = params_unknown();

	note_unreported(s, name, &unknown);
}

/* The server has no value of it. One of a session's own stays known there for ever. */
static void note_no_value(struct server *s, struct slice name)
{
	struct slice none = params_no_value();
	bool stays_known = memchr(name.data, '.', name.len) &&
			   params_count(s->params) < PREPARE_NAMES_MAX;

	note_unreported(s, name, stays_known ? &none : NULL);
}

/* The server has been set back to what its clients begin with. */
static void note_begun(struct server *s, struct slice name)
{
	struct slice base;

	if (params_find(s->base, name, &base))
		note_unreported(s, name, &base);
	else
		note_no_value(s, name);
}

/* It was RESET there. What connect_query had set is lost by that. */
static void note_reset(struct server *s, struct slice name)
{
	struct slice base;

	if (params_find(s->base, name, &base))
		note_doubt(s, name);
	else
		note_no_value(s, name);
}

/* All values that the server does not report, unless they are among those to keep. */
static void each_unreported(struct server *s, const struct params *keep,
			    void (*note)(struct server *s, struct slice name))
{
	struct params *had = params_ref(s->params);
	struct slice name, value, ignored;

	for (size_t i = 0; i < params_count(had); i++) {
		params_at(had, i, &name, &value);
		if (!baseline_is_reported(s, name) &&
		    !(keep && params_find(keep, name, &ignored)))
			note(s, name);
	}
	params_unref(store_of(s), had);
}

void prepare_was_reset(struct server *s)
{
	each_unreported(s, NULL, note_reset);
	replace(store_of(s), &s->suits, NULL);
}

void prepare_doubt(struct server *s)
{
	each_unreported(s, NULL, note_doubt);
	replace(store_of(s), &s->suits, NULL);
}

void prepare_began(struct server *s)
{
	struct params_store *store = store_of(s);
	struct slice name, value;

	replace(store, &s->base, params_ref(s->params));
	/* Some of it may be reported only since a library has been loaded. */
	for (size_t i = 0; i < params_count(s->base); i++) {
		params_at(s->base, i, &name, &value);
		if (!baseline_is_reported(s, name))
			set_value(store, &s->origin, name, value);
	}
}

/* Whether it had something to be taken back that others had set. */
static bool has_of_others(const struct server *s)
{
	const struct params *wanted = s->client->params;
	struct slice name, value, other;

	for (size_t i = 0; i < params_count(s->params); i++) {
		params_at(s->params, i, &name, &value);
		if (!baseline_is_reported(s, name) && !params_is_no_value(value) &&
		    !params_find(wanted, name, &other) &&
		    !(params_find(s->base, name, &other) && slice_equal(other, value)))
			return true;
	}
	return false;
}

void prepare_done(struct server *s)
{
	s->task = SERVER_TASK_NONE;
	if (!s->client)
		return;
	if (s->task_failed) {
		/* It may be that which failed, and it would fail for all. */
		if (has_of_others(s))
			pool_retire(s->slot.pool, &s->slot);
		/* The client's message may have been carried out with the wrong
		 * parameters; the client has been told why it ends. */
		s->has_foreign_steps = true;
		client_close(s->client, CLOSE_PARAMETER_REFUSED);
		return;
	}
	each_unreported(s, s->client->params, note_begun);
	if (s->wanted)
		spelling_learn(s, s->wanted);
	settle_values(s);
	note_suits(s);
	loop_post(s->dispatcher->loop, &s->client->pump);
	replace(store_of(s), &s->wanted, NULL);
}

/* The client wants this value of a parameter that is reported, whatever the server has,
 * and is told so. */
static void want(struct server *s, struct slice name, struct slice value)
{
	struct client *c = s->client;
	struct slice known;

	if (params_find(c->params, name, &known) && slice_equal(known, value))
		return;
	struct writer w = writer_of(stream_cork_buffer(&c->stream));
	writer_parameter_status(&w, name, value);
	writer_finish(&w);
	stream_corked(&c->stream);
	set_value(store_of(s), &c->params, name, value);
	if (prepare_is_back_at_base(c, name))
		c->session->may_be_at_base = true;
}

static void want_no_more(struct client *c, struct slice name)
{
	struct params_store *store = &c->dispatcher->params;
	struct params *fewer = params_without(store, c->params, name);

	if (fewer)
		replace(store, &c->params, fewer);
}

/* Nobody's doing: the server's own configuration has changed. During cleaning it is a
 * return to the base, which changes nothing there. */
static void note_of_nobody(struct server *s, struct slice name, struct slice value)
{
	struct params_store *store = store_of(s);

	if (s->state == SERVER_IDLE || s->state == SERVER_LOGIN) {
		set_value(store, &s->origin, name, value);
		set_value(store, &s->base, name, value);
		spelling_forget(s);
	}
	replace(store, &s->suits, NULL);
}

/* Texts are read by this parameter, and none has told that it would change: a function
 * did. What was prepared behind that in the same write counts as what it meant before. */
static bool is_unforeseen(const struct client *c, struct slice name)
{
	const struct session *session = c->session;

	if (!session_is_shared(c) || !meaning_hint(name))
		return false;
	return !session ||
	       !(session->hints & SQL_READS_ANYHOW || altered_reads(&session->altered) ||
		 altered_reads(&session->asked));
}

bool prepare_reported(struct server *s, struct slice name, struct slice value)
{
	struct params_store *store = store_of(s);
	struct client *c = s->client;
	struct slice known;

	set_value(store, &s->params, name, value);
	if (!c) {
		note_of_nobody(s, name, value);
		return false;
	}
	if (!params_is_settable(name))
		return true;
	bool is_news =
	    !params_find(c->params, name, &known) || !slice_equal(known, value);
	if (is_news && tracker_asker(&s->tracker) == ASKED_BY_CLIENT) {
		prepare_keep_startup(c);
		if (is_unforeseen(c, name))
			server_statements_doubt(&s->statements);
	}
	if (tracker_asker(&s->tracker) == ASKED_BY_POOLER) {
		/* Our own SET: back to the base for what the client never mentioned, or
		 * the server's spelling of what it did. */
		bool is_wanted = params_find(c->params, name, &known);
		if (is_wanted)
			set_value(store, &c->params, name, value);
		replace(store, &s->suits, NULL);
		return is_wanted && is_news;
	}
	if (settle_was_reset(c, name, value, &known)) {
		/* The server's beginning is not the session's. What is due follows. */
		want(s, name, known);
		replace(store, &s->suits, NULL);
		return false;
	}
	set_value(store, &c->params, name, value);
	replace(store, &s->suits, params_ref(c->params));
	if (prepare_is_back_at_base(c, name))
		c->session->may_be_at_base = true;
	return true;
}

/* ---- what the server was asked for ---- */

static bool is_ascii(struct slice value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] >= 0x80)
			return false;
	return true;
}

void prepare_learned(struct server *s, struct slice name, struct slice value)
{
	struct params_store *store = store_of(s);
	struct client *c = s->client;
	struct slice known;

	if (!params_is_settable(name))
		return;
	replace(store, &s->suits, NULL);
	if (!baseline_is_reported(s, name)) {
		set_value(store, &s->params, name, value);
		set_value(store, &c->params, name, value);
		return;
	}
	/* It was reported; but what was taken for a return to the beginning may have been
	 * meant. Reports come in the client's encoding, and this does not. */
	if (params_find(c->params, name, &known) && !slice_equal(known, value) &&
	    is_ascii(value))
		want(s, name, value);
}

void prepare_missing(struct server *s, struct slice name)
{
	replace(store_of(s), &s->suits, NULL);
	note_unreported(s, name, NULL);
	want_no_more(s->client, name);
}

void prepare_returned(struct server *s, struct slice name, const struct slice *startup)
{
	struct params_store *store = store_of(s);
	struct client *c = s->client;
	bool is_reported = baseline_is_reported(s, name);
	struct slice base;
	bool is_base = !startup && baseline_find(s, name, &base);

	replace(store, &s->suits, NULL);
	if (!is_reported)
		note_reset(s, name);
	if (is_reported && (startup || is_base))
		want(s, name, startup ? *startup : base);
	else if (startup)
		set_value(store, &c->params, name, *startup);
	/* It wants what each server has of its own. */
	if (!startup && (!is_reported || is_base))
		want_no_more(c, name);
}
