/*
 * The options of an ldap rule as pairs: names and values one after the other, NULL at the
 * end, as the workers take them.
 */
#ifndef POOLER_AUTH_LDAP_OPTIONS_H
#define POOLER_AUTH_LDAP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "config/arena.h"

struct hba_option;

struct ldap_options {
	struct arena arena;
	const char **pairs; /* NULL when there are none */
};

/* Of a text like the setting auth_ldap_options: name=value, quotes as in pg_hba.conf. The
 * options are checked, too. False, nothing to be freed, and one sentence in why. */
bool ldap_options_parse(const char *text, struct ldap_options *out, char *why,
			size_t why_cap);

/* Of a rule; borrows its texts. False when memory is short. */
bool ldap_options_of_rule(const struct hba_option *options, struct ldap_options *out);

/* Wipes. May be called twice, and on zero. */
void ldap_options_fini(struct ldap_options *options);

/* Whether the options make sense together: a simple bind (ldapprefix, ldapsuffix) or
 * search and bind (ldapbasedn, perhaps by ldapurl), as PostgreSQL 15 wants them, and
 * none twice. False, and one sentence in why, without a secret. */
bool ldap_options_check(const char *const *pairs, char *why, size_t why_cap);

#endif
