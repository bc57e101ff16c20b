/*
 * The store of prepared statements: its rules one by one, then many random operations
 * beside a model that keeps everything in plain arrays.
 */
#include "pool/statements.h"

#include "unit/base/kit.h"
#include "unit/proto/failing_memory.h"

static struct slice text(const char *words)
{
	return slice_of_text(words);
}

static struct statement *take(struct statements *store, const char *tail)
{
	return statements_take(store, text(tail), text(""));
}

static void assert_is_empty(const struct statements *store)
{
	assert_int_equal(store->count, 0);
	assert_int_equal(store->name_count, 0);
	assert_int_equal(store->bytes, 0);
	assert_int_equal(store->server_bytes, 0);
	assert_int_equal(store->server_count, 0);
}

static void end_store(struct statements *store)
{
	assert_is_empty(store);
	statements_fini(store);
}

/* ---- texts ---- */

static void equal_contents_are_one_statement(void **state)
{
	struct statements store;

	(void)state;
	statements_init(&store);
	struct statement *a = take(&store, "SELECT 1");
	size_t bytes = store.bytes;
	struct statement *b = take(&store, "SELECT 1");
	assert_ptr_equal(a, b);
	assert_int_equal(store.count, 1);
	assert_int_equal(store.bytes, bytes);
	assert_slice_is(statement_tail(a), "SELECT 1");
	assert_int_equal(*statement_hints(a), 0);
	*statement_hints(a) = 7;
	statements_give_back(&store, a);
	assert_int_equal(*statement_hints(b), 7);
	statements_give_back(&store, b);
	end_store(&store);
}

static void a_name_may_turn_to_another_context(void **state)
{
	struct client_statements client = {0};
	struct statements store;

	(void)state;
	statements_init(&store);
	struct statement *a = statements_take(&store, text("SELECT 1"), text("UTC"));
	struct statement *b =
	    statements_take(&store, text("SELECT 1"), text("Asia/Tokyo"));
	struct client_statement *named =
	    client_statements_add(&store, &client, text("s"), a);
	statements_give_back(&store, a);
	assert_slice_is(statement_context(client_statement_of(named)), "UTC");
	client_statement_turn(&store, &client, named, b);
	statements_give_back(&store, b);
	assert_slice_is(statement_context(client_statement_of(named)), "Asia/Tokyo");
	assert_ptr_equal(client_statements_find(&store, &client, text("s")), named);
	assert_int_equal(store.count, 1);
	client_statements_clear(&store, &client);
	assert_int_equal(client.bytes, 0);
	end_store(&store);
}

static void tail_and_context_are_told_apart(void **state)
{
	static const char *const contents[][2] = {{"ab", ""}, {"a", "b"}, {"", "ab"},
						  {"", ""},   {"b", "a"}, {"ab", "ab"}};
	struct statement *made[COUNT_OF(contents)];
	struct statements store;

	(void)state;
	statements_init(&store);
	for (size_t i = 0; i < COUNT_OF(contents); i++) {
		made[i] =
		    statements_take(&store, text(contents[i][0]), text(contents[i][1]));
		assert_int_equal(store.count, i + 1);
		assert_slice_is(statement_tail(made[i]), contents[i][0]);
	}
	for (size_t i = 0; i < COUNT_OF(contents); i++)
		statements_give_back(&store, made[i]);
	end_store(&store);
}

static void a_number_is_never_used_again(void **state)
{
	struct statements store;
	char name[STATEMENT_NAME_LEN];

	(void)state;
	statements_init(&store);
	struct statement *a = take(&store, "a");
	assert_slice_is(statement_name(a, name), "pooler_1");
	assert_string_equal(name, "pooler_1");
	statements_give_back(&store, a);
	a = take(&store, "a");
	assert_int_equal(statement_number(a), 2);
	statements_give_back(&store, a);
	store.last_number = UINT64_MAX - 1;
	a = take(&store, "a");
	assert_slice_is(statement_name(a, name), "pooler_18446744073709551615");
	statements_give_back(&store, a);
	end_store(&store);
}

/* ---- names ---- */

static void clients_have_names_of_their_own(void **state)
{
	struct client_statements one = {0}, other = {0};
	struct statements store;

	(void)state;
	statements_init(&store);
	struct statement *a = take(&store, "a"), *b = take(&store, "b");
	assert_null(client_statements_find(&store, &one, text("s")));
	assert_non_null(client_statements_add(&store, &one, text("s"), a));
	assert_null(client_statements_find(&store, &other, text("s")));
	assert_non_null(client_statements_add(&store, &other, text("s"), b));
	assert_ptr_equal(
	    client_statement_of(client_statements_find(&store, &one, text("s"))), a);
	assert_ptr_equal(
	    client_statement_of(client_statements_find(&store, &other, text("s"))), b);
	assert_null(client_statements_find(&store, &one, text("S")));
	assert_null(client_statements_find(&store, &one, text("s ")));
	statements_give_back(&store, a);
	statements_give_back(&store, b);
	client_statements_clear(&store, &one);
	assert_int_equal(store.count, 1);
	assert_int_equal(store.name_count, 1);
	client_statements_clear(&store, &other);
	client_statements_clear(&store, &other);
	end_store(&store);
}

static void names_differ_within_63_bytes(void **state)
{
	static const char long_name[] =
	    "n12345678901234567890123456789012345678901234567890123456789012";
	struct client_statements client = {0};
	struct statements store;
	char longer[80];

	(void)state;
	statements_init(&store);
	struct statement *a = take(&store, "a");
	snprintf(longer, sizeof(longer), "%sxyz", long_name);
	struct client_statement *named =
	    client_statements_add(&store, &client, text(longer), a);
	assert_slice_is(client_statement_name(named), long_name);
	assert_ptr_equal(client_statements_find(&store, &client, text(long_name)), named);
	longer[63] = 'y';
	assert_ptr_equal(client_statements_find(&store, &client, text(longer)), named);
	longer[62] = 'y';
	assert_null(client_statements_find(&store, &client, text(longer)));
	statements_give_back(&store, a);
	client_statements_clear(&store, &client);
	end_store(&store);
}

static void a_withdrawn_name_is_free_and_comes_back(void **state)
{
	struct client_statements client = {0};
	struct statements store;

	(void)state;
	statements_init(&store);
	struct statement *a = take(&store, "a"), *b = take(&store, "b");
	struct client_statement *old =
	    client_statements_add(&store, &client, text("s"), a);
	client_statements_withdraw(&store, &client, old);
	assert_int_equal(client.count, 0);
	assert_int_equal(client.bytes, 0);
	assert_null(client_statements_find(&store, &client, text("s")));
	struct client_statement *young =
	    client_statements_add(&store, &client, text("s"), b);
	assert_ptr_equal(client_statements_find(&store, &client, text("s")), young);
	client_statements_withdraw(&store, &client, young);
	client_statements_restore(&store, &client, old);
	assert_ptr_equal(client_statements_find(&store, &client, text("s")), old);
	assert_slice_is(client_statement_name(old), "s");
	client_statement_free(&store, young);
	statements_give_back(&store, a);
	statements_give_back(&store, b);
	assert_int_equal(store.count, 1);
	client_statements_clear(&store, &client);
	end_store(&store);
}

/* A clear leaves withdrawn ones to who withdrew them. */
static void clearing_spares_the_withdrawn(void **state)
{
	struct client_statements client = {0};
	struct statements store;

	(void)state;
	statements_init(&store);
	struct statement *a = take(&store, "a");
	struct client_statement *named =
	    client_statements_add(&store, &client, text("s"), a);
	assert_non_null(client_statements_add(&store, &client, text(""), a));
	statements_give_back(&store, a);
	client_statements_withdraw(&store, &client, named);
	client_statements_clear(&store, &client);
	assert_int_equal(store.count, 1);
	client_statement_free(&store, named);
	end_store(&store);
}

/* ---- servers ---- */

static void the_least_recently_used_goes_first(void **state)
{
	struct server_statements server = {0}, other = {0};
	struct statements store;
	struct statement *made[3];

	(void)state;
	statements_init(&store);
	assert_null(server_statements_oldest(&server));
	for (size_t i = 0; i < COUNT_OF(made); i++) {
		made[i] = take(&store, (const char *const[]){"a", "b", "c"}[i]);
		assert_null(server_statements_find(&server, made[i]));
		assert_non_null(server_statements_add(&store, &server, made[i]));
		statements_give_back(&store, made[i]);
	}
	assert_int_equal(server.count, 3);
	assert_null(server_statements_find(&other, made[0]));
	struct server_statement *first = server_statements_find(&server, made[0]);
	assert_ptr_equal(server_statements_oldest(&server), first);
	assert_ptr_equal(first->statement, made[0]);
	server_statements_touch(&server, first);
	assert_ptr_equal(server_statements_oldest(&server)->statement, made[1]);
	server_statements_remove(&store, &server, server_statements_oldest(&server));
	assert_ptr_equal(server_statements_oldest(&server)->statement, made[2]);
	server_statements_clear(&store, &server);
	assert_null(server_statements_oldest(&server));
	server_statements_clear(&store, &other);
	end_store(&store);
}

static void what_servers_have_is_found_again_by_content(void **state)
{
	struct server_statements server = {0};
	struct statements store;

	(void)state;
	statements_init(&store);
	struct statement *a = take(&store, "a");
	server_statements_add(&store, &server, a);
	statements_give_back(&store, a);
	assert_ptr_equal(take(&store, "a"), a);
	statements_hold(&store, a);
	statements_give_back(&store, a);
	server_statements_clear(&store, &server);
	assert_int_equal(store.count, 1);
	statements_give_back(&store, a);
	end_store(&store);
}

/* ---- limits ---- */

static void no_statement_passes_the_limit(void **state)
{
	struct client_statements client = {0};
	struct statements store;

	(void)state;
	statements_init(&store);
	struct statement *a = take(&store, "a");
	size_t one = store.bytes;
	store.max_bytes = 2 * one - 1;
	assert_null(take(&store, "b"));
	assert_int_equal(store.shortage, STATEMENTS_FULL);
	assert_ptr_equal(take(&store, "a"), a);
	store.max_bytes = 2 * one;
	assert_null(take(&store, "bb"));
	struct statement *b = take(&store, "b");
	assert_non_null(b);
	assert_null(client_statements_add(&store, &client, text("s"), a));
	assert_int_equal(store.shortage, STATEMENTS_FULL);
	assert_int_equal(client.count, 0);
	store.max_bytes = 1;
	assert_null(take(&store, "c"));
	store.max_bytes = 0;
	assert_non_null(client_statements_add(&store, &client, text("s"), a));
	client_statements_clear(&store, &client);
	statements_give_back(&store, a);
	statements_give_back(&store, a);
	statements_give_back(&store, b);
	end_store(&store);
}

static void no_client_passes_its_limit(void **state)
{
	struct client_statements one = {0}, other = {0};
	struct statements store;

	(void)state;
	statements_init(&store);
	struct statement *a = take(&store, "a");
	assert_non_null(client_statements_add(&store, &one, text("s"), a));
	store.max_client_bytes = 2 * one.bytes;
	struct client_statement *named =
	    client_statements_add(&store, &one, text("t"), a);
	assert_non_null(named);
	assert_null(client_statements_add(&store, &one, text("u"), a));
	assert_int_equal(store.shortage, STATEMENTS_CLIENT_FULL);
	assert_non_null(client_statements_add(&store, &other, text("s"), a));
	client_statements_withdraw(&store, &one, named);
	client_statement_free(&store, named);
	assert_null(client_statements_add(&store, &one, text("uu"), a));
	assert_non_null(client_statements_add(&store, &one, text("u"), a));
	client_statements_clear(&store, &one);
	client_statements_clear(&store, &other);
	statements_give_back(&store, a);
	end_store(&store);
}

static void what_only_servers_have_gives_way(void **state)
{
	struct server_statements server = {0};
	struct statements store;
	char name[STATEMENT_NAME_LEN];

	(void)state;
	statements_init(&store);
	struct statement *a = take(&store, "aaaaaaaaaaaaaaaa");
	struct statement *b = take(&store, "bbbbbbbbbbbbbbbb");
	server_statements_add(&store, &server, b);
	server_statements_add(&store, &server, a);
	statements_give_back(&store, a);
	statements_give_back(&store, b);
	/* Room for the struct, but not for the text. */
	struct statement *c = take(&store, "c");
	store.max_bytes = store.bytes - store.server_bytes;
	statements_give_back(&store, c);
	c = take(&store, "cccccccccccccccc");
	assert_non_null(c);
	/* `a` was given back first, so it has been of no use for longer. */
	assert_int_equal(statement_tail(a).len, 0);
	assert_slice_is(statement_tail(b), "bbbbbbbbbbbbbbbb");
	/* It is still known by name, so that it can be closed. */
	assert_non_null(server_statements_find(&server, a));
	assert_slice_is(statement_name(a, name), "pooler_1");
	store.max_bytes = 0;
	struct statement *again = take(&store, "aaaaaaaaaaaaaaaa");
	assert_ptr_not_equal(again, a);
	assert_null(server_statements_find(&server, again));
	assert_non_null(server_statements_add(&store, &server, again));
	assert_ptr_equal(server_statements_find(&server, again)->statement, again);
	assert_ptr_equal(server_statements_find(&server, a)->statement, a);
	statements_give_back(&store, again);
	statements_give_back(&store, c);
	server_statements_clear(&store, &server);
	end_store(&store);
}

static void what_a_client_holds_keeps_its_text(void **state)
{
	struct server_statements server = {0};
	struct client_statements client = {0};
	struct statements store;

	(void)state;
	statements_init(&store);
	struct statement *a = take(&store, "aaaaaaaaaaaaaaaa");
	server_statements_add(&store, &server, a);
	client_statements_add(&store, &client, text("s"), a);
	statements_give_back(&store, a);
	store.max_bytes = store.bytes - store.server_bytes;
	assert_null(take(&store, "b"));
	assert_slice_is(statement_tail(a), "aaaaaaaaaaaaaaaa");
	client_statements_clear(&store, &client);
	/* Taken up again, it does not give way either. */
	assert_ptr_equal(take(&store, "aaaaaaaaaaaaaaaa"), a);
	store.max_bytes = store.bytes - store.server_bytes;
	assert_null(take(&store, "b"));
	statements_give_back(&store, a);
	server_statements_clear(&store, &server);
	end_store(&store);
}

/* ---- memory ---- */

/* Enough of everything that the tables grow; whether all of it was to be had. */
static bool use_everything(struct statements *store)
{
	struct client_statements client = {0};
	struct server_statements server = {0};
	bool all = true;

	for (unsigned i = 0; i < 400; i++) {
		char words[16];

		snprintf(words, sizeof(words), "%u", i);
		struct statement *s = take(store, words);
		all = all && s;
		if (!s) {
			assert_int_equal(store->shortage, STATEMENTS_NO_MEMORY);
			continue;
		}
		bool is_named = client_statements_add(store, &client, text(words), s);
		assert_int_equal(is_named, client_statements_find(store, &client,
								  text(words)) != NULL);
		bool is_there = server_statements_add(store, &server, s);
		assert_int_equal(is_there, server_statements_find(&server, s) != NULL);
		all = all && is_named && is_there;
		statements_give_back(store, s);
	}
	client_statements_clear(store, &client);
	server_statements_clear(store, &server);
	return all;
}

static void memory_may_run_short_anywhere(void **state)
{
	struct statements store;
	bool has_failed = true;

	(void)state;
	for (size_t n = 1; has_failed; n++) {
		statements_init(&store);
		memory_fails_at(n);
		bool all = use_everything(&store);
		has_failed = memory_has_failed();
		memory_fails_at(0);
		assert_int_equal(all, !has_failed);
		end_store(&store);
	}
}

/* ---- the model ---- */

enum { CLIENTS = 5, SERVERS = 3, TEXTS = 12, NAMES = 6, STEPS = 200000, EPISODES = 8 };

/* What is prepared is told by its text; 0 is none. */
struct model {
	struct statements store;
	struct client_statements clients[CLIENTS];
	struct server_statements servers[SERVERS];
	struct client_statement *withdrawn[CLIENTS];
	unsigned withdrawn_name[CLIENTS], withdrawn_text[CLIENTS];
	unsigned names[CLIENTS][NAMES];
	uint64_t server_uses[SERVERS][TEXTS + 1];
	uint64_t now;
	struct dice dice;
};

static struct slice words_of(unsigned n, const char *stem, char out[96])
{
	return slice_of(out, (size_t)snprintf(out, 96, "%s%*u", stem, (int)(n * 5), n));
}

static struct statement *take_text(struct model *m, unsigned n)
{
	char words[96];

	return statements_take(&m->store, words_of(n, "text ", words), text("path"));
}

static void add_name(struct model *m, unsigned c, unsigned name, unsigned n)
{
	char words[96];
	struct slice called = words_of(name, "name ", words);

	if (m->names[c][name] != 0)
		return;
	struct statement *s = take_text(m, n);
	if (!s)
		return;
	if (client_statements_add(&m->store, &m->clients[c], called, s))
		m->names[c][name] = n;
	statements_give_back(&m->store, s);
}

static struct client_statement *find_name(struct model *m, unsigned c, unsigned name)
{
	char words[96];
	struct slice called = words_of(name, "name ", words);
	struct client_statement *found =
	    client_statements_find(&m->store, &m->clients[c], called);
	unsigned n = m->names[c][name];

	assert_int_equal(found != NULL, n != 0);
	if (found) {
		char tail[96];
		struct slice expected = words_of(n, "text ", tail);

		assert_true(slice_equal(client_statement_name(found), called));
		assert_true(
		    slice_equal(statement_tail(client_statement_of(found)), expected));
	}
	return found;
}

static void withdraw_name(struct model *m, unsigned c, unsigned name)
{
	struct client_statement *named = find_name(m, c, name);

	if (!named || m->withdrawn[c])
		return;
	client_statements_withdraw(&m->store, &m->clients[c], named);
	m->withdrawn[c] = named;
	m->withdrawn_name[c] = name;
	m->withdrawn_text[c] = m->names[c][name];
	m->names[c][name] = 0;
}

static void settle_withdrawn(struct model *m, unsigned c)
{
	unsigned name = m->withdrawn_name[c];

	if (!m->withdrawn[c])
		return;
	if (m->names[c][name] == 0 && dice_once_in(&m->dice, 2)) {
		client_statements_restore(&m->store, &m->clients[c], m->withdrawn[c]);
		m->names[c][name] = m->withdrawn_text[c];
	} else {
		client_statement_free(&m->store, m->withdrawn[c]);
	}
	m->withdrawn[c] = NULL;
}

static void use_on_server(struct model *m, unsigned v, unsigned n)
{
	struct statement *s = take_text(m, n);

	if (!s)
		return;
	struct server_statement *there = server_statements_find(&m->servers[v], s);
	/* It may have lost its text there: then it is another one by now. */
	if (there) {
		assert_true(m->server_uses[v][n] > 0);
		server_statements_touch(&m->servers[v], there);
	} else {
		there = server_statements_add(&m->store, &m->servers[v], s);
		assert_non_null(there);
	}
	assert_ptr_equal(there->statement, s);
	m->server_uses[v][n] = ++m->now;
	there->asked = m->now;
	statements_give_back(&m->store, s);
}

static void evict(struct model *m, unsigned v)
{
	struct server_statement *oldest = server_statements_oldest(&m->servers[v]);
	struct server_statement *other;

	if (!oldest)
		return;
	TAILQ_FOREACH (other, &m->servers[v].by_use, place)
		assert_true(other->asked >= oldest->asked);
	for (unsigned n = 1; n <= TEXTS; n++)
		if (m->server_uses[v][n] == oldest->asked)
			m->server_uses[v][n] = 0;
	server_statements_remove(&m->store, &m->servers[v], oldest);
}

static void step(struct model *m)
{
	unsigned c = dice_of(&m->dice, CLIENTS), v = dice_of(&m->dice, SERVERS);
	unsigned name = dice_of(&m->dice, NAMES), n = 1 + dice_of(&m->dice, TEXTS);

	switch (dice_of(&m->dice, 8)) {
	case 0:
	case 1:
		add_name(m, c, name, n);
		break;
	case 2:
		withdraw_name(m, c, name);
		break;
	case 3:
		settle_withdrawn(m, c);
		break;
	case 4:
	case 5:
		use_on_server(m, v, n);
		break;
	case 6:
		evict(m, v);
		break;
	default:
		find_name(m, c, name);
	}
}

static void clear_some(struct model *m)
{
	unsigned c = dice_of(&m->dice, CLIENTS), v = dice_of(&m->dice, SERVERS);

	if (dice_once_in(&m->dice, 2)) {
		client_statements_clear(&m->store, &m->clients[c]);
		memset(m->names[c], 0, sizeof(m->names[c]));
	} else {
		server_statements_clear(&m->store, &m->servers[v]);
		memset(m->server_uses[v], 0, sizeof(m->server_uses[v]));
	}
}

static void assert_counts_agree(const struct model *m)
{
	size_t all = 0;

	for (unsigned c = 0; c < CLIENTS; c++) {
		size_t count = 0;

		for (unsigned name = 0; name < NAMES; name++)
			count += m->names[c][name] != 0;
		assert_int_equal(m->clients[c].count, count);
		assert_int_equal(m->clients[c].bytes == 0, count == 0);
		all += count;
	}
	assert_int_equal(m->store.name_count, all);
	if (m->store.max_bytes > 0)
		assert_true(m->store.bytes - m->store.server_bytes <= m->store.max_bytes);
}

static void end_model(struct model *m)
{
	for (unsigned c = 0; c < CLIENTS; c++) {
		settle_withdrawn(m, c);
		client_statements_clear(&m->store, &m->clients[c]);
	}
	for (unsigned v = 0; v < SERVERS; v++)
		server_statements_clear(&m->store, &m->servers[v]);
	end_store(&m->store);
}

static void random_use_agrees_with_a_model(void **state)
{
	(void)state;
	for (unsigned i = 0; i < EPISODES; i++) {
		struct model m = {.dice = {0x5eed + i}};

		print_message("# seed %u\n", 0x5eed + i);
		statements_init(&m.store);
		/* Half of them short of room, so that texts are lost. */
		m.store.max_bytes = i % 2 ? 2500 + 1000 * i : 0;
		m.store.max_client_bytes = i % 4 > 1 ? 1500 : 0;
		for (unsigned turn = 0; turn < STEPS / EPISODES; turn++) {
			step(&m);
			if (dice_once_in(&m.dice, 1000))
				clear_some(&m);
			assert_counts_agree(&m);
		}
		end_model(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(equal_contents_are_one_statement),
	    cmocka_unit_test(a_name_may_turn_to_another_context),
	    cmocka_unit_test(tail_and_context_are_told_apart),
	    cmocka_unit_test(a_number_is_never_used_again),
	    cmocka_unit_test(clients_have_names_of_their_own),
	    cmocka_unit_test(names_differ_within_63_bytes),
	    cmocka_unit_test(a_withdrawn_name_is_free_and_comes_back),
	    cmocka_unit_test(clearing_spares_the_withdrawn),
	    cmocka_unit_test(the_least_recently_used_goes_first),
	    cmocka_unit_test(what_servers_have_is_found_again_by_content),
	    cmocka_unit_test(no_statement_passes_the_limit),
	    cmocka_unit_test(no_client_passes_its_limit),
	    cmocka_unit_test(what_only_servers_have_gives_way),
	    cmocka_unit_test(what_a_client_holds_keeps_its_text),
	    cmocka_unit_test(memory_may_run_short_anywhere),
	    cmocka_unit_test(random_use_agrees_with_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
