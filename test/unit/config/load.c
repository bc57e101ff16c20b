/*
 * Whole files: what is wrong with them in one go, what is merely odd, what is printed and
 * read again, and how much a large one costs.
 */
#include "fixture.h"

#include <malloc.h>
#include <sys/stat.h>
#include <time.h>

static void expect_refused(struct fixture *f, const char *text)
{
	put("bad.ini", text);
	assert_null(config_load("bad.ini", &f->errors));
	assert_true(f->errors.errors > 0);
}

static void all_errors_are_told_in_one_go_with_their_lines(void **state)
{
	struct fixture *f = *state;

	put("more.ini", "default_pool_size = many\n");
	expect_refused(f, "early = 1\n"
			  "[pooler]\n"
			  "listen_adr = *\n"
			  "listen_port = 0\n"
			  "sbuf_loopcnt = 5\n"
			  "something_else = 1\n"
			  "%include more.ini\n"
			  "%include none.ini\n"
			  "no equals sign\n"
			  "[databses]\n"
			  "skipped = what=ever\n"
			  "[databases]\n"
			  "pooler = host=h\n"
			  "a = host=h prt=1\n"
			  "[users]\n"
			  "u = min_pool_size=1\n"
			  "[peers]\n"
			  "1 = host=h\n");
	EXPECT_LINES(
	    f, "bad.ini:1: this stands before any section; the first is usually [pooler]",
	    "bad.ini:3: unknown setting \"listen_adr\"; did you mean \"listen_addr\"?",
	    "bad.ini:4: listen_port: \"0\" is out of range: 1 to 65535 are possible",
	    "bad.ini:5: setting \"sbuf_loopcnt\" is not supported by this version",
	    "bad.ini:6: unknown setting \"something_else\"",
	    "more.ini:1: default_pool_size: \"many\" is not a whole number",
	    "bad.ini:8: cannot include none.ini: No such file or directory",
	    "bad.ini:9: this is no \"name = value\": there is no '='",
	    "bad.ini:10: unknown section \"databses\"; did you mean \"databases\"?",
	    "bad.ini:13: database \"pooler\": the name is that of the console and cannot "
	    "be "
	    "used",
	    "bad.ini:14: database \"a\": unknown key \"prt\"; did you mean \"port\"?",
	    "bad.ini:16: user \"u\": unknown key \"min_pool_size\"; did you mean "
	    "\"pool_size\"?",
	    "bad.ini:17: section \"peers\" is not supported by this version",
	    "bad.ini: warning: nobody can log in: auth_type is md5, but there is neither "
	    "auth_file nor auth_user");
	assert_int_equal(f->errors.errors, 13);
	assert_int_equal(f->errors.warnings, 1);
}

static void a_file_that_cannot_be_read_is_one_error(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdir("dir", 0700), 0);
	assert_null(config_load("none.ini", &f->errors));
	assert_null(config_load("dir", &f->errors));
	EXPECT_LINES(f, "none.ini: cannot be read: No such file or directory",
		     "dir: cannot be read: it is a directory");
}

static void a_file_without_the_main_section_is_refused(void **state)
{
	struct fixture *f = *state;

	expect_refused(f, "");
	expect_refused(f, "[databases]\na =\n");
	EXPECT_LINES(f, "bad.ini: there is no [pooler] section",
		     "bad.ini: there is no [pooler] section");
}

static void the_main_section_has_two_names_in_any_case(void **state)
{
	static const char *const heads[] = {"[pooler]", "[pgbouncer]", "[ PgBouncer ]",
					    "[POOLER]"};
	char text[200];

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		snprintf(text, sizeof(text), "%s\nauth_type = any\nlisten_port = 77\n",
			 heads[i]);
		const struct config *c = load_text(*state, text);
		assert_int_equal(c->settings.listen_port, 77);
		assert_int_equal(c->settings.auth_type, AUTH_TYPE_ANY);
		config_unref(c);
	}
}

static void sections_may_come_in_pieces_and_any_order(void **state)
{
	const struct config *c =
	    load_text(*state, "[users]\nu = pool_size=1\n[databases]\na =\n" HEAD
			      "[databases]\nb =\n[pooler]\nlisten_port = 5\n");

	assert_int_equal(config_database_count(c), 2);
	assert_int_equal(config_user_count(c), 1);
	assert_int_equal(c->settings.listen_port, 5);
	config_unref(c);
}

static void the_last_word_counts_and_the_others_are_told(void **state)
{
	struct fixture *f = *state;

	put("over.ini", "listen_port = 3\n[databases]\na = host=three\n[users]\nu =\n");
	const struct config *c = load_text(
	    f, HEAD "listen_port = 1\nlisten_port = 2\n[databases]\na = host=one\n* =\n"
		    "a = host=two\n* = host=x\n[users]\nu = pool_size=1\n[pooler]\n"
		    "%include over.ini\n");

	assert_int_equal(c->settings.listen_port, 3);
	assert_string_equal(config_database(c, slice_of_text("a"))->host, "three");
	assert_string_equal(config_database(c, slice_of_text("a"))->name, "a");
	assert_string_equal(config_fallback(c)->host, "x");
	assert_int_equal(config_database_count(c), 1);
	assert_int_equal(config_user_at(c, 0)->over.set, 0);
	EXPECT_LINES(
	    f,
	    "good.ini:4: warning: this setting was given in line 3 already; the last one "
	    "counts",
	    "good.ini:8: warning: this database was given in line 6 already; the last "
	    "one "
	    "counts",
	    "good.ini:9: warning: this database was given in line 7 already; the last "
	    "one "
	    "counts");
	config_unref(c);
}

static void what_contradicts_itself_is_refused(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
	    {"unix_socket_dir =\n",
	     "bad.ini:4: there is nowhere to listen: listen_addr and unix_socket_dir are "
	     "both empty"},
	    {"listen_addr = , \nunix_socket_dir =\n",
	     "bad.ini:5: there is nowhere to listen"},
	    {"admin_port = 6433\nadmin_listen_addr =\n",
	     "bad.ini:5: admin_port is set, but admin_listen_addr is empty"},
	    {"admin_port = 6432\nlisten_addr = 127.0.0.1\n",
	     "bad.ini:4: admin_port and listen_port are both 6432 on the same address"},
	    {"admin_port = 6432\nlisten_addr = *\n",
	     "bad.ini:4: admin_port and listen_port"},
	    {"admin_port = 6432\nlisten_addr = ::1\nadmin_listen_addr = *\n",
	     "bad.ini:4: admin_port and listen_port"},
	    {"admin_port = 6432\nlisten_addr = 0.0.0.0\n",
	     "bad.ini:4: admin_port and listen_port"},
	    {"admin_port = 6432\nlisten_addr = ::\nadmin_listen_addr = ::1\n",
	     "bad.ini:4: admin_port and listen_port"},
	    {"admin_port = 6432\nlisten_addr = 10.1.1.1, ::1\n"
	     "admin_listen_addr=127.0.0.1,::1\n",
	     "bad.ini:4: admin_port and listen_port"},
	    {"unix_socket_dir = "
	     "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	     "aaa"
	     "aaaaaaaaaaaaaaa\n",
	     "bad.ini:4: unix_socket_dir is too long for the name of a Unix socket: at "
	     "most "
	     "92 bytes"},
	};
	struct fixture *f = *state;
	char text[400], line[1000];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), HEAD "; line 3\n%s[databases]\na =\n",
			 cases[i].text);
		expect_refused(f, text);
		assert_int_equal(f->errors.count, 1);
		if (strncmp(error_line(f, 0, line), cases[i].expected,
			    strlen(cases[i].expected)) != 0)
			fail_msg("%s, not %s", line, cases[i].expected);
		config_errors_fini(&f->errors);
	}
}

static void what_does_not_contradict_itself_is_taken(void **state)
{
	static const char *const cases[] = {
	    "admin_port = 6432\n",
	    "admin_port = 6432\nlisten_addr = 10.1.1.1\n",
	    "admin_port = 6432\nlisten_addr = ::\n",
	    "admin_port = 6433\nlisten_addr = *\n",
	    "unix_socket_dir =\nlisten_addr = 127.0.0.1\n",
	    "unix_socket_dir = @abstract\n",
	};
	char text[400];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), HEAD "%s[databases]\na =\n", cases[i]);
		config_unref(load_text(*state, text));
	}
}

static void what_is_hardly_meant_is_a_warning(void **state)
{
	struct fixture *f = *state;

	config_unref(load_text(
	    f, "[pooler]\nauth_type = any\nmin_pool_size = 21\nmax_client_conn = 0\n"
	       "reserve_pool_size = 1\nreserve_pool_timeout = 0\n"
	       "[databases]\na = user=u\nb = min_pool_size=5 pool_size=4 user=u\nc =\n* "
	       "=\n"));
	EXPECT_LINES(
	    f,
	    "good.ini:3: warning: min_pool_size is more than default_pool_size: pools "
	    "keep "
	    "20 servers",
	    "good.ini:6: warning: reserve_pool_timeout is 0: the reserve is never used",
	    "good.ini:4: warning: max_client_conn is 0: no client gets in",
	    "good.ini:9: warning: database \"b\": min_pool_size is more than pool_size: "
	    "its "
	    "pools keep 4 servers",
	    "good.ini:2: warning: auth_type any needs user= in each database; 2 have "
	    "none, "
	    "the first is \"c\"");
}

static void a_file_without_databases_is_good_for_the_console(void **state)
{
	struct fixture *f = *state;

	config_unref(load_text(f, HEAD));
	EXPECT_LINES(
	    f,
	    "good.ini: warning: there are no databases: only the console can be reached");
}

/* ---- reload ---- */

static void a_reload_keeps_what_takes_effect_at_start(void **state)
{
	struct fixture *f = *state;
	const struct config *a = load_text(
	    f, HEAD "listen_port = 1\nunix_socket_dir = /a\n[databases]\nx =\n");

	put("new.ini", HEAD "listen_port = 2\nunix_socket_dir = /b\nmax_queue = 7\n"
			    "[databases]\ny =\n");
	const struct config *b = config_reload(a, "new.ini", &f->errors);
	assert_non_null(b);
	config_unref(a);
	assert_int_equal(b->settings.listen_port, 1);
	assert_string_equal(b->settings.unix_socket_dir, "/a");
	assert_int_equal(b->settings.max_queue, 7);
	assert_non_null(config_database(b, slice_of_text("y")));
	EXPECT_LINES(
	    f,
	    "new.ini: warning: the change of listen_port takes effect at the next start",
	    "new.ini: warning: the change of unix_socket_dir takes effect at the next "
	    "start");
	config_unref(b);
}

static void a_reload_of_a_bad_file_gives_nothing(void **state)
{
	struct fixture *f = *state;
	const struct config *a = load_text(f, HEAD "listen_port = 1\n[databases]\nx =\n");

	put("new.ini", HEAD "listen_port = 2\nx = y\n[databases]\ny =\n");
	assert_null(config_reload(a, "new.ini", &f->errors));
	EXPECT_LINES(f, "new.ini:4: unknown setting \"x\"");
	assert_int_equal(a->settings.listen_port, 1);
	config_unref(a);
}

/* ---- printing ---- */

static char *print(const struct config *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	config_print(c, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void expect_same_settings(const struct config *a, const struct config *b)
{
	for (size_t i = 0; i < settings_count(); i++)
		assert_true(settings_same(&a->settings, &b->settings, i));
}

static void expect_same_databases(const struct config *a, const struct config *b)
{
	assert_int_equal(config_database_count(a), config_database_count(b));
	for (size_t i = 0; i < config_database_count(a); i++) {
		const struct database *x = config_database_at(a, i);
		const struct database *y = config_database_at(b, i);

		assert_string_equal(x->name, y->name);
		assert_false(database_target_differs(x, y));
		assert_memory_equal(&x->over, &y->over, sizeof(x->over));
		assert_true(server_tls_same(&x->tls, &y->tls));
		assert_int_equal(x->tls_own, y->tls_own);
		assert_string_equal(x->auth_user, y->auth_user);
		assert_string_equal(x->auth_query, y->auth_query);
		assert_string_equal(x->auth_dbname, y->auth_dbname);
	}
}

static void what_is_printed_loads_to_the_same(void **state)
{
	struct fixture *f = *state;
	const struct config *a = load_text(
	    f, HEAD
	    "listen_addr = *, ::1\nquery_timeout = 250ms\ntcp_user_timeout = 1.5s\n"
	    "unix_socket_mode = 0700\nmax_packet_size = 64kB\nuser = joe\n"
	    "server_check_query = select ';'; -- # 'x'\nmax_queue = -1\n"
	    "pool_mode = transaction\nserver_reset_query =\n"
	    "auth_type = hba\nauth_hba_file = /a b\nserver_tls_sslmode = require\n"
	    "auth_ldap_options = ldapurl=\"ldap://h/x?y\"\n"
	    "[databases]\na =\n'it''s' = connect_query='select ''x''  y' user='my user'\n"
	    "\"d\"\"q\" = host=@abstract port=77 pool_mode=statement max_queue=-1\n"
	    "b:c = client_encoding=x datestyle='a, b' timezone=z application_name='\t'\n"
	    "';;' = server_lifetime=0 reserve_pool=3 query_timeout=1us\n* = host=/tmp\n"
	    "t = host=h auth_user=x auth_query='select ''$1'', $1' auth_dbname=a "
	    "tls_sslmode=verify-ca tls_ca_file='/c a' tls13_ciphers=x\n"
	    "[users]\nu =\n'a b' = query_timeout=5 max_user_connections=3\n");
	char *text = print(a);
	const struct config *b = load_text(f, text);
	char *again = print(b);

	expect_same_settings(a, b);
	expect_same_databases(a, b);
	assert_string_equal(config_fallback(b)->host, "/tmp");
	assert_string_equal(config_fallback(b)->dbname, "");
	assert_int_equal(config_user_count(b), 2);
	assert_string_equal(again, text);
	free(text);
	free(again);
	config_unref(a);
	config_unref(b);
}

static void
passwords_are_not_printed_and_what_is_printed_for_them_not_loaded(void **state)
{
	struct fixture *f = *state;
	const struct config *a = load_text(
	    f, HEAD "auth_type = ldap\nauth_ldap_options = ldapserver=h "
		    "ldapbindpasswd=geheim\n[databases]\na = user=u password='ge heim'\n"
		    "b =\nc = user=u password=geheim\n");
	char *text = print(a);

	assert_null(strstr(text, "heim"));
	assert_string_equal(config_database_at(a, 0)->password, "ge heim");
	config_errors_fini(&f->errors);
	expect_refused(f, text);
	/* One for each. */
	assert_int_equal(f->errors.errors, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_true(f->errors.items[i].line > 1);
		assert_non_null(strstr(f->errors.items[i].text,
				       "******** stands for a password that was not "
				       "printed: write the password itself"));
	}
	free(text);
	config_unref(a);
}

/* ---- size ---- */

static void put_many(const char *path, unsigned count)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	fprintf(out, HEAD "[databases]\n");
	for (unsigned i = 0; i < count; i++)
		fprintf(out, "database%u = host=10.0.0.1 port=5432 pool_size=%u\n", i, i);
	fprintf(out, "[users]\n");
	for (unsigned i = 0; i < count; i++)
		fprintf(out, "user%u = pool_size=%u\n", i, i);
	assert_int_equal(fclose(out), 0);
}

/* CPU seconds, the least of three, so that a busy machine does not matter. */
static double time_to_load(struct fixture *f, unsigned count)
{
	double least = 1e9;

	put_many("many.ini", count);
	for (int i = 0; i < 3; i++) {
		clock_t start = clock();
		const struct config *c = config_load("many.ini", &f->errors);
		double took = (double)(clock() - start) / CLOCKS_PER_SEC;

		assert_non_null(c);
		assert_int_equal(config_database_count(c), count);
		assert_int_equal(config_user_count(c), count);
		config_unref(c);
		least = took < least ? took : least;
	}
	return least;
}

static void eight_times_the_entries_take_about_eight_times_as_long(void **state)
{
	double few = time_to_load(*state, 2500), many = time_to_load(*state, 20000);

	assert_true(many < 24 * few + 0.02);
}

static void ten_thousand_entries_are_all_found(void **state)
{
	struct fixture *f = *state;
	char name[20];

	put_many("many.ini", 10000);
	const struct config *c = config_load("many.ini", &f->errors);
	assert_non_null(c);
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "database%u", i);
		const struct database *d = config_database(c, slice_of_text(name));
		assert_non_null(d);
		assert_int_equal(d->over.pool_size, i);
		snprintf(name, sizeof(name), "user%u", i);
		const struct user_entry *u = config_user(c, slice_of_text(name));
		assert_non_null(u);
		assert_int_equal(u->over.pool_size, i);
	}
	config_unref(c);
}

#ifndef __SANITIZE_ADDRESS__
/* Under ASan mallinfo2() knows nothing. */
static void an_entry_takes_less_than_400_bytes(void **state)
{
	struct fixture *f = *state;

	put_many("many.ini", 10000);
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
	const struct config *c = config_load("many.ini", &f->errors);
	assert_non_null(c);
	size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
	assert_in_range((after - before) / 20000, 1, 400);
	config_unref(c);
	/* And all of it comes back, but for what malloc() keeps at hand as if it were in
	 * use. */
	assert_in_range(mallinfo2().uordblks + mallinfo2().hblkhd, 0,
			before + 100 * 1024);
}
#endif

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)
	const struct CMUnitTest tests[] = {
	    TEST(all_errors_are_told_in_one_go_with_their_lines),
	    TEST(a_file_that_cannot_be_read_is_one_error),
	    TEST(a_file_without_the_main_section_is_refused),
	    TEST(the_main_section_has_two_names_in_any_case),
	    TEST(sections_may_come_in_pieces_and_any_order),
	    TEST(the_last_word_counts_and_the_others_are_told),
	    TEST(what_contradicts_itself_is_refused),
	    TEST(what_does_not_contradict_itself_is_taken),
	    TEST(what_is_hardly_meant_is_a_warning),
	    TEST(a_file_without_databases_is_good_for_the_console),
	    TEST(a_reload_keeps_what_takes_effect_at_start),
	    TEST(a_reload_of_a_bad_file_gives_nothing),
	    TEST(what_is_printed_loads_to_the_same),
	    TEST(passwords_are_not_printed_and_what_is_printed_for_them_not_loaded),
	    TEST(eight_times_the_entries_take_about_eight_times_as_long),
	    TEST(ten_thousand_entries_are_all_found),
#ifndef __SANITIZE_ADDRESS__
	    TEST(an_entry_takes_less_than_400_bytes),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
