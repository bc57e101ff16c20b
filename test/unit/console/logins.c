/*
 * What the console tells of logins: rules, failures, users, TLS, what is under way; and
 * what it keeps to itself.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/brake.h"
#include "base/text.h"
#include "config/config.h"
#include "net/tls.h"
#include "relay/control.h"
#include "relay/keyring.h"
#include "unit/console/ground.h"

#define CASE(name) cmocka_unit_test_setup_teardown(name, ground_begin, ground_end)
#define CASE_ON(name, ground) cmocka_unit_test_setup_teardown(name, ground, ground_end)

/* ---- rows ---- */

/* The next row as text, '|' between its columns; false at the end. */
static bool next_line(struct slice *rest, size_t columns, char *out, size_t cap)
{
	struct slice here = *rest;
	char value[512];

	out[0] = '\0';
	for (size_t i = 0; i < columns; i++) {
		*rest = here;
		if (!next_row(rest, i, value, sizeof(value)))
			return false;
		size_t len = strlen(out);
		snprintf(out + len, cap - len, "%s%s", i ? "|" : "", value);
	}
	return true;
}

static void assert_rows(const struct fake_peer *peer, size_t columns,
			const char *const expected[], size_t count)
{
	struct slice rest = fake_peer_received(peer);
	char line[1024];
	size_t rows = 0;

	for (; next_line(&rest, columns, line, sizeof(line)); rows++) {
		assert_true(rows < count);
		assert_string_equal(line, expected[rows]);
	}
	assert_int_equal(rows, count);
}

/* What SHOW LISTS says. */
static long items_of(struct ground *g, struct fake_peer *peer, const char *list)
{
	size_t len = strlen(list);
	char line[1024] = "";

	ask(g, peer, "SHOW LISTS");
	struct slice rest = fake_peer_received(peer);
	while (strncmp(line, list, len) != 0 || line[len] != '|')
		assert_true(next_line(&rest, 2, line, sizeof(line)));
	return strtol(line + len + 1, NULL, 10);
}

/* ---- rules ---- */

static const char rules[] = "# who may come in\n"
			    "host all admin,stats all trust\n"
			    "local app alice peer map=m\n"
			    "hostssl \"all\" all 10.0.0.0/8 scram-sha-256\n"
			    "host all all all ldap ldapserver=localhost ldapbasedn=dc=x "
			    "ldapbinddn=cn=y ldapbindpasswd=RuLe-SeCrEt\n";

static int begin_with_rules(void **state)
{
	return ground_begin_with(state, &(struct ground_files){.hba = rules});
}

static void rules_are_shown_in_their_order(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);
	static const char *const types[] = {"2|host", "3|local", "4|hostssl", "5|host"};

	assert_string_equal(ask(g, peer, "SHOW HBA"), "TDDDDCZ");
	assert_rows(peer, 2, types, 4);
	assert_true(has(peer, "ldapbindpasswd"));
	assert_false(has(peer, "SeCrEt"));
	drop_all(peer);
	push_extended(peer, "show hba");
	settle(g);
	assert_string_equal(letters(peer), "12TDDDDCZ");
	assert_true(has(peer, "map=m") && has(peer, "scram-sha-256"));
	assert_false(has(peer, "SeCrEt"));
}

static void there_are_no_rules_where_none_count(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);

	assert_string_equal(ask(g, peer, "SHOW HBA"), "TCZ");
}

enum { MANY = 3000 };

/* The text is the caller's. */
static char *many_rules(const char *user)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	fputs("host all admin all trust\n", out);
	for (int i = 1; i < MANY; i++)
		fprintf(out, "host all %s all trust\n", user);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void load_rules(struct ground *g, const char *text)
{
	const struct config *config;
	struct keyring *keyring =
	    ground_load(g, &(struct ground_files){.hba = text}, &config);

	control_apply(&g->dispatcher, config, keyring);
	config_unref(g->config);
	g->config = config;
}

/* Sanitizers watch the rules that are gone. */
static void rules_are_those_of_one_moment(void **state)
{
	struct ground *g = *state;
	char *before = many_rules("before"), *after = many_rules("after");
	struct fake_peer *peer = admin(g), *other = admin(g);

	load_rules(g, before);
	peer->room = other->room = 1000;
	push_query(peer, "SHOW HBA");
	push_query(other, "SHOW HBA");
	settle(g);
	assert_true(buffer_len(&peer->stream->out) < 2 * SESSION_QUEUE_MOST);
	load_rules(g, after);
	other->has_closed = true; /* in the middle */
	fake_peer_poke(other);
	read_on(g, peer, 50000);
	assert_int_equal(count_letter(peer, 'D'), MANY);
	assert_true(has(peer, "before"));
	assert_false(has(peer, "after"));
	ask(g, peer, "SHOW HBA");
	read_on(g, peer, SIZE_MAX);
	assert_true(has(peer, "after"));
	free(before);
	free(after);
}

/* ---- failures ---- */

static void fail_login(struct ground *g, const char *user, const char *address)
{
	const struct brake_rules brake_rules = {
	    .failure_limit = 3,
	    .window_us = 150 * USEC_PER_SEC,
	    .block_us = 120 * USEC_PER_SEC,
	};
	uint8_t bytes[16];
	struct brake_who who = {.user = slice_of_text(user)};

	if (address && inet_pton(AF_INET, address, bytes) == 1)
		who.address = slice_of(bytes, 4);
	else if (address && inet_pton(AF_INET6, address, bytes) == 1)
		who.address = slice_of(bytes, 16);
	brake_failed(g->dispatcher.logins.brake, &brake_rules, &who, g->loop.now_us);
}

static void pass_time(struct ground *g, uint64_t time_us)
{
	loop_turn(&g->loop, g->loop.now_us + time_us);
}

static void failures_are_shown_with_their_times(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);
	static const char *const shown[][3] = {
	    {"alice|10.0.0.1|3|10|110", "bob|2001:db8::/64|1|10|0", "carol|unix|1|0|0"},
	    {"alice|10.0.0.1|3|119|1", "bob|2001:db8::/64|1|119|0", "carol|unix|1|109|0"},
	    {"alice|10.0.0.1|3|120|0", "bob|2001:db8::/64|1|120|0", "carol|unix|1|110|0"},
	};
	static const char *const last[] = {"carol|unix|1|140|0"};

	for (int i = 0; i < 3; i++)
		fail_login(g, "alice", "10.0.0.1");
	fail_login(g, "bob", "2001:db8::77");
	pass_time(g, 10 * USEC_PER_SEC + 500000);
	fail_login(g, "carol", NULL);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(ask(g, peer, "SHOW FAILED_LOGINS"), "TDDDCZ");
		assert_rows(peer, 5, shown[i], 3);
		pass_time(g, i == 0 ? 109 * USEC_PER_SEC : USEC_PER_SEC);
	}
	/* A window later the others count no more. */
	pass_time(g, 29 * USEC_PER_SEC);
	ask(g, peer, "SHOW FAILED_LOGINS");
	assert_rows(peer, 5, last, 1);
	assert_int_equal(items_of(g, peer, "failed_logins"), 3);
}

static int begin_with_short_window(void **state)
{
	const struct ground_files files = {.settings = "auth_failure_window = 20\n"};

	return ground_begin_with(state, &files);
}

static void who_is_blocked_is_shown_however_long_ago_it_was(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);
	static const char *const shown[] = {"alice|unix|3|100|20"};

	for (int i = 0; i < 3; i++)
		fail_login(g, "alice", NULL);
	fail_login(g, "bob", NULL);
	pass_time(g, 100 * USEC_PER_SEC);
	ask(g, peer, "SHOW FAILED_LOGINS");
	assert_rows(peer, 5, shown, 1);
	pass_time(g, 20 * USEC_PER_SEC);
	assert_string_equal(ask(g, peer, "SHOW FAILED_LOGINS"), "TCZ");
}

static void name_failure(int i, char name[32])
{
	snprintf(name, 32, "user%d", i);
}

/* How often each of the users user0, user1... is in the answer. */
static unsigned *count_users(const struct fake_peer *peer, size_t most)
{
	struct slice rest = fake_peer_received(peer);
	unsigned *counts = calloc(most, sizeof(*counts));
	char name[64];

	assert_non_null(counts);
	while (next_row(&rest, 0, name, sizeof(name)))
		if (strncmp(name, "user", 4) == 0)
			counts[strtoul(name + 4, NULL, 10)]++;
	return counts;
}

static void add_failures(struct ground *g, int from, int to)
{
	char name[32];

	for (int i = from; i < to; i++) {
		name_failure(i, name);
		fail_login(g, name, "10.0.0.1");
	}
}

static void forget_failures(struct ground *g, int from, int to, int step)
{
	char name[32];

	for (int i = from; i < to; i += step) {
		name_failure(i, name);
		brake_reset_user(g->dispatcher.logins.brake, slice_of_text(name));
	}
}

static void failures_may_go_on_while_they_are_shown(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);

	add_failures(g, 0, MANY);
	peer->room = 0;
	push_query(peer, "SHOW FAILED_LOGINS");
	settle(g);
	assert_true(buffer_len(&peer->stream->out) < 2 * SESSION_QUEUE_MOST);
	/* The second half is still to come; of all, every third is forgotten, the one
	 * that was shown last among them. */
	forget_failures(g, 0, MANY, 3);
	uint64_t order = client_of(peer)->console->show.failures.order;
	forget_failures(g, (int)order - 1, (int)order, 1);
	add_failures(g, MANY - 2, MANY);
	read_on(g, peer, 70000);
	unsigned *counts = count_users(peer, MANY);
	for (int i = 0; i < MANY; i++)
		assert_true(counts[i] <= 1);
	for (int i = (int)order; i < MANY - 2; i++)
		assert_int_equal(counts[i], i % 3 != 0);
	assert_int_equal(counts[MANY - 2], 1);
	assert_int_equal(counts[MANY - 1], 1);
	free(counts);
}

/* Each slice is followed by as many failures as it has shown. */
static void an_attack_does_not_keep_the_console_for_ever(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);
	int turns = 0, slice = 0;

	add_failures(g, 0, MANY);
	peer->room = 0;
	push_query(peer, "SHOW FAILED_LOGINS");
	settle(g);
	for (; count_letter(peer, 'Z') == 0; turns++) {
		assert_true(turns < 100);
		add_failures(g, slice, slice + MANY / 2);
		slice = (slice + MANY / 2) % MANY;
		peer->room = 100000;
		fake_peer_poke(peer);
		loop_turn(&g->loop, g->loop.now_us + 1000);
	}
	assert_true(count_letter(peer, 'D') >= MANY);
	assert_true(count_letter(peer, 'D') <= 2 * MANY);
}

static void administrators_let_in_again(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);
	char longest[LOGIN_USER_MAX + 1], command[LOGIN_USER_MAX + 16];
	static const char *const left[] = {"bob"};

	memset(longest, 'x', LOGIN_USER_MAX);
	longest[LOGIN_USER_MAX] = '\0';
	for (int i = 0; i < 3; i++) {
		fail_login(g, "al ice", "10.0.0.1");
		fail_login(g, "al ice", NULL);
		fail_login(g, "bob", NULL);
		fail_login(g, longest, NULL);
	}
	assert_string_equal(ask(g, peer, "UNBLOCK alice"), "EZ");
	assert_true(has(peer, "55000") && has(peer, "user alice has no failed logins"));
	assert_string_equal(ask(g, peer, "UNBLOCK \"al ice\""), "CZ");
	assert_true(ground_has_logged(g, "UNBLOCK al ice command issued"));
	snprintf(command, sizeof(command), "UNBLOCK %s", longest);
	assert_string_equal(ask(g, peer, command), "CZ");
	assert_string_equal(ask(g, peer, "SHOW FAILED_LOGINS"), "TDCZ");
	assert_rows(peer, 1, left, 1);
	assert_string_equal(ask(g, peer, "UNBLOCK"), "CZ");
	assert_string_equal(ask(g, peer, "SHOW FAILED_LOGINS"), "TCZ");
}

static void looking_does_not_let_in_again(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = console_of(g, "stats");

	fail_login(g, "bob", NULL);
	assert_string_equal(ask(g, peer, "UNBLOCK"), "EZ");
	assert_string_equal(ask(g, peer, "UNBLOCK bob"), "EZ");
	assert_string_equal(ask(g, peer, "SHOW FAILED_LOGINS"), "TDCZ");
}

/* ---- users ---- */

static void users_of_the_list_are_shown_among_the_others(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);
	static const char *const users[] = {"Zoe|",          "admin|", "alice|",
					    "bob|        4", "stats|", "zed|"};
	const struct config *config;
	const struct ground_files files = {
	    .users = "\"zed\" \"\"\n\"stats\" \"\"\n\"alice\" \"\"\n\"Zoe\" \"x\"\n"
		     "\"admin\" \"\"\n"};
	struct keyring *keyring = ground_load(g, &files, &config);

	control_apply(&g->dispatcher, config, keyring);
	config_unref(g->config);
	g->config = config;
	begin_work(g); /* of alice */
	ask(g, peer, "SHOW USERS");
	assert_rows(peer, 2, users, 6);
	assert_int_equal(items_of(g, peer, "users"), 6);
}

static char *many_users(int from, int step)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	fputs("\"admin\" \"\"\n", out);
	for (int i = from; i < MANY; i += step)
		fprintf(out, "\"user%04d\" \"\"\n", i);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void load_users(struct ground *g, const char *users)
{
	struct config_errors errors = {0};
	char path[64];

	snprintf(path, sizeof(path), "%s/users", g->directory);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(users, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_true(keyring_reload_users(g->dispatcher.logins.keyring,
					 g->dispatcher.config, &errors));
	config_errors_fini(&errors);
}

/* Sanitizers watch the list that is gone. */
static void users_may_be_read_again_while_they_are_shown(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);
	char *all = many_users(0, 1), *odd = many_users(1, 2);

	load_users(g, all);
	for (int round = 0; round < 2; round++) {
		drop_all(peer);
		peer->room = 0;
		push_query(peer, "SHOW USERS");
		settle(g);
		assert_true(buffer_len(&peer->stream->out) < 2 * SESSION_QUEUE_MOST);
		load_users(g, round == 0 ? odd : all);
		read_on(g, peer, 60000);
		unsigned *counts = count_users(peer, MANY);
		for (int i = 0; i < MANY; i++)
			assert_true(counts[i] <= 1);
		for (int i = 1; i < MANY; i += 2)
			assert_int_equal(counts[i], 1);
		/* What was to come at the change came from the other list. */
		assert_int_equal(counts[0], round == 0);
		assert_int_equal(counts[MANY - 2], round == 1);
		free(counts);
	}
	free(all);
	free(odd);
}

/* ---- logins under way ---- */

static int begin_with_one_place(void **state)
{
	return ground_begin_with(state,
				 &(struct ground_files){.settings = "max_logins = 1\n"});
}

static void logins_under_way_are_counted(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);
	static const char *const idle[] = {"logins_in_line",         "failed_logins",
					   "auth_query_connections", "auth_query_waiting",
					   "auth_query_cached",      "auth_threads_busy",
					   "auth_threads_waiting"};

	assert_string_equal(ask(g, peer, "SHOW LISTS"), "TDDDDDDDDDDDDDDDDDDDDDDDDDDDCZ");
	for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++)
		assert_int_equal(items_of(g, peer, idle[i]), 0);
	for (int i = 0; i < 3; i++)
		fake_peer_push(connect_peer(g), slice_of("\0\0\0", 3));
	settle(g);
	assert_int_equal(items_of(g, peer, "logins_in_progress"), 1);
	assert_int_equal(items_of(g, peer, "logins_in_line"), 2);
}

/* ---- TLS ---- */

/* In place of those of net/: the linker leads the console's calls here. */
bool __wrap_tls_facts(const struct stream *stream, struct tls_facts *out);
bool __wrap_tls_peer_subject(const struct stream *stream, char *out, size_t cap);

/* Clients that come by the admin listener are said to use TLS, the first by a session of
 * before; all others are in clear. */
static const struct client *client_in_tls(const struct stream *stream)
{
	const struct client *c =
	    (const struct client *)(const void *)((const char *)stream -
						  offsetof(struct client, stream));

	return c->origin == CLIENT_BY_ADMIN ? c : NULL;
}

bool __wrap_tls_facts(const struct stream *stream, struct tls_facts *out)
{
	const struct client *c = client_in_tls(stream);

	if (!c)
		return false;
	*out = (struct tls_facts){.protocol = "TLSv1.3",
				  .cipher = "TLS_AES_256_GCM_SHA384",
				  .alpn = c->id == 1 ? "postgresql" : "",
				  .is_resumed = c->id == 1};
	return true;
}

bool __wrap_tls_peer_subject(const struct stream *stream, char *out, size_t cap)
{
	const struct client *c = client_in_tls(stream);
	bool has_one = c && c->id == 1;

	text_copy(out, cap, slice_of_text(has_one ? "CN=admin,O=us" : ""));
	return has_one;
}

enum { TLS_COLUMN = 17, CLIENTS_OWN = 21, SOCKETS_OWN = 28 };

static void assert_tls(const struct fake_peer *peer, size_t row, size_t own,
		       const char *const expected[4])
{
	const size_t columns[] = {TLS_COLUMN, own, own + 1, own + 2};
	char value[64];

	for (size_t i = 0; i < 4; i++) {
		struct slice rest = fake_peer_received(peer);
		for (size_t k = 0; k <= row; k++)
			assert_true(next_row(&rest, columns[i], value, sizeof(value)));
		assert_string_equal(value, expected[i]);
	}
}

static void tls_is_told_of_each_connection(void **state)
{
	struct ground *g = *state;
	struct fake_peer *first = admin(g), *second = admin(g), *third = admin(g);
	static const char *const resumed[] = {"TLSv1.3/TLS_AES_256_GCM_SHA384",
					      "postgresql", "CN=admin,O=us", "resumed"};
	static const char *const fresh[] = {"TLSv1.3/TLS_AES_256_GCM_SHA384", "", "",
					    "new"};
	static const char *const clear[] = {"", "", "", ""};

	client_of(first)->origin = client_of(second)->origin = CLIENT_BY_ADMIN;
	assert_string_equal(ask(g, third, "SHOW CLIENTS"), "TDDDCZ");
	assert_tls(third, 0, CLIENTS_OWN, resumed);
	assert_tls(third, 1, CLIENTS_OWN, fresh);
	assert_tls(third, 2, CLIENTS_OWN, clear);
	assert_string_equal(ask(g, third, "SHOW SOCKETS"), "TDDDCZ");
	assert_tls(third, 0, SOCKETS_OWN, resumed);
	assert_tls(third, 2, SOCKETS_OWN, clear);
}

/* ---- secrets ---- */

static int begin_with_secrets(void **state)
{
	return ground_begin_with(
	    state, &(struct ground_files){
		       .hba = rules,
		       .users = "\"admin\" \"FiLe-SeCrEt\"\n\"stats\" \"md5SeCrEt\"\n",
		       .settings = "auth_ldap_options = ldapserver=x ldapbasedn=dc=x "
				   "ldapbinddn=cn=y ldapbindpasswd=LdAp-SeCrEt\n"});
}

static void no_table_shows_a_secret(void **state)
{
	struct ground *g = *state;
	char command[64];

	for (size_t i = 0; show_table_at(i); i++) {
		struct fake_peer *peer = console_of(g, i % 2 ? "admin" : "stats");
		snprintf(command, sizeof(command), "SHOW %s", show_table_at(i)->name);
		print_message("# %s\n", command);
		assert_int_equal(ask(g, peer, command)[0], 'T');
		assert_false(has(peer, "SeCrEt"));
		push_extended(peer, command);
		settle(g);
		assert_false(has(peer, "SeCrEt"));
	}
	struct fake_peer *peer = admin(g);
	ask(g, peer, "SHOW CONFIG");
	assert_true(has(peer, "ldapbindpasswd=")); /* it was there to be shown */
	assert_false(ground_has_logged(g, "SeCrEt"));
}

static void what_is_set_is_not_repeated_with_its_secret(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);

	assert_string_equal(ask(g, peer,
				"SET auth_ldap_options = 'ldapserver=x "
				"ldapbindpasswd=SeCrEt ldapport=1'"),
			    "CZ");
	assert_non_null(strstr(g->last_set, "SeCrEt"));
	assert_false(has(peer, "SeCrEt"));
	assert_true(has(peer, "SET auth_ldap_options=ldapserver=x ldapbindpasswd="));
	assert_true(has(peer, "ldapport=1"));
	g->refuses = true;
	ask(g, peer, "SET auth_ldap_options = 'ldapbindpasswd=SeCrEt'");
	assert_string_equal(letters(peer), "EZ");
	assert_false(has(peer, "SeCrEt"));
	assert_true(ground_has_logged(g, "SET auth_ldap_options command issued"));
	assert_false(ground_has_logged(g, "SeCrEt"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE_ON(rules_are_shown_in_their_order, begin_with_rules),
	    CASE(there_are_no_rules_where_none_count),
	    CASE_ON(rules_are_those_of_one_moment, begin_with_rules),
	    CASE(failures_are_shown_with_their_times),
	    CASE_ON(who_is_blocked_is_shown_however_long_ago_it_was,
		    begin_with_short_window),
	    CASE(failures_may_go_on_while_they_are_shown),
	    CASE(an_attack_does_not_keep_the_console_for_ever),
	    CASE(administrators_let_in_again),
	    CASE(looking_does_not_let_in_again),
	    CASE(users_of_the_list_are_shown_among_the_others),
	    CASE(users_may_be_read_again_while_they_are_shown),
	    CASE_ON(logins_under_way_are_counted, begin_with_one_place),
	    CASE(tls_is_told_of_each_connection),
	    CASE_ON(no_table_shows_a_secret, begin_with_secrets),
	    CASE_ON(what_is_set_is_not_repeated_with_its_secret, begin_with_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
