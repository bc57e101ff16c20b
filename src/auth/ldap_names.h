/*
 * A user's name as part of what a directory understands. What the user chose must stay a
 * value: it may not become syntax.
 */
#ifndef POOLER_AUTH_LDAP_NAMES_H
#define POOLER_AUTH_LDAP_NAMES_H

#include "base/slice.h"

struct buffer;
struct ldap_plan;

enum ldap_name {
	LDAP_NAME_OK,
	LDAP_NAME_REFUSED, /* such a name is nobody's */
	LDAP_NAME_NO_MEMORY
};

/* Appends the name to bind as, and a NUL. Where ldapprefix says that it is a DN
 * ("uid="), the name is escaped as RFC 4514 wants it; else (DOMAIN\name, name@domain)
 * names that would make a DN of it are refused. */
enum ldap_name ldap_name_to_bind(const struct ldap_plan *plan, const char *user,
				 struct buffer *out);

/* Appends the filter that finds the user, and a NUL: escaped as RFC 4515 wants it; and
 * as PostgreSQL does, names with characters of the filter's syntax are refused. */
enum ldap_name ldap_name_to_find(const struct ldap_plan *plan, const char *user,
				 struct buffer *out);

#endif
