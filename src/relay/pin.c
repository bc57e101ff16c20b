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
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

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

static const struct notice too_many = {
    .severity = "ERROR",
    .sqlstate = SQLSTATE_TOO_MANY_CONNECTIONS,
    .message = "too many clients are kept at their servers (max_pinned)",
    .detail = "What this statement makes would stay in the server, and this client with "
	      "it.",
    .hint = "Let fewer sessions keep temporary tables, cursors, locks and the like, or "
	    "raise max_pinned or pool_size.",
};

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
	if (is_full(c->pool)) {
		*out = too_many;
		return true;
	}
	count(c, session);
	return false;
}

/* ---- pins ---- */

bool pin_set(struct client *c, unsigned reasons)
{
	struct session *session = c->session;
	struct notice notice = too_many;

	if (reasons == 0) {
		session->pins = 0;
		discount(c, session);
		return true;
	}
	if (session->pins == 0)
		session->pinned_us = dispatcher_now(c->dispatcher);
	bool is_new = !session->is_pin_counted;
	bool is_one_too_many = is_new && is_full(c->pool);
	session->pins = (uint8_t)reasons;
	count(c, session);
	if (!is_one_too_many) {
		server_arm(c->server);
		return true;
	}
	notice.severity = "FATAL";
	notice.detail = "What was left in the server would have kept this client there.";
	client_close_with(c, CLOSE_TOO_MANY_PINNED, &notice);
	return false;
}

void pin_end(struct client *c)
{
	/* Without a pool something else stands there. */
	if (!c->pool || !c->session)
		return;
	c->session->pins = 0;
	discount(c, c->session);
}

/* ---- time ---- */

uint64_t pin_due(const struct server *s)
{
	const struct client *c = s->client;

	if (!c || !session_is_shared(c) || !c->session || c->session->pins == 0)
		return CLOCK_NEVER;
	if (s->query_us != 0 || s->transaction_us != 0)
		return CLOCK_NEVER;
	uint64_t since_us =
	    s->heard_us > c->session->pinned_us ? s->heard_us : c->session->pinned_us;
	return clock_limit(since_us, s->slot.pool->rules.pin_timeout);
}

void pin_expired(struct server *s)
{
	struct client *c = s->client;
	char reasons[PIN_REASONS_LEN], detail[PIN_REASONS_LEN + 64];

	/* What a sequence told last is worth less than a session. */
	if (c->session->pins == PIN_SEQUENCES) {
		pin_set(c, 0);
		clean_release_if_done(s);
		return;
	}
	pin_reasons_print(c->session->pins, reasons);
	snprintf(detail, sizeof(detail), "What kept this client at its server: %s.",
		 reasons);
	client_close_saying(c, CLOSE_PIN_TIMEOUT, NULL, detail, NULL);
}
