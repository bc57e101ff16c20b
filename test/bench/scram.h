/*
 * The client's role of SCRAM-SHA-256, as little as a benchmark needs: one user, whose
 * keys are calculated when the first salt is seen and used as long as the salt stays the
 * same, so that thousands of logins cost a client next to nothing. Deliberately not the
 * code under test.
 */
#ifndef BENCH_SCRAM_H
#define BENCH_SCRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCRAM_HASH_LEN = 32, SCRAM_TEXT_CAP = 256, SCRAM_SALT_CAP = 64 };

/* Shared by all logins of the user. */
struct scram_user {
	const char *password;
	char salt[SCRAM_SALT_CAP]; /* in base64; empty: no keys yet */
	long iterations;
	uint8_t client_key[SCRAM_HASH_LEN], server_key[SCRAM_HASH_LEN];
};

struct scram_login {
	char first_bare[SCRAM_TEXT_CAP];
	uint8_t server_signature[SCRAM_HASH_LEN];
};

/* Writes client-first-message; number makes the nonce. Returns its length. */
size_t scram_first(struct scram_login *login, uint64_t number, char out[SCRAM_TEXT_CAP]);

/* Writes client-final-message; 0 when the server's message makes no sense. */
size_t scram_final(struct scram_login *login, struct scram_user *user,
		   const char *server_first, char out[SCRAM_TEXT_CAP]);

/* Whether the server has the user's keys, too. */
bool scram_is_server(const struct scram_login *login, const char *server_final);

#endif
