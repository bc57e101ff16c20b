/*
 * Pins: counted by pool from the moment a text goes that asks for one.
 */
#include "relay/pin.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "pool/pool.h"
#include "proto/notice.h"
#include "proto/sqlscan.h"
#include "relay/clean.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/known.h"
#include "relay/reset.h"
#include "relay/server.h"
#include "relay/session.h"

static const struct {
	unsigned reason;
	uint32_t hint;
	const char *name;
	const char *refusal, *hint_text;
} rows[] = {
    {PIN_TEMPORARY, SQL_TEMPS, "temporary",
     "temporary objects are not kept while servers are shared",
     "Use ON COMMIT DROP, or ask for server_state = pin or pool_mode = session."},
    {PIN_CURSORS, SQL_HOLDS, "cursors",
     "cursors WITH HOLD are not kept while servers are shared",
     "Use a cursor within a transaction, or ask for server_state = pin or pool_mode = "
     "session."},
    {PIN_PREPARED, SQL_PREPARES, "prepared",
     "PREPARE is not possible while servers are shared",
     "Use the prepared statements of the protocol, or ask for server_state = pin or "
     "pool_mode = session."},
    {PIN_LOCKS, SQL_LOCKS, "locks",
     "advisory locks of the session are not kept while servers are shared",
     "Use pg_advisory_xact_lock(), or ask for server_state = pin or pool_mode = "
     "session."},
    {PIN_LOADED, SQL_LOADS, "loaded", "LOAD is not possible while servers are shared",
     "Use session_preload_libraries, or ask for server_state = pin or pool_mode = "
     "session."},
    {PIN_SEQUENCES, 0, "sequences", NULL, NULL},
    {PIN_UNKNOWN, 0, "unknown", NULL, NULL},
    {PIN_PARAMETERS, 0, "parameters", NULL, NULL},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* Idle for so long, a client will hardly come for what a sequence has told. */
#define MOMENT_US (1 * USEC_PER_SEC)

char *pin_reasons_print(unsigned reasons, char out[PIN_REASONS_LEN])
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < ROWS; i++)
		if (reasons & rows[i].reason)
			len += (size_t)snprintf(out + len, PIN_REASONS_LEN - len, "%s%s",
						len > 0 ? ", " : "", rows[i].name);
	return out;
}

unsigned pin_reasons_of(uint32_t hints)
{
	unsigned reasons = 0;

	for (size_t i = 0; i < ROWS; i++)
		if (hints & rows[i].hint)
			reasons |= rows[i].reason;
	if (hints & SQL_RUNS_CODE)
		reasons |= PIN_TEMPORARY | PIN_CURSORS | PIN_PREPARED | PIN_LOCKS;
	/* Whether a library was loaded its tag tells. */
	return reasons & ~(unsigned)PIN_LOADED;
}

bool pin_may_end(uint32_t hints)
{
	return hints &
	       (SQL_UNLOCKS | SQL_DEALLOCATES | SQL_DROPS | SQL_DISCARDS | SQL_RUNS_CODE);
}

/* ---- limits ---- */

static void count(struct client *c, struct session *session)
{
	if (session->is_pin_counted)
		return;
	session->is_pin_counted = true;
	c->pool->pinned++;
}

static void discount(struct client *c, struct session *session)
{
	if (!session->is_pin_counted)
		return;
	session->is_pin_counted = false;
	c->pool->pinned--;
}

static bool is_full(const struct pool *pool)
{
	return pool->pinned >= (unsigned)rules_max_pinned(&pool->rules);
}

/* ---- those that give way ---- */

static struct spares *spares_of(const struct server *s)
{
	return &known_of(s->slot.pool)->spares;
}

static void unlist(struct server *s)
{
	if (s->spare == SPARE_LISTED)
		TAILQ_REMOVE(spares_of(s), s, spare_place);
	s->spare = SPARE_NOT;
}

/* As the last, even if it is there already. */
static void list(struct server *s)
{
	unlist(s);
	TAILQ_INSERT_TAIL(spares_of(s), s, spare_place);
	s->spare = SPARE_LISTED;
}

/* From here on it is not counted; it goes when nothing is under way. */
static void call(struct server *s)
{
	unlist(s);
	s->spare = SPARE_CALLED;
	discount(s->client, s->client->session);
	server_arm(s);
}

/* Servers that are on their way will do for as many. */
static bool has_need(const struct pool *pool)
{
	return pool->line.count >
	       pool->counts[SLOT_OPENING] + pool->counts[SLOT_CLEANING];
}

/* Whether one more can be counted, if need be instead of another. */
static bool has_room(struct pool *pool)
{
	struct server *first;

	while (is_full(pool) && (first = TAILQ_FIRST(&known_of(pool)->spares)))
		call(first);
	return !is_full(pool);
}

struct notice pin_too_many(const char *detail)
{
	return (struct notice){
	    .severity = "ERROR",
	    .sqlstate = SQLSTATE_TOO_MANY_CONNECTIONS,
	    .message = "too many clients are kept at their servers (max_pinned)",
	    .detail = detail,
	    .hint = "Let fewer sessions keep temporary tables, cursors, locks and the "
		    "like, or raise max_pinned or pool_size.",
	};
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

static bool begins_with(struct slice text, const char *word)
{
	size_t len = strlen(word);

	if (text.len < len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (lower(text.data[i]) != (uint8_t)word[i])
			return false;
	return true;
}

/* "commit drop", with any blanks: such tables are gone before the transaction is over. */
static bool drops_on_commit(struct slice text)
{
	for (; text.len > 0; text = slice_after(text, 1)) {
		if (!begins_with(text, "commit"))
			continue;
		struct slice rest = slice_after(text, strlen("commit"));
		while (rest.len > 0 && (rest.data[0] == ' ' ||
					(rest.data[0] >= '\t' && rest.data[0] <= '\r')))
			rest = slice_after(rest, 1);
		if (begins_with(rest, "drop"))
			return true;
	}
	return false;
}

static bool is_refused_by_policy(uint32_t hints, struct notice *out)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (!(hints & rows[i].hint))
			continue;
		*out = (struct notice){.severity = "ERROR",
				       .sqlstate = SQLSTATE_FEATURE_NOT_SUPPORTED,
				       .message = rows[i].refusal,
				       .hint = rows[i].hint_text};
		return true;
	}
	return false;
}

bool pin_refuses(struct client *c, struct slice text, uint32_t hints, struct notice *out)
{
	const uint32_t lasting =
	    SQL_TEMPS | SQL_HOLDS | SQL_PREPARES | SQL_LOCKS | SQL_LOADS;
	enum state_policy policy = c->pool->rules.server_state;

	if (!(hints & lasting) || policy == STATE_ALLOW)
		return false;
	if (hints & SQL_TEMPS && drops_on_commit(text))
		hints &= ~(uint32_t)SQL_TEMPS;
	if (policy == STATE_ERROR)
		return is_refused_by_policy(hints, out);
	struct session *session = session_get(c);
	if (!(hints & lasting) || !session || session->is_pin_counted)
		return false;
	if (!has_room(c->pool)) {
		*out = pin_too_many("What this statement makes would stay in the server, "
				    "and this client with it.");
		return true;
	}
	count(c, session);
	return false;
}

/* ---- pins ---- */

bool pin_set(struct client *c, unsigned reasons)
{
	struct session *session = c->session;

	if (c->server->spare == SPARE_CALLED)
		reasons &= ~(unsigned)PIN_SEQUENCES;
	if (reasons != PIN_SEQUENCES)
		unlist(c->server);
	bool is_one_too_many =
	    reasons != 0 && !session->is_pin_counted && !has_room(c->pool);
	if (reasons == 0 || is_one_too_many) {
		session->pins = 0;
		discount(c, session);
		return !is_one_too_many;
	}
	if (session->pins == 0)
		session->pinned_us = dispatcher_now(c->dispatcher);
	session->pins = (uint8_t)reasons;
	count(c, session);
	server_arm(c->server);
	return true;
}

void pin_end(struct client *c)
{
	/* Without a pool something else stands there. */
	if (!c->pool || !c->session)
		return;
	c->session->pins = 0;
	unlist(c->server);
	discount(c, c->session);
}

void pin_drop_sequences(struct client *c)
{
	unlist(c->server);
	c->session->pins &= (uint8_t)~PIN_SEQUENCES;
}

void pin_keep_sequences(struct client *c, enum sequences_use use)
{
	struct session *session = c->session;
	bool is_listed = use == SEQUENCES_ASKED ||
			 (use == SEQUENCES_UNUSED && c->server->spare == SPARE_LISTED);

	if (is_listed && has_need(c->pool)) {
		pin_drop_sequences(c);
		return;
	}
	if (!session->is_pin_counted && !has_room(c->pool))
		return;
	if (!pin_set(c, session->pins | PIN_SEQUENCES))
		return;
	unlist(c->server);
	if (is_listed && session->pins == PIN_SEQUENCES)
		list(c->server);
}

/* ---- time ---- */

static bool is_active(const struct server *s)
{
	return s->query_us != 0 || s->transaction_us != 0;
}

static uint64_t idle_since(const struct server *s)
{
	uint64_t pinned_us = s->client->session->pinned_us;

	return s->heard_us > pinned_us ? s->heard_us : pinned_us;
}

bool pin_may_keep_sequences(const struct server *s)
{
	return s->spare != SPARE_CALLED && !s->slot.retire &&
	       !pool_is_paused(s->slot.pool) &&
	       dispatcher_now(s->dispatcher) < s->slot.retire_us;
}

void pin_give_way(struct pool *pool)
{
	struct spares *spares = &known_of(pool)->spares;
	struct server *first;

	/* Who works will be listed again when that is over. */
	while ((first = TAILQ_FIRST(spares)) && is_active(first))
		unlist(first);
	if (first && has_need(pool))
		server_arm(first);
}

/* Of a client that is kept for sequences alone. */
static uint64_t sequences_due(const struct server *s, uint64_t limit_us)
{
	uint64_t since_us = idle_since(s);

	if (s->spare == SPARE_CALLED)
		return s->task == SERVER_TASK_NONE ? since_us : CLOCK_NEVER;
	limit_us = clock_earlier(limit_us, s->slot.retire_us);
	if (s->spare == SPARE_NOT)
		return clock_earlier(limit_us, since_us + MOMENT_US);
	if (has_need(s->slot.pool) || !pin_may_keep_sequences(s))
		return since_us;
	return limit_us;
}

uint64_t pin_due(const struct server *s)
{
	const struct client *c = s->client;

	if (!c || !session_is_shared(c) || !c->session || c->session->pins == 0)
		return CLOCK_NEVER;
	if (is_active(s))
		return CLOCK_NEVER;
	uint64_t limit_us = clock_limit(idle_since(s), s->slot.pool->rules.pin_timeout);
	return c->session->pins == PIN_SEQUENCES ? sequences_due(s, limit_us) : limit_us;
}

/* What a sequence told last is worth less than a session. */
static void sequences_expired(struct server *s)
{
	struct pool *pool = s->slot.pool;

	if (s->spare == SPARE_NOT)
		list(s);
	if (pin_due(s) > dispatcher_now(s->dispatcher)) {
		server_arm(s);
		return;
	}
	call(s);
	clean_release_if_done(s);
	/* One was enough for one. */
	pin_give_way(pool);
}

void pin_expired(struct server *s)
{
	struct client *c = s->client;
	char reasons[PIN_REASONS_LEN], detail[PIN_REASONS_LEN + 64];

	if (c->session->pins == PIN_SEQUENCES) {
		sequences_expired(s);
		return;
	}
	pin_reasons_print(c->session->pins, reasons);
	snprintf(detail, sizeof(detail), "What kept this client at its server: %s.",
		 reasons);
	client_close_saying(c, CLOSE_PIN_TIMEOUT, NULL, detail, NULL);
}
