/*
 * What an administrator does to pools, clients and servers. All of this may walk over
 * everything there is: it happens rarely and on request.
 */
#include "relay/control.h"

#include "config/config.h"
#include "net/resolver.h"
#include "net/tls_context.h"
#include "relay/encryption.h"
#include "relay/keeper.h"
#include "relay/keyring.h"
#include "relay/known.h"

typedef void (*pool_fn)(struct dispatcher *d, struct pool *pool);

static void each_pool(struct dispatcher *d, const struct usage *database, pool_fn fn)
{
	struct pool *pool;

	if (database)
		TAILQ_FOREACH (pool, &database->pools, in_database)
			fn(d, pool);
	else
		TAILQ_FOREACH (pool, &d->pools.all, all)
			fn(d, pool);
}

static void close_slots(const struct slots *slots, enum closing reason)
{
	struct slot *slot = TAILQ_FIRST(slots), *next;

	/* A closed one moves behind those that are not. */
	for (; slot; slot = next) {
		next = TAILQ_NEXT(slot, place);
		server_close(server_of_slot(slot), reason);
	}
}

/* ---- pause, resume, reconnect ---- */

/* Private ones that nobody is linked to. */
static void close_lasting(const struct pool *pool, enum closing reason)
{
	struct slot *slot = TAILQ_FIRST(&pool->slots[SLOT_PRIVATE]), *next;

	for (; slot; slot = next) {
		next = TAILQ_NEXT(slot, place);
		if (slot->is_lasting)
			server_close(server_of_slot(slot), reason);
	}
}

/* Those whose clients are kept at them for little look whether they still may be. */
static void arm_busy(struct pool *pool)
{
	struct slot *slot;

	TAILQ_FOREACH (slot, &pool->slots[SLOT_BUSY], place)
		server_arm(server_of_slot(slot));
}

static void pause_pool(struct dispatcher *d, struct pool *pool)
{
	(void)d;
	arm_busy(pool);
	close_slots(&pool->slots[SLOT_IDLE], CLOSE_SERVER_PAUSED);
	close_lasting(pool, CLOSE_SERVER_PAUSED);
}

void control_pause(struct dispatcher *d, struct usage *database)
{
	if (database)
		database->gate.is_paused = true;
	else
		d->pools.paused_all = 1;
	each_pool(d, database, pause_pool);
	dispatcher_note_progress(d);
}

static void note_suspended(struct dispatcher *d, struct pool *pool)
{
	pool_note_suspended(pool, dispatcher_now(d));
}

static void resume_pool(struct dispatcher *d, struct pool *pool)
{
	dispatcher_serve(d, pool);
	dispatcher_arm_line(pool);
}

void control_resume(struct dispatcher *d, struct usage *database)
{
	each_pool(d, database, note_suspended);
	if (database)
		database->gate.is_paused = false;
	else
		d->pools.paused_all = 0;
	each_pool(d, database, resume_pool);
	dispatcher_note_progress(d);
}

/* Lasting ones, which PAUSE has closed, wait to be opened again. */
static unsigned at_own_work(const struct pool *pool)
{
	const struct slot *slot;
	unsigned count = 0;

	TAILQ_FOREACH (slot, &pool->slots[SLOT_PRIVATE], place)
		count += !slot->waits_for;
	return count;
}

static unsigned at_work(const struct pool *pool)
{
	return pool->counts[SLOT_BUSY] + pool->counts[SLOT_CLEANING] +
	       pool->counts[SLOT_OPENING] + at_own_work(pool);
}

bool control_is_quiet(struct dispatcher *d, const struct usage *database)
{
	struct pool *pool;

	TAILQ_FOREACH (pool, &d->pools.all, all)
		if ((!database || pool->database_usage == database) && at_work(pool) > 0)
			return false;
	return true;
}

/* Each has a client that would keep its old server for ever, and that can come again. */
static void close_replicating(const struct pool *pool)
{
	struct slot *slot = TAILQ_FIRST(&pool->slots[SLOT_PRIVATE]), *next;

	for (; slot; slot = next) {
		next = TAILQ_NEXT(slot, place);
		struct server *s = server_of_slot(slot);
		if (s->purpose == SERVER_FOR_REPLICATION)
			server_close(s, CLOSE_REPLICATION_RENEWED);
	}
}

static void renew_pool(struct dispatcher *d, struct pool *pool)
{
	struct slot *slot;

	(void)d;
	pool_retire_all(pool);
	arm_busy(pool);
	known_of(pool)->is_plain = false;
	TAILQ_FOREACH (slot, &pool->slots[SLOT_IDLE], place)
		server_close(server_of_slot(slot), CLOSE_SERVER_RETIRED);
	close_lasting(pool, CLOSE_SERVER_RETIRED);
	close_replicating(pool);
}

void control_reconnect(struct dispatcher *d, struct usage *database)
{
	each_pool(d, database, renew_pool);
}

bool control_is_renewed(struct dispatcher *d, const struct usage *database)
{
	struct server *s;

	TAILQ_FOREACH (s, &d->servers, place)
		if (s->slot.retire &&
		    (!database || s->slot.pool->database_usage == database))
			return false;
	return true;
}

/* ---- kill ---- */

static bool is_of(const struct client *c, const struct usage *database)
{
	return c->pool && (!database || c->pool->database_usage == database);
}

static void close_clients(struct dispatcher *d, const struct usage *database)
{
	struct client *c = TAILQ_FIRST(&d->clients);

	while (c) {
		struct client *next = TAILQ_NEXT(c, place);
		if (is_of(c, database))
			client_close(c, CLOSE_DATABASE_REMOVED);
		c = next;
	}
}

static void close_servers(struct dispatcher *d, struct pool *pool)
{
	(void)d;
	for (size_t state = SLOT_OPENING; state < SLOT_STATES; state++)
		close_slots(&pool->slots[state], CLOSE_DATABASE_REMOVED);
}

void control_kill(struct dispatcher *d, struct usage *database)
{
	control_pause(d, database);
	close_clients(d, database);
	each_pool(d, database, close_servers);
}

/* ---- a new configuration ---- */

static void on_pool_change(struct pool *pool, enum pool_change change, void *context)
{
	struct dispatcher *d = context;

	switch (change) {
	case POOL_SAME:
		return;
	case POOL_RETARGETED:
		renew_pool(d, pool);
		return;
	case POOL_REMOVED:
		close_servers(d, pool);
		return;
	}
}

/* Servers that are met by other certificates, or more strictly, than those there are. */
static void judge_encryption(struct dispatcher *d, struct pool *pool)
{
	const struct known *known = known_of(pool);
	const struct server_tls *tls;

	if (!pool->database || !known->has_met)
		return;
	tls = &pool->database->tls;
	const struct tls_context *now =
	    encryption_for_server(d->logins.keyring->encryption, tls);
	if (known->tls_mode != tls->mode ||
	    (known->tls && (!now || !tls_context_same(known->tls, now))))
		renew_pool(d, pool);
}

static void judge_pool(struct dispatcher *d, struct pool *pool)
{
	struct slot *slot, *next;

	for (slot = TAILQ_FIRST(&pool->slots[SLOT_IDLE]); slot; slot = next) {
		next = TAILQ_NEXT(slot, place);
		if (dispatcher_judge_idle(server_of_slot(slot)))
			server_arm(server_of_slot(slot));
	}
	dispatcher_serve(d, pool);
	pools_note_use(&d->pools, pool, dispatcher_now(d));
}

static void refresh_clients(struct dispatcher *d)
{
	struct client *c = TAILQ_FIRST(&d->clients);

	while (c) {
		struct client *next = TAILQ_NEXT(c, place);
		if (c->pool && !c->pool->database) {
			client_close(c, CLOSE_DATABASE_REMOVED);
		} else if (c->pool) {
			client_arm(c);
		}
		c = next;
	}
}

void control_warm_up(struct dispatcher *d)
{
	const struct config *config = d->config;

	for (size_t i = 0; i < config_database_count(config); i++) {
		const struct database *database = config_database_at(config, i);
		struct slice user = slice_of_text(database->user);
		struct rules rules;

		rules_resolve(config, database, config_user(config, user), &rules);
		if (user.len == 0 || rules.min_pool_size == 0)
			continue;
		struct pool *pool = keeper_pool(d, slice_of_text(database->name), user);
		if (pool)
			dispatcher_serve(d, pool);
	}
}

void control_apply(struct dispatcher *d, const struct config *config,
		   struct keyring *keyring)
{
	const struct config *old = d->config;
	struct server *s;

	d->config = config_ref(config);
	pools_apply(&d->pools, config, on_pool_change, d);
	dispatcher_take_settings(d);
	logins_apply(&d->logins, config, keyring);
	each_pool(d, NULL, judge_encryption);
	refresh_clients(d);
	each_pool(d, NULL, judge_pool);
	control_warm_up(d);
	TAILQ_FOREACH (s, &d->servers, place)
		server_arm(s);
	config_unref(old);
	loop_want_reap(d->loop);
}

/* ---- shutdown ---- */

/* Who waits would wait for ever. */
static void refuse_waiting(struct dispatcher *d)
{
	struct client *c = TAILQ_FIRST(&d->clients);

	while (c) {
		struct client *next = TAILQ_NEXT(c, place);
		if (c->state == CLIENT_WAITING || c->state == CLIENT_OPENING)
			client_close(c, CLOSE_SHUTDOWN);
		c = next;
	}
}

void control_begin_shutdown(struct dispatcher *d, enum shutdown_mode mode)
{
	d->shutdown = mode;
	if (mode == SHUTDOWN_WAIT_FOR_SERVERS) {
		refuse_waiting(d);
		control_pause(d, NULL);
	}
	dispatcher_note_progress(d);
}

bool control_may_exit(struct dispatcher *d)
{
	switch (d->shutdown) {
	case SHUTDOWN_NONE:
		return false;
	case SHUTDOWN_WAIT_FOR_SERVERS:
		return control_is_quiet(d, NULL);
	case SHUTDOWN_WAIT_FOR_CLIENTS:
		return d->client_count == d->console_count;
	}
	return false;
}
