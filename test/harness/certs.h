/*
 * Certificates made for a test: authorities, what they sign, and what they revoke,
 * written as PEM files into a directory of their own.
 *
 *   struct certs certs;
 *   certs_open(&certs);
 *   struct cert *ca = certs_make(&certs, &(struct cert_spec){.name = "ca", .is_ca =
 * true}); certs_make(&certs, &(struct cert_spec){.name = "server", .issuer = ca, .alt =
 * "DNS:a"}); certs_path(&certs, "server.pem") and "server.key"
 *
 * Whatever fails ends the test by CHECK.
 */
#ifndef POOLER_TEST_HARNESS_CERTS_H
#define POOLER_TEST_HARNESS_CERTS_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

struct cert {
	X509 *x509;
	EVP_PKEY *key;
	const struct cert *issuer; /* NULL: itself */
};

enum cert_key { CERT_KEY_EC, CERT_KEY_RSA, CERT_KEY_ED25519 };

struct cert_spec {
	const char *name; /* of its files: NAME.pem (with the chain below the root) and
			     NAME.key; and its common name, unless cn is given */
	const char *cn;   /* may hold NULs if cn_len is given */
	size_t cn_len;
	const char *organization;
	const char *alt;    /* "DNS:a,IP:127.0.0.1" */
	const char *digest; /* "SHA256" if NULL */
	const struct cert *issuer;
	enum cert_key key;
	bool is_ca;
	long from_s, to_s; /* validity from now, an hour each way if both are 0 */
};

enum { CERTS_MAX = 32, CERTS_PATHS = 16 };

struct certs {
	char dir[64];
	struct cert all[CERTS_MAX];
	size_t count;
	char paths[CERTS_PATHS][128];
	size_t path_count;
};

void certs_open(struct certs *certs);
void certs_close(struct certs *certs); /* removes the files */

struct cert *certs_make(struct certs *certs, const struct cert_spec *spec);

/* A revocation list of ca's with these serial numbers' owners; NULL ends them. */
void certs_revoke(struct certs *certs, const char *file, const struct cert *ca,
		  const struct cert *const *revoked);

/* Puts files one behind the other; NULL ends them. */
void certs_join(struct certs *certs, const char *file, const char *const *parts);

void certs_write(struct certs *certs, const char *file, const char *text);

/* Good until sixteen others have been asked for. */
const char *certs_path(struct certs *certs, const char *file);

#endif
