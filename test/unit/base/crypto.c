/*
 * The sums against published vectors: FIPS 180-2, RFC 1321, RFC 4231, RFC 7914 (PBKDF2
 * with HMAC-SHA-256) and RFC 4648.
 */
#include "base/crypto.h"

#include <openssl/crypto.h>

#include "unit/base/kit.h"

static unsigned until_failure, requests;

static bool fails_now(void)
{
	return until_failure > 0 && --until_failure == 0;
}

static void *take(size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	requests++;
	return fails_now() ? NULL : malloc(len);
}

static void *take_again(void *at, size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails_now() ? NULL : realloc(at, len);
}

static void give_back(void *at, const char *file, int line)
{
	(void)file;
	(void)line;
	free(at);
}

static void assert_hex(const uint8_t *bytes, size_t len, const char *expected)
{
	char hex[129] = "";

	assert_true(len * 2 < sizeof(hex));
	for (size_t i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	assert_string_equal(hex, expected);
}

static void digests_are_those_of_the_standards(void **state)
{
	struct slice abc[] = {slice_of_text("a"), slice_of_text(""), slice_of_text("bc")};
	uint8_t sum[CRYPTO_SHA256_LEN];

	(void)state;
	assert_true(crypto_sha256(abc, 3, sum));
	assert_hex(sum, 32,
		   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_true(crypto_sha256(NULL, 0, sum));
	assert_hex(sum, 32,
		   "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_true(crypto_md5(abc, 3, sum));
	assert_hex(sum, 16, "900150983cd24fb0d6963f7d28e17f72");
	assert_true(crypto_md5(NULL, 0, sum));
	assert_hex(sum, 16, "d41d8cd98f00b204e9800998ecf8427e");
}

static void hmac_is_that_of_the_standard(void **state)
{
	uint8_t sum[CRYPTO_SHA256_LEN], key[131];
	struct slice split[] = {slice_of_text("what do ya want "),
				slice_of_text("for nothing?")};
	struct slice hashed =
	    slice_of_text("Test Using Larger Than Block-Size Key - Hash Key First");

	(void)state;
	assert_true(crypto_hmac_sha256(slice_of_text("Jefe"), split, 2, sum));
	assert_hex(sum, 32,
		   "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	assert_true(crypto_hmac_sha256(slice_of(key, sizeof(key)), &hashed, 1, sum));
	assert_hex(sum, 32,
		   "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void passwords_are_stretched_as_in_the_standard(void **state)
{
	uint8_t sum[CRYPTO_SHA256_LEN];

	(void)state;
	assert_true(
	    crypto_pbkdf2_sha256(slice_of_text("passwd"), slice_of_text("salt"), 1, sum));
	assert_hex(sum, 32,
		   "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
	assert_true(crypto_pbkdf2_sha256(slice_of_text("Password"), slice_of_text("NaCl"),
					 80000, sum));
	assert_hex(sum, 32,
		   "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56");
}

static void equal_is_equal_in_all_bytes(void **state)
{
	(void)state;
	assert_true(crypto_equal(slice_of_text("abc"), slice_of_text("abc")));
	assert_true(crypto_equal(slice_of(NULL, 0), slice_of_text("")));
	assert_false(crypto_equal(slice_of_text("abc"), slice_of_text("abd")));
	assert_false(crypto_equal(slice_of_text("bbc"), slice_of_text("abc")));
	assert_false(crypto_equal(slice_of_text("abc"), slice_of_text("ab")));
}

static void what_is_wiped_is_gone(void **state)
{
	uint8_t secret[3] = {1, 2, 3};

	(void)state;
	crypto_wipe(secret, 0);
	assert_hex(secret, 3, "010203");
	crypto_wipe(secret, sizeof(secret));
	assert_hex(secret, 3, "000000");
}

static void base64_is_that_of_the_standard(void **state)
{
	static const struct {
		const char *plain, *encoded;
	} cases[] = {
	    {"", ""},
	    {"f", "Zg=="},
	    {"fo", "Zm8="},
	    {"foo", "Zm9v"},
	    {"foob", "Zm9vYg=="},
	    {"fooba", "Zm9vYmE="},
	    {"foobar", "Zm9vYmFy"},
	    {"\xff\xef\xfe", "/+/+"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char text[16] = "";
		uint8_t bytes[16];
		size_t len = strlen(cases[i].plain), got;

		crypto_base64_encode(slice_of_text(cases[i].plain), text);
		assert_string_equal(text, cases[i].encoded);
		assert_int_equal(crypto_base64_len(len), strlen(text));
		assert_true(crypto_base64_decode(slice_of_text(text), bytes, len, &got));
		assert_int_equal(got, len);
		assert_memory_equal(bytes, cases[i].plain, len);
		if (len > 0)
			assert_false(crypto_base64_decode(slice_of_text(text), bytes,
							  len - 1, &got));
	}
}

static void what_is_not_base64_is_refused(void **state)
{
	static const char *const cases[] = {
	    "Z",     "Zg",    "Zg=",      "Zg=g", "=g==", "Zh==", "Zm9=",    "Zg==Zg==",
	    "Zm 9v", "Zm9\n", "Zm9v====", "====", "Z===", "Zm9-", "Zm9\xff", "Zm9v\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		uint8_t bytes[16];
		size_t len = 77;

		assert_false(crypto_base64_decode(slice_of_text(cases[i]), bytes,
						  sizeof(bytes), &len));
		assert_int_equal(len, 77);
	}
}

/* Logins make dozens of them. */
static void sums_of_sha256_take_no_memory(void **state)
{
	struct slice part = slice_of_text("abc");
	uint8_t sum[CRYPTO_SHA256_LEN];
	unsigned before = requests;

	(void)state;
	assert_true(crypto_sha256(&part, 1, sum));
	assert_true(crypto_hmac_sha256(part, &part, 1, sum));
	assert_true(crypto_pbkdf2_sha256(part, part, 3, sum));
	assert_int_equal(requests, before);
}

/* Whatever OpenSSL cannot get, the result says so or is right. */
static void short_memory_is_a_failure_and_no_wrong_sum(void **state)
{
	struct slice part = slice_of_text("abc");
	unsigned failures = 0;

	(void)state;
	for (unsigned n = 1; n < 20; n++) {
		uint8_t sum[CRYPTO_MD5_LEN], good[CRYPTO_MD5_LEN];

		assert_true(crypto_md5(&part, 1, good));
		memset(sum, 0x55, sizeof(sum));
		until_failure = n;
		bool is_ok = crypto_md5(&part, 1, sum);
		until_failure = 0;
		if (is_ok)
			assert_memory_equal(sum, good, sizeof(sum));
		else
			for (size_t i = 0; i < sizeof(sum); i++)
				assert_int_equal(sum[i], 0x55);
		failures += !is_ok;
	}
	assert_true(failures > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(digests_are_those_of_the_standards),
	    cmocka_unit_test(hmac_is_that_of_the_standard),
	    cmocka_unit_test(passwords_are_stretched_as_in_the_standard),
	    cmocka_unit_test(equal_is_equal_in_all_bytes),
	    cmocka_unit_test(what_is_wiped_is_gone),
	    cmocka_unit_test(base64_is_that_of_the_standard),
	    cmocka_unit_test(what_is_not_base64_is_refused),
	    cmocka_unit_test(sums_of_sha256_take_no_memory),
	    cmocka_unit_test(short_memory_is_a_failure_and_no_wrong_sum),
	};

	if (!CRYPTO_set_mem_functions(take, take_again, give_back))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
