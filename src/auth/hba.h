/*
 * Who may come in from where, and how they show who they are: the rules of pg_hba.conf as
 * PostgreSQL 15 reads them, as far as a pooler can honour them.
 *
 * What it cannot honour (+group, samerole, gss, sspi, ident over TCP, radius, bsd,
 * hostgssenc, regular expressions of later versions) is refused by name. One rule that
 * does not parse refuses the whole file: a rule that is skipped may be the one that
 * rejects. The first rule that matches counts.
 */
#ifndef POOLER_AUTH_HBA_H
#define POOLER_AUTH_HBA_H

#include "base/slice.h"

struct buffer;
struct config_errors;
struct hba; /* never changes */

enum hba_type { HBA_LOCAL, HBA_HOST, HBA_HOSTSSL, HBA_HOSTNOSSL, HBA_HOSTNOGSSENC };

enum hba_name_kind { HBA_NAME, HBA_ALL, HBA_SAMEUSER, HBA_REPLICATION };

struct hba_name {
	struct hba_name *next;
	enum hba_name_kind kind;
	const char *text;
};

enum hba_address_kind {
	HBA_ANYWHERE, /* "all", and local rules */
	HBA_NETWORK,
	HBA_HOST_NAME, /* a name, or with a dot in front a domain */
	HBA_SAMEHOST,
	HBA_SAMENET
};

/* family 0 is none. IPv4 uses the first four bytes. */
struct hba_address {
	uint8_t family; /* 0, 4 or 6 */
	uint8_t bytes[16];
};

struct hba_network {
	struct hba_address address;
	uint8_t mask[16];
};

enum hba_method {
	HBA_TRUST,
	HBA_REJECT,
	HBA_MD5,
	HBA_PASSWORD,
	HBA_SCRAM,
	HBA_CERT,
	HBA_PEER,
	HBA_LDAP,
	HBA_PAM
};

enum hba_clientcert { HBA_CLIENTCERT_NONE, HBA_CLIENTCERT_CA, HBA_CLIENTCERT_FULL };

/* Options of ldap and pam, as they were written. */
struct hba_option {
	struct hba_option *next;
	const char *name, *value;
};

struct hba_rule {
	struct hba_rule *next;
	unsigned line;
	enum hba_type type;
	struct hba_name *databases, *users;
	enum hba_address_kind address_kind;
	struct hba_network network;
	const char *host_name; /* of HBA_HOST_NAME, else NULL */
	enum hba_method method;
	const char *map; /* the ident map of cert and peer; NULL: names must be equal */
	enum hba_clientcert clientcert; /* cert implies HBA_CLIENTCERT_FULL */
	bool is_by_dn; /* clientname=DN: not the CN but the whole subject is the name */
	struct hba_option *options;
};

/* NULL, and in errors all that is wrong, by line. */
struct hba *hba_load(const char *path, struct config_errors *errors);
/* file names the text in errors; what it includes is looked for beside it. */
struct hba *hba_parse(struct slice text, const char *file, struct config_errors *errors);
void hba_free(struct hba *hba);

const struct hba_rule *hba_first(const struct hba *hba);

const char *hba_type_name(enum hba_type type);
const char *hba_method_name(enum hba_method method);

/* Whether any rule says samehost or samenet: only then own networks need be known. */
bool hba_uses_own(const struct hba *hba);

/* ---- matching ---- */

enum hba_peer_name {
	HBA_PEER_NAME_UNKNOWN, /* nobody has looked yet */
	HBA_PEER_NAME_NONE,    /* it has none, or it did not lead back to its address */
	HBA_PEER_NAME_KNOWN
};

struct hba_connection {
	bool is_local; /* by a Unix socket; the address does not count then */
	bool is_tls;
	bool is_replication; /* physical: no database is meant */
	struct hba_address address;
	struct slice database, user;
	struct slice also_called; /* another name of the same database; empty: none */
	enum hba_peer_name peer_name_state;
	const char *peer_name;         /* of HBA_PEER_NAME_KNOWN */
	const struct hba_network *own; /* addresses and masks of our interfaces */
	size_t own_count;
};

enum hba_verdict {
	HBA_MATCH,
	HBA_NO_MATCH,  /* refuse */
	HBA_NEEDS_NAME /* find out the peer's name (address to name, and that name back to
			  the address), then match again */
};

/* *out is the rule of HBA_MATCH. */
enum hba_verdict hba_match(const struct hba *hba, const struct hba_connection *c,
			   const struct hba_rule **out);

/* ---- printing, for SHOW HBA ---- */

enum hba_column {
	HBA_COLUMN_TYPE,
	HBA_COLUMN_DATABASE,
	HBA_COLUMN_USER,
	HBA_COLUMN_ADDRESS, /* empty for local rules */
	HBA_COLUMN_METHOD,
	HBA_COLUMN_OPTIONS,
	HBA_COLUMN_COUNT
};

/* Appends what the rule has there, as it would be written in the file. False when memory
 * is short. */
bool hba_print(const struct hba_rule *rule, enum hba_column column, struct buffer *out);

#endif
