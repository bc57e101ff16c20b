/*
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677) with PostgreSQL's particulars:
 * the user name in the messages does not count (that of the startup packet does), the
 * only channel binding is tls-server-end-point, and an unknown user gets the same
 * messages as a wrong password.
 *
 * Each role is a machine that takes a message and makes the next. Neither looks at
 * sockets; whatever a peer sends is bounded by SCRAM_MESSAGE_MAX.
 */
#ifndef POOLER_AUTH_SCRAM_H
#define POOLER_AUTH_SCRAM_H

#include "base/crypto.h"

#define SCRAM_SHA_256 "SCRAM-SHA-256"
#define SCRAM_SHA_256_PLUS "SCRAM-SHA-256-PLUS"

enum {
	SCRAM_MESSAGE_MAX = 1024, /* of either side, more is refused */
	SCRAM_KEY_LEN = CRYPTO_SHA256_LEN,
	SCRAM_SALT_MAX = 128,
	SCRAM_NONCE_MAX = 256,        /* of the peer, in characters */
	SCRAM_NONCE_LEN = 24,         /* ours: 18 random bytes in base64 */
	SCRAM_NONCE_ROOM = 32,        /* ours, when a test gives it */
	SCRAM_BINDING_MAX = 64,       /* the longest hash of a certificate */
	SCRAM_ITERATIONS = 4096,      /* what PostgreSQL and we choose */
	SCRAM_ITERATIONS_MAX = 100000 /* what we calculate: 70 ms */
};

enum scram_result { SCRAM_MORE, SCRAM_DONE, SCRAM_FAILED };

/* Why it failed, when it did. */
enum scram_fault {
	SCRAM_FAULT_NONE,
	SCRAM_FAULT_MALFORMED, /* the peer broke the protocol */
	SCRAM_FAULT_BINDING,   /* this is not the TLS connection the peer has, or a
				  downgrade */
	SCRAM_FAULT_WRONG,     /* wrong password, or wrong server */
	SCRAM_FAULT_REFUSED,   /* the server said so (client role) */
	SCRAM_FAULT_SALT,      /* the keys do not fit the server's salt (client role) */
	SCRAM_FAULT_TOO_MUCH,  /* more iterations than we calculate */
	SCRAM_FAULT_MEMORY
};

struct scram_message {
	uint16_t len;
	char data[SCRAM_MESSAGE_MAX];
};

static inline struct slice scram_message_bytes(const struct scram_message *m)
{
	return slice_of(m->data, m->len);
}

/* Our part of the nonce. */
struct scram_nonce {
	uint8_t len;
	char data[SCRAM_NONCE_ROOM];
};

static inline struct slice scram_nonce_bytes(const struct scram_nonce *n)
{
	return slice_of(n->data, n->len);
}

/* ---- passwords and what is made of them ---- */

/* A password ready for PBKDF2: prepared with SASLprep and, if longer than the block of
 * the hash, hashed, as HMAC would do. Holds a secret. */
struct scram_password {
	uint8_t len;
	uint8_t key[CRYPTO_SHA256_BLOCK];
};

/* False when memory is short. */
bool scram_password_of(struct slice password, struct scram_password *out);

struct scram_salt {
	uint32_t iterations; /* 0: there is no salt */
	uint8_t len;
	uint8_t bytes[SCRAM_SALT_MAX];
};

static inline struct slice scram_salt_bytes(const struct scram_salt *s)
{
	return slice_of(s->bytes, s->len);
}

bool scram_salt_equal(const struct scram_salt *a, const struct scram_salt *b);

/* What is stored instead of a password. */
struct scram_verifier {
	struct scram_salt salt;
	uint8_t stored_key[SCRAM_KEY_LEN];
	uint8_t server_key[SCRAM_KEY_LEN];
};

/* "SCRAM-SHA-256$iterations:salt$stored key:server key"; false when it is not that. */
bool scram_verifier_parse(struct slice text, struct scram_verifier *out);

enum { SCRAM_VERIFIER_TEXT_MAX = 320 };

/* Returns out. */
char *scram_verifier_print(const struct scram_verifier *v,
			   char out[SCRAM_VERIFIER_TEXT_MAX]);

/* What a login shows of a secret that is stored as a verifier: enough to log in elsewhere
 * with the same verifier. Holds a secret. */
struct scram_keys {
	struct scram_salt salt; /* iterations 0: there are no keys */
	uint8_t client_key[SCRAM_KEY_LEN];
	uint8_t server_key[SCRAM_KEY_LEN];
};

/* The SaltedPassword of an earlier login, kept by the caller so that PBKDF2 need not run
 * again. All zero: nothing is kept. What it was made of is checked by whoever uses it, so
 * a changed password or salt makes it useless, not wrong. Holds a secret. */
struct scram_salted {
	struct scram_salt salt;
	uint8_t made_of[SCRAM_KEY_LEN]; /* HMAC of the password by the salt */
	uint8_t bytes[SCRAM_KEY_LEN];
};

bool scram_salted_fits(const struct scram_salted *s, const struct scram_password *p,
		       const struct scram_salt *salt);

/* Runs PBKDF2. False when memory is short. */
bool scram_salted_make(const struct scram_password *p, const struct scram_salt *salt,
		       struct scram_salted *out);

/* The keys of a SaltedPassword, and the verifier of keys. False when memory is short. */
bool scram_keys_of(const struct scram_salted *s, struct scram_keys *out);
bool scram_verifier_of(const struct scram_keys *keys, struct scram_verifier *out);

/* ---- the server's role ---- */

enum scram_server_state {
	SCRAM_SERVER_FIRST, /* waits for client-first-message */
	SCRAM_SERVER_FINAL, /* waits for client-final-message */
	SCRAM_SERVER_OVER
};

/* What a client is held against: a verifier, or a password of which one is made when the
 * client has shown its proof. is_mock: fails in any case, but only then. */
struct scram_expected {
	bool is_mock;
	bool has_password;
	struct scram_verifier verifier; /* only its salt when has_password */
	struct scram_password password;
	struct scram_salted known; /* of that password, perhaps */
};

struct scram_server {
	enum scram_server_state state;
	enum scram_fault fault;
	const char *problem; /* what is wrong with a malformed message */
	struct scram_expected expected;
	bool is_plus;
	uint8_t flag; /* 'n', 'y' or 'p', as the client said */
	uint8_t binding_len;
	uint8_t binding[SCRAM_BINDING_MAX];
	struct scram_message client_first_bare, server_first;
	struct scram_nonce nonce;
	size_t nonce_len;       /* of both sides; it follows "r=" in server_first */
	struct scram_keys keys; /* after SCRAM_DONE, of a real verifier */
};

/* binding: what this TLS connection is bound to, empty if it is none or must not be
 * offered. is_plus: the client chose SCRAM-SHA-256-PLUS, which takes a binding. The nonce
 * is random unless a test gives one, of at most SCRAM_NONCE_ROOM characters. */
void scram_server_init(struct scram_server *s, const struct scram_expected *expected,
		       struct slice binding, bool is_plus, struct slice nonce);

/* Wipes all. */
void scram_server_fini(struct scram_server *s);

/* SCRAM_MORE and SCRAM_DONE come with a message in *out; after SCRAM_FAILED the login is
 * over. The only place that takes long: PBKDF2, at the second message, if expected is a
 * password; a failure always takes as long as one without a known SaltedPassword. */
enum scram_result scram_server_feed(struct scram_server *s, struct slice message,
				    struct scram_message *out);

/* ---- the client's role ---- */

enum scram_client_state {
	SCRAM_CLIENT_FIRST, /* waits for server-first-message */
	SCRAM_CLIENT_FINAL, /* waits for server-final-message */
	SCRAM_CLIENT_OVER
};

/* How a client proves itself: by keys, or by a password with a place to keep its
 * SaltedPassword. Borrowed during a call. */
struct scram_proof {
	const struct scram_keys *keys; /* NULL: use the password */
	struct slice password;
	struct scram_salted *salted; /* may be NULL; read and written */
};

struct scram_client {
	enum scram_client_state state;
	enum scram_fault fault;
	const char *problem;
	uint8_t flag;
	uint8_t binding_len;
	uint8_t binding[SCRAM_BINDING_MAX];
	struct scram_nonce nonce;
	uint8_t server_signature[SCRAM_KEY_LEN];
	char server_says[64]; /* after SCRAM_FAULT_REFUSED: the server's word for it */
};

/* Writes client-first-message. binding: what this TLS connection is bound to, empty if it
 * is none. is_plus: SCRAM-SHA-256-PLUS was offered and is used, which takes a binding. */
void scram_client_init(struct scram_client *c, struct slice binding, bool is_plus,
		       struct slice nonce, struct scram_message *out);
void scram_client_fini(struct scram_client *c);

/* SCRAM_MORE comes with a message in *out. SCRAM_DONE: the server has proved itself too.
 */
enum scram_result scram_client_feed(struct scram_client *c, struct slice message,
				    const struct scram_proof *proof,
				    struct scram_message *out);

/* ---- what the roles share ---- */

/* Takes "NAME=value" from the front of a list with commas. False, and *rest untouched,
 * when something else is there. */
bool scram_take(struct slice *rest, char name, struct slice *value);

/* A count of iterations: 1 to 2^31 - 1. */
bool scram_parse_iterations(struct slice text, uint32_t *out);

/* Whether a nonce of a peer is printable and not too long. */
bool scram_nonce_is_good(struct slice nonce);

/* Appends; false when it does not fit. */
bool scram_put(struct scram_message *m, struct slice bytes);
bool scram_put_text(struct scram_message *m, const char *text);
bool scram_put_base64(struct scram_message *m, struct slice bytes);

/* Our nonce: a copy of the given one, or random when that is empty. */
struct scram_nonce scram_nonce_make(struct slice given);

/* The HMAC of AuthMessage, which is the three parts with commas between. */
bool scram_sign(const uint8_t key[SCRAM_KEY_LEN], struct slice client_first_bare,
		struct slice server_first, struct slice client_final_without_proof,
		uint8_t out[SCRAM_KEY_LEN]);

/* base64 of "FLAG[=tls-server-end-point],," and the binding, if any: the value of c=. */
bool scram_binding_text(uint8_t flag, struct slice binding, struct scram_message *out);

#endif
