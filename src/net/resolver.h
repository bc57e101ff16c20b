/*
 * Host names to addresses without blocking, by c-ares driven from our loop; answers are
 * kept for a while, failures too, and concurrent questions for one name are one query.
 */
#ifndef POOLER_NET_RESOLVER_H
#define POOLER_NET_RESOLVER_H

#include "net/address.h"
#include "net/loop.h"

struct resolver;

/* One question; embedded in who asks. Zero is valid: not asked. */
struct resolver_query;
typedef void (*resolver_fn)(struct resolver_query *query, const struct address *addresses,
			    size_t count, const char *problem);

struct resolver_query {
	TAILQ_ENTRY(resolver_query) place;
	struct resolver_name *name; /* what is waited for; NULL when nothing is */
	resolver_fn on_answer;
};

/* NULL when memory or c-ares fails; *out_problem then says why (static text). */
struct resolver *resolver_create(struct loop *loop, const char **out_problem);
void resolver_destroy(struct resolver *resolver); /* no query may be waiting */

/* How long answers and failures are kept, whatever the name server says; 15 s unless set.
 */
void resolver_set_ttl(struct resolver *resolver, uint64_t ttl_us,
		      uint64_t negative_ttl_us);

/* Asks these servers ("10.0.0.1:53,10.0.0.2") instead of those of resolv.conf; 0, or
 * -EINVAL when that is no list of addresses. */
int resolver_set_servers(struct resolver *resolver, const char *servers);

/*
 * Asks. on_answer comes once, never from within this call: with the addresses (IPv6 and
 * IPv4, port 0, in the order of preference), or with count 0 and problem, a line that
 * says why.
 */
void resolver_ask(struct resolver *resolver, struct resolver_query *query,
		  const char *host, resolver_fn on_answer);
/* No answer is wanted any more; harmless when none is waited for. */
void resolver_forget(struct resolver_query *query);

/*
 * The name that an address is said to have, by its PTR record or /etc/hosts; worth
 * nothing until it leads back (net/peernames). on_name comes once, perhaps from within
 * this call, and at the latest from resolver_destroy(); name is NULL when there is none.
 * The address must be IPv4 or IPv6.
 */
typedef void (*resolver_pointer_fn)(void *arg, const char *name);
void resolver_ask_pointer(struct resolver *resolver, const struct address *address,
			  resolver_pointer_fn on_name, void *arg);

/* How long an answer, or a failure, is kept. */
uint64_t resolver_keep_us(const struct resolver *resolver, bool is_answer);

size_t resolver_name_count(const struct resolver *resolver); /* names kept */
size_t
resolver_pending_count(const struct resolver *resolver); /* names being asked for */

#endif
