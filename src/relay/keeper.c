/*
 * Pools as the relay keeps them.
 */
#include "relay/keeper.h"

#include "config/config.h"
#include "pool/pools.h"
#include "relay/dispatcher.h"
#include "relay/known.h"

struct pool *keeper_pool(struct dispatcher *d, struct slice database, struct slice user)
{
	struct pool *pool = pools_get(&d->pools, database, user, dispatcher_now(d));

	if (!pool || pool->owner_data)
		return pool;
	if (!known_create(pool, d) || !loop_reserve_deadline(d->loop)) {
		known_free(pool, &d->params);
		pools_drop(&d->pools, pool);
		return NULL;
	}
	known_of(pool)->serial = ++d->last_pool_serial;
	pool->deadline.on_due = d->ops->pool_due;
	return pool;
}

void keeper_forget(struct pool *pool, void *context)
{
	struct dispatcher *d = context;

	loop_release_deadline(d->loop, &pool->deadline);
	known_free(pool, &d->params);
}

bool keeper_is_promising(const struct pool *pool)
{
	if (!pool->database)
		return false;
	return pool->has_been_reached ||
	       (pool->rules.min_pool_size > 0 && pool->database->user[0]);
}

void keeper_let_go(struct dispatcher *d, struct pool *pool)
{
	uint64_t now_us = dispatcher_now(d);

	pools_note_use(&d->pools, pool, now_us);
	if (!pool_is_unused(pool) || keeper_is_promising(pool))
		return;
	/* Kept for a while, so that pauses grow for who asks again and again. */
	uint64_t end_us =
	    pool->opening.not_before_us + d->config->settings.server_login_retry;
	if (pool->database && opening_is_failing(&pool->opening) && now_us < end_us) {
		loop_arm(d->loop, &pool->deadline, end_us);
		return;
	}
	keeper_forget(pool, d);
	pools_drop(&d->pools, pool);
}
