/*
 * TLS with a server: the server_tls_* settings, or what an entry of [databases] says in
 * its tls_* keys, or both taken together.
 *
 * Strings are never NULL and belong to the snapshot.
 */
#ifndef POOLER_CONFIG_SERVER_TLS_H
#define POOLER_CONFIG_SERVER_TLS_H

#include "config/settings.h"

struct arena;

/* X(field, kind, setting, key in [databases]) */
/* clang-format off */
#define SERVER_TLS_KEYS(X) \
	X(mode, TLS_MODE, server_tls_sslmode, "tls_sslmode") \
	X(negotiation, SSLNEGOTIATION, server_tls_sslnegotiation, "tls_sslnegotiation") \
	X(key_file, TEXT, server_tls_key_file, "tls_key_file") \
	X(cert_file, TEXT, server_tls_cert_file, "tls_cert_file") \
	X(ca_file, TEXT, server_tls_ca_file, "tls_ca_file") \
	X(crl_file, TEXT, server_tls_crl_file, "tls_crl_file") \
	X(protocols, TEXT, server_tls_protocols, "tls_protocols") \
	X(ciphers, TEXT, server_tls_ciphers, "tls_ciphers") \
	X(tls13_ciphers, TEXT, server_tls13_ciphers, "tls13_ciphers")
/* clang-format on */

enum server_tls_key {
#define X(field, ...) SERVER_TLS_##field,
	SERVER_TLS_KEYS(X)
#undef X
	    SERVER_TLS_COUNT
};

struct server_tls {
#define X(field, kind, ...) SETTING_TYPE_##kind field;
	SERVER_TLS_KEYS(X)
#undef X
};

/* TLS disabled and all strings "". */
void server_tls_init(struct server_tls *tls);

/* As the settings say; the strings are theirs. */
void server_tls_of(const struct settings *s, struct server_tls *out);

/* The key's name in [databases]. */
const char *server_tls_key_name(enum server_tls_key key);

/* The key of that name (in any case), or SERVER_TLS_COUNT. */
enum server_tls_key server_tls_find(const char *name);

/* Strings go into the arena. 0; -EINVAL with the reason in why, -ENOMEM; nothing has
 * changed then. */
int server_tls_set(struct server_tls *tls, enum server_tls_key key, const char *value,
		   struct arena *strings, char *why, size_t why_cap);

/* The value as it can be written in the file, of at most SETTING_VALUE_MAX bytes; returns
 * out. */
char *server_tls_print(const struct server_tls *tls, enum server_tls_key key, char *out,
		       size_t cap);

/* Takes from `from` all whose bit is not in own; strings are shared. */
void server_tls_inherit(struct server_tls *tls, unsigned own,
			const struct server_tls *from);

/* Copies the strings into the arena. 0 or -ENOMEM. */
int server_tls_keep(struct server_tls *tls, struct arena *strings);

bool server_tls_same(const struct server_tls *a, const struct server_tls *b);

#endif
