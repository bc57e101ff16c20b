/*
 * What the options of an ldap rule mean: which servers, how to speak to them, and how a
 * user's name becomes a name of the directory.
 */
#ifndef POOLER_AUTH_LDAP_PLAN_H
#define POOLER_AUTH_LDAP_PLAN_H

#include <stdbool.h>
#include <stddef.h>

struct buffer;

enum { LDAP_PLAN_SERVERS_MAX = 16 };

/* Borrows the options' texts. What is not given is NULL. */
struct ldap_plan {
	const char *servers; /* blanks between; NULL: the DNS is asked */
	const char *scheme;  /* ldap or ldaps */
	int port;
	bool has_starttls;
	bool is_search; /* search and bind; otherwise prefix and suffix are used */
	const char *prefix, *suffix;
	const char *base_dn, *bind_dn, *bind_password, *attribute, *filter;
	int scope; /* LDAP_SCOPE_... */
	void *url; /* what ldapurl was parsed to */
};

/* False, nothing to be freed, and one sentence in why, without a secret. */
bool ldap_plan_read(const char *const *pairs, struct ldap_plan *out, char *why,
		    size_t why_cap);

void ldap_plan_fini(struct ldap_plan *plan);

/* Appends the URIs of the servers, each ended by NUL. False when memory is short. */
bool ldap_plan_print_uris(const struct ldap_plan *plan, const char *servers,
			  struct buffer *out);

#endif
