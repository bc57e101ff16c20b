/*
 * Connection strings of [databases], good and bad.
 */
#include "fixture.h"

#include <errno.h>

#include "config/arena.h"
#include "config/database.h"

#define TEN "aaaaaaaaaa"

static void parse(struct arena *strings, const char *name, const char *text,
		  struct database *out)
{
	char why[512] = "";
	int rc = database_parse(name, text, strings, out, why, sizeof(why));

	if (rc != 0)
		fail_msg("%s = %s: %s", name, text, why);
}

static void an_empty_string_means_the_same_name_at_the_default_place(void **state)
{
	struct arena strings = {0};
	struct database d;

	(void)state;
	parse(&strings, "shop", "", &d);
	assert_string_equal(d.name, "shop");
	assert_string_equal(d.dbname, "shop");
	assert_string_equal(d.host, "");
	assert_int_equal(d.port, 5432);
	assert_string_equal(d.user, "");
	assert_string_equal(d.connect_query, "");
	assert_string_equal(d.client_encoding, "");
	assert_string_equal(d.datestyle, "");
	assert_string_equal(d.timezone, "");
	assert_string_equal(d.application_name, "");
	assert_string_equal(d.password, "");
	assert_string_equal(d.auth_user, "");
	assert_string_equal(d.auth_query, "");
	assert_string_equal(d.auth_dbname, "");
	assert_int_equal(d.tls_own, 0);
	assert_int_equal(d.over.set, 0);
	assert_false(database_is_fallback(&d));
	arena_fini(&strings);
}

static void every_key_is_taken(void **state)
{
	struct arena strings = {0};
	struct database d;

	(void)state;
	parse(
	    &strings, "a",
	    "dbname=b HOST=db.example\tport=6000  user=joe connect_query='select 1' "
	    "client_encoding=UTF8 datestyle='ISO, DMY' timezone=UTC application_name=x "
	    "weight=16 guaranteed=17 "
	    "pool_mode=statement pool_size=1 min_pool_size=2 reserve_pool=3 max_queue=4 "
	    "max_db_connections=5 max_db_client_connections=6 query_wait_timeout=7 "
	    "query_timeout=8s idle_transaction_timeout=9min transaction_timeout=10h "
	    "client_idle_timeout=11ms server_lifetime=0 server_state=error "
	    "server_max_transactions=14 hold_on_failure=15ms "
	    "pin_timeout=12 max_pinned=13 client_write_timeout=15 max_queue_wait=14 "
	    "queue_policy=codel "
	    "priority=low max_priority=critical adaptive_pool=on password='p w' "
	    "auth_user=au "
	    "auth_query='select $1' auth_dbname=ad tls_sslmode=verify-full "
	    "tls_key_file=k TLS_cert_file=c tls_ca_file=ca tls_crl_file=crl "
	    "tls_protocols=tlsv1.3 tls_ciphers=x tls13_ciphers=y "
	    "tls_sslnegotiation=direct",
	    &d);
	assert_string_equal(d.password, "p w");
	assert_string_equal(d.auth_user, "au");
	assert_string_equal(d.auth_query, "select $1");
	assert_string_equal(d.auth_dbname, "ad");
	assert_int_equal(d.tls_own, (1U << SERVER_TLS_COUNT) - 1);
	assert_int_equal(d.tls.mode, TLS_MODE_VERIFY_FULL);
	assert_string_equal(d.tls.key_file, "k");
	assert_string_equal(d.tls.cert_file, "c");
	assert_string_equal(d.tls.ca_file, "ca");
	assert_string_equal(d.tls.crl_file, "crl");
	assert_string_equal(d.tls.protocols, "tlsv1.3");
	assert_string_equal(d.tls.ciphers, "x");
	assert_string_equal(d.tls.tls13_ciphers, "y");
	assert_int_equal(d.tls.negotiation, SSLNEGOTIATION_DIRECT);
	assert_string_equal(d.dbname, "b");
	assert_string_equal(d.host, "db.example");
	assert_int_equal(d.port, 6000);
	assert_string_equal(d.user, "joe");
	assert_string_equal(d.connect_query, "select 1");
	assert_string_equal(d.client_encoding, "UTF8");
	assert_string_equal(d.datestyle, "ISO, DMY");
	assert_string_equal(d.timezone, "UTC");
	assert_string_equal(d.application_name, "x");
	assert_int_equal(d.over.set, (1U << OVERRIDE_COUNT) - 1);
	assert_int_equal(d.over.pool_mode, POOL_MODE_STATEMENT);
	assert_int_equal(d.over.pool_size, 1);
	assert_int_equal(d.over.min_pool_size, 2);
	assert_int_equal(d.over.reserve_pool_size, 3);
	assert_int_equal(d.over.max_queue, 4);
	assert_int_equal(d.over.max_connections, 5);
	assert_int_equal(d.over.max_client_connections, 6);
	assert_int_equal(d.over.query_wait_timeout, 7000000);
	assert_int_equal(d.over.query_timeout, 8000000);
	assert_int_equal(d.over.idle_transaction_timeout, 540000000);
	assert_int_equal(d.over.transaction_timeout, 36000000000);
	assert_int_equal(d.over.client_idle_timeout, 11000);
	assert_int_equal(d.over.server_lifetime, 0);
	assert_int_equal(d.over.server_max_transactions, 14);
	assert_int_equal(d.over.hold_on_failure, 15000);
	assert_int_equal(d.over.server_state, STATE_ERROR);
	assert_int_equal(d.over.pin_timeout, 12000000);
	assert_int_equal(d.over.max_pinned, 13);
	assert_int_equal(d.over.max_queue_wait, 14000000);
	assert_int_equal(d.over.queue_policy, QUEUE_CODEL);
	assert_int_equal(d.over.priority, PRIORITY_LOW);
	assert_int_equal(d.over.max_priority, PRIORITY_CRITICAL);
	assert_int_equal(d.over.adaptive_pool, TRIAL_ON);
	arena_fini(&strings);
}

static void values_may_be_quoted(void **state)
{
	static const struct {
		const char *text, *query;
	} cases[] = {
	    {"connect_query='a b'", "a b"},
	    {"connect_query = 'a'", "a"},
	    {"connect_query= 'it''s'", "it's"},
	    {"connect_query=''''", "'"},
	    {"connect_query='''a'''", "'a'"},
	    {"connect_query='x=y host=z'", "x=y host=z"},
	    {"connect_query='a'\thost=h", "a"},
	    {"\tconnect_query=a=b\t", "a=b"},
	    {"connect_query=\"a", "\"a"},
	};
	struct arena strings = {0};
	struct database d;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		parse(&strings, "a", cases[i].text, &d);
		assert_string_equal(d.connect_query, cases[i].query);
	}
	arena_fini(&strings);
}

static void hosts_may_be_names_addresses_and_sockets(void **state)
{
	static const char *const hosts[] = {
	    "localhost",    "10.0.0.1",        "::1",
	    "fe80::1%eth0", "/run/postgresql", "@abstract"};
	struct arena strings = {0};
	struct database d;
	char text[100];

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		snprintf(text, sizeof(text), "host=%s", hosts[i]);
		parse(&strings, "a", text, &d);
		assert_string_equal(d.host, hosts[i]);
	}
	arena_fini(&strings);
}

static void bad_strings_are_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
	    {"host", "\"host\" is followed by no '=': key=value was expected"},
	    {"host localhost", "\"host\" is followed by no '='"},
	    {"host=", "\"host\" has no value"},
	    {"host= ", "\"host\" has no value"},
	    {"host=''", "\"host\" has no value"},
	    {"=x", "a '=' has no key before it"},
	    {"host=h dbname='x", "\"dbname\" has a quoted value without an end"},
	    {"dbname='x'y", "\"dbname\" has something right behind its closing quote"},
	    {"dbname=x'y", "\"dbname\" has a quote inside an unquoted value"},
	    {"port=0", "port: \"0\" is out of range: 1 to 65535"},
	    {"port=65536", "port: \"65536\" is out of range"},
	    {"port=5432x", "port: \"5432x\" is not a whole number"},
	    {"pool_size=ten", "pool_size: \"ten\" is not a whole number"},
	    {"pool_size=-1", "pool_size: \"-1\" is out of range"},
	    {"pool_mode=sesion", "did you mean \"session\"?"},
	    {"query_timeout=5x", "query_timeout: \"5x\" is not a duration"},
	    {"host=a,b", "several hosts are not supported by this version"},
	    {"host='a b'", "host has a blank in it"},
	    {"host=a host=b", "host is given twice"},
	    {"port=1 port=2", "port is given twice"},
	    {"dbname=a dbname=b", "dbname is given twice"},
	    {"reserve_pool=1 reserve_pool_size=1", "reserve_pool_size is given twice"},
	    {"hots=a", "unknown key \"hots\"; did you mean \"host\"?"},
	    {"pool_siez=1", "unknown key \"pool_siez\"; did you mean \"pool_size\"?"},
	    {"max_user_connections=1", "unknown key \"max_user_connections\""},
	    {"password=a password=b", "password is given twice"},
	    {"password=********",
	     "password ******** stands for a password that was not printed: write the "
	     "password itself"},
	    {"auth_dbname=pgbouncer", "auth_dbname is the console"},
	    {"auth_dbname=pooler", "auth_dbname is the console"},
	    {"auth_usr=x", "did you mean \"auth_user\"?"},
	    {"tls_sslmode=requir", "tls_sslmode: \"requir\" is none of disable"},
	    {"tls_sslmode=allow tls_sslmode=allow", "tls_sslmode is given twice"},
	    {"tls_sslnegotiation=no", "tls_sslnegotiation: \"no\" is none of"},
	    {"tls_cafile=x", "did you mean \"tls_ca_file\"?"},
	    {"load_balance_hosts=disable", "is not supported by this version"},
	    {"dbname=" TEN TEN TEN TEN TEN TEN "aaaa", "dbname is too long"},
	    {"host=/" TEN TEN TEN TEN TEN TEN TEN TEN TEN "aa",
	     "host is too long for the name of a Unix socket"},
	};
	struct arena strings = {0};
	char why[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct database d = {.port = 77};

		assert_int_equal(
		    database_parse("a", cases[i].text, &strings, &d, why, sizeof(why)),
		    -EINVAL);
		if (!strstr(why, cases[i].why))
			fail_msg("%s: %s", cases[i].text, why);
		assert_int_equal(d.port, 77);
	}
	arena_fini(&strings);
}

/* A password with blanks that should have been quoted looks like more pairs. */
static void no_part_of_a_password_is_told(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
	    {"password=my geheim",
	     "what stands behind the password is followed by no '='"},
	    {"password=my geheim=x", "a key behind the password is unknown"},
	    {"password=my x=y geheim=z", "a key behind the password is unknown"},
	    {"password=my geheim='x", "what stands behind the password has a quoted"},
	    {"password=geheim'x", "\"password\" has a quote inside"},
	    {"password='geheim'geheim", "\"password\" has something right behind"},
	    {"password='geheim", "\"password\" has a quoted value without an end"},
	    {"password=a password=geheim", "password is given twice"},
	};
	struct arena strings = {0};
	struct database d;
	char why[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    database_parse("a", cases[i].text, &strings, &d, why, sizeof(why)),
		    -EINVAL);
		if (!strstr(why, cases[i].why) || strstr(why, "geheim"))
			fail_msg("%s: %s", cases[i].text, why);
	}
	/* Behind a key that is known names are shown again. */
	assert_int_equal(database_parse("a", "password=p host=h hots=x", &strings, &d,
					why, sizeof(why)),
			 -EINVAL);
	assert_string_equal(why, "unknown key \"hots\"; did you mean \"host\"?");
	arena_fini(&strings);
}

static void all_that_is_wrong_is_told(void **state)
{
	struct arena strings = {0};
	struct database d;
	char why[512];

	(void)state;
	assert_int_equal(database_parse("a", "port=x hots=y pool_size=1 user='z",
					&strings, &d, why, sizeof(why)),
			 -EINVAL);
	assert_string_equal(why,
			    "port: \"x\" is not a whole number; unknown key \"hots\"; "
			    "did you mean \"host\"?; \"user\" has a quoted value "
			    "without an end");
	arena_fini(&strings);
}

/* The reasons fill whatever room there is, and no more. */
static void much_that_is_wrong_fits_in_little_room(void **state)
{
	struct arena strings = {0};
	struct database d;
	char text[2000] = "";

	(void)state;
	for (int i = 0; i < 100; i++)
		snprintf(text + 7 * i, sizeof(text) - 7 * (size_t)i, "hots=y ");
	for (size_t cap = 1; cap < 600; cap++) {
		char *why = malloc(cap);

		assert_non_null(why);
		assert_int_equal(database_parse("a", text, &strings, &d, why, cap),
				 -EINVAL);
		assert_true(strlen(why) < cap);
		free(why);
	}
	arena_fini(&strings);
}

static void reserved_empty_and_long_names_are_refused(void **state)
{
	static const struct {
		const char *name, *why;
	} cases[] = {
	    {"pooler", "is that of the console"},
	    {"pgbouncer", "is that of the console"},
	    {"", "needs a name"},
	    {TEN TEN TEN TEN TEN TEN "aaaa", "longer than 63 bytes"},
	};
	struct arena strings = {0};
	struct database d;
	char why[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    database_parse(cases[i].name, "", &strings, &d, why, sizeof(why)),
		    -EINVAL);
		assert_non_null(strstr(why, cases[i].why));
	}
	parse(&strings, "Pooler", "", &d);
	parse(&strings, cases[3].name + 1, "", &d);
	assert_int_equal(strlen(d.name), 63);
	arena_fini(&strings);
}

static void the_fallback_has_no_name_on_the_server_unless_given(void **state)
{
	struct arena strings = {0};
	struct database d;

	(void)state;
	parse(&strings, "*", "host=h", &d);
	assert_true(database_is_fallback(&d));
	assert_string_equal(d.dbname, "");
	parse(&strings, "*", "host=h dbname=x", &d);
	assert_string_equal(d.dbname, "x");
	arena_fini(&strings);
}

static void a_target_differs_in_where_and_how_not_in_limits(void **state)
{
	static const struct {
		const char *text;
		bool differs;
	} cases[] = {
	    {"host=h", false},
	    {"host=h pool_size=7 query_timeout=3 pool_mode=statement", false},
	    {"host=h dbname=a port=5432", false},
	    {"host=g", true},
	    {"", true},
	    {"host=h port=5433", true},
	    {"host=h dbname=b", true},
	    {"host=h user=joe", true},
	    {"host=h connect_query=x", true},
	    {"host=h client_encoding=x", true},
	    {"host=h datestyle=x", true},
	    {"host=h timezone=x", true},
	    {"host=h application_name=x", true},
	    {"host=h password=x", false},
	    {"host=h auth_user=x auth_query=x auth_dbname=x", false},
	    {"host=h tls_sslmode=require", false},
	};
	struct arena strings = {0};
	struct database a, b;

	(void)state;
	parse(&strings, "a", "host=h", &a);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		parse(&strings, "a", cases[i].text, &b);
		assert_int_equal(database_target_differs(&a, &b), cases[i].differs);
		assert_int_equal(database_target_differs(&b, &a), cases[i].differs);
	}
	arena_fini(&strings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_empty_string_means_the_same_name_at_the_default_place),
	    cmocka_unit_test(every_key_is_taken),
	    cmocka_unit_test(values_may_be_quoted),
	    cmocka_unit_test(hosts_may_be_names_addresses_and_sockets),
	    cmocka_unit_test(bad_strings_are_refused),
	    cmocka_unit_test(no_part_of_a_password_is_told),
	    cmocka_unit_test(all_that_is_wrong_is_told),
	    cmocka_unit_test(much_that_is_wrong_fits_in_little_room),
	    cmocka_unit_test(reserved_empty_and_long_names_are_refused),
	    cmocka_unit_test(the_fallback_has_no_name_on_the_server_unless_given),
	    cmocka_unit_test(a_target_differs_in_where_and_how_not_in_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
