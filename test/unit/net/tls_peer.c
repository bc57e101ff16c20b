/* What is known of a peer: names, subject, channel binding. */
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/certs.h"
#include "harness/tls_pair.h"
#include "net/tls_context.h"
#include "net/tls_parts.h"

struct stage {
	struct certs certs;
	struct cert *ca;
	struct tls_pair pair;
	struct tls_context *accept, *connect;
};

static int open_all(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	certs_open(&s->certs);
	s->ca = certs_make(&s->certs, &(struct cert_spec){.name = "ca", .is_ca = true});
	certs_make(&s->certs, &(struct cert_spec){.name = "server", .issuer = s->ca});
	*state = s;
	return 0;
}

static int close_all(void **state)
{
	struct stage *s = *state;

	certs_close(&s->certs);
	free(s);
	return 0;
}

static void hang_up(struct stage *s)
{
	tls_pair_close(&s->pair);
	tls_context_unref(s->accept);
	tls_context_unref(s->connect);
}

static const char *file_of(struct stage *s, const char *name, const char *suffix)
{
	char file[40];

	snprintf(file, sizeof(file), "%s%s", name, suffix);
	return certs_path(&s->certs, file);
}

/* Connects a client (NULL: without a certificate) to a server of these names. */
static void meet(struct stage *s, const char *server, const char *client,
		 enum tls_verify verify)
{
	struct tls_options a = {.verify = verify,
				.key_file = file_of(s, server, ".key"),
				.cert_file = file_of(s, server, ".pem"),
				.ca_file = certs_path(&s->certs, "ca.pem"),
				.ciphers = "ALL:@SECLEVEL=0"};
	struct tls_options c = {.verify = TLS_VERIFY_CA,
				.key_file = client ? file_of(s, client, ".key") : NULL,
				.cert_file = client ? file_of(s, client, ".pem") : NULL,
				.ca_file = certs_path(&s->certs, "ca.pem"),
				.ciphers = "ALL:@SECLEVEL=0"};
	char problem[300];

	s->accept = tls_context_create(TLS_SIDE_ACCEPT, &a, problem, sizeof(problem));
	s->connect = tls_context_create(TLS_SIDE_CONNECT, &c, problem, sizeof(problem));
	assert_non_null(s->accept);
	assert_non_null(s->connect);
	tls_pair_open(&s->pair, false);
	tls_pair_start(&s->pair, s->accept, s->connect, NULL);
	tls_pair_settle(&s->pair);
	if (!tls_pair_is_done(&s->pair))
		print_error("%s: %s\n", server, s->pair.client.problem);
	assert_true(tls_pair_is_done(&s->pair));
}

static const struct stream *client_of(struct stage *s)
{
	return &s->pair.server.stream;
}

/* ---- names ---- */

static void the_names_are_the_common_one_and_the_others(void **state)
{
	static const char *const names[] = {"an äpfel user", "one.test", "*.two.test"};
	struct stage *s = *state;
	char name[32];

	certs_make(&s->certs,
		   &(struct cert_spec){.name = "many",
				       .cn = "an äpfel user",
				       .issuer = s->ca,
				       .alt = "DNS:one.test,IP:127.0.0.1,"
					      "email:a@b.test,DNS:*.two.test"});
	meet(s, "server", "many", TLS_VERIFY_CA);
	assert_true(tls_peer_is_verified(client_of(s)));
	assert_int_equal(tls_peer_name_count(client_of(s)), 3);
	for (size_t i = 0; i < 3; i++) {
		assert_true(tls_peer_name(client_of(s), i, name, sizeof(name)));
		assert_string_equal(name, names[i]);
	}
	assert_false(tls_peer_name(client_of(s), 3, name, sizeof(name)));
	assert_string_equal(name, "");
	/* "one.test" and its NUL need nine. */
	assert_false(tls_peer_name(client_of(s), 1, name, 8));
	assert_string_equal(name, "");
	assert_true(tls_peer_name(client_of(s), 1, name, 9));
	hang_up(s);
}

static void a_name_with_a_nul_is_none(void **state)
{
	struct stage *s = *state;
	char text[200];

	certs_make(&s->certs, &(struct cert_spec){.name = "nul",
						  .cn = "admin\0.evil",
						  .cn_len = 11,
						  .issuer = s->ca});
	meet(s, "server", "nul", TLS_VERIFY_CA);
	assert_int_equal(tls_peer_name_count(client_of(s)), 1);
	assert_false(tls_peer_name(client_of(s), 0, text, sizeof(text)));
	assert_string_equal(text, "");
	assert_true(tls_peer_subject(client_of(s), text, sizeof(text)));
	assert_string_equal(text, "CN=admin\\00.evil");
	hang_up(s);
}

static void the_subject_is_written_as_rfc_2253_does(void **state)
{
	struct stage *s = *state;
	char text[200];

	certs_make(&s->certs, &(struct cert_spec){.name = "subject",
						  .cn = "me, myself+i",
						  .organization = "Ich & Co",
						  .issuer = s->ca});
	meet(s, "server", "subject", TLS_VERIFY_IF_GIVEN);
	assert_true(tls_peer_subject(client_of(s), text, sizeof(text)));
	assert_string_equal(text, "CN=me\\, myself\\+i,O=Ich & Co");
	assert_false(tls_peer_subject(client_of(s), text, strlen(text)));
	assert_string_equal(text, "");
	assert_true(tls_peer_subject(&s->pair.client.stream, text, sizeof(text)));
	assert_string_equal(text, "CN=server");
	hang_up(s);
}

static void a_client_without_a_certificate_has_no_names(void **state)
{
	struct stage *s = *state;
	char text[20] = "x";

	meet(s, "server", NULL, TLS_VERIFY_IF_GIVEN);
	assert_false(tls_peer_is_verified(client_of(s)));
	assert_int_equal(tls_peer_name_count(client_of(s)), 0);
	assert_false(tls_peer_name(client_of(s), 0, text, sizeof(text)));
	assert_false(tls_peer_subject(client_of(s), text, sizeof(text)));
	assert_string_equal(text, "");
	hang_up(s);
}

/* ---- binding ---- */

/* What `openssl x509 -fingerprint` says of the first certificate of a file. */
static size_t fingerprint(struct stage *s, const char *name, const char *digest,
			  uint8_t out[TLS_BINDING_MAX])
{
	char command[300], line[400] = "";
	size_t len = 0;

	snprintf(command, sizeof(command), "openssl x509 -noout -fingerprint -%s -in %s",
		 digest, file_of(s, name, ".pem"));
	FILE *from = popen(command, "r");
	assert_non_null(from);
	assert_non_null(fgets(line, sizeof(line), from));
	pclose(from);
	for (char *at = strchr(line, '='); at && len < TLS_BINDING_MAX;
	     at = strchr(at, ':'))
		out[len++] = (uint8_t)strtoul(++at, NULL, 16);
	return len;
}

static void the_binding_is_a_digest_as_the_signature_has(void **state)
{
	static const struct {
		const char *name, *signature, *binding;
		enum cert_key ca_key;
	} rows[] = {
	    {"b256", "SHA256", "sha256", CERT_KEY_EC},
	    {"b384", "SHA384", "sha384", CERT_KEY_EC},
	    {"b512", "SHA512", "sha512", CERT_KEY_RSA},
	    {"bsha1", "SHA1", "sha256", CERT_KEY_RSA},
	    {"bmd5", "MD5", "sha256", CERT_KEY_RSA},
	    {"brsa", "SHA224", "sha224", CERT_KEY_RSA},
	};
	struct stage *s = *state;
	uint8_t ours[TLS_BINDING_MAX], theirs[TLS_BINDING_MAX], right[TLS_BINDING_MAX];
	struct cert *cas[] = {
	    s->ca, certs_make(&s->certs, &(struct cert_spec){.name = "carsa",
							     .is_ca = true,
							     .key = CERT_KEY_RSA})};

	certs_join(&s->certs, "both.pem", (const char *[]){"ca.pem", "carsa.pem", NULL});
	certs_join(&s->certs, "ca.pem", (const char *[]){"both.pem", NULL});
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		certs_make(&s->certs, &(struct cert_spec){.name = rows[i].name,
							  .issuer = cas[rows[i].ca_key],
							  .digest = rows[i].signature});
		size_t len = fingerprint(s, rows[i].name, rows[i].binding, right);
		meet(s, rows[i].name, NULL, TLS_VERIFY_NONE);
		assert_true(len >= 28);
		assert_int_equal(tls_binding(&s->pair.server.stream, ours), len);
		assert_int_equal(tls_binding(&s->pair.client.stream, theirs), len);
		assert_memory_equal(ours, right, len);
		assert_memory_equal(theirs, right, len);
		hang_up(s);
	}
}

static void a_signature_without_a_digest_has_no_binding(void **state)
{
	struct stage *s = *state;
	uint8_t binding[TLS_BINDING_MAX];
	struct cert *ca = certs_make(
	    &s->certs,
	    &(struct cert_spec){.name = "caed", .is_ca = true, .key = CERT_KEY_ED25519});

	certs_make(&s->certs, &(struct cert_spec){.name = "ed", .issuer = ca});
	certs_join(&s->certs, "ca.pem", (const char *[]){"caed.pem", NULL});
	meet(s, "ed", NULL, TLS_VERIFY_NONE);
	assert_int_equal(tls_binding(&s->pair.server.stream, binding), 0);
	assert_int_equal(tls_binding(&s->pair.client.stream, binding), 0);
	hang_up(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_names_are_the_common_one_and_the_others),
	    cmocka_unit_test(a_name_with_a_nul_is_none),
	    cmocka_unit_test(the_subject_is_written_as_rfc_2253_does),
	    cmocka_unit_test(a_client_without_a_certificate_has_no_names),
	    cmocka_unit_test(the_binding_is_a_digest_as_the_signature_has),
	    cmocka_unit_test(a_signature_without_a_digest_has_no_binding),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
