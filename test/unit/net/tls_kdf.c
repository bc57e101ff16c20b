/* The sums of TLS 1.3's key schedule: those of RFC 8448, and OpenSSL's own. */
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net/tls_parts.h"

struct input {
	int mode;
	const char *digest, *label;
	struct slice key, salt, data; /* NULL: not given */
};

static OSSL_PROVIDER *ours;

static int open_ours(void **state)
{
	(void)state;
	ours = tls_kdf_load();
	return ours ? 0 : -1;
}

static int close_ours(void **state)
{
	(void)state;
	tls_kdf_unload(ours);
	return 0;
}

static OSSL_PARAM *add(OSSL_PARAM *p, const char *name, struct slice bytes)
{
	if (bytes.data)
		*p++ = OSSL_PARAM_construct_octet_string(
		    name, (void *)(uintptr_t)bytes.data, bytes.len);
	return p;
}

/* As libssl asks for it. */
static bool derive(const char *properties, const struct input *in, uint8_t *out,
		   size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", properties);
	int mode = in->mode;
	OSSL_PARAM params[8], *p = params;

	assert_non_null(kdf);
	EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
	*p++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
	*p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
						(char *)(uintptr_t)in->digest, 0);
	p = add(p, OSSL_KDF_PARAM_KEY, in->key);
	p = add(p, OSSL_KDF_PARAM_SALT, in->salt);
	p = add(p, OSSL_KDF_PARAM_PREFIX, slice_of_text("tls13 "));
	p = add(p, OSSL_KDF_PARAM_LABEL, slice_of_text(in->label));
	p = add(p, OSSL_KDF_PARAM_DATA, in->data);
	*p = OSSL_PARAM_construct_end();
	bool is_ok = EVP_KDF_derive(context, out, len, params) == 1;
	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
	return is_ok;
}

static bool derive_ours(const struct input *in, uint8_t *out, size_t len)
{
	return derive("provider=pooler", in, out, len);
}

static void assert_hex(const uint8_t *bytes, size_t len, const char *expected)
{
	char hex[129] = "";

	for (size_t i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	assert_string_equal(hex, expected);
}

/* RFC 8448, section 3: "extract secret early", "derive secret for handshake". */
static void the_published_secrets_come_out(void **state)
{
	static const uint8_t shared[32] = {
	    0x8b, 0xd4, 0x05, 0x4f, 0xb5, 0x5b, 0x9d, 0x63, 0xfd, 0xfb, 0xac,
	    0xf9, 0xf0, 0x4b, 0x9f, 0x0d, 0x35, 0xe6, 0xd6, 0x3f, 0x53, 0x75,
	    0x63, 0xef, 0xd4, 0x62, 0x72, 0x90, 0x0f, 0x89, 0x49, 0x2d};
	uint8_t early[32], handshake[32];
	struct input in = {.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY,
			   .digest = "SHA2-256",
			   .label = "derived"};

	(void)state;
	assert_true(derive_ours(&in, early, sizeof(early)));
	assert_hex(early, 32,
		   "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a");
	in.key = slice_of(shared, sizeof(shared));
	in.salt = slice_of(early, sizeof(early));
	assert_true(derive_ours(&in, handshake, sizeof(handshake)));
	assert_hex(handshake, 32,
		   "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac");
}

static void compare(const struct input *in, size_t len)
{
	uint8_t here[EVP_MAX_MD_SIZE] = {0}, there[EVP_MAX_MD_SIZE] = {0};

	assert_true(derive("provider=default", in, there, len));
	assert_true(derive_ours(in, here, len));
	assert_memory_equal(here, there, sizeof(here));
}

static void all_sums_are_openssls(void **state)
{
	static const char *const digests[] = {"SHA2-256", "SHA256", "SHA2-384", "SHA384"};
	static const size_t key_lens[] = {32, 48, 56, 66, 128, 1024};
	uint8_t bytes[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
	for (int d = 0; d < 4; d++) {
		size_t len = d < 2 ? 32 : 48;
		struct slice secret = slice_of(bytes + 5, len);
		struct input in = {.digest = digests[d], .label = "derived"};

		in.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY;
		compare(&in, len);
		for (size_t k = 0; k < sizeof(key_lens) / sizeof(key_lens[0]); k++) {
			in.key = slice_of(bytes, key_lens[k]);
			in.salt = slice_of(NULL, 0);
			compare(&in, len);
			in.salt = secret;
			compare(&in, len);
		}
		in = (struct input){.mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY,
				    .digest = digests[d],
				    .key = secret};
		static const char *const labels[] = {"key", "iv", "finished",
						     "c hs traffic", "exp master"};
		for (size_t l = 0; l < sizeof(labels) / sizeof(labels[0]); l++)
			for (size_t out_len = 1; out_len <= len; out_len++) {
				in.label = labels[l];
				in.data = slice_of(NULL, 0);
				compare(&in, out_len);
				in.data = slice_of(bytes + 100, len);
				compare(&in, out_len);
			}
	}
}

static void what_no_handshake_asks_for_is_refused(void **state)
{
	static const uint8_t key[32];
	uint8_t out[512];
	struct input good = {.mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY,
			     .digest = "SHA256",
			     .label = "key",
			     .key = slice_of(key, sizeof(key))};
	struct input in = good;
	char longest[251];

	(void)state;
	assert_true(derive_ours(&in, out, 32));
	assert_false(derive_ours(&in, out, 33));
	in.data = slice_of(out, EVP_MAX_MD_SIZE);
	assert_true(derive_ours(&in, out, 32));
	in.data = slice_of(out, EVP_MAX_MD_SIZE + 1);
	assert_false(derive_ours(&in, out, 32));
	in = good;
	in.digest = "MD5";
	assert_false(derive_ours(&in, out, 16));
	in = good;
	in.mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;
	assert_false(derive_ours(&in, out, 32));
	in.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY;
	assert_false(derive_ours(&in, out, 31));
	in = good;
	memset(longest, 'x', sizeof(longest));
	longest[249] = '\0';
	in.label = longest;
	assert_true(derive_ours(&in, out, 32));
	longest[249] = 'x';
	longest[250] = '\0';
	assert_false(derive_ours(&in, out, 32));
}

static void secrets_of_the_data_are_noted_for_who_asks(void **state)
{
	static const uint8_t key[32] = {1};
	struct tls_start start = {.secret_in_len = 0};
	uint8_t in_secret[32], out_secret[32];
	struct input in = {.mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY,
			   .digest = "SHA256",
			   .label = "c hs traffic",
			   .key = slice_of(key, sizeof(key))};

	(void)state;
	tls_kdf_note(ours, &start);
	assert_true(derive_ours(&in, in_secret, 32));
	assert_int_equal(start.secret_in_len, 0);
	in.label = "c ap traffic";
	assert_true(derive_ours(&in, in_secret, 32));
	in.label = "s ap traffic";
	assert_true(derive_ours(&in, out_secret, 32));
	assert_int_equal(start.secret_in_len, 32);
	assert_int_equal(start.secret_out_len, 32);
	assert_memory_equal(start.secret_in, in_secret, 32);
	assert_memory_equal(start.secret_out, out_secret, 32);
	tls_kdf_note(ours, NULL);
	start = (struct tls_start){.secret_in_len = 0};
	assert_true(derive_ours(&in, out_secret, 32));
	assert_int_equal(start.secret_out_len, 0);
}

/* Which it is for contexts: or else they would be as slow as ever, and no client's
 * connection could be taken over. */
static void contexts_prefer_ours(void **state)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", tls_kdf_preference());

	(void)state;
	assert_non_null(kdf);
	assert_ptr_equal(EVP_KDF_get0_provider(kdf), ours);
	EVP_KDF_free(kdf);
}

/* As in OPENSSL_CONF: "default_properties = provider=fips", or "fips=yes". */
static void a_provider_that_is_demanded_is_not_passed_over(void **state)
{
	(void)state;
	assert_int_equal(EVP_set_default_properties(NULL, "provider=default"), 1);
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", tls_kdf_preference());
	EVP_set_default_properties(NULL, "");
	assert_non_null(kdf);
	assert_ptr_not_equal(EVP_KDF_get0_provider(kdf), ours);
	EVP_KDF_free(kdf);
	assert_int_equal(EVP_set_default_properties(NULL, "fips=yes"), 1);
	kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", tls_kdf_preference());
	EVP_set_default_properties(NULL, "");
	assert_null(kdf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_published_secrets_come_out),
	    cmocka_unit_test(all_sums_are_openssls),
	    cmocka_unit_test(what_no_handshake_asks_for_is_refused),
	    cmocka_unit_test(secrets_of_the_data_are_noted_for_who_asks),
	    cmocka_unit_test(contexts_prefer_ours),
	    cmocka_unit_test(a_provider_that_is_demanded_is_not_passed_over),
	};

	return cmocka_run_group_tests(tests, open_ours, close_ours);
}
