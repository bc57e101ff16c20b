/*
 * Two uthash tables whose keys are pairs of slices. A withdrawn name stays in its table
 * under a key that nobody asks for, so that restoring it needs no memory.
 */
#include "pool/statements.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "pool/statements_internal.h"

struct client_statement {
	UT_hash_handle hh; /* in by_name, even when withdrawn */
	TAILQ_ENTRY(client_statement) place;
	const struct client_statements *client; /* NULL: withdrawn */
	struct key key;                         /* the bytes of `client`, and the name */
	struct statement *statement;            /* held */
	struct statement_shape shape;
	uint8_t name[];
};

/* Spreads what is no secret over all bits; any odd number would do. */
static uint64_t spread(uint64_t word)
{
	word *= UINT64_C(0x9e3779b97f4a7c15);
	return word ^ word >> 32;
}

static unsigned fold(uint64_t hash)
{
	return (unsigned)(hash ^ hash >> 32);
}

/* ---- the store ---- */

void statements_init(struct statements *store)
{
	*store = (struct statements){.key = hash_key_make()};
	TAILQ_INIT(&store->unclaimed);
}

void statements_fini(struct statements *store)
{
	CHECK(store->count == 0 && store->name_count == 0 && store->bytes == 0);
	*store = (struct statements){0};
}

static size_t text_size(const struct statement *s)
{
	return s->text ? s->key.first.len + s->key.second.len : 0;
}

/* Takes its text away; its name is all that is needed to close it. */
static void lose_text(struct statements *store, struct statement *s)
{
	TAILQ_REMOVE(&store->unclaimed, s, place);
	HASH_DELETE(hh, store->by_content, s);
	store->bytes -= text_size(s);
	store->server_bytes += sizeof(*s);
	free(s->text);
	s->text = NULL;
	s->key = (struct key){.first = slice_of(&s->number, sizeof(s->number))};
}

/* Whether so many bytes more may be taken; makes room where it can. */
static bool has_room(struct statements *store, size_t size)
{
	struct statement *s;

	if (store->max_bytes == 0)
		return true;
	while (store->bytes - store->server_bytes + size > store->max_bytes) {
		s = TAILQ_FIRST(&store->unclaimed);
		if (!s || size > store->max_bytes) {
			store->shortage = STATEMENTS_FULL;
			return false;
		}
		lose_text(store, s);
	}
	return true;
}

/* ---- texts ---- */

void statements_hold(struct statements *store, struct statement *s)
{
	if (is_unclaimed(s))
		TAILQ_REMOVE(&store->unclaimed, s, place);
	s->holds++;
}

void statement_free(struct statements *store, struct statement *s)
{
	store->bytes -= sizeof(*s) + text_size(s);
	store->count--;
	if (s->text)
		HASH_DELETE(hh, store->by_content, s);
	else
		store->server_bytes -= sizeof(*s);
	free(s->text);
	free(s);
}

void statements_give_back(struct statements *store, struct statement *s)
{
	CHECK(s->holds > s->server_holds);
	s->holds--;
	if (s->holds == 0)
		statement_free(store, s);
	else if (is_unclaimed(s))
		TAILQ_INSERT_TAIL(&store->unclaimed, s, place);
}

/* In no map yet. */
static struct statement *statement_make(const struct key *like)
{
	size_t tail_len = like->first.len, context_len = like->second.len;
	struct statement *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	/* Empty ones have an address, too. */
	s->text = malloc(tail_len + context_len + 1);
	if (!s->text) {
		free(s);
		return NULL;
	}
	if (tail_len > 0)
		memcpy(s->text, like->first.data, tail_len);
	if (context_len > 0)
		memcpy(s->text + tail_len, like->second.data, context_len);
	s->key.first = slice_of(s->text, tail_len);
	s->key.second = slice_of(s->text + tail_len, context_len);
	s->holds = 1;
	return s;
}

static struct statement *take_in(struct statements *store, const struct key *key,
				 unsigned hash)
{
	struct statement *s = statement_make(key);

	if (!s)
		return NULL;
	s->hash = hash;
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, store->by_content, &s->key, sizeof(s->key), hash,
				    s);
	if (!s->hh.tbl) {
		free(s->text);
		free(s);
		return NULL;
	}
	s->number = ++store->last_number;
	store->count++;
	store->bytes += sizeof(*s) + text_size(s);
	return s;
}

static unsigned hash_of(const struct statements *store, const struct key *key)
{
	uint64_t long_hash = hash_bytes(&store->key, key->first);

	if (key->second.len > 0)
		long_hash ^= spread(hash_bytes(&store->key, key->second));
	return fold(long_hash);
}

static struct statement *find(const struct statements *store, const struct key *key,
			      unsigned hash)
{
	struct statement *known;

	HASH_FIND_BYHASHVALUE(hh, store->by_content, key, sizeof(*key), hash, known);
	return known;
}

struct statement *statements_find(const struct statements *store, struct slice tail,
				  struct slice context)
{
	struct key key = {.first = tail, .second = context};

	return find(store, &key, hash_of(store, &key));
}

struct statement *statements_take(struct statements *store, struct slice tail,
				  struct slice context)
{
	struct key key = {.first = tail, .second = context};
	unsigned hash = hash_of(store, &key);
	struct statement *known = find(store, &key, hash);

	if (known) {
		statements_hold(store, known);
		return known;
	}
	store->shortage = STATEMENTS_NO_MEMORY;
	if (!has_room(store, sizeof(*known) + tail.len + context.len))
		return NULL;
	return take_in(store, &key, hash);
}

struct slice statement_tail(const struct statement *s)
{
	return s->text ? s->key.first : slice_of(NULL, 0);
}

struct slice statement_context(const struct statement *s)
{
	return s->text ? s->key.second : slice_of(NULL, 0);
}

uint64_t statement_number(const struct statement *s)
{
	return s->number;
}

uint32_t *statement_hints(struct statement *s)
{
	return &s->hints;
}

void statement_prove(struct statement *s, uint64_t place, uint32_t epoch)
{
	s->proven_at = place;
	s->proven_epoch = epoch;
}

bool statement_is_proven(const struct statement *s, uint64_t place, uint32_t epoch)
{
	return s->proven_at == place && s->proven_epoch == epoch;
}

struct slice statement_name(const struct statement *s, char out[STATEMENT_NAME_LEN])
{
	static const char prefix[] = "pooler_";
	char digits[20];
	size_t count = 0, len = sizeof(prefix) - 1;

	/* By hand, since every Bind needs it. */
	for (uint64_t rest = s->number; rest > 0 || count == 0; rest /= 10)
		digits[count++] = (char)('0' + rest % 10);
	memcpy(out, prefix, len);
	while (count > 0)
		out[len++] = digits[--count];
	out[len] = '\0';
	return slice_of(out, len);
}

/* ---- what a client calls them ---- */

static struct slice cut_name(struct slice name)
{
	return name.len > STATEMENT_CLIENT_NAME_MAX
		   ? slice_first(name, STATEMENT_CLIENT_NAME_MAX)
		   : name;
}

static unsigned name_hash(const struct statements *store,
			  const struct client_statements *client, struct slice name)
{
	return fold(hash_bytes(&store->key, name) + spread((uintptr_t)client));
}

struct client_statement *client_statements_find(const struct statements *store,
						const struct client_statements *client,
						struct slice name)
{
	struct client_statement *found;

	if (client->count == 0)
		return NULL;
	name = cut_name(name);
	/* Who has one asks for it all the time. */
	if (client->count == 1) {
		found = TAILQ_FIRST(&client->names);
		return slice_equal(found->key.second, name) ? found : NULL;
	}
	struct key key = {.first = slice_of(&client, sizeof(client)), .second = name};
	HASH_FIND_BYHASHVALUE(hh, store->by_name, &key, sizeof(key),
			      name_hash(store, client, name), found);
	return found;
}

static size_t named_size(const struct client_statement *named)
{
	return sizeof(*named) + named->key.second.len;
}

/* What a name costs its client, which may be alone with it one day. */
static size_t cost_of(size_t name_len, const struct statement *s)
{
	return sizeof(struct client_statement) + name_len + sizeof(*s) + text_size(s);
}

static bool may_add(struct statements *store, const struct client_statements *client,
		    size_t name_len, const struct statement *s)
{
	store->shortage = STATEMENTS_NO_MEMORY;
	if (store->max_client_bytes > 0 &&
	    client->bytes + cost_of(name_len, s) > store->max_client_bytes) {
		store->shortage = STATEMENTS_CLIENT_FULL;
		return false;
	}
	return has_room(store, sizeof(struct client_statement) + name_len);
}

static void client_insert(struct statements *store, struct client_statements *client,
			  struct client_statement *named)
{
	store->name_count++;
	if (client->count == 0)
		TAILQ_INIT(&client->names);
	TAILQ_INSERT_TAIL(&client->names, named, place);
	client->count++;
	client->bytes += cost_of(named->key.second.len, named->statement);
	named->client = client;
	named->key.first = slice_of(&named->client, sizeof(named->client));
}

struct client_statement *client_statements_add(struct statements *store,
					       struct client_statements *client,
					       struct slice name,
					       struct statement *statement)
{
	name = cut_name(name);
	CHECK(!client_statements_find(store, client, name));
	/* So that it keeps its text while room is made. */
	CHECK(statement->text && !is_unclaimed(statement));
	if (!may_add(store, client, name.len, statement))
		return NULL;
	struct client_statement *named = calloc(1, sizeof(*named) + name.len);
	if (!named)
		return NULL;
	if (name.len > 0)
		memcpy(named->name, name.data, name.len);
	named->key.second = slice_of(named->name, name.len);
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, store->by_name, &named->key, sizeof(named->key),
				    name_hash(store, client, name), named);
	if (!named->hh.tbl) {
		free(named);
		return NULL;
	}
	statements_hold(store, statement);
	named->statement = statement;
	store->bytes += named_size(named);
	client_insert(store, client, named);
	return named;
}

struct client_statement *client_statements_next(const struct client_statements *client,
						const struct client_statement *named)
{
	return named ? TAILQ_NEXT(named, place) : TAILQ_FIRST(&client->names);
}

struct statement *client_statement_of(const struct client_statement *named)
{
	return named->statement;
}

void client_statement_turn(struct statements *store, struct client_statements *client,
			   struct client_statement *named, struct statement *statement)
{
	struct statement *before = named->statement;
	size_t name_len = named->key.second.len;

	CHECK(named->client == client && statement->text);
	statements_hold(store, statement);
	client->bytes -= cost_of(name_len, before);
	client->bytes += cost_of(name_len, statement);
	named->statement = statement;
	statements_give_back(store, before);
}

struct statement_shape *client_statement_shape(struct client_statement *named)
{
	return &named->shape;
}

struct slice client_statement_name(const struct client_statement *named)
{
	return named->key.second;
}

void client_statements_withdraw(struct statements *store,
				struct client_statements *client,
				struct client_statement *named)
{
	CHECK(named->client == client);
	store->name_count--;
	TAILQ_REMOVE(&client->names, named, place);
	client->count--;
	client->bytes -= cost_of(named->key.second.len, named->statement);
	named->client = NULL;
	named->key.first = slice_of(NULL, 0);
}

void client_statements_restore(struct statements *store, struct client_statements *client,
			       struct client_statement *named)
{
	CHECK(!named->client);
	client_insert(store, client, named);
}

void client_statement_free(struct statements *store, struct client_statement *named)
{
	CHECK(!named->client);
	HASH_DELETE(hh, store->by_name, named);
	store->bytes -= named_size(named);
	statements_give_back(store, named->statement);
	free(named);
}

void client_statements_clear(struct statements *store, struct client_statements *client)
{
	while (client->count > 0) {
		struct client_statement *named = TAILQ_FIRST(&client->names);

		client_statements_withdraw(store, client, named);
		client_statement_free(store, named);
	}
}
