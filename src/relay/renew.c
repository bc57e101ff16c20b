/*
 * Carries out what pool/renewal decides.
 */
#include "relay/renew.h"

#include "pool/pool.h"
#include "relay/dispatcher.h"
#include "relay/server.h"

static void open_successor(struct dispatcher *d, struct pool *pool)
{
	struct server *s = dispatcher_make_server(d);

	/* Without memory it is tried again later. */
	if (!s)
		return;
	pool_add_successor(pool, &s->slot, dispatcher_now(d));
	pools_note_use(&d->pools, pool, dispatcher_now(d));
	d->ops->open_server(s);
}

static void end(struct pool *pool, struct slot *old)
{
	pool_retire(pool, old);
	if (old->state == SLOT_IDLE)
		dispatcher_judge_idle(server_of_slot(old));
}

void renew_step(struct dispatcher *d, struct pool *pool)
{
	struct slot *old;

	if (!pool_is_renewing(pool) || d->shutdown == SHUTDOWN_WAIT_FOR_SERVERS)
		return;
	switch (pool_renewal(pool, dispatcher_now(d), &old)) {
	case RENEWAL_WAIT:
		return;
	case RENEWAL_OPEN:
		open_successor(d, pool);
		return;
	case RENEWAL_RETIRE:
		end(pool, old);
		return;
	}
}
