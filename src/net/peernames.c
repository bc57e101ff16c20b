/*
 * A peer is pending (asked for its name, then the name for its addresses) or kept. The
 * resolver's questions for names by address cannot be called off, so a peer that is
 * waiting for one outlives its table, without an owner.
 */
#include "net/peernames.h"

#include <stdlib.h>
#include <string.h>

/* Adding fails, instead of ending the program, when memory is short. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "net/resolver.h"

TAILQ_HEAD(peername_queries, peername_query);
TAILQ_HEAD(peername_list, peername);

struct peername_key {
	uint8_t bytes[17]; /* family and address */
};

struct peername {
	UT_hash_handle hh;
	TAILQ_ENTRY(peername) kept;  /* in answers or failures, unless pending */
	TAILQ_ENTRY(peername) ready; /* if is_ready */
	struct peernames *owner;     /* NULL: nobody wants to know any more */
	struct peername_queries waiters;
	struct peername_key key;
	struct address address;
	struct resolver_query back; /* from the name to its addresses */
	char *name;                 /* to be told, once it has led back */
	uint64_t expires_us;
	bool is_pending;
	bool is_ready; /* somebody is to be told, or is being told */
};

struct peernames {
	struct loop *loop;
	struct resolver *resolver;
	struct hash_key hash_key;
	struct peername *table;
	/* In order of expiry, as all in one list live equally long. */
	struct peername_list answers, failures;
	struct peername_list ready;
	struct loop_task tell;
	struct deadline sweep;
	struct peername nobody; /* what is told when there is no room */
};

/* ---- telling ---- */

static void make_ready(struct peernames *n, struct peername *peer)
{
	if (peer->is_ready)
		return;
	peer->is_ready = true;
	TAILQ_INSERT_TAIL(&n->ready, peer, ready);
	loop_post(n->loop, &n->tell);
}

static void tell_all(struct loop_task *task)
{
	struct peernames *n =
	    (struct peernames *)(void *)((char *)task - offsetof(struct peernames, tell));
	struct peername_query *query;
	struct peername *peer;

	while ((peer = TAILQ_FIRST(&n->ready))) {
		TAILQ_REMOVE(&n->ready, peer, ready);
		while ((query = TAILQ_FIRST(&peer->waiters))) {
			TAILQ_REMOVE(&peer->waiters, query, place);
			query->peer = NULL;
			query->on_name(query, peer->name);
		}
		peer->is_ready = false;
	}
}

static void wait_for(struct peername_query *query, struct peername *peer)
{
	query->peer = peer;
	TAILQ_INSERT_TAIL(&peer->waiters, query, place);
}

/* ---- the table ---- */

static unsigned hash_of(const struct peernames *n, const struct peername_key *key)
{
	return hash_short(&n->hash_key, slice_of(key->bytes, sizeof(key->bytes)));
}

static struct peername *find(const struct peernames *n, const struct peername_key *key)
{
	struct peername *peer;

	HASH_FIND_BYHASHVALUE(hh, n->table, key->bytes, sizeof(key->bytes),
			      hash_of(n, key), peer);
	return peer;
}

static void destroy(struct peername *peer)
{
	free(peer->name);
	free(peer);
}

static struct peername_list *list_of(struct peernames *n, const struct peername *peer)
{
	return peer->name ? &n->answers : &n->failures;
}

static void drop(struct peernames *n, struct peername *peer)
{
	CHECK(!peer->is_pending && TAILQ_EMPTY(&peer->waiters));
	TAILQ_REMOVE(list_of(n, peer), peer, kept);
	HASH_DELETE(hh, n->table, peer);
	destroy(peer);
}

static bool drop_oldest(struct peernames *n, struct peername_list *list)
{
	struct peername *peer;

	TAILQ_FOREACH (peer, list, kept) {
		if (peer->is_ready)
			continue;
		drop(n, peer);
		return true;
	}
	return false;
}

static bool has_room(struct peernames *n)
{
	return HASH_COUNT(n->table) < PEERNAMES_MOST || drop_oldest(n, &n->failures) ||
	       drop_oldest(n, &n->answers);
}

static struct peername *add(struct peernames *n, const struct peername_key *key,
			    const struct address *address)
{
	struct peername *peer = has_room(n) ? calloc(1, sizeof(*peer)) : NULL;

	if (!peer)
		return NULL;
	peer->owner = n;
	peer->key = *key;
	peer->address = *address;
	TAILQ_INIT(&peer->waiters);
	HASH_ADD_BYHASHVALUE(hh, n->table, key.bytes, sizeof(peer->key.bytes),
			     hash_of(n, key), peer);
	if (peer->hh.tbl)
		return peer;
	free(peer);
	return NULL;
}

static void arm_sweep(struct peernames *n)
{
	const struct peername *answer = TAILQ_FIRST(&n->answers);
	const struct peername *failure = TAILQ_FIRST(&n->failures);

	loop_arm(n->loop, &n->sweep,
		 clock_earlier(answer ? answer->expires_us : CLOCK_NEVER,
			       failure ? failure->expires_us : CLOCK_NEVER));
}

static void sweep_list(struct peernames *n, struct peername_list *list, uint64_t now_us)
{
	struct peername *peer, *next;

	for (peer = TAILQ_FIRST(list); peer && peer->expires_us <= now_us; peer = next) {
		next = TAILQ_NEXT(peer, kept);
		if (!peer->is_ready)
			drop(n, peer);
	}
}

static void on_sweep(struct deadline *due, uint64_t now_us)
{
	struct peernames *n =
	    (struct peernames *)(void *)((char *)due - offsetof(struct peernames, sweep));

	sweep_list(n, &n->answers, now_us);
	sweep_list(n, &n->failures, now_us);
	arm_sweep(n);
}

/* ---- from the address to a name, and back ---- */

static void settle(struct peername *peer)
{
	struct peernames *n = peer->owner;

	peer->is_pending = false;
	peer->expires_us =
	    n->loop->now_us + resolver_keep_us(n->resolver, peer->name != NULL);
	TAILQ_INSERT_TAIL(list_of(n, peer), peer, kept);
	arm_sweep(n);
	if (!TAILQ_EMPTY(&peer->waiters))
		make_ready(n, peer);
}

static void settle_without_name(struct peername *peer)
{
	free(peer->name);
	peer->name = NULL;
	settle(peer);
}

static void on_addresses(struct resolver_query *query, const struct address *addresses,
			 size_t count, const char *problem)
{
	struct peername *peer =
	    (struct peername *)(void *)((char *)query - offsetof(struct peername, back));

	(void)problem;
	for (size_t i = 0; i < count; i++) {
		if (!address_equal(&addresses[i], &peer->address))
			continue;
		settle(peer);
		return;
	}
	settle_without_name(peer);
}

/* Names come from the peer's side; ours go to logs and are held against rules. */
static bool is_host_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789.-_");

	return len > 0 && len <= 253 && name[len] == '\0';
}

/* An address for a name would be its own proof. */
static bool is_figures(const char *name)
{
	struct endpoint endpoint;

	return endpoint_from_ip(name, 0, &endpoint);
}

static void on_pointer(void *arg, const char *name)
{
	struct peername *peer = arg;

	if (!peer->owner) {
		destroy(peer);
		return;
	}
	if (name && is_host_name(name) && !is_figures(name))
		peer->name = strdup(name);
	if (peer->name)
		resolver_ask(peer->owner->resolver, &peer->back, peer->name,
			     on_addresses);
	else
		settle(peer);
}

/* ---- asking ---- */

static void ask_again(struct peernames *n, struct peername *peer)
{
	TAILQ_REMOVE(list_of(n, peer), peer, kept);
	free(peer->name);
	peer->name = NULL;
	peer->is_pending = true;
	resolver_ask_pointer(n->resolver, &peer->address, on_pointer, peer);
}

static void ask_address(struct peernames *n, struct peername_query *query,
			const struct address *address)
{
	struct peername_key key = {.bytes = {address->family}};

	memcpy(key.bytes + 1, address->bytes, address->family == ADDRESS_IPV4 ? 4 : 16);
	struct peername *peer = find(n, &key);
	if (peer) {
		wait_for(query, peer);
		if (peer->is_pending || peer->is_ready)
			return;
		if (peer->expires_us > n->loop->now_us)
			make_ready(n, peer);
		else
			ask_again(n, peer);
		return;
	}
	peer = add(n, &key, address);
	if (!peer) {
		wait_for(query, &n->nobody);
		make_ready(n, &n->nobody);
		return;
	}
	wait_for(query, peer);
	peer->is_pending = true;
	resolver_ask_pointer(n->resolver, &peer->address, on_pointer, peer);
}

void peernames_ask(struct peernames *n, struct peername_query *query,
		   const struct address *address, peername_fn on_name)
{
	struct address at = *address;

	CHECK(!query->peer);
	query->on_name = on_name;
	at.port = 0;
	if (at.family == ADDRESS_IPV4 || at.family == ADDRESS_IPV6) {
		ask_address(n, query, &at);
		return;
	}
	wait_for(query, &n->nobody);
	make_ready(n, &n->nobody);
}

void peernames_forget(struct peername_query *query)
{
	if (!query->peer)
		return;
	TAILQ_REMOVE(&query->peer->waiters, query, place);
	query->peer = NULL;
}

size_t peernames_count(const struct peernames *n)
{
	return HASH_COUNT(n->table);
}

/* ---- all of them ---- */

struct peernames *peernames_create(struct loop *loop, struct resolver *resolver)
{
	struct peernames *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	if (!loop_reserve_deadline(loop)) {
		free(n);
		return NULL;
	}
	n->loop = loop;
	n->resolver = resolver;
	n->hash_key = hash_key_make();
	n->tell.run = tell_all;
	n->sweep.on_due = on_sweep;
	TAILQ_INIT(&n->answers);
	TAILQ_INIT(&n->failures);
	TAILQ_INIT(&n->ready);
	TAILQ_INIT(&n->nobody.waiters);
	return n;
}

static void leave(struct peernames *n, struct peername *peer)
{
	CHECK(TAILQ_EMPTY(&peer->waiters));
	HASH_DELETE(hh, n->table, peer);
	if (peer->is_pending && !peer->back.name) {
		peer->owner = NULL; /* on_pointer() frees it */
		return;
	}
	resolver_forget(&peer->back);
	destroy(peer);
}

void peernames_destroy(struct peernames *n)
{
	struct peername *peer, *next;

	if (!n)
		return;
	HASH_ITER (hh, n->table, peer, next)
		leave(n, peer);
	loop_unpost(n->loop, &n->tell);
	loop_release_deadline(n->loop, &n->sweep);
	free(n);
}
