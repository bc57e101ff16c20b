/*
 * The limit of all clients' memory is there for those who take much of it: a client with
 * few and short values is never refused for it.
 */
#include "relay/allowance.h"

#include <stdint.h>

#include "proto/notice.h"
#include "proto/params.h"
#include "relay/altered.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/findings.h"
#include "relay/session.h"

enum {
	/* Of one client; that much is let in whatever all have. */
	SMALL_COST = 8 * 1024,
	/* Values come in hexadecimal, in a row that has to be whole. */
	LONGEST = FINDINGS_ROW_MAX / 2 - 1024,
};

enum allowance { ALLOWANCE_FITS, ALLOWANCE_CLIENT_FULL, ALLOWANCE_ALL_FULL };

static enum allowance judge(const struct client *c, size_t cost, size_t growth)
{
	const struct params_store *store = &c->dispatcher->params;

	if (growth == 0)
		return ALLOWANCE_FITS;
	if (store->max_client_bytes > 0 && cost > store->max_client_bytes)
		return ALLOWANCE_CLIENT_FULL;
	if (store->max_bytes > 0 && cost > SMALL_COST &&
	    (growth > store->max_bytes || store->bytes > store->max_bytes - growth))
		return ALLOWANCE_ALL_FULL;
	return ALLOWANCE_FITS;
}

/* What the value of this name takes now. */
static size_t cost_now(const struct params *set, struct slice name)
{
	struct slice value;

	return params_find(set, name, &value) ? params_cost(name.len, value.len) : 0;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* What a name may take by what was noted of it. */
static size_t cost_noted(const struct altered *a, struct slice name)
{
	size_t len;

	return altered_has_value(a, name, &len) ? params_cost(name.len, len) : 0;
}

/* By how much the client's parameters may become larger by these, beyond what those two
 * may do to the same names. */
static size_t growth_by(const struct client *c, const struct altered *more,
			const struct altered *one, const struct altered *two)
{
	struct slice name;
	size_t at = 0, growth = 0;
	enum altered_how how;

	while (altered_next(more, &at, &name, &how)) {
		size_t cost = how == ALTERED_RESET
				  ? 0
				  : params_cost(name.len, altered_value_len(name));
		size_t known =
		    larger(cost_now(c->params, name),
			   larger(cost_noted(one, name), cost_noted(two, name)));
		growth += cost > known ? cost - known : 0;
	}
	return growth;
}

static size_t most_by(const struct altered *a)
{
	/* No name is shorter than a byte. */
	return a->values_len + buffer_len(&a->names) * params_cost(1, 0);
}

/* Most texts are so short that names need not be compared. */
static bool is_surely_small(const struct client *c, const struct altered *more)
{
	const struct params_store *store = &c->dispatcher->params;
	const struct session *session = c->session;
	size_t most = params_cost_of(c->params) + most_by(more) +
		      most_by(&session->altered) + most_by(&session->asked);

	return most <= SMALL_COST &&
	       (store->max_client_bytes == 0 || most <= store->max_client_bytes);
}

static void say(enum allowance verdict, struct notice *out)
{
	bool is_own = verdict == ALLOWANCE_CLIENT_FULL;

	*out = (struct notice){
	    .severity = "ERROR",
	    .sqlstate = SQLSTATE_CONFIGURATION_LIMIT,
	    .message = is_own ? "the parameters of this session would take too much "
				"memory"
			      : "the parameters of all sessions take too much memory",
	    .detail = "The pooler keeps what a session has set, since servers are "
		      "shared.",
	    .hint = is_own ? "Set shorter values, RESET what is not needed, use SET "
			     "LOCAL, or raise max_client_parameter_memory of the pooler."
			   : "Set shorter values, RESET what is not needed, use SET "
			     "LOCAL, or raise max_parameter_memory of the pooler."};
}

bool allowance_refuses(const struct client *c, const struct altered *more,
		       struct notice *out)
{
	const struct altered none = {0}, *sent = &c->session->altered,
			     *asked = &c->session->asked;

	if (is_surely_small(c, more))
		return false;
	/* What the server is being asked about is not among the client's yet. */
	size_t growth = growth_by(c, more, sent, asked);
	size_t cost = params_cost_of(c->params) + growth +
		      growth_by(c, sent, asked, &none) +
		      growth_by(c, asked, &none, &none);
	enum allowance verdict = judge(c, cost, growth);
	if (verdict == ALLOWANCE_FITS)
		return false;
	say(verdict, out);
	return true;
}

bool allowance_has_room(const struct client *c, struct slice name, struct slice value)
{
	size_t before = cost_now(c->params, name);
	size_t after = params_cost(name.len, value.len);
	size_t growth = after > before ? after - before : 0;

	/* Who reads it has it counted in all. */
	return judge(c, params_cost_of(c->params) + growth, growth > 0) == ALLOWANCE_FITS;
}

bool allowance_may_gather(const struct client *c, const struct params *set,
			  struct slice name, struct slice value)
{
	const struct params_store *store = &c->dispatcher->params;
	size_t has = params_cost_of(set), had = params_cost_of(c->params);
	size_t cost = has + params_cost(name.len, value.len);

	if (cost <= had)
		return true;
	return (store->max_client_bytes == 0 || cost - had <= store->max_client_bytes) &&
	       (store->max_bytes == 0 || cost <= SMALL_COST ||
		store->bytes < store->max_bytes);
}

size_t allowance_longest(const struct client *c)
{
	size_t max = c->dispatcher->params.max_client_bytes;

	if (max > 0)
		max = larger(max, params_cost_of(c->params));
	return max > 0 && max < LONGEST ? max : LONGEST;
}

bool allowance_is_passed(const struct client *c)
{
	/* It is counted already. */
	return judge(c, params_cost_of(c->params), 1) != ALLOWANCE_FITS;
}
