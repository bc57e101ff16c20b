/*
 * The table of settings, and values as people write them.
 */
#include "fixture.h"

#include <errno.h>

#include "config/arena.h"
#include "config/settings.h"

struct settings_fixture {
	struct settings settings;
	struct arena strings;
	char why[512];
};

static int begin(void **state)
{
	struct settings_fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	settings_init(&f->settings);
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct settings_fixture *f = *state;

	arena_fini(&f->strings);
	free(f);
	return 0;
}

static int set(struct settings_fixture *f, const char *name, const char *value)
{
	int i = settings_find(name);

	assert_true(i >= 0);
	return settings_set(&f->settings, (size_t)i, value, &f->strings, f->why,
			    sizeof(f->why));
}

static void every_default_prints_as_the_table_writes_it(void **state)
{
	struct settings_fixture *f = *state;
	char text[SETTING_VALUE_MAX + 1];

	for (size_t i = 0; i < settings_count(); i++) {
		struct settings_info info = settings_info(i);

		if (info.default_text)
			assert_string_equal(
			    settings_print(&f->settings, i, text, sizeof(text)),
			    info.default_text);
	}
}

static void every_row_has_a_name_of_its_own_and_one_sentence(void **state)
{
	static const char *const names[] = {
#define SETTING(name, ...) #name,
#include "config/settings.def"
#undef SETTING
	};

	(void)state;
	assert_int_equal(settings_count(), sizeof(names) / sizeof(names[0]));
	for (size_t i = 0; i < settings_count(); i++) {
		struct settings_info info = settings_info(i);
		size_t len = strlen(info.sentence);

		assert_string_equal(info.name, names[i]);
		assert_int_equal(settings_find(names[i]), i);
		assert_true(len > 10);
		assert_int_equal(info.sentence[len - 1], '.');
		assert_null(strstr(info.sentence, ". "));
	}
}

static void what_has_no_default_is_empty(void **state)
{
	struct settings_fixture *f = *state;

	for (size_t i = 0; i < settings_count(); i++) {
		struct settings_info info = settings_info(i);

		if (!info.default_text)
			assert_string_equal(info.name, "user");
	}
	assert_string_equal(f->settings.user, "");
}

static void defaults_are_those_people_know(void **state)
{
	const struct settings *s = &((struct settings_fixture *)*state)->settings;

	assert_int_equal(s->listen_port, 6432);
	assert_string_equal(s->unix_socket_dir, "/tmp");
	assert_int_equal(s->unix_socket_mode, 0777);
	assert_int_equal(s->pool_mode, POOL_MODE_SESSION);
	assert_int_equal(s->max_client_conn, 100);
	assert_int_equal(s->default_pool_size, 20);
	assert_int_equal(s->max_queue, 1000);
	assert_int_equal(s->server_lifetime, 3600 * 1000000ULL);
	assert_int_equal(s->query_wait_timeout, 120 * 1000000ULL);
	assert_int_equal(s->max_packet_size, 2147483647);
	assert_string_equal(s->server_reset_query, "DISCARD ALL");
	assert_string_equal(s->server_check_query, "<empty>");
	assert_true(s->tcp_keepalive);
	assert_int_equal(s->auth_type, AUTH_TYPE_MD5);
	assert_string_equal(s->auth_user, "");
	assert_non_null(strstr(s->auth_query, "WHERE rolname=$1 AND rolcanlogin"));
	assert_string_equal(s->auth_pam_service, "pooler");
	assert_int_equal(s->auth_cache_ttl, 0);
	assert_int_equal(s->auth_failure_limit, 10);
	assert_int_equal(s->auth_failure_window, 150 * 1000000ULL);
	assert_int_equal(s->auth_failure_block, 120 * 1000000ULL);
	assert_int_equal(s->client_tls_sslmode, TLS_MODE_DISABLE);
	assert_int_equal(s->server_tls_sslmode, TLS_MODE_PREFER);
	assert_int_equal(s->server_tls_sslnegotiation, SSLNEGOTIATION_POSTGRES);
	assert_string_equal(s->client_tls_dheparams, "auto");
}

static void names_are_found_in_any_case_and_only_whole(void **state)
{
	(void)state;
	assert_int_equal(settings_find("LISTEN_Port"), settings_find("listen_port"));
	assert_int_equal(settings_find("listen_por"), SETTING_NONE);
	assert_int_equal(settings_find(""), SETTING_NONE);
}

static void good_values_are_taken(void **state)
{
	/* As printed afterwards. */
	static const struct {
		const char *name, *value, *printed;
	} cases[] = {
	    {"query_timeout", "30", "30"},
	    {"query_timeout", "0.5", "0.5"},
	    {"query_timeout", "30s", "30"},
	    {"query_timeout", "5min", "300"},
	    {"query_timeout", "5 min", "300"},
	    {"query_timeout", "2h", "7200"},
	    {"query_timeout", "1d", "86400"},
	    {"query_timeout", "250ms", "0.25"},
	    {"query_timeout", "7us", "0.000007"},
	    {"query_timeout", "0", "0"},
	    {"query_timeout", "315360000", "315360000"},
	    {"stats_period", "1", "1"},
	    {"tcp_user_timeout", "1500", "1500"},
	    {"tcp_user_timeout", "2s", "2000"},
	    {"tcp_user_timeout", "0.5ms", "0.5"},
	    {"max_packet_size", "64kB", "65536"},
	    {"max_packet_size", "1MB", "1048576"},
	    {"max_packet_size", "1024", "1024"},
	    {"max_packet_size", "2147483647", "2147483647"},
	    {"tcp_socket_buffer", "1GB", "1073741824"},
	    {"syslog", "on", "1"},
	    {"syslog", "OFF", "0"},
	    {"syslog", "yes", "1"},
	    {"syslog", "No", "0"},
	    {"syslog", "true", "1"},
	    {"syslog", "false", "0"},
	    {"syslog", "1", "1"},
	    {"syslog", "0", "0"},
	    {"listen_port", "1", "1"},
	    {"listen_port", "65535", "65535"},
	    {"listen_port", "0x10", "16"},
	    {"max_queue", "-1", "-1"},
	    {"max_queue", "0", "0"},
	    {"max_client_conn", "2147483647", "2147483647"},
	    {"unix_socket_mode", "0700", "0700"},
	    {"unix_socket_mode", "0", "0000"},
	    {"unix_socket_mode", "07", "0007"},
	    {"pool_mode", "transaction", "transaction"},
	    {"pool_mode", "STATEMENT", "statement"},
	    {"auth_type", "any", "any"},
	    {"auth_type", "Trust", "trust"},
	    {"auth_type", "plain", "plain"},
	    {"auth_type", "MD5", "md5"},
	    {"auth_type", "SCRAM-SHA-256", "scram-sha-256"},
	    {"auth_type", "cert", "cert"},
	    {"auth_type", "peer", "peer"},
	    {"auth_type", "hba", "hba"},
	    {"auth_type", "pam", "pam"},
	    {"auth_type", "ldap", "ldap"},
	    {"client_tls_sslmode", "disable", "disable"},
	    {"client_tls_sslmode", "allow", "allow"},
	    {"client_tls_sslmode", "Prefer", "prefer"},
	    {"client_tls_sslmode", "require", "require"},
	    {"server_tls_sslmode", "verify-ca", "verify-ca"},
	    {"server_tls_sslmode", "VERIFY-FULL", "verify-full"},
	    {"server_tls_sslnegotiation", "Direct", "direct"},
	    {"server_tls_sslnegotiation", "postgres", "postgres"},
	    {"client_tls_dheparams", "None", "none"},
	    {"client_tls_dheparams", "auto", "auto"},
	    {"auth_failure_limit", "0", "0"},
	    {"auth_failure_limit", "1000", "1000"},
	    {"auth_failure_block", "10min", "600"},
	    {"auth_threads", "64", "64"},
	    {"auth_thread_queue", "10000", "10000"},
	    {"max_logins", "2147483647", "2147483647"},
	    {"auth_query", "select $1, 'x'", "select $1, 'x'"},
	    {"syslog_facility", "local7", "local7"},
	    {"admin_users", " a, b\t", "a, b"},
	    {"server_reset_query", "", ""},
	    {"server_check_query", "select ';' # x", "select ';' # x"},
	};
	struct settings_fixture *f = *state;
	char text[SETTING_VALUE_MAX + 1];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(set(f, cases[i].name, cases[i].value), 0);
		size_t row = (size_t)settings_find(cases[i].name);
		assert_string_equal(settings_print(&f->settings, row, text, sizeof(text)),
				    cases[i].printed);
		/* And what is printed is taken again. */
		assert_int_equal(set(f, cases[i].name, text), 0);
		assert_string_equal(settings_print(&f->settings, row, text, sizeof(text)),
				    cases[i].printed);
	}
}

static void bad_values_are_refused_and_nothing_changes(void **state)
{
	static const struct {
		const char *name, *value, *why;
	} cases[] = {
	    {"query_timeout", "-1", "\"-1\" is not a duration"},
	    {"query_timeout", "", "\"\" is not a duration"},
	    {"query_timeout", "5 parsecs", "\"5 parsecs\" is not a duration"},
	    {"query_timeout", "1e3", "not a duration"},
	    {"query_timeout", "nan", "not a duration"},
	    {"query_timeout", "inf", "not a duration"},
	    {"query_timeout", "315360001", "is out of range: 0s to 315360000s"},
	    {"query_timeout", "99999999999999999999d", "not a duration"},
	    {"stats_period", "0", "out of range: 1s"},
	    {"tcp_user_timeout", "x", "(without a unit: ms)"},
	    {"tcp_user_timeout", "365d", "out of range: 0ms to 2147483647ms"},
	    {"max_packet_size", "1023", "out of range: 1024 to 2147483647 bytes"},
	    {"max_packet_size", "2GB", "out of range"},
	    {"max_packet_size", "1.5", "is not a size, such as"},
	    {"max_packet_size", "64KiB", "is not a size"},
	    {"syslog", "2", "\"2\" is neither on nor off"},
	    {"syslog", "", "neither on nor off"},
	    {"listen_port", "0", "\"0\" is out of range: 1 to 65535 are possible"},
	    {"listen_port", "65536", "out of range"},
	    {"listen_port", "6432x", "\"6432x\" is not a whole number"},
	    {"listen_port", "", "not a whole number"},
	    {"listen_port", "1.5", "not a whole number"},
	    {"listen_port", "99999999999999999999", "not a whole number"},
	    {"max_queue", "-2", "out of range: -1 to"},
	    {"unix_socket_mode", "700", "\"700\" is not a mode: write it in octal"},
	    {"unix_socket_mode", "01777", "not a mode"},
	    {"unix_socket_mode", "0999", "not a mode"},
	    {"unix_socket_mode", "-0700", "not a mode"},
	    {"pool_mode", "transactoin",
	     "is none of session, transaction, statement; did you mean \"transaction\"?"},
	    {"pool_mode", "", "is none of session, transaction, statement"},
	    {"auth_type", "md55",
	     "\"md55\" is none of any, trust, plain, md5, scram-sha-256, cert, peer, "
	     "hba, "
	     "pam, ldap; did you mean \"md5\"?"},
	    {"auth_type", "scram", "\"scram\" is none of"},
	    {"client_tls_sslmode", "verify_ca",
	     "is none of disable, allow, prefer, require, verify-ca, verify-full; did "
	     "you "
	     "mean \"verify-ca\"?"},
	    {"server_tls_sslmode", "on", "is none of disable, allow"},
	    {"server_tls_sslnegotiation", "yes", "is none of postgres, direct"},
	    {"client_tls_dheparams", "legacy",
	     "\"legacy\" is not supported: its groups have 1024 bits"},
	    {"client_tls_dheparams", "2048", "is none of auto, none"},
	    {"auth_failure_limit", "-1", "out of range: 0 to 1000"},
	    {"auth_failure_limit", "1001", "out of range: 0 to 1000"},
	    {"auth_failure_window", "0", "out of range: 1s"},
	    {"auth_failure_block", "0.5", "out of range: 1s"},
	    {"auth_threads", "0", "out of range: 1 to 64"},
	    {"auth_threads", "65", "out of range: 1 to 64"},
	    {"auth_thread_queue", "0", "out of range: 1 to 10000"},
	    {"auth_thread_queue", "10001", "out of range: 1 to 10000"},
	    {"max_logins", "0", "out of range: 1 to"},
	    {"auth_ldap_options", "ldapserver=h ldapbindpasswd=********",
	     "******** stands for a password that was not printed"},
	    {"auth_type", "trsut", "did you mean \"trust\"?"},
	    {"syslog_facility", "kernel", "\"kernel\" is no syslog facility"},
	    {"admin_users", "a\nb", "the value has a control character"},
	    {"admin_users", "a\x7f", "the value has a control character"},
	};
	struct settings_fixture *f = *state;
	char text[SETTING_VALUE_MAX + 1], after[SETTING_VALUE_MAX + 1];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t row = (size_t)settings_find(cases[i].name);

		settings_print(&f->settings, row, text, sizeof(text));
		assert_int_equal(set(f, cases[i].name, cases[i].value), -EINVAL);
		if (!strstr(f->why, cases[i].why))
			fail_msg("%s = %s: %s", cases[i].name, cases[i].value, f->why);
		assert_string_equal(
		    settings_print(&f->settings, row, after, sizeof(after)), text);
	}
}

static void reasons_show_only_printable_bytes_and_not_too_many(void **state)
{
	struct settings_fixture *f = *state;
	char value[5000];

	assert_int_equal(set(f, "listen_port", "\x1b[2J"), -EINVAL);
	assert_string_equal(f->why, "\"\\x1b[2J\" is not a whole number");
	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	assert_int_equal(set(f, "listen_port", value), -EINVAL);
	assert_true(strlen(f->why) < 200);
	assert_non_null(strstr(f->why, "...\" is not a whole number"));
}

static void options_for_ldap_are_printed_without_their_password(void **state)
{
	static const struct {
		const char *value, *printed;
	} cases[] = {
	    {"ldapserver=h ldapport=389", "ldapserver=h ldapport=389"},
	    {"ldapserver=h ldapbindpasswd=geheim",
	     "ldapserver=h ldapbindpasswd=********"},
	    {"ldapbindpasswd=geheim ldaptls=1", "ldapbindpasswd=******** ldaptls=1"},
	    {"LDAPBindPasswd=geheim", "LDAPBindPasswd=********"},
	    {"ldapbindpasswd=\"ge heim\" ldaptls=1",
	     "ldapbindpasswd=\"********\" ldaptls=1"},
	    {"\"ldapbindpasswd=ge heim\" ldaptls=1",
	     "\"ldapbindpasswd=********\" ldaptls=1"},
	    {"ldapbindpasswd=\"ge\"\" heim\" ldaptls=1",
	     "ldapbindpasswd=\"********\" ldaptls=1"},
	    {"ldapbindpasswd=ge\" \"heim ldaptls=1", "ldapbindpasswd=******** ldaptls=1"},
	    {"ldap\"bindpasswd=ge heim\" ldaptls=1",
	     "ldap\"bindpasswd=********\" ldaptls=1"},
	    {"ldapserver=h,ldapbindpasswd=ge,heim",
	     "ldapserver=h,ldapbindpasswd=********"},
	    {"ldapbindpasswd = geheim ldaptls=1", "ldapbindpasswd = ******** ldaptls=1"},
	    {"ldapbindpasswd=\"ge heim", "ldapbindpasswd=\"********\""},
	    {"ldapbindpasswd=geheim ldapbindpasswd=heim",
	     "ldapbindpasswd=******** ldapbindpasswd=********"},
	    {"ldapbindpasswd", "ldapbindpasswd"},
	    {"ldapprefix=\"cn= ldapbindpasswd=x\"",
	     "ldapprefix=\"cn= ldapbindpasswd=x\""},
	    {"ldapurl=\"ldap://h/dc=a?uid?sub\"", "ldapurl=\"ldap://h/dc=a?uid?sub\""},
	};
	struct settings_fixture *f = *state;
	size_t row = (size_t)settings_find("auth_ldap_options");
	char text[SETTING_PRINTED_MAX + 1];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(set(f, "auth_ldap_options", cases[i].value), 0);
		assert_string_equal(f->settings.auth_ldap_options, cases[i].value);
		assert_string_equal(settings_print(&f->settings, row, text, sizeof(text)),
				    cases[i].printed);
		/* What was printed for a password is not taken for one. */
		assert_int_equal(set(f, "auth_ldap_options", text),
				 strstr(text, SECRET_SHOWN) ? -EINVAL : 0);
	}
}

/* However many passwords there are, nothing is cut off or written beyond the room. */
static void the_longest_options_for_ldap_are_printed_whole(void **state)
{
	static const char one[] = "ldapbindpasswd= ";
	struct settings_fixture *f = *state;
	size_t row = (size_t)settings_find("auth_ldap_options");
	char value[SETTING_VALUE_MAX + 1] = "", *text = malloc(SETTING_PRINTED_MAX + 1);

	assert_non_null(text);
	for (size_t at = 0; at + sizeof(one) < sizeof(value); at += sizeof(one) - 1)
		memcpy(value + at, one, sizeof(one));
	assert_int_equal(set(f, "auth_ldap_options", value), 0);
	settings_print(&f->settings, row, text, SETTING_PRINTED_MAX + 1);
	assert_true(strlen(text) < SETTING_PRINTED_MAX);
	assert_int_equal(strspn(text, "ldapbinsw=* "), strlen(text));
	/* And little room is not exceeded. */
	for (size_t cap = 1; cap < 60; cap++) {
		char *little = malloc(cap);

		assert_non_null(little);
		settings_print(&f->settings, row, little, cap);
		assert_int_equal(strlen(little), cap - 1);
		assert_int_equal(strncmp(little, text, cap - 1), 0);
		free(little);
	}
	free(text);
}

static void texts_have_a_limit(void **state)
{
	struct settings_fixture *f = *state;
	char value[SETTING_VALUE_MAX + 2];

	memset(value, 'x', sizeof(value));
	value[SETTING_VALUE_MAX + 1] = '\0';
	assert_int_equal(set(f, "admin_users", value), -EINVAL);
	assert_string_equal(f->why, "the value is longer than 4096 bytes");
	value[SETTING_VALUE_MAX] = '\0';
	assert_int_equal(set(f, "admin_users", value), 0);
	assert_string_equal(f->settings.admin_users, value);
}

/* A value for each kind of setting that is not its default. */
static void set_something_else(struct settings_fixture *f, size_t i)
{
	static const char *const values[] = {
	    "other", "local3", "7",     "0123",    "1025",   "statement", "1",
	    "0",     "any",    "none",  "require", "direct", "error",     "low",
	    "log",   "codel",  "close", "low=7",   "x=high"};
	struct settings before = f->settings;

	for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
		settings_set(&f->settings, i, values[v], &f->strings, f->why,
			     sizeof(f->why));
		if (!settings_same(&before, &f->settings, i))
			return;
	}
	fail_msg("%s cannot be changed", settings_info(i).name);
}

static void every_field_is_compared_and_copied(void **state)
{
	struct settings_fixture *f = *state;
	struct settings other;

	settings_init(&other);
	for (size_t i = 0; i < settings_count(); i++) {
		assert_true(settings_same(&other, &f->settings, i));
		set_something_else(f, i);
		for (size_t j = i + 1; j < settings_count(); j++)
			assert_true(settings_same(&other, &f->settings, j));
		assert_int_equal(settings_copy(&other, &f->settings, i, &f->strings), 0);
		assert_true(settings_same(&other, &f->settings, i));
	}
}

int main(void)
{
#define SETTINGS_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
	    SETTINGS_TEST(every_default_prints_as_the_table_writes_it),
	    SETTINGS_TEST(every_row_has_a_name_of_its_own_and_one_sentence),
	    SETTINGS_TEST(what_has_no_default_is_empty),
	    SETTINGS_TEST(defaults_are_those_people_know),
	    SETTINGS_TEST(names_are_found_in_any_case_and_only_whole),
	    SETTINGS_TEST(good_values_are_taken),
	    SETTINGS_TEST(bad_values_are_refused_and_nothing_changes),
	    SETTINGS_TEST(reasons_show_only_printable_bytes_and_not_too_many),
	    SETTINGS_TEST(options_for_ldap_are_printed_without_their_password),
	    SETTINGS_TEST(the_longest_options_for_ldap_are_printed_whole),
	    SETTINGS_TEST(texts_have_a_limit),
	    SETTINGS_TEST(every_field_is_compared_and_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
