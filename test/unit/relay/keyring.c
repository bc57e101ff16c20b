/*
 * What the configuration's files hold: loaded whole, or refused with all that is wrong.
 */
#include "relay/keyring.h"

#include "auth/hba.h"
#include "auth/userlist.h"
#include "harness/certs.h"
#include "relay/encryption.h"
#include "unit/config/fixture.h"
#include "unit/proto/failing_memory.h"

#define USERS                                                                            \
	"\"anna\" \"wonderland\"\n\"otto\" \"md5d8e5469de403ab7006df63ac8ca23819\"\n"
#define RULES "local all all peer map=m\nhost all all 10.0.0.0/8 scram-sha-256\n"
#define NAMES "m /^(.*)@example\\.org$ \\1\n"

static const char head[] = "[pooler]\n"
			   "auth_type = hba\n"
			   "auth_file = users\n"
			   "auth_hba_file = rules\n"
			   "auth_ident_file = names\n"
			   "client_tls_sslmode = allow\n"
			   "client_tls_cert_file = pooler.pem\n"
			   "client_tls_key_file = pooler.key\n";
static const char tail[] = "[databases]\n"
			   "app = host=10.0.0.1\n";

static struct certs certs;

/* All files as they should be, in the directory of the test. */
static int begin(void **state)
{
	fixture_begin(state);
	put("users", USERS);
	put("rules", RULES);
	put("names", NAMES);
	certs_open(&certs);
	certs_make(&certs, &(struct cert_spec){.name = "pooler"});
	assert_int_equal(symlink(certs_path(&certs, "pooler.pem"), "pooler.pem"), 0);
	assert_int_equal(symlink(certs_path(&certs, "pooler.key"), "pooler.key"), 0);
	return 0;
}

static int end(void **state)
{
	certs_close(&certs);
	return fixture_end(state);
}

/* The usual lines and these. */
static const struct config *configure(struct fixture *f, const char *lines)
{
	char text[2000];

	snprintf(text, sizeof(text), "%s%s%s", head, lines, tail);
	return load_text(f, text);
}

static void forget_errors(struct fixture *f)
{
	config_errors_fini(&f->errors);
	f->errors = (struct config_errors){0};
}

static struct keyring *load(struct fixture *f, const char *lines)
{
	forget_errors(f);
	const struct config *config = configure(f, lines);

	forget_errors(f);
	struct keyring *keyring = keyring_load(config, &f->errors);
	config_unref(config);
	return keyring;
}

/* Whether one of the errors holds this. */
static bool is_told(const struct fixture *f, const char *text)
{
	char line[1000];

	for (size_t i = 0; i < f->errors.count; i++)
		if (f->errors.items[i].severity == CONFIG_ERROR &&
		    strstr(error_line(f, i, line), text))
			return true;
	return false;
}

static bool knows(const struct keyring *k, const char *user)
{
	struct secret secret;

	return userlist_find(k->users, slice_of_text(user), &secret);
}

/* ---- loading ---- */

static void all_that_the_files_hold_is_there(void **state)
{
	struct fixture *f = *state;
	struct keyring *k = load(f, "");

	assert_non_null(k);
	assert_int_equal(f->errors.errors, 0);
	assert_int_equal(k->holders, 1);
	assert_int_equal(userlist_count(k->users), 2);
	assert_true(knows(k, "otto"));
	assert_non_null(k->hba);
	assert_non_null(k->ident);
	assert_non_null(encryption_for_clients(k->encryption));
	keyring_unref(k);
}

/* What is wrong with one file, and what is said of it. */
static void one_bad_file_refuses_the_whole(void **state)
{
	static const struct {
		const char *file, *text, *told;
	} cases[] = {
	    {"users", "\"anna\" \"a\"\n\"otto\n", "users:2: "},
	    {"users", NULL, "users"},
	    {"rules", "local all all trust\n\nhost all all nowhere/99 md5\n",
	     "rules:3: "},
	    {"rules", "local all all telepathy\n", "rules:1: "},
	    {"rules", NULL, "rules"},
	    {"names", "m /( anna\n", "names:1: "},
	    {"names", NULL, "names"},
	    {"pooler.pem", "no certificate\n", "TLS for clients: "},
	    {"pooler.pem", NULL, "pooler.pem"},
	    {"pooler.key", NULL, "pooler.key"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rename(cases[i].file, "aside");
		if (cases[i].text)
			put(cases[i].file, cases[i].text);
		assert_null(load(f, ""));
		if (!is_told(f, cases[i].told))
			fail_msg("nothing said of %s", cases[i].told);
		assert_int_equal(f->errors.errors, 1);
		assert_int_equal(rename("aside", cases[i].file), 0);
		keyring_unref(load(f, ""));
		assert_int_equal(f->errors.errors, 0);
	}
}

static void all_that_is_wrong_is_told_at_once(void **state)
{
	static const char *const told[] = {"users:1: ", "users:3: ",  "rules:2: ",
					   "rules:3: ", "names:1: ",  "pooler.key",
					   "\"other\"", "missing.pem"};
	struct fixture *f = *state;

	put("users", "anna a\n\"otto\" \"b\"\n\"emil\n");
	put("rules", "local all all trust\nfar all all trust\nhost all all all what\n");
	put("names", "only two\n");
	assert_int_equal(unlink("pooler.key"), 0);
	assert_null(load(f, "[databases]\n"
			    "other = host=10.0.0.2 tls_sslmode=verify-ca "
			    "tls_ca_file=missing.pem\n"));
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		if (!is_told(f, told[i]))
			fail_msg("nothing said of %s", told[i]);
	assert_int_equal(f->errors.errors, 7);
}

static void rules_are_read_only_where_they_count(void **state)
{
	struct fixture *f = *state;

	put("rules", "nonsense\n");
	put("names", "nonsense\n");
	struct keyring *k = load(f, "auth_type = scram-sha-256\n");
	assert_non_null(k);
	assert_null(k->hba);
	assert_null(k->ident);
	assert_true(knows(k, "anna"));
	keyring_unref(k);
}

static void where_nothing_is_named_nothing_is_loaded(void **state)
{
	struct fixture *f = *state;
	struct keyring *k = load(f, "auth_type = trust\nauth_file =\n"
				    "client_tls_sslmode = disable\n");

	assert_non_null(k);
	assert_null(k->users);
	assert_false(knows(k, "anna"));
	assert_null(encryption_for_clients(k->encryption));
	keyring_unref(k);
}

/* ---- users alone ---- */

static void users_are_read_again_alone(void **state)
{
	struct fixture *f = *state;
	const struct config *config = configure(f, "");
	struct keyring *k = keyring_load(config, &f->errors);

	assert_non_null(k);
	const struct hba *hba = k->hba;
	const struct encryption *encryption = k->encryption;
	put("users", "\"emil\" \"new here\"\n");
	put("rules", "nonsense\n");
	assert_true(keyring_reload_users(k, config, &f->errors));
	assert_true(knows(k, "emil"));
	assert_false(knows(k, "anna"));
	assert_ptr_equal(k->hba, hba);
	assert_ptr_equal(k->encryption, encryption);
	keyring_unref(k);
	config_unref(config);
}

static void a_list_that_is_not_good_leaves_the_old_one(void **state)
{
	struct fixture *f = *state;
	const struct config *config = configure(f, "");
	struct keyring *k = keyring_load(config, &f->errors);

	assert_non_null(k);
	put("users", "\"emil\" \"new here\"\n\"broken\n");
	assert_false(keyring_reload_users(k, config, &f->errors));
	assert_true(is_told(f, "users:2: "));
	assert_true(knows(k, "anna"));
	assert_false(knows(k, "emil"));
	forget_errors(f);
	assert_int_equal(unlink("users"), 0);
	assert_false(keyring_reload_users(k, config, &f->errors));
	assert_int_equal(f->errors.errors, 1);
	assert_true(knows(k, "anna"));
	put("users", "");
	assert_true(keyring_reload_users(k, config, &f->errors));
	assert_false(knows(k, "anna"));
	keyring_unref(k);
	config_unref(config);
}

/* ---- who holds it ---- */

static void the_last_who_holds_it_gives_it_back(void **state)
{
	struct fixture *f = *state;
	struct keyring *k = load(f, "");

	assert_ptr_equal(keyring_ref(k), k);
	keyring_unref(k);
	assert_true(knows(k, "anna"));
	keyring_unref(k); /* a leak would be seen by the sanitizer */
	keyring_unref(NULL);
}

static void without_memory_nothing_is_loaded_by_half(void **state)
{
	struct fixture *f = *state;
	const struct config *config =
	    configure(f, "[databases]\nother = host=10.0.0.2 tls_sslmode=require\n");
	unsigned n = 0;
	bool is_done = false;

	while (!is_done) {
		forget_errors(f);
		memory_fails_at(++n);
		struct keyring *k = keyring_load(config, &f->errors);
		is_done = !memory_has_failed();
		memory_fails_at(0);
		assert_true(!k == (f->errors.errors > 0));
		if (k)
			assert_true(knows(k, "otto") && k->hba && k->ident);
		keyring_unref(k);
	}
	assert_int_equal(f->errors.errors, 0);
	assert_true(n > 20);
	config_unref(config);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
	    TEST(all_that_the_files_hold_is_there),
	    TEST(one_bad_file_refuses_the_whole),
	    TEST(all_that_is_wrong_is_told_at_once),
	    TEST(rules_are_read_only_where_they_count),
	    TEST(where_nothing_is_named_nothing_is_loaded),
	    TEST(users_are_read_again_alone),
	    TEST(a_list_that_is_not_good_leaves_the_old_one),
	    TEST(the_last_who_holds_it_gives_it_back),
	    TEST(without_memory_nothing_is_loaded_by_half),
	};

	return cmocka_run_group_tests_name("keyrings", tests, NULL, NULL);
}
