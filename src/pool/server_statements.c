/*
 * What a server has prepared: found by the key of the statement itself, with the hash
 * that it has already.
 */
#include <stdlib.h>

#include "base/check.h"
#include "pool/statements_internal.h"

struct server_statement *server_statements_find(const struct server_statements *server,
						const struct statement *statement)
{
	struct server_statement *found;

	HASH_FIND_BYHASHVALUE(hh, server->by_statement, &statement->key,
			      sizeof(statement->key), statement->hash, found);
	return found;
}

void server_statements_touch(struct server_statements *server,
			     struct server_statement *there)
{
	TAILQ_REMOVE(&server->by_use, there, place);
	TAILQ_INSERT_TAIL(&server->by_use, there, place);
}

struct server_statement *server_statements_add(struct statements *store,
					       struct server_statements *server,
					       struct statement *statement)
{
	CHECK(!server_statements_find(server, statement));
	store->shortage = STATEMENTS_NO_MEMORY;
	struct server_statement *there = calloc(1, sizeof(*there));
	if (!there)
		return NULL;
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, server->by_statement, &statement->key,
				    sizeof(statement->key), statement->hash, there);
	if (!there->hh.tbl) {
		free(there);
		return NULL;
	}
	if (server->count++ == 0)
		TAILQ_INIT(&server->by_use);
	TAILQ_INSERT_TAIL(&server->by_use, there, place);
	there->statement = statement;
	statement->holds++;
	statement->server_holds++;
	store->bytes += sizeof(*there);
	store->server_bytes += sizeof(*there);
	store->server_count++;
	return there;
}

void server_statements_remove(struct statements *store, struct server_statements *server,
			      struct server_statement *there)
{
	struct statement *s = there->statement;

	HASH_DELETE(hh, server->by_statement, there);
	TAILQ_REMOVE(&server->by_use, there, place);
	server->count--;
	store->bytes -= sizeof(*there);
	store->server_bytes -= sizeof(*there);
	store->server_count--;
	free(there);
	if (is_unclaimed(s) && s->holds == 1)
		TAILQ_REMOVE(&store->unclaimed, s, place);
	s->server_holds--;
	if (--s->holds == 0)
		statement_free(store, s);
}

struct server_statement *server_statements_oldest(const struct server_statements *server)
{
	return server->count > 0 ? TAILQ_FIRST(&server->by_use) : NULL;
}

void server_statements_doubt(struct server_statements *server)
{
	struct server_statement *there;

	for (there = server_statements_oldest(server); there;
	     there = TAILQ_NEXT(there, place))
		there->is_doubtful = true;
}

void server_statements_clear(struct statements *store, struct server_statements *server)
{
	struct server_statement *there;

	while ((there = server_statements_oldest(server)))
		server_statements_remove(store, server, there);
}
