/*
 * A name server on a loopback port, run by the test's own loop.
 */
#ifndef POOLER_TEST_HARNESS_FAKE_DNS_H
#define POOLER_TEST_HARNESS_FAKE_DNS_H

#include "net/loop.h"

struct fake_name {
	const char *name;         /* NULL ends the list */
	const char *addresses[4]; /* in figures; none: it has none of this kind */
};

/* What an address says it is called. */
struct fake_pointer {
	const char *name; /* "1.0.0.10.in-addr.arpa"; NULL ends the list */
	const char *pointer;
};

struct fake_dns {
	struct loop_io io;
	struct loop *loop;
	const struct fake_name *names;       /* all others do not exist */
	const struct fake_pointer *pointers; /* to be set after the start; NULL: none */
	unsigned drops;     /* questions to leave unanswered from now on */
	unsigned questions; /* for IPv4 addresses that came in */
	unsigned pointer_questions;
	char servers[32]; /* for resolver_set_servers() */
};

void fake_dns_start(struct fake_dns *dns, struct loop *loop,
		    const struct fake_name *names);
void fake_dns_stop(struct fake_dns *dns);

#endif
