/*
 * The records of TLS 1.3 once its handshake is done (RFC 8446, section 5): sealing bytes
 * into a record and opening one, in one direction, with one key that can be renewed.
 *
 * OpenSSL makes the handshake; afterwards an idle connection of its own would hold 14 kB.
 * What lasts of one is a secret, a counter and a cipher, and that is what is here. Bytes
 * in, bytes out: knows no socket. This is the inside of net/tls.h.
 */
#ifndef POOLER_NET_TLS_RECORDS_H
#define POOLER_NET_TLS_RECORDS_H

#include <openssl/evp.h>

#include "base/slice.h"

struct tls_suite;

enum {
	TLS_RECORD_HEADER = 5,
	TLS_RECORD_PLAIN_MAX = 16 * 1024,
	TLS_RECORD_BODY_MAX = TLS_RECORD_PLAIN_MAX + 256, /* encrypted */
	TLS_RECORD_MAX = TLS_RECORD_HEADER + TLS_RECORD_BODY_MAX,
	TLS_RECORD_EXTRA = TLS_RECORD_HEADER + 1 + 16, /* what sealing adds */
	TLS_SECRET_MAX = 48
};

enum tls_record_type {
	TLS_RECORD_ALERT = 21,
	TLS_RECORD_HANDSHAKE = 22,
	TLS_RECORD_DATA = 23
};

struct tls_way {
	EVP_CIPHER_CTX *cipher; /* NULL: empty */
	uint64_t count;         /* of records under this key */
	bool is_sealing;
	uint8_t secret_len;
	uint8_t iv[12];
	uint8_t
	    secret[TLS_SECRET_MAX]; /* of which key and iv are made, and the next one */
	const struct tls_suite *suite;
};

/* Whether the cipher suite (its number in the protocol) can be done here. */
bool tls_way_knows(uint16_t suite);

/* count: records that have gone this way under the secret. False when memory is short;
 * then it is empty. */
bool tls_way_init(struct tls_way *way, uint16_t suite, bool is_sealing,
		  struct slice secret, uint64_t count);
void tls_way_fini(struct tls_way *way); /* wipes */

/* Goes on with the next secret, as after a KeyUpdate. False when that failed; then the
 * way must not be used any more. */
bool tls_way_renew(struct tls_way *way);

/* Whether so many records have gone that the key should be renewed. */
bool tls_way_is_worn(const struct tls_way *way);

/* Seals len bytes (at most TLS_RECORD_PLAIN_MAX) of two pieces, the second may be empty,
 * into out, which has room for TLS_RECORD_EXTRA more. Returns the record's length, or 0
 * when it failed. */
size_t tls_way_seal(struct tls_way *way, enum tls_record_type type, struct slice first,
		    struct slice second, uint8_t *out);

enum tls_opened {
	TLS_OPENED,
	TLS_OPENED_PART, /* more bytes are needed */
	TLS_OPENED_BAD   /* forged, garbled, or of a kind that has no place here */
};

struct tls_record {
	size_t
	    total_len; /* of the record, header and all; 0 when not even that is known */
	struct slice plain; /* what is in it, in the place of the sealed bytes */
	uint8_t type;       /* enum tls_record_type, or another if the peer says so */
	uint8_t alert;      /* BAD: what the peer is to be told */
};

/* How long the record at the front is, 0 while its header is not complete. */
size_t tls_record_len(struct slice bytes);

/* Opens the record at the front, in place. */
enum tls_opened tls_way_open(struct tls_way *way, uint8_t *bytes, size_t len,
			     struct tls_record *out);

#endif
