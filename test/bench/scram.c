#include "scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BASE64_HASH_CAP = 48 };

static void hmac(const uint8_t key[SCRAM_HASH_LEN], const char *text,
		 uint8_t out[SCRAM_HASH_LEN])
{
	HMAC(EVP_sha256(), key, SCRAM_HASH_LEN, (const uint8_t *)text, strlen(text), out,
	     NULL);
}

static bool keys_make(struct scram_user *user, const char *salt, long iterations)
{
	uint8_t bytes[SCRAM_SALT_CAP], salted[SCRAM_HASH_LEN];
	size_t len = strlen(salt);
	if (len == 0 || len % 4 != 0 || len >= sizeof(user->salt) || iterations < 1)
		return false;
	int salt_len = EVP_DecodeBlock(bytes, (const uint8_t *)salt, (int)len);
	salt_len -= (salt[len - 1] == '=') + (salt[len - 2] == '=');
	if (salt_len < 0 ||
	    !PKCS5_PBKDF2_HMAC(user->password, -1, bytes, salt_len, (int)iterations,
			       EVP_sha256(), SCRAM_HASH_LEN, salted))
		return false;
	hmac(salted, "Client Key", user->client_key);
	hmac(salted, "Server Key", user->server_key);
	memcpy(user->salt, salt, len + 1);
	user->iterations = iterations;
	return true;
}

size_t scram_first(struct scram_login *login, uint64_t number, char out[SCRAM_TEXT_CAP])
{
	snprintf(login->first_bare, sizeof(login->first_bare), "n=,r=%024llx",
		 (unsigned long long)number);
	return (size_t)snprintf(out, SCRAM_TEXT_CAP, "n,,%s", login->first_bare);
}

static bool read_server_first(const char *text, char nonce[128],
			      char salt[SCRAM_SALT_CAP], long *iterations)
{
	char count[16];
	if (sscanf(text, "r=%127[^,],s=%63[^,],i=%15[0-9]", nonce, salt, count) != 3)
		return false;
	*iterations = strtol(count, NULL, 10);
	return true;
}

size_t scram_final(struct scram_login *login, struct scram_user *user,
		   const char *server_first, char out[SCRAM_TEXT_CAP])
{
	char nonce[128], salt[SCRAM_SALT_CAP], proof64[BASE64_HASH_CAP];
	char bare[SCRAM_TEXT_CAP], message[3 * SCRAM_TEXT_CAP];
	uint8_t stored[SCRAM_HASH_LEN], proof[SCRAM_HASH_LEN];
	long iterations;
	if (!read_server_first(server_first, nonce, salt, &iterations))
		return 0;
	if ((strcmp(salt, user->salt) || iterations != user->iterations) &&
	    !keys_make(user, salt, iterations))
		return 0;
	snprintf(bare, sizeof(bare), "c=biws,r=%s", nonce);
	snprintf(message, sizeof(message), "%s,%s,%s", login->first_bare, server_first,
		 bare);
	SHA256(user->client_key, SCRAM_HASH_LEN, stored);
	hmac(stored, message, proof);
	hmac(user->server_key, message, login->server_signature);
	for (size_t i = 0; i < SCRAM_HASH_LEN; i++)
		proof[i] ^= user->client_key[i];
	EVP_EncodeBlock((uint8_t *)proof64, proof, SCRAM_HASH_LEN);
	return (size_t)snprintf(out, SCRAM_TEXT_CAP, "%.190s,p=%s", bare, proof64);
}

bool scram_is_server(const struct scram_login *login, const char *server_final)
{
	char expected[BASE64_HASH_CAP];
	EVP_EncodeBlock((uint8_t *)expected, login->server_signature, SCRAM_HASH_LEN);
	return !strncmp(server_final, "v=", 2) && !strcmp(server_final + 2, expected);
}
