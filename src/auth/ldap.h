/*
 * Asking a directory whether a password is right. Blocks, but not without bound: each
 * step with each server has LDAP_STEP_S seconds (names are looked up by the system's
 * resolver, which has bounds of its own). For the threads of auth/worker only.
 *
 * Certificates are checked as libldap's own configuration says (TLS_CACERT and
 * TLS_REQCERT in ldap.conf, LDAPTLS_CACERT in the environment); its default is to demand
 * a good one. Referrals are not followed.
 */
#ifndef POOLER_AUTH_LDAP_H
#define POOLER_AUTH_LDAP_H

#include "auth/worker.h"

enum { LDAP_STEP_S = 3 };

struct ldap_question {
	const char *const *options; /* pairs, see auth/ldap_options.h */
	const char *user, *password;
};

/* Once in the life of the process, before the first question and while nobody else asks:
 * libldap makes what its connections share of TLS without a lock. The certificates of
 * authorities are read here. */
void ldap_prepare(void);

/* The next server is asked only when one cannot be. */
void ldap_judge(const struct ldap_question *question, struct work_answer *out);

#endif
