/*
 * The snapshot: its life, finding things in it, and what there can be at worst.
 */
#include "fixture.h"

static struct slice text(const char *s)
{
	return slice_of_text(s);
}

static void databases_are_found_by_their_exact_name(void **state)
{
	const struct config *c =
	    load_text(*state, HEAD "[databases]\na =\n'my db' =\n* = host=h\nb:c =\n");

	assert_string_equal(config_database(c, text("a"))->name, "a");
	assert_string_equal(config_database(c, text("my db"))->name, "my db");
	assert_string_equal(config_database(c, text("b:c"))->name, "b:c");
	assert_null(config_database(c, text("A")));
	assert_null(config_database(c, text("my")));
	assert_null(config_database(c, text("*")));
	assert_null(config_database(c, text("")));
	assert_null(config_database(c, slice_of("a\0", 2)));
	assert_string_equal(config_fallback(c)->host, "h");
	config_unref(c);
}

static void entries_come_in_the_order_of_the_file(void **state)
{
	const struct config *c = load_text(
	    *state, HEAD "[databases]\nz =\n* =\na =\nm =\n[users]\ny =\nb =\n*=\n");

	assert_int_equal(config_database_count(c), 3);
	assert_string_equal(config_database_at(c, 0)->name, "z");
	assert_string_equal(config_database_at(c, 1)->name, "a");
	assert_string_equal(config_database_at(c, 2)->name, "m");
	assert_int_equal(config_user_count(c), 3);
	assert_string_equal(config_user_at(c, 0)->name, "y");
	assert_string_equal(config_user_at(c, 2)->name, "*");
	assert_string_equal(config_user(c, text("b"))->name, "b");
	assert_null(config_user(c, text("z")));
	config_unref(c);
}

static void without_entries_nothing_is_found(void **state)
{
	const struct config *c = load_text(*state, HEAD);

	assert_null(config_fallback(c));
	assert_null(config_database(c, text("a")));
	assert_null(config_user(c, text("a")));
	assert_int_equal(config_database_count(c), 0);
	assert_int_equal(config_user_count(c), 0);
	config_unref(c);
}

static void a_snapshot_lives_as_long_as_its_last_reference(void **state)
{
	const struct config *c = load_text(*state, HEAD "[databases]\na = host=h\n");

	assert_ptr_equal(config_ref(c), c);
	config_unref(c);
	/* ASan would tell if it were gone. */
	assert_string_equal(config_database(c, text("a"))->host, "h");
	config_unref(c);
	config_unref(NULL);
}

static void lists_are_split_at_commas(void **state)
{
	(void)state;
	assert_true(config_list_has("a", text("a")));
	assert_true(config_list_has("a,b", text("b")));
	assert_true(config_list_has(" a , b ,c\t", text("a")));
	assert_true(config_list_has(" a , b ,c\t", text("b")));
	assert_true(config_list_has(" a , b ,c\t", text("c")));
	assert_true(config_list_has("my user,b", text("my user")));
	assert_true(config_list_has(",,a,", text("a")));
	assert_false(config_list_has("", text("a")));
	assert_false(config_list_has("", text("")));
	assert_false(config_list_has(" , ,", text("")));
	assert_false(config_list_has("ab", text("a")));
	assert_false(config_list_has("a", text("ab")));
	assert_false(config_list_has("A", text("a")));
	assert_false(config_list_has("a,b", text("a,b")));
}

/* ---- one setting changed ---- */

static void one_setting_can_be_changed(void **state)
{
	struct fixture *f = *state;
	const struct config *a = load_text(
	    f,
	    HEAD "admin_users = joe\nlisten_addr = 127.0.0.1\n[databases]\nx = host=h\n"
		 "[users]\nu = pool_size=1\n");
	const struct config *b =
	    config_with_setting(a, "Max_Client_Conn", " 77 ", &f->errors);

	assert_non_null(b);
	assert_int_equal(a->settings.max_client_conn, 100);
	assert_int_equal(b->settings.max_client_conn, 77);
	/* The new one needs nothing of the old. */
	config_unref(a);
	assert_string_equal(b->settings.admin_users, "joe");
	assert_string_equal(b->settings.listen_addr, "127.0.0.1");
	assert_string_equal(b->settings.server_reset_query, "DISCARD ALL");
	assert_string_equal(config_database(b, text("x"))->host, "h");
	assert_int_equal(config_user_count(b), 1);
	assert_int_equal(f->errors.count, 0);
	config_unref(b);
}

static void many_changes_one_after_the_other_do_not_pile_up(void **state)
{
	struct fixture *f = *state;
	const struct config *c = load_text(f, HEAD "[databases]\nx =\n");
	char value[20];

	for (int i = 1; i <= 1000; i++) {
		/* For these the databases are copied. */
		snprintf(value, sizeof(value), "c%d", i);
		const struct config *copied =
		    config_with_setting(c, "server_tls_ciphers", value, &f->errors);
		assert_non_null(copied);
		config_unref(c);
		c = copied;
		snprintf(value, sizeof(value), "u%d", i);
		const struct config *next =
		    config_with_setting(c, "stats_users", value, &f->errors);
		assert_non_null(next);
		config_unref(c);
		c = next;
	}
	assert_string_equal(c->settings.stats_users, "u1000");
	assert_string_equal(config_database(c, text("x"))->tls.ciphers, "c1000");
	config_unref(c);
}

static void a_change_of_what_databases_inherit_reaches_them(void **state)
{
	struct fixture *f = *state;
	const struct config *a = load_text(
	    f, HEAD "server_tls_ca_file = old\n[databases]\n"
		    "mine = host=h tls_sslmode=verify-ca tls_ca_file=own\n"
		    "theirs = host=h\n* = host=h tls_protocols=all\n[users]\nu =\n");
	const struct database *old = config_database(a, text("theirs"));
	const struct config *b =
	    config_with_setting(a, "server_tls_sslmode", "verify-full", &f->errors);

	assert_non_null(b);
	assert_int_equal(old->tls.mode, TLS_MODE_PREFER);
	const struct config *c =
	    config_with_setting(b, "server_tls_ca_file", "new", &f->errors);
	assert_non_null(c);
	config_unref(a);
	config_unref(b);
	const struct database *d = config_database(c, text("theirs"));
	assert_int_equal(d->tls.mode, TLS_MODE_VERIFY_FULL);
	assert_string_equal(d->tls.ca_file, "new");
	assert_string_equal(d->tls.protocols, "secure");
	d = config_database(c, text("mine"));
	assert_int_equal(d->tls.mode, TLS_MODE_VERIFY_CA);
	assert_string_equal(d->tls.ca_file, "own");
	d = config_fallback(c);
	assert_int_equal(d->tls.mode, TLS_MODE_VERIFY_FULL);
	assert_string_equal(d->tls.protocols, "all");
	assert_int_equal(config_database_count(c), 2);
	assert_int_equal(config_user_count(c), 1);
	assert_non_null(config_user(c, text("u")));
	config_unref(c);
}

static void
a_change_that_databases_do_not_inherit_leaves_them_where_they_are(void **state)
{
	struct fixture *f = *state;
	const struct config *a = load_text(f, HEAD "[databases]\nx =\n");
	const struct config *b =
	    config_with_setting(a, "client_tls_ciphers", "x", &f->errors);

	assert_non_null(b);
	assert_ptr_equal(config_database(a, text("x")), config_database(b, text("x")));
	config_unref(b);
	config_unref(a);
}

static void what_cannot_be_set_is_told_and_changes_nothing(void **state)
{
	struct fixture *f = *state;
	const struct config *c = load_text(f, HEAD "[databases]\nx =\n");

	assert_null(config_with_setting(c, "max_client_con", "1", &f->errors));
	assert_null(config_with_setting(c, "pkt_buf", "1", &f->errors));
	assert_null(config_with_setting(c, "listen_port", "1", &f->errors));
	assert_null(config_with_setting(c, "pool_mode", "x", &f->errors));
	assert_null(config_with_setting(c, "admin_users", "a\nb", &f->errors));
	EXPECT_LINES(
	    f, "unknown setting \"max_client_con\"; did you mean \"max_client_conn\"?",
	    "setting \"pkt_buf\" is not supported by this version",
	    "listen_port takes effect only when the program starts",
	    "pool_mode: \"x\" is none of session, transaction, statement",
	    "admin_users: the value has a control character");
	config_unref(c);
}

static void a_change_that_is_hardly_meant_is_made_with_a_warning(void **state)
{
	struct fixture *f = *state;
	const struct config *c = load_text(f, HEAD "[databases]\nx =\n");
	const struct config *next =
	    config_with_setting(c, "min_pool_size", "21", &f->errors);

	assert_non_null(next);
	EXPECT_LINES(f,
		     "warning: min_pool_size is more than default_pool_size: pools keep "
		     "20 servers");
	config_unref(next);
	config_unref(c);
}

static void every_setting_is_changeable_or_says_that_it_is_not(void **state)
{
	struct fixture *f = *state;
	const struct config *c = load_text(f, HEAD "[databases]\nx =\n");
	char value[SETTING_VALUE_MAX + 1];

	for (size_t i = 0; i < settings_count(); i++) {
		settings_print(&c->settings, i, value, sizeof(value));
		const struct config *next =
		    config_with_setting(c, settings_info(i).name, value, &f->errors);
		assert_int_equal(next != NULL, settings_info(i).changeable);
		if (next)
			assert_true(settings_same(&next->settings, &c->settings, i));
		config_unref(next);
	}
	config_unref(c);
}

/* ---- the worst case ---- */

static void expect_worst(struct fixture *f, const char *file, unsigned servers,
			 unsigned unbounded, const char *word)
{
	const struct config *c = load_text(f, file);
	struct config_worst worst;

	assert_int_equal(config_worst_case(c, &worst), 0);
	assert_int_equal(worst.servers, servers);
	assert_int_equal(worst.unbounded, unbounded);
	if (unbounded == 0)
		assert_string_equal(worst.unbounded_word, "");
	else if (!strstr(worst.unbounded_word, word))
		fail_msg("%s", worst.unbounded_word);
	config_unref(c);
}

static void forced_users_bound_the_worst_case(void **state)
{
	expect_worst(*state, HEAD "[databases]\na = user=u\nb = user=u pool_size=5\n", 25,
		     0, "");
	expect_worst(*state,
		     HEAD "reserve_pool_size = 3\n[databases]\na = user=u\n"
			  "b = user=v pool_size=5 reserve_pool=1\n",
		     29, 0, "");
	expect_worst(*state, HEAD "[databases]\na = user=u\n[users]\nu = pool_size=7\n",
		     7, 0, "");
}

static void limits_per_database_bound_the_worst_case(void **state)
{
	expect_worst(*state,
		     HEAD "max_db_connections = 30\n[databases]\na =\n"
			  "b = max_db_connections=9\nc = user=u\n",
		     59, 0, "");
}

static void limits_per_user_bound_the_worst_case(void **state)
{
	expect_worst(*state,
		     HEAD "[databases]\na = user=u\nb = user=u\nc = user=v\n"
			  "[users]\nu = max_user_connections=25\n",
		     45, 0, "");
	expect_worst(*state,
		     HEAD "default_pool_size = 0\nmax_user_connections = 8\n"
			  "[databases]\na = user=u\nb = user=u\n* = user=v\n",
		     16, 0, "");
}

static void the_limit_of_the_process_bounds_everything(void **state)
{
	expect_worst(*state,
		     HEAD "max_server_connections = 30\n[databases]\na = user=u\n", 20, 0,
		     "");
	expect_worst(*state,
		     HEAD "max_server_connections = 30\n[databases]\na = user=u\n"
			  "b = user=v\n",
		     30, 0, "");
	expect_worst(*state,
		     HEAD "max_server_connections = 30\n[databases]\na = user=u\nb =\n",
		     30, 0, "");
}

static void what_has_no_bound_is_told(void **state)
{
	expect_worst(*state, HEAD "[databases]\na = user=u\nb =\nc =\n", 20, 2,
		     "2 databases, such as \"b\" (every user has a pool");
	expect_worst(*state, HEAD "[databases]\na = user=u pool_size=0\n", 0, 1,
		     "1 database, such as \"a\" (its pool has no size)");
	expect_worst(*state,
		     HEAD "max_db_connections = 3\n[databases]\na =\n* = user=u\n", 3, 1,
		     "such as \"*\" (clients choose how many databases there are)");
}

static void without_databases_there_are_no_servers(void **state)
{
	expect_worst(*state, HEAD, 0, 0, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)
	const struct CMUnitTest tests[] = {
	    TEST(databases_are_found_by_their_exact_name),
	    TEST(entries_come_in_the_order_of_the_file),
	    TEST(without_entries_nothing_is_found),
	    TEST(a_snapshot_lives_as_long_as_its_last_reference),
	    TEST(lists_are_split_at_commas),
	    TEST(one_setting_can_be_changed),
	    TEST(many_changes_one_after_the_other_do_not_pile_up),
	    TEST(a_change_of_what_databases_inherit_reaches_them),
	    TEST(a_change_that_databases_do_not_inherit_leaves_them_where_they_are),
	    TEST(what_cannot_be_set_is_told_and_changes_nothing),
	    TEST(a_change_that_is_hardly_meant_is_made_with_a_warning),
	    TEST(every_setting_is_changeable_or_says_that_it_is_not),
	    TEST(forced_users_bound_the_worst_case),
	    TEST(limits_per_database_bound_the_worst_case),
	    TEST(limits_per_user_bound_the_worst_case),
	    TEST(the_limit_of_the_process_bounds_everything),
	    TEST(what_has_no_bound_is_told),
	    TEST(without_databases_there_are_no_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
