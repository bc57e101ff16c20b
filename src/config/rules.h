/*
 * What holds for one database and one user: their own words where they have any, the
 * user's first, then the database's, then the [pooler] section's. By value: it outlives
 * the snapshot that it was made from.
 *
 * Limits that are counted per pool or per query are fields; those that are counted over
 * several pools are asked for by function.
 */
#ifndef POOLER_CONFIG_RULES_H
#define POOLER_CONFIG_RULES_H

#include "config/settings.h"

struct config;
struct database;
struct user_entry;

/* Whose word it is. */
enum rules_source { RULES_OF_ALL, RULES_OF_DATABASE, RULES_OF_USER };

/* Durations are microseconds, and 0 means what it means in the setting of that name. */
struct rules {
	enum pool_mode pool_mode;
	int pool_size;   /* 0: no limit */
	unsigned weight; /* of its share, at least 1 */
	int guaranteed;
	int min_pool_size;
	int reserve_pool_size;
	int max_queue; /* -1: no limit */
	enum rules_source max_queue_of;
	enum queue_policy queue_policy;
	enum trial adaptive_pool;
	enum priority priority, max_priority;
	enum trial queue_prediction, priority_shedding;
	struct priority_reserve priority_reserve;
	uint64_t queue_target, queue_interval, priority_target;
	bool server_round_robin;
	enum state_policy server_state;
	int max_pinned; /* -1: half of pool_size; see rules_max_pinned() */
	uint64_t pin_timeout;
	uint64_t reserve_pool_timeout;
	uint64_t query_wait_timeout;
	uint64_t max_queue_wait; /* 0: only query_wait_timeout */
	uint64_t query_wait_notify;
	uint64_t query_timeout;
	uint64_t idle_transaction_timeout;
	uint64_t transaction_timeout;
	uint64_t client_idle_timeout;
	uint64_t client_write_timeout;
	uint64_t server_lifetime;
	int server_max_transactions;
	uint64_t server_memory_limit; /* bytes */
	uint64_t server_memory_check;
	uint64_t server_idle_timeout;
	uint64_t hold_on_failure;
};

/* user may be NULL: one that [users] does not mention. */
void rules_resolve(const struct config *config, const struct database *database,
		   const struct user_entry *user, struct rules *out);

/* How many clients of a pool with these rules may be pinned; INT_MAX: no limit. */
int rules_max_pinned(const struct rules *rules);

/* 0: no limit. */
int rules_max_db_connections(const struct config *config,
			     const struct database *database);
int rules_max_db_client_connections(const struct config *config,
				    const struct database *database);
int rules_max_user_connections(const struct config *config,
			       const struct user_entry *user);
int rules_max_user_client_connections(const struct config *config,
				      const struct user_entry *user);

/* Of what users share; user may be NULL. */
unsigned rules_user_weight(const struct user_entry *user);

#endif
