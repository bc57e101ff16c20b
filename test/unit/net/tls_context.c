/* Contexts of files that are right, wrong, or not there. */
#include "net/tls_context.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/certs.h"

struct stage {
	struct certs certs;
	struct cert *ca;
	char problem[400];
};

static void encrypt_key(struct stage *s, const struct cert *cert)
{
	FILE *out = fopen(certs_path(&s->certs, "locked.key"), "w");

	assert_non_null(out);
	PEM_write_PKCS8PrivateKey(out, cert->key, EVP_aes_128_cbc(), "secret", 6, NULL,
				  NULL);
	fclose(out);
}

static int open_stage(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	certs_open(&s->certs);
	s->ca = certs_make(&s->certs, &(struct cert_spec){.name = "ca", .is_ca = true});
	const struct cert *server =
	    certs_make(&s->certs, &(struct cert_spec){.name = "server", .issuer = s->ca});
	certs_make(&s->certs, &(struct cert_spec){.name = "twin", .issuer = s->ca});
	certs_revoke(&s->certs, "ca.crl", s->ca, (const struct cert *[]){server, NULL});
	encrypt_key(s, server);
	certs_write(&s->certs, "empty", "");
	certs_write(&s->certs, "broken",
		    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	certs_write(&s->certs, "broken.key",
		    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
	certs_write(&s->certs, "broken.crl",
		    "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
	certs_join(&s->certs, "cut.pem", (const char *[]){"server.pem", "broken", NULL});
	*state = s;
	return 0;
}

static int close_stage(void **state)
{
	struct stage *s = *state;

	certs_close(&s->certs);
	free(s);
	return 0;
}

static const char *path(struct stage *s, const char *file)
{
	return file && file[0] && file[0] != '/' ? certs_path(&s->certs, file) : file;
}

/* With the files of the options looked for among the certificates. */
static struct tls_context *make(struct stage *s, enum tls_side side, struct tls_options o)
{
	o.key_file = path(s, o.key_file);
	o.cert_file = path(s, o.cert_file);
	o.ca_file = path(s, o.ca_file);
	o.crl_file = path(s, o.crl_file);
	snprintf(s->problem, sizeof(s->problem), "untouched");
	return tls_context_create(side, &o, s->problem, sizeof(s->problem));
}

#define SERVER .key_file = "server.key", .cert_file = "server.pem"

static void what_is_right_is_taken(void **state)
{
	static const struct tls_options rows[] = {
	    {SERVER},
	    {SERVER, .ca_file = "", .crl_file = "", .protocols = "", .ciphers = ""},
	    {SERVER, .verify = TLS_VERIFY_CA, .ca_file = "ca.pem"},
	    {SERVER, .verify = TLS_VERIFY_IF_GIVEN, .ca_file = "ca.pem"},
	    {SERVER, .verify = TLS_VERIFY_CA, .ca_file = "ca.pem", .crl_file = "ca.crl"},
	    {SERVER, .protocols = "all", .ciphers = "all"},
	    {SERVER, .ciphers = "fast"},
	    {SERVER, .ciphers = "HIGH:!aNULL", .tls13_ciphers = "TLS_AES_128_GCM_SHA256"},
	    {SERVER, .groups = "auto", .dheparams = "auto"},
	    {SERVER, .groups = "none", .dheparams = "none"},
	    {SERVER, .groups = "prime256v1"},
	    {SERVER, .groups = "X25519:P-384"},
	};
	struct stage *s = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_context *c = make(s, TLS_SIDE_ACCEPT, rows[i]);

		if (!c)
			print_error("%zu: %s\n", i, s->problem);
		assert_non_null(c);
		assert_string_equal(s->problem, "");
		tls_context_unref(c);
	}
}

static void what_is_wrong_is_said_in_a_sentence(void **state)
{
	static const struct {
		enum tls_side side;
		struct tls_options options;
		const char *words[3];
	} rows[] = {
	    {TLS_SIDE_ACCEPT, {.key_file = "server.key"}, {"certificate file is needed"}},
	    {TLS_SIDE_ACCEPT, {.cert_file = "server.pem"}, {"key file is needed"}},
	    {TLS_SIDE_CONNECT, {.cert_file = "server.pem"}, {"without a key file"}},
	    {TLS_SIDE_CONNECT,
	     {.key_file = "server.key"},
	     {"without a certificate file"}},
	    {TLS_SIDE_CONNECT, {.verify = TLS_VERIFY_CA}, {"only with a CA file"}},
	    {TLS_SIDE_ACCEPT,
	     {.key_file = "nowhere.key", .cert_file = "server.pem"},
	     {"cannot read key file", "nowhere.key", "No such file"}},
	    {TLS_SIDE_ACCEPT,
	     {.key_file = "/tmp", .cert_file = "server.pem"},
	     {"key file \"/tmp\"", "Is a directory"}},
	    {TLS_SIDE_ACCEPT,
	     {.key_file = "/dev/zero", .cert_file = "server.pem"},
	     {"key file \"/dev/zero\"", "Invalid argument"}},
	    {TLS_SIDE_ACCEPT,
	     {.key_file = "twin.key", .cert_file = "server.pem"},
	     {"does not fit", "twin.key", "server.pem"}},
	    {TLS_SIDE_ACCEPT,
	     {.key_file = "locked.key", .cert_file = "server.pem"},
	     {"locked.key", "is encrypted", "passphrase"}},
	    {TLS_SIDE_ACCEPT,
	     {.key_file = "server.pem", .cert_file = "server.pem"},
	     {"server.pem", "holds no private key"}},
	    {TLS_SIDE_ACCEPT,
	     {.key_file = "broken.key", .cert_file = "server.pem"},
	     {"broken.key", "is broken"}},
	    {TLS_SIDE_ACCEPT,
	     {.key_file = "server.key", .cert_file = "server.key"},
	     {"certificate file", "server.key", "holds no certificate"}},
	    {TLS_SIDE_ACCEPT,
	     {.key_file = "server.key", .cert_file = "empty"},
	     {"empty", "holds no certificate"}},
	    {TLS_SIDE_ACCEPT,
	     {.key_file = "server.key", .cert_file = "cut.pem"},
	     {"cut.pem", "is broken"}},
	    {TLS_SIDE_ACCEPT,
	     {SERVER, .ca_file = "ca.key"},
	     {"CA file", "ca.key", "holds no certificate"}},
	    {TLS_SIDE_ACCEPT,
	     {SERVER, .ca_file = "ca.pem", .crl_file = "ca.pem"},
	     {"CRL file", "holds no revocation list"}},
	    {TLS_SIDE_ACCEPT,
	     {SERVER, .ca_file = "ca.pem", .crl_file = "broken.crl"},
	     {"CRL file", "is broken"}},
	    {TLS_SIDE_ACCEPT, {SERVER, .protocols = "ssl2"}, {"protocols", "ssl2"}},
	    {TLS_SIDE_ACCEPT, {SERVER, .ciphers = "rot13"}, {"cipher", "rot13"}},
	    {TLS_SIDE_ACCEPT,
	     {SERVER, .tls13_ciphers = "rot13"},
	     {"TLS 1.3 cipher", "rot13"}},
	    {TLS_SIDE_ACCEPT, {SERVER, .groups = "circle"}, {"groups", "circle"}},
	    {TLS_SIDE_ACCEPT, {SERVER, .dheparams = "legacy"}, {"DH", "legacy"}},
	};
	struct stage *s = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_context *c = make(s, rows[i].side, rows[i].options);

		assert_null(c);
		for (size_t w = 0; w < 3 && rows[i].words[w]; w++) {
			if (!strstr(s->problem, rows[i].words[w]))
				print_error("%zu: %s\n", i, s->problem);
			assert_non_null(strstr(s->problem, rows[i].words[w]));
		}
		assert_null(strchr(s->problem, '\n'));
	}
}

static void connecting_needs_no_files(void **state)
{
	struct stage *s = *state;
	struct tls_context *c =
	    make(s, TLS_SIDE_CONNECT, (struct tls_options){.verify = TLS_VERIFY_NONE});

	assert_non_null(c);
	tls_context_unref(c);
	tls_context_unref(NULL);
}

static void a_pipe_does_not_hold_us_up(void **state)
{
	struct stage *s = *state;

	assert_int_equal(mkfifo(certs_path(&s->certs, "pipe"), 0600), 0);
	assert_null(
	    make(s, TLS_SIDE_ACCEPT,
		 (struct tls_options){.key_file = "pipe", .cert_file = "server.pem"}));
	assert_non_null(strstr(s->problem, "Invalid argument"));
}

static void a_short_problem_is_cut(void **state)
{
	struct tls_options o = {.key_file = "/nowhere", .cert_file = "/nowhere"};
	char problem[8];

	(void)state;
	assert_null(tls_context_create(TLS_SIDE_ACCEPT, &o, problem, sizeof(problem)));
	assert_string_equal(problem, "cannot ");
}

static void sameness_is_of_options_and_contents(void **state)
{
	static const struct tls_options base = {SERVER, .ca_file = "ca.pem"};
	static const struct {
		struct tls_options options;
		bool is_same;
	} rows[] = {
	    {{SERVER, .ca_file = "ca.pem"}, true},
	    {{SERVER, .ca_file = "ca.pem", .crl_file = "", .protocols = ""}, true},
	    {{.key_file = "copy.key", .cert_file = "copy.pem", .ca_file = "ca.pem"},
	     true},
	    {{SERVER, .ca_file = "twin.pem"}, false},
	    {{SERVER}, false},
	    {{SERVER, .ca_file = "ca.pem", .crl_file = "ca.crl"}, false},
	    {{SERVER, .ca_file = "ca.pem", .protocols = "all"}, false},
	    {{SERVER, .ca_file = "ca.pem", .ciphers = "HIGH"}, false},
	    {{SERVER, .ca_file = "ca.pem", .tls13_ciphers = "TLS_AES_128_GCM_SHA256"},
	     false},
	    {{SERVER, .ca_file = "ca.pem", .groups = "P-256"}, false},
	    {{SERVER, .ca_file = "ca.pem", .dheparams = "none"}, false},
	    {{SERVER, .ca_file = "ca.pem", .verify = TLS_VERIFY_CA}, false},
	    {{.key_file = "twin.key", .cert_file = "twin.pem", .ca_file = "ca.pem"},
	     false},
	};
	struct stage *s = *state;

	certs_join(&s->certs, "copy.key", (const char *[]){"server.key", NULL});
	certs_join(&s->certs, "copy.pem", (const char *[]){"server.pem", NULL});
	struct tls_context *a = make(s, TLS_SIDE_ACCEPT, base);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_context *b = make(s, TLS_SIDE_ACCEPT, rows[i].options);

		assert_non_null(b);
		assert_int_equal(tls_context_same(a, b), rows[i].is_same);
		tls_context_unref(b);
	}
	struct tls_context *b = make(s, TLS_SIDE_CONNECT, base);
	assert_false(tls_context_same(a, b));
	tls_context_unref(b);
	tls_context_unref(a);
}

static void a_context_lives_until_the_last_lets_go(void **state)
{
	struct stage *s = *state;
	struct tls_context *c = make(s, TLS_SIDE_ACCEPT, (struct tls_options){SERVER});

	assert_ptr_equal(tls_context_ref(c), c);
	tls_context_unref(c);
	assert_true(tls_context_same(c, c));
	tls_context_unref(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_right_is_taken),
	    cmocka_unit_test(what_is_wrong_is_said_in_a_sentence),
	    cmocka_unit_test(connecting_needs_no_files),
	    cmocka_unit_test(a_pipe_does_not_hold_us_up),
	    cmocka_unit_test(a_short_problem_is_cut),
	    cmocka_unit_test(sameness_is_of_options_and_contents),
	    cmocka_unit_test(a_context_lives_until_the_last_lets_go),
	};

	return cmocka_run_group_tests(tests, open_stage, close_stage);
}
