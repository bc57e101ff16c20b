/*
 * What is guaranteed to pools, beside the limits that they share.
 *
 * Who will come is not known: a user who is named in [users] may use each database that
 * forces no other, and what a database says for all is meant for somebody at least.
 */
#include "config/review.h"

#include <inttypes.h>
#include <string.h>

/* What users say themselves, where they keep their names. */
static uint64_t sum_of_users(const struct config_entries *entries)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < entries->user_count; i++) {
		const struct overrides *over = &entries->users[i]->user.over;

		if (overrides_has(over, OVERRIDE_guaranteed))
			sum += (uint64_t)over->guaranteed;
	}
	return sum;
}

static uint64_t guaranteed_to(const struct database *d, const struct user_entry *user)
{
	if (user && overrides_has(&user->over, OVERRIDE_guaranteed))
		return (uint64_t)user->over.guaranteed;
	return overrides_has(&d->over, OVERRIDE_guaranteed) ? (uint64_t)d->over.guaranteed
							    : 0;
}

static bool forces_a_user(const struct database *d)
{
	return d->user[0] != '\0';
}

static const struct user_entry *forced_user(const struct config *config,
					    const struct database *d)
{
	return config_user(config, slice_of_text(d->user));
}

/* ---- limits of databases, and of all ---- */

/* Of all pools of a database. */
static uint64_t sum_of_database(const struct config *config, const struct database *d,
				uint64_t of_users)
{
	if (forces_a_user(d))
		return guaranteed_to(d, forced_user(config, d));
	return of_users + guaranteed_to(d, NULL);
}

static uint64_t review_database(struct review *r, const struct database_entry *e,
				uint64_t of_users)
{
	const struct database *d = &e->database;
	uint64_t sum = sum_of_database(r->config, d, of_users);
	int most = rules_max_db_connections(r->config, d);

	if (most > 0 && sum > (uint64_t)most)
		review_note_database(r, CONFIG_WARNING, e,
				     "its pools are guaranteed %" PRIu64
				     " servers in all, but max_db_connections is %d",
				     sum, most);
	return sum;
}

static void review_databases(struct review *r, uint64_t of_users)
{
	const struct config_entries *entries = r->config->store->entries;
	int most = r->settings->max_server_connections;
	uint64_t sum = 0;

	for (size_t i = 0; i < entries->database_count; i++)
		sum += review_database(r, entries->databases[i], of_users);
	if (entries->fallback)
		sum += review_database(r, entries->fallback, of_users);
	if (most > 0 && sum > (uint64_t)most)
		review_note(r, CONFIG_WARNING, "max_server_connections",
			    "pools are guaranteed %" PRIu64
			    " servers in all, but max_server_connections is %d",
			    sum, most);
}

/* ---- limits of users ---- */

static uint64_t sum_of_pools(const struct config_entries *entries,
			     const struct user_entry *user)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < entries->database_count; i++) {
		const struct database *d = &entries->databases[i]->database;

		if (!forces_a_user(d) || strcmp(d->user, user->name) == 0)
			sum += guaranteed_to(d, user);
	}
	return sum;
}

static void review_users(struct review *r)
{
	const struct config_entries *entries = r->config->store->entries;

	for (size_t i = 0; i < entries->user_count; i++) {
		const struct user_slot *slot = entries->users[i];
		int most = rules_max_user_connections(r->config, &slot->user);
		uint64_t sum = most > 0 ? sum_of_pools(entries, &slot->user) : 0;

		if (sum > (uint64_t)most)
			review_note_user(r, CONFIG_WARNING, slot,
					 "its pools are guaranteed %" PRIu64
					 " servers in all, but max_user_connections is "
					 "%d",
					 sum, most);
	}
}

void review_shares(struct review *r)
{
	review_databases(r, sum_of_users(r->config->store->entries));
	review_users(r);
}
