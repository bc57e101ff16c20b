/*
 * Memory that runs short: every request fails once, and nothing but a clean refusal comes
 * of it. OpenSSL's requests are made to fail as well as ours.
 */
#include <openssl/crypto.h>

#include "auth/answer.h"
#include "auth/brake.h"
#include "auth/exchange.h"
#include "auth/hba.h"
#include "auth/ident.h"
#include "auth/ldap_options.h"
#include "auth/userlist.h"
#include "base/buffer.h"
#include "config/errors.h"
#include "unit/base/kit.h"
#include "unit/proto/failing_memory.h"

static void *take(size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	return malloc(len);
}

static void *take_again(void *at, size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	return realloc(at, len);
}

static void give_back(void *at, const char *file, int line)
{
	(void)file;
	(void)line;
	free(at);
}

/* Calls it with the first, the second... request failing, up to a run without failure.
 * It returns whether it got what it wanted. */
static void fail_each(bool (*run)(void))
{
	unsigned n = 0;
	bool is_done = false;

	assert_true(run());
	while (!is_done) {
		memory_fails_at(++n);
		bool got_it = run();
		is_done = !memory_has_failed();
		memory_fails_at(0);
		if (is_done)
			assert_true(got_it);
	}
	assert_true(n > 2);
}

static bool load_users(void)
{
	struct config_errors errors = {0};
	struct userlist *list = userlist_parse(
	    slice_of_text("\"a\" \"b\"\n\"c\" \"d\"\n\"e\" \"f\"\n"), "f", &errors);
	struct secret secret;
	bool is_ok = list && userlist_count(list) == 3 &&
		     userlist_find(list, slice_of_text("c"), &secret);

	/* All of it or nothing. */
	if (list && !is_ok)
		fail();
	userlist_free(list);
	config_errors_fini(&errors);
	return is_ok;
}

static bool load_rules(void)
{
	static const char text[] = "local a,b c peer map=m\nhost all all \\\n 10.0.0.0/8 "
				   "ldap ldapserver=x ldapbasedn=y\nhost d e .f md5\n";
	struct config_errors errors = {0};
	struct hba *hba = hba_parse(slice_of_text(text), "f", &errors);
	unsigned rules = 0;

	for (const struct hba_rule *r = hba ? hba_first(hba) : NULL; r; r = r->next)
		rules++;
	if (hba && rules != 3)
		fail();
	hba_free(hba);
	config_errors_fini(&errors);
	return rules == 3;
}

static bool load_maps(void)
{
	struct config_errors errors = {0};
	struct ident *ident =
	    ident_parse(slice_of_text("m a b\nm /(.*) \\1\n"), "f", &errors);
	bool is_ok = ident != NULL;

	ident_free(ident);
	config_errors_fini(&errors);
	return is_ok;
}

static bool load_ldap_options(void)
{
	struct ldap_options o = {0};
	char why[200] = "";
	bool is_ok = ldap_options_parse("ldapserver=a ldapprefix=b \"ldapsuffix=c d\"",
					&o, why, sizeof(why));

	if (is_ok)
		assert_string_equal(o.pairs[5], "c d");
	else
		assert_string_equal(why, "out of memory");
	ldap_options_fini(&o);
	return is_ok;
}

/* What cannot be counted is not; what was counted stays. */
static bool count_failures(void)
{
	struct brake_rules rules = {.failure_limit = 6, .window_us = 10, .block_us = 10};
	struct brake_who who = {.user = slice_of_text("joe")};
	struct brake *b = brake_create(2);
	bool has_blocked = false;

	for (int i = 0; b && i < 6; i++)
		has_blocked = brake_failed(b, &rules, &who, 1000);
	if (b)
		assert_int_equal(brake_blocked_us(b, &who, 1000), has_blocked ? 10 : 0);
	brake_destroy(b);
	return has_blocked;
}

/* A login by the method, with the password given in any of its forms. */
static bool log_in(enum exchange_method method, const char *stored)
{
	static const struct exchange_mock mock = {.kind = SECRET_PLAIN};
	struct exchange_setup setup = {
	    .method = method, .user = slice_of_text("m5"), .mock = &mock};
	struct exchange e;
	struct answer a = {0};
	struct buffer to_client = {0}, to_server = {0};
	struct secret secret, typed;
	enum login_verdict server, client = LOGIN_MORE;

	secret_parse(slice_of_text(stored), &secret);
	secret_parse(slice_of_text("wonderland"), &typed);
	struct answer_means means = {.user = setup.user, .secret = &typed};
	server = exchange_start(&e, &setup, &to_client);
	if (server == LOGIN_WAIT)
		server = exchange_resume(&e, &secret, NULL, &to_client);
	while (server == LOGIN_MORE && client == LOGIN_MORE) {
		client = answer_feed(&a, slice_after(buffer_bytes(&to_client), 5), &means,
				     &to_server);
		buffer_consume(&to_client, buffer_len(&to_client));
		if (client != LOGIN_MORE)
			break;
		server = exchange_feed(&e, 'p', slice_after(buffer_bytes(&to_server), 5),
				       &to_client);
		buffer_consume(&to_server, buffer_len(&to_server));
	}
	if (server == LOGIN_FAILED)
		assert_string_equal(e.failure.sqlstate, "53200");
	if (client == LOGIN_FAILED)
		assert_string_equal(a.failure.sqlstate, "53200");
	exchange_fini(&e);
	answer_fini(&a);
	buffer_fini(&to_client);
	buffer_fini(&to_server);
	return server == LOGIN_DONE;
}

static bool log_in_by_scram(void)
{
	return log_in(EXCHANGE_SCRAM, "SCRAM-SHA-256$4096:u1YWGrvVFOta7q0Jrgcp+A==$"
				      "Y+GSVQ7WMECH/Gxy7ZEvtEFX1AgavtfAGW335d+d8OI=:"
				      "Z0c7juVYnhSrvHdBToQ5vW1pL1I+rK6XhsGGROA6P2c=");
}

static bool log_in_by_md5(void)
{
	return log_in(EXCHANGE_MD5, "md5d8e5469de403ab7006df63ac8ca23819");
}

static bool log_in_by_password(void)
{
	return log_in(EXCHANGE_PLAIN, "wonderland");
}

static void users_are_loaded_whole_or_not_at_all(void **state)
{
	(void)state;
	fail_each(load_users);
}

static void rules_are_loaded_whole_or_not_at_all(void **state)
{
	(void)state;
	fail_each(load_rules);
}

static void options_for_ldap_are_taken_whole_or_not_at_all(void **state)
{
	(void)state;
	fail_each(load_ldap_options);
}

static void failures_that_cannot_be_counted_do_no_harm(void **state)
{
	(void)state;
	fail_each(count_failures);
}

static void maps_are_loaded_whole_or_not_at_all(void **state)
{
	(void)state;
	fail_each(load_maps);
}

static void logins_fail_for_lack_of_memory_and_say_so(void **state)
{
	(void)state;
	fail_each(log_in_by_password);
	fail_each(log_in_by_md5);
	fail_each(log_in_by_scram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(users_are_loaded_whole_or_not_at_all),
	    cmocka_unit_test(rules_are_loaded_whole_or_not_at_all),
	    cmocka_unit_test(options_for_ldap_are_taken_whole_or_not_at_all),
	    cmocka_unit_test(failures_that_cannot_be_counted_do_no_harm),
	    cmocka_unit_test(maps_are_loaded_whole_or_not_at_all),
	    cmocka_unit_test(logins_fail_for_lack_of_memory_and_say_so),
	};

	if (!CRYPTO_set_mem_functions(take, take_again, give_back))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
