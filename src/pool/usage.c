/*
 * Counts and limits. A usage lives while somebody points at it or while its gate is shut:
 * a database that was paused stays paused without a pool.
 */
#include "pool/usage.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void usages_init(struct usages *u, enum usage_kind kind)
{
	*u = (struct usages){.kind = kind, .key = hash_key_make()};
}

void usage_init(struct usage *usage, enum usage_kind kind)
{
	*usage = (struct usage){.kind = kind, .weight = 1};
	TAILQ_INIT(&usage->idle);
	TAILQ_INIT(&usage->pools);
	TAILQ_INIT(&usage->waiting_here);
}

void usage_fini(struct usage *usage)
{
	CHECK(usage->holders == 0 && usage->servers == 0 && usage->clients == 0);
	CHECK(!usage->turns.first && !usage->lenders.first);
	CHECK(TAILQ_EMPTY(&usage->waiting_here) && usage->waiting == 0);
}

static void usage_free(struct usages *u, struct usage *usage)
{
	usage_fini(usage);
	HASH_DEL(u->table, usage);
	free(usage->name);
	free(usage);
}

void usages_fini(struct usages *u)
{
	struct usage *usage, *next;

	HASH_ITER (hh, u->table, usage, next)
		usage_free(u, usage);
	*u = (struct usages){0};
}

static struct usage *usage_make(struct slice name, enum usage_kind kind)
{
	struct usage *usage = malloc(sizeof(*usage));

	if (!usage)
		return NULL;
	usage_init(usage, kind);
	usage->name = malloc(name.len + 1);
	if (!usage->name) {
		free(usage);
		return NULL;
	}
	if (name.len > 0)
		memcpy(usage->name, name.data, name.len);
	usage->name[name.len] = '\0';
	usage->name_len = name.len;
	return usage;
}

struct usage *usages_find(const struct usages *u, struct slice name)
{
	struct usage *usage;

	HASH_FIND_BYHASHVALUE(hh, u->table, name.data, name.len,
			      hash_short(&u->key, name), usage);
	return usage;
}

struct usage *usages_hold(struct usages *u, struct slice name)
{
	struct usage *usage = usages_find(u, name);

	if (!usage) {
		usage = usage_make(name, u->kind);
		if (!usage)
			return NULL;
		HASH_ADD_KEYPTR_BYHASHVALUE(hh, u->table, usage->name, usage->name_len,
					    hash_short(&u->key, name), usage);
		if (!usage->hh.tbl) {
			free(usage->name);
			free(usage);
			return NULL;
		}
	}
	usage->holders++;
	return usage;
}

void usage_release(struct usages *u, struct usage *usage)
{
	CHECK(usage->holders > 0);
	usage->holders--;
	if (usage->holders == 0 && !usage->gate.is_paused && !usage->gate.is_disabled)
		usage_free(u, usage);
}

unsigned usage_room_for_servers(const struct usage *usage)
{
	if (usage->max_servers == 0)
		return UINT_MAX;
	unsigned taken = usage->servers + usage->claimed + usage->waiting;
	unsigned most = (unsigned)usage->max_servers;
	return most > taken ? most - taken : 0;
}

bool usage_has_room_for_server(const struct usage *usage)
{
	return usage_room_for_servers(usage) > 0;
}

bool usage_has_room_for_client(const struct usage *usage)
{
	return usage->max_clients == 0 || (unsigned)usage->max_clients > usage->clients;
}

bool usage_holds_claims(const struct usage *usage)
{
	return usage->max_servers == 0 ||
	       usage->servers + usage->claimed <= (unsigned)usage->max_servers;
}

bool usage_is_over(const struct usage *usage)
{
	return usage->max_servers != 0 &&
	       usage->servers - usage->leaving > (unsigned)usage->max_servers;
}
