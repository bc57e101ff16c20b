/*
 * Host names by their text and by their age. A name that is being told is never dropped:
 * it goes when it is swept the next time.
 */
#include "net/hostnames.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"

struct resolver_name *resolver_name_create(struct resolver *resolver, const char *host)
{
	size_t len = strlen(host);
	struct resolver_name *name = calloc(1, sizeof(*name) + len + 1);

	if (!name)
		return NULL;
	name->resolver = resolver;
	TAILQ_INIT(&name->waiters);
	memcpy(name->host, host, len);
	return name;
}

void resolver_name_destroy(struct resolver_name *name)
{
	if (!name)
		return;
	CHECK(TAILQ_EMPTY(&name->waiters));
	free(name->addresses);
	free(name);
}

void hostnames_init(struct hostnames *n, struct resolver *resolver)
{
	*n = (struct hostnames){.resolver = resolver, .hash_key = hash_key_make()};
	TAILQ_INIT(&n->answers);
	TAILQ_INIT(&n->failures);
}

struct resolver_name *hostnames_find(const struct hostnames *n, const char *host)
{
	unsigned hash = hash_short(&n->hash_key, slice_of_text(host));
	struct resolver_name *name;

	HASH_FIND_BYHASHVALUE(hh, n->table, host, strlen(host), hash, name);
	return name;
}

static struct resolver_names *list_of(struct hostnames *n,
				      const struct resolver_name *name)
{
	return name->count > 0 ? &n->answers : &n->failures;
}

void hostnames_keep(struct hostnames *n, struct resolver_name *name, uint64_t expires_us)
{
	name->expires_us = expires_us;
	TAILQ_INSERT_TAIL(list_of(n, name), name, kept);
}

void hostnames_forget(struct hostnames *n, struct resolver_name *name)
{
	TAILQ_REMOVE(list_of(n, name), name, kept);
	free(name->addresses);
	name->addresses = NULL;
	name->count = 0;
}

static void drop_name(struct hostnames *n, struct resolver_name *name)
{
	hostnames_forget(n, name);
	HASH_DELETE(hh, n->table, name);
	resolver_name_destroy(name);
}

static bool drop_oldest(struct hostnames *n, struct resolver_names *list)
{
	struct resolver_name *name;

	TAILQ_FOREACH (name, list, kept) {
		if (name->is_ready)
			continue;
		drop_name(n, name);
		return true;
	}
	return false;
}

struct resolver_name *hostnames_add(struct hostnames *n, const char *host)
{
	unsigned hash = hash_short(&n->hash_key, slice_of_text(host));
	struct resolver_name *name;

	if (HASH_COUNT(n->table) >= HOSTNAMES_MOST && !drop_oldest(n, &n->failures) &&
	    !drop_oldest(n, &n->answers))
		return NULL;
	name = resolver_name_create(n->resolver, host);
	if (!name)
		return NULL;
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, n->table, name->host, strlen(host), hash, name);
	if (!name->hh.tbl) {
		resolver_name_destroy(name);
		return NULL;
	}
	return name;
}

static void sweep_list(struct hostnames *n, struct resolver_names *list, uint64_t now_us)
{
	struct resolver_name *name, *next;

	for (name = TAILQ_FIRST(list); name && name->expires_us <= now_us; name = next) {
		next = TAILQ_NEXT(name, kept);
		if (!name->is_ready)
			drop_name(n, name);
	}
}

void hostnames_sweep(struct hostnames *n, uint64_t now_us)
{
	sweep_list(n, &n->answers, now_us);
	sweep_list(n, &n->failures, now_us);
}

uint64_t hostnames_next_us(const struct hostnames *n)
{
	const struct resolver_name *answer = TAILQ_FIRST(&n->answers);
	const struct resolver_name *failure = TAILQ_FIRST(&n->failures);
	uint64_t next_us = answer ? answer->expires_us : CLOCK_NEVER;

	return failure ? clock_earlier(next_us, failure->expires_us) : next_us;
}

size_t hostnames_count(const struct hostnames *n)
{
	return HASH_COUNT(n->table);
}

void hostnames_fini(struct hostnames *n)
{
	struct resolver_name *name, *next;

	HASH_ITER (hh, n->table, name, next)
		drop_name(n, name);
}
