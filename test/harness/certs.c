/*
 * Certificates for tests, by OpenSSL's library: two hundred of them take a second.
 */
#include "harness/certs.h"

#include <dirent.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

/* ---- the directory ---- */

void certs_open(struct certs *c)
{
	*c = (struct certs){.dir = "/tmp/pooler-certs-XXXXXX"};
	CHECK(mkdtemp(c->dir));
}

void certs_close(struct certs *c)
{
	DIR *dir = opendir(c->dir);
	struct dirent *entry;

	for (size_t i = 0; i < c->count; i++) {
		X509_free(c->all[i].x509);
		EVP_PKEY_free(c->all[i].key);
	}
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(c->dir);
}

const char *certs_path(struct certs *c, const char *file)
{
	char *path = c->paths[c->path_count++ % CERTS_PATHS];
	size_t dir_len = strlen(c->dir), file_len = strlen(file);

	CHECK(dir_len + 1 + file_len < sizeof(c->paths[0]));
	memcpy(path, c->dir, dir_len);
	path[dir_len] = '/';
	memcpy(path + dir_len + 1, file, file_len + 1);
	return path;
}

static FILE *create(struct certs *c, const char *name, const char *suffix)
{
	char file[64];

	snprintf(file, sizeof(file), "%s%s", name, suffix);
	FILE *out = fopen(certs_path(c, file), "w");
	CHECK(out);
	return out;
}

void certs_write(struct certs *c, const char *file, const char *text)
{
	FILE *out = create(c, file, "");

	CHECK(fputs(text, out) >= 0);
	fclose(out);
}

void certs_join(struct certs *c, const char *file, const char *const *parts)
{
	FILE *out = create(c, file, "");
	char piece[4096];
	size_t len;

	for (; *parts; parts++) {
		FILE *in = fopen(certs_path(c, *parts), "r");

		CHECK(in);
		while ((len = fread(piece, 1, sizeof(piece), in)) > 0)
			CHECK(fwrite(piece, 1, len, out) == len);
		fclose(in);
	}
	fclose(out);
}

/* ---- certificates ---- */

static EVP_PKEY *make_key(enum cert_key kind)
{
	EVP_PKEY *key = NULL;

	switch (kind) {
	case CERT_KEY_EC:
		key = EVP_EC_gen("P-256");
		break;
	case CERT_KEY_RSA:
		key = EVP_RSA_gen(2048);
		break;
	case CERT_KEY_ED25519:
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		break;
	}
	CHECK(key);
	return key;
}

static void add_entry(X509_NAME *name, const char *field, const char *text, size_t len)
{
	if (text)
		CHECK(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
						 (const unsigned char *)text, (int)len,
						 -1, 0));
}

static void set_subject(X509 *x, const struct cert_spec *spec)
{
	const char *cn = spec->cn ? spec->cn : spec->name;
	size_t cn_len = spec->cn_len > 0 ? spec->cn_len : strlen(cn);
	X509_NAME *name = X509_get_subject_name(x);

	if (spec->organization)
		add_entry(name, "O", spec->organization, strlen(spec->organization));
	add_entry(name, "CN", cn, cn_len);
}

static void add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	CHECK(extension && X509_add_ext(x, extension, -1));
	X509_EXTENSION_free(extension);
}

static void set_validity(X509 *x, const struct cert_spec *spec)
{
	bool is_given = spec->from_s != 0 || spec->to_s != 0;

	X509_gmtime_adj(X509_getm_notBefore(x), is_given ? spec->from_s : -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), is_given ? spec->to_s : 3600);
}

static void sign(X509 *x, EVP_PKEY *key, const char *digest)
{
	bool is_plain = EVP_PKEY_is_a(key, "ED25519");

	CHECK(X509_sign(
	    x, key, is_plain ? NULL : EVP_get_digestbyname(digest ? digest : "SHA256")));
}

static void write_files(struct certs *c, const char *name, const struct cert *cert)
{
	FILE *out = create(c, name, ".pem");

	CHECK(PEM_write_X509(out, cert->x509));
	for (const struct cert *up = cert->issuer; up && up->issuer; up = up->issuer)
		CHECK(PEM_write_X509(out, up->x509));
	fclose(out);
	out = create(c, name, ".key");
	CHECK(PEM_write_PrivateKey(out, cert->key, NULL, NULL, 0, NULL, NULL));
	fclose(out);
}

struct cert *certs_make(struct certs *c, const struct cert_spec *spec)
{
	struct cert *cert = &c->all[c->count++];
	const struct cert *issuer = spec->issuer ? spec->issuer : cert;

	CHECK(c->count <= CERTS_MAX);
	*cert = (struct cert){
	    .x509 = X509_new(), .key = make_key(spec->key), .issuer = spec->issuer};
	X509_set_version(cert->x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert->x509), (long)(1000 + c->count));
	set_validity(cert->x509, spec);
	set_subject(cert->x509, spec);
	X509_set_issuer_name(cert->x509, X509_get_subject_name(issuer->x509));
	X509_set_pubkey(cert->x509, cert->key);
	if (spec->is_ca)
		add_extension(cert->x509, NID_basic_constraints, "critical,CA:TRUE");
	if (spec->alt)
		add_extension(cert->x509, NID_subject_alt_name, spec->alt);
	sign(cert->x509, issuer->key, spec->digest);
	write_files(c, spec->name, cert);
	return cert;
}

/* ---- revocation ---- */

static void add_revoked(X509_CRL *crl, const struct cert *cert)
{
	X509_REVOKED *entry = X509_REVOKED_new();

	CHECK(entry);
	X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(cert->x509));
	X509_REVOKED_set_revocationDate(entry, X509_getm_notBefore(cert->x509));
	CHECK(X509_CRL_add0_revoked(crl, entry));
}

void certs_revoke(struct certs *c, const char *file, const struct cert *ca,
		  const struct cert *const *revoked)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *at = ASN1_TIME_new();

	CHECK(crl && at);
	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->x509));
	X509_CRL_set1_lastUpdate(crl, X509_gmtime_adj(at, -3600));
	X509_CRL_set1_nextUpdate(crl, X509_gmtime_adj(at, 3600));
	for (; *revoked; revoked++)
		add_revoked(crl, *revoked);
	CHECK(X509_CRL_sign(crl, ca->key, EVP_sha256()));
	FILE *out = create(c, file, "");
	CHECK(PEM_write_X509_CRL(out, crl));
	fclose(out);
	ASN1_TIME_free(at);
	X509_CRL_free(crl);
}
