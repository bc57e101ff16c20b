/*
 * Carries out what pool/ decides: servers are opened and closed. Who gets them is
 * grant.c.
 */
#include "relay/dispatcher.h"

#include <errno.h>
#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "config/config.h"
#include "net/resolver.h"
#include "proto/notice.h"
#include "relay/baseline.h"
#include "relay/keeper.h"
#include "relay/known.h"
#include "relay/private.h"
#include "relay/refusal.h"
#include "relay/renew.h"
#include "relay/spelling.h"

/* ---- beginning ---- */

static struct tuning tuning_of(const struct settings *s)
{
	return (struct tuning){
	    .keepalive = s->tcp_keepalive,
	    .keepcnt = s->tcp_keepcnt,
	    /* Rounded up: 0 would leave it to the kernel. */
	    .keepidle_s = (int)((s->tcp_keepidle + USEC_PER_SEC - 1) / USEC_PER_SEC),
	    .keepintvl_s = (int)((s->tcp_keepintvl + USEC_PER_SEC - 1) / USEC_PER_SEC),
	    .user_timeout_ms = (int)(s->tcp_user_timeout / USEC_PER_MSEC),
	    .socket_buffer = (int)s->tcp_socket_buffer,
	};
}

void dispatcher_take_settings(struct dispatcher *d)
{
	const struct settings *settings = &d->config->settings;

	d->tuning = tuning_of(settings);
	d->logs_moves = log_wants(LOG_LEVEL_NOISE);
	tally_set_period(&d->pools.tally, settings->stats_period);
	d->loop->ledger.limit = settings->max_buffer_memory;
	d->loop->ledger.client_share = settings->client_buffer;
	d->statements.max_bytes = settings->max_statement_memory;
	d->statements.max_client_bytes = settings->max_client_statement_memory;
	memory_take_settings(d);
	d->params.max_bytes = settings->max_parameter_memory;
	d->params.max_client_bytes = settings->max_client_parameter_memory;
	if (d->resolver)
		resolver_set_ttl(d->resolver, settings->dns_max_ttl,
				 settings->dns_nxdomain_ttl);
}

int dispatcher_init(struct dispatcher *d, const struct dispatcher_ground *ground)
{
	*d = (struct dispatcher){.loop = ground->loop,
				 .resolver = ground->resolver,
				 .config = config_ref(ground->config),
				 .ops = ground->ops,
				 .console = ground->console,
				 .client_ceiling = ground->client_ceiling,
				 .server_fd_ceiling = ground->server_fd_ceiling};
	TAILQ_INIT(&d->clients);
	TAILQ_INIT(&d->closing_clients);
	TAILQ_INIT(&d->lingering_clients);
	TAILQ_INIT(&d->servers);
	TAILQ_INIT(&d->closing_servers);
	TAILQ_INIT(&d->cancel_list);
	TAILQ_INIT(&d->waiting_cancels);
	TAILQ_INIT(&d->ended_cancels);
	slab_init(&d->client_slab, sizeof(struct client));
	slab_init(&d->server_slab, sizeof(struct server));
	slab_init(&d->waiter_slab, sizeof(struct waiter));
	pools_init(&d->pools, d->config, dispatcher_now(d));
	statements_init(&d->statements);
	memory_init(&d->memory);
	bool has_params = params_store_init(&d->params) == 0;
	dispatcher_take_settings(d);
	d->expiry.on_due = d->ops->pools_due;
	loop_set_reaper(d->loop, d->ops->reap, d);
	d->has_expiry = loop_reserve_deadline(d->loop);
	struct logins_ground logins = {.loop = d->loop,
				       .resolver = d->resolver,
				       .config = d->config,
				       .keyring = ground->keyring,
				       .on_displaced = d->ops->displace_login};
	int err = logins_init(&d->logins, &logins);
	if (!has_params || cancels_init(&d->cancels) < 0 || !d->has_expiry)
		return -ENOMEM;
	return err;
}

/* ---- clients come ---- */

struct client *dispatcher_add_client(struct dispatcher *d, enum client_origin origin)
{
	struct client *c = slab_take(&d->client_slab);

	if (!c)
		return NULL;
	if (!loop_reserve_deadline(d->loop)) {
		slab_give_back(&d->client_slab, c);
		return NULL;
	}
	c->dispatcher = d;
	c->id = ++d->last_client_id;
	c->origin = (uint8_t)origin;
	c->params = params_empty(&d->params);
	c->connected_us = c->since_us = dispatcher_now(d);
	c->pump.run = d->ops->pump_client;
	c->deadline.on_due = d->ops->client_due;
	TAILQ_INSERT_TAIL(&d->clients, c, place);
	d->client_count++;
	d->login_count++;
	return c;
}

void dispatcher_join_pool(struct client *c, struct pool *pool)
{
	struct dispatcher *d = c->dispatcher;

	c->pool = pool;
	c->keeps_server = pool->rules.pool_mode == POOL_MODE_SESSION;
	d->pooled_count++;
	pool->clients++;
	pool->database_usage->clients++;
	c->user->clients++;
	pools_note_use(&d->pools, pool, dispatcher_now(d));
}

/* ---- servers are opened ---- */

/* Only clients who have waited for long are a reason to go beyond the size. */
static void log_reserve(const struct pool *pool)
{
	struct waiter *first = admission_first(&pool->line);
	char prefix[CLIENT_PREFIX_LEN];

	if (first && pool->rules.pool_size > 0 &&
	    pool->total > (unsigned)pool->rules.pool_size)
		log_write(LOG_LEVEL_WARNING, client_prefix(first->owner, prefix),
			  "taking connection from reserve_pool");
}

struct server *dispatcher_make_server(struct dispatcher *d)
{
	struct server *s = slab_take(&d->server_slab);

	if (!s)
		return NULL;
	if (!loop_reserve_deadline(d->loop)) {
		slab_give_back(&d->server_slab, s);
		return NULL;
	}
	s->dispatcher = d;
	s->id = ++d->last_server_id;
	s->params = params_empty(&d->params);
	s->connect_us = s->since_us = dispatcher_now(d);
	s->deadline.on_due = d->ops->server_due;
	s->is_checked = true;
	TAILQ_INSERT_TAIL(&d->servers, s, place);
	return s;
}

void dispatcher_unmake_server(struct server *s)
{
	struct dispatcher *d = s->dispatcher;

	TAILQ_REMOVE(&d->servers, s, place);
	params_unref(&d->params, s->params);
	loop_release_deadline(d->loop, &s->deadline);
	slab_give_back(&d->server_slab, s);
}

static bool open_server(struct dispatcher *d, struct pool *pool)
{
	struct server *s = dispatcher_make_server(d);
	uint64_t now_us = dispatcher_now(d);

	if (!s)
		return false;
	pool_add(pool, &s->slot, now_us);
	log_reserve(pool);
	pools_note_use(&d->pools, pool, now_us);
	d->ops->open_server(s);
	return true;
}

void dispatcher_open_wanted(struct dispatcher *d, struct pool *pool)
{
	uint64_t now_us = dispatcher_now(d);

	if ((!pool_may_grow(pool) && !pool->blocked_by && !pool_is_renewing(pool)) ||
	    !pool->database || d->shutdown == SHUTDOWN_WAIT_FOR_SERVERS)
		return;
	unsigned wanted = pool_demand(pool, now_us);
	while (wanted-- > 0)
		if (!open_server(d, pool))
			break;
	struct slot *evicted = pool->blocked_by ? pool_eviction_for(pool, now_us) : NULL;
	if (evicted)
		server_close(server_of_slot(evicted), CLOSE_SERVER_EVICTED);
	uint64_t next_us = pool_next_look(pool, now_us);
	if (next_us != CLOCK_NEVER)
		loop_arm(d->loop, &pool->deadline, next_us);
}

/* A limit may have room: those who wait for it, in turn. */
void dispatcher_serve_blocked(struct dispatcher *d, struct usage *usage)
{
	struct pool *pool;

	private_serve(d, usage);
	while ((pool = pool_next_blocked(usage, dispatcher_now(d)))) {
		unsigned before = usage->servers;
		dispatcher_open_wanted(d, pool);
		/* It may have moved to the line of its other limit; if not, nothing could
		 * be started. */
		if (usage->servers == before && pool->blocked_by == usage)
			return;
	}
}

/* hold_on_failure is over. */
static void give_up_held(struct dispatcher *d, struct pool *pool)
{
	struct waiter *w;

	while ((w = pool_next_given_up(pool, dispatcher_now(d))))
		refusal_server_down(w->owner);
}

void dispatcher_pool_due(struct deadline *due, uint64_t now_us)
{
	struct pool *pool =
	    (struct pool *)(void *)((char *)due - offsetof(struct pool, deadline));
	struct dispatcher *d = known_of(pool)->dispatcher;

	(void)now_us;
	if (pool_is_unused(pool) && !keeper_is_promising(pool)) {
		keeper_let_go(d, pool);
		return;
	}
	give_up_held(d, pool);
	dispatcher_serve(d, pool);
	/* What it had claimed and did not use is for others. */
	for (int i = 0; i < USAGES_EACH; i++)
		dispatcher_serve_blocked(d, pool->usages[i]);
}

/* ---- servers come and go ---- */

/* PAUSE lets go of what is not at work. */
static bool close_if_paused(struct server *s)
{
	if (!pool_is_paused(s->slot.pool))
		return false;
	server_close(s, CLOSE_SERVER_PAUSED);
	return true;
}

/* It was judged when it became free, but for what idling brings. */
static bool close_if_unwanted(struct server *s)
{
	return close_if_paused(s) || (s->slot.retire && !dispatcher_judge_idle(s));
}

static void log_opened(const struct server *s)
{
	char prefix[256];

	if (log_wants(LOG_LEVEL_DEBUG))
		log_write(LOG_LEVEL_DEBUG, server_prefix(s, prefix),
			  "process %u is ready after %llu us", server_process_id(s),
			  (unsigned long long)clock_since(dispatcher_now(s->dispatcher),
							  s->connect_us));
}

/* From the pool's first server, clients that wait for that alone learn what to be greeted
 * with. One that is to go already may be the wrong one: nobody hears of it. */
static void learn(struct server *s)
{
	struct dispatcher *d = s->dispatcher;
	struct pool *pool = s->slot.pool;
	bool is_first = !known_of(pool)->welcome;

	struct params *reported = baseline_reported(s);
	if (!reported)
		return;
	if (reported != known_of(pool)->welcome)
		spelling_forget(s);
	known_learn(known_of(pool), &d->params, reported);
	params_unref(&d->params, reported);
	if (is_first)
		dispatcher_greet_line(d, pool);
}

void dispatcher_server_opened(struct server *s)
{
	struct dispatcher *d = s->dispatcher;
	struct pool *pool = s->slot.pool;

	log_opened(s);
	if (s->private) {
		stream_set_keep_max(&s->stream, STREAM_KEEP_MAX);
		server_move(s, SERVER_IDLE);
		private_opened(s);
		return;
	}
	if (!s->slot.retire)
		learn(s);
	stream_set_keep_max(&s->stream, STREAM_KEEP_MAX);
	server_move(s, SERVER_IDLE);
	bool was_suspended = pool_is_suspended(pool);
	pool_opened(pool, &s->slot, dispatcher_now(d));
	server_arm(s);
	dispatcher_note_progress(d);
	/* It may have been retired before it was open. */
	if (close_if_unwanted(s))
		return;
	dispatcher_serve(d, pool);
	if (was_suspended)
		dispatcher_arm_line(pool);
}

void dispatcher_refuse_line(struct pool *pool)
{
	struct waiter *w;

	while ((w = admission_first(&pool->line)))
		refusal_server_down(w->owner);
}

void dispatcher_server_failed(struct server *s, enum reach why,
			      const struct notice *notice)
{
	struct dispatcher *d = s->dispatcher;
	struct pool *pool = s->slot.pool;
	char prefix[256];

	if (s->closing != CLOSE_NOT)
		return;
	log_write(LOG_LEVEL_WARNING, server_prefix(s, prefix),
		  "server login failed (%s): %s %s", reach_name(why), notice->severity,
		  notice->message);
	if (s->private) {
		private_failed(s, notice);
		server_close(s, CLOSE_LOGIN_FAILED);
		return;
	}
	known_fail(known_of(pool), notice);
	pool_open_failed(pool, why, dispatcher_now(d),
			 d->config->settings.server_login_retry);
	server_close(s, CLOSE_LOGIN_FAILED);
}

static enum closing closing_of(enum upkeep verdict)
{
	switch (verdict) {
	case UPKEEP_CLOSE_OLD:
		return CLOSE_SERVER_OLD;
	case UPKEEP_CLOSE_USED_UP:
		return CLOSE_SERVER_USED_UP;
	case UPKEEP_CLOSE_BLOATED:
		return CLOSE_SERVER_BLOATED;
	case UPKEEP_CLOSE_IDLE:
		return CLOSE_SERVER_IDLE;
	case UPKEEP_CLOSE_EVICTED:
		return CLOSE_SERVER_EVICTED;
	case UPKEEP_CLOSE_RETIRED:
		return CLOSE_SERVER_RETIRED;
	case UPKEEP_KEEP:
	case UPKEEP_RENEW:
	case UPKEEP_ASK_MEMORY:
		break;
	}
	return CLOSE_NOT;
}

bool dispatcher_judge_idle(struct server *s)
{
	struct dispatcher *d = s->dispatcher;
	struct pool *pool = s->slot.pool;
	enum upkeep verdict = pool_judge_idle(pool, &s->slot, dispatcher_now(d));
	enum closing why = closing_of(verdict);

	if (why != CLOSE_NOT)
		server_close(s, why);
	if (verdict == UPKEEP_ASK_MEMORY)
		d->ops->ask_memory(s);
	if (verdict == UPKEEP_RENEW) {
		pool_note_worn(pool, &s->slot);
		loop_arm(d->loop, &pool->deadline, dispatcher_now(d));
	}
	return why == CLOSE_NOT;
}

void dispatcher_server_free(struct server *s)
{
	struct dispatcher *d = s->dispatcher;
	struct pool *pool = s->slot.pool;

	server_move(s, SERVER_IDLE);
	s->is_checked = true;
	pool_give_back(pool, &s->slot, dispatcher_now(d));
	dispatcher_note_progress(d);
	if (close_if_unwanted(s))
		return;
	dispatcher_serve(d, pool);
	if (s->state == SERVER_IDLE)
		server_arm(s);
}

void dispatcher_end_linger(struct client *c)
{
	struct dispatcher *d = c->dispatcher;

	if (!c->is_lingering)
		return;
	c->is_lingering = false;
	/* Not yet released: the reaper meets it where it is. */
	if (!c->is_released)
		return;
	TAILQ_REMOVE(&d->lingering_clients, c, place);
	TAILQ_INSERT_TAIL(&d->closing_clients, c, place);
	loop_want_reap(d->loop);
}

/* ---- the end ---- */

void dispatcher_fini(struct dispatcher *d)
{
	struct client *c;
	struct server *s;
	struct pool *pool;

	d->shutdown = SHUTDOWN_WAIT_FOR_SERVERS;
	while ((c = TAILQ_FIRST(&d->clients)))
		client_close(c, CLOSE_SHUTDOWN);
	while ((s = TAILQ_FIRST(&d->servers)))
		server_close(s, CLOSE_SHUTDOWN);
	d->ops->reap(d);
	d->ops->end_cancels(d);
	while ((c = TAILQ_FIRST(&d->lingering_clients)))
		dispatcher_end_linger(c);
	d->ops->reap(d);
	TAILQ_FOREACH (pool, &d->pools.all, all)
		keeper_forget(pool, d);
	logins_fini(&d->logins);
	pools_fini(&d->pools);
	cancels_fini(&d->cancels);
	params_store_fini(&d->params);
	statements_fini(&d->statements);
	slab_fini(&d->waiter_slab);
	slab_fini(&d->server_slab);
	slab_fini(&d->client_slab);
	loop_set_reaper(d->loop, NULL, NULL);
	if (d->has_expiry)
		loop_release_deadline(d->loop, &d->expiry);
	config_unref(d->config);
}
