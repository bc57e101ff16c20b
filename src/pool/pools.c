/*
 * Two tables of names and one of pools. Whatever depends on the configuration is copied
 * into pools and usages here, when they are made and when a snapshot is put in force, so
 * that nothing else looks anything up in it.
 */
#include "pool/pools.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"

/* How many unused pools are freed at a time. */
enum { EXPIRE_AT_ONCE = 256 };

void pools_init(struct pools *pools, const struct config *config, uint64_t now_us)
{
	*pools = (struct pools){.config = config_ref(config), .key = hash_key_make()};
	TAILQ_INIT(&pools->all);
	TAILQ_INIT(&pools->unused);
	usages_init(&pools->databases, USAGE_OF_DATABASE);
	usages_init(&pools->users, USAGE_OF_USER);
	usage_init(&pools->process, USAGE_OF_PROCESS);
	pools->process.max_servers = config->settings.max_server_connections;
	tally_init(&pools->tally, now_us, config->settings.stats_period);
}

void pools_fini(struct pools *pools)
{
	struct pool *p;

	if (!pools->config)
		return;
	while ((p = TAILQ_FIRST(&pools->all)) != NULL)
		pools_drop(pools, p);
	usage_fini(&pools->process);
	usages_fini(&pools->users);
	usages_fini(&pools->databases);
	config_unref(pools->config);
	*pools = (struct pools){0};
}

const struct database *pools_database(const struct pools *pools, struct slice name,
				      bool *out_is_auto)
{
	const struct database *database = config_database(pools->config, name);

	*out_is_auto = database == NULL;
	return database ? database : config_fallback(pools->config);
}

/* ---- usages ---- */

static struct slice usage_name(const struct usage *usage)
{
	return slice_of(usage->name, usage->name_len);
}

static void set_database_limits(const struct pools *pools, struct usage *usage)
{
	bool is_auto;
	const struct database *database =
	    pools_database(pools, usage_name(usage), &is_auto);

	if (!database)
		return;
	usage->max_servers = rules_max_db_connections(pools->config, database);
	usage->max_clients = rules_max_db_client_connections(pools->config, database);
}

static void set_user_limits(const struct pools *pools, struct usage *usage)
{
	const struct user_entry *user = config_user(pools->config, usage_name(usage));

	usage->max_servers = rules_max_user_connections(pools->config, user);
	usage->max_clients = rules_max_user_client_connections(pools->config, user);
	usage->weight = rules_user_weight(user);
}

struct usage *pools_hold_database(struct pools *pools, struct slice name)
{
	struct usage *usage = usages_hold(&pools->databases, name);

	if (usage)
		set_database_limits(pools, usage);
	return usage;
}

struct usage *pools_hold_user(struct pools *pools, struct slice name)
{
	struct usage *usage = usages_hold(&pools->users, name);

	if (usage)
		set_user_limits(pools, usage);
	return usage;
}

/* ---- pools ---- */

/* Names are no longer than those of users and databases can be, or nobody's. */
enum { KEY_MAX = 1024 };

/* "database NUL user NUL"; 0 when it is too long. */
static size_t write_key(uint8_t *out, struct slice database, struct slice user)
{
	size_t len = database.len + user.len + 2;

	if (database.len >= KEY_MAX || user.len >= KEY_MAX || len > KEY_MAX)
		return 0;
	memset(out, 0, len);
	if (database.len > 0)
		memcpy(out, database.data, database.len);
	if (user.len > 0)
		memcpy(out + database.len + 1, user.data, user.len);
	return len;
}

static struct pool *find(const struct pools *pools, struct slice key)
{
	struct pool *p;

	HASH_FIND_BYHASHVALUE(hh, pools->table, key.data, key.len,
			      hash_short(&pools->key, key), p);
	return p;
}

struct pool *pools_find(const struct pools *pools, struct slice database,
			struct slice user)
{
	uint8_t key[KEY_MAX];
	size_t len = write_key(key, database, user);

	return len == 0 ? NULL : find(pools, slice_of(key, len));
}

static struct rules rules_of(const struct pools *pools, const struct database *database,
			     const char *user_name)
{
	struct rules rules;

	rules_resolve(pools->config, database,
		      config_user(pools->config, slice_of_text(user_name)), &rules);
	return rules;
}

/* Lets go of what pool_begin() took. */
static void pool_end(struct pools *pools, struct pool *p)
{
	pool_fini(p);
	usage_release(&pools->users, p->user_usage);
	usage_release(&pools->databases, p->database_usage);
	free(p->key);
	free(p);
}

static bool hold_usages(struct pools *pools, struct pool_ground *ground,
			struct slice database, struct slice user)
{
	ground->database_usage = pools_hold_database(pools, database);
	if (!ground->database_usage)
		return false;
	ground->user_usage = pools_hold_user(pools, user);
	if (ground->user_usage)
		return true;
	usage_release(&pools->databases, ground->database_usage);
	return false;
}

/* A pool that stands in no table yet. */
static struct pool *pool_begin(struct pools *pools, const struct database *entry,
			       struct slice key, struct slice database, uint64_t now_us)
{
	struct pool *p = malloc(sizeof(*p));
	char *name = malloc(key.len);

	if (!p || !name)
		goto fail;
	memcpy(name, key.data, key.len);
	const char *user = name + database.len + 1;
	struct rules rules = rules_of(pools, entry, user);
	struct pool_ground ground = {
	    .database = entry,
	    .process_usage = &pools->process,
	    .paused_all = &pools->paused_all,
	    .rules = &rules,
	    .stats_period_us = pools->config->settings.stats_period,
	};
	if (!hold_usages(pools, &ground, database, slice_of_text(user)))
		goto fail;
	pool_init(p, &ground, now_us);
	p->key = name;
	p->key_len = key.len;
	p->database_name = name;
	p->user_name = user;
	return p;
fail:
	free(name);
	free(p);
	return NULL;
}

struct pool *pools_get(struct pools *pools, struct slice database, struct slice user,
		       uint64_t now_us)
{
	uint8_t bytes[KEY_MAX];
	struct slice key = slice_of(bytes, write_key(bytes, database, user));
	struct pool *p = key.len == 0 ? NULL : find(pools, key);
	bool is_auto;

	if (p || key.len == 0)
		return p;
	const struct database *entry = pools_database(pools, database, &is_auto);
	if (!entry)
		return NULL;
	p = pool_begin(pools, entry, key, database, now_us);
	if (!p)
		return NULL;
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, pools->table, p->key, p->key_len,
				    hash_short(&pools->key, key), p);
	if (!p->hh.tbl) {
		pool_end(pools, p);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&pools->all, p, all);
	pools->count++;
	p->is_auto = is_auto;
	pools_note_use(pools, p, now_us);
	return p;
}

void pools_drop(struct pools *pools, struct pool *p)
{
	CHECK(p->deadline.place == 0);
	if (p->unused_since_us != 0)
		TAILQ_REMOVE(&pools->unused, p, unused_place);
	TAILQ_REMOVE(&pools->all, p, all);
	HASH_DEL(pools->table, p);
	pools->count--;
	counters_add(&pools->gone, &p->tally.now);
	pool_end(pools, p);
}

/* ---- unused pools ---- */

void pools_note_use(struct pools *pools, struct pool *p, uint64_t now_us)
{
	bool is_unused = p->is_auto && pool_is_unused(p);

	if (is_unused == (p->unused_since_us != 0))
		return;
	if (!is_unused) {
		TAILQ_REMOVE(&pools->unused, p, unused_place);
		p->unused_since_us = 0;
		return;
	}
	/* 0 has a meaning of its own; the first microsecond can stand in for it. */
	p->unused_since_us = now_us > 0 ? now_us : 1;
	TAILQ_INSERT_TAIL(&pools->unused, p, unused_place);
}

uint64_t pools_expire(struct pools *pools, uint64_t now_us, uint64_t timeout_us,
		      void (*on_expire)(struct pool *pool, void *context), void *context)
{
	struct pool *p;

	if (timeout_us == 0)
		return CLOCK_NEVER;
	for (unsigned i = 0; (p = TAILQ_FIRST(&pools->unused)) != NULL; i++) {
		uint64_t due_us = p->unused_since_us + timeout_us;

		if (due_us > now_us)
			return due_us;
		if (i == EXPIRE_AT_ONCE)
			return now_us;
		if (on_expire)
			on_expire(p, context);
		pools_drop(pools, p);
	}
	return CLOCK_NEVER;
}

/* ---- a new configuration ---- */

/* The "*" entry stands for a database of the name that the client asked for. */
static struct database target_of(const struct pool *p, const struct database *entry)
{
	struct database target = *entry;

	target.name = p->database_name;
	if (target.dbname[0] == '\0')
		target.dbname = p->database_name;
	return target;
}

static enum pool_change change_entry(struct pool *p, const struct database *entry)
{
	const struct database *old = p->database;

	p->database = entry;
	if (!entry)
		return POOL_REMOVED;
	if (!old)
		return POOL_RETARGETED;
	struct database before = target_of(p, old), after = target_of(p, entry);
	return database_target_differs(&before, &after) ? POOL_RETARGETED : POOL_SAME;
}

/* One with an entry of its own does not expire. */
static void set_auto(struct pools *pools, struct pool *p, bool is_auto)
{
	p->is_auto = is_auto;
	if (!is_auto && p->unused_since_us != 0) {
		TAILQ_REMOVE(&pools->unused, p, unused_place);
		p->unused_since_us = 0;
	}
}

static enum pool_change follow(struct pools *pools, struct pool *p)
{
	bool is_auto;
	const struct database *entry =
	    pools_database(pools, slice_of_text(p->database_name), &is_auto);
	enum pool_change change = change_entry(p, entry);

	tally_set_period(&p->tally, pools->config->settings.stats_period);
	if (!entry)
		return change;
	set_auto(pools, p, is_auto);
	struct rules rules = rules_of(pools, entry, p->user_name);
	pool_set_rules(p, &rules);
	return change;
}

static void refresh_limits(struct pools *pools)
{
	struct usage *usage, *next;

	pools->process.max_servers = pools->config->settings.max_server_connections;
	HASH_ITER (hh, pools->databases.table, usage, next)
		set_database_limits(pools, usage);
	HASH_ITER (hh, pools->users.table, usage, next)
		set_user_limits(pools, usage);
}

void pools_apply(struct pools *pools, const struct config *config,
		 void (*on_change)(struct pool *pool, enum pool_change change,
				   void *context),
		 void *context)
{
	const struct config *old = pools->config;
	struct pool *p, *next;

	pools->config = config_ref(config);
	tally_set_period(&pools->tally, config->settings.stats_period);
	refresh_limits(pools);
	for (p = TAILQ_FIRST(&pools->all); p; p = next) {
		enum pool_change change = follow(pools, p);

		next = TAILQ_NEXT(p, all);
		if (on_change)
			on_change(p, change, context);
	}
	config_unref(old);
}
