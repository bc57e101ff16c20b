/*
 * A bound for each step on a connection of libldap, TLS handshakes included: its own
 * limits do not cover those, and against a server that falls silent it would spin for
 * ever.
 */
#ifndef POOLER_AUTH_LDAP_DEADLINE_H
#define POOLER_AUTH_LDAP_DEADLINE_H

#include <ldap.h>
#include <stdbool.h>

struct ldap_deadline {
	ldap_conncb callbacks;
	Sockbuf_IO io;
	int timer_fd; /* readable when the time is over; -1: none */
};

/* Before the first request on the handle; false when descriptors or memory are short. */
bool ldap_deadline_init(struct ldap_deadline *d, LDAP *ld);

/* After the handle is gone. May be called twice. */
void ldap_deadline_fini(struct ldap_deadline *d);

/* From now on so many seconds: whatever blocks then fails. */
void ldap_deadline_set(const struct ldap_deadline *d, unsigned seconds);

#endif
