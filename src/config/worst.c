/*
 * How many server connections there can be.
 *
 * A database without a forced user has a pool for every user who comes, so only
 * max_db_connections bounds it. Databases with the same forced user have
 * max_user_connections in common. What is not bounded by either is told, not counted.
 * max_server_connections bounds all together.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/hint.h"
#include "config/store.h"

enum { UNBOUNDED = -1 };

/* What one database adds to the sum of its forced user ("" where it has none). */
struct share {
	const struct database *database;
	const char *user;
	int64_t servers; /* or UNBOUNDED */
};

static int64_t smaller(int64_t a, int64_t b)
{
	if (a == UNBOUNDED)
		return b;
	return b == UNBOUNDED || a < b ? a : b;
}

/* The limits that count over several pools say 0 for none. */
static int64_t limit(int value)
{
	return value == 0 ? UNBOUNDED : value;
}

static struct share share_of(const struct config *config, const struct database *d)
{
	struct share share = {.database = d, .user = d->user};
	struct rules rules;
	int64_t pool = UNBOUNDED;

	if (d->user[0] != '\0') {
		rules_resolve(config, d, config_user(config, slice_of_text(d->user)),
			      &rules);
		if (rules.pool_size > 0)
			pool = (int64_t)rules.pool_size + rules.reserve_pool_size;
	}
	share.servers = smaller(pool, limit(rules_max_db_connections(config, d)));
	/* The fallback makes as many databases as clients think of. */
	if (database_is_fallback(d))
		share.servers = UNBOUNDED;
	return share;
}

static int by_user(const void *a, const void *b)
{
	const struct share *x = a, *y = b;

	return strcmp(x->user, y->user);
}

/* Adds up the shares of one user, who is "" for all databases without a forced one. */
static void add_user(const struct config *config, const struct share *shares,
		     size_t count, struct config_worst *out,
		     const struct database **example)
{
	int64_t most = UNBOUNDED, sum = 0;
	size_t unbounded = 0;

	if (shares[0].user[0] != '\0') {
		const struct user_entry *user =
		    config_user(config, slice_of_text(shares[0].user));
		most = limit(rules_max_user_connections(config, user));
	}
	for (size_t i = 0; i < count; i++) {
		if (shares[i].servers != UNBOUNDED)
			sum += shares[i].servers;
		else if (unbounded++ == 0 && most == UNBOUNDED && !*example)
			*example = shares[i].database;
	}
	if (most == UNBOUNDED) {
		out->servers += (uint64_t)sum;
		out->unbounded += unbounded;
	} else {
		out->servers += (uint64_t)(unbounded ? most : smaller(sum, most));
	}
}

static void bound_all(int64_t most, struct config_worst *out)
{
	if (most == UNBOUNDED)
		return;
	if (out->unbounded > 0 || out->servers > (uint64_t)most)
		out->servers = (uint64_t)most;
	out->unbounded = 0;
}

static void describe(const struct database *example, struct config_worst *out)
{
	char shown[HINT_SHOWN_MAX];
	const char *why;

	if (out->unbounded == 0)
		return;
	if (database_is_fallback(example))
		why = "clients choose how many databases there are";
	else if (example->user[0] == '\0')
		why = "every user has a pool; max_db_connections would bound them";
	else
		why = "its pool has no size";
	snprintf(out->unbounded_word, sizeof(out->unbounded_word),
		 "%zu database%s, such as %s (%s)", out->unbounded,
		 out->unbounded == 1 ? "" : "s", hint_show(example->name, shown), why);
}

int config_worst_case(const struct config *config, struct config_worst *out)
{
	size_t count = config_database_count(config), used = 0;
	const struct database *fallback = config_fallback(config), *example = NULL;
	struct config_worst worst = {0};
	struct share *shares = calloc(count + 1, sizeof(*shares));

	if (!shares)
		return -ENOMEM;
	for (; used < count; used++)
		shares[used] = share_of(config, config_database_at(config, used));
	if (fallback)
		shares[used++] = share_of(config, fallback);
	qsort(shares, used, sizeof(*shares), by_user);
	for (size_t i = 0, next; i < used; i = next) {
		next = i + 1;
		while (next < used && strcmp(shares[next].user, shares[i].user) == 0)
			next++;
		add_user(config, shares + i, next - i, &worst, &example);
	}
	free(shares);
	bound_all(limit(config->settings.max_server_connections), &worst);
	describe(example, &worst);
	*out = worst;
	return 0;
}
