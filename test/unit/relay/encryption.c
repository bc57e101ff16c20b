/*
 * Which connections share a context for TLS, and which do not.
 */
#include "relay/encryption.h"

#include "harness/certs.h"
#include "net/tls_context.h"
#include "unit/config/fixture.h"

static struct certs certs;

static int begin(void **state)
{
	static const char *const files[] = {"pooler.pem", "pooler.key", "ca.pem"};

	fixture_begin(state);
	certs_open(&certs);
	struct cert *ca =
	    certs_make(&certs, &(struct cert_spec){.name = "ca", .is_ca = true});
	certs_make(&certs, &(struct cert_spec){.name = "pooler", .issuer = ca});
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		assert_int_equal(symlink(certs_path(&certs, files[i]), files[i]), 0);
	return 0;
}

static int end(void **state)
{
	certs_close(&certs);
	return fixture_end(state);
}

static const struct config *configure(struct fixture *f, const char *text)
{
	const struct config *config = load_text(f, text);

	config_errors_fini(&f->errors);
	f->errors = (struct config_errors){0};
	return config;
}

static struct encryption *load(struct fixture *f, const char *text)
{
	const struct config *config = configure(f, text);
	struct encryption *e = encryption_load(config, &f->errors);

	config_unref(config);
	return e;
}

static struct tls_context *of(const struct encryption *e, const struct config *config,
			      const char *database)
{
	const struct database *d = config_database(config, slice_of_text(database));

	return encryption_for_server(e, d ? &d->tls : &config_fallback(config)->tls);
}

static void databases_that_are_reached_alike_share_a_context(void **state)
{
	struct fixture *f = *state;
	const struct config *config = configure(
	    f, HEAD "server_tls_sslmode = require\n"
		    "[databases]\n"
		    "a = host=10.0.0.1\n"
		    "b = host=10.0.0.2\n"
		    "c = host=10.0.0.3 tls_sslmode=verify-ca tls_ca_file=ca.pem\n"
		    "d = host=10.0.0.3 tls_sslmode=verify-ca tls_ca_file=ca.pem\n"
		    "* = host=10.0.0.4\n");
	struct encryption *e = encryption_load(config, &f->errors);

	assert_non_null(e);
	assert_non_null(of(e, config, "a"));
	assert_ptr_equal(of(e, config, "a"), of(e, config, "b"));
	assert_ptr_equal(of(e, config, "a"), of(e, config, "*"));
	assert_non_null(of(e, config, "c"));
	assert_ptr_equal(of(e, config, "c"), of(e, config, "d"));
	assert_ptr_not_equal(of(e, config, "a"), of(e, config, "c"));
	encryption_free(e);
	config_unref(config);
}

/* Each database differs from the first by one key. */
static void a_difference_in_any_key_is_another_context(void **state)
{
	static const char *const names[] = {"b", "c", "d", "e", "f", "g", "h"};
	struct fixture *f = *state;
	const struct config *config = configure(
	    f, HEAD "server_tls_sslmode = require\n"
		    "[databases]\n"
		    "a = host=h\n"
		    "b = host=h tls_sslmode=prefer\n"
		    "c = host=h tls_sslnegotiation=direct\n"
		    "d = host=h tls_protocols=tlsv1.3\n"
		    "e = host=h tls_ciphers=ECDHE-RSA-AES128-GCM-SHA256\n"
		    "f = host=h tls13_ciphers=TLS_AES_256_GCM_SHA384\n"
		    "g = host=h tls_ca_file=ca.pem\n"
		    "h = host=h tls_cert_file=pooler.pem tls_key_file=pooler.key\n");
	struct encryption *e = encryption_load(config, &f->errors);

	assert_non_null(e);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_non_null(of(e, config, names[i]));
		assert_ptr_not_equal(of(e, config, names[i]), of(e, config, "a"));
	}
	encryption_free(e);
	config_unref(config);
}

static void who_wants_no_tls_gets_none(void **state)
{
	struct fixture *f = *state;
	const struct config *config =
	    configure(f, HEAD "server_tls_sslmode = require\n"
			      "[databases]\n"
			      "a = host=h tls_sslmode=disable tls_ca_file=missing.pem\n"
			      "b = host=h\n");
	struct encryption *e = encryption_load(config, &f->errors);

	/* Nor are files looked at that nobody needs. */
	assert_non_null(e);
	assert_null(of(e, config, "a"));
	assert_non_null(of(e, config, "b"));
	assert_null(encryption_for_clients(e));
	assert_null(encryption_for_clients(NULL));
	encryption_free(e);
	config_unref(config);
}

static void a_way_that_no_database_goes_has_no_context(void **state)
{
	struct fixture *f = *state;
	const struct config *other =
	    configure(f, HEAD "[databases]\na = host=h tls_sslmode=require\n");
	struct encryption *e = load(f, HEAD "[databases]\na = host=h\n");

	assert_null(of(e, other, "a"));
	assert_null(of(NULL, other, "a"));
	encryption_free(e);
	config_unref(other);
}

#define CLIENTS                                                                          \
	"client_tls_cert_file = pooler.pem\nclient_tls_key_file = pooler.key\n"          \
	"client_tls_ca_file = ca.pem\n"

static void clients_are_met_by_one_context_in_every_mode_but_disable(void **state)
{
	static const char *const modes[] = {"allow", "prefer", "require", "verify-ca",
					    "verify-full"};
	struct fixture *f = *state;
	char text[300];

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		snprintf(text, sizeof(text), HEAD CLIENTS "client_tls_sslmode = %s\n",
			 modes[i]);
		struct encryption *e = load(f, text);
		assert_non_null(e);
		assert_non_null(encryption_for_clients(e));
		encryption_free(e);
	}
	struct encryption *e = load(f, HEAD CLIENTS "client_tls_sslmode = disable\n");
	assert_null(encryption_for_clients(e));
	encryption_free(e);
}

static void a_reload_of_the_same_is_the_same_and_of_another_file_is_not(void **state)
{
	static const char text[] = HEAD CLIENTS "client_tls_sslmode = allow\n";
	struct fixture *f = *state;
	struct encryption *before = load(f, text), *after = load(f, text);

	assert_true(tls_context_same(encryption_for_clients(before),
				     encryption_for_clients(after)));
	encryption_free(after);
	certs_make(&certs, &(struct cert_spec){.name = "pooler"});
	after = load(f, text);
	assert_non_null(after);
	assert_false(tls_context_same(encryption_for_clients(before),
				      encryption_for_clients(after)));
	encryption_free(after);
	encryption_free(before);
}

static void what_cannot_be_is_told_of_all_and_of_each_way_once(void **state)
{
	struct fixture *f = *state;

	assert_null(load(f, HEAD "client_tls_sslmode = require\n"
				 "client_tls_cert_file = pooler.pem\n"
				 "client_tls_key_file = ca.pem\n"
				 "[databases]\n"
				 "a = host=h tls_sslmode=require tls_ciphers=none-such\n"
				 "b = host=h tls_sslmode=verify-ca tls_ca_file=b.pem\n"
				 "c = host=h tls_sslmode=verify-ca tls_ca_file=b.pem\n"
				 "* = host=h tls_sslmode=verify-ca tls_ca_file=d.pem\n"));
	static const char *const told[] = {"TLS for clients: ", "\"a\": ", "b.pem",
					   "d.pem"};
	char line[1000];

	assert_int_equal(f->errors.errors, 4);
	for (size_t i = 0; i < 4; i++)
		assert_non_null(strstr(error_line(f, i, line), told[i]));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
	    TEST(databases_that_are_reached_alike_share_a_context),
	    TEST(a_difference_in_any_key_is_another_context),
	    TEST(who_wants_no_tls_gets_none),
	    TEST(a_way_that_no_database_goes_has_no_context),
	    TEST(clients_are_met_by_one_context_in_every_mode_but_disable),
	    TEST(a_reload_of_the_same_is_the_same_and_of_another_file_is_not),
	    TEST(what_cannot_be_is_told_of_all_and_of_each_way_once),
	};

	return cmocka_run_group_tests_name("contexts by configuration", tests, NULL,
					   NULL);
}
