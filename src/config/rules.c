/*
 * The user's word counts before the database's, and that before the common one.
 */
#include "config/rules.h"

#include "config/config.h"

/* The value of field that comes first, and `common` where neither has its own. */
#define RESOLVE(field, common)                                                           \
	(user && overrides_has(&user->over, OVERRIDE_##field) ? user->over.field         \
	 : overrides_has(&database->over, OVERRIDE_##field)   ? database->over.field     \
							      : (common))

static enum rules_source max_queue_of(const struct database *database,
				      const struct user_entry *user)
{
	if (user && overrides_has(&user->over, OVERRIDE_max_queue))
		return RULES_OF_USER;
	return overrides_has(&database->over, OVERRIDE_max_queue) ? RULES_OF_DATABASE
								  : RULES_OF_ALL;
}

/* Shares by database and shares by user are independent of each other. */
static unsigned weight_of(const struct database *database, const struct user_entry *user)
{
	unsigned weight = 1;

	if (overrides_has(&database->over, OVERRIDE_weight))
		weight *= (unsigned)database->over.weight;
	return weight * rules_user_weight(user);
}

/* A server that belongs to a session says nothing of how busy PostgreSQL is. */
static enum trial adaptive_pool_of(const struct rules *rules, enum trial wanted)
{
	return rules->pool_mode == POOL_MODE_SESSION ? TRIAL_OFF : wanted;
}

void rules_resolve(const struct config *config, const struct database *database,
		   const struct user_entry *user, struct rules *out)
{
	const struct settings *s = &config->settings;

	*out = (struct rules){
	    .pool_mode = RESOLVE(pool_mode, s->pool_mode),
	    .pool_size = RESOLVE(pool_size, s->default_pool_size),
	    .weight = weight_of(database, user),
	    .guaranteed = RESOLVE(guaranteed, 0),
	    .min_pool_size = RESOLVE(min_pool_size, s->min_pool_size),
	    .reserve_pool_size = RESOLVE(reserve_pool_size, s->reserve_pool_size),
	    .max_queue = RESOLVE(max_queue, s->max_queue),
	    .max_queue_of = max_queue_of(database, user),
	    .queue_policy = RESOLVE(queue_policy, s->queue_policy),
	    .priority = RESOLVE(priority, s->priority),
	    .max_priority = RESOLVE(max_priority, s->max_priority),
	    .queue_prediction = s->queue_prediction,
	    .priority_shedding = s->priority_shedding,
	    .priority_reserve = s->priority_reserve,
	    .queue_target = s->queue_target,
	    .queue_interval = s->queue_interval,
	    .priority_target = s->priority_target,
	    .server_round_robin = s->server_round_robin,
	    .server_state = RESOLVE(server_state, s->server_state),
	    .max_pinned = RESOLVE(max_pinned, s->max_pinned),
	    .pin_timeout = RESOLVE(pin_timeout, s->pin_timeout),
	    .reserve_pool_timeout = s->reserve_pool_timeout,
	    .query_wait_timeout = RESOLVE(query_wait_timeout, s->query_wait_timeout),
	    .max_queue_wait = RESOLVE(max_queue_wait, s->max_queue_wait),
	    .query_wait_notify = s->query_wait_notify,
	    .query_timeout = RESOLVE(query_timeout, s->query_timeout),
	    .idle_transaction_timeout =
		RESOLVE(idle_transaction_timeout, s->idle_transaction_timeout),
	    .transaction_timeout = RESOLVE(transaction_timeout, s->transaction_timeout),
	    .client_idle_timeout = RESOLVE(client_idle_timeout, s->client_idle_timeout),
	    .client_write_timeout =
		RESOLVE(client_write_timeout, s->client_write_timeout),
	    .server_lifetime = RESOLVE(server_lifetime, s->server_lifetime),
	    .server_max_transactions =
		RESOLVE(server_max_transactions, s->server_max_transactions),
	    .server_memory_limit = s->server_memory_limit,
	    .server_memory_check = s->server_memory_check,
	    .server_idle_timeout = s->server_idle_timeout,
	    .hold_on_failure = RESOLVE(hold_on_failure, s->hold_on_failure),
	};
	out->adaptive_pool =
	    adaptive_pool_of(out, RESOLVE(adaptive_pool, s->adaptive_pool));
}

int rules_max_pinned(const struct rules *rules)
{
	if (rules->max_pinned >= 0)
		return rules->max_pinned;
	return rules->pool_size == 0 ? INT_MAX
				     : rules->pool_size / 2 + rules->pool_size % 2;
}

int rules_max_db_connections(const struct config *config, const struct database *database)
{
	return overrides_has(&database->over, OVERRIDE_max_connections)
		   ? database->over.max_connections
		   : config->settings.max_db_connections;
}

int rules_max_db_client_connections(const struct config *config,
				    const struct database *database)
{
	return overrides_has(&database->over, OVERRIDE_max_client_connections)
		   ? database->over.max_client_connections
		   : config->settings.max_db_client_connections;
}

int rules_max_user_connections(const struct config *config, const struct user_entry *user)
{
	return user && overrides_has(&user->over, OVERRIDE_max_connections)
		   ? user->over.max_connections
		   : config->settings.max_user_connections;
}

int rules_max_user_client_connections(const struct config *config,
				      const struct user_entry *user)
{
	return user && overrides_has(&user->over, OVERRIDE_max_client_connections)
		   ? user->over.max_client_connections
		   : config->settings.max_user_client_connections;
}

unsigned rules_user_weight(const struct user_entry *user)
{
	return user && overrides_has(&user->over, OVERRIDE_weight)
		   ? (unsigned)user->over.weight
		   : 1;
}
