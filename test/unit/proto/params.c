/*
 * Sets of parameters, and their difference as SQL. The random test has a server of its
 * own: it reads the SQL and must then have what the client wants.
 */
#include "proto/params.h"

#include <strings.h>

#include "base/buffer.h"
#include "unit/base/kit.h"
#include "unit/proto/failing_memory.h"

/* Takes pairs "a=1", up to a NULL; "a=\1" is without a value, "a=\2" unknown. */
static struct params *set_of(struct params_store *store, const char *const *pairs)
{
	struct params *set = params_empty(store);

	for (; *pairs; pairs++) {
		const char *equals = strchr(*pairs, '=');
		struct slice value = slice_of_text(equals + 1);
		if (equals[1] == 1)
			value = params_no_value();
		if (equals[1] == 2)
			value = params_unknown();
		struct params *more = params_with(
		    store, set, slice_of(*pairs, (size_t)(equals - *pairs)), value);

		assert_non_null(more);
		params_unref(store, set);
		set = more;
	}
	return set;
}

#define SET_OF(store, ...) set_of(store, (const char *const[]){__VA_ARGS__, NULL})

static void *begin_store(void)
{
	struct params_store *store = malloc(sizeof(*store));

	assert_int_equal(params_store_init(store), 0);
	return store;
}

static void end_store(struct params_store *store)
{
	assert_int_equal(store->count, 1);
	params_store_fini(store);
	params_store_fini(store);
	free(store);
}

static void equal_sets_are_one_object(void **state)
{
	struct params_store *store = begin_store();
	struct params *a = SET_OF(store, "TimeZone=UTC", "DateStyle=ISO");
	struct params *b = SET_OF(store, "datestyle=ISO", "x=y", "timezone=UTC");
	struct params *c = params_without(store, b, slice_of_text("X"));
	struct params *d = SET_OF(store, "TimeZone=utc", "DateStyle=ISO");

	(void)state;
	assert_ptr_equal(a, c);
	assert_ptr_not_equal(a, b);
	assert_ptr_not_equal(a, d);
	params_unref(store, a);
	params_unref(store, b);
	params_unref(store, c);
	params_unref(store, d);
	params_unref(store, NULL);
	end_store(store);
}

static void lengths_keep_different_sets_apart(void **state)
{
	struct params_store *store = begin_store();
	struct params *a = SET_OF(store, "a=bc");
	struct params *b = SET_OF(store, "ab=c");
	struct params *c = SET_OF(store, "a=b", "b=c");
	struct params *d = SET_OF(store, "a=", "bbc=");

	(void)state;
	assert_ptr_not_equal(a, b);
	assert_ptr_not_equal(a, c);
	assert_ptr_not_equal(b, c);
	assert_ptr_not_equal(c, d);
	assert_int_equal(store->count, 1 + 4);
	params_unref(store, a);
	params_unref(store, b);
	params_unref(store, c);
	params_unref(store, d);
	end_store(store);
}

static void names_keep_their_first_spelling_and_their_order(void **state)
{
	struct params_store *store = begin_store();
	struct params *set = SET_OF(store, "b=1", "TimeZone=UTC", "A=2", "timezone=CET");
	static const char *const expected[][2] = {
	    {"A", "2"}, {"b", "1"}, {"TimeZone", "CET"}};
	struct slice name, value;

	(void)state;
	assert_int_equal(params_count(set), COUNT_OF(expected));
	for (size_t i = 0; i < COUNT_OF(expected); i++) {
		params_at(set, i, &name, &value);
		assert_slice_is(name, expected[i][0]);
		assert_slice_is(value, expected[i][1]);
	}
	assert_true(params_find(set, slice_of_text("TIMEZONE"), &value));
	assert_slice_is(value, "CET");
	value = slice_of_text("untouched");
	assert_false(params_find(set, slice_of_text("TimeZon"), &value));
	assert_false(params_find(set, slice_of_text(""), &value));
	assert_slice_is(value, "untouched");
	params_unref(store, set);
	end_store(store);
}

static void no_change_gives_the_same_set(void **state)
{
	struct params_store *store = begin_store();
	struct params *set = SET_OF(store, "a=1");
	struct params *same =
	    params_with(store, set, slice_of_text("A"), slice_of_text("1"));
	struct params *too = params_without(store, set, slice_of_text("b"));

	(void)state;
	assert_ptr_equal(set, same);
	assert_ptr_equal(set, too);
	params_unref(store, set);
	params_unref(store, same);
	params_unref(store, too);
	end_store(store);
}

static void texts_mean_the_same_with_the_same_readers(void **state)
{
	static const struct {
		const char *name, *value;
		bool is_reader;
	} rows[] = {
	    {"application_name", "a", false},  {"timezone", "UTC", true},
	    {"TimeZone", "Asia/Tokyo", true},  {"work_mem", "1MB", false},
	    {"search_path", "UTC", true},      {"datestyle", "SQL, DMY", true},
	    {"client_encoding", "SQL", true},  {"jit", "off", false},
	    {"bytea_output", "escape", true},  {"role", "bob", true},
	    {"row_security", "off", true},     {"backslash_quote", "on", true},
	    {"extra_float_digits", "0", true}, {"quote_all_identifiers", "on", true}};
	struct params_store store;
	struct params *set;

	(void)state;
	assert_int_equal(params_store_init(&store), 0);
	set = params_empty(&store);
	assert_int_equal(params_meaning(set).len, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct params *next =
		    params_with(&store, set, slice_of_text(rows[i].name),
				slice_of_text(rows[i].value));
		assert_int_equal(slice_equal(params_meaning(set), params_meaning(next)),
				 !rows[i].is_reader);
		params_unref(&store, set);
		set = next;
	}
	params_unref(&store, set);
	params_store_fini(&store);
}

static void facts_cannot_be_set(void **state)
{
	static const char *const fixed[] = {
	    "server_version",    "Is_Superuser",   "server_encoding",
	    "integer_datetimes", "in_hot_standby", "user",
	    "database",          "options",        "replication"};
	static const char *const settable[] = {
	    "TimeZone", "client_encoding", "session_authorization", "role",
	    "my.var",   "search_path",     "server_versio"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(fixed); i++)
		assert_false(params_is_settable(slice_of_text(fixed[i])));
	for (size_t i = 0; i < COUNT_OF(settable); i++)
		assert_true(params_is_settable(slice_of_text(settable[i])));
}

#define LONG_NAME "n123456789012345678901234567890123456789012345678901234567890123"

static void differences_are_right_sql(void **state)
{
	static const struct {
		const char *have[4], *want[4], *base[4];
		const char *sql;
	} cases[] = {
	    {{0}, {0}, {0}, ""},
	    {{"a=1"}, {"a=1"}, {0}, ""},
	    {{"a=1"}, {"A=1"}, {0}, ""},
	    {{"a=1"}, {0}, {"a=1"}, ""},
	    {{0}, {0}, {"a=1"}, ""},
	    {{0}, {"a=1"}, {0}, "SET \"a\" = '1';"},
	    {{"a=2"}, {"a=1"}, {"a=2"}, "SET \"a\" = '1';"},
	    {{"a=2"}, {0}, {"a=1"}, "SET \"a\" = '1';"},
	    {{"a=2"}, {0}, {0}, "RESET \"a\";"},
	    /* \1 stands for a parameter without a value. */
	    {{0}, {"my.var=\1"}, {0}, "RESET \"my\".\"var\";"},
	    {{"my.var="}, {"my.var=\1"}, {0}, "RESET \"my\".\"var\";"},
	    {{"my.var=\1"}, {"my.var="}, {0}, "SET \"my\".\"var\" = '';"},
	    {{"my.var=\1"}, {"my.var=\1"}, {0}, ""},
	    {{"my.var=\1"}, {0}, {0}, ""},
	    /* What is unknown differs from every value, and from none. */
	    {{"a=\2", "my.var=\2"},
	     {"a=1", "my.var=\1"},
	     {0},
	     "SET \"a\" = '1';RESET \"my\".\"var\";"},
	    {{"a=\2", "b=\2"}, {0}, {"a=1"}, "SET \"a\" = '1';RESET \"b\";"},
	    {{0},
	     {".a=\1"},
	     {0},
	     "SELECT FROM pg_catalog.set_config('.a', NULL, false);"},
	    {{"a=2", "c=3"},
	     {"b=1", "d=4"},
	     {"c=4"},
	     "RESET \"a\";SET \"b\" = '1';SET \"c\" = '4';SET \"d\" = '4';"},
	    {{"server_version=14"}, {"server_version=15"}, {0}, ""},
	    {{"is_superuser=on"}, {0}, {"is_superuser=off"}, ""},
	    {{"client_encoding=UTF8"},
	     {"client_encoding=SQL_ASCII"},
	     {0},
	     "SET \"client_encoding\" = 'SQL_ASCII';"},
	    {{0}, {"my.var=1"}, {0}, "SET \"my\".\"var\" = '1';"},
	    {{"my.var=1"}, {0}, {0}, "RESET \"my\".\"var\";"},
	    {{0}, {"TimeZone=<+03>-03"}, {0}, "SET \"TimeZone\" = '<+03>-03';"},
	    {{0}, {"DateStyle=ISO, MDY"}, {0}, "SET \"DateStyle\" = 'ISO, MDY';"},
	    {{"DateStyle=ISO, MDY"},
	     {"DateStyle=dmy"},
	     {"DateStyle=ISO, MDY"},
	     "SET \"DateStyle\" = 'dmy';"},
	    {{"DateStyle=SQL, DMY"},
	     {"DateStyle=iso"},
	     {"DateStyle=ISO, MDY"},
	     "SET \"DateStyle\" = 'ISO, MDY';SET \"DateStyle\" = 'iso';"},
	    {{0}, {"a="}, {0}, "SET \"a\" = '';"},
	    {{0}, {"a='; drop"}, {0}, "SET \"a\" = '''; drop';"},
	    {{0}, {"a=b\\'c"}, {0}, "SET \"a\" = E'b\\\\''c';"},
	    {{0}, {"a=\\"}, {0}, "SET \"a\" = E'\\\\';"},
	    {{0}, {"a=h\xc3\xa9"}, {0}, "SET \"a\" = E'h\\xc3\\xa9';"},
	    {{0}, {"a\"b=c"}, {0}, "SET \"a\"\"b\" = 'c';"},
	    {{0},
	     {"Search_Path=\"$user\", 'x'"},
	     {0},
	     "SELECT FROM pg_catalog.set_config('Search_Path', '\"$user\", ''x''', "
	     "false);"},
	    {{"search_path=a, b"},
	     {0},
	     {"search_path="},
	     "SELECT FROM pg_catalog.set_config('search_path', '', false);"},
	    {{"search_path=a, b"}, {0}, {0}, "RESET \"search_path\";"},
	    {{0},
	     {"temp_tablespaces=a, b"},
	     {0},
	     "SELECT FROM pg_catalog.set_config('temp_tablespaces', 'a, b', false);"},
	    {{0},
	     {LONG_NAME ".a=1"},
	     {0},
	     "SELECT FROM pg_catalog.set_config('" LONG_NAME ".a', '1', false);"},
	    {{LONG_NAME "=1"},
	     {0},
	     {0},
	     "SELECT FROM pg_catalog.set_config('" LONG_NAME "', NULL, false);"},
	    {{0}, {"a.=1"}, {0}, "SELECT FROM pg_catalog.set_config('a.', '1', false);"},
	    {{0}, {".a=1"}, {0}, "SELECT FROM pg_catalog.set_config('.a', '1', false);"},
	    {{0},
	     {"\xc3\xa9.a=1"},
	     {0},
	     "SELECT FROM pg_catalog.set_config(E'\\xc3\\xa9.a', '1', false);"},
	    /* Who one is decides what one may set; a new one has no role. */
	    {{0},
	     {"a=1", "role=r", "session_authorization=s"},
	     {0},
	     "SET \"session_authorization\" = 's';SET \"role\" = 'r';SET \"a\" = '1';"},
	    {{"session_authorization=x", "role=r"},
	     {"role=r", "session_authorization=s"},
	     {0},
	     "SET \"session_authorization\" = 's';SET \"role\" = 'r';"},
	    {{"session_authorization=x", "role=r"},
	     {0},
	     {"role=r", "session_authorization=s"},
	     "SET \"session_authorization\" = 's';SET \"role\" = 'r';"},
	    {{"session_authorization=s", "role=r"},
	     {"role=r", "session_authorization=s"},
	     {0},
	     ""},
	    {{"a=1", "role=r"}, {0}, {0}, "RESET \"a\";RESET \"role\";"},
	    {{"z=1"},
	     {"a=1", "role=r"},
	     {"z=0"},
	     "SET \"role\" = 'r';SET \"a\" = '1';SET \"z\" = '0';"},
	    /* A superuser sets what only it may set before it becomes somebody else. */
	    {{0},
	     {"a=1", "role=r", "session_authorization=s"},
	     {"is_superuser=on", "session_authorization=x"},
	     "SET \"a\" = '1';SET \"session_authorization\" = 's';SET \"role\" = 'r';"},
	    {{"role=r", "session_authorization=s"},
	     {"a=1", "role=r", "session_authorization=s"},
	     {"is_superuser=on", "session_authorization=x"},
	     "RESET \"session_authorization\";RESET \"role\";SET \"a\" = '1';"
	     "SET \"session_authorization\" = 's';SET \"role\" = 'r';"},
	    {{"role=r", "session_authorization=s"},
	     {"a=1", "session_authorization=x"},
	     {"is_superuser=on", "session_authorization=x"},
	     "RESET \"session_authorization\";RESET \"role\";SET \"a\" = '1';"},
	    {{"role=r", "session_authorization=s"},
	     {"session_authorization=x"},
	     {"is_superuser=on", "session_authorization=x"},
	     "SET \"session_authorization\" = 'x';RESET \"role\";"},
	    /* It need not begin as whom it has logged in as. */
	    {{"a=1", "role=r"},
	     {"a=2"},
	     {"is_superuser=on", "role=b"},
	     "SET \"role\" = 'b';SET \"a\" = '2';"},
	    {{"a=1", "session_authorization=x"},
	     {"a=2", "session_authorization=x"},
	     {"is_superuser=on", "session_authorization=x"},
	     "SET \"a\" = '2';"},
	};
	struct params_store *store = begin_store();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct params *have = set_of(store, cases[i].have);
		struct params *want = set_of(store, cases[i].want);
		struct params *base = set_of(store, cases[i].base);
		struct buffer out = {0};

		assert_true(params_difference(have, want, base, &out));
		assert_slice_is(buffer_bytes(&out), cases[i].sql);
		buffer_fini(&out);
		params_unref(store, have);
		params_unref(store, want);
		params_unref(store, base);
	}
	end_store(store);
}

static void values_may_be_long(void **state)
{
	struct params_store *store = begin_store();
	size_t len = 100 * 1024;
	char *text = malloc(len + 1);
	struct buffer out = {0};

	(void)state;
	memset(text, '\'', len);
	text[len] = '\0';
	struct params *empty = params_empty(store);
	struct params *set =
	    params_with(store, empty, slice_of_text("a"), slice_of_text(text));
	assert_true(params_difference(empty, set, empty, &out));
	assert_int_equal(buffer_len(&out), strlen("SET \"a\" = '';") + 2 * len);
	buffer_fini(&out);
	params_unref(store, set);
	params_unref(store, empty);
	free(text);
	end_store(store);
}

static struct params *with_number(struct params_store *store, const struct params *set,
				  int number)
{
	char name[20], value[20];

	snprintf(name, sizeof(name), "n%d", number);
	snprintf(value, sizeof(value), "%d", number);
	return params_with(store, set, slice_of_text(name), slice_of_text(value));
}

static void a_change_shares_all_that_it_leaves(void **state)
{
	enum { SETS = 100, LEN = 1000 * 1000 };
	struct params_store *store = begin_store();
	size_t empty_bytes = store->bytes;
	char *text = calloc(1, LEN);
	struct params *sets[SETS];

	(void)state;
	struct params *empty = params_empty(store);
	sets[0] = params_with(store, empty, slice_of_text("long"), slice_of(text, LEN));
	assert_true(params_cost_of(sets[0]) > LEN);
	for (int i = 1; i < SETS; i++) {
		sets[i] = with_number(store, sets[i - 1], i);
		assert_true(params_cost_of(sets[i]) > params_cost_of(sets[i - 1]));
	}
	assert_true(store->bytes > LEN);
	assert_true(store->bytes < LEN + SETS * 2000);
	for (int i = 0; i < SETS; i++)
		params_unref(store, sets[i]);
	assert_int_equal(store->bytes, empty_bytes);
	params_unref(store, empty);
	free(text);
	end_store(store);
}

static void the_cost_of_a_set_is_that_of_its_pairs(void **state)
{
	struct params_store *store = begin_store();
	struct params *set = SET_OF(store, "a=1", "bb=22", "a=333", "c=");
	struct params *fewer = params_without(store, set, slice_of_text("A"));

	(void)state;
	assert_int_equal(params_cost_of(store->empty), 0);
	assert_int_equal(params_cost_of(set),
			 params_cost(1, 3) + params_cost(2, 2) + params_cost(1, 0));
	assert_int_equal(params_cost_of(fewer), params_cost(2, 2) + params_cost(1, 0));
	params_unref(store, set);
	params_unref(store, fewer);
	end_store(store);
}

/* ---- a naive server ---- */

static const char *const names[] = {"a",           "B",       "TimeZone", "my.var",
				    "search_path", "we\"ird", "\xc3\xa9", LONG_NAME};
static const char *const values[] = {"",   "1",    "a, b",     "it's",
				     "\\", "\\'x", "\xe4\x5c", "100%"};

enum { NAMES = COUNT_OF(names), UNSET = -1 };

struct naive {
	int value[NAMES]; /* index into values, or UNSET */
};

static struct params *set_of_naive(struct params_store *store, const struct naive *n)
{
	struct params *set = params_empty(store);

	for (size_t i = 0; i < NAMES; i++) {
		if (n->value[i] == UNSET)
			continue;
		struct params *more = params_with(store, set, slice_of_text(names[i]),
						  slice_of_text(values[n->value[i]]));
		params_unref(store, set);
		set = more;
	}
	return set;
}

static struct naive naive_random(struct dice *dice)
{
	struct naive n;

	for (size_t i = 0; i < NAMES; i++)
		n.value[i] = (int)dice_of(dice, COUNT_OF(values) + 3) - 3;
	for (size_t i = 0; i < NAMES; i++)
		if (n.value[i] < 0)
			n.value[i] = UNSET;
	return n;
}

/* Reads '...' or E'...' or "..." at *at, undoing what quotes it. */
static void read_quoted(const char **at, char *out)
{
	bool has_escapes = **at == 'E';
	char quote = *(*at += has_escapes);
	unsigned byte;

	assert_true(quote == '\'' || quote == '"');
	for (++*at; **at != quote || (*at)[1] == quote; ++*at) {
		assert_true(**at != '\0');
		if (**at == quote) {
			++*at;
		} else if (has_escapes && **at == '\\' && (*at)[1] == 'x') {
			assert_int_equal(sscanf(*at + 2, "%2x", &byte), 1);
			*out++ = (char)byte;
			*at += 3;
			continue;
		} else if (has_escapes && **at == '\\') {
			++*at;
		}
		*out++ = **at;
	}
	++*at;
	*out = '\0';
}

static void expect(const char **at, const char *text)
{
	assert_int_equal(strncmp(*at, text, strlen(text)), 0);
	*at += strlen(text);
}

static void read_name(const char **at, char *out)
{
	read_quoted(at, out);
	while (**at == '.') {
		out += strlen(out);
		*out++ = '.';
		++*at;
		read_quoted(at, out);
	}
}

static int find_text(const char *const *texts, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(texts[i], text) == 0)
			return (int)i;
	fail_msg("no such text: %s", text);
	return UNSET;
}

static void naive_apply(struct naive *server, const char *sql)
{
	char name[200], value[200];

	while (*sql) {
		bool is_reset = false;

		if (strncmp(sql, "SET ", 4) == 0) {
			sql += 4;
			read_name(&sql, name);
			expect(&sql, " = ");
			read_quoted(&sql, value);
		} else if (strncmp(sql, "RESET ", 6) == 0) {
			sql += 6;
			read_name(&sql, name);
			is_reset = true;
		} else {
			expect(&sql, "SELECT FROM pg_catalog.set_config(");
			read_quoted(&sql, name);
			expect(&sql, ", ");
			is_reset = *sql == 'N';
			if (is_reset)
				expect(&sql, "NULL");
			else
				read_quoted(&sql, value);
			expect(&sql, ", false)");
		}
		expect(&sql, ";");
		server->value[find_text(names, NAMES, name)] =
		    is_reset ? UNSET : find_text(values, COUNT_OF(values), value);
	}
}

static void a_server_gets_what_the_client_wants(void **state)
{
	struct params_store *store = begin_store();
	struct dice dice = {.state = 42};

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct naive server = naive_random(&dice), client = naive_random(&dice),
			     start = naive_random(&dice);
		struct params *have = set_of_naive(store, &server);
		struct params *want = set_of_naive(store, &client);
		struct params *base = set_of_naive(store, &start);
		struct naive before = server;
		struct buffer sql = {0};

		assert_true(params_difference(have, want, base, &sql));
		assert_true(buffer_append(&sql, slice_of("", 1)));
		naive_apply(&server, (const char *)buffer_bytes(&sql).data);
		for (size_t i = 0; i < NAMES; i++) {
			int expected = client.value[i] != UNSET   ? client.value[i]
				       : before.value[i] == UNSET ? UNSET
								  : start.value[i];
			assert_int_equal(server.value[i], expected);
		}
		struct params *now = set_of_naive(store, &server);
		buffer_truncate(&sql, 0);
		assert_true(params_difference(now, want, base, &sql));
		assert_int_equal(buffer_len(&sql), 0);
		buffer_fini(&sql);
		params_unref(store, have);
		params_unref(store, want);
		params_unref(store, base);
		params_unref(store, now);
	}
	end_store(store);
}

static void random_changes_agree_with_a_naive_set(void **state)
{
	enum { SETS = 8 };
	struct params_store *store = begin_store();
	struct dice dice = {.state = 7};
	struct naive naive[SETS];
	struct params *sets[SETS];

	(void)state;
	for (size_t i = 0; i < SETS; i++) {
		memset(&naive[i], 0xff, sizeof(naive[i]));
		sets[i] = params_empty(store);
	}
	for (int round = 0; round < 20000; round++) {
		size_t from = dice_of(&dice, SETS), to = dice_of(&dice, SETS);
		size_t which = dice_of(&dice, NAMES);
		int value = (int)dice_of(&dice, COUNT_OF(values) + 2) - 2;
		struct slice name = slice_of_text(names[which]);
		struct params *set = value < 0
					 ? params_without(store, sets[from], name)
					 : params_with(store, sets[from], name,
						       slice_of_text(values[value]));

		params_unref(store, sets[to]);
		sets[to] = set;
		naive[to] = naive[from];
		naive[to].value[which] = value < 0 ? UNSET : value;
		for (size_t i = 0; i < SETS; i++)
			assert_int_equal(
			    sets[i] == sets[to],
			    memcmp(&naive[i], &naive[to], sizeof(naive[i])) == 0);
		size_t count = 0;
		for (size_t i = 0; i < NAMES; i++) {
			struct slice found = {0};
			bool is_there =
			    params_find(sets[to], slice_of_text(names[i]), &found);

			assert_int_equal(is_there, naive[to].value[i] != UNSET);
			if (is_there)
				assert_slice_is(found, values[naive[to].value[i]]);
			count += is_there;
		}
		assert_int_equal(params_count(sets[to]), count);
		assert_true(store->count <= SETS + 1);
	}
	for (size_t i = 0; i < SETS; i++)
		params_unref(store, sets[i]);
	end_store(store);
}

static void many_sets_are_found_again(void **state)
{
	enum { SETS = 3000 };
	struct params_store *store = begin_store();
	struct params *sets[SETS];
	char value[20];

	(void)state;
	struct params *empty = params_empty(store);
	for (int i = 0; i < SETS; i++) {
		snprintf(value, sizeof(value), "client %d", i);
		sets[i] = params_with(store, empty, slice_of_text("application_name"),
				      slice_of_text(value));
	}
	assert_int_equal(store->count, SETS + 1);
	for (int i = 0; i < SETS; i++) {
		snprintf(value, sizeof(value), "client %d", i);
		struct params *again =
		    params_with(store, empty, slice_of_text("application_name"),
				slice_of_text(value));
		assert_ptr_equal(again, sets[i]);
		params_unref(store, again);
		params_unref(store, sets[i]);
	}
	params_unref(store, empty);
	end_store(store);
}

static void a_literal_means_the_same_everywhere(void **state)
{
	static const struct {
		const char *value, *literal;
	} cases[] = {{"", "''"},
		     {"it's", "'it''s'"},
		     {"a\\b", "E'a\\\\b'"},
		     {"h\xc3\xa9", "E'h\\xc3\\xa9'"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer out = {0};
		assert_true(params_append_literal(&out, slice_of_text(cases[i].value)));
		assert_true(slice_is_text(buffer_bytes(&out), cases[i].literal));
		buffer_fini(&out);
	}
}

static void short_memory_is_an_answer(void **state)
{
	size_t failures = 0;

	(void)state;
	for (bool is_done = false; !is_done;) {
		struct params_store store;
		struct params *set = NULL;
		struct buffer out = {0};

		memory_fails_at(++failures);
		bool has_store = params_store_init(&store) == 0;
		if (has_store)
			set =
			    params_with(&store, store.empty, slice_of_text("search_path"),
					slice_of_text("it's"));
		bool went_well =
		    set && params_difference(store.empty, set, store.empty, &out);
		is_done = !memory_has_failed();
		memory_fails_at(0);
		assert_int_equal(went_well, is_done);
		if (set && !went_well)
			assert_int_equal(buffer_len(&out), 0);
		buffer_fini(&out);
		if (!has_store)
			continue;
		params_unref(&store, set);
		assert_int_equal(store.count, 1);
		params_store_fini(&store);
	}
	assert_true(failures >= 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(equal_sets_are_one_object),
	    cmocka_unit_test(lengths_keep_different_sets_apart),
	    cmocka_unit_test(names_keep_their_first_spelling_and_their_order),
	    cmocka_unit_test(no_change_gives_the_same_set),
	    cmocka_unit_test(texts_mean_the_same_with_the_same_readers),
	    cmocka_unit_test(facts_cannot_be_set),
	    cmocka_unit_test(differences_are_right_sql),
	    cmocka_unit_test(values_may_be_long),
	    cmocka_unit_test(a_change_shares_all_that_it_leaves),
	    cmocka_unit_test(the_cost_of_a_set_is_that_of_its_pairs),
	    cmocka_unit_test(a_server_gets_what_the_client_wants),
	    cmocka_unit_test(random_changes_agree_with_a_naive_set),
	    cmocka_unit_test(many_sets_are_found_again),
	    cmocka_unit_test(a_literal_means_the_same_everywhere),
	    cmocka_unit_test(short_memory_is_an_answer),
	};

	return cmocka_run_group_tests_name("params", tests, NULL, NULL);
}
